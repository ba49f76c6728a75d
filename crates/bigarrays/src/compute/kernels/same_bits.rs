//! Tests that loops give the same bits whatever registers there are.

use super::{Cell as Of, Cells, Fold, Kernel, Others, Places, convert, kernel};
use crate::base::dtype::DataType;
use crate::base::widest::both;
use crate::compute::function::Function;

const TYPES: [DataType; 12] = [
    DataType::Bool,
    DataType::I8,
    DataType::I16,
    DataType::I32,
    DataType::I64,
    DataType::U8,
    DataType::U16,
    DataType::U32,
    DataType::U64,
    DataType::F16,
    DataType::F32,
    DataType::F64,
];

const FOLDS: [Fold; 15] = [
    Fold::Sum,
    Fold::Product,
    Fold::Least,
    Fold::Most,
    Fold::SumOfNumbers,
    Fold::ProductOfNumbers,
    Fold::LeastNumber,
    Fold::MostNumber,
    Fold::SumAndCount,
    Fold::Moments,
    Fold::MomentsOfNumbers,
    Fold::FirstLeast,
    Fold::FirstMost,
    Fold::FirstLeastNumber,
    Fold::FirstMostNumber,
];

/// Numbers of all sizes, and what is none, as bits.
fn bits(dtype: DataType, seed: u64, count: usize) -> Vec<u64> {
    let mut state = seed;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    let mut real = || match word() % 16 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => 3e9,
        _ => (word() as i64 >> 40) as f64 / 4096.0,
    };
    let mut bytes = Vec::new();
    for _ in 0..count {
        match dtype {
            DataType::Bool => bytes.push(u8::from(real() > 0.0)),
            DataType::F16 => bytes.extend(half::f16::from_f64(real()).to_ne_bytes()),
            DataType::F32 => bytes.extend((real() as f32).to_ne_bytes()),
            DataType::F64 => bytes.extend(real().to_ne_bytes()),
            dtype => {
                let word = real().to_bits() ^ real() as i64 as u64;
                bytes.extend(&word.to_ne_bytes()[..dtype.size()]);
            }
        }
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect()
}

fn assert_same(name: &str, kernel: Kernel, types: &[DataType], result: DataType) {
    for count in [1, 7, 16, 33, 2048] {
        let given: Vec<Vec<u64>> =
            types.iter().zip(1..).map(|(dtype, seed)| bits(*dtype, seed, count)).collect();
        let arguments: Vec<&[u8]> = given
            .iter()
            .zip(types)
            .map(|(words, dtype)| &bytemuck::cast_slice(words)[..count * dtype.size()])
            .collect();
        let (wide, narrow) = both(|| {
            let mut out = vec![0u64; count];
            kernel(&arguments, &mut bytemuck::cast_slice_mut(&mut out)[..count * result.size()]);
            out
        });
        assert!(wide == narrow, "{name} of {types:?}");
    }
}

#[test]
fn results_of_functions_are_the_same_bits_whatever_the_registers() {
    let mut seen = 0;
    for dtype in TYPES {
        for to in TYPES {
            let kernel = convert(dtype, to).unwrap();
            assert_same("conversion", kernel, &[dtype], to);
        }
        for function in Function::all() {
            let mut types = vec![dtype; function.arity()];
            if function.chooses() {
                types[0] = DataType::Bool;
            }
            let result = function.signature(&types).map(|signature| signature.result);
            let (Ok(kernel), Ok(result)) = (kernel(function, &types), result) else { continue };
            // Of others, arguments are converted first.
            if function.signature(&types).unwrap().arguments[..] == types[..] && dtype != DataType::F16 {
                assert_same(function.name(), kernel, &types, result);
                seen += 1;
            }
        }
    }
    assert!(seen > 250, "{seen}");
}

#[test]
fn what_is_folded_is_the_same_bits_whatever_the_registers() {
    for (cell, dtype) in [(Of::I64, DataType::I64), (Of::U64, DataType::U64), (Of::F64, DataType::F64)] {
        for fold in FOLDS {
            if fold.has_moments() && cell != Of::F64 {
                continue;
            }
            for count in [1, 7, 16, 33, 2048] {
                let (wide, narrow) = both(|| folded(fold, cell, dtype, count));
                assert!(wide == narrow, "{fold:?} of {dtype:?}");
            }
        }
    }
}

/// Rows folded into cells of their own, then into one, and both of these.
fn folded(fold: Fold, cell: Of, dtype: DataType, count: usize) -> Vec<Vec<u64>> {
    let (value, beside) = fold.identity(cell);
    let none = || [vec![value; count], vec![beside; count], vec![0; count], vec![0; count]];
    let (mut each, mut all) = (none(), none());
    for seed in 1..4 {
        let (row, places) = (bits(dtype, seed, count), Places { first: 10 * seed, step: 1 });
        fold.each(cell, cells(&mut each, count), &row, places);
        fold.all(cell, cells(&mut all, 1), &row, places);
    }
    let [values, beside, firsts, means] = &each;
    let mut merged = none();
    for _ in 0..2 {
        fold.merge(cell, cells(&mut merged, count), &Others { values, beside, firsts, means });
    }
    let mut found: Vec<Vec<u64>> = each.into_iter().chain(all).chain(merged).collect();
    let is_nan = |word: &&mut u64| cell == Of::F64 && f64::from_bits(**word).is_nan();
    let nans = found.iter_mut().flatten().filter(is_nan);
    nans.for_each(|word| *word = f64::NAN.to_bits());
    found
}

fn cells([values, beside, firsts, means]: &mut [Vec<u64>; 4], count: usize) -> Cells<'_> {
    Cells {
        values: &mut values[..count],
        beside: &mut beside[..count],
        firsts: &mut firsts[..count],
        means: &mut means[..count],
    }
}
