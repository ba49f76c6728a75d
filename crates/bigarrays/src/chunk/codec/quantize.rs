//! `quantize`: floating-point numbers to so many decimal digits behind the point, encoded by another codec.

use std::sync::Arc;

use half::f16;
use serde_json::{Map, Value};

use crate::base::buffer::{Region, View, ViewMut};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::integer;
use crate::base::numpy::numpy_type;
use crate::chunk::codec::dialect::{
    Built, Dialect, Elements, Entry, Kind, Row, Step, Words, members, type_names,
};
use crate::chunk::codec::number::{Number, convert, decode_converted, encode_converted, numbers};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec};
use crate::chunk::config::Config;

/// Floating-point numbers rounded to a power of two that keeps so many decimal digits behind the point, stored as the same
/// or another such type. Lossy; computes as NumPy does, in the type of the elements.
#[derive(Clone, Debug)]
pub struct Quantize {
    digits: i32,
    stored: DataType,
    inner: Arc<dyn ArrayCodec>,
}

const NAME: &str = "quantize";

/// The most digits before and behind the point.
const DIGITS: i32 = 300;

impl Quantize {
    /// Keeps `digits` digits, and stores numbers as `stored`, by `inner`.
    ///
    /// # Errors
    /// `Unsupported` if that is no floating-point type; `InvalidArgument` for digits beyond -300 to 300.
    pub fn new(digits: i32, stored: DataType, inner: Arc<dyn ArrayCodec>) -> Result<Self> {
        expect_float(stored)?;
        match digits.abs() <= DIGITS {
            true => Ok(Self { digits, stored, inner }),
            false => Err(Error::invalid(format!("{NAME}: {digits} digits are not in -{DIGITS} to {DIGITS}"))),
        }
    }

    fn spec(&self, spec: &ChunkSpec) -> ChunkSpec {
        ChunkSpec { dtype: self.stored, shape: spec.shape.clone() }
    }

    /// What numbers are multiples of the inverse of.
    fn scale(&self) -> f64 {
        2f64.powi((f64::from(self.digits) * std::f64::consts::LOG2_10).ceil() as i32)
    }
}

/// # Errors
/// `Unsupported` unless `dtype` is a floating-point type.
fn expect_float(dtype: DataType) -> Result<()> {
    match dtype.is_float() {
        true => Ok(()),
        false => Err(Error::unsupported(format!("{NAME} rounds floating-point numbers, not {dtype}"))),
    }
}

impl ArrayCodec for Quantize {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        let (digits, stored) = (self.digits, self.stored);
        Rounding { digits, stored }.config().with("inner", self.inner.config())
    }

    fn is_lossless(&self) -> bool {
        false
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        expect_float(spec.dtype)?;
        let scale = self.scale();
        let has_scale = match spec.dtype {
            DataType::F16 => f16::from_f64(scale).is_normal(),
            DataType::F32 => (scale as f32).is_normal(),
            _ => true,
        };
        if !has_scale {
            let message = format!("{NAME}: {} does not have {} digits", spec.dtype, self.digits);
            return Err(Error::invalid(message));
        }
        self.inner.check(&self.spec(spec))
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let scale = self.scale();
        let half = |value: f16| {
            let scale = f16::from_f64(scale);
            f16::from_f32((value * scale).to_f32().round_ties_even()) / scale
        };
        let single = |value: f32| (value * scale as f32).round_ties_even() / scale as f32;
        let double = |value: f64| (value * scale).round_ties_even() / scale;
        encode_converted(chunk, spec, (&*self.inner, self.stored), out, |from, to| match spec.dtype {
            DataType::F16 => each(from, (to, self.stored), half),
            DataType::F32 => each(from, (to, self.stored), single),
            _ => each(from, (to, self.stored), double),
        })
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, asked: Asked) -> bool {
        self.inner.writes_all(asked)
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        if self.stored == spec.dtype {
            return self.inner.decode(bytes, spec, region, out);
        }
        decode_converted(bytes, (spec, region), (&*self.inner, self.stored), out, |from, to| {
            convert(from, self.stored, to, spec.dtype)
        })
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        self.inner.max_encoded_len(&self.spec(spec))
    }
}

/// Puts in `to` what `round` makes of each of the numbers `from`.
fn each<G: Number>(from: &[u8], (to, stored): (&mut [u8], DataType), round: impl Fn(G) -> G) -> Result<()> {
    numbers!(stored, W => { W::store(to, G::load(from).map(|number| W::of(round(number)))); Ok(()) })
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &[NAME],
    kind: Kind::Step,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.quantize", "quantize"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["quantize"], read, write },
    ],
    at_level: None,
};

/// Rounding to so many digits, as elements of a type.
struct Rounding {
    digits: i32,
    stored: DataType,
}

impl Step for Rounding {
    fn config(&self) -> Config {
        Config::new(NAME).with("digits", self.digits).with("stored", self.stored.name())
    }

    fn around(&self, inner: Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>> {
        Ok(Arc::new(Quantize::new(self.digits, self.stored, inner)?))
    }

    fn stored(&self, _: DataType) -> DataType {
        self.stored
    }

    /// A rounded fill value is another one.
    fn moves_fill(&self) -> bool {
        true
    }
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    let members = &entry.members;
    members.expect_only(&["digits", "dtype", "astype"])?;
    entry.expect_type("dtype")?;
    let number = |value: &Value| i32::try_from(integer(value)?).ok();
    let digits = members.required("digits", number, "a number of digits")?;
    let stored = members.optional("astype", numpy_type, "a type such as \"<f4\"")?;
    Built::step(Rounding { digits, stored: stored.map_or(entry.elements.dtype, |(dtype, _)| dtype) })
}

fn write(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    let mut members = members(config, &[("digits", "digits")]);
    let [plain, stored] = type_names(config, elements)?;
    members.insert("dtype".to_owned(), plain);
    members.insert("astype".to_owned(), stored);
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Order;
    use crate::chunk::codec::{Raw, hostile};

    #[test]
    fn numbers_are_rounded_as_numcodecs_does() {
        let of = |digits| Quantize::new(digits, DataType::F64, Arc::new(Raw::new(Order::C))).unwrap();
        assert_eq!(
            [-5, -1, 0, 1, 3, 19].map(|digits| of(digits).scale().log2()),
            [-16.0, -3.0, 0.0, 4.0, 10.0, 64.0]
        );
        let plain: Vec<u8> = [1.0 / 9.0, 4.0 / 9.0f64].iter().flat_map(|value| value.to_ne_bytes()).collect();
        let (spec, mut out) = (hostile::spec(DataType::F64, &[2]), Vec::new());
        of(1).encode(&View::dense(&plain, &[2], 8, Order::C).unwrap(), &spec, &mut out).unwrap();
        let rounded: Vec<f64> = f64::load(&out).collect();
        assert_eq!(rounded, [0.125, 0.4375]);
        assert!(of(3).check(&spec).is_ok());
        assert!(of(6).check(&hostile::spec(DataType::F16, &[2])).is_err());
        assert!(of(1).check(&hostile::spec(DataType::I32, &[2])).is_err());
    }
}
