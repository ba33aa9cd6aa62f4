//! What has to move, found again from the network, element by element: whether it is sent, gets there, and is there when it is used.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use crate::cost;
use crate::forms::chip::Domain;
use crate::forms::circuit::{End, PartId, Role};
use crate::forms::network::{NodeId, Operator};
use crate::forms::timetable::Transfer;
use crate::graph::{is_given, is_population, operands};

/// Where an element comes from.
enum Origin {
    /// An operator, which of its elements, and what gives it.
    From(NodeId, usize, End),
    /// Nowhere: a gather puts it in at an edge.
    Zero,
}

impl Checker<'_> {
    /// Where element `element` of a node's output comes from: the host, or the part that gives it.
    fn origin(&self, node: NodeId, element: usize) -> Option<Origin> {
        let network = &self.mapped.network;
        let sources = operands(network, node);
        match &network.graph[node].operator {
            Operator::Input => return Some(Origin::From(node, element, End::Host)),
            Operator::Population { .. } if is_given(network, node) => {
                return Some(Origin::From(node, element, End::Host));
            }
            Operator::Output => return self.origin(*sources.first()?, element),
            Operator::Gather(gather) => {
                let Some((operand, from)) = gather.source(element) else { return Some(Origin::Zero) };
                return self.origin(*sources.get(operand)?, from);
            }
            Operator::Read { .. } => return self.origin(*sources.first()?, element),
            Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Scatter(_)
            | Operator::Delay
            | Operator::Population { .. } => {}
        }
        let giving = self.giving.get(&node)?;
        let found = giving.iter().find(|((start, end), _)| (*start..*end).contains(&element))?;
        Some(Origin::From(node, element, End::Part(found.1)))
    }

    /// Every value that a part or the host needs: from where, where to, how many.
    pub fn values(&mut self) {
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
                            // What the host gave it has.
                            Some(Origin::From(_, _, End::Host)) if to == End::Host => {}
                            Some(Origin::Zero) => {}
                            Some(Origin::From(of, at, from)) => {
                                flows.entry((from, to)).or_default().insert((of, at));
                            }
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
                Role::Array { block, .. } if operand == 0 => {
                    let (block, graph) = (&self.mapped.tiling.blocks[block], &self.mapped.network.graph);
                    // Each input has its values at all positions.
                    let each = graph[node].positions();
                    (block.inputs.0 * each, block.inputs.1 * each)
                }
                Role::Adder { .. }
                    if matches!(
                        self.mapped.network.graph[node].operator,
                        Operator::Reduce { .. } | Operator::Softmax
                    ) =>
                {
                    (0, len)
                }
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
        // Within a tick populations give what they held at the end of the one before.
        let population = |part: PartId| is_population(&mapped.network, mapped.circuit.parts[part.0].node);
        let held = matches!(from, End::Part(part) if population(part));
        let made = span(from).map(|span| span.1).filter(|_| !held);
        let used = span(to).map(|span| span.0);
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
            // Links take their time, too.
            let time = |net: &usize| {
                let links = &mapped.chip.links;
                let carried = mapped.circuit.nets[*net].domain;
                links.iter().find(|link| link.carries == carried).map_or(0.0, |link| link.time)
            };
            let linked = nets.iter().filter(|&&net| mapped.circuit.nets[net].is_analog()).map(time).fold(0.0, f64::max);
            let there = made.map(|made| made + linked).filter(|_| analog);
            early |= same_time && there.zip(used).is_some_and(|(there, used)| used < there - self.close);
            let sent: Vec<&Transfer> = nets.iter().filter_map(|net| self.sent.get(net).copied()).collect();
            let moved: usize = sent.iter().map(|transfer| mapped.circuit.nets[transfer.net].values).sum();
            // Spikes are sent when they arise, which `spikes` looks at.
            let arise = |net: &usize| {
                let net = &mapped.circuit.nets[*net];
                net.to.contains(&to) && net.domain == Domain::Spikes
            };
            let spikes = self.from.get(&from).into_iter().flatten().any(arise);
            if !analog && !together && !spikes && moved < count {
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
                // The host's port is at core 0; what goes to the host, too, passes it later.
                let entered = transfer.port.filter(|_| from == End::Host && core(to) == Some(0));
                let arrived = over.chain(entered.map(|port| port.1)).fold(0.0, f64::max);
                early |= same_time && used.is_some_and(|used| used < arrived - self.close);
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
    pub fn spikes(&mut self) {
        let mapped = self.mapped;
        let parts = || mapped.circuit.parts.iter().enumerate();
        let mut missing = BTreeSet::new();
        for connection in &mapped.network.connections {
            let of_source = parts().filter(|(_, part)| part.node == connection.source);
            let mut sources: Vec<End> = of_source.map(|(from, _)| End::Part(PartId(from))).collect();
            if is_given(&mapped.network, connection.source) {
                sources.push(End::Host);
            }
            for from in sources {
                for (to, _) in parts().filter(|(_, part)| part.node == connection.target) {
                    // The host's port is at core 0.
                    let (here, there) = (cost::core_of(&mapped.placement.cores, from), mapped.placement.cores[to]);
                    let carries = |transfer: &&Transfer| {
                        let net = &mapped.circuit.nets[transfer.net];
                        let reaches = here == there || transfer.links.iter().any(|link| link.1 == there);
                        net.domain == Domain::Spikes && net.from == from && net.source == connection.source && reaches
                    };
                    let away = here != there || from == End::Host;
                    if away && !mapped.timetable.transfers.iter().any(|transfer| carries(&transfer)) {
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
    pub fn transfers(&mut self) {
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
}
