//! Noise that reads share: traps in cells that are empty or filled for times that are exponentially distributed, and sums of levels that last as long
//! as these do, so that reads which follow within these times see the same.

use std::sync::Arc;

use nmc_program::Scheme;

use crate::random::Key;
use crate::state::Real;

/// A process in each cell of a matrix whose state is drawn anew by chance, in the order of its cells.
#[derive(Debug, Clone)]
pub struct Traps {
    pub component: u32,
    /// Which of those with this component.
    process: u32,
    /// Siemens that a filled trap takes, or the standard deviation of a level.
    amplitude: Arc<[f64]>,
    /// How often a second the state is drawn anew; one for all cells, or one for each.
    rate: Vec<f64>,
    /// The chance that a trap is filled then; empty: the state is a level, a normal number.
    filled: Vec<f64>,
}

/// What a process adds to its cell, and the seconds from and until which it does so at least.
struct State {
    siemens: f64,
    from: f64,
    until: f64,
}

impl Traps {
    /// Of mean times until an empty one is filled and until a filled one is emptied.
    pub fn new(component: u32, amplitude: Vec<f64>, capture: &[f64], emission: &[f64]) -> Self {
        let times = || capture.iter().zip(emission);
        Traps {
            component,
            process: 0,
            amplitude: amplitude.into(),
            rate: times().map(|(capture, emission)| 1.0 / capture + 1.0 / emission).collect(),
            filled: times().map(|(capture, emission)| emission / (capture + emission)).collect(),
        }
    }

    /// Levels that are drawn anew after these mean times, and together have these standard deviations.
    pub fn flicker(component: u32, sigma: &[f64], taus: &[f64]) -> Vec<Self> {
        let share = 1.0 / (taus.len() as f64).sqrt();
        let amplitude: Arc<[f64]> = sigma.iter().map(|sigma| sigma * share).collect();
        let of = |(process, tau): (usize, &f64)| {
            let (amplitude, rate) = (amplitude.clone(), vec![1.0 / tau]);
            Traps { component, process: process as u32, amplitude, rate, filled: Vec::new() }
        };
        taus.iter().enumerate().map(of).collect()
    }

    /// Tells of each cell what is added to its conductance at a time, with the time's number, where that is not 0.
    pub fn each(&self, seed: u64, times: &[f64], mut tell: impl FnMut(usize, usize, f64)) {
        for (cell, amplitude) in self.amplitude.iter().enumerate() {
            let rate = self.rate[if self.rate.len() == 1 { 0 } else { cell }];
            if !(*amplitude > 0.0 && rate > 0.0 && rate.is_finite()) {
                continue;
            }
            let mut now = State { siemens: 0.0, from: f64::INFINITY, until: 0.0 };
            for (number, &time) in times.iter().enumerate() {
                if !(now.from..now.until).contains(&time) {
                    now = self.state(seed, (cell, rate), time);
                }
                if now.siemens != 0.0 {
                    tell(cell, number, now.siemens);
                }
            }
        }
    }

    /// The state at a time. A process that goes to each state at its own rate is one whose state is drawn anew at the events of a Poisson
    /// process with the sum of both rates; these are drawn in windows that hold one on average, so that any time can be asked for.
    fn state(&self, seed: u64, (cell, rate): (usize, f64), time: f64) -> State {
        let (window, within) = ((time * rate).floor(), (time * rate).fract());
        let mut until = window + 1.0;
        let mut back = 0;
        loop {
            // Of whole numbers, as those beyond 2^53 have no next one.
            let at = (window as i64).wrapping_sub(back) as u64;
            let key = |number| Key {
                seed,
                component: self.component,
                element: cell as u32,
                number: self.process * MOST + number,
                tick: at as u32,
                sample: (at >> 32) as u32,
            };
            let mut last: Option<(f64, u32)> = None;
            let [count, mut place, ..] = key(0).words();
            for event in 0..events(count) {
                if event > 0 {
                    [place, ..] = key(event).words();
                }
                let place = share(place);
                if back == 0 && place > within {
                    until = until.min(window + place);
                } else if last.is_none_or(|(latest, _)| place >= latest) {
                    last = Some((place, event));
                }
            }
            if let Some((place, event)) = last {
                let siemens = self.drawn(cell, key(event), event);
                return State { siemens, from: (window - back as f64 + place) / rate, until: until / rate };
            }
            back += 1;
        }
    }

    /// What is added from an event on.
    fn drawn(&self, cell: usize, key: Key, event: u32) -> f64 {
        match self.filled.get(cell) {
            Some(filled) => {
                let [_, first, draw, _] = key.words();
                // The first event shares its words with their number.
                let draw = share(if event == 0 { draw } else { first });
                if draw < *filled { -self.amplitude[cell] } else { 0.0 }
            }
            None => self.amplitude[cell] * Key::normal_of(Key { number: key.number + MOST / 2, ..key }.words()),
        }
    }
}

/// Numbers of a window: events, and levels that begin at them.
const MOST: u32 = 32;

fn share(word: u32) -> f64 {
    f64::from(word) / 4_294_967_296.0
}

/// A number with the Poisson distribution of mean 1.
fn events(word: u32) -> u32 {
    let (mut left, mut chance, mut count) = (share(word), (-1.0_f64).exp(), 0);
    while left >= chance && count < MOST / 2 {
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
    /// Adds to the outputs of each vector of inputs what cells conduct more at its time.
    pub fn add<T: Real>(&self, seed: u64, times: &[f64], x: &[T], y: &mut [T]) {
        let (rows, cols) = (x.len() / times.len().max(1), self.scales.len());
        let width = self.scheme.cells(1, cols).max(1);
        for traps in &self.traps {
            traps.each(seed, times, |cell, number, siemens| {
                let (row, index) = (cell / width, cell % width);
                let added = siemens * x[number * rows + row].wide();
                let y = &mut y[number * cols..(number + 1) * cols];
                let mut add = |col: usize, added: f64| y[col] = T::of(y[col].wide() + added * self.scales[col]);
                match self.scheme {
                    Scheme::Differential => add(index / 2, if index % 2 == 0 { added } else { -added }),
                    Scheme::Single => add(index, added),
                    Scheme::Reference | Scheme::Digit { .. } if index < cols => add(index, added),
                    Scheme::Reference | Scheme::Digit { .. } => (0..cols).for_each(|col| add(col, -added)),
                }
            });
        }
    }
}
