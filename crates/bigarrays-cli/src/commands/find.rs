//! Finds arrays below a place, by their metadata documents.

use std::path::Path;

use bigarrays::format;
use bigarrays::store::{self, Store};
use bigarrays::{Array, ErrorKind, OpenOptions};

use crate::session::Session;

/// Files that are arrays themselves, where they are local.
const FILES: [&str; 3] = ["npy", "tif", "tiff"];

/// What was found.
pub(crate) struct Found {
    /// Path or URL.
    pub(crate) url: String,
    pub(crate) array: Array,
}

/// Calls `found` with the array at `url`, and with those up to `depth` folders below it, in order of their names; the
/// scales of an array are it. What has a document but cannot be opened is told of and left out.
///
/// # Errors
/// Any error of listing; `NotFound` if there is nothing at `url`.
pub(crate) fn arrays(
    url: &str,
    depth: usize,
    session: &Session,
    found: &mut dyn FnMut(Found) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut any, options) = (false, session.open().read_only(true));
    let mut found = |one: Found| {
        any = true;
        found(one)
    };
    // A slash at the end may be of a query.
    let place = if url.contains('?') { url } else { url.trim_end_matches('/') };
    let (known, missing) = match options.open_any_scale(url) {
        Ok(array) if array.scales().is_empty() => return found(Found { url: url.to_owned(), array }),
        Ok(array) => (Some(array), None),
        // A group is no array, and what is in it may be some.
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidArgument) => {
            return Err(error.into());
        }
        Err(error) => (None, Some(error)),
    };
    let root = format::store_at(url, &session.format())?;
    if missing.is_none() || root.local_path().is_none_or(Path::is_dir) {
        let has_files = root.local_path().is_some() && !format::is_named(url);
        let mut search = Search { options, session, has_files, found: &mut found };
        search.folder(&*root, place, depth, known)?;
    }
    missing.filter(|_| !any).map_or(Ok(()), |error| Err(error.into()))
}

/// The places of arrays below that at `url`, which are none of its scales.
///
/// # Errors
/// As [`arrays`].
pub(crate) fn beside(url: &str, session: &Session) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    arrays(url, DEPTH, session, &mut |found| {
        all.extend(Some(found.url).filter(|other| other.trim_end_matches('/') != url.trim_end_matches('/')));
        Ok(())
    })?;
    Ok(all)
}

/// How many folders below an image its labels are.
const DEPTH: usize = 2;

struct Search<'a> {
    options: OpenOptions,
    session: &'a Session,
    /// Whether files may be arrays themselves.
    has_files: bool,
    found: &'a mut dyn FnMut(Found) -> anyhow::Result<()>,
}

impl Search<'_> {
    /// Looks through a folder, which is the array `known`, if there is one.
    fn folder(
        &mut self,
        store: &dyn Store,
        url: &str,
        depth: usize,
        known: Option<Array>,
    ) -> anyhow::Result<()> {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        let (mut is_marked, is_known) = (false, known.is_some());
        let listed = store.names(&mut |name, size| {
            match size {
                None => folders.push(name.to_owned()),
                Some(_) if format::marks(name) => is_marked = true,
                Some(_) => files.extend((self.has_files && is_file(name)).then(|| name.to_owned())),
            }
            Ok(())
        });
        match listed {
            // Nobody can list what lies below an array there.
            Err(error) if is_known && error.kind() != ErrorKind::Cancelled => {}
            listed => listed?,
        }
        let array = match known {
            None if is_marked => self.open(url, true),
            known => known,
        };
        if let Some(array) = array {
            // Below are the chunks of its scales, and maybe other arrays.
            let is_own = |folder: &String| {
                array.scales().iter().any(|scale| scale.key.is_empty() || first_part(&scale.key) == folder)
            };
            folders.retain(|folder| !is_own(folder));
            (self.found)(Found { url: url.to_owned(), array })?;
        }
        files.sort();
        for url in files.iter().map(|file| store::join_url(url, file)) {
            if let Some(array) = self.open(&url, false) {
                (self.found)(Found { url, array })?;
            }
        }
        folders.sort();
        for folder in folders.iter().filter(|_| depth > 0) {
            self.folder(&*store.child(folder)?, &store::join_url(url, folder), depth - 1, None)?;
        }
        Ok(())
    }

    fn open(&self, url: &str, may_be_group: bool) -> Option<Array> {
        match self.options.open_any_scale(url) {
            Ok(array) => Some(array),
            // A group is not left out: what is in it comes next.
            Err(error) if may_be_group && error.kind() == ErrorKind::InvalidArgument => None,
            Err(error) => {
                self.session.terminal.note(format_args!("left out: {error}"));
                None
            }
        }
    }
}

fn first_part(key: &str) -> &str {
    key.split('/').find(|part| !part.is_empty()).unwrap_or(key)
}

fn is_file(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    FILES.iter().any(|known| known.eq_ignore_ascii_case(extension))
}
