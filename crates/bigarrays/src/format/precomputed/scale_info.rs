//! One entry of the `scales` of an `info`.
//!
//! <https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md>

use serde_json::{Map, Value, json};

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::member::{Member, brief, integer, positive, up_to};
use crate::chunk::layout::Resolution;
use crate::format::Scale;
use crate::format::incomplete::{self, Incomplete};
use crate::store::shard::neuroglancer::ShardSpec;

/// One entry of `scales` that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostScale {
    /// Its key, if it has one.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// One entry of `scales`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScaleInfo {
    /// Relative path of the scale's chunks; may contain `..`.
    pub key: String,
    /// Size along x, y, z.
    pub size: [u64; 3],
    /// First coordinate along x, y, z.
    pub voxel_offset: [i64; 3],
    /// Size of a voxel along x, y, z in nanometres.
    pub resolution: [f64; 3],
    /// Chunk shapes; each is another full copy of the data.
    pub chunk_sizes: Vec<[u64; 3]>,
    /// Name of the encoding.
    pub encoding: String,
    /// Block shape of `compressed_segmentation`.
    pub block_size: Option<[u64; 3]>,
    /// Quality of `jpeg`.
    pub jpeg_quality: Option<u32>,
    /// Level of `png`.
    pub png_level: Option<u32>,
    /// How the chunks are sharded, if they are.
    pub sharding: Option<ShardSpec>,
    /// What is known of its making, if it is marked as incomplete.
    pub incomplete: Option<Incomplete>,
}

impl ScaleInfo {
    /// The entry at `position`. What is not as the specification has it, and is read nevertheless, goes into `tolerated`.
    ///
    /// # Errors
    /// `InvalidMetadata` naming the member, what was found and what is expected.
    pub(super) fn parse(
        value: &Value,
        position: usize,
        channels: u64,
        tolerated: &mut Vec<String>,
    ) -> Result<Self> {
        let path = format!("scales[{position}]");
        let Value::Object(object) = value else {
            return Err(Error::metadata(format!("{path}: expected an object, found {}", brief(value))));
        };
        let scale = Member { object, path: format!("{path}.") };
        let encoding = lower_case(&scale, "encoding", "the name of an encoding", tolerated)?;
        let sharding = scale.optional("sharding", Value::as_object, "an object or null")?;
        let sharding = sharding.map(ShardSpec::parse).transpose();
        let sizes = |value: &Value| value.as_array()?.iter().map(|size| three(size, positive)).collect();
        let parsed = Self {
            key: scale.required("key", Value::as_str, "a relative path")?.to_owned(),
            size: scale.required("size", |value| three(value, positive), TRIPLE)?,
            voxel_offset: scale
                .optional("voxel_offset", |value| three(value, integer), "three whole numbers")?
                .unwrap_or_default(),
            resolution: scale.required(
                "resolution",
                |value| three(value, length),
                "three positive numbers",
            )?,
            chunk_sizes: scale.required(
                "chunk_sizes",
                sizes,
                "a list of three positive whole numbers each",
            )?,
            sharding: sharding.map_err(|message| Error::metadata(format!("{path}.sharding.{message}")))?,
            incomplete: Incomplete::of(object),
            ..Self::of_encoding(&scale, encoding, tolerated)?
        };
        parsed.expect_valid(&scale)?;
        parsed
            .domain(channels)
            .map_err(|error| Error::metadata(format!("{path}: {error}")).caused_by(error))?;
        Ok(parsed)
    }

    /// The encoding and its parameters. What another encoding needs is ignored, as writers leave it there when they
    /// change the encoding.
    fn of_encoding(scale: &Member<'_>, encoding: String, tolerated: &mut Vec<String>) -> Result<Self> {
        let is_of = |name: &str, of: &str| encoding == of || !scale.object.contains_key(name);
        for (name, of) in OF_ENCODINGS.into_iter().filter(|(name, of)| !is_of(name, of)) {
            tolerated.push(format!("{}{name}: it is of the encoding {of}, not {encoding}", scale.path));
        }
        let none = Map::new();
        let own = |of: &str| Member {
            object: if encoding == of { scale.object } else { &none },
            path: scale.path.clone(),
        };
        Ok(Self {
            block_size: own(COMPRESSED_SEGMENTATION).optional(
                BLOCK_SIZE,
                |value| three(value, positive),
                TRIPLE,
            )?,
            jpeg_quality: own("jpeg").optional("jpeg_quality", up_to(100), "a whole number from 0 to 100")?,
            png_level: own("png").optional("png_level", up_to(9), "a whole number from 0 to 9")?,
            encoding,
            ..Self::default()
        })
    }

    /// An error if members do not go together.
    fn expect_valid(&self, scale: &Member<'_>) -> Result<()> {
        if self.key.is_empty() || self.key.starts_with('/') || self.key.contains('\0') {
            return Err(scale.wrong("key", "a relative path"));
        }
        if self.chunk_sizes.is_empty() || (self.sharding.is_some() && self.chunk_sizes.len() > 1) {
            return Err(
                scale.wrong("chunk_sizes", "at least one chunk shape, and just one where chunks are sharded")
            );
        }
        match self.encoding == COMPRESSED_SEGMENTATION && self.block_size.is_none() {
            true => Err(scale.wrong(BLOCK_SIZE, TRIPLE)),
            false => Ok(()),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({
            "key": self.key,
            "size": self.size,
            "voxel_offset": self.voxel_offset,
            "resolution": self.resolution.map(number),
            "chunk_sizes": self.chunk_sizes,
            "encoding": self.encoding,
        });
        let optional = [
            (BLOCK_SIZE, self.block_size.map(|size| json!(size))),
            ("jpeg_quality", self.jpeg_quality.map(|quality| json!(quality))),
            ("png_level", self.png_level.map(|level| json!(level))),
            ("sharding", self.sharding.map(|sharding| sharding.to_json())),
        ];
        for (name, member) in optional {
            if let Some(member) = member {
                value[name] = member;
            }
        }
        if let Value::Object(object) = &mut value {
            incomplete::put(object, self.incomplete.as_ref().map(Incomplete::to_json));
        }
        value
    }

    /// The box of the scale, with a channel axis where there are several.
    pub fn domain(&self, channels: u64) -> Result<Domain> {
        let mut origin: Dims<i64> = self.voxel_offset.as_slice().into();
        let mut shape: Dims<u64> = self.size.as_slice().into();
        if channels > 1 {
            origin.push(0);
            shape.push(channels);
        }
        Domain::new(&origin, &shape)
    }

    pub(super) fn describe(&self, channels: u64, labels: bool) -> Result<Scale> {
        let chunk = |size: &[u64; 3]| with_channels(size.as_slice().into(), channels, channels);
        Ok(Scale {
            key: self.key.clone(),
            domain: self.domain(channels)?,
            chunks: self.chunk_sizes.iter().map(chunk).collect(),
            resolution: self.resolution(channels),
            encoding: self.encoding.clone(),
            sharded: self.sharding.is_some(),
            labels,
        })
    }

    /// The size of a voxel; 1 along channels.
    pub fn resolution(&self, channels: u64) -> Resolution {
        let size = with_channels(self.resolution.as_slice().into(), channels, 1.0);
        Resolution { size, unit: "nm".to_owned() }
    }
}

impl LostScale {
    /// A scale of no elements.
    pub(super) fn describe(&self, channels: u64, labels: bool) -> Result<Scale> {
        let zeros: Dims<u64> = with_channels(Dims::from_elem(0, 3), channels, 0);
        Ok(Scale {
            key: self.key.clone(),
            domain: Domain::from_shape(&zeros)?,
            chunks: vec![Dims::from_elem(1, zeros.len())],
            resolution: Resolution { size: Dims::from_elem(0.0, zeros.len()), unit: String::new() },
            encoding: "cannot be opened".to_owned(),
            sharded: false,
            labels,
        })
    }
}

const COMPRESSED_SEGMENTATION: &str = "compressed_segmentation";
const BLOCK_SIZE: &str = "compressed_segmentation_block_size";
const TRIPLE: &str = "three positive whole numbers";

/// Members of a scale that one encoding has.
const OF_ENCODINGS: [(&str, &str); 3] =
    [(BLOCK_SIZE, COMPRESSED_SEGMENTATION), ("jpeg_quality", "jpeg"), ("png_level", "png")];

/// A word that all readers take in any case, in lower case.
pub(super) fn lower_case(
    member: &Member<'_>,
    name: &str,
    expected: &str,
    tolerated: &mut Vec<String>,
) -> Result<String> {
    let written = member.required(name, Value::as_str, expected)?;
    let lower = written.to_ascii_lowercase();
    if lower != written {
        tolerated.push(format!("{}{name}: {written:?} is written {lower:?}", member.path));
    }
    Ok(lower)
}

/// `dims` with an entry for channels where there are several.
pub(super) fn with_channels<T>(mut dims: Dims<T>, channels: u64, entry: T) -> Dims<T> {
    if channels > 1 {
        dims.push(entry);
    }
    dims
}

fn length(value: &Value) -> Option<f64> {
    value.as_f64().filter(|&x| x.is_finite() && x > 0.0)
}

fn three<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<[T; 3]> {
    let items: Option<Vec<T>> = value.as_array()?.iter().map(read).collect();
    items?.try_into().ok()
}

/// A number written without a fraction where it has none.
fn number(x: f64) -> Value {
    match integer(&json!(x)) {
        Some(whole) => json!(whole),
        None => json!(x),
    }
}
