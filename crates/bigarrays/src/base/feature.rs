//! Cargo features, by what is missing without them.

use crate::base::error::Error;

/// The error for what this build lacks, and the feature that brings it.
pub(crate) fn missing(what: &str, feature: &str) -> Error {
    Error::unsupported(format!(
        "this build has no {what}; build bigarrays with the Cargo feature `{feature}`"
    ))
}
