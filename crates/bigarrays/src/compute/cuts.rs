//! Ranges cut into pieces.

use std::ops::Range;

use crate::chunk::config::Config;

/// A range cut at every `step`-th coordinate, counted from `origin`; the pieces are computed when
/// asked for, as there may be any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    pub(crate) range: Range<i64>,
    origin: i64,
    step: u64,
}

impl Cuts {
    /// The cuts as plain data.
    pub(crate) fn config(&self) -> Config {
        Config::new("cuts")
            .with("start", self.range.start)
            .with("end", self.range.end)
            .with("origin", self.origin)
            .with("step", self.step)
    }

    /// The place of `at` among the pieces of the whole line.
    fn place(&self, at: i64) -> i128 {
        (i128::from(at) - i128::from(self.origin)).div_euclid(i128::from(self.step))
    }

    pub(crate) fn over(range: Range<i64>, (origin, step): (i64, u64)) -> Self {
        Self { range, origin, step }
    }

    /// The origin and the distance of the cuts.
    pub(crate) fn grid(&self) -> (i64, u64) {
        (self.origin, self.step)
    }

    /// Number of pieces.
    pub(crate) fn len(&self) -> u64 {
        if self.range.is_empty() {
            return 0;
        }
        (self.place(self.range.end - 1) - self.place(self.range.start) + 1) as u64
    }

    /// The `k`-th piece.
    pub(crate) fn get(&self, k: u64) -> Range<i64> {
        let start =
            i128::from(self.origin) + (self.place(self.range.start) + i128::from(k)) * i128::from(self.step);
        let inside = |at: i128| at.clamp(self.range.start.into(), self.range.end.into()) as i64;
        inside(start)..inside(start + i128::from(self.step))
    }

    /// The pieces that `range` touches.
    pub(crate) fn touched(&self, range: &Range<i64>) -> Range<u64> {
        let (start, end) = (range.start.max(self.range.start), range.end.min(self.range.end));
        if start >= end {
            return 0..0;
        }
        let first = self.place(self.range.start);
        (self.place(start) - first) as u64..(self.place(end - 1) - first) as u64 + 1
    }

    /// Length of the longest piece.
    pub(crate) fn longest(&self) -> u64 {
        let length = |k: u64| self.get(k).end.abs_diff(self.get(k).start);
        // All between the first and the last are as long as the second.
        (0..self.len().min(2)).map(length).max().unwrap_or(0)
    }

    /// How many of the cuts between pieces lie on none of the places `origin + k * chunk`.
    pub(crate) fn cuts_beside(&self, (origin, chunk): (i64, u64)) -> u64 {
        let count = self.len().saturating_sub(1);
        if count == 0 {
            return 0;
        }
        let (step, chunk) = (i128::from(self.step), i128::from(chunk));
        let (common, inverse) = common_divisor(step, chunk);
        let distance = i128::from(origin) - i128::from(self.get(1).start);
        if distance % common != 0 {
            return count;
        }
        // Cut k lies on one of them if k * step is the distance, modulo the chunk.
        let period = chunk / common;
        let first = ((distance / common).rem_euclid(period) * inverse.rem_euclid(period)).rem_euclid(period);
        count - (i128::from(count) - first + period - 1).div_euclid(period).max(0) as u64
    }
}

/// The greatest common divisor of `a` and `b`, and a number that times `a` is it, modulo `b`.
fn common_divisor(a: i128, b: i128) -> (i128, i128) {
    let (mut old, mut new) = ((a, 1), (b, 0));
    while new.0 != 0 {
        let quotient = old.0 / new.0;
        (old, new) = (new, (old.0 - quotient * new.0, old.1 - quotient * new.1));
    }
    old
}
