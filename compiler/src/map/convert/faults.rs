//! What the user is told when conversions cannot be decided as asked.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::{FileId, Span};

use super::calibrate::Calibration;
use super::choices::{Choices, State};
use super::domains::{chain, word};
use super::obstacle::no_array;
use super::problem::Demand;
use crate::forms::chip::{Domain, Drive};
use crate::forms::mapped::Given;
use crate::forms::network::{Node, NodeId, Operator, PopulationKind};
use crate::forms::plan::{Pin, Pinned};
use crate::graph::is_given;

/// The first operator whose values on the calibration data are too large to be numbers.
pub fn overflow(given: Given, found: &Calibration) -> Option<Diagnostic> {
    let too_large = |node: &NodeId| {
        let values = found.values.get(node).map_or(&[][..], Vec::as_slice);
        values.iter().any(|value| !value.is_finite())
    };
    let node = crate::graph::order(given.network).into_iter().find(too_large)?;
    let Node { name, span, .. } = &given.network.graph[node];
    let message = format!("the calibration data make `{name}` larger than any number");
    let fault = Diagnostic::new(Code::E0307, message, *span, "beyond 3.4e38");
    Some(fault.with_help("divide its weights, or what it takes, by something"))
}

/// The first operator, pin or signal that alone leaves no way.
pub fn missing(choices: &Choices) -> Option<Diagnostic> {
    let (given, graph) = (choices.given, &choices.given.network.graph);
    for (index, &node) in choices.nodes.iter().enumerate() {
        let spiking = given.chip.core_kinds.iter().any(|core| core.neurons.is_some());
        match &graph[node].operator {
            Operator::Population { kind: PopulationKind::Neuron, .. } if !spiking && !is_given(given.network, node) => {
                return Some(no_core(given, node));
            }
            Operator::Dense { .. } if choices.alternatives[index].is_empty() => {
                return Some(no_array(choices, node));
            }
            Operator::Elementwise { function, .. } if choices.alternatives[index].is_empty() => {
                return Some(no_unit(given, node, function));
            }
            Operator::Reduce { reduction, .. } if choices.alternatives[index].is_empty() => {
                return Some(no_unit(given, node, reduction.word()));
            }
            Operator::Softmax if choices.alternatives[index].is_empty() => {
                return Some(no_unit(given, node, "softmax"));
            }
            Operator::Population { .. }
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Input
            | Operator::Output
            | Operator::Gather(_)
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Scatter(_)
            | Operator::Delay
            | Operator::Read { .. } => {}
        }
    }
    for pin in &given.plan.pins {
        let Pinned::Domain(domain) = pin.value else { continue };
        if !choices.alternatives[choices.index(pin.node)].iter().any(|a| choices.leaves_as(pin.node, a, domain)) {
            return Some(pin_fault(choices, pin, domain));
        }
    }
    (choices.fans.iter()).flat_map(|(&from, to)| to.iter().map(move |(to, _)| (from, *to))).find_map(|(from, to)| {
        let ends = |node| &choices.alternatives[choices.index(node)];
        let joined = ends(from).iter().any(|a| ends(to).iter().any(|b| joined(given.chip, a.output, b.input)));
        let (a, b) = (ends(from).first()?.output, ends(to).first()?.input);
        (!joined).then(|| no_converter(given, from, to, a, b))
    })
}

/// When every operator and signal has a way, but all together have none.
pub fn no_way(choices: &Choices, base: &Demand) -> Diagnostic {
    for (number, pin) in choices.given.plan.pins.iter().enumerate() {
        if let Pinned::Domain(domain) = pin.value
            && choices.solve(&Demand { without: Some(number), ..base.clone() }).is_some()
        {
            return pin_fault(choices, pin, domain);
        }
    }
    // Then it is a signal that cannot come from any allowed implementation of its source to any of what takes it.
    let posed = choices.posed(base);
    let allowed = |node: NodeId| {
        let index = choices.index(node);
        choices.alternatives[index].iter().enumerate().filter(move |(_, one)| choices.allowed(index, one, base))
    };
    let ways = choices.fans.iter().zip(posed.states.iter().zip(&posed.leaving));
    let stuck = ways.flat_map(|((&from, consumers), (states, leaving))| {
        consumers.iter().map(move |&(to, _)| (from, to, states, leaving))
    });
    let stuck = stuck.into_iter().find(|&(from, to, states, leaving)| {
        let takes = |state: &State| {
            allowed(to).any(|(_, end)| choices.take(from, &state.set, state.width, (to, end), base).is_some())
        };
        let leaves = |at: usize| allowed(from).any(|(index, _)| leaving[index][at].is_finite());
        !(0..states.len()).any(|at| leaves(at) && takes(&states[at]))
    });
    let Some((from, to, ..)) = stuck else {
        return Diagnostic::placeless(Code::E0603, "the chip offers no way to compute this network");
    };
    let domains = allowed(from).next().zip(allowed(to).next()).map(|((_, a), (_, b))| (a.output, b.input));
    let (a, b) = domains.unwrap_or((Domain::Bits, Domain::Bits));
    // As bits, where everything is to be converted.
    let b = if base.everywhere && a.is_analog() { Domain::Bits } else { b };
    let wrong = no_converter(choices.given, from, to, a, b);
    match base.everywhere && choices.solve(&Demand { everywhere: false, ..base.clone() }).is_some() {
        true => wrong.with_help(format!(
            "leave out `convert: everywhere`, or add a converter {} -> {} to `converters: […]` of the chip",
            word(a),
            word(b)
        )),
        false => wrong,
    }
}

/// Whether a value can come from one domain to another: as it is, or by converters, through bits if need be.
fn joined(chip: &crate::forms::chip::Chip, from: Domain, to: Domain) -> bool {
    let way = |from, to| chain(chip, from, to, &|_| 1.0).is_some();
    (from == to || way(from, to)) || (way(from, Domain::Bits) && way(Domain::Bits, to))
}

pub fn on_chip(given: Given, diagnostic: Diagnostic) -> Diagnostic {
    match given.chip.span {
        Some(span) => diagnostic.with_label(span, "the chip"),
        None => diagnostic,
    }
}

fn no_core(given: Given, node: NodeId) -> Diagnostic {
    let node = &given.network.graph[node];
    let message = format!("chip `{}` has no core for the neurons of `{}`", given.chip.name, node.name);
    let diagnostic = Diagnostic::new(Code::E0611, message, node.span, "this population needs a spiking core")
        .with_help("add a core with neurons to the chip: `cores: [grid(1, 1) of std.core.loihi_core]`");
    on_chip(given, diagnostic)
}

fn no_unit(given: Given, node: NodeId, function: &str) -> Diagnostic {
    let node = &given.network.graph[node];
    let message = format!("no unit of chip `{}` computes `{function}`, which `{}` needs", given.chip.name, node.name);
    let diagnostic = Diagnostic::new(Code::E0606, message, node.span, "this has to be computed somewhere")
        .with_help("add a unit that can to a core: `units: [std.unit.digital_alu]` computes everything");
    on_chip(given, diagnostic)
}

fn no_converter(given: Given, from: NodeId, to: NodeId, a: Domain, b: Domain) -> Diagnostic {
    let graph = &given.network.graph;
    let (first, second) = (&graph[from], &graph[to]);
    let message = format!(
        "no converter joins `{}` ({}) to `{}` ({}) on chip `{}`",
        first.name,
        word(a),
        second.name,
        word(b),
        given.chip.name
    );
    on_chip(
        given,
        Diagnostic::new(Code::E0603, message, second.span, format!("takes {}", word(b)))
            .with_label(first.span, format!("gives {}", word(a)))
            .with_help(format!("add a converter {} -> {} to `converters: […]` of the chip", word(a), word(b))),
    )
}

fn pin_fault(choices: &Choices, pin: &Pin, domain: Domain) -> Diagnostic {
    let node = &choices.given.network.graph[pin.node];
    let mut offered: Vec<&str> =
        choices.alternatives[choices.index(pin.node)].iter().map(|alternative| word(alternative.output)).collect();
    offered.sort_unstable();
    offered.dedup();
    let signed = domain == Domain::Light && !choices.found.range(pin.node).unsigned;
    let sign = if signed { "; it may be negative, and light has no sign" } else { "" };
    let message = format!("`{}` cannot leave as {} on chip `{}`", node.name, word(domain), choices.given.chip.name);
    Diagnostic::new(Code::E0604, message, pin.span, "pinned here")
        .with_label(node.span, format!("can leave as {}{sign}", offered.join(" or ")))
        .with_help(format!("pin it to {}, or leave the choice to the compiler", offered.join(" or ")))
}

/// The experiment has no span of its own: its first phase or pin stands for it.
fn place(given: Given) -> Span {
    let plan = &given.plan;
    let phase = plan.phases.first().map(|phase| phase.span);
    let node = || given.network.graph.node_weights().next().map(|node| node.span);
    phase.or_else(|| plan.pins.first().map(|pin| pin.span)).or_else(node).unwrap_or(Span::new(FileId(0), 0, 0))
}

pub fn unreachable(given: Given, limit: f64, least: f64) -> Diagnostic {
    let message = format!(
        "the accuracy limit of {:.2} % cannot be met on chip `{}`: the best is a loss of {:.2} %",
        100.0 * limit,
        given.chip.name,
        100.0 * least
    );
    let help = format!(
        "allow `accuracy_loss: {:.1} %`, or give the chip converters with more bits",
        (1000.0 * least).ceil() / 10.0
    );
    on_chip(given, Diagnostic::new(Code::E0605, message, place(given), "measured on these samples").with_help(help))
}

pub fn unmeasured(given: Given) -> Diagnostic {
    let message = "the accuracy limit is not applied: nothing in this experiment measures accuracy";
    Diagnostic::new(Code::W0613, message, place(given), "no accuracy is measured here")
        .with_help("say what is right: `test { … } expect argmax(y) == labels`")
}

/// Links for light that nothing of the chip makes, or nothing receives.
pub fn dark(given: Given) -> Option<Diagnostic> {
    let chip = given.chip;
    let linked = chip.links.iter().any(|link| link.carries == Domain::Light);
    let drives = chip.tile_kinds.iter().flat_map(|tile| &tile.inputs).filter_map(|drive| match drive {
        Drive::Converter(id) => Some(*id),
        Drive::BitSerial { .. } | Drive::Direct(_) => None,
    });
    let converters = chip.on_wires.iter().copied().chain(drives).map(|id| &chip.converters[id]);
    let units = chip.unit_kinds.iter().map(|unit| (unit.from, unit.to));
    let ends: Vec<(Domain, Domain)> = converters.map(|one| (one.from, one.to)).chain(units).collect();
    let (what, help) = if !ends.iter().any(|(_, to)| *to == Domain::Light) {
        ("makes", "list one that does, such as `converters: [std.converter.modulator()]`, or a unit voltage -> light")
    } else if !ends.iter().any(|(from, _)| *from == Domain::Light) {
        (
            "receives",
            "list what does, such as `converters: [std.converter.photodiode()]`, or let rows: `input: std.converter.receiver()`",
        )
    } else {
        return None;
    };
    let message = format!("links of chip `{}` carry light, which nothing there {what}", chip.name);
    let wrong = match chip.span {
        Some(span) => Diagnostic::new(Code::W0428, message, span, "the chip"),
        None => Diagnostic::placeless(Code::W0428, message),
    };
    linked.then(|| wrong.with_help(help))
}

pub fn calibrated_on_test(given: Given) -> Diagnostic {
    let message = "ranges are calibrated on the test data, for want of others";
    Diagnostic::new(Code::W0607, message, place(given), "its first samples set the ranges of converters")
        .with_help("give other samples in the deploy block: `calibrate: data.x[0..64]`")
}
