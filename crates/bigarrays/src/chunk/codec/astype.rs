//! `astype`: elements as another type, encoded by another codec.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::buffer::{Region, View, ViewMut};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::numpy::numpy_type;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Step, Words, type_names};
use crate::chunk::codec::number::{
    Number, convert, decode_converted, encode_converted, expect_number, numbers,
};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec};
use crate::chunk::config::Config;

/// Elements stored as another type. Lossy where that has fewer bits of mantissa or no fraction; elements beyond its range
/// are refused.
#[derive(Clone, Debug)]
pub struct AsType {
    stored: DataType,
    inner: Arc<dyn ArrayCodec>,
}

const NAME: &str = "astype";

impl AsType {
    /// Stores elements as `stored`, by `inner`.
    ///
    /// # Errors
    /// `Unsupported` if that is no type of numbers.
    pub fn new(stored: DataType, inner: Arc<dyn ArrayCodec>) -> Result<Self> {
        expect_number(stored, NAME)?;
        Ok(Self { stored, inner })
    }

    fn spec(&self, spec: &ChunkSpec) -> ChunkSpec {
        ChunkSpec { dtype: self.stored, shape: spec.shape.clone() }
    }
}

/// Whether `encoded` is `number`, but for its fraction and for digits that its type does not have.
fn is_near<G: Number, W: Number>(number: G, encoded: W) -> bool {
    match (G::IS_FLOAT, W::IS_FLOAT) {
        (_, true) => encoded.double().is_finite() || !number.double().is_finite(),
        (true, false) => encoded.double() == number.double().trunc(),
        // Neither wraps around where the other does not.
        (false, false) => G::of(encoded) == number && (encoded.double() < 0.0) == (number.double() < 0.0),
    }
}

/// # Errors
/// `InvalidArgument` naming an element that is no value of the type `stored`.
fn expect_near(from: &[u8], given: DataType, to: &[u8], stored: DataType) -> Result<()> {
    let far = numbers!(given, G => numbers!(stored, W => {
        let mut pairs = G::load(from).zip(W::load(to));
        Ok(pairs.find(|&(number, encoded)| !is_near(number, encoded)).map(|(number, _)| number.double()))
    }))?;
    match far {
        None => Ok(()),
        Some(number) => Err(Error::invalid(format!("{NAME}: {number} is no value of {stored}"))),
    }
}

impl ArrayCodec for AsType {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        Stored(self.stored).config().with("inner", self.inner.config())
    }

    fn is_lossless(&self) -> bool {
        false
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        expect_number(spec.dtype, NAME)?;
        self.inner.check(&self.spec(spec))
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        encode_converted(chunk, spec, (&*self.inner, self.stored), out, |from, to| {
            convert(from, spec.dtype, to, self.stored)?;
            expect_near(from, spec.dtype, to, self.stored)
        })
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, asked: Asked) -> bool {
        self.inner.writes_all(asked)
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        decode_converted(bytes, (spec, region), (&*self.inner, self.stored), out, |from, to| {
            convert(from, self.stored, to, spec.dtype)
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
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.astype", "astype"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["astype"], read, write },
    ],
    at_level: None,
};

/// Another type.
struct Stored(DataType);

impl Step for Stored {
    fn config(&self) -> Config {
        Config::new(NAME).with("stored", self.0.name())
    }

    fn around(&self, inner: Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>> {
        Ok(Arc::new(AsType::new(self.0, inner)?))
    }

    fn stored(&self, _: DataType) -> DataType {
        self.0
    }

    fn moves_fill(&self) -> bool {
        true
    }
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["encode_dtype", "decode_dtype"])?;
    entry.expect_type("decode_dtype")?;
    Built::step(Stored(entry.members.required("encode_dtype", numpy_type, "a type such as \"<f4\"")?.0))
}

fn write(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    let [plain, stored] = type_names(config, elements)?;
    Some(Map::from_iter([("encode_dtype".to_owned(), stored), ("decode_dtype".to_owned(), plain)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Order;
    use crate::chunk::codec::{Raw, hostile};

    fn encode(stored: DataType, dtype: DataType, plain: &[u8]) -> Result<Vec<u8>> {
        let codec = AsType::new(stored, Arc::new(Raw::new(Order::C)))?;
        let (spec, mut out) = (hostile::spec(dtype, &[plain.len() / dtype.size()]), Vec::new());
        codec.check(&spec)?;
        codec.encode(&View::dense(plain, &spec.shape, dtype.size(), Order::C)?, &spec, &mut out)?;
        Ok(out)
    }

    #[test]
    fn elements_that_fit_are_stored_as_another_type() {
        use DataType::{F32, F64, I8, I64, U8, U64};
        let real = |value: f64| value.to_ne_bytes();
        assert_eq!(encode(U8, F64, &[real(3.7), real(255.0)].concat()).unwrap(), [3, 255]);
        for (stored, dtype, plain) in [
            (U8, F64, real(256.0).to_vec()),
            (U8, F64, real(-1.0).to_vec()),
            (I8, F64, real(f64::NAN).to_vec()),
            (F32, F64, real(1e300).to_vec()),
            (I8, U8, vec![128]),
            (U64, I64, (-1i64).to_ne_bytes().to_vec()),
            (I64, U64, u64::MAX.to_ne_bytes().to_vec()),
        ] {
            assert!(encode(stored, dtype, &plain).is_err(), "{dtype} {plain:?} as {stored}");
        }
        assert!(encode(F32, F64, &real(f64::INFINITY)).is_ok());
        assert!(encode(U8, DataType::Bool, &[1]).is_err());
    }
}
