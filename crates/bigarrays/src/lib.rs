//! Store, cut out and change N-d arrays larger than memory.
//!
//! An [`Array`] is a stored N-d array or a view of one. Indices are absolute coordinates, which may be
//! negative; reads may reach outside the domain and over chunks that were never written, and give
//! zeros there; writes of any box are safe beside other threads and processes.
//!
//! ```
//! use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array3};
//!
//! let mut spec = CreateSpec::new(DataType::U16, "-64:64,0:128,100:132".parse()?);
//! spec.storage.chunk_shape = Some(vec![64, 64, 16]);
//! let array = OpenOptions::new().create("memory://front-page", &spec)?;
//! array.write(&[-5, 60, 110], Array3::from_elem((10, 10, 10), 3u16).view())?;
//!
//! let cutout = array.read::<u16>(&"-10:0,55:65,105:115".parse()?)?;
//! assert_eq!(cutout.get(&[-5, 60, 110]), Some(3));
//! assert_eq!(cutout.get(&[-6, 60, 110]), Some(0));
//! # Ok::<(), bigarrays::Error>(())
//! ```
//!
//! # Features
//!
//! All are on by default. What a build lacks is recognised all the same, and the error, `Unsupported`, names the
//! feature.
//! - `s3`, `gcs`, `azure`, `http`: stores behind a network. Without any of them there is no asynchronous runtime.
//! - `flat`: flat arrays, mapped `.npy` files that grow, and named slices.
//! - `hdf5`: HDF5 files, to be converted into named slices.
//! - `tiff`: TIFF files.
//! - `blosc`, `brotli`, `bzip2`, `jpeg`, `jxl`, `lz4`, `pco`, `png`, `xz`: codecs. gzip and Zstandard are always there.
//! - `testing`, which is off: `store::conformance` and `store::fault`, for tests of stores.
//!
//! `ARCHITECTURE.md` in the repository shows the way through the code.

mod array;
pub mod base;
pub mod chunk;
pub mod compute;
#[cfg(feature = "flat")]
pub mod flat;
pub mod format;
pub mod jobs;
mod run;
pub mod store;

pub use array::{
    Array, ArrayOptions, AxisMap, ChunkSet, Coordinates, Cutout, Index, LongElements, OpenOptions, Outside,
    OutsidePoints, Transform,
};
pub use base::domain::Domain;
pub use base::dtype::{DataType, Element, FillValue, TimeUnit};
pub use base::error::{Error, ErrorKind, Result};
#[cfg(feature = "flat")]
pub use flat::{FlatArray, SliceArray};
pub use format::{Address, ArraySpec, CreateSpec, StorageSpec};
pub use half;
pub use jobs::{Copied, CopyOptions, copy};
pub use ndarray;
pub use run::budget::job_memory;
pub use run::interrupt::{check_interrupt, interruptible};
pub use run::pool::{set_threads, threads};
pub use run::runner::Progress;
pub use store::on_long_wait;

/// The README's example runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
