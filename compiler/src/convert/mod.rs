//! `Tiled` to `Converted`: decides what computes each operator and in which physical domain every signal travels.

mod alternatives;
pub mod calibrate;
pub mod domains;
pub mod evaluate;
mod faults;
mod limit;
pub mod pbqp;
mod print;
mod problem;
mod verify;
mod wires;

pub use alternatives::digital_adder;
pub use print::print;
pub use verify::verify;

use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Conversions, Tensor};

use crate::forms::chip::Domain;
use crate::forms::converted::{Choice, Converted, Implementation, Outcome, Wire};
use crate::forms::network::Logical;
use crate::forms::plan::Pinned;
use crate::forms::tiled::Tiled;
use crate::trial::Measured;
use problem::{Assignment, Choices, Demand, fans};

/// The plain objective.
const PLAIN: Demand = Demand { multiplier: 0.0, everywhere: false, without: None, weight: 1.0 };

/// Decides; none, with the reason in `diagnostics`, when the chip or the limits leave no way.
pub fn convert(
    tiled: Tiled,
    tensors: &[Tensor],
    measured: &Measured,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Converted> {
    if tiled.chip.ideal {
        return Some(ideal(tiled));
    }
    if tiled.plan.calibrated_on_test && tiled.chip.converters.iter().any(|converter| converter.bits.is_some()) {
        diagnostics.push(faults::calibrated_on_test(&tiled));
    }
    let found = calibrate::calibrate(&tiled, tensors, measured);
    let nodes: Vec<_> = tiled.network.graph.node_indices().collect();
    let alternatives: Vec<_> = nodes.iter().map(|&node| alternatives::alternatives(&tiled, &found, node)).collect();
    let choices = Choices {
        output_variance: limit::output_variance(&tiled, &found),
        tiled: &tiled,
        found: &found,
        fans: fans(&tiled),
        nodes,
        alternatives,
    };
    if let Some(fault) = faults::missing(&choices) {
        diagnostics.push(fault);
        return None;
    }
    let base = Demand { everywhere: tiled.plan.convert_everywhere, ..PLAIN };
    let Some(plain) = choices.solve(base) else {
        diagnostics.push(faults::no_way(&choices, base));
        return None;
    };
    let tolerance = limit::tolerance(&tiled, tensors, &found);
    let wanted = tiled.plan.accuracy_loss;
    let (best, bound) = match (wanted, tolerance.as_ref()) {
        (Some(loss), Some(tolerance)) => match limit::within(&choices, base, plain, tolerance.error_for(loss)) {
            Ok(found) => found,
            Err(least) => {
                diagnostics.push(faults::unreachable(&tiled, loss, tolerance.loss_of(least)));
                return None;
            }
        },
        (Some(_), None) => {
            diagnostics.push(faults::unmeasured(&tiled));
            let bound = plain.solution.lower_bound;
            (plain, bound)
        }
        (None, _) => {
            let bound = plain.solution.lower_bound;
            (plain, bound)
        }
    };
    let everywhere = choices.solve(Demand { everywhere: true, ..PLAIN });
    let outcome = Outcome {
        value: best.cost,
        convert_everywhere: everywhere.as_ref().map_or(best.cost, |other| other.cost),
        greedy: choices.greedy(base).map_or(best.cost, |found| found.0),
        lower_bound: bound.min(best.cost),
        optimal: best.cost - bound <= 1e-9 * best.cost.abs(),
        error_variance: best.error,
        accuracy_loss: tolerance.as_ref().map(|tolerance| tolerance.loss_of(best.error)),
    };
    let pin_costs = pin_costs(&choices, base, &best);
    let (wires, conversions, merge_units) = wires::describe(&choices, base, &best, everywhere.as_ref());
    let chosen = wires::choices(&choices, &best);
    let ranges = wires::ranges(&choices, &best);
    let block_ranges = (0..tiled.blocks.len())
        .map(|block| {
            let merged = tiled.merges.iter().position(|merge| merge.blocks.contains(&block));
            match merged.and_then(|merge| merge_units[merge]) {
                Some(_) => found.sum_ranges[block],
                None => found.block_ranges[block],
            }
        })
        .collect();
    Some(Converted {
        choices: chosen,
        wires,
        objective: outcome,
        ranges,
        block_ranges,
        pin_costs,
        merge_units,
        conversions,
        tiled,
    })
}

/// How much worse the objective is for each pin.
fn pin_costs(choices: &Choices, base: Demand, best: &Assignment) -> Vec<f64> {
    let pins = choices.tiled.plan.pins.iter().enumerate();
    pins.map(|(number, pin)| match pin.value {
        Pinned::Domain(_) => {
            let free = choices.solve(Demand { without: Some(number), ..base });
            free.map_or(0.0, |free| (best.cost - free.cost).max(0.0))
        }
        Pinned::Core(..) => 0.0,
    })
    .collect()
}

/// Nothing is converted on the ideal chip.
fn ideal(tiled: Tiled) -> Converted {
    let network = &tiled.network;
    let exact = |node| Choice { node, name: String::from("exact"), implementation: Implementation::Exact };
    let choices = network.graph.node_indices().map(exact).collect();
    let wires = crate::graph::signals(network)
        .into_iter()
        .map(|(from, to, operand)| Wire {
            from,
            to,
            operand,
            domain: match network.graph[from].logical {
                Logical::Spikes => Domain::Spikes,
                Logical::Real | Logical::Bits(_) => Domain::Bits,
            },
            converters: Vec::new(),
            counts: Vec::new(),
            reason: String::from("exact: the ideal chip converts nothing"),
            count_per_sample: network.graph[from].len() as f64 * tiled.firings[from.index()],
            energy: 0.0,
        })
        .collect();
    Converted {
        choices,
        wires,
        objective: Outcome { optimal: true, ..Outcome::default() },
        ranges: Vec::new(),
        block_ranges: Vec::new(),
        pin_costs: vec![0.0; tiled.plan.pins.len()],
        merge_units: vec![None; tiled.merges.len()],
        conversions: Conversions::default(),
        tiled,
    }
}
