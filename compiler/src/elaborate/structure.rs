//! Networks: their ports, their statements, and networks within networks.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, Block, Expr as Ast, ExprKind, Ident, Param, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;

use super::Elaborator;
use super::data::Data;
use super::signal::{Kind, Value};
use super::term::Term;
use crate::forms::equations::{Dynamics, Emission};
use crate::forms::model::DefId;
use crate::forms::network::{Logical, Node, NodeId, Operator, PopulationKind};
use crate::quantity::Dimension;
use crate::typing::blocks::is_port;
use crate::typing::walk;

/// The most levels of networks within networks.
const DEEPEST: usize = 100;

/// An input or output port.
#[derive(Debug, Clone)]
pub struct Port {
    pub shape: Vec<usize>,
    pub logical: Logical,
    pub span: Span,
}

impl Port {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Elaborator<'_> {
    /// The network that is deployed: its ports become nodes.
    pub fn top(&mut self, id: DefId, block: &Block, args: &[Arg], span: Span) {
        let Some(parameters) = self.parameters(id, block, args, span) else { return };
        self.file = id.file;
        self.names.names.extend(parameters);
        self.network.name = block.name.text.clone();
        self.inside.push(id);
        for param in block.params.iter().filter(|param| is_port(param)) {
            let Some(port) = self.port_of(param) else { continue };
            let Some(name) = self.claim(&param.name.text, param.name.span) else { continue };
            let operator = match port.logical {
                Logical::Spikes => Operator::Population {
                    dynamics: Dynamics {
                        name: String::from("input"),
                        emission: Some(Emission::Given),
                        ..Dynamics::default()
                    },
                    kind: PopulationKind::Neuron,
                },
                Logical::Real | Logical::Bits(_) => Operator::Input,
            };
            let node =
                Node { name, operator, shape: port.shape, logical: port.logical, span: param.span, inserted: None };
            let node = self.network.graph.add_node(node);
            self.network.inputs.push(node);
            self.bind_input(&param.name.text, node);
        }
        self.declare_outputs(block);
        self.network_body(&block.body);
        for output in &block.outputs {
            let Some(port) = self.ports.get(&output.name.text).cloned() else { continue };
            let Some(from) = self.driven_output(&output.name) else { continue };
            let user = Some(&output.name);
            let node = self.add(Operator::Output, port.shape, port.logical, output.span, user, "", &[from]);
            self.network.outputs.extend(node);
        }
        self.states_move();
        self.inside.pop();
    }

    fn bind_input(&mut self, name: &str, node: NodeId) {
        if self.network.graph[node].logical == Logical::Spikes
            && matches!(self.network.graph[node].operator, Operator::Population { .. })
        {
            self.nodes.insert(name.to_string(), node);
        } else {
            self.values.insert(name.to_string(), Value::Signal(node));
        }
    }

    fn declare_outputs(&mut self, block: &Block) {
        self.ports.clear();
        self.driven.clear();
        for output in &block.outputs {
            if let Some(port) = self.port_of(output) {
                self.ports.insert(output.name.text.clone(), port);
            }
        }
    }

    fn driven_output(&mut self, name: &Ident) -> Option<NodeId> {
        let found = self.driven.get(&name.text).copied();
        if found.is_none() && self.closer.diagnostics.iter().all(|diagnostic| !diagnostic.is_error()) {
            let message = format!("nothing flows to the output `{}`", name.text);
            self.error(Code::E0412, message, name.span, format!("write `… -> {}` in the network", name.text));
        }
        found
    }

    /// Shape and logical type of a port.
    fn port_of(&mut self, param: &Param) -> Option<Port> {
        // The check has told of ports without a type, and of types that are none of a port.
        let ty = param.ty.as_ref()?;
        let logical = match ty.name.text.as_str() {
            "real" => Logical::Real,
            "spikes" => Logical::Spikes,
            "bits" => Logical::Bits(match ty.args.first() {
                Some(bits) => self.count(bits, 1.0)? as u32,
                None => 8,
            }),
            _ => return None,
        };
        let shape = ty.shape.iter().map(|size| self.count(size, 1.0)).collect::<Option<Vec<usize>>>()?;
        let shape = if shape.is_empty() { vec![1] } else { shape };
        let len = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        if len.is_none_or(|len| len > super::population::MOST_ELEMENTS) {
            self.error(Code::E0403, format!("`{}` would be too large", param.name.text), ty.span, "too many elements");
            return None;
        }
        Some(Port { shape, logical, span: param.span })
    }

    /// The parameters of a network, without its ports.
    fn parameters(&mut self, id: DefId, block: &Block, args: &[Arg], span: Span) -> Option<Vec<(String, Term)>> {
        let params: Vec<Param> = block.params.iter().filter(|param| !is_port(param)).cloned().collect();
        let closed = self.arguments(&params, id.file, args, span, None)?;
        Some(closed.into_iter().map(|(param, term)| (param.name.text.clone(), term)).collect())
    }

    /// A network used as a layer: its statements once more, under the instance's name.
    pub fn instance(
        &mut self,
        id: DefId,
        block: &Block,
        from: Vec<NodeId>,
        args: &[Arg],
        name: &str,
        span: Span,
    ) -> Option<BTreeMap<String, NodeId>> {
        if self.inside.contains(&id) || self.inside.len() >= DEEPEST {
            let message = format!("`{}` is made of itself", block.name.text);
            self.error(Code::E0210, message, span, "would never end");
            return None;
        }
        let (fed, rest) = self.fed_ports(block, from, args, span)?;
        let parameters = self.parameters(id, block, &rest, span)?;
        let outer = self.enter(id.file, format!("{}{name}.", self.prefix));
        self.names.names.extend(parameters);
        self.inside.push(id);
        let mut sound = true;
        for (param, (node, place)) in block.params.iter().filter(|param| is_port(param)).zip(fed) {
            sound &= self.bind_fed(param, node, place).is_some();
        }
        self.declare_outputs(block);
        let mut outputs = BTreeMap::new();
        if sound {
            self.network_body(&block.body);
            for output in &block.outputs {
                if let Some(node) = self.driven_output(&output.name) {
                    outputs.insert(output.name.text.clone(), node);
                }
            }
        }
        self.inside.pop();
        self.leave(outer);
        (outputs.len() == block.outputs.len() && !outputs.is_empty()).then_some(outputs)
    }

    /// What feeds each port of a network, and the arguments that are left for its parameters.
    #[allow(clippy::type_complexity)]
    fn fed_ports(
        &mut self,
        block: &Block,
        from: Vec<NodeId>,
        args: &[Arg],
        span: Span,
    ) -> Option<(Vec<(NodeId, Span)>, Vec<Arg>)> {
        let ports: Vec<&Param> = block.params.iter().filter(|param| is_port(param)).collect();
        let mut fed: Vec<Option<(NodeId, Span)>> = from.into_iter().map(|node| Some((node, span))).collect();
        if fed.len() > ports.len() {
            let message = format!("`{}` has {} inputs, not {}", block.name.text, ports.len(), fed.len());
            self.error(Code::E0206, message, span, "too many signals");
            return None;
        }
        fed.resize(ports.len(), None);
        let mut rest = Vec::new();
        for arg in args {
            let named = |param: &&Param| arg.name.as_ref().is_some_and(|name| name.text == param.name.text);
            match ports.iter().position(named) {
                Some(index) => fed[index] = Some((self.signal(&arg.value, None)?, arg.value.span)),
                None => rest.push(arg.clone()),
            }
        }
        let missing = fed.iter().position(Option::is_none).map(|index| ports[index].name.text.clone());
        if let Some(missing) = missing {
            let message = format!("the input `{missing}` of `{}` is not fed", block.name.text);
            self.error(Code::E0207, message, span, "missing here");
            return None;
        }
        Some((fed.into_iter().flatten().collect(), rest))
    }

    fn bind_fed(&mut self, param: &Param, node: NodeId, place: Span) -> Option<()> {
        let port = self.port_of(param)?;
        let node = match port.logical {
            Logical::Spikes => self.spiking(node, place)?,
            Logical::Real | Logical::Bits(_) => self.real(node, place)?,
        };
        let shape = self.network.graph[node].shape.clone();
        if shape != port.shape && (port.len() != 1 || shape.iter().product::<usize>() != 1) {
            let message = format!("`{}` is {:?}, what feeds it is {shape:?}", param.name.text, port.shape);
            self.error(Code::E0303, message, place, "another shape");
            return None;
        }
        if self.dimension(node) != Dimension::NONE {
            let message = format!("`{}` is a plain number", param.name.text);
            self.error(Code::E0302, message, place, "this has a dimension");
            return None;
        }
        self.bind_input(&param.name.text, node);
        Some(())
    }

    /// The statements of a network.
    pub fn network_body(&mut self, body: &[Stmt]) {
        for stmt in body {
            if let StmtKind::Population { name, .. } = &stmt.kind {
                self.declared.insert(name.text.clone(), name.span);
            }
        }
        for stmt in body {
            self.unless_failed(stmt, |this| this.network_statement(stmt));
        }
    }

    fn network_statement(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Population { name, indices, model, shape, args, values } => {
                self.population(name, indices, model, shape, (args, values), stmt.span);
            }
            StmtKind::Connect { name, from, to, fields } => self.connect(name.as_ref(), from, to, fields, stmt.span),
            StmtKind::Probe { signals, histogram, every, start } => {
                self.probe(signals, histogram.as_ref(), every.as_ref(), *start);
            }
            StmtKind::For { variable, range, body } => self.repeat(variable, range, body),
            StmtKind::If { condition, .. } if self.kind(condition) == Kind::Signal => {
                let message = "structure is chosen while compiling, and this is known in a run only";
                let wrong = Diagnostic::new(Code::E0305, message, condition.span, "a signal");
                self.closer.diagnostics.push(wrong.with_help("one of two values is `y = if x > 0 then a else b`"));
            }
            StmtKind::If { condition, then, otherwise } => {
                if let Some(truth) = self.closer.value(&self.names, self.file, condition, Dimension::NONE) {
                    self.network_body(if truth != 0.0 { then } else { otherwise });
                }
            }
            StmtKind::Flow { value, target } => self.flow(value, target),
            StmtKind::State { name, ty, initial } => self.state(name, ty, initial.as_ref(), stmt.span),
            StmtKind::Next { name, value } => self.next(name, value),
            StmtKind::Assign { target, op: nmc_grammar::ast::AssignOp::Set, value } => self.name_it(target, value),
            // The check has told of statements out of place.
            _ => {}
        }
    }

    /// `name = …`: a number, data or a signal.
    fn name_it(&mut self, target: &Ast, value: &Ast) {
        let name = match &target.kind {
            ExprKind::Name(name) => Some(name.clone()),
            ExprKind::Index(object, indices) => match (&object.kind, &indices[..]) {
                (ExprKind::Name(name), [index]) => self.count(index, 0.0).map(|index| format!("{name}[{index}]")),
                _ => None,
            },
            _ => None,
        };
        let Some(name) = name else {
            self.error(Code::E0305, "a name is needed before `=`", target.span, "not a name");
            return;
        };
        if self.values.contains_key(&name) || self.nodes.contains_key(&name) {
            self.error(Code::E0202, format!("`{name}` is defined twice"), target.span, "defined again here");
            return;
        }
        let user = Ident { text: name.clone(), span: target.span };
        match self.kind(value) {
            Kind::Data => {
                let data = if walk::loads(value) { self.data_called(&name, value) } else { self.data(value) };
                let Some(data) = data else { return };
                match data {
                    // A single number of data is one as any other.
                    Data::Array(array) if array.shape.is_empty() => {
                        let Some(tensor) = self.loaded(&array, value.span) else { return };
                        self.set(&name, Term { dimension: array.dimension, ..Term::number(tensor.data.get(0)) });
                    }
                    data => drop(self.values.insert(name, Value::Data(data))),
                }
            }
            Kind::Signal => {
                if let Some(node) = self.signal(value, Some(&user)) {
                    self.bind_signal(name, node);
                }
            }
            Kind::Number => {
                if let Some(term) = self.closer.close(&self.names, self.file, value) {
                    self.set(&name, term);
                }
            }
        }
    }

    fn bind_signal(&mut self, name: String, node: NodeId) {
        let data = &self.network.graph[node];
        let population = matches!(data.operator, Operator::Population { .. }) && data.logical == Logical::Spikes;
        if population {
            self.nodes.insert(name, node);
        } else {
            // A network's only output may be called by its own name, too: `r.scores` as well as `r`.
            self.values.entry(name).or_insert(Value::Signal(node));
        }
    }

    fn repeat(&mut self, variable: &Ident, range: &Ast, body: &[Stmt]) {
        let ExprKind::Range(low, high) = &range.kind else {
            self.error(Code::E0305, "`for` goes over a range", range.span, "not a range such as `0..4`");
            return;
        };
        let (Some(low), Some(high)) = (self.count(low, 0.0), self.count(high, 0.0)) else { return };
        if high.saturating_sub(low) > 100_000 {
            self.error(Code::E0306, "a loop runs at most 100,000 times", range.span, "too often");
            return;
        }
        let before = self.names.names.get(&variable.text).cloned();
        for value in low..high {
            let errors = self.closer.diagnostics.len();
            self.set(&variable.text, Term::number(value as f64));
            self.network_body(body);
            // One round tells what is wrong with all.
            if self.closer.diagnostics.len() > errors {
                break;
            }
        }
        match before {
            Some(term) => self.set(&variable.text, term),
            None => {
                self.names.names.remove(&variable.text);
            }
        }
    }
}
