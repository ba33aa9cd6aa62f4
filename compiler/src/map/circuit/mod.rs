//! `Decisions` to `Circuit`: the parts that the chosen implementations take, and the nets between them.

mod nets;
mod widths;

pub use widths::sum_bits;

use std::collections::BTreeMap;

use crate::cost::compartments;
use crate::forms::chip::{Chip, Domain, Sense, WeightScheme};
use crate::forms::circuit::{Circuit, End, Part, PartId, Role};
use crate::forms::decisions::{Bias, Decisions, Implementation, OnTiles, Summing};
use crate::forms::mapped::Given;
use crate::forms::network::{Connection, Network, NodeId, Operator, Pattern, PopulationKind};
use crate::forms::tiling::{Block, Tiling};
use crate::graph::{is_given, operands, order, recurring};
use nmc_program::Reduction;

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
    /// Whether it is needed in every tick.
    recurs: bool,
}

/// The parts of a layer on arrays: the arrays, then what adds their sums. Without converters on wires.
pub fn layer(given: Given, tiling: &Tiling, layer: NodeId, how: OnTiles) -> Vec<Part> {
    let firings = tiling.firings[layer.index()];
    let positions = given.network.graph[layer].positions();
    let part = |role, outputs: (usize, usize)| {
        let elements = (outputs.0 * positions, outputs.1 * positions);
        Part { node: layer, role, elements, places: 1, firings, takes: Vec::new(), gives: Vec::new() }
    };
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
        // What the offset of all weights gives is taken off once.
        let sums = (blocks.len() as f64 * digits) as usize + usize::from(tile.weights == WeightScheme::Offset);
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
        recurring: recurring(given.network, given.plan),
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
    /// Whether what a node gives is made in every tick.
    recurring: Vec<bool>,
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
        let places = compartments(self.given.network, self.given.chip, node);
        let part =
            |role, elements| Part { node, role, elements, places, firings, takes: Vec::new(), gives: Vec::new() };
        let sources = operands(network, node);
        let chunks = match (&network.graph[node].operator, self.decisions.choice(node).map(|c| &c.implementation)) {
            (Operator::Input, _) => whole(End::Host),
            (Operator::Population { .. }, _) if is_given(network, node) => whole(End::Host),
            (Operator::Dense { .. }, Some(Implementation::Tile(how))) => self.layer_chunks(node, *how),
            (Operator::Elementwise { .. }, Some(Implementation::Unit(unit))) => {
                let first = sources.first().map_or_else(Vec::new, |source| self.chunks_of(*source));
                let mut ends: Vec<End> = first.iter().map(|chunk| chunk.from).collect();
                ends.sort_unstable();
                ends.dedup();
                let apart = ends.len() == first.len();
                let pieces: Vec<(usize, usize)> = match first.iter().map(|chunk| chunk.end).max() {
                    Some(end) if end == len && apart => first.iter().map(|chunk| (chunk.start, chunk.end)).collect(),
                    Some(_) | None => vec![(0, len)],
                };
                let each = pieces.into_iter().map(|(start, end)| {
                    let id = self.add(part(Role::Unit { unit: *unit }, (start, end)));
                    Chunk { start, end, from: End::Part(id), origin: node, at: start }
                });
                each.collect()
            }
            (Operator::Reduce { reduction, each }, Some(Implementation::Unit(unit))) => {
                let terms = terms(*reduction, *each);
                let id = self.add(part(Role::Adder { unit: *unit, terms }, (0, len)));
                whole(End::Part(id))
            }
            (Operator::Softmax, Some(Implementation::Unit(unit))) => {
                let id = self.add(part(shares(self.given.chip, *unit), (0, len)));
                whole(End::Part(id))
            }
            (Operator::Population { kind, .. }, _) => {
                let (role, most) = match kind {
                    PopulationKind::Neuron => (Role::Neurons, neurons_each(self.given, node)),
                    PopulationKind::Encoder | PopulationKind::Decoder | PopulationKind::State => {
                        (Role::Coder, len.max(1))
                    }
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
            | (Operator::Dense { .. } | Operator::Elementwise { .. } | Operator::Reduce { .. }, _)
            | (Operator::Softmax | Operator::Delay | Operator::Scatter(_), _) => {
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
}

/// What makes shares of one whole: an analog circuit of all elements, or a digital unit, which for each of them compares, takes a power, adds and divides.
pub fn shares(chip: &Chip, unit: usize) -> Role {
    match chip.unit_kinds[unit].from {
        Domain::Bits => Role::Adder { unit, terms: 5 },
        Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse | Domain::Spikes | Domain::Light => {
            Role::Unit { unit }
        }
    }
}

/// Numbers that a unit adds up, or compares, for each element of a reduction; a mean is scaled at the end.
pub fn terms(reduction: Reduction, each: usize) -> usize {
    each + usize::from(reduction == Reduction::Mean)
}

/// The most neurons of a population that a core can hold with their synapses.
fn neurons_each(given: Given, node: NodeId) -> usize {
    let synapses = synapses_each(given.network, node);
    let each = given.chip.core_kinds.iter().filter_map(|core| {
        let by_synapses = match core.synapses {
            Some(most) if synapses > 0.0 => (most as f64 / synapses) as usize,
            Some(_) | None => usize::MAX,
        };
        core.neurons.map(|neurons| (neurons / compartments(given.network, given.chip, node)).min(by_synapses))
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
        Pattern::Random { p, .. } | Pattern::Likely { mean: p, .. } => sources * targets * p,
        Pattern::FixedInDegree { sources, .. } => *sources as f64 * targets,
        Pattern::FixedOutDegree { targets, .. } => *targets as f64 * sources,
        Pattern::FixedTotalNumber { synapses, .. } => *synapses as f64,
    }
}
