//! The invariants of a `Program`, checked without knowing what made it: after lowering, and when an image is loaded.
//!
//! Ids are in range · kernels are in single static assignment, with truth values only where truth is asked for ·
//! a kernel's accesses are legal for the way it is run · slices lie within arrays · tensors have the shapes that their
//! users need · a kernel marks at most one spike, and exactly those run with a group do · random components are unique.

mod cells;
mod kernels;
mod learning;
mod phases;

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
        for (stage, ops) in self.stages() {
            for op in ops {
                checker.op(stage, op);
            }
        }
        checker.phases();
        checker.cells();
        checker.left();
        checker.problems
    }
}

impl Checker<'_> {
    pub fn say(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    pub fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    fn left(&mut self) {
        let arrays = &self.program.arrays;
        for left in &self.program.left {
            let array = arrays.get(left.array.index());
            let one = |id: ArrayId| arrays.get(id.index()).is_some_and(|array| matches!(array.len, Len::Fixed(1..)));
            let alike =
                |id: ArrayId| array.is_some_and(|array| arrays.get(id.index()).is_some_and(|l| l.len == array.len));
            let len = array.map(|array| array.len);
            let owned = match left.of {
                Owner::Elements => matches!(len, Some(Len::Fixed(_))),
                Owner::Synapses(id) => len == Some(Len::Synapses(id)),
                Owner::Sources(id) | Owner::Targets(id) => self.program.connections.get(id.index()).is_some_and(|c| {
                    let sources = matches!(left.of, Owner::Sources(_));
                    let end = if sources {
                        c.source_start.checked_add(c.source_len)
                    } else {
                        c.target_start.checked_add(c.target_len)
                    };
                    matches!(len, Some(Len::Fixed(len)) if end.is_some_and(|end| end <= len))
                }),
            };
            let sound = owned && left.factors.is_none_or(one) && left.lazy.as_ref().is_none_or(|lazy| alike(lazy.last));
            self.require(array.is_some() && sound, || format!("{}: left without its numbers", left.name));
        }
    }

    /// The fixed length of an array; none for synapse arrays and arrays that do not exist.
    pub fn fixed(&mut self, array: ArrayId, user: &str) -> Option<usize> {
        match self.program.arrays.get(array.index()).map(|array| array.len) {
            Some(Len::Fixed(len)) => Some(len),
            Some(Len::Synapses(_)) => None,
            None => {
                self.say(format!("{user}: no array {}", array.0));
                None
            }
        }
    }

    pub fn slice(&mut self, array: ArrayId, start: usize, len: usize, user: &str) {
        if let Some(available) = self.plain(array, user) {
            let inside = start.checked_add(len).is_some_and(|end| end <= available);
            self.require(inside, || format!("{user}: elements {start}.. ({len}) of an array of {available}"));
        }
    }

    /// The fixed length of an array where synapses must not stand.
    pub fn plain(&mut self, array: ArrayId, user: &str) -> Option<usize> {
        let len = self.fixed(array, user);
        self.require(len.is_some(), || format!("{user}: array {} has no length of its own", array.0));
        len
    }

    pub fn shape(&mut self, tensor: TensorId, user: &str) -> Option<Vec<usize>> {
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
                // Of synapses those of a matrix have a tensor, by pairs, and those of a list, one by one.
                let needed = match array.len {
                    Len::Fixed(len) => start.checked_add(len),
                    Len::Synapses(id) => self.program.connections.get(id.index()).and_then(|of| match of.pattern {
                        Pattern::Matrix(_) if start == 0 => of.source_len.checked_mul(of.target_len),
                        Pattern::Matrix(_) | Pattern::AllToAll { .. } | Pattern::OneToOne => None,
                        Pattern::List { sources, .. } => self
                            .program
                            .tensors
                            .get(sources.index())
                            .map(|sources| sources.data.len())
                            .filter(|_| start == 0),
                        Pattern::Random { .. } | Pattern::Likely { .. } => None,
                        Pattern::FixedInDegree { .. } | Pattern::FixedOutDegree { .. } => None,
                        Pattern::FixedTotalNumber { .. } => None,
                    }),
                };
                self.require(values.is_none() || needed.is_some_and(|needed| Some(needed) <= values), || {
                    format!("{user}: {needed:?} values from {start} of {values:?}")
                });
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

    fn matrix(&mut self, matrix: &Matrix) {
        let user = format!("matrix {}", matrix.name);
        self.require(matrix.rows > 0 && matrix.cols > 0, || format!("{user}: {} x {}", matrix.rows, matrix.cols));
        match matrix.weights {
            WeightSource::Tensor { tensor, output_start, input_start } => {
                if let Some(shape) = self.shape(tensor, &user) {
                    let fits = matches!(shape[..], [outputs, inputs]
                        if output_start.saturating_add(matrix.cols) <= outputs && input_start.saturating_add(matrix.rows) <= inputs);
                    self.require(fits, || format!("{user}: block outside its weights {shape:?}"));
                }
            }
            WeightSource::Fitted { fit, output_start, input_start } => {
                let found = self.program.phases.iter().flat_map(|phase| &phase.fits).find(|spec| spec.fit == fit);
                let inside =
                    |start: usize, len: usize, all: usize| start.checked_add(len).is_some_and(|end| end <= all);
                let fits = found.is_some_and(|spec| {
                    inside(output_start, matrix.cols, spec.outputs) && inside(input_start, matrix.rows, spec.features.2)
                });
                self.require(fits, || format!("{user}: no fit {fit}, or outside its weights"));
            }
            WeightSource::Held(_) => {}
        }
        if let WeightSource::Held(array) = matrix.weights {
            let own = self.program.arrays.get(array.index()).is_some_and(|array| array.per_lane);
            let whole = self.fixed(array, &user) == matrix.rows.checked_mul(matrix.cols);
            self.require(whole && !own, || format!("{user}: held by no array of its own"));
        }
        if let Some(cells) = &matrix.cells {
            for array in [cells.conductance, cells.aged].into_iter().chain(cells.read_sigma) {
                let len = self.fixed(array, &user);
                let few = matrix.rows.checked_mul(matrix.cols.saturating_mul(2).saturating_add(1)).is_some();
                self.require(few && len == Some(cells.scheme.cells(matrix.rows, matrix.cols)), || {
                    format!("{user}: cells of the wrong number")
                });
            }
            if let Some(current) = &cells.current {
                let count = cells.scheme.cells(matrix.rows, matrix.cols);
                self.dense(current.kernel, count, &user);
                for array in [current.siemens, current.volts, current.amperes, current.slope] {
                    let len = self.fixed(array, &user);
                    self.require(len == Some(count), || format!("{user}: currents of other cells"));
                    self.of_all(array, &user);
                }
                let sound = [current.full, current.one, current.range].iter().all(|x| x.is_finite() && *x > 0.0);
                self.require(sound, || format!("{user}: no range of currents"));
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
        if let Some(source) = connection.source {
            match self.program.groups.get(source.index()) {
                Some(group) => {
                    let end = connection.source_start.saturating_add(connection.source_len);
                    self.require(end <= group.len, || format!("{user}: sources up to {end} of {}", group.len));
                }
                None => self.say(format!("{user}: no group {}", source.0)),
            }
        }
        if let Some(target) = connection.target {
            self.require(target.index() < self.program.groups.len(), || format!("{user}: no group {}", target.0));
        }
        match connection.pattern {
            Pattern::AllToAll { .. } | Pattern::Random { .. } => {}
            Pattern::FixedInDegree { .. } | Pattern::FixedOutDegree { .. } => {}
            Pattern::FixedTotalNumber { synapses, itself } => {
                let (sources, targets) = (connection.source_len, connection.target_len);
                let alone = connection.same && connection.source_start == connection.target_start;
                let pairs = sources > 0 && targets > 0 && (itself || !alone || sources > 1 || targets > 1);
                let fits = u32::try_from(synapses).is_ok() && (pairs || synapses == 0);
                self.require(fits, || format!("{user}: {synapses} synapses between {sources} and {targets}"));
            }
            Pattern::Likely { p, into, mean, .. } => {
                let stores = self.stores(p);
                self.require(stores == [into] && (0.0..=1.0).contains(&mean), || format!("{user}: no probability"));
                self.of_pairs(p, connection, into, &user);
            }
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
            // They become ticks before anything runs.
            let used = self.program.touched().contains(&seconds);
            self.require(!used, || format!("{user}: array {} is for its delays alone", seconds.0));
        }
        if let Some(Rounded { weights, bits, step }) = connection.rounded {
            self.synapse_array(weights, id, &user);
            self.require(step.is_none_or(|step| step > 0.0), || format!("{user}: steps of weights that are none"));
            self.require((1..=32).contains(&bits), || format!("{user}: weights of {bits} bits"));
        }
        match &connection.on_pre {
            Effect::Add { array, amount, held } => {
                self.require(held != &Some(*array), || format!("{user}: what is changed counts its own hold"));
                for array in std::iter::once(array).chain(held) {
                    self.slice(*array, connection.target_start, connection.target_len, &user);
                }
                if let Amount::Array(amounts) = amount {
                    self.synapse_array(*amounts, id, &user);
                }
            }
            Effect::Kernel(kernel) => self.over_synapses(*kernel, id, &user),
        }
    }

    pub fn synapse_array(&mut self, array: ArrayId, connection: ConnectionId, user: &str) {
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
            Count::SynapticEvents(connection, n) => (connection.index() < program.connections.len(), n.is_finite()),
            Count::Updates(connection) => (connection.index() < program.connections.len(), true),
            Count::Sum(array) => (array.index() < program.arrays.len(), true),
            Count::ReadEnergy(matrix)
            | Count::Pulses(matrix)
            | Count::Written(matrix)
            | Count::WriteEnergy(matrix)
            | Count::RowReads(matrix) => (matrix.index() < program.matrices.len(), true),
        };
        self.require(found, || format!("cost {}: counts something that does not exist", cost.name));
        self.require(finite && cost.energy_j.is_finite(), || format!("cost {}: not a finite number", cost.name));
    }

    // ---- kernels -------------------------------------------------------------------------------------------------

    // ---- operations ----------------------------------------------------------------------------------------------

    // ---- phases --------------------------------------------------------------------------------------------------
}
