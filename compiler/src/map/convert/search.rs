//! The joint choice of domains and cores: solve, find islands of analog wires that fit no core, cut, solve again; best first, with a bound.

use std::collections::BTreeSet;

use nmc_grammar::diagnostic::Diagnostic;

use super::describe;
use super::limit;
use super::problem::{Assignment, Choices, Cuts, Demand};
use crate::forms::circuit::{Circuit, End, PartId};
use crate::forms::decisions::{Decisions, Implementation, OnTiles, Summing};
use crate::forms::placement::Placement;

/// Sets of cuts tried at most.
const MOST: usize = 400;

/// Why a circuit does not fit a chip.
#[derive(Debug, Clone)]
pub struct Misfit {
    /// Parts that would have to lie on one core and cannot.
    pub parts: Vec<PartId>,
    pub diagnostic: Diagnostic,
}

/// Finds a place for every part of a circuit.
pub type Fit<'a> = dyn Fn(&Decisions, &Circuit) -> Result<Placement, Box<Misfit>> + 'a;

/// A design that fits.
pub struct Design {
    pub assignment: Assignment,
    pub decisions: Decisions,
    pub circuit: Circuit,
    pub placement: Placement,
    /// No design that keeps to the demand costs less, before transport.
    pub bound: f64,
}

/// Why there is none.
pub enum Failed {
    /// No assignment is possible at all.
    NoWay,
    /// The accuracy limit cannot be met; the least error there is.
    Unreachable(f64),
    /// Nothing fits the chip's cores.
    Misfit(Box<Misfit>),
}

/// The cheapest design for a demand whose error is at most `error` (where that is given) and whose islands fit.
pub fn search(choices: &Choices, base: &Demand, error: Option<f64>, fit: &Fit) -> Result<Design, Failed> {
    let solve = |cuts: Cuts| -> Result<(Assignment, f64, Demand), Failed> {
        let demand = Demand { cuts, ..base.clone() };
        let plain = choices.solve(&demand).ok_or(Failed::NoWay)?;
        match error {
            Some(error) => {
                let (best, bound) = limit::within(choices, &demand, plain, error).map_err(Failed::Unreachable)?;
                Ok((best, bound, demand))
            }
            None => {
                let bound = plain.solution.lower_bound;
                Ok((plain, bound, demand))
            }
        }
    };
    let mut open = vec![solve(Cuts::default())?];
    let mut tried: BTreeSet<Cuts> = BTreeSet::from([Cuts::default()]);
    let mut misfit = None;
    for _ in 0..MOST {
        // The most promising first: the least bound, then the least cost.
        let order = |(assignment, bound, _): &(Assignment, f64, Demand)| (*bound, assignment.cost);
        let best = (0..open.len()).min_by(|&a, &b| {
            let (a, b) = (order(&open[a]), order(&open[b]));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let Some(best) = best else { break };
        let (assignment, bound, demand) = open.swap_remove(best);
        let decisions = describe::decisions(choices, &assignment.choice, &demand);
        let circuit = crate::map::circuit::build(choices.given, choices.tiling, &decisions);
        match fit(&decisions, &circuit) {
            Ok(placement) => return Ok(Design { assignment, decisions, circuit, placement, bound }),
            Err(found) => {
                for cuts in cuts(&demand.cuts, &decisions, &circuit, &found.parts) {
                    if tried.insert(cuts.clone())
                        && let Ok(solved) = solve(cuts)
                    {
                        open.push(solved);
                    }
                }
                misfit.get_or_insert(found);
            }
        }
    }
    Err(misfit.map_or(Failed::NoWay, Failed::Misfit))
}

/// Every way to cut one analog wire of an island.
fn cuts(before: &Cuts, decisions: &Decisions, circuit: &Circuit, island: &[PartId]) -> Vec<Cuts> {
    let inside: BTreeSet<PartId> = island.iter().copied().collect();
    let holds = |end: &End| matches!(end, End::Part(part) if inside.contains(part));
    let mut all = BTreeSet::new();
    for net in circuit.nets.iter().filter(|net| net.is_analog() && holds(&net.from) && net.to.iter().any(holds)) {
        let within =
            net.to.iter().all(|end| matches!(end, End::Part(part) if circuit.parts[part.0].node == net.source));
        let on_line = decisions.choice(net.source).is_some_and(|choice| {
            matches!(choice.implementation, Implementation::Tile(OnTiles { sum: Summing::Line(_), .. }))
        });
        let mut cuts = before.clone();
        if within && on_line {
            cuts.sums.insert(net.source);
        } else {
            cuts.signals.insert(net.source);
        }
        all.insert(cuts);
    }
    all.into_iter().filter(|cuts| cuts != before).collect()
}
