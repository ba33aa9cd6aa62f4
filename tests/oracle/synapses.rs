//! Who is joined to whom, with which weight and delay: as drawn, and held against the rule that it was drawn by.

use nmc_compiler::forms::equations::{Expr, Symbol};
use nmc_compiler::forms::network::{Connection, Pattern};
use nmc_runtime::random::Key;
use nmc_runtime::state::Clock;

use super::Case;
use super::expression::{drawn, nothing};

/// One synapse, by the indices of its neurons within their populations.
#[derive(Debug, Clone, PartialEq)]
pub struct Synapse {
    pub source: usize,
    pub target: usize,
    pub weight: f64,
    /// Steps.
    pub delay: u64,
    /// States that nothing changes keep what they start with; the rest starts anew with every sample.
    pub initial: Vec<f64>,
}

impl Case {
    /// The random number of this kind that is drawn under a name, for one element and sample.
    pub fn draw(&self, name: &str, element: usize, which: (bool, u32), when: (u64, u64)) -> f64 {
        self.draw_at(name, element, which, when, 0)
    }

    /// The same for a further spike of an element in one tick.
    pub fn draw_at(
        &self,
        name: &str,
        element: usize,
        (normal, number): (bool, u32),
        (tick, sample): (u64, u64),
        round: usize,
    ) -> f64 {
        let kernel = self.program.kernels.iter().find(|kernel| kernel.name == name);
        let component = kernel.unwrap_or_else(|| panic!("nothing is drawn for {name}\n{}", self.text)).component;
        let (element, tick, sample) = (element as u32, tick as u32, sample as u32);
        let seed = Clock { seed: self.seed, tick: 0, sample: 0, time: 0.0 }.of_spike(round).seed;
        let key = Key { seed, component, element, number, tick, sample };
        if normal { key.normal_f64() } else { key.uniform_f64() }
    }

    /// The synapses of a connection, by source, then target.
    pub fn synapses(&self, connection: &Connection) -> Vec<Synapse> {
        let found = self.program.connections.iter().position(|other| other.name == connection.name);
        let found = found.unwrap_or_else(|| panic!("{} is not in the program\n{}", connection.name, self.text));
        let id = nmc_program::ConnectionId(found as u32);
        let wiring = nmc_runtime::connect::build(&self.program, id, self.seed, &|_, _, _, _| unreachable!()).unwrap();
        let pairs: Vec<(usize, usize)> = wiring
            .every_source(connection.source_range.0)
            .zip(&wiring.targets)
            .map(|(source, &target)| (source as usize, target as usize))
            .collect();
        self.are_as_asked(connection, &pairs);
        let dt = self.mapped.plan.step.unwrap();
        let one = |(index, &(source, target)): (usize, &(usize, usize))| {
            let value = |what: &str, expr: &Expr, weight: f64| {
                let name = format!("{}.{what}.start", connection.name);
                let of = |symbol| match symbol {
                    Symbol::SourceIndex => source as f64,
                    Symbol::TargetIndex => target as f64,
                    Symbol::TimeStep => dt,
                    Symbol::Weight => weight,
                    other => nothing(other),
                };
                drawn(expr, &of, &mut |normal, number| self.draw(&name, index, (normal, number), (0, 0)))
            };
            let mut weight = value("w", &connection.weight, f64::NAN);
            if let Pattern::Matrix(tensor) = connection.pattern {
                let width = connection.target_range.1 - connection.target_range.0;
                let (row, column) = (source - connection.source_range.0, target - connection.target_range.0);
                weight = self.tensors[tensor.index()].data.get(row * width + column);
            }
            let delay = (value("delay", &connection.delay, f64::NAN) / dt).round().max(0.0) as u64;
            let states = &connection.dynamics.states;
            let initial = states.iter().map(|state| value(&state.name, &state.initial, weight)).collect();
            Synapse { source, target, weight, delay, initial }
        };
        pairs.iter().enumerate().map(one).collect()
    }

    /// Whether the pairs are those that the pattern says, or, where it draws them, could be.
    fn are_as_asked(&self, connection: &Connection, pairs: &[(usize, usize)]) {
        let ((first, past), (low, high)) = (connection.source_range, connection.target_range);
        let same = connection.source == connection.target;
        let all = || (first..past).flat_map(|source| (low..high).map(move |target| (source, target)));
        let tensor = |id: nmc_program::TensorId| &self.tensors[id.index()].data;
        let wanted: Option<Vec<(usize, usize)>> = match connection.pattern {
            Pattern::AllToAll { itself } => Some(all().filter(|(a, b)| itself || !same || a != b).collect()),
            Pattern::OneToOne => Some((0..(past - first).min(high - low)).map(|i| (first + i, low + i)).collect()),
            Pattern::Matrix(weights) => {
                let entry = |(a, b): &(usize, usize)| tensor(weights).get((a - first) * (high - low) + b - low) != 0.0;
                Some(all().filter(entry).collect())
            }
            Pattern::List { sources, targets } => {
                let (sources, targets) = (tensor(sources), tensor(targets));
                let entry = |at| (first + sources.get(at) as usize, low + targets.get(at) as usize);
                let mut pairs: Vec<(usize, usize)> = (0..sources.len()).map(entry).collect();
                pairs.sort_unstable();
                Some(pairs)
            }
            Pattern::Random { .. } | Pattern::Likely { .. } => None,
            Pattern::FixedInDegree { .. } | Pattern::FixedOutDegree { .. } => None,
            Pattern::FixedTotalNumber { .. } => None,
        };
        if let Some(wanted) = wanted {
            assert_eq!(pairs, wanted, "{}\n{}", connection.name, self.text);
            return;
        }
        // Of a drawn pattern: different pairs within the ranges, itself left out where it is to be, and so many as there must be.
        let several = matches!(connection.pattern, Pattern::FixedTotalNumber { .. });
        let apart = pairs.windows(2).all(|pair| pair[0] < pair[1] || several && pair[0] == pair[1]);
        let within = pairs.iter().all(|&(a, b)| (first..past).contains(&a) && (low..high).contains(&b));
        let (itself, counted) = match connection.pattern {
            Pattern::Random { p, itself } => (itself, p > 0.0 && p < 1.0 || pairs.len() == all().count()),
            Pattern::FixedInDegree { sources, itself } => {
                let others = |b: usize| (first..past).filter(|&a| itself || !same || a != b).count();
                let into = |b: usize| pairs.iter().filter(|pair| pair.1 == b).count();
                (itself, (low..high).all(|b| into(b) == sources.min(others(b))))
            }
            Pattern::FixedOutDegree { targets, itself } => {
                let others = |a: usize| (low..high).filter(|&b| itself || !same || a != b).count();
                let out = |a: usize| pairs.iter().filter(|pair| pair.0 == a).count();
                (itself, (first..past).all(|a| out(a) == targets.min(others(a))))
            }
            Pattern::FixedTotalNumber { synapses, itself } => (itself, pairs.len() == synapses),
            _ => (true, true),
        };
        let alone = itself || !same || pairs.iter().all(|(a, b)| a != b);
        assert!(apart && within && counted && alone, "{}: {pairs:?}\n{}", connection.name, self.text);
    }
}
