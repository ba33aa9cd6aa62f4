//! What the chip's converters make of a value: cheapest chains from one domain to another, and cheapest trees from one to several.

use crate::forms::chip::{Chip, Domain};

pub use crate::cost::title;

/// Every domain, in the order of the type.
pub const DOMAINS: [Domain; 7] =
    [Domain::Bits, Domain::Voltage, Domain::Current, Domain::Charge, Domain::Pulse, Domain::Spikes, Domain::Light];

/// Converters from a producer's domain to those its consumers need; parents come first.
pub type Tree = Vec<usize>;

/// The cheapest chain of converters on wires from one domain to another; none when there is no way.
pub fn chain(chip: &Chip, from: Domain, to: Domain, cost: &dyn Fn(usize) -> f64) -> Option<Tree> {
    if from == to {
        return Some(Vec::new());
    }
    join(chip, &[from], to, &priced(chip, cost))
}

/// Every converter on wires with its price.
fn priced(chip: &Chip, cost: &dyn Fn(usize) -> f64) -> Vec<(usize, f64)> {
    chip.on_wires.iter().map(|&index| (index, cost(index))).collect()
}

/// The same from any of several. Bits are left only at the other end of a wire: nothing passes them on the way.
fn join(chip: &Chip, from: &[Domain], to: Domain, priced: &[(usize, f64)]) -> Option<Tree> {
    if from.contains(&to) {
        return Some(Vec::new());
    }
    // What reaching a domain costs, and by which converter last.
    let mut reached: [Option<(f64, Option<usize>)>; 7] =
        DOMAINS.map(|domain| from.contains(&domain).then_some((0.0, None)));
    // Bellman-Ford: there are seven domains.
    for _ in 0..DOMAINS.len() {
        let before = reached;
        for &(index, price) in priced {
            let converter = &chip.converters[index];
            if converter.from == Domain::Bits && from != [Domain::Bits] {
                continue;
            }
            // Light, which has no sign, is made for whom it is sent to, and never on the way.
            if converter.to == Domain::Light && to != Domain::Light {
                continue;
            }
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
pub fn tree(chip: &Chip, from: Domain, set: &[Domain], cost: &dyn Fn(usize) -> f64) -> Option<Tree> {
    if set.iter().all(|domain| *domain == from) {
        return Some(Vec::new());
    }
    let priced = priced(chip, cost);
    let mut best = None;
    grow(chip, &priced, &mut vec![from], &mut Vec::new(), set, &mut best);
    best.map(|(_, used)| used)
}

/// Every way to complete a tree that makes some domains to one that makes all of a set; the cheapest is kept, of equals the first.
fn grow(
    chip: &Chip,
    priced: &[(usize, f64)],
    made: &mut Vec<Domain>,
    used: &mut Tree,
    left: &[Domain],
    best: &mut Option<(f64, Tree)>,
) {
    if left.is_empty() {
        let price = |id: &usize| priced.iter().find(|(known, _)| known == id).map_or(0.0, |(_, price)| *price);
        let total: f64 = used.iter().map(price).sum();
        if best.as_ref().is_none_or(|(old, _)| total < *old) {
            *best = Some((total, used.clone()));
        }
        return;
    }
    for (index, &target) in left.iter().enumerate() {
        let Some(path) = join(chip, made, target, priced) else { continue };
        let before = (made.len(), used.len());
        made.extend(path.iter().map(|&id| chip.converters[id].to));
        used.extend(path);
        let rest: Vec<Domain> = left.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, d)| *d).collect();
        grow(chip, priced, made, used, &rest, best);
        made.truncate(before.0);
        used.truncate(before.1);
    }
}

/// The branch of a tree that ends in `to`.
pub fn branch(chip: &Chip, tree: &[usize], from: Domain, to: Domain) -> Vec<usize> {
    let (mut path, mut at) = (Vec::new(), to);
    while at != from {
        let made = |index: &&usize| chip.converters[**index].to == at && !chip.converters[**index].holds();
        let Some(&index) = tree.iter().find(made) else { break };
        if path.contains(&index) {
            break;
        }
        path.insert(0, index);
        at = chip.converters[index].from;
    }
    path
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

/// The converter that can hold a value of this domain on a wire, the cheapest in energy.
pub fn holder(chip: &Chip, domain: Domain) -> Option<usize> {
    let holders =
        chip.on_wires.iter().copied().filter(|&id| chip.converters[id].holds() && chip.converters[id].from == domain);
    holders.min_by(|&a, &b| chip.converters[a].energy.total_cmp(&chip.converters[b].energy))
}
