//! Digital cores of neurons as they are: weights of few bits, and what they cannot run.

use std::path::Path;

use nmc_compiler::files::NoFiles;
use nmc_host::disk::Folder;
use nmc_program::ComponentKind;
use nmc_tests::{ENGINES, codes, recorded, run, spikes, told, values};

/// Two sources and three neurons on a core with these fields.
fn on_core(fields: &str, synapse: &str, weight: &str, more: &str) -> String {
    format!(
        "
use std.synapse.exp_current
neuron leaky(tau: time = 20 ms) {{
    input i: current
    state v: voltage = 0 mV
    v' = (-v + i * 1 Mohm) / tau
    spike when v > 10 mV {{ v = 0 mV }}
}}
neuron quadratic {{ input i: current; state v: real = 0; v' = v * v / 1 s + i / 1 C; spike when v > 1 {{ v = 0 }} }}
synapse jump {{ on pre {{ post.v += w }} }}
plasticity rule {{ on pre {{ w += 0.1 mV }}; w in 0 mV..2 mV }}
core digital {{ neurons: 16; {fields} }}
chip small {{ cores: grid(2, 2) of digital; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
network net(s: spikes[2]) {{
    population a: leaky[3]()
    connect c: s -> a {{ pattern: all_to_all, synapse: {synapse}, weight: {weight}, delay: 1 ms }}
    {more}
    probe c.w
    probe a.spikes
}}
experiment e {{ deploy net on small; run for 20 ms {{ step: 1 ms, s: spikes([0, 1], [2, 4]) }} }}
"
    )
}

/// Weights of one sign and of both, with three bits and with one. Oracle: the nearest of so many steps up to the largest.
#[test]
fn weights_have_the_digits_of_their_core() {
    for (weight, steps, bits) in
        [("(i * 3 + j) * 1 mV", 3.0, 3), ("(i * 3 + j - 2) * 1 mV", 3.0, 3), ("(i * 3 + j) * 1 mV", 7.0, 4)]
    {
        let shift = if weight.contains("- 2") { 2.0 } else { 0.0 };
        let given: Vec<f64> = (0..6).map(|at| (f64::from(at) - shift) * 1e-3).collect();
        let step = given.iter().map(|w| w.abs()).fold(0.0, f64::max) / steps;
        for engine in ENGINES {
            let results =
                &run("w.nmc", &on_core(&format!("weight_bits: {bits}"), "jump", weight, ""), &NoFiles, engine)[0];
            let nmc_runtime::Recorded::Synapses { data, .. } = recorded(results, "c.w") else { panic!() };
            for (held, given) in data.iter().zip(&given) {
                assert!((held - (given / step).round() * step).abs() < 1e-15, "{held} of {given} with {bits} bits");
            }
        }
    }
}

/// A single bit says whether a synapse is there: each neuron has a weight of its own for those it hears, and one of the other sign. Oracle: by hand.
#[test]
fn synapses_of_one_bit_are_there_or_not() {
    // From two sources to three neurons.
    for (weight, wanted) in [
        ("(1 + j) * 1 mV", [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]),
        ("(1 - 3 * i) * 1 mV", [1.0, 1.0, 1.0, -2.0, -2.0, -2.0]),
        ("(i * 3 + j) * 1 mV", [0.0, 0.0, 0.0, 3.0, 4.0, 5.0]),
        ("(i + 1) * (j - 1) * 1 mV", [-2.0, 0.0, 2.0, -2.0, 0.0, 2.0]),
    ] {
        for engine in ENGINES {
            let results = &run("w.nmc", &on_core("weight_bits: 1", "jump", weight, ""), &NoFiles, engine)[0];
            let nmc_runtime::Recorded::Synapses { data, .. } = recorded(results, "c.w") else { panic!() };
            for (held, wanted) in data.iter().zip(wanted) {
                assert!((held - wanted * 1e-3).abs() < 1e-15, "{weight}: {data:?}");
            }
        }
    }
}

/// A rule adds a tenth of a step to 400 weights that begin between two steps. Oracle: whole steps; after n changes the mean is what it is without rounding, and
/// the variance n times p (1 - p) of a step.
#[test]
fn weights_that_learn_keep_the_digits_of_their_core() {
    let text = "neuron cell { state v: real = 0; spike when v > 1e9 { v = 0 } }
        synapse jump { on pre { post.v += w / 1 mV } }
        plasticity rule { on pre { w += 0.1 mV }; w in 0 mV..127 mV }
        core digital { neurons: 400; weight_bits: 8 }
        chip small { cores: grid(1, 1) of digital; network: mesh(flit: 20 bit, hop: 1 ns, energy: 0 pJ per bit) }
        network net(s: spikes[1]) {
            population a: cell[400]()
            connect c: s -> a { pattern: all_to_all, synapse: jump, weight: 49.8 mV, delay: 1 ms, plasticity: rule() }
            probe c.w every 1 ms
        }
        experiment e { deploy net on small; run for 40 ms { step: 1 ms, s: spikes(list, times) } }"
        .replace("list, times", &{
            let times: Vec<String> = (0..30).map(|at| at.to_string()).collect();
            format!("[{}], [{}]", vec!["0"; 30].join(", "), times.join(", "))
        });
    for engine in ENGINES {
        let results = &run("learns.nmc", &text, &NoFiles, engine)[0];
        let nmc_runtime::Recorded::Synapses { data, .. } = recorded(results, "c.w") else { panic!() };
        let steps: Vec<f64> = data.iter().map(|w| w / 1e-3).collect();
        assert!(steps.iter().all(|steps| (steps - steps.round()).abs() < 1e-4), "whole steps");
        let (first, last) = (&steps[..400], &steps[steps.len() - 400..]);
        assert!(first.iter().all(|steps| (steps - 50.0).abs() < 1e-4));
        let mean = last.iter().sum::<f64>() / 400.0;
        let variance = last.iter().map(|steps| (steps - mean).powi(2)).sum::<f64>() / 400.0;
        let expected = 30.0 * 0.1 * 0.9;
        assert!((mean - 53.0).abs() < 5.0 * (expected / 400.0_f64).sqrt(), "{mean}");
        assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / 400.0_f64).sqrt(), "{variance}");
    }
}

/// Weights that begin, or are set, beyond the bounds of their rule have the largest number of steps there is. Oracle: 7 steps of 1 / 7 with four bits.
#[test]
fn weights_beyond_the_bounds_of_a_rule_have_the_digits_of_their_core() {
    let text = "neuron cell { state v: real = 0; spike when v > 1e9 { v = 0 } }
        synapse jump { on pre { post.v += w } }
        plasticity rule { on pre { w += 0.1 }; w in 0..1 }
        core digital { neurons: 2; weight_bits: 4 }
        chip small { cores: grid(1, 1) of digital; network: mesh(flit: 20 bit, hop: 1 ns, energy: 0 pJ per bit) }
        network net(s: spikes[1]) {
            population a: cell[2]()
            connect c: s -> a { pattern: all_to_all, synapse: jump, weight: 1.5, delay: 1 ms, plasticity: rule() }
            probe c.w
        }
        experiment e {
            deploy net on small
            run for 4 ms { step: 1 ms, s: spikes([], []) }
            run for 4 ms { step: 1 ms, s: spikes([], []), set c.w = 3 }
        }";
    for results in run("beyond.nmc", text, &NoFiles, ENGINES[1]) {
        let nmc_runtime::Recorded::Synapses { data, .. } = recorded(&results, "c.w") else { panic!() };
        assert!(!data.is_empty() && data.iter().all(|w| (w - 1.0).abs() < 1e-12), "{data:?}");
    }
}

/// A weight a little above the threshold is rounded to one below it. Oracle: 11 mV, of which a step leaves 10.5, as two of three steps up to 14 mV.
#[test]
fn few_bits_change_spikes() {
    let spikes_with = |fields: &str| {
        let text = on_core(fields, "jump", "if j < 1 then 11 mV else (if j < 2 then 14 mV else -1 mV)", "");
        let results = &run("s.nmc", &text, &NoFiles, ENGINES[1])[0];
        let (neurons, _) = spikes(results, "a.spikes");
        [0, 1, 2].map(|neuron| neurons.iter().filter(|&&of| of == neuron).count())
    };
    assert_eq!(spikes_with(""), [2, 2, 0]);
    // Steps of 14 mV / 3: 9.33 mV each time.
    assert_eq!(spikes_with("weight_bits: 3")[0], 1);
}

/// Each limit, kept to and not.
#[test]
fn what_a_core_cannot_run_is_told() {
    let other = "population b: quadratic[3]()\n    connect a -> b { pattern: one_to_one, synapse: exp_current(), weight: 1 nA }";
    let second = "connect s -> a { pattern: all_to_all, synapse: jump, weight: 2 mV, delay: 1 ms }";
    let filtered = "connect s -> a { pattern: all_to_all, synapse: exp_current(tau: 5 ms), weight: 1 nA, delay: 1 ms }";
    let slower = "connect s -> a { pattern: all_to_all, synapse: exp_current(tau: 50 ms), weight: 1 nA, delay: 1 ms }";
    let moved = "connect s -> a {
        pattern: all_to_all, synapse: jump, weight: 1 mV, delay: 1 ms, plasticity: rule()
    }";
    for (fields, more, fits) in [
        ("neuron_model: linear", "", true),
        ("neuron_model: linear", other, false),
        ("neuron_model: any", other, true),
        ("longest_delay: 1", "", true),
        ("longest_delay: 1", "connect s -> a { pattern: all_to_all, synapse: jump, weight: 1 mV, delay: 2 ms }", false),
        ("axons: 4", second, true),
        ("axons: 3", second, false),
        ("axon_types: 2", second, true),
        ("axon_types: 1", second, false),
        ("states: 1; compartments: 1", second, true),
        ("states: 1; compartments: 1", filtered, false),
        ("states: 2; compartments: 1", filtered, true),
        ("states: 1; compartments: 2", filtered, true),
        ("states: 1; compartments: 2", &format!("{filtered}\n{slower}"), false),
        // Those that are alike are one.
        ("states: 1; compartments: 2", &format!("{filtered}\n{filtered}"), true),
        ("weight_bits: 1", moved, false),
        ("weight_bits: 2", moved, true),
    ] {
        let text = on_core(fields, "jump", "1 mV", more);
        let found = codes(&text);
        assert_eq!(!found.contains(&"E0626"), fits, "{fields} {more}: {found:?}");
        assert!(
            fits || told(&text).iter().any(|told| told.message.contains("core `digital` of chip `small` cannot run"))
        );
    }
}

/// Axons are counted core by core: neurons that lie on several hear less on each.
#[test]
fn a_core_has_axons_for_its_own_neurons() {
    let told = |pattern: &str| {
        codes(&format!(
            "neuron cell {{ state v: real = 0; spike when v > 2.5 {{ v = 0 }} }}
            synapse add {{ on pre {{ post.v += w }} }}
            core digital {{ neurons: 2; axons: 2 }}
            chip small {{ cores: grid(2, 2) of digital; network: mesh(flit: 20 bit, hop: 1 ns, energy: 0.25 pJ per bit) }}
            network net(s: spikes[6]) {{
                population a: cell[6]()
                connect s -> a {{ pattern: {pattern}, synapse: add(), weight: 1, delay: 1 ms }}
                probe a.spikes
            }}
            experiment e {{ deploy net on small; run for 10 ms {{ step: 1 ms, s: spikes([0, 1], [0, 2]) }} }}"
        ))
    };
    assert_eq!(told("one_to_one"), [""; 0]);
    assert_eq!(told("all_to_all"), ["E0626"]);
}

/// Six spikes from outside, one that comes twice, to two neurons each. Oracle: the core's table, by hand.
#[test]
fn spikes_from_outside_pay_at_the_port_and_take_no_neurons() {
    let text = "neuron cell { state v: real = 0; spike when v > 2.5 { v = 0 } }
        synapse add { on pre { post.v += w } }
        core digital { neurons: 2; neuron_energy: 7 pJ; idle_neuron_energy: 2 pJ; synapse_energy: 3 pJ; spike_energy: 1 pJ }
        chip small {
            cores: grid(2, 1) of digital; network: mesh(flit: 20 bit, hop: 1 ns, energy: 0.25 pJ per bit)
            host: spi(energy: 4 pJ per bit, time: 0.1 ns)
        }
        network net(s: spikes[3]) {
            population a: cell[2](); population b: cell[2]()
            connect s -> a { pattern: all_to_all, synapse: add(), weight: 1, delay: 1 ms }
            connect s -> b { pattern: all_to_all, synapse: add(), weight: 1, delay: 1 ms }
        }
        experiment e { deploy net on small; run for 10 ms { step: 1 ms, s: spikes([0, 1, 1, 2, 0, 2], [0, 2, 2, 4, 5, 6]) } }";
    assert_eq!(codes(text), [""; 0]);
    for engine in ENGINES {
        let results = &run("port.nmc", text, &NoFiles, engine)[0];
        let joules = |kind| results.energy_j.iter().filter(|(of, _)| *of == kind).map(|(_, j)| j).sum::<f64>();
        // Each once by the port, and over the one link to the other core; each to four neurons.
        let spikes = 6.0;
        let expected = [
            (ComponentKind::Host, spikes * 20.0 * 4e-12),
            (ComponentKind::Network, spikes * 20.0 * 0.25e-12),
            (ComponentKind::Synapse, spikes * 4.0 * 3e-12),
            // Four neurons that are updated ten times and fire twice.
            (ComponentKind::Neuron, 4.0 * 10.0 * 2e-12 + 4.0 * 2.0 * (5e-12 + 1e-12)),
        ];
        for (kind, expected) in expected {
            assert!((joules(kind) / expected - 1.0).abs() < 1e-9, "{kind:?}: {} for {expected}", joules(kind));
        }
    }
}

/// Four populations of one neuron, a core each, in a row: a spike goes to the other end. Oracle: links between blocks of cores, by hand.
#[test]
fn cores_that_share_a_router_are_not_apart() {
    let text = |concentration: usize| {
        format!(
            "neuron cell {{ state v: real = 0; spike when v > 0.5 {{ v = 0 }} }}
            synapse add {{ on pre {{ post.v += w }} }}
            core digital {{ neurons: 1 }}
            chip small {{
                cores: grid(4, 2) of digital
                network: mesh(flit: 20 bit, hop: 1 ns, energy: 0.25 pJ per bit, concentration: {concentration})
                host: spi(energy: 0 pJ per bit, time: 0.1 ns)
            }}
            network net(s: spikes[1]) {{
                population a: cell[1](); population b: cell[1]()
                connect s -> a {{ pattern: all_to_all, synapse: add(), weight: 1, delay: 1 ms }}
                connect a -> b {{ pattern: all_to_all, synapse: add(), weight: 1, delay: 1 ms }}
            }}
            experiment e {{
                deploy net on small {{ pin a: core(0, 0); pin b: core(3, 1) }}
                run for 10 ms {{ step: 1 ms, s: spikes([0, 0], [1, 3]) }}
            }}"
        )
    };
    // From (0, 0) to (3, 1): four links, or one between two blocks.
    for (concentration, hops) in [(1, 4.0), (4, 1.0)] {
        let results = &run("hops.nmc", &text(concentration), &NoFiles, ENGINES[1])[0];
        let network = results.energy_j.iter().filter(|(kind, _)| *kind == ComponentKind::Network);
        let joules: f64 = network.map(|(_, joules)| joules).sum();
        assert!((joules / (2.0 * hops * 20.0 * 0.25e-12) - 1.0).abs() < 1e-9, "{concentration}: {joules}");
    }
    assert_eq!(codes(&text(3)), ["E0503"]);
}

/// Three neurons of two states where a compartment keeps one, and a rule. Oracle: the core's table, by hand.
#[test]
fn compartments_and_learning_are_paid() {
    let text = |neurons: usize, states: usize| {
        format!(
            "neuron cell {{
                input i: real
                state v: real = 0; state u: real = 0
                u' = -u / 1 s; v' = (i - u - v) / 1 s
                spike when v > 2.5 {{ v = 0 }}
            }}
            synapse add {{ on pre {{ post.v += w }} }}
            plasticity rule {{ on pre {{ w += 0.001 }}; on post {{ w -= 0.001 }}; w in 0..2 }}
            core digital {{
                neurons: {neurons}; states: {states}; neuron_time: 1 ns
                neuron_energy: 7 pJ; idle_neuron_energy: 2 pJ; synapse_energy: 3 pJ; update_energy: 5 pJ
            }}
            chip small {{ cores: grid(1, 1) of digital; network: mesh(flit: 20 bit, hop: 1 ns, energy: 0 pJ per bit) }}
            network net(s: spikes[2]) {{
                population a: cell[3]()
                connect s -> a {{ pattern: all_to_all, synapse: add(), weight: 1, delay: 1 ms, plasticity: rule() }}
            }}
            experiment e {{ deploy net on small; run for 10 ms {{ step: 1 ms, s: spikes([0, 1, 1, 0], [0, 2, 3, 5]) }} }}"
        )
    };
    assert_eq!(codes(&text(6, 1)), [""; 0]);
    assert_eq!(codes(&text(5, 1)), ["E0609"]);
    assert_eq!(codes(&text(3, 2)), [""; 0]);
    for (engine, states) in ENGINES.into_iter().flat_map(|engine| [(engine, 1), (engine, 2)]) {
        let results = &run("learns.nmc", &text(6, states), &NoFiles, engine)[0];
        let joules = |kind| results.energy_j.iter().filter(|(of, _)| *of == kind).map(|(_, j)| j).sum::<f64>();
        // Four spikes to three neurons, each of which fires once: by then both its synapses are looked at.
        let expected = [
            (ComponentKind::Synapse, 12.0 * 3e-12 + (12.0 + 3.0 * 2.0) * 5e-12),
            (ComponentKind::Neuron, (2 / states) as f64 * 3.0 * 10.0 * 2e-12 + 3.0 * 5e-12),
        ];
        for (kind, expected) in expected {
            assert!((joules(kind) / expected - 1.0).abs() < 1e-9, "{kind:?}: {} for {expected}", joules(kind));
        }
    }
}

/// A layer behind three neurons on cores of five whose arrays take some; sources from outside take none. Oracle: the sum.
#[test]
fn arrays_take_neurons_of_their_core() {
    let program = |cores: usize, takes: usize| {
        format!(
            "
use std.converter.{{spike_counter, word_in, word_out}}
use std.device.memory_word
use std.unit.tianjic_logic
neuron adder {{ state v: real = 0; spike when v >= 1 {{ v -= 1 }} }}
synapse add {{ on pre {{ post.v += w }} }}
tile products {{
    cells: memory_word[8, 8]; weights: differential; input: word_in(); sense: word_out(); read_time: 1 us
    neurons: {takes}
}}
core both {{ tiles: products[1]; units: tianjic_logic; buffer: 1 kB; neurons: 5; weight_bits: 8 }}
chip small {{
    cores: grid({cores}, 1) of both
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 pJ per bit)
    converters: spike_counter()
}}
network net(s: spikes[2]) -> (y: real[2]) {{
    population a: adder[3]()
    connect s -> a {{ pattern: all_to_all, synapse: add(), weight: 1, delay: 1 ms }}
    a |> dense([[1, 2, 3], [3, 2, 1]]) -> y
}}
experiment e {{
    deploy net on small {{ step: 1 ms }}
    test {{ s: spikes([0, 1], [2, 4], [0, 0]) }} for 20 ms measure m = mean(y)
}}
"
        )
    };
    assert_eq!(codes(&program(1, 0)), [] as [&str; 0]);
    assert_eq!(codes(&program(2, 5)), [] as [&str; 0]);
    assert_eq!(codes(&program(1, 2)), [] as [&str; 0]);
    assert_eq!(codes(&program(1, 3)), ["E0609"]);
    assert_eq!(codes(&program(2, 6)), ["E0609"]);
}

/// On Tianjic's cores, which limits hold; and what crosses from spikes to values and back. Oracle: sums of whole numbers, within a step of 8 bits.
#[test]
fn tianjic_joins_values_and_spikes() {
    let program = |neuron: &str, more: &str| {
        format!(
            "
use std.chip.tianjic
use std.code.count
encoder regular: real -> spikes {{ state v: real = 0; v' = x * 1 kHz; spike when v >= 1 {{ v -= 1 }} }}
neuron adder {{ {neuron}; spike when v >= 1 {{ v -= 1 }} }}
synapse add {{ on pre {{ post.v += w }} }}
network net(image: real[3]) -> (y: real[2]) {{
    coded = image |> dense([[1, 0, 1], [0, 1, 0]]) |> scale(0.5) |> regular
    population a: adder[2]()
    connect coded -> a {{ pattern: one_to_one, synapse: add(), weight: 1, delay: 1 ms }}
    {more}
    a |> count |> dense([[1, 0.5], [0, 1]]) -> y
}}
experiment e {{
    deploy net on tianjic {{ step: 1 ms; calibrate: [[1, 1, 1]] }}
    test {{ image: [[1, 0.5, 0], [0.25, 1, 0.75]] }} for 101 ms measure m = mean(y)
}}
"
        )
    };
    let linear = program("state v: real = 0", "");
    for engine in ENGINES {
        // Ranges of what moves in time are measured by runs.
        let results = &run("t.nmc", &linear, &Folder::of(Path::new("t.nmc")), engine)[0];
        // Of the largest outputs, 150 and 100: a step of inputs and of sums each, and a spike.
        let expected = [[50.0 + 12.5, 25.0], [50.0 + 25.0, 50.0]];
        for (found, expected) in values(results, "y").iter().zip(expected.as_flattened()) {
            assert!((found - expected).abs() < 4.0, "{found}, {expected}");
        }
    }
    assert!(codes(&program("state v: real = 0; v' = v * v / 1 s", "")).contains(&"E0626"));
    // Linear, but not stepped so: the method is what is told.
    let pinned = program("state v: real = 0; v' = -v / 10 ms; method: euler", "");
    let of_method = |of: &nmc_grammar::diagnostic::Diagnostic| of.message.contains("`method`");
    assert!(told(&pinned).iter().any(of_method), "{:?}", told(&pinned));
    let many = "population m: adder[257]()
    connect m -> a { pattern: all_to_all, synapse: add(), weight: 1, delay: 1 ms }";
    assert!(codes(&program("state v: real = 0", many)).contains(&"E0626"));
}

/// Traces of 7 bits: whole steps of a sixteenth of a jump, no more than 127 of them, whose mean decays as the trace does. Oracles: analytic; the number of
/// steps; bounds and traces that are set have other steps, by hand.
#[test]
fn traces_keep_to_the_digits_of_a_core() {
    let text = |bits: &str, trace: &str| {
        format!(
            "neuron cell {{ state v: real = 0; spike when v > 2.5 {{ v = 0 }} }}
            synapse add {{ on pre {{ post.v += w }} }}
            plasticity learns {{ {trace}; on post {{ w += 0.001 * x }}; w in 0..1 }}
            core digital {{ neurons: 4; {bits} }}
            chip small {{ cores: digital; network: mesh(flit: 20 bit, hop: 1 ns, energy: 0.25 pJ per bit) }}
            network net(s: spikes[300]) {{
                population a: cell[4]()
                connect c: s -> a {{ pattern: all_to_all, synapse: add(), weight: 0, plasticity: learns(), delay: 1 ms }}
                probe c.x every 1 ms
            }}
            experiment e {{ deploy net on small; run for 60 ms {{ step: 1 ms, s: spikes(SOURCES, STEPS) }} }}"
        )
    };
    let list = |all: Vec<usize>| format!("[{}]", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let once = |text: &str| text.replace("SOURCES", &list((0..300).collect())).replace("STEPS", &list(vec![0; 300]));
    let often = |text: &str| text.replace("SOURCES", &list(vec![7; 40])).replace("STEPS", &list((0..40).collect()));
    let adds = "trace x: real, 20 ms on pre { x += 1 }";
    let sets = "trace x: real, 20 ms on pre { x = 0.5 }";
    let bound = "trace x: real, 20 ms on pre { x += 1 }; x in 0..2";
    for (trace, step, jump) in [(adds, 1.0 / 16.0, 1.0), (sets, 0.5 / 127.0, 0.5), (bound, 2.0 / 127.0, 1.0)] {
        let of =
            |engine| run("traces.nmc", &once(&text("trace_bits: 7", trace)), &NoFiles, engine).remove(0).recordings;
        assert_eq!(of(ENGINES[0]), of(ENGINES[1]), "{trace}");
        let results = &run("traces.nmc", &once(&text("trace_bits: 7", trace)), &NoFiles, ENGINES[1])[0];
        let x = values(results, "c.x");
        assert!(x.iter().all(|x| (x / step - (x / step).round()).abs() < 1e-6), "{trace}: {:?}", &x[300..310]);
        let mut differ = false;
        for row in 1..60 {
            let now = &x[row * 300..(row + 1) * 300];
            let mean = now.iter().sum::<f64>() / 300.0;
            let wanted = jump * (-(row as f64 - 1.0) / 20.0).exp();
            // Rounding adds at most a quarter of a step squared with every step, of which a trace forgets a tenth.
            assert!(
                (mean - wanted).abs() < 5.0 * step / 2.0 / (0.095_f64 * 300.0).sqrt(),
                "{trace}, {row}: {mean} {wanted}"
            );
            differ |= now.iter().any(|x| *x != now[0]);
        }
        assert!(differ, "{trace}: nothing is rounded at random");
        let most = values(&run("traces.nmc", &often(&text("trace_bits: 7", trace)), &NoFiles, ENGINES[1])[0], "c.x")
            .iter()
            .copied()
            .fold(0.0, f64::max);
        let wanted = 127.0 * step;
        assert!((most - wanted).abs() < 1e-9, "{trace}: {most} {wanted}");
    }
    let exact = &run("traces.nmc", &once(&text("weight_bits: 9", adds)), &NoFiles, ENGINES[1])[0];
    assert!((values(exact, "c.x")[300 * 21] - (-1.0_f64).exp()).abs() < 1e-9);
    // What has no bound that is a number keeps its digits, and that is told.
    let unbound = once(&text("trace_bits: 7", "trace x: real, 20 ms on pre { x += 1 - x / 3 }"));
    assert!(codes(&unbound).contains(&"W0616"), "{:?}", told(&unbound));
}
