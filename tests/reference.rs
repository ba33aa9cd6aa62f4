//! Programs against results of trusted tools, in double precision and on both engines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_compiler::{Options, compile};
use nmc_program::{Image, Precision, Tensor, TensorData};
use nmc_runtime::{EngineKind, Recorded, Results, RunOptions};

/// Reads npz files below `tests/reference`.
struct Folder(PathBuf);

impl Files for Folder {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        let arrays = read(&self.0.join(path)).map_err(|problem| FileProblem::Unreadable(problem.to_string()))?;
        Ok(Arc::new(DataFile { arrays, metadata: Vec::new() }))
    }
}

fn read(path: &Path) -> std::io::Result<Vec<(String, Tensor)>> {
    let mut archive = npyz::npz::NpzArchive::open(path)?;
    let names: Vec<String> = archive.array_names().map(String::from).collect();
    let mut arrays = Vec::new();
    for name in names {
        let Some(array) = archive.by_name(&name)? else { continue };
        let shape = array.shape().iter().map(|&size| size as usize).collect();
        let integers = array.dtype().descr().contains("i8");
        let data = match integers {
            true => TensorData::I64(array.into_vec()?),
            false => TensorData::F64(array.into_vec()?),
        };
        arrays.push((name.clone(), Tensor { name, shape, data }));
    }
    Ok(arrays)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference")
}

fn expected(file: &str, name: &str) -> Vec<f64> {
    let arrays = read(&folder().join("data").join(file)).unwrap();
    let tensor = arrays.into_iter().find(|(other, _)| other == name).unwrap().1;
    (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect()
}

fn build(program: &str) -> Image {
    let text = std::fs::read_to_string(folder().join(program)).unwrap();
    let options = Options { precision: Precision::F64, verify: true, ..Options::default() };
    let compilation = compile(program, &text, &Folder(folder()), &options);
    compilation.image.unwrap_or_else(|| panic!("{program}: {:#?}", compilation.diagnostics))
}

/// Every experiment of a program on one engine.
fn run(program: &str, engine: EngineKind) -> Vec<Results> {
    let options = RunOptions { seed: 1, engine, threads: 1, memory: 16 << 30, progress: None };
    let one = |program| nmc_runtime::run(program, &options).unwrap_or_else(|error| panic!("{error:?}"));
    build(program).programs.iter().map(one).collect()
}

fn recorded<'a>(results: &'a Results, name: &str) -> &'a Recorded {
    &results.recordings.iter().find(|recording| recording.name == name).unwrap().values
}

const ENGINES: [EngineKind; 2] = [EngineKind::Interpreter, EngineKind::Jit];

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
    let Recorded::Values { data, .. } = recorded(results, "membrane.v") else { panic!() };
    let rises = |index: &usize| data[*index] < 0.0 && data[*index + 1] >= 0.0;
    let time = |index: usize| (index as f64 + 1.0 + data[index] / (data[index] - data[index + 1])) * step_ms;
    (0..data.len() - 1).filter(rises).map(time).collect()
}

/// DOP853, rtol 1e-11: spikes within 0.02 ms at a step of 0.01 ms; half the step, a sixteenth of the error in voltage.
#[test]
fn squid_axon_spikes_when_it_should() {
    let (crossings_ms, voltages) =
        (expected("hodgkin_huxley_10.npz", "crossing_ms"), expected("hodgkin_huxley_10.npz", "v_mV"));
    for engine in ENGINES {
        let results = run("hodgkin_huxley.nmc", engine);
        let found = crossings(&results[0], 0.01);
        assert_eq!(found.len(), crossings_ms.len());
        assert!(found.iter().zip(&crossings_ms).all(|(found, wanted)| (found - wanted).abs() < 0.02), "{found:?}");
        // The oracle's values are 0.1 ms apart; ours belong to the ends of steps.
        let error = |index: usize, per: usize| {
            let Recorded::Values { data, .. } = recorded(&results[index], "membrane.v") else { panic!() };
            let one = |k: usize| (data[k * per - 1] * 1e3 - voltages[k]).abs();
            (1..voltages.len()).map(one).fold(0.0, f64::max)
        };
        let (fine, coarse) = (error(0, 10), error(1, 5));
        assert!(fine < 1e-3 && coarse > 12.0 * fine, "{fine} mV, {coarse} mV");
        let Recorded::Spikes { step, .. } = recorded(&results[0], "membrane.spikes") else { panic!() };
        assert_eq!(step.len(), crossings_ms.len());
    }
}
