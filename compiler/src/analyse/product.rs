//! Products of samples and weights on all cores, with the same bits on any number of them.

use rayon::prelude::*;

/// Multiplications that are worth a second thread.
const MANY: usize = 1 << 18;

/// [samples, outputs of the block] from [samples, width] and [all outputs, width]; inputs and outputs are first and past-last.
pub fn products(
    input: &[f32],
    weights: &[f32],
    width: usize,
    (first, last): (usize, usize),
    outputs: (usize, usize),
) -> Vec<f32> {
    let len = outputs.1 - outputs.0;
    let samples: Vec<&[f32]> = input.chunks_exact(width.max(1)).map(|sample| &sample[first..last]).collect();
    let rows: Vec<&[f32]> =
        (outputs.0..outputs.1).map(|row| &weights[row * width + first..row * width + last]).collect();
    let mut out = vec![0.0; samples.len() * len];
    if len == 0 {
        return out;
    }
    let many = samples.len() * len * (last - first) >= MANY;
    let one = |(out, sample): (&mut [f32], &&[f32])| {
        out.iter_mut().zip(&rows).for_each(|(sum, row)| *sum = dot(row, sample));
    };
    match many {
        true => out.par_chunks_mut(len).zip(&samples).for_each(one),
        false => out.chunks_mut(len).zip(&samples).for_each(one),
    }
    out
}

/// In sixteen strands, so that it runs in vector registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    let (wide_a, wide_b) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = wide_a.remainder().iter().zip(wide_b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in wide_a.zip(wide_b) {
        for lane in 0..16 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    rest + lanes.iter().sum::<f32>()
}
