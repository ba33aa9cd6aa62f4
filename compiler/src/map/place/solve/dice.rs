//! Numbers that look random and are the same on every machine: a counter, scrambled.

use crate::scramble::scramble;

pub struct Dice {
    stream: u64,
    counter: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice { stream: scramble(seed), counter: 0 }
    }

    pub fn next(&mut self) -> u64 {
        self.counter += 1;
        scramble(self.stream.wrapping_add(self.counter))
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Exponentially distributed with mean 1, to 6 %: made without logarithms, whose last bits differ between machines.
    pub fn exponential(&mut self) -> f64 {
        let bits = self.next();
        let zeros = bits.leading_zeros().min(40);
        let fraction = ((bits << zeros << 1) >> 12) as f64 / (1u64 << 52) as f64;
        std::f64::consts::LN_2 * (f64::from(zeros) + 1.0 - fraction)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
