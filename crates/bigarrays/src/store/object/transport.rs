//! What every request passes on its way to the network, and every response on its way back.
//!
//! `object_store` above this signs requests, repeats what is safe and resumes bodies; reqwest below
//! keeps the connections. Here requests get a time limit that heeds their size, responses of servers
//! that ignore ranges are cut, and nothing whose outcome is unknown is sent twice.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, IF_MATCH, IF_NONE_MATCH,
    RANGE, RETRY_AFTER, TRANSFER_ENCODING,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use tokio::time::{Instant, Sleep};

use super::checksum::Checksums;
use super::failure::{NoConditions, Unknown, chain};
use super::odd_keys;
use super::random::random;
use super::throttle::Throttle;

/// The slowest upload, in bytes per second, that is not taken for a dead one.
const SLOWEST: u64 = 64 << 10;

/// The longest body of unknown length that is collected to learn it.
const LONGEST_UNKNOWN: u64 = 1 << 30;

/// How requests are sent.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    /// How long nothing may arrive.
    pub(super) patience: Duration,
    /// How long a service may refuse because of too many requests.
    pub(super) endurance: Duration,
    /// Encodings that are asked for.
    pub(super) accept_encoding: Option<&'static str>,
    /// The query of each request to a web server.
    pub(super) query: Option<String>,
    /// Whether the server says how long each answer is, so that one that does not is broken off. Web servers need not.
    pub(super) says_lengths: bool,
    /// Set when the server answers a range with everything.
    pub(super) ignores_ranges: Arc<AtomicBool>,
    /// Told of every success and of every refusal for being too fast.
    pub(super) throttle: Arc<Throttle>,
    /// The connections, shared by all stores of the process.
    pub(super) connections: HttpClient,
}

impl HttpConnector for Transport {
    fn connect(&self, _: &object_store::ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// Marks requests for the value of an object, or for parts of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfValue {
    /// The most bytes that it can have.
    pub(super) max_len: u64,
}

impl OfValue {
    /// The mark, as requests carry it.
    pub(super) fn mark(max_len: u64) -> http::Extensions {
        let mut extensions = http::Extensions::new();
        extensions.insert(Self { max_len });
        extensions
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let value = request.extensions().get::<OfValue>().copied();
        if let (Some(_), Some(encodings)) = (value, self.accept_encoding) {
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(encodings));
        }
        self.complete(&mut request)?;
        let is_get = request.method() == Method::GET;
        let is_listing = value.is_none() && odd_keys::is_listing(request.method(), request.uri());
        let mut response = self.watched(self.send_patiently(request.clone()).await?);
        let Some(OfValue { max_len }) = value else {
            let is_list = is_listing && response.status() == StatusCode::OK;
            return if is_list { odd_keys::marked(response).await } else { Ok(response) };
        };
        match response.status() {
            StatusCode::OK if is_get => self.whole(response, &request, max_len).await,
            StatusCode::PARTIAL_CONTENT if is_get => self.part(response, request, max_len).await,
            // Who asks is to ask for a byte then.
            StatusCode::OK if !response.headers().contains_key(CONTENT_LENGTH) => {
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                Ok(response)
            }
            _ => Ok(response),
        }
    }
}

impl Transport {
    /// Sends a request, again and ever later while the service says that there are too many. Changes on
    /// conditions are sent once.
    async fn send_patiently(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(100);
        let is_conditional = is_conditional_change(&request);
        loop {
            let response = self.send(request.clone()).await?;
            self.throttle.heed(response.status());
            let is_refused =
                matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if !is_refused || is_conditional || start.elapsed() + pause > self.endurance {
                return Ok(response);
            }
            let said =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let said = said.map_or(Duration::ZERO, |seconds: u64| Duration::from_secs(seconds.min(60)));
            let jitter = Duration::from_millis(random() % pause.as_millis().max(1) as u64);
            tokio::time::sleep(said.max(pause / 2 + jitter)).await;
            pause = (pause * 2).min(Duration::from_secs(20));
        }
    }

    /// Gives a request for a web server the query of the URL, and a path that all servers read alike.
    fn complete(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let path = request.uri().path();
        if self.says_lengths || self.query.is_none() && !path.contains('+') {
            return Ok(());
        }
        let impossible = |_| undecodable("the URL cannot be requested");
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let path = path.replace('+', "%2B") + &query;
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query =
            Some(path.parse::<PathAndQuery>().map_err(|error| impossible(error.to_string()))?);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| impossible(error.to_string()))?;
        Ok(())
    }

    /// Sends a request within its time. What came of a change on a condition may stay unknown.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_conditional = is_conditional_change(&request);
        let limit = self.patience + Duration::from_secs(request.body().content_length() as u64 / SLOWEST);
        let sent = tokio::time::timeout(limit, self.connections.execute(request)).await;
        let unknown = |message: String| HttpError::new(HttpErrorKind::Unknown, Unknown(message));
        match sent.unwrap_or_else(|_| Err(timed_out(limit))) {
            Err(error) if is_conditional && error.kind() != HttpErrorKind::Connect => {
                Err(unknown(chain(&error)))
            }
            Ok(response) if is_conditional && response.status() == StatusCode::NOT_IMPLEMENTED => {
                // An error of this kind is not tried again.
                Err(HttpError::new(HttpErrorKind::Unknown, NoConditions))
            }
            Ok(response) if is_conditional && is_doubtful(response.status()) => {
                self.throttle.heed(response.status());
                Err(unknown(format!("the server answered {}", response.status())))
            }
            sent => sent,
        }
    }
}

/// Whether a server that answers so may have done what it was asked all the same.
fn is_doubtful(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// Whether a request changes something only on a condition, so that sending it twice may make the
/// second fail because the first succeeded.
fn is_conditional_change(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let is_change = request.method() == Method::PUT || request.method() == Method::POST;
    let has = |name: &str| headers.contains_key(name);
    is_change && (has(IF_MATCH.as_str()) || has(IF_NONE_MATCH.as_str()) || has("x-goog-if-generation-match"))
}

fn timed_out(limit: Duration) -> HttpError {
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {limit:?}"));
    HttpError::new(HttpErrorKind::Timeout, error)
}

fn undecodable(message: &'static str) -> HttpError {
    HttpError::new(HttpErrorKind::Decode, std::io::Error::other(message))
}

fn length_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Transport {
    /// The response with a body that fails when nothing comes for too long.
    fn watched(&self, response: HttpResponse) -> HttpResponse {
        let patience = self.patience;
        let quiet = || Box::pin(tokio::time::sleep(patience));
        let watch = |body| Watched { body, patience, quiet: quiet(), waits: false };
        response.map(|body| HttpResponseBody::new(watch(body)))
    }

    /// The answer of a server that sends the whole value, which is cut if `request` asked for a part.
    async fn whole(
        &self,
        response: HttpResponse,
        request: &HttpRequest,
        max_len: u64,
    ) -> Result<HttpResponse, HttpError> {
        let mut response = self.with_length(response, max_len).await?;
        match request.headers().get(RANGE) {
            Some(range) => self.cut(response, range),
            None => {
                let sums = Checksums::of(response.headers());
                response.extensions_mut().insert(sums);
                Ok(response)
            }
        }
    }

    /// The answer of a server that sends a part, with the lengths of the part and of the value, whatever of them the
    /// server says.
    async fn part(
        &self,
        mut response: HttpResponse,
        mut request: HttpRequest,
        max_len: u64,
    ) -> Result<HttpResponse, HttpError> {
        if !request.headers().contains_key(RANGE) {
            return Err(undecodable("a part of the value, though all of it was asked for"));
        }
        let headers = response.headers();
        let (start, end, total) = content_range(headers)
            .ok_or_else(|| undecodable("a part that does not say where it lies (Content-Range)"))?;
        if length_of(headers).is_some_and(|length| length != end - start) {
            return Err(undecodable("a part whose Content-Length and Content-Range contradict each other"));
        }
        let total = match total {
            Some(total) => total,
            None => match self.length(&request).await? {
                Some(total) => total,
                None => {
                    let range = request.headers_mut().remove(RANGE);
                    let whole = self.watched(self.send_patiently(request.clone()).await?);
                    request.headers_mut().extend(range.map(|range| (RANGE, range)));
                    return match whole.status() {
                        StatusCode::OK => self.whole(whole, &request, max_len).await,
                        _ => Ok(whole),
                    };
                }
            },
        };
        let headers = response.headers_mut();
        headers.remove(TRANSFER_ENCODING);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(end - start));
        headers.insert(CONTENT_RANGE, range_header(start, end, total)?);
        Ok(response)
    }

    /// How long the value is of which `request` asks for a part, if the server says so.
    async fn length(&self, request: &HttpRequest) -> Result<Option<u64>, HttpError> {
        let mut request = request.clone();
        *request.method_mut() = Method::HEAD;
        request.headers_mut().remove(RANGE);
        let answer = self.send_patiently(request).await?;
        Ok(length_of(answer.headers()).filter(|_| answer.status() == StatusCode::OK))
    }

    /// The answer of a server that ignored the range, as one that did not.
    fn cut(&self, response: HttpResponse, range: &HeaderValue) -> Result<HttpResponse, HttpError> {
        // Encoded answers are refused parts by servers that give them of others.
        if !response.headers().contains_key(CONTENT_ENCODING) {
            self.ignores_ranges.store(true, Ordering::Relaxed);
        }
        let total = length_of(response.headers()).ok_or_else(|| undecodable("no Content-Length"))?;
        let (mut parts, body) = response.into_parts();
        let Some((start, end)) = range.to_str().ok().and_then(|range| bounds(range, total)) else {
            parts.status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(HttpResponse::from_parts(parts, Vec::new().into()));
        };
        parts.status = StatusCode::PARTIAL_CONTENT;
        parts.headers.insert(CONTENT_RANGE, range_header(start, end, total)?);
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(end - start));
        Ok(HttpResponse::from_parts(
            parts,
            HttpResponseBody::new(Cut { body, skip: start, left: end - start }),
        ))
    }
}

/// Start, end and total of a Content-Range, the total if it is said.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (unit, range) = text.trim().split_once(' ')?;
    let (range, total) = range.split_once('/').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let (start, last) = range.split_once('-')?;
    let (start, last) = (start.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
    let end = last.checked_add(1).filter(|end| start < *end)?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok().filter(|total| end <= *total)?),
    };
    Some((start, end, total))
}

fn range_header(start: u64, end: u64, total: u64) -> Result<HeaderValue, HttpError> {
    let text = format!("bytes {start}-{}/{total}", end - 1);
    HeaderValue::from_str(&text).map_err(|_| undecodable("an impossible range"))
}

/// Start and end in a body of `total` bytes of a range as requests spell it.
fn bounds(range: &str, total: u64) -> Option<(u64, u64)> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (start.parse::<u64>(), end.parse::<u64>()) {
        (Ok(start), Ok(last)) => (start, last.saturating_add(1).min(total)),
        (Ok(start), Err(_)) => (start, total),
        (Err(_), Ok(length)) => (total.saturating_sub(length), total),
        _ => return None,
    };
    (start < end).then_some((start, end))
}

impl Transport {
    /// The response with the length of its body, which is collected to learn it if the server does not say it. Such
    /// a body is whole if it was sent in pieces up to a last one, as web servers may (RFC 9112, 6 to 8), or if its
    /// content encoding tells whether anything is missing.
    async fn with_length(&self, response: HttpResponse, max_len: u64) -> Result<HttpResponse, HttpError> {
        let headers = response.headers();
        if headers.contains_key(CONTENT_LENGTH) {
            return Ok(response);
        }
        let has_end = response.version() >= Version::HTTP_2 || headers.contains_key(TRANSFER_ENCODING);
        if !headers.contains_key(CONTENT_ENCODING) && (self.says_lengths || !has_end) {
            let error = std::io::Error::other("the server does not say how long its answer is");
            let kind = if self.says_lengths { HttpErrorKind::Interrupted } else { HttpErrorKind::Decode };
            return Err(HttpError::new(kind, error));
        }
        let (mut parts, mut body) = response.into_parts();
        let mut collected = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                if (collected.len() + data.len()) as u64 > max_len.min(LONGEST_UNKNOWN) {
                    return Err(undecodable("an endless answer"));
                }
                collected.extend_from_slice(&data);
            }
        }
        parts.headers.remove(TRANSFER_ENCODING);
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(collected.len()));
        Ok(HttpResponse::from_parts(parts, collected.into()))
    }
}

/// A body of which nothing may be heard only for so long.
struct Watched {
    body: HttpResponseBody,
    patience: Duration,
    quiet: Pin<Box<Sleep>>,
    /// Whether somebody waits for the next frame, and `quiet` runs.
    waits: bool,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waits = false;
            return Poll::Ready(frame);
        }
        if !std::mem::replace(&mut this.waits, true) {
            this.quiet.as_mut().reset(Instant::now() + this.patience);
        }
        this.quiet.as_mut().poll(cx).map(|()| Some(Err(timed_out(this.patience))))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The part of a body after `skip` bytes, `left` bytes long.
struct Cut {
    body: HttpResponseBody,
    skip: u64,
    left: u64,
}

impl Body for Cut {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        while this.left > 0 {
            let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
            let mut data = match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => data,
                Some(Ok(Err(_))) => continue,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let skipped = (data.len() as u64).min(this.skip);
            this.skip -= skipped;
            let mut data = data.split_off(skipped as usize);
            data.truncate(usize::try_from(this.left).unwrap_or(usize::MAX));
            this.left -= data.len() as u64;
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_say_where_they_lie() {
        for (text, expected) in [
            ("bytes 0-9/10", Some((0, 10, Some(10)))),
            ("bytes 5-9/*", Some((5, 10, None))),
            ("Bytes 5-9/10", Some((5, 10, Some(10)))),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes 0-9/9", None),
            ("bytes 9-3/10", None),
            ("bytes */10", None),
            ("items 0-9/10", None),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(text))]);
            assert_eq!(content_range(&headers), expected, "{text}");
        }
    }

    #[test]
    fn ranges_are_cut_as_asked() {
        for (range, expected) in [
            ("bytes=0-9", Some((0, 10))),
            ("bytes=5-500", Some((5, 100))),
            ("bytes=7-", Some((7, 100))),
            ("bytes=-10", Some((90, 100))),
            ("bytes=-1000", Some((0, 100))),
            ("bytes=100-101", None),
            ("bytes=9-3", None),
            ("items=0-3", None),
        ] {
            assert_eq!(bounds(range, 100), expected, "{range}");
        }
    }
}
