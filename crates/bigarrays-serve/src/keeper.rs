//! Coarser levels that are kept in a folder: looked for as the viewer starts, and made while tiles come from the arrays themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bigarrays::jobs::{Downsampling, KeptLevel, KeptLevels};
use bigarrays::{Array, Error, Progress, Result, interruptible};

use crate::kept::{Found, Kept, Pyramid};
use crate::layer::Served;
use crate::level::{Level, Making};
use crate::volume::Volume;

/// How long a viewer waits as it starts, to know what is kept already.
const PATIENCE: Duration = Duration::from_millis(400);

/// How often arrays are looked at for changes: not before so many times as long have gone by as it takes.
const TIMES: u32 = 100;
const LEAST: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// What is kept of one layer.
struct Job {
    source: Array,
    method: Downsampling,
    levels: Vec<KeptLevel>,
    kept: Arc<Kept>,
    /// What was found at last.
    found: Option<Arc<KeptLevels>>,
    /// When it is to be looked at again.
    due: Instant,
}

impl Job {
    /// The job of a layer that has levels which are not stored, if the array is found again by its address.
    fn of(layer: &mut Served) -> Option<Self> {
        let is_made = |level: &Level| level.making != Making::Stored;
        let made: Vec<KeptLevel> =
            layer.levels.iter().filter(|level| is_made(level)).map(Level::to_keep).collect();
        let Volume::Stored(source) = &layer.levels.iter().find(|level| is_made(level))?.volume else {
            return None;
        };
        if source.url().starts_with("memory:") || source.url().is_empty() {
            return None;
        }
        let (source, kept) = ((**source).clone(), Arc::new(Kept::new()));
        for (number, level) in layer.levels.iter_mut().filter(|level| is_made(level)).enumerate() {
            level.kept = Some((Arc::clone(&kept), number));
        }
        layer.kept = Some(Arc::clone(&kept));
        let method = if layer.labels { Downsampling::Mode } else { Downsampling::Mean };
        Some(Self { source, method, levels: made, kept, found: None, due: Instant::now() })
    }

    /// Looks for the levels, of the array as it is now.
    fn look(&mut self, folder: &Path) {
        let began = Instant::now();
        let found = KeptLevels::of(&self.source, folder, &self.levels, self.method);
        self.found = None;
        match found.and_then(|found| Ok((found.open()?, Arc::new(found)))) {
            Ok((Some(arrays), found)) => {
                self.show(&found, arrays);
                self.found = Some(found);
            }
            Ok((None, found)) => {
                self.kept.set(Pyramid::Making(0), None);
                self.found = Some(found);
            }
            Err(error) => self.kept.fail(&error),
        }
        self.due = Instant::now() + LEAST.max(began.elapsed() * TIMES);
    }

    fn show(&self, found: &Arc<KeptLevels>, arrays: Vec<Array>) {
        let found = Found { levels: Arc::clone(found), arrays: Arc::new(arrays) };
        self.kept.set(Pyramid::Ready, Some(found));
    }

    /// Makes the levels, if they are not there.
    fn make(&mut self, memory: u64) {
        let (Some(found), Pyramid::Making(_)) = (&self.found, self.kept.state()) else { return };
        let tell = |progress: Progress| {
            let percent = (progress.done * 100).checked_div(progress.total).unwrap_or(0);
            self.kept.set(Pyramid::Making(percent.min(100) as u8), None);
        };
        match found.make(memory, Some(&tell)) {
            Ok(arrays) => self.show(found, arrays),
            Err(error) => {
                self.kept.fail(&error);
                self.found = None;
            }
        }
    }

    /// Whether levels are shown that somebody has removed.
    fn is_removed(&self) -> bool {
        self.kept.found().is_some_and(|found| !found.levels.is_whole())
    }

    /// Looks again, where the array may have changed, or levels are gone, or what could not be made may be there.
    fn look_again(&mut self, folder: &Path) {
        let is_removed = self.is_removed();
        if self.due > Instant::now() && !is_removed {
            return;
        }
        let began = Instant::now();
        match self.found.as_ref().map(|found| found.is_current()) {
            Some(Ok(true)) if !is_removed => self.due = Instant::now() + LEAST.max(began.elapsed() * TIMES),
            _ => self.look(folder),
        }
    }
}

/// Looks for levels and makes them, as long as it lives.
#[derive(Debug)]
pub(crate) struct Keeper {
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

impl Keeper {
    /// Begins with all layers that have levels to be kept; waits shortly for what is kept already.
    ///
    /// # Errors
    /// `Storage` if there can be no thread.
    pub(crate) fn start(folder: PathBuf, layers: &mut [Served], memory: u64) -> Result<Self> {
        let mut jobs: Vec<Job> = layers.iter_mut().filter_map(Job::of).collect();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (said, hears) = channel();
        let stopped = Arc::clone(&is_stopped);
        let thread = std::thread::Builder::new()
            .name("bigarrays-keep".into())
            .spawn(move || work(&mut jobs, &folder, memory, said, &stopped))
            .map_err(|error| Error::io(error, "starting", "a thread that keeps coarser levels"))?;
        // Whether it takes longer than that or not: both are fine.
        let _ = hears.recv_timeout(PATIENCE);
        Ok(Self { is_stopped, thread: Some(thread), process: std::process::id() })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        if self.process == std::process::id() {
            // What panicked there has been said.
            let _ = thread.join();
        } else {
            // It is in the parent of this process.
            std::mem::forget(thread);
        }
    }
}

fn work(jobs: &mut [Job], folder: &Path, memory: u64, said: Sender<()>, stopped: &AtomicBool) {
    let is_stopped = || stopped.load(Ordering::Relaxed);
    interruptible(&is_stopped, || {
        jobs.iter_mut().for_each(|job| job.look(folder));
        drop(said);
        while !is_stopped() {
            for job in &mut *jobs {
                job.make(memory);
                job.look_again(folder);
            }
            std::thread::sleep(PAUSE);
        }
    });
}
