//! Times that are no whole number of time steps: the nearest whole number is taken, and told.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::Elaborator;
use crate::forms::equations::{Emission, Expr};
use crate::forms::network::Operator;
use crate::quantity::{Dimension, Quantity};
use crate::units::show;

/// A time that steps are counted of.
pub struct Timed {
    /// `a delay`
    what: String,
    seconds: f64,
    counted: Counted,
    span: Span,
}

/// How many steps there are at least.
#[derive(Clone, Copy, PartialEq)]
pub enum Counted {
    /// None.
    Any,
    /// One.
    Some,
}

impl Elaborator<'_> {
    /// Notes a time that will be counted in steps, once the step is known.
    pub fn timed(&mut self, what: &str, seconds: f64, counted: Counted, span: Span) {
        self.times.push(Timed { what: what.to_string(), seconds, counted, span });
    }

    /// Tells of every time that is no whole number of steps, each once.
    pub fn tell_steps(&mut self) {
        let Some(step) = self.plan.step else { return };
        let every = |probe: &crate::forms::network::Probe| {
            let (seconds, span) = probe.mode.every?;
            Some(Timed { what: format!("the interval of `{}`", probe.name), seconds, counted: Counted::Some, span })
        };
        let mut times = std::mem::take(&mut self.times);
        times.extend(self.network.probes.iter().filter_map(every));
        for node in self.network.graph.node_weights() {
            let Operator::Population { dynamics, .. } = &node.operator else { continue };
            let Some(Emission::When { holds, .. }) = &dynamics.emission else { continue };
            for (state, duration) in holds {
                let Expr::Number(seconds) = duration else { continue };
                let state = dynamics.states.get(*state).map_or("", |state| &state.name);
                let what = format!("the time for which `{}` holds `{state}`", dynamics.name);
                times.push(Timed { what, seconds: *seconds, counted: Counted::Any, span: node.span });
            }
        }
        let mut told = std::collections::BTreeSet::new();
        for Timed { what, seconds, counted, span } in times {
            let steps = nmc_program::steps(seconds, step).max(if counted == Counted::Some { 1.0 } else { 0.0 });
            if (seconds / step - steps).abs() <= 1e-6 * steps.max(1.0)
                || !told.insert((what.clone(), seconds.to_bits()))
            {
                continue;
            }
            let shown = |si: f64| show(Quantity { si, dimension: Dimension::TIME });
            let message = format!("{what} is {}, not {}", shown(steps * step), shown(seconds));
            let label = format!("no whole number of steps of {}", shown(step));
            self.closer.diagnostics.push(Diagnostic::new(Code::W0457, message, span, label));
        }
    }
}
