//! Tasks of a pass: what they do, and which of them are done here.

use std::ops::Range;

use roaring::RoaringTreemap;

use crate::compute::boxes::Groups;

/// What tasks of a pass do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Each makes a block of results.
    Make,
    /// Each folds some of the elements that become a box of results, for other tasks to merge.
    Fold,
    /// Each puts what some tasks have folded of a box of results into one file, so that who merges has fewer to open.
    Gather,
    /// Each merges what others have folded of a box of results.
    Merge,
}

impl Work {
    /// Whether it makes results.
    pub(crate) fn makes(self) -> bool {
        matches!(self, Self::Make | Self::Merge)
    }

    /// Its name in plans.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Fold => "fold",
            Self::Gather => "gather",
            Self::Merge => "merge",
        }
    }
}

/// Some of the tasks of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) work: Work,
    pub(crate) tasks: Range<u64>,
}

/// Numbers of tasks.
pub(super) enum Numbers {
    All(Range<u64>),
    /// Where others have nothing to do.
    Some(RoaringTreemap),
}

impl Numbers {
    /// The numbers of `some`, if only they have anything to do, and otherwise all, that are within `range`.
    pub(super) fn within(range: Range<u64>, some: Option<RoaringTreemap>) -> Self {
        let Some(mut some) = some else { return Self::All(range) };
        some.remove_range(..range.start);
        some.remove_range(range.end..);
        Self::Some(some)
    }

    /// The boxes that have so many tasks each, of these tasks.
    pub(super) fn boxes(&self, of_box: u64) -> Self {
        match self {
            Self::All(range) => Self::All(range.start / of_box..range.end.div_ceil(of_box)),
            Self::Some(some) => Self::Some(some.iter().map(|task| task / of_box).collect()),
        }
    }

    /// The groups of these tasks.
    pub(super) fn groups(&self, groups: Groups) -> Self {
        match self {
            Self::All(range) if range.is_empty() => Self::All(0..0),
            Self::All(range) => Self::All(groups.of_task(range.start)..groups.of_task(range.end - 1) + 1),
            Self::Some(some) => Self::Some(some.iter().map(|task| groups.of_task(task)).collect()),
        }
    }

    /// Whether a number is among them.
    pub(super) fn has(&self, number: u64) -> bool {
        match self {
            Self::All(range) => range.contains(&number),
            Self::Some(some) => some.contains(number),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(range) => range.end.saturating_sub(range.start) as usize,
            Self::Some(some) => some.len() as usize,
        }
    }

    /// The number that stands at a place.
    pub(super) fn get(&self, at: usize) -> u64 {
        match self {
            Self::All(range) => range.start + at as u64,
            Self::Some(some) => some.select(at as u64).unwrap_or(0),
        }
    }
}
