//! Files of Python's `bigarray` become flat arrays.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::array::FlatArray;
use super::file::open_regular;
use super::ours::{folder_of, remove_index};
use super::rows::row_len;
use super::slices::SliceArray;
use super::spec::{FlatSpec, Mode};
use crate::base::error::{Error, Result};
use crate::format::files::bigarray;
use crate::format::files::npy::Header;
use crate::store::io_error;

/// Elements are copied in pieces of so many bytes at most, but at least a row.
const PIECE: u64 = 4 << 20;

/// Copies the file `old` of Python's `bigarray` into a new `.npy` file, with its names if it has some.
/// Says how many.
///
/// # Errors
/// Those of [`bigarray::read_names`] and of [`FlatArray::create`]; then nothing is left of the new file.
pub fn convert(old: &Path, new: &Path, overwrite: bool) -> Result<usize> {
    drop(open_regular(old, false).map_err(|error| io_error(error, "opening", old))?);
    let header = bigarray::read_header(old)?;
    let names = bigarray::read_names(old)?;
    let spec = FlatSpec { overwrite, ..FlatSpec::new(header.descr.clone(), &header.shape) };
    let array = FlatArray::create(new, &spec)?;
    let fill = || {
        copy(old, &header, &array)?;
        if names.is_empty() {
            return Ok(0);
        }
        let slices = SliceArray::open(new, Mode::ReadWrite)?;
        let named: Vec<_> = names.iter().map(|(name, rows)| (name.as_str(), rows.clone())).collect();
        slices.name_rows(&named, false).map(|()| names.len())
    };
    fill().inspect_err(|_| {
        // Nobody could be told more than the error says.
        let _ = std::fs::remove_file(new);
        let _ = remove_index(&folder_of(array.path()));
    })
}

fn copy(old: &Path, header: &Header, array: &FlatArray) -> Result<()> {
    let rows = header.shape.first().copied().unwrap_or(0);
    let row = row_len(header).ok_or_else(|| Error::metadata("a row is larger than memory"))?;
    let failed = |error| io_error(error, "reading", old);
    let file = File::open(old).map_err(failed)?;
    let at_most = PIECE.checked_div(row).unwrap_or(u64::MAX).max(1);
    let (mut at, mut buffer) = (0, Vec::new());
    while at < rows {
        let count = at_most.min(rows - at);
        buffer.resize((count * row) as usize, 0);
        file.read_exact_at(&mut buffer, header.data_offset + at * row).map_err(failed)?;
        array.write(at, count, &buffer)?;
        at += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_names_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new.npy"));
        let marshal = b"[\x02\x00\x00\x00z\x05uint8)\x02i\x03\x00\x00\x00i\x02\x00\x00\x00";
        let mut bytes = [&b"mmapdata"[..], format!("{:8}", marshal.len()).as_bytes(), marshal].concat();
        bytes.resize(502, 0);
        bytes.extend(0..6);
        std::fs::write(&old, &bytes).unwrap();
        assert_eq!(convert(&old, &new, false).unwrap(), 0);
        let pickle = b"\x80\x04}(\x8c\x01bK\x01K\x03\x86\x8c\x01aK\x00K\x01\x86u.";
        bytes.extend_from_slice(pickle);
        bytes.extend((pickle.len() as u64).to_be_bytes());
        std::fs::write(&old, &bytes).unwrap();
        assert!(convert(&old, &new, false).is_err());
        assert_eq!(convert(&old, &new, true).unwrap(), 2);
        let slices = SliceArray::open(&new, Mode::Read).unwrap();
        let names: Vec<_> =
            slices.names(0, 9).unwrap().into_iter().map(|(name, slice)| (name, slice.rows)).collect();
        assert_eq!(names, [("b".to_owned(), 1..3), ("a".to_owned(), 0..1)]);
        let mut rows = [0; 6];
        slices.array().read(0, &mut rows).unwrap();
        assert_eq!(rows, [0, 1, 2, 3, 4, 5]);
        bytes.pop();
        std::fs::write(&old, &bytes).unwrap();
        assert!(convert(&old, &directory.path().join("other.npy"), false).is_err());
        assert!(!directory.path().join("other.npy").exists());
    }
}
