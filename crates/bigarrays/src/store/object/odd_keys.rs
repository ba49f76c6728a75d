//! Keys with empty parts, `.` or `..`, which objects may have and `object_store` takes for errors: one such object would
//! hide all others of its page. In the answer of a listing, such parts are marked, and the mark is taken off again.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Uri};
use object_store::client::{HttpError, HttpResponse};

/// A character for private use: keys that have it themselves are listed without it.
const MARK: char = '\u{f8ff}';

/// Elements that hold keys.
const ELEMENTS: [(&str, &str); 3] = [("<Key>", "</Key>"), ("<Prefix>", "</Prefix>"), ("<Name>", "</Name>")];

/// Whether a request is for a list of keys.
pub(super) fn is_listing(method: &Method, uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    method == Method::GET && query.split('&').any(|pair| matches!(pair, "list-type=2" | "comp=list"))
}

/// The answer of a listing, with marked keys.
pub(super) async fn marked(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (mut parts, body) = response.into_parts();
    let bytes = body.bytes().await?;
    let marked = match std::str::from_utf8(&bytes).map(mark_all) {
        Ok(Cow::Owned(text)) => Bytes::from(text),
        _ => bytes,
    };
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(marked.len()));
    Ok(HttpResponse::from_parts(parts, marked.into()))
}

/// A key without marks.
pub(super) fn unmarked(key: &str) -> Cow<'_, str> {
    if key.contains(MARK) { key.replace(MARK, "").into() } else { key.into() }
}

fn mark_all(text: &str) -> Cow<'_, str> {
    if !["//", "/./", "/../", ">/", ">./", ">../", "/.<", "/..<"].iter().any(|odd| text.contains(odd)) {
        return text.into();
    }
    ELEMENTS.iter().fold(text.into(), |text: Cow<'_, str>, (opening, closing)| {
        let mut parts = text.split(opening);
        let mut marked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (key, rest) = part.split_at(part.find(closing).unwrap_or(0));
            marked.push_str(opening);
            marked.push_str(&mark(key));
            marked.push_str(rest);
        }
        marked.into()
    })
}

/// A key whose odd parts are marked, but for the end of one that ends in a slash.
fn mark(key: &str) -> String {
    let (key, slash) = key.strip_suffix('/').map_or((key, ""), |key| (key, "/"));
    if key.is_empty() && slash.is_empty() {
        return String::new();
    }
    let part = |part: &str| match part {
        "" | "." | ".." => format!("{MARK}{part}"),
        part => part.to_owned(),
    };
    key.split('/').map(part).collect::<Vec<_>>().join("/") + slash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_parts_are_marked_and_come_back() {
        for key in ["a//b", "/a", "a/./b", "../a", "a/..", "//", "a/b/", "a.b/c", ""] {
            let marked = mark(key);
            let parts = marked.strip_suffix('/').unwrap_or(&marked).split('/');
            assert!(
                key.is_empty() || parts.into_iter().all(|part| !matches!(part, "" | "." | "..")),
                "{marked}"
            );
            assert_eq!(unmarked(&marked), key);
        }
        let text = "<r><Prefix></Prefix><Key>a//b</Key><Url>http://x</Url><Key>c</Key></r>";
        let expected =
            format!("<r><Prefix></Prefix><Key>a/{MARK}/b</Key><Url>http://x</Url><Key>c</Key></r>");
        assert_eq!(mark_all(text), expected);
    }
}
