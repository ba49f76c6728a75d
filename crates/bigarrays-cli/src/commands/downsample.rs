//! `downsample`: makes coarser scales of a layer.

use bigarrays::compute::Number;
use bigarrays::format::{NewSharding, ScaleSelector, StorageSpec};
use bigarrays::jobs::{Downsampling, Journal, PyramidOptions, Work, pyramid};
use bigarrays::store::absolute;
use bigarrays::{Array, Domain, OpenOptions};
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::values::{self, List};
use crate::args::{JobArgs, Mips, MipsArgs};
use crate::interrupt;
use crate::once::Once;
use crate::output::Meter;
use crate::session::{Session, end};

/// Make coarser scales of a layer, each exact from the finest, in one pass over it
///
/// Whole numbers are rounded half to even. Elements that are no numbers do not count. Where nothing is stored, nothing is
/// done. Scales are listed once all of their chunks are there: others never see half of one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays downsample em
  bigarrays downsample s3://bucket/labels --method mode --ignore 0 --levels 4 --memory 1G --resume
  bigarrays downsample em --factors 2,2,1 --factors 2,2,2 --levels 5
  bigarrays downsample em --box 100:300,0:200,40:80")]
pub(crate) struct DownsampleArgs {
    /// Path or URL of a layer of scales: precomputed, OME-Zarr or N5
    url: String,

    /// How many scales [default: until one has one or two chunks]
    #[arg(long, value_name = "N")]
    levels: Option<usize>,

    /// How elements become one: mean, mode, median, min, max or stride [default: mode for labels, mean for all else]
    #[arg(long, value_name = "NAME")]
    method: Option<String>,

    /// How many elements along each axis, or each axis of space, become one. Once for all scales, or again for each; the
    /// last is repeated [default: 2 along axes whose elements are about as long as the shortest]
    #[arg(long, value_name = "N,N,…")]
    factors: Vec<List<u64>>,

    /// A value that counts only where there is no other, such as 0 for sparse labels
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = values::number)]
    ignore: Option<Number>,

    /// Begin with this scale; finer ones are not touched [default: the finest]
    #[arg(long, value_name = "SCALE", value_parser = values::scale)]
    from: Option<ScaleSelector>,

    /// Make this box anew in scales that are there, as after an edit. In coordinates of the scale to begin with
    #[arg(long = "box", value_name = "BOX", allow_hyphen_values = true, conflicts_with_all = ["levels", "factors"])]
    region: Option<Domain>,

    /// Shape of a chunk in elements [default: as in the scale to begin with]
    #[arg(long, help_heading = NEW, value_name = "X,Y,Z", value_parser = values::shape)]
    chunk_shape: Option<values::Shape>,

    /// Encoding of chunks [default: as in the scale to begin with]
    #[arg(long, help_heading = NEW, value_name = "NAME")]
    encoding: Option<String>,

    /// Pack chunks of precomputed into shards, as is good for the shape, or none [default: as in the scale to begin with]
    #[arg(long, help_heading = NEW, value_name = "HOW", num_args = 0..=1, require_equals = true,
        default_missing_value = "auto", value_parser = values::sharding)]
    sharding: Option<NewSharding>,

    /// Note finished parts, and go on where an earlier run of this command ended, or say that it has done all
    #[arg(long, help_heading = RUN)]
    resume: bool,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

pub(crate) fn run(args: &DownsampleArgs, session: &Session) -> anyhow::Result<()> {
    let source = args.from.iter().fold(session.open(), |options, scale| options.scale(scale.clone()));
    let source = OpenOptions::open(&source, &*args.url)?;
    interrupt::watch()?;
    let journal = if args.resume { Some(args.journal(session)?) } else { None };
    let storage = |_: usize, spec: StorageSpec| args.storage(spec);
    let options = PyramidOptions {
        levels: args.levels,
        method: args.method.as_deref().map(Downsampling::named).transpose()?,
        factors: Some(args.factors.iter().map(|List(factors)| factors.clone()).collect())
            .filter(|all: &Vec<_>| !all.is_empty()),
        ignore: args.ignore,
        part: args.region.clone(),
        storage: Some(&storage),
        memory: args.memory.unwrap_or(0),
        journal: journal.as_ref(),
        work: Work::All,
        progress: None,
    };
    made(&args.url, &source, options, session).map_err(|error| args.explained(error, session))?;
    Ok(journal.map_or(Ok(()), |journal| end(journal, session))?)
}

/// Makes the coarser scales of what another command has made, if that was asked for.
pub(crate) fn make_mips(url: &str, mips: &MipsArgs, job: &JobArgs, session: &Session) -> anyhow::Result<()> {
    let Some(Mips(levels)) = mips.mips else { return Ok(()) };
    let source = OpenOptions::open(&session.open(), url)?;
    let memory = job.memory.unwrap_or(0);
    made(url, &source, PyramidOptions { levels, memory, ..PyramidOptions::default() }, session)
}

/// Makes coarser scales, and says which.
fn made(url: &str, source: &Array, options: PyramidOptions<'_>, session: &Session) -> anyhow::Result<()> {
    let meter = Meter::new(format!("downsampling {url}"), 0, session.terminal);
    let tell = |progress| meter.tell(progress);
    let are_wanted = options.levels != Some(0);
    let made = pyramid(source, &PyramidOptions { progress: Some(&tell), ..options });
    meter.clear();
    let made = made?;
    if made.was_there {
        session.terminal.note(
            "an earlier run of this command has made these scales; nothing was written, and whether elements were changed since was not looked up",
        );
    }
    for level in &made.levels {
        let factor: Vec<String> = level.factor.iter().map(ToString::to_string).collect();
        let (key, domain, method) = (&level.key, &level.domain, made.method.name());
        session.terminal.note(format_args!("scale {key}: {domain}, the {method} of {}", factor.join(" × ")));
    }
    if made.levels.is_empty() {
        session.terminal.note(match are_wanted {
            true => "no scale was made: there are so few chunks already",
            false => "no scale was made, as none was asked for",
        });
    }
    if made.passes > 1 {
        session.terminal.note(format_args!(
            "read the scale {} times: its chunks do not lie within those of all coarser scales",
            made.passes
        ));
    }
    Ok(())
}

impl DownsampleArgs {
    /// An error, which says so if an earlier run can be gone on with.
    fn explained(&self, error: anyhow::Error, session: &Session) -> anyhow::Error {
        Once::new(&self.what(), &[], self.resume).explained(error, session)
    }

    /// All that the outcome depends on.
    fn what(&self) -> String {
        let Self { levels, method, factors, ignore, from, region, chunk_shape, encoding, sharding, .. } =
            self;
        let place = absolute(&self.url);
        format!(
            "downsample {place:?} {levels:?} {method:?} {factors:?} {ignore:?} {from:?} {region:?} {chunk_shape:?} \
             {encoding:?} {sharding:?}"
        )
    }

    fn journal(&self, session: &Session) -> anyhow::Result<Journal> {
        let job = format!("downsample {}", absolute(&self.url).display());
        Ok(session.journal(&self.what(), &job)?)
    }

    fn storage(&self, mut spec: StorageSpec) -> StorageSpec {
        if let Some(shape) = &self.chunk_shape {
            spec.chunk_shape = Some(shape.0.clone());
        }
        if let Some(encoding) = &self.encoding {
            (spec.encoding, spec.level, spec.codecs) = (Some(encoding.clone()), None, None);
        }
        spec.sharding = self.sharding.unwrap_or(spec.sharding);
        spec
    }
}
