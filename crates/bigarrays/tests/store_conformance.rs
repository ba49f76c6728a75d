//! Runs the conformance suite on every store of this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use bigarrays::store::fault::FaultStore;
use bigarrays::store::{FileStore, MemoryStore, StoreOptions, conformance};

#[test]
fn memory() {
    conformance::run(&|| Arc::new(MemoryStore::new()));
}

#[test]
fn file() {
    for (durable, lock) in [(false, true), (true, false)] {
        let directory = tempfile::tempdir().unwrap();
        let count = std::cell::Cell::new(0);
        conformance::run(&|| {
            count.set(count.get() + 1);
            let root = directory.path().join(format!("new/{}", count.get()));
            let options = StoreOptions { durable, lock, ..StoreOptions::default() };
            Arc::new(FileStore::open(root, options).unwrap())
        });
    }
}

#[test]
fn without_faults() {
    conformance::run(&|| Arc::new(FaultStore::new(Arc::new(MemoryStore::new()), |_| None)));
}
