//! What differs from pair to pair of neurons: weights, delays and probabilities of indices and of values that are a neuron's own.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;

use super::Elaborator;
use super::term::{Term, is_random};
use crate::analyse::pairs::{End, Ends};
use crate::forms::equations::{Dynamics, Expr, Symbol};
use crate::forms::network::{NodeId, Operator, Pattern};
use crate::quantity::Dimension;
use crate::typing::walk;

impl Elaborator<'_> {
    /// Closes an expression of which every pair has its own value: of `i`, `j`, and of what elements keep, `pre.x` and `post.x`.
    pub fn of_pairs(&mut self, ends: (End, End), ast: &Ast, wanted: Option<Dimension>) -> Option<Term> {
        self.know_pairs(ends, &[ast])?;
        let term = match wanted {
            Some(dimension) => self.closer.close_as(&self.names, self.file, ast, dimension),
            None => self.closer.close(&self.names, self.file, ast),
        };
        self.forget_pairs();
        term
    }

    /// Gives the names that expressions of pairs know a meaning, until [`Self::forget_pairs`].
    pub fn know_pairs(&mut self, (source, target): (End, End), all: &[&Ast]) -> Option<()> {
        let before = self.errors();
        for ast in all {
            walk::within(ast, &mut |part| {
                if let ExprKind::Member(object, member) = &part.kind
                    && let ExprKind::Name(side) = &object.kind
                    && let Some((node, _)) =
                        [("pre", source), ("post", target)].into_iter().find_map(|(s, end)| (s == side).then_some(end))
                {
                    self.is_kept(node, side, member);
                }
            });
        }
        if self.errors() > before {
            return None;
        }
        let index = |symbol| Term { expr: Expr::Symbol(symbol), dimension: Dimension::NONE };
        let indices = [("i", Symbol::SourceIndex), ("j", Symbol::TargetIndex)];
        self.names.local = indices.into_iter().map(|(name, symbol)| (name.to_string(), index(symbol))).collect();
        for (side, (node, _), symbol) in
            [("pre", source, Symbol::Pre as fn(usize) -> Symbol), ("post", target, Symbol::Post)]
        {
            let states = self.dynamics_of(node).into_iter().flat_map(|dynamics| dynamics.states.iter().enumerate());
            let states: Vec<(String, Term)> = states
                .map(|(at, state)| {
                    let term = Term { expr: Expr::Symbol(symbol(at)), dimension: state.dimension };
                    (state.name.clone(), term)
                })
                .collect();
            self.names.members.extend(states.into_iter().map(|(name, term)| ((side.to_string(), name), term)));
        }
        Some(())
    }

    pub fn forget_pairs(&mut self) {
        self.names.local.clear();
        self.names.members.clear();
    }

    fn dynamics_of(&self, node: NodeId) -> Option<&Dynamics> {
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return None };
        Some(dynamics)
    }

    /// Whether a member is what elements of a population have and keep.
    fn is_kept(&mut self, node: NodeId, side: &str, member: &nmc_grammar::ast::Ident) {
        let Some(dynamics) = self.dynamics_of(node) else { return };
        let (found, name) =
            (dynamics.states.iter().position(|state| state.name == member.text), &self.network.graph[node].name);
        let wrong = match found {
            Some(state) if dynamics.keeps(state) => return,
            Some(_) => {
                let message = format!("`{}` of `{name}` changes with time", member.text);
                let wrong =
                    Diagnostic::new(Code::E0305, message, member.span, "a connection is made once, before the run");
                wrong.with_help(format!(
                    "the equations of a synapse may read it: `current = … {side}.{} …`",
                    member.text
                ))
            }
            None => {
                let message = format!("the elements of `{name}` have no `{}` of their own", member.text);
                let kept = (0..dynamics.states.len()).filter(|&state| dynamics.keeps(state));
                let kept: Vec<&str> = kept.map(|state| dynamics.states[state].name.as_str()).collect();
                let near = closest(&member.text, kept).map(|near| format!("did you mean `{near}`?"));
                let give = || {
                    let (model, value) = (&dynamics.name, "uniform(0 mm, 1 mm)");
                    format!("give them one: `population {name}: {model}[…](…) {{ {}: {value} }}`", member.text)
                };
                let unknown = Diagnostic::new(Code::E0201, message, member.span, "unknown value");
                unknown.with_help(near.unwrap_or_else(give))
            }
        };
        self.closer.diagnostics.push(wrong);
    }

    /// `random(p: …)`: of one probability, or of another for each pair.
    pub fn by_chance(&mut self, p: &Ast, itself: bool, ends: (End, End)) -> Option<Pattern> {
        let term = self.of_pairs(ends, p, Some(Dimension::NONE))?;
        if is_random(&term.expr) {
            let message = "a probability is what chance goes by, and not drawn itself";
            let wrong = Diagnostic::new(Code::E0305, message, p.span, "drawn");
            let help = "draw a value of each element, `population a: lif[9]() { x: uniform(0, 1) }`, and use it: `random(p: pre.x)`";
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        let (source, target) = ends;
        let between = Ends { network: &self.network, tensors: &self.tensors, source, target };
        let (least, most) = between.interval(&term.expr).unwrap_or((0.0, 1.0));
        let constant = term.value();
        let never = if constant.is_some() { least < 0.0 } else { most < 0.0 };
        if never || least > 1.0 {
            let value = if never { most } else { least };
            let (is, label) = if constant.is_some() {
                ("is not a probability", "must lie within 0 and 1")
            } else if never {
                ("at most: not a probability", "must lie within 0 and 1")
            } else {
                ("at least: not a probability", "must lie within 0 and 1")
            };
            let mut wrong = Diagnostic::new(Code::E0405, format!("{value} {is}"), p.span, label);
            wrong.help = constant
                .filter(|value| (1.0..=100.0).contains(value))
                .map(|value| format!("a share in percent is written `{value} %`"));
            self.closer.diagnostics.push(wrong);
            return None;
        }
        Some(match constant {
            Some(p) => Pattern::Random { p, itself },
            None => Pattern::Likely { mean: between.mean(&term.expr), p: term.expr, itself },
        })
    }
}
