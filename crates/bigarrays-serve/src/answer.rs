//! Answers: what is sent, in which encoding, and what may be kept of it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, IF_RANGE, RANGE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
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
    // What is called the fastest does not compress at all.
    let mut compressor = Compressor::new(CompressionLvl::new(1).unwrap_or_default());
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
    let mut answer = if is_known {
        bare(StatusCode::NOT_MODIFIED, kind, Bytes::new())
    } else if content.unzipped.is_some() && takes_gzip(request) && !request.contains_key(RANGE) {
        let mut answer = bare(StatusCode::OK, kind, content.bytes.clone());
        answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        answer
    } else {
        match content.plain() {
            Some(plain) => ranged(request, kind, plain, tag),
            None => refusal(StatusCode::INTERNAL_SERVER_ERROR, "what is to be sent is damaged"),
        }
    };
    let headers = answer.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding, Origin"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(ETAG, tag);
    }
    answer
}

/// The range of the bytes that is asked for, or all of them.
fn ranged(request: &HeaderMap, kind: &'static str, plain: Bytes, tag: &str) -> Answer {
    let is_same = request.get(IF_RANGE).is_none_or(|known| is_listed(known, tag));
    let wanted = request.get(RANGE).filter(|_| is_same).and_then(|range| range.to_str().ok());
    let Some((first, last)) = wanted.and_then(|wanted| wanted.strip_prefix("bytes=")?.split_once('-')) else {
        return bare(StatusCode::OK, kind, plain);
    };
    let length = plain.len();
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.trim().is_empty() => first..length,
        (None, Some(count)) if first.trim().is_empty() => length - count.min(length)..length,
        // Several ranges, or none: all of it is an answer as well.
        _ => return bare(StatusCode::OK, kind, plain),
    };
    let (status, of, bytes) = match range.is_empty() {
        true => (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{length}"), Bytes::new()),
        false => {
            let of = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            (StatusCode::PARTIAL_CONTENT, of, plain.slice(range))
        }
    };
    let mut answer = bare(status, kind, bytes);
    if let Ok(of) = HeaderValue::from_str(&of) {
        answer.headers_mut().insert(CONTENT_RANGE, of);
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
        assert!(text.unzipped.is_some() && text.bytes.len() < 1000, "{text:?}");
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
        request.remove(IF_NONE_MATCH);
        let parts = [
            ("bytes=0-9", 206, "bytes 0-9/5000"),
            ("bytes=4990-", 206, "bytes 4990-4999/5000"),
            ("bytes=-10", 206, "bytes 4990-4999/5000"),
            ("bytes=5000-", 416, "bytes */5000"),
            ("bytes=0-1,3-4", 200, ""),
            ("bytes=9-1", 200, ""),
            ("bytes=x-", 200, ""),
        ];
        for (range, status, of) in parts {
            request.insert(RANGE, HeaderValue::from_static(range));
            let answer = content(&request, "text/plain", &text, "tag");
            let found = answer.headers().get(CONTENT_RANGE).map_or("", |of| of.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), found), (status, of), "{range}");
        }
    }
}
