//! What is made of what, and how boxes of levels lie in memory.

use ndarray::{ArrayViewD, IxDyn, ShapeBuilder};

use crate::array::{Array, ChunkSet};
use crate::base::buffer::{Order, refresh};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::jobs::pyramid::kernel::Kernel;
use crate::jobs::pyramid::levels::{Level, Levels, made_of};
use crate::jobs::pyramid::options::Downsampling;
use crate::jobs::pyramid::spare::Spare;
use crate::jobs::pyramid::voxel::Voxel;
use crate::jobs::pyramid::windows::{Along, Counts, Place, Windows};
use crate::store::NEAR;

/// A source, the levels that are made of it, and by what.
pub(super) struct Making<'a, T, K> {
    pub(super) levels: &'a Levels,
    pub(super) method: Downsampling,
    pub(super) kernel: &'a K,
    pub(super) fill: T,
    /// What is stored of the source, if that is known.
    pub(super) stored: Option<ChunkSet>,
    pub(super) order: Order,
    /// The most bytes of the source that are read at once.
    pub(super) piece: u64,
    /// The most bytes of encoded chunks that wait for their shards to be written, of each level and unit.
    pub(super) waiting: u64,
}

impl<T: Voxel, K: Kernel<T>> Making<'_, T, K> {
    /// Writes what cells of a box of a level become to an array of it, by way of memory that was used before.
    pub(super) fn write(
        &self,
        (array, part): (&Array, &Domain),
        (cells, counts): (&K::Cells, &Counts),
        memory: &Spare<Vec<T>>,
    ) -> Result<()> {
        let mut elements = memory.take();
        elements.resize(part.checked_len()? as usize, self.fill);
        self.kernel.finish(cells, counts, &mut elements);
        let shape: Vec<usize> = part.shape().iter().map(|&length| length as usize).collect();
        let shape = IxDyn(&shape);
        let shape = if self.order == Order::Fortran { shape.f() } else { shape.into_shape_with_order() };
        let view =
            ArrayViewD::from_shape(shape, &elements).map_err(|error| Error::invalid(error.to_string()))?;
        array.write(part.origin(), view)?;
        memory.give(elements);
        Ok(())
    }
}

impl<T: Voxel, K> Making<'_, T, K> {
    /// Lends the elements of a box of the source, in memory that was used before.
    pub(super) fn with_elements(
        &self,
        (source, from): (&Array, &Domain),
        memory: &Spare<Vec<T>>,
        work: impl FnOnce(&[T]) -> Result<()>,
    ) -> Result<()> {
        let mut elements = memory.take();
        let shape: Dims<usize> = from.shape().iter().map(|&length| length as usize).collect();
        refresh(&mut elements, &shape, self.order, |out| source.read_into(from, out))?;
        work(&elements)?;
        memory.give(elements);
        Ok(())
    }
}

impl<T, K> Making<'_, T, K> {
    /// In the order in which memory has axes.
    pub(super) fn c_order<V>(&self, axes: impl DoubleEndedIterator<Item = V>) -> Dims<V> {
        match self.order {
            Order::C => axes.collect(),
            Order::Fortran => axes.rev().collect(),
        }
    }

    pub(super) fn shape(&self, part: &Domain) -> Dims<usize> {
        self.c_order(part.shape().iter().map(|&length| length as usize))
    }

    /// How elements of `fine` become those of `coarse`.
    pub(super) fn windows(&self, fine: &Domain, coarse: &Domain, factor: &[u64]) -> Windows {
        let axes: Vec<Along> = fine
            .ranges()
            .zip(coarse.ranges())
            .zip(factor)
            .map(|((fine, coarse), &factor)| Along::of(&fine, &coarse, factor))
            .collect();
        Windows { shape: self.shape(fine), along: self.c_order(axes.into_iter()) }
    }

    pub(super) fn counts(&self, level: &Level, part: &Domain) -> Counts {
        let ranges = |domain: &Domain| self.c_order(domain.ranges().collect::<Vec<_>>().into_iter());
        let factor = self.c_order(level.factor.iter().copied());
        Counts::of(&ranges(self.levels.source.domain()), &ranges(part), &factor)
    }

    /// Where a box lies in another one, in the order of memory.
    pub(super) fn place(&self, part: &Domain, whole: &Domain) -> Dims<usize> {
        let axes = part.origin().iter().zip(whole.origin());
        self.c_order(axes.map(|(one, other)| (one - other) as usize).collect::<Vec<_>>().into_iter())
    }

    /// Whether several requests to the source cost as little as one, and its chunks lie in no shards.
    pub(super) fn is_near(&self) -> bool {
        let source = &self.levels.source;
        source.store().request_cost() <= NEAR && source.shard_shape().is_none()
    }

    /// The place of a box in another one.
    pub(super) fn within(&self, part: &Domain, whole: &Domain) -> Place {
        Place { whole: self.shape(whole), at: self.place(part, whole) }
    }

    /// The box of the source that a box of a level is made of.
    pub(super) fn source_of(&self, level: &Level, part: &Domain) -> Result<Domain> {
        Ok(made_of(part, level.factor.iter().copied())?.intersect(self.levels.source.domain()))
    }
}
