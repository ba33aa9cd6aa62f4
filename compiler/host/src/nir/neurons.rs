//! NIR's neurons as blocks of the language, with NIR's equations and names. NIR tells no start: it is 0, or v_leak where 0 would fire.

use super::file::{Node, Numbers};
use crate::layers::{Argument, Array, Population};

/// A kind of neuron.
#[derive(Debug)]
pub struct Neuron {
    /// NIR's name for it.
    pub kind: &'static str,
    /// Its block, what that says, and its parameters there, which are NIR's.
    pub name: &'static str,
    pub block: &'static str,
    pub parameters: &'static [&'static str],
    /// Whether it gives spikes; else it gives `v`.
    pub spikes: bool,
}

pub const NEURONS: &[Neuron] = &[
    Neuron {
        kind: "LIF",
        name: "lif",
        block: "neuron lif(tau: time, r: real = 1, v_leak: real = 0, v_threshold: real = 1, v_reset: real = 0) {
            input x: real
            state v: real = if v_threshold > 0 then 0 else v_leak
            v' = (v_leak - v + r * x) / tau
            spike when v > v_threshold { v = v_reset }
        }",
        parameters: &["tau", "r", "v_leak", "v_threshold", "v_reset"],
        spikes: true,
    },
    Neuron {
        kind: "CubaLIF",
        name: "cuba_lif",
        block: "neuron cuba_lif(
            tau_syn: time, tau_mem: time, r: real = 1, v_leak: real = 0, v_threshold: real = 1, v_reset: real = 0, w_in: real = 1
        ) {
            input x: real
            state i: real = 0
            state v: real = if v_threshold > 0 then 0 else v_leak
            i' = (w_in * x - i) / tau_syn
            v' = (v_leak - v + r * i) / tau_mem
            spike when v > v_threshold { v = v_reset }
        }",
        parameters: &["tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"],
        spikes: true,
    },
    Neuron {
        kind: "IF",
        name: "integrate_and_fire",
        block: "neuron integrate_and_fire(r: frequency, v_threshold: real = 1, v_reset: real = 0) {
            input x: real
            state v: real = 0
            v' = r * x
            spike when v > v_threshold { v = v_reset }
        }",
        parameters: &["r", "v_threshold", "v_reset"],
        spikes: true,
    },
    Neuron {
        kind: "LI",
        name: "leaky_integrator",
        block: "neuron leaky_integrator(tau: time, r: real = 1, v_leak: real = 0) {
            input x: real
            state v: real = 0
            v' = (v_leak - v + r * x) / tau
        }",
        parameters: &["tau", "r", "v_leak"],
        spikes: false,
    },
    Neuron {
        kind: "CubaLI",
        name: "cuba_integrator",
        block: "neuron cuba_integrator(tau_syn: time, tau_mem: time, r: real = 1, v_leak: real = 0, w_in: real = 1) {
            input x: real
            state i: real = 0
            state v: real = 0
            i' = (w_in * x - i) / tau_syn
            v' = (v_leak - v + r * i) / tau_mem
        }",
        parameters: &["tau_syn", "tau_mem", "r", "v_leak", "w_in"],
        spikes: false,
    },
    Neuron {
        kind: "I",
        name: "integrator",
        block: "neuron integrator(r: frequency) {
            input x: real
            state v: real = 0
            v' = r * x
        }",
        parameters: &["r"],
        spikes: false,
    },
    Neuron {
        kind: "Threshold",
        name: "threshold_unit",
        // A spike that changes nothing is one when the condition begins to hold.
        block: "neuron threshold_unit(threshold: real = 1) {
            input x: real
            state _fired: real = 0
            spike when x > threshold { _fired = 1 }
        }",
        parameters: &["threshold"],
        spikes: true,
    },
];

/// What spikes come to that are delayed, and how: its value is 1 from when one arrives to the next step.
pub const RELAY: &str = "relay";
pub const RELAY_BLOCKS: [&str; 2] =
    ["neuron relay() { state v: real = 0; v' = -v / 1 ps }", "synapse pass() { on pre { post.v += w } }"];

/// What a file's numbers of time are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    Seconds,
    Milliseconds,
}

impl Time {
    pub fn unit(self) -> &'static str {
        match self {
            Time::Seconds => "s",
            Time::Milliseconds => "ms",
        }
    }
}

impl Neuron {
    /// The unit of a parameter's numbers.
    pub fn unit(&self, parameter: &str, time: Time) -> &'static str {
        match (parameter, time) {
            ("tau" | "tau_syn" | "tau_mem", _) => time.unit(),
            ("r", _) if !self.parameters.iter().any(|name| name.starts_with("tau")) => match time {
                Time::Seconds => "Hz",
                Time::Milliseconds => "kHz",
            },
            _ => "",
        }
    }

    /// Neurons as a file has them, and their shape; the error says in words what is wrong.
    pub fn population(&self, name: &str, node: &Node, time: Time) -> Result<(Population, Vec<usize>), String> {
        let mut shape: Vec<usize> = Vec::new();
        let mut given = Vec::new();
        for &parameter in self.parameters {
            let absent = match parameter {
                "v_reset" => Some(0.0),
                "w_in" => Some(1.0),
                _ => None,
            };
            let absent = absent.map(|value| Numbers { shape: Vec::new(), values: vec![value] });
            let numbers = node.arrays.get(parameter).cloned().or(absent);
            let numbers = numbers.ok_or_else(|| format!("it has no `{parameter}`"))?;
            if numbers.values.len() > 1 || !numbers.shape.is_empty() {
                if !shape.is_empty() && shape != numbers.shape {
                    return Err(format!("its parameters are {shape:?} and {:?}", numbers.shape));
                }
                shape.clone_from(&numbers.shape);
            }
            if parameter.starts_with("tau") && numbers.values.iter().any(|tau| *tau <= 0.0) {
                return Err(format!("its `{parameter}` is not above 0"));
            }
            given.push((parameter, numbers));
        }
        let shape = if shape.is_empty() { vec![1] } else { shape };
        let len: usize = shape.iter().product();
        if len == 0 {
            return Err(format!("its shape is {shape:?}"));
        }
        let mut arguments = Vec::new();
        for (parameter, numbers) in given {
            let unit = self.unit(parameter, time);
            let first = numbers.values[0];
            let usual = match parameter {
                _ if !unit.is_empty() => None,
                "v_leak" | "v_reset" => Some(0.0),
                _ => Some(1.0),
            };
            if numbers.values.iter().any(|value| *value != first) {
                let array = Array { name: format!("{name}.{parameter}"), shape: vec![len], values: numbers.values };
                arguments.push((parameter, Argument::Array(array), unit));
            } else if usual != Some(first) {
                arguments.push((parameter, Argument::Number(first), unit));
            }
        }
        let value = (!self.spikes).then_some("v");
        let (name, block, drive, delayed) = (name.to_string(), self.name, None, None);
        Ok((Population { name, block, len, arguments, drive, delayed, value, probed: false }, shape))
    }
}
