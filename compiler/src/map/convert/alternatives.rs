//! The implementations a chip offers for an operator: domains in and out, what they take, and the error they add.

use nmc_program::ComponentKind;

use super::calibrate::Calibration;
use super::domains::{DOMAINS, chain, title, word};
use super::expect::mean_square;
use crate::analyse::quantiser::{Quantiser, range_of, variance};
use crate::cost::{self, Price};
use crate::forms::chip::{Chip, Converter, CoreKind, Domain, Drive, Sense, UnitKind, WeightScheme};
use crate::forms::circuit::{Part, Role};
use crate::forms::decisions::{Bias, Implementation, OnTiles, Range, Summing};
use crate::forms::mapped::Given;
use crate::forms::network::{Logical, NodeId, Operator, PopulationKind, Weights};
use crate::forms::tiling::{Block, Tiling};
use crate::graph::{is_given, learned, operands};
use crate::map::circuit::WORD;
use crate::map::tile::has_bias;

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
    /// Whether everything within it is digital or converted: no sum is added on a line.
    pub converts: bool,
    /// Watts that its cells burn while rows are driven, as long as nothing holds what they give; 0 where pulses end by themselves.
    pub power: f64,
    /// Bits of a value it takes, and of one it gives, where these are bits.
    pub need: f64,
    pub width: f64,
    /// Bits of a partial sum that goes to what adds it.
    pub sums: f64,
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
            converts: true,
            power: 0.0,
            need: f64::INFINITY,
            width: WORD,
            sums: 0.0,
        }
    }

    /// Whether everything it touches is digital.
    pub fn digital(&self) -> bool {
        self.input == Domain::Bits && self.output == Domain::Bits && self.converts
    }
}

/// All of them; empty when the chip has none.
pub fn alternatives(given: Given, tiling: &Tiling, found: &Calibration, node: NodeId) -> Vec<Alternative> {
    let network = given.network;
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
        Operator::Dense { .. } => dense(given, tiling, found, node),
        Operator::Reduce { reduction, each } => {
            let terms = crate::map::circuit::terms(*reduction, *each);
            let made = units(given, tiling, found, node, reduction.word(), |unit| Role::Adder { unit, terms });
            made.into_iter().filter(Alternative::digital).collect()
        }
        Operator::Softmax => {
            units(given, tiling, found, node, "softmax", |unit| crate::map::circuit::shares(given.chip, unit))
        }
        // Only ideal chips have come so far.
        Operator::Delay | Operator::Scatter(_) => vec![exact(Domain::Bits, Domain::Bits)],
        Operator::Elementwise { function, .. } => {
            units(given, tiling, found, node, function, |unit| Role::Unit { unit })
        }
        Operator::Gather(_) => DOMAINS.iter().map(|&domain| exact(domain, domain)).collect(),
        Operator::Population { .. } if is_given(network, node) => vec![exact(Domain::Spikes, Domain::Spikes)],
        Operator::Population { kind, .. } => {
            let (input, output) = match kind {
                PopulationKind::Neuron | PopulationKind::Encoder => (Domain::Bits, Domain::Spikes),
                PopulationKind::Decoder => (Domain::Spikes, Domain::Bits),
                PopulationKind::Device => (Domain::Voltage, Domain::Current),
                PopulationKind::State => (Domain::Bits, Domain::Bits),
            };
            let name = match kind {
                PopulationKind::Neuron => "neurons of a core",
                PopulationKind::Encoder => "encoder of a core",
                PopulationKind::Decoder => "counter of a core",
                PopulationKind::Device => "devices",
                PopulationKind::State => "kept in a buffer",
            };
            vec![Alternative::plain(name, Implementation::Core, input, output)]
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
fn units(
    given: Given,
    tiling: &Tiling,
    found: &Calibration,
    node: NodeId,
    function: &str,
    role: impl Fn(usize) -> Role,
) -> Vec<Alternative> {
    let elements = (0, given.network.graph[node].len());
    let firings = tiling.firings[node.index()];
    let source = operands(given.network, node).first().copied();
    let full = source.map_or(1.0, |id| found.range(id).full);
    let softmax = matches!(given.network.graph[node].operator, Operator::Softmax);
    let offers = |unit: &UnitKind| {
        let any = digital(unit);
        unit.implements.iter().any(|name| name == function || (any && name == "any"))
    };
    // Each value of an array that is read several times needs an analog unit of its own, all of them in one core.
    let before = source.and_then(|source| crate::graph::layer_of(given.network, source));
    let repeated = before.filter(|layer| given.network.graph[*layer].positions() > 1);
    let least = repeated.map_or(0, |layer| {
        tiling.of(layer).map(|(_, block)| block.width() * block.positions).max().unwrap_or(elements.1)
    });
    let most = |unit: usize| {
        let of_core = |core: &CoreKind| core.units.iter().filter(|(of, _)| *of == unit).map(|(_, count)| count).sum();
        given.chip.core_kinds.iter().map(of_core).max().unwrap_or(0_usize)
    };
    (given.chip.unit_kinds.iter().enumerate())
        .filter(|(index, unit)| offers(unit) && (digital(unit) || least <= most(*index)))
        // Light has no sign.
        .filter(|(_, unit)| unit.to != Domain::Light || found.range(node).unsigned)
        .map(|(unit, kind)| {
            let part =
                Part { node, role: role(unit), elements, places: 1, firings, takes: Vec::new(), gives: Vec::new() };
            Alternative {
                price: price(given, tiling, found, None, &[part]),
                output_variance: unit_variance(found, node, kind, if softmax { 1.0 } else { full }),
                width: kind.bits.map_or(WORD, f64::from),
                ..Alternative::plain(&kind.name, Implementation::Unit(unit), kind.from, kind.to)
            }
        })
        .collect()
}

/// Error variance at an element that a unit gives: noise as a share of a full range, and gains that differ. Those of shares of one whole change all of them.
fn unit_variance(found: &Calibration, node: NodeId, unit: &UnitKind, full: f64) -> f64 {
    let noise = (unit.noise * full).powi(2);
    if unit.gain_error.is_none() {
        return noise;
    }
    let values = found.values.get(&node).filter(|values| !values.is_empty());
    let square = |values: &[f32]| values.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>();
    let Some(values) = values else { return noise + unit.gain_error.square() * full * full / 3.0 };
    noise + unit.gain_error.square() * square(values) / values.len() as f64
}

fn digital(unit: &UnitKind) -> bool {
    unit.from == Domain::Bits && unit.to == Domain::Bits
}

/// What parts take: a sample's energy as far as the choice decides it, the time of the slowest of each kind, area.
pub fn price(given: Given, tiling: &Tiling, found: &Calibration, how: Option<OnTiles>, parts: &[Part]) -> Price {
    let mut price = Price::default();
    let mut slowest: std::collections::BTreeMap<u8, f64> = std::collections::BTreeMap::new();
    for part in parts {
        for event in cost::events_of(given, tiling, how, part, None) {
            price.energy += found.expected(given, tiling, how, part, &event, None);
        }
        let time = cost::time::part(given.chip, tiling, how, part, None) * part.firings;
        let kind = match part.role {
            Role::Array { .. } => 0,
            Role::Line { .. } => 1,
            Role::Adder { .. } => 2,
            Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => 3,
        };
        let most = slowest.entry(kind).or_default();
        *most = most.max(time);
        let mut add = |_: ComponentKind, m2: f64| price.area += m2;
        cost::of_part(given, tiling, how, part, &mut add);
    }
    price.time = slowest.into_values().sum();
    price
}

/// Every way to drive the rows with every way to sense the columns, to add partial sums and to add the bias.
fn dense(given: Given, tiling: &Tiling, found: &Calibration, node: NodeId) -> Vec<Alternative> {
    let Some((_, first)) = tiling.of(node).next() else {
        return vec![Alternative::plain("exact", Implementation::Exact, Domain::Bits, Domain::Bits)];
    };
    let tile = &given.chip.tile_kinds[first.tile_kind];
    let mut all = Vec::new();
    for drive in 0..tile.inputs.len() {
        for sense in 0..tile.senses.len() {
            let how = OnTiles { drive, sense, sum: Summing::Single, bias: Bias::None, gather: None };
            let Some((line, gather)) = column(given.chip, tile, how) else { continue };
            // Nothing holds what several vectors, one after the other, give or take: it waits as bits.
            let waits = tile.inputs[drive].takes_bits(&given.chip.converters)
                && matches!(tile.senses[sense], Sense::Converter { .. });
            if first.positions > 1 && !waits {
                continue;
            }
            let how = OnTiles { gather, ..how };
            for sum in sums(given.chip, tiling, node, how, line) {
                let digital = matches!(tile.senses[sense], Sense::Converter { .. });
                let serial = matches!(tile.inputs[drive], Drive::BitSerial { .. });
                for bias in biases(given, tiling, found, node, digital, serial) {
                    all.push(on_tiles(given, tiling, found, node, OnTiles { sum, bias, ..how }));
                }
            }
        }
    }
    // Light has no sign: what has one goes another way, if there is one.
    let signed = operands(given.network, node).first().is_some_and(|source| !found.range(*source).unsigned);
    if signed && all.iter().any(|alternative| alternative.input != Domain::Light) {
        all.retain(|alternative| alternative.input != Domain::Light);
    }
    if first.backward.is_some() {
        // Drivers and converters stand at both ends of its lines; nothing else is joined to columns that are driven.
        let serial = |a: &Alternative| match a.implementation {
            Implementation::Tile(how) => matches!(tile.inputs[how.drive], Drive::BitSerial { .. }),
            Implementation::Exact | Implementation::Unit(_) | Implementation::Core => false,
        };
        all.retain(|alternative| alternative.digital() && !serial(alternative));
    }
    all
}

/// What a column gives when rows are driven and columns sensed like that, and the converter that gathers it; none: it cannot be.
pub fn column(chip: &Chip, tile: &crate::forms::chip::TileKind, how: OnTiles) -> Option<(Domain, Option<usize>)> {
    let serial = matches!(tile.inputs[how.drive], Drive::BitSerial { .. });
    match &tile.senses[how.sense] {
        Sense::Converter { converter, .. } => Some((chip.converters[*converter].from, None)),
        // Digits are weighed and added digitally.
        Sense::Analog(_) if serial || tile.weights == WeightScheme::Offset => None,
        // A pulse leaves no current behind: its charge is gathered at each column.
        Sense::Analog(Domain::Current) if cost::pulses(chip, tile, how) => {
            let energy = |id: usize| chip.converters[id].energy;
            let gather = chain(chip, Domain::Current, Domain::Charge, &energy)?;
            match gather[..] {
                [converter] => Some((Domain::Charge, Some(converter))),
                [..] => None,
            }
        }
        Sense::Analog(domain) => Some((*domain, None)),
    }
}

/// Ways to make one sum of the partial sums of a layer.
pub fn sums(chip: &Chip, tiling: &Tiling, node: NodeId, how: OnTiles, line: Domain) -> Vec<Summing> {
    let blocks = tiling.of(node).count();
    let Some((_, first)) = tiling.of(node).next() else { return Vec::new() };
    let tile = &chip.tile_kinds[first.tile_kind];
    let digits = cost::part_reads(tile, how) * tile.slices as f64;
    let cut = tiling.merges.iter().any(|merge| merge.layer == node);
    let converts = matches!(tile.senses[how.sense], Sense::Converter { .. });
    if !cut && digits <= 1.0 && tile.weights != WeightScheme::Offset && blocks > 0 {
        return vec![Summing::Single];
    }
    let mut all = Vec::new();
    if converts {
        all.extend(digital_adder(chip).map(Summing::Digital));
    }
    // What columns are to be multiplied by first differs from array to array where they divide by conductances.
    if digits <= 1.0 && tile.weights != WeightScheme::Offset && !tile.normalises {
        let units = chip.unit_kinds.iter().enumerate().filter(|(_, unit)| {
            unit.from == line && unit.to == line && unit.implements.iter().any(|name| name == "sum")
        });
        let reach = has_line(chip, line) && first.positions == 1;
        all.extend(units.filter(|_| reach).map(|(index, _)| Summing::Line(index)));
    }
    all
}

/// Whether an analog domain can go from one part of a core, or of a neighbouring one, to another.
pub fn has_line(chip: &Chip, domain: Domain) -> bool {
    let lines = chip.core_kinds.iter().any(|core| core.lines.contains(&domain));
    lines || chip.links.iter().any(|link| link.carries == domain)
}

/// Ways to add the bias of a layer.
pub fn biases(
    given: Given,
    tiling: &Tiling,
    found: &Calibration,
    node: NodeId,
    digital: bool,
    serial: bool,
) -> Vec<Bias> {
    if !has_bias(given.network, node) {
        return vec![Bias::None];
    }
    let mut all = Vec::new();
    if digital {
        all.extend(digital_adder(given.chip).map(Bias::Digital));
    }
    // A fitted bias is not known when the array is laid out, one that learns is a number; and rows of what learns are driven in other
    // ranges as it goes on.
    let fitted = matches!(given.network.graph[node].operator, Operator::Dense { weights: Weights::Fitted { .. }, .. })
        || learned(given.network, given.plan).contains(&node);
    let spare = tiling.of(node).map(|(_, block)| block.spare_rows).max().unwrap_or(0);
    let tile = tiling.of(node).next().map(|(_, block)| &given.chip.tile_kinds[block.tile_kind]);
    let rows = tile.is_some_and(|tile| tile.weights != WeightScheme::Offset && !tile.normalises);
    let needed = found.bias_rows(given, node);
    // Rows driven bit by bit have no constant of full range.
    if needed <= spare && !fitted && !serial && rows {
        all.push(Bias::Rows(needed));
    }
    all
}

/// One combination.
fn on_tiles(given: Given, tiling: &Tiling, found: &Calibration, node: NodeId, how: OnTiles) -> Alternative {
    let chip = given.chip;
    let blocks: Vec<(usize, &Block)> = tiling.of(node).collect();
    let tile = &chip.tile_kinds[blocks[0].1.tile_kind];
    let parts = crate::map::circuit::layer(given, tiling, node, how);
    let mut made = Alternative::plain("", Implementation::Tile(how), Domain::Bits, Domain::Bits);
    made.price = price(given, tiling, found, Some(how), &parts);
    made.output_variance = found.cell_variance(given, tiling, node, how);
    made.converts = !matches!(how.sum, Summing::Line(_));
    let analog = blocks.iter().all(|_| !matches!(tile.senses[how.sense], Sense::Converter { .. }));
    if (analog || !made.converts) && !cost::pulses(chip, tile, how) {
        made.power = found.power(given, tiling, node, how);
        // Rows are driven while sums are added on the line, and converted there.
        let lines = parts.iter().filter(|part| matches!(part.role, Role::Line { .. }));
        let times = lines.map(|part| cost::time::part(chip, tiling, Some(how), part, None));
        made.price.energy += made.power * times.fold(0.0, f64::max);
    }
    let source = operands(given.network, node).first().copied();
    let arriving = source.map_or(Range { full: 1.0, unsigned: false }, |source| found.range(source));
    let way_in = match &tile.inputs[how.drive] {
        Drive::Converter(index) => {
            let converter = &chip.converters[*index];
            made.input = converter.from;
            made.need = converter.bits.map_or(WORD, f64::from);
            made.input_variance = source.map_or(0.0, |source| found.quantised(source, converter, arriving));
            title(converter)
        }
        Drive::BitSerial { converter, bits } => {
            let driver = chip.converters[*converter].clone();
            let (gain_error, offset_lsb) = Default::default();
            let whole = Converter { bits: Some(*bits), noise: 0.0, gain_error, offset_lsb, inl_lsb: 0.0, ..driver };
            made.need = f64::from(*bits);
            let step = Quantiser::new(*bits, range_of(&whole, arriving)).step;
            made.input_variance = source.map_or(0.0, |source| found.quantised(source, &whole, arriving))
                + bits_variance(&chip.converters[*converter], *bits, step);
            format!("{} bits one by one by {}", bits, title(&chip.converters[*converter]))
        }
        Drive::Direct(domain) => {
            made.input = *domain;
            word(*domain).to_string()
        }
    };
    let way_out = match &tile.senses[how.sense] {
        Sense::Converter { converter: index, .. } => {
            let converter = &chip.converters[*index];
            made.output = converter.to;
            made.output_variance += found.sense_variance(given, tiling, node, how, converter);
            title(converter)
        }
        Sense::Analog(domain) => {
            let domain = how.gather.map_or(*domain, |id| chip.converters[id].to);
            made.output = domain;
            word(domain).to_string()
        }
    };
    let mut name = format!("{}, {way_in} in, {way_out} out", tile.name);
    match how.sum {
        Summing::Single => {}
        Summing::Digital(_) => name += ", partial sums added digitally",
        Summing::Line(unit) => {
            let range = blocks.iter().map(|(block, _)| found.sums(tiling, *block, how).range).fold(0.0, f64::max);
            let scales = found.scales.get(&node).map_or(1.0, |scales| mean_square(scales));
            made.output_variance += (chip.unit_kinds[unit].noise * range).powi(2) * scales;
            name += &format!(", partial sums added by {}", chip.unit_kinds[unit].name);
        }
    }
    match how.bias {
        Bias::None => {}
        Bias::Digital(_) => name += ", bias added digitally",
        Bias::Rows(rows) => name += &format!(", bias in {rows} row{}", if rows == 1 { "" } else { "s" }),
    }
    if parts.iter().any(|part| matches!(part.role, Role::Adder { .. })) {
        // Sums wait in the buffer until they are added.
        let each = chip.core_kinds.iter().map(|core| core.buffer_energy).fold(f64::INFINITY, f64::min);
        let arrays = parts.iter().filter(|part| match part.role {
            Role::Array { converts, .. } | Role::Line { converts, .. } => converts,
            Role::Adder { .. } | Role::Unit { .. } | Role::Neurons | Role::Coder | Role::Devices => false,
        });
        let bits = crate::map::circuit::sum_bits(chip, tile, how);
        let written: f64 = arrays.map(|part| part.len() as f64 * part.firings * bits).sum();
        made.price.energy += 2.0 * written * if each.is_finite() { each } else { 0.0 };
    }
    if let Sense::Converter { converter, .. } = &tile.senses[how.sense] {
        let terms = parts.iter().map(|part| if let Role::Adder { terms, .. } = part.role { terms } else { 1 }).max();
        let bits = chip.converters[*converter].bits.map_or(WORD, f64::from);
        made.width = (bits + (terms.unwrap_or(1) as f64).log2().ceil()).min(32.0);
    }
    made.sums = crate::map::circuit::sum_bits(chip, tile, how);
    made.name = name;
    made
}

/// The cheapest digital unit that can add.
pub fn digital_adder(chip: &Chip) -> Option<usize> {
    let can =
        |unit: &UnitKind| unit.implements.iter().any(|name| name == "any" || name == "sum" || name == "arithmetic");
    (chip.unit_kinds.iter().enumerate())
        .filter(|(_, unit)| digital(unit) && can(unit))
        .min_by(|a, b| a.1.energy.total_cmp(&b.1.energy))
        .map(|(index, _)| index)
}

/// Error variance of a value whose bits are driven one by one: noise of each with its place value, and what a driver errs alike for all.
fn bits_variance(driver: &Converter, bits: u32, step: f64) -> f64 {
    let codes = 2f64.powi(bits as i32) - 1.0;
    let squares = (4f64.powi(bits as i32) - 1.0) / 3.0;
    let alike = (driver.offset_lsb.square() + driver.gain_error.square() / 3.0) * codes * codes;
    step * step * (driver.noise.powi(2) * squares + alike)
}

/// Error variance of a converter on a wire.
pub fn wire_variance(found: &Calibration, source: NodeId, converter: &Converter) -> f64 {
    match converter.bits {
        Some(_) => found.quantised(source, converter, found.range(source)),
        None => variance(converter, found.range(source)),
    }
}
