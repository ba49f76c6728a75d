//! The chunks that what an expression is of suggests for it.

use std::collections::HashMap;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::grids::{Grid, largest};
use crate::compute::held;
use crate::compute::infer::{axis_of, is_repeated};

impl Lazy {
    /// The lengths of boxes of the elements that need whole chunks of what they are of: of that whose chunks are the largest,
    /// along the axes that are left of it. `None` if nothing of it has chunks.
    ///
    /// # Errors
    /// Those of views of arrays.
    pub fn chunk_shape(&self) -> Result<Option<Dims<u64>>> {
        let shape = self.domain().shape();
        let found = Walk::default().grid(self)?;
        let clipped = |(&(_, length), &axis): (&(i64, u64), &u64)| length.min(axis).max(1);
        Ok(found.map(|(grid, _)| grid.iter().zip(shape).map(clipped).collect()))
    }
}

/// The chunks that an expression suggests: where they begin and how long they are along each axis.
///
/// # Errors
/// Those of views of arrays.
pub(super) fn grid_of(lazy: &Lazy) -> Result<Option<Dims<(i64, u64)>>> {
    Ok(Walk::default().grid(lazy)?.map(|(grid, _)| grid))
}

/// A walk down an expression.
#[derive(Default)]
struct Walk {
    /// What was found of each: it may be an operand of several.
    known: HashMap<usize, Option<Grid>>,
}

impl Walk {
    fn grid(&mut self, lazy: &Lazy) -> Result<Option<Grid>> {
        if let Some(known) = self.known.get(&lazy.id()) {
            return Ok(known.clone());
        }
        let found = self.grid_anew(lazy)?;
        self.known.insert(lazy.id(), found.clone());
        Ok(found)
    }

    fn grid_anew(&mut self, lazy: &Lazy) -> Result<Option<Grid>> {
        Ok(match lazy.kind() {
            Kind::Source(array) if array.format() == held::NAME => None,
            Kind::Source(array) => Some((array.chunk_grid()?, array.layout().chunk_bytes())),
            Kind::Foreign(source) => source.grid().map(|grid| (grid, source.chunk_bytes())),
            Kind::Pending(_) | Kind::Constant(_) => None,
            Kind::Convert(of) | Kind::Cast(of, _) => self.grid(of)?,
            Kind::Reduce(along, of) => self.grid(of)?.map(|(grid, bytes)| {
                let kept = grid.iter().enumerate().filter(|(axis, _)| !along.axes.contains(axis));
                (kept.map(|(_, chunk)| *chunk).collect(), bytes)
            }),
            Kind::Group(grouping, all) => self.grid(&all[0])?.map(|(grid, bytes)| {
                let kept = grid.iter().enumerate().filter(|(axis, _)| !grouping.by.axes.contains(axis));
                let mut kept: Dims<(i64, u64)> = kept.map(|(_, chunk)| *chunk).collect();
                for (k, &count) in grouping.by.groups.counts.iter().enumerate() {
                    kept.insert(grouping.by.axes[0] + k, (0, count.max(1)));
                }
                (kept, bytes)
            }),
            Kind::View(mapping, of) => {
                self.grid(of)?.map(|(grid, bytes)| (mapping.visible_grid(&grid), bytes))
            }
            Kind::Elementwise(_, all) | Kind::Join(_, all) => {
                let largest = largest(all, |one| self.grid(one))?;
                largest.map(|(one, (grid, bytes))| (widened(&grid, one.domain(), lazy.domain()), bytes))
            }
            Kind::Operation(of, number, all) => {
                let largest = largest(all.iter().enumerate(), |(_, one)| self.grid(one))?;
                largest.map(|((at, one), (grid, bytes))| (of.grid(*number, at, (&grid, one.domain())), bytes))
            }
        })
    }
}

/// The chunks of an operand over `own` along the axes of a result over `domain`.
fn widened(grid: &[(i64, u64)], own: &Domain, domain: &Domain) -> Dims<(i64, u64)> {
    let whole = |axis: usize| (domain.origin()[axis], domain.shape()[axis].max(1));
    let mut found: Dims<(i64, u64)> = (0..domain.ndim()).map(whole).collect();
    for (axis, &chunk) in grid.iter().enumerate() {
        let at = axis_of(axis, grid.len(), domain.ndim());
        if !is_repeated(own.shape()[axis], domain.shape()[at]) {
            found[at] = chunk;
        }
    }
    found
}
