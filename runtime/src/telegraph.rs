//! Telegraph noise: traps in cells that are empty or filled for times that are exponentially distributed, so that reads which follow within
//! these see the same.

use nmc_program::Scheme;

use crate::random::Key;
use crate::state::Real;

/// One trap in each cell of a matrix, in the order of its cells.
#[derive(Debug, Clone)]
pub struct Traps {
    pub component: u32,
    /// Siemens that a filled one takes.
    pub amplitude: Vec<f64>,
    /// How often a second its state is drawn anew, and the chance that it is filled then.
    pub rate: Vec<f64>,
    pub filled: Vec<f64>,
}

/// A state and the seconds from and until which it lasts at least.
struct State {
    filled: bool,
    from: f64,
    until: f64,
}

impl Traps {
    /// Of mean times until an empty one is filled and until a filled one is emptied.
    pub fn new(component: u32, amplitude: Vec<f64>, capture: &[f64], emission: &[f64]) -> Self {
        let times = || capture.iter().zip(emission);
        Traps {
            component,
            amplitude,
            rate: times().map(|(capture, emission)| 1.0 / capture + 1.0 / emission).collect(),
            filled: times().map(|(capture, emission)| emission / (capture + emission)).collect(),
        }
    }

    /// Tells each cell whose trap is filled at a time, with the time's number.
    pub fn each_filled(&self, seed: u64, times: &[f64], mut tell: impl FnMut(usize, usize)) {
        for (cell, (amplitude, rate)) in self.amplitude.iter().zip(&self.rate).enumerate() {
            if !(*amplitude > 0.0 && *rate > 0.0 && rate.is_finite()) {
                continue;
            }
            let mut now = State { filled: false, from: f64::INFINITY, until: 0.0 };
            for (number, &time) in times.iter().enumerate() {
                if !(now.from..now.until).contains(&time) {
                    now = self.state(seed, cell, time);
                }
                if now.filled {
                    tell(cell, number);
                }
            }
        }
    }

    /// The state at a time. A process that goes to each state at its own rate is one whose state is drawn anew at the events of a Poisson
    /// process with the sum of both rates; these are drawn in windows that hold one on average, so that any time can be asked for.
    fn state(&self, seed: u64, cell: usize, time: f64) -> State {
        let rate = self.rate[cell];
        let (window, within) = ((time * rate).floor(), (time * rate).fract());
        let mut until = window + 1.0;
        let mut back = 0.0;
        loop {
            let at = (window - back) as i64 as u64;
            let key = |number| Key {
                seed,
                component: self.component,
                element: cell as u32,
                number,
                tick: at as u32,
                sample: (at >> 32) as u32,
            };
            let mut last: Option<(f64, u32)> = None;
            let [count, mut place, mut draw, _] = key(0).words();
            for event in 0..events(count) {
                if event > 0 {
                    [place, draw, ..] = key(event).words();
                }
                let place = share(place);
                if back == 0.0 && place > within {
                    until = until.min(window + place);
                } else if last.is_none_or(|(latest, _)| place >= latest) {
                    last = Some((place, draw));
                }
            }
            if let Some((place, draw)) = last {
                let filled = share(draw) < self.filled[cell];
                return State { filled, from: (window - back + place) / rate, until: until / rate };
            }
            back += 1.0;
        }
    }
}

fn share(word: u32) -> f64 {
    f64::from(word) / 4_294_967_296.0
}

/// A number with the Poisson distribution of mean 1.
fn events(word: u32) -> u32 {
    let (mut left, mut chance, mut count) = (share(word), (-1.0_f64).exp(), 0);
    while left >= chance && count < 16 {
        left -= chance;
        count += 1;
        chance /= f64::from(count);
    }
    count
}

/// What the traps of a matrix do to its reads, where wires are ideal.
#[derive(Debug, Clone)]
pub struct Telegraph {
    pub traps: Vec<Traps>,
    pub scheme: Scheme,
    /// Of each output, for an input of 1 and a siemens.
    pub scales: Vec<f64>,
}

impl Telegraph {
    /// Takes off the outputs of each vector of inputs, at its time, what the filled ones take.
    pub fn take<T: Real>(&self, seed: u64, times: &[f64], x: &[T], y: &mut [T]) {
        let (rows, cols) = (x.len() / times.len().max(1), self.scales.len());
        let width = self.scheme.cells(1, cols).max(1);
        for traps in &self.traps {
            traps.each_filled(seed, times, |cell, number| {
                let (row, index) = (cell / width, cell % width);
                let taken = traps.amplitude[cell] * x[number * rows + row].wide();
                let y = &mut y[number * cols..(number + 1) * cols];
                let mut add = |col: usize, taken: f64| y[col] = T::of(y[col].wide() + taken * self.scales[col]);
                match self.scheme {
                    Scheme::Differential => add(index / 2, if index % 2 == 0 { -taken } else { taken }),
                    Scheme::Single => add(index, -taken),
                    Scheme::Reference | Scheme::Digit { .. } if index < cols => add(index, -taken),
                    Scheme::Reference | Scheme::Digit { .. } => (0..cols).for_each(|col| add(col, taken)),
                }
            });
        }
    }
}
