//! What services say that a whole value's bytes should be.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use md5::{Digest, Md5};

use crate::base::error::{Error, ErrorKind, Result};

/// Checksums of a value as it is stored, from the headers of an answer with all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checksums {
    crc32c: Option<u32>,
    md5: Option<[u8; 16]>,
}

impl Checksums {
    /// From `x-goog-hash` of Google and `Content-MD5` of Azure; none where they are not given.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut sums = Self::default();
        let hashes = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
        for (name, value) in
            hashes.flat_map(|value| value.split(',')).filter_map(|hash| hash.trim().split_once('='))
        {
            let bytes = BASE64_STANDARD.decode(value).unwrap_or_default();
            match name {
                "crc32c" => sums.crc32c = bytes.try_into().ok().map(u32::from_be_bytes),
                "md5" => sums.md5 = bytes.try_into().ok(),
                _ => {}
            }
        }
        let azure = headers.get("content-md5").and_then(|value| BASE64_STANDARD.decode(value).ok());
        if let Some(md5) = azure.and_then(|bytes| bytes.try_into().ok()) {
            sums.md5 = Some(md5);
        }
        sums
    }

    /// Compares with the bytes that came.
    ///
    /// # Errors
    /// `Storage`, passing, if they are others.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<()> {
        let is_right = match (self.crc32c, self.md5) {
            (Some(crc32c), _) => crc_fast::crc32_iscsi(bytes) == crc32c,
            (None, Some(md5)) => Md5::digest(bytes)[..] == md5,
            (None, None) => true,
        };
        if is_right {
            return Ok(());
        }
        let message = "the bytes that came do not have the checksum that the service gives";
        Err(Error::new(ErrorKind::Storage, message).retryable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_services_are_understood_and_damage_is_seen() {
        let google: HeaderMap = [("x-goog-hash", "crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww==")]
            .into_iter()
            .map(header)
            .collect();
        let azure: HeaderMap =
            [("content-md5", "XrY7u+Ae7tCTyyK7j1rNww==")].into_iter().map(header).collect();
        for headers in [google, azure] {
            let sums = Checksums::of(&headers);
            assert_ne!(sums, Checksums::default());
            assert!(sums.check(b"hello world").is_ok());
            assert!(sums.check(b"hello_world").unwrap_err().is_retryable());
        }
        assert!(Checksums::of(&HeaderMap::new()).check(b"anything").is_ok());
    }

    fn header((name, value): (&'static str, &'static str)) -> (http::HeaderName, http::HeaderValue) {
        (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
    }
}
