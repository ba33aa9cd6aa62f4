//! The value of a closed expression at given operands and states.

use crate::forms::equations::{Expr, Function, Symbol};

/// Its value; names without a value here are 0, random draws their mean.
pub fn evaluate(expr: &Expr, inputs: &[f64], states: &[f64]) -> f64 {
    match expr {
        Expr::Number(value) => *value,
        Expr::Symbol(Symbol::Input(n)) => inputs.get(*n).copied().unwrap_or(0.0),
        Expr::Symbol(Symbol::State(n)) => states.get(*n).copied().unwrap_or(0.0),
        Expr::Symbol(
            Symbol::Weight
            | Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::Time
            | Symbol::TimeStep,
        ) => 0.0,
        Expr::Call(function, args) => {
            let value = |n: usize| args.get(n).map_or(0.0, |arg| evaluate(arg, inputs, states));
            call(*function, &value)
        }
    }
}

fn call(function: Function, x: &dyn Fn(usize) -> f64) -> f64 {
    let truth = |holds: bool| f64::from(u8::from(holds));
    match function {
        Function::Add => x(0) + x(1),
        Function::Subtract => x(0) - x(1),
        Function::Multiply => x(0) * x(1),
        Function::Divide => x(0) / x(1),
        Function::Negate => -x(0),
        Function::Power => x(0).powf(x(1)),
        Function::Minimum => x(0).min(x(1)),
        Function::Maximum => x(0).max(x(1)),
        Function::Absolute => x(0).abs(),
        Function::SquareRoot => x(0).sqrt(),
        Function::Exp => x(0).exp(),
        Function::Log => x(0).ln(),
        Function::Sin => x(0).sin(),
        Function::Cos => x(0).cos(),
        Function::Tanh => x(0).tanh(),
        Function::Floor => x(0).floor(),
        Function::Round => x(0).round_ties_even(),
        Function::Less => truth(x(0) < x(1)),
        Function::LessEqual => truth(x(0) <= x(1)),
        Function::Equal => truth(x(0) == x(1)),
        Function::And => truth(x(0) != 0.0 && x(1) != 0.0),
        Function::Or => truth(x(0) != 0.0 || x(1) != 0.0),
        Function::Not => truth(x(0) == 0.0),
        Function::Select if x(0) != 0.0 => x(1),
        Function::Select => x(2),
        Function::Uniform => 0.5 * (x(0) + x(1)),
        Function::Normal => x(0),
    }
}

/// Slope in one operand, by central difference.
pub fn derivative(expr: &Expr, inputs: &[f64], operand: usize) -> f64 {
    let step = 1e-4 * inputs[operand].abs().max(1e-3);
    let shifted = |by: f64| {
        let mut moved = inputs.to_vec();
        moved[operand] += by;
        evaluate(expr, &moved, &[])
    };
    let slope = (shifted(step) - shifted(-step)) / (2.0 * step);
    if slope.is_finite() { slope } else { 0.0 }
}
