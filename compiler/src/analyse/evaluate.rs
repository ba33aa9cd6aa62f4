//! The value of a closed expression at given operands and states.

use crate::forms::equations::{Expr, Function, Symbol};

/// Its value; names without a value here are 0, random draws their mean.
pub fn evaluate(expr: &Expr, inputs: &[f64], states: &[f64]) -> f64 {
    evaluate_at(expr, inputs, states, (0.0, 0.0))
}

/// The same at a time, with every normal draw so many standard deviations above its mean.
pub fn evaluate_at(expr: &Expr, inputs: &[f64], states: &[f64], (time, above): (f64, f64)) -> f64 {
    match expr {
        Expr::Number(value) => *value,
        Expr::Symbol(Symbol::Input(n)) => inputs.get(*n).copied().unwrap_or(0.0),
        Expr::Symbol(Symbol::Time) => time,
        Expr::Symbol(Symbol::State(n)) => states.get(*n).copied().unwrap_or(0.0),
        Expr::Symbol(
            Symbol::Weight
            | Symbol::Pre(_)
            | Symbol::Post(_)
            | Symbol::SourceIndex
            | Symbol::TargetIndex
            | Symbol::Index
            | Symbol::TimeStep
            | Symbol::Noise,
        ) => 0.0,
        Expr::Call(function, args) => {
            // No function takes more than four operands.
            let mut values = [0.0; 4];
            for (value, arg) in values.iter_mut().zip(args) {
                *value = evaluate_at(arg, inputs, states, (time, above));
            }
            let drawn = if *function == Function::Normal { above * values[1] } else { 0.0 };
            let value = function.value(&values) + drawn;
            if *function == Function::Normal && args.len() == 4 { value.max(values[2]).min(values[3]) } else { value }
        }
    }
}
