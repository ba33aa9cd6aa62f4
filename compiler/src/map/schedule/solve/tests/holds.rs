//! Timetables of random problems hold; what cannot be timed is refused; a few that can be worked out by hand.

use super::super::check::faults;
use super::super::{End, Event, Failure, Problem, solve};
use super::{Random, chip, packet, random, resource, work};

const NONE: Vec<String> = Vec::new();

#[test]
fn timetables_of_random_problems_hold() {
    let (mut held, mut refused, mut at_bound, mut by_buffer) = (0, 0, 0, 0);
    for seed in 0..1500 {
        let problem = random(seed);
        match solve(&problem) {
            Ok(timetable) => {
                assert_eq!(faults(&problem, &timetable), NONE, "seed {seed}");
                held += 1;
                at_bound += usize::from(timetable.interval <= timetable.lower_bound * (1.0 + 1e-9));
                by_buffer += usize::from(timetable.bottleneck.starts_with("buffer"));
            }
            Err(Failure::Buffer { core, needs, room }) => {
                assert!(needs > room && room == problem.buffers[core]);
                // With the room it asks for, or a few more cores', there is one.
                let roomy = Problem { buffers: Vec::new(), ..problem };
                assert!(solve(&roomy).is_ok());
                refused += 1;
            }
            Err(failure) => panic!("seed {seed}: {failure}"),
        }
    }
    assert!(held > 1000 && refused > 30 && at_bound > 600 && by_buffer > 30, "{held} {refused} {at_bound} {by_buffer}");
}

#[test]
fn the_same_problem_has_the_same_timetable() {
    for seed in 0..100 {
        assert_eq!(solve(&random(seed)), solve(&random(seed)));
    }
}

#[test]
fn a_tick_is_long_enough_or_says_how_long() {
    let (mut long, mut short) = (0, 0);
    for seed in 0..500 {
        let mut problem = Problem { tick: Some(6e-8), buffers: Vec::new(), ..random(seed) };
        match solve(&problem) {
            Ok(timetable) => {
                assert_eq!(faults(&problem, &timetable), NONE, "seed {seed}");
                assert_eq!(timetable.interval, 6e-8);
                long += 1;
            }
            Err(Failure::Tick { needs }) => {
                assert!(needs > 6e-8);
                problem.tick = Some(needs);
                let timetable = solve(&problem).unwrap();
                assert_eq!(faults(&problem, &timetable), NONE, "seed {seed}");
                short += 1;
            }
            Err(failure) => panic!("seed {seed}: {failure}"),
        }
    }
    assert!(long > 50 && short > 50, "{long} {short}");
}

#[test]
fn a_packet_is_a_worm() {
    // Five flits of 1 ns from the host at core 0 of 3 x 3 to cores 2 and 8; the port takes 2 ns.
    let mut problem = Problem { port_time_per_bit: 2e-9 / 160.0, ..chip((3, 3)) };
    problem.moves.push(packet(End::Host, &[End::Core(2), End::Core(8)], 160.0, &[]));
    problem.resources.push(resource("unit", 1));
    problem.works.push(work(2, &[(0, 1)], 4e-9, &[Event::Move(0)]));
    problem.moves.push(packet(End::Core(2), &[End::Host], 32.0, &[Event::Work(0)]));
    let timetable = solve(&problem).unwrap();
    assert_eq!(faults(&problem, &timetable), NONE);
    let ns = |seconds: f64| (seconds * 1e9).round() as i64;
    let way: Vec<_> =
        timetable.moves[0].links.iter().map(|link| (link.from, link.to, ns(link.start), ns(link.end))).collect();
    assert_eq!(way, [(0, 1, 2, 7), (1, 2, 3, 8), (2, 5, 4, 9), (5, 8, 5, 10)]);
    assert_eq!(ns(timetable.moves[0].end), 10);
    // The whole packet is at core 2 at 8 ns; its answer needs 2 ns for two links and 0.4 ns for the port.
    assert_eq!((ns(timetable.starts[0]), ns(timetable.moves[1].start)), (8, 12));
    assert!((timetable.latency - 14.4e-9).abs() < 1e-15);
    assert_eq!(ns(timetable.interval), 5);
    assert_eq!(timetable.bottleneck, "link 0 -> 1");
    assert_eq!(timetable.held, [(Event::Work(0), 0.0), (Event::Move(0), 0.0)]);
}

#[test]
fn works_overlap_those_of_other_samples() {
    // Three works of 3, 4 and 5 ns after one another on two units: 12 instance-ns on two units are 6 ns.
    let mut problem = chip((1, 1));
    problem.resources.push(resource("units", 2));
    problem.works.push(work(0, &[(0, 1)], 3e-9, &[]));
    problem.works.push(work(0, &[(0, 1)], 4e-9, &[Event::Work(0)]));
    problem.works.push(work(0, &[(0, 1)], 5e-9, &[Event::Work(1)]));
    let timetable = solve(&problem).unwrap();
    assert_eq!(faults(&problem, &timetable), NONE);
    assert!((timetable.interval - 6e-9).abs() < 1e-17, "{timetable:?}");
    assert!((timetable.latency - 12e-9).abs() < 1e-17, "{timetable:?}");
}

#[test]
fn a_small_buffer_lengthens_the_interval_then_fails() {
    // A result of 64 bits is read 10 ns after it is written: at most one sample's fits.
    let mut problem = Problem { buffers: vec![64.0], ..chip((1, 1)) };
    problem.resources.push(resource("short", 1));
    problem.resources.push(resource("long", 2));
    problem.works.push(work(0, &[(0, 1)], 2e-9, &[]));
    problem.works[0].writes_bits = 64.0;
    problem.works.push(work(0, &[(1, 1)], 6e-9, &[Event::Work(0)]));
    problem.works.push(work(0, &[(1, 1)], 4e-9, &[Event::Work(1), Event::Work(0)]));
    let timetable = solve(&problem).unwrap();
    assert_eq!(faults(&problem, &timetable), NONE);
    assert!(timetable.interval >= 10e-9 && timetable.interval < 10.1e-9, "{timetable:?}");
    assert_eq!(timetable.bottleneck, "buffer of core 0");
    problem.buffers[0] = 128.0;
    assert!(solve(&problem).unwrap().interval < 7e-9);
    problem.buffers[0] = 63.0;
    assert_eq!(solve(&problem), Err(Failure::Buffer { core: 0, needs: 64.0, room: 63.0 }));
}

#[test]
fn circles_and_unknown_things_are_told() {
    let mut problem = chip((2, 1));
    problem.works.push(work(0, &[], 1e-9, &[Event::Move(0)]));
    problem.works.push(work(1, &[], 1e-9, &[Event::Work(0)]));
    problem.moves.push(packet(End::Core(1), &[End::Core(0)], 1.0, &[Event::Work(1)]));
    let circle = vec![Event::Work(0), Event::Work(1), Event::Move(0)];
    let Err(Failure::Cycle(mut found)) = solve(&problem) else { panic!("a circle") };
    let first = found.iter().position(|event| *event == circle[0]).unwrap();
    found.rotate_left(first);
    assert_eq!(found, circle);

    let whole = random(3);
    assert!(solve(&whole).is_ok());
    let spoil: [fn(&mut Problem); 9] = [
        |problem| problem.grid.0 = 0,
        |problem| problem.hop = f64::NAN,
        |problem| problem.flit_bits = 0.0,
        |problem| problem.port = 1 << 40,
        |problem| problem.works[0].core = 99,
        |problem| problem.works[0].uses = vec![(0, 77)],
        |problem| problem.works[0].after = vec![Event::Move(1 << 40)],
        |problem| problem.moves[0].to.clear(),
        |problem| (problem.moves[0].from, problem.moves[0].to) = (End::Host, vec![End::Host]),
    ];
    for (index, spoil) in spoil.iter().enumerate() {
        let mut problem = whole.clone();
        spoil(&mut problem);
        assert!(matches!(solve(&problem), Err(Failure::Malformed(_))), "{index}");
    }
}

/// Numbers no one means.
const ODD: [f64; 10] = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-320, 1e-30, 1e-12, 1.0, 1e30, f64::MAX];

#[test]
fn no_problem_makes_it_panic() {
    for seed in 0..2000 {
        let mut problem = random(seed);
        let random = &mut Random(seed ^ 0xabcd);
        for _ in 0..1 + random.below(3) {
            let odd = ODD[random.below(ODD.len())];
            let (work, sent) = (random.below(problem.works.len().max(1)), random.below(problem.moves.len().max(1)));
            match random.below(9) {
                0 => problem.hop = odd,
                1 => problem.flit_bits = odd,
                2 => problem.port_time_per_bit = odd,
                3 => problem.tick = Some(odd),
                4 => problem.buffers = vec![odd; random.below(30)],
                5 => problem.works.iter_mut().skip(work).take(1).for_each(|work| work.time = odd),
                6 => problem.works.iter_mut().skip(work).take(1).for_each(|work| work.writes_bits = odd),
                7 => problem.moves.iter_mut().skip(sent).take(1).for_each(|sent| sent.bits = odd),
                _ => problem.resources.iter_mut().for_each(|resource| resource.count = random.below(3)),
            }
        }
        // Whether it holds cannot be told where the numbers span more than their digits.
        if let Ok(timetable) = solve(&problem) {
            assert!(timetable.starts.len() == problem.works.len() && timetable.latency.is_finite());
            let _ = faults(&problem, &timetable);
        }
    }
}

#[test]
fn slow_works_beside_fast_packets_hold() {
    for seed in 0..300 {
        let mut problem = random(seed);
        problem.buffers.clear();
        for (index, work) in problem.works.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0) {
            work.time = 0.1 + index as f64;
        }
        let timetable = solve(&problem).unwrap();
        assert_eq!(faults(&problem, &timetable), NONE, "seed {seed}");
    }
}
