//! What is exported to: kinds of files, and how a new one is started and finished.

use std::path::{Path, PathBuf};

use bigarrays::base::buffer::Order;
use bigarrays::format::files::raw::RawFile;
use bigarrays::format::files::{npy, stack, tiff};
use bigarrays::format::{NewArray, Target};
use bigarrays::{Array, Domain, Error, ErrorKind, Result};
use clap::ValueEnum;

use crate::args::Axes;

/// A kind of file to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// NumPy array
    Npy,
    /// One TIFF file, a page per slice
    Tiff,
    /// Raw binary, little-endian
    Raw,
    /// A folder of PNG slices
    Png,
}

/// What the names of slices start with.
const PREFIX: &str = "z";

impl Kind {
    /// The kind that the name of `out` asks for.
    ///
    /// # Errors
    /// `InvalidArgument` if the name says none.
    pub(crate) fn of(out: &Path) -> Result<Self> {
        let extension = out.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            _ if out.is_dir() => Ok(Self::Png),
            "npy" => Ok(Self::Npy),
            "tif" | "tiff" => Ok(Self::Tiff),
            "raw" | "bin" => Ok(Self::Raw),
            "" => Ok(Self::Png),
            _ => Err(Error::invalid("OUT is .npy, .tif, .raw or a folder for PNG slices; or say --format")
                .during("exporting to")
                .at(out.display().to_string())),
        }
    }

    /// The axes in the order in which an array of these axes and of this `order` is written where nothing else is asked
    /// for: its own, but slices along z for images. Where no axis has the name of one of a slice, the fastest is x.
    pub(crate) fn usual_axes(self, axes: &Axes, order: Order) -> Axes {
        let is_of_slices = |name: &String| matches!(name.as_str(), "x" | "y" | "z");
        match self {
            Self::Npy | Self::Raw => axes.clone(),
            Self::Tiff | Self::Png if axes.0.iter().any(is_of_slices) => {
                let mut usual = Axes::letters("zyxc");
                usual.0.retain(|axis| axes.position(axis).is_some());
                usual
            }
            Self::Tiff | Self::Png if order == Order::C => axes.clone(),
            Self::Tiff | Self::Png => Axes(axes.0.iter().rev().cloned().collect()),
        }
    }

    /// Starts a file or folder for the elements of `view`, whose axes are `axes`. The layer's own
    /// `order` is kept where the axes are.
    pub(crate) fn create(self, out: &Path, view: &Array, axes: &Axes, order: Order) -> Result<Target> {
        let array = NewArray {
            dtype: view.dtype(),
            domain: Domain::from_shape(view.shape())?,
            axis_names: axes.0.clone().into(),
            resolution: view.resolution(),
        };
        match self {
            Self::Npy => npy::create(out, array, order),
            Self::Tiff => tiff::create(out, array),
            Self::Raw => RawFile { order, big_endian: false, header: 0 }.create(out, array),
            Self::Png => stack::create(out, PREFIX, array),
        }
    }

    /// Clears the way for a new `out`: with `overwrite` the slices of an earlier export are removed,
    /// and a file is replaced once the new one is whole.
    ///
    /// # Errors
    /// `AlreadyExists` without `overwrite`, if there is something.
    pub(crate) fn make_way(self, out: &Path, overwrite: bool) -> Result<()> {
        let exists = |what: &Path| {
            Error::new(ErrorKind::AlreadyExists, "it is there already; --overwrite replaces it")
                .during("exporting to")
                .at(what.display().to_string())
        };
        if self != Self::Png {
            return if out.exists() && !overwrite { Err(exists(out)) } else { Ok(()) };
        }
        let earlier = if out.is_dir() { earlier_slices(out)? } else { Vec::new() };
        match earlier.first() {
            Some(slice) if !overwrite => Err(exists(slice)),
            _ => earlier.iter().try_for_each(|slice| {
                std::fs::remove_file(slice)
                    .map_err(|error| Error::io(error, "removing", slice.display().to_string()))
            }),
        }
    }
}

/// The slices of an earlier export: our prefix, then only digits.
fn earlier_slices(folder: &Path) -> Result<Vec<PathBuf>> {
    let slices = match stack::find(&folder.join(format!("{PREFIX}*.png"))) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        found => found?,
    };
    let is_ours = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        name.strip_prefix(PREFIX).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Ok(slices.into_iter().filter(is_ours).collect())
}
