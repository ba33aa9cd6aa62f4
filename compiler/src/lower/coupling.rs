//! What synapses give that cannot be one state a target: it is added up over the synapses of each target with every tick.
//!
//! An output is taken apart into sums of products of what belongs to the target and what belongs to the synapse (`w * (pre.v - post.v)`
//! is `w * pre.v` and `-post.v` times `w`). Only the latter are added up, at the start of the step; the former stay in the
//! target's equations, which are then as implicit in its own states as without the synapses.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Access, ArrayId, Op};

use super::Lowering;
use super::algebra::{self, mentions};
use super::connection::{Lowered, at_target};
use super::event::Side;
use super::expression;
use super::kernel::Builder;
use crate::forms::equations::{Dynamics, Expr, Function, Symbol};
use crate::forms::network;

/// More products than these are not worth it: the whole is added up then.
const MOST_PRODUCTS: usize = 16;

impl Lowering<'_> {
    /// Puts the output of a connection into the system of its target, with a state for each part that is added up.
    pub fn collect(
        &mut self,
        connection: &network::Connection,
        dynamics: &Dynamics,
        why: &str,
    ) -> Vec<(ArrayId, Expr)> {
        let (Some(port), Some((_, output))) = (connection.port, dynamics.outputs.first()) else { return Vec::new() };
        if !self.chip.ideal && mentions(output, &|symbol| matches!(symbol, Symbol::Pre(_))) {
            let message = format!("`{}` reads its source in every step", connection.name);
            let label = "spikes alone go from neuron to neuron on a chip so far";
            self.diagnostics.push(Diagnostic::new(Code::E0402, message, connection.span, label));
        }
        self.note(format!("{}: its synapses are added up one by one in every step, as {why}", connection.name));
        let mut collected = Vec::new();
        for Product { target, synapse } in products(output) {
            let name = format!("{}.{}", connection.name, dynamics.outputs[0].0);
            let Some(joint) = self.summed_state(connection.target, name, None) else { continue };
            let Some(population) = self.populations.get_mut(&connection.target) else { continue };
            let given = algebra::multiply(at_target(&target, &|_| None), Expr::Symbol(Symbol::State(joint)));
            population.synaptic[port].push(given);
            collected.push((population.states[joint], synapse));
        }
        collected
    }

    /// Adds up what was taken apart.
    pub fn add_up_outputs(&mut self, lowered: &Lowered, connection: &network::Connection) {
        if lowered.collected.is_empty() {
            return;
        }
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let mut names =
            |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, Side::Synapse, &[], dt);
        for (array, part) in &lowered.collected {
            let (value, before) = (expression::number(&mut b, &mut names, part), b.load(*array, Access::Target));
            let sum = b.add(before, value);
            b.store(*array, Access::Target, sum);
        }
        let kernel = self.kernel(format!("{}: output", connection.name), b);
        let zeroed = lowered.collected.iter().map(|(array, _)| *array).collect();
        self.tick.synapses.push(Op::Synapses { connection: lowered.id, kernel, zeroed, every: 1 });
    }
}

/// What belongs to the target, times what belongs to the synapse.
#[derive(Debug, Clone, PartialEq)]
struct Product {
    target: Expr,
    synapse: Expr,
}

/// An output as a sum of products, each of another part of the synapse.
fn products(output: &Expr) -> Vec<Product> {
    let found = split(output);
    if found.len() > MOST_PRODUCTS {
        return vec![whole(output)];
    }
    let mut gathered: Vec<Product> = Vec::new();
    for product in found {
        match gathered.iter_mut().find(|other| other.synapse == product.synapse) {
            Some(other) => other.target = algebra::add(other.target.clone(), product.target),
            None => gathered.push(product),
        }
    }
    gathered
}

fn whole(expr: &Expr) -> Product {
    Product { target: Expr::Number(1.0), synapse: expr.clone() }
}

fn is_of_target(symbol: Symbol) -> bool {
    matches!(symbol, Symbol::Post(_) | Symbol::Input(_))
}

fn split(expr: &Expr) -> Vec<Product> {
    let of_synapse = |symbol| !is_of_target(symbol) && !matches!(symbol, Symbol::Time | Symbol::TimeStep);
    if !mentions(expr, &of_synapse) && !algebra::random(expr) {
        return vec![Product { target: expr.clone(), synapse: Expr::Number(1.0) }];
    }
    let Expr::Call(function, args) = expr else { return vec![whole(expr)] };
    if !mentions(expr, &is_of_target) {
        return vec![whole(expr)];
    }
    let negated =
        |product: Product| Product { target: algebra::call(Function::Negate, vec![product.target]), ..product };
    match (function, &args[..]) {
        (Function::Add, [a, b]) => [split(a), split(b)].concat(),
        (Function::Subtract, [a, b]) => split(a).into_iter().chain(split(b).into_iter().map(negated)).collect(),
        (Function::Negate, [a]) => split(a).into_iter().map(negated).collect(),
        (Function::Multiply, [a, b]) => {
            let (left, right) = (split(a), split(b));
            let times = |a: &Product, b: &Product| Product {
                target: algebra::multiply(a.target.clone(), b.target.clone()),
                synapse: algebra::multiply(a.synapse.clone(), b.synapse.clone()),
            };
            left.iter().flat_map(|a| right.iter().map(move |b| times(a, b))).collect()
        }
        (Function::Divide, [a, b]) if !mentions(b, &of_synapse) => {
            let over = |product: Product| {
                let target = algebra::call(Function::Divide, vec![product.target, b.clone()]);
                Product { target, ..product }
            };
            split(a).into_iter().map(over).collect()
        }
        (Function::Divide, [a, b]) if !mentions(b, &is_of_target) => {
            let over = |product: Product| {
                let synapse = algebra::call(Function::Divide, vec![product.synapse, b.clone()]);
                Product { synapse, ..product }
            };
            split(a).into_iter().map(over).collect()
        }
        // Both in one: the target's part is taken at the start of the step, too.
        _ => vec![whole(expr)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Taken apart as by hand; the parts of both sides multiply to the whole.
    #[test]
    fn outputs_are_taken_apart() {
        let symbol = |symbol| Expr::Symbol(symbol);
        let (w, pre, post) = (symbol(Symbol::Weight), symbol(Symbol::Pre(0)), symbol(Symbol::Post(0)));
        let call = |function, args: &[&Expr]| Expr::Call(function, args.iter().map(|arg| (*arg).clone()).collect());
        let gap = call(Function::Multiply, &[&w, &call(Function::Subtract, &[&pre, &post])]);
        let parts = products(&gap);
        let own: Vec<&Expr> = parts.iter().map(|part| &part.synapse).collect();
        assert_eq!(own, [&call(Function::Multiply, &[&w, &pre]), &w]);
        assert_eq!(parts[1].target, call(Function::Negate, &[&post]));
        // w s (1 - v) / (1 + exp(v)): one part, all that is of the target in front of it.
        let (s, one) = (symbol(Symbol::State(0)), Expr::Number(1.0));
        let unblocked = call(Function::Add, &[&one, &call(Function::Exp, &[&post])]);
        let driven = call(
            Function::Multiply,
            &[&call(Function::Multiply, &[&w, &s]), &call(Function::Subtract, &[&one, &post])],
        );
        let parts = products(&call(Function::Divide, &[&driven, &unblocked]));
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].synapse, call(Function::Multiply, &[&w, &s]));
        // Of both in one function there is no such product.
        let rectified = call(Function::Maximum, &[&call(Function::Subtract, &[&pre, &post]), &Expr::Number(0.0)]);
        assert_eq!(products(&rectified), [whole(&rectified)]);
    }
}
