//! Light between cores: what is sent by it, what that takes, and the noise it comes with.

use super::*;

const LIGHT: &str = "converter modulator: voltage -> light { energy: 55 fJ; area: 400 um2; time: 1 ns }
converter photodiode: light -> current { energy: 10 fJ; area: 100 um2; time: 2 ns }
converter receiver: light -> voltage { energy: 30 fJ; area: 100 um2; time: 2 ns }
unit lamp: voltage -> light { implements: relu; y = clamp(x, 0, 1); energy: 40 fJ; time: 5 ns }
";

/// Two layers with a rectifier between, or without one, on two cores of an array each that light joins.
fn stacked(tile: &str, units: &str, converters: &str, link: &str, relu: &str, deploy: &str) -> String {
    let core = format!("tiles: array[1]; lines: voltage, current; units: [{units}]");
    let chip = format!(
        "cores: grid(2, 1) of crossbars; converters: [tia(){converters}]
    links: neighbours(carries: light, energy: 70 fJ, {link})"
    );
    let sample = nmc_tests::nested(&nmc_tests::numbers(3, 8), &[8]);
    let net = format!(
        "network net(x: real[8]) -> (y: real[4]) {{
    hidden = x |> dense({})
    hidden {relu} |> dense({}) -> y
}}
experiment e {{ deploy net on made {{ {deploy} }}; test {{ x: [{}] }} measure m = mean(y) }}",
        matrix(8, 8, 5),
        matrix(4, 8, 8),
        vec![sample; 400].join(", ")
    );
    LIGHT.to_string() + &hardware(tile, &core, &chip) + &net
}

const COSTLY: &str =
    "cells: cell[8, 16]; weights: differential; input: dac(bits: 8) or voltage; sense: sar(bits: 8) or current";

/// How often a sample an event of so many joules happens.
fn counted(mapped: &Mapped, joules: f64) -> f64 {
    let of = mapped.costs.events.iter().filter(|event| (event.energy - joules).abs() < 1e-20);
    of.map(|event| if let cost::Often::Sample(count) = event.often { count } else { 0.0 }).sum()
}

#[test]
fn rectified_sums_go_by_light() {
    let by_light = |link: &str| {
        let converters = ", modulator(), photodiode()";
        mapped(&stacked(COSTLY, "rectifier[64], logic[4]", converters, link, "|> relu", ""))
    };
    let stack = by_light("noise: 0 %, time: 3 ns");
    let shown = wire(&stack, "relu_1", "dense");
    let names = |ids: &[usize]| -> Vec<&str> { ids.iter().map(|&id| &*stack.chip.converters[id].name).collect() };
    assert_eq!((names(&shown.gives), names(&shown.takes)), (vec!["modulator"], vec!["photodiode", "tia"]));
    assert!(shown.reason.starts_with("light: "), "{}", shown.reason);
    // Eight rectified sums: emitted, over one link, received at eight rows.
    assert_eq!([55e-15, 70e-15, 10e-15].map(|joules| counted(&stack, joules)), [8.0; 3]);
    let slow = by_light("noise: 0 %, time: 103 ns");
    assert!(close(slow.timetable.latency - stack.timetable.latency, 100e-9), "{}", slow.timetable.latency);
    // Pinned, it is the same; where it cannot be, why is told.
    let pin = |relu: &str, node: &str| {
        let deploy = format!("pin {node}: light");
        stacked(COSTLY, "rectifier[64], logic[4]", ", modulator(), photodiode()", "time: 3 ns", relu, &deploy)
    };
    assert_eq!(counted(&mapped(&pin("|> relu", "relu_1")), 70e-15), 8.0);
    let told = nmc_tests::told(&pin("|> relu", "hidden"));
    let fault = told.iter().find(|told| told.code.number() == "E0604").unwrap();
    assert!(fault.secondary.iter().any(|label| label.text.ends_with("light has no sign")), "{told:?}");
    // A sum of either sign has no light.
    let signed = mapped(&stacked(COSTLY, "logic[4]", ", modulator(), photodiode()", "time: 3 ns", "", ""));
    assert!(converts(&signed, wire(&signed, "hidden", "dense")));
    assert_eq!(counted(&signed, 70e-15), 0.0);
    // What nothing receives is not sent, and told.
    let blind = stacked(COSTLY, "rectifier[64], logic[4]", ", modulator()", "time: 3 ns", "|> relu", "");
    let told = nmc_tests::told(&blind);
    let dark = told.iter().find(|told| told.code.number() == "W0428").unwrap();
    assert!(dark.message.ends_with("carry light, which nothing there receives"), "{}", dark.message);
    let blind = mapped(&blind);
    assert_eq!([55e-15, 70e-15].map(|joules| counted(&blind, joules)), [0.0; 2]);
}

#[test]
fn rows_receive_light_themselves() {
    let tile =
        "cells: cell[8, 16]; weights: differential; input: dac(bits: 8) or receiver(); sense: sar(bits: 8) or current";
    let stack = stacked(tile, "lamp[64], logic[4]", "", "time: 3 ns", "|> relu", "pin relu_1: light");
    let stack = mapped(&stack);
    let shown = wire(&stack, "relu_1", "dense");
    assert!(shown.gives.is_empty() && shown.takes.is_empty() && !converts(&stack, shown));
    assert_eq!([40e-15, 70e-15, 30e-15].map(|joules| counted(&stack, joules)), [8.0; 3]);
    let bare = "cells: cell[8, 16]; weights: differential; input: light; sense: sar(bits: 8)";
    assert_eq!(codes(&stacked(bare, "logic[4]", "", "time: 3 ns", "|> relu", "")), ["E0507"]);
}

/// Each light comes with a normal error of its share of full range: that of an output is the root of its weights' squares as large.
#[test]
fn light_comes_with_the_noise_of_its_link() {
    let tile = "cells: cell[8, 16]; weights: differential; input: ideal or voltage; sense: ideal or current";
    let converters = ", photodiode()";
    let text = |noise: &str| {
        stacked(
            tile,
            "lamp[64], logic[4]",
            converters,
            &format!("noise: {noise}, time: 3 ns"),
            "|> relu",
            "pin relu_1: light",
        )
    };
    let (stack, image) = map(&text("2 %"));
    let (noisy, quiet) = (run_with(&image, 1), run(&text("0 %")));
    let (noisy, quiet) = (values(&noisy, "y"), values(&quiet, "y"));
    let node = wire(&stack, "relu_1", "dense").from;
    let full = stack.decisions.ranges.iter().find(|(of, _)| *of == node).unwrap().1.full;
    let weight = |row: usize, col: usize| ((row * 8 + col) * 8 % 21) as f64 / 10.0 - 1.0;
    for output in 0..4 {
        let off = noisy.iter().zip(quiet).skip(output).step_by(4).map(|(a, b)| (a - b).powi(2));
        let (count, squares) = off.fold((0.0, 0.0), |(count, sum), square| (count + 1.0, sum + square));
        let found = (squares / count).sqrt();
        let expected = 0.02 * full * (0..8).map(|col| weight(output, col).powi(2)).sum::<f64>().sqrt();
        // 400 draws tell a deviation to 3.5 %.
        assert!((found / expected - 1.0).abs() < 0.12, "output {output}: {found} for {expected}");
    }
}

/// A signal with a sign is not brought to a row by way of light. Oracle: the network itself.
#[test]
fn light_is_no_way_between_voltages() {
    let text = "device cell { conductance: 0 uS .. 40 uS; levels: ideal }
converter small: bits(12) -> voltage { energy: 1 pJ; area: 10 um2; time: 1 ns }
converter large: bits(12) -> voltage { energy: 1 pJ; area: 100 um2; time: 1 ns }
converter adc: current -> bits(12) { energy: 2 pJ; area: 100 um2; time: 10 ns }
converter modulator: voltage -> light { energy: 1 fJ; area: 1 um2; time: 1 ns }
converter receiver: light -> voltage { energy: 1 fJ; area: 1 um2; time: 1 ns }
unit logic: bits(16) -> bits(16) { implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }
tile array {
    cells: cell[8, 8]; weights: differential; input: large() or receiver(); sense: adc(); read_voltage: 0.2 V
    read_time: 10 ns; wire: ideal
}
core cim { tiles: array[1]; units: logic; buffer: 1 kB }
chip board {
    cores: grid(1, 1) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
    converters: [small(), modulator()]
}
network net(x: real[1]) -> (y: real[1]) { x |> dense([[1]]) -> y }
experiment e {
    deploy net on board { calibrate: [[1], [-1]]; minimise: area }
    test { x: [[-1], [1]] } measure least = min(y)
}";
    let least = run(text).metrics[0].1;
    assert!((least + 1.0).abs() < 1e-3, "{least}");
}

/// A value that goes by light to what adds something made of it elsewhere, and as bits to what makes that: all that light joins works at once, so that the sum
/// would wait for itself. Another way is taken. Oracle: the network without a chip.
#[test]
fn a_residual_does_not_wait_for_itself() {
    let text = "
device cell { conductance: 0 uS .. 40 uS; levels: ideal }
converter dac: bits(16) -> voltage { energy: 1 pJ; area: 10 um2; time: 1 ns }
converter sar: current -> bits(16) { energy: 2 pJ; area: 100 um2; time: 10 ns }
converter adc: voltage -> bits(16) { energy: 2 pJ; area: 100 um2; time: 10 ns }
converter modulator: voltage -> light { energy: 1 fJ; area: 1 um2; time: 1 ns }
converter receiver: light -> voltage { energy: 1 fJ; area: 1 um2; time: 1 ns }
unit logic: bits(32) -> bits(32) { implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }
tile array { cells: cell[8, 8]; weights: reference; input: dac; sense: sar; read_voltage: 0.2 V; read_time: 10 ns }
core one { tiles: array[1]; units: logic; buffer: 64 kB }
chip board {
    cores: grid(2, 2) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
    converters: [modulator(), receiver(), adc(), dac()]; links: neighbours(carries: light, energy: 50 fJ, time: 2 ns)
}
network net(x: real[2]) -> (y: real[4]) {
    a = x |> dense([[-0.5, 0.1], [-0.3, 0.2], [0.2, -0.9], [-1, 0.7]], bias: [-0.5, -0.5, 1, 0]) |> relu
    b = a |> dense([[0.7, 0, 0.3, -0.7], [0.3, 0.7, 0, 0.5], [0.3, -0.9, 0.5, 0.2]])
    a + (b |> dense([[-0.4, -0.9, 0.7], [0, 0.4, 0.8], [0.4, 0.8, -0.2], [0.6, -0.1, 0.9]])) -> y
}
experiment e {
    deploy net on board { calibrate: [[0.8, -0.8], [-0.7, -0.6], [0.9, -0.1], [0.2, -0.4]] }
    test { x: [[0.8, -0.8], [-0.7, -0.6], [0.9, -0.1], [0.2, -0.4]] } measure m = mean(y)
}";
    let (on_chip, exact) = (run(text), run(&text.replace(" on board", "")));
    for (a, b) in values(&on_chip, "y").iter().zip(values(&exact, "y")) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
}
