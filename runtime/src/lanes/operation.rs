//! One operation in one lane.

use nmc_program::{InputFeed, Op, Phase, Program, Source, TensorData};

use super::{Lanes, Moment, Shared};
use crate::deliver::Delivery;
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::math::Arithmetic;
use crate::matrix;
use crate::state::{Buffer, Indices, spike_bytes};

impl<T: Computable + Product> Lanes<T> {
    /// One operation in one lane, for the spike number `round` of each element; whether there are more. Where all that
    /// follows from a spike is an addition (`only_adds`), an element's spikes are counted in one round.
    pub(super) fn one(
        &mut self,
        shared: &Shared<T>,
        phase: &Phase,
        op: &Op,
        lane: usize,
        moment: Moment,
        (round, only_adds): (usize, bool),
    ) -> bool {
        let clock = self.clock(shared, moment, lane).of_spike(round);
        let program = shared.program;
        let kernels = shared.kernels.as_ref();
        match op {
            Op::Kernel { kernel, len, spikes } => {
                let Some(group) = spikes else {
                    kernels.dense(*kernel, &mut self.buffers, lane, *len, clock, None, None);
                    return false;
                };
                self.bitmap.resize(spike_bytes::<T>(*len), 0);
                kernels.dense(*kernel, &mut self.buffers, lane, *len, clock, Some(&mut self.bitmap), None);
                let count = self.groups[lane][group.index()].collect(self.tick, &self.bitmap);
                self.counts.spikes[group.index()] += count;
            }
            Op::Substeps { kernel, len, left, most } => {
                kernels.dense(*kernel, &mut self.buffers, lane, *len, clock, None, None);
                for _ in 1..*most {
                    let left = self.buffers[left.index()].lane(lane)[..*len].iter().enumerate();
                    let unfinished: Vec<u32> =
                        left.filter(|(_, left)| left.wide() != 0.0).map(|(i, _)| i as u32).collect();
                    if unfinished.is_empty() {
                        break;
                    }
                    kernels.list(*kernel, &mut self.buffers, lane, &unfinished, clock);
                }
            }
            Op::OnSpikes { kernel, group } => {
                let (list, more) = self.groups[lane][group.index()].round(self.tick, 0, round);
                if !list.is_empty() {
                    kernels.list(*kernel, &mut self.buffers, lane, &list, clock);
                }
                return more;
            }
            Op::Emit { group } => {
                let index = group.index();
                let described = &program.groups[index];
                let state = &mut self.groups[lane][index];
                self.counts.spikes[index] += match described.source {
                    Source::Poisson { rate } => {
                        let rates = self.buffers[rate.index()].lane(lane);
                        state.emit(described, rates, program.dt, clock, moment.tick, self.tick)
                    }
                    Source::Once { at } => {
                        let times = self.buffers[at.index()].lane(lane);
                        state.emit(described, times, program.dt, clock, moment.tick, self.tick)
                    }
                    Source::Given => {
                        state.take(self.tick, given(program, phase, index, (moment.row + lane, moment.within)))
                    }
                    Source::Kernel => 0,
                };
            }
            Op::Deliver { connection } => {
                let index = connection.index();
                let Some(source) = program.connections[index].source else { return false };
                let group = &self.groups[lane][source.index()];
                let under_way = &mut self.under_way[lane][index];
                let carrier = self.carriers.get(&index).unwrap_or(&shared.carriers[index]);
                let connection = &program.connections[index];
                let (buffers, scratch) = (&mut self.buffers[..], &mut self.scratch);
                let mut delivery = Delivery { connection, carrier, kernels, buffers, scratch, lane, clock };
                let (events, more) = delivery.deliver(group, under_way, self.tick, (round, only_adds));
                self.counts.synaptic_events[index] += events;
                return more;
            }
            Op::OnPost { connection, kernel } => {
                let index = connection.index();
                let connection = &program.connections[index];
                if let Some(target) = connection.target {
                    let (list, more) = self.groups[lane][target.index()].round(self.tick, 0, round);
                    let carrier = self.carriers.get(&index).unwrap_or(&shared.carriers[index]);
                    let (buffers, scratch) = (&mut self.buffers[..], &mut self.scratch);
                    let mut delivery = Delivery { connection, carrier, kernels, buffers, scratch, lane, clock };
                    self.counts.updates[index] += delivery.on_post(*kernel, &list);
                    return more;
                }
            }
            Op::Synapses { connection, kernel, zeroed, every } => {
                if (self.tick + 1).is_multiple_of(u64::from(*every)) {
                    for array in zeroed {
                        self.buffers[array.index()].lane_mut(lane).fill(T::default());
                    }
                    let index = connection.index();
                    let wiring = &self.carriers.get(&index).unwrap_or(&shared.carriers[index]).wiring;
                    let all = [(0, wiring.len() as u32)];
                    let synapses = wiring.synapses(Indices::Ranges(&all));
                    self.counts.updates[index] += wiring.len() as u64;
                    kernels.synapses(*kernel, &mut self.buffers, lane, synapses, clock);
                }
            }
            Op::Rewire { connection, gone, fresh, every, component, .. } => {
                if (self.tick + 1).is_multiple_of(u64::from(*every)) {
                    self.redraw(shared, connection.index(), (*gone, *fresh), *component, clock);
                }
            }
            Op::Fill { array, value } => self.buffers[array.index()].lane_mut(lane).fill(T::of(*value)),
            Op::Copy { from, from_start, to, to_start, len } => {
                let values = self.buffers[from.index()].lane(lane)[*from_start..from_start + len].to_vec();
                self.buffers[to.index()].lane_mut(lane)[*to_start..to_start + len].copy_from_slice(&values);
            }
            Op::Past { from, ring, to, len, ticks } => {
                let now = self.buffers[from.index()].lane(lane)[..*len].to_vec();
                let ring = self.buffers[ring.index()].lane_mut(lane);
                if self.tick == 0 {
                    ring.chunks_mut(*len).for_each(|row| row.copy_from_slice(&now));
                }
                let start = (self.tick % u64::from(*ticks)) as usize * len;
                let row = &mut ring[start..start + len];
                let before = row.to_vec();
                row.copy_from_slice(&now);
                self.buffers[to.index()].lane_mut(lane)[..*len].copy_from_slice(&before);
            }
            Op::Gather { from, from_start, to, to_start, indices } => {
                if let TensorData::I64(indices) = &program.tensors[indices.index()].data {
                    let (from, to) = two(&mut self.buffers, (from.index(), to.index()), lane);
                    for (into, &index) in to[*to_start..].iter_mut().zip(indices) {
                        *into = usize::try_from(index).map_or(T::of(0.0), |index| from[from_start + index]);
                    }
                }
            }
            Op::Scatter { from, from_start, to, to_start, len, indices } => {
                if let TensorData::I64(indices) = &program.tensors[indices.index()].data {
                    let (from, to) = two(&mut self.buffers, (from.index(), to.index()), lane);
                    let to = &mut to[*to_start..to_start + len];
                    to.fill(T::default());
                    for (from, &index) in from[*from_start..].iter().zip(indices) {
                        if let Ok(index) = usize::try_from(index) {
                            to[index] = T::of(to[index].wide() + from.wide());
                        }
                    }
                }
            }
            Op::Reduce { reduction, from, from_start, to, to_start, len, each } => {
                let (from, to) = two(&mut self.buffers, (from.index(), to.index()), lane);
                let stretches = from[*from_start..].chunks(*each);
                for (into, stretch) in to[*to_start..*to_start + len].iter_mut().zip(stretches) {
                    *into = T::of(reduction.of(stretch.iter().map(|x| x.wide())));
                }
            }
            &Op::Decay { array, factors, rate, period } => {
                let within = self.tick % u64::from(period);
                if within == 0 && self.tick > 0 {
                    let carried = T::of((-rate * f64::from(period)).exp());
                    let mut unit = T::UNIT;
                    for value in self.buffers[array.index()].lane_mut(lane) {
                        let kept = unit.multiply(*value, carried);
                        // Numbers too small to be normal take long.
                        *value = if kept.wide().abs() < 1e-30 { T::default() } else { kept };
                    }
                }
                let elapsed = rate * (within + 1) as f64;
                // Traces of one rate follow each other.
                let known = self.faded.filter(|faded| faded.0 == elapsed);
                let faded = known.unwrap_or_else(|| {
                    let left = (-elapsed).exp();
                    (elapsed, T::of(left), T::of(1.0 / left))
                });
                self.faded = Some(faded);
                let factors = self.buffers[factors.index()].lane_mut(lane);
                (factors[0], factors[1]) = (faded.1, faded.2);
            }
            Op::Target { matrix } => {
                matrix::target(program, &program.matrices[matrix.index()], &shared.fitted, &mut self.buffers);
            }
            Op::Multiply { .. } | Op::Transposed { .. } | Op::Write { .. } | Op::Fold { .. } | Op::Present { .. } => {} // done for whole batches, or by the engine itself
        }
        false
    }
}

/// A lane of one buffer to read and of another to write.
fn two<T>(buffers: &mut [Buffer<T>], (from, to): (usize, usize), lane: usize) -> (&[T], &mut [T]) {
    let (low, high) = buffers.split_at_mut(from.max(to));
    match from < to {
        true => (low[from].lane(lane), high[0].lane_mut(lane)),
        false => (high[0].lane(lane), low[to].lane_mut(lane)),
    }
}

/// The given spikes of a tick of a sample.
fn given(program: &Program, phase: &Phase, group: usize, (row, within): (usize, u64)) -> Vec<u32> {
    let mut list = Vec::new();
    for feed in &phase.inputs {
        if let InputFeed::Spikes { group: of, elements, steps, starts } = feed
            && of.index() == group
        {
            let (elements, steps) = (&program.tensors[elements.index()].data, &program.tensors[steps.index()].data);
            // Sorted by step: find where this tick begins.
            let starts = &program.tensors[starts.index()].data;
            let (mut low, end) = (starts.get(row) as usize, starts.get(row + 1) as usize);
            let mut high = end;
            while low < high {
                let middle = usize::midpoint(low, high);
                if steps.get(middle) < within as f64 { low = middle + 1 } else { high = middle }
            }
            list.extend((low..end).take_while(|&i| steps.get(i) == within as f64).map(|i| elements.get(i) as u32));
        }
    }
    list
}
