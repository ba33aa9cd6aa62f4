//! Connections as linear nodes: a spike is 1 for a step, and its weight leaves behind what is left by then of what it added before that step.

use nmc_compiler::algebra::{self, linear};
use nmc_compiler::forms::equations::{Change, Expr, Symbol};
use nmc_compiler::forms::network::{Connection, Pattern};
use nmc_compiler::graph;

use super::Exporter;

impl Exporter<'_> {
    /// Synapses with a current that decays become the `i` of their targets.
    pub fn find_synapses(&mut self) {
        for connection in &self.network.connections {
            let Some(tau) = decay(connection) else { continue };
            let Some(neurons) = self.neurons.get_mut(&connection.target) else { continue };
            match &neurons.synapse {
                None if neurons.i.is_none() && neurons.leak.iter().all(|leak| *leak > 0.0) => {
                    // `w_in` = tau / step: `i` jumps by the weight.
                    let len = neurons.gain.len();
                    neurons.synapse = Some((vec![tau; len], vec![1.0 / self.step; len]));
                }
                Some((taus, _)) if neurons.i.is_none() && taus.iter().all(|known| *known == tau) => {}
                Some(_) | None => {
                    let why = "its synapses are not all of one time constant, which NIR's neurons have one of";
                    self.refuse(connection.target, why);
                }
            }
        }
    }

    /// Populations that forget within a step, and take the spikes of one other as they are.
    pub fn find_relays(&mut self) {
        for (node, neurons) in &self.neurons {
            let forgets = !neurons.spikes() && neurons.leak.iter().all(|leak| leak * self.step > 100.0);
            let mut leading = self.network.connections.iter().filter(|connection| connection.target == *node);
            let (Some(only), None) = (leading.next().filter(|_| forgets), leading.next()) else { continue };
            let len = self.network.graph[*node].len();
            let whole = only.source_range == (0, len) && only.target_range == (0, len);
            let same = self.network.graph[only.source].len() == len && only.pattern == Pattern::OneToOne;
            let adds = match &only.dynamics.on_pre[..] {
                [change] if change.target == Symbol::Post(neurons.v) => linear(&change.value, change.target),
                _ => None,
            };
            let weight = self.number(&only.weight);
            let one = adds.and_then(|(slope, amount)| {
                let weighed = |symbol| (symbol == Symbol::Weight).then_some(Expr::Number(weight?));
                let amount = self.number(&algebra::substitute(&amount, &weighed))?;
                Some(algebra::constant(&slope) == Some(1.0) && amount == 1.0)
            });
            let seconds = self.number(&only.delay).filter(|_| only.delays.is_none());
            let driven = !graph::operands(self.network, *node).is_empty();
            if let (Some(seconds), Some(true), true, false) = (seconds, one, whole && same && !only.plastic, driven) {
                self.relays.insert(*node, (only.source, seconds));
            }
        }
        self.neurons.retain(|node, _| !self.relays.contains_key(node));
    }

    pub fn connect(&mut self) {
        let network = self.network;
        for (number, connection) in network.connections.iter().enumerate() {
            // What is wrong with the neurons has been told.
            if !self.neurons.contains_key(&connection.target) {
                continue;
            }
            match self.weights(connection) {
                Ok((weights, outputs, inputs)) => {
                    let name = format!("{}_{number}", connection.name.replace("->", "_to_").replace('/', "."));
                    self.written.linear(&name, vec![outputs, inputs], weights, None);
                    let (from, to) = (self.name(connection.source), self.name(connection.target));
                    let seconds = self.number(&connection.delay).unwrap_or(0.0);
                    let from = match seconds > 0.0 {
                        true => {
                            let delay = format!("{name}_delay");
                            self.written.node(&delay, "Delay", vec![("delay", vec![inputs], vec![seconds; inputs])]);
                            self.written.edge(&from, &delay);
                            delay
                        }
                        false => from,
                    };
                    self.written.edge(&from, &name);
                    self.written.edge(&name, &to);
                }
                Err(why) => drop(self.problems.insert(format!("`{}`: {why}", connection.name))),
            }
        }
    }

    /// [targets, sources] as NIR's targets take them.
    fn weights(&self, connection: &Connection) -> Result<(Vec<f64>, usize, usize), String> {
        let Some(neurons) = self.neurons.get(&connection.target) else {
            return Err(String::from("it leads to no neurons of NIR"));
        };
        if connection.plastic || !connection.dynamics.on_post.is_empty() {
            return Err(String::from("it learns"));
        }
        if connection.delays.is_some() || self.number(&connection.delay).is_none() {
            return Err(String::from("its delays differ from synapse to synapse"));
        }
        const WAYS: &str = "in NIR a spike adds to `v`, or to a current that decays";
        let [Change { target, value }] = &connection.dynamics.on_pre[..] else { return Err(String::from(WAYS)) };
        let amount = linear(value, *target).filter(|(slope, _)| algebra::constant(slope) == Some(1.0)).ok_or(WAYS)?.1;
        let (factor, rest) = linear(&amount, Symbol::Weight).ok_or(WAYS)?;
        let factor = self.number(&factor).filter(|_| algebra::constant(&rest) == Some(0.0)).ok_or(WAYS)?;
        // What an input of 1 for a step leaves behind in each target, beside what is left by then of a jump of 1 before it.
        let of_step = |gains: &[f64], leaks: &[f64]| -> Vec<f64> {
            let left = |(gain, leak): (&f64, &f64)| match *leak > 0.0 {
                true => gain / leak * (leak * self.step).exp_m1(),
                false => gain * self.step,
            };
            gains.iter().zip(leaks).map(left).collect()
        };
        let left = match (&neurons.synapse, neurons.i) {
            (Some(_), None) if *target == Symbol::State(0) && decay(connection).is_some() => {
                vec![1.0; neurons.gain.len()]
            }
            (Some((taus, gain)), Some(i)) if *target == Symbol::Post(i) => {
                of_step(gain, &taus.iter().map(|tau| 1.0 / tau).collect::<Vec<f64>>())
            }
            (None, _) if *target == Symbol::Post(neurons.v) => of_step(&neurons.gain, &neurons.leak),
            (_, _) => return Err(String::from(WAYS)),
        };
        if left.iter().any(|left| !left.is_finite()) {
            return Err(String::from("what its spikes leave behind does not last a step"));
        }
        let graph = &self.network.graph;
        let (outputs, inputs) = (graph[connection.target].len(), graph[connection.source].len());
        let (from, to) = (connection.source_range, connection.target_range);
        let mut weights = vec![0.0; outputs * inputs];
        let mut join = |source: usize, target: usize, weight: f64| {
            weights[(to.0 + target) * inputs + from.0 + source] += factor * weight / left[to.0 + target];
        };
        if algebra::mentions(&connection.weight, &|symbol| symbol == Symbol::Weight) {
            return Err(String::from("its weights are drawn when it runs"));
        }
        let given = connection.weights.map(|tensor| self.tensor(tensor));
        let known = |source: usize, target: usize| {
            let numbers = [
                (Symbol::SourceIndex, source as f64),
                (Symbol::TargetIndex, target as f64),
                (Symbol::TimeStep, self.step),
            ];
            let place = |symbol| numbers.iter().find(|(of, _)| *of == symbol).map(|(_, number)| Expr::Number(*number));
            let weight = algebra::constant(&algebra::substitute(&connection.weight, &place));
            weight.ok_or_else(|| String::from("its weights are drawn when it runs"))
        };
        let (sources, targets) = (from.1 - from.0, to.1 - to.0);
        match &connection.pattern {
            Pattern::Matrix(tensor) => {
                let values = self.tensor(*tensor);
                (0..sources).for_each(|s| (0..targets).for_each(|t| join(s, t, values[s * targets + t])));
            }
            Pattern::AllToAll { itself } => {
                for (source, target) in (0..sources).flat_map(|s| (0..targets).map(move |t| (s, t))) {
                    let own = connection.source == connection.target && from.0 + source == to.0 + target;
                    if *itself || !own {
                        join(source, target, known(source, target)?);
                    }
                }
            }
            Pattern::OneToOne => {
                for index in 0..sources {
                    join(index, index, known(index, index)?);
                }
            }
            Pattern::List { sources, targets } => {
                let pairs = self.tensor(*sources).into_iter().zip(self.tensor(*targets));
                for (index, (source, target)) in pairs.enumerate() {
                    let (source, target) = (source as usize, target as usize);
                    let weight = given.as_ref().map_or_else(|| known(source, target), |given| Ok(given[index]))?;
                    join(source, target, weight);
                }
            }
            Pattern::Random { .. }
            | Pattern::Likely { .. }
            | Pattern::FixedInDegree { .. }
            | Pattern::FixedOutDegree { .. }
            | Pattern::FixedTotalNumber { .. } => {
                return Err(String::from("who is joined is drawn when it runs"));
            }
        }
        Ok((weights, outputs, inputs))
    }
}

/// Seconds: of a synapse that gives a current of its own that decays, and nothing else.
fn decay(connection: &Connection) -> Option<f64> {
    let dynamics = &connection.dynamics;
    let ([state], [(_, output)]) = (&dynamics.states[..], &dynamics.outputs[..]) else { return None };
    let (rate, rest) = linear(state.derivative.as_ref()?, Symbol::State(0))?;
    let rate = algebra::constant(&rate).filter(|rate| *rate < 0.0)?;
    let plain = algebra::constant(&rest) == Some(0.0) && *output == Expr::Symbol(Symbol::State(0));
    plain.then_some(-1.0 / rate)
}
