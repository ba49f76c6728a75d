//! Jobs on labels: tables, contacts and other numbers are those that a look at each voxel gives, whatever the blocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use bigarrays::compute::{ComputeOptions, LabelTable, Lazy, Number, Unlisted};
use bigarrays::jobs::{Journal, LabelOptions, Numbering, contacts, label_table, relabel, renumber};
use bigarrays::ndarray::{ArrayD, Dimension, IxDyn};
use bigarrays::{Array, CreateSpec, DataType, Domain, ErrorKind, OpenOptions};
use proptest::prelude::*;

fn create(name: &str, format: &str, dtype: DataType, domain: &Domain, chunk: &[u64]) -> Array {
    let url = format!("memory://labelled/{name}");
    drop(bigarrays::format::remove(&url, None, &Default::default()));
    let mut spec = CreateSpec::new(dtype, domain.clone());
    spec.storage.chunk_shape = Some(chunk.to_vec());
    OpenOptions::new().format(format).create(&url, &spec).unwrap()
}

/// Labels of few values in cells of two elements, some of which are 0.
fn labels(shape: &[usize], values: i64, mut seed: u64) -> ArrayD<i64> {
    let few: Vec<usize> = shape.iter().map(|length| length.div_ceil(2)).collect();
    let few = ArrayD::from_shape_fn(IxDyn(&few), |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as i64 % values * 1_000_003 - 2_000_006
    });
    let zero = |label: i64| if label == -2_000_006 { 0 } else { label };
    ArrayD::from_shape_fn(IxDyn(shape), |at| {
        zero(few[IxDyn(&at.slice().iter().map(|at| at / 2).collect::<Vec<_>>())])
    })
}

fn domain_at(origin: &[i64], shape: &[usize]) -> Domain {
    Domain::new(origin, &shape.iter().map(|&length| length as u64).collect::<Vec<_>>()).unwrap()
}

fn found(target: &Array) -> ArrayD<i64> {
    target.read::<i64>(target.domain()).unwrap().into_data().as_standard_layout().into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn labels_are_those_of_a_look_at_each_voxel(
        axes in 1usize..5,
        shape in prop::collection::vec(1usize..9, 4),
        chunk in prop::collection::vec(1u64..5, 4),
        origin in prop::collection::vec(-9i64..9, 4),
        values in 1i64..9,
        seed in any::<u64>(),
        is_fortran in any::<bool>(),
    ) {
        let (shape, chunk, origin) = (&shape[..axes], &chunk[..axes], &origin[..axes]);
        let format = if is_fortran && axes == 3 { "precomputed" } else { "zarr3" };
        let origin = if format == "zarr3" { vec![0; axes] } else { origin.to_vec() };
        let domain = domain_at(&origin, shape);
        let elements = labels(shape, values, seed);
        let name = format!("look/{axes}/{format}");
        let source = create(&format!("{name}/source"), "zarr3", DataType::I64, &domain_at(&vec![0; axes], shape), chunk);
        source.write(&vec![0; axes], elements.view()).unwrap();
        let source = source.translate(&origin).unwrap();
        let options = LabelOptions { memory: 40_000, ..LabelOptions::default() };

        let table = label_table(&source, &options).unwrap();
        let mut places: BTreeMap<i64, Vec<Vec<i64>>> = BTreeMap::new();
        for (at, &label) in elements.indexed_iter().filter(|(_, label)| **label != 0) {
            let at = at.slice().iter().zip(&origin).map(|(&at, first)| at as i64 + first).collect();
            places.entry(label).or_default().push(at);
        }
        prop_assert_eq!(&table.labels, &places.keys().map(|&one| i128::from(one)).collect::<Vec<_>>());
        for (number, all) in places.values().enumerate() {
            prop_assert_eq!(table.voxels[number], all.len() as u64);
            let first = all[0].iter().zip(&origin).zip(shape).fold(0, |sum, ((at, first), &length)| sum * length as u64 + at.abs_diff(*first));
            prop_assert_eq!(table.firsts[number], first);
            for axis in 0..axes {
                let along: Vec<i64> = all.iter().map(|at| at[axis]).collect();
                let ends = *along.iter().min().unwrap()..along.iter().max().unwrap() + 1;
                prop_assert_eq!(table.boxes[number].range(axis), ends);
                let mean = along.iter().sum::<i64>() as f64 / along.len() as f64;
                prop_assert!((table.centroids[number][axis] - mean).abs() < 1e-12);
            }
        }

        // What waits at the ends of blocks depends on which thread is ahead: there is room for all of it.
        let options = LabelOptions { memory: 400_000, ..options };
        let touching = contacts(&source, &options).unwrap();
        let mut due: BTreeMap<(i128, i128), Vec<u64>> = BTreeMap::new();
        for (at, &label) in elements.indexed_iter() {
            for axis in 0..axes {
                let mut next = at.slice().to_vec();
                next[axis] += 1;
                let Some(&other) = elements.get(IxDyn(&next)) else { continue };
                if label != 0 && other != 0 && label != other {
                    let pair = (label.min(other).into(), label.max(other).into());
                    due.entry(pair).or_insert_with(|| vec![0; axes])[axis] += 1;
                }
            }
        }
        prop_assert_eq!(&touching.pairs, &due.keys().copied().collect::<Vec<_>>());
        prop_assert_eq!(touching.faces.iter().map(|one| one.to_vec()).collect::<Vec<_>>(), due.into_values().collect::<Vec<_>>());

        let target = create(&format!("{name}/target"), format, DataType::I64, &domain, chunk);
        let pairs: Vec<(i128, i128)> = places.keys().step_by(2).map(|&label| (label.into(), i128::from(label) * 3 - 1)).collect();
        let by = LabelTable::new(pairs.iter().copied().chain([(0, 5)])).unwrap();
        relabel(&source, &target, &by, Unlisted::Value(-4), &options).unwrap();
        let known: BTreeMap<i128, i128> = by.iter().collect();
        let becomes = |label: i64| known.get(&label.into()).map_or(-4, |&one| one as i64);
        prop_assert_eq!(&found(&target), &elements.mapv(becomes));
        let lazy = Lazy::of(&source).unwrap().remap(&by, Unlisted::Value(-4), None).unwrap();
        let computed = lazy.compute::<i64>(&ComputeOptions::default()).unwrap().into_data();
        prop_assert_eq!(&computed.as_standard_layout().into_owned(), &elements.mapv(becomes));

        for numbering in Numbering::ALL {
            let table = renumber(&source, &target, numbering, &options).unwrap();
            let mut order: Vec<i64> = places.keys().copied().collect();
            if numbering == Numbering::First {
                order.sort_by_key(|label| elements.iter().position(|one| one == label));
            }
            let becomes = |label: i64| order.iter().position(|&one| one == label).map_or(0, |at| at as i64 + 1);
            prop_assert_eq!(&found(&target), &elements.mapv(becomes));
            prop_assert_eq!(table.len(), order.len());
        }
    }
}

#[test]
fn what_does_not_go_is_refused() {
    let domain = domain_at(&[0, 0], &[4, 300]);
    let source = create("refused/source", "zarr3", DataType::U16, &domain, &[2, 64]);
    source
        .write(&[0, 0], ArrayD::from_shape_fn(IxDyn(&[4, 300]), |at| (at[0] * 300 + at[1]) as u16).view())
        .unwrap();
    let small = create("refused/small", "zarr3", DataType::U8, &domain, &[2, 64]);
    let plain = LabelOptions::default;
    let empty = LabelTable::default();
    let kind = |outcome: bigarrays::Result<()>| outcome.unwrap_err().kind();
    let invalid = ErrorKind::InvalidArgument;
    assert_eq!(kind(relabel(&source, &small, &empty, Unlisted::Keep, &plain())), invalid);
    assert_eq!(kind(relabel(&source, &small, &empty, Unlisted::Refuse, &plain())), invalid);
    assert_eq!(kind(relabel(&source, &small, &empty, Unlisted::Value(256), &plain())), invalid);
    let wide = LabelTable::new([(3, 256)]).unwrap();
    assert_eq!(kind(relabel(&source, &small, &wide, Unlisted::Value(0), &plain())), invalid);
    let error = renumber(&source, &small, Numbering::First, &plain()).unwrap_err();
    assert!(error.to_string().contains("256"), "{error}");
    assert!(small.stored_chunks(&domain).unwrap().is_empty(), "nothing was written");
    let little = LabelOptions { memory: 30_000, ..plain() };
    assert_eq!(label_table(&source, &little).unwrap_err().kind(), ErrorKind::MemoryBudget);
    let reals = create("refused/reals", "zarr3", DataType::F32, &domain, &[2, 64]);
    assert_eq!(kind(label_table(&reals, &plain()).map(drop)), invalid);
    assert_eq!(kind(contacts(&reals, &plain()).map(drop)), invalid);
    assert_eq!(kind(relabel(&source, &reals, &empty, Unlisted::Keep, &plain())), invalid);
    let background = LabelOptions { background: Some(Number::Whole(-1)), ..plain() };
    assert_eq!(kind(label_table(&source, &background).map(drop)), invalid);
}

/// Of a layer of 200,000 × 200,000 × 20,000 voxels, what is stored alone is read and written.
#[test]
fn empty_parts_cost_nothing() {
    let domain = domain_at(&[0, 0, 0], &[200_000, 200_000, 20_000]);
    let source = create("sparse/source", "precomputed", DataType::U64, &domain, &[64, 64, 64]);
    let target = create("sparse/target", "precomputed", DataType::U32, &domain, &[64, 64, 64]);
    for (start, label) in
        [([63, 63, 0], 9), ([190_000, 5, 19_000], 1 << 50), ([65, 63, 10], 9), ([63, 65, 90], 7)]
    {
        source.write(&start, ArrayD::<u64>::from_elem(IxDyn(&[2, 2, 100]), label).view()).unwrap();
    }
    let options = LabelOptions { memory: 256 << 20, ..LabelOptions::default() };
    let table = label_table(&source, &options).unwrap();
    assert_eq!((table.labels, table.voxels), (vec![7, 9, 1 << 50], vec![400, 800, 400]));
    assert_eq!(table.centroids[2].to_vec(), [190_000.5, 5.5, 19_049.5]);
    let touching = contacts(&source, &options).unwrap();
    assert_eq!((touching.pairs.len(), touching.faces[0].to_vec()), (1, vec![0, 2 * 10, 0]));
    let table = renumber(&source, &target, Numbering::First, &options).unwrap();
    assert_eq!(table.iter().collect::<Vec<_>>(), [(7, 2), (9, 1), (1 << 50, 3)]);
    let stored = |array: &Array| array.stored_chunks(array.domain()).unwrap().len();
    assert_eq!(stored(&target), stored(&source));
}

#[test]
fn what_an_earlier_run_has_left_is_taken_up() {
    let shape = [40, 30, 20];
    let (elements, domain) = (labels(&shape, 9, 3), domain_at(&[0, 0, 0], &shape));
    let folder = tempfile::tempdir().unwrap();
    let local = |name: &str| {
        let mut spec = CreateSpec::new(DataType::I64, domain.clone());
        spec.storage.chunk_shape = Some(vec![8, 8, 8]);
        OpenOptions::new().format("zarr3").create(folder.path().join(name).to_str().unwrap(), &spec).unwrap()
    };
    let (source, target) = (local("source"), local("target"));
    source.write(&[0, 0, 0], elements.view()).unwrap();
    let plain = LabelOptions { memory: 300_000, ..LabelOptions::default() };
    for change in [false, true] {
        let journal = Journal::open(folder.path().join("journal")).unwrap();
        let options = LabelOptions { journal: Some(&journal), ..plain };
        if change {
            let chunk = ArrayD::<i64>::from_elem(IxDyn(&[8, 8, 8]), 77);
            source.write(&[8, 8, 8], chunk.view()).unwrap();
        }
        assert_eq!(label_table(&source, &options).unwrap(), label_table(&source, &plain).unwrap());
        assert_eq!(contacts(&source, &options).unwrap(), contacts(&source, &plain).unwrap());
        let table = renumber(&source, &target, Numbering::First, &options).unwrap();
        let numbers = found(&target);
        assert_eq!(table, renumber(&source, &target, Numbering::First, &plain).unwrap());
        assert_eq!(numbers, found(&target));
        assert_eq!(journal.redone() > 0, change);
    }
}
