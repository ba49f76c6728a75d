//! Real servers on loopback, each with an empty bucket.

mod access;
mod azure;
mod gcs;
mod http;
mod process;
mod s3;
mod s3s;

use std::{fmt, net::SocketAddr, ops::Deref, path::Path, process::Command, str::FromStr};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::Proxy;
pub use access::Access;
pub(crate) use access::BUCKET;
use access::Started;
use process::Process;

/// The servers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The s3s crate over memory, in this process: fast S3 with true conditional writes; checks signatures.
    S3s,
    /// moto: S3 with true conditional writes; slow; accepts any secret.
    Moto,
    /// ministack: as moto, another implementation.
    Ministack,
    /// fake-gcs-server: GCS with true preconditions; accepts any credential.
    FakeGcs,
    /// Azurite: Azure's own emulator; checks signatures; slow.
    Azurite,
    /// nginx: HTTP with ranges, ETags and Content-Encoding.
    Nginx,
    /// Python's http.server: HTTP without ranges and without ETags.
    Plain,
}

impl Kind {
    /// Every kind, under the name by which the program takes it.
    pub const ALL: [(&str, Self); 7] = [
        ("s3s", Self::S3s),
        ("moto", Self::Moto),
        ("ministack", Self::Ministack),
        ("fake-gcs", Self::FakeGcs),
        ("azurite", Self::Azurite),
        ("nginx", Self::Nginx),
        ("plain", Self::Plain),
    ];

    /// Whether it serves the files of a directory.
    pub fn serves_directory(self) -> bool {
        matches!(self, Self::Nginx | Self::Plain)
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(n, _)| *n == name);
        let names = Self::ALL.map(|(n, _)| n).join(", ");
        found.map(|(_, kind)| *kind).with_context(|| format!("'{name}' is no server: {names}"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, kind)| kind == self).map_or("", |(n, _)| n))
    }
}

/// A running server; it ends when this is dropped, and when the process that started it ends.
pub struct Server {
    started: Started,
    _dir: TempDir,
}

impl Deref for Server {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.started.access
    }
}

impl Server {
    /// Starts a server. `dir` is what a file server serves: an empty directory of its own without one.
    /// Fails where the program is not installed, or did not start; the error says what it printed.
    pub fn start(kind: Kind, dir: Option<&Path>) -> Result<Self> {
        let own = tempfile::tempdir()?;
        let served = dir.unwrap_or(own.path());
        let started = match kind {
            Kind::S3s => s3s::start(),
            Kind::Moto => s3::moto(own.path()),
            Kind::Ministack => s3::ministack(own.path()),
            Kind::FakeGcs => gcs::fake_gcs(own.path()),
            Kind::Azurite => azure::azurite(own.path()),
            Kind::Nginx => http::nginx(own.path(), served),
            Kind::Plain => http::plain(own.path(), served),
        };
        let started = started.with_context(|| format!("starting {kind}"))?;
        Ok(Self { started, _dir: own })
    }

    /// The s3s crate over memory, with the bucket `testbed`.
    pub fn s3s() -> Result<Self> {
        Self::start(Kind::S3s, None)
    }

    /// moto, with the bucket `testbed`.
    pub fn moto() -> Result<Self> {
        Self::start(Kind::Moto, None)
    }

    /// ministack, with the bucket `testbed`.
    pub fn ministack() -> Result<Self> {
        Self::start(Kind::Ministack, None)
    }

    /// fake-gcs-server, with the bucket `testbed`.
    pub fn fake_gcs() -> Result<Self> {
        Self::start(Kind::FakeGcs, None)
    }

    /// Azurite, with the container `testbed`.
    pub fn azurite() -> Result<Self> {
        Self::start(Kind::Azurite, None)
    }

    /// nginx over the files of a directory.
    pub fn nginx(dir: &Path) -> Result<Self> {
        Self::start(Kind::Nginx, Some(dir))
    }

    /// Python's file server over the files of a directory.
    pub fn plain(dir: &Path) -> Result<Self> {
        Self::start(Kind::Plain, Some(dir))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.started.address
    }

    /// Its process; none where it runs in this one.
    pub fn id(&self) -> Option<u32> {
        self.started.process.as_ref().map(Process::id)
    }

    /// The same bucket by way of a proxy.
    pub fn via(&self, proxy: &Proxy) -> Access {
        let moved = |text: &str| text.replace(&self.address().to_string(), &proxy.address().to_string());
        Access {
            url: moved(&self.url),
            endpoint: moved(&self.endpoint),
            options: self.options.iter().map(|(k, v)| (k.clone(), moved(v))).collect(),
        }
    }
}
