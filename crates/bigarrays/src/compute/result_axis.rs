//! Where the steps of a general operation write: an element or a window along each axis of a result.

use std::ops::Range;

use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::windows::Windows;

/// How steps write along an axis of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Written {
    /// The element of each step, or all the same one.
    Element,
    /// A window for each step along this axis of the loop: one that moves or stays, or a range.
    Window(usize, Windows),
    /// One element for so many steps, after each other, along this axis of the loop.
    Shared(usize, u64),
}

/// An axis of a result: what its coordinates are, the axis of the loop that moves along it, and how it is written.
pub(crate) type Place = (Range<i64>, Option<usize>, Written);

impl Written {
    /// The axis of a result that is bound to one of the loop.
    ///
    /// # Errors
    /// `InvalidArgument` for windows that no result has.
    pub(crate) fn along((axis, windows): &(usize, Windows), loops: &Domain) -> Result<Place> {
        let (range, steps) = (loops.range(*axis), loops.shape()[*axis]);
        let window = |along: Option<usize>| {
            let own = windows.hull(&(0..steps), &(0..0));
            Ok((own, along, Self::Window(*axis, windows.clone())))
        };
        match windows {
            Windows::Each => Ok((range, Some(*axis), Self::Element)),
            Windows::Repeated => Ok((range.start..range.start.saturating_add(1), None, Self::Element)),
            Windows::Moving { clamp: false, step: 0, first, width } => {
                let own = *first..first.saturating_add_unsigned(*width);
                Ok((own, None, Self::Window(*axis, windows.clone())))
            }
            Windows::Moving { clamp: false, .. } => window(Some(*axis)),
            Windows::Ranges(all) if all.len() as u64 == steps => window(Some(*axis)),
            Windows::Ranges(all) => {
                Err(Error::invalid(format!("{} ranges in a loop of {steps} steps", all.len())))
            }
            other => Err(Error::invalid(format!(
                "a result that is written in windows {other:?}: its axis is as long as windows that move, or ranges, say"
            ))),
        }
    }

    /// The axis of a result of which each element belongs to `steps` steps along an axis of the loop.
    pub(crate) fn shared(axis: usize, steps: u64, loops: &Domain) -> Place {
        let count = loops.shape()[axis].div_ceil(steps.max(1));
        (0..i64::try_from(count).unwrap_or(i64::MAX), None, Self::Shared(axis, steps.max(1)))
    }

    /// The axis of the loop along which steps write it, if no other is known.
    pub(super) fn loop_axis(&self) -> Option<usize> {
        match *self {
            Self::Element => None,
            Self::Window(axis, _) | Self::Shared(axis, _) => Some(axis),
        }
    }

    /// The steps that write in a range of the axis, of an axis of the loop with these coordinates; they may write beyond it.
    pub(super) fn steps(&self, part: &Range<i64>, all: &Range<i64>) -> Range<i64> {
        let (low, high): (i128, i128) = match self {
            Self::Element => return part.clone(),
            Self::Window(_, Windows::Moving { step: 0, .. }) => return all.clone(),
            Self::Window(_, Windows::Moving { first, step, width, .. }) => {
                let (first, width, by) =
                    (i128::from(*first), i128::from(*width), i128::from(step.unsigned_abs()));
                let (low, high) = match *step > 0 {
                    true => (i128::from(part.start) - width + 1 - first, i128::from(part.end) - 1 - first),
                    false => (first - i128::from(part.end) + 1, first + width - 1 - i128::from(part.start)),
                };
                (-(-low).div_euclid(by), high.div_euclid(by) + 1)
            }
            Self::Window(_, Windows::Ranges(ranges)) => {
                let meets = |range: &Range<i64>| {
                    range.start < part.end && range.end > part.start && !range.is_empty()
                };
                let first = ranges.iter().position(meets).unwrap_or(0);
                let last = ranges.iter().rposition(meets).map_or(first, |last| last + 1);
                (first as i128, last as i128)
            }
            Self::Window(..) => return all.clone(),
            Self::Shared(_, steps) => {
                (i128::from(part.start) * i128::from(*steps), i128::from(part.end) * i128::from(*steps))
            }
        };
        let start = i128::from(all.start);
        let inside = |k: i128| (start + k).clamp(start, all.end.into()) as i64;
        inside(low)..inside(high).max(inside(low))
    }

    /// What a step writes, which is at `at` of a loop.
    pub(super) fn window(
        &self,
        at: &[i64],
        loops: &Domain,
        own: &Range<i64>,
        follows: Option<usize>,
    ) -> Range<i64> {
        let one = |at: i64| at..at.saturating_add(1);
        match self {
            Self::Element => one(follows.map_or(own.start, |axis| at[axis])),
            Self::Window(axis, windows) => windows.get(at[*axis].abs_diff(loops.origin()[*axis]), own),
            Self::Shared(axis, steps) => one((at[*axis].abs_diff(loops.origin()[*axis]) / steps) as i64),
        }
    }

    /// The most steps that write in so many elements after each other, of so many steps in all.
    pub(super) fn most_steps(&self, length: u64, all: u64) -> u64 {
        match self {
            Self::Element => length.min(all),
            Self::Window(_, Windows::Moving { step, width, .. }) if *step != 0 => {
                (length.saturating_add(*width).saturating_sub(2) / step.unsigned_abs())
                    .saturating_add(1)
                    .min(all)
            }
            Self::Window(..) => all,
            Self::Shared(_, steps) => length.saturating_mul(*steps).min(all),
        }
    }

    /// The most elements that are at hand while so many are made, of an axis of so many.
    pub(super) fn most_written(&self, length: u64, all: u64) -> u64 {
        match self {
            Self::Element | Self::Shared(..) => length,
            Self::Window(_, Windows::Moving { width, .. }) => {
                length.saturating_add(width.saturating_mul(2)).min(all)
            }
            Self::Window(..) => all,
        }
    }

    /// How far apart ends of windows are if an input ends after so many steps; `None` if nothing follows from that.
    pub(super) fn distance(&self, steps: u64) -> Option<u64> {
        match self {
            Self::Element => Some(steps),
            Self::Window(_, Windows::Moving { step, .. }) if *step != 0 => {
                Some(steps.saturating_mul(step.unsigned_abs()))
            }
            _ => None,
        }
    }
}
