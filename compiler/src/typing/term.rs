//! Expressions to closed terms: every name replaced by what it stands for, every dimension checked.

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::ast::{Arg, BinaryOp, Expr as Ast, ExprKind, UnaryOp};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::elsewhere::instead;
use nmc_grammar::span::{FileId, Span};
use nmc_grammar::suggest::closest;

use super::functions::{FUNCTIONS, later};
use super::walk;
use crate::algebra::mentions;
use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::model::{Definition, Model};
use crate::quantity::{Dimension, Quantity};
use crate::units::{dimension_name, parse_unit, show, type_dimension};

/// A closed expression with its dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub expr: Expr,
    pub dimension: Dimension,
}

impl Term {
    /// A plain number.
    pub fn number(value: f64) -> Term {
        Term { expr: Expr::Number(value), dimension: Dimension::NONE }
    }

    /// Its value, if it is known now.
    pub fn value(&self) -> Option<f64> {
        if let Expr::Number(value) = self.expr { Some(value) } else { None }
    }

    /// 0 fits every dimension.
    pub fn fits(&self, dimension: Dimension) -> bool {
        self.dimension == dimension || self.value() == Some(0.0)
    }

    pub fn spoken(&self) -> String {
        match self.value() {
            Some(si) => show(Quantity { si, dimension: self.dimension }),
            None => dimension_name(self.dimension),
        }
    }
}

/// Whether a closed expression draws random numbers.
pub fn is_random(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::Symbol(_) => false,
        Expr::Call(Function::Uniform | Function::Normal, _) => true,
        Expr::Call(_, operands) => operands.iter().any(is_random),
    }
}

/// What names mean at a place: a block's parameters, states and aliases, then the constants of its file.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub names: BTreeMap<String, Term>,
    /// Names of a single expression, which hide the others.
    pub local: BTreeMap<String, Term>,
    /// Members of names: `post.v`.
    pub members: BTreeMap<(String, String), Term>,
    /// Names whose own error has been reported, or is for others to find: nothing more is said of them.
    pub failed: BTreeSet<String>,
    /// Whether all synapses of a target are at hand, so that they can be added up.
    pub sums: bool,
}

impl Scope {
    /// Whether a name means something here, so that it is no constant.
    pub fn hides(&self, ast: &Ast) -> bool {
        matches!(&ast.kind, ExprKind::Name(name) if self.local.contains_key(name) || self.names.contains_key(name))
    }
}

/// Names that every equation knows.
pub fn built_in() -> Scope {
    let mut scope = Scope::default();
    let mut set = |name: &str, symbol, dimension| {
        scope.names.insert(name.to_string(), Term { expr: Expr::Symbol(symbol), dimension })
    };
    set("t", Symbol::Time, Dimension::TIME);
    set("dt", Symbol::TimeStep, Dimension::TIME);
    set("index", Symbol::Index, Dimension::NONE);
    scope
}

/// Closes expressions of one file.
pub struct Closer<'a> {
    pub model: &'a Model,
    pub diagnostics: &'a mut Vec<Diagnostic>,
    /// Whether parameters and indices of loops have no values yet.
    pub generic: bool,
    /// Constants being evaluated, to notice circles.
    depth: usize,
}

impl<'a> Closer<'a> {
    pub fn new(model: &'a Model, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        Closer { model, diagnostics, generic: false, depth: 0 }
    }

    /// For blocks as they are written.
    pub fn generic(model: &'a Model, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        Closer { generic: true, ..Closer::new(model, diagnostics) }
    }

    pub fn report(&mut self, diagnostic: Diagnostic) -> Option<Term> {
        self.diagnostics.push(diagnostic);
        None
    }

    /// Closes an expression; none after an error, which has been reported.
    pub fn close(&mut self, scope: &Scope, file: FileId, ast: &Ast) -> Option<Term> {
        match &ast.kind {
            ExprKind::Number { value, unit, .. } => self.literal(*value, unit.as_deref(), ast.span),
            ExprKind::Bool(value) => Some(Term::number(f64::from(u8::from(*value)))),
            ExprKind::Name(name) => self.name(scope, file, name, ast.span),
            ExprKind::Member(object, member) => {
                if let ExprKind::Name(object) = &object.kind
                    && let Some(term) = scope.members.get(&(object.clone(), member.text.clone()))
                {
                    return Some(term.clone());
                }
                let message = format!("there is no `{}` here", member.text);
                let known: Vec<&str> = scope.members.keys().map(|(_, member)| member.as_str()).collect();
                let mut unknown = Diagnostic::new(Code::E0201, message, member.span, "unknown member");
                unknown.help = closest(&member.text, known).map(|near| format!("did you mean `{near}`?"));
                self.report(unknown)
            }
            ExprKind::Unary(op, operand) => {
                let operand = self.close(scope, file, operand)?;
                Some(match op {
                    UnaryOp::Negate => Term { expr: call(Function::Negate, vec![operand.expr]), ..operand },
                    UnaryOp::Not => Term { expr: call(Function::Not, vec![operand.expr]), dimension: Dimension::NONE },
                })
            }
            ExprKind::Binary(op, a, b) => {
                let (left, right) = (self.close(scope, file, a), self.close(scope, file, b));
                self.binary(*op, left?, right?, a.span, b.span)
            }
            ExprKind::If(condition, a, b) => {
                let condition = self.close(scope, file, condition);
                // What is never chosen need not have a value: `if tau > 0 ms then x / tau else 0`.
                if let Some(value) = condition.as_ref().and_then(Term::value) {
                    return self.close(scope, file, if value != 0.0 { a } else { b });
                }
                let (left, right) = (self.close(scope, file, a), self.close(scope, file, b));
                let (condition, left, right) = (condition?, left?, right?);
                let dimension = self.same(&left, &right, a.span, b.span, "choose between")?;
                Some(Term { expr: call(Function::Select, vec![condition.expr, left.expr, right.expr]), dimension })
            }
            ExprKind::Call(callee, args) => self.call(scope, file, callee, args, ast.span),
            ExprKind::Index(..) => self.entry(scope, file, ast),
            ExprKind::Error => None,
            ExprKind::Text(_)
            | ExprKind::Range(..)
            | ExprKind::Pipe(..)
            | ExprKind::List(_)
            | ExprKind::Tuple(_)
            | ExprKind::Iterate { .. } => {
                self.report(Diagnostic::new(Code::E0305, "a number is needed here", ast.span, "this is not a number"))
            }
        }
    }

    /// Closes an expression that must have a dimension.
    pub fn close_as(&mut self, scope: &Scope, file: FileId, ast: &Ast, dimension: Dimension) -> Option<Term> {
        let term = self.close(scope, file, ast)?;
        if term.fits(dimension) {
            return Some(Term { dimension, ..term });
        }
        let wanted = dimension_name(dimension);
        let number = if let ExprKind::Unary(UnaryOp::Negate, number) = &ast.kind { number } else { ast };
        let missing = term.dimension == Dimension::NONE && matches!(number.kind, ExprKind::Number { .. });
        if missing {
            let message = format!("a {wanted} needs a unit");
            let missing = Diagnostic::new(Code::E0304, message, ast.span, "this has none");
            return self
                .report(missing.with_help(format!("write its unit after it, as in `{}`", example(dimension, &term))));
        }
        let message = format!("{wanted} is needed, this is {}", term.spoken());
        let what = if term.value().is_some() { term.spoken() } else { String::from("this") };
        let label = format!("{what} is {}", dimension_name(term.dimension));
        let mut mismatch = Diagnostic::new(Code::E0302, message, ast.span, label);
        if noisy(&term.expr) {
            mismatch.help = Some(String::from(NOISE));
        } else if term.dimension.over(Dimension::TIME) == dimension {
            mismatch.help = Some(String::from("divide it by a time"));
        }
        self.report(mismatch)
    }

    /// Closes an expression whose value must be known now.
    pub fn value(&mut self, scope: &Scope, file: FileId, ast: &Ast, dimension: Dimension) -> Option<f64> {
        let term = self.close_as(scope, file, ast, dimension)?;
        self.known(&term, ast)
    }

    fn literal(&mut self, value: f64, unit: Option<&str>, span: Span) -> Option<Term> {
        let Some(unit) = unit else { return Some(Term::number(value)) };
        let Some((factor, dimension)) = parse_unit(unit) else {
            let units = [
                "ms", "us", "s", "day", "year", "mV", "V", "nA", "pA", "nS", "uS", "Hz", "kHz", "pF", "ohm", "Mohm",
                "pJ", "mm2", "um2", "kB", "%",
            ];
            let mut unknown = Diagnostic::new(Code::E0301, format!("`{unit}` is not a unit"), span, "unknown unit");
            let near = || closest(unit, units).map(|near| format!("did you mean `{value} {near}`?"));
            unknown.help = instead(unit).or_else(near);
            return self.report(unknown);
        };
        Some(Term { expr: Expr::Number(value * factor), dimension })
    }

    fn name(&mut self, scope: &Scope, file: FileId, name: &str, span: Span) -> Option<Term> {
        if let Some(term) = scope.local.get(name).or_else(|| scope.names.get(name)) {
            return Some(term.clone());
        }
        if scope.failed.contains(name) {
            return None;
        }
        if name == "pi" {
            return Some(Term::number(std::f64::consts::PI));
        }
        if let Some(id) = self.model.lookup(file, name)
            && let Some(Definition::Constant(value)) = self.model.definition(id)
        {
            let place = Ast { kind: ExprKind::Name(name.to_string()), span };
            return self.within(&place, |closer| closer.close(&Scope::default(), id.file, value));
        }
        let mut unknown = Diagnostic::new(Code::E0201, format!("`{name}` is not known here"), span, "unknown name");
        let near = closest(name, scope.names.keys().map(String::as_str));
        // `m` may be a slip as well as a metre.
        let unit = parse_unit(name).filter(|_| name.len() > 1 || near.is_none());
        unknown.help = unit
            .map(|_| format!("a unit stands behind its number: `1 {name}`, not `1 * {name}`"))
            .or_else(|| instead(name))
            .or_else(|| near.map(|near| format!("did you mean `{near}`?")));
        self.report(unknown)
    }

    /// Goes into what a constant stands for, which may be itself.
    pub fn within<T>(&mut self, place: &Ast, inner: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth > 100 {
            let name = walk::path(place).unwrap_or_default();
            self.report(Diagnostic::new(Code::E0223, format!("`{name}` is defined by itself"), place.span, "a circle"));
            return None;
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    /// The common dimension of two terms.
    pub fn same(&mut self, a: &Term, b: &Term, left: Span, right: Span, verb: &str) -> Option<Dimension> {
        if a.fits(b.dimension) {
            return Some(b.dimension);
        }
        if b.fits(a.dimension) {
            return Some(a.dimension);
        }
        let message = format!("cannot {verb} {} and {}", a.spoken(), b.spoken());
        let mut mismatch =
            Diagnostic::new(Code::E0302, message, right, format!("this is {}", dimension_name(b.dimension)));
        let bare = |term: &Term| term.dimension == Dimension::NONE && term.value().is_some();
        if let Some((number, dimension)) = bare(a).then_some((a, b.dimension)).or(bare(b).then_some((b, a.dimension))) {
            mismatch.help = Some(format!("a number with a unit is written as in `{}`", example(dimension, number)));
        }
        if noisy(&a.expr) || noisy(&b.expr) {
            mismatch.help = Some(String::from(NOISE));
        }
        self.diagnostics.push(mismatch.with_label(left, format!("this is {}", dimension_name(a.dimension))));
        None
    }

    /// What an operation makes of two terms, at these places.
    pub fn binary(&mut self, op: BinaryOp, a: Term, b: Term, left: Span, right: Span) -> Option<Term> {
        use BinaryOp as B;
        let none = Dimension::NONE;
        let (function, dimension, swapped) = match op {
            B::Add => (Function::Add, self.same(&a, &b, left, right, "add")?, false),
            B::Subtract => (Function::Subtract, self.same(&a, &b, left, right, "subtract")?, false),
            B::Multiply | B::Of => (Function::Multiply, a.dimension.times(b.dimension), false),
            B::Divide if b.value() == Some(0.0) => {
                return self.report(Diagnostic::new(Code::E0306, "nothing can be divided by 0", right, "this is 0"));
            }
            B::Divide => (Function::Divide, a.dimension.over(b.dimension), false),
            B::Power => {
                let power = b.value().and_then(|exponent| a.dimension.power(exponent));
                let plain = (a.dimension == none && b.dimension == none).then_some(none);
                let Some(dimension) = power.or(plain) else {
                    let message = "a quantity with a unit can only be raised to a fixed whole power";
                    return self.report(Diagnostic::new(Code::E0321, message, right, "this exponent does not fit"));
                };
                (Function::Power, dimension, false)
            }
            B::Less | B::LessEqual | B::Greater | B::GreaterEqual | B::Equal | B::NotEqual => {
                self.same(&a, &b, left, right, "compare")?;
                let function = match op {
                    B::Less | B::Greater => Function::Less,
                    B::LessEqual | B::GreaterEqual => Function::LessEqual,
                    _ => Function::Equal,
                };
                (function, none, matches!(op, B::Greater | B::GreaterEqual))
            }
            B::And => (Function::And, none, false),
            B::Or => (Function::Or, none, false),
        };
        let operands = if swapped { vec![b.expr, a.expr] } else { vec![a.expr, b.expr] };
        let expr = call(function, operands);
        let expr = if op == B::NotEqual { call(Function::Not, vec![expr]) } else { expr };
        Some(Term { expr, dimension })
    }

    fn call(&mut self, scope: &Scope, file: FileId, callee: &Ast, args: &[Arg], span: Span) -> Option<Term> {
        let ExprKind::Name(name) = &callee.kind else {
            return self.report(Diagnostic::new(
                Code::E0305,
                "only functions can be called",
                callee.span,
                "not a function",
            ));
        };
        if name == "sum" {
            return self.sum(scope, file, args, span);
        }
        let terms: Vec<Option<Term>> = args.iter().map(|arg| self.close(scope, file, &arg.value)).collect();
        let terms: Vec<Term> = terms.into_iter().collect::<Option<_>>()?;
        let spans: Vec<Span> = args.iter().map(|arg| arg.value.span).collect();
        let Some((count, _)) = FUNCTIONS.iter().find(|(_, known)| known == name) else {
            if let Some(later) = later(name, callee.span) {
                return self.report(later);
            }
            let mut unknown =
                Diagnostic::new(Code::E0222, format!("there is no function `{name}`"), callee.span, "unknown function");
            let near = || closest(name, FUNCTIONS.iter().map(|(_, name)| *name));
            unknown.help = instead(name).or_else(|| near().map(|near| format!("did you mean `{near}`?")));
            return self.report(unknown);
        };
        if terms.len() != *count && !(name == "normal" && terms.len() == 4) {
            let number = if name == "normal" {
                "2 arguments, or 4 with its ends"
            } else if *count == 1 {
                "1 argument"
            } else {
                &format!("{count} arguments")
            };
            let message = format!("`{name}` takes {number}, not {}", terms.len());
            return self.report(Diagnostic::new(Code::E0224, message, span, "wrong number of arguments"));
        }
        let whole = terms.iter().all(|term| term.value().is_some_and(f64::is_finite));
        let term = self.function(name, terms, &spans)?;
        if whole && term.value().is_some_and(|value| !value.is_finite()) {
            let message = format!("`{name}` of this is no finite number");
            return self.report(Diagnostic::new(Code::E0306, message, span, "it cannot be computed"));
        }
        Some(term)
    }
}

impl Closer<'_> {
    /// `sum(w)`, where the synapses of a target are at hand.
    fn sum(&mut self, scope: &Scope, file: FileId, args: &[Arg], span: Span) -> Option<Term> {
        if !scope.sums {
            let message = "`sum(…)` adds up all synapses that reach a neuron, which are not at hand here";
            let wrong = Diagnostic::new(Code::E0459, message, span, "no sum can be had here");
            let help = "it stands in `every … { … }` and `on post { … }`: `every 1 s { w *= 10 nS / sum(w) }`";
            return self.report(wrong.with_help(help));
        }
        let [Arg { value, .. }] = args else {
            let message = format!("`sum` takes 1 argument, not {}", args.len());
            return self.report(Diagnostic::new(Code::E0224, message, span, "wrong number of arguments"));
        };
        let term = self.close(&Scope { sums: false, ..scope.clone() }, file, value)?;
        Some(Term { expr: Expr::Call(Function::Sum, vec![term.expr]), dimension: term.dimension })
    }
}

/// How white noise comes into an equation.
const NOISE: &str =
    "`xi` is one over the root of a time: of a standard deviation of 5 mV it is `5 mV * sqrt(2 / tau) * xi`";

fn noisy(expr: &Expr) -> bool {
    mentions(expr, &|symbol| symbol == Symbol::Noise)
}

/// The number with a unit of this dimension, one that is usual where neurons are described.
fn example(dimension: Dimension, term: &Term) -> String {
    let number = term.value().unwrap_or(1.0);
    let usual = [("time", "ms"), ("voltage", "mV"), ("current", "nA"), ("conductance", "nS"), ("resistance", "Mohm")];
    if number.abs() >= 1.0
        && let Some((_, unit)) = usual.iter().find(|(ty, _)| type_dimension(ty) == Some(dimension))
    {
        return format!("{number} {unit}");
    }
    let shown = show(Quantity { si: 1.0, dimension });
    format!("{number} {}", shown.split_whitespace().last().unwrap_or("s"))
}

/// A call, folded when all operands are numbers.
pub fn call(function: Function, operands: Vec<Expr>) -> Expr {
    let numbers: Option<Vec<f64>> =
        operands.iter().map(|o| if let Expr::Number(n) = o { Some(*n) } else { None }).collect();
    let folded = numbers.filter(|_| function.folds()).map(|numbers| function.value(&numbers));
    folded.map_or(Expr::Call(function, operands), Expr::Number)
}
