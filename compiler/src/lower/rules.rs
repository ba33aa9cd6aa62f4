//! Rules over many synapses at once: sums over those of a neuron, changes at intervals, equations stepped with every tick.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Access, Array, ArrayId, Compare, GroupId, Initial, KernelId, Op, Precision, Value};

use super::Lowering;
use super::algebra::{self, substitute};
use super::connection::Lowered;
use super::event::{Side, reads_kept};
use super::expression;
use super::integrate::System;
use super::kernel::{Builder, OWN};
use super::step::{End, Start, each};
use super::synapses::Role;
use crate::forms::equations::{Change, Expr, Function, Symbol};
use crate::forms::network;

/// Changes that one pass over synapses makes, and what is added up before it.
struct Pass {
    changes: Vec<Change>,
    sums: Vec<(ArrayId, KernelId)>,
}

impl Lowering<'_> {
    /// `every 1 s { … }`
    pub fn at_intervals(&mut self, lowered: &mut Lowered, connection: &network::Connection) {
        for regular in lowered.dynamics.regular.clone() {
            let Some(seconds) = algebra::constant(&regular.interval) else {
                self.problems.push(format!("an interval of `{}` is no number", connection.name));
                continue;
            };
            let (every, connected) = (self.ticks(seconds).max(1.0) as u32, lowered.id);
            for pass in self.passes(lowered, connection, &regular.changes, true) {
                let adding = pass.sums.into_iter();
                let adding = adding.map(|(array, kernel)| (kernel, vec![array]));
                let kernel = self.event(lowered, connection, &pass.changes, "every", Side::Synapse);
                let all = adding.chain([(kernel, Vec::new())]);
                let op = |(kernel, zeroed)| Op::Synapses { connection: connected, kernel, zeroed, every };
                self.tick.intervals.extend(all.map(op));
            }
            if let Some(condition) = &regular.rewire {
                self.rewire(lowered, connection, condition, every);
            }
        }
    }

    /// `on post { … }` at the synapses of the neurons that spiked.
    pub fn on_posts(
        &mut self,
        lowered: &mut Lowered,
        connection: &network::Connection,
        changes: &[Change],
        group: GroupId,
    ) -> Vec<Op> {
        let (mut ops, connected) = (Vec::new(), lowered.id);
        self.program.connections[connected.index()].by_target = true;
        for pass in self.passes(lowered, connection, changes, false) {
            for (array, kernel) in pass.sums {
                let (mut b, name) = (Builder::default(), format!("{}: no sum", connection.name));
                let zero = b.number(0.0);
                b.store(array, OWN, zero);
                ops.push(Op::OnSpikes { kernel: self.kernel(name, b), group });
                ops.push(Op::OnPost { connection: connected, kernel });
            }
            let kernel = self.event(lowered, connection, &pass.changes, "on post", Side::Synapse);
            ops.push(Op::OnPost { connection: connected, kernel });
        }
        ops
    }

    /// A sum is of what all synapses are after the changes before it. `in_turn`: each change is made to all synapses before the next,
    /// which differs where it is of what they share, a state of a neuron.
    fn passes(
        &mut self,
        lowered: &mut Lowered,
        connection: &network::Connection,
        changes: &[Change],
        in_turn: bool,
    ) -> Vec<Pass> {
        let mut passes: Vec<Pass> = Vec::new();
        for change in changes {
            let mut sums = Vec::new();
            let value = self.added_up(lowered, connection, &change.value, &mut sums);
            let change = Change { value, ..*change };
            let of_neuron = |change: &Change| matches!(change.target, Symbol::Pre(_) | Symbol::Post(_));
            let shares = |pass: &Pass| pass.changes.iter().any(of_neuron);
            match passes.last_mut() {
                Some(pass) if sums.is_empty() && !(in_turn && shares(pass)) => pass.changes.push(change),
                Some(_) | None => passes.push(Pass { changes: vec![change], sums }),
            }
        }
        passes
    }

    /// The expression with a name in the place of each sum, which a kernel over synapses makes.
    pub fn added_up(
        &mut self,
        lowered: &mut Lowered,
        connection: &network::Connection,
        expr: &Expr,
        sums: &mut Vec<(ArrayId, KernelId)>,
    ) -> Expr {
        let Expr::Call(function, args) = expr else { return expr.clone() };
        let ([term], Function::Sum) = (&args[..], function) else {
            let args = args.iter().map(|arg| self.added_up(lowered, connection, arg, sums)).collect();
            return algebra::call(*function, args);
        };
        let len = self.populations.get(&connection.target).map_or(0, |population| population.len);
        let array = self.zeros(format!("{}.sum", connection.name), len);
        let (mut b, dt, mut now) = (Builder::default(), self.program.dt, Vec::new());
        if reads_kept(lowered, term) {
            self.bring_up_to_date(&mut b, lowered, &mut now);
        }
        let mut names =
            |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, Side::Synapse, &now, dt);
        let value = expression::number(&mut b, &mut names, term);
        let before = b.load(array, Access::Target);
        let sum = b.add(before, value);
        b.store(array, Access::Target, sum);
        sums.push((array, self.kernel(format!("{}: sum", connection.name), b)));
        lowered.inputs.push((array, Access::Target));
        Expr::Symbol(Symbol::Input(lowered.inputs.len() - 1))
    }

    /// Equations of the weight, and of states that are stepped: what is not the synapse's own is taken at the start of the step.
    pub fn step_synapses(&mut self, lowered: &Lowered, connection: &network::Connection) {
        let dynamics = &lowered.dynamics;
        let weight = dynamics.states.len();
        let put = |expr: &Expr| {
            substitute(expr, &|symbol| (symbol == Symbol::Weight).then_some(Expr::Symbol(Symbol::State(weight))))
        };
        let driven = connection.driven();
        let of_cell = |state: usize| driven.is_some_and(|driven| driven.has(state));
        let stepped = |state: usize| lowered.roles[state] == Role::Stepped && !of_cell(state);
        let equation = |state: usize| dynamics.states[state].derivative.as_ref().filter(|_| stepped(state)).map(put);
        let jolt = |state: usize| dynamics.states[state].noise.as_ref().filter(|_| stepped(state)).map(put);
        let derivatives: Vec<Option<Expr>> =
            (0..weight).map(equation).chain([dynamics.weight_derivative.as_ref().map(put)]).collect();
        let noise: Vec<Option<Expr>> = (0..weight).map(jolt).chain([dynamics.weight_noise.as_ref().map(put)]).collect();
        let own = derivatives.len();
        let at_rest = driven.map(|driven| driven.at_rest(&dynamics.states));
        let names: Vec<String> =
            dynamics.states.iter().map(|state| state.name.clone()).chain([String::from("w")]).collect();
        let mut parts = Vec::new();
        let systems = System::parts(&derivatives, &noise, dynamics).into_iter().chain(at_rest);
        for system in systems.filter(|system| !system.is_still()) {
            match system.scheme() {
                Ok(scheme) => parts.push((system, scheme)),
                Err(states) => {
                    let of_synapse = dynamics.rule.as_ref().filter(|_| dynamics.rule_of(states[0]).is_none());
                    let block = of_synapse.map_or(&dynamics.name, |rule| &rule.synapse);
                    let names: Vec<String> = states.iter().map(|&state| format!("`{}`", names[state])).collect();
                    let message = format!("the method of `{block}` cannot integrate {}", names.join(", "));
                    let text = "its equation is not linear as the method needs it";
                    let wrong = Diagnostic::new(Code::E0453, message, connection.span, text);
                    return self.diagnostics.push(wrong.with_help("leave `method` out, or use `method: rk4`"));
                }
            }
        }
        if parts.is_empty() {
            return;
        }
        let described: Vec<String> = parts.iter().map(|(system, scheme)| system.describe(scheme, &names)).collect();
        self.note(format!("{}, integration: {}", connection.name, described.join(", ")));
        let moves = |state: usize| parts.iter().find(|(system, _)| system.derivatives[state].is_some());
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let symbol = |state: usize| if state == weight { Symbol::Weight } else { Symbol::State(state) };
        let zero = b.number(0.0);
        let places: Vec<_> =
            (0..own).map(|state| self.place(lowered, connection, symbol(state), Side::Synapse)).collect();
        let old: Vec<Value> =
            places.iter().map(|place| place.map_or(zero, |(array, access)| b.load(array, access))).collect();
        let low: Vec<Option<ArrayId>> = (0..own)
            .map(|state| {
                let slow = moves(state).is_some_and(|(system, _)| system.is_slow(state, dt));
                let needed = self.program.precision == Precision::F32 && slow;
                let (array, _) = places[state].filter(|_| needed)?;
                let Array { name, len, per_lane, .. } = self.program.arrays[array.index()].clone();
                Some(self.array(format!("{name}.low"), len, per_lane, Initial::Fill(0.0)))
            })
            .collect();
        let low_before: Vec<Option<Value>> =
            low.iter().map(|array| array.map(|array| b.load(array, Access::Synapse))).collect();
        let mut outside =
            |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, Side::Synapse, &[], dt);
        let start = Start { old: &old, low: &low_before, still: &[], dt };
        let End { mut new, low: low_after } = each(&mut b, &parts, &start, &mut outside);
        let free = lowered.plastic.map(|plastic| {
            let (plastic, zero) = (b.load(plastic, Access::Broadcast { offset: 0 }), b.number(0.0));
            b.compare(Compare::NotEqual, plastic, zero)
        });
        let moving = |b: &mut Builder, state: usize, new: Value, old: Value| match free {
            Some(free) if state == weight || of_cell(state) => b.select(free, new, old),
            Some(_) | None => new,
        };
        for (state, value) in low_after.into_iter().enumerate() {
            if let (Some(array), Some(value), Some(before)) = (low[state], value, low_before[state]) {
                let value = moving(&mut b, state, value, before);
                b.store(array, Access::Synapse, value);
            }
        }
        for state in (0..own).filter(|&state| moves(state).is_some()) {
            if let Some((low, high)) = self.bounds(lowered, connection, symbol(state)) {
                let mut names = |b: &mut Builder, symbol: Symbol| {
                    self.value(b, lowered, connection, symbol, Side::Synapse, &[], dt)
                };
                let low = expression::number(&mut b, &mut names, &low);
                let high = expression::number(&mut b, &mut names, &high);
                new[state] = b.clamp(new[state], low, high);
            }
            if let Some((array, access)) = places[state] {
                let value = moving(&mut b, state, new[state], old[state]);
                b.store(array, access, value);
            }
        }
        if let (Some(driven), Some((array, access))) = (driven, places[weight]) {
            let value = self.weight_in_states(&mut b, lowered, connection, driven, &new);
            let value = moving(&mut b, weight, value, old[weight]);
            b.store(array, access, value);
        }
        let kernel = self.kernel(format!("{}: step", connection.name), b);
        self.tick.synapses.push(Op::Synapses { connection: lowered.id, kernel, zeroed: Vec::new(), every: 1 });
    }
}
