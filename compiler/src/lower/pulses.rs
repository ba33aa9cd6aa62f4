//! What pulses do to cells in training: a kernel for each device, made from its equations, and the cells' own numbers.

use nmc_program::{ArrayId, Compare, Draw, Initial, KernelId, Len, MatrixId, Pulsed, Scheme, Unary};

use super::kernel::{Builder, OWN};
use super::{Lowering, expression};
use crate::analyse::evaluate::evaluate;
use crate::forms::chip::{Device, Pulse, TileKind};
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
    /// The numbers that are a cell's own, in the order of the device's, and last, where cells may be stuck, its luck.
    own: Vec<ArrayId>,
}

impl Lowering<'_> {
    /// What pulses do to the cells of a matrix.
    pub(super) fn pulsed(&mut self, layer: NodeId, matrix: MatrixId, tile: &TileKind) -> Option<Pulsed> {
        let chip = self.chip;
        let device = &chip.devices[tile.device];
        let Some(pulse) = &device.pulse else {
            let why = format!("pulses do nothing to its cells (`{}`)", device.name);
            return self.cannot_learn(layer, &why, "say what one adds: `potentiation: 0.1 uS`, `depression: 0.1 uS`");
        };
        let found = &self.program.matrices[matrix.index()];
        let (name, rows, cols) = (found.name.clone(), found.rows, found.cols);
        let (scheme, w_max) = found.cells.as_ref().map(|cells| (cells.scheme, cells.w_max.unwrap_or(1.0)))?;
        if tile.wire_ohms > 0.0 {
            return self.cannot_learn(
                layer,
                "its wires resist, and an update would ask for a new solution",
                "use `wire: ideal` for training",
            );
        }
        let at = |g: f64| {
            let own: Vec<f64> = pulse.own.iter().map(|own| evaluate(own, &[g], &[])).collect();
            let up = evaluate(&pulse.up, &[g], &own);
            (up, pulse.down.as_ref().map_or(0.0, |down| evaluate(down, &[g], &own)))
        };
        let per_siemens = w_max / (device.g_max - device.g_min);
        let middle = at((device.g_min + device.g_max) / 2.0);
        let step = match scheme {
            Scheme::Differential => (at(device.g_min).0 + at(device.g_min).1) * per_siemens,
            Scheme::Reference => (middle.0 + middle.1) * per_siemens,
            Scheme::Single => (middle.0 + middle.1) / 2.0 * per_siemens,
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
        let mut own = Vec::new();
        let scratch = self.scratch(tile.device, device, pulse);
        for (index, (drawn, &into)) in pulse.own.iter().zip(&scratch.own).enumerate() {
            let cells = Len::Fixed(scheme.cells(rows, cols));
            let array = self.array(format!("{name}: own {index}"), cells, false, Initial::Fill(0.0));
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
        let component = self.component();
        let both_ways = pulse.down.is_some();
        let Scratch { kernel, len, conductance, direction, .. } = scratch;
        Some(Pulsed { kernel, both_ways, len, conductance, direction, own, step, component })
    }

    /// The kernel of a device's pulses, and the arrays it works on.
    fn scratch(&mut self, index: usize, device: &Device, pulse: &Pulse) -> Scratch {
        if let Some(known) = self.pulses.get(&index) {
            return known.clone();
        }
        let widest = self.chip.tile_kinds.iter().filter(|tile| tile.device == index).map(|tile| 2 * tile.cols).max();
        let len = AT_A_TIME.max(widest.unwrap_or(0));
        let array = |this: &mut Self, what: &str| {
            this.array(format!("{}.{what}", device.name), Len::Fixed(len), false, Initial::Fill(0.0))
        };
        let (conductance, direction) = (array(self, "pulsed"), array(self, "direction"));
        let faulty = device.stuck_on > 0.0 || device.stuck_off > 0.0;
        let own: Vec<ArrayId> =
            (0..pulse.own.len() + usize::from(faulty)).map(|n| array(self, &format!("own {n}"))).collect();
        let mut b = Builder::default();
        let (held, way) = (b.load(conductance, OWN), b.load(direction, OWN));
        let zero = b.number(0.0);
        let at = |b: &mut Builder, expr, size: Option<nmc_program::Value>| {
            let mut names = |b: &mut Builder, symbol: Symbol| match symbol {
                Symbol::Input(0) => Some(held),
                Symbol::Input(1) => size,
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
        let mut step = at(&mut b, &pulse.up, None);
        if let Some(down) = &pulse.down {
            let down = at(&mut b, down, None);
            let (down, rises) = (b.unary(Unary::Negate, down), b.compare(Compare::Greater, way, zero));
            step = b.select(rises, step, down);
        }
        if let Some(sigma) = &pulse.sigma {
            let size = b.unary(Unary::Absolute, step);
            let (sigma, draw) = (at(&mut b, sigma, Some(size)), b.random(Draw::Normal));
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
        b.store(conductance, OWN, after);
        let kernel = self.kernel(format!("{}: pulse", device.name), b);
        let made = Scratch { kernel, len, conductance, direction, own };
        self.pulses.insert(index, made.clone());
        made
    }
}
