//! Products of samples and weights, fast.

/// [samples, outputs of the block] from [samples, width] and [all outputs, width]; inputs and outputs are first and past-last.
pub fn products(
    input: &[f32],
    weights: &[f32],
    width: usize,
    (first, last): (usize, usize),
    outputs: (usize, usize),
) -> Vec<f32> {
    let rows = |x: &[f32]| -> Vec<f32> {
        (outputs.0..outputs.1)
            .map(|row| dot(&weights[row * width + first..row * width + last], &x[first..last]))
            .collect()
    };
    input.chunks_exact(width.max(1)).flat_map(rows).collect()
}

/// In sixteen strands, so that it runs in vector registers.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
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
