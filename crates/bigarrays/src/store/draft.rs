//! Stores for what is not listed yet: documents that are made and shown to nobody, and values that are not in the way.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::{Change, ChangeFn, Destinations, Get, GetSink, MemoryStore, Part, Store, Update, join_path};
use crate::base::error::Result;
use crate::base::sync::MutexExt;

/// A store whose changes are kept in memory, and seen there, until [`Draft::end`] is called: from then on they pass.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    inner: Arc<dyn Store>,
    shared: Arc<Shared>,
    /// Empty, or ends in `/`.
    prefix: String,
}

#[derive(Debug, Default)]
struct Shared {
    kept: MemoryStore,
    /// Keys, from the root on, whose values are those that are kept.
    changed: Mutex<HashSet<String>>,
    has_ended: AtomicBool,
    /// Whether lists have nothing.
    is_unlisted: bool,
}

impl Draft {
    /// A draft over `inner`, which lists nothing if it `is_unlisted`.
    pub(crate) fn over(inner: &Arc<dyn Store>, is_unlisted: bool) -> Self {
        let shared = Arc::new(Shared { is_unlisted, ..Shared::default() });
        Self { inner: Arc::clone(inner), shared, prefix: String::new() }
    }

    /// Has all changes pass from now on.
    pub(crate) fn end(&self) {
        self.shared.has_ended.store(true, Ordering::Release);
    }

    fn keeps(&self) -> bool {
        !self.shared.has_ended.load(Ordering::Acquire)
    }

    fn is_changed(&self, key: &str) -> bool {
        self.shared.changed.locked().contains(&format!("{}{key}", self.prefix))
    }

    /// The values that are kept, from here on.
    fn kept(&self) -> Result<Arc<dyn Store>> {
        self.shared.kept.child(&self.prefix)
    }
}

impl Store for Draft {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn local_path(&self) -> Option<&Path> {
        self.inner.local_path()
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let base = self.prefix.split_terminator('/').collect();
        let prefix = join_path(base, path)?.into_iter().flat_map(|part| [part, "/"]).collect();
        let (inner, shared) = (self.inner.child(path)?, Arc::clone(&self.shared));
        Ok(Arc::new(Self { inner, shared, prefix }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.get_many_to(requests, &Destinations::NONE, sink)
    }

    fn get_many_to(
        &self,
        requests: &[Get],
        destinations: &Destinations<'_>,
        sink: &GetSink<'_>,
    ) -> Result<()> {
        if !requests.iter().any(|request| self.is_changed(&request.key)) {
            return self.inner.get_many_to(requests, destinations, sink);
        }
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..requests.len()).partition(|&position| self.is_changed(&requests[position].key));
        let of = |positions: &[usize]| positions.iter().map(|&at| requests[at].clone()).collect::<Vec<_>>();
        self.kept()?.get_many(&of(&own), &|at, blob| sink(own[at], blob))?;
        self.inner.get_many(&of(&others), &|at, blob| sink(others[at], blob))
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        if !self.keeps() {
            return self.inner.update_many(requests, change);
        }
        let kept = self.kept()?;
        for (position, request) in requests.iter().enumerate() {
            if !self.is_changed(&request.key) {
                let old = Get::new(&*request.key, Part::Whole, u64::MAX);
                self.inner.get_many(&[old], &|_, blob| {
                    let Some(blob) = blob else { return Ok(()) };
                    kept.update_many(&[Update::blind(&*request.key)], &|_, _, new| {
                        new.extend_from_slice(blob.bytes);
                        Ok(Change::Put(blob.encoding))
                    })
                })?;
                self.shared.changed.locked().insert(format!("{}{}", self.prefix, request.key));
            }
            kept.update_many(std::slice::from_ref(request), &|_, old, new| change(position, old, new))?;
        }
        Ok(())
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        if self.shared.is_unlisted { Ok(()) } else { self.inner.list(prefix, found) }
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }

    fn remove_many(&self, keys: &[String]) -> Result<()> {
        self.inner.remove_many(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Value;

    fn get(store: &dyn Store, key: &str) -> Option<Vec<u8>> {
        store.get_all(&[Get::new(key, Part::Whole, 64)]).unwrap().remove(0).map(|value: Value| value.bytes)
    }

    fn put(store: &dyn Store, key: &str, bytes: &[u8]) {
        let put = |_: usize, _: Option<super::super::Blob<'_>>, new: &mut Vec<u8>| {
            new.extend_from_slice(bytes);
            Ok(Change::Put(Default::default()))
        };
        store.update_many(&[Update::blind(key)], &put).unwrap();
    }

    #[test]
    fn changes_are_seen_in_the_draft_alone_until_it_ends() {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
        put(&*inner, "info", b"old");
        put(&*inner, "a/0", b"chunk");
        let draft = Draft::over(&inner, true);
        put(&draft, "info", b"new");
        let child = draft.child("a").unwrap();
        put(&*child, "meta", b"of a");
        let seen = |store: &dyn Store| (get(store, "info"), get(store, "a/meta"), get(store, "a/0"));
        let some = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(seen(&draft), (some("new"), some("of a"), some("chunk")));
        assert_eq!(seen(&*inner), (some("old"), None, some("chunk")));
        draft.list("", &mut |_, _| panic!("nothing is listed")).unwrap();
        draft.end();
        put(&*child, "1", b"late");
        assert_eq!((get(&*inner, "a/1"), get(&*inner, "info")), (some("late"), some("old")));
    }
}
