//! Matrices: weights, ideal or held by the cells of a crossbar array.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, TensorId};

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
}

/// Cells that hold the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    pub g_min: f64,
    pub g_max: f64,
    /// Levels of one cell; none: continuous.
    pub levels: Option<u32>,
    pub scheme: Scheme,
    /// |w| that takes the whole range; none: the largest |w| of the whole layer's tensor (or fit).
    pub w_max: Option<f64>,
    /// Conductances asked for, written by `Op::Target`; then changed in place by kernels (programming noise, faults, drift).
    pub conductance: ArrayId,
    /// Standard deviation of one read of each cell, written by a kernel; none: noiseless reads.
    pub read_sigma: Option<ArrayId>,
    /// Volts for an input of 1 and seconds cells conduct in a read: its energy is (v x)^2 G t over all cells. With `pulses`, an input is
    /// the width of a pulse: volts of every pulse and seconds for an input of 1, so v^2 G t x.
    pub read_voltage: f64,
    pub read_time: f64,
    pub pulses: bool,
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
    /// One digit of the code of a weight, which is (1 + w / w_max) / 2 times the largest code, `levels ^ digits - 1`; digit 0 is the lowest.
    /// At the end of each row one cell at s = 0, [row][cols + 1]. The effective weight is the digit.
    Digit { digit: u32, digits: u32 },
}

impl Scheme {
    /// Cells of a matrix.
    pub fn cells(self, rows: usize, cols: usize) -> usize {
        match self {
            Scheme::Differential => rows * cols * 2,
            Scheme::Reference | Scheme::Digit { .. } => rows * (cols + 1),
        }
    }
}

/// A fit of a layer's weights by ridge regression over the samples of a training phase: minimises
/// |X W^T + b - Y|^2 + penalty |W|^2, solved in f64 by Cholesky.
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
    pub penalty: f64,
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
