//! What pulses do to cells in training: a kernel for each device, made from its equations, and the cells' own numbers.

use nmc_program::{
    ArrayId, Binary, Compare, Draw, Floating, HalfSelected, Initial, KernelId, Len, MatrixId, Pulsed, Scheme, Unary,
    Value, Written, WrittenBy,
};

use super::kernel::{Builder, OWN};
use super::{Lowering, expression};
use crate::analyse::evaluate::evaluate;
use crate::forms::chip::{ASKED, Device, PROGRAMMED, Pulse, PulseEnergy, TileKind, VOLTS, Way, WriteBias};
use crate::forms::equations::Symbol;
use crate::forms::network::NodeId;

/// Cells that get pulses at a time, few enough for the cache.
const AT_A_TIME: usize = 8192;

/// The kernel of a device's pulses, and the arrays of `len` elements it works on.
#[derive(Debug, Clone)]
pub(super) struct Scratch {
    kernel: KernelId,
    len: usize,
    conductance: ArrayId,
    direction: ArrayId,
    /// What is asked of cells that are verified.
    asked: ArrayId,
    /// Where the kernel writes what a pulse takes, if it does.
    joules: Option<ArrayId>,
    /// The numbers that are a cell's own, in the order of the device's, and last, where cells may be stuck, its luck.
    own: Vec<ArrayId>,
    /// Of cells that are half-selected in a way: the kernel, where it writes joules, and where it reads voltages, if these differ.
    half: Option<(WriteBias, KernelId, ArrayId, Option<ArrayId>)>,
}

impl Lowering<'_> {
    /// What pulses do to the cells of a matrix.
    pub(super) fn pulsed(&mut self, layer: NodeId, matrix: MatrixId, tile: &TileKind, index: usize) -> Option<Pulsed> {
        let chip = self.chip;
        let device = &chip.devices[index];
        let Some(pulse) = &device.pulse else {
            let why = format!("pulses do nothing to its cells (`{}`)", device.name);
            return self.cannot_learn(layer, &why, "say what one adds: `potentiation: 0.1 uS`, `depression: 0.1 uS`");
        };
        let found = &self.program.matrices[matrix.index()];
        let (rows, cols) = (found.rows, found.cols);
        let (scheme, w_max, rest) =
            found.cells.as_ref().map(|cells| (cells.scheme, cells.w_max.unwrap_or(1.0), cells.rest))?;
        if tile.resists() {
            self.left_out(format!(
                "{}: pulses of training reach cells in full: what wires take of them is left out",
                tile.name
            ));
        }
        let range = device.g_max - device.g_min;
        let per_siemens = w_max / range;
        let both = |share: f64| {
            let (up, down) = pulse.at(device.g_min + share * range);
            up + down
        };
        let step = match scheme {
            Scheme::Differential | Scheme::Reference => both(rest) * per_siemens,
            Scheme::Single => both(0.5) / 2.0 * per_siemens,
            Scheme::Digit { .. } => {
                return self.cannot_learn(
                    layer,
                    "its weights are held in digits",
                    "use `weights: differential` or `reference`",
                );
            }
        };
        if !(step > 0.0 && step.is_finite()) || (pulse.down.is_none() && scheme != Scheme::Differential) {
            let why = format!("pulses cannot move its cells (`{}`) both ways", device.name);
            return self.cannot_learn(layer, &why, "give them a `depression`, or hold weights in a differential pair");
        }
        let component = self.component();
        let both_ways = pulse.down.is_some();
        if tile.write_bias == Some(WriteBias::Float) && tile.device == index {
            self.left_out(format!("{}: pulses of training do not disturb other cells where lines float", tile.name));
        }
        let pulse = self.pulse(matrix, index, scheme.cells(rows, cols))?;
        Some(Pulsed { pulse, both_ways, step, component })
    }

    /// What a pulse does to the cells of a matrix, so many.
    pub(super) fn pulse(&mut self, matrix: MatrixId, index: usize, cells: usize) -> Option<nmc_program::Pulse> {
        if let Some(known) = self.pulses_of.get(&matrix) {
            return Some(known.clone());
        }
        let chip = self.chip;
        let device = &chip.devices[index];
        let pulse = device.pulse.as_ref()?;
        let name = self.program.matrices[matrix.index()].name.clone();
        let mut own = Vec::new();
        let scratch = self.scratch(index, device, pulse);
        for (index, (drawn, &into)) in pulse.own.iter().zip(&scratch.own).enumerate() {
            let array = self.array(format!("{name}: own {index}"), Len::Fixed(cells), false, Initial::Fill(0.0));
            let mut b = Builder::default();
            let value = expression::number(&mut b, &mut |_, _| None, drawn);
            b.store(array, OWN, value);
            let kernel = self.kernel(format!("{name}: own {index}"), b);
            self.program.arrays[array.index()].initial = Initial::Kernel(kernel);
            own.push((array, into));
        }
        if let (Some(&into), Some(&luck)) = (scratch.own.get(pulse.own.len()), self.luck.get(&matrix)) {
            own.push((luck, into));
        }
        let Scratch { kernel, len, conductance, direction, joules, .. } = scratch;
        let made = nmc_program::Pulse { kernel, len, conductance, direction, joules, own };
        self.pulses_of.insert(matrix, made.clone());
        Some(made)
    }

    /// How the cells of a matrix are written pulse by pulse, if they are.
    pub(super) fn written(
        &mut self,
        matrix: MatrixId,
        tile: &TileKind,
        (block, first): (usize, usize),
        cells: usize,
        luck: Option<ArrayId>,
    ) -> Option<Written> {
        let device = &self.chip.devices[tile.device];
        let (way, most) = (device.programming.way, device.programming.pulses as u32);
        if way == Way::Drawn {
            return None;
        }
        let pulse = self.pulse(matrix, tile.device, cells)?;
        let way = match way {
            Way::Verified(tolerance) => {
                let asked = self.scratch(tile.device, device, device.pulse.as_ref()?).asked;
                let kernel = self.verify(tile.device, device, (&pulse, asked), tolerance);
                WrittenBy::Verify { kernel, asked, tolerance }
            }
            Way::Open | Way::Drawn => WrittenBy::Curve(curve(device, most)),
        };
        let stuck = device.stuck_on + device.stuck_off;
        let half_selected = match tile.write_bias {
            Some(bias) => Some(self.half_selected(matrix, tile.device, bias, (block, first))?),
            None => None,
        };
        if half_selected.is_some() && tile.resists() {
            let name = &tile.name;
            self.left_out(format!(
                "{name}: pulses that write reach cells in full: what wires take of them is left out"
            ));
        }
        Some(Written { pulse, most, way, luck, stuck_on: device.stuck_on, stuck, half_selected })
    }

    /// What pulses do to the other cells of a passive array.
    fn half_selected(
        &mut self,
        matrix: MatrixId,
        index: usize,
        bias: WriteBias,
        (block, first): (usize, usize),
    ) -> Option<HalfSelected> {
        let passive = &mut self.program.passive;
        let array = *self.passive.entry(block).or_insert_with(|| {
            passive.push(Vec::new());
            passive.len() - 1
        });
        passive[array].push((matrix, first));
        let device = &self.chip.devices[index];
        let volts = device.pulse.as_ref()?.volts;
        let made = |kernel: KernelId, joules: ArrayId, across: Option<ArrayId>| {
            let floating = across.map(|across| Floating { volts, across });
            HalfSelected { kernel, joules, array, others: bias == WriteBias::Third, floating }
        };
        let scratch = self.pulses.get(&index)?.clone();
        if let Some(&(_, kernel, joules, across)) = scratch.half.iter().find(|(known, ..)| *known == bias) {
            return Some(made(kernel, joules, across));
        }
        let mut array = |what: &str| {
            self.array(format!("{}.{what}", device.name), Len::Fixed(scratch.len), false, Initial::Fill(0.0))
        };
        let joules = array("joules");
        let across = bias.share().is_none().then(|| array("across"));
        let seen = match (bias.share(), across) {
            (Some(share), _) => Volts::Known(volts * share),
            (None, Some(across)) => Volts::Each(across),
            (None, None) => return None,
        };
        let mut b = Builder::default();
        take(&mut b, device, (seen, device.programming.time), &scratch, joules);
        moved(&mut b, device, seen, &scratch);
        let kernel = self.kernel(format!("{}: half-selected", device.name), b);
        self.pulses.get_mut(&index)?.half = Some((bias, kernel, joules, across));
        Some(made(kernel, joules, across))
    }

    /// Reads cells, and says which way they have to go.
    fn verify(
        &mut self,
        index: usize,
        device: &Device,
        (pulse, asked): (&nmc_program::Pulse, ArrayId),
        tolerance: f64,
    ) -> KernelId {
        if let Some(&known) = self.verifies.get(&index) {
            return known;
        }
        let mut b = Builder::default();
        let (held, asked) = (b.load(pulse.conductance, OWN), b.load(asked, OWN));
        let mut seen = held;
        if let Some(sigma) = &device.read_sigma {
            let zero = b.number(0.0);
            let mut names = |_: &mut Builder, symbol: Symbol| match symbol == Symbol::Time {
                true => Some(zero),
                false if symbol == ASKED => Some(asked),
                false => (symbol == Symbol::Input(0) || symbol == PROGRAMMED).then_some(held),
            };
            let sigma = expression::number(&mut b, &mut names, sigma);
            let draw = b.random(Draw::Normal);
            let error = b.multiply(draw, sigma);
            seen = b.add(held, error);
        }
        let tolerance = b.number(tolerance);
        let (above, below) = (b.add(asked, tolerance), b.binary(Binary::Subtract, asked, tolerance));
        let (zero, up) = (b.number(0.0), b.number(1.0));
        let down = b.number(if device.pulse.as_ref().is_some_and(|pulse| pulse.down.is_some()) { -1.0 } else { 0.0 });
        let (high, low) = (b.compare(Compare::Greater, seen, above), b.compare(Compare::Less, seen, below));
        let falls = b.select(high, down, zero);
        let way = b.select(low, up, falls);
        b.store(pulse.direction, OWN, way);
        let kernel = self.kernel(format!("{}: verify", device.name), b);
        self.verifies.insert(index, kernel);
        kernel
    }

    /// The kernel of a device's pulses, and the arrays it works on.
    fn scratch(&mut self, index: usize, device: &Device, pulse: &Pulse) -> Scratch {
        if let Some(known) = self.pulses.get(&index) {
            return known.clone();
        }
        let on = |tile: &&TileKind| tile.device == index || tile.fast == Some(index);
        let widest = self.chip.tile_kinds.iter().filter(on).map(|tile| 2 * tile.cols).max();
        let len = AT_A_TIME.max(widest.unwrap_or(0));
        let array = |this: &mut Self, what: &str| {
            this.array(format!("{}.{what}", device.name), Len::Fixed(len), false, Initial::Fill(0.0))
        };
        let (conductance, direction, asked) = (array(self, "pulsed"), array(self, "direction"), array(self, "asked"));
        let faulty = device.fails();
        let own: Vec<ArrayId> =
            (0..pulse.own.len() + usize::from(faulty)).map(|n| array(self, &format!("own {n}"))).collect();
        let mut b = Builder::default();
        let across = match device.pulse_energy {
            PulseEnergy::Across { volts, seconds } => Some((Volts::Known(volts), seconds)),
            PulseEnergy::Unknown | PulseEnergy::Said => None,
        };
        let joules = across.map(|_| array(self, "pulse_joules"));
        let mut made = Scratch { kernel: KernelId(0), len, conductance, direction, asked, joules, own, half: None };
        if let Some((across, joules)) = across.zip(joules) {
            take(&mut b, device, across, &made, joules);
        }
        moved(&mut b, device, Volts::Known(pulse.volts), &made);
        made.kernel = self.kernel(format!("{}: pulse", device.name), b);
        self.pulses.insert(index, made.clone());
        made
    }
}

/// What stands across cells.
#[derive(Debug, Clone, Copy)]
enum Volts {
    Known(f64),
    /// Of each cell its own, 0 or above.
    Each(ArrayId),
}

/// Writes what a pulse of so many volts and seconds takes of cells as they are before it.
fn take(b: &mut Builder, device: &Device, (volts, seconds): (Volts, f64), scratch: &Scratch, joules: ArrayId) {
    let (held, way) = (b.load(scratch.conductance, OWN), b.load(scratch.direction, OWN));
    let across = match volts {
        Volts::Known(volts) => b.number(volts),
        Volts::Each(array) => b.load(array, OWN),
    };
    let across = b.multiply(across, way);
    let amperes = match &device.current {
        Some(current) => {
            let mut names = |_: &mut Builder, symbol: Symbol| match symbol == VOLTS {
                true => Some(across),
                false => (symbol == Symbol::Input(0)).then_some(held),
            };
            expression::number(b, &mut names, current)
        }
        None => b.multiply(held, across),
    };
    let (watts, seconds) = (b.multiply(amperes, across), b.number(seconds));
    let taken = b.multiply(watts, seconds);
    b.store(joules, OWN, taken);
}

/// Moves cells by a pulse of so many volts.
fn moved(b: &mut Builder, device: &Device, volts: Volts, scratch: &Scratch) {
    let Some(pulse) = &device.pulse else { return };
    let (pulse, across) = match volts {
        Volts::Known(volts) => (pulse.at_volts(volts), None),
        Volts::Each(array) => (pulse.clone(), Some(b.load(array, OWN))),
    };
    let Scratch { conductance, direction, own, .. } = scratch;
    let (held, way) = (b.load(*conductance, OWN), b.load(*direction, OWN));
    let zero = b.number(0.0);
    let at = |b: &mut Builder, expr, size: Option<Value>| {
        let mut names = |b: &mut Builder, symbol: Symbol| match symbol {
            Symbol::Input(0) => Some(held),
            Symbol::Input(1) => size,
            VOLTS => across,
            Symbol::State(n) => own.get(n).map(|own| b.load(*own, OWN)),
            Symbol::Time => Some(zero),
            Symbol::Input(_)
            | Symbol::Weight
            | Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::TimeStep
            | Symbol::Noise => None,
        };
        expression::number(b, &mut names, expr)
    };
    let mut step = at(b, &pulse.up, None);
    if let Some(down) = &pulse.down {
        let down = at(b, down, None);
        let (down, rises) = (b.unary(Unary::Negate, down), b.compare(Compare::Greater, way, zero));
        step = b.select(rises, step, down);
    }
    if let Some(sigma) = &pulse.sigma {
        let size = b.unary(Unary::Absolute, step);
        let (sigma, draw) = (at(b, sigma, Some(size)), b.random(Draw::Normal));
        let error = b.multiply(draw, sigma);
        step = b.add(step, error);
    }
    let sum = b.add(held, step);
    let (low, high) = (b.number(device.g_min), b.number(device.g_max));
    let mut after = b.clamp(sum, low, high);
    if let Some(luck) = own.get(pulse.own.len()) {
        let (luck, share) = (b.load(*luck, OWN), b.number(device.stuck_on + device.stuck_off));
        let stuck = b.compare(Compare::Less, luck, share);
        after = b.select(stuck, held, after);
    }
    b.store(*conductance, OWN, after);
}

impl Pulse {
    /// Siemens that a pulse up adds to a cell without deviations that holds so many, and that one down takes.
    pub(super) fn at(&self, g: f64) -> (f64, f64) {
        let whole = self.whole();
        let own: Vec<f64> = whole.own.iter().map(|own| evaluate(own, &[g], &[])).collect();
        let up = evaluate(&whole.up, &[g], &own);
        (up, whole.down.as_ref().map_or(0.0, |down| evaluate(down, &[g], &own)))
    }
}

/// What a cell without deviations holds after 0, 1, 2, … pulses up, at most so many.
fn curve(device: &Device, most: u32) -> Vec<f64> {
    let mut held = vec![device.g_min];
    let Some(pulse) = &device.pulse else { return held };
    let mut g = device.g_min;
    for _ in 0..most {
        let next = (g + pulse.at(g).0).clamp(g, device.g_max);
        // At the end of its range, or stuck by its own equations.
        if next <= g {
            break;
        }
        g = next;
        held.push(g);
    }
    held
}
