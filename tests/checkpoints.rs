//! A simulation stopped anywhere, saved, and gone on with in another gives what one that was never stopped gives.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::{Image, Precision};
use nmc_runtime::checkpoint::Origin;
use nmc_runtime::chips::Reached;
use nmc_runtime::{Checkpoint, EngineKind, Results, RunOptions, Simulation};

/// Runs, plasticity, delays that differ, sources of every kind, recordings.
const LEARNING: &str = "
use std.neuron.{lif, poisson}
use std.plasticity.stdp

neuron noisy(tau: time = 10 ms) {
    state v: voltage = 0 mV
    state slow: voltage = 20 mV
    v' = -v / tau + 1 mV * sqrt(2 / tau) * xi
    slow' = -slow / 100 s
    spike when v > 2 mV { v = 0 mV; hold v for 2 ms }
}
synapse depressing(tau: time = 100 ms) {
    state r: real = uniform(0.2, 0.4)
    r' = (1 - r) / tau
    on pre { post.v += w * r; r -= 0.5 * r }
}
network net(s: spikes[3]) {
    population source: poisson[20](rate: 100 Hz)
    population fast: poisson[4](rate: 20 kHz)
    population noise: noisy[4]()
    connect fast -> noise { pattern: all_to_all, weight: 0.05 mV, synapse: depressing(), delay: uniform(1 ms, 3 ms) }
    probe noise.v every 1 ms
    probe noise.slow every 1 ms
    probe noise.spikes
    population target: lif[10](tau_m: normal(20 ms, 2 ms))
    connect learnt: source -> target {
        pattern: random(p: 50 %), weight: uniform(1 mV, 3 mV), delay: uniform(1 ms, 5 ms), plasticity: stdp(w_max: 5 mV)
    }
    connect s -> target { pattern: all_to_all, weight: 1 mV, delay: 2 ms }
    probe target.v every 0.7 ms
    probe source.spikes, target.spikes
    probe learnt.w every 10 ms
}
experiment learning {
    deploy net
    run for 37.3 ms { s: spikes([0, 1, 2], [1, 20, 360]) }
    run for 20 ms { s: spikes([2], [10]) }
    run for 20 ms { s: spikes([2], [10]), restart: true }
}
";

/// Training and testing, in sequence and not, of a readout on noisy arrays behind neurons.
const READOUT: &str = "
use std.code.{count, rate}
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
    h = x |> dense([[1, 0], [0, 1], [0.5, 0.5], [1, -1]]) |> relu
    h |> dense(1, fit: ridge(1e-3), bias: true) -> y
    probe h
}
experiment readout {
    deploy net on board { calibrate: [[1, 1], [0.5, -1]] }
    data a = [[1, 0], [0, 1], [1, 1], [-1, 0.5]]
    train { x: a } expect y == [1, 2, 3, 0]
    test { x: a } measure first = nrmse(y, [1, 2, 3, 0])
    train sequence { x: a } expect y == [105, 107, 112, 100]
    test sequence { x: a } measure second = nrmse(y, [105, 107, 112, 100])
}
network coded(x: real[1]) -> (y: real[1]) { x |> rate(peak: 1 kHz) |> count -> y }
experiment counted {
    deploy coded { step: 0.1 ms }
    data d = iterate(70) { x = 0.3 -> 3.9 * x * (1 - x) }
    test { x: d.x } for 10 ms measure a = mean(y)
    test sequence { x: d.x } for 10 ms measure b = mean(y)
}
";

/// Weights that are learned in noisy cells, in batches and epochs.
const GRADIENTS: &str = "
use std.unit.digital_alu

device cell {
    conductance: 1 uS .. 101 uS; faults: [stuck_off(1 %)]; noise programming: normal(0, 2 % of g)
    size = normal(0.5 uS, 0.1 uS)
    potentiation: abs(size) * (g_max - g) / range; depression: abs(size) * (g - g_min) / range
    noise pulse: normal(0, 30 % of step); noise read: normal(0, 1 % of g)
}
tile array {
    cells: cell[32, 64]; weights: differential; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 40 ns; wire: ideal
    transposable: true; fast: cell
}
core cim { tiles: array[2]; units: digital_alu; buffer: 64 kB }
chip board { cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }
network net(x: real[2]) -> (y: real[2]) { x |> dense(8, bias: true) |> tanh |> dense(2, bias: true) -> y }
experiment on_chip {
    deploy net on board { calibrate: [[1, 1], [0.5, -1]] }
    train { x: [[1, 0], [0, 1], [1, 1], [0, 0]] } expect argmax(y) == [1, 1, 0, 0] by backprop(rate: 0.3, batch: 3, epochs: 40)
    train { x: [[1, 0], [0, 1], [1, 1], [0, 0]] } expect argmax(y) == [1, 1, 0, 0] by mixed_precision(rate: 0.3, epochs: 5)
    train { x: [[1, 0], [0, 1], [1, 1], [0, 0]] } expect argmax(y) == [1, 1, 0, 0]
        by two_arrays(rate: 0.3, batch: 3, epochs: 40, every: 2, buffer: true, choppers: 20 %)
    test { x: [[1, 0], [0, 1], [1, 1], [0, 0]] } expect argmax(y) == [1, 1, 0, 0]
}
experiment exact {
    deploy net
    train { x: [[1, 0], [0, 1], [1, 1], [0, 0]] } expect argmax(y) == [1, 1, 0, 0]
        by backprop(rate: cosine(0.3), warm_up: 2, batch: 2, epochs: 40, held_out: 25 %, patience: 30)
    test { x: [[1, 0], [0, 1], [1, 1], [0, 0]] } expect argmax(y) == [1, 1, 0, 0]
}
";

fn image(text: &str, precision: Precision) -> Image {
    let compilation = compile("checkpoint.nmc", text, &NoFiles, &Options { precision, ..Options::default() });
    compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
}

fn options(engine: EngineKind, threads: usize) -> RunOptions<'static> {
    RunOptions { seed: 5, engine, threads, memory: 16 << 30, progress: None }
}

/// Without the seconds, which differ.
fn timeless(results: Results) -> Results {
    Results { jit_seconds: 0.0, load_seconds: 0.0, run_seconds: 0.0, ..results }
}

fn every_program(mut each: impl FnMut(&nmc_program::Program)) {
    for text in [LEARNING, READOUT, GRADIENTS] {
        for precision in [Precision::F32, Precision::F64] {
            image(text, precision).programs.iter().for_each(&mut each);
        }
    }
}

#[test]
fn stopped_at_every_step_it_ends_the_same() {
    every_program(|program| {
        let one = options(EngineKind::Jit, 1);
        let wanted = timeless(nmc_runtime::run(program, &one).unwrap());
        // Who goes on may use another number of threads.
        let two = options(EngineKind::Jit, 2);
        let (mut steps, mut simulation) = (1, Simulation::new(program, &one).unwrap());
        while !simulation.advance(&|| true).unwrap() {
            let state = simulation.save();
            simulation = Simulation::new(program, if steps % 2 == 0 { &one } else { &two }).unwrap();
            simulation.restore(&state).unwrap();
            steps += 1;
        }
        assert!(steps > 4, "{}: {steps} steps", program.name);
        assert!(timeless(simulation.results()) == wanted, "{}", program.name);
    });
}

/// Whatever stands in a state, nothing panics: it is refused, or is the state of some other run.
#[test]
fn a_crafted_state_does_no_harm() {
    let mut random = 1_u64;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    let (refused, taken) = (RefCell::new(0), RefCell::new(0));
    every_program(|program| {
        let options = options(EngineKind::Jit, 1);
        for steps in [0, 3, 9] {
            let mut simulation = Simulation::new(program, &options).unwrap();
            let ended = (0..steps).any(|_| simulation.advance(&|| true).unwrap());
            let state = simulation.save();
            for _ in 0..if ended { 0 } else { 60 } {
                let mut crafted = state.clone();
                match below(3) {
                    0 => crafted[below(state.len())] = below(256) as u8,
                    // Where the position stands.
                    1 => crafted[below(state.len().min(80))] ^= 1 << below(8),
                    _ => crafted.truncate(below(state.len())),
                }
                let went = catch_unwind(AssertUnwindSafe(|| {
                    let mut simulation = Simulation::new(program, &options).unwrap();
                    if simulation.restore(&crafted).is_err() {
                        return false;
                    }
                    let _ = simulation.advance(&|| false);
                    simulation.results();
                    true
                }));
                *(if went.unwrap() { taken.borrow_mut() } else { refused.borrow_mut() }) += 1;
            }
        }
    });
    assert!(refused.into_inner() > 100 && taken.into_inner() > 100);
}

#[test]
fn a_checkpoint_of_another_run_or_a_damaged_one_is_refused() {
    let image = image(LEARNING, Precision::F32);
    let options = options(EngineKind::Jit, 1);
    let origin = Origin::new(&image.programs, &options, vec![1]);
    let mut simulation = Simulation::new(&image.programs[0], &options).unwrap();
    simulation.advance(&|| true).unwrap();
    let checkpoint =
        Checkpoint { under_way: Some((1, vec![Reached::State(simulation.save())])), ..Checkpoint::default() };
    let bytes = checkpoint.encode(&origin);
    assert_eq!(Checkpoint::decode(&bytes, &origin), Ok(checkpoint));
    let code = |bytes: &[u8], origin: &Origin| Checkpoint::decode(bytes, origin).map_err(|error| error.code);
    let others = [
        Origin::new(&image.programs, &RunOptions { seed: 6, ..options }, vec![1]),
        Origin::new(&image.programs, &RunOptions { engine: EngineKind::Interpreter, ..options }, vec![1]),
        Origin::new(&[], &options, vec![1]),
        Origin::new(&image.programs, &options, vec![2]),
    ];
    for other in &others {
        assert_eq!(code(&bytes, other), Err("E0709"));
    }
    let threads = Origin::new(&image.programs, &RunOptions { threads: 7, ..options }, vec![1]);
    assert!(code(&bytes, &threads).is_ok());
    for at in (0..bytes.len()).step_by(7) {
        assert!(code(&bytes[..at], &origin).is_err(), "cut to {at}");
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(code(&changed, &origin).is_err(), "changed at {at}");
    }
}
