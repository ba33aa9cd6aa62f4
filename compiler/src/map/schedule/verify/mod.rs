//! Lists what is wrong with a `Timetable`; an entry is a mistake of the compiler.
//!
//! Nothing is taken from the scheduler, nor from the nets it read: what has to move is found again from the network, element by element.
//!
//! Invariants: every part works, once, on its core, for as long as it needs; parts joined by analog wires work together, each when what it
//! takes is there; every value that another core or the host needs is sent, by neighbouring links that lead there, and used after it
//! has arrived; spikes go to every core with targets; no array, unit, engine, link or port is used by more than there are at any time,
//! counting all samples under way; buffers hold what waits; the latency is the last end.

mod capacities;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use crate::cost;
use crate::forms::chip::Domain;
use crate::forms::circuit::{End, PartId};
use crate::forms::mapped::Mapped;
use crate::forms::network::NodeId;
use crate::forms::timetable::{Transfer, Work};
use crate::graph::{is_population, recurring};

/// Rounding of times in seconds, relative to the latency.
const CLOSE: f64 = 1e-9;

/// Every broken invariant in words; empty when all is sound.
pub fn verify(mapped: &Mapped) -> Vec<String> {
    if mapped.chip.ideal {
        return Vec::new();
    }
    let mut checker = Checker::new(mapped);
    checker.works();
    if checker.faults.is_empty() {
        checker.values();
        checker.spikes();
        checker.transfers();
        checker.capacity();
        checker.buffers();
    }
    checker.faults
}

/// Parts by their operator, with the elements they give.
type Giving = BTreeMap<NodeId, Vec<((usize, usize), PartId)>>;

struct Checker<'a> {
    mapped: &'a Mapped,
    faults: Vec<String>,
    /// Work of each part, and the part's own span within the sample (or tick).
    work_of: Vec<Option<usize>>,
    close: f64,
    /// The parts that give each node's output, in the order of elements.
    giving: Giving,
    sent: BTreeMap<usize, &'a Transfer>,
    /// Nets by where they come from, parts by their operator.
    from: BTreeMap<End, Vec<usize>>,
    parts_of: BTreeMap<NodeId, Vec<usize>>,
    /// Whether what a node gives is made in every tick.
    recurring: Vec<bool>,
}

impl<'a> Checker<'a> {
    fn new(mapped: &'a Mapped) -> Self {
        let table = &mapped.timetable;
        let mut work_of = vec![None; mapped.circuit.parts.len()];
        for (index, work) in table.works.iter().enumerate() {
            for part in &work.parts {
                if let Some(of) = work_of.get_mut(part.0) {
                    *of = Some(index);
                }
            }
        }
        // The last part of the same elements gives them: arrays come before what adds their sums.
        let mut last: BTreeMap<(NodeId, (usize, usize)), PartId> = BTreeMap::new();
        for (index, part) in mapped.circuit.parts.iter().enumerate() {
            last.insert((part.node, part.elements), PartId(index));
        }
        let mut giving = Giving::new();
        for ((node, elements), part) in last {
            giving.entry(node).or_default().push((elements, part));
        }
        let sent = table.transfers.iter().map(|transfer| (transfer.net, transfer)).collect();
        let mut from: BTreeMap<End, Vec<usize>> = BTreeMap::new();
        for (index, net) in mapped.circuit.nets.iter().enumerate() {
            from.entry(net.from).or_default().push(index);
        }
        let mut parts_of: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for (index, part) in mapped.circuit.parts.iter().enumerate() {
            parts_of.entry(part.node).or_default().push(index);
        }
        let close = CLOSE * table.latency.max(table.tick.unwrap_or(0.0)).max(table.interval);
        let recurring = recurring(&mapped.network, &mapped.plan);
        Checker { mapped, faults: Vec::new(), work_of, close, giving, sent, from, parts_of, recurring }
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    fn name(&self, node: NodeId) -> &'a str {
        &self.mapped.network.graph[node].name
    }

    fn work(&self, part: PartId) -> Option<&'a Work> {
        self.work_of[part.0].map(|index| &self.mapped.timetable.works[index])
    }

    /// Begin and end of a part within its sample or tick.
    fn span(&self, part: PartId) -> Option<(f64, f64)> {
        let work = self.work(part)?;
        let at = work.parts.iter().position(|other| *other == part)?;
        work.spans.get(at).map(|span| (work.start + span.0, work.start + span.1))
    }

    fn works(&mut self) {
        let mapped = self.mapped;
        let mut seen = BTreeSet::new();
        for work in &mapped.timetable.works {
            if work.parts.len() != work.spans.len() || work.parts.is_empty() || work.start < -self.close {
                self.fault(String::from("a work has not one span for each of its parts, or begins before its sample"));
            }
            let end = work.spans.iter().map(|span| span.1).fold(0.0, f64::max);
            if (work.end - work.start - end).abs() > self.close {
                self.fault(String::from("a work does not end with its last part"));
            }
            for (part, span) in work.parts.iter().zip(&work.spans) {
                let Some(of) = mapped.circuit.parts.get(part.0) else {
                    self.fault(String::from("a work names a part that is not there"));
                    continue;
                };
                let core = mapped.placement.cores[part.0];
                if !seen.insert(*part) {
                    self.fault(format!("a part of `{}` works twice", self.name(of.node)));
                }
                if core != work.core {
                    self.fault(format!("a part of `{}` works on another core than its own", self.name(of.node)));
                }
                let how = mapped.decisions.on_tiles(of.node);
                let needed = cost::time::part(&mapped.chip, &mapped.tiling, how, of, Some(mapped.chip.cores[core]));
                if span.1 - span.0 < needed - self.close {
                    self.fault(format!("a part of `{}` has too little time", self.name(of.node)));
                }
            }
        }
        if seen.len() != mapped.circuit.parts.len() {
            self.fault(String::from("not every part works"));
        }
        let ends = mapped.timetable.works.iter().filter(|work| !self.in_tick(work)).map(|work| work.end);
        let arrivals = mapped.timetable.transfers.iter().filter(|transfer| !self.per_tick(transfer)).map(|t| t.arrival);
        let ticks = crate::graph::ticks(&mapped.plan) * mapped.timetable.tick.unwrap_or(0.0);
        let latency = ends.chain(arrivals).fold(ticks, f64::max);
        if mapped.timetable.interval < ticks - self.close {
            self.fault(format!("a sample follows after {:e} s, its ticks take {ticks:e} s", mapped.timetable.interval));
        }
        let told = mapped.timetable.latency;
        // With ticks, what comes after them ends later than they do.
        let wrong = if mapped.timetable.tick.is_some() {
            told < latency - self.close
        } else {
            (told - latency).abs() > self.close
        };
        if wrong {
            self.fault(format!("the latency is told as {told:e} s, the last end is at {latency:e} s"));
        }
    }

    /// Whether a work recurs every tick.
    fn in_tick(&self, work: &Work) -> bool {
        work.parts.iter().all(|part| self.recurs(self.mapped.circuit.parts[part.0].node))
    }

    fn recurs(&self, node: NodeId) -> bool {
        let recurs = is_population(&self.mapped.network, node) || self.recurring[node.index()];
        self.mapped.timetable.tick.is_some() && recurs
    }

    fn per_tick(&self, transfer: &Transfer) -> bool {
        let net = &self.mapped.circuit.nets[transfer.net];
        net.domain == Domain::Spikes || net.recurs
    }
}
