//! Networks on chips: what is converted, what is sent, when it happens, and what each of these costs.

mod light;
mod parts;

use nmc_compiler::files::NoFiles;
use nmc_compiler::forms::chip::Domain;
use nmc_compiler::forms::circuit::{End, Net, PartId, Role};
use nmc_compiler::forms::decisions::{Bias, Summing, Wire};
use nmc_compiler::forms::mapped::Mapped;
use nmc_compiler::{Options, compile, cost};
use nmc_program::{ComponentKind, Image, Precision};
use nmc_runtime::{EngineKind, Results, RunOptions};
use nmc_tests::{codes, values};

/// A matrix of small numbers of both signs, written out.
fn matrix(rows: usize, cols: usize, step: usize) -> String {
    let row = |row: usize| {
        let number = |col: usize| format!("{}", ((row * cols + col) * step % 21) as f64 / 10.0 - 1.0);
        format!("[{}]", (0..cols).map(number).collect::<Vec<_>>().join(", "))
    };
    format!("[{}]", (0..rows).map(row).collect::<Vec<_>>().join(", "))
}

/// Hardware to choose from; `$` fields of the tile come with it.
fn hardware(tile: &str, core: &str, chip: &str) -> String {
    format!(
        "
device cell {{ conductance: 10 uS .. 200 uS; levels: ideal }}
device rough {{ conductance: 10 uS .. 200 uS; levels: ideal; noise programming: normal(0, 5 % of range) }}
converter sar(bits: int = 8): current -> bits(bits) {{ energy: 2 pJ; area: 1200 um2; time: 1 ns }}
converter dac(bits: int = 8): bits(bits) -> voltage {{ energy: 0.5 pJ; area: 40 um2; time: 1 ns }}
converter width(bits: int = 4): bits(bits) -> pulse {{ energy: 0.1 pJ; area: 20 um2; time: 1 ns * 2^bits }}
converter tia: current -> voltage {{ energy: 0.05 pJ; area: 50 um2; time: 5 ns }}
converter large_tia: current -> voltage {{ energy: 0.05 pJ; area: 1 mm2; time: 50 ns }}
converter keeper: voltage -> voltage {{ energy: 1 fJ; area: 1 um2; time: 1 ns }}
converter leaky: voltage -> voltage {{ energy: 1 fJ; area: 1 um2; time: 1 ns; droop: 1e6 / 1 s }}
unit rectifier: voltage -> voltage {{ implements: relu; y = clamp(x, 0, 1); energy: 20 fJ; area: 30 um2; time: 5 ns }}
unit adder: current -> current {{ implements: sum; energy: 1 fJ; area: 5 um2; time: 1 ns }}
unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
tile array {{ {tile}; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 1000 um2 }}
core crossbars {{ {core}; buffer: 64 kB }}
chip made {{
    {chip}
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit)
    host: spi(energy: 5 pJ per bit)
}}
"
    )
}

const MIXED: &str = "cells: cell[8, 16]; weights: differential; input: dac(bits: 8) or voltage; sense: sar(bits: 8) or current; sharing: 8";
const DIGITAL: &str = "cells: cell[8, 16]; weights: differential; input: dac(bits: 8); sense: sar(bits: 8); sharing: 8";
const IDEAL: &str = "cells: cell[8, 16]; weights: differential; input: ideal; sense: ideal";
const UNITS: &str = "units: [rectifier[64], adder[64], logic[4]]";

/// 16, 8 and 4: the hidden layer takes two arrays, whose sums meet; `deploy` says how.
fn layers(deploy: &str) -> String {
    format!(
        "
network net(x: real[16]) -> (y: real[4]) {{
    hidden = x |> dense({})
    hidden |> relu |> dense({}) -> y
}}
experiment e {{
    deploy net on made {{ calibrate: {samples}; {deploy} }}
    test {{ x: {samples} }} measure m = mean(y)
}}
",
        matrix(8, 16, 5),
        matrix(4, 8, 8),
        samples = matrix(4, 16, 11),
    )
}

/// Several arrays in one core, joined by lines.
fn joined(converters: &str, deploy: &str) -> String {
    let core = format!("tiles: array[4]; lines: voltage, current; {UNITS}");
    hardware(MIXED, &core, &format!("cores: grid(1, 1) of crossbars; converters: [{converters}]")) + &layers(deploy)
}

/// One experiment on its chip, and its program.
fn map(text: &str) -> (Mapped, Image) {
    let options = Options { precision: Precision::F64, ..Options::default() };
    let mut compilation = compile("mapping.nmc", text, &NoFiles, &options);
    let image = compilation.image.take().unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    (compilation.mapped.remove(0), image)
}

fn mapped(text: &str) -> Mapped {
    map(text).0
}

fn run_with(image: &Image, seed: u64) -> Results {
    let options = RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    nmc_runtime::run(&image.programs[0], &options).unwrap_or_else(|error| panic!("{error:?}"))
}

fn run(text: &str) -> Results {
    run_with(&map(text).1, 1)
}

fn joules(results: &Results, kind: ComponentKind) -> f64 {
    results.energy_j.iter().filter(|(of, _)| *of == kind).map(|(_, joules)| joules).sum()
}

/// Joules a sample by the table of costs.
fn told(mapped: &Mapped, kind: ComponentKind) -> f64 {
    let of_kind = mapped.costs.events.iter().filter(|event| event.kind == kind);
    let each = of_kind.map(|event| {
        let cost::Often::Sample(count) = event.often else { panic!("{} is not paid by the sample", event.name) };
        count * event.energy
    });
    each.sum()
}

fn wire<'m>(mapped: &'m Mapped, from: &str, to: &str) -> &'m Wire {
    let name = |node: nmc_compiler::forms::network::NodeId| mapped.network.graph[node].name.as_str();
    let found = mapped.decisions.wires.iter().find(|wire| name(wire.from) == from && name(wire.to).starts_with(to));
    found.unwrap_or_else(|| panic!("no wire from {from} to {to}"))
}

fn converts(mapped: &Mapped, wire: &Wire) -> bool {
    wire.converters.iter().any(|&id| mapped.chip.converters[id].to == Domain::Bits)
}

fn conversions(mapped: &Mapped, name: &str) -> f64 {
    let inserted = &mapped.decisions.conversions.inserted;
    inserted.iter().filter(|(of, _)| of.starts_with(name)).map(|(_, count)| count).sum()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

/// Values of nets between cores are sent, by links, and paid.
fn everything_is_sent(mapped: &Mapped) -> usize {
    let core = |end: End| match end {
        End::Host => None,
        End::Part(part) => Some(mapped.placement.cores[part.0]),
    };
    let mut between = 0;
    for (index, net) in mapped.circuit.nets.iter().enumerate() {
        let Some(from) = core(net.from) else { continue };
        for to in net.to.iter().filter_map(|&to| core(to)).filter(|&to| to != from) {
            let sent = mapped.timetable.transfers.iter().find(|transfer| transfer.net == index);
            let sent = sent.unwrap_or_else(|| panic!("net {index} is not sent"));
            assert!(sent.links.iter().any(|link| link.1 == to), "net {index} does not reach core {to}");
            between += 1;
        }
    }
    assert!(between == 0 || mapped.costs.events.iter().any(|event| event.kind == ComponentKind::Network));
    between
}

#[test]
fn a_core_of_several_arrays_leaves_the_hidden_layer_analog() {
    let (free, all) =
        (mapped(&joined("tia(), keeper()", "")), mapped(&joined("tia(), keeper()", "convert: everywhere")));
    let hidden = wire(&free, "hidden", "relu");
    assert!(!converts(&free, hidden) && !converts(&free, wire(&free, "relu_1", "dense")), "{}", hidden.reason);
    assert_eq!(hidden.remedy, None);
    assert!(converts(&all, wire(&all, "hidden", "relu")));
    let reached = free.decisions.objective;
    assert!(reached.optimal && reached.lower_bound <= reached.value, "{reached:?}");
    assert!(reached.value < reached.convert_everywhere, "{reached:?}");
    assert_eq!(free.decisions.conversions.baseline, all.decisions.conversions.inserted);
    // Converted everywhere: both partial sums of 8 hidden values and 4 scores; 16 inputs and 8 hidden values driven.
    assert_eq!((conversions(&all, "sar"), conversions(&all, "dac")), (20.0, 24.0));
    assert_eq!((conversions(&free, "sar"), conversions(&free, "dac")), (4.0, 16.0));
    let how = free.decisions.on_tiles(hidden.from).unwrap();
    assert!(matches!(how.sum, Summing::Line(_)));
}

#[test]
fn a_conversion_that_stays_says_what_would_spare_it() {
    let alone = format!("tiles: array[1]; lines: voltage, current; {UNITS}");
    let chip = "cores: grid(4, 1) of crossbars; converters: [tia(), keeper()]";
    let apart = mapped(&(hardware(MIXED, &alone, chip) + &layers("")));
    let hidden = wire(&apart, "hidden", "relu");
    assert!(converts(&apart, hidden));
    let remedy = hidden.remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("a core of 3 arrays"), "{remedy}");
    let unlined = format!("tiles: array[4]; {UNITS}");
    let unlined = mapped(&(hardware(MIXED, &unlined, chip) + &layers("")));
    let remedy = wire(&unlined, "hidden", "relu").remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("no line for voltage, current: `lines: voltage, current`"), "{remedy}");
    // What is there is not missing.
    let lined = format!("tiles: array[4]; lines: voltage; {UNITS}");
    let lined = mapped(&(hardware(MIXED, &lined, chip) + &layers("")));
    let remedy = wire(&lined, "hidden", "relu").remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("core `crossbars` declares no line for current: `lines: voltage, current`"), "{remedy}");
    // Neither lines nor room: both are told.
    let neither = format!("tiles: array[1]; {UNITS}");
    let neither = mapped(&(hardware(MIXED, &neither, chip) + &layers("")));
    let remedy = wire(&neither, "hidden", "relu").remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("a core of 3 arrays") && remedy.contains("`lines: voltage, current`"), "{remedy}");
    let forced = mapped(&joined("tia(), keeper()", "convert: everywhere"));
    let remedy = wire(&forced, "hidden", "relu").remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("convert: everywhere"), "{remedy}");
}

#[test]
fn what_crosses_cores_is_sent_and_paid() {
    let alone = format!("tiles: array[1]; {UNITS}");
    let apart = mapped(&(hardware(DIGITAL, &alone, "cores: grid(3, 1) of crossbars") + &layers("")));
    assert!(everything_is_sent(&apart) >= 2);
    // Two column blocks on two cores, read by one relu.
    let wide = format!(
        "network net(x: real[8]) -> (y: real[8]) {{ x |> dense({}) |> relu |> dense({}) -> y }}
experiment e {{ deploy net on made; test {{ x: {} }} measure m = mean(y) }}",
        matrix(16, 8, 5),
        matrix(8, 16, 11),
        matrix(2, 8, 5)
    );
    let wide = mapped(&(hardware(DIGITAL, &alone, "cores: grid(4, 1) of crossbars") + &wide));
    assert!(everything_is_sent(&wide) >= 2);
    // A layer that feeds neurons on another core.
    let hybrid = format!(
        "core spiking {{ neurons: 64; synapses: 1000; neuron_energy: 1 pJ; synapse_energy: 1 pJ; spike_energy: 1 pJ }}
neuron follower(tau: time = 10 ms) {{ input i: real
 state v: real = 0
 v' = (i - v) / tau
 spike when v > 0.5 {{ v = 0 }} }}
network net(x: real[8]) -> (y: real[8]) {{
    population p: follower[8]()
    hidden = x |> dense({})
    hidden -> p.i
    p -> y
}}
experiment e {{ deploy net on made {{ step: 0.1 ms; calibrate: [{ones}] }}; test {{ x: [{ones}] }} for 50 ms measure m = mean(y) }}",
        matrix(8, 8, 5),
        ones = "[1, 1, 1, 1, 1, 1, 1, 1]",
    );
    let chip = "cores: [grid(2, 2) of crossbars, grid(2, 2) of spiking]";
    let hybrid = mapped(&(hardware(IDEAL, &alone, chip) + &hybrid));
    assert!(everything_is_sent(&hybrid) >= 1);
    let is_neurons = |part: &PartId| matches!(hybrid.circuit.parts[part.0].role, Role::Neurons);
    let works = hybrid.timetable.works.iter().filter(|work| work.parts.iter().any(is_neurons));
    assert_eq!(works.count(), 1);
}

/// The bits that pass the host's port: 8 inputs of 8 bits come in once; outputs of 16 bits leave.
#[test]
fn the_host_is_paid_once_whatever_reads_or_reshapes() {
    let ways = [
        "x |> dense(w) -> y; x |> dense(v) -> z",
        "flat = x |> flatten; flat |> dense(w) -> y; flat |> dense(v) -> z",
        "x |> flatten |> dense(w) -> y; x |> reshape(8) |> dense(v) -> z",
        "concat(x[0..4], x[4..8]) |> dense(w) -> y; x |> dense(v) -> z",
    ];
    let alone = format!("tiles: array[1]; {UNITS}");
    let costs: Vec<[f64; 3]> = (ways.iter())
        .map(|body| {
            let body = body
                .replace("(w)", &format!("({})", matrix(4, 8, 5)))
                .replace("(v)", &format!("({})", matrix(4, 8, 8)));
            let text = format!(
                "network net(x: real[8]) -> (y: real[4], z: real[4]) {{ {body} }}
experiment e {{ deploy net on made; test {{ x: {} }} measure m = mean(y) }}",
                matrix(2, 8, 5)
            );
            let text = hardware(DIGITAL, &alone, "cores: grid(2, 2) of crossbars") + &text;
            let mapped = mapped(&text);
            let host = mapped.circuit.nets.iter().filter(|net| net.from == End::Host);
            let energy = told(&mapped, ComponentKind::Host);
            [host.map(|net| net.bits_per_sample()).sum(), energy, mapped.timetable.latency]
        })
        .collect();
    assert_eq!(costs[0][0], 64.0);
    assert!(close(costs[0][1], 5e-12 * (64.0 + 2.0 * 4.0 * 8.0)), "{costs:?}");
    assert!(costs.iter().all(|cost| cost == &costs[0]), "{costs:?}");
}

#[test]
fn report_and_run_charge_the_adders_of_partial_sums() {
    let text = hardware(DIGITAL, &format!("tiles: array[4]; {UNITS}"), "cores: grid(1, 1) of crossbars") + &layers("");
    let (mapped, image) = map(&text);
    let results = run_with(&image, 1);
    // 8 additions and 8 rectifications of 0.1 pJ, in 4 samples.
    assert!(close(told(&mapped, ComponentKind::Digital), 1.6e-12), "{}", told(&mapped, ComponentKind::Digital));
    assert!(close(joules(&results, ComponentKind::Digital), 4.0 * 1.6e-12));
    // 16 + 8 conversions in and 16 + 4 out.
    assert!(close(joules(&results, ComponentKind::Adc), 4.0 * 20.0 * 2e-12));
    assert!(close(joules(&results, ComponentKind::Dac), 4.0 * 24.0 * 0.5e-12));
    for kind in [ComponentKind::Adc, ComponentKind::Dac, ComponentKind::Host, ComponentKind::Digital] {
        assert!(close(joules(&results, kind), 4.0 * told(&mapped, kind)), "{kind:?}");
    }
}

/// One weight at an input of full range: 200 uS and 10 uS conduct at 0.2 V while the pulse lasts.
#[test]
fn cells_take_energy_for_as_long_as_the_pulse() {
    for (bits, seconds) in [(4, 16e-9), (8, 256e-9)] {
        let tile = format!("cells: cell[8, 16]; weights: differential; input: width(bits: {bits}); sense: ideal");
        let text = "network net(x: real[1]) -> (y: real[1]) { x |> dense([[1]]) -> y }
experiment e { deploy net on made; test { x: [[1]] } measure m = mean(y) }";
        let core = format!("tiles: array[1]; {UNITS}");
        let results = run(&(hardware(&tile, &core, "cores: grid(1, 1) of crossbars") + text));
        let cells = joules(&results, ComponentKind::Cells);
        assert!(close(cells, 0.04 * 210e-6 * seconds), "{bits} bits: {cells}");
    }
}

#[test]
fn a_converter_on_a_wire_has_area_and_time() {
    let hidden_stays = |objective: &str| {
        let mapped = mapped(&joined("large_tia(), keeper()", objective));
        let stays = !converts(&mapped, wire(&mapped, "hidden", "relu"));
        (stays, mapped)
    };
    let (stays, mapped) = hidden_stays("minimise: energy");
    let slow = mapped.timetable.latency;
    assert!(stays && slow > 50e-9, "{slow}");
    assert!(mapped.costs.area_used[&ComponentKind::Converter] >= 8e-6);
    for objective in ["minimise: time", "minimise: area"] {
        let (stays, mapped) = hidden_stays(objective);
        assert!(!stays, "{objective}");
        assert!(mapped.timetable.latency < slow && !mapped.costs.area_used.contains_key(&ComponentKind::Converter));
    }
}

#[test]
fn a_pin_is_kept_and_its_price_told() {
    let (free, pinned) =
        (mapped(&joined("tia(), keeper()", "")), mapped(&joined("tia(), keeper()", "pin hidden: bits")));
    assert!(converts(&pinned, wire(&pinned, "hidden", "relu")));
    let (with, without) = (pinned.decisions.objective.value, free.decisions.objective.value);
    assert!(with > without);
    let told = pinned.decisions.pin_costs[0];
    assert!(told > 0.0 && close(told, with - without), "{told} {with} {without}");
}

#[test]
fn what_cannot_be_mapped_is_one_coded_error() {
    let code = |tile: &str, core: &str, deploy: &str| {
        let chip = "cores: grid(2, 1) of crossbars; converters: [tia(), keeper()]";
        let found = codes(&(hardware(tile, core, chip) + &layers(deploy)));
        found.into_iter().filter(|code| code.starts_with('E')).collect::<Vec<_>>()
    };
    let arrays = |count: usize| format!("tiles: array[{count}]; lines: voltage, current; {UNITS}");
    assert_eq!(code(MIXED, &arrays(2), ""), Vec::<&str>::new());
    assert_eq!(code(MIXED, &arrays(1), ""), ["E0602"]);
    assert_eq!(code(MIXED, UNITS, ""), ["E0601"]);
    assert_eq!(code(MIXED, "tiles: array[2]", ""), ["E0606"]);
    let mute = "cells: cell[8, 16]; weights: differential; input: voltage; sense: sar(bits: 8)";
    assert_eq!(code(mute, &arrays(2), ""), ["E0603"]);
    assert_eq!(code(MIXED, &arrays(2), "pin hidden: light"), ["E0604"]);
    assert_eq!(code(MIXED, &arrays(2), "pin hidden: core(9, 9)"), ["E0612"]);
    let small = hardware(DIGITAL, &arrays(2), "cores: grid(2, 1) of crossbars") + &layers("");
    assert_eq!(codes(&small.replace("buffer: 64 kB", "buffer: 8 bit")), ["E0608"]);
    let large = |weight: &str| {
        let net = format!(
            "network net(x: real[1]) -> (y: real[1]) {{ x |> dense([[{weight}]]) |> dense([[{weight}]]) -> y }}
experiment e {{ deploy net on made {{ calibrate: [[1], [2]] }}; test {{ x: [[1]] }} measure m = mean(y) }}"
        );
        codes(&(hardware(DIGITAL, &arrays(2), "cores: grid(2, 1) of crossbars") + &net))
    };
    assert_eq!(large("1e18"), Vec::<&str>::new());
    assert_eq!(large("1e20"), ["E0307"]);
    assert_eq!(large("1e39")[0], "E0307");
}

/// The reason is that of the way that comes furthest.
#[test]
fn a_layer_without_a_way_says_what_it_lacks() {
    let told = |tile: &str, core: &str, converters: &str| {
        let chip = format!("cores: grid(2, 1) of crossbars; converters: [{converters}]");
        let found = nmc_tests::told(&(hardware(tile, core, &chip) + &layers("")));
        let [fault] = &found.iter().filter(|one| one.is_error()).collect::<Vec<_>>()[..] else { panic!("{found:#?}") };
        assert_eq!(fault.code.number(), "E0606");
        format!("{} | {}", fault.message, fault.help.as_deref().unwrap_or_default())
    };
    let direct = "cells: cell[8, 16]; weights: differential; input: dac(bits: 8); sense: current";
    let without = "tiles: array[4]; lines: voltage, current; units: [rectifier[64], logic[4]]";
    let fault = told(direct, without, "tia()");
    assert!(fault.contains("computes `hidden`") && fault.contains("nothing adds the 2 partial sums"), "{fault}");
    assert!(fault.contains("`implements: sum`") && fault.contains("sar(bits: 8) or current"), "{fault}");
    let unlined = format!("tiles: array[4]; {UNITS}");
    let fault = told(direct, &unlined, "tia()");
    assert!(fault.contains("`lines: current`"), "{fault}");
    let pulsed = "cells: cell[16, 16]; weights: differential; input: width(bits: 4); sense: current";
    let fault = told(pulsed, &unlined, "tia()");
    assert!(fault.contains("no converter current -> charge"), "{fault}");
    let fault = told(DIGITAL, "tiles: array[4]", "tia()");
    assert!(fault.contains("2 partial sums") && fault.contains("digital unit"), "{fault}");
}

/// Devices are driven and read where they are: everything else is bits. Oracle: the best design, which converts as much.
#[test]
fn devices_are_read_where_everything_is_converted() {
    let text = |deploy: &str, chip: &str| {
        format!(
            "use std.chip.{chip}
use std.device.wox
network one(u: real[2]) -> (y: real[2]) {{
    population nodes: wox[2]()
    u |> scale(1 V) -> nodes.v
    nodes.conductance |> scale(1 / 10 uS) -> y
}}
experiment a {{
    deploy one on {chip} {{ step: 0.5 ms; calibrate: [[1, 0.5]]; {deploy} }}
    test {{ u: [[1, 0], [0, 1]] }} for 10 ms measure y = mean(y)
}}"
        )
    };
    let (all, best) = (map(&text("convert: everywhere", "reservoir")), map(&text("", "reservoir")));
    assert_eq!(all.0.decisions.conversions.inserted, best.0.decisions.conversions.inserted);
    let read = wire(&all.0, "nodes.conductance", "scale");
    assert!(converts(&all.0, read), "{}", read.reason);
    assert_eq!(read.remedy.as_deref(), Some("it would be converted without `convert: everywhere`, too"));
    assert_eq!(wire(&all.0, "nodes", "nodes.conductance").reason, "current: devices are read where they are");
    let y = |image: &Image| values(&run_with(image, 1), "y").to_vec();
    assert!(y(&all.1).iter().any(|y| *y > 0.0));
    assert_eq!(y(&all.1), y(&best.1));
}

/// A rectifier between two arrays: bits can become its voltage, but nothing turns what it gives to bits.
#[test]
fn a_chip_that_cannot_convert_everything_says_what_it_lacks() {
    let tile =
        "cells: cell[16, 16]; weights: differential; input: dac(bits: 8) or voltage; sense: sar(bits: 8) or current";
    let core = "tiles: array[4]; lines: voltage, current; units: [rectifier[64], adder[64]]";
    let text = |converters: &str, deploy: &str| {
        let chip = format!("cores: grid(2, 1) of crossbars; converters: [{converters}]");
        nmc_tests::told(&(hardware(tile, core, &chip) + &layers(deploy)))
    };
    assert!(!text("tia(), keeper(), dac()", "").iter().any(|one| one.is_error()));
    let found = text("tia(), keeper(), dac()", "convert: everywhere");
    let fault = found.iter().find(|one| one.is_error()).unwrap();
    assert_eq!(fault.code.number(), "E0603");
    assert!(fault.message.contains("`relu_1` (voltage) to `dense_1` (bits)"), "{}", fault.message);
    assert!(fault.help.as_deref().unwrap().starts_with("leave out `convert: everywhere`"), "{:?}", fault.help);
}

/// What the host gave and takes back has not moved.
#[test]
fn what_goes_straight_back_stays_with_the_host() {
    let net = "network net(x: real[3]) -> (y: real[3]) { x -> y }
experiment e { deploy net on made { calibrate: [[1, 2, 3]] }; test { x: [[1, 2, 3]] } measure m = mean(y) }";
    let chip =
        mapped(&(hardware(DIGITAL, &format!("tiles: array[2]; {UNITS}"), "cores: grid(2, 1) of crossbars") + net));
    assert!(chip.circuit.nets.is_empty());
}

#[test]
fn the_ideal_chip_converts_nothing() {
    let ideal = mapped(&layers("").replace(" on made", ""));
    assert!(ideal.chip.ideal && ideal.tiling.blocks.is_empty() && ideal.timetable.works.is_empty());
    assert!(ideal.decisions.wires.iter().all(|wire| wire.converters.is_empty()));
}

#[test]
fn a_population_larger_than_a_core_is_split() {
    let text = |cores: usize| {
        format!(
            "core spiking {{ neurons: 8; synapses: 10000; neuron_energy: 1 pJ; synapse_energy: 1 pJ; spike_energy: 1 pJ }}
chip small {{ cores: grid({cores}, 1) of spiking; network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit) }}
neuron driven(tau: time = 10 ms) {{ state v: real = 0
 v' = (2 - v) / tau
 spike when v > 1 {{ v = 0 }} }}
network net() {{ population p: driven[10](); probe p.spikes }}
experiment e {{ deploy net on small; run for 10 ms {{ step: 0.1 ms }} }}"
        )
    };
    let split = mapped(&text(2));
    let parts: Vec<_> = split.circuit.parts.iter().map(|part| part.elements).collect();
    assert!(matches!(parts.as_slice(), [(0, a), (b, 10)] if a == b && (2..=8).contains(a)), "{parts:?}");
    assert_ne!(split.placement.cores[0], split.placement.cores[1]);
    assert_eq!(codes(&text(1)), ["E0609"]);
}

/// Works of one resource do not meet, samples under way counted: three layers share one logic unit.
#[test]
fn samples_that_follow_do_not_meet() {
    let net = format!(
        "network net(x: real[8]) -> (y: real[8]) {{ x |> dense(w) |> relu |> dense(w) |> relu |> dense(w) |> relu -> y }}
experiment e {{ deploy net on made; test {{ x: {} }} measure m = mean(y) }}",
        matrix(2, 8, 5)
    )
    .replace("(w)", &format!("({})", matrix(8, 8, 8)));
    let mapped =
        mapped(&(hardware(IDEAL, "tiles: array[3]; units: logic[1]", "cores: grid(1, 1) of crossbars") + &net));
    let table = &mapped.timetable;
    let busy: Vec<(f64, f64)> = (table.works.iter())
        .filter(|work| matches!(mapped.circuit.parts[work.parts[0].0].role, Role::Unit { .. } | Role::Adder { .. }))
        .map(|work| (work.start, work.end))
        .collect();
    assert_eq!(busy.len(), 3);
    for (index, a) in busy.iter().enumerate() {
        for b in &busy[index + 1..] {
            let apart = (b.0 - a.0).rem_euclid(table.interval);
            let (first, second) = (a.1 - a.0, b.1 - b.0);
            let rounding = 1e-15;
            assert!(
                apart >= first - rounding && table.interval - apart >= second - rounding,
                "{a:?} {b:?} {}",
                table.interval
            );
        }
    }
}

/// A unit's outputs are all converted where they arise, and what a slice takes of them afterwards: the counts agree.
#[test]
fn a_slice_of_an_analog_signal_is_taken_of_what_was_converted() {
    let told = codes(
        "use std.chip.crossbars48
        network layers(x: real[4]) -> (y: real[2]) {
            h = x |> dense([[1, 0, 2, 1], [0, 1, 1, 3], [1, 1, 0, 0]], bias: [0.5, 0, 1]) |> relu
            h[0..2] |> reshape(2) -> y
        }
        experiment e { deploy layers on crossbars48; test { x: [[1, 0, 0, 1], [0, 1, 1, 0]] } measure m = mean(y) }",
    );
    assert!(told.iter().all(|code| code.starts_with('W')), "{told:?}");
}
