//! Writing: selection → chunks → codecs → store. Whole chunks are written without reading; parts of
//! chunks are changed by the store's atomic update, so that no neighbour's change is lost.

use super::Stored;
use super::read::decode;
use super::view::{StoredAxis, ascending};
use crate::base::buffer::{Region, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::error::Result;
use crate::chunk::codec::ContentEncoding;
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::{Blob, Change, Update};

/// Chunks changed at once, or those of one shard: bounds the memory for requests of writes of any size.
const BATCH: usize = 1 << 14;

/// A whole chunk as it is to be stored, under its content encoding; `None` if it is to be missing.
#[derive(Clone, Debug)]
pub(crate) struct Encoded(pub(crate) Option<(ContentEncoding, Vec<u8>)>);

/// Those chunks of a write, by their place in the grid, that are encoded already.
pub(crate) type EncodedChunks<'a> = dyn Fn(&[u64]) -> Option<&'a Encoded> + Sync + 'a;

/// Writes `source`, whose axes are the stored ones, to the stored coordinates of `axes`, all of
/// which lie inside the domain. Whole chunks that are `encoded` are stored so, whatever the source has.
pub(super) fn write(
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
        chunk.region(&part.in_chunk).copy_from(source);
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
        spec.chunk_shape = Some(vec![edge; 3]);
        let array = OpenOptions::new().create("memory://beyond-memory", &spec).unwrap();
        let error = array.write(&[0; 3], ndarray::Array3::<u64>::ones((1, 1, 1)).view()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MemoryBudget);
        assert!(error.to_string().contains("0-32768_0-32768_0-32768"), "{error}");
    }
}
