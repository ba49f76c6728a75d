//! The options of `copy`.

use bigarrays::format::ScaleSelector;
use bigarrays::jobs::{Cast, OutOfRange, Rounding};
use bigarrays::{Array, DataType, Domain, Error, Result};
use clap::{Args, ValueEnum};

use crate::args::heading::{CONVERSION, RUN, WHAT};
use crate::args::values::{self, List};
use crate::args::{Axes, CacheArgs, JobArgs, LayerArgs, MipsArgs, NewArgs, ProcessesArgs, WriteArgs, axes};

/// Copy a box of one array into another, of whatever formats
///
/// Axes are matched by their names: a .npy file's z,y,x go to a layer's x,y,z. A box that reaches outside SRC has
/// the fill value there. Where chunks of both are cut and encoded alike, they move as they are stored: jpeg is not
/// encoded again, and damaged chunks are copied, unless --check is given. A copy that was stopped or killed is
/// resumed by the same command, which skips blocks that are done if neither they nor their source have changed
/// since (changes that others make in a .npy file through a mapping may go unnoticed).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopyArgs {
    /// Path or URL of the array to copy from
    #[arg(value_name = "SRC")]
    pub(super) source: String,

    /// Path or URL of the array to copy into
    #[arg(value_name = "DST")]
    pub(super) target: String,

    #[command(flatten)]
    pub(super) what: What,

    #[command(flatten)]
    pub(super) cache: CacheArgs,

    /// Say what would be done: chunks, bytes, requests and memory. Nothing is made or written
    #[arg(long, help_heading = RUN)]
    pub(super) dry_run: bool,

    /// Do not resume an earlier run of the same command: forget what it noted, and leave nothing for a later one. So it is with
    /// --processes
    #[arg(long, help_heading = RUN)]
    pub(super) no_resume: bool,

    /// Decode chunks that move as they are stored as well, and refuse damaged ones
    #[arg(long, help_heading = RUN)]
    pub(super) check: bool,

    #[command(flatten)]
    pub(super) job: JobArgs,

    #[command(flatten)]
    pub(super) processes: ProcessesArgs,

    #[command(flatten)]
    pub(super) mips: MipsArgs,
}

/// What is copied, and to what: all that the outcome depends on.
#[derive(Clone, Debug, Args)]
pub(super) struct What {
    /// The box of SRC to be copied, in the order of its axes, half-open; bounds may be negative, and are those of the
    /// first scale if there are several [default: all]
    #[arg(long = "box", help_heading = WHAT, value_name = "X0:X1,Y0:Y1,Z0:Z1", allow_hyphen_values = true)]
    pub(super) part: Option<Domain>,

    /// The coordinates in DST of the first voxel of the box, along its axes [default: those in SRC, or zero
    /// for a new array whose format has no others]
    #[arg(long, help_heading = WHAT, value_name = "X,Y,Z", allow_hyphen_values = true, conflicts_with = "all_scales")]
    pub(super) to: Option<List<i64>>,

    /// A scale of SRC: its position from 0, its key, or its resolution as x,y,z; may be given several times
    #[arg(long, help_heading = WHAT, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    pub(super) scale: Vec<ScaleSelector>,

    /// Copy all scales of SRC
    #[arg(long, help_heading = WHAT, conflicts_with = "scale")]
    pub(super) all_scales: bool,

    /// The scale of DST; of several, those of the same resolution are taken [default: 0]
    #[arg(long, help_heading = WHAT, value_name = "SCALE", value_parser = values::scale, conflicts_with = "all_scales")]
    pub(super) to_scale: Option<ScaleSelector>,

    /// Make DST, of just the box; what no option says is as in SRC, as far as the format can hold it. It is marked as
    /// incomplete until all is copied
    #[arg(long, help_heading = WHAT, conflicts_with = "to_scale")]
    pub(super) create: bool,

    #[command(flatten)]
    pub(super) new: NewArgs,

    /// Names of the axes of SRC in its own order, where it does not say them itself, as zyx, or with commas
    #[arg(long, help_heading = WHAT, value_name = "NAMES", value_parser = axes::parse)]
    pub(super) dimension_names: Option<Axes>,

    /// Type of the elements of DST, if it is another than that of SRC
    #[arg(long, help_heading = CONVERSION, value_name = "TYPE")]
    pub(super) dtype: Option<DataType>,

    /// How elements with a fraction become whole numbers
    #[arg(long, help_heading = CONVERSION, value_enum, default_value = "nearest", value_name = "HOW")]
    rounding: RoundingArg,

    /// What becomes of elements that are out of the range of the type of DST
    #[arg(long, help_heading = CONVERSION, value_enum, default_value = "refuse", value_name = "HOW")]
    out_of_range: OverflowArg,

    #[command(flatten)]
    pub(super) layer: LayerArgs,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RoundingArg {
    /// To the nearest; of two, to the even one
    Nearest,
    /// Downwards
    Floor,
    /// Upwards
    Ceil,
    /// Towards zero
    Zero,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OverflowArg {
    /// The copy ends with an error
    Refuse,
    /// They become the nearest that there is; what is no number becomes zero
    Clip,
    /// They keep their lower bits
    Wrap,
}

const EXAMPLES: &str = "Examples:
  bigarrays copy em crop --create --box 1000:2000,1000:2000,0:100
  bigarrays copy em em.zarr --create --format ome-zarr --all-scales --encoding zstd
  bigarrays copy em em-jpeg --create --encoding jpeg --level 85 --chunk-shape 128,128,16
  bigarrays copy probabilities.zarr mask --create --dimension-names zyx --dtype uint8 --out-of-range clip
  bigarrays copy em s3://bucket/em --create --sharding --dry-run
  bigarrays copy patch em --to 512,512,-20";

impl What {
    /// Whether several scales may be copied.
    pub(super) fn is_many(&self) -> bool {
        self.all_scales || self.scale.len() > 1
    }

    /// An error if options do not go together.
    pub(super) fn check(&self) -> Result<()> {
        if !self.create
            && let Some(option) = self.new.given().or_else(|| self.layer.given())
        {
            return Err(Error::invalid(format!("{option} says how DST is made: it goes with --create")));
        }
        if self.is_many() && (self.layer.is_of_one_scale() || self.to.is_some() || self.to_scale.is_some()) {
            let message =
                "--resolution, --key, --to and --to-scale are of one scale; copy the scales one by one";
            return Err(Error::invalid(message));
        }
        Ok(())
    }

    /// How elements are cast, if those of `source` are to become of another type in `target`.
    pub(super) fn cast(&self, source: &Array, target: &Array) -> Option<Cast> {
        let rounding = match self.rounding {
            RoundingArg::Nearest => Rounding::Nearest,
            RoundingArg::Floor => Rounding::Floor,
            RoundingArg::Ceil => Rounding::Ceil,
            RoundingArg::Zero => Rounding::Zero,
        };
        let overflow = match self.out_of_range {
            OverflowArg::Refuse => OutOfRange::Refuse,
            OverflowArg::Clip => OutOfRange::Clip,
            OverflowArg::Wrap => OutOfRange::Wrap,
        };
        let is_meant = self.dtype == Some(target.dtype()) && source.dtype() != target.dtype();
        is_meant.then_some(Cast { rounding, out_of_range: overflow })
    }
}
