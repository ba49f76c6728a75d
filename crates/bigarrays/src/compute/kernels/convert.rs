//! Elements of one type as those of another that holds them, or comes nearest.

use bytemuck::Pod;
use half::f16;

use super::map::{Kernel, map1};
use crate::base::dtype::DataType;

/// The loop that converts from one type to another. A boolean is whether a number is not zero. Real numbers become whole
/// ones by cutting off what is behind the point, and stay within the type.
pub(crate) fn convert(from: DataType, to: DataType) -> Option<Kernel> {
    match from {
        DataType::Bool => of::<u8>(to),
        DataType::I8 => of::<i8>(to),
        DataType::I16 => of::<i16>(to),
        DataType::I32 => of::<i32>(to),
        DataType::I64 => of::<i64>(to),
        DataType::U8 => of::<u8>(to),
        DataType::U16 => of::<u16>(to),
        DataType::U32 => of::<u32>(to),
        DataType::U64 => of::<u64>(to),
        DataType::F16 => of::<f16>(to),
        DataType::F32 => of::<f32>(to),
        DataType::F64 => of::<f64>(to),
        _ => None,
    }
}

trait Number: Pod {
    fn is_true(self) -> bool;
    fn to_i8(self) -> i8;
    fn to_i16(self) -> i16;
    fn to_i32(self) -> i32;
    fn to_i64(self) -> i64;
    fn to_u8(self) -> u8;
    fn to_u16(self) -> u16;
    fn to_u32(self) -> u32;
    fn to_u64(self) -> u64;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
}

macro_rules! number {
    ($($T:ty, $plain:expr);+ $(;)?) => { $(
        #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "one macro for all types")]
        impl Number for $T {
            #[inline(always)]
            fn is_true(self) -> bool { $plain(self) as f64 != 0.0 }
            #[inline(always)]
            fn to_i8(self) -> i8 { $plain(self) as i8 }
            #[inline(always)]
            fn to_i16(self) -> i16 { $plain(self) as i16 }
            #[inline(always)]
            fn to_i32(self) -> i32 { $plain(self) as i32 }
            #[inline(always)]
            fn to_i64(self) -> i64 { $plain(self) as i64 }
            #[inline(always)]
            fn to_u8(self) -> u8 { $plain(self) as u8 }
            #[inline(always)]
            fn to_u16(self) -> u16 { $plain(self) as u16 }
            #[inline(always)]
            fn to_u32(self) -> u32 { $plain(self) as u32 }
            #[inline(always)]
            fn to_u64(self) -> u64 { $plain(self) as u64 }
            #[inline(always)]
            fn to_f32(self) -> f32 { $plain(self) as f32 }
            #[inline(always)]
            fn to_f64(self) -> f64 { $plain(self) as f64 }
        }
    )+ };
}

number! {
    i8, |x| x;
    i16, |x| x;
    i32, |x| x;
    i64, |x| x;
    u8, |x| x;
    u16, |x| x;
    u32, |x| x;
    u64, |x| x;
    f16, f16::to_f32;
    f32, |x| x;
    f64, |x| x;
}

fn of<T: Number>(to: DataType) -> Option<Kernel> {
    Some(match to {
        DataType::Bool => |a, o| map1(a, o, |one: T| u8::from(one.is_true())),
        DataType::I8 => |a, o| map1(a, o, T::to_i8),
        DataType::I16 => |a, o| map1(a, o, T::to_i16),
        DataType::I32 => |a, o| map1(a, o, T::to_i32),
        DataType::I64 => |a, o| map1(a, o, T::to_i64),
        DataType::U8 => |a, o| map1(a, o, T::to_u8),
        DataType::U16 => |a, o| map1(a, o, T::to_u16),
        DataType::U32 => |a, o| map1(a, o, T::to_u32),
        DataType::U64 => |a, o| map1(a, o, T::to_u64),
        DataType::F16 => |a, o| map1(a, o, |one: T| f16::from_f64(one.to_f64())),
        DataType::F32 => |a, o| map1(a, o, T::to_f32),
        DataType::F64 => |a, o| map1(a, o, T::to_f64),
        _ => return None,
    })
}
