//! Copies between arrays: within a memory budget, with progress, and ended well by Ctrl-C.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Instant;

use bigarrays::jobs::{CopyPlan, PlannedCopy};
use bigarrays::{Array, CopyOptions, Progress};
use indicatif::BinaryBytes;

use crate::args::JobArgs;
use crate::interrupt;
use crate::output::{Meter, Terminal, counted, rate};

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
