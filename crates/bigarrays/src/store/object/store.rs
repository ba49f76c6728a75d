//! The objects below a prefix as a store.

use std::sync::{Arc, mpsc};

use super::batch::{self, Failure, Task, is_pool_thread, pump};
use super::fetch::{self, Fetched};
use super::list::Pages;
use super::maker::{Event, Make};
use super::place::{Place, Service};
use super::remote::Remote;
use super::runtime::network;
use super::work::Work;
use crate::base::error::{Error, ErrorKind, Result};
use crate::run::pool::{PerProcess, pool};
use crate::store::{ChangeFn, Get, GetSink, Store, StoreOptions, Update, join_path};

/// A store whose values are the objects below a prefix.
#[derive(Clone, Debug)]
pub struct ObjectStore {
    remote: Arc<Remote>,
    /// Empty, or ends in `/`.
    prefix: String,
}

/// Opens the store of a URL. Connects only when it is used.
pub(in crate::store) fn open(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    let (prefix, service) = SERVICES
        .iter()
        .find(|(prefix, _)| url.starts_with(prefix))
        .ok_or_else(|| Error::unsupported("no service of an object store").at(url))?;
    let (place, path) = Place::parse(*service, prefix, &url[prefix.len()..])?;
    let remote = Remote { place, options: options.clone(), client: PerProcess::new() };
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
        let Remote { place, options, client } = &*self.remote;
        let network = network(options.settings.number("max_bytes", 0)?)?;
        let client = client.get_or_try_init(|| batch::connect(&network, place, &options.settings));
        let client = client.map_err(|error| error.at(self.location("")))?;
        let (remote, prefix) = (Arc::clone(&self.remote), self.prefix.clone());
        Ok(Work { remote, prefix, client: Arc::clone(&client), network })
    }

    fn check_writable(&self, key: &str) -> Result<()> {
        let message = match self.remote.place.service {
            _ if self.remote.options.read_only => "the store was opened for reading only",
            Service::Http => "web servers are only read",
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::ReadOnly, message).during("writing").at(self.location(key)))
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
        let (pages, received) = Pages::new();
        let room = Arc::clone(&pages.room);
        let prefix = format!("{}{prefix}", self.prefix);
        let mut task = Task::spawn(&network, async move {
            work.list(prefix, deep, &pages).await;
            pages.end();
        });
        let mut outcome = Ok(());
        let pumped = pump(&mut task, &received, 1, &mut || Ok(()), &mut |page: Option<Result<_>>| {
            room.add_permits(1);
            let Some(page) = page else { return true };
            let each =
                |page: Vec<(String, Option<u64>)>| page.iter().try_for_each(|(key, size)| found(key, *size));
            outcome = page.and_then(each);
            outcome.is_err()
        });
        pumped.and(outcome)
    }
}

impl Store for ObjectStore {
    fn location(&self, key: &str) -> String {
        self.remote.place.location(&format!("{}{key}", self.prefix))
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
        let network = Arc::clone(&work.network);
        let width = work.client.throttle.most();
        let get = move |(index, request): (usize, Get)| {
            let (work, sender) = (work.clone(), sender.clone());
            async move { drop(sender.send((index, work.get(&request).await))) }
        };
        let requested = requests.to_vec();
        let jobs = requested.into_iter().enumerate().map(get);
        let mut task = Task::spawn(&network, batch::all(width, jobs));
        let failure = Failure::default();
        let hand_on = |(index, answer): (usize, Result<Option<Fetched>>)| {
            // Answers wait for threads of the pool: what came before the failure as well.
            if !failure.is_noted() {
                failure.note(answer.and_then(|value| sink(index, value.as_ref().map(Fetched::blob))));
            }
        };
        let (ends, mut check) = (requests.len(), || failure.check());
        let pumped = if ends == 1 || is_pool_thread() {
            pump(&mut task, &answers, ends, &mut check, &mut |answer| {
                hand_on(answer);
                true
            })
        } else {
            let hand_on = &hand_on;
            pool()?.in_place_scope(|scope| {
                pump(&mut task, &answers, ends, &mut check, &mut |answer| {
                    scope.spawn(move |_| hand_on(answer));
                    true
                })
            })
        };
        pumped.and_then(|()| failure.check())
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        let Some(first) = requests.first() else { return Ok(()) };
        self.check_writable(&first.key)?;
        let work = self.work()?;
        let (sender, events) = mpsc::channel();
        let network = Arc::clone(&work.network);
        let width = work.client.throttle.most();
        let update = move |(index, request): (usize, Update)| {
            let (work, sender) = (work.clone(), sender.clone());
            async move { drop(sender.send(Event::Ended(work.update(index, &request, &sender).await))) }
        };
        let requested = requests.to_vec();
        let jobs = requested.into_iter().enumerate().map(update);
        let mut task = Task::spawn(&network, batch::all(width, jobs));
        let failure = Failure::default();
        let make = |Make { index, old, reply }: Make| {
            let mut new = Vec::new();
            let made = change(index, old.as_ref().map(Fetched::blob), &mut new);
            // Nobody waits any more after a failure.
            let _ = reply.send(made.map(|change| (change, new)));
        };
        let (make, is_inline, mut check) = (&make, is_pool_thread(), || failure.check());
        let pumped = pool()?.in_place_scope(|scope| {
            pump(&mut task, &events, requests.len(), &mut check, &mut |event| {
                match event {
                    Event::Make(message) if is_inline => make(message),
                    Event::Make(message) => scope.spawn(move |_| make(message)),
                    Event::Ended(outcome) => {
                        failure.note(outcome);
                        return true;
                    }
                }
                false
            })
        });
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
