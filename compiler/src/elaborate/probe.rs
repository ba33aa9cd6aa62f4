//! `probe`: what is recorded.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::network::{Operator, Probe, Probed};
use crate::quantity::Dimension;

impl Elaborator<'_> {
    pub fn probe(&mut self, signals: &[Ast], every: Option<&Ast>) {
        let names = self.names.clone();
        let every = match every {
            Some(ast) => match self.closer.value(&names, self.file, ast, Dimension::TIME) {
                Some(seconds) if seconds > 0.0 => Some(seconds),
                Some(_) => return self.error(Code::E0306, "an interval must be above 0", ast.span, "not above 0"),
                None => return,
            },
            None => None,
        };
        for signal in signals {
            let ExprKind::Member(object, member) = &signal.kind else {
                self.error(Code::E0305, "say what to record", signal.span, "such as `exc.spikes` or `exc[0..4].v`");
                continue;
            };
            if let ExprKind::Name(name) = &object.kind
                && let Some(&index) = self.connections.get(name)
                && member.text == "w"
            {
                let node = self.network.connections[index].target;
                let probe =
                    Probe { name: format!("{name}.w"), node, what: Probed::Weights(index), range: (0, 0), every };
                self.network.probes.push(probe);
                continue;
            }
            let Some((node, range)) = self.population_range(object) else { continue };
            let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { continue };
            let state = dynamics.states.iter().position(|state| state.name == member.text);
            let what = match (member.text.as_str(), state) {
                ("spikes", _) if dynamics.emission.is_some() => Probed::Spikes,
                (_, Some(state)) => Probed::Value(Expr::Symbol(Symbol::State(state))),
                (name, None) => {
                    let known: Vec<String> = dynamics
                        .states
                        .iter()
                        .map(|state| state.name.clone())
                        .chain([String::from("spikes")])
                        .collect();
                    let message = format!("`{}` has no `{name}` to record", self.network.graph[node].name);
                    let mut unknown = Diagnostic::new(Code::E0201, message, member.span, "unknown signal");
                    unknown.help =
                        closest(name, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                    self.closer.diagnostics.push(unknown);
                    continue;
                }
            };
            let name = format!("{}.{}", self.network.graph[node].name, member.text);
            self.network.probes.push(Probe { name, node, what, range, every });
        }
    }
}
