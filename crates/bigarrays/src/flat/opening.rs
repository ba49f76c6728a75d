//! How arrays with named slices are opened and created.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::array::FlatArray;
use super::as_of::AsOf;
use super::clearing::{clear, usable};
use super::environment::make;
use super::facts::{Facts, finish, forget_moving, put_moving};
use super::index::{Index, Purpose};
use super::ours::{folder_of, remove_if_there};
use super::pending::Pending;
use super::replace;
use super::set::{ARRAYS, check_names, expect_alone, fact_of, file_in, index_in, is_set, names_of};
use super::slices::SliceArray;
use super::spec::{FlatOptions, FlatSpec, Mode};
use crate::base::error::{Error, Result};
use crate::store::{io_error, temporary_beside};

/// An error if an array of that shape has no rows.
fn expect_rows_along(shape: &[u64], path: &Path) -> Result<()> {
    if !shape.is_empty() {
        return Ok(());
    }
    Err(Error::unsupported("a single value without axes has no rows that could be named")
        .at(path.display().to_string()))
}

impl SliceArray {
    /// Creates an array without slices.
    ///
    /// # Errors
    /// Those of [`FlatArray::create`]; `Unsupported` without axes.
    pub fn create(path: &Path, spec: &FlatSpec) -> Result<Self> {
        expect_rows_along(&spec.shape, path)?;
        FlatArray::create(path, spec)?;
        Self::open(path, spec.opened())
    }

    /// Creates several arrays without slices, whose names they will have in common, in the folder `path`: each is a `.npy`
    /// file of its own there. Nobody meets some of them without the others.
    ///
    /// ```
    /// use bigarrays::DataType;
    /// use bigarrays::flat::{Descr, FlatSpec, NewSlice, RowBytes, SliceArray};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("speech");
    /// let of = |shape: &[u64]| FlatSpec::new(Descr::of(DataType::U8), shape);
    /// let speech = SliceArray::create_set(&path, &[("features", of(&[0, 4])), ("labels", of(&[0]))])?;
    /// let rows = [RowBytes { rows: 2, bytes: b"abcdefgh" }, RowBytes { rows: 1, bytes: b"x" }];
    /// speech.write_slices(&[NewSlice { name: "anna/1", arrays: &rows, metadata: Some("{\"age\": 7}") }], false)?;
    /// let (slice, mappings) = speech.get_one("anna/1")?;
    /// assert_eq!(slice.rows.all().cloned().collect::<Vec<_>>(), [0..2, 0..1]);
    /// assert_eq!(mappings.all().map(|mapping| mapping.len()).collect::<Vec<_>>(), [8, 1]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `AlreadyExists` if there is anything, unless all may be overwritten and it is a folder of such arrays; `InvalidArgument`
    /// for names that are no words of letters, digits and underscores; `Unsupported` for arrays that have no rows or do not
    /// grow along them.
    pub fn create_set(path: &Path, arrays: &[(&str, FlatSpec)]) -> Result<Self> {
        check_names(arrays.iter().map(|(name, _)| *name))?;
        for (name, spec) in arrays {
            expect_rows_along(&spec.shape, Path::new(name))?;
        }
        let resolved = path.canonicalize();
        let path = resolved.as_deref().unwrap_or(path);
        let may_overwrite = arrays.iter().all(|(_, spec)| spec.overwrite);
        match std::fs::symlink_metadata(path) {
            Ok(_) if may_overwrite && is_set(path) => create_anew(path, arrays)?,
            Ok(_) => return Err(io_error(std::io::ErrorKind::AlreadyExists.into(), "creating", path)),
            Err(_) => create_new(path, arrays)?,
        }
        let opened = arrays.first().map_or(Mode::ReadWrite.into(), |(_, spec)| spec.opened());
        let created = Self::open(path, opened)?;
        for ((_, array), (_, spec)) in created.arrays().zip(arrays) {
            if spec.reserve > 0 {
                array.reserve(spec.reserve)?;
            }
        }
        Ok(created)
    }

    /// Opens the array in the file at `path`, or all in the folder at `path`. Opened for writing, an array without names becomes
    /// one whose rows have none.
    ///
    /// # Errors
    /// Those of [`FlatArray::open`]; `NotFound` if nothing has a name and it is opened for reading;
    /// `CorruptData` if the index is damaged; `Unsupported` without axes; `InvalidArgument` if it is one of several arrays whose
    /// slices have their names in common.
    pub fn open(path: &Path, options: impl Into<FlatOptions>) -> Result<Self> {
        let options = options.into();
        let (path, index, arrays) =
            if is_set(path) { open_set(path, options)? } else { open_one(path, options)? };
        let now = index.read(|txn, tables| AsOf::now(&index, txn, tables))?;
        let opened = Self::of(path, arrays, index, now);
        opened.catch_up()?;
        Ok(opened)
    }
}

/// Where slices are, their index, and the arrays with their names.
type Parts = (PathBuf, Arc<Index>, Vec<(String, Arc<FlatArray>)>);

fn open_one(path: &Path, options: FlatOptions) -> Result<Parts> {
    let array = Arc::new(FlatArray::open(path, options)?);
    expect_rows_along(&array.header().shape, path)?;
    expect_alone(array.path())?;
    let folder = folder_of(array.path());
    let index = match array.mode() {
        Mode::ReadWrite => Index::open_or_make(&folder)?,
        Mode::Read | Mode::CopyOnWrite => Index::open(&folder, Purpose::Reading)?,
    };
    Ok((array.path().to_owned(), index, vec![(String::new(), array)]))
}

fn open_set(path: &Path, options: FlatOptions) -> Result<Parts> {
    let folder = path.canonicalize().map_err(|error| io_error(error, "opening", path))?;
    let purpose = if options.mode == Mode::ReadWrite { Purpose::Writing } else { Purpose::Reading };
    let index = Index::open(&index_in(&folder), purpose)?;
    let Facts { arrays: names, moving, .. } = Facts::now(&index)?;
    if names.is_empty() {
        let reason = "the index does not say of which arrays it is";
        return Err(Error::corrupt(reason).during("opening").at(folder.display().to_string()));
    }
    for (name, moving) in names.iter().zip(moving) {
        finish(&file_in(&folder, name), &moving)?;
    }
    let open = |name: String| {
        let array = FlatArray::open(&file_in(&folder, &name), options)?;
        expect_rows_along(&array.header().shape, array.path())?;
        Ok((name, Arc::new(array)))
    };
    let arrays = names.into_iter().map(open).collect::<Result<_>>()?;
    Ok((folder, index, arrays))
}

/// Makes a folder where there is none; it has its name once all is in it.
fn create_new(path: &Path, arrays: &[(&str, FlatSpec)]) -> Result<()> {
    let failed = |error| io_error(error, "creating", path);
    let draft = temporary_beside(path)?;
    std::fs::create_dir(&draft).map_err(failed)?;
    let made = (|| {
        for (name, spec) in arrays {
            replace::write_new(&file_in(&draft, name), spec)?;
        }
        let names = fact_of(arrays.iter().map(|(name, _)| *name));
        make(&index_in(&draft), &[(ARRAYS, names.as_bytes())])?;
        match std::fs::rename(&draft, path) {
            // Another has been quicker.
            Err(_) if path.exists() => Err(failed(std::io::ErrorKind::AlreadyExists.into())),
            renamed => renamed.map_err(failed),
        }
    })();
    // There is none left if it has its name.
    let _ = std::fs::remove_dir_all(&draft);
    made
}

/// Puts new arrays in the place of all that are in the folder, and takes every name out of its index.
fn create_anew(folder: &Path, arrays: &[(&str, FlatSpec)]) -> Result<()> {
    let patience = arrays.first().and_then(|(_, spec)| spec.lock_timeout);
    let index = match usable(&index_in(folder))? {
        Some(index) => index,
        None => Index::open_or_make(&index_in(folder))?,
    };
    let (files, mut drafts) = (arrays.iter().map(|(name, _)| file_in(folder, name)), Vec::new());
    let made = files.clone().zip(arrays).try_for_each(|(file, (_, spec))| {
        let draft = temporary_beside(&file)?;
        drafts.push(draft.clone());
        Pending::beside(&file).clear()?;
        replace::write_new(&draft, spec)
    });
    let names = fact_of(arrays.iter().map(|(name, _)| *name));
    let before = made.and_then(|()| put_in_place(&index, &names, &drafts, patience));
    let before = before.inspect_err(|_| {
        let is_noted = || Facts::now(&index).is_ok_and(|facts| !facts.moving.is_empty());
        if !is_noted() {
            drafts.iter().for_each(|draft| drop(std::fs::remove_file(draft)));
        }
    })?;
    files.zip(Facts::now(&index)?.moving).try_for_each(|(file, moving)| finish(&file, &moving))?;
    forget_moving(&index, patience)?;
    for name in before.iter().filter(|name| arrays.iter().all(|(new, _)| new != name)) {
        remove_if_there(&file_in(folder, name))?;
    }
    Ok(())
}

/// Has the index be of arrays of these names, without slices, for which the files `moving` are to be put in place. Says of
/// which it was.
fn put_in_place(
    index: &Index,
    names: &str,
    moving: &[PathBuf],
    patience: Option<Duration>,
) -> Result<Vec<String>> {
    let failed = |error| index.failed(error);
    index.write(true, patience, |txn, tables| {
        let before = names_of(index, txn, tables)?;
        clear(index, txn, tables)?;
        tables.facts.put(txn, ARRAYS, names.as_bytes()).map_err(failed)?;
        put_moving(index, txn, tables, moving)?;
        Ok(before)
    })
}
