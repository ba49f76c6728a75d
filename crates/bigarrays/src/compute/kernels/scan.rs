//! States of all elements up to each, within segments of an axis.

use bytemuck::Pod;

use crate::compute::kernels::monoid::Monoid;
use crate::compute::lines::{Lines, LinesMut};

/// A way to merge elements whose states are elements.
pub(crate) trait Running:
    Monoid<In = Self::Element, State = Self::Element, Out = Self::Element>
{
    type Element: Pod + Send + Sync;
}

impl<T: Pod + Send + Sync, M: Monoid<In = T, State = T, Out = T>> Running for M {
    type Element = T;
}

/// Where the rows of a block are, counted from the beginning of the axis.
#[derive(Clone, Copy)]
pub(crate) struct At {
    /// The first row that is given: the first of a segment.
    pub(crate) first: u64,
    /// The first row that is wanted, and how many are.
    pub(crate) wanted: u64,
    pub(crate) count: u64,
    /// The length of a segment, and the number of the first whose state before it is given.
    pub(crate) segment: u64,
    pub(crate) carried: u64,
}

/// Merges elements from the beginning of their segment on, and what is before it with each of them.
pub(crate) fn running<M: Running>(
    of: &M,
    lines: &[Lines<'_, M::Element>],
    at: At,
    states: &mut [M::Element],
    out: &mut LinesMut<'_, M::Element>,
) {
    let Some(elements) = lines.first() else { return };
    let states = &mut states[..elements.count];
    for number in at.first..at.wanted + at.count {
        if number % at.segment == 0 {
            states.fill(M::NONE);
        }
        let row = elements.row((number - at.first) as usize);
        for (state, &element) in states.iter_mut().zip(row) {
            *state = M::merge(*state, M::lift(element));
        }
        let Some(wanted) = number.checked_sub(at.wanted) else { continue };
        let out = out.row(wanted as usize);
        match lines.get(1) {
            Some(before) => {
                let before = before.row((number / at.segment - at.carried) as usize);
                for ((out, &state), &before) in out.iter_mut().zip(&*states).zip(before) {
                    *out = of.finish(M::merge(before, state), 1);
                }
            }
            None => out.iter_mut().zip(&*states).for_each(|(out, &state)| *out = of.finish(state, 1)),
        }
    }
}
