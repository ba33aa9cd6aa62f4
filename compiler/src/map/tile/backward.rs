//! Layers that read another's arrays backward: its blocks once more, with rows for columns.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use crate::forms::chip::{Chip, Domain, Drive, Sense, TileKind, WeightScheme};
use crate::forms::mapped::Given;
use crate::forms::network::NodeId;
use crate::forms::tiling::{Block, Merge, Tiling};

/// The blocks of `layer`: those of `forward`, turned; the reason where their arrays cannot be read so.
pub fn turn(tiling: &mut Tiling, given: Given, layer: NodeId, forward: NodeId) -> Result<(), Box<Diagnostic>> {
    let mut turned: Vec<Block> = (tiling.of(forward))
        .map(|(index, block)| Block {
            layer,
            inputs: block.outputs,
            outputs: block.inputs,
            // Its outputs are rows.
            rows_per_input: 1,
            columns_per_output: 1,
            extra_columns: 0,
            spare_rows: 0,
            backward: Some(index),
            ..block.clone()
        })
        .collect();
    if let Some(block) = turned.first() {
        let tile = &given.chip.tile_kinds[block.tile_kind];
        if let Some((why, help)) = obstacle(given.chip, tile) {
            let graph = &given.network.graph;
            let message =
                format!("the arrays of `{}` cannot be read backward on this chip: {why}", graph[forward].name);
            let fault = Diagnostic::new(Code::E0623, message, graph[layer].span, "read backward here");
            let fault = fault.with_label(graph[forward].span, "the layer").with_help(help);
            return Err(Box::new(fault));
        }
    }
    turned.sort_by_key(|block| (block.outputs, block.inputs));
    for of_column in turned.chunk_by(|a, b| a.outputs == b.outputs) {
        let first = tiling.blocks.len();
        tiling.blocks.extend_from_slice(of_column);
        if of_column.len() > 1 {
            let blocks = (first..tiling.blocks.len()).collect();
            tiling.merges.push(Merge { layer, outputs: of_column[0].outputs, blocks });
        }
    }
    Ok(())
}

/// Why arrays of a tile cannot be driven at their columns, and what would let them; none: they can.
pub fn obstacle(chip: &Chip, tile: &TileKind) -> Option<(String, &'static str)> {
    let (name, device) = (&tile.name, &chip.devices[tile.device]);
    let drives = |drive: &Drive| match drive {
        Drive::Converter(_) => drive.takes_bits(&chip.converters),
        Drive::BitSerial { .. } | Drive::Direct(_) => false,
    };
    let senses = |sense: &Sense| match sense {
        Sense::Converter { converter, .. } => chip.converters[*converter].to == Domain::Bits,
        Sense::Analog(_) => false,
    };
    if !tile.transposable {
        Some((format!("`{name}` is read one way only"), "give the tile `transposable: true`"))
    } else if tile.weights == WeightScheme::Offset {
        let help = "use `weights: differential` or `reference`";
        Some((format!("`{name}` holds weights in digits, one of which is no row's sum"), help))
    } else if tile.normalises {
        let help = "leave out `normalises: true`, so that lines give currents";
        Some((format!("`{name}` divides by the conductances of a column, which is simulated forward only"), help))
    } else if device.is_read_cell_by_cell() {
        let help =
            "use cells without `current`, `noise telegraph` and `noise flicker`, and read noise that is `normal(0, …)`";
        let what = "cells with a `current` or read noise of their own, which are simulated forward only";
        Some((format!("`{name}` has {what}"), help))
    } else if !tile.inputs.iter().any(drives) || !tile.senses.iter().any(senses) {
        let help = "give the tile a converter as `input` and one as `sense`, such as `input: dac; sense: sar`";
        Some((format!("`{name}` has no converters from bits and to bits"), help))
    } else {
        None
    }
}
