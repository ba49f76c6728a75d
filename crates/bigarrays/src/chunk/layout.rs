//! What arrays, engine and faces know of a stored array, whatever its format.

use std::sync::Arc;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, FillValue};
use crate::chunk::codec::{ChunkSpec, CodecPipeline, ContentEncoding, EncodedRanges, Work};
use crate::chunk::config::{Config, Parameter};
use crate::chunk::grid::{ChunkGrid, ChunkProjection};
use crate::chunk::keys::KeyEncoding;

/// How one array is stored.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Type of the elements.
    pub dtype: DataType,
    /// Value of elements that are not stored.
    pub fill: FillValue,
    /// The domain and how it is cut into chunks.
    pub grid: ChunkGrid,
    /// The keys of chunks, relative to the array's store.
    pub keys: Arc<dyn KeyEncoding>,
    /// How a chunk becomes bytes.
    pub codecs: CodecPipeline,
    /// The order of elements in which chunks are laid out, and so the cheapest order of results.
    pub order: Order,
    /// The compression around each chunk that is written; every one is understood when read.
    pub content_encoding: ContentEncoding,
    /// How chunks are packed into shards, if they are.
    pub sharding: Option<Sharding>,
    /// Names of the axes, as far as metadata say them.
    pub dimension_names: Dims<Option<String>>,
    /// What the axes are called for people: their names, or what is usual where they have none.
    pub axis_names: Dims<String>,
    /// Size of an element along each axis and its unit, where known.
    pub resolution: Option<Resolution>,
    /// Where the elements along each axis are, where metadata say more of it than the resolution.
    pub positions: Option<Dims<Positions>>,
    /// Whether metadata say the fill value, and by the format's convention mean by it that elements have no value.
    pub fill_is_missing: bool,
}

/// How chunks are packed into shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharding {
    /// Kind and parameters, in words.
    pub description: String,
    /// Number of chunks along each axis of the boxes that shards cover, from the first chunk of the
    /// grid on; `None` if chunks of a shard do not make a box. Writing whole shards is cheapest.
    pub shape: Option<Dims<u64>>,
}

/// Size of an element along each axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// Size along each axis, in `unit`; 1 on axes without one, such as channels.
    pub size: Dims<f64>,
    /// Name of the unit, such as `nm`.
    pub unit: String,
}

/// Where the elements along one axis are: the first of the domain at `start`, each further one `step` on.
#[derive(Clone, Debug, PartialEq)]
pub struct Positions {
    /// Position of the first element, in `unit`.
    pub start: f64,
    /// From each element to the next, in `unit`; negative along an axis that a view reverses.
    pub step: f64,
    /// Name of the unit, such as `nm`, where metadata say one.
    pub unit: Option<String>,
    /// What each element is called, as channels are; none or one an element.
    pub labels: Option<Vec<String>>,
}

impl Positions {
    /// Whether this says more than that there are elements.
    fn is_said(&self) -> bool {
        self.unit.is_some() || self.labels.is_some() || self.start != 0.0 || self.step != 1.0
    }

    /// Those of `count` elements, of which the first is the element `first` here and each further one `step` on.
    pub(crate) fn of_every(self, first: i64, step: i64, count: u64) -> Self {
        let label = |labels: &Vec<String>, k: u64| {
            let at = i128::from(first) + i128::from(step) * i128::from(k);
            labels.get(usize::try_from(at).ok()?).cloned()
        };
        Self {
            start: if first == 0 { self.start } else { self.start + self.step * first as f64 },
            step: self.step * step as f64,
            // Of elements outside of the domain there is none.
            labels: self.labels.and_then(|labels| (0..count).map(|k| label(&labels, k)).collect()),
            unit: self.unit,
        }
    }
}

impl Resolution {
    /// Nanometres in one of the unit of this name; `None` if that is no length that is known.
    pub fn nanometres_of(unit: &str) -> Option<f64> {
        Some(match unit.trim().to_lowercase().as_str() {
            "angstrom" | "å" => 0.1,
            "pm" | "picometer" | "picometre" => 1e-3,
            "nm" | "nanometer" | "nanometre" => 1.0,
            "um" | "µm" | "μm" | "micron" | "microns" | "micrometer" | "micrometre" => 1e3,
            "mm" | "millimeter" | "millimetre" => 1e6,
            "cm" | "centimeter" | "centimetre" => 1e7,
            "m" | "meter" | "metre" => 1e9,
            _ => return None,
        })
    }

    /// The sizes in nanometres, to a picometre; 1 on axes that are not of space. `None` if the unit is no length.
    pub fn nanometres(&self, is_space: impl Fn(usize) -> bool) -> Option<Vec<f64>> {
        let factor = Self::nanometres_of(&self.unit)?;
        let size = |(axis, &size): (usize, &f64)| match is_space(axis) {
            // 0.26 µm are 260 nm.
            true if factor != 1.0 => (size * factor * 1e3).round() / 1e3,
            true => size,
            false => 1.0,
        };
        let sizes: Vec<f64> = self.size.iter().enumerate().map(size).collect();
        Some(sizes).filter(|sizes| sizes.iter().all(|&size| size > 0.0))
    }

    /// What a size in the unit `from` is multiplied with and divided by to be one in `to`; `None` if these
    /// are not the same and not two lengths.
    pub(crate) fn factor(from: &str, to: &str) -> Option<(f64, f64)> {
        if from == to {
            return Some((1.0, 1.0));
        }
        Some((Self::nanometres_of(from)?, Self::nanometres_of(to)?))
    }
}

/// Names for people: those that metadata say, and by `usual` those of axes without.
pub(crate) fn axis_names(names: &[Option<String>], usual: impl Fn(usize) -> String) -> Dims<String> {
    names.iter().enumerate().map(|(axis, name)| name.clone().unwrap_or_else(|| usual(axis))).collect()
}

impl Layout {
    /// The box that the array covers.
    pub fn domain(&self) -> &Domain {
        self.grid.domain()
    }

    /// Where the elements along an axis are: as metadata say, or else at resolution × coordinate; `None` if nothing is
    /// known of it.
    pub fn positions(&self, axis: usize) -> Option<Positions> {
        let by_size = || {
            let origin = self.domain().origin()[axis] as f64;
            let is_sized = !matches!(self.axis_names[axis].as_str(), "channel" | "c" | "time" | "t");
            let (size, unit) = match self.resolution.as_ref() {
                Some(known) => (known.size[axis], Some(&known.unit)),
                None => (1.0, None),
            };
            let unit = unit.filter(|unit| is_sized && !unit.is_empty()).cloned();
            Positions { start: size * origin, step: size, unit, labels: None }
        };
        let said = self.positions.as_ref().map(|all| all[axis].clone());
        Some(said.unwrap_or_else(by_size)).filter(Positions::is_said)
    }

    /// Bytes of the elements of a whole chunk.
    pub fn chunk_bytes(&self) -> u64 {
        let item = self.dtype.size() as u64;
        self.grid.chunk_shape().iter().fold(item, |bytes, &length| bytes.saturating_mul(length))
    }

    /// Bytes that codecs work in on a thread, besides a chunk and what is stored of it.
    pub(crate) fn codec_bytes(&self, work: Work) -> u64 {
        self.codecs.working_bytes(work, self.chunk_bytes())
    }

    /// All that the stored chunks depend on, but for their keys: not names and sizes, which are only said.
    pub fn config(&self) -> Config {
        let sharding = self.sharding.as_ref().map(|sharding| {
            Config::new("sharding")
                .with("description", sharding.description.as_str())
                .with("shape", sharding.shape.as_deref().map(Parameter::from))
        });
        Config::new("layout")
            .with("dtype", self.dtype.name())
            .with("fill", self.fill.as_bytes())
            .with("domain", self.domain().to_string())
            .with("chunk", self.grid.chunk_shape())
            .with("edge", self.grid.edge().name())
            .with("codecs", self.codecs.config())
            .with("content_encoding", self.content_encoding.name())
            .with("sharding", sharding)
    }

    /// Type and shape of the stored chunk at `index`.
    pub fn chunk_spec(&self, index: &[u64]) -> ChunkSpec {
        ChunkSpec { dtype: self.dtype, shape: self.grid.stored_shape(index) }
    }

    /// The parts of the encoded chunk that a projection needs, where the layout of bytes tells.
    pub fn ranges(&self, part: &ChunkProjection) -> Option<EncodedRanges> {
        if part.in_chunk.is_whole(&part.chunk_shape) {
            return None;
        }
        let spec = ChunkSpec { dtype: self.dtype, shape: part.chunk_shape.clone() };
        self.codecs.ranges(&spec, &part.in_chunk)
    }

    /// The most bytes that the chunk at `index` can have as it is stored.
    pub fn max_stored_len(&self, index: &[u64]) -> u64 {
        let plain = self.codecs.max_encoded_len(&self.chunk_spec(index));
        let codecs = ContentEncoding::ALL.into_iter().filter_map(ContentEncoding::codec);
        codecs.map(|codec| codec.max_encoded_len(plain)).fold(plain, usize::max) as u64
    }

    /// Number of chunks along each axis that are cheapest written at once.
    pub fn write_shape(&self) -> Dims<u64> {
        let shape = self.sharding.as_ref().and_then(|sharding| sharding.shape.clone());
        shape.unwrap_or_else(|| Dims::from_elem(1, self.grid.chunk_shape().len()))
    }

    /// The place of the chunk that has this key; `None` if no chunk has it.
    pub fn chunk_at(&self, key: &str) -> Option<Dims<u64>> {
        let index = self.keys.place(&self.grid, key)?;
        let is_inside = index.iter().zip(self.grid.shape()).all(|(&at, count)| at < count);
        (is_inside && self.chunk_key(&index) == key).then_some(index)
    }

    /// Whether a folder of this key would have chunks in it.
    pub(crate) fn has_chunks_below(&self, key: &str) -> bool {
        let first = self.chunk_key(&Dims::from_elem(0, self.grid.shape().len()));
        let rest: Vec<&str> = first.split('/').skip(key.split('/').count()).collect();
        !rest.is_empty() && self.keys.place(&self.grid, &format!("{key}/{}", rest.join("/"))).is_some()
    }

    /// The key of the chunk at `index`.
    pub fn chunk_key(&self, index: &[u64]) -> String {
        self.keys.key(&self.grid, index)
    }
}
