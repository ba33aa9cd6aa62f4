//! Phases: data fed, metrics and probes.

use super::Checker;
use crate::*;

impl Checker<'_> {
    pub fn phases(&mut self) {
        let program = self.program;
        let samples = program.phases.iter().try_fold(0usize, |sum, phase| sum.checked_add(phase.samples));
        self.require(samples.is_some(), || String::from("more samples than can be counted"));
        let specs: Vec<&FitSpec> = program.phases.iter().flat_map(|phase| &phase.fits).collect();
        for spec in &specs {
            let first = specs.iter().find(|other| other.fit == spec.fit).unwrap_or(spec);
            let alike = spec.outputs == first.outputs && spec.features.2 == first.features.2 && spec.fit < specs.len();
            self.require(alike, || format!("fit {} of {}: not one of the layers fitted", spec.fit, spec.name));
        }
        for (index, phase) in program.phases.iter().enumerate() {
            let user = format!("phase {index}");
            for feed in &phase.inputs {
                self.feed(feed, phase.samples, &user);
            }
            for fit in &phase.fits {
                let (array, start, len) = fit.features;
                self.slice(array, start, len, &user);
                let fits = len > 0 && fit.outputs > 0 && fit.skip < phase.samples;
                self.require(fits, || format!("{user}: nothing to fit {} to", fit.name));
                self.shared(fit.bias.iter().chain(fit.ranges.iter().map(|range| &range.array)), &user);
                if let Some(bias) = fit.bias {
                    self.slice(bias, 0, fit.outputs, &user);
                }
                self.samples_by(fit.target, phase.samples, fit.outputs, &user);
                for range in &fit.ranges {
                    let ((a, b), (c, d)) = (range.inputs, range.outputs);
                    let sound = a <= b && b <= len && c <= d && d <= fit.outputs;
                    self.require(sound, || format!("{user}: a range of {a}..{b} to {c}..{d}"));
                    self.slice(range.array, 0, 1, &user);
                }
            }
            // What is a lane's own changes where one goes on.
            let shared = phase.changes.iter().filter(|_| !phase.sequence).map(|(array, _)| array);
            self.shared(shared, &user);
            for (array, value) in &phase.changes {
                self.change(*array, *value, &user);
            }
            let taken = phase.taken == 1 || phase.taken == phase.ticks && phase.taken > 0;
            self.require(taken, || format!("{user}: takes outputs {} times", phase.taken));
            if let Some(learning) = &phase.learning {
                self.learning(learning, phase, &user);
            }
            for metric in &phase.metrics {
                self.metric(metric, phase, &format!("{user}: {}", metric.name));
            }
        }
        for probe in &program.probes {
            self.probe(probe);
        }
    }

    /// What is fitted or changed is shared by all lanes.
    fn shared<'a>(&mut self, arrays: impl Iterator<Item = &'a ArrayId>, user: &str) {
        for array in arrays {
            let own = self.program.arrays.get(array.index()).is_some_and(|array| array.per_lane);
            self.require(!own, || format!("{user}: array {} is changed, but every lane has its own", array.0));
        }
    }

    fn change(&mut self, array: ArrayId, to: To, user: &str) {
        let len = self.program.arrays.get(array.index()).map(|array| array.len);
        self.require(len.is_some(), || format!("{user}: no array {}", array.0));
        match (to, len) {
            (To::Fill(value), _) => self.require(value.is_finite(), || format!("{user}: a change to {value}")),
            (To::Pairs(tensor), Some(Len::Synapses(connection))) => {
                let pairs = self.program.connections.get(connection.index());
                let pairs = pairs.map(|pairs| vec![pairs.source_len, pairs.target_len]);
                let shape = self.shape(tensor, user);
                self.require(shape.is_some() && shape == pairs, || format!("{user}: {shape:?} for pairs {pairs:?}"));
            }
            (To::Pairs(_), Some(Len::Fixed(_)) | None) => self.say(format!("{user}: pairs of no synapses")),
            (To::Range { first, end, value }, Some(Len::Fixed(len))) => {
                self.require(value.is_finite(), || format!("{user}: a change to {value}"));
                self.require(first <= end && end <= len, || format!("{user}: elements {first}..{end} of {len}"));
            }
            (To::Elements { first, values }, Some(Len::Fixed(len))) => {
                let shape = self.shape(values, user);
                let fits =
                    matches!(shape.as_deref(), Some(&[many]) if first.checked_add(many).is_some_and(|end| end <= len));
                self.require(fits, || format!("{user}: {shape:?} for elements from {first} on of {len}"));
            }
            (To::Range { .. } | To::Elements { .. }, Some(Len::Synapses(_)) | None) => {
                self.say(format!("{user}: elements of no neurons"));
            }
        }
    }

    pub fn feed(&mut self, feed: &InputFeed, samples: usize, user: &str) {
        match *feed {
            InputFeed::Values { tensor, array, rows, each } => {
                if let Some(len) = self.plain(array, user) {
                    self.require(rows > 0 && each > 0, || format!("{user}: an input without rows"));
                    let all = samples.saturating_mul(rows).saturating_mul(len);
                    let shape = self.shape(tensor, user).unwrap_or_default();
                    let values = shape.iter().fold(1usize, |n, &size| n.saturating_mul(size));
                    let whole = len.saturating_mul(rows).max(1);
                    self.require(values >= all && values.is_multiple_of(whole), || {
                        format!("{user}: tensor {shape:?} for {samples} samples of {rows} rows of {len}")
                    });
                }
            }
            InputFeed::Spikes { group, elements, steps, starts } => {
                let given = self.program.groups.get(group.index()).is_some_and(|group| group.source == Source::Given);
                self.require(given, || format!("{user}: spikes for a group that takes none"));
                let (a, b) = (self.shape(elements, user), self.shape(steps, user));
                self.require(a == b, || format!("{user}: spikes with unequal lists"));
                let len = self.program.groups.get(group.index()).map_or(0, |group| group.len as u64) as f64;
                let exists = |element: f64| (0.0..len).contains(&element);
                let data = self.program.tensors.get(elements.index()).map(|tensor| &tensor.data);
                let exist = data.is_some_and(|data| (0..data.len()).all(|index| exists(data.get(index))));
                self.require(exist, || format!("{user}: spikes of elements that do not exist"));
                let starts = self.program.tensors.get(starts.index()).map(|tensor| &tensor.data);
                let count = data.map_or(0, |data| data.len()) as f64;
                let whole = starts.is_some_and(|starts| {
                    let ordered = (1..starts.len()).all(|at| starts.get(at - 1) <= starts.get(at));
                    ordered && starts.len() == samples + 1 && starts.get(0) == 0.0 && starts.get(samples) == count
                });
                self.require(whole, || format!("{user}: spikes that are not those of {samples} samples"));
            }
        }
    }

    /// A tensor of `samples` rows with `len` values each.
    pub fn samples_by(&mut self, tensor: TensorId, samples: usize, len: usize, user: &str) {
        if let Some(shape) = self.shape(tensor, user) {
            let values = shape.iter().fold(1usize, |n, &size| n.saturating_mul(size));
            let fits = shape.first().is_some_and(|&rows| rows >= samples && values == rows.saturating_mul(len));
            self.require(fits, || format!("{user}: tensor {shape:?} for {samples} samples of {len}"));
        }
    }

    fn part(&mut self, part: Part, user: &str) {
        let (first, past) = part.elements;
        self.require(first < past, || format!("{user}: nothing is measured"));
        self.slice(part.array, first, past.saturating_sub(first), user);
    }

    fn metric(&mut self, metric: &Metric, phase: &Phase, user: &str) {
        self.require(metric.skip == 0 || metric.skip < phase.samples, || format!("{user}: all samples are left out"));
        let mut numbers = 0_usize;
        for step in &metric.steps {
            if let MetricKind::Calculated(_) = step {
                self.require(numbers >= 2, || format!("{user}: {numbers} numbers to calculate with"));
                numbers = numbers.saturating_sub(2);
            }
            numbers += 1;
            self.number(step, (phase.samples, phase.taken as usize), user);
        }
        self.require(numbers == 1, || format!("{user}: {numbers} numbers of one metric"));
    }

    fn number(&mut self, kind: &MetricKind, (samples, taken): (usize, usize), user: &str) {
        match *kind {
            MetricKind::Accuracy { output, labels } => {
                self.plain(output, user);
                self.samples_by(labels, samples, taken, user);
            }
            MetricKind::Nrmse { output, target } | MetricKind::MeanSquaredError { output, target } => {
                self.part(output, user);
                let len = |part: Part| part.elements.1.saturating_sub(part.elements.0);
                match target {
                    Target::Data(tensor) => self.samples_by(tensor, samples, len(output).saturating_mul(taken), user),
                    Target::Output(other) => {
                        self.part(other, user);
                        self.require(len(output) == len(other), || format!("{user}: outputs of different length"));
                    }
                }
            }
            MetricKind::Output { output, .. } => self.part(output, user),
            MetricKind::Final { array, .. } => {
                self.require(array.index() < self.program.arrays.len(), || format!("{user}: no array {}", array.0));
            }
            MetricKind::Number(_) | MetricKind::Calculated(_) => {}
        }
    }

    pub fn probe(&mut self, probe: &Probe) {
        let user = format!("probe {}", probe.name);
        let (start, end) = probe.range;
        let at_the_end = matches!(probe.probed, Probed::Synapses(..));
        self.require(start <= end && (probe.every > 0 || at_the_end), || {
            format!("{user}: range {start}..{end}, every {}", probe.every)
        });
        let in_time = matches!(probe.probed, Probed::Array(_) | Probed::Synapses(..));
        let bins = probe.histogram.is_none_or(|histogram| {
            let ends = histogram.bounds.is_none_or(|(low, high)| low < high && (high - low).is_finite());
            (1..=10_000).contains(&histogram.bins) && ends
        });
        self.require(bins && (in_time || probe.histogram.is_none() && !probe.start), || {
            format!("{user}: {:?}, from start {}", probe.histogram, probe.start)
        });
        match probe.probed {
            Probed::Spikes(group) | Probed::Rate(group) => {
                let len = self.program.groups.get(group.index()).map_or(0, |group| group.len);
                self.require(end <= len, || format!("{user}: up to {end} of {len}"));
            }
            Probed::Array(array) | Probed::Output(array) => self.slice(array, start, end.saturating_sub(start), &user),
            Probed::Synapses(connection, array) => self.synapse_array(array, connection, &user),
        }
    }
}
