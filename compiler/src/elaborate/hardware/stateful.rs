//! Devices with states of their own as cells of synapses: their equations, and the pulses that write them.

use nmc_grammar::ast::{BlockKind, Expr as Ast};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::super::equations::{Closing, named};
use super::super::term::built_in;
use super::{ENERGY, Elaborator, fields_of};
use crate::forms::chip::PulseEnergy;
use crate::forms::equations::Dynamics;
use crate::quantity::Dimension;

/// What a device with states says of itself.
pub struct Stateful {
    /// Its states, one input (volts), and the output `conductance`.
    pub dynamics: Dynamics,
    /// Of its pulses.
    pub volts: f64,
    pub seconds: f64,
    /// Joules of one, where they are said.
    pub each: f64,
    pub energy: PulseEnergy,
    /// Shares of cells that are stuck at the highest and at the lowest conductance.
    pub stuck: (f64, f64),
}

/// Properties of cells without states, which the states of these say.
const OF_OTHERS: &[&str] = &[
    "levels",
    "noise programming",
    "noise read",
    "noise telegraph",
    "noise flicker",
    "drift",
    "potentiation",
    "depression",
    "noise pulse",
    "leak",
];

impl Elaborator<'_> {
    /// The device that an expression names, if it has no range of conductances but states.
    pub(in super::super) fn stateful(&mut self, ast: &Ast) -> Option<Option<Stateful>> {
        let used = self.used(ast, BlockKind::Device)?;
        let fields = fields_of(used.block);
        if fields.contains_key("conductance") {
            return Some(None);
        }
        let name = &used.block.name.text;
        let args = self.arguments(&used.block.params, used.id.file, &used.args, used.span, None)?;
        let (file, scope, dynamics) = (used.id.file, built_in(), named(used.block));
        let mut closing = Closing { closer: &mut self.closer, file, scope, dynamics, weight: None };
        closing.block(used.block, args);
        let dynamics = closing.dynamics;
        let wrong = if let Some(key) = OF_OTHERS.iter().find(|key| fields.contains_key(**key)) {
            let help =
                format!("leave `{key}` out of `{name}`, or give it a range, `conductance: a .. b`, and no states");
            Some((format!("`{key}` is of cells without states"), help))
        } else if !matches!(&dynamics.inputs[..], [input] if input.dimension == Dimension::VOLTAGE) {
            let help = String::from("give it one input: `input v: voltage`");
            Some((format!("nothing says what a voltage does to `{name}`"), help))
        } else if !fields.contains_key("pulse_voltage") {
            let help = "say it in the device: `pulse_voltage: 1 V` and `programming: one_shot(pulse_time: 1 ms)`";
            Some((format!("the voltage of pulses on `{name}` is not known"), String::from(help)))
        } else {
            None
        };
        if let Some((message, help)) = wrong {
            let wrong = Diagnostic::new(Code::E0463, message, ast.span, "these cells");
            self.closer.diagnostics.push(wrong.with_help(help));
            return None;
        }
        self.within(&used, |this, block| {
            let fields = fields_of(block);
            let volts = this.number(&fields, "pulse_voltage", Dimension::VOLTAGE, 0.0)?;
            let (programming, said) = this.programming(&fields)?;
            let each = this.number(&fields, "pulse_energy", ENERGY, programming.energy)?;
            let faults = this.faults(&fields)?;
            let (seconds, stuck) = (programming.time, (faults.stuck_on, faults.stuck_off));
            let energy = match said || fields.contains_key("pulse_energy") {
                true => PulseEnergy::Said,
                false => PulseEnergy::Across { volts, seconds },
            };
            Some(Some(Stateful { dynamics, volts, seconds, each, energy, stuck }))
        })
    }
}
