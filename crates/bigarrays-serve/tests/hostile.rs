//! Whoever asks for what is not there, in whatever way, is refused, and nothing but chunks of the arrays is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bigarrays::ndarray::Array3;
use bigarrays::store::{ChangeFn, Get, GetSink, MemoryStore, Store, Update};
use bigarrays::{Array, CreateSpec, DataType, OpenOptions, Result};
use bigarrays_serve::{Layer, ViewOptions, Viewer};

/// A store that notes what is asked for.
#[derive(Debug)]
struct Noted {
    inner: Arc<dyn Store>,
    prefix: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Noted {
    fn note(&self, key: &str) {
        self.asked.lock().unwrap().push(format!("{}{key}", self.prefix));
    }
}

impl Store for Noted {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let (inner, asked) = (self.inner.child(path)?, Arc::clone(&self.asked));
        Ok(Arc::new(Self { inner, asked, prefix: format!("{}{path}/", self.prefix) }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        requests.iter().for_each(|request| self.note(&request.key));
        self.inner.get_many(requests, sink)
    }

    fn update_many(&self, updates: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.inner.update_many(updates, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.note(&format!("list {prefix}"));
        self.inner.list(prefix, found)
    }
}

struct Served {
    viewer: Viewer,
    asked: Arc<Mutex<Vec<String>>>,
    host: String,
    token: String,
}

fn served() -> Served {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut spec = CreateSpec::new(DataType::U16, "-10:90,0:80,0:60".parse().unwrap());
    spec.storage.chunk_shape = Some(vec![32, 32, 32]);
    let made = OpenOptions::new().create((&store, "em"), &spec).unwrap();
    let value = |(x, y, z): (usize, usize, usize)| (x + 100 * y + 7 * z) as u16;
    made.write(&[-10, 0, 0], Array3::from_shape_fn((100, 80, 60), value).view()).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted: Arc<dyn Store> =
        Arc::new(Noted { inner: store, prefix: String::new(), asked: Arc::clone(&asked) });
    let array: Array = OpenOptions::new().read_only(true).open((&noted, "em")).unwrap();
    // A page that is elsewhere, so that this build needs none.
    let options =
        ViewOptions { neuroglancer: Some("http://elsewhere.example/".into()), ..ViewOptions::default() };
    let viewer = Viewer::start(&[Layer::new("em", array)], &options).unwrap();
    let base = viewer.base().strip_prefix("http://").unwrap();
    let (host, token) = base.trim_end_matches('/').split_once('/').unwrap();
    let (host, token) = (host.to_owned(), token.to_owned());
    Served { viewer, asked, host, token }
}

/// What is answered to these bytes: the status, or zero where the connection was closed, and all of it.
fn sent(host: &str, bytes: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The server may have closed the connection before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let status = answer
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
    (status.unwrap_or(0), answer)
}

fn get(host: &str, path: &str, headers: &str) -> (u16, Vec<u8>) {
    sent(
        host,
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n").as_bytes(),
    )
}

fn body(answer: &[u8]) -> &[u8] {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    &answer[at + 4..]
}

/// The most memory that this process had.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Numbers that are as good as any.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.next(all.len())]
    }
}

const DOTS: [&str; 14] = [
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%5c",
    "..\\",
    "%252e%252e/",
    "..%c0%af",
    "%c0%ae%c0%ae/",
    "..;/",
    ".%00./",
    "....//",
    "%uff0e%uff0e/",
    "./",
];
const FILES: [&str; 8] = [
    "etc/passwd",
    "proc/self/environ",
    "info",
    "em/info",
    "32_32_32/0-32_0-32_0-32",
    "index.html",
    "",
    "%00",
];
const TILES: [&str; 12] = [
    "0-64_0-64_0-64",
    "-10-54_0-64_0-61",
    "-9-23_0-32_0-32",
    "9223372036854775807-9223372036854775807_0-1_0-1",
    "-9223372036854775808-9223372036854775807_0-1_0-1",
    "99999999999999999999999999-1_0-1_0-1",
    "-10-22_0-32",
    "-10-22_0-32_0-32_0-32",
    "a-b_c-d_e-f",
    "22--10_0-32_0-32",
    "-10-22_0-32_0-32%00",
    "-10-22_0-32_0-32/../../info",
];

/// A request that nothing but a refusal is the answer to.
fn hostile(random: &mut Random, host: &str, token: &str) -> Vec<u8> {
    let dots: String = (0..=random.next(6)).map(|_| DOTS[random.next(DOTS.len())]).collect();
    let path = match random.next(6) {
        0 => format!("/{token}/{dots}{}", random.of(&FILES)),
        1 => format!("/{token}/arrays/{dots}{}", random.of(&FILES)),
        2 => format!("/{token}/arrays/0/{}/{}", random.next(99), random.of(&TILES)),
        3 => format!(
            "/{token}/arrays/{}/{}",
            random.of(&["1", "18446744073709551616", "-1", "00", "0x0"]),
            "info"
        ),
        4 => format!("/{}/arrays/0/info", token.chars().rev().collect::<String>()),
        _ => format!("/{dots}{}", random.of(&FILES)),
    };
    let line =
        |method: &str, path: &str, rest: &str| format!("{method} {path} HTTP/1.1\r\n{rest}\r\n").into_bytes();
    let own = format!("Host: {host}\r\nConnection: close\r\n");
    let good = format!("/{token}/arrays/0/info");
    match random.next(12) {
        0 => line("GET", &good, "Host: evil.example\r\nConnection: close\r\n"),
        1 => line("GET", &good, &format!("{own}Origin: http://evil.example\r\n")),
        2 => line("GET", &good, &format!("{own}Origin: null\r\n")),
        3 => line("GET", &good, "Connection: close\r\n"),
        4 => line("GET", &good, &format!("{own}Host: evil.example\r\n")),
        5 => line(random.of(&["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH"]), &good, &own),
        6 => line("GET", &good, &format!("{own}Content-Length: 99999999999\r\n")),
        7 => line("GET", &good, &format!("{own}Transfer-Encoding: chunked\r\n")),
        8 => line("GET", &good, &format!("{own}{}", "X: y\r\n".repeat(500))),
        9 => line("GET", &good, &format!("{own}X: {}\r\n", "y".repeat(100_000))),
        10 => line("GET", &format!("{good}{}", "a".repeat(random.next(100_000) + 1)), &own),
        _ => line("GET", &path, &own),
    }
}

#[test]
fn ten_thousand_hostile_requests_are_refused_and_read_nothing() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        before(info);
    }));
    let Served { viewer, asked, host, token } = served();
    asked.lock().unwrap().clear();
    let before = peak();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (host, token) = (&host, &token);
            scope.spawn(move || {
                let mut random = Random(thread);
                for _ in 0..2500 {
                    let request = hostile(&mut random, host, token);
                    let (status, answer) = sent(host, &request);
                    let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
                    assert!(status == 0 || (400..500).contains(&status), "{shown}: {status}");
                    assert!(!answer.windows(8).any(|eight| eight == b"num_chan"), "{shown}");
                }
            });
        }
    });
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new(), "what was refused has been read");
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    assert!(peak() - before < 64 << 20, "{} bytes more", peak() - before);
    // And it still answers.
    assert_eq!(get(&host, &format!("/{token}/arrays/0/info"), "").0, 200);
    drop(viewer);
    assert!(TcpStream::connect(&host).is_err() || get_after_close(&host), "it is closed");
}

/// Whether a connection that the system still takes is not answered.
fn get_after_close(host: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(host) else { return true };
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).is_err() || answer.is_empty()
}

/// Nothing of this crate opens files: arrays and what is kept of them do, by addresses that whoever starts the viewer gives.
#[test]
fn no_source_of_the_server_names_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let text: String = text.lines().filter(|line| !line.trim_start().starts_with("///")).collect();
        for way in [
            "std::fs",
            "tokio::fs",
            "File::",
            "OpenOptions",
            "FileStore",
            "store::open",
            "Array::open",
            "Command",
        ] {
            assert!(!text.contains(way), "{way}");
        }
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn tiles_are_the_elements_and_only_their_chunks_are_read() {
    let Served { viewer, asked, host, token } = served();
    asked.lock().unwrap().clear();
    let path = format!("/{token}/arrays/0/0/-10-22_0-32_0-32");
    let (status, answer) = get(&host, &path, "");
    assert_eq!(status, 200);
    let expected: Vec<u8> = (0..32u16 * 32 * 32)
        .flat_map(|at| (at % 32 + 100 * (at / 32 % 32) + 7 * (at / 1024)).to_le_bytes())
        .collect();
    assert!(body(&answer) == expected);
    assert_eq!(asked.lock().unwrap().len(), 1, "{asked:?}");
    // It is kept, and not sent to who has it.
    let tag = String::from_utf8_lossy(&answer)
        .lines()
        .find_map(|line| line.strip_prefix("etag: ").map(str::to_owned));
    let (status, again) = get(&host, &path, &format!("If-None-Match: {}\r\n", tag.unwrap()));
    assert_eq!((status, body(&again).len()), (304, 0));
    let (status, short) = get(&host, &path, "Accept-Encoding: gzip, br\r\n");
    assert!(status == 200 && String::from_utf8_lossy(&short).contains("content-encoding: gzip"));
    assert_eq!(asked.lock().unwrap().len(), 1);
    drop(viewer);
}

#[test]
fn who_is_slow_keeps_nobody_waiting() {
    let Served { viewer, host, token, .. } = served();
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&host).unwrap();
            stream.write_all(b"GET /").unwrap();
            stream
        })
        .collect();
    assert_eq!(get(&host, &format!("/{token}/arrays/0/info"), "").0, 200);
    drop((slow, viewer));
}

#[test]
fn pages_of_an_allowed_origin_may_read() {
    let array = OpenOptions::new()
        .create("memory://allowed", &CreateSpec::new(DataType::U8, "0:9,0:9,0:9".parse().unwrap()));
    let options = ViewOptions {
        allow_origin: vec!["https://hub.example".into()],
        neuroglancer: Some("https://elsewhere.example/app/".into()),
        ..ViewOptions::default()
    };
    let viewer = Viewer::start(&[Layer::new("a", array.unwrap())], &options).unwrap();
    assert!(viewer.url().starts_with("https://elsewhere.example/app/#!%7B"), "{}", viewer.url());
    let base = viewer.base().strip_prefix("http://").unwrap();
    let (host, path) = base.split_once('/').unwrap();
    for (origin, status) in
        [("https://hub.example", 200), ("https://elsewhere.example", 200), ("https://other.example", 403)]
    {
        let (found, answer) = get(host, &format!("/{path}arrays/0/info"), &format!("Origin: {origin}\r\n"));
        assert_eq!(found, status, "{origin}");
        let allows =
            String::from_utf8_lossy(&answer).contains(&format!("access-control-allow-origin: {origin}"));
        assert_eq!(allows, status == 200);
    }
    for bad in ["hub.example", "https://", "file:///x", "https://hub.example/path"] {
        let options = ViewOptions { allow_origin: vec![bad.into()], ..options.clone() };
        let array = Array::open("memory://allowed").unwrap();
        assert!(Viewer::start(&[Layer::new("a", array)], &options).is_err(), "{bad}");
    }
}
