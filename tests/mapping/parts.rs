//! What the parts of a chip do, take and cost: biases, columns, converters, links, digits, what is held.

use super::*;

fn biased(tile: &str, deploy: &str) -> String {
    let core = format!("tiles: array[4]; lines: voltage, current; {UNITS}");
    hardware(tile, &core, "cores: grid(1, 1) of crossbars; converters: [tia(), keeper()]")
        + &format!(
            "
network net(x: real[4]) -> (y: real[4]) {{
    h = x |> dense({}, bias: [0.5, -0.5, 0.25, 1])
    h |> relu |> dense([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) -> y
}}
experiment e {{
    deploy net on made {{ calibrate: {}; {deploy} }}
    test {{ x: [[0, 0, 0, 0]] }} measure m = mean(y)
}}
",
            matrix(4, 4, 5),
            matrix(6, 4, 8),
        )
}

#[test]
fn the_bias_of_an_analog_layer_is_a_row_of_its_array() {
    let how = |mapped: &Mapped| mapped.decisions.on_tiles(wire(mapped, "h", "relu").from).unwrap();
    let exact = "weights: differential; input: ideal or voltage; sense: ideal or current";
    let noisy = |cell: &str| biased(&format!("cells: {cell}[8, 16]; {exact}"), "pin h: current");
    let (mapped, image) = map(&noisy("cell"));
    assert!(matches!(how(&mapped).bias, Bias::Rows(1)), "{:?}", how(&mapped));
    let results = run_with(&image, 1);
    let y = values(&results, "y");
    for (found, wanted) in y.iter().zip([0.5, 0.0, 0.25, 1.0]) {
        assert!((found - wanted).abs() < 1e-9, "{y:?}");
    }
    // No input conducts, the bias does: its cells, read in the first layer, and what the second is driven with.
    let bias = (mapped.costs.events.iter()).filter(|event| matches!(event.often, cost::Often::Read { bias: true, .. }));
    assert_eq!(bias.count(), 1);
    assert!(joules(&results, ComponentKind::Cells) > 0.0);
    let results = run(&noisy("rough"));
    let y = values(&results, "y");
    assert!((y[0] - 0.5).abs() > 1e-4 && (y[0] - 0.5).abs() < 0.5, "{y:?}");
    // Converted, it is added digitally, and paid there.
    let tile = "cells: cell[4, 16]; weights: differential; input: dac(bits: 8); sense: sar(bits: 8)";
    let digital = self::mapped(&biased(tile, ""));
    assert!(matches!(how(&digital).bias, Bias::Digital(_)));
    assert!(told(&digital, ComponentKind::Digital) > 8.0 * 0.09e-12);
}

/// Converters whose columns hold the bias have it in their range: 12 bits are sixteen times better than 8.
#[test]
fn a_bias_in_rows_is_not_clipped() {
    let off = |bits: u32| {
        let tile = format!("cells: cell[8, 16]; weights: differential; input: ideal; sense: sar(bits: {bits})");
        // Without digital arithmetic rows are the only way.
        let core = "tiles: array[4]; units: [rectifier[64]]";
        let text = format!(
            "network net(x: real[4]) -> (y: real[4]) {{ x |> dense({}, bias: [3, -3, 2, 1]) -> y }}
experiment e {{ deploy net on made; test {{ x: {} }} measure m = mean(y) }}",
            matrix(4, 4, 5),
            matrix(6, 4, 8)
        );
        let results = run(&(hardware(&tile, core, "cores: grid(1, 1) of crossbars") + &text));
        let exact = run(&text.replace(" on made", ""));
        let pairs = values(&results, "y").iter().zip(values(&exact, "y"));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(off(8) < 0.05 && off(12) < 0.004, "{} {}", off(8), off(12));
}

/// 60 outputs of weight 0 beside one of 1, on cells whose programming errs: the error of the reference column is in all.
#[test]
fn a_reference_column_is_one_column() {
    let weights: Vec<String> = (0..61).map(|output| format!("[{}]", u8::from(output == 60))).collect();
    let text = |cell: &str| {
        let tile = format!("cells: {cell}[4, 64]; weights: reference; input: ideal; sense: ideal");
        let net = format!(
            "network net(x: real[1]) -> (y: real[61]) {{ x |> dense([{}]) -> y }}
experiment e {{ deploy net on made; test {{ x: [[1]] }} measure m = std(y) }}",
            weights.join(", ")
        );
        hardware(&tile, &format!("tiles: array[1]; {UNITS}"), "cores: grid(1, 1) of crossbars") + &net
    };
    let image = map(&text("rough")).1;
    let (mut within, mut means) = (0.0, Vec::new());
    const CHIPS: usize = 200;
    for seed in 0..CHIPS {
        let results = run_with(&image, seed as u64);
        let y = &values(&results, "y")[..60];
        let mean = y.iter().sum::<f64>() / 60.0;
        within += y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 59.0 / CHIPS as f64;
        means.push(mean);
    }
    let shared = means.iter().map(|mean| mean * mean).sum::<f64>() / CHIPS as f64;
    // Each cell errs by 5 % of its range, twice that as a weight; the mean of 60 of them adds a sixtieth. Variances of 200 numbers: 10 %.
    assert!((within / 0.01 - 1.0).abs() < 0.1, "{within}");
    assert!((shared / (0.01 * (1.0 + 1.0 / 60.0)) - 1.0).abs() < 0.4, "{shared}");
    // 60 columns and the reference at mid range, one at the top, each once.
    let cells = joules(&run(&text("cell")), ComponentKind::Cells);
    assert!(close(cells, 0.04 * (61.0 * 105e-6 + 200e-6) * 10e-9), "{cells}");
}

#[test]
fn a_pair_is_converted_once_and_takes_one_turn() {
    let tile = "cells: cell[64, 128]; weights: differential; input: ideal; sense: sar(bits: 8); sharing: 128";
    let text = format!(
        "network net(x: real[64]) -> (y: real[64]) {{ x |> dense({}) -> y }}
experiment e {{ deploy net on made; test {{ x: {} }} measure m = mean(y) }}",
        matrix(64, 64, 5),
        matrix(2, 64, 11)
    );
    let core = format!("tiles: array[1]; {UNITS}");
    let mapped = mapped(&(hardware(tile, &core, "cores: grid(1, 1) of crossbars") + &text));
    assert_eq!(conversions(&mapped, "sar"), 64.0);
    let array = &mapped.timetable.works[0];
    // 10 ns of reading and 64 turns of 1 ns.
    assert!(close(array.end - array.start, 74e-9), "{array:?}");
}

#[test]
fn converters_burn_static_power() {
    let tile = "cells: cell[16, 32]; weights: differential; input: warm(); sense: hot()";
    let converters = "
converter hot(bits: int = 8): current -> bits(bits) { energy: 1 pJ; area: 1 um2; time: 1 ns; static_power: 1 W }
converter warm(bits: int = 8): bits(bits) -> voltage { energy: 1 pJ; area: 1 um2; time: 1 ns; static_power: 1 W }
network net(x: real[4]) -> (y: real[4]) { x |> dense([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) -> y }
experiment e { deploy net on made; test { x: [[1, 0, 1, 0]] } measure m = mean(y) }";
    let core = format!("tiles: array[1]; {UNITS}");
    let (mapped, image) = map(&(hardware(tile, &core, "cores: grid(2, 2) of crossbars") + converters));
    // In each of four arrays one for a row and one for a column.
    assert!(close(mapped.costs.static_power, 4.0 * (16.0 + 32.0)), "{}", mapped.costs.static_power);
    assert!(joules(&run_with(&image, 1), ComponentKind::Static) >= 192.0 * mapped.timetable.interval);
}

#[test]
fn links_carry_analog_values_to_a_neighbour() {
    let tile = "cells: cell[8, 16]; weights: differential; input: ideal or voltage; sense: ideal or current";
    let core = format!("tiles: array[1]; lines: voltage, current; {UNITS}");
    let timed = |noise: &str, time: usize| {
        let links = format!("links: neighbours(carries: voltage, energy: 70 fJ, noise: {noise}, time: {time} ns)");
        let net = format!(
            "network net(x: real[8]) -> (y: real[4]) {{
    hidden = x |> dense({})
    hidden |> relu |> dense({}) -> y
}}
experiment e {{ deploy net on made {{ pin hidden: current; pin relu_1: voltage }}; test {{ x: {} }} measure m = mean(y) }}",
            matrix(8, 8, 5),
            matrix(4, 8, 8),
            matrix(4, 8, 11)
        );
        let chip = format!("cores: grid(2, 1) of crossbars; converters: [tia()]\n    {links}");
        hardware(tile, &core, &chip) + &net
    };
    let text = |noise: &str| timed(noise, 2);
    let (mapped, image) = map(&text("0 %"));
    assert!(!converts(&mapped, wire(&mapped, "hidden", "relu")));
    // A slower link takes its time, and the array before it is driven meanwhile; the one behind it is not yet.
    let (slow, slow_image) = map(&timed("0 %", 102));
    assert!(close(slow.timetable.latency - mapped.timetable.latency, 100e-9), "{}", slow.timetable.latency);
    let cells = |image: &Image| joules(&run_with(image, 1), ComponentKind::Cells);
    let (fast, longer) = (cells(&image), cells(&slow_image));
    assert!(longer > 2.0 * fast, "{fast} {longer}");
    let crossing = mapped
        .circuit
        .nets
        .iter()
        .filter(|net| net.is_analog() && !cost::links(&mapped.chip, &mapped.placement.cores, net).is_empty());
    let values_over: usize = crossing.map(|net| net.values).sum();
    assert_eq!(values_over, 8);
    // In bits nothing goes between cores but what the host takes; 8 voltages of 70 fJ do.
    let links = mapped.costs.events.iter().filter(|event| (event.energy - 70e-15).abs() < 1e-20);
    let count: f64 = links.map(|event| if let cost::Often::Sample(count) = event.often { count } else { 0.0 }).sum();
    assert_eq!(count, 8.0);
    let quiet = run_with(&image, 1);
    let noisy = run(&text("1 %"));
    let off: Vec<f64> = values(&quiet, "y").iter().zip(values(&noisy, "y")).map(|(a, b)| (a - b).abs()).collect();
    assert!(off.iter().all(|off| *off > 0.0 && *off < 2.0), "{off:?}");
}

/// 64 neurons of 10 us each do not fit a tick of 0.1 ms.
#[test]
fn a_fixed_tick_too_short_for_its_work_is_an_error() {
    let text = |ticks: &str| {
        format!(
            "core spiking {{ neurons: 64; synapses: 10000; neuron_energy: 1 pJ; synapse_energy: 1 pJ; spike_energy: 1 pJ; neuron_time: 10 us }}
chip ticking {{ cores: grid(1, 1) of spiking; network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit); ticks: {ticks} }}
neuron driven(tau: time = 10 ms) {{ state v: real = 0
 v' = (2 - v) / tau
 spike when v > 1 {{ v = 0 }} }}
network net() {{ population p: driven[64](); probe p.spikes }}
experiment e {{ deploy net on ticking; run for 10 ms {{ step: 0.1 ms }} }}"
        )
    };
    assert_eq!(codes(&text("fixed")), ["E0618"]);
    let tick = mapped(&text("lengthen")).timetable.tick.unwrap();
    assert!(close(tick, 640e-6), "{tick}");
}

/// Bits one by one and digits of weights compute the network within their resolution: with enough of both exactly the codes.
#[test]
fn digits_and_bits_compute_the_network() {
    let off = |tile: &str, samples: &str| {
        let text = format!(
            "network net(x: real[20]) -> (y: real[5]) {{ x |> dense({}, bias: [1, -1, 0.5, 0, 2]) -> y }}
experiment e {{ deploy net on made; test {{ x: {samples} }} measure m = mean(y) }}",
            matrix(5, 20, 8),
        );
        let devices = "device digit { conductance: 1 uS .. 100 uS; levels: 4 }
converter bit: bits(1) -> voltage { energy: 1 fJ; area: 1 um2; time: 1 ns }
";
        let core = format!("tiles: array[32]; {UNITS}");
        let hardware = hardware(tile, &core, "cores: grid(2, 2) of crossbars") + devices;
        let results = run(&(hardware + &text));
        let exact = run(&text.replace(" on made", ""));
        let pairs = values(&results, "y").iter().zip(values(&exact, "y"));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let signed = matrix(6, 20, 11);
    let positive = signed.replace('-', "");
    for samples in [&signed, &positive] {
        for (rows, bits) in [(8, 8), (8, 12), (32, 12)] {
            let serial = format!("input: bit_serial(bit(), bits: {bits})");
            let resolution = 10.0 * 2f64.powi(1 - bits);
            for scheme in ["cells: cell[ROWS, 16]; weights: differential", "cells: cell[ROWS, 16]; weights: reference"]
            {
                let tile = format!("{}; {serial}; sense: ideal", scheme.replace("ROWS", &rows.to_string()));
                let lost = off(&tile, samples);
                assert!(lost < resolution, "{tile}: {lost} of {resolution}");
            }
            // Sums of bits, too, have their range: half a step of 14 bits for each of up to three blocks and all bits.
            let tile = format!("cells: cell[{rows}, 16]; weights: differential; {serial}; sense: sar(bits: 14)");
            let lost = off(&tile, samples);
            assert!(lost < resolution + 3.0 * 16.0 * 2f64.powi(-13), "{tile}: {lost} of {resolution}");
            // Eight digits of four values: weights of 16 bits.
            let digits = format!("cells: digit[{rows}, 16]; weights: offset; slices: 8");
            for sense in ["ideal", "sar(bits: 8)"] {
                let tile = format!("{digits}; {serial}; sense: {sense}");
                let lost = off(&tile, samples);
                assert!(lost < resolution + 20.0 * 2f64.powi(-16), "{tile}: {lost} of {resolution}");
            }
            let tile = format!("{digits}; input: ideal; sense: ideal");
            let lost = off(&tile, samples);
            assert!(lost < 20.0 * 2f64.powi(-15), "{tile}: {lost}");
        }
    }
}

/// What is held droops: 1e6 of a second, while the rest of the core works for so many nanoseconds.
#[test]
fn held_values_droop() {
    let y = |hold: &str| {
        let tile = "cells: cell[8, 16]; weights: differential; input: ideal or voltage; sense: ideal or current";
        let core = format!("tiles: array[2]; lines: voltage, current; {UNITS}");
        let chip = format!("cores: grid(1, 1) of crossbars; converters: [tia(), {hold}()]");
        let text = hardware(tile, &core, &chip)
            + "network net(x: real[4]) -> (y: real[1]) { h = x |> dense([[1, 1, 1, 1]]); h |> relu |> dense([[1]]) -> y }
experiment e { deploy net on made { pin h: current }; test { x: [[1, 1, 1, 1]] } measure m = mean(y) }";
        let (mapped, image) = map(&text);
        let holds = |id: &usize| mapped.chip.converters[*id].holds();
        let mut held = 0.0;
        for work in &mapped.timetable.works {
            let last = work.spans.iter().map(|span| span.1).fold(0.0, f64::max);
            for (part, span) in work.parts.iter().zip(&work.spans) {
                if mapped.circuit.parts[part.0].gives.iter().any(holds) {
                    held += last - span.1;
                }
            }
        }
        (values(&run_with(&image, 1), "y")[0], held)
    };
    let ((kept, held), (lost, _)) = (y("keeper"), y("leaky"));
    assert!(held > 0.0);
    assert!((kept - 4.0).abs() < 1e-9, "{kept}");
    assert!(close(lost, 4.0 * (-1e6 * held).exp()), "{lost} after {held} s");
}

/// Devices whose states are read on a chip and fitted, while data change in time.
const READING: &str = "
use std.converter.{adc, dac, tia}
use std.core.cim
use std.device.diffusive_ag
use std.unit.digital_alu

core row { cells: diffusive_ag[8]; units: digital_alu[4]; buffer: 4 kB; area: 0.01 mm2 }
chip board {
    cores: [grid(1, 1) of cim(), grid(1, 1) of row()]
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
    converters: [adc(), dac(), tia()]
}
network reading(pixels: real[4]) -> (y: real[1]) {
    population nodes: diffusive_ag[4]()
    pixels |> scale(0.3 V) -> nodes.v
    nodes.conductance |> scale(1 / 100 uS) |> dense(1, fit: ridge(0.1), bias: true) -> y
}
experiment e {
    deploy reading on board { step: 0.1 ms }
    train { pixels: [[[1, 0, 1, 0], [0, 1, 0, 1]], [[1, 1, 1, 0], [0, 1, 0, 0]]] every 1 ms } for 6 ms expect y == [[1], [0]]
    test { pixels: [[[1, 0, 1, 0], [0, 1, 0, 1]]] every 1 ms } for 6 ms measure y = mean(y)
}
";

/// Each tick of a sample drives the devices anew, and their states are read once, when it ends: 60 ticks of 4 rows by hand.
#[test]
fn converters_work_as_often_as_what_they_take_arrives() {
    let text = READING;
    let mapped = mapped(text);
    let often = |firings: f64, count: f64| cost::Often::new(count, firings);
    let driven = mapped
        .costs
        .events
        .iter()
        .filter(|event| event.name.starts_with("nodes: ") && event.kind == ComponentKind::Dac);
    assert_eq!(driven.map(|event| event.often).collect::<Vec<_>>(), [often(60.0, 240.0)]);
}

/// Two decoders read one population, from another core than its own: spikes reach both as they arise.
#[test]
fn two_decoders_read_one_population() {
    let mapped = mapped(
        "
use std.chip.hybrid
use std.code.{count, rate}

neuron integrate_fire(v_thresh: voltage = 1 mV) {
    state v: voltage = 0 mV
    spike when v >= v_thresh { v -= v_thresh }
}
network two(image: real[2, 2]) -> (y: real) {
    eye = image |> flatten |> rate(peak: 500 Hz)
    population features: integrate_fire[2]()
    connect eye -> features { pattern: all_to_all, weight: 1 mV }
    concat(features |> count, features |> count) |> dense(1, fit: ridge(1)) -> y
}
experiment a {
    deploy two on hybrid { step: 0.5 ms }
    train { image: [[[1, 0], [0, 1]], [[0, 0], [0, 1]]] } for 10 ms expect y == [1, 0]
}
",
    );
    let of = |name: &str| {
        let mut parts = mapped.circuit.parts.iter().enumerate();
        parts.find(|(_, part)| mapped.network.graph[part.node].name == name).map(|(id, _)| End::Part(PartId(id)))
    };
    for decoder in ["count_1", "count_2"] {
        let to = of(decoder).unwrap();
        let spikes = |net: &&Net| net.domain == Domain::Spikes && net.to.contains(&to);
        assert_eq!(mapped.circuit.nets.iter().find(spikes).map(|net| Some(net.from)), Some(of("features")));
    }
}

/// Devices that take part in every tick are read by analog parts when the sample has ended, beside a spiking population.
#[test]
fn devices_are_read_by_analog_parts_beside_spikes() {
    let mapped = mapped(
        "
use std.code.rate
use std.converter.{adc, dac, sample_hold, spike_counter, tia}
use std.core.loihi_core
use std.device.wox
use std.tile.taox_array
use std.unit.digital_alu

unit amplifier: voltage -> voltage { implements: scale; energy: 20 fJ; area: 30 um2; time: 5 ns }
core skin {
    cells: wox[2]; tiles: taox_array[2]; lines: voltage, current
    units: [amplifier[64], digital_alu[4]]; buffer: 4 kB
}
chip board {
    cores: [grid(1, 1) of skin, grid(1, 1) of loihi_core]; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
    converters: [adc(bits: 8), dac(bits: 8), tia(), sample_hold(), spike_counter()]
}
neuron integrate_fire() {
    state v: voltage = 0 mV
    spike when v >= 1 mV { v -= 1 mV }
}
network one(u: real[2]) -> (y: real) {
    population nodes: wox[2]()
    eye = u |> rate(peak: 500 Hz)
    population features: integrate_fire[2]()
    connect eye -> features { pattern: all_to_all, weight: 1 mV }
    u |> scale(1 V) -> nodes.v
    felt = nodes.conductance |> scale(1 / 10 uS)
    seen = features |> dense([[1, 0], [0, 1]])
    concat(seen, felt) |> dense(1, fit: ridge(1)) -> y
}
experiment a {
    deploy one on board { step: 0.5 ms }
    train { u: [[1, 0], [0, 1]] } for 10 ms expect y == [1, 0]
}
",
    );
    // 20 ticks of half a millisecond, then the readout.
    let read = mapped.timetable.works.iter().map(|work| work.end).fold(0.0, f64::max);
    assert!(read > 10e-3 && read < 10.1e-3, "{read}");
}

/// A function of one signal is the same layer in both spellings, and the same unit computes it: the chip has no other.
#[test]
fn a_function_is_a_layer_however_it_is_written() {
    let text = |hidden: &str| {
        let tile = "cells: cell[4, 8]; weights: differential; input: ideal or voltage; sense: ideal or current";
        let core = "tiles: array[2]; units: rectifier[64]; lines: voltage, current";
        hardware(tile, core, "cores: grid(1, 1) of crossbars; converters: [tia()]")
            + &format!(
                "network net(x: real[4]) -> (y: real[4]) {{ a = x |> dense({}); b = {hidden}; b |> dense({}) -> y }}
experiment e {{ deploy net on made; test {{ x: {} }} measure m = mean(y) }}",
                matrix(4, 4, 5),
                matrix(4, 4, 7),
                matrix(6, 4, 8)
            )
    };
    let (piped, called) = (mapped(&text("a |> relu")), mapped(&text("relu(a)")));
    let units =
        |mapped: &Mapped| mapped.circuit.parts.iter().filter(|part| matches!(part.role, Role::Unit { .. })).count();
    assert_eq!((units(&called), units(&piped)), (1, 1));
    assert_eq!(called.decisions.choices, piped.decisions.choices);
}

/// A signal that stands twice in what an array takes is brought there once, and drives two rows.
#[test]
fn a_value_may_drive_several_rows() {
    let core = format!("tiles: array[2]; {UNITS}");
    let net = |relu: &str| {
        format!(
            "network net(x: real[4]) -> (y: real[4]) {{ z = x {relu}; concat(z, z) |> dense({}) -> y }}
experiment e {{ deploy net on made {{ calibrate: {samples} }}; test {{ x: {samples} }} measure m = mean(y) }}",
            matrix(4, 8, 8),
            samples = matrix(2, 4, 11)
        )
    };
    let ideal = "cells: cell[8, 16]; weights: differential; input: ideal; sense: ideal";
    for relu in ["|> scale(1)", "|> relu"] {
        let text = hardware(ideal, &core, "cores: grid(1, 1) of crossbars") + &net(relu);
        let (on_chip, exact) = (run(&text), run(&text.replace(" on made", "")));
        for (a, b) in values(&on_chip, "y").iter().zip(values(&exact, "y")) {
            assert!((a - b).abs() < 1e-9, "{relu}: {a} {b}");
        }
    }
}

/// A readout on a chip is fitted while data change in time, as it is in numbers, within what converters and cells err.
#[test]
fn a_readout_is_fitted_while_data_change_in_time() {
    let text = READING;
    let (on_chip, exact) = (run(text), run(&text.replace(" on board", "")));
    let (on_chip, exact) = (values(&on_chip, "y")[0], values(&exact, "y")[0]);
    assert!((on_chip - exact).abs() < 0.02 && exact > 0.8, "{on_chip} {exact}");
}
