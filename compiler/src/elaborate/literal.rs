//! Arrays written out, and constants that are such, as data.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_program::{Tensor, TensorData};

use super::Elaborator;
use super::array::Array;
use super::data::Data;
use super::signal::Kind;
use crate::typing::tables;

impl Elaborator<'_> {
    /// The array that a list of numbers, or of lists of one length, stands for.
    pub fn written(&mut self, ast: &Ast) -> Option<Data> {
        let table = self.closer.table(&self.names, self.file, ast)?;
        let name = if let ExprKind::Name(name) = &ast.kind { name.as_str() } else { "[…]" };
        let dimension = table.dimension();
        let tensor = Tensor { name: name.to_string(), shape: table.shape, data: TensorData::F64(table.values) };
        Some(Data::Array(Array::known(tensor, dimension)))
    }

    /// Whether a name is that of a constant with several numbers, and of nothing else here.
    pub fn is_table(&self, ast: &Ast) -> bool {
        self.axes(ast) > 0
    }

    fn axes(&self, ast: &Ast) -> usize {
        let ExprKind::Name(name) = &ast.kind else { return 0 };
        let hidden = self.names.hides(ast) || self.values.contains_key(name) || self.nodes.contains_key(name);
        if hidden { 0 } else { tables::axes(self.closer.model, self.file, ast) }
    }

    /// An entry of a constant is a number, a row of it is data; none of anything else.
    pub fn kind_of_entry(&self, ast: &Ast) -> Option<Kind> {
        let (base, indices) = tables::indexed(ast);
        let axes = self.axes(base);
        let several = indices.len() < axes || indices.iter().any(|index| matches!(index.kind, ExprKind::Range(..)));
        (axes > 0).then_some(if several { Kind::Data } else { Kind::Number })
    }
}
