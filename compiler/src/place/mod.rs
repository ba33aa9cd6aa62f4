//! `Converted` to `Placed`: every block gets a tile and every other operator a core; near each other what talks much.

mod fill;
mod print;
mod traffic;
mod verify;

pub use print::print;
pub use traffic::{Entity, Pair, traffic, word_bits};
pub use verify::verify;

use nmc_grammar::diagnostic::Diagnostic;

use crate::convert::calibrate::hash;
use crate::forms::chip::Chip;
use crate::forms::converted::Converted;
use crate::forms::placed::Placed;
use fill::Slot;

/// Sweeps of pairwise swaps at most.
const SWEEPS: usize = 6;

/// Places; none, with the reason in `diagnostics`, when something does not fit.
pub fn place(converted: Converted, diagnostics: &mut Vec<Diagnostic>) -> Option<Placed> {
    let chip = &converted.tiled.chip;
    if chip.ideal {
        return Some(Placed {
            converted,
            block_cores: Vec::new(),
            block_tiles: Vec::new(),
            node_cores: Vec::new(),
            cost: 0.0,
            lower_bound: 0.0,
            random_cost: 0.0,
        });
    }
    let fixed = fill::pinned_blocks(&converted, diagnostics)?;
    let slots = fill::slots(chip);
    let mut blocks = fill::first_blocks(&converted, &slots, &fixed)?;
    let pairs = traffic(&converted);
    let free: Vec<Slot> = slots.iter().copied().filter(|slot| !blocks.contains(slot)).collect();
    let random = cost(chip, &pairs, &shuffled(&converted, &slots));
    refine(chip, &pairs, &mut blocks, free, &fixed);
    let node_cores = fill::nodes(&converted, &blocks, diagnostics)?;
    if !fill::buffers_fit(&converted, &blocks, diagnostics) {
        return None;
    }
    let cost = cost(chip, &pairs, &blocks);
    Some(Placed {
        block_cores: blocks.iter().map(|slot| slot.core).collect(),
        block_tiles: blocks.iter().map(|slot| slot.tile).collect(),
        node_cores,
        cost,
        lower_bound: lower_bound(chip, &pairs),
        random_cost: random.max(cost),
        converted,
    })
}

/// Hops between two cores.
pub fn distance(chip: &Chip, a: usize, b: usize) -> f64 {
    let width = chip.grid.0.max(1);
    ((a % width).abs_diff(b % width) + (a / width).abs_diff(b / width)) as f64
}

/// Bit-hops a sample between blocks.
fn cost(chip: &Chip, pairs: &[Pair], blocks: &[Slot]) -> f64 {
    pairs.iter().map(|pair| pair.bits * distance(chip, blocks[pair.from].core, blocks[pair.to].core)).sum()
}

/// Where every core has one tile, blocks that talk are a hop apart at least; else nothing is known.
fn lower_bound(chip: &Chip, pairs: &[Pair]) -> f64 {
    let tiles = |kind: &usize| chip.core_kinds[*kind].tiles.iter().map(|(_, count)| count).sum::<usize>();
    let most = chip.cores.iter().map(tiles).max().unwrap_or(0);
    if most > 1 { 0.0 } else { pairs.iter().filter(|pair| pair.from != pair.to).map(|pair| pair.bits).sum() }
}

/// Swaps blocks with each other and with free tiles of their kind as long as that lowers the cost.
fn refine(chip: &Chip, pairs: &[Pair], blocks: &mut [Slot], mut free: Vec<Slot>, fixed: &[Option<usize>]) {
    let mut near: Vec<Vec<(usize, f64)>> = vec![Vec::new(); blocks.len()];
    for pair in pairs.iter().filter(|pair| pair.from != pair.to) {
        near[pair.from].push((pair.to, pair.bits));
        near[pair.to].push((pair.from, pair.bits));
    }
    let pull = |blocks: &[Slot], block: usize, core: usize, except: usize| -> f64 {
        let others = near[block].iter().filter(|(other, _)| *other != except);
        others.map(|(other, bits)| bits * distance(chip, core, blocks[*other].core)).sum()
    };
    for _ in 0..SWEEPS {
        let mut changed = false;
        for a in (0..blocks.len()).filter(|&a| fixed[a].is_none()) {
            for b in (a + 1..blocks.len()).filter(|&b| fixed[b].is_none()) {
                let (x, y) = (blocks[a], blocks[b]);
                if x.kind != y.kind || x.core == y.core {
                    continue;
                }
                let before = pull(blocks, a, x.core, b) + pull(blocks, b, y.core, a);
                let after = pull(blocks, a, y.core, b) + pull(blocks, b, x.core, a);
                if after < before {
                    blocks.swap(a, b);
                    changed = true;
                }
            }
            let kind = blocks[a].kind;
            for slot in free.iter_mut().filter(|slot| slot.kind == kind) {
                let none = usize::MAX;
                if pull(blocks, a, slot.core, none) < pull(blocks, a, blocks[a].core, none) {
                    std::mem::swap(slot, &mut blocks[a]);
                    changed = true;
                }
            }
        }
        if !changed {
            return;
        }
    }
}

/// Blocks on tiles of their kind in a fixed disorder.
fn shuffled(converted: &Converted, slots: &[Slot]) -> Vec<Slot> {
    let mut order: Vec<(u64, Slot)> = slots.iter().enumerate().map(|(i, slot)| (hash(i as u64), *slot)).collect();
    order.sort_by_key(|entry| entry.0);
    let take = |block: &crate::forms::tiled::Block| {
        let at = order.iter().position(|(_, slot)| slot.kind == block.tile_kind);
        at.map(|at| order.remove(at).1)
    };
    converted.tiled.blocks.iter().filter_map(take).collect()
}
