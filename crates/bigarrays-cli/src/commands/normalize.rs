//! `normalize`: stretches the contrast of an array into a new one.

use bigarrays::compute::Lazy;
use bigarrays::format::ScaleSelector;
use bigarrays::jobs::{Contrast, NormalizeOptions, normalize};
use bigarrays::store::absolute;
use bigarrays::{DataType, Domain};
use clap::Args;

use crate::args::values;
use crate::commands::saving::SaveArgs;
use crate::commands::slice::position;
use crate::session::Session;

/// Stretch elements between two percentiles over all that a type has, into a new array
///
/// Percentiles are exact, of all finite elements or of those of each slice. What lies beyond is clipped, and whole numbers are rounded half to even. The
/// new array is stored as the source is, but for what options say.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays normalize em bright
  bigarrays normalize em bright --by z --contrast 0.5%,99.5% --ignore 0 --memory 4G --resume
  bigarrays normalize ct.zarr ct8 --contrast -1000,2000 --dtype uint8")]
pub(crate) struct NormalizeArgs {
    /// Path or URL of the array
    source: String,

    /// Path or URL of the new array
    target: String,

    /// What becomes the least and the largest number of the type: percentiles LOW%,HIGH%, numbers LOW,HIGH, or type for all that
    /// the source's type has
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true, default_value = "1%,99%")]
    contrast: Contrast,

    /// The axis along which each slice has percentiles of its own, by name or number [default: all elements have the same]
    #[arg(long, value_name = "AXIS")]
    by: Option<String>,

    /// Type of the new array [default: that of the source]; floating-point numbers go from 0 to 1
    #[arg(long, value_name = "TYPE")]
    dtype: Option<DataType>,

    /// A value that counts in no percentile, such as 0 around an image
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = values::number)]
    ignore: Option<bigarrays::compute::Number>,

    /// Only this box of the source
    #[arg(long = "box", value_name = "BOX", allow_hyphen_values = true)]
    region: Option<Domain>,

    /// The scale of the source: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    #[command(flatten)]
    save: SaveArgs,
}

pub(crate) fn run(args: &NormalizeArgs, session: &Session) -> anyhow::Result<()> {
    let source = session.open().read_only(true).scale(args.scale.clone()).open(&args.source)?;
    let view = args.region.as_ref().map_or(Ok(source.clone()), |part| source.cut(part))?;
    let options = NormalizeOptions {
        contrast: args.contrast,
        by: args.by.as_deref().map(|name| position(&source, name)).transpose()?,
        dtype: args.dtype,
        ignore: args.ignore,
    };
    let lazy = normalize(&Lazy::of(&view)?, &options)?;
    let places = [&args.source, &args.target].map(|place| absolute(place).display().to_string());
    let command = args.command(&places);
    args.save.save(&source, &lazy, &args.target, &command, session)
}

impl NormalizeArgs {
    /// The command as it is typed, as lists of jobs show it: all that the outcome depends on.
    fn command(&self, places: &[String; 2]) -> String {
        let NormalizeArgs { contrast, dtype, ignore, .. } = self;
        let given = [
            ("by", self.by.clone()),
            ("dtype", dtype.map(|dtype| dtype.to_string())),
            ("ignore", ignore.map(|ignore| ignore.to_string())),
            ("box", self.region.as_ref().map(ToString::to_string)),
            ("scale", values::scale_text(&self.scale)),
        ];
        // As it is typed: lists of jobs show it.
        let given: Vec<String> =
            given.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", value?))).collect();
        format!("normalize {} {} --contrast {contrast}{}", places[0], places[1], given.concat())
    }
}
