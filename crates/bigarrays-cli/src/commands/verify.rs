//! `verify`: whether what is stored is whole, and the same as something else.

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use bigarrays::Domain;
use bigarrays::Progress;
use bigarrays::format::ScaleSelector;
use bigarrays::jobs::{Against, Report, Share, VerifyOptions, verify_at};
use clap::Args;

use crate::args::heading::{RUN, WHAT};
use crate::args::{JobArgs, ProcessesArgs, values};
use crate::interrupt;
use crate::output::{Meter, ProblemsFound, pretty, results};
use crate::processes::{SHARES, share_out};
use crate::session::Session;

/// Verify that what is stored is whole, or that two arrays hold the same
///
/// Reads and decodes every chunk that is stored, checks the indexes of shards and of names, and looks for files that
/// do not belong there. Changes nothing, and others may write meanwhile. Chunks that are not stored are no
/// problem unless --missing is given. What dead writers left, and files that are not of the array, are noted
/// and no problem either. Uploads to a bucket that were never completed are not seen.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Path or URL of an array, a layer with all its scales, a group with all its arrays, or a folder of them
    url: String,

    /// Also compare with this array, layer or group, element by element; formats, chunks and types may differ
    #[arg(long, help_heading = WHAT, value_name = "OTHER")]
    against: Option<String>,

    /// Only this scale: its position from 0, its key, its resolution as x,y,z, or `all` [default: all, or the
    /// first with --box]
    #[arg(long, help_heading = WHAT, value_name = "SCALE", value_parser = scale)]
    scale: Option<Scales>,

    /// The scale of OTHER [default: the same, or the first where there are not as many]
    #[arg(long, help_heading = WHAT, value_name = "SCALE", value_parser = values::scale, requires = "against")]
    against_scale: Option<ScaleSelector>,

    /// Only the chunks that this box touches, in voxels, in the order of the axes, half-open; bounds may be
    /// negative
    #[arg(long = "box", help_heading = WHAT, value_name = "X0:X1,Y0:Y1,Z0:Z1", allow_hyphen_values = true)]
    part: Option<Domain>,

    /// Chunks that are not stored are problems
    #[arg(long, help_heading = WHAT)]
    missing: bool,

    /// Print JSON
    #[arg(long, help_heading = RUN)]
    json: bool,

    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    processes: ProcessesArgs,
}

const EXAMPLES: &str = "Examples:
  bigarrays verify em
  bigarrays verify s3://bucket/em --scale 0 --missing --json | jq .problem_count
  bigarrays verify em.zarr --against em";

/// Which scales are verified.
#[derive(Clone, Debug)]
enum Scales {
    All,
    One(ScaleSelector),
}

fn scale(text: &str) -> Result<Scales, String> {
    if text == "all" { Ok(Scales::All) } else { values::scale(text).map(Scales::One) }
}

pub(crate) fn run(args: &VerifyArgs, session: &Session) -> anyhow::Result<()> {
    if let Some(share) = &session.share {
        let ([number, of], _) = share.read()?;
        args.processes.limit_threads();
        let report = args.report(Some(Share { number, of }), session)?;
        return Ok(writeln!(results(), "{}", report.to_text())?);
    }
    let report = match args.processes.begun_here(session.share.as_ref()) {
        Some(count) => args.by_processes(count)?,
        None => args.report(None, session)?,
    };
    let mut out = results();
    match args.json {
        true => writeln!(out, "{}", pretty(&report.to_json()))?,
        false => writeln!(out, "{report}")?,
    }
    out.flush()?;
    match report.problem_count() {
        0 => Ok(()),
        count => Err(ProblemsFound(count).into()),
    }
}

impl VerifyArgs {
    /// What this process finds, of all or of a share.
    fn report(&self, share: Option<Share>, session: &Session) -> anyhow::Result<Report> {
        let meter: OnceLock<Meter> = OnceLock::new();
        let tell = |progress: Progress| {
            let job = || format!("verifying {}", self.url);
            meter.get_or_init(|| Meter::new(job(), progress.total, session.terminal)).tell(progress);
        };
        interrupt::watch()?;
        let memory = self.job.options().memory;
        let options = VerifyOptions {
            memory: if share.is_some() { self.processes.memory_of_each(self.job.memory) } else { memory },
            part: self.part.as_ref(),
            missing: self.missing,
            share,
            progress: Some(&tell),
        };
        let scale = match &self.scale {
            Some(Scales::One(scale)) => Some(scale),
            Some(Scales::All) | None => None,
        };
        let open = session.open();
        let of_other = self.against_scale.as_ref();
        let against = self.against.as_ref().map(|url| Against { url, open: &open, scale: of_other });
        let outcome = verify_at(&self.url, &open, scale, against, &options);
        if let Some(meter) = meter.get() {
            meter.clear();
        }
        Ok(outcome?)
    }

    /// What several processes find.
    fn by_processes(&self, count: NonZeroUsize) -> anyhow::Result<Report> {
        let of = SHARES * count.get() as u64;
        let mut reports: Vec<Option<Report>> = vec![None; of as usize];
        let shares = (0..of).map(|number| format!("{number}:{of}")).collect();
        share_out(count, shares, &mut |number, printed| {
            reports[number] = Some(Report::of_text(&String::from_utf8_lossy(&printed))?);
            Ok(())
        })?;
        Ok(Report::of_shares(reports.into_iter().flatten()))
    }
}
