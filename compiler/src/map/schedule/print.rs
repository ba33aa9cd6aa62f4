//! A `Timetable` as text, for `--emit scheduled`.

use std::fmt::Write;

use crate::forms::mapped::Mapped;

/// One line a work and transfer, times in nanoseconds.
pub fn print(mapped: &Mapped) -> String {
    let Mapped { network, chip, circuit, timetable, .. } = mapped;
    let mut text = format!("scheduled {} on {}\n", network.name, chip.name);
    for work in &timetable.works {
        let core = work.core;
        let _ = writeln!(text, "{:10.1} .. {:10.1} ns  core {core}", 1e9 * work.start, 1e9 * work.end);
        for (part, (start, end)) in work.parts.iter().zip(&work.spans) {
            let of = &circuit.parts[part.0];
            let (name, (first, last)) = (&network.graph[of.node].name, of.elements);
            let (start, end) = (1e9 * (work.start + start), 1e9 * (work.start + end));
            let _ = writeln!(
                text,
                "  {start:10.1} .. {end:10.1} ns  part {}: {name}[{first}..{last}] {:?}",
                part.0, of.role
            );
        }
    }
    for transfer in &timetable.transfers {
        let net = &circuit.nets[transfer.net];
        let start = transfer.links.iter().map(|link| link.2).chain(transfer.port.map(|port| port.0));
        let start = start.fold(f64::INFINITY, f64::min);
        let links: Vec<String> = transfer.links.iter().map(|(from, to, ..)| format!("{from}-{to}")).collect();
        let _ = writeln!(
            text,
            "{:10.1} .. {:10.1} ns  net {} ({}): {} bit{}{}",
            1e9 * start,
            1e9 * transfer.arrival,
            transfer.net,
            network.graph[net.source].name,
            transfer.bits,
            if transfer.port.is_some() { " through the host's port" } else { "" },
            if links.is_empty() { String::new() } else { format!(" over {}", links.join(", ")) },
        );
    }
    if let Some(tick) = timetable.tick {
        let _ = writeln!(text, "a tick lasts {:.1} ns", 1e9 * tick);
    }
    let _ = writeln!(
        text,
        "a sample every {:.1} ns, latency {:.1} ns, limited by {}",
        1e9 * timetable.interval,
        1e9 * timetable.latency,
        if timetable.bottleneck.is_empty() { "nothing" } else { &timetable.bottleneck }
    );
    text
}
