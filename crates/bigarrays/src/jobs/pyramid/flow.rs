//! Levels whose chunks do not lie within each other, in one pass over the source: a layer that begins anywhere has such. Cells that
//! lie across the ends of chunks wait, as parts of the finer level, until all of their parts are there. Others are made as ever, so that
//! results follow from where elements lie alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::jobs::pyramid::joining::{indexes, split};
use crate::jobs::pyramid::kernel::Kernel;
use crate::jobs::pyramid::levels::{Level, domain_of, made_of};
use crate::jobs::pyramid::making::Making;
use crate::jobs::pyramid::options::Downsampling;
use crate::jobs::pyramid::seams::is_across;
use crate::jobs::pyramid::shards::Shards;
use crate::jobs::pyramid::spare::Spare;
use crate::jobs::pyramid::tree::{Index, Tree, box_at, index_ranges};
use crate::jobs::pyramid::voxel::Voxel;
use crate::jobs::pyramid::windows::Counts;

/// The most bytes of the source that are read at once where requests cost little, unless a chunk has more: they stay in the
/// cache of the processor while cells are made of them.
pub(super) const IN_CACHE: u64 = 512 << 10;

/// Of so many cells and more a chunk is long: few lie across its ends.
const LONG: u64 = 8;

/// A chunk that is in the middle of being made.
struct Node<C> {
    /// The cells that lie within single chunks of the level before, once there are any.
    cells: Option<C>,
    /// Parts of the level before that are parts of other cells.
    strips: Vec<(Domain, C)>,
    /// How many chunks of the level before are missing.
    missing: usize,
}

type Nodes<C> = Mutex<HashMap<(usize, Index), Arc<Mutex<Node<C>>>>>;

/// The pass over the source.
pub(super) struct Flow<'r, 'a, T: Voxel, K: Kernel<T>> {
    making: &'r Making<'a, T, K>,
    /// Boxes of the source, of whole chunks, and the chunks of the levels.
    tree: &'r Tree<'r>,
    nodes: Nodes<K::Cells>,
    /// Memory of elements.
    elements: Spare<Vec<T>>,
    shards: Shards,
}

impl<'r, 'a, T: Voxel, K: Kernel<T>> Flow<'r, 'a, T, K> {
    pub(super) fn new(making: &'r Making<'a, T, K>, tree: &'r Tree<'r>) -> Self {
        let shards = Shards::new(making.waiting);
        Self { making, tree, nodes: Mutex::default(), elements: Spare::default(), shards }
    }

    /// An error unless all chunks are made that were begun.
    pub(super) fn expect_whole(&self) -> Result<()> {
        match self.nodes.locked().len() {
            0 => Ok(()),
            left => Err(Error::invalid(format!("{left} chunks of coarser scales are not whole"))),
        }
    }

    /// Reads a box of the source, and makes what it completes. Returns its bytes.
    pub(super) fn leaf(&self, k: u64) -> Result<u64> {
        let Some(path) = self.tree.path(k) else { return Ok(0) };
        let Some(part) = self.tree.part(0, &path[0]) else { return Ok(0) };
        let (making, source) = (self.making, &self.making.levels.source);
        making.with_elements((source, &part), &self.elements, |elements| {
            let whole = |to: &Domain, step: &[u64]| {
                making.kernel.read_new(elements, &making.windows(&part, to, step))
            };
            self.deliver(0, &part, &whole, &|strip| making.strip(elements, &part, strip))
        })?;
        Ok(part.checked_len()?.saturating_mul(size_of::<T>() as u64))
    }

    /// Has what a chunk is made of go on to those of the next level that have a part in it: `whole` makes cells of it, and `strip` is a part
    /// of it as it is.
    fn deliver(
        &self,
        tier: usize,
        part: &Domain,
        whole: &dyn Fn(&Domain, &[u64]) -> K::Cells,
        strip: &dyn Fn(&Domain) -> K::Cells,
    ) -> Result<()> {
        let (fine, Some(next)) = (&self.tree.levels[tier], self.tree.levels.get(tier + 1)) else {
            return Ok(());
        };
        let touched = domain_of(part, &next.step, Downsampling::Mean)?.intersect(&next.active);
        for index in indexes(&index_ranges(&touched, &next.chunks)) {
            let Some(target) = self.tree.part(tier + 1, &index).filter(|_| self.is_made(tier + 1, &index))
            else {
                continue;
            };
            let (own, strips) = split(part, &fine.active, &target, &next.step)?;
            let cells = (!own.is_empty()).then(|| whole(&own, &next.step));
            let strips = strips.into_iter().map(|place| (place.clone(), strip(&place))).collect();
            self.take(tier + 1, &index, &target, (&own, cells), strips)?;
        }
        Ok(())
    }

    /// Takes what a chunk of the level before has for a chunk, which is made if that was the last one.
    fn take(
        &self,
        tier: usize,
        index: &Index,
        target: &Domain,
        (own, cells): (&Domain, Option<K::Cells>),
        strips: Vec<(Domain, K::Cells)>,
    ) -> Result<()> {
        let (making, level) = (self.making, &self.tree.levels[tier]);
        let node = self.node((tier, index.clone()), target)?;
        let mut open = node.locked();
        if let Some(cells) = cells {
            let new = || making.kernel.constant(making.fill, &making.counts(level, target));
            let into = open.cells.get_or_insert_with(new);
            let place = making.place(own, target);
            making.kernel.put(into, &making.shape(target), &place, &cells, &making.shape(own));
        }
        open.strips.extend(strips);
        open.missing = open.missing.saturating_sub(1);
        if open.missing > 0 {
            return Ok(());
        }
        let (cells, strips) = (open.cells.take(), std::mem::take(&mut open.strips));
        drop(open);
        self.nodes.locked().remove(&(tier, index.clone()));
        self.make(tier, target, cells, &strips)
    }

    /// Writes a chunk of which all is there, and has it go on.
    fn make(
        &self,
        tier: usize,
        target: &Domain,
        cells: Option<K::Cells>,
        strips: &[(Domain, K::Cells)],
    ) -> Result<()> {
        let (making, level) = (self.making, &self.tree.levels[tier]);
        let counts = making.counts(level, target);
        let mut cells = cells.unwrap_or_else(|| making.kernel.constant(making.fill, &counts));
        making.close((&self.tree.levels[tier - 1], &level.step), target, &mut cells, strips)?;
        self.write(tier, target, (&cells, &counts))?;
        let whole = |to: &Domain, step: &[u64]| {
            making.kernel.coarsen_new(&cells, &counts, &making.windows(target, to, step))
        };
        let ones = vec![1u64; target.shape().len()];
        self.deliver(tier, target, &whole, &|strip| whole(strip, &ones))
    }

    fn write(&self, tier: usize, target: &Domain, cells: (&K::Cells, &Counts)) -> Result<()> {
        let level = &self.tree.levels[tier];
        let to = |array: &Array| self.making.write((array, target), cells, &self.elements);
        if level.array.shard_shape().is_none() {
            return to(&level.array);
        }
        let grid = level.array.write_grid()?;
        let shard: Index = index_ranges(target, &grid).iter().map(|along| along.start).collect();
        let whole = box_at(&shard, &grid)?.intersect(&level.active);
        let chunks = || {
            let all = indexes(&index_ranges(&whole, &level.chunks));
            all.iter().filter(|index| self.is_made(tier, index)).count() as u64
        };
        self.shards.write(((tier, shard), &level.array), chunks, to)
    }

    fn node(&self, key: (usize, Index), target: &Domain) -> Result<Arc<Mutex<Node<K::Cells>>>> {
        if let Some(known) = self.nodes.locked().get(&key) {
            return Ok(Arc::clone(known));
        }
        let (fine, level) = (&self.tree.levels[key.0 - 1], &self.tree.levels[key.0]);
        let place = made_of(target, level.step.iter().copied())?.intersect(&fine.active);
        let before = indexes(&index_ranges(&place, &fine.chunks));
        let missing = before.iter().filter(|index| self.is_made(key.0 - 1, index)).count();
        let new = || Arc::new(Mutex::new(Node { cells: None, strips: Vec::new(), missing }));
        Ok(Arc::clone(self.nodes.locked().entry(key).or_insert_with(new)))
    }

    /// Whether a chunk is made of anything that is stored.
    fn is_made(&self, tier: usize, index: &Index) -> bool {
        let Some(part) = self.tree.part(tier, index) else { return false };
        let (level, source) = (&self.tree.levels[tier], &self.tree.levels[0]);
        let place = made_of(&part, level.factor.iter().copied());
        self.tree.leaves(tier, index) > 0
            || place.is_ok_and(|place| {
                self.tree.has_leaf(&index_ranges(&place.intersect(&source.active), &source.chunks))
            })
    }
}

/// The source as a level: its chunks, and what of it is made into levels.
pub(super) fn source<T, K>(making: &Making<'_, T, K>, first: &Level) -> Option<Level> {
    let array = making.levels.source.clone();
    let ones: Dims<u64> = Dims::from_elem(1, array.ndim());
    let active = making.source_of(first, &first.active).ok()?;
    let chunks = array.chunk_grid().ok()?;
    Some(Level { array, spec: None, factor: ones.clone(), step: ones, active, chunks, asked: String::new() })
}

/// The bytes that so many boxes of the source under way take, and what waits to be whole.
pub(super) fn needs(tiers: &[Level], item: u64, cell: u64, at_once: u64) -> u64 {
    let all = |level: &Level| level.chunks.iter().fold(1u64, |all, chunk| all.saturating_mul(chunk.1));
    let piece = all(&tiers[0]).saturating_mul(4 * item + 2 * cell);
    let own = tiers.iter().skip(1).map(all).max().unwrap_or(0).saturating_mul(2 * item + 2 * cell);
    let open = tiers.iter().skip(1).map(all).fold(0, u64::saturating_add);
    // Across each axis, what waits of a level is at most twice what lies across the whole of it.
    let across = |two: &[Level]| {
        let shape = two[0].active.shape();
        let of_axis = |axis: usize| {
            let others = (0..shape.len()).filter(|&other| other != axis).map(|other| shape[other]);
            others.fold(2 * (two[1].step[axis] - 1), u64::saturating_mul)
        };
        (0..shape.len()).map(of_axis).fold(0, u64::saturating_add)
    };
    let waiting = tiers.windows(2).map(across).fold(0, u64::saturating_add);
    piece
        .saturating_add(own)
        .saturating_mul(at_once)
        .saturating_add(open.saturating_mul(at_once + 1).saturating_add(waiting).saturating_mul(cell))
}

/// The source in boxes of whole chunks, of about so many bytes of elements of that size, and the levels, if those can be made in one pass
/// where they do not lie within each other. `None` if there is nothing to be gained, or it cannot be done.
pub(super) fn tiers(mut source: Level, levels: &[Level], item: u64, most: u64) -> Option<Vec<Level>> {
    let next = levels.first()?;
    let bytes = |level: &Level| level.chunks.iter().fold(item, |all, chunk| all.saturating_mul(chunk.1));
    for axis in (0..source.chunks.len()).cycle().take(64) {
        let mut wider = source.clone();
        wider.chunks[axis].1 *= 2;
        if bytes(&wider) <= most && follows(&wider, next) {
            source = wider;
        }
    }
    let mut all = vec![source];
    all.extend(levels.iter().cloned());
    let are_in_order = all.windows(2).all(|two| follows(&two[0], &two[1]));
    let is_any_across = all.windows(2).any(|two| {
        two[0].chunks.iter().zip(&two[1].step).any(|(&(origin, _), &step)| is_across(origin, step))
    });
    (are_in_order && is_any_across).then_some(all)
}

/// Whether whole chunks of a level make one of the next, but for what is less than a cell at its ends.
fn follows(fine: &Level, coarse: &Level) -> bool {
    let axes = fine.chunks.iter().zip(&coarse.chunks).zip(&coarse.step);
    axes.into_iter().all(|((&(origin, length), &(next, long)), &step)| {
        let wide = long.checked_mul(step);
        let begins = next.checked_mul(step as i64).and_then(|next| origin.checked_sub(next));
        length % step == 0
            && wide.is_some_and(|wide| wide % length == 0)
            && begins.is_some_and(|begins| (0..step as i64).contains(&begins))
    })
}

/// The source in boxes of whole chunks, if cells of a level lie across their ends, chunks are many times as long as these, and several
/// requests cost as little as one.
pub(super) fn joined<T: Voxel, K>(making: &Making<'_, T, K>, level: &Level) -> Option<Level> {
    if !making.is_near() || making.method == Downsampling::Stride {
        return None;
    }
    let mut own = source(making, level)?;
    let along = || own.chunks.iter().zip(&level.factor);
    let is_across = along()
        .any(|(&(first, length), &factor)| first.rem_euclid(factor as i64) != 0 || length % factor != 0);
    let are_long = along().all(|(&(_, length), &factor)| factor == 1 || length >= LONG * factor);
    let bytes = |source: &Level| {
        source.chunks.iter().fold(size_of::<T>() as u64, |all, chunk| all.saturating_mul(chunk.1))
    };
    if !is_across || !are_long {
        return None;
    }
    for axis in (0..own.chunks.len()).cycle() {
        if bytes(&own).saturating_mul(2) > IN_CACHE {
            break;
        }
        own.chunks[axis].1 *= 2;
    }
    Some(own)
}
