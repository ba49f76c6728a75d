//! Windows: which indices of an axis a step of a loop needs.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::boundary::Boundary;
use crate::compute::fields::{count, damaged, expect, flag, inner, whole, wholes};
use crate::compute::number::Number;

/// Which indices of an axis each step of a loop reads or writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Windows {
    /// One index a step: the axis is as long as the loop.
    Each,
    /// The whole axis at every step.
    Whole,
    /// So many indices, from one that moves on by `step`.
    Moving {
        /// The first coordinate of the first window.
        first: i64,
        /// How far the next window is, up or down.
        step: i64,
        /// Coordinates in a window.
        width: u64,
        /// Whether windows are cut at the ends of the axis; otherwise they must lie inside.
        clamp: bool,
    },
    /// As `Moving`, also beyond the ends of the axis, where the boundary says what there is.
    Reaching {
        /// The first coordinate of the first window.
        first: i64,
        /// How far the next window is, up or down.
        step: i64,
        /// Coordinates in a window.
        width: u64,
        /// What lies beyond the ends.
        boundary: Boundary,
    },
    /// These coordinates, a range for each step; they may overlap, have gaps, and go up and down.
    Ranges(Arc<[Range<i64>]>),
    /// From the last coordinate on that is a multiple of `every` behind the beginning of the axis, up to that of the step. The
    /// axis is as long as the loop.
    Since {
        /// How far apart these coordinates are.
        every: u64,
    },
    /// One index for `every` steps.
    Slow {
        /// How many steps have the same index.
        every: u64,
    },
    /// Of a result: all steps write one index, so that elements are reduced along the loop.
    Repeated,
}

impl Windows {
    /// The window of step `k` along an axis.
    pub(crate) fn get(&self, k: u64, axis: &Range<i64>) -> Range<i64> {
        match self {
            Self::Each => {
                let at = axis.start.saturating_add_unsigned(k);
                at..at.saturating_add(1)
            }
            Self::Whole => axis.clone(),
            Self::Repeated => axis.start..axis.start.saturating_add(1),
            Self::Ranges(all) => all[k as usize].clone(),
            Self::Since { every } => {
                let from = axis.start.saturating_add_unsigned(k - k % every.max(&1));
                from..axis.start.saturating_add_unsigned(k).saturating_add(1)
            }
            Self::Slow { every } => {
                let at = axis.start.saturating_add_unsigned(k / every.max(&1));
                at..at.saturating_add(1)
            }
            Self::Reaching { first, step, width, .. } => {
                Self::Moving { first: *first, step: *step, width: *width, clamp: false }.get(k, axis)
            }
            Self::Moving { first, step, width, clamp } => {
                let start = i128::from(*first) + i128::from(k) * i128::from(*step);
                let end = start + i128::from(*width);
                match clamp {
                    true => {
                        let inside = |at: i128| at.clamp(axis.start.into(), axis.end.into()) as i64;
                        inside(start)..inside(end)
                    }
                    false => saturated(start)..saturated(end),
                }
            }
        }
    }

    /// The shortest range that has the windows of these steps; empty if there are none.
    pub(crate) fn hull(&self, steps: &Range<u64>, axis: &Range<i64>) -> Range<i64> {
        if steps.is_empty() {
            return axis.start..axis.start;
        }
        let both = |one: Range<i64>, other: Range<i64>| match (one.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => one,
            _ => one.start.min(other.start)..one.end.max(other.end),
        };
        match self {
            Self::Ranges(_) => {
                let all = steps.clone().map(|k| self.get(k, axis));
                all.reduce(both).unwrap_or(axis.start..axis.start)
            }
            // Those at the ends may be cut to nothing where others are not.
            Self::Moving { first, step, width, clamp: true } => {
                let whole = Self::Moving { first: *first, step: *step, width: *width, clamp: false };
                let all = whole.hull(steps, axis);
                let inside = |at: i64| at.clamp(axis.start, axis.end);
                inside(all.start)..inside(all.end)
            }
            _ => both(self.get(steps.start, axis), self.get(steps.end - 1, axis)),
        }
    }

    /// The most indices that so many steps after each other need.
    pub(crate) fn reach(&self, steps: u64, axis: &Range<i64>) -> u64 {
        let length = axis.end.abs_diff(axis.start);
        match self {
            Self::Each => steps.min(length),
            Self::Whole => length,
            Self::Repeated => 1,
            Self::Moving { step, width, clamp, .. } => {
                let reach = (steps.max(1) - 1).saturating_mul(step.unsigned_abs()).saturating_add(*width);
                if *clamp { reach.min(length) } else { reach }
            }
            Self::Since { every } => steps.saturating_add(every - 1).min(length),
            Self::Slow { every } => (steps / every.max(&1)).saturating_add(2).min(length),
            Self::Reaching { step, width, .. } => {
                (steps.max(1) - 1).saturating_mul(step.unsigned_abs()).saturating_add(*width)
            }
            Self::Ranges(all) => {
                let steps = (steps as usize).clamp(1, all.len().max(1));
                widest(all, steps)
            }
        }
    }

    /// What there is beyond the ends of the axis.
    pub(crate) fn boundary(&self) -> Option<Boundary> {
        if let Self::Reaching { boundary, .. } = self { Some(*boundary) } else { None }
    }

    /// The same, where a constant beyond the ends of the axis becomes another.
    pub(crate) fn of_numbers(&self, becomes: impl Fn(Number) -> Number) -> Self {
        let mut other = self.clone();
        if let Self::Reaching { boundary: Boundary::Constant(number), .. } = &mut other {
            *number = becomes(*number);
        }
        other
    }

    /// How many elements before and behind its own a step sees, where the steps of a loop from `first_step` on have those of
    /// their own coordinate, times the step; `None` if they have none.
    pub(crate) fn halo(&self, first_step: i64) -> Option<(u64, u64)> {
        let (first, step, width) = match self {
            Self::Moving { first, step, width, .. } | Self::Reaching { first, step, width, .. } => {
                (first, step, width)
            }
            // Blocks may begin anywhere in a segment.
            Self::Since { every } => return Some((every / 2, 0)),
            _ => return None,
        };
        let before = first_step.checked_mul(*step)?.checked_sub(*first)?;
        let behind = i64::try_from(*width).ok()?.checked_sub(*step)?.checked_sub(before)?;
        Some((u64::try_from(before).ok()?, u64::try_from(behind).ok()?)).filter(|_| *step > 0)
    }

    /// The windows as plain data.
    pub(crate) fn config(&self) -> Config {
        let moving = |name, first: i64, step: i64, width: u64| {
            Config::new(name).with("first", first).with("step", step).with("width", width)
        };
        match self {
            Self::Each => Config::new("each"),
            Self::Whole => Config::new("whole"),
            Self::Repeated => Config::new("repeated"),
            Self::Moving { first, step, width, clamp } => {
                moving("moving", *first, *step, *width).with("clamp", *clamp)
            }
            Self::Reaching { first, step, width, boundary } => {
                moving("reaching", *first, *step, *width).with("boundary", boundary.config())
            }
            Self::Since { every } => Config::new("since").with("every", *every),
            Self::Slow { every } => Config::new("slow").with("every", *every),
            Self::Ranges(all) => {
                let ends: Parameter = all.iter().flat_map(|range| [range.start, range.end]).collect();
                Config::new("ranges").with("ends", ends)
            }
        }
    }

    /// The windows of such data.
    ///
    /// # Errors
    /// `InvalidArgument` for what is none.
    pub(crate) fn read(name: &str, config: &Value) -> Result<Self> {
        let moving = || Ok((whole(config, "first")?, whole(config, "step")?, count(config, "width")?));
        Ok(match name {
            "each" => Self::Each,
            "whole" => Self::Whole,
            "moving" => {
                let (first, step, width) = moving()?;
                Self::Moving { first, step, width, clamp: flag(config, "clamp")? }
            }
            "reaching" => {
                let (first, step, width) = moving()?;
                let (name, boundary) = inner(config, "boundary")?;
                Self::Reaching { first, step, width, boundary: Boundary::read(name, boundary)? }
            }
            "since" => Self::Since { every: count(config, "every")? },
            "slow" => Self::Slow { every: count(config, "every")? },
            "ranges" => {
                let ends = wholes(config, "ends")?;
                let is_range = |ends: &[i64]| ends.len() == 2 && ends[0] <= ends[1];
                expect(ends.chunks(2).all(is_range))?;
                Self::Ranges(ends.chunks_exact(2).map(|ends| ends[0]..ends[1]).collect())
            }
            _ => return Err(damaged()),
        })
    }

    /// An error unless a loop of so many steps has its windows inside of an axis.
    pub(crate) fn check(&self, steps: u64, axis: &Range<i64>) -> Result<()> {
        let inside =
            |window: &Range<i64>| window.is_empty() || (window.start >= axis.start && window.end <= axis.end);
        let (start, end) = (axis.start, axis.end);
        match self {
            Self::Each if steps != end.abs_diff(start) => Err(Error::invalid(format!(
                "a window for each index of {start}:{end} in a loop of {steps} steps; they are not as many"
            ))),
            Self::Since { every } | Self::Slow { every } if *every == 0 => {
                Err(Error::invalid("segments of no elements"))
            }
            Self::Since { .. } if steps != end.abs_diff(start) => Err(Error::invalid(format!(
                "a segment for each index of {start}:{end} in a loop of {steps} steps; they are not as many"
            ))),
            Self::Slow { every } if steps.div_ceil(*every) > end.abs_diff(start) => {
                Err(Error::invalid(format!("{steps} steps, {every} for each index of {start}:{end}")))
            }
            Self::Reaching { boundary, .. } if start == end && steps > 0 && !boundary.is_constant() => {
                Err(Error::invalid("windows beyond the ends of an axis of no elements"))
            }
            Self::Moving { step: 0, .. } | Self::Reaching { step: 0, .. } => {
                Err(Error::invalid("a window that does not move; use the whole axis"))
            }
            Self::Reaching { first, step, width, .. } => {
                let last = i128::from(*first) + i128::from(steps.max(1) - 1) * i128::from(*step);
                let ends = [i128::from(*first), last, i128::from(*first).max(last) + i128::from(*width)];
                match ends.into_iter().all(|end| i64::try_from(end).is_ok()) {
                    true => Ok(()),
                    false => Err(Error::invalid("windows that leave the range of coordinates")),
                }
            }
            Self::Moving { first, step, width, clamp: false } if steps > 0 => {
                let last = i128::from(*first) + i128::from(steps - 1) * i128::from(*step);
                let low = last.min(i128::from(*first));
                let high = last.max(i128::from(*first)) + i128::from(*width);
                if low >= i128::from(start) && high <= i128::from(end) {
                    return Ok(());
                }
                Err(Error::invalid(format!(
                    "windows over {low}:{high} reach outside of the axis {start}:{end}; clamp them, or pad the operand"
                )))
            }
            Self::Ranges(all) if all.len() as u64 != steps => {
                Err(Error::invalid(format!("{} ranges in a loop of {steps} steps", all.len())))
            }
            Self::Ranges(all) => match all.iter().find(|window| !inside(window)) {
                Some(out) => Err(Error::invalid(format!(
                    "the range {}:{} reaches outside of the axis {start}:{end}",
                    out.start, out.end
                ))),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// The longest hull of so many ranges after each other.
fn widest(all: &[Range<i64>], steps: usize) -> u64 {
    // Of the ranges behind, those that may still be the first, or the last: each goes in and out once.
    let (mut lows, mut highs): (VecDeque<usize>, VecDeque<usize>) = (VecDeque::new(), VecDeque::new());
    let mut longest = 0;
    for (at, range) in all.iter().enumerate() {
        if !range.is_empty() {
            while lows.back().is_some_and(|&low| all[low].start >= range.start) {
                lows.pop_back();
            }
            while highs.back().is_some_and(|&high| all[high].end <= range.end) {
                highs.pop_back();
            }
            lows.push_back(at);
            highs.push_back(at);
        }
        for ends in [&mut lows, &mut highs] {
            while ends.front().is_some_and(|&first| first + steps <= at) {
                ends.pop_front();
            }
        }
        if let (Some(&low), Some(&high)) = (lows.front(), highs.front()) {
            longest = longest.max(all[high].end.abs_diff(all[low].start));
        }
    }
    longest
}

fn saturated(at: i128) -> i64 {
    at.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_move_and_are_cut_at_the_ends() {
        let axis = 0..10;
        let moving = |first, step, width, clamp| Windows::Moving { first, step, width, clamp };
        let all =
            |windows: &Windows, steps: u64| (0..steps).map(|k| windows.get(k, &axis)).collect::<Vec<_>>();
        assert_eq!(all(&moving(-1, 1, 3, true), 3), [0..2, 0..3, 1..4]);
        assert_eq!(all(&moving(8, -4, 2, false), 3), [8..10, 4..6, 0..2]);
        assert_eq!(moving(8, -4, 2, false).hull(&(1..3), &axis), 0..6);
        assert_eq!(
            (moving(0, 4, 2, false).reach(2, &axis), moving(-1, 1, 3, true).reach(20, &axis)),
            (6, 10)
        );
        assert!(moving(0, 4, 3, false).check(3, &axis).unwrap_err().to_string().contains("0:11"));
        assert!(moving(0, 4, 2, false).check(3, &axis).is_ok() && Windows::Each.check(9, &axis).is_err());
        let ranges = Windows::Ranges([5..7, 0..2, 3..3].into());
        assert_eq!(ranges.hull(&(0..2), &axis), 0..7);
        assert!(ranges.hull(&(2..3), &axis).is_empty());
        assert_eq!((ranges.reach(1, &axis), ranges.reach(2, &axis)), (2, 7));
    }
}
