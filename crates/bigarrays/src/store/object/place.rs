//! Services, and places in them.

use std::net::IpAddr;

use crate::base::error::{Error, Result};
use crate::store::percent;

/// The kinds of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    S3,
    Gcs,
    Azure,
    Http,
}

/// Where a store's objects are: a service and the bucket, container or server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) service: Service,
    /// As in URLs, up to and including the slash before the first key.
    pub(super) base: String,
    /// The bucket or container; for HTTP the server's URL.
    pub(super) bucket: String,
    /// What follows the path of a web URL behind a `?`, and goes with every request.
    pub(super) query: Option<String>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A query may be a signature.
        let query = self.query.as_ref().map(|_| "…");
        f.debug_struct("Place")
            .field("service", &self.service)
            .field("base", &self.base)
            .field("query", &query)
            .finish()
    }
}

impl Place {
    /// The place of a URL, given its scheme's prefix and what follows it, and the path in it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no bucket, or if the URL holds a password.
    pub(super) fn parse(service: Service, prefix: &str, rest: &str) -> Result<(Self, String)> {
        let server_end =
            rest.find(|c| c == '/' || c == '?' && service == Service::Http).unwrap_or(rest.len());
        let (bucket, path) = (&rest[..server_end], rest.get(server_end + 1..).unwrap_or_default());
        if bucket.is_empty() {
            return Err(Error::invalid(format!("no bucket, container or server in {prefix}{rest}")));
        }
        if bucket.contains(|c: char| c.is_control() || c.is_whitespace()) {
            let message = "the bucket, container or server has a blank or a control character in its name";
            return Err(Error::invalid(message));
        }
        if service == Service::Http {
            return Self::web(prefix, rest);
        }
        // Azure's containers stand before an `@`.
        if bucket.contains(':') || (bucket.contains('@') && service != Service::Azure) {
            let message =
                "the URL of a bucket must hold no key or password: use store options or the environment";
            return Err(Error::invalid(message));
        }
        let is_usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$' | '@');
        if let Some(odd) = bucket.chars().find(|c| !is_usable(*c)) {
            return Err(Error::invalid(format!("no bucket or container has {odd:?} in its name")));
        }
        let place =
            Self { service, base: format!("{prefix}{bucket}/"), bucket: bucket.to_owned(), query: None };
        Ok((place, path.to_owned()))
    }

    /// The server of a web URL, with its query, and the path in it, whose percent-encoding is undone.
    fn web(prefix: &str, rest: &str) -> Result<(Self, String)> {
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let has_fragment = rest.contains('#') || query.as_ref().is_some_and(|query| query.contains('#'));
        if server.contains('@') || has_fragment {
            let message = "a web URL must hold no password and no `#`: use the store option bearer_token";
            return Err(Error::invalid(message));
        }
        let goes =
            |query: &String| query.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>`".contains(&byte));
        if query.as_ref().is_some_and(|query| !goes(query)) {
            let message = "the query of the URL, behind `?`, has a character that is to be percent-encoded";
            return Err(Error::invalid(message));
        }
        let base = format!("{prefix}{server}/");
        let path = percent::decode(path)?.into_owned();
        Ok((Self { service: Service::Http, bucket: base.clone(), base, query }, path))
    }

    /// The URL of what is at `path`, by which it can be opened again.
    pub(super) fn location(&self, path: &str) -> String {
        if self.service != Service::Http {
            return format!("{}{path}", self.base);
        }
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{query}", self.base, percent::encode(path))
    }
}

/// Whether an endpoint is this machine, so that nothing crosses a network.
pub(super) fn is_local(endpoint: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(endpoint) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_whole_name() {
        for endpoint in ["http://localhost:1", "http://127.0.0.1", "http://127.8.0.1:80/x", "http://[::1]:1/"]
        {
            assert!(is_local(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://localhost.evil.example:9",
            "http://localhosts",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "http://[::1].evil.example",
            "localhost",
            "",
        ] {
            assert!(!is_local(endpoint), "{endpoint}");
        }
    }

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
        let (place, path) = parse(Service::Http, "https://", "host/a%20b/100%2525?sig=%2B/").unwrap();
        assert_eq!((path.as_str(), place.query.as_deref()), ("a b/100%25", Some("sig=%2B/")));
        assert_eq!(place.location("a b/c+"), "https://host/a%20b/c%2B?sig=%2B/");
        for rest in ["host/100%", "host/a#b", "host/a?b#c", "host/a?b c", "host?ä", "a@b/c"] {
            assert!(parse(Service::Http, "https://", rest).is_err(), "{rest}");
        }
        for bucket in ["b?c", "b#c", "b%zz", "b[c", "b\\c", "bä", "b&c", "a@b?c"] {
            assert!(parse(Service::Azure, "az://", bucket).is_err(), "{bucket}");
        }
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
