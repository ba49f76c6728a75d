//! Answers: what is sent, in which encoding, and what may be kept of it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use libdeflater::{CompressionLvl, Compressor, Decompressor};

use crate::page;

pub(crate) type Answer = Response<Full<Bytes>>;

/// What is sent: bytes, or the gzip of what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// The number of bytes that this is the gzip of; `None` if it is none.
    pub(crate) unzipped: Option<usize>,
}

/// Fewer bytes are sent as they are.
const SHORT: usize = 1 << 10;

impl Content {
    /// The gzip of what is much shorter for it, and anything else as it is.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        if bytes.len() >= SHORT
            && let Some(short) = gzip(&bytes)
        {
            return Self { bytes: short.into(), unzipped: Some(bytes.len()) };
        }
        Self { bytes: bytes.into(), unzipped: None }
    }

    /// The bytes themselves.
    pub(crate) fn plain(&self) -> Option<Bytes> {
        let Some(length) = self.unzipped else { return Some(self.bytes.clone()) };
        let mut plain = vec![0; length];
        Decompressor::new().gzip_decompress(&self.bytes, &mut plain).ok()?;
        Some(plain.into())
    }
}

/// The gzip, if it is a tenth shorter.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut compressor = Compressor::new(CompressionLvl::fastest());
    let mut out = vec![0; bytes.len() / 10 * 9];
    let length = compressor.gzip_compress(bytes, &mut out).ok()?;
    out.truncate(length);
    out.shrink_to_fit();
    Some(out)
}

/// An answer of a text for people.
pub(crate) fn refusal(status: StatusCode, reason: &str) -> Answer {
    let mut answer = bare(status, "text/plain; charset=utf-8", Bytes::from(format!("{reason}\n")));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    answer
}

/// An answer of content of a type, as the request wants it. What has a `tag` may be kept, and is asked for again.
pub(crate) fn content(request: &HeaderMap, kind: &'static str, content: &Content, tag: &str) -> Answer {
    let is_known = request.get_all(IF_NONE_MATCH).iter().any(|known| is_listed(known, tag));
    let takes_gzip = takes_gzip(request);
    let mut answer = match (is_known, takes_gzip || content.unzipped.is_none(), content.plain()) {
        (true, ..) => bare(StatusCode::NOT_MODIFIED, kind, Bytes::new()),
        (_, true, _) => bare(StatusCode::OK, kind, content.bytes.clone()),
        (_, false, Some(plain)) => bare(StatusCode::OK, kind, plain),
        (_, false, None) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the page is damaged"),
    };
    let headers = answer.headers_mut();
    if content.unzipped.is_some() && takes_gzip && !is_known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding, Origin"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(ETAG, tag);
    }
    answer
}

fn bare(status: StatusCode, kind: &'static str, bytes: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(bytes));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let mut set =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(CONTENT_TYPE, kind);
    // Kept by the browser alone, and never without asking: the array may have changed.
    set(CACHE_CONTROL, "private, no-cache");
    set(CONTENT_SECURITY_POLICY, page::POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    // The token is in the address.
    set(REFERRER_POLICY, "no-referrer");
    answer
}

/// Lets a page of another origin read an answer.
pub(crate) fn allow(answer: &mut Answer, origin: &str) {
    if let Ok(origin) = HeaderValue::from_str(origin) {
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

fn is_listed(header: &HeaderValue, tag: &str) -> bool {
    let texts = header.to_str().unwrap_or_default().split(',').map(str::trim);
    texts
        .map(|text| text.strip_prefix("W/").unwrap_or(text))
        .any(|text| text == "*" || text.trim_matches('"') == tag)
}

fn takes_gzip(request: &HeaderMap) -> bool {
    let lists = request.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        let is_refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_was_asked_for() {
        let text = Content::of(vec![7; 5000]);
        assert!(text.unzipped.is_some() && text.bytes.len() < 100);
        assert_eq!(text.plain().unwrap(), vec![7; 5000]);
        let mut request = HeaderMap::new();
        let lengths = |request: &HeaderMap| {
            let answer = content(request, "text/plain", &text, "tag");
            (answer.status().as_u16(), answer.headers().contains_key(CONTENT_ENCODING))
        };
        assert_eq!(lengths(&request), (200, false));
        request.insert(ACCEPT_ENCODING, HeaderValue::from_static("br, gzip;q=0.5"));
        assert_eq!(lengths(&request), (200, true));
        request.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0"));
        assert_eq!(lengths(&request), (200, false));
        request.insert(IF_NONE_MATCH, HeaderValue::from_static("\"other\", W/\"tag\""));
        assert_eq!(lengths(&request), (304, false));
    }
}
