//! What the clients of all services are built with.

use std::sync::Arc;
use std::time::Duration;

use object_store::client::ClientConfigKey;
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::failure::chain;
use crate::base::error::{Error, Result};
use crate::store::settings::{OWN, Settings};

/// Lists keys by pages.
pub(super) struct Lister(pub(super) Arc<dyn PaginatedListStore>);

impl std::fmt::Debug for Lister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lister")
    }
}

pub(super) type Opened = (Arc<dyn object_store::ObjectStore>, Option<Lister>, bool);

/// Settings that make no client.
pub(super) fn unusable(error: object_store::Error) -> Error {
    Error::invalid(chain(&error)).during("connecting")
}

pub(super) fn retries(settings: &Settings) -> Result<RetryConfig> {
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
pub(super) fn connections() -> ClientOptions {
    let agent = http::HeaderValue::from_static(concat!("bigarrays/", env!("CARGO_PKG_VERSION")));
    ClientOptions::new()
        .with_user_agent(agent)
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(10))
        .with_pool_idle_timeout(Duration::from_secs(60))
}

/// Options of the connections to a service, some of them from the environment variables that start with
/// `prefix`, and then from the settings.
pub(super) fn connections_to(prefix: &str, settings: &Settings, endpoint: Option<&str>) -> ClientOptions {
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

/// Refuses settings of a service that would make no request: what comes from a file may end in a newline, which goes.
pub(super) fn checked(settings: &Settings) -> Result<Settings> {
    let check = |(key, value): (&str, &str)| {
        let (value, is_text) = (value.trim(), key.contains("certificate") || key.contains("service_account"));
        match value.contains(char::is_control) && !is_text {
            true => Err(Error::invalid(format!(
                "store option {key}: it has a newline or other control character"
            ))),
            false => Ok((key.to_owned(), value.to_owned())),
        }
    };
    settings.iter().map(check).collect()
}

/// Refuses a service's endpoint, as a setting or the environment gives it, that is no URL.
pub(super) fn check_endpoint(endpoint: Option<&str>) -> Result<()> {
    let is_url = |endpoint: &&str| {
        let url = reqwest::Url::parse(endpoint).ok();
        let is_one = url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The parser takes blanks and newlines away, unlike those who make requests.
        !is_one || endpoint.contains(|c: char| c.is_control() || c.is_whitespace())
    };
    match endpoint.filter(is_url) {
        Some(_) => {
            Err(Error::invalid("the endpoint of the service (store option or environment) is not a URL"))
        }
        None => Ok(()),
    }
}

/// Refuses a name of a region or an account that cannot be in the name of a host.
pub(super) fn check_name(what: &str, name: Option<&str>) -> Result<()> {
    let is_usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.filter(|name| !name.chars().all(is_usable)) {
        Some(name) if name.len() <= 40 => Err(Error::invalid(format!("{name:?} is no {what}"))),
        Some(_) => Err(Error::invalid(format!("this is no {what}"))),
        None => Ok(()),
    }
}

/// How `object_store` reads a setting that is true or false.
pub(super) fn is_true(value: Option<String>) -> bool {
    value
        .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y"))
}

/// Parses a setting's key, or says which there are.
pub(super) fn key<K: std::str::FromStr>(key: &str, service: &str) -> Result<K> {
    key.parse().map_err(|_| {
        let own: Vec<_> = OWN.iter().map(|(key, _)| *key).collect();
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
pub(super) fn is_name(key: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_ascii_lowercase();
    !key.is_empty() && key.len() <= 40 && key.chars().all(is_part)
}

/// Whether an endpoint is this machine, so that nothing crosses a network.
pub(super) fn is_local(endpoint: &str) -> bool {
    let host = endpoint.strip_prefix("http://").unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}
