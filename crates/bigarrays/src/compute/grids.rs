//! The chunks of what a pass reads.

use std::collections::HashMap;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::chunk::codec::Work;
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
    /// How many elements before and behind a block are read along each axis.
    fn halo(&self) -> Dims<(u64, u64)> {
        let ndim = self.domain.ndim();
        let along = |axis: usize| {
            let all = self.inputs.iter().map(|input| input.halo(axis, ndim));
            all.fold((0, 0), |one: (u64, u64), other| (one.0.max(other.0), one.1.max(other.1)))
        };
        (0..ndim).map(along).collect()
    }

    /// The most bytes that a thread has of a chunk of what is stored: as it is stored and as it is decoded.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        let foreign = self.inputs.iter().filter_map(|input| Some(input.grid().ok()??.1));
        let own = self.arrays().into_iter().map(|array| array.layout().chunk_bytes());
        own.chain(foreign).max().unwrap_or(0).saturating_mul(2)
    }

    /// The most bytes that codecs work in on a thread while it reads.
    pub(crate) fn codec_bytes(&self) -> u64 {
        let own = self.arrays().into_iter().map(|array| array.layout().codec_bytes(Work::Decoding));
        own.max().unwrap_or(0)
    }
}

impl Compiled {
    /// Bytes that what others read is kept in, by themselves.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let mut kept = HashMap::new();
        self.inputs.iter().for_each(|input| input.leaf.collect_kept(&mut kept));
        kept.into_values().fold(0, u64::saturating_add)
    }
}

impl Input {
    /// The chunks that are read, if any are.
    pub(crate) fn grid(&self) -> Result<Option<Grid>> {
        self.leaf.grid()
    }

    /// How many elements before and behind a block of so many axes are read along one.
    pub(crate) fn halo(&self, axis: usize, ndim: usize) -> (u64, u64) {
        let own = (axis + self.domain.ndim()).checked_sub(ndim);
        own.and_then(|own| self.leaf.halo(self.domain.ndim()).get(own).copied()).unwrap_or_default()
    }

    /// How many chunks are read for each of the grid's: those along axes that are needed as a whole.
    pub(crate) fn chunks_of_one(&self) -> Result<u64> {
        self.leaf.chunks_of_one()
    }

    /// The order of elements that is read the fastest; `None` if all are.
    pub(crate) fn order(&self) -> Option<Order> {
        self.leaf.order()
    }
}

impl Leaf {
    /// How many elements before and behind a box of it are read along each of so many axes.
    fn halo(&self, ndim: usize) -> Dims<(u64, u64)> {
        let none = Dims::from_elem((0, 0), ndim);
        match self {
            Self::Array(_) | Self::Foreign(_) | Self::Pending => none,
            Self::Computed(compiled, _) => compiled.halo(),
            Self::View(mapping, of) => mapping.visible_halo(&of.halo(mapping.picks.len())),
            Self::Join(parts) => parts.first().map_or(none, |(_, leaf)| leaf.halo(ndim)),
            Self::Windows(of, number, inputs) => {
                let all = inputs.iter().enumerate();
                let all =
                    all.map(|(at, input)| of.halo(*number, at, &input.leaf.halo(input.domain.ndim()), ndim));
                let both =
                    |(one, other): (&(u64, u64), &(u64, u64))| (one.0.max(other.0), one.1.max(other.1));
                all.fold(none, |one, other| one.iter().zip(&other).map(both).collect())
            }
        }
    }

    /// What each source of others keeps, by its number.
    fn collect_kept(&self, kept: &mut HashMap<usize, u64>) {
        match self {
            Self::Array(_) | Self::Pending => {}
            Self::Foreign(source) => drop(kept.insert(source.id(), source.kept_bytes())),
            Self::View(_, of) => of.collect_kept(kept),
            Self::Join(parts) => parts.iter().for_each(|part| part.1.collect_kept(kept)),
            Self::Computed(compiled, _) => {
                compiled.inputs.iter().for_each(|input| input.leaf.collect_kept(kept));
            }
            Self::Windows(_, _, inputs) => inputs.iter().for_each(|input| input.leaf.collect_kept(kept)),
        }
    }

    fn order(&self) -> Option<Order> {
        match self {
            Self::Array(array) if array.format() != HELD => Some(array.order()),
            Self::Array(_) | Self::Pending => None,
            Self::View(mapping, of) if mapping.picks.iter().map(Pick::axis).is_sorted() => of.order(),
            _ => Some(Order::C),
        }
    }

    fn chunks_of_one(&self) -> Result<u64> {
        Ok(match self {
            Self::View(_, of) => of.chunks_of_one()?,
            Self::Windows(of, _, inputs) => {
                let largest = largest(inputs.iter().enumerate(), |(_, input)| input.leaf.grid())?;
                match largest {
                    Some(((at, input), (grid, _))) => {
                        of.chunks_along(at, &grid, &input.domain).saturating_mul(input.leaf.chunks_of_one()?)
                    }
                    None => 1,
                }
            }
            _ => 1,
        })
    }

    fn grid(&self) -> Result<Option<Grid>> {
        Ok(match self {
            Self::Array(array) if array.format() != HELD => {
                Some((array.chunk_grid()?, array.layout().chunk_bytes()))
            }
            Self::Array(_) | Self::Pending => None,
            Self::Foreign(source) => source.grid().map(|grid| (grid, source.chunk_bytes())),
            Self::Windows(of, number, inputs) => {
                let largest = largest(inputs.iter().enumerate(), |(_, input)| input.leaf.grid())?;
                largest
                    .map(|((at, input), (grid, bytes))| (of.grid(*number, at, (&grid, &input.domain)), bytes))
            }
            Self::View(mapping, of) => of.grid()?.map(|(grid, bytes)| (mapping.visible_grid(&grid), bytes)),
            Self::Join(parts) => largest(parts, |part| part.1.grid())?.map(|(_, grid)| grid),
            Self::Computed(compiled, _) => {
                let largest = largest(&compiled.inputs, |input| input.grid())?;
                largest.map(|(input, (grid, bytes))| (widened(&grid, input, &compiled.domain), bytes))
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
