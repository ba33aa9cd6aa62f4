//! The way of a packet: the tree of its links and when, from its start, it is where.

use super::model::Model;
use super::{End, Move};

/// A packet's tree and times; the depth of a link is how many lie before it.
#[derive(Default)]
pub struct Packet {
    pub flits: f64,
    pub worm: i64,
    /// When its head leaves the first core.
    pub leaves: i64,
    /// When it starts to pass the port, for how long.
    pub port: Option<(i64, i64)>,
    pub arrivals: Vec<(End, i64)>,
    pub links: Vec<Way>,
}

#[derive(Clone, Copy)]
pub struct Way {
    pub from: usize,
    pub direction: usize,
    pub depth: i64,
    /// Direction of the link before.
    pub entry: Option<usize>,
}

const EAST: usize = 0;
const WEST: usize = 1;
const NORTH: usize = 2;
const SOUTH: usize = 3;

/// The core that a link leads to.
pub fn beyond(core: usize, direction: usize, width: usize) -> usize {
    match direction {
        EAST => core + 1,
        WEST => core - 1,
        NORTH => core - width,
        _ => core + width,
    }
}

/// The core that a link into `core` comes from.
pub fn behind(core: usize, direction: usize, width: usize) -> usize {
    match direction {
        EAST => core - 1,
        WEST => core + 1,
        NORTH => core + width,
        _ => core - width,
    }
}

impl Model<'_> {
    pub fn packet(&self, sent: &Move) -> Packet {
        let width = self.problem.grid.0;
        let mut packet = Packet { flits: self.flits(sent), ..Packet::default() };
        packet.worm = self.quanta(packet.flits * self.problem.hop);
        let passing = self.quanta(self.port_time(sent));
        let source = self.core(sent.from);
        if sent.from == End::Host {
            (packet.port, packet.leaves) = (Some((0, passing)), passing);
        }
        let (x, y) = (source % width, source / width);
        // Of each column, how far the tree reaches up and down.
        let mut columns: Vec<(usize, usize, usize)> = Vec::new();
        for &end in &sent.to {
            let core = self.core(end);
            let (to_x, to_y) = (core % width, core / width);
            let hops = (to_x.abs_diff(x) + to_y.abs_diff(y)) as i64;
            let there = packet.leaves + if hops == 0 { 0 } else { (hops - 1) * self.hop + packet.worm };
            if end == End::Host {
                packet.port = Some((there, passing));
            }
            packet.arrivals.push((end, if end == End::Host { there + passing } else { there }));
            columns.push((to_x, to_y.min(y), to_y.max(y)));
        }
        columns.sort_unstable();
        columns.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                (kept.1, kept.2) = (kept.1.min(next.1), kept.2.max(next.2));
            }
            same
        });
        let mut walk = |direction: usize, start: usize, steps: usize, mut depth: i64, mut entry: Option<usize>| {
            let mut from = start;
            for _ in 0..steps {
                packet.links.push(Way { from, direction, depth, entry });
                (from, depth, entry) = (beyond(from, direction, width), depth + 1, Some(direction));
            }
        };
        let (left, right) = (columns.first().map_or(x, |c| c.0), columns.last().map_or(x, |c| c.0));
        walk(WEST, source, x.saturating_sub(left), 0, None);
        walk(EAST, source, right.saturating_sub(x), 0, None);
        for (column, top, bottom) in columns {
            let entry = match column.cmp(&x) {
                std::cmp::Ordering::Less => Some(WEST),
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Greater => Some(EAST),
            };
            let (start, depth) = (y * width + column, column.abs_diff(x) as i64);
            walk(NORTH, start, y - top, depth, entry);
            walk(SOUTH, start, bottom - y, depth, entry);
        }
        packet
    }
}
