//! What a kernel can give over ranges of what it reads: interval arithmetic, every result widened by more than either engine rounds.

use nmc_program::{Binary, Compare, Inst, Kernel, Unary, Value};

/// Least and greatest value.
pub type Span = (f64, f64);

/// Nothing is known.
pub const ALL: Span = (f64::NEG_INFINITY, f64::INFINITY);

/// A share of a result, above what single precision rounds.
const ROUNDING: f64 = 1e-6;

/// What the last store of a kernel writes; `read`: the range of a load, and of an instruction without operands. `spans` is room to work in.
pub fn stored(kernel: &Kernel, read: impl Fn(&Inst) -> Span, spans: &mut Vec<Span>) -> Span {
    spans.clear();
    let mut last = ALL;
    for inst in &kernel.body {
        let of = |value: Value| spans[value.0 as usize];
        let span = match *inst {
            Inst::Const(value) => widened((value, value)),
            Inst::Unary(op, a) => widened(unary(op, of(a))),
            Inst::Binary(op, a, b) => widened(binary(op, of(a), of(b), a == b)),
            Inst::Fma(a, b, c) => {
                let product = binary(Binary::Multiply, of(a), of(b), a == b);
                widened((product.0 + of(c).0, product.1 + of(c).1))
            }
            Inst::Compare(op, a, b) => compare(op, of(a), of(b)),
            Inst::And(a, b) => (of(a).0.min(of(b).0), of(a).1.min(of(b).1)),
            Inst::Or(a, b) => (of(a).0.max(of(b).0), of(a).1.max(of(b).1)),
            Inst::Not(a) => (1.0 - of(a).1, 1.0 - of(a).0),
            Inst::Select(c, a, b) => match of(c) {
                (1.0, _) => of(a),
                (_, 0.0) => of(b),
                (_, _) => hull(&[of(a).0, of(a).1, of(b).0, of(b).1]),
            },
            Inst::Store { value, .. } => {
                last = of(value);
                last
            }
            Inst::Load(_) | Inst::Time | Inst::Index | Inst::SourceIndex | Inst::TargetIndex => read(inst),
            Inst::Random { .. } | Inst::Spike(_) => ALL,
        };
        spans.push(span);
    }
    last
}

fn widened((low, high): Span) -> Span {
    match low.is_nan() || high.is_nan() {
        true => ALL,
        false => (low - low.abs() * ROUNDING, high + high.abs() * ROUNDING),
    }
}

/// NaN where one of them is.
fn hull(values: &[f64]) -> Span {
    if values.iter().any(|value| value.is_nan()) {
        return ALL;
    }
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
}

fn unary(op: Unary, (low, high): Span) -> Span {
    match op {
        Unary::Negate => (-high, -low),
        Unary::Absolute if low <= 0.0 && high >= 0.0 => (0.0, high.max(-low)),
        Unary::Absolute => hull(&[low.abs(), high.abs()]),
        // Of what may be negative they give no number.
        Unary::SquareRoot if low < 0.0 => ALL,
        Unary::Log if low < 0.0 => ALL,
        Unary::SquareRoot => (low.sqrt(), high.sqrt()),
        Unary::Log => (low.ln(), high.ln()),
        Unary::Exp => (low.exp(), high.exp()),
        Unary::Tanh => (low.tanh(), high.tanh()),
        Unary::Floor => (low.floor(), high.floor()),
        Unary::Round => (low.round_ties_even(), high.round_ties_even()),
        Unary::Sin | Unary::Cos => (-1.0, 1.0),
        Unary::Phi1 => ALL,
    }
}

/// `same`: both are one value.
fn binary(op: Binary, a: Span, b: Span, same: bool) -> Span {
    let corners = |f: fn(f64, f64) -> f64| hull(&[f(a.0, b.0), f(a.0, b.1), f(a.1, b.0), f(a.1, b.1)]);
    match op {
        Binary::Add => (a.0 + b.0, a.1 + b.1),
        Binary::Subtract => (a.0 - b.1, a.1 - b.0),
        Binary::Multiply if same => {
            let (low, high) = unary(Unary::Absolute, a);
            (low * low, high * high)
        }
        Binary::Multiply => corners(|x, y| x * y),
        Binary::Divide if b.0 <= 0.0 && b.1 >= 0.0 => ALL,
        Binary::Divide => corners(|x, y| x / y),
        Binary::Minimum => (a.0.min(b.0), a.1.min(b.1)),
        Binary::Maximum => (a.0.max(b.0), a.1.max(b.1)),
        Binary::Power if a.0 >= 0.0 => corners(f64::powf),
        Binary::Power => ALL,
    }
}

/// 1 where it holds everywhere, 0 where nowhere.
fn compare(op: Compare, a: Span, b: Span) -> Span {
    let truth = |never: bool, always: bool| (f64::from(u8::from(always)), f64::from(u8::from(!never)));
    match op {
        Compare::Less => truth(a.0 >= b.1, a.1 < b.0),
        Compare::LessEqual => truth(a.0 > b.1, a.1 <= b.0),
        Compare::Greater => compare(Compare::Less, b, a),
        Compare::GreaterEqual => compare(Compare::LessEqual, b, a),
        Compare::Equal => truth(a.0 > b.1 || b.0 > a.1, a.0 == a.1 && a == b),
        Compare::NotEqual => truth(a.0 == a.1 && a == b, a.0 > b.1 || b.0 > a.1),
    }
}
