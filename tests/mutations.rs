//! Programs with a slip in them: never a panic, few errors for one mistake.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_compiler::{Options, compile};

struct Nothing;

impl Files for Nothing {
    fn module(&self, _: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        Err(FileProblem::NotFound(format!("there is no file {path}")))
    }
}

/// What the slips are made in: spikes, learning, and a layer on a chip with every kind of hardware block.
const PROGRAMS: &[&str] = &[
    include_str!("../examples/hello_spikes.nmc"),
    include_str!("../examples/stdp.nmc"),
    r"
/// A cell.
device cell {
    conductance: 10 uS .. 200 uS
    levels: 16
    noise read: normal(0, 1 % of g)
    faults: [stuck_on(0.1 %), stuck_off(0.5 %)]
    programming: write_verify(pulses: 8, pulse_energy: 1 pJ)
    cell_area: 0.5 um2
}
converter adc(bits: int = 8): current -> bits(bits) { energy: 2 pJ * 2^(bits - 8); area: 1200 um2; time: 1 ns * bits }
converter dac(bits: int = 4): bits(bits) -> voltage { energy: 0.1 pJ; area: 20 um2; time: 1 ns * 2^bits }
unit rectifier: voltage -> voltage { implements: relu; y = clamp(x, 0, 1); energy: 20 fJ; area: 30 um2; time: 5 ns }
unit logic: bits(16) -> bits(16) { implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }
tile xbar(sense_bits: int = 6) {
    cells: cell[4, 8]; weights: differential; input: dac(bits: 4) or voltage; sense: adc(bits: sense_bits)
    sharing: 2; read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 0.02 mm2
}
core cim { tiles: xbar[2](sense_bits: 7); units: [rectifier[8], logic]; buffer: 64 kB; area: 0.05 mm2 }
chip small {
    cores: grid(2, 2) of cim
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)
    host: spi(energy: 5 pJ per bit); static_power: 1 mW
}
neuron integrate(v_thresh: voltage = 1 mV) { state v: voltage = 0 mV; spike when v >= v_thresh { v -= v_thresh } }
network layers(x: real[4], k: int = 2) -> (y: real[3]) {
    h = x |> dense([[1, 2, 3, 4], [0.5, -1, 2, 0], [1, 1, -1, 1]], bias: [1, 0, -1]) |> relu
    if k > 1 { h * 2 -> y } else { h -> y }
}
experiment e {
    deploy layers(k: 3) on small { minimise: energy; accuracy_loss: 5 % }
    data d = iterate(12) { x = 0.1, y = 0.1 -> 1 - 1.4 * x^2 + y, 0.3 * x }
    test { x: [[1, 0, 0, 1], [0, 1, 1, 0]] } expect argmax(y) == [0, 1]
    require accuracy >= 0 %
    report accuracy, energy
}
",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Words, numbers, signs and blanks.
fn pieces(text: &str) -> Vec<&str> {
    let (mut found, mut from) = (Vec::new(), 0);
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut before = None;
    for (at, c) in text.char_indices() {
        if before.is_some_and(|b| !(word(b) && word(c))) {
            found.push(&text[from..at]);
            from = at;
        }
        before = Some(c);
    }
    found.push(&text[from..]);
    found
}

/// One slip: something left out, twice, in the wrong place, misspelt, or of another kind.
fn slip(text: &str, random: &mut Random) -> String {
    let mut pieces: Vec<String> = pieces(text).into_iter().map(String::from).collect();
    let at = loop {
        let at = random.below(pieces.len());
        if !pieces[at].trim().is_empty() {
            break at;
        }
    };
    match random.below(7) {
        0 => drop(pieces.remove(at)),
        1 => pieces.insert(at, pieces[at].clone()),
        2 => {
            let other = random.below(pieces.len());
            pieces.swap(at, other);
        }
        3 => pieces[at].push('x'),
        4 => {
            pieces[at] =
                ["0", "-1", "1e300", "mV", "}", "(", "\"", "spikes", "[]", "1e-300 s"][random.below(10)].to_string()
        }
        5 => {
            let length = random.below(12);
            pieces.drain(at..(at + length).min(pieces.len()));
        }
        _ => {
            let other = random.below(pieces.len());
            pieces[at] = pieces[other].clone();
        }
    }
    pieces.concat()
}

#[test]
fn a_slip_is_told_in_few_errors() {
    let (mut random, mut wrong, mut told) = (Random(7), 0, 0);
    for round in 0..3000 {
        let program = slip(PROGRAMS[round % PROGRAMS.len()], &mut random);
        let options = Options::default();
        let compiled = catch_unwind(AssertUnwindSafe(|| compile("slip.nmc", &program, &Nothing, &options)));
        let Ok(compiled) = compiled else { panic!("round {round}:\n{program}") };
        let errors = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let codes: Vec<_> = compiled.diagnostics.iter().map(|diagnostic| diagnostic.code.number()).collect();
        assert!(errors <= 20, "round {round}: {errors} errors\n{program}");
        assert!(!codes.contains(&"E0999"), "round {round}: {:?}\n{program}", compiled.diagnostics);
        wrong += usize::from(errors > 0);
        told += errors;
    }
    assert!(wrong > 1000, "the slips did nothing");
    assert!(told <= 2 * wrong, "{told} errors for {wrong} mistakes");
}
