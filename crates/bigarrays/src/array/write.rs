//! Writing: selection → chunks → codecs → store. Whole chunks are written without reading; parts of
//! chunks are changed by the store's atomic update, so that no neighbour's change is lost.

use ndarray::{ArrayView, Dimension};

use crate::array::decode::decode;
use crate::array::stored::Stored;
use crate::array::transform::{StoredAxis, ascending, bounds, visible_axes};
use crate::array::{Array, Outside};
use crate::base::buffer::{Region, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::{Blob, Change, Update};

impl Array {
    /// Writes `data` to the box of its shape that starts at `origin`.
    ///
    /// # Errors
    /// `OutOfBounds` if the box reaches outside the domain and [`Outside::Crop`] is not set;
    /// `ReadOnly`; `InvalidArgument` if type or axes differ; a storage error naming the chunk.
    pub fn write<T: Element, D: Dimension>(&self, origin: &[i64], data: ArrayView<'_, T, D>) -> Result<()> {
        self.expect_type(T::DTYPE)?;
        let shape: Dims<u64> = data.shape().iter().map(|&length| length as u64).collect();
        self.write_from(&Domain::new(origin, &shape)?, View::of_array(&data))
    }

    /// Writes `source`, of the same shape and item size, at any strides, to the box `part`.
    ///
    /// # Errors
    /// As [`Array::write`].
    pub fn write_from(&self, part: &Domain, source: View<'_>) -> Result<()> {
        self.write_partly_encoded(part, source, &|_| None)
    }

    /// As [`Array::write_from`], but whole chunks that are `encoded` already are stored so.
    pub(crate) fn write_partly_encoded(
        &self,
        part: &Domain,
        source: View<'_>,
        encoded: &EncodedChunks<'_>,
    ) -> Result<()> {
        self.expect_buffer(part, source.shape(), source.item())?;
        self.expect_writable()?;
        let target = self.writable_part(part)?;
        if target.is_empty() {
            return Ok(());
        }
        let source = source.region(&target.region_of(part));
        let axes = self.view.stored_axes(&target)?;
        write(&self.stored, &axes, source.arranged(&visible_axes(&axes)), encoded)
    }

    pub(super) fn expect_writable(&self) -> Result<()> {
        if self.stored.options.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "the array was opened read-only").at(self.url()));
        }
        Ok(())
    }

    /// The part of `part` that may be written.
    fn writable_part(&self, part: &Domain) -> Result<Domain> {
        // A view may reach outside the stored domain; what is outside cannot be written.
        let stored_axes = self.view.stored_axes(part)?;
        let stored = &self.stored.layout;
        let in_storage = stored_axes.iter().enumerate().all(|(axis, selection)| {
            let range = stored.domain().range(axis);
            range.contains(&selection.start) && range.contains(&selection.last())
        });
        if part.is_empty() || (in_storage && self.domain().contains(part)) {
            return Ok(part.clone());
        }
        match self.stored.options.outside {
            Outside::Error => {
                // Of a view of what is outside, only stored coordinates tell what is wrong.
                let error = match in_storage {
                    true => self.domain().outside_error(part),
                    false => stored.domain().outside_error(&bounds(&stored_axes)?),
                };
                Err(error.during("writing").at(self.url()))
            }
            Outside::Crop if self.view.is_identity() => {
                Ok(part.intersect(self.domain()).intersect(stored.domain()))
            }
            Outside::Crop => Err(Error::unsupported("cropping a write through a strided or permuted view")),
        }
    }
}

/// Chunks changed at once, or those of one shard: bounds the memory for requests of writes of any size.
const BATCH: usize = 1 << 14;

/// A whole chunk as it is to be stored, under its content encoding; `None` if it is to be missing.
#[derive(Clone, Debug)]
pub(crate) struct Encoded(pub(crate) Option<(ContentEncoding, Vec<u8>)>);

/// Those chunks of a write, by their place in the grid, that are encoded already.
pub(crate) type EncodedChunks<'a> = dyn Fn(&[u64]) -> Option<&'a Encoded> + Sync + 'a;

/// Writes `source`, whose axes are the stored ones, to the stored coordinates of `axes`, all of
/// which lie inside the domain. Whole chunks that are `encoded` are stored so, whatever the source has.
fn write(
    stored: &Stored,
    axes: &[StoredAxis],
    mut source: View<'_>,
    encoded: &EncodedChunks<'_>,
) -> Result<()> {
    for (axis, _) in axes.iter().enumerate().filter(|(_, target)| target.step < 0) {
        source = source.reversed(axis);
    }
    let selection = ascending(axes);
    for layout in stored.layouts() {
        let projection = layout.grid.project_selection(&selection);
        // The chunks of a shard come in one batch: then it is written once, and often without reading.
        if layout.sharding.as_ref().is_some_and(|sharding| sharding.shape.is_some()) {
            let mut blocks = projection.by_block(&layout.write_shape()).peekable();
            while blocks.peek().is_some() {
                let mut parts = Vec::new();
                while let Some(block) =
                    blocks.next_if(|block| parts.is_empty() || parts.len() + block.len() <= BATCH)
                {
                    parts.extend(block.into_iter().map(|k| projection.get(k)));
                }
                write_chunks(stored, layout, &parts, &source, encoded)?;
            }
            continue;
        }
        let total = if projection.is_empty() { 0 } else { projection.len() };
        for first in (0..total).step_by(BATCH) {
            let parts: Vec<ChunkProjection> =
                (first..total.min(first + BATCH)).map(|k| projection.get(k)).collect();
            write_chunks(stored, layout, &parts, &source, encoded)?;
        }
    }
    Ok(())
}

fn write_chunks(
    stored: &Stored,
    layout: &Layout,
    parts: &[ChunkProjection],
    source: &View<'_>,
    given: &EncodedChunks<'_>,
) -> Result<()> {
    let requests: Vec<Update> = parts
        .iter()
        .map(|part| Update {
            key: layout.chunk_key(&part.index),
            reads: !part.is_whole,
            max_len: layout.max_stored_len(&part.index),
        })
        .collect();
    stored
        .store
        .update_many(&requests, &|position, old, encoded| {
            let part = &parts[position];
            if let Some(Encoded(value)) = given(&part.index).filter(|_| part.is_whole) {
                return Ok(value.as_ref().map_or(Change::Delete, |(encoding, bytes)| {
                    encoded.extend_from_slice(bytes);
                    Change::Put(*encoding)
                }));
            }
            let source = source.clone().region(&part.in_output);
            let drop_fill = stored.options.drop_fill;
            let done = if !(part.is_whole && part.in_chunk.is_whole(&part.chunk_shape)) {
                merge(layout, part, old, &source, drop_fill, encoded)
            } else if drop_fill && source.is_filled_with(layout.fill.as_bytes()) {
                Ok(Change::Delete)
            } else {
                encode(layout, part, &source, layout.content_encoding, encoded).map(Change::Put)
            };
            done.map_err(|error| {
                error.during("writing chunk").at(stored.store.location(&requests[position].key))
            })
        })
        .map_err(|error| error.during("writing"))
}

/// Puts `source` into the chunk `old`, or into a chunk of fill where there is none.
fn merge(
    layout: &Layout,
    part: &ChunkProjection,
    old: Option<Blob<'_>>,
    source: &View<'_>,
    drop_fill: bool,
    encoded: &mut Vec<u8>,
) -> Result<Change> {
    let (shape, item) = (layout.chunk_spec(&part.index).shape, layout.dtype.size());
    change_chunk(layout, part, old, drop_fill, encoded, |bytes| {
        ViewMut::dense(bytes, &shape, item, layout.order)?.region(&part.in_chunk).copy_from(source);
        Ok(())
    })
}

/// Changes the elements of the chunk `old`, or of one of fill where there is none, which are in the layout's order.
pub(super) fn change_chunk(
    layout: &Layout,
    part: &ChunkProjection,
    old: Option<Blob<'_>>,
    drop_fill: bool,
    encoded: &mut Vec<u8>,
    change: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<Change> {
    let spec = layout.chunk_spec(&part.index);
    let (length, item) = (spec.byte_len()?, spec.dtype.size());
    let content_encoding = old.map_or(layout.content_encoding, |blob| blob.encoding);
    with_scratch(|scratch| {
        let bytes = try_first_bytes(scratch, length)?;
        let mut chunk = ViewMut::dense(bytes, &spec.shape, item, layout.order)?;
        match old {
            Some(blob) => {
                let whole = ChunkProjection { in_chunk: Region::whole(&spec.shape), ..part.clone() };
                decode(layout, &whole, blob, &mut chunk)?;
            }
            None => chunk.fill(layout.fill.as_bytes()),
        }
        change(bytes)?;
        let chunk = View::dense(bytes, &spec.shape, item, layout.order)?;
        let encoding = encode(layout, part, &chunk, content_encoding, encoded)?;
        let is_fill = drop_fill && chunk.is_filled_with(layout.fill.as_bytes());
        Ok(if is_fill { Change::PutOrDelete(encoding) } else { Change::Put(encoding) })
    })
}

/// Encodes `chunk` into `encoded`.
fn encode(
    layout: &Layout,
    part: &ChunkProjection,
    chunk: &View<'_>,
    content_encoding: ContentEncoding,
    encoded: &mut Vec<u8>,
) -> Result<ContentEncoding> {
    layout.codecs.encode(chunk, &layout.chunk_spec(&part.index), encoded)?;
    content_encoding.encode(encoded)?;
    Ok(content_encoding)
}

#[cfg(test)]
mod tests {
    use crate::{CreateSpec, DataType, ErrorKind, OpenOptions, ndarray};

    #[test]
    fn a_chunk_beyond_all_memory_is_an_error() {
        let edge = 1 << 15;
        let mut spec = CreateSpec::new(DataType::U64, format!("0:{edge},0:{edge},0:{edge}").parse().unwrap());
        spec.storage.chunk_shape = Some(vec![edge; 3]);
        let array = OpenOptions::new().create("memory://beyond-memory", &spec).unwrap();
        let error = array.write(&[0; 3], ndarray::Array3::<u64>::ones((1, 1, 1)).view()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MemoryBudget);
        assert!(error.to_string().contains("0-32768_0-32768_0-32768"), "{error}");
    }
}
