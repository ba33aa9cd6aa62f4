//! Where each state of a connection lives: summed on the target, once a source neuron, once a target neuron, or once a synapse.
//!
//! *Summed*: outputs depend on it, it evolves linearly, and arrivals only add to it; then the sum over a target's
//! synapses obeys the same equation, and one state a target holds it. *Trace*: only one side's spikes change it, by
//! nothing but that side's own values; one state a neuron of that side. Anything else is kept for each synapse: brought up
//! to date when an event looks at it where its equation has a closed solution by itself, else stepped with every tick.

use super::algebra::{self, linear, mentions};
use super::integrate::decays_alone;
use super::polynomial::Polynomial;
use crate::forms::equations::{Change, Dynamics, Expr, Function, State, Symbol};

/// Where a state lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One a target, the sum over its synapses.
    Summed,
    /// One a source neuron; `late`: changed after the other changes of `on pre`.
    Source { late: bool },
    /// One a target neuron; `late`: changed after the other changes of `on post`.
    Target { late: bool },
    /// One a synapse.
    Synapse,
    /// One a synapse, moved with every tick.
    Stepped,
}

/// The role of each state of a connection; and why what synapses give must be added up one by one, if it must.
pub fn roles(
    dynamics: &Dynamics,
    constant_delay: bool,
    recorded: &dyn Fn(usize) -> bool,
) -> (Vec<Role>, Option<&'static str>) {
    let summed = output_states(dynamics);
    let fault = summed.iter().find_map(|&index| summable(dynamics, index, &summed).err());
    let output = || output_is_linear(&dynamics.outputs.first()?.1, &summed).err();
    let one_by_one = fault.or_else(output);
    let summed = if one_by_one.is_some() { Vec::new() } else { summed };
    let mut roles = vec![Role::Synapse; dynamics.states.len()];
    summed.iter().for_each(|&index| roles[index] = Role::Summed);
    if constant_delay {
        one_sided(dynamics, &mut roles, &dynamics.on_pre, &dynamics.on_post, true);
    }
    one_sided(dynamics, &mut roles, &dynamics.on_post, &dynamics.on_pre, false);
    step(dynamics, &mut roles, one_by_one.is_some(), recorded);
    (roles, one_by_one)
}

/// Of what is kept for each synapse, that which moves with every tick: what has no closed solution by itself, what the
/// equations of such states and of the weight read, or the output where it is added up `one_by_one`, and what is recorded.
fn step(dynamics: &Dynamics, roles: &mut [Role], one_by_one: bool, recorded: &dyn Fn(usize) -> bool) {
    let output = dynamics.outputs.iter().filter(|_| one_by_one).map(|(_, output)| output);
    let output: Vec<&Expr> = output.chain(dynamics.moves_weight()).collect();
    let next = |roles: &[Role]| {
        let stepped = (0..roles.len()).filter(|&index| roles[index] == Role::Stepped);
        let equations = stepped.flat_map(|index| dynamics.moves(index));
        let equations: Vec<&Expr> = equations.chain(output.iter().copied()).collect();
        let read =
            |index| equations.iter().any(|equation| mentions(equation, &|symbol| symbol == Symbol::State(index)));
        let kept = |index: &usize| roles[*index] == Role::Synapse;
        (0..roles.len()).filter(kept).find(|&index| {
            let State { derivative, noise, .. } = &dynamics.states[index];
            let alone = |derivative| noise.is_none() && decays_alone(derivative, index);
            derivative.as_ref().is_some_and(|derivative| !alone(derivative) || read(index) || recorded(index))
        })
    };
    while let Some(index) = next(roles) {
        roles[index] = Role::Stepped;
    }
}

/// States that outputs depend on, directly or by derivatives.
fn output_states(dynamics: &Dynamics) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    loop {
        let mentioned = |index: usize| {
            let wanted = |symbol| symbol == Symbol::State(index);
            dynamics.outputs.iter().any(|(_, output)| mentions(output, &wanted))
                || found.iter().any(|&other| dynamics.moves(other).any(|side| mentions(side, &wanted)))
        };
        match (0..dynamics.states.len()).find(|index| !found.contains(index) && mentioned(*index)) {
            Some(index) => found.push(index),
            None => {
                found.sort_unstable();
                return found;
            }
        }
    }
}

fn summable(dynamics: &Dynamics, index: usize, summed: &[usize]) -> Result<(), &'static str> {
    let state = &dynamics.states[index];
    let Some(derivative) = &state.derivative else { return Err("it has no equation of its own") };
    if state.noise.is_some() {
        return Err("each synapse has noise of its own");
    }
    if algebra::constant(&state.initial) != Some(0.0) {
        return Err("it does not start at 0");
    }
    let mut remainder = derivative.clone();
    for &other in summed {
        let Some((slope, rest)) = linear(&remainder, Symbol::State(other)) else {
            return Err("its equation is not linear");
        };
        if Polynomial::of(&slope).constant().is_none() {
            return Err("its equation has no constant coefficients");
        }
        remainder = rest;
    }
    if Polynomial::of(&remainder).constant() != Some(0.0) {
        return Err("it moves without spikes");
    }
    if dynamics.on_post.iter().any(|change| change.target == Symbol::State(index)) {
        return Err("spikes of the target change it");
    }
    if at_intervals(dynamics).any(|change| change.target == Symbol::State(index)) {
        return Err("it is changed at intervals");
    }
    for change in &dynamics.on_pre {
        let uses = mentions(&change.value, &|symbol| matches!(symbol, Symbol::State(n) if summed.contains(&n)));
        if change.target == Symbol::State(index) {
            let Some(amount) = added(change) else { return Err("arrivals do more than add to it") };
            if mentions(&amount, &|symbol| matches!(symbol, Symbol::State(n) if summed.contains(&n))) {
                return Err("what an arrival adds depends on it");
            }
        } else if uses && !matches!(change.target, Symbol::State(n) if summed.contains(&n)) {
            return Err("a rule reads it");
        }
    }
    let rules = dynamics.on_post.iter().chain(at_intervals(dynamics)).map(|change| &change.value);
    let rules = rules.chain(dynamics.rewires());
    let others = (0..dynamics.states.len()).filter(|other| !summed.contains(other));
    let equations = others.flat_map(|other| dynamics.moves(other));
    let mut readers = rules.chain(equations).chain(dynamics.moves_weight());
    match readers.any(|reader| mentions(reader, &|symbol| symbol == Symbol::State(index))) {
        true => Err("a rule reads it"),
        false => Ok(()),
    }
}

fn at_intervals(dynamics: &Dynamics) -> impl Iterator<Item = &Change> {
    dynamics.regular.iter().flat_map(|regular| &regular.changes)
}

fn output_is_linear(output: &Expr, summed: &[usize]) -> Result<(), &'static str> {
    if mentions(output, &|symbol| symbol == Symbol::Weight) {
        return Err("its output holds the weight");
    }
    let elsewhere =
        |symbol| matches!(symbol, Symbol::Pre(_) | Symbol::SourceIndex | Symbol::TargetIndex | Symbol::Index);
    if mentions(output, &elsewhere) {
        return Err("its output reads its source");
    }
    let mut remainder = output.clone();
    for &index in summed {
        let Some((slope, rest)) = linear(&remainder, Symbol::State(index)) else {
            return Err("its output is not linear");
        };
        if mentions(&slope, &|symbol| matches!(symbol, Symbol::State(_))) {
            return Err("its output is not linear");
        }
        remainder = rest;
    }
    if Polynomial::of(&remainder).constant() == Some(0.0) { Ok(()) } else { Err("its output is not 0 at rest") }
}

/// What `target = target + amount` adds.
pub fn added(change: &Change) -> Option<Expr> {
    let (slope, amount) = linear(&change.value, change.target)?;
    (algebra::constant(&slope) == Some(1.0)).then_some(amount)
}

/// Finds the traces of one side: states that only `changes` change, reading nothing but each other and that side's neuron.
fn one_sided(dynamics: &Dynamics, roles: &mut [Role], changes: &[Change], others: &[Change], source: bool) {
    let changes_it = |rules: &[Change], index: usize| rules.iter().any(|change| change.target == Symbol::State(index));
    let mut found: Vec<usize> = (0..dynamics.states.len())
        .filter(|&index| {
            let state = &dynamics.states[index];
            let plain = algebra::constant(&state.initial).is_some() && state.noise.is_none();
            let often = at_intervals(dynamics).any(|change| change.target == Symbol::State(index));
            let one_side = changes_it(changes, index) && !changes_it(others, index) && !often;
            roles[index] == Role::Synapse && plain && one_side
        })
        .collect();
    // What each synapse changes of a neuron is another value for the next.
    let changed = |symbol: Symbol| changes.iter().any(|change| change.target == symbol);
    let reads_more = |index: usize, found: &[usize]| {
        let alien = |symbol: Symbol| match symbol {
            Symbol::State(n) => !found.contains(&n),
            Symbol::Pre(_) => !source || changed(symbol),
            Symbol::Post(_) => source || changed(symbol),
            Symbol::TimeStep | Symbol::Time => false,
            Symbol::Input(_) | Symbol::Weight | Symbol::SourceIndex | Symbol::TargetIndex | Symbol::Index => true,
            Symbol::Noise => true,
        };
        // What equations of the synapse read moves with them.
        let others = (0..dynamics.states.len()).filter(|other| !found.contains(other));
        let others = others.flat_map(|other| dynamics.moves(other));
        let mut readers = others.chain(dynamics.moves_weight());
        if readers.any(|reader| mentions(reader, &|symbol| symbol == Symbol::State(index))) {
            return true;
        }
        let derivative = dynamics.states[index].derivative.as_ref();
        let own = changes.iter().filter(|change| change.target == Symbol::State(index));
        derivative.is_some_and(|derivative| mentions(derivative, &alien))
            || own.into_iter().any(|change| {
                mentions(&change.value, &alien) || algebra::random(&change.value) || algebra::sums(&change.value)
            })
    };
    while let Some(position) = found.iter().position(|&index| reads_more(index, &found)) {
        found.remove(position);
    }
    for &index in &found {
        let written = |(_, change): &(usize, &Change)| change.target == Symbol::State(index);
        let first = changes.iter().enumerate().find(written).map_or(0, |(at, _)| at);
        let last = changes.iter().enumerate().rev().find(written).map_or(0, |(at, _)| at);
        let reads = |at: &usize| {
            let is_trace = matches!(changes[*at].target, Symbol::State(n) if found.contains(&n));
            !is_trace && mentions(&changes[*at].value, &|symbol| symbol == Symbol::State(index))
        };
        let (early, late) = (!(0..last).any(|at| reads(&at)), !(first..changes.len()).any(|at| reads(&at)));
        roles[index] = match (source, early || late) {
            (_, false) => Role::Synapse,
            (true, true) => Role::Source { late: !early },
            (false, true) => Role::Target { late: !early },
        };
    }
}

/// `Select` and the like aside, whether an amount is the weight itself.
pub fn is_weight(amount: &Expr) -> bool {
    match amount {
        Expr::Symbol(symbol) => *symbol == Symbol::Weight,
        Expr::Call(Function::Add, args) => args.iter().any(is_weight) && args.contains(&Expr::Number(0.0)),
        Expr::Number(_) | Expr::Call(..) => false,
    }
}
