//! `export`: writes a box of an array to files.

use std::path::PathBuf;

use bigarrays::base::buffer::Order;
use bigarrays::flat::{expect_ours, forget_names};
use bigarrays::format::ScaleSelector;
use bigarrays::{Array, ArrayOptions, Domain};
use clap::Args;

use crate::args::heading::{FILE, WHAT};
use crate::args::{Axes, CacheArgs, JobArgs, axes, values};
use crate::commands::export::kind::Kind;
use crate::commands::mapped::{arrange, whole_channels};
use crate::commands::transfer;
use crate::output::lengths;
use crate::session::Session;

/// Write a box of an array to .npy, TIFF, raw binary or PNG slices
///
/// OUT says what is written: .npy, .tif, .raw or .bin, or a folder for PNG slices. .npy and raw files
/// have the array's own axes (x,y,z in Fortran order, so that NumPy indexes them as [x, y, z]), TIFF and PNG a
/// slice for each z, or along the first of axes in C order that have no such names. What of the box lies outside the array is written as zeros.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// Path or URL of the array
    url: String,

    /// The file or folder to be written
    out: PathBuf,

    /// The box in voxels, half-open; bounds may be negative [default: all]
    #[arg(long = "box", help_heading = WHAT, value_name = "X0:X1,Y0:Y1,Z0:Z1", allow_hyphen_values = true)]
    part: Option<Domain>,

    /// The scale: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, help_heading = WHAT, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    /// The axes of the file, slowest first, as zyx, or with commas; C order [default: as said above]
    #[arg(long, help_heading = FILE, value_name = "NAMES", value_parser = axes::parse)]
    transpose: Option<Axes>,

    /// The kind of file, where the name of OUT does not say it
    #[arg(long, help_heading = FILE, value_enum, value_name = "KIND")]
    format: Option<Kind>,

    /// Replace what is there
    #[arg(long, help_heading = FILE)]
    overwrite: bool,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    job: JobArgs,
}

const EXAMPLES: &str = "Examples:
  bigarrays export em cutout.npy --box 1000:1512,1000:1512,-10:50
  bigarrays export em stack.tif --scale 16,16,40
  bigarrays export em slices/ --box 0:2048,0:2048,100:200
  bigarrays export em sagittal.tif --transpose xzy";

pub(crate) fn run(args: &ExportArgs, session: &Session) -> anyhow::Result<()> {
    let array = session
        .open()
        .cache(args.cache.options()?)
        .scale(args.scale.clone())
        .read_only(true)
        .open(&args.url)?;
    let part =
        args.part.clone().map_or_else(|| Ok(array.domain().clone()), |part| whole_channels(&part, &array))?;
    let kind = args.format.map_or_else(|| Kind::of(&args.out), Ok)?;
    let own = Axes::of(&array);
    let axes = args.transpose.clone().unwrap_or_else(|| kind.usual_axes(&own, array.order()));
    let view = arrange(&array.cut(&part)?, &own, &axes)?;
    let order = if axes == own { array.order() } else { Order::C };
    kind.make_way(&args.out, args.overwrite)?;
    if kind == Kind::Npy {
        expect_ours(&args.out)?;
    }

    let target = kind.create(&args.out, &view, &axes, order)?;
    let url = args.out.display().to_string();
    let file = Array::from_opened(target.opened(), &url, ArrayOptions::default());
    transfer::copy(format_args!("exporting to {url}"), &view, &file, &args.job, session.terminal)?;
    if kind == Kind::Npy {
        // Those of a file that is replaced.
        forget_names(&args.out)?;
    }
    target.finish(false)?;
    session.terminal.note(describe(&part, &view, &axes, kind, order));
    Ok(())
}

/// Says which `part` was written and how, as one must say it to read it again.
fn describe(part: &Domain, view: &Array, axes: &Axes, kind: Kind, order: Order) -> String {
    let (dtype, shape) = (view.dtype(), view.shape());
    let plain = format!("wrote box {part}: axes {axes}, {} of {dtype}", lengths(shape));
    if kind != Kind::Raw {
        return plain;
    }
    let numbers: Vec<String> = shape.iter().map(u64::to_string).collect();
    let order = if order == Order::C { "C" } else { "F" };
    format!(
        "{plain}; to import: --shape {} --dtype {dtype} --order {order} --dimension-names {}",
        numbers.join(","),
        axes.option()
    )
}
