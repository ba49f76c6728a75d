//! Any sequence of writes and reads equals the same sequence on a plain array in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bigarrays::format::NewSharding;
use bigarrays::ndarray::{ArrayD, Dimension, IxDyn};
use bigarrays::{Array, CreateSpec, DataType, Domain, Index, OpenOptions, Outside};
use proptest::prelude::*;
use proptest::sample::select;

/// A plain array with coordinates: what a stored one should behave like.
struct Model {
    domain: Domain,
    data: ArrayD<u16>,
}

impl Model {
    fn position(&self, point: &[i64]) -> Option<Vec<usize>> {
        let inside = self.domain.contains_point(point);
        inside.then(|| {
            point.iter().zip(self.domain.origin()).map(|(at, start)| (at - start) as usize).collect()
        })
    }

    fn get(&self, point: &[i64]) -> u16 {
        self.position(point).map_or(0, |at| self.data[&at[..]])
    }

    fn set(&mut self, point: &[i64], value: u16) {
        if let Some(at) = self.position(point) {
            self.data[&at[..]] = value;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { start: [i64; 3], shape: [usize; 3], seed: u16, fortran: bool },
    Read { start: [i64; 3], shape: [usize; 3] },
    Slice { start: [i64; 3], count: [i64; 3], step: [i64; 3], drop: Option<usize> },
    Fill { start: [i64; 3], shape: [usize; 3] },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let start = || prop::array::uniform3(-25i64..30);
    let shape = || prop::array::uniform3(0usize..28);
    prop_oneof![
        4 => (start(), shape(), any::<u16>(), any::<bool>())
            .prop_map(|(start, shape, seed, fortran)| Step::Write { start, shape, seed, fortran }),
        3 => (start(), shape()).prop_map(|(start, shape)| Step::Read { start, shape }),
        3 => (start(), prop::array::uniform3(0i64..9), prop::array::uniform3(select(vec![-7i64, -2, -1, 1, 2, 3, 11])),
              prop::option::of(0usize..3))
            .prop_map(|(start, count, step, drop)| Step::Slice { start, count, step, drop }),
        1 => (start(), shape()).prop_map(|(start, shape)| Step::Fill { start, shape }),
        1 => Just(Step::Reopen),
    ]
}

fn value(seed: u16, index: &[usize]) -> u16 {
    index.iter().fold(seed, |sum, &at| sum.wrapping_mul(31).wrapping_add(at as u16)) | 1
}

fn apply(array: &Array, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    match step {
        Step::Write { start, shape, seed, fortran } => {
            let make = |index: IxDyn| value(*seed, index.slice());
            let mut data = ArrayD::from_shape_fn(IxDyn(shape), make);
            if *fortran {
                data = data.reversed_axes().as_standard_layout().into_owned().reversed_axes();
            }
            for (index, &value) in data.indexed_iter() {
                let point: Vec<i64> = (0..3).map(|d| start[d] + index[d] as i64).collect();
                model.set(&point, value);
            }
            array.write(start, data.view()).unwrap();
        }
        Step::Fill { start, shape } => {
            let data = ArrayD::<u16>::zeros(IxDyn(shape));
            for (index, _) in data.indexed_iter() {
                let point: Vec<i64> = (0..3).map(|d| start[d] + index[d] as i64).collect();
                model.set(&point, 0);
            }
            array.write(start, data.view()).unwrap();
        }
        Step::Read { start, shape } => {
            let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
            let read = array.read::<u16>(&Domain::new(start, &shape).unwrap()).unwrap();
            for (index, &got) in read.data().indexed_iter() {
                let point: Vec<i64> = (0..3).map(|d| start[d] + index[d] as i64).collect();
                prop_assert_eq!(got, model.get(&point), "at {:?}", point);
            }
        }
        Step::Slice { start, count, step, drop } => {
            let indices: Vec<Index> = (0..3)
                .map(|d| match drop {
                    Some(axis) if *axis == d => Index::At(start[d].clamp(-9, 13)),
                    _ => Index::Slice {
                        start: Some(start[d]),
                        stop: Some(start[d] + count[d] * step[d]),
                        step: step[d],
                    },
                })
                .collect();
            let view = array.slice(&indices).unwrap();
            let read = view.read::<u16>(view.domain()).unwrap();
            for (index, &got) in read.data().indexed_iter() {
                let mut kept = 0..;
                let point: Vec<i64> = (0..3)
                    .map(|d| match indices[d] {
                        Index::At(at) => at,
                        Index::Slice { .. } => start[d] + index[kept.next().unwrap()] as i64 * step[d],
                    })
                    .collect();
                prop_assert_eq!(got, model.get(&point), "at {:?}", point);
            }
        }
        Step::Reopen => unreachable!("handled by the caller"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn stored_arrays_behave_like_plain_ones(
        steps in prop::collection::vec(step(), 1..14),
        chunk in prop::array::uniform3(1u64..17),
        encoding in select(vec!["raw", "gzip", "zstd", "blosclz", "png"]),
        drop_fill: bool,
        sharding in select(vec![
            None, None,
            Some("preshift_bits=1,minishard_bits=2,shard_bits=3,minishard_index_encoding=gzip"),
            Some("preshift_bits=2,hash=murmurhash3_x86_128,minishard_bits=1,shard_bits=2,data_encoding=gzip"),
            Some("preshift_bits=9,minishard_bits=3,shard_bits=4"),
        ]),
    ) {
        let domain: Domain = "-9:14,-13:15,-11:14".parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("layer");
        let url = url.to_str().unwrap();
        let mut spec = CreateSpec::new(DataType::U16, domain.clone());
        spec.storage.chunk_shape = Some(chunk.to_vec());
        spec.storage.encoding = Some(encoding.to_owned());
        if let Some(sharding) = sharding {
            spec.storage.sharding = NewSharding::Neuroglancer(sharding.parse().unwrap());
        }
        let options = OpenOptions::new().outside(Outside::Crop).drop_fill(drop_fill);
        let mut array = options.create(url, &spec).unwrap();
        let shape: Vec<usize> = domain.shape().iter().map(|&n| n as usize).collect();
        let mut model = Model { data: ArrayD::zeros(IxDyn(&shape)), domain: domain.clone() };
        for step in &steps {
            match step {
                Step::Reopen => array = options.open(url).unwrap(),
                step => apply(&array, &mut model, step)?,
            }
        }
        let read = array.read::<u16>(&domain).unwrap();
        prop_assert_eq!(read.data(), &model.data);
        if drop_fill {
            let zero = |part: &Domain| array.read::<u16>(part).unwrap().data().iter().all(|&value| value == 0);
            let missing = array.stored_chunks(&domain).unwrap().missing().collect::<Vec<_>>();
            for chunk in array.chunks(&domain).unwrap() {
                prop_assert_eq!(zero(&chunk), missing.contains(&chunk));
            }
        }
    }
}
