//! What is imported: finds out what kind of file or files it is, and opens them as one array.

use std::path::{Path, PathBuf};

use bigarrays::buffer::Order;
use bigarrays::format::raw_file::RawFile;
use bigarrays::format::{NewArray, Opened, npy, stack, tiff, usual_names};
use bigarrays::{Array, ArrayOptions, DataType, Domain, Error, Result};
use clap::{Args, ValueEnum};

use crate::axes::{self, Axes};
use crate::values::List;

/// What the source does not say itself.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// The source's axes in its own order, as zyx, czyx or xyz [default: what the file says, or z,y,x]
    #[arg(long, value_name = "LETTERS", value_parser = axes::parse)]
    axes: Option<Axes>,

    /// The source is raw binary of this shape, in the order of its axes
    #[arg(long, value_name = "N,N,…", requires = "dtype")]
    shape: Option<List<u64>>,

    /// Type of the elements of a raw binary source, such as uint8 or float32
    #[arg(long, value_name = "TYPE", requires = "shape")]
    dtype: Option<DataType>,

    /// How raw elements follow each other: C, the last axis fastest (axes z,y,x), or F, the first
    /// fastest (axes x,y,z)
    #[arg(long, value_enum, ignore_case = true, default_value = "c", requires = "shape")]
    order: OrderArg,

    /// Order of the bytes of a raw element
    #[arg(long, value_enum, default_value = "little", requires = "shape")]
    endian: Endian,

    /// Bytes before the first element of a raw file
    #[arg(long, value_name = "N", default_value_t = 0, requires = "shape")]
    header_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OrderArg {
    C,
    F,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Endian {
    Little,
    Big,
}

/// An opened source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) array: Array,
    pub(crate) axes: Axes,
    /// What it is, for people.
    pub(crate) what: String,
}

/// Opens the files at `paths` as one array.
///
/// # Errors
/// `Unsupported` if they are of no known kind; any error of opening.
pub(crate) fn open(paths: &[PathBuf], args: &SourceArgs) -> Result<Source> {
    let (opened, what) = match (&args.shape, args.dtype, paths) {
        (Some(shape), Some(dtype), [path]) => (raw(path, shape, dtype, args)?, "raw binary".to_owned()),
        (Some(_), ..) => return Err(Error::invalid("raw binary is imported from one file")),
        (None, _, [path]) => one(path)?,
        (None, _, paths) => slices(in_order(paths))?,
    };
    let url = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
    let array = Array::from_opened(opened, url, ArrayOptions { read_only: true, ..ArrayOptions::default() });
    let axes = args.axes.clone().unwrap_or_else(|| Axes::of(&array));
    Ok(Source { array, axes, what })
}

fn raw(path: &Path, shape: &List<u64>, dtype: DataType, args: &SourceArgs) -> Result<Opened> {
    let order = if args.order == OrderArg::C { Order::C } else { Order::Fortran };
    let array = NewArray {
        dtype,
        domain: Domain::from_shape(&shape.0)?,
        dimension_names: usual_names(&shape.0, order),
        resolution: None,
    };
    RawFile { order, big_endian: args.endian == Endian::Big, header: args.header_bytes }.open(path, array)
}

/// Opens a file, a folder of slices, or slices named by a pattern.
fn one(path: &Path) -> Result<(Opened, String)> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_pattern = path.to_string_lossy().contains(['*', '?']) && !path.exists();
    match extension.as_str() {
        _ if path.is_dir() || is_pattern => slices(stack::find(path)?),
        "npy" => Ok((npy::open(path)?, "NumPy array".to_owned())),
        "tif" | "tiff" => Ok((tiff::open(path)?, "TIFF".to_owned())),
        "png" | "jpg" | "jpeg" => slices(vec![path.into()]),
        _ => {
            // What is not there at all should be said to be missing rather than strange.
            std::fs::metadata(path)
                .map_err(|error| Error::io(error, "opening", path.display().to_string()))?;
            let known = "a source is .npy, .tif, or .png and .jpg slices; for raw binary say --shape and --dtype";
            Err(Error::unsupported(known).during("opening").at(path.display().to_string()))
        }
    }
}

fn slices(paths: Vec<PathBuf>) -> Result<(Opened, String)> {
    let what = stack::describe(&paths);
    Ok((stack::open(paths)?, what))
}

/// The order of a list of slices: as given, but a list as shells expand patterns, which have `10`
/// before `2`, is sorted by the numbers in it.
fn in_order(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths = paths.to_vec();
    if paths.is_sorted() {
        stack::sort(&mut paths);
    }
    paths
}
