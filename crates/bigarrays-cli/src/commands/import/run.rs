//! `import`: makes a layer from files.

use std::path::PathBuf;

use bigarrays::format::{self, FormatOptions};
use bigarrays::jobs::plan_copy;
use bigarrays::{Array, CopyOptions, CreateSpec, Error, ErrorKind, Result};
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::values::List;
use crate::args::{CacheArgs, JobArgs, LayerArgs, MipsArgs, NewArgs, ProcessesArgs, WriteArgs};
use crate::commands::downsample::make_mips;
use crate::commands::import::source::{self, Source, SourceArgs};
use crate::commands::new::{New, new_layer, rehearsed};
use crate::commands::transfer;
use crate::output::lengths;
use crate::processes::Share;
use crate::session::Session;

/// Make a layer from files: .npy, TIFF, PNG or JPEG slices, raw binary
///
/// SOURCE is a .npy file, a TIFF of many pages, a folder, pattern or list of TIFF, PNG or JPEG slices,
/// or a raw binary file described by --shape and --dtype. Data of any size are streamed within the
/// memory budget.
#[derive(Debug, Args)]
#[command(override_usage = "bigarrays import [OPTIONS] SOURCE… URL", after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// The file, folder, pattern or files to import, then the path or URL of the new layer
    #[arg(required = true, num_args = 1.., value_name = "SOURCE… URL")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    new: NewArgs,

    #[command(flatten)]
    layer: LayerArgs,

    /// First coordinate of the new array on each axis; may be negative [default: zeros]
    #[arg(long, help_heading = NEW, value_name = "X,Y,Z", allow_hyphen_values = true)]
    origin: Option<List<i64>>,

    #[command(flatten)]
    write: WriteArgs,

    /// Remove the layer that is at URL, with all its scales, first
    #[arg(long, help_heading = RUN)]
    overwrite: bool,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    processes: ProcessesArgs,

    #[command(flatten)]
    mips: MipsArgs,
}

const EXAMPLES: &str = "Examples:
  bigarrays import volume.tif layer --resolution 8,8,40 --chunk-shape 64,64,16
  bigarrays import 'slices/*.png' layer --encoding jpeg --level 90
  bigarrays import labels.npy layer --dimension-names zyx --encoding compressed_segmentation --origin -100,0,20
  bigarrays import stack.tif volume.zarr --format zarr3 --encoding zstd --chunk-shape 64,256,256
  bigarrays import scan.raw layer --shape 512,1024,1024 --dtype uint16 --endian big --header-bytes 352";

pub(crate) fn run(args: &ImportArgs, session: &Session) -> anyhow::Result<()> {
    let Some((url, sources)) = args.paths.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(Error::invalid("import takes SOURCE… and then URL, the layer to be made").into());
    };
    let place = url.canonicalize().ok();
    let url = url.to_string_lossy();
    let url = new_layer(&url)?;
    if place.is_some() && sources.iter().any(|source| source.canonicalize().ok() == place) {
        return Err(Error::invalid("this is the source itself").during("importing into").at(url).into());
    }
    let source = source::open(sources, &args.source, &session.open().cache(args.cache.options()?))?;
    let mut like = CreateSpec::new(source.array.dtype(), source.array.domain().clone());
    let is_space = |at: usize| source.axes.0.get(at).is_none_or(|name| !matches!(name.as_str(), "c" | "t"));
    like.array = like.array.sized(source.array.resolution().as_ref(), is_space);
    let to = args.origin.as_ref().map(|offset| offset.0.as_slice());
    let mut new = New::plan(
        &args.new,
        args.new.format(&source.array, url)?,
        &source.array,
        &source.axes,
        like,
        &args.layer,
        to,
    )?;
    new.spec.array.incomplete = true;
    if let Some(share) = &session.share {
        return args.import_share(share, url, &new, session);
    }
    session.terminal.note(describe(&source, &new));
    let target = args.create(url, &new, session)?;
    let (job, view) = (format!("importing into {url}"), &new.mapped.view);
    match args.processes.begun_here(session.share.as_ref()) {
        Some(count) => {
            let share = |number, wanted| format!("{number}:{wanted}");
            let options = args.of_each();
            transfer::copy_by(count, &job, (view, &target), &options, session.terminal, &share)?;
        }
        None => transfer::copy(&job, view, &target, &args.job, session.terminal)?,
    }
    target.complete()?;
    make_mips(url, &args.mips, &args.job, session)
}

impl ImportArgs {
    /// Imports a share, into the layer that another process has made.
    fn import_share(&self, share: &Share, url: &str, new: &New, session: &Session) -> anyhow::Result<()> {
        let ([number, wanted], _) = share.read()?;
        self.processes.limit_threads();
        let options = session.with(self.write.options()).format(new.format).incomplete(true);
        let target = new.mapped.place_in(&options.open(url)?)?;
        transfer::copy_share((number, wanted), &new.mapped.view, &target, self.of_each())
    }

    /// What each of several processes may use.
    fn of_each(&self) -> CopyOptions<'static> {
        CopyOptions { memory: self.processes.memory_of_each(self.job.memory), ..self.job.options() }
    }

    /// Makes the layer, and gives the view of it that takes the source. What does not fit into the
    /// budget neither makes nor removes anything.
    fn create(&self, url: &str, new: &New, session: &Session) -> Result<Array> {
        let New { mapped, spec, format, lost } = new;
        lost.iter().for_each(|note| session.terminal.note(format_args!("{note}")));
        let fits = |layer: &Array| {
            let target = mapped.place_in(layer)?;
            plan_copy(&mapped.view, &target, &self.job.options()).map(|_| target)
        };
        if self.overwrite {
            // The rehearsal, in memory: what is here is only removed for what can be made.
            fits(&rehearsed(url, spec, format)?)?;
            match format::remove(url, None, &session.format()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let options = session.with(self.write.options()).format(*format);
        let layer = options.create(url, spec).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let reason = "there is a layer; --overwrite removes it first";
                Error::new(ErrorKind::AlreadyExists, reason).during("creating").at(url)
            }
            _ => error,
        })?;
        fits(&layer).or_else(|error| {
            let made = FormatOptions { format: Some((*format).to_owned()), ..session.format() };
            format::remove(url, None, &made)?;
            Err(error)
        })
    }
}

/// Says what was found and what becomes of it.
fn describe(source: &Source, new: &New) -> String {
    let (Source { array, axes, what }, New { mapped, spec, .. }) = (source, new);
    let is_needed = format::creator(new.format).is_ok_and(|format| format.holds().needs_resolution());
    let resolution = match &spec.array.resolution {
        Some(size) => format!("{} nm", size.iter().map(f64::to_string).collect::<Vec<_>>().join(" × ")),
        None if is_needed => "unknown, taken as 1 nm along each axis (see --resolution)".to_owned(),
        None => "unknown (see --resolution)".to_owned(),
    };
    format!(
        "found {what}: axes {axes}, {} of {}\nmapped to {}: {}, box {}, voxel {resolution}",
        lengths(array.shape()),
        array.dtype(),
        mapped.axes,
        lengths(mapped.view.shape()),
        spec.array.domain,
    )
}
