//! The engine: work over arrays, block by block, within a memory budget.
//!
//! A job is planned first, without I/O, as independent blocks aligned to the chunks that it writes;
//! then the one block runner works them off.

mod copy;
mod plan;
mod run;

pub use copy::{CopyOptions, copy, plan_copy};
pub use plan::CopyPlan;
pub use run::{Cancel, Progress};
