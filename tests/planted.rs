//! Faults planted in mappings: the verifiers, which share no code with the stages, find every one.

use nmc_compiler::files::NoFiles;
use nmc_compiler::forms::chip::Domain;
use nmc_compiler::forms::circuit::{End, PartId, Role};
use nmc_compiler::forms::decisions::Implementation;
use nmc_compiler::forms::mapped::Mapped;
use nmc_compiler::forms::timetable::Timetable;
use nmc_compiler::map::{convert, place, schedule, tile};
use nmc_compiler::{Options, compile};
use nmc_tests::dice;

const HARDWARE: &str = "
device cell { conductance: 10 uS .. 200 uS }
converter sar(bits: int = 8): current -> bits(bits) { energy: 2 pJ; area: 1200 um2; time: 1 ns }
converter dac(bits: int = 8): bits(bits) -> voltage { energy: 0.5 pJ; area: 40 um2; time: 1 ns }
converter tia: current -> voltage { energy: 0.05 pJ; area: 50 um2; time: 5 ns }
converter keeper: voltage -> voltage { energy: 1 fJ; area: 1 um2; time: 1 ns }
unit rectifier: voltage -> voltage { implements: relu; y = clamp(x, 0, 1); energy: 20 fJ; area: 30 um2; time: 5 ns }
unit adder: current -> current { implements: sum; energy: 1 fJ; area: 5 um2; time: 1 ns }
unit logic: bits(16) -> bits(16) { implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }
tile array {
    cells: cell[8, 16]; weights: differential; input: dac(bits: 8) or voltage; sense: sar(bits: 8) or current; sharing: 8
    read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 1000 um2
}
core single { tiles: array[1]; units: logic[4]; buffer: 64 kB }
core joined { tiles: array[4]; lines: voltage, current; units: [rectifier[8], adder[8], logic[4]]; buffer: 64 kB }
core alone { tiles: array[1]; lines: voltage, current; units: [rectifier[8], adder[8], logic[4]]; buffer: 64 kB }
core spiking {
    neurons: 8; synapses: 10000; neuron_energy: 1 pJ; synapse_energy: 1 pJ; spike_energy: 1 pJ; neuron_time: 10 ns
}
neuron follower(tau: time = 10 ms) {
    input i: real
    state v: real = 0
    v' = (i - v) / tau
    spike when v > 0.5 { v = 0 }
}
neuron driven(tau: time = 10 ms) {
    state v: real = 0
    v' = (2 - v) / tau
    spike when v > 1 { v = 0 }
}
";

fn matrix(rows: usize, cols: usize, step: usize) -> String {
    let number = |row: usize, col: usize| ((row * cols + col) * step % 21) as f64 / 10.0 - 1.0;
    let row = |row: usize| (0..cols).map(|col| number(row, col).to_string()).collect::<Vec<_>>().join(", ");
    format!("[{}]", (0..rows).map(|index| format!("[{}]", row(index))).collect::<Vec<_>>().join(", "))
}

/// A digital network over many cores, an analog island, spiking populations, and a layer that feeds one.
fn subjects() -> Vec<(&'static str, Mapped)> {
    let chip = |cores: &str| {
        format!(
            "chip made {{ cores: {cores}; network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit)
    host: spi(energy: 5 pJ per bit, time: 0.1 ns); converters: [tia(), keeper()] }}\n"
        )
    };
    let layers = format!(
        "network net(x: real[16]) -> (y: real[4]) {{ hidden = x |> dense({})
    hidden |> relu |> dense({}) -> y }}
experiment e {{ deploy net on made; test {{ x: {} }} measure m = mean(y) }}\n",
        matrix(8, 16, 5),
        matrix(4, 8, 8),
        matrix(4, 16, 11)
    );
    let spiking = "network net() {
    population a: driven[12]()
    population b: driven[12]()
    connect a -> b { pattern: all_to_all, weight: 0.1 }
    connect b -> a { pattern: all_to_all, weight: 0.1 }
    probe a.spikes
}
experiment e { deploy net on made; run for 10 ms { step: 0.1 ms } }\n";
    let hybrid = format!(
        "network net(x: real[8]) -> (y: real[8]) {{
    population p: follower[8]()
    hidden = x |> dense({})
    hidden -> p.i
    p -> y
}}
experiment e {{ deploy net on made {{ step: 0.1 ms }}; test {{ x: {} }} for 10 ms measure m = mean(y) }}\n",
        matrix(8, 8, 5),
        matrix(2, 8, 11)
    );
    let linked = format!(
        "network net(x: real[8]) -> (y: real[4]) {{ hidden = x |> dense({})
    hidden |> relu |> dense({}) -> y }}
experiment e {{ deploy net on made {{ pin hidden: current; pin relu_1: voltage }}; test {{ x: {} }} measure m = mean(y) }}\n",
        matrix(8, 8, 5),
        matrix(4, 8, 8),
        matrix(4, 8, 11)
    );
    let links = |cores: &str| {
        let links = "links: neighbours(carries: voltage, energy: 70 fJ, time: 20 ns); converters:";
        chip(cores).replace("converters:", links)
    };
    let programs = [
        ("digital", chip("grid(3, 3) of single") + &layers),
        ("analog", chip("grid(2, 1) of joined") + &layers),
        ("linked", links("grid(2, 1) of alone") + &linked),
        ("spiking", chip("grid(2, 2) of spiking") + spiking),
        ("hybrid", chip("[grid(2, 1) of single, grid(2, 1) of spiking]") + &hybrid),
    ];
    let one = |(name, text): (&'static str, String)| {
        let mut compilation = compile(name, &(HARDWARE.to_string() + &text), &NoFiles, &Options::default());
        assert!(compilation.image.is_some(), "{name}: {:#?}", compilation.diagnostics);
        (name, compilation.mapped.remove(0))
    };
    programs.into_iter().map(one).collect()
}

/// What the verifiers of all stages say.
fn found(mapped: &Mapped) -> Vec<String> {
    let given = mapped.given(&[]);
    let mut faults = tile::verify(given, &mapped.tiling);
    faults.extend(convert::verify(given, &mapped.tiling, &mapped.decisions, &mapped.circuit));
    faults.extend(place::verify(given, &mapped.tiling, &mapped.circuit, &mapped.placement));
    faults.extend(schedule::verify(mapped));
    faults
}

/// Numbers that say where a fault is planted.
struct Dice(dice::Dice);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    /// One of the indices for which something holds.
    fn one(&mut self, len: usize, holds: impl Fn(usize) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..len).filter(|&index| holds(index)).collect();
        if all.is_empty() { None } else { Some(all[self.below(all.len())]) }
    }

    fn share(&mut self) -> f64 {
        (1 + self.below(1000)) as f64 / 1001.0
    }
}

fn has_links(mapped: &Mapped, transfer: usize) -> bool {
    !mapped.timetable.transfers[transfer].links.is_empty()
}

/// Whether numbers come to a part from elsewhere.
fn is_fed(mapped: &Mapped, part: PartId) -> bool {
    let ends =
        |net: &nmc_compiler::forms::circuit::Net| net.domain == Domain::Bits && net.to.contains(&End::Part(part));
    mapped.circuit.nets.iter().any(ends)
}

/// Puts a part on another core, where its work goes with it.
fn carry(mapped: &mut Mapped, part: usize, core: usize) {
    mapped.placement.cores[part] = core;
    for work in mapped.timetable.works.iter_mut().filter(|work| work.parts.contains(&PartId(part))) {
        work.core = core;
    }
}

fn other_core(mapped: &Mapped, part: usize, dice: &mut Dice) -> Option<usize> {
    dice.one(mapped.chip.cores.len(), |core| core != mapped.placement.cores[part])
}

/// Plants a fault; false where there is nothing to plant it in.
type Plant = fn(&mut Mapped, &mut Dice) -> Option<()>;

const PLANTS: &[(&str, Plant)] = &[
    ("a transfer is dropped", |m, dice| {
        let at = dice.one(m.timetable.transfers.len(), |at| has_links(m, at))?;
        m.timetable.transfers.remove(at);
        Some(())
    }),
    ("a transfer is sent before its values are made", |m, dice| {
        let at = dice.one(m.timetable.transfers.len(), |at| {
            has_links(m, at) && m.circuit.nets[m.timetable.transfers[at].net].domain == Domain::Bits
        })?;
        let transfer = &mut m.timetable.transfers[at];
        let begin = transfer.links.iter().map(|link| link.2).chain(transfer.port.map(|port| port.0));
        let by = begin.fold(f64::INFINITY, f64::min) + 1e-9 * (1.0 + dice.share());
        transfer.links.iter_mut().for_each(|link| (link.2, link.3) = (link.2 - by, link.3 - by));
        transfer.port = transfer.port.map(|port| (port.0 - by, port.1 - by));
        transfer.arrival -= by;
        Some(())
    }),
    ("a link of a route is cut", |m, dice| {
        let at = dice.one(m.timetable.transfers.len(), |at| has_links(m, at))?;
        let links = &mut m.timetable.transfers[at].links;
        links.remove(dice.below(links.len()));
        Some(())
    }),
    ("a link is taken for too short a time", |m, dice| {
        let at = dice.one(m.timetable.transfers.len(), |at| has_links(m, at))?;
        let links = &mut m.timetable.transfers[at].links;
        let link = dice.below(links.len());
        links[link].3 -= (links[link].3 - links[link].2) * (0.1 + 0.9 * dice.share());
        Some(())
    }),
    ("a work begins before what it needs has come", |m, dice| {
        let at = dice.one(m.timetable.works.len(), |at| {
            let work = &m.timetable.works[at];
            work.start > 0.0 && work.parts.iter().any(|&part| is_fed(m, part))
        })?;
        let work = &mut m.timetable.works[at];
        (work.start, work.end) = (0.0, work.end - work.start);
        Some(())
    }),
    ("a work is late", |m, dice| {
        let at = dice.below(m.timetable.works.len());
        let by = (1.0 + dice.share()) * m.timetable.latency.max(m.timetable.tick.unwrap_or(0.0));
        let work = &mut m.timetable.works[at];
        (work.start, work.end) = (work.start + by, work.end + by);
        Some(())
    }),
    ("a work is left out", |m, dice| {
        m.timetable.works.remove(dice.below(m.timetable.works.len()));
        Some(())
    }),
    ("a part works twice", |m, dice| {
        let work = m.timetable.works[dice.below(m.timetable.works.len())].clone();
        m.timetable.works.push(work);
        Some(())
    }),
    ("a span is shortened", |m, dice| {
        let long = |work: usize| m.timetable.works[work].spans.iter().any(|span| span.1 > span.0);
        let at = dice.one(m.timetable.works.len(), long)?;
        let work = &mut m.timetable.works[at];
        let span = dice.one(work.spans.len(), |span| work.spans[span].1 > work.spans[span].0)?;
        work.spans[span].1 -= (work.spans[span].1 - work.spans[span].0) * dice.share();
        work.end = work.start + work.spans.iter().map(|span| span.1).fold(0.0, f64::max);
        Some(())
    }),
    ("two works take one unit at once", |m, dice| {
        let unit = |work: usize| match m.timetable.works[work].parts.as_slice() {
            [part] => match m.circuit.parts[part.0].role {
                Role::Unit { unit } | Role::Adder { unit, .. } => Some((m.timetable.works[work].core, unit)),
                Role::Array { .. } | Role::Line { .. } | Role::Neurons | Role::Coder | Role::Devices => None,
            },
            _several => None,
        };
        let many = m.timetable.works.len();
        let first = dice.one(many, |a| unit(a).is_some() && (0..many).any(|b| b != a && unit(b) == unit(a)))?;
        let second = dice.one(many, |b| b != first && unit(b) == unit(first))?;
        let start = m.timetable.works[first].start;
        let work = &mut m.timetable.works[second];
        (work.start, work.end) = (start, work.end - work.start + start);
        Some(())
    }),
    ("two arrays lie on one tile", |m, dice| {
        let array = |part: usize| matches!(m.circuit.parts[part].role, Role::Array { .. });
        let beside = |a: usize, b: usize| a != b && array(b) && m.placement.cores[a] == m.placement.cores[b];
        let many = m.circuit.parts.len();
        let first = dice.one(many, |a| array(a) && (0..many).any(|b| beside(a, b)))?;
        let second = dice.one(many, |b| beside(first, b))?;
        m.placement.tiles[second] = m.placement.tiles[first];
        Some(())
    }),
    ("a tile is not there", |m, dice| {
        let part = dice.one(m.circuit.parts.len(), |part| m.placement.tiles[part].is_some())?;
        m.placement.tiles[part] = Some(4 + dice.below(9));
        Some(())
    }),
    ("a part is said to lie on another core", |m, dice| {
        let part = dice.below(m.circuit.parts.len());
        m.placement.cores[part] = other_core(m, part, dice)?;
        Some(())
    }),
    ("a part lies and works on another core", |m, dice| {
        let part = dice.one(m.circuit.parts.len(), |part| is_fed(m, PartId(part)))?;
        let core = other_core(m, part, dice)?;
        carry(m, part, core);
        Some(())
    }),
    ("an analog wire leaves its core", |m, dice| {
        let net = dice.one(m.circuit.nets.len(), |net| m.circuit.nets[net].is_analog())?;
        let End::Part(part) = m.circuit.nets[net].from else { return None };
        let core = other_core(m, part.0, dice)?;
        carry(m, part.0, core);
        Some(())
    }),
    ("a core has fewer analog units than are used", |m, dice| {
        let analog = |part: usize| match m.circuit.parts[part].role {
            Role::Unit { unit } | Role::Line { unit, .. } => m.chip.unit_kinds[unit].from != Domain::Bits,
            Role::Array { .. } | Role::Adder { .. } | Role::Neurons | Role::Coder | Role::Devices => false,
        };
        let part = dice.one(m.circuit.parts.len(), analog)?;
        let used = m.circuit.parts[part].len();
        let (Role::Unit { unit } | Role::Line { unit, .. }) = m.circuit.parts[part].role else { return None };
        let left = dice.below(used);
        let kind = m.chip.cores[m.placement.cores[part]];
        m.chip.core_kinds[kind].units.iter_mut().filter(|(of, _)| *of == unit).for_each(|(_, count)| *count = left);
        Some(())
    }),
    ("a wire is dropped", |m, dice| {
        let at = dice.one(m.decisions.wires.len(), |_| true)?;
        m.decisions.wires.remove(at);
        Some(())
    }),
    ("the converters of a wire are counted wrong", |m, dice| {
        let counted = |at: usize| {
            let wire = &m.decisions.wires[at];
            wire.converters.iter().any(|&id| !m.chip.converters[id].is_ideal())
        };
        let at = dice.one(m.decisions.wires.len(), counted)?;
        let wire = &mut m.decisions.wires[at];
        let count = dice.below(wire.counts.len());
        wire.counts[count] += (1 + dice.below(9)) as f64;
        Some(())
    }),
    ("a conversion is not reported", |m, dice| {
        let at = dice.one(m.decisions.conversions.inserted.len(), |_| true)?;
        m.decisions.conversions.inserted.remove(at);
        Some(())
    }),
    ("the converters of a wire do not join", |m, dice| {
        let turns = |id: &usize| m.chip.converters[*id].from != m.chip.converters[*id].to;
        let at = dice.one(m.decisions.wires.len(), |at| m.decisions.wires[at].converters.last().is_some_and(turns))?;
        let wire = &mut m.decisions.wires[at];
        wire.converters.push(*wire.converters.last()?);
        wire.counts.push(0.0);
        Some(())
    }),
    ("a net is lost", |m, dice| {
        let at = dice.one(m.circuit.nets.len(), |at| m.circuit.nets[at].domain != Domain::Spikes)?;
        m.circuit.nets.remove(at);
        m.timetable.transfers.retain(|transfer| transfer.net != at);
        m.timetable.transfers.iter_mut().filter(|transfer| transfer.net > at).for_each(|transfer| transfer.net -= 1);
        Some(())
    }),
    ("a net brings fewer values", |m, dice| {
        let at = dice.one(m.circuit.nets.len(), |at| m.circuit.nets[at].domain != Domain::Spikes)?;
        m.circuit.nets[at].values -= 1 + dice.below(m.circuit.nets[at].values);
        Some(())
    }),
    ("a net goes to one part less", |m, dice| {
        let at = dice.one(m.circuit.nets.len(), |at| m.circuit.nets[at].domain != Domain::Spikes)?;
        let to = &mut m.circuit.nets[at].to;
        to.remove(dice.below(to.len()));
        Some(())
    }),
    ("bits are said to be a voltage", |m, dice| {
        let at = dice.one(m.circuit.nets.len(), |at| m.circuit.nets[at].domain == Domain::Bits)?;
        m.circuit.nets[at].domain = Domain::Voltage;
        Some(())
    }),
    ("an operator gives another domain than what computes it", |m, dice| {
        let computed = |at: usize| match m.decisions.choices[at].implementation {
            Implementation::Unit(_) | Implementation::Tile(_) => true,
            Implementation::Exact | Implementation::Core => false,
        };
        let at = dice.one(m.decisions.choices.len(), computed)?;
        m.decisions.choices[at].output = Domain::Light;
        Some(())
    }),
    ("a range is nothing", |m, dice| {
        let at = dice.below(m.decisions.ranges.len());
        m.decisions.ranges[at].1.full = [0.0, -1.0, f64::NAN, f64::INFINITY][dice.below(4)];
        Some(())
    }),
    ("a weight lies nowhere", |m, dice| {
        let at = dice.one(m.tiling.blocks.len(), |_| true)?;
        let block = &mut m.tiling.blocks[at];
        let end = if dice.below(2) == 0 { &mut block.inputs.1 } else { &mut block.outputs.1 };
        *end -= 1;
        Some(())
    }),
    ("a partial sum is not added", |m, dice| {
        let at = dice.one(m.tiling.merges.len(), |_| true)?;
        let blocks = &mut m.tiling.merges[at].blocks;
        blocks.remove(dice.below(blocks.len()));
        Some(())
    }),
    ("a value is used before its link has brought it", |m, dice| {
        let crosses = |net: &nmc_compiler::forms::circuit::Net, work: &nmc_compiler::forms::timetable::Work| {
            let (End::Part(from), true) = (net.from, net.is_analog()) else { return false };
            let core = m.placement.cores[from.0];
            core != work.core && net.to.iter().any(|end| matches!(end, End::Part(to) if work.parts.contains(to)))
        };
        let at = dice
            .one(m.timetable.works.len(), |at| m.circuit.nets.iter().any(|net| crosses(net, &m.timetable.works[at])))?;
        let by = dice.share() * m.chip.links.first()?.time;
        let work = &mut m.timetable.works[at];
        (work.start, work.end) = (work.start - by, work.end - by);
        Some(())
    }),
    ("an array is driven anew while what a link joins to it still works", |m, dice| {
        let work = |end: &End| {
            m.timetable.works.iter().find(|work| matches!(end, End::Part(part) if work.parts.contains(part)))
        };
        let ends = |net: &nmc_compiler::forms::circuit::Net| Some((work(&net.from)?, work(net.to.first()?)?));
        let mut joined = m.circuit.nets.iter().filter(|net| net.is_analog()).filter_map(ends);
        let (first, last) = joined.find(|(first, last)| first.core != last.core)?;
        let (own, whole) = (first.end - first.start, last.end - first.start);
        m.timetable.interval = own + 0.99 * dice.share() * (whole - own);
        Some(())
    }),
    ("nothing is timed", |m, _| {
        m.timetable =
            Timetable { latency: m.timetable.latency, interval: m.timetable.interval, ..Timetable::default() };
        Some(())
    }),
    ("the latency is told too low", |m, dice| {
        m.timetable.latency *= dice.share();
        Some(())
    }),
    ("samples follow too fast", |m, dice| {
        m.timetable.interval = 0.9 * m.timetable.lower_bound.min(m.timetable.interval) * dice.share();
        Some(())
    }),
    ("the objective is below its bound", |m, dice| {
        m.decisions.objective.value = m.decisions.objective.lower_bound * dice.share();
        (m.decisions.objective.lower_bound > 0.0).then_some(())
    }),
];

/// Each kind of fault so often in each mapping.
fn plant(times: usize) {
    let subjects = subjects();
    for (name, mapped) in &subjects {
        assert_eq!(found(mapped), Vec::<String>::new(), "{name}");
    }
    let mut missed = std::collections::BTreeMap::new();
    for (kind, plant) in PLANTS {
        let (mut somewhere, mut dice) = (false, Dice(dice::Dice::new(1)));
        for (name, mapped) in &subjects {
            for _ in 0..times {
                let mut changed = mapped.clone();
                if plant(&mut changed, &mut dice).is_none() {
                    break;
                }
                somewhere = true;
                if found(&changed).is_empty() {
                    *missed.entry((kind, name)).or_insert(0) += 1;
                }
            }
        }
        assert!(somewhere, "{kind}");
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

#[test]
fn planted_faults_are_found() {
    plant(100);
}

#[test]
#[ignore = "a minute"]
fn many_planted_faults_are_found() {
    plant(1000);
}
