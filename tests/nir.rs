//! Graphs of NIR: what they do after import, and what is refused.

use std::path::{Path, PathBuf};

use nmc_grammar::codes::Code;
use nmc_host::disk::Folder;
use nmc_host::nir::{Time, export, import};
use nmc_runtime::EngineKind;
use nmc_tests::dice::Dice;
use nmc_tests::{ENGINES, spikes, values};

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/data").join(file)
}

fn expected(graph: &str, name: &str) -> Vec<f64> {
    let file = nmc_host::data::read(&data(&format!("{graph}.npz"))).unwrap();
    let tensor = file.arrays.iter().find(|stored| stored.name == name).unwrap().tensor().unwrap();
    (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect()
}

/// NIR's equations as NumPy solved them (reference/data/nir_graphs.py): every spike in its step, values to 1e-9.
/// `populations`: their names in the program and in the file, and how many neurons they have; `ends`: outputs that are values.
#[track_caller]
fn gives(
    graph: &str,
    time: (&str, usize),
    populations: &[(&str, &str, usize)],
    ends: &[(&str, &str)],
    engine: EngineKind,
) {
    fires(graph, &std::fs::read(data(&format!("{graph}.nir"))).unwrap(), time, populations, ends, engine);
}

/// The same of a file that holds the graph.
#[track_caller]
fn fires(
    graph: &str,
    bytes: &[u8],
    (step, ticks): (&str, usize),
    populations: &[(&str, &str, usize)],
    ends: &[(&str, &str)],
    engine: EngineKind,
) {
    let made = import(bytes, "graph.nir", "net", "net.safetensors", Time::Seconds).unwrap().imported;
    assert_eq!(nmc_grammar::format(&made.program).unwrap(), made.program);
    let folder = std::env::temp_dir().join(format!("nmc-{graph}-{engine:?}-{}-{}", bytes.len(), std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("net.safetensors"), &made.weights).unwrap();
    std::fs::copy(data(&format!("{graph}.npz")), folder.join("data.npz")).unwrap();
    let network = made.program.trim_end().strip_suffix('}').unwrap();
    let hidden = populations.iter().filter(|(name, ..)| !network.contains(&format!("probe {name}.spikes")));
    let probes: String = hidden.map(|(name, ..)| format!("    probe {name}.spikes\n")).collect();
    let output = ends.first().map_or("output", |(output, _)| output);
    let experiment = format!(
        "experiment e {{ deploy net {{ step: {step} }}; data d = load(\"data.npz\")\n\
         test {{ x: d.x every {step} }} for {ticks} * {step} measure m = mean({output}) }}"
    );
    let text = format!("{network}{probes}}}\n{experiment}");
    let results = &nmc_tests::run("net.nmc", &text, &Folder::of(&folder.join("net.nmc")), engine)[0];
    for (name, stored, neurons) in populations {
        let (neuron, tick) = spikes(results, &format!("{name}.spikes"));
        let mut found: Vec<(u64, u32)> = tick.iter().copied().zip(neuron.iter().copied()).collect();
        found.sort_unstable();
        let fired = expected(graph, stored).into_iter().enumerate().filter(|(_, fired)| *fired > 0.0);
        let wanted: Vec<(u64, u32)> = fired.map(|(at, _)| ((at / neurons) as u64, (at % neurons) as u32)).collect();
        assert!(wanted.len() > 20, "{name} is hardly tested by {} spikes", wanted.len());
        assert_eq!(found, wanted, "{name}");
    }
    for (output, stored) in ends {
        let found = values(results, output);
        let wanted = expected(graph, stored);
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-9, "{output}: {found} for {wanted}");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Parameters that differ from neuron to neuron, leaks, resets, a factor, two outputs.
#[test]
fn leaky_neurons_fire_as_their_equations_say() {
    for engine in ENGINES {
        gives("nir_lif", ("1 ms", 200), &[("a", "a", 5), ("b", "b", 4)], &[("volts", "li")], engine);
    }
}

/// A graph in a graph, with a loop in it; i and v are solved together.
#[test]
fn current_based_neurons_in_a_loop_fire_as_their_equations_say() {
    for engine in ENGINES {
        gives("nir_loop", ("1 ms", 150), &[("core_lif", "z", 6)], &[], engine);
    }
}

/// Time constants differ from neuron to neuron.
#[test]
fn current_based_neurons_that_differ_fire_as_their_equations_say() {
    for engine in ENGINES {
        gives("nir_cuba", ("1 ms", 150), &[("d", "d", 5)], &[], engine);
    }
}

/// Factors that differ, a threshold, spikes that come later.
#[test]
fn delays_and_thresholds_act_in_their_step() {
    for engine in ENGINES {
        gives("nir_later", ("1 ms", 150), &[("gate", "gate", 4), ("e", "e", 3)], &[], engine);
    }
}

/// Convolutions, pools and all that changes shapes; integrators without time constants.
#[test]
fn images_pass_convolutions_and_pools() {
    let populations = [("if1", "if1", 64), ("if2", "if2", 64)];
    gives("nir_image", ("1 s", 40), &populations, &[("output", "last")], EngineKind::Jit);
    gives("nir_line", ("1 s", 40), &[("if3", "if3", 6)], &[], EngineKind::Jit);
}

/// A file's milliseconds are its seconds divided by a thousand.
#[test]
fn times_are_in_the_unit_that_is_said() {
    let bytes = std::fs::read(data("nir_loop.nir")).unwrap();
    let program = |time| import(&bytes, "g.nir", "net", "net.safetensors", time).unwrap().imported.program;
    assert!(program(Time::Seconds).contains("cuba_lif[6](tau_syn: 0.004 s, tau_mem: 0.009 s"));
    assert!(program(Time::Milliseconds).contains("cuba_lif[6](tau_syn: 0.004 ms, tau_mem: 0.009 ms"));
}

#[test]
fn cut_files_are_refused_and_damaged_ones_end() {
    let bytes = std::fs::read(data("nir_loop.nir")).unwrap();
    for len in (0..bytes.len()).step_by(61) {
        let refused = import(&bytes[..len], "g.nir", "g", "g.safetensors", Time::Seconds).err().unwrap();
        assert_eq!(refused.code, Code::E0902, "cut to {len} bytes: {}", refused.message);
    }
    let mut dice = Dice::new(7);
    for _ in 0..400 {
        let mut changed = bytes.clone();
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(changed.len());
            changed[at] = dice.below(256) as u8;
        }
        // Whatever it says, it says something.
        let _ = import(&changed, "g.nir", "g", "g.safetensors", Time::Seconds);
    }
}

/// All nodes that cannot be had are told at once, and not what follows from them.
#[test]
fn what_cannot_be_had_is_told_in_one_error() {
    let bytes = std::fs::read(data("nir_refused.nir")).unwrap();
    let refused = import(&bytes, "g.nir", "g", "g.safetensors", Time::Seconds).err().unwrap();
    assert_eq!(refused.code, Code::E0908);
    let told: Vec<&str> = refused.message.lines().skip(1).map(str::trim).collect();
    let expected = [
        "Affine `narrow`: its weights [2, 3] take [3], [4] lead to it",
        "Delay `later`: only the spikes of neurons can be delayed, before they are summed",
        "LIF `slow`: its `tau` is not above 0",
        "Output `sum`: it takes a sum of spikes: outputs are of neurons",
        "Scale `uneven`: its factors are [3], [4] leads to it",
    ];
    assert_eq!(told, expected);
}

/// Out into a file of ours and in again: the same spikes, by NumPy's. What the package `nir` 1.0.8 reads of such a file was looked at by hand.
#[test]
fn what_goes_out_comes_in_again() {
    for (graph, step, ticks, populations, ends) in [
        ("nir_lif", "1 ms", 200, &[("a", "a", 5), ("b", "b", 4)][..], &[("volts", "li")][..]),
        ("nir_loop", "1 ms", 150, &[("core_lif", "z", 6)], &[]),
        ("nir_cuba", "1 ms", 150, &[("d", "d", 5)], &[]),
        ("nir_image", "1 s", 40, &[("if1", "if1", 64), ("if2", "if2", 64)], &[("output", "last")]),
        ("nir_line", "1 s", 40, &[("if3", "if3", 6)], &[]),
        // Factors that differ, a threshold, spikes that come later.
        ("nir_later", "1 ms", 150, &[("gate", "gate", 4), ("e", "e", 3)], &[]),
    ] {
        let bytes = std::fs::read(data(&format!("{graph}.nir"))).unwrap();
        let made = import(&bytes, "graph.nir", "net", "net.safetensors", Time::Seconds).unwrap().imported;
        let folder = std::env::temp_dir().join(format!("nmc-out-{graph}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("net.safetensors"), &made.weights).unwrap();
        std::fs::write(folder.join("net.nmc"), &made.program).unwrap();
        let out = exported(&folder.join("net.nmc"), None, step).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        fires(graph, &out, (step, ticks), populations, ends, EngineKind::Jit);
    }
}

fn exported(program: &Path, network: Option<&str>, step: &str) -> Result<Vec<u8>, String> {
    export(program, network, step).map_err(|failure| {
        let told = failure
            .diagnostics
            .into_iter()
            .map(|diagnostic| format!("{}: {}", diagnostic.code.number(), diagnostic.message));
        told.collect::<Vec<String>>().join("\n")
    })
}

fn written(text: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nmc-networks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{}.nmc", text.len()));
    std::fs::write(&file, text).unwrap();
    file
}

/// Neurons that rest below 0 do not fire when they come in again. Oracle: a neuron at rest is silent, and 12 mV are above its threshold.
#[test]
fn neurons_that_rest_below_zero_come_in_at_rest() {
    let text = "use std.neuron.lif
        network net(s: spikes[2]) {
            population a: lif[2](refractory: 0 s)
            connect s -> a { pattern: one_to_one, weight: 12 mV }
            probe a.spikes
        }";
    let program = written(text);
    let bytes = exported(&program, Some("net"), "0.1 ms").unwrap();
    let made = import(&bytes, "net.nir", "net", "net.safetensors", Time::Seconds).unwrap().imported;
    let folder = program.parent().unwrap();
    std::fs::write(folder.join("net.safetensors"), &made.weights).unwrap();
    let rows = ["[0, 0]", "[0, 0]", "[1, 0]", "[0, 0]", "[0, 1]", "[0, 0]"].join(", ");
    let shown = format!("test {{ s: [[{rows}]] every 0.1 ms }} for 0.6 ms measure m = sum(a_spikes)");
    let text = format!("{}\nexperiment e {{ deploy net {{ step: 0.1 ms }}; {shown} }}", made.program);
    let results = nmc_tests::run("net.nmc", &text, &Folder::of(&folder.join("net.nmc")), EngineKind::Jit);
    assert_eq!(spikes(&results[0], "a.spikes").0, [0, 1], "{text}");
}

/// Volts, ohms and amperes; a spike of a step leaves behind what the synapse's jump would. Oracle: by hand.
#[test]
fn connections_become_linear_nodes() {
    let program = written(
        "use std.neuron.lif
        use std.synapse.exp_current
        network net(s: spikes[2]) {
            population a: lif[2](refractory: 0 s, v_init: 0 V, e_leak: 0 V, v_thresh: 10 mV, v_reset: -5 mV, bias: 0.05 nA)
            population b: lif[1](refractory: 0 s, v_init: -60 mV)
            connect s -> a { pattern: one_to_one, weight: 2 mV }
            connect a -> b { pattern: all_to_all, weight: 10 pA + 5 pA * i, synapse: exp_current(tau: 5 ms), delay: 1 ms }
            probe b.spikes
        }",
    );
    let bytes = exported(&program, None, "0.1 ms").unwrap();
    let made = import(&bytes, "net.nir", "net", "net.safetensors", Time::Seconds).unwrap().imported;
    assert!(made.program.contains("synapse: pass(), weight: 1, delay: 0.001 s }"), "{}", made.program);
    let of = |population: &str| made.program.split(&format!("population {population}: ")).nth(1).unwrap().to_string();
    assert!(of("a").starts_with("lif[2](") && of("b").starts_with("cuba_lif[1]("), "{}", made.program);
    // v_leak holds the bias: 0.05 nA through 100 Mohm. w_in is tau_syn over the step.
    for (population, parameter, wanted) in [
        ("a", "tau", 0.02),
        ("a", "v_leak", 5e-3),
        ("a", "v_reset", -5e-3),
        ("b", "tau_syn", 5e-3),
        ("b", "tau_mem", 0.02),
        ("b", "w_in", 50.0),
    ] {
        let text = of(population);
        let after = text.split(&format!("{parameter}: ")).nth(1).unwrap_or_else(|| panic!("{text}"));
        let number: f64 = after.split([',', ')', ' ', '\n']).next().unwrap().parse().unwrap();
        assert!((number / wanted - 1.0).abs() < 1e-12, "{parameter}: {number} for {wanted}");
    }
    let folder = program.parent().unwrap();
    std::fs::write(folder.join("net.safetensors"), &made.weights).unwrap();
    let weights = nmc_host::data::read(&folder.join("net.safetensors")).unwrap();
    let of = |name: &str| {
        let stored = weights.arrays.iter().find(|stored| stored.name == name).unwrap().tensor().unwrap();
        (0..stored.data.len()).map(|index| stored.data.get(index)).collect::<Vec<f64>>()
    };
    // 2 mV is what w for 0.1 ms leaves through 100 Mohm in 20 ms: some 4 nA.
    let jump = 2e-3 / (1e8 * (0.1f64 / 20.0).exp_m1());
    let close = |found: &[f64], wanted: &[f64]| {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs()), "{found:?} for {wanted:?}");
    };
    close(&of("s_to_a_0.weight"), &[jump, 0.0, 0.0, jump]);
    close(&of("a_to_b_1.weight"), &[10e-12, 15e-12]);
}

/// Neurons that nothing but spikes moves, with a delay, out and in. Oracle: by hand, a jump that has decayed for a step of 1 ms over what that step leaves of an
/// input of 1, where the time constant is 20 ms; and the spikes of the program itself.
#[test]
fn jumps_and_delays_are_the_same_out_and_in() {
    let mut program = written(
        "use std.code.count
        neuron cell { state v: real = 0; v' = -v / 20 ms; spike when v > 1 { v = 0 } }
        synapse jump { on pre { post.v += w } }
        network net(x: real[2]) -> (y: real[2]) {
            population first: source[2]()
            population a: cell[2]()
            population b: cell[2]()
            x -> first.x
            connect first -> a { pattern: one_to_one, synapse: jump(), weight: 0.6, delay: 0 ms }
            connect a -> b { pattern: one_to_one, synapse: jump(), weight: 0.95, delay: 2 ms }
            b |> count -> y
            probe a.spikes, b.spikes
        }
        neuron source { input x: real; state v: real = 0; v' = (x - v) / 20 ms; spike when v > 1 { v = 0 } }",
    );
    let fired = |program: &Path| {
        let text = std::fs::read_to_string(program).unwrap()
            + "\nexperiment e { deploy net { step: 1 ms }; test { x: [[4, 5]] } for 100 ms measure m = mean(y) }";
        let results = nmc_tests::run("net.nmc", &text, &Folder::of(program), EngineKind::Jit);
        ["a.spikes", "b.spikes"].map(|name| spikes(&results[0], name).0.len())
    };
    let wanted = fired(&program);
    assert!(wanted.iter().all(|count| *count > 4), "{wanted:?}");
    let bytes = exported(&program, None, "1 ms").unwrap();
    let made = import(&bytes, "net.nir", "net", "net.safetensors", Time::Seconds).unwrap().imported;
    let folder = program.parent().unwrap().join("again");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("net.safetensors"), &made.weights).unwrap();
    program = folder.join("net.nmc");
    let probed = made.program.trim_end().strip_suffix('}').unwrap().replace("    probe b.spikes\n", "");
    std::fs::write(&program, format!("{probed}    probe a.spikes, b.spikes\n}}\n")).unwrap();
    let weights = nmc_host::data::read(&folder.join("net.safetensors")).unwrap();
    let stored = weights.arrays.iter().find(|stored| stored.name.starts_with("first_to_a")).unwrap();
    let (found, jump) = (stored.tensor().unwrap().data.get(0), 0.6 / 0.05f64.exp_m1());
    assert!((found / jump - 1.0).abs() < 1e-12, "{found} for {jump}");
    assert_eq!(fired(&program), wanted);
    // What passes spikes on after a delay is NIR's Delay, once more.
    let bytes = exported(&program, None, "1 ms").unwrap();
    let twice = import(&bytes, "net.nir", "net", "net.safetensors", Time::Seconds).unwrap().imported.program;
    assert!(twice.contains("relay[2]()") && twice.contains("delay: 0.002 s"), "{twice}");
}

/// All that NIR cannot say, at once.
#[test]
fn what_nir_cannot_say_is_told_in_one_error() {
    let program = written(
        "use std.neuron.{lif, poisson, adex}
        network net() {
            population source: poisson[2](rate: 10 Hz)
            population a: lif[2]()
            population b: adex[2]()
            population c: lif[2](refractory: 0 s, v_init: 0 V, e_leak: 0 V)
            connect source -> c { pattern: random(p: 50 %), weight: 1 mV }
            connect c -> a { pattern: one_to_one, weight: 1 mV }
            connect c -> c { pattern: random(p: 50 %), weight: 1 mV }
            probe c.spikes
        }",
    );
    let told = exported(&program, None, "0.1 ms").unwrap_err();
    for what in [
        "E0909: `net` has what NIR cannot say:",
        "`a`: `lif`: NIR has no refractory time: give it 0",
        "`b`: `adex`: NIR's neurons are",
        "`source`: `poisson`: NIR has no sources of spikes",
        "`c->c`: who is joined is drawn when it runs",
        "it has no inputs",
    ] {
        assert!(told.contains(what), "{what} in {told}");
    }
    let two = written(
        "network one(x: real[1]) -> (y: real[1]) { x -> y }\nnetwork two(x: real[1]) -> (y: real[1]) { x -> y }",
    );
    assert_eq!(exported(&two, None, "0.1 ms").unwrap_err(), "E0909: the program has 2 networks");
    assert_eq!(exported(&two, Some("three"), "0.1 ms").unwrap_err(), "E0909: there is no network `three`");
    assert!(exported(&two, Some("one"), "0.1 ms").is_ok());
}
