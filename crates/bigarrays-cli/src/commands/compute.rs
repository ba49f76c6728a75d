//! `compute`: an expression of arrays, into a new array or as a number.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bigarrays::base::buffer::{Order, ViewMut};
use bigarrays::compute::{self, Cast, ComputeOptions, Journal, Lazy, Number, PlanFile, Rounding, Target};
use bigarrays::jobs::Done;
use bigarrays::store::absolute;
use bigarrays::{Array, DataType, Error, ErrorKind, Result, format};
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::{LayerArgs, ProcessesArgs, values};
use crate::commands::new::{new_layer, rehearsed};
use crate::commands::plan_shares::{run_by, run_share};
use crate::commands::saving::{Saved, with_progress};
use crate::once::Once;
use crate::output::results as printed;
use crate::session::{Session, end};

/// Compute an expression of arrays, block by block, within a memory budget
///
/// EXPR is of names, numbers, operators and functions as Python and NumPy have them; each name stands for an array. The result
/// goes into a new array, or is printed if it is one number.
///
/// EXPR may be several expressions, separated by `;`, that give their results names: 'm = mean(t); s = std(t)'. Later ones may
/// use the names of earlier ones, and only the last may have none. All are computed together: what they have in common is read
/// once.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(crate) struct ComputeArgs {
    /// What is computed, such as 'mean(t, axis="time") - 273.15'
    #[arg(value_name = "EXPR")]
    expression: String,

    /// An array of the expression
    #[arg(value_name = "NAME=URL", value_parser = source)]
    sources: Vec<(String, String)>,

    /// Path or URL of the array that is made; NAME=URL for an expression with a name, as often as there are results to keep
    #[arg(short, long, value_name = "[NAME=]URL")]
    output: Vec<String>,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,

    /// A folder for results that the expression goes on with and that do not fit into the budget: files there while it is
    /// computed
    #[arg(long, help_heading = RUN, value_name = "DIR")]
    scratch: Option<PathBuf>,

    /// Note finished blocks below $XDG_STATE_HOME (or ~/.local/state), and go on where an earlier run of the same command
    /// ended, after a kill too; where it has done all, of inputs that are as they were, say so. What the expression goes on with, such
    /// as a mean that is subtracted, has to be in --scratch
    #[arg(long, help_heading = RUN)]
    resume: bool,

    /// Make the new arrays, marked as incomplete, and write the plan to FILE instead of computing: `bigarrays run FILE` does,
    /// and `bigarrays run FILE --stage K --tasks I:J` does a part, on any machine that sees the same files. What parts leave for
    /// each other is in FILE.parts
    #[arg(long, help_heading = RUN, value_name = "FILE", requires = "output", conflicts_with_all = ["resume", "explain"])]
    plan_only: Option<PathBuf>,

    /// How many processors will work on the plan, on whatever machines: it has as many tasks as keep them busy [default: those of
    /// this machine]
    #[arg(long, help_heading = RUN, value_name = "N", requires = "plan_only")]
    workers: Option<u64>,

    #[command(flatten)]
    processes: ProcessesArgs,

    /// Print the plan: passes, blocks, what is read, and what memory is for. Nothing is computed
    #[arg(long, help_heading = RUN, visible_alias = "dry-run")]
    explain: bool,

    /// The format of the new array: precomputed, zarr3, zarr2, ome-zarr, ome-zarr-0.4 or n5
    #[arg(long, help_heading = NEW, value_name = "NAME", default_value = "zarr3")]
    format: String,

    /// Type of the elements of the new array, if another than that of the result; fractions are cut off, and what does not
    /// fit is an error
    #[arg(long, help_heading = NEW, value_name = "TYPE")]
    dtype: Option<DataType>,

    #[command(flatten)]
    layer: LayerArgs,
}

fn source(text: &str) -> std::result::Result<(String, String), String> {
    let (name, url) = text.split_once('=').ok_or("expected NAME=URL")?;
    if !is_name(name) || url.is_empty() {
        return Err("expected NAME=URL, with letters, digits and _ in the name".to_owned());
    }
    if compute::is_number(name) {
        return Err(format!("{name} is a number in expressions; call the array by another name"));
    }
    Ok((name.to_owned(), url.to_owned()))
}

fn is_name(text: &str) -> bool {
    let is_inside = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_inside && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn help() -> String {
    let functions: Vec<&str> = compute::Function::all().map(compute::Function::name).collect();
    let called: Vec<&str> = compute::call_names().collect();
    let reductions: Vec<&str> = compute::Reduction::all().map(compute::Reduction::name).collect();
    format!(
        "Functions of elements: {}, abs(x), round(x), clip(x, least, most), cast(x, \"type\")\n\nReductions, with axis= a number or name, or a \
         list of them, keepdims=True to keep the axes, where= a mask of elements that count, and initial= of min and max: {}, var, \
         std, nanvar, nanstd, median, nanmedian, and quantile and nanquantile with q= and method=\n\nReductions of groups, \
         by=labels along axis=, with expected= how many groups there are; back(result) brings them to where the elements \
         were, and coordinate(x, axis) gives the coordinates of an axis: 't - back(mean(t, axis=0, by=month, expected=12))'\n\nFunctions with arguments that have names, as in Python, such as rolling(t, how=\"mean\", \
         axis=\"time\", width=7): {}\n\nSlices, of coordinates: \
         t[0:10, ..., ::2]\n\nExamples:\n  bigarrays compute 'a*b + 2' a=volume.zarr b=mask.zarr -o product.zarr\n  bigarrays \
         compute 'mean(t, axis=\"time\") - 273.15' t=s3://bucket/era5.zarr -o climate.zarr --memory 1G\n  bigarrays compute \
         'max(em)' em=precomputed://gs://bucket/em\n  bigarrays compute 'mean(em)' em=em --explain\n  bigarrays compute \
         'm = mean(t, axis=0); low = min(t - m); t - m' t=t.zarr -o anomaly.zarr -o m=mean.zarr",
        functions.join(", "),
        reductions.join(", "),
        called.join(", ")
    )
}

pub(crate) fn run(args: &ComputeArgs, session: &Session) -> anyhow::Result<()> {
    if let Some(share) = &session.share {
        return run_share(share, &args.processes, args.memory, session);
    }
    let is_shared = args.processes.begun_here(None).is_some();
    if is_shared && (args.output.is_empty() || args.resume || args.plan_only.is_some()) {
        let reason = "--processes goes with --output, and neither with --resume nor with --plan-only";
        return Err(Error::invalid(reason).into());
    }
    let mut arrays: Vec<(&str, Lazy)> = Vec::new();
    for (name, url) in &args.sources {
        if arrays.iter().any(|known| known.0 == name) {
            return Err(Error::invalid(format!("two arrays are called {name}")).into());
        }
        arrays.push((name, Lazy::of(&session.open().read_only(true).open(url)?)?));
    }
    let named = |name: &str| Some(arrays.iter().find(|known| known.0 == name)?.1.clone());
    let mut all = compute::parse_all(&args.expression, &named)?;
    for (_, lazy) in &mut all {
        if let Some(dtype) = args.dtype {
            *lazy = lazy.cast(dtype, Cast { rounding: Rounding::Zero, ..Cast::default() })?;
        }
    }
    if args.output.is_empty() { args.print(&all, session) } else { args.save(&all, session) }
}

/// An expression, and its name if it has one.
type Named = (Option<String>, Lazy);

impl ComputeArgs {
    /// Which expressions go where.
    fn outputs<'a>(&'a self, all: &'a [Named]) -> Result<Vec<(&'a Lazy, &'a str)>> {
        let mut found: Vec<(&Lazy, &str)> = Vec::new();
        for output in &self.output {
            let (name, url) =
                output.split_once('=').map_or((None, &**output), |(name, url)| (Some(name), url));
            let named = all.iter().find(|one| name.is_some() && one.0.as_deref() == name);
            let unnamed = all.iter().find(|one| one.0.is_none());
            // A path may have the sign as well, if it cannot be meant for a name.
            let is_path = all.len() == 1 || !name.is_some_and(is_name);
            let (lazy, url) = match (named, unnamed.filter(|_| is_path)) {
                (Some((_, lazy)), _) => (lazy, url),
                (None, Some((_, lazy))) => (lazy, &**output),
                (None, None) => {
                    let names: Vec<&str> = all.iter().filter_map(|one| one.0.as_deref()).collect();
                    let reason = format!("-o {output} names no result; there are {}", names.join(", "));
                    return Err(Error::invalid(reason));
                }
            };
            if url.is_empty() || found.iter().any(|known| std::ptr::eq(known.0, lazy) || known.1 == url) {
                let reason = format!("-o {output}: each result goes to a place of its own");
                return Err(Error::invalid(reason));
            }
            found.push((lazy, url));
        }
        Ok(found)
    }

    /// What the array of an expression is to be.
    fn saved<'a>(&'a self, lazy: &'a Lazy, output: &'a str, session: &Session) -> Result<Saved<'a>> {
        let mut spec = self.layer.spec(lazy.dtype(), lazy.domain().clone());
        let is_named = lazy.names().iter().any(Option::is_some);
        spec.array.dimension_names = is_named.then(|| lazy.names().to_vec());
        let (mut spec, notes) = format::fit(format::creator(&self.format)?, spec, &self.format);
        spec.array.incomplete = true;
        notes.iter().for_each(|note| session.terminal.note(note));
        Ok(Saved { lazy, output, spec, format: &self.format })
    }

    fn save(&self, all: &[Named], session: &Session) -> anyhow::Result<()> {
        let outputs = self.outputs(all)?;
        let once = self.once(&outputs)?;
        if once.is_done(session)? { Ok(()) } else { self.save_to(&outputs, &once, session) }
    }

    /// What notes that the results are there.
    fn once(&self, outputs: &[(&Lazy, &str)]) -> Result<Once<'_>> {
        let is_resumed = self.resume && !self.explain;
        let roots: Vec<Lazy> = outputs.iter().map(|output| output.0.clone()).collect();
        let inputs = is_resumed.then(|| Done::inputs(&roots)).transpose()?.flatten();
        let once = Once::new(&self.what(), &[], is_resumed).of(inputs);
        Ok(outputs.iter().fold(once, |once, output| once.making(Some(output.1))))
    }

    fn save_to(&self, outputs: &[(&Lazy, &str)], once: &Once<'_>, session: &Session) -> anyhow::Result<()> {
        let mut results: Vec<Saved<'_>> = Vec::new();
        for &(lazy, output) in outputs {
            let output = new_layer(output)?;
            outputs.iter().try_for_each(|other| other.0.expect_apart(output, &session.open()))?;
            results.push(self.saved(lazy, output, session)?);
        }
        // What does not fit into the budget is refused before anything is made.
        let rehearse = |one: &Saved<'_>| rehearsed(one.output, &one.spec, &self.format);
        let rehearsed = results.iter().map(rehearse).collect::<Result<Vec<_>>>()?;
        let planned: Vec<_> =
            results.iter().zip(&rehearsed).map(|(one, array)| (one.lazy, Some(array))).collect();
        let journal = if self.resume && !self.explain { Some(self.journal(session)?) } else { None };
        let options = ComputeOptions { journal: journal.as_ref(), ..self.options() };
        let plan = compute::plan(&planned, &options)?;
        if self.explain {
            return Ok(writeln!(printed(), "{plan}")?);
        }
        if let Some(file) = self.plan_only.as_deref().filter(|file| file.exists()) {
            let error = Error::new(ErrorKind::AlreadyExists, "there is a file already");
            return Err(error.during("writing the plan").at(file.display().to_string()).into());
        }
        let target = |one: &Saved<'_>| one.target(journal.as_ref(), session);
        let targets = results.iter().map(target).collect::<Result<Vec<_>>>()?;
        if let Some(file) = &self.plan_only {
            return self.write_plan(file, &results, &targets, session);
        }
        match self.processes.begun_here(session.share.as_ref()) {
            Some(count) => self.compute_by(count, &results, &targets, session)?,
            None => with_progress(self.title(), &plan, &options, session, |options| {
                let targets = results.iter().zip(&targets);
                compute::compute(targets.map(|(one, to)| (one.lazy, Target::Array(to))).collect(), options)
            })?,
        }
        let said = |(one, target): (&Saved<'_>, &Array)| {
            format!("computed {}: {} over {}", one.output, target.dtype(), target.domain())
        };
        let said: Vec<String> = results.iter().zip(&targets).map(said).collect();
        once.note(&said.join("; "), session)?;
        journal.map_or(Ok(()), |journal| end(journal, session))?;
        said.iter().for_each(|said| session.terminal.note(said));
        Ok(())
    }

    /// Has so many processes compute the results, by a plan that is removed in the end.
    fn compute_by(
        &self,
        count: NonZeroUsize,
        results: &[Saved<'_>],
        targets: &[Array],
        session: &Session,
    ) -> anyhow::Result<()> {
        let place = self.scratch.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new().prefix("bigarrays-plan-").tempdir_in(place);
        let folder = folder.context("making a folder for the plan")?;
        let (file, threads) =
            (folder.path().join("plan.json"), self.processes.threads_of_each().get() as u64);
        let memory = self.processes.memory_of_each(self.memory);
        let options = ComputeOptions {
            memory,
            threads,
            workers: threads.saturating_mul(count.get() as u64),
            scratch: Some(folder.path()),
            ..ComputeOptions::default()
        };
        let plan = self.written(&file, results, targets, &options, session)?;
        // This process has the threads, and the memory, of all.
        let own =
            ComputeOptions { memory: memory.saturating_mul(count.get() as u64), ..ComputeOptions::default() };
        run_by(count, (&plan, &file), &own, self.title(), session)
    }

    /// Writes the plan; what was made for it is removed if that fails.
    fn written(
        &self,
        file: &Path,
        results: &[Saved<'_>],
        targets: &[Array],
        options: &ComputeOptions<'_>,
        session: &Session,
    ) -> Result<PlanFile> {
        let pairs: Vec<_> = results.iter().map(|one| one.lazy).zip(targets).collect();
        PlanFile::write(file, &pairs, options, &session.open()).inspect_err(|_| {
            // They were made for this plan alone. What cannot be removed is marked as incomplete.
            let mut outputs = results.iter().map(|one| one.output);
            let _ = outputs.try_for_each(|output| format::remove(output, None, &session.format()).map(drop));
        })
    }

    fn write_plan(
        &self,
        file: &Path,
        results: &[Saved<'_>],
        targets: &[Array],
        session: &Session,
    ) -> anyhow::Result<()> {
        let plan = self.written(file, results, targets, &self.options(), session)?;
        for (number, stage) in plan.stages().iter().enumerate() {
            let (tasks, work, text) = (stage.tasks, stage.work, &stage.text);
            session
                .terminal
                .note(format_args!("stage {number}: {tasks} tasks, each to {work} a part of {text}"));
        }
        session.terminal.note(format_args!("planned; bigarrays run {} computes it", file.display()));
        Ok(())
    }

    /// The journal of this command, whatever memory it may use.
    fn journal(&self, session: &Session) -> Result<Journal> {
        let shown: Vec<String> =
            self.output.iter().map(|output| absolute(output).display().to_string()).collect();
        let job = format!("compute {:?} -o {}", self.expression, shown.join(" -o "));
        session.journal(&self.what(), &job)
    }

    /// All that the outcome depends on.
    fn what(&self) -> String {
        let sources: Vec<_> = self.sources.iter().map(|(name, url)| (name, absolute(url))).collect();
        let outputs: Vec<_> = self.output.iter().map(|output| absolute(output)).collect();
        let Self { expression, dtype, format, layer, .. } = self;
        format!("compute {expression:?} {sources:?} {outputs:?} {dtype:?} {format:?} {layer:?}")
    }

    /// Prints the last expression if it has no name, and else all.
    fn print(&self, all: &[Named], session: &Session) -> anyhow::Result<()> {
        let is_last = |one: &&Named| one.0.is_none() || all.last().is_some_and(|last| last.0.is_some());
        let all: Vec<&Named> = all.iter().filter(is_last).collect();
        if let Some((_, lazy)) = all.iter().find(|one| one.1.ndim() > 0 && !self.explain) {
            let (domain, dtype) = (lazy.domain(), lazy.dtype());
            let reason = format!(
                "the result is {dtype} over {domain}, more than a number; --output says where it goes"
            );
            return Err(Error::invalid(reason).into());
        }
        let plan = compute::plan(&all.iter().map(|one| (&one.1, None)).collect::<Vec<_>>(), &self.options())?;
        if self.explain {
            return Ok(writeln!(printed(), "{plan}")?);
        }
        let mut made = vec![[0; 8]; all.len()];
        let journal = self.resume.then(|| self.journal(session)).transpose()?;
        let options = ComputeOptions { journal: journal.as_ref(), ..self.options() };
        with_progress(self.title(), &plan, &options, session, |options| {
            let mut targets = Vec::new();
            for ((_, lazy), bytes) in all.iter().zip(&mut made) {
                let size = lazy.dtype().size();
                let out = ViewMut::dense(&mut bytes[..size], &[], size, Order::C)?;
                targets.push((lazy, Target::Memory(out)));
            }
            compute::compute(targets, options)
        })?;
        journal.map_or(Ok(()), |journal| end(journal, session))?;
        for ((name, lazy), bytes) in all.iter().zip(&made) {
            let number = Number::read(lazy.dtype(), &bytes[..lazy.dtype().size()]);
            match name {
                Some(name) => writeln!(printed(), "{name} = {number}")?,
                None => writeln!(printed(), "{number}")?,
            }
        }
        Ok(())
    }

    fn options(&self) -> ComputeOptions<'_> {
        ComputeOptions {
            memory: self.memory.unwrap_or(0),
            workers: self.workers.unwrap_or(0),
            scratch: self.scratch.as_deref(),
            ..ComputeOptions::default()
        }
    }

    fn title(&self) -> String {
        format!("computing {}", self.expression)
    }
}
