//! Connected components: the same as a search voxel by voxel finds, whatever the blocks, and found again by a run that goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use bigarrays::compute::Number;
use bigarrays::format::NewSharding;
use bigarrays::jobs::{Components, ComponentsOptions, Journal, components};
use bigarrays::ndarray::{ArrayD, Dimension, IxDyn};
use bigarrays::{Array, CreateSpec, DataType, Domain, ErrorKind, OpenOptions, Progress, interruptible};
use proptest::prelude::*;

fn create(name: &str, format: &str, dtype: DataType, domain: &Domain, chunk: &[u64]) -> Array {
    let url = format!("memory://found/{name}");
    drop(bigarrays::format::remove(&url, None, &Default::default()));
    let mut spec = CreateSpec::new(dtype, domain.clone());
    spec.storage.chunk_shape = Some(chunk.to_vec());
    OpenOptions::new().format(format).create(&url, &spec).unwrap()
}

/// Components by a search from each voxel in coordinate order.
fn slowly(values: &ArrayD<u8>, order: usize, are_one: &dyn Fn(u8, u8) -> bool) -> ArrayD<u64> {
    let mut found = ArrayD::<u64>::zeros(values.raw_dim());
    let steps: Vec<Vec<i64>> = (0..3usize.pow(values.ndim() as u32))
        .map(|code| (0..values.ndim()).map(|axis| (code / 3usize.pow(axis as u32) % 3) as i64 - 1).collect())
        .filter(|step: &Vec<i64>| step.iter().filter(|&&one| one != 0).count() <= order)
        .collect();
    let mut next = 0;
    for (start, &value) in values.indexed_iter() {
        let start: Vec<usize> = start.slice().to_vec();
        if value == 0 || found[IxDyn(&start)] > 0 {
            continue;
        }
        next += 1;
        found[IxDyn(&start)] = next;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for step in &steps {
                let to: Vec<usize> =
                    at.iter().zip(step).map(|(&at, &step)| (at as i64 + step) as usize).collect();
                let to = IxDyn(&to);
                let Some(&other) = values.get(to.clone()) else { continue };
                if other != 0 && are_one(values[IxDyn(&at)], other) && found[to.clone()] == 0 {
                    found[to.clone()] = next;
                    open.push(to.slice().to_vec());
                }
            }
        }
    }
    found
}

/// Numbers that depend on the seed alone, of few values.
fn noise(shape: &[usize], values: u64, share: u64, mut seed: u64) -> ArrayD<u8> {
    ArrayD::from_shape_fn(IxDyn(shape), |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let one = seed >> 33;
        if one % 100 < share { (1 + (one / 100) % values) as u8 } else { 0 }
    })
}

/// The same in cells of three elements along each axis.
fn cells(shape: &[usize], values: u64, share: u64, seed: u64) -> ArrayD<u8> {
    let few = noise(&shape.iter().map(|length| length.div_ceil(3)).collect::<Vec<_>>(), values, share, seed);
    ArrayD::from_shape_fn(IxDyn(shape), |at| {
        few[IxDyn(&at.slice().iter().map(|at| at / 3).collect::<Vec<_>>())]
    })
}

fn domain_at(origin: &[i64], shape: &[usize]) -> Domain {
    Domain::new(origin, &shape.iter().map(|&length| length as u64).collect::<Vec<_>>()).unwrap()
}

fn find(source: &Array, target: &Array, options: ComponentsOptions<'_>) -> Components {
    components(source, target, &options).unwrap()
}

fn numbers(target: &Array) -> ArrayD<u64> {
    target.read::<u64>(target.domain()).unwrap().into_data().as_standard_layout().into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// Labels and masks, of any number of axes, in blocks of a chunk or two.
    #[test]
    fn components_are_those_of_a_search(
        axes in 1usize..5,
        shape in prop::collection::vec(1usize..9, 4),
        chunk in prop::collection::vec(1u64..5, 4),
        origin in prop::collection::vec(-9i64..9, 4),
        (values, share) in (1u64..4, 5u64..96),
        seed in any::<u64>(),
        is_fortran in any::<bool>(),
        is_binary in any::<bool>(),
        order in 1usize..5,
    ) {
        let (shape, chunk, origin) = (&shape[..axes], &chunk[..axes], &origin[..axes]);
        let format = if is_fortran && axes == 3 { "precomputed" } else { "zarr3" };
        let origin = if format == "zarr3" { vec![0; axes] } else { origin.to_vec() };
        let order = order.min(axes);
        let known = [&[2u64][..], &[4, 8], &[6, 18, 26], &[8, 32, 64, 80]][axes - 1];
        let elements = noise(shape, values, share, seed);
        let name = format!("search/{axes}/{format}");
        let domain = domain_at(&origin, shape);
        let other: Vec<u64> = chunk.iter().rev().copied().collect();
        let source = create(&format!("{name}/source"), format, DataType::U8, &domain, &other);
        let target = create(&format!("{name}/target"), format, DataType::U64, &domain, chunk);
        source.write(&origin, elements.view()).unwrap();
        let options = ComponentsOptions {
            connectivity: Some(known[order - 1]),
            binary: is_binary,
            statistics: true,
            // Little: blocks that are not in their order wait for others, and need some of it.
            memory: 80_000,
            ..Default::default()
        };
        let found = find(&source, &target, options);
        let due = slowly(&elements, order, &|one, other| is_binary || one == other);
        prop_assert_eq!(&numbers(&target), &due);
        prop_assert_eq!(found.count, due.iter().copied().max().unwrap_or(0));
        let (voxels, boxes) = (found.voxels.unwrap(), found.boxes.unwrap());
        for number in 1..=found.count {
            let places: Vec<Vec<i64>> = due
                .indexed_iter()
                .filter(|(_, one)| **one == number)
                .map(|(at, _)| at.slice().iter().zip(&origin).map(|(&at, first)| at as i64 + first).collect())
                .collect();
            prop_assert_eq!(voxels[number as usize - 1], places.len() as u64);
            let part = &boxes[number as usize - 1];
            for axis in 0..axes {
                let ends = (places.iter().map(|at| at[axis]).min(), places.iter().map(|at| at[axis] + 1).max());
                prop_assert_eq!((Some(part.range(axis).start), Some(part.range(axis).end)), ends);
            }
        }
    }
}

/// The same bits for blocks of whatever size, and of threads in whatever order.
#[test]
fn numbers_do_not_depend_on_blocks() {
    let shape = [37, 41, 29];
    let elements = noise(&shape, 2, 70, 7);
    let domain = domain_at(&[-21, -7, -5], &shape);
    let source = create("blocks/source", "precomputed", DataType::U8, &domain, &[16, 8, 8]);
    source.write(domain.origin(), elements.view()).unwrap();
    let mut all = Vec::new();
    for (chunk, memory, sharding) in [
        ([8, 8, 8], 1 << 20, false),
        ([64, 64, 64], 0, false),
        ([5, 7, 3], 300_000, false),
        ([8, 8, 8], 0, true),
    ] {
        drop(bigarrays::format::remove("memory://found/blocks/target", None, &Default::default()));
        let mut spec = CreateSpec::new(DataType::U64, domain.clone());
        spec.storage.chunk_shape = Some(chunk.to_vec());
        spec.storage.sharding = if sharding { NewSharding::Auto } else { NewSharding::None };
        let target = OpenOptions::new().create("memory://found/blocks/target", &spec).unwrap();
        let options =
            ComponentsOptions { connectivity: Some(26), memory, statistics: true, ..Default::default() };
        let found = find(&source, &target, options);
        all.push((numbers(&target), found.voxels, found.boxes));
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(all[0].0, slowly(&elements, 3, &|one, other| one == other));
}

/// Nothing is connected along time and channels, and views are as arrays.
#[test]
fn axes_that_are_none_of_space_connect_nothing() {
    let mut spec = CreateSpec::new(DataType::F32, "0:6,0:5,0:2".parse().unwrap());
    spec.array.dimension_names =
        Some([Some("y"), Some("x"), Some("c")].map(|name| name.map(str::to_owned)).to_vec());
    spec.storage.chunk_shape = Some(vec![2, 2, 1]);
    let options = OpenOptions::new().format("zarr3");
    let source = options.create("memory://found/channels", &spec).unwrap();
    let elements =
        ArrayD::from_shape_fn(IxDyn(&[6, 5, 2]), |at| if at[0] == 3 { f32::NAN } else { 0.5 + at[2] as f32 });
    source.write(&[0, 0, 0], elements.view()).unwrap();
    spec.array.dtype = DataType::U64;
    let target = options.create("memory://found/channels/found", &spec).unwrap();
    let above = |above| ComponentsOptions { above: Some(Number::Real(above)), ..Default::default() };
    // Two channels on either side of a row of what is no number.
    assert_eq!(find(&source, &target, above(0.25)).count, 4);
    assert_eq!(numbers(&target)[[0, 0, 1]], 2);
    assert_eq!(find(&source, &target, above(0.5)).count, 2);
    let equal = ComponentsOptions { background: Some(Number::Real(0.5)), ..Default::default() };
    assert_eq!(find(&source, &target, equal).count, 2);
    let error =
        components(&source, &target, &ComponentsOptions { connectivity: Some(26), ..Default::default() });
    assert!(error.unwrap_err().to_string().contains("4 or 8"));
    let view = source.permute(&[2, 1, 0]).unwrap();
    let turned = target.permute(&[2, 1, 0]).unwrap();
    find(&view, &turned, above(0.25));
    assert_eq!((numbers(&target)[[4, 0, 0]], numbers(&target)[[0, 0, 1]]), (2, 3), "channels come first");
}

#[test]
fn what_does_not_go_is_refused_before_anything_is_written() {
    let domain = domain_at(&[0, 0, 0], &[8, 8, 8]);
    let source = create("refused/source", "zarr3", DataType::U8, &domain, &[4, 4, 4]);
    source
        .write(&[0, 0, 0], ArrayD::from_shape_fn(IxDyn(&[8, 8, 8]), |at| (1 + at[2]) as u8 * 30).view())
        .unwrap();
    let kind = |dtype, domain: &Domain, options: ComponentsOptions<'_>| {
        let target = create("refused/target", "zarr3", dtype, domain, &[4, 4, 4]);
        let error = components(&source, &target, &options).unwrap_err().kind();
        assert!(target.stored_chunks(domain).unwrap().is_empty());
        error
    };
    let plain = ComponentsOptions::default;
    assert_eq!(kind(DataType::I64, &domain, plain()), ErrorKind::InvalidArgument);
    assert_eq!(kind(DataType::U64, &domain_at(&[0, 0, 0], &[8, 8, 9]), plain()), ErrorKind::InvalidArgument);
    assert_eq!(
        kind(DataType::U64, &domain, ComponentsOptions { memory: 5000, ..plain() }),
        ErrorKind::MemoryBudget
    );
    let noise = noise(&[40, 40, 40], 250, 100, 3);
    let large = domain_at(&[0, 0, 0], &[40, 40, 40]);
    let source = create("refused/noise", "zarr3", DataType::U8, &large, &[8, 8, 8]);
    source.write(&[0, 0, 0], noise.view()).unwrap();
    for (dtype, memory, due) in
        [(DataType::U8, 0, ErrorKind::InvalidArgument), (DataType::U64, 300_000, ErrorKind::MemoryBudget)]
    {
        let target = create("refused/noise/target", "zarr3", dtype, &large, &[8, 8, 8]);
        let error = components(&source, &target, &ComponentsOptions { memory, ..plain() }).unwrap_err();
        assert_eq!(error.kind(), due, "{error}");
        assert!(target.stored_chunks(&large).unwrap().is_empty());
    }
    assert!(components(&source, &source, &plain()).is_err());
}

/// Of a layer of 200,000 × 200,000 × 20,000 voxels, what is stored alone is read and written.
#[test]
fn empty_parts_cost_nothing() {
    let domain = domain_at(&[0, 0, 0], &[200_000, 200_000, 20_000]);
    let source = create("sparse/source", "precomputed", DataType::U64, &domain, &[64, 64, 64]);
    let target = create("sparse/target", "precomputed", DataType::U64, &domain, &[64, 64, 64]);
    let ones = ArrayD::<u64>::from_elem(IxDyn(&[2, 2, 200]), 9);
    let starts = [[63, 63, 0], [190_000, 5, 19_000], [65, 65, 150], [127, 127, 10_000]];
    starts.iter().for_each(|start| source.write(start, ones.view()).unwrap());
    let options = ComponentsOptions {
        connectivity: Some(26),
        statistics: true,
        memory: 256 << 20,
        ..Default::default()
    };
    let found = find(&source, &target, options);
    // The third lies beside the corner of the first.
    assert_eq!(found.voxels.unwrap(), [1600, 800, 800]);
    assert_eq!(found.boxes.unwrap()[0].to_string(), "63:67,63:67,0:350");
    assert_eq!(target.get::<u64>(&[190_000, 5, 19_000]).unwrap(), 3);
    let stored = |array: &Array| array.stored_chunks(array.domain()).unwrap().len();
    assert_eq!(stored(&target), stored(&source));
}

/// A run that is stopped anywhere leaves what the next goes on with.
#[test]
fn a_run_that_was_stopped_is_gone_on_with() {
    let shape = [30, 30, 30];
    let (elements, domain) = (cells(&shape, 3, 80, 11), domain_at(&[0, 0, 0], &shape));
    let folder = tempfile::tempdir().unwrap();
    let local = |name: &str, dtype| {
        let mut spec = CreateSpec::new(dtype, domain.clone());
        spec.storage.chunk_shape = Some(vec![8, 8, 8]);
        OpenOptions::new().create(folder.path().join(name).to_str().unwrap(), &spec).unwrap()
    };
    let (source, target) = (local("source", DataType::U8), local("target", DataType::U64));
    source.write(&[0, 0, 0], elements.view()).unwrap();
    let due = slowly(&elements, 1, &|one, other| one == other);
    let path = folder.path().join("journal");
    let (mut stop, mut found) = (1, 0);
    loop {
        let journal = Journal::open(&path).unwrap();
        let done = AtomicUsize::new(0);
        let tell = |_: Progress| {
            done.fetch_add(1, Ordering::Relaxed);
        };
        let options = ComponentsOptions {
            memory: 300_000,
            statistics: true,
            journal: Some(&journal),
            progress: Some(&tell),
            ..Default::default()
        };
        let outcome = interruptible(&|| done.load(Ordering::Relaxed) >= stop, || {
            components(&source, &target, &options)
        });
        match outcome {
            Ok(all) => {
                found = found.max(all.found);
                assert_eq!(
                    all.voxels.unwrap().iter().sum::<u64>(),
                    due.iter().filter(|&&one| one > 0).count() as u64
                );
                journal.remove().unwrap();
                break;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
        }
        drop(journal);
        stop += 3;
    }
    assert!(found > 0 && stop > 10, "{found} {stop}");
    assert_eq!(numbers(&target), due);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// What changes between two runs is found again.
#[test]
fn what_has_changed_since_is_done_again() {
    let (shape, domain) = ([24, 24, 24], domain_at(&[0, 0, 0], &[24, 24, 24]));
    let folder = tempfile::tempdir().unwrap();
    let local = |name: &str, dtype| {
        let mut spec = CreateSpec::new(dtype, domain.clone());
        spec.storage.chunk_shape = Some(vec![8, 8, 8]);
        OpenOptions::new().create(folder.path().join(name).to_str().unwrap(), &spec).unwrap()
    };
    let (source, target) = (local("source", DataType::U8), local("target", DataType::U64));
    let mut elements = cells(&shape, 3, 80, 5);
    source.write(&[0, 0, 0], elements.view()).unwrap();
    let journal = Journal::open(folder.path().join("journal")).unwrap();
    let options = || ComponentsOptions { memory: 300_000, journal: Some(&journal), ..Default::default() };
    find(&source, &target, options());
    drop(journal);
    let journal = Journal::open(folder.path().join("journal")).unwrap();
    let options = || ComponentsOptions { memory: 300_000, journal: Some(&journal), ..Default::default() };
    assert!(find(&source, &target, options()).found > 4);
    // One voxel fewer, so that all later numbers are others; and one chunk of the target that somebody has removed.
    elements.iter_mut().find(|one| **one > 0).into_iter().for_each(|one| *one = 0);
    source.write(&[0, 0, 0], elements.view()).unwrap();
    target.write(&[16, 16, 16], ArrayD::<u64>::zeros(IxDyn(&[8, 8, 8])).view()).unwrap();
    let journal_again = journal;
    drop(journal_again);
    let journal = Journal::open(folder.path().join("journal")).unwrap();
    find(
        &source,
        &target,
        ComponentsOptions { memory: 300_000, journal: Some(&journal), ..Default::default() },
    );
    assert_eq!(numbers(&target), slowly(&elements, 1, &|one, other| one == other));
}
