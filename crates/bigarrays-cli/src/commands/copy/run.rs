//! `copy`: copies a box of one array into another, of whatever formats, one scale or all of them.

use std::io::Write;

use bigarrays::format::{self, ScaleSelector};
use bigarrays::jobs::{CopyOptions, Journal, PlannedCopy};
use bigarrays::{Array, Domain, Error, ErrorKind};
use indicatif::BinaryBytes;

use crate::commands::copy::args::CopyArgs;
use crate::commands::copy::resume;
use crate::commands::copy::source::Copier;
use crate::commands::downsample::make_mips;
use crate::commands::find;
use crate::commands::new::{New, new_layer, rehearsed};
use crate::commands::transfer;
use crate::output::results;
use crate::processes::Share;
use crate::session::{Session, end};

pub(crate) fn run(args: &CopyArgs, session: &Session) -> anyhow::Result<()> {
    args.what.check()?;
    let copier = Copier { args, session };
    let scales = copier.scales()?;
    if args.dry_run {
        return scales.iter().try_for_each(|(selector, part)| copier.rehearse(selector, part.as_ref()));
    }
    if let Some(share) = &session.share {
        return copier.copy_share(share, &scales);
    }
    let mut journal = copier.journal()?;
    if (args.no_resume || args.processes.begun_here(None).is_some())
        && let Some(journal) = journal.take()
    {
        journal.remove()?;
    }
    if let Some(journal) = &mut journal {
        resume::look_up(journal, &args.target, &session.format())?;
    }
    let mut said = Vec::new();
    for (at, (selector, part)) in scales.iter().enumerate() {
        copier.copy(at, selector, part.as_ref(), scales.len() > 1, journal.as_ref(), &mut said)?;
    }
    journal.map_or(Ok(()), |journal| end(journal, session))?;
    make_mips(&args.target, &args.mips, &args.job, session)?;
    let left = if args.what.all_scales { find::beside(&args.source, session)? } else { Vec::new() };
    if !left.is_empty() {
        session
            .terminal
            .note(format_args!("not copied, as they are arrays of their own: {}", left.join(", ")));
    }
    Ok(())
}

impl Copier<'_> {
    /// Copies one scale.
    fn copy(
        &self,
        at: usize,
        selector: &ScaleSelector,
        part: Option<&Domain>,
        many: bool,
        journal: Option<&Journal>,
        said: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let (args, url) = (self.args, &self.args.target);
        let (source, target) = if args.what.create {
            let mut new = self.planned(selector, part)?;
            if many && at == 0 {
                let first = format::creator(new.format)?.holds().first_key.map(str::to_owned);
                new.spec.storage.key = new.spec.storage.key.or(first);
            }
            new.spec.array.incomplete = true;
            self.note_lost(at, &new, said);
            let options = self.session.with(args.what.write.options());
            let target = resume::make(at, &new, url, options, &self.session.format(), journal)?;
            let target = new.mapped.place_in(&target)?;
            (new.mapped.view, target)
        } else {
            self.existing(selector, part, many)?
        };
        let options = CopyOptions { journal, ..self.options(&source, &target) };
        let scale = if many { format!(", scale {at}") } else { String::new() };
        let job = format!("copying {} to {url}{scale}", args.source);
        match args.processes.begun_here(None) {
            Some(count) => {
                let key = target.scales().get(target.scale()).map_or("", |scale| scale.key.as_str());
                let share = |number, wanted| format!("{number}:{wanted}:{at}:{key}");
                let options =
                    CopyOptions { memory: args.processes.memory_of_each(args.job.memory), ..options };
                let terminal = self.session.terminal;
                transfer::copy_by(count, &job, (&source, &target), &options, terminal, &share)?;
            }
            None => transfer::copy_with(&job, &source, &target, options, self.session.terminal)?,
        }
        match args.what.create {
            true => Ok(resume::complete(&target, at, url, &self.session.format(), journal)?),
            false => Ok(()),
        }
    }

    /// Copies a share of one scale, into what another process has opened or made.
    fn copy_share(&self, share: &Share, scales: &[(ScaleSelector, Option<Domain>)]) -> anyhow::Result<()> {
        let (args, ([number, wanted, at], key)) = (self.args, share.read()?);
        args.processes.limit_threads();
        let none = || Error::invalid(format!("scale {at} of {}", scales.len()));
        let (selector, part) = scales.get(at as usize).ok_or_else(none)?;
        let (source, target) = if args.what.create {
            let new = self.planned(selector, part.as_ref())?;
            let options = self.session.with(args.what.write.options());
            let target = resume::made(&new, &args.target, options, key)?;
            let target = new.mapped.place_in(&target)?;
            (new.mapped.view, target)
        } else {
            self.existing(selector, part.as_ref(), scales.len() > 1)?
        };
        let memory = args.processes.memory_of_each(args.job.memory);
        let options = CopyOptions { memory, ..self.options(&source, &target) };
        transfer::copy_share((number, wanted), &source, &target, options)
    }

    /// Says what the new array does not keep, of each further scale what was not `said` of those before.
    fn note_lost(&self, at: usize, new: &New, said: &mut Vec<String>) {
        let is_new = |note: &&String| !said.contains(note);
        let lost: Vec<String> = new.lost.iter().filter(is_new).cloned().collect();
        for note in &lost {
            match at {
                0 => self.session.terminal.note(format_args!("{note}")),
                _ => self.session.terminal.note(format_args!("scale {at}: {note}")),
            }
        }
        said.extend(lost);
    }

    /// The options of copying one scale.
    fn options(&self, source: &Array, target: &Array) -> CopyOptions<'static> {
        CopyOptions {
            cast: self.args.what.cast(source, target),
            check: self.args.check,
            ..self.args.job.options()
        }
    }

    /// Says what copying one scale would take.
    fn rehearse(&self, selector: &ScaleSelector, part: Option<&Domain>) -> anyhow::Result<()> {
        let (source, target) = if self.args.what.create {
            let url = &self.args.target;
            if self.journal()?.is_none_or(|journal| journal.steps().count() == 0)
                && format::identity(url, &self.session.format())?.is_some()
            {
                let reason = "there is something here, and --create makes DST anew";
                return Err(Error::new(ErrorKind::AlreadyExists, reason)
                    .during("copying into")
                    .at(url)
                    .into());
            }
            let new = self.planned(selector, part)?;
            let target = rehearsed(new_layer(&self.args.target)?, &new.spec, new.format)?;
            let target = new.mapped.place_in(&target)?;
            (new.mapped.view, target)
        } else {
            self.existing(selector, part, self.args.what.is_many())?
        };
        let planned = PlannedCopy::new(&source, &target, self.options(&source, &target))?;
        let plan = planned.plan();
        let elements = plan.bytes / target.dtype().size() as u64;
        writeln!(
            results(),
            "would copy box {} of {} to box {} of {}: {} read, {} written (decoded); {}",
            source.domain(),
            self.args.source,
            target.domain(),
            self.args.target,
            BinaryBytes(elements.saturating_mul(source.dtype().size() as u64)),
            BinaryBytes(elements.saturating_mul(target.dtype().size() as u64)),
            transfer::describe(plan)
        )?;
        if let Some(note) = plan.note {
            writeln!(results(), "note: {note}")?;
        }
        Ok(())
    }
}
