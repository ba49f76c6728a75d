//! New values, which tasks on the runtime have made by the caller's side.

use std::sync::mpsc::Sender;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::fetch::Fetched;
use super::runtime::Budget;
use crate::base::error::{Error, ErrorKind, Result};
use crate::store::Change;

/// What the tasks of a batch of changes tell the caller's thread.
pub(super) enum Event {
    /// A new value is to be made.
    Make(Make),
    /// One key has been dealt with.
    Ended(Result<()>),
}

/// A request to make a new value, from a task to the caller's thread.
pub(super) struct Make {
    pub(super) index: usize,
    pub(super) old: Option<Fetched>,
    pub(super) reply: oneshot::Sender<Result<(Change, Vec<u8>)>>,
}

/// Has new values made by the caller's side, in memory that was set aside.
pub(super) struct Maker<'a> {
    pub(super) index: usize,
    pub(super) events: &'a Sender<Event>,
    pub(super) budget: &'a Budget,
    pub(super) memory: &'a mut OwnedSemaphorePermit,
    /// How many values of about the same size are held.
    pub(super) values: u64,
}

impl Maker<'_> {
    pub(super) async fn make(&mut self, old: Option<Fetched>) -> Result<(Change, Vec<u8>)> {
        let (reply, made) = oneshot::channel();
        self.events.send(Event::Make(Make { index: self.index, old, reply })).map_err(|_| gone())?;
        let (change, bytes) = made.await.map_err(|_| gone())??;
        self.budget.keep_only(self.memory, (bytes.capacity() as u64).saturating_mul(self.values));
        Ok((change, bytes))
    }
}

/// The other side gave up, and says itself why.
fn gone() -> Error {
    Error::new(ErrorKind::Cancelled, "the batch was given up")
}
