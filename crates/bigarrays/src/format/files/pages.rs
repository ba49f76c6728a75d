//! Arrays made of encoded pages (images) as stores: key `k` is chunk `k`, decoded when it is asked
//! for and encoded when it is written.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use crate::base::buffer::with_scratch;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::{
    Blob, Change, ChangeFn, Extent, Get, GetSink, KeyLocks, Part, Store, Update, Wanted, in_parallel,
};

/// Numbered chunks, each decoded as a whole. What is decoded are raw elements, in C order and the
/// machine's byte order.
pub(crate) trait Pages: Debug + Send + Sync {
    /// Name of chunk `number` for messages; of all of them without one.
    fn location(&self, number: Option<u64>) -> String;

    /// How many chunks there are.
    fn count(&self) -> u64;

    /// Bytes of chunk `number`, decoded.
    fn decoded_len(&self, number: u64) -> u64;

    /// The version of the file that chunk `number` is in, if that can be told.
    fn version(&self, number: u64) -> Option<String>;

    /// Decodes chunk `number` into the start of `out`, of which it says how many bytes it took; `None`
    /// if the chunk is missing.
    fn decode(&self, number: u64, out: &mut Vec<u8>) -> Result<Option<usize>>;

    /// Encodes and replaces chunk `number`, or removes it if there are no bytes.
    fn replace(&self, number: u64, bytes: Option<&[u8]>) -> Result<()> {
        let _ = (number, bytes);
        Err(Error::new(ErrorKind::ReadOnly, "this kind of file is only read; write a new one"))
    }
}

/// The store of such chunks.
#[derive(Debug)]
pub(crate) struct PageStore<P> {
    pages: P,
    locks: KeyLocks,
}

impl<P: Pages> PageStore<P> {
    pub(crate) fn new(pages: P) -> Self {
        let locks = KeyLocks::new(Path::new(&pages.location(None)), false);
        Self { pages, locks }
    }

    fn number(&self, key: &str) -> Option<u64> {
        key.parse().ok().filter(|&number| number < self.pages.count())
    }

    /// Decodes a chunk and lends its bytes to `use_it`.
    fn with_decoded<T>(&self, number: u64, use_it: impl FnOnce(Option<Blob<'_>>) -> Result<T>) -> Result<T> {
        with_scratch(|out| {
            let length = self
                .pages
                .decode(number, out)
                .map_err(|error| error.during("decoding").at(self.pages.location(Some(number))))?;
            let encoding = ContentEncoding::Identity;
            use_it(length.map(|length| Blob::whole(&out[..length], encoding)))
        })
    }

    fn update(&self, position: usize, update: &Update, change: &ChangeFn<'_>) -> Result<()> {
        let number = self.number(&update.key).ok_or_else(|| Error::invalid("there is no such page"))?;
        let replace = |new: &mut Vec<u8>| {
            new.clear();
            let outcome = if update.reads {
                self.with_decoded(number, |old| change(position, old, new))?
            } else {
                change(position, None, new)?
            };
            match outcome {
                Change::Keep => Ok(()),
                Change::Delete | Change::Remove => self.pages.replace(number, None),
                Change::Put(ContentEncoding::Identity) | Change::PutOrDelete(ContentEncoding::Identity) => {
                    self.pages.replace(number, Some(new))
                }
                Change::Put(_) | Change::PutOrDelete(_) => {
                    Err(Error::unsupported("an image file is not compressed once more"))
                }
            }
        };
        self.locks.hold(&update.key, &|| Ok(()), || with_scratch(replace))
    }
}

impl<P: Pages> Store for PageStore<P> {
    fn location(&self, key: &str) -> String {
        self.pages.location(self.number(key))
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Err(Error::invalid("images have nothing below them").at(format!("{}/{path}", self.location(""))))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        in_parallel(requests, |position, request| {
            let Some(number) = self.number(&request.key) else { return sink(position, None) };
            // Before it is read: what is changed meanwhile is of a later version than is said.
            let (is_named, is_short) = (request.version != Wanted::Any, request.part == Part::Presence);
            let found = if is_named || is_short { self.pages.version(number) } else { None };
            let version = found.as_deref().filter(|_| is_named);
            if request.version.withholds(version) {
                return sink(position, Some(Blob { extent: Extent::Withheld, version, ..Blob::parts(&[]) }));
            }
            if is_short && found.is_some() {
                return sink(position, Some(Blob { version, ..Blob::parts(&[]) }));
            }
            self.with_decoded(number, |blob| sink(position, blob.map(|blob| Blob { version, ..blob })))
        })
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        in_parallel(requests, |position, request| {
            self.update(position, request, change)
                .map_err(|error| error.during("writing").at(self.location(&request.key)))
        })
    }

    /// As the trait says; the sizes are those of the decoded chunks, and chunks that were never
    /// written are listed too.
    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        for number in 0..self.pages.count() {
            let key = number.to_string();
            if key.starts_with(prefix) {
                found(&key, self.pages.decoded_len(number))?;
            }
        }
        Ok(())
    }
}

/// Refuses a page that claims to be far larger than what any compression makes of its bytes.
pub(crate) fn expect_plausible(decoded: u64, stored: u64) -> Result<()> {
    if decoded > 1 << 30 && decoded / 100_000 > stored {
        return Err(Error::corrupt(format!("a page of {decoded} bytes cannot be stored in {stored}")));
    }
    Ok(())
}

#[cfg(any(feature = "png", feature = "tiff"))]
/// Spreads samples of 1, 2 or 4 bits, the highest bits first, to a byte each.
pub(crate) fn unpack(packed: &[u8], bits: u8, out: &mut [u8]) {
    let per_byte = usize::from(8 / bits);
    let mask = u8::MAX >> (8 - bits);
    for (samples, byte) in out.chunks_mut(per_byte).zip(packed) {
        for (k, sample) in samples.iter_mut().enumerate() {
            *sample = byte >> (8 - bits as usize * (k + 1)) & mask;
        }
    }
}
