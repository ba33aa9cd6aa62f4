//! Weights that lie outside the bounds of their rule before it has changed them.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_program::{TensorId, To};

use super::Elaborator;
use crate::algebra::{call, constant, mentions, substitute};
use crate::analyse::pairs::Ends;
use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::network::{Connection, Pattern};
use crate::quantity::Quantity;
use crate::units::show;

impl Elaborator<'_> {
    /// Tells of weights with which a connection begins, as far as they are known before a run.
    pub fn begins_within(&mut self, connection: &Connection, span: Span) {
        let Connection { pattern, dynamics, source_range, target_range, .. } = connection;
        // What is asked of cells is what they begin with.
        let weight =
            connection.cells.as_ref().map_or(&connection.weight, |cells| &dynamics.states[cells.before.0].initial);
        let matrix = if let Pattern::Matrix(matrix) = pattern { Some(*matrix) } else { None };
        let ends = [settled(weight, 0), settled(weight, 1)];
        let found = if let Some(data) = connection.weights.or(matrix) {
            self.weights_given(data, matrix.is_some()).find_map(|number| {
                let drawn = |end: &Expr| constant(&substitute(end, &|_| Some(Expr::Number(number))));
                let about = mentions(weight, &|symbol| symbol == Symbol::Weight);
                let of_pair = ends.iter().map(|end| if about { drawn(end) } else { Some(number) });
                of_pair.flatten().find(|weight| outside(connection, *weight))
            })
        } else {
            let one = connection.source == connection.target;
            let joined = |i: usize, j: usize| match pattern {
                Pattern::OneToOne => i - source_range.0 == j - target_range.0,
                Pattern::AllToAll { itself }
                | Pattern::Random { itself, .. }
                | Pattern::Likely { itself, .. }
                | Pattern::FixedInDegree { itself, .. }
                | Pattern::FixedOutDegree { itself, .. }
                | Pattern::FixedTotalNumber { itself, .. } => *itself || !one || i != j,
                Pattern::Matrix(_) | Pattern::List { .. } => true,
            };
            let source = (connection.source, *source_range);
            let target = (connection.target, *target_range);
            let pairs = Ends { network: &self.network, tensors: &self.tensors, source, target };
            ends.iter().find_map(|end| pairs.find(end, &joined, &|weight| outside(connection, weight)))
        };
        let told = found.and_then(|weight| told(connection, weight, "begin at", span));
        self.once(told);
    }

    /// The same of weights that a run sets.
    pub fn set_within(&mut self, index: usize, to: To, span: Span) {
        let connection = &self.network.connections[index];
        let found = match to {
            To::Fill(weight) => Some(weight).filter(|weight| outside(connection, *weight)),
            To::Pairs(weights) => self.weights_given(weights, true).find(|weight| outside(connection, *weight)),
            // Of neurons.
            To::Range { .. } | To::Elements { .. } => None,
        };
        let told = found.and_then(|weight| told(connection, weight, "are set to", span));
        self.once(told);
    }

    /// Numbers of data; a 0 in a matrix may stand where no synapse is.
    fn weights_given(&self, data: TensorId, matrix: bool) -> impl Iterator<Item = f64> {
        let data = &self.tensors[data.index()].data;
        (0..data.len()).map(|index| data.get(index)).filter(move |number| !matrix || *number != 0.0)
    }

    /// One statement may join many populations.
    fn once(&mut self, told: Option<Diagnostic>) {
        let new = told.filter(|told| !self.closer.diagnostics.contains(told));
        self.closer.diagnostics.extend(new);
    }
}

fn told(connection: &Connection, weight: f64, how: &str, span: Span) -> Option<Diagnostic> {
    let (low, high) = bounds(connection)?;
    let shown = |si| show(Quantity { si, dimension: connection.dimension });
    let (rule, low, high) = (&connection.dynamics.name, shown(low), shown(high));
    let message = format!("`{rule}` keeps weights between {low} and {high}, these {how} {}", shown(weight));
    let help =
        "they jump to the nearer bound when the rule first changes them: begin between, or give the rule other bounds";
    Some(Diagnostic::new(Code::W0462, message, span, "outside the bounds").with_help(help))
}

/// The bounds of a connection's weights, where they are the same for all.
fn bounds(connection: &Connection) -> Option<(f64, f64)> {
    let (low, high) = connection.dynamics.weight_bounds.as_ref()?;
    constant(low).zip(constant(high))
}

/// Whether a weight lies outside, and not by a rounding.
fn outside(connection: &Connection, weight: f64) -> bool {
    bounds(connection).is_some_and(|(low, high)| {
        let slack = 1e-6 * (high - low).abs();
        weight < low - slack || weight > high + slack
    })
}

/// An expression with numbers for its draws: one end of even ones, the mean of normal ones, whose tails anything cuts.
fn settled(expr: &Expr, end: usize) -> Expr {
    let Expr::Call(function, args) = expr else { return expr.clone() };
    let mut args: Vec<Expr> = args.iter().map(|arg| settled(arg, end)).collect();
    match (function, args.len()) {
        (Function::Uniform, _) => args.swap_remove(end),
        (Function::Normal, 4) => {
            let above = call(Function::Maximum, vec![args[0].clone(), args[2].clone()]);
            call(Function::Minimum, vec![above, args[3].clone()])
        }
        (Function::Normal, _) => args.swap_remove(0),
        _ => call(*function, args),
    }
}
