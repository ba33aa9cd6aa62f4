//! `probe`: what is recorded.

use nmc_grammar::ast::{Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use crate::forms::network::{Logical, Operator, PopulationKind, Probe, Probed};
use crate::quantity::Dimension;

impl Elaborator<'_> {
    pub fn probe(&mut self, signals: &[Ast], every: Option<&Ast>) {
        let names = self.names.clone();
        let every = match every {
            Some(ast) => match self.closer.value(&names, self.file, ast, Dimension::TIME) {
                Some(seconds) if seconds > 0.0 => Some((seconds, ast.span)),
                Some(_) => return self.error(Code::E0306, "an interval must be above 0", ast.span, "not above 0"),
                None => return,
            },
            None => None,
        };
        for signal in signals {
            let ExprKind::Member(object, member) = &signal.kind else {
                self.probe_output(signal, every);
                continue;
            };
            if let ExprKind::Name(name) = &object.kind
                && let Some(all) = self.connections.get(name).cloned()
            {
                for (number, &index) in all.iter().enumerate() {
                    // `c[0].w`, where one name joins several populations.
                    let called = if all.len() > 1 { format!("{name}[{number}]") } else { name.clone() };
                    self.probe_synapses(&called, index, member, every);
                }
                continue;
            }
            let Some((node, range)) = self.population_range(object) else { continue };
            let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { continue };
            let what = if member.text == "spikes" && dynamics.emission.is_some() {
                Probed::Spikes
            } else {
                let Some(term) = self.value_of(node, member) else { continue };
                Probed::Value(term.expr)
            };
            let name = format!("{}.{}", self.network.graph[node].name, member.text);
            self.network.probes.push(Probe { name, node, what, range, every });
        }
    }

    /// `probe syn.w`, `probe syn.x`: weights, a trace of a plasticity rule or a state of a synapse.
    fn probe_synapses(&mut self, called: &str, index: usize, member: &Ident, every: Option<(f64, Span)>) {
        let connection = &self.network.connections[index];
        if member.text == "w" {
            let (name, node) = (format!("{called}.w"), connection.target);
            let probe = Probe { name, node, what: Probed::Weights(index), range: (0, 0), every };
            return self.network.probes.push(probe);
        }
        let known = || connection.dynamics.states.iter().map(|state| state.name.as_str());
        if let Some(state) = known().position(|name| name == member.text) {
            let (name, node) = (format!("{called}.{}", member.text), connection.target);
            let probe = Probe { name, node, what: Probed::State(index, state), range: (0, 0), every };
            return self.network.probes.push(probe);
        }
        let message = format!("`{called}` has no `{}`", member.text);
        let mut unknown = Diagnostic::new(Code::E0201, message, member.span, "unknown value");
        unknown.help = closest(&member.text, known())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| Some(format!("it has {}", ["w"].into_iter().chain(known()).collect::<Vec<_>>().join(", "))));
        self.closer.diagnostics.push(unknown);
    }

    /// `probe fc1`: an operator's output, once a sample.
    fn probe_output(&mut self, signal: &Ast, every: Option<(f64, Span)>) {
        let Some(node) = self.signal(signal, None) else { return };
        let data = &self.network.graph[node];
        let (name, range) = (data.name.clone(), (0, data.len()));
        let what = match (&data.operator, data.logical) {
            (Operator::Population { .. }, Logical::Spikes) => Probed::Spikes,
            (Operator::Population { kind: PopulationKind::Neuron | PopulationKind::Device, .. }, _)
            | (_, Logical::Spikes) => {
                let label = "such as `exc.spikes` or `exc[0..4].v`";
                return self.error(Code::E0411, "say what to record of it", signal.span, label);
            }
            _ => Probed::Output,
        };
        self.network.probes.push(Probe { name, node, what, range, every });
    }
}
