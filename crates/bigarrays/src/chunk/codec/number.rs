//! Elements as numbers, for codecs that put other elements in their place.

use half::f16;

use crate::base::buffer::{Order, Region, View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{ArrayCodec, ChunkSpec, expect_output};

/// Elements to compute with, in the machine's byte order.
pub(super) trait Number: Copy + PartialEq {
    const IS_FLOAT: bool;
    const ZERO: Self;

    /// The elements that `bytes` hold.
    fn load(bytes: &[u8]) -> impl Iterator<Item = Self>;

    /// Writes `values` to `bytes`, up to the end of either.
    fn store(bytes: &mut [u8], values: impl Iterator<Item = Self>);

    /// The whole part; of those that have no 64 bits with a sign, the lower bits of it.
    fn whole(self) -> i64;
    fn single(self) -> f32;
    fn double(self) -> f64;

    /// The number that NumPy's `astype` makes of another: the lower bits of whole numbers, the nearest that there is for
    /// those that are not whole and for zero what is none.
    fn of<T: Number>(other: T) -> Self;

    /// The sum, of whole numbers its lower bits.
    fn plus(self, other: Self) -> Self;

    /// The difference, of whole numbers its lower bits.
    fn minus(self, other: Self) -> Self;
}

macro_rules! bytes {
    () => {
        fn load(bytes: &[u8]) -> impl Iterator<Item = Self> {
            bytes.as_chunks::<{ size_of::<Self>() }>().0.iter().map(|element| Self::from_ne_bytes(*element))
        }

        fn store(bytes: &mut [u8], values: impl Iterator<Item = Self>) {
            let elements = bytes.as_chunks_mut::<{ size_of::<Self>() }>().0;
            elements.iter_mut().zip(values).for_each(|(element, value)| *element = value.to_ne_bytes());
        }
    };
}

macro_rules! whole {
    ($($type:ty),+) => { $(
        #[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "not for all types")]
        impl Number for $type {
            const IS_FLOAT: bool = false;
            const ZERO: Self = 0;
            bytes!();

            fn whole(self) -> i64 {
                self as i64
            }

            fn single(self) -> f32 {
                self as f32
            }

            fn double(self) -> f64 {
                self as f64
            }

            fn of<T: Number>(other: T) -> Self {
                if T::IS_FLOAT { other.double() as Self } else { other.whole() as Self }
            }

            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    )+ };
}

whole!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! real {
    ($($type:ty, $zero:expr, $single:expr, $double:expr, $of:ident as $make:expr;)+) => { $(
        #[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "not for all types")]
        impl Number for $type {
            const IS_FLOAT: bool = true;
            const ZERO: Self = $zero;
            bytes!();

            fn whole(self) -> i64 {
                self.double() as i64
            }

            fn single(self) -> f32 {
                $single(self)
            }

            fn double(self) -> f64 {
                $double(self)
            }

            fn of<T: Number>(other: T) -> Self {
                $make(other.$of())
            }

            fn plus(self, other: Self) -> Self {
                self + other
            }

            fn minus(self, other: Self) -> Self {
                self - other
            }
        }
    )+ };
}

real! {
    f16, f16::ZERO, f16::to_f32, f16::to_f64, double as f16::from_f64;
    f32, 0.0, |value: f32| value, f64::from, single as |value: f32| value;
    f64, 0.0, |value: f64| value as f32, |value: f64| value, double as |value: f64| value;
}

/// Runs an expression, which is a `Result`, with a type alias bound to the type of elements; an error for those that are
/// no numbers.
macro_rules! numbers {
    ($dtype:expr, $T:ident => $body:expr) => {{
        macro_rules! with {
            ($type:ty) => {{
                type $T = $type;
                $body
            }};
        }
        match $dtype {
            $crate::base::dtype::DataType::I8 => with!(i8),
            $crate::base::dtype::DataType::I16 => with!(i16),
            $crate::base::dtype::DataType::I32 => with!(i32),
            $crate::base::dtype::DataType::I64 => with!(i64),
            $crate::base::dtype::DataType::U8 => with!(u8),
            $crate::base::dtype::DataType::U16 => with!(u16),
            $crate::base::dtype::DataType::U32 => with!(u32),
            $crate::base::dtype::DataType::U64 => with!(u64),
            $crate::base::dtype::DataType::F16 => with!(half::f16),
            $crate::base::dtype::DataType::F32 => with!(f32),
            $crate::base::dtype::DataType::F64 => with!(f64),
            other => Err($crate::base::error::Error::unsupported(format!("{other} elements are no numbers"))),
        }
    }};
}
pub(super) use numbers;

/// # Errors
/// `Unsupported` naming the codec if elements of `dtype` are no numbers.
pub(super) fn expect_number(dtype: DataType, codec: &str) -> Result<()> {
    let known = numbers!(dtype, T => { let _: Option<T> = None; Ok(()) });
    known.map_err(|_: Error| Error::unsupported(format!("{codec} does not compute with {dtype}")))
}

/// Puts in `to` what `from` is in another type.
///
/// # Errors
/// `Unsupported` unless both are types of numbers.
pub(super) fn convert(from: &[u8], given: DataType, to: &mut [u8], wanted: DataType) -> Result<()> {
    numbers!(given, G => numbers!(wanted, W => { W::store(to, G::load(from).map(W::of)); Ok(()) }))
}

/// Has `inner` encode what `convert` makes of the elements of `chunk`, dense in C order: as many elements of `stored`.
pub(super) fn encode_converted(
    chunk: &View<'_>,
    spec: &ChunkSpec,
    (inner, stored): (&dyn ArrayCodec, DataType),
    out: &mut Vec<u8>,
    convert: impl FnOnce(&[u8], &mut [u8]) -> Result<()>,
) -> Result<()> {
    let stored = ChunkSpec { dtype: stored, shape: spec.shape.clone() };
    with_scratch(|plain| {
        let plain = try_first_bytes(plain, spec.byte_len()?)?;
        ViewMut::dense(plain, &spec.shape, spec.dtype.size(), Order::C)?.copy_from(chunk);
        with_scratch(|converted| {
            let converted = try_first_bytes(converted, stored.byte_len()?)?;
            convert(plain, converted)?;
            let chunk = View::dense(converted, &stored.shape, stored.dtype.size(), Order::C)?;
            inner.encode(&chunk, &stored, out)
        })
    })
}

/// Puts in `out` what `convert` makes of the elements of `stored` that `inner` decodes, dense in C order.
pub(super) fn decode_converted(
    bytes: &[u8],
    (spec, region): (&ChunkSpec, &Region),
    (inner, stored): (&dyn ArrayCodec, DataType),
    out: &mut ViewMut<'_>,
    convert: impl FnOnce(&[u8], &mut [u8]) -> Result<()>,
) -> Result<()> {
    expect_output(spec, region, out)?;
    let stored = ChunkSpec { dtype: stored, shape: spec.shape.clone() };
    let (shape, item) = (&region.count, spec.dtype.size());
    with_scratch(|encoded| {
        let encoded = try_first_bytes(encoded, byte_len(shape, stored.dtype.size())?)?;
        let mut view = ViewMut::dense(encoded, shape, stored.dtype.size(), Order::C)?;
        inner.decode(bytes, &stored, region, &mut view)?;
        with_scratch(|plain| {
            let plain = try_first_bytes(plain, byte_len(shape, item)?)?;
            convert(encoded, plain)?;
            out.copy_from(&View::dense(plain, shape, item, Order::C)?);
            Ok(())
        })
    })
}
