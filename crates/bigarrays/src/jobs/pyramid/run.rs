//! Planning the stages, and running them.

use std::path::PathBuf;

use crate::array::ChunkSet;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::{Digest, Journal, identity_of};
use crate::jobs::pyramid::flow::{self, Flow, IN_CACHE};
use crate::jobs::pyramid::kept::Kept;
use crate::jobs::pyramid::kernel::Kernel;
use crate::jobs::pyramid::levels::{Level, Levels, domain_of};
use crate::jobs::pyramid::making::Making;
use crate::jobs::pyramid::options::{Downsampling, PyramidOptions, UNIT_STEP, Work};
use crate::jobs::pyramid::pass::Pass;
use crate::jobs::pyramid::stages::{Sizes, Stage, stages};
use crate::jobs::pyramid::tree::Tree;
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
    stages: Vec<Stage<'a>>,
    /// Boxes of the source and the levels, if these are made in one pass although they do not lie within each other.
    flow: Option<Vec<Level>>,
    /// Where stages leave cells for others, if one does.
    kept: Option<PathBuf>,
    unit: Option<u64>,
    /// Leaves under way at once.
    in_flight: u64,
    peak: u64,
}

impl<'a, T: Voxel, K: Kernel<T>> Run<'a, T, K> {
    /// Plans the stages.
    ///
    /// # Errors
    /// `MemoryBudget` if not even one leaf at a time fits; a storage error.
    pub(super) fn new(
        (levels, stored): (&'a Levels, Option<ChunkSet>),
        method: Downsampling,
        kernel: &'a K,
        options: &'a PyramidOptions<'a>,
    ) -> Result<Self> {
        let source = &levels.source;
        let is_cut = options.is_cut();
        let unit = is_cut.then(|| options.unit_bytes());
        let (element, cell) = (size_of::<T>() as u64, kernel.bytes());
        let joins = is_cut && method != Downsampling::Stride;
        let mut stages = stages(&levels.levels, Sizes { unit, joins, element, cell })?;
        if let Some(stored) = &stored {
            for Stage { tree, .. } in &mut stages {
                let factor = &tree.levels[0].factor;
                let box_of = |chunk: &Domain| domain_of(chunk, factor, Downsampling::Mean);
                tree.follow(stored.iter(), box_of)?;
            }
        }
        let fill = T::of_bytes(source.layout().fill.as_bytes());
        let order = source.order();
        let making = Making { levels, method, kernel, fill, stored, order, piece: 0, waiting: 0 };
        let mut run = Self { making, options, stages, flow: None, kept: None, unit, in_flight: 1, peak: 0 };
        let key = run.config().key();
        let shared = options.work.units().map(|units| units.folder.join(Digest::of_text(&key)));
        run.kept = shared.or_else(|| options.journal.map(|journal| journal.folder_of(&key)));
        let memory = budget::of_job(options.memory);
        run.fit(memory)?;
        run.fit_flow(memory);
        Ok(run)
    }

    pub(super) fn passes(&self) -> usize {
        if self.flow.is_some() {
            return 1;
        }
        self.stages.iter().filter(|stage| stage.after.is_none()).count()
    }

    /// How many units each stage has.
    pub(super) fn units(&self) -> Vec<u64> {
        self.stages.iter().map(|stage| stage.tree.unit_count()).collect()
    }

    /// Notes that the work has begun, and in which units it is done.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn begin(&self, journal: &Journal) -> Result<()> {
        if !journal.has_begun() {
            journal.note(&format!("{UNIT_STEP}{}", self.options.unit_bytes()))?;
        }
        journal.note("begun")
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
        let cell = self
            .stages
            .iter()
            .map(|stage| stage.tree.levels[0].factor.iter().product::<u64>())
            .max()
            .unwrap_or(1);
        let cell = cell.saturating_mul(size_of::<T>() as u64);
        let (shards, largest) = self.shards()?;
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

    /// How many levels are sharded, and the bytes of the elements of the largest shard.
    fn shards(&self) -> Result<(u64, u64)> {
        let shards = self
            .stages
            .iter()
            .flat_map(|stage| stage.tree.levels)
            .filter(|level| level.array.shard_shape().is_some());
        let bytes_of = |level: &Level| -> Result<u64> {
            let along = level.array.write_grid()?.into_iter().zip(level.array.shape().to_vec());
            Ok(along.fold(size_of::<T>() as u64, |all, ((_, shard), length)| {
                all.saturating_mul(shard.min(length))
            }))
        };
        let sizes = shards.map(bytes_of).collect::<Result<Vec<u64>>>()?;
        Ok((sizes.len() as u64, sizes.into_iter().max().unwrap_or(0)))
    }

    /// Bytes that so many leaves under way hold, and what waits for them.
    fn needs(&self, at_once: u64, piece: u64) -> u64 {
        let of_stage = |Stage { tree, after, is_kept }: &Stage<'_>| {
            let cells =
                |level: &Level| level.chunks.iter().fold(1u64, |all, chunk| all.saturating_mul(chunk.1));
            let item = size_of::<T>() as u64;
            let all = || tree.levels.iter().map(cells).max().unwrap_or(0);
            // Elements of a chunk that is written, and the same encoded; its cells, and those that go up.
            let own = all().saturating_mul(2 * item + 2 * self.making.kernel.bytes());
            let decoding = self.making.levels.source.layout().chunk_bytes().saturating_mul(2);
            let open = tree.levels[1..].iter().map(cells).fold(0, u64::saturating_add);
            let open = open.saturating_mul(self.making.kernel.bytes());
            // Cells that are kept or read, and the same as bytes.
            let kept = if after.is_some() || *is_kept { own } else { 0 };
            let own = own.saturating_add(kept);
            // Cells that lie across the ends of chunks, and their parts.
            let joined = tree.levels.len() == 1 && self.unit.is_some();
            let own = if joined { own.saturating_mul(2) } else { own };
            (own.saturating_add(piece).saturating_add(decoding))
                .saturating_mul(at_once)
                .saturating_add(open.saturating_mul(at_once + 1))
        };
        self.stages.iter().map(of_stage).max().unwrap_or(0)
    }

    /// Makes levels that do not lie within each other in one pass, if that can be done here and fits into the budget.
    fn fit_flow(&mut self, memory: u64) {
        let (making, levels) = (&self.making, &self.making.levels.levels);
        if self.unit.is_some() || making.method == Downsampling::Stride || !making.is_near() {
            return;
        }
        let Some(all) = levels.first().and_then(|first| flow::source(making, first)) else { return };
        // Where something is missing, nothing is to be made of boxes that have no more than a part.
        let is_full = making.stored.as_ref().is_none_or(|stored| making.levels.are_all(stored));
        let most = if is_full { IN_CACHE } else { 0 };
        let Some(tiers) = flow::tiers(all, levels, size_of::<T>() as u64, most) else { return };
        let at_once = threads() as u64;
        let needs = flow::needs(&tiers, size_of::<T>() as u64, making.kernel.bytes(), at_once);
        let Ok((shards, largest)) = self.shards() else { return };
        let waiting = if shards > 0 { memory / 4 } else { 0 };
        let needs =
            needs.saturating_add(waiting).saturating_add(largest.saturating_mul(SHARDS_HELD * at_once));
        if needs <= memory {
            self.making.waiting = waiting;
            (self.flow, self.peak, self.in_flight) = (Some(tiers), needs, at_once);
        }
    }

    /// Makes all levels in one pass.
    fn flow(&self, tiers: &[Level]) -> Result<()> {
        let mut tree = Tree::new(tiers, &Dims::from_elem(1, tiers[0].chunks.len()))?;
        if let Some(stored) = &self.making.stored {
            tree.follow(stored.iter(), |chunk| Ok(chunk.clone()))?;
        }
        let flow = Flow::new(&self.making, &tree);
        let item = size_of::<T>() as u64;
        let leaf = tiers[0].chunks.iter().fold(item, |all, chunk| all.saturating_mul(chunk.1));
        let all = tiers[0].active.checked_len()?.saturating_mul(item).min(tree.len().saturating_mul(leaf));
        let report = |progress| self.options.progress.map_or((), |report| report(progress));
        let runner =
            Runner { in_flight: self.in_flight as usize, total: all, is_near: true, progress: Some(&report) };
        let count = usize::try_from(tree.len()).map_err(|_| Error::unsupported("so many chunks"))?;
        runner.run(count, &|k| flow.leaf(k as u64))?;
        flow.expect_whole()
    }

    /// Makes all levels, or the share of them that is asked for.
    ///
    /// # Errors
    /// `Cancelled`; those of reading and writing.
    pub(super) fn run(&mut self) -> Result<()> {
        if let Some(tiers) = &self.flow {
            return self.flow(tiers);
        }
        if let Work::Share { stage, share: (number, of), .. } = self.options.work {
            let none = || Error::invalid(format!("there is no stage {stage}"));
            self.stages.get_mut(stage).ok_or_else(none)?.tree.take_share(number, of);
        }
        let is_own = |number: usize| match self.options.work {
            Work::Share { stage, .. } => number == stage,
            _ => true,
        };
        let own = || (0..self.stages.len()).filter(|&number| is_own(number));
        let total = own().map(|number| self.bytes_of(number)).fold(0, u64::saturating_add);
        let mut before = 0;
        for number in own() {
            self.stage(number, (before, total))?;
            before += self.bytes_of(number);
        }
        Ok(())
    }

    /// Bytes of the source that a stage reads.
    fn bytes_of(&self, number: usize) -> u64 {
        let Stage { tree, after, .. } = &self.stages[number];
        if after.is_some() {
            return 0;
        }
        let (level, item) = (&tree.levels[0], size_of::<T>() as u64);
        let along = level.chunks.iter().zip(&level.factor).map(|(chunk, factor)| chunk.1 * factor);
        let leaf = along.fold(item, u64::saturating_mul);
        let shape = self.making.levels.source.shape();
        let all = shape.iter().fold(item, |all, &length| all.saturating_mul(length));
        tree.len().saturating_mul(leaf).min(all)
    }

    fn stage(&self, number: usize, (before, total): (u64, u64)) -> Result<()> {
        let (stage, key) = (&self.stages[number], self.config().key());
        let kept = |number: usize| self.kept.as_ref().map(|folder| Kept::of(folder, number));
        let finer = stage.after.and_then(|after| Some((&self.stages[after].tree, kept(after)?)));
        // What is made of cells that are kept takes little, and is made again.
        let journal = self.options.journal.filter(|_| stage.after.is_none());
        let entries = journal.map(|journal| journal.on(&key));
        let kept = kept(number).filter(|_| stage.is_kept);
        let pass = Pass::new(&self.making, (number as u64, &stage.tree), entries, (finer, kept));
        let report = |progress: Progress| {
            if let Some(report) = self.options.progress {
                report(Progress { done: (before + progress.done).min(total), total });
            }
        };
        let runner = Runner {
            in_flight: self.in_flight as usize,
            total,
            is_near: self.making.levels.source.store().request_cost() <= NEAR,
            progress: Some(&report),
        };
        let count = usize::try_from(stage.tree.len()).map_err(|_| Error::unsupported("so many chunks"))?;
        runner.run(count, &|k| pass.leaf(k as u64))
    }

    /// All that the outcome depends on but elements.
    fn config(&self) -> Config {
        let level = |level: &Level| {
            let chunks = format!("{:?}", level.chunks);
            identity_of(&level.array).with("active", level.active.to_string()).with("chunks", chunks)
        };
        let ignore = self.options.ignore.map(|number| format!("{number:?}"));
        Config::new("pyramid")
            .with("source", identity_of(&self.making.levels.source))
            .with("levels", self.making.levels.levels.iter().map(level).collect::<Parameter>())
            .with("method", self.making.method.name())
            .with("unit", self.unit.map_or(Parameter::None, |bytes| Parameter::Text(bytes.to_string())))
            .with("ignore", ignore.map_or(Parameter::None, Parameter::Text))
    }
}
