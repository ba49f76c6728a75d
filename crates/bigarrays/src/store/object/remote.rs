//! What a store and its children share.

use std::sync::Arc;

use super::client::Client;
use super::place::Place;
use crate::run::pool::PerProcess;
use crate::store::StoreOptions;

/// What a store and its children share.
pub(super) struct Remote {
    pub(super) place: Place,
    pub(super) options: StoreOptions,
    /// Connections do not survive a fork.
    pub(super) client: PerProcess<Arc<Client>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("place", &self.place)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
