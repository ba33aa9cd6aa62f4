//! Programs against results of trusted tools, in double precision and on both engines.

use std::path::{Path, PathBuf};

use nmc_compiler::files::{DataFile, FileProblem};
use nmc_host::disk::Folder;
use nmc_runtime::{EngineKind, Recorded, Results};
use nmc_tests::{ENGINES, recorded, values};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference")
}

fn expected(file: &str, name: &str) -> Vec<f64> {
    let file = nmc_host::data::read(&folder().join("data").join(file)).unwrap();
    let tensor = file.arrays.iter().find(|stored| stored.name == name).unwrap().tensor().unwrap();
    (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect()
}

/// Every experiment of a program on one engine.
fn run(program: &str, engine: EngineKind) -> Vec<Results> {
    let file = folder().join(program);
    let text = std::fs::read_to_string(&file).unwrap();
    nmc_tests::run(program, &text, &Folder::of(&file), engine)
}

/// Brian2 2.9, exact integration: every spike in its step, voltages within 1e-9 mV.
#[test]
fn current_based_network_equals_brian2() {
    for engine in ENGINES {
        let results = &run("cuba100.nmc", engine)[0];
        let Recorded::Spikes { neuron, step, .. } = recorded(results, "cells.spikes") else { panic!() };
        let mut found: Vec<(u64, u32)> = step.iter().copied().zip(neuron.iter().copied()).collect();
        let steps = expected("cuba100.npz", "spike_step").into_iter().map(|step| step as u64);
        let neurons = expected("cuba100.npz", "spike_neuron").into_iter().map(|neuron| neuron as u32);
        let mut wanted: Vec<(u64, u32)> = steps.zip(neurons).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found.len(), wanted.len());
        assert_eq!(found, wanted);
        // Kept every tenth step: row k holds the values before step 10 k, recorded at the end of the step before.
        let Recorded::Values { data, elements: 5, .. } = recorded(results, "cells.v") else { panic!() };
        let voltages = expected("cuba100.npz", "v_first5_mV");
        for (row, wanted) in voltages.chunks(5).enumerate().skip(1) {
            for (neuron, wanted) in wanted.iter().enumerate() {
                let found = data[(10 * row - 1) * 5 + neuron] * 1e3;
                assert!(
                    (found - wanted).abs() < 1e-9,
                    "neuron {neuron} before step {}: {found} for {wanted}",
                    10 * row
                );
            }
        }
    }
}

/// The sums written out: 1e-9.
#[test]
fn pair_stdp_equals_its_sums() {
    for engine in ENGINES {
        let results = &run("stdp50.nmc", engine)[0];
        let Recorded::Synapses { source, data, .. } = recorded(results, "syn.w") else { panic!() };
        let wanted = expected("stdp50.npz", "w_end");
        assert_eq!(data.len(), wanted.len());
        for (source, found) in source.iter().zip(data) {
            let wanted = wanted[*source as usize];
            assert!((found - wanted).abs() < 1e-9, "synapse of {source}: {found} for {wanted}");
        }
    }
}

/// Times in ms at which a trace of values at the ends of steps rises through zero, between steps by a straight line.
fn crossings(results: &Results, step_ms: f64) -> Vec<f64> {
    let data = values(results, "membrane.v");
    let rises = |index: &usize| data[*index] < 0.0 && data[*index + 1] >= 0.0;
    let time = |index: usize| (index as f64 + 1.0 + data[index] / (data[index] - data[index + 1])) * step_ms;
    (0..data.len() - 1).filter(rises).map(time).collect()
}

fn furthest(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    pairs.map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f64::max)
}

/// DOP853, rtol 1e-11: spikes within 0.02 ms at a step of 0.01 ms. Half the step, a sixteenth of the error in voltage by
/// Runge-Kutta 4; half the error in time by exponential Euler, which is taken unless the method is pinned.
#[test]
fn squid_axon_spikes_when_it_should() {
    let (crossings_ms, voltages) =
        (expected("hodgkin_huxley_10.npz", "crossing_ms"), expected("hodgkin_huxley_10.npz", "v_mV"));
    for engine in ENGINES {
        let [fine, coarse, euler_fine, euler_coarse] = &run("hodgkin_huxley.nmc", engine)[..] else { panic!() };
        let late = |results: &Results, step_ms: f64| {
            let found = crossings(results, step_ms);
            assert_eq!(found.len(), crossings_ms.len());
            furthest(found.into_iter().zip(crossings_ms.iter().copied()))
        };
        // The oracle's values are 0.1 ms apart; ours belong to the ends of steps.
        let error = |results: &Results, per: usize| {
            let data = values(results, "membrane.v");
            furthest((1..voltages.len()).map(|k| (data[k * per - 1] * 1e3, voltages[k])))
        };
        assert!(late(fine, 0.01) < 0.02, "{}", late(fine, 0.01));
        let (small, large) = (error(fine, 10), error(coarse, 5));
        assert!(small < 1e-3 && large > 12.0 * small, "{small} mV, {large} mV");
        let ratio = late(euler_coarse, 0.01) / late(euler_fine, 0.005);
        assert!((1.6..2.4).contains(&ratio), "{ratio}");
        let Recorded::Spikes { step, .. } = recorded(fine, "membrane.spikes") else { panic!() };
        assert_eq!(step.len(), crossings_ms.len());
    }
}

/// The largest difference from what ngspice has at every `per`-th step, over the largest value.
fn off(results: &Results, name: &str, per: usize, wanted: &[f64]) -> f64 {
    let (found, elements) = match recorded(results, name) {
        Recorded::Values { data, elements, .. } => (data, *elements),
        Recorded::Spikes { .. } | Recorded::Synapses { .. } | Recorded::Histogram { .. } => panic!(),
    };
    let rows = found.chunks_exact(elements).skip(per - 1).step_by(per).flatten().copied();
    assert_eq!(rows.clone().count(), wanted.len());
    furthest(rows.zip(wanted.iter().copied())) / wanted.iter().fold(0.0, |most, value| f64::max(most, value.abs()))
}

/// ngspice 39: conductances and voltages within 5e-5 of the largest. Half the step, a quarter of the error where a drive is held at what it is
/// in the middle of each step; a sixteenth of it by Runge-Kutta 4 where it is a function of time.
#[test]
fn devices_in_circuits_do_what_ngspice_says() {
    for engine in ENGINES {
        let [fine, coarse, silver, circuit_fine, circuit_coarse] = &run("devices.nmc", engine)[..] else { panic!() };
        let conductance = expected("devices.npz", "vteam_conductance");
        let (small, large) =
            (off(fine, "cell.conductance", 10, &conductance), off(coarse, "cell.conductance", 5, &conductance));
        assert!(small < 5e-5 && (3.0..6.0).contains(&(large / small)), "{small}, {large}");
        let silver = off(silver, "cells.conductance", 1, &expected("devices.npz", "silver_conductance"));
        assert!(silver < 5e-6, "{silver}");
        let circuit = expected("devices.npz", "circuit");
        for (column, name) in ["cell.v", "cell.s"].into_iter().enumerate() {
            let wanted: Vec<f64> = circuit.iter().skip(column).step_by(2).copied().collect();
            let (small, large) = (off(circuit_fine, name, 2, &wanted), off(circuit_coarse, name, 1, &wanted));
            assert!(small < 1e-5 && large > 10.0 * small, "{name}: {small}, {large}");
        }
    }
}

/// Recordings of event cameras, whole, cut off anywhere, and with any byte changed. Oracle: what the packages aedat 2.3.0 and tonic 1.7.0
/// read of them (`data/aedat_recordings.py`).
#[test]
fn recordings_of_event_cameras_are_read() {
    let kept = std::env::temp_dir().join(format!("nmc-aedat-{}", std::process::id()));
    std::fs::create_dir_all(&kept).unwrap();
    let array = |file: &DataFile, name: &str| {
        let tensor = file.arrays.iter().find(|array| array.name == name).unwrap().tensor().unwrap();
        (0..tensor.data.len()).map(|at| tensor.data.get(at)).collect::<Vec<_>>()
    };
    let written = |name: &str, bytes: &[u8]| {
        let file = kept.join(name);
        std::fs::write(&file, bytes).unwrap();
        nmc_host::data::read(&file)
    };
    for (name, camera) in [
        ("dvs128.aedat", "dvs128"),
        ("davis346.aedat", "davis346"),
        ("davis346_3.aedat", "davis346"),
        ("davis346_none.aedat4", "davis346"),
        ("davis346_lz4.aedat4", "davis346"),
        ("davis346_zstd.aedat4", "davis346"),
    ] {
        let bytes = std::fs::read(folder().join("data").join(name)).unwrap();
        let whole = written(name, &bytes).unwrap();
        for of in ["t_us", "x", "y", "p"] {
            assert_eq!(array(&whole, of), expected("events.npz", &format!("{camera}_{of}")), "{name} {of}");
        }
        let ends = bytes.len().saturating_sub(40)..bytes.len();
        for keep in (0..bytes.len()).step_by(13).chain(ends) {
            match written(name, &bytes[..keep]) {
                Err(FileProblem::Unreadable(_)) => {}
                Err(FileProblem::NotFound(_)) => panic!("{name} cut to {keep}"),
                // Before 4.0 nothing tells how many events, or packets, there are. After the packets of 4.0 comes a table that ends in zeros where it is
                // compressed by LZ4.
                Ok(cut) => {
                    let left = array(&cut, "x");
                    assert_eq!(left.len() == 300, name.ends_with("aedat4"), "{name} cut to {keep}");
                    assert!(left.len() < 300 || bytes.len() - keep <= 4, "{name} cut to {keep}");
                    assert_eq!(left[..], array(&whole, "x")[..left.len()], "{name} cut to {keep}");
                }
            }
            // Another recording or a sentence, never a panic.
            let mut changed = bytes.clone();
            changed[keep] ^= 0xff;
            let _ = written(name, &changed);
        }
    }
    std::fs::remove_dir_all(&kept).unwrap();
}
