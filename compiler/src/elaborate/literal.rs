//! Arrays written out: `[[0.5, 0.1], [0.2, 0.3]]`.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Tensor, TensorData};

use super::Elaborator;
use super::array::Array;
use super::data::Data;
use crate::quantity::Dimension;
use crate::units::dimension_name;

/// An array in the making.
#[derive(Default)]
struct Written {
    values: Vec<f64>,
    dimension: Option<Dimension>,
}

impl Elaborator<'_> {
    /// The array that a list of numbers, or of lists of one length, stands for.
    pub fn written(&mut self, ast: &Ast) -> Option<Data> {
        let mut written = Written::default();
        let shape = self.rows(ast, &mut written)?;
        let tensor = Tensor { name: String::from("[…]"), shape, data: TensorData::F64(written.values) };
        Some(Data::Array(Array::known(tensor, written.dimension.unwrap_or_default())))
    }

    /// Adds the numbers of a list; its shape.
    fn rows(&mut self, ast: &Ast, written: &mut Written) -> Option<Vec<usize>> {
        let ExprKind::List(rows) = &ast.kind else {
            self.entry_written(ast, written)?;
            return Some(Vec::new());
        };
        let mut shape: Option<Vec<usize>> = None;
        for row in rows {
            let inner = self.rows(row, written)?;
            if shape.as_ref().is_some_and(|shape| *shape != inner) {
                let wrong = Diagnostic::new(Code::E0303, "the rows of an array have one length", row.span, "another");
                self.closer.diagnostics.push(wrong.with_label(rows[0].span, "the first row"));
                return None;
            }
            shape = Some(inner);
        }
        let Some(inner) = shape else {
            self.error(Code::E0303, "an array has at least one number", ast.span, "nothing in it");
            return None;
        };
        Some([vec![rows.len()], inner].concat())
    }

    fn entry_written(&mut self, ast: &Ast, written: &mut Written) -> Option<()> {
        let term = self.closer.close(&self.names, self.file, ast)?;
        let Some(value) = term.value() else {
            self.error(Code::E0305, "an array holds fixed numbers", ast.span, "not known before the run");
            return None;
        };
        // 0 fits every dimension.
        let dimension = *written.dimension.get_or_insert(term.dimension);
        if dimension != term.dimension && value != 0.0 {
            if written.values.iter().any(|value| *value != 0.0) {
                let message = format!("an array of {} cannot hold this", dimension_name(dimension));
                self.error(Code::E0302, message, ast.span, dimension_name(term.dimension));
                return None;
            }
            written.dimension = Some(term.dimension);
        }
        written.values.push(value);
        Some(())
    }
}
