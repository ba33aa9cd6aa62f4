//! The value of a closed expression, straight from its tree.

use nmc_compiler::forms::equations::{Expr, Function, Symbol};

/// With names that have these values; nothing in it is random.
pub fn value(expr: &Expr, of: &dyn Fn(Symbol) -> f64) -> f64 {
    drawn(expr, of, &mut |_, _| panic!("nothing is drawn here"))
}

/// Likewise, with uniform (`false`) and normal (`true`) draws by their number, counted through the expression.
pub fn drawn(expr: &Expr, of: &dyn Fn(Symbol) -> f64, draw: &mut dyn FnMut(bool, u32) -> f64) -> f64 {
    fn walk(expr: &Expr, of: &dyn Fn(Symbol) -> f64, draw: &mut dyn FnMut(bool, u32) -> f64, count: &mut u32) -> f64 {
        match expr {
            Expr::Number(number) => *number,
            Expr::Symbol(symbol) => of(*symbol),
            Expr::Call(function, args) => {
                let args: Vec<f64> = args.iter().map(|arg| walk(arg, of, draw, count)).collect();
                let number = *count;
                if !function.is_random() {
                    return function.value(&args);
                }
                *count += 1;
                let normal = *function == Function::Normal;
                if let (true, [mean, sigma, low, high]) = (normal, &args[..]) {
                    let share = |x: &f64| below((x - mean) / sigma);
                    let (from, to) = (share(low), share(high));
                    return mean + sigma * quantile(from + (to - from) * draw(false, number));
                }
                let drawn = draw(normal, number);
                if normal { args[0] + args[1] * drawn } else { args[0] + (args[1] - args[0]) * drawn }
            }
        }
    }
    walk(expr, of, draw, &mut 0)
}

/// Which share of a normal distribution lies below: Marsaglia's series.
fn below(x: f64) -> f64 {
    let (mut sum, mut term, mut number) = (x, x, 1.0);
    while sum + term != sum {
        number += 2.0;
        term *= x * x / number;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// Where so large a share lies below: by halving.
fn quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) < share { low = middle } else { high = middle }
    }
    low
}

/// A name that an expression may not hold where it stands.
pub fn nothing(symbol: Symbol) -> f64 {
    panic!("{symbol:?} has no value here")
}
