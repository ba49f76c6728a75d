//! Planning the passes, and running them.

use crate::array::Listed;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::{identity_of, least_common_multiple};
use crate::jobs::pyramid::kernel::Kernel;
use crate::jobs::pyramid::levels::{Level, Levels, domain_of};
use crate::jobs::pyramid::making::Making;
use crate::jobs::pyramid::options::{Downsampling, PyramidOptions};
use crate::jobs::pyramid::pass::Pass;
use crate::jobs::pyramid::tree::{Tree, passes};
use crate::jobs::pyramid::voxel::Voxel;
use crate::run::budget;
use crate::run::pool::threads;
use crate::run::runner::{FAR, Progress, Runner};
use crate::store::NEAR;

/// The most bytes of the source that are read at once for a leaf.
const PIECE: u64 = 32 << 20;

/// How many times a shard is held while it is written: as it was or its new chunks, and as it will be.
const SHARDS_HELD: u64 = 2;

/// Levels that are made, and with what.
pub(super) struct Run<'a, T, K> {
    making: Making<'a, T, K>,
    options: &'a PyramidOptions<'a>,
    trees: Vec<Tree<'a>>,
    /// Leaves under way at once.
    in_flight: u64,
    peak: u64,
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

impl<'a, T: Voxel, K: Kernel<T>> Run<'a, T, K> {
    /// Plans the passes.
    ///
    /// # Errors
    /// `MemoryBudget` if not even one leaf at a time fits; a storage error.
    pub(super) fn new(
        levels: &'a Levels,
        method: Downsampling,
        kernel: &'a K,
        options: &'a PyramidOptions<'a>,
    ) -> Result<Self> {
        let source = &levels.source;
        let mut trees = Vec::new();
        for pass in passes(&levels.levels) {
            trees.push(Tree::new(pass, &unit_of(pass)?)?);
        }
        // What an edit has removed is made anew as well.
        if options.part.is_none()
            && let Listed::All(stored) = source.listed_chunks()?
        {
            for tree in &mut trees {
                let factor = &tree.levels[0].factor;
                let box_of = |chunk: &Domain| domain_of(chunk, factor, Downsampling::Mean);
                tree.follow(stored.iter(), box_of)?;
            }
        }
        let fill = T::of_bytes(source.layout().fill.as_bytes());
        let making = Making { levels, method, kernel, fill, order: source.order(), piece: 0, waiting: 0 };
        let mut run = Self { making, options, trees, in_flight: 1, peak: 0 };
        run.fit(budget::of_job(options.memory))?;
        Ok(run)
    }

    pub(super) fn passes(&self) -> usize {
        self.trees.len()
    }

    pub(super) fn peak_memory(&self) -> u64 {
        self.peak
    }

    /// Takes as many leaves at once as there is room for.
    fn fit(&mut self, memory: u64) -> Result<()> {
        let source = &self.making.levels.source;
        let is_near = source.store().request_cost() <= NEAR;
        let most = if is_near { threads() as u64 } else { FAR.max(threads() as u64) };
        let chunk = source.layout().chunk_bytes();
        // A cell is read at once.
        let cell =
            self.trees.iter().map(|tree| tree.levels[0].factor.iter().product::<u64>()).max().unwrap_or(1);
        let cell = cell.saturating_mul(size_of::<T>() as u64);
        let shards = self
            .trees
            .iter()
            .flat_map(|tree| tree.levels)
            .filter(|level| level.array.shard_shape().is_some());
        let bytes_of = |level: &Level| -> Result<u64> {
            let along = level.array.write_grid()?.into_iter().zip(level.array.shape().to_vec());
            Ok(along.fold(size_of::<T>() as u64, |all, ((_, shard), length)| {
                all.saturating_mul(shard.min(length))
            }))
        };
        let sizes = shards.map(bytes_of).collect::<Result<Vec<u64>>>()?;
        let (shards, largest) = (sizes.len() as u64, sizes.into_iter().max().unwrap_or(0));
        for at_once in (1..=most).rev() {
            let piece = PIECE.min(memory / 8 / at_once).max(cell).max(chunk.min(PIECE));
            let waiting = (memory / 4).checked_div(shards * (at_once + 1)).unwrap_or(0).min(64 << 20);
            let needs =
                self.needs(at_once, piece).saturating_add(waiting.saturating_mul(shards * (at_once + 1)));
            let needs = needs.saturating_add(largest.saturating_mul(SHARDS_HELD));
            if needs <= memory {
                (self.making.piece, self.making.waiting) = (piece, waiting);
                (self.in_flight, self.peak) = (at_once, needs);
                return Ok(());
            }
            if at_once == 1 {
                let reason = format!(
                    "downsampling takes {} MiB at least, the budget is {memory} bytes; raise it, or take smaller chunks",
                    needs.div_ceil(1 << 20)
                );
                return Err(Error::new(ErrorKind::MemoryBudget, reason).at(source.url()));
            }
        }
        Ok(())
    }

    /// Bytes that so many leaves under way hold, and what waits for them.
    fn needs(&self, at_once: u64, piece: u64) -> u64 {
        let of_pass = |tree: &Tree<'_>| {
            let cells =
                |level: &Level| level.chunks.iter().fold(1u64, |all, chunk| all.saturating_mul(chunk.1));
            let item = size_of::<T>() as u64;
            let all = |tree: &Tree<'_>| tree.levels.iter().map(cells).max().unwrap_or(0);
            // Elements of a chunk that is written, and the same encoded; its cells, and those that go up.
            let own = all(tree).saturating_mul(2 * item + 2 * self.making.kernel.bytes());
            let decoding = self.making.levels.source.layout().chunk_bytes().saturating_mul(2);
            let open = tree.levels[1..].iter().map(cells).fold(0, u64::saturating_add);
            let open = open.saturating_mul(self.making.kernel.bytes());
            (own.saturating_add(piece).saturating_add(decoding))
                .saturating_mul(at_once)
                .saturating_add(open.saturating_mul(at_once + 1))
        };
        self.trees.iter().map(of_pass).max().unwrap_or(0)
    }

    /// Makes all levels.
    ///
    /// # Errors
    /// `Cancelled`; those of reading and writing.
    pub(super) fn run(&self) -> Result<()> {
        let source = &self.making.levels.source;
        let item = size_of::<T>() as u64;
        let leaf = |tree: &Tree<'_>| {
            let level = &tree.levels[0];
            let along = level.chunks.iter().zip(&level.factor).map(|(chunk, factor)| chunk.1 * factor);
            along.fold(item, u64::saturating_mul)
        };
        let all = source.shape().iter().fold(item, |all, &length| all.saturating_mul(length));
        let of_pass = |tree: &Tree<'_>| tree.len().saturating_mul(leaf(tree)).min(all);
        let total = self.trees.iter().map(of_pass).fold(0, u64::saturating_add);
        let key = self.config().key();
        let mut before = 0;
        for (number, tree) in self.trees.iter().enumerate() {
            let entries = self.options.journal.map(|journal| journal.on(&key));
            let pass = Pass::new(&self.making, (number as u64, tree), entries);
            let report = |progress: Progress| {
                if let Some(report) = self.options.progress {
                    report(Progress { done: (before + progress.done).min(total), total });
                }
            };
            let runner = Runner {
                in_flight: self.in_flight as usize,
                total,
                is_near: source.store().request_cost() <= NEAR,
                progress: Some(&report),
            };
            let count = usize::try_from(tree.len()).map_err(|_| Error::unsupported("so many chunks"))?;
            runner.run(count, &|k| pass.leaf(k as u64))?;
            before += of_pass(tree);
        }
        Ok(())
    }

    /// All that the outcome depends on but elements.
    fn config(&self) -> Config {
        let level = |level: &Level| identity_of(&level.array).with("active", level.active.to_string());
        let ignore = self.options.ignore.map(|number| format!("{number:?}"));
        Config::new("pyramid")
            .with("source", identity_of(&self.making.levels.source))
            .with("levels", self.making.levels.levels.iter().map(level).collect::<Parameter>())
            .with("method", self.making.method.name())
            .with("ignore", ignore.map_or(Parameter::None, Parameter::Text))
    }
}
