//! Adds rows of a full matrix of weights, those of sources that spiked, in all lanes side by side.

use std::ops::Range;

use nmc_program::{Amount, Connection, Delay, Effect};
use pulp::{Arch, Simd, WithSimd};

use crate::connect::Shape;
use crate::deliver::{Carrier, Scratch, add, add_all};
use crate::interpreter::Computable;
use crate::spikes::{GroupState, Spiked, each_marked};
use crate::state::{Buffer, per_byte};

/// Rows that are added to each other before they are added to the rest: all their sums can be made once, for all lanes.
const GROUP: usize = 4;
/// Rows that are marked in one word.
const WORD: usize = u32::BITS as usize;

/// Where every source reaches all targets and the weights stand in an array: adds the rows of all that spiked, so that weights come from
/// memory once for all lanes. Returns how many synapses were reached; none where this is not so.
pub fn deliver_rows<T: Computable>(
    connection: &Connection,
    carrier: &Carrier,
    groups: &[Vec<GroupState<T>>],
    buffers: &mut [Buffer<T>],
    scratch: &mut Scratch,
    tick: u64,
) -> Option<u64> {
    let Effect::Add { array, amount: Amount::Array(amounts), held } = &connection.on_pre else { return None };
    let (&Delay::Ticks(ago), Some(source)) = (&connection.delay, connection.source) else { return None };
    let group = |lane: usize| &groups[lane][source.index()];
    let counted = (0..groups.len()).any(|lane| matches!(group(lane).spiked(tick, ago), Spiked::Counts(_)));
    if carrier.wiring.shape != Shape::Full || buffers[amounts.index()].per_lane || counted {
        return None;
    }
    let sources = connection.source_start..connection.source_start + connection.source_len;
    let mut into = std::mem::take(&mut buffers[array.index()]);
    let (amounts, held) = (buffers[amounts.index()].lane(0), held.map(|held| &buffers[held.index()]));
    let targets = connection.target_start..connection.target_start + connection.target_len;
    let words = sources.len().div_ceil(WORD);
    let (mut round, mut more, mut spikes) = (0, true, 0);
    // Second spikes of a source come after all first ones.
    while std::mem::take(&mut more) {
        scratch.marks.clear();
        scratch.marks.resize(groups.len() * words, 0);
        for (lane, marks) in scratch.marks.chunks_mut(words.max(1)).enumerate() {
            if let Spiked::Marks(bits) = group(lane).spiked(tick, ago) {
                mark_bits::<T>(bits, &sources, marks);
            } else {
                let (list, rest) = group(lane).round(tick, ago, round);
                let before = |end: usize| list.partition_point(|&source| (source as usize) < end);
                mark(
                    list[before(sources.start)..before(sources.end)].iter().map(|&at| at as usize - sources.start),
                    marks,
                );
                more |= rest;
            }
        }
        spikes += scratch.marks.iter().map(|marks| u64::from(marks.count_ones())).sum::<u64>();
        round += 1;
        let (marks, targets, into) = (&scratch.marks[..], targets.clone(), &mut into);
        // As many sums as registers hold, or as tables leave room for in the nearest cache.
        match (size_of::<T>(), groups.len()) {
            (4, 1) => Arch::new().dispatch(Rows::<T, 64> { amounts, marks, words, targets, held, into }),
            (4, _) => Arch::new().dispatch(Rows::<T, 32> { amounts, marks, words, targets, held, into }),
            (_, 1) => Arch::new().dispatch(Rows::<T, 32> { amounts, marks, words, targets, held, into }),
            _ => Arch::new().dispatch(Rows::<T, 16> { amounts, marks, words, targets, held, into }),
        }
    }
    buffers[array.index()] = into;
    Some(spikes * connection.target_len as u64)
}

/// Marks rows, given in ascending order.
fn mark(rows: impl Iterator<Item = usize>, marks: &mut [u32]) {
    let (mut at, mut word) = (0, 0);
    for row in rows {
        if row / WORD != at {
            marks[at] = word;
            (at, word) = (row / WORD, 0);
        }
        word |= 1 << (row % WORD);
    }
    if let Some(last) = marks.get_mut(at) {
        *last = word;
    }
}

/// Marks the rows of sources that kernels marked.
fn mark_bits<T>(bits: &[u8], sources: &Range<usize>, marks: &mut [u32]) {
    let each = per_byte::<T>();
    if !sources.start.is_multiple_of(each) {
        return each_marked::<T>(bits, |source| {
            if let Some(row) = (source as usize).checked_sub(sources.start).filter(|row| *row < sources.len()) {
                marks[row / WORD] |= 1 << (row % WORD);
            }
        });
    }
    let bytes = bits[sources.start / each..].chunks(WORD / each);
    for (word, bytes) in marks.iter_mut().zip(bytes) {
        *word = bytes.iter().rev().fold(0, |word, &byte| word << each | u32::from(byte));
    }
    if let (Some(last), rest @ 1..) = (marks.last_mut(), sources.len() % WORD) {
        *last &= (1 << rest) - 1;
    }
}

/// Adds marked rows of `amounts`, those of each lane in ascending order: first those of a [`GROUP`], then the groups, then to what is there.
struct Rows<'a, T, const WIDTH: usize> {
    amounts: &'a [T],
    marks: &'a [u32],
    /// Words of a lane.
    words: usize,
    targets: Range<usize>,
    held: Option<&'a Buffer<T>>,
    into: &'a mut Buffer<T>,
}

/// What a row has for some targets, or sums of it.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Piece<T, const WIDTH: usize>([T; WIDTH]);

/// The first targets of two rows, or all there are.
#[inline(always)]
fn add_row<T: Computable, const WIDTH: usize>(sums: &mut [T; WIDTH], row: &[T]) {
    match row.first_chunk::<WIDTH>() {
        Some(row) => (0..WIDTH).for_each(|at| add(&mut sums[at], row[at])),
        None => sums.iter_mut().zip(row).for_each(|(sum, &amount)| add(sum, amount)),
    }
}

/// All sums of the rows of a group, by their marks; of none it stays 0.
#[inline(always)]
fn tabulate<T: Computable, const WIDTH: usize>(rows: [&[T; WIDTH]; GROUP], table: &mut [Piece<T, WIDTH>; 1 << GROUP]) {
    for (at, row) in rows.into_iter().enumerate() {
        table[1 << at].0 = *row;
        for known in 1..1 << at {
            let mut sum = table[known].0;
            add_row(&mut sum, row);
            table[known | 1 << at].0 = sum;
        }
    }
}

impl<T: Computable, const WIDTH: usize> WithSimd for Rows<'_, T, WIDTH> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (len, words, lanes) = (self.targets.len(), self.words, self.marks.len() / self.words.max(1));
        let rows = self.amounts.len() / len.max(1);
        let zero = Piece([T::default(); WIDTH]);
        let marks_of = |word: usize| self.marks[word..].iter().step_by(words);
        let used = (0..words).map(|word| marks_of(word).map(|marks| marks.count_ones() as usize).sum());
        let used: Vec<usize> = used.collect();
        let mut near = [zero; WORD];
        let mut tables = vec![[zero; 1 << GROUP]; if lanes > 1 { WORD / GROUP } else { 0 }];
        let mut sums = vec![zero; lanes];
        for first in self.targets.clone().step_by(WIDTH) {
            let (last, skipped) = (self.targets.end.min(first + WIDTH), first - self.targets.start);
            let row_of = |row: usize| &self.amounts[row * len + skipped..][..last - first];
            sums.fill(zero);
            for (word, &used) in used.iter().enumerate().filter(|(_, used)| **used > 0) {
                let start = word * WORD;
                // Where so many spiked, all sums of a group cost less; measured.
                let tabled = lanes > 1 && used > 30 + lanes;
                // Where lanes share rows, these are brought together: from row to row it may be a distance that caches are bad at.
                let gathered = if tabled { last - first < WIDTH } else { used > 2 * WORD };
                if gathered {
                    for (near, row) in near.iter_mut().zip(start..rows) {
                        near.0[..last - first].copy_from_slice(row_of(row));
                    }
                }
                if tabled {
                    let whole = |at: usize| match row_of(start + at).first_chunk() {
                        Some(whole) if !gathered => whole,
                        Some(_) | None => &near[at].0,
                    };
                    let piece = |at: usize| if start + at < rows { whole(at) } else { &zero.0 };
                    for (table, at) in tables.iter_mut().zip((0..).step_by(GROUP)) {
                        tabulate([piece(at), piece(at + 1), piece(at + 2), piece(at + 3)], table);
                    }
                    for (sums, &marks) in sums.iter_mut().zip(marks_of(word)) {
                        let (mut sum, mut marks) = (sums.0, marks as usize);
                        for table in &tables {
                            add_row(&mut sum, &table[marks % (1 << GROUP)].0);
                            marks >>= GROUP;
                        }
                        sums.0 = sum;
                    }
                    continue;
                }
                let row = |marks: u32| match marks.trailing_zeros() as usize {
                    at if gathered => &near[at].0[..],
                    at => row_of(start + at),
                };
                for (sums, &marks) in sums.iter_mut().zip(marks_of(word)) {
                    let (mut sum, mut marks) = (sums.0, marks);
                    while marks != 0 {
                        let group = marks.trailing_zeros() as usize / GROUP * GROUP;
                        let (one, left) = (row(marks), marks & (marks - 1));
                        marks = left;
                        if left >> group & ((1 << GROUP) - 1) == 0 {
                            add_row(&mut sum, one);
                            continue;
                        }
                        let mut several = zero.0;
                        add_row(&mut several, one);
                        while marks >> group & ((1 << GROUP) - 1) != 0 {
                            add_row(&mut several, row(marks));
                            marks &= marks - 1;
                        }
                        add_row(&mut sum, &several);
                    }
                    sums.0 = sum;
                }
            }
            for (lane, sums) in sums.iter().enumerate() {
                let into = &mut self.into.lane_mut(lane)[first..last];
                add_all(into, self.held.map(|held| &held.lane(lane)[first..last]), sums.0.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: rows added one by one, in the order that is told. With many lanes most words are tabulated, with one none is; values differ
    /// in size, so that another order gives other bits.
    #[test]
    fn tables_give_the_bits_of_rows_added_one_by_one() {
        for (rows, len, lanes, spiked) in
            [(70, 45, 40, 2), (70, 45, 40, 9), (33, 7, 64, 2), (129, 64, 1, 3), (4, 100, 2, 1)]
        {
            let value = |at: usize| ((at * 7919 % 1013) as f32 - 500.0) * 2_f32.powi((at % 23) as i32 - 11);
            let amounts: Vec<f32> = (0..rows * len).map(value).collect();
            let is_marked = |lane: usize, row: usize| ((lane * 31 + row * 17) % 11).is_multiple_of(spiked);
            let words = rows.div_ceil(WORD);
            let mut marks = vec![0; lanes * words];
            let mut into = Buffer { data: vec![0.25; lanes * len], stride: len, per_lane: true };
            let mut expected = into.data.clone();
            for (lane, expected) in expected.chunks_mut(len).enumerate() {
                mark((0..rows).filter(|&row| is_marked(lane, row)), &mut marks[lane * words..(lane + 1) * words]);
                for (target, into) in expected.iter_mut().enumerate() {
                    let group = |first: usize| {
                        let marked = (first..rows.min(first + GROUP)).filter(|&row| is_marked(lane, row));
                        marked.map(|row| amounts[row * len + target]).reduce(|sum, amount| sum + amount).unwrap_or(0.0)
                    };
                    *into += (0..rows).step_by(GROUP).map(group).fold(0.0, |sum, of_group| sum + of_group);
                }
            }
            let (amounts, marks) = (&amounts[..], &marks[..]);
            let (targets, held) = (0..len, None);
            Arch::new().dispatch(Rows::<f32, 32> { amounts, marks, words, targets, held, into: &mut into });
            let bits = |data: &[f32]| data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&into.data), bits(&expected), "{rows} by {len}, {lanes} lanes");
        }
    }

    #[test]
    fn bits_of_kernels_mark_rows_of_any_sources() {
        for sources in [0..40, 8..33, 3..40, 5..6] {
            let set = [2, 3, 5, 8, 9, 31, 32, 39];
            let mut bits = [0; 10];
            set.iter().for_each(|at| bits[at / 4] |= 1 << (at % 4));
            let words = sources.len().div_ceil(WORD);
            let (mut marks, mut expected) = (vec![0; words], vec![0; words]);
            mark_bits::<f32>(&bits, &sources, &mut marks);
            mark(set.iter().filter(|at| sources.contains(at)).map(|at| at - sources.start), &mut expected);
            assert_eq!(marks, expected);
        }
    }
}
