//! Options of stores behind a network, as pairs of a key and a value.

use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "object")]
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::base::text::redact;

/// Options of a store, such as `region=eu-west-1`. Keys are those of the service's environment
/// variables in lower case, with or without its prefix (`aws_region` or `region`), and those of
/// [`OWN`]. Values that are secret are never shown.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Settings(BTreeMap<String, String>);

/// Settings of this library, for every service, and what they mean.
pub const OWN: &[(&str, &str)] = &[
    ("anonymous", "true: requests are not signed, for public data"),
    ("profile", "the profile in the AWS configuration files"),
    ("max_requests", "most requests under way at once (128)"),
    (
        "max_bytes",
        "most bytes of values under way at once in this process (268435456, or a 16th of the memory)",
    ),
    ("timeout", "seconds in which something must arrive (30)"),
    ("retries", "how often a request is repeated after a passing fault (8)"),
    ("retry_timeout", "seconds after which a request is not repeated any more (120)"),
    ("cache_control", "the Cache-Control header of what is written (no-cache)"),
    ("missing_status", "what the server answers for what is not there, beside 404: 403, or several (none)"),
    ("bearer_token", "for http: the token of the Authorization header"),
];

/// Parts of keys whose values are secret.
const SECRET: &[&str] = &[
    "secret",
    "token",
    "password",
    "access_key",
    "account_key",
    "master_key",
    "sas",
    "service_account_key",
    "encryption_key",
    "customer_key",
    "proxy_url",
    "credential",
    "service_account",
];

impl Settings {
    /// No settings: the environment and the service's own configuration files say everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting; a later one of the same key replaces it.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.trim().to_ascii_lowercase(), value.into());
    }

    /// Reads `key=value`.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no `=`.
    pub fn parse(&mut self, pair: &str) -> Result<()> {
        // The text could be a secret: it is not repeated.
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Error::invalid("a store option is written key=value"))?;
        self.set(key, value);
        Ok(())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// These settings without secrets, as they may be stored and sent to other processes; those then
    /// take them from their environment.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let is_open = |(key, value): &(&String, &String)| !is_secret(key) && redact(value) == value.as_str();
        Self(self.0.iter().filter(is_open).map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    #[cfg(feature = "object")]
    /// Those that are not this library's own, for the service.
    pub(super) fn of_service(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(key, _)| !OWN.iter().any(|(own, _)| own == key))
    }

    #[cfg(feature = "object")]
    pub(super) fn number(&self, key: &str, default: u64) -> Result<u64> {
        let parse = |value: &str| {
            let number = value.trim().parse().ok().filter(|&number| number > 0);
            // The value may be a secret that was put into the wrong place.
            number.ok_or_else(|| Error::invalid(format!("store option {key}: not a positive number")))
        };
        self.get(key).map_or(Ok(default), parse)
    }

    #[cfg(feature = "object")]
    /// Statuses of HTTP between commas, which say that a request was refused.
    pub(super) fn statuses(&self, key: &str) -> Result<Vec<u16>> {
        let all = self.get(key).unwrap_or_default().split(',').map(str::trim).filter(|text| !text.is_empty());
        let parse = |text: &str| {
            let status = text.parse().ok().filter(|status| (400..500).contains(status));
            status.ok_or_else(|| {
                Error::invalid(format!("store option {key}: not a status from 400 to 499, or several"))
            })
        };
        all.map(parse).collect()
    }

    #[cfg(feature = "object")]
    pub(super) fn seconds(&self, key: &str, default: u64) -> Result<Duration> {
        // Longer than anybody waits, and short enough to be added to any time.
        self.number(key, default).map(|seconds| Duration::from_secs(seconds.min(u32::MAX.into())))
    }

    #[cfg(feature = "object")]
    pub(super) fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0" | "no") => Ok(false),
            Some("true" | "1" | "yes" | "") => Ok(true),
            Some(_) => Err(Error::invalid(format!("store option {key}: neither true nor false"))),
        }
    }
}

/// Whether the value of a setting, by its key, is secret.
pub(super) fn is_secret(key: &str) -> bool {
    SECRET.iter().any(|part| key.contains(part)) && !key.ends_with("access_key_id") && !key.ends_with("_file")
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Settings {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        let mut settings = Self::new();
        pairs.into_iter().for_each(|(key, value)| settings.set(key.as_ref(), value));
        settings
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, value)| (key, if is_secret(key) { "…" } else { value });
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_neither_shown_nor_sent() {
        let mut settings = Settings::new();
        settings.parse("AWS_SECRET_ACCESS_KEY=hush=").unwrap();
        for pair in ["token=hush", "sas_key=hush", "access_key=hush", "region=eu", "access_key_id=AKI"] {
            settings.parse(pair).unwrap();
        }
        assert_eq!(settings.get("aws_secret_access_key"), Some("hush="));
        assert!(!format!("{settings:?}").contains("hush"));
        let sent: Vec<_> = settings.without_secrets().iter().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(sent, ["access_key_id", "region"]);
        assert!(!settings.parse("hush").unwrap_err().to_string().contains("hush"));
    }

    #[cfg(feature = "object")]
    #[test]
    fn values_are_checked() {
        let settings: Settings =
            [("timeout", "0"), ("anonymous", "perhaps"), ("retries", "3")].into_iter().collect();
        assert!(settings.seconds("timeout", 1).is_err() && settings.flag("anonymous").is_err());
        assert_eq!(settings.number("retries", 8).unwrap(), 3);
        assert_eq!(settings.number("max_requests", 8).unwrap(), 8);
    }
}
