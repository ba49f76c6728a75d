//! What the runtime does for one key of a batch.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use object_store::path::Path;

use super::change::Changing;
use super::client::Client;
use super::failure;
use super::fetch::{Fetch, Fetched};
use super::maker::{Event, Maker};
use super::place::Service;
use super::remote::Remote;
use super::runtime::Network;
use crate::base::error::{Error, ErrorKind, Result};
use crate::run::pool::PerProcess;
use crate::store::lock::stable_hash;
use crate::store::{Get, RESERVED, Update, check_key};

/// Bytes that one value takes of the memory for values under way if its size cannot be told.
const UNKNOWN_SIZE: u64 = 1 << 20;

/// How many turns all keys share.
const TURNS: usize = 1024;

/// Changes of one key in this process wait for each other rather than race, whoever opened the store.
static TURNS_TAKEN: PerProcess<Vec<tokio::sync::Mutex<()>>> = PerProcess::new();

/// One store at work: everything that a task on the runtime needs.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) remote: Arc<Remote>,
    pub(super) prefix: String,
    pub(super) client: Arc<Client>,
    pub(super) network: Arc<Network>,
}

impl Work {
    pub(super) fn location(&self, key: &str) -> String {
        self.remote.place.location(&format!("{}{key}", self.prefix))
    }

    pub(super) fn path(&self, key: &str) -> Result<Path> {
        check_key(key)?;
        if self.remote.place.service == Service::Azure && key.contains('\\') {
            return Err(Error::invalid("Azure takes a backslash for a slash")
                .during("resolving")
                .at(self.location(key)));
        }
        Path::parse(format!("{}{key}", self.prefix))
            .map_err(|error| Error::invalid(error.to_string()).during("resolving").at(self.location(key)))
    }

    pub(super) fn explain(
        &self,
        operation: &'static str,
        key: &str,
    ) -> impl Fn(object_store::Error) -> Error + Sync {
        let (service, location) = (self.remote.place.service, self.location(key));
        move |error| failure::explain(error, service, operation, location.clone())
    }

    pub(super) async fn get(&self, request: &Get) -> Result<Option<Fetched>> {
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
        match fetch.run().await.map_err(|error| error.during("reading").at(self.location(&request.key))) {
            Err(error) if request.probe && error.kind() == ErrorKind::PermissionDenied => {
                Ok(Some(Fetched::refused(&error)))
            }
            fetched => fetched,
        }
    }

    pub(super) async fn update(&self, index: usize, request: &Update, events: &Sender<Event>) -> Result<()> {
        let path = self.path(&request.key)?;
        let explain = self.explain("writing", &request.key);
        let turns = TURNS_TAKEN
            .get_or_try_init(|| Ok((0..TURNS).map(|_| tokio::sync::Mutex::default()).collect()))?;
        let turn = stable_hash(self.location(&request.key).as_bytes()) as usize % TURNS;
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
        let mut maker = Maker { index, events, budget: &self.network.budget, memory: &mut memory, values };
        let done = if request.reads {
            changing.by_comparison(&mut maker).await
        } else {
            changing.blind(&mut maker).await
        };
        done.map_err(|error| error.during("writing").at(self.location(&request.key)))
    }

    pub(super) async fn check_conditions(&self) -> Result<()> {
        if self.client.heeds_conditions || matches!(self.client.trial.get(), Some(Ok(()))) {
            return Ok(());
        }
        let key = format!("{}{RESERVED}-trial", self.prefix);
        let location = self.remote.place.location(&key);
        let path = Path::parse(&key).map_err(|error| Error::invalid(error.to_string()).at(&location))?;
        let service = self.remote.place.service;
        let explain =
            |error| failure::explain(error, service, "trying conditional writes at", location.clone());
        let trial =
            Changing { client: &self.client, path: &path, max_len: 0, has_rivals: true, explain: &explain };
        trial.check_conditions().await
    }
}
