//! Lines of an array that are open, and columns that replace others.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, MatrixId};

/// Which rows and columns of an array are open, and which columns replace others: known before its cells are programmed.
///
/// Each cell of its matrices has a number between 0 and 1 that says whether it is stuck, each line one that says whether it is open. Cells
/// of open lines get the number -1; a column that is replaced gets those of the spare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// The layer, for reports.
    pub name: String,
    /// The numbers of its rows, and of its columns, the spares last.
    pub rows: ArrayId,
    pub columns: ArrayId,
    /// Rows and columns whose numbers lie below these are open, cells below `stuck` are stuck.
    pub dead_row: f64,
    pub dead_column: f64,
    pub stuck: f64,
    /// Columns set aside, and the numbers of their cells, [spares, rows]; none: no column can be replaced.
    pub spares: usize,
    pub spare_cells: Option<ArrayId>,
    /// The matrices on it, each with its first row and the numbers of its cells, in their order.
    pub pieces: Vec<(MatrixId, usize, ArrayId)>,
}
