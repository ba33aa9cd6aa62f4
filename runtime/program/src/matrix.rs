//! Matrices: weights, ideal or held by the cells of a crossbar array.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, KernelId, MatrixId, TensorId, VerifyRead, Written};

/// y = W x; W has `cols` outputs and `rows` inputs (array rows are inputs).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// `fc1[0..256, 0..128]`
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    pub weights: WeightSource,
    /// None: the weights themselves, exact.
    pub cells: Option<Cells>,
    /// Key of its read noise.
    pub component: u32,
}

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WeightSource {
    /// The block `[output_start.., input_start..]` of a tensor [outputs, inputs].
    Tensor { tensor: TensorId, output_start: usize, input_start: usize },
    /// The same block of the weights found last by the fits of this number ([`FitSpec::fit`]); zero before.
    Fitted { fit: usize, output_start: usize, input_start: usize },
    /// An array [rows, cols], shared by all lanes: weights that learn without cells, or that cells are programmed to while they learn.
    Held(ArrayId),
}

/// Cells that hold the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    pub g_min: f64,
    pub g_max: f64,
    /// Levels of one cell; none: continuous.
    pub levels: Option<u32>,
    pub scheme: Scheme,
    /// Share of the range at which cells hold a weight of 0: of [`Scheme::Differential`] 0, of [`Scheme::Reference`] 1/2, unless they are to be
    /// moved both ways from where pulses up and down move them as far.
    pub rest: f64,
    /// Sign that each row is driven with, [rows], shared by all lanes; none: none turns.
    pub signs: Option<ArrayId>,
    /// |w| that takes the whole range; none: the largest |w| of the whole layer's tensor (or fit).
    pub w_max: Option<f64>,
    /// Conductances asked for, written by `Op::Target`; then changed in place by kernels (programming noise, faults).
    pub conductance: ArrayId,
    /// Conductances when the array is read, written by [`crate::Program::ageing`]; where cells keep what they were given, the same array.
    pub aged: ArrayId,
    /// Standard deviation of one read of each cell, written by a kernel; none: noiseless reads.
    pub read_sigma: Option<ArrayId>,
    /// Traps in cells, each of which takes from its cell's conductance while it is filled.
    pub telegraph: Vec<Trap>,
    /// Noise of a 1/f spectrum, which reads in succession share.
    pub flicker: Option<Flicker>,
    /// Of columns that give a voltage, the sum of v g over their cells divided by that of g: siemens of each output's cells as asked for,
    /// [cols], by which what is read is multiplied. Both cells of a weight then lie on one column, on rows that are driven with opposite
    /// voltages. Empty: columns give currents.
    pub normalised: Vec<f64>,
    /// Volts for an input of 1 and seconds cells conduct in a read: its energy is (v x)^2 G t over all cells. With `pulses`, an input is
    /// the width of a pulse: volts of every pulse and seconds for an input of 1, so v^2 G t x.
    pub read_voltage: f64,
    pub read_time: f64,
    pub pulses: bool,
    /// What cells conduct where that is not their conductance times the voltage.
    pub current: Option<Current>,
    /// How often, and for how many seconds, a cell is pulsed when it is programmed.
    pub write_pulses: f64,
    pub write_time: f64,
    /// Joules of one a siemens of the cell in the end, where pulses are not simulated.
    pub write_joules_per_siemens: f64,
    /// How, where that is simulated.
    pub written: Option<Written>,
    /// The reads that verify it, one after each pulse and, where pulses are simulated, one before the first; none: it is not read.
    pub verified: Option<VerifyRead>,
    /// Number of the array it lies in: its cells are written one after the other.
    pub block: usize,
}

/// One trap in each cell, which is filled and emptied by chance: arrays in the order of cells, written by [`crate::Program::ageing`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trap {
    /// Siemens that a filled one takes.
    pub amplitude: ArrayId,
    /// Mean seconds until an empty one is filled, and until a filled one is emptied.
    pub capture: ArrayId,
    pub emission: ArrayId,
    /// Key of its random numbers.
    pub component: u32,
}

/// A sum of processes in each cell whose levels are normal numbers, drawn anew on average after these seconds, and of one variance together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flicker {
    /// Siemens of the sum's standard deviation, in the order of cells, written by [`crate::Program::ageing`].
    pub sigma: ArrayId,
    pub taus: Vec<f64>,
    /// Key of its random numbers.
    pub component: u32,
}

/// Current through cells: a kernel over every cell of the matrix, from `volts` and `siemens` (its conductance when the array is read) to
/// `amperes` and their `slope` by the voltage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Current {
    pub kernel: KernelId,
    pub siemens: ArrayId,
    pub volts: ArrayId,
    pub amperes: ArrayId,
    pub slope: ArrayId,
    /// Volts of a row at full range, and of an input of 1.
    pub full: f64,
    pub one: f64,
    /// Amperes at full range between a cell at its lowest and one at its highest conductance.
    pub range: f64,
}

/// How cells stand for weights. A cell holds `g_min + (g_max - g_min) s`, `s` a share in 0..=1 rounded to the nearest of its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    /// Two cells a weight, [row][col][plus, minus]: the plus cell holds w / w_max where that is positive, the minus cell -w / w_max
    /// where that is. The effective weight is (g+ - g-) w_max / (g_max - g_min).
    Differential,
    /// One cell a weight, s = (1 + w / w_max) / 2, and at the end of each row one at s = 1/2 for all, [row][cols + 1]. The effective
    /// weight is 2 (g - g of the row's end) w_max / (g_max - g_min): all columns share the errors of the last.
    Reference,
    /// One cell a weight, s = w / w_max, of cells that do not conduct at s = 0. The effective weight is g w_max / (g_max - g_min).
    Single,
    /// One digit of the code of a weight, which is (1 + w / w_max) / 2 times the largest code, `levels ^ digits - 1`; digit 0 is the lowest.
    /// At the end of each row one cell at s = 0, [row][cols + 1]. The effective weight is the digit.
    Digit { digit: u32, digits: u32 },
}

/// An array whose wires resist: what its cells give depends on all of them. Rows are driven at the left, columns held at 0 V below the
/// last row; its matrices lie in the corner between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wired {
    /// Ohms of a segment between two cells, before the first of a row and after the last of a column.
    pub segment: f64,
    /// Ohms of a row's driver, and of what holds a column at 0 V.
    pub driver: f64,
    pub sense: f64,
    /// Whether rows are driven at both ends.
    pub both_ends: bool,
    /// The matrices on its cells, each with its first row. Those that share rows lie side by side ([`Scheme::column`]); one that has read
    /// energy for the rest comes first.
    pub pieces: Vec<(MatrixId, usize)>,
}

impl Cells {
    /// What programming and ageing write, cell by cell.
    pub fn arrays(&self) -> impl Iterator<Item = ArrayId> {
        let traps = self.telegraph.iter().flat_map(|trap| [trap.amplitude, trap.capture, trap.emission]);
        [self.conductance, self.aged]
            .into_iter()
            .chain(self.read_sigma)
            .chain(traps)
            .chain(self.flicker.as_ref().map(|of| of.sigma))
    }

    /// Rows of an array that a row of a matrix takes.
    pub fn rows_each(&self) -> usize {
        if self.normalised.is_empty() || self.scheme != Scheme::Differential { 1 } else { 2 }
    }

    /// Row and column of an array on which cell `index` of row `row` of a matrix of `cols` outputs lies, from the matrix' first row on.
    pub fn place(&self, row: usize, index: usize, cols: usize) -> (usize, usize) {
        match self.rows_each() {
            1 => (row, self.scheme.column(index, cols)),
            both => (row * both + index % both, index / both),
        }
    }

    /// Columns of an array that holds all of a matrix of `cols` outputs.
    pub fn columns(&self, cols: usize) -> usize {
        self.scheme.columns(cols) / self.rows_each()
    }
}

impl Scheme {
    /// Physical column of a cell that is number `index` in its row of a matrix of `cols` outputs. The digits of a weight lie side by
    /// side, the column of zeros that they share behind all.
    pub fn column(self, index: usize, cols: usize) -> usize {
        match self {
            Scheme::Differential | Scheme::Reference | Scheme::Single => index,
            Scheme::Digit { digit, digits } if index < cols => index * digits as usize + digit as usize,
            Scheme::Digit { digits, .. } => cols * digits as usize,
        }
    }

    /// Physical columns of an array that holds all of a matrix of `cols` outputs.
    pub fn columns(self, cols: usize) -> usize {
        match self {
            Scheme::Differential => cols.saturating_mul(2),
            Scheme::Reference => cols.saturating_add(1),
            Scheme::Single => cols,
            Scheme::Digit { digits, .. } => cols.saturating_mul(digits as usize).saturating_add(1),
        }
    }

    /// Cells of a row that are its own: the column of zeros belongs to the lowest digit.
    pub fn own(self, cols: usize) -> usize {
        match self {
            Scheme::Digit { digit: 1.., .. } => cols,
            Scheme::Differential | Scheme::Reference | Scheme::Single | Scheme::Digit { .. } => self.cells(1, cols),
        }
    }

    /// Cells of a matrix.
    pub fn cells(self, rows: usize, cols: usize) -> usize {
        match self {
            Scheme::Differential => rows * cols * 2,
            Scheme::Single => rows * cols,
            Scheme::Reference | Scheme::Digit { .. } => rows * (cols + 1),
        }
    }
}

/// How weights follow from the samples of a training phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Fit {
    /// They minimise |X W^T + b - Y|^2 + penalty |W|^2: ridge regression.
    Ridge { penalty: f64 },
    /// Each input votes for the output at whose samples (those where its target is 1) it was largest on average, the first of equals, and with the other inputs
    /// of that output for their mean: a weight is one over their number. What was never above 0 has no vote.
    Vote,
}

/// A fit of a layer's weights over the samples of a training phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitSpec {
    /// The layer, for messages.
    pub name: String,
    /// Number of the layer among those fitted: a later fit of the same number replaces the earlier one whole.
    pub fit: usize,
    /// Array with the layer's input at the end of each sample, first element and number.
    pub features: (ArrayId, usize, usize),
    /// [samples, outputs]
    pub target: TensorId,
    pub outputs: usize,
    pub way: Fit,
    /// Array that takes the fitted bias (`outputs` elements); none: no bias is fitted.
    pub bias: Option<ArrayId>,
    /// Samples at the start that are left out (the transient of a reservoir).
    pub skip: usize,
    /// What the layer's sense circuits are set to when its weights are known.
    pub ranges: Vec<SenseRange>,
}

/// The largest sum that a part of a fitted layer gives over the training samples: |sum over inputs of w x|.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SenseRange {
    /// First and past-last input and output.
    pub inputs: (usize, usize),
    pub outputs: (usize, usize),
    /// Array of one element that takes it; 1 where all sums are 0.
    pub array: ArrayId,
}
