//! Digests of chunks: of those that are put, as they are stored, and of the versions of those that are read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use twox_hash::XxHash3_128;

use crate::array::Array;
use crate::base::buffer::{Order, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::chunk::layout::Layout;
use crate::compute::memory::lengths;
use crate::store::{Blob, ChangeFn, Extent, Get, GetSink, Part, Store, Update, Wanted, settled};

/// A digest of chunks, in whatever order they are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) u128);

impl Digest {
    fn of_value(encoding: ContentEncoding, bytes: &[u8]) -> u128 {
        XxHash3_128::oneshot_with_seed(encoding as u64, bytes)
    }

    /// The digest of bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self(XxHash3_128::oneshot(bytes))
    }

    /// The digest of a text, in words of hexadecimal digits.
    pub(crate) fn of_text(text: &str) -> String {
        format!("{:032x}", XxHash3_128::oneshot(text.as_bytes()))
    }

    /// The digest of the elements of a box.
    pub(crate) fn of_elements(array: &Array, part: &Domain) -> Result<Self> {
        let (shape, item) = (lengths(part)?, array.dtype().size());
        let length = byte_len(&shape, item)?;
        with_scratch(|buffer| {
            let bytes = try_first_bytes(buffer, length)?;
            array.read_into(part, ViewMut::dense(bytes, &shape, item, Order::C)?)?;
            Ok(Self::of_bytes(bytes))
        })
    }

    /// Adds what is known of the value of a key. What is missing adds nothing, whether it was asked for or not.
    pub(crate) fn add(&mut self, key: &str, value: Option<u128>) {
        let Some(value) = value else { return };
        // Distinct for each key: two values that change places differ.
        let own = XxHash3_128::oneshot(key.as_bytes());
        let both = [own.to_ne_bytes(), value.to_ne_bytes()].concat();
        self.0 = self.0.wrapping_add(XxHash3_128::oneshot(&both));
    }

    /// The digest of the chunks of `array` that `part` touches, as they are stored.
    pub(crate) fn of_chunks(array: &Array, part: &Domain) -> Result<Self> {
        let sum = Mutex::new(Self::default());
        for layout in array.layouts() {
            let requests = requests(array, layout, part, |key, most| Get::new(key, Part::Whole, most))?;
            array.store().get_many(&requests, &|position, blob| {
                let value = blob.map(|blob| Self::of_value(blob.encoding, blob.bytes));
                sum.locked().add(&requests[position].key, value);
                Ok(())
            })?;
        }
        Ok(sum.into_value())
    }

    /// The digest of the versions of the chunks of `array` that `part` touches.
    pub(crate) fn of_versions(array: &Array, part: &Domain) -> Result<Self> {
        let reads = Reads::instead_of(Arc::clone(array.store()));
        for layout in array.layouts() {
            let named = |key, most| Get { version: Wanted::Named, ..Get::new(key, Part::Whole, most) };
            reads.get_many(&requests(array, layout, part, named)?, &|_, _| Ok(()))?;
        }
        // Of one moment, there is one version of each.
        Ok(reads.digest().unwrap_or_default())
    }
}

/// The requests that `make` makes of the key and the greatest length of each chunk that `part` touches.
fn requests(
    array: &Array,
    layout: &Layout,
    part: &Domain,
    make: impl Fn(String, u64) -> Get,
) -> Result<Vec<Get>> {
    let selection = array.stored_inside(part)?;
    if selection.iter().any(|axis| axis.count == 0) {
        return Ok(Vec::new());
    }
    let chunks = layout.grid.project_selection(&selection);
    Ok(chunks
        .iter()
        .map(|part| make(layout.chunk_key(&part.index), layout.max_stored_len(&part.index)))
        .collect())
}

/// A store that passes everything on, and makes a digest of the versions that are read.
#[derive(Debug)]
pub(crate) struct Reads {
    inner: Arc<dyn Store>,
    /// Whether versions alone are asked for, and all values are said to be missing.
    is_blind: bool,
    /// What is known of each value; `None` once two versions of one were read.
    seen: Mutex<Option<HashMap<String, Option<u128>>>>,
}

impl Reads {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, is_blind: false, seen: Mutex::new(Some(HashMap::new())) }
    }

    /// The same, of what would be read: nothing is.
    pub(crate) fn instead_of(inner: Arc<dyn Store>) -> Self {
        Self { is_blind: true, ..Self::over(inner) }
    }

    /// The digest of the versions, if there was one of each value.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let seen = self.seen.locked();
        let mut digest = Digest::default();
        seen.as_ref()?.iter().for_each(|(key, version)| digest.add(key, *version));
        Some(digest)
    }
}

impl Reads {
    /// Adds what is known of a value that was read: the name of its version, or, if the store knows none, its bytes.
    fn see(&self, request: &Get, blob: Option<Blob<'_>>) {
        let (key, version) = match blob {
            Some(Blob { extent: Extent::Withheld, .. }) => return,
            Some(Blob { version: None, encoding, bytes, .. }) => {
                let key = format!("{} {:?}", request.key, request.part);
                (key, Some(Digest::of_value(encoding, bytes)))
            }
            Some(Blob { version: Some(name), .. }) => {
                (request.key.clone(), Some(XxHash3_128::oneshot(settled(name).as_bytes())))
            }
            None => (request.key.clone(), None),
        };
        let mut seen = self.seen.locked();
        let before = seen.as_mut().and_then(|seen| seen.insert(key, version));
        if before.is_some_and(|before| before != version) {
            *seen = None;
        }
    }
}

impl Store for Reads {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        self.inner.child(path)
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        let requests: Vec<Get> = requests.iter().map(Get::named).collect();
        if !self.is_blind {
            return self.inner.get_many(&requests, &|position, blob| {
                self.see(&requests[position], blob);
                sink(position, blob)
            });
        }
        let presence = |request: &Get| Get { part: Part::Presence, ..request.clone() };
        let present: Vec<Get> = requests.iter().map(presence).collect();
        let nameless: Mutex<Vec<usize>> = Mutex::default();
        self.inner.get_many(&present, &|position, blob| {
            match blob {
                Some(blob) if blob.version.is_none() => nameless.locked().push(position),
                _ => self.see(&requests[position], blob),
            }
            sink(position, None)
        })?;
        let nameless: Vec<Get> =
            nameless.into_value().into_iter().map(|position| requests[position].clone()).collect();
        if nameless.is_empty() {
            return Ok(());
        }
        self.inner.get_many(&nameless, &|position, blob| {
            self.see(&nameless[position], blob);
            Ok(())
        })
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.inner.update_many(requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_do_not_depend_on_the_order_but_on_all_else() {
        let of = |values: &[(&str, Option<&[u8]>)]| {
            let mut digest = Digest::default();
            let value = |bytes| Digest::of_value(ContentEncoding::Identity, bytes);
            values.iter().for_each(|(key, bytes)| digest.add(key, bytes.map(value)));
            digest
        };
        let (a, b) = (("a", Some(&b"1"[..])), ("b", Some(&b"2"[..])));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        assert_ne!(of(&[a, b]), of(&[("a", b.1), ("b", a.1)]));
        assert_ne!(of(&[a]), of(&[("a", None)]));
        assert_ne!(of(&[a]), of(&[a, a]));
    }
}
