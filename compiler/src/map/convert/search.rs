//! The joint choice of domains and cores: the most promising assignments first, each placed, until nothing left can be better. Analog
//! wires that bind more than a core holds are cut.

use std::collections::BTreeSet;
use std::rc::Rc;

use nmc_grammar::diagnostic::Diagnostic;

use super::choices::Choices;
use super::describe;
use super::limit;
use super::pbqp::Solution;
use super::problem::{Assignment, Demand, Limits};
use super::transport::Links;
use super::worth;
use crate::forms::circuit::{Circuit, End, PartId};
use crate::forms::decisions::{Decisions, Implementation, OnTiles, Summing};
use crate::forms::placement::Placement;

/// Nodes of problems solved, and parts placed, before the search stops with what it has.
const WORK: usize = 60_000;
const PLACED: usize = 3_000;
/// A placement takes at least as long as that of so many parts.
const SMALLEST: usize = 16;
/// Times that what moving really takes is fed back.
const ROUNDS: usize = 3;
/// Cuts of one island that are compared, and cuts made, where nothing that fits was found otherwise.
const COMPARED: usize = 12;
const DEEPEST: usize = 400;

/// Why a circuit does not fit a chip.
#[derive(Debug, Clone)]
pub struct Misfit {
    /// Parts that would have to lie on one core and cannot.
    pub parts: Vec<PartId>,
    /// Whether it is their arrays that are too many, however else they are computed.
    pub arrays: bool,
    pub diagnostic: Diagnostic,
}

/// Whether circuits find room, and where.
pub struct Site<'a> {
    /// The least that moving values takes, in bits times links.
    pub least: &'a dyn Fn(&Circuit) -> Result<f64, Box<Misfit>>,
    /// Finds a place for every part; none: it need not be known where they lie.
    pub place: Option<&'a Place<'a>>,
}

/// Where the parts of a circuit lie.
type Place<'a> = dyn Fn(&Circuit) -> Result<Placement, Box<Misfit>> + 'a;

/// A design that fits.
pub struct Design {
    pub assignment: Assignment,
    pub decisions: Decisions,
    pub circuit: Circuit,
    pub placement: Placement,
    /// The objective where it lies.
    pub value: f64,
    /// No design that keeps to the demand is worth less.
    pub bound: f64,
}

impl Design {
    /// That of an assignment; none where it does not fit.
    pub fn of(choices: &Choices, demand: &Demand, assignment: Assignment, site: &Site) -> Option<Design> {
        let sketch = Sketch::of(choices, demand, assignment);
        (site.least)(&sketch.circuit).ok()?;
        let placement = (site.place?)(&sketch.circuit).ok()?;
        let value = worth::lying(choices, demand, &sketch, &placement);
        let Sketch { assignment, decisions, circuit } = sketch;
        Some(Design { assignment, decisions, circuit, placement, value, bound: 0.0 })
    }
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

/// The best design found for a demand whose error is at most `error` (where that is given) and whose islands fit.
pub fn search(choices: &Choices, base: &Demand, error: Option<f64>, site: &Site) -> Result<Design, Failed> {
    let plain = choices.solve(base).ok_or(Failed::NoWay)?;
    let mut demand = base.clone();
    let mut start = None;
    if let Some(error) = error.filter(|error| plain.error > *error) {
        let (assignment, _, multiplier) =
            limit::within(choices, base, plain.clone(), error).map_err(Failed::Unreachable)?;
        demand.multiplier = multiplier;
        start = Some(assignment);
    }
    let (open, floor) = (Vec::new(), f64::INFINITY);
    let mut search =
        Search { choices, demand, error, site, open, floor, best: None, misfit: None, work: 0, placed: 0, first: None };
    search.open(Limits::default());
    if let Some(assignment) = start {
        search.consider(search.sketch(assignment), 0.0);
    }
    search.run();
    if search.best.is_none() {
        search.dive();
    }
    let bound = search.open.iter().map(|item| item.key).fold(search.floor, f64::min);
    match (search.best, search.misfit) {
        (Some(best), _) => Ok(Design { bound: bound.min(best.value), ..best }),
        (None, Some(misfit)) => Err(Failed::Misfit(misfit)),
        (None, None) => Err(Failed::NoWay),
    }
}

/// An assignment written out.
pub struct Sketch {
    pub assignment: Assignment,
    pub decisions: Decisions,
    pub circuit: Circuit,
}

impl Sketch {
    pub fn of(choices: &Choices, demand: &Demand, assignment: Assignment) -> Sketch {
        let decisions = describe::decisions(choices, &assignment, demand);
        let circuit = crate::map::circuit::build(choices.given, choices.tiling, &decisions);
        Sketch { assignment, decisions, circuit }
    }
}

/// A set of assignments, by its cheapest, or one that only has to be placed.
struct Item {
    /// No design among them is worth less.
    key: f64,
    what: What,
}

enum What {
    /// One whose cheapest is not known yet: its key is that of what it was divided from.
    Part(Limits),
    Set(Limits, Solution),
    One(Box<Sketch>),
}

/// An analog wire of an island: a signal, by its node in the problem, or the line that adds a layer's sums.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wire {
    Signal(usize),
    Sum(usize),
}

struct Search<'a, 'c> {
    choices: &'a Choices<'c>,
    /// With the multiplier of the error that gives the best bound.
    demand: Demand,
    error: Option<f64>,
    site: &'a Site<'a>,
    open: Vec<Item>,
    /// The least bound of what was left aside.
    floor: f64,
    best: Option<Design>,
    misfit: Option<Box<Misfit>>,
    work: usize,
    placed: usize,
    /// The set whose cheapest did not fit first.
    first: Option<(Limits, Solution)>,
}

impl Search<'_, '_> {
    fn limited(&self, limits: Limits) -> Demand {
        Demand { limits, ..self.demand.clone() }
    }

    /// Adds a set of assignments, if it has any.
    fn open(&mut self, limits: Limits) {
        self.work += self.choices.posed(&self.demand).problem.costs.len();
        let demand = self.limited(limits);
        let Some(solution) = self.choices.solution(&demand) else { return };
        let relaxed = self.demand.multiplier * self.error.unwrap_or(0.0);
        let key = solution.lower_bound - relaxed + self.choices.links.host;
        if key.is_finite() && !self.beaten(key) {
            self.open.push(Item { key, what: What::Set(demand.limits, solution) });
        }
    }

    /// Whether nothing above a bound is better than what is known.
    fn beaten(&self, key: f64) -> bool {
        self.best.as_ref().is_some_and(|best| best.value <= key + 1e-12 * key.abs())
    }

    fn run(&mut self) {
        loop {
            let least = (0..self.open.len()).min_by(|&a, &b| self.open[a].key.total_cmp(&self.open[b].key));
            let Some(least) = least else { return };
            let spent = self.work > WORK || (self.placed > PLACED && self.best.is_some());
            if spent || self.beaten(self.open[least].key) {
                return;
            }
            let item = self.open.swap_remove(least);
            match item.what {
                What::Part(limits) => self.open(limits),
                What::One(sketch) => self.place(*sketch, item.key),
                What::Set(limits, solution) => {
                    if self.examine(limits, solution, item.key) {
                        return;
                    }
                }
            }
        }
    }

    /// Looks at the cheapest of a set and divides the rest; whether the search is over.
    fn examine(&mut self, limits: Limits, solution: Solution, key: f64) -> bool {
        let demand = self.limited(limits.clone());
        let Some(assignment) = self.choices.assignment(solution.clone(), &demand) else { return false };
        if self.error.is_some_and(|error| assignment.error > error * (1.0 + 1e-9)) {
            self.divide((&limits, key), &solution, &[], true);
            return false;
        }
        let sketch = self.sketch(assignment);
        match (self.site.least)(&sketch.circuit) {
            Ok(links) if self.site.place.is_none() => {
                self.finish(sketch, Placement::default(), links);
                return true;
            }
            Ok(links) => {
                let least = key.max(worth::least(self.choices, &self.demand, &sketch, links));
                match self.best {
                    // Something is known soon: most of the rest cannot be better.
                    None => {
                        self.place(sketch, least);
                        if self.best.is_none() {
                            self.first.get_or_insert((limits.clone(), solution.clone()));
                        }
                    }
                    Some(_) => self.open.push(Item { key: least, what: What::One(Box::new(sketch)) }),
                }
                self.divide((&limits, key), &solution, &[], true);
            }
            Err(misfit) if misfit.parts.is_empty() => {
                // However it is computed.
                self.misfit = Some(misfit);
                return true;
            }
            Err(misfit) => {
                let wires = self.wires(&sketch, &misfit.parts);
                let rest = !misfit.arrays || !self.choices.chip().links.is_empty();
                self.divide((&limits, key), &solution, &wires, rest);
                self.first.get_or_insert((limits, solution));
                self.misfit.get_or_insert(misfit);
            }
        }
        false
    }

    fn sketch(&self, assignment: Assignment) -> Sketch {
        Sketch::of(self.choices, &self.demand, assignment)
    }

    /// Puts a design on its cores if that can be.
    fn consider(&mut self, sketch: Sketch, key: f64) {
        match (self.site.least)(&sketch.circuit) {
            Ok(links) if self.site.place.is_none() => self.finish(sketch, Placement::default(), links),
            Ok(_) => self.place(sketch, key),
            Err(misfit) => drop(self.misfit.get_or_insert(misfit)),
        }
    }

    fn place(&mut self, sketch: Sketch, key: f64) {
        let Some(place) = self.site.place else { return };
        self.placed += sketch.circuit.parts.len().max(SMALLEST);
        match place(&sketch.circuit) {
            Ok(placement) => {
                // It may lie better, or better in what places are not found for; it is not worth less than that.
                let least = worth::least(self.choices, &self.demand, &sketch, placement.lower_bound);
                self.floor = self.floor.min(least.max(key));
                let first = self.best.is_none();
                self.finish(sketch, placement, 0.0);
                if first {
                    self.feed_back();
                }
            }
            Err(misfit) => drop(self.misfit.get_or_insert(misfit)),
        }
    }

    fn finish(&mut self, sketch: Sketch, placement: Placement, links: f64) {
        let value = match self.site.place {
            Some(_) => worth::lying(self.choices, &self.demand, &sketch, &placement),
            None => worth::least(self.choices, &self.demand, &sketch, links),
        };
        if self.best.as_ref().is_none_or(|best| value < best.value) {
            let Sketch { assignment, decisions, circuit } = sketch;
            self.best = Some(Design { assignment, decisions, circuit, placement, value, bound: value });
        }
    }

    /// Solves again with what moving values really takes where they lie, until nothing changes.
    fn feed_back(&mut self) {
        for _ in 0..ROUNDS {
            let Some(best) = &self.best else { return };
            let links = Some(Rc::new(Links::lying(self.choices, &best.circuit, &best.placement)));
            let before = (best.assignment.choice.clone(), best.assignment.states.clone(), best.value);
            let demand = Demand { links, ..self.demand.clone() };
            let Some(found) = self.choices.solve(&demand) else { return };
            if (&found.choice, &found.states) == (&before.0, &before.1) || self.placed > PLACED {
                return;
            }
            // What it costs is said with the least links, as everything else.
            let Some(found) = self.choices.assignment(found.solution, &self.demand) else { return };
            if self.error.is_some_and(|error| found.error > error) {
                return;
            }
            let sketch = self.sketch(found);
            if let (Ok(_), Some(place)) = ((self.site.least)(&sketch.circuit), self.site.place) {
                self.placed += sketch.circuit.parts.len().max(SMALLEST);
                if let Ok(placement) = place(&sketch.circuit) {
                    self.finish(sketch, placement, 0.0);
                }
            }
            if self.best.as_ref().is_none_or(|best| best.value >= before.2) {
                return;
            }
        }
    }

    /// The rest of a set without its cheapest: what cuts the first of these wires, what keeps it and cuts the second, and so on; then,
    /// where that may be, what differs in the first node, what is alike there and differs in the second, and so on.
    fn divide(&mut self, (limits, key): (&Limits, f64), solution: &Solution, wires: &[Wire], rest: bool) {
        let part = |limits| Item { key, what: What::Part(limits) };
        let mut kept = limits.clone();
        for &wire in wires {
            let mut cut = kept.clone();
            cut.banned.extend(self.bans(wire, true));
            self.open.push(part(cut));
            kept.banned.extend(self.bans(wire, false));
        }
        if !rest {
            return;
        }
        let posed = self.choices.posed(&self.demand);
        let sizes: Vec<usize> = posed.problem.costs.iter().map(Vec::len).collect();
        for (node, &alternative) in solution.choice.iter().enumerate() {
            if kept.fixed.contains_key(&node) || sizes[node] < 2 {
                continue;
            }
            let mut other = kept.clone();
            other.banned.insert((node, alternative));
            self.open.push(part(other));
            kept.fixed.insert(node, alternative);
        }
    }

    /// Analog wires of an island, in order.
    fn wires(&self, sketch: &Sketch, island: &[PartId]) -> Vec<Wire> {
        let Sketch { decisions, circuit, .. } = sketch;
        let inside: BTreeSet<PartId> = island.iter().copied().collect();
        let holds = |end: &End| matches!(end, End::Part(part) if inside.contains(part));
        let mut all = BTreeSet::new();
        for net in circuit.nets.iter().filter(|net| net.is_analog() && holds(&net.from) && net.to.iter().any(holds)) {
            let within =
                net.to.iter().all(|end| matches!(end, End::Part(part) if circuit.parts[part.0].node == net.source));
            let on_line = decisions.choice(net.source).is_some_and(|choice| {
                matches!(choice.implementation, Implementation::Tile(OnTiles { sum: Summing::Line(_), .. }))
            });
            if within && on_line {
                all.insert(Wire::Sum(self.choices.index(net.source)));
            } else if let Some(fan) = self.choices.fans.keys().position(|source| *source == net.source) {
                all.insert(Wire::Signal(self.choices.nodes.len() + fan));
            }
        }
        all.into_iter().collect()
    }

    /// What is left out when a wire is cut, or kept.
    fn bans(&self, wire: Wire, cut: bool) -> Vec<(usize, usize)> {
        let choices = self.choices;
        let (node, analog): (usize, Vec<bool>) = match wire {
            Wire::Sum(node) => (node, choices.alternatives[node].iter().map(|one| !one.converts).collect()),
            Wire::Signal(node) => {
                let posed = choices.posed(&self.demand);
                (node, posed.states[node - choices.nodes.len()].iter().map(|state| state.is_analog()).collect())
            }
        };
        (0..analog.len()).filter(|&index| analog[index] == cut).map(|index| (node, index)).collect()
    }

    /// Cuts and cuts again, always what costs least, until everything fits.
    fn dive(&mut self) {
        let Some((mut limits, mut solution)) = self.first.take() else { return };
        for _ in 0..DEEPEST {
            let demand = self.limited(limits.clone());
            let Some(mut found) = self.choices.assignment(solution.clone(), &demand) else { return };
            if let Some(error) = self.error.filter(|error| found.error > *error) {
                let plain = Demand { multiplier: 0.0, ..demand };
                let Some(cheapest) = self.choices.solve(&plain) else { return };
                let Ok((within, ..)) = limit::within(self.choices, &plain, cheapest, error) else { return };
                found = within;
            }
            let sketch = self.sketch(found);
            let fits = (self.site.least)(&sketch.circuit);
            let placed = fits.and_then(|links| match self.site.place {
                Some(place) => place(&sketch.circuit).map(|placement| (placement, links)),
                None => Ok((Placement::default(), links)),
            });
            match placed {
                Ok((placement, links)) => return self.finish(sketch, placement, links),
                Err(misfit) => {
                    let wires = self.wires(&sketch, &misfit.parts);
                    let spaced = wires.iter().step_by(wires.len().div_ceil(COMPARED).max(1));
                    let cuts = spaced.filter_map(|&wire| {
                        let mut cut = limits.clone();
                        cut.banned.extend(self.bans(wire, true));
                        let solution = self.choices.solution(&self.limited(cut.clone()))?;
                        Some((cut, solution))
                    });
                    let best = cuts.min_by(|a, b| a.1.value.total_cmp(&b.1.value));
                    let Some(best) = best.filter(|(cut, _)| *cut != limits) else { return };
                    (limits, solution) = best;
                }
            }
        }
    }
}
