//! A store that fails on purpose, to test what is above it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{Blob, Change, ChangeFn, Finding, Get, GetSink, Store, Update};
use crate::base::error::{Error, ErrorKind, Result};

/// What a store is asked to do with one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To read a value.
    Get,
    /// To change a value. Counted as often as a change is tried.
    Update,
    /// To list keys.
    List,
}

/// One operation, as a rule sees it.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// What is asked for.
    pub operation: Operation,
    /// How many of that kind came before, through this store and its children.
    pub ordinal: u64,
    /// The key, or the prefix that is listed.
    pub key: &'a str,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails with this kind of error.
    Error(ErrorKind),
    /// As `Error`, but trying again may help.
    Passing(ErrorKind),
    /// Of the value that is read or written only so many bytes arrive.
    Truncate(usize),
    /// This bit, modulo the length, of the value that is read or written arrives flipped.
    FlipBit(u64),
    /// The operation takes longer.
    Delay(Duration),
    /// This operation and all later ones fail, as after the process ended.
    Crash,
}

type Rule = dyn Fn(Access<'_>) -> Option<Fault> + Send + Sync;

/// A store over another, which it passes everything on to but for the faults that a rule asks for.
#[derive(Clone, Debug)]
pub struct FaultStore {
    inner: Arc<dyn Store>,
    faults: Arc<Faults>,
}

struct Faults {
    rule: Box<Rule>,
    counts: [AtomicU64; 3],
    crashed: AtomicBool,
}

impl FaultStore {
    /// The store `inner` with the faults that `rule` gives for each operation.
    pub fn new(
        inner: Arc<dyn Store>,
        rule: impl Fn(Access<'_>) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let faults =
            Faults { rule: Box::new(rule), counts: Default::default(), crashed: AtomicBool::new(false) };
        Self { inner, faults: Arc::new(faults) }
    }

    /// How many operations of this kind there were.
    pub fn count(&self, operation: Operation) -> u64 {
        self.faults.counts[operation as usize].load(Ordering::Relaxed)
    }

    /// Whether there was a [`Fault::Crash`].
    pub fn crashed(&self) -> bool {
        self.faults.crashed.load(Ordering::Relaxed)
    }
}

/// A rule: `fault` at the `n`-th operation of one kind, counted from 0.
pub fn nth(operation: Operation, n: u64, fault: Fault) -> impl Fn(Access<'_>) -> Option<Fault> + Send + Sync {
    move |access| (access.operation == operation && access.ordinal == n).then_some(fault)
}

/// A rule: `fault` at this share of all gets and updates, always the same ones for one `seed`.
pub fn seldom(
    seed: u64,
    probability: f64,
    fault: Fault,
) -> impl Fn(Access<'_>) -> Option<Fault> + Send + Sync {
    move |access| {
        let mut text = [0; 24];
        for (part, number) in text.chunks_mut(8).zip([seed, access.operation as u64, access.ordinal]) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        let chance = super::lock::stable_hash(&text) as f64 / u64::MAX as f64;
        (access.operation != Operation::List && chance < probability).then_some(fault)
    }
}

impl Faults {
    /// Counts an operation, and delays it or lets it fail; returns the damage to its value.
    fn meet(&self, operation: Operation, key: &str) -> Result<Option<Fault>> {
        let ordinal = self.counts[operation as usize].fetch_add(1, Ordering::Relaxed);
        let fault = (self.rule)(Access { operation, ordinal, key });
        if fault == Some(Fault::Crash) {
            self.crashed.store(true, Ordering::Relaxed);
        }
        if self.crashed.load(Ordering::Relaxed) {
            return Err(injected(ErrorKind::Storage, key).caused_by("crashed"));
        }
        match fault {
            Some(Fault::Error(kind)) => Err(injected(kind, key)),
            Some(Fault::Passing(kind)) => Err(injected(kind, key).retryable()),
            Some(Fault::Delay(duration)) => {
                std::thread::sleep(duration);
                Ok(None)
            }
            damage => Ok(damage),
        }
    }
}

fn injected(kind: ErrorKind, key: &str) -> Error {
    Error::new(kind, "an injected fault").during("accessing").at(key)
}

/// The bytes as they arrive.
fn damaged(bytes: &[u8], fault: Option<Fault>) -> Cow<'_, [u8]> {
    match fault {
        Some(Fault::Truncate(len)) => Cow::Borrowed(&bytes[..len.min(bytes.len())]),
        Some(Fault::FlipBit(bit)) if !bytes.is_empty() => {
            let bit = bit % (bytes.len() as u64 * 8);
            let mut bytes = bytes.to_vec();
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
            Cow::Owned(bytes)
        }
        _ => Cow::Borrowed(bytes),
    }
}

impl Store for FaultStore {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Self { inner: self.inner.child(path)?, faults: Arc::clone(&self.faults) }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.inner.get_many(requests, &|index, blob| {
            let fault = self.faults.meet(Operation::Get, &requests[index].key)?;
            let Some(blob) = blob else { return sink(index, None) };
            sink(index, Some(Blob { bytes: &damaged(blob.bytes, fault), ..blob }))
        })
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.inner.update_many(requests, &|index, old, new| {
            let fault = self.faults.meet(Operation::Update, &requests[index].key)?;
            let change = change(index, old, new)?;
            if let (Change::Put(_), Cow::Owned(bytes)) = (change, damaged(new, fault)) {
                *new = bytes;
            } else if let Some(Fault::Truncate(len)) = fault {
                new.truncate(len);
            }
            Ok(change)
        })
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.faults.meet(Operation::List, prefix)?;
        self.inner.list(prefix, found)
    }

    fn list_to_remove(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.faults.meet(Operation::List, "")?;
        self.inner.list_to_remove(found)
    }

    fn unlink(&self, key: &str) -> Result<bool> {
        self.faults.meet(Operation::Update, "")?;
        self.inner.unlink(key)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        self.faults.meet(Operation::List, "")?;
        self.inner.survey(found)
    }

    fn tidy(&self, folder: &str) {
        if !self.crashed() {
            self.inner.tidy(folder);
        }
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").field("counts", &self.counts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn faulty(rule: impl Fn(Access<'_>) -> Option<Fault> + Send + Sync + 'static) -> FaultStore {
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
        memory.write("k", b"abcd").unwrap();
        FaultStore::new(memory, rule)
    }

    #[test]
    fn damages_what_is_read_and_written() {
        let store: &dyn Store =
            &faulty(|access| [Fault::Truncate(1), Fault::FlipBit(33)].get(access.ordinal as usize).copied());
        assert_eq!(store.read("k").unwrap().unwrap(), b"a");
        assert_eq!(store.read("k").unwrap().unwrap(), b"cbcd");
        for expected in [b"a" as &[u8], b"cbcd", b"abcd"] {
            store.write("k", b"abcd").unwrap();
            assert_eq!(store.read("k").unwrap().unwrap(), expected);
        }
    }

    #[test]
    fn nothing_happens_after_a_crash() {
        let faulty = faulty(nth(Operation::Update, 1, Fault::Crash));
        let store: &dyn Store = &faulty;
        store.write("k", b"1").unwrap();
        assert_eq!(store.write("k", b"2").unwrap_err().kind(), ErrorKind::Storage);
        assert!(store.child("x").unwrap().read("y").is_err());
        assert!(faulty.crashed() && faulty.inner.read("k").unwrap().unwrap() == b"1");
    }

    #[test]
    fn chance_has_a_seed() {
        let failures = |seed| {
            let rule = seldom(seed, 0.1, Fault::Passing(ErrorKind::Storage));
            let store: &dyn Store = &faulty(rule);
            (0..1000).filter(|_| store.read("k").is_err()).collect::<Vec<_>>()
        };
        assert_eq!(failures(1), failures(1));
        assert_ne!(failures(1), failures(2));
        assert!((60..140).contains(&failures(3).len()));
    }
}
