//! Why a plan does not fit into its budget: what the pass takes that takes the most.

use std::error::Error as StdError;
use std::fmt;

use crate::base::error::{Error, ErrorKind, Result};

/// How many bytes a pass takes at least, as the cause of its refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed(pub(super) u64);

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are needed at least", self.0)
    }
}

impl StdError for Needed {}

/// What would do where results of earlier passes may be in files.
pub(super) const SCRATCH: &str = ", or name a scratch folder for results of earlier passes";

/// The refusal of the pass that takes the most of those that do not fit.
pub(super) struct Refusal {
    needed: u64,
    error: Error,
}

impl Refusal {
    /// Keeps the error of another pass if it takes more.
    ///
    /// # Errors
    /// The error itself, if it is no refusal.
    pub(super) fn add(most: &mut Option<Self>, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::MemoryBudget {
            return Err(error);
        }
        let needed = needed(&error).unwrap_or(0);
        if most.as_ref().is_none_or(|most| most.needed < needed) {
            *most = Some(Self { needed, error });
        }
        Ok(())
    }

    pub(super) fn into_error(self) -> Error {
        self.error
    }
}

/// How many bytes are needed at least where an error is the refusal of a pass.
fn needed(error: &Error) -> Option<u64> {
    error.source()?.downcast_ref::<Needed>().map(|needed| needed.0)
}

/// Of the refusals of two ways to compute the same, the one of the way that needs less.
pub(super) fn lesser(one: Error, other: Error) -> Error {
    match (needed(&one), needed(&other)) {
        (Some(own), Some(less)) if less < own => other,
        _ => one,
    }
}

/// The same of the direct way, where another one needs files that there may not be.
pub(super) fn without_files(refused: Error) -> Error {
    match needed(&refused) {
        Some(needed) if !refused.reason().ends_with(SCRATCH) => {
            let reason = format!("{}{SCRATCH}", refused.reason());
            Error::new(ErrorKind::MemoryBudget, reason).caused_by(Needed(needed))
        }
        _ => refused,
    }
}
