//! Fast arrays: cells beside those of the weights that take the updates of training, and how what they hold gets to the weights.

use nmc_program::{
    Access, ArrayId, Binary, ComponentKind, Cost, Count, Fast, Followed, Initial, Len, MatrixId, Op, Reference, Scheme,
    WeightSource,
};

use super::dense::{Layer, transposed};
use super::kernel::{Builder, OWN};
use super::learning::{SMALL, Way};
use super::{Lowering, Signal, chain};
use crate::cost;
use crate::forms::chip::{self, Converter, Device, Drive, PulseEnergy, Sense, TileKind, WeightScheme};
use crate::forms::decisions::Range;
use crate::forms::network::NodeId;
use crate::forms::plan;

/// Less a block: the fast array beside it.
const FAST: usize = usize::MAX;
/// Halvings that find where pulses up and down move a cell as far.
const HALVINGS: usize = 50;
/// Of a read in the running mean of a reference that follows, times the reads from one turn of signs to the next: the last weigh most (as AIHWKIT has it).
const TAIL: f64 = 5.0;
/// Pulses of a weight in a transfer, at most.
const PULSES: u32 = 31;
/// Reads, one forward and one backward, and an update as long as these each: how many times longer a sample lasts in training.
const LONGER: f64 = 3.0;

impl Lowering<'_> {
    /// The fast array beside the cells of a matrix, where the layer is trained by way of one.
    pub(super) fn beside(&mut self, matrix: MatrixId, layer: &Layer, block: usize) -> Option<MatrixId> {
        let index = layer.tile.fast.filter(|_| self.plan.transfers(layer.node).next().is_some())?;
        let (device, slow) = (&self.chip.devices[index], &self.program.matrices[matrix.index()]);
        let (name, rows, cols) = (format!("{}: fast", slow.name), slow.rows, slow.cols);
        let scheme = match layer.tile.weights {
            WeightScheme::Reference => Scheme::Reference,
            WeightScheme::Unsigned => Scheme::Single,
            WeightScheme::Differential | WeightScheme::Offset => Scheme::Differential,
        };
        let tensor = self.tensor(name.clone(), vec![cols, rows], vec![0.0; rows * cols]);
        let source = WeightSource::Tensor { tensor, output_start: 0, input_start: 0 };
        let fast = self.matrix(name.clone(), rows, cols, source);
        // It has wires of its own, as long as those of the array beside it.
        let (wire_ohms, driver_ohms, sense_ohms) = (0.0, 0.0, 0.0);
        let tile =
            TileKind { device: index, write_bias: None, wire_ohms, driver_ohms, sense_ohms, ..layer.tile.clone() };
        let gain = if tile.gain > 0.0 { tile.gain } else { 1.0 };
        let most = layer.most.map(|most| most / gain);
        let Layer { node, weights, how, positions, .. } = *layer;
        let rest = Some(rest(device, scheme));
        self.program_cells(
            fast,
            &Layer { node, weights, how, tile: &tile, most, positions, rest },
            (block, 0),
            scheme,
            false,
        );
        self.wire(fast, layer.tile, FAST - block, 0);
        if tile.gain > 0.0 {
            let layer = self.name(node);
            self.note(format!("{layer}: errors are estimated without its fast array, which is read with it"));
        }
        if self.plan.transfers(node).any(|transfer| transfer.chop > 0.0) {
            let signs = self.array(format!("{name}: signs"), Len::Fixed(rows), false, Initial::Fill(1.0));
            self.program.matrices[fast.index()].cells.iter_mut().for_each(|cells| cells.signs = Some(signs));
        }
        let (once, cells) = (device.programming, scheme.cells(rows, cols) as f64);
        let count = match once.way {
            chip::Way::Drawn => Count::Once(once.pulses * cells),
            chip::Way::Verified(_) | chip::Way::Open => Count::Written(fast),
        };
        let (read, verify) = (Count::ReadEnergy(fast), Count::WriteEnergy(fast));
        for (kind, count, energy_j) in [
            (ComponentKind::Programming, count, once.energy),
            (ComponentKind::Programming, verify, f64::from(u8::from(once.verifies || across(device)))),
            (ComponentKind::Cells, read, 1.0),
        ] {
            self.program.costs.costs.push(Cost { kind, name: name.clone(), count, energy_j });
        }
        Some(fast)
    }

    /// Where the weights of a block come from, if its cells are programmed anew while they learn: an array that starts from what was given.
    pub(super) fn written_in_training(
        &mut self,
        layer: &Layer,
        source: WeightSource,
        (rows, cols): (usize, usize),
    ) -> WeightSource {
        let WeightSource::Tensor { tensor, output_start, input_start } = source else { return source };
        if !self.plan.transfers(layer.node).any(|transfer| transfer.programs) || layer.tile.fast.is_none() {
            return source;
        }
        let data = &self.program.tensors[tensor.index()];
        let inputs = data.shape.get(1..).map_or(1, |axes| axes.iter().product::<usize>());
        let at = |row: usize, col: usize| data.data.get((output_start + col) * inputs + input_start + row);
        let values = (0..rows * cols).map(|index| at(index / cols, index % cols)).collect();
        let name = format!("{}[{output_start}.., {input_start}..]: asked", self.name(layer.node));
        let tensor = self.tensor(name.clone(), vec![rows, cols], values);
        WeightSource::Held(self.array(name, Len::Fixed(rows * cols), false, Initial::Tensor { tensor, start: 0 }))
    }

    /// Adds what a fast array gives backward to what the array beside it gives.
    pub(super) fn adds_fast(
        &mut self,
        (fast, to): (MatrixId, ArrayId),
        (input, start): (ArrayId, usize),
        (positions, joules): (usize, f64),
        ops: &mut Vec<Op>,
    ) {
        let matrix = &self.program.matrices[fast.index()];
        let (name, len) = (format!("{}: back", matrix.name), matrix.rows * positions);
        let array = self.zeros(name.clone(), len);
        let from = Signal { array: input, start, len: 0 };
        ops.push(transposed(fast, from, (array, 0), positions, joules));
        let mut b = Builder::default();
        let (slow, fast) = (b.load(to, OWN), b.load(array, OWN));
        let sum = b.add(slow, fast);
        b.store(to, OWN, sum);
        let kernel = self.kernel(name, b);
        ops.push(Op::Kernel { kernel, len, spikes: None });
    }

    /// How what the fast array holds gets to the cells of a matrix.
    pub(super) fn transfer(
        &mut self,
        node: NodeId,
        plan: &plan::Transfer,
        (matrix, fast): (MatrixId, Option<MatrixId>),
        (tile, how): (&TileKind, (usize, usize)),
        way: &mut Way,
    ) -> Option<Fast> {
        let (Some(fast), Some(index)) = (fast, tile.fast) else {
            let why = format!("no fast array lies beside its own (`{}`)", tile.name);
            return self.cannot_learn(
                node,
                &why,
                "say which cells it has: `fast: cell` in the tile, with `potentiation` and `depression`",
            );
        };
        if tile.resists() && tile.gain > 0.0 && self.plan.wires_compensated {
            let why = "both arrays are added before outputs are scaled for what wires take";
            return self.cannot_learn(node, why, "leave `wires` out of `compensate`, or the tile's `gain`");
        }
        let pulsed = self.pulsed(node, fast, tile, index)?;
        let (chip, slow) = (self.chip, &self.program.matrices[matrix.index()]);
        let (rows, cols, layer) = (slow.rows, slow.cols, self.name(node));
        let programmed = match (plan.programs, &slow.weights) {
            (true, WeightSource::Held(array)) => Some(*array),
            (_, WeightSource::Held(_) | WeightSource::Tensor { .. } | WeightSource::Fitted { .. }) => None,
        };
        let drive = match tile.inputs.get(how.0) {
            Some(Drive::Converter(id)) => Some(&chip.converters[*id]),
            Some(Drive::BitSerial { .. } | Drive::Direct(_)) | None => None,
        };
        let sense = match tile.senses.get(how.1) {
            Some(Sense::Converter { converter, .. }) => Some(&chip.converters[*converter]),
            Some(Sense::Analog(_)) | None => None,
        };
        if sense.is_none() {
            self.note(format!(
                "training: rows of the fast array of {layer} are read without a converter, as columns of the array are"
            ));
        }
        let name = self.program.matrices[fast.index()].name.clone();
        let (seen, read) = (self.zeros(format!("{name}: seen"), cols), self.zeros(format!("{name}: read"), cols));
        let largest = self.zeros(format!("{name}: largest"), 1);
        let w_max = self.program.matrices[fast.index()].cells.as_ref().and_then(|cells| cells.w_max).unwrap_or(1.0);
        let mut b = Builder::default();
        let mut value = b.load(seen, OWN);
        if let Some(sense) = sense.filter(|sense| chain::acts(sense)) {
            let full = SMALL * w_max;
            let range = self.array(format!("{name}.range"), Len::Fixed(1), false, Initial::Fill(1.0));
            way.ranges.push(Followed { range, values: (largest, 0, 1), full });
            let range = b.load(range, Access::Broadcast { offset: 0 });
            value = b.binary(Binary::Divide, value, range);
            value = chain::convert(&mut b, value, sense, Range { full, unsigned: false }, chain::Own::default());
            value = b.multiply(value, range);
        }
        b.store(read, OWN, value);
        let kernel = self.kernel(format!("{name}: read"), b);
        self.charge(&layer, (fast, matrix), tile, plan, (drive, sense), way);
        let device = &chip.devices[index];
        let seconds = LONGER * self.mapped.timetable.interval;
        let left = if device.leak > 0.0 { (-seconds / device.leak).exp() } else { 1.0 };
        if device.leak > 0.0 {
            self.note(format!(
                "training: cells of `{}` lose {:.3} % of what they hold in a sample of {:.3} us: a read forward, one backward and an update, as long each; in tests they lose nothing",
                device.name,
                100.0 * (1.0 - left),
                1e6 * seconds
            ));
        }
        self.note(String::from(
            "training by two arrays: what is read of the fast array is kept, scaled and added up by ideal digital units whose energy is not counted; both arrays share the converters of the tile",
        ));
        let reference = plan.dynamic.then(|| {
            let kept = |this: &mut Self, what: &str| {
                this.array(format!("{name}: {what}"), Len::Fixed(rows * cols), false, Initial::Fill(0.0))
            };
            let period = (1.0 / plan.chop - 1e-9).ceil().max(2.0);
            let (mean, past) = (kept(self, "mean"), kept(self, "reference"));
            Reference { period: period as usize, share: (TAIL / period).min(1.0), mean, past }
        });
        let stuck = self.luck.get(&fast).map(|&luck| (luck, device.stuck_on + device.stuck_off));
        Some(Fast {
            matrix: fast,
            pulsed,
            every: plan.every,
            rows: plan.rows.unwrap_or(rows).min(rows),
            rate: plan.rate,
            most: PULSES,
            chop: plan.chop,
            reference,
            component: self.component(),
            reset: plan.reset,
            programmed,
            seen,
            kernel,
            read,
            largest,
            joules: tile.read_voltage * tile.read_voltage * tile.read_time,
            left,
            stuck,
        })
    }

    /// What pulses on the fast array, its reads, and cells that are programmed anew take.
    fn charge(
        &mut self,
        layer: &str,
        (fast, slow): (MatrixId, MatrixId),
        tile: &TileKind,
        plan: &plan::Transfer,
        (drive, sense): (Option<&Converter>, Option<&Converter>),
        way: &mut Way,
    ) {
        let mut add = |kind: ComponentKind, what: &str, count: Count, energy_j: f64| {
            way.costs.push(Cost { kind, name: format!("{layer}: fast, {what}"), count, energy_j });
        };
        let cols = self.program.matrices[fast.index()].cols as f64;
        let device = |index: usize| &self.chip.devices[index];
        let pulse = tile.fast.and_then(|index| device(index).pulse.as_ref()).map_or(0.0, |pulse| pulse.energy);
        add(ComponentKind::Programming, "pulses", Count::Pulses(fast), pulse);
        for (converter, values) in [(drive, 1.0), (sense, cols)] {
            if let Some(converter) = converter {
                let (kind, energy) = (cost::converter_kind(converter), values * converter.energy);
                add(kind, &cost::title(converter), Count::RowReads(fast), energy);
            }
        }
        add(ComponentKind::Driver, "word lines", Count::RowReads(fast), tile.row_energy);
        let anew = [(plan.reset, fast, tile.fast), (plan.programs, slow, Some(tile.device))];
        for (matrix, index) in
            anew.into_iter().filter_map(|(anew, matrix, index)| Some((matrix, index.filter(|_| anew)?)))
        {
            add(ComponentKind::Programming, "programming", Count::Written(matrix), device(index).programming.energy);
            if device(index).programming.verifies && !across(device(index)) {
                add(ComponentKind::Programming, "verify reads", Count::WriteEnergy(matrix), 1.0);
            }
        }
        let of_fast = (fast, tile.fast.filter(|index| across(device(*index))));
        let of_slow = (slow, Some(tile.device).filter(|index| plan.programs && across(device(*index))));
        for matrix in [of_fast, of_slow].into_iter().filter_map(|(matrix, index)| index.map(|_| matrix)) {
            add(ComponentKind::Programming, "pulses and reads", Count::WriteEnergy(matrix), 1.0);
        }
    }
}

/// Whether the voltage and the width of a pulse say what it takes.
pub(super) fn across(device: &Device) -> bool {
    matches!(device.pulse_energy, PulseEnergy::Across { .. })
}

/// Share of the range at which pulses up and down move a cell without deviations as far; the middle where there is no such place, the
/// lowest conductance of pairs whose cells only rise.
fn rest(device: &Device, scheme: Scheme) -> f64 {
    let Some(pulse) = device.pulse.as_ref().filter(|pulse| pulse.down.is_some() || scheme != Scheme::Differential)
    else {
        return 0.0;
    };
    let rises = |share: f64| {
        let (up, down) = pulse.at(device.g_min + share * (device.g_max - device.g_min));
        up - down
    };
    if scheme == Scheme::Single || !(rises(0.0) > 0.0 && rises(1.0) < 0.0) {
        return if scheme == Scheme::Single { 0.0 } else { 0.5 };
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        let end = if rises(middle) > 0.0 { &mut low } else { &mut high };
        *end = middle;
    }
    (low + high) / 2.0
}
