//! Gradients against differences.

use nmc_grammar::span::{FileId, Span};

use super::*;
use crate::analyse::frames::{Values, fill};
use crate::forms::equations::Function;

fn x(n: usize) -> Expr {
    Expr::Symbol(Symbol::Input(n))
}

fn call(function: Function, args: Vec<Expr>) -> Expr {
    Expr::Call(function, args)
}

fn span() -> Span {
    Span::new(FileId(0), 0, 0)
}

/// Numbers between -1 and 1 that follow no pattern.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    (0..count).map(|n| ((seed * 1000) as f32 + 12.9898 * (n * n + 1) as f32).sin()).collect()
}

fn tensor(tensors: &mut Vec<Tensor>, seed: u64, shape: &[usize]) -> TensorId {
    let data = TensorData::F32(numbers(seed, shape.iter().product()));
    tensors.push(Tensor { name: format!("t{seed}"), shape: shape.to_vec(), data });
    TensorId(tensors.len() as u32 - 1)
}

/// The outputs' sum weighted by `signs`, and everything on the way.
fn forward(network: &Network, tensors: &[Tensor], input: (NodeId, &[f32]), signs: &[f32]) -> (f64, Values) {
    let mut known = Values::from([(input.0, input.1.to_vec())]);
    fill(network, tensors, 1, &mut known);
    let given = network.outputs.iter().flat_map(|output| known[output].clone());
    (given.zip(signs).map(|(value, sign)| f64::from(value) * f64::from(*sign)).sum(), known)
}

/// Gradients of the first input by the adjoint and by central differences.
fn both(network: &Network, tensors: &[Tensor], seed: u64) -> (Vec<f32>, Vec<f32>) {
    let input = network.inputs[0];
    let at = numbers(seed, network.graph[input].len());
    let outputs: usize = network.outputs.iter().map(|output| network.graph[*output].len()).sum();
    let signs = numbers(seed + 1, outputs);
    let adjoint = adjoint(network, &network.outputs, tensors);
    assert_eq!(adjoint.opaque, []);
    let (_, values) = forward(network, tensors, (input, &at), &signs);
    let (mut known, mut start) = (Values::new(), 0);
    for output in &network.outputs {
        let len = network.graph[*output].len();
        known.insert(adjoint.sources[output], signs[start..start + len].to_vec());
        start += len;
    }
    known.extend(adjoint.values.iter().map(|(of, source)| (*source, values[of].clone())));
    fill(&adjoint.network, &adjoint.tensors, 1, &mut known);
    let differences = (0..at.len()).map(|n| {
        let moved = |by: f32| {
            let mut at = at.clone();
            at[n] += by;
            forward(network, tensors, (input, &at), &signs).0
        };
        ((moved(5e-3) - moved(-5e-3)) / 1e-2) as f32
    });
    (known[&adjoint.gradients[&input]].clone(), differences.collect())
}

#[track_caller]
fn agree(network: &Network, tensors: &[Tensor]) {
    for seed in 1..20 {
        let (adjoint, differences) = both(network, tensors, seed * 7);
        assert!(differences.iter().any(|slope| slope.abs() > 1e-3), "{differences:?}");
        for (gradient, slope) in adjoint.iter().zip(&differences) {
            assert!((gradient - slope).abs() < 2e-3 * slope.abs().max(1.0), "{gradient} against {slope}");
        }
    }
}

#[test]
fn layers_and_functions_send_back_their_slopes() {
    let (mut network, mut tensors) = (Network::default(), Vec::new());
    let input = network.input("x", vec![5], span());
    let weights = (tensor(&mut tensors, 1, &[4, 5]), Some(tensor(&mut tensors, 2, &[4])));
    let hidden = network.dense("hidden", input, weights, (1, 4), span());
    let tanh = network.elementwise("tanh", "tanh", call(Function::Tanh, vec![x(0)]), &[hidden], span());
    // Read twice, and by a function of two operands.
    let divisor = call(Function::Add, vec![Expr::Number(2.0), call(Function::Exp, vec![x(1)])]);
    let ratio = call(Function::Divide, vec![call(Function::Sin, vec![x(0)]), divisor]);
    let both = network.elementwise("ratio", "", ratio, &[tanh, hidden], span());
    let weights = (tensor(&mut tensors, 3, &[2, 4]), None);
    let last = network.dense("last", both, weights, (1, 2), span());
    network.output("y", last, span());
    network.output("z", tanh, span());
    agree(&network, &tensors);
}

#[test]
fn gathers_send_back_to_where_they_read() {
    let (mut network, mut tensors) = (Network::default(), Vec::new());
    let input = network.input("x", vec![2, 3], span());
    let axes = vec![
        Axis { len: 2, start: 0, steps: vec![0, 1], nearest: false },
        Axis { len: 3, start: 0, steps: vec![1, 0], nearest: false },
    ];
    let turned = AffineMap { shape: vec![3, 2], axes };
    let turned = network.gather("turned", Gather { maps: vec![turned] }, vec![6], &[input], span());
    let slice = network.gather("slice", Gather::slice(1, 4, 6), vec![4], &[turned], span());
    let padded = Gather { maps: vec![AffineMap::slice(-1, 6, 4), AffineMap::slice(0, 6, 6)] };
    let joined = network.gather("joined", padded, vec![12], &[slice, turned], span());
    // One element goes to all.
    let first = network.gather("first", Gather::slice(2, 1, 12), vec![1], &[joined], span());
    let scaled =
        network.elementwise("scaled", "", call(Function::Multiply, vec![x(0), x(1)]), &[joined, first], span());
    let weights = (tensor(&mut tensors, 1, &[3, 12]), None);
    let last = network.dense("last", scaled, weights, (1, 3), span());
    network.output("y", last, span());
    agree(&network, &tensors);
}

#[test]
fn reductions_and_layers_at_many_positions_send_back_their_slopes() {
    for reduction in [Reduction::Sum, Reduction::Mean, Reduction::Maximum] {
        let (mut network, mut tensors) = (Network::default(), Vec::new());
        let input = network.input("x", vec![3, 4], span());
        let weights = (tensor(&mut tensors, 3, &[2, 3]), Some(tensor(&mut tensors, 2, &[2])));
        let product = network.dense("product", input, weights, (4, 2), span());
        let square = call(Function::Multiply, vec![x(0), x(0)]);
        let square = network.elementwise("square", "", square, &[product], span());
        let reduced = network.reduce("reduced", reduction, 4, square, span());
        network.output("y", reduced, span());
        agree(&network, &tensors);
    }
}

#[test]
fn what_is_read_more_than_once_gets_the_sum() {
    for nearest in [false, true] {
        let (mut network, mut tensors) = (Network::default(), Vec::new());
        let input = network.input("x", vec![4], span());
        let windows =
            AffineMap { shape: vec![4, 3], axes: vec![Axis { len: 4, start: -1, steps: vec![1, 1], nearest }] };
        let gather = Gather { maps: vec![AffineMap::slice(0, 4, 4), windows] };
        let windows = network.gather("windows", gather, vec![16], &[input, input], span());
        let weights = (tensor(&mut tensors, 1, &[3, 16]), None);
        let last = network.dense("last", windows, weights, (1, 3), span());
        network.output("y", last, span());
        agree(&network, &tensors);
    }
}

#[test]
fn slopes_of_every_function_are_those_of_differences() {
    use Function::*;
    let (a, b) = (x(0), x(1));
    let one = |function| call(function, vec![a.clone()]);
    let two = |function| call(function, vec![a.clone(), b.clone()]);
    let positive = call(Add, vec![Expr::Number(2.0), a.clone()]);
    let select = call(Select, vec![call(Less, vec![a.clone(), b.clone()]), one(Sin), one(Exp)]);
    let bodies = [
        two(Add),
        two(Subtract),
        two(Multiply),
        call(Divide, vec![a.clone(), call(Add, vec![Expr::Number(3.0), b.clone()])]),
        one(Negate),
        call(Power, vec![positive.clone(), Expr::Number(3.0)]),
        call(Power, vec![positive.clone(), b.clone()]),
        two(Minimum),
        two(Maximum),
        one(Absolute),
        call(SquareRoot, vec![positive.clone()]),
        one(Exp),
        call(Log, vec![positive]),
        one(Sin),
        one(Cos),
        one(Tanh),
        select,
    ];
    let evaluate = |body: &Expr, at: [f64; 2]| crate::analyse::evaluate::evaluate(body, &at, &[]);
    for body in bodies {
        for at in [[0.3, -0.4], [-0.7, 0.2], [0.9, 0.8]] {
            for operand in 0..2 {
                let moved = |by: f64| {
                    let mut at = at;
                    at[operand] += by;
                    evaluate(&body, at)
                };
                let slope = evaluate(&derivative(&body, Symbol::Input(operand)), at);
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!((slope - difference).abs() < 1e-7, "{body:?} at {at:?}: {slope} against {difference}");
            }
        }
    }
}
