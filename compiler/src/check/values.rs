//! Values of properties: quantities of the right kind, words out of the known ones, blocks that exist.

use nmc_grammar::ast::{
    Arg, AssignOp, BinaryOp, Block, BlockKind, Expr as Ast, ExprKind, Field, Ident, Param, StmtKind,
};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;

use super::fields::{ANALOG, Holds, OPTIONS, field_key, fields, properties};
use super::header::PHYSICAL;
use super::{Checker, suggestion, unknown};
use crate::quantity::Dimension;
use crate::typing::blocks::is_port;
use crate::typing::functions::FUNCTIONS;
use crate::typing::term::{Closer, Scope, is_random};
use crate::typing::walk::{all, expressions, within};
use crate::units::type_dimension;

/// What a pulse does to a cell.
const PULSES: &[&str] = &["potentiation", "depression", "noise pulse"];
/// What units compute besides functions of single elements.
const BESIDES: &[&str] = &["any", "sum", "scale", "arithmetic", "softmax"];

pub fn check(checker: &mut Checker, block: &Block) {
    if block.kind == BlockKind::Experiment {
        return deploy(checker, block);
    }
    let mut scope = checker.parameters(block);
    if block.kind == BlockKind::Device {
        cell(checker, block, &mut scope);
    }
    for field in fields(&block.body) {
        let key = field_key(field);
        let Some(property) = properties(block.kind).iter().find(|property| property.key == key) else { continue };
        let errors = checker.errors();
        value(checker, &scope, field, property.holds);
        if block.kind == BlockKind::Tile && matches!(&*key, "cells" | "fast") && checker.errors() == errors {
            holds_weights(checker, &field.value);
        }
    }
}

/// Names of a cell that holds weights, and its aliases; what is wrong with these themselves is told with the equations.
fn cell(checker: &mut Checker, block: &Block, scope: &mut Scope) {
    cell_names(scope);
    for stmt in &block.body {
        let StmtKind::Assign { target, op: AssignOp::Set, value } = &stmt.kind else { continue };
        let ExprKind::Name(name) = &target.kind else { continue };
        match Closer::generic(checker.model, &mut Vec::new()).close(scope, checker.file, value) {
            Some(term) => drop(scope.names.insert(name.clone(), term)),
            None => drop(scope.failed.insert(name.clone())),
        }
        let drawn = scope.names.get(name).is_some_and(|term| is_random(&term.expr));
        let mut used = Vec::new();
        for stmt in block.body.iter().filter(|_| drawn) {
            let mut find = |ast: &Ast| match &ast.kind {
                ExprKind::Name(other) if other == name && ast.span != target.span => used.push(ast.span),
                _ => {}
            };
            match &stmt.kind {
                // What pulses do depends on the cell's own number, drawn once.
                StmtKind::Field(field) if PULSES.contains(&field_key(field).as_str()) => {}
                StmtKind::Field(field) => within(&field.value, &mut |ast| find(ast)),
                _ => expressions(stmt).into_iter().for_each(|ast| within(ast, &mut |ast| find(ast))),
            }
        }
        if let [first, second, ..] = used[..] {
            let message = format!("`{name}` is drawn anew at each place it is used");
            let wrong = Diagnostic::new(Code::E0455, message, second, "another number").with_label(first, "one number");
            checker.diagnostics.push(wrong.with_help("use it once"));
        }
    }
}

/// What expressions of a cell that holds weights know.
pub fn cell_names(scope: &mut Scope) {
    for name in ["g", "programmed", "asked", "range", "g_min", "g_max", "step"] {
        scope.names.insert(name.to_string(), unknown(Dimension::CONDUCTANCE));
    }
    scope.names.insert(String::from("v"), unknown(Dimension::VOLTAGE));
}

/// Cells of a tile have a range of conductances.
fn holds_weights(checker: &mut Checker, cells: &Ast) {
    let head = if let ExprKind::Call(callee, _) = &cells.kind { callee } else { cells };
    let head = if let ExprKind::Index(object, _) = &head.kind { object } else { head };
    let ExprKind::Name(name) = &head.kind else { return };
    let Some(device) = checker.named_block(&Ident { text: name.clone(), span: head.span }, &[BlockKind::Device]) else {
        return;
    };
    if !fields(&device.body).iter().any(|field| field_key(field) == "conductance") {
        let message = format!("`{name}` has dynamics of its own and cannot hold weights");
        let wrong = Diagnostic::new(Code::E0506, message, head.span, "it has no range `conductance: a .. b`");
        checker.diagnostics.push(wrong.with_help("use it as a population, and another device for the cells"));
    }
}

/// The network, the chip and the options of `deploy`.
fn deploy(checker: &mut Checker, block: &Block) {
    for stmt in &block.body {
        let StmtKind::Deploy { network, chip, body } = &stmt.kind else { continue };
        let (callee, args): (&Ast, &[Arg]) =
            if let ExprKind::Call(callee, args) = &network.kind { (callee, args) } else { (network, &[]) };
        if let ExprKind::Name(name) = &callee.kind
            && let Some(network) =
                checker.named_block(&Ident { text: name.clone(), span: callee.span }, &[BlockKind::Network])
        {
            args.iter().for_each(|arg| input_given(checker, network, arg));
        }
        // `ideal` needs no `use`.
        let is_ideal = |chip: &&Ast| matches!(&chip.kind, ExprKind::Name(name) if name == "ideal");
        if let Some(chip) = chip.as_ref().filter(|chip| !is_ideal(chip)) {
            checker.reference(&Scope::default(), chip, &[BlockKind::Chip]);
        }
        body.iter().for_each(|stmt| {
            if let StmtKind::Pin { value, .. } = &stmt.kind {
                pinned(checker, value);
            }
        });
        for field in fields(body) {
            let key = field_key(field);
            if let Some(option) =
                OPTIONS.iter().find(|one| one.key == key && matches!(one.holds, Holds::Word(_) | Holds::Words(_)))
            {
                value(checker, &Scope::default(), field, option.holds);
            }
        }
    }
}

/// Inputs are fed where samples are shown.
fn input_given(checker: &mut Checker, network: &Block, arg: &Arg) {
    let Some(name) = &arg.name else { return };
    let is = |param: &&Param| param.name.text == name.text && is_port(param);
    let Some(input) = network.params.iter().find(is) else { return };
    let message = format!("`{}` is an input of `{}`, not a parameter", name.text, network.name.text);
    let help = format!("feed it where it runs: `run for 1 s {{ {0}: … }}`, `test {{ {0}: … }}`", name.text);
    let wrong = Diagnostic::new(Code::E0206, message, name.span, "given to `deploy`");
    checker.diagnostics.push(wrong.with_label(input.span, "the input").with_help(help));
}

/// What is pinned: a domain, or a core by its two coordinates.
fn pinned(checker: &mut Checker, value: &Ast) {
    let fault = match &value.kind {
        ExprKind::Name(name) if PHYSICAL.contains(&name.as_str()) => None,
        ExprKind::Call(callee, args) => match &callee.kind {
            ExprKind::Name(name) if name == "bits" => None,
            ExprKind::Name(name) if name == "core" && args.len() == 2 => None,
            ExprKind::Name(name) if name == "core" => Some("a core has two coordinates"),
            _ => Some("this cannot be pinned"),
        },
        _ => Some("this cannot be pinned"),
    };
    if let Some(fault) = fault {
        let wrong = Diagnostic::new(Code::E0504, fault, value.span, "not a domain or a core");
        let help = "voltage, current, charge, pulse, spikes, light, bits, or `core(x, y)`";
        checker.diagnostics.push(wrong.with_help(help));
    }
}

fn value(checker: &mut Checker, scope: &Scope, field: &Field, holds: Holds) {
    let ideal = matches!(&field.value.kind, ExprKind::Name(name) if name == "ideal");
    match holds {
        Holds::OrIdeal(_) if ideal => {}
        Holds::Quantity("bool") => {
            Closer::generic(checker.model, checker.diagnostics).flag(scope, checker.file, &field.value);
        }
        Holds::Quantity(word) | Holds::OrIdeal(word) => {
            let Some(dimension) = type_dimension(word) else { return };
            Closer::generic(checker.model, checker.diagnostics).quantity(scope, checker.file, &field.value, dimension);
        }
        Holds::Deviation => {
            let mut closer = Closer::generic(checker.model, checker.diagnostics);
            match &field.value.kind {
                ExprKind::Call(callee, args) if matches!((&callee.kind, &args[..]), (ExprKind::Name(name), [_, _]) if name == "normal") =>
                {
                    closer.deviation(scope, checker.file, &args[0].value);
                    closer.quantity(scope, checker.file, &args[1].value, Dimension::NONE);
                }
                _ => drop(closer.deviation(scope, checker.file, &field.value)),
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
            let mut closer = Closer::generic(checker.model, checker.diagnostics);
            closer.range(scope, checker.file, (low, high), dimension);
        }
        Holds::Word(words) => word(checker, field, &field.value, words),
        Holds::Words(words) => all(&field.value).iter().for_each(|one| word(checker, field, one, words)),
        Holds::Noise(word) => noise(checker, scope, &field.value, word),
        Holds::Drawn(word) => {
            // What draws nothing is no noise, and told to be none.
            let drawn = Closer::generic(checker.model, &mut Vec::new()).close(scope, checker.file, &field.value);
            let normal = matches!(&field.value.kind, ExprKind::Call(callee, _) if matches!(&callee.kind, ExprKind::Name(name) if name == "normal"));
            match (normal, drawn, type_dimension(word)) {
                (false, Some(term), _) if !is_random(&term.expr) => noise(checker, scope, &field.value, word),
                (false, _, Some(dimension)) => {
                    checker.close_as(scope, &field.value, dimension);
                }
                (_, _, _) => noise(checker, scope, &field.value, word),
            }
        }
        Holds::Blocks(kinds, words) => checker.references(scope, &field.value, kinds, words),
        Holds::Calls(known) => calls(checker, scope, field, known),
        Holds::Functions => {
            let known: Vec<&str> = FUNCTIONS.iter().map(|(_, name)| *name).chain(BESIDES.iter().copied()).collect();
            for one in all(&field.value) {
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

/// One of the words a property knows.
fn word(checker: &mut Checker, field: &Field, ast: &Ast, words: &[&str]) {
    let word = if let ExprKind::Name(name) = &ast.kind { name.as_str() } else { "" };
    if !words.contains(&word) {
        let message = format!("not a value for `{}`", field_key(field));
        let unknown = Diagnostic::new(Code::E0221, message, ast.span, "not one of the known words");
        checker.diagnostics.push(unknown.with_help(suggestion(word, words.iter().copied())));
    }
}

/// `normal(0, SIGMA)`
fn noise(checker: &mut Checker, scope: &Scope, ast: &Ast, ty: &str) {
    if let ExprKind::Call(callee, args) = &ast.kind
        && matches!(&callee.kind, ExprKind::Name(name) if name == "normal")
        && let [mean, sigma] = &args[..]
        && matches!(mean.value.kind, ExprKind::Number { value: 0.0, .. })
    {
        if let Some(dimension) = type_dimension(ty) {
            checker.close_as(scope, &sigma.value, dimension);
        }
        return;
    }
    let wrong = Diagnostic::new(Code::E0221, "noise is normal around 0", ast.span, "not of that form");
    checker.diagnostics.push(wrong.with_help("such as `normal(0, 2 % of range)`"));
}

type Known<'k> = &'k [(&'static str, &'static [(&'static str, &'static str)])];

/// One call or a list of calls of known names.
fn calls(checker: &mut Checker, scope: &Scope, field: &Field, known: Known) {
    for one in all(&field.value) {
        let (name, args): (_, &[Arg]) = match &one.kind {
            ExprKind::Call(callee, args) => (&**callee, args),
            _ => (one, &[]),
        };
        let word = if let ExprKind::Name(name) = &name.kind { name.as_str() } else { "" };
        let is = |name: &str| if name.is_empty() { !word.is_empty() } else { name == word };
        let Some((_, parameters)) = known.iter().find(|(known, _)| is(known)) else {
            let message = format!("not a value for `{}`", field_key(field));
            let unknown = Diagnostic::new(Code::E0221, message, name.span, "not one of the known words");
            let help = match known {
                [("", parameters)] => format!("such as `spi({}: …)`", parameters.first().map_or("", |(name, _)| name)),
                _ => suggestion(word, known.iter().map(|(name, _)| *name)),
            };
            checker.diagnostics.push(unknown.with_help(help));
            continue;
        };
        arguments(checker, scope, args, parameters);
        // Of all parameters these alone have no default.
        let (required, example) = match parameters.first() {
            Some(("carries", _)) => (1, "neighbours(carries: voltage, energy: 50 fJ)"),
            Some(("share", _)) => (1, "stuck_on(0.1 %)"),
            Some(("amplitude", _)) => (3, "trap(amplitude: 20 % of g, capture: 1 ms, emission: 2 ms)"),
            Some(("sigma", _)) => (3, "flicker(sigma: 1 % of g, from: 100 ns, to: 1 day)"),
            _ => continue,
        };
        for (place, (wanted, _)) in parameters[..required].iter().enumerate() {
            let is = |(at, arg): (usize, &Arg)| arg.name.as_ref().map_or(at == place, |name| name.text == *wanted);
            if !args.iter().enumerate().any(is) {
                let missing =
                    Diagnostic::new(Code::E0207, format!("`{wanted}` must be given"), one.span, "missing here");
                checker.diagnostics.push(missing.with_help(format!("such as `{example}`")));
            }
        }
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
            Closer::generic(checker.model, checker.diagnostics).quantity(scope, checker.file, &arg.value, dimension);
        } else if !matches!(&arg.value.kind, ExprKind::Name(name) if ANALOG.contains(&name.as_str())) {
            let unknown = Diagnostic::new(Code::E0504, "wires carry an analog domain", arg.value.span, "not one");
            checker.diagnostics.push(unknown.with_help(format!("one of {}", ANALOG.join(", "))));
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
