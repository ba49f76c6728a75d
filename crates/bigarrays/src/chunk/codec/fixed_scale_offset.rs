//! `fixedscaleoffset`: numbers moved, scaled and rounded into another type, encoded by another codec.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::numpy::{numpy_name, numpy_type};
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Step, Words, members};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec};
use crate::chunk::config::Config;

/// `(value - offset) * scale`, rounded to even and stored as another type. Lossy. Computes as numpy
/// does: in the type of the elements if that is a floating-point one, or else in `f64`.
#[derive(Clone, Debug)]
pub struct FixedScaleOffset {
    offset: f64,
    scale: f64,
    stored: DataType,
    inner: Arc<dyn ArrayCodec>,
}

impl FixedScaleOffset {
    /// Stores scaled elements as `stored`, by `inner`.
    ///
    /// # Errors
    /// `InvalidArgument` for a scale of zero, `Unsupported` for booleans.
    pub fn new(offset: f64, scale: f64, stored: DataType, inner: Arc<dyn ArrayCodec>) -> Result<Self> {
        expect_number(stored)?;
        if scale == 0.0 || !scale.is_finite() || !offset.is_finite() {
            return Err(Error::invalid(format!("fixedscaleoffset: scale {scale}, offset {offset}")));
        }
        Ok(Self { offset, scale, stored, inner })
    }

    fn spec(&self, spec: &ChunkSpec) -> ChunkSpec {
        ChunkSpec { dtype: self.stored, shape: spec.shape.clone() }
    }
}

const NAME: &str = "fixedscaleoffset";

fn expect_number(dtype: DataType) -> Result<()> {
    match dtype {
        DataType::Bool | DataType::F16 => {
            Err(Error::unsupported(format!("fixedscaleoffset does not compute with {dtype}")))
        }
        _ => Ok(()),
    }
}

/// Elements as numbers to compute with.
trait Number: Copy {
    fn load(bytes: &[u8], value: &mut [u8]);
    fn store(value: &[u8], bytes: &mut [u8]);
}

macro_rules! number {
    ($($type:ty),+) => { $(
        #[allow(clippy::cast_lossless)] // not for all types
        impl Number for $type {
            fn load(bytes: &[u8], values: &mut [u8]) {
                let elements = bytes.as_chunks::<{ size_of::<$type>() }>().0;
                for (value, element) in values.as_chunks_mut::<8>().0.iter_mut().zip(elements) {
                    *value = (<$type>::from_ne_bytes(*element) as f64).to_ne_bytes();
                }
            }

            fn store(values: &[u8], bytes: &mut [u8]) {
                let elements = bytes.as_chunks_mut::<{ size_of::<$type>() }>().0;
                for (value, element) in values.as_chunks::<8>().0.iter().zip(elements) {
                    *element = (f64::from_ne_bytes(*value) as $type).to_ne_bytes();
                }
            }
        }
    )+ };
}

number!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

macro_rules! numbers {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DataType::I8 => {
                type $T = i8;
                $body
            }
            DataType::I16 => {
                type $T = i16;
                $body
            }
            DataType::I32 => {
                type $T = i32;
                $body
            }
            DataType::I64 => {
                type $T = i64;
                $body
            }
            DataType::U8 | DataType::Bool => {
                type $T = u8;
                $body
            }
            DataType::U16 | DataType::F16 => {
                type $T = u16;
                $body
            }
            DataType::U32 => {
                type $T = u32;
                $body
            }
            DataType::U64 => {
                type $T = u64;
                $body
            }
            DataType::F32 => {
                type $T = f32;
                $body
            }
            DataType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

/// Replaces each value by what `compute` makes of it.
fn each(values: &mut [u8], compute: impl Fn(f64) -> f64) {
    for value in values.as_chunks_mut::<8>().0 {
        *value = compute(f64::from_ne_bytes(*value)).to_ne_bytes();
    }
}

impl ArrayCodec for FixedScaleOffset {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        let Self { offset, scale, stored, ref inner } = *self;
        Scaling { offset, scale, stored }.config().with("inner", inner.config())
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        expect_number(spec.dtype)?;
        self.inner.check(&self.spec(spec))
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let stored = self.spec(spec);
        let length = spec.byte_len()?.max(stored.byte_len()?);
        let (offset, scale) = (self.offset, self.scale);
        with_scratch(|elements| {
            let elements = try_first_bytes(elements, length)?;
            ViewMut::dense(&mut elements[..spec.byte_len()?], &spec.shape, spec.dtype.size(), Order::C)?
                .copy_from(chunk);
            with_scratch(|values| {
                let values = try_first_bytes(values, byte_len(&spec.shape, 8)?)?;
                numbers!(spec.dtype, T => T::load(elements, values));
                match spec.dtype {
                    DataType::F32 => each(values, |value| {
                        f64::from(((value as f32 - offset as f32) * scale as f32).round_ties_even())
                    }),
                    _ => each(values, |value| ((value - offset) * scale).round_ties_even()),
                }
                numbers!(self.stored, T => T::store(values, elements));
                Ok::<(), Error>(())
            })?;
            let elements = &elements[..stored.byte_len()?];
            self.inner.encode(
                &View::dense(elements, &spec.shape, self.stored.size(), Order::C)?,
                &stored,
                out,
            )
        })
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, asked: Asked) -> bool {
        self.inner.writes_all(asked)
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        let (offset, scale) = (self.offset, self.scale);
        let (item, shape) = (spec.dtype.size(), &region.count);
        let plain = byte_len(shape, item)?;
        with_scratch(|elements| {
            let stored = byte_len(shape, self.stored.size())?;
            let elements = try_first_bytes(elements, plain.max(stored))?;
            let mut view = ViewMut::dense(&mut elements[..stored], shape, self.stored.size(), Order::C)?;
            self.inner.decode(bytes, &self.spec(spec), region, &mut view)?;
            with_scratch(|values| {
                let values = try_first_bytes(values, byte_len(shape, 8)?)?;
                numbers!(self.stored, T => T::load(elements, values));
                match self.stored {
                    DataType::F32 => {
                        each(values, |value| f64::from(value as f32 / scale as f32 + offset as f32));
                    }
                    _ => each(values, |value| value / scale + offset),
                }
                numbers!(spec.dtype, T => T::store(values, elements));
                Ok::<(), Error>(())
            })?;
            out.copy_from(&View::dense(&elements[..plain], shape, item, Order::C)?);
            Ok(())
        })
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        self.inner.max_encoded_len(&self.spec(spec))
    }
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &[NAME],
    kind: Kind::Step,
    words: &[
        Words {
            dialect: Dialect::Zarr3,
            names: &["numcodecs.fixedscaleoffset", "fixedscaleoffset"],
            read,
            write,
        },
        Words { dialect: Dialect::Numcodecs, names: &["fixedscaleoffset"], read, write },
    ],
    at_level: None,
};

/// Scaling into another type.
struct Scaling {
    offset: f64,
    scale: f64,
    stored: DataType,
}

impl Step for Scaling {
    fn config(&self) -> Config {
        Config::new(NAME)
            .with("offset", self.offset)
            .with("scale", self.scale)
            .with("stored", self.stored.name())
    }

    fn around(&self, inner: Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>> {
        Ok(Arc::new(FixedScaleOffset::new(self.offset, self.scale, self.stored, inner)?))
    }

    fn stored(&self, _: DataType) -> DataType {
        self.stored
    }

    fn moves_fill(&self) -> bool {
        true
    }
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    let (members, given) = (&entry.members, entry.elements.dtype);
    members.expect_only(&["offset", "scale", "dtype", "astype"])?;
    let number = |name| members.required(name, Value::as_f64, "a number");
    let (offset, scale) = (number("offset")?, number("scale")?);
    let kind = "a type such as \"<f4\"";
    if members.required("dtype", numpy_type, kind)?.0 != given {
        return Err(members.wrong("dtype", &format!("{given}, the type of the elements")));
    }
    let stored = members.optional("astype", numpy_type, kind)?.map_or(given, |(dtype, _)| dtype);
    Built::step(Scaling { offset, scale, stored })
}

fn write(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    let mut members = members(config, &[("offset", "offset"), ("scale", "scale"), ("astype", "stored")]);
    let stored: DataType = members.get("astype")?.as_str()?.parse().ok()?;
    let name = |dtype| Value::from(numpy_name(dtype, elements.big_endian));
    members.insert("dtype".to_owned(), name(elements.dtype));
    members.insert("astype".to_owned(), name(stored));
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dims::Dims;
    use crate::chunk::codec::Raw;

    #[test]
    fn scales_into_another_type_and_back() {
        let codec = FixedScaleOffset::new(1000.0, 10.0, DataType::U8, Arc::new(Raw::new(Order::C))).unwrap();
        let values = [1000.0f64, 1000.16, 1001.0, 900.0];
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let spec = ChunkSpec { dtype: DataType::F64, shape: Dims::from_slice(&[4]) };
        codec.check(&spec).unwrap();
        let mut encoded = Vec::new();
        codec.encode(&View::dense(&bytes, &[4], 8, Order::C).unwrap(), &spec, &mut encoded).unwrap();
        assert_eq!(encoded, [0, 2, 10, 0]);
        let one = |value: usize| Dims::from_elem(value, 1);
        let region = Region { start: one(1), count: one(2), step: one(1) };
        let mut out = [0; 16];
        let mut view = ViewMut::dense(&mut out, &[2], 8, Order::C).unwrap();
        codec.decode(&encoded, &spec, &region, &mut view).unwrap();
        assert_eq!(
            out.as_chunks().0.iter().map(|b| f64::from_ne_bytes(*b)).collect::<Vec<_>>(),
            [1000.2, 1001.0]
        );
    }
}
