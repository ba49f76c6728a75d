//! How arrays are verified and compared.

use crate::base::domain::Domain;
use crate::run::runner::Progress;

/// What verifying may use, what it looks at and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct VerifyOptions<'a> {
    /// Memory budget in bytes; if zero, as for [`CopyOptions::memory`](crate::CopyOptions).
    pub memory: u64,
    /// Only the chunks that this box touches, in the coordinates of the array.
    pub part: Option<&'a Domain>,
    /// Whether a chunk that is not stored is a problem.
    pub missing: bool,
    /// Is told now and then, from any thread, how far the array or scale is that is being looked at. The
    /// total is that of what was found so far.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}
