//! The general operation against loops that do the same element by element.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bigarrays::compute::{ComputeOptions, Elements, Lazy, Number, Operation, Target, Windows, compute};
use bigarrays::ndarray::{ArrayD, Axis};
use bigarrays::{Array, CreateSpec, DataType, Domain, ErrorKind, OpenOptions};
use proptest::prelude::*;

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// An array of these elements, stored in chunks of `chunk`, that begins at `origin`.
fn stored(origin: &[i64], elements: &ArrayD<i32>, chunk: u64) -> Array {
    let shape: Vec<u64> = elements.shape().iter().map(|&length| length as u64).collect();
    let mut spec = CreateSpec::new(DataType::I32, Domain::from_shape(&shape).unwrap());
    spec.storage.chunk_shape = Some(vec![chunk; shape.len()]);
    let url = format!("memory://operation/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let array = OpenOptions::new().format("zarr3").create(&url, &spec).unwrap();
    array.write(&vec![0; shape.len()], elements.view()).unwrap();
    array.translate(origin).unwrap()
}

fn sum(number: impl Iterator<Item = Number>) -> i128 {
    number.map(|number| if let Number::Whole(whole) = number { whole } else { 0 }).sum()
}

fn budget(memory: u64) -> ComputeOptions<'static> {
    ComputeOptions { memory, ..ComputeOptions::default() }
}

/// The window of a step, worked out anew.
fn window(windows: &Windows, k: i64, axis: &Range<i64>) -> Range<i64> {
    match windows {
        Windows::Each => axis.start + k..axis.start + k + 1,
        Windows::Whole => axis.clone(),
        Windows::Moving { first, step, width, clamp } => {
            let (start, end) = (first + k * step, first + k * step + *width as i64);
            if *clamp {
                start.clamp(axis.start, axis.end)..end.clamp(axis.start, axis.end)
            } else {
                start..end
            }
        }
        Windows::Ranges(all) => all[k as usize].clone(),
        Windows::Since { every } => axis.start + k - k % *every as i64..axis.start + k + 1,
        Windows::Slow { every } => axis.start + k / *every as i64..axis.start + k / *every as i64 + 1,
        Windows::Repeated | Windows::Reaching { .. } => unreachable!("of results alone, or of no axis"),
    }
}

/// Windows that fit to an axis in a loop of so many steps.
fn windows(axis: Range<i64>, steps: i64) -> impl Strategy<Value = Windows> {
    let length = axis.end - axis.start;
    let (start, end) = (axis.start, axis.end);
    let moving = (start - 3..end + 3, prop_oneof![-2i64..0, 1i64..3], 1u64..5)
        .prop_map(|(first, step, width)| Windows::Moving { first, step, width, clamp: true });
    let ranges = proptest::collection::vec((0..=length, 0..=length), steps as usize).prop_map(move |all| {
        let range = |(one, other): (i64, i64)| start + one.min(other)..start + one.max(other);
        Windows::Ranges(all.into_iter().map(range).collect())
    });
    let mut all = vec![moving.boxed(), ranges.boxed(), Just(Windows::Whole).boxed()];
    if length == steps {
        all.push(Just(Windows::Each).boxed());
        all.push((1u64..5).prop_map(|every| Windows::Since { every }).boxed());
    }
    let slowest = (steps + length - 1) / length.max(1);
    all.push((slowest.max(1) as u64..9).prop_map(|every| Windows::Slow { every }).boxed());
    proptest::strategy::Union::new(all)
}

fn cases() -> impl Strategy<Value = (Vec<i64>, Vec<i64>, Vec<i64>, Vec<Windows>, u64, bool)> {
    let shapes =
        (proptest::collection::vec(1i64..9, 2), proptest::collection::vec(-5i64..5, 2), any::<bool>());
    shapes.prop_flat_map(|(shape, origin, is_same)| {
        let steps =
            if is_same { Just(shape.clone()).boxed() } else { proptest::collection::vec(1i64..7, 2).boxed() };
        steps.prop_flat_map(move |steps| {
            let of = |axis: usize| windows(origin[axis]..origin[axis] + shape[axis], steps[axis]);
            let both = (of(0), of(1)).prop_map(|(one, other)| vec![one, other]);
            (Just(shape.clone()), Just(origin.clone()), Just(steps.clone()), both, 1u64..5, any::<bool>())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn sums_over_windows_are_those_of_a_loop(
        (shape, origin, steps, windows, chunk, is_reduced) in cases()
    ) {
        let lengths: Vec<usize> = shape.iter().map(|&length| length as usize).collect();
        let elements = ArrayD::from_shape_fn(lengths, |at| (at[0] * 100 + at[1] * 7) as i32 - 50);
        let array = stored(&origin, &elements, chunk);
        let axes: Vec<(usize, Windows)> = windows.iter().cloned().enumerate().collect();
        let outputs = if is_reduced { vec![(1, Windows::Each)] } else { vec![(0, Windows::Each), (1, Windows::Each)] };
        let results = Operation::over(&[0..steps[0], 5..5 + steps[1]])
            .input(&Lazy::of(&array).unwrap(), &axes)
            .output(DataType::I64, &outputs)
            .output(DataType::F64, &outputs)
            .element("sum", |windows, out| {
                let Number::Whole(before) = out[0] else { unreachable!() };
                out[0] = Number::Whole(before + sum(windows[0].numbers()));
                let counted = windows[0].array::<i32>()?.len() as f64;
                out[1] = Number::Real(out[1].as_f64() + counted);
                Ok(())
            })
            .unwrap();
        let mut expected = ArrayD::<i64>::zeros(vec![steps[0] as usize, steps[1] as usize]);
        let mut counts = expected.clone();
        let axis = |axis: usize| origin[axis]..origin[axis] + shape[axis];
        for ((at, cell), count) in expected.indexed_iter_mut().zip(&mut counts) {
            for y in window(&windows[0], at[0] as i64, &axis(0)) {
                for x in window(&windows[1], at[1] as i64, &axis(1)) {
                    *cell += i64::from(elements[[(y - origin[0]) as usize, (x - origin[1]) as usize]]);
                    *count += 1;
                }
            }
        }
        if is_reduced {
            (expected, counts) = (expected.sum_axis(Axis(0)), counts.sum_axis(Axis(0)));
        }
        for memory in [200_000, 1 << 20, 1 << 28] {
            let sums = results[0].compute::<i64>(&budget(memory)).unwrap();
            prop_assert_eq!(sums.into_data(), expected.clone());
        }
        let counted = results[1].compute::<f64>(&budget(1 << 28)).unwrap();
        prop_assert_eq!(counted.into_data().mapv(|count| count as i64), counts);
        let last = results[0].ndim() - 1;
        let mut part = vec![bigarrays::Index::ALL; last];
        part.push(bigarrays::Index::from(6..5 + steps[1].max(1)));
        if steps[1] > 1 {
            let sliced = results[0].slice(&part).unwrap().compute::<i64>(&budget(1 << 28)).unwrap();
            prop_assert_eq!(sliced.into_data(), expected.slice_axis(Axis(last), (1..).into()).to_owned());
        }
    }
}

/// Windows of a result in a loop of so many steps.
fn written(steps: i64) -> impl Strategy<Value = Windows> {
    let moving = (-5i64..5, -3i64..4, 1u64..4);
    let moving = moving.prop_map(|(first, step, width)| Windows::Moving { first, step, width, clamp: false });
    let ranges = proptest::collection::vec((-6i64..6, 0i64..4), steps as usize);
    let ranges = ranges.prop_map(|all| {
        Windows::Ranges(all.into_iter().map(|(first, length)| first..first + length).collect())
    });
    prop_oneof![moving, ranges]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn windows_are_written_as_in_a_loop(
        (shape, windows, chunk) in proptest::collection::vec(1i64..8, 2)
            .prop_flat_map(|shape| (Just(shape.clone()), written(shape[0]), 1u64..5))
    ) {
        let lengths: Vec<usize> = shape.iter().map(|&length| length as usize).collect();
        let elements = ArrayD::from_shape_fn(lengths, |at| (at[0] * 10 + at[1]) as i32);
        let array = stored(&[-2, 3], &elements, chunk);
        let ranges: Vec<Range<i64>> = (0..shape[0]).map(|k| window(&windows, k, &(0..0))).collect();
        let filled = || ranges.iter().filter(|range| !range.is_empty());
        prop_assume!(filled().next().is_some());
        let low = filled().map(|range| range.start).min().unwrap();
        let high = filled().map(|range| range.end).max().unwrap();
        // Steps add to what they find, a number that says where it is in the window.
        let results = Operation::over(&[0..shape[0], 3..3 + shape[1]])
            .input(&Lazy::of(&array).unwrap(), &[(0, Windows::Each), (1, Windows::Each)])
            .output(DataType::I64, &[(1, Windows::Each)])
            .output_from(DataType::I64, Number::Whole(1), &[(0, windows), (1, Windows::Each)])
            .element("stamp", |windows, out| {
                let value = sum(windows[0].numbers());
                for (place, out) in out.iter_mut().enumerate() {
                    let Number::Whole(before) = *out else { unreachable!() };
                    *out = Number::Whole(2 * before + value + place as i128);
                }
                Ok(())
            })
            .unwrap();
        let mut expected = ArrayD::<i64>::ones(vec![low.abs_diff(high) as usize, shape[1] as usize]);
        let mut sums = ArrayD::<i64>::zeros(vec![shape[1] as usize]);
        for (y, range) in ranges.iter().enumerate() {
            for x in 0..shape[1] as usize {
                let value = i64::from(elements[[y, x]]);
                sums[[x]] = 2 * sums[[x]] + value;
                for (place, at) in range.clone().enumerate() {
                    let cell = &mut expected[[at.abs_diff(low) as usize, x]];
                    *cell = 2 * *cell + value + place as i64 + 1;
                }
            }
        }
        let domain = Domain::from_ranges(&[low..high, 3..3 + shape[1]]).unwrap();
        prop_assert_eq!(results[1].domain(), &domain);
        for memory in [200_000, 1 << 20, 1 << 28] {
            let found = results[1].compute::<i64>(&budget(memory)).unwrap();
            prop_assert_eq!(found.into_data(), expected.clone());
        }
        prop_assert_eq!(results[0].compute::<i64>(&budget(1 << 28)).unwrap().into_data(), sums);
        for at in low..high {
            let part = [bigarrays::Index::from(at..at + 1), bigarrays::Index::ALL];
            let found = results[1].slice(&part).unwrap().compute::<i64>(&budget(1 << 28)).unwrap();
            let row = at.abs_diff(low) as isize;
            prop_assert_eq!(found.into_data(), expected.slice_axis(Axis(0), (row..row + 1).into()).to_owned());
        }
    }
}

#[test]
fn views_of_results_drop_and_turn_axes() {
    let elements = ArrayD::from_shape_fn(vec![9, 7], |at| (at[0] * 7 + at[1]) as i32);
    let lazy = Lazy::of(&stored(&[-3, 2], &elements, 4)).unwrap();
    let axes = [(0, Windows::Each), (1, Windows::Each)];
    let twice = Operation::over(&[-3..6, 2..9])
        .input(&lazy, &axes)
        .output(DataType::I32, &axes)
        .element("twice", |windows, out| {
            out[0] = Number::Whole(2 * sum(windows[0].numbers()));
            Ok(())
        })
        .unwrap()
        .remove(0);
    let row = twice.slice(&[bigarrays::Index::At(-1), bigarrays::Index::ALL]).unwrap();
    let expected = elements.index_axis(Axis(0), 2).mapv(|number| 2 * number);
    assert_eq!(row.compute::<i32>(&budget(1 << 28)).unwrap().into_data(), expected);
    let turned = twice.permute(&[1, 0]).unwrap().compute::<i32>(&budget(200_000)).unwrap();
    assert_eq!(turned.into_data(), elements.t().mapv(|number| 2 * number));
}

#[test]
fn functions_of_blocks_write_windows_that_follow_each_other() {
    let elements = ArrayD::from_shape_fn(vec![23, 5], |at| (at[0] * 5 + at[1]) as i32);
    let lazy = Lazy::of(&stored(&[0, 0], &elements, 4)).unwrap();
    let twice = Windows::Moving { first: 10, step: 2, width: 2, clamp: false };
    let result = Operation::over(&[0..23, 0..5])
        .input(&lazy, &[(0, Windows::Each), (1, Windows::Each)])
        .output(DataType::I32, &[(0, twice), (1, Windows::Each)])
        .block("twice", |_, windows| {
            let all = windows[0].array::<i32>()?;
            let shape = vec![2 * all.shape()[0], all.shape()[1]];
            Ok(vec![Elements::from(ArrayD::from_shape_fn(shape, |at| all[[at[0] / 2, at[1]]]))])
        })
        .unwrap()
        .remove(0);
    let expected = ArrayD::from_shape_fn(vec![46, 5], |at| elements[[at[0] / 2, at[1]]]);
    for memory in [100_000, 1 << 28] {
        assert_eq!(result.compute::<i32>(&budget(memory)).unwrap().into_data(), expected);
    }
    // Blocks begin and end within windows.
    let part = [bigarrays::Index::from(13..24), bigarrays::Index::ALL];
    let found = result.slice(&part).unwrap().compute::<i32>(&budget(1 << 28)).unwrap();
    assert_eq!(found.into_data(), expected.slice_axis(Axis(0), (3..14).into()).to_owned());
    let overlapping = Operation::over(&[0..23])
        .input(&lazy.slice(&[bigarrays::Index::ALL, bigarrays::Index::At(0)]).unwrap(), &[(0, Windows::Each)])
        .output(DataType::I32, &[(0, Windows::Moving { first: 0, step: 1, width: 2, clamp: false })]);
    assert_eq!(overlapping.block("test", |_, _| Ok(Vec::new())).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A histogram of each column and the sum of its elements' reciprocals, by pieces of the rows.
#[test]
fn pieces_of_reductions_are_joined() {
    let (rows, columns) = (20_000usize, 3usize);
    let elements = ArrayD::from_shape_fn(vec![rows, columns], |at| ((at[0] * 7919 + at[1]) % 50) as i32);
    let lazy = Lazy::of(&stored(&[0, 0], &elements, 64)).unwrap();
    let pieces = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pieces);
    let axes = [(1, Windows::Each)];
    let joined = Operation::over(&[0..rows as i64, 0..columns as i64])
        .input(&lazy, &[(0, Windows::Each), (1, Windows::Each)])
        .output(DataType::I64, &axes)
        .output(DataType::F64, &axes)
        .combine(move |into, piece| {
            counted.fetch_add(1, Ordering::Relaxed);
            let (Number::Whole(one), Number::Whole(other)) = (into[0], piece[0]) else { unreachable!() };
            into[0] = Number::Whole(one.max(other));
            into[1] = Number::Real(into[1].as_f64() + piece[1].as_f64());
            Ok(())
        })
        .element("most", |windows, out| {
            let value = sum(windows[0].numbers());
            let Number::Whole(before) = out[0] else { unreachable!() };
            out[0] = Number::Whole(before.max(value));
            out[1] = Number::Real(out[1].as_f64() + 1.0 / (1 + value) as f64);
            Ok(())
        })
        .unwrap();
    let computed = |memory| joined[1].compute::<f64>(&budget(memory)).unwrap().into_data();
    let sums = computed(1 << 28);
    for (column, sum) in sums.iter().enumerate() {
        let exact: f64 =
            elements.index_axis(Axis(1), column).iter().map(|&one| 1.0 / f64::from(1 + one)).sum();
        assert!((sum / exact - 1.0).abs() < 1e-13);
    }
    assert!(pieces.load(Ordering::Relaxed) >= 3 * 4, "one piece");
    for memory in [10 << 20, 64 << 20] {
        assert!(computed(memory).iter().zip(&sums).all(|(one, other)| one.to_bits() == other.to_bits()));
    }
    let most = joined[0].compute::<i64>(&budget(1 << 28)).unwrap();
    assert_eq!(most.into_data().into_raw_vec_and_offset().0, [49, 49, 49]);
    // All steps write into the same window.
    let bins = Windows::Moving { first: 0, step: 0, width: 50, clamp: false };
    let histogram = Operation::over(&[0..rows as i64, 0..columns as i64])
        .input(&lazy, &[(0, Windows::Each), (1, Windows::Each)])
        .output(DataType::I64, &[(1, Windows::Each), (0, bins)])
        .combine(|into, piece| {
            let (Number::Whole(one), Number::Whole(other)) = (into[0], piece[0]) else { unreachable!() };
            into[0] = Number::Whole(one + other);
            Ok(())
        })
        .element("histogram", |windows, out| {
            let place = sum(windows[0].numbers()) as usize;
            let Number::Whole(before) = out[place] else { unreachable!() };
            out[place] = Number::Whole(before + 1);
            Ok(())
        })
        .unwrap();
    let mut expected = ArrayD::<i64>::zeros(vec![columns, 50]);
    elements.indexed_iter().for_each(|(at, &one)| expected[[at[1], one as usize]] += 1);
    assert_eq!(histogram[0].compute::<i64>(&budget(1 << 28)).unwrap().into_data(), expected);
}

#[test]
fn functions_of_blocks_run_once_for_all_their_results() {
    let elements = ArrayD::from_shape_fn(vec![40, 30], |at| (at[0] * 30 + at[1]) as i32);
    let lazy = Lazy::of(&stored(&[-3, 2], &elements, 8)).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let around = |first: i64| Windows::Moving { first: first - 1, step: 1, width: 3, clamp: true };
    let axes = [(0, Windows::Each), (1, Windows::Each)];
    let results = Operation::over(&[-3..37, 2..32])
        .input(&lazy, &[(0, around(-3)), (1, Windows::Each)])
        .output(DataType::I32, &axes)
        .output(DataType::Bool, &axes)
        .block("above", move |loops, windows| {
            counted.fetch_add(1, Ordering::Relaxed);
            let (all, domain) = (windows[0].array::<i32>()?, windows[0].domain());
            let above = |y: i64, x: usize| all[[(y - 1).max(-3).abs_diff(domain.origin()[0]) as usize, x]];
            let shape: Vec<usize> = loops.shape().iter().map(|&length| length as usize).collect();
            let first = loops.origin()[0];
            let one = ArrayD::from_shape_fn(shape.clone(), |at| above(first + at[0] as i64, at[1]));
            let two = ArrayD::from_shape_fn(shape, |at| above(first + at[0] as i64, at[1]) % 2 == 0);
            Ok(vec![Elements::from(one), Elements::from(two)])
        })
        .unwrap();
    let target = |dtype: DataType| {
        let spec = CreateSpec::new(dtype, Domain::from_shape(&[40, 30]).unwrap());
        let url = format!("memory://operation/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        OpenOptions::new().format("zarr3").create(&url, &spec).unwrap()
    };
    let (one, two) = (target(DataType::I32), target(DataType::Bool));
    compute(vec![(&results[0], Target::Array(&one)), (&results[1], Target::Array(&two))], &budget(1 << 28))
        .unwrap();
    let together = calls.swap(0, Ordering::Relaxed);
    results[0].save(&target(DataType::I32), &budget(1 << 28)).unwrap();
    assert_eq!(together, calls.load(Ordering::Relaxed));
    let expected = ArrayD::from_shape_fn(vec![40, 30], |at| elements[[at[0].saturating_sub(1), at[1]]]);
    assert_eq!(one.read::<i32>(one.domain()).unwrap().into_data(), expected);
    assert_eq!(two.read::<bool>(two.domain()).unwrap().into_data(), expected.mapv(|number| number % 2 == 0));
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() {
    let lazy = Lazy::of_elements(&"0:4".parse().unwrap(), DataType::U8, &[1, 2, 3, 4]).unwrap();
    let moving = |first, width| Windows::Moving { first, step: 1, width, clamp: false };
    let built = |input: Windows, output: Windows, steps: i64| {
        let operation =
            Operation::over(&[0..steps]).input(&lazy, &[(0, input)]).output(DataType::U8, &[(0, output)]);
        operation
            .element("test", |_, _| Ok(()))
            .map(|_| ())
            .map_err(|error| (error.kind(), error.to_string()))
    };
    let refused = |found: Result<(), (ErrorKind, String)>, kind: ErrorKind, what: &str| {
        let (found, text) = found.unwrap_err();
        assert!(found == kind && text.contains(what), "{text}");
    };
    assert!(built(moving(0, 2), Windows::Each, 3).is_ok());
    refused(built(moving(0, 2), Windows::Each, 4), ErrorKind::InvalidArgument, "reach outside");
    refused(built(moving(-1, 2), Windows::Each, 3), ErrorKind::InvalidArgument, "clamp");
    refused(built(Windows::Each, Windows::Each, 3), ErrorKind::InvalidArgument, "not as many");
    let clamped = Windows::Moving { first: 0, step: 1, width: 1, clamp: true };
    refused(built(Windows::Each, clamped, 4), ErrorKind::InvalidArgument, "its axis is as long as");
    refused(built(Windows::Each, Windows::Whole, 4), ErrorKind::InvalidArgument, "its axis is as long as");
    let ranges = Windows::Ranges([0..2, 1..3].into());
    refused(built(Windows::Each, ranges, 4), ErrorKind::InvalidArgument, "2 ranges in a loop of 4 steps");
    refused(built(Windows::Repeated, Windows::Each, 4), ErrorKind::InvalidArgument, "repeat");
    let blocks = Operation::over(&[0..4]).input(&lazy, &[(0, Windows::Each)]).output(DataType::U8, &[]);
    assert_eq!(blocks.block("test", |_, _| Ok(Vec::new())).unwrap_err().kind(), ErrorKind::Unsupported);
    let wrong = Operation::over(&[0..4])
        .input(&lazy, &[(0, Windows::Each)])
        .output(DataType::U8, &[(0, Windows::Each)])
        .block("wrong", |_, _| Ok(vec![Elements::from(ArrayD::<u8>::zeros(vec![1]))]))
        .unwrap();
    assert!(wrong[0].compute::<u8>(&budget(1 << 20)).unwrap_err().to_string().contains("is due"));
    let large = Operation::over(&[0..4])
        .input(&lazy, &[(0, Windows::Each)])
        .output(DataType::U8, &[(0, Windows::Each)])
        .element("large", |_, out| {
            out[0] = Number::Whole(256);
            Ok(())
        })
        .unwrap();
    assert!(large[0].compute::<u8>(&budget(1 << 20)).unwrap_err().to_string().contains("256"));
}
