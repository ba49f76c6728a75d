//! Running tasks that fold: what each has folded, now or earlier, is merged once all of a box of results is there, and put.

use std::collections::BTreeMap;
use std::sync::Mutex;

use roaring::RoaringTreemap;

use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::compute::digest::Digest;
use crate::compute::partials::{Partial, Segments};
use crate::compute::reducing::Reducing;
use crate::compute::reduction::Method;
use crate::compute::resume::{Record, Watched};
use crate::compute::sink::Sink;
use crate::compute::tasks::{Numbers, Part, Work};
use crate::run::runner::{Advance, Runner};

/// A box of the results of which not all tasks are done: how many are, and what they have folded.
pub(super) struct Waiting {
    done: u64,
    /// How many segments have been folded into the first, of labels that were met.
    joined: u64,
    /// The digest of what all have read; `None` if that is not known.
    pub(super) from: Option<Digest>,
    pub(super) segments: Segments,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { done: 0, joined: 0, from: Some(Digest::default()), segments: Segments::new() }
    }
}

impl Waiting {
    pub(super) fn add(&mut self, task: u64, partial: Partial) {
        self.done += 1;
        self.segments.extend(partial.segments);
        self.add_from(task, partial.from);
    }

    /// Adds what a group of tasks has folded, with the digest of all that they have read.
    pub(super) fn join_from(&mut self, group: Partial) {
        self.segments.extend(group.segments);
        self.from = self.from.zip(group.from).map(|(sum, own)| Digest(sum.0.wrapping_add(own.0)));
    }

    /// Folds the cells of segments that follow each other into those of the first, so that fewer labels are held twice.
    fn join(&mut self, methods: &[Method]) -> Result<()> {
        let Some(mut first) = self.segments.remove(&0).filter(|first| first.slots.is_some()) else {
            return Ok(());
        };
        self.joined = self.joined.max(1);
        while let Some(next) = self.segments.remove(&self.joined) {
            first.merge(methods, &next)?;
            self.joined += 1;
        }
        self.segments.insert(0, first);
        Ok(())
    }

    /// Adds the digest of what a task has read.
    pub(super) fn add_from(&mut self, task: u64, from: Option<Digest>) {
        if let (Some(sum), Some(from)) = (&mut self.from, from) {
            // To read nothing is as not to run.
            return sum.add(&task.to_string(), (from != Digest::default()).then_some(from.0));
        }
        self.from = None;
    }
}

impl Reducing<'_> {
    /// Runs all tasks, or a part of them, but for those that gather or merge what was gathered.
    ///
    /// # Errors
    /// Those of reading and writing; `InvalidArgument` if tasks that were not run would be merged.
    pub(super) fn run(
        &self,
        runner: &Runner<'_>,
        sinks: &[Vec<Sink<'_>>],
        part: Option<&Part>,
    ) -> Result<()> {
        let ((tasks, of_kept), of_box) = (self.selected(part), self.boxes.tasks);
        let to_merge = part.is_none_or(|part| part.work.makes());
        let merges = part.is_some_and(|part| part.work == Work::Merge);
        let known = if to_merge { self.done(runner, sinks, &tasks, merges)? } else { RoaringTreemap::new() };
        let waiting: Mutex<BTreeMap<u64, Waiting>> = Mutex::default();
        runner.run_long(tasks.len(), &|at, advance| {
            let (kept, task) = (tasks.get(at) / of_box, tasks.get(at) % of_box);
            if known.contains(kept) {
                return if task == 0 { self.bytes_of_box(kept).map(advance) } else { Ok(()) };
            }
            let (partial, rest) = self.partial(kept, task, !merges, advance)?;
            if !to_merge {
                advance(rest);
                return Ok(());
            }
            let (wanted, blocks) = match &of_kept {
                Some(of_kept) => of_kept.get(&kept).copied().unwrap_or_default(),
                None => (of_box, self.boxes.blocks),
            };
            let done = {
                let mut waiting = waiting.locked();
                let of_box = waiting.entry(kept).or_default();
                of_box.add(task, partial);
                if self.cells_are_sparse() {
                    of_box.join(&self.methods)?;
                }
                if of_box.done == wanted { waiting.remove(&kept) } else { None }
            };
            if let Some(done) = done {
                self.put(kept, done, blocks < self.boxes.blocks, sinks)?;
            }
            advance(rest);
            Ok(())
        })
    }

    /// Puts a box of the results of which all is folded, and notes it.
    pub(super) fn put(
        &self,
        kept: u64,
        done: Waiting,
        has_missing: bool,
        sinks: &[Vec<Sink<'_>>],
    ) -> Result<()> {
        let part = self.boxes.kept.get(kept)?;
        self.finish(&part, done.segments, has_missing, sinks)?;
        let placed = self.stage.placed(&part)?;
        self.record.map_or(Ok(()), |record| record.note(kept, done.from, sinks, &placed))
    }

    /// Whether what tasks have folded is kept in files.
    fn keeps_partials(&self, record: &Record<'_>) -> bool {
        self.boxes.tasks > 1 || record.is_held
    }

    /// What a task has folded, now or earlier. Tells of how many bytes of elements it is, but for the last, which are to be told when it is
    /// done.
    fn partial(&self, kept: u64, task: u64, may_fold: bool, advance: &Advance<'_>) -> Result<(Partial, u64)> {
        let part = self.boxes.kept.get(kept)?;
        let Some(record) = self.record else {
            let (segments, rest) = self.fold(&self.compiled, &part, task, advance)?;
            return Ok((Partial { from: None, segments }, rest));
        };
        let number = kept * self.boxes.tasks + task;
        let keeps = self.keeps_partials(record);
        if keeps && (record.is_resumed || !may_fold) {
            let found =
                record.partials.find(number, &self.methods, &self.nothing(part.checked_len()? as usize))?;
            // Versions of what was merged are looked at before it counts as done.
            let is_current = |found: &Partial| {
                Ok::<_, Error>(
                    !may_fold || record.reads(&self.compiled, self.parts(&part, task))? == found.from,
                )
            };
            match found {
                Some(found) if is_current(&found)? => return Ok((found, self.bytes_of(&part, task)?)),
                None if !may_fold => {
                    let reason = format!("task {number} of what is merged has not been run");
                    return Err(Error::invalid(reason).during("merging partial results"));
                }
                Some(_) => record.redo(),
                None => {}
            }
        }
        let watched = Watched::new(&self.compiled);
        let (segments, rest) = self.fold(&watched.compiled, &part, task, advance)?;
        let partial = Partial { from: record.from(&watched), segments };
        if keeps {
            record.partials.keep(number, &partial)?;
        }
        Ok((partial, rest))
    }

    /// Bytes of the elements that a task folds.
    fn bytes_of(&self, part: &Domain, task: u64) -> Result<u64> {
        let elements = self.parts(part, task).map(|part| part?.checked_len());
        Ok(elements.sum::<Result<u64>>()?.saturating_mul(self.pass.item))
    }

    /// The boxes of these tasks that an earlier run has finished, and that are as it left them. Who only merges believes what was folded
    /// to be of the versions that there are, as those who fold have looked them up.
    fn done(
        &self,
        runner: &Runner<'_>,
        sinks: &[Vec<Sink<'_>>],
        tasks: &Numbers,
        merges: bool,
    ) -> Result<RoaringTreemap> {
        let done: Mutex<RoaringTreemap> = Mutex::default();
        let (Some(record), true) = (self.record.filter(|record| record.is_resumed), tasks.len() > 0) else {
            return Ok(done.into_value());
        };
        let of_box = self.boxes.tasks;
        let boxes = tasks.boxes(of_box);
        let runner = Runner { progress: None, ..*runner };
        runner.run(boxes.len(), &|at| {
            let number = boxes.get(at);
            let part = self.boxes.kept.get(number)?;
            let from = || {
                let mut sum = Waiting::default();
                for task in 0..of_box {
                    let read = if merges {
                        let nothing = self.nothing(part.checked_len()? as usize);
                        let found = record.partials.find(number * of_box + task, &self.methods, &nothing)?;
                        found.map_or_else(|| Some(Digest::default()), |found| found.from)
                    } else {
                        record.reads(&self.compiled, self.parts(&part, task))?
                    };
                    sum.add_from(task, read);
                }
                Ok(sum.from)
            };
            if record.is_done(number, from, (sinks, &self.stage.placed(&part)?))? {
                done.locked().insert(number);
            }
            Ok(0)
        })?;
        Ok(done.into_value())
    }

    /// Bytes of the elements that become those of a box of the results.
    fn bytes_of_box(&self, kept: u64) -> Result<u64> {
        let elements = self.boxes.kept.get(kept)?.checked_len()?;
        Ok(self
            .lengths
            .iter()
            .fold(elements.saturating_mul(self.pass.item), |all, &one| all.saturating_mul(one)))
    }
}
