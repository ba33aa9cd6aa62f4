//! Moves and swaps of parts, accepted by simulated annealing with a fixed amount of work.

use super::dice::Dice;
use super::layout::Layout;

/// What a refinement may look at, in pieces of trees, by how thorough it is.
const WORK: f64 = 3e7;
const WORK_A_LEVEL: f64 = 7e6;
/// Proposals for each part at most.
const MOST: f64 = 1500.0;
/// Proposals at least, where parts are few.
const LEAST: f64 = 30_000.0;
/// Proposals from which the first temperature is estimated.
const PROBES: usize = 300;

/// Heat for a start that only follows a walk, and for one that was refined before.
pub const WARM: f64 = 0.05;
pub const COOL: f64 = 0.01;

/// The thorough refinement, its work shared by so many.
pub fn polish(layout: &mut Layout, shared: usize, heat: f64, dice: &mut Dice) {
    anneal(layout, WORK / shared as f64, heat, dice);
}

/// The refinement of one level of many: the coarser, the hotter.
pub fn settle(layout: &mut Layout, finer_than_coarsest: usize, dice: &mut Dice) {
    let heat = (0..finer_than_coarsest).fold(1.0, |heat, _| heat * 0.5);
    anneal(layout, WORK_A_LEVEL, f64::max(heat, 0.1), dice);
}

/// What a proposal looks at, on average: sources of the trees that a part hangs on, and sinks of those it starts.
fn effort(layout: &Layout) -> f64 {
    let nets = &layout.level.nets;
    let pieces = |group: &super::nets::Group| (group.sinks.len() * group.sources.len() * 2) as f64;
    let all: f64 = nets.groups.iter().map(pieces).sum();
    20.0 + all / layout.level.parts().max(1) as f64
}

/// Starts at `heat` times the mean change of a random proposal and cools to nothing.
fn anneal(layout: &mut Layout, work: f64, heat: f64, dice: &mut Dice) {
    let level = layout.level;
    let movable: Vec<usize> = (0..level.parts()).filter(|part| level.fixed[*part].is_none()).collect();
    if movable.is_empty() || level.cores() < 2 || level.nets.groups.is_empty() {
        return;
    }
    let most = (MOST * movable.len() as f64).max(LEAST);
    let proposals = (work / effort(layout)).clamp(LEAST.min(most), most) as usize;
    let far = level.width.max(level.height);
    let mut probed = 0.0;
    for _ in 0..PROBES {
        let part = movable[dice.below(movable.len())];
        let to = aside(layout, part, far.div_ceil(8), dice);
        probed += layout.change(part, to).abs() / PROBES as f64;
    }
    for step in 0..proposals {
        let left = 1.0 - step as f64 / proposals as f64;
        let heat = probed * heat * left * left * left;
        let part = movable[dice.below(movable.len())];
        let to = if dice.below(4) == 0 {
            let reach = 1 + (left * left * far as f64 / 10.0) as usize;
            aside(layout, part, reach, dice)
        } else {
            beside(layout, part, dice)
        };
        attempt(layout, part, to, heat * dice.exponential(), dice);
    }
}

/// A core at most so far away in each direction.
fn aside(layout: &Layout, part: usize, reach: usize, dice: &mut Dice) -> usize {
    near(layout, layout.at(part), reach, dice)
}

fn near(layout: &Layout, core: usize, reach: usize, dice: &mut Dice) -> usize {
    let (width, height) = (layout.level.width, layout.level.height);
    let mut draw = |at: usize, size: usize| {
        let from = at.saturating_sub(reach);
        from + dice.below((at + reach).min(size - 1) - from + 1)
    };
    let x = draw(core % width, width);
    draw(core / width, height) * width + x
}

/// A core at or next to an end that the part shares a net with.
fn beside(layout: &Layout, part: usize, dice: &mut Dice) -> usize {
    let nets = &layout.level.nets;
    let (sink_of, source_of) = (&nets.sink_of[part], &nets.source_of[part]);
    if sink_of.is_empty() && source_of.is_empty() {
        return aside(layout, part, 1, dice);
    }
    let net = dice.below(sink_of.len() + source_of.len());
    let group = sink_of.get(net).copied().unwrap_or_else(|| source_of[net - sink_of.len()].0);
    let group = &nets.groups[group as usize];
    let end = if dice.below(2) == 0 || net >= sink_of.len() {
        group.sinks[dice.below(group.sinks.len())]
    } else {
        group.sources[dice.below(group.sources.len())].0
    };
    near(layout, layout.at(end as usize), 1, dice)
}

/// Moves the part, or swaps it with one of those there, unless that costs `more` or above.
fn attempt(layout: &mut Layout, part: usize, to: usize, more: f64, dice: &mut Dice) {
    let from = layout.at(part);
    if from == to {
        return;
    }
    if layout.has_room(to, part) {
        if layout.change(part, to) < more {
            layout.shift(part, to);
        }
        return;
    }
    if layout.on(to).is_empty() {
        return;
    }
    let other = layout.on(to)[dice.below(layout.on(to).len())] as usize;
    let swappable = layout.level.fixed[other].is_none()
        && layout.has_room_without(to, part, other)
        && layout.has_room_without(from, other, part);
    if !swappable {
        return;
    }
    let first = layout.change(part, to);
    if !layout.share_net(part, other) {
        if first + layout.change(other, from) < more {
            layout.shift(part, to);
            layout.shift(other, from);
        }
        return;
    }
    // What the second changes depends on where the first is.
    layout.shift(part, to);
    if first + layout.change(other, from) < more {
        layout.shift(other, from);
    } else {
        layout.shift(part, from);
    }
}
