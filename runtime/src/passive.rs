//! Programming of passive arrays: while one cell gets a pulse, cells that share lines with it see a part of its voltage, which may move them
//! and takes energy.

use nmc_program::{HalfSelected, MatrixId, Program, Written, WrittenBy};

use crate::interpreter::Computable;
use crate::state::{Buffer, Clock, Kernels};
use crate::write::{self, Given};

/// Cells of a matrix that see a part of a pulse, and whether they see it the same way round.
struct Beside {
    matrix: MatrixId,
    list: Vec<u32>,
    alike: Vec<bool>,
}

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
            write::pulse(kernels, &written.pulse, cells, buffers, (&[cell], &[way]), clock);
            given.pulses[cell as usize] += 1;
            let all = beside.get_or_insert_with(|| besides(program, matrix, half, cell as usize));
            for beside in all {
                given.half_selected += disturb(program, kernels, beside, buffers, way, clock);
            }
        }
    }
    given
}

/// The cells that see a part of the pulses on a cell: those on its lines, and with V/3 all others.
fn besides(program: &Program, matrix: MatrixId, half: &HalfSelected, cell: usize) -> Vec<Beside> {
    let none = Vec::new();
    let array = program.passive.get(half.array).unwrap_or(&none);
    let of = |id: MatrixId| {
        let found = &program.matrices[id.index()];
        Some((found, found.cells.as_ref()?.scheme))
    };
    let place = |&(id, first): &(MatrixId, usize), cell: usize| {
        let (found, scheme) = of(id)?;
        let width = scheme.cells(1, found.cols);
        Some((first + cell / width, scheme.column(cell % width, found.cols)))
    };
    let own = array.iter().find(|(id, _)| *id == matrix).and_then(|piece| place(piece, cell));
    let Some((row, column)) = own else { return Vec::new() };
    let mut all = Vec::new();
    for piece in array {
        let Some((found, scheme)) = of(piece.0) else { continue };
        let (width, own) = (scheme.cells(1, found.cols), scheme.own(found.cols));
        let mut beside = Beside { matrix: piece.0, list: Vec::new(), alike: Vec::new() };
        let rows = if half.others { 0..found.rows } else { 0..0 };
        let mut add = |index: usize| {
            let Some(at) = place(piece, index).filter(|at| *at != (row, column)) else { return };
            beside.list.push(index as u32);
            beside.alike.push(at.0 == row || at.1 == column);
        };
        if half.others {
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
    all
}

/// What a pulse this way does to cells beside; gives the joules it takes.
fn disturb<T: Computable>(
    program: &Program,
    kernels: &dyn Kernels<T>,
    beside: &Beside,
    buffers: &mut [Buffer<T>],
    way: T,
    clock: Clock,
) -> f64 {
    let found = program.matrices[beside.matrix.index()].cells.as_ref();
    let Some((cells, written)) = found.and_then(|cells| Some((cells, cells.written.as_ref()?))) else { return 0.0 };
    let Some(half) = &written.half_selected else { return 0.0 };
    let len = written.pulse.len.max(1);
    let mut joules = 0.0;
    for (list, alike) in beside.list.chunks(len).zip(beside.alike.chunks(len)) {
        let ways: Vec<T> = alike.iter().map(|alike| if *alike { way } else { T::of(-way.wide()) }).collect();
        write::pulse_by(kernels, (half.kernel, &written.pulse), cells, buffers, (list, &ways), clock);
        joules += buffers[half.joules.index()].data[..list.len()].iter().map(|joules| joules.wide()).sum::<f64>();
    }
    joules
}
