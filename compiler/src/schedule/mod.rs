//! `Placed` to `Scheduled`: a timetable of one sample; the next starts when the busiest resource is free again.

mod print;
mod verify;

pub use print::print;
pub use verify::verify;

use std::collections::BTreeMap;

use nmc_grammar::diagnostic::Diagnostic;

use crate::forms::chip::{Drive, Sense};
use crate::forms::converted::Implementation;
use crate::forms::network::{NodeId, Operator};
use crate::forms::placed::Placed;
use crate::forms::scheduled::{Resource, Scheduled, Task, Transfer};
use crate::graph::{operands, order};
use crate::place::word_bits;

/// Makes the timetable.
pub fn schedule(placed: Placed, _diagnostics: &mut Vec<Diagnostic>) -> Option<Scheduled> {
    let mut table = Timetable::default();
    if !placed.converted.tiled.chip.ideal {
        for node in order(&placed.converted.tiled.network) {
            table.add(&placed, node);
        }
    }
    let latency = table.tasks.iter().map(|task| task.end).chain(table.ends()).fold(0.0, f64::max);
    let (initiation_interval, bottleneck) = table.bottleneck(&placed);
    let Timetable { tasks, transfers, .. } = table;
    Some(Scheduled { placed, tasks, transfers, initiation_interval, latency, bottleneck })
}

#[derive(Default)]
struct Timetable {
    tasks: Vec<Task>,
    transfers: Vec<Transfer>,
    /// When a node's values are there, and on which core.
    ready: BTreeMap<NodeId, (f64, usize)>,
    /// When a resource or link is free again.
    busy: BTreeMap<(usize, Resource), f64>,
    links: BTreeMap<(usize, usize), f64>,
}

impl Timetable {
    fn ends(&self) -> impl Iterator<Item = f64> {
        self.transfers.iter().filter_map(|transfer| transfer.slots.last()).map(|slot| slot.1)
    }

    fn add(&mut self, placed: &Placed, node: NodeId) {
        let tiled = &placed.converted.tiled;
        let place = placed.node_cores.iter().find(|place| place.node == node).map(|place| place.core);
        let sources = operands(&tiled.network, node);
        let first = sources.first().and_then(|source| self.ready.get(source)).map_or(0, |ready| ready.1);
        match &tiled.network.graph[node].operator {
            Operator::Dense { .. } if tiled.blocks.iter().any(|block| block.layer == node) => self.layer(placed, node),
            Operator::Population { .. } => self.population(placed, node, place.unwrap_or(first)),
            Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reshape
            | Operator::Slice { .. }
            | Operator::Concat
            | Operator::Read { .. }
            | Operator::Input
            | Operator::Output => {
                let core = place.unwrap_or(first);
                let mut start = 0.0;
                for source in sources {
                    let bits = tiled.network.graph[source].len() as f64 * word_bits(&placed.converted, source, node);
                    start = f64::max(start, self.bring(placed, source, node, core, bits));
                }
                let end = self.unit(placed, node, core, start);
                self.ready.insert(node, (end, core));
            }
        }
    }

    /// A unit's work on a node, if a unit does it; when it is done.
    fn unit(&mut self, placed: &Placed, node: NodeId, core: usize, ready: f64) -> f64 {
        let tiled = &placed.converted.tiled;
        let choice = placed.converted.choices.iter().find(|choice| choice.node == node);
        let Some(Implementation::Unit(unit)) = choice.map(|choice| &choice.implementation) else { return ready };
        let kind = &tiled.chip.core_kinds[tiled.chip.cores[core]];
        let count = kind.units.iter().find(|(of, _)| of == unit).map_or(1, |(_, count)| *count).max(1);
        let turns = tiled.network.graph[node].len().div_ceil(count) as f64;
        let time = tiled.chip.unit_kinds[*unit].time * turns * tiled.firings[node.index()];
        self.occupy(Task { node, block: None, core, resource: Resource::Unit(*unit), start: ready, end: ready + time })
    }

    /// Puts a task at the first time its resource is free; when it ends.
    fn occupy(&mut self, mut task: Task) -> f64 {
        let free = self.busy.entry((task.core, task.resource)).or_insert(0.0);
        let start = task.start.max(*free);
        task.end += start - task.start;
        task.start = start;
        *free = task.end;
        let end = task.end;
        if task.end > task.start {
            self.tasks.push(task);
        }
        end
    }

    /// The blocks of a layer, then its partial sums to the first block of each merge.
    fn layer(&mut self, placed: &Placed, node: NodeId) {
        let tiled = &placed.converted.tiled;
        let often = tiled.firings[node.index()];
        let choice = placed.converted.choices.iter().find(|choice| choice.node == node);
        let source = operands(&tiled.network, node).first().copied();
        let mut ends: BTreeMap<usize, f64> = BTreeMap::new();
        for (index, block) in tiled.blocks.iter().enumerate().filter(|(_, block)| block.layer == node) {
            let core = placed.block_cores[index];
            let start = source.map_or(0.0, |source| {
                let values = (block.inputs.1 - block.inputs.0) as f64;
                self.bring(placed, source, node, core, values * word_bits(&placed.converted, source, node))
            });
            let end = start + often * read_time(placed, block.tile_kind, choice.map(|choice| &choice.implementation));
            let resource = Resource::Tile(placed.block_tiles[index]);
            ends.insert(index, self.occupy(Task { node, block: Some(index), core, resource, start, end }));
        }
        for merge in tiled.merges.iter().filter(|merge| merge.layer == node) {
            let to = merge.blocks[0];
            let bits = (merge.outputs.1 - merge.outputs.0) as f64 * 16.0;
            for &from in &merge.blocks[1..] {
                let cores = (placed.block_cores[from], placed.block_cores[to]);
                let arrived = self.send(placed, (node, node), cores, bits, ends[&from]);
                ends.entry(to).and_modify(|end| *end = end.max(arrived));
            }
        }
        let core = ends.keys().next().map_or(0, |&index| placed.block_cores[index]);
        self.ready.insert(node, (ends.values().copied().fold(0.0, f64::max), core));
    }

    /// A population works for the whole sample; the engine of a core serves all populations on it together.
    fn population(&mut self, placed: &Placed, node: NodeId, core: usize) {
        let plan = &placed.converted.tiled.plan;
        let time = plan.phases.iter().filter_map(|phase| phase.duration).fold(0.0, f64::max);
        let mut end = time;
        for place in placed.node_cores.iter().filter(|place| place.node == node) {
            let resource = Resource::Neurons;
            if !self.busy.contains_key(&(place.core, resource)) {
                end = self.occupy(Task { node, block: None, core: place.core, resource, start: 0.0, end: time });
            }
        }
        self.ready.insert(node, (end, core));
    }

    /// When a source's values have arrived on a core.
    fn bring(&mut self, placed: &Placed, source: NodeId, to: NodeId, core: usize, bits: f64) -> f64 {
        let Some(&(time, from)) = self.ready.get(&source) else { return 0.0 };
        let operator = &placed.converted.tiled.network.graph[source].operator;
        // Inputs come from the host, which reaches every core.
        if matches!(operator, Operator::Input)
            || matches!(placed.converted.tiled.network.graph[to].operator, Operator::Output)
        {
            return time;
        }
        self.send(placed, (source, to), (from, core), bits, time)
    }

    /// A message along x, then y, in the first slots free after one another; when it is there.
    fn send(&mut self, placed: &Placed, ends: (NodeId, NodeId), cores: (usize, usize), bits: f64, ready: f64) -> f64 {
        let (chip, (mut at, to)) = (&placed.converted.tiled.chip, cores);
        if at == to {
            return ready;
        }
        let width = chip.grid.0.max(1);
        let flits = (bits / chip.mesh.flit_bits.max(1.0)).ceil().max(1.0);
        let (mut route, mut slots, mut time) = (vec![at], Vec::new(), ready);
        while at != to {
            let (x, goal) = (at % width, to % width);
            let next = match x.cmp(&goal) {
                std::cmp::Ordering::Less => at + 1,
                std::cmp::Ordering::Greater => at - 1,
                std::cmp::Ordering::Equal if at < to => at + width,
                std::cmp::Ordering::Equal => at - width,
            };
            let free = self.links.entry((at, next)).or_insert(0.0);
            let start = time.max(*free);
            time = start + flits * chip.mesh.hop_time;
            *free = time;
            slots.push((start, time));
            route.push(next);
            at = next;
        }
        self.transfers.push(Transfer { from: ends.0, to: ends.1, bits, route, slots });
        time
    }

    /// The busiest resource or link sets the interval between samples.
    fn bottleneck(&self, placed: &Placed) -> (f64, String) {
        let graph = &placed.converted.tiled.network.graph;
        let mut totals: BTreeMap<String, f64> = BTreeMap::new();
        for task in &self.tasks {
            let name = match task.resource {
                Resource::Tile(tile) => format!("tile {tile} of core {} ({})", task.core, graph[task.node].name),
                Resource::Unit(unit) => {
                    format!("{} of core {}", placed.converted.tiled.chip.unit_kinds[unit].name, task.core)
                }
                Resource::Neurons => format!("neurons of core {}", task.core),
            };
            *totals.entry(name).or_default() += task.end - task.start;
        }
        for transfer in &self.transfers {
            for (hop, slot) in transfer.route.windows(2).zip(&transfer.slots) {
                *totals.entry(format!("link {} -> {}", hop[0], hop[1])).or_default() += slot.1 - slot.0;
            }
        }
        let start = (0.0, String::new());
        totals.into_iter().fold(start, |most, (name, time)| if time > most.0 { (time, name) } else { most })
    }
}

/// Seconds of one read of a tile: rows driven, cells settled, columns sensed in turns.
pub fn read_time(placed: &Placed, kind: usize, implementation: Option<&Implementation>) -> f64 {
    let chip = &placed.converted.tiled.chip;
    let tile = &chip.tile_kinds[kind];
    let Some(Implementation::Tile { drive, sense }) = implementation else { return tile.read_time };
    let driving = match tile.inputs.get(*drive) {
        Some(Drive::Converter(converter)) => chip.converters[*converter].time,
        Some(Drive::Direct(_)) | None => 0.0,
    };
    let sensing = match tile.senses.get(*sense) {
        Some(Sense::Converter { converter, sharing }) => chip.converters[*converter].time * (*sharing).max(1) as f64,
        Some(Sense::Analog(_)) | None => 0.0,
    };
    driving + tile.read_time + sensing
}
