//! Datasets: one array each.

use std::sync::Arc;

use serde_json::Value;

use super::attributes::{self, Dataset};
use super::block::N5Block;
use super::resolution::{TRANSFORM, own_size, transform};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::FillValue;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::{ChunkSpec, CodecPipeline, ContentEncoding};
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::layout::{Layout, Resolution, axis_names};
use crate::format::document::{self, Document};
use crate::format::incomplete::{self, Incomplete};
use crate::format::place::{Documents, OwnKeys, expect_no_chunks};
use crate::format::probe::Probe;
use crate::format::spec::CreateSpec;
use crate::format::traits::Opened;
use crate::format::zarr::create::{check, chunk_shape};
use crate::store::Store;
use crate::store::shard::zarr::{GridKeys, PlaceKeys};

/// The key of the attributes of a dataset or a group.
pub(super) const ATTRIBUTES: &str = "attributes.json";

/// The name of the format.
pub(super) const NAME: &str = "n5";

/// Datasets of N5.
#[derive(Clone, Copy, Debug)]
pub struct N5;

/// Reads the attributes of a dataset; for fuzzing.
///
/// # Errors
/// `InvalidMetadata` or `Unsupported` if they are of no dataset that can be opened.
pub fn check_attributes(bytes: &[u8]) -> Result<()> {
    let document = document::parse(bytes)?;
    match attributes::parse(&document)? {
        Some(dataset) => layout(&dataset, None).map(drop),
        None => Ok(()),
    }
}

/// How a dataset is stored.
fn layout(dataset: &Dataset, resolution: Option<Resolution>) -> Result<Layout> {
    let Dataset { shape, block, dtype, compression, names } = dataset;
    let named = |error: Error| match error.kind() {
        ErrorKind::InvalidArgument => Error::metadata(format!("blockSize: {error}")),
        _ => error,
    };
    let grid =
        Domain::from_shape(shape).and_then(|domain| ChunkGrid::new(domain, block, EdgeChunks::Clipped));
    let lengths: Dims<usize> = block.iter().map(|&length| length as usize).collect();
    let codecs = CodecPipeline::new(Arc::new(N5Block::new(&lengths, compression.clone())), Vec::new());
    codecs.check(&ChunkSpec { dtype: *dtype, shape: lengths }).map_err(named)?;
    let usual = |axis: usize| {
        ["x", "y", "z"].get(axis).map_or_else(|| format!("dim_{axis}"), |&name| name.to_owned())
    };
    let names: Dims<Option<String>> = match names {
        Some(names) => names.iter().cloned().map(Some).collect(),
        None => Dims::from_elem(None, shape.len()),
    };
    Ok(Layout {
        dtype: *dtype,
        fill: FillValue::zero(*dtype),
        grid: grid.map_err(named)?,
        keys: Arc::new(PlaceKeys),
        codecs,
        order: Order::Fortran,
        content_encoding: ContentEncoding::Identity,
        sharding: None,
        axis_names: axis_names(&names, usual),
        dimension_names: names,
        resolution,
        positions: None,
        fill_is_missing: false,
    })
}

impl N5 {
    /// The dataset that is there, if it is one.
    pub(super) fn dataset(self, probe: &Probe) -> Result<Option<(Document, Dataset)>> {
        let Some(document) = probe.document(ATTRIBUTES)? else { return Ok(None) };
        let located = |error: Error| error.at(probe.store().location(ATTRIBUTES));
        let dataset = attributes::parse(&document).map_err(located)?;
        Ok(dataset.map(|dataset| (document, dataset)))
    }

    pub(super) fn opened(
        self,
        document: &Document,
        dataset: &Dataset,
        store: Arc<dyn Store>,
    ) -> Result<Opened> {
        let ndim = dataset.shape.len();
        let layout = layout(dataset, own_size(document, ndim));
        let mut layout = layout.map_err(|error| error.at(store.location(ATTRIBUTES)))?;
        layout.positions = transform(document.get(TRANSFORM), ndim).map(Dims::from_vec);
        Ok(Opened { incomplete: Incomplete::of(document), ..Opened::new(NAME, layout, store) })
    }

    /// Creates a dataset that is no scale of a group. If it `adopts`, one that is there already, of the very same
    /// attributes and without blocks, is taken for what somebody was about to make and did not finish.
    pub(super) fn create_dataset(
        self,
        store: &Arc<dyn Store>,
        spec: &CreateSpec,
        adopts: bool,
    ) -> Result<Opened> {
        check(spec)?;
        if spec.array.domain.ndim() == 0 {
            return Err(Error::invalid("datasets of N5 have at least one axis"));
        }
        let block = chunk_shape(spec)?;
        let document = attributes::create(spec, &block)?;
        let none = || Error::invalid("no dataset");
        let dataset = attributes::parse(&document)?.ok_or_else(none)?;
        let opened = self.opened(&document, &dataset, Arc::clone(store))?;
        let ndim = dataset.shape.len();
        let empty = expect_no_chunks(&**store, "", |key| PlaceKeys.parse(key, ndim).is_some());
        match empty {
            // Of a dataset, making it says so.
            Err(_) if !adopts && store.exists(ATTRIBUTES)? => {}
            empty => empty?,
        }
        match adopts {
            true => document::create_or_alike(&**store, ATTRIBUTES, &document, &|old| {
                incomplete::bare(old.clone()) == incomplete::bare(document.clone())
            })?,
            false => document::create(&**store, ATTRIBUTES, &document)?,
        }
        Ok(opened)
    }

    /// Removes the blocks of a dataset of so many axes that `is_gone` says.
    pub(super) fn remove_blocks(
        self,
        store: &dyn Store,
        ndim: usize,
        is_gone: impl Fn(&[u64]) -> bool,
    ) -> Result<()> {
        store.remove_where(|key| PlaceKeys.parse(key, ndim).is_some_and(|index| is_gone(&index)))
    }
}

/// Which keys beside `attributes.json` are a dataset's own; `None` if there are no attributes.
pub(in crate::format) fn own_keys(documents: &Documents) -> Option<OwnKeys> {
    let document = documents.get(ATTRIBUTES)?.as_ref()?;
    let ndim = document.get("dimensions").and_then(Value::as_array).map(Vec::len);
    Some(Box::new(move |key| ndim.is_some_and(|ndim| PlaceKeys.parse(key, ndim).is_some())))
}
