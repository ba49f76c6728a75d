//! Computations that are stopped, taken up, or run in parts.
#![allow(dead_code, reason = "not all tests use all of it")]

use std::path::PathBuf;

use bigarrays::compute::{Function, Lazy, Operand, Reduction};
use bigarrays::{Array, CreateSpec, DataType, Domain, OpenOptions};

/// A folder with an input, where results, scratch files and journals go as well.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// An expression, and the chunks of its result.
pub(crate) type Saved = (Lazy, Vec<u64>);

pub(crate) type Job = Vec<Saved>;

pub(crate) const SHAPE: [u64; 3] = [12, 40, 36];

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let input = bench.create("input", &SHAPE, &[4, 8, 9]);
        bench.fill(&input, 0.0);
        std::fs::create_dir(bench.path("scratch")).unwrap();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn create(&self, name: &str, shape: &[u64], chunk: &[u64]) -> Array {
        let mut spec = CreateSpec::new(DataType::F32, Domain::from_shape(shape).unwrap());
        spec.storage.chunk_shape = Some(chunk.to_vec());
        OpenOptions::new().format("zarr3").create(self.path(name).to_str().unwrap(), &spec).unwrap()
    }

    pub(crate) fn open(&self, name: &str) -> Array {
        OpenOptions::new().format("zarr3").open(self.path(name).to_str().unwrap()).unwrap()
    }

    pub(crate) fn fill(&self, array: &Array, first: f32) {
        let count = array.shape().iter().product::<u64>();
        let values = (0..count).map(|at| first + ((at * 7919) % 1009) as f32 / 8.0).collect();
        let shape: Vec<usize> = array.shape().iter().map(|&length| length as usize).collect();
        let values = ndarray::ArrayD::from_shape_vec(shape, values).unwrap();
        array.write::<f32, _>(array.domain().origin(), values.view()).unwrap();
    }

    /// The jobs: expressions of the input, and the chunks of their results.
    pub(crate) fn jobs(&self) -> Vec<(&'static str, Job)> {
        let input = Lazy::of(&self.open("input")).unwrap();
        let mean = |axis| input.mean(&[axis]).unwrap();
        let apart = |mean: Lazy| {
            let mean = mean.broadcast_to(input.domain()).unwrap();
            Lazy::apply(Function::named("subtract").unwrap(), &[Operand::from(&input), Operand::from(&mean)])
        };
        let double =
            Lazy::apply(Function::named("add").unwrap(), &[Operand::from(&input), Operand::from(&input)]);
        let double = double.unwrap();
        let most = input.reduce(Reduction::Max, &[2], false).unwrap();
        let of_times = input.reduce(Reduction::Max, &[1, 2], false).unwrap();
        vec![
            ("map", vec![(double.clone(), vec![4, 8, 9])]),
            ("rechunk", vec![(input.clone(), vec![12, 5, 6])]),
            ("reduction", vec![(mean(0), vec![8, 9])]),
            ("boxes", vec![(apart(mean(0)).unwrap(), vec![4, 8, 9])]),
            (
                "boxes of several",
                vec![
                    (apart(mean(0)).unwrap(), vec![4, 8, 9]),
                    (mean(0), vec![8, 9]),
                    (most.clone(), vec![4, 8]),
                ],
            ),
            // Boxes cannot be cut along the only axis that both have.
            ("two stages", vec![(apart(mean(0)).unwrap(), vec![4, 8, 9]), (of_times, vec![4])]),
            ("several", vec![(double, vec![4, 8, 9]), (most, vec![4, 8]), (mean(1), vec![4, 9])]),
        ]
    }
}

/// Makes the targets of a job, or opens them.
pub(crate) fn targets(bench: &Bench, name: &str, job: &[Saved]) -> Vec<Array> {
    let one = |(at, (lazy, chunk)): (usize, &Saved)| {
        let name = format!("{name}-{at}");
        if bench.path(&name).exists() {
            bench.open(&name)
        } else {
            bench.create(&name, lazy.domain().shape(), chunk)
        }
    };
    job.iter().enumerate().map(one).collect()
}

pub(crate) fn elements(bench: &Bench, name: &str) -> Vec<f32> {
    let array = bench.open(name);
    array.read::<f32>(array.domain()).unwrap().into_data().iter().copied().collect()
}
