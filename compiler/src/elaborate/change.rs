//! Parameters that runs change: `run for 1 s { set exc.bias = 0.2 nA }`.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Block, Field, Ident, Item, Param, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;
use nmc_program::{Tensor, TensorData, TensorId, To};

use super::Elaborator;
use super::signal::Kind;
use super::term::Term;
use crate::forms::equations::Expr;
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::Phase;
use crate::typing::blocks;
use crate::units::{dimension_name, type_dimension};

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
    fields.flatten().filter_map(|field| Some((words(field)?, None))).collect()
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
        if let (Some(all), "w") = (self.connections.get(&population).cloned(), member.as_str()) {
            return self.change_weights(&all, field, phase);
        }
        let Some(&node) = self.nodes.get(&population) else { return self.no_population(&population, at) };
        let Some(Some(param)) = self.changed.get(&(population.clone(), member.clone())).cloned() else {
            return self.change_state(node, field, phase);
        };
        let dimension = param.ty.as_ref().and_then(|ty| type_dimension(&ty.name.text)).unwrap_or_default();
        let value = self.closer.value(&self.names, self.file, &field.value, dimension)?;
        let term = Term { expr: Expr::Number(value), dimension };
        if let Some(impossible) = blocks::impossible(&param, &term, field.value.span) {
            self.closer.diagnostics.push(impossible);
            return None;
        }
        let Operator::Population { dynamics, .. } = &self.network.graph[node].operator else { return None };
        let state = dynamics.states.iter().position(|state| state.name == member)?;
        phase.changes.push((node, state, value));
        Some(())
    }

    /// `set exc.v = -60 mV`: where a state stands when the run begins.
    fn change_state(&mut self, node: NodeId, field: &Field, phase: &mut Phase) -> Option<()> {
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
            let value = self.closer.value(&self.names, self.file, &field.value, dimension)?;
            phase.changes.push((node, state, value));
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
