//! Memory cells that hold weights: their range, levels, noise, drift, faults and programming.

use nmc_grammar::ast::{Block, Expr as Ast, ExprKind, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::super::term::Term;
use super::{AREA, ENERGY, Elaborator, Fields, is_ideal};
use crate::forms::chip::Device;
use crate::forms::equations::{Expr, Symbol};
use crate::quantity::Dimension;

impl Elaborator<'_> {
    pub(super) fn cell_fields(&mut self, block: &Block) -> Option<Device> {
        let known = [
            "conductance",
            "levels",
            "noise programming",
            "noise read",
            "drift",
            "faults",
            "programming",
            "cell_area",
            "method",
        ];
        let dynamic =
            block.body.iter().any(|stmt| matches!(stmt.kind, StmtKind::State { .. } | StmtKind::Assign { .. }));
        if dynamic {
            let message = format!("`{}` has dynamics of its own and cannot hold weights", block.name.text);
            let wrong = Diagnostic::new(Code::E0506, message, block.name.span, "no range `conductance: a .. b`");
            self.closer.diagnostics.push(wrong.with_help("use it as a population, and another device for the cells"));
            return None;
        }
        let fields = self.fields_of(block, &known)?;
        let range = self.needed(&fields, "conductance", block)?;
        let ExprKind::Range(low, high) = &range.kind else {
            let wrong = Diagnostic::new(Code::E0506, "a cell's conductance is a range", range.span, "not a range");
            self.closer.diagnostics.push(wrong.with_help("such as `conductance: 1 uS .. 100 uS`"));
            return None;
        };
        let g_min = self.quantity(low, Dimension::CONDUCTANCE)?;
        let g_max = self.quantity(high, Dimension::CONDUCTANCE)?;
        if g_min >= g_max {
            self.error(Code::E0503, "this range is empty", range.span, "the first end must be below the second");
            return None;
        }
        let levels = match fields.get("levels") {
            Some(ast) if !is_ideal(ast) => Some(self.count(ast, 2.0)? as u32),
            _ => None,
        };
        let range = g_max - g_min;
        let (stuck_on, stuck_off) = self.faults(&fields)?;
        let (program_pulses, pulse_energy) = self.programming(&fields)?;
        Some(Device {
            name: block.name.text.clone(),
            g_min,
            g_max,
            levels,
            programming_sigma: self.sigma(&fields, "noise programming", range)?,
            read_sigma: self.sigma(&fields, "noise read", range)?,
            drift: self.drift(&fields, range)?,
            stuck_on,
            stuck_off,
            program_pulses,
            pulse_energy,
            area: self.number(&fields, "cell_area", AREA, 0.0)?,
        })
    }

    /// An expression of `g` and `range`.
    fn cell_expression(&mut self, ast: &Ast, range: f64) -> Option<Expr> {
        let mut scope = self.names.clone();
        let siemens = |expr| Term { expr, dimension: Dimension::CONDUCTANCE };
        scope.names.insert(String::from("g"), siemens(Expr::Symbol(Symbol::Input(0))));
        scope.names.insert(String::from("range"), siemens(Expr::Number(range)));
        scope.names.insert(String::from("t"), Term { expr: Expr::Symbol(Symbol::Time), dimension: Dimension::TIME });
        self.closer.close_as(&scope, self.file, ast, Dimension::CONDUCTANCE).map(|term| term.expr)
    }

    /// The spread of `normal(0, …)`.
    fn sigma(&mut self, fields: &Fields, key: &str, range: f64) -> Option<Option<Expr>> {
        let Some(ast) = fields.get(key) else { return Some(None) };
        let spread = match &ast.kind {
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "normal") => {
                match &args[..] {
                    [mean, spread] if matches!(mean.value.kind, ExprKind::Number { value: 0.0, .. }) => {
                        Some(&spread.value)
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        let Some(spread) = spread else {
            self.error(Code::E0503, "noise is normal around 0", ast.span, "such as `normal(0, 2 % of range)`");
            return None;
        };
        self.cell_expression(spread, range).map(Some)
    }

    fn drift(&mut self, fields: &Fields, range: f64) -> Option<Option<Expr>> {
        let Some(ast) = fields.get("drift") else { return Some(None) };
        self.cell_expression(ast, range).map(Some)
    }

    /// Shares of cells stuck at the highest and at the lowest conductance.
    fn faults(&mut self, fields: &Fields) -> Option<(f64, f64)> {
        let Some(ast) = fields.get("faults") else { return Some((0.0, 0.0)) };
        let list: Vec<&Ast> = if let ExprKind::List(items) = &ast.kind { items.iter().collect() } else { vec![ast] };
        let (mut on, mut off) = (0.0, 0.0);
        for item in list {
            let found = match &item.kind {
                ExprKind::Call(callee, args) => match (&callee.kind, &args[..]) {
                    (ExprKind::Name(name), [share]) if name == "stuck_on" => Some((&mut on, &share.value)),
                    (ExprKind::Name(name), [share]) if name == "stuck_off" => Some((&mut off, &share.value)),
                    _ => None,
                },
                _ => None,
            };
            let Some((share, value)) = found else {
                self.error(Code::E0503, "unknown fault", item.span, "`stuck_on(0.1 %)` or `stuck_off(0.1 %)`");
                return None;
            };
            *share = self.quantity(value, Dimension::NONE)?;
        }
        if on + off > 1.0 {
            self.error(Code::E0503, "more than all cells are faulty", ast.span, "shares add to more than 100 %");
            return None;
        }
        Some((on, off))
    }

    /// Pulses to program a cell, and joules a pulse.
    fn programming(&mut self, fields: &Fields) -> Option<(f64, f64)> {
        let Some(ast) = fields.get("programming") else { return Some((0.0, 0.0)) };
        let given = self.call_numbers(ast, &[("pulses", Dimension::NONE), ("pulse_energy", ENERGY)])?;
        let number = |key: &str| given.get(key).copied().unwrap_or(0.0);
        Some((number("pulses"), number("pulse_energy")))
    }
}
