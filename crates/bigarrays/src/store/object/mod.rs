//! Values as objects of S3, Google Cloud Storage, Azure or a web server.
//!
//! The only asynchronous part of the crate. A batch is one task on the private runtime that keeps many
//! requests under way; what arrives is handed to the CPU pool, and what is to be sent comes from it.
//! The caller's thread only passes things on, and looks whether it is asked to stop.

mod change;
mod failure;
mod fetch;
mod runtime;
mod service;
mod settings;
mod throttle;
mod transport;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use rayon::Scope;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

pub use self::settings::{OWN as SETTINGS, Settings};

use self::change::{Changing, random};
use self::fetch::{Fetch, Fetched};
use self::runtime::{Budget, Network, network};
use self::service::{Client, Place, Service};
use super::{Change, ChangeFn, Get, GetSink, RESERVED, Store, StoreOptions, Update, check_key, join_path};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::{PATIENCE, check_interrupt};
use crate::pool::{PerProcess, pool};

/// Lists of different prefixes under way at once.
const LISTS_AT_ONCE: usize = 8;

/// How long is waited before something is fetched again that came incomplete.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Bytes that one value takes of the memory for values under way if its size cannot be told.
const UNKNOWN_SIZE: u64 = 1 << 20;

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

/// How many turns all keys share.
const TURNS: usize = 1024;

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

/// Where pages of a listing are sent: keys with sizes, and folders without.
type Pages = tokio::sync::mpsc::Sender<Result<Vec<(String, Option<u64>)>>>;

/// One store at work: everything that a task on the runtime needs.
#[derive(Clone)]
struct Work {
    remote: Arc<Remote>,
    prefix: String,
    client: Arc<Client>,
    network: Arc<Network>,
}

/// A request to make a new value, from a task to the caller's thread.
struct Make {
    index: usize,
    old: Option<Fetched>,
    reply: oneshot::Sender<Result<(Change, Vec<u8>)>>,
}

/// Has new values made by the caller's side, in memory that was set aside.
struct Maker<'a> {
    index: usize,
    makers: &'a Sender<Make>,
    budget: &'a Budget,
    memory: &'a mut OwnedSemaphorePermit,
    /// How many values of about the same size are held.
    values: u64,
}

impl Maker<'_> {
    async fn make(&mut self, old: Option<Fetched>) -> Result<(Change, Vec<u8>)> {
        let (reply, made) = oneshot::channel();
        self.makers.send(Make { index: self.index, old, reply }).map_err(|_| gone())?;
        let (change, bytes) = made.await.map_err(|_| gone())??;
        self.budget.keep_only(self.memory, (bytes.capacity() as u64).saturating_mul(self.values));
        Ok((change, bytes))
    }
}

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

impl Work {
    fn location(&self, key: &str) -> String {
        format!("{}{}{key}", self.remote.place.base, self.prefix)
    }

    fn path(&self, key: &str) -> Result<Path> {
        check_key(key)?;
        Path::parse(format!("{}{key}", self.prefix))
            .map_err(|error| Error::invalid(error.to_string()).during("resolving").at(self.location(key)))
    }

    fn explain(&self, operation: &'static str, key: &str) -> impl Fn(object_store::Error) -> Error + Sync {
        let (service, location) = (self.remote.place.service, self.location(key));
        move |error| failure::explain(error, service, operation, location.clone())
    }

    async fn get(&self, request: &Get) -> Result<Option<Fetched>> {
        let path = self.path(&request.key)?;
        let explain = self.explain("reading", &request.key);
        let _slot = self.client.throttle.enter().await;
        let Get { part, max_len, version, .. } = request;
        let budget = Some(&self.network.budget);
        let fetch = Fetch {
            client: &self.client,
            path: &path,
            part,
            max_len: *max_len,
            version,
            budget,
            explain: &explain,
        };
        let mut pause = AGAIN_AFTER;
        loop {
            match fetch.run().await {
                // A body that ended early without an error, or was replaced again and again.
                Err(error) if error.is_retryable() && pause < AGAIN_AFTER * 8 => {
                    tokio::time::sleep(pause).await;
                }
                done => return done.map_err(|error| error.during("reading").at(self.location(&request.key))),
            }
            pause *= 2;
        }
    }

    async fn update(&self, index: usize, request: &Update, makers: &Sender<Make>) -> Result<()> {
        let path = self.path(&request.key)?;
        let explain = self.explain("writing", &request.key);
        let turns = self
            .remote
            .turns
            .get_or_try_init(|| Ok((0..TURNS).map(|_| tokio::sync::Mutex::default()).collect()))?;
        let turn = super::lock::stable_hash(path.as_ref().as_bytes()) as usize % TURNS;
        // Everybody waits in this order: for a turn, for a slot, for memory. So nobody waits in a circle.
        let _turn = turns[turn].lock().await;
        // Old and new value: all at once, as whoever holds some memory must not wait for more.
        let size = if request.max_len == u64::MAX { UNKNOWN_SIZE } else { request.max_len };
        let values = if request.reads { 2 } else { 1 };
        let _slot = self.client.throttle.enter().await;
        let mut memory = self.network.budget.set_aside(size.saturating_mul(values)).await;
        let has_rivals = request.reads && self.remote.options.lock;
        let changing = Changing {
            client: &self.client,
            path: &path,
            max_len: request.max_len,
            has_rivals,
            explain: &explain,
        };
        if has_rivals {
            self.check_conditions().await?;
        }
        let mut maker = Maker { index, makers, budget: &self.network.budget, memory: &mut memory, values };
        let done = if request.reads {
            changing.by_comparison(&mut maker).await
        } else {
            changing.blind(&mut maker).await
        };
        done.map_err(|error| error.during("writing").at(self.location(&request.key)))
    }

    async fn check_conditions(&self) -> Result<()> {
        let key = format!("{}{RESERVED}-trial-{:016x}", self.prefix, random());
        let location = format!("{}{key}", self.remote.place.base);
        let path = Path::parse(&key).map_err(|error| Error::invalid(error.to_string()).at(&location))?;
        let service = self.remote.place.service;
        let explain =
            |error| failure::explain(error, service, "trying conditional writes at", location.clone());
        let trial =
            Changing { client: &self.client, path: &path, max_len: 0, has_rivals: true, explain: &explain };
        trial.check_conditions().await
    }

    /// Sends the keys and sizes of every object that starts with `prefix`, page by page. What lies
    /// below different slashes is listed at once, or, unless `deep`, only the names up to the slashes.
    async fn list(&self, prefix: String, deep: bool, pages: &Pages) {
        let top = self.list_pages(prefix, Some("/"), pages).await;
        if !deep {
            let name = |folder: &String| {
                Some((folder.get(self.prefix.len()..)?.trim_end_matches('/').to_owned(), None))
            };
            let _ = pages.send(Ok(top.iter().filter_map(name).collect())).await;
            return;
        }
        let below = async |prefix: String| drop(self.list_pages(prefix, None, pages).await);
        futures_util::stream::iter(top).for_each_concurrent(LISTS_AT_ONCE, below).await;
    }

    /// Sends the pages of one listing and returns the common prefixes.
    async fn list_pages(
        &self,
        prefix: String,
        delimiter: Option<&'static str>,
        pages: &Pages,
    ) -> Vec<String> {
        let mut prefixes = Vec::new();
        let mut page_token = None;
        loop {
            let page = match self.list_page(&prefix, delimiter, page_token.take()).await {
                Ok(page) => page,
                Err(error) => {
                    let _ = pages.send(Err(error)).await;
                    return Vec::new();
                }
            };
            let below = self.prefix.len();
            let key = |path: &Path| path.as_ref().get(below..).unwrap_or_default().to_owned();
            let found = page.result.objects.iter().map(|object| (key(&object.location), Some(object.size)));
            let found =
                found.filter(|(key, _)| !key.split('/').any(|part| part.starts_with(RESERVED))).collect();
            if pages.send(Ok(found)).await.is_err() {
                return Vec::new();
            }
            prefixes.extend(page.result.common_prefixes.iter().map(|path| format!("{path}/")));
            page_token = page.page_token;
            if page_token.is_none() {
                return prefixes;
            }
        }
    }

    async fn list_page(
        &self,
        prefix: &str,
        delimiter: Option<&'static str>,
        page_token: Option<String>,
    ) -> Result<object_store::list::PaginatedListResult> {
        let explain = self.explain("listing", &prefix[self.prefix.len().min(prefix.len())..]);
        let lister = self.client.lister.as_ref().ok_or_else(|| {
            let message = "a web server does not say what it has; name the array or scale itself";
            Error::unsupported(message).during("listing").at(self.location(""))
        })?;
        let options =
            PaginatedListOptions { delimiter: delimiter.map(Into::into), page_token, ..Default::default() };
        let _slot = self.client.throttle.enter().await;
        lister
            .0
            .list_paginated(Some(prefix).filter(|prefix| !prefix.is_empty()), options)
            .await
            .map_err(explain)
    }
}

/// The other side gave up, and says itself why.
fn gone() -> Error {
    Error::new(ErrorKind::Cancelled, "the batch was given up")
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

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.listed(prefix, true, &mut |key, size| size.map_or(Ok(()), |size| found(key, size)))
    }

    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.listed("", false, found)
    }
}
