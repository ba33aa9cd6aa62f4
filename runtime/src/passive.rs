//! Programming and training of passive arrays: while a cell gets a pulse, cells that share lines with it see a part of its voltage, which may move them
//! and takes energy.

use std::collections::BTreeSet;

use nmc_program::{HalfSelected, Matrix, MatrixId, Program, Scheme, Written, WrittenBy};

use crate::floating::Lines;
use crate::interpreter::Computable;
use crate::state::{Buffer, Clock, Kernels};
use crate::write::{self, Given};

/// Cells of a matrix that see a part of a pulse, and whether they see it the same way round.
struct Beside {
    matrix: MatrixId,
    list: Vec<u32>,
    alike: Vec<bool>,
    /// Row and column in the array.
    places: Vec<(usize, usize)>,
}

/// Volts from the row to the column of a place.
type Across<'a> = &'a dyn Fn((usize, usize)) -> f64;

/// Writes the cells of a matrix one after the other, row by row.
pub fn write<T: Computable>(
    program: &Program,
    kernels: &dyn Kernels<T>,
    (matrix, written, half): (MatrixId, &Written, &HalfSelected),
    buffers: &mut [Buffer<T>],
    clock: Clock,
    rounds: &mut u32,
) -> Given {
    let Some(cells) = &program.matrices[matrix.index()].cells else { return Given::default() };
    let asked = buffers[cells.conductance.index()].lane(0).to_vec();
    write::erase(cells, written, buffers);
    let mut given = Given::of(asked.len());
    for cell in 0..asked.len() as u32 {
        let mut beside = None;
        let count = match &written.way {
            WrittenBy::Verify { .. } => written.most,
            WrittenBy::Curve(reached) => write::nearest(reached, asked[cell as usize].wide()).min(written.most),
        };
        loop {
            let clock = write::next(clock, rounds);
            let way = match &written.way {
                WrittenBy::Verify { kernel, asked: scratch, .. } => {
                    let of = (cells, &written.pulse, (*kernel, *scratch));
                    write::look(kernels, of, buffers, (&[cell], &asked), clock, &mut given)[0]
                }
                WrittenBy::Curve(_) => T::of(f64::from(u8::from(given.pulses[cell as usize] < count))),
            };
            if way.wide() == 0.0 {
                break;
            }
            if given.pulses[cell as usize] == count {
                given.missed += 1;
                break;
            }
            let (own, all) = beside.get_or_insert_with(|| besides(program, matrix, half, cell as usize));
            let settled = half.floating.map(|floating| {
                let (rows, columns) = lines(program, half, buffers).settle(*own, floating.volts);
                move |(row, column): (usize, usize)| rows[row] - columns[column]
            });
            write::pulse(kernels, &written.pulse, cells, buffers, (&[cell], &[way]), clock, &mut given);
            given.pulses[cell as usize] += 1;
            for beside in all {
                let across = settled.as_ref().map(|settled| settled as Across);
                given.half_selected += disturb(program, kernels, (beside, across), buffers, way, clock);
            }
        }
    }
    given
}

/// What a pulse this way, on all cells where one of these rows of a matrix meets one of these columns of its cells, does to the others of its array; gives
/// the joules it takes.
pub fn disturb_others<T: Computable>(
    program: &Program,
    kernels: &dyn Kernels<T>,
    (matrix, half): (MatrixId, &HalfSelected),
    (rows, columns): (&[u32], &[u32]),
    buffers: &mut [Buffer<T>],
    way: T,
    (clock, rounds): (Clock, &mut u32),
) -> f64 {
    let pieces = program.passive.get(half.array).map_or(&[][..], Vec::as_slice);
    let own = pieces.iter().find(|(id, _)| *id == matrix);
    let (Some((_, first)), Some((found, scheme))) = (own, scheme_of(program, matrix)) else { return 0.0 };
    let rows: BTreeSet<usize> = rows.iter().map(|row| first + *row as usize).collect();
    let columns: BTreeSet<usize> = columns.iter().map(|cell| scheme.column(*cell as usize, found.cols)).collect();
    if rows.is_empty() && columns.is_empty() {
        return 0.0;
    }
    let mut joules = 0.0;
    for piece in pieces {
        let Some((found, scheme)) = scheme_of(program, piece.0) else { continue };
        let written = found.cells.as_ref().and_then(|cells| cells.written.as_ref());
        let most = written.map_or(1, |written| written.pulse.len.max(1));
        let (width, own) = (scheme.cells(1, found.cols), scheme.own(found.cols));
        let column = |cell: usize| scheme.column(cell, found.cols);
        let on_column: Vec<usize> = (0..own).filter(|cell| columns.contains(&column(*cell))).collect();
        let mut beside: Vec<(u32, bool, (usize, usize))> = Vec::new();
        for row in 0..found.rows {
            let on_row = rows.contains(&(piece.1 + row));
            let mut see = |cell: usize| {
                let lines = u8::from(on_row) + u8::from(columns.contains(&column(cell)));
                if lines == 1 || lines == 0 && half.others {
                    beside.push(((row * width + cell) as u32, lines == 1, (piece.1 + row, column(cell))));
                }
            };
            match on_row || half.others {
                true => (0..own).for_each(see),
                false => on_column.iter().for_each(|cell| see(*cell)),
            }
        }
        for some in beside.chunks(most) {
            let clock = Clock { tick: u64::from(*rounds), ..clock };
            *rounds += 1;
            let of = Beside {
                matrix: piece.0,
                list: some.iter().map(|(cell, ..)| *cell).collect(),
                alike: some.iter().map(|(_, alike, _)| *alike).collect(),
                places: some.iter().map(|(.., at)| *at).collect(),
            };
            joules += disturb(program, kernels, (&of, None), buffers, way, clock);
        }
    }
    joules
}

/// A matrix with how its cells stand for weights.
fn scheme_of(program: &Program, id: MatrixId) -> Option<(&Matrix, Scheme)> {
    let found = &program.matrices[id.index()];
    Some((found, found.cells.as_ref()?.scheme))
}

/// Row and column in its array of a cell of a matrix whose first row is given.
fn place(program: &Program, &(id, first): &(MatrixId, usize), cell: usize) -> Option<(usize, usize)> {
    let (found, scheme) = scheme_of(program, id)?;
    let width = scheme.cells(1, found.cols);
    Some((first + cell / width, scheme.column(cell % width, found.cols)))
}

/// The conductances of a passive array; 0 where there are no cells.
fn lines<T: Computable>(program: &Program, half: &HalfSelected, buffers: &[Buffer<T>]) -> Lines {
    let pieces = program.passive.get(half.array).map_or(&[][..], Vec::as_slice);
    let mut held = Vec::new();
    for piece in pieces {
        let Some((found, scheme)) = scheme_of(program, piece.0) else { continue };
        let Some(cells) = &found.cells else { continue };
        let (width, own) = (scheme.cells(1, found.cols), scheme.own(found.cols));
        let siemens = buffers[cells.conductance.index()].lane(0);
        let own = (0..siemens.len()).filter(|cell| cell % width < own);
        held.extend(own.filter_map(|cell| Some((place(program, piece, cell)?, siemens[cell].wide()))));
    }
    let rows = held.iter().map(|((row, _), _)| row + 1).max().unwrap_or(0);
    let cols = held.iter().map(|((_, column), _)| column + 1).max().unwrap_or(1);
    let mut siemens = vec![0.0; rows * cols];
    held.into_iter().for_each(|((row, column), held)| siemens[row * cols + column] = held);
    Lines { cols, siemens }
}

/// Where a cell lies, and those that see a part of the pulses on it: those on its lines, and with V/3 or lines that float all others.
fn besides(program: &Program, matrix: MatrixId, half: &HalfSelected, cell: usize) -> ((usize, usize), Vec<Beside>) {
    let none = Vec::new();
    let array = program.passive.get(half.array).unwrap_or(&none);
    let own = array.iter().find(|(id, _)| *id == matrix).and_then(|piece| place(program, piece, cell));
    let Some((row, column)) = own else { return ((0, 0), Vec::new()) };
    let mut all = Vec::new();
    for piece in array {
        let Some((found, scheme)) = scheme_of(program, piece.0) else { continue };
        let (width, own) = (scheme.cells(1, found.cols), scheme.own(found.cols));
        let mut beside = Beside { matrix: piece.0, list: Vec::new(), alike: Vec::new(), places: Vec::new() };
        let everywhere = half.others || half.floating.is_some();
        let rows = if everywhere { 0..found.rows } else { 0..0 };
        let mut add = |index: usize| {
            let Some(at) = place(program, piece, index).filter(|at| *at != (row, column)) else { return };
            beside.list.push(index as u32);
            beside.alike.push(at.0 == row || at.1 == column);
            beside.places.push(at);
        };
        if everywhere {
            rows.flat_map(|row| (0..own).map(move |index| row * width + index)).for_each(&mut add);
        } else {
            let on_row = row.checked_sub(piece.1).filter(|at| *at < found.rows);
            on_row.into_iter().flat_map(|at| (0..own).map(move |index| at * width + index)).for_each(&mut add);
            let on_column = (0..own).find(|index| scheme.column(*index, found.cols) == column);
            let others = on_column.into_iter().flat_map(|index| (0..found.rows).map(move |at| (at, index)));
            others.filter(|(at, _)| Some(*at) != on_row).for_each(|(at, index)| add(at * width + index));
        }
        all.push(beside);
    }
    ((row, column), all)
}

/// What a pulse this way does to cells beside, which see what `across` says of their places where lines float; gives the joules it takes.
fn disturb<T: Computable>(
    program: &Program,
    kernels: &dyn Kernels<T>,
    (beside, across): (&Beside, Option<Across>),
    buffers: &mut [Buffer<T>],
    way: T,
    clock: Clock,
) -> f64 {
    let found = program.matrices[beside.matrix.index()].cells.as_ref();
    let Some((cells, written)) = found.and_then(|cells| Some((cells, cells.written.as_ref()?))) else { return 0.0 };
    let Some(half) = &written.half_selected else { return 0.0 };
    let len = written.pulse.len.max(1);
    let mut joules = 0.0;
    let chunks = beside.list.chunks(len).zip(beside.alike.chunks(len)).zip(beside.places.chunks(len));
    for ((list, alike), places) in chunks {
        let turned = |alike: bool| if alike { way } else { T::of(-way.wide()) };
        let ways: Vec<T> = match across {
            Some(across) => places.iter().map(|at| turned(across(*at) >= 0.0)).collect(),
            None => alike.iter().map(|alike| turned(*alike)).collect(),
        };
        if let Some((across, floating)) = across.zip(half.floating) {
            let into = &mut buffers[floating.across.index()].data;
            into.iter_mut().zip(places).for_each(|(into, at)| *into = T::of(across(*at).abs()));
        }
        write::pulse_by(kernels, (half.kernel, &written.pulse), cells, buffers, (list, &ways), clock);
        joules += buffers[half.joules.index()].data[..list.len()].iter().map(|joules| joules.wide()).sum::<f64>();
    }
    joules
}
