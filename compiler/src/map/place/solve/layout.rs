//! A placement under change: what moving a part would cost is found from the nets at this part alone.

use super::level::{self, Level};

pub struct Layout<'a> {
    pub level: &'a Level,
    /// Core of every end; the last is the host's port.
    at: Vec<u32>,
    /// core * resources + resource: what is left.
    free: Vec<f64>,
    /// Parts on every core.
    on: Vec<Vec<u32>>,
    /// Where the sinks of every group are, in order: by column, in a column by row.
    spots: Vec<Vec<Spot>>,
    xy: Vec<Spot>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    x: i32,
    y: i32,
}

/// From the uppermost to the lowest sink of a column.
#[derive(Clone, Copy, PartialEq)]
struct Reach {
    top: i32,
    bottom: i32,
}

impl Reach {
    /// Links of the column, where the tree enters it in row `y`.
    fn links(reach: Option<Reach>, y: i32) -> i32 {
        reach.map_or(0, |reach| reach.bottom.max(y) - reach.top.min(y))
    }

    fn with(reach: Option<Reach>, y: i32) -> Option<Reach> {
        Some(reach.map_or(Reach { top: y, bottom: y }, |old| Reach { top: old.top.min(y), bottom: old.bottom.max(y) }))
    }
}

/// The part of a group's spots that lies in column `x`.
fn column(spots: &[Spot], x: i32) -> &[Spot] {
    let from = spots.partition_point(|spot| spot.x < x);
    let length = spots[from..].partition_point(|spot| spot.x == x);
    &spots[from..from + length]
}

fn reach(column: &[Spot]) -> Option<Reach> {
    Some(Reach { top: column.first()?.y, bottom: column.last()?.y })
}

/// The reach of a column when one spot, which is in it, goes.
fn reach_without(column: &[Spot], y: i32) -> Option<Reach> {
    let rest = match column {
        [_] | [] => return None,
        [first, rest @ ..] if first.y == y => rest,
        [rest @ .., last] if last.y == y => rest,
        all => all,
    };
    reach(rest)
}

/// Links of a tree to these spots.
fn links(source: Spot, spots: &[Spot]) -> i32 {
    if let [only] = spots {
        return (only.x - source.x).abs() + (only.y - source.y).abs();
    }
    row(source.x, spots) + columns(source.y, spots)
}

fn row(x: i32, spots: &[Spot]) -> i32 {
    spots[spots.len() - 1].x.max(x) - spots[0].x.min(x)
}

fn columns(y: i32, spots: &[Spot]) -> i32 {
    let mut sum = 0;
    let mut from = 0;
    while from < spots.len() {
        let x = spots[from].x;
        let mut to = from + 1;
        while to < spots.len() && spots[to].x == x {
            to += 1;
        }
        sum += spots[to - 1].y.max(y) - spots[from].y.min(y);
        from = to;
    }
    sum
}

impl<'a> Layout<'a> {
    /// Every part at its core; that they fit is up to the caller.
    pub fn new(level: &'a Level, places: &[usize]) -> Self {
        let mut at: Vec<u32> = places.iter().map(|core| *core as u32).collect();
        at.push(level.port as u32);
        let (mut free, mut on) = (level.room.clone(), vec![Vec::new(); level.cores()]);
        for (part, core) in places.iter().enumerate() {
            on[*core].push(part as u32);
            for (resource, amount) in &level.needs[part] {
                free[core * level.resources + resource] -= amount;
            }
        }
        let xy: Vec<Spot> = (0..level.cores())
            .map(|core| Spot { x: (core % level.width) as i32, y: (core / level.width) as i32 })
            .collect();
        let sorted = |sinks: &Vec<u32>| {
            let mut spots: Vec<Spot> = sinks.iter().map(|sink| xy[at[*sink as usize] as usize]).collect();
            spots.sort_unstable();
            spots
        };
        let spots = level.nets.groups.iter().map(|group| sorted(&group.sinks)).collect();
        Layout { level, at, free, on, spots, xy }
    }

    pub fn places(&self) -> Vec<usize> {
        self.at[..self.level.parts()].iter().map(|core| *core as usize).collect()
    }

    /// Core of an end.
    pub fn at(&self, end: usize) -> usize {
        self.at[end] as usize
    }

    pub fn on(&self, core: usize) -> &[u32] {
        &self.on[core]
    }

    pub fn cost(&self) -> f64 {
        let groups = self.level.nets.groups.iter().zip(&self.spots);
        groups
            .map(|(group, spots)| {
                group
                    .sources
                    .iter()
                    .map(|(source, bits)| bits * f64::from(links(self.spot(*source), spots)))
                    .sum::<f64>()
            })
            .sum()
    }

    fn spot(&self, end: u32) -> Spot {
        self.xy[self.at[end as usize] as usize]
    }

    /// Whether the core has room for the part.
    pub fn has_room(&self, core: usize, part: usize) -> bool {
        let all = self.level.resources;
        level::fits(&self.free[core * all..(core + 1) * all], &self.level.needs[part])
    }

    /// Whether the core has room for `part` when `leaving` goes.
    pub fn has_room_without(&self, core: usize, part: usize, leaving: usize) -> bool {
        let gains = |resource: usize| {
            self.level.needs[leaving].iter().find(|need| need.0 == resource).map_or(0.0, |need| need.1)
        };
        self.level.needs[part].iter().all(|(resource, amount)| {
            let free = self.free[core * self.level.resources + resource] + gains(*resource);
            level::fits(&[free], &[(0, *amount)])
        })
    }

    /// Whether any tree has both parts in it.
    pub fn share_net(&self, a: usize, b: usize) -> bool {
        let nets = &self.level.nets;
        let groups =
            |part: usize| nets.sink_of[part].iter().copied().chain(nets.source_of[part].iter().map(|source| source.0));
        groups(a).any(|group| groups(b).any(|other| other == group))
    }

    /// How the cost changes when the part goes to a core.
    pub fn change(&self, part: usize, to: usize) -> f64 {
        let (old, new) = (self.spot(part as u32), self.xy[to]);
        let nets = &self.level.nets;
        let mut sum = 0.0;
        for (group, bits) in &nets.source_of[part] {
            let spots = &self.spots[*group as usize];
            let mut links = row(new.x, spots) - row(old.x, spots);
            if old.y != new.y {
                links += columns(new.y, spots) - columns(old.y, spots);
            }
            sum += bits * f64::from(links);
        }
        for group in &nets.sink_of[part] {
            let sources = &nets.groups[*group as usize].sources;
            let spots = &self.spots[*group as usize];
            // As a source the part has moved already.
            let from = |source: u32| if source as usize == part { new } else { self.spot(source) };
            if let [_] = spots[..] {
                for (source, bits) in sources {
                    let source = from(*source);
                    sum += bits * f64::from(links(source, &[new]) - links(source, &[old]));
                }
            } else {
                sum += Change::new(spots, old, new).cost(sources, from);
            }
        }
        sum
    }

    /// Moves a part.
    pub fn shift(&mut self, part: usize, to: usize) {
        let from = self.at(part);
        let (old, new) = (self.xy[from], self.xy[to]);
        for group in &self.level.nets.sink_of[part] {
            let spots = &mut self.spots[*group as usize];
            let goes = spots.partition_point(|spot| *spot < old);
            let comes = spots.partition_point(|spot| *spot < new);
            if comes > goes {
                spots.copy_within(goes + 1..comes, goes);
                spots[comes - 1] = new;
            } else {
                spots.copy_within(comes..goes, comes + 1);
                spots[comes] = new;
            }
        }
        for (resource, amount) in &self.level.needs[part] {
            self.free[from * self.level.resources + resource] += amount;
            self.free[to * self.level.resources + resource] -= amount;
        }
        let place = self.on[from].iter().position(|other| *other as usize == part);
        if let Some(place) = place {
            self.on[from].swap_remove(place);
        }
        self.on[to].push(part as u32);
        self.at[part] = to as u32;
    }
}

/// What becomes of a tree when one of its sinks moves.
struct Change {
    /// The row: its ends before and after.
    before: (i32, i32),
    after: (i32, i32),
    /// The column it leaves and the one it comes to (once, where they are the same), before and after.
    columns: [(Option<Reach>, Option<Reach>); 2],
}

impl Change {
    fn new(spots: &[Spot], old: Spot, new: Spot) -> Self {
        let left = column(spots, old.x);
        let without = reach_without(left, old.y);
        let last = spots.len() - 1;
        let before = (spots[0].x, spots[last].x);
        let mut after = before;
        if left.len() == 1 && old.x != new.x {
            // More than one sink, so there is a next one where the only one of an outer column goes.
            after.0 = if old.x == before.0 { spots[1].x } else { before.0 };
            after.1 = if old.x == before.1 { spots[last - 1].x } else { before.1 };
        }
        let after = (after.0.min(new.x), after.1.max(new.x));
        let columns = if old.x == new.x {
            [(reach(left), Reach::with(without, new.y)), (None, None)]
        } else {
            let come = reach(column(spots, new.x));
            [(reach(left), without), (come, Reach::with(come, new.y))]
        };
        Change { before, after, columns }
    }

    fn cost(&self, sources: &[(u32, f64)], spot: impl Fn(u32) -> Spot) -> f64 {
        if self.before == self.after && self.columns.iter().all(|(before, after)| before == after) {
            return 0.0;
        }
        let mut sum = 0.0;
        for (source, bits) in sources {
            let Spot { x, y } = spot(*source);
            let row = self.after.1.max(x) - self.after.0.min(x) - (self.before.1.max(x) - self.before.0.min(x));
            let column = |at: &(Option<Reach>, Option<Reach>)| Reach::links(at.1, y) - Reach::links(at.0, y);
            sum += bits * f64::from(row + column(&self.columns[0]) + column(&self.columns[1]));
        }
        sum
    }
}
