//! Deciding conversions as a PBQP: nodes for operators and for what signals leave as, edges for converters between.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::alternatives::Alternative;
use super::choices::{Choices, Leaving, State};
use super::pbqp::{Problem, Solution};
use super::transport::Links;
use crate::forms::network::NodeId;
use crate::graph::operands;

/// Alternatives of the problem's nodes that are left out, or alone left in.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limits {
    pub banned: BTreeSet<(usize, usize)>,
    pub fixed: BTreeMap<usize, usize>,
}

/// What is asked of a solution.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Objective for each unit of relative error variance.
    pub multiplier: f64,
    pub everywhere: bool,
    /// A pin to leave out.
    pub without: Option<usize>,
    /// Weight of the objective: 0 minimises error alone.
    pub weight: f64,
    pub limits: Limits,
    /// Links that bits are taken to pass, where that is known better than by the least there can be.
    pub links: Option<Rc<Links>>,
}

impl Demand {
    /// The plain objective.
    pub fn plain() -> Self {
        let limits = Limits::default();
        Demand { multiplier: 0.0, everywhere: false, without: None, weight: 1.0, limits, links: None }
    }

    pub fn links<'a>(&'a self, choices: &'a Choices) -> &'a Links {
        self.links.as_deref().unwrap_or(&choices.links)
    }
}

/// An assignment: an alternative for each node, and what each signal leaves as (a number among its states).
#[derive(Debug, Clone)]
pub struct Assignment {
    pub choice: Vec<usize>,
    pub states: Vec<usize>,
    pub cost: f64,
    pub error: f64,
    pub solution: Solution,
}

/// A demand's problem, whatever its limits, and what each signal may leave as.
pub struct Posed {
    pub problem: Problem,
    pub states: Vec<Vec<State>>,
    /// What it costs to leave as each of them, for each alternative of the source.
    pub leaving: Vec<Vec<Vec<f64>>>,
}

impl Choices<'_> {
    /// The cheapest solution for a demand; none when every assignment is forbidden.
    pub fn solution(&self, demand: &Demand) -> Option<Solution> {
        let posed = self.posed(demand);
        let limits = &demand.limits;
        let mut costs = posed.problem.costs.clone();
        for &(node, alternative) in &limits.banned {
            costs[node][alternative] = f64::INFINITY;
        }
        for (&node, &alternative) in &limits.fixed {
            let others = costs[node].iter_mut().enumerate().filter(|(other, _)| *other != alternative);
            others.for_each(|(_, cost)| *cost = f64::INFINITY);
        }
        posed.problem.solve_at(costs)
    }

    /// The same as an assignment.
    pub fn solve(&self, demand: &Demand) -> Option<Assignment> {
        self.assignment(self.solution(demand)?, demand)
    }

    pub fn assignment(&self, solution: Solution, demand: &Demand) -> Option<Assignment> {
        let (choice, states) = solution.choice.split_at(self.nodes.len());
        let (choice, states) = (choice.to_vec(), states.to_vec());
        let (cost, error) = self.value(&choice, &states, demand)?;
        Some(Assignment { choice, states, cost, error, solution })
    }

    pub fn posed(&self, demand: &Demand) -> Rc<Posed> {
        let demand = Demand { limits: Limits::default(), ..demand.clone() };
        if let Some((_, known)) = self.known.borrow().iter().find(|(of, _)| *of == demand) {
            return known.clone();
        }
        let (mut problem, mut all_states, mut all_leaving) = (Problem::default(), Vec::new(), Vec::new());
        for (index, all) in self.alternatives.iter().enumerate() {
            let costs = all.iter().map(|alternative| match self.allowed(index, alternative, &demand) {
                true => self.weigh(&demand, self.own(index, alternative, &demand)),
                false => f64::INFINITY,
            });
            problem.node(costs.collect());
        }
        for &source in self.fans.keys() {
            let (states, leaving) = self.states(source, &demand);
            let fan = problem.node(vec![0.0; states.len()]);
            problem.edge(self.index(source), fan, &leaving);
            for to in self.consumers(source) {
                let row = |state: &State| -> Vec<f64> {
                    let ends = self.alternatives[self.index(to)].iter();
                    let taken = ends.map(|end| self.take(source, &state.set, state.width, (to, end), &demand));
                    taken.map(|paid| paid.map_or(f64::INFINITY, |paid| self.weigh(&demand, paid))).collect()
                };
                problem.edge(fan, self.index(to), &states.iter().map(row).collect::<Vec<_>>());
            }
            all_states.push(states);
            all_leaving.push(leaving);
        }
        let posed = Rc::new(Posed { problem, states: all_states, leaving: all_leaving });
        self.known.borrow_mut().push((demand, posed.clone()));
        posed
    }

    /// How each signal leaves its source under an assignment, in the order of sources; none: it cannot.
    pub fn left(&self, choice: &[usize], states: &[usize], demand: &Demand) -> Option<Vec<Leaving>> {
        let posed = self.posed(demand);
        let each = self.fans.keys().zip(&posed.states).zip(states).map(|((&source, all), &state)| {
            let index = self.index(source);
            let set = all.get(state)?.set.clone();
            let (tree, width) = self.leave(source, &self.alternatives[index][choice[index]], &set, demand)?;
            Some(Leaving { set, tree, width })
        });
        each.collect()
    }

    /// Objective and relative error of an assignment; none when converters are missing.
    pub fn value(&self, choice: &[usize], states: &[usize], demand: &Demand) -> Option<(f64, f64)> {
        let mut sum = (0.0, 0.0);
        let mut add = |(paid, error): (f64, f64)| sum = (sum.0 + paid, sum.1 + error);
        let chosen = |node: NodeId| &self.alternatives[self.index(node)][choice[self.index(node)]];
        for (index, &alternative) in choice.iter().enumerate() {
            add(self.own(index, &self.alternatives[index][alternative], demand));
        }
        for (&source, Leaving { set, tree, width }) in self.fans.keys().zip(self.left(choice, states, demand)?) {
            add(self.leaving(source, chosen(source), &tree));
            for to in self.consumers(source) {
                add(self.take(source, &set, width, (to, chosen(to)), demand)?);
            }
        }
        Some(sum)
    }

    /// Node by node in the order of signals, what is cheapest given what came before, blind to what comes after.
    pub fn greedy(&self, demand: &Demand) -> Option<Assignment> {
        let mut limits = Limits::default();
        let posed = self.posed(demand);
        let fans: BTreeMap<NodeId, usize> = self.fans.keys().enumerate().map(|(fan, &source)| (source, fan)).collect();
        for node in crate::graph::order(self.given.network) {
            let index = self.index(node);
            let sources = operands(self.given.network, node);
            let total = |alternative: &Alternative| {
                if !self.allowed(index, alternative, demand) {
                    return f64::INFINITY;
                }
                let arriving = sources.iter().map(|&source| {
                    let from = limits.fixed.get(&self.index(source)).copied().unwrap_or(0);
                    let (states, leaving) = (&posed.states[fans[&source]], &posed.leaving[fans[&source]]);
                    let ways = states.iter().zip(&leaving[from]).map(|(state, cost)| {
                        let taken = self.take(source, &state.set, state.width, (node, alternative), demand);
                        cost + taken.map_or(f64::INFINITY, |paid| self.weigh(demand, paid))
                    });
                    ways.fold(f64::INFINITY, f64::min)
                });
                self.weigh(demand, self.own(index, alternative, demand)) + arriving.sum::<f64>()
            };
            let costs: Vec<f64> = self.alternatives[index].iter().map(total).collect();
            let best = (0..costs.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b]))?;
            if costs[best].is_infinite() {
                return None;
            }
            limits.fixed.insert(index, best);
        }
        // What signals leave as is what suits all that take them.
        self.solve(&Demand { limits, ..demand.clone() })
    }
}
