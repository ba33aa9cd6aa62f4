//! Open lines, and spare columns that replace the worst of an array: what a controller does when it has tested a chip.

use nmc_program::{Lines, Program};
use serde::{Deserialize, Serialize};

use crate::interpreter::Computable;
use crate::state::Buffer;

/// The number of a cell that lies on an open line.
pub const OPEN: f64 = -1.0;

/// What is wrong with an array, and what its spare columns have mended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Repaired {
    /// The layer.
    pub name: String,
    /// Columns set aside, and how many of them replace others.
    pub spares: usize,
    pub used: usize,
    /// Rows and columns in use, those of them that are open, and the columns that still are.
    pub rows: usize,
    pub columns: usize,
    pub dead_rows: usize,
    pub dead_columns: usize,
    pub dead_columns_left: usize,
    /// Cells in use, those that are stuck or on an open line, and those that still are.
    pub cells: usize,
    pub faulty: usize,
    pub faulty_left: usize,
}

/// Marks the cells of open lines, and gives the worst columns the cells of spares: those with more faulty cells than the best spare left.
pub fn repair<T: Computable>(program: &Program, lines: &Lines, buffers: &mut [Buffer<T>]) -> Repaired {
    let all = |array: nmc_program::ArrayId| -> Vec<f64> {
        buffers[array.index()].lane(0).iter().map(|number| number.wide()).collect()
    };
    // Each piece's cells, with the rows and columns that they lie on.
    let mut pieces = Vec::new();
    for &(matrix, first, numbers) in &lines.pieces {
        let found = &program.matrices[matrix.index()];
        let Some(cells) = &found.cells else { continue };
        let width = cells.scheme.cells(1, found.cols);
        let places = (0..found.rows).flat_map(|row| (0..width).map(move |index| (row, index)));
        let places = places.map(|(row, index)| {
            let (row, column) = cells.place(row, index, found.cols);
            (first + row, column)
        });
        pieces.push((places.collect::<Vec<_>>(), (width, cells.scheme.own(found.cols)), all(numbers)));
    }
    let lines_of = || pieces.iter().flat_map(|(places, ..)| places);
    let rows = lines_of().map(|(row, _)| row + 1).max().unwrap_or(0);
    let used = lines_of().map(|(_, column)| column + 1).max().unwrap_or(0);
    let dead = |numbers: Vec<f64>, share: f64| numbers.into_iter().map(|number| number < share).collect::<Vec<bool>>();
    let (dead_rows, dead_columns) =
        (dead(all(lines.rows), lines.dead_row), dead(all(lines.columns), lines.dead_column));
    let spare_cells = lines.spare_cells.map_or_else(Vec::new, all);
    let height = dead_rows.len();
    let (first_spare, is_bad) = (dead_columns.len() - lines.spares, |number: f64| number < lines.stuck);

    // Cells that are stuck or open, of each column in use and of each spare.
    let mut faulty = vec![0; used];
    let mut cells = 0;
    for (places, (width, own), numbers) in &pieces {
        let of_it = places.iter().zip(numbers).enumerate().filter(|(index, _)| index % width < *own);
        for (_, (&(row, column), &number)) in of_it {
            cells += 1;
            faulty[column] += usize::from(dead_rows[row] || dead_columns[column] || is_bad(number));
        }
    }
    let of_spare = |spare: usize| {
        let cell = |row: usize| {
            dead_rows[row] || dead_columns[first_spare + spare] || is_bad(spare_cells[spare * height + row])
        };
        (0..rows).filter(|&row| cell(row)).count()
    };
    let mut spares: Vec<(usize, usize)> =
        (0..spare_cells.len() / height.max(1)).map(|spare| (of_spare(spare), spare)).collect();
    spares.sort_unstable();
    let mut worst: Vec<(usize, usize)> = faulty.iter().copied().zip(0..).collect();
    worst.sort_unstable_by_key(|&(faulty, column)| (std::cmp::Reverse(faulty), column));
    let replaced: Vec<(usize, usize)> = worst
        .iter()
        .zip(&spares)
        .take_while(|((faulty, _), (of_spare, _))| of_spare < faulty)
        .map(|(&(_, column), &(_, spare))| (column, spare))
        .collect();
    let mut in_place = vec![None; used];
    replaced.iter().for_each(|&(column, spare)| in_place[column] = Some(spare));
    let is_dead = |column: usize| dead_columns[in_place[column].map_or(column, |spare| first_spare + spare)];

    let mut faulty_left = 0;
    for (&(.., numbers_of), (places, (width, own), numbers)) in lines.pieces.iter().zip(&mut pieces) {
        for (index, (&(row, column), number)) in places.iter().zip(&mut *numbers).enumerate() {
            if let Some(spare) = in_place[column] {
                *number = spare_cells[spare * height + row];
            }
            if dead_rows[row] || is_dead(column) {
                *number = OPEN;
            }
            faulty_left += usize::from(index % *width < *own && is_bad(*number));
        }
        let marked = &mut buffers[numbers_of.index()].data;
        marked.iter_mut().zip(numbers).for_each(|(marked, number)| *marked = T::of(*number));
    }
    let count = |dead: &[bool]| dead.iter().filter(|dead| **dead).count();
    Repaired {
        name: lines.name.clone(),
        spares: lines.spares,
        used: replaced.len(),
        rows,
        columns: used,
        dead_rows: count(&dead_rows[..rows]),
        dead_columns: count(&dead_columns[..used]),
        dead_columns_left: (0..used).filter(|&column| is_dead(column)).count(),
        cells,
        faulty: faulty.iter().sum(),
        faulty_left,
    }
}
