//! Which sources reach which targets, a bit for each pair: for connections that are well filled and whose synapses are all alike.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::team;

/// Bits that are counted side by side; rows are filled up to them.
type Block = [u64; 8];
/// Columns of a block.
const COLUMNS: usize = 512;
/// Counts of a block, upright: a plane for each of the bits of a byte, so that a word is added to 64 of them at once.
pub type Planes = [Block; 8];

/// A row of bits for each source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BitRows {
    blocks: Vec<Block>,
    /// Blocks of a row.
    per_row: usize,
}

impl BitRows {
    /// No pair.
    fn new(rows: usize, columns: usize) -> Self {
        let per_row = columns.div_ceil(COLUMNS);
        BitRows { blocks: vec![[0; 8]; rows * per_row], per_row }
    }

    /// Bytes of so many rows.
    pub fn bytes(rows: usize, columns: usize) -> f64 {
        rows as f64 * (columns.div_ceil(COLUMNS) * size_of::<Block>()) as f64
    }

    fn blocks(&self, row: usize) -> &[Block] {
        &self.blocks[row * self.per_row..][..self.per_row]
    }

    /// From what is drawn column by column: `column` sets a bit for each row, `rows.div_ceil(64)` words of them. `drawer` makes what draws.
    pub fn by_columns<D>(
        rows: usize,
        columns: usize,
        drawer: impl Fn() -> D + Sync + Send,
        column: impl Fn(&mut D, usize, &mut [u64]) + Sync + Send,
    ) -> Self {
        let mut bits = BitRows::new(rows, columns);
        let words = rows.div_ceil(64);
        // A block of each row.
        let block_of = |drawer: &mut D, block: usize| {
            let mut made: Vec<Block> = vec![[0; 8]; 64 * words];
            let mut drawn = vec![0; 64 * words];
            for word in 0..8 {
                let first = block * COLUMNS + word * 64;
                drawn.fill(0);
                let ends = drawn.chunks_exact_mut(words.max(1)).zip(first..columns);
                ends.for_each(|(drawn, at)| column(drawer, at, drawn));
                for (at, rows) in made.as_chunks_mut::<64>().0.iter_mut().enumerate() {
                    let mut square: [u64; 64] = std::array::from_fn(|column| drawn[column * words + at]);
                    transpose(&mut square);
                    rows.iter_mut().zip(square).for_each(|(row, bits)| row[word] = bits);
                }
            }
            made
        };
        let (per_row, threads) = (bits.per_row, team::threads());
        if threads == 1 {
            let mut drawer = drawer();
            for block in 0..per_row {
                let made = block_of(&mut drawer, block);
                bits.blocks.chunks_exact_mut(per_row).zip(made).for_each(|(row, made)| row[block] = made);
            }
            return bits;
        }
        // A few at a time, so that little is there twice.
        for first in (0..per_row).step_by(threads) {
            let blocks = first..(first + threads).min(per_row);
            let made: Vec<Vec<Block>> = blocks.into_par_iter().map_init(&drawer, block_of).collect();
            bits.blocks.par_chunks_exact_mut(per_row).enumerate().with_min_len(1024).for_each(|(at, row)| {
                made.iter().zip(&mut row[first..]).for_each(|(made, block)| *block = made[at]);
            });
        }
        bits
    }

    /// From what is drawn row by row: `row` names the columns of a row.
    pub fn by_rows(rows: usize, columns: usize, row: impl Fn(usize, &mut dyn FnMut(usize)) + Sync) -> Self {
        let mut bits = BitRows::new(rows, columns);
        let per_row = bits.per_row;
        let fill = |(at, blocks): (usize, &mut [Block])| {
            row(at, &mut |column| blocks[column / COLUMNS][column % COLUMNS / 64] |= 1 << (column % 64));
        };
        match team::threads() {
            1 => bits.blocks.chunks_exact_mut(per_row.max(1)).enumerate().for_each(fill),
            _ => bits.blocks.par_chunks_exact_mut(per_row.max(1)).enumerate().with_min_len(64).for_each(fill),
        }
        bits
    }

    /// The columns of a row, ascending.
    pub fn row(&self, row: usize) -> impl Iterator<Item = usize> {
        self.blocks(row).as_flattened().iter().enumerate().flat_map(|(at, &word)| {
            let mut bits = word;
            std::iter::from_fn(move || {
                let next = (bits != 0).then_some(64 * at + bits.trailing_zeros() as usize);
                bits &= bits.wrapping_sub(1);
                next
            })
        })
    }

    /// How many columns a row has.
    pub fn degree(&self, row: usize) -> u32 {
        self.blocks(row).as_flattened().iter().map(|word| word.count_ones()).sum()
    }

    /// Counts at each column the rows that have it, each as often as it says, and gives `add` the counts from a column on, beside what `into` has
    /// for these; `planes` and `counts` are room.
    pub fn count<A: Send>(
        &self,
        rows: &[(u32, u8)],
        (planes, counts): (&mut Vec<Planes>, &mut Vec<u16>),
        into: &mut [A],
        add: impl Fn(usize, &[u16], &mut [A]) + Sync,
    ) {
        let columns = self.per_row * COLUMNS;
        planes.resize(planes.len().max(self.per_row), [[0; 8]; 8]);
        counts.resize(counts.len().max(columns), 0);
        let (planes, counts) = (&mut planes[..self.per_row], &mut counts[..columns]);
        let each = team::share(columns, 2048).div_ceil(COLUMNS).max(1);
        let parts = planes.chunks_mut(each).zip(counts.chunks_mut(each * COLUMNS)).zip(into.chunks_mut(each * COLUMNS));
        team::each(parts, |part, ((planes, counts), into)| {
            let (first, blocks) = (part * each, counts.as_chunks_mut().0);
            Arch::new().dispatch(Count { bits: self, rows, first, planes, counts: blocks });
            add(first * COLUMNS, &counts[..into.len()], into);
        });
    }
}

/// Rows against columns, by blocks that are halved (Hacker's Delight, 7-3; bit 0 of row 0 stays where it is).
fn transpose(square: &mut [u64; 64]) {
    let (mut width, mut mask) = (32, u64::MAX >> 32);
    while width > 0 {
        for at in (0..64).filter(|at| at & width == 0) {
            let exchanged = ((square[at] >> width) ^ square[at + width]) & mask;
            square[at] ^= exchanged << width;
            square[at + width] ^= exchanged;
        }
        width /= 2;
        mask ^= mask << width;
    }
}

/// Of each byte its bits, a byte each.
static SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[byte] |= ((byte >> bit) as u64 & 1) << (8 * bit);
            bit += 1;
        }
        byte += 1;
    }
    table
};

/// The sum of three bits each, and what is carried to the next plane.
#[inline(always)]
fn add(a: &Block, b: &Block, c: &Block) -> (Block, Block) {
    let (mut sum, mut carried) = ([0; 8], [0; 8]);
    for at in 0..8 {
        let either = a[at] ^ b[at];
        sum[at] = either ^ c[at];
        carried[at] = (a[at] & b[at]) | (either & c[at]);
    }
    (sum, carried)
}

/// Adds what is carried to a plane; what is carried on is left.
#[inline(always)]
fn carry(plane: &mut Block, carried: &mut Block) {
    for at in 0..8 {
        let both = carried[at] & plane[at];
        plane[at] ^= carried[at];
        carried[at] = both;
    }
}

/// Counting at the columns from block `first` on.
struct Count<'a> {
    bits: &'a BitRows,
    rows: &'a [(u32, u8)],
    first: usize,
    planes: &'a mut [Planes],
    counts: &'a mut [[u16; COLUMNS]],
}

impl WithSimd for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut rest = self.rows;
        self.counts.as_flattened_mut().fill(0);
        while !rest.is_empty() {
            // As many as a byte can count.
            let (mut most, mut taken) = (0_u32, 0);
            while let Some((_, count)) = rest.get(taken).filter(|(_, count)| most + u32::from(*count) <= 255) {
                most += u32::from(*count);
                taken += 1;
            }
            let (rows, others) = rest.split_at(taken);
            let used = (u32::BITS - most.leading_zeros()) as usize;
            self.planes.fill([[0; 8]; 8]);
            // Four at a time, where each counts once: their words come from memory side by side.
            let fours = rows.iter().take_while(|(_, count)| *count == 1).count() / 4 * 4;
            let (fours, single) = rows.split_at(fours);
            for four in fours.as_chunks::<4>().0 {
                let [a, b, c, d] = four.map(|(row, _)| &self.bits.blocks(row as usize)[self.first..]);
                for (at, planes) in self.planes.iter_mut().enumerate() {
                    let (sum, one) = add(&a[at], &b[at], &c[at]);
                    let (sum, other) = add(&sum, &d[at], &planes[0]);
                    planes[0] = sum;
                    let (sum, mut carried) = add(&one, &other, &planes[1]);
                    planes[1] = sum;
                    for plane in &mut planes[2..used.max(2)] {
                        carry(plane, &mut carried);
                    }
                }
            }
            for &(row, count) in single {
                let blocks = &self.bits.blocks(row as usize)[self.first..];
                for bit in (0..8).filter(|bit| count >> bit & 1 == 1) {
                    for (planes, block) in self.planes.iter_mut().zip(blocks) {
                        let mut carried = *block;
                        for plane in &mut planes[bit..used] {
                            carry(plane, &mut carried);
                        }
                    }
                }
            }
            for (planes, counts) in self.planes.iter().zip(&mut *self.counts) {
                let (counts, _) = counts.as_chunks_mut::<64>();
                for (word, counts) in counts.iter_mut().enumerate() {
                    let mut bytes = [0; 8];
                    for (at, plane) in planes[..used].iter().enumerate().filter(|(_, plane)| plane[word] != 0) {
                        for (bytes, bits) in bytes.iter_mut().zip(plane[word].to_le_bytes()) {
                            *bytes += SPREAD[usize::from(bits)] << at;
                        }
                    }
                    let bytes = bytes.map(u64::to_le_bytes);
                    for (count, &byte) in counts.iter_mut().zip(bytes.as_flattened()) {
                        *count += u16::from(byte);
                    }
                }
            }
            rest = others;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    /// Of few and of many columns, by rows and by columns, counted once and more than a byte holds. Oracle: pair by pair.
    #[test]
    fn pairs_are_counted_one_by_one_or_together() {
        for (rows, columns) in [(3, 5), (70, 64), (130, 1000), (64, 512)] {
            let joined = |row: usize, column: usize| {
                let key = Key { seed: 5, component: 1, element: row as u32, number: column as u32, tick: 0, sample: 0 };
                key.uniform_f64() < 0.3
            };
            let by_row = BitRows::by_rows(rows, columns, |row, found| {
                (0..columns).filter(|&column| joined(row, column)).for_each(found);
            });
            let by_column = || {
                BitRows::by_columns(
                    rows,
                    columns,
                    || (),
                    |(), column, bits| {
                        let reaching = (0..rows).filter(|&row| joined(row, column));
                        reaching.for_each(|row| bits[row / 64] |= 1 << (row % 64));
                    },
                )
            };
            assert_eq!(by_row, by_column());
            let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
            assert_eq!(by_row, team::together(Some(&pool), false, by_column));
            let spikes: Vec<(u32, u8)> = (0..4 * rows).map(|at| ((at % rows) as u32, (at * 37 % 120) as u8)).collect();
            let mut counts = vec![1; columns];
            let room = (&mut vec![[[9; 8]; 8]], &mut vec![1; 3]);
            by_row.count(&spikes, room, &mut counts, |_, of_part, counts| counts.copy_from_slice(of_part));
            for (column, &count) in counts.iter().enumerate() {
                let reached = |&&(row, _): &&(u32, u8)| joined(row as usize, column);
                let expected: u16 = spikes.iter().filter(reached).map(|&(_, count)| u16::from(count)).sum();
                assert_eq!(count, expected);
            }
            for row in 0..rows {
                let listed: Vec<usize> = (0..columns).filter(|&column| joined(row, column)).collect();
                assert_eq!(by_row.row(row).collect::<Vec<_>>(), listed);
                assert_eq!(by_row.degree(row) as usize, listed.len());
            }
        }
    }
}
