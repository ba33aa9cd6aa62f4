//! The solver against slow and plain ways to say the same: links one by one, all placements tried.

use std::collections::BTreeSet;

use super::dice::Dice;
use super::*;

/// Small enough for all placements to be tried.
fn small(seed: u64) -> Problem {
    let mut dice = Dice::new(seed);
    let grid = [(1, 1), (2, 2), (3, 2), (2, 4), (3, 3), (5, 1), (4, 3)][dice.below(7)];
    let parts = 1 + dice.below(if grid.0 * grid.1 > 6 { 5 } else { 6 });
    random(grid, parts, &mut dice)
}

/// A problem of every trait: kinds of cores, scarce and endless rooms, pins, traffic with the host, wide nets.
fn random(grid: (usize, usize), parts: usize, dice: &mut Dice) -> Problem {
    let cores = grid.0 * grid.1;
    let mut room = vec![vec![1.0 + dice.below(3) as f64, dice.below(3) as f64, f64::INFINITY]];
    room.push(vec![dice.below(4) as f64, 2.0]);
    let kinds = (0..cores).map(|_| usize::from(dice.below(4) == 0)).collect();
    let part = |dice: &mut Dice| Part {
        needs: [(0, 1.0), (1, dice.below(2) as f64), (2, 3.7), (0, [0.0, 0.5, 1.0][dice.below(3)])]
            .into_iter()
            .filter(|_| dice.below(2) == 0)
            .collect(),
        fixed: (dice.below(8) == 0).then(|| dice.below(cores)),
    };
    let parts: Vec<Part> = (0..parts).map(|_| part(dice)).collect();
    let end = |dice: &mut Dice| match dice.below(parts.len() + 1) {
        0 => End::Host,
        part => End::Part(part - 1),
    };
    let net = |dice: &mut Dice| Net {
        from: end(dice),
        to: (0..1 + dice.below(4)).map(|_| end(dice)).collect(),
        bits: [1.0, 8.0, 0.3, 0.0][dice.below(4)],
    };
    let nets = (0..dice.below(2 * parts.len() + 2)).map(|_| net(dice)).collect();
    let close = dice.below(3).saturating_sub(1);
    let near = (0..close).map(|_| (dice.below(parts.len()), dice.below(parts.len()))).collect();
    Problem { grid, cores: kinds, room, nets, near, port: dice.below(cores), parts }
}

/// The blocks of a network of layers: rows that gather in columns, which send what they have to the next layer's rows.
fn layered(grid: (usize, usize), layers: usize, rows: usize, columns: usize) -> Problem {
    let block = |layer: usize, row: usize, column: usize| End::Part((layer * rows + row) * columns + column);
    let mut nets = Vec::new();
    for layer in 0..layers {
        for column in 0..columns {
            let first = block(layer, 0, column);
            nets.extend((1..rows).map(|row| Net { from: block(layer, row, column), to: vec![first], bits: 2048.0 }));
            let row = column * rows / columns;
            let next = (0..columns).map(|column| block(layer + 1, row, column)).collect();
            let to = if layer + 1 < layers { next } else { vec![End::Host] };
            nets.push(Net { from: first, to, bits: 1024.0 });
        }
    }
    let input =
        |row| Net { from: End::Host, to: (0..columns).map(|column| block(0, row, column)).collect(), bits: 1024.0 };
    nets.extend((0..rows).map(input));
    uniform(grid, layers * rows * columns, nets)
}

/// Every block of a layer sends to every block of the next.
fn dense(grid: (usize, usize), layers: usize, blocks: usize) -> Problem {
    let next = |layer: usize| (0..blocks).map(|block| End::Part((layer + 1) * blocks + block)).collect();
    let net = |at: usize| Net { from: End::Part(at), to: next(at / blocks), bits: 1024.0 };
    uniform(grid, layers * blocks, (0..(layers - 1) * blocks).map(net).collect())
}

/// One part a core, all alike.
fn uniform(grid: (usize, usize), parts: usize, nets: Vec<Net>) -> Problem {
    let part = Part { needs: vec![(0, 1.0)], fixed: None };
    Problem {
        grid,
        cores: vec![0; grid.0 * grid.1],
        room: vec![vec![1.0]],
        parts: vec![part; parts],
        nets,
        near: Vec::new(),
        port: 0,
    }
}

/// Walks every route, link by link.
fn slow_cost(problem: &Problem, core: &[usize]) -> f64 {
    let width = problem.grid.0;
    let at = |end: &End| match end {
        End::Part(part) => core[*part],
        End::Host => problem.port,
    };
    let tree = |net: &Net| {
        let mut links = BTreeSet::new();
        for sink in &net.to {
            let (mut here, there) = (at(&net.from), at(sink));
            while here != there {
                let next = match (here % width).cmp(&(there % width)) {
                    std::cmp::Ordering::Less => here + 1,
                    std::cmp::Ordering::Greater => here - 1,
                    std::cmp::Ordering::Equal if here < there => here + width,
                    std::cmp::Ordering::Equal => here - width,
                };
                links.insert((here, next));
                here = next;
            }
        }
        links.len() as f64
    };
    problem.nets.iter().map(|net| net.bits * tree(net)).sum()
}

fn holds(problem: &Problem, core: &[usize]) -> bool {
    let pinned = problem.parts.iter().zip(core).all(|(part, core)| part.fixed.is_none_or(|pin| pin == *core));
    let taken = |at: usize, resource: usize| -> f64 {
        let here = problem.parts.iter().zip(core).filter(|(_, core)| **core == at);
        here.flat_map(|(part, _)| &part.needs).filter(|need| need.0 == resource).map(|need| need.1).sum()
    };
    let room = |at: usize, resource: usize| problem.room[problem.cores[at]].get(resource).copied().unwrap_or(0.0);
    let most = problem.room.iter().map(Vec::len).max().unwrap_or(0);
    let near = problem.near.iter().all(|(a, b)| level::apart(problem.grid.0, core[*a], core[*b]) <= 1);
    pinned && near && (0..problem.cores.len()).all(|at| (0..most).all(|r| taken(at, r) <= room(at, r) * (1.0 + 1e-9)))
}

/// The cheapest of all placements.
fn brute_force(problem: &Problem) -> Option<f64> {
    let (parts, cores) = (problem.parts.len(), problem.cores.len());
    let mut best: Option<f64> = None;
    for number in 0..cores.pow(parts as u32) {
        let core: Vec<usize> = (0..parts).map(|part| number / cores.pow(part as u32) % cores).collect();
        if best.is_some_and(|best| slow_cost(problem, &core) >= best) || !holds(problem, &core) {
            continue;
        }
        best = Some(slow_cost(problem, &core));
    }
    best
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

#[test]
fn small_problems_are_placed_best_and_impossible_ones_refused() {
    let (mut placed, mut refused, mut proved) = (0, 0, 0);
    for seed in 0..400 {
        let problem = small(seed);
        match (solve(&problem), brute_force(&problem)) {
            (Ok(found), Some(least)) => {
                placed += 1;
                proved += usize::from(found.lower_bound == found.cost);
                assert!(close(found.cost, least), "seed {seed}: {} where {least} is possible", found.cost);
                let bound = bound::Bound::new(&Level::new(&problem)).whole();
                assert!(bound <= least * (1.0 + 1e-9), "seed {seed}: a bound of {bound} above the least, {least}");
            }
            (Err(_), None) => refused += 1,
            (Ok(found), None) if problem.far(&found.core) > 0 => refused += 1,
            (found, least) => panic!("seed {seed}: {found:?} where the least is {least:?}"),
        }
    }
    assert!(placed > 100 && refused > 20, "{placed} placed, {refused} refused");
    assert!(proved * 10 > placed * 9, "only {proved} of {placed} proved the best");
}

#[test]
fn annealing_alone_finds_the_best_of_nearly_all_small_problems() {
    let (mut best, mut all) = (0, 0);
    for seed in 0..400 {
        let problem = Problem { near: Vec::new(), ..small(seed) };
        let level = Level::new(&problem);
        let (Ok(snake), Some(least)) = (fit::snake(&level), brute_force(&problem)) else { continue };
        let mut layout = Layout::new(&level, &snake);
        refine::polish(&mut layout, 1, refine::WARM, &mut Dice::new(seed));
        all += 1;
        best += usize::from(close(cost(&problem, &layout.places()), least));
    }
    println!("{best} of {all}");
    assert!(best * 10 >= all * 9, "{best} of {all}");
}

#[test]
fn what_holds_of_any_problem() {
    let mut placed = 0;
    for seed in 0..60 {
        let mut dice = Dice::new(1000 + seed);
        let grid = (1 + dice.below(12), 1 + dice.below(12));
        let parts = 1 + dice.below(grid.0 * grid.1);
        let problem = random(grid, parts, &mut dice);
        let found = solve(&problem);
        assert_eq!(found, solve(&problem), "seed {seed}: not the same twice");
        let Ok(found) = found else { continue };
        // What is to be near is tried, not promised.
        let loose = Problem { near: Vec::new(), ..problem.clone() };
        placed += 1;
        assert!(holds(&loose, &found.core), "seed {seed}: does not hold");
        assert!(close(found.cost, slow_cost(&problem, &found.core)), "seed {seed}: {}", found.cost);
        assert!(found.lower_bound <= found.cost, "seed {seed}: {found:?}");
        assert!(!problem.near.is_empty() || found.cost <= found.snake_cost, "seed {seed}: {found:?}");
    }
    assert!(placed > 20, "{placed}");
}

#[test]
fn changes_are_what_the_whole_cost_changes_by() {
    for seed in 0..40 {
        let mut dice = Dice::new(2000 + seed);
        let mut problem = random((9, 7), 40, &mut dice);
        problem.parts.iter_mut().for_each(|part| *part = Part { needs: Vec::new(), fixed: None });
        let level = Level::new(&problem);
        let start: Vec<usize> = (0..40).map(|_| dice.below(63)).collect();
        let mut layout = Layout::new(&level, &start);
        for _ in 0..200 {
            let (part, to) = (dice.below(40), dice.below(63));
            let before = slow_cost(&problem, &layout.places());
            let change = layout.change(part, to);
            layout.shift(part, to);
            let after = slow_cost(&problem, &layout.places());
            assert!((after - before - change).abs() < 1e-6, "seed {seed}: {change} for {}", after - before);
        }
    }
}

#[test]
fn layers_cost_at_least_a_third_less_than_along_the_snake() {
    for (name, problem) in [
        ("gathered", layered((32, 32), 16, 4, 8)),
        ("crowded", layered((16, 32), 16, 4, 8)),
        ("all to all", dense((32, 32), 16, 32)),
    ] {
        let found = solve(&problem).unwrap();
        assert!(found.cost < found.snake_cost * 0.7, "{name}: {} of {}", found.cost, found.snake_cost);
        assert!(found.snake_cost < found.random_cost, "{name}: {found:?}");
        assert!(found.lower_bound > found.cost * 0.2, "{name}: {} of {}", found.lower_bound, found.cost);
    }
}

#[test]
fn a_bound_that_is_met_is_proved() {
    // A chain of parts, one a core: each a link from the next.
    let net = |at: usize| Net { from: End::Part(at), to: vec![End::Part(at + 1)], bits: 3.0 };
    let found = solve(&uniform((6, 6), 36, (0..35).map(net).collect())).unwrap();
    assert_eq!((found.cost, found.lower_bound), (105.0, 105.0));
    // Six neighbours of one: four a link away, two two links.
    let net = |at: usize| Net { from: End::Part(at), to: vec![End::Part(0)], bits: 1.0 };
    let found = solve(&uniform((7, 7), 12, (1..7).map(net).collect())).unwrap();
    assert_eq!((found.cost, found.lower_bound), (8.0, 8.0));
}

#[test]
fn failures_say_which_part_and_what_it_lacks() {
    let base = uniform((2, 2), 4, Vec::new());
    let mut large = base.clone();
    large.parts[2].needs = vec![(0, 1.5)];
    assert_eq!(solve(&large), Err(Failure::DoesNotFit { part: 2, resource: 0 }));
    let mut unknown = base.clone();
    unknown.parts[1].needs = vec![(7, 1.0)];
    assert_eq!(solve(&unknown), Err(Failure::DoesNotFit { part: 1, resource: 7 }));
    let mut many = base.clone();
    many.parts.push(many.parts[0].clone());
    assert_eq!(solve(&many), Err(Failure::TooLittle { resource: 0, needed: 5.0, room: 4.0 }));
    let mut pinned = base.clone();
    pinned.parts[1].fixed = Some(3);
    pinned.parts[2].fixed = Some(3);
    assert_eq!(solve(&pinned), Err(Failure::PinDoesNotFit { part: 2, core: 3, resource: 0 }));
    // Three parts of 0.6 on two cores: enough room together, but not in two pieces.
    let mut split = uniform((2, 1), 3, Vec::new());
    split.parts.iter_mut().for_each(|part| part.needs = vec![(0, 0.6)]);
    assert!(matches!(solve(&split), Err(Failure::NotPacked { resource: 0, .. })));
}

#[test]
fn senseless_problems_are_refused() {
    let base = uniform((2, 2), 2, vec![Net { from: End::Host, to: vec![End::Part(0)], bits: 1.0 }]);
    let spoil: [fn(&mut Problem); 9] = [
        |problem| problem.grid = (0, 0),
        |problem| problem.grid = (usize::MAX, 2),
        |problem| problem.cores[0] = 5,
        |problem| problem.room[0][0] = f64::NAN,
        |problem| problem.port = 4,
        |problem| problem.parts[0].fixed = Some(4),
        |problem| problem.parts[0].needs[0].1 = f64::INFINITY,
        |problem| problem.nets[0].to.push(End::Part(2)),
        |problem| problem.nets[0].bits = -1.0,
    ];
    for (index, spoil) in spoil.iter().enumerate() {
        let mut problem = base.clone();
        spoil(&mut problem);
        assert!(matches!(solve(&problem), Err(Failure::Senseless(_))), "{index}");
    }
    let empty = Problem { parts: Vec::new(), nets: Vec::new(), room: vec![Vec::new()], ..base };
    assert_eq!(solve(&empty).map(|found| found.cost), Ok(0.0));
}

#[test]
fn every_walk_visits_every_core_once() {
    for (width, height) in [(1, 1), (1, 7), (8, 8), (5, 9), (12, 7), (16, 3), (13, 13)] {
        let mut walks =
            vec![curve::hilbert(width, height), curve::snake(width, height), curve::bands(width, height, 3)];
        walks.push(curve::transposed(&curve::bands(height, width, 2), width, height));
        for mut walk in walks {
            walk.sort_unstable();
            assert!(walk.into_iter().eq(0..width * height), "{width} x {height}");
        }
    }
}

/// `cargo test --release -- --ignored --nocapture sixteen`: what large problems cost, beside the snake and the bound.
#[test]
#[ignore = "prints figures"]
fn sixteen_thousand_cores() {
    for (name, problem) in [
        ("64 layers of 8 x 16 blocks", layered((128, 128), 64, 8, 16)),
        ("the same, every core taken", layered((64, 128), 64, 8, 16)),
        ("64 layers of 128 blocks, all to all", dense((128, 128), 64, 128)),
    ] {
        let found = solve(&problem).unwrap();
        let share = |of: f64| found.cost / of;
        println!(
            "{name}: {:.3} of the snake, {:.3} of random, {:.2} of the bound",
            share(found.snake_cost),
            share(found.random_cost),
            share(found.lower_bound)
        );
    }
}
