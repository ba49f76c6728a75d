//! The proxy in front of nginx and moto: what passes is unchanged, and each fault is what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use testbed::{Fault, Faults, Proxy, Server};

/// What takes longer hangs; nothing else depends on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// moto shows private objects to any signature, also a wrong one, but not without one.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=testbed-key/20260101/us-east-1/s3/aws4_request, \
    SignedHeaders=host, Signature=0\r\n";

/// What came back on a connection of its own, up to its end.
struct Got {
    head: String,
    body: Vec<u8>,
    ended: io::Result<()>,
}

impl Got {
    fn status(&self) -> &str {
        self.head.get(9..12).unwrap_or("")
    }
}

fn send(to: SocketAddr, method: &str, target: &str, headers: &str, body: &[u8]) -> Got {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: there\r\nContent-Length: {length}\r\nConnection: close\r\n"
    );
    let mut all = Vec::new();
    let sent =
        stream.write_all(format!("{head}{headers}\r\n").as_bytes()).and_then(|()| stream.write_all(body));
    let ended = sent.and_then(|()| stream.read_to_end(&mut all)).map(drop);
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").map_or(all.len(), |p| p + 4);
    Got { head: String::from_utf8_lossy(&all[..end]).to_lowercase(), body: all[end..].to_vec(), ended }
}

fn get(to: SocketAddr, target: &str) -> Got {
    send(to, "GET", target, "", b"")
}

/// Waits until so many requests are under way.
fn wait(proxy: &Proxy, in_flight: u64) {
    let started = Instant::now();
    while proxy.counts().in_flight != in_flight {
        assert!(started.elapsed() < PATIENCE, "{:?}", proxy.counts());
        thread::sleep(Duration::from_millis(5));
    }
}

fn served() -> (tempfile::TempDir, Server, Proxy, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let value: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    std::fs::write(dir.path().join("value"), &value).unwrap();
    std::fs::write(dir.path().join("packed.gz"), &value[..1000]).unwrap();
    let server = Server::nginx(dir.path()).unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    (dir, server, proxy, value)
}

#[test]
fn what_passes_is_unchanged_and_counted() {
    let (_dir, server, proxy, value) = served();
    proxy.record();
    for to in [server.address(), proxy.address()] {
        let whole = get(to, "/value");
        assert_eq!((whole.status(), whole.body == value), ("200", true));
        let part = send(to, "GET", "/value", "Range: bytes=1000-1999\r\n", b"");
        assert_eq!((part.status(), part.body == value[1000..2000]), ("206", true));
        assert!(part.head.contains("content-range: bytes 1000-1999/300000"), "{}", part.head);
        let packed = get(to, "/packed");
        assert!(
            packed.head.contains("content-encoding: gzip") && packed.body == value[..1000],
            "{}",
            packed.head
        );
        assert!(!get(to, "/packed.gz").head.contains("content-encoding"));
        let statuses = ["/none", "/.forbidden/value", "/.private/value", "/.moved/value"].map(|t| get(to, t));
        assert_eq!(statuses.each_ref().map(Got::status), ["404", "403", "401", "302"]);
        let head = send(to, "HEAD", "/value", "", b"");
        assert!(head.head.contains("content-length: 300000") && head.body.is_empty(), "{}", head.head);
    }
    // A client has the end of an answer a moment before the proxy is done with the request.
    wait(&proxy, 0);
    let counts = proxy.counts();
    assert_eq!((counts.requests, counts.method("GET"), counts.method("HEAD")), (9, 8, 1));
    assert_eq!((counts.status_class(2), counts.statuses[&206], counts.status_class(4)), (5, 1, 3));
    assert_eq!((counts.faults(None), counts.upstream_errors, counts.in_flight), (0, 0, 0));
    assert!(counts.bytes_down > 302_000, "{counts:?}");
    let recorded = &proxy.recorded()[1];
    assert_eq!(
        (recorded.headers["range"].as_str(), recorded.headers["host"].as_str()),
        ("bytes=1000-1999", "there")
    );
    proxy.reset();
    assert_eq!((proxy.counts().requests, proxy.recorded().len()), (0, 0));
}

#[test]
fn each_fault_is_what_it_says() {
    let (_dir, _server, proxy, value) = served();
    proxy.set_faults(Faults::none().stall_for(Duration::from_millis(300)));
    let meet = |fault: &str| {
        proxy.inject("GET", fault.parse().unwrap());
        let started = Instant::now();
        let got = get(proxy.address(), "/value");
        assert_eq!(proxy.counts().faults(Some(fault)), 1, "{fault}");
        (got, started.elapsed())
    };
    let (got, _) = meet("reset");
    assert_eq!(got.ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let (got, took) = meet("stall");
    assert!(got.head.is_empty() && took >= Duration::from_millis(300), "{took:?}");
    let (got, took) = meet("stall-body");
    assert!(got.body == value[..150_000] && took >= Duration::from_millis(300), "{took:?}");
    let (got, _) = meet("truncate");
    assert!(got.head.contains("content-length: 300000") && got.body == value[..150_000]);
    let (got, _) = meet("truncate-lying");
    assert!(!got.head.contains("content-length") && got.body.ends_with(b"\r\n0\r\n\r\n"), "{}", got.head);
    assert!((150_000..151_000).contains(&got.body.len()));
    let (got, _) = meet("lost");
    assert!(got.head.is_empty() && got.ended.is_ok());
    for status in ["429", "500", "503"] {
        assert_eq!(meet(status).0.status(), status);
    }
    assert_eq!(get(proxy.address(), "/value").body, value);
    assert_eq!(proxy.counts().upstream_errors, 0);
}

#[test]
fn a_lost_put_is_carried_out_and_a_refused_one_is_not() {
    let server = Server::moto().unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    let put = |key: &str, fault| {
        proxy.inject("PUT", fault);
        assert!(send(proxy.address(), "PUT", key, SIGNED, b"value").status() != "200");
    };
    put("/testbed/lost", Fault::LostPut);
    put("/testbed/reset", Fault::Reset);
    put("/testbed/busy", "503".parse().unwrap());
    let found = ["lost", "reset", "busy"].map(|key| {
        let head = send(proxy.address(), "GET", &format!("/testbed/{key}"), SIGNED, b"");
        head.status().to_owned()
    });
    assert_eq!(found, ["200", "404", "404"]);
    assert_eq!(proxy.counts().bytes_up, 5);
}

#[test]
fn latency_is_per_request_and_requests_overlap() {
    let (_dir, _server, proxy, value) = served();
    proxy.set_faults(Faults::none().latency(Duration::from_millis(200)));
    for _ in 0..2 {
        let started = Instant::now();
        assert_eq!(get(proxy.address(), "/value").body, value);
        assert!(started.elapsed() >= Duration::from_millis(200));
    }
    // Each of them is under way while all others are.
    proxy.set_faults(Faults::none().latency(10 * PATIENCE));
    let clients: Vec<_> = (0..64).map(|_| requesting(&proxy)).collect();
    wait(&proxy, 64);
    drop(clients);
    wait(&proxy, 0);
    assert_eq!(proxy.counts().peak_in_flight, 64);
    proxy.reset();
    proxy.set_faults(Faults::none());
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| assert_eq!(get(proxy.address(), "/value").body, value));
        }
    });
    wait(&proxy, 0);
    let counts = proxy.counts();
    assert_eq!((counts.requests, counts.bytes_down), (64, 64 * 300_000));
}

/// A client that has sent a request and not read an answer.
fn requesting(proxy: &Proxy) -> TcpStream {
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.write_all(b"GET /value HTTP/1.1\r\nHost: there\r\n\r\n").unwrap();
    client
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    let (_dir, _server, proxy, _) = served();
    proxy.set_faults(Faults::none().latency(10 * PATIENCE));
    let client = requesting(&proxy);
    wait(&proxy, 1);
    drop(client);
    wait(&proxy, 0);
}

#[test]
fn faults_may_be_of_some_requests_alone() {
    let (_dir, _server, proxy, value) = served();
    proxy.set_faults("503=1".parse::<Faults>().unwrap().only("/val"));
    assert_eq!(get(proxy.address(), "/value").status(), "503");
    assert_eq!(get(proxy.address(), "/packed").body, value[..1000]);
}

#[test]
fn another_process_reads_and_sets_it_over_http() {
    let (_dir, _server, proxy, _) = served();
    assert_eq!(send(proxy.address(), "POST", "/.testbed/inject", "", b"GET 503").status(), "200");
    assert_eq!(get(proxy.address(), "/value").status(), "503");
    assert_eq!(send(proxy.address(), "POST", "/.testbed/faults", "", b"429=1").status(), "200");
    assert_eq!(get(proxy.address(), "/value").status(), "429");
    assert_eq!(send(proxy.address(), "POST", "/.testbed/faults", "", b"nonsense").status(), "400");
    let counts: serde_json::Value =
        serde_json::from_slice(&get(proxy.address(), "/.testbed/counts").body).unwrap();
    assert_eq!((&counts["requests"], &counts["statuses"]["429"]), (&2.into(), &1.into()));
    send(proxy.address(), "POST", "/.testbed/reset", "", b"");
    assert_eq!(proxy.counts().requests, 0);
}
