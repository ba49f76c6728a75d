//! What the environment and the settings say to a service: each value under the name by which it was given.

use std::collections::HashMap;
use std::hash::Hash;
use std::str::FromStr;

use super::options::key;
use crate::base::error::{Error, Result};
use crate::store::settings::Settings;

/// Values for a service, by its own keys. Settings come before the environment. An empty value
/// says nothing, but an endpoint must not be empty.
pub(super) struct Given<K>(HashMap<K, Said>);

/// One value, without the blanks around it, and what it is called in messages.
struct Said {
    name: String,
    value: String,
}

impl<K: FromStr + Copy + Eq + Hash> Given<K> {
    /// What environment variables that start with `prefix`, and settings, say to `service`.
    ///
    /// # Errors
    /// `InvalidArgument` for a setting that the service does not have, and for a value that no request can carry.
    pub(super) fn of(prefix: &str, service: &str, settings: &Settings) -> Result<Self> {
        let mut given = HashMap::new();
        let mut variables: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
            .filter(|(name, _)| name.starts_with(prefix))
            .collect();
        // Of two names of one key, the one that says something.
        variables.sort_unstable_by_key(|(name, value)| (!value.trim().is_empty(), name.clone()));
        for (variable, value) in variables {
            if let Ok(key) = variable.to_ascii_lowercase().parse::<K>() {
                given.insert(key, Said::new(format!("environment variable {variable}"), &value)?);
            }
        }
        for (name, value) in settings.of_service() {
            let said = Said::new(format!("store option {name}"), value)?;
            given.insert(key::<K>(name, service)?, said);
        }
        Ok(Self(given))
    }

    /// Each key and value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &str)> {
        self.0.iter().map(|(key, said)| (*key, said.value.as_str())).filter(|(_, value)| !value.is_empty())
    }

    /// The value of the first of these keys that has one.
    pub(super) fn get(&self, keys: &[K]) -> Option<&str> {
        self.first(keys).map(|said| said.value.as_str())
    }

    fn first(&self, keys: &[K]) -> Option<&Said> {
        keys.iter().find_map(|key| self.0.get(key).filter(|said| !said.value.is_empty()))
    }

    /// The first of these keys that has a value, which is a URL.
    ///
    /// # Errors
    /// `InvalidArgument` if it is no URL of http or https with a host, or empty: requests for another server would go
    /// to the service's own. It may hold a password, and is not repeated.
    pub(super) fn endpoint(&self, keys: &[K]) -> Result<Option<&str>> {
        match self.first(keys).or_else(|| keys.iter().find_map(|key| self.0.get(key))) {
            None => Ok(None),
            Some(said) if is_endpoint(&said.value) => Ok(Some(&said.value)),
            Some(Said { name, value }) => {
                let is = if value.is_empty() { "empty, and " } else { "" };
                Err(Error::invalid(format!("{name}: {is}not a URL such as http://127.0.0.1:9000")))
            }
        }
    }

    /// The first of these keys that has a value, which is a part of the name of a host or of a path.
    ///
    /// # Errors
    /// `InvalidArgument` if no such name can have it.
    pub(super) fn name(&self, keys: &[K], what: &str) -> Result<Option<&str>> {
        match self.first(keys) {
            Some(said) if !is_name(&said.value) => Err(said.is_no(what)),
            said => Ok(said.map(|said| said.value.as_str())),
        }
    }
}

impl Said {
    fn new(name: String, value: &str) -> Result<Self> {
        let value = value.trim();
        // Texts of files, and names of files, go into no request.
        let is_text = ["certificate", "service_account", "credentials", "file", "excludes"]
            .iter()
            .any(|part| name.to_ascii_lowercase().contains(part));
        if !is_text && !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Error::invalid(format!(
                "{name}: it has a newline or another character that no request can have"
            )));
        }
        Ok(Self { name, value: value.to_owned() })
    }

    fn is_no(&self, what: &str) -> Error {
        let shown =
            if self.value.len() <= 40 { format!("{:?} is", self.value) } else { "this is".to_owned() };
        Error::invalid(format!("{}: {shown} no {what}", self.name))
    }
}

/// Whether a region or an account can have this name.
pub(super) fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether requests can be sent to an endpoint.
pub(super) fn is_endpoint(endpoint: &str) -> bool {
    let url = reqwest::Url::parse(endpoint).ok();
    let is_one = url.is_some_and(|url| {
        let is_plain = url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain
    });
    // The parser takes blanks and newlines away, unlike those who make requests.
    is_one && !endpoint.contains(|c: char| c.is_control() || c.is_whitespace()) && endpoint.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_urls_of_hosts() {
        for endpoint in ["http://a", "https://a:9/b/", "http://[::1]:9000"] {
            assert!(is_endpoint(endpoint), "{endpoint}");
        }
        for endpoint in
            ["minio:9000", "127.0.0.1:9000", "", "http://", "http://a:99999", "http://a b", "http://ä"]
        {
            assert!(!is_endpoint(endpoint), "{endpoint}");
        }
        assert!(!is_endpoint("s3://a") && !is_endpoint("http://a?x") && !is_endpoint("http://a\n"));
    }
}
