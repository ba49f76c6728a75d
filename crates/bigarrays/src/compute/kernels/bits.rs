//! Logic and bits.

use bytemuck::Pod;

use super::map::{Kernel, map1, map2, of_type};
use crate::base::dtype::DataType;
use crate::compute::function::Function;

pub(super) fn kernel(function: Function, dtype: DataType) -> Option<Kernel> {
    match dtype {
        DataType::Bool => boolean(function),
        _ => of_type!(dtype, T: whole whole::<T>(function)),
    }
}

fn boolean(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::LogicalAnd | Function::BitwiseAnd => |a, o| map2::<u8, u8, u8, _>(a, o, |a, b| a & b),
        Function::LogicalOr | Function::BitwiseOr => |a, o| map2::<u8, u8, u8, _>(a, o, |a, b| a | b),
        Function::LogicalXor | Function::BitwiseXor => |a, o| map2::<u8, u8, u8, _>(a, o, |a, b| a ^ b),
        Function::LogicalNot | Function::Invert => |a, o| map1::<u8, u8, _>(a, o, |a| a ^ 1),
        _ => return None,
    })
}

trait Bits: Pod {
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn invert(self) -> Self;
    /// Zero by as many bits as there are, or more.
    fn left(self, by: Self) -> Self;
    /// Zero, or -1 of a negative number, by as many bits as there are, or more.
    fn right(self, by: Self) -> Self;
}

macro_rules! bits {
    ($($T:ty),+) => { $(
        impl Bits for $T {
            #[inline(always)]
            fn and(self, other: Self) -> Self { self & other }
            #[inline(always)]
            fn or(self, other: Self) -> Self { self | other }
            #[inline(always)]
            fn xor(self, other: Self) -> Self { self ^ other }
            #[inline(always)]
            fn invert(self) -> Self { !self }
            #[inline(always)]
            fn left(self, by: Self) -> Self {
                u32::try_from(by).ok().and_then(|by| self.checked_shl(by)).unwrap_or(0)
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one macro for types with and without signs")]
            fn right(self, by: Self) -> Self {
                let all: Self = if self < 0 { !0 } else { 0 };
                u32::try_from(by).ok().and_then(|by| self.checked_shr(by)).unwrap_or(all)
            }
        }
    )+ };
}

bits! { i8, i16, i32, i64, u8, u16, u32, u64 }

fn whole<T: Bits>(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::BitwiseAnd => |a, o| map2(a, o, T::and),
        Function::BitwiseOr => |a, o| map2(a, o, T::or),
        Function::BitwiseXor => |a, o| map2(a, o, T::xor),
        Function::Invert => |a, o| map1(a, o, T::invert),
        Function::LeftShift => |a, o| map2(a, o, T::left),
        Function::RightShift => |a, o| map2(a, o, T::right),
        // Whole numbers are as they are, rounded.
        Function::Floor | Function::Ceil | Function::Trunc => |a, o| map1(a, o, |one: T| one),
        _ => return None,
    })
}
