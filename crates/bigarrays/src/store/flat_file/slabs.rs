//! Slabs: where they lie, and how they are read and changed.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::beside::{io_error, is_beside, is_left};
use super::file::FlatFile;
use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::request::joined_len;
use crate::store::{
    Blob, Change, ChangeFn, Destinations, Extent, Finding, Get, GetSink, Part, Store, Update, Wanted,
    in_parallel, version_of,
};

/// Where `new` differs from `old`, in runs. Equal bytes between two of a grain are part of a run.
fn differing(old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
    const GRAIN: usize = 64;
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (number, (old, new)) in old.chunks(GRAIN).zip(new.chunks(GRAIN)).enumerate() {
        let differs = |(old, new): (&u8, &u8)| old != new;
        let Some(first) = old.iter().zip(new).position(differs) else { continue };
        let last = old.iter().zip(new).rposition(differs).unwrap_or(first);
        let span = number * GRAIN + first..number * GRAIN + last + 1;
        match spans.last_mut().filter(|before| before.end == span.start) {
            Some(before) => before.end = span.end,
            None => spans.push(span),
        }
    }
    spans
}

impl FlatFile {
    /// Replaces `old`, the bytes at `offset`, by `new`; writes what differs, or all without `old`.
    fn replace(&self, old: Option<&[u8]>, new: &[u8], offset: u64) -> io::Result<()> {
        match old {
            None => self.file.write_all_at(new, offset)?,
            Some(old) => {
                for span in differing(old, new) {
                    self.file.write_all_at(&new[span.clone()], offset + span.start as u64)?;
                }
            }
        }
        if self.durable { self.file.sync_data() } else { Ok(()) }
    }

    /// Where in the file slab `key` lies; `None` if there is no such slab.
    fn span(&self, key: &str) -> Option<Range<u64>> {
        let number: u64 = key.parse().ok()?;
        let start = number.checked_mul(self.slab).filter(|&start| start < self.data)?;
        let end = start.saturating_add(self.slab).min(self.data);
        Some(self.header + start..self.header + end)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(into, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.too_short(self.header + self.data),
            _ => io_error(error, "reading", &self.path),
        })
    }

    /// Reads the wanted parts of one slab to where they are wanted, if they are one range, or into the start of
    /// `buffer`; says how many bytes are there and what they are.
    fn read(
        &self,
        get: &Get,
        span: &Range<u64>,
        buffer: &mut Vec<u8>,
        fill: &dyn Fn(Range<u64>) -> Result<bool>,
    ) -> Result<(usize, Extent)> {
        let total = span.end - span.start;
        let parts = get.part.of(total, ContentEncoding::Identity)?;
        // All of a slab where a part is wanted is not what its destination is for.
        let is_wanted = parts.is_some() || get.part == Part::Whole;
        let extent = if parts.is_some() { Extent::Parts } else { Extent::Whole };
        let ranges = parts.unwrap_or_else(|| vec![0..total].into());
        if let [range] = &*ranges
            && is_wanted
            && fill(span.start + range.start..span.start + range.end)?
        {
            return Ok((0, Extent::Placed));
        }
        let bytes = first_bytes(buffer, joined_len(&ranges)?);
        let mut at = 0;
        for range in &*ranges {
            let next = at + (range.end - range.start) as usize;
            self.read_at(&mut bytes[at..next], span.start + range.start)?;
            at = next;
        }
        Ok((at, extent))
    }

    fn get(
        &self,
        position: usize,
        get: &Get,
        destinations: &Destinations<'_>,
        sink: &GetSink<'_>,
    ) -> Result<()> {
        let Some(span) = self.span(&get.key) else { return sink(position, None) };
        // Of the whole file: it is the same whichever slab was changed.
        let version = match get.version {
            Wanted::Any => None,
            _ => Some(
                rustix::fs::fstat(&self.file)
                    .map_err(|error| Error::io(error.into(), "reading", self.path.display().to_string()))?,
            ),
        };
        let version = version.as_ref().map(version_of);
        let version = version.as_deref();
        if get.version.withholds(version) {
            return sink(position, Some(Blob { extent: Extent::Withheld, version, ..Blob::parts(&[]) }));
        }
        let fill = |range: Range<u64>| {
            destinations.fill(position, range.end - range.start, |place| self.read_at(place, range.start))
        };
        with_scratch(|buffer| {
            let (length, extent) = self.read(get, &span, buffer, &fill)?;
            sink(position, Some(Blob { extent, version, ..Blob::parts(&buffer[..length]) }))
        })
    }

    fn update(&self, position: usize, update: &Update, change: &ChangeFn<'_>) -> Result<()> {
        let locks = self.writable()?;
        let span = self.span(&update.key).ok_or_else(|| {
            Error::invalid("there is no such slab").during("writing").at(self.location(&update.key))
        })?;
        let length = (span.end - span.start) as usize;
        let change_to = |old: Option<&[u8]>, new: &mut Vec<u8>| {
            new.clear();
            let blob = old.map(|old| Blob::whole(old, ContentEncoding::Identity));
            match change(position, blob, new)? {
                Change::Keep => return Ok(()),
                Change::Put(ContentEncoding::Identity) | Change::PutOrDelete(ContentEncoding::Identity) => {}
                Change::Put(_) | Change::PutOrDelete(_) => {
                    return Err(Error::unsupported("a flat file is not compressed"));
                }
                Change::Delete | Change::Remove => new.resize(length, 0),
            }
            if new.len() != length {
                return Err(Error::invalid(format!("{} bytes for a slab of {length}", new.len())));
            }
            self.replace(old, new, span.start).map_err(|error| io_error(error, "writing", &self.path))
        };
        let work = |new: &mut Vec<u8>| {
            if !update.reads {
                return change_to(None, new);
            }
            with_scratch(|old| {
                let old = first_bytes(old, length);
                self.read_at(old, span.start)?;
                change_to(Some(old), new)
            })
        };
        // The slabs of one file are told from those of others in its directory.
        let key = if self.draft.is_some() { update.key.clone() } else { self.location(&update.key) };
        let done = locks.hold(&key, &|| Ok(()), || with_scratch(work));
        done.map_err(|error| error.at(self.location(&update.key)))
    }
}

impl Store for FlatFile {
    fn location(&self, key: &str) -> String {
        let path = self.path.display();
        if key.is_empty() { path.to_string() } else { format!("{path}#{key}") }
    }

    fn local_path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Err(Error::invalid("a flat file has nothing below it").at(format!("{}/{path}", self.location(""))))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.get_many_to(requests, &Destinations::NONE, sink)
    }

    fn get_many_to(
        &self,
        requests: &[Get],
        destinations: &Destinations<'_>,
        sink: &GetSink<'_>,
    ) -> Result<()> {
        in_parallel(requests, |position, request| self.get(position, request, destinations, sink))
    }

    /// As the trait says; removing a slab fills it with zeros.
    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        let _kept = self.keep()?;
        in_parallel(requests, |position, request| self.update(position, request, change))
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        for number in 0..self.data.div_ceil(self.slab) {
            let key = number.to_string();
            if key.starts_with(prefix) {
                found(&key, self.slab.min(self.data - number * self.slab))?;
            }
        }
        Ok(())
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What lies beside the file may be in a folder that cannot be listed.
        for entry in std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten() {
            let beside = entry.file_name();
            let Some(beside) = beside.to_str().filter(|beside| is_beside(beside, name) && is_left(beside))
            else {
                continue;
            };
            if let Ok(metadata) = entry.metadata() {
                found(Finding::Leftover { key: beside, bytes: metadata.len() })?;
            }
        }
        self.list("", &mut |key, bytes| found(Finding::Value { key, bytes }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::base::error::ErrorKind;
    use crate::store::StoreOptions;

    fn get(store: &FlatFile, key: &str, part: Part) -> Result<Option<Vec<u8>>> {
        let got = Mutex::new(None);
        store.get_many(&[Get::new(key, part, u64::MAX)], &|_, blob| {
            *got.lock().unwrap() = blob.map(|blob| blob.bytes.to_vec());
            Ok(())
        })?;
        Ok(got.into_inner().unwrap())
    }

    fn put(store: &FlatFile, values: &[(&str, &[u8])]) -> Result<()> {
        let updates: Vec<_> = values.iter().map(|(key, _)| Update::blind(*key)).collect();
        store.update_many(&updates, &|k, _, out| {
            out.extend_from_slice(values[k].1);
            Ok(Change::Put(ContentEncoding::Identity))
        })
    }

    #[test]
    fn writes_renames_and_reads_back_parts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.bin");
        let draft = FlatFile::create(&path, b"head", 10, 4).unwrap();
        put(&draft, &[("0", b"abcd"), ("2", b"yz"), ("1", b"efgh")]).unwrap();
        assert!(put(&draft, &[("2", b"too long")]).is_err() && put(&draft, &[("3", b"")]).is_err());
        assert!(!path.exists());
        draft.finish(true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"headabcdefghyz");
        assert_eq!(put(&draft, &[("0", b"....")]).unwrap_err().kind(), ErrorKind::ReadOnly);
        drop(draft);

        let store = FlatFile::open(&path, 4, 10, 4, &StoreOptions::default()).unwrap();
        assert_eq!(get(&store, "2", Part::Whole).unwrap().unwrap(), b"yz");
        assert_eq!(get(&store, "3", Part::Whole).unwrap(), None);
        let ranges = |end| Part::Ranges { ranges: vec![0..1, 2..end], total: Some(4) };
        assert_eq!(get(&store, "1", ranges(4)).unwrap().unwrap(), b"egh");
        assert_eq!(get(&store, "1", Part::Presence).unwrap().unwrap(), b"");
        assert_eq!(get(&store, "1", ranges(5)).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let mut listed = Vec::new();
        let mut note = |key: &str, size| {
            listed.push((key.to_owned(), size));
            Ok(())
        };
        store.list("", &mut note).unwrap();
        assert_eq!(listed[2], ("2".into(), 2));
    }

    #[test]
    fn concurrent_changes_of_one_key_follow_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let store = FlatFile::create(&directory.path().join("a"), b"", 8, 8).unwrap();
        let updates = vec![Update { key: "0".into(), reads: true, max_len: u64::MAX }; 200];
        let add_one = |_: usize, old: Option<Blob<'_>>, new: &mut Vec<u8>| {
            let value = u64::from_le_bytes(old.unwrap().bytes.try_into().unwrap());
            new.extend_from_slice(&(value + 1).to_le_bytes());
            Ok(Change::Put(ContentEncoding::Identity))
        };
        store.update_many(&updates, &add_one).unwrap();
        assert_eq!(get(&store, "0", Part::Whole).unwrap().unwrap(), 200u64.to_le_bytes());
        store.update_many(&updates[..1], &|_, _, _| Ok(Change::Delete)).unwrap();
        assert_eq!(get(&store, "0", Part::Whole).unwrap().unwrap(), [0; 8]);
    }

    #[test]
    fn what_is_not_finished_vanishes_and_what_is_short_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.bin");
        drop(FlatFile::create(&path, b"", 10, 4).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        std::fs::write(&path, [1; 9]).unwrap();
        let error = FlatFile::open(&path, 0, 10, 4, &StoreOptions::default()).unwrap_err().to_string();
        assert!(error.contains("9 bytes where 10"), "{error}");
        let store = FlatFile::open(&path, 0, 9, 4, &StoreOptions::default()).unwrap();
        std::fs::write(&path, [1; 5]).unwrap();
        let error = get(&store, "1", Part::Whole).unwrap_err().to_string();
        assert!(error.contains("5 bytes where 9"), "{error}");
    }
}
