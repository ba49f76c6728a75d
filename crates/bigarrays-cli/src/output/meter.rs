//! Progress of long jobs: a bar on a terminal, a line now and then otherwise.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bigarrays::Progress;
use bigarrays::base::sync::MutexExt;
use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::terminal::{Terminal, lines};

/// Bytes a second.
pub(crate) fn rate(bytes: u64, time: Duration) -> BinaryBytes {
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
