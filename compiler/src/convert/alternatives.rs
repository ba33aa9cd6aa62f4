//! The implementations a chip offers for an operator: domains in and out, price, and error added.

use super::calibrate::Calibration;
use super::domains::{DOMAINS, Price, price, title, variance, word};
use super::evaluate::evaluate;
use crate::forms::chip::{Device, Domain, Drive, Sense, UnitKind};
use crate::forms::converted::Implementation;
use crate::forms::network::{Logical, NodeId, Operator, PopulationKind};
use crate::forms::tiled::{Block, Tiled};
use crate::graph::operands;

/// One way to do an operator.
#[derive(Debug, Clone)]
pub struct Alternative {
    pub name: String,
    pub implementation: Implementation,
    pub input: Domain,
    pub output: Domain,
    pub price: Price,
    /// Error variance at each element of the output, and of the operand.
    pub output_variance: f64,
    pub input_variance: f64,
    /// The summing unit, for a layer cut by rows.
    pub merge: Option<usize>,
    /// Converters built in at the rows and at the columns, and how often each converts a sample.
    pub drive: Option<(usize, f64)>,
    pub sense: Option<(usize, f64)>,
}

impl Alternative {
    fn plain(name: &str, implementation: Implementation, input: Domain, output: Domain) -> Self {
        Alternative {
            name: name.to_string(),
            implementation,
            input,
            output,
            price: Price::default(),
            output_variance: 0.0,
            input_variance: 0.0,
            merge: None,
            drive: None,
            sense: None,
        }
    }

    /// Whether everything it touches is digital.
    pub fn digital(&self) -> bool {
        self.input == Domain::Bits && self.output == Domain::Bits
    }
}

/// All of them; empty when the chip has none.
pub fn alternatives(tiled: &Tiled, found: &Calibration, node: NodeId) -> Vec<Alternative> {
    let network = &tiled.network;
    let exact = |input, output| Alternative::plain("exact", Implementation::Exact, input, output);
    let source = operands(network, node).first().copied();
    match &network.graph[node].operator {
        Operator::Input => match network.graph[node].logical {
            Logical::Spikes => vec![exact(Domain::Spikes, Domain::Spikes)],
            Logical::Real | Logical::Bits(_) => vec![exact(Domain::Bits, Domain::Bits)],
        },
        Operator::Output => match source.map(|id| network.graph[id].logical) {
            Some(Logical::Spikes) => vec![exact(Domain::Spikes, Domain::Spikes)],
            Some(Logical::Real | Logical::Bits(_)) | None => vec![exact(Domain::Bits, Domain::Bits)],
        },
        Operator::Dense { .. } => dense(tiled, found, node),
        Operator::Elementwise { function, .. } => units(tiled, found, node, function),
        Operator::Reshape | Operator::Slice { .. } | Operator::Concat => {
            DOMAINS.iter().map(|&domain| exact(domain, domain)).collect()
        }
        Operator::Population { kind, .. } => {
            let (input, output, implementation) = match kind {
                PopulationKind::Neuron => (Domain::Bits, Domain::Spikes, Implementation::Core),
                PopulationKind::Encoder => (Domain::Bits, Domain::Spikes, Implementation::Core),
                PopulationKind::Decoder => (Domain::Spikes, Domain::Bits, Implementation::Core),
                PopulationKind::Device => (Domain::Voltage, Domain::Current, Implementation::Exact),
            };
            let name = match kind {
                PopulationKind::Neuron => "neurons of a core",
                PopulationKind::Encoder => "encoder of a core",
                PopulationKind::Decoder => "counter of a core",
                PopulationKind::Device => "devices",
            };
            vec![Alternative::plain(name, implementation, input, output)]
        }
        Operator::Read { .. } => match source.map(|id| &network.graph[id].operator) {
            Some(Operator::Population { kind: PopulationKind::Device, .. }) => {
                vec![exact(Domain::Current, Domain::Current)]
            }
            Some(Operator::Population { kind: PopulationKind::Decoder, .. }) => vec![exact(Domain::Bits, Domain::Bits)],
            // A core reads its own neurons' states.
            _other => vec![exact(Domain::Spikes, Domain::Bits)],
        },
    }
}

/// Units that implement a function; a digital unit for `any` does all.
fn units(tiled: &Tiled, found: &Calibration, node: NodeId, function: &str) -> Vec<Alternative> {
    let elements = tiled.network.graph[node].len() as f64;
    let often = tiled.firings[node.index()];
    let range = operands(&tiled.network, node).first().and_then(|id| found.ranges.get(id)).copied().unwrap_or(1.0);
    let offers = |unit: &UnitKind| {
        let any = unit.from == Domain::Bits && unit.to == Domain::Bits;
        unit.implements.iter().any(|name| name == function || (any && name == "any"))
    };
    (tiled.chip.unit_kinds.iter().enumerate())
        .filter(|(_, unit)| offers(unit))
        .map(|(index, unit)| Alternative {
            price: unit_price(tiled, index, elements, often),
            output_variance: (unit.noise * range).powi(2),
            ..Alternative::plain(&unit.name, Implementation::Unit(index), unit.from, unit.to)
        })
        .collect()
}

/// Elements take turns on the instances of a core; a digital unit's area is paid once a core, an analog one's for each element.
fn unit_price(tiled: &Tiled, index: usize, elements: f64, firings: f64) -> Price {
    let unit = &tiled.chip.unit_kinds[index];
    let instances = tiled.chip.core_kinds.iter().flat_map(|core| &core.units).filter(|(kind, _)| *kind == index);
    let instances = instances.map(|(_, count)| *count).max().unwrap_or(1).max(1) as f64;
    Price {
        energy: unit.energy * elements * firings,
        time: unit.time * (elements / instances).ceil() * firings,
        area: unit.area * elements.min(instances),
    }
}

/// Every way to drive the rows with every way to sense the columns, and to add partial sums before or after.
fn dense(tiled: &Tiled, found: &Calibration, node: NodeId) -> Vec<Alternative> {
    let blocks: Vec<(usize, &Block)> = tiled.blocks.iter().enumerate().filter(|(_, b)| b.layer == node).collect();
    let Some((_, first)) = blocks.first() else {
        return vec![Alternative::plain("exact", Implementation::Exact, Domain::Bits, Domain::Bits)];
    };
    let tile = &tiled.chip.tile_kinds[first.tile_kind];
    let cut = tiled.merges.iter().any(|merge| merge.layer == node);
    let mut all = Vec::new();
    for drive in 0..tile.inputs.len().max(1) {
        for sense in 0..tile.senses.len().max(1) {
            let line = match tile.senses.get(sense) {
                Some(Sense::Converter { converter, .. }) => tiled.chip.converters[*converter].from,
                Some(Sense::Analog(domain)) => *domain,
                None => Domain::Bits,
            };
            let convertible = matches!(tile.senses.get(sense), Some(Sense::Converter { .. }) | None);
            let summing = tiled.chip.unit_kinds.iter().enumerate().filter(|(_, unit)| {
                cut && unit.from == line && unit.to == line && unit.implements.iter().any(|name| name == "sum")
            });
            let digital = (convertible || !cut).then_some(None);
            for merge in digital.into_iter().chain(summing.map(|(index, _)| Some(index))) {
                all.push(on_tiles(tiled, found, node, &blocks, (drive, sense), merge));
            }
        }
    }
    all
}

/// One combination of drive, sense and merge.
fn on_tiles(
    tiled: &Tiled,
    found: &Calibration,
    node: NodeId,
    blocks: &[(usize, &Block)],
    (drive, sense): (usize, usize),
    merge: Option<usize>,
) -> Alternative {
    let (chip, network) = (&tiled.chip, &tiled.network);
    let tile = &chip.tile_kinds[blocks[0].1.tile_kind];
    let often = tiled.firings[node.index()];
    let rows: f64 = blocks.iter().map(|(_, block)| (block.inputs.1 - block.inputs.0) as f64).sum();
    let sums: f64 = blocks.iter().map(|(_, block)| (block.outputs.1 - block.outputs.0) as f64).sum();
    let outputs = network.graph[node].len() as f64;
    let row_blocks = (sums / outputs.max(1.0)).max(1.0);
    let converted = if merge.is_some() { outputs } else { sums };
    let mut made = Alternative::plain("", Implementation::Tile { drive, sense }, Domain::Bits, Domain::Bits);
    made.merge = merge;
    made.price.time += tile.read_time * often;
    made.output_variance = cell_variance(tiled, found, node, rows / (sums / row_blocks).max(1.0) * outputs);
    let (way_in, way_out);
    match tile.inputs.get(drive) {
        Some(Drive::Converter(index)) => {
            let converter = &chip.converters[*index];
            let source = operands(network, node).first().and_then(|id| found.ranges.get(id)).copied();
            made.input = converter.from;
            made.input_variance = variance(converter, source.unwrap_or(1.0));
            made.price.add(price(converter, rows, often));
            made.drive = Some((*index, rows * often));
            way_in = title(converter);
        }
        Some(Drive::Direct(domain)) => {
            made.input = *domain;
            way_in = word(*domain).to_string();
        }
        None => way_in = String::from("ideal"),
    }
    let ranges = if merge.is_some() { &found.sum_ranges } else { &found.block_ranges };
    match tile.senses.get(sense) {
        Some(Sense::Converter { converter: index, sharing }) => {
            let converter = &chip.converters[*index];
            let sharing = (*sharing).max(1) as f64;
            let noise: f64 = blocks
                .iter()
                .map(|(b, block)| variance(converter, ranges[*b]) * (block.outputs.1 - block.outputs.0) as f64)
                .sum();
            made.output = converter.to;
            made.output_variance += noise / outputs.max(1.0) / if merge.is_some() { row_blocks } else { 1.0 };
            made.price.energy += converter.energy * converted * often;
            made.price.time += converter.time * sharing * often;
            made.price.area += converter.area * (converted / sharing).ceil();
            made.sense = Some((*index, converted * often));
            way_out = title(converter);
        }
        Some(Sense::Analog(domain)) => {
            made.output = *domain;
            way_out = word(*domain).to_string();
        }
        None => way_out = String::from("ideal"),
    }
    let mut how = String::new();
    if let Some(index) = merge {
        let unit = &chip.unit_kinds[index];
        let range = blocks.iter().map(|(b, _)| found.sum_ranges[*b]).fold(0.0, f64::max);
        made.price.add(unit_price(tiled, index, outputs, often));
        made.output_variance += (unit.noise * range).powi(2);
        how = format!(", partial sums added by {}", unit.name);
    } else if row_blocks > 1.0 {
        if let Some(adder) = digital_adder(tiled) {
            made.price.add(unit_price(tiled, adder, sums - outputs, often));
        }
        how = String::from(", partial sums added digitally");
    }
    made.name = format!("{}, {way_in} in, {way_out} out{how}", tile.name);
    made
}

/// The cheapest digital unit that can add; additions on a chip without one are part of its buffers and cost nothing.
pub fn digital_adder(tiled: &Tiled) -> Option<usize> {
    let units = tiled.chip.unit_kinds.iter().enumerate();
    let can = |unit: &UnitKind| unit.implements.iter().any(|name| name == "any" || name == "sum");
    units
        .filter(|(_, unit)| unit.from == Domain::Bits && unit.to == Domain::Bits && can(unit))
        .min_by(|a, b| a.1.energy.total_cmp(&b.1.energy))
        .map(|(index, _)| index)
}

/// Error variance of a sum over `rows` pairs of cells: levels, programming and read noise at a quarter of the range.
fn cell_variance(tiled: &Tiled, found: &Calibration, node: NodeId, cells: f64) -> f64 {
    let Some(block) = tiled.blocks.iter().find(|block| block.layer == node) else { return 0.0 };
    let device: &Device = &tiled.chip.devices[tiled.chip.tile_kinds[block.tile_kind].device];
    let span = device.g_max - device.g_min;
    let rows = cells / tiled.network.graph[node].len().max(1) as f64;
    if span <= 0.0 {
        return 0.0;
    }
    let g = device.g_min + 0.25 * span;
    let sigma = |expr: &Option<crate::forms::equations::Expr>| {
        expr.as_ref().map_or(0.0, |expr| evaluate(expr, &[g], &[]) / span)
    };
    let step = device.levels.map_or(0.0, |levels| 1.0 / f64::from(levels.max(2) - 1));
    let cell =
        2.0 * (sigma(&device.programming_sigma).powi(2) + sigma(&device.read_sigma).powi(2)) + step * step / 12.0;
    let weight = found.weight_maxima.get(&node).copied().unwrap_or(0.0);
    rows * found.power.get(&node).copied().unwrap_or(0.0) * cell * weight * weight
}
