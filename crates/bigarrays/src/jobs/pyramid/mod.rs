//! Pyramids: coarser scales of a layer, each exact from the finest, in one pass over it.
//!
//! Chunks of all levels are a tree: a chunk is made of those of the level before that lie within it. Its leaves are worked off in the
//! order of the tree, so that of each level few chunks are open at once. What a leaf is made of, cells of sums, counts or values,
//! goes on to the level above until that is whole.

mod beside;
mod coarsen;
mod flow;
mod joining;
mod kept;
mod kernel;
mod levels;
mod lines;
mod making;
mod mean;
mod once;
mod options;
mod pass;
mod pick;
mod reading;
mod run;
mod seams;
mod shards;
mod spare;
mod stages;
mod tally;
mod tree;
mod typed;
mod voxel;
mod windows;

use crate::array::Array;
use crate::base::error::{Error, Result};

pub use beside::{KeptLevel, KeptLevels};
pub use coarsen::coarsen;
use levels::Levels;
pub use options::{Downsampling, MadeLevel, Pyramid, PyramidOptions, StorageOf, Units, Work};
use typed::of_levels;

/// Makes coarser scales of a layer, of formats that have scales, each exact from `source`, which is one of its scales and is
/// open for writing. Scales are listed once all of their chunks are there. Where nothing is stored, nothing is done.
///
/// ```
/// use bigarrays::jobs::{PyramidOptions, pyramid};
/// use bigarrays::ndarray::Array3;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let options = OpenOptions::new();
/// let image = options.create("memory://pyramid", &CreateSpec::new(DataType::U8, "0:4,0:4,0:4".parse()?))?;
/// image.write(&[0, 0, 0], Array3::<u8>::from_shape_fn((4, 4, 4), |(x, ..)| x as u8 * 2).view())?;
/// let made = pyramid(&image, &PyramidOptions { levels: Some(1), ..PyramidOptions::default() })?;
/// assert_eq!(made.levels[0].key, "2_2_2");
/// let coarse = options.scale(1).open("memory://pyramid")?;
/// assert_eq!(coarse.get::<u8>(&[1, 0, 0])?, 5);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `AlreadyExists` if there are coarser scales; `InvalidArgument` for factors that make no sense; `Unsupported` for formats
/// without scales; `MemoryBudget` before anything is made; `Cancelled`; those of reading and writing.
pub fn pyramid(source: &Array, options: &PyramidOptions<'_>) -> Result<Pyramid> {
    // Scales may have been added or removed since it was opened.
    let fresh = source.open_scale(source.scale())?;
    if source.transform() != fresh.transform() {
        let reason =
            "a view of a scale has no coarser scales; name the scale itself, and a box of it to be made anew";
        return Err(Error::invalid(reason).during("downsampling").at(source.url()));
    }
    let source = &fresh;
    let labels = source.scales().get(source.scale()).is_some_and(|scale| scale.labels);
    let method = options.method.unwrap_or(if labels { Downsampling::Mode } else { Downsampling::Mean });
    let levels = match &options.part {
        Some(part) => Levels::listed(source, method, part)?,
        None => Levels::new(source, method, options)?,
    };
    if levels.are_listed && options.part.is_none() {
        return once::before(&levels, method, options);
    }
    of_levels(levels, method, options)
}
