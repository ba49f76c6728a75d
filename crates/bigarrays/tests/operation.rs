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
    refused(built(Windows::Each, moving(0, 1), 4), ErrorKind::Unsupported, "overlapping");
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
