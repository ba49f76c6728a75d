//! Boxes of the results of a pass that reduces, and the tasks that fold elements for each.

use std::ops::Range;

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

/// What more tasks than this have folded of a box is gathered before it is merged: to open so many files takes seconds.
const MANY: u64 = if cfg!(test) { 4 } else { 1024 };

/// Tasks of a box, so many of which are gathered in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Groups {
    of_box: u64,
    each: u64,
    /// Groups of a box.
    pub(super) count: u64,
}

impl Groups {
    /// As many groups as tasks of a group; `None` for so few tasks that they are merged as they are.
    fn of(of_box: u64) -> Option<Self> {
        let each = of_box.isqrt().max(1);
        (of_box > MANY).then(|| Self { of_box, each, count: of_box.div_ceil(each) })
    }

    /// The box that a group is of, and the tasks of that box that it has.
    pub(super) fn tasks(&self, group: u64) -> (u64, Range<u64>) {
        let first = (group % self.count) * self.each;
        (group / self.count, first..(first + self.each).min(self.of_box))
    }

    /// The group of a task of a box, both of all boxes.
    pub(super) fn of_task(&self, task: u64) -> u64 {
        task / self.of_box * self.count + task % self.of_box / self.each
    }
}

impl Boxes {
    /// How what the tasks of a box have folded is gathered, if it is.
    pub(super) fn groups(&self) -> Option<Groups> {
        Groups::of(self.tasks)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_each_task_once() {
        assert_eq!(Groups::of(MANY), None);
        for of_box in [MANY + 1, 1025, 1088, 1089, 1090, 48_640] {
            let groups = Groups::of(of_box).unwrap();
            let mut next = 0;
            for group in 0..3 * groups.count {
                let (kept, tasks) = groups.tasks(group);
                for task in tasks {
                    assert_eq!(kept * of_box + task, next);
                    assert_eq!(groups.of_task(next), group);
                    next += 1;
                }
            }
            assert_eq!(next, 3 * of_box);
            assert!(groups.count <= of_box.isqrt() + 3);
        }
    }
}
