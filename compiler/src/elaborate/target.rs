//! Where synapses lead: which input of a population what they give adds to, and at which state.

use nmc_grammar::ast::{Expr as Ast, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use crate::forms::equations::Dynamics;
use crate::forms::network::{NodeId, Operator};
use crate::quantity::Dimension;
use crate::units::{dimension_name, type_dimension};

/// Where synapses lead.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub node: NodeId,
    pub range: (usize, usize),
    /// `cell.dendrite`: the input, and where it is named.
    pub named: Option<(usize, Span)>,
}

impl Elaborator<'_> {
    /// Where synapses lead: a population, or an input of it.
    pub fn led_to(&mut self, ast: &Ast) -> Option<Target> {
        let ExprKind::Member(object, member) = &ast.kind else {
            let (node, range) = self.population_range(ast)?;
            return Some(Target { node, range, named: None });
        };
        let (node, range) = self.population_range(object)?;
        let input = self.input_of(node, member)?;
        Some(Target { node, range, named: Some((input, member.span)) })
    }

    /// An input of a population by its name.
    pub fn input_of(&mut self, node: NodeId, member: &Ident) -> Option<usize> {
        let data = &self.network.graph[node];
        let Operator::Population { dynamics, .. } = &data.operator else { return None };
        let found = dynamics.inputs.iter().position(|input| input.name == member.text);
        if found.is_none() {
            let message = format!("`{}` has no input `{}`", data.name, member.text);
            let mut unknown = Diagnostic::new(Code::E0201, message, member.span, "unknown input");
            let inputs = dynamics.inputs.iter().filter(|input| !input.is_of_rule());
            let inputs: Vec<&str> = inputs.map(|input| input.name.as_str()).collect();
            unknown.help = closest(&member.text, inputs.iter().copied())
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| (!inputs.is_empty()).then(|| format!("its inputs: {}", inputs.join(", "))));
            self.closer.diagnostics.push(unknown);
        }
        found
    }

    /// The state that `post.v` stands for at the input that is meant: the one named, or the only one there is.
    pub fn potential(&self, to: Target) -> Option<(usize, Dimension)> {
        let Operator::Population { dynamics, .. } = &self.network.graph[to.node].operator else { return None };
        let input = match (to.named, &dynamics.inputs[..]) {
            (Some((input, _)), _) => &dynamics.inputs[input],
            (None, [only]) => only,
            (None, _) => return None,
        };
        Some((input.at?, dynamics.states[input.at?].dimension))
    }

    /// Which of the target's inputs the synapse's output adds to.
    pub fn port(&mut self, dynamics: &Dynamics, to: Target, span: Span) -> Option<Option<usize>> {
        let potential = self.potential(to);
        let node = &self.network.graph[to.node];
        let Operator::Population { dynamics: model, .. } = &node.operator else { return Some(None) };
        let (name, kind, gives) = (node.name.clone(), model.name.clone(), dynamics.name.clone());
        let Some((output, _)) = dynamics.outputs.first() else {
            let Some((input, at)) = to.named.filter(|_| potential.is_none()) else { return Some(None) };
            let message = format!("the synapse `{gives}` gives no {}", dimension_name(model.inputs[input].dimension));
            let mut wrong = Diagnostic::new(Code::E0406, message, at, "nothing would arrive here");
            let declared = &model.inputs[input].name;
            wrong.help = Some(format!(
                "leave `.{declared}` out, use a synapse such as `exp_current`, or tell which state it changes: `input {declared}: current at v`"
            ));
            self.closer.diagnostics.push(wrong);
            return None;
        };
        let wanted = type_dimension(output).unwrap_or_default();
        let fits = |&input: &usize| model.inputs[input].dimension == wanted && !model.inputs[input].is_of_rule();
        if let Some((input, at)) = to.named {
            if fits(&input) {
                return Some(Some(input));
            }
            let (wanted, takes) = (dimension_name(wanted), dimension_name(model.inputs[input].dimension));
            let message = format!("the synapse `{gives}` gives a {wanted}");
            self.error(Code::E0406, message, at, format!("this takes a {takes}"));
            return None;
        }
        let fitting: Vec<usize> = (0..model.inputs.len()).filter(fits).collect();
        if let [only] = fitting[..] {
            return Some(Some(only));
        }
        let wanted = dimension_name(wanted);
        let message = format!("the synapse `{gives}` gives a {wanted}, but `{name}` takes {}", fitting.len());
        let label = format!("`{kind}` has {} inputs that are a {wanted}", fitting.len());
        let ways: Vec<String> =
            fitting.iter().map(|&input| format!("`-> {name}.{}`", model.inputs[input].name)).collect();
        let mut wrong = Diagnostic::new(Code::E0406, message, span, label);
        wrong.help = (!ways.is_empty()).then(|| format!("say which one: {}", ways.join(" or ")));
        self.closer.diagnostics.push(wrong);
        None
    }
}
