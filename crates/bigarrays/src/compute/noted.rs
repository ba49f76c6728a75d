//! What is noted of blocks: records of one length, in the order in which blocks were done, which are sorted for looking
//! them up. Memory does not grow with their number.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

use crate::compute::digest::Digest;

/// Bytes of a record.
pub(super) const LENGTH: usize = 64;

/// Records that are sorted in memory.
const RUN: usize = 1 << 14;

/// What a block was made of, and what was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// The versions of the chunks that were read.
    pub(crate) from: Digest,
    /// The chunks as they were stored.
    pub(crate) to: Digest,
}

/// What is noted of one block: of which job, and which.
pub(super) type Record = ((u128, u64), Made);

/// The bytes of a record.
pub(super) fn bytes_of(((job, block), made): Record) -> [u8; LENGTH] {
    let (Digest(from), Digest(to)) = (made.from, made.to);
    let mut bytes = [0; LENGTH];
    let (fields, check) = bytes.split_at_mut(LENGTH - 8);
    let all = [&job.to_le_bytes()[..], &block.to_le_bytes(), &from.to_le_bytes(), &to.to_le_bytes()];
    fields.copy_from_slice(&all.concat());
    check.copy_from_slice(&check_of(fields).to_le_bytes());
    bytes
}

fn check_of(fields: &[u8]) -> u64 {
    XxHash3_128::oneshot(fields) as u64
}

/// The record of these bytes; `None` if a crash or a full disk has left only some of them.
fn parse(bytes: &[u8; LENGTH]) -> Option<Record> {
    let (fields, check) = bytes.split_last_chunk::<8>()?;
    if check_of(fields).to_le_bytes() != *check {
        return None;
    }
    let (job, fields) = fields.split_first_chunk::<16>()?;
    let (block, fields) = fields.split_first_chunk::<8>()?;
    let (from, to) = fields.split_first_chunk::<16>()?;
    let digest = |bytes: &[u8; 16]| Digest(u128::from_le_bytes(*bytes));
    let made = Made { from: digest(from), to: digest(to.first_chunk()?) };
    Some(((u128::from_le_bytes(*job), u64::from_le_bytes(*block)), made))
}

/// Records in the order of jobs and blocks. Those of one block are in the order in which they were noted, each once.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// A file without a name, unless there are none.
    sorted: Option<File>,
    count: u64,
}

impl Noted {
    /// What is in these files, later ones behind earlier ones.
    pub(super) fn of(logs: &[PathBuf], folder: &Path) -> io::Result<Self> {
        let mut runs = Runs::default();
        let mut run: Vec<Record> = Vec::new();
        for log in logs {
            let file = match File::open(log) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            let mut reader = BufReader::new(file);
            let mut bytes = [0; LENGTH];
            while reader.read_exact(&mut bytes).map(|()| true).or_else(at_the_end)? {
                run.extend(parse(&bytes));
                if run.len() == RUN {
                    runs.add(&mut run, folder)?;
                }
            }
        }
        runs.add(&mut run, folder)?;
        runs.merged(folder)
    }

    /// The last record of a block.
    pub(super) fn find(&self, job: u128, block: u64) -> io::Result<Option<Made>> {
        Ok(self.all(job, block)?.pop())
    }

    /// All records of a block. Several processes may have made it at the same time, and each has noted what it found then.
    pub(super) fn all(&self, job: u128, block: u64) -> io::Result<Vec<Made>> {
        let mut all = Vec::new();
        let Some(sorted) = &self.sorted else { return Ok(all) };
        let (mut first, mut end) = (0, self.count);
        while first < end {
            let middle = first + (end - first) / 2;
            if read_at(sorted, middle)?.0 < (job, block) {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        for at in first..self.count {
            let (key, made) = read_at(sorted, at)?;
            if key != (job, block) {
                break;
            }
            all.push(made);
        }
        Ok(all)
    }
}

fn at_the_end(error: io::Error) -> io::Result<bool> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(false) } else { Err(error) }
}

fn read_at(file: &File, number: u64) -> io::Result<Record> {
    let mut bytes = [0; LENGTH];
    file.read_exact_at(&mut bytes, number * LENGTH as u64)?;
    parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a record is damaged"))
}

/// Sorted runs behind each other in a file without a name.
#[derive(Default)]
struct Runs {
    file: Option<File>,
    /// Where each ends, in records.
    ends: Vec<u64>,
}

impl Runs {
    /// Adds a run, of which nothing is left then.
    fn add(&mut self, run: &mut Vec<Record>, folder: &Path) -> io::Result<()> {
        if run.is_empty() {
            return Ok(());
        }
        // The last of several stays behind the others.
        run.sort_by_key(|record| record.0);
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(folder)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let bytes: Vec<u8> = run.iter().flat_map(|record| bytes_of(*record)).collect();
        file.write_all(&bytes)?;
        self.ends.push(self.ends.last().unwrap_or(&0) + run.len() as u64);
        run.clear();
        Ok(())
    }

    fn merged(self, folder: &Path) -> io::Result<Noted> {
        let Some(file) = self.file else { return Ok(Noted::default()) };
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let run = |(at, end): (u64, &u64)| Run { file: &file, at, end: *end, read: VecDeque::new() };
        let mut runs: Vec<Run<'_>> = begins.zip(&self.ends).map(run).collect();
        let mut heads: Vec<Option<Record>> = runs.iter_mut().map(Run::next).collect::<io::Result<_>>()?;
        let key = |head: &Option<Record>| head.map(|record| record.0);
        let mut heap: BinaryHeap<_> =
            heads.iter().enumerate().filter_map(|(run, head)| Some(Reverse((key(head)?, run)))).collect();
        let mut writer = BufWriter::new(tempfile::tempfile_in(folder)?);
        let (mut last, mut count): (Option<Record>, u64) = (None, 0);
        while let Some(Reverse((_, run))) = heap.pop() {
            let record = std::mem::replace(&mut heads[run], runs[run].next()?);
            heap.extend(key(&heads[run]).map(|key| Reverse((key, run))));
            let Some(record) = record.filter(|record| last != Some(*record)) else { continue };
            writer.write_all(&bytes_of(record))?;
            (last, count) = (Some(record), count + 1);
        }
        Ok(Noted { sorted: Some(writer.into_inner().map_err(io::IntoInnerError::into_error)?), count })
    }
}

/// A run that is read.
struct Run<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    read: VecDeque<Record>,
}

impl Run<'_> {
    /// The next record.
    fn next(&mut self) -> io::Result<Option<Record>> {
        if self.read.is_empty() && self.at < self.end {
            let count = (self.end - self.at).min(64) as usize;
            let mut bytes = [0; 64 * LENGTH];
            let bytes = &mut bytes[..count * LENGTH];
            self.file.read_exact_at(bytes, self.at * LENGTH as u64)?;
            self.read.extend(bytes.as_chunks().0.iter().filter_map(parse));
            self.at += count as u64;
        }
        Ok(self.read.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(number: u64) -> Made {
        Made { from: Digest(u128::from(number)), to: Digest(u128::from(number) << 70) }
    }

    #[test]
    fn the_last_of_each_block_is_found_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let of = |count: u64, by: u64| -> Vec<u8> {
            let record = |at: u64| ((u128::from(at % 3), (at * 7919) % 20_011), made(at + by));
            (0..count).flat_map(|at| bytes_of(record(at))).collect()
        };
        // More than one run, and blocks that were done again in another one.
        std::fs::write(path("a"), of(40_000, 0)).unwrap();
        let mut later = of(10, 1_000_000);
        later[LENGTH + 20] ^= 1;
        later.extend([0; 17]);
        std::fs::write(path("b"), &later).unwrap();
        let noted = Noted::of(&[path("a"), path("b"), path("c")], folder.path()).unwrap();
        let mut last = std::collections::BTreeMap::new();
        for at in 0..40_000 {
            last.insert((u128::from(at % 3), (at * 7919) % 20_011), made(at));
        }
        for at in (0..10).filter(|at| *at != 1) {
            last.insert((u128::from(at % 3), (at * 7919) % 20_011), made(at + 1_000_000));
        }
        for ((job, block), made) in last {
            assert_eq!(noted.find(job, block).unwrap(), Some(made));
        }
        let all = |job, block| noted.all(job, block).unwrap();
        assert_eq!(all(2, 15_838), [made(2), made(1_000_002)]);
        assert_eq!(all(0, 20_011), []);
        assert_eq!((noted.find(3, 0).unwrap(), noted.find(0, 20_011).unwrap()), (None, None));
        assert_eq!(Noted::of(&[], folder.path()).unwrap().find(0, 0).unwrap(), None);
    }
}
