//! Fits a readout: by ridge regression (normal equations, solved by Cholesky in f64), or as a vote of labelled inputs.

use nmc_program::{Fit, Phase};

use crate::RunError;
use crate::interpreter::Computable;
use crate::lanes::Shared;
use crate::matrix::Fitted;
use crate::metrics::Outputs;
use crate::state::Buffer;

/// Weights [outputs, inputs] and biases that minimise |X W^T + b - Y|^2 + penalty |W|^2 (the bias is not penalised).
/// `features` [samples, inputs], `targets` [samples, outputs], both row-major.
pub fn ridge(
    name: &str,
    features: &[f64],
    inputs: usize,
    targets: &[f64],
    outputs: usize,
    penalty: f64,
    bias: bool,
) -> Result<(Fitted, Vec<f64>), RunError> {
    let samples = features.len().checked_div(inputs).unwrap_or(0);
    let count = samples.max(1) as f64;
    let mean = |data: &[f64], width: usize, column: usize| {
        if bias { data.iter().skip(column).step_by(width).sum::<f64>() / count } else { 0.0 }
    };
    let feature_means: Vec<f64> = (0..inputs).map(|i| mean(features, inputs, i)).collect();
    let target_means: Vec<f64> = (0..outputs).map(|o| mean(targets, outputs, o)).collect();
    let mut normal = vec![0.0; inputs * inputs];
    let mut right = vec![0.0; outputs * inputs];
    for (x, y) in features.chunks_exact(inputs).zip(targets.chunks_exact(outputs)) {
        let centred: Vec<f64> = x.iter().zip(&feature_means).map(|(x, mean)| x - mean).collect();
        for i in 0..inputs {
            for j in 0..=i {
                normal[i * inputs + j] += centred[i] * centred[j];
            }
            for o in 0..outputs {
                right[o * inputs + i] += centred[i] * (y[o] - target_means[o]);
            }
        }
    }
    for i in 0..inputs {
        normal[i * inputs + i] += penalty;
    }
    factor(&mut normal, inputs).ok_or_else(|| RunError {
        code: "E0705",
        message: format!("the readout {name} cannot be fitted: its features depend on each other"),
        help: Some(String::from("use a larger ridge penalty, or more training samples than features")),
        place: None,
    })?;
    for column in right.chunks_exact_mut(inputs) {
        solve(&normal, inputs, column);
    }
    let biases = (0..outputs).map(|o| {
        let explained: f64 = right[o * inputs..(o + 1) * inputs].iter().zip(&feature_means).map(|(w, m)| w * m).sum();
        target_means[o] - explained
    });
    let biases = biases.collect();
    Ok((Fitted { outputs, inputs, weights: right }, biases))
}

/// Weights [outputs, inputs] by which each input votes for the output at whose samples it was largest on average. `features` [samples, inputs], `targets`
/// [samples, outputs], both row-major.
pub fn vote(features: &[f64], inputs: usize, targets: &[f64], outputs: usize) -> Fitted {
    let (mut sums, mut counts) = (vec![0.0; outputs * inputs], vec![0.0_f64; outputs]);
    for (x, y) in features.chunks_exact(inputs).zip(targets.chunks_exact(outputs)) {
        for output in (0..outputs).filter(|output| y[*output] == 1.0) {
            counts[output] += 1.0;
            sums[output * inputs..(output + 1) * inputs].iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
        }
    }
    let mut weights = vec![0.0; outputs * inputs];
    for input in 0..inputs {
        let mut most = (0.0, None);
        for output in 0..outputs {
            let mean = sums[output * inputs + input] / counts[output].max(1.0);
            if mean > most.0 {
                most = (mean, Some(output));
            }
        }
        if let (_, Some(output)) = most {
            weights[output * inputs + input] = 1.0;
        }
    }
    for votes in weights.chunks_exact_mut(inputs) {
        let all: f64 = votes.iter().sum();
        votes.iter_mut().for_each(|vote| *vote /= all.max(1.0));
    }
    Fitted { outputs, inputs, weights }
}

/// The largest |sum over inputs of w x| of some outputs over all samples; inputs and outputs from first to past-last.
pub fn largest(fitted: &Fitted, features: &[f64], inputs: (usize, usize), outputs: (usize, usize)) -> f64 {
    let sum = |x: &[f64], output: usize| -> f64 {
        let w = &fitted.weights[output * fitted.inputs..][inputs.0..inputs.1];
        w.iter().zip(&x[inputs.0..inputs.1]).map(|(w, x)| w * x).sum()
    };
    let samples = features.chunks_exact(fitted.inputs);
    samples.flat_map(|x| (outputs.0..outputs.1).map(move |output| sum(x, output).abs())).fold(0.0, f64::max)
}

/// The lower Cholesky factor in place; none if the matrix is not positive definite.
fn factor(a: &mut [f64], n: usize) -> Option<()> {
    for j in 0..n {
        for i in j..n {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let value = a[i * n + j] - dot;
            if i == j {
                if value.is_nan() || value <= f64::EPSILON * a[j * n + j].abs() {
                    return None;
                }
                a[j * n + j] = value.sqrt();
            } else {
                a[i * n + j] = value / a[j * n + j];
            }
        }
    }
    Some(())
}

fn solve(factor: &[f64], n: usize, x: &mut [f64]) {
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| factor[i * n + k] * x[k]).sum();
        x[i] = (x[i] - dot) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| factor[k * n + i] * x[k]).sum();
        x[i] = (x[i] - dot) / factor[i * n + i];
    }
}

/// Fits the readouts of a training phase, each in place of what an earlier phase fitted.
pub fn fit_readouts<T: Computable>(
    shared: &mut Shared<T>,
    phase: &Phase,
    outputs: &Outputs,
    buffers: &mut [Buffer<T>],
) -> Result<(), RunError> {
    for spec in &phase.fits {
        let (array, start, inputs) = spec.features;
        let values = outputs.get(&array).map_or(&[][..], Vec::as_slice);
        let width = values.len().checked_div(phase.samples).unwrap_or(0).max(1);
        let rows = values.chunks_exact(width).skip(spec.skip);
        let features: Vec<f64> = rows.flat_map(|row| row[start..start + inputs].iter().copied()).collect();
        let data = &shared.program.tensors[spec.target.index()].data;
        let targets: Vec<f64> = (spec.skip * spec.outputs..phase.samples * spec.outputs).map(|i| data.get(i)).collect();
        let bias = spec.bias.is_some();
        let (fitted, biases) = match spec.way {
            Fit::Ridge { penalty } => ridge(&spec.name, &features, inputs, &targets, spec.outputs, penalty, bias)?,
            Fit::Vote => (vote(&features, inputs, &targets, spec.outputs), vec![0.0; spec.outputs]),
        };
        for range in &spec.ranges {
            let widest = largest(&fitted, &features, range.inputs, range.outputs);
            buffers[range.array.index()].data.fill(T::of(if widest > 0.0 { widest } else { 1.0 }));
        }
        shared.fitted[spec.fit] = fitted;
        if let Some(array) = spec.bias {
            let into = &mut buffers[array.index()].data;
            into.iter_mut().zip(&biases).for_each(|(slot, bias)| *slot = T::of(*bias));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_law_is_found_again() {
        let features: Vec<f64> = (0..40).flat_map(|s| [f64::from(s * 7 % 11), f64::from(s * 5 % 13)]).collect();
        let targets: Vec<f64> = features.chunks(2).map(|x| 2.0 * x[0] - 0.5 * x[1] + 3.0).collect();
        let (fitted, bias) = ridge("y", &features, 2, &targets, 1, 1e-12, true).unwrap();
        assert!((fitted.weights[0] - 2.0).abs() < 1e-9 && (fitted.weights[1] + 0.5).abs() < 1e-9);
        assert!((bias[0] - 3.0).abs() < 1e-9);
    }

    /// By hand: the first two inputs are largest at the second output's samples, the third at the first's, the last never fires.
    #[test]
    fn inputs_vote_where_they_respond_most() {
        let features = [1.0, 0.0, 9.0, 0.0, 3.0, 1.0, 2.0, 0.0, 0.0, 2.0, 0.0, 0.0];
        let targets = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let fitted = vote(&features, 4, &targets, 2);
        assert_eq!(fitted.weights, [0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn dependent_features_without_penalty_are_refused() {
        let features: Vec<f64> = (0..10).flat_map(|s| [f64::from(s), 2.0 * f64::from(s)]).collect();
        assert_eq!(ridge("y", &features, 2, &[1.0; 10], 1, 0.0, false).unwrap_err().code, "E0705");
    }
}
