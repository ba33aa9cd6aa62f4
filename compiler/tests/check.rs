//! The checks of programs as written: silent on what is right, one message for one mistake, blocks that nothing uses included.

use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_compiler::{Options, check, compile, resolve};

/// No files at all.
struct Nothing;

impl Files for Nothing {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        Err(FileProblem::NotFound(path.to_string()))
    }
}

/// Codes with their messages.
fn found(text: &str) -> Vec<String> {
    let mut diagnostics = Vec::new();
    let model = resolve::resolve("program.nmc", text, &Nothing, &mut diagnostics);
    if diagnostics.is_empty() {
        check::check(&model, &mut diagnostics);
    }
    diagnostics.iter().map(|one| format!("{} {}", one.code.number(), one.message)).collect()
}

/// Codes of a whole compilation with their messages, places and help.
fn told(text: &str) -> Vec<String> {
    let compilation = compile("program.nmc", text, &Nothing, &Options::default());
    let shown = compilation.diagnostics.iter().filter(|one| one.is_error()).map(|one| {
        let span = one.primary.as_ref().unwrap().span;
        assert_eq!(span.file.0, 0, "{}: not in the user's file", one.message);
        let place = &text[span.start as usize..span.end as usize];
        format!("{} at `{place}`: {} ({})", one.code.number(), one.message, one.help.as_deref().unwrap_or_default())
    });
    shown.collect()
}

const FRAMES: &str = "experiment e { deploy n; test { x: [[1, 2]] } measure m = mean(y) }";

#[test]
fn a_value_that_is_wrong_in_the_library_is_told_at_the_users_line() {
    let network = "network n(x: real[2]) -> (y: real[2]) { x |> dense([[0.5, 0.1], [0.2, 0.3]]) -> y }\n";
    let on = |chip: &str| FRAMES.replace("deploy n", &format!("deploy n on {chip} {{ calibrate: [[1, 2]] }}"));
    // Through a chip, a core and a tile to a converter.
    let deep = format!("use std.chip.crossbars48\n{network}{}", on("crossbars48(sharing: 4, sense_bits: 2.5)"));
    assert_eq!(told(&deep), ["E0303 at `2.5`: in `sar`: 2.5 is not a possible number here ()"]);
    let own = "use std.converter.{pulse_width, sar}\nuse std.device.hfox_1t1r\nuse std.unit.digital_alu\n\
               tile mine { cells: hfox_1t1r[64, 64](); input: pulse_width(bits: 4); sense: sar(bits: 99); \
               read_voltage: 0.2 V; read_time: 10 ns; wire: ideal }\n\
               core c { tiles: mine[2](); units: digital_alu[2](); buffer: 64 kB }\n\
               chip k { cores: grid(2, 2) of c; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }\n";
    assert_eq!(told(&format!("{own}{network}{}", on("k"))), ["E0503 at `99`: in `sar`: 99 bits are too many ()"]);
    let neuron = "use std.neuron.adex\nnetwork n() { population a: adex[3](tau_w: 9 ms, delta_t: 0 mV); probe a.spikes }\n\
                  experiment e { deploy n; run for 10 ms }";
    assert_eq!(told(neuron), ["E0306 at `0 mV`: in `adex`: nothing can be divided by 0 ()"]);
}

#[test]
fn names_that_are_nearly_right_are_answered() {
    let lif = "use std.neuron.lif\nnetwork n() { population a: lif[3](tau: 5 ms); probe a.spikes }\n";
    assert_eq!(told(lif), ["E0206 at `tau`: `lif` has no parameter `tau` (did you mean `tau_m`?)"]);
    let deploy = |chip: &str| format!("network n() {{ }}\nexperiment e {{ deploy n on {chip}; run for 1 ms }}");
    let used = "use std.chip.crosbars48\n";
    assert_eq!(
        told(used),
        ["E0201 at `crosbars48`: module `std.chip` has no `crosbars48` (did you mean `crossbars48`?)"]
    );
    let bare = "did you mean `crossbars48`? bring it in with `use std.chip.crossbars48`";
    assert_eq!(told(&deploy("crosbars48")), [format!("E0201 at `crosbars48`: there is no chip `crosbars48` ({bare})")]);
    let path = "`use std.chip.crossbars48` at the top of the file, then its last name here";
    let message = "E0305 at `std.chip.crosbars48`: the name of a chip is needed here";
    assert_eq!(told(&deploy("std.chip.crosbars48")), [format!("{message} ({path})")]);
}

/// What a beginner writes: one message, at its place, with what to write instead.
#[test]
fn usual_slips_are_answered() {
    let network = |body: &str| {
        format!(
            "use std.neuron.{{lif, poisson}}\nnetwork n() {{ {body}; probe a.spikes }}\nexperiment e {{ deploy n; run for 10 ms }}"
        )
    };
    let neuron = |body: &str| {
        format!(
            "neuron mine() {{ state v: voltage = -60 mV; {body} }}\nnetwork n() {{ population a: mine[2](); probe a.v }}\n\
                 experiment e {{ deploy n; run for 10 ms }}"
        )
    };
    let cases = [
        (network("population a: lif(5)"), "E0304 at `5`", "how many there are stands in brackets: `lif[5]()`"),
        (network("population a: lif[5](tau_m: 20)"), "E0304 at `20`", "write its unit after it, as in `20 ms`"),
        (
            network("population a: lif[5](); connect a -> a { pattern: random(p: 10), weight: 1 mV }"),
            "E0405 at `10`",
            "a share in percent is written `10 %`",
        ),
        (
            network("population a: lif[5](); connect a -> a { pattern: random, weight: 1 mV }"),
            "E0221 at `random`",
            "such as `random(p: 2 %)`",
        ),
        (
            network("population a: lif[5](); connect a -> a { weight: 3 nA }"),
            "E0302 at `3 nA`",
            "give it in that unit, or another `synapse: …`, whose weights are of this kind",
        ),
        (
            network("population a: lif[5](); connect a -> a weight: 1 mV"),
            "E0101 at `weight`",
            "write `connect a -> b { weight: 1 mV }`",
        ),
        (network("population a: lif[5]()").replace("run for", "run"), "E0101 at `10 ms`", "write `run for 10 ms`"),
        (neuron("dv/dt = -v / 10 ms"), "E0101 at `dv/dt`", "write `v' = …`"),
        (
            neuron("v' = -v / 10 ms; if v > -50 mV { v = -60 mV }"),
            "E0401 at `if v > -50 mV { v = -60 mV }`",
            "what happens at a threshold is `spike when v > … { v = … }`; one of two values is `if c then a else b`",
        ),
        (neuron("v' = -v / 10 ms; spike when v > 0 mV { v := 0 mV }"), "E0101 at `=`", "a value is given with `=`"),
        ("use std.neuron.LIF\n".to_string(), "E0201 at `LIF`", "did you mean `lif`?"),
        (
            "use std.chip\n".to_string(),
            "E0203 at `use std.chip`",
            "`std.chip` is a module: name what you use of it, `use std.chip.{…}`; `nmc list` shows it",
        ),
        (
            "use std.chip.neurram\n".to_string(),
            "E0201 at `neurram`",
            "it is called `crossbars48` now: `use std.chip.crossbars48`",
        ),
        (
            format!(
                "network n(x: real[2]) -> (y: real[2]) {{ x -> y }}\n{}; require accuracy > 0.9 }}",
                FRAMES.trim_end_matches('}').trim_end()
            ),
            "E0408 at `accuracy`",
            "it counts what a test expects: `test { … } expect argmax(y) == labels`",
        ),
    ];
    for (text, place, help) in cases {
        let found = told(&text);
        assert!(
            found.len() == 1 && found[0].starts_with(place) && found[0].ends_with(&format!("({help})")),
            "{found:?}"
        );
    }
    let others = [
        ("network m() { }\nexperiment e { deploy n; run for 1 ms }", "E0201 at `n`", "this file knows `m`"),
        (
            "experiment e { data d = load(data/x.npz) }",
            "E0101 at `/`",
            "the name of a file stands in quotes: `load(\"data/digits.npz\")`",
        ),
        (
            "use std.neuron.lif\nnetwork n() { for k in 0..2 { population a[k]: lif[5]() }; connect a[0] -> a[2] { weight: 1 mV } }\n\
             experiment e { deploy n; run for 1 ms }",
            "E0201 at `a[2]`: there is no population `a[2]`",
            "did you mean `a[0]`?",
        ),
        (
            "use std.neuron.lif\nnetwork n() { population a: lif[5](); connect a -> a { weigth: 1 mV } }",
            "E0501 at `weigth`",
            "did you mean `weight`?",
        ),
        (
            "neuron n() { v' = -v / 1 ms; spike when v > 1 mV { v = 0 mV } }",
            "E0420 at `v`",
            "declare it: `state v: voltage = 0 mV`",
        ),
        (
            "synapse s() { state g: conductance = 0 nS; g' = -g / 1 ms; on pre { g += w }; current = g * (0 mV - v) }",
            "E0201 at `v`",
            "of the neuron that is reached it is `post.v`",
        ),
        (
            "network n(x: real[2]) -> (y: real[2]) { if x > 0 { x -> y } }\nexperiment e { deploy n; test { x: [[1, 2]] } measure m = mean(y) }",
            "E0305 at `x > 0`",
            "one of two values is `y = if x > 0 then a else b`",
        ),
    ];
    for (text, place, help) in others {
        let found = told(text);
        assert!(
            found.len() == 1 && found[0].starts_with(place) && found[0].ends_with(&format!("({help})")),
            "{found:?}"
        );
    }
    let noisy = told(&neuron("v' = -v / 10 ms + normal(0, 1 mV)"));
    assert!(noisy.len() == 1 && noisy[0].starts_with("E0455"), "{noisy:?}");
}

#[test]
fn values_that_cannot_be_are_refused() {
    let network = |body: &str| {
        format!(
            "use std.neuron.{{adex, lif, poisson}}\nnetwork n() {{ {body}; probe a.spikes }}\nexperiment e {{ deploy n; run for 10 ms }}"
        )
    };
    let joined = |fields: &str| network(&format!("population a: lif[5](); connect a -> a {{ {fields} }}"));
    let cases = [
        (network("population a: poisson[2](rate: -5 Hz)"), "E0306 at `-5 Hz`"),
        (network("population a: lif[2](refractory: -1 ms)"), "E0306 at `-1 ms`"),
        (network("population a: lif[2](r_m: 0 ohm)"), "E0306 at `0 ohm`"),
        (network("population a: adex[2](c_m: -1 pF)"), "E0306 at `-1 pF`"),
        (network("population a: lif[2](tau_m: 0 ms)"), "E0306 at `0 ms`"),
        (network("population a: lif[2](bias: normal(0 nA, -1 nA))"), "E0306 at `-1 nA`"),
        (network("population a: lif[2](bias: sqrt(-1) * 1 nA)"), "E0306 at `sqrt(-1)`"),
        (joined("weight: uniform(2 mV, 1 mV)"), "E0306 at `1 mV`"),
        (joined("weight: 1 mV, delay: -1 ms"), "E0306 at `-1 ms`"),
        (joined("weight: 1 mV, delay: uniform(-1 ms, 1 ms)"), "E0306 at `uniform(-1 ms, 1 ms)`"),
        (joined("weight: 1 mV, pattern: fixed_in_degree(-1)"), "E0303 at `-1`"),
        (joined("weight: 1 mV, pattern: random(p: -10 %)"), "E0405 at `-10 %`"),
    ];
    for (text, place) in cases {
        let found = told(&text);
        assert!(found.len() == 1 && found[0].starts_with(place), "{place}: {found:?}");
    }
    // In a block of the user's that nothing uses yet, too.
    let own = |body: &str| format!("neuron mine() {{ state v: voltage = 0 mV; v' = -v / 10 ms; {body} }}");
    assert_eq!(
        found(&own("spike when v > 1 mV { v = 0 mV; hold v for -1 ms }")),
        ["E0306 a time cannot be negative, this is -1 ms"]
    );
    assert_eq!(found(&own("trace x: real, 0 ms")), ["E0306 the time constant of a trace must be above 0, this is 0 s"]);
}

#[test]
fn times_between_steps_are_told_once_each() {
    let text = "use std.neuron.lif\nnetwork n() {\npopulation a: lif[5](refractory: 2.04 ms)\npopulation b: lif[5](refractory: 2.04 ms)\n\
                for k in 0..3 { connect a -> b { weight: 1 mV, delay: 0.24 ms } }\nconnect b -> a { weight: 1 mV, delay: 0.3 ms }\n\
                probe a.v every 0.36 ms\n}\nexperiment e { deploy n; run for 10.03 ms { step: 0.1 ms } }";
    let mut warnings: Vec<String> = compile("program.nmc", text, &Nothing, &Options::default())
        .diagnostics
        .into_iter()
        .map(|one| one.message)
        .collect();
    warnings.sort();
    let held = "the time for which `lif` holds `v` is 2 ms, not 2.04 ms";
    let told = [
        "the interval of `a.v` is 400 us, not 360 us",
        held,
        "this delay is 200 us, not 240 us",
        "this duration is 10 ms, not 10.03 ms",
    ];
    assert_eq!(warnings, told);
}

#[test]
fn what_is_not_there_yet_says_so() {
    let layer = |body: &str| format!("network n(x: real[2]) -> (y: real[2]) {{ {body} }}\n{FRAMES}");
    let cases = [
        (layer("x |> conv1d([[1]]) -> y"), "conv1d", "the layer `conv1d` is not supported yet"),
        (layer("h = gru(x, 2); h -> y"), "gru", "the layer `gru` is not supported yet"),
        (layer("x |> lstm(10) -> y"), "lstm", "the layer `lstm` is not supported yet"),
        (layer("h = x + h; h -> y"), "h", "`h` gets its value further down: a loop goes through a state"),
        (
            layer("h = x + g; g = h |> relu; g -> y"),
            "g",
            "`g` gets its value further down: a loop goes through a state",
        ),
    ];
    for (text, place, message) in cases {
        let found = told(&text);
        assert!(found.len() == 1 && found[0].starts_with(&format!("E0402 at `{place}`: {message} (")), "{found:?}");
    }
    // In order there is no loop, nor where rounds are written out.
    assert_eq!(told(&layer("h = x + 1; g = h |> relu; g -> y")), [""; 0]);
    assert_eq!(told(&layer("h[0] = x; for k in 0..5 { h[k + 1] = h[k] |> relu }; h[5] -> y")), [""; 0]);
}

#[test]
fn the_standard_library_and_the_examples_are_clean() {
    for module in nmc_stdlib::modules() {
        assert_eq!(found(module.text), [""; 0], "{}", module.path);
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for place in ["examples", "examples/planned", "tests/reference"] {
        let Ok(entries) = std::fs::read_dir(format!("{folder}/{place}")) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "nmc") {
                assert_eq!(found(&std::fs::read_to_string(&path).unwrap()), [""; 0], "{}", path.display());
            }
        }
    }
}

/// A gain error and an offset are fixed values; noise is a spread.
#[test]
fn errors_of_converters_have_either_sign() {
    let of = |field: &str| found(&format!("converter sar: current -> bits(8) {{ energy: 1 pJ; {field} }}"));
    assert_eq!(of("gain_error: -2 %; offset: -0.3"), Vec::<String>::new());
    assert_eq!(of("noise: -0.3"), ["E0503 -0.3 is not possible here"]);
}

#[test]
fn an_input_is_no_parameter_of_what_is_deployed() {
    let network = "network n(p: real[2], k: real = 1) -> (y: real[2]) { p |> scale(k) -> y }\n";
    let on = |args: &str| {
        format!("{network}experiment e {{ deploy n({args}); test {{ p: [[1, 2]] }} measure m = mean(y) }}")
    };
    assert_eq!(
        told(&on("p: 0.1")),
        [
            "E0206 at `p`: `p` is an input of `n`, not a parameter (feed it where it runs: `run for 1 s { p: … }`, `test { p: … }`)"
        ]
    );
    assert_eq!(told(&on("k: 2")), Vec::<String>::new());
}

#[test]
fn data_of_a_network_may_be_parameters() {
    let text = |value: &str| {
        format!(
            "use std.neuron.lif\nnetwork n() {{ d = [1, 2]; population a: lif[2](tau_m: {value}); probe a.v }}\n\
             experiment e {{ deploy n; run for 10 ms {{ step: 0.1 ms }} }}"
        )
    };
    assert_eq!(told(&text("d * 1 ms")), Vec::<String>::new());
    let random = told(&text("d * normal(10 ms, 1 ms)"));
    assert!(
        random.len() == 1 && random[0].starts_with("E0305 at `d * normal(10 ms, 1 ms)`: data cannot be random"),
        "{random:?}"
    );
    assert_eq!(told(&text("c * 1 ms")), ["E0201 at `c`: `c` is not known here ()"]);
}
