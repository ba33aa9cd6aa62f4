//! Decoders: spikes arrive at the matching element and change its state.

use nmc_program::{Access, Amount, Connection, Delay, Effect, Pattern, Value};

use super::Lowering;
use super::algebra;
use super::connection::written_at;
use super::event::pair;
use super::expression;
use super::kernel::Builder;
use super::synapses::added;
use crate::forms::equations::{Change, Symbol};

impl Lowering<'_> {
    /// Spikes into decoders, one to one.
    pub fn decoders(&mut self) {
        let populations: Vec<_> = self.populations.values().cloned().collect();
        for population in populations.iter().filter(|population| !population.dynamics.on_pre.is_empty()) {
            let fed = self.operand(population.node, 0).and_then(|node| self.spike_source(node, 0));
            let Some((source, source_start)) = fed else {
                self.problems.push(format!("`{}` decodes what does not spike", population.name));
                continue;
            };
            let (mut b, own, dt) = (Builder::default(), Access::Target, self.program.dt);
            let mut values: Vec<Value> = population.states.iter().map(|array| b.load(*array, own)).collect();
            let old = values.clone();
            for change in &population.dynamics.on_pre {
                let mut rest = |b: &mut Builder, symbol: Symbol| pair(b, symbol, (&[], &[]), dt);
                let mut names = super::integrate::with_states(&values, &mut rest);
                let value = expression::number(&mut b, &mut names, &change.value);
                drop(names);
                if let Symbol::State(state) = change.target {
                    values[state] = value;
                }
            }
            for (state, array) in
                population.states.iter().enumerate().filter(|(state, _)| values[*state] != old[*state])
            {
                b.store(*array, own, values[state]);
            }
            let effect = match &population.dynamics.on_pre[..] {
                [Change { target: Symbol::State(state), .. }] => {
                    let amount = added(&population.dynamics.on_pre[0]).and_then(|amount| algebra::constant(&amount));
                    amount.map(|amount| Effect::Add {
                        array: population.states[*state],
                        amount: Amount::Constant(amount),
                        held: None,
                    })
                }
                _ => None,
            };
            let name = format!("{}: spikes", population.name);
            let on_pre = match effect {
                Some(effect) => effect,
                None => Effect::Kernel(self.kernel(name.clone(), b)),
            };
            let component = self.component();
            let op = self.one_to_one(Connection {
                name,
                place: written_at(self.network.graph[population.node].span),
                source: Some(source),
                source_start,
                source_len: population.len,
                target_start: 0,
                target_len: population.len,
                target: None,
                same: false,
                pattern: Pattern::OneToOne,
                component,
                delay: Delay::Ticks(0),
                on_pre,
                by_target: false,
                rounded: None,
            });
            self.tick.deliver.push(op);
        }
    }
}
