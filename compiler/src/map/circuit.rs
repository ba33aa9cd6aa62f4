//! `Decisions` to `Circuit`: the parts that the chosen implementations take, and the nets between them.

use std::collections::BTreeMap;

use crate::forms::chip::{Chip, Domain, Drive, Sense};
use crate::forms::circuit::{Circuit, End, Net, Part, PartId, Role};
use crate::forms::decisions::{Bias, Decisions, Implementation, OnTiles, Summing, Wire};
use crate::forms::mapped::Given;
use crate::forms::network::{Connection, Logical, Network, NodeId, Operator, Pattern, PopulationKind};
use crate::forms::tiling::{Block, Tiling};
use crate::graph::{operands, order};

/// Width of a digital word where nothing says otherwise.
pub const WORD: f64 = 16.0;

/// Elements of a node's output and the end that gives them.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    start: usize,
    end: usize,
    from: End,
    /// The operator that gave them first, and which of its elements `start` is: reshapes, slices and the like only hand them on.
    origin: NodeId,
    at: usize,
}

/// Elements of an operator's output that a part needs.
struct Needed {
    origin: NodeId,
    from: End,
    domain: Domain,
    start: usize,
    end: usize,
    to: End,
    bits: f64,
}

/// The parts of a layer on arrays: the arrays, then what adds their sums. Without converters on wires.
pub fn layer(given: Given, tiling: &Tiling, layer: NodeId, how: OnTiles) -> Vec<Part> {
    let firings = tiling.firings[layer.index()];
    let part = |role, elements| Part { node: layer, role, elements, firings, takes: Vec::new(), gives: Vec::new() };
    let mut columns: Vec<(usize, usize)> = tiling.of(layer).map(|(_, block)| block.outputs).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut parts = Vec::new();
    for outputs in columns {
        let blocks: Vec<(usize, &Block)> = tiling.of(layer).filter(|(_, block)| block.outputs == outputs).collect();
        let Some((_, first)) = blocks.first() else { continue };
        let tile = &given.chip.tile_kinds[first.tile_kind];
        let sensed = matches!(tile.senses.get(how.sense), Some(Sense::Converter { .. }));
        let converts = sensed && !matches!(how.sum, Summing::Line(_));
        for &(block, of) in &blocks {
            let bias_rows = match how.bias {
                Bias::Rows(rows) if of.spare_rows > 0 => rows.min(of.spare_rows),
                Bias::Rows(_) | Bias::None | Bias::Digital(_) => 0,
            };
            parts.push(part(Role::Array { block, converts, bias_rows }, outputs));
        }
        let digits = crate::cost::part_reads(tile, how) * tile.slices as f64;
        let sums = (blocks.len() as f64 * digits) as usize + usize::from(digits > 1.0);
        match (how.sum, how.bias) {
            (Summing::Line(unit), _) => {
                parts.push(part(Role::Line { unit, terms: blocks.len(), converts: sensed }, outputs))
            }
            (Summing::Digital(unit), Bias::Digital(_)) => {
                parts.push(part(Role::Adder { unit, terms: sums + 1 }, outputs))
            }
            (Summing::Digital(unit), _) => parts.push(part(Role::Adder { unit, terms: sums }, outputs)),
            (Summing::Single, Bias::Digital(unit)) => parts.push(part(Role::Adder { unit, terms: 2 }, outputs)),
            (Summing::Single, Bias::None | Bias::Rows(_)) => {}
        }
        if let (Summing::Line(_), Bias::Digital(unit)) = (how.sum, how.bias) {
            parts.push(part(Role::Adder { unit, terms: 2 }, outputs));
        }
    }
    parts
}

/// Builds the circuit.
pub fn build(given: Given, tiling: &Tiling, decisions: &Decisions) -> Circuit {
    if given.chip.ideal {
        return Circuit::default();
    }
    let mut builder = Builder {
        given,
        tiling,
        decisions,
        circuit: Circuit::default(),
        chunks: BTreeMap::new(),
        needed: Vec::new(),
        by_node: BTreeMap::new(),
    };
    let order = order(given.network);
    for &node in &order {
        builder.place_node(node);
    }
    for &node in &order {
        builder.sums(node);
    }
    for &node in &order {
        builder.operands(node);
    }
    builder.spikes();
    builder.join();
    builder.circuit
}

struct Builder<'a> {
    given: Given<'a>,
    tiling: &'a Tiling,
    decisions: &'a Decisions,
    circuit: Circuit,
    /// Where each node's elements come from, in order.
    chunks: BTreeMap<NodeId, Vec<Chunk>>,
    needed: Vec<Needed>,
    /// The parts of each node.
    by_node: BTreeMap<NodeId, Vec<usize>>,
}

impl Builder<'_> {
    fn add(&mut self, part: Part) -> PartId {
        self.by_node.entry(part.node).or_default().push(self.circuit.parts.len());
        self.circuit.parts.push(part);
        PartId(self.circuit.parts.len() - 1)
    }

    /// The parts of a node and the chunks of its output.
    fn place_node(&mut self, node: NodeId) {
        let network = self.given.network;
        let len = network.graph[node].len();
        let firings = self.tiling.firings[node.index()];
        let whole = |from| vec![Chunk { start: 0, end: len, from, origin: node, at: 0 }];
        let part = |role, elements| Part { node, role, elements, firings, takes: Vec::new(), gives: Vec::new() };
        let sources = operands(network, node);
        let chunks = match (&network.graph[node].operator, self.decisions.choice(node).map(|c| &c.implementation)) {
            (Operator::Input, _) => whole(End::Host),
            (Operator::Dense { .. }, Some(Implementation::Tile(how))) => self.layer_chunks(node, *how),
            (Operator::Elementwise { .. }, Some(Implementation::Unit(unit))) => {
                let first = sources.first().map_or_else(Vec::new, |source| self.chunks_of(*source));
                let pieces: Vec<(usize, usize)> = match first.iter().map(|chunk| chunk.end).max() {
                    Some(end) if end == len => first.iter().map(|chunk| (chunk.start, chunk.end)).collect(),
                    Some(_) | None => vec![(0, len)],
                };
                let each = pieces.into_iter().map(|(start, end)| {
                    let id = self.add(part(Role::Unit { unit: *unit }, (start, end)));
                    Chunk { start, end, from: End::Part(id), origin: node, at: start }
                });
                each.collect()
            }
            (Operator::Population { kind, .. }, _) => {
                let (role, most) = match kind {
                    PopulationKind::Neuron => (Role::Neurons, neurons_each(self.given, node)),
                    PopulationKind::Encoder | PopulationKind::Decoder => (Role::Coder, len.max(1)),
                    PopulationKind::Device => (Role::Devices, cells_each(self.given, node)),
                };
                let pieces = len.div_ceil(most.max(1)).max(1);
                let each = (0..pieces).map(|piece| {
                    let (start, end) = (len * piece / pieces, len * (piece + 1) / pieces);
                    let id = self.add(part(role, (start, end)));
                    Chunk { start, end, from: End::Part(id), origin: node, at: start }
                });
                each.collect()
            }
            (Operator::Gather(gather), _) => {
                let of: Vec<Vec<Chunk>> = sources.iter().map(|source| self.chunks_of(*source)).collect();
                let mut all = Vec::new();
                for run in gather.runs() {
                    let Some(first) = run.from else { continue };
                    let within = of[run.operand].iter().filter(|c| c.end > first && c.start < first + run.len);
                    all.extend(within.map(|chunk| Chunk {
                        start: run.to + chunk.start.max(first) - first,
                        end: run.to + chunk.end.min(first + run.len) - first,
                        at: chunk.at + first.saturating_sub(chunk.start),
                        ..*chunk
                    }));
                }
                all
            }
            (Operator::Output | Operator::Read { .. }, _)
            | (Operator::Dense { .. } | Operator::Elementwise { .. } | Operator::Reduce { .. }, _) => {
                sources.first().map_or_else(Vec::new, |source| self.chunks_of(*source))
            }
        };
        self.chunks.insert(node, chunks);
    }

    fn chunks_of(&self, node: NodeId) -> Vec<Chunk> {
        self.chunks.get(&node).cloned().unwrap_or_default()
    }

    /// The parts of a layer; its outputs leave from what adds them last.
    fn layer_chunks(&mut self, node: NodeId, how: OnTiles) -> Vec<Chunk> {
        let mut last: BTreeMap<(usize, usize), End> = BTreeMap::new();
        for part in layer(self.given, self.tiling, node, how) {
            let elements = part.elements;
            let id = self.add(part);
            last.insert(elements, End::Part(id));
        }
        last.into_iter().map(|((start, end), from)| Chunk { start, end, from, origin: node, at: start }).collect()
    }

    /// Nets of partial sums: from the arrays to what adds them.
    fn sums(&mut self, node: NodeId) {
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
    fn operands(&mut self, node: NodeId) {
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
            let domain = match (spikes, wire.takes.is_empty()) {
                (true, _) => Domain::Spikes,
                (false, false) => Domain::Bits,
                (false, true) => self.decisions.choice(node).map_or(Domain::Bits, |choice| choice.input),
            };
            let bits = match domain {
                Domain::Bits => f64::min(self.width(wire.from), self.need(&wire)),
                Domain::Spikes => self.given.chip.mesh.flit_bits.max(1.0),
                Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Light => 0.0,
            };
            for (range, to) in &consumers {
                let mut values = 0;
                for chunk in &chunks {
                    let (start, end) = (chunk.start.max(range.0), chunk.end.min(range.1));
                    if start < end {
                        values += end - start;
                        let first = chunk.at + start - chunk.start;
                        let (origin, from, to) = (chunk.origin, chunk.from, *to);
                        self.needed.push(Needed {
                            origin,
                            from,
                            domain,
                            start: first,
                            end: first + end - start,
                            to,
                            bits,
                        });
                    }
                }
                if let (End::Part(id), false) = (to, wire.takes.is_empty()) {
                    self.circuit.parts[id.0].takes.push((wire.operand, values, wire.takes.clone()));
                }
            }
        }
    }

    /// Nets of what is needed: elements that the same parts need go together, once for all of them.
    fn join(&mut self) {
        let mut groups: BTreeMap<(NodeId, End, Domain), Vec<Needed>> = BTreeMap::new();
        for needed in std::mem::take(&mut self.needed) {
            groups.entry((needed.origin, needed.from, needed.domain)).or_default().push(needed);
        }
        for ((source, from, domain), all) in groups {
            let mut ends: Vec<usize> = all.iter().flat_map(|needed| [needed.start, needed.end]).collect();
            ends.sort_unstable();
            ends.dedup();
            let mut found: BTreeMap<Vec<End>, (usize, f64)> = BTreeMap::new();
            for pair in ends.windows(2) {
                let here = || all.iter().filter(|needed| needed.start <= pair[0] && pair[1] <= needed.end);
                let mut to: Vec<End> = here().map(|needed| needed.to).collect();
                to.sort_unstable();
                to.dedup();
                if to.is_empty() {
                    continue;
                }
                let bits = here().map(|needed| needed.bits).fold(0.0, f64::max);
                let entry = found.entry(to).or_insert((0, 0.0));
                entry.0 += pair[1] - pair[0];
                entry.1 = entry.1.max(bits);
            }
            let firings = self.tiling.firings[source.index()];
            for (to, (values, bits)) in found {
                self.circuit.nets.push(Net { source, from, to, domain, values, bits, firings });
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
                Role::Array { block, .. } if operand == 0 => self.tiling.blocks[block].inputs,
                Role::Array { .. } | Role::Line { .. } | Role::Adder { .. } => return None,
                Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices if len == whole => part.elements,
                Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => (0, len),
            };
            Some((range, End::Part(PartId(id))))
        });
        each.collect()
    }

    /// Bits of a value that a node gives.
    fn width(&self, node: NodeId) -> f64 {
        width(self.given, self.tiling, self.decisions, node)
    }

    /// Bits of a value that a wire's destination can use.
    fn need(&self, wire: &Wire) -> f64 {
        need(self.given, self.tiling, self.decisions, wire)
    }

    /// Spikes go to every part with targets of its source's population.
    fn spikes(&mut self) {
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
                let (from, to, domain) = (chunk.from, to.clone(), Domain::Spikes);
                self.circuit.nets.push(Net { source, from, to, domain, values, bits, firings });
            }
        }
    }
}

/// Bits of a partial sum: digits of sliced weights and bits of serial inputs are shifted and added where they are converted.
pub fn sum_bits(chip: &Chip, tile: &crate::forms::chip::TileKind, how: OnTiles) -> f64 {
    let bits = match tile.senses.get(how.sense) {
        Some(Sense::Converter { converter, .. }) => chip.converters[*converter].bits.map_or(WORD, f64::from),
        Some(Sense::Analog(_)) | None => WORD,
    };
    let digits = crate::cost::part_reads(tile, how) * tile.slices as f64;
    bits + (digits - 1.0).clamp(0.0, WORD)
}

/// Bits of a value that a node gives, where it gives bits.
pub fn width(given: Given, tiling: &Tiling, decisions: &Decisions, node: NodeId) -> f64 {
    let chip = given.chip;
    let from_wire = |node: NodeId| {
        let wires = decisions.wires.iter().filter(move |wire| wire.from == node);
        wires.filter_map(|wire| last_bits(chip, &wire.gives)).next()
    };
    let passed = || {
        let sources = operands(given.network, node);
        sources.into_iter().map(|source| width(given, tiling, decisions, source)).fold(0.0, f64::max)
    };
    let own = match &given.network.graph[node].operator {
        Operator::Dense { .. } => decisions.on_tiles(node).and_then(|how| layer_width(given, tiling, node, how)),
        Operator::Elementwise { .. } => match decisions.choice(node).map(|choice| &choice.implementation) {
            Some(Implementation::Unit(unit)) => chip.unit_kinds[*unit].bits.map(f64::from),
            Some(_) | None => None,
        },
        Operator::Gather(_) | Operator::Read { .. } => Some(passed()),
        Operator::Input | Operator::Output | Operator::Reduce { .. } | Operator::Population { .. } => None,
    };
    from_wire(node).or(own.filter(|bits| *bits > 0.0)).unwrap_or(WORD)
}

/// Bits of a layer's outputs as its own converters and adders give them.
fn layer_width(given: Given, tiling: &Tiling, node: NodeId, how: OnTiles) -> Option<f64> {
    let (_, block) = tiling.of(node).next()?;
    let tile = &given.chip.tile_kinds[block.tile_kind];
    let Some(Sense::Converter { converter, .. }) = tile.senses.get(how.sense) else { return None };
    let bits = given.chip.converters[*converter].bits.map_or(WORD, f64::from);
    let parts = layer(given, tiling, node, how);
    let terms = parts.iter().filter_map(|part| match part.role {
        Role::Adder { terms, .. } => Some(terms),
        Role::Array { .. } | Role::Line { .. } | Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => {
            None
        }
    });
    let most = terms.max().unwrap_or(1);
    Some((bits + (most as f64).log2().ceil()).min(32.0))
}

/// Bits of a value that a wire's destination can use.
pub fn need(given: Given, tiling: &Tiling, decisions: &Decisions, wire: &Wire) -> f64 {
    let chip = given.chip;
    if let Some(&first) = wire.takes.first() {
        return chip.converters[first].bits.map_or(WORD, f64::from);
    }
    let driven = decisions.on_tiles(wire.to).and_then(|how| {
        let (_, block) = tiling.of(wire.to).next()?;
        match chip.tile_kinds[block.tile_kind].inputs.get(how.drive)? {
            Drive::Converter(id) => chip.converters[*id].bits.map(f64::from),
            Drive::BitSerial { bits, .. } => Some(f64::from(*bits)),
            Drive::Direct(_) => None,
        }
    });
    driven.unwrap_or(f64::INFINITY)
}

/// Bits of what a chain of converters gives at its end.
fn last_bits(chip: &Chip, chain: &[usize]) -> Option<f64> {
    let last = chain.last().map(|&id| &chip.converters[id])?;
    if last.to == Domain::Bits { Some(last.bits.map_or(WORD, f64::from)) } else { None }
}

/// The most neurons of a population that a core can hold with their synapses.
fn neurons_each(given: Given, node: NodeId) -> usize {
    let synapses = synapses_each(given.network, node);
    let each = given.chip.core_kinds.iter().filter_map(|core| {
        let by_synapses = match core.synapses {
            Some(most) if synapses > 0.0 => (most as f64 / synapses) as usize,
            Some(_) | None => usize::MAX,
        };
        core.neurons.map(|neurons| neurons.min(by_synapses))
    });
    each.max().unwrap_or(usize::MAX).max(1)
}

/// The most devices of a population that a core can hold.
fn cells_each(given: Given, node: NodeId) -> usize {
    let Operator::Population { dynamics, .. } = &given.network.graph[node].operator else { return usize::MAX };
    let each = given.chip.core_kinds.iter().map(|core| {
        core.cells.iter().filter(|(name, _)| *name == dynamics.name).map(|(_, count)| count).sum::<usize>()
    });
    each.max().filter(|most| *most > 0).unwrap_or(usize::MAX)
}

/// Mean number of synapses onto a neuron of a population.
pub fn synapses_each(network: &Network, node: NodeId) -> f64 {
    let onto = network.connections.iter().filter(|connection| connection.target == node);
    onto.map(expected).sum::<f64>() / network.graph[node].len().max(1) as f64
}

/// How many synapses a connection has, or may be expected to.
pub fn expected(connection: &Connection) -> f64 {
    let sources = (connection.source_range.1 - connection.source_range.0) as f64;
    let targets = (connection.target_range.1 - connection.target_range.0) as f64;
    match &connection.pattern {
        Pattern::AllToAll { .. } | Pattern::Matrix(_) => sources * targets,
        Pattern::OneToOne | Pattern::List { .. } => sources.min(targets),
        Pattern::Random { p, .. } => sources * targets * p,
        Pattern::FixedInDegree { sources, .. } => *sources as f64 * targets,
    }
}
