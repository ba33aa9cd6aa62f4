//! Tables: arrays written out, `[[0.5, 0.1], [0.2, 0.3]]`, and entries of those that are constants, taken while compiling.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::FileId;

use super::term::{Closer, Scope, Term};
use super::walk;
use crate::forms::equations::{Expr, Symbol};
use crate::forms::model::{Definition, Model};
use crate::quantity::Dimension;
use crate::units::dimension_name;

/// A chain of constants that stand for one another, and the axes of a table, are no longer.
const DEEPEST: usize = 100;

/// Numbers with their shape.
#[derive(Debug, Default)]
pub struct Table {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    dimension: Option<Dimension>,
}

impl Table {
    pub fn dimension(&self) -> Dimension {
        self.dimension.unwrap_or_default()
    }
}

/// The entries of a list, or of a constant that is one, with the file that they are written in.
fn entries<'t>(model: &'t Model, mut file: FileId, mut ast: &'t Ast) -> Option<(FileId, &'t [Ast])> {
    for _ in 0..DEEPEST {
        match &ast.kind {
            ExprKind::List(all) => return Some((file, all)),
            ExprKind::Name(name) => {
                let id = model.lookup(file, name)?;
                let Definition::Constant(value) = model.definition(id)? else { return None };
                (file, ast) = (id.file, value);
            }
            _ => return None,
        }
    }
    None
}

/// How many axes a list or a constant has; 0 of a number.
pub fn axes(model: &Model, file: FileId, ast: &Ast) -> usize {
    let (mut axes, mut at) = (0, entries(model, file, ast));
    while let Some((file, all)) = at
        && axes < DEEPEST
    {
        axes += 1;
        at = all.first().and_then(|first| entries(model, file, first));
    }
    axes
}

/// What is indexed, `p` of `p[l][k]`, and all its indices in order.
pub fn indexed(ast: &Ast) -> (&Ast, Vec<&Ast>) {
    let (mut base, mut groups) = (ast, Vec::new());
    while let ExprKind::Index(object, indices) = &base.kind {
        groups.push(indices);
        base = object;
    }
    (base, groups.into_iter().rev().flatten().collect())
}

impl Closer<'_> {
    /// An array written out: lists of one length, of numbers of one dimension.
    pub fn table(&mut self, scope: &Scope, file: FileId, ast: &Ast) -> Option<Table> {
        let mut table = Table::default();
        table.shape = self.rows(scope, file, ast, &mut table)?;
        Some(table)
    }

    /// Adds the numbers of a list; its shape.
    fn rows(&mut self, scope: &Scope, file: FileId, ast: &Ast, table: &mut Table) -> Option<Vec<usize>> {
        let model = self.model;
        let Some((inside, rows)) = entries(model, file, ast).filter(|_| !scope.hides(ast)) else {
            self.entry_written(scope, file, ast, table)?;
            return Some(Vec::new());
        };
        let constants = Scope::default();
        let scope = if matches!(ast.kind, ExprKind::Name(_)) { &constants } else { scope };
        let mut shape: Option<Vec<usize>> = None;
        for row in rows {
            let inner = self.within(row, |closer| closer.rows(scope, inside, row, table))?;
            if shape.as_ref().is_some_and(|shape| *shape != inner) {
                let wrong = Diagnostic::new(Code::E0303, "the rows of an array have one length", row.span, "another");
                self.diagnostics.push(wrong.with_label(rows[0].span, "the first row"));
                return None;
            }
            shape = Some(inner);
        }
        let Some(inner) = shape else {
            let message = "an array has at least one number";
            self.diagnostics.push(Diagnostic::new(Code::E0303, message, ast.span, "nothing in it"));
            return None;
        };
        Some([vec![rows.len()], inner].concat())
    }

    fn entry_written(&mut self, scope: &Scope, file: FileId, ast: &Ast, table: &mut Table) -> Option<()> {
        let term = self.close(scope, file, ast)?;
        let Some(value) = term.value() else {
            let message = "an array holds fixed numbers";
            self.diagnostics.push(Diagnostic::new(Code::E0305, message, ast.span, "not known before the run"));
            return None;
        };
        // 0 fits every dimension.
        let dimension = *table.dimension.get_or_insert(term.dimension);
        if dimension != term.dimension && value != 0.0 {
            if table.values.iter().any(|value| *value != 0.0) {
                let message = format!("an array of {} cannot hold this", dimension_name(dimension));
                let other = dimension_name(term.dimension);
                self.diagnostics.push(Diagnostic::new(Code::E0302, message, ast.span, other));
                return None;
            }
            table.dimension = Some(term.dimension);
        }
        table.values.push(value);
        Some(())
    }

    /// `sizes[k]`, `p[l][k]`, `p[l, k]`: a number of a table.
    pub fn entry(&mut self, scope: &Scope, file: FileId, ast: &Ast) -> Option<Term> {
        let model = self.model;
        let (base, indices) = indexed(ast);
        let name = walk::path(base).map_or_else(|| String::from("the table"), |name| format!("`{name}`"));
        let no_number = |span, label: String| Diagnostic::new(Code::E0305, "a number is needed here", span, label);
        if scope.hides(base) || entries(model, file, base).is_none() {
            let help = "an index takes an entry of a constant, `const sizes = [10, 20]`; a number of other data gets a name first, `n = x[3]`";
            return self.report(no_number(ast.span, String::from("this is not a number")).with_help(help));
        }
        let (mut at, mut unknown) = ((file, base), false);
        for (axis, index) in indices.into_iter().enumerate() {
            let Some((inside, all)) = entries(model, at.0, at.1) else {
                let message = format!("{name} has {axis} {}", if axis == 1 { "axis" } else { "axes" });
                return self.report(Diagnostic::new(Code::E0309, message, index.span, "one index too many"));
            };
            if matches!(index.kind, ExprKind::Range(..)) {
                return self.report(no_number(index.span, String::from("these are several")));
            }
            let place = self.count(scope, file, index, 0.0)?;
            if place.value().is_none() && !self.generic {
                let message = "an entry of a table is chosen while compiling";
                let wrong = Diagnostic::new(Code::E0305, message, index.span, "not known before the run");
                let help = "by a number, a parameter or the index of a `for`";
                return self.report(wrong.with_help(help));
            }
            unknown |= place.value().is_none();
            let Some(entry) = all.get(place.value().unwrap_or(0.0) as usize) else {
                let message = format!("{name} has {} entries along this axis, the first is 0", all.len());
                let label = format!("{} is asked for", place.value().unwrap_or(0.0));
                return self.report(Diagnostic::new(Code::E0309, message, index.span, label));
            };
            at = (inside, entry);
        }
        if let Some((_, all)) = entries(model, at.0, at.1) {
            return self.report(no_number(ast.span, format!("a row of {} entries", all.len())));
        }
        let term = self.within(ast, |closer| closer.close(&Scope::default(), at.0, at.1))?;
        Some(if unknown { Term { expr: Expr::Symbol(Symbol::SourceIndex), ..term } } else { term })
    }
}
