//! Values that are encoded as a whole, as a store of what they are before.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use super::request::joined_len;
use super::{Blob, Change, ChangeFn, Extent, Finding, Get, GetSink, Part, Store, Update, in_parallel};
use crate::base::buffer::with_scratch;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::{BytesCodec, ContentEncoding};

/// The values of another store as they are before codecs encode them. Every value is read whole, whatever
/// part of it is wanted.
#[derive(Debug)]
pub(crate) struct EncodedStore {
    inner: Arc<dyn Store>,
    /// In the order of encoding.
    codecs: Vec<Arc<dyn BytesCodec>>,
    /// The most bytes of a value before they encode it.
    max_len: usize,
}

impl EncodedStore {
    pub(crate) fn new(inner: Arc<dyn Store>, codecs: Vec<Arc<dyn BytesCodec>>, max_len: usize) -> Self {
        Self { inner, codecs, max_len }
    }

    /// The most bytes of a value as some of the codecs encode it.
    fn max_encoded_len(&self, codecs: &[Arc<dyn BytesCodec>]) -> usize {
        codecs.iter().fold(self.max_len, |length, codec| codec.max_encoded_len(length))
    }

    fn stored_len(&self) -> u64 {
        self.max_encoded_len(&self.codecs) as u64
    }

    /// The value of a blob, which is all of it.
    fn value<'b>(&self, blob: &Blob<'b>, key: &str) -> Result<Cow<'b, [u8]>> {
        let located = |error: Error| error.during("decoding").at(self.inner.location(key));
        if blob.encoding != ContentEncoding::Identity {
            let message = "a content encoding around values that codecs encode already";
            return Err(located(Error::unsupported(message)));
        }
        let mut value = Cow::Borrowed(blob.bytes);
        for (at, codec) in self.codecs.iter().enumerate().rev() {
            let mut decoded = Vec::new();
            let most = self.max_encoded_len(&self.codecs[..at]);
            let length = codec.decode(&value, most, &mut decoded).map_err(located)?;
            decoded.truncate(length);
            value = Cow::Owned(decoded);
        }
        Ok(value)
    }

    /// Hands `part` of a value to `give`.
    fn cut(part: &Part, value: &[u8], give: impl FnOnce(Blob<'_>) -> Result<()>) -> Result<()> {
        let Some(ranges) = part.of(value.len() as u64, ContentEncoding::Identity)? else {
            return give(Blob::whole(value, ContentEncoding::Identity));
        };
        if let [range] = &ranges[..] {
            return give(Blob::parts(&value[range.start as usize..range.end as usize]));
        }
        with_scratch(|joined| {
            joined.clear();
            joined.reserve_exact(joined_len(&ranges)?);
            ranges.iter().for_each(|range| {
                joined.extend_from_slice(&value[range.start as usize..range.end as usize]);
            });
            give(Blob::parts(joined))
        })
    }
}

impl Store for EncodedStore {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Self::new(self.inner.child(path)?, self.codecs.clone(), self.max_len)))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        let whole = |request: &Get| match request.part {
            Part::Presence => request.clone(),
            _ => Get { part: Part::Whole, max_len: self.stored_len(), ..request.clone() },
        };
        let gets: Vec<Get> = requests.iter().map(whole).collect();
        self.inner.get_many(&gets, &|k, blob| {
            let Some(blob) = blob.filter(|blob| blob.extent == Extent::Whole) else { return sink(k, blob) };
            let value = self.value(&blob, &gets[k].key)?;
            let give = |part: Blob<'_>| sink(k, Some(Blob { version: blob.version, ..part }));
            Self::cut(&requests[k].part, &value, give)
        })
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        let updates: Vec<Update> =
            requests.iter().map(|request| Update { max_len: self.stored_len(), ..request.clone() }).collect();
        self.inner.update_many(&updates, &|k, old, new| {
            let value = old.map(|blob| self.value(&blob, &updates[k].key)).transpose()?;
            let old = value.as_deref().map(|value| Blob::whole(value, ContentEncoding::Identity));
            let made = change(k, old, new)?;
            match made {
                Change::Put(ContentEncoding::Identity) | Change::PutOrDelete(ContentEncoding::Identity) => {
                    for codec in &self.codecs {
                        let mut encoded = Vec::new();
                        codec.encode(new, &mut encoded)?;
                        *new = encoded;
                    }
                }
                Change::Put(_) | Change::PutOrDelete(_) => {
                    return Err(Error::unsupported("a content encoding around values that codecs encode"));
                }
                Change::Delete | Change::Remove | Change::Keep => {}
            }
            Ok(made)
        })
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    /// Says how long values are before codecs encode them. What is none, such as metadata, is as it is.
    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        let mut keys = Vec::new();
        self.inner.survey(&mut |finding| match finding {
            Finding::Value { key, bytes } => {
                keys.push((key.to_owned(), bytes));
                Ok(())
            }
            other => found(other),
        })?;
        let lengths: Vec<Mutex<u64>> = keys.iter().map(|(_, stored)| Mutex::new(*stored)).collect();
        in_parallel(&keys, |k, (key, stored)| {
            let get = Get::new(key.clone(), Part::Whole, self.stored_len());
            let read = self.get_many(&[get], &|_, blob| {
                *lengths[k].locked() = blob.map_or(*stored, |blob| blob.bytes.len() as u64);
                Ok(())
            });
            match read {
                // Who looks into the value meets the same error.
                Err(error) if error.kind() == ErrorKind::CorruptData => Ok(()),
                read => read,
            }
        })?;
        let mut both = keys.iter().zip(lengths);
        both.try_for_each(|((key, _), bytes)| found(Finding::Value { key, bytes: bytes.into_value() }))
    }

    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.inner.names(found)
    }

    /// Parts of a value are best asked for at once.
    fn request_cost(&self) -> u64 {
        u64::MAX
    }

    fn list_to_remove(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.inner.list_to_remove(found)
    }

    fn unlink(&self, key: &str) -> Result<bool> {
        self.inner.unlink(key)
    }

    fn tidy(&self, folder: &str) {
        self.inner.tidy(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::{Checksum, ChecksumKind, Gzip};
    use crate::store::{MemoryStore, Wanted};

    #[test]
    fn values_come_back_in_parts_and_damage_is_noticed() {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let codecs: Vec<Arc<dyn BytesCodec>> =
            vec![Arc::new(Gzip::new(6).unwrap()), Arc::new(Checksum::new(ChecksumKind::Crc32c, false))];
        let store = EncodedStore::new(Arc::clone(&inner), codecs, 10);
        let store: &dyn Store = &store;
        store.write("a", b"0123456789").unwrap();
        assert_eq!(store.read("a").unwrap().unwrap(), b"0123456789");
        let mut stored = inner.read("a").unwrap().unwrap();
        assert_eq!(stored[..2], [0x1f, 0x8b]);
        let read = |part: Part| {
            let bytes = std::sync::Mutex::new(Vec::new());
            let get = Get { version: Wanted::Named, ..Get::new("a", part, u64::MAX) };
            store
                .get_many(&[get], &|_, blob| {
                    *bytes.lock().unwrap() = blob.unwrap().bytes.to_vec();
                    Ok(())
                })
                .map(|()| bytes.into_inner().unwrap())
        };
        let ranges = |ranges: &[std::ops::Range<u64>]| Part::Ranges { ranges: ranges.to_vec(), total: None };
        assert_eq!(read(Part::Last(3)).unwrap(), b"789");
        assert_eq!(read(ranges(&[1..3, 8..9])).unwrap(), b"128");
        assert_eq!(read(Part::Presence).unwrap(), b"");
        assert!(read(ranges(&[1..11])).is_err());
        stored[12] ^= 1;
        inner.write("a", &stored).unwrap();
        assert!(read(Part::Whole).unwrap_err().to_string().contains('a'));
        store.write("b", b"01234567890").unwrap();
        assert!(store.read("b").is_err(), "longer than values can be");
    }
}
