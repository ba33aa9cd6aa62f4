//! Names of expressions: in connections, and those of a neuron that others read. Oracle: the same programs with the expressions written out.

use nmc_compiler::files::NoFiles;
use nmc_tests::{ENGINES, codes, run, spikes, told, values};

#[test]
fn connections_name_expressions() {
    let text = |fields: &str| {
        format!(
            "
const _shape = [0.2, 0.8]
neuron cell() {{ state v: real = 0.6; v' = (1.2 - v) / 10 ms; spike when v > 1 {{ v = 0 }} }}
synapse add {{ on pre {{ post.v += w }} }}
network n() {{
    population a: cell[60]() {{ x: i / 60, y: uniform(0, 1) }}
    for k in 0..2 {{ connect a -> a {{ {fields} }} }}
    probe a.spikes, a.v every 5 ms
}}
experiment e {{ deploy n; run for 40 ms {{ step: 0.1 ms }} }}"
        )
    };
    let written = text(
        "pattern: random(p: _shape[k] * exp(-((pre.x - post.x)^2 + (pre.y - post.y)^2)), itself: false)
        synapse: add(), weight: 0.02 * (1 - ((pre.x - post.x)^2 + (pre.y - post.y)^2)) * normal(1, 0.1)
        delay: 0.1 ms + 1 ms * sqrt((pre.x - post.x)^2 + (pre.y - post.y)^2)",
    );
    let named = text(
        "dx = pre.x - post.x; dy = pre.y - post.y
        square = dx^2 + dy^2, about = normal(1, 0.1)
        pattern: random(p: _shape[k] * exp(-square), itself: false), synapse: add()
        weight: 0.02 * (1 - square) * about
        r = sqrt(square); delay: 0.1 ms + 1 ms * r",
    );
    assert_eq!(told(&named), []);
    for engine in ENGINES {
        let (written, named) =
            (&run("w.nmc", &written, &NoFiles, engine)[0], &run("n.nmc", &named, &NoFiles, engine)[0]);
        assert!(spikes(written, "a.spikes").0.len() > 100);
        assert_eq!(spikes(written, "a.spikes"), spikes(named, "a.spikes"));
        assert_eq!(values(written, "a.v"), values(named, "a.v"));
    }
    let plain = "pattern: one_to_one, weight: 0.1";
    for (fields, code) in [
        (&*format!("r = pre.x, {plain}"), "W0208"),
        (&*format!("_r = pre.x, {plain}"), ""),
        ("r = pre.z, pattern: one_to_one, weight: r", "E0201"),
        ("r = pre.x, r = pre.y, pattern: one_to_one, weight: r", "E0520"),
        ("r = s * 2, s = pre.x, pattern: one_to_one, weight: r", "E0201"),
        ("i = pre.x, pattern: one_to_one, weight: i", "E0202"),
        ("r = normal(1, 1), pattern: one_to_one, weight: r + r", "E0455"),
        ("pattern: one_to_one, weight = 0.1", "E0401"),
        ("r = 1 ms, pattern: one_to_one, weight: 0.1, delay: r * 1 mV", "E0302"),
    ] {
        let text = text(&format!("{fields}, synapse: add()"));
        let wanted: &[&str] = if code.is_empty() { &[] } else { &[code] };
        assert_eq!(codes(&text), wanted, "{fields}: {:?}", told(&text));
    }
    let elsewhere = text(&format!("{plain}, synapse: add()"));
    assert_eq!(codes(&elsewhere.replace("x: i / 60", "x = i / 60")), ["E0401"]);
    assert_eq!(codes(&elsewhere.replace("step: 0.1 ms", "step = 0.1 ms")), ["E0401"]);
}

#[test]
fn what_a_neuron_names_is_read_by_others() {
    let text = |f: &str, pre: &str, post: &str, driven: &str, probed: &str| {
        format!(
            "
neuron rated(tau: time = 10 ms, gain: real = 2) {{
    input drive: real
    state u: real = 0.3
    {f}
    rate = 10 Hz * u
    u' = (drive - u) / tau
}}
synapse coupled {{ current = w * ({pre} - {post}) * 1 pA }}
neuron target() {{
    input i: current
    state v: real = 0
    twice = 2 * v
    slow = v / 1 s
    v' = i / 1 pA / 10 ms - v / 20 ms
}}
network n(x: real[3]) -> (y: real[2]) {{
    population a: rated[3](gain: i + 1)
    population b: target[2]()
    population c: rated[2]()
    x -> a.drive
    connect a -> b {{ synapse: coupled(), weight: 0.5 + i - j }}
    {driven}
    probe {probed}
    c.u -> y
}}
experiment e {{ deploy n; test {{ x: [[1, 2, 3]] }} for 30 ms measure m = mean(y) }}"
        )
    };
    let sigmoid = |u: &str, gain: &str| format!("(1 / (1 + exp(-{gain} * {u})))");
    let written =
        text("", &sigmoid("pre.u", "pre.gain"), "2 * post.v", "b.v |> scale(2) -> c.drive", "a.u, b.v every 1 ms");
    let named = text(
        &format!("f = {}", sigmoid("u", "gain")),
        "pre.f",
        "post.twice",
        "b.twice -> c.drive",
        "a.u, a.f, a.rate, b.v, b.twice, b.slow every 1 ms",
    );
    assert_eq!(told(&named), []);
    for engine in ENGINES {
        let (written, named) =
            (&run("w.nmc", &written, &NoFiles, engine)[0], &run("n.nmc", &named, &NoFiles, engine)[0]);
        assert!(values(written, "b.v").iter().any(|v| *v > 0.3));
        for (found, wanted) in [("y", "y"), ("b.v", "b.v")] {
            let apart = values(named, found).iter().zip(values(written, wanted)).map(|(a, b)| (a - b).abs());
            assert!(apart.fold(0.0, f64::max) < 1e-12, "{found}");
        }
        let (u, f) = (values(named, "a.u"), values(named, "a.f"));
        for (at, (u, f)) in u.iter().zip(f).enumerate() {
            let gain = (at % 3 + 1) as f64;
            assert!((f - 1.0 / (1.0 + (-gain * u).exp())).abs() < 1e-12);
        }
        assert!(values(named, "b.twice").iter().zip(values(named, "b.v")).all(|(twice, v)| *twice == 2.0 * v));
    }
    let wrong = |pre: &str, post: &str| {
        let mut codes = codes(&text("f = u + drive", pre, post, "", "a.u every 1 ms"));
        codes.retain(|code| code.starts_with('E'));
        codes
    };
    // What follows an input is known to its own neuron alone; a name is not changed.
    assert_eq!(wrong("pre.f", "post.twice"), ["E0201"]);
    assert_eq!(wrong("pre.u", "post.thrice"), ["E0201"]);
    assert_eq!(wrong("pre.rate / 1 Hz", "post.slow * 1 s"), [""; 0]);
    let changed = text("f = 2 * u", "pre.f", "post.twice", "", "a.f every 1 ms")
        .replace("synapse coupled {", "synapse coupled { on pre { post.twice += 1 };");
    assert!(codes(&changed).contains(&"E0429"), "{:?}", codes(&changed));
}

/// Names of one neuron may be joined in a synapse, whatever they are; weights of each connection that one name makes are measured by themselves. Oracle: the
/// expressions written out; sums by hand.
#[test]
fn synapses_read_names_and_connections_have_numbers() {
    let text = |on_pre: &str| {
        format!(
            "neuron cell() {{
                state v: real = uniform(0, 1)
                twice = 2 * v
                v' = (2 - v) / 5 ms
                spike when v > 1 {{ v = 0 }}
            }}
            synapse add() {{ on pre {{ post.v += {on_pre} }} }}
            network n() {{
                population a: cell[3]()
                connect a -> a {{ pattern: all_to_all, synapse: add(), weight: 1 }}
                probe a.v
            }}
            experiment e {{ deploy n; run for 20 ms {{ step: 0.1 ms }} }}"
        )
    };
    let [named, written] = ["0.1 * sin(pre.twice - post.twice)", "0.1 * sin(2 * pre.v - 2 * post.v)"].map(text);
    let [named, written] = [named, written].map(|text| run("n.nmc", &text, &NoFiles, ENGINES[1]).swap_remove(0));
    assert_eq!(values(&named, "a.v"), values(&written, "a.v"));
    let text = |measured: &str| {
        format!(
            "neuron cell() {{ state v: real = 0; v' = -v / 1 ms; spike when v > 1 {{ v = 0 }} }}
            synapse none() {{}}
            network n(s: spikes[4]) {{
                population a: cell[3]()
                population b: cell[2]()
                connect k: s -> (a, b) {{ pattern: all_to_all, synapse: none(), weight: 1 + i }}
                probe k[1].w
            }}
            experiment e {{ deploy n; run for 4 ms {{ step: 1 ms, s: spikes([0], [1]) }} measure total = sum({measured}) }}"
        )
    };
    for (measured, sum) in [("k[0].w", 30.0), ("k[1].w", 20.0)] {
        assert_eq!(run("k.nmc", &text(measured), &NoFiles, ENGINES[1])[0].metrics[0].1, sum);
    }
    assert_eq!(codes(&text("k.w")), ["E0417"]);
    assert_eq!(codes(&text("k[2].w")), ["E0201"]);
    assert_eq!(codes(&text("k[0].w").replace("probe k[1].w", "probe k[2].w")), ["E0201"]);
}

/// What a rule reads of its neurons is known to one of the program's, although no connection uses the rule; a file of rules alone may be for neurons elsewhere.
#[test]
fn rules_that_nothing_uses_read_what_neurons_have() {
    let rules = |member: &str| format!("plasticity p(eta: real = 0.1) {{ on pre {{ w += eta * w * post.{member} }} }}");
    let program = |member: &str| {
        format!(
            "use std.neuron.poisson
neuron cell(gain: real) {{ state u: real = 0; twice = 2 * u; u' = gain * (1 - u) / 1 ms; spike when u > 0.5 {{ u = 0 }} }}
{}
network n() {{ population a: cell[2](gain: 1 + i) {{ x: 0.5 * i }}; probe a.u }}
experiment e {{ deploy n; run for 5 ms {{ step: 1 ms }} }}",
            rules(member)
        )
    };
    for known in ["u", "twice", "gain", "x"] {
        assert!(
            codes(&program(known)).iter().all(|code| code.starts_with('W')),
            "{known}: {:?}",
            told(&program(known))
        );
    }
    let mut told = told(&program("twise"));
    told.retain(|one| one.is_error());
    assert!(
        matches!(&told[..], [one] if one.code.number() == "E0201" && one.help.as_deref() == Some("did you mean `twice`?")),
        "{told:?}"
    );
    assert_eq!(codes(&rules("twise")), [""; 0]);
}
