//! Arithmetic.

use bytemuck::Pod;

use super::map::{Kernel, map1, map2, of_type, plain2};
use crate::base::dtype::DataType;
use crate::compute::function::Function;

pub(super) fn kernel(function: Function, dtype: DataType) -> Option<Kernel> {
    match dtype {
        DataType::Bool => boolean(function),
        _ => of_type!(dtype, T: whole of::<T>(function), real of::<T>(function)),
    }
}

/// Of booleans, a sum is `or`, a product `and`.
fn boolean(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::Add | Function::Maximum | Function::Fmax => {
            |a, o| map2::<u8, u8, u8, _>(a, o, |a, b| a | b)
        }
        Function::Multiply | Function::Minimum | Function::Fmin => {
            |a, o| map2::<u8, u8, u8, _>(a, o, |a, b| a & b)
        }
        Function::Absolute | Function::Floor | Function::Ceil | Function::Trunc => {
            |a, o| map1::<u8, u8, _>(a, o, |a| a)
        }
        _ => return None,
    })
}

/// Numbers of one type, with NumPy's results.
trait Arithmetic: Pod {
    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    /// Rounded down; of whole numbers, zero if divided by zero.
    fn floor_divide(self, other: Self) -> Self;
    /// Of the sign of `other`; of whole numbers, zero if divided by zero.
    fn remainder(self, other: Self) -> Self;
    fn power(self, other: Self) -> Self;
    /// The larger; NaN if one is.
    fn maximum(self, other: Self) -> Self;
    fn minimum(self, other: Self) -> Self;
    /// The larger; the other if one is NaN.
    fn fmax(self, other: Self) -> Self;
    fn fmin(self, other: Self) -> Self;
    fn negative(self) -> Self;
    fn absolute(self) -> Self;
    fn sign(self) -> Self;
}

fn of<T: Arithmetic>(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::Add => |a, o| map2(a, o, T::add),
        Function::Subtract => |a, o| map2(a, o, T::subtract),
        Function::Multiply => |a, o| map2(a, o, T::multiply),
        Function::FloorDivide => |a, o| plain2(a, o, T::floor_divide),
        Function::Remainder => |a, o| plain2(a, o, T::remainder),
        Function::Power => |a, o| plain2(a, o, T::power),
        Function::Maximum => |a, o| map2(a, o, T::maximum),
        Function::Minimum => |a, o| map2(a, o, T::minimum),
        Function::Fmax => |a, o| map2(a, o, T::fmax),
        Function::Fmin => |a, o| map2(a, o, T::fmin),
        Function::Negative => |a, o| map1(a, o, T::negative),
        Function::Positive => |a, o| map1(a, o, |one: T| one),
        Function::Absolute => |a, o| map1(a, o, T::absolute),
        Function::Sign => |a, o| map1(a, o, T::sign),
        Function::Square => |a, o| map1(a, o, |one: T| one.multiply(one)),
        _ => return None,
    })
}

macro_rules! whole {
    ($($T:ty, $absolute:expr, $sign:expr);+ $(;)?) => { $(
        impl Arithmetic for $T {
            #[inline(always)]
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn subtract(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one macro for types with and without signs")]
            fn floor_divide(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let (quotient, rest) = (self.wrapping_div(other), self.wrapping_rem(other));
                if rest != 0 && (rest < 0) != (other < 0) { quotient - 1 } else { quotient }
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one macro for types with and without signs")]
            fn remainder(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let rest = self.wrapping_rem(other);
                if rest != 0 && (rest < 0) != (other < 0) { rest + other } else { rest }
            }
            fn power(self, other: Self) -> Self {
                let (mut result, mut base, mut left): (Self, Self, Self) = (1, self, other);
                while left > 0 {
                    if left & 1 == 1 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    left >>= 1;
                }
                result
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self { self.max(other) }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self { self.min(other) }
            #[inline(always)]
            fn fmax(self, other: Self) -> Self { self.max(other) }
            #[inline(always)]
            fn fmin(self, other: Self) -> Self { self.min(other) }
            #[inline(always)]
            fn negative(self) -> Self { self.wrapping_neg() }
            #[inline(always)]
            fn absolute(self) -> Self { $absolute(self) }
            #[inline(always)]
            fn sign(self) -> Self { $sign(self) }
        }
    )+ };
}

whole! {
    i8, i8::wrapping_abs, i8::signum;
    i16, i16::wrapping_abs, i16::signum;
    i32, i32::wrapping_abs, i32::signum;
    i64, i64::wrapping_abs, i64::signum;
    u8, |x| x, |x: u8| x.min(1);
    u16, |x| x, |x: u16| x.min(1);
    u32, |x| x, |x: u32| x.min(1);
    u64, |x| x, |x: u64| x.min(1);
}

macro_rules! real {
    ($($T:ty, $pow:path, $fmod:path);+ $(;)?) => { $(
        impl Arithmetic for $T {
            #[inline(always)]
            fn add(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn subtract(self, other: Self) -> Self { self - other }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self { self * other }
            fn floor_divide(self, other: Self) -> Self {
                if other == 0.0 {
                    return self / other;
                }
                let rest = $fmod(self, other);
                let mut quotient = (self - rest) / other;
                if rest != 0.0 && (other < 0.0) != (rest < 0.0) {
                    quotient -= 1.0;
                }
                if quotient == 0.0 {
                    return (0.0 as $T).copysign(self / other);
                }
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }
            fn remainder(self, other: Self) -> Self {
                let rest = $fmod(self, other);
                if other == 0.0 {
                    return rest;
                }
                if rest == 0.0 {
                    return (0.0 as $T).copysign(other);
                }
                if (other < 0.0) != (rest < 0.0) { rest + other } else { rest }
            }
            fn power(self, other: Self) -> Self { $pow(self, other) }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if self >= other || self.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if self <= other || self.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn fmax(self, other: Self) -> Self {
                if self >= other || other.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn fmin(self, other: Self) -> Self {
                if self <= other || other.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn negative(self) -> Self { -self }
            #[inline(always)]
            fn absolute(self) -> Self { self.abs() }
            #[inline(always)]
            fn sign(self) -> Self {
                if self > 0.0 { 1.0 } else if self < 0.0 { -1.0 } else { self + 0.0 }
            }
        }
    )+ };
}

real! {
    f32, libm::powf, libm::fmodf;
    f64, libm::pow, libm::fmod;
}
