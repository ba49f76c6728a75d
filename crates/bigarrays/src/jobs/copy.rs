//! Copying a box of one array into a box of another, of whatever formats.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::array::Array;
use crate::base::buffer::{View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::config::{Config, Parameter};
use crate::compute::{Blocks, Cast, Cuts, Digest, Entries, Journal, Made, Reads, cast, identity_of};
use crate::jobs::cut::{are_near, is_refused, plan};
use crate::jobs::gather::Batch;
use crate::jobs::plan::CopyPlan;
use crate::jobs::sparse::{Everything, Sparse, Stored, place_in};
use crate::jobs::twins::Twins;
use crate::run::interrupt::check_interrupt;
use crate::run::runner::{Progress, Runner};

/// How a copy is made, what it may use and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct CopyOptions<'a> {
    /// How elements become those of another type; without, both are of the same.
    pub cast: Option<Cast>,
    /// Whether chunks that move as they are stored are decoded nevertheless, and damaged ones refused.
    pub check: bool,
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use, of which the
    /// limits of control groups and of Slurm count.
    pub memory: u64,
    /// Where blocks that are done are noted, and those looked up that an earlier run has noted.
    pub journal: Option<&'a Journal>,
    /// Is told after every block, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// What a copy has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How it was done.
    pub plan: CopyPlan,
    /// Blocks that an earlier run had done, and that were found as it had left them.
    pub found: u64,
}

/// Copies all elements of `source` to `target`, two arrays or views of the same shape, and of the same
/// type unless a [`Cast`] is given.
///
/// Where both stores list what they have, the work follows that: a chunk of the target is written where it shows stored
/// chunks of the source, or where it is stored itself, and what is stored in neither is missing in both. All of the box is
/// copied if a store has no list, or one much longer than the box, if the fill values differ, or if an array is strict or
/// kept in several layouts.
///
/// Works block by block: each block is read once, and written in whole chunks of the target wherever
/// the target's box allows. Chunks are replaced whole, so that a copy that ends early leaves a valid
/// target, of which some chunks are new; to end it early, call it within
/// [`interruptible`](crate::interruptible). Where both arrays are cut and encoded alike, chunks move as they
/// are stored, damaged ones too unless they are to be checked.
///
/// With a [`Journal`], a copy that ended early is taken up by the same call: what is noted there as done
/// is read from the target and not copied again, if it is as it was left, and what it was made of is of the
/// version that it was, where the source's store knows versions.
///
/// # Errors
/// `InvalidArgument` if shapes or types differ, if both show elements of one place that may be the same, or
/// if an element does not fit into the target's type;
/// `MemoryBudget` before anything is read, if one block does not fit; `Cancelled`; any error of reading or
/// writing.
pub fn copy(source: &Array, target: &Array, options: CopyOptions<'_>) -> Result<Copied> {
    PlannedCopy::new(source, target, options)?.run()
}

/// A copy that is planned and not begun: it knows what there is in both arrays.
pub struct PlannedCopy<'a> {
    /// In coordinates of the target.
    source: Array,
    target: &'a Array,
    options: CopyOptions<'a>,
    plan: CopyPlan,
    sparse: Option<Sparse>,
}

impl<'a> PlannedCopy<'a> {
    /// Plans what [`copy`] does. Asks the stores of both arrays what they have, and reads no chunk.
    ///
    /// # Errors
    /// As [`copy`], before it reads anything.
    pub fn new(source: &Array, target: &'a Array, options: CopyOptions<'a>) -> Result<Self> {
        let source = aligned(source, target, options.cast)?;
        let moves = twins(&source, target, &options).is_some();
        let stored = Stored::of(&source, target, has_one_fill(&source, target, options.cast))?;
        let planned = plan(&source, target, options.memory, moves, stored.as_ref().ok());
        let (planned, stored) = match stored {
            Ok(_) if is_refused(&planned) => {
                (plan(&source, target, options.memory, moves, None), Err(Everything::NoRoom))
            }
            stored => (planned, stored),
        };
        let mut plan = planned?;
        let sparse = match stored {
            // So many blocks have no numbers.
            Ok(_) if plan.blocks.len() == u64::MAX => None,
            Ok(stored) => {
                let sparse = Sparse::of(stored, &plan)?;
                follow(&mut plan, &sparse, target)?;
                Some(sparse)
            }
            Err(everything) => {
                plan.note = everything.note();
                None
            }
        };
        Ok(Self { source, target, options, plan, sparse })
    }

    /// How the copy is done.
    pub fn plan(&self) -> &CopyPlan {
        &self.plan
    }

    /// Copies.
    ///
    /// # Errors
    /// As [`copy`].
    pub fn run(self) -> Result<Copied> {
        let Self { source, target, options, plan, sparse } = self;
        let item = target.dtype().size() as u64;
        let twins = twins(&source, target, &options);
        let blocks = &plan.blocks;
        let job = Job { source: &source, target, blocks, sparse: sparse.as_ref(), twins, cast: options.cast };
        let entries = options.journal.map(|journal| journal.on(&job.config(&plan).key()));
        let runner = Runner {
            in_flight: plan.in_flight,
            total: plan.bytes,
            is_near: are_near(&source, target),
            progress: options.progress,
        };
        // Little is kept of a shard then, and what is in one is written at once.
        let is_thin = sparse.as_ref().is_some_and(|sparse| sparse.is_thin);
        let tasks = if is_thin && target.shard_shape().is_some() {
            by_shard(&plan, plan.numbers(), target)?
        } else {
            Box::new(plan.numbers().map(|number| (number, None)))
        };
        let (found, tasks) = (AtomicU64::new(0), Mutex::new(tasks));
        runner.run(plan.blocks(), &|_| {
            let Some((number, batch)) = tasks.locked().next() else { return Ok(0) };
            let block = plan.blocks.get(number)?;
            if job.run(number, &block, batch.as_deref(), entries.as_ref())? {
                found.fetch_add(1, Ordering::Relaxed);
            }
            Ok(block.checked_len()?.saturating_mul(item))
        })?;
        drop(tasks);
        // What was removed meanwhile was read as fill value.
        source.expect_as_opened()?;
        Ok(Copied { plan, found: found.into_inner() })
    }
}

/// The blocks of a plan, and which of them write to the same shard.
pub(super) type Tasks<'a> = Box<dyn Iterator<Item = (u64, Option<Arc<Batch<Note>>>)> + Send + 'a>;

/// The versions of what a block was made of, by its number.
pub(super) type Note = (u64, Digest);

/// Some blocks of a plan in the order of the shards of the target that they begin in, which are boxes.
pub(super) fn by_shard<'a>(
    plan: &CopyPlan,
    numbers: impl Iterator<Item = u64>,
    target: &'a Array,
) -> Result<Tasks<'a>> {
    let grid = target.write_grid()?;
    let mut shards: BTreeMap<Vec<i64>, Vec<u64>> = BTreeMap::new();
    for number in numbers {
        check_interrupt()?;
        shards.entry(place_in(&plan.blocks.get(number)?, &grid)).or_default().push(number);
    }
    Ok(Box::new(shards.into_values().flat_map(|numbers| {
        let batch = (numbers.len() > 1).then(|| Arc::new(Batch::of(numbers.len(), target.store())));
        numbers.into_iter().map(move |number| (number, batch.clone()))
    })))
}

/// Whether what is missing in `source` becomes what is missing in `target`.
fn has_one_fill(source: &Array, target: &Array, how: Option<Cast>) -> bool {
    let (from, to) = (source.layout(), target.layout());
    let Some(how) = how else { return from.fill == to.fill };
    let mut bytes = [0; 8];
    let bytes = &mut bytes[..to.dtype.size()];
    let is_cast = cast(from.dtype, from.fill.as_bytes(), to.dtype, bytes, how).is_ok();
    is_cast && bytes == to.fill.as_bytes()
}

/// Has the plan count what there is alone.
fn follow(plan: &mut CopyPlan, sparse: &Sparse, target: &Array) -> Result<()> {
    plan.only = Some(sparse.blocks.clone());
    (plan.source_chunks, plan.target_chunks) = (sparse.loads, sparse.target_chunks());
    let grid = target.write_grid()?;
    plan.bytes = plan.bytes_of_blocks(target.dtype().size())?;
    let mut writes = 0u64;
    for number in plan.numbers() {
        check_interrupt()?;
        let block = plan.blocks.get(number)?;
        let shards = block.ranges().zip(&grid).map(|(range, place)| Cuts::over(range, *place).len());
        writes = writes.saturating_add(shards.fold(1, u64::saturating_mul));
    }
    // Where there are no shards, each chunk is written on its own, if it is.
    let writes = if target.layout().sharding.is_some() { writes } else { sparse.target_chunks() };
    plan.requests = sparse.loads.saturating_add(writes);
    Ok(())
}

/// A copy under way, in coordinates of the target.
struct Job<'a> {
    source: &'a Array,
    target: &'a Array,
    blocks: &'a Blocks,
    sparse: Option<&'a Sparse>,
    twins: Option<Twins<'a>>,
    cast: Option<Cast>,
}

impl Job<'_> {
    /// All that the outcome of each block depends on, but for the elements of the source, and the keys of chunks,
    /// which digests have.
    fn config(&self, plan: &CopyPlan) -> Config {
        Config::new("copy")
            .with("source", identity_of(self.source))
            .with("target", identity_of(self.target))
            .with("cast", self.cast.map(|cast| cast.config()))
            .with("cuts", plan.blocks.cuts.iter().map(Cuts::config).collect::<Parameter>())
    }

    /// Whether `block` is as an earlier run has left it, made of what the source has now.
    fn is_done(&self, block: &Domain, entries: &Entries<'_>, number: u64) -> Result<bool> {
        let Some(made) = entries.made(number)? else { return Ok(false) };
        let (source, target) = self.known(self.source, self.target);
        let is_so = Digest::of_versions(&source, block)? == made.from
            && match Digest::of_versions(&target, block) {
                // What is damaged is done again.
                Err(error) if matches!(error.kind(), ErrorKind::CorruptData | ErrorKind::NotFound) => false,
                versions => versions? == made.to,
            };
        if !is_so {
            entries.redo();
        }
        Ok(is_so)
    }

    /// The job's arrays, through whatever stores, of which nothing is asked that is known to be missing.
    fn known(&self, source: &Array, target: &Array) -> (Array, Array) {
        match self.sparse {
            Some(sparse) => (sparse.source(source), sparse.target(target)),
            None => (source.clone(), target.clone()),
        }
    }

    /// Copies the block of this number, unless it is noted as done. Returns whether it is.
    fn run(
        &self,
        number: u64,
        block: &Domain,
        batch: Option<&Batch<Note>>,
        entries: Option<&Entries<'_>>,
    ) -> Result<bool> {
        let gathering = batch.map(|batch| self.target.with_store(batch.store()));
        let target = gathering.as_ref().unwrap_or(self.target);
        let (is_done, from) = match entries {
            None => {
                self.copy(block, self.source, target)?;
                (false, None)
            }
            Some(entries) if self.is_done(block, entries, number)? => (true, None),
            Some(_) => (false, self.copy_digesting(block, target)?),
        };
        let note = from.map(|from| (number, from));
        let tell = |(number, from)| self.note(number, from, entries);
        match batch {
            Some(batch) => batch.end(note, &tell)?,
            None => note.map_or(Ok(()), tell)?,
        }
        Ok(is_done)
    }

    /// Notes what a block was made of, and what was made of it, now that it is put.
    fn note(&self, number: u64, from: Digest, entries: Option<&Entries<'_>>) -> Result<()> {
        let Some(entries) = entries else { return Ok(()) };
        let block = self.blocks.get(number)?;
        entries.note(number, Made { from, to: Digest::of_versions(self.target, &block)? })
    }

    /// Copies `block`, and says what it was made of, if that is known.
    fn copy_digesting(&self, block: &Domain, target: &Array) -> Result<Option<Digest>> {
        let reads = Arc::new(Reads::over(Arc::clone(self.source.store())));
        let source = self.source.with_store(Arc::clone(&reads) as _);
        self.copy(block, &source, target)?;
        Ok(reads.digest())
    }

    /// Copies `block` of `source` to `target`, which are the job's, through whatever stores.
    fn copy(&self, block: &Domain, source: &Array, target: &Array) -> Result<()> {
        let (source, target) = self.known(source, target);
        if let Some(twins) = &self.twins {
            return twins.copy(block, &source, &target);
        }
        let shape: Dims<usize> = block.shape().iter().map(|&length| length as usize).collect();
        let (order, item) = (target.order(), self.source.dtype().size());
        let length = byte_len(&shape, item)?;
        with_scratch(|buffer| {
            let bytes = try_first_bytes(buffer, length)?;
            source.read_into(block, ViewMut::dense(bytes, &shape, item, order)?)?;
            let Some(how) = self.cast else {
                return target.write_from(block, View::dense(bytes, &shape, item, order)?);
            };
            let (from, to) = (self.source.dtype(), target.dtype());
            let length = byte_len(&shape, to.size())?;
            with_scratch(|other| {
                let other = try_first_bytes(other, length)?;
                cast(from, bytes, to, other, how)
                    .map_err(|error| error.during("casting elements of").at(self.source.url()))?;
                target.write_from(block, View::dense(other, &shape, to.size(), order)?)
            })
        })
    }
}

/// How [`copy`] would copy all of the box, stored or not: whether it fits the memory budget. No I/O.
///
/// # Errors
/// As [`copy`], before it reads anything.
pub fn plan_copy(source: &Array, target: &Array, options: &CopyOptions<'_>) -> Result<CopyPlan> {
    let source = aligned(source, target, options.cast)?;
    plan(&source, target, options.memory, twins(&source, target, options).is_some(), None)
}

/// The two arrays, if chunks are to move as they are stored.
fn twins<'a>(source: &'a Array, target: &'a Array, options: &CopyOptions<'_>) -> Option<Twins<'a>> {
    // What is only fill is to be found out.
    let decodes = options.cast.is_some() || target.options().drop_fill;
    if decodes { None } else { Twins::of(source, target, options.check) }
}

/// The source in coordinates of the target.
fn aligned(source: &Array, target: &Array, cast: Option<Cast>) -> Result<Array> {
    let (from, to) = (source.domain(), target.domain());
    if from.shape() != to.shape() {
        return Err(Error::invalid(format!("box {from} and box {to} differ in shape")));
    }
    if source.dtype() != target.dtype() && cast.is_none() {
        return Err(Error::invalid(format!(
            "elements of {} do not go into {} without a cast",
            source.dtype(),
            target.dtype()
        ))
        .during("copying into")
        .at(target.url()));
    }
    expect_apart(source, target)?;
    source.translate_to(to.origin())
}

/// An error if the two are views of the same array that may meet: blocks would be read that have been
/// written already.
pub(super) fn expect_apart(source: &Array, target: &Array) -> Result<()> {
    if source.canonical_location() != target.canonical_location()
        || source.layout().domain().ndim() != target.layout().domain().ndim()
    {
        return Ok(());
    }
    let (from, to) = (source.stored_bounds()?, target.stored_bounds()?);
    if from.intersect(&to).is_empty() {
        return Ok(());
    }
    let reason = format!("boxes {from} and {to} are of one array and overlap; copy through another array");
    Err(Error::invalid(reason).during("copying into").at(target.url()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Order;
    use crate::base::dtype::DataType;
    use crate::compute::Blocks;
    use crate::{CreateSpec, OpenOptions};

    /// Journals of earlier runs are found by it.
    #[test]
    fn a_job_is_known_by_the_same_key() {
        let create = |url: &str, codecs: serde_json::Value| {
            let mut spec = CreateSpec::new(DataType::U16, "0:6,0:4".parse().unwrap());
            (spec.storage.chunk_shape, spec.storage.codecs) = (Some(vec![2, 4]), Some(codecs));
            OpenOptions::new().format("zarr3").create(url, &spec).unwrap()
        };
        let bytes = serde_json::json!({"name": "bytes", "configuration": {"endian": "little"}});
        let zstd = serde_json::json!({"name": "zstd", "configuration": {"level": 5, "checksum": true}});
        let source = create("memory://key-of-a-job/a", serde_json::json!([bytes]));
        let target = create("memory://key-of-a-job/b", serde_json::json!([bytes, zstd]));
        let plan = CopyPlan {
            blocks: Blocks::new(
                [Cuts::over(0..6, (0, 4)), Cuts::over(0..4, (0, 4))].into_iter().collect(),
                Order::Fortran,
            ),
            in_flight: 1,
            peak_memory: 0,
            source_chunks: 0,
            target_chunks: 0,
            requests: 0,
            bytes: 0,
            moves: false,
            only: None,
            note: None,
        };
        let (source, target, blocks) = (&source, &target, &plan.blocks);
        let job = Job { source, target, blocks, sparse: None, twins: None, cast: Some(Cast::default()) };
        let golden = include_str!("../../tests/data/journal/copy-key.txt");
        assert_eq!(job.config(&plan).key(), golden.trim_end());
    }
}
