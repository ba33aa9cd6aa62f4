//! A design explained by comparing: what others would be worth, what pins cost, and why each conversion stays.

use super::choices::Choices;
use super::problem::Demand;
use super::search::{Design, Site, search};
use super::{bits, describe, remedy};
use crate::forms::decisions::Outcome;
use crate::forms::mapped::Given;
use crate::forms::plan::Plan;
use crate::map::place::{Known, least, place};

/// What a design is worth by itself; nothing it is compared with is known.
pub fn outcome(choices: &Choices, best: &Design) -> Outcome {
    Outcome {
        value: best.value,
        convert_everywhere: f64::NAN,
        greedy: f64::NAN,
        lower_bound: best.bound,
        optimal: best.value - best.bound <= 1e-9 * best.value.abs(),
        error_variance: best.assignment.error + choices.wired,
        estimated: best.assignment.error + choices.wired,
        by_wires: choices.wired,
        accuracy_loss: None,
    }
}

/// Fills in the conversions, and why each wire is as it is, beside those of converting everything where that is known. `error`: the most there
/// may be.
pub fn conversions(choices: &Choices, error: Option<f64>, best: &mut Design, everywhere: Option<&Design>) {
    let count =
        |design: &Design| describe::count(choices.given.chip, choices.tiling, &design.decisions, &design.circuit);
    let inserted = count(best);
    let baseline = everywhere.map_or_else(|| inserted.clone(), count);
    let wires = best.decisions.wires.iter();
    let ends = wires.map(|wire| [(wire.from, false), (wire.to, true)]);
    let widths = ends.map(|ends| ends.map(|(layer, rows)| bits::why(choices, best, error, layer, rows)));
    let widths: Vec<_> = widths.collect();
    let decisions = &mut best.decisions;
    decisions.conversions = describe::conversions(&inserted, &baseline);
    for (index, widths) in widths.into_iter().enumerate() {
        let other = everywhere.and_then(|other| other.decisions.wires.get(index));
        let reason = describe::reason(choices, decisions, &decisions.wires[index], other);
        let all = std::iter::once(reason).chain(widths.into_iter().flatten());
        decisions.wires[index].reason = all.collect::<Vec<_>>().join("; ");
    }
}

/// Fills in the objective, the conversions spared, what pins cost, and for each wire its reason and its remedy. `greedy`: what choosing each by
/// itself is worth, where that fits.
pub fn explain(
    choices: &Choices,
    (base, error): (&Demand, Option<f64>),
    site: &Site,
    greedy: Option<f64>,
    best: &mut Design,
) {
    let everywhere = search(choices, &Demand { everywhere: true, ..Demand::plain() }, None, site).ok();
    let all = everywhere.as_ref().map_or(best.value, |design| design.value);
    let objective = Outcome { convert_everywhere: all, greedy: greedy.unwrap_or(all), ..outcome(choices, best) };
    best.decisions.objective = objective;
    best.decisions.pin_costs = pin_costs(choices, error, best);
    conversions(choices, error, best, everywhere.as_ref());
    remedy::remedies(choices, base, error, &mut best.decisions);
}

/// How much worse the objective is for each pin: against what is best without it, where that lies.
fn pin_costs(choices: &Choices, error: Option<f64>, best: &Design) -> Vec<f64> {
    let given = choices.given;
    let pins = 0..given.plan.pins.len();
    pins.map(|number| {
        let mut plan: Plan = given.plan.clone();
        plan.pins.remove(number);
        let free = Given { plan: &plan, ..given };
        let known = Known::default();
        let site = Site {
            least: &|circuit| least(free, choices.tiling, circuit),
            place: Some(&|circuit| place(free, choices.tiling, circuit, &known)),
        };
        let choices = super::choices(free, choices.tiling, choices.found);
        let demand = Demand { everywhere: plan.convert_everywhere, ..Demand::plain() };
        search(&choices, &demand, error, &site).map_or(0.0, |free| (best.value - free.value).max(0.0))
    })
    .collect()
}
