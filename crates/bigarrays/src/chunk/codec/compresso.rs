//! `compresso`: CloudVolume's codec of label boundaries, which is only read.
//!
//! ```text
//! header 36 bytes │ ids │ window values │ locations │ windows │ z index (version 1)
//! ```
//! An element is on the boundary where its label differs from that of the next in x or y (or z, at
//! connectivity 6). The boundary is a bit field, cut into windows; each window names one of the
//! distinct window values, runs of value 0 are counted. The connected components off the boundary, in
//! the order of their first elements, have the labels `ids`. An element on the boundary takes the label
//! of its predecessor in x, y (or z) where that is off the boundary; any other is described by the next
//! of `locations`. At version 1 each slice in z stands alone, and the z index counts, for each, its
//! components and the locations of the slice before it. See the readme of `seung-lab/compresso`.

use std::ops::Range;

use crate::base::buffer::{Order, Region, View, ViewMut, first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, decode_whole};
use crate::chunk::config::Config;

mod components;
mod stream;

use components::Components;
use stream::{Connectivity, Stream, inconsistent, number};

/// Unsigned labels of one channel, axes x, y, z, as CloudVolume's `compresso` encoding stores them.
/// Decodes only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compresso;

/// The extent in x, y and z, where the codec can hold such chunks.
fn extent(spec: &ChunkSpec) -> Result<[usize; 3]> {
    if !matches!(spec.dtype, DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64) {
        return Err(Error::invalid(format!("compresso holds unsigned integers, not {}", spec.dtype)));
    }
    spec.byte_len()?;
    match spec.shape[..] {
        [x, y, z] | [x, y, z, 1] if [x, y, z].iter().all(|&length| length <= usize::from(u16::MAX)) => {
            Ok([x, y, z])
        }
        _ => Err(Error::invalid(format!(
            "compresso holds chunks of one channel and axes x, y, z up to 65535, not of shape {:?}",
            &spec.shape[..]
        ))),
    }
}

impl ArrayCodec for Compresso {
    fn name(&self) -> &'static str {
        "compresso"
    }

    fn config(&self) -> Config {
        Config::new(self.name())
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        extent(spec).map(drop)
    }

    fn encode(&self, _chunk: &View<'_>, _spec: &ChunkSpec, _out: &mut Vec<u8>) -> Result<()> {
        Err(Error::unsupported("compresso is only read; write labels as compressed_segmentation"))
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        let shape = extent(spec)?;
        if region.count.contains(&0) {
            return Ok(());
        }
        match spec.dtype.size() {
            1 => decode::<1>(bytes, shape, spec, region, out)?,
            2 => decode::<2>(bytes, shape, spec, region, out)?,
            4 => decode::<4>(bytes, shape, spec, region, out)?,
            _ => decode::<8>(bytes, shape, spec, region, out)?,
        }
        if cfg!(target_endian = "big") {
            out.swap_bytes(spec.dtype.size());
        }
        Ok(())
    }

    /// An id and two locations for each element, two windows of 64 bits, and the z index.
    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        let Ok([x, y, z]) = extent(spec) else { return 0 };
        (x * y * z).saturating_mul(3 * spec.dtype.size() + 16).saturating_add(stream::HEADER + 16 * z)
    }
}

/// Decodes the slices that meet the region, or all where they depend on each other.
fn decode<const N: usize>(
    bytes: &[u8],
    shape: [usize; 3],
    spec: &ChunkSpec,
    region: &Region,
    out: &mut ViewMut<'_>,
) -> Result<()> {
    let stream = Stream::<N>::parse(bytes, shape)?;
    let slices = if stream.has_index() { region.start[2]..region.end(2) } else { 0..shape[2] };
    let (mut spec, mut region) = (spec.clone(), region.clone());
    spec.shape[2] = slices.len();
    region.start[2] -= slices.start;
    decode_whole(&spec, &region, Order::Fortran, out, |labels| {
        let labels = labels.as_chunks_mut().0;
        with_scratch(|scratch| {
            let boundary = first_bytes(scratch, labels.len());
            stream.boundary(&slices, boundary)?;
            decode_components(&stream, &slices, boundary, labels)?;
            Locations { stream: &stream, boundary, labels }.decode(&slices)
        })
    })
}

/// Gives all elements off the boundary their labels.
fn decode_components<const N: usize>(
    stream: &Stream<'_, N>,
    slices: &Range<usize>,
    boundary: &[u8],
    labels: &mut [[u8; N]],
) -> Result<()> {
    let [nx, ny, _] = stream.shape;
    let mut id = stream.first_id(slices.start)?;
    let mut components = Components::default();
    let group = nx * ny * if stream.connectivity == Connectivity::Six { slices.len() } else { 1 };
    for (boundary, labels) in boundary.chunks_exact(group).zip(labels.chunks_exact_mut(group)) {
        components.find(boundary, nx, ny);
        let count = components.each(|component, run| {
            let label = stream.ids.get(id + component).ok_or_else(|| inconsistent("ids"))?;
            labels[run].fill(*label);
            Ok(())
        })?;
        id += count;
    }
    let all = slices.len() == stream.shape[2];
    if all && id != stream.ids.len() { Err(inconsistent("ids")) } else { Ok(()) }
}

/// The state of giving the elements on the boundary their labels.
struct Locations<'a, 's, const N: usize> {
    stream: &'a Stream<'s, N>,
    /// Nonzero on the boundary.
    boundary: &'a [u8],
    labels: &'a mut [[u8; N]],
}

impl<const N: usize> Locations<'_, '_, N> {
    fn decode(&mut self, slices: &Range<usize>) -> Result<()> {
        let [nx, ny, _] = self.stream.shape;
        let mut next = self.stream.first_location(slices.start)?;
        for z in 0..slices.len() {
            for y in 0..ny {
                let start = nx * (y + ny * z);
                let mut x = 0;
                while let Some(skip) = self.boundary[start + x..start + nx].iter().position(|&on| on != 0) {
                    x += skip;
                    self.element([x, y, z], start + x, slices.len(), &mut next)?;
                    x += 1;
                }
            }
        }
        let all = slices.len() == self.stream.shape[2];
        if all && next != self.stream.locations.len() { Err(inconsistent("locations")) } else { Ok(()) }
    }

    /// Labels the boundary element number `at`, at coordinates `[x, y, z]`.
    fn element(&mut self, [x, y, z]: [usize; 3], at: usize, nz: usize, next: &mut usize) -> Result<()> {
        let [nx, ny, _] = self.stream.shape;
        let slice = nx * ny;
        let deep = self.stream.connectivity == Connectivity::Six;
        for (exists, step) in [(x > 0, 1), (y > 0, nx), (deep && z > 0, slice)] {
            if exists && self.boundary[at - step] == 0 {
                self.labels[at] = self.labels[at - step];
                return Ok(());
            }
        }
        let code = self.location(next)?;
        let (exists, neighbour) = match number(code) {
            0 => (x > 0, at.wrapping_sub(1)),
            1 => (x + 1 < nx, at + 1),
            2 => (y > 0, at.wrapping_sub(nx)),
            3 => (y + 1 < ny, at + nx),
            4 => (z > 0 && !self.stream.has_index(), at.wrapping_sub(slice)),
            5 => (z + 1 < nz && !self.stream.has_index(), at + slice),
            6 => {
                self.labels[at] = self.location(next)?;
                return Ok(());
            }
            label => {
                self.labels[at] = std::array::from_fn(|i| ((label - 7) >> (8 * i)) as u8);
                return Ok(());
            }
        };
        if !exists || self.boundary[neighbour] != 0 {
            return Err(inconsistent("locations"));
        }
        self.labels[at] = self.labels[neighbour];
        Ok(())
    }

    fn location(&self, next: &mut usize) -> Result<[u8; N]> {
        let location = self.stream.locations.get(*next).ok_or_else(|| inconsistent("locations"))?;
        *next += 1;
        Ok(*location)
    }
}

#[cfg(test)]
mod tests;
