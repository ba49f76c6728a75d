//! Some of the arrays of a source.

use super::source::{Entry, Source};
use crate::base::error::Result;

/// The array of that key alone, whose rows then have no names, or those below the key, by the rest of their names.
pub(super) struct Below {
    source: Box<dyn Source>,
    key: String,
    version: String,
}

impl Below {
    pub(super) fn new(source: Box<dyn Source>, key: &str) -> Self {
        let key = key.trim_matches('/').to_owned();
        let version = format!("{} {key:?}", source.version());
        Self { source, key, version }
    }

    fn name_of(&self, entry: &Entry) -> Option<Option<String>> {
        match entry.name.as_deref()?.strip_prefix(&self.key[..])? {
            "" => Some(None),
            rest => rest.strip_prefix('/').map(|rest| Some(rest.to_owned())),
        }
    }
}

impl Source for Below {
    fn format(&self) -> &'static str {
        self.source.format()
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(entry) = self.source.next()? {
            if let Some(name) = self.name_of(&entry) {
                return Ok(Some(Entry { name, ..entry }));
            }
        }
        Ok(None)
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        self.source.read(out)
    }

    fn note(&self) -> Option<String> {
        self.source.note()
    }
}
