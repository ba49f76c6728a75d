//! Comparisons.

use bytemuck::Pod;

use super::map::{Kernel, map2, of_type};
use crate::base::dtype::DataType;
use crate::compute::function::Function;

pub(super) fn kernel(function: Function, arguments: &[DataType]) -> Option<Kernel> {
    let &[one, other] = arguments else { return None };
    match (one, other) {
        (DataType::Bool, DataType::Bool) => of::<u8, u8, u8>(function),
        (one, other) if one == other => {
            of_type!(one, T: whole of::<T, T, T>(function), real of::<T, T, T>(function))
        }
        // No type of NumPy's holds both.
        (DataType::U64, DataType::I64) => of::<u64, i64, i128>(function),
        (DataType::I64, DataType::U64) => of::<i64, u64, i128>(function),
        _ => None,
    }
}

/// Compares elements of two types in one that holds both.
fn of<T: Pod + Into<C>, U: Pod + Into<C>, C: PartialOrd>(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::Equal => |a, o| map2::<T, U, u8, _>(a, o, |a, b| u8::from(a.into() == b.into())),
        Function::NotEqual => |a, o| map2::<T, U, u8, _>(a, o, |a, b| u8::from(a.into() != b.into())),
        Function::Less => |a, o| map2::<T, U, u8, _>(a, o, |a, b| u8::from(a.into() < b.into())),
        Function::LessEqual => |a, o| map2::<T, U, u8, _>(a, o, |a, b| u8::from(a.into() <= b.into())),
        Function::Greater => |a, o| map2::<T, U, u8, _>(a, o, |a, b| u8::from(a.into() > b.into())),
        Function::GreaterEqual => |a, o| map2::<T, U, u8, _>(a, o, |a, b| u8::from(a.into() >= b.into())),
        _ => return None,
    })
}
