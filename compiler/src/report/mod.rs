//! A `Mapped` as the static report: tiles, cores, wires, objective, schedule, area and power by kind of component. What energy is spent is
//! told by running the program.

use std::collections::BTreeMap;

use nmc_program::cost::{
    CoreReport, LinkReport, ObjectiveReport, PlacementReport, ScheduleReport, TaskReport, TileReport, WireReport,
};
use nmc_program::{ComponentKind, LayoutReport};

use crate::cost::title;
use crate::forms::circuit::Role;
use crate::forms::mapped::Mapped;
use crate::forms::plan::{Objective, Pinned};
use crate::map::convert::domains::word;

/// Everything the mapping says before any run. Conversions are in `Decisions::conversions`.
pub fn report(mapped: &Mapped) -> LayoutReport {
    let timetable = &mapped.timetable;
    let mm2 = |areas: &BTreeMap<ComponentKind, f64>| areas.iter().map(|(kind, m2)| (*kind, 1e6 * m2)).collect();
    LayoutReport {
        chip: mapped.chip.name.clone(),
        tiles: tiles(mapped),
        cores: cores(mapped),
        wires: wires(mapped),
        objective: objective(mapped),
        placement: PlacementReport {
            cost: mapped.placement.cost,
            lower_bound: mapped.placement.lower_bound,
            snake_cost: mapped.placement.snake_cost,
            random_cost: mapped.placement.random_cost,
        },
        schedule: ScheduleReport {
            initiation_interval_s: timetable.interval,
            latency_s: timetable.latency,
            bottleneck: timetable.bottleneck.clone(),
            links: links(mapped),
            tasks: tasks(mapped),
        },
        energy_j: Vec::new(),
        area_mm2: mm2(&mapped.costs.area),
        area_used_mm2: mm2(&mapped.costs.area_used),
        power_w: Vec::new(),
        notes: notes(mapped),
    }
}

/// What the mapping assumes or put in by itself.
fn notes(mapped: &Mapped) -> Vec<String> {
    let mut notes = Vec::new();
    for node in mapped.network.graph.node_weights() {
        if let Some(why) = &node.inserted {
            notes.push(format!("{}: put in by the compiler, {why}", node.name));
        }
    }
    if let Some(tick) = mapped.timetable.tick {
        let step = mapped.plan.step.unwrap_or(tick);
        if step == crate::forms::plan::UNPACED {
            notes.push(format!("a step takes {tick:.2e} s on the chip"));
        } else if tick > step * (1.0 + 1e-9) {
            notes.push(format!(
                "a tick of {step:.2e} s lasts {tick:.2e} s on the chip: its work and spikes take longer"
            ));
        }
        let share = 100.0 * crate::cost::SPIKE_SHARE;
        if mapped.timetable.transfers.iter().any(|transfer| !transfer.links.is_empty()) {
            notes.push(format!("the timetable has room for spikes of {share} % of a population in a tick"));
        }
    }
    notes
}

fn tiles(mapped: &Mapped) -> Vec<TileReport> {
    let arrays = mapped.circuit.parts.iter().enumerate();
    let each = arrays.filter_map(|(id, part)| {
        let Role::Array { block, bias_rows, .. } = part.role else { return None };
        let block = Some(&mapped.tiling.blocks[block]).filter(|block| block.backward.is_none())?;
        let kind = &mapped.chip.tile_kinds[block.tile_kind];
        Some(TileReport {
            id: 0,
            layer: mapped.network.graph[part.node].name.clone(),
            rows: kind.rows,
            cols: kind.cols,
            rows_used: block.array_rows() + bias_rows,
            cols_used: block.columns(),
            core: mapped.placement.cores[id],
        })
    });
    each.enumerate().map(|(id, tile)| TileReport { id, ..tile }).collect()
}

/// Utilisation: of a core's cells, or of its neurons where it has no tiles.
fn cores(mapped: &Mapped) -> Vec<CoreReport> {
    let chip = &mapped.chip;
    let width = chip.grid.0.max(1);
    // Arrays, cells and neurons of each core.
    let mut used = vec![(0_usize, 0_usize, 0_usize); chip.cores.len()];
    for (part, &core) in mapped.circuit.parts.iter().zip(&mapped.placement.cores) {
        match part.role {
            Role::Array { block, .. } if mapped.tiling.blocks[block].backward.is_some() => {}
            Role::Array { block, bias_rows, .. } => {
                let block = &mapped.tiling.blocks[block];
                used[core].0 += 1;
                used[core].1 += (block.array_rows() + bias_rows) * block.columns();
            }
            Role::Neurons => used[core].2 += part.places(),
            Role::Line { .. } | Role::Adder { .. } | Role::Unit { .. } | Role::Coder | Role::Devices => {}
        }
    }
    let each = chip.cores.iter().zip(used).enumerate().map(|(id, (&kind, (tiles, cells, elements)))| {
        let kind = &chip.core_kinds[kind];
        let size = |tile: usize| chip.tile_kinds[tile].rows * chip.tile_kinds[tile].cols;
        let offered: usize = kind.tiles.iter().map(|&(tile, count)| size(tile) * count).sum();
        let utilisation = match (offered, kind.neurons) {
            (0, Some(neurons)) => elements as f64 / neurons.max(1) as f64,
            (0, None) => 0.0,
            (offered, _) => cells as f64 / offered as f64,
        };
        CoreReport { id, kind: kind.name.clone(), x: id % width, y: id / width, tiles, utilisation }
    });
    each.collect()
}

fn wires(mapped: &Mapped) -> Vec<WireReport> {
    let graph = &mapped.network.graph;
    let each = mapped.decisions.wires.iter().map(|wire| {
        let names: Vec<String> = wire.converters.iter().map(|&id| title(&mapped.chip.converters[id])).collect();
        WireReport {
            from: graph[wire.from].name.clone(),
            to: graph[wire.to].name.clone(),
            domain: word(wire.domain).to_string(),
            converter: (!names.is_empty()).then(|| names.join(", ")),
            reason: wire.reason.clone(),
            remedy: wire.remedy.clone(),
            count_per_sample: wire.count_per_sample,
            energy_j: wire.energy,
        }
    });
    each.collect()
}

fn objective(mapped: &Mapped) -> ObjectiveReport {
    let (decisions, plan) = (&mapped.decisions, &mapped.plan);
    let pins = plan.pins.iter().zip(&decisions.pin_costs).map(|(pin, cost)| {
        let name = &mapped.network.graph[pin.node].name;
        let what = match pin.value {
            Pinned::Domain(domain) => word(domain).to_string(),
            Pinned::Core(x, y) => format!("core ({x}, {y})"),
        };
        (format!("{name}: {what}"), *cost)
    });
    let reached = &decisions.objective;
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
        error_variance_estimated: reached.estimated,
        error_variance_wires: reached.by_wires,
        accuracy_loss: reached.accuracy_loss,
    }
}

/// Share of the interval (or of the tick, for what happens in each) that each link is busy.
fn links(mapped: &Mapped) -> Vec<LinkReport> {
    let table = &mapped.timetable;
    let mut busy: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for transfer in &table.transfers {
        let spikes = mapped.circuit.nets[transfer.net].domain == crate::forms::chip::Domain::Spikes;
        let period = table.tick.filter(|_| spikes).unwrap_or(table.interval).max(f64::MIN_POSITIVE);
        for &(from, to, start, end) in &transfer.links {
            *busy.entry((from, to)).or_default() += (end - start) / period;
        }
    }
    busy.into_iter().map(|((from, to), utilisation)| LinkReport { from, to, utilisation }).collect()
}

fn tasks(mapped: &Mapped) -> Vec<TaskReport> {
    let chip = &mapped.chip;
    let mut all = Vec::new();
    for work in &mapped.timetable.works {
        for (id, span) in work.parts.iter().zip(&work.spans) {
            let part = &mapped.circuit.parts[id.0];
            let resource = match part.role {
                Role::Array { .. } => format!("tile {}", mapped.placement.tiles[id.0].unwrap_or(0)),
                Role::Line { unit, .. } | Role::Adder { unit, .. } | Role::Unit { unit } => {
                    chip.unit_kinds[unit].name.clone()
                }
                Role::Neurons => String::from("neurons"),
                Role::Coder => String::from("encoder"),
                Role::Devices => String::from("devices"),
            };
            let name = mapped.network.graph[part.node].name.clone();
            let (start_s, end_s) = (work.start + span.0, work.start + span.1);
            if end_s > start_s {
                all.push(TaskReport { name, core: work.core, resource, start_s, end_s });
            }
        }
    }
    all
}
