//! Lists what is wrong with a `Timetable`; an entry is a mistake of the compiler.
//!
//! Nothing is taken from the scheduler, nor from the nets it read: what has to move is found again from the network, element by element.
//!
//! Invariants: every part works, once, on its core, for as long as it needs; parts joined by analog wires work together, each when what it
//! takes is there; every value that another core or the host needs is sent, by neighbouring links that lead there, and used after it
//! has arrived; spikes go to every core with targets; no array, unit, engine, link or port is used by more than there are at any time,
//! counting all samples under way; buffers hold what waits; the latency is the last end.

use std::collections::{BTreeMap, BTreeSet};

use crate::cost;
use crate::forms::chip::Domain;
use crate::forms::circuit::{End, PartId, Role};
use crate::forms::mapped::Mapped;
use crate::forms::network::{NodeId, Operator};
use crate::forms::timetable::{Transfer, Work};
use crate::graph::operands;

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

/// How many there are of something, and from when to when so many of them are used.
type Uses = (usize, Vec<(f64, f64, f64)>);

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
        Checker { mapped, faults: Vec::new(), work_of, close, giving, sent, from, parts_of }
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
        work.parts.iter().any(|part| self.recurs(self.mapped.circuit.parts[part.0].node))
    }

    fn recurs(&self, node: NodeId) -> bool {
        let population = matches!(self.mapped.network.graph[node].operator, Operator::Population { .. });
        self.mapped.timetable.tick.is_some() && (population || self.mapped.tiling.firings[node.index()] > 1.0)
    }

    fn per_tick(&self, transfer: &Transfer) -> bool {
        let net = &self.mapped.circuit.nets[transfer.net];
        net.domain == Domain::Spikes || net.firings > 1.0
    }

    /// Where element `element` of a node's output comes from: the host, or the part that gives it.
    fn origin(&self, node: NodeId, element: usize) -> Option<(NodeId, usize, End)> {
        let network = &self.mapped.network;
        let sources = operands(network, node);
        match &network.graph[node].operator {
            Operator::Input => return Some((node, element, End::Host)),
            Operator::Output => return self.origin(*sources.first()?, element),
            Operator::Gather(gather) => {
                let (operand, from) = gather.source(element)?;
                return self.origin(*sources.get(operand)?, from);
            }
            Operator::Read { .. } => return self.origin(*sources.first()?, element),
            Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Population { .. } => {}
        }
        let giving = self.giving.get(&node)?;
        let found = giving.iter().find(|((start, end), _)| (*start..*end).contains(&element))?;
        Some((node, element, End::Part(found.1)))
    }

    /// Every value that a part or the host needs: from where, where to, how many.
    fn values(&mut self) {
        let mapped = self.mapped;
        let network = &mapped.network;
        let mut flows: BTreeMap<(End, End), BTreeSet<(NodeId, usize)>> = BTreeMap::new();
        let mut broken = None;
        for node in network.graph.node_indices() {
            for (operand, source) in operands(network, node).into_iter().enumerate() {
                let len = network.graph[source].len();
                let outside = matches!(network.graph[node].operator, Operator::Output);
                let needs = if outside { vec![((0, len), End::Host)] } else { self.needs(node, operand, len) };
                for ((start, end), to) in needs {
                    for element in start..end {
                        match self.origin(source, element) {
                            Some((of, at, from)) => drop(flows.entry((from, to)).or_default().insert((of, at))),
                            None => broken = Some(source),
                        }
                    }
                }
            }
        }
        if let Some(node) = broken {
            self.fault(format!("elements of `{}` come from nowhere", self.name(node)));
        }
        for ((from, to), elements) in flows {
            self.flow(from, to, elements.len());
        }
        self.sums();
    }

    /// The parts of a node that need elements of an operand.
    fn needs(&self, node: NodeId, operand: usize, len: usize) -> Vec<((usize, usize), End)> {
        let whole = self.mapped.network.graph[node].len();
        let ids = self.parts_of.get(&node).map_or(&[][..], Vec::as_slice);
        let each = ids.iter().filter_map(|&index| {
            let part = &self.mapped.circuit.parts[index];
            let range = match part.role {
                Role::Array { block, .. } if operand == 0 => self.mapped.tiling.blocks[block].inputs,
                Role::Array { .. } | Role::Line { .. } | Role::Adder { .. } => return None,
                Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => {
                    if len == whole {
                        part.elements
                    } else {
                        (0, len)
                    }
                }
            };
            Some((range, End::Part(PartId(index))))
        });
        each.collect()
    }

    /// Partial sums go to what adds them.
    fn sums(&mut self) {
        let parts = &self.mapped.circuit.parts;
        for (index, part) in parts.iter().enumerate() {
            let adds = |other: &crate::forms::circuit::Part| {
                other.node == part.node && other.elements == part.elements && !matches!(other.role, Role::Array { .. })
            };
            let after = self.parts_of.get(&part.node).into_iter().flatten().copied().filter(|&other| other > index);
            let next = after.map(|other| (other, &parts[other])).find(|(_, other)| adds(other));
            let layer = matches!(part.role, Role::Array { .. } | Role::Line { .. } | Role::Adder { .. });
            if let Some((next, _)) = next.filter(|_| layer) {
                self.flow(End::Part(PartId(index)), End::Part(PartId(next)), part.len());
            }
        }
    }

    /// Values that go from one end to another: on an analog wire at once, in a core when they are there, else by transfers.
    fn flow(&mut self, from: End, to: End, count: usize) {
        let mapped = self.mapped;
        let core = |end: End| match end {
            End::Host => None,
            End::Part(part) => Some(mapped.placement.cores[part.0]),
        };
        let name = |end: End| match end {
            End::Host => "the host",
            End::Part(part) => mapped.network.graph[mapped.circuit.parts[part.0].node].name.as_str(),
        };
        let recurs = |end: End| match end {
            End::Host => false,
            End::Part(part) => self.recurs(mapped.circuit.parts[part.0].node),
        };
        // Between ticks and what comes before or after them the sample's timetable keeps order by one long work.
        let same_time = recurs(from) == recurs(to);
        let together = match (from, to) {
            (End::Part(a), End::Part(b)) => self.work_of[a.0] == self.work_of[b.0],
            (_, _) => false,
        };
        let span = |end: End| match end {
            End::Part(part) => self.span(part),
            End::Host => None,
        };
        let (made, used) = (span(from).map(|span| span.1), span(to).map(|span| span.0));
        let joined = mapped.circuit.nets.iter().filter(|net| net.from == from && net.to.contains(&to));
        let joined: usize = joined.map(|net| net.values).sum();
        if from != to && joined < count {
            self.fault(format!("{count} values of `{}` are needed by `{}`, nets bring {joined}", name(from), name(to)));
        }
        let mut early = false;
        if core(from).is_some() && core(from) == core(to) {
            early = same_time && made.zip(used).is_some_and(|(made, used)| used < made - self.close);
        } else {
            let nets = self.from.get(&from).into_iter().flatten().copied();
            let carries = |net: &usize| {
                let net = &mapped.circuit.nets[*net];
                net.to.contains(&to) && net.domain != Domain::Spikes
            };
            let nets: Vec<usize> = nets.filter(carries).collect();
            let analog = nets.iter().any(|&net| mapped.circuit.nets[net].is_analog());
            let sent: Vec<&Transfer> = nets.iter().filter_map(|net| self.sent.get(net).copied()).collect();
            let moved: usize = sent.iter().map(|transfer| mapped.circuit.nets[transfer.net].values).sum();
            if !analog && !together && moved < count {
                self.fault(format!(
                    "{count} values of `{}` are needed by `{}`, {moved} are sent",
                    name(from),
                    name(to)
                ));
            }
            for transfer in sent {
                let begins = transfer.links.iter().map(|link| link.2).chain(transfer.port.map(|port| port.0));
                let begin = begins.fold(f64::INFINITY, f64::min);
                early |= same_time && made.is_some_and(|made| begin < made - self.close);
                // It is there when its last flit has come over the link that ends in this core.
                let over = transfer.links.iter().filter(|link| Some(link.1) == core(to)).map(|link| link.3);
                let arrived =
                    over.chain(transfer.port.filter(|_| core(to) == Some(0)).map(|port| port.1)).fold(0.0, f64::max);
                early |= same_time && used.is_some_and(|used| used < arrived - self.close);
                // The host's port is at core 0.
                let end = core(to).unwrap_or(0);
                let reaches = transfer.links.iter().any(|link| link.1 == end) || core(from).unwrap_or(0) == end;
                let by_port = (from != End::Host && to != End::Host)
                    || transfer.port.is_some()
                    || mapped.chip.host.time_per_bit == 0.0;
                if !reaches || !by_port {
                    self.fault(format!("values of `{}` do not get to `{}`", name(from), name(to)));
                }
            }
        }
        if early {
            self.fault(format!("`{}` works before the values of `{}` are there", name(to), name(from)));
        }
    }

    /// Spikes reach every core with targets of their population.
    fn spikes(&mut self) {
        let mapped = self.mapped;
        let parts = || mapped.circuit.parts.iter().enumerate();
        let mut missing = BTreeSet::new();
        for connection in &mapped.network.connections {
            for (from, _) in parts().filter(|(_, part)| part.node == connection.source) {
                for (to, _) in parts().filter(|(_, part)| part.node == connection.target) {
                    let (here, there) = (mapped.placement.cores[from], mapped.placement.cores[to]);
                    let carries = |transfer: &&Transfer| {
                        let net = &mapped.circuit.nets[transfer.net];
                        net.domain == Domain::Spikes
                            && net.from == End::Part(PartId(from))
                            && transfer.links.iter().any(|link| link.1 == there)
                    };
                    if here != there && !mapped.timetable.transfers.iter().any(|transfer| carries(&transfer)) {
                        missing.insert(connection.name.clone());
                    }
                }
            }
        }
        for name in missing {
            self.fault(format!("spikes of {name} do not reach all cores with targets"));
        }
        let tick = mapped.timetable.tick;
        let recur = mapped.timetable.transfers.iter().filter(|transfer| self.per_tick(transfer));
        let ends = mapped.timetable.works.iter().filter(|work| self.in_tick(work)).map(|work| work.end);
        let last = recur.map(|transfer| transfer.arrival).chain(ends).fold(0.0, f64::max);
        if tick.is_some_and(|tick| last > tick + self.close) {
            self.fault(format!("what belongs to a tick ends after {last:e} s"));
        }
    }

    /// Each packet is a worm along neighbouring cores, as long as its bits.
    fn transfers(&mut self) {
        let mapped = self.mapped;
        let (width, mesh) = (mapped.chip.grid.0.max(1), &mapped.chip.mesh);
        for transfer in &mapped.timetable.transfers {
            let net = &mapped.circuit.nets[transfer.net];
            let name = self.name(net.source);
            let full = net.values as f64 * net.bits;
            if net.domain == Domain::Bits && (transfer.bits - full).abs() > 1e-9 * full {
                self.fault(format!("{} bit of `{name}` are sent, it has {full}", transfer.bits));
            }
            let begins = transfer.links.iter().map(|link| link.2).chain(transfer.port.map(|port| port.0));
            if begins.into_iter().any(|begin| begin < -self.close) {
                self.fault(format!("`{name}` is sent before its sample begins"));
            }
            let time = (transfer.bits / mesh.flit_bits.max(1.0)).ceil().max(1.0) * mesh.hop_time;
            let source = cost::core_of(&mapped.placement.cores, net.from);
            for (index, &(from, to, start, end)) in transfer.links.iter().enumerate() {
                let apart = (from % width).abs_diff(to % width) + (from / width).abs_diff(to / width);
                let before = transfer.links[..index].iter().find(|link| link.1 == from);
                let led = from == source || before.is_some_and(|before| start >= before.2 + mesh.hop_time - self.close);
                if apart != 1 || !led {
                    self.fault(format!("`{name}` is sent from core {from} to {to}, which nothing leads to"));
                }
                if (end - start - time).abs() > self.close.max(1e-9 * time) || end > transfer.arrival + self.close {
                    self.fault(format!("`{name}` takes a link for another time than its bits need"));
                }
            }
        }
    }

    /// Nothing is used by more than there is, all samples (or ticks) under way counted.
    fn capacity(&mut self) {
        let mapped = self.mapped;
        let table = &mapped.timetable;
        // Resource: how many there are; uses: begin, end, how many; the period they recur in.
        let mut uses: BTreeMap<(bool, String), Uses> = BTreeMap::new();
        for work in &table.works {
            let recurs = self.in_tick(work);
            for part in &work.parts {
                let of = &mapped.circuit.parts[part.0];
                let kind = &mapped.chip.core_kinds[mapped.chip.cores[work.core]];
                let (name, count, taken) = match of.role {
                    Role::Array { .. } => {
                        (format!("tile {:?} of core {}", mapped.placement.tiles[part.0], work.core), 1, 1)
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
                let end = work.end - cost::time::overlap(&mapped.chip, &mapped.tiling, how, of);
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
    fn buffers(&mut self) {
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
            for (core, until) in readers {
                if until > transfer.arrival {
                    held.entry(core).or_default().push((transfer.arrival, until, transfer.bits));
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
