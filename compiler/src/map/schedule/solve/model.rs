//! The problem in whole quanta of time: operations, what they occupy at which offset, what they wait for, what cores hold.

use super::packet::{Packet, Way, beyond};
use super::place::Found;
use super::{End, Event, Failure, Link, Move, Problem, Sent, Timetable, sound};

/// A table that an operation occupies.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    pub table: usize,
    pub offset: i64,
    pub time: i64,
    pub need: u32,
}

/// A precedence: the one starts at least `lag` after the other.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    pub other: usize,
    pub lag: i64,
}

/// Bits on a core from `ready` after the start of an operation until the last reader is done with them.
#[derive(Debug, Clone)]
pub struct Store {
    pub core: usize,
    pub bits: f64,
    pub writer: usize,
    pub ready: i64,
    /// Operations, and how long after their starts they are done.
    pub readers: Vec<Edge>,
}

/// An operation is a work or, after all works, a packet.
pub struct Model<'a> {
    pub problem: &'a Problem,
    pub quantum: f64,
    /// What each operation occupies, what is most in use first.
    pub uses: Vec<Vec<Use>>,
    pub before: Vec<Vec<Edge>>,
    pub readers: Vec<Vec<Edge>>,
    /// From its start until all of it is over.
    pub lengths: Vec<i64>,
    pub order: Vec<usize>,
    /// How many instances each table has, and for how long a sample occupies one.
    pub counts: Vec<u32>,
    pub loads: Vec<i64>,
    pub stores: Vec<Store>,
    pub bound: i64,
    pub lower_bound: f64,
    pub bottleneck: String,
    pub packets: Vec<Packet>,
    pub hop: i64,
}

impl<'a> Model<'a> {
    pub fn new(problem: &'a Problem) -> Result<Self, Failure> {
        sound::check(problem)?;
        let count = problem.works.len() + problem.moves.len();
        let mut model = Self {
            problem,
            quantum: 1.0,
            uses: vec![Vec::new(); count],
            before: vec![Vec::new(); count],
            readers: vec![Vec::new(); count],
            lengths: Vec::new(),
            order: Vec::new(),
            counts: Vec::new(),
            loads: Vec::new(),
            stores: Vec::new(),
            bound: 0,
            lower_bound: 0.0,
            bottleneck: String::new(),
            packets: Vec::new(),
            hop: 0,
        };
        model.connect();
        model.sort()?;
        model.choose_quantum()?;
        model.measure()?;
        model.occupy();
        model.store();
        Ok(model)
    }

    pub fn port_time(&self, sent: &Move) -> f64 {
        sent.bits * self.problem.port_time_per_bit
    }

    /// Where packets of an end enter or leave the mesh.
    pub fn core(&self, end: End) -> usize {
        match end {
            End::Core(core) => core,
            End::Host => self.problem.port,
        }
    }

    pub fn flits(&self, sent: &Move) -> f64 {
        (sent.bits / self.problem.flit_bits).ceil().max(1.0)
    }

    /// A decimal part of a hop, so that times in whole clocks or nanoseconds are whole, small against all there is to do and
    /// large enough that no sum overflows.
    fn choose_quantum(&mut self) -> Result<(), Failure> {
        let problem = self.problem;
        let way = (problem.grid.0 + problem.grid.1) as f64;
        let on_mesh = |sent: &Move| {
            let stays = sent.to.iter().all(|&to| self.core(to) == self.core(sent.from));
            if stays { 0.0 } else { (self.flits(sent) + way) * problem.hop }
        };
        let moves = problem.moves.iter().map(|sent| self.port_time(sent) + on_mesh(sent));
        let times = problem.works.iter().map(|work| work.time).chain(moves);
        let (all, longest) = times.fold((0.0, 0.0), |(sum, most), time| (sum + time, f64::max(most, time)));
        // Far from any machine, and from where numbers lose their digits.
        if all != 0.0 && !(1e-100..1e100).contains(&all) {
            return Err(Failure::Malformed(format!("all that happens takes {all} s")));
        }
        let mut depths = vec![1u32; self.order.len()];
        for &operation in &self.order {
            for edge in &self.readers[operation] {
                depths[edge.other] = depths[edge.other].max(depths[operation] + 1);
            }
        }
        // Each of a chain may wait for twice the interval.
        let depth = depths.into_iter().max().unwrap_or(0) + 2;
        let least = f64::max(longest / 1e15, all * f64::from(depth) / 1e18);
        let unit = if problem.hop > 0.0 { problem.hop } else { 1.0 };
        if all > 0.0 {
            let digits = (unit / least).log10().floor();
            self.quantum = if digits.abs() < 300.0 { unit / 10f64.powf(digits) } else { least };
        }
        self.hop = self.quanta(problem.hop);
        Ok(())
    }

    /// At least the time, in quanta: whole ones stay what they are.
    pub fn quanta(&self, time: f64) -> i64 {
        let exact = time / self.quantum;
        let near = exact.round();
        let whole = if (exact - near).abs() <= 1e-3 + exact * 1e-15 { near } else { exact.ceil() };
        (whole as i64).max(i64::from(time > 0.0))
    }

    /// The operation of an event, and when after its start what it gives is at `place`.
    fn ready(&self, event: Event, place: End) -> Result<Edge, Failure> {
        match event {
            Event::Work(index) => Ok(Edge { other: index, lag: self.lengths[index] }),
            Event::Move(index) => {
                let arrival = self.packets[index].arrivals.iter().find(|arrival| arrival.0 == place);
                let Some(&(_, lag)) = arrival else {
                    return Err(Failure::Malformed(format!(
                        "packet {index} is read at {place:?}, where it does not go"
                    )));
                };
                Ok(Edge { other: self.problem.works.len() + index, lag })
            }
        }
    }

    /// Where each operation needs its data, and what it waits for.
    fn waits(&self) -> impl Iterator<Item = (usize, End, Event)> + use<'a> {
        let works = self.problem.works.iter().map(|work| (End::Core(work.core), &work.after));
        let waits = works.chain(self.problem.moves.iter().map(|sent| (sent.from, &sent.after)));
        waits
            .enumerate()
            .flat_map(|(operation, (place, after))| after.iter().map(move |&event| (operation, place, event)))
    }

    /// Precedences, of no known time yet.
    fn connect(&mut self) {
        for (operation, _, event) in self.waits() {
            let other = match event {
                Event::Work(index) => index,
                Event::Move(index) => self.problem.works.len() + index,
            };
            self.before[operation].push(Edge { other, lag: 0 });
            self.readers[other].push(Edge { other: operation, lag: 0 });
        }
    }

    /// How long everything takes.
    fn measure(&mut self) -> Result<(), Failure> {
        let problem = self.problem;
        self.packets = problem.moves.iter().map(|sent| self.packet(sent)).collect();
        let last = |packet: &Packet| packet.arrivals.iter().map(|arrival| arrival.1).max().unwrap_or(0);
        let works = problem.works.iter().map(|work| self.quanta(work.time));
        self.lengths = works.chain(self.packets.iter().map(last)).collect();
        self.before.iter_mut().chain(&mut self.readers).for_each(Vec::clear);
        for (operation, place, event) in self.waits() {
            let edge = self.ready(event, place)?;
            self.before[operation].push(edge);
            self.readers[edge.other].push(Edge { other: operation, lag: edge.lag });
        }
        Ok(())
    }

    fn sort(&mut self) -> Result<(), Failure> {
        let mut open: Vec<usize> = self.before.iter().map(Vec::len).collect();
        self.order = (0..open.len()).filter(|&operation| open[operation] == 0).collect();
        let mut done = 0;
        while let Some(&operation) = self.order.get(done) {
            done += 1;
            for edge in &self.readers[operation] {
                open[edge.other] -= 1;
                if open[edge.other] == 0 {
                    self.order.push(edge.other);
                }
            }
        }
        // Whatever still waits has something before it that waits, too: going back ends in a circle.
        let Some(mut at) = open.iter().position(|&open| open > 0) else { return Ok(()) };
        let (mut trail, mut seen) = (Vec::new(), vec![false; open.len()]);
        while !std::mem::replace(&mut seen[at], true) {
            trail.push(at);
            at = self.before[at].iter().map(|edge| edge.other).find(|&other| open[other] > 0).unwrap_or(at);
        }
        trail.reverse();
        let circle = trail.iter().position(|&operation| operation == at).map_or(&trail[..], |end| &trail[..=end]);
        Err(Failure::Cycle(circle.iter().map(|&operation| self.event(operation)).collect()))
    }

    fn event(&self, operation: usize) -> Event {
        match operation.checked_sub(self.problem.works.len()) {
            Some(index) => Event::Move(index),
            None => Event::Work(operation),
        }
    }

    /// What cores with limited buffers hold.
    fn store(&mut self) {
        let (problem, works) = (self.problem, self.problem.works.len());
        let limited = |core: usize| problem.buffers.get(core).is_some_and(|room| room.is_finite());
        let mut stores = Vec::new();
        for (writer, readers) in self.readers.iter().enumerate() {
            let done = |edge: &Edge| Edge { other: edge.other, lag: self.read_time(edge.other) };
            match self.event(writer) {
                Event::Work(index) => {
                    let work = &problem.works[index];
                    if work.writes_bits > 0.0 && limited(work.core) {
                        let readers = readers.iter().map(done).collect();
                        let (core, bits, ready) = (work.core, work.writes_bits, self.lengths[index]);
                        stores.push(Store { core, bits, writer, ready, readers });
                    }
                }
                Event::Move(index) => {
                    let mut arrivals = self.packets[index].arrivals.clone();
                    arrivals.sort_unstable();
                    arrivals.dedup();
                    for (end, ready) in arrivals {
                        let End::Core(core) = end else { continue };
                        if limited(core) && problem.moves[index].kept > 0.0 {
                            let here = |edge: &&Edge| match self.event(edge.other) {
                                Event::Work(reader) => problem.works[reader].core == core,
                                Event::Move(reader) => problem.moves[reader].from == end,
                            };
                            let readers = readers.iter().filter(here).map(done).collect();
                            let bits = problem.moves[index].kept;
                            stores.push(Store { core, bits, writer: works + index, ready, readers });
                        }
                    }
                }
            }
        }
        stores.sort_by_key(|store| store.core);
        self.stores = stores;
    }

    /// How long an operation reads what it waits for.
    fn read_time(&self, operation: usize) -> i64 {
        let Some(index) = operation.checked_sub(self.problem.works.len()) else { return self.lengths[operation] };
        let packet = &self.packets[index];
        let tail = if packet.links.is_empty() { 0 } else { packet.leaves + packet.worm };
        // A packet to the host may pass the port right where it starts.
        let passed = packet.port.filter(|port| port.0 == 0).map_or(0, |port| port.1);
        tail.max(passed)
    }

    /// The result in seconds, shifted to start at 0.
    pub fn timetable(&self, found: &Found) -> Timetable {
        let (problem, works) = (self.problem, self.problem.works.len());
        let first = found.starts.iter().copied().min().unwrap_or(0);
        let seconds = |quanta: i64| quanta as f64 * self.quantum;
        let start = |operation: usize| found.starts[operation] - first;
        let moves = self.packets.iter().enumerate().map(|(index, packet)| {
            let begin = start(works + index);
            let link = |way: &Way| {
                let start = begin + packet.leaves + way.depth * self.hop;
                let to = beyond(way.from, way.direction, problem.grid.0);
                Link { from: way.from, to, start: seconds(start), end: seconds(start + packet.worm) }
            };
            Sent {
                start: seconds(begin),
                end: seconds(begin + self.lengths[works + index]),
                port: packet.port.map(|(from, time)| (seconds(begin + from), seconds(begin + from + time))),
                links: packet.links.iter().map(link).collect(),
            }
        });
        let waits = |operation: usize| {
            let waits = self.readers[operation].iter().map(|edge| start(edge.other) - start(operation) - edge.lag);
            waits.max().map(|longest| (self.event(operation), seconds(longest)))
        };
        let count = self.lengths.len();
        let interval = if self.bound == 0 && found.interval <= 1 { 0.0 } else { seconds(found.interval) };
        Timetable {
            starts: (0..works).map(|work| seconds(start(work))).collect(),
            moves: moves.collect(),
            interval: problem.tick.unwrap_or(interval),
            latency: seconds((0..count).map(|operation| start(operation) + self.lengths[operation]).max().unwrap_or(0)),
            lower_bound: self.lower_bound,
            bottleneck: match found.full {
                Some(core) => format!("buffer of core {core}"),
                None => self.bottleneck.clone(),
            },
            held: (0..count).filter_map(waits).collect(),
        }
    }
}
