//! The journal of a call, by which the same command takes up what it has left.

use std::path::{Path, PathBuf};

use bigarrays::Result;
use bigarrays::jobs::Journal;

use crate::commands::copy::source::Copier;

impl Copier<'_> {
    /// The journal of this call, in the user's own folder; none where there is no such place.
    pub(super) fn journal(&self) -> Result<Option<Journal>> {
        let place = |url: &str| match url.contains("://") {
            true => PathBuf::from(url),
            false => std::path::absolute(url).unwrap_or_else(|_| Path::new(url).into()),
        };
        // The same bucket may be at another place.
        let settings = self.session.store().settings.without_secrets();
        let endpoints: Vec<_> = std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|name| name.contains("ENDPOINT")))
            .collect();
        let what = format!(
            "{:?} {:?} {:?} {settings:?} {endpoints:?}",
            place(&self.args.source),
            place(&self.args.target),
            self.args.what
        );
        match Journal::default_path(&what) {
            Some(path) => {
                let job = format!("copy {} {}", self.args.source, self.args.target);
                Ok(Some(Journal::open(path)?.of(&job)))
            }
            None => {
                self.session.terminal.detail("no place for a journal (HOME): the copy cannot be resumed");
                Ok(None)
            }
        }
    }
}
