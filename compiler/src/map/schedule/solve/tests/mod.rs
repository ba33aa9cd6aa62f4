//! Random and made problems for the tests.

mod holds;
mod planted;
mod well;

use super::{End, Event, Move, Problem, Resource, Work};

/// SplitMix64: the same problems on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn often(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// An empty chip of 1 ns hops and 32-bit flits.
fn chip(grid: (usize, usize)) -> Problem {
    Problem {
        grid,
        resources: Vec::new(),
        works: Vec::new(),
        moves: Vec::new(),
        hop: 1e-9,
        flit_bits: 32.0,
        port: 0,
        port_time_per_bit: 0.0,
        buffers: Vec::new(),
        tick: None,
    }
}

fn resource(name: &str, count: usize) -> Resource {
    Resource { name: String::from(name), count }
}

fn work(core: usize, uses: &[(usize, usize)], time: f64, after: &[Event]) -> Work {
    Work { core, uses: uses.to_vec(), time, after: after.to_vec(), writes_bits: 0.0 }
}

fn packet(from: End, to: &[End], bits: f64, after: &[Event]) -> Move {
    Move { from, to: to.to_vec(), bits, kept: bits, after: after.to_vec() }
}

/// Works and packets that wait for earlier ones, on a small mesh; every kind of thing happens.
fn random(seed: u64) -> Problem {
    let random = &mut Random(seed);
    let grid = (1 + random.below(5), 1 + random.below(4));
    let cores = grid.0 * grid.1;
    let mut problem = Problem { port: random.below(cores), ..chip(grid) };
    if random.often(10) {
        problem.hop = 1e-9 / 3.0;
    }
    if random.often(60) {
        problem.port_time_per_bit = [1e-11, 1e-10, 3e-9 / 32.0][random.below(3)];
    }
    let kinds = 1 + random.below(3);
    for core in 0..cores {
        for kind in 0..kinds {
            problem.resources.push(resource(&format!("unit {kind} of core {core}"), 1 + random.below(3)));
        }
    }
    // Where each event's value is.
    let mut given: Vec<(Event, Vec<End>)> = Vec::new();
    for _ in 0..1 + random.below(40) {
        let first = if given.is_empty() || random.often(15) { None } else { Some(random.below(given.len())) };
        let places = first.map_or_else(Vec::new, |index| given[index].1.clone());
        let place = if places.is_empty() { End::Core(random.below(cores)) } else { places[random.below(places.len())] };
        let mut after: Vec<Event> = first.map(|index| given[index].0).into_iter().collect();
        for (event, places) in &given {
            if places.contains(&place) && !after.contains(event) && random.often(10) {
                after.push(*event);
            }
        }
        let core = if let End::Core(core) = place { core } else { cores };
        if core < cores && random.often(50) {
            let mut uses = Vec::new();
            for index in (0..kinds).map(|kind| core * kinds + kind) {
                if random.often(60) {
                    uses.push((index, random.below(problem.resources[index].count + 1)));
                }
            }
            let time = [0.0, 1e-9, 5e-9, 12.5e-9, 1e-7 / 3.0][random.below(5)];
            given.push((Event::Work(problem.works.len()), vec![place]));
            let writes_bits = if random.often(70) { random.below(300) as f64 } else { 0.0 };
            problem.works.push(Work { writes_bits, ..work(core, &uses, time, &after) });
        } else {
            let from = if after.is_empty() && random.often(70) { End::Host } else { place };
            let mut to: Vec<End> = (0..1 + random.below(4)).map(|_| End::Core(random.below(cores))).collect();
            if from != End::Host && random.often(15) {
                to.push(End::Host);
            }
            given.push((Event::Move(problem.moves.len()), to.clone()));
            problem.moves.push(packet(from, &to, random.below(400) as f64, &after));
        }
    }
    if random.often(40) {
        problem.buffers = (0..cores).map(|_| (300 + random.below(1500)) as f64).collect();
    }
    problem
}

/// Dense layers on tiles, one tile a core, cores in rows: inputs are sent to all blocks of their rows, partial sums to the first
/// block of their columns, which adds them; the last layer's sums go to the host.
fn layered(grid: (usize, usize), layers: &[(usize, usize)], bits: f64) -> Problem {
    let mut problem = Problem { port_time_per_bit: 1e-11, buffers: Vec::new(), ..chip(grid) };
    let mut core = 0;
    let mut inputs: Vec<(End, Option<Event>)> = vec![(End::Host, None); layers[0].0];
    for (layer, &(rows, columns)) in layers.iter().enumerate() {
        let first = core;
        core += rows * columns;
        // The blocks of a column lie next to each other.
        let place = |row: usize, column: usize| first + column * rows + row;
        let mut arrivals = Vec::new();
        for row in 0..rows {
            let (from, event) = inputs[row % inputs.len()];
            let to: Vec<End> = (0..columns).map(|column| End::Core(place(row, column))).collect();
            arrivals.push(Event::Move(problem.moves.len()));
            problem.moves.push(Move { from, to, bits, kept: bits, after: event.into_iter().collect() });
        }
        inputs.clear();
        for column in 0..columns {
            let mut sums = Vec::new();
            for (row, &arrival) in arrivals.iter().enumerate() {
                let at = place(row, column);
                let tile = problem.resources.len();
                problem.resources.push(resource(&format!("tile of core {at}"), 1));
                let read = Event::Work(problem.works.len());
                problem.works.push(work(at, &[(tile, 1)], 1e-7, &[arrival]));
                if row == 0 {
                    sums.push(read);
                } else {
                    sums.push(Event::Move(problem.moves.len()));
                    problem.moves.push(packet(End::Core(at), &[End::Core(place(0, column))], bits, &[read]));
                }
            }
            let adder = problem.resources.len();
            problem.resources.push(resource(&format!("adder of core {}", place(0, column)), 1));
            let sum = Event::Work(problem.works.len());
            problem.works.push(work(place(0, column), &[(adder, 1)], 1e-9 * rows as f64, &sums));
            if layer + 1 == layers.len() {
                problem.moves.push(packet(End::Core(place(0, column)), &[End::Host], bits, &[sum]));
            }
            inputs.push((End::Core(place(0, column)), Some(sum)));
        }
    }
    problem
}
