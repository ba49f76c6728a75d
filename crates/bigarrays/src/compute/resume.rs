//! What earlier runs of a computation have finished, and what of it is as they left it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::array::Array;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::config::{Config, Parameter};
use crate::compute::digest::{Digest, Reads};
use crate::compute::done::Done;
use crate::compute::expr::Lazy;
use crate::compute::inputs::Compiled;
use crate::compute::journal::Journal;
use crate::compute::ledger::{Ledger, Noting};
use crate::compute::noted::Made;
use crate::compute::partials::Partials;
use crate::compute::plan::{Plan, Recorded};
use crate::compute::sink::{Place, Sink};
use crate::compute::written::{identity_of, identity_of_leaf, written};
use crate::store::Store;

/// A computation that is noted in a journal.
pub(super) struct Resumed<'a> {
    ledger: &'a Ledger,
    /// Where the plan is noted, if it is not in a file of its own.
    journal: Option<&'a Journal>,
    /// What tells it from all others.
    key: String,
    /// The plan that an earlier run has noted.
    plan: Option<Recorded>,
    /// What its inputs are before anything is read, if that is known of all of them.
    inputs: Option<String>,
}

/// The plan that a step of a journal says.
pub(super) fn recorded(text: &str) -> Option<Recorded> {
    Recorded::of_json(&serde_json::from_str(text).ok()?)
}

/// What the step begins with that says where scratch files are.
pub(super) const SCRATCH: &str = "scratch ";

/// What of the journal a plan is noted under.
pub(super) const PLAN: &str = "plan ";

impl<'a> Resumed<'a> {
    /// The computation of these expressions into these arrays.
    ///
    /// # Errors
    /// `InvalidArgument` if what is computed is not known again.
    pub(super) fn new(journal: &'a Journal, roots: &[Lazy], targets: &[Option<&Array>]) -> Result<Self> {
        let one = |target: &Option<&Array>| target.map_or_else(|| Config::new("memory"), identity_of);
        let targets: Vec<Config> = targets.iter().map(one).collect();
        let config = Config::new("computation")
            .with("of", written(roots, &mut identity_of_leaf)?)
            .with("to", targets.into_iter().collect::<Parameter>());
        let key = Digest::of_text(&config.key());
        let own = format!("{PLAN}{key} ");
        let plan = journal.steps().rev().find_map(|step| recorded(step.strip_prefix(&own)?));
        Ok(Self { ledger: journal.ledger(), journal: Some(journal), key, plan, inputs: None })
    }

    /// The computation of a plan in a file, whose parts several processes run.
    pub(super) fn of_plan(ledger: &'a Ledger, key: String, plan: Recorded) -> Self {
        Self { ledger, journal: None, key, plan: Some(plan), inputs: None }
    }

    /// The same, of which nothing is looked up once all is done, as long as the inputs are as they are now.
    ///
    /// # Errors
    /// As [`Done::inputs`].
    pub(super) fn of_inputs(self, roots: &[Lazy]) -> Result<Self> {
        Ok(Self { inputs: Done::inputs(roots)?, ..self })
    }

    /// What is noted once all is done.
    fn done(&self) -> String {
        format!("{} {}", self.key, self.inputs.as_deref().unwrap_or_default())
    }

    /// Whether nothing is left to do, as an earlier run of the same computation has done all, and the targets are complete.
    ///
    /// # Errors
    /// `AlreadyExists` if another computation has completed a target.
    pub(super) fn is_done(&self, targets: &[Option<&Array>]) -> Result<bool> {
        let Some(journal) = self.journal else { return Ok(false) };
        let is_other = self.plan.is_none() && journal.steps().any(|step| step.starts_with(PLAN));
        if is_other {
            journal.begin_anew();
        }
        let mut complete = targets.iter().flatten().filter(|target| target.incomplete().is_none());
        match complete.next() {
            Some(target) if journal.is_done() && is_other => {
                let reason = "what is there is complete, and what another computation has made: the expression, or the layout \
                              of an input, has changed since; remove it, or name another place";
                Err(Error::new(ErrorKind::AlreadyExists, reason).during("computing into").at(target.url()))
            }
            _ => Ok(self.inputs.is_some()
                && journal.has_done(&self.done())
                && targets.iter().all(|target| target.is_some_and(|target| target.incomplete().is_none()))),
        }
    }

    /// The name of the folder of its scratch files.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The plan that an earlier run has noted.
    pub(super) fn plan(&self) -> Option<&Recorded> {
        self.plan.as_ref()
    }

    /// Notes the plan, unless it is there.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn note_plan(&self, plan: &Plan, scratch: Option<&Path>) -> Result<()> {
        let Some(journal) = self.journal.filter(|_| self.plan.is_none()) else { return Ok(()) };
        if let Some(folder) = scratch {
            journal.note(&format!("{SCRATCH}{}", folder.display()))?;
        }
        journal.note(&format!("{PLAN}{} {}", self.key, plan.recorded().to_json()))
    }

    /// Notes that all is done.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn note_done(&self) -> Result<()> {
        self.journal.map_or(Ok(()), |journal| journal.note_done(&self.done()))
    }

    /// What is noted of a pass, by number.
    pub(super) fn pass(&self, number: usize) -> Record<'a> {
        let entries = self.ledger.on(&format!("{} pass {number}", self.key));
        let partials = Partials::new(self.folder().join(format!("pass-{number}")));
        Record {
            entries,
            partials,
            gathered: Partials::new(self.folder().join(format!("gathered-{number}"))),
            is_resumed: self.plan.is_some(),
            is_held: false,
            given: Digest::default(),
            shared: None,
        }
    }

    /// What is noted of boxes of the result.
    pub(super) fn boxes(&self) -> Noting<'a> {
        self.ledger.on(&format!("{} boxes", self.key))
    }

    /// Where a result is kept that takes no room in scratch files.
    pub(super) fn result_path(&self, number: usize) -> PathBuf {
        self.folder().join(format!("result-{number}"))
    }

    /// The folder of what parts leave for others.
    pub(super) fn folder(&self) -> PathBuf {
        self.ledger.folder().join(&self.key)
    }
}

/// What is noted of one pass.
pub(super) struct Record<'a> {
    entries: Noting<'a>,
    /// What its tasks have folded.
    pub(super) partials: Partials,
    /// The same of groups of tasks.
    pub(super) gathered: Partials,
    /// Whether an earlier run has begun the computation.
    pub(super) is_resumed: bool,
    /// Whether a result is in memory, and gone when a later run takes this up.
    pub(super) is_held: bool,
    /// What the pass is given of earlier ones without a version: numbers, which are part of all that it makes.
    pub(super) given: Digest,
    /// Blocks of which others change what is stored, after they are done, where blocks share chunks or shards.
    pub(super) shared: Option<Mutex<Vec<(u64, Digest, Domain)>>>,
}

/// Inputs whose versions are seen as they are read.
pub(super) struct Watched {
    pub(super) compiled: Compiled,
    reads: Vec<Arc<Reads>>,
}

impl Watched {
    pub(super) fn new(compiled: &Compiled) -> Self {
        Self::through(compiled, Reads::over)
    }

    /// The same, of which nothing is read but versions.
    fn instead_of(compiled: &Compiled) -> Self {
        Self::through(compiled, Reads::instead_of)
    }

    fn through(compiled: &Compiled, reads: impl Fn(Arc<dyn Store>) -> Reads) -> Self {
        let mut all = Vec::new();
        let compiled = compiled.through(&mut |array| {
            let reads = Arc::new(reads(Arc::clone(array.store())));
            all.push(Arc::clone(&reads));
            array.with_store(reads)
        });
        Self { compiled, reads: all }
    }

    /// The digest of the versions of all that was read, if there was one of each.
    fn digest(&self) -> Option<Digest> {
        let mut sum = Digest::default();
        for (number, reads) in self.reads.iter().enumerate() {
            let own = reads.digest()?;
            // What is missing adds nothing.
            sum.add(&number.to_string(), (own != Digest::default()).then_some(own.0));
        }
        Some(sum)
    }
}

impl Record<'_> {
    /// Whether a block, which is put as `part`, is as it was left, and so is all that it was made of.
    ///
    /// # Errors
    /// A storage error.
    pub(super) fn is_done(
        &self,
        number: u64,
        from: impl FnOnce() -> Result<Option<Digest>>,
        (sinks, part): (&[Vec<Sink<'_>>], &Domain),
    ) -> Result<bool> {
        let made = if self.is_held { Vec::new() } else { self.entries.all_made(number)? };
        if made.is_empty() {
            return Ok(false);
        }
        let found = is_as_noted(&made, || put(sinks, part), from)?;
        match found {
            Some(made) => self.share(number, made.from, part),
            None => self.redo(),
        }
        Ok(found.is_some())
    }

    /// Counts what an earlier run has done, and what is done again.
    pub(super) fn redo(&self) {
        self.entries.redo();
    }

    /// Whether a block is noted as done, whatever has changed since.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn is_noted(&self, number: u64) -> Result<bool> {
        Ok(!self.entries.all_made(number)?.is_empty())
    }

    /// The digest of the versions of what these boxes are of, as they are now; `None` if something is gone.
    ///
    /// # Errors
    /// A storage error.
    pub(super) fn reads(
        &self,
        compiled: &Compiled,
        mut parts: impl Iterator<Item = Result<Domain>>,
    ) -> Result<Option<Digest>> {
        let watched = Watched::instead_of(compiled);
        let read = parts.try_for_each(|part| watched.compiled.look_up(&part?));
        match read {
            // Computing says so, if it is still so then.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidArgument) => {
                Ok(None)
            }
            read => read.map(|()| self.from(&watched)),
        }
    }

    /// The digest of what was made of this, and of what the pass was given, if there was one version of each.
    pub(super) fn from(&self, watched: &Watched) -> Option<Digest> {
        let mut from = watched.digest()?;
        // To read nothing is as not to run.
        if from != Digest::default() && self.given != Digest::default() {
            from.add("given", Some(self.given.0));
        }
        Some(from)
    }

    /// Notes that a block is done, if it is known what it was made of and a later run can find it.
    ///
    /// # Errors
    /// A storage error; any error of files.
    pub(super) fn note(
        &self,
        number: u64,
        from: Option<Digest>,
        sinks: &[Vec<Sink<'_>>],
        part: &Domain,
    ) -> Result<()> {
        let Some(from) = from.filter(|_| !self.is_held) else { return Ok(()) };
        self.share(number, from, part);
        self.entries.note(number, Made { from, to: put(sinks, part)? })
    }

    fn share(&self, number: u64, from: Digest, part: &Domain) {
        if let Some(shared) = &self.shared {
            shared.locked().push((number, from, part.clone()));
        }
    }

    /// Notes blocks as they are now that all of a part are done, if they share what they write: each was changed by those
    /// behind it.
    ///
    /// # Errors
    /// As [`Record::note`].
    pub(super) fn note_shared(&self, sinks: &[Vec<Sink<'_>>]) -> Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        for (number, from, part) in shared.locked().drain(..) {
            self.entries.note(number, Made { from, to: put(sinks, &part)? })?;
        }
        Ok(())
    }
}

/// What was noted of a block that is as it was left, and so is all that it was made of.
pub(super) fn is_as_noted(
    made: &[Made],
    to: impl FnOnce() -> Result<Digest>,
    from: impl FnOnce() -> Result<Option<Digest>>,
) -> Result<Option<Made>> {
    let to = to()?;
    if !made.iter().any(|made| made.to == to) {
        return Ok(None);
    }
    let from = from()?;
    Ok(made.iter().find(|made| made.to == to && Some(made.from) == from).copied())
}

/// The digest of a box of all results, as it is stored.
fn put(sinks: &[Vec<Sink<'_>>], part: &Domain) -> Result<Digest> {
    let mut sum = Digest::default();
    for (number, sink) in sinks.iter().flatten().enumerate() {
        let Place::Array(target) = &sink.place else { continue };
        let own = match sink.root {
            Some(_) => Digest::of_versions(target, &sink.part(part)?)?,
            // A file has one version for all of it.
            None => Digest::of_elements(target, part)?,
        };
        sum.add(&number.to_string(), Some(own.0));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Index, OpenOptions};
    use crate::base::buffer::Order;
    use crate::base::dtype::DataType;
    use crate::compute::{Aggregate, Around, Boundary, Footprint, Function, Rolling};
    use crate::format::CreateSpec;

    #[test]
    fn what_is_looked_up_of_a_block_is_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = CreateSpec::new(DataType::F32, "0:20,0:30".parse().unwrap());
        spec.storage.chunk_shape = Some(vec![4, 8]);
        let url = folder.path().join("a").to_str().unwrap().to_owned();
        let array = OpenOptions::new().format("zarr3").create(&url, &spec).unwrap();
        array.write(&[0, 0], ndarray::Array2::<f32>::ones((20, 17)).view()).unwrap();
        let x = Lazy::of(&array).unwrap();
        let all = Index::Slice { start: None, stop: None, step: 1 };
        let steps = [Index::Slice { start: Some(19), stop: None, step: -3 }, all];
        let rolling = Rolling { center: true, boundary: Some(Boundary::Wrap), ..Rolling::new(7) };
        let rolled = x.rolling(0, &rolling, Aggregate::Mean).unwrap();
        let around = Around { axes: vec![0, 1], boundary: Boundary::Wrap, origin: Vec::new() };
        let sum = Lazy::apply(Function::Add, &[(&x).into(), (&rolled).into()]).unwrap();
        let expressions = [
            x.slice(&steps).unwrap(),
            x.permute(&[1, 0]).unwrap(),
            x.take(1, &[29, 3, 4, 3, 20]).unwrap(),
            rolled.take(0, &[19, 3, 4, 5, 0]).unwrap(),
            x.slice(&[Index::At(7), all]).unwrap().broadcast_to(x.domain()).unwrap(),
            Lazy::concatenate(&[rolled, x.clone()], 0).unwrap(),
            x.median_filter(&Footprint::full(&[3, 5]).unwrap(), &around).unwrap(),
            sum.median(&[0], false).unwrap(),
            sum,
        ];
        for lazy in expressions {
            let compiled = Compiled::new(lazy.domain(), &[(lazy.clone(), lazy.dtype())]).unwrap();
            let whole = lazy.domain();
            let inner: Vec<_> =
                whole.ranges().map(|range| range.end - (range.end - range.start) / 3..range.end).collect();
            for part in [whole.clone(), Domain::from_ranges(&inner).unwrap()] {
                let (read, asked) = (Watched::new(&compiled), Watched::instead_of(&compiled));
                read.compiled.read(&part, Order::C).unwrap();
                asked.compiled.look_up(&part).unwrap();
                assert_ne!(read.digest(), Some(Digest::default()), "{lazy:?} {part}");
                assert_eq!(read.digest(), asked.digest(), "{lazy:?} {part}");
            }
        }
    }
}
