//! Slices as they were at one moment, whatever becomes of the array.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::array::FlatArray;
use super::facts;
use super::file::DataFile;
use super::index::Metadata;
use super::kept::{Draft, Table};
use super::mapped::Identity;
use super::mapping::settled_header;
use super::record::{Record, SliceRows, damaged};
use super::rows::{length, with_rows};
use super::set::file_in;
use super::slice::{Mappings, Slice};
use super::slices::{ATTEMPTS, SliceArray, no_name, no_position};
use super::spec::Mode;
use crate::base::error::{Error, ErrorKind, Result};
use crate::store::io_error;

/// Slices as they were at one moment: neither new names nor deletions nor a compaction change them.
///
/// It keeps the file of that moment open, and the disk keeps it for as long, also once another is in its place. Names
/// and rows lie in memory, 32 bytes (16 more for each further array), its name and its metadata for each slice, that forked children and those who open a
/// [`SnapshotHandle`] share. Rows without a name that [`FlatArray::truncate`] cuts off are gone for snapshots as well.
#[derive(Debug)]
pub struct Snapshot {
    path: Arc<Path>,
    /// At least one, each with its name; one that is alone has none.
    arrays: Arc<[(String, Arc<FlatArray>)]>,
    table: Table,
    mappings: Mappings,
}

/// Where another process of this machine finds a snapshot, while the one that has it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHandle {
    /// The process that has it.
    pub process: u32,
    /// Its descriptor of the names, and which file that is: device and inode.
    pub names: (i32, Identity),
    /// Each array.
    pub arrays: Vec<ArrayHandle>,
}

/// Where another process of this machine finds an array of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayHandle {
    /// Its name, if there are several.
    pub name: String,
    /// The descriptor of its file.
    pub descriptor: i32,
    /// Device and inode.
    pub identity: Identity,
    /// How many rows it had.
    pub rows: u64,
}

impl SliceArray {
    /// The slices that this array shows, kept against whatever others do from now on: for reading, or with
    /// [`Mode::CopyOnWrite`] for private changes.
    ///
    /// # Errors
    /// `Storage` if others have deleted slices since this array was opened or refreshed; those of the system.
    pub fn snapshot(&self, mode: Mode) -> Result<Snapshot> {
        let (path, mut short) = (self.path(), None);
        for _ in 0..ATTEMPTS {
            self.catch_up()?;
            let generation = self.facts()?.generation;
            let open =
                |(_, array): (&str, &Arc<FlatArray>)| DataFile::open(array.path(), false, None).map(Arc::new);
            let files = self.arrays().map(open).collect::<Result<Vec<_>>>()?;
            let draft = self.draft(generation)?;
            let Some((draft, at)) = draft.filter(|_| files.iter().all(|file| !file.is_replaced())) else {
                continue;
            };
            let headers = files.iter().map(|file| settled_header(file)).collect::<Result<Vec<_>>>()?;
            let is_short = |number: &usize| length(&headers[*number]) < draft.end(*number);
            if let Some(number) = (0..headers.len()).find(is_short) {
                // Some may have been deleted and cut off since.
                if short == Some(at) && self.is_short_of(number, draft.end(number))? {
                    return Err(self.too_few_rows(number, draft.end(number)));
                }
                short = Some(at);
                continue;
            }
            let table = draft.finish().map_err(|error| io_error(error, "keeping the names of", path))?;
            let arrays = self.arrays().zip(files).zip(headers).map(|(((name, _), file), header)| {
                (name.to_owned(), Arc::new(FlatArray::kept(file, header, mode)))
            });
            return Snapshot::new(path, arrays.collect(), table);
        }
        Err(self.compacted())
    }

    /// All slices that are shown, and the snapshot of the index of which they are; `None` if the file is another by now
    /// than that of `generation`.
    fn draft(&self, generation: u64) -> Result<Option<(Draft, usize)>> {
        let failed = |error| self.index().failed(error);
        let arrays = self.arrays().len();
        self.index().read_with(Metadata::Used, |txn, tables| {
            let count = self.expect_unmoved(txn, tables)?;
            let now = facts::generation(self.index(), txn, tables)?;
            let meta = tables.meta.filter(|meta| meta.len(txn).is_ok_and(|count| count > 0));
            let mut draft = Draft::new(arrays);
            for entry in tables.order.iter(txn).map_err(failed)?.take(count as usize) {
                let (_, value) = entry.map_err(failed)?;
                let (record, name) = Record::from_position(draft.len() as u64, value, arrays)?;
                match record.generation {
                    // No writer leaves records of another generation than the index.
                    of if of != now => return Err(damaged().at(self.path().display().to_string())),
                    of if of != generation => return Ok(None),
                    _ => {}
                }
                let metadata =
                    meta.map_or(Ok(None), |meta| meta.get(txn, name.as_bytes())).map_err(failed)?;
                draft.push(name, record.rows.all(), metadata.unwrap_or_default());
            }
            for entry in tables.names.iter(txn).map_err(failed)? {
                let (_, value) = entry.map_err(failed)?;
                let position = Record::from_name(value)?.position;
                if position < count {
                    draft.push_sorted(position);
                }
            }
            Ok(Some((draft, tables.snapshot(txn))))
        })
    }
}

impl Snapshot {
    fn new(path: &Path, arrays: Vec<(String, Arc<FlatArray>)>, table: Table) -> Result<Self> {
        let mut mappings = arrays.iter().map(|(_, array)| array.mapping());
        let first = mappings.next().ok_or_else(damaged)??;
        let mappings = Mappings { first, others: mappings.collect::<Result<_>>()? };
        Ok(Self { path: path.into(), arrays: arrays.into(), table, mappings })
    }

    /// The snapshot that another process of this machine has, of the slices at `path`.
    ///
    /// # Errors
    /// `NotFound` if that process has ended or let go of it; `Unsupported` where processes cannot see each other's files.
    pub fn open(path: &Path, handle: &SnapshotHandle, mode: Mode) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(Error::unsupported("snapshots go to other processes by fork alone on this system"));
        }
        let gone = || {
            let reason = format!(
                "the snapshot is gone with process {}, which had it; take a new one, or keep it alive for as long",
                handle.process
            );
            Error::new(ErrorKind::NotFound, reason).during("opening").at(path.display().to_string())
        };
        let open = |descriptor: i32, identity: Identity| {
            let file = File::open(format!("/proc/{}/fd/{descriptor}", handle.process)).map_err(|_| gone())?;
            if super::file::identity_of(&file).ok() == Some(identity) { Ok(file) } else { Err(gone()) }
        };
        let table = Table::of(open(handle.names.0, handle.names.1)?).map_err(|_| gone())?;
        if table.arrays() != handle.arrays.len() {
            return Err(gone());
        }
        let arrays = handle.arrays.iter().map(|array| {
            let (name, data) = (array.name.clone(), open(array.descriptor, array.identity)?);
            let file = if name.is_empty() { path.to_owned() } else { file_in(path, &name) };
            let file = Arc::new(DataFile::of(&file, data)?);
            let header = with_rows(&file.header()?, Some(array.rows))?;
            Ok((name, Arc::new(FlatArray::kept(file, header, mode))))
        });
        Self::new(path, arrays.collect::<Result<_>>()?, table)
    }

    /// Where another process finds this.
    ///
    /// # Errors
    /// Those of the system.
    pub fn handle(&self) -> Result<SnapshotHandle> {
        let failed = |error| io_error(error, "looking at", &self.path);
        let names = self.table.descriptor().map_err(failed)?;
        let arrays = self.arrays.iter().zip(self.mappings.all()).map(|((name, array), mapping)| {
            let (descriptor, identity) = mapping.descriptor();
            ArrayHandle { name: name.clone(), descriptor, identity, rows: array.rows() }
        });
        Ok(SnapshotHandle { process: std::process::id(), names, arrays: arrays.collect() })
    }

    /// The absolute path of the file of rows, or of the folder of several arrays.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rows of all slices and of none, as of that moment; of several arrays, the first.
    pub fn array(&self) -> &Arc<FlatArray> {
        &self.arrays[0].1
    }

    /// All arrays and their names, in their order. One that is alone has no name.
    pub fn arrays(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<FlatArray>)> + Clone {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// How many slices there are.
    pub fn len(&self) -> u64 {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slice of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<Slice> {
        self.table.find(name).map(|position| self.slice(position))
    }

    /// The slices of these names.
    ///
    /// # Errors
    /// `NotFound`, with the first name that is missing.
    pub fn get(&self, names: &[&str]) -> Result<Vec<Slice>> {
        let found = |name: &&str| self.find(name).ok_or_else(|| no_name(&self.path, name));
        names.iter().map(found).collect()
    }

    /// The slices at these positions.
    ///
    /// # Errors
    /// `OutOfBounds`, with the first position that is too large.
    pub fn at(&self, positions: &[u64]) -> Result<Vec<Slice>> {
        self.expect_positions(positions)?;
        Ok(positions.iter().map(|&position| self.slice(position)).collect())
    }

    /// Mappings that have the rows of all slices.
    pub fn mappings(&self) -> &Mappings {
        &self.mappings
    }

    /// What was kept beside the name of the slice at this position, as JSON; `None` if that was nothing.
    ///
    /// # Errors
    /// `OutOfBounds`; `CorruptData` for what is no text.
    pub fn metadata(&self, position: u64) -> Result<Option<&str>> {
        self.expect_positions(&[position])?;
        self.table.metadata(position)
    }

    /// The positions of all slices of which `is_wanted` says so, by their names and metadata, in order.
    ///
    /// # Errors
    /// Those of `is_wanted`; `CorruptData` for what is no text.
    pub fn filter<E: From<Error>>(
        &self,
        mut is_wanted: impl FnMut(&str, Option<&str>) -> std::result::Result<bool, E>,
    ) -> std::result::Result<Vec<u64>, E> {
        let mut found = Vec::new();
        for position in 0..self.len() {
            if is_wanted(self.table.name(position)?, self.table.metadata(position)?)? {
                found.push(position);
            }
        }
        Ok(found)
    }

    /// Up to `limit` names and where their slices are, from a position on, in order.
    ///
    /// # Errors
    /// `CorruptData` for what is no text.
    pub fn names(&self, from: u64, limit: usize) -> Result<Vec<(String, Slice)>> {
        let to = self.len().min(from.saturating_add(limit as u64));
        (from..to).map(|position| Ok((self.table.name(position)?.to_owned(), self.slice(position)))).collect()
    }

    /// The positions of all names that start with `prefix`, in order.
    pub fn with_prefix(&self, prefix: &str) -> Vec<u64> {
        self.table.with_prefix(prefix)
    }

    /// A snapshot of the slices at these positions alone, in this order, which are then numbered from 0 on. It shares
    /// the file.
    ///
    /// # Errors
    /// `OutOfBounds`; `InvalidArgument` for a position that is given twice; those of the system.
    pub fn select(&self, positions: &[u64]) -> Result<Self> {
        self.expect_positions(positions)?;
        let mut sorted = positions.to_vec();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|two| two[0] == two[1]) {
            return Err(Error::invalid(format!("position {} is given twice", twice[0])));
        }
        let table = self.table.select(positions)?.finish();
        let table = table.map_err(|error| io_error(error, "keeping the names of", &self.path))?;
        let (path, arrays) = (Arc::clone(&self.path), Arc::clone(&self.arrays));
        Ok(Self { path, arrays, table, mappings: self.mappings.clone() })
    }

    /// Snapshots of as many parts as there are shares, each of about that share of all slices. Which part a slice is in
    /// depends on its name and `seed` alone: it stays there when others come and go.
    ///
    /// # Errors
    /// `InvalidArgument` for shares that are not from 0 to 1 or are more than 1 together; those of the system.
    pub fn split(&self, shares: &[f64], seed: u64) -> Result<Vec<Self>> {
        let sum: f64 = shares.iter().sum();
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) || sum > 1.0 + 1e-9 {
            return Err(Error::invalid(format!(
                "shares {shares:?}: each is from 0 to 1, and their sum 1 at most"
            )));
        }
        let mut parts = vec![Vec::new(); shares.len()];
        for position in 0..self.len() {
            let mut left = place_of(self.table.name(position)?, seed);
            let part = shares.iter().position(|share| {
                left -= share;
                left < 0.0
            });
            // Shares that should be 1 together may be a little less.
            let part = part.or_else(|| (sum > 1.0 - 1e-9).then(|| shares.len() - 1));
            if let Some(part) = part {
                parts[part].push(position);
            }
        }
        parts.iter().map(|positions| self.select(positions)).collect()
    }

    fn slice(&self, position: u64) -> Slice {
        let rows = (0..self.table.arrays()).map(|array| self.table.rows(position, array));
        Slice { position, rows: SliceRows::new(rows) }
    }

    fn expect_positions(&self, positions: &[u64]) -> Result<()> {
        match positions.iter().find(|&&position| position >= self.len()) {
            None => Ok(()),
            Some(&position) => Err(no_position(&self.path, position, self.len())),
        }
    }
}

/// Where between 0 and 1 a name lies: FNV-1a of the seed and the name, mixed as by SplitMix64. It never changes.
fn place_of(name: &str, seed: u64) -> f64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
