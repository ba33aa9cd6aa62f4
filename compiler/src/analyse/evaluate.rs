//! The value of a closed expression at given operands and states.

use crate::forms::equations::{Expr, Symbol};

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
            | Symbol::TimeStep
            | Symbol::Noise,
        ) => 0.0,
        Expr::Call(function, args) => {
            // No function takes more than three operands.
            let mut values = [0.0; 3];
            for (value, arg) in values.iter_mut().zip(args) {
                *value = evaluate(arg, inputs, states);
            }
            function.value(&values)
        }
    }
}
