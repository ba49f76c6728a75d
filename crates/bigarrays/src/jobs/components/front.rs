//! What waits for blocks beside it, in the order of blocks: whether there is room for it does not depend on which thread was faster.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::run::interrupt::check_interrupt;

/// Whoever waits looks this often whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// What a block takes.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The block, and those beside it.
    pub(super) number: u64,
    pub(super) beside: Vec<u64>,
    /// Bytes until all of those are done, and for good.
    pub(super) waiting: u64,
    pub(super) forever: u64,
}

/// What there would be if blocks were done one after the other.
#[derive(Debug, Default)]
struct Ordered {
    /// How many of the first blocks are done.
    done: u64,
    /// Blocks that were done before others that come before them, by position.
    ahead: BTreeMap<u64, Taken>,
    /// Blocks that wait for others: their bytes, and for how many.
    open: HashMap<u64, (u64, usize)>,
    waiting: u64,
    forever: u64,
    /// The most that there was.
    peak: u64,
}

/// The front of blocks that are done.
#[derive(Debug, Default)]
pub(super) struct Front {
    ordered: Mutex<Ordered>,
    moves: Condvar,
    /// How far blocks may be ahead of one that takes long.
    reach: u64,
}

impl Front {
    pub(super) fn new(reach: u64) -> Self {
        Self { reach, ..Self::default() }
    }

    /// Waits until the block at this position may be begun: not far ahead of one that is not done.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(super) fn wait(&self, position: u64) -> Result<()> {
        let mut ordered = self.ordered.locked();
        while position > ordered.done + self.reach {
            check_interrupt()?;
            let waited = self.moves.wait_timeout(ordered, LOOK);
            ordered = waited.map_or_else(|poisoned| poisoned.into_inner().0, |waited| waited.0);
        }
        Ok(())
    }

    /// Adds the block at a position. Returns the most bytes that there were at once of blocks in their order, up to the last one before which
    /// all are done.
    pub(super) fn add(&self, position: u64, taken: Taken) -> u64 {
        let mut ordered = self.ordered.locked();
        ordered.ahead.insert(position, taken);
        ordered.go_on();
        self.moves.notify_all();
        ordered.peak
    }
}

impl Ordered {
    fn go_on(&mut self) {
        while let Some(taken) = self.ahead.remove(&self.done) {
            self.done += 1;
            self.forever += taken.forever;
            self.waiting += taken.waiting;
            self.peak = self.peak.max(self.waiting + self.forever);
            let later = taken.beside.iter().filter(|&&other| other > taken.number).count();
            self.open.insert(taken.number, (taken.waiting, later));
            let before = taken.beside.iter().copied().filter(|&other| other < taken.number);
            for number in before.collect::<Vec<_>>() {
                self.finish(number, 1);
            }
            self.finish(taken.number, 0);
        }
    }

    /// Ends the wait of a block for so many others, and lets it go if that was all.
    fn finish(&mut self, number: u64, others: usize) {
        let Some((bytes, left)) = self.open.get_mut(&number) else { return };
        *left = left.saturating_sub(others);
        if *left == 0 {
            self.waiting -= *bytes;
            self.open.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of blocks, each beside the next.
    fn row(number: u64, count: u64) -> Taken {
        let beside = [number.checked_sub(1), Some(number + 1).filter(|&next| next < count)];
        Taken { number, beside: beside.into_iter().flatten().collect(), waiting: 100, forever: 1 }
    }

    #[test]
    fn what_there_is_room_for_does_not_depend_on_the_order_in_which_blocks_end() {
        let peak = |order: &[u64]| {
            let front = Front::new(100);
            order.iter().fold(0, |_, &number| front.add(number, row(number, 6)))
        };
        assert_eq!(peak(&[0, 1, 2, 3, 4, 5]), 206);
        assert_eq!(peak(&[5, 3, 1, 0, 4, 2]), 206);
        assert_eq!(peak(&[1, 2, 3, 4, 5, 0]), 206);
    }

    #[test]
    fn nobody_is_far_ahead() {
        let front = Front::new(1);
        front.wait(1).unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| front.wait(2).map(|()| front.ordered.locked().done));
            std::thread::sleep(Duration::from_millis(20));
            front.add(0, row(0, 6));
            assert_eq!(other.join().unwrap().unwrap(), 1);
        });
    }
}
