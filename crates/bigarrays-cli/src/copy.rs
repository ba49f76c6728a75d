//! `copy`: copies a box of one array into another, of whatever formats.

use bigarrays::format::ScaleSelector;
use bigarrays::{Array, CreateSpec, Domain, Error, Result};
use clap::Args;

use crate::axes::{AsLayer, Axes};
use crate::export::whole_channels;
use crate::job::{self, JobArgs};
use crate::layer::{LayerArgs, WriteArgs, new_layer};
use crate::session::{CacheArgs, Session};
use crate::values;

/// Copy a box of one array into another
///
/// Both have the same element type. Axes are matched by their names: a .npy file's z,y,x go to a layer's
/// x,y,z. A box that reaches outside SRC gives zeros there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopyArgs {
    /// Path or URL of the array to copy from
    #[arg(value_name = "SRC")]
    source: String,

    /// Path or URL of the array to copy into
    #[arg(value_name = "DST")]
    target: String,

    /// The box of SRC in voxels, in the order of its axes, half-open; bounds may be negative [default: all]
    #[arg(long = "box", value_name = "X0:X1,Y0:Y1,Z0:Z1", allow_hyphen_values = true)]
    part: Option<Domain>,

    /// The coordinates in DST of the first voxel of the box [default: those in SRC]
    #[arg(long, value_name = "X,Y,Z", value_parser = values::coordinates, allow_hyphen_values = true)]
    to: Option<[i64; 3]>,

    /// The scale of SRC: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    /// The scale of DST
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    to_scale: ScaleSelector,

    /// Make DST, of just the box, with the type, chunks, encoding and resolution of SRC unless options below
    /// say otherwise
    #[arg(long, conflicts_with = "to_scale")]
    create: bool,

    #[command(flatten)]
    layer: LayerArgs,

    #[command(flatten)]
    write: WriteArgs,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    job: JobArgs,
}

const EXAMPLES: &str = "Examples:
  bigarrays copy em crop --create --box 1000:2000,1000:2000,0:100
  bigarrays copy em em-jpeg --create --encoding jpeg --level 85 --chunk 128,128,16
  bigarrays copy patch em --to 512,512,-20";

pub(crate) fn run(args: &CopyArgs, session: &Session) -> anyhow::Result<()> {
    let source = session
        .open()
        .cache(args.cache.options()?)
        .scale(args.scale.clone())
        .read_only(true)
        .open(&args.source)?;
    let part = match &args.part {
        Some(part) => whole_channels(part, &source)?,
        None => source.domain().clone(),
    };
    let mapped = AsLayer::new(&source.cut(&part)?, &Axes::of(&source))?;
    let (target, place) = if args.create {
        let place = args.place(&source, &part, mapped.shape().1 > 1)?;
        let spec = args.spec(&source, &mapped, place.clone());
        (session.with(args.write.options()).create(new_layer(&args.target)?, &spec)?, place)
    } else {
        let target = session.with(args.write.options()).scale(args.to_scale.clone()).open(&args.target)?;
        let place = args.place(&source, &part, Axes::of(&target).position('c').is_some())?;
        (target, place)
    };
    expect_apart(&source, &part, &target, &place)?;
    if !target.domain().contains(&place) {
        let reason = format!("box {place} reaches outside the domain {}", target.domain());
        let kind = bigarrays::ErrorKind::OutOfBounds;
        return Err(Error::new(kind, reason).during("copying into").at(target.url()).into());
    }
    let job = format!("copying {} to {}", args.source, args.target);
    job::copy(job, &mapped.view, &mapped.place_in(&target.cut(&place)?)?, &args.job, session.terminal)
}

impl CopyArgs {
    /// The box of the target that `part` of `source` goes to, with `channels` or without.
    fn place(&self, source: &Array, part: &Domain, channels: bool) -> Result<Domain> {
        let axes = Axes::of(source);
        let own = |letter| axes.position(letter).map(|axis| part.range(axis));
        let mut place = Vec::new();
        for (at, letter) in ['x', 'y', 'z'].into_iter().enumerate() {
            let own = own(letter).unwrap_or(0..1);
            let start = self.to.map_or(own.start, |to| to[at]);
            let end = start.checked_add_unsigned(own.start.abs_diff(own.end));
            place.push(start..end.ok_or_else(|| Error::invalid("--to leaves the range of coordinates"))?);
        }
        let channel = own('c').filter(|_| channels);
        // A new layer has the channels of the box and no others.
        place.extend(channel.map(|own| if self.create { 0..own.end - own.start } else { own }));
        Domain::from_ranges(&place)
    }

    /// A layer over `domain` that is like `source`, but for what the options say.
    fn spec(&self, source: &Array, mapped: &AsLayer, domain: Domain) -> CreateSpec {
        let own = source.scales().get(source.scale());
        let axes = Axes::of(source);
        // Other formats order the axes in other ways.
        let at = |letter| axes.position(letter);
        let chunk = source.chunk_shape();
        let is_encoding = |name: &String| bigarrays::codec::BUILTIN.iter().any(|codec| codec.name == name);
        let mut spec = self.layer.spec(source.dtype(), domain);
        spec.encoding = spec.encoding.or_else(|| own.map(|scale| scale.encoding.clone()).filter(is_encoding));
        let chunk_of = |letter| at(letter).map_or(1, |axis| chunk[axis]);
        spec.chunk = spec.chunk.or_else(|| own.map(|_| ['x', 'y', 'z'].map(chunk_of).to_vec()));
        spec.labels = spec.labels.or_else(|| own.map(|scale| scale.labels));
        let sizes = own.map(|scale| &scale.resolution).filter(|resolution| resolution.unit == "nm");
        let size_of = |letter, sizes: &[f64]| at(letter).map_or(1.0, |axis| sizes[axis]);
        spec.resolution = spec
            .resolution
            .or_else(|| {
                sizes.map(|sizes| ['x', 'y', 'z'].map(|letter| size_of(letter, &sizes.size)).to_vec())
            })
            .or_else(|| mapped.nanometres().map(Vec::from));
        spec
    }
}

/// An error if the two boxes are parts of the same array that meet: blocks would be read that have
/// been written already.
fn expect_apart(source: &Array, part: &Domain, target: &Array, place: &Domain) -> Result<()> {
    let is_same = source.store().location("") == target.store().location("");
    if !is_same || part.ndim() != place.ndim() || part.intersect(place).is_empty() {
        return Ok(());
    }
    let reason = format!("boxes {part} and {place} are of one array and overlap; copy through another array");
    Err(Error::invalid(reason).during("copying into").at(target.url()))
}
