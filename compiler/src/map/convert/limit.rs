//! The accuracy limit: what output error means in accuracy, and the cheapest assignment whose error stays below a bound.

use std::collections::BTreeMap;

use nmc_program::MetricKind;

use super::calibrate::Calibration;
use super::choices::Choices;
use super::problem::{Assignment, Demand};
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;
use crate::forms::plan::InputData;
use crate::scramble::gaussian;

/// Noise drawn on each calibration sample.
const DRAWS: usize = 64;
/// Noisy samples at most.
const ENOUGH: usize = 2048;
/// Steps of the search for the multiplier.
const STEPS: usize = 30;

/// Mean variance of the outputs; 1 when they were not measured.
pub fn output_variance(given: Given, found: &Calibration) -> f64 {
    let values: Vec<f32> =
        given.network.outputs.iter().filter_map(|id| found.values.get(id)).flatten().copied().collect();
    variance(&values.into_iter().map(f64::from).collect::<Vec<f64>>())
}

/// Of these values; 1 where there is none.
pub fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let variance = values.iter().map(|&v| (v - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64;
    if variance > 0.0 && variance.is_finite() { variance } else { 1.0 }
}

/// Accuracy lost at growing error: (relative error variance, loss), rising.
pub struct Tolerance {
    points: Vec<(f64, f64)>,
}

impl Tolerance {
    /// The error at which the loss passes a limit.
    pub fn error_for(&self, loss: f64) -> f64 {
        let mut last = (0.0, 0.0);
        for &point in &self.points {
            if point.1 > loss {
                return last.0 + (point.0 - last.0) * (loss - last.1) / (point.1 - last.1);
            }
            last = point;
        }
        last.0
    }

    /// The loss an error means.
    pub fn loss_of(&self, error: f64) -> f64 {
        let mut last = (0.0, 0.0);
        for &point in &self.points {
            if point.0 > error {
                return last.1 + (point.1 - last.1) * (error - last.0) / (point.0 - last.0);
            }
            last = point;
        }
        last.1
    }
}

/// Measures the tolerance by adding noise to the outputs of the calibration samples; none without labels for them.
pub fn tolerance(given: Given, found: &Calibration) -> Option<Tolerance> {
    let (output, labels) = labels(given, found.samples, &found.values)?;
    let values = found.values.get(&output)?;
    let len = given.network.graph[output].len();
    let sigma = output_variance(given, found).sqrt();
    // Some thousand noisy samples tell the accuracy to a few tenths of a percent.
    let draws = (ENOUGH / found.samples.max(1)).clamp(1, DRAWS);
    let noise: Vec<f64> = (0..draws * found.samples * len).map(|counter| gaussian(counter as u64)).collect();
    let share_right = |relative: f64| {
        let mut right = 0_usize;
        for draw in 0..draws * found.samples {
            let sample = draw % found.samples;
            let noisy =
                (0..len).map(|i| f64::from(values[sample * len + i]) + relative.sqrt() * sigma * noise[draw * len + i]);
            let first = (0, f64::NEG_INFINITY);
            let largest = noisy.enumerate().fold(first, |best, next| if next.1 > best.1 { next } else { best }).0;
            right += usize::from(largest == labels[sample]);
        }
        right as f64 / (draws * found.samples) as f64
    };
    let clean = share_right(0.0);
    let (mut points, mut worst) = (Vec::new(), 0.0);
    for step in 0..36 {
        let error = 1e-4 * 10f64.powf(f64::from(step) / 5.0);
        worst = f64::max(worst, clean - share_right(error));
        points.push((error, worst));
    }
    Some(Tolerance { points })
}

/// What is right for each calibration sample: the labels of a phase that begins with the same samples; else, where accuracy
/// is measured at all, the network's own answers, whose changes bound the loss from above.
pub fn labels(given: Given, samples: usize, known: &BTreeMap<NodeId, Vec<f32>>) -> Option<(NodeId, Vec<usize>)> {
    let tensors = given.tensors;
    let mut own = None;
    for phase in &given.plan.phases {
        let same = phase.inputs.iter().all(|(node, data)| {
            let InputData::Values(id) = data else { return false };
            let (Some(values), Some(tensor)) = (known.get(node), tensors.get(id.index())) else { return false };
            tensor.data.len() >= values.len()
                && values.iter().enumerate().all(|(i, value)| (tensor.data.get(i) as f32 - value).abs() <= 1e-6)
        });
        for step in phase.metrics.iter().flat_map(|metric| &metric.steps) {
            let MetricKind::Accuracy { output, labels } = step else { continue };
            let node = NodeId::new(output.index());
            let Some(tensor) = tensors.get(labels.index()).filter(|_| samples > 0) else { continue };
            let taken = phase.taken.max(1);
            if same && tensor.data.len() >= samples * taken {
                // Of several labels a sample the last: its outputs are those after the last step.
                let label = |sample| tensor.data.get((sample + 1) * taken - 1) as usize;
                return Some((node, (0..samples).map(label).collect()));
            }
            own = own.or(Some(node));
        }
    }
    let node = own?;
    let len = given.network.graph[node].len().max(1);
    Some((node, known.get(&node)?.chunks(len).map(largest).collect()))
}

/// Which is the largest, of equals the first.
pub fn largest(row: &[f32]) -> usize {
    let first = (0, f32::NEG_INFINITY);
    row.iter().enumerate().fold(first, |best, (i, &value)| if value > best.1 { (i, value) } else { best }).0
}

/// The cheapest assignment found with at most this error, a bound of its cost, and the multiplier of the error that gives this bound; else
/// the least error there is.
pub fn within(choices: &Choices, base: &Demand, plain: Assignment, error: f64) -> Result<(Assignment, f64, f64), f64> {
    if plain.error <= error {
        let bound = plain.solution.lower_bound;
        return Ok((plain, bound, 0.0));
    }
    let Some(best) = choices.solve(&Demand { weight: 0.0, multiplier: 1.0, ..base.clone() }) else {
        return Err(plain.error);
    };
    if best.error > error {
        return Err(best.error);
    }
    let (mut low, mut high) = (0.0, plain.cost.max(f64::MIN_POSITIVE) / error.max(f64::MIN_POSITIVE));
    let (mut best, mut bound, mut tightest) = (best, plain.solution.lower_bound, 0.0);
    for step in 0..STEPS {
        let multiplier = if step < 2 { high } else { 0.5 * (low + high) };
        let Some(found) = choices.solve(&Demand { multiplier, ..base.clone() }) else { break };
        if found.solution.lower_bound - multiplier * error > bound {
            (bound, tightest) = (found.solution.lower_bound - multiplier * error, multiplier);
        }
        if found.error <= error {
            high = multiplier;
            if found.cost < best.cost {
                best = found;
            }
        } else {
            low = multiplier;
            if step < 2 {
                high *= 1e3;
            }
        }
    }
    Ok((best, bound, tightest))
}
