//! Where spikes meet numbers: encoders and decoders, the user's and those put in where one is needed.

use nmc_grammar::ast::{Arg, Block, BlockKind, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::span::{FileId, Span};

use super::Elaborator;
use super::equations::{Closing, named};
use super::term::{Term, built_in};
use crate::forms::equations::{Expr, Input, Symbol};
use crate::forms::network::{Logical, Node, NodeId, Operator, PopulationKind};
use crate::quantity::Dimension;

impl Elaborator<'_> {
    /// The node itself, or a count of its spikes.
    pub fn real(&mut self, node: NodeId, span: Span) -> Option<NodeId> {
        let data = &self.network.graph[node];
        match (&data.operator, data.logical) {
            (_, Logical::Spikes) => {}
            (Operator::Population { kind: PopulationKind::Neuron | PopulationKind::Device, .. }, _) => {
                let message = format!("`{}` has several values", data.name);
                self.error(Code::E0411, message, span, "say which, as in `nodes.conductance`");
                return None;
            }
            (_, Logical::Real | Logical::Bits(_)) => return Some(node),
        }
        if let Some(&known) = self.inserted.get(&node) {
            return Some(known);
        }
        let why = format!("numbers are needed where `{}` gives spikes: they are counted", data.name);
        let count = library_block("count")?;
        let inserted = self.code(node, FileId(0), &count, &[], None, span)?;
        self.network.graph[inserted].inserted = Some(why);
        self.inserted.insert(node, inserted);
        Some(inserted)
    }

    /// The node itself, or spikes at a rate it tells.
    pub fn spiking(&mut self, node: NodeId, span: Span) -> Option<NodeId> {
        let data = &self.network.graph[node];
        if data.logical == Logical::Spikes {
            return Some(node);
        }
        if let Some(&known) = self.inserted.get(&node) {
            return Some(known);
        }
        let why = format!("spikes are needed where `{}` gives numbers: they become rates up to 100 Hz", data.name);
        let rate = library_block("rate")?;
        let inserted = self.code(node, FileId(0), &rate, &[], None, span)?;
        self.network.graph[inserted].inserted = Some(why);
        self.inserted.insert(node, inserted);
        Some(inserted)
    }

    /// An encoder or a decoder on a signal.
    pub fn code(
        &mut self,
        from: NodeId,
        file: FileId,
        block: &Block,
        args: &[Arg],
        user: Option<&Ident>,
        span: Span,
    ) -> Option<NodeId> {
        let decodes = block.kind == BlockKind::Decoder;
        let (name, logical) = (self.network.graph[from].name.clone(), self.network.graph[from].logical);
        if decodes != (logical == Logical::Spikes) {
            let (needs, gives) = if decodes { ("spikes", "numbers") } else { ("numbers", "spikes") };
            let message = format!("`{}` takes {needs}, `{name}` gives {gives}", block.name.text);
            self.error(Code::E0305, message, span, format!("{needs} are needed"));
            return None;
        }
        if self.dimension(from) != Dimension::NONE {
            let message = format!("`{}` takes plain numbers", block.name.text);
            self.error(Code::E0302, message, span, "these have a dimension");
            return None;
        }
        let args = self.arguments(&block.params, file, args, span, None)?;
        let mut scope = built_in();
        let mut dynamics = named(block);
        if !decodes {
            dynamics.inputs.push(Input { name: String::from("x"), dimension: Dimension::NONE, at: None });
            let term = Term { expr: Expr::Symbol(Symbol::Input(0)), dimension: Dimension::NONE };
            scope.names.insert(String::from("x"), term);
        }
        let mut closing = Closing { closer: &mut self.closer, file, scope, dynamics, weight: None };
        closing.block(block, args)?;
        let dynamics = closing.dynamics;
        let (kind, logical) = match decodes {
            true => (PopulationKind::Decoder, Logical::Real),
            false => (PopulationKind::Encoder, Logical::Spikes),
        };
        let name = match user {
            Some(user) => self.claim(&user.text, user.span)?,
            None => self.fresh(&block.name.text),
        };
        let shape = self.network.graph[from].shape.clone();
        let operator = Operator::Population { dynamics, kind };
        let node = self.network.add(Node { name, operator, shape, logical, span, inserted: None }, &[from]);
        Some(node)
    }
}

/// A block of `std.code`.
fn library_block(name: &str) -> Option<Block> {
    super::standard("code", name)
}
