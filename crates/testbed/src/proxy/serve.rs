//! One request on its way through the proxy.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri, Version,
    body::{Body, Incoming},
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
        IF_MATCH, IF_NONE_MATCH, RETRY_AFTER, TRANSFER_ENCODING,
    },
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::sleep,
};

use super::{
    Fault, Recorded, Shared,
    body::{Down, InFlight, Up},
};

type Upstream = Client<HttpConnector, Up>;
type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type Answer = Response<Either<Full<Bytes>, Down>>;

/// Paths below this are the proxy's own.
const OWN: &str = "/.testbed/";
/// What one read of a socket may fetch.
const BUFFER: usize = 1 << 20;

/// What serves a connection.
pub(crate) fn connections(shared: Arc<Shared>) -> impl Fn(TcpStream) -> BoxFuture + Send + 'static {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let upstream: Upstream = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(2))
        .http1_max_buf_size(BUFFER)
        .build(connector);
    move |stream| {
        shared.count(|c| c.connections += 1);
        Box::pin(connection(Arc::clone(&shared), upstream.clone(), stream))
    }
}

async fn connection(shared: Arc<Shared>, upstream: Upstream, stream: TcpStream) {
    let reset = Arc::new(AtomicBool::new(false));
    let socket = TokioIo::new(Socket { stream, reset: Arc::clone(&reset) });
    let service = service_fn(|request| {
        let (shared, upstream, reset) = (Arc::clone(&shared), upstream.clone(), Arc::clone(&reset));
        async move { answer(shared, upstream, &reset, request).await }
    });
    // An error is a client that went away or a fault: either way there is nobody to tell.
    let _ = http1::Builder::new().max_buf_size(BUFFER).serve_connection(socket, service).await;
}

/// Answers a request; an error closes the connection.
async fn answer(
    shared: Arc<Shared>,
    upstream: Upstream,
    reset: &AtomicBool,
    mut request: Request<Incoming>,
) -> io::Result<Answer> {
    if let Some(name) = request.uri().path().strip_prefix(OWN) {
        let name = name.to_owned();
        return own(&shared, &name, request).await;
    }
    let (fault, latency, stall_for) = arrive(&shared, &request);
    let in_flight = InFlight(Arc::clone(&shared));
    if !latency.is_zero() {
        sleep(latency).await;
    }
    match fault {
        Some(Fault::Reset) => {
            reset.store(true, Ordering::Relaxed);
            return injected(&shared, Fault::Reset);
        }
        Some(Fault::Stall) => {
            shared.count(|c| count_fault(c, Fault::Stall));
            drained(request).await;
            sleep(stall_for).await;
            return Err(io::Error::other("stalled"));
        }
        Some(fault @ Fault::Status(status)) => {
            drained(request).await;
            return Ok(refusal(&shared, fault, status));
        }
        Some(fault @ (Fault::IgnoreConditions | Fault::RefuseConditions)) if is_conditional(&request) => {
            if fault == Fault::RefuseConditions {
                drained(request).await;
                return Ok(refusal(&shared, fault, StatusCode::NOT_IMPLEMENTED));
            }
            shared.count(|c| count_fault(c, fault));
            CONDITIONS.iter().for_each(|name| drop(request.headers_mut().remove(name)));
        }
        _ => {}
    }
    let method = request.method().clone();
    let response = match upstream.request(forwarded(request, &shared)).await {
        Ok(response) => response,
        Err(error) => {
            shared.count(|c| c.upstream_errors += 1);
            return Err(io::Error::other(error));
        }
    };
    if response.status() == StatusCode::NOT_FOUND && method.is_safe() && shared.state().faults.hide_missing {
        let _ = response.into_body().collect().await;
        return Ok(refusal(&shared, Fault::Status(StatusCode::FORBIDDEN), StatusCode::FORBIDDEN));
    }
    if let Some(fault @ (Fault::Lost | Fault::LostPut)) = fault {
        let _ = response.into_body().collect().await;
        return injected(&shared, fault);
    }
    Ok(passed(response, &method, in_flight, fault, stall_for))
}

/// Counts and records a request, and decides what it meets.
fn arrive(shared: &Shared, request: &Request<Incoming>) -> (Option<Fault>, Duration, Duration) {
    let mut state = shared.state();
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let fault = state.next_fault(request.method(), target);
    let counts = &mut state.counts;
    counts.requests += 1;
    counts.in_flight += 1;
    counts.peak_in_flight = counts.peak_in_flight.max(counts.in_flight);
    match counts.methods.get_mut(request.method().as_str()) {
        Some(count) => *count += 1,
        None => drop(counts.methods.insert(request.method().to_string(), 1)),
    }
    if let Some(recorded) = &mut state.recorded {
        recorded.push(record(request, fault));
    }
    (fault, state.faults.latency, state.faults.stall_for)
}

fn record(request: &Request<Incoming>, fault: Option<Fault>) -> Recorded {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Recorded {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
        headers: request.headers().iter().map(|(n, v)| (n.to_string(), text(v))).collect(),
        fault: fault.map(|f| f.to_string()),
    }
}

fn count_fault(counts: &mut super::Counts, fault: Fault) {
    *counts.faults.entry(fault.to_string()).or_default() += 1;
}

/// Counts a fault that closes the connection.
fn injected(shared: &Shared, fault: Fault) -> io::Result<Answer> {
    shared.count(|c| count_fault(c, fault));
    Err(io::Error::other(fault.to_string()))
}

/// The request as the server gets it: unchanged, but for the connection's own headers.
fn forwarded(request: Request<Incoming>, shared: &Arc<Shared>) -> Request<Up> {
    let (mut parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let authority = shared.upstream.to_string();
    parts.uri = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(target)
        .build()
        .expect("parts of a URI");
    parts.version = Version::HTTP_11;
    strip(&mut parts.headers);
    Request::from_parts(parts, Up::new(body, Arc::clone(shared)))
}

/// The answer as the client gets it.
fn passed(
    response: Response<Incoming>,
    method: &Method,
    in_flight: InFlight,
    fault: Option<Fault>,
    stall_for: Duration,
) -> Answer {
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_11;
    strip(&mut parts.headers);
    let empty = method == Method::HEAD || body.is_end_stream();
    let cut = fault.filter(|f| f.cuts_body() && !empty);
    in_flight.0.count(|c| {
        *c.statuses.entry(parts.status.as_u16()).or_default() += 1;
        if let Some(cut) = cut {
            count_fault(c, cut);
        }
    });
    if cut == Some(Fault::TruncateLying) {
        parts.headers.remove(CONTENT_LENGTH);
    }
    let is_head = method == Method::HEAD;
    let hidden = fault.filter(|fault| fault.hides_length() && !(is_head && *fault == Fault::UnknownTotal));
    if let Some(fault) = hidden {
        parts.headers.remove(CONTENT_LENGTH);
        in_flight.0.count(|counts| count_fault(counts, fault));
    }
    if hidden == Some(Fault::UnknownTotal) {
        hide_total(&mut parts.headers);
    }
    let body = match cut {
        Some(cut) => Down::half(body, in_flight, cut, stall_for),
        None => Down::whole(body, in_flight, hidden.is_some()),
    };
    Response::from_parts(parts, Either::Right(body))
}

/// Replaces the length of the whole in a Content-Range.
fn hide_total(headers: &mut HeaderMap) {
    let said = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let hidden = said.and_then(|said| Some(format!("{}/*", said.split_once('/')?.0)));
    if let Some(value) = hidden.and_then(|hidden| HeaderValue::from_str(&hidden).ok()) {
        headers.insert(CONTENT_RANGE, value);
    }
}

/// Removes what concerns one connection alone.
fn strip(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove("keep-alive");
    headers.remove(TRANSFER_ENCODING);
}

/// Takes the body in: a client that is still sending might not see the answer, and its leaving would
/// not be noticed.
async fn drained(request: Request<Incoming>) {
    let _ = request.into_body().collect().await;
}

/// Headers that make a change conditional.
const CONDITIONS: [HeaderName; 3] =
    [IF_MATCH, IF_NONE_MATCH, HeaderName::from_static("x-goog-if-generation-match")];

fn is_conditional(request: &Request<Incoming>) -> bool {
    !request.method().is_safe() && CONDITIONS.iter().any(|name| request.headers().contains_key(name))
}

/// The answer of a busy or broken service, with a body as S3 words it.
fn refusal(shared: &Shared, fault: Fault, status: StatusCode) -> Answer {
    shared.count(|c| {
        count_fault(c, fault);
        *c.statuses.entry(status.as_u16()).or_default() += 1;
    });
    let code = match status {
        StatusCode::SERVICE_UNAVAILABLE => "SlowDown",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::FORBIDDEN => "AccessDenied",
        StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
        StatusCode::NOT_IMPLEMENTED => "NotImplemented",
        _ => "Injected",
    };
    let text =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>");
    let mut response = plain(status, "application/xml", text);
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("0"));
    }
    response
}

fn plain(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut response = Response::new(Either::Left(Full::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The proxy's own pages, which are not counted: what another process reads and sets.
async fn own(shared: &Shared, name: &str, request: Request<Incoming>) -> io::Result<Answer> {
    let method = request.method().clone();
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let result = own_page(shared, &method, name, &String::from_utf8_lossy(&body));
    Ok(match result {
        Ok(Some(json)) => plain(StatusCode::OK, "application/json", json + "\n"),
        Ok(None) => plain(StatusCode::NOT_FOUND, "text/plain", format!("no {method} {name}\n")),
        Err(error) => plain(StatusCode::BAD_REQUEST, "text/plain", format!("{error:#}\n")),
    })
}

fn own_page(shared: &Shared, method: &Method, name: &str, body: &str) -> Result<Option<String>> {
    let done = Some("{}".to_owned());
    match (method.as_str(), name) {
        ("GET", "counts") => Ok(Some(serde_json::to_string(&shared.state().counts)?)),
        ("GET", "recorded") => {
            let recorded = shared.state().recorded.get_or_insert_default().clone();
            Ok(Some(serde_json::to_string(&recorded)?))
        }
        ("POST", "reset") => {
            let mut state = shared.state();
            state.counts.reset();
            state.recorded.iter_mut().for_each(Vec::clear);
            Ok(done)
        }
        ("POST", "faults") => {
            let faults: super::Faults = body.parse()?;
            let mut state = shared.state();
            let (latency, stall_for) = (state.faults.latency, state.faults.stall_for);
            state.set(faults.latency(latency).stall_for(stall_for));
            Ok(done)
        }
        ("POST", "latency") => {
            shared.state().faults.latency = Duration::from_secs_f64(body.trim().parse::<f64>()? / 1000.0);
            Ok(done)
        }
        ("POST", "inject") => {
            let (method, fault) = body.trim().split_once(' ').unwrap_or(("*", body.trim()));
            shared.inject(method, fault.parse()?)?;
            Ok(done)
        }
        _ => Ok(None),
    }
}

/// A client's connection, which is reset instead of closed when a fault says so.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closing in order would send FIN before the RST.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
