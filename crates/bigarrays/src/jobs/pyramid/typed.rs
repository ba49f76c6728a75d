//! Making levels, of elements of whatever type.

use std::marker::PhantomData;

use super::kernel::Kernel;
use super::levels::{Level, Levels};
use super::mean::Mean;
use super::once;
use super::options::{Downsampling, MadeLevel, Pyramid, PyramidOptions, Work};
use super::pick::{Extreme, Stride};
use super::run::Run;
use super::tally::{Take, Tally};
use super::tree::passes;
use super::voxel::{Small, Voxel, Wide};
use crate::array::{ChunkSet, Listed};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::Number;
use crate::for_dtype;

/// The part of a unit that may be of what a leaf holds.
const UNITS_OF_LEAF: u64 = 4;

/// Makes levels, of elements of whatever type.
///
/// # Errors
/// As [`pyramid`](super::pyramid).
pub(super) fn of_levels(
    levels: Levels,
    method: Downsampling,
    options: &PyramidOptions<'_>,
) -> Result<Pyramid> {
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

/// Takes several chunks of levels for one where that spares reading. Returns what is stored of the source, if that is known and counts.
fn prepared(
    levels: &mut Levels,
    method: Downsampling,
    options: &PyramidOptions<'_>,
    (item, cell): (u64, u64),
) -> Result<Option<ChunkSet>> {
    // What an edit has removed is made anew as well.
    let stored = match options.part {
        Some(_) => None,
        None => match levels.source.listed_chunks()? {
            Listed::All(stored) => Some(stored),
            Listed::Cannot | Listed::TooMuch => None,
        },
    };
    // Of leaves of several chunks, those would be made as well of which nothing is stored.
    let is_full = stored.as_ref().is_none_or(|stored| levels.are_all(stored));
    let is_across = method != Downsampling::Stride && passes(&levels.levels).len() > 1;
    if options.is_cut() && is_full && is_across {
        levels.widen(options.unit_bytes() / UNITS_OF_LEAF, item, cell);
    }
    Ok(stored)
}

fn made<T: Voxel, K: Kernel<T>>(
    mut levels: Levels,
    method: Downsampling,
    kernel: &K,
    options: &PyramidOptions<'_>,
) -> Result<Pyramid> {
    let stored = prepared(&mut levels, method, options, (size_of::<T>() as u64, kernel.bytes()))?;
    let mut run = Run::new((&levels, stored), method, kernel, options)?;
    let (passes, units, peak_memory) = (run.passes(), run.units(), run.peak_memory());
    let nothing = Pyramid { levels: Vec::new(), method, passes, units, peak_memory, was_there: false };
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
    let list = |level: &Level| -> Result<MadeLevel> {
        let array = match &level.spec {
            Some(spec) => levels.source.list_scale(spec)?,
            None => level.array.clone(),
        };
        let key = array.scales().get(array.scale()).map_or_else(String::new, |scale| scale.key.clone());
        Ok(MadeLevel { key, factor: level.factor.clone(), domain: array.domain().clone() })
    };
    let made = levels.levels.iter().map(list).collect::<Result<_>>()?;
    once::note(&levels, method, options)?;
    Ok(Pyramid { levels: made, ..nothing })
}
