//! Lists of codecs, as they are made from metadata and written to them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Step, Written, has, unsayable};
use crate::chunk::codec::listed::Listed;
use crate::chunk::codec::{ArrayCodec, BytesCodec, table};
use crate::chunk::config::Config;

/// The codecs of a list: steps from elements to elements, one codec from elements to bytes, and codecs of
/// bytes, in the order of encoding.
pub(crate) struct CodecList {
    pub(crate) steps: Vec<Arc<dyn Step>>,
    pub(crate) array: Arc<dyn ArrayCodec>,
    pub(crate) bytes: Vec<Arc<dyn BytesCodec>>,
    /// The elements that the first of them encodes.
    elements: Elements,
}

/// The name in Zarr 3 of a codec whose output zarr-python has turned into bytes by another codec.
const PACKED: &str = "numcodecs.packbits";

impl CodecList {
    /// The codecs of `list`, for elements of `dtype` along `ndim` axes.
    ///
    /// # Errors
    /// `Unsupported` naming a codec that is not known; `InvalidMetadata` naming the member that is wrong, or the codec
    /// that stands where it cannot.
    pub(crate) fn read(list: &[Listed], dtype: DataType, ndim: usize) -> Result<Self> {
        let elements = Elements { dtype, ndim, big_endian: false };
        let (mut steps, mut array, mut bytes, mut now) = (Vec::new(), None, Vec::new(), elements);
        for (k, listed) in list.iter().enumerate() {
            let misplaced = |why| Err(Error::metadata(format!("{}: {:?} {why}", listed.path, listed.name)));
            if k > 0 && list[k - 1].name == PACKED && listed.name == "bytes" {
                continue;
            }
            match listed.read(now)? {
                None => {}
                Some(Built::Step(_)) if array.is_some() => return misplaced("comes when elements are bytes"),
                Some(Built::Step(step)) => {
                    now.dtype = step.stored(now.dtype);
                    steps.push(step);
                }
                Some(Built::Array(_)) if array.is_some() => {
                    return misplaced("is a second codec from elements to bytes");
                }
                Some(Built::Array(codec)) => array = Some(codec),
                Some(Built::Bytes(_)) if array.is_none() => {
                    return misplaced("comes before elements are bytes");
                }
                Some(Built::Bytes(codec)) => bytes.push(codec),
            }
        }
        let missing = || Error::metadata("codecs: expected one that turns elements into bytes, found none");
        Ok(Self { steps, array: array.ok_or_else(missing)?, bytes, elements })
    }

    /// Whether elements are stored as they are and big-endian.
    pub(crate) fn is_big_endian(&self) -> bool {
        has(&self.array.config(), "endian", "big")
    }

    /// The configurations, each with the elements that its codec gets.
    fn configs(&self, dialect: Dialect) -> impl Iterator<Item = (Config, Elements)> {
        // Others have a byte order that is no codec's.
        let big_endian = dialect == Dialect::Numcodecs && self.is_big_endian();
        let mut now = Elements { big_endian, ..self.elements };
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| {
                let before = now;
                now.dtype = step.stored(now.dtype);
                (step.config(), before)
            })
            .collect();
        let rest = std::iter::once(self.array.config()).chain(self.bytes.iter().map(|codec| codec.config()));
        steps.into_iter().chain(rest.map(move |config| (config, now)))
    }

    /// The codecs as `dialect` says them, but for those of which `is_said` says that its metadata have them elsewhere.
    ///
    /// # Errors
    /// `InvalidArgument` naming the codec that `whose` metadata have no words for.
    pub(crate) fn write(
        &self,
        dialect: Dialect,
        whose: &str,
        is_said: impl Fn(&Config) -> bool,
    ) -> Result<Vec<Written>> {
        let one = |(config, elements)| {
            table::write(dialect, &config, elements).ok_or_else(|| unsayable(&config, whose))
        };
        self.configs(dialect).filter(|(config, _)| !is_said(config)).map(one).collect()
    }

    /// The list as metadata of Zarr 3 have it.
    ///
    /// # Errors
    /// As [`CodecList::write`].
    pub(crate) fn to_zarr3(&self) -> Result<Value> {
        let mut list = Vec::new();
        for written in self.write(Dialect::Zarr3, "Zarr 3", |_| false)? {
            list.push(written.to_zarr3());
            if written.name == PACKED {
                list.push(json!({"name": "bytes"}));
            }
        }
        Ok(Value::Array(list))
    }
}
