//! Where current goes in arrays whose wires resist: voltages and currents of every cell in one read.

use std::collections::BTreeMap;

use nmc_program::{MatrixId, Op, Program};

use crate::arrays;
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::lanes::{Lanes, Place, Shared};
use crate::record::SampleRecord;
use crate::solved::Array;
use crate::state::{Buffer, Clock, Real};
use crate::wires::Solution;

/// An array in one read, [row][col] of its physical cells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map {
    /// The matrices on it: `fc1[0..32, 0..64]`.
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    /// Of the rows' drivers.
    pub driver_volts: Vec<f64>,
    /// Across each cell, and through it.
    pub volts: Vec<f64>,
    pub amperes: Vec<f64>,
    /// Through it if wires had no resistance.
    pub ideal_amperes: Vec<f64>,
}

impl Map {
    /// The share of the current of ideal wires that is missing at the columns.
    pub fn lost(&self) -> f64 {
        let sum = |amperes: &[f64]| amperes.iter().map(|ampere| ampere.abs()).sum::<f64>();
        let ideal = sum(&self.ideal_amperes);
        if ideal > 0.0 { 1.0 - sum(&self.amperes) / ideal } else { 0.0 }
    }
}

/// Every array whose wires resist, as the first sample of the last phase reads it first. `held`: the arrays of the program after its run.
pub fn maps<T: Computable + Product>(shared: &Shared<T>, held: &[Buffer<T>], initial: &[Buffer<T>]) -> Vec<Map> {
    let program = shared.program;
    let Some(phase) = program.phases.iter().rfind(|phase| phase.learning.is_none()) else { return Vec::new() };
    if program.wired.is_empty() {
        return Vec::new();
    }
    let mut lanes = Lanes::new(shared, held, 1);
    lanes.restart(shared, initial, 0);
    let place = Place::default();
    lanes.begin(shared, phase, place, |_| 0);
    let mut record = [SampleRecord::new(program, phase)];
    for within in 0..u64::from(phase.ticks) {
        lanes.tick(shared, phase, (place, within), &mut record, |_| 0);
    }
    lanes.end(shared, phase, place, &mut record);
    let driven = driven(program, &lanes);
    let clock = Clock { seed: shared.seed, tick: 0, sample: 0, time: 0.0 };
    let mut map = |wired: &nmc_program::Wired| {
        let Array { wires, siemens, .. } = arrays::whole(program, wired, held);
        let mut driver_volts = vec![0.0; wires.rows];
        for (id, first) in &wired.pieces {
            let inputs = driven.get(id).map_or(&[][..], Vec::as_slice);
            driver_volts[*first..].iter_mut().zip(inputs).for_each(|(volt, input)| *volt = *input);
        }
        let curved = wired.pieces.iter().find_map(|(id, _)| {
            let (matrix, effective) = (&program.matrices[id.index()], &shared.matrices[id.index()]);
            let curved = effective.curved.as_ref()?;
            Some(curved.map(matrix, shared.kernels.as_ref(), &mut lanes.buffers, &driver_volts, clock))
        });
        let [volts, amperes, ideal_amperes] = curved.unwrap_or_else(|| {
            let mut found = Solution::default();
            wires.solve(&driver_volts, 1e-8, &mut found);
            let across: Vec<f64> = found.row_volts.iter().zip(&found.column_volts).map(|(u, v)| u - v).collect();
            let amperes = across.iter().zip(&siemens).map(|(volt, siemens)| volt * siemens).collect();
            let ideal = siemens.iter().enumerate().map(|(at, siemens)| siemens * driver_volts[at / wires.cols]);
            [across, amperes, ideal.collect()]
        });
        let names = wired.pieces.iter().map(|(id, _)| program.matrices[id.index()].name.as_str());
        let name = names.collect::<Vec<_>>().join(" and ");
        Map { name, rows: wires.rows, cols: wires.cols, driver_volts, volts, amperes, ideal_amperes }
    };
    program.wired.iter().map(&mut map).collect()
}

/// Volts at the rows of each matrix on cells, in its first read.
fn driven<T: Real>(program: &Program, lanes: &Lanes<T>) -> BTreeMap<MatrixId, Vec<f64>> {
    let mut found = BTreeMap::new();
    for op in program.stages().into_iter().flat_map(|(_, ops)| ops) {
        let Op::Multiply { matrix: id, input, input_start, positions, .. } = op else { continue };
        let matrix = &program.matrices[id.index()];
        let Some(cells) = &matrix.cells else { continue };
        let from = &lanes.buffers[input.index()].lane(0)[*input_start..];
        // Pulses are all of one height.
        let volt =
            |x: f64| cells.read_voltage * if cells.pulses { x.signum() * f64::from(u8::from(x != 0.0)) } else { x };
        let volts = from.iter().step_by(*positions).take(matrix.rows).map(|x| volt(x.wide())).collect();
        found.entry(*id).or_insert(volts);
    }
    found
}
