//! Removing scales of a layer that stays.

use super::address::Address;
use super::operations::{context, open};
use super::registry;
use super::scale::ScaleSelector;
use super::traits::FormatOptions;
use crate::base::error::{Error, Result};

/// Removes scales of the layer at `address`, the coarsest first, and returns their keys. Each is marked as incomplete before its
/// chunks are removed, so that nobody reads a half of it, and leaves the list of scales at the end: what is stopped is finished by
/// the same call. The finest scale stays.
///
/// ```
/// use bigarrays::format::{FormatOptions, remove_scales};
/// use bigarrays::jobs::{PyramidOptions, pyramid};
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let image = OpenOptions::new().create("memory://scales", &CreateSpec::new(DataType::U8, "0:8,0:8,0:8".parse()?))?;
/// pyramid(&image, &PyramidOptions { levels: Some(2), ..PyramidOptions::default() })?;
/// assert_eq!(remove_scales("memory://scales", &[1.into()], &FormatOptions::default())?, ["2_2_2"]);
/// let keys: Vec<String> =
///     OpenOptions::new().open("memory://scales")?.scales().iter().map(|scale| scale.key.clone()).collect();
/// assert_eq!(keys, ["1_1_1", "4_4_4"]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `NotFound` for a scale that there is not; `InvalidArgument` for the finest, or where the format keeps scales by their numbers for one
/// that is followed by others; then nothing is removed. `Unsupported` if the format has no scales.
pub fn remove_scales<'a>(
    address: impl Into<Address<'a>>,
    scales: &[ScaleSelector],
    options: &FormatOptions,
) -> Result<Vec<String>> {
    let address = address.into();
    let removed = || {
        let opened = open(address, &FormatOptions { incomplete: true, ..options.clone() })?;
        let format = registry::by_name(opened.format)?;
        let cannot = || Error::unsupported(format!("removing scales of {} arrays", format.name()));
        let (removes, of_scales) = format.removes().zip(format.scales()).ok_or_else(cannot)?;
        let mut positions: Vec<usize> =
            scales.iter().map(|scale| scale.find(&opened.scales)).collect::<Result<_>>()?;
        positions.sort_unstable();
        positions.dedup();
        if positions.first() == Some(&0) {
            let reason = "the finest scale is what the others are made of; remove the layer instead";
            return Err(Error::invalid(reason));
        }
        let is_end = opened.scales.len() - positions.len() == positions.first().copied().unwrap_or_default();
        if of_scales.removes_the_last() && !positions.is_empty() && !is_end {
            let reason = format!("of {} scales, only those at the end can be removed", format.name());
            return Err(Error::invalid(reason));
        }
        let keys = positions.iter().rev().map(|&position| opened.scales[position].key.clone());
        let keys: Vec<String> = keys.collect();
        for key in &keys {
            format.completes().map_or(Ok(()), |completes| completes.mark(&opened.root, key))?;
            removes.remove(&opened.root, Some(&ScaleSelector::Key(key.clone())))?;
        }
        Ok(keys)
    };
    removed().map_err(context("removing scales of", address))
}
