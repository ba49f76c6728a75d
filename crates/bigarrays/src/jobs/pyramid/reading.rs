//! The cells of leaves: of the source, or of cells that were kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::array::{Array, ChunkSet};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::jobs::pyramid::flow::IN_CACHE;
use crate::jobs::pyramid::joining::{indexes, split};
use crate::jobs::pyramid::kept::Kept;
use crate::jobs::pyramid::kernel::Kernel;
use crate::jobs::pyramid::levels::{Level, domain_of, made_of};
use crate::jobs::pyramid::options::Downsampling;
use crate::jobs::pyramid::pass::{Pass, Unit};
use crate::jobs::pyramid::tree::{Index, Tree, box_at, for_each_index, index_ranges};
use crate::jobs::pyramid::voxel::Voxel;

impl<T: Voxel, K: Kernel<T>> Pass<'_, '_, T, K> {
    /// The cells of a box of the finest level.
    pub(super) fn read(&self, level: &Level, part: &Domain, unit: &Unit) -> Result<K::Cells> {
        let making = self.making;
        let reads = Arc::clone(&unit.reads);
        let source = if self.entries.is_some() {
            self.making.levels.source.with_store(reads)
        } else {
            self.making.levels.source.clone()
        };
        if let Some(fine) = &self.joined {
            return self.read_joined(&source, fine, part);
        }
        let pieces = self.pieces(level, part)?;
        let all = pieces.iter().map(Domain::checked_len).sum::<Result<u64>>()?;
        let mut cells = self.new_cells(0, part, all == part.checked_len()?);
        for piece in pieces {
            let from = making.source_of(level, &piece)?;
            let windows = making.windows(&from, &piece, &level.factor);
            making.with_elements((&source, &from), &self.elements, |elements| {
                making.kernel.read(elements, &windows, &mut cells, &making.within(&piece, part));
                Ok(())
            })?;
        }
        Ok(cells)
    }

    /// The same of boxes of whole chunks of the source, each of which is read once though cells lie across their ends.
    fn read_joined(&self, source: &Array, fine: &Level, part: &Domain) -> Result<K::Cells> {
        let (making, level) = (self.making, &self.tree.levels[0]);
        let (mut cells, mut strips) = (self.new_cells(0, part, false), Vec::new());
        let whole = making.source_of(level, part)?;
        for index in indexes(&index_ranges(&whole, &fine.chunks)) {
            let own = box_at(&index, &fine.chunks)?.intersect(&whole);
            let is_stored = |stored: &ChunkSet| stored.within(&own).map(|own| !own.is_empty());
            if !making.stored.as_ref().map_or(Ok(true), is_stored)? {
                continue;
            }
            let (inner, rest) = split(&own, &fine.active, part, &level.factor)?;
            making.with_elements((source, &own), &self.elements, |elements| {
                if !inner.is_empty() {
                    let windows = making.windows(&own, &inner, &level.factor);
                    making.kernel.read(elements, &windows, &mut cells, &making.within(&inner, part));
                }
                let strip = |place: Domain| (place.clone(), making.strip(elements, &own, &place));
                strips.extend(rest.into_iter().map(strip));
                Ok(())
            })?;
        }
        making.close((fine, &level.factor), part, &mut cells, &strips)?;
        Ok(cells)
    }

    /// The cells of a box of the finest level, of those that an earlier stage has kept.
    pub(super) fn read_kept(
        &self,
        level: &Level,
        part: &Domain,
        (finer, kept): (&Tree<'_>, &Kept),
    ) -> Result<K::Cells> {
        let (making, at) = (self.making, finer.levels.len() - 1);
        let (fine, ones) = (&finer.levels[at], vec![1u64; part.ndim()]);
        let (mut cells, mut strips) = (self.new_cells(0, part, false), Vec::new());
        for chunk in finer.chunks_in(at, &made_of(part, level.step.iter().copied())?) {
            let Some(own) = finer.part(at, &chunk) else { continue };
            let count =
                usize::try_from(own.checked_len()?).map_err(|_| Error::unsupported("so large a chunk"))?;
            let (inner, rest) = split(&own, &fine.active, part, &level.step)?;
            if inner.is_empty() && rest.is_empty() {
                continue;
            }
            let (found, counts) = (kept.find(making.kernel, &chunk, count)?, making.counts(fine, &own));
            if !inner.is_empty() {
                let windows = making.windows(&own, &inner, &level.step);
                making.kernel.coarsen(&found, &counts, &windows, &mut cells, &making.within(&inner, part));
            }
            let strip = |place: Domain| {
                let windows = making.windows(&own, &place, &ones);
                (place, making.kernel.coarsen_new(&found, &counts, &windows))
            };
            strips.extend(rest.into_iter().map(strip));
        }
        making.close((fine, &level.step), part, &mut cells, &strips)?;
        Ok(cells)
    }

    /// Cells of a box of a level: if all of them are said one by one, they say nothing yet.
    pub(super) fn new_cells(&self, at: usize, part: &Domain, are_all_said: bool) -> K::Cells {
        let (mut cells, counts) = (self.cells[at].take(), self.making.counts(&self.tree.levels[at], part));
        match are_all_said {
            true => self.making.kernel.resize(&mut cells, counts.len()),
            false => self.making.kernel.fill(&mut cells, self.making.fill, &counts),
        }
        cells
    }

    /// Boxes of a box of a level, each of which is made of few enough bytes of the source; without those of which nothing is stored.
    fn pieces(&self, level: &Level, part: &Domain) -> Result<Vec<Domain>> {
        let grid = match self.of_whole_chunks(level)? {
            Some(grid) => grid,
            None => part.origin().iter().copied().zip(self.halved(level, part)).collect(),
        };
        let touched = match &self.making.stored {
            None => vec![part.clone()],
            Some(stored) => {
                let of_chunk = |chunk: &Domain| domain_of(chunk, &level.factor, Downsampling::Mean);
                let chunks = stored.within(&self.making.source_of(level, part)?)?;
                chunks.iter().map(|chunk| Ok(of_chunk(chunk)?.intersect(part))).collect::<Result<_>>()?
            }
        };
        let mut places = BTreeSet::new();
        for touched in touched.iter().filter(|touched| !touched.is_empty()) {
            for_each_index(&index_ranges(touched, &grid), |place| {
                places.insert(Index::from(place));
            });
        }
        places.into_iter().map(|place| Ok(box_at(&place, &grid)?.intersect(part))).collect()
    }

    /// How many bytes of the source elements of a level are made of, of which there are so many along each axis.
    fn bytes_of(level: &Level, lengths: impl Iterator<Item = u64>) -> u64 {
        let all = lengths.zip(&level.factor).map(|(length, factor)| length.saturating_mul(*factor));
        all.fold(size_of::<T>() as u64, u64::saturating_mul)
    }

    /// Where boxes begin that are made of few whole chunks of the source, and their lengths; nothing where several requests cost more than one.
    fn of_whole_chunks(&self, level: &Level) -> Result<Option<Dims<(i64, u64)>>> {
        let source = &self.making.levels.source;
        if !self.making.is_near() {
            return Ok(None);
        }
        let along = source.chunk_grid()?.into_iter().zip(&level.factor).map(|((first, length), &factor)| {
            let is_whole = first.rem_euclid(factor as i64) == 0 && length % factor == 0;
            is_whole.then(|| (first.div_euclid(factor as i64), length / factor))
        });
        let Some(mut grid) = along.collect::<Option<Dims<(i64, u64)>>>() else { return Ok(None) };
        let bytes = |grid: &Dims<(i64, u64)>| Self::bytes_of(level, grid.iter().map(|axis| axis.1));
        for axis in (0..grid.len()).cycle() {
            if bytes(&grid).saturating_mul(2) > IN_CACHE {
                break;
            }
            grid[axis].1 *= 2;
        }
        Ok((bytes(&grid) <= self.making.piece).then_some(grid))
    }

    /// Lengths of a box that is halved until it is made of few enough bytes.
    fn halved(&self, level: &Level, part: &Domain) -> Dims<u64> {
        let mut lengths: Dims<u64> = part.shape().iter().copied().collect();
        while Self::bytes_of(level, lengths.iter().copied()) > self.making.piece {
            let longest = (0..lengths.len()).max_by_key(|&axis| lengths[axis] * level.factor[axis]);
            match longest.filter(|&axis| lengths[axis] > 1) {
                Some(axis) => lengths[axis] = lengths[axis].div_ceil(2),
                None => match lengths.iter_mut().find(|length| **length > 1) {
                    Some(length) => *length = length.div_ceil(2),
                    None => break,
                },
            }
        }
        lengths
    }
}
