//! Arrays on resisting wires that are solved for each read, with their cells as they are then: where few reads come, and where cells are
//! noisy, since what one cell conducts more is missing in all others of its lines.

use std::sync::Arc;

use nmc_program::{Draw, Scheme};

use crate::interpreter::Computable;
use crate::matrix::outputs;
use crate::random::Key;
use crate::telegraph::Traps;
use crate::wires::{Solution, Wires};

/// An array with all of its cells, [row][col].
#[derive(Debug)]
pub struct Array {
    /// With cells that rest.
    pub wires: Wires,
    pub siemens: Vec<f64>,
    /// Standard deviations of a read; empty: noiseless.
    pub sigma: Vec<f64>,
    /// With the places of their cells; one that another matrix has is none.
    pub traps: Vec<(Traps, Vec<Option<usize>>)>,
    /// Key of its noise: all matrices on it see the same cells in the same read.
    pub component: u32,
}

impl Array {
    /// As it is in a read of this key and time; none: as it rests.
    fn now<T: Computable>(&self, key: Key, time: f64) -> Option<Wires> {
        if self.sigma.is_empty() && self.traps.is_empty() {
            return None;
        }
        let mut siemens = self.siemens.clone();
        for (traps, places) in &self.traps {
            traps.each(key.seed, &[time], |cell, _, more| {
                if let Some(place) = places[cell] {
                    siemens[place] = (siemens[place] + more).max(0.0);
                }
            });
        }
        if !self.sigma.is_empty() {
            let mut normals = vec![T::default(); siemens.len()];
            T::draw_all(key, Draw::Normal, &mut normals);
            let noise = self.sigma.iter().zip(&normals).map(|(sigma, normal)| sigma * normal.wide());
            siemens.iter_mut().zip(noise).for_each(|(siemens, noise)| *siemens += noise);
        }
        Some(Wires::new(self.wires.rows, self.wires.cols, &siemens, self.wires.wiring))
    }
}

/// A matrix on such an array.
#[derive(Debug, Clone)]
pub struct Solved {
    pub array: Arc<Array>,
    /// Its first row there.
    pub first: usize,
    pub scheme: Scheme,
    /// Of its rows; empty: none is turned.
    pub signs: Vec<f64>,
    /// Of its outputs; empty: none.
    pub scales: Vec<f64>,
    /// Of an output for an ampere for an input of a volt; joules a watt.
    pub scale: f64,
    pub joules: f64,
    pub tolerance: f64,
}

impl Solved {
    /// What its outputs are for these inputs, so many, in a read of this key and time; and the watts at the drivers.
    pub fn forward<T: Computable>(
        &self,
        x: &[f64],
        cols: usize,
        (key, time): (Key, f64),
        found: &mut Solution,
    ) -> (Vec<f64>, f64) {
        let mut volts = vec![0.0; self.array.wires.rows];
        let sign = |row: usize| self.signs.get(row).copied().unwrap_or(1.0);
        volts[self.first..].iter_mut().zip(x).enumerate().for_each(|(row, (volt, x))| *volt = sign(row) * x);
        let now = self.array.now::<T>(key, time);
        now.as_ref().unwrap_or(&self.array.wires).solve(&volts, self.tolerance, found);
        let cells = 0..self.scheme.cells(1, cols);
        let amperes: Vec<f64> = cells.map(|index| found.column_amperes[self.scheme.column(index, cols)]).collect();
        let scaled = |(col, amperes): (usize, f64)| amperes * self.scale * self.scales.get(col).unwrap_or(&1.0);
        let y = outputs(self.scheme, cols, &amperes).enumerate().map(scaled).collect();
        (y, volts.iter().zip(&found.row_amperes).map(|(volt, ampere)| volt * ampere).sum())
    }

    /// What its rows, so many, give where outputs are driven instead.
    pub fn backward<T: Computable>(&self, driven: &[f64], rows: usize, key: Key, found: &mut Solution) -> Vec<f64> {
        let cols = driven.len();
        let mut ends = vec![0.0; self.array.wires.cols];
        let mut add = |index: usize, volts: f64| ends[self.scheme.column(index, cols)] += volts;
        for (col, driven) in driven.iter().enumerate() {
            let volts = driven * self.scales.get(col).unwrap_or(&1.0);
            match self.scheme {
                Scheme::Differential => {
                    add(2 * col, volts);
                    add(2 * col + 1, -volts);
                }
                Scheme::Single => add(col, volts),
                Scheme::Reference | Scheme::Digit { .. } => {
                    add(col, volts);
                    add(cols, -volts);
                }
            }
        }
        // Cells with traps are not read backward.
        let now = self.array.now::<T>(key, 0.0);
        now.as_ref().unwrap_or(&self.array.wires).solve_back(&ends, self.tolerance, found);
        let sign = |row: usize| self.signs.get(row).copied().unwrap_or(1.0);
        (0..rows).map(|row| -found.row_amperes[self.first + row] * self.scale * sign(row)).collect()
    }
}
