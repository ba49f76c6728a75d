//! What errors say where no format finds an array: what is there instead, and what opens it.

use std::io::Read;
use std::path::Path;

use super::address::Located;
use crate::base::error::{Error, ErrorKind};
use crate::store::{Store, open_regular, slices_in_words};

/// A kind of files that are not opened as arrays.
struct Kind {
    /// Where the bytes are that tell it apart.
    at: usize,
    bytes: &'static [u8],
    what: &'static str,
    advice: &'static str,
}

const COPIED: &str = "`convert` copies its arrays into a .npy file";
const WRITE_AGAIN: &str = "what reads it can write its arrays as Zarr or .npy";

const KINDS: &[Kind] = &[
    Kind { at: 0, bytes: b"\x89HDF\r\n\x1a\n", what: "an HDF5 or NetCDF 4 file", advice: COPIED },
    Kind { at: 0, bytes: b"CDF\x01", what: "a NetCDF file", advice: WRITE_AGAIN },
    Kind { at: 0, bytes: b"CDF\x02", what: "a NetCDF file", advice: WRITE_AGAIN },
    Kind { at: 0, bytes: b"CDF\x05", what: "a NetCDF file", advice: WRITE_AGAIN },
    Kind { at: 0, bytes: b"GRIB", what: "a GRIB file", advice: WRITE_AGAIN },
    Kind { at: 0, bytes: b"NRRD000", what: "an NRRD file", advice: WRITE_AGAIN },
    Kind { at: 344, bytes: b"n+1\0", what: "a NIfTI file", advice: WRITE_AGAIN },
    Kind { at: 208, bytes: b"MAP ", what: "an MRC file", advice: WRITE_AGAIN },
    Kind {
        at: 0,
        bytes: b"PK\x03\x04",
        what: "a ZIP archive",
        advice: "`convert` copies the arrays of an .npz archive into a .npy file; others have to be unpacked",
    },
];

/// The most bytes of a file that tell its kind.
const START: u64 = 348;

/// The error if there is no array at a place that formats were asked about.
pub(super) fn nothing_at(located: &Located) -> Error {
    let path = located.store.local_path();
    if let Some(path) = path.filter(|path| !path.exists()) {
        let above = path.ancestors().find(|above| above.exists());
        return match above.and_then(|above| Some((above.file_name()?, known_file(above)?))) {
            Some((name, kind)) => Error::unsupported(format!("{} is {kind}", name.display())),
            None => not_found("there is no such file or folder"),
        };
    }
    let names = located.names();
    match located.is_named {
        true => none_at(&*located.store, &format!("no {names} array here")),
        false => none_at(&*located.store, &format!("no array of a known format here ({names})")),
    }
}

/// The error if there is none of what is wanted, with what there is instead if that is opened by other means.
pub(super) fn none_at(store: &dyn Store, what: &str) -> Error {
    let path = store.local_path();
    if let Some(found) = path.and_then(slices_in_words) {
        return not_found(format!("{what}; {found}"));
    }
    match path.and_then(known_file) {
        Some(kind) => Error::unsupported(format!("it is {kind}")),
        None => not_found(what),
    }
}

/// What the file at `path` is, and what can be done with it, if it is of a kind that is not opened as an array.
fn known_file(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    open_regular(path, false).ok()?.take(START).read_to_end(&mut start).ok()?;
    let is_one = |kind: &&Kind| start.get(kind.at..).is_some_and(|rest| rest.starts_with(kind.bytes));
    let kind = KINDS.iter().find(is_one)?;
    Some(format!("{}, which is not opened as an array: {}", kind.what, kind.advice))
}

fn not_found(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::NotFound, what.into())
}

#[cfg(test)]
mod tests {
    use crate::OpenOptions;
    use crate::base::error::ErrorKind;

    #[test]
    fn files_of_other_kinds_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, at: usize, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, [vec![0; at].as_slice(), bytes, &[0; 8]].concat()).unwrap();
            path
        };
        for (path, what) in [
            (file("a.h5", 0, b"\x89HDF\r\n\x1a\n"), "an HDF5 or NetCDF 4 file"),
            (file("a.nc", 0, b"CDF\x02"), "a NetCDF file"),
            (file("a.nii", 344, b"n+1\0"), "a NIfTI file"),
            (file("a.mrc", 208, b"MAP "), "an MRC file"),
            (file("a.zip", 0, b"PK\x03\x04"), "a ZIP archive"),
        ] {
            for within in ["", "group/array"] {
                let path = path.join(within);
                let error =
                    OpenOptions::new().open(path.to_str().unwrap().trim_end_matches('/')).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                assert!(error.to_string().contains(&format!("is {what}, which")), "{error}");
            }
        }
        let other = file("a.dat", 0, b"HDF");
        let error = OpenOptions::new().open(other.to_str().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let within = other.join("b");
        let error = OpenOptions::new().open(within.to_str().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
