//! `delta`: the first element, and what each further one is more than that before it, encoded by another codec.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::numpy::numpy_type;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Step, Words, type_names};
use crate::chunk::codec::number::{Number, encode_converted, expect_number, numbers};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, decode_whole};
use crate::chunk::config::Config;

/// Differences of elements in C order, stored as another type. Computes as NumPy does: whole numbers wrap around.
#[derive(Clone, Debug)]
pub struct Delta {
    stored: DataType,
    inner: Arc<dyn ArrayCodec>,
}

const NAME: &str = "delta";

impl Delta {
    /// Stores differences as `stored`, by `inner`.
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

/// The differences of `from`, as numbers `to`.
///
/// # Errors
/// `InvalidArgument` for a difference that is lost in that type.
fn differences<G: Number, W: Number>(from: &[u8], to: &mut [u8], stored: DataType) -> Result<()> {
    let (mut before, mut lost) = (G::ZERO, false);
    W::store(
        to,
        G::load(from).map(|number| {
            let difference = number.minus(before);
            let encoded = W::of(difference);
            lost |= !W::IS_FLOAT && G::of(encoded) != difference;
            before = number;
            encoded
        }),
    );
    match lost {
        false => Ok(()),
        true => Err(Error::invalid(format!("{NAME}: a difference of elements is no value of {stored}"))),
    }
}

/// The sums up to each of the differences `from`.
fn sums<G: Number, W: Number>(from: &[u8], to: &mut [u8]) {
    let mut sum = W::ZERO;
    let differences = G::load(from).enumerate().map(|(at, difference)| {
        sum = if at == 0 { W::of(difference) } else { sum.plus(W::of(difference)) };
        sum
    });
    W::store(to, differences);
}

impl ArrayCodec for Delta {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        Differences(self.stored).config().with("inner", self.inner.config())
    }

    fn is_lossless(&self) -> bool {
        // Sums of differences of numbers with fractions are not those numbers.
        !self.stored.is_float() && self.inner.is_lossless()
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        expect_number(spec.dtype, NAME)?;
        self.inner.check(&self.spec(spec))
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        encode_converted(
            chunk,
            spec,
            (&*self.inner, self.stored),
            out,
            |from, to| numbers!(spec.dtype, G => numbers!(self.stored, W => differences::<G, W>(from, to, self.stored))),
        )
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, asked: Asked) -> bool {
        self.inner.writes_all(asked)
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        let stored = self.spec(spec);
        decode_whole(spec, region, Order::C, out, |to| {
            with_scratch(|from| {
                let from = try_first_bytes(from, stored.byte_len()?)?;
                let mut view = ViewMut::dense(from, &stored.shape, stored.dtype.size(), Order::C)?;
                self.inner.decode(bytes, &stored, &Region::whole(&stored.shape), &mut view)?;
                numbers!(self.stored, G => numbers!(spec.dtype, W => { sums::<G, W>(from, to); Ok(()) }))
            })
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
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.delta", "delta"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["delta"], read, write },
    ],
    at_level: None,
};

/// Differences as elements of a type.
struct Differences(DataType);

impl Step for Differences {
    fn config(&self) -> Config {
        Config::new(NAME).with("stored", self.0.name())
    }

    fn around(&self, inner: Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>> {
        Ok(Arc::new(Delta::new(self.0, inner)?))
    }

    fn stored(&self, _: DataType) -> DataType {
        self.0
    }

    fn moves_fill(&self) -> bool {
        true
    }
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["dtype", "astype"])?;
    entry.expect_type("dtype")?;
    let stored = entry.members.optional("astype", numpy_type, "a type such as \"<i2\"")?;
    Built::step(Differences(stored.map_or(entry.elements.dtype, |(dtype, _)| dtype)))
}

fn write(config: &Config, elements: Elements) -> Option<Map<String, Value>> {
    let [plain, stored] = type_names(config, elements)?;
    Some(Map::from_iter([("dtype".to_owned(), plain), ("astype".to_owned(), stored)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::{Raw, hostile};

    fn encode<T: Copy>(
        codec: &Delta,
        dtype: DataType,
        elements: &[T],
        bytes: impl Fn(T) -> Vec<u8>,
    ) -> Result<Vec<u8>> {
        let plain: Vec<u8> = elements.iter().flat_map(|&element| bytes(element)).collect();
        let (spec, mut out) = (hostile::spec(dtype, &[elements.len()]), Vec::new());
        codec.check(&spec)?;
        codec.encode(&View::dense(&plain, &spec.shape, dtype.size(), Order::C)?, &spec, &mut out)?;
        let mut back = vec![0; plain.len()];
        let mut view = ViewMut::dense(&mut back, &spec.shape, dtype.size(), Order::C)?;
        codec.decode(&out, &spec, &Region::whole(&spec.shape), &mut view)?;
        assert_eq!(back, plain);
        Ok(out)
    }

    #[test]
    fn differences_are_stored_where_they_fit() {
        let codec = |stored| Delta::new(stored, Arc::new(Raw::new(Order::C))).unwrap();
        let short = |value: i16| value.to_ne_bytes().to_vec();
        let stored = encode(&codec(DataType::I8), DataType::I16, &[100, 102, 99], short).unwrap();
        assert_eq!(stored, [100, 2, 0xfd]);
        // What is below zero wraps around and comes back.
        let byte = |value: u8| vec![value];
        assert_eq!(encode(&codec(DataType::U8), DataType::U8, &[5, 3, 255], byte).unwrap(), [5, 254, 252]);
        assert_eq!(encode(&codec(DataType::I8), DataType::U8, &[5, 3, 1], byte).unwrap(), [5, 0xfe, 0xfe]);
        assert!(encode(&codec(DataType::I8), DataType::I16, &[100, 300, 99], short).is_err());
        let real = |value: f64| value.to_ne_bytes().to_vec();
        encode(&codec(DataType::F32), DataType::F64, &[0.5, -1.5, 8.25], real).unwrap();
        assert!(encode(&codec(DataType::I8), DataType::F64, &[0.5], real).is_err());
        assert!(codec(DataType::U8).check(&hostile::spec(DataType::Bool, &[2])).is_err());
    }
}
