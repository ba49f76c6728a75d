//! Percent-encoding in URLs (RFC 3986, section 2.1).

use std::borrow::Cow;
use std::path::PathBuf;

use super::lock::stable_hash;
use crate::base::error::{Error, Result};

/// `text` with each `%` and its two digits as the byte that they stand for.
///
/// # Errors
/// `InvalidArgument` for a `%` without two hexadecimal digits, and for what is no UTF-8 then.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>> {
    if !text.contains('%') {
        return Ok(text.into());
    }
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.ok_or_else(|| {
            Error::invalid(
                "in a URL, two hexadecimal digits follow a `%`; the character itself is written %25",
            )
        })?;
        decoded.push(byte);
        decoded.extend_from_slice(&part.as_bytes()[2..]);
    }
    match String::from_utf8(decoded) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(Error::invalid("the path of the URL is not UTF-8 once its `%` are decoded")),
    }
}

/// `path` as it is written in a URL: what may be in a path stays, and the slashes.
pub(super) fn encode(path: &str) -> Cow<'_, str> {
    // `+` is a blank to some servers.
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*,;=:@".contains(&byte);
    if path.bytes().all(stays) {
        return path.into();
    }
    let mut encoded = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        match stays(byte) {
            true => encoded.push(byte.into()),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded.into()
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// A web URL, and its query from the `?` on.
fn split_query(url: &str) -> (&str, &str) {
    let end = if is_web(url) { url.find('?').unwrap_or(url.len()) } else { url.len() };
    url.split_at(end)
}

/// The URL or path of what is at the relative `path` below `url`: encoded, and before the query, where URLs are so.
pub fn join_url(url: &str, path: &str) -> String {
    // A format may be named before the URL, and behind it.
    let start = ["https://", "http://", "file://"].iter().filter_map(|scheme| url.find(scheme)).min();
    let (before, url) = url.split_at(start.unwrap_or(0));
    let (place, query) = split_query(url);
    let behind = url.rsplit_once('|').is_some_and(|(_, behind)| behind.contains(':'));
    let place = place.trim_end_matches('/');
    match start.is_some() && !behind {
        true => format!("{before}{place}/{}{query}", encode(path)),
        false => format!("{before}{}/{path}", url.trim_end_matches('/')),
    }
}

/// A path as an absolute one, as far as the system knows that; URLs as they are.
pub fn absolute(url: &str) -> PathBuf {
    match url.contains("://") {
        true => PathBuf::from(url),
        false => std::path::absolute(url).unwrap_or_else(|_| url.into()),
    }
}

/// `url` as it may be kept in files: a query, which may be a signature, only as a number that tells it from others.
pub(super) fn without_query(url: &str) -> Cow<'_, str> {
    match split_query(url) {
        (_, "") => url.into(),
        (place, query) => format!("{place}?{:016x}", stable_hash(query.as_bytes())).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        for (text, decoded) in [("a%20b/c", "a b/c"), ("100%2525", "100%25"), ("%C3%a4", "ä"), ("a+b", "a+b")]
        {
            assert_eq!(decode(text).unwrap(), decoded);
            assert_eq!(decode(&encode(decoded)).unwrap(), decoded);
        }
        for text in ["100%", "%2", "%zz", "%+1", "%ff", "%ä"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_go_before_queries() {
        for (url, joined) in [
            ("/a/b%", "/a/b%/x %?"),
            ("s3://b/a?c/", "s3://b/a?c/x %?"),
            ("file:///a/", "file:///a/x%20%25%3F"),
            ("zarr://http://h/a?s=1/2", "zarr://http://h/a/x%20%25%3F?s=1/2"),
            ("http://h/a|zarr3:", "http://h/a|zarr3:/x %?"),
        ] {
            assert_eq!(join_url(url, "x %?"), joined);
        }
        assert_eq!(without_query("s3://b/a?c"), "s3://b/a?c");
        assert!(!without_query("http://h/a?sig=hush").contains("hush"));
        assert_ne!(without_query("http://h/a?v=1"), without_query("http://h/a?v=2"));
    }
}
