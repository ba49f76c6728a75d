//! Boxes of the results of a pass that reduces, and the tasks that fold elements for each.

use crate::base::buffer::Order;
use crate::compute::blocks::Blocks;
use crate::compute::plan::{Folding, Pass};

/// The boxes of the results, and of the elements that become each.
#[derive(Clone, Debug)]
pub(super) struct Boxes {
    /// Boxes of the results.
    pub(super) kept: Blocks,
    /// Boxes of segments of the reduced axes behind the first.
    pub(super) behind: Blocks,
    /// Tasks that fold elements of a box.
    pub(super) tasks: u64,
    /// Blocks of elements of a box.
    pub(super) blocks: u64,
}

impl Boxes {
    /// Those of a pass.
    pub(super) fn of(pass: &Pass, folding: &Folding) -> Self {
        let cuts = &pass.blocks.cuts;
        let is_kept = |axis: &usize| !folding.axes.contains(axis);
        let kept = (0..cuts.len()).filter(is_kept).map(|axis| cuts[axis].clone()).collect();
        let behind = Blocks::new(folding.segments[1..].into(), Order::C);
        let runs = folding.segments[0].len().div_ceil(pass.run.max(1)).max(1);
        Self {
            kept: Blocks::new(kept, Order::C),
            tasks: runs.saturating_mul(behind.len().max(1)),
            behind,
            blocks: folding.axes.iter().map(|&axis| cuts[axis].len()).fold(1, u64::saturating_mul),
        }
    }

    /// The run of segments of the first reduced axis, and the box of those behind it, of a task of a box.
    pub(super) fn places(&self, task: u64) -> (u64, u64) {
        (task / self.behind.len().max(1), task % self.behind.len().max(1))
    }
}
