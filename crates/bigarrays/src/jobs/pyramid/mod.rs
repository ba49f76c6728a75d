//! Pyramids: coarser scales of a layer, each exact from the finest, in one pass over it.
//!
//! Chunks of all levels are a tree: a chunk is made of those of the level before that lie within it. Its leaves are worked off in the
//! order of the tree, so that of each level few chunks are open at once. What a leaf is made of, cells of sums, counts or values,
//! goes on to the level above until that is whole.

mod beside;
mod coarsen;
mod kept;
mod kernel;
mod levels;
mod lines;
mod making;
mod mean;
mod options;
mod pass;
mod pick;
mod run;
mod stages;
mod tally;
mod tree;
mod voxel;
mod windows;

use std::marker::PhantomData;

use crate::array::Array;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::Number;
use crate::for_dtype;

pub use beside::{KeptLevel, KeptLevels};
pub use coarsen::coarsen;
use kernel::Kernel;
use levels::Levels;
use mean::Mean;
pub use options::{Downsampling, MadeLevel, Pyramid, PyramidOptions, StorageOf, Units, Work};
use pick::{Extreme, Stride};
use run::Run;
use tally::{Take, Tally};
use voxel::{Small, Voxel, Wide};

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
    of_levels(levels, method, options)
}

/// Makes levels, of elements of whatever type.
///
/// # Errors
/// As [`pyramid`].
fn of_levels(levels: Levels, method: Downsampling, options: &PyramidOptions<'_>) -> Result<Pyramid> {
    let (dtype, url) = (levels.source.dtype(), levels.source.url().to_owned());
    let none = |other: DataType| Error::unsupported(format!("downsampling {other} elements")).at(url);
    for_dtype!(dtype, T => {
        let ignore = options.ignore.map(element::<T>).transpose()?;
        match method {
            Downsampling::Mean if levels.largest() <= T::SMALL => {
                made(levels, method, &Mean { ignore, width: PhantomData::<Small> }, options)
            }
            Downsampling::Mean => made(levels, method, &Mean { ignore, width: PhantomData::<Wide> }, options),
            Downsampling::Mode => made(levels, method, &Tally { take: Take::Mode, ignore }, options),
            Downsampling::Median => made(levels, method, &Tally { take: Take::Median, ignore }, options),
            Downsampling::Min => made(levels, method, &Extreme { is_largest: false, ignore }, options),
            Downsampling::Max => made(levels, method, &Extreme { is_largest: true, ignore }, options),
            Downsampling::Stride => made::<T, _>(levels, method, &Stride, options),
        }
    }, other => Err(none(other)))
}

fn element<T: Voxel>(number: Number) -> Result<T> {
    let mut bytes = [0; 8];
    number.write(T::DTYPE, &mut bytes[..size_of::<T>()])?;
    Ok(T::of_bytes(&bytes[..size_of::<T>()]))
}

fn made<T: Voxel, K: Kernel<T>>(
    levels: Levels,
    method: Downsampling,
    kernel: &K,
    options: &PyramidOptions<'_>,
) -> Result<Pyramid> {
    let mut run = Run::new(&levels, method, kernel, options)?;
    let (passes, units, peak_memory) = (run.passes(), run.units(), run.peak_memory());
    let nothing = Pyramid { levels: Vec::new(), method, passes, units, peak_memory };
    match options.work {
        Work::Plan(_) => return Ok(nothing),
        Work::Share { .. } => {
            run.run()?;
            return Ok(nothing);
        }
        Work::List(_) => {}
        Work::All => {
            // Whoever finds chunks of scales that nobody lists has to know whose they are.
            options.journal.map_or(Ok(()), |journal| run.begin(journal))?;
            run.run()?;
        }
    }
    let list = |level: &levels::Level| -> Result<MadeLevel> {
        let array = match &level.spec {
            Some(spec) => levels.source.list_scale(spec)?,
            None => level.array.clone(),
        };
        let key = array.scales().get(array.scale()).map_or_else(String::new, |scale| scale.key.clone());
        Ok(MadeLevel { key, factor: level.factor.clone(), domain: array.domain().clone() })
    };
    let levels = levels.levels.iter().map(list).collect::<Result<_>>()?;
    Ok(Pyramid { levels, ..nothing })
}
