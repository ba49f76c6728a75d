//! From a URL and settings to the client of a service.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, resolve_bucket_region};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{ClientConfigKey, StaticCredentialProvider};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use tokio::sync::OnceCell;

use super::connection::connections_with;
use super::credentials::{Chain, profile_region};
use super::settings::Settings;
use super::throttle::Throttle;
use super::transport::Transport;
use crate::base::error::{Error, ErrorKind, Result};

/// The kinds of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    S3,
    Gcs,
    Azure,
    Http,
}

/// Where a store's objects are: a service and the bucket, container or server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) service: Service,
    /// As in URLs, up to and including the slash before the first key.
    pub(super) base: String,
    /// The bucket or container; for HTTP the server's URL.
    pub(super) bucket: String,
}

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
}

/// Lists keys by pages.
pub(super) struct Lister(pub(super) Arc<dyn PaginatedListStore>);

impl std::fmt::Debug for Lister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lister")
    }
}

impl Place {
    /// The place of a URL, given its scheme's prefix and what follows it, and the path in it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no bucket, or if the URL holds a password.
    pub(super) fn parse(service: Service, prefix: &str, rest: &str) -> Result<(Self, String)> {
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(Error::invalid(format!("no bucket, container or server in {prefix}{rest}")));
        }
        if service == Service::Http {
            if bucket.contains('@') || rest.contains(['?', '#']) {
                let message =
                    "a web URL must hold no password, `?` or `#`: use the store option bearer_token";
                return Err(Error::invalid(message));
            }
            let base = format!("{prefix}{bucket}/");
            return Ok((Self { service, bucket: base.clone(), base }, path.to_owned()));
        }
        // Azure's containers stand before an `@`.
        if bucket.contains(':') || (bucket.contains('@') && service != Service::Azure) {
            let message =
                "the URL of a bucket must hold no key or password: use store options or the environment";
            return Err(Error::invalid(message));
        }
        let place = Self { service, base: format!("{prefix}{bucket}/"), bucket: bucket.to_owned() };
        Ok((place, path.to_owned()))
    }
}

impl Client {
    /// Connects to `place`. Nothing is sent yet but questions about credentials and regions.
    pub(super) async fn connect(place: &Place, settings: &Settings) -> Result<Self> {
        let cache_control = settings.get("cache_control").unwrap_or("no-cache").to_owned();
        if http::HeaderValue::from_str(&cache_control).is_err() {
            return Err(Error::invalid("store option cache_control: not a header value"));
        }
        let throttle = Arc::new(Throttle::new(settings.number("max_requests", 64)? as usize));
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
                ignores_ranges: Arc::clone(&ignores_ranges),
                throttle: Arc::clone(&throttle),
                connections: connections_with(place.service, &options, headers)?,
            })
        };
        let (store, lister, heeds_conditions) = match place.service {
            Service::S3 => s3(place, settings, transport).await?,
            Service::Gcs => gcs(place, settings, transport)?,
            Service::Azure => azure(place, settings, transport)?,
            Service::Http => http(place, settings, transport)?,
        };
        Ok(Self {
            store,
            lister,
            heeds_conditions,
            trial: OnceCell::new(),
            cache_control,
            throttle,
            ignores_ranges,
        })
    }
}

type Opened = (Arc<dyn object_store::ObjectStore>, Option<Lister>, bool);

/// Settings that make no client.
fn unusable(error: object_store::Error) -> Error {
    Error::invalid(super::failure::chain(&error)).during("connecting")
}

fn retries(settings: &Settings) -> Result<RetryConfig> {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(20),
        base: 3.,
    };
    let max_retries = match settings.get("retries") {
        Some("0") => 0,
        _ => settings.number("retries", 8)? as usize,
    };
    Ok(RetryConfig { backoff, max_retries, retry_timeout: settings.seconds("retry_timeout", 120)? })
}

/// Options of the connections: no time limit on a whole request, as [`Transport`] has its own.
fn connections() -> ClientOptions {
    let agent = http::HeaderValue::from_static(concat!("bigarrays/", env!("CARGO_PKG_VERSION")));
    ClientOptions::new()
        .with_user_agent(agent)
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(10))
        .with_pool_idle_timeout(Duration::from_secs(60))
}

/// Options of the connections to a service, some of them from the environment variables that start with
/// `prefix`, and then from the settings.
fn connections_to(prefix: &str, settings: &Settings, endpoint: Option<&str>) -> ClientOptions {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        Some((name.to_str()?.strip_prefix(prefix)?.to_ascii_lowercase(), value.to_str()?.to_owned()))
    });
    let prefix = prefix.to_ascii_lowercase();
    let set = settings
        .of_service()
        .map(|(name, value)| (name.strip_prefix(&prefix).unwrap_or(name).to_owned(), value.to_owned()));
    let mut options = connections();
    for (name, value) in variables.chain(set) {
        // Time limits are this library's own.
        if let Ok(key) = name.parse::<ClientConfigKey>()
            && key != ClientConfigKey::Timeout
        {
            options = options.with_config(key, value);
        }
    }
    if endpoint.is_some_and(is_local) { options.with_allow_http(true) } else { options }
}

/// How `object_store` reads a setting that is true or false.
fn is_true(value: Option<String>) -> bool {
    value
        .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y"))
}

/// Parses a setting's key, or says which there are.
fn key<K: std::str::FromStr>(key: &str, service: &str) -> Result<K> {
    key.parse().map_err(|_| {
        let own: Vec<_> = super::settings::OWN.iter().map(|(key, _)| *key).collect();
        // What is no name may be a secret that was put into the wrong place.
        let named = if is_name(key) { format!(" {key:?}") } else { String::new() };
        let message = format!(
            "unknown store option{named} for {service}; known are {}, and the service's environment \
             variables in lower case",
            own.join(", ")
        );
        Error::invalid(message)
    })
}

/// Whether a key looks like the name of a setting.
fn is_name(key: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_ascii_lowercase();
    !key.is_empty() && key.len() <= 40 && key.chars().all(is_part)
}

/// Whether an endpoint is this machine, so that nothing crosses a network.
fn is_local(endpoint: &str) -> bool {
    let host = endpoint.strip_prefix("http://").unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

async fn s3(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let mut builder =
        AmazonS3Builder::from_env().with_bucket_name(&place.bucket).with_retry(retries(settings)?);
    for (name, value) in settings.of_service() {
        builder = builder.with_config(key::<AmazonS3ConfigKey>(name, "S3")?, value);
    }
    let get = |key: AmazonS3ConfigKey| builder.get_config_value(&key).filter(|value| !value.is_empty());
    let endpoint = get(AmazonS3ConfigKey::S3Endpoint).or_else(|| get(AmazonS3ConfigKey::Endpoint));
    let options = connections_to("AWS_", settings, endpoint.as_deref());
    let is_anonymous = settings.flag("anonymous")? || is_true(get(AmazonS3ConfigKey::SkipSignature));
    let profile = settings.get("profile");
    let mut region = get(AmazonS3ConfigKey::Region).or_else(|| get(AmazonS3ConfigKey::DefaultRegion));
    if region.is_none() {
        region = profile_region(profile).await;
    }
    if region.is_none() && endpoint.is_none() {
        region = resolve_bucket_region(&place.bucket, &options).await.ok();
    }
    if let Some(region) = &region {
        builder = builder.with_region(region);
    }
    if is_anonymous {
        builder = builder.with_skip_signature(true);
    } else if let Some(credential) = explicit_key(settings)? {
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    } else {
        builder = builder.with_credentials(Arc::new(Chain::load(profile, region.as_deref()).await));
    }
    // One by one: whole lists of deletions are not repeated after a passing fault.
    builder = builder.with_disable_bulk_delete(true).with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options, None)?).build().map_err(unusable)?);
    let is_amazon =
        endpoint.is_none_or(|endpoint| endpoint.trim_end_matches('/').ends_with(".amazonaws.com"));
    Ok((store.clone(), Some(Lister(store)), is_amazon))
}

/// The key that the settings give. A part of it that they leave out, as the settings of another process
/// leave out secrets, is the environment's, but not of another key.
fn explicit_key(settings: &Settings) -> Result<Option<AwsCredential>> {
    let get =
        |keys: &[&str]| keys.iter().find_map(|key| settings.get(key)).map(|value| value.trim().to_owned());
    let variable = |name: &str| std::env::var(name).ok().map(|value| value.trim().to_owned());
    let id = get(&["access_key_id", "aws_access_key_id"]);
    let secret = get(&["secret_access_key", "aws_secret_access_key"]);
    let token = get(&["session_token", "aws_session_token", "token", "aws_token"]);
    let other = variable("AWS_ACCESS_KEY_ID");
    let part = match (id, secret) {
        (None, None) => return Ok(None),
        (Some(key_id), Some(secret_key)) => Some(AwsCredential { key_id, secret_key, token }),
        (Some(key_id), None) if other.as_ref().is_none_or(|other| *other == key_id) => {
            let token = token.or_else(|| variable("AWS_SESSION_TOKEN"));
            variable("AWS_SECRET_ACCESS_KEY").map(|secret_key| AwsCredential { key_id, secret_key, token })
        }
        (None, Some(secret_key)) => other.map(|key_id| AwsCredential { key_id, secret_key, token }),
        _ => None,
    };
    let alone = || {
        let message = "store options access_key_id and secret_access_key belong together; the one that is not \
                       given may be in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)";
        Error::new(ErrorKind::PermissionDenied, message)
    };
    part.ok_or_else(alone).map(Some)
}

fn gcs(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let mut builder =
        GoogleCloudStorageBuilder::from_env().with_bucket_name(&place.bucket).with_retry(retries(settings)?);
    for (name, value) in settings.of_service() {
        builder = builder.with_config(key::<GoogleConfigKey>(name, "GCS")?, value);
    }
    let base = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let options = connections_to("GOOGLE_", settings, base.as_deref());
    if settings.flag("anonymous")? {
        builder = builder.with_skip_signature(true);
    }
    builder = builder.with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options, None)?).build().map_err(unusable)?);
    Ok((store.clone(), Some(Lister(store)), base.is_none()))
}

fn azure(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_retry(retries(settings)?);
    let (container, account) = place.bucket.split_once('@').unwrap_or((&place.bucket, ""));
    builder = builder.with_container_name(container);
    if let Some(account) = account.split('.').next().filter(|account| !account.is_empty()) {
        builder = builder.with_account(account);
    }
    for (name, value) in settings.of_service() {
        builder = builder.with_config(key::<AzureConfigKey>(name, "Azure")?, value);
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    let emulator = is_true(builder.get_config_value(&AzureConfigKey::UseEmulator));
    let mut options = connections_to("AZURE_", settings, endpoint.as_deref());
    if emulator {
        options = options.with_allow_http(true);
    }
    if settings.flag("anonymous")? {
        builder = builder.with_skip_signature(true);
    }
    builder = builder.with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options, None)?).build().map_err(unusable)?);
    // Azure and its emulator both heed conditions.
    Ok((store.clone(), Some(Lister(store)), true))
}

fn http(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let options = connections().with_allow_http(true);
    if let Some((name, _)) = settings.of_service().next() {
        key::<std::num::NonZeroU8>(name, "http")?;
    }
    let mut headers = http::HeaderMap::new();
    if let Some(token) = settings.get("bearer_token") {
        let value = http::HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Error::invalid("store option bearer_token: not a header value"))?;
        headers.insert(http::header::AUTHORIZATION, value);
    }
    let builder = HttpBuilder::new().with_url(&place.bucket).with_retry(retries(settings)?);
    let builder = builder.with_client_options(options.clone());
    let builder = builder.with_http_connector(transport(options, Some(&headers))?);
    Ok((Arc::new(builder.build().map_err(unusable)?), None, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_place_and_a_path() {
        let parse = |service, prefix, rest| Place::parse(service, prefix, rest);
        let (place, path) = parse(Service::S3, "s3://", "bucket/a/b c").unwrap();
        assert_eq!(
            (place.bucket.as_str(), place.base.as_str(), path.as_str()),
            ("bucket", "s3://bucket/", "a/b c")
        );
        let (place, path) = parse(Service::Http, "https://", "host:80/a").unwrap();
        assert_eq!((place.bucket.as_str(), path.as_str()), ("https://host:80/", "a"));
        assert!(parse(Service::Gcs, "gs://", "").is_err() && parse(Service::S3, "s3://", "/x").is_err());
        for (service, prefix) in
            [(Service::Http, "http://"), (Service::S3, "s3://"), (Service::Azure, "az://")]
        {
            let error = parse(service, prefix, "me:hush@host/").unwrap_err();
            assert!(!error.to_string().contains("hush"));
        }
        assert!(parse(Service::Azure, "az://", "container@account/x").is_ok());
    }
}
