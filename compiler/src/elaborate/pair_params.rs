//! Parameters of synapses and rules that differ from pair to pair: of `i`, `j` and values of the two neurons, or from data.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind, Ident, Param};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::FileId;
use nmc_program::{Tensor, TensorData, TensorId};

use super::Elaborator;
use super::signal::Kind;
use super::term::Term;
use crate::algebra::mentions;
use crate::analyse::pairs::{End, Ends};
use crate::forms::equations::{Dynamics, Expr, Symbol};
use crate::forms::network::{Operator, Pattern};
use crate::quantity::Dimension;
use crate::typing::blocks;
use crate::units::type_dimension;

/// Who is joined, as far as parameters ask.
#[derive(Clone, Copy)]
pub struct Joined<'p> {
    pub ends: (End, End),
    pub pattern: &'p Pattern,
    /// Of a list, which entry of its data each synapse is.
    pub order: Option<&'p [usize]>,
}

/// What is a synapse's own: its equations, and data for its states.
#[derive(Default)]
pub struct Own {
    pub dynamics: Dynamics,
    pub given: BTreeMap<usize, TensorId>,
    /// The state that is its delay, where that is read and differs from pair to pair.
    pub delay: Option<usize>,
}

/// Data of one or the other neuron, as an expression, or of each synapse.
enum OfPairs {
    Neurons(Expr),
    Synapses(TensorId),
}

impl Elaborator<'_> {
    /// The arguments of a synapse or a rule. What differs from pair to pair becomes a state of the synapse that nothing changes.
    pub fn of_each_pair<'b>(
        &mut self,
        (params, file): (&'b [Param], FileId),
        (args, whole): (&[Arg], nmc_grammar::span::Span),
        weight: Dimension,
        joined: Joined,
        own: &mut Own,
    ) -> Option<Vec<(&'b Param, Term)>> {
        let mut plain = Vec::new();
        for (position, arg) in args.iter().enumerate() {
            let param = match &arg.name {
                Some(name) => params.iter().find(|param| param.name.text == name.text),
                None => params.get(position),
            };
            let Some(param) = param.filter(|_| self.kind(&arg.value) == Kind::Data) else {
                plain.push(arg.clone());
                continue;
            };
            let dimension = dimension_of(param, weight);
            let possible = |this: &mut Self, tensor| this.possible(param, tensor, dimension, arg.value.span);
            let data = self.data_of_pairs((&param.name.text, dimension), &arg.value, joined, &possible)?;
            let expr = match data {
                OfPairs::Neurons(expr) => expr,
                OfPairs::Synapses(tensor) => {
                    let state = own.dynamics.keep(param.name.text.clone(), dimension, Expr::Number(0.0));
                    own.given.insert(state, tensor);
                    Expr::Symbol(Symbol::State(state))
                }
            };
            // No name of a program's has a dot.
            let name = format!("{}.data", param.name.text);
            self.names.names.insert(name.clone(), Term { expr, dimension });
            let value = Ast { kind: ExprKind::Name(name), span: arg.value.span };
            plain.push(Arg { name: Some(param.name.clone()), value });
        }
        let values: Vec<&Ast> = plain.iter().map(|arg| &arg.value).collect();
        self.know_pairs(joined.ends, &values)?;
        let closed = self.arguments(params, file, &plain, whole, Some(weight));
        self.forget_pairs();
        let mut closed = closed?;
        for (param, term) in &mut closed {
            let of_pair =
                |symbol| matches!(symbol, Symbol::SourceIndex | Symbol::TargetIndex | Symbol::Pre(_) | Symbol::Post(_));
            if !mentions(&term.expr, &of_pair) {
                continue;
            }
            let place = plain.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == param.name.text));
            let place = place.map_or(whole, |arg| arg.value.span);
            let (source, target) = joined.ends;
            let between = Ends { network: &self.network, tensors: &self.tensors, source, target };
            let wrong = |value: f64| {
                let term = Term { expr: Expr::Number(value), dimension: term.dimension };
                blocks::impossible(param, &term, place)
            };
            if let Some(value) = between.find(&term.expr, &|_, _| true, &|value| wrong(value).is_some()) {
                self.closer.diagnostics.extend(wrong(value));
                return None;
            }
            let state = own.dynamics.keep(param.name.text.clone(), term.dimension, term.expr.clone());
            term.expr = Expr::Symbol(Symbol::State(state));
        }
        Some(closed)
    }

    /// Where states of a synapse or rule start that are given as arguments: an expression of the pair, or data as of parameters.
    pub fn starts_given(
        &mut self,
        starting: &[(&Ident, &Ast)],
        (from, joined): (usize, Joined),
        own: &mut Own,
    ) -> Option<()> {
        for (name, ast) in starting {
            let mut states = own.dynamics.states.iter().enumerate().skip(from);
            let (state, dimension) =
                states.find(|(_, state)| state.name == name.text).map(|(at, state)| (at, state.dimension))?;
            own.dynamics.states[state].initial = if self.kind(ast) == Kind::Data {
                match self.data_of_pairs((&name.text, dimension), ast, joined, &|_, _| Some(()))? {
                    OfPairs::Neurons(expr) => expr,
                    OfPairs::Synapses(tensor) => {
                        own.given.insert(state, tensor);
                        // Something that differs from synapse to synapse.
                        Expr::Symbol(Symbol::TargetIndex)
                    }
                }
            } else {
                self.of_pairs(joined.ends, ast, Some(dimension))?.expr
            };
        }
        Some(())
    }

    /// Data: one number for each pair of a list, for each target, for each source, or [sources, targets] of a matrix or of all to all.
    fn data_of_pairs(
        &mut self,
        (name, dimension): (&str, Dimension),
        ast: &Ast,
        joined: Joined,
        possible: &dyn Fn(&mut Self, TensorId) -> Option<()>,
    ) -> Option<OfPairs> {
        let Joined { ends: (source, target), pattern, order } = joined;
        let len = |(_, (first, end)): End| end - first;
        let (sources, targets) = (len(source), len(target));
        let array = self.array(ast)?;
        let shape = &array.shape[..];
        let tensor = match (order, pattern) {
            (Some(_), _) => None,
            (None, Pattern::Matrix(_)) if *shape == [sources, targets] => {
                Some(self.each_given(name, dimension, ast, sources * targets)?)
            }
            (None, _) => None,
        };
        let kept = if let Some(order) = order {
            self.each_given(name, dimension, ast, order.len()).and_then(|given| self.ordered_as(given, order, ast))?
        } else if let Some(tensor) = tensor {
            tensor
        } else {
            let one_to_one = matches!(pattern, Pattern::OneToOne);
            let (of_targets, of_sources) = (*shape == [targets], *shape == [sources] && !one_to_one);
            if of_targets == of_sources {
                let message = match of_targets {
                    true => format!("as many numbers for `{name}` as there are sources, and targets, {sources}"),
                    false => format!("`{name}` has {shape:?} numbers for {sources} sources and {targets} targets"),
                };
                let wrong = Diagnostic::new(Code::E0310, message, ast.span, "one for each target, or each source");
                let help = match of_targets {
                    true => format!(
                        "give them to the population, and say whose they are: `population b: lif[{targets}]() {{ {name}: … }}`, then `post.{name}`"
                    ),
                    false => String::from("of a `list` they are one for each pair, of a `matrix` [sources, targets]"),
                };
                self.closer.diagnostics.push(wrong.with_help(help));
                return None;
            }
            let (node, (first, end)) = if of_targets { target } else { source };
            let given = self.each_given(name, dimension, ast, end - first)?;
            possible(self, given)?;
            let (data, all) = (&self.tensors[given.index()].data, self.network.graph[node].len());
            let at = |element: usize| if (first..end).contains(&element) { data.get(element - first) } else { 0.0 };
            let data = TensorData::F64((0..all).map(at).collect());
            let tensor = self.keep(Tensor { name: name.to_string(), shape: vec![all], data }, ast.span)?;
            let Operator::Population { dynamics, .. } = &mut self.network.graph[node].operator else { return None };
            let state = dynamics.keep(format!("{name}.{}", dynamics.states.len()), dimension, Expr::Number(0.0));
            self.network.given.insert((node, state), tensor);
            let symbol = if of_targets { Symbol::Post(state) } else { Symbol::Pre(state) };
            return Some(OfPairs::Neurons(Expr::Symbol(symbol)));
        };
        possible(self, kept)?;
        Some(OfPairs::Synapses(kept))
    }

    /// Data as they are, of which there are so many.
    fn each_given(&mut self, name: &str, dimension: Dimension, ast: &Ast, len: usize) -> Option<TensorId> {
        self.of_each(name, Some(dimension), ast, len).map(|(tensor, _)| tensor)
    }

    /// The same in the order of synapses.
    fn ordered_as(&mut self, given: TensorId, order: &[usize], ast: &Ast) -> Option<TensorId> {
        let Tensor { name, data, .. } = self.tensors[given.index()].clone();
        self.ordered(name, |entry| data.get(entry), order, ast.span)
    }
}

fn dimension_of(param: &Param, weight: Dimension) -> Dimension {
    let ty = param.ty.as_ref().map_or("", |ty| ty.name.text.as_str());
    type_dimension(ty).or((ty == "weight").then_some(weight)).unwrap_or_default()
}
