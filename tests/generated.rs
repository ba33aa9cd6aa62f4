//! Networks and chips drawn at random: with ideal cells and converters the mapped network gives what the network says, in whatever
//! domains its values travel.

use nmc_compiler::files::NoFiles;
use nmc_compiler::map::{convert, place, schedule, tile};
use nmc_compiler::{Options, compile};
use nmc_program::Precision;
use nmc_runtime::{EngineKind, RunOptions};
use nmc_tests::dice::Dice;
use nmc_tests::values;

/// A program whose experiments differ only in their chip: a network on none, and on one.
fn program(dice: &mut Dice) -> String {
    let (rows, columns) = (1 + dice.below(12), 3 + dice.below(20));
    let weights = dice.one(&["differential", "reference"]);
    let input = dice.one(&["ideal", "ideal or voltage", "ideal or voltage"]);
    let sense = dice.one(&["ideal", "ideal or current", "ideal or current"]);
    let arrays = dice.one(&[1, 2, 4, 16]);
    let lines = dice.one(&["", "lines: voltage, current; ", "lines: voltage, current; "]);
    let (rectifiers, adders, logic) = (1 + dice.below(40), 1 + dice.below(40), 1 + dice.below(8));
    let (width, height) = dice.one(&[(24, 20), (30, 10), (10, 30)]);
    let everywhere = dice.one(&["", "", "", "convert: everywhere"]);
    let objective = dice.one(&["energy", "energy", "time", "area"]);
    let inputs = 1 + dice.below(14);
    let (mut len, mut body) = (inputs, String::from("x"));
    for _ in 0..1 + dice.below(3) {
        let outputs = 1 + dice.below(14);
        let bias = if dice.below(2) == 0 { format!(", bias: {}", dice.vector(outputs)) } else { String::new() };
        body += &format!(" |> dense({}{bias})", dice.matrix(outputs, len));
        body += dice.one(&["", " |> relu", " |> relu", " |> tanh", " |> sigmoid", " |> scale(0.5)"]);
        len = outputs;
    }
    let samples = dice.matrix(3, inputs);
    format!(
        "
device cell {{ conductance: 1 uS .. 100 uS; levels: ideal }}
converter tia: current -> voltage {{ energy: 50 fJ; area: 50 um2; time: 5 ns }}
converter keeper: voltage -> voltage {{ energy: 1 fJ; area: 1 um2; time: 1 ns }}
unit rectifier: voltage -> voltage {{ implements: relu; energy: 20 fJ; area: 30 um2; time: 5 ns }}
unit adder: current -> current {{ implements: sum; energy: 1 fJ; area: 5 um2; time: 1 ns }}
unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
tile array {{
    cells: cell[{rows}, {columns}]; weights: {weights}; input: {input}; sense: {sense}
    read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 100 um2
}}
core crossbars {{
    tiles: array[{arrays}]; {lines}units: [rectifier[{rectifiers}], adder[{adders}], logic[{logic}]]; buffer: 64 kB
}}
chip made {{
    cores: grid({width}, {height}) of crossbars; converters: [tia(), keeper()]
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit)
    host: spi(energy: 5 pJ per bit)
}}
network net(x: real[{inputs}]) -> (y: real[{len}]) {{ {body} -> y }}
experiment exact {{ deploy net; test {{ x: {samples} }} measure m = mean(y) }}
experiment mapped {{ deploy net on made {{ minimise: {objective}; {everywhere} }}; test {{ x: {samples} }} measure m = mean(y) }}
"
    )
}

/// What is compiled, verified and run: whether any value crossed between two operators without being converted.
fn agree(seed: u64) -> bool {
    let text = program(&mut Dice::new(seed));
    let options = Options { precision: Precision::F64, ..Options::default() };
    let compilation = compile("generated.nmc", &text, &NoFiles, &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{seed}: {:#?}\n{text}", compilation.diagnostics));
    let mapped = &compilation.mapped[1];
    let given = mapped.given(&[]);
    let mut faults = tile::verify(given, &mapped.tiling);
    faults.extend(convert::verify(given, &mapped.tiling, &mapped.decisions, &mapped.circuit));
    faults.extend(place::verify(given, &mapped.tiling, &mapped.circuit, &mapped.placement));
    faults.extend(schedule::verify(mapped));
    assert_eq!(faults, Vec::<String>::new(), "{seed}\n{text}");
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    let results = [0, 1].map(|of| nmc_runtime::run(&image.programs[of], &options).unwrap());
    let [exact, on_chip] = [0, 1].map(|of| values(&results[of], "y"));
    assert!(!exact.is_empty() && exact.len() == on_chip.len());
    for (a, b) in exact.iter().zip(on_chip) {
        assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{seed}: {a} {b}\n{text}");
    }
    mapped.circuit.nets.iter().any(|net| net.is_analog())
}

#[test]
fn ideal_chips_give_what_networks_say() {
    let analog = (0..40).filter(|&seed| agree(seed)).count();
    assert!((3..35).contains(&analog), "{analog} of 40 are analog somewhere");
}

#[test]
#[ignore = "minutes"]
fn many_ideal_chips_give_what_networks_say() {
    assert!((0..500).filter(|&seed| agree(seed)).count() > 60);
}
