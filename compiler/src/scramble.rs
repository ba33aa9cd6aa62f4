//! Numbers that look random and are the same on every machine.

/// A fixed scrambling of a counter (splitmix64).
pub fn scramble(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in (0, 1) for each counter.
pub fn uniform(counter: u64) -> f64 {
    ((scramble(counter) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// A number of the standard normal distribution for each counter (Box-Muller).
pub fn gaussian(counter: u64) -> f64 {
    let (a, b) = (uniform(2 * counter), uniform(2 * counter + 1));
    (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
}
