//! `Tiling` to `Decisions`, `Circuit` and `Placement`: what computes each operator, in which physical domain every signal travels, and
//! where it lies. Analog wires bind what they join to one core, so that choosing wires and choosing cores is one decision.

mod alternatives;
pub mod calibrate;
pub mod describe;
pub mod domains;
mod expect;
mod faults;
mod limit;
pub mod pbqp;
mod print;
mod problem;
mod product;
mod remedy;
mod search;
mod verify;

pub use alternatives::digital_adder;
pub use print::print;
pub use search::Misfit;
pub use verify::verify;

use nmc_grammar::diagnostic::Diagnostic;

use crate::cost;
use crate::forms::chip::Domain;
use crate::forms::circuit::Circuit;
use crate::forms::decisions::{Choice, Decisions, Implementation, Outcome, Range, Wire};
use crate::forms::mapped::Given;
use crate::forms::network::Logical;
use crate::forms::placement::Placement;
use crate::forms::plan::{Objective, Pinned};
use crate::forms::tiling::Tiling;
use crate::map::place::place;
use crate::trial::Measured;
use problem::{Choices, Demand, fans};
use search::{Design, Failed, search};

/// What was decided, what it takes, and where that lies.
pub struct Converted {
    pub decisions: Decisions,
    pub circuit: Circuit,
    pub placement: Placement,
}

/// Decides; none, with the reason in `diagnostics`, when the chip or the limits leave no way.
pub fn convert(
    given: Given,
    tiling: &Tiling,
    measured: &Measured,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Converted> {
    if given.chip.ideal {
        let (circuit, placement) = (Circuit::default(), Placement::default());
        return Some(Converted { decisions: ideal(given, tiling), circuit, placement });
    }
    let rounds = given.chip.converters.iter().any(|converter| converter.bits.is_some());
    if given.plan.calibrated_on_test && rounds {
        diagnostics.push(faults::calibrated_on_test(given));
    }
    let found = calibrate::calibrate(given, tiling, measured);
    let choices = choices(given, tiling, &found);
    if let Some(fault) = faults::missing(&choices) {
        diagnostics.push(fault);
        return None;
    }
    let base = Demand { everywhere: given.plan.convert_everywhere, ..Demand::plain() };
    let tolerance = limit::tolerance(given, &found);
    let wanted = given.plan.accuracy_loss;
    let error = wanted.zip(tolerance.as_ref()).map(|(loss, tolerance)| tolerance.error_for(loss));
    if wanted.is_some() && tolerance.is_none() {
        diagnostics.push(faults::unmeasured(given));
    }
    let here = |circuit: &Circuit| place(given, tiling, circuit);
    let best = match search(&choices, &base, error, &here) {
        Ok(best) => best,
        Err(Failed::NoWay) => {
            diagnostics.push(faults::no_way(&choices, &base));
            return None;
        }
        Err(Failed::Unreachable(least)) => {
            let loss = tolerance.as_ref().map_or(1.0, |tolerance| tolerance.loss_of(least));
            diagnostics.push(faults::unreachable(given, wanted.unwrap_or(0.0), loss));
            return None;
        }
        Err(Failed::Misfit(misfit)) => {
            diagnostics.push(misfit.diagnostic);
            return None;
        }
    };
    // Circuits that are alike lie alike.
    let again = |circuit: &Circuit| if *circuit == best.circuit { Ok(best.placement.clone()) } else { here(circuit) };
    let everywhere = search(&choices, &Demand { everywhere: true, ..Demand::plain() }, None, &again).ok();
    let value = |design: &Design| value(&choices, design);
    let reached = value(&best);
    let greedy = choices.greedy(&base).and_then(|choice| {
        // What greedy wants may fit no core; then it has to convert, too.
        let decisions = describe::decisions(&choices, &choice, &base);
        let circuit = crate::map::circuit::build(given, tiling, &decisions);
        let placement = again(&circuit).ok()?;
        let (cost, error) = choices.value(&choice, &base)?;
        let assignment = problem::Assignment { choice, cost, error, solution: best.assignment.solution.clone() };
        Some(value(&Design { assignment, decisions, circuit, placement, bound: 0.0 }))
    });
    let all = everywhere.as_ref().map_or(reached, value);
    let bound = best.bound.min(reached);
    let outcome = Outcome {
        value: reached,
        convert_everywhere: all,
        greedy: greedy.unwrap_or(all),
        lower_bound: bound,
        optimal: reached - bound <= 1e-9 * reached.abs(),
        error_variance: best.assignment.error,
        accuracy_loss: tolerance.as_ref().map(|tolerance| tolerance.loss_of(best.assignment.error)),
    };
    let pin_costs = pin_costs(&choices, &base, &best);
    let inserted = describe::count(given.chip, tiling, &best.decisions, &best.circuit);
    let baseline = everywhere.as_ref().map_or_else(
        || inserted.clone(),
        |other| describe::count(given.chip, tiling, &other.decisions, &other.circuit),
    );
    let conversions = describe::conversions(&inserted, &baseline);
    let mut decisions = best.decisions;
    for index in 0..decisions.wires.len() {
        let other = everywhere.as_ref().and_then(|other| other.decisions.wires.get(index));
        let reason = describe::reason(&choices, &decisions, &decisions.wires[index], other);
        decisions.wires[index].reason = reason;
    }
    remedy::remedies(&choices, &base, error, &mut decisions);
    let decisions = Decisions { objective: outcome, pin_costs, conversions, ..decisions };
    Some(Converted { decisions, circuit: best.circuit, placement: best.placement })
}

/// The network with everything a chip offers for it.
fn choices<'a>(given: Given<'a>, tiling: &'a Tiling, found: &'a calibrate::Calibration) -> Choices<'a> {
    let nodes: Vec<_> = given.network.graph.node_indices().collect();
    let alternatives = nodes.iter().map(|&node| alternatives::alternatives(given, tiling, found, node)).collect();
    let output_variance = limit::output_variance(given, found);
    Choices { given, tiling, found, fans: fans(given), nodes, alternatives, output_variance }
}

/// The objective of a design where it lies: of energy, everything in the table of costs that is expected on the calibration data.
fn value(choices: &Choices, design: &Design) -> f64 {
    let given = choices.given;
    if given.plan.objective != Objective::Energy {
        return design.assignment.cost;
    }
    let mut joules = 0.0;
    for island in crate::map::place::islands(given.chip, &design.circuit) {
        let spans = cost::time::spans(given, choices.tiling, &design.decisions, &design.circuit, &island, None);
        let driven = cost::time::driven(given, choices.tiling, &design.decisions, &design.circuit, &island, &spans);
        for id in &island {
            let part = &design.circuit.parts[id.0];
            let driven = driven.iter().find(
                |(block, _)| matches!(part.role, crate::forms::circuit::Role::Array { block: of, .. } if of == *block),
            );
            let driven = driven.map(|(_, seconds)| *seconds);
            let how = design.decisions.on_tiles(part.node);
            for event in cost::events_of(given, choices.tiling, how, part, None) {
                joules += choices.found.expected(given, choices.tiling, how, part, &event, driven);
            }
        }
    }
    for net in &design.circuit.nets {
        for event in cost::net_events(given, &design.circuit, &design.placement.cores, net) {
            joules += match event.often {
                cost::Often::Sample(count) => count * event.energy,
                cost::Often::Tick(count) => count * event.energy * crate::graph::ticks(given.plan),
                // Nobody's choice.
                cost::Often::Once(_) | cost::Often::Spike(..) | cost::Often::Synapse(..) | cost::Often::Read { .. } => {
                    0.0
                }
            };
        }
    }
    joules
}

/// How much worse the objective is for each pin.
fn pin_costs(choices: &Choices, base: &Demand, best: &Design) -> Vec<f64> {
    let pins = choices.given.plan.pins.iter().enumerate();
    pins.map(|(number, pin)| match pin.value {
        Pinned::Domain(_) => {
            let free = choices.solve(&Demand { without: Some(number), ..base.clone() });
            free.map_or(0.0, |free| (best.assignment.cost - free.cost).max(0.0))
        }
        Pinned::Core(..) => 0.0,
    })
    .collect()
}

/// Nothing is converted on the ideal chip.
fn ideal(given: Given, tiling: &Tiling) -> Decisions {
    let network = given.network;
    let domain = |node: crate::forms::network::NodeId| match network.graph[node].logical {
        Logical::Spikes => Domain::Spikes,
        Logical::Real | Logical::Bits(_) => Domain::Bits,
    };
    let exact = |node| Choice {
        node,
        name: String::from("exact"),
        implementation: Implementation::Exact,
        input: domain(node),
        output: domain(node),
    };
    let wires = crate::graph::signals(network).into_iter().map(|(from, to, operand)| Wire {
        from,
        to,
        operand,
        domain: domain(from),
        gives: Vec::new(),
        takes: Vec::new(),
        converters: Vec::new(),
        counts: Vec::new(),
        reason: String::from("exact: the ideal chip converts nothing"),
        remedy: None,
        count_per_sample: network.graph[from].len() as f64 * tiling.firings[from.index()],
        energy: 0.0,
    });
    Decisions {
        choices: network.graph.node_indices().map(exact).collect(),
        wires: wires.collect(),
        objective: Outcome { optimal: true, ..Outcome::default() },
        ranges: network.graph.node_indices().map(|node| (node, Range { full: 1.0, unsigned: false })).collect(),
        pin_costs: vec![0.0; given.plan.pins.len()],
        ..Decisions::default()
    }
}
