//! The mapping for programs: the keys are a contract, described in `docs/json/report.schema.json`.

use std::path::Path;

use nmc_program::{ComponentKind, Program};
use nmc_runtime::energy::total;
use serde_json::{Map, Value, json};

use crate::disk::StageSeconds;

/// One experiment's mapping.
pub fn mapping(program: &Program, seconds: StageSeconds) -> Value {
    let layout = &program.costs.layout;
    let objective = &layout.objective;
    let pins: Map<String, Value> = objective.pins.iter().map(|(pin, cost)| (pin.clone(), number(*cost))).collect();
    let objective = json!({
        "value": number(objective.value),
        "convert_everywhere": number(objective.convert_everywhere),
        "greedy": number(objective.greedy),
        "lower_bound": number(objective.lower_bound),
        "optimal": objective.optimal,
        "unit": objective.unit,
        "pins": pins,
        "error_variance": number(objective.error_variance),
        "error_variance_estimated": number(objective.error_variance_estimated),
        "error_variance_wires": number(objective.error_variance_wires),
        "accuracy_loss": objective.accuracy_loss.map(number),
    });
    let mut counts = conversions(program);
    counts["objective"] = objective.clone();
    let (placement, schedule) = (&layout.placement, &layout.schedule);
    json!({
        "experiment": program.name,
        "chip": layout.chip,
        "tiles": layout.tiles.iter().map(|tile| json!({
            "id": tile.id, "layer": tile.layer, "rows": tile.rows, "cols": tile.cols,
            "rows_used": tile.rows_used, "cols_used": tile.cols_used, "core": tile.core,
        })).collect::<Vec<_>>(),
        "cores": layout.cores.iter().map(|core| json!({
            "id": core.id, "kind": core.kind, "x": core.x, "y": core.y, "tiles": core.tiles,
            "utilisation": number(core.utilisation),
        })).collect::<Vec<_>>(),
        "wires": layout.wires.iter().map(|wire| json!({
            "from": wire.from, "to": wire.to, "domain": wire.domain, "converter": wire.converter,
            "reason": wire.reason, "remedy": wire.remedy, "count_per_sample": number(wire.count_per_sample),
            "energy_j": number(wire.energy_j),
        })).collect::<Vec<_>>(),
        "conversions": counts,
        "objective": objective,
        "placement": {
            "cost": number(placement.cost), "lower_bound": number(placement.lower_bound),
            "snake_cost": number(placement.snake_cost), "random_cost": number(placement.random_cost), "seconds": seconds.place,
        },
        "schedule": {
            "initiation_interval_s": number(schedule.initiation_interval_s),
            "latency_s": number(schedule.latency_s),
            "bottleneck": schedule.bottleneck,
            "links": schedule.links.iter().map(|link| json!({
                "from": link.from, "to": link.to, "utilisation": number(link.utilisation),
            })).collect::<Vec<_>>(),
            "tasks": schedule.tasks.iter().map(|task| json!({
                "name": task.name, "core": task.core, "resource": task.resource,
                "start_s": number(task.start_s), "end_s": number(task.end_s),
            })).collect::<Vec<_>>(),
            "seconds": seconds.schedule,
        },
        "energy_j": by_kind(&layout.energy_j),
        "area_mm2": by_kind(&layout.area_mm2),
        "area_used_mm2": by_kind(&layout.area_used_mm2),
        "power_w": by_kind(&layout.power_w),
        "peripheral_share": {
            "area": number(peripheral_share(&layout.area_mm2)), "power": number(peripheral_share(&layout.power_w)),
        },
        "notes": layout.notes,
    })
}

/// The one object: the first experiment's keys at the top, for the many programs that have one, and all in `experiments`.
pub fn frame(file: &Path, experiments: &[Value], diagnostics: &[Value]) -> Value {
    let mut whole = experiments.first().cloned().unwrap_or_else(|| json!({}));
    whole["nmc"] = json!(env!("CARGO_PKG_VERSION"));
    whole["program"] = json!(file.display().to_string());
    whole["experiments"] = json!(experiments);
    whole["diagnostics"] = json!(diagnostics);
    whole
}

/// Conversions a sample by converter.
pub fn conversions(program: &Program) -> Value {
    let counts =
        |list: &[(String, f64)]| list.iter().map(|(name, count)| (name.clone(), number(*count))).collect::<Map<_, _>>();
    let conversions = &program.costs.conversions;
    json!({
        "inserted": counts(&conversions.inserted),
        "elided": counts(&conversions.elided),
        "baseline": counts(&conversions.baseline),
    })
}

/// A number (zero without its sign), or null for what JSON cannot hold.
pub fn number(value: f64) -> Value {
    if value.is_finite() { json!(value + 0.0) } else { Value::Null }
}

/// Kinds of component with their sum; what programming takes, once, is not in the sum.
pub fn by_kind(list: &[(ComponentKind, f64)]) -> Map<String, Value> {
    let mut keys: Map<String, Value> = Map::from_iter([(String::from("total"), number(total(list)))]);
    keys.extend(list.iter().map(|(kind, value)| (key(*kind).to_string(), number(*value))));
    keys
}

/// What is not the arrays and neurons themselves: converters, units, logic, buffers, network, host, leakage. 0 of nothing.
pub fn peripheral_share(list: &[(ComponentKind, f64)]) -> f64 {
    let computing =
        |kind: ComponentKind| matches!(kind, ComponentKind::Cells | ComponentKind::Neuron | ComponentKind::Synapse);
    let all = total(list);
    let around: f64 = list.iter().filter(|(kind, _)| !computing(*kind)).fold(0.0, |sum, (_, value)| sum + value);
    if all > 0.0 { around / all } else { 0.0 }
}

/// A kind's key.
pub fn key(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Cells => "cells",
        ComponentKind::Driver => "driver",
        ComponentKind::Programming => "programming",
        ComponentKind::Adc => "adc",
        ComponentKind::Dac => "dac",
        ComponentKind::Converter => "converter",
        ComponentKind::Unit => "unit",
        ComponentKind::Digital => "digital",
        ComponentKind::Buffer => "buffer",
        ComponentKind::Neuron => "neuron",
        ComponentKind::Synapse => "synapse",
        ComponentKind::Network => "network",
        ComponentKind::Host => "host",
        ComponentKind::Static => "static",
    }
}
