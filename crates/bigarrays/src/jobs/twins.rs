//! Chunks that move as they are stored: where source and target are cut and encoded alike, a copy need
//! not decode, and what was lossy once stays as it is.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::array::{Array, AxisMap, Encoded, decode_all};
use crate::base::buffer::{View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::{Blob, Get, Part};

/// Two arrays of the same coordinates whose chunks are the same.
pub(crate) struct Twins<'a> {
    source: &'a Array,
    target: &'a Array,
    /// What is added to the place of a chunk in the target's grid for that in the source's.
    shift: Dims<i64>,
    /// The target's stored coordinates less the visible ones.
    offset: Dims<i64>,
    /// Whether chunks are decoded before they move.
    check: bool,
}

impl<'a> Twins<'a> {
    /// The two arrays, if chunks of `source` can be those of `target`.
    pub(crate) fn of(source: &'a Array, target: &'a Array, check: bool) -> Option<Self> {
        let (from, to) = (source.layout(), target.layout());
        // Bytes that are no booleans are made some on the way.
        let is_alike = from.dtype == to.dtype
            && from.dtype != DataType::Bool
            && from.fill == to.fill
            && from.grid.chunk_shape() == to.grid.chunk_shape()
            && from.codecs.config() == to.codecs.config()
            && target.layouts().count() == 1;
        if !is_alike {
            return None;
        }
        let (at, offset) = (offsets(source)?, offsets(target)?);
        let shift = |axis: usize| {
            let first = to.domain().origin()[axis].checked_sub(offset[axis])?.checked_add(at[axis])?;
            let distance = first.checked_sub(from.domain().origin()[axis])?;
            let chunk = i64::try_from(from.grid.chunk_shape()[axis]).ok()?;
            (distance % chunk == 0).then_some(distance / chunk)
        };
        let shift = (0..offset.len()).map(shift).collect::<Option<_>>()?;
        Some(Self { source, target, shift, offset, check })
    }

    /// The place in the source's grid of the chunk that `part` of the target is, if that can move.
    fn place(&self, part: &ChunkProjection) -> Option<Dims<u64>> {
        let (from, to) = (&self.source.layout().grid, &self.target.layout().grid);
        let places = part.index.iter().zip(&self.shift).zip(from.shape());
        let place: Dims<u64> = places
            .map(|((&at, &shift), length)| at.checked_add_signed(shift).filter(|&at| at < length))
            .collect::<Option<_>>()?;
        // Both end at the same place in it: what is beyond may be anything, and would come up if the target grew.
        let ends_alike = from.chunk_domain(&place).shape() == to.chunk_domain(&part.index).shape();
        (part.is_whole && ends_alike && from.stored_shape(&place) == part.chunk_shape).then_some(place)
    }

    /// Copies `block` of whole chunks of the target, but for those at the ends of either array. The arrays are
    /// the twins, through whatever stores.
    pub(crate) fn copy(&self, block: &Domain, source: &Array, target: &Array) -> Result<()> {
        let projection = self.target.layout().grid.project_selection(&target.stored_selection(block)?);
        let (mut moving, mut rest) = (Vec::new(), Vec::new());
        for part in projection.iter() {
            match self.place(&part) {
                Some(place) => moving.push((part, place)),
                None => rest.push(part),
            }
        }
        let moved = self.fetch(source, &moving)?;
        let mut encoded = HashMap::new();
        for ((part, _), moved) in moving.iter().zip(&moved) {
            match moved.get() {
                Some(moved) => drop(encoded.insert(&part.index[..], moved)),
                None => rest.push(part.clone()),
            }
        }
        let give = |index: &[u64]| encoded.get(index).copied();
        let shape: Dims<usize> = block.shape().iter().map(|&length| length as usize).collect();
        let (item, order) = (target.dtype().size(), target.order());
        if rest.is_empty() {
            let nothing = [0; 8];
            let nothing = View::strided(&nothing, 0, &shape, &Dims::from_elem(0, shape.len()), item);
            return target.write_partly_encoded(block, nothing, &give);
        }
        let length = byte_len(&shape, item)?;
        with_scratch(|scratch| {
            let bytes = try_first_bytes(scratch, length)?;
            for part in &rest {
                let wanted = self.visible(part)?.intersect(block);
                let out = ViewMut::dense(bytes, &shape, item, order)?.region(&wanted.region_of(block));
                source.read_into(&wanted, out)?;
            }
            target.write_partly_encoded(block, View::dense(bytes, &shape, item, order)?, &give)
        })
    }

    /// The visible box of a chunk.
    fn visible(&self, part: &ChunkProjection) -> Result<Domain> {
        let back: Dims<i64> = self.offset.iter().map(|&offset| offset.wrapping_neg()).collect();
        self.target.layout().grid.chunk_domain(&part.index).translate(&back)
    }

    /// The chunks of the source at these places, as the target is to store them; none where one turns
    /// out to be stored in a way of its own.
    fn fetch(
        &self,
        source: &Array,
        moving: &[(ChunkProjection, Dims<u64>)],
    ) -> Result<Vec<OnceLock<Encoded>>> {
        let layout = source.layout();
        let requests: Vec<Get> = moving
            .iter()
            .map(|(_, place)| Get::new(layout.chunk_key(place), Part::Whole, layout.max_stored_len(place)))
            .collect();
        let moved: Vec<OnceLock<Encoded>> = requests.iter().map(|_| OnceLock::new()).collect();
        let wanted = self.target.layout().content_encoding;
        let strict = source.options().strict;
        source.store().get_many(&requests, &|position, blob| {
            let place = &moving[position].1;
            let value = match blob {
                Some(blob) => match self.take(blob, layout, place).map_err(|error| {
                    error.during("moving chunk").at(source.store().location(&requests[position].key))
                })? {
                    Some(bytes) => Some((wanted, bytes)),
                    None => return Ok(()),
                },
                // Reading says that it is an error.
                None if strict => return Ok(()),
                None => None,
            };
            // A store that answers twice is found out by reading; the first answer counts here.
            drop(moved[position].set(Encoded(value)));
            Ok(())
        })?;
        Ok(moved)
    }

    /// The bytes of the chunk at `place` as the target is to store them; `None` if they are not what the
    /// codecs make.
    fn take(&self, blob: Blob<'_>, layout: &Layout, place: &[u64]) -> Result<Option<Vec<u8>>> {
        let (spec, wanted) = (layout.chunk_spec(place), self.target.layout().content_encoding);
        let is_raw = layout.codecs.names().eq(["raw"]);
        if self.check && !is_raw {
            decode_all(layout, place, blob)?;
        }
        if blob.encoding == wanted && !is_raw {
            return Ok(Some(blob.bytes.to_vec()));
        }
        blob.encoding.with_decoded(blob.bytes, layout.codecs.max_encoded_len(&spec), |bytes| {
            if is_raw && bytes.len() != spec.byte_len()? {
                return Ok(None);
            }
            if blob.encoding == wanted {
                return Ok(Some(blob.bytes.to_vec()));
            }
            let mut bytes = bytes.to_vec();
            wanted.encode(&mut bytes)?;
            Ok(Some(bytes))
        })
    }
}

/// The stored coordinates of `array` less the visible ones, if it shows all axes as they are stored.
fn offsets(array: &Array) -> Option<Dims<i64>> {
    let one = |(stored, map): (usize, &AxisMap)| match *map {
        AxisMap::Along { axis, offset, step: 1 } if axis == stored => Some(offset),
        _ => None,
    };
    array.transform().axes.iter().enumerate().map(one).collect()
}
