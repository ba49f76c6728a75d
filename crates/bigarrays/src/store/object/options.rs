//! What the clients of all services are built with.

use std::sync::Arc;
use std::time::Duration;

use object_store::client::ClientConfigKey;
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::failure::chain;
use super::place::is_local;
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
        let value = value.to_str().filter(|value| !value.trim().is_empty())?;
        Some((name.to_str()?.strip_prefix(prefix)?.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let prefix = prefix.to_ascii_lowercase();
    let set = settings
        .of_service()
        .filter(|(_, value)| !value.is_empty())
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

/// The value of an environment variable, unless it is empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// How `object_store` reads a setting that is true or false.
pub(super) fn is_true(value: Option<&str>) -> bool {
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
