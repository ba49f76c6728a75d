//! A store of which it is known that nothing may be written there.

use std::path::Path;
use std::sync::Arc;

use super::{ChangeFn, Destinations, Finding, Get, GetSink, Store, Update};
use crate::base::error::{Error, ErrorKind, Result};

/// A store that refuses every change, and says why.
#[derive(Debug)]
pub(crate) struct ReadOnlyStore {
    inner: Arc<dyn Store>,
    reason: &'static str,
}

impl ReadOnlyStore {
    pub(crate) fn new(inner: Arc<dyn Store>, reason: &'static str) -> Self {
        Self { inner, reason }
    }

    pub(crate) fn wrap(inner: Arc<dyn Store>, reason: &'static str) -> Arc<dyn Store> {
        Arc::new(Self::new(inner, reason))
    }

    fn refused(&self, key: &str) -> Error {
        Error::new(ErrorKind::ReadOnly, self.reason).during("writing").at(self.location(key))
    }
}

impl Store for ReadOnlyStore {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn local_path(&self) -> Option<&Path> {
        self.inner.local_path()
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Self { inner: self.inner.child(path)?, reason: self.reason }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.inner.get_many(requests, sink)
    }

    fn get_many_to(
        &self,
        requests: &[Get],
        destinations: &Destinations<'_>,
        sink: &GetSink<'_>,
    ) -> Result<()> {
        self.inner.get_many_to(requests, destinations, sink)
    }

    fn update_many(&self, requests: &[Update], _: &ChangeFn<'_>) -> Result<()> {
        requests.first().map_or(Ok(()), |first| Err(self.refused(&first.key)))
    }

    fn remove_many(&self, keys: &[String]) -> Result<()> {
        keys.first().map_or(Ok(()), |first| Err(self.refused(first)))
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }

    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.inner.names(found)
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        self.inner.survey(found)
    }

    fn list_to_remove(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.inner.list_to_remove(found)
    }

    fn unlink(&self, key: &str) -> Result<bool> {
        Err(self.refused(key))
    }
}
