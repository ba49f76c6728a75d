//! `copy`: copies a box of one array into another, of whatever formats, one scale or all of them.

use std::path::{Path, PathBuf};

use bigarrays::format::{self, ScaleSelector};
use bigarrays::jobs::{Cast, CopyOptions, Journal, Overflow, Rounding, plan_copy};
use bigarrays::{Array, CreateSpec, DataType, Domain, Error, ErrorKind, Result};
use clap::{Args, ValueEnum};
use indicatif::BinaryBytes;

use crate::axes::{self, Axes, Mapped};
use crate::export::whole_channels;
use crate::job::{self, JobArgs};
use crate::layer::{LayerArgs, WriteArgs, new_layer, rehearsed};
use crate::mapping::{New, NewArgs, move_to};
use crate::resume;
use crate::session::{CacheArgs, Session};
use crate::terminal::results;
use crate::values::{self, List};

/// Copy a box of one array into another, of whatever formats
///
/// Axes are matched by their names: a .npy file's z,y,x go to a layer's x,y,z. A box that reaches outside
/// SRC gives zeros there. Where chunks of both are cut and encoded alike, they move as they are stored: jpeg
/// is not encoded again, and nobody looks whether they are whole, unless --check is given. A copy that was
/// stopped or killed is taken up by the same command, which skips what is done and is still as it was left, of
/// chunks of SRC that have not changed since (what others change in a .npy file through a mapping may not be
/// seen).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopyArgs {
    /// Path or URL of the array to copy from
    #[arg(value_name = "SRC")]
    source: String,

    /// Path or URL of the array to copy into
    #[arg(value_name = "DST")]
    target: String,

    #[command(flatten)]
    what: What,

    #[command(flatten)]
    cache: CacheArgs,

    /// Say what would be done: chunks, bytes, requests and memory. Nothing is made or written
    #[arg(long)]
    dry_run: bool,

    /// Do not take up what an earlier run of the same command left: forget it, and leave nothing for a later one
    #[arg(long)]
    no_resume: bool,

    /// Decode chunks that move as they are stored, too, and refuse damaged ones
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    job: JobArgs,
}

/// What is copied, and to what: all that the outcome depends on.
#[derive(Clone, Debug, Args)]
struct What {
    /// The box of SRC in voxels, in the order of its axes, half-open; bounds may be negative; those of the
    /// first of several scales [default: all]
    #[arg(long = "box", value_name = "X0:X1,Y0:Y1,Z0:Z1", allow_hyphen_values = true)]
    part: Option<Domain>,

    /// The coordinates in DST of the first voxel of the box, along its axes [default: those in SRC, or zero
    /// for a new array whose format has no others]
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true, conflicts_with = "all_scales")]
    to: Option<List<i64>>,

    /// A scale of SRC: its position from 0, its key, or its resolution as x,y,z; may be given several times
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: Vec<ScaleSelector>,

    /// Copy all scales of SRC
    #[arg(long, conflicts_with = "scale")]
    all_scales: bool,

    /// The scale of DST; of several, those of the same resolution are taken [default: 0]
    #[arg(long, value_name = "SCALE", value_parser = values::scale, conflicts_with = "all_scales")]
    to_scale: Option<ScaleSelector>,

    /// Make DST, of just the box, with the type, chunks, encoding and resolution of SRC unless options below
    /// say otherwise
    #[arg(long, conflicts_with = "to_scale")]
    create: bool,

    #[command(flatten)]
    new: NewArgs,

    /// Names of the axes of SRC in its own order, where it does not say them itself, as zyx
    #[arg(long, value_name = "NAMES", value_parser = axes::parse)]
    axes: Option<Axes>,

    /// Type of the elements of DST, if it is another than that of SRC
    #[arg(long, value_name = "TYPE")]
    dtype: Option<DataType>,

    /// How elements with a fraction become whole numbers
    #[arg(long, value_enum, default_value = "nearest", value_name = "HOW")]
    round: RoundingArg,

    /// What becomes of elements that the type of DST does not reach
    #[arg(long, value_enum, default_value = "refuse", value_name = "HOW")]
    out_of_range: OverflowArg,

    #[command(flatten)]
    layer: LayerArgs,

    #[command(flatten)]
    write: WriteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoundingArg {
    /// To the nearest; of two, to the even one
    Nearest,
    Floor,
    Ceil,
    /// Towards zero
    Zero,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OverflowArg {
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
  bigarrays copy em em-jpeg --create --encoding jpeg --level 85 --chunk 128,128,16
  bigarrays copy probabilities.zarr mask --create --axes zyx --dtype uint8 --out-of-range clip
  bigarrays copy em s3://bucket/em --create --sharded --dry-run
  bigarrays copy patch em --to 512,512,-20";

pub(crate) fn run(args: &CopyArgs, session: &Session) -> anyhow::Result<()> {
    args.what.check()?;
    let copier = Copier { args, session };
    let scales = copier.scales()?;
    if args.dry_run {
        return scales.iter().try_for_each(|(selector, part)| copier.rehearse(selector, part.as_ref()));
    }
    let mut journal = copier.journal()?;
    if args.no_resume
        && let Some(journal) = journal.take()
    {
        journal.remove()?;
    }
    if let Some(journal) = &mut journal {
        resume::look_up(journal, &args.target, &session.format())?;
    }
    for (at, (selector, part)) in scales.iter().enumerate() {
        copier.copy(at, selector, part.as_ref(), scales.len() > 1, journal.as_ref())?;
    }
    journal.map_or(Ok(()), Journal::remove)?;
    Ok(())
}

impl What {
    /// Whether several scales may be copied.
    fn is_many(&self) -> bool {
        self.all_scales || self.scale.len() > 1
    }

    /// An error if options do not go together.
    fn check(&self) -> Result<()> {
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
}

/// One call of the command.
struct Copier<'a> {
    args: &'a CopyArgs,
    session: &'a Session,
}

impl Copier<'_> {
    fn source(&self, scale: &ScaleSelector) -> Result<Array> {
        let options = self.session.open().cache(self.args.cache.options()?);
        options.scale(scale.clone()).read_only(true).open(&self.args.source)
    }

    /// The scales to be copied and the box of each, if one is asked for.
    fn scales(&self) -> Result<Vec<(ScaleSelector, Option<Domain>)>> {
        let what = &self.args.what;
        let selectors = match what.all_scales {
            true => {
                (0..self.source(&ScaleSelector::default())?.scales().len().max(1)).map(Into::into).collect()
            }
            false => what.scale.clone(),
        };
        let Some(part) = &what.part else {
            return Ok(selectors.into_iter().map(|selector| (selector, None)).collect());
        };
        let first = self.source(&selectors[0])?;
        let part = whole_channels(part, &first)?;
        let scaled = |selector: ScaleSelector| {
            let part = coarser(&part, &first, &self.source(&selector)?)?;
            Ok((selector, Some(part)))
        };
        selectors.into_iter().map(scaled).collect()
    }

    /// The source's box with the axes of the target, and what the target would be if it is to be made.
    fn planned(&self, selector: &ScaleSelector, part: Option<&Domain>) -> Result<New> {
        let what = &self.args.what;
        let source = self.source(selector)?;
        let axes = what.axes.clone().unwrap_or_else(|| Axes::of(&source));
        let part = part.cloned().unwrap_or_else(|| source.domain().clone());
        let mut like = self.session.open().scale(selector.clone()).like(&self.args.source)?;
        if let Some(dtype) = what.dtype.filter(|dtype| *dtype != like.dtype) {
            // The others are of the type.
            like = CreateSpec { fill: None, codecs: None, dtype, ..like };
        }
        // Whoever says that there is to be none is not to get that of the source.
        like.compression = like.compression.filter(|_| what.write.compression.is_none());
        let to = what.to.as_ref().map(|to| to.0.as_slice());
        let is_between = like.axes.iter().flatten().any(|axis| axis.offset != 0.0);
        let new = what.new.plan(&source.cut(&part)?, &axes, like, &what.layer, to)?;
        if is_between && new.spec.axes.is_none() {
            self.session.terminal.note(format_args!(
                "voxels of SRC are at fractions of their size, which {} does not say: they move to whole ones",
                new.format
            ));
        }
        let is_raw =
            new.spec.codecs.is_none() && new.spec.encoding.as_deref().is_none_or(|name| name == "raw");
        let names: Vec<&str> = source.layout().codecs.names().collect();
        if is_raw && names != ["raw"] && !what.layer.says_encoding() {
            let (names, format) = (names.join(" + "), new.format);
            self.session.terminal.note(format_args!(
                "elements are stored raw in {format}, not as {names}; --encoding says otherwise"
            ));
        }
        Ok(new)
    }

    /// What goes where in a target that exists.
    fn existing(
        &self,
        selector: &ScaleSelector,
        part: Option<&Domain>,
        many: bool,
    ) -> Result<(Array, Array)> {
        let what = &self.args.what;
        let source = self.source(selector)?;
        let part = part.cloned().unwrap_or_else(|| source.domain().clone());
        let axes = what.axes.clone().unwrap_or_else(|| Axes::of(&source));
        let cut = source.cut(&part)?;
        let options = self.session.with(what.write.options());
        let mut target =
            options.clone().scale(what.to_scale.clone().unwrap_or_default()).open(&self.args.target)?;
        let mapped = Mapped::to_those_of(&target, &cut, &axes)?;
        if many {
            let sizes = mapped.nanometres().ok_or_else(|| Error::invalid("scales of unknown resolution"))?;
            let sizes = mapped.along(&sizes, &Axes::of(&target), &1.0);
            target = options.scale(sizes).open(&self.args.target)?;
        }
        let own = Axes::of(&target);
        let mut origin = mapped.along(mapped.view.domain().origin(), &own, &0);
        if let Some(to) = &what.to {
            move_to(&mut origin, &to.0, &own)?;
        }
        let said = what.to.as_ref().map_or(0, |to| to.0.len());
        let is_open = |at: &usize| mapped.axes.position(&own.0[*at]).is_none() && target.shape()[*at] > 1;
        if let Some(at) = (said..own.0.len()).find(is_open) {
            let (name, length) = (&own.0[at], target.shape()[at]);
            let reason =
                format!("SRC has no axis {name}, of which DST has {length} elements: say with --to where");
            return Err(Error::invalid(reason).during("copying into").at(target.url()));
        }
        let place = Domain::new(&origin, &mapped.along(mapped.view.shape(), &own, &1))?;
        let (from, to) = (source.dtype(), target.dtype());
        if what.dtype.unwrap_or(from) != to {
            let reason = format!("elements are of {to}, those of SRC of {from}; --dtype {to} casts them");
            return Err(Error::invalid(reason).during("copying into").at(target.url()));
        }
        if !target.domain().contains(&place) {
            let reason = format!("box {place} reaches outside the domain {}", target.domain());
            return Err(Error::new(ErrorKind::OutOfBounds, reason).during("copying into").at(target.url()));
        }
        let view = mapped.place_in(&target.cut(&place)?)?;
        Ok((mapped.view, view))
    }

    /// Copies one scale.
    fn copy(
        &self,
        at: usize,
        selector: &ScaleSelector,
        part: Option<&Domain>,
        many: bool,
        journal: Option<&Journal>,
    ) -> anyhow::Result<()> {
        let (args, url) = (self.args, &self.args.target);
        let (source, target) = if args.what.create {
            let mut new = self.planned(selector, part)?;
            if many && at == 0 {
                let first = format::creator(new.format)?.first_key().map(str::to_owned);
                new.spec.key = new.spec.key.or(first);
            }
            for note in new.lost.iter().filter(|_| at == 0) {
                self.session.terminal.note(format_args!("{note}"));
            }
            let options = self.session.with(args.what.write.options());
            let target = resume::make(at, &new, url, options, &self.session.format(), journal)?;
            let target = new.mapped.place_in(&target)?;
            (new.mapped.view, target)
        } else {
            self.existing(selector, part, many)?
        };
        let options = CopyOptions { journal, ..self.options(&source, &target) };
        let scale = if many { format!(", scale {at}") } else { String::new() };
        let job = format!("copying {} to {url}{scale}", args.source);
        job::copy_with(&job, &source, &target, options, self.session.terminal)
    }

    fn options(&self, source: &Array, target: &Array) -> CopyOptions<'static> {
        let what = &self.args.what;
        let rounding = match what.round {
            RoundingArg::Nearest => Rounding::Nearest,
            RoundingArg::Floor => Rounding::Floor,
            RoundingArg::Ceil => Rounding::Ceil,
            RoundingArg::Zero => Rounding::Zero,
        };
        let overflow = match what.out_of_range {
            OverflowArg::Refuse => Overflow::Refuse,
            OverflowArg::Clip => Overflow::Clip,
            OverflowArg::Wrap => Overflow::Wrap,
        };
        let is_meant = what.dtype == Some(target.dtype()) && source.dtype() != target.dtype();
        CopyOptions {
            cast: is_meant.then_some(Cast { rounding, overflow }),
            check: self.args.check,
            ..self.args.job.options()
        }
    }

    /// Says what copying one scale would take.
    fn rehearse(&self, selector: &ScaleSelector, part: Option<&Domain>) -> anyhow::Result<()> {
        let (source, target) = if self.args.what.create {
            let url = &self.args.target;
            if self.journal()?.is_none_or(|journal| journal.steps().count() == 0)
                && format::identity(url, &self.session.format())?.is_some()
            {
                let reason = "there is something here, and --create makes DST anew";
                return Err(Error::new(ErrorKind::AlreadyExists, reason)
                    .during("copying into")
                    .at(url)
                    .into());
            }
            let new = self.planned(selector, part)?;
            let target = rehearsed(new_layer(&self.args.target)?, &new.spec, new.format)?;
            let target = new.mapped.place_in(&target)?;
            (new.mapped.view, target)
        } else {
            self.existing(selector, part, self.args.what.is_many())?
        };
        let plan = plan_copy(&source, &target, &self.options(&source, &target))?;
        let elements = target.domain().checked_len()?;
        use std::io::Write;
        writeln!(
            results(),
            "would copy box {} of {} to box {} of {}: {} read, {} written (decoded); {}",
            source.domain(),
            self.args.source,
            target.domain(),
            self.args.target,
            BinaryBytes(elements.saturating_mul(source.dtype().size() as u64)),
            BinaryBytes(elements.saturating_mul(target.dtype().size() as u64)),
            job::describe(&plan)
        )?;
        Ok(())
    }

    /// The journal of this call, in the user's own folder; none where there is no such place.
    fn journal(&self) -> Result<Option<Journal>> {
        let place = |url: &str| match url.contains("://") {
            true => PathBuf::from(url),
            false => std::path::absolute(url).unwrap_or_else(|_| Path::new(url).into()),
        };
        // The same bucket may be at another place.
        let settings = self.session.store().settings.without_secrets();
        let endpoints: Vec<_> = std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|name| name.contains("ENDPOINT")))
            .collect();
        let what = format!(
            "{:?} {:?} {:?} {settings:?} {endpoints:?}",
            place(&self.args.source),
            place(&self.args.target),
            self.args.what
        );
        match Journal::default_path(&what) {
            Some(path) => Journal::open(path).map(Some),
            None => {
                self.session.terminal.detail("no place for a journal (HOME): the copy cannot be resumed");
                Ok(None)
            }
        }
    }
}

/// The box of `array` that covers what `part` covers of `fine`; where that is inside, it is here.
fn coarser(part: &Domain, fine: &Array, array: &Array) -> Result<Domain> {
    let factor = |axis: usize| match (fine.resolution(), array.resolution()) {
        (Some(fine), Some(own)) => fine.size[axis] / own.size[axis],
        _ => 1.0,
    };
    let scaled = |(axis, range): (usize, std::ops::Range<i64>)| match factor(axis) {
        1.0 => range,
        factor => {
            // Sizes are decimal fractions: 0.1 / 0.3 is meant to be a third.
            let at = |place: i64, end: f64| place as f64 * factor + end * 1e-6;
            (at(range.start, 1.0).floor() as i64)..(at(range.end, -1.0).ceil() as i64)
        }
    };
    let covering = Domain::from_ranges(&part.ranges().enumerate().map(scaled).collect::<Vec<_>>())?;
    Ok(if fine.domain().contains(part) { covering.intersect(array.domain()) } else { covering })
}
