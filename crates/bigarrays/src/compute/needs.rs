//! What blocks of the results of a general operation need of its inputs, and what they hold.

use std::ops::Range;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::compute::cuts::Cuts;
use crate::compute::result_axis::Written;
use crate::compute::windowed::{Bound, Windowed, Work};
use crate::compute::windows::Windows;

/// Bytes of a number of any type, and of the list that has it.
const NUMBER: u64 = 64;

impl Windowed {
    /// Lengths of the box of an input that so many steps along each axis need.
    pub(super) fn reach(&self, input: usize, steps: &[u64], domain: &Domain) -> Dims<u64> {
        let one = |(at, (axis, windows)): (usize, &Bound)| windows.reach(steps[*axis], &domain.range(at));
        self.inputs[input].iter().enumerate().map(one).collect()
    }

    /// Lengths of the part of that box that other steps do not need as well, about.
    pub(super) fn own(&self, input: usize, steps: &[u64], reach: &[u64]) -> Dims<u64> {
        let one = |((axis, windows), &reach): (&Bound, &u64)| match windows {
            Windows::Moving { step, .. } | Windows::Reaching { step, .. } => {
                reach.min(steps[*axis].saturating_mul(step.unsigned_abs()))
            }
            Windows::Since { .. } => reach.min(steps[*axis]),
            _ => reach,
        };
        self.inputs[input].iter().zip(reach).map(one).collect()
    }

    /// How many elements before and behind a box of a result are needed of an input along each axis, which needs itself some
    /// beside a box of its own.
    pub(super) fn halo(
        &self,
        output: usize,
        input: usize,
        inner: &[(u64, u64)],
        ndim: usize,
    ) -> Dims<(u64, u64)> {
        let mut found = Dims::from_elem((0, 0), ndim);
        for (at, axis) in self.outputs[output].axes.iter().enumerate() {
            let own = self.inputs[input].iter().position(|bound| Some(bound.0) == *axis);
            let (Some(own), Some(axis)) = (own, axis) else { continue };
            let windows = &self.inputs[input][own].1;
            let inner = inner.get(own).copied().unwrap_or_default();
            found[at] = match windows {
                Windows::Each => inner,
                Windows::Since { .. } => {
                    let (before, behind) = windows.halo(0).unwrap_or_default();
                    (inner.0.saturating_add(before), inner.1.saturating_add(behind))
                }
                Windows::Moving { step, .. } | Windows::Reaching { step, .. } => {
                    let (before, behind) = windows.halo(self.loops.origin()[*axis]).unwrap_or_default();
                    let steps = |count: u64| count.div_ceil(step.unsigned_abs().max(1));
                    (steps(before.saturating_add(inner.0)), steps(behind.saturating_add(inner.1)))
                }
                _ => (0, 0),
            };
        }
        found
    }

    /// How many steps along each axis a block of a result of these lengths takes, at most.
    pub(super) fn steps(&self, output: usize, lengths: &[u64], domains: &[&Domain]) -> Dims<u64> {
        let mut steps: Dims<u64> = self.loops.shape().into();
        let results = &self.outputs[output];
        for (at, (axis, written)) in results.axes.iter().zip(&results.written).enumerate() {
            if let Some(axis) = axis.or(written.loop_axis()) {
                steps[axis] = written.most_steps(lengths[at], steps[axis]);
            }
        }
        if let Some(&first) = self.reduced(output).first() {
            steps[first] = self.at_once(&steps, first, domains);
        }
        steps
    }

    /// Bytes that are held for a block of a result, but for inputs and its elements themselves, which are written where they are to
    /// be if that is dense in C order.
    pub(super) fn held(&self, output: usize, lengths: &[u64], item: u64, is_dense: bool) -> u64 {
        let at_hand = self.at_hand(output, lengths);
        let bytes = |item: u64| at_hand.iter().fold(item, |all: u64, &length| all.saturating_mul(length));
        match &self.work {
            // They are numbers until the block is done.
            Work::Element(_) => bytes(NUMBER.saturating_mul(self.outputs.len() as u64)),
            Work::Block(..) => self
                .outputs
                .iter()
                .map(|output| bytes(output.dtype.size() as u64))
                .fold(0, u64::saturating_add),
            Work::Kernel(kernel) => {
                let made = if is_dense { 0 } else { bytes(item) };
                made.saturating_add(kernel.scratch(&self.steps(output, lengths, &[])))
            }
        }
    }

    /// Whether what is read of an input may reach beyond its ends, so that it is put together.
    pub(super) fn reaches(&self, input: usize) -> bool {
        self.inputs[input].iter().any(|(_, windows)| windows.boundary().is_some())
    }

    /// How many chunks of an input a step needs, along axes whose windows are whole, or are further apart than chunks are long.
    pub(super) fn chunks_along(&self, input: usize, chunks: &[(i64, u64)], domain: &Domain) -> u64 {
        let one = |(at, (_, windows)): (usize, &Bound)| match windows {
            Windows::Whole => Cuts::over(domain.range(at), chunks[at]).len(),
            Windows::Moving { step, .. } | Windows::Reaching { step, .. } => {
                step.unsigned_abs().div_ceil(chunks[at].1.max(1)).max(1)
            }
            _ => 1,
        };
        self.inputs[input].iter().enumerate().map(one).fold(1, u64::saturating_mul)
    }

    /// Where the chunks of an input end among the elements of a result.
    pub(super) fn grid(
        &self,
        output: usize,
        input: usize,
        (chunks, of): (&[(i64, u64)], &Domain),
    ) -> Dims<(i64, u64)> {
        let domain = &self.outputs[output].domain;
        let whole = |range: Range<i64>| (range.start, range.end.abs_diff(range.start).max(1));
        let mut found: Dims<(i64, u64)> = domain.ranges().map(whole).collect();
        let results = &self.outputs[output];
        for (at, (axis, written)) in results.axes.iter().zip(&results.written).enumerate() {
            if matches!(written, Written::Shared(..)) {
                found[at].1 = 1;
            }
            let own = self.inputs[input].iter().position(|bound| Some(bound.0) == *axis);
            let Some((own, (_, windows))) = own.map(|own| (own, &self.inputs[input][own])) else { continue };
            if *written != Written::Element {
                let steps = match windows {
                    Windows::Each => Some(chunks[own].1),
                    Windows::Moving { step, .. } => Some((chunks[own].1 / step.unsigned_abs()).max(1)),
                    _ => None,
                };
                found[at].1 = steps.and_then(|steps| written.distance(steps)).unwrap_or(found[at].1);
                continue;
            }
            match windows {
                Windows::Each | Windows::Since { .. } => {
                    let into = chunks[own].0.saturating_sub(of.origin()[own]);
                    found[at] = (domain.origin()[at].saturating_add(into), chunks[own].1);
                }
                Windows::Moving { step, .. } | Windows::Reaching { step, .. } => {
                    found[at].1 = (chunks[own].1 / step.unsigned_abs()).max(1);
                    if windows.halo(self.loops.origin()[axis.unwrap_or(0)]).is_some() {
                        found[at].0 = chunks[own].0.div_euclid(*step);
                    }
                }
                _ => {}
            }
        }
        found
    }
}
