//! Running sums and the like of an axis that is in memory as a whole: what segments come to is carried on, and nothing is read again.

use std::sync::Arc;

use bytemuck::Pod;

use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::chunk::config::Config;
use crate::compute::dense::{Given, Kernel};
use crate::compute::kernels::scan::Running;
use crate::compute::lines::{Shape, along};

/// Lines side by side.
const MOST: usize = 256;

/// Along which axis, and in segments of how many elements: of an axis that is longer than `whole` elements, and of what its segments come
/// to, if these are as many.
#[derive(Clone, Copy)]
pub(super) struct Segments {
    pub(super) name: &'static str,
    pub(super) axis: usize,
    pub(super) segment: u64,
    pub(super) whole: u64,
}

impl Segments {
    /// The kernel of elements of a type that states are made of, and that they become.
    pub(super) fn kernel<M: Running + 'static, T: Pod + Send + Sync>(
        self,
        of: M,
        wide: fn(T) -> M::Element,
        narrow: fn(M::Element) -> T,
    ) -> Arc<dyn Kernel> {
        Arc::new(Whole { of, at: self, wide, narrow })
    }

    /// How many levels there are: of elements, of what their segments come to, and so on.
    fn levels(self, length: u64) -> usize {
        let (mut levels, mut length) = (1, length);
        while length > self.whole {
            (levels, length) = (levels + 1, length.div_ceil(self.segment));
        }
        levels
    }
}

struct Whole<M: Running, T> {
    of: M,
    at: Segments,
    wide: fn(T) -> M::Element,
    narrow: fn(M::Element) -> T,
}

/// States of lines side by side: of the elements of a segment so far, and of all segments before it.
struct Level<S> {
    within: Vec<S>,
    before: Vec<S>,
    /// How many elements have been merged.
    count: u64,
}

impl<M: Running + 'static, T: Pod + Send + Sync> Kernel for Whole<M, T> {
    fn config(&self) -> Config {
        Config::new("scan")
            .with("of", self.at.name)
            .with("axis", self.at.axis)
            .with("segment", self.at.segment)
            .with("whole", self.at.whole)
            .with("bytes", size_of::<T>())
    }

    fn scratch(&self, steps: &[u64]) -> u64 {
        // Lines of a narrow axis are gathered.
        (steps[self.at.axis].saturating_mul(2 * 32 * 8)).saturating_add(8 * 8 * MOST as u64)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        let axis = self.at.axis;
        let (range, length) = (steps.range(axis), input.domain.shape()[axis]);
        let first = range.start.abs_diff(input.domain.origin()[axis]) as usize;
        let end = range.end.abs_diff(input.domain.origin()[axis]) as usize;
        let given = [(input.elements::<T>(), length as usize)];
        let out: &mut [T] = bytemuck::cast_slice_mut(out);
        along(&given, out, Shape::along(steps.shape(), axis), MOST, &mut |lines, out| {
            let Some(lines) = lines.first() else { return };
            let mut levels: Vec<Level<M::Element>> =
                (0..self.at.levels(length)).map(|_| Level::new::<M>(lines.count)).collect();
            let mut row = vec![M::NONE; lines.count];
            for number in 0..end {
                row.iter_mut().zip(lines.row(number)).for_each(|(state, &one)| *state = (self.wide)(one));
                add::<M>(&mut levels, self.at.segment, &mut row);
                if let Some(wanted) = number.checked_sub(first) {
                    let found = out.row(wanted).iter_mut().zip(&row);
                    found.for_each(|(out, &state)| *out = (self.narrow)(self.of.finish(state, 1)));
                }
            }
        })
    }
}

impl<S: Copy> Level<S> {
    fn new<M: Running<Element = S>>(count: usize) -> Self {
        Self { within: vec![M::NONE; count], before: vec![M::NONE; count], count: 0 }
    }
}

/// Merges a row of elements with those before it, which it becomes the states of. A level below the last is in segments: what a whole one
/// comes to is an element of the next level.
fn add<M: Running>(levels: &mut [Level<M::Element>], segment: u64, row: &mut [M::Element]) {
    let Some((level, rest)) = levels.split_first_mut() else { return };
    let is_in_segments = !rest.is_empty();
    if is_in_segments && level.count % segment == 0 {
        if level.count > 0 {
            level.before.copy_from_slice(&level.within);
            add::<M>(rest, segment, &mut level.before);
        }
        level.within.fill(M::NONE);
    }
    level.count += 1;
    for ((state, element), &before) in level.within.iter_mut().zip(row).zip(&level.before) {
        *state = M::merge(*state, M::lift(*element));
        *element = if is_in_segments { M::merge(before, *state) } else { *state };
    }
}
