//! Numbers computed from what a phase put out.

use std::collections::BTreeMap;

use nmc_program::{
    Aggregate, ArrayId, Compare, Metric, MetricKind, Over, Part, Program, Requirement, Target, TensorId,
};

use crate::interpreter::binary;

/// Outputs of a phase: for each array, [sample, element].
pub type Outputs = BTreeMap<ArrayId, Vec<f64>>;

/// One metric of a phase of so many samples, each with outputs so many times. `last` gives an array's values at the end of the phase.
pub fn compute(
    program: &Program,
    metric: &Metric,
    outputs: &Outputs,
    (samples, taken): (usize, usize),
    last: impl Fn(ArrayId) -> Vec<f64>,
) -> f64 {
    // The values of each time that outputs were taken of a sample that counts.
    let (takes, skip) = (samples * taken, metric.skip * taken);
    let rows = |array: ArrayId| {
        let values = outputs.get(&array).map_or(&[][..], Vec::as_slice);
        values.chunks_exact(values.len().checked_div(takes).unwrap_or(0).max(1)).skip(skip)
    };
    let part = |part: Part| -> Vec<f64> {
        let (first, past) = part.elements;
        rows(part.array).filter_map(|row| row.get(first..past)).flatten().copied().collect()
    };
    let data = |tensor: TensorId, width: usize| -> Vec<f64> {
        let data = &program.tensors[tensor.index()].data;
        (skip * width..takes * width).map(|at| data.get(at)).collect()
    };
    let compared = |output: Part, target: Target| match target {
        Target::Data(tensor) => errors(&part(output), &data(tensor, output.elements.1 - output.elements.0)),
        Target::Output(other) => errors(&part(output), &part(other)),
    };
    let mut numbers: Vec<f64> = Vec::new();
    for step in &metric.steps {
        let number = match *step {
            MetricKind::Accuracy { output, labels } => {
                let labels = data(labels, 1);
                let right = rows(output).zip(&labels).filter(|(row, label)| largest(row) as f64 == **label);
                right.count() as f64 / labels.len() as f64
            }
            MetricKind::Nrmse { output, target } => {
                let (error, variance) = compared(output, target);
                (error / variance).sqrt()
            }
            MetricKind::MeanSquaredError { output, target } => compared(output, target).0,
            MetricKind::Output { output, aggregate } => aggregated(&part(output), aggregate),
            MetricKind::Final { array, aggregate } => aggregated(&last(array), aggregate),
            MetricKind::Number(number) => number,
            MetricKind::Calculated(operation) => {
                let (right, left) = (numbers.pop(), numbers.pop());
                binary(operation, left.unwrap_or(f64::NAN), right.unwrap_or(f64::NAN))
            }
        };
        numbers.push(number);
    }
    numbers.pop().unwrap_or(f64::NAN)
}

/// Index of the largest, the first of equals.
fn largest(row: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

/// Mean squared error, and variance of the target.
fn errors(values: &[f64], target: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = target.iter().sum::<f64>() / count;
    let variance = target.iter().map(|target| (target - mean).powi(2)).sum::<f64>() / count;
    let error = values.iter().zip(target).map(|(value, target)| (value - target).powi(2)).sum::<f64>() / count;
    (error, variance)
}

fn aggregated(values: &[f64], aggregate: Aggregate) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    match aggregate {
        Aggregate::Mean => mean,
        Aggregate::StandardDeviation => (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt(),
        Aggregate::Minimum => values.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregate::Maximum => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Aggregate::Sum => values.iter().sum(),
    }
}

/// In words, what does not hold of chips with these metrics: one of them, or several.
pub fn failures(program: &Program, chips: &[Vec<(String, f64)>]) -> Vec<String> {
    program.requirements.iter().filter_map(|requirement| failure(requirement, chips)).collect()
}

fn failure(requirement: &Requirement, chips: &[Vec<(String, f64)>]) -> Option<String> {
    let Requirement { over, metric, text, .. } = requirement;
    let of = |known: &Vec<(String, f64)>| known.iter().find(|(name, _)| name == metric).map(|(_, value)| *value);
    let Some(values) = chips.iter().map(of).collect::<Option<Vec<f64>>>() else {
        return Some(format!("required {text}, but there is no {metric}"));
    };
    let (aggregate, word) = match over {
        Over::Every if values.len() > 1 => {
            let failing: Vec<usize> = (0..values.len()).filter(|&chip| !holds(requirement, values[chip])).collect();
            let (first, all, count) = (*failing.first()?, values.len(), failing.len());
            return Some(format!(
                "required {text}, but {count} of {all} chips fail: {metric} is {} on chip {first}",
                shown(values[first])
            ));
        }
        Over::Every => (Aggregate::Mean, ""),
        Over::Mean => (Aggregate::Mean, "mean "),
        Over::Minimum => (Aggregate::Minimum, "min "),
        Over::Maximum => (Aggregate::Maximum, "max "),
    };
    let value = aggregated(&values, aggregate);
    (!holds(requirement, value)).then(|| format!("required {text}, but {word}{metric} is {}", shown(value)))
}

/// Small numbers without their zeros.
fn shown(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { value.to_string() }
}

fn holds(requirement: &Requirement, value: f64) -> bool {
    let limit = requirement.value;
    match requirement.comparison {
        Compare::Less => value < limit,
        Compare::LessEqual => value <= limit,
        Compare::Greater => value > limit,
        Compare::GreaterEqual => value >= limit,
        Compare::Equal => value == limit,
        Compare::NotEqual => value != limit,
    }
}
