//! Rewriting closed expressions: folding, substitution, and taking apart what is linear in a name.

use crate::forms::equations::{Dynamics, Expr, Function, Symbol};

/// `(exp(x) - 1) / x`, 1 at 0.
pub fn phi1(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.exp_m1() / x }
}

/// The value of a function of numbers; none for random ones and sums over synapses.
pub fn evaluate(function: Function, x: &[f64]) -> Option<f64> {
    function.folds().then(|| function.value(x))
}

/// A function of expressions, folded where that is exact or plainly better.
pub fn call(function: Function, args: Vec<Expr>) -> Expr {
    let numbers: Option<Vec<f64>> = args.iter().map(constant).collect();
    if let Some(value) = numbers.and_then(|numbers| evaluate(function, &numbers)) {
        return Expr::Number(value);
    }
    let zero = |index: usize| args.get(index) == Some(&Expr::Number(0.0));
    let one = |index: usize| args.get(index) == Some(&Expr::Number(1.0));
    use Function::{Add, Divide, Multiply, Subtract};
    let first_only = (matches!(function, Add | Subtract) && zero(1))
        || (matches!(function, Multiply | Divide) && (one(1) || zero(0)));
    let second_only = (function == Add && zero(0)) || (function == Multiply && (one(0) || zero(1)));
    let mut args = args;
    if first_only {
        args.swap_remove(0)
    } else if second_only {
        args.swap_remove(1)
    } else if function == Function::Subtract && args.first() == Some(&Expr::Number(0.0)) {
        Expr::Call(Function::Negate, vec![args.swap_remove(1)])
    } else {
        Expr::Call(function, args)
    }
}

pub fn add(a: Expr, b: Expr) -> Expr {
    call(Function::Add, vec![a, b])
}

pub fn multiply(a: Expr, b: Expr) -> Expr {
    call(Function::Multiply, vec![a, b])
}

/// The number an expression is, if it is one.
pub fn constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Number(value) => Some(*value),
        Expr::Symbol(_) => None,
        Expr::Call(function, args) => {
            let values: Option<Vec<f64>> = args.iter().map(constant).collect();
            evaluate(*function, &values?)
        }
    }
}

/// Whether the delay of a connection is that of what it reads of its source in every step: it waits for no spikes, and changes nothing of
/// its source.
pub fn reads_past(dynamics: &Dynamics) -> bool {
    let of_source = |symbol: Symbol| matches!(symbol, Symbol::Pre(_));
    dynamics.on_pre.is_empty()
        && !dynamics.rules().any(|change| of_source(change.target))
        && dynamics.in_every_step().any(|expr| mentions(expr, &of_source))
}

/// Whether a name that `wanted` accepts occurs in it.
pub fn mentions(expr: &Expr, wanted: &dyn Fn(Symbol) -> bool) -> bool {
    match expr {
        Expr::Number(_) => false,
        Expr::Symbol(symbol) => wanted(*symbol),
        Expr::Call(_, args) => args.iter().any(|arg| mentions(arg, wanted)),
    }
}

/// Whether it draws random numbers.
pub fn random(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::Symbol(_) => false,
        Expr::Call(Function::Uniform | Function::Normal, _) => true,
        Expr::Call(_, args) => args.iter().any(random),
    }
}

/// Whether it adds up something over synapses.
pub fn sums(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::Symbol(_) => false,
        Expr::Call(function, args) => *function == Function::Sum || args.iter().any(sums),
    }
}

/// Replaces names; folds on the way.
pub fn substitute(expr: &Expr, with: &dyn Fn(Symbol) -> Option<Expr>) -> Expr {
    match expr {
        Expr::Number(value) => Expr::Number(*value),
        Expr::Symbol(symbol) => with(*symbol).unwrap_or(Expr::Symbol(*symbol)),
        Expr::Call(function, args) => call(*function, args.iter().map(|arg| substitute(arg, with)).collect()),
    }
}

/// `expr = a * symbol + b` with `a` and `b` free of the symbol; none when it is not linear in it.
pub fn linear(expr: &Expr, symbol: Symbol) -> Option<(Expr, Expr)> {
    let zero = || Expr::Number(0.0);
    if !mentions(expr, &|other| other == symbol) {
        return Some((zero(), expr.clone()));
    }
    let Expr::Call(function, args) = expr else { return Some((Expr::Number(1.0), zero())) };
    let free = |index: usize| args.get(index).filter(|arg| !mentions(arg, &|other| other == symbol)).cloned();
    let scaled = |index: usize, scale: &dyn Fn(Expr) -> Expr| {
        let (a, b) = linear(&args[index], symbol)?;
        Some((scale(a), scale(b)))
    };
    match function {
        Function::Add | Function::Subtract => {
            let ((a, b), (c, d)) = (linear(&args[0], symbol)?, linear(&args[1], symbol)?);
            Some((call(*function, vec![a, c]), call(*function, vec![b, d])))
        }
        Function::Negate => scaled(0, &|x| call(Function::Negate, vec![x])),
        Function::Multiply => match (free(0), free(1)) {
            (Some(factor), _) => scaled(1, &|x| multiply(factor.clone(), x)),
            (_, Some(factor)) => scaled(0, &|x| multiply(x, factor.clone())),
            (None, None) => None,
        },
        Function::Divide => {
            let divisor = free(1)?;
            scaled(0, &|x| if x == Expr::Number(0.0) { x } else { call(Function::Divide, vec![x, divisor.clone()]) })
        }
        Function::Select => {
            let condition = free(0)?;
            let ((a, b), (c, d)) = (linear(&args[1], symbol)?, linear(&args[2], symbol)?);
            let select =
                |x: Expr, y: Expr| if x == y { x } else { call(Function::Select, vec![condition.clone(), x, y]) };
            Some((select(a, c), select(b, d)))
        }
        Function::Power | Function::Minimum | Function::Maximum | Function::Absolute | Function::SquareRoot => None,
        Function::Exp | Function::Log | Function::Sin | Function::Cos | Function::Tanh | Function::Floor => None,
        Function::Round | Function::Less | Function::LessEqual | Function::Equal | Function::And => None,
        Function::Or | Function::Not | Function::Uniform | Function::Normal | Function::Sum => None,
    }
}

/// The slope of an expression in one name; 0 where it jumps, of random draws their mean's.
pub fn derivative(expr: &Expr, symbol: Symbol) -> Expr {
    use Function::*;
    let zero = || Expr::Number(0.0);
    let Expr::Call(function, args) = expr else {
        return Expr::Number(f64::from(u8::from(*expr == Expr::Symbol(symbol))));
    };
    if !mentions(expr, &|other| other == symbol) {
        return zero();
    }
    let (x, slope) = (|index: usize| args[index].clone(), |index: usize| derivative(&args[index], symbol));
    let call2 = |function, a, b| call(function, vec![a, b]);
    let select = |condition, a: Expr, b: Expr| if a == b { a } else { call(Select, vec![condition, a, b]) };
    // Outer slope times inner.
    let chain = |outer: Expr| multiply(outer, slope(0));
    match function {
        Add | Subtract => call2(*function, slope(0), slope(1)),
        Multiply => add(multiply(slope(0), x(1)), multiply(x(0), slope(1))),
        Divide => {
            let left = multiply(expr.clone(), slope(1));
            call2(Divide, call2(Subtract, slope(0), left), x(1))
        }
        Negate => call(Negate, vec![slope(0)]),
        Power => {
            let less = call2(Power, x(0), call2(Subtract, x(1), Expr::Number(1.0)));
            let of_base = multiply(multiply(x(1), less), slope(0));
            let of_exponent = slope(1);
            match constant(&of_exponent) {
                Some(0.0) => of_base,
                _ => add(of_base, multiply(multiply(expr.clone(), call(Log, vec![x(0)])), of_exponent)),
            }
        }
        // As `Function::value` chooses.
        Minimum => select(call2(Less, x(0), x(1)), slope(0), slope(1)),
        Maximum => select(call2(Less, x(1), x(0)), slope(0), slope(1)),
        Absolute => select(call2(Less, x(0), zero()), call(Negate, vec![slope(0)]), slope(0)),
        SquareRoot => call2(Divide, multiply(Expr::Number(0.5), slope(0)), expr.clone()),
        Exp => chain(expr.clone()),
        Log => call2(Divide, slope(0), x(0)),
        Sin => chain(call(Cos, vec![x(0)])),
        Cos => chain(call(Negate, vec![call(Sin, vec![x(0)])])),
        Tanh => chain(call2(Subtract, Expr::Number(1.0), multiply(expr.clone(), expr.clone()))),
        Select => select(x(0), slope(1), slope(2)),
        Uniform => multiply(Expr::Number(0.5), add(slope(0), slope(1))),
        Normal => slope(0),
        Floor | Round | Less | LessEqual | Equal | And | Or | Not | Sum => zero(),
    }
}

/// Least and greatest value over all draws, and over what `names` can be; a normal draw is taken to lie within six sigma. None when it depends on
/// something else.
pub fn interval(expr: &Expr, names: &dyn Fn(Symbol) -> Option<(f64, f64)>) -> Option<(f64, f64)> {
    let (function, args) = match expr {
        Expr::Number(value) => return Some((*value, *value)),
        Expr::Symbol(symbol) => return names(*symbol),
        Expr::Call(function, args) => (*function, args),
    };
    let ranges: Vec<(f64, f64)> = args.iter().map(|arg| interval(arg, names)).collect::<Option<_>>()?;
    let over = |function: Function| {
        let (a, b) = (ranges[0], ranges[1]);
        let corners = [(a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)];
        let values: Option<Vec<f64>> = corners.iter().map(|&(x, y)| evaluate(function, &[x, y])).collect();
        hull(&values?)
    };
    let absolute = |(low, high): (f64, f64)| match low <= 0.0 && high >= 0.0 {
        true => (0.0, high.max(-low)),
        false => (low.abs().min(high.abs()), low.abs().max(high.abs())),
    };
    match function {
        Function::Multiply if args[0] == args[1] && !random(&args[0]) => {
            let (low, high) = absolute(ranges[0]);
            hull(&[low * low, high * high])
        }
        Function::Add | Function::Subtract | Function::Multiply | Function::Minimum | Function::Maximum => {
            over(function)
        }
        Function::Divide if ranges[1].0 > 0.0 || ranges[1].1 < 0.0 => over(function),
        Function::Power if ranges[0].0 > 0.0 || (ranges[0].0 == 0.0 && ranges[1].0 > 0.0) => over(function),
        Function::Power => match constant(&args[1]) {
            Some(power) if power > 0.0 && power % 2.0 == 0.0 => {
                let (low, high) = absolute(ranges[0]);
                hull(&[low.powf(power), high.powf(power)])
            }
            Some(power) if power > 0.0 && power % 2.0 == 1.0 => over(function),
            Some(_) | None => None,
        },
        Function::Negate => Some((-ranges[0].1, -ranges[0].0)),
        Function::Absolute => Some(absolute(ranges[0])),
        Function::Exp | Function::SquareRoot | Function::Floor | Function::Round | Function::Log | Function::Tanh => {
            hull(&[evaluate(function, &[ranges[0].0])?, evaluate(function, &[ranges[0].1])?])
        }
        Function::Select => hull(&[ranges[1].0, ranges[1].1, ranges[2].0, ranges[2].1]),
        Function::Uniform => hull(&[ranges[0].0, ranges[1].1]),
        Function::Normal if args.len() == 4 => hull(&[ranges[2].0, ranges[3].1]),
        Function::Normal => Some((ranges[0].0 - 6.0 * ranges[1].1, ranges[0].1 + 6.0 * ranges[1].1)),
        Function::Sin | Function::Cos => Some((-1.0, 1.0)),
        Function::Less | Function::LessEqual | Function::Equal => Some((0.0, 1.0)),
        Function::And | Function::Or | Function::Not => Some((0.0, 1.0)),
        Function::Divide | Function::Sum => None,
    }
}

fn hull(values: &[f64]) -> Option<(f64, f64)> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low.is_finite() && high.is_finite()).then_some((low, high))
}
