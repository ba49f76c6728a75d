//! Services, and places in them.

use crate::base::error::{Error, Result};

/// The kinds of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    S3,
    Gcs,
    Azure,
    Http,
}

/// Where a store's objects are: a service and the bucket, container or server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) service: Service,
    /// As in URLs, up to and including the slash before the first key.
    pub(super) base: String,
    /// The bucket or container; for HTTP the server's URL.
    pub(super) bucket: String,
}

impl Place {
    /// The place of a URL, given its scheme's prefix and what follows it, and the path in it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no bucket, or if the URL holds a password.
    pub(super) fn parse(service: Service, prefix: &str, rest: &str) -> Result<(Self, String)> {
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(Error::invalid(format!("no bucket, container or server in {prefix}{rest}")));
        }
        if bucket.contains(|c: char| c.is_control() || c.is_whitespace()) {
            let message = "the bucket, container or server has a blank or a control character in its name";
            return Err(Error::invalid(message));
        }
        if service == Service::Http {
            if bucket.contains('@') || rest.contains(['?', '#']) {
                let message =
                    "a web URL must hold no password, `?` or `#`: use the store option bearer_token";
                return Err(Error::invalid(message));
            }
            let base = format!("{prefix}{bucket}/");
            return Ok((Self { service, bucket: base.clone(), base }, path.to_owned()));
        }
        // Azure's containers stand before an `@`.
        if bucket.contains(':') || (bucket.contains('@') && service != Service::Azure) {
            let message =
                "the URL of a bucket must hold no key or password: use store options or the environment";
            return Err(Error::invalid(message));
        }
        let is_usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$' | '@');
        if let Some(odd) = bucket.chars().find(|c| !is_usable(*c)) {
            return Err(Error::invalid(format!("no bucket or container has {odd:?} in its name")));
        }
        let place = Self { service, base: format!("{prefix}{bucket}/"), bucket: bucket.to_owned() };
        Ok((place, path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_place_and_a_path() {
        let parse = |service, prefix, rest| Place::parse(service, prefix, rest);
        let (place, path) = parse(Service::S3, "s3://", "bucket/a/b c").unwrap();
        assert_eq!(
            (place.bucket.as_str(), place.base.as_str(), path.as_str()),
            ("bucket", "s3://bucket/", "a/b c")
        );
        let (place, path) = parse(Service::Http, "https://", "host:80/a").unwrap();
        assert_eq!((place.bucket.as_str(), path.as_str()), ("https://host:80/", "a"));
        for bucket in ["b?c", "b#c", "b%zz", "b[c", "b\\c", "bä", "b&c", "a@b?c"] {
            assert!(parse(Service::Azure, "az://", bucket).is_err(), "{bucket}");
        }
        assert!(parse(Service::Gcs, "gs://", "").is_err() && parse(Service::S3, "s3://", "/x").is_err());
        for (service, prefix) in
            [(Service::Http, "http://"), (Service::S3, "s3://"), (Service::Azure, "az://")]
        {
            let error = parse(service, prefix, "me:hush@host/").unwrap_err();
            assert!(!error.to_string().contains("hush"));
        }
        assert!(parse(Service::Azure, "az://", "container@account/x").is_ok());
    }
}
