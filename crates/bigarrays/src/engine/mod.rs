//! The engine: work over arrays, block by block, within a memory budget.
//!
//! A job is planned first, without I/O, as independent blocks aligned to the chunks that it writes;
//! then the one block runner works them off.

mod copy;
mod plan;
mod run;
mod verify;

pub use copy::{CopyOptions, copy, plan_copy};
pub use plan::CopyPlan;
pub use run::{Cancel, Progress};
pub use verify::{
    Against, ArrayReport, Comparison, Difference, Findings, Number, Problem, ProblemKind, Report, Stray,
    VerifyOptions, compare, verify, verify_at,
};
