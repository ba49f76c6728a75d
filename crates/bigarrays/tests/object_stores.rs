//! Stores behind a network, against real servers on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bigarrays::Result;
use bigarrays::store::{self, ChangeFn, FileStore, Get, GetSink, Store, StoreOptions, Update, conformance};
use testbed::{Access, Faults, Proxy, Server};

/// Options of a store that a server's bucket is reached with; without what other programs need.
fn options(access: &Access) -> StoreOptions {
    let known = ["AWS_", "AZURE_", "GOOGLE_BASE_URL", "GOOGLE_SERVICE_ACCOUNT_KEY"];
    let own = access.options.iter().filter(|(key, _)| known.iter().any(|known| key.starts_with(known)));
    StoreOptions { settings: own.map(|(k, v)| (k, v.as_str())).collect(), ..StoreOptions::default() }
}

/// A name for a new, empty place in a bucket.
fn place() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("place-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn conforms(access: &Access) {
    let options = options(access);
    conformance::run(&|| store::open(&format!("{}/{}", access.url, place()), &options).unwrap());
}

#[test]
fn s3_conforms() {
    conforms(&Server::moto().unwrap());
}

#[test]
fn another_s3_conforms() {
    conforms(&Server::ministack().unwrap());
}

#[test]
fn gcs_conforms() {
    conforms(&Server::fake_gcs().unwrap());
}

#[test]
fn azure_conforms() {
    conforms(&Server::azurite().unwrap());
}

/// Writes to a directory, and reads it through a web server.
#[derive(Debug)]
struct Published {
    directory: PathBuf,
    url: String,
}

impl Published {
    fn files(&self) -> FileStore {
        FileStore::open(self.directory.clone(), StoreOptions::default()).unwrap()
    }

    fn web(&self) -> Arc<dyn Store> {
        store::open(&self.url, &StoreOptions::default()).unwrap()
    }
}

impl Store for Published {
    fn location(&self, key: &str) -> String {
        self.web().location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let url = self.web().child(path)?.location("");
        let directory = self.files().child(path)?.location("").into();
        Ok(Arc::new(Self { directory, url }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.web().get_many(requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.files().update_many(requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.files().list(prefix, found)
    }
}

fn published(root: &Path, server: &Server, skipped: &[(&str, &str)]) {
    conformance::run_except(skipped, &|| {
        let place = place();
        Arc::new(Published { directory: root.join(&place), url: format!("{}/{place}", server.url) })
    });
}

#[test]
fn web_server_with_ranges_conforms() {
    let root = tempfile::tempdir().unwrap();
    let skipped =
        [("versions", "its ETag is the second of the change and the size: two changes in one are alike")];
    published(root.path(), &Server::nginx(root.path()).unwrap(), &skipped);
}

#[test]
fn web_server_without_ranges_conforms() {
    let root = tempfile::tempdir().unwrap();
    let unencoded = "it serves k.gz only under that name, and never says Content-Encoding";
    let skipped = [("encoded values are sent whole", unencoded), ("the last encoding counts", unencoded)];
    published(root.path(), &Server::plain(root.path()).unwrap(), &skipped);
}

/// Everything that goes wrong between a client and a server, at a few percent.
fn faults() -> Faults {
    let odds = "reset=0.02,stall=0.004,stall-body=0.004,truncate=0.02,truncate-lying=0.01,lost=0.02,\
                500=0.01,503=0.02,429=0.01";
    odds.parse::<Faults>().unwrap().seed(11).stall_for(std::time::Duration::from_secs(5))
}

fn conforms_through_faults(server: &Server) {
    let proxy = Proxy::start(server.address(), faults()).unwrap();
    let mut options = options(&server.via(&proxy));
    options.settings.set("timeout", "2");
    let url = server.via(&proxy).url;
    conformance::run(&|| store::open(&format!("{url}/{}", place()), &options).unwrap());
    let counts = proxy.counts();
    assert!(counts.faults(Some("lost")) > 10 && counts.faults(Some("stall")) > 0, "{counts:?}");
}

#[test]
fn s3_conforms_through_faults() {
    conforms_through_faults(&Server::moto().unwrap());
}

#[test]
fn gcs_conforms_through_faults() {
    conforms_through_faults(&Server::fake_gcs().unwrap());
}

#[test]
fn azure_conforms_through_faults() {
    conforms_through_faults(&Server::azurite().unwrap());
}
