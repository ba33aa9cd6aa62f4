//! What operations occupy: a reservation table for everything at which two can clash, and the lower bound of the interval.

use super::model::{Model, Use};
use super::packet::{Packet, behind, beyond};

/// What sets the lower bound.
struct Bound {
    time: f64,
    quanta: i64,
    name: String,
}

impl Bound {
    fn raise(&mut self, time: f64, quanta: i64, name: impl FnOnce() -> String) {
        self.quanta = self.quanta.max(quanta);
        if time > self.time {
            (self.time, self.name) = (time, name());
        }
    }
}

impl Model<'_> {
    /// Fills the reservation tables that can clash, and the lower bound of all.
    pub fn occupy(&mut self) {
        let problem = self.problem;
        let mut bound = Bound { time: 0.0, quanta: 0, name: String::new() };
        let mut wanted: Vec<Vec<(usize, u32)>> = vec![Vec::new(); problem.resources.len()];
        for (index, work) in problem.works.iter().enumerate().filter(|(_, work)| work.time > 0.0) {
            let mut uses = work.uses.clone();
            uses.retain(|used| used.1 > 0);
            uses.sort_unstable();
            if let Some(&(resource, _)) = uses.first() {
                bound.raise(work.time, self.lengths[index], || problem.resources[resource].name.clone());
            }
            for same in uses.chunk_by(|a, b| a.0 == b.0) {
                wanted[same[0].0].push((index, same.iter().map(|used| used.1).sum::<usize>() as u32));
            }
        }
        for (resource, users) in problem.resources.iter().zip(&wanted) {
            let count = resource.count as u32;
            let (mut sum, mut alone, mut quanta, mut alone_quanta) = (0.0, 0.0, 0i128, 0);
            for &(index, need) in users {
                let time = problem.works[index].time;
                sum += time * f64::from(need);
                quanta += i128::from(self.lengths[index]) * i128::from(need);
                // No two that need more than half fit side by side.
                if need > count / 2 {
                    alone += time;
                    alone_quanta += self.lengths[index];
                }
            }
            if users.is_empty() {
                continue;
            }
            let share = (quanta + i128::from(count) - 1) / i128::from(count);
            bound.raise(f64::max(sum / f64::from(count), alone), alone_quanta.max(share as i64), || {
                resource.name.clone()
            });
            if users.iter().map(|&(_, need)| u64::from(need)).sum::<u64>() > u64::from(count) {
                let table = self.table(count, share as i64);
                for &(index, need) in users {
                    self.uses[index].push(Use { table, offset: 0, time: self.lengths[index], need });
                }
            }
        }
        self.occupy_port(&mut bound);
        self.occupy_links(&mut bound);
        // What is most in use is asked first: there the most starts fail.
        for uses in &mut self.uses {
            uses.sort_by_key(|used| std::cmp::Reverse(self.loads[used.table]));
        }
        (self.bound, self.lower_bound, self.bottleneck) = (bound.quanta, bound.time, bound.name);
    }

    fn table(&mut self, count: u32, load: i64) -> usize {
        self.counts.push(count);
        self.loads.push(load);
        self.counts.len() - 1
    }

    fn occupy_port(&mut self, bound: &mut Bound) {
        let problem = self.problem;
        let passing = |packet: &Packet| packet.port.filter(|port| port.1 > 0);
        let load = self.packets.iter().filter_map(passing).map(|port| port.1).sum();
        let through = problem.moves.iter().zip(&self.packets).filter(|(_, packet)| packet.port.is_some());
        bound.raise(through.map(|(sent, _)| self.port_time(sent)).sum(), load, || String::from("the host's port"));
        let table = self.table(1, load);
        for (uses, packet) in self.uses[problem.works.len()..].iter_mut().zip(&self.packets) {
            if let Some((offset, time)) = passing(packet) {
                uses.push(Use { table, offset, time, need: 1 });
            }
        }
    }

    /// A link all of whose packets come from, or go on to, one other link clashes only where that one does: a worm is stiff.
    /// It needs no table; nor does a link of one packet.
    fn occupy_links(&mut self, bound: &mut Bound) {
        if self.hop == 0 {
            return;
        }
        let (grid, works) = (self.problem.grid, self.problem.works.len());
        const NONE: usize = usize::MAX;
        let mut index_of = vec![NONE; grid.0 * grid.1 * 4];
        let mut links: Vec<(usize, usize)> = Vec::new();
        let (mut users, mut loads, mut flits, mut shared) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for packet in &self.packets {
            for way in &packet.links {
                let index = &mut index_of[way.from * 4 + way.direction];
                if *index == NONE {
                    *index = links.len();
                    links.push((way.from, way.direction));
                    users.push(0);
                    loads.push(0);
                    flits.push(0.0);
                    shared.push([0; 4]);
                }
                users[*index] += 1;
                loads[*index] += packet.worm;
                flits[*index] += packet.flits;
                if let Some(entry) = way.entry {
                    shared[*index][entry] += 1;
                }
            }
        }
        let mut needed: Vec<bool> = users.iter().map(|&users: &i32| users > 1).collect();
        for (index, &(core, direction)) in links.iter().enumerate() {
            let name = || format!("link {core} -> {}", beyond(core, direction, grid.0));
            bound.raise(flits[index] * self.problem.hop, loads[index], name);
            for (entry, &both) in shared[index].iter().enumerate().filter(|(_, both)| **both > 0) {
                let before = index_of[behind(core, entry, grid.0) * 4 + entry];
                if both == users[index] {
                    needed[index] = false;
                } else if both == users[before] {
                    needed[before] = false;
                }
            }
        }
        let tables: Vec<Option<usize>> =
            needed.iter().zip(&loads).map(|(needed, load)| needed.then(|| self.table(1, *load))).collect();
        for (uses, packet) in self.uses[works..].iter_mut().zip(&self.packets) {
            for way in &packet.links {
                if let Some(table) = tables[index_of[way.from * 4 + way.direction]] {
                    let offset = packet.leaves + way.depth * self.hop;
                    uses.push(Use { table, offset, time: packet.worm, need: 1 });
                }
            }
        }
    }
}
