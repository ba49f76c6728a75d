//! Text for people: what comes from URLs, metadata and servers, without secrets and without characters that
//! would change a terminal.

use std::borrow::Cow;

/// What stands for a secret.
const HIDDEN: &str = "…";

/// Schemes after which `?` is a part of a name.
const LITERAL: &[&str] = &["file", "memory"];

/// Words after which the text is secret, up to a space, or for a header with several words to its end.
const SECRET_AFTER: &[&str] = &["authorization:", "x-amz-security-token:", "bearer ", "basic "];

/// Elements of the answers of services that repeat what was sent to them.
const SECRET_ELEMENTS: &[&str] = &[
    "Token-0",
    "StringToSign",
    "StringToSignBytes",
    "CanonicalRequest",
    "CanonicalRequestBytes",
    "SignatureProvided",
    "AuthenticationErrorDetail",
];

/// `text` as it may be shown: [`redact`]ed and [`printable`].
pub fn shown(text: &str) -> Cow<'_, str> {
    match redact(text) {
        Cow::Borrowed(text) => printable(text),
        Cow::Owned(text) => Cow::Owned(printable(&text).into_owned()),
    }
}

/// `text` in one line, with an escape such as `\n` or `\u{1b}` for each character that is not to be seen
/// but changes how others are shown: control characters and those that turn the direction of writing.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_unseen(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped.into()
}

/// Whether [`printable`] escapes a character.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` without the passwords and values of queries in its URLs, and without what services repeat of
/// credentials in their answers.
pub fn redact(text: &str) -> Cow<'_, str> {
    let text = match text.contains("://") {
        true => {
            let redacted = without_passwords(text);
            // A blank may have been written into the path, so that the query is of another word.
            let is_web = redacted.contains("http://") || redacted.contains("https://");
            Cow::Owned(if is_web { without_queries(&redacted).into_owned() } else { redacted })
        }
        false => text.into(),
    };
    match without_repeated(&text) {
        Some(redacted) => Cow::Owned(redacted),
        None => text,
    }
}

fn without_passwords(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        redacted += before;
        let scheme = before[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        rest = match LITERAL.contains(&scheme) {
            true => literal(after, &mut redacted),
            false => url(scheme, after, &mut redacted),
        };
    }
    redacted + rest
}

/// Appends nothing but what hides a password in front of a path, and returns the path.
fn literal<'a>(text: &'a str, redacted: &mut String) -> &'a str {
    let authority = &text[..text.find(|c: char| c == '/' || is_end(c)).unwrap_or(text.len())];
    match authority.rfind('@').filter(|&at| authority[..at].contains(':')) {
        Some(at) => {
            *redacted += HIDDEN;
            &text[at..]
        }
        None => text,
    }
}

/// Whether a character is in no URL.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '{' | '}')
}

/// The first of `marks`, be it escaped as in `%3F` or, escaped twice, `%253F`: where it is, and its length.
fn mark(text: &str, marks: &[u8]) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let length = |at: usize| {
        if bytes[at] != b'%' {
            return marks.contains(&bytes[at]).then_some(1);
        }
        let mut digits = &bytes[at + 1..];
        while let Some(rest) = digits.strip_prefix(b"25") {
            digits = rest;
        }
        let code = std::str::from_utf8(digits.get(..2)?).ok()?;
        let code = u8::from_str_radix(code, 16).ok()?;
        marks.contains(&code).then(|| bytes.len() - at - digits.len() + 2)
    };
    (0..bytes.len()).find_map(|at| Some((at, length(at)?)))
}

/// `text` with no values of queries in its words, whether these are URLs or not: answers of services name objects
/// without the scheme.
pub fn without_queries(text: &str) -> Cow<'_, str> {
    if !text.split(is_end).any(|word| mark(word, b"?").is_some()) {
        return text.into();
    }
    let mut redacted = String::with_capacity(text.len());
    for word in text.split_inclusive(is_end) {
        match mark(word, b"?").filter(|_| !word.contains("://")) {
            Some((at, _)) => {
                let end = word.find(is_end).unwrap_or(word.len());
                redacted.push_str(&word[..at]);
                query_of(&word[at..end], false, &mut redacted);
                redacted.push_str(&word[end..]);
            }
            None => redacted.push_str(word),
        }
    }
    redacted.into()
}

/// Appends what may be shown of a URL behind its scheme, and returns what follows it.
fn url<'a>(scheme: &str, text: &'a str, redacted: &mut String) -> &'a str {
    // A URL may hold another one, which is looked at next.
    let scheme_of = |at: usize| text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
    let limit = text.find("://").map_or(text.len(), scheme_of);
    let mut rest = text[..limit].trim_start_matches('/');
    redacted.push_str(&text[..limit - rest.len()]);
    let authority = &rest[..rest.find(|c| is_end(c) || matches!(c, '/' | '?' | '#')).unwrap_or(rest.len())];
    // A password may hold any character: what is no port goes on to the last `@`.
    let is_port = |port: &str| {
        port.trim_end_matches([')', ',', ';', '.', ':', ']']).bytes().all(|c| c.is_ascii_digit())
    };
    let user_end = match (authority.rfind('@'), authority.rsplit_once(':')) {
        (Some(at), _) => Some(at),
        (None, Some((_, port))) if !is_port(port) && !authority.starts_with('[') => rest.rfind('@'),
        _ => None,
    };
    if let Some(at) = user_end {
        // Azure's containers stand before an `@`.
        let is_container = matches!(scheme, "az" | "abfs" | "abfss") && !rest[..at].contains(':');
        *redacted += if is_container { &rest[..at] } else { HIDDEN };
        rest = &rest[at..];
    }
    // What follows a URL in a sentence is not of its query.
    let whole = rest[..rest.find(is_end).unwrap_or(rest.len())].trim_end_matches([':', ',', '.', ')', ';']);
    let (shown, after) = rest.split_at(whole.len());
    let is_web = matches!(scheme, "http" | "https");
    let start = mark(shown, b"?#").map(|(at, _)| at);
    let parameter = shown.find(';').filter(|at| mark(&shown[*at..], b"=").is_some());
    let start = start.into_iter().chain(parameter).min().unwrap_or(shown.len());
    let (path, query) = shown.split_at(start);
    *redacted += path;
    query_of(query, is_web && query.starts_with(['?', '#']), redacted);
    &text[limit - after.len()..]
}

/// Appends a query and fragment without values; without pairs that have no name, if `is_web`.
fn query_of(mut query: &str, is_web: bool, redacted: &mut String) {
    while !query.is_empty() {
        let (end, length) = mark(query, b"?&#;").unwrap_or((query.len(), 0));
        let pair = &query[..end];
        match mark(pair, b"=") {
            Some((name, equals)) => redacted.extend([&pair[..name + equals], HIDDEN]),
            None if is_web && !pair.is_empty() => redacted.push_str(HIDDEN),
            None => redacted.push_str(pair),
        }
        redacted.push_str(&query[end..end + length]);
        query = &query[end + length..];
    }
}

/// Hides what follows [`SECRET_AFTER`], and what is in [`SECRET_ELEMENTS`]; `None` if there is nothing.
fn without_repeated(text: &str) -> Option<String> {
    let mut redacted: Option<String> = None;
    for name in SECRET_ELEMENTS {
        let now = redacted.as_deref().unwrap_or(text);
        let (opening, closing) = (format!("<{name}>"), format!("</{name}>"));
        if let Some((before, inner)) = now.split_once(&opening) {
            // An answer may be cut off.
            let after = inner.split_once(&closing).map_or("", |(_, after)| after);
            redacted = Some(format!("{before}{opening}{HIDDEN}{closing}{after}"));
        }
    }
    for mark in SECRET_AFTER {
        let now = redacted.as_deref().unwrap_or(text);
        let Some(at) = now.to_ascii_lowercase().find(mark).map(|at| at + mark.len()) else { continue };
        let secret = now[at..].trim_start();
        let is_line = *mark == "authorization:";
        let ends =
            |c: char| matches!(c, '\n' | '"' | '\'' | '<') || (!is_line && (c.is_whitespace() || c == ','));
        let end = secret.find(ends).unwrap_or(secret.len());
        // Words of prose are shorter than credentials.
        if end >= 8 || mark.ends_with(':') {
            redacted = Some(format!("{}{HIDDEN}{}", &now[..at], &secret[end..]));
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        for (text, expected) in [
            ("plain/path?x=1", "plain/path?x=1"),
            ("http://me:hush@host/x", "http://…@host/x"),
            ("http://hush@host/x", "http://…@host/x"),
            ("at https://me:hu@sh@host:80/x: no", "at https://…@host:80/x: no"),
            ("http://me:hu/sh?@host/x", "http://…@host/x"),
            ("http://me:hu sh@host/x", "http://…@host/x"),
            ("ht!tp://user:hush@127", "ht!tp://…@127"),
            ("http://host:80/a@b", "http://host:80/a@b"),
            ("(http://host:80): x@y", "(http://host:80): x@y"),
            ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
            ("az://container@account/x", "az://container@account/x"),
            ("az://user:hush@account/x", "az://…@account/x"),
            ("http://h/x?token=hush&a=1#f=hush", "http://h/x?token=…&a=…#f=…"),
            ("http://h/x?hush", "http://h/x?…"),
            ("at http://h/x?a=hush: no (http://h/x?hush).", "at http://h/x?a=…: no (http://h/x?…)."),
            ("s3://b/what?/x?sig=hush", "s3://b/what?/x?sig=…"),
            ("http://h/my data/x?sig=hush", "http://h/my data/x?sig=…"),
            ("file:///a@b/c?d=e", "file:///a@b/c?d=e"),
            ("\"http://h/?a=hush\" and s3://a:hush@b", "\"http://h/?a=…\" and s3://…@b"),
            ("zarr://http://me:hush@h/x", "zarr://http://…@h/x"),
            ("http://h/b/x%3Fsig%3Dhush%26a%3dhush/info: no", "http://h/b/x%3Fsig%3D…%26a%3d…: no"),
            ("http://h/b/x%253Fsig%253Dhush", "http://h/b/x%253Fsig%253D…"),
            ("http://h/b/what%3F/x%20y%", "http://h/b/what%3F/x%20y%"),
            ("http:///me:hush@h/x", "http:///…@h/x"),
            ("http://h/a;token=hush", "http://h/a;token=…"),
            ("file://me:hush@h/x", "file://…@h/x"),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn names_of_objects_are_shown_without_queries() {
        for (text, expected) in [
            ("at x?sig=hush/info: <Key>x%3Fsig=hush</Key>", "at x?sig=… <Key>x%3Fsig=…</Key>"),
            ("why? a=b", "why? a=b"),
        ] {
            assert_eq!(without_queries(text), expected);
        }
    }

    #[test]
    fn services_repeat_no_secrets() {
        for text in [
            "<Code>ExpiredToken</Code><Token-0>hush</Token-0><RequestId>1</RequestId>",
            "<Code>SignatureDoesNotMatch</Code><CanonicalRequest>GET x-amz-security-token:hush",
            "Authorization: Bearer hush",
            "x-amz-security-token: hush",
        ] {
            assert!(!redact(text).contains("hush"), "{}", redact(text));
        }
        assert_eq!(redact("a basic type"), "a basic type");
    }

    #[test]
    fn what_changes_a_terminal_is_escaped() {
        assert_eq!(printable("ä 漢 \u{1f600}"), "ä 漢 \u{1f600}");
        assert_eq!(
            printable("a\u{1b}[2Jb\nc\u{9b}\u{202e}\u{7f}"),
            "a\\u{1b}[2Jb\\nc\\u{9b}\\u{202e}\\u{7f}"
        );
        assert_eq!(shown("http://a:b@c/\u{1b}"), "http://…@c/\\u{1b}");
    }
}
