//! What one call of the program works with: how it talks, and how it reaches stores.

use bigarrays::format::FormatOptions;
use bigarrays::store::StoreOptions;
use bigarrays::{OpenOptions, Result};

use crate::args::StoreArgs;
use crate::output::Terminal;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) terminal: Terminal,
    store: StoreOptions,
    incomplete: bool,
}

impl Session {
    /// # Errors
    /// `InvalidArgument` if a store option is not written `KEY=VALUE`.
    pub(crate) fn new(terminal: Terminal, args: &StoreArgs) -> Result<Self> {
        Ok(Self { terminal, store: args.options()?, incomplete: args.incomplete })
    }

    /// Options for opening and creating.
    pub(crate) fn open(&self) -> OpenOptions {
        self.with(OpenOptions::new())
    }

    /// The options of this call added to others.
    pub(crate) fn with(&self, options: OpenOptions) -> OpenOptions {
        options
            .settings(self.store.settings.clone())
            .lock(self.store.lock)
            .lock_timeout(self.store.lock_timeout)
            .prefer(self.store.prefer)
            .incomplete(self.incomplete)
    }

    /// Options of stores that are opened for themselves.
    pub(crate) fn store(&self) -> &StoreOptions {
        &self.store
    }

    /// Options for removing.
    pub(crate) fn format(&self) -> FormatOptions {
        FormatOptions { store: self.store.clone(), ..FormatOptions::default() }
    }
}
