//! Gradients through the weights of a layer: products of the same matrices the other way round.

use std::collections::BTreeMap;

use nmc_program::{Access, ArrayId, Binary, Cost, Count, Followed, Initial, Len, Op, Reduction, Unary};

use super::dense::{multiply, transposed};
use super::kernel::{Builder, OWN};
use super::learning::{Backward, SMALL};
use super::{Lowering, Signal, chain};
use crate::cost;
use crate::forms::chip::{Converter, Drive, Sense};
use crate::forms::decisions::Range;
use crate::forms::network::NodeId;

impl Lowering<'_> {
    /// Through the weights of a layer: its arrays are driven at their columns and read at their rows. Those of a layer that reads another's
    /// backward are driven at their rows and read at their columns.
    pub(super) fn through(
        &mut self,
        layer: NodeId,
        positions: usize,
        from: Signal,
        to: Signal,
        backward: &mut Backward,
    ) -> Option<()> {
        let turned = self.network.backward.get(&layer).copied();
        let holds = turned.unwrap_or(layer);
        let (name, placed) = (self.name(layer), self.placed.get(&holds).cloned().unwrap_or_default());
        let tile = self.tile(holds);
        // Rows are driven in the range of what they take otherwise.
        let rows = turned.filter(|_| tile.is_some()).and_then(|of| self.operand(of, 0));
        let one = rows.map_or(1.0, |from| self.range(from).full);
        let (drive, sense, joules) = match tile {
            Some((tile, how)) => {
                if !tile.transposable {
                    return self.cannot_learn(
                        layer,
                        &format!("its arrays (`{}`) are not read backward", tile.name),
                        "give the tile `transposable: true`",
                    );
                }
                let drive = match tile.inputs.get(how.0) {
                    Some(Drive::Converter(id)) => Some(&self.chip.converters[*id]),
                    Some(Drive::BitSerial { .. } | Drive::Direct(_)) | None => None,
                };
                let sense = match tile.senses.get(how.1) {
                    Some(Sense::Converter { converter, .. }) => Some(&self.chip.converters[*converter]),
                    Some(Sense::Analog(_)) | None => None,
                };
                if drive.is_none() || sense.is_none() {
                    self.note(format!("training: what goes backward through {name} meets no converter where it goes forward without one"));
                }
                (drive, sense, tile.read_voltage * tile.read_voltage * tile.read_time)
            }
            None => (None, None, 0.0),
        };
        let most = self.network.within.get(&layer).copied().unwrap_or(1.0);
        // Shares of the largest gradient of the sample.
        let range = tile.is_some().then(|| self.largest(&name, from, backward));
        let driven = match range {
            None => from,
            Some(range) => {
                let mut b = Builder::default();
                let value = b.load(from.array, Access::Element { offset: from.start });
                let range = b.load(range, Access::Broadcast { offset: 0 });
                let mut share = b.binary(Binary::Divide, value, range);
                if let Some(drive) = drive.filter(|drive| chain::acts(drive)) {
                    share = chain::convert(
                        &mut b,
                        share,
                        drive,
                        Range { full: 1.0, unsigned: false },
                        chain::Own::default(),
                    );
                }
                let one = b.number(one);
                let share = b.multiply(share, one);
                let array = self.zeros(format!("{name}: columns"), from.len);
                b.store(array, OWN, share);
                let kernel = self.kernel(format!("{name}: columns"), b);
                backward.ops.push(Op::Kernel { kernel, len: from.len, spikes: None });
                if let Some(drive) = drive {
                    backward.costs.push(converted(drive, &name, from.len as f64));
                }
                Signal { array, start: 0, len: from.len }
            }
        };
        // The sum of what the blocks of the same rows (or columns) give.
        let mut ends: BTreeMap<(usize, usize), Vec<ArrayId>> = BTreeMap::new();
        for (index, block) in placed.iter().enumerate() {
            let (into, end) =
                if turned.is_some() { (block.inputs, block.outputs) } else { (block.outputs, block.inputs) };
            let len = (end.1 - end.0) * positions;
            let array = self.zeros(format!("{name}: back {index}"), len);
            let input_start = driven.start + into.0 * positions;
            let drives = Signal { start: input_start, ..driven };
            backward.ops.push(match turned {
                Some(_) => multiply(block.matrix, drives, (array, 0), positions),
                None => transposed(block.matrix, drives, (array, 0), positions, joules),
            });
            if let Some(fast) = block.fast.filter(|_| tile.is_some_and(|(tile, _)| tile.gain > 0.0)) {
                self.adds_fast((fast, array), (driven.array, input_start), (positions, joules), &mut backward.ops);
            }
            ends.entry(end).or_default().push(array);
            if let Some(sense) = sense {
                backward.costs.push(converted(sense, &name, len as f64));
            }
        }
        for (end, parts) in ends {
            let len = (end.1 - end.0) * positions;
            let mut b = Builder::default();
            let mut sums = Vec::new();
            for part in parts {
                let mut value = b.load(part, OWN);
                if let Some(sense) = sense.filter(|sense| chain::acts(sense)) {
                    let full = SMALL * most * one;
                    let name = self.program.arrays[part.index()].name.clone();
                    let followed = self.array(format!("{name}.range"), Len::Fixed(1), false, Initial::Fill(1.0));
                    backward.ranges.push(Followed { range: followed, values: (part, 0, len), full });
                    let followed = b.load(followed, Access::Broadcast { offset: 0 });
                    value = b.binary(Binary::Divide, value, followed);
                    value =
                        chain::convert(&mut b, value, sense, Range { full, unsigned: false }, chain::Own::default());
                    value = b.multiply(value, followed);
                }
                sums.push(value);
            }
            let mut sum = chain::sum(&mut b, &sums);
            if let Some(range) = range {
                let (range, share) = (b.load(range, Access::Broadcast { offset: 0 }), b.number(1.0 / one));
                let range = b.multiply(range, share);
                sum = b.multiply(sum, range);
            }
            b.store(to.array, Access::Element { offset: to.start + end.0 * positions }, sum);
            let kernel = self.kernel(format!("{name}: back"), b);
            backward.ops.push(Op::Kernel { kernel, len, spikes: None });
        }
        Some(())
    }

    /// An array of one element with the largest magnitude of a signal, never 0.
    fn largest(&mut self, name: &str, from: Signal, backward: &mut Backward) -> ArrayId {
        let sizes = self.zeros(format!("{name}: sizes"), from.len);
        let mut b = Builder::default();
        let value = b.load(from.array, Access::Element { offset: from.start });
        let size = b.unary(Unary::Absolute, value);
        let least = b.number(f64::from(f32::MIN_POSITIVE));
        let size = b.binary(Binary::Maximum, size, least);
        b.store(sizes, OWN, size);
        let kernel = self.kernel(format!("{name}: sizes"), b);
        backward.ops.push(Op::Kernel { kernel, len: from.len, spikes: None });
        let to = self.zeros(format!("{name}: largest"), 1);
        let (from_start, to_start, len, each) = (0, 0, 1, from.len);
        let reduction = Reduction::Maximum;
        backward.ops.push(Op::Reduce { reduction, from: sizes, from_start, to, to_start, len, each });
        to
    }
}

/// So many conversions a sample trained.
fn converted(converter: &Converter, layer: &str, count: f64) -> Cost {
    let name = format!("{layer}: back, {}", cost::title(converter));
    Cost { kind: cost::converter_kind(converter), name, count: Count::PerSample(count), energy_j: converter.energy }
}
