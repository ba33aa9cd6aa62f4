//! Parameters that runs change: `run for 1 s { set exc.bias = 0.2 nA }`.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Block, Expr as Ast, ExprKind, Field, Ident, Item, Param, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::{Tensor, TensorData, TensorId, To};

use super::Elaborator;
use super::arguments::index;
use super::signal::Kind;
use super::term::{Term, is_random};
use crate::algebra::{mentions, substitute};
use crate::analyse::evaluate::evaluate;
use crate::forms::equations::{Emission, Expr, Symbol};
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::Phase;
use crate::quantity::{Dimension, Quantity};
use crate::typing::blocks;
use crate::units::{dimension_name, show, type_dimension};

/// What an experiment changes: population and parameter, and the parameter as its block declares it, once that is known.
pub type Changed = BTreeMap<(String, String), Option<Param>>;

/// The words of `set exc.bias = …`.
fn words(field: &Field) -> Option<(String, String)> {
    let [_, population, member] = &field.key[..] else { return None };
    Some((population.text.clone(), member.text.clone()))
}

/// What the runs of an experiment change.
pub fn changed(block: &Block) -> Changed {
    let fields = block.body.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Run { fields, .. } => Some(fields),
        _ => None,
    });
    let mut changed = Changed::new();
    for field in fields.flatten() {
        let Some((population, member)) = words(field) else { continue };
        // `part[0]` may be a population, or an element of one.
        if let [Ast { kind: ExprKind::Number { value, .. }, .. }] = &field.elements[..] {
            changed.insert((format!("{population}[{value}]"), member.clone()), None);
        }
        changed.insert((population, member), None);
    }
    changed
}

impl Elaborator<'_> {
    /// Data for the parameters of a population that a run changes: all elements start with one number.
    pub fn starting_numbers(
        &mut self,
        population: &str,
        len: usize,
        closed: &[(&Param, Term)],
    ) -> BTreeMap<String, TensorId> {
        let mut data = BTreeMap::new();
        for (param, term) in closed {
            let Some(known) = self.changed.get_mut(&(population.to_string(), param.name.text.clone())) else {
                continue;
            };
            *known = Some((*param).clone());
            // What differs from element to element is a number of each already.
            let Some(value) = term.value() else { continue };
            let name = format!("{population}.{}", param.name.text);
            let tensor = Tensor { name, shape: vec![len], data: TensorData::F64(vec![value; len]) };
            data.extend(self.keep(tensor, param.span).map(|tensor| (param.name.text.clone(), tensor)));
        }
        data
    }

    /// `set exc.bias = 0.2 nA`
    pub fn change(&mut self, field: &Field, phase: &mut Phase) -> Option<()> {
        let (population, member) = words(field)?;
        let at = field.key[1].span;
        let name = Ast { kind: ExprKind::Name(population.clone()), span: at };
        let set = match field.elements.is_empty() {
            true => name,
            false => Ast { kind: ExprKind::Index(Box::new(name), field.elements.clone()), span: at },
        };
        if self.connections.contains_key(&population) && member == "w" {
            let all: Vec<usize> = self.connections_of(&set)?.into_iter().map(|(_, index)| index).collect();
            return self.change_weights(&all, field, phase);
        }
        let (node, range) = self.population_range(&set)?;
        let population = self.network.graph[node].name.clone();
        let Some(Some(param)) = self.changed.get(&(population, member.clone())).cloned() else {
            return self.change_state((node, range), field, phase);
        };
        let dimension = param.ty.as_ref().and_then(|ty| type_dimension(&ty.name.text)).unwrap_or_default();
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return None };
        let state = dynamics.states.iter().position(|state| state.name == member)?;
        let to = self.elements((node, range), &field.value, (&member, dimension))?;
        let span = field.value.span;
        let impossible = |value: f64| {
            let term = Term { expr: Expr::Number(value), dimension };
            blocks::impossible(&param, &term, span).or_else(|| self.below_zero((node, state), value, span))
        };
        let impossible = match to {
            To::Fill(value) | To::Range { value, .. } => impossible(value),
            To::Pairs(values) | To::Elements { values, .. } => {
                let data = &self.tensors[values.index()].data;
                (0..data.len()).find_map(|at| impossible(data.get(at)))
            }
        };
        if let Some(impossible) = impossible {
            self.closer.diagnostics.push(impossible);
            return None;
        }
        phase.changes.push((node, state, to));
        Some(())
    }

    /// What some elements of a population are set to: one number, data with one for each, or an expression of the index `i`.
    fn elements(
        &mut self,
        (node, (first, end)): (NodeId, (usize, usize)),
        ast: &Ast,
        (member, dimension): (&str, Dimension),
    ) -> Option<To> {
        if self.kind(ast) == Kind::Data {
            let (values, _) = self.of_each(member, Some(dimension), ast, end - first)?;
            return Some(To::Elements { first, values });
        }
        self.names.local.insert(String::from("i"), index());
        let term = self.closer.close_as(&self.names, self.file, ast, dimension);
        self.names.local.clear();
        let term = term?;
        if mentions(&term.expr, &|symbol| symbol == Symbol::Index) && !is_random(&term.expr) {
            let at = |element: usize| {
                let number = |symbol| (symbol == Symbol::Index).then_some(Expr::Number(element as f64));
                evaluate(&substitute(&term.expr, &number), &[], &[])
            };
            let data = TensorData::F64((first..end).map(at).collect());
            let values = self.keep(Tensor { name: member.to_string(), shape: vec![end - first], data }, ast.span)?;
            return Some(To::Elements { first, values });
        }
        let value = self.closer.known(&term, ast)?;
        Some(match (first, end) == (0, self.network.graph[node].len()) {
            true => To::Fill(value),
            false => To::Range { first, end, value },
        })
    }

    /// What is wrong with a parameter's value where a rate or a time to hold would be below 0.
    fn below_zero(&self, (node, state): (NodeId, usize), value: f64, span: Span) -> Option<Diagnostic> {
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return None };
        let of = match dynamics.emission.as_ref()? {
            Emission::Poisson { rate } => vec![(rate, "a rate", Dimension::FREQUENCY)],
            Emission::When { holds, .. } => {
                holds.iter().map(|(_, time)| (time, "a time to hold", Dimension::TIME)).collect()
            }
            Emission::Once { .. } | Emission::Given => vec![],
        };
        let mut values = vec![0.0; dynamics.states.len()];
        values[state] = value;
        let alone = |expr: &Expr| {
            let is = |symbol| symbol == Symbol::State(state);
            mentions(expr, &is) && !mentions(expr, &|symbol| !is(symbol))
        };
        let below = |(expr, ..): &&(&Expr, &str, Dimension)| alone(expr) && evaluate(expr, &[], &values) < 0.0;
        let (expr, what, dimension) = of.iter().find(below)?;
        let shown = show(Quantity { si: evaluate(expr, &[], &values), dimension: *dimension });
        Some(Diagnostic::new(Code::E0306, format!("{what} cannot be negative, this is {shown}"), span, "below 0"))
    }

    /// `set exc.v = -60 mV`: where a state stands when the run begins.
    fn change_state(
        &mut self,
        (node, range): (NodeId, (usize, usize)),
        field: &Field,
        phase: &mut Phase,
    ) -> Option<()> {
        let (name, member) = (field.key[2].span, field.key[2].text.clone());
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return None };
        let blocks = self.closer.model.modules.iter().flat_map(|module| &module.tree.items);
        let blocks = blocks.filter_map(|item| if let Item::Block(block) = item { Some(block) } else { None });
        let block = blocks.into_iter().find(|block| block.name.text == dynamics.name);
        let of_block = |stmt: &Stmt| match &stmt.kind {
            StmtKind::State { name, .. } | StmtKind::Trace { name, .. } => Some(name.text.clone()),
            _ => None,
        };
        let states: Vec<String> = block.iter().flat_map(|block| &block.body).filter_map(of_block).collect();
        let params = block.iter().flat_map(|block| &block.params).map(|param| param.name.text.clone());
        let known: Vec<String> = params.chain(states.iter().cloned()).collect();
        if states.contains(&member)
            && let Some(state) = dynamics.states.iter().position(|state| state.name == member)
        {
            let dimension = dynamics.states[state].dimension;
            let to = self.elements((node, range), &field.value, (&member, dimension))?;
            phase.changes.push((node, state, to));
            return Some(());
        }
        let message = format!("`{}` has no parameter or state `{member}`", field.key[1].text);
        let near = closest(&member, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        let unknown = Diagnostic::new(Code::E0206, message, name, "unknown parameter");
        let help = near.unwrap_or_else(|| format!("it has {}", known.join(", ")));
        self.closer.diagnostics.push(unknown.with_help(help));
        None
    }

    /// `set plastic.w = data["w"] * 1 nS`: one number for all synapses, or [sources, targets], of which the pairs that are joined count.
    fn change_weights(&mut self, all: &[usize], field: &Field, phase: &mut Phase) -> Option<()> {
        for &index in all {
            let connection = &self.network.connections[index];
            let (dimension, range) = (connection.dimension, |(first, end): (usize, usize)| end - first);
            let pairs = [range(connection.source_range), range(connection.target_range)];
            let to = if self.kind(&field.value) == Kind::Data {
                let array = self.array(&field.value)?;
                if array.shape != pairs {
                    let message = format!("`{}` is {:?}, {pairs:?} is needed", array.name, array.shape);
                    self.error(Code::E0308, message, field.value.span, "weights are [sources, targets]");
                    return None;
                }
                if array.dimension != dimension {
                    let (is, wanted) = (dimension_name(array.dimension), dimension_name(dimension));
                    let message = format!("these weights are a {wanted}, what is given is {is}");
                    self.error(Code::E0302, message, field.value.span, format!("this is {is}"));
                    return None;
                }
                let tensor = self.loaded(&array, field.value.span)?;
                To::Pairs(self.keep(tensor, field.value.span)?)
            } else {
                To::Fill(self.closer.value(&self.names, self.file, &field.value, dimension)?)
            };
            self.set_within(index, to, field.value.span);
            phase.weights.push((index, to));
        }
        Some(())
    }

    /// `freeze plastic`: rules leave the weights of a connection as they are.
    pub fn freeze(&mut self, name: &Ident, phase: &mut Phase) -> Option<()> {
        let Some(all) = self.connections.get(&name.text).cloned() else {
            let message = format!("there is no connection `{}`", name.text);
            let mut unknown = Diagnostic::new(Code::E0201, message, name.span, "unknown connection");
            let near = closest(&name.text, self.connections.keys().map(String::as_str));
            unknown.help = near
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| Some(String::from("give it a name: `connect plastic: a -> b { … }`")));
            self.closer.diagnostics.push(unknown);
            return None;
        };
        if !all.iter().any(|&index| self.network.connections[index].dynamics.changes_weight()) {
            let message = format!("no rule changes the weights of `{}`", name.text);
            self.error(Code::E0205, message, name.span, "they stay as they are anyway");
            return None;
        }
        phase.frozen.extend(all);
        Some(())
    }
}
