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

/// Cells that hold the weights. Each weight has a plus and a minus cell: arrays of conductances have
/// `2 * rows * cols` elements, [row][col][plus, minus].
///
/// A weight w maps to g+ - g- = w / w_max * (g_max - g_min), the other cell of the pair at g_min, rounded to the
/// nearest of `levels` equally spaced conductances; with a `reference`, g- is (g_min + g_max) / 2 exactly and g+ moves around it
/// (then only half the range serves one sign). The effective weight is (g+ - g-) * w_max / (g_max - g_min), twice that with a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    pub g_min: f64,
    pub g_max: f64,
    /// Levels of one cell; none: continuous.
    pub levels: Option<u32>,
    pub reference: bool,
    /// |w| that takes the whole range; none: the largest |w| of the whole layer's tensor (or fit).
    pub w_max: Option<f64>,
    /// Conductances asked for, written by `Op::Target`; then changed in place by kernels (programming noise, faults, drift).
    pub conductance: ArrayId,
    /// Standard deviation of one read of each cell, written by a kernel; none: noiseless reads.
    pub read_sigma: Option<ArrayId>,
    /// Volts for an input of 1, and seconds it lasts: energy of a read is sum v^2 G t, both cells.
    pub read_voltage: f64,
    pub read_time: f64,
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
