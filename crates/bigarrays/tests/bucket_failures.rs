//! What goes wrong with arrays behind a network is said, stops when asked, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::format::NewSharding;
use bigarrays::ndarray::{Array3, ArrayD};
use bigarrays::store;
use bigarrays::{Array, Error, ErrorKind, OpenOptions, Result, interruptible};
use testbed::{Access, Fault, Faults, Proxy, Server};

use common::servers::{options, place, settings};
use common::writers::{Layer, assert_writable};

/// What takes longer hangs; nothing else depends on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chunks of the layer.
const CHUNKS: u64 = 48;

fn layer(access: &Access) -> Layer {
    Layer { url: format!("{}/{}", access.url, place()), settings: settings(access), rounds: 0 }
}

/// A layer by way of a proxy, full of sevens.
struct Bed {
    _server: Server,
    proxy: Proxy,
    layer: Layer,
    array: Array,
}

impl Bed {
    fn new(server: Server) -> Self {
        let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
        let mut layer = layer(&server.via(&proxy));
        // About as many as there are chunks: fewer are then seen to be fewer.
        layer.settings.set("max_requests", "64");
        let array = layer.create("raw", NewSharding::None);
        assert_writable(&array);
        Self { _server: server, proxy, layer, array }
    }

    fn set_faults(&self, faults: &str) {
        self.proxy.set_faults(faults.parse().unwrap());
    }

    fn read(&self) -> Result<ArrayD<u32>> {
        self.array.read::<u32>(self.array.domain()).map(|read| read.into_data())
    }

    /// A box that no chunk lies in.
    fn write_a_part(&self, array: &Array) -> Result<()> {
        array.write(&[0, 10, 0], Array3::from_elem((3, 4, 5), 8u32).view())
    }

    fn write_a_chunk(&self, array: &Array) -> Result<()> {
        array.write(&[-7, 3, -20], Array3::from_elem((16, 20, 8), 9u32).view())
    }
}

fn wait(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Gives `work` up once a request of it has met `fault`, in which the server says nothing for much longer than anybody
/// is patient here, and the client would wait for as long.
fn cancelled<T: std::fmt::Debug>(proxy: &Proxy, fault: &str, work: impl FnOnce() -> Result<T>) {
    let met = || proxy.counts().faults(Some(fault));
    let before = met();
    let began = Instant::now();
    let error = interruptible(&|| met() > before, work).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    assert!(began.elapsed() < PATIENCE, "after {:?}", began.elapsed());
}

/// Settings of a client that waits ten times as long as anybody here.
fn patient(mut layer: Layer) -> Layer {
    layer.settings.set("timeout", "600");
    layer.settings.set("retry_timeout", "6000");
    layer
}

#[test]
fn whoever_waits_for_a_stalled_server_is_stopped() {
    let mut bed = Bed::new(Server::s3s().unwrap());
    bed.layer = patient(bed.layer);
    bed.array = bed.layer.open().unwrap();
    let stall = |fault: &str| {
        bed.proxy.set_faults(format!("{fault}=1").parse::<Faults>().unwrap().stall_for(10 * PATIENCE));
    };
    for fault in ["stall", "stall-body"] {
        stall(fault);
        cancelled(&bed.proxy, fault, || bed.read());
        wait(|| bed.proxy.counts().in_flight == 0);
    }
    stall("stall");
    cancelled(&bed.proxy, "stall", || bed.write_a_chunk(&bed.array));
    cancelled(&bed.proxy, "stall", || bed.write_a_part(&bed.array));
    cancelled(&bed.proxy, "stall", || bed.layer.open());
    cancelled(&bed.proxy, "stall", || bed.array.store().list("", &mut |_, _| Ok(())));
    wait(|| bed.proxy.counts().in_flight == 0);
    bed.proxy.set_faults(Faults::none());
    assert!(bed.read().unwrap().iter().all(|&value| value == 7));
}

/// Status and body of the answer to a request without a signature.
fn get(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn uploads_in_parts_that_fail_are_aborted() {
    let server = Server::moto().unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    proxy.set_faults(Faults::none().stall_for(10 * PATIENCE));
    let layer = patient(layer(&server.via(&proxy)));
    let store = store::open(&layer.url, &options(layer.settings)).unwrap();
    let large: Vec<u8> = (0..70u32 << 20).map(|k| (k >> 12) as u8).collect();
    let open_uploads = || get(server.address(), "/testbed?uploads").matches("<UploadId>").count();
    let write = || store.write("large", &large);

    proxy.inject("PUT", Fault::Status("403".parse().unwrap()));
    assert_eq!(write().unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!((open_uploads(), store.read("large").unwrap()), (0, None));

    proxy.inject("PUT", Fault::Stall);
    cancelled(&proxy, "stall", write);
    wait(|| open_uploads() == 0);
    assert_eq!(store.read("large").unwrap(), None);

    // Parts are sent again, and a completion whose answer is lost is found to have been made.
    proxy.inject("PUT", Fault::Reset);
    proxy.inject("POST", Fault::Status("503".parse().unwrap()));
    write().unwrap();
    assert_eq!(open_uploads(), 0);
    assert!(store.read("large").unwrap().unwrap() == large);
}

#[test]
fn forbidden_is_never_missing() {
    let bed = Bed::new(Server::s3s().unwrap());
    bed.set_faults("403=1");
    let denied = |result: Result<()>| {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false), "{error:?}");
        assert!(error.to_string().contains("s3:GetObject"), "{error}");
    };
    denied(bed.read().map(drop));
    denied(bed.write_a_part(&bed.array));
    denied(bed.write_a_chunk(&bed.array));
    denied(bed.layer.open().map(drop));
    denied(bed.array.stored_chunks(bed.array.domain()).map(drop));
    denied(bed.array.store().list("", &mut |_, _| Ok(())));
}

/// Buckets that may not be listed answer 403 for what is not there: that is an error, unless it is said to mean so.
#[test]
fn refusals_mean_missing_only_if_said() {
    let root = tempfile::tempdir().unwrap();
    published(&root.path().join("em"), ContentEncoding::Identity, NewSharding::None);
    std::fs::remove_file(root.path().join("em/1_1_1/-7-9_3-23_-20--12")).unwrap();
    let bed = Bed::new(Server::s3s().unwrap());
    let first: bigarrays::Domain = "-7:9,3:23,-20:-12".parse().unwrap();
    bed.array
        .store()
        .update_many(&[store::Update::blind("-7-9_3-23_-20--12")], &|_, _, _| Ok(store::Change::Delete))
        .unwrap();
    let web = Server::nginx(root.path()).unwrap();
    let hiding = Proxy::start(web.address(), Faults::none().hide_missing()).unwrap();
    bed.proxy.set_faults(Faults::none().hide_missing());
    let cases = [
        (bed.layer.url.clone(), bed.layer.settings),
        (format!("{}/em", web.via(&hiding).url), store::Settings::new()),
    ];
    for (url, mut settings) in cases {
        let read = |settings: &store::Settings| {
            OpenOptions::new().settings(settings.clone()).open(&url)?.read::<u32>(&first)
        };
        assert_eq!(read(&settings).unwrap_err().kind(), ErrorKind::PermissionDenied, "{url}");
        settings.set("missing_status", "401, 403");
        assert!(read(&settings).unwrap().data().iter().all(|&value| value == 0), "{url}");
        let strict = OpenOptions::new().settings(settings.clone()).strict(true).open(&url).unwrap();
        assert_eq!(strict.read::<u32>(&first).unwrap_err().kind(), ErrorKind::NotFound, "{url}");
        for odd in ["200", "forbidden", "403 404", "500"] {
            settings.set("missing_status", odd);
            let error = read(&settings).unwrap_err();
            assert!(
                error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("missing_status"),
                "{error}"
            );
        }
    }
}

/// The errors of opening, creating and listing with these settings changed.
fn errors(layer: &Layer, changed: &[(&str, &str)]) -> Vec<Error> {
    let mut layer = layer.clone();
    changed.iter().for_each(|(key, value)| layer.settings.set(key, *value));
    let store = store::open(&layer.url, &options(layer.settings.clone())).unwrap();
    let errors = vec![
        layer.open().unwrap_err(),
        store.write("value", b"1").unwrap_err(),
        store.list("", &mut |_, _| Ok(())).unwrap_err(),
    ];
    for secret in
        layer.settings.iter().filter(|(key, _)| key.contains("secret") || key.ends_with("account_key"))
    {
        let said = format!("{errors:?} {store:?} {:?}", layer.settings);
        let said = errors.iter().fold(said, |said, error| said + &error.to_string());
        assert!(!said.contains(secret.1), "{said}");
    }
    errors
}

fn all_say(errors: &[Error], kind: ErrorKind, advice: &str) {
    for error in errors {
        assert!(error.kind() == kind && error.to_string().contains(advice), "{error:?}\n{error}");
        assert!(!error.is_retryable() && error.key().is_some() && error.operation().is_some(), "{error:?}");
    }
}

#[test]
fn wrong_credentials_and_buckets_are_told() {
    use ErrorKind::{NotFound, PermissionDenied};
    let elsewhere = |layer: &Layer, base: &str| Layer { url: format!("{base}/x"), ..layer.clone() };
    let s3 = Server::s3s().unwrap();
    let s3 = layer(&s3);
    all_say(
        &errors(&s3, &[("aws_secret_access_key", "wrong-secret")]),
        PermissionDenied,
        "AWS_SECRET_ACCESS_KEY",
    );
    all_say(&errors(&s3, &[("aws_access_key_id", "wrong")]), PermissionDenied, "AWS_ACCESS_KEY_ID");
    all_say(&errors(&elsewhere(&s3, "s3://no-such-bucket"), &[]), NotFound, "no such bucket");

    let azure = Server::azurite().unwrap();
    let azure = layer(&azure);
    let key = azure.settings.iter().map(|(key, _)| key.to_owned()).find(|key| key.ends_with("key")).unwrap();
    let wrong = [(key.as_str(), "d3Jvbmcgd3Jvbmcgd3Jvbmc=")];
    all_say(&errors(&azure, &wrong), PermissionDenied, "AZURE_STORAGE_ACCOUNT_KEY");
    all_say(&errors(&elsewhere(&azure, "az://no-such-container"), &[]), NotFound, "no such container");

    let gcs = Server::fake_gcs().unwrap();
    // Only to who writes does this server say that it is the bucket that it lacks.
    let errors = errors(&elsewhere(&layer(&gcs), "gs://no-such-bucket"), &[]);
    all_say(&errors[1..2], NotFound, "no such bucket");
}

/// A server that gives everybody the same answer.
fn answering(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(|stream| stream.ok()) {
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(length @ 1..) => request.extend_from_slice(&piece[..length]),
                    _ => break,
                }
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_wrong_region_is_told() {
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
    let moved =
        "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
    for (status, body, advice) in
        [("400 Bad Request", body, "AWS_REGION"), ("301 Moved Permanently", moved, "AWS_REGION")]
    {
        let length = body.len();
        let address = answering(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ));
        let endpoint = format!("http://{address}");
        let pairs = [
            ("aws_endpoint_url", endpoint.as_str()),
            ("aws_access_key_id", "key"),
            ("aws_secret_access_key", "hush-hush"),
            ("aws_region", "us-east-1"),
        ];
        let layer = Layer { url: "s3://bucket/x".into(), settings: pairs.into_iter().collect(), rounds: 0 };
        all_say(&errors(&layer, &[]), ErrorKind::InvalidArgument, advice);
    }
}

#[test]
fn a_throttled_client_slows_down_and_then_succeeds() {
    let bed = Bed::new(Server::s3s().unwrap());
    bed.set_faults("503=1");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // As often, some request is refused so long after the first refusal that this counts as another.
            wait(|| bed.proxy.counts().faults(Some("503")) >= CHUNKS * 4);
            bed.proxy.set_faults(Faults::none());
        });
        assert!(bed.read().unwrap().iter().all(|&value| value == 7));
    });
    let refused = bed.proxy.counts().faults(Some("503"));
    // Each request waits ever longer before it is sent again.
    assert!((CHUNKS * 4..CHUNKS * 20).contains(&refused), "{refused} refused");
    bed.proxy.reset();
    bed.read().unwrap();
    assert!(bed.proxy.counts().peak_in_flight < CHUNKS / 2, "{:?}", bed.proxy.counts());
}

/// Azure deletes by batches alone, whose answer is a body in parts.
#[test]
fn a_removal_whose_answer_breaks_off_is_asked_again() {
    let server = Server::azurite().unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    let layer = layer(&server.via(&proxy));
    let store = store::open(&layer.url, &options(layer.settings)).unwrap();
    for fault in [Fault::TruncateLying, Fault::Truncate, Fault::Lost] {
        store.write("value", b"1").unwrap();
        proxy.reset();
        proxy.inject("POST", fault);
        store.delete("value").unwrap();
        assert_eq!(proxy.counts().faults(Some(&fault.to_string())), 1);
        assert_eq!(store.read("value").unwrap(), None, "{fault}");
    }
}

#[test]
fn services_without_conditions_take_whole_chunks_alone() {
    for (server, fault, says) in [
        (Server::s3s().unwrap(), "refuse-conditions=1", "knows no conditional writes"),
        (Server::moto().unwrap(), "ignore-conditions=1", "ignores If-None-Match"),
    ] {
        let bed = Bed::new(server);
        bed.set_faults(fault);
        // Other settings have a client of their own, which tries the service anew.
        let options = bed.layer.options().storage_option("retries", "7");
        let array = options.open(&bed.layer.url).unwrap();
        let error = bed.write_a_part(&array).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert!(error.to_string().contains(says) && error.to_string().contains("lock=False"), "{error}");
        bed.write_a_chunk(&array).unwrap();
        let alone = bed.layer.options().lock(false).open(&bed.layer.url).unwrap();
        bed.write_a_part(&alone).unwrap();
        let read = bed.read().unwrap();
        let count = |wanted: u32| read.iter().filter(|&&value| value == wanted).count();
        assert_eq!((count(8), count(9)), (60, 2560));
        let mut keys = Vec::new();
        let mut note = |key: &str, _| {
            keys.push(key.to_owned());
            Ok(())
        };
        array.store().list("", &mut note).unwrap();
        assert_eq!(keys.len() as u64, CHUNKS, "what was tried is left: {keys:?}");
    }
}

/// A local layer of one scale, to be served.
fn published(folder: &Path, encoding: ContentEncoding, sharding: NewSharding) -> ArrayD<u32> {
    let local =
        Layer { url: folder.to_str().unwrap().to_owned(), settings: store::Settings::new(), rounds: 0 };
    local.create("raw", sharding);
    let array = OpenOptions::new().content_encoding(encoding).open(&local.url).unwrap();
    let data = ArrayD::from_shape_fn(vec![64, 58, 32], |at| (at[0] * 10_000 + at[1] * 100 + at[2]) as u32);
    array.write(array.domain().origin(), data.view()).unwrap();
    data
}

#[test]
fn web_servers_with_encodings_redirects_and_rights_are_read() {
    let root = tempfile::tempdir().unwrap();
    let data = published(&root.path().join("em"), ContentEncoding::Gzip, NewSharding::None);
    let server = Server::nginx(root.path()).unwrap();
    for url in [format!("{}/em", server.url), format!("{}/.moved/em", server.url)] {
        let array = Array::open(&url).unwrap();
        assert_eq!(array.read::<u32>(array.domain()).unwrap().into_data(), data);
        let error = array.write(&[0, 10, 0], Array3::from_elem((3, 4, 5), 8u32).view()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly);
    }
    let error = Array::open(&format!("{}/.forbidden/em", server.url)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let error = Array::open(&format!("{}/.private/em", server.url)).unwrap_err();
    assert!(
        error.kind() == ErrorKind::PermissionDenied && error.to_string().contains("bearer_token"),
        "{error}"
    );

    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    let array = Array::open(&format!("{}/em", server.via(&proxy).url)).unwrap();
    proxy.set_faults("403=1".parse().unwrap());
    assert_eq!(array.read::<u32>(array.domain()).unwrap_err().kind(), ErrorKind::PermissionDenied);
    proxy.set_faults("truncate=0.1,reset=0.1".parse::<Faults>().unwrap().seed(3));
    assert_eq!(array.read::<u32>(array.domain()).unwrap().into_data(), data);
    // Nothing in HTTP says that there was more, but gzip does.
    proxy.set_faults("truncate-lying=1".parse().unwrap());
    let error = array.read::<u32>(array.domain()).unwrap_err();
    assert!(error.kind() == ErrorKind::CorruptData && error.to_string().contains("truncated"), "{error}");
}

#[test]
fn web_servers_without_ranges_are_read() {
    let root = tempfile::tempdir().unwrap();
    let one_shard = "preshift_bits=1,minishard_bits=2,shard_bits=0,data_encoding=gzip".parse().unwrap();
    let shardings = [("plain", NewSharding::None), ("sharded", NewSharding::Neuroglancer(one_shard))];
    let server = Server::plain(root.path()).unwrap();
    for (name, sharding) in shardings {
        let data = published(&root.path().join(name), ContentEncoding::Identity, sharding);
        let array = Array::open(&format!("{}/{name}", server.url)).unwrap();
        assert_eq!(array.read::<u32>(array.domain()).unwrap().into_data(), data);
    }
}

/// Servers need not say how long what they send is, nor how long a value is of which they send a part.
#[test]
fn web_servers_that_say_no_lengths_are_read() {
    let root = tempfile::tempdir().unwrap();
    let one_shard = "preshift_bits=1,minishard_bits=2,shard_bits=0,data_encoding=gzip".parse().unwrap();
    let shardings = [("plain", NewSharding::None), ("sharded", NewSharding::Neuroglancer(one_shard))];
    let servers = [Server::nginx(root.path()).unwrap(), Server::plain(root.path()).unwrap()];
    for (name, sharding) in shardings {
        let data = published(&root.path().join(name), ContentEncoding::Identity, sharding);
        for (server, fault) in
            servers.iter().flat_map(|server| [(server, "chunked"), (server, "unknown-total")])
        {
            let faults = format!("{fault}=1").parse().unwrap();
            let proxy = Proxy::start(server.address(), faults).unwrap();
            let url = format!("{}/{name}", server.via(&proxy).url);
            let array = Array::open(&url).unwrap();
            assert_eq!(array.read::<u32>(array.domain()).unwrap().into_data(), data, "{name} {fault}");
            let point = array.read::<u32>(&"0:1,10:11,3:4".parse().unwrap()).unwrap();
            assert_eq!(point.get(&[0, 10, 3]), array.read::<u32>(array.domain()).unwrap().get(&[0, 10, 3]));
            let store = store::open(&url, &options(store::Settings::new())).unwrap();
            assert!(store.exists("info").unwrap() && !store.exists("none").unwrap());
            assert!(proxy.counts().faults(Some(fault)) > 5, "{:?}", proxy.counts());
        }
    }
}

/// What does not say where it ends, or contradicts itself, is refused at once and never taken for a value.
#[test]
fn answers_without_an_end_are_refused() {
    let heads = [
        ("200 OK", ""),
        ("206 Partial Content", "Content-Range: bytes 0-9/20\r\nContent-Length: 10\r\n"),
        ("206 Partial Content", "Content-Range: bytes 0-18446744073709551615/*\r\n"),
    ];
    for (status, headers) in heads {
        let address = answering(format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n0123456789"));
        let store = store::open(&format!("http://{address}"), &options(store::Settings::new())).unwrap();
        let error = store.read("k").unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Storage, false), "{status}: {error}");
    }
}

/// URLs are decoded once, as RFC 3986 has it, and their query goes with every request and is not shown.
#[test]
fn web_urls_are_decoded_and_signed() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("my data/100%25+ä");
    std::fs::create_dir_all(&folder).unwrap();
    let data = published(&folder.join("em"), ContentEncoding::Identity, NewSharding::None);
    let server = Server::nginx(root.path()).unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    let server = server.via(&proxy).url;
    for path in
        ["my%20data/100%2525%2B%C3%A4/em", "my data/100%2525+ä/em", "my%20data/100%2525%2b%c3%a4/%65m/"]
    {
        let url = format!("{server}/{path}?X-Signature=HUSH%2B/&b=1");
        proxy.reset();
        proxy.record();
        let array = Array::open(&url).unwrap();
        assert_eq!(array.read::<u32>(array.domain()).unwrap().into_data(), data, "{path}");
        let again = Array::open(&array.store().child("..").unwrap().location("")).unwrap();
        assert_eq!(again.read::<u32>(array.domain()).unwrap().into_data(), data, "{path}");
        let requests = proxy.recorded();
        let is_signed = |target: &str| target.ends_with("?X-Signature=HUSH%2B/&b=1");
        assert!(
            requests.len() > 90 && requests.iter().all(|request| is_signed(&request.target)),
            "{requests:?}"
        );
        proxy.set_faults("403=1".parse().unwrap());
        let error = array.read::<u32>(array.domain()).unwrap_err();
        proxy.set_faults(Faults::none());
        let said = format!("{error} {error:?} {array:?}");
        assert!(!said.contains("HUSH") && said.contains("my%20data"), "{said}");
    }
    let error = Array::open(&format!("{server}/100%/em")).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("%25"), "{error}");
}

/// One object with a key that no path has does not hide the others, and is listed as it is.
#[test]
fn odd_keys_are_listed_as_they_are() {
    let object = |key: &str| {
        format!(
            "<Contents><Key>place/{key}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified>\
             <ETag>&quot;x&quot;</ETag><Size>3</Size></Contents>"
        )
    };
    let keys = ["a", "a//b", "./c", "d/../e", "/f", "g/."];
    let objects: String = keys.iter().map(|key| object(key)).collect();
    let body = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>");
    let length = body.len();
    let address = answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n{body}"
    ));
    let endpoint = format!("http://{address}");
    let pairs = [("endpoint", endpoint.as_str()), ("region", "x"), ("anonymous", "true")];
    let store = store::open("s3://bucket/place", &options(pairs.into_iter().collect())).unwrap();
    let mut listed = Vec::new();
    store
        .list("", &mut |key, size| {
            listed.push((key.to_owned(), size));
            Ok(())
        })
        .unwrap();
    assert_eq!(listed, keys.map(|key| (key.to_owned(), 3)));
    let error = store.remove_many(&["a//b".to_owned()]).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("a//b"), "{error}");
}
