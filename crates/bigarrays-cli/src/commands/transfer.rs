//! Copies between arrays: within a memory budget, with progress, and ended well by Ctrl-C.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use bigarrays::jobs::{CopyPlan, PlannedCopy, boxes_apart, plan_copy};
use bigarrays::{Array, CopyOptions, Domain, Error, Progress};
use indicatif::BinaryBytes;

use crate::args::JobArgs;
use crate::interrupt;
use crate::output::{Meter, Terminal, counted, rate};
use crate::processes::{SHARES, share_out};

/// Copies `source` to `target`, two arrays or views of one shape, and tells of it as of the `job`.
pub(crate) fn copy(
    job: impl Display,
    source: &Array,
    target: &Array,
    args: &JobArgs,
    terminal: Terminal,
) -> anyhow::Result<()> {
    copy_with(&job, source, target, args.options(), terminal)
}

/// As [`copy`], with other options besides.
pub(crate) fn copy_with(
    job: &dyn Display,
    source: &Array,
    target: &Array,
    options: CopyOptions<'_>,
    terminal: Terminal,
) -> anyhow::Result<()> {
    interrupt::watch()?;
    let (name, meter) = (job.to_string(), OnceLock::new());
    let tell = |progress: Progress| {
        meter.get_or_init(|| Meter::new(name.clone(), progress.total, terminal)).tell(progress);
    };
    let options = CopyOptions { progress: Some(&tell), ..options };
    let planned = PlannedCopy::new(source, target, options)?;
    terminal.detail(format_args!("{job}: {}", describe(planned.plan())));
    planned.plan().note.iter().for_each(|note| terminal.note(format_args!("{job}: {note}")));
    let (bytes, started) = (planned.plan().bytes, Instant::now());
    let outcome = planned.run();
    meter.get().inspect(|meter| meter.clear());
    let copied = outcome?;
    let took = started.elapsed();
    let found = match copied.found {
        0 => String::new(),
        1 => format!("; 1 of {} was done already, and is whole", counted(copied.plan.blocks(), "block")),
        found => {
            format!(
                "; {found} of {} were done already, and are whole",
                counted(copied.plan.blocks(), "block")
            )
        }
    };
    terminal.note(format_args!(
        "{job}: done, {} in {:.1} s ({}/s){found}",
        BinaryBytes(bytes),
        took.as_secs_f64(),
        rate(bytes, took)
    ));
    Ok(())
}

/// As [`copy_with`], by so many processes, each of which copies boxes of the target: `share` gives, by number and of how many, what
/// [`copy_share`] does.
pub(crate) fn copy_by(
    processes: NonZeroUsize,
    job: &dyn Display,
    (source, target): (&Array, &Array),
    options: &CopyOptions<'_>,
    terminal: Terminal,
    share: &dyn Fn(usize, u64) -> String,
) -> anyhow::Result<()> {
    // What does not fit is refused before anybody begins.
    let plan = plan_copy(source, target, options)?;
    terminal.detail(format_args!("{job}: {} by each of {processes} processes", describe(&plan)));
    let wanted = SHARES * processes.get() as u64;
    let boxes = boxes_apart(target, wanted)?;
    let bytes = |part: &Domain| {
        part.shape().iter().fold(target.dtype().size() as u64, |all, one| all.saturating_mul(*one))
    };
    let total = bytes(target.domain());
    let (meter, started, mut done) = (Meter::new(job.to_string(), total, terminal), Instant::now(), 0);
    let shares = (0..boxes.len()).map(|number| share(number, wanted)).collect();
    let outcome = share_out(processes, shares, &mut |number, _| {
        done += bytes(&boxes[number]);
        meter.tell(Progress { done, total });
        Ok(())
    });
    meter.clear();
    outcome?;
    let took = started.elapsed();
    let (seconds, rate) = (took.as_secs_f64(), rate(total, took));
    terminal.note(format_args!("{job}: done, {} in {seconds:.1} s ({rate}/s)", BinaryBytes(total)));
    Ok(())
}

/// Copies one of about so many boxes of the target.
pub(crate) fn copy_share(
    (number, wanted): (u64, u64),
    source: &Array,
    target: &Array,
    options: CopyOptions<'_>,
) -> anyhow::Result<()> {
    let boxes = boxes_apart(target, wanted)?;
    let none = || Error::invalid(format!("box {number} of {}", boxes.len()));
    let part = boxes.get(number as usize).ok_or_else(none)?;
    let moved = |((range, from), to): ((Range<i64>, &i64), &i64)| {
        let at = |coordinate: i64| coordinate.wrapping_sub(*to).wrapping_add(*from);
        at(range.start)..at(range.end)
    };
    let origins = part.ranges().zip(source.domain().origin()).zip(target.domain().origin());
    let own = Domain::from_ranges(&origins.map(moved).collect::<Vec<_>>())?;
    PlannedCopy::new(&source.cut(&own)?, &target.cut(part)?, options)?.run()?;
    Ok(())
}

/// What a copy takes, in words.
pub(crate) fn describe(plan: &CopyPlan) -> String {
    format!(
        "{} of the source into {}, {}; {}, {} at once; about {}; up to {} of memory",
        counted(plan.source_chunks, "chunk"),
        counted(plan.target_chunks, "chunk"),
        if plan.moves { "moved as they are stored" } else { "decoded and encoded" },
        counted(plan.blocks(), "block"),
        plan.in_flight,
        counted(plan.requests, "request"),
        BinaryBytes(plan.peak_memory)
    )
}
