//! What waits for blocks beside it, in the order of blocks: whether there is room for it does not depend on which thread was faster.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::run::interrupt::check_interrupt;

/// Whoever waits looks this often whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// So many times as many blocks as are done at once may be done before one that takes long.
const AHEAD: u64 = 2;

/// What a block takes.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The block.
    pub(super) number: u64,
    /// Bytes that wait until the blocks beside it are done that have a use for them, and which these are.
    pub(super) waiting: Vec<(u64, Vec<u64>)>,
    /// Bytes for good.
    pub(super) forever: u64,
    /// Whether what has waited for the block goes before its own is there, and not after.
    pub(super) is_met_first: bool,
}

/// What there would be if blocks were done one after the other.
#[derive(Debug, Default)]
struct Ordered {
    /// How many of the first blocks are done.
    done: u64,
    /// Blocks that were done before others that come before them, by position.
    ahead: BTreeMap<u64, Taken>,
    /// What waits for blocks: by these, where it is among all that has waited.
    awaited: HashMap<u64, Vec<u64>>,
    /// Its bytes, and for how many blocks it waits, and how much has waited so far.
    open: HashMap<u64, (u64, usize)>,
    count: u64,
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
    /// Of blocks of which so many are done at once, and each of which leaves at most so many bytes of a `part` for others. Returns as well
    /// how many of these bytes blocks may take that are done in their order.
    pub(super) fn within(most: u64, in_flight: u64, part: u64) -> (Self, u64) {
        // Blocks that are done before others of those under way.
        let ahead = in_flight.saturating_mul(AHEAD).saturating_mul(part).min(most / 4);
        (Self::new((ahead / part.max(1)).max(in_flight)), most - ahead)
    }

    fn new(reach: u64) -> Self {
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
            if taken.is_met_first {
                self.meet(taken.number);
            }
            let own: u64 = taken.waiting.iter().map(|(bytes, _)| bytes).sum();
            self.peak = self.peak.max(self.waiting + own + self.forever);
            for (bytes, others) in taken.waiting {
                self.wait(taken.number, bytes, &others);
            }
            self.meet(taken.number);
        }
    }

    /// Has bytes of a block wait for those of others that come later, if there are any.
    fn wait(&mut self, number: u64, bytes: u64, others: &[u64]) {
        let later = others.iter().filter(|&&other| other > number);
        for &other in later.clone() {
            self.awaited.entry(other).or_default().push(self.count);
        }
        let count = later.count();
        if count > 0 {
            self.waiting += bytes;
            self.open.insert(self.count, (bytes, count));
            self.count += 1;
        }
    }

    /// Ends all waits for a block.
    fn meet(&mut self, number: u64) {
        for waiting in self.awaited.remove(&number).unwrap_or_default() {
            self.finish(waiting);
        }
    }

    /// Ends the wait for a block, and lets go what waited for that one alone.
    fn finish(&mut self, number: u64) {
        let Some((bytes, left)) = self.open.get_mut(&number) else { return };
        *left -= 1;
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
        Taken {
            number,
            waiting: vec![(100, beside.into_iter().flatten().collect())],
            forever: 1,
            is_met_first: false,
        }
    }

    #[test]
    fn what_waits_for_one_block_goes_with_that_one() {
        // Four blocks in a square: each leaves something to the next one of a row, and more to the one of the next row.
        let ends: [&[(u64, Vec<u64>)]; 4] =
            [&[(1, vec![1]), (10, vec![2])], &[(10, vec![3])], &[(1, vec![3])], &[]];
        for (is_met_first, most) in [(false, 21), (true, 20)] {
            expect_peak(&ends, is_met_first, most);
        }
    }

    fn expect_peak(ends: &[&[(u64, Vec<u64>)]; 4], is_met_first: bool, most: u64) {
        for order in [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]] {
            let front = Front::new(100);
            let waiting = |number: u64| ends[number as usize].to_vec();
            let taken = |number| Taken { number, waiting: waiting(number), forever: 0, is_met_first };
            let peak = order.iter().fold(0, |_, &number| front.add(number, taken(number)));
            assert_eq!(peak, most);
            assert_eq!(front.ordered.locked().waiting, 0);
        }
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
