//! `Tiling` to `Decisions`, `Circuit` and `Placement`: what computes each operator, in which physical domain every signal travels, and
//! where it lies. Analog wires bind what they join to one core, so that choosing wires and choosing cores is one decision.

mod alternatives;
mod bent;
mod bits;
pub mod calibrate;
mod choices;
mod columns;
pub mod describe;
pub mod domains;
mod expect;
mod explain;
mod faults;
mod limit;
mod lines;
mod obstacle;
pub mod pbqp;
mod print;
mod problem;
mod remedy;
mod rounding;
mod search;
#[cfg(test)]
mod tests;
mod transport;
mod verify;
mod volts;
mod wires;
mod worth;

pub use alternatives::digital_adder;
pub use print::print;
pub use search::Misfit;
pub use verify::verify;

use nmc_grammar::diagnostic::Diagnostic;

use crate::files::Files;
use crate::forms::chip::Domain;
use crate::forms::circuit::Circuit;
use crate::forms::decisions::{Choice, Decisions, Implementation, Outcome, Range, Wire};
use crate::forms::mapped::Given;
use crate::forms::measured::Measured;
use crate::forms::network::Logical;
use crate::forms::placement::Placement;
use crate::forms::tiling::Tiling;
use crate::map::place::{Known, least, place};
use choices::Choices;
pub use faults::unreachable;
pub use limit::{labels, largest, variance};
use problem::Demand;
use search::{Design, Failed, Site, search};

/// What was decided, what it takes, and where that lies.
pub struct Converted {
    pub decisions: Decisions,
    pub circuit: Circuit,
    pub placement: Placement,
}

/// Decides; none, with the reason in `diagnostics`, when the chip or the limits leave no way. `scale`: how many times the estimated error a
/// chip is expected to make; `explained`: with what other designs would be worth, and why none of them was taken.
pub fn convert(
    given: Given,
    tiling: &Tiling,
    measured: &Measured,
    files: &dyn Files,
    (scale, explained): (f64, bool),
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
    if let Some(dark) = faults::dark(given).filter(|dark| !diagnostics.contains(dark)) {
        diagnostics.push(dark);
    }
    let found = calibrate::calibrate(given, tiling, measured);
    if let Some(fault) = faults::overflow(given, &found) {
        diagnostics.push(fault);
        return None;
    }
    let choices = choices(given, tiling, &found);
    if let Some(fault) = faults::missing(&choices) {
        diagnostics.push(fault);
        return None;
    }
    let base = Demand { everywhere: given.plan.convert_everywhere, ..Demand::plain() };
    let wanted = given.plan.accuracy_loss;
    let told = explained || wanted.is_some();
    let tolerance = if told { limit::tolerance(given, &found) } else { None };
    // Wires take their part of it, whatever is chosen.
    let allowed = |loss, tolerance: &limit::Tolerance| tolerance.error_for(loss) / scale - choices.wired;
    let error = wanted.zip(tolerance.as_ref()).map(|(loss, tolerance)| allowed(loss, tolerance));
    if wanted.is_some() && tolerance.is_none() {
        diagnostics.push(faults::unmeasured(given));
    }
    let known = Known::default();
    let place = |circuit: &Circuit| {
        // One stage within the other, as who measures them is told.
        files.entering(&given.plan.name, "place");
        let placement = place(given, tiling, circuit, &known);
        files.entering(&given.plan.name, "convert");
        placement
    };
    let site = Site { least: &|circuit| least(given, tiling, circuit), place: Some(&place) };
    let mut best = match search(&choices, &base, error, &site) {
        Ok(best) => best,
        Err(Failed::NoWay) => {
            diagnostics.push(faults::no_way(&choices, &base));
            return None;
        }
        Err(Failed::Unreachable(least)) => {
            let loss = tolerance.as_ref().map_or(1.0, |tolerance| tolerance.loss_of(scale * (least + choices.wired)));
            diagnostics.push(faults::unreachable(given, wanted.unwrap_or(0.0), loss));
            return None;
        }
        Err(Failed::Misfit(misfit)) => {
            diagnostics.push(misfit.diagnostic);
            return None;
        }
    };
    // What greedy wants may fit no core; then it has to convert, too.
    let greedy = choices.greedy(&base).and_then(|assignment| Design::of(&choices, &base, assignment, &site));
    let of_greedy = greedy.as_ref().map(|design| design.value);
    if let Some(greedy) = greedy.filter(|greedy| greedy.value < best.value) {
        let allowed = error.is_none_or(|error| greedy.assignment.error <= error);
        best = if allowed { Design { bound: best.bound.min(greedy.value), ..greedy } } else { best };
    }
    if explained {
        explain::explain(&choices, (&base, error), &site, of_greedy, &mut best);
        let error = best.decisions.objective.error_variance;
        best.decisions.objective.accuracy_loss = tolerance.map(|tolerance| tolerance.loss_of(error));
    } else {
        best.decisions.objective = explain::outcome(&choices, &best);
        explain::conversions(&choices, error, &mut best, None);
    }
    let Design { decisions, circuit, placement, .. } = best;
    Some(Converted { decisions, circuit, placement })
}

/// The network with everything a chip offers for it.
fn choices<'a>(given: Given<'a>, tiling: &'a Tiling, found: &'a calibrate::Calibration) -> Choices<'a> {
    let alternatives = |node| alternatives::alternatives(given, tiling, found, node);
    Choices::new(given, tiling, found, alternatives, limit::output_variance(given, found))
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
