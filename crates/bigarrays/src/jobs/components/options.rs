//! What components are made of, and what was found.

use crate::base::domain::Domain;
use crate::compute::{Journal, Number};
use crate::jobs::sharing::Sharing;
use crate::run::runner::Progress;

/// What components are made of, and what finding them may use.
#[derive(Clone, Copy, Default)]
pub struct ComponentsOptions<'a> {
    /// How many neighbours an element has: 6 (faces), 18 (and edges) or 26 (and corners) in three axes of space, 4 or 8 in two, and
    /// so on; those that share faces if `None`. Elements along axes of time and channels are no neighbours.
    pub connectivity: Option<u64>,
    /// The value of elements that are part of no component; 0 if `None`.
    pub background: Option<Number>,
    /// Whether neighbours that differ belong together, unless one is background.
    pub binary: bool,
    /// Elements above this, as a number of their type, belong together, and all others are background.
    pub above: Option<Number>,
    /// Whether the voxels of each component are counted, and the box around them is found.
    pub statistics: bool,
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use, of which the limits of control groups
    /// and of Slurm count.
    pub memory: u64,
    /// Plans alone: what would be refused before anything is read is, and nothing is read or written.
    pub dry_run: bool,
    /// Where what is done is noted, and looked up what an earlier run has noted.
    pub journal: Option<&'a Journal>,
    /// What of the work this process does, where several share it; all of it without. With it, there is no journal.
    pub sharing: Option<&'a Sharing>,
    /// Is told after every block of each of the two passes, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// How many components there are: they have the numbers 1, 2, 3 and so on.
    pub count: u64,
    /// How many voxels each has, in the order of their numbers, if that was asked for.
    pub voxels: Option<Vec<u64>>,
    /// The box around each, in coordinates of the source, if that was asked for.
    pub boxes: Option<Vec<Domain>>,
    /// Bytes that blocks held at once, at most.
    pub peak_memory: u64,
    /// Blocks that an earlier run had done, and that were found as it had left them.
    pub found: u64,
}
