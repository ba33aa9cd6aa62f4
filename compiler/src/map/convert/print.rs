//! `Decisions` and `Circuit` as text, for `--emit converted`.

use std::fmt::Write;

use super::domains::{title, word};
use crate::forms::circuit::End;
use crate::forms::mapped::Mapped;

/// One line an operator, wire, part and net.
pub fn print(mapped: &Mapped) -> String {
    let Mapped { network, chip, decisions, circuit, .. } = mapped;
    let graph = &network.graph;
    let mut text = format!("converted {} on {}\n", network.name, chip.name);
    for choice in &decisions.choices {
        let _ = writeln!(text, "{}: {}", graph[choice.node].name, choice.name);
    }
    for wire in &decisions.wires {
        let names: Vec<String> = wire.converters.iter().map(|&id| title(&chip.converters[id])).collect();
        let through = if names.is_empty() { String::from("as it is") } else { names.join(", ") };
        let (from, to) = (&graph[wire.from].name, &graph[wire.to].name);
        let _ =
            writeln!(text, "wire {from} -> {to}[{}]: {}, {through}; {}", wire.operand, word(wire.domain), wire.reason);
    }
    for (node, range) in &decisions.ranges {
        let _ = writeln!(
            text,
            "range {}: {} {:.4e}",
            graph[*node].name,
            if range.unsigned { "0 .." } else { "+-" },
            range.full
        );
    }
    for (index, part) in circuit.parts.iter().enumerate() {
        let names = |ids: &[usize]| ids.iter().map(|&id| title(&chip.converters[id])).collect::<Vec<_>>().join(", ");
        let takes: Vec<String> =
            part.takes.iter().map(|taken| format!("{}: {}", taken.operand, names(&taken.chain))).collect();
        let ((start, end), gives) = (part.elements, names(&part.gives));
        let _ = write!(text, "part {index}: {}[{start}..{end}] {:?}", graph[part.node].name, part.role);
        if !takes.is_empty() {
            let _ = write!(text, ", takes {}", takes.join("; "));
        }
        let _ = writeln!(text, "{}{gives}", if gives.is_empty() { "" } else { ", gives by " });
    }
    let end = |end: &End| match end {
        End::Host => String::from("host"),
        End::Part(part) => format!("part {}", part.0),
    };
    for net in &circuit.nets {
        let to: Vec<String> = net.to.iter().map(end).collect();
        let _ = writeln!(
            text,
            "net {} -> {}: {} {} of {} bit, {} a sample",
            end(&net.from),
            to.join(", "),
            net.values,
            word(net.domain),
            net.bits,
            net.firings
        );
    }
    let reached = &decisions.objective;
    let _ = writeln!(
        text,
        "objective {:.4e}, bound {:.4e}, greedy {:.4e}, convert everywhere {:.4e}{}",
        reached.value,
        reached.lower_bound,
        reached.greedy,
        reached.convert_everywhere,
        if reached.optimal { ", optimal" } else { "" }
    );
    text
}
