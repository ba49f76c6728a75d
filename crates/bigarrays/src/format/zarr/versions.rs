//! The versions that there are.

use super::dialect::Version;
use super::v2::Two;
use super::v3::Three;

/// All, the newest first.
pub(super) const ALL: [&dyn Version; 2] = [&Three, &Two];

/// The keys of documents each of which says that there is an array or a group.
pub(super) fn marks() -> impl Iterator<Item = &'static str> {
    let array_or_group = |version: &'static dyn Version| {
        let (array, group) = (version.array_key(), version.group_key());
        std::iter::once(array).chain((group != array).then_some(group))
    };
    ALL.into_iter().flat_map(array_or_group)
}
