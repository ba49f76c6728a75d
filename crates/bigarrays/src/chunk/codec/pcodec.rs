//! `pcodec`: numbers by their distribution, through pco.

use half::f16;
use pco::data_types::Number;
use pco::standalone::{guarantee, simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};
use serde_json::{Map, Value};

use crate::base::buffer::{Order, Region, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::up_to;
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, level_or, members};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, PcodecDelta, PcodecMode, Work, decode_whole};
use crate::chunk::config::Config;

/// Numbers in C order, compressed by pco.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcodec {
    level: u8,
    mode: PcodecMode,
    delta: PcodecDelta,
    page: usize,
}

impl Pcodec {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: u8 = 8;

    /// Numbers in a page where nothing else is asked for.
    pub const DEFAULT_PAGE: usize = 1 << 18;

    /// pco with effort `level`, 0 to 12, in pages of up to `page` numbers.
    ///
    /// # Errors
    /// `InvalidArgument` for another level or pages without numbers.
    pub fn new(level: u8, mode: PcodecMode, delta: PcodecDelta, page: usize) -> Result<Self> {
        if level > 12 || page == 0 {
            return Err(Error::invalid(format!(
                "pcodec level {level} is not in 0 to 12, or pages of {page}"
            )));
        }
        Ok(Self { level, mode, delta, page })
    }

    fn chunk_config(self) -> ChunkConfig {
        let mode = match self.mode {
            PcodecMode::Auto => ModeSpec::Auto,
            PcodecMode::Classic => ModeSpec::Classic,
        };
        let delta = match self.delta {
            PcodecDelta::Auto => DeltaSpec::Auto,
            PcodecDelta::None => DeltaSpec::NoOp,
            PcodecDelta::Consecutive(order) => DeltaSpec::TryConsecutive(order),
            PcodecDelta::Lookback => DeltaSpec::TryLookback,
        };
        ChunkConfig::default()
            .with_compression_level(self.level.into())
            .with_mode_spec(mode)
            .with_delta_spec(delta)
            .with_paging_spec(PagingSpec::EqualPagesUpTo(self.page))
    }

    fn compress<T: Number>(&self, elements: &[T], out: &mut Vec<u8>) -> Result<()> {
        let bytes = simple_compress(elements, &self.chunk_config())
            .map_err(|error| Error::invalid("cannot compress").caused_by(error))?;
        out.extend_from_slice(&bytes);
        Ok(())
    }
}

macro_rules! numbers {
    ($dtype:expr, $T:ident, $N:ident => $body:expr) => {
        match $dtype {
            DataType::I16 => numbers!(@ i16, $T, $N, $body),
            DataType::I32 => numbers!(@ i32, $T, $N, $body),
            DataType::I64 => numbers!(@ i64, $T, $N, $body),
            DataType::U16 => numbers!(@ u16, $T, $N, $body),
            DataType::U32 => numbers!(@ u32, $T, $N, $body),
            DataType::U64 => numbers!(@ u64, $T, $N, $body),
            DataType::F16 => numbers!(@ f16, $T, $N, $body),
            DataType::F32 => numbers!(@ f32, $T, $N, $body),
            DataType::F64 => numbers!(@ f64, $T, $N, $body),
            other => Err(Error::unsupported(format!("pcodec holds numbers of 2 bytes or more, not {other}"))),
        }
    };
    (@ $type:ty, $T:ident, $N:ident, $body:expr) => {{
        type $T = $type;
        const $N: usize = size_of::<$type>();
        $body
    }};
}

fn decompress<T: Number + Default>(bytes: &[u8], count: usize) -> Result<Vec<T>> {
    let mut elements = Vec::new();
    elements
        .try_reserve_exact(count)
        .map_err(|error| Error::corrupt(format!("pcodec: {count} numbers")).caused_by(error))?;
    elements.resize(count, T::default());
    let progress = simple_decompress_into(bytes, &mut elements)
        .map_err(|error| Error::corrupt("pcodec: damaged or truncated").caused_by(error))?;
    if progress.n_processed == count && progress.finished {
        return Ok(elements);
    }
    Err(Error::corrupt(format!("pcodec: other than {count} numbers")))
}

impl ArrayCodec for Pcodec {
    fn name(&self) -> &'static str {
        "pcodec"
    }

    fn config(&self) -> Config {
        Config::new(self.name())
            .with("level", self.level)
            .with("mode", self.mode.name())
            .with("delta", self.delta.name())
            .with_unless(None, "order", self.delta.order())
            .with("page", self.page)
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        spec.byte_len()?;
        numbers!(spec.dtype, T, N => { let _: (Option<T>, usize) = (None, N); Ok(()) })
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        with_scratch(|scratch| {
            let bytes = try_first_bytes(scratch, spec.byte_len()?)?;
            ViewMut::dense(bytes, &spec.shape, spec.dtype.size(), Order::C)?.copy_from(chunk);
            numbers!(spec.dtype, T, N => {
                let elements: Vec<T> = bytes.as_chunks::<N>().0.iter().map(|e| T::from_ne_bytes(*e)).collect();
                self.compress(&elements, out)
            })
        })
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn working_bytes(&self, work: Work, len: u64) -> u64 {
        // Measured.
        len.saturating_mul(if work == Work::Encoding { 7 } else { 2 })
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        let count = spec.byte_len()? / spec.dtype.size();
        decode_whole(spec, region, Order::C, out, |target| {
            numbers!(spec.dtype, T, N => {
                let elements = decompress::<T>(bytes, count)?;
                let places = target.as_chunks_mut::<N>().0;
                places.iter_mut().zip(elements).for_each(|(place, element)| *place = element.to_ne_bytes());
                Ok(())
            })
        })
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        let Ok(length) = spec.byte_len() else { return usize::MAX };
        // Small pages cost a header each.
        let pages = (length / spec.dtype.size()).div_ceil(self.page);
        let headers = guarantee::header_size().saturating_add(pages.saturating_mul(1024));
        length.saturating_add(length / 8).saturating_add(headers).saturating_add(4096)
    }
}

/// The names and members of this codec in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &["pcodec"],
    kind: Kind::Array,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.pcodec", "pcodec"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["pcodec"], read, write },
    ],
    at_level: Some(at_level),
};

/// The members, and the parameters that they are.
const MEMBERS: [(&str, &str); 5] = [
    ("level", "level"),
    ("mode_spec", "mode"),
    ("delta_spec", "delta"),
    ("delta_encoding_order", "order"),
    ("equal_pages_up_to", "page"),
];

fn read(entry: &Entry<'_>) -> Result<Built> {
    let members = &entry.members;
    let known = MEMBERS.iter().map(|(name, _)| *name).chain(["paging_spec"]);
    members.expect_only(&known.collect::<Vec<_>>())?;
    let level = entry.level(12, Pcodec::DEFAULT_LEVEL)?;
    let mode = |value: &Value| match value.as_str()? {
        "auto" => Some(PcodecMode::Auto),
        "classic" => Some(PcodecMode::Classic),
        _ => None,
    };
    let mode = members.optional("mode_spec", mode, "\"auto\" or \"classic\"")?.unwrap_or(PcodecMode::Auto);
    let order = members.optional("delta_encoding_order", up_to(7), "a number from 0 to 7")?;
    let delta = |value: &Value| match (value.as_str()?, order) {
        ("auto", None) => Some(PcodecDelta::Auto),
        ("auto", Some(order)) => Some(PcodecDelta::Consecutive(order as usize)),
        ("none" | "no_op", None) => Some(PcodecDelta::None),
        ("try_consecutive", order) => Some(PcodecDelta::Consecutive(order.unwrap_or(0) as usize)),
        ("try_lookback", None) => Some(PcodecDelta::Lookback),
        _ => None,
    };
    let usual = order.map_or(PcodecDelta::Auto, |order| PcodecDelta::Consecutive(order as usize));
    let delta = members.optional("delta_spec", delta, "a way to take differences")?.unwrap_or(usual);
    let paging = |value: &Value| (value == "equal_pages_up_to").then_some(());
    members.optional("paging_spec", paging, "\"equal_pages_up_to\"")?;
    let page = members.optional("equal_pages_up_to", up_to(1 << 24), "a number of elements")?;
    Built::array(Pcodec::new(level, mode, delta, page.map_or(Pcodec::DEFAULT_PAGE, |page| page as usize))?)
}

fn at_level(level: Option<u32>, _: Elements) -> Result<Built> {
    let level = level_or(level, Pcodec::DEFAULT_LEVEL)?;
    Built::array(Pcodec::new(level, PcodecMode::Auto, PcodecDelta::Auto, Pcodec::DEFAULT_PAGE)?)
}

/// Without what is usual: older versions of numcodecs do not know all members.
fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    let usual = Pcodec::new(Pcodec::DEFAULT_LEVEL, PcodecMode::Auto, PcodecDelta::Auto, Pcodec::DEFAULT_PAGE);
    let usual = usual.ok()?.config();
    let is_said = |(member, parameter): &(&str, &str)| {
        *member == "level" || config.get(parameter) != usual.get(parameter)
    };
    Some(members(config, &Vec::from_iter(MEMBERS.into_iter().filter(is_said))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    #[test]
    fn hostile_chunks() {
        let spec = hostile::spec(DataType::U16, &[10, 7, 4]);
        let elements = hostile::texture(560);
        let codec =
            Pcodec::new(Pcodec::DEFAULT_LEVEL, PcodecMode::Auto, PcodecDelta::Auto, Pcodec::DEFAULT_PAGE)
                .unwrap();
        codec.check(&spec).unwrap();
        let mut bytes = Vec::new();
        codec.encode(&View::dense(&elements, &spec.shape, 2, Order::C).unwrap(), &spec, &mut bytes).unwrap();
        hostile::array_codec(&codec, &bytes, &spec);
        assert!(codec.check(&hostile::spec(DataType::U8, &[1])).is_err());
    }
}
