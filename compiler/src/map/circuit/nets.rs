//! The nets between parts: partial sums, operands, spikes.

use std::collections::BTreeMap;

use super::widths::{need, sum_bits, width};
use super::{Builder, Chunk, Needed, WORD};
use crate::forms::chip::{Domain, Sense};
use crate::forms::circuit::{End, Net, Part, PartId, Role, Taken};
use crate::forms::decisions::{OnTiles, Wire};
use crate::forms::network::{Connection, Logical, NodeId, Operator};
use crate::forms::tiling::Block;
use crate::graph::is_population;

impl Builder<'_> {
    /// Nets of partial sums: from the arrays to what adds them.
    pub fn sums(&mut self, node: NodeId) {
        let Some(how) = self.decisions.on_tiles(node) else { return };
        let ids = self.by_node.get(&node).cloned().unwrap_or_default();
        for &id in &ids {
            let elements = self.circuit.parts[id].elements;
            // What takes this part's sums is the next adding part of the same outputs.
            let next = ids.iter().copied().find(|&other| {
                let part = &self.circuit.parts[other];
                other > id && part.elements == elements && !matches!(part.role, Role::Array { .. })
            });
            let Some(next) = next else { continue };
            let (domain, bits, values) = self.partial(&self.circuit.parts[id], how);
            self.circuit.nets.push(Net {
                source: node,
                from: End::Part(PartId(id)),
                to: vec![End::Part(PartId(next))],
                domain,
                values,
                bits,
                firings: self.tiling.firings[node.index()],
                recurs: self.recurring[node.index()],
                reads: 1.0,
                turns: self.given.network.graph[node].positions(),
            });
        }
    }

    /// Domain, width and number of what a part of a layer hands to the next.
    fn partial(&self, part: &Part, how: OnTiles) -> (Domain, f64, usize) {
        let Some((_, block)) = self.tiling.of(part.node).next() else { return (Domain::Bits, WORD, part.len()) };
        let tile = &self.given.chip.tile_kinds[block.tile_kind];
        let converts = match part.role {
            Role::Array { converts, .. } | Role::Line { converts, .. } => converts,
            Role::Adder { .. } | Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => true,
        };
        match tile.senses.get(how.sense) {
            Some(Sense::Converter { .. }) if converts => {
                (Domain::Bits, sum_bits(self.given.chip, tile, how), part.len())
            }
            Some(Sense::Converter { converter, .. }) => (self.given.chip.converters[*converter].from, 0.0, part.len()),
            Some(Sense::Analog(domain)) => {
                (how.gather.map_or(*domain, |id| self.given.chip.converters[id].to), 0.0, part.len())
            }
            None => (Domain::Bits, WORD, part.len()),
        }
    }

    /// Nets of a node's operands: from the chunks of their sources to the parts that need them.
    pub fn operands(&mut self, node: NodeId) {
        let network = self.given.network;
        let wires: Vec<Wire> = self.decisions.wires.iter().filter(|wire| wire.to == node).cloned().collect();
        for wire in wires {
            let source_len = network.graph[wire.from].len();
            let chunks = self.chunks_of(wire.from);
            // A wire that only passes a reshape gives what its source gives: converters stand where it ends.
            self.give(&wire, &chunks);
            let consumers = self.consumers(node, wire.operand, source_len);
            let passes = matches!(network.graph[node].operator, Operator::Gather(_) | Operator::Read { .. });
            if passes || (consumers.is_empty() && !matches!(network.graph[node].operator, Operator::Output)) {
                continue;
            }
            let spikes = network.graph[wire.from].logical == Logical::Spikes && wire.domain == Domain::Spikes;
            let domain = match (spikes, wire.takes.first()) {
                (true, _) => Domain::Spikes,
                (false, Some(&first)) => self.given.chip.converters[first].from,
                (false, None) => self.decisions.choice(node).map_or(Domain::Bits, |choice| choice.input),
            };
            let bits = match domain {
                Domain::Bits => f64::min(
                    width(self.given, self.tiling, self.decisions, wire.from),
                    need(self.given, self.tiling, self.decisions, &wire),
                ),
                Domain::Spikes => self.given.chip.mesh.flit_bits.max(1.0),
                Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => 0.0,
            };
            // Whether it takes what comes in every tick.
            let works = is_population(network, node) || self.recurring[node.index()];
            for (range, to) in &consumers {
                let mut values = 0;
                for chunk in &chunks {
                    let (start, end) = (chunk.start.max(range.0), chunk.end.min(range.1));
                    // What the host gave it has.
                    let stays = (chunk.from, *to) == (End::Host, End::Host);
                    if start < end && !stays {
                        values += end - start;
                        let first = chunk.at + start - chunk.start;
                        let (origin, from, to) = (chunk.origin, chunk.from, *to);
                        // What comes from the host comes once for all; analog values are there all the time.
                        let once = domain == Domain::Bits && from != End::Host && !works;
                        let recurs = self.recurring[origin.index()] && !once;
                        self.needed.push(Needed {
                            origin,
                            from,
                            domain,
                            start: first,
                            end: first + end - start,
                            to,
                            bits,
                            recurs,
                        });
                    }
                }
                if let (End::Part(id), false) = (to, wire.takes.is_empty()) {
                    let (operand, chain) = (wire.operand, wire.takes.clone());
                    let firings = self.tiling.firings[wire.from.index()];
                    self.circuit.parts[id.0].takes.push(Taken { operand, values, firings, chain });
                }
            }
        }
    }

    /// Nets of what is needed: elements that the same parts need go together, once for all of them.
    pub fn join(&mut self) {
        let mut groups: BTreeMap<(NodeId, End, Domain, bool), Vec<Needed>> = BTreeMap::new();
        for needed in std::mem::take(&mut self.needed) {
            groups.entry((needed.origin, needed.from, needed.domain, needed.recurs)).or_default().push(needed);
        }
        for ((source, from, domain, recurs), mut all) in groups {
            let mut ends: Vec<usize> = all.iter().flat_map(|needed| [needed.start, needed.end]).collect();
            ends.sort_unstable();
            ends.dedup();
            // Of those that go to the same parts: how many, their bits, how often all of them are read.
            let mut found: BTreeMap<Vec<End>, (usize, f64, f64)> = BTreeMap::new();
            all.sort_by_key(|needed| needed.start);
            let (mut coming, mut here) = (all.iter().peekable(), Vec::new());
            for pair in ends.windows(2) {
                here.retain(|needed: &&Needed| needed.end > pair[0]);
                while let Some(needed) = coming.next_if(|needed| needed.start == pair[0]) {
                    here.push(needed);
                }
                let mut to: Vec<End> = here.iter().map(|needed| needed.to).collect();
                to.sort_unstable();
                to.dedup();
                if to.is_empty() {
                    continue;
                }
                let bits = here.iter().map(|needed| needed.bits).fold(0.0, f64::max);
                let (len, takers) = (pair[1] - pair[0], to.len());
                let entry = found.entry(to).or_insert((0, 0.0, 0.0));
                entry.0 += len;
                entry.1 = entry.1.max(bits);
                entry.2 += (len * here.len()) as f64 / takers as f64;
            }
            let firings = if recurs { self.tiling.firings[source.index()] } else { 1.0 };
            for (to, (values, bits, read)) in found {
                let reads = read / values.max(1) as f64;
                self.circuit.nets.push(Net {
                    source,
                    from,
                    to,
                    domain,
                    values,
                    bits,
                    firings,
                    recurs,
                    reads,
                    turns: 1,
                });
            }
        }
    }

    /// Puts the converters of a wire at its source, each once.
    fn give(&mut self, wire: &Wire, chunks: &[Chunk]) {
        let earlier =
            self.decisions.wires.iter().filter(|other| other.from == wire.from).take_while(|other| *other != wire);
        let known: Vec<usize> = earlier.flat_map(|other| other.gives.clone()).collect();
        for &converter in wire.gives.iter().filter(|id| !known.contains(id)) {
            for chunk in chunks {
                if let End::Part(id) = chunk.from {
                    self.circuit.parts[id.0].gives.push(converter);
                }
            }
        }
    }

    /// The parts of a node that need elements of an operand of so many elements, and which.
    fn consumers(&self, node: NodeId, operand: usize, len: usize) -> Vec<((usize, usize), End)> {
        let graph = &self.given.network.graph;
        if matches!(graph[node].operator, Operator::Output) {
            return vec![((0, len), End::Host)];
        }
        let whole = graph[node].len();
        let ids = self.by_node.get(&node).map_or(&[][..], Vec::as_slice);
        let each = ids.iter().filter_map(|&id| {
            let part = &self.circuit.parts[id];
            let range = match part.role {
                Role::Array { block, .. } if operand == 0 => {
                    let Block { inputs, positions, .. } = &self.tiling.blocks[block];
                    (inputs.0 * positions, inputs.1 * positions)
                }
                Role::Adder { .. } if matches!(graph[node].operator, Operator::Reduce { .. } | Operator::Softmax) => {
                    (0, len)
                }
                Role::Array { .. } | Role::Line { .. } | Role::Adder { .. } => return None,
                Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices if len == whole => part.elements,
                Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => (0, len),
            };
            Some((range, End::Part(PartId(id))))
        });
        each.collect()
    }

    /// Spikes go to every part with targets of its source's population.
    pub fn spikes(&mut self) {
        let connections: Vec<&Connection> = self.given.network.connections.iter().collect();
        let mut targets: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for connection in connections {
            targets.entry(connection.source).or_default().push(connection.target);
        }
        for (source, nodes) in targets {
            let to: Vec<End> = (self.circuit.parts.iter().enumerate())
                .filter(|(_, part)| nodes.contains(&part.node))
                .map(|(id, _)| End::Part(PartId(id)))
                .collect();
            for chunk in self.chunks_of(source) {
                let (values, bits) = (chunk.end - chunk.start, self.given.chip.mesh.flit_bits.max(1.0));
                let firings = self.tiling.firings[source.index()];
                let (from, to, domain, recurs) = (chunk.from, to.clone(), Domain::Spikes, true);
                let (reads, turns) = (1.0, 1);
                self.circuit.nets.push(Net { source, from, to, domain, values, bits, firings, recurs, reads, turns });
            }
        }
    }
}
