//! From what services answer to errors that say what to do.

use std::error::Error as StdError;
use std::fmt;

use object_store::client::{HttpError, HttpErrorKind};

use super::place::Service;
use crate::base::error::{Error, ErrorKind};
use crate::base::text::{redact, without_queries};
use crate::store::settings::is_secret;

/// The longest account of a cause.
const LONGEST: usize = 600;

/// The shortest secret that is looked for: a shorter one is found in words.
const SHORTEST: usize = 6;

/// An error and what caused it, each said once, without secrets.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = without_known(without_queries(&redact(&text)).into_owned());
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// `text` without the secrets that the environment holds for services: what a library below repeats of its
/// configuration is not foreseen.
fn without_known(mut text: String) -> String {
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        let is_of_service = ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix));
        let value = value.trim();
        if is_of_service && value.len() >= SHORTEST && is_secret(&name.to_ascii_lowercase()) {
            text = text.replace(value, "…");
        }
    }
    text
}

/// An underlying error, as it may be shown.
#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

/// The outcome of a change on a condition is unknown: it may have been made or not.
#[derive(Debug)]
pub(super) struct Unknown(pub(super) String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Unknown {}

/// The service does not know changes on conditions. Nothing was changed.
#[derive(Debug)]
pub(super) struct NoConditions;

impl fmt::Display for NoConditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server answered 501 Not Implemented")
    }
}

impl StdError for NoConditions {}

/// A service sends requests that carry credentials to another host.
#[derive(Debug)]
pub(super) struct Elsewhere(pub(super) String);

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service redirects to another host, {}", self.0)
    }
}

impl StdError for Elsewhere {}

/// What the service calls the failure, from the body of its answer.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

/// Whether an answer means that there is no such object, in a bucket that exists.
pub(super) fn is_missing(error: &object_store::Error) -> bool {
    let object_store::Error::NotFound { source, .. } = error else { return false };
    // A server that does not know the method says nothing about the object.
    if status(error) == Some(405) {
        return false;
    }
    let text = chain(&**source);
    ![
        "NoSuchBucket",
        "ContainerNotFound",
        "NoSuchContainer",
        "AccountNotFound",
        "The specified bucket does not exist",
    ]
    .iter()
    .any(|other| text.contains(other))
}

/// What to do where a service has no conditional writes.
pub(super) const ALONE: &str = "parts of chunks written by several writers could be lost here; write whole \
    chunks, or open with lock=False (--no-lock) if this is the only writer";

/// Whether the outcome of a change is unknown.
pub(super) fn is_unknown(error: &object_store::Error) -> bool {
    is_caused_by::<Unknown>(error)
}

/// Whether the service knows no changes on conditions.
pub(super) fn knows_no_conditions(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    matches!(error, E::NotImplemented { .. } | E::NotSupported { .. }) || is_caused_by::<NoConditions>(error)
}

fn is_caused_by<T: StdError + 'static>(error: &object_store::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<T>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// What `error` means for `location`, with advice.
pub(super) fn explain(
    error: object_store::Error,
    service: Service,
    operation: &'static str,
    location: String,
) -> Error {
    let text = chain(&error);
    let answered = code(&text).and_then(|code| of_code(code, &text, service));
    let (kind, advice) = answered.unwrap_or_else(|| of_kind(&error, &text, service));
    let message = if advice.is_empty() { text } else { format!("{advice} ({text})") };
    let is_passing = kind == ErrorKind::Storage && (is_unknown(&error) || is_passing(&error));
    let cause = Cause(chain(&error));
    let failure = Error::new(kind, message).caused_by(cause).during(operation).at(location);
    if is_passing { failure.retryable() } else { failure }
}

/// What the code of an answer means, and what to do.
fn of_code(code: &str, text: &str, service: Service) -> Option<(ErrorKind, String)> {
    Some(match code {
        "NoSuchBucket" | "ContainerNotFound" => (ErrorKind::NotFound, no_bucket(service)),
        code if is_region(code) => (ErrorKind::InvalidArgument, region(text)),
        "InvalidAccessKeyId"
        | "NotSignedUp"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "AuthenticationFailed"
        | "AuthorizationFailure" => {
            (ErrorKind::PermissionDenied, format!("{code}: {}", credentials(service)))
        }
        _ => return None,
    })
}

/// What an error without such a code means, and what to do.
fn of_kind(error: &object_store::Error, text: &str, service: Service) -> (ErrorKind, String) {
    use object_store::Error as E;
    // What lists are answered comes without a kind.
    let is_status = |status: &str| matches!(error, E::Generic { .. }) && text.contains(status);
    match error {
        _ if matches!(error, E::NotFound { .. }) || is_status("404 Not Found") => {
            (ErrorKind::NotFound, no_bucket(service))
        }
        _ if matches!(error, E::Unauthenticated { .. }) || is_status("401 Unauthorized") => {
            (ErrorKind::PermissionDenied, credentials(service).to_owned())
        }
        _ if matches!(error, E::PermissionDenied { .. }) || is_status("403 Forbidden") => {
            (ErrorKind::PermissionDenied, permission(service).to_owned())
        }
        E::AlreadyExists { .. } => (ErrorKind::AlreadyExists, String::new()),
        _ if knows_no_conditions(error) => (ErrorKind::Unsupported, ALONE.to_owned()),
        E::InvalidPath { .. } => (ErrorKind::InvalidArgument, String::new()),
        _ if text.contains("BareRedirect") || text.contains("without LOCATION") => {
            (ErrorKind::InvalidArgument, region(text))
        }
        _ if text.contains("URL scheme is not allowed") => {
            let advice =
                "plain http is refused: set allow_http=true (AWS_ALLOW_HTTP) if the network is trusted";
            (ErrorKind::InvalidArgument, advice.to_owned())
        }
        _ if is_caused_by::<Elsewhere>(error) => {
            let advice = "credentials are not sent to another host: ".to_owned() + &region(text);
            (ErrorKind::InvalidArgument, advice)
        }
        _ => (ErrorKind::Storage, String::new()),
    }
}

/// The status that the service answered, if it answered.
pub(super) fn status(error: &object_store::Error) -> Option<u16> {
    let text = chain(error);
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// Whether an answer came, but broke off or cannot be understood: reads and removals may ask again.
pub(super) fn is_broken_answer(error: &object_store::Error) -> bool {
    let text = chain(error);
    let is_invalid = text.split_once("Got invalid ").is_some_and(|(_, what)| what.contains(" response: "));
    is_invalid || text.contains("response body")
}

/// Whether the same request may succeed later.
fn is_passing(error: &object_store::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            use HttpErrorKind::{Connect, Interrupted, Request, Timeout};
            return matches!(error.kind(), Connect | Interrupted | Request | Timeout);
        }
        next = error.source();
    }
    matches!(status(error), Some(408 | 429 | 500 | 502 | 503 | 504)) || is_broken_answer(error)
}

fn is_region(code: &str) -> bool {
    matches!(
        code,
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"
    )
}

fn region(text: &str) -> String {
    let named =
        text.split_once("<Region>").and_then(|(_, rest)| rest.split_once("</Region>")).map(|(name, _)| name);
    match named {
        Some(name) => format!("wrong region; the bucket is in {name}: set region={name} (AWS_REGION)"),
        None => "wrong region or endpoint: set region (AWS_REGION) or endpoint (AWS_ENDPOINT_URL)".to_owned(),
    }
}

fn no_bucket(service: Service) -> String {
    match service {
        Service::S3 => "there is no such bucket; check its name, region and endpoint (AWS_ENDPOINT_URL)",
        Service::Gcs => "there is no such bucket; check its name and GOOGLE_BASE_URL",
        Service::Azure => {
            "there is no such container; check its name and the account (AZURE_STORAGE_ACCOUNT_NAME)"
        }
        Service::Http => "the server does not have it",
    }
    .to_owned()
}

fn credentials(service: Service) -> &'static str {
    match service {
        Service::S3 => {
            "no valid credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or choose a profile \
             (AWS_PROFILE), or anonymous=true for public data"
        }
        Service::Gcs => {
            "no valid credentials: run `gcloud auth application-default login`, or set \
             GOOGLE_APPLICATION_CREDENTIALS, or anonymous=true for public data"
        }
        Service::Azure => {
            "no valid credentials: set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or run `az login` \
             and set AZURE_USE_AZURE_CLI=true, or anonymous=true for public data"
        }
        Service::Http => "the server wants credentials: set the store option bearer_token",
    }
}

fn permission(service: Service) -> &'static str {
    match service {
        Service::S3 => {
            "access denied: the credentials may not do this here (reading needs s3:GetObject, and s3:ListBucket \
             to tell missing from forbidden; writing s3:PutObject and s3:DeleteObject)"
        }
        Service::Gcs => "access denied: the account needs storage.objects.get, .list, .create and .delete",
        Service::Azure => {
            "access denied: the account needs the role Storage Blob Data Contributor, or Reader to read"
        }
        Service::Http => "the server refuses access",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_found(text: &str) -> object_store::Error {
        object_store::Error::NotFound { path: "k".into(), source: text.into() }
    }

    #[test]
    fn a_missing_bucket_is_not_a_missing_chunk() {
        assert!(is_missing(&not_found("404 Not Found: <Code>NoSuchKey</Code>")));
        assert!(!is_missing(&not_found("404 Not Found: <Code>NoSuchBucket</Code>")));
        let denied = object_store::Error::PermissionDenied { path: "k".into(), source: "403".into() };
        assert!(!is_missing(&denied));
        let error = explain(denied, Service::S3, "reading", "s3://b/k".into());
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false));
        assert!(error.to_string().starts_with("reading s3://b/k: permission denied: access denied"));
    }

    #[test]
    fn a_wrong_region_names_the_right_one() {
        let source = "400: <Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>";
        let error = object_store::Error::Generic { store: "S3", source: source.into() };
        let error = explain(error, Service::S3, "reading", "s3://b/k".into());
        assert!(error.to_string().contains("region=eu-west-1"), "{error}");
    }
}
