//! What one call of the program works with: how it talks, and how it reaches stores.

use std::path::PathBuf;

use bigarrays::format::FormatOptions;
use bigarrays::jobs::Journal;
use bigarrays::store::StoreOptions;
use bigarrays::{Error, OpenOptions, Result};

use crate::args::StoreArgs;
use crate::output::Terminal;
use crate::processes::Share;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) terminal: Terminal,
    /// The share of the work that this process does, if it does not do all.
    pub(crate) share: Option<Share>,
    store: StoreOptions,
    incomplete: bool,
}

impl Session {
    /// # Errors
    /// `InvalidArgument` if a store option is not written `KEY=VALUE`.
    pub(crate) fn new(terminal: Terminal, args: &StoreArgs, share: Option<Share>) -> Result<Self> {
        Ok(Self { terminal, share, store: args.options()?, incomplete: args.incomplete })
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

    /// The journal of a call with these arguments, in the user's own folder; `None` where there is no such place.
    pub(crate) fn journal_path(&self, arguments: &str) -> Option<PathBuf> {
        Journal::default_path(&self.job(arguments))
    }

    /// All that tells a call with these arguments from others.
    pub(crate) fn job(&self, arguments: &str) -> String {
        // The same bucket may be at another place.
        let settings = self.store.settings.without_secrets();
        let endpoints: Vec<_> = std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|name| name.contains("ENDPOINT")))
            .collect();
        format!("{arguments} {settings:?} {endpoints:?}")
    }

    /// The journal of a call with these arguments, which does `job`.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no place for it; those of opening it.
    pub(crate) fn journal(&self, arguments: &str, job: &str) -> Result<Journal> {
        let none =
            || Error::invalid("neither XDG_STATE_HOME nor HOME says where --resume notes what is done");
        Journal::open(self.journal_path(arguments).ok_or_else(none)?)?.of(job)
    }

    /// Says how many blocks of an earlier run were done again.
    pub(crate) fn note_redone(&self, blocks: u64) {
        if blocks > 0 {
            self.terminal.note(format_args!(
                "{blocks} finished blocks of an earlier run were done again: they, or what they were made of, had changed"
            ));
        }
    }

    /// Options for removing.
    pub(crate) fn format(&self) -> FormatOptions {
        FormatOptions { store: self.store.clone(), ..FormatOptions::default() }
    }
}

/// Removes the journal of a job that is done, and says what of an earlier run was done again.
pub(crate) fn end(journal: Journal, session: &Session) -> Result<()> {
    if journal.began_anew() {
        session.terminal.note(format_args!(
            "an earlier run had begun another computation, or one of inputs of another layout: all was computed anew"
        ));
    }
    session.note_redone(journal.redone());
    journal.remove()
}
