//! Keys that were seen to have one file, and folders that were looked at, so that not every read looks again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use twox_hash::XxHash3_128;

use super::path::KeyPath;
use super::read::{had_just_changed, has_just_changed};

/// Of how many keys this is known at once.
const KNOWN: usize = 1 << 16;

/// The names of what was seen, each at a place that follows from it.
static SEEN: [AtomicU64; KNOWN] = [const { AtomicU64::new(0) }; KNOWN];

/// The name of a key as long as no file comes to its folder or leaves it, and for a second at most: some file systems do
/// not keep the time of that.
#[derive(Clone, Copy)]
pub(super) struct Name(u64);

impl Name {
    /// The name of the key with the paths `path`; `None` if its folder has changed so lately that the next change
    /// may look the same.
    pub(super) fn of(path: &KeyPath) -> Option<Self> {
        let folder = rustix::fs::stat(path.folder()).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        if had_just_changed(now, folder.st_ctime, folder.st_ctime_nsec as i64) {
            return None;
        }
        let (changed, second) = (folder.st_ctime as u64, now.as_secs());
        let stamp = [folder.st_dev, folder.st_ino, changed, folder.st_ctime_nsec as u64, second];
        let seed = stamp
            .iter()
            .fold(0u64, |seed, &number| (seed.rotate_left(29) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Some(Self(XxHash3_128::oneshot_with_seed(seed, path.plain().as_os_str().as_encoded_bytes()) as u64))
    }

    /// The names of a folder: while nothing comes to it or leaves it, unless it has changed lately; and for the second,
    /// if it is known when it was made: another one may have its number by then.
    pub(super) fn of_folder(folder: &Metadata) -> [Option<Self>; 2] {
        let name = |stamp: [u64; 3]| {
            let stamp = [folder.dev(), folder.ino(), stamp[0], stamp[1], stamp[2]].map(u64::to_ne_bytes);
            Self(XxHash3_128::oneshot(stamp.as_flattened()) as u64)
        };
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
        let (changed, nanoseconds) = (folder.ctime(), folder.ctime_nsec());
        let settled = (!has_just_changed(changed, nanoseconds))
            .then(|| name([changed.unsigned_abs(), nanoseconds.unsigned_abs(), 0]));
        let made = folder.created().ok().and_then(since);
        let second = made.zip(since(SystemTime::now())).map(|(made, now)| {
            let nanoseconds = u64::from(made.subsec_nanos());
            name([made.as_secs(), nanoseconds << 32 | 1, now.as_secs()])
        });
        [settled, second]
    }

    fn place(self) -> &'static AtomicU64 {
        &SEEN[self.0 as usize % KNOWN]
    }

    /// Whether this was seen.
    pub(super) fn is_known(self) -> bool {
        self.place().load(Ordering::Relaxed) == self.0
    }

    /// Remembers that it was.
    pub(super) fn remember(self) {
        self.place().store(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_seen_holds_until_the_folder_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = KeyPath::new(folder.path(), "k");
        std::fs::write(path.plain(), b"1").unwrap();
        assert!(Name::of(&path).is_none(), "the folder has just changed");
        let settled = || loop {
            match Name::of(&path) {
                Some(name) => return name,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let name = settled();
        assert!(!name.is_known());
        name.remember();
        assert!(name.is_known());
        std::fs::write(folder.path().join("k.gz"), b"2").unwrap();
        assert!(!settled().is_known());
    }
}
