//! Codecs in metadata. The file of each codec has one [`Row`]: for each dialect of metadata the names of the codec and the
//! functions that read and write its members. All dialects share the [configuration](Config): to translate a codec from
//! one dialect to another, it is read, and then written from its configuration.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::{Member, integer};
use crate::base::numpy::numpy_name;
use crate::base::numpy::numpy_type;
use crate::chunk::codec::{ArrayCodec, BytesCodec};
use crate::chunk::config::Config;

/// A kind of metadata that name codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The codecs of Zarr 3, and those of numcodecs under names of their own.
    ///
    /// <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#codecs>
    Zarr3,
    /// The configurations of numcodecs, which Zarr 2 has for filters and compressors.
    Numcodecs,
    /// The compressions of N5.
    N5,
}

/// The elements that a codec encodes, as far as metadata depend on them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements {
    pub(crate) dtype: DataType,
    pub(crate) ndim: usize,
    /// How they are stored, for dialects that say it with the type.
    pub(crate) big_endian: bool,
}

/// A codec as metadata have it.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// Its configuration.
    pub(crate) members: Member<'a>,
    /// The elements that it encodes.
    pub(crate) elements: Elements,
}

/// Whether a codec takes and returns elements or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From elements to elements.
    Step,
    /// From elements to bytes.
    Array,
    /// From bytes to bytes.
    Bytes,
}

/// A codec that was made from metadata.
pub(crate) enum Built {
    Step(Arc<dyn Step>),
    Array(Arc<dyn ArrayCodec>),
    Bytes(Arc<dyn BytesCodec>),
}

/// A codec from elements to elements, before it is put around the codec that encodes them.
pub(crate) trait Step: Send + Sync {
    /// Its own parameters.
    fn config(&self) -> Config;

    /// The codec that does this and then `inner`.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` for parameters that make no sense.
    fn around(&self, inner: Arc<dyn ArrayCodec>) -> Result<Arc<dyn ArrayCodec>>;

    /// The type of elements of `dtype` behind it.
    fn stored(&self, dtype: DataType) -> DataType {
        dtype
    }

    /// The order that it brings axes into: axis `k` behind it is the axis `axes[k]` before it.
    fn axes(&self) -> Option<&[usize]> {
        None
    }

    /// Whether the fill value is another one behind it.
    fn moves_fill(&self) -> bool {
        false
    }
}

/// The words of one dialect for a codec.
pub(crate) struct Words {
    pub(crate) dialect: Dialect,
    /// The names under which it is read; it is written under the first.
    pub(crate) names: &'static [&'static str],
    pub(crate) read: fn(&Entry<'_>) -> Result<Built>,
    /// The members of the configuration; `None` if the dialect has no words for it.
    pub(crate) write: fn(&Config, Elements) -> Option<Map<String, Value>>,
}

/// A codec as all dialects say it.
pub(crate) struct Row {
    /// The names of its configurations.
    pub(crate) configs: &'static [&'static str],
    pub(crate) kind: Kind,
    pub(crate) words: &'static [Words],
    /// A compression at a level, or at the usual one, of elements; `None` if this does not compress.
    pub(crate) at_level: Option<AtLevel>,
}

/// Makes the compression of a level, or of the usual one.
pub(crate) type AtLevel = fn(Option<u32>, Elements) -> Result<Built>;

/// A codec as it is written.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) name: &'static str,
    pub(crate) members: Map<String, Value>,
}

impl Entry<'_> {
    /// The level of compression from zero to `most`, which others stand for the nearest of: reading needs none. -1 and
    /// nothing stand for `usual`.
    pub(crate) fn level(&self, most: u8, usual: u8) -> Result<u8> {
        self.level_of("level", most, usual)
    }

    /// As [`Entry::level`], of the member `name`.
    pub(crate) fn level_of(&self, name: &str, most: u8, usual: u8) -> Result<u8> {
        let read = |value: &Value| match integer(value)? {
            -1 => Some(usual),
            level => Some(level.clamp(0, most.into()) as u8),
        };
        Ok(self.members.optional(name, read, &format!("a level from -1 to {most}"))?.unwrap_or(usual))
    }

    /// # Errors
    /// `InvalidMetadata` if the member `name` is another type than that of the elements, as NumPy calls it.
    pub(crate) fn expect_type(&self, name: &str) -> Result<()> {
        let given = self.elements.dtype;
        match self.members.optional(name, numpy_type, "a type such as \"<f4\"")? {
            Some((dtype, _)) if dtype != given => {
                Err(self.members.wrong(name, &format!("{given}, the type of the elements")))
            }
            _ => Ok(()),
        }
    }
}

impl Built {
    pub(crate) fn array(codec: impl ArrayCodec + 'static) -> Result<Self> {
        Ok(Self::Array(Arc::new(codec)))
    }

    pub(crate) fn bytes(codec: impl BytesCodec + 'static) -> Result<Self> {
        Ok(Self::Bytes(Arc::new(codec)))
    }

    pub(crate) fn step(step: impl Step + 'static) -> Result<Self> {
        Ok(Self::Step(Arc::new(step)))
    }

    /// The configuration, of a step without the codecs behind it.
    pub(crate) fn config(&self) -> Config {
        match self {
            Self::Step(step) => step.config(),
            Self::Array(codec) => codec.config(),
            Self::Bytes(codec) => codec.config(),
        }
    }
}

/// The parameters of `config` as members: `names` has each member and the parameter that it is. What has no value is
/// left out.
pub(crate) fn members(config: &Config, names: &[(&str, &str)]) -> Map<String, Value> {
    let member = |(name, parameter): &(&str, &str)| {
        let value = config.get(parameter)?.to_json();
        (!value.is_null()).then(|| ((*name).to_owned(), value))
    };
    names.iter().filter_map(member).collect()
}

/// Whether `config` has a parameter of this value.
pub(crate) fn has(config: &Config, parameter: &str, value: impl Into<Value>) -> bool {
    let value = value.into();
    config.get(parameter).is_some_and(|found| found.to_json() == value)
}

/// The level of `config`, if it is one of those up to `most`.
pub(crate) fn leveled(config: &Config, most: u64) -> Option<Map<String, Value>> {
    let level = config.get("level")?.to_json();
    (level.as_u64()? <= most).then(|| Map::from_iter([("level".to_owned(), level)]))
}

/// `level`, or `usual` if none is asked for.
///
/// # Errors
/// `InvalidArgument` for one that is none of any compression.
pub(crate) fn level_or(level: Option<u32>, usual: u8) -> Result<u8> {
    let level = level.unwrap_or(usual.into());
    u8::try_from(level).map_err(|_| Error::invalid(format!("there is no level {level}")))
}

/// What NumPy calls the type of `elements`, and the one that they are stored as behind the step of this configuration.
pub(crate) fn type_names(config: &Config, elements: Elements) -> Option<[Value; 2]> {
    let stored: DataType = config.get("stored")?.to_json().as_str()?.parse().ok()?;
    Some([elements.dtype, stored].map(|dtype| numpy_name(dtype, elements.big_endian).into()))
}

/// The error for a dialect that has no words for `config`.
pub(crate) fn unsayable(config: &Config, whose: &str) -> Error {
    Error::invalid(format!("{whose} has no codec {config}"))
}
