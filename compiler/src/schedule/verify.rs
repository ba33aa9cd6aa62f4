//! Lists what is wrong with a `Scheduled`; an entry is a mistake of the compiler.
//!
//! Invariants: no resource and no link is used twice at once; routes go from neighbour to neighbour and a slot belongs to each
//! hop, one after another; the interval is long enough for every resource and link; nothing ends after the latency.

use std::collections::BTreeMap;

use crate::forms::scheduled::Scheduled;

/// Every broken invariant in words; empty when all is sound.
pub fn verify(scheduled: &Scheduled) -> Vec<String> {
    let mut faults = Vec::new();
    let mut uses: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for task in &scheduled.tasks {
        let name = format!("{:?} of core {}", task.resource, task.core);
        uses.entry(name).or_default().push((task.start, task.end));
    }
    let width = scheduled.placed.converted.tiled.chip.grid.0.max(1);
    for transfer in &scheduled.transfers {
        if transfer.slots.len() + 1 != transfer.route.len() {
            faults.push(String::from("a transfer has not one slot per hop"));
        }
        if transfer.slots.windows(2).any(|pair| pair[1].0 < pair[0].1) {
            faults.push(String::from("a transfer leaves a core before it is there"));
        }
        for (hop, slot) in transfer.route.windows(2).zip(&transfer.slots) {
            let (a, b) = (hop[0], hop[1]);
            if (a % width).abs_diff(b % width) + (a / width).abs_diff(b / width) != 1 {
                faults.push(format!("cores {a} and {b} are no neighbours"));
            }
            uses.entry(format!("link {a} -> {b}")).or_default().push(*slot);
        }
    }
    for (name, mut slots) in uses {
        slots.sort_by(|a, b| a.0.total_cmp(&b.0));
        if slots.windows(2).any(|pair| pair[1].0 < pair[0].1) {
            faults.push(format!("{name} is used twice at once"));
        }
        let total: f64 = slots.iter().map(|slot| slot.1 - slot.0).sum();
        if total > scheduled.initiation_interval * (1.0 + 1e-9) {
            faults.push(format!("{name} is busy for longer than the interval"));
        }
        if slots.iter().any(|slot| slot.1 > scheduled.latency * (1.0 + 1e-9) || slot.1 < slot.0) {
            faults.push(format!("{name} is used outside the sample"));
        }
    }
    faults
}
