//! What is copied: the scales of the source, and a box of each.

use bigarrays::format::ScaleSelector;
use bigarrays::{Array, Domain, Result};

use crate::commands::copy::args::CopyArgs;
use crate::commands::mapped::whole_channels;
use crate::session::Session;

/// One call of the command.
pub(super) struct Copier<'a> {
    pub(super) args: &'a CopyArgs,
    pub(super) session: &'a Session,
}

impl Copier<'_> {
    /// Opens a scale of the source.
    pub(super) fn source(&self, scale: &ScaleSelector) -> Result<Array> {
        let options = self.session.open().cache(self.args.cache.options()?);
        options.scale(scale.clone()).read_only(true).open(&self.args.source)
    }

    /// The scales to be copied and the box of each, if one is asked for.
    pub(super) fn scales(&self) -> Result<Vec<(ScaleSelector, Option<Domain>)>> {
        let what = &self.args.what;
        let selectors = match what.all_scales {
            true => {
                (0..self.source(&ScaleSelector::default())?.scales().len().max(1)).map(Into::into).collect()
            }
            false => what.scale.clone(),
        };
        let Some(part) = &what.part else {
            return Ok(selectors.into_iter().map(|selector| (selector, None)).collect());
        };
        let first = self.source(&selectors[0])?;
        let part = whole_channels(part, &first)?;
        let scaled = |selector: ScaleSelector| {
            let part = coarser(&part, &first, &self.source(&selector)?)?;
            Ok((selector, Some(part)))
        };
        selectors.into_iter().map(scaled).collect()
    }
}

/// The box of `array` that covers what `part` covers of `fine`; where that is inside, it is here.
fn coarser(part: &Domain, fine: &Array, array: &Array) -> Result<Domain> {
    let factor = |axis: usize| match (fine.resolution(), array.resolution()) {
        (Some(fine), Some(own)) => fine.size[axis] / own.size[axis],
        _ => 1.0,
    };
    let scaled = |(axis, range): (usize, std::ops::Range<i64>)| match factor(axis) {
        1.0 => range,
        factor => {
            // Sizes are decimal fractions: 0.1 / 0.3 is meant to be a third.
            let at = |place: i64, end: f64| place as f64 * factor + end * 1e-6;
            (at(range.start, 1.0).floor() as i64)..(at(range.end, -1.0).ceil() as i64)
        }
    };
    let covering = Domain::from_ranges(&part.ranges().enumerate().map(scaled).collect::<Vec<_>>())?;
    Ok(if fine.domain().contains(part) { covering.intersect(array.domain()) } else { covering })
}
