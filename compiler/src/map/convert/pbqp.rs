//! Partitioned Boolean quadratic problems: one alternative for each node, so that the costs of nodes and edges add up to the
//! least. Nodes of degree 0, 1 and 2 are reduced exactly; the rest is searched by branch and bound. Deterministic.

use std::collections::BTreeMap;
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
type Edges = BTreeMap<(usize, usize), Rc<Matrix>>;
type Matrix = Vec<Vec<f64>>;

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
        let mut oriented = if u < v { matrix.to_vec() } else { transpose(matrix) };
        let edge = self.edges.entry((u.min(v), u.max(v))).or_default();
        add_to(&mut oriented, edge);
        *edge = Rc::new(oriented);
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
        let mut work = Work { edges: vec![Vec::new(); costs.len()], costs: costs.into_iter().map(Some).collect() };
        for (&(u, v), matrix) in &self.edges {
            work.edges[u].push((v, matrix.clone()));
            work.edges[v].push((u, matrix.clone()));
        }
        let mut search = Search { branches: BRANCHES, open: f64::INFINITY };
        let found = search.run(work, 0.0, f64::INFINITY)?;
        let choice = found.1;
        let value = self.value(&choice);
        Some(Solution { lower_bound: search.open.min(value), optimal: search.open >= value, choice, value })
    }
}

/// What is left of a problem.
#[derive(Clone)]
struct Work {
    /// Of each node that is left.
    costs: Vec<Option<Vec<f64>>>,
    /// Each node's neighbours in order, with the costs of pairs: rows for alternatives of the node that comes first.
    edges: Vec<Vec<(usize, Rc<Matrix>)>>,
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

/// What the best completion costs, and an alternative for each node.
type Found = (f64, Vec<usize>);

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
                let of = |costs: &Option<Vec<f64>>| costs.as_ref().map_or(0, |costs| least(costs.iter().copied()).0);
                Some((base + work.bound(), work.costs.iter().map(of).collect()))
            }
            Some(node) => self.branch(&work, node, base, limit),
        }?;
        for step in removed.iter().rev() {
            let index = match step.neighbours.as_slice() {
                [] => 0,
                [v] => found.1[*v],
                [v, w, ..] => found.1[*v] * step.width + found.1[*w],
            };
            found.1[step.node] = step.best[index];
        }
        Some(found)
    }

    /// Tries every alternative of a node, the most promising first.
    fn branch(&mut self, work: &Work, node: usize, base: f64, limit: f64) -> Option<Found> {
        let mut tries: Vec<(f64, usize, Work, f64)> = (0..work.sizes(node))
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
                found.1[node] = alternative;
                best = Some(found);
            }
        }
        best
    }
}

impl Work {
    fn sizes(&self, node: usize) -> usize {
        self.costs[node].as_ref().map_or(0, Vec::len)
    }

    /// A node of degree 1 or 2, the least degree first. Those of degree 0 are chosen at the end.
    fn reducible(&self) -> Option<usize> {
        let of = |degree: usize| self.edges.iter().position(|edges| edges.len() == degree);
        of(1).or_else(|| of(2))
    }

    /// The node with most neighbours; none when no edges are left.
    fn branching(&self) -> Option<usize> {
        let nodes = (0..self.edges.len()).filter(|&node| !self.edges[node].is_empty());
        nodes.max_by_key(|&node| (self.edges[node].len(), std::cmp::Reverse(node)))
    }

    /// Takes a node out: its costs, and its neighbours in order with the costs of pairs, rows for its own alternatives.
    fn take(&mut self, node: usize) -> (Vec<f64>, Vec<(usize, Rc<Matrix>)>) {
        let mut edges = std::mem::take(&mut self.edges[node]);
        for (neighbour, matrix) in &mut edges {
            self.edges[*neighbour].retain(|(other, _)| *other != node);
            if *neighbour < node {
                *matrix = Rc::new(transpose(matrix));
            }
        }
        (self.costs[node].take().unwrap_or_default(), edges)
    }

    fn add(&mut self, node: usize, extra: impl Iterator<Item = f64>) {
        self.costs[node].iter_mut().flatten().zip(extra).for_each(|(cost, extra)| *cost += extra);
    }

    /// Folds a node of degree 1 or 2 into its neighbours.
    fn reduce(&mut self, node: usize) -> Removed {
        let (costs, edges) = self.take(node);
        let neighbours = edges.iter().map(|(neighbour, _)| *neighbour).collect();
        let (near, first) = &edges[0];
        let heights = self.sizes(*near);
        let Some((last, second)) = edges.get(1) else {
            let (best, values): (Vec<usize>, Vec<f64>) =
                (0..heights).map(|b| least(costs.iter().zip(first.iter()).map(|(cost, row)| cost + row[b]))).unzip();
            self.add(*near, values.into_iter());
            return Removed { node, neighbours, best, width: 1 };
        };
        let width = self.sizes(*last);
        let (mut best, mut matrix) = (Vec::new(), vec![vec![0.0; width]; heights]);
        for (b, row) in matrix.iter_mut().enumerate() {
            for (c, entry) in row.iter_mut().enumerate() {
                let (alternative, value) = least((0..costs.len()).map(|a| costs[a] + first[a][b] + second[a][c]));
                best.push(alternative);
                *entry = value;
            }
        }
        if let Ok(known) = self.edges[*near].binary_search_by_key(last, |(node, _)| *node) {
            add_to(&mut matrix, &self.edges[*near][known].1);
        }
        let matrix = Rc::new(matrix);
        for (from, to) in [(*near, *last), (*last, *near)] {
            let edges = &mut self.edges[from];
            match edges.binary_search_by_key(&to, |(node, _)| *node) {
                Ok(known) => edges[known].1 = matrix.clone(),
                Err(place) => edges.insert(place, (to, matrix.clone())),
            }
        }
        Removed { node, neighbours, best, width }
    }

    /// The rest of the problem with a node decided, and what that costs at once.
    fn fix(&self, node: usize, alternative: usize) -> (Work, f64) {
        let mut rest = self.clone();
        let (costs, edges) = rest.take(node);
        for (neighbour, matrix) in edges {
            rest.add(neighbour, matrix[alternative].iter().copied());
        }
        (rest, costs[alternative])
    }

    /// No completion costs less: every node and edge at its cheapest.
    fn bound(&self) -> f64 {
        let nodes: f64 = self.costs.iter().flatten().map(|costs| least(costs.iter().copied()).1).sum();
        let once = |node: usize| self.edges[node].iter().filter(move |(other, _)| *other > node);
        let edges = (0..self.edges.len()).flat_map(once);
        nodes + edges.map(|(_, matrix)| least(matrix.iter().flatten().copied()).1).sum::<f64>()
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

fn add_to(matrix: &mut Matrix, extra: &Matrix) {
    for (row, extra) in matrix.iter_mut().zip(extra) {
        row.iter_mut().zip(extra).for_each(|(cost, value)| *cost += value);
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
