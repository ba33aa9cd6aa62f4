//! `signal -> output` and `signal -> population.input`: where signals end.

use nmc_grammar::ast::{Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use crate::forms::network::{Edge, Logical, NodeId, Operator, PopulationKind};
use crate::quantity::Dimension;
use crate::units::dimension_name;

impl Elaborator<'_> {
    /// Drives an output port or an input of a population.
    pub fn flow(&mut self, value: &Ast, target: &Ast) {
        let Some(node) = self.signal(value, None) else { return };
        match &target.kind {
            ExprKind::Name(name) if self.ports.contains_key(name) => {
                self.drive_output(node, name.clone(), value, target.span)
            }
            ExprKind::Member(object, member) => self.drive_input(node, object, member, value.span),
            ExprKind::Name(name) if !self.nodes.contains_key(name) => {
                let mut unknown =
                    Diagnostic::new(Code::E0201, format!("there is no output `{name}`"), target.span, "unknown output");
                unknown.help = closest(name, self.ports.keys().map(String::as_str))
                    .map(|near| format!("did you mean `{near}`?"))
                    .or_else(|| Some(format!("declare it: `network … -> ({name}: real[…])`")));
                self.closer.diagnostics.push(unknown);
            }
            _ => {
                let wrong = Diagnostic::new(
                    Code::E0305,
                    "a signal flows to an output or to a population's input",
                    target.span,
                    "neither",
                );
                let input = |name: &String| {
                    let node = self.nodes.get(name)?;
                    let Operator::Population { dynamics, .. } = &self.network.graph[*node].operator else {
                        return None;
                    };
                    let input = &dynamics.inputs.first()?.name;
                    Some(format!(
                        "`… -> {name}.{input}` drives an input of it; spikes go to it by `connect … -> {name}`"
                    ))
                };
                let help = if let ExprKind::Name(name) = &target.kind { input(name) } else { None };
                let usual = || String::from("such as `-> scores` or `-> nodes.v`; spikes go by `connect`");
                self.closer.diagnostics.push(wrong.with_help(help.unwrap_or_else(usual)));
            }
        }
    }

    pub fn drive_output(&mut self, node: NodeId, name: String, value: &Ast, span: Span) {
        if self.driven.contains_key(&name) {
            self.error(Code::E0410, format!("`{name}` is driven twice"), span, "driven again here");
            return;
        }
        let Some(port) = self.ports.get(&name).cloned() else { return };
        let node = if port.logical == Logical::Spikes { Some(node) } else { self.real(node, value.span) };
        let Some(node) = node else { return };
        let (data, dimension) = (&self.network.graph[node], self.dimension(node));
        if port.logical == Logical::Spikes && data.logical != Logical::Spikes {
            self.error(Code::E0305, format!("`{name}` gives spikes, these are numbers"), value.span, "not spikes");
        } else if data.shape != port.shape && (data.len() != 1 || port.len() != 1) {
            let message = format!("`{name}` is {:?}, what flows to it is {:?}", port.shape, data.shape);
            let wrong = Diagnostic::new(Code::E0303, message, value.span, format!("this is {:?}", data.shape));
            self.closer.diagnostics.push(wrong.with_label(port.span, format!("declared as {:?}", port.shape)));
        } else if dimension != Dimension::NONE {
            let message = format!("`{name}` is a plain number, what flows to it is a {}", dimension_name(dimension));
            let wrong =
                Diagnostic::new(Code::E0302, message, value.span, format!("this is a {}", dimension_name(dimension)));
            self.closer.diagnostics.push(wrong.with_help("bring it to a plain number, as in `|> scale(1 / 10 uS)`"));
        }
        self.driven.insert(name, node);
    }

    pub fn drive_input(&mut self, node: NodeId, object: &Ast, member: &Ident, span: Span) {
        let Some(node) = self.real(node, span) else { return };
        let Some((target, range)) = self.population_range(object) else { return };
        let Some(operand) = self.input_of(target, member) else { return };
        let data = &self.network.graph[target];
        let (name, len) = (data.name.clone(), data.len());
        let Operator::Population { dynamics, kind } = &data.operator else { return };
        let (wanted, given) = (dynamics.inputs[operand].dimension, self.dimension(node));
        let is_device = *kind == PopulationKind::Device;
        if wanted != given {
            let (wanted, given) = (dimension_name(wanted), dimension_name(given));
            let message = format!("`{name}.{}` is a {wanted}, what flows to it is {given}", member.text);
            let wrong = Diagnostic::new(Code::E0302, message, span, format!("this is {given}"));
            let help = if is_device { "as in `|> scale(1 V)`" } else { "as in `|> scale(1 nA)`" };
            return self.closer.diagnostics.push(wrong.with_help(help));
        }
        let width = self.network.graph[node].len();
        if range != (0, len) || (width != len && width != 1) {
            let message = format!("`{name}` has {len} elements, what flows to it has {width}");
            return self.error(Code::E0303, message, span, "the whole population is driven at once");
        }
        let fed =
            |edge: petgraph::stable_graph::EdgeReference<'_, Edge, u32>| *edge.weight() == Edge::Signal { operand };
        if self.network.graph.edges_directed(target, petgraph::Direction::Incoming).any(fed) {
            return self.error(
                Code::E0410,
                format!("`{name}.{}` is driven twice", member.text),
                span,
                "driven again here",
            );
        }
        self.network.graph.add_edge(node, target, Edge::Signal { operand });
    }
}
