//! Kernels and programs as text, for `--emit program`: `v3 = mul v1, v2`.

use std::fmt;

use crate::*;

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Inst {
    /// The values it uses, each with whether it must be a truth value.
    pub fn operands(&self) -> Vec<(Value, bool)> {
        match *self {
            Inst::Const(_) | Inst::Load(_) | Inst::Time | Inst::Index | Inst::SourceIndex | Inst::TargetIndex => vec![],
            Inst::Random { .. } => vec![],
            Inst::Unary(_, a) | Inst::Store { value: a, .. } => vec![(a, false)],
            Inst::Binary(_, a, b) | Inst::Compare(_, a, b) => vec![(a, false), (b, false)],
            Inst::Fma(a, b, c) => vec![(a, false), (b, false), (c, false)],
            Inst::And(a, b) | Inst::Or(a, b) => vec![(a, true), (b, true)],
            Inst::Not(a) | Inst::Spike(a) => vec![(a, true)],
            Inst::Select(c, a, b) => vec![(c, true), (a, false), (b, false)],
        }
    }

    /// What it gives: a truth value, a number, or nothing.
    pub fn result(&self) -> Option<bool> {
        match self {
            Inst::Compare(..) | Inst::And(..) | Inst::Or(..) | Inst::Not(_) => Some(true),
            Inst::Store { .. } | Inst::Spike(_) => None,
            Inst::Const(_) | Inst::Load(_) | Inst::Time | Inst::Index | Inst::SourceIndex | Inst::TargetIndex => {
                Some(false)
            }
            Inst::Unary(..) | Inst::Binary(..) | Inst::Fma(..) | Inst::Select(..) | Inst::Random { .. } => Some(false),
        }
    }

    fn mnemonic(&self) -> &'static str {
        match self {
            Inst::Const(_) => "const",
            Inst::Load(_) => "load",
            Inst::Time => "time",
            Inst::Index => "index",
            Inst::SourceIndex => "source",
            Inst::TargetIndex => "target",
            Inst::Unary(operation, _) => match operation {
                Unary::Negate => "neg",
                Unary::Absolute => "abs",
                Unary::SquareRoot => "sqrt",
                Unary::Exp => "exp",
                Unary::Log => "log",
                Unary::Sin => "sin",
                Unary::Cos => "cos",
                Unary::Tanh => "tanh",
                Unary::Floor => "floor",
                Unary::Round => "round",
                Unary::Phi1 => "phi1",
            },
            Inst::Binary(operation, ..) => match operation {
                Binary::Add => "add",
                Binary::Subtract => "sub",
                Binary::Multiply => "mul",
                Binary::Divide => "div",
                Binary::Minimum => "min",
                Binary::Maximum => "max",
                Binary::Power => "pow",
            },
            Inst::Fma(..) => "fma",
            Inst::Compare(comparison, ..) => match comparison {
                Compare::Less => "lt",
                Compare::LessEqual => "le",
                Compare::Greater => "gt",
                Compare::GreaterEqual => "ge",
                Compare::Equal => "eq",
                Compare::NotEqual => "ne",
            },
            Inst::And(..) => "and",
            Inst::Or(..) => "or",
            Inst::Not(_) => "not",
            Inst::Select(..) => "select",
            Inst::Random { draw: Draw::Uniform, .. } => "uniform",
            Inst::Random { draw: Draw::Normal, .. } => "normal",
            Inst::Store { .. } => "store",
            Inst::Spike(_) => "spike",
        }
    }
}

/// One program as text.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {} {:?} dt={:e} s", self.name, self.precision, self.dt)?;
        for (index, tensor) in self.tensors.iter().enumerate() {
            writeln!(f, "tensor t{index} {:?} {}", tensor.shape, tensor.name)?;
        }
        for (index, array) in self.arrays.iter().enumerate() {
            let lane = if array.per_lane { "" } else { " shared" };
            writeln!(f, "array a{index} {} {:?}{lane} = {:?}", array.name, array.len, array.initial)?;
        }
        for (index, matrix) in self.matrices.iter().enumerate() {
            let cells = if matrix.cells.is_some() { "cells" } else { "exact" };
            writeln!(
                f,
                "matrix m{index} {} [{} x {}] {cells} {:?}",
                matrix.name, matrix.rows, matrix.cols, matrix.weights
            )?;
        }
        for lines in &self.lines {
            let matrices: Vec<String> =
                lines.pieces.iter().map(|(matrix, row, _)| format!("m{} from row {row}", matrix.0)).collect();
            writeln!(
                f,
                "lines of {}: rows open {}, columns open {}, {} spare columns: {}",
                lines.name,
                lines.dead_row,
                lines.dead_column,
                lines.spares,
                matrices.join(", ")
            )?;
        }
        for wired in &self.wired {
            let matrices: Vec<String> =
                wired.pieces.iter().map(|(matrix, row)| format!("m{} from row {row}", matrix.0)).collect();
            let ends = if wired.both_ends { "both ends" } else { "one end" };
            writeln!(
                f,
                "wires {} ohm, driver {} ohm at {ends}, sense {} ohm: {}",
                wired.segment,
                wired.driver,
                wired.sense,
                matrices.join(", ")
            )?;
        }
        for (index, group) in self.groups.iter().enumerate() {
            writeln!(f, "group g{index} {} [{}] {:?}", group.name, group.len, group.source)?;
        }
        for (index, connection) in self.connections.iter().enumerate() {
            write_connection(f, index, connection)?;
        }
        for (index, kernel) in self.kernels.iter().enumerate() {
            write_kernel(f, index, kernel, &self.arrays)?;
        }
        for (name, ops) in self.stages() {
            if !ops.is_empty() {
                writeln!(f, "{name}:")?;
            }
            for op in ops {
                writeln!(f, "  {op:?}")?;
            }
        }
        for phase in &self.phases {
            write!(f, "phase {:?}: {} samples of {} ticks", phase.kind, phase.samples, phase.ticks)?;
            writeln!(f, "{}", if phase.taken > 1 { ", outputs after each" } else { "" })?;
            phase.inputs.iter().try_for_each(|feed| writeln!(f, "  feed {feed:?}"))?;
            phase.fits.iter().try_for_each(|fit| writeln!(f, "  fit {fit:?}"))?;
            if let Some(learning) = &phase.learning {
                writeln!(f, "  learn {:?} of {:?}, gradient {:?}", learning.loss, learning.output, learning.gradient)?;
                let Learning { rates, batch, epochs, shuffled, held_out, stop, patience, .. } = learning;
                writeln!(f, "  rates {rates:?}, batch {batch}, {epochs} epochs, {shuffled:?}")?;
                writeln!(f, "  {held_out} held out, {stop:?}, {patience:?}")?;
                learning.backward.iter().try_for_each(|op| writeln!(f, "    {op:?}"))?;
                if let Some(Through { ticks, taken, from_taken, kept, tick, gradients, begin }) = &learning.through {
                    taken.iter().chain(from_taken).try_for_each(|kept| writeln!(f, "    {kept:?}"))?;
                    writeln!(f, "  back through {ticks} ticks")?;
                    kept.iter().try_for_each(|kept| writeln!(f, "    {kept:?}"))?;
                    writeln!(f, "  through each tick")?;
                    tick.iter().try_for_each(|op| writeln!(f, "    {op:?}"))?;
                    gradients.iter().try_for_each(|kept| writeln!(f, "    {kept:?}"))?;
                    writeln!(f, "  to before the ticks")?;
                    begin.iter().try_for_each(|op| writeln!(f, "    {op:?}"))?;
                }
                learning.layers.iter().try_for_each(|layer| writeln!(f, "  {layer:?}"))?;
                learning.ranges.iter().try_for_each(|range| writeln!(f, "  {range:?}"))?;
                learning.costs.iter().try_for_each(|cost| writeln!(f, "  {cost:?}"))?;
            }
            phase.metrics.iter().try_for_each(|metric| writeln!(f, "  metric {metric:?}"))?;
        }
        self.probes.iter().try_for_each(|probe| writeln!(f, "probe {probe:?}"))?;
        self.costs.costs.iter().try_for_each(|cost| writeln!(f, "cost {cost:?}"))
    }
}

fn write_connection(f: &mut fmt::Formatter<'_>, index: usize, connection: &Connection) -> fmt::Result {
    let source = connection.source_start..connection.source_start + connection.source_len;
    let target = connection.target_start..connection.target_start + connection.target_len;
    let group = connection.source.map_or(String::from("silent "), |group| format!("g{}", group.0));
    write!(f, "connection c{index} {} {group}{source:?} -> {target:?}", connection.name)?;
    write!(f, " {:?} {:?} on_pre {:?}", connection.pattern, connection.delay, connection.on_pre)?;
    if let Some(Rounded { bits, step, .. }) = connection.rounded {
        write!(f, " weights of {bits} bits{}", step.map_or(String::new(), |step| format!(", steps of {step:?}")))?;
    }
    writeln!(f, "{}", if connection.by_target { " by target" } else { "" })
}

fn write_kernel(f: &mut fmt::Formatter<'_>, index: usize, kernel: &Kernel, arrays: &[Array]) -> fmt::Result {
    writeln!(f, "kernel k{index} {} {{", kernel.name)?;
    let slot = |slot: u32| {
        let Some(found) = kernel.slots.get(slot as usize) else { return format!("s{slot}") };
        let name = arrays.get(found.array.index()).map_or("?", |array| array.name.as_str());
        match found.access {
            Access::Element { offset: 0 } => name.to_string(),
            Access::Element { offset } => format!("{name}[+{offset}]"),
            Access::Broadcast { offset } => format!("{name}[{offset}]"),
            Access::Source => format!("{name}[source]"),
            Access::Target => format!("{name}[target]"),
            Access::Synapse => format!("{name}[synapse]"),
        }
    };
    for (number, inst) in kernel.body.iter().enumerate() {
        let operands: Vec<String> = inst.operands().iter().map(|(value, _)| value.to_string()).collect();
        let (word, operands) = (inst.mnemonic(), operands.join(", "));
        let operands = match *inst {
            Inst::Const(constant) => format!("{constant:e}"),
            Inst::Load(from) => slot(from),
            Inst::Random { number: draw, .. } => format!("#{draw}"),
            Inst::Store { slot: to, .. } => format!("{}, {operands}", slot(to)),
            Inst::Time
            | Inst::Index
            | Inst::SourceIndex
            | Inst::TargetIndex
            | Inst::Unary(..)
            | Inst::Binary(..)
            | Inst::Fma(..)
            | Inst::Compare(..)
            | Inst::And(..)
            | Inst::Or(..)
            | Inst::Not(_)
            | Inst::Select(..)
            | Inst::Spike(_) => operands,
        };
        match inst.result() {
            Some(_) => writeln!(f, "{}", format!("  v{number} = {word} {operands}").trim_end())?,
            None => writeln!(f, "  {word} {operands}")?,
        }
    }
    writeln!(f, "}}")
}
