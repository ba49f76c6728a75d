//! Places on the testbed's servers, and what goes wrong on the way there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bigarrays::store::{Settings, StoreOptions};
use testbed::{Access, Faults};

/// Settings with which a server's bucket is reached; without what other programs need.
pub fn settings(access: &Access) -> Settings {
    let known = ["AWS_", "AZURE_", "GOOGLE_BASE_URL", "GOOGLE_SERVICE_ACCOUNT_KEY"];
    let own = access.options.iter().filter(|(key, _)| known.iter().any(|known| key.starts_with(known)));
    own.map(|(k, v)| (k, v.as_str())).collect()
}

/// Options of a store with these settings.
pub fn options(settings: Settings) -> StoreOptions {
    StoreOptions { settings, ..StoreOptions::default() }
}

/// A name for a new, empty place in a bucket.
pub fn place() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("place-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Everything that goes wrong between a client and a server, at a few percent.
pub fn faults() -> Faults {
    let odds = "reset=0.02,stall=0.004,stall-body=0.004,truncate=0.02,truncate-lying=0.01,lost=0.02,\
                500=0.01,503=0.02,429=0.01";
    odds.parse::<Faults>().unwrap().seed(11).stall_for(Duration::from_secs(5))
}
