//! Elements of the labels that were met, as elements of all groups.

use crate::base::domain::Domain;
use crate::base::error::Result;

/// How elements of labels, those of a label side by side, become elements of all groups.
pub(super) struct Spread<'a> {
    pub(super) kept: &'a Domain,
    /// The axis of `kept` before which the axes of groups stand.
    pub(super) at: usize,
    pub(super) count: u64,
    pub(super) item: usize,
}

impl Spread<'_> {
    /// The elements of all groups, in C order; those that were not met have what `empty` gives. `order` has the slots of labels as
    /// they ascend.
    ///
    /// # Errors
    /// Those of `empty`.
    pub(super) fn all(
        &self,
        labels: &[i64],
        order: &[usize],
        elements: &[u8],
        empty: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let (before, behind) = self.kept.shape().split_at(self.at);
        let (before, behind) = (before.iter().product::<u64>(), behind.iter().product::<u64>());
        let (bytes, of_one) = (behind as usize * self.item, (before * behind) as usize * self.item);
        let count = self.count as usize;
        let mut all = if order.len() < count {
            empty()?.repeat(count * (before * behind) as usize)
        } else {
            vec![0; count * of_one]
        };
        for &slot in order {
            for outer in 0..before as usize {
                let to = (outer * count + labels[slot] as usize) * bytes;
                let from = slot * of_one + outer * bytes;
                all[to..to + bytes].copy_from_slice(&elements[from..from + bytes]);
            }
        }
        Ok(all)
    }
}
