//! The invariants of a `Program`, checked without knowing what made it: after lowering, and when an image is loaded.
//!
//! Ids are in range · kernels are in single static assignment, with truth values only where truth is asked for ·
//! a kernel's accesses are legal for the way it is run · slices lie within arrays · tensors have the shapes that their
//! users need · a kernel marks at most one spike, and exactly those run with a group do · random components are unique.

use std::collections::BTreeMap;

use crate::*;

/// Collects what is wrong.
struct Checker<'a> {
    program: &'a Program,
    problems: Vec<String>,
}

impl Program {
    /// Every violated invariant in words; empty for a sound program.
    pub fn verify(&self) -> Vec<String> {
        let mut checker = Checker { program: self, problems: Vec::new() };
        checker.tables();
        for (stage, ops) in
            [("programming", &self.programming), ("begin", &self.begin), ("tick", &self.tick), ("end", &self.end)]
        {
            for op in ops {
                checker.op(stage, op);
            }
        }
        checker.phases();
        checker.problems
    }
}

impl Checker<'_> {
    fn say(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    /// The fixed length of an array; none for synapse arrays and arrays that do not exist.
    fn fixed(&mut self, array: ArrayId, user: &str) -> Option<usize> {
        match self.program.arrays.get(array.index()).map(|array| array.len) {
            Some(Len::Fixed(len)) => Some(len),
            Some(Len::Synapses(_)) => None,
            None => {
                self.say(format!("{user}: no array {}", array.0));
                None
            }
        }
    }

    fn slice(&mut self, array: ArrayId, start: usize, len: usize, user: &str) {
        if let Some(available) = self.fixed(array, user) {
            let inside = start.checked_add(len).is_some_and(|end| end <= available);
            self.require(inside, || format!("{user}: elements {start}.. ({len}) of an array of {available}"));
        }
    }

    fn shape(&mut self, tensor: TensorId, user: &str) -> Option<Vec<usize>> {
        let found = self.program.tensors.get(tensor.index()).map(|tensor| tensor.shape.clone());
        if found.is_none() {
            self.say(format!("{user}: no tensor {}", tensor.0));
        }
        found
    }

    fn tables(&mut self) {
        let program = self.program;
        let needs_time = !program.tick.is_empty();
        self.require(program.dt.is_finite() && program.dt >= 0.0, || format!("time step of {} s", program.dt));
        self.require(!needs_time || program.dt > 0.0, || String::from("ticks without a time step"));
        for tensor in &program.tensors {
            let count = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
            self.require(count == Some(tensor.data.len()), || {
                format!("tensor {}: shape {:?}, {} values", tensor.name, tensor.shape, tensor.data.len())
            });
        }
        for (index, array) in program.arrays.iter().enumerate() {
            self.array(ArrayId(index as u32), array);
        }
        let mut components = BTreeMap::new();
        for kernel in &program.kernels {
            self.kernel(kernel);
            if kernel.body.iter().any(|inst| matches!(inst, Inst::Random { .. })) {
                self.component(&mut components, kernel.component, &kernel.name);
            }
        }
        for matrix in &program.matrices {
            self.matrix(matrix);
            self.component(&mut components, matrix.component, &matrix.name);
        }
        for group in &program.groups {
            self.group(group);
            self.component(&mut components, group.component, &group.name);
        }
        for (index, connection) in program.connections.iter().enumerate() {
            self.connection(ConnectionId(index as u32), connection);
            self.component(&mut components, connection.component, &connection.name);
        }
        for cost in &program.costs.costs {
            self.cost(cost);
        }
    }

    fn component(&mut self, seen: &mut BTreeMap<u32, String>, component: u32, user: &str) {
        if let Some(other) = seen.insert(component, user.to_string()) {
            self.say(format!("{user} and {other} share the random component {component}"));
        }
    }

    fn array(&mut self, id: ArrayId, array: &Array) {
        let user = format!("array {}", array.name);
        if let Len::Synapses(connection) = array.len {
            self.require(connection.index() < self.program.connections.len(), || format!("{user}: no such connection"));
        }
        match array.initial {
            Initial::Fill(_) => {}
            Initial::Tensor { tensor, start } => {
                let values =
                    self.shape(tensor, &user).map(|shape| shape.iter().fold(1usize, |n, &size| n.saturating_mul(size)));
                if let (Some(values), Len::Fixed(len)) = (values, array.len) {
                    self.require(start.saturating_add(len) <= values, || {
                        format!("{user}: {len} values from {start} of {values}")
                    });
                }
            }
            Initial::Kernel(kernel) => {
                let stores: Vec<_> = self.stores(kernel);
                self.require(stores == [id], || format!("{user}: its initial kernel must store to it alone"));
                match array.len {
                    Len::Fixed(len) => self.dense(kernel, len, &user),
                    Len::Synapses(connection) => self.over_synapses(kernel, connection, &user),
                }
            }
        }
    }

    fn stores(&self, kernel: KernelId) -> Vec<ArrayId> {
        let Some(kernel) = self.program.kernels.get(kernel.index()) else { return Vec::new() };
        let target = |inst: &Inst| {
            let Inst::Store { slot, .. } = inst else { return None };
            kernel.slots.get(*slot as usize).map(|slot| slot.array)
        };
        kernel.body.iter().filter_map(target).collect()
    }

    fn matrix(&mut self, matrix: &Matrix) {
        let user = format!("matrix {}", matrix.name);
        match matrix.weights {
            WeightSource::Tensor { tensor, output_start, input_start } => {
                if let Some(shape) = self.shape(tensor, &user) {
                    let fits = matches!(shape[..], [outputs, inputs]
                        if output_start.saturating_add(matrix.cols) <= outputs && input_start.saturating_add(matrix.rows) <= inputs);
                    self.require(fits, || format!("{user}: block outside its weights {shape:?}"));
                }
            }
            WeightSource::Fitted { fit, .. } => {
                let fits: usize = self.program.phases.iter().map(|phase| phase.fits.len()).sum();
                self.require(fit < fits, || format!("{user}: no fit {fit}"));
            }
        }
        if let Some(cells) = &matrix.cells {
            for array in std::iter::once(cells.conductance).chain(cells.read_sigma) {
                let len = self.fixed(array, &user);
                self.require(
                    len.is_some() && len == matrix.rows.checked_mul(matrix.cols).and_then(|n| n.checked_mul(2)),
                    || format!("{user}: cells of the wrong number"),
                );
            }
            let range = cells.g_min >= 0.0 && cells.g_min < cells.g_max && cells.g_max.is_finite();
            self.require(range, || format!("{user}: conductances {} .. {} S", cells.g_min, cells.g_max));
        }
    }

    fn group(&mut self, group: &Group) {
        match group.source {
            Source::Kernel | Source::Given => {}
            Source::Poisson { rate: array } | Source::Once { at: array } => {
                self.slice(array, 0, group.len, &format!("group {}", group.name));
            }
        }
    }

    fn connection(&mut self, id: ConnectionId, connection: &Connection) {
        let user = format!("connection {}", connection.name);
        match self.program.groups.get(connection.source.index()) {
            Some(group) => {
                let end = connection.source_start.saturating_add(connection.source_len);
                self.require(end <= group.len, || format!("{user}: sources up to {end} of {}", group.len));
            }
            None => self.say(format!("{user}: no group {}", connection.source.0)),
        }
        if let Some(target) = connection.target {
            self.require(target.index() < self.program.groups.len(), || format!("{user}: no group {}", target.0));
        }
        match connection.pattern {
            Pattern::AllToAll { .. } | Pattern::Random { .. } | Pattern::FixedInDegree { .. } => {}
            Pattern::OneToOne => {
                let equal = connection.source_len == connection.target_len;
                self.require(equal, || format!("{user}: one to one between different numbers"));
            }
            Pattern::Matrix(tensor) => {
                let shape = self.shape(tensor, &user);
                let wanted = vec![connection.source_len, connection.target_len];
                self.require(shape.is_none_or(|shape| shape == wanted), || {
                    format!("{user}: weights are not {wanted:?}")
                });
            }
            Pattern::List { sources, targets } => {
                let (a, b) = (self.shape(sources, &user), self.shape(targets, &user));
                self.require(a == b, || format!("{user}: lists of different lengths"));
            }
        }
        if let Delay::PerSynapse { seconds, .. } = connection.delay {
            self.synapse_array(seconds, id, &user);
        }
        match &connection.on_pre {
            Effect::Add { array, amount } => {
                self.slice(*array, connection.target_start, connection.target_len, &user);
                if let Amount::Array(amounts) = amount {
                    self.synapse_array(*amounts, id, &user);
                }
            }
            Effect::Kernel(kernel) => self.over_synapses(*kernel, id, &user),
        }
        if let Some(kernel) = connection.on_post {
            self.require(connection.target.is_some(), || format!("{user}: `on post` without a target group"));
            self.over_synapses(kernel, id, &user);
        }
    }

    fn synapse_array(&mut self, array: ArrayId, connection: ConnectionId, user: &str) {
        let len = self.program.arrays.get(array.index()).map(|array| array.len);
        self.require(len == Some(Len::Synapses(connection)), || {
            format!("{user}: array {} is not of its synapses", array.0)
        });
    }

    fn cost(&mut self, cost: &Cost) {
        let program = self.program;
        let (found, finite) = match cost.count {
            Count::PerSample(n) | Count::PerTick(n) | Count::Once(n) => (true, n.is_finite()),
            Count::Spikes(group, n) => (group.index() < program.groups.len(), n.is_finite()),
            Count::SynapticEvents(connection) => (connection.index() < program.connections.len(), true),
            Count::ReadEnergy(matrix) => (matrix.index() < program.matrices.len(), true),
        };
        self.require(found, || format!("cost {}: counts something that does not exist", cost.name));
        self.require(finite && cost.energy_j.is_finite(), || format!("cost {}: not a finite number", cost.name));
    }

    // ---- kernels -------------------------------------------------------------------------------------------------

    fn kernel(&mut self, kernel: &Kernel) {
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

    fn runnable(&mut self, kernel: KernelId, user: &str) -> Option<Kernel> {
        let found = self.program.kernels.get(kernel.index()).cloned();
        if found.is_none() {
            self.say(format!("{user}: no kernel {}", kernel.0));
        }
        found
    }

    /// Run over elements `0..len`.
    fn dense(&mut self, kernel: KernelId, len: usize, user: &str) {
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
    fn over_synapses(&mut self, kernel: KernelId, id: ConnectionId, user: &str) {
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

    // ---- operations ----------------------------------------------------------------------------------------------

    fn op(&mut self, stage: &str, op: &Op) {
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
            Op::OnSpikes { kernel, group } => match program.groups.get(group.index()) {
                Some(group) => self.dense(kernel, group.len, stage),
                None => self.say(format!("{stage}: no group {}", group.0)),
            },
            Op::Emit { group } => {
                let source = program.groups.get(group.index()).map(|group| &group.source);
                let emits = source.is_some_and(|source| *source != Source::Kernel);
                self.require(emits, || format!("{stage}: group {} emits by itself or does not exist", group.0));
            }
            Op::Deliver { connection } | Op::OnPost { connection } => {
                let found = program.connections.get(connection.index());
                let sound = found.is_some_and(|found| matches!(op, Op::Deliver { .. }) || found.on_post.is_some());
                self.require(sound, || format!("{stage}: connection {} has no such event", connection.0));
            }
            Op::Fill { array, .. } => {
                self.fixed(array, stage);
            }
            Op::Multiply { matrix, input, input_start, output, output_start } => {
                let Some(found) = program.matrices.get(matrix.index()) else {
                    return self.say(format!("{stage}: no matrix {}", matrix.0));
                };
                self.slice(input, input_start, found.rows, stage);
                self.slice(output, output_start, found.cols, stage);
                self.require(input != output, || format!("{stage}: {} multiplies in place", found.name));
            }
            Op::Copy { from, from_start, to, to_start, len } => {
                self.slice(from, from_start, len, stage);
                self.slice(to, to_start, len, stage);
            }
            Op::Target { matrix } | Op::Fold { matrix } => {
                let cells = program.matrices.get(matrix.index()).is_some_and(|matrix| matrix.cells.is_some());
                self.require(cells, || format!("{stage}: matrix {} has no cells", matrix.0));
            }
            Op::Present { .. } => self.say(format!("{stage}: inputs are presented by the engine alone")),
        }
    }

    // ---- phases --------------------------------------------------------------------------------------------------

    fn phases(&mut self) {
        let program = self.program;
        for (index, phase) in program.phases.iter().enumerate() {
            let user = format!("phase {index}");
            for feed in &phase.inputs {
                self.feed(feed, phase.samples, &user);
            }
            for fit in &phase.fits {
                let (array, start, len) = fit.features;
                self.slice(array, start, len, &user);
                if let Some(bias) = fit.bias {
                    self.slice(bias, 0, fit.outputs, &user);
                }
                self.samples_by(fit.target, phase.samples, fit.outputs, &user);
            }
            for metric in &phase.metrics {
                self.metric(&metric.kind, phase.samples, &format!("{user}: {}", metric.name));
            }
        }
        for probe in &program.probes {
            self.probe(probe);
        }
    }

    fn feed(&mut self, feed: &InputFeed, samples: usize, user: &str) {
        match *feed {
            InputFeed::Values { tensor, array } => {
                if let Some(len) = self.fixed(array, user) {
                    self.samples_by(tensor, samples, len, user);
                }
            }
            InputFeed::Spikes { group, elements, steps } => {
                let given = self.program.groups.get(group.index()).is_some_and(|group| group.source == Source::Given);
                self.require(given, || format!("{user}: spikes for a group that takes none"));
                let (a, b) = (self.shape(elements, user), self.shape(steps, user));
                self.require(a == b, || format!("{user}: spikes with unequal lists"));
            }
        }
    }

    /// A tensor of `samples` rows with `len` values each.
    fn samples_by(&mut self, tensor: TensorId, samples: usize, len: usize, user: &str) {
        if let Some(shape) = self.shape(tensor, user) {
            let values = shape.iter().fold(1usize, |n, &size| n.saturating_mul(size));
            let fits = shape.first().is_some_and(|&rows| rows >= samples && values == rows.saturating_mul(len));
            self.require(fits, || format!("{user}: tensor {shape:?} for {samples} samples of {len}"));
        }
    }

    fn metric(&mut self, kind: &MetricKind, samples: usize, user: &str) {
        match *kind {
            MetricKind::Accuracy { output, labels } => {
                self.fixed(output, user);
                self.samples_by(labels, samples, 1, user);
            }
            MetricKind::Nrmse { output, target, .. } | MetricKind::MeanSquaredError { output, target, .. } => {
                if let Some(len) = self.fixed(output, user) {
                    self.samples_by(target, samples, len, user);
                }
            }
            MetricKind::Output { output: array, .. } | MetricKind::Final { array, .. } => {
                self.require(array.index() < self.program.arrays.len(), || format!("{user}: no array {}", array.0));
            }
        }
    }

    fn probe(&mut self, probe: &Probe) {
        let user = format!("probe {}", probe.name);
        let (start, end) = probe.range;
        self.require(start <= end && probe.every > 0, || {
            format!("{user}: range {start}..{end}, every {}", probe.every)
        });
        match probe.probed {
            Probed::Spikes(group) => {
                let len = self.program.groups.get(group.index()).map_or(0, |group| group.len);
                self.require(end <= len, || format!("{user}: up to {end} of {len}"));
            }
            Probed::Array(array) | Probed::Output(array) => self.slice(array, start, end.saturating_sub(start), &user),
            Probed::Synapses(connection, array) => self.synapse_array(array, connection, &user),
        }
    }
}

fn kind(truth: bool) -> &'static str {
    if truth { "truth value" } else { "number" }
}
