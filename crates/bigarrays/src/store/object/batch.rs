//! A batch under way on the runtime, and the caller's thread that waits for it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::client::Client;
use super::place::Place;
use super::runtime::Network;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::run::interrupt::{PATIENCE, check_interrupt};
use crate::run::pool::PerProcess;
use crate::store::settings::Settings;

/// How long finding credentials and a bucket's region may take.
const CONNECTING: Duration = Duration::from_secs(60);

type Clients = Mutex<HashMap<(Place, Settings), Weak<Client>>>;

/// The clients of this process, for all who open the same place with the same settings.
static CLIENTS: PerProcess<Clients> = PerProcess::new();

/// How often it is looked whether a task that sends nothing any more has ended.
const ENDING: Duration = Duration::from_millis(1);

/// A task that ends when the caller does not wait for it any more.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(network: &Network, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(network.runtime.spawn(work))
    }

    /// The error of a task that ended without having sent everything: it panicked.
    fn failure(&mut self) -> Error {
        // The thread may be one of a runtime of the caller's, where nothing may be waited for.
        while !self.0.is_finished() {
            std::thread::sleep(ENDING);
        }
        let panic = match (&mut self.0).now_or_never() {
            Some(Err(error)) if error.is_panic() => error.into_panic(),
            _ => Box::new("it sent no answer"),
        };
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason");
        Error::new(ErrorKind::Storage, format!("a request failed because of a defect, in a panic: {text}"))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does all jobs, each as a task, at most `width` at once. They end when this is dropped. Panics as soon as one of
/// them has.
pub(super) async fn all<F>(width: usize, jobs: impl Iterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for job in jobs {
        while under_way.len() >= width {
            under_way.join_next().await.into_iter().for_each(relay);
        }
        under_way.spawn(job);
    }
    while let Some(ended) = under_way.join_next().await {
        relay(ended);
    }
}

/// Hands on the panic of a job.
fn relay(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// The first error of a batch.
#[derive(Default)]
pub(super) struct Failure {
    error: Mutex<Option<Error>>,
    is_noted: AtomicBool,
}

impl Failure {
    pub(super) fn note(&self, result: Result<()>) {
        if let Err(error) = result {
            self.error.locked().get_or_insert(error);
            self.is_noted.store(true, Ordering::Release);
        }
    }

    /// Whether there has been one: nothing more is to be handed on.
    pub(super) fn is_noted(&self) -> bool {
        self.is_noted.load(Ordering::Acquire)
    }

    pub(super) fn check(&self) -> Result<()> {
        self.error.locked().take().map_or(Ok(()), Err)
    }
}

/// Whether this thread is one of a pool, which must not wait for others of it.
pub(super) fn is_pool_thread() -> bool {
    rayon::current_thread_index().is_some()
}

/// Deals with each message of `task` until so many of them were the last of a job, `check` finds an error, or the
/// caller is asked to stop.
pub(super) fn pump<M>(
    task: &mut Task,
    messages: &Receiver<M>,
    ends: usize,
    check: &mut dyn FnMut() -> Result<()>,
    deal: &mut dyn FnMut(M) -> bool,
) -> Result<()> {
    let (mut ended, mut asked) = (0, Instant::now());
    while ended < ends {
        if asked.elapsed() >= PATIENCE {
            check_interrupt()?;
            asked = Instant::now();
        }
        match messages.recv_timeout(PATIENCE) {
            Ok(message) => ended += usize::from(deal(message)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(task.failure()),
        }
        check()?;
    }
    Ok(())
}

/// The client of a place: one that is in use, or a new one.
pub(super) fn connect(network: &Network, place: &Place, settings: &Settings) -> Result<Arc<Client>> {
    let clients = CLIENTS.get_or_try_init(|| Ok(Mutex::default()))?;
    let name = (place.clone(), settings.clone());
    let known = || clients.locked();
    if let Some(client) = known().get(&name).and_then(Weak::upgrade) {
        return Ok(client);
    }
    let (sender, connected) = mpsc::channel();
    let (place, settings) = name.clone();
    let mut task = Task::spawn(network, async move {
        let client = tokio::time::timeout(CONNECTING, Client::connect(&place, &settings)).await;
        let too_long =
            |_| Error::new(ErrorKind::Storage, "finding credentials and region takes too long").retryable();
        // Nobody waits any more if the caller was asked to stop.
        let _ = sender.send(client.map_err(too_long).and_then(|client| client));
    });
    let mut outcome = None;
    pump(&mut task, &connected, 1, &mut || Ok(()), &mut |client| {
        outcome = Some(client);
        true
    })?;
    let broke_off = || Error::new(ErrorKind::Storage, "connecting broke off");
    let client = Arc::new(outcome.ok_or_else(broke_off)??);
    let mut known = known();
    known.retain(|_, client| client.strong_count() > 0);
    known.insert(name, Arc::downgrade(&client));
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_dies_is_no_success() {
        let network = crate::store::object::runtime::network(1 << 20).unwrap();
        let (sender, messages) = mpsc::channel();
        let jobs = (0..3).map(move |k| {
            let sender = sender.clone();
            async move {
                assert!(k != 1, "this job dies");
                sender.send(k).unwrap();
            }
        });
        let mut task = Task::spawn(&network, all(2, jobs));
        let pumped = pump(&mut task, &messages, 3, &mut || Ok(()), &mut |_| true);
        assert!(pumped.unwrap_err().to_string().contains("this job dies"));
    }
}
