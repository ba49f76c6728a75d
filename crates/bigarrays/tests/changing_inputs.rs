//! Inputs that somebody changes while a computation reads them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::atomic::{AtomicBool, Ordering};

use bigarrays::compute::{ComputeOptions, Journal, Lazy, Target, compute};
use bigarrays::{Array, ErrorKind};

mod computations;
use computations::{Bench, SHAPE};

/// An input of which half of the budget does not hold all, so that it is read twice.
const LONG: [u64; 3] = [32 * SHAPE[0], SHAPE[1], SHAPE[2]];

/// Computes `a - a.mean()`, which reads the input twice, and changes it once so much of the work is done.
fn run(bench: &Bench, input: &Array, after: f64, journal: Option<&Journal>) -> bigarrays::Result<()> {
    let (a, scratch) = (Lazy::of(input)?, bench.path("scratch"));
    let mean = a.mean(&[0, 1, 2])?;
    let anomaly = (&a - &mean.broadcast_to(a.domain())?)?;
    let is_changed = AtomicBool::new(false);
    let change = |progress: bigarrays::Progress| {
        if progress.done as f64 >= after * progress.total as f64 && !is_changed.swap(true, Ordering::SeqCst) {
            bench.fill(input, 1.0);
        }
    };
    let options = ComputeOptions {
        memory: 1 << 21,
        scratch: Some(&scratch),
        journal,
        progress: Some(&change),
        ..ComputeOptions::default()
    };
    let out = bench.path("out");
    if out.exists() {
        std::fs::remove_dir_all(out).unwrap();
    }
    let output = bench.create("out", &LONG, &[16, 8, 36]);
    compute(vec![(&anomaly, Target::Array(&output))], &options)
}

fn inputs(bench: &Bench) -> Vec<Array> {
    let open = |format: &str, shard: Option<Vec<u64>>| {
        let mut spec = bigarrays::CreateSpec::new(
            bigarrays::DataType::F32,
            bigarrays::Domain::from_shape(&LONG).unwrap(),
        );
        spec.storage.chunk_shape = Some(vec![16, 8, 36]);
        spec.storage.shard_shape = shard;
        let name = format!("{format} {}", spec.storage.shard_shape.is_some());
        bigarrays::OpenOptions::new()
            .format(format)
            .create(bench.path(&name).to_str().unwrap(), &spec)
            .unwrap()
    };
    vec![open("zarr3", None), open("zarr3", Some(vec![16, 16, 36])), open("n5", None)]
}

#[test]
fn results_are_never_of_two_versions_of_an_input() {
    let bench = Bench::new();
    for input in inputs(&bench) {
        bench.fill(&input, 0.0);
        let error = run(&bench, &input, 0.5, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
        assert!(error.to_string().contains("has changed since"), "{error}");
        // What changes once all is read does no harm.
        run(&bench, &input, 1.0, None).unwrap();

        let path = bench.path("journal");
        let journal = Journal::open(&path).unwrap();
        run(&bench, &input, 0.5, Some(&journal)).unwrap_err();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        run(&bench, &input, 2.0, Some(&journal)).unwrap();
        journal.remove().unwrap();
    }
}
