//! `probe`: what is recorded.

use nmc_grammar::ast::{Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::network::{Logical, Mode, NodeId, Operator, PopulationKind, Probe, Probed};
use crate::quantity::Dimension;

/// The most bins of a histogram.
const MOST_BINS: usize = 10_000;

impl Elaborator<'_> {
    pub fn probe(&mut self, signals: &[Ast], histogram: Option<&Ast>, every: Option<&Ast>, start: bool) {
        let names = self.names.clone();
        let mut mode = Mode { start, ..Mode::default() };
        if let Some(ast) = every {
            mode.every = match self.closer.value(&names, self.file, ast, Dimension::TIME) {
                Some(seconds) if seconds > 0.0 => Some((seconds, ast.span)),
                Some(_) => return self.error(Code::E0306, "an interval must be above 0", ast.span, "not above 0"),
                None => return,
            };
        }
        if let Some(ast) = histogram {
            mode.histogram = match self.count(ast, 1.0) {
                Some(bins) if bins <= MOST_BINS => Some(bins as u32),
                Some(_) => return self.error(Code::E0306, "these are too many bins", ast.span, "at most 10000"),
                None => return,
            };
        }
        for signal in signals {
            let signal = &self.elements_first(signal);
            let ExprKind::Member(object, member) = &signal.kind else {
                self.probe_output(signal, mode);
                continue;
            };
            if let Some(joined) = self.connections_of(object) {
                joined.into_iter().for_each(|(called, index)| self.probe_synapses(&called, index, member, mode));
                continue;
            }
            let Some((node, range)) = self.population_range(object) else { continue };
            let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { continue };
            let spikes = dynamics.emission.is_some();
            let what = if member.text == "spikes" && spikes {
                Probed::Spikes
            } else if member.text == "rate" && spikes && !self.moves(node, "rate") {
                Probed::Rate
            } else if let Some(input) = self.arriving(node, member) {
                input
            } else {
                let Some(term) = self.value_of(node, member) else { continue };
                Probed::Value(term.expr, term.dimension)
            };
            if matches!(what, Probed::Spikes | Probed::Rate) && !self.is_of_values(mode, signal.span) {
                continue;
            }
            let name = format!("{}.{}", self.network.graph[node].name, member.text);
            self.network.probes.push(Probe { name, node, what, range, mode });
        }
    }

    /// `cell.i`: what signals and synapses give to an input.
    fn arriving(&self, node: NodeId, member: &Ident) -> Option<Probed> {
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return None };
        let named = dynamics.names.iter().any(|(name, ..)| *name == member.text);
        let mut inputs = dynamics.inputs.iter().enumerate();
        let (index, input) = inputs.find(|(_, input)| input.name == member.text && !named && !input.is_of_rule())?;
        Some(Probed::Value(Expr::Symbol(Symbol::Input(index)), input.dimension))
    }

    /// `cell.v[0]` as `cell[0].v`.
    fn elements_first(&mut self, signal: &Ast) -> Ast {
        if let ExprKind::Index(whole, indices) = &signal.kind
            && let ExprKind::Member(cells, member) = &whole.kind
            && self.indexed_name(cells).is_some_and(|name| self.nodes.contains_key(&name))
        {
            let cells = Ast { kind: ExprKind::Index(cells.clone(), indices.clone()), span: signal.span };
            return Ast { kind: ExprKind::Member(Box::new(cells), member.clone()), span: signal.span };
        }
        signal.clone()
    }

    /// The connections of a name, `c`, or one of them, `c[0]`, where the name joins several populations; each with what it is called.
    pub fn connections_of(&mut self, ast: &Ast) -> Option<Vec<(String, usize)>> {
        let (object, number) = if let ExprKind::Index(object, indices) = &ast.kind {
            (&**object, Some(indices.first().filter(|_| indices.len() == 1)?))
        } else {
            (ast, None)
        };
        let ExprKind::Name(name) = &object.kind else { return None };
        let all = self.connections.get(name)?.clone();
        let called = |number: usize| if all.len() > 1 { format!("{name}[{number}]") } else { name.clone() };
        match number {
            None => Some(all.iter().enumerate().map(|(number, &index)| (called(number), index)).collect()),
            Some(number) => {
                let at = self.count(number, 0.0)?;
                if at >= all.len() {
                    let message = format!("`{name}` joins {} populations: there is no `{name}[{at}]`", all.len());
                    self.error(Code::E0201, message, ast.span, "they are counted from 0");
                }
                Some(all.get(at).map(|&index| (called(at), index)).into_iter().collect())
            }
        }
    }

    /// Whether nothing is asked for that only values in time have.
    fn is_of_values(&mut self, mode: Mode, span: Span) -> bool {
        let (word, label) = match mode {
            Mode { histogram: Some(_), .. } => ("a histogram", "not values of neurons or synapses in time"),
            Mode { start: true, .. } => ("`from start`", "this has no value at the start"),
            Mode { .. } => return true,
        };
        self.error(Code::E0305, format!("{word} is of states and weights"), span, label);
        false
    }

    /// Whether a population has a state of this name that something moves: no parameter that differs from element to element.
    fn moves(&self, node: NodeId, name: &str) -> bool {
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return false };
        let state = dynamics.states.iter().position(|state| state.name == name);
        state.is_some_and(|index| {
            dynamics.states[index].derivative.is_some()
                || dynamics.changes().any(|change| change.target == Symbol::State(index))
        })
    }

    /// `probe syn.w`, `probe syn.x`: weights, a trace of a plasticity rule or a state of a synapse.
    fn probe_synapses(&mut self, called: &str, index: usize, member: &Ident, mode: Mode) {
        let connection = &self.network.connections[index];
        if member.text == "w" {
            let (name, node) = (format!("{called}.w"), connection.target);
            let probe = Probe { name, node, what: Probed::Weights(index), range: (0, 0), mode };
            return self.network.probes.push(probe);
        }
        let known = || connection.dynamics.states.iter().map(|state| state.name.as_str());
        if let Some(state) = known().position(|name| name == member.text) {
            let (name, node) = (format!("{called}.{}", member.text), connection.target);
            let probe = Probe { name, node, what: Probed::State(index, state), range: (0, 0), mode };
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
    fn probe_output(&mut self, signal: &Ast, mode: Mode) {
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
        if !self.is_of_values(mode, signal.span) {
            return;
        }
        self.network.probes.push(Probe { name, node, what, range, mode });
    }
}
