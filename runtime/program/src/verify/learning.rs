//! Learning: what is fed back fits what it is fed back to, and only what lanes share is learned.

use super::Checker;
use crate::*;

/// Presentations of all epochs, at most.
const MOST: usize = u32::MAX as usize;

impl Checker<'_> {
    pub fn learning(&mut self, learning: &Learning, phase: &Phase, user: &str) {
        let user = &format!("{user}: learning");
        let (output, start, len) = learning.output;
        self.slice(output, start, len, user);
        self.slice(learning.gradient, 0, len, user);
        let taken = phase.taken as usize;
        match learning.loss {
            Loss::CrossEntropy { labels } | Loss::SquaredLabels { labels } => {
                self.samples_by(labels, phase.samples, taken, user);
                let data = self.program.tensors.get(labels.index()).map(|tensor| &tensor.data);
                let known = |label: f64| label >= 0.0 && label < len as f64 && label.fract() == 0.0;
                let known = data.is_some_and(|data| (0..data.len()).all(|index| known(data.get(index))));
                self.require(known, || format!("{user}: labels that no output stands for"));
            }
            Loss::Squared { targets } => self.samples_by(targets, phase.samples, len.saturating_mul(taken), user),
        }
        let numbers = learning.rates.iter().copied().chain(learning.stop);
        let held = learning.held_out < phase.samples.max(1) && !learning.rates.is_empty();
        let few = learning.epochs.checked_mul(phase.samples).is_some_and(|all| all <= MOST);
        let sound = numbers.into_iter().all(f64::is_finite) && learning.batch > 0 && few && held;
        let ticks = phase.ticks > 0 || learning.through.is_none();
        let sound = sound && (learning.through.is_some() || !phase.sequence);
        self.require(sound && ticks && phase.samples > 0, || {
            format!("{user}: no way to learn in batches of {}", learning.batch)
        });
        for op in learning.ops() {
            let plain = matches!(
                op,
                Op::Kernel { spikes: None, .. }
                    | Op::Transposed { .. }
                    | Op::Multiply { .. }
                    | Op::Copy { .. }
                    | Op::Gather { .. }
                    | Op::Scatter { .. }
                    | Op::Reduce { .. }
                    | Op::Fill { .. }
            );
            self.require(plain, || format!("{user}: an operation that has no place in it"));
            self.op(user, op);
        }
        if let Some(through) = &learning.through {
            let together = if phase.sequence { learning.batch } else { 1 };
            let whole = Some(through.ticks as usize) == together.checked_mul(phase.ticks as usize);
            self.require(whole, || format!("{user}: goes back through {} ticks", through.ticks));
            let takes = together.saturating_mul(taken);
            let of_takes = through.taken.iter().chain(&through.from_taken).map(|kept| (kept, takes));
            let of_ticks = through.kept.iter().chain(&through.gradients).map(|kept| (kept, through.ticks as usize));
            for (kept, times) in of_takes.chain(of_ticks) {
                self.slice(kept.from, kept.start, kept.len, user);
                self.slice(kept.to, 0, kept.len.saturating_mul(times), user);
                let own = self.program.arrays.get(kept.to.index()).is_some_and(|array| array.per_lane);
                let whole =
                    kept.positions > 0 && kept.len.is_multiple_of(kept.positions) && own && kept.from != kept.to;
                self.require(whole, || format!("{user}: positions of what is kept of ticks"));
            }
        }
        for followed in &learning.ranges {
            let (array, start, len) = followed.values;
            self.slice(array, start, len, user);
            self.slice(followed.range, 0, 1, user);
            self.of_all(followed.range, user);
            self.require(followed.full > 0.0, || format!("{user}: a range of {}", followed.full));
        }
        for layer in &learning.layers {
            self.layer(layer);
        }
        let costs = learning.costs.iter().map(|cost| (&cost.count, cost.energy_j));
        for (count, joules) in costs {
            let sound = match *count {
                Count::PerSample(number) => number.is_finite(),
                Count::Pulses(matrix)
                | Count::Written(matrix)
                | Count::WriteEnergy(matrix)
                | Count::RowReads(matrix) => matrix.index() < self.program.matrices.len(),
                Count::PerTick(_)
                | Count::Once(_)
                | Count::Sum(_)
                | Count::Spikes(..)
                | Count::SynapticEvents(..)
                | Count::Updates(_)
                | Count::ReadEnergy(_) => false,
            };
            self.require(sound && joules.is_finite(), || format!("{user}: counts what does not happen in it"));
        }
    }

    /// An array that all lanes share.
    pub fn of_all(&mut self, array: ArrayId, user: &str) {
        let own = self.program.arrays.get(array.index()).is_none_or(|array| array.per_lane);
        self.require(!own, || format!("{user}: array {} is shared, but every lane has its own", array.0));
    }

    fn layer(&mut self, layer: &Layer) {
        let user = &format!("learning of {}", layer.name);
        let (positions, program) = (layer.positions, self.program);
        self.require(positions > 0, || format!("{user}: no position"));
        for &Factor { rows, columns, positions, .. } in &layer.factors {
            self.slice(rows.0, rows.1, layer.inputs.saturating_mul(positions), user);
            self.slice(columns.0, columns.1, layer.outputs.saturating_mul(positions), user);
            self.require(positions > 0, || format!("{user}: no position"));
        }
        let weights = layer.shape.iter().try_fold(1_usize, |product, axis| product.checked_mul(*axis));
        let whole = weights == layer.outputs.checked_mul(layer.inputs) && layer.shape.first() == Some(&layer.outputs);
        self.require(whole, || format!("{user}: the shape of its weights"));
        if let Some(bias) = layer.bias {
            self.slice(bias, 0, layer.outputs.saturating_mul(positions), user);
            self.of_all(bias, user);
        }
        for learner in &layer.matrices {
            let Some(matrix) = program.matrices.get(learner.matrix.index()) else {
                self.say(format!("{user}: no matrix {}", learner.matrix.0));
                continue;
            };
            let inside = learner.input_start.saturating_add(matrix.rows) <= layer.inputs
                && learner.output_start.saturating_add(matrix.cols) <= layer.outputs;
            self.require(inside, || format!("{user}: {} lies outside", matrix.name));
            if let Some(kept) = learner.kept {
                self.slice(kept, 0, matrix.rows.saturating_mul(matrix.cols), user);
                self.of_all(kept, user);
            }
            let kept = matches!(layer.update, Update::Kept { .. }) && learner.pulsed.is_some();
            let buffered = learner.fast.is_some() && !kept;
            self.require(buffered || kept == learner.kept.is_some(), || format!("{user}: nothing keeps what is left"));
            if let Some(fast) = &learner.fast {
                self.fast(fast, matrix, user);
            }
            match (&learner.pulsed, &matrix.cells) {
                (None, None) => {
                    let held = matches!(matrix.weights, WeightSource::Held(_));
                    self.require(held, || format!("{user}: {} cannot change", matrix.name));
                }
                (Some(pulsed), Some(cells)) => self.pulsed(pulsed, matrix, cells, user),
                (None, Some(_)) if learner.fast.as_ref().is_some_and(|fast| fast.programmed.is_some()) => {}
                (None, Some(_)) | (Some(_), None) => self.say(format!("{user}: pulses and cells of {}", matrix.name)),
            }
        }
    }

    fn fast(&mut self, fast: &Fast, slow: &Matrix, user: &str) {
        let user = &format!("{user}: fast array");
        let numbers = fast.rate.is_finite() && fast.joules.is_finite();
        let shares = (0.0..=1.0).contains(&fast.chop) && (0.0..=1.0).contains(&fast.left);
        let rows = 1..=slow.rows.max(1);
        self.require(numbers && shares && fast.every > 0 && rows.contains(&fast.rows), || {
            format!("{user}: no way to transfer")
        });
        let found = self.program.matrices.get(fast.matrix.index());
        let Some((matrix, cells)) = found.and_then(|matrix| Some((matrix, matrix.cells.as_ref()?))) else {
            return self.say(format!("{user}: without cells"));
        };
        let (rows, cols) = (slow.rows, slow.cols);
        let same = (matrix.rows, matrix.cols) == (rows, cols) && slow.cells.is_some();
        self.require(same, || format!("{user}: not as large as that of the weights"));
        self.pulsed(&fast.pulsed, matrix, cells, user);
        for (array, len) in [(fast.seen, cols), (fast.read, cols), (fast.largest, 1)] {
            self.slice(array, 0, len, user);
        }
        self.dense(fast.kernel, cols, user);
        let all = cells.scheme.cells(rows, cols);
        let shared = [(fast.programmed, rows.saturating_mul(cols)), (fast.stuck.map(|stuck| stuck.0), all)];
        for (array, len) in shared.into_iter().filter_map(|(array, len)| Some((array?, len))) {
            self.slice(array, 0, len, user);
            self.of_all(array, user);
        }
        if let Some(Reference { period, share, mean, past }) = fast.reference {
            for array in [mean, past] {
                self.slice(array, 0, rows.saturating_mul(cols), user);
                self.of_all(array, user);
            }
            self.require(period > 1 && (0.0..=1.0).contains(&share), || format!("{user}: no reference"));
        }
        let turns = fast.chop > 0.0 || fast.reference.is_some();
        self.require(!turns || cells.signs.is_some(), || format!("{user}: no signs that could turn"));
        let held = fast.programmed.is_none_or(|array| slow.weights == WeightSource::Held(array));
        self.require(held, || format!("{user}: what is asked for is not what cells are programmed to"));
    }

    fn pulsed(&mut self, pulsed: &Pulsed, matrix: &Matrix, cells: &Cells, user: &str) {
        let scheme = matches!(cells.scheme, Scheme::Differential | Scheme::Reference | Scheme::Single);
        self.require(scheme, || format!("{user}: digits of weights get no pulses"));
        let few = matrix.cols.saturating_mul(2) <= pulsed.pulse.len;
        let pairs = pulsed.both_ways || cells.scheme == Scheme::Differential;
        self.require(pairs, || format!("{user}: cells that cannot be moved both ways"));
        self.require(few && pulsed.step > 0.0 && pulsed.step.is_finite(), || {
            format!("{user}: too few cells at a time")
        });
        self.pulse(&pulsed.pulse, cells.scheme.cells(matrix.rows, matrix.cols), user);
    }

    /// A pulse on some of so many cells.
    pub fn pulse(&mut self, pulse: &Pulse, cells: usize, user: &str) {
        self.require(pulse.len >= 2, || format!("{user}: too few cells at a time"));
        self.dense(pulse.kernel, pulse.len, user);
        let scratch = pulse.own.iter().map(|(_, scratch)| *scratch);
        for array in scratch.chain([pulse.conductance, pulse.direction]).chain(pulse.joules) {
            self.slice(array, 0, pulse.len, user);
            self.of_all(array, user);
        }
        for &(own, _) in &pulse.own {
            self.slice(own, 0, cells, user);
            self.of_all(own, user);
        }
    }
}
