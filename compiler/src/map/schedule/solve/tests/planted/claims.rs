//! Faults in what a timetable says of itself: interval, latency, bound, waits, room.

use super::super::super::{Event, Work};
use super::{Kind, kind, part, pick, shift};

pub fn an_interval_that_is_too_short() -> Kind {
    kind("below its lower bound", |_, timetable, random| {
        timetable.interval = timetable.lower_bound * part(random);
        timetable.lower_bound > 0.0
    })
}

pub fn an_interval_at_which_samples_meet() -> Kind {
    // At the time between the starts of two works of the same unit, which no bound forbids.
    kind("at once", |problem, timetable, random| {
        let single = |index: usize| {
            let work = &problem.works[index];
            let alone = |used: &&(usize, usize)| used.1 > 0 && 2 * used.1 > problem.resources[used.0].count;
            work.uses.iter().find(alone).filter(|_| work.time > 0.0).map(|used| used.0)
        };
        let pairs: Vec<f64> = (0..problem.works.len())
            .flat_map(|a| (0..problem.works.len()).map(move |b| (a, b)))
            .filter(|&(a, b)| single(a).is_some() && single(a) == single(b))
            .map(|(a, b)| timetable.starts[a] - timetable.starts[b])
            .filter(|&apart| apart > timetable.lower_bound)
            .collect();
        if pairs.is_empty() {
            return false;
        }
        timetable.interval = pairs[random.below(pairs.len())];
        true
    })
}

pub fn a_wrong_latency() -> Kind {
    kind("the latency is not", |_, timetable, random| {
        timetable.latency *= if random.often(50) { part(random) } else { 1.0 + part(random) };
        timetable.latency > 0.0
    })
}

pub fn a_sample_that_starts_late() -> Kind {
    kind("nothing starts with the sample", |_, timetable, random| {
        let by = part(random) * timetable.latency;
        timetable.starts.iter_mut().for_each(|start| *start += by);
        (0..timetable.moves.len()).for_each(|index| shift(timetable, index, by));
        by > 0.0
    })
}

pub fn a_time_that_is_none() -> Kind {
    kind("is no number", |_, timetable, random| {
        let odd = [f64::NAN, f64::INFINITY, -1e-9][random.below(3)];
        let Some(index) = pick(random, timetable.starts.len(), |_| true) else { return false };
        timetable.starts[index] = odd;
        true
    })
}

pub fn a_wrong_lower_bound() -> Kind {
    kind("the lower bound is", |_, timetable, random| {
        timetable.lower_bound *= if random.often(50) { part(random) } else { 1.0 + part(random) };
        timetable.lower_bound > 0.0
    })
}

pub fn a_wrong_bottleneck() -> Kind {
    kind("does not set the interval", |problem, timetable, random| {
        let core = problem.grid.0 * problem.grid.1;
        let other = [String::from("something"), String::new(), format!("buffer of core {core}")];
        timetable.bottleneck = other[random.below(3)].clone();
        timetable.lower_bound > 0.0
    })
}

pub fn a_wrong_wait() -> Kind {
    kind("are not held", |_, timetable, random| {
        let Some(index) = pick(random, timetable.held.len(), |_| true) else { return false };
        if random.often(50) {
            timetable.held[index].1 += part(random) * 1e-9;
        } else {
            timetable.held.remove(index);
        }
        true
    })
}

pub fn a_core_that_holds_too_much() -> Kind {
    // Anything that is held at all needs more room than part of its bits.
    kind("it has room for", |problem, timetable, random| {
        let reads = |index: usize| {
            let written = problem.works[index].writes_bits > 0.0;
            let reader = |work: &Work| work.time > 0.0 && work.after.contains(&Event::Work(index));
            written && problem.works.iter().any(reader)
        };
        let Some(index) = pick(random, timetable.starts.len(), reads) else { return false };
        let work = &problem.works[index];
        problem.buffers.resize(problem.grid.0 * problem.grid.1, f64::INFINITY);
        problem.buffers[work.core] = work.writes_bits * part(random);
        true
    })
}

pub fn samples_that_fill_a_core_together() -> Kind {
    // What lasts for several intervals is held as often: room for one less is not enough.
    kind("it has room for", |problem, timetable, random| {
        let kept = |index: usize| {
            let wait = timetable.held.iter().find(|held| held.0 == Event::Work(index)).map_or(0.0, |held| held.1);
            (wait / timetable.interval.max(1e-12) - 1e-6).floor()
        };
        let many = |index: usize| problem.works[index].writes_bits > 0.0 && kept(index) >= 1.0;
        let Some(index) = pick(random, timetable.starts.len(), many) else { return false };
        let work = &problem.works[index];
        problem.buffers = vec![f64::INFINITY; problem.grid.0 * problem.grid.1];
        problem.buffers[work.core] = work.writes_bits * (kept(index) + 1.0) - 0.5 * work.writes_bits;
        true
    })
}

pub fn a_sample_longer_than_its_tick() -> Kind {
    kind("within its tick", |problem, timetable, random| {
        let tick = timetable.latency * part(random);
        (problem.tick, timetable.interval) = (Some(tick), tick);
        tick > 0.0
    })
}
