//! Views over memory of known contents, and views that nobody should ask for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::*;
use crate::base::dims::Dims;

/// A view of `bytes` as of memory that others might change.
pub(crate) fn foreign<'a>(bytes: &'a [u8], shape: &[usize], item: usize, order: Order) -> View<'a> {
    let view = View::dense(bytes, shape, item, order).unwrap();
    View { is_foreign: true, ..view }
}

fn panics<T>(work: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(work()))).is_err()
}

fn region(start: &[usize], count: &[usize], step: &[usize]) -> Region {
    Region { start: start.into(), count: count.into(), step: step.into() }
}

fn numbers<T: Copy>(shape: &[usize], make: impl Fn(usize) -> T) -> Vec<T> {
    (0..shape.iter().product()).map(make).collect()
}

/// Copies between every pair of orders and item sizes, over a cut-out, against index maths.
#[test]
fn copies_regions_between_orders() {
    let shape = [37usize, 5, 41];
    let region = Region {
        start: Dims::from_slice(&[1, 0, 3]),
        count: Dims::from_slice(&[18, 5, 12]),
        step: Dims::from_slice(&[2, 1, 3]),
    };
    for item in [1usize, 2, 3, 4, 8] {
        let count = shape.iter().product::<usize>() * item;
        let bytes: Vec<u8> = numbers(&[count], |i| (i * 7 + i / 251) as u8);
        for from in [Order::C, Order::Fortran] {
            for to in [Order::C, Order::Fortran] {
                let view = View::dense(&bytes, &shape, item, from).unwrap().region(&region);
                let mut out = vec![0u8; region.count.iter().product::<usize>() * item];
                ViewMut::dense(&mut out, &region.count, item, to).unwrap().copy_from(&view);
                let (fs, ts) = (from.strides(&shape, item), to.strides(&region.count, item));
                for i in 0..18usize {
                    for j in 0..5usize {
                        for k in 0..12usize {
                            let a = (1 + 2 * i) * fs[0] as usize
                                + j * fs[1] as usize
                                + (3 + 3 * k) * fs[2] as usize;
                            let b = i * ts[0] as usize + j * ts[1] as usize + k * ts[2] as usize;
                            assert_eq!(bytes[a..a + item], out[b..b + item]);
                        }
                    }
                }
            }
        }
    }
}

/// Memory that begins with a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Line(pub(crate) [u8; 64]);

/// Bytes of whole lines.
pub(crate) fn bytes_of(lines: &mut [Line]) -> &mut [u8] {
    let length = size_of_val(lines);
    // SAFETY: a line is its bytes.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), length) }
}

proptest! {
    /// What is written past the caches is what is written else, at whatever addresses, lengths and distances.
    #[test]
    fn streams_as_it_copies(
        lines in 1usize..4, odd in prop::sample::select(vec![0usize, 0, 0, 1, 16]), rows in prop::array::uniform2(1usize..5),
        pads in prop::array::uniform2(prop::sample::select(vec![0usize, 64, 128, 3])), shift in prop::sample::select(vec![0usize, 0, 1, 16]),
        item in prop::sample::select(vec![1usize, 2, 4, 8]), flips: [bool; 2], spread in 0usize..2, seed: u8,
    ) {
        let (length, step) = (lines * 64 + odd * item, item as isize);
        let source: Vec<u8> = numbers(&[length * rows[0] * rows[1]], |i| (i * 31 + i / 253) as u8 ^ seed);
        let shape = [rows[1], rows[0], length / item];
        // A distance of zero shows a row again.
        let source_strides = [(length * rows[0]) as isize, (length * spread) as isize, step];
        let view = View::strided(&source, 0, &shape, &source_strides, item);
        let view = if flips[0] { view.reversed(0) } else { view };
        let row = length + pads[0];
        let plane = row * rows[0] + pads[1];
        let copied = |streams: bool| {
            let mut memory = vec![Line([9; 64]); (shift + plane * rows[1]).div_ceil(64) + 1];
            let bytes = bytes_of(&mut memory);
            // SAFETY: the rows lie in the memory, apart from each other.
            let target = unsafe {
                ViewMut::from_raw(bytes[shift..].as_mut_ptr(), &shape, &[plane as isize, row as isize, step], item)
            };
            let target = if flips[1] { target.reversed(1) } else { target };
            if streams { target.streaming().copy_from(&view) } else { { target }.copy_from(&view) };
            bytes_of(&mut memory).to_vec()
        };
        prop_assert!(copied(true) == copied(false));
    }
}

#[test]
fn fills_and_compares_cutouts() {
    let mut bytes = vec![9u8; 4 * 5 * 2];
    let region = Region {
        start: Dims::from_slice(&[1, 1]),
        count: Dims::from_slice(&[2, 3]),
        step: Dims::from_slice(&[1, 1]),
    };
    ViewMut::dense(&mut bytes, &[4, 5], 2, Order::C).unwrap().region(&region).fill(&[1, 2]);
    assert!(View::dense(&bytes, &[4, 5], 2, Order::C).unwrap().region(&region).is_filled_with(&[1, 2]));
    assert!(!View::dense(&bytes, &[4, 5], 2, Order::C).unwrap().is_filled_with(&[1, 2]));
    assert_eq!(bytes.iter().filter(|&&byte| byte == 9).count(), (20 - 6) * 2);
}

#[test]
fn reversal_and_zero_dimensions() {
    let mut out = [0u8; 3];
    let view = View::dense(&[1, 2, 3], &[3], 1, Order::C).unwrap();
    ViewMut::dense(&mut out, &[3], 1, Order::C).unwrap().reversed(0).copy_from(&view);
    assert_eq!(out, [3, 2, 1]);
    let mut one = [0u8; 4];
    ViewMut::dense(&mut one, &[], 4, Order::C).unwrap().fill(&[1, 2, 3, 4]);
    assert_eq!(one, [1, 2, 3, 4]);
}

#[test]
fn absurd_shapes_are_errors() {
    assert!(byte_len(&[usize::MAX, 2], 1).is_err());
    assert!(byte_len(&[1 << 40, 1 << 40], 8).is_err());
    assert_eq!(byte_len(&[usize::MAX, usize::MAX, 0], 8).unwrap(), 0);
    assert!(View::dense(&[0; 7], &[2, 4], 1, Order::C).is_err());
}

#[test]
fn regions_that_wrap_reach_nothing() {
    let mut bytes = [0u8; 12];
    let wraps = [
        region(&[usize::MAX - 1, 0], &[3, 4], &[1, 1]),
        region(&[0, 0], &[3, 2], &[1, usize::MAX]),
        region(&[0, 4], &[3, 2], &[1, usize::MAX]),
        region(&[0, 0], &[usize::MAX, 4], &[3, 1]),
        region(&[0, 0], &[(1 << 63) + 1, 4], &[2, 1]),
        region(&[0, 0], &[3, 4], &[1, 0]),
        region(&[0], &[3], &[1]),
        region(&[0, 0, 0], &[3, 4, 1], &[1, 1, 1]),
        region(&[0], &[3, 4], &[1, 1]),
    ];
    for region in wraps {
        assert!(panics(|| View::dense(&bytes, &[3, 4], 1, Order::C).unwrap().region(&region)), "{region:?}");
        let target = ViewMut::dense(&mut bytes, &[3, 4], 1, Order::C).unwrap();
        assert!(panics(|| target.region(&region)), "{region:?}");
    }
}

#[test]
fn views_without_elements_stay_where_they_are() {
    for shape in [[0, usize::MAX], [usize::MAX, 0], [0, 1 << 62]] {
        let mut none = [0u8; 0];
        let part = region(&[0, 0], &shape, &[1, 1]);
        for order in [Order::C, Order::Fortran] {
            let view = View::dense(&none, &shape, 8, order).unwrap();
            let start = view.start;
            let view = view.reversed(0).reversed(1).region(&part).arranged(&[Some(1), None, Some(0)]);
            assert_eq!((view.start, view.as_dense(Order::C)), (start, Some(&[][..])));
            assert!(view.is_filled_with(&[1; 8]) && view.rows::<8>().is_none());
            let mut view = ViewMut::dense(&mut none, &shape, 8, order).unwrap().reversed(0).reversed(1);
            view.fill(&[0; 8]);
            assert_eq!(view.as_dense_mut(order), Some(&mut [][..]));
        }
    }
}

#[test]
fn elements_have_bytes_and_as_many_as_is_said() {
    let mut bytes = [0u8; 8];
    assert!(
        View::dense(&[], &[3], 0, Order::C).is_err() && ViewMut::dense(&mut [], &[3], 0, Order::C).is_err()
    );
    assert!(panics(|| View::strided(&[1], 0, &[3], &[0], 0)));
    assert!(panics(|| View::dense(&[0; 8], &[8], 1, Order::C).unwrap().is_filled_with(&[0; 2])));
    for value in [&[][..], &[1; 16], &[1]] {
        let mut view = ViewMut::dense(&mut bytes, &[4], 2, Order::C).unwrap();
        assert!(panics(|| view.fill(value)), "{value:?}");
    }
    assert_eq!(bytes, [0; 8]);
}

#[test]
fn strided_views_stay_in_their_bytes() {
    let bytes = [7u8; 8];
    for (offset, shape, strides) in [
        (7, &[2][..], &[1][..]),
        (usize::MAX, &[1], &[1]),
        (0, &[usize::MAX, usize::MAX], &[isize::MAX, isize::MAX]),
        (0, &[usize::MAX, usize::MAX, 2], &[isize::MIN, isize::MIN, -1]),
        (0, &[2, 2], &[1]),
        (0, &[2], &[1, 1]),
        (0, &[2], &[-1]),
    ] {
        assert!(panics(|| View::strided(&bytes, offset, shape, strides, 1)), "{shape:?} at {strides:?}");
    }
    // One element has no neighbours.
    let one = View::strided(&bytes, 3, &[1, 1], &[isize::MIN, isize::MAX], 1).reversed(0).reversed(1);
    let one = one.region(&region(&[0, 0], &[1, 1], &[usize::MAX, 7]));
    assert_eq!(one.as_dense(Order::C), Some(&[7][..]));
    // Nor does it matter how often an element is shown.
    let same = View::strided(&bytes, 0, &[1 << 40, 1 << 40], &[0, 0], 1);
    assert!(!same.is_filled_with(&[1]));
}

#[test]
fn axes_stand_in_an_arrangement_once() {
    let view = View::dense(&[1, 2, 3, 4, 5, 6], &[2, 3], 1, Order::C).unwrap();
    for axes in
        [&[Some(0)][..], &[Some(0), Some(0)], &[Some(0), Some(1), Some(1)], &[Some(0), Some(1), Some(2)]]
    {
        assert!(panics(|| view.clone().arranged(axes)), "{axes:?}");
    }
    assert!(panics(|| view.clone().reversed(2)));
}

#[test]
fn foreign_memory_is_only_copied() {
    let bytes: Vec<u8> = numbers(&[70_000], |i| (i % 251) as u8);
    let shape = [100, 350];
    for order in [Order::C, Order::Fortran] {
        let view = foreign(&bytes, &shape, 2, order);
        assert!(view.as_dense(order).is_none() && view.rows::<2>().is_none());
        assert_eq!(view.nearest_order(), order);
        let part = view.clone().region(&region(&[1, 2], &[40, 100], &[2, 3])).reversed(1);
        assert!(part.is_foreign() && part.clone().arranged(&[Some(1), Some(0)]).rows::<2>().is_none());
        let mut out = vec![9];
        view.append_to(order, &mut out).unwrap();
        assert!(out[0] == 9 && out[1..] == bytes);
        let same = vec![5u8; 70_000];
        assert!(foreign(&same, &shape, 2, order).is_filled_with(&[5, 5]));
        assert!(!view.is_filled_with(&[5, 5]) && !part.is_filled_with(&[5, 5]));
        let mut looked_at = Vec::new();
        view.all_runs(|run| {
            looked_at.extend_from_slice(run);
            true
        });
        assert_eq!(looked_at, bytes);
    }
}
