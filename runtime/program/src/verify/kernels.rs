//! Kernels and the operations that run them.

use super::Checker;
use crate::*;

impl Checker<'_> {
    pub fn stores(&self, kernel: KernelId) -> Vec<ArrayId> {
        let Some(kernel) = self.program.kernels.get(kernel.index()) else { return Vec::new() };
        let target = |inst: &Inst| {
            let Inst::Store { slot, .. } = inst else { return None };
            kernel.slots.get(*slot as usize).map(|slot| slot.array)
        };
        kernel.body.iter().filter_map(target).collect()
    }

    pub fn kernel(&mut self, kernel: &Kernel) {
        let user = format!("kernel {}", kernel.name);
        for slot in &kernel.slots {
            let exists = slot.array.index() < self.program.arrays.len();
            self.require(exists, || format!("{user}: no array {}", slot.array.0));
        }
        let mut truths = Vec::with_capacity(kernel.body.len());
        let (mut spikes, mut numbers) = (0, Vec::new());
        for (index, inst) in kernel.body.iter().enumerate() {
            for (value, truth) in inst.operands() {
                // A store has no result.
                let sound = truths.get(value.0 as usize) == Some(&Some(truth));
                self.require(sound, || {
                    format!("{user}: v{index} uses v{} which is no earlier {}", value.0, kind(truth))
                });
            }
            if let Inst::Load(slot) | Inst::Store { slot, .. } = inst {
                self.require((*slot as usize) < kernel.slots.len(), || format!("{user}: no slot {slot}"));
            }
            if let Inst::Random { number, .. } = inst {
                numbers.push(*number);
            }
            spikes += usize::from(matches!(inst, Inst::Spike(_)));
            truths.push(inst.result());
        }
        self.require(spikes <= 1, || format!("{user}: {spikes} spikes"));
        let draws = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        self.require(numbers.len() == draws, || format!("{user}: two draws share a number"));
    }

    pub fn runnable(&mut self, kernel: KernelId, user: &str) -> Option<Kernel> {
        let found = self.program.kernels.get(kernel.index()).cloned();
        if found.is_none() {
            self.say(format!("{user}: no kernel {}", kernel.0));
        }
        found
    }

    /// Run over elements `0..len`.
    pub fn dense(&mut self, kernel: KernelId, len: usize, user: &str) {
        let Some(kernel) = self.runnable(kernel, user) else { return };
        let user = format!("{user}: kernel {}", kernel.name);
        for slot in &kernel.slots {
            match slot.access {
                Access::Element { offset } => self.slice(slot.array, offset, len, &user),
                Access::Broadcast { offset } => self.slice(slot.array, offset, 1, &user),
                Access::Source | Access::Target | Access::Synapse => {
                    self.say(format!("{user}: synapse access in a dense run"))
                }
            }
        }
        let pairs = kernel.body.iter().any(|inst| matches!(inst, Inst::SourceIndex | Inst::TargetIndex));
        self.require(!pairs, || format!("{user}: source or target index in a dense run"));
    }

    /// Run over synapses of a connection.
    pub fn over_synapses(&mut self, kernel: KernelId, id: ConnectionId, user: &str) {
        let Some(kernel) = self.runnable(kernel, user) else { return };
        let Some(connection) = self.program.connections.get(id.index()) else { return };
        let user = format!("{user}: kernel {}", kernel.name);
        for slot in &kernel.slots {
            match slot.access {
                Access::Source => self.slice(slot.array, connection.source_start, connection.source_len, &user),
                Access::Target => self.slice(slot.array, connection.target_start, connection.target_len, &user),
                Access::Synapse => self.synapse_array(slot.array, id, &user),
                Access::Broadcast { offset } => self.slice(slot.array, offset, 1, &user),
                Access::Element { .. } => self.say(format!("{user}: element access over synapses")),
            }
        }
        let spikes = kernel.body.iter().any(|inst| matches!(inst, Inst::Spike(_)));
        self.require(!spikes, || format!("{user}: a spike over synapses"));
    }

    /// Run over pairs of a connection that are not joined yet, `into` an array with room for some.
    pub fn of_pairs(&mut self, kernel: KernelId, connection: &Connection, into: ArrayId, user: &str) {
        let Some(kernel) = self.runnable(kernel, user) else { return };
        let user = format!("{user}: kernel {}", kernel.name);
        for slot in &kernel.slots {
            match slot.access {
                Access::Source => self.slice(slot.array, connection.source_start, connection.source_len, &user),
                Access::Target => self.slice(slot.array, connection.target_start, connection.target_len, &user),
                Access::Synapse if slot.array == into => self.slice(into, 0, 1, &user),
                Access::Synapse | Access::Broadcast { .. } | Access::Element { .. } => {
                    self.say(format!("{user}: reads what is of no pair"));
                }
            }
        }
        let odd = |inst: &Inst| matches!(inst, Inst::Spike(_) | Inst::Random { .. } | Inst::Time | Inst::Index);
        self.require(!kernel.body.iter().any(odd), || format!("{user}: a probability by chance or in time"));
    }

    pub fn op(&mut self, stage: &str, op: &Op) {
        let program = self.program;
        match *op {
            Op::Kernel { kernel, len, spikes } => {
                self.dense(kernel, len, stage);
                let marks = program
                    .kernels
                    .get(kernel.index())
                    .is_some_and(|kernel| kernel.body.iter().any(|inst| matches!(inst, Inst::Spike(_))));
                self.require(marks == spikes.is_some(), || {
                    format!("{stage}: a kernel's spikes and its group do not match")
                });
                if let Some(group) = spikes {
                    let fits = program.groups.get(group.index());
                    let fits = fits.is_some_and(|group| group.len == len && group.source == Source::Kernel);
                    self.require(fits, || format!("{stage}: group {} does not fit its kernel", group.0));
                }
            }
            Op::Substeps { kernel, len, left, .. } => {
                self.dense(kernel, len, stage);
                self.slice(left, 0, len, stage);
                let kernel = program.kernels.get(kernel.index());
                let silent =
                    kernel.is_some_and(|kernel| !kernel.body.iter().any(|inst| matches!(inst, Inst::Spike(_))));
                self.require(silent, || format!("{stage}: a part of a step marks spikes"));
            }
            Op::OnSpikes { kernel, group } => match program.groups.get(group.index()) {
                Some(group) => self.dense(kernel, group.len, stage),
                None => self.say(format!("{stage}: no group {}", group.0)),
            },
            Op::Emit { group } => {
                let source = program.groups.get(group.index()).map(|group| &group.source);
                let emits = source.is_some_and(|source| *source != Source::Kernel);
                self.require(emits, || format!("{stage}: group {} emits by itself or does not exist", group.0));
            }
            Op::Deliver { connection } => {
                let found = program.connections.get(connection.index()).is_some_and(|found| found.source.is_some());
                self.require(found, || format!("{stage}: nothing arrives by connection {}", connection.0));
            }
            Op::OnPost { connection, kernel } => {
                let found = program.connections.get(connection.index());
                let sound = found.is_some_and(|found| found.by_target && found.target.is_some());
                self.require(sound, || format!("{stage}: connection {} has no such event", connection.0));
                self.over_synapses(kernel, connection, stage);
            }
            Op::Synapses { connection, kernel, ref zeroed, every } => {
                let found = connection.index() < program.connections.len();
                self.require(found && every > 0, || format!("{stage}: never, or no connection {}", connection.0));
                for &array in zeroed {
                    self.fixed(array, stage);
                }
                self.over_synapses(kernel, connection, stage);
            }
            Op::Rewire { connection, gone, fresh, every, .. } => {
                self.synapse_array(gone, connection, stage);
                self.over_synapses(fresh, connection, stage);
                let found = program.connections.get(connection.index());
                let sound = found.is_some_and(|found| !matches!(found.on_pre, Effect::Add { .. }));
                self.require(sound && every > 0, || format!("{stage}: connection {} cannot be rewired", connection.0));
            }
            Op::Fill { array, .. } => {
                self.fixed(array, stage);
            }
            Op::Decay { array, factors, rate, period } => {
                self.fixed(array, stage);
                self.slice(factors, 0, 2, stage);
                // Factors stay within what single precision holds.
                let sound = rate > 0.0 && rate * f64::from(period) <= 80.0 && period > 0 && array != factors;
                self.require(sound, || format!("{stage}: a decay by {rate} over {period} ticks"));
            }
            Op::Multiply { matrix, input, input_start, output, output_start, positions, .. } => {
                let Some(found) = program.matrices.get(matrix.index()) else {
                    return self.say(format!("{stage}: no matrix {}", matrix.0));
                };
                self.slice(input, input_start, found.rows.saturating_mul(positions), stage);
                self.slice(output, output_start, found.cols.saturating_mul(positions), stage);
                self.require(positions > 0, || format!("{stage}: {} is read at no position", found.name));
                self.require(input != output, || format!("{stage}: {} multiplies in place", found.name));
            }
            Op::Transposed { matrix, input, input_start, output, output_start, positions, joules, .. } => {
                let Some(found) = program.matrices.get(matrix.index()) else {
                    return self.say(format!("{stage}: no matrix {}", matrix.0));
                };
                self.slice(input, input_start, found.cols.saturating_mul(positions), stage);
                self.slice(output, output_start, found.rows.saturating_mul(positions), stage);
                self.require(positions > 0 && joules.is_finite(), || {
                    format!("{stage}: {} is read at no position", found.name)
                });
                self.require(input != output, || format!("{stage}: {} multiplies in place", found.name));
            }
            Op::Scatter { from, from_start, to, to_start, len, indices } => {
                let tensor = program.tensors.get(indices.index());
                let Some(TensorData::I64(indices)) = tensor.map(|tensor| &tensor.data) else {
                    return self.say(format!("{stage}: a scatter without its indices"));
                };
                self.slice(from, from_start, indices.len(), stage);
                self.slice(to, to_start, len, stage);
                let inside = indices.iter().all(|&index| index < 0 || (index as u64) < len as u64);
                self.require(inside && from != to, || format!("{stage}: a scatter in place, or outside"));
            }
            Op::Copy { from, from_start, to, to_start, len } => {
                self.slice(from, from_start, len, stage);
                self.slice(to, to_start, len, stage);
            }
            Op::Past { from, ring, to, len, ticks } => {
                self.slice(from, 0, len, stage);
                self.slice(to, 0, len, stage);
                let sizes = self.fixed(ring, stage).zip(len.checked_mul(ticks as usize));
                let whole = ticks > 0 && sizes.is_some_and(|(kept, needed)| kept == needed);
                let apart = from != to && ring != from && ring != to;
                let lanes = |id: ArrayId| program.arrays.get(id.index()).is_some_and(|array| array.per_lane);
                let own = lanes(ring) && lanes(to);
                self.require(whole && apart && own, || format!("{stage}: a past without room for it"));
            }
            Op::Gather { from, from_start, to, to_start, indices } => {
                let tensor = program.tensors.get(indices.index());
                let Some(TensorData::I64(indices)) = tensor.map(|tensor| &tensor.data) else {
                    return self.say(format!("{stage}: a gather without its indices"));
                };
                let last = indices.iter().copied().max().unwrap_or(-1);
                self.slice(from, from_start, usize::try_from(last.saturating_add(1)).unwrap_or(0), stage);
                self.slice(to, to_start, indices.len(), stage);
                self.require(from != to, || format!("{stage}: a gather in place"));
            }
            Op::Reduce { from, from_start, to, to_start, len, each, .. } => {
                self.slice(from, from_start, len.saturating_mul(each), stage);
                self.slice(to, to_start, len, stage);
                self.require(from != to && each > 0, || format!("{stage}: a reduction in place, or of nothing"));
            }
            Op::Target { matrix } | Op::Write { matrix } | Op::Fold { matrix } => {
                let cells = program.matrices.get(matrix.index()).is_some_and(|matrix| matrix.cells.is_some());
                self.require(cells, || format!("{stage}: matrix {} has no cells", matrix.0));
            }
            Op::Present { .. } => self.say(format!("{stage}: inputs are presented by the engine alone")),
        }
    }
}

fn kind(truth: bool) -> &'static str {
    if truth { "truth value" } else { "number" }
}
