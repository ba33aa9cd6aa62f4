//! Tables of constants: an index takes a number of them while compiling. Oracle: the same programs with their numbers written out.

use nmc_compiler::files::NoFiles;
use nmc_tests::{ENGINES, codes, run, told, values};

const CELL: &str = "
neuron leak(tau: time = 10 ms, start: voltage = 1 mV) {
    state v: voltage = start
    v' = -v / tau
}
synapse add { on pre { post.v += w } }
";

#[test]
fn an_index_takes_a_number_of_a_table() {
    let written = format!(
        "{CELL}
network n(s: spikes[3]) {{
    population a: leak[2](tau: 10 ms, start: 1 mV)
    population b: leak[3](tau: 20 ms, start: 2 mV)
    connect s[0..2] -> a {{ pattern: one_to_one, synapse: add(), weight: 5 mV, delay: 1 ms }}
    connect s -> b {{ pattern: one_to_one, synapse: add(), weight: 12 mV, delay: 2 ms }}
    probe a.v, b.v
}}
experiment e {{ deploy n; run for 5 ms {{ step: 0.1 ms, s: spikes([0, 1, 2], [0, 3, 5]) }} }}"
    );
    let by_index = format!(
        "const sizes = [2, 3]
const taus = [10 ms, 20 ms]
const first = [5, 6]
const jumps = [first, [11, 12]]
const delays = [[1 ms, 0 ms], [0 ms, 2 ms]]
const last = sizes[1] - 2
{CELL}
network n(s: spikes[3], from: int = 0) {{
    starts = [1 mV, (from + 2) * 1 mV]
    for k in from..2 {{
        start = starts[k]
        population cell[k]: leak[sizes[k]](tau: taus[k], start: start)
        connect s[0..sizes[k]] -> cell[k] {{
            pattern: one_to_one, synapse: add(), weight: jumps[k][k] * 1 mV, delay: delays[k, last * k]
        }}
    }}
    probe cell[0].v, cell[1].v
}}
experiment e {{ deploy n; run for 5 ms {{ step: 0.1 ms, s: spikes([0, 1, 2], [0, 3, 5]) }} }}"
    );
    assert_eq!(codes(&by_index), [""; 0]);
    for engine in ENGINES {
        let (written, by_index) =
            (&run("written.nmc", &written, &NoFiles, engine)[0], &run("t.nmc", &by_index, &NoFiles, engine)[0]);
        assert_eq!(values(written, "a.v"), values(by_index, "cell[0].v"));
        assert_eq!(values(written, "b.v"), values(by_index, "cell[1].v"));
    }
}

/// A whole table is data, as an array of a file is; `sum` makes a number of it.
#[test]
fn a_table_is_data() {
    let text = format!(
        "const taus = [10 ms, 20 ms, 30 ms]
const weights = [[1, 2, 3], [4, 5, 6]]
{CELL}
network n(x: real[3]) -> (y: real[2]) {{
    all = sum(weights[1] * [1, 0, 2])
    population a: leak[3](tau: taus, start: all * 1 mV)
    probe a.v every 10 ms from start
    x |> dense(weights) -> y
}}
experiment e {{ deploy n {{ step: 0.1 ms }}; test {{ x: [[1, 10, 100]] }} for 20 ms measure m = max(y) }}"
    );
    for engine in ENGINES {
        let results = &run("data.nmc", &text, &NoFiles, engine)[0];
        assert_eq!(values(results, "y"), [321.0, 654.0]);
        let v = values(results, "a.v");
        let wanted = |step: f64, tau: f64| 16e-3 * (-step * 10.0 / tau).exp();
        for (at, v) in v.iter().enumerate() {
            assert!((v - wanted((at / 3) as f64, [10.0, 20.0, 30.0][at % 3])).abs() < 1e-12, "{at}: {v}");
        }
    }
}

#[test]
fn what_cannot_be_taken_is_told_once() {
    let text = |shape: &str, more: &str| {
        format!(
            "const sizes = [2, 3]
const p = [[1, 2], [3, 4]]
{more}
{CELL}
network n() {{ for k in 0..2 {{ population cell[k]: leak[{shape}]() }} }}
experiment e {{ deploy n; run for 1 ms {{ step: 0.1 ms }} }}"
        )
    };
    for (shape, code) in [
        ("sizes[k]", ""),
        ("p[k][1]", ""),
        ("p[k, 1]", ""),
        ("sizes[k + 1]", "E0309"),
        ("sizes[2]", "E0309"),
        ("sizes[0.5]", "E0303"),
        ("sizes[-1]", "E0303"),
        ("sizes[k][0]", "E0309"),
        ("sizes[i]", "E0201"),
        ("p[k]", "E0305"),
        ("p[0..1]", "E0305"),
        ("sizes", "E0305"),
        ("others[k]", "E0305"),
        ("k[0]", "E0305"),
    ] {
        let wanted: &[&str] = if code.is_empty() { &[] } else { &[code] };
        let mut found = codes(&text(shape, ""));
        found.retain(|code| code.starts_with('E'));
        assert_eq!(found, wanted, "{shape}: {:?}", told(&text(shape, "")));
    }
    for (table, code) in [
        ("const t = [1, 2 ms]", "E0302"),
        ("const t = [[1, 2], [3]]", "E0303"),
        ("const t = []", "E0303"),
        ("const t = [uniform(0, 1)]", "E0305"),
        ("const t = [t[0]]", "E0223"),
        ("const t = [t]", "E0223"),
        ("const t = [1 fortnight]", "E0301"),
    ] {
        let found = codes(&text("sizes[k]", table));
        let errors: Vec<&&str> = found.iter().filter(|code| code.starts_with('E')).collect();
        assert_eq!(errors, [&code], "{table}: {:?}", told(&text("sizes[k]", table)));
    }
    // Elements that differ take data.
    let each = format!(
        "const taus = [10 ms, 20 ms]\n{CELL}\nnetwork n() {{ population a: leak[2](tau: taus[i]) }}
experiment e {{ deploy n; run for 1 ms {{ step: 0.1 ms }} }}"
    );
    assert_eq!(codes(&each), ["E0305"]);
    assert_eq!(codes(&each.replace("taus[i]", "taus")), [""; 0]);
}
