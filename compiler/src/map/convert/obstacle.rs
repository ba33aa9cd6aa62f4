//! What the user is told where no array of the chip computes a layer: of all ways to drive and sense it, what stops the one that comes furthest.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::alternatives::{biases, column, has_line, sums};
use super::choices::Choices;
use super::domains::word;
use super::faults::on_chip;
use crate::forms::chip::{Domain, Drive, Sense, TileKind, WeightScheme};
use crate::forms::decisions::{Bias, OnTiles, Summing};
use crate::forms::network::NodeId;

/// How far a way comes, why no further, and what would let it.
type Stop = (u8, String, String);

/// The fault of a layer without any way to compute it.
pub fn no_array(choices: &Choices, node: NodeId) -> Diagnostic {
    let (given, layer) = (choices.given, &choices.given.network.graph[node]);
    let first = choices.tiling.of(node).next().map(|(_, block)| &given.chip.tile_kinds[block.tile_kind]);
    let ways = first.into_iter().flat_map(|tile| {
        let ways = (0..tile.inputs.len()).flat_map(|drive| (0..tile.senses.len()).map(move |sense| (drive, sense)));
        ways.map(move |way| stop(choices, node, tile, way))
    });
    let (_, why, help) = ways.max_by_key(|(stage, ..)| *stage).unwrap_or_else(|| {
        (0, String::from("it has no arrays"), String::from("add tiles to a core: `tiles: array[4]`"))
    });
    let message = format!("no array of chip `{}` computes `{}`: {why}", given.chip.name, layer.name);
    let fault = Diagnostic::new(Code::E0606, message, layer.span, "this has to be computed somewhere");
    on_chip(given, fault.with_help(help))
}

fn stop(choices: &Choices, node: NodeId, tile: &TileKind, (drive, sense): (usize, usize)) -> Stop {
    let (given, tiling, chip) = (choices.given, choices.tiling, choices.given.chip);
    let told = |stage: u8, why: &str, help: &str| (stage, why.to_string(), help.to_string());
    let (drives, senses) = (&tile.inputs[drive], &tile.senses[sense]);
    let serial = matches!(drives, Drive::BitSerial { .. });
    let converts = matches!(senses, Sense::Converter { .. });
    let how = OnTiles { drive, sense, sum: Summing::Single, bias: Bias::None, gather: None };
    let Some((line, gather)) = column(chip, tile, how) else {
        let sar = "give the tile a converter: `sense: sar(bits: 8)`";
        return if serial {
            told(0, "rows are driven bit by bit, and what columns give for each is weighed as bits", sar)
        } else if tile.weights == WeightScheme::Offset {
            told(0, "weights are held in digits, and what columns give for each is weighed as bits", sar)
        } else {
            let help = format!("{sar}, or the chip one that gathers: `converters: [std.converter.integrator()]`");
            told(0, "pulses leave a charge, and no converter current -> charge gathers it", &help)
        };
    };
    let how = OnTiles { gather, ..how };
    let positions = tiling.of(node).next().map_or(1, |(_, block)| block.positions);
    if positions > 1 && !(drives.takes_bits(&chip.converters) && converts) {
        let why = format!("they are read {positions} times a sample, and only bits wait for the last");
        return told(1, &why, "give the tile converters: `input: dac(bits: 8)`, `sense: sar(bits: 8)`");
    }
    if sums(chip, tiling, node, how, line).is_empty() {
        let parts = tiling.merges.iter().filter(|merge| merge.layer == node).map(|merge| merge.blocks.len()).max();
        let what = match parts {
            Some(parts) => format!("it is cut over several, and nothing adds the {parts} partial sums of an output"),
            None => String::from("nothing adds what the digits of a weight or an input give"),
        };
        if converts {
            return told(2, &what, "add a digital unit to a core: `units: [std.unit.digital_alu]`");
        }
        let added = chip
            .unit_kinds
            .iter()
            .any(|unit| unit.from == line && unit.to == line && unit.implements.iter().any(|name| name == "sum"));
        let line = if line == Domain::Bits { Domain::Current } else { line };
        let analog = match added && !has_line(chip, line) {
            true => format!("give the cores a line to the unit that adds them: `lines: {}`", word(line)),
            false => format!("add a unit {0} -> {0} with `implements: sum` and `lines: {0}` to its cores", word(line)),
        };
        let help =
            format!("{analog}; or let them be converted, too, and added as bits: `sense: sar(bits: 8) or current`");
        return told(2, &format!("{what}, each a {}", word(line)), &help);
    }
    if biases(given, tiling, choices.found, node, converts, serial).is_empty() {
        let help = "add a digital unit to a core (`units: [std.unit.digital_alu]`) and a converter to the tile (`sense: sar(bits: 8)`), or leave rows of the array for it";
        return told(3, "nothing adds its bias, and there are no rows left for it", help);
    }
    told(4, "they are read backward by converters at both ends alone", "`input: dac(bits: 8)`, `sense: sar(bits: 8)`")
}
