//! What follows a block's name fits its kind: `: from -> to` for what joins two sides, outputs for networks alone.

use nmc_grammar::ast::{Block, BlockKind, Type};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::{Checker, a, suggestion};

const LOGICAL: &[&str] = &["real", "spikes", "bits"];
pub const PHYSICAL: &[&str] = &["voltage", "current", "charge", "pulse", "spikes", "light", "bits"];

pub fn check(checker: &mut Checker, block: &Block) {
    let kind = block.kind;
    if let (Some(first), Some(last)) = (block.outputs.first(), block.outputs.last())
        && kind != BlockKind::Network
    {
        let span = first.span.to(last.span);
        let message = format!("{} has no list of outputs", a(kind));
        checker.report(Code::E0426, message, span, "only a network has `-> (name: type)`");
    }
    if kind == BlockKind::Experiment && !block.params.is_empty() {
        checker.report(Code::E0426, "an experiment has no parameters", block.params[0].span, "nobody gives it a value");
    }
    let example = match kind {
        BlockKind::Converter => "voltage -> bits(8)",
        BlockKind::Unit => "voltage -> voltage",
        BlockKind::Encoder => "real -> spikes",
        BlockKind::Decoder => "spikes -> real",
        BlockKind::Network
        | BlockKind::Neuron
        | BlockKind::Synapse
        | BlockKind::Plasticity
        | BlockKind::Device
        | BlockKind::Tile
        | BlockKind::Core
        | BlockKind::Chip
        | BlockKind::Experiment => {
            if let Some((from, to)) = &block.joins {
                let span = from.span.to(to.span);
                let message = format!("{} does not turn one thing into another", a(kind));
                checker.report(Code::E0426, message, span, "only encoders, decoders, converters and units do");
            }
            return;
        }
    };
    let Some((from, to)) = &block.joins else {
        let message = format!("{} needs what it takes and what it gives", a(kind));
        let missing = Diagnostic::new(Code::E0425, message, block.name.span, "`: from -> to` is missing");
        let head = format!("{} {}", a(kind).split(' ').next_back().unwrap_or_default(), block.name.text);
        checker.diagnostics.push(missing.with_help(format!("such as `{head}: {example} {{ … }}`")));
        return;
    };
    for side in [from, to] {
        domain(checker, side, if kind == BlockKind::Converter || kind == BlockKind::Unit { PHYSICAL } else { LOGICAL });
    }
    let sides = (from.name.text.as_str(), to.name.text.as_str());
    let wrong = match kind {
        BlockKind::Encoder => sides.1 != "spikes",
        BlockKind::Decoder => sides.0 != "spikes",
        _ => false,
    };
    if wrong {
        let span = from.span.to(to.span);
        let message = format!("{} goes `{example}`", a(kind));
        checker.report(Code::E0425, message, span, "the other way round?");
    }
}

fn domain(checker: &mut Checker, side: &Type, known: &[&str]) {
    let word = side.name.text.as_str();
    if !known.contains(&word) {
        let message = if known == PHYSICAL {
            format!("`{word}` is not a physical domain")
        } else {
            format!("`{word}` is not a logical type")
        };
        let unknown = Diagnostic::new(Code::E0504, message, side.span, "not known");
        checker.diagnostics.push(unknown.with_help(suggestion(word, known.iter().copied())));
    } else if word == "bits" && side.args.len() != 1 {
        let missing = Diagnostic::new(Code::E0504, "`bits` needs a number of bits", side.span, "how many?");
        checker.diagnostics.push(missing.with_help("write `bits(8)`"));
    }
}
