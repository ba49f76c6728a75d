//! `run`: a plan in a file, or a part of it.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use bigarrays::compute::{ComputeOptions, PlanFile};
use clap::Args;
use serde_json::json;

use crate::args::heading::RUN;
use crate::args::{ProcessesArgs, values};
use crate::commands::plan_shares::{run_by, run_share};
use crate::interrupt;
use crate::output::{Meter, pretty, results, write_table};
use crate::session::Session;

/// Run a plan that `bigarrays compute --plan-only` has written, or some of its tasks
///
/// Tasks of one stage may run at the same time, on any machine that sees the same files or buckets; those of the next stage once
/// all are done. A task may run again, and changes nothing then. At the end, `bigarrays run FILE` without a stage looks up
/// what is done, does what is left, and says that the results are complete.
#[derive(Debug, Args)]
#[command(
    name = "run",
    after_help = "Examples:\n  bigarrays compute 'a - mean(a, axis=0)' a=in.zarr -o out.zarr --plan-only plan.json\n  bigarrays run \
                  plan.json --explain\n  bigarrays run plan.json --stage 0 --tasks 100:200\n  bigarrays run plan.json"
)]
pub(crate) struct RunArgs {
    /// The plan
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Run tasks of this stage only, and do not end the job
    #[arg(long, help_heading = RUN, value_name = "K")]
    stage: Option<usize>,

    /// Which tasks of the stage: from I on, before J. Numbers that there are not are left out [default: all]
    #[arg(long, help_heading = RUN, value_name = "I:J", requires = "stage", value_parser = range)]
    tasks: Option<Range<u64>>,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,

    #[command(flatten)]
    processes: ProcessesArgs,

    /// Print the stages and how many tasks each has. Nothing is computed
    #[arg(long, help_heading = RUN)]
    explain: bool,

    /// Print them as JSON
    #[arg(long, requires = "explain")]
    json: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || "expected I:J, such as 0:100, 100: or :50".to_owned();
    let (first, end) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str, other: u64| match text.trim() {
        "" => Ok(other),
        text => text.parse().map_err(|_| wrong()),
    };
    let range = number(first, 0)?..number(end, u64::MAX)?;
    if range.start > range.end {
        return Err(format!("the first task, {}, is behind the end, {}", range.start, range.end));
    }
    Ok(range)
}

pub(crate) fn run(args: &RunArgs, session: &Session) -> anyhow::Result<()> {
    if let Some(share) = &session.share {
        return run_share(share, &args.processes, args.memory, session);
    }
    let plan = PlanFile::open(&args.file, &session.open())?;
    if args.explain {
        return args.explain(&plan);
    }
    interrupt::watch()?;
    let options = ComputeOptions { memory: args.memory.unwrap_or(0), ..ComputeOptions::default() };
    if let Some(stage) = args.stage {
        let tasks = args.tasks.clone().unwrap_or(0..u64::MAX);
        plan.run_tasks(stage, tasks.clone(), &options)?;
        let all = plan.stages()[stage].tasks;
        let (first, end) = (tasks.start.min(all), tasks.end.min(all));
        match first < end {
            true => session.terminal.note(format_args!("ran tasks {first}:{end} of {all} of stage {stage}")),
            false => session.terminal.note(format_args!("no such tasks: stage {stage} has {all}, from 0")),
        }
        return Ok(());
    }
    if plan.is_done() {
        session.terminal.note("nothing is left to do: all results are complete");
        return Ok(());
    }
    let what = format!("computing {}", args.file.display());
    match args.processes.begun_here(session.share.as_ref()) {
        Some(count) => run_by(count, (&plan, &args.file), &options, what, session)?,
        None => {
            let meter = Meter::new(what, 0, session.terminal);
            let tell = |progress| meter.tell(progress);
            let done = plan.run(&ComputeOptions { progress: Some(&tell), ..options });
            meter.clear();
            session.note_redone(done?);
        }
    }
    for (lazy, array) in plan.results() {
        let (dtype, domain) = (lazy.dtype(), lazy.domain());
        session.terminal.note(format_args!("computed {}: {dtype} over {domain}", array.url()));
    }
    Ok(())
}

impl RunArgs {
    fn explain(&self, plan: &PlanFile) -> anyhow::Result<()> {
        let stages = plan.stages().iter().enumerate();
        if self.json {
            let one = stages.map(|(number, stage)| {
                json!({
                    "stage": number,
                    "tasks": stage.tasks,
                    "work": stage.work,
                    "text": stage.text,
                    "in_one_process": stage.is_shared,
                })
            });
            return Ok(writeln!(results(), "{}", pretty(&one.collect()))?);
        }
        let row = |(number, stage): (usize, &bigarrays::compute::PlannedStage)| {
            let by = if stage.is_shared { "one" } else { "any" };
            vec![
                number.to_string(),
                stage.tasks.to_string(),
                stage.work.to_owned(),
                by.to_owned(),
                stage.text.clone(),
            ]
        };
        let titles = ["stage", "tasks", "work", "processes", "of"];
        Ok(write_table(&mut results(), &titles, stages.map(row).collect())?)
    }
}
