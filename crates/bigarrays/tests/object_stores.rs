//! Stores behind a network, against real servers on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bigarrays::store::{self, Settings, Store, StoreOptions, conformance};
use testbed::{Access, Server};

/// Options of a store that a server's bucket is reached with.
fn options(access: &Access) -> StoreOptions {
    StoreOptions { settings: Settings::from_iter(access.options.clone()), ..StoreOptions::default() }
}

/// A new, empty place in a bucket for each call.
fn places(access: &Access) -> impl Fn() -> Arc<dyn Store> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (url, options) = (access.url.clone(), options(access));
    move || {
        let place = format!("{url}/place-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        store::open(&place, &options).unwrap()
    }
}

#[test]
fn s3_conforms() {
    conformance::run(&places(&Server::moto().unwrap()));
}

#[test]
fn another_s3_conforms() {
    conformance::run(&places(&Server::ministack().unwrap()));
}
