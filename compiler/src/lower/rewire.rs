//! Synapses that are drawn anew: which they are, and what they start with.

use nmc_program::{Access, Initial, Inst, Len, Op};

use super::Lowering;
use super::algebra;
use super::connection::Lowered;
use super::event::{Side, pair, reads_kept};
use super::expression;
use super::kernel::Builder;
use super::synapses::Role;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::network;

impl Lowering<'_> {
    /// `rewire when …`, every so many ticks.
    pub fn rewire(&mut self, lowered: &mut Lowered, connection: &network::Connection, condition: &Expr, every: u32) {
        let id = lowered.id;
        let mut sums = Vec::new();
        let condition = self.added_up(lowered, connection, condition, &mut sums);
        let sums =
            sums.into_iter().map(|(array, kernel)| Op::Synapses { connection: id, kernel, zeroed: vec![array], every });
        self.tick.intervals.extend(sums);
        let gone = self.array(format!("{}.gone", connection.name), Len::Synapses(id), false, Initial::Fill(0.0));
        let (mut b, dt, mut now) = (Builder::default(), self.program.dt, Vec::new());
        if reads_kept(lowered, &condition) {
            self.bring_up_to_date(&mut b, lowered, &mut now);
        }
        let mut names =
            |b: &mut Builder, symbol: Symbol| self.value(b, lowered, connection, symbol, Side::Synapse, &now, dt);
        let holds = expression::truth(&mut b, &mut names, &condition);
        let (one, zero) = (b.number(1.0), b.number(0.0));
        let marked = b.select(holds, one, zero);
        let marked = match lowered.plastic {
            Some(plastic) => {
                let free = b.load(plastic, Access::Broadcast { offset: 0 });
                b.multiply(marked, free)
            }
            None => marked,
        };
        b.store(gone, Access::Synapse, marked);
        let kernel = self.kernel(format!("{}: rewire", connection.name), b);
        self.tick.intervals.push(Op::Synapses { connection: id, kernel, zeroed: Vec::new(), every });
        let fresh = self.fresh(lowered, connection);
        let (component, name) = (self.component(), connection.called.clone());
        self.tick.intervals.push(Op::Rewire { connection: id, gone, fresh, every, component, name });
    }

    /// A kernel that gives a synapse what it starts with.
    fn fresh(&mut self, lowered: &Lowered, connection: &network::Connection) -> nmc_program::KernelId {
        let (mut b, dt) = (Builder::default(), self.program.dt);
        let (pre, post) = self.ends(connection);
        let of_pair = |b: &mut Builder, symbol| pair(b, symbol, (&pre, &post), dt);
        let weight = expression::number(&mut b, &mut { of_pair }, &connection.weight);
        if let Some(weights) = lowered.weights {
            b.store(weights, Access::Synapse, weight);
        }
        for (state, declared) in lowered.dynamics.states.iter().enumerate() {
            let kept = matches!(lowered.roles[state], Role::Synapse | Role::Stepped);
            let Some(array) = lowered.states[state].filter(|_| kept) else { continue };
            let mut names = |b: &mut Builder, symbol: Symbol| {
                if symbol == Symbol::Weight { Some(weight) } else { of_pair(b, symbol) }
            };
            let value = match algebra::constant(&declared.initial) {
                Some(value) => b.number(value),
                None => expression::number(&mut b, &mut names, &declared.initial),
            };
            b.store(array, Access::Synapse, value);
        }
        if let Some(last) = lowered.last {
            let now = b.nullary(Inst::Time);
            b.store(last, Access::Synapse, now);
        }
        self.kernel(format!("{}: drawn anew", connection.name), b)
    }
}
