//! What is imported: finds out what kind of file or files it is, and opens them as one array.

use std::path::{Path, PathBuf};

use bigarrays::base::buffer::Order;
use bigarrays::format::files::raw::RawFile;
use bigarrays::format::files::stack;
use bigarrays::format::{NewArray, Opened, usual_names};
use bigarrays::{Array, ArrayOptions, DataType, Domain, Error, ErrorKind, OpenOptions, Result};
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

    /// Bytes before the first element of a raw file; then there may be more after the last [default: 0, and
    /// the file has just the bytes of its elements]
    #[arg(long, value_name = "N", requires = "shape")]
    header_bytes: Option<u32>,
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
pub(crate) fn open(paths: &[PathBuf], args: &SourceArgs, options: &OpenOptions) -> Result<Source> {
    let (array, what) = match (&args.shape, args.dtype, paths) {
        (Some(shape), Some(dtype), [path]) => (raw(path, shape, dtype, args)?, "raw binary".to_owned()),
        (Some(_), ..) => return Err(Error::invalid("raw binary is imported from one file")),
        (None, _, [path]) => one(path, options)?,
        (None, _, paths) => slices(in_order(paths))?,
    };
    let axes = args.axes.clone().unwrap_or_else(|| Axes::of(&array));
    Ok(Source { array, axes, what })
}

fn raw(path: &Path, shape: &List<u64>, dtype: DataType, args: &SourceArgs) -> Result<Array> {
    let order = if args.order == OrderArg::C { Order::C } else { Order::Fortran };
    let array = NewArray {
        dtype,
        domain: Domain::from_shape(&shape.0)?,
        axis_names: usual_names(&shape.0, order),
        resolution: None,
    };
    let header = args.header_bytes.unwrap_or(0);
    let file = RawFile { order, big_endian: args.endian == Endian::Big, header };
    let array = read_only(file.open(path, array)?, path);
    match args.header_bytes {
        None => expect_no_header(path, &array).map(|()| array),
        Some(_) => Ok(array),
    }
}

/// An error if the file at `path` is longer than its elements: a header would be taken for elements.
fn expect_no_header(path: &Path, array: &Array) -> Result<()> {
    let at = |error: Error| error.during("opening").at(path.display().to_string());
    let found =
        path.metadata().map_err(|error| at(Error::io(error, "opening", path.display().to_string())))?;
    let bytes = array.domain().checked_len()?.saturating_mul(array.dtype().size() as u64);
    match found.len().saturating_sub(bytes) {
        0 => Ok(()),
        more => Err(at(Error::invalid(format!(
            "the file has {more} bytes more than the shape; if they come first, say --header-bytes {more}, \
             if they come last, --header-bytes 0"
        )))),
    }
}

fn read_only(opened: Opened, path: &Path) -> Array {
    let options = ArrayOptions { read_only: true, ..ArrayOptions::default() };
    Array::from_opened(opened, path.display().to_string(), options)
}

/// Opens a file or other array with `options`, a folder of slices, or slices named by a pattern.
fn one(path: &Path, options: &OpenOptions) -> Result<(Array, String)> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = path.display().to_string();
    let is_pattern = name.contains(['*', '?']) && !name.contains("://") && !path.exists();
    if is_pattern {
        return slices(stack::find(path)?);
    }
    if matches!(extension.as_str(), "png" | "jpg" | "jpeg") {
        return slices(vec![path.into()]);
    }
    match options.clone().read_only(true).open(&name) {
        Ok(array) => {
            let what = format!("{} {}", array.format(), array.store().location(""));
            Ok((array, what))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_file() => {
            let reason = "a file of no known kind; for raw binary say --shape and --dtype";
            Err(Error::unsupported(reason).during("opening").at(name))
        }
        Err(error) => Err(error),
    }
}

fn slices(paths: Vec<PathBuf>) -> Result<(Array, String)> {
    let what = stack::describe(&paths);
    let first = paths.first().cloned().unwrap_or_default();
    Ok((read_only(stack::open(paths)?, &first), what))
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
