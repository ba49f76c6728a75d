//! Megatron's indexed data sets: token numbers in `NAME.bin`, and where documents begin in `NAME.idx`.
//!
//! ```text
//! "MMIDIDX\0\0" │ version, u64: 1 │ type, u8 │ sequences, u64 │ boundaries of documents, u64
//! lengths of sequences, i32 each │ their places in NAME.bin, i64 each │ boundaries, i64 each │ modes, i8 each, or nothing
//! ```
//! A document is a run of sequences: those from one boundary up to the next.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::files::bytes::Bytes;
use crate::store::{io_error, open_regular};

const MAGIC: &[u8; 9] = b"MMIDIDX\0\0";
const HEADER: u64 = 34;
/// Sequences or documents that are read at once.
const AT_ONCE: u64 = 8192;

/// Whether a file that starts so is the index of such a data set.
pub fn is_one(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// The two files of the data set that `path` names: either of them, or both without their ending. Nothing says that they
/// are there.
pub fn pair(path: &Path) -> (PathBuf, PathBuf) {
    let is_either = path.extension().is_some_and(|ending| ending == "idx" || ending == "bin");
    let with = |ending: &str| match is_either {
        true => path.with_extension(ending),
        false => {
            let mut name = path.as_os_str().to_owned();
            name.push(".");
            name.push(ending);
            name.into()
        }
    };
    (with("idx"), with("bin"))
}

/// The index of a data set, read document by document.
pub struct Index<'a> {
    bytes: Box<dyn Bytes + 'a>,
    /// The type of the elements of `NAME.bin`.
    pub dtype: DataType,
    /// How many sequences there are.
    pub sequences: u64,
    /// How many documents there are.
    pub documents: u64,
    /// Whether it says a mode of each sequence.
    pub has_modes: bool,
    data_len: u64,
    boundaries: Vec<u64>,
    first_boundary: u64,
}

impl Index<'static> {
    /// Opens the index at `path` of data of that many bytes.
    ///
    /// # Errors
    /// Those of [`Index::new`], and of the disk.
    pub fn open(path: &Path, data_len: u64) -> Result<Self> {
        let file: File = open_regular(path, false).map_err(|error| io_error(error, "opening", path))?;
        Self::new(Box::new(file), data_len).map_err(|error| error.at(path.display().to_string()))
    }
}

impl<'a> Index<'a> {
    /// Reads the start of an index of data of that many bytes.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is no index, one that is cut short, or one of other data; `Unsupported` for versions and
    /// types that are not known.
    pub fn new(bytes: Box<dyn Bytes + 'a>, data_len: u64) -> Result<Self> {
        let length = bytes.len().map_err(unread)?;
        let mut header = [0; HEADER as usize];
        bytes.read_at(&mut header, 0).map_err(unread)?;
        if !is_one(&header) {
            return Err(Error::metadata("no index of Megatron's: it does not start with MMIDIDX"));
        }
        let [version, sequences, boundaries] = [9, 18, 26].map(|at| u64_at(&header, at));
        if version != 1 {
            return Err(Error::unsupported(format!("version {version} of Megatron's index; known is 1")));
        }
        let expected = sequences
            .checked_mul(12)
            .and_then(|sizes| boundaries.checked_mul(8)?.checked_add(sizes)?.checked_add(HEADER));
        let with_modes = expected.and_then(|expected| expected.checked_add(sequences));
        let has_modes = sequences > 0 && with_modes == Some(length);
        if !(has_modes || expected == Some(length)) {
            let reason = format!(
                "it says {sequences} sequences and {boundaries} boundaries, and has {length} bytes, which do not fit"
            );
            return Err(Error::metadata(reason));
        }
        let documents = boundaries.saturating_sub(1);
        let mut index = Self {
            bytes,
            dtype: DataType::U8,
            sequences,
            documents,
            has_modes,
            data_len,
            boundaries: Vec::new(),
            first_boundary: 0,
        };
        index.dtype = index.type_of(header[17])?;
        index.expect_all(boundaries)?;
        Ok(index)
    }

    /// The type of a number. The number 7 has had two meanings; which one it is, the size of the data says.
    fn type_of(&self, number: u8) -> Result<DataType> {
        let known: &[DataType] = match number {
            1 => &[DataType::U8],
            2 => &[DataType::I8],
            3 => &[DataType::I16],
            4 => &[DataType::I32],
            5 => &[DataType::I64],
            6 => &[DataType::F64],
            7 => &[DataType::F32, DataType::F64],
            8 => &[DataType::U16],
            _ => return Err(Error::unsupported(format!("elements of Megatron's type {number}"))),
        };
        let elements = self.elements()?;
        let fits = |dtype: &&DataType| elements.checked_mul(dtype.size() as u64) == Some(self.data_len);
        known.iter().find(fits).copied().ok_or_else(|| {
            let data = self.data_len;
            Error::metadata(format!("its sequences have {elements} elements, and the file beside it has {data} bytes, which do not fit"))
        })
    }

    /// Elements of all sequences.
    fn elements(&self) -> Result<u64> {
        let mut sum = 0u64;
        for from in (0..self.sequences).step_by(AT_ONCE as usize) {
            for length in self.lengths(from..(from + AT_ONCE).min(self.sequences))? {
                sum = sum
                    .checked_add(length)
                    .ok_or_else(|| Error::metadata("more elements than a file can hold"))?;
            }
        }
        Ok(sum)
    }

    /// An error unless the boundaries are those of all sequences.
    fn expect_all(&mut self, boundaries: u64) -> Result<()> {
        let ends = match boundaries {
            0 => (0, 0),
            _ => (self.boundary(0)?, self.boundary(boundaries - 1)?),
        };
        if ends == (0, self.sequences) {
            return Ok(());
        }
        let reason = format!("its documents are sequences {} to {} of {}", ends.0, ends.1, self.sequences);
        Err(Error::metadata(reason))
    }

    /// Where the elements of a document are, as ranges of bytes of the data, in order.
    ///
    /// # Errors
    /// `InvalidMetadata` if it says sequences or bytes that are not there.
    pub fn document(&mut self, number: u64) -> Result<Vec<Range<u64>>> {
        let sequences = self.boundary(number)?..self.boundary(number + 1)?;
        if sequences.start > sequences.end || sequences.end > self.sequences {
            let Range { start, end } = sequences;
            return Err(Error::metadata(format!(
                "document {number} is said to be sequences {start} to {end} of {}",
                self.sequences
            )));
        }
        let mut runs: Vec<Range<u64>> = Vec::new();
        for from in sequences.clone().step_by(AT_ONCE as usize) {
            let part = from..(from + AT_ONCE).min(sequences.end);
            for (length, start) in self.lengths(part.clone())?.into_iter().zip(self.places(part)?) {
                let end =
                    start.checked_add(length * self.dtype.size() as u64).filter(|&end| end <= self.data_len);
                let end = end.ok_or_else(|| {
                    Error::metadata(format!("document {number} has a sequence outside of the data"))
                })?;
                match runs.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ if start < end => runs.push(start..end),
                    _ => {}
                }
            }
        }
        Ok(runs)
    }

    fn boundary(&mut self, number: u64) -> Result<u64> {
        let has = self.first_boundary..self.first_boundary + self.boundaries.len() as u64;
        if !has.contains(&number) {
            let at = HEADER + 12 * self.sequences;
            let count = AT_ONCE.min(self.documents + 1 - number.min(self.documents));
            self.boundaries = self.words::<8>(at + 8 * number, count)?.map(|word| u64_at(&word, 0)).collect();
            self.first_boundary = number;
        }
        let found = self.boundaries.get((number - self.first_boundary) as usize);
        found.copied().ok_or_else(|| Error::metadata("the index is cut short"))
    }

    fn lengths(&self, of: Range<u64>) -> Result<Vec<u64>> {
        let words = self.words::<4>(HEADER + 4 * of.start, of.end - of.start)?;
        let length = |word| {
            u64::try_from(i32::from_le_bytes(word))
                .map_err(|_| Error::metadata("a sequence of a negative length"))
        };
        words.map(length).collect()
    }

    fn places(&self, of: Range<u64>) -> Result<Vec<u64>> {
        let words = self.words::<8>(HEADER + 4 * self.sequences + 8 * of.start, of.end - of.start)?;
        Ok(words.map(u64::from_le_bytes).collect())
    }

    fn words<const N: usize>(&self, at: u64, count: u64) -> Result<impl Iterator<Item = [u8; N]> + use<N>> {
        let mut bytes = vec![0; count as usize * N];
        self.bytes.read_at(&mut bytes, at).map_err(unread)?;
        let words: Vec<[u8; N]> =
            bytes.chunks_exact(N).map(|word| std::array::from_fn(|k| word[k])).collect();
        Ok(words.into_iter())
    }
}

fn unread(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::metadata("the index is cut short"),
        _ => Error::new(ErrorKind::Storage, error.to_string()).caused_by(error),
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_boundaries_than_a_file_can_hold_are_an_error() {
        // The sum of all but the modes fits into 64 bits, and that with the modes does not.
        let mut index = [&MAGIC[..], &[0; 25]].concat();
        (index[9], index[17], index[18]) = (1, 4, 3);
        index[26..34].copy_from_slice(&((u64::MAX - 1 - 36 - HEADER) / 8).to_le_bytes());
        let error = Index::new(Box::new(&index[..]), 0).err().map(|error| error.kind());
        assert_eq!(error, Some(ErrorKind::InvalidMetadata));
    }
}
