//! Components of all blocks: which of different blocks are one, and their numbers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::compute::Digest;
use crate::jobs::components::part::Part;
use crate::jobs::front::{Front, Taken};
use crate::jobs::geometry::Neighbours;

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Where its components that reach an end lie among those of all blocks.
    base: u32,
    pub(super) touching: u32,
    pub(super) count: u32,
    /// The versions of what it was read from.
    pub(super) from: Option<Digest>,
}

impl Known {
    /// What another process has left of a block.
    pub(super) fn left(count: u32, touching: u32, from: Option<Digest>) -> Self {
        Self { base: 0, touching, count, from }
    }
}

/// A block whose neighbours are not all done.
#[derive(Debug)]
struct Waiting {
    part: Arc<Part>,
    base: u32,
    left: usize,
}

#[derive(Debug, Default)]
struct Joined {
    waiting: HashMap<u64, Waiting>,
    blocks: HashMap<u64, Known>,
    /// Of components that reach an end: which of them are one, and their first elements.
    names: Vec<u32>,
    firsts: Vec<u64>,
    /// The first elements of those that reach none, block by block.
    inner: Vec<Vec<u64>>,
    inner_count: u64,
}

/// Components under way, of blocks in whatever order.
#[derive(Debug)]
pub(super) struct Table<'a> {
    joined: Mutex<Joined>,
    neighbours: &'a Neighbours,
    front: Front,
    /// The most bytes that it may take, if blocks are done in their order.
    most: u64,
}

/// Bytes of a component that reaches no end, also while its list grows or is put together.
const INNER: u64 = 16;

/// Bytes of one that does: its name and its first element, while their lists grow.
const TOUCHING: u64 = 28;

/// Bytes of what is known of a block, with the room that a table has.
const BLOCK: u64 = 128;

impl<'a> Table<'a> {
    /// Of blocks of which so many are done at once, and each of which leaves so many bytes for others at most.
    pub(super) fn new(neighbours: &'a Neighbours, most: u64, in_flight: u64, part: u64) -> Self {
        let (front, most) = Front::within(most, in_flight, part);
        Self { joined: Mutex::default(), neighbours, front, most }
    }

    /// Waits until the block at this position may be done: those before it are, but for a few.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(super) fn wait(&self, position: u64) -> Result<()> {
        self.front.wait(position)
    }

    /// Adds the block at a position among all, which has these neighbours, each by a step.
    ///
    /// # Errors
    /// `MemoryBudget` if there are too many components, whichever blocks were done before.
    pub(super) fn add(
        &self,
        (position, number): (u64, u64),
        part: Part,
        from: Option<Digest>,
        beside: &[(u64, Dims<i8>)],
    ) -> Result<()> {
        let part = Arc::new(part);
        self.expect_room(position, number, &part, beside)?;
        let mut joined = self.joined.locked();
        let base = joined.add(number, &part, from)?;
        if beside.is_empty() {
            return Ok(());
        }
        joined.waiting.insert(number, Waiting { part: Arc::clone(&part), base, left: beside.len() });
        let present = |(number, step): &(u64, Dims<i8>)| {
            let waiting = joined.waiting.get(number)?;
            Some((*number, step.clone(), Arc::clone(&waiting.part), waiting.base))
        };
        let present: Vec<_> = beside.iter().filter_map(present).collect();
        drop(joined);
        // Whoever of two comes later finds the other.
        for (other, step, theirs, their_base) in present {
            let is_up = step.iter().find(|&&one| one != 0).is_some_and(|&one| one > 0);
            let opposite = || step.iter().map(|&one| -one).collect::<Dims<i8>>();
            let pairs = if is_up {
                part.pairs(&theirs, &step, self.neighbours)
            } else {
                theirs.pairs(&part, &opposite(), self.neighbours)
            };
            let bases = if is_up { (base, their_base) } else { (their_base, base) };
            let mut joined = self.joined.locked();
            for (one, two) in pairs {
                joined.join(bases.0 + one - 1, bases.1 + two - 1);
            }
            joined.is_done_with(number);
            joined.is_done_with(other);
        }
        Ok(())
    }

    fn expect_room(&self, position: u64, number: u64, part: &Part, beside: &[(u64, Dims<i8>)]) -> Result<()> {
        let (all, touching) = (part.count() as u64, part.touching() as u64);
        let forever = (all - touching) * INNER + touching * TOUCHING + BLOCK;
        let waiting = match beside {
            [] => Vec::new(),
            beside => vec![(part.bytes(), beside.iter().map(|one| one.0).collect())],
        };
        let bytes = self.front.add(position, Taken { number, waiting, forever, is_met_first: false });
        if bytes <= self.most {
            return Ok(());
        }
        let reason = format!(
            "components and what lies at the ends of blocks take {bytes} bytes, and the budget leaves {}; raise it",
            self.most
        );
        Err(Error::new(ErrorKind::MemoryBudget, reason))
    }

    /// The numbers of all components.
    pub(super) fn numbers(self) -> Numbers {
        self.joined.into_value().numbers()
    }
}

impl Joined {
    /// Adds the components of a block. Returns where those that reach an end lie among all.
    fn add(&mut self, number: u64, part: &Part, from: Option<Digest>) -> Result<u32> {
        let touching = part.touching();
        let too_many = |_| Error::unsupported("2^32 parts of components at the ends of blocks");
        let base = u32::try_from(self.firsts.len()).map_err(too_many)?;
        u32::try_from(self.firsts.len() + touching).map_err(too_many)?;
        self.names.extend((0..touching as u32).map(|one| base + one));
        self.firsts.extend(&part.firsts[..touching]);
        let inner = part.firsts[touching..].to_vec();
        self.inner_count += inner.len() as u64;
        if !inner.is_empty() {
            self.inner.push(inner);
        }
        let known = Known { base, touching: touching as u32, count: part.count() as u32, from };
        self.blocks.insert(number, known);
        Ok(base)
    }

    fn find(&mut self, mut one: u32) -> u32 {
        while self.names[one as usize] != one {
            let above = self.names[self.names[one as usize] as usize];
            self.names[one as usize] = above;
            one = above;
        }
        one
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.find(one), self.find(other));
        let (least, most) = (one.min(other), one.max(other));
        self.names[most as usize] = least;
        self.firsts[least as usize] = self.firsts[least as usize].min(self.firsts[most as usize]);
    }

    fn is_done_with(&mut self, number: u64) {
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        waiting.left -= 1;
        if waiting.left == 0 {
            self.waiting.remove(&number);
        }
    }

    fn numbers(mut self) -> Numbers {
        for one in 0..self.names.len() {
            let name = self.find(one as u32);
            // Names are least members, whose first elements are known before.
            self.firsts[one] = self.firsts[name as usize];
        }
        let is_name = |&(one, &name): &(usize, &u32)| one == name as usize;
        let names: usize = self.names.iter().enumerate().filter(is_name).count();
        let mut sorted = Vec::with_capacity(names + self.inner_count as usize);
        sorted.extend(self.names.iter().enumerate().filter(is_name).map(|(one, _)| self.firsts[one]));
        drop(std::mem::take(&mut self.names));
        while let Some(inner) = self.inner.pop() {
            sorted.extend(inner);
        }
        sorted.sort_unstable();
        Numbers { sorted, touching: self.firsts, blocks: self.blocks }
    }
}

/// The numbers of components: 1, 2, 3 and so on, in the order of their first elements.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The first elements of all components.
    sorted: Vec<u64>,
    /// Those of the components that reach an end of a block.
    touching: Vec<u64>,
    blocks: HashMap<u64, Known>,
}

impl Numbers {
    /// How many components there are.
    pub(super) fn count(&self) -> u64 {
        self.sorted.len() as u64
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        8 * (self.sorted.len() + self.touching.len()) as u64 + self.blocks.len() as u64 * BLOCK
    }

    pub(super) fn block(&self, number: u64) -> Option<Known> {
        self.blocks.get(&number).copied()
    }

    /// The number of the component that begins with an element.
    fn of(&self, first: u64) -> Result<u64> {
        let changed =
            || Error::corrupt("elements have changed while components were looked for; run it again");
        self.sorted.binary_search(&first).map(|at| at as u64 + 1).map_err(|_| changed())
    }

    /// The numbers of the components of a block, of those that do not reach its ends given the first elements; that of background
    /// comes first.
    pub(super) fn of_block(&self, known: &Known, firsts: &[u64]) -> Result<Vec<u64>> {
        let (base, touching) = (known.base as usize, known.touching as usize);
        let all = self.touching[base..base + touching].iter().chain(&firsts[touching..]);
        std::iter::once(Ok(0)).chain(all.map(|&first| self.of(first))).collect()
    }

    /// A digest of all that the numbers in a block depend on, beside its elements.
    pub(super) fn digest(&self, known: &Known, all: Digest) -> Digest {
        let (base, touching) = (known.base as usize, known.touching as usize);
        let own = Digest::of_bytes(bytemuck::cast_slice(&self.touching[base..base + touching]));
        let mut sum = known.from.unwrap_or_default();
        sum.add("numbers of all", Some(all.0));
        sum.add("numbers at the ends", Some(own.0));
        sum
    }

    /// A digest of all numbers.
    pub(super) fn digest_of_all(&self) -> Digest {
        Digest::of_bytes(bytemuck::cast_slice(&self.sorted))
    }
}
