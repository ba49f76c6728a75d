//! `create`: makes an empty layer, or an empty scale of one.

use bigarrays::{DataType, Domain, Error, OpenOptions, Result};
use clap::Args;

use crate::args::heading::NEW;
use crate::args::{LayerArgs, values};
use crate::commands::new::new_layer;
use crate::session::Session;

/// Make an empty layer, or add an empty scale to one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CreateArgs {
    /// Path or URL of the layer
    url: String,

    /// The box of coordinates that it covers, half-open; bounds may be negative
    #[arg(
        long,
        help_heading = NEW,
        value_name = "X0:X1,Y0:Y1,Z0:Z1",
        allow_hyphen_values = true,
        required_unless_present = "shape",
        conflicts_with = "shape"
    )]
    domain: Option<Domain>,

    /// Its shape in elements, instead of --domain; the first coordinates are zeros
    #[arg(long, help_heading = NEW, value_name = "X,Y,Z", value_parser = values::shape)]
    shape: Option<values::Shape>,

    /// The format of a new array: precomputed, zarr3, zarr2, ome-zarr, ome-zarr-0.4 or n5; those of Zarr and
    /// N5 have any number of axes, in the order of --shape [default: what the URL names, or precomputed]
    #[arg(long, help_heading = NEW, value_name = "NAME", conflicts_with = "add_scale")]
    format: Option<String>,

    /// Names of the axes, where the format keeps them
    #[arg(long, help_heading = NEW, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "add_scale")]
    dimension_names: Option<Vec<String>>,

    /// Type of the elements, such as uint8, uint64 or float32
    #[arg(long, help_heading = NEW, value_name = "TYPE", required_unless_present = "add_scale")]
    dtype: Option<DataType>,

    /// Number of channels of a precomputed layer
    #[arg(long, help_heading = NEW, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    channels: u64,

    #[command(flatten)]
    layer: LayerArgs,

    /// Add a scale to the layer at URL, of its type and channels, rather than make a layer
    #[arg(long, help_heading = NEW, conflicts_with_all = ["dtype", "channels", "labels"])]
    add_scale: bool,
}

const EXAMPLES: &str = "Examples:
  bigarrays create em --shape 10000,10000,500 --dtype uint8 --resolution 8,8,40 --chunk-shape 128,128,16
  bigarrays create labels --domain -100:900,0:1000,20:520 --dtype uint64 --encoding compressed_segmentation
  bigarrays create image.n5 --format n5 --key s0 --shape 10000,10000,500 --dtype uint8 --resolution 8,8,40
  bigarrays create volume.zarr --format zarr3 --shape 500,10000,10000 --dtype uint16 --encoding zstd --dimension-names z,y,x
  bigarrays create em --add-scale --shape 5000,5000,500 --resolution 16,16,40";

pub(crate) fn run(args: &CreateArgs, session: &Session) -> anyhow::Result<()> {
    let array = if args.add_scale {
        let layer = session.open().incomplete(true).open(&args.url)?;
        let channels = layer.shape().get(3).copied().unwrap_or(1);
        let spec = args.layer.spec(layer.dtype(), args.domain(channels)?);
        session.open().add_scale(&args.url, &spec)?
    } else {
        let dtype = args.dtype.ok_or_else(|| Error::invalid("--dtype is missing"))?;
        let mut spec = args.layer.spec(dtype, args.domain(args.channels)?);
        spec.array.dimension_names =
            args.dimension_names.as_ref().map(|names| names.iter().cloned().map(Some).collect());
        let options = args.format.iter().fold(session.open(), OpenOptions::format);
        options.create(new_layer(&args.url)?, &spec)?
    };
    session.terminal.note(format_args!("created {}: {} over {}", args.url, array.dtype(), array.domain()));
    Ok(())
}

impl CreateArgs {
    /// The box, with an axis for channels where there are several.
    fn domain(&self, channels: u64) -> Result<Domain> {
        let domain = match (&self.domain, &self.shape) {
            (Some(domain), _) => domain.clone(),
            (None, shape) => Domain::from_shape(shape.as_ref().map_or(&[], |shape| shape.0.as_slice()))?,
        };
        if channels == 1 || domain.ndim() != 3 {
            return Ok(domain);
        }
        Domain::new(&[domain.origin(), &[0]].concat(), &[domain.shape(), &[channels]].concat())
    }
}
