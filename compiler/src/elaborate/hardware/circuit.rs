//! Converters and units: what joins two domains, and what computes a function of each element.

use nmc_grammar::ast::{Block, BlockKind, Expr as Ast, ExprKind, StmtKind, Type};
use nmc_grammar::codes::Code;

use super::super::term::Term;
use super::{AREA, ENERGY, Elaborator, POWER, domain_word, fields_of, place};
use crate::forms::chip::{Converter, Domain, FullScale, UnitKind};
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;
use crate::typing::walk::all;

const CHARGE: Dimension = Dimension::of([0, 0, 1, 1, 0]);
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
        let fields = fields_of(block);
        let (from, to, bits) = self.joins(block)?;
        for (key, what) in [("offset", "an offset in steps"), ("inl", "a nonlinearity in steps"), ("range", "a range")]
        {
            if let (None, Some(of)) = (bits, fields.get(key)) {
                let message = format!("`{}` has {what} but no bits", block.name.text);
                self.error(Code::E0503, message, of.span, "steps of what? give `bits(n)` at one end, or leave it out");
                return None;
            }
        }
        let full_scale = match fields.get("range") {
            Some(range) => Some(self.full_scale(range, (from, to))?),
            None => None,
        };
        Some(Converter {
            name: block.name.text.clone(),
            from,
            to,
            bits,
            energy: self.number(&fields, "energy", ENERGY, 0.0)?,
            area: self.number(&fields, "area", AREA, 0.0)?,
            time: self.number(&fields, "time", Dimension::TIME, 0.0)?,
            noise: self.number(&fields, "noise", Dimension::NONE, 0.0)?,
            gain_error: self.deviation(&fields, "gain_error")?,
            offset_lsb: self.deviation(&fields, "offset")?,
            inl_lsb: self.fixed(&fields, "inl")?,
            full_scale,
            corrected: false,
            droop: self.number(&fields, "droop", Dimension::FREQUENCY, 0.0)?,
            static_power: self.number(&fields, "static_power", POWER, 0.0)?,
        })
    }

    /// A full range: in the numbers of the network, or what a column gives at most.
    fn full_scale(&mut self, ast: &Ast, (from, to): (Domain, Domain)) -> Option<FullScale> {
        let names = self.names.clone();
        let term = self.closer.close(&names, self.file, ast)?;
        let full = self.closer.known(&term, ast)?;
        let sensed = match from {
            Domain::Current if to == Domain::Bits => Some(Dimension::CURRENT),
            Domain::Charge if to == Domain::Bits => Some(CHARGE),
            Domain::Voltage if to == Domain::Bits => Some(Dimension::VOLTAGE),
            _none => None,
        };
        let known = if term.dimension == Dimension::NONE {
            Some(FullScale::Values(full))
        } else {
            sensed.filter(|dimension| *dimension == term.dimension).map(|_| FullScale::Sensed(full))
        };
        let (message, label) = match known {
            Some(known) if full > 0.0 && full.is_finite() => return Some(known),
            Some(_) => ("a full range is above 0", "is not"),
            None if sensed.is_some() => (
                "this is no range of what it converts",
                "a number of the network, or what it senses at most: `range: 20 uA` of a current, `range: 2 pC` of a charge, `range: 20 mV` of a voltage",
            ),
            None => (
                "this is no range of what it converts",
                "nothing says how large a value of the network is there: give a number of the network, `range: 1.5`",
            ),
        };
        self.error(Code::E0503, message, ast.span, label);
        None
    }

    /// What a converter or unit joins, and the width of its bits.
    fn joins(&mut self, block: &Block) -> Option<(Domain, Domain, Option<u32>)> {
        let (from, to) = block.joins.as_ref()?;
        let (source, first) = self.joined(from)?;
        let (target, second) = self.joined(to)?;
        Some((source, target, second.or(first)))
    }

    fn joined(&mut self, ty: &Type) -> Option<(Domain, Option<u32>)> {
        let domain = domain_word(&ty.name.text)?;
        let Some(bits) = ty.args.first() else { return Some((domain, None)) };
        let width = self.count(bits, 1.0)?;
        if width > MOST_BITS {
            self.error(Code::E0503, format!("{width} bits are too many"), bits.span, format!("at most {MOST_BITS}"));
            return None;
        }
        Some((domain, Some(width as u32)))
    }

    pub(super) fn unit_fields(&mut self, block: &Block) -> Option<UnitKind> {
        let fields = fields_of(block);
        let (from, to, bits) = self.joins(block)?;
        let word = |item: &Ast| if let ExprKind::Name(name) = &item.kind { Some(name.clone()) } else { None };
        let functions: Vec<String> = all(fields.get("implements")?).iter().filter_map(word).collect();
        let transfer = self.transfer(block)?;
        let of_number = |name: &String| UnitKind::OF_NUMBERS.contains(&name.as_str());
        if transfer.is_some() && functions.len() > 1 && functions.iter().any(of_number) {
            let message = "what `y` is of differs: of a softmax `x` is a logit less the largest, of tanh, sigmoid, sign and step a number of the network, else a share of the full range";
            self.error(Code::E0503, message, fields.get("implements")?.span, "describe two units");
            return None;
        }
        let gain_error = self.deviation(&fields, "gain_error")?;
        if !gain_error.is_none() && (from, to) == (Domain::Bits, Domain::Bits) {
            let label = "arithmetic on bits has no gain";
            self.error(Code::E0503, "a digital unit with an error of gain", fields.get("gain_error")?.span, label);
            return None;
        }
        Some(UnitKind {
            name: block.name.text.clone(),
            implements: functions,
            from,
            to,
            bits,
            transfer,
            energy: self.number(&fields, "energy", ENERGY, 0.0)?,
            area: self.number(&fields, "area", AREA, 0.0)?,
            time: self.number(&fields, "time", Dimension::TIME, 0.0)?,
            noise: self.number(&fields, "noise", Dimension::NONE, 0.0)?,
            gain_error,
            static_power: self.number(&fields, "static_power", POWER, 0.0)?,
        })
    }

    /// `y = …` over `x`, if it is said.
    fn transfer(&mut self, block: &Block) -> Option<Option<Expr>> {
        let given = block.body.iter().find_map(|stmt| match &stmt.kind {
            StmtKind::Assign { target, value, .. } if matches!(&target.kind, ExprKind::Name(name) if name == "y") => {
                Some(value)
            }
            _ => None,
        });
        let Some(value) = given else { return Some(None) };
        let mut scope = self.names.clone();
        let x = Term { expr: Expr::Symbol(Symbol::Input(0)), dimension: Dimension::NONE };
        scope.names.insert(String::from("x"), x);
        self.closer.close_as(&scope, self.file, value, Dimension::NONE).map(|term| Some(term.expr))
    }
}
