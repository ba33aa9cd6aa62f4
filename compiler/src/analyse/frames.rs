//! What the nodes of a network without time give, sample by sample, in plain loops.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nmc_program::{Tensor, TensorData};

use super::product::products;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::gather::Gather;
use crate::forms::network::{Network, NodeId, Operator, Weights};
use crate::graph::{operands, order};

/// Elements worked on at once, few enough for the cache.
const CHUNK: usize = 1024;

/// [samples, elements] of every node that is known.
pub type Values = BTreeMap<NodeId, Vec<f32>>;

/// What a node gives, from what its operands give; none when one of them is not known, or it moves in time or is yet to be fitted.
pub fn value(network: &Network, tensors: &[Tensor], node: NodeId, samples: usize, known: &Values) -> Option<Vec<f32>> {
    let len = network.graph[node].len();
    let sources = operands(network, node);
    let widths: Vec<usize> = sources.iter().map(|source| network.graph[*source].len()).collect();
    let from: Vec<&[f32]> = sources.iter().map(|source| known.get(source).map(Vec::as_slice)).collect::<Option<_>>()?;
    let (&first, &width) = (from.first()?, widths.first()?);
    match &network.graph[node].operator {
        Operator::Dense { weights: Weights::Given(id), bias, positions } => {
            // Positions are as samples to the weights.
            let (len, width) = (len / positions, width / positions);
            let first = turned(first, (width, *positions));
            let weights = floats(&tensors.get(id.index())?.data, len * width);
            let bias = match bias {
                Some(id) => floats(&tensors.get(id.index())?.data, len),
                None => Cow::Owned(vec![0.0; len]),
            };
            let mut values = products(&first, &weights, width, (0, width), (0, len));
            values
                .chunks_mut(len.max(1))
                .for_each(|row| row.iter_mut().zip(&*bias).for_each(|(sum, bias)| *sum += bias));
            Some(turned(&values, (*positions, len)).into_owned())
        }
        Operator::Elementwise { body, .. } => Some(elementwise(body, &from, &widths, len, samples)),
        Operator::Gather(gather) => Some(gathered(gather, &from, &widths, len, samples)),
        Operator::Scatter(gather) => {
            let mut values = vec![0.0; samples * len];
            for run in gather.runs() {
                let Some(to) = run.from else { continue };
                for (into, of) in values.chunks_mut(len.max(1)).zip(first.chunks(width.max(1))) {
                    let of = &of[run.to..run.to + run.len];
                    into[to..to + run.len].iter_mut().zip(of).for_each(|(sum, value)| *sum += value);
                }
            }
            Some(values)
        }
        Operator::Reduce { reduction, each } => {
            Some(first.chunks(*each).map(|x| reduction.of(x.iter().map(|&x| f64::from(x))) as f32).collect())
        }
        Operator::Softmax => Some(first.chunks(len.max(1)).flat_map(shares).collect()),
        Operator::Output => Some(first.to_vec()),
        Operator::Dense { weights: Weights::Fitted { .. }, .. }
        | Operator::Input
        | Operator::Delay
        | Operator::Population { .. }
        | Operator::Read { .. } => None,
    }
}

/// exp(x) / sum of exp(x).
fn shares(x: &[f32]) -> Vec<f32> {
    let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = x.iter().map(|x| f64::from(x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| (power / sum) as f32).collect()
}

/// Fills in every node that can be told from those that are known.
pub fn fill(network: &Network, tensors: &[Tensor], samples: usize, known: &mut Values) {
    for node in order(network) {
        if !known.contains_key(&node)
            && let Some(values) = value(network, tensors, node, samples, known)
        {
            known.insert(node, values);
        }
    }
}

/// Matrices [rows, columns], one after the other, each as [columns, rows].
pub fn turned(values: &[f32], (rows, columns): (usize, usize)) -> Cow<'_, [f32]> {
    if rows <= 1 || columns <= 1 {
        return Cow::Borrowed(values);
    }
    values.chunks_exact(rows * columns).flat_map(|matrix| transpose(matrix, columns)).collect()
}

/// [rows, width] as [width, rows], in squares that stay in the cache.
pub fn transpose(data: &[f32], width: usize) -> Vec<f32> {
    const SQUARE: usize = 32;
    let rows = data.len().checked_div(width).unwrap_or(0);
    let mut turned = vec![0.0; data.len()];
    for first in (0..rows).step_by(SQUARE) {
        for left in (0..width).step_by(SQUARE) {
            for row in first..(first + SQUARE).min(rows) {
                for column in left..(left + SQUARE).min(width) {
                    turned[column * rows + row] = data[row * width + column];
                }
            }
        }
    }
    turned
}

/// The first `len` values.
pub fn floats(data: &TensorData, len: usize) -> Cow<'_, [f32]> {
    match data {
        TensorData::U8(values) => values[..len].iter().map(|&v| f32::from(v)).collect(),
        TensorData::I64(values) => values[..len].iter().map(|&v| v as f32).collect(),
        TensorData::F32(values) => Cow::Borrowed(&values[..len]),
        TensorData::F64(values) => values[..len].iter().map(|&v| v as f32).collect(),
    }
}

fn gathered(gather: &Gather, from: &[&[f32]], widths: &[usize], len: usize, samples: usize) -> Vec<f32> {
    let mut values = vec![0.0; samples * len];
    for run in gather.runs() {
        let Some(first) = run.from else { continue };
        let of = from[run.operand].chunks(widths[run.operand].max(1));
        for (into, of) in values.chunks_mut(len.max(1)).zip(of) {
            into[run.to..run.to + run.len].copy_from_slice(&of[first..first + run.len]);
        }
    }
    values
}

fn elementwise(body: &Expr, from: &[&[f32]], widths: &[usize], len: usize, samples: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(samples * len);
    for start in (0..samples * len).step_by(CHUNK) {
        let chunk = start..(start + CHUNK).min(samples * len);
        let operand = |n: usize| -> Vec<f64> {
            let (all, width) = (from[n], widths[n]);
            // An operand of one element goes to all.
            match width == len {
                true => all[chunk.clone()].iter().map(|&x| f64::from(x)).collect(),
                false => chunk.clone().map(|i| f64::from(all[i / len.max(1) * width])).collect(),
            }
        };
        let operands: Vec<Vec<f64>> = (0..from.len()).map(operand).collect();
        values.extend(over(body, &operands, chunk.len()).into_iter().map(|value| value as f32));
    }
    values
}

/// Values of an expression at many operands at once; names that are no operands are 0.
fn over(expr: &Expr, operands: &[Vec<f64>], count: usize) -> Vec<f64> {
    match expr {
        Expr::Number(value) => vec![*value; count],
        Expr::Symbol(Symbol::Input(n)) => operands.get(*n).cloned().unwrap_or_else(|| vec![0.0; count]),
        Expr::Symbol(_) => vec![0.0; count],
        Expr::Call(function, args) => {
            let args: Vec<Vec<f64>> = args.iter().map(|arg| over(arg, operands, count)).collect();
            let at = |arg: usize, i: usize| args.get(arg).map_or(0.0, |values| values[i]);
            (0..count).map(|i| function.value(&[at(0, i), at(1, i), at(2, i)])).collect()
        }
    }
}
