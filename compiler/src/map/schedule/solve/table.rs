//! A reservation table: how many instances of a resource are taken, around the circle of one interval.

/// A step function around a circle: each mark is where a level begins.
#[derive(Debug, Clone)]
pub struct Table {
    count: u32,
    period: i64,
    /// Sorted; the first is at 0; neighbours differ.
    marks: Vec<(i64, u32)>,
    /// Room for marks that take the place of others.
    fresh: Vec<(i64, u32)>,
}

impl Table {
    pub fn new(count: u32, period: i64) -> Self {
        Self { count, period, marks: vec![(0, 0)], fresh: Vec::new() }
    }

    /// The segment that holds a phase.
    fn segment(&self, phase: i64) -> usize {
        self.marks.partition_point(|mark| mark.0 <= phase).saturating_sub(1)
    }

    /// Where a segment ends.
    fn end(&self, segment: usize) -> i64 {
        self.marks.get(segment + 1).map_or(self.period, |mark| mark.0)
    }

    /// How much later than `phase` there are `need` instances free for `time`; `None`: nowhere.
    pub fn later(&self, phase: i64, time: i64, need: u32) -> Option<i64> {
        let limit = self.count.checked_sub(need).filter(|_| time <= self.period)?;
        let (mut at, mut turn, mut from) = (self.segment(phase), 0, phase);
        loop {
            let end = self.end(at) + turn;
            if self.marks[at].1 > limit {
                from = end;
                if from - phase >= self.period {
                    return None;
                }
            } else if end - from >= time {
                return Some(from - phase);
            }
            at += 1;
            if at == self.marks.len() {
                (at, turn) = (0, turn + self.period);
            }
        }
    }

    /// How much earlier than `phase` there are `need` instances free for `time`; `None`: nowhere.
    pub fn earlier(&self, phase: i64, time: i64, need: u32) -> Option<i64> {
        let limit = self.count.checked_sub(need).filter(|_| time <= self.period)?;
        let last = phase + time;
        let (mut at, mut turn) = if last > self.period {
            (self.segment(last - self.period - 1), self.period)
        } else {
            (self.segment((last - 1).max(0)), 0)
        };
        let mut to = last;
        loop {
            let start = self.marks[at].0 + turn;
            if self.marks[at].1 > limit {
                to = start;
                if last - to >= self.period {
                    return None;
                }
            } else if to - start >= time {
                return Some(last - to);
            }
            if at == 0 {
                (at, turn) = (self.marks.len(), turn - self.period);
            }
            at -= 1;
        }
    }

    /// How much later than `phase` the next reservation ends; 0 when one ends right there or there is none.
    pub fn next_end(&self, phase: i64) -> i64 {
        let (first, len) = (self.segment(phase), self.marks.len());
        let falls = |at: usize| self.marks[at].1 < self.marks[(at + len - 1) % len].1;
        if self.marks[first].0 == phase && falls(first) {
            return 0;
        }
        let next = (1..=len).map(|step| (first + step) % len).find(|&at| falls(at));
        next.map_or(0, |at| (self.marks[at].0 - phase).rem_euclid(self.period))
    }

    /// Takes instances for a time.
    pub fn take(&mut self, phase: i64, time: i64, need: u32) {
        self.change(phase, time, |level| level + need);
    }

    /// Gives them back.
    pub fn give(&mut self, phase: i64, time: i64, need: u32) {
        self.change(phase, time, |level| level - need);
    }

    fn change(&mut self, phase: i64, time: i64, to: impl Fn(u32) -> u32) {
        let end = phase + time;
        self.change_part(phase, end.min(self.period), &to);
        if end > self.period {
            self.change_part(0, end - self.period, &to);
        }
    }

    fn change_part(&mut self, from: i64, end: i64, to: impl Fn(u32) -> u32) {
        let marks = &self.marks;
        let first = marks.partition_point(|mark| mark.0 < from);
        let mut last = first + marks[first..].partition_point(|mark| mark.0 < end);
        let mut fresh = std::mem::take(&mut self.fresh);
        let begins = marks.get(first).is_some_and(|mark| mark.0 == from);
        let before = if begins { None } else { Some((from, to(marks[first - 1].1))) };
        fresh.extend(before.into_iter().chain(marks[first..last].iter().map(|mark| (mark.0, to(mark.1)))));
        let level = marks[last - 1].1;
        if marks.get(last).is_none_or(|mark| mark.0 > end) {
            if end < self.period {
                fresh.push((end, level));
            }
        } else if fresh.last().is_some_and(|mark| mark.1 == marks[last].1) {
            last += 1;
        }
        let same = first > 0 && fresh.first().is_some_and(|mark| mark.1 == marks[first - 1].1);
        self.marks.splice(first..last, fresh.drain(usize::from(same)..));
        fresh.clear();
        self.fresh = fresh;
    }
}
