//! Functions of real numbers. Those that IEEE 754 does not fix come from one library, so that results are the same on
//! every machine.

use super::map::{Kernel, map1, map2, plain1, plain2};
use crate::base::dtype::DataType;
use crate::compute::function::Function;

pub(super) fn kernel(function: Function, dtype: DataType) -> Option<Kernel> {
    match dtype {
        DataType::F32 => single(function),
        DataType::F64 => double(function),
        _ => None,
    }
}

macro_rules! real {
    ($name:ident, $T:ty, $nextafter:path, $($variant:ident $call:path),+ $(,)?) => {
        fn $name(function: Function) -> Option<Kernel> {
            Some(match function {
                Function::Divide => |a, o| map2::<$T, $T, $T, _>(a, o, |a, b| a / b),
                Function::Hypot => |a, o| plain2::<$T, $T, $T>(a, o, |a, b| hypot(a.into(), b.into()) as $T),
                Function::Arctan2 => |a, o| plain2::<$T, $T, $T>(a, o, |a, b| arctan2(a.into(), b.into()) as $T),
                Function::Logaddexp => |a, o| plain2::<$T, $T, $T>(a, o, |a, b| logaddexp(a.into(), b.into()) as $T),
                Function::Copysign => |a, o| map2::<$T, $T, $T, _>(a, o, <$T>::copysign),
                Function::Nextafter => |a, o| plain2::<$T, $T, $T>(a, o, $nextafter),
                Function::Signbit => |a, o| map1::<$T, u8, _>(a, o, |a| u8::from(a.is_sign_negative())),
                Function::IsNan => |a, o| map1::<$T, u8, _>(a, o, |a| u8::from(a.is_nan())),
                Function::IsFinite => |a, o| map1::<$T, u8, _>(a, o, |a| u8::from(a.is_finite())),
                Function::IsInf => |a, o| map1::<$T, u8, _>(a, o, |a| u8::from(a.is_infinite())),
                Function::Sqrt => |a, o| map1::<$T, $T, _>(a, o, <$T>::sqrt),
                Function::Floor => |a, o| map1::<$T, $T, _>(a, o, <$T>::floor),
                Function::Ceil => |a, o| map1::<$T, $T, _>(a, o, <$T>::ceil),
                Function::Trunc => |a, o| map1::<$T, $T, _>(a, o, <$T>::trunc),
                Function::Rint => |a, o| map1::<$T, $T, _>(a, o, <$T>::round_ties_even),
                $(Function::$variant => |a, o| plain1::<$T, $T>(a, o, $call),)+
                _ => return None,
            })
        }
    };
}

fn hypot(one: f64, other: f64) -> f64 {
    libm::hypot(one, other)
}

fn arctan2(one: f64, other: f64) -> f64 {
    libm::atan2(one, other)
}

/// The library says nothing of numbers below 1, where there is none.
fn arccosh(one: f64) -> f64 {
    if one < 1.0 { f64::NAN } else { libm::acosh(one) }
}

fn arccosh_single(one: f32) -> f32 {
    if one < 1.0 { f32::NAN } else { libm::acoshf(one) }
}

/// The logarithm of the sum of exponentials, which may be too large for the type.
fn logaddexp(one: f64, other: f64) -> f64 {
    // Of equal infinities the difference is no number.
    if one == other {
        return one + std::f64::consts::LN_2;
    }
    let (least, most) = if one > other { (other, one) } else { (one, other) };
    match least - most {
        apart if apart.is_nan() => apart,
        apart => most + libm::log1p(libm::exp(apart)),
    }
}

real! {
    single, f32, libm::nextafterf,
    Cbrt libm::cbrtf, Exp libm::expf, Exp2 libm::exp2f, Expm1 libm::expm1f,
    Log libm::logf, Log2 libm::log2f, Log10 libm::log10f, Log1p libm::log1pf,
    Sin libm::sinf, Cos libm::cosf, Tan libm::tanf, Arcsin libm::asinf, Arccos libm::acosf, Arctan libm::atanf,
    Sinh libm::sinhf, Cosh libm::coshf, Tanh libm::tanhf, Arcsinh libm::asinhf, Arccosh arccosh_single,
    Arctanh libm::atanhf,
}

real! {
    double, f64, libm::nextafter,
    Cbrt libm::cbrt, Exp libm::exp, Exp2 libm::exp2, Expm1 libm::expm1,
    Log libm::log, Log2 libm::log2, Log10 libm::log10, Log1p libm::log1p,
    Sin libm::sin, Cos libm::cos, Tan libm::tan, Arcsin libm::asin, Arccos libm::acos, Arctan libm::atan,
    Sinh libm::sinh, Cosh libm::cosh, Tanh libm::tanh, Arcsinh libm::asinh, Arccosh arccosh,
    Arctanh libm::atanh,
}
