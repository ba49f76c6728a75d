//! What loops have in common.

use bytemuck::Pod;

use crate::base::widest::widest;

/// A loop: the elements of the arguments, as many of each, and where those of the result go.
pub(crate) type Kernel = fn(&[&[u8]], &mut [u8]);

widest! {
    /// A function of one argument.
    pub(super) fn map1<T: Pod, R: Pod, F: Fn(T) -> R>(arguments: &[&[u8]], out: &mut [u8], f: F) {
        plain1(arguments, out, f);
    }
}

widest! {
    /// A function of two arguments.
    pub(super) fn map2<T: Pod, U: Pod, R: Pod, F: Fn(T, U) -> R>(arguments: &[&[u8]], out: &mut [u8], f: F) {
        plain2(arguments, out, f);
    }
}

/// As [`map1`], for functions that go element by element anyway.
#[inline(always)]
pub(super) fn plain1<T: Pod, R: Pod>(arguments: &[&[u8]], out: &mut [u8], f: impl Fn(T) -> R) {
    let [one, ..] = arguments else { return };
    let one: &[T] = bytemuck::cast_slice(one);
    for (out, &one) in bytemuck::cast_slice_mut(out).iter_mut().zip(one) {
        *out = f(one);
    }
}

/// As [`map2`], for functions that go element by element anyway.
#[inline(always)]
pub(super) fn plain2<T: Pod, U: Pod, R: Pod>(arguments: &[&[u8]], out: &mut [u8], f: impl Fn(T, U) -> R) {
    let [one, two, ..] = arguments else { return };
    let (one, two): (&[T], &[U]) = (bytemuck::cast_slice(one), bytemuck::cast_slice(two));
    for ((out, &one), &two) in bytemuck::cast_slice_mut(out).iter_mut().zip(one).zip(two) {
        *out = f(one, two);
    }
}

/// Picks the loop of a type: `whole` with `$T` for it where elements are whole numbers, `real` where they are not, if there is
/// one of those.
macro_rules! of_type {
    ($dtype:expr, $T:ident: whole $whole:expr) => {
        match $dtype {
            DataType::I8 => {
                type $T = i8;
                $whole
            }
            DataType::I16 => {
                type $T = i16;
                $whole
            }
            DataType::I32 => {
                type $T = i32;
                $whole
            }
            DataType::I64 => {
                type $T = i64;
                $whole
            }
            DataType::U8 => {
                type $T = u8;
                $whole
            }
            DataType::U16 => {
                type $T = u16;
                $whole
            }
            DataType::U32 => {
                type $T = u32;
                $whole
            }
            DataType::U64 => {
                type $T = u64;
                $whole
            }
            _ => None,
        }
    };
    ($dtype:expr, $T:ident: whole $whole:expr, real $real:expr) => {
        match $dtype {
            DataType::F32 => {
                type $T = f32;
                $real
            }
            DataType::F64 => {
                type $T = f64;
                $real
            }
            dtype => of_type!(dtype, $T: whole $whole),
        }
    };
}
pub(super) use of_type;
