//! How arrays are verified and compared.

use twox_hash::XxHash3_128;

use crate::base::domain::Domain;
use crate::run::runner::Progress;

/// A share of what is verified: some chunks or whole shards, and, in the first one, all that lies beside them. Reports of all shares
/// together are [one report](crate::jobs::Report::of_shares).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The number of the share, from 0 on.
    pub number: u64,
    /// How many there are.
    pub of: u64,
}

impl Share {
    /// Whether a block of chunks belongs to the share.
    pub(super) fn has(self, block: impl Iterator<Item = u64>) -> bool {
        let bytes: Vec<u8> = block.flat_map(u64::to_le_bytes).collect();
        XxHash3_128::oneshot(&bytes) % u128::from(self.of.max(1)) == u128::from(self.number)
    }
}

impl VerifyOptions<'_> {
    /// Whether what lies beside chunks is looked at.
    pub(super) fn is_first(&self) -> bool {
        self.share.is_none_or(|share| share.number == 0)
    }
}

/// What verifying may use, what it looks at and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct VerifyOptions<'a> {
    /// Memory budget in bytes; if zero, as for [`CopyOptions::memory`](crate::CopyOptions).
    pub memory: u64,
    /// Only the chunks that this box touches, in the coordinates of the array.
    pub part: Option<&'a Domain>,
    /// Whether a chunk that is not stored is a problem.
    pub missing: bool,
    /// One share of the work, where several processes share it; all of it without.
    pub share: Option<Share>,
    /// Is told now and then, from any thread, how far the array or scale is that is being looked at. The
    /// total is that of what was found so far.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}
