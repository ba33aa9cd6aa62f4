//! A fault planted in a sound timetable is found, each kind by the check that is there for it.

mod claims;

use super::super::check::faults;
use super::super::{End, Event, Link, Problem, Timetable, solve};
use super::{Random, random};

/// How often each kind is planted.
const TIMES: usize = 1000;

/// Changes a timetable (or, for a claim that becomes false, the problem) in one way; false where there is nothing to change.
type Plant = fn(&mut Problem, &mut Timetable, &mut Random) -> bool;

/// One of the numbers below `end` for which `fits`.
fn pick(random: &mut Random, end: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let all: Vec<usize> = (0..end).filter(|&index| fits(index)).collect();
    if all.is_empty() { None } else { Some(all[random.below(all.len())]) }
}

/// A fraction from 0.1 to 0.9.
fn part(random: &mut Random) -> f64 {
    (1 + random.below(9)) as f64 / 10.0
}

/// A packet with all its times moved.
fn shift(timetable: &mut Timetable, index: usize, by: f64) {
    let sent = &mut timetable.moves[index];
    sent.start += by;
    sent.end += by;
    sent.port = sent.port.map(|(start, end)| (start + by, end + by));
    for link in &mut sent.links {
        link.start += by;
        link.end += by;
    }
}

/// A packet moved, in the same sample or a few later, but not before the sample.
fn move_onto(timetable: &mut Timetable, index: usize, by: f64, random: &mut Random) {
    let later = (-(timetable.moves[index].start + by) / timetable.interval).ceil().max(0.0);
    shift(timetable, index, by + timetable.interval * (later + random.below(3) as f64));
}

/// What stands in the fault that is found, and how it is planted.
struct Kind {
    word: &'static str,
    plant: Plant,
}

fn kind(word: &'static str, plant: Plant) -> Kind {
    Kind { word, plant }
}

#[test]
fn planted_faults_are_found() {
    let kinds = [
        a_lost_work(),
        a_lost_packet(),
        a_work_before_its_data(),
        a_packet_before_its_data(),
        a_unit_booked_twice(),
        a_link_booked_twice(),
        a_port_booked_twice(),
        a_dropped_link(),
        another_way(),
        a_link_at_the_wrong_time(),
        a_link_for_too_short(),
        a_link_twice(),
        links_in_the_wrong_order(),
        a_port_at_the_wrong_time(),
        a_port_for_nothing(),
        a_packet_that_ends_at_another_time(),
        claims::an_interval_that_is_too_short(),
        claims::an_interval_at_which_samples_meet(),
        claims::a_wrong_latency(),
        claims::a_sample_that_starts_late(),
        claims::a_time_that_is_none(),
        claims::a_wrong_lower_bound(),
        claims::a_wrong_bottleneck(),
        claims::a_wrong_wait(),
        claims::a_core_that_holds_too_much(),
        claims::samples_that_fill_a_core_together(),
        claims::a_sample_longer_than_its_tick(),
    ];
    let mut planted = vec![0; kinds.len()];
    for seed in 0.. {
        let whole = random(seed);
        let Ok(sound) = solve(&whole) else { continue };
        for turn in 0..3 {
            for (kind, planted) in kinds.iter().zip(&mut planted).filter(|(_, planted)| **planted < TIMES) {
                let (mut problem, mut timetable) = (whole.clone(), sound.clone());
                if (kind.plant)(&mut problem, &mut timetable, &mut Random(3 * seed + turn)) {
                    *planted += 1;
                    let found = faults(&problem, &timetable);
                    let word = kind.word;
                    assert!(found.iter().any(|fault| fault.contains(word)), "seed {seed}, {word}: {found:?}");
                }
            }
        }
        if planted.iter().all(|planted| *planted == TIMES) {
            break;
        }
        assert!(seed < 20_000, "too few chances to plant: {planted:?}");
    }
}

fn a_lost_work() -> Kind {
    kind("not every work and packet", |_, timetable, _| timetable.starts.pop().is_some())
}

fn a_lost_packet() -> Kind {
    kind("not every work and packet", |_, timetable, random| {
        let index = pick(random, timetable.moves.len(), |_| true);
        index.map(|index| timetable.moves.remove(index)).is_some()
    })
}

fn a_work_before_its_data() -> Kind {
    kind("before", |problem, timetable, random| {
        let waits = |index: usize| !problem.works[index].after.is_empty() && timetable.starts[index] > 1e-10;
        let Some(index) = pick(random, problem.works.len(), waits) else { return false };
        let given = |event: &Event| match *event {
            Event::Work(other) => timetable.starts[other] + problem.works[other].time,
            Event::Move(other) => timetable.moves[other].start,
        };
        let latest = problem.works[index].after.iter().map(given).fold(0.0, f64::max);
        timetable.starts[index] = latest * part(random);
        latest > 1e-10
    })
}

fn a_packet_before_its_data() -> Kind {
    kind("before", |problem, timetable, random| {
        let waits = |index: usize| !problem.moves[index].after.is_empty() && timetable.moves[index].start > 1e-10;
        let Some(index) = pick(random, problem.moves.len(), waits) else { return false };
        let given = |event: &Event| match *event {
            Event::Work(other) => timetable.starts[other] + problem.works[other].time,
            Event::Move(other) => timetable.moves[other].start,
        };
        let latest = problem.moves[index].after.iter().map(given).fold(0.0, f64::max);
        let start = timetable.moves[index].start;
        shift(timetable, index, latest * part(random) - start);
        latest > 1e-10
    })
}

fn a_unit_booked_twice() -> Kind {
    kind("at once", |problem, timetable, random| {
        let uses = |index: usize, resource: usize| {
            let used = problem.works[index].uses.iter().filter(|used| used.0 == resource);
            used.map(|used| used.1).sum::<usize>()
        };
        let long = |index: usize| problem.works[index].time > 0.0;
        let Some(resource) = pick(random, problem.resources.len(), |_| true) else { return false };
        let count = problem.resources[resource].count;
        let pairs: Vec<(usize, usize)> = (0..problem.works.len())
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .filter(|&(a, b)| long(a) && long(b) && uses(a, resource) + uses(b, resource) > count)
            .filter(|&(a, b)| uses(a, resource) > 0 && uses(b, resource) > 0)
            .collect();
        if pairs.is_empty() {
            return false;
        }
        let (a, b) = pairs[random.below(pairs.len())];
        // In the same sample or a few later.
        timetable.starts[a] = timetable.starts[b] + timetable.interval * random.below(4) as f64;
        true
    })
}

fn a_link_booked_twice() -> Kind {
    kind("at once", |_, timetable, random| {
        let Some(a) = pick(random, timetable.moves.len(), |index| !timetable.moves[index].links.is_empty()) else {
            return false;
        };
        let link = timetable.moves[a].links[random.below(timetable.moves[a].links.len())];
        let same = |other: &&Link| (other.from, other.to) == (link.from, link.to);
        let crosses = |index: usize| index != a && timetable.moves[index].links.iter().any(|other| same(&other));
        let Some(b) = pick(random, timetable.moves.len(), crosses) else { return false };
        let Some(other) = timetable.moves[b].links.iter().find(same) else { return false };
        let by = link.start - other.start;
        move_onto(timetable, b, by, random);
        true
    })
}

fn a_port_booked_twice() -> Kind {
    kind("the host's port is booked", |_, timetable, random| {
        let long = |index: usize| timetable.moves[index].port.filter(|port| port.1 - port.0 > 1e-12);
        let Some(a) = pick(random, timetable.moves.len(), |index| long(index).is_some()) else { return false };
        let Some(b) = pick(random, timetable.moves.len(), |index| index != a && long(index).is_some()) else {
            return false;
        };
        let (Some(first), Some(second)) = (long(a), long(b)) else { return false };
        move_onto(timetable, b, first.0 - second.0, random);
        true
    })
}

fn a_dropped_link() -> Kind {
    kind("links are missing", |_, timetable, random| {
        let Some(index) = pick(random, timetable.moves.len(), |index| !timetable.moves[index].links.is_empty()) else {
            return false;
        };
        let links = &mut timetable.moves[index].links;
        links.remove(random.below(links.len()));
        true
    })
}

/// Changes a link of a packet that has one, or more.
fn with_link(timetable: &mut Timetable, random: &mut Random, change: impl Fn(&mut Vec<Link>, usize) -> bool) -> bool {
    let Some(index) = pick(random, timetable.moves.len(), |index| !timetable.moves[index].links.is_empty()) else {
        return false;
    };
    let links = &mut timetable.moves[index].links;
    let at = random.below(links.len());
    change(links, at)
}

fn another_way() -> Kind {
    kind("not on its way", |problem, timetable, random| {
        let (width, cores) = (problem.grid.0, problem.grid.0 * problem.grid.1);
        with_link(timetable, random, |links, at| {
            // The link back, then any other that the packet does not take.
            let all: Vec<(usize, usize)> = links.iter().map(|link| (link.from, link.to)).collect();
            let from = links[at].from;
            let around = [from + width, from + 1, from.wrapping_sub(width), from.wrapping_sub(1)];
            let other = around.into_iter().find(|&to| to < cores && !all.contains(&(from, to)));
            let Some(to) = other else { return false };
            links[at].to = to;
            true
        })
    })
}

fn a_link_at_the_wrong_time() -> Kind {
    kind("not when the worm is there", |_, timetable, random| {
        let by = part(random) * if random.often(50) { 1e-9 } else { -1e-9 };
        with_link(timetable, random, |links, at| {
            links[at].start += by;
            links[at].end += by;
            true
        })
    })
}

fn a_link_for_too_short() -> Kind {
    kind("not when the worm is there", |_, timetable, random| {
        let part = part(random);
        with_link(timetable, random, |links, at| {
            links[at].end -= part * (links[at].end - links[at].start);
            true
        })
    })
}

fn a_link_twice() -> Kind {
    kind("listed twice", |_, timetable, random| {
        with_link(timetable, random, |links, at| {
            links.push(links[at]);
            true
        })
    })
}

fn links_in_the_wrong_order() -> Kind {
    kind("before the link that leads to it", |_, timetable, random| {
        with_link(timetable, random, |links, at| {
            let later = links.iter().position(|link| link.from == links[at].to);
            later.map(|later| links.swap(at, later)).is_some()
        })
    })
}

fn a_port_at_the_wrong_time() -> Kind {
    kind("does not pass the host's port", |_, timetable, random| {
        let passes = |index: usize| timetable.moves[index].port.is_some();
        let Some(index) = pick(random, timetable.moves.len(), passes) else { return false };
        let by = part(random) * 1e-9;
        let change = [None, timetable.moves[index].port.map(|(start, end)| (start + by, end + by))];
        timetable.moves[index].port = change[random.below(2)];
        true
    })
}

fn a_port_for_nothing() -> Kind {
    kind("does not pass the host's port", |problem, timetable, random| {
        let inside = |index: usize| {
            let sent = &problem.moves[index];
            sent.from != End::Host && !sent.to.contains(&End::Host)
        };
        let Some(index) = pick(random, timetable.moves.len(), inside) else { return false };
        let sent = &mut timetable.moves[index];
        sent.port = Some((sent.start, sent.end));
        true
    })
}

fn a_packet_that_ends_at_another_time() -> Kind {
    kind("does not end when it has arrived", |_, timetable, random| {
        let Some(index) = pick(random, timetable.moves.len(), |_| true) else { return false };
        timetable.moves[index].end += part(random) * 1e-9;
        timetable.latency > 0.0
    })
}
