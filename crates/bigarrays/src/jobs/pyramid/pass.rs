//! One pass over the source: leaves are read, and cells go up the tree.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::array::Array;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::compute::{Digest, Entries, Made, Reads};
use crate::jobs::gather::Gather;
use crate::jobs::pyramid::flow::joined;
use crate::jobs::pyramid::kept::Kept;
use crate::jobs::pyramid::kernel::Kernel;
use crate::jobs::pyramid::levels::{Level, domain_of, made_of};
use crate::jobs::pyramid::making::Making;
use crate::jobs::pyramid::options::Downsampling;
use crate::jobs::pyramid::spare::Spare;
use crate::jobs::pyramid::tree::{Index, Tree};
use crate::jobs::pyramid::voxel::Voxel;
use crate::jobs::pyramid::windows::Counts;

/// What is in the middle of being made of the finest level: cells of a chunk of a coarser one.
struct Node<C> {
    /// Until it is whole.
    cells: Option<C>,
    /// How many leaves are missing.
    missing: u64,
    /// Cells that are still to be said.
    unsaid: u64,
}

/// A unit under way.
pub(super) struct Unit {
    /// Leaves that are missing.
    left: AtomicU64,
    /// Where chunks of each level wait that lie in shards.
    gathers: Vec<Option<Arc<Gather>>>,
    pub(super) reads: Arc<Reads>,
    /// Whether an earlier run has made it.
    is_done: OnceLock<bool>,
}

type Nodes<C> = Mutex<HashMap<(usize, Index), Arc<Mutex<Node<C>>>>>;

/// One pass.
pub(super) struct Pass<'r, 'a, T: Voxel, K: Kernel<T>> {
    pub(super) making: &'r Making<'a, T, K>,
    pub(super) tree: &'r Tree<'a>,
    number: u64,
    nodes: Nodes<K::Cells>,
    units: Mutex<HashMap<Index, Arc<Unit>>>,
    pub(super) entries: Option<Entries<'r>>,
    /// Levels that were made before, and their cells, of which the finest level is made; without, of the source.
    finer: Option<(&'r Tree<'a>, Kept)>,
    /// Where cells of the coarsest level are kept, if it is not the last one.
    kept: Option<Kept>,
    /// The source in boxes of whole chunks, if cells lie across their ends and it is read in these.
    pub(super) joined: Option<Level>,
    /// Memory of elements, and of cells of each level.
    pub(super) elements: Spare<Vec<T>>,
    pub(super) cells: Vec<Spare<K::Cells>>,
}

impl<'r, 'a, T: Voxel, K: Kernel<T>> Pass<'r, 'a, T, K> {
    /// The pass of this number, of which nothing is done yet.
    pub(super) fn new(
        making: &'r Making<'a, T, K>,
        (number, tree): (u64, &'r Tree<'a>),
        entries: Option<Entries<'r>>,
        (finer, kept): (Option<(&'r Tree<'a>, Kept)>, Option<Kept>),
    ) -> Self {
        let cells = tree.levels.iter().map(|_| Spare::default()).collect();
        let (nodes, units, elements) = (Mutex::default(), Mutex::default(), Spare::default());
        let joined = if finer.is_none() { joined(making, &tree.levels[0]) } else { None };
        Self { making, tree, number, nodes, units, entries, finer, kept, joined, elements, cells }
    }

    /// Works off a leaf, and what it completes. Returns the bytes of the source that it took.
    pub(super) fn leaf(&self, k: u64) -> Result<u64> {
        let Some(path) = self.tree.path(k) else { return Ok(0) };
        let (Some(unit_index), Some(part)) = (path.last(), self.tree.part(0, &path[0])) else { return Ok(0) };
        let level = &self.tree.levels[0];
        let bytes = match &self.finer {
            None => self.making.source_of(level, &part)?.checked_len()?.saturating_mul(size_of::<T>() as u64),
            Some(_) => 0,
        };
        let unit = self.unit(unit_index);
        if !self.is_done(&unit, unit_index)? {
            let cells = match &self.finer {
                None => self.read(level, &part, &unit)?,
                Some((finer, kept)) => self.read_kept(level, &part, (finer, kept))?,
            };
            self.deliver(0, &path, part, cells, &unit)?;
        }
        if unit.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.units.locked().remove(unit_index);
            self.end(&unit, unit_index)?;
        }
        Ok(bytes)
    }

    fn unit(&self, index: &Index) -> Arc<Unit> {
        let new = || {
            let gathers =
                self.tree.levels.iter().map(|level| {
                    level.array.shard_shape().map(|_| Arc::new(Gather::over(level.array.store())))
                });
            Arc::new(Unit {
                left: AtomicU64::new(self.tree.leaves(self.tree.levels.len(), index)),
                gathers: gathers.collect(),
                reads: Arc::new(Reads::over(Arc::clone(self.making.levels.source.store()))),
                is_done: OnceLock::new(),
            })
        };
        Arc::clone(self.units.locked().entry(index.clone()).or_insert_with(new))
    }

    fn number(&self, index: &Index) -> u64 {
        (self.number << 56) | self.tree.unit_number(index)
    }

    /// The boxes of all levels that belong to a unit.
    fn parts(&self, index: &Index) -> Result<Vec<(&Array, Domain)>> {
        let top = &self.tree.levels[self.tree.levels.len() - 1];
        let Some(whole) = self.tree.part(self.tree.levels.len(), index) else { return Ok(Vec::new()) };
        let of = |level: &Level| -> Result<Domain> {
            let times = top.factor.iter().zip(&level.factor).map(|(top, own)| top / own);
            Ok(made_of(&whole, times)?.intersect(&level.active))
        };
        self.tree.levels.iter().map(|level| Ok((&level.array, of(level)?))).collect()
    }

    fn made(&self, index: &Index) -> Result<Digest> {
        let mut sum = Digest::default();
        for (number, (array, part)) in self.parts(index)?.into_iter().enumerate() {
            sum.add(&number.to_string(), Some(Digest::of_versions(array, &part)?.0));
        }
        Ok(sum)
    }

    /// Whether an earlier run has made all of a unit, of what the source has now.
    fn is_done(&self, unit: &Unit, index: &Index) -> Result<bool> {
        let Some(entries) = &self.entries else { return Ok(false) };
        if let Some(&is_done) = unit.is_done.get() {
            return Ok(is_done);
        }
        let is_done = match entries.made(self.number(index))? {
            None => false,
            Some(made) => {
                let top = &self.tree.levels[self.tree.levels.len() - 1];
                let whole = self.tree.part(self.tree.levels.len(), index);
                let whole = whole.ok_or_else(|| Error::invalid("a unit of nothing"))?;
                let from =
                    Digest::of_versions(&self.making.levels.source, &self.making.source_of(top, &whole)?)?;
                let is_so = from == made.from && self.made(index)? == made.to && self.has_kept(&whole);
                if !is_so {
                    entries.redo();
                }
                is_so
            }
        };
        // Whoever was first decides for all.
        Ok(*unit.is_done.get_or_init(|| is_done))
    }

    /// Whether cells are there of all that lies in a unit.
    fn has_kept(&self, unit: &Domain) -> bool {
        let chunks = || self.tree.chunks_in(self.tree.levels.len() - 1, unit);
        self.kept.as_ref().is_none_or(|kept| chunks().iter().all(|chunk| kept.has(chunk)))
    }

    /// Writes what waits of a unit whose leaves are all done, and notes it.
    fn end(&self, unit: &Unit, index: &Index) -> Result<()> {
        if unit.is_done.get() == Some(&true) {
            return Ok(());
        }
        unit.gathers.iter().flatten().try_for_each(|gather| gather.put())?;
        match (&self.entries, unit.reads.digest()) {
            (Some(entries), Some(from)) => {
                entries.note(self.number(index), Made { from, to: self.made(index)? })
            }
            _ => Ok(()),
        }
    }

    /// Writes a chunk whose cells are all there, and has them go on to the level above.
    fn deliver(&self, at: usize, path: &[Index], part: Domain, cells: K::Cells, unit: &Unit) -> Result<()> {
        let (making, level) = (self.making, &self.tree.levels[at]);
        let counts = making.counts(level, &part);
        self.write(at, &part, &cells, &counts, unit)?;
        let Some(above) = self.tree.levels.get(at + 1) else {
            self.kept.as_ref().map_or(Ok(()), |kept| kept.keep(making.kernel, &path[at], &cells))?;
            self.cells[at].give(cells);
            return Ok(());
        };
        let Some(whole) = self.tree.part(at + 1, &path[at + 1]) else { return Ok(()) };
        let coarse = domain_of(&part, &above.step, making.method)?.intersect(&whole);
        if coarse.is_empty() && making.method != Downsampling::Stride {
            return Err(Error::invalid("a chunk without a place in the next level"));
        }
        let key = (at + 1, path[at + 1].clone());
        let leaves = self.tree.leaves(at, &path[at]);
        let node =
            Arc::clone(self.nodes.locked().entry(key.clone()).or_insert_with(|| self.node(&key, &whole)));
        let mut own = self.cells[at + 1].take();
        let windows = making.windows(&part, &coarse, &above.step);
        making.kernel.resize(&mut own, windows.count());
        if !coarse.is_empty() {
            making.kernel.coarsen(&cells, &counts, &windows, &mut own, &windows.all());
        }
        self.cells[at].give(cells);
        let mut open = node.locked();
        if let Some(cells) = open.cells.as_mut().filter(|_| !coarse.is_empty()) {
            let (shape, place) = (making.shape(&whole), making.place(&coarse, &whole));
            making.kernel.put(cells, &shape, &place, &own, &making.shape(&coarse));
        }
        self.cells[at + 1].give(own);
        open.unsaid = open.unsaid.saturating_sub(coarse.checked_len()?);
        open.missing = open.missing.saturating_sub(leaves);
        if open.missing > 0 {
            return Ok(());
        }
        if open.unsaid > 0 {
            return Err(Error::invalid(format!("{} cells of a chunk are made of nothing", open.unsaid)));
        }
        let Some(cells) = open.cells.take() else { return Ok(()) };
        drop(open);
        self.nodes.locked().remove(&key);
        self.deliver(at + 1, path, whole, cells, unit)
    }

    fn node(&self, (at, index): &(usize, Index), whole: &Domain) -> Arc<Mutex<Node<K::Cells>>> {
        let is_full = self.tree.is_full(*at, index);
        let unsaid = if is_full { whole.checked_len().unwrap_or(u64::MAX) } else { 0 };
        let (cells, missing) = (Some(self.new_cells(*at, whole, is_full)), self.tree.leaves(*at, index));
        Arc::new(Mutex::new(Node { cells, missing, unsaid }))
    }

    fn write(&self, at: usize, part: &Domain, cells: &K::Cells, counts: &Counts, unit: &Unit) -> Result<()> {
        let level = &self.tree.levels[at];
        match &unit.gathers[at] {
            None => self.making.write((&level.array, part), (cells, counts), &self.elements),
            Some(gather) => {
                let array = level.array.with_store(Arc::clone(gather) as _);
                self.making.write((&array, part), (cells, counts), &self.elements)?;
                gather.put_if_over(self.making.waiting)
            }
        }
    }
}
