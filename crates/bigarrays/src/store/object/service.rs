//! From a URL and settings to the client of a service.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, resolve_bucket_region};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{CredentialProvider, HttpConnector, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use tokio::sync::OnceCell;

use super::settings::Settings;
use super::throttle::Throttle;
use super::transport::Transport;
use crate::error::{Error, Result};

/// The kinds of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    S3,
    Gcs,
    Azure,
    Http,
}

/// Where a store's objects are: a service and the bucket, container or server.
#[derive(Clone, Debug, PartialEq, Eq)]
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
            if bucket.contains('@') {
                let message = "a URL must not hold a password: use the store option bearer_token";
                return Err(Error::invalid(message));
            }
            let base = format!("{prefix}{bucket}/");
            return Ok((Self { service, bucket: base.clone(), base }, path.to_owned()));
        }
        let place = Self { service, base: format!("{prefix}{bucket}/"), bucket: bucket.to_owned() };
        Ok((place, path.to_owned()))
    }
}

impl Client {
    /// Connects to `place`. Nothing is sent yet but questions about credentials and regions.
    pub(super) async fn connect(place: &Place, settings: &Settings) -> Result<Self> {
        let throttle = Arc::new(Throttle::new(settings.number("max_requests", 64)? as usize));
        let ignores_ranges = Arc::new(AtomicBool::new(false));
        let transport = |options: ClientOptions| -> Result<Transport> {
            Ok(Transport {
                patience: settings.seconds("timeout", 30)?,
                accept_encoding: match place.service {
                    Service::Http => Some("gzip, br, zstd"),
                    Service::Gcs => Some("gzip"),
                    Service::S3 | Service::Azure => None,
                },
                ignores_ranges: Arc::clone(&ignores_ranges),
                throttle: Arc::clone(&throttle),
                connections: ReqwestConnector::default().connect(&options).map_err(unusable)?,
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
            cache_control: settings.get("cache_control").unwrap_or("no-cache").to_owned(),
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
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(10),
        base: 2.,
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

/// Parses a setting's key, or says which there are.
fn key<K: std::str::FromStr>(key: &str, service: &str) -> Result<K> {
    key.parse().map_err(|_| {
        let own: Vec<_> = super::settings::OWN.iter().map(|(key, _)| *key).collect();
        let message = format!(
            "unknown store option {key:?} for {service}; known are {}, and the service's environment \
             variables in lower case",
            own.join(", ")
        );
        Error::invalid(message)
    })
}

/// Whether an endpoint is this machine, so that nothing crosses a network.
fn is_local(endpoint: &str) -> bool {
    let host = endpoint.strip_prefix("http://").unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

fn setting_or_env<'a>(settings: &'a Settings, keys: &[&str], variables: &[&str]) -> Option<Cow<'a, str>> {
    let set = keys.iter().find_map(|key| settings.get(key)).map(Cow::Borrowed);
    let variable = || variables.iter().find_map(|name| std::env::var(name).ok()).map(Cow::Owned);
    set.or_else(variable).filter(|value| !value.is_empty())
}

async fn s3(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions) -> Result<Transport>,
) -> Result<Opened> {
    let profile = setting_or_env(settings, &["profile"], &["AWS_PROFILE"]);
    // Each key is removed by a request of its own, which can be repeated safely.
    let mut builder =
        AmazonS3Builder::from_env().with_bucket_name(&place.bucket).with_retry(retries(settings)?);
    for (name, value) in settings.of_service() {
        builder = builder.with_config(key::<AmazonS3ConfigKey>(name, "S3")?, value);
    }
    let get = |key: AmazonS3ConfigKey| builder.get_config_value(&key);
    let endpoint = get(AmazonS3ConfigKey::S3Endpoint).or_else(|| get(AmazonS3ConfigKey::Endpoint));
    let mut options = connections();
    let allow = setting_or_env(settings, &["allow_http", "aws_allow_http"], &["AWS_ALLOW_HTTP"]);
    options = options
        .with_allow_http(allow.as_deref() == Some("true") || endpoint.as_deref().is_some_and(is_local));
    let anonymous =
        settings.flag("anonymous")? || get(AmazonS3ConfigKey::SkipSignature).as_deref() == Some("true");
    let is_static = get(AmazonS3ConfigKey::AccessKeyId).is_some() && settings.get("profile").is_none();
    let mut region = get(AmazonS3ConfigKey::Region).or_else(|| get(AmazonS3ConfigKey::DefaultRegion));
    let needs_chain = !anonymous && !is_static;
    if region.is_none() {
        region = profile_region(profile.as_deref()).await;
    }
    if region.is_none() && endpoint.is_none() {
        region = resolve_bucket_region(&place.bucket, &options).await.ok();
    }
    if let Some(region) = &region {
        builder = builder.with_region(region);
    }
    if needs_chain {
        builder =
            builder.with_credentials(Arc::new(Chain::load(profile.as_deref(), region.as_deref()).await));
    }
    // One by one: whole lists of deletions are not repeated after a passing fault.
    builder = builder.with_disable_bulk_delete(true);
    builder = builder.with_skip_signature(anonymous).with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options)?).build().map_err(unusable)?);
    let is_amazon =
        endpoint.is_none_or(|endpoint| endpoint.trim_end_matches('/').ends_with(".amazonaws.com"));
    Ok((store.clone(), Some(Lister(store)), is_amazon))
}

async fn profile_region(profile: Option<&str>) -> Option<String> {
    use aws_config::meta::region::ProvideRegion;
    let mut provider = aws_config::profile::region::ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        provider = provider.profile_name(profile);
    }
    provider.build().region().await.map(|region| region.as_ref().to_owned())
}

/// Credentials from wherever AWS's own tools take them: the environment, profiles, single sign-on,
/// web identity, and the container's or the machine's metadata.
#[derive(Debug)]
struct Chain(SharedCredentialsProvider);

impl Chain {
    async fn load(profile: Option<&str>, region: Option<&str>) -> Self {
        let mut chain = aws_config::default_provider::credentials::DefaultCredentialsChain::builder();
        if let Some(profile) = profile {
            chain = chain.profile_name(profile);
        }
        chain.set_region(region.map(|region| aws_config::Region::new(region.to_owned())));
        let chain = chain.build().await;
        let cache = aws_credential_types::provider::SharedCredentialsProvider::new(chain);
        Self(cache)
    }
}

#[async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credentials = self.0.provide_credentials().await.map_err(|error| {
            object_store::Error::Unauthenticated { path: String::new(), source: Box::new(error) }
        })?;
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        }))
    }
}

fn gcs(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions) -> Result<Transport>,
) -> Result<Opened> {
    let mut builder =
        GoogleCloudStorageBuilder::from_env().with_bucket_name(&place.bucket).with_retry(retries(settings)?);
    for (name, value) in settings.of_service() {
        builder = builder.with_config(key::<GoogleConfigKey>(name, "GCS")?, value);
    }
    let base = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let options = connections().with_allow_http(base.as_deref().is_some_and(is_local));
    if settings.flag("anonymous")? {
        builder = builder.with_skip_signature(true);
    }
    builder = builder.with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options)?).build().map_err(unusable)?);
    Ok((store.clone(), Some(Lister(store)), base.is_none()))
}

fn azure(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions) -> Result<Transport>,
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
    let emulator = builder.get_config_value(&AzureConfigKey::UseEmulator).as_deref() == Some("true");
    let options = connections().with_allow_http(emulator || endpoint.as_deref().is_some_and(is_local));
    if settings.flag("anonymous")? {
        builder = builder.with_skip_signature(true);
    }
    builder = builder.with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options)?).build().map_err(unusable)?);
    // Azure and its emulator both heed conditions.
    Ok((store.clone(), Some(Lister(store)), true))
}

fn http(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions) -> Result<Transport>,
) -> Result<Opened> {
    let mut options = connections().with_allow_http(true);
    if let Some((name, _)) = settings.of_service().next() {
        key::<std::num::NonZeroU8>(name, "http")?;
    }
    if let Some(token) = settings.get("bearer_token") {
        let value = http::HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Error::invalid("store option bearer_token: not a header value"))?;
        options = options.with_default_headers([(http::header::AUTHORIZATION, value)].into_iter().collect());
    }
    let builder = HttpBuilder::new().with_url(&place.bucket).with_retry(retries(settings)?);
    let builder = builder.with_client_options(options.clone()).with_http_connector(transport(options)?);
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
        let error = parse(Service::Http, "http://", "me:hush@host/").unwrap_err();
        assert!(!error.to_string().contains("hush"));
    }
}
