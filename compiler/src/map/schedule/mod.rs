//! `Placement` to `Timetable`: when every part works and every message passes, for samples that follow one another.

mod print;
pub mod solve;
mod verify;

pub use print::print;
pub use verify::verify;

use std::collections::BTreeMap;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use crate::cost;
use crate::forms::chip::{Chip, Domain};
use crate::forms::circuit::{Circuit, End, PartId, Role};
use crate::forms::decisions::Decisions;
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator};
use crate::forms::placement::Placement;
use crate::forms::plan::UNPACED;
use crate::forms::tiling::Tiling;
use crate::forms::timetable::{Timetable, Transfer, Work};
use crate::graph::{is_population, operands, order, recurring, ticks};
use crate::map::place::wholes;
use solve::{Event, Failure, Move, Problem, Resource};

/// When in a sample something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Time {
    /// Once, before any tick (or where there are none).
    Before,
    /// In every tick.
    Tick,
    /// Once, after the last tick.
    After,
}

/// Makes the timetable; none, with the reason in `diagnostics`, when there is none.
pub fn schedule(
    given: Given,
    tiling: &Tiling,
    decisions: &Decisions,
    circuit: &Circuit,
    placement: &Placement,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Timetable> {
    if given.chip.ideal {
        return Some(Timetable::default());
    }
    let maker = Maker::new(given, tiling, decisions, circuit, placement);
    let mut table = Timetable::default();
    if maker.wholes.iter().any(|whole| maker.time_of(whole) == Time::Tick) {
        let within = maker.run(&[Time::Tick], None, diagnostics)?;
        let step = given.plan.step.unwrap_or(0.0);
        let devices = circuit.parts.iter().find(|part| part.role == Role::Devices);
        if within.latency > step * (1.0 + 1e-9) && step != UNPACED && (given.chip.fixed_ticks || devices.is_some()) {
            diagnostics.push(too_short(given, step, within.latency, devices.map(|part| part.node)));
            return None;
        }
        table = within;
        table.tick = Some(step.max(table.latency));
    }
    let per_tick = (table.works, table.transfers);
    let whole = maker.run(&[Time::Before, Time::After], table.tick, diagnostics)?;
    let (works, transfers) = (per_tick.0.into_iter().chain(whole.works), per_tick.1.into_iter().chain(whole.transfers));
    Some(Timetable { works: works.collect(), transfers: transfers.collect(), tick: table.tick, ..whole })
}

/// Parts that work as a whole, and when each does.
type Made<'m> = (&'m [PartId], Vec<(f64, f64)>);

/// What it is made from.
struct Maker<'a> {
    given: Given<'a>,
    tiling: &'a Tiling,
    decisions: &'a Decisions,
    circuit: &'a Circuit,
    placement: &'a Placement,
    /// Parts that work as a whole, on one core or on several that links join.
    wholes: Vec<Vec<PartId>>,
    /// The whole of each part.
    of_part: Vec<usize>,
    times: BTreeMap<NodeId, Time>,
    /// Bits that each part's digital outputs are, those that leave once and those of every tick.
    written: Vec<[f64; 2]>,
}

impl<'a> Maker<'a> {
    fn new(
        given: Given<'a>,
        tiling: &'a Tiling,
        decisions: &'a Decisions,
        circuit: &'a Circuit,
        placement: &'a Placement,
    ) -> Self {
        let wholes = wholes(circuit);
        let mut of_part = vec![0; circuit.parts.len()];
        for (index, whole) in wholes.iter().enumerate() {
            whole.iter().for_each(|part| of_part[part.0] = index);
        }
        let times = times(given);
        let mut written = vec![[0.0; 2]; circuit.parts.len()];
        for net in circuit.nets.iter().filter(|net| net.domain == Domain::Bits) {
            if let End::Part(part) = net.from {
                written[part.0][usize::from(net.recurs)] += net.waiting_bits();
            }
        }
        Maker { given, tiling, decisions, circuit, placement, wholes, of_part, times, written }
    }

    fn time_of(&self, whole: &[PartId]) -> Time {
        let each = whole.iter().map(|part| self.times.get(&self.circuit.parts[part.0].node));
        each.flatten().copied().max().unwrap_or(Time::Before)
    }

    /// Parts by their cores.
    fn by_core(&self, whole: &[PartId]) -> BTreeMap<usize, Vec<PartId>> {
        let mut cores: BTreeMap<usize, Vec<PartId>> = BTreeMap::new();
        whole.iter().for_each(|&part| cores.entry(self.placement.cores[part.0]).or_default().push(part));
        cores
    }

    /// The timetable of what happens at these times. `tick`: between what comes before and after, the ticks take place.
    fn run(&self, times: &[Time], tick: Option<f64>, diagnostics: &mut Vec<Diagnostic>) -> Option<Timetable> {
        let chip = self.given.chip;
        let mut problem = Problem {
            grid: chip.grid,
            resources: Vec::new(),
            works: Vec::new(),
            moves: Vec::new(),
            hop: chip.mesh.hop_time,
            flit_bits: chip.mesh.flit_bits.max(1.0),
            port: 0,
            port_time_per_bit: chip.host.time_per_bit,
            buffers: chip.cores.iter().map(|&kind| buffer(chip, kind)).collect(),
            tick: None,
        };
        let mut resources: BTreeMap<String, usize> = BTreeMap::new();
        // What works, with when each of its parts does; what each gives to another core than its first; the work of each whole.
        let mut made: Vec<Made> = Vec::new();
        let (mut gives, mut work_of) = (Vec::new(), BTreeMap::<usize, usize>::new());
        for (index, whole) in self.wholes.iter().enumerate() {
            if !times.contains(&self.time_of(whole)) {
                continue;
            }
            let cores = Some(&self.placement.cores[..]);
            let spans = cost::time::spans(self.given, self.tiling, self.decisions, self.circuit, whole, cores);
            let time = spans.iter().map(|span| span.1).fold(0.0, f64::max);
            let first = self.placement.cores[whole[0].0];
            let (mut uses, mut writes_bits) = (Vec::new(), 0.0);
            for (core, parts) in self.by_core(whole) {
                uses.extend(self.uses(core, &parts, &mut resources, &mut problem.resources));
                match self.written(&parts, times.contains(&Time::Tick)) {
                    bits if core == first => writes_bits = bits,
                    bits => gives.push((made.len(), core, bits)),
                }
            }
            work_of.insert(index, made.len());
            problem.works.push(solve::Work { core: first, uses, time, after: Vec::new(), writes_bits });
            made.push((whole, spans));
        }
        let mut gives_at: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (work, core, writes_bits) in gives.into_iter().filter(|(_, _, bits)| *bits > 0.0) {
            gives_at.insert((work, core), problem.works.len());
            let after = vec![Event::Work(work)];
            problem.works.push(solve::Work { core, uses: Vec::new(), time: 0.0, after, writes_bits });
        }
        // All ticks of a sample are one work on each core that takes part in them.
        let mut ticking: BTreeMap<usize, usize> = BTreeMap::new();
        if let Some(tick) = tick {
            let ticks_of = self.wholes.iter().filter(|whole| self.time_of(whole) == Time::Tick);
            for (core, parts) in ticks_of.flat_map(|whole| self.by_core(whole)) {
                let uses = self.uses(core, &parts, &mut resources, &mut problem.resources);
                let work = *ticking.entry(core).or_insert_with(|| {
                    // The next sample's ticks begin when these have ended.
                    problem.resources.push(Resource { name: format!("ticks of core {core}"), count: 1 });
                    let uses = vec![(problem.resources.len() - 1, 1)];
                    let time = tick * ticks(self.given.plan);
                    problem.works.push(solve::Work { core, uses, time, after: Vec::new(), writes_bits: 0.0 });
                    problem.works.len() - 1
                });
                for (resource, count) in uses {
                    let used = &mut problem.works[work].uses;
                    match used.iter_mut().find(|(known, _)| *known == resource) {
                        Some(known) => known.1 = known.1.max(count),
                        None => used.push((resource, count)),
                    }
                }
            }
        }
        let rests = self.split(&made, &mut problem.works);
        let work_at = |end: &End| -> Option<usize> {
            let End::Part(part) = end else { return None };
            let ticks = || ticking.get(&self.placement.cores[part.0]).copied();
            work_of.get(&self.of_part[part.0]).copied().or_else(ticks)
        };
        // What a whole takes on another core than its first.
        let mut takes_at: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut sent = Vec::new();
        for (index, net) in self.circuit.nets.iter().enumerate() {
            if net.is_analog() {
                continue;
            }
            let in_tick = net.domain == Domain::Spikes || net.recurs;
            if in_tick != times.contains(&Time::Tick) {
                continue;
            }
            let of = |part: PartId| self.circuit.parts[part.0].node;
            // Within a tick populations give what they held at the end of the one before.
            let population = matches!(net.from, End::Part(part) if is_population(self.given.network, of(part)));
            let held = in_tick && net.domain != Domain::Spikes && population;
            let begins = work_at(&net.from).filter(|_| !held);
            let from = begins.map(|work| {
                let gives = gives_at.get(&(work, cost::core_of(&self.placement.cores, net.from)));
                rests.get(&work).or(gives).copied().unwrap_or(work)
            });
            let known = |end: &End| *end == End::Host || work_at(end).is_some();
            if !known(&net.from) || !net.to.iter().any(known) {
                continue;
            }
            let core = |end: &End| cost::core_of(&self.placement.cores, *end);
            let mut after: Vec<Event> = from.into_iter().map(Event::Work).collect();
            let away: Vec<solve::End> = {
                let mut ends: Vec<solve::End> = (net.to.iter())
                    .filter_map(|end| match end {
                        End::Host => Some(solve::End::Host),
                        End::Part(_) if net.from == End::Host || core(end) != core(&net.from) => {
                            Some(solve::End::Core(core(end)))
                        }
                        End::Part(_) => None,
                    })
                    .collect();
                ends.sort_unstable_by_key(|end| match end {
                    solve::End::Host => usize::MAX,
                    solve::End::Core(core) => *core,
                });
                ends.dedup();
                ends
            };
            // Spikes are used in a later tick.
            let waits = net.domain != Domain::Spikes;
            let local = after.clone();
            if !away.is_empty() {
                let values = net.values as f64;
                let spikes = (values * cost::SPIKE_SHARE).ceil().max(1.0);
                let bits = net.bits * if net.domain == Domain::Spikes { spikes } else { values };
                let from = match net.from {
                    End::Host => solve::End::Host,
                    End::Part(_) => solve::End::Core(core(&net.from)),
                };
                let (kept, after) = (bits / net.turns.max(1) as f64, std::mem::take(&mut after));
                problem.moves.push(Move { from, to: away, bits, kept, after });
                sent.push((index, bits));
            }
            let moved = problem.moves.len().checked_sub(1);
            for to in &net.to {
                let Some(work) = work_at(to).filter(|work| waits && Some(*work) != begins) else { continue };
                let is_away = net.from == End::Host || core(to) != core(&net.from);
                let events = match (is_away, moved) {
                    (true, Some(moved)) => vec![Event::Move(moved)],
                    (_, _) => local.clone(),
                };
                let (here, first) = (core(to), problem.works[work].core);
                if here == first {
                    problem.works[work].after.extend(events);
                    continue;
                }
                let taken = *takes_at.entry((work, here)).or_insert_with(|| {
                    let (uses, after) = (Vec::new(), Vec::new());
                    problem.works.push(solve::Work { core: here, uses, time: 0.0, after, writes_bits: 0.0 });
                    let taken = problem.works.len() - 1;
                    problem.works[work].after.push(Event::Work(taken));
                    taken
                });
                problem.works[taken].after.extend(events);
            }
        }
        for work in &mut problem.works {
            work.after.sort_unstable_by_key(|event| match event {
                Event::Work(index) => (0, *index),
                Event::Move(index) => (1, *index),
            });
            work.after.dedup();
        }
        let solved = match solve::solve(&problem) {
            Ok(solved) => solved,
            Err(failure) => {
                diagnostics.push(self.failed(&failure));
                return None;
            }
        };
        let mut works = Vec::new();
        for (index, (whole, spans)) in made.iter().enumerate() {
            let begin = solved.starts[index];
            for (core, parts) in self.by_core(whole) {
                let span_of = |part: &PartId| spans[whole.binary_search(part).unwrap_or(0)];
                let first = parts.iter().map(|part| span_of(part).0).fold(f64::INFINITY, f64::min);
                let mut spans: Vec<(f64, f64)> =
                    parts.iter().map(span_of).map(|span| (span.0 - first, span.1 - first)).collect();
                if let ([span], Some(&rest)) = (&mut spans[..], rests.get(&index)) {
                    span.1 = solved.starts[rest] + problem.works[rest].time - begin;
                }
                let (start, end) = (begin + first, spans.iter().map(|span| span.1).fold(0.0, f64::max));
                works.push(Work { parts, core, start, end: start + end, spans });
            }
        }
        let transfers = sent.iter().zip(&solved.moves).map(|(&(net, bits), sent)| Transfer {
            net,
            bits,
            port: sent.port,
            links: sent.links.iter().map(|link| (link.from, link.to, link.start, link.end)).collect(),
            arrival: sent.end,
        });
        Some(Timetable {
            works,
            transfers: transfers.collect(),
            interval: solved.interval,
            latency: solved.latency,
            lower_bound: solved.lower_bound,
            bottleneck: solved.bottleneck,
            tick: None,
        })
    }

    /// An array alone that takes the next sample while the columns of its last read are still converted, in two: what occupies it, and the
    /// rest, which occupies nothing. For each of the former the index of the latter.
    fn split(&self, works: &[Made], problem: &mut Vec<solve::Work>) -> BTreeMap<usize, usize> {
        let mut rests = BTreeMap::new();
        for (index, (parts, _)) in works.iter().enumerate() {
            let &[part] = *parts else { continue };
            let of = &self.circuit.parts[part.0];
            let rest = cost::time::overlap(self.given.chip, self.tiling, self.decisions.on_tiles(of.node), of);
            if rest <= 0.0 {
                continue;
            }
            let whole = &mut problem[index];
            whole.time -= rest;
            let writes_bits = std::mem::take(&mut whole.writes_bits);
            let (core, after) = (whole.core, vec![Event::Work(index)]);
            rests.insert(index, problem.len());
            problem.push(solve::Work { core, uses: Vec::new(), time: rest, after, writes_bits });
        }
        rests
    }

    /// Resources that parts of a core occupy while they work: its arrays, its turns on logic, the engine of a spiking core.
    fn uses(
        &self,
        core: usize,
        parts: &[PartId],
        names: &mut BTreeMap<String, usize>,
        resources: &mut Vec<Resource>,
    ) -> Vec<(usize, usize)> {
        let chip = self.given.chip;
        let kind = &chip.core_kinds[chip.cores[core]];
        let mut uses: BTreeMap<usize, usize> = BTreeMap::new();
        let mut take = |name: String, count: usize, used: usize| {
            let index = *names.entry(name.clone()).or_insert_with(|| {
                resources.push(Resource { name, count });
                resources.len() - 1
            });
            let entry = uses.entry(index).or_default();
            *entry = (*entry).max(used);
        };
        for id in parts {
            let part = &self.circuit.parts[id.0];
            match part.role {
                Role::Array { block, .. } => {
                    let tile = self.placement.tiles.get(id.0).copied().flatten().unwrap_or(0);
                    let layer = self.given.network.backward.get(&part.node).unwrap_or(&part.node);
                    let name = &self.given.network.graph[*layer].name;
                    let layers = chip.tile_kinds[self.tiling.blocks[block].tile_kind].layers;
                    let stack = kind.stack(&chip.tile_kinds, tile);
                    match layers > 1 {
                        true => take(format!("stack of tile {stack} of core {core}"), 1, 1),
                        false => take(format!("tile {tile} of core {core} ({name})"), 1, 1),
                    }
                }
                Role::Line { unit, .. } | Role::Unit { unit } | Role::Adder { unit, .. } => {
                    let of = &chip.unit_kinds[unit];
                    if of.from == Domain::Bits && of.to == Domain::Bits {
                        let count: usize =
                            kind.units.iter().filter(|(of, _)| *of == unit).map(|(_, count)| count).sum();
                        let used = cost::time::instances(chip, unit, part, Some(chip.cores[core]));
                        take(format!("{} of core {core}", of.name), count.max(1), used.min(count.max(1)));
                    }
                }
                Role::Neurons => take(format!("neurons of core {core}"), 1, 1),
                Role::Coder | Role::Devices => {}
            }
        }
        uses.into_iter().collect()
    }

    /// Bits that the digital outputs of parts put into the buffer of their core.
    fn written(&self, parts: &[PartId], in_tick: bool) -> f64 {
        parts.iter().map(|part| self.written[part.0][usize::from(in_tick)]).sum()
    }

    fn failed(&self, failure: &Failure) -> Diagnostic {
        let chip = self.given.chip;
        let on_chip = |diagnostic: Diagnostic| match chip.span {
            Some(span) => diagnostic.with_label(span, "the chip"),
            None => diagnostic,
        };
        let first = self.given.network.graph.node_weights().next();
        let span = first.map(|node| node.span);
        match (failure, span) {
            (Failure::Buffer { core, needs, room }, Some(span)) => {
                let width = chip.grid.0.max(1);
                let message = format!(
                    "what waits in core ({}, {}) does not fit its buffer: {needs:.0} bit at once, it has {room:.0}",
                    core % width,
                    core / width
                );
                let help = format!("give the core `buffer: {:.0} B` or more", (needs / 8.0).ceil());
                on_chip(Diagnostic::new(Code::E0608, message, span, "of this network").with_help(help))
            }
            (other, _) => Diagnostic::placeless(Code::E0999, format!("no timetable was found: {other}")),
        }
    }
}

fn buffer(chip: &Chip, kind: usize) -> f64 {
    let bits = chip.core_kinds[kind].buffer_bits;
    if bits > 0.0 { bits } else { f64::INFINITY }
}

/// When in a sample each operator works.
fn times(given: Given) -> BTreeMap<NodeId, Time> {
    let (mut times, recurring) = (BTreeMap::new(), recurring(given.network, given.plan));
    for node in order(given.network) {
        let after =
            operands(given.network, node).iter().any(|from| times.get(from).is_some_and(|time| *time != Time::Before));
        let time = match (is_population(given.network, node) || recurring[node.index()], after) {
            (true, _) => Time::Tick,
            (false, true) => Time::After,
            (false, false) => Time::Before,
        };
        times.insert(node, time);
    }
    times
}

/// A tick is too short for its work.
fn too_short(given: Given, step: f64, needed: f64, devices: Option<NodeId>) -> Diagnostic {
    let graph = &given.network.graph;
    let node = devices
        .or_else(|| graph.node_indices().find(|&node| matches!(graph[node].operator, Operator::Population { .. })));
    let message = format!(
        "a tick of {step:.3e} s is too short: its work and spikes take {needed:.3e} s on chip `{}`",
        given.chip.name
    );
    let why = match devices {
        Some(_) => "devices do not wait",
        None => "the chip's ticks are fixed",
    };
    let help = format!("take a step of {:.0e} s or more", needed * 1.05);
    match node {
        Some(node) => Diagnostic::new(Code::E0618, message, graph[node].span, why).with_help(help),
        None => Diagnostic::placeless(Code::E0618, message).with_help(help),
    }
}
