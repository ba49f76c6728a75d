//! `fixedscaleoffset`: numbers moved, scaled and rounded into another type, encoded by another codec.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::buffer::{Region, View, ViewMut};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::numpy::numpy_type;
use crate::chunk::codec::dialect::{
    Built, Dialect, Elements, Entry, Kind, Row, Step, Words, members, type_names,
};
use crate::chunk::codec::number::{Number, decode_converted, encode_converted, expect_number, numbers};
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
        expect_scalable(stored)?;
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

/// # Errors
/// `Unsupported` if values of `dtype` are not computed with.
fn expect_scalable(dtype: DataType) -> Result<()> {
    if dtype == DataType::F16 {
        return Err(Error::unsupported(format!("{NAME} does not compute with {dtype}")));
    }
    expect_number(dtype, NAME)
}

/// Puts in `to` what `compute` makes of each of the elements `from`.
fn each(
    (from, given): (&[u8], DataType),
    (to, wanted): (&mut [u8], DataType),
    compute: impl Fn(f64) -> f64,
) -> Result<()> {
    numbers!(given, G => numbers!(wanted, W => {
        W::store(to, G::load(from).map(|number| W::of(compute(number.double()))));
        Ok(())
    }))
}

impl ArrayCodec for FixedScaleOffset {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        let Self { offset, scale, stored, ref inner } = *self;
        Scaling { offset, scale, stored }.config().with("inner", inner.config())
    }

    fn is_lossless(&self) -> bool {
        false
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        expect_scalable(spec.dtype)?;
        self.inner.check(&self.spec(spec))
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let (offset, scale) = (self.offset, self.scale);
        encode_converted(chunk, spec, (&*self.inner, self.stored), out, |from, to| {
            let single =
                |value: f64| f64::from(((value as f32 - offset as f32) * scale as f32).round_ties_even());
            match spec.dtype {
                DataType::F32 => each((from, spec.dtype), (to, self.stored), single),
                _ => each((from, spec.dtype), (to, self.stored), |value| {
                    ((value - offset) * scale).round_ties_even()
                }),
            }
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
        decode_converted(bytes, (spec, region), (&*self.inner, self.stored), out, |from, to| {
            let single = |value: f64| f64::from(value as f32 / scale as f32 + offset as f32);
            match self.stored {
                DataType::F32 => each((from, self.stored), (to, spec.dtype), single),
                _ => each((from, self.stored), (to, spec.dtype), |value| value / scale + offset),
            }
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
    let members = &entry.members;
    members.expect_only(&["offset", "scale", "dtype", "astype"])?;
    let number = |name| members.required(name, Value::as_f64, "a number");
    let (offset, scale) = (number("offset")?, number("scale")?);
    entry.expect_type("dtype")?;
    let stored = members.optional("astype", numpy_type, "a type such as \"<f4\"")?;
    let stored = stored.map_or(entry.elements.dtype, |(dtype, _)| dtype);
    Built::step(Scaling { offset, scale, stored })
}

fn write(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    let mut members = members(config, &[("offset", "offset"), ("scale", "scale"), ("astype", "stored")]);
    let [plain, stored] = type_names(config, elements)?;
    members.insert("dtype".to_owned(), plain);
    members.insert("astype".to_owned(), stored);
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Order;
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
