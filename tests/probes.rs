//! What probes record besides values: rates of populations, histograms, values at the start of steps. Oracles: by hand.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_runtime::{EngineKind, Recorded, Recording, Results, RunOptions, Simulation};
use nmc_tests::{ENGINES, codes, recorded, run, told, values};

/// One experiment of 0.1 ms steps on both engines, which say the same.
#[track_caller]
fn ran(network: &str, phases: &str) -> Results {
    let text = format!("{network}\nexperiment e {{ deploy net {{ step: 0.1 ms }}; {phases} }}\n");
    let [first, second] = ENGINES.map(|engine| run("probes.nmc", &text, &NoFiles, engine).swap_remove(0));
    assert_eq!(first.recordings, second.recordings);
    first
}

#[track_caller]
fn near(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len(), "{found:?} for {wanted:?}");
    let all = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1e-3));
    assert!(all, "{found:?} for {wanted:?}");
}

fn times(results: &Results, name: &str) -> Vec<f64> {
    match recorded(results, name) {
        Recorded::Values { times, .. } | Recorded::Histogram { times, .. } => times.clone(),
        Recorded::Spikes { .. } | Recorded::Synapses { .. } => panic!("{name} has no rows"),
    }
}

/// `cell.v[1]` is `cell[1].v`.
#[test]
fn elements_may_stand_behind_what_is_recorded() {
    let net = |probe: &str| {
        format!(
            "neuron rises(slope: frequency) {{ state v: real = 0; v' = slope }}
network net() {{ population a: rises[3](slope: (1 + i) * 1 kHz); probe {probe} every 0.2 ms }}"
        )
    };
    for (before, behind) in [("a[1].v", "a.v[1]"), ("a[1..3].v", "a.v[1..3]")] {
        let [before, behind] = [before, behind].map(|probe| ran(&net(probe), "run for 1 ms"));
        assert_eq!(before.recordings, behind.recordings);
    }
}

/// Spikes of all elements in intervals of 2 ms, whatever runs they come in; the last interval is cut off.
#[test]
fn a_population_has_a_rate() {
    let net = "
neuron relay() { state v: real = 0; spike when v > 0.5 { v = 0 } }
synapse add { on pre { post.v += w } }
network net(s: spikes[4]) {
    population a: relay[4]()
    connect s -> a { pattern: one_to_one, synapse: add(), weight: 1 }
    probe a.rate every 2 ms
    probe a[2..4].rate every 2 ms
    probe s.spikes
}";
    // A relay fires in the step after: 11, 13, 15, 31, 41, 81.
    let one = ran(net, "run for 9 ms { s: spikes([0, 1, 2, 3, 0, 1], [10, 12, 14, 30, 40, 80]) }");
    near(&times(&one, "a.rate"), &[0.0, 2e-3, 4e-3, 6e-3, 8e-3]);
    near(values(&one, "a.rate"), &[3.0 / 8e-3, 1.0 / 8e-3, 1.0 / 8e-3, 0.0, 1.0 / 4e-3]);
    let Recorded::Values { data, elements: 1, .. } = &one.recordings[1].values else { panic!() };
    near(data, &[1.0 / 4e-3, 1.0 / 4e-3, 0.0, 0.0, 0.0]);
    assert_eq!((one.recordings[1].elements, one.recordings[1].unit.as_str()), (Some((2, 4)), "Hz"));
    let two = ran(
        net,
        "run for 3.1 ms { s: spikes([0, 1, 2, 3], [10, 12, 14, 30]) }; run for 5.9 ms { s: spikes([0, 1], [9, 49]) }",
    );
    near(&times(&two, "a.rate"), &times(&one, "a.rate"));
    near(values(&two, "a.rate"), values(&one, "a.rate"));
}

/// A parameter of that name that differs from element to element is not what is asked for; a state of that name is.
#[test]
fn sources_have_a_rate_too() {
    let results = ran(
        "use std.neuron.poisson
neuron own() { state rate: real = 3; rate' = 0 / 1 ms; spike when rate > 4 {} }
network net() {
    population a: poisson[2000](rate: 40 Hz + i * 0.01 Hz)
    population b: own[2]()
    probe a.rate every 100 ms
    probe b.rate every 500 ms
}",
        "run for 1 s",
    );
    let rates = values(&results, "a.rate");
    assert_eq!(rates.len(), 10);
    // 50 Hz on average; five sigma of 10,000 spikes.
    assert!(rates.iter().all(|rate| (rate / 50.0 - 1.0).abs() < 0.05), "{rates:?}");
    assert_eq!(values(&results, "b.rate"), [3.0; 4]);
}

const LEARNING: &str = "
neuron cell() { state v: real = START; v' = -v / 10 ms; spike when v > 1e9 {} }
plasticity grow { trace x: real, 5 ms on pre { x += 1 }; on pre { w += 0.25 }; w in 0..1 }
network net(s: spikes[1]) {
    population a: cell[5]()
    connect c: s -> a { weight: j * 0.1, plasticity: grow, synapse: idle() }
    PROBES
}
synapse idle {}";

fn learning(probes: &str, phases: &str) -> Results {
    ran(&LEARNING.replace("PROBES", probes).replace("START", "index * 0.5"), phases)
}

/// Weights 0, 0.1, 0.2, 0.3, 0.4, each higher by 0.25 after the spike, counted between the bounds of the rule; once more at the end.
#[test]
fn weights_are_counted_in_bins() {
    let results = learning("probe c.w histogram 4 every 1 ms", "run for 3 ms { s: spikes([0], [15]) }");
    let Recorded::Histogram { times: at, bins: 4, counts, edges } = recorded(&results, "c.w") else { panic!() };
    near(at, &[0.0, 1e-3, 2e-3, 3e-3]);
    near(counts, &[3.0, 2.0, 0.0, 0.0, 3.0, 2.0, 0.0, 0.0, 0.0, 3.0, 2.0, 0.0, 0.0, 3.0, 2.0, 0.0]);
    near(edges, &[0.0, 0.25, 0.5, 0.75, 1.0].repeat(4));
    // Without bounds the bins lie between the least and the largest value, each time.
    let results = learning("probe a[1..5].v histogram 4 every 2 ms from start", "run for 3 ms { s: spikes([0], [1]) }");
    let Recorded::Histogram { counts, edges, .. } = recorded(&results, "a.v") else { panic!() };
    near(counts, &[1.0; 8]);
    let decayed = (-0.2_f64).exp();
    let wanted = [1.0, decayed].map(|left| [0.5, 0.875, 1.25, 1.625, 2.0].map(|edge| edge * left));
    near(edges, &wanted.concat());
    assert_eq!(results.recordings[0].elements, Some((1, 5)));
    // All alike, and none at all times but the end.
    let results = learning("probe c.w histogram 2", "run for 3 ms { s: spikes([0], [1]) }");
    near(&times(&results, "c.w"), &[3e-3]);
}

/// From the start: the first row is the initial value, and every row what the row before was at its end. Of states, of what is
/// computed from them, of traces; also where a run goes on.
#[test]
fn values_are_recorded_from_the_start() {
    let both = |start: &str| {
        let probes = format!("probe a[1..3].v, c.x every 0.1 ms {start}; probe c.w every 0.1 ms {start}");
        let results =
            learning(&probes, "run for 0.5 ms { s: spikes([0], [2]) }; run for 0.5 ms { s: spikes([0], [2]) }");
        let Recorded::Synapses { data, .. } = recorded(&results, "c.w") else { panic!() };
        [values(&results, "a.v").to_vec(), values(&results, "c.x").to_vec(), data.clone()]
    };
    let (ends, starts) = (both(""), both("from start"));
    let first = [vec![0.5, 1.0], vec![0.0], vec![0.0, 0.1, 0.2, 0.3, 0.4]];
    for ((end, start), first) in ends.iter().zip(&starts).zip(first) {
        near(&start[..first.len()], &first);
        // Of weights there is a row at the end, too.
        let rows = 9 * first.len();
        assert_eq!(&start[first.len()..][..rows], &end[..rows]);
    }
    // What is computed: an output.
    let text = |start: &str| {
        format!(
            "device leaky {{ state s: real = 2; s' = -s / 1 ms; conductance = s * 1 uS }}
network net() {{ population d: leaky[1](); probe d.conductance every 1 ms {start} }}"
        )
    };
    let results = ran(&text("from start"), "run for 2 ms; run for 1 ms");
    near(values(&results, "d.conductance"), &[2e-6, 2e-6 * (-1.0_f64).exp(), 2e-6 * (-2.0_f64).exp()]);
}

/// What cannot be is told.
#[test]
fn what_cannot_be_recorded_so_is_told() {
    let text = |probe: &str| {
        LEARNING.replace("PROBES", probe).replace("START", "0.5")
            + "\nexperiment e { deploy net; run for 1 ms { step: 0.1 ms, s: spikes([0], [1]) } }"
    };
    let errors = |text: &str| codes(text).into_iter().filter(|code| code.starts_with('E')).collect::<Vec<_>>();
    assert_eq!(errors(&text("probe a.v histogram 5 every 1 ms from start")), [""; 0]);
    for (probe, code) in [
        ("probe a.spikes histogram 5", "E0305"),
        ("probe a.rate every 1 ms from start", "E0305"),
        ("probe a.v histogram 0", "E0303"),
        ("probe a.v histogram 100000", "E0306"),
        ("probe a.v histogram 1 ms", "E0302"),
        ("probe a.v bins 5", "E0101"),
        ("probe a.v from end", "E0101"),
        ("probe a.v histogram 5 histogram 6", "E0101"),
        ("probe s.rat", "E0201"),
    ] {
        assert_eq!(errors(&text(probe)), [code], "{probe}");
    }
    let help = told(&text("probe a.v histogram")).into_iter().find_map(|told| told.help);
    assert_eq!(help.as_deref(), Some("say how many bins: `histogram 50`"));
    let all = "network n(x: real[2]) -> (y: real[2]) { x |> relu -> y }
experiment e { deploy n; test { x: [[1, 2]] } measure low = min(y), high = max(y) }";
    let help = told(all).into_iter().find_map(|told| told.help);
    assert_eq!(help.as_deref(), Some("say `measure` again: `measure low = min(y) measure high = max(y)`"));
}

/// What is handed on after every step, and then at the end, is what a run has that keeps all: intervals of rates that runs cut, too. Oracle (cross).
#[test]
fn recordings_may_be_taken_as_they_come() {
    let text = "use std.neuron.{lif, poisson}
use std.plasticity.stdp
network net() {
    population s: poisson[20](rate: 300 Hz)
    population a: lif[10](bias: 0.12 nA)
    connect c: s -> a { weight: uniform(1 mV, 3 mV), plasticity: stdp(w_max: 5 mV) }
    probe s.rate, a.rate every 0.7 ms
    probe a.v histogram 6 every 0.3 ms
    probe c.w histogram 4 every 1 ms
    probe a.v, c.w every 1 ms
}
experiment e { deploy net; run for 530.3 ms; run for 310.1 ms; run for 200 ms { restart: true } }";
    let compilation = compile("taken.nmc", text, &NoFiles, &Options::default());
    let image = compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    let whole = nmc_runtime::run(&image.programs[0], &options).unwrap();
    let mut simulation = Simulation::new(&image.programs[0], &options).unwrap();
    let (mut parts, mut rows, mut steps) = (Vec::new(), 0, 0);
    while !simulation.advance(&|| true).unwrap() {
        parts.push(simulation.recorded());
        steps += 1;
        let of = |recording: &Recording| match &recording.values {
            Recorded::Values { times, .. } | Recorded::Synapses { times, .. } | Recorded::Histogram { times, .. } => {
                times.len()
            }
            Recorded::Spikes { .. } => 0,
        };
        rows = rows.max(parts.last().unwrap().iter().map(of).max().unwrap());
    }
    assert!(steps > 4 && rows < 2500, "{rows} rows at once");
    parts.push(simulation.results().recordings);
    for (at, recording) in whole.recordings.iter().enumerate() {
        let each = || parts.iter().map(|part| &part[at].values);
        let (mut time, mut numbers) = (Vec::new(), [Vec::new(), Vec::new()]);
        for values in each() {
            match values {
                Recorded::Values { times, data, .. } | Recorded::Synapses { times, data, .. } => {
                    time.extend_from_slice(times);
                    numbers[0].extend_from_slice(data);
                }
                Recorded::Histogram { times, counts, edges, .. } => {
                    time.extend_from_slice(times);
                    numbers[0].extend_from_slice(counts);
                    numbers[1].extend_from_slice(edges);
                }
                Recorded::Spikes { .. } => panic!(),
            }
        }
        let (wanted, known) = match &recording.values {
            Recorded::Values { times, data, .. } | Recorded::Synapses { times, data, .. } => {
                (times, [data.clone(), Vec::new()])
            }
            Recorded::Histogram { times, counts, edges, .. } => (times, [counts.clone(), edges.clone()]),
            Recorded::Spikes { .. } => panic!(),
        };
        assert!(time == *wanted && numbers == known, "{}", recording.name);
    }
}

/// What reaches an input: a signal, and currents of synapses at the end of the step. Oracle: both written out.
#[test]
fn inputs_are_recorded() {
    let text = "
use std.synapse.exp_current
neuron cell() { input i: current; input x: real; state v: voltage = 0 mV; v' = (i * 100 Mohm + x * 1 mV - v) / 20 ms }
network net(s: spikes[1], drive: real[2]) {
    population a: cell[2]()
    drive * 1 nA -> a.i
    drive -> a.x
    connect s -> a { synapse: exp_current(tau: 5 ms), weight: 10 pA + j * 5 pA }
    probe a.i, a.x
    probe a[1].i every 0.2 ms
}
experiment e { deploy net; run for 2 ms { step: 0.1 ms, s: spikes([0, 0], [3, 7]), drive: [[0.5, 2]] } }";
    for engine in ENGINES {
        let results = &run("inputs.nmc", text, &NoFiles, engine)[0];
        let (i, x) = (values(results, "a.i"), values(results, "a.x"));
        for step in 0..20 {
            for (cell, drive) in [(0, 0.5), (1, 2.0)] {
                let of = |at: usize| if step >= at { (-((step - at) as f64) * 0.1 / 5.0_f64).exp() } else { 0.0 };
                let wanted = drive * 1e-9 + (10e-12 + cell as f64 * 5e-12) * (of(3) + of(7));
                assert!((i[2 * step + cell] - wanted).abs() < 1e-20, "{step} {cell}: {} {wanted}", i[2 * step + cell]);
                assert_eq!(x[2 * step + cell], drive);
            }
        }
    }
}
