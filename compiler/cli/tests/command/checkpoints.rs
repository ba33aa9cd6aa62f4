//! Runs that are killed at any moment and resumed give, byte for byte, what a run gives that was left alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{clean, example, folder, nmc, one_error};

/// Every file of a run, but for what it took: seconds and threads.
fn files(folder: &Path, under: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder.join(under)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{under}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(folder, &format!("{name}/"), into);
            continue;
        }
        let mut bytes = fs::read(entry.path()).unwrap();
        if name == "run.json" {
            let mut told: Value = serde_json::from_slice(&bytes).unwrap();
            for experiment in told["experiments"].as_array_mut().unwrap() {
                let experiment = experiment.as_object_mut().unwrap();
                assert!(experiment.remove("seconds").is_some() && experiment.remove("threads").is_some());
            }
            bytes = told.to_string().into_bytes();
        }
        into.insert(name, bytes);
    }
}

fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    files(folder, "", &mut found);
    assert!(found.len() > 1);
    found
}

/// Lets a run go on until it has written a checkpoint and a little longer, then kills it; whether it was killed.
fn kill(mut run: Child, state: &Path, longer: Duration) -> bool {
    while !state.exists() && run.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    sleep(longer);
    run.kill().unwrap();
    let status = run.wait().unwrap();
    assert!(status.code().is_none_or(|code| code == 0), "{status}");
    !status.success()
}

fn killed_and_resumed(test: &str, program: &str, settings: &[&str]) {
    cut(&folder(test), &["run", &example(program)], settings);
}

/// Kills a command time and again, and goes on with it.
fn cut(place: &Path, command: &[&str], settings: &[&str]) {
    let path = |name: &str| place.join(name).display().to_string();
    let begun = Instant::now();
    clean(&[command, &["--out", &path("whole")], settings].concat());
    let took = begun.elapsed();
    let whole = results(&place.join("whole"));
    let (mut random, mut kills) = (7_u64, 0);
    for round in 0..3 {
        let (state, out) = (place.join("state"), format!("out_{round}"));
        let _ = fs::remove_file(&state).and_then(|()| fs::remove_dir_all(place.join("state.recordings")));
        let (state_path, out_path) = (path("state"), path(&out));
        let written = ["--out", &out_path, "--checkpoint", &state_path, "--checkpoint-every", "0.005"];
        for attempt in 0.. {
            let threads = if attempt % 2 == 0 { "1" } else { "2" };
            let mut arguments = [command, &["--threads", threads], &written[..], settings].concat();
            if state.exists() {
                arguments.extend(["--resume", &state_path]);
            }
            if attempt == 5 {
                clean(&arguments);
                break;
            }
            let run = Command::new(env!("CARGO_BIN_EXE_nmc")).args(&arguments).stdout(Stdio::null()).spawn().unwrap();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // The first is killed as soon as it can be gone on with.
            let longer =
                if attempt == 0 { Duration::ZERO } else { took.mul_f64((random >> 33) as f64 / 2_f64.powi(32)) };
            if !kill(run, &state, longer) {
                assert!(!place.join("state.recordings").exists(), "recordings are left");
                break;
            }
            kills += 1;
            // It was over but for the last it does.
            if place.join(&out).exists() {
                break;
            }
        }
        let resumed = results(&place.join(out));
        assert!(resumed.keys().eq(whole.keys()));
        // Not assert_eq: recordings are long.
        for (name, bytes) in &whole {
            assert!(resumed[name] == *bytes, "{command:?}, round {round}: {name} differs");
        }
    }
    assert!(kills > 0, "nothing was killed");
}

#[test]
fn a_learning_run_can_be_killed_at_any_moment() {
    killed_and_resumed("killed_learning", "stdp.nmc", &[]);
}

/// Chips run side by side, and are saved where each of them stands.
#[test]
fn several_chips_can_be_killed_at_any_moment() {
    killed_and_resumed("killed_chips", "stdp.nmc", &["--chips", "3"]);
}

#[test]
fn training_and_testing_can_be_killed_at_any_moment() {
    killed_and_resumed("killed_training", "reservoir.nmc", &["--precision", "f64"]);
}

#[test]
fn batches_can_be_killed_at_any_moment() {
    killed_and_resumed("killed_batches", "hybrid.nmc", &[]);
}

/// In noisy cells: a sequence, whose states go on from batch to batch, then samples of several steps.
#[test]
fn training_through_time_can_be_killed_at_any_moment() {
    let place = folder("killed_through_time");
    let file = place.join("next.nmc").display().to_string();
    let text = "use std.converter.{dac, sar}\nuse std.unit.digital_alu\n\
                device cell { conductance: 10 uS .. 90 uS; potentiation: 0.2 uS; depression: 0.2 uS\n    noise pulse: normal(0, 50 % of step); noise read: normal(0, 1 % of g) }\n\
                tile array { cells: cell[32, 32]; weights: differential; input: dac(bits: 8); sense: sar(bits: 8)\n    read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; transposable: true }\n\
                core one { tiles: array[2]; units: digital_alu; buffer: 64 kB }\n\
                chip board { cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }\n\
                network ahead(x: real) -> (y: real) {\n    state h: real[6] = 0\n    next h = concat(x, h) |> dense(6, bias: true) |> tanh\n    h |> dense(1, bias: true) -> y\n}\n\
                experiment e {\n    deploy ahead on board\n    data s = iterate(421) { x = 0.1, y = 0.1 -> 1 - 1.4 * x^2 + y, 0.3 * x }\n    \
                train sequence { x: s.x[0..400] } for 1 steps expect y == s.x[1..401] by backprop(rate: 0.1, batch: 4, epochs: 20)\n    \
                test sequence { x: s.x[400..420] } for 1 steps measure error = nrmse(y, s.x[401..421])\n    \
                train { x: s.x[0..200] } for 5 steps expect y == s.x[1..201] by backprop(rate: 0.1, batch: 2, epochs: 4)\n}\n";
    fs::write(&file, text).unwrap();
    cut(&place, &["run", &file], &[]);
}

/// Oracle: a sweep that was left alone. What is done is not run again: it tells the seconds of then.
#[test]
fn a_sweep_can_be_killed_at_any_moment() {
    let place = folder("killed_sweep");
    let path = |name: &str| place.join(name).display().to_string();
    let file = path("rates.nmc");
    let text = "use std.neuron.{lif, poisson}\nconst rate = 10 Hz\nnetwork net() {\n    population s: poisson[50](rate: rate)\n    \
                population a: lif[200](bias: 0.12 nA)\n    connect s -> a { weight: 2 mV }\n}\n\
                experiment e { deploy net; run for 4 s { step: 0.1 ms } }\n\
                experiment f { deploy net { chips: 2 }; run for 4 s { step: 0.1 ms }; require rate_hz.s < 35 }\n";
    fs::write(&file, text).unwrap();
    let over = "rate=[10 Hz, 20 Hz, -1 Hz, 30 Hz]";
    let sweep = |more: &[&str]| nmc(&[&["sweep", &file, "--over", over], more].concat());
    // One of the values cannot be.
    assert_eq!(sweep(&[]).status.code(), Some(1));
    cut(&place, &["sweep", &file, "--over", "rate=[10 Hz, 20 Hz, 30 Hz]"], &[]);
    let state = path("state");
    let run = |out: &str, more: &[&str]| -> Vec<Value> {
        sweep(&[more, &["--out", &path(out)]].concat());
        let told: Value = serde_json::from_slice(&fs::read(place.join(out).join("run.json")).unwrap()).unwrap();
        told["experiments"].as_array().unwrap().iter().map(|entry| entry["seconds"]["run"].clone()).collect()
    };
    run("all", &["--checkpoint", &state, "--checkpoint-every", "0"]);
    let (first, second) = (run("first", &["--resume", &state]), run("second", &["--resume", &state]));
    assert_eq!((first.len(), &first[..5]), (6, &second[..5]));
    // Values that are new are run.
    let other = nmc(&["sweep", &file, "--over", "rate=[15 Hz, 20 Hz]", "--resume", &state]);
    assert!(other.status.success() && String::from_utf8_lossy(&other.stderr).contains("2 of 4 experiments were done"));
    let output = sweep(&["--resume", &state, "--seed", "2"]);
    assert_eq!(output.status.code(), Some(2));
    one_error(&String::from_utf8_lossy(&output.stderr), "E0709");
}

/// What is recorded grows beside the checkpoint, which stays small; it may be gone on with more than once, into another checkpoint, and without
/// one.
#[test]
fn recordings_grow_beside_the_checkpoint() {
    let place = folder("recorded_beside");
    let path = |name: &str| place.join(name).display().to_string();
    let file = path("long.nmc");
    let text = "use std.neuron.{lif, poisson}\nnetwork net() {\n    population s: poisson[20](rate: 100 Hz)\n    population a: lif[200](bias: 0.12 nA)\n    population b: lif[3000](bias: 0.12 nA)\n                    connect s -> a { weight: 2 mV }\n    probe a.v\n    probe a.spikes, a.rate every 0.7 ms\n    probe a.v histogram 8 every 1 ms\n}\n                experiment e { deploy net; run for 300 ms { step: 0.1 ms } }\n                experiment f { deploy net; run for 2 s { step: 0.1 ms } }\n";
    fs::write(&file, text).unwrap();
    clean(&["run", &file, "--out", &path("whole")]);
    let whole = results(&place.join("whole"));
    let state = path("state");
    let arguments = ["run", &file, "--out", &path("cut"), "--checkpoint", &state, "--checkpoint-every", "0.02"];
    let mut run = Command::new(env!("CARGO_BIN_EXE_nmc")).args(arguments).stdout(Stdio::null()).spawn().unwrap();
    let grown = place.join("state.recordings/f/a.v.part/values.npy");
    // Far into the second experiment.
    while fs::metadata(&grown).map_or(0, |file| file.len()) < 2_000_000 && run.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    run.kill().unwrap();
    assert!(!run.wait().unwrap().success(), "it ended before it was killed");
    let size = |file: &Path| fs::metadata(file).unwrap().len();
    assert!(size(&place.join("state")) < size(&grown) / 4, "{} {}", size(&place.join("state")), size(&grown));
    let same = |out: &str| {
        let resumed = results(&place.join(out));
        assert!(resumed.keys().eq(whole.keys()));
        for (name, bytes) in &whole {
            assert!(resumed[name] == *bytes, "{out}: {name} differs");
        }
    };
    clean(&["run", &file, "--out", &path("first"), "--resume", &state]);
    same("first");
    clean(&["run", &file, "--out", &path("second"), "--resume", &state, "--checkpoint", &path("other")]);
    same("second");
    assert!(!place.join("other.recordings").exists() && place.join("state.recordings").exists());
    // Without --out nothing is kept, and nothing is lost.
    clean(&["run", &file, "--resume", &state]);
    clean(&["run", &file, "--out", &path("third"), "--resume", &state, "--checkpoint", &state]);
    same("third");
    let told = |why: &str| {
        let output = nmc(&["run", &file, "--out", &path("none"), "--resume", &state]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).to_string();
        one_error(&said, "E0709");
        said.contains(why)
    };
    // The run has ended, its recordings are taken away.
    assert!(told("has ended"));
    clean(&["run", &file, "--checkpoint", &state]);
    assert!(told("was not kept"));
}

#[test]
fn what_is_no_checkpoint_of_the_run_is_told() {
    let place = folder("checkpoint_refused");
    let state = place.join("state").display().to_string();
    let program = example("hello_spikes.nmc");
    let told = |arguments: &[&str], code: &str| {
        let output = nmc(arguments);
        assert_eq!(output.status.code(), Some(2));
        one_error(&String::from_utf8_lossy(&output.stderr), code);
    };
    told(&["run", &program, "--resume", &state], "E0901");
    told(&["run", &program, "--resume", &program], "E0710");
    told(&["run", &program, "--checkpoint", "/proc/no/such/state"], "E0905");
    // Nobody's folder is taken away.
    fs::create_dir(place.join("state.recordings")).unwrap();
    told(&["run", &program, "--checkpoint", &state], "E0905");
    fs::remove_dir(place.join("state.recordings")).unwrap();
    clean(&["run", &program, "--checkpoint", &state]);
    assert!(clean(&["run", &program, "--resume", &state]).contains("time to simulate"));
    told(&["run", &program, "--resume", &state, "--seed", "2"], "E0709");
    told(&["run", &program, "--resume", &state, "--precision", "f64"], "E0709");
    told(&["run", &program, "--resume", &state, "--chips", "2"], "E0709");
    told(&["run", &program, "--resume", &state, "--engine", "interpreter"], "E0709");
    let mut bytes = fs::read(&state).unwrap();
    bytes.pop();
    fs::write(&state, &bytes).unwrap();
    told(&["run", &program, "--resume", &state], "E0710");
}
