//! How fast training learns from epoch to epoch: a number, a list, in steps, along a cosine, with a warm-up.

use std::f64::consts::PI;

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::Elaborator;
use crate::quantity::Dimension;
use crate::typing::functions::is_function;
use crate::typing::tables;
use crate::typing::walk::path;

/// What was said of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    form: Form,
    decay: Option<(f64, Span)>,
    warm_up: Option<(usize, Span)>,
}

#[derive(Debug, Clone, Default)]
enum Form {
    #[default]
    Missing,
    Constant(f64),
    Listed(Vec<f64>),
    /// Times the factor every so many epochs.
    Steps {
        rate: f64,
        factor: f64,
        every: usize,
    },
    /// Along half a cosine to what it is after the last epoch.
    Cosine {
        rate: f64,
        to: f64,
    },
}

impl Schedule {
    /// The rate of the first epoch and those behind it, each of so many; what is left out is that of the last.
    fn rates(&self, epochs: usize) -> Vec<f64> {
        let warm_up = self.warm_up.map_or(0, |(epochs, _)| epochs);
        let decay = self.decay.map_or(1.0, |(decay, _)| decay);
        let left = epochs - warm_up;
        let of = |epoch: usize| match &self.form {
            Form::Missing => 0.0,
            Form::Constant(rate) => rate * decay.powi(epoch as i32),
            Form::Listed(rates) => rates.get(epoch).or(rates.last()).copied().unwrap_or_default(),
            Form::Steps { rate, factor, every } => rate * factor.powi((epoch / every) as i32),
            Form::Cosine { rate, to } => to + 0.5 * (rate - to) * (1.0 + (PI * epoch as f64 / left as f64).cos()),
        };
        let warming = (0..warm_up).map(|epoch| of(0) * (epoch + 1) as f64 / (warm_up + 1) as f64);
        let mut rates: Vec<f64> = warming.chain((0..left).map(of)).collect();
        let same = rates.iter().rev().take_while(|rate| Some(*rate) == rates.last()).count();
        rates.truncate(rates.len() + 1 - same);
        rates
    }
}

impl Elaborator<'_> {
    /// An argument of a rule: `rate`, `decay` or `warm_up`.
    pub(super) fn scheduled(&mut self, key: &str, value: &Ast, schedule: &mut Schedule) -> Option<()> {
        match key {
            "decay" => schedule.decay = Some((self.above_zero(key, value)?, value.span)),
            "warm_up" => schedule.warm_up = Some((self.count(value, 1.0)?, value.span)),
            _ => schedule.form = self.rate(value)?,
        }
        Some(())
    }

    /// The rates of so many epochs; empty where none is said.
    pub(super) fn rates(&mut self, schedule: &Schedule, epochs: usize) -> Option<Vec<f64>> {
        let wrong = |this: &mut Self, message: &str, span: Span, label: &str| {
            this.error(Code::E0415, message, span, label);
            None
        };
        match (&schedule.form, schedule.decay, schedule.warm_up) {
            (Form::Missing, ..) => Some(Vec::new()),
            (Form::Listed(_) | Form::Steps { .. } | Form::Cosine { .. }, Some((_, span)), _) => {
                wrong(self, "a rate that is scheduled has no `decay` beside", span, "it is for a rate that is a number")
            }
            (Form::Listed(_), _, Some((_, span))) => {
                wrong(self, "a list of rates has its warm-up in it", span, "leave it out")
            }
            (_, _, Some((warm_up, span))) if warm_up >= epochs => wrong(
                self,
                "training ends before it has warmed up",
                span,
                &format!("of {epochs} epochs fewer than all can warm up"),
            ),
            (Form::Constant(_) | Form::Listed(_) | Form::Steps { .. } | Form::Cosine { .. }, ..) => {
                Some(schedule.rates(epochs))
            }
        }
    }

    fn above_zero(&mut self, key: &str, value: &Ast) -> Option<f64> {
        let names = self.names.clone();
        let number = self.closer.value(&names, self.file, value, Dimension::NONE)?;
        if !(number > 0.0 && number.is_finite()) {
            return self.no_number(key, value);
        }
        Some(number)
    }

    fn no_number<T>(&mut self, key: &str, value: &Ast) -> Option<T> {
        self.error(Code::E0306, format!("this is no `{key}`"), value.span, "a number above 0 is needed");
        None
    }

    /// `0.1`, `[0.1, 0.05]` or a constant that is such a list, `step(0.1, factor: 0.5, every: 10)` or `cosine(0.1, to: 0.001)`.
    fn rate(&mut self, value: &Ast) -> Option<Form> {
        let (name, args) = match &value.kind {
            _ if tables::axes(self.closer.model, self.file, value) == 1 && !self.names.hides(value) => {
                let names = self.names.clone();
                let table = self.closer.table(&names, self.file, value)?;
                let fits = |rate: &f64| *rate > 0.0 && rate.is_finite();
                return match table.dimension() == Dimension::NONE && table.values.iter().all(fits) {
                    true => Some(Form::Listed(table.values)),
                    false => self.no_number("rate", value),
                };
            }
            ExprKind::Call(callee, args) => (path(callee).unwrap_or_default(), &args[..]),
            _ => (String::new(), &[][..]),
        };
        let known: &[&str] = match name.as_str() {
            "step" => &["factor", "every"],
            "cosine" => &["to"],
            _ if matches!(value.kind, ExprKind::Call(..)) && !is_function(&name) => {
                let message = format!("there is no schedule `{name}`");
                let unknown = Diagnostic::new(Code::E0306, message, value.span, "unknown schedule");
                let help = "a rate is a number, a list `[0.1, 0.1, 0.02]`, `step(0.1, factor: 0.5, every: 10)` or `cosine(0.1, to: 0.001)`, in epochs; `decay: 0.9` and `warm_up: 3` stand beside it";
                self.closer.diagnostics.push(unknown.with_help(help));
                return None;
            }
            _ => return self.above_zero("rate", value).map(Form::Constant),
        };
        let key = |arg: &Arg| arg.name.as_ref().map(|name| name.text.clone());
        let named = |wanted: &str| args.iter().find(|arg| key(arg).as_deref() == Some(wanted)).map(|arg| &arg.value);
        let rates: Vec<&Arg> = args.iter().filter(|arg| arg.name.is_none()).collect();
        let strange = args.iter().any(|arg| key(arg).is_some_and(|key| !known.contains(&key.as_str())));
        match (&rates[..], named("factor"), named("every"), named("to")) {
            ([rate], Some(factor), Some(every), None) if !strange => Some(Form::Steps {
                rate: self.above_zero("rate", &rate.value)?,
                factor: self.above_zero("factor", factor)?,
                every: self.count(every, 1.0)?,
            }),
            ([rate], None, None, Some(to)) if !strange => {
                Some(Form::Cosine { rate: self.above_zero("rate", &rate.value)?, to: self.above_zero("to", to)? })
            }
            ([rate], None, None, None) if !strange && name == "cosine" => {
                Some(Form::Cosine { rate: self.above_zero("rate", &rate.value)?, to: 0.0 })
            }
            _ => {
                let help = "such as `step(0.1, factor: 0.5, every: 10)`, in epochs, or `cosine(0.1, to: 0.001)`";
                self.error(Code::E0306, "this is no `rate`", value.span, help);
                None
            }
        }
    }
}
