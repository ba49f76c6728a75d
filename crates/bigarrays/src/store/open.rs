//! From a URL or a path to its store.

use std::sync::Arc;

use super::contract::Store;
use super::file::FileStore;
use super::memory;
#[cfg(feature = "object")]
use super::object;
use super::options::StoreOptions;
use super::percent;
use crate::base::error::{Error, Result};
use crate::base::feature::missing;

/// A way to name stores.
#[derive(Debug)]
pub struct Scheme {
    /// What URLs of this kind start with.
    pub prefix: &'static str,
    /// What such URLs look like and mean, in a line.
    pub summary: &'static str,
    /// Opens the store of a URL.
    pub open: fn(&str, &StoreOptions) -> Result<Arc<dyn Store>>,
}

/// Every scheme that [`open`] knows. What has none of these and no `://` is a path.
pub static BUILTIN: &[Scheme] = &[
    Scheme {
        prefix: "file://",
        summary: "file://PATH, in which %20 is a blank, or PATH, which is taken literally: a local directory",
        open: |url, options| Ok(Arc::new(FileStore::open(local_path(url)?.into(), options.clone())?)),
    },
    Scheme {
        prefix: "memory://",
        summary: "memory://NAME: memory shared by all who use that name in this process",
        open: |url, options| memory::open_named(&url["memory://".len()..], options.read_only),
    },
    Scheme {
        prefix: "s3://",
        summary: "s3://BUCKET/PATH: Amazon S3, or what speaks its language at AWS_ENDPOINT_URL",
        open: open_remote,
    },
    Scheme { prefix: "gs://", summary: "gs://BUCKET/PATH: Google Cloud Storage", open: open_remote },
    Scheme {
        prefix: "az://",
        summary: "az://CONTAINER/PATH or az://CONTAINER@ACCOUNT/PATH: Azure Blob Storage",
        open: open_remote,
    },
    Scheme { prefix: "http://", summary: "http://HOST/PATH: a web server, only read", open: open_remote },
    Scheme { prefix: "https://", summary: "https://HOST/PATH: a web server, only read", open: open_remote },
];

/// The path of the file system that a path, or a URL of `file://`, names. In a URL, what is percent-encoded is decoded
/// (RFC 8089), and this machine may be named as `localhost`; `?` and `#` are characters like any other.
///
/// # Errors
/// `InvalidArgument` for a `%` that is not followed by two hexadecimal digits.
pub fn local_path(url: &str) -> Result<String> {
    let Some(path) = url.strip_prefix("file://") else { return Ok(url.to_owned()) };
    let path = if path.starts_with("localhost/") { &path["localhost".len()..] } else { path };
    percent::decode(path).map(Into::into).map_err(|error| error.during("opening").at(url))
}

/// Opens the store that `url`, a URL of one of the [`BUILTIN`] schemes or a path, names. It need not
/// exist yet.
///
/// # Errors
/// `Unsupported` for an unknown scheme.
pub fn open(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    if let Some(scheme) = BUILTIN.iter().find(|scheme| url.starts_with(scheme.prefix)) {
        return (scheme.open)(url, options);
    }
    if url.contains("://") {
        let known: Vec<_> = BUILTIN.iter().map(|scheme| scheme.prefix).collect();
        let message = format!("unknown kind of URL; known are {} and paths", known.join(", "));
        return Err(Error::unsupported(message).during("opening").at(url));
    }
    (BUILTIN[0].open)(url, options)
}

/// What URLs of services behind a network start with, the Cargo feature of each, and whether this build has it.
const SERVICES: &[(&str, &str, bool)] = &[
    ("s3://", "s3", cfg!(feature = "s3")),
    ("gs://", "gcs", cfg!(feature = "gcs")),
    ("az://", "azure", cfg!(feature = "azure")),
    ("http://", "http", cfg!(feature = "http")),
    ("https://", "http", cfg!(feature = "http")),
];

/// Opens the store of a service behind a network.
fn open_remote(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    let lacks = |(prefix, _, has): &&(&str, &str, bool)| url.starts_with(prefix) && !has;
    if let Some((prefix, feature, _)) = SERVICES.iter().find(lacks) {
        return Err(missing(&format!("store for {prefix}"), feature).during("opening").at(url));
    }
    #[cfg(feature = "object")]
    return object::open(url, options);
    #[cfg(not(feature = "object"))]
    {
        let _ = options;
        Err(missing("store behind a network", "object").at(url))
    }
}

/// Whether `url` names something behind a network.
pub(crate) fn is_remote(url: &str) -> bool {
    url.contains("://") && !["file://", "memory://"].iter().any(|local| url.starts_with(local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;

    #[test]
    fn urls_and_paths() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let open = |url: &str| open(url, &StoreOptions::default());
        open(path).unwrap().write("a b/c%20", b"1").unwrap();
        assert_eq!(open(&format!("file://{path}/a b")).unwrap().read("c%20").unwrap().unwrap(), b"1");
        assert_eq!(
            open(&format!("file://localhost{path}/a%20b")).unwrap().read("c%20").unwrap().unwrap(),
            b"1"
        );
        open(&format!("{path}/100%")).unwrap().write("x", b"2").unwrap();
        assert!(open(&format!("file://{path}/100%25")).unwrap().exists("x").unwrap());
        assert_eq!(open(&format!("file://{path}/100%")).unwrap_err().kind(), ErrorKind::InvalidArgument);
        open("memory://urls_and_paths/sub").unwrap().write("x", b"2").unwrap();
        assert!(open("memory://urls_and_paths").unwrap().exists("sub/x").unwrap());
        assert!(!open("memory://urls_and_paths2").unwrap().exists("sub/x").unwrap());
        let read_only = StoreOptions { read_only: true, ..StoreOptions::default() };
        for url in [path, "memory://urls_and_paths"] {
            let store = super::open(url, &read_only).unwrap().child("sub").unwrap();
            assert_eq!(store.write("x", b"3").unwrap_err().kind(), ErrorKind::ReadOnly, "{url}");
        }
        assert_eq!(open("gopher://x").unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
