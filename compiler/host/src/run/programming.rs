//! What programming took and left, layer by layer.

use std::collections::BTreeMap;

use nmc_runtime::{Programmed, Repaired, Results};
use serde_json::{Value, json};

use super::{Outcome, spread};
use crate::report::number;

/// The cells of a layer, of a chip on average.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    pub name: String,
    pub cells: f64,
    /// Of all cells, the most of one, and cells that were given up.
    pub pulses: f64,
    pub most: u32,
    pub missed: f64,
    /// Reads that verified cells, their joules, those of cells that were half-selected, and those of pulses where their voltage and width say them.
    pub reads: f64,
    pub read_joules: f64,
    pub half_selected_joules: f64,
    pub pulse_joules: f64,
    /// Held less asked for: mean and standard deviation over cells and chips, and the width of the range, in siemens.
    pub error: f64,
    pub spread: f64,
    pub range: f64,
    pub histogram: Vec<f64>,
}

/// The layers, in the order in which they are programmed.
pub fn layers(outcome: &Outcome) -> Vec<Layer> {
    let mut layers: Vec<(String, Vec<&Programmed>)> = Vec::new();
    for programmed in outcome.chips.iter().flat_map(|chip| &chip.programmed) {
        let name = programmed.name.split('[').next().unwrap_or_default();
        match layers.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => all.push(programmed),
            None => layers.push((name.to_string(), vec![programmed])),
        }
    }
    layers.into_iter().map(|(name, all)| joined(name, &all, outcome.chips.len() as f64)).collect()
}

fn joined(name: String, all: &[&Programmed], chips: f64) -> Layer {
    let sum = |of: &dyn Fn(&Programmed) -> f64| all.iter().fold(0.0, |sum, one| sum + of(one));
    let cells = sum(&|one| one.cells as f64).max(1.0);
    let error = sum(&|one| one.error * one.cells as f64) / cells;
    let square = sum(&|one| (one.error.powi(2) + one.spread.powi(2)) * one.cells as f64) / cells;
    let bins = all.iter().map(|one| one.histogram.len()).max().unwrap_or(0);
    let in_bin = |bin: usize| sum(&|one| one.histogram.get(bin).map_or(0.0, |&count| count as f64)) / chips;
    Layer {
        name,
        cells: cells / chips,
        pulses: sum(&|one| one.pulses) / chips,
        most: all.iter().map(|one| one.most).max().unwrap_or(0),
        missed: sum(&|one| one.missed as f64) / chips,
        reads: sum(&|one| one.reads) / chips,
        read_joules: sum(&|one| one.read_joules) / chips,
        half_selected_joules: sum(&|one| one.half_selected_joules) / chips,
        pulse_joules: sum(&|one| one.pulse_joules) / chips,
        error,
        spread: (square - error * error).max(0.0).sqrt(),
        range: all.iter().map(|one| one.range).fold(0.0, f64::max),
        histogram: (0..bins).map(in_bin).collect(),
    }
}

/// Faults of the arrays of a layer, of a chip on average: rows and columns that are open, cells that are stuck or on one of these, and what
/// of them spare columns left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    pub name: String,
    pub rows: f64,
    pub columns: f64,
    pub cells: f64,
    pub dead_rows: f64,
    pub dead_columns: f64,
    pub dead_columns_left: f64,
    pub faulty: f64,
    pub faulty_left: f64,
    /// Columns set aside, and those that replace others.
    pub spares: f64,
    pub used: f64,
}

/// Of the layers whose arrays may have open lines, or have spares.
pub fn faults(outcome: &Outcome) -> Vec<Faults> {
    let mut layers: Vec<Faults> = Vec::new();
    let chips = outcome.chips.len() as f64;
    for repaired in outcome.chips.iter().flat_map(|chip| &chip.repaired) {
        let Repaired { name, spares, used, rows, columns, dead_rows, dead_columns, dead_columns_left, .. } = repaired;
        let at = layers.iter().position(|layer| layer.name == *name).unwrap_or(layers.len());
        if at == layers.len() {
            layers.push(Faults { name: name.clone(), ..Faults::default() });
        }
        let layer = &mut layers[at];
        for (sum, number) in [
            (&mut layer.rows, rows),
            (&mut layer.columns, columns),
            (&mut layer.cells, &repaired.cells),
            (&mut layer.dead_rows, dead_rows),
            (&mut layer.dead_columns, dead_columns),
            (&mut layer.dead_columns_left, dead_columns_left),
            (&mut layer.faulty, &repaired.faulty),
            (&mut layer.faulty_left, &repaired.faulty_left),
            (&mut layer.spares, spares),
            (&mut layer.used, used),
        ] {
            *sum += *number as f64 / chips;
        }
    }
    layers
}

/// Seconds until all cells of a chip are written: those of an array one after the other, arrays side by side.
pub fn seconds(chip: &Results) -> f64 {
    let mut blocks: BTreeMap<usize, f64> = BTreeMap::new();
    for programmed in &chip.programmed {
        *blocks.entry(programmed.block).or_insert(0.0) += programmed.seconds;
    }
    blocks.into_values().fold(0.0, f64::max)
}

/// As `--json` tells it.
pub fn told(outcome: &Outcome) -> Value {
    let layer = |layer: Layer| {
        json!({
            "layer": layer.name,
            "cells": number(layer.cells),
            "pulses": number(layer.pulses),
            "most_pulses": layer.most,
            "missed": number(layer.missed),
            "verify_reads": number(layer.reads),
            "verify_j": number(layer.read_joules),
            "half_selected_j": number(layer.half_selected_joules),
            "pulse_j": number(layer.pulse_joules),
            "error_s": number(layer.error),
            "error_sd_s": number(layer.spread),
            "range_s": number(layer.range),
            "histogram": layer.histogram.into_iter().map(number).collect::<Vec<_>>(),
        })
    };
    let of_layer = |layer: Faults| {
        json!({
            "layer": layer.name,
            "rows": number(layer.rows),
            "columns": number(layer.columns),
            "cells": number(layer.cells),
            "dead_rows": number(layer.dead_rows),
            "dead_columns": number(layer.dead_columns),
            "dead_columns_left": number(layer.dead_columns_left),
            "faulty_cells": number(layer.faulty),
            "faulty_cells_left": number(layer.faulty_left),
            "spare_columns": number(layer.spares),
            "spare_columns_used": number(layer.used),
        })
    };
    json!({
        "seconds": number(spread(outcome.each(seconds)).0),
        "layers": layers(outcome).into_iter().map(layer).collect::<Vec<_>>(),
        "faults": faults(outcome).into_iter().map(of_layer).collect::<Vec<_>>(),
    })
}
