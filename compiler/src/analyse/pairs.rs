//! Pairs of neurons: what an expression of indices and of values that are a neuron's own can be, and is on average.

use nmc_program::Tensor;

use crate::algebra::{self, constant, substitute};
use crate::forms::equations::{Expr, Function, State, Symbol};
use crate::forms::network::{Network, NodeId, Operator};
use crate::scramble;

/// Pairs that a mean is taken of.
const PAIRS: u64 = 1 << 14;

/// Elements of either end of which pairs are looked at one by one.
const ELEMENTS: usize = 32;

/// Both ends of a connection.
pub struct Ends<'a> {
    pub network: &'a Network,
    pub tensors: &'a [Tensor],
    pub source: End,
    pub target: End,
}

/// A population, and the range of its elements.
pub type End = (NodeId, (usize, usize));

impl Ends<'_> {
    /// Least and greatest value over all pairs and draws.
    pub fn interval(&self, expr: &Expr) -> Option<(f64, f64)> {
        algebra::interval(expr, &|symbol| match symbol {
            Symbol::SourceIndex => indices(self.source),
            Symbol::TargetIndex => indices(self.target),
            Symbol::Pre(state) => self.start(self.source, state),
            Symbol::Post(state) => self.start(self.target, state),
            Symbol::State(_)
            | Symbol::Input(_)
            | Symbol::Weight
            | Symbol::Index
            | Symbol::Time
            | Symbol::TimeStep
            | Symbol::Noise => None,
        })
    }

    /// A value that an expression without draws has at one of the pairs that are joined, and for which `so` holds; of many elements some are looked at,
    /// the first and the last among them.
    pub fn find(&self, expr: &Expr, joined: &dyn Fn(usize, usize) -> bool, so: &dyn Fn(f64) -> bool) -> Option<f64> {
        let some = |(_, (first, past)): End| {
            let last = past.saturating_sub(1 + first);
            let step = last.div_ceil(ELEMENTS).max(1);
            (0..=last).step_by(step).chain([last]).map(move |element| first + element)
        };
        let pairs = some(self.source).flat_map(|i| some(self.target).map(move |j| (i, j)));
        // Of pairs that lie on a diagonal few are met otherwise.
        let diagonal = some(self.source).map(|i| (i, i - self.source.1.0 + self.target.1.0));
        let pairs = diagonal.filter(|(_, j)| *j < self.target.1.1).chain(pairs);
        pairs.filter(|&(i, j)| joined(i, j)).find_map(|(i, j)| {
            let pair = [(Symbol::SourceIndex, i), (Symbol::TargetIndex, j)];
            let index = |symbol| pair.iter().find(|(of, _)| *of == symbol).map(|(_, index)| *index as f64);
            let known = substitute(expr, &|symbol| index(symbol).map(Expr::Number));
            constant(&known).filter(|value| so(*value))
        })
    }

    /// What a state of the elements at one end can start from.
    fn start(&self, end: End, state: usize) -> Option<(f64, f64)> {
        if let Some(tensor) = self.network.given.get(&(end.0, state)) {
            let data = &self.tensors[tensor.index()].data;
            let values = (end.1.0..end.1.1.min(data.len())).map(|element| data.get(element));
            return Some(values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v))));
        }
        algebra::interval(&self.state(end, state)?.initial, &|symbol| match symbol {
            Symbol::Index => indices(end),
            Symbol::State(other) => self.start(end, other),
            Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Input(_)
            | Symbol::Weight
            | Symbol::Time
            | Symbol::TimeStep
            | Symbol::Noise => None,
        })
    }

    fn state(&self, end: End, state: usize) -> Option<&State> {
        let Operator::Population { dynamics, .. } = &self.network.graph[end.0].operator else { return None };
        dynamics.states.get(state)
    }

    /// The mean of a probability over all pairs, about: over some of them that lie evenly, drawn values being drawn once.
    pub fn mean(&self, p: &Expr) -> f64 {
        let element = |(_, (first, past)): End, share: f64| {
            first + (((past - first) as f64 * share) as usize).min((past - first).saturating_sub(1))
        };
        let sum: f64 = (0..PAIRS)
            .map(|pair| {
                // Roberts' sequence: the plane's golden ratio.
                let shares =
                    [0.754_877_666_246_692_7, 0.569_840_290_998_053_2].map(|step| (pair as f64 * step).fract());
                let (i, j) = (element(self.source, shares[0]), element(self.target, shares[1]));
                let names = |symbol| match symbol {
                    Symbol::SourceIndex => i as f64,
                    Symbol::TargetIndex => j as f64,
                    Symbol::Pre(state) => self.drawn(self.source.0, state, i),
                    Symbol::Post(state) => self.drawn(self.target.0, state, j),
                    Symbol::State(_)
                    | Symbol::Input(_)
                    | Symbol::Weight
                    | Symbol::Index
                    | Symbol::Time
                    | Symbol::TimeStep
                    | Symbol::Noise => f64::NAN,
                };
                let value = value(p, &names, &mut 0);
                if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
            })
            .sum();
        sum / PAIRS as f64
    }

    /// What a state of an element could start from.
    fn drawn(&self, node: NodeId, state: usize, element: usize) -> f64 {
        if let Some(tensor) = self.network.given.get(&(node, state)) {
            return self.tensors[tensor.index()].data.get(element);
        }
        let Some(declared) = self.state((node, (0, 0)), state) else { return f64::NAN };
        let names = |symbol| match symbol {
            Symbol::Index => element as f64,
            Symbol::State(other) => self.drawn(node, other, element),
            Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Input(_)
            | Symbol::Weight
            | Symbol::Time
            | Symbol::TimeStep
            | Symbol::Noise => f64::NAN,
        };
        // Of every element and state its own numbers.
        let mut draws = scramble::scramble((node.index() as u64) << 48 ^ (state as u64) << 40 ^ element as u64);
        value(&declared.initial, &names, &mut draws)
    }
}

fn indices((_, (first, past)): End) -> Option<(f64, f64)> {
    Some((first as f64, past.saturating_sub(1) as f64))
}

/// The value of an expression; its draws are made from `draws`.
fn value(expr: &Expr, names: &dyn Fn(Symbol) -> f64, draws: &mut u64) -> f64 {
    let (function, args) = match expr {
        Expr::Number(number) => return *number,
        Expr::Symbol(symbol) => return names(*symbol),
        Expr::Call(function, args) => (*function, args),
    };
    // No function takes more than four operands.
    let mut x = [0.0; 4];
    for (x, arg) in x.iter_mut().zip(args) {
        *x = value(arg, names, draws);
    }
    if !function.is_random() {
        return function.value(&x);
    }
    *draws = scramble::scramble(*draws);
    if function == Function::Uniform {
        x[0] + (x[1] - x[0]) * scramble::uniform(*draws)
    } else {
        let drawn = x[0] + x[1] * scramble::gaussian(*draws >> 1);
        if args.len() == 4 { drawn.max(x[2]).min(x[3]) } else { drawn }
    }
}
