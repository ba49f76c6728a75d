//! Keys that were seen to have one file, so that not every read asks for all spellings again.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use twox_hash::XxHash3_128;

use super::path::parent;
use super::read::is_young;

/// Of how many keys this is known at once.
const KNOWN: usize = 1 << 16;

/// The names of what was seen, each at a place that follows from it.
static SEEN: [AtomicU64; KNOWN] = [const { AtomicU64::new(0) }; KNOWN];

/// The name of a key as long as no file comes to its folder or leaves it, and for a second at most: some file systems do
/// not keep the time of that.
#[derive(Clone, Copy)]
pub(super) struct Name(u64);

impl Name {
    /// The name of the key with the plain path `path`; `None` if its folder has changed so lately that the next change
    /// may look the same.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let folder = rustix::fs::stat(parent(path)).ok().filter(|folder| !is_young(folder))?;
        let second = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let stamp =
            [folder.st_dev, folder.st_ino, folder.st_ctime as u64, folder.st_ctime_nsec as u64, second];
        let seed = stamp
            .iter()
            .fold(0u64, |seed, &number| (seed.rotate_left(29) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Some(Self(XxHash3_128::oneshot_with_seed(seed, path.as_os_str().as_encoded_bytes()) as u64))
    }

    fn place(self) -> &'static AtomicU64 {
        &SEEN[self.0 as usize % KNOWN]
    }

    /// Whether the key was seen to have one file.
    pub(super) fn is_known(self) -> bool {
        self.place().load(Ordering::Relaxed) == self.0
    }

    /// Remembers that it has.
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
        let path = folder.path().join("k");
        std::fs::write(&path, b"1").unwrap();
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
