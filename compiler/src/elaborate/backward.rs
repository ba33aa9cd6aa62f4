//! `transposed(fc1)`: the array of a named layer driven at its columns and read at its rows.

use nmc_grammar::ast::{Arg, ExprKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::Elaborator;
use crate::forms::network::{Logical, NodeId, Operator, Weights};
use crate::forms::plan::Learning;

impl Elaborator<'_> {
    /// `h |> transposed(fc1, bias: b)` or `transposed(h, fc1)`: the latter's signals have come both.
    pub fn backward(&mut self, from: &[NodeId], args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let (mut layer, mut bias) = (from.get(1).copied(), None);
        for arg in args {
            match arg.name.as_ref().map(|name| name.text.as_str()) {
                None if layer.is_none() && matches!(arg.value.kind, ExprKind::Name(_) | ExprKind::Member(..)) => {
                    layer = Some(self.signal(&arg.value, None)?);
                }
                None if layer.is_none() => {
                    let message = "`transposed` takes the name of a layer";
                    let wrong = Diagnostic::new(Code::E0416, message, arg.value.span, "not a name");
                    let help =
                        "`fc1 = x |> dense(w)`, then `transposed(fc1)`; for other weights, `dense(transpose(w))`";
                    self.closer.diagnostics.push(wrong.with_help(help));
                    return None;
                }
                Some("bias") => bias = Some(&arg.value),
                _ => {
                    let label = "its arguments: a layer, bias";
                    self.error(Code::E0206, "`transposed` has no such argument", arg.value.span, label);
                    return None;
                }
            }
        }
        let (Some(layer), [from, ..]) = (layer, from) else {
            let label = "such as `fc1 = x |> dense(w)`, then `y |> transposed(fc1)`";
            self.error(Code::E0207, "`transposed` needs the layer that is read backward", span, label);
            return None;
        };
        let from = self.real(*from, span)?;
        let weights = self.turned(layer, span)?;
        // The weights are read after all shapes have been compared.
        let array = self.unread.iter().find(|(id, ..)| *id == weights).map(|(_, array, _)| array.clone())?;
        let array = array.transposed();
        let (inputs, outputs) = (array.shape[1], array.shape[0]);
        let given = self.network.graph[from].shape.clone();
        if given != [inputs] {
            let name = &self.network.graph[layer].name;
            let message = format!("read backward, `{name}` takes its {inputs} outputs, not {given:?}");
            let wrong = Diagnostic::new(Code::E0308, message, span, "another number of elements");
            let wrong = wrong.with_label(self.network.graph[layer].span, format!("{outputs} inputs, {inputs} outputs"));
            self.closer.diagnostics.push(wrong);
            return None;
        }
        let dimension = array.dimension.times(self.dimension(from));
        let bias = match bias {
            Some(ast) => {
                let array = self.bias_array(ast, outputs, dimension)?;
                Some(self.keep_later(array, ast.span))
            }
            None => None,
        };
        let weights = Weights::Given(self.keep_later(array, span));
        let operator = Operator::Dense { weights, bias, positions: 1 };
        let node = self.add(operator, vec![outputs], Logical::Real, span, user, "transposed", &[from])?;
        self.dimensions.insert(node, dimension);
        self.network.backward.insert(node, layer);
        if let Some(&within) = self.network.within.get(&layer) {
            self.network.within.insert(node, within);
        }
        Some(node)
    }

    /// The weights of a layer that can be read backward.
    fn turned(&mut self, layer: NodeId, span: Span) -> Option<nmc_program::TensorId> {
        let node = &self.network.graph[layer];
        let other = self.network.backward.get(&layer).map(|forward| self.network.graph[*forward].name.clone());
        let (why, help) = match (&node.operator, other) {
            (_, Some(forward)) => (
                "it reads another's array itself",
                Some(format!("`{forward}` is that array: `… |> {forward}` is not needed")),
            ),
            (Operator::Dense { weights: Weights::Given(weights), positions: 1, .. }, None) => return Some(*weights),
            (Operator::Dense { weights: Weights::Fitted { .. }, .. }, None) => {
                ("its weights are fitted", Some(String::from("give it weights: `dense(data[\"w\"])`")))
            }
            (Operator::Dense { .. }, None) => ("its weights are used at many positions", None),
            (_, None) => {
                let help =
                    format!("name the layer by itself: `{} = … |> dense(…)`, and what follows after it", node.name);
                ("it is no `dense` layer", Some(help))
            }
        };
        let message = format!("`{}` cannot be read backward: {why}", node.name);
        let mut wrong = Diagnostic::new(Code::E0416, message, span, "read backward here");
        wrong.help = help;
        self.closer.diagnostics.push(wrong.with_label(self.network.graph[layer].span, "this one"));
        None
    }

    /// Tells of training by two arrays where they are read backward, too: what the fast one holds is not in such a read.
    pub fn learns_one_way(&mut self, learning: &Learning, span: Span) -> Option<()> {
        let turned = |(_, layer): &(&NodeId, &NodeId)| learning.transfer.is_some() && learning.layers.contains(layer);
        let Some((back, _)) = self.network.backward.iter().find(turned) else { return Some(()) };
        let message = "training by two arrays what is read backward, too, is not supported yet";
        let wrong = Diagnostic::new(Code::E0402, message, span, "trained here");
        let wrong = wrong.with_label(self.network.graph[*back].span, "read backward here");
        self.closer.diagnostics.push(wrong.with_help("use `backprop`, `mixed_precision` or `manhattan`"));
        None
    }
}
