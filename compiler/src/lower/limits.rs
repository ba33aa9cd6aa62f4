//! What digital cores of neurons can do: which equations, how long delays, how many sources, how many different weights. And the digits
//! that they keep of a weight.

use std::collections::BTreeSet;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Delay;

use super::connection::step_of;
use super::integrate::{Scheme, System};
use super::population::Population;
use super::{Lowering, algebra, synapses};
use crate::cost;
use crate::forms::chip::CoreKind;
use crate::forms::circuit::Role;
use crate::forms::equations::{Change, Expr, Method, Symbol};
use crate::forms::network::{Connection, NodeId, Pattern};

impl Lowering<'_> {
    /// The kinds of core that hold the neurons of a population.
    fn cores_of(&self, node: NodeId) -> Vec<&CoreKind> {
        let parts = self.mapped.circuit.parts.iter().zip(&self.mapped.placement.cores);
        let own = parts.filter(|(part, _)| part.node == node && part.role == Role::Neurons);
        let kinds: BTreeSet<usize> = own.filter_map(|(_, core)| self.chip.cores.get(*core).copied()).collect();
        kinds.into_iter().map(|kind| &self.chip.core_kinds[kind]).collect()
    }

    /// The elements of a population that lie on each of its cores, first and past-last.
    fn elements_of(&self, node: NodeId) -> impl Iterator<Item = (usize, usize)> {
        let own = self.mapped.circuit.parts.iter().filter(move |part| part.node == node && part.role == Role::Neurons);
        own.map(|part| part.elements)
    }

    /// Tells why a core cannot step a population so.
    pub fn keep_to_equations(&mut self, population: &Population, system: &System, scheme: &Scheme) {
        self.keep_to_states(population.node);
        let Some(core) = self.cores_of(population.node).into_iter().find(|core| core.linear) else { return };
        if !population.dynamics.events.is_empty() {
            let why = String::from("its neurons have no events besides spikes");
            let help = "leave `when … { … }` out, or take a core without `neuron_model: linear`";
            return self.cannot_run(population.node, core.name.clone(), why, help);
        }
        let pinned = population.dynamics.method.is_some();
        let Some(&state) = scheme.rest.iter().find(|state| pinned || !system.is_linear(**state)) else { return };
        if population.dynamics.method.is_some_and(|method| method != Method::Exact) {
            let why =
                String::from("its block pins a `method`, and the core steps linear neurons by their exact solution");
            return self.cannot_run(population.node, core.name.clone(), why, "leave `method: …` out of the block");
        }
        let why = format!(
            "`{}` is not linear with constant coefficients, and the core steps nothing else",
            population.names[state]
        );
        let help = "synapses that are currents (`std.synapse.exp_current`) and leaky neurons are linear; else take a core without `neuron_model: linear`";
        self.cannot_run(population.node, core.name.clone(), why, help);
    }

    /// Tells why a core cannot keep a population's states.
    fn keep_to_states(&mut self, node: NodeId) {
        let states = cost::states_each(self.network, node);
        let kept = |core: &CoreKind| Some((core.states?, core.compartments?));
        let each = self.cores_of(node).into_iter().filter_map(|core| Some((core.name.clone(), kept(core)?)));
        let too_few = |(_, (kept, most)): &(String, (usize, usize))| states.div_ceil((*kept).max(1)) > *most;
        let Some((core, (kept, most))) = each.into_iter().find(too_few) else { return };
        let why = format!(
            "with its synapses it has {states} states that move by equations, a compartment keeps {kept}, and a neuron has at most {most}"
        );
        let help = "use synapses without a state of their own, `on pre { post.v += w }`, or a core that keeps more";
        self.cannot_run(node, core, why, help);
    }

    /// Tells why the cores of a connection's target cannot take its spikes; of its weights, how many bits they keep.
    pub fn keep_to_synapses(&mut self, connection: &Connection, delay: &Delay) -> Option<u32> {
        let cores: Vec<CoreKind> = self.cores_of(connection.target).into_iter().cloned().collect();
        let ticks = match delay {
            Delay::Ticks(ticks) | Delay::PerSynapse { max_ticks: ticks, .. } => *ticks,
        };
        let onto: Vec<&Connection> =
            self.network.connections.iter().filter(|other| other.target == connection.target).collect();
        let first = onto.first().is_some_and(|other| std::ptr::eq(*other, connection));
        for core in &cores {
            if let Some(most) = core.longest_delay.filter(|most| ticks > *most) {
                let why = format!(
                    "a spike of `{}` takes {ticks} steps, and the core delays by {most} at most",
                    connection.name
                );
                self.cannot_run(connection.target, core.name.clone(), why, "shorten the delay, or lengthen the step");
            }
            // Of the neurons of one core those that hear most.
            let heard = |elements| onto.iter().map(|other| sources(other, elements)).sum::<usize>();
            let sources = self.elements_of(connection.target).map(heard).max().unwrap_or_default();
            if let Some(most) = core.axons.filter(|most| first && sources > *most) {
                let why = format!("its neurons hear {sources} sources, and the core has {most} axons");
                let help = "split the sources over several populations, or give the core more `axons`";
                self.cannot_run(connection.target, core.name.clone(), why, help);
            }
            // Weights that differ within a connection take a type of its own.
            let constants: BTreeSet<Option<u64>> =
                onto.iter().map(|other| algebra::constant(&other.weight).map(f64::to_bits)).collect();
            let varied = onto.iter().filter(|other| algebra::constant(&other.weight).is_none()).count();
            let weights = constants.iter().flatten().count() + varied;
            if let Some(most) = core.axon_types.filter(|most| first && weights > *most) {
                let why =
                    format!("its synapses have {weights} different weights, and the core has {most} types of axons");
                self.cannot_run(connection.target, core.name.clone(), why, "use fewer different weights");
            }
        }
        let bits = cores.iter().filter_map(|core| core.weight_bits).min()?;
        if algebra::constant(&connection.weight).is_none() {
            let how = match bits {
                1 => String::from("the largest of their neuron, or none"),
                _ => format!("whole steps, {} up to the largest", (1_u64 << (bits - 1)) - 1),
            };
            self.note(format!("{}, weights on the core: {how}", connection.name));
        }
        if connection.dynamics.changes_weight() && bits == 1 {
            let why = format!(
                "a rule moves the weights of `{}`, and a synapse of one bit is there or is not",
                connection.name
            );
            let core = cores.iter().find(|core| core.weight_bits == Some(1)).map(|core| core.name.clone());
            let help = "leave the rule out, or take a core with more `weight_bits`";
            self.cannot_run(connection.target, core.unwrap_or_default(), why, help);
            return Some(bits);
        }
        let name = &connection.name;
        match step_of(connection, bits) {
            Some(_) => self.note(format!(
                "{name}, weights that its rule moves: whole steps, {} up to the larger of its bounds, rounded up or down at random so that their mean is kept",
                (1_u64 << (bits - 1)) - 1
            )),
            None if connection.dynamics.changes_weight() => self.left_out(format!(
                "{name}: weights begin with {bits} bits, but what its rule makes of them keeps more digits than the core has"
            )),
            None => {}
        }
        Some(bits)
    }

    /// The whole steps that a core keeps traces of each side's spikes in, by state: a step, and the most of it. A trace with bounds has all steps up to
    /// the larger, one that spikes set is set to the last, one that they add to has a jump of an eighth of all (16 of 7 bits, as Loihi's are said to be).
    pub fn keep_traces(&mut self, connection: &Connection, roles: &[synapses::Role]) -> Vec<Option<(f64, f64)>> {
        let Some(bits) = self.cores_of(connection.target).into_iter().filter_map(|core| core.trace_bits).min() else {
            return vec![None; roles.len()];
        };
        let (dynamics, steps) = (&connection.dynamics, ((1_u64 << bits) - 1) as f64);
        let number = |expr: &Expr| algebra::constant(expr).map(f64::abs);
        let one = |state: usize| {
            if let Some((low, high)) = &dynamics.states[state].bounds {
                let most = number(low)?.max(number(high)?);
                return Some((most / steps, most));
            }
            let mut jumps = dynamics.rules().filter(|change| change.target == Symbol::State(state));
            let one = |change: &Change| match synapses::added(change) {
                Some(jump) => Some(number(&jump)? * 8.0 * steps / (steps + 1.0)),
                None => number(&change.value),
            };
            let most = jumps.try_fold(0.0_f64, |most, change| Some(most.max(one(change)?)))?;
            Some((most / steps, most))
        };
        let mut kept = vec![None; roles.len()];
        for state in 0..roles.len() {
            let decays = dynamics.states[state].derivative.is_some();
            if !decays || !matches!(roles[state], synapses::Role::Source { .. } | synapses::Role::Target { .. }) {
                continue;
            }
            let name = format!("{}, trace `{}`", connection.name, dynamics.states[state].name);
            kept[state] = one(state).filter(|(step, most)| *step > 0.0 && most.is_finite());
            match kept[state] {
                Some((_, most)) => self.note(format!("{name}: {steps} whole steps, up to {most}, rounded at random")),
                None => self.left_out(format!(
                    "{name}: what spikes do to it has no bounds that are numbers, so that it keeps more digits than the core's {bits} bits"
                )),
            }
        }
        kept
    }

    fn cannot_run(&mut self, node: NodeId, core: String, why: String, help: &str) {
        let node = &self.network.graph[node];
        let message = format!("core `{core}` of chip `{}` cannot run `{}`: {why}", self.chip.name, node.name);
        let mut diagnostic = Diagnostic::new(Code::E0626, message, node.span, "this population").with_help(help);
        if let Some(span) = self.chip.span {
            diagnostic = diagnostic.with_label(span, "on this chip");
        }
        self.diagnostics.push(diagnostic);
    }
}

/// How many elements a connection may bring spikes from to these elements of its target.
fn sources(connection: &Connection, (first, past): (usize, usize)) -> usize {
    let (sources, targets) = (connection.source_range, connection.target_range);
    let all = sources.1 - sources.0;
    let reached = targets.1.min(past).saturating_sub(targets.0.max(first));
    if reached == 0 {
        return 0;
    }
    match connection.pattern {
        Pattern::OneToOne => all.min(reached),
        Pattern::AllToAll { .. }
        | Pattern::Random { .. }
        | Pattern::Likely { .. }
        | Pattern::FixedInDegree { .. }
        | Pattern::FixedOutDegree { .. }
        | Pattern::FixedTotalNumber { .. }
        | Pattern::Matrix(_)
        | Pattern::List { .. } => all,
    }
}
