//! The chunks of one array: found by the store's listing where there is one, or else place by place, then read
//! and decoded in batches.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::array::{Array, decode_all};
use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::layout::Layout;
use crate::format::DOCUMENTS;
use crate::jobs::verify::VerifyOptions;
use crate::jobs::verify::copies::Copy;
use crate::jobs::verify::report::{ArrayReport, Findings, Problem, ProblemKind, Stray, kind_of};
use crate::run::budget;
use crate::run::interrupt::check_interrupt;
use crate::run::runner::{Progress, Runner};
use crate::store::{Blob, Finding, Get, Part, cannot_list};

/// Bytes of decoded chunks of one batch.
const BATCH_BYTES: u64 = 64 << 20;

/// The most chunks of one batch.
const BATCH: u64 = 1 << 12;

/// A box of at most so many chunks is looked at place by place, without listing all of the array.
const FEW: usize = 1 << 16;

/// Findings of a listing before it is asked whether to stop.
const ASKED: u64 = 1 << 10;

/// The most strangers that may be chunks, and of which it is asked whether the chunk is there as well.
const HIDDEN: usize = 1 << 12;

/// So many chunks in a row that may be readable when tried again: the storage itself is at fault.
const FAILURES: u32 = 16;

/// Verifies what is stored of an opened array: all of it, also where `array` is a view of a part.
///
/// An array that was opened with a cache is verified as it is read: chunks may be those of the cache.
///
/// ```
/// use bigarrays::jobs::{VerifyOptions, verify};
/// use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array2, store};
///
/// let mut spec = CreateSpec::new(DataType::U8, "0:6,0:4".parse()?);
/// spec.storage.chunk_shape = Some(vec![2, 4]);
/// let array = OpenOptions::new().format("zarr3").create("memory://verify", &spec)?;
/// array.write(&[0, 0], Array2::<u8>::ones((4, 4)).view())?;
/// let report = verify(&array, &VerifyOptions::default())?;
/// assert_eq!((report.chunks, report.stored, report.missing), (3, 2, 1));
/// assert!(report.is_whole());
///
/// array.store().write("c/1/0", b"short")?;
/// let report = verify(&array, &VerifyOptions::default())?;
/// assert_eq!(report.problems.first[0].key.as_deref(), Some("memory://verify/c/1/0"));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `Cancelled`; `MemoryBudget` if a chunk does not fit; a storage error that says nothing of what is
/// stored, such as that of a network that is down. Damage is in the report, and no error.
pub fn verify(array: &Array, options: &VerifyOptions<'_>) -> Result<ArrayReport> {
    let mut report = ArrayReport::of(array);
    if !options.is_first() {
        (report.problems, report.notes) = (Findings::default(), Findings::default());
    }
    verify_chunks(array, options, &mut report).map_err(|error| error.during("verifying").at(array.url()))?;
    Ok(report)
}

/// Verifies the chunks of `array` and what lies beside them.
fn verify_chunks(array: &Array, options: &VerifyOptions<'_>, report: &mut ArrayReport) -> Result<()> {
    let memory = budget::of_job(options.memory);
    let copies = array.layouts().map(|layout| Copy::new(layout, options)).collect::<Result<Vec<_>>>()?;
    copies.iter().try_for_each(|copy| copy.expect_fits(memory))?;
    let count = |count: usize, copy: &Copy<'_>| count.saturating_add(copy.projection.len());
    let chunks = copies.iter().fold(0, count);
    report.chunks = chunks as u64;
    let work = Work {
        array,
        options,
        copies,
        held: (memory / 1024).clamp(1 << 12, 1 << 20) as usize,
        report: Mutex::new(report),
        stored: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        failures: AtomicU32::new(0),
        done: AtomicU64::new(0),
    };
    let by_place = options.missing || (options.part.is_some() && chunks <= FEW);
    let listed = if options.part.is_some() && by_place { None } else { work.survey(!by_place)? };
    if by_place || listed.is_none() {
        work.all_places()?;
    }
    let (stored, bytes) = (work.stored.into_inner(), work.bytes.into_inner());
    report.listed = listed.is_some();
    (report.stored, report.bytes, report.missing) = (stored, bytes, report.chunks.saturating_sub(stored));
    Ok(())
}

/// A chunk that a stranger may be: the number of the copy, its grid index, and the stranger's key.
type Hidden = (usize, Dims<u64>, String);

/// What the threads that verify an array share.
struct Work<'a> {
    array: &'a Array,
    options: &'a VerifyOptions<'a>,
    copies: Vec<Copy<'a>>,
    /// The most chunks whose places are held at once.
    held: usize,
    report: Mutex<&'a mut ArrayReport>,
    stored: AtomicU64,
    bytes: AtomicU64,
    /// Chunks in a row that could not be read for now.
    failures: AtomicU32,
    /// Bytes of elements that earlier waves dealt with.
    done: AtomicU64,
}

impl Work<'_> {
    fn report<T>(&self, change: impl FnOnce(&mut ArrayReport) -> T) -> T {
        change(&mut self.report.locked())
    }

    /// Looks at everything that is in the store and, if it `reads`, at the chunks. `None` if the store
    /// does not list.
    fn survey(&self, reads: bool) -> Result<Option<()>> {
        let mut waves: Vec<Vec<Dims<u64>>> = vec![Vec::new(); self.copies.len()];
        let (mut any, mut failed, mut count) = (false, false, 0u64);
        let nested = nested_scales(self.array);
        let mut hidden = Vec::new();
        let listed = self.array.store().survey(&mut |finding| {
            any = true;
            count += 1;
            if count.is_multiple_of(ASKED) {
                check_interrupt().inspect_err(|_| failed = true)?;
            }
            let Some((number, index)) = self.found(finding, &nested, &mut hidden) else { return Ok(()) };
            if reads && self.copies[number].wanted(&index) {
                waves[number].push(index);
                if waves[number].len() >= self.held {
                    self.wave(&self.copies[number], &waves[number]).inspect_err(|_| failed = true)?;
                    waves[number].clear();
                }
            }
            Ok(())
        });
        match listed {
            Ok(()) => {}
            Err(error) if failed || error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) if !any && cannot_list(&error) => return Ok(None),
            Err(error) if !any => return Err(error),
            Err(error) => self.report(|report| report.problem(ProblemKind::Unreadable, &error, None)),
        }
        for (copy, wave) in self.copies.iter().zip(&waves) {
            self.wave(copy, wave)?;
        }
        if !hidden.is_empty() && self.options.is_first() {
            self.expect_seen(&hidden)?;
        }
        Ok(Some(()))
    }

    /// The copy and the chunk that something listed is, where it is one. What else is of interest is noted, and what
    /// may be a chunk that nobody sees is put into `hidden`.
    fn found(
        &self,
        finding: Finding<'_>,
        nested: &[String],
        hidden: &mut Vec<Hidden>,
    ) -> Option<(usize, Dims<u64>)> {
        let (key, bytes) = match finding {
            Finding::Value { key, bytes } => (key, Some(bytes)),
            Finding::Folder { key } => (key, None),
            // Whoever reads the chunk says it.
            Finding::Damaged { key, .. } if self.is_chunk(key) => (key, None),
            _ => {
                self.note(finding, nested);
                return None;
            }
        };
        let place = |(number, copy): (usize, &Copy<'_>)| Some((number, copy.layout.chunk_at(key)?));
        let found = self.copies.iter().enumerate().find_map(place);
        if let (None, Some(bytes)) = (&found, bytes) {
            let is_folder = || self.copies.iter().any(|copy| copy.layout.has_chunks_below(key));
            if self.options.is_first() && is_folder() {
                let error = Error::new(ErrorKind::Storage, "not a folder, where chunks would be in one");
                let key = Some(self.array.store().location(key));
                self.report(|report| report.problem(ProblemKind::Unreadable, &error, key));
            }
            hidden.extend(self.hidden(key).filter(|_| hidden.len() < HIDDEN));
            self.note(Finding::Stranger { key, bytes }, nested);
        }
        found
    }

    fn is_chunk(&self, key: &str) -> bool {
        self.copies.iter().any(|copy| copy.layout.chunk_at(key).is_some())
    }

    /// The chunk that a stranger may be, under a suffix or in folders that nobody looks for.
    fn hidden(&self, key: &str) -> Option<Hidden> {
        let name = key.rfind('/').map_or(0, |slash| slash + 1);
        let dots = key[name..].match_indices('.').map(|(at, _)| &key[..name + at]);
        let place = |layout: &Layout| {
            let known = |stem: &str| {
                layout.chunk_at(stem).or_else(|| layout.keys.place_elsewhere(&layout.grid, stem))
            };
            dots.clone().chain([key]).find_map(known)
        };
        let mut layouts = self.copies.iter().map(|copy| copy.layout).enumerate();
        layouts
            .find_map(|(number, layout)| Some((number, place(layout).filter(|_| layout.sharding.is_none())?)))
            .filter(|(number, index)| self.copies[*number].is_inside(index))
            .map(|(number, index)| (number, index, key.to_owned()))
    }

    /// A problem for each place where there is no chunk, but a stranger that may be it: it reads as missing.
    fn expect_seen(&self, hidden: &[Hidden]) -> Result<()> {
        let present = |(number, index, _): &Hidden| {
            let key = self.copies[*number].layout.chunk_key(index);
            // Otherwise the store refuses the very files that are looked for here.
            Get { probe: true, ..Get::new(key, Part::Presence, u64::MAX) }
        };
        let requests: Vec<Get> = hidden.iter().map(present).collect();
        let seen: Vec<AtomicBool> = hidden.iter().map(|_| AtomicBool::new(false)).collect();
        self.array.store().get_many(&requests, &|position, blob| {
            seen[position].store(blob.is_some(), Ordering::Relaxed);
            Ok(())
        })?;
        for ((number, index, stranger), _) in
            hidden.iter().zip(seen).filter(|(_, seen)| !seen.load(Ordering::Relaxed))
        {
            let error = Error::unsupported(
                "this may be a chunk, but is not looked for under this name: it reads as missing",
            );
            let domain = self.copies[*number].layout.grid.chunk_domain(index);
            let key = self.array.store().location(stranger);
            let problem = Problem::of(ProblemKind::Unreadable, &error, Some(key), Some(domain));
            self.report(|report| report.problems.push(problem));
        }
        Ok(())
    }

    /// Notes what is no chunk.
    fn note(&self, finding: Finding<'_>, nested: &[String]) {
        if !self.options.is_first() {
            return;
        }
        let stray = |key: &str, bytes| Stray { key: self.array.store().location(key), bytes };
        match finding {
            Finding::Leftover { key, bytes } => {
                self.report(|report| report.leftovers.push(stray(key, bytes)));
            }
            Finding::Twin { key, bytes } => {
                let key = self.array.store().location(key);
                let note = format!(
                    "{key}, {bytes} bytes, is a further file of a chunk that another file has as well"
                );
                self.report(|report| report.notes.push(note));
            }
            Finding::Stranger { key, bytes } | Finding::Value { key, bytes } => {
                let is_nested = nested.iter().any(|prefix| key.starts_with(prefix.as_str()));
                if !is_nested && !DOCUMENTS.contains(&key) {
                    self.report(|report| report.strangers.push(stray(key, bytes)));
                }
            }
            Finding::Folder { .. } => {}
            Finding::Damaged { key, error } => {
                let is_sharded = self.array.layout().sharding.is_some();
                let kind = if is_sharded { ProblemKind::Shard } else { ProblemKind::Unreadable };
                let key = error.key().map_or_else(|| self.array.store().location(key), str::to_owned);
                self.report(|report| report.problem(kind, &error, Some(key)));
            }
        }
    }

    /// Reads every chunk of the grid, those of a shard one after the other.
    fn all_places(&self) -> Result<()> {
        for copy in &self.copies {
            let block = copy.layout.write_shape();
            let per_block = block.iter().fold(1u64, |product, &count| product.saturating_mul(count));
            let mut wave = Vec::new();
            let mut add = |number: usize| {
                let index = copy.projection.get(number).index;
                if !copy.shares(&index) {
                    return Ok(());
                }
                wave.push(index);
                if wave.len() < self.held {
                    return Ok(());
                }
                let done = self.wave(copy, &wave);
                wave.clear();
                done
            };
            if per_block > 1 && per_block <= self.held as u64 {
                copy.projection
                    .by_block(&block)
                    .try_for_each(|numbers| numbers.into_iter().try_for_each(&mut add))?;
            } else {
                (0..copy.projection.len()).try_for_each(add)?;
            }
            self.wave(copy, &wave)?;
        }
        Ok(())
    }

    /// Reads and decodes the chunks at these places.
    fn wave(&self, copy: &Copy<'_>, indices: &[Dims<u64>]) -> Result<()> {
        let chunk = copy.chunk_bytes.max(1);
        let batches: Vec<&[Dims<u64>]> =
            indices.chunks((BATCH_BYTES / chunk).clamp(1, BATCH) as usize).collect();
        let before = self.done.load(Ordering::Relaxed);
        let bytes = (indices.len() as u64).saturating_mul(chunk);
        let total = before.saturating_add(bytes);
        let tell = |progress: Progress| {
            if let Some(outer) = self.options.progress {
                outer(Progress { done: before.saturating_add(progress.done), total });
            }
        };
        // A batch is read by all threads; a second one has them busy to its end.
        let runner = Runner { in_flight: 2, total, is_near: false, progress: Some(&tell) };
        runner.run(batches.len(), &|number| {
            self.batch(copy.layout, batches[number])?;
            Ok(chunk.saturating_mul(batches[number].len() as u64))
        })?;
        self.done.store(total, Ordering::Relaxed);
        Ok(())
    }

    /// Reads and decodes chunks with one request of the store; if that fails, those that are left one by one.
    fn batch(&self, layout: &Layout, indices: &[Dims<u64>]) -> Result<()> {
        let request =
            |index: &Dims<u64>| Get::new(layout.chunk_key(index), Part::Whole, layout.max_stored_len(index));
        let requests: Vec<Get> = indices.iter().map(request).collect();
        let answered: Vec<AtomicBool> = indices.iter().map(|_| AtomicBool::new(false)).collect();
        let read = self.array.store().get_many(&requests, &|k, blob| {
            if answered[k].swap(true, Ordering::Relaxed) {
                return Ok(());
            }
            self.look(layout, &indices[k], &requests[k].key, blob)
        });
        if let Err(error) = read {
            if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::MemoryBudget) {
                return Err(error);
            }
            for (k, _) in
                answered.iter().enumerate().filter(|(_, answered)| !answered.load(Ordering::Relaxed))
            {
                self.one(layout, &indices[k], &requests[k])?;
            }
        }
        Ok(())
    }

    /// Reads and decodes one chunk.
    fn one(&self, layout: &Layout, index: &[u64], request: &Get) -> Result<()> {
        let read = self
            .array
            .store()
            .get_many(std::slice::from_ref(request), &|_, blob| self.look(layout, index, &request.key, blob));
        let Err(error) = read else { return Ok(()) };
        if error.is_retryable() && self.failures.fetch_add(1, Ordering::Relaxed) >= FAILURES {
            return Err(error);
        }
        self.stored.fetch_add(1, Ordering::Relaxed);
        self.problem(layout, index, &request.key, error)
    }

    /// Looks at what the store has of a chunk.
    fn look(&self, layout: &Layout, index: &[u64], key: &str, blob: Option<Blob<'_>>) -> Result<()> {
        self.failures.store(0, Ordering::Relaxed);
        let Some(blob) = blob else {
            if self.options.missing {
                let (key, domain) = (self.array.store().location(key), layout.grid.chunk_domain(index));
                let message = "the chunk is not stored".to_owned();
                let problem =
                    Problem { kind: ProblemKind::Missing, key: Some(key), domain: Some(domain), message };
                self.report(|report| report.problems.push(problem));
            }
            return Ok(());
        };
        self.stored.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(blob.bytes.len() as u64, Ordering::Relaxed);
        decode_all(layout, index, blob).or_else(|error| self.problem(layout, index, key, error))
    }

    fn problem(&self, layout: &Layout, index: &[u64], key: &str, error: Error) -> Result<()> {
        let (kind, error) = kind_of(error)?;
        let (key, domain) = (self.array.store().location(key), layout.grid.chunk_domain(index));
        self.report(|report| report.problems.push(Problem::of(kind, &error, Some(key), Some(domain))));
        Ok(())
    }
}

/// What keys of the layer's other scales start with that lie below this one.
fn nested_scales(array: &Array) -> Vec<String> {
    let own = array.scales().get(array.scale()).map_or("", |scale| scale.key.trim_matches('/'));
    let is_root = matches!(own, "" | ".");
    let others = array.scales().iter().enumerate().filter(|(position, _)| *position != array.scale());
    let below = others.filter_map(|(_, other)| {
        let other = other.key.trim_matches('/');
        if is_root { Some(other) } else { other.strip_prefix(own)?.strip_prefix('/') }
    });
    below.filter(|path| !path.is_empty()).map(|path| format!("{path}/")).collect()
}
