//! Frame networks on chips: every conversion, cell and sum of a sample by itself, and what each of them takes.

mod digits;

use std::collections::{BTreeMap, BTreeSet};

use nmc_compiler::cost;
use nmc_compiler::forms::chip::{Converter, Device, Domain, Drive, Each, FullScale, Sense, TileKind, WeightScheme};
use nmc_compiler::forms::decisions::{Bias, Implementation, OnTiles, Range, Summing};
use nmc_compiler::forms::equations::{Expr, Symbol};
use nmc_compiler::forms::network::{NodeId, Operator, Weights};
use nmc_compiler::forms::plan::InputData;
use nmc_compiler::forms::tiling::Block;
use nmc_compiler::graph;
use nmc_program::{ComponentKind, Matrix, Reduction};
use nmc_runtime::engine::Engine;
use nmc_runtime::{EngineKind, RunOptions};

use super::Case;
use super::compare::{Tally, close};
use super::expression::{nothing, value};
use crate::values;

/// A chip whose cells are programmed, and what happened on it.
pub(super) struct Chip<'a> {
    pub(super) case: &'a Case,
    /// By matrix: conductances as programmed.
    programmed: BTreeMap<String, (&'a Matrix, Vec<f64>)>,
    shown: BTreeMap<NodeId, Vec<f64>>,
    known: BTreeMap<NodeId, Vec<f64>>,
    /// Conversions by converter.
    conversions: BTreeMap<usize, f64>,
    joules: BTreeMap<ComponentKind, f64>,
    /// Deviations of cells from what was asked for, in standard deviations: how many, their sum and that of their squares.
    deviations: (f64, f64, f64),
    /// Matrices whose cells are among them.
    looked_at: BTreeSet<String>,
}

/// Runs a frame network on its chip on both engines and by the oracle: the same outputs, conversions and energy by kind.
pub fn on_arrays(case: &Case) -> Tally {
    let results = case.run().unwrap_or_else(|| panic!("infinite\n{}", case.text));
    let mut chip = Chip::new(case);
    let network = &case.mapped.network;
    let mut outputs: BTreeMap<NodeId, Vec<f64>> = BTreeMap::new();
    let mut samples = 0.0;
    for phase in &case.mapped.plan.phases {
        for row in 0..phase.samples {
            chip.known.clear();
            for (id, data) in &phase.inputs {
                let InputData::Values(tensor) = data else { panic!("frames have no spikes") };
                let (len, data) = (network.graph[*id].len(), &case.tensors[tensor.index()].data);
                chip.shown.insert(*id, (0..len).map(|at| data.get(row * len + at)).collect());
            }
            for &output in &network.outputs {
                let values = chip.signal(output);
                outputs.entry(output).or_default().extend(values);
            }
            samples += 1.0;
        }
    }
    let mut tally = Tally { deviations: chip.deviations, ..Tally::default() };
    for (output, wanted) in &outputs {
        let name = &network.graph[*output].name;
        close(case, name, values(&results, name), wanted);
        tally.values += wanted.len();
    }
    if !case.mapped.chip.ideal {
        tally.conversions += chip.agree(&results.energy_j, samples);
    }
    tally
}

impl<'a> Chip<'a> {
    fn new(case: &'a Case) -> Self {
        let options = RunOptions {
            seed: case.seed,
            engine: EngineKind::Interpreter,
            threads: 1,
            memory: 16 << 30,
            progress: None,
        };
        let engine = nmc_runtime::engine::kernels::<f64>(&case.program, options.engine)
            .and_then(|kernels| Engine::load(&case.program, &options, kernels, 0.0))
            .unwrap_or_else(|error| panic!("{error:?}"));
        let mut programmed = BTreeMap::new();
        for matrix in &case.program.matrices {
            if let Some(cells) = &matrix.cells {
                let held = engine.state.main.buffers[cells.conductance.index()].data.clone();
                programmed.insert(matrix.name.clone(), (matrix, held));
            }
        }
        let (shown, known, conversions, joules) = Default::default();
        Chip {
            case,
            programmed,
            shown,
            known,
            conversions,
            joules,
            deviations: (0.0, 0.0, 0.0),
            looked_at: BTreeSet::new(),
        }
    }

    pub(super) fn spend(&mut self, kind: ComponentKind, joules: f64) {
        *self.joules.entry(kind).or_insert(0.0) += joules;
    }

    /// A value through a converter, which is counted.
    fn convert(&mut self, x: f64, id: usize, range: Range) -> f64 {
        let converter: &Converter = &self.case.mapped.chip.converters[id];
        *self.conversions.entry(id).or_insert(0.0) += 1.0;
        assert!(converter.noise == 0.0 && converter.droop == 0.0, "noise is not drawn here");
        let gain = 1.0 + converter.gain_error.mean;
        let Some(bits) = converter.bits else { return x * gain };
        let full = match converter.full_scale {
            Some(FullScale::Values(full)) => full,
            Some(FullScale::Sensed(_)) | None => range.full,
        };
        // Mid-tread: 0 is a level, and the largest level is the full range.
        let levels = 2_f64.powi(bits as i32);
        let (low, high) = if range.unsigned { (0.0, levels - 1.0) } else { (-levels / 2.0, levels / 2.0 - 1.0) };
        let step = full / high.max(1.0);
        let offset = converter.offset_lsb.mean;
        // What is made up for is taken off codes before they are driven, and off levels that were read.
        let exact = |steps: f64| if converter.corrected { (steps - offset) / gain } else { steps };
        // Nonlinear by half a wave over either half of the range.
        let bent = |steps: f64| {
            let share = (steps / high.max(1.0)).clamp(if range.unsigned { 0.0 } else { -1.0 }, 1.0);
            converter.inl_lsb * (std::f64::consts::PI * share).sin()
        };
        if converter.from == Domain::Bits {
            // A level is driven, with its errors.
            let level = exact(x / step).round_ties_even().clamp(low, high);
            return (level * gain + offset + bent(level)) * step;
        }
        let code = x * gain / step + offset;
        exact((code + bent(code)).round_ties_even().clamp(low, high)) * step
    }

    /// What each output of a layer is multiplied by where cells hold its weights in a scale of their own.
    fn scales(
        &self,
        id: NodeId,
        tile: &TileKind,
        weight: &dyn Fn(usize, usize) -> f64,
        (len, inputs): (usize, usize),
    ) -> Vec<f64> {
        let largest = |outputs: (usize, usize)| -> f64 {
            let of = |output: usize| (0..inputs).map(move |input| (output, input));
            (outputs.0..outputs.1).flat_map(of).map(|(output, input)| weight(output, input).abs()).fold(0.0, f64::max)
        };
        let most = largest((0, len));
        let of = |outputs: (usize, usize)| if largest(outputs) > 0.0 { largest(outputs) / most } else { 1.0 };
        match tile.scaling {
            Each::Layer => vec![1.0; len],
            Each::Column => (0..len).map(|output| of((output, output + 1))).collect(),
            Each::Array => {
                let mut scales = vec![1.0; len];
                for (_, block) in self.case.mapped.tiling.of(id) {
                    scales[block.outputs.0..block.outputs.1].fill(of(block.outputs));
                }
                scales
            }
        }
    }

    /// Full range of a column that is sensed by a converter with one in amperes, where `most` is what the largest conductance stands for.
    fn amperes(&self, tile: &TileKind, how: OnTiles, most: f64, range: Range) -> Option<f64> {
        let Sense::Converter { converter, .. } = tile.senses[how.sense] else { return None };
        let Some(FullScale::Sensed(amperes)) = self.case.mapped.chip.converters[converter].full_scale else {
            return None;
        };
        let device = &self.case.mapped.chip.devices[tile.device];
        if tile.normalises {
            // In volts: a mean of what drives rows.
            return Some(amperes / tile.read_voltage * range.full);
        }
        let largest = (device.g_max - device.g_min) * tile.read_voltage;
        // A reference column conducts half as much.
        let largest = if tile.weights == WeightScheme::Reference { largest / 2.0 } else { largest };
        Some(amperes / largest * most * range.full)
    }

    fn range(&self, node: NodeId) -> Range {
        let range = self.case.mapped.decisions.range(node);
        if range.full > 0.0 && range.full.is_finite() { range } else { Range { full: 1.0, ..range } }
    }

    /// The value of a node's output where it arises, worked out once a sample.
    fn signal(&mut self, id: NodeId) -> Vec<f64> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let (case, node) = (self.case, &self.case.mapped.network.graph[id]);
        let operands = graph::operands(&case.mapped.network, id).len();
        let found = match &node.operator {
            Operator::Input => self.shown[&id].clone(),
            Operator::Dense { weights: Weights::Given(weights), bias, positions } => {
                let x = self.arriving(id, 0, 0.0);
                let weights = &case.tensors[weights.index()];
                let bias: Option<Vec<f64>> = bias.map(|bias| {
                    let data = &case.tensors[bias.index()].data;
                    (0..data.len()).map(|at| data.get(at)).collect()
                });
                // One position after the other.
                let mut found = vec![0.0; node.len()];
                for position in 0..*positions {
                    let x: Vec<f64> = x.iter().copied().skip(position).step_by(*positions).collect();
                    for (output, sum) in self.dense(id, &x, weights, bias.as_deref()).into_iter().enumerate() {
                        found[output * positions + position] = sum;
                    }
                }
                found
            }
            Operator::Reduce { reduction, each } => {
                let x = self.arriving(id, 0, 1.0);
                // So many additions or comparisons, and a mean is scaled.
                let done = each - 1 + usize::from(*reduction == Reduction::Mean);
                if let Some(Implementation::Unit(unit)) = case.mapped.decisions.choice(id).map(|c| &c.implementation) {
                    let joules = case.mapped.chip.unit_kinds[*unit].energy * (done * node.len()) as f64;
                    self.spend(ComponentKind::Digital, joules);
                }
                x.chunks(*each).map(|x| reduction.of(x.iter().copied())).collect()
            }
            Operator::Softmax => {
                let x = self.arriving(id, 0, 1.0);
                // A comparison, a power, an addition and a division each.
                if let Some(Implementation::Unit(unit)) = case.mapped.decisions.choice(id).map(|c| &c.implementation) {
                    self.spend(
                        ComponentKind::Digital,
                        case.mapped.chip.unit_kinds[*unit].energy * (4 * x.len()) as f64,
                    );
                }
                let sum: f64 = x.iter().map(|x| x.exp()).sum();
                x.into_iter().map(|x| x.exp() / sum).collect()
            }
            Operator::Elementwise { body, .. } => {
                let x: Vec<Vec<f64>> = (0..operands).map(|operand| self.arriving(id, operand, 1.0)).collect();
                (0..node.len()).map(|index| self.element(id, index, body, &x)).collect()
            }
            Operator::Output => self.arriving(id, 0, 1.0),
            Operator::Gather(gather) => {
                let operands: Vec<Vec<f64>> = (0..operands).map(|operand| self.arriving(id, operand, 1.0)).collect();
                (0..node.len())
                    .map(|at| gather.source(at).map_or(0.0, |(operand, from)| operands[operand][from]))
                    .collect()
            }
            other => panic!("{other:?} is no frame"),
        };
        self.given(id, found.len());
        self.known.insert(id, found.clone());
        found
    }

    /// Counts the converters at a node's output, each once however many wires lead on from it.
    fn given(&mut self, id: NodeId, len: usize) {
        let wires = self.case.mapped.decisions.wires.iter().filter(|wire| wire.from == id);
        let chains: BTreeSet<&[usize]> =
            wires.flat_map(|wire| (1..=wire.gives.len()).map(|end| &wire.gives[..end])).collect();
        for chain in chains {
            *self.conversions.entry(chain[chain.len() - 1]).or_insert(0.0) += len as f64;
        }
    }

    /// An operand as it arrives; converters at the destination are counted so many times for each value.
    fn arriving(&mut self, id: NodeId, operand: usize, times: f64) -> Vec<f64> {
        let case = self.case;
        let from = graph::operands(&case.mapped.network, id)[operand];
        let mut values = self.signal(from);
        let wire =
            case.mapped.decisions.wires.iter().find(|wire| (wire.from, wire.to, wire.operand) == (from, id, operand));
        let Some(wire) = wire else { return values };
        let before = self.conversions.clone();
        for id in wire.gives.iter().chain(&wire.takes) {
            values = values.iter().map(|&x| self.convert(x, *id, self.range(from))).collect();
        }
        self.conversions = before;
        for id in &wire.takes {
            *self.conversions.entry(*id).or_insert(0.0) += times * values.len() as f64;
        }
        values
    }

    /// An element of what a unit (or nothing that costs) computes.
    fn element(&mut self, id: NodeId, index: usize, body: &Expr, x: &[Vec<f64>]) -> f64 {
        let chip = &self.case.mapped.chip;
        let exact = value(body, &|symbol| match symbol {
            Symbol::Input(n) => x[n][if x[n].len() == 1 { 0 } else { index }],
            other => nothing(other),
        });
        let choice = self.case.mapped.decisions.choice(id).map(|choice| choice.implementation.clone());
        let Some(Implementation::Unit(unit)) = choice else { return exact };
        let unit = &chip.unit_kinds[unit];
        let digital = unit.from == Domain::Bits && unit.to == Domain::Bits;
        self.spend(if digital { ComponentKind::Digital } else { ComponentKind::Unit }, unit.energy);
        assert!(unit.noise == 0.0, "noise is not drawn here");
        let Some(transfer) = &unit.transfer else { return exact };
        let in_numbers = ["tanh", "sigmoid", "sign", "step"];
        let full = match unit.implements.iter().any(|name| in_numbers.contains(&name.as_str())) {
            true => 1.0,
            false => self.range(graph::operands(&self.case.mapped.network, id)[0]).full,
        };
        full * value(transfer, &|_| x[0][index] / full)
    }

    fn dense(&mut self, id: NodeId, x: &[f64], weights: &nmc_program::Tensor, bias: Option<&[f64]>) -> Vec<f64> {
        let mapped = &self.case.mapped;
        let name = &mapped.network.graph[id].name;
        let len = mapped.network.graph[id].outputs();
        let blocks: Vec<(usize, &Block)> = mapped.tiling.of(id).collect();
        let given = |output: usize, input: usize| weights.data.get(output * x.len() + input);
        let Some(how) = mapped.decisions.on_tiles(id).filter(|_| !blocks.is_empty()) else {
            let row = |output| x.iter().enumerate().map(|(input, x)| given(output, input) * x).sum::<f64>();
            return (0..len).map(|output| row(output) + bias.map_or(0.0, |bias| bias[output])).collect();
        };
        let tile = &mapped.chip.tile_kinds[blocks[0].1.tile_kind];
        let scales = self.scales(id, tile, &given, (len, x.len()));
        let weight = |output: usize, input: usize| given(output, input) / scales[output];
        let most = (0..weights.data.len()).map(|at| weights.data.get(at).abs()).fold(0.0, f64::max);
        let from = graph::operands(&mapped.network, id)[0];
        let range = self.range(from);
        let wire = mapped.decisions.wires.iter().find(|wire| (wire.from, wire.to) == (from, id));
        let takes = wire.map_or_else(Vec::new, |wire| wire.takes.clone());
        let mut sums = vec![0.0; len];
        let mut terms = vec![0_usize; len];
        let columns: BTreeSet<(usize, usize)> = blocks.iter().map(|(_, block)| block.outputs).collect();
        for outputs in columns {
            let of_column: Vec<(usize, &Block)> =
                blocks.iter().copied().filter(|(_, block)| block.outputs == outputs).collect();
            let mut line = vec![0.0; outputs.1 - outputs.0];
            for &(index, block) in &of_column {
                let (low, high) = block.inputs;
                // Bits become analog at each array.
                takes.iter().for_each(|take| *self.conversions.entry(*take).or_insert(0.0) += (high - low) as f64);
                if let Some((bits, slices, _)) = self.digits(tile, how) {
                    let wanted = |row: usize, column: usize| weight(outputs.0 + column, low + row);
                    let found = self.digit_sums(id, tile, how, block, &x[low..high], range, most, &wanted);
                    (outputs.0..outputs.1).zip(found).for_each(|(output, sum)| {
                        sums[output] += sum * scales[output];
                        terms[output] += bits.unwrap_or(1) as usize * slices;
                    });
                    continue;
                }
                let driven: Vec<f64> = x[low..high].iter().map(|&x| self.drive(tile, how, x, range)).collect();
                let label = format!("{name}[{}..{}, {low}..{high}]", outputs.0, outputs.1);
                let wanted = |row: usize, column: usize| weight(outputs.0 + column, low + row);
                let mut partial = self.product(&label, tile, how, &driven, range, most, &wanted);
                let bias_rows = match (how.bias, bias) {
                    (Bias::Rows(rows), Some(_)) => rows.min(block.spare_rows),
                    _ => 0,
                };
                if bias_rows > 0 {
                    let bias = bias.unwrap();
                    let driven: Vec<f64> = (0..bias_rows).map(|_| self.drive(tile, how, range.full, range)).collect();
                    let label = format!("{name}[{}..{}]: bias rows", outputs.0, outputs.1);
                    let wanted = |_: usize, column: usize| {
                        bias[outputs.0 + column] / (scales[outputs.0 + column] * range.full * bias_rows as f64)
                    };
                    let more = self.product(&label, tile, how, &driven, range, most, &wanted);
                    partial.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                }
                // Both cells of a weight on one column take a row each.
                let rows = if tile.normalises { 2 } else { 1 };
                self.spend(ComponentKind::Driver, (driven.len() * rows + bias_rows) as f64 * tile.row_energy);
                let full = mapped.decisions.block_ranges[index];
                let shares = &mapped.decisions.column_ranges[index];
                let share = |column: usize| shares.get(column).copied().unwrap_or(1.0);
                let fixed = self.amperes(tile, how, most, range);
                if tile.normalises {
                    // One range in volts, if each column has none of its own.
                    let volts = (0..outputs.1 - outputs.0).map(|column| {
                        full * share(column) / self.per_volt(tile, (low, high), most, &|row| wanted(row, column))
                    });
                    let volts: Vec<f64> = volts.collect();
                    let wanted = fixed.unwrap_or(volts[0]);
                    let alike = volts.iter().all(|volts| (volts - wanted).abs() <= 1e-6 * wanted);
                    let numbers = fixed.is_none() && self.is_fixed(tile, how);
                    assert!(alike || numbers || tile.ranges == Each::Column, "{volts:?}\n{}", self.case.text);
                } else {
                    if let Some(fixed) = fixed {
                        assert!((full - fixed).abs() <= 1e-9 * fixed, "{full} for {fixed}\n{}", self.case.text);
                    }
                    let one = tile.ranges != Each::Column || self.is_fixed(tile, how);
                    assert_eq!(shares.is_empty(), one, "{}", self.case.text);
                }
                for (column, partial) in partial.into_iter().enumerate() {
                    if let Summing::Line(_) = how.sum {
                        line[column] += partial;
                    } else {
                        let sensed = self.sense(tile, how, partial, full * share(column));
                        sums[outputs.0 + column] += sensed * scales[outputs.0 + column];
                        terms[outputs.0 + column] += 1;
                    }
                }
            }
            if let Summing::Line(unit) = how.sum {
                let full = mapped.decisions.block_ranges[of_column[0].0];
                let shares = &mapped.decisions.column_ranges[of_column[0].0];
                let share = |column: usize| shares.get(column).copied().unwrap_or(1.0);
                let unit = &mapped.chip.unit_kinds[unit];
                for (column, sum) in line.into_iter().enumerate() {
                    self.spend(ComponentKind::Unit, unit.energy);
                    let sensed = self.sense(tile, how, sum, full * share(column));
                    sums[outputs.0 + column] += sensed * scales[outputs.0 + column];
                    terms[outputs.0 + column] += 1;
                }
            }
        }
        if let (Bias::Digital(_), Some(bias)) = (how.bias, bias) {
            for output in 0..len {
                sums[output] += bias[output];
                terms[output] += 1;
            }
        }
        if tile.weights == WeightScheme::Offset {
            // What the offset of all weights gives is taken off once.
            terms.iter_mut().for_each(|terms| *terms += 1);
        }
        let adder = match (how.sum, how.bias) {
            (Summing::Digital(unit), _) | (_, Bias::Digital(unit)) => Some(unit),
            _ => None,
        };
        if let Some(adder) = adder {
            let additions: usize = terms.iter().map(|terms| terms - 1).sum();
            self.spend(ComponentKind::Digital, additions as f64 * mapped.chip.unit_kinds[adder].energy);
        }
        sums
    }

    /// What an output is where its column has the voltage of an input of 1: the conductances asked for together, in weights.
    fn per_volt(&self, tile: &TileKind, (low, high): (usize, usize), most: f64, wanted: &dyn Fn(usize) -> f64) -> f64 {
        let device = &self.case.mapped.chip.devices[tile.device];
        let span = device.g_max - device.g_min;
        let of = |share: f64| asked(device, share.clamp(0.0, 1.0)) * most / span;
        (0..high - low).map(|row| of(wanted(row) / most) + of(-wanted(row) / most)).sum()
    }

    /// Whether columns are sensed in a range that nobody measures.
    fn is_fixed(&self, tile: &TileKind, how: OnTiles) -> bool {
        let converters = &self.case.mapped.chip.converters;
        matches!(tile.senses[how.sense], Sense::Converter { converter, .. } if converters[converter].full_scale.is_some())
    }

    /// A value on a row.
    fn drive(&mut self, tile: &TileKind, how: OnTiles, x: f64, range: Range) -> f64 {
        match tile.inputs[how.drive] {
            Drive::Converter(id) => self.convert(x, id, range),
            Drive::Direct(_) => x,
            Drive::BitSerial { .. } => panic!("bits are driven one by one"),
        }
    }

    /// A column's value as it leaves its array.
    fn sense(&mut self, tile: &TileKind, how: OnTiles, x: f64, full: f64) -> f64 {
        let range = Range { full: if full > 0.0 { full } else { 1.0 }, unsigned: false };
        match (&tile.senses[how.sense], how.gather) {
            (Sense::Converter { converter, .. }, _) => self.convert(x, *converter, range),
            (Sense::Analog(_), Some(gather)) => self.convert(x, gather, range),
            (Sense::Analog(_), None) => x,
        }
    }

    /// A product on cells: what they hold, held against the weights wanted, times what drives them; their energy.
    #[allow(clippy::too_many_arguments)]
    fn product(
        &mut self,
        label: &str,
        tile: &TileKind,
        how: OnTiles,
        driven: &[f64],
        range: Range,
        most: f64,
        wanted: &dyn Fn(usize, usize) -> f64,
    ) -> Vec<f64> {
        let chip = &self.case.mapped.chip;
        let device = &chip.devices[tile.device];
        let (matrix, held) =
            self.programmed.get(label).unwrap_or_else(|| panic!("no cells of {label}\n{}", self.case.text)).clone();
        let cells = matrix.cells.as_ref().unwrap();
        let span = device.g_max - device.g_min;
        let asked = |share: f64| asked(device, share);
        let width = match tile.weights {
            WeightScheme::Differential => 2 * matrix.cols,
            WeightScheme::Unsigned => matrix.cols,
            WeightScheme::Reference | WeightScheme::Offset => matrix.cols + 1,
        };
        let mut sums = vec![0.0; matrix.cols];
        let first = self.looked_at.insert(label.to_string());
        let (mut joules, pulses) = (0.0, cost::pulses(chip, tile, how));
        for (row, &x) in driven.iter().enumerate() {
            let held = &held[row * width..(row + 1) * width];
            for (column, sum) in sums.iter_mut().enumerate() {
                let share = if most > 0.0 { (wanted(row, column) / most).clamp(-1.0, 1.0) } else { 0.0 };
                let effective = match tile.weights {
                    WeightScheme::Differential => {
                        self.is_as_asked(held[2 * column], asked(share.max(0.0)), tile, first);
                        self.is_as_asked(held[2 * column + 1], asked((-share).max(0.0)), tile, first);
                        (held[2 * column] - held[2 * column + 1]) * most / span
                    }
                    WeightScheme::Reference => {
                        self.is_as_asked(held[column], asked(0.5 + 0.5 * share), tile, first);
                        2.0 * (held[column] - held[matrix.cols]) * most / span
                    }
                    WeightScheme::Unsigned => {
                        self.is_as_asked(held[column], asked(share), tile, first);
                        held[column] * most / span
                    }
                    WeightScheme::Offset => panic!("digits are products of their own"),
                };
                *sum += effective * x;
            }
            // Volts, or the width of a pulse, stand for the share of full range.
            let share = x / range.full;
            let seconds = cells.read_time * if pulses { range.full } else { 1.0 };
            let squares = if pulses { share.abs() } else { share * share };
            joules += tile.read_voltage.powi(2) * squares * seconds * held.iter().sum::<f64>();
        }
        if tile.normalises {
            // A column that takes no current comes to the mean voltage of its rows, each cell weighing as much as it conducts.
            let seconds = cells.read_time * if pulses { range.full } else { 1.0 };
            let power = tile.read_voltage.powi(2) * seconds;
            for (column, sum) in sums.iter_mut().enumerate() {
                let pair = |row: usize| (held[row * width + 2 * column], held[row * width + 2 * column + 1]);
                let total: f64 = (0..driven.len()).map(|row| pair(row).0 + pair(row).1).sum();
                // Programming noise may leave all cells of a short column without any conductance: it gives nothing then.
                if total == 0.0 {
                    *sum = 0.0;
                    continue;
                }
                // The time during which rows are on, in parts in which none is turned off.
                let shares: Vec<f64> = driven.iter().map(|x| x / range.full).collect();
                let mut ends: Vec<f64> = if pulses { shares.iter().map(|x| x.abs()).collect() } else { vec![1.0] };
                ends.sort_by(f64::total_cmp);
                let (mut mean, mut from) = (0.0, 0.0);
                for end in ends {
                    let at = |row: usize| match pulses {
                        true if shares[row].abs() >= end => shares[row].signum(),
                        true => 0.0,
                        false => shares[row],
                    };
                    let volts = (0..driven.len()).map(|row| at(row) * (pair(row).0 - pair(row).1)).sum::<f64>() / total;
                    mean += volts * (end - from);
                    joules -= power * volts * volts * total * (end - from);
                    from = end;
                }
                let weigh = |row: usize| wanted(row, column);
                *sum = mean * range.full * self.per_volt(tile, (0, driven.len()), most, &weigh);
            }
        }
        self.spend(ComponentKind::Cells, joules);
        sums
    }

    /// Whether a cell holds what programming may leave in it; its deviation is noted the first time.
    fn is_as_asked(&mut self, held: f64, asked: f64, tile: &TileKind, first: bool) {
        let device = &self.case.mapped.chip.devices[tile.device];
        let within = device.g_min * (1.0 - 1e-12)..=device.g_max * (1.0 + 1e-12);
        let possible = if device.programming_sigma.is_some() { held >= 0.0 } else { within.contains(&held) };
        assert!(possible, "{held} is no conductance\n{}", self.case.text);
        let stuck = device.stuck_on + device.stuck_off > 0.0;
        match &device.programming_sigma {
            None => {
                let at_end = held == device.g_min || held == device.g_max;
                let right = (held - asked).abs() <= 1e-9 * asked || stuck && at_end;
                assert!(right, "{held} for {asked}\n{}", self.case.text);
            }
            Some(sigma) => {
                let sigma = value(sigma, &|_| asked);
                // Where 0 is far and no cell is stuck.
                if first && !stuck && asked > 6.0 * sigma {
                    let z = (held - asked) / sigma;
                    let (count, sum, squares) = &mut self.deviations;
                    (*count, *sum, *squares) = (*count + 1.0, *sum + z, *squares + z * z);
                }
            }
        }
    }

    /// What a run says it took, and the report of conversions, against what was counted here; returns the conversions.
    fn agree(&mut self, found: &[(ComponentKind, f64)], samples: f64) -> f64 {
        let (case, mapped) = (self.case, &self.case.mapped);
        let chip = &mapped.chip;
        let mut by_name: BTreeMap<String, f64> = BTreeMap::new();
        for (id, count) in self.conversions.clone() {
            let converter = &chip.converters[id];
            if !converter.is_ideal() {
                self.spend(cost::converter_kind(converter), count * converter.energy);
                *by_name.entry(cost::title(converter)).or_insert(0.0) += count / samples;
            }
        }
        let inserted: BTreeMap<String, f64> =
            case.program.costs.conversions.inserted.iter().filter(|(_, count)| *count > 0.0).cloned().collect();
        by_name.retain(|_, count| *count > 0.0);
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
        let same = by_name.len() == inserted.len()
            && by_name.iter().all(|(name, count)| inserted.get(name).is_some_and(|other| near(*count, *other)));
        assert!(same, "conversions {inserted:?}, counted {by_name:?}\n{}", case.text);
        let all = by_name.values().sum();
        for (index, block) in mapped.tiling.blocks.iter().enumerate() {
            let tile = &chip.tile_kinds[block.tile_kind];
            let device = &chip.devices[tile.device];
            let bias = match mapped.decisions.on_tiles(block.layer).map(|how| how.bias) {
                Some(Bias::Rows(rows)) => rows.min(block.spare_rows),
                _ => 0,
            };
            let columns = match tile.weights {
                WeightScheme::Differential => 2 * block.width(),
                WeightScheme::Reference => block.width() + 1,
                WeightScheme::Offset => tile.slices * block.width() + 1,
                WeightScheme::Unsigned => block.width(),
            };
            let cells = ((block.rows() + bias) * columns) as f64;
            self.spend(ComponentKind::Programming, cells * device.programming.pulses * device.programming.energy);
            if device.programming.verifies {
                // A read of the cell after each pulse, through the tile's own converters.
                let how = mapped.decisions.on_tiles(block.layer).unwrap();
                let energy = |id: usize| chip.converters[id].energy;
                let driver = match tile.inputs[how.drive] {
                    Drive::Converter(id) | Drive::BitSerial { converter: id, .. } => energy(id),
                    Drive::Direct(_) => 0.0,
                };
                let sensed = match tile.senses[how.sense] {
                    Sense::Converter { converter, .. } => energy(converter) + tile.hold.map_or(0.0, energy),
                    Sense::Analog(_) => 0.0,
                };
                let own = |(matrix, held): &(&Matrix, Vec<f64>)| -> f64 {
                    let scheme = matrix.cells.as_ref().unwrap().scheme;
                    let rows = held.chunks(scheme.cells(1, matrix.cols));
                    rows.map(|row| row[..scheme.own(matrix.cols)].iter().sum::<f64>()).sum()
                };
                let here = |(matrix, _): &&(&Matrix, Vec<f64>)| matrix.cells.as_ref().unwrap().block == index;
                let siemens: f64 = self.programmed.values().filter(here).map(own).sum();
                let each = driver + sensed + tile.row_energy;
                let read = tile.read_voltage.powi(2) * tile.read_time * siemens + cells * each;
                self.spend(ComponentKind::Programming, device.programming.pulses * read);
            }
        }
        self.transport(samples);
        self.spend(ComponentKind::Static, mapped.costs.static_power * mapped.timetable.interval * samples);
        self.joules.retain(|_, joules| *joules != 0.0);
        let found: BTreeMap<ComponentKind, f64> = found.iter().copied().collect();
        let kinds: BTreeSet<&ComponentKind> = found.keys().chain(self.joules.keys()).collect();
        for kind in kinds {
            let (run, counted) =
                (found.get(kind).copied().unwrap_or(0.0), self.joules.get(kind).copied().unwrap_or(0.0));
            assert!(near(run, counted), "{kind:?}: the run took {run} J, counted {counted} J\n{}", case.text);
        }
        all
    }
}

/// Siemens that a cell is asked to hold for a share of its range.
fn asked(device: &Device, share: f64) -> f64 {
    let level = match device.levels {
        Some(levels) => (share * f64::from(levels - 1)).round_ties_even() / f64::from(levels - 1),
        None => share,
    };
    device.g_min + (device.g_max - device.g_min) * level
}
