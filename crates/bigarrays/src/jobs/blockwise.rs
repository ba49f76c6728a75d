//! Jobs that read blocks of one array and write what becomes of them to the same blocks of another.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::array::{Array, Cutout};
use crate::base::buffer::{Order, View};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::compute::{Digest, Entries, Made, Reads};
use crate::jobs::copy::{Note, Tasks, by_shard, expect_apart};
use crate::jobs::cut::{are_near, is_refused, plan_holding};
use crate::jobs::gather::Batch;
use crate::jobs::geometry::{Geometry, in_order};
use crate::jobs::plan::CopyPlan;
use crate::jobs::sharing::{GivenBlocks, Sharing, does_share};
use crate::jobs::sparse::{Sparse, Stored};
use crate::run::interrupt::check_interrupt;
use crate::run::runner::{Progress, Runner};

/// Two arrays of the same shape, and blocks of whole chunks or shards of the second.
pub(super) struct Blockwise<'a> {
    /// In coordinates of the target.
    pub(super) source: Array,
    pub(super) target: &'a Array,
    pub(super) plan: CopyPlan,
    sparse: Option<Sparse>,
    pub(super) sharing: Option<&'a Sharing>,
}

/// Makes a block and writes it to an array. Returns what it was made of, if that is known.
pub(super) type MakeFn<'w> = dyn Fn(u64, &Domain, &Array) -> Result<Option<Digest>> + Sync + 'w;

/// Makes words of a block, list by list. Returns what they were made of, if that is known.
pub(super) type LeaveFn<'w> = dyn Fn(&mut dyn FnMut(Vec<u64>) -> Result<()>) -> Result<Option<Digest>> + 'w;

/// The share of what blocks take that they may leave for later runs. A block that would leave more leaves nothing.
const KEPT: u64 = 8;

/// Passes on the lists of words that were written one behind the other, each after its length.
fn each_list(bytes: &[u8], take: &dyn Fn(&[u64]) -> Result<()>) -> Result<()> {
    let damaged = || Error::corrupt("what a block has left for others is damaged");
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default())).collect();
    let mut rest = &words[..];
    while let Some((&count, behind)) = rest.split_first() {
        let (list, behind) = behind.split_at_checked(count as usize).ok_or_else(damaged)?;
        take(list)?;
        rest = behind;
    }
    Ok(())
}

/// Keeps words that were made of a block.
///
/// # Errors
/// Any error of files.
pub(super) fn keep_words(entries: &Entries<'_>, number: u64, words: &[u64]) -> Result<()> {
    let mut bytes: Vec<u8> = bytemuck::cast_slice(words).to_vec();
    bytes.extend(Digest::of_bytes(&bytes).0.to_le_bytes());
    entries.keep(number, &bytes)
}

/// What was kept by [`keep_words`]; `None` if there is nothing, or it is damaged.
///
/// # Errors
/// Any error of files.
pub(super) fn kept_words(entries: &Entries<'_>, number: u64) -> Result<Option<Vec<u64>>> {
    let Some(bytes) = entries.kept(number)? else { return Ok(None) };
    let whole = bytes.split_last_chunk::<16>().filter(|(words, sum)| {
        words.len().is_multiple_of(8) && Digest::of_bytes(words).0.to_le_bytes() == **sum
    });
    let word = |word: &[u8]| u64::from_ne_bytes(word.try_into().unwrap_or_default());
    Ok(whole.map(|(words, _)| words.chunks_exact(8).map(word).collect()))
}

/// What is written block by block.
pub(super) struct Writing<'w> {
    /// The number of the pass.
    pub(super) pass: u64,
    pub(super) entries: Option<&'w Entries<'w>>,
    /// What the numbers of blocks have set where they are noted.
    pub(super) mark: u64,
    /// What a block would be made of now.
    pub(super) from: &'w (dyn Fn(u64, &Domain) -> Result<Option<Digest>> + Sync),
    pub(super) make: &'w MakeFn<'w>,
    /// What is to be done for a block that an earlier run has written.
    pub(super) found: &'w (dyn Fn(u64, &Domain) -> Result<()> + Sync),
}

impl<'a> Blockwise<'a> {
    /// Plans blocks within some bytes, of which each element takes so many. If missing chunks of the source `stay_missing` in the
    /// target, what is stored in neither is not dealt with.
    ///
    /// # Errors
    /// `InvalidArgument` if shapes differ, or both are of one array; `MemoryBudget`; a storage error.
    pub(super) fn new(
        source: &Array,
        target: &'a Array,
        room: (u64, u64),
        stay_missing: bool,
        sharing: Option<&'a Sharing>,
    ) -> Result<Self> {
        if source.shape() != target.shape() {
            let reason = format!("box {} and box {} differ in shape", source.domain(), target.domain());
            return Err(Error::invalid(reason).during("writing to").at(target.url()));
        }
        expect_apart(source, target)?;
        let source = source.translate_to(target.domain().origin())?;
        Self::planned(source, target, room, stay_missing, sharing)
    }

    /// Plans blocks of an array that is read alone. If missing chunks have nothing, they are not dealt with.
    ///
    /// # Errors
    /// `MemoryBudget`; a storage error.
    pub(super) fn reading(
        source: &'a Array,
        room: (u64, u64),
        is_empty: bool,
        sharing: Option<&'a Sharing>,
    ) -> Result<Self> {
        Self::planned(source.clone(), source, room, is_empty, sharing)
    }

    fn planned(
        source: Array,
        target: &'a Array,
        (memory, held): (u64, u64),
        stay_missing: bool,
        sharing: Option<&'a Sharing>,
    ) -> Result<Self> {
        let room = (sharing.map_or(memory, |sharing| sharing.memory(memory)), held);
        let given = sharing.map_or(Ok(None), Sharing::blocks)?;
        let cuts = given.as_ref().map(|given| &given.cuts[..]);
        let stored = Stored::of(&source, target, stay_missing)?.ok();
        let planned = plan_holding(&source, target, room, stored.as_ref(), cuts);
        let (planned, stored) = match stored {
            Some(_) if is_refused(&planned) => (plan_holding(&source, target, room, None, cuts), None),
            stored => (planned, stored),
        };
        let mut plan = planned?;
        if plan.blocks.len() == u64::MAX {
            return Err(Error::unsupported("more than 2^64 blocks").at(target.url()));
        }
        let sparse = stored.map(|stored| Sparse::of(stored, &plan)).transpose()?;
        // While others write to the target, there is more and more in it.
        plan.only = match given {
            Some(GivenBlocks { only, .. }) => only,
            None => sparse.as_ref().map(|sparse| sparse.blocks.clone()),
        };
        plan.bytes = plan.bytes_of_blocks(target.dtype().size())?;
        sharing.map_or(Ok(()), |sharing| sharing.give_blocks(&plan))?;
        Ok(Self { source, target, plan, sparse, sharing })
    }

    /// Which of the blocks that have anything to do are to be looked at in a pass, that of so many shares at most.
    fn tasks(&self, pass: u64, most_shares: u64) -> Result<Range<usize>> {
        let count = self.plan.blocks();
        let Some(sharing) = self.sharing else { return Ok(0..count) };
        let tasks = sharing.tasks(pass, count as u64, most_shares)?;
        Ok(tasks.start as usize..tasks.end as usize)
    }

    /// Whether nothing is done here but a share of a pass.
    pub(super) fn does_share(&self) -> bool {
        does_share(self.sharing)
    }

    /// An error of a block, which says so where others would not know which one this process was at.
    fn at_block(&self, error: Error, block: &Domain) -> Error {
        if self.does_share() && error.kind() != ErrorKind::Cancelled { error.within(block) } else { error }
    }

    /// The elements of a block, in the order of the source, and what they were read from.
    pub(super) fn read<T: Element>(&self, block: &Domain) -> Result<(Vec<T>, Option<Digest>)> {
        let reads = Arc::new(Reads::over(Arc::clone(self.source.store())));
        let source = self.known(&self.source.with_store(Arc::clone(&reads) as _));
        let data = Cutout::<T>::filled_by(block, self.source.order(), |out| source.read_into(block, out))?;
        Ok((data.into_data().into_raw_vec_and_offset().0, reads.digest()))
    }

    /// The versions of what a block is read from.
    pub(super) fn versions(&self, block: &Domain) -> Result<Digest> {
        Digest::of_versions(&self.known(&self.source), block)
    }

    /// The source, of which nothing is asked that is known to be missing.
    fn known(&self, source: &Array) -> Array {
        self.sparse.as_ref().map_or_else(|| source.clone(), |sparse| sparse.source(source))
    }

    /// What of a budget blocks leave for what is found in them, and for what they leave for later runs.
    pub(super) fn room(&self, memory: u64) -> u64 {
        let peak = self.plan.peak_memory;
        memory.saturating_sub(peak).saturating_sub(peak / KEPT)
    }

    /// How a block lies in memory and among others.
    pub(super) fn geometry(&self, number: u64, block: &Domain) -> Geometry {
        let (order, whole) = (self.source.order(), self.source.domain());
        let mut weights: Dims<u64> = Dims::from_elem(1, block.ndim());
        for axis in (1..block.ndim()).rev() {
            weights[axis - 1] = weights[axis].saturating_mul(whole.shape()[axis].max(1));
        }
        let blocks = &self.plan.blocks;
        let places = blocks.places(number);
        let beside = places.iter().zip(&blocks.cuts);
        let beside: Dims<[bool; 2]> =
            beside.map(|(&place, cuts)| [place > 0, place + 1 < cuts.len()]).collect();
        let first = block.origin().iter().zip(whole.origin()).map(|(at, first)| at.abs_diff(*first));
        let first: Dims<u64> = first.collect();
        Geometry {
            shape: in_order(order, block.shape().iter().map(|&length| length as usize)),
            first: in_order(order, first.into_iter()),
            weights: in_order(order, weights.into_iter()),
            beside: in_order(order, beside.into_iter()),
        }
    }

    /// The block beside another along an axis, in the order of memory, if there is one that has anything to do.
    pub(super) fn beside(&self, number: u64, axis: usize, is_above: bool) -> Option<u64> {
        let blocks = &self.plan.blocks;
        let axis = if self.source.order() == Order::C { axis } else { blocks.cuts.len() - 1 - axis };
        let mut places = blocks.places(number);
        let step = if is_above { 1 } else { -1 };
        places[axis] =
            places[axis].checked_add_signed(step).filter(|&place| place < blocks.cuts[axis].len())?;
        let other = blocks.number(&places);
        self.plan.only.as_ref().is_none_or(|only| only.contains(other)).then_some(other)
    }

    /// Has `take` be given the words that `make` makes of a block, or that an earlier run or another process has left of it. Who does a
    /// share leaves them alone.
    ///
    /// # Errors
    /// Those of the two; any error of files.
    pub(super) fn left(
        &self,
        number: u64,
        block: &Domain,
        entries: Option<&Entries<'_>>,
        make: &LeaveFn<'_>,
        take: &dyn Fn(&[u64]) -> Result<()>,
    ) -> Result<()> {
        let Some(entries) = entries else { return make(&mut |words| take(&words)).map(drop) };
        let take = |words: &[u64]| if self.does_share() { Ok(()) } else { take(words) };
        if let Some((bytes, _)) = self.found(number, block, entries)? {
            return each_list(&bytes, &take);
        }
        let most = match self.sharing {
            // The others have nothing else.
            Some(_) => u64::MAX,
            None => self.plan.peak_memory / KEPT / self.plan.in_flight.max(1) as u64,
        };
        let (mut bytes, mut is_kept) = (Vec::new(), true);
        let from = make(&mut |words| {
            is_kept &= (bytes.len() + 8 * words.len()) as u64 <= most;
            if is_kept {
                bytes.extend_from_slice(&(words.len() as u64).to_ne_bytes());
                bytes.extend_from_slice(bytemuck::cast_slice(&words));
            }
            take(&words)
        })?;
        if is_kept { self.leave(number, &bytes, from, entries) } else { Ok(()) }
    }

    /// What an earlier run or another process has left of a block, and what it was read from, if that is known.
    ///
    /// # Errors
    /// Any error of files; those of asking for versions.
    pub(super) fn found(
        &self,
        number: u64,
        block: &Domain,
        entries: &Entries<'_>,
    ) -> Result<Option<(Vec<u8>, Option<Digest>)>> {
        let Some(made) = entries.made(number)? else { return Ok(None) };
        let kept = entries.kept(number)?.filter(|bytes| Digest::of_bytes(bytes) == made.to);
        // What others have read a moment ago is looked at in the end.
        match kept {
            Some(bytes) if self.sharing.is_some() || self.versions(block)? == made.from => {
                Ok(Some((bytes, Some(made.from).filter(|from| *from != Digest::default()))))
            }
            _ => {
                entries.redo();
                Ok(None)
            }
        }
    }

    /// Leaves bytes that were made of a block to a later run or other processes; to a later run only if it is known what they are of.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn leave(
        &self,
        number: u64,
        bytes: &[u8],
        from: Option<Digest>,
        entries: &Entries<'_>,
    ) -> Result<()> {
        let Some(from) = from.or(self.sharing.map(|_| Digest::default())) else { return Ok(()) };
        entries.keep(number, bytes)?;
        entries.note(number, Made { from, to: Digest::of_bytes(bytes) })
    }

    /// Writes the bytes of elements, in the order of the source, to a block.
    pub(super) fn put(&self, block: &Domain, target: &Array, bytes: &[u8]) -> Result<()> {
        let target = self.sparse.as_ref().map_or_else(|| target.clone(), |sparse| sparse.target(target));
        let shape: Dims<usize> = block.shape().iter().map(|&length| length as usize).collect();
        let order = self.source.order();
        target.write_from(block, View::dense(bytes, &shape, target.dtype().size(), order)?)
    }

    /// Does `work` for each block that has anything to do: in a pass that others may share, or here alone.
    ///
    /// # Errors
    /// Its first error; those of others; `Cancelled`.
    pub(super) fn each(
        &self,
        pass: Option<u64>,
        progress: &(dyn Fn(Progress) + Sync),
        work: &(dyn Fn(u64, &Domain) -> Result<()> + Sync),
    ) -> Result<()> {
        let tasks = pass.map_or(Ok(0..self.plan.blocks()), |pass| self.tasks(pass, u64::MAX))?;
        let numbers = Mutex::new(self.plan.numbers().skip(tasks.start).take(tasks.len()));
        self.runner(progress).run(tasks.len(), &|_| {
            let Some(number) = numbers.locked().next() else { return Ok(0) };
            let block = self.plan.blocks.get(number)?;
            work(number, &block).map_err(|error| self.at_block(error, &block))?;
            self.bytes(&block)
        })
    }

    /// Writes each block that has anything to do, and that no earlier run and no other process has written. Returns how many were written by one.
    ///
    /// # Errors
    /// The first error of making or writing; `Cancelled`.
    pub(super) fn write(&self, progress: &(dyn Fn(Progress) + Sync), writing: &Writing<'_>) -> Result<u64> {
        // Little is kept of a shard then, and what is in one is written at once.
        let is_thin = self.sparse.as_ref().is_some_and(|sparse| sparse.is_thin);
        let has_boxes = self.target.shard_shape().is_some();
        // Of shards that are no boxes, every process would write all.
        let is_apart = has_boxes || self.target.layout().sharding.is_none();
        let own = self.tasks(writing.pass, if is_apart { u64::MAX } else { 1 })?;
        let numbers = self.plan.numbers().skip(own.start).take(own.len());
        let tasks: Tasks<'_> = if is_thin && has_boxes {
            by_shard(&self.plan, numbers, self.target)?
        } else {
            Box::new(numbers.map(|number| (number, None)))
        };
        let (found, tasks) = (AtomicU64::new(0), Mutex::new(tasks));
        self.runner(progress).run(own.len(), &|_| {
            let Some((number, batch)) = tasks.locked().next() else { return Ok(0) };
            check_interrupt()?;
            let block = self.plan.blocks.get(number)?;
            let written = self.write_block(number, &block, batch.as_deref(), writing);
            if written.map_err(|error| self.at_block(error, &block))? {
                found.fetch_add(1, Ordering::Relaxed);
            }
            self.bytes(&block)
        })?;
        drop(tasks);
        Ok(found.into_inner())
    }

    /// Writes a block, unless an earlier run has. Returns whether it has.
    fn write_block(
        &self,
        number: u64,
        block: &Domain,
        batch: Option<&Batch<Note>>,
        writing: &Writing<'_>,
    ) -> Result<bool> {
        let is_done = self.is_done(number, block, writing)?;
        let gathering = batch.map(|batch| self.target.with_store(batch.store()));
        let from = if is_done {
            (writing.found)(number, block)?;
            None
        } else {
            (writing.make)(number, block, gathering.as_ref().unwrap_or(self.target))?
        };
        let is_noted = self.sharing.is_some() && !is_done;
        let note = from.or(is_noted.then(Digest::default)).map(|from| (number, from));
        let tell = |(number, from): Note| {
            let Some(entries) = writing.entries else { return Ok(()) };
            let to = Digest::of_versions(self.target, &self.plan.blocks.get(number)?)?;
            entries.note(number | writing.mark, Made { from, to })
        };
        match batch {
            Some(batch) => batch.end(note, &tell)?,
            None => note.map_or(Ok(()), tell)?,
        }
        Ok(is_done)
    }

    fn is_done(&self, number: u64, block: &Domain, writing: &Writing<'_>) -> Result<bool> {
        let Some(entries) = writing.entries else { return Ok(false) };
        let Some(made) = entries.made(number | writing.mark)? else { return Ok(false) };
        let is_so = (self.sharing.is_some() || (writing.from)(number, block)? == Some(made.from))
            && match Digest::of_versions(self.target, block) {
                // What is damaged is done again.
                Err(error) if matches!(error.kind(), ErrorKind::CorruptData | ErrorKind::NotFound) => false,
                versions => versions? == made.to,
            };
        if !is_so {
            entries.redo();
        }
        Ok(is_so)
    }

    fn bytes(&self, block: &Domain) -> Result<u64> {
        Ok(block.checked_len()?.saturating_mul(self.target.dtype().size() as u64))
    }

    fn runner<'r>(&self, progress: &'r (dyn Fn(Progress) + Sync)) -> Runner<'r> {
        Runner {
            in_flight: self.plan.in_flight,
            total: self.plan.bytes,
            is_near: are_near(&self.source, self.target),
            progress: Some(progress),
        }
    }
}
