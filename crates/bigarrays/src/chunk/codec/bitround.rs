//! `bitround`: floating-point numbers with fewer bits, encoded by another codec.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::up_to;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Step, Words, members};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, EncodedRanges};
use crate::chunk::config::Config;

/// Rounds the mantissa of floating-point numbers, to even, before another codec encodes them. Lossy;
/// nothing is undone when they are read.
#[derive(Clone, Debug)]
pub struct Bitround {
    keep: u32,
    inner: Arc<dyn ArrayCodec>,
}

impl Bitround {
    /// Keeps `keep` bits of the mantissa.
    pub fn new(keep: u32, inner: Arc<dyn ArrayCodec>) -> Self {
        Self { keep, inner }
    }
}

const NAME: &str = "bitround";

/// Bits of the mantissa of `dtype`.
fn mantissa(dtype: DataType) -> Option<u32> {
    match dtype {
        DataType::F16 => Some(10),
        DataType::F32 => Some(23),
        DataType::F64 => Some(52),
        _ => None,
    }
}

macro_rules! round {
    ($bytes:expr, $int:ty, $drop:expr) => {{
        let drop: u32 = $drop;
        for element in $bytes.as_chunks_mut::<{ size_of::<$int>() }>().0 {
            let bits = <$int>::from_ne_bytes(*element);
            let half = ((bits >> drop) & 1).wrapping_add((1 << (drop - 1)) - 1);
            *element = ((bits.wrapping_add(half) >> drop) << drop).to_ne_bytes();
        }
    }};
}

impl ArrayCodec for Bitround {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        Rounding(self.keep).config().with("inner", self.inner.config())
    }

    fn is_lossless(&self) -> bool {
        false
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        match mantissa(spec.dtype) {
            Some(bits) if self.keep <= bits => self.inner.check(spec),
            Some(bits) => Err(Error::invalid(format!(
                "bitround: {} has {bits} bits of mantissa, {} cannot be kept",
                spec.dtype, self.keep
            ))),
            None => {
                Err(Error::unsupported(format!("bitround rounds floating-point numbers, not {}", spec.dtype)))
            }
        }
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let drop = mantissa(spec.dtype).map_or(0, |bits| bits.saturating_sub(self.keep));
        if drop == 0 {
            return self.inner.encode(chunk, spec, out);
        }
        with_scratch(|scratch| {
            let item = spec.dtype.size();
            let bytes = try_first_bytes(scratch, spec.byte_len()?)?;
            ViewMut::dense(bytes, &spec.shape, item, Order::C)?.copy_from(chunk);
            match item {
                2 => round!(bytes, u16, drop),
                4 => round!(bytes, u32, drop),
                _ => round!(bytes, u64, drop),
            }
            self.inner.encode(&View::dense(bytes, &spec.shape, item, Order::C)?, spec, out)
        })
    }

    fn reads_once(&self) -> bool {
        self.inner.reads_once()
    }

    fn writes_all(&self, asked: Asked) -> bool {
        self.inner.writes_all(asked)
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        self.inner.decode(bytes, spec, region, out)
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        self.inner.max_encoded_len(spec)
    }

    fn ranges(&self, spec: &ChunkSpec, region: &Region) -> Option<EncodedRanges> {
        self.inner.ranges(spec, region)
    }

    fn decode_ranges(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        region: &Region,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        self.inner.decode_ranges(bytes, spec, region, out)
    }
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["bitround"],
    kind: Kind::Step,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.bitround", "bitround"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["bitround"], read, write },
    ],
    at_level: None,
};

/// Rounding to so many bits.
struct Rounding(u32);

impl Step for Rounding {
    fn config(&self) -> Config {
        Config::new(NAME).with("keep", self.0)
    }

    fn around(&self, inner: Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>> {
        Ok(Arc::new(Bitround::new(self.0, inner)))
    }
}

fn read(entry: &Entry<'_>) -> Result<Built> {
    entry.members.expect_only(&["keepbits"])?;
    Built::step(Rounding(entry.members.required("keepbits", up_to(64), "a number of bits")?))
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    Some(members(config, &[("keepbits", "keep")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dims::Dims;
    use crate::chunk::codec::Raw;

    #[test]
    fn rounds_to_even() {
        let values = [1.0f32, 1.0 + 1.0 / 16.0, 1.0 + 3.0 / 16.0, -1.07, f32::INFINITY];
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let spec = ChunkSpec { dtype: DataType::F32, shape: Dims::from_slice(&[5]) };
        let codec = |keep| Bitround::new(keep, Arc::new(Raw::new(Order::C)));
        let mut out = Vec::new();
        codec(3).encode(&View::dense(&bytes, &[5], 4, Order::C).unwrap(), &spec, &mut out).unwrap();
        let rounded: Vec<f32> = out.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        assert_eq!(rounded, [1.0, 1.0, 1.25, -1.125, f32::INFINITY]);
        assert!(codec(23).check(&spec).is_ok() && codec(24).check(&spec).is_err());
        assert!(codec(3).check(&ChunkSpec { dtype: DataType::U8, ..spec }).is_err());
    }
}
