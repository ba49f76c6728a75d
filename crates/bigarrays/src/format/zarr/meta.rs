//! What metadata of either version say of an array.

use std::sync::Arc;

use serde_json::Value;

use super::attribute::Own;
use super::build::build;
use super::chain::{Chain, Level};
use super::keys::Keys;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::member::naturals;
use crate::chunk::codec::{ContentEncoding, Listed};
use crate::chunk::curve::ChunkOrder;
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::keys::KeyEncoding;
use crate::chunk::layout::{Layout, Sharding, axis_names};
use crate::format::compression::SHARDING;
use crate::format::incomplete::Incomplete;
use crate::format::traits::Opened;
use crate::store::Store;
use crate::store::encoded::EncodedStore;
use crate::store::shard::zarr::{GridKeys, PlaceKeys, ShardGrid, ShardedStore};

/// The metadata of an array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meta {
    pub(super) shape: Vec<u64>,
    pub(super) dtype: DataType,
    pub(super) chunk: Vec<u64>,
    pub(super) keys: Keys,
    pub(super) fill: FillValue,
    /// Whether metadata say it.
    pub(super) fill_is_said: bool,
    /// Whether it stands for elements without a value.
    pub(super) fill_is_missing: bool,
    pub(super) codecs: Vec<Listed>,
    /// Names of the axes; an axis may have none.
    pub(super) names: Option<Vec<Option<String>>>,
    /// What this library alone says.
    pub(super) own: Own,
    /// What is known of its making, if it is marked as incomplete.
    pub(super) incomplete: Option<Incomplete>,
}

/// The lengths of chunks of an array of this shape. On an axis without elements they may be zero, and count as one.
pub(super) fn lengths_for(value: &Value, shape: &[u64]) -> Option<Vec<u64>> {
    let chunk = naturals(value).filter(|chunk| chunk.len() == shape.len())?;
    let one = |(&chunk, &length): (&u64, &u64)| match (chunk, length) {
        (0, 0) => Some(1),
        (0, _) => None,
        _ => Some(chunk),
    };
    chunk.iter().zip(shape).map(one).collect()
}

/// The names in a list of names and nulls.
pub(super) fn names_of(value: &Value) -> Option<Vec<Option<String>>> {
    let name = |value: &Value| match value {
        Value::Null => Some(None),
        _ => value.as_str().map(|name| Some(name.to_owned())),
    };
    value.as_array()?.iter().map(name).collect()
}

/// An error if there are names, but not of so many axes.
pub(super) fn check_names(names: Option<&[Option<String>]>, ndim: usize) -> Result<()> {
    match names {
        Some(names) if names.len() != ndim => {
            Err(Error::metadata(format!("dimension_names: {} names for {ndim} axes", names.len())))
        }
        _ => Ok(()),
    }
}

impl Meta {
    /// The array in `store` that these metadata describe.
    pub(super) fn opened(&self, format: &'static str, store: Arc<dyn Store>) -> Result<Opened> {
        let named = |error: Error| match error.kind() {
            // What is stored is at fault, not who opens it.
            ErrorKind::InvalidArgument => Error::metadata(format!("chunks: {error}")),
            _ => error,
        };
        let (layout, store) = self.layout(store).map_err(named)?;
        let incomplete = self.incomplete.clone();
        Ok(Opened { incomplete, ..Opened::new(format, layout, store) })
    }

    fn layout(&self, store: Arc<dyn Store>) -> Result<(Layout, Arc<dyn Store>)> {
        let Chain { codecs, order, chunk, levels } = build(&self.codecs, self.dtype, &self.chunk)?;
        let sharding = self.sharding(&levels);
        let keys: Arc<dyn KeyEncoding> =
            if levels.is_empty() { Arc::new(self.keys) } else { Arc::new(PlaceKeys) };
        let store = self.sharded(store, levels)?;
        let layout = Layout {
            dtype: self.dtype,
            fill: self.fill.clone(),
            grid: ChunkGrid::new(Domain::from_shape(&self.shape)?, &chunk, EdgeChunks::Padded)?,
            keys,
            codecs,
            order,
            content_encoding: ContentEncoding::Identity,
            sharding,
            dimension_names: self.dimension_names(),
            // As xarray calls them.
            axis_names: axis_names(&self.dimension_names(), |axis| format!("dim_{axis}")),
            resolution: self.own.resolution.clone(),
            positions: None,
            fill_is_missing: self.fill_is_missing,
        };
        Ok((layout, store))
    }

    /// The store of the innermost chunks in the shards of `store`.
    fn sharded(&self, mut store: Arc<dyn Store>, levels: Vec<Level>) -> Result<Arc<dyn Store>> {
        let mut keys: Arc<dyn GridKeys> = Arc::new(self.keys);
        let mut shard: Dims<u64> = self.chunk.as_slice().into();
        for Level { per_shard, axes, index, around, max_len } in levels {
            if !around.is_empty() {
                store = Arc::new(EncodedStore::new(store, around, max_len));
            }
            let parts = shard.iter().zip(&per_shard);
            shard = parts.map(|(length, count)| length / count).collect();
            let chunks =
                self.shape.iter().zip(&shard).map(|(length, chunk)| length.div_ceil(*chunk)).collect();
            let grid = ShardGrid { chunks, per_shard, axes, order: self.own.order, index, keys };
            store = Arc::new(ShardedStore::new(store, grid)?);
            keys = Arc::new(PlaceKeys);
        }
        Ok(store)
    }

    /// How the innermost chunks are sharded, if they are.
    fn sharding(&self, levels: &[Level]) -> Option<Sharding> {
        let place = if levels.first()?.index.at_end { "end" } else { "start" };
        let nested = if levels.len() > 1 { format!(", in {} levels", levels.len()) } else { String::new() };
        let mut shape: Dims<u64> = Dims::from_elem(1, self.shape.len());
        for level in levels {
            shape.iter_mut().zip(&level.per_shard).for_each(|(length, count)| *length *= count);
        }
        let order = if self.own.order == ChunkOrder::C {
            String::new()
        } else {
            format!(", {} order", self.own.order)
        };
        let around: String =
            levels.iter().flat_map(|level| &level.around).map(|c| format!(" + {}", c.name())).collect();
        Some(Sharding {
            description: format!("{SHARDING}{around}: index at the {place}{nested}{order}"),
            shape: Some(shape),
        })
    }

    /// The names of the axes.
    fn dimension_names(&self) -> Dims<Option<String>> {
        let name = |axis| self.names.as_ref().and_then(|names| names.get(axis).cloned().flatten());
        (0..self.shape.len()).map(name).collect()
    }
}
