//! Timetables are as short as they can be: against every choice of phases on small problems, against the bound on networks.

use std::collections::BTreeMap;

use super::super::check::faults;
use super::super::{Problem, solve};
use super::{layered, random};

/// What a thing occupies: a name, from when after its start, how long, how many instances of how many.
type Used = (String, i64, i64, usize, usize);

/// Whether packets and works with whole times have phases on a grid of `1 / parts` ns at an interval of `interval / parts` ns.
fn phases_exist(problem: &Problem, parts: i64, interval: i64) -> bool {
    // Part, offset, time, instances of each thing.
    let whole = |seconds: f64| (seconds * 1e9 * parts as f64).round() as i64;
    let mut things: Vec<Vec<Used>> = Vec::new();
    for work in &problem.works {
        let used = work.uses.iter().filter(|used| used.1 > 0);
        let of = |index: usize| &problem.resources[index];
        things.push(
            used.map(|&(index, need)| (of(index).name.clone(), 0, whole(work.time), need, of(index).count)).collect(),
        );
    }
    let mut free = problem.clone();
    free.buffers.clear();
    // A packet's way from its start does not depend on when it starts: take it from any timetable.
    for sent in solve(&free).unwrap().moves {
        let links = sent.links.iter().map(|link| (format!("{} {}", link.from, link.to), link.start, link.end));
        let ways = links.chain(sent.port.map(|(start, end)| (String::from("port"), start, end)));
        things
            .push(ways.map(|(name, start, end)| (name, whole(start - sent.start), whole(end - start), 1, 1)).collect());
    }
    things.retain_mut(|thing| {
        thing.retain(|used| used.2 > 0);
        !thing.is_empty()
    });
    if things.iter().flatten().any(|used| used.2 > interval) {
        return false;
    }
    let mut taken: BTreeMap<(String, i64), usize> = BTreeMap::new();
    fn rest(things: &[Vec<Used>], interval: i64, first: bool, taken: &mut BTreeMap<(String, i64), usize>) -> bool {
        let Some((thing, others)) = things.split_first() else { return true };
        for phase in 0..if first { 1 } else { interval } {
            let cells = || {
                thing.iter().flat_map(|(name, offset, time, need, count)| {
                    (0..*time).map(move |at| ((name.clone(), (phase + offset + at) % interval), *need, *count))
                })
            };
            if cells().all(|(cell, need, count)| taken.get(&cell).copied().unwrap_or(0) + need <= count) {
                cells().for_each(|(cell, need, _)| *taken.entry(cell).or_default() += need);
                let found = rest(others, interval, false, taken);
                cells().for_each(|(cell, need, _)| *taken.entry(cell).or_default() -= need);
                if found {
                    return true;
                }
            }
        }
        false
    }
    rest(&things, interval, true, &mut taken)
}

#[test]
fn small_problems_have_the_shortest_interval() {
    let (mut above, mut met) = (0, 0);
    for seed in 0..6000 {
        let mut problem = random(seed);
        if problem.works.len() + problem.moves.len() > 6 {
            continue;
        }
        // Whole times, so that phases can be counted.
        problem.buffers.clear();
        problem.hop = 1e-9;
        problem.port_time_per_bit = if problem.port_time_per_bit > 0.0 { 1e-9 / 32.0 } else { 0.0 };
        problem.works.iter_mut().for_each(|work| work.time = (work.time * 2e8).ceil() * 1e-9);
        problem.moves.iter_mut().for_each(|sent| sent.bits = (sent.bits / 96.0).ceil() * 32.0);
        let timetable = solve(&problem).unwrap();
        assert_eq!(faults(&problem, &timetable), Vec::<String>::new(), "seed {seed}");
        if timetable.interval <= timetable.lower_bound * (1.0 + 1e-9) {
            met += 1;
            continue;
        }
        above += 1;
        let mut halves = (timetable.lower_bound * 2e9).round() as i64;
        while !phases_exist(&problem, 2, halves) {
            halves += 1;
        }
        let shortest = halves as f64 * 0.5e-9;
        assert!(timetable.interval <= shortest * 1.002, "seed {seed}: {} instead of {shortest}", timetable.interval);
    }
    assert!(above > 30 && met > 300, "{above} above the bound, {met} at it");
}

#[test]
fn a_network_runs_at_the_pace_of_its_busiest_link() {
    // 784-1024-1024-10 on tiles of 128 x 128.
    let problem = layered((12, 12), &[(7, 8), (8, 8), (8, 1)], 1024.0);
    let timetable = solve(&problem).unwrap();
    assert_eq!(faults(&problem, &timetable), Vec::<String>::new());
    assert!(timetable.interval <= timetable.lower_bound * 1.01, "{} {}", timetable.interval, timetable.lower_bound);
    assert!(timetable.latency > 3.0 * timetable.interval, "samples overlap");
}

#[test]
fn a_large_network_stays_near_its_bound() {
    let layers = [vec![(7, 16)], vec![(16, 16); 38], vec![(16, 1)]].concat();
    let problem = layered((110, 110), &layers, 1024.0);
    let timetable = solve(&problem).unwrap();
    assert_eq!(faults(&problem, &timetable), Vec::<String>::new());
    assert!(timetable.interval <= timetable.lower_bound * 1.25, "{} {}", timetable.interval, timetable.lower_bound);
}
