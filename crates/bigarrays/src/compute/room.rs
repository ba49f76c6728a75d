//! Blocks for which a memory budget has room, of computations and of copies. Pure.

use crate::compute::search::{Found, Search};

/// The memory for blocks, and how many of them are to be under way.
pub(crate) struct Room {
    /// Bytes for all blocks under way.
    pub(crate) bytes: u64,
    /// Bytes that each holds beside its own: chunks that wait to be decoded.
    pub(crate) beside: u64,
    /// The most bytes of a block, if the smallest holds no more.
    pub(crate) largest: u64,
    /// Blocks for which there is to be room at once, if the smallest are small enough.
    pub(crate) wanted: u64,
    /// The most blocks that are under way at once.
    pub(crate) most: u64,
}

impl Room {
    /// The blocks that cost the least of those that there is room for, cut finer than the grid only if there are no others, and
    /// how many are under way. Where blocks are cut may be given.
    ///
    /// # Errors
    /// The bytes that the smallest block holds, or one of those that are given, if there is no room for it.
    pub(crate) fn blocks(
        &self,
        search: &Search<'_>,
        given: Option<&[(i64, u64)]>,
    ) -> Result<(Found, u64), u64> {
        let found = match given.and_then(|cuts| search.given(cuts)) {
            Some(found) if found.held > self.bytes => return Err(found.held),
            Some(found) => found,
            None => self.found(search).ok_or_else(|| search.least())?,
        };
        let each = found.held.saturating_add(self.beside).max(1);
        let under_way = (self.bytes / each).clamp(1, self.most.max(self.wanted));
        Ok((found, under_way))
    }

    fn found(&self, search: &Search<'_>) -> Option<Found> {
        let largest = self.largest.max(search.least());
        let ways = [(self.wanted.max(1), false), (1, false), (self.wanted.max(1), true), (1, true)];
        ways.into_iter()
            .find_map(|(at_once, is_fine)| search.within(largest.min(self.bytes / at_once), is_fine))
    }
}
