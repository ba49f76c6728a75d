//! Running one pass of a plan.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::array::Array;
use crate::base::buffer::{SharedViewMut, ViewMut, byte_len};
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::digest::Digest;
use crate::compute::expr::Lazy;
use crate::compute::inputs::Compiled;
use crate::compute::memory::{Memory, lengths};
use crate::compute::plan::{Folding, Pass};
use crate::compute::reducing::Reducing;
use crate::compute::resume::{Record, Watched};
use crate::compute::sink::{Place, Sink};
use crate::compute::sparse::Sparse;
use crate::compute::stage::Stage;
use crate::compute::steady::Versions;
use crate::compute::taken::{Scratch, Taken};
use crate::compute::tasks::{Numbers, Part, Work};
use crate::run::runner::{Progress, Runner};

/// The digest of the numbers that earlier passes have made.
fn given(known: &HashMap<usize, Lazy>) -> Digest {
    let mut sum = Digest::default();
    for (number, lazy) in known {
        let bytes = lazy.constant_bytes();
        sum.add(&number.to_string(), (!bytes.is_empty()).then(|| Digest::of_bytes(&bytes).0));
    }
    sum
}

/// A pass that is run.
pub(super) struct Running<'a> {
    pub(super) stage: &'a Stage,
    pub(super) pass: &'a Pass,
    /// Where results are kept that later passes take, if not in memory.
    pub(super) scratch: Option<&'a Scratch>,
    /// What is noted of it.
    pub(super) record: Option<Record<'a>>,
    /// The tasks that are run; all of them if none are named.
    pub(super) part: Option<Part>,
    /// The versions of the chunks that the run has read.
    pub(super) versions: &'a Versions,
    pub(super) progress: &'a (dyn Fn(Progress) + Sync),
}

impl Running<'_> {
    /// Runs it. Its results go to their places, and to `known` if later ones take them.
    pub(super) fn run<'p>(
        self,
        known: &mut HashMap<usize, Lazy>,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
    ) -> Result<()> {
        self.with_sinks(known, place, true, Self::blocks)
    }

    /// What `work` gives of it and of where its results go, which then are in `known` if later passes take them.
    fn with_sinks<'p, T>(
        mut self,
        known: &mut HashMap<usize, Lazy>,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
        may_make: bool,
        work: impl FnOnce(&Self, Compiled, &[Vec<Sink<'_>>]) -> Result<T>,
    ) -> Result<T> {
        let stage = self.stage;
        let compiled = self.versions.watch(&Compiled::of(stage, known)?);
        let mut taken = stage
            .outputs
            .iter()
            .map(|output| Taken::new(output, self.scratch, may_make))
            .collect::<Result<Vec<_>>>()?;
        if let Some(record) = &mut self.record {
            record.shared = self.pass.is_shared.then(Mutex::default);
            record.given = given(known);
            let mut roots = stage.outputs.iter().flat_map(|output| &output.roots);
            record.is_held = taken.iter().any(|taken| matches!(taken, Taken::Memory(_)))
                || roots
                    .any(|root| matches!(place(root.number), Some(Place::Memory { .. } | Place::Table(_))));
        }
        let files: Vec<Option<Array>> = taken.iter().map(Taken::file).collect();
        let mut views: Vec<Option<ViewMut<'_>>> = Vec::new();
        for (output, taken) in stage.outputs.iter().zip(&mut taken) {
            views.push(taken.view(output)?);
        }
        let shared: Vec<Option<SharedViewMut<'_>>> =
            views.iter_mut().map(|view| view.as_mut().map(ViewMut::share)).collect();
        let mut sinks: Vec<Vec<Sink<'_>>> = Vec::new();
        for (output, (out, file)) in stage.outputs.iter().zip(shared.iter().zip(&files)) {
            let held = out.as_ref().map(|out| Place::Memory { out, domain: &output.domain });
            let held = held.or(file.as_ref().map(Place::Array)).map(|place| Sink { root: None, place });
            let asked = output
                .roots
                .iter()
                .filter_map(|root| Some(Sink { root: Some(root), place: place(root.number)? }));
            sinks.push(held.into_iter().chain(asked).collect());
        }
        let done = work(&self, compiled, &sinks)?;
        drop(sinks);
        for (output, taken) in stage.outputs.iter().zip(taken) {
            if let Some(result) = taken.result(output)? {
                known.insert(output.number, result);
            }
        }
        Ok(done)
    }

    fn blocks(&self, compiled: Compiled, sinks: &[Vec<Sink<'_>>]) -> Result<()> {
        let pass = self.pass;
        let runner = Runner {
            in_flight: pass.in_flight,
            total: pass.bytes,
            is_near: pass.is_near,
            progress: Some(self.progress),
        };
        match &pass.folding {
            Some(folding) => {
                self.reducing(compiled, folding, sinks)?.run_part(&runner, sinks, self.part.as_ref())?;
            }
            None => self.each_element(&compiled, &runner, sinks)?,
        }
        self.record.as_ref().map_or(Ok(()), |record| record.note_shared(sinks))
    }

    /// What of the pass has anything to compute, if not all has.
    fn sparse(&self, compiled: &Compiled) -> Result<Option<Sparse>> {
        match &self.stage.by {
            // What is not stored has labels as well.
            Some(_) => Ok(None),
            None => Sparse::of(compiled, self.stage, &self.pass.blocks),
        }
    }

    /// How the pass reduces elements.
    fn reducing<'s>(
        &'s self,
        compiled: Compiled,
        folding: &'s Folding,
        sinks: &[Vec<Sink<'_>>],
    ) -> Result<Reducing<'s>> {
        let sparse = self.sparse(&compiled)?;
        Reducing::new(compiled, self.stage, self.pass, folding, self.record.as_ref())
            .with_sparse(sparse, sinks)
    }

    /// The blocks that have anything to compute, of the part.
    fn numbers(&self, compiled: &Compiled, sinks: &[Vec<Sink<'_>>]) -> Result<Numbers> {
        let is_resumed = self.record.as_ref().is_some_and(|record| record.is_resumed);
        let begins = |sparse: &Sparse| sparse.begin(sinks, &sparse.elsewhere, is_resumed);
        let sparse = self.sparse(compiled)?;
        let some = sparse.map(|sparse| Ok(begins(&sparse)?.then_some(sparse.blocks))).transpose()?.flatten();
        let all = 0..self.pass.blocks.len();
        let range =
            self.part.as_ref().map_or(all.clone(), |part| part.tasks.start..part.tasks.end.min(all.end));
        Ok(Numbers::within(range, some))
    }

    /// How many tasks of this work have not been run.
    ///
    /// # Errors
    /// A storage error; `NotFound` if a scratch file is missing, which the first task makes.
    pub(super) fn missing<'p>(
        self,
        work: Work,
        known: &HashMap<usize, Lazy>,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
    ) -> Result<u64> {
        self.with_sinks(&mut known.clone(), place, false, |running, compiled, sinks| {
            let Some(record) = &running.record else { return Ok(0) };
            let tasks = match &running.pass.folding {
                Some(folding) => running.reducing(compiled, folding, sinks)?.numbers(work),
                None => running.numbers(&compiled, sinks)?,
            };
            let mut missing = 0;
            for at in 0..tasks.len() {
                let number = tasks.get(at);
                let is_done = match work {
                    Work::Fold => record.partials.has(number),
                    Work::Gather => record.gathered.has(number),
                    Work::Make | Work::Merge => record.is_noted(number)?,
                };
                missing += u64::from(!is_done);
            }
            Ok(missing)
        })
    }

    /// Computes the elements of each block, unless an earlier run has.
    fn each_element(&self, compiled: &Compiled, runner: &Runner<'_>, sinks: &[Vec<Sink<'_>>]) -> Result<()> {
        let (pass, record) = (self.pass, self.record.as_ref());
        let tasks = self.numbers(compiled, sinks)?;
        runner.run(tasks.len(), &|at| {
            let number = tasks.get(at);
            let part = pass.blocks.get(number)?;
            let done = part.checked_len()?.saturating_mul(pass.item);
            let Some(record) = record else {
                self.block(compiled, &part, sinks)?;
                return Ok(done);
            };
            let from = || record.reads(compiled, std::iter::once(Ok(part.clone())));
            if !record.is_done(number, from, (sinks, &part))? {
                let watched = Watched::new(compiled);
                self.block(&watched.compiled, &part, sinks)?;
                record.note(number, record.from(&watched), sinks, &part)?;
            }
            Ok(done)
        })
    }

    fn block(&self, compiled: &Compiled, part: &Domain, sinks: &[Vec<Sink<'_>>]) -> Result<()> {
        let (stage, order) = (self.stage, self.pass.order);
        let block = compiled.read(part, order)?;
        if let Some(made) = block.passed(&compiled.program) {
            for ((output, sinks), made) in stage.outputs.iter().zip(sinks).zip(made) {
                sinks.iter().try_for_each(|sink| sink.put(part, made, output.dtype.size(), order))?;
            }
            return Ok(());
        }
        let shape = lengths(part)?;
        let mut places: Vec<Option<ViewMut<'_>>> = Vec::new();
        let mut made: Vec<Memory> = Vec::new();
        for (output, sinks) in stage.outputs.iter().zip(sinks) {
            let place = if let [only] = &sinks[..] { only.direct(part, order)? } else { None };
            made.push(Memory::new(if place.is_some() { 0 } else { byte_len(&shape, output.dtype.size())? })?);
            places.push(place);
        }
        let mut outs: Vec<(usize, &mut [u8])> = Vec::new();
        for ((output, place), made) in stage.outputs.iter().zip(&mut places).zip(&mut made) {
            let direct = place.as_mut().and_then(|place| place.as_dense_mut(order));
            outs.push((output.dtype.size(), direct.unwrap_or_else(|| made.bytes_mut())));
        }
        block.compute(&compiled.program, &mut outs)?;
        for ((output, sinks), (place, made)) in stage.outputs.iter().zip(sinks).zip(places.iter().zip(&made))
        {
            if place.is_none() {
                let put = |sink: &Sink<'_>| sink.put(part, made.bytes(), output.dtype.size(), order);
                sinks.iter().try_for_each(put)?;
            }
        }
        Ok(())
    }
}
