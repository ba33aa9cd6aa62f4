//! Bad data and hardware that is too small: one coded error each, before long work starts, and nothing written.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::CompressionMethod;
use npyz::zip::write::FileOptions;

use crate::{folder, nmc, one_error};

/// An npz file of float arrays.
fn npz(arrays: &[(&str, &[u64], &[f32])]) -> Vec<u8> {
    let mut archive = NpzWriter::new(Cursor::new(Vec::new()));
    for (name, shape, values) in arrays {
        let array = archive.array(name, FileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
        let mut array = array.default_dtype().shape(shape).begin_nd().unwrap();
        array.extend(values.iter().copied()).unwrap();
        array.finish().unwrap();
    }
    archive.zip_writer().finish().unwrap().into_inner()
}

/// Weights [2, 4] and three samples of four values; `spoilt` replaces a weight.
fn data(spoilt: Option<f32>) -> Vec<u8> {
    let mut weights = [0.5_f32; 8];
    weights[6] = spoilt.unwrap_or(0.5);
    npz(&[("w", &[2, 4], &weights), ("x", &[3, 4], &[0.25; 12]), ("y", &[3], &[0.0, 1.0, 0.0])])
}

fn program(layer: &str, chip: &str) -> String {
    format!(
        "use std.device.hfox_1t1r\n\
         network n(image: real[4]) -> (scores: real[2]) {{\n    d = load(\"data.npz\")\n    {layer} -> scores\n}}\n\
         experiment e {{\n    deploy n{chip}\n    data d = load(\"data.npz\")\n    \
         test {{ image: d.x }} expect argmax(scores) == d.y\n}}\n"
    )
}

const DENSE: &str = "image |> dense(d[\"w\"])";

fn refused(test: &str, data: &[u8], text: &str, exit: i32, code: &str) {
    let folder = folder(test);
    fs::write(folder.join("data.npz"), data).unwrap();
    let (file, out) = (folder.join("program.nmc"), folder.join("out"));
    fs::write(&file, text).unwrap();
    let output = nmc(&["run", &file.display().to_string(), "--out", &out.display().to_string()]);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{test}: {shown}");
    one_error(&shown, code);
    assert!(!Path::new(&out).exists(), "{test}: something was written");
}

#[test]
fn damaged_files_are_refused() {
    let good = data(None);
    refused("truncated", &good[..good.len() / 2], &program(DENSE, ""), 2, "E0902");
    refused("cut_at_the_front", &good[60..], &program(DENSE, ""), 2, "E0902");
    refused("empty", &[], &program(DENSE, ""), 2, "E0902");
    // One bit of a number: only the archive's check sum can tell.
    let mut flipped = good.clone();
    let quarter = 0.25_f32.to_le_bytes();
    let number = good.windows(8).position(|bytes| bytes == [quarter, quarter].concat()).unwrap();
    flipped[number] ^= 1;
    refused("flipped", &flipped, &program(DENSE, ""), 2, "E0902");
}

/// Only what is used is read: a broken array beside it is nobody's business, and shapes are compared before numbers are.
#[test]
fn only_arrays_that_are_used_are_read() {
    let mut bytes = data(None);
    let number = bytes.windows(4).rposition(|bytes| bytes == 1.0_f32.to_le_bytes()).unwrap();
    bytes[number] ^= 1;
    refused("labels_used", &bytes, &program(DENSE, ""), 2, "E0902");
    let folder = folder("labels_unused");
    fs::write(folder.join("data.npz"), &bytes).unwrap();
    let file = folder.join("program.nmc");
    fs::write(&file, program(DENSE, "").replace("expect argmax(scores) == d.y", "measure m = mean(scores)")).unwrap();
    crate::clean(&["run", &file.display().to_string()]);
    // The broken numbers of an array of the wrong shape are never looked at.
    let mut wide = npz(&[("w", &[2, 5], &[0.5; 10]), ("x", &[3, 4], &[0.25; 12]), ("y", &[3], &[0.0; 3])]);
    let number = wide.windows(4).position(|bytes| bytes == 0.5_f32.to_le_bytes()).unwrap();
    wide[number] ^= 1;
    refused("wide_and_broken", &wide, &program(DENSE, ""), 1, "E0308");
    let many = format!("{DENSE} |> dense(d[\"w\"] / 2)");
    refused("wide_and_computed", &data(None), &program(&many, ""), 1, "E0308");
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    refused("nan", &data(Some(f32::NAN)), &program(DENSE, ""), 1, "E0307");
    refused("infinite", &data(Some(f32::INFINITY)), &program(DENSE, ""), 1, "E0307");
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let wide = npz(&[("w", &[2, 5], &[0.5; 10]), ("x", &[3, 4], &[0.25; 12]), ("y", &[3], &[0.0; 3])]);
    refused("wide", &wide, &program(DENSE, ""), 1, "E0308");
    let few = npz(&[("w", &[2, 4], &[0.5; 8]), ("x", &[3, 4], &[0.25; 12]), ("y", &[2], &[0.0; 2])]);
    refused("few_labels", &few, &program(DENSE, ""), 1, "E0310");
    refused("no_array", &data(None), &program("image |> dense(d[\"v\"])", ""), 1, "E0209");
}

#[test]
fn a_chip_too_small_is_refused() {
    let chip = |array: &str, cores: &str| {
        format!(
            "converter adc(bits: int = 8): current -> bits(bits) {{ energy: 2 pJ; area: 1200 um2; time: 8 ns }}\n\
             converter dac(bits: int = 8): bits(bits) -> voltage {{ energy: 1 pJ; area: 100 um2; time: 5 ns }}\n\
             tile xbar {{ cells: hfox_1t1r[{array}]; weights: differential; input: dac(); sense: adc(); sharing: 1\n    \
             read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 0.02 mm2 }}\n\
             core cim {{ tiles: xbar[1]; buffer: 64 kB; area: 0.05 mm2 }}\n\
             chip small {{ cores: grid({cores}) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)\n    \
             host: spi(energy: 5 pJ per bit); static_power: 1 mW }}\n"
        )
    };
    let text = |array, cores| chip(array, cores) + &program(DENSE, " on small");
    refused("small", &data(None), &text("2, 2", "1, 1"), 1, "E0602");
    let folder = folder("large_enough");
    fs::write(folder.join("data.npz"), data(None)).unwrap();
    fs::write(folder.join("program.nmc"), text("4, 4", "1, 1")).unwrap();
    let output = nmc(&["run", &folder.join("program.nmc").display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where signals move in time, ranges are measured by a trial run: one that fails is told, not swallowed.
#[test]
fn a_trial_run_that_fails_is_told() {
    let text = fs::read_to_string(crate::example("hybrid.nmc")).unwrap();
    let state = "state v: voltage = 0 mV\n";
    let runs_away =
        "state a: voltage = 1 mV\n a' = a / 1 us\n state b: voltage = 1 mV\n b' = b / 1 us\n v' = (a - b) / 1 s\n";
    assert!(text.contains(state));
    let text = text.replace(state, &format!("{state}{runs_away}"));
    let text = text.replace("\"data/", &format!("\"{}/", crate::example("data")));
    let (exit, said) = crate::told("check", "trial", text.as_bytes());
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("W0615") && said.contains("features.v is no longer a number"), "{said}");
    let (exit, said) = crate::told("run", "trial", text.as_bytes());
    assert_eq!(exit, Some(1), "{said}");
    one_error(&said, "E0706");
}

#[test]
fn requests_beyond_all_memory_are_refused() {
    let run = |population: &str, connect: &str, run: &str| {
        format!(
            "use std.neuron.lif\nnetwork n() {{\n    population p: lif[{population}]()\n    {connect}\n}}\n\
             experiment e {{ deploy n; run for {run} {{ step: 0.1 ms }} }}\n"
        )
    };
    refused("neurons", &[], &run("20000000000", "", "1 s"), 1, "E0303");
    refused("half_a_billion", &[], &run("500000000", "", "1 s"), 1, "E0403");
    let all = "connect p -> p { pattern: all_to_all, weight: 1 mV }";
    refused("synapses", &[], &run("300000", all, "1 s"), 1, "E0707");
    let delayed = "connect p -> p { pattern: all_to_all, weight: 1 mV, delay: 300000 s }";
    refused("delay", &[], &run("3", delayed, "1 s"), 1, "E0707");
    // What is kept must find room on the disk; nothing is kept without --out.
    let place = folder("recording");
    let file = place.join("program.nmc");
    fs::write(&file, run("100000", "probe p.v", "10000 s")).unwrap();
    let output = nmc(&["run", &file.display().to_string(), "--out", &place.join("out").display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    one_error(&String::from_utf8_lossy(&output.stderr), "E0707");
    refused("time", &[], &run("3", "", "1e18 s"), 1, "E0306");
}
