//! Coarser levels that are kept in a folder of their own, beside an array that has none, for as long as it does not change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::levels::{Levels, domain_of};
use super::options::{Downsampling, PyramidOptions};
use super::typed::of_levels;
use crate::array::{Array, OpenOptions};
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::config::{Config, Parameter};
use crate::chunk::layout::Layout;
use crate::compute::{Digest, Journal, versions, write_whole};
use crate::format::{CHUNKED, CreateSpec};
use crate::run::runner::Progress;
use crate::store::{FileStore, Store, StoreOptions};

/// What is kept of one version of an array; another one begins anew.
const VERSION: &str = "1";

/// The file that says that all levels are there.
const COMPLETE: &str = "complete";

/// A coarser level, as it is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLevel {
    /// How many elements of the source along each axis become one, counted from coordinate 0 on.
    pub factor: Vec<u64>,
    /// The shape of its chunks.
    pub chunk_shape: Vec<u64>,
}

/// Coarser levels of an array, kept as Zarr arrays in a folder: found again as long as the array is the same, with the same data.
///
/// ```
/// use bigarrays::jobs::{Downsampling, KeptLevel, KeptLevels};
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let folder = tempfile::tempdir()?;
/// let spec = CreateSpec::new(DataType::U8, "0:9,0:9".parse()?);
/// let path = folder.path().join("image.zarr").display().to_string();
/// let image = OpenOptions::new().format("zarr3").create(&path, &spec)?;
/// image.write(&[0, 0], bigarrays::ndarray::Array2::<u8>::from_elem((9, 9), 7).view())?;
/// let level = KeptLevel { factor: vec![2, 2], chunk_shape: vec![4, 4] };
/// let kept = KeptLevels::of(&image, folder.path(), &[level], Downsampling::Mean)?;
/// assert!(kept.open()?.is_none());
/// let levels = kept.make(0, None)?;
/// assert_eq!(levels[0].get::<u8>(&[4, 4])?, 7);
/// assert!(kept.open()?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct KeptLevels {
    source: Array,
    method: Downsampling,
    levels: Vec<KeptLevel>,
    /// The folder of all that is kept, and what names of entries of this array begin with.
    folder: PathBuf,
    name: String,
    /// What the chunks of the array are.
    versions: Digest,
}

impl KeptLevels {
    /// Those of `source`, a whole array or a view, as it is now, below `folder`. Its chunks are asked for their versions: sizes and
    /// times of files, or what a bucket calls them.
    ///
    /// # Errors
    /// `InvalidArgument` for factors of another number of axes, or of which one does not divide that of the next level;
    /// `Unsupported` for arrays in memory, which nobody finds again; a storage error.
    pub fn of(source: &Array, folder: &Path, levels: &[KeptLevel], method: Downsampling) -> Result<Self> {
        let keeping = |error: Error| error.during("keeping coarser levels of").at(source.url());
        if source.url().starts_with("memory:") || source.url().is_empty() {
            return Err(keeping(Error::unsupported("an array in memory is not found again")));
        }
        check(source, levels).map_err(keeping)?;
        let plan = |level: &KeptLevel| {
            Config::new("level")
                .with("factor", format!("{:?}", level.factor))
                .with("chunks", format!("{:?}", level.chunk_shape))
        };
        let key = Config::new("kept levels")
            .with("version", VERSION)
            .with("location", source.store().location(""))
            .with("view", source.transform().config())
            .with("domain", source.domain().to_string())
            .with("layouts", source.layouts().map(Layout::config).collect::<Parameter>())
            .with("method", method.name())
            .with("levels", levels.iter().map(plan).collect::<Parameter>())
            .key();
        Ok(Self {
            source: source.clone(),
            method,
            levels: levels.to_vec(),
            folder: folder.to_owned(),
            name: Digest::of_text(&key),
            versions: versions(source)?,
        })
    }

    /// Whether the array is still as it was.
    ///
    /// # Errors
    /// A storage error.
    pub fn is_current(&self) -> Result<bool> {
        Ok(versions(&self.source)? == self.versions)
    }

    /// Whether all levels are there.
    pub fn is_whole(&self) -> bool {
        self.entry().join(COMPLETE).is_file()
    }

    /// The folder of what is kept of this version of the array.
    fn entry(&self) -> PathBuf {
        self.folder.join(format!("{}-{:032x}", self.name, self.versions.0))
    }

    /// The levels, the finest first, each over the box that elements of the source become; `None` if they are not all there.
    ///
    /// # Errors
    /// Those of opening them.
    pub fn open(&self) -> Result<Option<Vec<Array>>> {
        if !self.is_whole() {
            return Ok(None);
        }
        let options = OpenOptions::new().format(CHUNKED).read_only(true);
        self.arrays(|place, _| options.open(place)).map(Some)
    }

    /// Makes the levels, and goes on where an earlier run was stopped. What was kept of other versions of the array is removed. Takes
    /// `memory` bytes at most, a quarter of what there is if that is zero.
    ///
    /// # Errors
    /// `Storage` if another process is making them, or if the array has changed meanwhile; `MemoryBudget`; `Cancelled`; those of
    /// reading and writing.
    pub fn make(&self, memory: u64, progress: Option<&(dyn Fn(Progress) + Sync)>) -> Result<Vec<Array>> {
        self.remove_others()?;
        let journal = Journal::open(self.entry().join("journal"))?;
        if let Some(made) = self.open()? {
            return Ok(made);
        }
        let options = OpenOptions::new().format(CHUNKED);
        // Those of a run that was stopped have nothing but what belongs there.
        let targets = self.arrays(|place, level| match options.open(place) {
            Err(error) if error.kind() == ErrorKind::NotFound => options.create(place, &self.spec(level)?),
            found => found,
        })?;
        let fill = self.source.layout().fill.as_bytes();
        if targets.iter().any(|target| target.layout().fill.as_bytes() != fill) {
            let reason = "elements that are not stored are of a value that cannot be kept";
            return Err(Error::unsupported(reason).at(self.source.url()));
        }
        let levels =
            Levels::beside(&self.source, targets, self.levels.iter().map(|level| &level.factor[..]))?;
        let options =
            PyramidOptions { memory, journal: Some(&journal), progress, ..PyramidOptions::default() };
        of_levels(levels, self.method, &options)?;
        if !self.is_current()? {
            let reason = "it has changed while its coarser levels were made";
            return Err(Error::new(ErrorKind::Storage, reason).at(self.source.url()));
        }
        let path = self.entry().join(COMPLETE);
        write_whole(&path, self.source.store().location("").as_bytes())
            .map_err(|error| Error::io(error, "keeping levels in", path.display().to_string()))?;
        journal.remove()?;
        self.open()?.ok_or_else(|| Error::invalid("levels that were made are gone").at(self.source.url()))
    }

    /// The array of each level, as `get` opens or creates it, with the coordinates of the level.
    fn arrays(
        &self,
        get: impl Fn((&Arc<dyn Store>, &str), &KeptLevel) -> Result<Array>,
    ) -> Result<Vec<Array>> {
        let store: Arc<dyn Store> = Arc::new(FileStore::open(self.entry(), StoreOptions::default())?);
        let one = |(number, level): (usize, &KeptLevel)| {
            let array = get((&store, &(number + 1).to_string()), level)?;
            array.translate_to(self.domain(level)?.origin())
        };
        self.levels.iter().enumerate().map(one).collect()
    }

    fn domain(&self, level: &KeptLevel) -> Result<Domain> {
        domain_of(self.source.domain(), &level.factor, self.method)
    }

    fn spec(&self, level: &KeptLevel) -> Result<CreateSpec> {
        let domain = Domain::from_shape(self.domain(level)?.shape())?;
        let mut spec = CreateSpec::new(self.source.dtype(), domain);
        spec.array.fill_value = self.source.scale_spec().ok().and_then(|spec| spec.array.fill_value);
        let names = self.source.axis_names().iter().map(|name| Some((*name).to_owned())).collect();
        spec.array.dimension_names = Some(names);
        spec.storage.chunk_shape = Some(level.chunk_shape.clone());
        spec.storage.encoding = Some("zstd".to_owned());
        Ok(spec)
    }

    /// Removes what is kept of other versions of the array.
    fn remove_others(&self) -> Result<()> {
        let removing = |error| Error::io(error, "removing old levels in", self.folder.display().to_string());
        let own = self.entry();
        fs::create_dir_all(&own).map_err(removing)?;
        for found in fs::read_dir(&self.folder).map_err(removing)? {
            let path = found.map_err(removing)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_other = name.strip_prefix(&*self.name).is_some_and(|rest| {
                rest.strip_prefix('-').is_some_and(|version| version.len() == 32) && path != own
            });
            if is_other {
                fs::remove_dir_all(&path).map_err(removing)?;
            }
        }
        Ok(())
    }
}

fn check(source: &Array, levels: &[KeptLevel]) -> Result<()> {
    let mut before = vec![1; source.ndim()];
    for KeptLevel { factor, chunk_shape } in levels {
        let is_good = factor.len() == source.ndim()
            && chunk_shape.len() == source.ndim()
            && !factor.contains(&0)
            && !chunk_shape.contains(&0)
            && factor.iter().zip(&before).all(|(all, before)| all % before == 0);
        if !is_good {
            return Err(Error::invalid(format!("factors {factor:?} and chunks {chunk_shape:?} of a level")));
        }
        before.clone_from(factor);
    }
    Ok(())
}
