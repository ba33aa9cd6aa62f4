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

#[test]
fn what_is_not_there_yet_says_so() {
    let layer = |body: &str| format!("network n(x: real[2]) -> (y: real[2]) {{ {body} }}\n{FRAMES}");
    let cases = [
        (layer("x |> conv1d([[1]]) -> y"), "conv1d", "the layer `conv1d` is not supported yet"),
        (layer("h = gru(x, 2); h -> y"), "gru", "the layer `gru` is not supported yet"),
        (layer("x |> lstm(10) -> y"), "lstm", "the layer `lstm` is not supported yet"),
        (layer("h = x + h; h -> y"), "h", "`h` gets its value further down: a recurrent loop is not supported yet"),
        (
            layer("h = x + g; g = h |> relu; g -> y"),
            "g",
            "`g` gets its value further down: a recurrent loop is not supported yet",
        ),
        (
            layer("state h: real[2] = 0; x -> y"),
            "state h: real[2] = 0",
            "a state of a network, kept from sample to sample, is not supported yet",
        ),
        (
            format!("network n(x: real[2]) {{ }}\n{}", FRAMES.replace("deploy n", "deploy n { after: 1 h }")),
            "after",
            "`after`, for chips that have aged, is not supported yet",
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
