//! Reading one value, of which there may be several files: one key, spelled with several suffixes.
//!
//! A writer of ours leaves no such value behind, whenever it is killed: before it puts a value under another
//! spelling it puts it under the old one, so that both say the same. Other programs do not, and only a person knows
//! which of the files counts.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::alone::Name;
use super::path::{KeyPath, parent, shown};
use super::read::{Found, Target, expect_way, is_folder, is_young, open_file, read_file};
use super::unseen;
use crate::base::buffer::with_scratch;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::{Get, Part, Prefer};

/// A writer that lives removes the other spellings of a key in less than this.
pub(super) const REMOVING: Duration = Duration::from_millis(100);

/// The most bytes of a file that is compared with another.
const COMPARED: u64 = 256 << 20;

/// How long a reader waits before it looks again which of several files is the value.
const AGAIN: Duration = Duration::from_millis(5);

/// Reads what `request` asks for, whatever its key, of the value at `path`.
///
/// # Errors
/// `CorruptData` if there are several files of different values, and `prefer` says of none that it counts; `Storage`
/// if what is in the place of a file is none, such as a link to nothing.
pub(super) fn read(
    path: &mut KeyPath,
    request: &Get,
    prefer: Option<Prefer>,
    into: Target<'_>,
) -> Result<Option<Found>> {
    let mut until = None;
    loop {
        let Some((first, file)) = first_file(path, request)? else { return Ok(None) };
        let others = match request.part {
            Part::Presence => Vec::new(),
            _ => unseen_others(path, first),
        };
        if others.is_empty() {
            return read_file(path.spelled(first), &file, first, request, into).map(Some);
        }
        let spellings: Vec<ContentEncoding> = [first].into_iter().chain(others).collect();
        if let Some(chosen) = choose(path, &spellings, request.max_len, prefer)?
            && let Some(file) = open_file(path, chosen)?
        {
            return read_file(path.spelled(chosen), &file, chosen, request, into).map(Some);
        }
        // A writer may be about to remove one of them. If none has been there lately, one more look will do.
        let wait = || Instant::now() + if is_any_young(path, &spellings) { REMOVING } else { AGAIN };
        if *until.get_or_insert_with(wait) <= Instant::now() {
            return Err(contradiction(path, &spellings));
        }
        std::thread::sleep(AGAIN);
    }
}

/// The first file of the value at `path`, open.
fn first_file(path: &mut KeyPath, request: &Get) -> Result<Option<(ContentEncoding, OwnedFd)>> {
    // All but the last again in the end: a writer may have put one after the first look and then
    // removed the one that was the value until then.
    let again = &ContentEncoding::ALL[..ContentEncoding::ALL.len() - 1];
    for &encoding in ContentEncoding::ALL.iter().chain(again) {
        let opened = open_file(path, encoding)?;
        // Whoever tries whether there is a document finds none in a folder of its name.
        if let Some(file) = opened.filter(|file| !(request.probe && is_folder(file))) {
            return Ok(Some((encoding, file)));
        }
    }
    // Whoever tries whether there is something is not asked about the way to it.
    if request.probe { Ok(None) } else { expect_missing(path.plain()).map(|()| None) }
}

/// An error if there may be a value at `path` after all: behind a link to nothing or a file in the place of a folder, or
/// under a name that is not looked for.
fn expect_missing(path: &Path) -> Result<()> {
    match std::fs::metadata(parent(path)) {
        Ok(folder) if folder.is_dir() => unseen::expect_none(path, &folder),
        _ => expect_way(path),
    }
}

/// The spellings behind `first` under which there is something; none if there were none, and the folder is as it was.
fn unseen_others(path: &mut KeyPath, first: ContentEncoding) -> Vec<ContentEncoding> {
    let name = Name::of(path);
    if name.is_some_and(Name::is_known) {
        return Vec::new();
    }
    let others = others(path, first);
    if let Some(name) = name.filter(|_| others.is_empty()) {
        name.remember();
    }
    others
}

/// The spellings behind `first` under which there is something, whatever it is.
fn others(path: &mut KeyPath, first: ContentEncoding) -> Vec<ContentEncoding> {
    let behind = ContentEncoding::ALL.into_iter().skip_while(|&encoding| encoding != first).skip(1);
    behind.filter(|&encoding| rustix::fs::lstat(path.spelled(encoding)).is_ok()).collect()
}

/// Which of the spellings counts: the preferred one, or the first if all say the same. `None` if that cannot be told.
///
/// # Errors
/// Those of reading a file that is to be compared.
fn choose(
    path: &mut KeyPath,
    spellings: &[ContentEncoding],
    max_len: u64,
    prefer: Option<Prefer>,
) -> Result<Option<ContentEncoding>> {
    let chosen = match prefer {
        Some(Prefer::Newest) => newest(path, spellings),
        Some(Prefer::Encoding(encoding)) => Some(encoding).filter(|encoding| spellings.contains(encoding)),
        None => None,
    };
    let Some((&first, others)) = spellings.split_first().filter(|_| chosen.is_none()) else {
        return Ok(chosen);
    };
    with_value(path, first, max_len, |path, value| {
        for &other in others {
            if !with_value(path, other, max_len, |_, other| Ok(value == other))? {
                return Ok(None);
            }
        }
        Ok(value.is_some().then_some(first))
    })
}

/// Says that nobody can tell which of the files counts.
#[cold]
fn contradiction(path: &mut KeyPath, spellings: &[ContentEncoding]) -> Error {
    let files: Vec<String> = spellings.iter().map(|&encoding| shown(path.spelled(encoding))).collect();
    let (first, others) = files
        .split_first()
        .map_or((String::new(), String::new()), |(first, others)| (first.clone(), others.join(" and ")));
    let message = format!(
        "there is also {others}, which says something else; remove one, or say which counts (prefer)"
    );
    Error::corrupt(message).during("reading").at(first)
}

/// Whether a file was changed so lately that its writer may be at work still.
fn is_any_young(path: &mut KeyPath, spellings: &[ContentEncoding]) -> bool {
    spellings
        .iter()
        .any(|&encoding| rustix::fs::lstat(path.spelled(encoding)).is_ok_and(|stat| is_young(&stat)))
}

/// The spelling whose file was written last; `None` if two were at once.
fn newest(path: &mut KeyPath, spellings: &[ContentEncoding]) -> Option<ContentEncoding> {
    let times = spellings.iter().filter_map(|&encoding| {
        let stat = rustix::fs::stat(path.spelled(encoding)).ok()?;
        Some(((stat.st_mtime, stat.st_mtime_nsec), encoding))
    });
    let times: Vec<_> = times.collect();
    let last = times.iter().map(|(time, _)| time).max()?;
    let mut newest = times.iter().filter(|(time, _)| time == last);
    newest.next().filter(|_| newest.next().is_none()).map(|(_, encoding)| *encoding)
}

/// Lends what the file of a spelling says once it is decoded; `None` if it cannot be decoded, or is gone or too long
/// to be compared.
fn with_value<T>(
    path: &mut KeyPath,
    encoding: ContentEncoding,
    max_len: u64,
    use_it: impl FnOnce(&mut KeyPath, Option<&[u8]>) -> Result<T>,
) -> Result<T> {
    let whole = Get::new("", Part::Whole, max_len.min(COMPARED));
    with_scratch(|buffer| {
        let file = open_file(path, encoding)?;
        let found = file
            .map(|file| read_file(path.spelled(encoding), &file, encoding, &whole, Target::buffer(buffer)));
        let found: Option<Found> = match found.transpose() {
            Err(error) if error.kind() == ErrorKind::CorruptData => None,
            found => found?,
        };
        let Some(found) = found else { return use_it(path, None) };
        with_scratch(|decoded| {
            let bytes = found.blob(buffer).bytes;
            match encoding.codec() {
                None => use_it(path, Some(bytes)),
                Some(codec) => match codec.decode(bytes, whole.max_len as usize, decoded) {
                    Ok(length) => use_it(path, decoded.get(..length)),
                    Err(error) if error.kind() == ErrorKind::CorruptData => use_it(path, None),
                    Err(error) => Err(error),
                },
            }
        })
    })
}
