//! Long jobs: within a memory budget, with progress, and ended well by Ctrl-C.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bigarrays::Progress;
use bigarrays::base::sync::MutexExt;
use bigarrays::jobs::{CopyPlan, plan_copy};
use bigarrays::{Array, CopyOptions};
use clap::Args;
use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::{Terminal, lines};
use crate::{interrupt, values};

/// What a job may use.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the
    /// process may use, of which the limits of control groups and of Slurm count]
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

impl JobArgs {
    /// The options of a copy within the budget.
    pub(crate) fn options(&self) -> CopyOptions<'static> {
        CopyOptions { memory: self.memory.unwrap_or(0), ..CopyOptions::default() }
    }
}

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
    let plan = plan_copy(source, target, &options)?;
    terminal.detail(format_args!("{job}: {}", describe(&plan)));
    let bytes = target.domain().checked_len()?.saturating_mul(target.dtype().size() as u64);
    let (meter, started) = (Meter::new(job.to_string(), bytes, terminal), Instant::now());
    let tell = |progress| meter.tell(progress);
    interrupt::watch()?;
    let options = CopyOptions { progress: Some(&tell), ..options };
    let outcome = bigarrays::copy(source, target, options);
    meter.clear();
    let copied = outcome?;
    let took = started.elapsed();
    let found = match copied.found {
        0 => String::new(),
        found => format!("; {found} of {} blocks were done already, and are whole", copied.plan.blocks()),
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
        "{} chunks of the source into {} chunks, {}; {} blocks, {} at once; about {} requests; up to {} of memory",
        plan.source_chunks,
        plan.target_chunks,
        if plan.moves { "moved as they are stored" } else { "decoded and encoded" },
        plan.blocks(),
        plan.in_flight,
        plan.requests,
        BinaryBytes(plan.peak_memory)
    )
}

fn rate(bytes: u64, time: Duration) -> BinaryBytes {
    BinaryBytes((bytes as f64 / time.as_secs_f64().max(1e-3)) as u64)
}

/// Shows progress: a bar on a terminal, a line now and then otherwise.
pub(crate) struct Meter {
    job: String,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines { last: Mutex<Instant>, terminal: Terminal },
}

/// Time between two lines of progress.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

const BAR: &str =
    "{msg} {wide_bar} {percent:>3}% {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left";

impl Meter {
    pub(crate) fn new(job: String, total: u64, terminal: Terminal) -> Self {
        let started = Instant::now();
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let shown = if terminal.is_quiet() {
            Shown::Nothing
        } else if bar.is_hidden() {
            Shown::Lines { last: Mutex::new(started), terminal }
        } else {
            // The template is valid; a default bar would do as well.
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar.set_message(lines(&job));
            bar.enable_steady_tick(Duration::from_millis(200));
            Shown::Bar(bar)
        };
        Self { job, started, shown }
    }

    pub(crate) fn tell(&self, progress: Progress) {
        let Progress { done, total } = progress;
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                // That of some jobs is not known from the start.
                bar.set_length(total);
                bar.set_position(done);
            }
            Shown::Lines { last, terminal } => {
                let mut last = last.locked();
                if last.elapsed() >= BETWEEN_LINES && done < total {
                    *last = Instant::now();
                    terminal.note(self.line(done, total));
                }
            }
        }
    }

    fn line(&self, done: u64, total: u64) -> String {
        let took = self.started.elapsed();
        let left = took.mul_f64((total - done) as f64 / done.max(1) as f64);
        format!(
            "{}: {}%, {} of {}, {}/s, {} left",
            self.job,
            done * 100 / total.max(1),
            BinaryBytes(done),
            BinaryBytes(total),
            rate(done, took),
            HumanDuration(left)
        )
    }

    pub(crate) fn clear(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
