//! What jobs on labels may use.

use crate::base::error::{Error, Result};
use crate::compute::{Journal, Number};
use crate::jobs::sharing::Sharing;
use crate::run::runner::Progress;

/// Which elements are no labels, and what jobs on the others may use.
#[derive(Clone, Copy, Default)]
pub struct LabelOptions<'a> {
    /// The value of elements that have no label; 0 if `None`.
    pub background: Option<Number>,
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use, of which the limits of control groups
    /// and of Slurm count.
    pub memory: u64,
    /// Plans alone: what would be refused before anything is read is, and nothing is read or written.
    pub dry_run: bool,
    /// Where what is done is noted, and looked up what an earlier run has noted.
    pub journal: Option<&'a Journal>,
    /// What of the work this process does, where several share it; all of it without. With it, there is no journal.
    pub sharing: Option<&'a Sharing>,
    /// Is told after every block, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// In which order labels get new numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// That of the first voxel of each in coordinate order, the last axis fastest.
    First,
    /// That of the labels.
    Value,
}

impl Numbering {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::First, Self::Value];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Value => "value",
        }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str) -> Result<Self> {
        let none = || Error::invalid(format!("labels are numbered by first or by value, not by {name:?}"));
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or_else(none)
    }
}

impl LabelOptions<'_> {
    /// The background.
    pub(super) fn ground(&self) -> Number {
        self.background.unwrap_or(Number::Whole(0))
    }

    /// Tells how far a pass of several is.
    pub(super) fn tell(&self, (pass, passes): (u64, u64), progress: Progress) {
        if let Some(tell) = self.progress {
            let total = progress.total;
            let done = total.saturating_mul(pass).saturating_add(progress.done);
            tell(Progress { done, total: total.saturating_mul(passes) });
        }
    }
}
