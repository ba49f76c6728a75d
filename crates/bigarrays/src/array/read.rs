//! Reading: selection → chunks → store → codecs → output.

use super::Stored;
use super::view::StoredAxis;
use crate::buffer::{Region, SharedViewMut, ViewMut};
use crate::domain::Dims;
use crate::error::{Error, ErrorKind, Result};
use crate::grid::{AxisSelection, ChunkProjection};
use crate::layout::Layout;
use crate::store::{Blob, Get};

/// Chunks requested at once: bounds the memory for requests of reads of any size.
const BATCH: usize = 1 << 14;

/// Reads the stored coordinates of `axes` into `out`, whose axes are the stored ones.
pub(super) fn read(stored: &Stored, axes: &[StoredAxis], mut out: ViewMut<'_>) -> Result<()> {
    let layout = &stored.layout;
    let mut inside: Dims<AxisSelection> = Dims::new();
    let mut within = Region::whole(out.shape());
    for (axis, wanted) in axes.iter().enumerate() {
        if wanted.step < 0 {
            out = out.reversed(axis);
        }
        let (selection, skipped) = clip(*wanted, &layout.domain().range(axis));
        within.start[axis] = skipped;
        within.count[axis] = selection.count as usize;
        inside.push(selection);
    }
    if !within.is_whole(out.shape()) {
        if stored.options.strict {
            return Err(Error::new(
                ErrorKind::OutOfBounds,
                format!("the box reaches outside the domain {}, and reading is strict", layout.domain()),
            )
            .at(stored.store.location("")));
        }
        fill_around(&mut out, &within, layout.fill.as_bytes());
    }
    if within.count.contains(&0) {
        return Ok(());
    }
    let projection = layout.grid.project_selection(&inside);
    let mut out = out.region(&within);
    let out = out.share();
    let total = projection.len();
    for first in (0..total).step_by(BATCH) {
        let parts: Vec<ChunkProjection> =
            (first..total.min(first + BATCH)).map(|k| projection.get(k)).collect();
        read_chunks(stored, &parts, &out)?;
    }
    Ok(())
}

/// The part of `wanted`, taken in ascending order, that lies in `domain`, and how many come before it.
fn clip(wanted: StoredAxis, domain: &std::ops::Range<i64>) -> (AxisSelection, usize) {
    let (step, count) = (wanted.step.unsigned_abs(), wanted.count);
    let reach = count.max(1) - 1;
    // No overflow: the view checked that the last coordinate is one.
    let first = if wanted.step < 0 { wanted.start.wrapping_sub_unsigned(reach * step) } else { wanted.start };
    let before = |bound: i64| if bound > first { bound.abs_diff(first).div_ceil(step).min(count) } else { 0 };
    let (skipped, end) = (before(domain.start), before(domain.end));
    let start = first.wrapping_add_unsigned(skipped.min(reach) * step);
    (AxisSelection { start, count: end.saturating_sub(skipped), step }, skipped as usize)
}

/// Fills what of `out` lies outside the region `within`.
fn fill_around(out: &mut ViewMut<'_>, within: &Region, fill: &[u8]) {
    if within.count.contains(&0) {
        return out.fill(fill);
    }
    let mut slab = Region::whole(out.shape());
    for axis in 0..out.shape().len() {
        let length = out.shape()[axis];
        let (start, end) = (within.start[axis], within.start[axis] + within.count[axis]);
        for part in [0..start, end..length] {
            (slab.start[axis], slab.count[axis]) = (part.start, part.len());
            if !part.is_empty() {
                out.reborrow().region(&slab).fill(fill);
            }
        }
        // What is left lies inside on this axis.
        (slab.start[axis], slab.count[axis]) = (start, end - start);
    }
}

fn read_chunks(stored: &Stored, parts: &[ChunkProjection], out: &SharedViewMut<'_>) -> Result<()> {
    let layout = &stored.layout;
    let requests: Vec<Get> = parts
        .iter()
        .map(|part| Get { key: layout.chunk_key(&part.index), ranges: layout.ranges(part) })
        .collect();
    stored
        .store
        .get_many(&requests, &|position, blob| {
            let part = &parts[position];
            // SAFETY: the parts of a projection are disjoint, and each is handed over once.
            let mut out = unsafe { out.region(&part.in_output) };
            let done = match blob {
                Some(blob) => decode(layout, part, blob, &mut out),
                None if stored.options.strict => {
                    Err(Error::new(ErrorKind::NotFound, "the chunk is missing, and reading is strict"))
                }
                None => {
                    out.fill(layout.fill.as_bytes());
                    Ok(())
                }
            };
            done.map_err(|error| {
                error.during("reading chunk").at(stored.store.location(&requests[position].key))
            })
        })
        .map_err(|error| error.during("reading"))
}

/// Decodes what the store sent for `part` into `out`.
pub(super) fn decode(
    layout: &Layout,
    part: &ChunkProjection,
    blob: Blob<'_>,
    out: &mut ViewMut<'_>,
) -> Result<()> {
    let spec = layout.chunk_spec(&part.index);
    if !blob.is_whole {
        return layout.codecs.array().decode_ranges(blob.bytes, &spec, &part.in_chunk, out);
    }
    blob.encoding.with_decoded(blob.bytes, layout.codecs.max_encoded_len(&spec), |bytes| {
        layout.codecs.decode(bytes, &spec, &part.in_chunk, out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_a_strided_axis_keeps_its_phase() {
        let clip = |start, step, count| {
            let (inside, skipped) = clip(StoredAxis { start, step, count, visible: Some(0) }, &(-3..7));
            (inside.start, inside.count, skipped)
        };
        assert_eq!(clip(-3, 1, 10), (-3, 10, 0));
        assert_eq!(clip(-10, 3, 10), (-1, 3, 3));
        assert_eq!(clip(9, -4, 4), (-3, 3, 0));
        assert_eq!(clip(100, 1, 5).1, 0);
        assert_eq!(clip(-100, 1, 5).1, 0);
        assert_eq!(clip(0, 1, 0).1, 0);
    }
}
