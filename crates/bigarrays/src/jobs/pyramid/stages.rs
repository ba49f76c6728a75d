//! Stages: which levels are made together, in units that are whole on their own, and which go on from the cells of others.

use super::levels::Level;
use super::tree::{Tree, passes};
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::compute::least_common_multiple;

/// Levels that are made together. Units of a stage can be made in any order, and by different processes.
pub(super) struct Stage<'a> {
    pub(super) tree: Tree<'a>,
    /// The stage from whose cells this one goes on; the others read the source.
    pub(super) after: Option<usize>,
    /// Whether another stage goes on from this one.
    pub(super) is_kept: bool,
}

/// What limits units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The most bytes that a unit is made of, of the source or of cells, unless a chunk or a shard is made of more; if nothing limits
    /// them, all levels that lie within each other are one stage.
    pub(super) unit: Option<u64>,
    /// Whether stages also go on from those that their levels do not lie within.
    pub(super) joins: bool,
    /// Bytes of an element.
    pub(super) element: u64,
    /// Bytes of a cell.
    pub(super) cell: u64,
}

/// The stages of all levels, in an order in which they can be made.
///
/// # Errors
/// `Unsupported` if there are too many chunks.
pub(super) fn stages(levels: &[Level], sizes: Sizes) -> Result<Vec<Stage<'_>>> {
    let mut stages: Vec<Stage<'_>> = Vec::new();
    for pass in passes(levels) {
        let (mut left, mut after) = (pass, stages.len().checked_sub(1).filter(|_| sizes.joins));
        if let Some(before) = after {
            stages[before].is_kept = true;
        }
        while !left.is_empty() {
            let before = after.and_then(|stage: usize| stages[stage].tree.levels.last());
            let (own, rest) = left.split_at(together(left, before, sizes)?);
            let tree = Tree::new(own, &unit_of(own)?)?;
            stages.push(Stage { tree, after, is_kept: !rest.is_empty() });
            (left, after) = (rest, Some(stages.len() - 1));
        }
    }
    Ok(stages)
}

/// How many of the first of some levels make units that are small enough, one at least.
fn together(levels: &[Level], before: Option<&Level>, sizes: Sizes) -> Result<usize> {
    let Some(most) = sizes.unit else { return Ok(levels.len()) };
    let item = if before.is_some() { sizes.cell } else { sizes.element };
    for count in (2..=levels.len()).rev() {
        let (unit, top) = (unit_of(&levels[..count])?, &levels[count - 1]);
        let along = |axis: usize| {
            let length = unit[axis].saturating_mul(top.chunks[axis].1).min(top.active.shape()[axis]);
            length.saturating_mul(top.factor[axis] / before.map_or(1, |before| before.factor[axis]))
        };
        if (0..unit.len()).map(along).fold(item, u64::saturating_mul) <= most {
            return Ok(count);
        }
    }
    Ok(levels.len().min(1))
}

/// How many chunks of the coarsest of some levels a unit has along each axis: whole shards of all of them, or all there are.
fn unit_of(levels: &[Level]) -> Result<Dims<u64>> {
    let Some(top) = levels.last() else { return Err(Error::invalid("no levels")) };
    let mut unit: Dims<u64> = Dims::from_elem(1, top.chunks.len());
    for level in levels.iter().filter(|level| level.array.shard_shape().is_some()) {
        for (axis, (&(_, shard), unit)) in level.array.write_grid()?.iter().zip(&mut unit).enumerate() {
            let wide = top.chunks[axis].1 * (top.factor[axis] / level.factor[axis]);
            let own = least_common_multiple(shard, wide).map(|both| both / wide);
            let all = top.array.shape()[axis].div_ceil(top.chunks[axis].1).max(1);
            *unit = own.and_then(|own| least_common_multiple(*unit, own)).map_or(all, |both| both.min(all));
        }
    }
    Ok(unit)
}
