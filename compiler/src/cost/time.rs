//! How long parts work.

use super::part::{conversions_a_read, pulses, reads};
use crate::forms::chip::{Chip, Domain, Drive, Sense, TileKind};
use crate::forms::circuit::{Circuit, End, Net, Part, PartId, Role};
use crate::forms::decisions::{Decisions, OnTiles};
use crate::forms::mapped::Given;
use crate::forms::tiling::{Block, Tiling};

/// Instances of a unit that a part uses: analog ones one for each element, since each carries a value all the time; of digital ones as
/// many as the core has and there is work for.
pub fn instances(chip: &Chip, unit: usize, part: &Part, core_kind: Option<usize>) -> usize {
    let kind = &chip.unit_kinds[unit];
    if kind.from != Domain::Bits || kind.to != Domain::Bits {
        return part.len();
    }
    let of = |core: &crate::forms::chip::CoreKind| -> usize {
        core.units.iter().filter(|(of, _)| *of == unit).map(|(_, count)| count).sum()
    };
    let there = match core_kind {
        Some(kind) => of(&chip.core_kinds[kind]),
        None => chip.core_kinds.iter().map(of).max().unwrap_or(0),
    };
    there.max(1).min(part.len().max(1))
}

/// Seconds of one read of an array.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Read {
    /// Setting the rows; 0 for pulses, whose width is the read.
    pub drive: f64,
    /// Cells conducting until the columns are there.
    pub read: f64,
    /// Columns taking turns on the converters; 0 where they are not converted.
    pub sense: f64,
    /// Whether what was read is held while columns take turns, so that rows need not be driven on.
    pub held: bool,
    /// Seconds a converter needs for one column.
    pub turn: f64,
    /// How often that is done.
    pub reads: f64,
}

impl Read {
    /// From the arrival of the inputs to the last output.
    pub fn total(&self) -> f64 {
        if self.held {
            // The next bit is driven while the columns of the last are converted.
            let each = f64::max(self.drive + self.read, self.sense);
            return (self.reads - 1.0) * each + self.drive + self.read + self.sense;
        }
        self.reads * (self.drive + self.read + self.sense)
    }

    /// The end of [`Self::total`] in which the array may be driven for the next sample: its last columns are held, and converted.
    pub fn overlap(&self) -> f64 {
        if !self.held {
            return 0.0;
        }
        self.total() - self.reads * f64::max(self.drive + self.read, self.sense)
    }

    /// How long cells conduct in one read: the rows are driven until all columns have had their turn, unless these are held or pulses end
    /// by themselves.
    pub fn driven(&self, pulses: bool) -> f64 {
        if self.held || pulses { self.read } else { self.read + self.sense }
    }
}

/// The read of an array.
pub fn read(chip: &Chip, tile: &TileKind, block: &Block, how: OnTiles, converts: bool) -> Read {
    let by_pulse = pulses(chip, tile, how);
    let driver = match tile.inputs.get(how.drive) {
        Some(Drive::Converter(id)) | Some(Drive::BitSerial { converter: id, .. }) => chip.converters[*id].time,
        Some(Drive::Direct(_)) | None => 0.0,
    };
    let (drive, mut read) = match tile.inputs.get(how.drive) {
        Some(Drive::Converter(_)) if by_pulse => (0.0, driver),
        Some(Drive::Converter(_) | Drive::BitSerial { .. } | Drive::Direct(_)) | None => (driver, tile.read_time),
    };
    let (mut sense, mut turn, mut held) = (0.0, 0.0, false);
    if let (true, Some(Sense::Converter { converter, sharing })) = (converts, tile.senses.get(how.sense)) {
        // A differential pair is converted once, so so many pairs share a converter as columns do, halved.
        let columns = (*sharing).max(1).div_ceil(if block.columns_per_output == 2 { 2 } else { 1 });
        let turns = (columns as f64).min(conversions_a_read(tile, block)).max(1.0);
        turn = chip.converters[*converter].time;
        sense = turns * turn;
        if let Some(hold) = tile.hold {
            read += chip.converters[hold].time;
            held = true;
        }
    }
    if let Some(gather) = how.gather.filter(|_| !converts) {
        read += chip.converters[gather].time;
    }
    Read { drive, read, sense, held, turn, reads: reads(tile, how) * block.positions as f64 }
}

/// Seconds at the end of a part's work in which its array is free for the next sample; in a stack others wait for its converters.
pub fn overlap(chip: &Chip, tiling: &Tiling, how: Option<OnTiles>, part: &Part) -> f64 {
    let (Role::Array { block, converts: true, .. }, Some(how)) = (part.role, how) else { return 0.0 };
    let block = &tiling.blocks[block];
    let tile = &chip.tile_kinds[block.tile_kind];
    if tile.layers > 1 { 0.0 } else { read(chip, tile, block, how, true).overlap() }
}

/// Seconds a part works from the arrival of its last input to its last output, once.
pub fn part(chip: &Chip, tiling: &Tiling, how: Option<OnTiles>, part: &Part, core_kind: Option<usize>) -> f64 {
    let chain = |ids: &[usize]| ids.iter().map(|&id| chip.converters[id].time).sum::<f64>();
    let taken = part.takes.iter().map(|taken| chain(&taken.chain)).fold(0.0, f64::max);
    let turns = |unit: usize, elements: usize| {
        let instances = instances(chip, unit, part, core_kind).max(1);
        chip.unit_kinds[unit].time * elements.div_ceil(instances) as f64
    };
    let own = match part.role {
        Role::Array { block, converts, .. } => how.map_or(0.0, |how| {
            let block = &tiling.blocks[block];
            read(chip, &chip.tile_kinds[block.tile_kind], block, how, converts).total()
        }),
        Role::Line { unit, converts, .. } => {
            let sensed = how.filter(|_| converts).and_then(|how| {
                let (_, block) = tiling.of(part.node).next()?;
                let tile = &chip.tile_kinds[block.tile_kind];
                Some(read(chip, tile, &Block { outputs: part.elements, ..block.clone() }, how, true).sense)
            });
            chip.unit_kinds[unit].time + sensed.unwrap_or(0.0)
        }
        Role::Adder { unit, terms } => turns(unit, terms.saturating_sub(1) * part.len()),
        Role::Unit { unit } => turns(unit, part.len()),
        Role::Neurons => core_kind.map_or(0.0, |kind| chip.core_kinds[kind].neuron_time * part.places() as f64),
        Role::Coder | Role::Devices => 0.0,
    };
    taken + own + giving(chip, part)
}

/// Seconds of the converters at a part's output, along the longest way.
pub fn giving(chip: &Chip, part: &Part) -> f64 {
    longest(chip, &part.gives)
}

/// Seconds of a tree of converters, parents first, along its longest way.
pub fn longest(chip: &Chip, tree: &[usize]) -> f64 {
    // Each starts when what gives its domain is there.
    let mut ready: Vec<(Domain, f64)> = Vec::new();
    for &id in tree {
        let converter = &chip.converters[id];
        let before = ready.iter().rev().find(|(domain, _)| *domain == converter.from).map_or(0.0, |(_, at)| *at);
        ready.push((converter.to, before + converter.time));
    }
    ready.into_iter().map(|(_, at)| at).fold(0.0, f64::max)
}

/// Seconds of a net's values on their way between cores, the farthest of them, when nothing is in their way.
pub fn moving(chip: &Chip, cores: &[usize], net: &Net) -> f64 {
    let hops = net.to.iter().map(|&to| super::apart(chip, cores, net.from, to)).max().unwrap_or(0);
    if hops == 0 {
        return 0.0;
    }
    if net.is_analog() {
        return chip.links.iter().find(|link| link.carries == net.domain).map_or(0.0, |link| link.time);
    }
    let flits = (net.values as f64 * net.bits / chip.mesh.flit_bits.max(1.0)).ceil().max(1.0);
    (hops as f64 - 1.0 + flits) * chip.mesh.hop_time
}

/// When each part of what analog wires join begins and has done its work, from the first input's arrival on: each begins when all that
/// these wires bring it is there, over links later. In the order of `joined`. `cores`: of all parts; none: nothing is taken to pass a link.
pub fn spans(
    given: Given,
    tiling: &Tiling,
    decisions: &Decisions,
    circuit: &Circuit,
    joined: &[PartId],
    cores: Option<&[usize]>,
) -> Vec<(f64, f64)> {
    let (chip, island) = (given.chip, joined);
    let at = |id: PartId| island.binary_search(&id).ok();
    let mut before: Vec<Vec<(usize, f64)>> = vec![Vec::new(); island.len()];
    if island.len() > 1 {
        for net in circuit.nets.iter().filter(|net| net.is_analog()) {
            let End::Part(from) = net.from else { continue };
            let Some(source) = at(from) else { continue };
            let link = chip.links.iter().find(|link| link.carries == net.domain).map_or(0.0, |link| link.time);
            for end in &net.to {
                let End::Part(id) = end else { continue };
                let far = cores.is_some_and(|cores| cores[from.0] != cores[id.0]);
                if let Some(to) = at(*id) {
                    before[to].push((source, if far { link } else { 0.0 }));
                }
            }
        }
    }
    let times: Vec<f64> = (island.iter())
        .map(|id| {
            let of = &circuit.parts[id.0];
            part(chip, tiling, decisions.on_tiles(of.node), of, cores.map(|cores| chip.cores[cores[id.0]]))
        })
        .collect();
    let mut spans: Vec<Option<(f64, f64)>> = vec![None; island.len()];
    // Analog wires close no circles: every pass settles at least one more part.
    for _ in 0..island.len() {
        let mut changed = false;
        for index in 0..island.len() {
            if spans[index].is_some() || before[index].iter().any(|&(from, _)| spans[from].is_none()) {
                continue;
            }
            let there = before[index].iter().filter_map(|&(from, link)| spans[from].map(|span| span.1 + link));
            let start = there.fold(0.0, f64::max);
            spans[index] = Some((start, start + times[index]));
            changed = true;
        }
        if !changed {
            break;
        }
    }
    spans.into_iter().zip(times).map(|(span, time)| span.unwrap_or((0.0, time))).collect()
}

/// How long the cells of each array of what analog wires join conduct in one read, by block. Pulses end by themselves. Where columns end in
/// converters, rows are driven until all have had their turn, unless they are held. An analog output is driven until it (or the sum it is
/// part of) is held, or until the work of all that is joined ends, on whatever cores.
pub fn driven(
    given: Given,
    tiling: &Tiling,
    decisions: &Decisions,
    circuit: &Circuit,
    island: &[PartId],
    spans: &[(f64, f64)],
) -> Vec<(usize, f64)> {
    let end = spans.iter().map(|span| span.1).fold(0.0, f64::max);
    let part = |id: &PartId| &circuit.parts[id.0];
    let holds = |part: &Part| part.gives.iter().any(|&id| given.chip.converters[id].holds());
    let mut all = Vec::new();
    for (id, span) in island.iter().zip(spans) {
        let array = part(id);
        let (Role::Array { block, converts, .. }, Some(how)) = (array.role, decisions.on_tiles(array.node)) else {
            continue;
        };
        let of = &tiling.blocks[block];
        let tile = &given.chip.tile_kinds[of.tile_kind];
        let read = read(given.chip, tile, of, how, converts);
        let by_pulse = pulses(given.chip, tile, how);
        let seconds = if converts || by_pulse {
            read.driven(by_pulse)
        } else {
            let same = |other: &Part| other.node == array.node && other.elements == array.elements && holds(other);
            let held = island.iter().zip(spans).filter(|(other, _)| same(part(other))).map(|(_, span)| span.1);
            let until = held.fold(f64::INFINITY, f64::min).min(end);
            let taken = array
                .takes
                .iter()
                .map(|taken| taken.chain.iter().map(|&id| given.chip.converters[id].time).sum::<f64>());
            (until - span.0 - taken.fold(0.0, f64::max) - read.drive).max(read.read)
        };
        all.push((block, seconds));
    }
    all
}

/// How long what a part gives is held until the work of its island ends; 0 where nothing holds it.
pub fn held(chip: &Chip, part: &Part, span: (f64, f64), island_end: f64) -> f64 {
    let holds = part.gives.iter().any(|&id| chip.converters[id].holds());
    if holds { (island_end - span.1).max(0.0) } else { 0.0 }
}
