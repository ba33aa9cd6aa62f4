//! What the user is told when parts find no core.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::islands::Resource;
use super::solve::Problem;
use crate::forms::circuit::{Circuit, End, Net, PartId};
use crate::forms::mapped::Given;
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::{Pin, Pinned};
use crate::map::convert::Misfit;
use crate::map::convert::domains::word;

fn on_chip(given: Given, diagnostic: Diagnostic) -> Diagnostic {
    match given.chip.span {
        Some(span) => diagnostic.with_label(span, "the chip"),
        None => diagnostic,
    }
}

/// The operator that needs most of a resource, and how much all of them do.
fn most(circuit: &Circuit, parts: &[PartId]) -> Option<NodeId> {
    parts.iter().max_by_key(|part| circuit.parts[part.0].len()).map(|part| circuit.parts[part.0].node)
}

/// An island that fits no kind of core.
pub fn island(
    given: Given,
    circuit: &Circuit,
    island: &[PartId],
    resources: &[Resource],
    rooms: &[Vec<f64>],
    needs: &[(usize, f64)],
) -> Box<Misfit> {
    // The resource that is furthest from enough on the core that has most of it.
    let short = needs.iter().map(|&(resource, amount)| {
        let room = rooms.iter().map(|room| room[resource]).fold(0.0, f64::max);
        (resource, amount, room)
    });
    let worst = short.max_by(|a, b| (a.1 / a.2.max(1e-9)).total_cmp(&(b.1 / b.2.max(1e-9))));
    let (resource, amount, room) = worst.unwrap_or((0, 0.0, 0.0));
    Box::new(Misfit {
        parts: island.to_vec(),
        arrays: matches!(resources[resource], Resource::Tiles(_)),
        diagnostic: told(given, circuit, island, &resources[resource], amount, room),
    })
}

/// Everything fits a core, but not all of it the chip.
pub fn chip(
    given: Given,
    circuit: &Circuit,
    island: &[PartId],
    resources: &[Resource],
    problem: &Problem,
) -> Box<Misfit> {
    let all = |resource: usize| -> (f64, f64) {
        let needed = problem.parts.iter().flat_map(|part| &part.needs);
        let needed = needed.filter(|(of, _)| *of == resource).map(|(_, amount)| amount).sum();
        (needed, problem.cores.iter().map(|&kind| problem.room[kind][resource]).sum())
    };
    let own = problem.parts.iter().flat_map(|part| part.needs.iter().map(|(resource, _)| *resource));
    let worst = own.max_by(|&a, &b| {
        let share = |(needed, room): (f64, f64)| if room.is_finite() { needed / room.max(1e-9) } else { 0.0 };
        share(all(a)).total_cmp(&share(all(b)))
    });
    let resource = worst.unwrap_or(0);
    let (needed, room) = all(resource);
    Box::new(Misfit {
        parts: island.to_vec(),
        arrays: false,
        diagnostic: told(given, circuit, island, &resources[resource], needed, room),
    })
}

/// In the words of the resource.
fn told(given: Given, circuit: &Circuit, parts: &[PartId], resource: &Resource, needed: f64, room: f64) -> Diagnostic {
    let (network, chip) = (given.network, given.chip);
    let Some(node) = most(circuit, parts) else {
        return Diagnostic::placeless(Code::E0617, format!("the network does not fit chip `{}`", chip.name));
    };
    let data = &network.graph[node];
    let name = &chip.name;
    let (code, message, label, help) = match resource {
        Resource::Tiles(kind) => (
            Code::E0617,
            format!(
                "`{}` and what analog wires join it to need {needed} arrays in one core of chip `{name}`",
                data.name
            ),
            format!("a core has {room} arrays of `{}`", chip.tile_kinds[*kind].name),
            String::from("leave the choice of domains to the compiler, or give the core more tiles"),
        ),
        Resource::Unit(unit) | Resource::Logic(unit) => (
            Code::E0617,
            format!("`{}` needs {needed} of `{}` in one core of chip `{name}`", data.name, chip.unit_kinds[*unit].name),
            format!("a core has {room}"),
            format!("give the core more: `units: {}[{needed}]`", chip.unit_kinds[*unit].name),
        ),
        Resource::Line(domain) => (
            Code::E0617,
            format!(
                "a {} would have to leave `{}`, but no core of chip `{name}` has a line for it",
                word(*domain),
                data.name
            ),
            String::from("joined to another part of its core"),
            format!("declare it in the core: `lines: {}`", word(*domain)),
        ),
        Resource::Neurons => (
            Code::E0609,
            match matches!(data.operator, Operator::Population { .. }) {
                true => format!("the {} neurons of `{}` do not fit chip `{name}`", data.len(), data.name),
                false => format!("the neurons that arrays of `{}` take do not fit chip `{name}`", data.name),
            },
            format!("{needed} neurons need a place, there is room for {room}"),
            String::from("give the chip more cores: `cores: grid(16, 8) of …`"),
        ),
        Resource::Synapses => (
            Code::E0610,
            format!("the synapses of `{}` do not fit the cores of chip `{name}`", data.name),
            format!("{needed:.0} synapses need a place, there is room for {room:.0}"),
            String::from("give the chip more cores: `cores: grid(16, 8) of …`"),
        ),
        Resource::Cells(device) => (
            Code::E0614,
            format!("the {} devices of `{}` do not fit chip `{name}`", data.len(), data.name),
            format!("the chip has {} cells of `{device}`", cells(given, device)),
            format!("give a core of the chip `cells: {device}[{}]`", data.len()),
        ),
        Resource::Buffer => (
            Code::E0608,
            format!("the inputs of `{}` do not fit the buffer of a core of chip `{name}`", data.name),
            format!("needs {needed:.0} bit in one core, which has {room:.0}"),
            format!("give the core `buffer: {:.0} B` or more", (needed / 8.0).ceil()),
        ),
    };
    on_chip(given, Diagnostic::new(code, message, data.span, label).with_help(help))
}

fn cells(given: Given, device: &str) -> usize {
    let kinds = given.chip.cores.iter().map(|&kind| &given.chip.core_kinds[kind]);
    kinds.flat_map(|kind| &kind.cells).filter(|(name, _)| name == device).map(|(_, count)| count).sum()
}

/// A pin to a core that is not there.
pub fn no_such_core(given: Given, pin: &Pin) -> Box<Misfit> {
    let chip = given.chip;
    let Pinned::Core(x, y) = pin.value else { return two_pins(given, pin, &[]) };
    let message = format!("chip `{}` has no core at ({x}, {y})", chip.name);
    let help = format!("cores go from (0, 0) to ({}, {})", chip.grid.0.max(1) - 1, chip.grid.1.max(1) - 1);
    let diagnostic = Diagnostic::new(Code::E0612, message, pin.span, "pinned here").with_help(help);
    Box::new(Misfit { parts: Vec::new(), arrays: false, diagnostic })
}

/// Parts that analog wires join are pinned to different cores.
pub fn two_pins(given: Given, pin: &Pin, island: &[PartId]) -> Box<Misfit> {
    let name = &given.network.graph[pin.node].name;
    let message = format!("analog wires join `{name}` to what is pinned to another core");
    let diagnostic = Diagnostic::new(Code::E0604, message, pin.span, "pinned here")
        .with_help("pin both to one core, or one of them to bits");
    Box::new(Misfit { parts: island.to_vec(), arrays: false, diagnostic })
}

/// Parts that analog wires join would wait for what they give.
pub fn waits(given: Given, circuit: &Circuit, parts: Vec<PartId>) -> Box<Misfit> {
    let (network, name) = (given.network, &given.chip.name);
    let node = |part: &PartId| circuit.parts[part.0].node;
    let mut names: Vec<String> = parts.iter().map(|part| format!("`{}`", network.graph[node(part)].name)).collect();
    names.dedup();
    let message = format!("{} work at once on chip `{name}`, and wait for what they give themselves", names.join(", "));
    let help = "leave the choice of domains to the compiler, or pin one of them to bits";
    let label = "joined to the others by analog wires";
    let diagnostic = match parts.first() {
        Some(first) => Diagnostic::new(Code::E0617, message, network.graph[node(first)].span, label),
        None => Diagnostic::placeless(Code::E0617, message),
    };
    Box::new(Misfit { parts, arrays: false, diagnostic: on_chip(given, diagnostic.with_help(help)) })
}

/// Parts joined by links found no neighbouring cores.
pub fn apart(given: Given, net: &Net) -> Box<Misfit> {
    let node = &given.network.graph[net.source];
    let message = format!("`{}` and what takes its {} find no neighbouring cores", node.name, word(net.domain));
    let diagnostic = Diagnostic::new(Code::E0617, message, node.span, "its links reach neighbours only")
        .with_help("leave the choice of domains to the compiler, or give the chip larger cores");
    let ends = net.to.iter().chain([&net.from]).filter_map(|end| match end {
        End::Part(part) => Some(*part),
        End::Host => None,
    });
    Box::new(Misfit { parts: ends.collect(), arrays: false, diagnostic: on_chip(given, diagnostic) })
}
