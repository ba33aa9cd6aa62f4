//! Spikes that are drawn: elements by the tick of their next spike, and counts of sources that are fast against the tick.

use std::collections::VecDeque;

use nmc_program::Group;
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use crate::interpreter::Computable;
use crate::random::{Key, LANES, block};
use crate::state::Clock;
use crate::team;

/// The most spikes that an element may be expected to have in one tick.
const MOST_SPIKES: f64 = 10_000.0;
/// Ticks that are drawn together where threads share them.
const TOGETHER: u32 = 8;

/// Independent Poisson processes, one an element. Waiting times are exponential, and those of a process whose rate changes begin anew.
/// Where all have one rate, the spikes of all are one process, and each is that of any element.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Processes<T> {
    /// When the next spike comes, in ticks since the sample began, and how many were drawn: of each element, or of all together.
    next: Vec<f64>,
    drawn: Vec<u32>,
    /// At what rate each spikes.
    rate: Vec<T>,
    /// Elements by the tick of their next spike; made from `next` where it is not there.
    #[serde(skip)]
    due: Due,
    /// Where all have one rate and it is high, what tells how many spikes a tick holds ([`chances`]); not looked at yet: none.
    #[serde(skip)]
    chances: Option<Vec<u32>>,
    /// Such counts of the next ticks, where threads share drawing them.
    #[serde(skip)]
    ahead: VecDeque<(Key, Vec<u8>)>,
    /// Whether a rate was asked for that no list can hold.
    pub flooded: bool,
    /// Whether rates stay as they are until [`Processes::rates_may_change`].
    #[serde(skip)]
    settled: bool,
}

/// What a tick holds.
pub enum Drawn {
    /// Put into the list; the most spikes of one element.
    List { most: u32 },
    /// Of each element how many.
    Counts(Vec<u8>),
}

impl<T: Computable> Processes<T> {
    /// Processes are drawn afresh for each sample.
    pub fn new_sample(&mut self) {
        self.rate.clear();
        self.due.ticks.clear();
        self.chances = None;
        self.ahead.clear();
        self.settled = false;
    }

    /// Rates are to be looked at again.
    pub fn rates_may_change(&mut self) {
        self.settled = false;
    }

    /// Whether what was read from a file is of `len` elements.
    pub fn is_of(&self, len: usize) -> bool {
        let known = self.rate.len() == len && [0, 1, len].contains(&self.next.len());
        let whole = self.drawn.len() >= self.next.len() && self.next.iter().all(|&next| next >= 0.0);
        (known && whole) || self.rate.is_empty()
    }

    /// The spikes of a tick, in ascending order into an empty list, an element as often as it spiked, or as counts; `within`: tick within
    /// the sample; `steady`: no tick changes rates.
    pub fn draw(
        &mut self,
        group: &Group,
        (rates, steady): (&[T], bool),
        dt: f64,
        clock: Clock,
        within: u64,
        spiking: &mut Vec<u32>,
    ) -> Drawn {
        if self.rate.is_empty() {
            (self.next, self.drawn) = (Vec::new(), Vec::new());
            self.rate = vec![T::of(f64::NAN); group.len];
        }
        let rates = &rates[..group.len];
        let unchanged = self.settled || unchanged(&self.rate, rates);
        self.settled = steady;
        let chances = self.chances.take().filter(|_| unchanged).unwrap_or_else(|| chances(rates, dt));
        let chances = self.chances.insert(chances);
        if !chances.is_empty() {
            if !unchanged {
                self.rate.copy_from_slice(rates);
                self.next.clear();
                self.ahead.clear();
            }
            let (seed, sample, tick) = (clock.seed, clock.sample as u32, clock.tick as u32);
            let key = Key { seed, component: group.component, element: 0, number: u32::MAX, tick, sample };
            while let Some((of, counts)) = self.ahead.pop_front() {
                if of == key {
                    return Drawn::Counts(counts);
                }
            }
            let (chances, each) = (&*chances, team::share(group.len, 2048));
            let alone = each >= group.len;
            // Handing over takes as long as drawing a thousand: several ticks at once.
            let ticks = if alone { 1 } else { TOGETHER };
            let keys = (0..ticks).map(|later| Key { tick: tick.wrapping_add(later), ..key });
            self.ahead.extend(keys.map(|key| (key, vec![0; group.len])));
            let mut parts: Vec<Vec<(Key, &mut [u8])>> =
                (0..group.len.div_ceil(each.max(1))).map(|_| Vec::new()).collect();
            for (key, counts) in &mut self.ahead {
                for (part, counts) in counts.chunks_mut(each.max(1)).enumerate() {
                    parts[part].push((Key { element: (part * each) as u32, ..*key }, counts));
                }
            }
            team::each(parts.into_iter(), |_, ticks| {
                ticks.into_iter().for_each(|(key, counts)| Arch::new().dispatch(Count { key, chances, counts }));
            });
            let counts = self.ahead.pop_front().map_or_else(Vec::new, |(_, counts)| counts);
            return Drawn::Counts(counts);
        }
        if !unchanged {
            self.change(group, rates, dt, clock, within);
        }
        if self.next.len() == 1 {
            let mean = rates[0].wide() * dt;
            while self.next[0] < (within + 1) as f64 {
                let (wait, which) = draw_wait(group, None, &mut self.drawn[0], mean, clock);
                self.next[0] += wait;
                spiking.push(((u128::from(which) * group.len as u128) >> 64) as u32);
            }
            spiking.sort_unstable();
            let most = spiking.chunk_by(|a, b| a == b).map(<[u32]>::len).max();
            return Drawn::List { most: most.unwrap_or(1) as u32 };
        }
        let mut most = 1;
        let mut elements = match unchanged {
            true => self.due.take(within).unwrap_or_else(|| {
                self.due.look_ahead(within, &self.next);
                self.due.take(within).unwrap_or_default()
            }),
            false => (0..group.len as u32).filter(|&at| self.next[at as usize] < (within + 1) as f64).collect(),
        };
        elements.sort_unstable();
        for &element in &elements {
            let before = spiking.len();
            let at = element as usize;
            while self.next[at] < (within + 1) as f64 {
                spiking.push(element);
                self.next[at] += draw_wait(group, Some(element), &mut self.drawn[at], rates[at].wide() * dt, clock).0;
            }
            self.due.put(element, self.next[at]);
            most = most.max(spiking.len() - before);
        }
        elements.clear();
        self.due.give_back(within, elements);
        Drawn::List { most: most as u32 }
    }

    /// Takes up other rates from a tick on.
    fn change(&mut self, group: &Group, rates: &[T], dt: f64, clock: Clock, within: u64) {
        let alike = rates.iter().all(|rate| *rate == rates[0]);
        let processes = if alike { 1 } else { group.len };
        if self.next.len() != processes {
            // No number is taken twice.
            let drawn = self.drawn.iter().max().copied().unwrap_or(0);
            (self.next, self.drawn) = (vec![0.0; processes], vec![drawn; processes]);
            self.rate.fill(T::of(f64::NAN));
        }
        for (process, next) in self.next.iter_mut().enumerate() {
            if self.rate[process] != rates[process] {
                let mean = rates[process].wide() * dt;
                self.flooded |= mean > MOST_SPIKES;
                let element = (!alike).then_some(process as u32);
                *next = within as f64 + draw_wait(group, element, &mut self.drawn[process], mean, clock).0;
            }
        }
        self.rate.copy_from_slice(rates);
        self.due.ticks.clear();
    }
}

/// Elements whose next spike comes in one of the ticks from `first` on.
#[derive(Debug, Clone, Default)]
struct Due {
    first: u64,
    ticks: Vec<Vec<u32>>,
}

/// Ticks that are looked ahead.
const AHEAD: u64 = 128;

impl Due {
    /// Those of a tick, if it is known.
    fn take(&mut self, within: u64) -> Option<Vec<u32>> {
        let at = within.checked_sub(self.first)?;
        self.ticks.get_mut(usize::try_from(at).ok()?).map(std::mem::take)
    }

    /// Room that was taken.
    fn give_back(&mut self, within: u64, room: Vec<u32>) {
        let at = within.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(tick) = at.and_then(|at| self.ticks.get_mut(at)) {
            *tick = room;
        }
    }

    /// An element's next spike, if it comes that soon.
    fn put(&mut self, element: u32, next: f64) {
        let at = (next - self.first as f64).max(0.0);
        if at < self.ticks.len() as f64 {
            self.ticks[at as usize].push(element);
        }
    }

    /// From a tick on.
    fn look_ahead(&mut self, within: u64, next: &[f64]) {
        self.first = within;
        self.ticks.resize(AHEAD as usize, Vec::new());
        self.ticks.iter_mut().for_each(Vec::clear);
        next.iter().enumerate().for_each(|(element, &next)| self.put(element as u32, next));
    }
}

/// Whether no rate has changed: all compared, without an early end, several at a time.
fn unchanged<T: PartialEq>(known: &[T], rates: &[T]) -> bool {
    known.len() == rates.len() && known.iter().zip(rates).fold(true, |all, (known, rate)| all & (known == rate))
}

/// Counts as many spikes of each element from `key.element` on as a tick holds, by one number each, with the best vectors there are.
struct Count<'a> {
    key: Key,
    chances: &'a [u32],
    counts: &'a mut [u8],
}

/// How many spikes counts hold.
pub fn total(counts: &[u8]) -> u64 {
    Arch::new().dispatch(Total(counts))
}

struct Total<'a>(&'a [u8]);

impl WithSimd for Total<'_> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> u64 {
        // In short sums, which become vector code.
        let mut total = 0;
        for counts in self.0.chunks(1 << 16) {
            let mut short = 0_u32;
            for &count in counts {
                short += u32::from(count);
            }
            total += u64::from(short);
        }
        total
    }
}

impl WithSimd for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (zero, one) = (simd.splat_u32s(0), simd.splat_u32s(1));
        for (block, counts) in self.counts.chunks_mut(4 * LANES).enumerate() {
            let element = self.key.element / 4 + (block * LANES) as u32;
            let mut words = block::words(simd, Key { element, ..self.key });
            let (vectors, _) = S::as_mut_simd_u32s(words.as_flattened_mut());
            for vector in vectors {
                let mut sum = zero;
                for &chance in self.chances {
                    let above = simd.greater_than_u32s(*vector, simd.splat_u32s(chance));
                    sum = simd.add_u32s(sum, simd.select_u32s(above, one, zero));
                }
                *vector = sum;
            }
            counts.iter_mut().zip(words.as_flattened()).for_each(|(count, &sum)| *count = sum as u8);
        }
    }
}

/// The last words that mean at most 0, 1, 2, … spikes in a tick, where all rates are one and a tick holds many; else
/// nothing. Chances that round to 1 are left out.
fn chances<T: Computable>(rates: &[T], dt: f64) -> Vec<u32> {
    /// Spikes a tick from which counting them is less work than waiting for them, and up to which.
    const COUNTED: std::ops::Range<f64> = 0.3..50.0;
    let Some(mean) = rates.first().map(|rate| rate.wide() * dt) else { return Vec::new() };
    if !COUNTED.contains(&mean) || rates.iter().any(|rate| *rate != rates[0]) {
        return Vec::new();
    }
    let (mut chance, mut sum, mut chances) = ((-mean).exp(), 0.0, Vec::new());
    for count in 1..=u8::MAX {
        sum += chance;
        let words = (sum * 4_294_967_296.0).round();
        if words > f64::from(u32::MAX) {
            break;
        }
        chances.push((words as u32).saturating_sub(1));
        chance *= mean / f64::from(count);
    }
    chances
}

/// Ticks to the next spike of an element, or of all together, where each has so many a tick; those of impossible rates never come. And
/// 64 bits that the wait does not hang on.
fn draw_wait(group: &Group, element: Option<u32>, drawn: &mut u32, mean: f64, clock: Clock) -> (f64, u64) {
    if !(mean > 0.0 && mean <= MOST_SPIKES) {
        return (f64::INFINITY, 0);
    }
    let (element, processes) = element.map_or((u32::MAX, group.len as f64), |element| (element, 1.0));
    let number = *drawn;
    *drawn += 1;
    let (seed, sample) = (clock.seed, clock.sample as u32);
    let key = Key { seed, component: group.component, element, number, tick: 0, sample };
    let (unit, bits) = key.uniform_and_bits();
    (-(1.0 - unit).ln() / (mean * processes), bits)
}
