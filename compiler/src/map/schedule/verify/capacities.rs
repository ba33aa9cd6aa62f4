//! Whether anything is used by more than there is at any time, all samples under way counted.

use std::collections::BTreeMap;

use super::Checker;
use crate::cost;
use crate::forms::chip::Domain;
use crate::forms::circuit::{End, Net, Role};

/// How many there are of something, and from when to when so many of them are used.
type Uses = (usize, Vec<(f64, f64, f64)>);

impl Checker<'_> {
    /// When each work and all that links join to it have ended: until then what it gives is driven.
    fn ends(&self) -> Vec<f64> {
        let mapped = self.mapped;
        let mut ends: Vec<f64> = mapped.timetable.works.iter().map(|work| work.end).collect();
        let works = |net: &Net| -> Vec<usize> {
            let ends = net.to.iter().chain([&net.from]);
            ends.filter_map(|end| if let End::Part(part) = end { self.work_of[part.0] } else { None }).collect()
        };
        let joined: Vec<Vec<usize>> = mapped
            .circuit
            .nets
            .iter()
            .filter(|net| net.is_analog())
            .map(works)
            .filter(|works| works.len() > 1)
            .collect();
        loop {
            let before = ends.clone();
            for works in &joined {
                let last = works.iter().map(|&work| ends[work]).fold(0.0, f64::max);
                works.iter().for_each(|&work| ends[work] = last);
            }
            if ends == before {
                return ends;
            }
        }
    }

    /// Nothing is used by more than there is, all samples (or ticks) under way counted.
    pub fn capacity(&mut self) {
        let mapped = self.mapped;
        let table = &mapped.timetable;
        // Resource: how many there are; uses: begin, end, how many; the period they recur in.
        let mut uses: BTreeMap<(bool, String), Uses> = BTreeMap::new();
        let ends = self.ends();
        for (work, &whole) in table.works.iter().zip(&ends) {
            let recurs = self.in_tick(work);
            for part in &work.parts {
                let of = &mapped.circuit.parts[part.0];
                let kind = &mapped.chip.core_kinds[mapped.chip.cores[work.core]];
                let (name, count, taken) = match of.role {
                    Role::Array { .. } => {
                        let tile = mapped.placement.tiles[part.0];
                        let stack = tile.map(|tile| kind.stack(&mapped.chip.tile_kinds, tile));
                        (format!("tile {stack:?} of core {}", work.core), 1, 1)
                    }
                    Role::Line { unit, .. } | Role::Unit { unit } | Role::Adder { unit, .. } => {
                        let unit_kind = &mapped.chip.unit_kinds[unit];
                        if unit_kind.from != Domain::Bits || unit_kind.to != Domain::Bits {
                            continue;
                        }
                        let count: usize =
                            kind.units.iter().filter(|(of, _)| *of == unit).map(|(_, count)| count).sum();
                        (
                            format!("{} of core {}", unit_kind.name, work.core),
                            count.max(1),
                            of.len().clamp(1, count.max(1)),
                        )
                    }
                    Role::Neurons => (format!("neurons of core {}", work.core), 1, 0),
                    Role::Coder | Role::Devices => continue,
                };
                // What an array alone holds is converted while it is driven again.
                let how = mapped.decisions.on_tiles(of.node).filter(|_| work.parts.len() == 1);
                let (chip, tiling) = (&mapped.chip, &mapped.tiling);
                let overlap = cost::time::overlap(chip, tiling, how, of);
                let end = match overlap > 0.0 {
                    // Conversions may begin later than they could.
                    true => work.start + cost::time::part(chip, tiling, how, of, Some(chip.cores[work.core])) - overlap,
                    false => whole,
                };
                uses.entry((recurs, name)).or_insert((count, Vec::new())).1.push((work.start, end, taken as f64));
            }
        }
        for transfer in &table.transfers {
            let recurs = self.per_tick(transfer);
            for &(from, to, start, end) in &transfer.links {
                let entry = uses.entry((recurs, format!("link {from} -> {to}"))).or_insert((1, Vec::new()));
                entry.1.push((start, end, 1.0));
            }
            if let Some((start, end)) = transfer.port {
                uses.entry((recurs, String::from("the host's port")))
                    .or_insert((1, Vec::new()))
                    .1
                    .push((start, end, 1.0));
            }
        }
        for ((recurs, name), (count, spans)) in uses {
            let period = if recurs { table.tick.unwrap_or(0.0) } else { table.interval };
            if most(&spans, period, self.close) > count as f64 + 1e-6 {
                self.fault(format!("{name} is used by more than there are at once"));
            }
        }
    }

    /// What waits in a core fits its buffer.
    pub fn buffers(&mut self) {
        let mapped = self.mapped;
        let table = &mapped.timetable;
        let mut held: BTreeMap<usize, Vec<(f64, f64, f64)>> = BTreeMap::new();
        for transfer in table.transfers.iter().filter(|transfer| !self.per_tick(transfer)) {
            let net = &mapped.circuit.nets[transfer.net];
            let mut readers: BTreeMap<usize, f64> = BTreeMap::new();
            for to in &net.to {
                let End::Part(part) = to else { continue };
                if let Some(work) = self.work(*part).filter(|work| !self.in_tick(work)) {
                    let last = readers.entry(mapped.placement.cores[part.0]).or_insert(0.0);
                    *last = last.max(work.end);
                }
            }
            // Partial sums of a layer come position by position, and are added before the next.
            let part =
                |end: &End| if let End::Part(part) = end { Some(mapped.circuit.parts[part.0].node) } else { None };
            let sums = part(&net.from).filter(|node| net.to.iter().all(|to| part(to) == Some(*node)));
            let turns = sums.map_or(1, |node| mapped.network.graph[node].positions());
            for (core, until) in readers {
                if until > transfer.arrival {
                    let bits = transfer.bits / turns as f64;
                    held.entry(core).or_default().push((transfer.arrival, until, bits));
                }
            }
        }
        for (core, spans) in held {
            let room = mapped.chip.core_kinds[mapped.chip.cores[core]].buffer_bits;
            if room > 0.0 && most(&spans, table.interval, self.close) > room * (1.0 + 1e-9) {
                self.fault(format!("more waits in core {core} than its buffer holds"));
            }
        }
    }
}

/// The most that is in use at once when everything recurs after a period.
fn most(spans: &[(f64, f64, f64)], period: f64, close: f64) -> f64 {
    let mut edges: Vec<(f64, f64)> = Vec::new();
    let mut always = 0.0;
    for &(start, end, amount) in spans {
        let length = end - start - 2.0 * close;
        if length <= 0.0 {
            continue;
        }
        if period <= 0.0 {
            return f64::INFINITY;
        }
        always += amount * (length / period).floor();
        let (first, rest) = ((start + close).rem_euclid(period), length % period);
        edges.push((first, amount));
        if first + rest < period {
            edges.push((first + rest, -amount));
        } else {
            // It goes on in the next period.
            edges.push((period, -amount));
            edges.push((0.0, amount));
            edges.push((first + rest - period, -amount));
        }
    }
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (mut now, mut most) = (0.0, 0.0);
    for (_, amount) in edges {
        now += amount;
        most = f64::max(most, now);
    }
    always + most
}
