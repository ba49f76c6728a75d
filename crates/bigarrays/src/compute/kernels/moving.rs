//! Windows along an axis, whose elements are merged.

use std::ops::Range;

use crate::compute::kernels::monoid::Monoid;
use crate::compute::lines::{Lines, LinesMut};

/// Windows of at most so many elements are merged one by one.
const SHORT: u64 = 4;

/// The lines of a block, and where they are.
pub(crate) struct Given<'a, T> {
    pub(crate) lines: Lines<'a, T>,
    /// The coordinate of the first row.
    pub(crate) first: i64,
    /// The coordinates that have elements; windows may reach beyond them, where there is nothing.
    pub(crate) whole: Range<i64>,
    /// Where the axis begins.
    pub(crate) origin: i64,
}

impl<'a, T> Given<'a, T> {
    fn row(&self, at: i64) -> Option<&'a [T]> {
        self.whole.contains(&at).then(|| self.lines.row((at - self.first) as usize))
    }

    fn inside(&self, window: &Range<i64>) -> Range<i64> {
        window.start.max(self.whole.start)..window.end.min(self.whole.end)
    }
}

/// Elements that a thread needs for windows of this width that move by 1, for each line.
pub(crate) fn scratch(width: u64) -> u64 {
    if width <= SHORT { 1 } else { width.saturating_add(1) }
}

/// Writes what each window becomes that has `required` elements.
fn put<M: Monoid>(of: &M, states: &[M::State], inside: u64, required: u64, out: &mut [M::Out]) {
    for (out, &state) in out.iter_mut().zip(states) {
        let count = M::count(state, inside);
        *out = if count < required { M::missing() } else { of.finish(state, count) };
    }
}

/// Whether windows of this width are merged one by one.
pub(crate) fn is_short(width: u64) -> bool {
    width <= SHORT
}

/// Windows side by side, whose elements are these rows.
pub(crate) fn one<M: Monoid>(
    of: &M,
    lines: &Lines<'_, M::In>,
    rows: Range<usize>,
    required: u64,
    states: &mut [M::State],
    out: &mut [M::Out],
) {
    let states = &mut states[..lines.count];
    states.fill(M::NONE);
    let inside = rows.len() as u64;
    for row in rows {
        for (state, &element) in states.iter_mut().zip(lines.row(row)) {
            *state = M::merge(*state, M::lift(element));
        }
    }
    put(of, states, inside, required, out);
}

/// Windows of any kind, one after the other.
pub(crate) fn each<M: Monoid>(
    of: &M,
    given: &Given<'_, M::In>,
    windows: &mut dyn FnMut(usize) -> Range<i64>,
    steps: usize,
    required: u64,
    states: &mut [M::State],
    out: &mut LinesMut<'_, M::Out>,
) {
    let states = &mut states[..given.lines.count];
    for step in 0..steps {
        let inside = given.inside(&windows(step));
        states.fill(M::NONE);
        for at in inside.clone() {
            let Some(row) = given.row(at) else { continue };
            for (state, &element) in states.iter_mut().zip(row) {
                *state = M::merge(*state, M::lift(element));
            }
        }
        put(of, states, inside.end.saturating_sub(inside.start).max(0) as u64, required, out.row(step));
    }
}

/// Windows of `width` elements from `first` on, each one behind the last. Elements are merged between places that are `width` apart,
/// counted from the beginning of the axis: up to each place from the right, and from there on to the right. A window is
/// what is left of one such place, and what is right of it; nothing is ever taken away again.
pub(crate) fn moving<M: Monoid>(
    of: &M,
    given: &Given<'_, M::In>,
    (first, width): (i64, u64),
    steps: usize,
    required: u64,
    states: &mut [M::State],
    out: &mut LinesMut<'_, M::Out>,
) {
    if width <= SHORT {
        let mut windows = |step: usize| first + step as i64..first + step as i64 + width as i64;
        return each(of, given, &mut windows, steps, required, states, out);
    }
    let (count, wide) = (given.lines.count, width as i64);
    let (left, right) = states.split_at_mut(width as usize * count);
    let last = first + steps as i64;
    let origin = given.origin;
    // The place within or at the beginning of the first window.
    let mut place = origin + (first - origin + wide - 1).div_euclid(wide) * wide;
    while place - wide < last - 1 {
        let from = first.max(place - wide + 1);
        lefts::<M>(given, from..place, place - wide, count, left);
        let right = &mut right[..count];
        right.fill(M::NONE);
        for at in place..place + wide {
            if at - wide >= last - 1 {
                break;
            }
            if let Some(row) = given.row(at) {
                for (state, &element) in right.iter_mut().zip(row) {
                    *state = M::merge(*state, M::lift(element));
                }
            }
            let start = at - wide + 1;
            if start < first || start >= last {
                continue;
            }
            let inside = given.inside(&(start..start + wide));
            let inside = inside.end.saturating_sub(inside.start).max(0) as u64;
            let out = out.row((start - first) as usize);
            if start == place {
                put(of, right, inside, required, out);
                continue;
            }
            let left = &left[(start - place + wide) as usize * count..][..count];
            for ((out, &left), &right) in out.iter_mut().zip(left).zip(&*right) {
                let state = M::merge(left, right);
                let count = M::count(state, inside);
                *out = if count < required { M::missing() } else { of.finish(state, count) };
            }
        }
        place += wide;
    }
}

/// The states of the elements from each coordinate up to the end of the range.
fn lefts<M: Monoid>(
    given: &Given<'_, M::In>,
    range: Range<i64>,
    base: i64,
    count: usize,
    states: &mut [M::State],
) {
    let mut before: Option<usize> = None;
    for at in range.rev() {
        let index = (at - base) as usize;
        let (head, tail) = states.split_at_mut((index + 1) * count);
        let own = &mut head[index * count..];
        let behind = &tail[..if before.is_some() { count } else { 0 }];
        match given.row(at) {
            Some(row) if behind.is_empty() => {
                own.iter_mut().zip(row).for_each(|(own, &element)| *own = M::lift(element));
            }
            Some(row) => {
                for ((own, &element), &behind) in own.iter_mut().zip(row).zip(behind) {
                    *own = M::merge(M::lift(element), behind);
                }
            }
            None if behind.is_empty() => own.fill(M::NONE),
            None => own.copy_from_slice(behind),
        }
        before = Some(index);
    }
}
