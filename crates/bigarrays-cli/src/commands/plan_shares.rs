//! Plans that several processes run.

use std::num::NonZeroUsize;
use std::path::Path;

use bigarrays::Progress;
use bigarrays::compute::{ComputeOptions, PlanFile, PlannedStage};

use crate::args::ProcessesArgs;
use crate::interrupt;
use crate::output::Meter;
use crate::processes::{SHARES, Share, share_out};
use crate::session::Session;

/// Has so many processes do all that a plan in a file is of, and ends the job: what they have done is looked up.
///
/// # Errors
/// Those of the processes, and of looking up.
pub(crate) fn run_by(
    count: NonZeroUsize,
    (plan, file): (&PlanFile, &Path),
    options: &ComputeOptions<'_>,
    what: String,
    session: &Session,
) -> anyhow::Result<()> {
    let total = bytes(plan.stages());
    let meter = Meter::new(what, total, session.terminal);
    let tell = |done| meter.tell(Progress { done, total });
    let shared = run_stages(count, (plan, file), options, &tell);
    let ended = shared.and_then(|()| Ok(plan.run(options)?));
    meter.clear();
    session.note_redone(ended?);
    Ok(())
}

/// Has processes run stage after stage, and tells of the bytes of elements that are done.
fn run_stages(
    count: NonZeroUsize,
    (plan, file): (&PlanFile, &Path),
    options: &ComputeOptions<'_>,
    tell: &dyn Fn(u64),
) -> anyhow::Result<()> {
    for (number, stage) in plan.stages().iter().enumerate() {
        // Whether the stages before are done is looked up once.
        plan.run_tasks(number, 0..0, options)?;
        // As many parts as keep all busy, unless one process is to do all.
        let wanted = if stage.is_shared { 1 } else { 2 * SHARES * count.get() as u64 };
        let each = stage.tasks.div_ceil(wanted).max(1);
        let parts = (0..stage.tasks).step_by(each as usize);
        let shares = parts.map(|first| format!("{number}:{first}:{}:{}", first + each, file.display()));
        let (before, mut tasks) = (bytes(&plan.stages()[..number]), 0);
        share_out(count, shares.collect(), &mut |_, _| {
            tasks = (tasks + each).min(stage.tasks);
            let done = u128::from(stage.bytes) * u128::from(tasks) / u128::from(stage.tasks.max(1));
            tell(before.saturating_add(done as u64));
            Ok(())
        })?;
    }
    Ok(())
}

fn bytes(stages: &[PlannedStage]) -> u64 {
    stages.iter().map(|stage| stage.bytes).fold(0, u64::saturating_add)
}

/// Runs some tasks of a plan, as a share says.
///
/// # Errors
/// Those of the plan.
pub(crate) fn run_share(
    share: &Share,
    processes: &ProcessesArgs,
    memory: Option<u64>,
    session: &Session,
) -> anyhow::Result<()> {
    let ([stage, first, end], file) = share.read()?;
    processes.limit_threads();
    interrupt::watch()?;
    let options = ComputeOptions { memory: processes.memory_of_each(memory), ..ComputeOptions::default() };
    Ok(PlanFile::open(file, &session.open())?.run_tasks(stage as usize, first..end, &options)?)
}
