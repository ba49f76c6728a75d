//! The server: connections, and what is done for each request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bigarrays::base::text::shown;
use bigarrays::{Error, ErrorKind};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::answer::{Answer, Content, allow, content, refusal};
use crate::draw::{Drawn, draw};
use crate::guard::{Admission, Guard};
use crate::info::costs;
use crate::kept::Pyramid;
use crate::page;
use crate::patience::Patient;
use crate::route::{LONGEST, Route};
use crate::tile;
use crate::tiles::{Key, Tiles};

/// Connections at once.
const CONNECTIONS: usize = 256;

/// How long a client may take for its headers, and between one request and the next.
const HEADERS_WITHIN: Duration = Duration::from_secs(20);

/// Bytes and number of the headers of a request.
const HEADER_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;

/// The header of an answer that says how many bytes would have to be read.
const NEEDED: &str = "bigarrays-needs";

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) guard: Guard,
    pub(crate) tiles: Tiles,
    /// The state and the metadata of each layer.
    pub(crate) state: Content,
    pub(crate) infos: Vec<Content>,
    /// What the layers are, for the page.
    pub(crate) layers: Content,
    /// What tells this server's answers from those of an earlier one.
    pub(crate) tag: String,
    /// Reads at once.
    pub(crate) reads: Arc<Semaphore>,
    pub(crate) counts: Counts,
}

impl Shared {
    /// What there is of the kept levels of each layer.
    pub(crate) fn pyramids(&self) -> Vec<Option<Pyramid>> {
        self.tiles.layers.iter().map(|layer| layer.kept.as_ref().map(|kept| kept.state())).collect()
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Reads that ended early since nobody waits for them.
    pub(crate) dropped: AtomicU64,
    /// All reads that were begun.
    begun: AtomicU64,
}

/// Serves all who come.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    connection(stream, shared).await;
                    drop(place);
                });
            }
            // Too many open files, or a client that is gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Whether small packets wait does not matter to what is answered.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(shared, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS);
    // An error is a client that is gone, or that does not speak HTTP: there is nobody to tell.
    let _ = http.serve_connection(TokioIo::new(Patient::new(stream)), service).await;
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let headers = request.headers();
    let mut answer = if has_body(&request) {
        let mut answer = refusal(StatusCode::PAYLOAD_TOO_LARGE, "requests have no body here");
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        answer
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        refusal(StatusCode::METHOD_NOT_ALLOWED, "arrays are only read here")
    } else if request.uri().path().len() > LONGEST || request.uri().authority().is_some() {
        refusal(StatusCode::BAD_REQUEST, "no such address")
    } else {
        match shared.guard.admit(request.uri().path(), headers) {
            Admission::Foreign => {
                refusal(StatusCode::FORBIDDEN, "this server is asked by its own page alone")
            }
            Admission::Unknown => refusal(StatusCode::NOT_FOUND, "nothing is here"),
            Admission::Granted(path, origin) => {
                let is_own = origin.is_none() && *request.method() == Method::GET;
                let mut answer = granted(&shared, path, headers, is_own).await;
                origin.iter().for_each(|origin| allow(&mut answer, origin));
                answer
            }
        }
    };
    if request.method() == Method::HEAD {
        let length = answer.body().size_hint().exact().unwrap_or(0);
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        *answer.body_mut() = Default::default();
    }
    answer
}

fn has_body(request: &Request<Incoming>) -> bool {
    let length = request.headers().get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    length || request.headers().contains_key(TRANSFER_ENCODING) || !request.body().is_end_stream()
}

/// Answers whoever may ask; `is_own` is a page of this server that fetches something.
async fn granted(shared: &Arc<Shared>, path: &str, headers: &HeaderMap, is_own: bool) -> Answer {
    let nothing = || refusal(StatusCode::NOT_FOUND, "nothing is here");
    match Route::parse(path) {
        Some(Route::Page(name)) => page(name, &shared.tag, headers).unwrap_or_else(nothing),
        Some(Route::Picture(plane)) => match read(shared, move |tiles| draw(&tiles.layers, &plane)).await {
            Ok(Drawn::Png(png)) => {
                let png = Content { bytes: png.into(), unzipped: None };
                content(headers, "image/png", &png, &tag_of(&png))
            }
            Ok(Drawn::Takes(bytes, limit)) => too_much(bytes, limit),
            Err(answer) => answer,
        },
        Some(Route::Layers) => json(headers, &shared.layers, &shared.tag),
        Some(Route::Value(layer, at)) if layer < shared.tiles.layers.len() => {
            value(shared, layer, at, headers).await
        }
        Some(Route::Pyramids) => {
            let texts = shared.pyramids().into_iter().map(|state| state.map(|state| state.to_string()));
            fresh(headers, &texts.collect())
        }
        Some(Route::Counts) => {
            let [begun, dropped] =
                [&shared.counts.begun, &shared.counts.dropped].map(|count| count.load(Ordering::Relaxed));
            fresh(headers, &serde_json::json!({ "reads": begun, "dropped": dropped }))
        }
        Some(Route::Costs) => fresh(headers, &costs(&shared.tiles.layers)),
        // Only who looks at the page may say so: neither other pages nor links.
        Some(Route::Allow(..)) if !is_own => {
            refusal(StatusCode::FORBIDDEN, "the page itself lets more be read")
        }
        Some(Route::Allow(layer, bytes)) => match shared.tiles.layers.get(layer) {
            Some(layer) => {
                layer.allow(bytes);
                fresh(headers, &serde_json::json!({ "limit": layer.limit() }))
            }
            None => nothing(),
        },
        Some(Route::State) => json(headers, &shared.state, &shared.tag),
        Some(Route::Info(layer)) => {
            shared.infos.get(layer).map_or_else(nothing, |info| json(headers, info, &shared.tag))
        }
        Some(Route::Tile(layer, at, level, part)) => {
            let known = shared.tiles.layers.get(layer).and_then(|layer| layer.levels.get(level));
            let (cost, limit) =
                shared.tiles.layers.get(layer).map_or((0, 0), |layer| (layer.cost, layer.limit()));
            match known.filter(|level| level.is_tile(&part) && level.expect_within(&at).is_ok()) {
                Some(_) if cost > limit => too_much(cost, limit),
                Some(_) => send(shared, (layer, level, at, part), headers).await,
                None => nothing(),
            }
        }
        Some(Route::Value(..)) | None => nothing(),
    }
}

/// A file of the page; without a name that of Neuroglancer, or the plain one where it is not in this build.
fn page(name: &str, tag: &str, headers: &HeaderMap) -> Option<Answer> {
    let name = match (name, page::has_page()) {
        ("", true) => "index.html",
        ("", false) => "plain.html",
        (name, _) => name,
    };
    if let Some((kind, text)) = page::plain(name) {
        return Some(content(headers, kind, &Content::of(text.as_bytes().to_vec()), &format!("{tag}-plain")));
    }
    let (kind, bytes) = page::file(name)?;
    Some(content(headers, kind, &zipped(bytes), &format!("{tag}-page")))
}

/// What is not the same each time.
fn fresh(headers: &HeaderMap, value: &serde_json::Value) -> Answer {
    let text = Content::of(value.to_string().into_bytes());
    json(headers, &text, &tag_of(&text))
}

/// The answer to who asks for what takes more than it may, which says how much that is.
fn too_much(bytes: u64, limit: u64) -> Answer {
    let reason = format!(
        "{bytes} bytes have to be read to compute this, more than the {limit} that it may be; save it, let a tile read more \
        (tile_bytes), or let it be read on the page of the viewer"
    );
    let mut answer = refusal(StatusCode::INSUFFICIENT_STORAGE, &reason);
    answer.headers_mut().insert(NEEDED, bytes.into());
    answer
}

fn json(headers: &HeaderMap, text: &Content, tag: &str) -> Answer {
    content(headers, "application/json", text, tag)
}

fn zipped(bytes: &'static [u8]) -> Content {
    // The last four bytes of a gzip say how many it is of.
    let length = bytes.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    Content { bytes: bytes.into(), unzipped: Some(length as usize) }
}

/// Asks work to stop when nobody waits for it any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does work that reads, as long as the client waits for it.
async fn read<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Tiles) -> bigarrays::Result<T> + Send + 'static,
) -> Result<T, Answer> {
    let stopped = Arc::new(AtomicBool::new(false));
    let _wanted = Wanted(Arc::clone(&stopped));
    let Ok(turn) = Arc::clone(&shared.reads).acquire_owned().await else {
        return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "the viewer is being closed"));
    };
    shared.counts.begun.fetch_add(1, Ordering::Relaxed);
    let own = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let is_stopped = || stopped.load(Ordering::Relaxed);
        let found = bigarrays::interruptible(&is_stopped, || {
            bigarrays::check_interrupt()?;
            work(&own.tiles)
        });
        if is_stopped() {
            own.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        found
    });
    match done.await {
        Ok(found) => found.map_err(|error| failure(&error)),
        Err(_) => Err(refusal(StatusCode::INTERNAL_SERVER_ERROR, "reading ended early")),
    }
}

async fn send(shared: &Arc<Shared>, key: Key, headers: &HeaderMap) -> Answer {
    // What is kept waits for no read.
    let found = match shared.tiles.kept(&key) {
        Some(tile) => Ok(tile),
        None => read(shared, move |tiles| tiles.get(&key)).await,
    };
    match found {
        // The one answer that means zeros to the viewer.
        Ok(tile) if tile.bytes.is_empty() => {
            refusal(StatusCode::NOT_FOUND, "nothing is stored here: it is zero")
        }
        Ok(tile) => content(headers, "application/octet-stream", &tile, &tag_of(&tile)),
        Err(answer) => answer,
    }
}

async fn value(shared: &Arc<Shared>, layer: usize, at: Vec<i64>, headers: &HeaderMap) -> Answer {
    match read(shared, move |tiles| tile::value(&tiles.layers[layer], &at)).await {
        Ok(texts) => fresh(headers, &texts.into()),
        Err(answer) => answer,
    }
}

/// What tells the contents of a tile from others.
fn tag_of(tile: &Content) -> String {
    format!("{:08x}-{:x}", libdeflater::crc32(&tile.bytes), tile.bytes.len())
}

fn failure(error: &Error) -> Answer {
    let status = match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::OutOfBounds => StatusCode::BAD_REQUEST,
        ErrorKind::MemoryBudget => StatusCode::INSUFFICIENT_STORAGE,
        // To the viewer, what is not found would be elements that are zero.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refusal(status, &shown(&error.to_string()))
}

/// Listens on an address.
///
/// # Errors
/// `Storage` if that cannot be.
pub(crate) async fn listen(address: SocketAddr) -> bigarrays::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| Error::io(error, "listening on", address.to_string()))
}
