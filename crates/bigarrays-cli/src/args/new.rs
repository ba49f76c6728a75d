//! Options that say which format a new array has, and the order of its axes.

use bigarrays::format::{self, Create, FormatOptions};
use bigarrays::{Array, Result};
use clap::Args;

use crate::args::axes::{self, Axes};
use crate::args::heading::NEW;

/// Which format a new array has, and in which order its axes stand.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = NEW)]
pub(crate) struct NewArgs {
    /// The format of the new array: precomputed, zarr3, zarr2, ome-zarr, ome-zarr-0.4 or n5 [default: what the
    /// URL names, that of the source if it is one of these, or precomputed]
    #[arg(long, value_name = "NAME")]
    format: Option<String>,

    /// The axes of the new array in its order, of those of the source; axes of one element can be left out.
    /// [default: x,y,z and maybe c for precomputed; otherwise those of the source, with the one along which
    /// elements lie next to each other first for N5, last for Zarr]
    #[arg(long, value_name = "NAMES", value_parser = axes::parse)]
    pub(crate) transpose: Option<Axes>,
}

impl NewArgs {
    /// The first option that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let transpose = self.transpose.as_ref().map(|_| "--transpose");
        self.format.as_ref().map(|_| "--format").or(transpose)
    }

    /// The format of an array that is made from `source` at `url`.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such format, it is not of chunks, or the URL names another.
    pub(crate) fn format(&self, source: &Array, url: &str) -> Result<&'static dyn Create> {
        let options = FormatOptions { format: self.format.clone(), ..FormatOptions::default() };
        format::format_of_new(url, source.format(), &options)
    }

    /// The same of an array of labels: Zarr 3, if nothing names a format and a precomputed layer has other axes.
    ///
    /// # Errors
    /// As [`Self::format`].
    pub(crate) fn format_of_labels(&self, source: &Array, url: &str) -> Result<&'static dyn Create> {
        let options = FormatOptions { format: self.format.clone(), ..FormatOptions::default() };
        format::format_of_result(url, source.format(), &source.axis_names(), &options)
    }
}
