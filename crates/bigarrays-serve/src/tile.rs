//! The elements of a tile.

use bigarrays::Result;

use crate::coarser::{exact, sampled};
use crate::layer::Served;
use crate::level::{Box3, Making};

/// The elements of a tile of a level, as they are sent: x the fastest, then y, z and channels.
///
/// # Errors
/// Those of reading.
pub(crate) fn tile(layer: &Served, level: usize, at: &[i64], part: &Box3) -> Result<Vec<u8>> {
    let level = &layer.levels[level];
    let mut all = vec![0; level.volume.domain().ndim()];
    level.axes.others.iter().zip(at).for_each(|(&axis, &at)| all[axis] = at);
    let seen = level.volume.seen(&level.axes.of_tile(), &all)?;
    let elements = match level.making {
        Making::Stored => seen.read(&level.part(part)?)?,
        Making::Coarsened => exact(level, &seen, part, layer.labels)?,
        Making::Sampled(thin) => sampled(level, &seen, part, thin)?,
    };
    Ok(layer.shown.convert(elements))
}
