//! Which texts are keys, and where a path leads.

use crate::base::error::{Error, Result};

/// What names of files start with that stores make for themselves; not to be used in keys.
pub(crate) const RESERVED: &str = ".bigarrays";

/// Refuses what is not a key: a relative path of parts that are neither empty nor `.` or `..`, and
/// not of the names that stores use for themselves.
pub(crate) fn check_key(key: &str) -> Result<()> {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with(RESERVED);
    if key.split('/').all(is_part) && !key.contains('\0') {
        return Ok(());
    }
    let message = "a key is a relative path without empty, `.`, `..` or `.bigarrays…` parts";
    Err(Error::invalid(message).during("resolving").at(format!("{key:?}")))
}

/// The folder of a key, without a slash at its end.
pub(super) fn folder_of(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Appends `path`, resolved by its text alone, to the parts of `base`.
///
/// # Errors
/// `InvalidArgument` if it is absolute or has more `..` than there are parts.
pub(crate) fn join_path<'a>(mut base: Vec<&'a str>, path: &'a str) -> Result<Vec<&'a str>> {
    let refuse = |message: &'static str| Error::invalid(message).during("resolving").at(format!("{path:?}"));
    if path.starts_with('/') || path.contains('\0') {
        return Err(refuse("the path of a child must be relative"));
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(base.pop().ok_or_else(|| refuse("the path leaves its store"))?),
            part => base.push(part),
        }
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        for key in ["a", "a/b", "...", "-1--2_3-4", "a//b"].iter().zip([true, true, true, true, false]) {
            assert_eq!(check_key(key.0).is_ok(), key.1, "{}", key.0);
        }
        for key in ["", "/a", "a/", "../a", "a/../b", "./a", "a\0", "a/.bigarrays.lock", ".bigarrays-tmp-1"] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }
}
