//! What people do with a command line: begin, build, keep, look things up.

use std::fs;
use std::path::Path;

use crate::{clean, example, folder, json, nmc};

#[test]
fn what_new_makes_runs_as_it_is() {
    for template in ["inference", "spiking", "reservoir", "hybrid"] {
        let place = folder("new").join(template);
        let shown = place.display().to_string();
        clean(&["new", &shown, "--template", template]);
        let program = place.join(format!("{template}.nmc")).display().to_string();
        clean(&["check", &program]);
        clean(&["fmt", "--check", &program]);
        assert!(clean(&["run", &program]).contains("time to simulate"), "{template}");
        // Never over what is there.
        assert_eq!(nmc(&["new", &shown]).status.code(), Some(2));
    }
}

#[test]
fn an_image_runs_as_its_source_does() {
    let image = folder("image").join("hybrid.nmx").display().to_string();
    clean(&["build", &example("hybrid.nmc"), "-o", &image]);
    let (of_source, of_image) = (json(&["run", &example("hybrid.nmc"), "--json"]), json(&["run", &image, "--json"]));
    for key in ["metrics", "energy_j", "conversions", "latency_s"] {
        assert_eq!(of_source["experiments"][0][key], of_image["experiments"][0][key]);
    }
    assert_eq!(clean(&["report", &example("hybrid.nmc")]), clean(&["report", &image]));
    let bytes = fs::read(&image).unwrap();
    fs::write(&image, &bytes[..bytes.len() - 7]).unwrap();
    assert_eq!(nmc(&["run", &image]).status.code(), Some(2));
}

#[test]
fn every_form_can_be_printed() {
    let file = example("hybrid.nmc");
    for form in ["network", "tiled", "converted", "placed", "scheduled", "program", "clif"] {
        let text = clean(&["build", &file, "--emit", form]);
        assert!(text.lines().count() > 1, "{form}: {text}");
    }
}

#[test]
fn the_same_seed_gives_the_same_files() {
    let place = folder("same");
    let run = |name: &str, seed: &str, threads: &str| {
        let out = place.join(name);
        let shown = out.display().to_string();
        clean(&["run", &example("hello_spikes.nmc"), "--out", &shown, "--seed", seed, "--threads", threads]);
        let spikes = out.join("half_a_second");
        let mut files: Vec<_> = fs::read_dir(spikes).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    let first = run("first", "7", "1");
    assert_eq!(first.len(), 3);
    assert_eq!(first, run("second", "7", "2"));
    assert_ne!(first, run("third", "8", "1"));
    // A second run into the same folder replaces the first.
    assert_eq!(run("first", "8", "1"), run("third", "8", "1"));
}

#[test]
fn experiments_can_be_chosen_and_share_their_warnings() {
    let file = folder("chosen").join("program.nmc");
    let text = "network n(x: real[2]) -> (y: real) { d = [[1, 2]]\n x |> dense(d) -> y }\n\
                experiment a { deploy n; test { x: [[1, 2]] } measure m = mean(y) }\n\
                experiment b { deploy n; test { x: [[1, 2]] } measure m = mean(y) }\n\
                experiment c { deploy n; test { x: [[1, 2]] } measure m = mean(y) }\n";
    fs::write(&file, text).unwrap();
    let shown = file.display().to_string();
    let names = |file: &str, arguments: &[&str]| -> Vec<String> {
        let whole = json(&[&["run", file, "--json"], arguments].concat());
        let names = whole["experiments"].as_array().unwrap().iter();
        names.map(|entry| entry["experiment"].as_str().unwrap().to_string()).collect()
    };
    let image = file.with_extension("nmx").display().to_string();
    clean(&["build", &shown]);
    for file in [&shown, &image] {
        assert_eq!(names(file, &[]), ["a", "b", "c"]);
        assert_eq!(names(file, &["--experiment", "c", "--experiment", "a"]), ["a", "c"]);
        assert_eq!(nmc(&["run", file, "--experiment", "a", "--experiment", "d"]).status.code(), Some(2));
    }
    // A mistake in what all of them deploy is told once.
    fs::write(&file, text.replace("[[1, 2]]\n x", "[[1, 2, 3]]\n x")).unwrap();
    let output = nmc(&["check", &shown]);
    crate::one_error(&String::from_utf8_lossy(&output.stderr), "E0308");
}

#[test]
fn constants_and_inputs_can_be_set() {
    let place = folder("set");
    let file = place.join("program.nmc");
    let text = "use std.neuron.lif\nconst drive = 0.2 nA\nnetwork n() { population p: lif[5](bias: drive) }\n\
                experiment e { deploy n; run for 0.2 s { step: 0.1 ms } }\n";
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let spikes = |arguments: &[&str]| {
        json(&[&["run", &file, "--json"], arguments].concat())["experiments"][0]["metrics"]["spikes.p"].clone()
    };
    assert!(spikes(&[]).as_f64().unwrap() > 0.0);
    assert_eq!(spikes(&["--set", "drive=0.01 nA"]).as_f64(), Some(0.0));
    assert_eq!(nmc(&["run", &file, "--set", "drve=0.01 nA"]).status.code(), Some(2));
    assert_eq!(nmc(&["run", &file, "--set", "drive=3 mV"]).status.code(), Some(1));
}

#[test]
fn programs_are_laid_out() {
    let file = folder("fmt").join("program.nmc");
    let shown = file.display().to_string();
    fs::write(&file, "const   x=1 // kept\n").unwrap();
    assert_eq!(nmc(&["fmt", "--check", &shown]).status.code(), Some(1));
    clean(&["fmt", &shown]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "const x = 1  // kept\n");
    clean(&["fmt", "--check", &shown]);
}

#[test]
fn a_precision_that_is_overruled_is_told() {
    let file = folder("precision").join("clock.nmc");
    let text = "neuron clock() { state next: time = 10 ms; spike when t > next - dt / 2 { next += 10 ms } }\n\
                network n() { population a: clock[1](); probe a.spikes }\n\
                experiment e { deploy n; run for 100 ms { step: 0.1 ms } }\n";
    fs::write(&file, text).unwrap();
    let shown = file.display().to_string();
    let told = |more: &[&str]| {
        let output = nmc(&[&["run", &shown], more].concat());
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&["--precision", "f32"]).contains("`--precision f32` has no effect on experiment `e`"));
    assert!(!told(&[]).contains("W0428") && !told(&["--precision", "f64"]).contains("W0428"));
}

#[test]
fn things_can_be_looked_up() {
    assert!(clean(&["explain", "E0302"]).contains("dimension-mismatch"));
    assert!(clean(&["explain", "dimension-mismatch"]).contains("E0302"));
    assert_eq!(clean(&["explain", "std.neuron.adex"]), clean(&["list", "std.neuron.adex"]));
    assert_eq!(nmc(&["explain", "E9999"]).status.code(), Some(2));
    assert!(clean(&["list"]).contains("hfox_1t1r"));
    assert!(clean(&["list", "neurons"]).contains("lif"));
    assert!(clean(&["completions", "bash"]).contains("complete"));
}

#[test]
fn usage_errors_end_with_two() {
    for arguments in [&["run"][..], &["fly"], &["run", "x.nmc", "--engine", "steam"], &["new"]] {
        assert_eq!(nmc(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn inputs_and_data_can_be_replaced() {
    let file = folder("replaced").join("program.nmc");
    let text = format!(
        "network n(image: real[28, 28]) -> (y: real[784]) {{ image |> flatten |> scale(0.5) -> y }}\n\
         experiment e {{ deploy n; data digits = load({:?}); test {{ image: digits.x[0..10] }} measure m = max(y) }}\n",
        example("data/mnist_test.npz")
    );
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let others = example("data/mnist_calibration.npz");
    let samples = |input: &str| json(&["run", &file, "--json", "--input", input])["experiments"][0]["samples"].clone();
    assert_eq!(samples(&format!("image={others}:x")), 200);
    assert_eq!(samples(&format!("digits={others}")), 10);
    // A file that a network loads by that name.
    let own = folder("replaced_load").join("program.nmc");
    let net = "network n(x: real[2]) -> (y: real[2]) { k = load(\"one.csv\"); n = sum(k[\"a\"]); x * n -> y }\n\
               experiment e { deploy n; test { x: [[1, 2]] } measure m = sum(y) }\n";
    fs::write(&own, net).unwrap();
    for (name, values) in [("one.csv", "a,b\n2,3\n4,5\n"), ("two.csv", "a,b\n3,3\n6,5\n")] {
        fs::write(own.with_file_name(name), values).unwrap();
    }
    let (own, two) = (own.display().to_string(), own.with_file_name("two.csv").display().to_string());
    let sum =
        |more: &[&str]| json(&[&["run", &own, "--json"], more].concat())["experiments"][0]["metrics"]["m"].clone();
    assert_eq!(sum(&[]), 18.0);
    assert_eq!(sum(&["--input", &format!("k={two}")]), 27.0);
    for wrong in ["image=none.npz", "img=none.npz"] {
        assert_eq!(nmc(&["run", &file, "--input", wrong]).status.code(), Some(2), "{wrong}");
    }
    assert_eq!(nmc(&["run", &file, "--input", &format!("image={others}:z")]).status.code(), Some(1));
}

#[test]
fn weights_and_traces_are_recorded_in_time() {
    let out = folder("plasticity").join("out");
    clean(&["run", &example("stdp.nmc"), "--out", &out.display().to_string()]);
    let read = |name: &str, array: &str| {
        let file = nmc_host::data::read(&out.join("ten_seconds").join(name)).unwrap();
        let array = file.arrays.iter().find(|stored| stored.name == array).unwrap().tensor().unwrap();
        (array.shape.clone(), (0..array.data.len()).map(|at| array.data.get(at)).collect::<Vec<f64>>())
    };
    // At the start, after each second, at the end.
    let (shape, weights) = read("syn.w.npz", "values");
    assert_eq!(shape, [11, 1000]);
    assert_eq!(read("syn.w.npz", "time").1, (0..=10).map(f64::from).collect::<Vec<_>>());
    assert_ne!(weights[..1000], weights[10_000..]);
    assert!(weights.iter().all(|w| (0.0..=0.1e-9 * 1.000_001).contains(w)));
    // The output's trace: nothing before its first spike, then steps of one that decay.
    let (shape, trace) = read("syn.y.npz", "values");
    assert_eq!(shape, [1000, 1]);
    let largest = trace.iter().fold(0.0, |a: f64, b| a.max(*b));
    assert!(trace[0] == 0.0 && (1.0..20.0).contains(&largest), "{largest}");
}

/// Bit by bit while the run goes on, or all at its end, as where it can be resumed. Oracle (cross): the same bytes.
#[test]
fn recordings_are_the_same_however_they_come_to_disk() {
    let place = folder("streamed");
    let (grown, whole) = (place.join("grown"), place.join("whole"));
    let run = |out: &Path, more: &[&str]| {
        clean(&[&["run", &example("stdp.nmc"), "--out", &out.display().to_string()][..], more].concat());
    };
    run(&grown, &[]);
    run(&whole, &["--checkpoint", &place.join("state").display().to_string()]);
    let files = fs::read_dir(grown.join("ten_seconds")).unwrap().map(|file| file.unwrap().file_name());
    let files: Vec<_> = files.collect();
    assert!(files.len() > 2, "{files:?}");
    for file in files {
        let read = |folder: &Path| fs::read(folder.join("ten_seconds").join(&file)).unwrap();
        assert!(read(&grown) == read(&whole), "{}", file.display());
    }
}

/// A run that is killed leaves what it had recorded, in files that can be opened.
#[test]
fn what_was_recorded_outlives_a_killed_run() {
    let place = folder("killed");
    let program = place.join("long.nmc");
    let text = "use std.neuron.{lif, poisson}\nnetwork n() {\n population p: poisson[1000](rate: 50 Hz)\n population q: lif[4]()\n\
                connect c: p[0..6] -> q { pattern: fixed_out_degree(2), weight: 1 mV }\n\
                probe p.spikes\n probe q[1..3].v, c.w every 10 ms\n }\n\
                experiment e { deploy n; run for 100000 s { step: 0.1 ms } }\n";
    fs::write(&program, text).unwrap();
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_nmc"))
        .args(["run", &program.display().to_string(), "--out", &place.join("out").display().to_string()])
        .spawn()
        .unwrap();
    let part = || {
        let folders = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path().join("e/p.spikes.part/step.npy"));
        folders.into_iter().find(|file| file.exists())
    };
    let rows = || {
        let file = nmc_host::data::read(&part()?).ok()?;
        Some(file.arrays.first()?.shape.as_ref().ok()?[0])
    };
    while rows().is_none_or(|rows| rows == 0) {
        assert!(run.try_wait().unwrap().is_none(), "it ended before it had recorded anything");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let steps = nmc_host::data::read(&part().unwrap()).unwrap().arrays[0].tensor().unwrap();
    assert!(!steps.data.is_empty() && (1..steps.data.len()).all(|at| steps.data.get(at - 1) <= steps.data.get(at)));
    // What the numbers are stands beside them.
    let beside = |name: &str| {
        let file = part().unwrap().parent().unwrap().with_file_name(format!("{name}.npy"));
        let read = nmc_host::data::read(&file).unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
        let numbers = &read.arrays[0].tensor().unwrap().data;
        (0..numbers.len()).map(|at| numbers.get(at)).collect::<Vec<f64>>()
    };
    assert_eq!((beside("p.spikes.part/dt"), beside("q.v.part/index")), (vec![1e-4], vec![1.0, 2.0]));
    let (sources, targets) = (beside("c.w.part/source"), beside("c.w.part/target"));
    assert_eq!(sources, (0..12).map(|synapse| f64::from(synapse / 2)).collect::<Vec<_>>());
    assert!(targets.len() == 12 && targets.iter().all(|target| *target < 4.0), "{targets:?}");
    let folder = part().unwrap().parent().unwrap().with_file_name("q.v.part");
    let units = fs::read(folder.join("units.npy")).unwrap();
    let letters: Vec<u8> = units[256..].chunks(4).map(|letter| letter[0]).filter(|letter| *letter > 0).collect();
    assert_eq!(String::from_utf8(letters).unwrap(), "timesvaluesV");
}

#[test]
fn import_writes_a_program_and_its_weights_or_neither() {
    let place = folder("import");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/data/onnx_mnist_cnn.onnx");
    let (model, program) = (model.display().to_string(), place.join("cnn.nmc").display().to_string());
    clean(&["import", &model, "-o", &program]);
    clean(&["check", &program]);
    let (weights, written) = (place.join("cnn.safetensors"), fs::read(&program).unwrap());
    assert!(weights.exists());
    // What is there stays.
    assert_eq!(nmc(&["import", &model, "-o", &program]).status.code(), Some(2));
    assert_eq!(fs::read(&program).unwrap(), written);
    // A cut model, one that is none, and a program with another ending leave nothing.
    let cut = place.join("cut.onnx");
    fs::write(&cut, &fs::read(&model).unwrap()[..9000]).unwrap();
    let (cut, other) = (cut.display().to_string(), place.join("other.nmc").display().to_string());
    for (model, program) in [(&*cut, &*other), (&weights.display().to_string(), &other), (&*model, &cut)] {
        assert_eq!(nmc(&["import", model, "-o", program]).status.code(), Some(2));
    }
    assert_eq!(fs::read_dir(&place).unwrap().count(), 3);
}

/// A picture of spikes, rates and traces, and one of chips that age; what is asked wrongly leaves none.
#[test]
fn plot_draws_what_a_run_left() {
    let place = folder("plot");
    let at = |name: &str| place.join(name).display().to_string();
    clean(&["run", &example("balanced_network.nmc"), "--out", &at("spikes")]);
    clean(&["plot", &at("spikes")]);
    let picture = fs::read_to_string(place.join("spikes/plot.svg")).unwrap();
    for word in ["exc.spikes", "exc.v, one_second", "spikes a ms", "mV"] {
        assert!(picture.contains(word), "{word}");
    }
    let program = fs::read_to_string(example("pcm_ageing.nmc")).unwrap().replace("chips: 25", "chips: 2");
    let data = Path::new(&example("data")).display().to_string();
    let program = program.replace("digits.x / 255", "digits.x[0..50] / 255").replace("digits.y", "digits.y[0..50]");
    fs::write(place.join("ages.nmc"), program.replace("\"data/", &format!("\"{data}/"))).unwrap();
    clean(&["run", &at("ages.nmc"), "--out", &at("ages")]);
    clean(&["plot", &at("ages"), "-o", &at("ages.svg"), "--experiment", "drifting"]);
    let picture = fs::read_to_string(place.join("ages.svg")).unwrap();
    assert!(picture.contains("accuracy after programming") && !picture.contains("compensated"));
    let learning = "network n(x: real[2]) -> (y: real[2]) { x |> dense(2, bias: true) -> y }
        experiment e { deploy n; train { x: [[1, 0], [0, 1]] } expect argmax(y) == [0, 1] by backprop(rate: 1, epochs: 9) }";
    fs::write(place.join("learns.nmc"), learning).unwrap();
    clean(&["run", &at("learns.nmc"), "--out", &at("learns")]);
    clean(&["plot", &at("learns")]);
    let picture = fs::read_to_string(place.join("learns/plot.svg")).unwrap();
    assert!(picture.contains("loss while training") && picture.contains("accuracy while training"));
    let (none, ages, learns) = (at("none"), at("ages"), at("learns/run.json"));
    let gif = at("x.gif");
    let wrong: [&[&str]; 5] =
        [&[&none], &[&learns], &[&ages, "-o", &gif], &[&ages, "--experiment", "x"], &[&ages, "--set", "a=1"]];
    for wrong in wrong {
        assert_ne!(nmc(&[&["plot"], wrong].concat()).status.code(), Some(0));
    }
    assert!(!place.join("x.gif").exists() && !place.join("ages/plot.svg").exists());
}

/// Every combination has its row, one that cannot be is told and left out, and the whole is drawn; a program's hardware, too.
#[test]
fn sweep_runs_every_combination_and_plot_draws_them() {
    let place = folder("sweep");
    let at = |name: &str| place.join(name).display().to_string();
    let program = "const wire = 1 ohm
const size = 8
converter dac(bits: int = 6): bits(bits) -> voltage { energy: 1 pJ; time: 1 ns; noise: 0.2 lsb; gain_error: 2 % }
device cell { conductance: 10 uS .. 100 uS; levels: 16; noise programming: normal(0, 2 % of range) }
tile array { cells: cell[size, size]; weights: differential; input: dac; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns; wire: wire }
unit logic: bits(32) -> bits(32) { implements: any; energy: 0.1 pJ }
core one { tiles: array[2]; units: logic }
chip board { cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 J per bit) }
network net(x: real[3]) -> (y: real[2]) { x |> dense([[1, -0.5, 0.2], [0.5, 1, -1]]) -> y }
experiment plain { deploy net on board { calibrate: [[1, 1, 1]] }; test { x: [[1, 0, 0], [0, 1, 0]] } expect argmax(y) == [0, 1] }
experiment better { deploy net on board { calibrate: [[1, 1, 1]]; compensate: wires }; test { x: [[1, 0, 0], [0, 1, 0]] } expect argmax(y) == [0, 1] }
";
    fs::write(place.join("p.nmc"), program).unwrap();
    let sizes = ["--over", "size=[1, 4, 8]", "--over", "wire=0 ohm..100 ohm:3"];
    let (file, out) = (at("p.nmc"), at("out"));
    let run = [&["sweep", &file, "--chips", "2", "--json", "--out", &out], &sizes[..]].concat();
    let done = nmc(&run);
    // An array of one column holds no pair.
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(told.contains("with size = 1, wire = 0 ohm") && told.matches("error[").count() == 1, "{told}");
    let found: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    crate::keys::keeps_to(&found, "run.schema.json");
    let entries = found["experiments"].as_array().unwrap();
    assert_eq!(entries.len(), 2 * 2 * 3);
    // Values between the ends stand in the table as numbers.
    let table = nmc(&["sweep", &file, "--experiment", "plain", "--over", "wire=100 mohm..0.3 ohm:3"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(["100 mohm", "200 mohm", "0.3 ohm"].iter().all(|value| table.contains(value)), "{table}");
    assert_eq!(entries[2]["sweep"][1]["value"].as_f64(), Some(50.0));
    assert_eq!(entries[2]["sweep"][1]["unit"].as_str(), Some("ohm"));
    // As each alone.
    let alone = json(&["run", &at("p.nmc"), "--chips", "2", "--set", "size=4", "--set", "wire=100 ohm", "--json"]);
    assert_eq!(alone["experiments"][1]["energy_j"], entries[5]["energy_j"]);
    assert_eq!(alone["experiments"][1]["metrics_each"], entries[5]["metrics_each"]);
    assert_eq!(fs::read_to_string(place.join("out/sweep.csv")).unwrap().lines().count(), 1 + entries.len());
    clean(&["plot", &at("out")]);
    let picture = fs::read_to_string(place.join("out/plot.svg")).unwrap();
    for word in ["accuracy over wire", "wire (ohm)", "size = 4, better"] {
        assert!(picture.contains(word), "{word}");
    }
    clean(&["plot", &at("p.nmc"), "--set", "wire=50 ohm"]);
    let picture = fs::read_to_string(place.join("p.svg")).unwrap();
    for word in ["dac: bits to voltage, 6 bits, 64 levels", "current through each cell", "of the current is missing"] {
        assert!(picture.contains(word), "{word}");
    }
    let set = nmc(&["sweep", &at("p.nmc"), "--over", "wire=[1 ohm]", "--set", "wire=2 ohm"]);
    assert_eq!(set.status.code(), Some(2));
    for wrong in ["wire", "wire=3 ohm", "wire=[]", "wire=1 ohm..2 ohm:1", "wier=[1 ohm]"] {
        assert_eq!(nmc(&["sweep", &at("p.nmc"), "--over", wrong]).status.code(), Some(2), "{wrong}");
    }
}
