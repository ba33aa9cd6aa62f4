//! Why a converter that may have several widths has the one that was chosen: what the next coarser would do.

use super::choices::Choices;
use super::problem::Demand;
use super::search::Design;
use crate::cost::title;
use crate::forms::chip::{Converter, Drive, Sense, TileKind};
use crate::forms::decisions::{Implementation, OnTiles};
use crate::forms::network::NodeId;

/// For the columns of a layer's arrays (or, with `rows`, their rows), where their converter is one of a range. `error`: the most there may be.
pub fn why(choices: &Choices, best: &Design, error: Option<f64>, layer: NodeId, rows: bool) -> Option<String> {
    let (_, block) = choices.tiling.of(layer).next()?;
    let tile = &choices.chip().tile_kinds[block.tile_kind];
    let index = choices.index(layer);
    let all = &choices.alternatives[index];
    let Implementation::Tile(how) = all[best.assignment.choice[index]].implementation else { return None };
    let (ranges, at) = if rows { (&tile.input_ranges, how.drive) } else { (&tile.sense_ranges, how.sense) };
    let &(first, last) = ranges.iter().find(|(first, last)| (*first..*last).contains(&at))?;
    let name = |at: usize| words(choices, tile, at, rows);
    let chosen = format!("{} of {} to {}", name(at)?, name(first)?, name(last - 1)?);
    if at == first {
        return Some(format!("{chosen}: the coarsest does"));
    }
    let coarser = if rows { OnTiles { drive: at - 1, ..how } } else { OnTiles { sense: at - 1, ..how } };
    let other = all.iter().position(|other| other.implementation == Implementation::Tile(coarser));
    let mut choice = best.assignment.choice.clone();
    let why = other.and_then(|other| {
        choice[index] = other;
        choices.value(&choice, &best.assignment.states, &Demand::plain())
    });
    let percent = |share: f64| format!("{:.2} %", 100.0 * (share + choices.wired));
    let why = match (why, error) {
        (None, _) => String::from("a coarser one does not fit what is around it"),
        (Some((_, wrong)), Some(error)) if wrong > error => format!(
            "{} would make the estimated error variance {} of the output's, and {} are allowed",
            name(at - 1)?,
            percent(wrong),
            percent(error)
        ),
        (Some((cost, _)), _) if cost >= best.assignment.cost => format!("{} would take no less", name(at - 1)?),
        (Some(_), _) => format!("{} would do with all else as it is, but all together take least so", name(at - 1)?),
    };
    Some(format!("{chosen}: {why}"))
}

/// `sar(6)`, `6 bits`
fn words(choices: &Choices, tile: &TileKind, at: usize, rows: bool) -> Option<String> {
    let named = |converter: usize| -> &Converter { &choices.chip().converters[converter] };
    match (rows, tile.inputs.get(at), tile.senses.get(at)) {
        (true, Some(Drive::Converter(id)), _) => Some(title(named(*id))),
        (true, Some(Drive::BitSerial { bits, .. }), _) => Some(format!("{bits} bits")),
        (false, _, Some(Sense::Converter { converter, .. })) => Some(title(named(*converter))),
        (_, _, _) => None,
    }
}
