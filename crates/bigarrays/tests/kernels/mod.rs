//! Expressions that have each kernel of the library, and groups.

use bigarrays::compute::{Function, Lazy, Operand, parse};
use bigarrays::{Array, DataType, Domain};

use crate::computations::{Bench, Saved};

/// Of `t`, floating-point elements; `n`, whole numbers over the same box; `l`, labels along the first axis; `m`, a matrix that begins
/// with the last axis of `t`; `x`, a long line.
const TEXTS: &[&str] = &[
    "rolling(t, how=\"mean\", axis=0, width=5, center=True)",
    "rolling(t, how=\"std\", axis=1, width=3, min_count=2, boundary=\"wrap\")",
    "rolling(t, how=\"max\", axis=2, width=7, min_count=1, boundary=\"constant\", fill_value=2.5)",
    "rolling(n, how=\"min\", axis=2, width=5, min_count=1)",
    "rolling(t, how=\"sum\", axis=0, width=3, weights=[0.1, 0.5, 0.4])",
    "coarsen(t, how=\"count\", axis=1, width=3, ends=\"pad\")",
    "ranges(t, how=\"last\", axis=0, starts=[0, 2, 1], stops=[4, 6, 1])",
    "gradient(t, axis=1)",
    "interpolate(t, axis=0, places=[0.5, 3.25, 2, 40])",
    "cumsum(t, axis=2)",
    "cummax(n, axis=0)",
    "cumsum(x, axis=0)",
    "ffill(t, axis=1)",
    "ffill(t, axis=1, limit=2)",
    "shift(t, axis=1, count=3)",
    "pad(n, axis=2, before=2, behind=3, boundary=\"mirror\")",
    "diff(t, axis=2, n=2)",
    "median_filter(t, size=3)",
    "minimum_filter(t, size=3)",
    "rank_filter(n, size=[1, 2, 3], rank=4, origin=[0, 0, 1])",
    "minimum_filter(t, footprint=[[0, 1, 0], [1, 1, 1]], axes=[2, 0], boundary=\"nearest\")",
    "gaussian_filter(t, sigma=0.7)",
    "correlate(t, weights=[[0.3, 1, 0], [0, 1, 2]], axes=[1, 2])",
    "erosion(n, size=3)",
    "dilation(n, size=3)",
    "tensordot(t, m, axes=[2], of=[0])",
    "regrid(t, axes=[1, 2], shape=[2, 3], rows=[0, 1, 5, 1], columns=[3, 50, 61, 7], weights=[0.5, 1, 2, 0.1])",
    "histogram(t, edges=[0, 30.5, 60, 130], axis=0)",
    "median(t, axis=0)",
    "quantile(n, q=[0.1, 0.9], axis=[1, 2], method=\"hazen\")",
    "topk(t, axis=0, k=3)",
    "approx_quantile(t, q=[0.1, 0.5])",
    "median(t, axis=0, by=l, expected=3)",
    "mean(t, axis=0, by=l, expected=3)",
    "nanstd(t, axis=0, by=l, expected=3)",
];

/// Each of them, as `float32`, of an array of three axes.
pub(crate) fn kernels(bench: &Bench, array: &Array) -> Vec<(String, Saved)> {
    let t = Lazy::of(array).unwrap();
    let lines = |shape: &[u64], dtype: DataType| {
        let count = shape.iter().product::<u64>();
        let bytes = |at: u64| match dtype {
            DataType::U8 => vec![(at * 7919 % 5) as u8],
            DataType::I64 => (at as i64 % 4 - i64::from(at % 4 == 3) * 4).to_ne_bytes().to_vec(),
            _ => (((at * 7919) % 1009) as f32 / 8.0).to_ne_bytes().to_vec(),
        };
        let bytes: Vec<u8> = (0..count).flat_map(bytes).collect();
        Lazy::of_elements(&Domain::from_shape(shape).unwrap(), dtype, &bytes).unwrap()
    };
    let shape = array.shape().to_vec();
    let source = |name: &str| {
        Some(match name {
            "t" => t.clone(),
            "n" => lines(&shape, DataType::U8),
            "l" => lines(&shape[..1], DataType::I64),
            "m" => lines(&[shape[2], 3], DataType::F32),
            "x" => lines(&[1500], DataType::F32),
            _ => return None,
        })
    };
    let parsed = |text: &&str| ((*text).to_owned(), parse(text, &source).unwrap());
    let mut all: Vec<(String, Lazy)> = TEXTS.iter().map(parsed).collect();
    let places: Vec<f64> = (0..shape[0]).map(|at| (at * at) as f64).collect();
    all.push(("gradient".to_owned(), t.gradient_at(0, &places).unwrap()));
    // Labels that are stored are looked up.
    let name = format!("labels-{}", shape[0]);
    let stored =
        if bench.path(&name).exists() { bench.open(&name) } else { bench.create(&name, &shape[..1], &[5]) };
    let labels: ndarray::Array1<f32> = (0..shape[0]).map(|at| (at % 3) as f32).collect();
    stored.write(&[0], labels.view()).unwrap();
    let mean = t.group_by(&Lazy::of(&stored).unwrap(), &[0], 3).unwrap().mean().unwrap().back().unwrap();
    let apart = Lazy::apply(Function::Subtract, &[Operand::from(&t), Operand::from(&mean)]).unwrap();
    all.push(("anomaly".to_owned(), apart));
    let saved = |(text, lazy): (String, Lazy)| {
        let chunk = lazy.domain().shape().iter().map(|&length| length.div_ceil(3)).collect();
        (text, (lazy.cast(DataType::F32, Default::default()).unwrap(), chunk))
    };
    all.into_iter().map(saved).collect()
}
