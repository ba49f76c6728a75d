//! Which of what is stored at a place is an array's or a group's own: what may be removed with it.

use std::sync::Arc;

use serde_json::Value;

use super::document::DOCUMENTS;
use super::place::{Documents, OwnKeys};
use super::probe::Probe;
use super::{n5, precomputed, zarr};
use crate::base::error::Result;
use crate::store::Store;

/// What the documents at a place call for; `None` if there is no array or group.
pub(super) fn keys(documents: &Documents) -> Option<OwnKeys> {
    let all = [precomputed::own_keys(documents), zarr::own_keys(documents), n5::own_keys(documents)];
    let all: Vec<OwnKeys> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| Box::new(move |key: &str| all.iter().any(|is_own| is_own(key))) as OwnKeys)
}

/// Whether the documents at the root of `store` are of an array or a group, be it damaged, and not of something else
/// that has documents of such names.
///
/// # Errors
/// A storage error.
pub(crate) fn is_place(store: &Arc<dyn Store>) -> Result<bool> {
    let probe = Probe::read(store, DOCUMENTS.iter().copied())?;
    let mut documents = Documents::new();
    for key in DOCUMENTS {
        if probe.has(key)? {
            documents.insert((*key).to_owned(), probe.document(key).ok().flatten());
        }
    }
    let is_unreadable = documents.values().any(Option::is_none);
    Ok(is_unreadable || documents.keys().any(|key| is_metadata(key, &documents)))
}

/// Whether the document `name` is one of metadata: Zarr's names are no other's, what is called otherwise has to look
/// like it.
pub(super) fn is_metadata(name: &str, documents: &Documents) -> bool {
    let readable = |name: &str| documents.get(name).and_then(Option::as_ref);
    let is_layer = readable("info").is_some_and(|info| {
        let kind = info.get("@type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind == "neuroglancer_multiscale_volume") || info.contains_key("scales")
    });
    match name {
        "info" => is_layer,
        "provenance" => is_layer && readable(name).is_some(),
        "attributes.json" => readable(name).is_some(),
        _ => documents.contains_key(name),
    }
}

/// Whether `key` has the form of that of a chunk or shard, of whatever array that has lost its metadata: relative to
/// the array, or to an image one of whose scales the first part names. A single number has no such form.
pub(super) fn has_form(key: &str) -> bool {
    let last = key.rsplit('/').next().unwrap_or(key);
    let (first, rest) = key.split_once('/').unwrap_or((key, ""));
    let is_scale = is_number(first.strip_prefix('s').unwrap_or(first));
    precomputed::is_chunk_key(last)
        || precomputed::is_nested_key(key)
        || last.strip_suffix(".shard").is_some_and(is_hexadecimal)
        || [key, rest].iter().any(|key| key.strip_prefix('c').is_some_and(is_prefixed))
        || are_numbers(key)
        || is_scale && are_numbers(rest)
}

fn is_prefixed(rest: &str) -> bool {
    let mut all = rest.chars();
    let separator = all.next().filter(|first| ['/', '.'].contains(first));
    separator.is_some_and(|separator| all.as_str().split(separator).all(is_number))
}

/// Whether these are several numbers, all between the same separators.
fn are_numbers(key: &str) -> bool {
    let separators = ['/', '.'].into_iter();
    separators
        .filter(|separator| key.contains(*separator))
        .any(|separator| key.split(separator).all(is_number))
}

fn is_number(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

fn is_hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_chunks() {
        for key in [
            "0/0",
            "0.12.3",
            "c/0",
            "c.1.2",
            "0/c/0/1/2",
            "s0/1/2",
            "s12/3/0",
            "0/0.1.2",
            "8_8_40/0-64_-64-0_0-64",
            "a/b/0-1_0-1_0-1",
            "8_8_40/0f.shard",
            "0/0/0/0",
        ] {
            assert!(has_form(key), "{key}");
        }
        for key in [
            "1",
            "thesis.txt",
            "01/02",
            "1.",
            "1//2",
            "c",
            "c/",
            "c/x",
            "sub/1",
            "x/1.2",
            "1.2/3",
            "notes.shard",
            "s1",
            "a/b/c/1",
            "2024/01/03",
            "-1/2",
        ] {
            assert!(!has_form(key), "{key}");
        }
    }
}
