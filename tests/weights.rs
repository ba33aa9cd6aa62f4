//! Weights of connections that data say: those that are drawn about them, and those of rules where data have zeros.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{EngineKind, Recorded, Results};
use nmc_tests::{ENGINES, recorded, run, told};

/// Sources that spike once, joined to cells that never do.
fn text(sources: usize, targets: usize, names: &str, connect: &str) -> String {
    let all: Vec<usize> = (0..sources).collect();
    format!(
        "neuron silent {{ state v: voltage = 0 mV; spike when v > 1e6 V {{ v = 0 mV }} }}
        plasticity adds(a: weight) {{ on pre {{ w += a }} }}
        network net(s: spikes[{sources}]) {{
            {names}
            population target: silent[{targets}]()
            connect c: s -> target {{ {connect} }}
            probe c.w
        }}
        experiment e {{
            deploy net {{ step: 0.1 ms }}
            run for 1 ms {{ s: spikes({all:?}, {:?}) }}
        }}",
        vec![0; sources]
    )
}

/// Sources, targets and weights at the end, in mV.
fn synapses(results: &Results) -> Vec<(u32, u32, f64)> {
    let Recorded::Synapses { source, target, data, .. } = recorded(results, "c.w") else { panic!() };
    let last = &data[data.len() - source.len()..];
    source.iter().zip(target).zip(last).map(|((s, t), w)| (*s, *t, 1e3 * w)).collect()
}

/// The number of data at a pair: 0 to 3.
fn number(source: usize, target: usize) -> f64 {
    ((3 * source + 5 * target) % 4) as f64
}

/// Oracle: moments of the normal distribution, and who is joined.
#[test]
fn weights_are_drawn_about_data() {
    let (sources, targets) = (40, 60);
    let rows: Vec<Vec<f64>> = (0..sources).map(|s| (0..targets).map(|t| number(s, t)).collect()).collect();
    let names = format!("d = {rows:?}");
    for (weight, mean, spread) in [
        ("d * normal(1 mV, 0.1 mV)", &(|d: f64| d) as &dyn Fn(f64) -> f64, &(|d: f64| 0.1 * d) as &dyn Fn(f64) -> f64),
        ("d * 1 mV + uniform(-0.3 mV, 0.3 mV)", &|d| d, &|_| 0.3 / 3.0_f64.sqrt()),
        ("normal(d * 2 mV, 0.2 mV * d^2)", &|d| 2.0 * d, &|d| 0.2 * d * d),
    ] {
        let text = text(sources, targets, &names, &format!("pattern: matrix, weight: {weight}"));
        let [first, second] = ENGINES.map(|engine| run("drawn", &text, &NoFiles, engine).remove(0));
        assert_eq!(first.recordings, second.recordings);
        let all = synapses(&first);
        // Pairs with a 0 are not joined, whatever the spread.
        assert_eq!(all.len(), sources * targets * 3 / 4);
        for d in [1.0, 2.0, 3.0] {
            let of = all.iter().filter(|(s, t, _)| number(*s as usize, *t as usize) == d);
            let z: Vec<f64> = of.map(|(_, _, w)| (w - mean(d)) / spread(d)).collect();
            let count = z.len() as f64;
            let middle = z.iter().sum::<f64>() / count;
            let square = z.iter().map(|z| z * z).sum::<f64>() / count;
            assert!(middle.abs() < 4.0 / count.sqrt(), "{weight} at {d}: {middle}");
            assert!((square - 1.0).abs() < 4.0 * (2.0 / count).sqrt(), "{weight} at {d}: {square}");
        }
    }
}

#[test]
fn weights_are_drawn_about_one_array() {
    let text = text(2, 1, "a = [[1], [2]]; b = [[3], [4]]", "weight: a * b * normal(1 mV, 0.1 mV)");
    let told = told(&text);
    assert_eq!(told[0].code.number(), "E0305");
    assert!(told[0].help.as_deref().unwrap().contains("mean = a * b"), "{told:?}");
}

/// A weight of 0 that a rule may raise is a synapse, as all of `all_to_all` are; with `matrix` zeros are none.
#[test]
fn rules_raise_weights_that_are_zero_in_data() {
    let rows = "[[0, 2, 0], [1, 0, 3]]";
    let of = |fields: &str| {
        let fields = format!("{fields}weight: {rows} * 1 mV, plasticity: adds(a: 0.5 mV)");
        let text = text(2, 3, "", &fields);
        synapses(&run("zeros", &text, &NoFiles, EngineKind::Jit).remove(0))
    };
    let rounded = |all: Vec<(u32, u32, f64)>| -> Vec<(u32, u32, i64)> {
        all.into_iter().map(|(s, t, w)| (s, t, (1e6 * w).round() as i64)).collect()
    };
    let whole =
        [(0, 0, 500_000), (0, 1, 2_500_000), (0, 2, 500_000), (1, 0, 1_500_000), (1, 1, 500_000), (1, 2, 3_500_000)];
    assert_eq!(rounded(of("pattern: all_to_all, ")), whole);
    assert_eq!(rounded(of("pattern: all_to_all, delay: [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]] * 1 ms, ")), whole);
    let joined = [whole[1], whole[3], whole[5]];
    assert_eq!(rounded(of("pattern: matrix, ")), joined);
}

/// Weights that begin, or are set, outside the bounds of their rule are told with one of them. Oracle: the bounds, 0 and 1.
#[test]
fn weights_outside_the_bounds_of_their_rule_are_told() {
    let of = |connect: &str, set: &str| {
        let text = format!(
            "device cell {{ conductance: 1 uS .. 2 uS; levels: ideal; potentiation: 0.1 uS; depression: 0.1 uS; pulse_energy: 1 pJ }}
            plasticity keeps(high: real) {{ on pre {{ w += 0.1 * high }}; w in 0..high }}
            plasticity free(step: real) {{ on pre {{ w += step }} }}
            synapse none {{}}
            neuron silent {{ state v: real = 0; v' = -v / 1 ms }}
            network net(s: spikes[4]) {{
                population b: silent[4]()
                connect k: s -> b {{ synapse: none(), {connect} }}
                probe b.v
            }}
            experiment e {{ deploy net {{ step: 1 ms }}; run for 2 ms {{ s: spikes([0], [0]) }}
                run for 2 ms {{ s: spikes([0], [0]){set} }} }}"
        );
        let told = told(&text);
        assert!(told.iter().all(|one| one.code.number() == "W0462"), "{connect} {set}: {told:?}");
        told.into_iter().map(|one| one.message).collect::<Vec<_>>()
    };
    let keeps = "plasticity: keeps(high: 1)";
    for (connect, wrong) in [
        ("weight: 1", None),
        ("weight: 0.1 * 10", None),
        ("weight: -1", Some("-1")),
        ("weight: 3", Some("3")),
        ("weight: 3, cells: cell", Some("3")),
        ("weight: uniform(0, 1)", None),
        ("weight: uniform(0, 2)", Some("2")),
        ("weight: 0.5 - uniform(0, 1)", Some("-0.5")),
        ("weight: normal(0.5, 0.5)", None),
        ("weight: normal(1.5, 0.1)", Some("1.5")),
        ("weight: normal(1.5, 0.1, 0, 1)", None),
        ("weight: 0.3 * i", None),
        ("weight: 0.5 * i", Some("1.5")),
        ("pattern: one_to_one, weight: i - j", None),
        ("pattern: random(p: 50 %), weight: i - j", Some("-1")),
        ("pattern: matrix, weight: [[0.5, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]] * 1", None),
        ("pattern: matrix, weight: [[0.5, 0, 0, 0], [0, 4, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]] * 1", Some("4")),
        ("pattern: list(sources: [0, 1], targets: [1, 2]), weight: [0.5, 0] * 1", None),
        ("pattern: list(sources: [0, 1], targets: [1, 2]), weight: [0.5, -0.5] * 1", Some("-0.5")),
        ("pattern: list(sources: [0, 1], targets: [1, 2]), weight: [0.5, 0.5] * uniform(0, 3)", Some("1.5")),
    ] {
        let wanted = wrong.map(|wrong| format!("`keeps` keeps weights between 0 and 1, these begin at {wrong}"));
        assert_eq!(of(&format!("{connect}, {keeps}"), ""), Vec::from_iter(wanted), "{connect}");
    }
    for (set, wrong) in
        [("0.5", None), ("1.5", Some("1.5")), ("[[0, 0, 2, 0], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]", Some("2"))]
    {
        let wanted = wrong.map(|wrong| format!("`keeps` keeps weights between 0 and 1, these are set to {wrong}"));
        assert_eq!(of(&format!("weight: 1, {keeps}"), &format!(", set k.w = {set}")), Vec::from_iter(wanted), "{set}");
    }
    assert_eq!(of("weight: -1, plasticity: free(step: 1)", ""), [""; 0]);
}
