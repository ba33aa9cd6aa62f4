//! Values of properties: quantities of the right kind, words out of the known ones, blocks that exist.

use nmc_grammar::ast::{Arg, BinaryOp, Block, BlockKind, Expr as Ast, ExprKind, Field, Ident, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;

use super::fields::{Holds, OPTIONS, field_key, fields, properties};
use super::{Checker, suggestion, unknown};
use crate::quantity::Dimension;
use crate::typing::functions::FUNCTIONS;
use crate::typing::term::Scope;
use crate::units::type_dimension;

/// What units compute besides functions of single elements.
const BESIDES: &[&str] = &["any", "sum", "scale", "arithmetic"];

pub fn check(checker: &mut Checker, block: &Block) {
    if block.kind == BlockKind::Experiment {
        return deploy(checker, block);
    }
    let mut scope = checker.parameters(block);
    if block.kind == BlockKind::Device {
        for name in ["g", "range"] {
            scope.names.insert(name.to_string(), unknown(Dimension::CONDUCTANCE));
        }
    }
    for field in fields(&block.body) {
        let key = field_key(field);
        let Some(property) = properties(block.kind).iter().find(|property| property.key == key) else { continue };
        value(checker, &scope, field, property.holds);
    }
}

/// The network, the chip and the options of `deploy`.
fn deploy(checker: &mut Checker, block: &Block) {
    for stmt in &block.body {
        let StmtKind::Deploy { network, chip, body } = &stmt.kind else { continue };
        let callee = if let ExprKind::Call(callee, _) = &network.kind { callee } else { network };
        if let ExprKind::Name(name) = &callee.kind {
            checker.named_block(&Ident { text: name.clone(), span: callee.span }, &[BlockKind::Network]);
        }
        // `ideal` needs no `use`.
        let is_ideal = |chip: &&Ast| matches!(&chip.kind, ExprKind::Name(name) if name == "ideal");
        if let Some(chip) = chip.as_ref().filter(|chip| !is_ideal(chip)) {
            checker.reference(&Scope::default(), chip, &[BlockKind::Chip]);
        }
        for field in fields(body) {
            let key = field_key(field);
            if let Some(option) =
                OPTIONS.iter().find(|option| option.key == key && matches!(option.holds, Holds::Word(_)))
            {
                value(checker, &Scope::default(), field, option.holds);
            }
        }
    }
}

fn value(checker: &mut Checker, scope: &Scope, field: &Field, holds: Holds) {
    let ideal = matches!(&field.value.kind, ExprKind::Name(name) if name == "ideal");
    match holds {
        Holds::OrIdeal(_) if ideal => {}
        Holds::Quantity(word) | Holds::OrIdeal(word) => {
            let Some(dimension) = type_dimension(word) else { return };
            let term = checker.close_as(scope, &field.value, dimension);
            if term.and_then(|term| term.value()).is_some_and(|value| value < 0.0) {
                let message = format!("`{}` cannot be negative", field_key(field));
                checker.report(Code::E0503, message, field.value.span, "below 0");
            }
        }
        Holds::Range(word) => {
            let Some(dimension) = type_dimension(word) else { return };
            let ExprKind::Range(low, high) = &field.value.kind else {
                let wrong =
                    Diagnostic::new(Code::E0506, "a cell's conductance is a range", field.value.span, "not a range");
                checker.diagnostics.push(wrong.with_help("such as `10 uS .. 200 uS`"));
                return;
            };
            let (low, high) = (checker.close_as(scope, low, dimension), checker.close_as(scope, high, dimension));
            if let (Some(low), Some(high)) = (low.and_then(|t| t.value()), high.and_then(|t| t.value()))
                && (low >= high || low < 0.0)
            {
                checker.report(
                    Code::E0503,
                    "a range goes from a lower to a higher value",
                    field.value.span,
                    "it does not",
                );
            }
        }
        Holds::Word(words) => {
            let word = match &field.value.kind {
                ExprKind::Name(name) => name.as_str(),
                ExprKind::Bool(true) => "true",
                ExprKind::Bool(false) => "false",
                _ => "",
            };
            if !words.contains(&word) {
                let message = format!("not a value for `{}`", field_key(field));
                let unknown = Diagnostic::new(Code::E0221, message, field.value.span, "not one of the known words");
                checker.diagnostics.push(unknown.with_help(suggestion(word, words.iter().copied())));
            }
        }
        Holds::Blocks(kinds, words) => checker.references(scope, &field.value, kinds, words),
        Holds::Calls(known) => calls(checker, scope, field, known),
        Holds::Functions => {
            let known: Vec<&str> = FUNCTIONS.iter().map(|(_, name)| *name).chain(BESIDES.iter().copied()).collect();
            let all =
                if let ExprKind::List(all) = &field.value.kind { &all[..] } else { std::slice::from_ref(&field.value) };
            for one in all {
                let word = if let ExprKind::Name(name) = &one.kind { name.as_str() } else { "" };
                if !known.contains(&word) {
                    let unknown =
                        Diagnostic::new(Code::E0508, "a unit cannot compute this", one.span, "unknown function");
                    let near = closest(word, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                    let help = near.unwrap_or_else(|| String::from("such as relu, sigmoid, tanh, sum or any"));
                    checker.diagnostics.push(unknown.with_help(help));
                }
            }
        }
        Holds::Other => {}
    }
}

type Known<'k> = &'k [(&'static str, &'static [(&'static str, &'static str)])];

/// One call or a list of calls of known names.
fn calls(checker: &mut Checker, scope: &Scope, field: &Field, known: Known) {
    let all = match &field.value.kind {
        ExprKind::List(all) => &all[..],
        _ => std::slice::from_ref(&field.value),
    };
    for one in all {
        let (name, args): (_, &[Arg]) = match &one.kind {
            ExprKind::Call(callee, args) => (&**callee, args),
            _ => (one, &[]),
        };
        let word = if let ExprKind::Name(name) = &name.kind { name.as_str() } else { "" };
        let Some((_, parameters)) = known.iter().find(|(known, _)| *known == word) else {
            let message = format!("not a value for `{}`", field_key(field));
            let unknown = Diagnostic::new(Code::E0221, message, name.span, "not one of the known words");
            checker.diagnostics.push(unknown.with_help(suggestion(word, known.iter().map(|(name, _)| *name))));
            continue;
        };
        arguments(checker, scope, args, parameters);
    }
}

fn arguments(checker: &mut Checker, scope: &Scope, args: &[Arg], parameters: &[(&str, &str)]) {
    for (position, arg) in args.iter().enumerate() {
        let found = match &arg.name {
            Some(name) => parameters.iter().find(|(known, _)| *known == name.text),
            None => parameters.get(position),
        };
        let Some((_, ty)) = found else {
            let span = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            let word = arg.name.as_ref().map_or("", |name| &name.text);
            let unknown =
                Diagnostic::new(Code::E0206, format!("there is no parameter `{word}`"), span, "unknown parameter");
            checker.diagnostics.push(unknown.with_help(suggestion(word, parameters.iter().map(|(name, _)| *name))));
            continue;
        };
        if let Some(dimension) = type_dimension(ty) {
            checker.close_as(scope, &arg.value, dimension);
        }
    }
}

impl Checker<'_> {
    /// Blocks as properties name them: `sar(bits: 6)`, `cell[256, 256]`, `grid(8, 6) of cim`, alternatives and lists of these.
    fn references(&mut self, scope: &Scope, value: &Ast, kinds: &[BlockKind], words: &[&str]) {
        match &value.kind {
            ExprKind::List(all) => all.iter().for_each(|one| self.references(scope, one, kinds, words)),
            ExprKind::Binary(BinaryOp::Or, a, b) => {
                self.references(scope, a, kinds, words);
                self.references(scope, b, kinds, words);
            }
            ExprKind::Binary(BinaryOp::Of, grid, core) => {
                if let ExprKind::Call(callee, args) = &grid.kind
                    && matches!(&callee.kind, ExprKind::Name(name) if name == "grid")
                    && args.len() == 2
                {
                    for arg in args {
                        self.close_as(scope, &arg.value, Dimension::NONE);
                    }
                } else {
                    let wrong = Diagnostic::new(Code::E0221, "cores stand on a grid", grid.span, "not a grid");
                    self.diagnostics.push(wrong.with_help("such as `grid(8, 6) of cim`"));
                }
                self.references(scope, core, kinds, words);
            }
            ExprKind::Name(name) if words.contains(&name.as_str()) => {}
            ExprKind::Call(callee, _)
                if words.contains(&"bits") && matches!(&callee.kind, ExprKind::Name(name) if name == "bits") => {}
            // `bit_serial(dac(bits: 1), bits: 8)`
            ExprKind::Call(callee, args)
                if words.contains(&"bits") && matches!(&callee.kind, ExprKind::Name(name) if name == "bit_serial") =>
            {
                for arg in args {
                    match arg.name {
                        None => self.references(scope, &arg.value, kinds, words),
                        Some(_) => drop(self.close_as(scope, &arg.value, Dimension::NONE)),
                    }
                }
            }
            _ => self.reference(scope, value, kinds),
        }
    }
}
