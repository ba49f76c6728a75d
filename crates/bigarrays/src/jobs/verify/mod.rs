//! Verifying: whether what is stored is whole, and whether two arrays hold the same.
//!
//! Every chunk that is stored is read and decoded, and so are the indexes of shards; what lies beside the
//! chunks is looked at. Nothing is changed. Writers may be at work meanwhile: a chunk that is replaced or
//! removed between two looks is no problem, as every chunk is the old one or the new one.
//!
//! Parts of an upload to a bucket that was never completed are not seen: the service keeps them apart from
//! objects. A rule of the bucket that removes incomplete uploads takes care of them.

mod chunks;
mod compare;
mod comparison;
mod copies;
mod options;
mod place;
mod present;
mod report;
mod shares;

pub use chunks::verify;
pub use compare::compare;
pub use comparison::{Comparison, Difference};
pub use options::{Share, VerifyOptions};
pub use place::{Against, verify_at};
pub use report::{ArrayReport, Findings, Problem, ProblemKind, Report, Stray};
