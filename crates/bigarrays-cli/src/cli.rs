//! The command line: global options and the list of commands.

use std::num::NonZeroUsize;

use clap::{ArgAction, Parser, Subcommand};

use crate::args::StoreArgs;
use crate::args::heading::GLOBAL;
use crate::commands::{
    attributes, blank, cache, completions, components, compute, contacts, convert, copy, create,
    create_group, downsample, du, export, import, info, jobs, labels, ls, names, normalize, remap, renumber,
    resize, restack, rm, roi, run_plan, sample, slice, verify, view,
};
use crate::output::{Terminal, exit_codes};
use crate::processes::Share;

/// Store, cut out and convert N-d arrays larger than memory.
///
/// Arrays are named by paths or URLs. Boxes are absolute voxel coordinates, half-open, x first:
/// x0:x1,y0:y1,z0:z1. They may be negative: -1 is a coordinate, not the last voxel.
#[derive(Debug, Parser)]
#[command(name = "bigarrays", version, after_help = exit_codes::help())]
pub(crate) struct Cli {
    /// Threads that read, decode, encode and write [default: one per core]
    #[arg(long, global = true, value_name = "N", help_heading = GLOBAL)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Say nothing but errors, and show no progress
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    quiet: bool,

    /// Say more about what is done
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    verbose: u8,

    /// Do this share of the work alone, as a process of --processes does
    #[arg(long, hide = true, value_name = "SHARE")]
    pub(crate) share: Option<Share>,

    #[command(flatten)]
    pub(crate) store: StoreArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Info(info::InfoArgs),
    Ls(ls::LsArgs),
    Du(du::DuArgs),
    Create(create::CreateArgs),
    CreateGroup(create_group::CreateGroupArgs),
    Attributes(attributes::AttributesArgs),
    Resize(resize::ResizeArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    Sample(sample::SampleArgs),
    Slice(slice::SliceArgs),
    Copy(copy::CopyArgs),
    Downsample(downsample::DownsampleArgs),
    Components(components::ComponentsArgs),
    Labels(labels::LabelsArgs),
    Contacts(contacts::ContactsArgs),
    Remap(remap::RemapArgs),
    Renumber(renumber::RenumberArgs),
    Compute(compute::ComputeArgs),
    Normalize(normalize::NormalizeArgs),
    Roi(roi::RoiArgs),
    Restack(restack::RestackArgs),
    Blank(blank::BlankArgs),
    Run(run_plan::RunArgs),
    Jobs(jobs::JobsArgs),
    Verify(verify::VerifyArgs),
    View(view::ViewArgs),
    Names(names::NamesArgs),
    Convert(convert::ConvertArgs),
    Rm(rm::RmArgs),
    Cache(cache::CacheCommand),
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Where messages of this call go.
    pub(crate) fn terminal(&self) -> Terminal {
        // Of several processes, the one that has begun them says how far they are.
        Terminal::new(self.quiet || self.share.is_some(), self.verbose > 0 && self.share.is_none())
    }
}
