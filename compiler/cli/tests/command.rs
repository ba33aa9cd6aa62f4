//! The command as a user meets it: examples run the same on both engines, and bad input gives one coded error.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn nmc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nmc")).args(arguments).output().unwrap()
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

/// Metrics of a run, as JSON text, without the seconds it took.
fn metrics(arguments: &[&str]) -> serde_json::Value {
    let output = nmc(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["experiments"][0]["fallbacks"], 0);
    json["experiments"][0]["metrics"].clone()
}

#[test]
fn engines_and_threads_agree_on_the_examples() {
    for name in ["hello_spikes.nmc", "balanced_network.nmc", "stdp.nmc"] {
        for precision in ["f32", "f64"] {
            let file = example(name);
            let run = |engine, threads| {
                metrics(&["run", &file, "--json", "--engine", engine, "--threads", threads, "--precision", precision])
            };
            // The interpreter is slow: the small example is enough to hold it against the JIT here.
            let jit = run("jit", "1");
            assert_eq!(jit, run("jit", "2"), "{name} {precision}");
            if name == "hello_spikes.nmc" {
                assert_eq!(jit, run("interpreter", "1"), "{name} {precision}");
            }
        }
    }
}

/// Writes a program into a folder of its own and checks it.
fn check(test: &str, text: &[u8]) -> (Option<i32>, String) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("program.nmc");
    std::fs::write(&file, text).unwrap();
    let output = nmc(&["check", &file.display().to_string()]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

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
        let (status, shown) = check(&format!("bad_{index}"), text.as_bytes());
        assert_eq!(status, Some(1), "{code}: {shown}");
        let summary: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(summary.contains(code), "{code} expected: {shown}");
        assert_eq!(summary.matches("[E").count(), 1, "one error expected: {shown}");
    }
}

#[test]
fn bytes_that_are_no_text_are_one_error() {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let (status, shown) = check("noise", &noise.take(10 << 20).collect::<Vec<u8>>());
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("E0107"), "{shown}");
}

#[test]
fn a_module_that_uses_itself_is_told() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("circle");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.nmc"), "use b.y\nconst x = 1\n").unwrap();
    std::fs::write(folder.join("b.nmc"), "use a.x\nconst y = 1\n").unwrap();
    std::fs::write(folder.join("main.nmc"), "use a.x\n").unwrap();
    let output = nmc(&["check", &folder.join("main.nmc").display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("E0204"));
}

#[test]
fn a_file_that_is_not_there_is_a_usage_error() {
    let output = nmc(&["run", "no_such_program.nmc"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("E0901"));
}

#[test]
fn a_requirement_that_does_not_hold_fails_the_run() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("require");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("program.nmc");
    let text = network("population p: lif[3]()", "run for 10 ms { step: 0.1 ms }; require rate_hz.p > 1");
    std::fs::write(&file, text).unwrap();
    let output = nmc(&["run", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("required rate_hz.p > 1"));
}
