//! What the chip's converters make of a value: cheapest chains from one domain to another, and cheapest trees from one to several.

use crate::forms::chip::{Chip, Converter, Domain, Drive, Sense};
use crate::forms::plan::Objective;

/// Every domain, in the order of the type.
pub const DOMAINS: [Domain; 7] =
    [Domain::Bits, Domain::Voltage, Domain::Current, Domain::Charge, Domain::Pulse, Domain::Spikes, Domain::Light];

/// Joules, seconds and square metres.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Price {
    pub energy: f64,
    pub time: f64,
    pub area: f64,
}

impl Price {
    /// What is minimised.
    pub fn of(self, objective: Objective) -> f64 {
        match objective {
            Objective::Energy => self.energy,
            Objective::Time => self.time,
            Objective::Area => self.area,
        }
    }

    pub fn add(&mut self, other: Price) {
        self.energy += other.energy;
        self.time += other.time;
        self.area += other.area;
    }
}

/// Many values at once, each through its own converter: `firings` times a sample.
pub fn price(converter: &Converter, elements: f64, firings: f64) -> Price {
    Price {
        energy: converter.energy * elements * firings,
        time: converter.time * firings,
        area: converter.area * elements,
    }
}

/// Error variance a converter adds to a signal that lies in `-range ..= range`: rounding and thermal noise.
pub fn variance(converter: &Converter, range: f64) -> f64 {
    let Some(bits) = converter.bits else { return 0.0 };
    let step = 2.0 * range / (2f64.powi(bits as i32) - 1.0);
    step * step * (1.0 / 12.0 + converter.noise_lsb * converter.noise_lsb)
}

/// Converters that stand on wires: all but those built into tiles.
pub fn on_wires(chip: &Chip) -> Vec<usize> {
    let built_in = |index: usize| {
        chip.tile_kinds.iter().any(|tile| {
            tile.inputs.iter().any(|drive| matches!(drive, Drive::Converter(id) if *id == index))
                || tile.senses.iter().any(|s| matches!(s, Sense::Converter { converter, .. } if *converter == index))
        })
    };
    (0..chip.converters.len()).filter(|&index| !built_in(index)).collect()
}

/// Converters from a producer's domain to those its consumers need, each with the domain it starts from; parents come first.
pub type Tree = Vec<usize>;

/// The cheapest chain from any of `from` to `to`; none when there is no way.
pub fn chain(chip: &Chip, from: &[Domain], to: Domain, through: bool, cost: &dyn Fn(usize) -> f64) -> Option<Tree> {
    if from.contains(&to) {
        return Some(Vec::new());
    }
    if through && to != Domain::Bits && !from.contains(&Domain::Bits) {
        let mut first = chain(chip, from, Domain::Bits, false, cost)?;
        first.extend(chain(chip, &[Domain::Bits], to, false, cost)?);
        return Some(first);
    }
    let priced: Vec<(usize, f64)> = on_wires(chip).into_iter().map(|index| (index, cost(index))).collect();
    // What reaching a domain costs, and by which converter last.
    let mut reached: [Option<(f64, Option<usize>)>; 7] =
        DOMAINS.map(|domain| from.contains(&domain).then_some((0.0, None)));
    // Bellman-Ford: there are seven domains.
    for _ in 0..DOMAINS.len() {
        let before = reached;
        for &(index, price) in &priced {
            let converter = &chip.converters[index];
            let Some((paid, _)) = reached[converter.from as usize] else { continue };
            let total = paid + price;
            if reached[converter.to as usize].is_none_or(|(old, _)| total < old) {
                reached[converter.to as usize] = Some((total, Some(index)));
            }
        }
        if reached == before {
            break;
        }
    }
    let (mut path, mut at) = (Vec::new(), to);
    while let (_, Some(index)) = reached[at as usize]? {
        path.insert(0, index);
        at = chip.converters[index].from;
    }
    Some(path)
}

/// The cheapest tree from `from` to all of `set`: every order of joining the targets is tried, each by its cheapest chain.
pub fn tree(chip: &Chip, from: Domain, set: &[Domain], through: bool, cost: &dyn Fn(usize) -> f64) -> Option<Tree> {
    let mut best: Option<(f64, Tree)> = None;
    for order in orders(set) {
        let (mut made, mut used): (Vec<Domain>, Tree) = (vec![from], Vec::new());
        let complete = order.iter().all(|&target| {
            let Some(path) = chain(chip, &made, target, through, cost) else { return false };
            made.extend(path.iter().map(|&index| chip.converters[index].to));
            used.extend(path);
            true
        });
        let total: f64 = used.iter().map(|&index| cost(index)).sum();
        if complete && best.as_ref().is_none_or(|(old, _)| total < *old) {
            best = Some((total, used));
        }
    }
    best.map(|(_, used)| used)
}

/// The branch of a tree that ends in `to`.
pub fn branch(chip: &Chip, tree: &[usize], from: Domain, to: Domain) -> Vec<usize> {
    let (mut path, mut at) = (Vec::new(), to);
    while at != from {
        let Some(&index) = tree.iter().find(|&&index| chip.converters[index].to == at) else { break };
        if path.contains(&index) {
            break;
        }
        path.insert(0, index);
        at = chip.converters[index].from;
    }
    path
}

fn orders(set: &[Domain]) -> Vec<Vec<Domain>> {
    if set.is_empty() {
        return vec![Vec::new()];
    }
    let rest =
        |skip: usize| set.iter().enumerate().filter(move |(i, _)| *i != skip).map(|(_, d)| *d).collect::<Vec<_>>();
    (0..set.len())
        .flat_map(|first| orders(&rest(first)).into_iter().map(move |tail| [vec![set[first]], tail].concat()))
        .collect()
}

/// `sar(6)`
pub fn title(converter: &Converter) -> String {
    match converter.bits {
        Some(bits) => format!("{}({bits})", converter.name),
        None => converter.name.clone(),
    }
}

/// A domain in the user's word.
pub fn word(domain: Domain) -> &'static str {
    match domain {
        Domain::Bits => "bits",
        Domain::Voltage => "voltage",
        Domain::Current => "current",
        Domain::Charge => "charge",
        Domain::Pulse => "pulse",
        Domain::Spikes => "spikes",
        Domain::Light => "light",
    }
}
