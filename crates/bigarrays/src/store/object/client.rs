//! From a place and settings to the client of a service.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use object_store::ClientOptions;
use tokio::sync::{OnceCell, Semaphore};

#[cfg(feature = "azure")]
use super::azure::azure;
use super::connection::connections_with;
#[cfg(feature = "gcs")]
use super::gcs::gcs;
#[cfg(feature = "http")]
use super::http::http;
use super::options::{Lister, checked};
use super::place::{Place, Service};
#[cfg(feature = "s3")]
use super::s3::s3;
use super::throttle::Throttle;
use super::transport::Transport;
use crate::base::error::{Error, Result};
use crate::base::feature::missing;
use crate::store::settings::Settings;

/// An open connection to a place.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) store: Arc<dyn object_store::ObjectStore>,
    pub(super) lister: Option<Lister>,
    pub(super) throttle: Arc<Throttle>,
    /// Set when the server answers a range with everything.
    pub(super) ignores_ranges: Arc<AtomicBool>,
    /// Whether the service is known, by its name, to heed conditions.
    pub(super) heeds_conditions: bool,
    /// What a trial of conditions showed.
    pub(super) trial: OnceCell<Result<(), String>>,
    pub(super) cache_control: String,
    /// Statuses by which the server says, beside 404, that there is nothing.
    pub(super) missing_status: Vec<u16>,
}

impl Client {
    /// Connects to `place`. Nothing is sent yet but questions about credentials and regions.
    pub(super) async fn connect(place: &Place, settings: &Settings) -> Result<Self> {
        let settings = &checked(settings)?;
        let cache_control = settings.get("cache_control").unwrap_or("no-cache").to_owned();
        if http::HeaderValue::from_str(&cache_control).is_err() {
            return Err(Error::invalid("store option cache_control: not a header value"));
        }
        let throttle = Arc::new(Throttle::new(max_requests(settings)?));
        let ignores_ranges = Arc::new(AtomicBool::new(false));
        let transport = |options: ClientOptions, headers: Option<&http::HeaderMap>| -> Result<Transport> {
            Ok(Transport {
                patience: settings.seconds("timeout", 30)?,
                endurance: settings.seconds("retry_timeout", 120)?,
                accept_encoding: match place.service {
                    Service::Http => Some("gzip, br, zstd"),
                    Service::Gcs => Some("gzip"),
                    Service::S3 | Service::Azure => None,
                },
                query: place.query.clone(),
                says_lengths: place.service != Service::Http,
                ignores_ranges: Arc::clone(&ignores_ranges),
                throttle: Arc::clone(&throttle),
                connections: connections_with(place.service, &options, headers)?,
            })
        };
        let (store, lister, heeds_conditions) = match place.service {
            #[cfg(feature = "s3")]
            Service::S3 => s3(place, settings, transport).await?,
            #[cfg(feature = "gcs")]
            Service::Gcs => gcs(place, settings, transport)?,
            #[cfg(feature = "azure")]
            Service::Azure => azure(place, settings, transport)?,
            #[cfg(feature = "http")]
            Service::Http => http(place, settings, transport)?,
            #[allow(unreachable_patterns, reason = "a build may have all services")]
            _ => return Err(missing("such store", "s3, gcs, azure or http")),
        };
        Ok(Self {
            store,
            lister,
            heeds_conditions,
            trial: OnceCell::new(),
            cache_control,
            missing_status: settings.statuses("missing_status")?,
            throttle,
            ignores_ranges,
        })
    }
}

/// How many requests may be under way at once.
fn max_requests(settings: &Settings) -> Result<usize> {
    let most = usize::try_from(settings.number("max_requests", 128)?).ok();
    let most = most.filter(|&most| most <= Semaphore::MAX_PERMITS);
    most.ok_or_else(|| Error::invalid("store option max_requests: more than can be counted"))
}
