//! Converters and units: what joins two domains, and what computes a function of each element.

use nmc_grammar::ast::{Block, BlockKind, Expr as Ast, ExprKind, StmtKind, Type};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::suggest::closest;

use super::super::functions::FUNCTIONS;
use super::super::term::Term;
use super::{AREA, ENERGY, Elaborator, POWER, domain_word, place};
use crate::forms::chip::{Converter, Domain, UnitKind};
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;

/// The finest converter.
const MOST_BITS: usize = 32;

impl Elaborator<'_> {
    /// The converter a place names, as an index into the chip's.
    pub(super) fn converter(&mut self, ast: &Ast) -> Option<usize> {
        let used = self.used(ast, BlockKind::Converter)?;
        let converter = self.within(&used, |this, block| this.converter_fields(block))?;
        Some(place(&mut self.chip.converters, converter))
    }

    fn converter_fields(&mut self, block: &Block) -> Option<Converter> {
        let known = ["energy", "area", "time", "noise", "gain_error", "offset", "droop", "static_power"];
        let fields = self.fields_of(block, &known)?;
        let (from, to, bits) = self.joins(block)?;
        Some(Converter {
            name: block.name.text.clone(),
            from,
            to,
            bits,
            energy: self.number(&fields, "energy", ENERGY, 0.0)?,
            area: self.number(&fields, "area", AREA, 0.0)?,
            time: self.number(&fields, "time", Dimension::TIME, 0.0)?,
            noise: self.number(&fields, "noise", Dimension::NONE, 0.0)?,
            gain_error: self.number(&fields, "gain_error", Dimension::NONE, 0.0)?,
            offset_lsb: self.number(&fields, "offset", Dimension::NONE, 0.0)?,
            droop: self.number(&fields, "droop", Dimension::FREQUENCY, 0.0)?,
            static_power: self.number(&fields, "static_power", POWER, 0.0)?,
        })
    }

    /// What a converter or unit joins, and the width of its bits.
    fn joins(&mut self, block: &Block) -> Option<(Domain, Domain, Option<u32>)> {
        let Some((from, to)) = &block.joins else {
            let message =
                format!("the {} `{}` does not say what it joins", super::super::word(block.kind), block.name.text);
            let missing = Diagnostic::new(Code::E0502, message, block.name.span, "its two domains are missing");
            let help = format!("as in `{}: current -> bits(8)`", block.name.text);
            self.closer.diagnostics.push(missing.with_help(help));
            return None;
        };
        let (source, first) = self.joined(from)?;
        let (target, second) = self.joined(to)?;
        Some((source, target, second.or(first)))
    }

    fn joined(&mut self, ty: &Type) -> Option<(Domain, Option<u32>)> {
        let Some(domain) = domain_word(&ty.name.text) else {
            let message = format!("`{}` is not a physical domain", ty.name.text);
            let mut wrong = Diagnostic::new(Code::E0504, message, ty.span, "not a domain");
            let known = ["voltage", "current", "charge", "pulse", "spikes", "light", "bits"];
            wrong.help = closest(&ty.name.text, known)
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| Some(format!("one of {}", known.join(", "))));
            self.closer.diagnostics.push(wrong);
            return None;
        };
        let Some(bits) = ty.args.first() else { return Some((domain, None)) };
        let width = self.count(bits, 1.0)?;
        if width > MOST_BITS {
            self.error(Code::E0503, format!("{width} bits are too many"), bits.span, format!("at most {MOST_BITS}"));
            return None;
        }
        Some((domain, Some(width as u32)))
    }

    pub(super) fn unit_fields(&mut self, block: &Block) -> Option<UnitKind> {
        let fields = self.fields_of(block, &["implements", "energy", "area", "time", "noise", "static_power"])?;
        let (from, to, bits) = self.joins(block)?;
        let implements = self.needed(&fields, "implements", block)?;
        let list: Vec<&Ast> =
            if let ExprKind::List(items) = &implements.kind { items.iter().collect() } else { vec![implements] };
        let mut functions = Vec::new();
        for item in list {
            let name = if let ExprKind::Name(name) = &item.kind { name.as_str() } else { "" };
            let known = || FUNCTIONS.iter().map(|(_, name)| *name).chain(["any", "sum", "scale", "arithmetic"]);
            if !known().any(|known| known == name) {
                let mut unknown =
                    Diagnostic::new(Code::E0508, "a unit cannot compute this", item.span, "unknown function");
                unknown.help = closest(name, known())
                    .map(|near| format!("did you mean `{near}`?"))
                    .or_else(|| Some(String::from("such as relu, sigmoid, tanh, sum or any")));
                self.closer.diagnostics.push(unknown);
                return None;
            }
            functions.push(name.to_string());
        }
        Some(UnitKind {
            name: block.name.text.clone(),
            implements: functions,
            from,
            to,
            bits,
            transfer: self.transfer(block)?,
            energy: self.number(&fields, "energy", ENERGY, 0.0)?,
            area: self.number(&fields, "area", AREA, 0.0)?,
            time: self.number(&fields, "time", Dimension::TIME, 0.0)?,
            noise: self.number(&fields, "noise", Dimension::NONE, 0.0)?,
            static_power: self.number(&fields, "static_power", POWER, 0.0)?,
        })
    }

    /// `y = …` over `x`, if it is said.
    fn transfer(&mut self, block: &Block) -> Option<Option<Expr>> {
        for stmt in &block.body {
            match &stmt.kind {
                StmtKind::Assign { target, value, .. } if matches!(&target.kind, ExprKind::Name(name) if name == "y") =>
                {
                    let mut scope = self.names.clone();
                    let x = Term { expr: Expr::Symbol(Symbol::Input(0)), dimension: Dimension::NONE };
                    scope.names.insert(String::from("x"), x);
                    let term = self.closer.close_as(&scope, self.file, value, Dimension::NONE)?;
                    return Some(Some(term.expr));
                }
                StmtKind::Field(_) => {}
                _ => {
                    self.error(Code::E0401, "this statement has no meaning in a unit", stmt.span, "misplaced");
                    return None;
                }
            }
        }
        Some(None)
    }
}
