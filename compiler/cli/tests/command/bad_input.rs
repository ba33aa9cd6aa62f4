//! Bad programs: one coded error each, never a crash.

use crate::{folder, nmc, one_error, told};

fn network(body: &str, run: &str) -> String {
    format!("use std.neuron.lif\nnetwork n() {{ {body} }}\nexperiment e {{ deploy n; {run} }}\n")
}

#[test]
fn bad_programs_get_one_coded_error() {
    let ok = "run for 1 s { step: 0.1 ms }";
    let cases: &[(&str, String)] = &[
        ("E0201", network("population p: lfi[3]()", ok)),
        ("E0302", network("population p: lif[3](tau_m: 20 mV)", ok)),
        ("E0304", network("population p: lif[3](tau_m: 20)", ok)),
        ("E0301", network("population p: lif[3](tau_m: 20 mz)", ok)),
        ("E0306", network("population p: lif[3](tau_m: -20 ms)", ok)),
        ("E0306", network("population p: lif[3]()", "run for 1 s { step: 0 ms }")),
        ("E0306", network("population p: lif[3](bias: 1 V / 0 ohm)", ok)),
        (
            "E0306",
            String::from("neuron q() { state v: voltage = 0 mV\nv' = -v / 0 ms\nspike when v > 1 mV { v = 0 mV } }\n"),
        ),
        ("E0206", network("population p: lif[3](tau: 20 ms)", ok)),
        ("E0303", network("population p: lif[0]()", ok)),
        ("E0405", network("population p: lif[3]()\n connect p -> p { pattern: random(p: 200 %), weight: 1 mV }", ok)),
        ("E0207", network("population p: lif[3]()\n connect p -> p { pattern: all_to_all }", ok)),
        (
            "E0404",
            network(
                "population p: lif[3]()\npopulation q: lif[4]()\n connect p -> q { pattern: one_to_one, weight: 1 mV }",
                ok,
            ),
        ),
        ("E0202", network("population p: lif[3]()\npopulation p: lif[4]()", ok)),
        ("E0407", String::from("experiment e { run for 1 s }\n")),
        ("E0203", String::from("use std.neurons.lif\n")),
        ("E0106", format!("const x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000))),
    ];
    for (index, (code, text)) in cases.iter().enumerate() {
        let (status, shown) = told("check", &format!("bad_{index}"), text.as_bytes());
        assert_eq!(status, Some(1), "{code}: {shown}");
        one_error(&shown, code);
    }
}

/// What an `if` over numbers does not choose need not have a value.
#[test]
fn a_branch_not_taken_may_divide_by_zero() {
    let neuron = "neuron q(off: time = 0 ms) { state v: voltage = 1 mV\n\
                  v' = if off > 0 ms then -v / off else -v / 20 ms\nspike when v > 1 V { v = 0 mV } }\n";
    let text = format!("{neuron}{}", network("population p: q[3]()", "run for 1 ms { step: 0.1 ms }"));
    let (status, shown) = told("run", "branch", text.replace("use std.neuron.lif\n", "").as_bytes());
    assert_eq!((status, shown.as_str()), (Some(0), ""));
}

/// A line of a hundred thousand characters is not printed.
#[test]
fn messages_are_short() {
    let (_, shown) = told("check", "long", format!("const x = {}\n", "1 + ".repeat(100_000)).as_bytes());
    assert!(shown.contains("program.nmc:1:") && shown.len() < 1000, "{} bytes", shown.len());
}

#[test]
fn bytes_that_are_no_text_are_one_error() {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let (status, shown) = told("check", "noise", &noise.take(10 << 20).collect::<Vec<u8>>());
    assert_eq!(status, Some(1), "{shown}");
    one_error(&shown, "E0107");
}

#[test]
fn a_module_that_uses_itself_is_told() {
    let folder = folder("circle");
    std::fs::write(folder.join("a.nmc"), "use b.y\nconst x = 1\n").unwrap();
    std::fs::write(folder.join("b.nmc"), "use a.x\nconst y = 1\n").unwrap();
    std::fs::write(folder.join("main.nmc"), "use a.x\n").unwrap();
    let output = nmc(&["check", &folder.join("main.nmc").display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    one_error(&String::from_utf8_lossy(&output.stderr), "E0204");
}

#[test]
fn a_file_that_is_not_there_is_a_usage_error() {
    let output = nmc(&["run", "no_such_program.nmc"]);
    assert_eq!(output.status.code(), Some(2));
    one_error(&String::from_utf8_lossy(&output.stderr), "E0901");
}

/// A weight that its synapse cannot take is told where it is given, whichever file the synapse is in.
#[test]
fn a_weight_of_another_dimension_is_told_at_the_connection() {
    for synapse in ["", ", synapse: exp_current()"] {
        let body = format!("population p: lif[3]()\nconnect p -> p {{ pattern: all_to_all, weight: 3 ms{synapse} }}");
        let text = format!("use std.synapse.exp_current\n{}", network(&body, "run for 1 s { step: 0.1 ms }"));
        let text = if synapse.is_empty() { text.replace("use std.synapse.exp_current\n", "\n") } else { text };
        let (status, shown) = told("check", "weight", text.as_bytes());
        assert_eq!(status, Some(1));
        one_error(&shown, "E0302");
        assert!(shown.contains("program.nmc:4:"), "{shown}");
    }
}

#[test]
fn a_requirement_that_does_not_hold_fails_the_run() {
    let text = network("population p: lif[3]()", "run for 10 ms { step: 0.1 ms }; require rate_hz.p > 1");
    let (status, shown) = told("run", "require", text.as_bytes());
    assert_eq!(status, Some(1));
    assert!(shown.contains("required rate_hz.p > 1"), "{shown}");
}

/// What only a run finds out stands in the text, too.
#[test]
fn a_probability_above_one_is_told_at_its_connection() {
    let body = "population p: lif[3]() { x: uniform(0, 1) }
    connect p -> p { pattern: random(p: 1.05 - 0.1 * abs(pre.x - post.x)), weight: 1 mV }";
    let text = network(body, "run for 10 ms { step: 0.1 ms }");
    let (status, shown) = told("run", "probability", text.as_bytes());
    assert_eq!(status, Some(1));
    one_error(&shown, "E0405");
    assert!(shown.contains("program.nmc:3:"), "{shown}");
}
