//! Cached values as files in a directory that processes share.
//!
//! ```text
//! DIRECTORY/.bigarrays-cache   marks the directory; locked by who adds or evicts; its 8 bytes are a
//!                              number: no fewer bytes than the files take
//! DIRECTORY/3f/3fa9…           the value whose name has this hash
//! ```
//!
//! Whoever adds a file counts it first, under the lock, so that the bound holds whatever others do. A
//! file's time of modification is when it was last used, more or less; those used least lately go first,
//! an eighth of the bound at a time.
//!
//! Nothing here is an error to a reader: what cannot be kept is fetched again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::entry::{self, Header, LONGEST_HEADER};
use super::memory::Value;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::run::pool::PerProcess;
use crate::store::RESERVED;
use crate::store::lock::stable_hash;
use crate::store::temporary::{Temporary, remove_abandoned};

/// The file that marks a directory as a cache.
const MARK: &str = ".bigarrays-cache";

/// A use is noted unless one was noted so recently.
const NOTED: Duration = Duration::from_secs(60);

/// How often the lock is tried for, a millisecond apart. Who holds it may have been stopped.
const TRIES: usize = 50;

/// File systems give out space in blocks.
const BLOCK: u64 = 4096;

/// A directory of cached values.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    most: u64,
    mark: PerProcess<Mutex<File>>,
}

/// What a cache directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of values.
    pub values: u64,
    /// Bytes that their files take.
    pub bytes: u64,
}

/// One file of a cache directory.
struct Kept {
    used: SystemTime,
    cost: u64,
    path: PathBuf,
    is_value: bool,
}

impl Disk {
    /// The cache in `directory`, which is made, for the user alone, if it is not there.
    pub(super) fn open(directory: &Path, most: u64) -> Result<Self> {
        let failed = |error| Error::io(error, "opening the cache", directory.display().to_string());
        let directory = std::path::absolute(directory).map_err(failed)?;
        open_mark(&directory).map_err(failed)?;
        Ok(Self { directory, most, mark: PerProcess::new() })
    }

    fn path(&self, name: &str) -> PathBuf {
        let hash = format!("{:016x}", stable_hash(name.as_bytes()));
        self.directory.join(&hash[..2]).join(hash)
    }

    /// The header of a value, if there is one that looks whole.
    pub(super) fn header(&self, name: &str) -> Option<Header> {
        let file = File::open(self.path(name)).ok()?;
        let mut start = Vec::new();
        (&file).take(LONGEST_HEADER as u64).read_to_end(&mut start).ok()?;
        let (header, length) = Header::parse(&start)?;
        let is_whole = file.metadata().ok()?.len() == length as u64 + header.length;
        (is_whole && header.name == name).then_some(header)
    }

    /// The value of a name. A file that is damaged, or no such file, is removed.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let path = self.path(name);
        let mut file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        let mut data = Vec::new();
        let length = usize::try_from(metadata.len()).ok().filter(|&length| length as u64 <= self.most);
        let is_read = length.is_some_and(|length| data.try_reserve_exact(length).is_ok())
            && file.read_to_end(&mut data).is_ok();
        let Some((header, start)) = entry::parse(&data).filter(|_| is_read) else {
            // Another process may have put a good one there by now, which then goes too.
            let _ = fs::remove_file(&path);
            return None;
        };
        if metadata.modified().ok()?.elapsed().is_ok_and(|age| age > NOTED) {
            // Otherwise it only goes the sooner.
            let _ = file.set_modified(SystemTime::now());
        }
        (header.name == name).then(|| Value::new(header, data, start))
    }

    /// Keeps a value, if that is possible now.
    pub(super) fn put(&self, value: &Value) {
        let header = value.header.to_bytes();
        let bytes = [&header, value.bytes()].concat();
        if cost(bytes.len() as u64) > self.most / 4 {
            return;
        }
        let path = self.path(&value.header.name);
        // Whatever fails: it is only not kept.
        let _ = self.counted(cost(bytes.len() as u64), || {
            let folder = path.parent().unwrap_or(&self.directory);
            make_directory(folder)?;
            Temporary::write(folder, &bytes, false)?.rename(&path)
        });
    }

    pub(super) fn remove(&self, name: &str) {
        // What is not there need not go; what cannot go is found to be another version.
        let _ = fs::remove_file(self.path(name));
    }

    /// Makes room for `more` bytes and adds them by `add`.
    fn counted(&self, more: u64, add: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mark = self.mark.get_or_try_init(|| {
            open_mark(&self.directory).map(Mutex::new).map_err(|error| Error::io(error, "opening", "cache"))
        });
        let mark = mark.map_err(io::Error::other)?;
        let mut mark = mark.locked();
        if mark.metadata()?.nlink() == 0 {
            *mark = open_mark(&self.directory)?;
        }
        let lock = Lock::take(&mark)?;
        let used = lock.used().map(|used| used.saturating_add(more)).filter(|&used| used <= self.most);
        let used = match used {
            Some(used) => used,
            None => self.evict((self.most - self.most / 8).saturating_sub(more))? + more,
        };
        if used > self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        lock.set_used(used)?;
        add()
    }

    /// Removes what was used least lately until no more than `target` bytes are left. Returns how many.
    fn evict(&self, target: u64) -> io::Result<u64> {
        let mut kept = files(&self.directory)?;
        kept.sort_by_key(|kept| kept.used);
        let mut used: u64 = kept.iter().map(|kept| kept.cost).sum();
        for file in kept.iter().filter(|kept| kept.is_value) {
            if used <= target {
                break;
            }
            match fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => used -= file.cost,
            }
        }
        Ok(used)
    }
}

/// The lock between processes, until it is dropped.
struct Lock<'a>(&'a File);

impl<'a> Lock<'a> {
    fn take(mark: &'a File) -> io::Result<Self> {
        for _ in 0..TRIES {
            match mark.try_lock() {
                Ok(()) => return Ok(Self(mark)),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Bytes in use; `None` if nobody has counted them.
    fn used(&self) -> Option<u64> {
        let mut number = [0; 8];
        self.0.read_exact_at(&mut number, 0).ok().map(|()| u64::from_le_bytes(number))
    }

    fn set_used(&self, used: u64) -> io::Result<()> {
        self.0.write_all_at(&used.to_le_bytes(), 0)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // It ends with the file at the latest.
        let _ = self.0.unlock();
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn open_mark(directory: &Path) -> io::Result<File> {
    make_directory(directory)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(directory.join(MARK))
}

fn cost(length: u64) -> u64 {
    length.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// Whether `name` is that of a folder, of two digits, or of a value, of sixteen.
fn is_ours(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The files of a cache, also unfinished ones, and nothing else that may lie there.
fn files(directory: &Path) -> io::Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for folder in fs::read_dir(directory)? {
        let folder = folder?;
        if !folder.file_name().to_str().is_some_and(|name| is_ours(name, 2)) {
            continue;
        }
        let Ok(entries) = fs::read_dir(folder.path()) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_value = name.to_str().is_some_and(|name| is_ours(name, 16));
            if !is_value && !name.to_str().is_some_and(|name| name.starts_with(RESERVED)) {
                continue;
            }
            remove_abandoned(&entry);
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            kept.push(Kept { used, cost: cost(metadata.len()), path: entry.path(), is_value });
        }
    }
    Ok(kept)
}

/// What the cache in `directory` holds.
///
/// # Errors
/// `NotFound` if it is no cache directory.
pub fn usage(directory: &Path) -> Result<Usage> {
    expect_cache(directory)?;
    let failed = |error| Error::io(error, "listing", directory.display().to_string());
    let files = files(directory).map_err(failed)?;
    let values = files.iter().filter(|kept| kept.is_value).count() as u64;
    Ok(Usage { values, bytes: files.iter().map(|kept| kept.cost).sum() })
}

/// Removes what the cache in `directory` holds, and nothing else. Returns what that was. Others may go on
/// using the cache.
///
/// # Errors
/// `NotFound` if it is no cache directory; `Storage` if another process holds its lock.
pub fn clear(directory: &Path) -> Result<Usage> {
    expect_cache(directory)?;
    let failed = |error| Error::io(error, "clearing the cache", directory.display().to_string());
    let mark = open_mark(directory).map_err(failed)?;
    let lock = Lock::take(&mark).map_err(failed)?;
    let mut removed = Usage::default();
    let mut left = 0;
    for file in files(directory).map_err(failed)? {
        match fs::remove_file(&file.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => left += file.cost,
            _ => {
                removed.values += u64::from(file.is_value);
                removed.bytes += file.cost;
            }
        }
    }
    lock.set_used(left).map_err(failed)?;
    Ok(removed)
}

fn expect_cache(directory: &Path) -> Result<()> {
    if directory.join(MARK).is_file() {
        return Ok(());
    }
    let error = Error::new(crate::base::error::ErrorKind::NotFound, "there is no cache here");
    Err(error.during("opening").at(directory.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::ContentEncoding;

    fn value(name: &str, length: usize) -> Value {
        let bytes: Vec<u8> = (0..length).map(|k| k as u8).collect();
        Value::new(Header::new(name, Some("1"), ContentEncoding::Gzip, &bytes).unwrap(), bytes, 0)
    }

    #[test]
    fn the_bound_holds_and_what_was_used_stays() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path(), 64 * BLOCK).unwrap();
        disk.put(&value("often", 100));
        let age = |name: &str, seconds| {
            let file = File::open(disk.path(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        for k in 0..300 {
            let name = format!("{k}");
            disk.put(&value(&name, 5000));
            age(&name, 1000);
            age("often", 2000);
            assert_eq!(disk.get("often").unwrap().bytes().len(), 100);
            assert!(usage(directory.path()).unwrap().bytes <= 64 * BLOCK);
        }
        assert!(disk.get("299").is_some() && disk.get("0").is_none());
        disk.put(&value("large", 100 * BLOCK as usize));
        assert!(disk.header("large").is_none());
    }

    #[test]
    fn damaged_and_foreign_files_are_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path(), 1 << 20).unwrap();
        for damage in 0..4 {
            disk.put(&value("a", 1000));
            let path = disk.path("a");
            let mut file = fs::read(&path).unwrap();
            match damage {
                0 => file.truncate(500),
                1 => *file.last_mut().unwrap() ^= 1,
                2 => file = b"something else".to_vec(),
                _ => {
                    disk.put(&value("b", 10));
                    file = fs::read(disk.path("b")).unwrap();
                }
            }
            fs::write(&path, file).unwrap();
            assert!(disk.get("a").is_none(), "{damage}");
            assert!(disk.header("a").is_none(), "{damage}");
        }
    }

    #[test]
    fn clearing_leaves_what_is_not_the_cache() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert!(clear(path).is_err() && usage(path).is_err());
        let disk = Disk::open(path, 1 << 20).unwrap();
        disk.put(&value("a", 10));
        fs::write(path.join("mine"), b"1").unwrap();
        fs::write(disk.path("a").with_file_name("mine"), b"1").unwrap();
        assert_eq!(clear(path).unwrap(), Usage { values: 1, bytes: BLOCK });
        assert_eq!(usage(path).unwrap(), Usage::default());
        assert!(path.join("mine").exists() && disk.path("a").with_file_name("mine").exists());
        fs::remove_dir_all(path).unwrap();
        disk.put(&value("a", 10));
        assert!(disk.get("a").is_some(), "the directory is made again");
    }
}
