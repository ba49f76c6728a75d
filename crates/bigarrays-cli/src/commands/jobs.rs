//! `jobs`: copies and computations that ended early.

use std::io::Write;
use std::time::{Duration, SystemTime};

use bigarrays::Error;
use bigarrays::compute::Unfinished;
use clap::Args;
use serde_json::json;

use crate::output::{pretty, results, write_table};
use crate::session::Session;

/// List copies and computations that ended early, or forget them
///
/// Of each: its number, which --forget takes, how many blocks are done, when the last was, and what it does. The same command
/// again goes on with it (of computations with --resume, or resume=True, and --scratch if it had a folder of scratch files). To forget
/// one removes its scratch files, and leaves what it has made as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bigarrays jobs\n  bigarrays jobs --forget 5f0c2ab1")]
pub(crate) struct JobsArgs {
    /// Forget this job, by its number or as much of it as tells it from others
    #[arg(long, value_name = "NUMBER")]
    forget: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn number(job: &Unfinished) -> String {
    job.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(crate) fn run(args: &JobsArgs, session: &Session) -> anyhow::Result<()> {
    let jobs = Unfinished::all()?;
    if let Some(wanted) = &args.forget {
        let found: Vec<&Unfinished> = jobs.iter().filter(|job| number(job).starts_with(&**wanted)).collect();
        let [job] = found[..] else {
            let reason = format!("{} jobs have a number that begins with {wanted:?}", found.len());
            return Err(Error::invalid(reason).into());
        };
        job.forget()?;
        session.terminal.note(format_args!("forgot {}", job.what.as_deref().unwrap_or("a job")));
        return Ok(());
    }
    if args.json {
        let changed = |job: &Unfinished| {
            job.changed.map(|changed| humantime::format_rfc3339_seconds(changed).to_string())
        };
        let one = |job: &Unfinished| {
            json!({
                "number": number(job), "job": job.what, "done": job.done, "total": job.total,
                "changed": changed(job), "running": job.is_running, "journal": job.path,
                "scratch": job.scratch,
            })
        };
        return Ok(writeln!(results(), "{}", pretty(&jobs.iter().map(one).collect()))?);
    }
    if jobs.is_empty() {
        session.terminal.note("no job is unfinished");
        return Ok(());
    }
    let heading = ["number", "blocks done", "last", "scratch files", "job"];
    Ok(write_table(&mut results(), &heading, jobs.iter().map(row).collect())?)
}

fn row(job: &Unfinished) -> Vec<String> {
    let done = match job.total {
        Some(total) => format!("{} of {total}", job.done.min(total)),
        None => job.done.to_string(),
    };
    let age = job.changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    let age = age.map(|age| Duration::from_secs(age.as_secs()));
    let last = match (job.is_running, age) {
        (true, _) => "running".to_owned(),
        (false, Some(age)) => format!("{} ago", humantime::format_duration(age)),
        (false, None) => String::new(),
    };
    let number = number(job).chars().take(8).collect();
    let scratch = job.scratch.as_ref().map_or_else(String::new, |folder| folder.display().to_string());
    vec![number, done, last, scratch, job.what.clone().unwrap_or_default()]
}
