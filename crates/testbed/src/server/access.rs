//! How a server is reached once it has started.

use std::net::SocketAddr;

use serde::Serialize;

use super::process::Process;
use crate::background::Background;

/// The bucket or container that every object server has.
pub(crate) const BUCKET: &str = "testbed";

/// How a client gets at a server's bucket.
#[derive(Clone, Debug, Serialize)]
pub struct Access {
    /// The prefix of everything in the bucket, without a slash at its end: `s3://testbed`.
    pub url: String,
    /// The service: `http://127.0.0.1:1234`.
    pub endpoint: String,
    /// What a client needs to know, as environment variables are called: `AWS_ENDPOINT_URL` …
    #[serde(rename = "env")]
    pub options: Vec<(String, String)>,
}

impl Access {
    pub(super) fn at(url: String, address: SocketAddr, options: &[(&str, &str)]) -> Self {
        let options = options.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Self { url, endpoint: format!("http://{address}"), options }
    }
}

/// A server that has just started.
pub(super) struct Started {
    /// The program, where it is one.
    pub(super) process: Option<Process>,
    /// What runs in this process, before a program or in its place.
    pub(super) _serving: Option<Background>,
    pub(super) address: SocketAddr,
    pub(super) access: Access,
}
