//! Blanking a box or a mask of an array: elements become fill value, and chunks that have nothing else are removed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::array::{Array, Blank, ChunkSet};
use crate::base::buffer::{Order, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::{ComputeOptions, Function, Lazy};
use crate::jobs::blockwise::{keep_words, kept_words};
use crate::jobs::sharing::Sharing;
use crate::run::budget;
use crate::run::pool::threads;
use crate::run::runner::{FAR, Progress, Runner};

/// Chunks that are changed at once, at most: those that are files, and those of shards that are no boxes.
const FILES: u64 = 1 << 10;
const SHARDED: u64 = 1 << 14;

/// The share of the budget that these, or their masks, may take.
const SHARE: u64 = 4;

/// How many times a chunk that is changed in part is held, or a shard: as it was, as it will be, and encoded.
const COPIES: u64 = 3;

/// What is blanked, and what that may use.
#[derive(Clone, Default)]
pub struct BlankOptions<'a> {
    /// The box; without, all of the array that the mask covers.
    pub part: Option<Domain>,
    /// Only where this is not 0, at the coordinates of the array. Outside of its domain, nothing is blanked.
    pub mask: Option<Lazy>,
    /// Changes nothing, and says what would be.
    pub dry_run: bool,
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use.
    pub memory: u64,
    /// What of the work this process does, where several share it; all of it without.
    pub sharing: Option<&'a Sharing>,
    /// Is told after every batch of chunks, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// What was blanked, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blanked {
    /// Stored chunks of which all is blanked. Only the box counts as long as nothing is changed.
    pub removed: u64,
    /// Stored chunks of which a part is blanked; those that have nothing else are removed as well.
    pub changed: u64,
}

/// Makes fill value of the elements of a box, or of a mask. What the store has is asked for first: where nothing is stored, nothing
/// is done. Each chunk changes at once, whole ones without being read, and writers of other elements lose nothing. There is no
/// journal: whoever was stopped or killed has blanked some of the chunks, all else is as it was, and the same call finishes it; chunks that
/// are gone already cost nothing then, and are not counted. Coarser scales stay as they are.
///
/// ```
/// use bigarrays::jobs::{BlankOptions, Blanked, blank};
/// use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array2};
///
/// let mut spec = CreateSpec::new(DataType::U8, "0:30,0:20".parse()?);
/// spec.storage.chunk_shape = Some(vec![10, 10]);
/// let array = OpenOptions::new().format("zarr3").create("memory://blank", &spec)?;
/// array.write(&[0, 0], Array2::<u8>::ones((30, 20)).view())?;
/// let options = BlankOptions { part: Some("0:15,0:20".parse()?), ..BlankOptions::default() };
/// assert_eq!(blank(&array, &options)?, Blanked { removed: 2, changed: 2 });
/// assert_eq!((array.get::<u8>(&[14, 3])?, array.get::<u8>(&[15, 3])?), (0, 1));
/// assert_eq!(array.stored_chunks(array.domain())?.len(), 4);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` without a box and a mask, if they have other axes, or if the mask is made of other elements of the array than those
/// that it covers; `ReadOnly`; `MemoryBudget` before anything is changed;
/// `Cancelled`; those of reading and writing.
pub fn blank(array: &Array, options: &BlankOptions<'_>) -> Result<Blanked> {
    let during = |error: Error| error.during("blanking");
    let job = Job::new(array, options).map_err(|error| during(error).at(array.url()))?;
    job.run().map_err(during)
}

struct Job<'a> {
    array: &'a Array,
    options: &'a BlankOptions<'a>,
    part: Domain,
    /// A boolean expression.
    mask: Option<Lazy>,
    stored: ChunkSet,
    /// Chunks that are changed at once: those of a shard, or some.
    batches: Vec<Vec<u64>>,
    in_flight: usize,
}

impl<'a> Job<'a> {
    fn new(array: &'a Array, options: &'a BlankOptions<'a>) -> Result<Self> {
        if array.options().read_only && !options.dry_run {
            return Err(Error::new(ErrorKind::ReadOnly, "the array was opened read-only"));
        }
        let mask = options.mask.as_ref().map(is_set).transpose()?;
        let part = match (&options.part, &mask) {
            (None, None) => return Err(Error::invalid("neither a box nor a mask says what is blanked")),
            (Some(part), _) => part.clone(),
            (None, Some(mask)) => mask.domain().clone(),
        };
        part.expect_ndim(array.ndim())?;
        let mut part = part.intersect(array.domain());
        if let Some(mask) = &mask {
            mask.domain().expect_ndim(array.ndim())?;
            let other = "the mask is made of neighbours in the array that is blanked, of which some would be blanked before; \
                         save it to another array first";
            mask.expect_in_place_of(array).map_err(|_| Error::invalid(other))?;
            part = part.intersect(mask.domain());
        }
        let memory = budget::of_job(options.memory);
        let memory = options.sharing.map_or(memory, |sharing| sharing.memory(memory));
        let (stored, most) = match options.sharing.filter(|sharing| sharing.own_pass().is_some()) {
            Some(sharing) => given(array, &part, sharing)?,
            None => (array.stored_chunks(&part)?, most_at_once(array, mask.is_some(), memory)),
        };
        let batches = batches(array, &stored, most)?;
        let mut job = Self { array, options, part, mask, stored, batches, in_flight: 1 };
        job.fit(memory)?;
        if let Some(sharing) = options.sharing.filter(|sharing| sharing.own_pass().is_none()) {
            sharing.give(STORED, &[&(most as u64).to_le_bytes()[..], &job.stored.to_bytes()].concat())?;
        }
        Ok(job)
    }

    /// Takes as many batches at once as there is room for; with a mask one, whose mask is computed by all threads.
    fn fit(&mut self, memory: u64) -> Result<()> {
        let most = self.batches.iter().map(Vec::len).max().unwrap_or(0) as u64;
        let chunk = self.array.layout().chunk_bytes();
        let is_sharded = self.array.layout().sharding.is_some();
        // Of chunks that are files, each thread has one at a time.
        let held =
            if is_sharded { chunk.saturating_mul(most) } else { chunk.saturating_mul(threads() as u64) };
        let of_mask = match &self.mask {
            Some(_) => chunk.saturating_mul(most) / self.array.dtype().size().max(1) as u64,
            None => 0,
        };
        let needs = held.saturating_mul(COPIES).saturating_add(of_mask).max(1);
        if needs > memory {
            let reason =
                format!("blanking takes {} MiB, the budget is {memory} bytes", needs.div_ceil(1 << 20));
            return Err(Error::new(ErrorKind::MemoryBudget, reason));
        }
        let is_near = self.array.is_near();
        let most = if is_near { threads() as u64 } else { FAR.max(threads() as u64) };
        self.in_flight = if self.mask.is_some() { 1 } else { (memory / needs).clamp(1, most) as usize };
        Ok(())
    }

    fn run(&self) -> Result<Blanked> {
        let (removed, changed) = (AtomicU64::new(0), AtomicU64::new(0));
        let runner = Runner {
            in_flight: self.in_flight,
            total: self.stored.len(),
            is_near: self.array.is_near(),
            progress: self.options.progress,
        };
        let sharing = self.options.sharing;
        let entries = sharing.map(|sharing| sharing.entries("blank"));
        // Of shards that are no boxes, every process would change all.
        let is_apart = self.array.layout().sharding.is_none() || self.array.shard_shape().is_some();
        let (count, most) = (self.batches.len() as u64, if is_apart { u64::MAX } else { 1 });
        let tasks = sharing.map_or(Ok(0..count), |sharing| sharing.tasks(0, count, most))?;
        runner.run((tasks.end - tasks.start) as usize, &|at| {
            let number = tasks.start + at as u64;
            let known = entries.as_ref().map_or(Ok(None), |entries| kept_words(entries, number))?;
            let blanked = match known.as_deref() {
                Some(&[removed, changed]) => Blanked { removed, changed },
                _ => self.blank(&self.batches[number as usize])?,
            };
            entries
                .as_ref()
                .filter(|_| known.is_none())
                .map_or(Ok(()), |entries| keep_words(entries, number, &[blanked.removed, blanked.changed]))?;
            removed.fetch_add(blanked.removed, Ordering::Relaxed);
            changed.fetch_add(blanked.changed, Ordering::Relaxed);
            Ok(self.batches[number as usize].len() as u64)
        })?;
        Ok(Blanked { removed: removed.into_inner(), changed: changed.into_inner() })
    }

    /// Blanks some chunks, of these numbers.
    fn blank(&self, batch: &[u64]) -> Result<Blanked> {
        let (mut blanked, mut boxes) = (Blanked::default(), Vec::new());
        for chunk in batch.iter().filter_map(|&number| self.stored.nth(number)) {
            let part = chunk.intersect(&self.part);
            let mask = self.mask_of(&part)?;
            let is_all = match &mask {
                Some(mask) if !mask.contains(&1) => continue,
                Some(mask) => !mask.contains(&0),
                None => true,
            };
            let count = if is_all && part == chunk { &mut blanked.removed } else { &mut blanked.changed };
            *count += 1;
            boxes.push(Blank { part, mask });
        }
        if !self.options.dry_run {
            self.array.blank(&boxes)?;
        }
        Ok(blanked)
    }

    /// The mask of a box, a byte an element.
    fn mask_of(&self, part: &Domain) -> Result<Option<Vec<u8>>> {
        let Some(mask) = &self.mask else { return Ok(None) };
        let shape: Dims<usize> = part.shape().iter().map(|&length| length as usize).collect();
        let mut elements = vec![0; shape.iter().product()];
        let out = ViewMut::dense(&mut elements, &shape, 1, Order::C)?;
        let cut: Vec<_> = part.ranges().map(Into::into).collect();
        let options = ComputeOptions { memory: self.options.memory, ..ComputeOptions::default() };
        mask.slice(&cut)?.compute_into(out, &options)?;
        Ok(Some(elements))
    }
}

/// The name under which the stored chunks are given to others.
const STORED: &str = "stored";

/// The stored chunks as the process that leads has found them, since others remove some, and how many are changed at once.
fn given(array: &Array, part: &Domain, sharing: &Sharing) -> Result<(ChunkSet, usize)> {
    let bytes = sharing.given(STORED)?;
    let none = || Error::corrupt("what the processes of a job leave each other is damaged");
    let (most, stored) = bytes.split_first_chunk::<8>().ok_or_else(none)?;
    Ok((ChunkSet::of_bytes(array, part, stored)?, u64::from_le_bytes(*most) as usize))
}

/// Where a mask is not 0.
fn is_set(mask: &Lazy) -> Result<Lazy> {
    match mask.dtype() {
        DataType::Bool => Ok(mask.clone()),
        _ => Lazy::apply(Function::NotEqual, &[mask.into(), 0.into()]),
    }
}

/// How many chunks are changed at once where shards are no boxes.
fn most_at_once(array: &Array, has_mask: bool, memory: u64) -> usize {
    let (layout, item) = (array.layout(), array.dtype().size().max(1) as u64);
    let of_mask = if has_mask { layout.chunk_bytes() / item } else { 0 };
    let of_shard = if layout.sharding.is_some() { layout.chunk_bytes() } else { 0 };
    let each = of_mask.saturating_add(of_shard).max(1);
    let most = if layout.sharding.is_some() { SHARDED } else { FILES };
    (memory / SHARE / each).clamp(1, most) as usize
}

/// The numbers of stored chunks that are changed together: those of a shard, where shards are boxes, or else so many.
fn batches(array: &Array, stored: &ChunkSet, most: usize) -> Result<Vec<Vec<u64>>> {
    let sharding = &array.layout().sharding;
    if sharding.as_ref().is_none_or(|sharding| sharding.shape.is_none()) {
        let all: Vec<u64> = (0..stored.len()).collect();
        return Ok(all.chunks(most).map(<[u64]>::to_vec).collect());
    }
    let grid = array.write_grid()?;
    let mut shards: BTreeMap<Dims<i64>, Vec<u64>> = BTreeMap::new();
    for (k, chunk) in stored.iter().enumerate() {
        let place = |(at, (start, length)): (&i64, &(i64, u64))| {
            let apart = i128::from(*at) - i128::from(*start);
            apart.div_euclid(i128::from(*length)) as i64
        };
        let shard = chunk.origin().iter().zip(&grid).map(place).collect();
        shards.entry(shard).or_default().push(k as u64);
    }
    Ok(shards.into_values().collect())
}
