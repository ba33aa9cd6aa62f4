//! Closed expressions to kernel instructions.

use nmc_program::{Binary, Compare, Draw, Unary, Value};

use super::kernel::Builder;
use super::truncated::truncated;
use crate::forms::equations::{Expr, Function, Symbol};

/// What names stand for in a kernel.
pub type Names<'a> = dyn FnMut(&mut Builder, Symbol) -> Option<Value> + 'a;

/// The expression as a number.
pub fn number(b: &mut Builder, names: &mut Names, expr: &Expr) -> Value {
    let (function, args) = match expr {
        Expr::Number(value) => return b.number(*value),
        Expr::Symbol(symbol) => {
            return names(b, *symbol).unwrap_or_else(|| {
                b.problems.push(format!("{symbol:?} has no meaning here"));
                b.number(0.0)
            });
        }
        Expr::Call(function, args) => (*function, args),
    };
    let is_truth = matches!(
        function,
        Function::Less | Function::LessEqual | Function::Equal | Function::And | Function::Or | Function::Not
    );
    if is_truth {
        let holds = truth(b, names, expr);
        let (one, zero) = (b.number(1.0), b.number(0.0));
        return b.select(holds, one, zero);
    }
    if function == Function::Select
        && let [condition, then, otherwise] = &args[..]
    {
        let condition = truth(b, names, condition);
        let (then, otherwise) = (number(b, names, then), number(b, names, otherwise));
        return b.select(condition, then, otherwise);
    }
    let values: Vec<Value> = args.iter().map(|arg| number(b, names, arg)).collect();
    match values[..] {
        [x] => one(b, function, x),
        [x, y] => two(b, function, x, y),
        [mean, sigma, low, high] if function == Function::Normal => truncated(b, [mean, sigma, low, high]),
        _ => {
            b.problems.push(format!("{function:?} of {} operands", values.len()));
            b.number(0.0)
        }
    }
}

fn one(b: &mut Builder, function: Function, x: Value) -> Value {
    let operation = match function {
        Function::Negate => Unary::Negate,
        Function::Absolute => Unary::Absolute,
        Function::SquareRoot => Unary::SquareRoot,
        Function::Exp => Unary::Exp,
        Function::Log => Unary::Log,
        Function::Sin => Unary::Sin,
        Function::Cos => Unary::Cos,
        Function::Tanh => Unary::Tanh,
        Function::Floor => Unary::Floor,
        Function::Round => Unary::Round,
        Function::Add
        | Function::Subtract
        | Function::Multiply
        | Function::Divide
        | Function::Power
        | Function::Minimum
        | Function::Maximum
        | Function::Less
        | Function::LessEqual
        | Function::Equal
        | Function::And
        | Function::Or
        | Function::Not
        | Function::Select
        | Function::Uniform
        | Function::Normal
        | Function::Sum => {
            b.problems.push(format!("{function:?} of one operand"));
            return x;
        }
    };
    b.unary(operation, x)
}

fn two(b: &mut Builder, function: Function, x: Value, y: Value) -> Value {
    let operation = match function {
        Function::Add => Binary::Add,
        Function::Subtract => Binary::Subtract,
        Function::Multiply => Binary::Multiply,
        Function::Divide => Binary::Divide,
        Function::Power => Binary::Power,
        Function::Minimum => Binary::Minimum,
        Function::Maximum => Binary::Maximum,
        Function::Uniform => {
            let (draw, width) = (b.random(Draw::Uniform), b.binary(Binary::Subtract, y, x));
            let scaled = b.multiply(draw, width);
            return b.add(scaled, x);
        }
        Function::Normal => {
            let draw = b.random(Draw::Normal);
            let scaled = b.multiply(draw, y);
            return b.add(scaled, x);
        }
        Function::Negate
        | Function::Absolute
        | Function::SquareRoot
        | Function::Exp
        | Function::Log
        | Function::Sin
        | Function::Cos
        | Function::Tanh
        | Function::Floor
        | Function::Round
        | Function::Less
        | Function::LessEqual
        | Function::Equal
        | Function::And
        | Function::Or
        | Function::Not
        | Function::Select
        | Function::Sum => {
            b.problems.push(format!("{function:?} of two operands"));
            return x;
        }
    };
    b.binary(operation, x, y)
}

/// The expression as a truth value.
pub fn truth(b: &mut Builder, names: &mut Names, expr: &Expr) -> Value {
    if let Expr::Call(function, args) = expr {
        match (function, &args[..]) {
            (Function::Less, [x, y]) => return comparison(b, names, Compare::Less, x, y),
            (Function::LessEqual, [x, y]) => return comparison(b, names, Compare::LessEqual, x, y),
            (Function::Equal, [x, y]) => return comparison(b, names, Compare::Equal, x, y),
            (Function::And, [x, y]) => {
                let (x, y) = (truth(b, names, x), truth(b, names, y));
                return b.and(x, y);
            }
            (Function::Or, [x, y]) => {
                let (x, y) = (truth(b, names, x), truth(b, names, y));
                return b.or(x, y);
            }
            (Function::Not, [x]) => {
                let x = truth(b, names, x);
                return b.not(x);
            }
            _ => {}
        }
    }
    let (value, zero) = (number(b, names, expr), b.number(0.0));
    b.compare(Compare::NotEqual, value, zero)
}

fn comparison(b: &mut Builder, names: &mut Names, comparison: Compare, x: &Expr, y: &Expr) -> Value {
    let (x, y) = (number(b, names, x), number(b, names, y));
    b.compare(comparison, x, y)
}
