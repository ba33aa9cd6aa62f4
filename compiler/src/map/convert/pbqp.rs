//! Partitioned Boolean quadratic problems: one alternative for each node, so that the costs of nodes and edges add up to the
//! least. Nodes of degree 0, 1 and 2 are reduced exactly; the rest is searched by branch and bound. Deterministic.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Branches tried before the search stops with what it has.
const BRANCHES: usize = 100_000;

/// A problem. Costs may be infinite (forbidden), never NaN or negative infinity.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// Cost of each alternative of each node.
    pub costs: Vec<Vec<f64>>,
    /// Cost of each pair of alternatives of nodes (u, v), u < v: `matrix[a][b]`.
    pub edges: Edges,
}

/// Parts of a search share what they do not change.
type Edges = BTreeMap<(usize, usize), Rc<Vec<Vec<f64>>>>;

/// The best assignment found.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    pub choice: Vec<usize>,
    pub value: f64,
    /// No assignment costs less than this.
    pub lower_bound: f64,
    /// Whether the search was complete.
    pub optimal: bool,
}

impl Problem {
    /// Adds a node; its number.
    pub fn node(&mut self, costs: Vec<f64>) -> usize {
        self.costs.push(costs);
        self.costs.len() - 1
    }

    /// Adds costs to the edge between two different nodes; `matrix[a][b]` with `a` an alternative of `u`.
    pub fn edge(&mut self, u: usize, v: usize, matrix: &[Vec<f64>]) {
        let oriented = if u < v { matrix.to_vec() } else { transpose(matrix) };
        add_edge(&mut self.edges, (u.min(v), u.max(v)), oriented);
    }

    /// What an assignment costs.
    pub fn value(&self, choice: &[usize]) -> f64 {
        let nodes: f64 = self.costs.iter().zip(choice).map(|(costs, &a)| costs[a]).sum();
        nodes + self.edges.iter().map(|(&(u, v), matrix)| matrix[choice[u]][choice[v]]).sum::<f64>()
    }

    /// The cheapest assignment; none when every one is forbidden.
    pub fn solve(&self) -> Option<Solution> {
        self.solve_at(self.costs.clone())
    }

    /// The same where alternatives cost something else: infinity forbids them.
    pub fn solve_at(&self, costs: Vec<Vec<f64>>) -> Option<Solution> {
        let work = Work { costs: costs.into_iter().enumerate().collect(), edges: self.edges.clone() };
        let mut search = Search { branches: BRANCHES, open: f64::INFINITY };
        let found = search.run(work, 0.0, f64::INFINITY)?;
        let mut choice = vec![0; self.costs.len()];
        for (node, alternative) in found.1 {
            choice[node] = alternative;
        }
        let value = self.value(&choice);
        Some(Solution { lower_bound: search.open.min(value), optimal: search.open >= value, choice, value })
    }
}

/// What is left of a problem.
#[derive(Clone)]
struct Work {
    costs: BTreeMap<usize, Vec<f64>>,
    edges: Edges,
}

/// How to choose for a removed node once its neighbours are known.
struct Removed {
    node: usize,
    neighbours: Vec<usize>,
    /// Best alternative for each pair (or single) of alternatives of the neighbours, row-major.
    best: Vec<usize>,
    /// Alternatives of the last neighbour.
    width: usize,
}

struct Search {
    branches: usize,
    /// Least bound of a branch that was not searched.
    open: f64,
}

type Found = (f64, BTreeMap<usize, usize>);

impl Search {
    /// The best completion cheaper than `limit`; `base` is what has been paid already.
    fn run(&mut self, mut work: Work, base: f64, limit: f64) -> Option<Found> {
        let mut removed = Vec::new();
        while let Some(node) = work.reducible() {
            removed.push(work.reduce(node));
        }
        if base + work.bound() >= limit {
            return None;
        }
        let mut found = match work.branching() {
            None => {
                let choices = work.costs.iter().map(|(&node, costs)| (node, least(costs.iter().copied()).0)).collect();
                Some((base + work.bound(), choices))
            }
            Some(node) => self.branch(&work, node, base, limit),
        }?;
        for step in removed.iter().rev() {
            let index = match step.neighbours.as_slice() {
                [] => 0,
                [v] => found.1[v],
                [v, w, ..] => found.1[v] * step.width + found.1[w],
            };
            found.1.insert(step.node, step.best[index]);
        }
        Some(found)
    }

    /// Tries every alternative of a node, the most promising first.
    fn branch(&mut self, work: &Work, node: usize, base: f64, limit: f64) -> Option<Found> {
        let mut tries: Vec<(f64, usize, Work, f64)> = (0..work.costs[&node].len())
            .map(|alternative| {
                let (rest, paid) = work.fix(node, alternative);
                (base + paid + rest.bound(), alternative, rest, paid)
            })
            .collect();
        tries.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut best: Option<Found> = None;
        for (bound, alternative, rest, paid) in tries {
            let limit = best.as_ref().map_or(limit, |found| found.0.min(limit));
            if bound >= limit {
                continue;
            }
            if self.branches == 0 && best.is_some() {
                self.open = self.open.min(bound);
                continue;
            }
            self.branches = self.branches.saturating_sub(1);
            if let Some(mut found) = self.run(rest, base + paid, limit) {
                found.1.insert(node, alternative);
                best = Some(found);
            }
        }
        best
    }
}

impl Work {
    fn neighbours(&self, node: usize) -> BTreeSet<usize> {
        let touching = self.edges.keys().filter(|(u, v)| *u == node || *v == node);
        touching.map(|&(u, v)| if u == node { v } else { u }).collect()
    }

    /// A node of degree 1 or 2, the least degree first. Those of degree 0 are chosen at the end.
    fn reducible(&self) -> Option<usize> {
        let mut degrees: BTreeMap<usize, usize> = BTreeMap::new();
        for &(u, v) in self.edges.keys() {
            *degrees.entry(u).or_default() += 1;
            *degrees.entry(v).or_default() += 1;
        }
        degrees.into_iter().filter(|(_, degree)| *degree <= 2).min_by_key(|&(node, degree)| (degree, node)).map(|d| d.0)
    }

    /// The node with most neighbours; none when no edges are left.
    fn branching(&self) -> Option<usize> {
        let nodes: BTreeSet<usize> = self.edges.keys().flat_map(|&(u, v)| [u, v]).collect();
        nodes.into_iter().max_by_key(|&node| (self.neighbours(node).len(), std::cmp::Reverse(node)))
    }

    /// Cost of a pair, whatever the order of the nodes.
    fn take(&mut self, u: usize, v: usize) -> Rc<Vec<Vec<f64>>> {
        let matrix = self.edges.remove(&(u.min(v), u.max(v))).unwrap_or_default();
        if u < v { matrix } else { Rc::new(transpose(&matrix)) }
    }

    /// Folds a node of degree 1 or 2 into its neighbours.
    fn reduce(&mut self, node: usize) -> Removed {
        let neighbours: Vec<usize> = self.neighbours(node).into_iter().collect();
        let costs = self.costs.remove(&node).unwrap_or_default();
        let first = self.take(node, neighbours[0]);
        let heights = self.costs[&neighbours[0]].len();
        let Some(&last) = neighbours.get(1) else {
            let (best, values): (Vec<usize>, Vec<f64>) =
                (0..heights).map(|b| least(costs.iter().zip(first.iter()).map(|(cost, row)| cost + row[b]))).unzip();
            if let Some(target) = self.costs.get_mut(&neighbours[0]) {
                target.iter_mut().zip(values).for_each(|(cost, value)| *cost += value);
            }
            return Removed { node, neighbours, best, width: 1 };
        };
        let second = self.take(node, last);
        let width = self.costs[&last].len();
        let (mut best, mut matrix) = (Vec::new(), vec![vec![0.0; width]; heights]);
        for (b, row) in matrix.iter_mut().enumerate() {
            for (c, entry) in row.iter_mut().enumerate() {
                let (alternative, value) = least((0..costs.len()).map(|a| costs[a] + first[a][b] + second[a][c]));
                best.push(alternative);
                *entry = value;
            }
        }
        add_edge(&mut self.edges, (neighbours[0], last), matrix);
        Removed { node, neighbours, best, width }
    }

    /// The rest of the problem with a node decided, and what that costs at once.
    fn fix(&self, node: usize, alternative: usize) -> (Work, f64) {
        let mut rest = self.clone();
        let paid = rest.costs.remove(&node).map_or(0.0, |costs| costs[alternative]);
        for neighbour in self.neighbours(node) {
            let matrix = rest.take(node, neighbour);
            if let Some(target) = rest.costs.get_mut(&neighbour) {
                target.iter_mut().zip(&matrix[alternative]).for_each(|(cost, extra)| *cost += extra);
            }
        }
        (rest, paid)
    }

    /// No completion costs less: every node and edge at its cheapest.
    fn bound(&self) -> f64 {
        let nodes: f64 = self.costs.values().map(|costs| least(costs.iter().copied()).1).sum();
        nodes + self.edges.values().map(|matrix| least(matrix.iter().flatten().copied()).1).sum::<f64>()
    }
}

/// The first of the least.
fn least(costs: impl Iterator<Item = f64>) -> (usize, f64) {
    let start = (0, f64::INFINITY);
    costs.enumerate().fold(start, |best, next| if next.1 < best.1 { next } else { best })
}

fn transpose(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = matrix.first().map_or(0, Vec::len);
    (0..width).map(|b| matrix.iter().map(|row| row[b]).collect()).collect()
}

fn add_edge(edges: &mut Edges, key: (usize, usize), matrix: Vec<Vec<f64>>) {
    match edges.get_mut(&key) {
        None => drop(edges.insert(key, Rc::new(matrix))),
        Some(old) => {
            for (row, extra) in Rc::make_mut(old).iter_mut().zip(matrix) {
                row.iter_mut().zip(extra).for_each(|(cost, value)| *cost += value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All assignments, one after another.
    fn brute_force(problem: &Problem) -> f64 {
        let mut choice = vec![0; problem.costs.len()];
        let mut best = f64::INFINITY;
        loop {
            best = best.min(problem.value(&choice));
            let Some(node) = (0..choice.len()).find(|&n| choice[n] + 1 < problem.costs[n].len()) else { return best };
            choice[node] += 1;
            choice[..node].fill(0);
        }
    }

    /// Whole costs, so that equal means equal; one in five forbidden.
    fn cost() -> impl Strategy<Value = f64> {
        prop_oneof![4 => (0..20_i32).prop_map(f64::from), 1 => Just(f64::INFINITY)]
    }

    fn problem() -> impl Strategy<Value = Problem> {
        prop::collection::vec(1..4_usize, 1..8).prop_flat_map(|sizes| {
            let costs: Vec<_> = sizes.iter().map(|&n| prop::collection::vec(cost(), n)).collect();
            let pairs: Vec<_> = (0..sizes.len()).flat_map(|v| (0..v).map(move |u| (u, v))).collect();
            let edges: Vec<_> = pairs
                .iter()
                .map(|&(u, v)| {
                    let rows = prop::collection::vec(prop::collection::vec(cost(), sizes[v]), sizes[u]);
                    prop::option::weighted(0.6, rows)
                })
                .collect();
            (costs, edges).prop_map(move |(costs, edges)| Problem {
                costs,
                edges: pairs.iter().copied().zip(edges).filter_map(|(key, edge)| Some((key, Rc::new(edge?)))).collect(),
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn equals_brute_force(problem in problem()) {
            let best = brute_force(&problem);
            match problem.solve() {
                None => prop_assert!(best.is_infinite()),
                Some(solution) => {
                    prop_assert_eq!(solution.value, best);
                    prop_assert_eq!(problem.value(&solution.choice), best);
                    prop_assert_eq!(solution.lower_bound, best);
                    prop_assert!(solution.optimal);
                }
            }
        }
    }
}
