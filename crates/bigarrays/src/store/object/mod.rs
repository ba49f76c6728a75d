//! Values as objects of S3, Google Cloud Storage, Azure or a web server.
//!
//! The only asynchronous part of the crate. A batch is one task on the private runtime that keeps many
//! requests under way; what arrives is handed to the CPU pool, and what is to be sent comes from it.
//! The caller's thread only passes things on, and looks whether it is asked to stop.

mod change;
mod checksum;
mod failure;
mod fetch;
mod list;
mod runtime;
mod service;
mod settings;
mod throttle;
mod transport;
mod work;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use rayon::Scope;

pub use self::settings::{OWN as SETTINGS, Settings};

use self::fetch::Fetched;
use self::list::LISTS_AT_ONCE;
use self::runtime::network;
use self::service::{Client, Place, Service};
use self::work::{Make, Work};
use super::{ChangeFn, Get, GetSink, Store, StoreOptions, Update, join_path};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::{PATIENCE, check_interrupt};
use crate::pool::{PerProcess, pool};

/// A store whose values are the objects below a prefix.
#[derive(Clone, Debug)]
pub struct ObjectStore {
    remote: Arc<Remote>,
    /// Empty, or ends in `/`.
    prefix: String,
}

/// What a store and its children share.
struct Remote {
    place: Place,
    options: StoreOptions,
    /// Connections do not survive a fork.
    client: PerProcess<Client>,
    /// Changes of one key in this process wait for each other rather than race.
    turns: PerProcess<Vec<tokio::sync::Mutex<()>>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("place", &self.place)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Opens the store of a URL. Connects only when it is used.
pub(super) fn open(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    let (prefix, service) = SERVICES
        .iter()
        .find(|(prefix, _)| url.starts_with(prefix))
        .ok_or_else(|| Error::unsupported("no service of an object store").at(url))?;
    let (place, path) = Place::parse(*service, prefix, &url[prefix.len()..])?;
    let remote =
        Remote { place, options: options.clone(), client: PerProcess::new(), turns: PerProcess::new() };
    let root = ObjectStore { remote: Arc::new(remote), prefix: String::new() };
    // Slashes at the end, or doubled, mean nothing.
    root.child(path.trim_start_matches('/'))
}

const SERVICES: &[(&str, Service)] = &[
    ("s3://", Service::S3),
    ("gs://", Service::Gcs),
    ("az://", Service::Azure),
    ("http://", Service::Http),
    ("https://", Service::Http),
];

impl ObjectStore {
    fn work(&self) -> Result<Work> {
        let settings = &self.remote.options.settings;
        let network = network(settings.number("max_bytes", 256 << 20)?)?;
        let connect = || network.runtime.block_on(Client::connect(&self.remote.place, settings));
        let client =
            self.remote.client.get_or_try_init(connect).map_err(|error| error.at(self.location("")))?;
        Ok(Work { remote: Arc::clone(&self.remote), prefix: self.prefix.clone(), client, network })
    }

    /// Lists what starts with `prefix`; unless `deep`, folders up to their slash, without a size.
    fn listed(
        &self,
        prefix: &str,
        deep: bool,
        found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>,
    ) -> Result<()> {
        let work = self.work()?;
        let network = Arc::clone(&work.network);
        let (sender, mut pages) = tokio::sync::mpsc::channel(LISTS_AT_ONCE);
        let prefix = format!("{}{prefix}", self.prefix);
        let task = Task(network.runtime.spawn(async move { work.list(prefix, deep, &sender).await }));
        let next = async |pages: &mut tokio::sync::mpsc::Receiver<_>| {
            tokio::time::timeout(PATIENCE, pages.recv()).await
        };
        loop {
            match network.runtime.block_on(next(&mut pages)) {
                Ok(Some(page)) => {
                    page?.iter().try_for_each(|(key, size): &(String, Option<u64>)| found(key, *size))?;
                }
                Ok(None) => break,
                Err(_) => check_interrupt()?,
            }
        }
        drop(task);
        Ok(())
    }
}

/// A task that ends when the caller does not wait for it any more.
struct Task(tokio::task::JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first error of a batch.
#[derive(Default)]
struct Failure(Mutex<Option<Error>>);

impl Failure {
    fn note(&self, result: Result<()>) {
        if let Err(error) = result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn check(&self) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

/// Deals with each message until there are no more senders, an error is noted, or the caller is asked
/// to stop. The CPU pool does what `deal` spawns.
fn pump<'a, M>(
    messages: &Receiver<M>,
    failure: &Failure,
    scope: &Scope<'a>,
    mut deal: impl FnMut(&Scope<'a>, M),
) -> Result<()> {
    loop {
        match messages.recv_timeout(PATIENCE) {
            Ok(message) => deal(scope, message),
            Err(RecvTimeoutError::Timeout) => check_interrupt()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        failure.check()?;
    }
}

impl Store for ObjectStore {
    fn location(&self, key: &str) -> String {
        format!("{}{}{key}", self.remote.place.base, self.prefix)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let base = self.prefix.split_terminator('/').collect();
        let prefix = join_path(base, path)?.into_iter().flat_map(|part| [part, "/"]).collect();
        Ok(Arc::new(Self { prefix, ..self.clone() }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        if requests.is_empty() {
            return Ok(());
        }
        let work = self.work()?;
        let (sender, answers) = mpsc::channel();
        let width = work.client.throttle.most();
        let wanted = requests.to_vec();
        let runtime = Arc::clone(&work.network);
        let task = Task(runtime.runtime.spawn(async move {
            let get = |(index, request): (usize, Get)| {
                let (work, sender) = (&work, sender.clone());
                async move { drop(sender.send((index, work.get(&request).await))) }
            };
            let requests = wanted.into_iter().enumerate().map(get);
            futures_util::stream::iter(requests).buffer_unordered(width).for_each(|()| async {}).await;
        }));
        let failure = Failure::default();
        let hand_on = |index: usize, answer: Result<Option<Fetched>>| {
            failure.note(answer.and_then(|value| sink(index, value.as_ref().map(Fetched::blob))));
        };
        let pumped = if let [_] = requests {
            // Not worth another thread.
            pool()?.in_place_scope(|scope| {
                pump(&answers, &failure, scope, |_, (index, answer)| hand_on(index, answer))
            })
        } else {
            let hand_on = &hand_on;
            pool()?.in_place_scope(|scope| {
                pump(&answers, &failure, scope, |scope, (index, answer)| {
                    scope.spawn(move |_| hand_on(index, answer));
                })
            })
        };
        drop(task);
        pumped.and_then(|()| failure.check())
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        let Some(first) = requests.first() else { return Ok(()) };
        let is_read_only = self.remote.options.read_only;
        if is_read_only || self.remote.place.service == Service::Http {
            let message = if is_read_only {
                "the store was opened for reading only"
            } else {
                "web servers are only read"
            };
            let error = Error::new(ErrorKind::ReadOnly, message);
            return Err(error.during("writing").at(self.location(&first.key)));
        }
        let work = self.work()?;
        let (makers, to_make) = mpsc::channel::<Make>();
        let (sender, outcomes) = mpsc::channel();
        let width = work.client.throttle.most();
        let wanted = requests.to_vec();
        let runtime = Arc::clone(&work.network);
        let task = Task(runtime.runtime.spawn(async move {
            let update = |(index, request): (usize, Update)| {
                let (work, makers, sender) = (&work, makers.clone(), sender.clone());
                async move {
                    if let Err(error) = work.update(index, &request, &makers).await {
                        drop(sender.send(error));
                    }
                }
            };
            let requests = wanted.into_iter().enumerate().map(update);
            futures_util::stream::iter(requests).buffer_unordered(width).for_each(|()| async {}).await;
        }));
        let failure = Failure::default();
        let make = |Make { index, old, reply }: Make| {
            let mut new = Vec::new();
            let made = change(index, old.as_ref().map(Fetched::blob), &mut new);
            // Nobody waits any more after a failure.
            let _ = reply.send(made.map(|change| (change, new)));
        };
        let make = &make;
        let pumped = pool()?.in_place_scope(|scope| {
            pump(&to_make, &failure, scope, |scope, message| {
                outcomes.try_iter().for_each(|error| failure.note(Err(error)));
                scope.spawn(move |_| make(message));
            })
        });
        drop(task);
        outcomes.try_iter().for_each(|error| failure.note(Err(error)));
        pumped.and_then(|()| failure.check())
    }

    fn request_cost(&self) -> u64 {
        fetch::GAP
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.listed(prefix, true, &mut |key, size| size.map_or(Ok(()), |size| found(key, size)))
    }

    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.listed("", false, found)
    }
}
