//! What a design is worth: everything in the table of costs that is expected on the calibration data, where its parts lie or may lie.

use std::collections::BTreeMap;

use super::choices::Choices;
use super::problem::Demand;
use super::search::Sketch;
use super::transport::Links;
use crate::cost;
use crate::forms::circuit::Role;
use crate::forms::network::NodeId;
use crate::forms::placement::Placement;
use crate::forms::plan::Objective;

/// The objective where everything lies.
pub fn lying(choices: &Choices, demand: &Demand, sketch: &Sketch, placement: &Placement) -> f64 {
    let chip = choices.chip();
    match choices.given.plan.objective {
        Objective::Energy => {
            let nets = sketch.circuit.nets.iter().map(|net| cost::net_joules(chip, &placement.cores, net));
            parts(choices, sketch, Some(&placement.cores)) + nets.sum::<f64>()
        }
        Objective::Time => still(choices, demand, sketch) + moving(choices, sketch, placement),
        Objective::Area => still(choices, demand, sketch),
    }
}

/// The objective wherever it lies, when moving values takes at least so many bits times links.
pub fn least(choices: &Choices, demand: &Demand, sketch: &Sketch, links: f64) -> f64 {
    let chip = choices.chip();
    match choices.given.plan.objective {
        Objective::Energy => {
            let nets = sketch.circuit.nets.iter().map(|net| cost::least_net_joules(chip, net));
            parts(choices, sketch, None) + nets.sum::<f64>() + links * chip.mesh.energy_per_bit
        }
        Objective::Time | Objective::Area => sketch.assignment.cost.max(still(choices, demand, sketch)),
    }
}

/// Joules of all parts, which work as long as what analog wires join them to.
fn parts(choices: &Choices, sketch: &Sketch, cores: Option<&[usize]>) -> f64 {
    let (given, tiling, Sketch { decisions, circuit, .. }) = (choices.given, choices.tiling, sketch);
    let mut joules = 0.0;
    for whole in crate::map::place::wholes(circuit) {
        let spans = cost::time::spans(given, tiling, decisions, circuit, &whole, cores);
        let driven = cost::time::driven(given, tiling, decisions, circuit, &whole, &spans);
        for id in &whole {
            let part = &circuit.parts[id.0];
            let of =
                driven.iter().find(|(block, _)| matches!(part.role, Role::Array { block: of, .. } if of == *block));
            let seconds = of.map(|(_, seconds)| *seconds);
            let how = decisions.on_tiles(part.node);
            for event in cost::events_of(given, tiling, how, part, None) {
                joules += choices.found.expected(given, tiling, how, part, &event, seconds);
            }
        }
    }
    joules
}

/// The objective before anything is moved.
fn still(choices: &Choices, demand: &Demand, sketch: &Sketch) -> f64 {
    let demand = Demand { links: Some(std::rc::Rc::new(Links::default())), ..demand.clone() };
    let assignment = &sketch.assignment;
    choices.value(&assignment.choice, &assignment.states, &demand).map_or(f64::INFINITY, |(cost, _)| cost)
}

/// Seconds that values of each operator are on their way, the slowest of them.
fn moving(choices: &Choices, sketch: &Sketch, placement: &Placement) -> f64 {
    let mut slowest: BTreeMap<NodeId, f64> = BTreeMap::new();
    for net in &sketch.circuit.nets {
        let seconds = cost::time::moving(choices.chip(), &placement.cores, net) * net.firings;
        let known = slowest.entry(net.source).or_default();
        *known = known.max(seconds);
    }
    slowest.into_values().sum()
}
