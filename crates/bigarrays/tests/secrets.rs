//! No secret is repeated in an error or sent to another host, whatever a server answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::error::Error as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use bigarrays::store::{self, Settings, StoreOptions};
use bigarrays::{Error, ErrorKind, OpenOptions};

/// What all secrets of these tests contain, in any case.
const SECRET: &str = "hush";

/// A server that answers every request alike, and notes the heads of what it is asked.
struct Answering {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Answering {
    /// `answer` makes status, further headers and body from the head of a request.
    fn start(answer: impl Fn(&str) -> (String, String, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
                let lower = head.to_ascii_lowercase();
                let length =
                    lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                reader.read_exact(&mut body).unwrap();
                noted.lock().unwrap().push(head.clone());
                let (status, headers, body) = answer(&head);
                let length = body.len();
                let answered = format!(
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\nETag: \"1\"\r\n\
                     Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n{headers}\r\n{body}"
                );
                // A client that has seen enough may be gone.
                let _ = stream.write_all(answered.as_bytes());
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn options(settings: &[(&str, &str)]) -> StoreOptions {
    let settings: Settings = settings.iter().copied().chain([("retries", "0")]).collect();
    StoreOptions { settings, ..StoreOptions::default() }
}

/// Places of every service, all of them at `port` and with secrets.
fn services(port: u16) -> Vec<(&'static str, StoreOptions)> {
    let at = |host: &str| format!("http://{host}:{port}");
    let (plain, google) = (at("127.0.0.1"), at("127.0.0.1"));
    let azure = at("127.0.0.1") + "/account";
    let account = r#"{"gcs_base_url":"X","disable_oauth":true,"client_email":"","private_key":"","private_key_id":"HUSH"}"#
        .replace('X', &google);
    let key = "SFVTSEhVU0hIVVNI";
    vec![
        (
            "s3://bucket",
            options(&[
                ("endpoint", &plain),
                ("region", "us-east-1"),
                ("access_key_id", "AKIAHUSH"),
                ("secret_access_key", "HUSHSECRET"),
                ("session_token", "HUSHTOKEN"),
            ]),
        ),
        ("gs://bucket", options(&[("google_service_account_key", &account), ("allow_http", "true")])),
        (
            "az://container",
            options(&[
                ("azure_storage_account_name", "account"),
                ("azure_storage_account_key", key),
                ("azure_storage_endpoint", &azure),
            ]),
        ),
        (
            "az://container",
            options(&[
                ("azure_storage_account_name", "account"),
                ("azure_storage_sas_token", "sv=2022&sig=HUSHSIG123%3D&se=2030"),
                ("azure_storage_endpoint", &azure),
            ]),
        ),
    ]
}

/// All that can be seen of an error.
fn all_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {:?} ", error.key());
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!("{cause} {cause:?} ");
        next = cause.source();
    }
    text
}

fn assert_silent(error: &Error) {
    let text = all_of(error);
    assert!(!text.to_ascii_lowercase().contains(SECRET), "{text}");
}

#[test]
fn signed_services_are_followed_to_no_other_host() {
    let other = Answering::start(|_| ("200 OK".into(), String::new(), "stolen".into()));
    let elsewhere = format!("Location: http://localhost:{}/bucket/k?token=HUSH\r\n", other.port);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = elsewhere.clone();
        let first = Answering::start(move |_| (status.into(), location.clone(), String::new()));
        for (url, options) in services(first.port) {
            let error = store::open(url, &options).unwrap().read("k").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{url} {status}: {error}");
            assert!(error.to_string().contains("another host"), "{url} {status}: {error}");
            assert_silent(&error);
            let error = store::open(url, &options).unwrap().write("k", b"written").unwrap_err();
            assert_silent(&error);
        }
        assert!(!first.heads().is_empty());
    }
    assert!(other.heads().is_empty(), "{:?}", other.heads());
}

#[test]
fn signed_services_are_followed_on_their_own_host() {
    let first = Answering::start(|head| match head.starts_with("GET /moved/") {
        true => ("200 OK".into(), String::new(), "value".into()),
        false => ("307 Temporary Redirect".into(), "Location: /moved/k\r\n".into(), String::new()),
    });
    let (url, options) = services(first.port).swap_remove(0);
    assert_eq!(store::open(url, &options).unwrap().read("k").unwrap().unwrap(), b"value");
}

#[test]
fn web_servers_are_followed_without_the_token() {
    let other = Answering::start(|_| ("200 OK".into(), String::new(), "value".into()));
    let location = format!("Location: http://localhost:{}/x/k\r\n", other.port);
    let first = Answering::start(move |_| ("302 Found".into(), location.clone(), String::new()));
    let url = format!("http://127.0.0.1:{}/x", first.port);
    let opened = store::open(&url, &options(&[("bearer_token", "HUSH")])).unwrap();
    assert_eq!(opened.read("k").unwrap().unwrap(), b"value");
    assert!(first.heads().concat().contains("Bearer HUSH"), "{:?}", first.heads());
    assert!(other.heads().concat().starts_with("GET /x/k "), "{:?}", other.heads());
    assert!(!other.heads().concat().to_ascii_lowercase().contains(SECRET), "{:?}", other.heads());
    assert!(!other.heads().concat().to_ascii_lowercase().contains("referer"), "{:?}", other.heads());
}

#[test]
fn answers_that_repeat_requests_are_not_repeated() {
    for (status, code) in [
        ("400 Bad Request", "ExpiredToken"),
        ("400 Bad Request", "AuthorizationHeaderMalformed"),
        ("401 Unauthorized", "AuthenticationFailed"),
        ("403 Forbidden", "SignatureDoesNotMatch"),
        ("403 Forbidden", "AccessDenied"),
        ("404 Not Found", "NoSuchBucket"),
        ("409 Conflict", "OperationAborted"),
        ("412 Precondition Failed", "PreconditionFailed"),
        ("416 Range Not Satisfiable", "InvalidRange"),
        ("501 Not Implemented", "NotImplemented"),
        ("500 Internal Server Error", "InternalError"),
    ] {
        let server = Answering::start(move |head| {
            let body = format!(
                "<Error><Code>{code}</Code><Token-0>HUSHTOKEN</Token-0><CanonicalRequest>{head}</CanonicalRequest>\
                 <Endpoint>http://a:HUSH@b/?sig=HUSH</Endpoint></Error>"
            );
            (status.into(), String::new(), body)
        });
        for (url, options) in services(server.port) {
            let opened = store::open(url, &options).unwrap();
            for error in [
                opened.read("k").err(),
                opened.write("k", b"x").err(),
                opened.list("", &mut |_, _| Ok(())).err(),
                OpenOptions::new().settings(options.settings.clone()).open(url).err(),
            ]
            .iter()
            .flatten()
            {
                assert_silent(error);
            }
        }
    }
}

#[test]
fn urls_and_settings_are_not_repeated() {
    for url in [
        "http://me:HUSH@127.0.0.1:9/x",
        "http://HUSH@127.0.0.1:9/x",
        "http://127.0.0.1:9/x?token=HUSH&a b",
        "http://127.0.0.1:9/x#HUSH",
        "s3://AKIA:HUSH@bucket/x",
        "gs://me:HUSH@bucket/x",
        "az://me:HUSH@container/x",
        "gopher://me:HUSH@host/x?sig=HUSH",
        "http:///me:HUSH@127.0.0.1:9/x",
        "file://me:HUSH@h/x",
    ] {
        assert_silent(&OpenOptions::new().open(url).unwrap_err());
    }
    let refused = ("endpoint", "http://127.0.0.1:9");
    let broken: &[(&str, &[(&str, &str)])] = &[
        ("s3://b/x?X-Amz-Signature=HUSH", &[refused, ("anonymous", "true"), ("region", "x")]),
        (
            "az://c/x?sig=HUSH",
            &[("account_name", "a"), ("endpoint", "http://127.0.0.1:9/a"), ("anonymous", "true")],
        ),
        ("gs://b/x?token=HUSH", &[("base_url", "http://127.0.0.1:9"), ("anonymous", "true")]),
        ("http://127.0.0.1:9/x;token=HUSH", &[]),
        ("http://127.0.0.1:9/x?token=HUSH", &[]),
        ("http://127.0.0.1:9/x?HUSH", &[]),
        ("s3://b", &[refused, ("timeout", "HUSH")]),
        ("s3://b", &[refused, ("anonymous", "HUSH")]),
        ("s3://b", &[("endpoint", "http://user:HUSH@127.0.0.1:9"), ("anonymous", "true"), ("region", "x")]),
        ("s3://b", &[("endpoint", "http://user:HU SH?@hush:x"), ("anonymous", "true"), ("region", "x")]),
        (
            "s3://b",
            &[("endpoint", "http://127.0.0.1:9"), ("proxy_url", "ht!tp://user:HUSH@127"), ("region", "x")],
        ),
        (
            "s3://b",
            &[
                ("endpoint", "http://127.0.0.1:9"),
                ("proxy_url", "http://u:HUSH@127.0.0.1:9"),
                ("region", "x"),
            ],
        ),
        ("s3://b", &[("secret_access_key HUSH=", "")]),
        ("s3://b", &[("hush/hush1", "=")]),
        ("gs://b", &[("service_account_key", r#"{"private_key":"HUSH"}"#)]),
        ("gs://b", &[("service_account_key", "HUSH")]),
        ("az://c", &[("account_name", "a"), ("account_key", "HUSH!!notbase64")]),
        ("az://c", &[("account_name", "a"), ("sas_token", "HUSH"), ("endpoint", "http://127.0.0.1:9/a")]),
        ("http://127.0.0.1:9/x", &[("bearer_token", "HUSH\n")]),
    ];
    for (url, settings) in broken {
        let error = store::open(url, &options(settings)).and_then(|store| store.read("k")).unwrap_err();
        assert_silent(&error);
    }
    let opened =
        store::open("s3://b", &options(&[("session_token", "HUSH"), ("proxy_url", "http://u:HUSH@h")]));
    let shown = format!("{:?}", opened.unwrap()).to_ascii_lowercase();
    assert!(!shown.contains(SECRET), "{shown}");
}

/// Settings that no request can be made with are refused before one is.
#[test]
fn unusable_settings_are_invalid_arguments() {
    let endpoint = ("endpoint", "http://127.0.0.1:9");
    let public = ("anonymous", "true");
    let (id, secret) = (("access_key_id", "AKIAHUSH"), ("secret_access_key", "HUSH"));
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("s3://b", &[endpoint, public, ("region", "eu\nwest")]),
        ("s3://b", &[endpoint, public, ("region", "eu west")]),
        ("s3://b", &[endpoint, id, secret, ("region", "eu west")]),
        ("s3://b", &[("endpoint", "not a url"), public, ("region", "x")]),
        ("s3://b", &[("endpoint", "http://a\nb"), public, ("region", "x")]),
        ("s3://b", &[("endpoint", "http://a b"), public, ("region", "x")]),
        ("s3://b", &[endpoint, ("access_key_id", "AK\nHUSH"), secret, ("region", "x")]),
        ("s3://b", &[endpoint, id, secret, ("session_token", "HU\nSH"), ("region", "x")]),
        ("s3://b", &[endpoint, public, ("region", "x"), ("max_requests", "9223372036854775808")]),
        ("s3://b c", &[endpoint, public, ("region", "x")]),
        ("s3://b?c", &[endpoint, public, ("region", "x")]),
        ("s3://b", &[("endpoint", ""), public, ("region", "x")]),
        ("s3://b", &[("endpoint", "minio:9000"), public, ("region", "x")]),
        ("s3://b", &[("endpoint", "http://127.0.0.1:99999"), public, ("region", "x")]),
        ("s3://b", &[endpoint, id, secret, ("session_token", "HUSHä"), ("region", "x")]),
        ("s3://b", &[endpoint, id, secret, ("region", "eu-wëst")]),
        ("gs://b", &[("base_url", ""), public]),
        ("gs://b", &[("base_url", "localhost:4443"), public]),
        ("gs://b", &[("google_bearer_token", "HUSHä"), ("base_url", "http://127.0.0.1:9")]),
        ("az://c", &[("account_name", "a"), ("endpoint", ""), public]),
        ("az://c", &[("account_name", "a"), ("authority_host", "login"), ("client_id", "i")]),
        ("az://c", &[("account_name", "a"), ("tenant_id", "a b"), ("client_id", "i")]),
        ("az://c", &[("account_name", "a"), ("token", "HUSHä"), ("endpoint", "http://127.0.0.1:9/a")]),
        ("gs://b", &[("base_url", "not a url"), public]),
        ("az://c", &[("account_name", "a b"), public]),
        ("az://c", &[("account_name", "a"), ("endpoint", "not a url"), public]),
    ];
    for (url, settings) in cases {
        let error = store::open(url, &options(settings)).and_then(|store| store.read("k")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{url} {settings:?}: {error}");
        let is_named = settings.iter().any(|(name, _)| error.to_string().contains(name));
        assert!(is_named || url.len() > 6, "{url} {settings:?}: {error}");
        assert_silent(&error);
    }
    // What comes from a file ends in a newline.
    let settings = [endpoint, ("region", "x\n"), ("access_key_id", "AKIA\n"), ("secret_access_key", "s\n")];
    for more in [("session_token", "HUSH\n"), ("timeout", "18446744073709551615")] {
        let settings: Vec<_> = settings.into_iter().chain([more]).collect();
        let error = store::open("s3://b", &options(&settings)).and_then(|store| store.read("k")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
        assert!(!error.to_string().contains("panic"), "{error}");
    }
}
