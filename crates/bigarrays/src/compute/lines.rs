//! Dense elements as lines along an axis, many side by side.

use bytemuck::Pod;
use smallvec::SmallVec;

use crate::base::error::Result;
use crate::run::interrupt::check_interrupt;

/// Lines side by side are gathered if fewer than this many follow each other in memory.
const NARROW: usize = 16;

/// Lines side by side that are gathered at once.
const GATHERED: usize = 32;

/// The lengths of dense elements: of all axes before the one of the lines, of it, and of all behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) outer: usize,
    pub(crate) length: usize,
    pub(crate) inner: usize,
}

impl Shape {
    pub(crate) fn along(shape: &[u64], axis: usize) -> Self {
        let all = |lengths: &[u64]| lengths.iter().product::<u64>() as usize;
        Self { outer: all(&shape[..axis]), length: shape[axis] as usize, inner: all(&shape[axis + 1..]) }
    }
}

/// Elements with the same index of all lines follow each other: they are a row.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a, T> {
    elements: &'a [T],
    stride: usize,
    pub(crate) count: usize,
}

impl<'a, T> Lines<'a, T> {
    pub(crate) fn row(&self, index: usize) -> &'a [T] {
        &self.elements[index * self.stride..][..self.count]
    }
}

pub(crate) struct LinesMut<'a, T> {
    elements: &'a mut [T],
    stride: usize,
    pub(crate) count: usize,
}

impl<T> LinesMut<'_, T> {
    pub(crate) fn row(&mut self, index: usize) -> &mut [T] {
        &mut self.elements[index * self.stride..][..self.count]
    }
}

/// What is done with lines side by side of each input, and of a result.
pub(crate) type Work<'a, T, U> = dyn FnMut(&[Lines<'_, T>], &mut LinesMut<'_, U>) + 'a;

/// Calls `work` with all lines along an axis of some inputs and of a result, at most `most` side by side. The inputs and
/// the result agree in the lengths of all other axes.
///
/// # Errors
/// `Cancelled`.
pub(crate) fn along<'a, T: Pod, U: Pod>(
    inputs: &[(&'a [T], usize)],
    out: &mut [U],
    of: Shape,
    most: usize,
    work: &mut Work<'_, T, U>,
) -> Result<()> {
    let Shape { outer, length: to, inner } = of;
    if to == 0 || inner == 0 {
        return Ok(());
    }
    if inner < NARROW && outer > 1 {
        return gathered(inputs, out, of, most.clamp(1, GATHERED), work);
    }
    for block in 0..outer {
        for first in (0..inner).step_by(most.max(1)) {
            let count = most.max(1).min(inner - first);
            let lines = |(elements, length): &(&'a [T], usize)| Lines {
                elements: elements.get(block * length * inner + first..).unwrap_or_default(),
                stride: inner,
                count,
            };
            let all: SmallVec<[Lines<'_, T>; 2]> = inputs.iter().map(lines).collect();
            let out = &mut out[block * to * inner + first..];
            check_interrupt()?;
            work(&all, &mut LinesMut { elements: out, stride: inner, count });
        }
    }
    Ok(())
}

/// Whether elements along an axis follow each other, or nearly so.
pub(crate) fn is_narrow(of: Shape) -> bool {
    of.inner < NARROW
}

/// Calls `work` with windows along a narrow axis that move by one element: row `k` has element `k` of each of some windows side by
/// side, so that nothing is gathered. The input has as many elements more along the axis as windows are longer than one. The result is a
/// single row.
///
/// # Errors
/// `Cancelled`.
pub(crate) fn sliding<T: Pod, U: Pod>(
    input: (&[T], usize),
    out: &mut [U],
    Shape { outer, length, inner }: Shape,
    most: usize,
    work: &mut Work<'_, T, U>,
) -> Result<()> {
    let (elements, from) = input;
    let row = length * inner;
    for block in 0..outer {
        for first in (0..row).step_by(most.max(1)) {
            let count = most.max(1).min(row - first);
            let lines = Lines { elements: &elements[block * from * inner + first..], stride: inner, count };
            let out = &mut out[block * row + first..][..count];
            check_interrupt()?;
            work(&[lines], &mut LinesMut { elements: out, stride: count, count });
        }
    }
    Ok(())
}

/// The same where lines are copied, so that many are side by side.
fn gathered<T: Pod, U: Pod>(
    inputs: &[(&[T], usize)],
    out: &mut [U],
    Shape { outer, length: to, inner }: Shape,
    most: usize,
    work: &mut Work<'_, T, U>,
) -> Result<()> {
    let all = outer * inner;
    let mut copies: Vec<Vec<T>> = inputs.iter().map(|(_, length)| vec![T::zeroed(); length * most]).collect();
    let mut made = vec![U::zeroed(); to * most];
    for first in (0..all).step_by(most) {
        let count = most.min(all - first);
        for ((elements, length), copy) in inputs.iter().zip(&mut copies) {
            for lane in 0..count {
                let (block, place) = ((first + lane) / inner, (first + lane) % inner);
                for index in 0..*length {
                    copy[index * most + lane] = elements[(block * length + index) * inner + place];
                }
            }
        }
        let lines: SmallVec<[Lines<'_, T>; 2]> =
            copies.iter().map(|copy| Lines { elements: copy, stride: most, count }).collect();
        check_interrupt()?;
        work(&lines, &mut LinesMut { elements: &mut made, stride: most, count });
        for lane in 0..count {
            let (block, place) = ((first + lane) / inner, (first + lane) % inner);
            for index in 0..to {
                out[(block * to + index) * inner + place] = made[index * most + lane];
            }
        }
    }
    Ok(())
}
