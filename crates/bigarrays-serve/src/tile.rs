//! The elements of a tile.

use bigarrays::base::buffer::{Order, Region, View};
use bigarrays::base::domain::Domain;
use bigarrays::{Error, ErrorKind, Result};

use crate::coarser::{exact, sampled};
use crate::convert::texts;
use crate::layer::Served;
use crate::level::{Box3, Level, Making};
use crate::volume::Volume;

/// The elements of a box of a level, as they are stored: x the fastest, then y, z and channels.
///
/// # Errors
/// Those of reading.
pub(crate) fn elements(layer: &Served, level: usize, at: &[i64], part: &Box3) -> Result<Vec<u8>> {
    let level = &layer.levels[level];
    if let Some(kept) = level.kept_elements(at, part)? {
        return Ok(kept);
    }
    let seen = level.seen(at)?;
    match level.making {
        Making::Stored => seen.read(&level.part(part)?),
        Making::Coarsened => exact(level, &seen, part, layer.labels),
        Making::Sampled(thin) => sampled(level, &seen, part, thin),
    }
}

/// A tile as it is stored; nothing if it is not.
///
/// # Errors
/// Those of reading, and of decoding it.
pub(crate) fn stored(level: &Level, part: &Box3) -> Result<Vec<u8>> {
    let Volume::Stored(array) = &level.volume else { return Ok(Vec::new()) };
    Ok(array.encoded_chunk(&level.part(part)?)?.unwrap_or_default())
}

/// The element of the array itself, of all channels, at coordinates of the axes that are shown, and of the others.
///
/// # Errors
/// `InvalidArgument` if it lies outside; those of reading.
pub(crate) fn value(layer: &Served, at: &[i64]) -> Result<Vec<String>> {
    let level = &layer.levels[0];
    let Some((place, at)) = at.split_at_checked(3) else {
        return Err(Error::invalid("coordinates of fewer axes"));
    };
    level.expect_within(at)?;
    if !place.iter().zip(&level.domain).all(|(at, range)| range.contains(at)) {
        return Err(Error::invalid("coordinates outside of the array"));
    }
    let part = [0, 1, 2].map(|axis: usize| place[axis]..place[axis] + 1);
    let (seen, part) = (level.seen(at)?, level.part(&part)?);
    let limit = layer.limit();
    // It is a part of a tile.
    let bytes = if layer.cost > limit { seen.cut(&part)?.planned_bytes()? } else { 0 };
    if bytes > limit {
        let reason =
            format!("{bytes} bytes have to be read for one element, more than the {limit} that it may be");
        return Err(Error::new(ErrorKind::MemoryBudget, reason));
    }
    Ok(texts(&seen.read(&part)?, layer.shown.from))
}

/// The elements of a tile, cut out of those of the block that it lies in.
///
/// # Errors
/// `InvalidArgument` if it does not lie there.
pub(crate) fn cut(level: &Level, elements: &[u8], block: &Box3, part: &Box3) -> Result<Vec<u8>> {
    let (whole, part) = (level.part(block)?, level.part(part)?);
    if !whole.contains(&part) {
        return Err(Error::invalid(format!("a tile {part} of a block {whole}")));
    }
    let lengths = |domain: &Domain| domain.shape().iter().map(|&length| length as usize).collect::<Vec<_>>();
    let view = View::dense(elements, &lengths(&whole), level.volume.dtype().size(), Order::Fortran)?;
    let start = part.origin().iter().zip(whole.origin()).map(|(at, first)| at.abs_diff(*first) as usize);
    let count = lengths(&part);
    let region = Region {
        start: start.collect(),
        step: count.iter().map(|_| 1).collect(),
        count: count.into_iter().collect(),
    };
    let mut out = Vec::new();
    view.region(&region).append_to(Order::Fortran, &mut out)?;
    Ok(out)
}
