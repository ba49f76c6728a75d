//! Who may ask: pages of this server itself, under one of its names, who know its token.

use std::net::SocketAddr;

use hyper::header::{HOST, HeaderMap, ORIGIN};

/// Who may ask.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Behind the first slash of all paths.
    token: String,
    /// What the server is called: `host:port`.
    hosts: Vec<String>,
    /// The port, if all addresses of the machine are names of it.
    any: Option<u16>,
    /// Pages of other origins that may ask.
    origins: Vec<String>,
}

/// What a request is before it is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<'a> {
    /// The path behind the token, and the origin of another page that is allowed to read the answer.
    Granted(&'a str, Option<String>),
    /// Somebody else's name or page.
    Foreign,
    /// There is nothing.
    Unknown,
}

impl Guard {
    pub(crate) fn new(token: String, address: SocketAddr, origins: &[String]) -> Self {
        let port = address.port();
        let mut hosts = vec![address.to_string(), format!("localhost:{port}")];
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            hosts.extend([format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        let origins: Vec<String> =
            origins.iter().map(|origin| origin.trim_end_matches('/').to_lowercase()).collect();
        hosts.extend(origins.iter().filter_map(|origin| Some(origin.split_once("://")?.1.to_owned())));
        let any = address.ip().is_unspecified().then_some(port);
        Self { token, hosts, any, origins }
    }

    /// Whether the server is called so. One that listens on all addresses of a machine has each of them for a name.
    fn is_own(&self, host: &str) -> bool {
        let is_address = |port| host.parse::<SocketAddr>().is_ok_and(|address| address.port() == port);
        self.hosts.iter().any(|own| own == host) || self.any.is_some_and(is_address)
    }

    /// Whether a request may be answered.
    pub(crate) fn admit<'a>(&self, path: &'a str, headers: &HeaderMap) -> Admission<'a> {
        let host = match single(headers, &HOST) {
            Some(Some(host)) if self.is_own(&host) => host,
            _ => return Admission::Foreign,
        };
        let other = match single(headers, &ORIGIN) {
            None => None,
            Some(Some(origin)) if self.origins.contains(&origin) => Some(origin),
            Some(Some(origin)) if origin == format!("http://{host}") => None,
            Some(_) => return Admission::Foreign,
        };
        let inner = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        match inner {
            Some((token, rest)) if is_same(token, &self.token) => Admission::Granted(rest, other),
            _ => Admission::Unknown,
        }
    }
}

/// The one value of a header; `Some(None)` if there are several or it is no text, `None` if there is none.
fn single(headers: &HeaderMap, name: &hyper::header::HeaderName) -> Option<Option<String>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let text = first.to_str().ok().map(str::to_lowercase);
    Some(text.filter(|_| values.next().is_none()))
}

/// Whether two texts are the same, in a time that says nothing of where they differ.
fn is_same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn admitted(path: &str, host: &str, origin: Option<&str>) -> bool {
        let own =
            Guard::new("token".into(), "127.0.0.1:80".parse().unwrap(), &["https://Hub.example:1/".into()]);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        origin.map(|origin| headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap()));
        matches!(own.admit(path, &headers), Admission::Granted("a/b", _))
    }

    #[test]
    fn only_who_knows_the_token_and_comes_from_here() {
        assert!(admitted("/token/a/b", "127.0.0.1:80", None));
        assert!(admitted("/token/a/b", "LOCALHOST:80", Some("http://localhost:80")));
        assert!(admitted("/token/a/b", "127.0.0.1:80", Some("https://hub.example:1")));
        assert!(admitted("/token/a/b", "hub.example:1", None));
        for (path, host, origin) in [
            ("/tokem/a/b", "127.0.0.1:80", None),
            ("/token1/a/b", "127.0.0.1:80", None),
            ("//a/b", "127.0.0.1:80", None),
            ("/token/a/b", "evil.example", None),
            ("/token/a/b", "127.0.0.1", None),
            ("/token/a/b", "127.0.0.1:80", Some("http://evil.example")),
            ("/token/a/b", "127.0.0.1:80", Some("null")),
            ("/token/a/b", "127.0.0.1:80", Some("https://127.0.0.1:80")),
        ] {
            assert!(!admitted(path, host, origin), "{path} {host} {origin:?}");
        }
    }
}
