//! The store in a directory.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::change::Changes;
use super::leftovers;
use super::list::{key_of_value, list_directory, list_to_remove};
use super::path::{KeyPath, is_link, parent, shown, without_slash};
use super::read::{Target, dead_link};
use super::remove::Folder;
use super::value::read;
use crate::base::buffer::with_scratch;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::keys::folder_of;
use crate::store::lock::KeyLocks;
use crate::store::{
    Blob, Change, ChangeFn, Destinations, Finding, Get, GetSink, Part, Store, StoreOptions, Update,
    check_key, in_parallel, join_path,
};

/// A store in a directory.
///
/// Keys are locked through the directory that the store is rooted at: all who change a value must
/// address it from the same root, such as its array's directory. A key that ends in the suffix of a
/// content encoding (`.gz`, `.br`, `.zstd`, `.bz2`, `.xz`) is listed without it.
#[derive(Debug)]
pub struct FileStore {
    root: PathBuf,
    options: StoreOptions,
    locks: KeyLocks,
}

impl FileStore {
    /// The store in the directory `root`, which the first write creates if necessary.
    ///
    /// # Errors
    /// `InvalidArgument` if `root` is empty.
    pub fn open(root: PathBuf, options: StoreOptions) -> Result<Self> {
        // A store stays where it is when the process changes its directory.
        let refused = |error: io::Error| Error::invalid(error.to_string()).during("opening").caused_by(error);
        let root = std::path::absolute(root).map_err(refused)?;
        let locks = KeyLocks::new(&root, options.lock).with_patience(options.lock_timeout);
        Ok(Self { root, options, locks })
    }

    fn path(&self, key: &str) -> Result<KeyPath> {
        check_key(key)?;
        Ok(KeyPath::new(&self.root, key))
    }

    fn update(&self, request: &Update, index: usize, change: &ChangeFn<'_>, changes: &Changes) -> Result<()> {
        let mut path = self.path(&request.key)?;
        let make_root = || changes.make_directory(&self.root);
        let make = |path: &mut KeyPath, old: Option<Blob<'_>>| {
            with_scratch(|new| {
                new.clear();
                match change(index, old, new)? {
                    Change::Put(encoding) => changes.put(path, encoding, new),
                    Change::Delete | Change::PutOrDelete(_) => changes.remove(path, &ContentEncoding::ALL),
                    Change::Remove => changes.remove_below(&self.root, &[&request.key], false),
                    Change::Keep => Ok(()),
                }
            })
        };
        let work = || {
            if !request.reads {
                return make(&mut path, None);
            }
            with_scratch(|old| {
                let whole = Get::new("", Part::Whole, request.max_len);
                let found = read(&mut path, &whole, self.options.prefer, Target::buffer(old))?;
                make(&mut path, found.as_ref().map(|found| found.blob(old)))
            })
        };
        self.locks.hold(&request.key, &make_root, work)
    }

    /// Those of one folder are removed by one thread: the system has them wait for each other.
    fn remove_all(&self, keys: &[String], listed: bool) -> Result<()> {
        let Some(first) = keys.first() else { return Ok(()) };
        if self.options.read_only {
            let error = Error::new(ErrorKind::ReadOnly, "the store was opened for reading only");
            return Err(error.during("removing").at(self.location(first)));
        }
        keys.iter().try_for_each(|key| check_key(key))?;
        let changes = Changes::new(self.options.durable);
        let folders: Vec<&[String]> = keys.chunk_by(|one, next| folder_of(one) == folder_of(next)).collect();
        let done = in_parallel(&folders, |_, keys| changes.remove_below(&self.root, keys, listed));
        let synced = changes.sync();
        done.and(synced)
    }
}

impl Store for FileStore {
    fn location(&self, key: &str) -> String {
        if key.is_empty() { shown(&self.root) } else { shown(&self.root.join(key)) }
    }

    fn local_path(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        if path.starts_with('/') || path.contains('\0') {
            join_path(Vec::new(), path)?;
        }
        let mut root = self.root.clone();
        for component in Path::new(path).components() {
            match component {
                Component::ParentDir if !root.pop() => {
                    let message = "the path leaves the file system";
                    return Err(Error::invalid(message).during("resolving").at(path));
                }
                Component::Normal(part) => root.push(part),
                _ => {}
            }
        }
        Ok(Arc::new(Self::open(root, self.options.clone())?))
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
        in_parallel(requests, |index, request| {
            let mut path = self.path(&request.key)?;
            with_scratch(|buffer| {
                let into = Target { buffer, destinations, position: index };
                let found = match read(&mut path, request, self.options.prefer, into) {
                    Err(error) if request.probe && error.kind() == ErrorKind::PermissionDenied => {
                        return sink(index, Some(Blob::refused(&error.to_string())));
                    }
                    found => found?,
                };
                sink(index, found.as_ref().map(|found| found.blob(buffer)))
            })
        })
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        if let (true, Some(first)) = (self.options.read_only, requests.first()) {
            let error = Error::new(ErrorKind::ReadOnly, "the store was opened for reading only");
            return Err(error.during("writing").at(self.location(&first.key)));
        }
        let changes = Changes::new(self.options.durable);
        let done = in_parallel(requests, |index, request| self.update(request, index, change, &changes));
        let synced = changes.sync();
        done.and(synced)
    }

    fn remove_many(&self, keys: &[String]) -> Result<()> {
        self.remove_all(keys, false)
    }

    fn remove_listed(&self, keys: &[String]) -> Result<()> {
        self.remove_all(keys, true)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        let base = prefix.rfind('/').map_or("", |end| &prefix[..=end]);
        if !base.is_empty() {
            check_key(&base[..base.len() - 1])?;
        }
        let mut directories = vec![(self.root.join(base), base.to_owned())];
        while let Some((directory, base)) = directories.pop() {
            let removes = !self.options.read_only;
            directories.extend(list_directory(&directory, &base, prefix, removes, found)?);
        }
        Ok(())
    }

    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        let mut found_value = |key: &str, size| found(key, Some(size));
        let removes = !self.options.read_only;
        let folders = list_directory(&self.root, "", "", removes, &mut found_value)?;
        folders.iter().try_for_each(|(_, folder)| found(folder.trim_end_matches('/'), None))
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        leftovers::below(&self.root, found)?;
        let directories = &mut vec![(self.root.clone(), String::new())];
        while let Some((directory, base)) = directories.pop() {
            let mut value = |key: &str, bytes| {
                let path = (bytes == 0).then(|| self.root.join(key));
                match path.filter(|path| is_link(path) && !path.exists()) {
                    // There may have been a folder of values.
                    Some(dead) => found(Finding::Damaged { key, error: dead_link(&dead) }),
                    None => found(Finding::Value { key, bytes }),
                }
            };
            let below = list_directory(&directory, &base, "", false, &mut value)?;
            for (directory, base) in &below {
                let key = base.trim_end_matches('/');
                key_of_value(parent(directory), key).map_or(Ok(()), |key| found(Finding::Folder { key }))?;
            }
            directories.extend(below);
        }
        Ok(())
    }

    fn list_to_remove(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        list_to_remove(&self.root, found)
    }

    fn unlink(&self, key: &str) -> Result<bool> {
        let path = without_slash(&self.root.join(key));
        let refused = || {
            let error = Error::new(ErrorKind::ReadOnly, "the store was opened for reading only");
            Err(error.during("removing").at(self.location(key)))
        };
        if key.is_empty() {
            if !is_link(&path) {
                return Ok(false);
            }
            if self.options.read_only {
                return refused();
            }
            let removed = rustix::fs::unlink(&path);
            removed.map_err(|error| Error::io(error.into(), "removing", shown(&path)))?;
            return Ok(true);
        }
        if self.options.read_only {
            return refused();
        }
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        Folder::open(&self.root, folder)?.map_or(Ok(false), |folder| folder.unlink(&path, name))
    }

    fn tidy(&self, folder: &str) {
        if self.options.read_only {
            return;
        }
        if folder.is_empty() {
            self.locks.remove_file();
            // Fails, as it should, where there is anything else.
            if rustix::fs::rmdir(&self.root) == Err(Errno::NOTEMPTY)
                && leftovers::remove_last(&self.root, &|path| std::fs::remove_file(path).is_ok())
            {
                let _ = rustix::fs::rmdir(&self.root);
            }
            return;
        }
        let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
        let (Ok(Some(above)), Ok(Some(open))) =
            (Folder::open(&self.root, above), Folder::open(&self.root, folder))
        else {
            return;
        };
        let path = self.root.join(folder);
        KeyLocks::new(&path, self.options.lock).remove_file();
        if above.remove_folder(name) == Err(Errno::NOTEMPTY)
            && leftovers::remove_last(&path, &|path| {
                path.file_name().is_some_and(|name| open.remove_file(name))
            })
        {
            let _ = above.remove_folder(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(directory: &Path) -> FileStore {
        FileStore::open(directory.to_owned(), StoreOptions { durable: true, ..StoreOptions::default() })
            .unwrap()
    }

    fn put(store: &dyn Store, key: &str, encoding: ContentEncoding) {
        let request = Update::blind(key);
        let change = |_: usize, _: Option<Blob<'_>>, new: &mut Vec<u8>| {
            new.extend_from_slice(encoding.suffix().as_bytes());
            Ok(Change::Put(encoding))
        };
        store.update_many(&[request], &change).unwrap();
    }

    #[test]
    fn encodings_are_suffixes_and_the_last_one_put_counts() {
        let directory = tempfile::tempdir().unwrap();
        let store: &dyn Store = &store(directory.path());
        for first in ContentEncoding::ALL {
            for second in ContentEncoding::ALL {
                put(store, "a/k", first);
                put(store, "a/k", second);
                assert_eq!(store.read("a/k").unwrap().unwrap(), second.suffix().as_bytes());
                let names: Vec<_> = std::fs::read_dir(directory.path().join("a")).unwrap().collect();
                assert_eq!(names.len(), 1);
                store.delete("a/k").unwrap();
                assert!(!store.exists("a/k").unwrap());
            }
        }
    }

    /// A reader that has looked for the new spelling too early must not report the value as missing.
    #[test]
    fn a_value_that_changes_its_spelling_is_never_missing() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::open(directory.path().to_owned(), StoreOptions::default()).unwrap();
        let start = std::sync::Barrier::new(2);
        let mut missed = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2000 {
                    put(&store, "k", ContentEncoding::Zstd);
                    start.wait();
                    put(&store, "k", ContentEncoding::Gzip);
                    start.wait();
                }
            });
            for _ in 0..2000 {
                start.wait();
                missed += (0..8).filter(|_| !(&store as &dyn Store).exists("k").unwrap()).count();
                start.wait();
            }
        });
        assert_eq!(missed, 0);
    }

    #[test]
    fn lists_each_key_once_and_hides_its_own_files() {
        let directory = tempfile::tempdir().unwrap();
        let store: &dyn Store = &store(directory.path());
        put(store, "8_8_8/0-1", ContentEncoding::Gzip);
        for name in ["8_8_8/0-1.br", "8_8_8/.bigarrays-tmp-x", "8_8_8/.gz", "8_9"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let list = |prefix: &str| {
            let mut keys = Vec::new();
            store
                .list(prefix, &mut |key, size| {
                    keys.push((key.to_owned(), size));
                    Ok(())
                })
                .unwrap();
            keys.sort();
            keys
        };
        assert_eq!(list("8_8"), [("8_8_8/.gz".into(), 0), ("8_8_8/0-1".into(), 3)]);
        assert_eq!(list("8_8_8/0"), [("8_8_8/0-1".into(), 3)]);
        assert_eq!(list("").len(), 3);
        assert!(list("nowhere/").is_empty());
    }
}
