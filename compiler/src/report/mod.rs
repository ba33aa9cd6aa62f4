//! A `Scheduled` as the static report: tiles, cores, wires, objective, schedule, and energy, area and power by kind of component.

mod costs;

use std::collections::BTreeMap;

use nmc_program::LayoutReport;
use nmc_program::cost::{
    CoreReport, LinkReport, ObjectiveReport, PlacementReport, ScheduleReport, TaskReport, TileReport, WireReport,
};

use crate::convert::domains::{title, word};
use crate::forms::plan::{Objective, Pinned};
use crate::forms::scheduled::{Resource, Scheduled};

/// Everything the mapping says before any run. Conversions are in `Converted::conversions`.
pub fn report(scheduled: &Scheduled) -> LayoutReport {
    let placed = &scheduled.placed;
    let (energy, area, power) = costs::estimate(scheduled);
    LayoutReport {
        chip: placed.converted.tiled.chip.name.clone(),
        tiles: tiles(scheduled),
        cores: cores(scheduled),
        wires: wires(scheduled),
        objective: objective(scheduled),
        placement: PlacementReport {
            cost: placed.cost,
            lower_bound: placed.lower_bound,
            random_cost: placed.random_cost,
        },
        schedule: ScheduleReport {
            initiation_interval_s: scheduled.initiation_interval,
            latency_s: scheduled.latency,
            bottleneck: scheduled.bottleneck.clone(),
            links: links(scheduled),
            tasks: tasks(scheduled),
        },
        energy_j: energy.into_iter().collect(),
        area_mm2: area.into_iter().map(|(kind, m2)| (kind, 1e6 * m2)).collect(),
        power_w: power.into_iter().collect(),
        notes: Vec::new(),
    }
}

fn tiles(scheduled: &Scheduled) -> Vec<TileReport> {
    let tiled = &scheduled.placed.converted.tiled;
    let each = tiled.blocks.iter().enumerate().map(|(id, block)| {
        let kind = &tiled.chip.tile_kinds[block.tile_kind];
        TileReport {
            id,
            layer: tiled.network.graph[block.layer].name.clone(),
            rows: kind.rows,
            cols: kind.cols,
            rows_used: block.inputs.1 - block.inputs.0,
            cols_used: (block.outputs.1 - block.outputs.0) * block.columns_per_output + block.extra_columns,
            core: scheduled.placed.block_cores[id],
        }
    });
    each.collect()
}

/// Utilisation: of a core's cells, or of its neurons where it has no tiles.
fn cores(scheduled: &Scheduled) -> Vec<CoreReport> {
    let placed = &scheduled.placed;
    let tiled = &placed.converted.tiled;
    let width = tiled.chip.grid.0.max(1);
    let each = tiled.chip.cores.iter().enumerate().map(|(id, &kind)| {
        let kind = &tiled.chip.core_kinds[kind];
        let offered: usize = kind
            .tiles
            .iter()
            .map(|&(tile, count)| tiled.chip.tile_kinds[tile].rows * tiled.chip.tile_kinds[tile].cols * count)
            .sum();
        let here = || tiled.blocks.iter().zip(&placed.block_cores).filter(|(_, core)| **core == id);
        let cells: usize = here()
            .map(|(block, _)| {
                let columns = (block.outputs.1 - block.outputs.0) * block.columns_per_output + block.extra_columns;
                (block.inputs.1 - block.inputs.0) * columns
            })
            .sum();
        let elements: usize = placed
            .node_cores
            .iter()
            .filter(|place| place.core == id)
            .map(|place| place.elements.1 - place.elements.0)
            .sum();
        let utilisation = match (offered, kind.neurons) {
            (0, Some(neurons)) => elements as f64 / neurons.max(1) as f64,
            (0, None) => 0.0,
            (offered, _) => cells as f64 / offered as f64,
        };
        CoreReport { id, kind: kind.name.clone(), x: id % width, y: id / width, tiles: here().count(), utilisation }
    });
    each.collect()
}

fn wires(scheduled: &Scheduled) -> Vec<WireReport> {
    let converted = &scheduled.placed.converted;
    let graph = &converted.tiled.network.graph;
    let each = converted.wires.iter().map(|wire| {
        let names: Vec<String> =
            wire.converters.iter().map(|&id| title(&converted.tiled.chip.converters[id])).collect();
        WireReport {
            from: graph[wire.from].name.clone(),
            to: graph[wire.to].name.clone(),
            domain: word(wire.domain).to_string(),
            converter: (!names.is_empty()).then(|| names.join(", ")),
            reason: wire.reason.clone(),
            count_per_sample: wire.count_per_sample,
            energy_j: wire.energy,
        }
    });
    each.collect()
}

fn objective(scheduled: &Scheduled) -> ObjectiveReport {
    let converted = &scheduled.placed.converted;
    let plan = &converted.tiled.plan;
    let pins = plan.pins.iter().zip(&converted.pin_costs).map(|(pin, cost)| {
        let name = &converted.tiled.network.graph[pin.node].name;
        let what = match pin.value {
            Pinned::Domain(domain) => word(domain).to_string(),
            Pinned::Core(x, y) => format!("core ({x}, {y})"),
        };
        (format!("{name}: {what}"), *cost)
    });
    let reached = &converted.objective;
    let unit = match plan.objective {
        Objective::Energy => "energy_j",
        Objective::Time => "time_s",
        Objective::Area => "area_m2",
    };
    ObjectiveReport {
        value: reached.value,
        convert_everywhere: reached.convert_everywhere,
        greedy: reached.greedy,
        lower_bound: reached.lower_bound,
        optimal: reached.optimal,
        unit: unit.to_string(),
        pins: pins.collect(),
        error_variance: reached.error_variance,
        accuracy_loss: reached.accuracy_loss,
    }
}

/// Share of the interval each link is busy.
fn links(scheduled: &Scheduled) -> Vec<LinkReport> {
    let mut busy: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for transfer in &scheduled.transfers {
        for (hop, slot) in transfer.route.windows(2).zip(&transfer.slots) {
            *busy.entry((hop[0], hop[1])).or_default() += slot.1 - slot.0;
        }
    }
    let interval = scheduled.initiation_interval.max(f64::MIN_POSITIVE);
    busy.into_iter().map(|((from, to), time)| LinkReport { from, to, utilisation: time / interval }).collect()
}

fn tasks(scheduled: &Scheduled) -> Vec<TaskReport> {
    let tiled = &scheduled.placed.converted.tiled;
    let each = scheduled.tasks.iter().map(|task| TaskReport {
        name: tiled.network.graph[task.node].name.clone(),
        core: task.core,
        resource: match task.resource {
            Resource::Tile(tile) => format!("tile {tile}"),
            Resource::Unit(unit) => tiled.chip.unit_kinds[unit].name.clone(),
            Resource::Neurons => String::from("neurons"),
        },
        start_s: task.start,
        end_s: task.end,
    });
    each.collect()
}
