//! What each server does, through an independent client: what the project's own tests may rely on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use futures_util::TryStreamExt;
use hyper::{
    HeaderMap,
    header::{ACCEPT_ENCODING, HeaderValue},
};
use object_store::{
    Attribute, Attributes, ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, UpdateVersion, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, path::Path,
};
use testbed::{Access, Faults, Kind, Proxy, Server};

/// A client of what a server says about itself; `secret` replaces the secret key.
fn client(access: &Access, secret: Option<&str>) -> Arc<dyn ObjectStore> {
    let options = access.options.iter().map(|(key, value)| {
        let value = if key.contains("SECRET") || key.ends_with("STORAGE_ACCOUNT_KEY") {
            secret.unwrap_or(value)
        } else {
            value
        };
        (key.to_lowercase(), value.to_owned())
    });
    // Without this, Cloud Storage sends a value of Content-Encoding gzip decoded, and its own server for
    // tests, too: it breaks off where the value is no gzip.
    let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
    let http = ClientOptions::new().with_default_headers(headers).with_allow_http(true);
    macro_rules! configured {
        ($builder:expr) => {
            Arc::new(
                options
                    .filter_map(|(k, v)| Some((k.parse().ok()?, v)))
                    .fold($builder, |builder, (key, value)| builder.with_config(key, value))
                    .with_retry(object_store::RetryConfig { max_retries: 0, ..Default::default() })
                    .build()
                    .unwrap(),
            )
        };
    }
    match access.url.split_once("://").unwrap() {
        ("s3", bucket) => {
            configured!(AmazonS3Builder::new().with_client_options(http).with_bucket_name(bucket))
        }
        ("gs", bucket) => {
            configured!(GoogleCloudStorageBuilder::new().with_client_options(http).with_bucket_name(bucket))
        }
        ("az", bucket) => {
            configured!(MicrosoftAzureBuilder::new().with_client_options(http).with_container_name(bucket))
        }
        (scheme, _) => panic!("{scheme}"),
    }
}

async fn values(store: &dyn ObjectStore) {
    let key = Path::from("a/0-64_0-64 +%é");
    let put = store.put(&key, "0123456789".into()).await.unwrap();
    assert!(put.e_tag.is_some());
    let meta = store.head(&key).await.unwrap();
    assert_eq!((meta.size, meta.e_tag), (10, put.e_tag));
    assert_eq!(store.get_range(&key, 2..5).await.unwrap(), "234");
    let encoded = Attributes::from_iter([
        (Attribute::ContentEncoding, "gzip"),
        (Attribute::CacheControl, "no-store"),
        (Attribute::ContentType, "image/jpeg"),
    ]);
    let options = PutOptions { attributes: encoded.clone(), ..PutOptions::default() };
    store.put_opts(&Path::from("b/z"), "zipped".into(), options).await.unwrap();
    let got = store.get(&Path::from("b/z")).await.unwrap();
    assert_eq!(got.attributes, encoded);
    assert_eq!(got.bytes().await.unwrap(), "zipped");
    let listed: Vec<_> =
        store.list(None).map_ok(|m| (m.location.to_string(), m.size)).try_collect().await.unwrap();
    assert_eq!(listed, [(key.to_string(), 10), ("b/z".into(), 6)]);
    let folders = store.list_with_delimiter(None).await.unwrap().common_prefixes;
    assert_eq!(folders, [Path::from("a"), Path::from("b")]);
    store.delete(&key).await.unwrap();
    assert!(matches!(store.get(&key).await, Err(Error::NotFound { .. })));
}

async fn multipart(store: &dyn ObjectStore) {
    let key = Path::from("parts");
    let part = |byte| vec![byte; 5 << 20];
    let mut upload = store.put_multipart(&key).await.unwrap();
    let parts = [
        upload.put_part(part(1).into()),
        upload.put_part(part(2).into()),
        upload.put_part(vec![3; 10].into()),
    ];
    for part in parts {
        part.await.unwrap();
    }
    assert!(matches!(store.head(&key).await, Err(Error::NotFound { .. })));
    upload.complete().await.unwrap();
    let whole = store.get(&key).await.unwrap().bytes().await.unwrap();
    assert_eq!(whole, [part(1), part(2), vec![3; 10]].concat());
    let mut upload = store.put_multipart(&Path::from("aborted")).await.unwrap();
    upload.put_part(part(1).into()).await.unwrap();
    upload.abort().await.unwrap();
    assert!(matches!(store.head(&Path::from("aborted")).await, Err(Error::NotFound { .. })));
}

/// Sixteen writers add to a number by compare-and-swap; and one of sixteen creates a key.
async fn races(store: Arc<dyn ObjectStore>) {
    let counter = Path::from("counter");
    let create = |value: usize| {
        let (store, value) = (Arc::clone(&store), value.to_string());
        async move { store.put_opts(&Path::from("counter"), value.into(), PutMode::Create.into()).await }
    };
    let created = futures_util::future::join_all((0..16).map(|_| create(0))).await;
    assert_eq!(created.iter().filter(|r| r.is_ok()).count(), 1);
    let lost = |e: &Error| matches!(e, Error::AlreadyExists { .. } | Error::Precondition { .. });
    assert!(created.iter().filter_map(|r| r.as_ref().err()).all(lost), "{created:?}");
    let add = || async {
        loop {
            let got = store.get(&counter).await.unwrap();
            let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
            let value: usize = String::from_utf8_lossy(&got.bytes().await.unwrap()).parse().unwrap();
            let next = (value + 1).to_string().into();
            match store.put_opts(&counter, next, PutMode::Update(version).into()).await {
                Ok(_) => break,
                Err(error) => assert!(lost(&error), "{error:?}"),
            }
        }
    };
    futures_util::future::join_all((0..16).map(|_| add())).await;
    assert_eq!(store.get(&counter).await.unwrap().bytes().await.unwrap(), "16");
}

/// More keys than a page holds, flat and by folder.
async fn pages(store: &dyn ObjectStore) {
    let mut keys: Vec<_> = (0..2300).map(|i| format!("deep/{}/{i}", i % 1150)).collect();
    let put = |key: String| async move { store.put(&Path::from(key), "v".into()).await.unwrap() };
    futures_util::future::join_all(keys.iter().cloned().map(put)).await;
    let deep = Path::from("deep");
    let listed: Vec<_> =
        store.list(Some(&deep)).map_ok(|m| m.location.to_string()).try_collect().await.unwrap();
    keys.sort();
    assert_eq!(listed, keys);
    let folders = store.list_with_delimiter(Some(&deep)).await.unwrap();
    assert_eq!((folders.common_prefixes.len(), folders.objects.len()), (1150, 0));
}

/// Runs everything, directly and by way of a proxy.
fn serves(kind: Kind, checks_signatures: bool) {
    let server = Server::start(kind, None).unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        values(&*client(&server, None)).await;
        let through = client(&server.via(&proxy), None);
        multipart(&*through).await;
        races(through).await;
        let wrong = client(&server, Some("bm90IHRoZSBrZXk=")).get(&Path::from("counter")).await;
        assert_eq!(wrong.is_err(), checks_signatures, "{wrong:?}");
    });
    // A client has the end of an answer a moment before the proxy is done with the request.
    let started = std::time::Instant::now();
    while proxy.counts().in_flight > 0 {
        assert!(started.elapsed().as_secs() < 60, "{:?}", proxy.counts());
        std::thread::yield_now();
    }
    let counts = proxy.counts();
    assert!(counts.statuses[&412] + counts.statuses.get(&409).unwrap_or(&0) >= 15, "{counts:?}");
    assert_eq!(counts.upstream_errors, 0);
}

#[test]
fn s3s() {
    serves(Kind::S3s, true);
    let server = Server::s3s().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(pages(&*client(&server, None)));
}

#[test]
fn moto() {
    serves(Kind::Moto, false);
}

#[test]
fn ministack() {
    serves(Kind::Ministack, false);
}

#[test]
fn fake_gcs() {
    serves(Kind::FakeGcs, false);
}

#[test]
fn azurite() {
    serves(Kind::Azurite, true);
}
