//! The engine: work over arrays, block by block, within a memory budget.
//!
//! A job is planned first, without I/O, as independent blocks aligned to the chunks that it writes;
//! then the one block runner works them off.

mod apart;
mod blank;
mod blockwise;
mod components;
mod copy;
mod cut;
mod front;
mod gather;
mod geometry;
mod labels;
mod normalize;
mod picture;
mod plan;
mod pyramid;
mod restack;
mod roi;
mod runs;
mod sharing;
mod sparse;
mod twins;
mod verify;

pub use crate::compute::{Cast, Done, Journal, Number, OutOfRange, Rounding};
pub use apart::boxes_apart;
pub use blank::{BlankOptions, Blanked, blank};
pub use components::{Components, ComponentsOptions, components};
pub use copy::{Copied, CopyOptions, PlannedCopy, copy, plan_copy};
pub use labels::{
    Contacts, LabelOptions, LabelStatistics, Numbering, contacts, label_table, relabel, renumber,
};
pub use normalize::{NormalizeOptions, normalize};
pub use picture::{
    Color, ColorMap, Contrast, Picture, PictureOptions, Pixels, Planes, Projection, picture, picture_of,
    preview,
};
pub use plan::CopyPlan;
pub use pyramid::{
    Downsampling, KeptLevel, KeptLevels, MadeLevel, Pyramid, PyramidOptions, StorageOf, Units, Work, coarsen,
    pyramid,
};
pub use restack::{RestackOptions, restack};
pub use roi::{RoiOptions, roi};
pub use sharing::{ShareOut, Sharing};
pub use verify::{
    Against, ArrayReport, Comparison, Difference, Findings, Problem, ProblemKind, Report, Share, Stray,
    VerifyOptions, compare, verify, verify_at,
};
