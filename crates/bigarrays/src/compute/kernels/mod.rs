//! Loops over elements, one for each function and type. They take slices of bytes that are aligned as their elements.

pub(super) mod around;
mod bits;
mod cells;
mod compare;
mod convert;
mod fold;
mod map;
mod moments;
pub(super) mod monoid;
pub(super) mod moving;
mod network;
mod numbers;
pub(super) mod products;
mod real;
#[cfg(test)]
mod same_bits;
pub(super) mod scan;
mod scatter;
mod select;
pub(super) mod weigh;

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::widest::widest;
use crate::compute::function::Function;

pub(crate) use cells::{Cells, Others};
pub(crate) use convert::convert;
pub(crate) use fold::{Cell, Fold, NOWHERE, Places};
pub(crate) use map::Kernel;
pub(crate) use scatter::NONE;
pub(crate) use select::{Bits, Ranked, select};

/// The loop of a function of arguments of these types, none of which is `float16`: those are computed in `float32`.
///
/// # Errors
/// `Unsupported` if there is none.
pub(crate) fn kernel(function: Function, arguments: &[DataType]) -> Result<Kernel> {
    let dtype = arguments.last().copied().unwrap_or(DataType::Bool);
    let found = if function.chooses() {
        choice(dtype.size())
    } else if function.compares() {
        compare::kernel(function, arguments)
    } else {
        let bits = || bits::kernel(function, dtype);
        numbers::kernel(function, dtype).or_else(bits).or_else(|| real::kernel(function, dtype))
    };
    found.ok_or_else(|| Error::unsupported(format!("{} of {dtype}", function.name())))
}

/// The loop that takes the elements of the second argument where the first is true, and else those of the third.
fn choice(size: usize) -> Option<Kernel> {
    // By masks: of a choice, compilers make one of addresses, which goes element by element.
    macro_rules! choose {
        ($name:ident, $T:ty) => {
            widest! {
                fn $name(arguments: &[&[u8]], out: &mut [u8]) {
                    let [condition, yes, no] = arguments else { return };
                    let (yes, no): (&[$T], &[$T]) = (bytemuck::cast_slice(yes), bytemuck::cast_slice(no));
                    let out: &mut [$T] = bytemuck::cast_slice_mut(out);
                    for (((out, &condition), &yes), &no) in out.iter_mut().zip(*condition).zip(yes).zip(no) {
                        let mask = <$T>::from(condition != 0).wrapping_neg();
                        *out = (yes & mask) | (no & !mask);
                    }
                }
            }
        };
    }
    choose!(of_1, u8);
    choose!(of_2, u16);
    choose!(of_4, u32);
    choose!(of_8, u64);
    match size {
        1 => Some(of_1),
        2 => Some(of_2),
        4 => Some(of_4),
        8 => Some(of_8),
        _ => None,
    }
}
