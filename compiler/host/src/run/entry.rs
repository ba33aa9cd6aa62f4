//! One experiment for programs: the keys are a contract, described in `docs/json/run.schema.json`.

use nmc_program::{ComponentKind, Precision, Program};
use nmc_runtime::energy::{of_a_sample, total};
use nmc_runtime::{EngineKind, Results, Training, chips};
use serde_json::{Map, Value, json};

use super::save::Output;
use super::{Outcome, Settings, programming, spread};
use crate::report::{by_kind, conversions, number};

/// An entry of `experiments`. Over several chips, numbers are means.
pub fn entry(
    settings: &Settings,
    program: &Program,
    outcome: &Outcome,
    compile_seconds: f64,
    outputs: &[Output],
) -> Value {
    let first = outcome.first();
    let mean = |of: &dyn Fn(&Results) -> f64| spread(outcome.each(of)).0;
    let each: Vec<Vec<(String, f64)>> = outcome.chips.iter().map(|chip| chip.known(program)).collect();
    let names = each[0].iter().enumerate().map(|(index, (name, _))| (index, name));
    let of = |index: usize| each.iter().map(move |known| known[index].1);
    let by_name = |value: &dyn Fn(usize) -> Value| -> Map<String, Value> {
        names.clone().map(|(index, name)| (name.clone(), value(index))).collect()
    };
    let mut metrics = by_name(&|index| number(spread(of(index)).0));
    metrics.retain(|name, _| first.metrics.iter().any(|(known, _)| known == name));
    let seeds: Vec<u64> = (0..outcome.chips.len()).map(|chip| chips::seed(settings.seed, chip)).collect();
    json!({
        "experiment": program.name,
        "seed": settings.seed,
        "engine": match settings.engine { EngineKind::Jit => "jit", EngineKind::Interpreter => "interpreter" },
        "threads": settings.threads,
        "precision": match program.precision { Precision::F32 => "f32", Precision::F64 => "f64" },
        "fallbacks": 0,
        "samples": first.samples,
        "metrics": metrics,
        "chips": outcome.chips.len(),
        "chip_seeds": seeds,
        "metrics_each": by_name(&|index| of(index).map(number).collect()),
        "metrics_sd": by_name(&|index| number(spread(of(index)).1)),
        "failures": outcome.failures,
        "energy_j": by_kind(&energy(program, outcome)),
        "energy_run_j": number(mean(&|chip| chip.energy_j.iter().fold(0.0, |all, (_, joules)| all + joules))),
        "training": training(outcome),
        "programming": programming::told(outcome),
        "latency_s": number(first.latency_s),
        "conversions": conversions(program),
        "notes": program.costs.layout.notes,
        "seconds": {
            "compile": compile_seconds, "jit": sum(outcome, |chip| chip.jit_seconds),
            "load": sum(outcome, |chip| chip.load_seconds), "run": sum(outcome, |chip| chip.run_seconds),
            "wall": outcome.seconds,
        },
        "outputs": outputs.iter().map(|output| output.file.as_str()).collect::<Vec<_>>(),
        "recordings": outputs.iter().map(|output| json!({
            "name": output.name, "kind": output.kind, "unit": output.unit, "file": output.file,
            "elements": output.elements.map(|(first, end)| [first, end]),
        })).collect::<Vec<_>>(),
    })
}

fn sum(outcome: &Outcome, seconds: impl Fn(&Results) -> f64) -> f64 {
    outcome.each(seconds).fold(0.0, |all, one| all + one)
}

/// Joules of one sample by kind, of a chip on average.
fn energy(program: &Program, outcome: &Outcome) -> Vec<(ComponentKind, f64)> {
    let mut kinds: Vec<ComponentKind> =
        outcome.chips.iter().flat_map(|chip| chip.energy_j.iter().map(|(kind, _)| *kind)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.into_iter().map(|kind| (kind, spread(outcome.each(|chip| of_kind(program, chip, kind))).0)).collect()
}

/// Joules of one sample, of one kind.
pub fn of_kind(program: &Program, chip: &Results, kind: ComponentKind) -> f64 {
    let found = of_a_sample(program, &chip.energy_j).into_iter().find(|(known, _)| *known == kind);
    found.map_or(0.0, |(_, joules)| joules)
}

/// Joules of one sample, without what programming takes once.
pub fn of_all_kinds(program: &Program, chip: &Results) -> f64 {
    total(&of_a_sample(program, &chip.energy_j))
}

/// What phases that learn gave, in their order: means over chips, by epoch where all had as many.
fn training(outcome: &Outcome) -> Vec<Value> {
    let one = |phase: usize| {
        let chips = || outcome.chips.iter().filter_map(move |chip| chip.training.get(phase));
        let by_epoch = |of: &dyn Fn(&Training) -> &[f64]| -> Vec<Value> {
            let epochs = chips().map(|training| of(training).len()).min().unwrap_or(0);
            (0..epochs).map(|epoch| number(spread(chips().map(|training| of(training)[epoch])).0)).collect()
        };
        let mut joules = std::collections::BTreeMap::new();
        for (kind, of_kind) in chips().flat_map(|training| &training.energy_j) {
            *joules.entry(*kind).or_insert(0.0) += of_kind / chips().count() as f64;
        }
        let joules: Vec<(ComponentKind, f64)> = joules.into_iter().collect();
        let mut keys = by_kind(&joules);
        // What pulses take belongs to training, as reads do.
        keys.insert(String::from("total"), number(joules.iter().fold(0.0, |all, (_, joules)| all + joules)));
        json!({
            "samples": number(spread(chips().map(|training| training.samples as f64)).0),
            "loss": by_epoch(&|training| &training.loss),
            "accuracy": by_epoch(&|training| &training.accuracy),
            "held_out_loss": by_epoch(&|training| &training.held_out_loss),
            "held_out_accuracy": by_epoch(&|training| &training.held_out_accuracy),
            "pulses": number(spread(chips().map(|training| training.pulses as f64)).0),
            "energy_j": keys,
        })
    };
    (0..outcome.first().training.len()).map(one).collect()
}
