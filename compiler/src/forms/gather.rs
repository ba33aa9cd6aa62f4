//! `Gather`: where the elements of a signal come from, by affine maps of their index. Reshapes, slices, joins, transposes and the
//! windows of a convolution are all gathers.

/// Operands read one after the other, each by its map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// Of each operand.
    pub maps: Vec<AffineMap>,
}

/// Elements of an operand by an affine function of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffineMap {
    /// Shape of what is read; its index runs with the last axis fastest.
    pub shape: Vec<usize>,
    /// Axes of the operand, the last one fastest.
    pub axes: Vec<Axis>,
}

/// The position along one axis of an operand: `start` + sum of `steps` times the index; outside of `0..len` there are zeros, or the nearest
/// element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// Number of elements along it.
    pub len: usize,
    /// Position at index 0.
    pub start: isize,
    /// Of each axis of the index.
    pub steps: Vec<isize>,
    pub nearest: bool,
}

/// Elements that lie side by side both in the operand and in what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Which operand.
    pub operand: usize,
    /// Their first element in the operand; none where there are zeros.
    pub from: Option<usize>,
    /// Their first element in the output.
    pub to: usize,
    /// How many.
    pub len: usize,
}

impl Gather {
    /// All of one operand, in another shape.
    pub fn whole(len: usize) -> Gather {
        Gather::slice(0, len, len)
    }

    /// Elements `start .. start + len` of an operand with `of` elements.
    pub fn slice(start: usize, len: usize, of: usize) -> Gather {
        Gather { maps: vec![AffineMap::slice(start as isize, len, of)] }
    }

    /// Operands of these lengths end to end.
    pub fn join(lens: impl IntoIterator<Item = usize>) -> Gather {
        Gather { maps: lens.into_iter().map(|len| AffineMap::slice(0, len, len)).collect() }
    }

    /// Number of elements read.
    pub fn len(&self) -> usize {
        self.maps.iter().map(AffineMap::len).sum()
    }

    /// Whether nothing is read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The operand, and the element of it, that an element comes from; none for a zero.
    pub fn source(&self, mut element: usize) -> Option<(usize, usize)> {
        for (operand, map) in self.maps.iter().enumerate() {
            if element < map.len() {
                return map.source(element).map(|from| (operand, from));
            }
            element -= map.len();
        }
        None
    }

    /// What is read, in stretches as long as can be.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut start = 0;
        for (operand, map) in self.maps.iter().enumerate() {
            // Along the last axis a map that moves by one along the operand's last axis, and along no other, is one stretch and zeros.
            let last = map.shape.last().copied().unwrap_or(1).max(1);
            let straight = map.is_straight();
            let step = if straight { last } else { 1 };
            for to in (0..map.len()).step_by(step) {
                let pieces =
                    if straight { map.stretches(to, step) } else { [(map.source(to), 1), (None, 0), (None, 0)] };
                let mut at = start + to;
                for (from, len) in pieces.into_iter().filter(|(_, len)| *len > 0) {
                    match runs.last_mut() {
                        Some(run)
                            if run.operand == operand
                                && match (run.from, from) {
                                    (Some(before), Some(from)) => before + run.len == from,
                                    (before, from) => before == from,
                                } =>
                        {
                            run.len += len;
                        }
                        Some(_) | None => runs.push(Run { operand, from, to: at, len }),
                    }
                    at += len;
                }
            }
            start += map.len();
        }
        runs
    }

    /// Where it starts in its one operand, when it is one stretch of one.
    pub fn stretch(&self) -> Option<usize> {
        match (&self.maps[..], &self.runs()[..]) {
            ([_], [Run { from, .. }]) => *from,
            (_, _) => None,
        }
    }

    /// Whether it is all of one operand, in its order.
    pub fn is_whole(&self) -> bool {
        self.stretch() == Some(0) && self.maps.iter().all(|map| map.len() == map.source_len())
    }

    /// Whether each element of every operand is read once.
    pub fn reads_all(&self) -> bool {
        let once = |map: &AffineMap| {
            let mut read: Vec<Option<usize>> = (0..map.len()).map(|element| map.source(element)).collect();
            read.sort_unstable();
            read.into_iter().eq((0..map.source_len()).map(Some))
        };
        self.maps.iter().all(|map| map.is_whole() || once(map))
    }

    /// What it is to a reader.
    pub fn word(&self) -> &'static str {
        match self.stretch() {
            Some(_) if self.is_whole() => "reshape",
            Some(_) => "slice",
            None if self.maps.len() > 1 && self.maps.iter().all(AffineMap::is_whole) => "concat",
            None => "gather",
        }
    }
}

impl AffineMap {
    /// `len` elements from `start` on of an operand with `of` elements; zeros before its first and after its last.
    pub fn slice(start: isize, len: usize, of: usize) -> AffineMap {
        AffineMap { shape: vec![len], axes: vec![Axis { len: of, start, steps: vec![1], nearest: false }] }
    }

    /// Number of elements read.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether nothing is read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of elements of the operand.
    pub fn source_len(&self) -> usize {
        self.axes.iter().map(|axis| axis.len).product()
    }

    /// The element of the operand that an element comes from; none for a zero.
    pub fn source(&self, element: usize) -> Option<usize> {
        self.axes.iter().try_fold(0, |found, axis| {
            let at = self.along(axis, element);
            let at = if axis.nearest { at.clamp(0, axis.len as isize - 1) } else { at };
            let at = usize::try_from(at).ok().filter(|at| *at < axis.len)?;
            Some(found * axis.len + at)
        })
    }

    /// The position along an axis of the operand, wherever it lies.
    fn along(&self, axis: &Axis, element: usize) -> isize {
        let (mut at, mut left) = (axis.start, element);
        for (step, len) in axis.steps.iter().zip(&self.shape).rev() {
            at += step * (left % len) as isize;
            left /= len;
        }
        at
    }

    /// What the last index reads from an element on, when it moves by one along the operand's last axis: (where from, how many).
    fn stretches(&self, element: usize, len: usize) -> [(Option<usize>, usize); 3] {
        let nothing = [(None, len), (None, 0), (None, 0)];
        let Some((last, others)) = self.axes.split_last() else { return nothing };
        let row = others.iter().try_fold(0, |found, axis| {
            let at = usize::try_from(self.along(axis, element)).ok().filter(|at| *at < axis.len)?;
            Some(found * axis.len + at)
        });
        let Some(row) = row else { return nothing };
        let (first, len) = (self.along(last, element), len as isize);
        let (low, high) = ((-first).clamp(0, len), (last.len as isize - first).clamp(0, len));
        if low >= high {
            return nothing;
        }
        let from = row * last.len + (first + low) as usize;
        [(None, low as usize), (Some(from), (high - low) as usize), (None, (len - high) as usize)]
    }

    fn is_whole(&self) -> bool {
        *self == AffineMap::slice(0, self.len(), self.len())
    }

    /// Whether the last index moves by one along the last axis of the operand, and along no other.
    fn is_straight(&self) -> bool {
        let steps = self.axes.iter().rev().map(|axis| axis.steps.last().copied());
        let nearest = self.axes.iter().any(|axis| axis.nearest);
        !nearest && steps.enumerate().all(|(axis, step)| step == Some(isize::from(axis == 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs say what `source` says, element by element.
    fn agrees(gather: &Gather) {
        let mut found = vec![None; gather.len()];
        for run in gather.runs() {
            for at in 0..run.len {
                found[run.to + at] = run.from.map(|from| (run.operand, from + at));
            }
        }
        let told: Vec<_> = (0..gather.len()).map(|element| gather.source(element)).collect();
        assert_eq!(found, told);
    }

    #[test]
    fn slices_and_joins_are_single_runs() {
        let slice = Gather::slice(3, 4, 10);
        assert_eq!(slice.runs(), [Run { operand: 0, from: Some(3), to: 0, len: 4 }]);
        assert_eq!((slice.word(), Gather::whole(6).word()), ("slice", "reshape"));
        let join = Gather::join([2, 3]);
        assert!(join.reads_all() && !slice.reads_all());
        assert_eq!((join.runs().len(), join.source(4), join.word()), (2, Some((1, 2)), "concat"));
        agrees(&slice);
        agrees(&join);
    }

    #[test]
    fn transposes_and_padded_windows_are_read_by_their_map() {
        // [2, 3] as [3, 2].
        let axes = vec![
            Axis { len: 2, start: 0, steps: vec![0, 1], nearest: false },
            Axis { len: 3, start: 0, steps: vec![1, 0], nearest: false },
        ];
        let transposed = Gather { maps: vec![AffineMap { shape: vec![3, 2], axes }] };
        let order: Vec<_> = (0..6).filter_map(|element| transposed.source(element)).map(|(_, from)| from).collect();
        assert_eq!(order, [0, 3, 1, 4, 2, 5]);
        assert!(transposed.reads_all() && transposed.word() == "gather");
        // Windows of 3 in a row of 4, one zero on either side.
        let windows =
            AffineMap { shape: vec![4, 3], axes: vec![Axis { len: 4, start: -1, steps: vec![1, 1], nearest: false }] };
        let windows = Gather { maps: vec![windows] };
        let read: Vec<_> = (0..12).map(|element| windows.source(element).map(|(_, from)| from)).collect();
        let (none, some) = (None, Some);
        let expected =
            [none, some(0), some(1), some(0), some(1), some(2), some(1), some(2), some(3), some(2), some(3), none];
        assert_eq!(read, expected);
        agrees(&transposed);
        agrees(&windows);
    }
}
