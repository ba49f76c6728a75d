//! The chunks of what a pass reads.

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::held::NAME as HELD;
use crate::compute::inputs::{Compiled, Input, Leaf};
use crate::compute::mapping::Pick;

/// The first coordinate and length of chunks along each axis, and the bytes of one.
pub(crate) type Grid = (Dims<(i64, u64)>, u64);

/// The one of `all` whose chunks have the most bytes, the first of several, and these chunks.
pub(super) fn largest<T, G>(
    all: impl IntoIterator<Item = T>,
    mut grid: impl FnMut(&T) -> Result<Option<(G, u64)>>,
) -> Result<Option<(T, (G, u64))>> {
    let mut found: Option<(T, (G, u64))> = None;
    for one in all {
        if let Some(grid) = grid(&one)?
            && found.as_ref().is_none_or(|(_, known)| grid.1 > known.1)
        {
            found = Some((one, grid));
        }
    }
    Ok(found)
}

impl Compiled {
    /// The most bytes of a chunk of what is stored.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        let foreign = self.inputs.iter().filter_map(|input| input.grid().ok()?).map(|grid| grid.1);
        self.arrays().into_iter().map(|array| array.layout().chunk_bytes()).chain(foreign).max().unwrap_or(0)
    }
}

impl Input {
    /// The chunks that are read, if any are.
    pub(crate) fn grid(&self) -> Result<Option<Grid>> {
        self.leaf.grid(&self.domain)
    }

    /// The order of elements that is read the fastest; `None` if all are.
    pub(crate) fn order(&self) -> Option<Order> {
        self.leaf.order()
    }
}

impl Leaf {
    fn order(&self) -> Option<Order> {
        match self {
            Self::Array(array) if array.format() != HELD => Some(array.order()),
            Self::Array(_) | Self::Pending => None,
            Self::View(mapping, of) if mapping.picks.iter().map(Pick::axis).is_sorted() => of.order(),
            _ => Some(Order::C),
        }
    }

    fn grid(&self, domain: &Domain) -> Result<Option<Grid>> {
        Ok(match self {
            Self::Array(array) if array.format() != HELD => {
                Some((array.chunk_grid()?, array.layout().chunk_bytes()))
            }
            Self::Array(_) | Self::Pending => None,
            Self::Foreign(source) => source.grid().map(|grid| (grid, source.chunk_bytes())),
            Self::Windows(of, number, inputs) => {
                let largest =
                    largest(inputs.iter().enumerate(), |(_, input)| input.leaf.grid(&input.domain))?;
                largest.map(|((at, input), (grid, bytes))| {
                    (of.grid(*number, at, (&grid, &input.domain), domain), bytes)
                })
            }
            Self::View(mapping, of) => {
                of.grid(domain)?.map(|(grid, bytes)| (mapping.visible_grid(&grid), bytes))
            }
            Self::Join(parts) => largest(parts, |(domain, leaf)| leaf.grid(domain))?.map(|(_, grid)| grid),
            Self::Computed(compiled, _) => {
                let largest = largest(&compiled.inputs, |input| input.grid())?;
                largest.map(|(input, (grid, bytes))| (widened(&grid, input, domain), bytes))
            }
        })
    }
}

/// The chunks along the axes of `domain`, of which an input has the last ones.
fn widened(grid: &[(i64, u64)], input: &Input, domain: &Domain) -> Dims<(i64, u64)> {
    let whole = |axis: usize| (domain.origin()[axis], domain.shape()[axis].max(1));
    let own = |axis: usize| {
        let own = (axis + grid.len()).checked_sub(domain.ndim())?;
        (!input.repeats(own, domain.shape()[axis])).then(|| grid[own])
    };
    (0..domain.ndim()).map(|axis| own(axis).unwrap_or_else(|| whole(axis))).collect()
}
