//! Lists what is wrong with a timetable, from problem and timetable alone; shares no code with what makes it.

use std::collections::{BTreeMap, BTreeSet};

use super::{End, Event, Problem, Sent, Timetable};

/// Of times that must be equal, and of the room there is, so much is rounding.
const ROUNDING: f64 = 1e-9;

/// Every fault in words; empty when the timetable holds.
pub fn faults(problem: &Problem, timetable: &Timetable) -> Vec<String> {
    if timetable.starts.len() != problem.works.len() || timetable.moves.len() != problem.moves.len() {
        return vec![String::from("not every work and packet is in the timetable")];
    }
    let sent = timetable.moves.iter().map(|sent| sent.start);
    let mut numbers: Vec<f64> = timetable.starts.iter().copied().chain(sent).collect();
    numbers.extend([timetable.interval, timetable.latency]);
    if numbers.iter().any(|number| !number.is_finite() || *number < 0.0) {
        return vec![String::from("a time is before the sample or is no number")];
    }
    let slack = ROUNDING * timetable.latency;
    let (occupied, loads) = (BTreeMap::new(), BTreeMap::new());
    let mut checker = Checker { problem, timetable, slack, faults: Vec::new(), occupied, loads };
    checker.ways();
    checker.waits();
    checker.capacity();
    checker.rooms();
    checker.figures();
    checker.faults
}

/// What can be occupied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Resource(usize),
    Port,
    Link(usize, usize),
}

struct Checker<'a> {
    problem: &'a Problem,
    timetable: &'a Timetable,
    slack: f64,
    faults: Vec<String>,
    /// From when to when, and how many instances.
    occupied: BTreeMap<Part, Vec<(f64, f64, f64)>>,
    /// For how long a sample occupies the port and links.
    loads: BTreeMap<Part, f64>,
}

impl Checker<'_> {
    fn expect(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    fn same(&self, a: f64, b: f64) -> bool {
        (a - b).abs() <= self.slack
    }

    fn worm(&self, bits: f64) -> f64 {
        f64::max((bits / self.problem.flit_bits).ceil(), 1.0) * self.problem.hop
    }

    fn core_of(&self, end: End) -> usize {
        if let End::Core(core) = end { core } else { self.problem.port }
    }

    /// Cores from one to another, first along x, then along y.
    fn route(&self, from: usize, to: usize) -> Vec<usize> {
        let width = self.problem.grid.0;
        let mut cores = vec![from];
        let mut at = from;
        while at != to {
            let (here, there) = ((at % width, at / width), (to % width, to / width));
            at = match (here.0 < there.0, here.0 > there.0, here.1 < there.1) {
                (true, _, _) => at + 1,
                (_, true, _) => at - 1,
                (_, _, true) => at + width,
                (_, _, false) => at - width,
            };
            cores.push(at);
        }
        cores
    }

    /// When the head of a packet leaves its first core.
    fn leaves(&self, index: usize) -> f64 {
        let packet = &self.problem.moves[index];
        let passing = if packet.from == End::Host { packet.bits * self.problem.port_time_per_bit } else { 0.0 };
        self.timetable.moves[index].start + passing
    }

    /// When a packet has wholly arrived; `None`: it does not go there.
    fn arrives(&self, index: usize, place: End) -> Option<f64> {
        let packet = &self.problem.moves[index];
        packet.to.iter().find(|&&end| end == place)?;
        let hops = self.route(self.core_of(packet.from), self.core_of(place)).len() - 1;
        let on_mesh = if hops == 0 { 0.0 } else { (hops - 1) as f64 * self.problem.hop + self.worm(packet.bits) };
        let passing = if place == End::Host { packet.bits * self.problem.port_time_per_bit } else { 0.0 };
        Some(self.leaves(index) + on_mesh + passing)
    }

    /// Each packet takes exactly its tree, at the times its start gives.
    fn ways(&mut self) {
        for (index, packet) in self.problem.moves.iter().enumerate() {
            let sent = &self.timetable.moves[index];
            let source = self.core_of(packet.from);
            let mut depths: BTreeMap<(usize, usize), usize> = BTreeMap::new();
            for &end in &packet.to {
                let route = self.route(source, self.core_of(end));
                depths.extend(route.windows(2).enumerate().map(|(depth, pair)| ((pair[0], pair[1]), depth)));
            }
            let last = packet.to.iter().filter_map(|&end| self.arrives(index, end)).fold(0.0, f64::max);
            self.expect(self.same(sent.end, last), || format!("packet {index} does not end when it has arrived"));
            self.links(index, sent, source, &depths);
            self.passage(index, sent);
        }
    }

    fn links(&mut self, index: usize, sent: &Sent, source: usize, depths: &BTreeMap<(usize, usize), usize>) {
        let (leaves, worm) = (self.leaves(index), self.worm(self.problem.moves[index].bits));
        for &(from, to) in depths.keys() {
            *self.loads.entry(Part::Link(from, to)).or_default() += worm;
        }
        let mut reached = BTreeSet::from([source]);
        for link in &sent.links {
            let name = format!("packet {index} on link {} -> {}", link.from, link.to);
            let Some(&depth) = depths.get(&(link.from, link.to)) else {
                self.faults.push(format!("{name}: not on its way"));
                continue;
            };
            let head = leaves + depth as f64 * self.problem.hop;
            let timely = self.same(link.start, head) && self.same(link.end, head + worm);
            self.expect(timely, || format!("{name}: not when the worm is there"));
            self.expect(reached.contains(&link.from), || format!("{name}: listed before the link that leads to it"));
            self.expect(reached.insert(link.to), || format!("{name}: listed twice"));
            self.occupied.entry(Part::Link(link.from, link.to)).or_default().push((link.start, link.end, 1.0));
        }
        self.expect(sent.links.len() == depths.len(), || format!("packet {index}: links are missing or too many"));
    }

    fn passage(&mut self, index: usize, sent: &Sent) {
        let packet = &self.problem.moves[index];
        let time = packet.bits * self.problem.port_time_per_bit;
        let begin = match (packet.from, self.arrives(index, End::Host)) {
            (End::Host, _) => Some(sent.start),
            (End::Core(_), arrival) => arrival.map(|arrival| arrival - time),
        };
        let sound = match (begin, sent.port) {
            (Some(begin), Some((from, until))) => self.same(begin, from) && self.same(begin + time, until),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.expect(sound, || format!("packet {index} does not pass the host's port when it should"));
        if begin.is_some() {
            *self.loads.entry(Part::Port).or_default() += time;
        }
        if let Some((from, until)) = sent.port {
            self.occupied.entry(Part::Port).or_default().push((from, until, 1.0));
        }
    }

    /// What waits for what: waiting event, what it waits for.
    fn precedences(&self) -> Vec<(Event, Event)> {
        let works = self.problem.works.iter().enumerate().map(|(index, work)| (Event::Work(index), &work.after));
        let moves = self.problem.moves.iter().enumerate().map(|(index, packet)| (Event::Move(index), &packet.after));
        works.chain(moves).flat_map(|(event, after)| after.iter().map(move |&other| (event, other))).collect()
    }

    fn start(&self, event: Event) -> f64 {
        match event {
            Event::Work(index) => self.timetable.starts[index],
            Event::Move(index) => self.timetable.moves[index].start,
        }
    }

    fn place(&self, event: Event) -> End {
        match event {
            Event::Work(index) => End::Core(self.problem.works[index].core),
            Event::Move(index) => self.problem.moves[index].from,
        }
    }

    /// When what an event gives is where another needs it.
    fn given(&self, event: Event, place: End) -> Option<f64> {
        match event {
            Event::Work(index) => Some(self.timetable.starts[index] + self.problem.works[index].time),
            Event::Move(index) => self.arrives(index, place),
        }
    }

    /// Precedence in absolute time, and how long results wait.
    fn waits(&mut self) {
        let mut longest: BTreeMap<Event, f64> = BTreeMap::new();
        for (event, other) in self.precedences() {
            let Some(given) = self.given(other, self.place(event)) else {
                self.faults.push(format!("{event:?} waits for {other:?}, which does not get there"));
                continue;
            };
            let wait = self.start(event) - given;
            self.expect(wait >= -self.slack, || format!("{event:?} starts before {other:?} is there"));
            longest.entry(other).and_modify(|most| *most = most.max(wait)).or_insert(wait);
        }
        let told: BTreeMap<Event, f64> = self.timetable.held.iter().copied().collect();
        let equal = told.len() == self.timetable.held.len()
            && told.keys().eq(longest.keys())
            && told.values().zip(longest.values()).all(|(told, wait)| self.same(*told, *wait));
        self.expect(equal, || String::from("results are not held for as long as is told"));
    }

    /// The most there is at any time if everything comes again each interval.
    fn most(&self, spans: &[(f64, f64, f64)]) -> f64 {
        let interval = self.timetable.interval;
        let mut base = 0.0;
        let mut steps: Vec<(f64, f64)> = Vec::new();
        for &(from, until, amount) in spans {
            let (from, length) = (from + self.slack, until - from - 2.0 * self.slack);
            if length <= 0.0 || amount == 0.0 {
                continue;
            }
            if interval <= 0.0 {
                return f64::INFINITY;
            }
            base += amount * (length / interval).floor();
            let begin = from - (from / interval).floor() * interval;
            let finish = begin + length % interval;
            if finish > interval {
                base += amount;
                steps.extend([(finish - interval, -amount), (begin, amount)]);
            } else {
                steps.extend([(begin, amount), (finish, -amount)]);
            }
        }
        steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut level = base;
        steps.iter().fold(base, |most, step| {
            level += step.1;
            most.max(level)
        })
    }

    fn name(&self, part: Part) -> String {
        match part {
            Part::Resource(index) => self.problem.resources[index].name.clone(),
            Part::Port => String::from("the host's port"),
            Part::Link(from, to) => format!("link {from} -> {to}"),
        }
    }

    fn count(&self, part: Part) -> f64 {
        match part {
            Part::Resource(index) => self.problem.resources[index].count as f64,
            Part::Port | Part::Link(..) => 1.0,
        }
    }

    fn capacity(&mut self) {
        for (work, &start) in self.problem.works.iter().zip(&self.timetable.starts) {
            for &(resource, need) in &work.uses {
                let spans = self.occupied.entry(Part::Resource(resource)).or_default();
                spans.push((start, start + work.time, need as f64));
            }
        }
        for (part, spans) in std::mem::take(&mut self.occupied) {
            let most = self.most(&spans);
            let name = self.name(part);
            self.expect(most <= self.count(part), || format!("{name} is booked {most} times at once"));
            self.occupied.insert(part, spans);
        }
    }

    /// No interval is shorter than what reaches this, and what does.
    fn bound(&self) -> (f64, Vec<String>) {
        let mut claims: Vec<(f64, String)> = Vec::new();
        claims.extend(self.loads.iter().map(|(part, time)| (*time, self.name(*part))));
        let mut users: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
        for (index, work) in self.problem.works.iter().enumerate() {
            for &(resource, need) in work.uses.iter().filter(|used| used.1 > 0) {
                *users.entry(resource).or_default().entry(index).or_default() += need;
            }
        }
        for (index, users) in users {
            let resource = &self.problem.resources[index];
            let count = resource.count as f64;
            let (mut shared, mut alone) = (0.0, 0.0);
            for (work, need) in users {
                let time = self.problem.works[work].time;
                shared += time * need as f64 / count;
                alone += if need as f64 > count / 2.0 { time } else { 0.0 };
                claims.push((time, resource.name.clone()));
            }
            claims.extend([(shared, resource.name.clone()), (alone, resource.name.clone())]);
        }
        let most = claims.iter().map(|claim| claim.0).fold(0.0, f64::max);
        claims.retain(|claim| claim.0 > 0.0 && claim.0 >= most * (1.0 - ROUNDING));
        (most, claims.into_iter().map(|claim| claim.1).collect())
    }

    /// When a reader is done with what it waited for.
    fn done(&self, event: Event) -> f64 {
        match event {
            Event::Work(index) => self.timetable.starts[index] + self.problem.works[index].time,
            Event::Move(index) => {
                let packet = &self.problem.moves[index];
                let home = self.core_of(packet.from);
                let mut done = self.timetable.moves[index].start;
                if packet.to.iter().any(|&end| self.core_of(end) != home) {
                    done = self.leaves(index) + self.worm(packet.bits);
                }
                if home == self.problem.port {
                    done = done.max(self.arrives(index, End::Host).unwrap_or(0.0));
                }
                done
            }
        }
    }

    fn rooms(&mut self) {
        let mut held: BTreeMap<usize, Vec<(f64, f64, f64)>> = BTreeMap::new();
        let mut last: BTreeMap<(Event, End), f64> = BTreeMap::new();
        for (event, other) in self.precedences() {
            let place = match other {
                Event::Work(_) => self.place(other),
                Event::Move(_) => self.place(event),
            };
            let done = self.done(event);
            last.entry((other, place)).and_modify(|last| *last = last.max(done)).or_insert(done);
        }
        for ((event, place), until) in last {
            let (Some(from), End::Core(core)) = (self.given(event, place), place) else { continue };
            let bits = match event {
                Event::Work(index) => self.problem.works[index].writes_bits,
                Event::Move(index) => self.problem.moves[index].kept,
            };
            held.entry(core).or_default().push((from, until, bits));
        }
        for (core, spans) in held {
            let room = self.problem.buffers.get(core).copied().unwrap_or(f64::INFINITY);
            if room.is_finite() {
                let bits = self.most(&spans);
                let fits = bits <= room * (1.0 + ROUNDING);
                self.expect(fits, || format!("core {core} holds {bits} bits, it has room for {room}"));
            }
        }
    }

    /// Interval, latency, lower bound and bottleneck.
    fn figures(&mut self) {
        let (table, slack) = (self.timetable, self.slack);
        let works = self.problem.works.iter().zip(&table.starts);
        let longest = works.clone().filter(|(work, _)| work.uses.iter().any(|used| used.1 > 0));
        let longest = longest.map(|(work, _)| work.time).fold(0.0, f64::max);
        self.expect(longest <= table.interval + slack, || String::from("a work takes longer than the interval"));
        let ends = works.map(|(work, start)| start + work.time);
        let ways = self.problem.moves.iter().enumerate();
        let last = ways.flat_map(|(index, packet)| packet.to.iter().map(move |&end| (index, end)));
        let last = last.filter_map(|(index, end)| self.arrives(index, end));
        let last = ends.chain(last).fold(0.0, f64::max);
        self.expect(self.same(last, table.latency), || String::from("the latency is not when the last thing ends"));
        let starts = table.starts.iter().copied().chain(table.moves.iter().map(|sent| sent.start));
        let first = starts.fold(f64::INFINITY, f64::min);
        self.expect(first == f64::INFINITY || first <= slack, || String::from("nothing starts with the sample"));

        let (bound, parts) = self.bound();
        let exact = (bound - table.lower_bound).abs() <= ROUNDING * bound;
        self.expect(exact, || format!("the lower bound is {bound}, not {}", table.lower_bound));
        self.expect(table.interval >= bound - slack, || String::from("the interval is below its lower bound"));
        let buffers = (0..self.problem.buffers.len()).map(|core| format!("buffer of core {core}"));
        let named = if table.bottleneck.is_empty() {
            parts.is_empty()
        } else {
            let reason = table.interval > bound * (1.0 + ROUNDING) && self.problem.tick.is_none();
            parts.contains(&table.bottleneck) || (reason && buffers.into_iter().any(|name| name == table.bottleneck))
        };
        self.expect(named, || format!("{:?} does not set the interval", table.bottleneck));
        if let Some(tick) = self.problem.tick {
            let whole = (table.interval - tick).abs() <= ROUNDING * tick && table.latency <= tick * (1.0 + ROUNDING);
            self.expect(whole, || String::from("a sample is not over within its tick"));
        }
    }
}
