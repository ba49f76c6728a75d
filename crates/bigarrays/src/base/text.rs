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
        true => Cow::Owned(without_passwords(text)),
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
            true => after,
            false => url(scheme, after, &mut redacted),
        };
    }
    redacted + rest
}

/// Appends what may be shown of a URL behind its scheme, and returns what follows it.
fn url<'a>(scheme: &str, text: &'a str, redacted: &mut String) -> &'a str {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '{' | '}');
    // A URL may hold another one, which is looked at next.
    let scheme_of = |at: usize| text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
    let limit = text.find("://").map_or(text.len(), scheme_of);
    let mut rest = &text[..limit];
    let authority = &rest[..rest.find(|c| ends(c) || matches!(c, '/' | '?' | '#')).unwrap_or(rest.len())];
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
    let whole = rest[..rest.find(ends).unwrap_or(rest.len())].trim_end_matches([':', ',', '.', ')', ';']);
    let (shown, after) = rest.split_at(whole.len());
    let (path, query) = shown.split_at(shown.find(['?', '#']).unwrap_or(shown.len()));
    *redacted += path;
    query_of(query, matches!(scheme, "http" | "https"), redacted);
    &text[limit - after.len()..]
}

/// Appends a query and fragment without values; without pairs that have no name, if `is_web`.
fn query_of(query: &str, is_web: bool, redacted: &mut String) {
    for part in query.split_inclusive(['?', '&', '#', ';']) {
        let (pair, mark) = match part.char_indices().last() {
            Some((at, '?' | '&' | '#' | ';')) => part.split_at(at),
            _ => (part, ""),
        };
        match pair.split_once('=') {
            Some((name, _)) => redacted.extend([name, "=", HIDDEN]),
            None if is_web && !pair.is_empty() => redacted.push_str(HIDDEN),
            None => redacted.push_str(pair),
        }
        redacted.push_str(mark);
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
            ("file:///a@b/c?d=e", "file:///a@b/c?d=e"),
            ("\"http://h/?a=hush\" and s3://a:hush@b", "\"http://h/?a=…\" and s3://…@b"),
            ("zarr://http://me:hush@h/x", "zarr://http://…@h/x"),
        ] {
            assert_eq!(redact(text), expected, "{text}");
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
