//! Images with one field changed: refused, or run, but never a panic. And the format of an image is known.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::{Access, Image, Inst, Program};
use nmc_runtime::{EngineKind, RunOptions, Simulation};
use serde_json::Value;

const PROGRAMS: [&str; 3] = [
    include_str!("../examples/hello_spikes.nmc"),
    "
use std.neuron.{lif, poisson}
use std.plasticity.stdp

network net(s: spikes[3]) {
    population source: poisson[5](rate: 100 Hz)
    population target: lif[4](tau_m: normal(20 ms, 2 ms))
    connect learnt: source -> target {
        pattern: random(p: 50 %), weight: uniform(1 mV, 3 mV), delay: uniform(1 ms, 5 ms), plasticity: stdp(w_max: 5 mV)
    }
    connect s -> target { pattern: list(sources: [0, 1], targets: [1, 2]), weight: 1 mV, delay: 2 ms }
    connect target -> target { pattern: fixed_in_degree(2), weight: -1 mV }
    probe target.v every 0.7 ms
    probe source.spikes
    probe learnt.w every 10 ms
}
experiment learning { deploy net; run for 5 ms { s: spikes([0, 1, 2], [1, 20, 36]) }; run for 3 ms { s: spikes([2], [10]) } }
",
    "
use std.code.{count, latency, rate}
use std.unit.digital_alu

device cell {
    conductance: 1 uS .. 101 uS; levels: 16; faults: [stuck_off(1 %)]; noise programming: normal(0, 2 % of g)
    noise read: normal(0, 2 % of g)
}
tile array {
    cells: cell[32, 64]; weights: differential; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 40 ns; wire: ideal
}
core cim { tiles: array[2]; units: digital_alu; buffer: 64 kB }
chip board { cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }
network net(x: real[2]) -> (y: real[1]) {
    x |> dense([[1, 0], [0, 1], [0.5, 0.5], [1, -1]]) |> relu |> dense(1, fit: ridge(1e-3), bias: true) -> y
}
experiment readout {
    deploy net on board { calibrate: [[1, 1], [0.5, -1]] }
    data a = [[1, 0], [0, 1], [1, 1], [-1, 0.5]]
    train { x: a, skip: 1 } expect y == [1, 2, 3, 0]
    test { x: a } measure first = nrmse(y, [1, 2, 3, 0])
    test sequence { x: a } measure second = mse(y, [1, 2, 3, 0])
    require first < 2
}
network coded(x: real[2]) -> (y: real[2]) { x |> rate(peak: 1 kHz) |> count -> y }
network timed(x: real[2]) -> (y: real[2]) { x |> latency(window: 2 ms) |> count -> y }
experiment counted {
    deploy coded { step: 0.1 ms }
    test { x: [[1, 0.5], [0.1, 0.3]] } for 3 ms expect argmax(y) == [0, 1]
}
experiment early {
    deploy timed { step: 0.1 ms }
    test { x: [[1, 0.5], [0.1, 0.3]] } for 3 ms measure a = max(y)
}
",
];

fn programs() -> Vec<Program> {
    let image = |text: &str| {
        let compilation = compile("image.nmc", text, &NoFiles, &Options::default());
        compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics)).programs
    };
    PROGRAMS.iter().flat_map(|text| image(text)).collect()
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// The places of all leaves but those of the report, which no run reads.
fn leaves(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| leaves(item, &format!("{place}/{i}"), found))
        }
        Value::Object(fields) => {
            fields
                .iter()
                .filter(|(key, _)| *key != "layout")
                .for_each(|(k, v)| leaves(v, &format!("{place}/{k}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(place.to_string()),
    }
}

fn change(whole: &Value, places: &[String], random: &mut Random) -> Value {
    let mut changed = whole.clone();
    let place = &places[random.below(places.len())];
    let other = whole.pointer(&places[random.below(places.len())]).cloned();
    if let Some(leaf) = changed.pointer_mut(place) {
        let number = leaf.as_u64();
        *leaf = match (random.below(9), number) {
            (0, _) => 0.into(),
            (1, Some(number)) => (number.wrapping_add(1)).into(),
            (2, Some(number)) => (number.wrapping_sub(1)).into(),
            (3, _) => u32::MAX.into(),
            (4, _) => (u64::MAX >> 1).into(),
            (5, _) => (1_u64 << 31).into(),
            (6, _) => 1e300.into(),
            (7, _) => Value::Bool(leaf != &Value::Bool(true)),
            (_, _) => other.unwrap_or(Value::Null),
        };
    }
    changed
}

/// Whether it would end soon: what runs long is no panic.
fn is_short(program: &Program) -> bool {
    program.phases.iter().all(|phase| (phase.samples as u64).saturating_mul(u64::from(phase.ticks).max(1)) < 10_000)
}

/// Whether it was run.
fn runs(program: &Program, engine: EngineKind) -> bool {
    let options = RunOptions { seed: 1, engine, threads: 1, memory: 64 << 20, progress: None };
    if nmc_runtime::check(program, &options).is_err() || !is_short(program) {
        return false;
    }
    let Ok(mut simulation) = Simulation::new(program, &options) else { return false };
    if simulation.advance(&|| false).is_ok() {
        simulation.results();
    }
    true
}

#[test]
fn a_crafted_image_never_panics() {
    let (mut random, mut ran, mut refused) = (Random(3), 0, 0);
    for program in programs() {
        assert!(runs(&program, EngineKind::Jit), "{}", program.name);
        let whole = serde_json::to_value(&program).unwrap();
        let mut places = Vec::new();
        leaves(&whole, "", &mut places);
        for round in 0..400 {
            let changed = change(&whole, &places, &mut random);
            let Ok(crafted) = serde_json::from_value::<Program>(changed) else { continue };
            let engine = if round % 8 == 0 { EngineKind::Jit } else { EngineKind::Interpreter };
            match catch_unwind(AssertUnwindSafe(|| runs(&crafted, engine))) {
                Ok(true) => ran += 1,
                Ok(false) => refused += 1,
                Err(_) => panic!("{}, round {round}", program.name),
            }
        }
    }
    assert!(ran > 100 && refused > 100, "{ran} ran, {refused} were refused");
}

/// What cannot be made into machine code is not run in another way behind one's back.
#[test]
fn kernels_that_cannot_be_compiled_are_an_error() {
    let text = "
network net(x: real[2]) -> (y: real[2]) { x |> relu -> y }
experiment e { deploy net; test { x: [[1, 2]] } measure m = mean(y) }
";
    let image = compile("kernels.nmc", text, &NoFiles, &Options::default()).image.unwrap();
    let mut program = image.programs[0].clone();
    let kernel = &mut program.kernels[0];
    let stored =
        kernel.body.iter().find_map(|inst| if let Inst::Store { slot, .. } = inst { Some(*slot) } else { None });
    // All elements into one: the code generator does not take that.
    kernel.slots[stored.unwrap() as usize].access = Access::Broadcast { offset: 0 };
    assert_eq!(program.verify(), Vec::<String>::new());
    let run = |engine| {
        let options = RunOptions { seed: 1, engine, threads: 1, memory: 64 << 20, progress: None };
        nmc_runtime::run(&program, &options).map_err(|error| error.code).map(|results| results.samples)
    };
    assert_eq!(run(EngineKind::Jit), Err("E0711"));
    assert_eq!(run(EngineKind::Interpreter), Ok(1));
}

/// The number of every format and the hash of its description. A format is never changed under its number: a change adds a line here,
/// and raises [`Image::FORMAT`].
const FORMATS: &[(u32, u64)] = &[
    (3, 0xe300_d385_7119_3c47),
    (5, 0xb6e7_99c8_512c_9e49),
    (6, 0xb9f5_bd74_7c7d_449f),
    (7, 0x28ff_ff18_fc93_21e8),
    (8, 0x6c8f_8b34_15bc_9edc),
    (9, 0x413c_4f49_9dcd_b597),
    (10, 0x075c_b31e_13ac_d184),
    (11, 0x1570_5901_5705_e64f),
    (12, 0x88d7_be48_db11_1f2c),
    (13, 0x3951_df73_feec_0c4b),
    (14, 0xacd3_9fdd_5a50_8016),
    (15, 0x8885_f6c5_e3ee_3ca9),
    (16, 0x40f5_f236_3fd0_411d),
    (17, 0x7c01_3223_8dda_55d6),
    (18, 0xc7f5_a403_589a_d53f),
];

#[test]
fn the_format_has_the_number_that_it_should() {
    let mut tracer = serde_reflection::Tracer::new(serde_reflection::TracerConfig::default());
    tracer.trace_simple_type::<Image>().unwrap();
    macro_rules! trace { ($($of:ident)*) => { $(tracer.trace_simple_type::<nmc_program::$of>().unwrap();)* } }
    trace!(Access Aggregate Amount Binary Compare ComponentKind Count Delay Draw Effect Fit Initial InputFeed Inst Len Loss MetricKind);
    trace!(Op Over Owner Pattern PhaseKind Precision Probed Reduction Scheme Source Target TensorData To Unary Update WeightSource WrittenBy);
    let described = format!("{:?}", tracer.registry().unwrap());
    let hash = described
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(
        FORMATS.last(),
        Some(&(Image::FORMAT, hash)),
        "the format has changed: raise its number, add a line\n{described}"
    );
    let mut known: Vec<_> = FORMATS.iter().map(|(_, hash)| hash).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), FORMATS.len());
}
