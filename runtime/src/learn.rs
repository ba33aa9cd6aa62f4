//! Learning by gradients: batches are presented, their gradient goes back through the network, layers change their weights.

use nmc_program::{Draw, Kept, Learning, Loss, Phase, Tensor, TensorData, Through};
use serde::{Deserialize, Serialize};

use crate::arrays;
use crate::energy::Counts;
use crate::engine::{Engine, Pause};
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::lanes::{Lanes, Moment, Place};
use crate::pulses;
use crate::random::Key;
use crate::record::SampleRecord;
use crate::{RunError, Training};

/// Batches from one time to the next at which what cells give is made anew as a whole, and a pause is possible: row energies and the
/// variances of reads are those of the last time.
const BATCHES: usize = 64;

/// How far a phase has learned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs that are over: mean loss, and share of right labels.
    pub epochs: Vec<(f64, f64)>,
    /// The same of samples held out.
    pub held_out: Vec<(f64, f64)>,
    /// Of the one under way: samples presented, their losses' sum, and how often they were right.
    pub done: usize,
    pub loss: f64,
    pub right: usize,
    /// Whether the ranges were set before the first batch.
    pub ranged: bool,
}

impl Progress {
    /// Whether it can be that of a phase.
    pub fn is_of(&self, phase: &Phase) -> bool {
        let known = phase.learning.as_ref().map_or((0, 0), |learning| (learning.epochs, learning.held_out));
        let (epochs, held_out) = known;
        let looked_at = if held_out > 0 { self.epochs.len() } else { 0 };
        self.epochs.len() <= epochs
            && self.done <= phase.samples - held_out
            && (self.done == 0 || self.epochs.len() < epochs)
            && self.held_out.len() == looked_at
    }

    /// Samples learned from so far.
    fn trained(&self, phase: &Phase, learning: &Learning) -> usize {
        self.epochs.len() * (phase.samples - learning.held_out) + self.done
    }

    /// Samples presented so far.
    pub fn presented(&self, phase: &Phase) -> usize {
        self.epochs.len() * phase.samples + self.done
    }
}

impl<T: Computable + Product> Engine<'_, T> {
    /// Goes on with a phase that learns; whether it is over.
    pub fn learn(&mut self, phase: &Phase, learning: &Learning, pause: Pause) -> Result<bool, RunError> {
        let batch = learning.batch.min(phase.samples);
        if self.state.learned == Progress::default() {
            // Programming was no part of it.
            let before = std::mem::replace(&mut self.state.main.counts, Counts::new(self.shared.program));
            self.state.counts.add(&before);
        }
        // A sequence has one lane, and leaves its states.
        let mut lanes = Lanes::new(&self.shared, &self.state.main.buffers, if phase.sequence { 1 } else { batch });
        if phase.sequence {
            lanes.take_back(self.state.main.own());
            (self.state.going, self.state.ran, self.state.heard) = (true, None, 0);
        }
        lanes.counts = std::mem::take(&mut self.state.main.counts);
        self.shared.read_seldom = arrays::read_seldom(self.shared.program, phase, learning);
        let mut over = true;
        let mut batches = 0;
        let mut order = Vec::new();
        while !self.is_learned(learning) {
            let progress = &self.state.learned;
            if order.is_empty() {
                order = self.order(phase, learning, progress.epochs.len() as u32);
            }
            self.batch(phase, learning, &mut lanes, &order);
            batches += 1;
            if self.state.learned.done == phase.samples - learning.held_out {
                self.look_at_held_out(phase, learning, &mut lanes);
                self.end_epoch(phase, learning)?;
                order.clear();
            }
            if batches == BATCHES || order.is_empty() {
                batches = 0;
                self.take_weights(learning, &mut lanes);
                self.fold();
                if !self.is_learned(learning) && pause() {
                    over = false;
                    break;
                }
            }
        }
        if phase.sequence {
            self.state.main.take_back(lanes.own());
        }
        self.state.main.counts = std::mem::take(&mut lanes.counts);
        Ok(over)
    }

    fn is_learned(&self, learning: &Learning) -> bool {
        let Progress { epochs, held_out, .. } = &self.state.learned;
        let watched = if learning.held_out > 0 { held_out } else { epochs };
        let stops = |(loss, _): &(f64, f64)| learning.stop.is_some_and(|stop| *loss < stop);
        let best = (0..watched.len()).min_by(|a, b| watched[*a].0.total_cmp(&watched[*b].0));
        let waited = best.map_or(0, |best| watched.len() - 1 - best);
        epochs.len() >= learning.epochs
            || watched.last().is_some_and(stops)
            || learning.patience.is_some_and(|patience| waited >= patience)
    }

    /// Presents the samples held out, with weights as they are.
    fn look_at_held_out(&mut self, phase: &Phase, learning: &Learning, lanes: &mut Lanes<T>) {
        let first = phase.samples - learning.held_out;
        let before = (self.state.learned.loss, self.state.learned.right);
        (self.state.learned.loss, self.state.learned.right) = (0.0, 0);
        for start in (first..phase.samples).step_by(learning.batch) {
            let rows: Vec<usize> = (start..(start + learning.batch).min(phase.samples)).collect();
            let epochs = self.state.learned.epochs.len() * phase.samples;
            let number = self.state.presented + (epochs + start) as u64;
            self.forward(phase, learning, lanes, &rows, (start, number));
            self.report(rows.len());
        }
        let progress = &mut self.state.learned;
        let held = learning.held_out as f64;
        if learning.held_out > 0 {
            progress.held_out.push((progress.loss / held, progress.right as f64 / (held * f64::from(phase.taken))));
        }
        (progress.loss, progress.right) = before;
    }

    /// The order of an epoch's samples, by Fisher and Yates.
    fn order(&self, phase: &Phase, learning: &Learning, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..phase.samples - learning.held_out).collect();
        let Some(component) = learning.shuffled else { return order };
        for last in (1..order.len()).rev() {
            let key =
                Key { seed: self.shared.seed, component, element: last as u32, number: 0, tick: epoch, sample: 0 };
            order.swap(last, ((key.uniform_f64() * (last + 1) as f64) as usize).min(last));
        }
        order
    }

    /// One batch: forward, back, update.
    fn batch(&mut self, phase: &Phase, learning: &Learning, lanes: &mut Lanes<T>, order: &[usize]) {
        let done = self.state.learned.done;
        let samples = learning.batch.min(phase.samples - learning.held_out - done);
        let rows = &order[done..done + samples];
        let number = self.state.presented + self.state.learned.presented(phase) as u64;
        let clean = self.disturb(learning, number);
        if !self.state.learned.ranged {
            // Ranges are known only when something was seen.
            self.state.learned.ranged = true;
            let (loss, right) = (self.state.learned.loss, self.state.learned.right);
            let counts = lanes.counts.clone();
            self.forward(phase, learning, lanes, rows, (done, number));
            follow(learning, lanes);
            // On the way back they begin at nothing: each time one more layer is reached.
            for _ in 0..learning.layers.len() {
                self.backward(phase, learning, lanes, (samples, number));
                follow(learning, lanes);
            }
            lanes.counts = counts;
            (self.state.learned.loss, self.state.learned.right) = (loss, right);
        }
        self.forward(phase, learning, lanes, rows, (done, number));
        self.backward(phase, learning, lanes, (samples, number));
        for (matrix, weights) in clean {
            self.shared.matrices[matrix].weights = weights;
        }
        let rate = learning.rate(self.state.learned.epochs.len());
        let before = self.state.learned.trained(phase, learning) as u64;
        let presented = before..before + samples as u64;
        let (rate, pool) = (rate / lanes.used as f64, self.pool.as_ref());
        pulses::update(&mut self.shared, learning, lanes, rate, (presented, number), pool);
        follow(learning, lanes);
        self.state.learned.done += samples;
        self.report(samples);
    }

    /// Presents a batch: side by side, or, of a sequence, one sample after the other. Its losses are added up; what the way back needs is kept.
    fn forward(
        &mut self,
        phase: &Phase,
        learning: &Learning,
        lanes: &mut Lanes<T>,
        rows: &[usize],
        (done, number): (usize, u64),
    ) {
        lanes.used = lanes.lanes.min(rows.len());
        if !phase.sequence || done == 0 {
            lanes.restart(&self.shared, &self.initial, number);
        }
        let (ticks, taken) = (u64::from(phase.ticks), u64::from(phase.taken));
        let mut records = vec![SampleRecord::new(self.shared.program, phase); lanes.used];
        for (turn, shown) in rows.chunks(lanes.used).enumerate() {
            let (turn, first) = (turn as u64, number + turn as u64);
            let place = Place { row: done + turn as usize, number: first, ..Place::default() };
            lanes.begin(&self.shared, phase, place, |lane| shown[lane]);
            let share = 1.0 / (taken as usize * if phase.sequence { rows.len() } else { 1 }) as f64;
            for within in 0..ticks {
                lanes.tick(&self.shared, phase, (place, within), &mut records, |lane| shown[lane]);
                let Some(through) = &learning.through else { continue };
                keep(&through.kept, lanes, (through.ticks, turn * ticks + within));
                follow(learning, lanes);
                if phase.takes(within) && within + 1 < ticks {
                    lanes.take(&self.shared, phase, (place, within), &mut records);
                    self.lose(learning, lanes, shown, (taken, within), share);
                    keep(&through.taken, lanes, (takes(phase, through), turn * taken + within));
                }
            }
            lanes.end(&self.shared, phase, place, &mut records);
            self.lose(learning, lanes, shown, (taken, taken - 1), share);
            if let Some(through) = &learning.through {
                keep(&through.taken, lanes, (takes(phase, through), (turn + 1) * taken - 1));
                follow(learning, lanes);
            }
        }
    }

    /// Takes the gradient from every loss to the layers.
    fn backward(&mut self, phase: &Phase, learning: &Learning, lanes: &mut Lanes<T>, (samples, number): (usize, u64)) {
        let moment = Moment { sample: number, tick: 1, ..Moment::default() };
        let Some(through) = &learning.through else {
            return lanes.run(&self.shared, phase, &learning.backward, moment);
        };
        let (ticks, takes) = (u64::from(phase.ticks), takes(phase, through));
        let all = ticks * if phase.sequence { samples as u64 } else { 1 };
        if all < u64::from(through.ticks) {
            for kept in through.from_taken.iter().chain(&through.gradients) {
                lanes.buffers[kept.to.index()].data.fill(T::default());
            }
        }
        for at in (0..all).rev() {
            let (turn, within) = (at / ticks, at % ticks);
            let moment = Moment { sample: number + turn, ..moment };
            if phase.takes(within) {
                let taken = if phase.taken > 1 { at } else { turn };
                put_back(&through.taken, lanes, (takes, taken));
                lanes.run(&self.shared, phase, &learning.backward, moment);
                keep(&through.from_taken, lanes, (takes, taken));
            }
            follow(learning, lanes);
            put_back(&through.kept, lanes, (through.ticks, at));
            lanes.run(&self.shared, phase, &through.tick, Moment { tick: within, within, ..moment });
            keep(&through.gradients, lanes, (through.ticks, at));
        }
        lanes.run(&self.shared, phase, &through.begin, moment);
    }

    /// Adds noise to weights that are numbers; returns what they were.
    fn disturb(&mut self, learning: &Learning, number: u64) -> Vec<(usize, Vec<T>)> {
        let mut clean = Vec::new();
        if learning.noise == 0.0 {
            return clean;
        }
        for layer in &learning.layers {
            let of_layer = || layer.matrices.iter().map(|learner| learner.matrix.index());
            let weights = of_layer().flat_map(|matrix| &self.shared.matrices[matrix].weights);
            let most = weights.fold(0.0, |most, weight| f64::max(most, weight.wide().abs()));
            for matrix in of_layer() {
                let (seed, component) = (self.shared.seed, self.shared.program.matrices[matrix].component);
                let (tick, sample) = ((number >> 32) as u32, number as u32);
                let weights = &mut self.shared.matrices[matrix].weights;
                let mut noise = vec![T::default(); weights.len()];
                T::draw_all(Key { seed, component, element: 0, number: 0, tick, sample }, Draw::Normal, &mut noise);
                clean.push((matrix, weights.clone()));
                let deviation = learning.noise * most;
                let disturbed = weights.iter_mut().zip(noise);
                disturbed.for_each(|(weight, noise)| *weight = T::of(weight.wide() + deviation * noise.wide()));
            }
        }
        clean
    }

    /// Weights and biases that are numbers, as they are.
    fn keep_learned(&mut self, learning: &Learning) {
        let program = self.shared.program;
        for layer in
            learning.layers.iter().filter(|layer| layer.matrices.iter().all(|l| l.pulsed.is_none() && l.fast.is_none()))
        {
            let mut weights = vec![0.0; layer.outputs * layer.inputs];
            for learner in &layer.matrices {
                let cols = program.matrices[learner.matrix.index()].cols;
                for (at, weight) in self.shared.matrices[learner.matrix.index()].weights.iter().enumerate() {
                    let (input, output) = (learner.input_start + at / cols, learner.output_start + at % cols);
                    weights[output * layer.inputs + input] = weight.wide();
                }
            }
            let mut keep = |what: &str, shape: Vec<usize>, values: Vec<f64>| {
                let (name, data) = (format!("{}.{what}", layer.name), TensorData::F64(values));
                let learned = &mut self.state.results.learned;
                learned.retain(|tensor: &Tensor| *tensor.name != *name);
                learned.push(Tensor { name, shape, data });
            };
            keep("weight", layer.shape.clone(), weights);
            if let Some(bias) = layer.bias {
                let all = self.state.main.buffers[bias.index()].lane(0);
                let values = all.iter().step_by(layer.positions).map(|value| value.wide()).collect();
                keep("bias", vec![layer.outputs], values);
            }
        }
    }

    /// The loss of each lane's sample, one of so many that it has, and its share of their gradient by the output.
    fn lose(&mut self, learning: &Learning, lanes: &mut Lanes<T>, rows: &[usize], (taken, at): (u64, u64), share: f64) {
        let (output, start, len) = learning.output;
        let tensor = |id: nmc_program::TensorId| &self.shared.program.tensors[id.index()].data;
        for (lane, &row) in rows.iter().enumerate() {
            let row = row * taken as usize + at as usize;
            let y: Vec<f64> =
                lanes.buffers[output.index()].lane(lane)[start..start + len].iter().map(|y| y.wide()).collect();
            let (loss, gradient, right) = match learning.loss {
                Loss::CrossEntropy { labels } => cross_entropy(&y, tensor(labels).get(row) as usize),
                Loss::SquaredLabels { labels } => {
                    let label = tensor(labels).get(row) as usize;
                    let (loss, gradient) = squared(&y, |index| f64::from(u8::from(index == label)));
                    (loss, gradient, largest(&y) == label)
                }
                Loss::Squared { targets } => {
                    let (loss, gradient) = squared(&y, |index| tensor(targets).get(row * len + index));
                    (loss, gradient, false)
                }
            };
            self.state.learned.loss += loss / taken as f64;
            self.state.learned.right += usize::from(right);
            let into = &mut lanes.buffers[learning.gradient.index()].lane_mut(lane)[..len];
            into.iter_mut().zip(gradient).for_each(|(into, of)| *into = T::of(share * of));
        }
    }

    fn end_epoch(&mut self, phase: &Phase, learning: &Learning) -> Result<(), RunError> {
        let learned = &mut self.state.learned;
        let samples = (phase.samples - learning.held_out) as f64;
        let (loss, right) = (learned.loss / samples, learned.right as f64 / (samples * f64::from(phase.taken)));
        learned.epochs.push((loss, right));
        (learned.done, learned.loss, learned.right) = (0, 0.0, 0);
        if loss.is_finite() && learned.held_out.last().is_none_or(|(loss, _)| loss.is_finite()) {
            return Ok(());
        }
        let epoch = learned.epochs.len();
        let message = format!("the loss is no longer a number after epoch {epoch} of training");
        Err(RunError { code: "E0706", message, help: Some(String::from("train with a lower `rate`")), place: None })
    }

    /// Brings what was learned into the arrays that are kept.
    fn take_weights(&mut self, learning: &Learning, lanes: &mut Lanes<T>) {
        let program = self.shared.program;
        for learner in learning.layers.iter().flat_map(|layer| &layer.matrices) {
            let matrix = &program.matrices[learner.matrix.index()];
            if let (nmc_program::WeightSource::Held(array), None) = (&matrix.weights, &matrix.cells) {
                lanes.buffers[array.index()].data.clone_from(&self.shared.matrices[learner.matrix.index()].weights);
            }
        }
        for (kept, learned) in self.state.main.buffers.iter_mut().zip(&lanes.buffers) {
            if !kept.per_lane {
                kept.data.clone_from(&learned.data);
            }
        }
    }

    /// What a phase that learned tells.
    pub fn training(&mut self, phase: &Phase, learning: &Learning) -> Training {
        self.keep_learned(learning);
        let progress = std::mem::take(&mut self.state.learned);
        let samples = progress.presented(phase);
        self.state.presented += samples as u64;
        let counts = std::mem::replace(&mut self.state.main.counts, Counts::new(self.shared.program));
        let labels = !matches!(learning.loss, Loss::Squared { .. });
        let all = [("training", &progress.epochs), ("held_out", &progress.held_out)];
        for (of, &(loss, right)) in all.into_iter().filter_map(|(of, epochs)| Some((of, epochs.last()?))) {
            // Of several trainings the last.
            let metrics = &mut self.state.results.metrics;
            let (loss_of, accuracy_of) = (format!("loss.{of}"), format!("accuracy.{of}"));
            metrics.retain(|(name, _)| *name != loss_of && *name != accuracy_of);
            metrics.push((loss_of, loss));
            metrics.extend(labels.then_some((accuracy_of, right)));
        }
        let losses = |epochs: &[(f64, f64)]| epochs.iter().map(|(loss, _)| *loss).collect();
        let accuracies = |epochs: &[(f64, f64)]| epochs.iter().filter(|_| labels).map(|(_, right)| *right).collect();
        Training {
            samples,
            loss: losses(&progress.epochs),
            accuracy: accuracies(&progress.epochs),
            held_out_loss: losses(&progress.held_out),
            held_out_accuracy: accuracies(&progress.held_out),
            pulses: counts.pulses.iter().chain(&counts.written).sum(),
            energy_j: crate::energy::of_training(self.shared.program, learning, &counts),
        }
    }
}

/// How often outputs are taken in the ticks that a gradient goes back through.
fn takes(phase: &Phase, through: &Through) -> u32 {
    through.ticks / phase.ticks.max(1) * phase.taken
}

/// Calls `each` for every stretch of what is kept of a tick: of the elements, where it starts in them, where it is kept, and how long it is.
fn stretches(kept: &Kept, (ticks, tick): (u32, u64), mut each: impl FnMut(usize, usize, usize)) {
    let Kept { start, len, positions, .. } = *kept;
    for at in 0..len / positions {
        each(start + at * positions, (at * ticks as usize + tick as usize) * positions, positions);
    }
}

/// Keeps what a tick left, one of so many.
fn keep<T: Computable + Product>(all: &[Kept], lanes: &mut Lanes<T>, which: (u32, u64)) {
    for kept in all {
        for lane in 0..lanes.used {
            let mut into = std::mem::take(&mut lanes.buffers[kept.to.index()]);
            let from = lanes.buffers[kept.from.index()].lane(lane);
            let to = into.lane_mut(lane);
            stretches(kept, which, |a, b, len| to[b..b + len].copy_from_slice(&from[a..a + len]));
            lanes.buffers[kept.to.index()] = into;
        }
    }
}

/// Puts what a tick left in its place again.
fn put_back<T: Computable + Product>(all: &[Kept], lanes: &mut Lanes<T>, which: (u32, u64)) {
    for kept in all {
        for lane in 0..lanes.used {
            let mut into = std::mem::take(&mut lanes.buffers[kept.from.index()]);
            let from = lanes.buffers[kept.to.index()].lane(lane);
            let to = into.lane_mut(lane);
            stretches(kept, which, |a, b, len| to[a..a + len].copy_from_slice(&from[b..b + len]));
            lanes.buffers[kept.from.index()] = into;
        }
    }
}

/// Lets ranges grow to the largest value of the batch.
fn follow<T: Computable + Product>(learning: &Learning, lanes: &mut Lanes<T>) {
    for followed in &learning.ranges {
        let (array, start, len) = followed.values;
        let values = (0..lanes.used).flat_map(|lane| &lanes.buffers[array.index()].lane(lane)[start..start + len]);
        let most = values.fold(0.0, |most, value| f64::max(most, value.wide().abs())) / followed.full;
        let range = &mut lanes.buffers[followed.range.index()].lane_mut(0)[0];
        if most.is_finite() && most > range.wide() {
            *range = T::of(most);
        }
    }
}

/// -log softmax at the label, its gradient, and whether the label is the largest.
fn cross_entropy(y: &[f64], label: usize) -> (f64, Vec<f64>, bool) {
    let most = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut shares: Vec<f64> = y.iter().map(|y| (y - most).exp()).collect();
    let sum: f64 = shares.iter().sum();
    let loss = sum.ln() + most - y[label];
    shares.iter_mut().for_each(|share| *share /= sum);
    shares[label] -= 1.0;
    (loss, shares, largest(y) == label)
}

/// Half the summed square of what is missing, and its gradient.
fn squared(y: &[f64], target: impl Fn(usize) -> f64) -> (f64, Vec<f64>) {
    let gradient: Vec<f64> = y.iter().enumerate().map(|(index, y)| y - target(index)).collect();
    (gradient.iter().map(|missing| missing * missing).sum::<f64>() / 2.0, gradient)
}

/// Index of the largest, the first of equals.
fn largest(y: &[f64]) -> usize {
    (0..y.len()).fold(0, |best, index| if y[index] > y[best] { index } else { best })
}
