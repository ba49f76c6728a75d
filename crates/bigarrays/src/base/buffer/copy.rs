//! The one strided copy, and walks over the dense runs of a view.

use std::mem::MaybeUninit;

use crate::base::buffer::geometry::Geometry;
use crate::base::buffer::stream::{copy_lines, fence, is_of_lines};
use crate::base::dims::Dims;

/// One axis of a copy: length, source stride, destination stride.
type CopyAxis = (usize, isize, isize);

/// Sorts axes fastest-first by the destination, drops those of length one and merges those that
/// continue each other in both arrays. `None` if there is nothing to copy.
fn simplify(shape: &[usize], source: &[isize], destination: &[isize]) -> Option<Dims<CopyAxis>> {
    if shape.contains(&0) {
        return None;
    }
    let mut axes: Dims<CopyAxis> =
        (0..shape.len()).map(|d| (shape[d], source[d], destination[d])).filter(|axis| axis.0 != 1).collect();
    axes.sort_by_key(|&(_, from, to)| (to.unsigned_abs(), from.unsigned_abs()));
    let mut merged: Dims<CopyAxis> = Dims::new();
    for axis in axes {
        match merged.last_mut() {
            Some((length, from, to)) if continues(*length, *from, *to, axis) => *length *= axis.0,
            _ => merged.push(axis),
        }
    }
    Some(merged)
}

/// Whether `axis` continues an axis of this length and these strides, in both arrays.
fn continues(length: usize, from: isize, to: isize, axis: CopyAxis) -> bool {
    let Ok(steps) = isize::try_from(length) else { return false };
    from.checked_mul(steps) == Some(axis.1)
        && to.checked_mul(steps) == Some(axis.2)
        && length.checked_mul(axis.0).is_some()
}

/// Calls `visit(offset, bytes)` for each dense run of the elements, until it returns false.
pub(super) fn for_each_run(geometry: &Geometry, mut visit: impl FnMut(isize, usize) -> bool) {
    let Some(mut axes) = simplify(&geometry.shape, &geometry.strides, &geometry.strides) else { return };
    let mut run = geometry.item;
    if axes.first().is_some_and(|axis| axis.2 == run as isize) {
        run *= axes.remove(0).0;
    }
    let mut index: Dims<usize> = Dims::from_elem(0, axes.len());
    let mut offset = 0isize;
    loop {
        if !visit(offset, run) {
            return;
        }
        let mut axis = 0;
        loop {
            let Some(&(length, stride, _)) = axes.get(axis) else { return };
            index[axis] += 1;
            // Behind the last element of a line may be no address, but the way back is the same.
            offset = offset.wrapping_add(stride);
            if index[axis] < length {
                break;
            }
            offset = offset.wrapping_sub(stride.wrapping_mul(length as isize));
            index[axis] = 0;
            axis += 1;
        }
    }
}

/// Edge of the square tiles in which two fast axes are exchanged, in elements.
const TILE: usize = 32;

/// Copies every element at `from`, of one geometry, to `to`, of another of the same shape and item size: past the caches
/// if it `streams` and the runs are whole cache lines.
///
/// # Safety
/// All elements at `from` must be readable, and those at `to` writable and distinct from these.
pub(super) unsafe fn copy_strided(from: (*const u8, &Geometry), to: (*mut u8, &Geometry), streams: bool) {
    let ((from, source), (to, destination)) = (from, to);
    let item = source.item;
    let Some(axes) = simplify(&source.shape, &source.strides, &destination.strides) else { return };
    match axes.split_first() {
        // SAFETY: the one element of both sides.
        None => unsafe { std::ptr::copy_nonoverlapping(from, to, item) },
        Some((&(length, fs, ts), outer)) if fs == item as isize && ts == item as isize => {
            let run = length * item;
            if streams && is_of_lines(to, outer.iter().map(|axis| axis.2).chain([run as isize])) {
                // SAFETY: as below; the start and all distances are those of whole lines.
                walk(outer, from, to, &mut |from, to| unsafe { copy_lines(from, to, run) });
                return fence();
            }
            // SAFETY: the walk visits the start of every run, and both sides hold the run.
            walk(outer, from, to, &mut |from, to| unsafe { std::ptr::copy_nonoverlapping(from, to, run) });
        }
        Some(_) => match item {
            1 => copy_elements::<[u8; 1]>(axes, from, to),
            2 => copy_elements::<[u8; 2]>(axes, from, to),
            4 => copy_elements::<[u8; 4]>(axes, from, to),
            8 => copy_elements::<[u8; 8]>(axes, from, to),
            // SAFETY: the walk visits every element of both sides.
            _ => walk(&axes, from, to, &mut |from, to| unsafe {
                std::ptr::copy_nonoverlapping(from, to, item);
            }),
        },
    }
}

/// Copies element by element; where the source's fastest axis is not the destination's, in square
/// tiles over those two.
fn copy_elements<T: Copy>(mut axes: Dims<CopyAxis>, from: *const u8, to: *mut u8) {
    let fast = axes.remove(0);
    let nearest = (0..axes.len()).min_by_key(|&axis| axes[axis].1.unsigned_abs());
    let tiled = nearest.filter(|&axis| axes[axis].1.unsigned_abs() < fast.1.unsigned_abs());
    match tiled.map(|axis| axes.remove(axis)) {
        None => walk(&axes, from, to, &mut |from, to| {
            for k in 0..fast.0 as isize {
                // SAFETY: `k` is an index of the fast axis, the walk does the others.
                unsafe {
                    to.offset(k * fast.2)
                        .cast::<T>()
                        .write_unaligned(from.offset(k * fast.1).cast::<T>().read_unaligned());
                };
            }
        }),
        Some(slow) => walk(&axes, from, to, &mut |from, to| {
            for i in (0..slow.0).step_by(TILE) {
                for j in (0..fast.0).step_by(TILE) {
                    let (rows, columns) = (TILE.min(slow.0 - i), TILE.min(fast.0 - j));
                    let (i, j) = (i as isize, j as isize);
                    // SAFETY: the tile holds indices of two of the axes, the walk does the others.
                    unsafe {
                        let from = from.offset(i * slow.1 + j * fast.1);
                        let to = to.offset(i * slow.2 + j * fast.2);
                        copy_tile::<T>((rows, slow.1, slow.2), (columns, fast.1, fast.2), from, to);
                    }
                }
            }
        }),
    }
}

/// Copies a tile by way of a dense one, so that each cache line of either side is visited once, also
/// where lines are a power of two apart and would evict each other.
///
/// # Safety
/// All elements of the tile must be readable and writable; neither length may exceed `TILE`.
unsafe fn copy_tile<T: Copy>(slow: CopyAxis, fast: CopyAxis, from: *const u8, to: *mut u8) {
    let mut tile = [[MaybeUninit::<T>::uninit(); TILE]; TILE];
    for (j, column) in tile.iter_mut().enumerate().take(fast.0) {
        for (i, element) in column.iter_mut().enumerate().take(slow.0) {
            // SAFETY: the caller's promise.
            element.write(unsafe {
                from.offset(i as isize * slow.1 + j as isize * fast.1).cast::<T>().read_unaligned()
            });
        }
    }
    for i in 0..slow.0 {
        for (j, column) in tile.iter().enumerate().take(fast.0) {
            // SAFETY: the caller's promise; the element was written above.
            unsafe {
                let element = column[i].assume_init();
                to.offset(i as isize * slow.2 + j as isize * fast.2).cast::<T>().write_unaligned(element);
            }
        }
    }
}

/// Visits every combination of indices of `axes`, slowest last.
fn walk(axes: &[CopyAxis], from: *const u8, to: *mut u8, visit: &mut impl FnMut(*const u8, *mut u8)) {
    let Some((&(length, fs, ts), faster)) = axes.split_last() else { return visit(from, to) };
    for k in 0..length as isize {
        walk(faster, from.wrapping_offset(k * fs), to.wrapping_offset(k * ts), visit);
    }
}
