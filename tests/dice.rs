//! Numbers for programs drawn at random, the same from the same seed.

/// Numbers from a counter (splitmix64).
pub struct Dice(u64);

impl Dice {
    /// Seeds that differ give numbers that have nothing to do with each other.
    pub fn new(seed: u64) -> Self {
        Dice(seed << 32)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Whether it is one of so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A number between the two, of four digits.
    pub fn number(&mut self, low: f64, high: f64) -> f64 {
        let number = low + (high - low) * (self.below(10_001) as f64 / 10_000.0);
        let scale = 10_f64.powf(3.0 - number.abs().max(1e-9).log10().floor());
        (number * scale).round() / scale
    }

    pub fn vector(&mut self, len: usize) -> String {
        let numbers: Vec<String> = (0..len).map(|_| (self.below(201) as f64 / 100.0 - 1.0).to_string()).collect();
        format!("[{}]", numbers.join(", "))
    }

    pub fn matrix(&mut self, rows: usize, cols: usize) -> String {
        let rows: Vec<String> = (0..rows).map(|_| self.vector(cols)).collect();
        format!("[{}]", rows.join(", "))
    }
}
