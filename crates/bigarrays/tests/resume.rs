//! Computations that end early, and are taken up.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bigarrays::compute::{
    Cast, ComputeOptions, Function, Journal, Lazy, Operand, OutOfRange, Reduction, Target, compute, plan,
};
use bigarrays::store::{ChangeFn, FileStore, Get, GetSink, Part, Store, StoreOptions, Update};
use bigarrays::{CreateSpec, DataType, Domain, ErrorKind, OpenOptions, interruptible};

mod computations;
use computations::{Bench, SHAPE, Saved, elements, targets};

/// Runs a job, and stops it after so many blocks. Returns how it ended.
fn run(bench: &Bench, name: &str, job: &[Saved], memory: u64, stop: u64) -> bigarrays::Result<()> {
    let journal = Journal::open(bench.path(&format!("{name}.journal")))?;
    // One block after the other: others under way may have written some chunks, and are not finished.
    bigarrays::set_threads(NonZeroUsize::MIN);
    let blocks = AtomicU64::new(0);
    let count = |_| {
        blocks.fetch_add(1, Ordering::SeqCst);
    };
    let asks = || blocks.load(Ordering::SeqCst) >= stop;
    let scratch = bench.path("scratch");
    let options = ComputeOptions {
        memory,
        scratch: Some(&scratch),
        journal: Some(&journal),
        progress: Some(&count),
        ..ComputeOptions::default()
    };
    let arrays = targets(bench, name, job);
    let results = || job.iter().zip(&arrays).map(|((lazy, _), array)| (lazy, Target::Array(array))).collect();
    let done = interruptible(&asks, || compute(results(), &options));
    if done.is_ok() {
        journal.remove()?;
    }
    done
}

/// What tells whether chunks were written again: numbers of their files.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.to_str().unwrap().contains("/c/") => {
                let number = path.metadata().unwrap().ino();
                found.insert(path, number);
            }
            false => {}
        }
    }
    found
}

#[test]
fn what_ended_early_is_taken_up_and_has_the_same_bits() {
    let bench = Bench::new();
    for (name, job) in bench.jobs() {
        let undisturbed = format!("{name} undisturbed");
        run(&bench, &undisturbed, &job, 1 << 20, u64::MAX).unwrap();
        let mut kept = 0;
        for stop in [1, 2, 3, 5, 7, 11] {
            let stopped = format!("{name} {stop}");
            let error = run(&bench, &stopped, &job, 1 << 20, stop);
            if error.is_ok() {
                // It has no more blocks.
                continue;
            }
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
            let all_files = || -> BTreeMap<PathBuf, u64> {
                let of = |at| files(&bench.path(&format!("{stopped}-{at}")));
                (0..job.len()).flat_map(of).collect()
            };
            let before = all_files();
            // Another budget, which alone would give other blocks.
            run(&bench, &stopped, &job, 64 << 20, u64::MAX).unwrap();
            let after = all_files();
            kept += before.len();
            assert!(before.iter().all(|(path, number)| after[path] == *number), "{stopped}");
            for at in 0..job.len() {
                let of = |name: &str| elements(&bench, &format!("{name}-{at}"));
                assert_eq!(of(&stopped), of(&undisturbed), "{stopped}");
            }
            assert!(!bench.path(&format!("{stopped}.journal")).exists());
            assert_eq!(std::fs::read_dir(bench.path("scratch")).unwrap().count(), 0, "{stopped}");
        }
        assert!(kept > 0, "{name}: nothing was there when it ended early");
    }
}

#[test]
fn what_has_changed_since_is_done_again() {
    for (name, _) in Bench::new().jobs() {
        let bench = Bench::new();
        let job: Vec<_> =
            bench.jobs().into_iter().filter(|one| one.0 == name).flat_map(|one| one.1).collect();
        drop(run(&bench, "a", &job, 1 << 20, 2));
        // All of the input, and a chunk that was written, unless all was done.
        bench.fill(&bench.open("input"), 1.0);
        let removed = files(&bench.path("a-0")).into_keys().next();
        removed.map_or(Ok(()), std::fs::remove_file).unwrap();
        run(&bench, "a", &job, 1 << 20, u64::MAX).unwrap();
        run(&bench, "b", &job, 1 << 20, u64::MAX).unwrap();
        for at in 0..job.len() {
            assert_eq!(elements(&bench, &format!("a-{at}")), elements(&bench, &format!("b-{at}")), "{name}");
        }
    }
}

#[test]
fn another_computation_finds_nothing_in_the_journal() {
    let bench = Bench::new();
    let jobs = bench.jobs();
    run(&bench, "a", &jobs[0].1, 1 << 20, 2).unwrap_err();
    // The same target, of something else.
    let other = vec![(jobs[1].1[0].0.clone(), vec![4, 8, 9])];
    run(&bench, "a", &other, 1 << 20, u64::MAX).unwrap();
    assert_eq!(elements(&bench, "a-0"), elements(&bench, "input"));
}

/// Passes all on, and counts the values that are read.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Store>,
    read: Arc<AtomicU64>,
}

impl Store for Counting {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> bigarrays::Result<Arc<dyn Store>> {
        Ok(Arc::new(Self { inner: self.inner.child(path)?, read: Arc::clone(&self.read) }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> bigarrays::Result<()> {
        let reads = requests.iter().filter(|one| one.part != Part::Presence && one.key.contains("c/"));
        self.read.fetch_add(reads.count() as u64, Ordering::SeqCst);
        self.inner.get_many(requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> bigarrays::Result<()> {
        self.inner.update_many(requests, change)
    }

    fn list(
        &self,
        prefix: &str,
        found: &mut dyn FnMut(&str, u64) -> bigarrays::Result<()>,
    ) -> bigarrays::Result<()> {
        self.inner.list(prefix, found)
    }
}

#[test]
fn what_was_folded_of_one_result_is_not_folded_again() {
    let bench = Bench::new();
    // More elements than are folded one after the other: chunks of 4 MiB, of which some are stored.
    let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[64, 512, 512]).unwrap());
    spec.storage.chunk_shape = Some(vec![16, 512, 512]);
    let store: Arc<dyn Store> =
        Arc::new(FileStore::open(bench.path("large"), StoreOptions::default()).unwrap());
    let read = Arc::new(AtomicU64::new(0));
    let counting: Arc<dyn Store> = Arc::new(Counting { inner: store, read: Arc::clone(&read) });
    let array = OpenOptions::new().format("zarr3").create((&counting, ""), &spec).unwrap();
    for first in [0i64, 16, 32, 48] {
        let values = ndarray::Array3::from_shape_fn((16, 512, 512), |(z, y, x)| (z * 7 + y + x) as u8);
        array.write(&[first, 0, 0], values.view()).unwrap();
    }
    let (large, small) = (Lazy::of(&array).unwrap(), Lazy::of(&bench.open("input")).unwrap());
    let sum = large.reduce(Reduction::Sum, &[0, 1, 2], false).unwrap();
    let job = |sum: &Lazy| {
        let both = [Operand::from(&small), Operand::from(sum)];
        vec![(
            Lazy::apply(Function::Subtract, &both).unwrap().cast(DataType::F32, Cast::default()).unwrap(),
            vec![4, 8, 9],
        )]
    };
    let job =
        job(&sum.cast(DataType::F32, Cast { out_of_range: OutOfRange::Clip, ..Cast::default() }).unwrap());
    run(&bench, "whole", &job, 64 << 20, u64::MAX).unwrap();
    assert_eq!(read.swap(0, Ordering::SeqCst), 4);
    for stop in 1..=3 {
        let name = format!("stopped-{stop}");
        assert_eq!(run(&bench, &name, &job, 64 << 20, stop).unwrap_err().kind(), ErrorKind::Cancelled);
        let before = read.swap(0, Ordering::SeqCst);
        run(&bench, &name, &job, 256 << 20, u64::MAX).unwrap();
        let after = read.swap(0, Ordering::SeqCst);
        assert!(before >= stop && before + after == 4, "{before} and {after} chunks were read");
        let of = |name: &str| elements(&bench, &format!("{name}-0"));
        assert!(of(&name) == of("whole"));
    }
    // In memory as well.
    let path = bench.path("in-memory.journal");
    let total = |asks: &dyn Fn() -> bool| {
        let journal = Journal::open(&path).unwrap();
        let options = ComputeOptions { journal: Some(&journal), ..ComputeOptions::default() };
        let found = interruptible(asks, || sum.compute::<u64>(&options));
        if found.is_ok() {
            journal.remove().unwrap();
        }
        found.map(|found| found.into_data()[[]])
    };
    let before = read.load(Ordering::SeqCst);
    total(&|| read.load(Ordering::SeqCst) >= before + 2).unwrap_err();
    assert!(path.exists());
    let found = total(&|| false).unwrap();
    assert_eq!((read.swap(0, Ordering::SeqCst), path.exists()), (4, false));
    assert_eq!(found, sum.compute::<u64>(&ComputeOptions::default()).unwrap().into_data()[[]]);
    // A chunk that has changed is folded again, and no other.
    run(&bench, "changed", &job, 64 << 20, 4).unwrap_err();
    read.store(0, Ordering::SeqCst);
    array.write(&[20, 0, 0], ndarray::Array3::<u8>::zeros((4, 512, 512)).view()).unwrap();
    read.store(0, Ordering::SeqCst);
    run(&bench, "changed", &job, 64 << 20, u64::MAX).unwrap();
    assert_eq!(read.swap(0, Ordering::SeqCst), 1);
    run(&bench, "changed whole", &job, 64 << 20, u64::MAX).unwrap();
    assert!(elements(&bench, "changed-0") == elements(&bench, "changed whole-0"));
    assert!(elements(&bench, "changed-0") != elements(&bench, "whole-0"));
}

#[test]
fn what_cannot_be_taken_up_is_refused_before_anything_is_done() {
    let bench = Bench::new();
    let journal = Journal::open(bench.path("journal")).unwrap();
    let options = ComputeOptions { journal: Some(&journal), ..ComputeOptions::default() };
    let jobs = bench.jobs();
    plan(&[(&jobs[0].1[0].0, None)], &options).unwrap();
    let two = &jobs.iter().find(|job| job.0 == "two stages").unwrap().1;
    let arrays = targets(&bench, "target", two);
    let results = two.iter().zip(&arrays).map(|((lazy, _), array)| (lazy, Target::Array(array))).collect();
    let (error, target) = (compute(results, &options).unwrap_err(), &arrays[0]);
    assert!(error.to_string().contains("scratch folder"), "{error}");
    let own =
        Lazy::of_function(&Domain::from_shape(&SHAPE).unwrap(), DataType::F32, None, |_, _| Ok(())).unwrap();
    let error = own.save(target, &options).unwrap_err();
    assert!(error.to_string().contains("known again"), "{error}");
    assert!(files(&bench.path("target-0")).is_empty());
}
