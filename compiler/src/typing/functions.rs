//! Functions of numbers: what each takes, and the dimension of what it gives.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::term::{Closer, Term, call};
use crate::forms::equations::{Expr, Function};
use crate::quantity::Dimension;
use crate::units::dimension_name;

/// Functions and how many arguments they take.
pub const FUNCTIONS: &[(usize, &str)] = &[
    (1, "exp"),
    (1, "log"),
    (1, "sin"),
    (1, "cos"),
    (1, "tanh"),
    (1, "floor"),
    (1, "round"),
    (1, "sigmoid"),
    (1, "step"),
    (2, "min"),
    (2, "max"),
    (1, "abs"),
    (2, "uniform"),
    (2, "normal"),
    (1, "relu"),
    (3, "clamp"),
    (1, "sqrt"),
    (1, "pulse"),
    (1, "sign"),
];

impl Closer<'_> {
    pub fn function(&mut self, name: &str, terms: Vec<Term>, spans: &[Span]) -> Option<Term> {
        let first = terms[0].dimension;
        let plain = |function: Function, terms: &[Term]| Term {
            expr: call(function, vec![terms[0].expr.clone()]),
            dimension: Dimension::NONE,
        };
        let transcendental = match name {
            "exp" => Some(Function::Exp),
            "log" => Some(Function::Log),
            "sin" => Some(Function::Sin),
            "cos" => Some(Function::Cos),
            "tanh" => Some(Function::Tanh),
            "floor" => Some(Function::Floor),
            "round" => Some(Function::Round),
            _ => None,
        };
        if transcendental.is_some() || matches!(name, "sigmoid" | "step") {
            if !terms[0].fits(Dimension::NONE) {
                let message = format!("`{name}` takes a plain number, not {}", terms[0].spoken());
                return self.report(
                    Diagnostic::new(Code::E0302, message, spans[0], format!("this is {}", dimension_name(first)))
                        .with_help("divide it by a quantity of the same kind, as in `v / 1 mV`"),
                );
            }
            return Some(match transcendental {
                Some(function) => plain(function, &terms),
                None if name == "step" => Term {
                    expr: call(Function::LessEqual, vec![Expr::Number(0.0), terms[0].expr.clone()]),
                    dimension: Dimension::NONE,
                },
                None => {
                    let decay = call(Function::Exp, vec![call(Function::Negate, vec![terms[0].expr.clone()])]);
                    let below = call(Function::Add, vec![Expr::Number(1.0), decay]);
                    Term { expr: call(Function::Divide, vec![Expr::Number(1.0), below]), dimension: Dimension::NONE }
                }
            });
        }
        let mut dimension = first;
        for (index, term) in terms.iter().enumerate().skip(1) {
            let known = Term { expr: terms[0].expr.clone(), dimension };
            dimension = self.same(&known, term, spans[0], spans[index], "combine")?;
        }
        let values: Vec<Option<f64>> = terms.iter().map(Term::value).collect();
        let wrong = match (name, &values[..]) {
            ("uniform", [Some(low), Some(high)]) | ("clamp", [_, Some(low), Some(high)]) if low > high => {
                Some(("the lower end comes first", "this end is the lower one"))
            }
            ("normal", [_, _, Some(low), Some(high)]) if low >= high => {
                Some(("the lower end comes first", "this end is not above it"))
            }
            ("normal", [_, Some(sigma), ..]) if *sigma < 0.0 => {
                Some(("a standard deviation cannot be negative", "below 0"))
            }
            _ => None,
        };
        if let Some((wrong, label)) = wrong {
            let at = if label == "below 0" { spans[1] } else { spans.last().copied().unwrap_or(spans[0]) };
            return self.report(Diagnostic::new(Code::E0306, wrong, at, label));
        }
        let exprs: Vec<Expr> = terms.into_iter().map(|term| term.expr).collect();
        let expr = match name {
            "min" => call(Function::Minimum, exprs),
            "max" => call(Function::Maximum, exprs),
            "abs" => call(Function::Absolute, exprs),
            "uniform" => call(Function::Uniform, exprs),
            "normal" => call(Function::Normal, exprs),
            "relu" => call(Function::Maximum, vec![exprs[0].clone(), Expr::Number(0.0)]),
            "clamp" => call(
                Function::Minimum,
                vec![call(Function::Maximum, vec![exprs[0].clone(), exprs[1].clone()]), exprs[2].clone()],
            ),
            "sqrt" => {
                let Some(root) = dimension.power(0.5) else {
                    let message = format!("the root of {} is no quantity", dimension_name(dimension));
                    return self.report(Diagnostic::new(Code::E0321, message, spans[0], "of this"));
                };
                dimension = root;
                call(Function::SquareRoot, exprs)
            }
            // `pulse`, `sign`: of a condition, or of anything.
            _ => {
                dimension = Dimension::NONE;
                let positive = call(Function::Less, vec![Expr::Number(0.0), exprs[0].clone()]);
                let negative = call(Function::Less, vec![exprs[0].clone(), Expr::Number(0.0)]);
                match name {
                    "sign" => call(Function::Subtract, vec![positive, negative]),
                    _ => call(Function::Select, vec![exprs[0].clone(), Expr::Number(1.0), Expr::Number(0.0)]),
                }
            }
        };
        Some(Term { expr, dimension })
    }
}

/// Layers that the language will have, and what there is instead.
const LATER: &[(&str, &str)] =
    &[("conv1d", AS_A_MATRIX), ("conv3d", AS_A_MATRIX), ("lstm", UNROLLED), ("gru", UNROLLED), ("rnn", UNROLLED)];
const AS_A_MATRIX: &str = "it is linear: `|> flatten |> dense(m)` does the same with its matrix `m` written out";
const UNROLLED: &str = "declare `state h: real[8] = 0`, and say what it becomes at each step: `next h = …`";

/// The message for a layer that is not there yet.
pub fn later(name: &str, span: Span) -> Option<Diagnostic> {
    let (_, instead) = LATER.iter().find(|(later, _)| *later == name)?;
    let message = format!("the layer `{name}` is not supported yet");
    Some(Diagnostic::new(Code::E0402, message, span, "not in this version").with_help(*instead))
}

/// The message for a loop in time.
pub fn loop_later(name: &str, span: Span) -> Diagnostic {
    let message = format!("`{name}` gets its value further down: a loop goes through a state");
    let help = format!("if it is no loop, let `{name} = …` come first; if it is one, {UNROLLED}");
    Diagnostic::new(Code::E0402, message, span, "used before it has a value").with_help(help)
}

/// Whether a name is that of a function.
pub fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|(_, known)| *known == name)
}
