//! Running boxes of results: each reads its inputs once, and holds them while all passes go over them.

use std::ops::Range;
use std::sync::{Arc, Mutex, Weak};

use crate::array::Array;
use crate::base::buffer::{Order, ViewMut, byte_len};
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::compute::box_inputs::{Replacing, array_of, cut_all, empty_in, inputs, named};
use crate::compute::carrying::Carrying;
use crate::compute::digest::{Digest, Reads};
use crate::compute::expr::{Kind, Lazy};
use crate::compute::ledger::Noting;
use crate::compute::memory::lengths;
use crate::compute::noted::Made;
use crate::compute::plan::HeldBoxes;
use crate::compute::resume::is_as_noted;
use crate::compute::sink::Place;
use crate::compute::stage::Stage;
use crate::compute::target::Target;
use crate::run::interrupt::check_interrupt;
use crate::run::pool::{threads, whole_across_forks};
use crate::run::runner::{FAR, Progress, Runner};
use crate::store::{MemoryStore, NEAR, Store};

/// Computes expressions, each to its target.
pub(super) type ComputeFn<'a> = dyn Fn(Vec<(&Lazy, Target<'_>)>) -> Result<()> + Sync + 'a;

/// Results that are made in boxes.
pub(super) struct Boxed<'a> {
    pub(super) roots: &'a [Lazy],
    /// Where each of them goes.
    pub(super) places: &'a [Place<'a>],
    pub(super) boxes: &'a HeldBoxes,
    /// Reductions of all that the boxes have.
    pub(super) carried: &'a [Carrying<'a>],
    /// Computes expressions of what is held, each into a part of its target.
    pub(super) compute: &'a ComputeFn<'a>,
    /// What is noted of boxes that are done.
    pub(super) noting: Option<Noting<'a>>,
    /// What earlier boxes have left.
    pub(super) slots: &'a Slots,
}

impl Boxed<'_> {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.boxes.boxes.len() as u64
    }

    /// Makes some of them, but for those that an earlier run has made and that are as it left them.
    ///
    /// # Errors
    /// Those of reading, computing and noting; `Storage` if an input was removed or replaced meanwhile.
    pub(super) fn run(&self, numbers: Range<u64>, progress: &dyn Fn(Progress)) -> Result<()> {
        let of_results = self.bytes(self.roots.iter().map(Lazy::domain));
        let of_carried = self.carried.iter().map(|carried| carried.bytes(carried.whole()));
        let (mut done, total) = (0u64, of_carried.fold(of_results, u64::saturating_add));
        for number in numbers.start..numbers.end.min(self.len()) {
            // A box that is begun after a stop would be done in vain.
            check_interrupt()?;
            let part = &self.boxes.boxes[number as usize];
            if !self.is_done(number, part)? {
                self.make(number, part)?;
            }
            let of_carried = self.carried.iter().map(|carried| carried.bytes(part));
            done = of_carried.fold(done.saturating_add(self.bytes(&self.parts(part)?)), u64::saturating_add);
            progress(Progress { done, total });
        }
        self.expect_as_opened()
    }

    /// Bytes of the elements of results over these domains.
    fn bytes<'d>(&self, domains: impl IntoIterator<Item = &'d Domain>) -> u64 {
        let one = |(root, domain): (&Lazy, &Domain)| {
            let item = root.dtype().size() as u64;
            domain.shape().iter().fold(item, |all, &length| all.saturating_mul(length))
        };
        self.roots.iter().zip(domains).map(one).fold(0, u64::saturating_add)
    }

    /// What a box has of each result.
    fn parts(&self, part: &Domain) -> Result<Vec<Domain>> {
        let one = |(number, root): (usize, &Lazy)| self.boxes.frame.part(number, root.domain(), part);
        self.roots.iter().enumerate().map(one).collect()
    }

    /// How many are not noted as done.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn missing(noting: &Noting<'_>, count: u64) -> Result<u64> {
        let mut missing = 0;
        for number in 0..count {
            missing += u64::from(noting.made(number)?.is_none());
        }
        Ok(missing)
    }

    /// An error if an input was removed or replaced.
    fn expect_as_opened(&self) -> Result<()> {
        let mut seen: Vec<&Array> = Vec::new();
        let carried = self.carried.iter().flat_map(Carrying::exprs);
        for array in self.roots.iter().chain(carried).flat_map(Lazy::nodes).filter_map(array_of) {
            if !seen.iter().any(|known| std::ptr::eq(known.layout(), array.layout())) {
                array.expect_as_opened()?;
                seen.push(array);
            }
        }
        Ok(())
    }

    fn is_done(&self, number: u64, part: &Domain) -> Result<bool> {
        let Some(noting) = &self.noting else { return Ok(false) };
        let made = noting.all_made(number)?;
        if made.is_empty() {
            return Ok(false);
        }
        let to = || self.written(part);
        let is_so = is_as_noted(&made, to, || self.versions(part))?.is_some();
        if !is_so {
            noting.redo();
        }
        Ok(is_so)
    }

    /// The digest of the versions of what a box has been written to.
    fn written(&self, part: &Domain) -> Result<Digest> {
        let (mut sum, parts) = (Digest::default(), self.parts(part)?);
        for (number, (place, part)) in self.places.iter().zip(&parts).enumerate() {
            if let Place::Array(target) = place {
                sum.add(&number.to_string(), Some(Digest::of_versions(target, part)?.0));
            }
        }
        Ok(sum)
    }

    fn make(&self, number: u64, part: &Domain) -> Result<()> {
        let own = cut_all(&self.boxes.frame, self.roots, part)?;
        let folded = self.carried.iter().map(|carried| carried.of_box(part)).collect::<Result<Vec<_>>>()?;
        let of_all = own.iter().chain(folded.iter().flat_map(Stage::exprs)).cloned().collect::<Vec<_>>();
        let inputs = inputs(&of_all);
        drop(of_all);
        // Who notes nothing asks for no versions.
        let watched = self.noting.as_ref().map(|_| Watched::new(&inputs, Reads::over));
        let through = watched.as_ref().map_or(&inputs, |watched| &watched.inputs);
        let stores: Vec<MemoryStore> = through.iter().map(|_| MemoryStore::new()).collect();
        let held = through.iter().zip(&stores).map(|(input, store)| self.slots.read(input, store));
        let held = held.collect::<Result<Vec<_>>>()?;
        let from = watched.as_ref().and_then(Watched::digest);
        let replacing = Replacing { inputs: &inputs, held: &held };
        let own = own.iter().map(|own| replacing.lazy(own)).collect::<Result<Vec<_>>>()?;
        let folded = folded.iter().map(|stage| stage.changed(&mut |expr| replacing.lazy(expr)));
        let folded = folded.collect::<Result<Vec<_>>>()?;
        drop(held);
        self.put(&own, part)?;
        self.carried.iter().zip(&folded).try_for_each(|(carried, folded)| carried.fold(folded))?;
        drop((own, folded));
        stores.iter().for_each(|store| self.slots.give(store.take_all()));
        match (&self.noting, from) {
            (Some(noting), Some(from)) => noting.note(number, Made { from, to: self.written(part)? }),
            _ => Ok(()),
        }
    }

    /// Computes what a box has of each result, of what is held, to where it goes.
    fn put(&self, own: &[Lazy], part: &Domain) -> Result<()> {
        let parts = self.parts(part)?;
        let arrays = self.places.iter().zip(&parts).map(|(place, part)| match place {
            Place::Array(target) => target.cut(part).map(Some),
            _ => Ok(None),
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let mut results = Vec::new();
        for (number, own) in own.iter().enumerate() {
            let memory = self.places[number].of_box(&parts[number])?;
            let target = memory.map(Target::Memory).or(arrays[number].as_ref().map(Target::Array));
            results.extend(target.map(|target| (own, target)));
        }
        if results.is_empty() { Ok(()) } else { (self.compute)(results) }
    }

    /// The digest of the versions of what a box is of, as they are now; `None` if something is gone.
    fn versions(&self, part: &Domain) -> Result<Option<Digest>> {
        let watched =
            Watched::new(&inputs(&cut_all(&self.boxes.frame, self.roots, part)?), Reads::instead_of);
        let looked_up = watched.inputs.iter().filter_map(array_of).try_for_each(look_up);
        match looked_up {
            // Computing says so, if it is still so then.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            looked_up => looked_up.map(|()| watched.digest()),
        }
    }
}

/// Inputs whose versions are seen as they are read.
struct Watched {
    inputs: Vec<Lazy>,
    reads: Vec<Arc<Reads>>,
}

impl Watched {
    fn new(inputs: &[Lazy], reads: impl Fn(Arc<dyn Store>) -> Reads) -> Self {
        let mut watched = Self { inputs: Vec::new(), reads: Vec::new() };
        for input in inputs {
            watched.inputs.push(match array_of(input) {
                Some(array) => {
                    let reads = Arc::new(reads(Arc::clone(array.store())));
                    watched.reads.push(Arc::clone(&reads));
                    let array = Kind::Source(Box::new(array.with_store(reads)));
                    Lazy::new(array, input.dtype(), input.domain().clone(), input.names().into())
                }
                None => input.clone(),
            });
        }
        watched
    }

    /// The digest of the versions of all that was read, if there was one of each.
    fn digest(&self) -> Option<Digest> {
        let mut sum = Digest::default();
        for (number, reads) in self.reads.iter().enumerate() {
            sum.add(&number.to_string(), Some(reads.digest()?.0));
        }
        Some(sum)
    }
}

/// Memory of chunks, which a box leaves for the next one: fresh pages cost as much as decoding to them.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Vec<Arc<[u8]>>>);

/// What the plan in a file has left of which this process has run a part last.
static LAST: Mutex<Weak<Slots>> = Mutex::new(Weak::new());

impl Slots {
    /// Begins a part of a plan in a file, which goes on with what earlier parts of it have left. What another plan has left goes: a
    /// process that runs parts of many plans keeps as much as one of them.
    pub(super) fn begin_part(self: &Arc<Self>) {
        let before = whole_across_forks(|| std::mem::replace(&mut *LAST.locked(), Arc::downgrade(self)));
        if let Some(before) = before.upgrade().filter(|before| !Arc::ptr_eq(before, self)) {
            before.0.locked().clear();
        }
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.0.locked().iter().map(|slot| slot.len()).sum()
    }

    /// So many bytes, stale.
    fn take(&self, length: usize) -> Arc<[u8]> {
        let mut kept = self.0.locked();
        if let Some(at) = kept.iter().position(|slot| slot.len() == length) {
            return kept.swap_remove(at);
        }
        // What is kept and what is taken are together no more than a box.
        kept.clear();
        drop(kept);
        std::iter::repeat_n(0, length).collect()
    }

    fn give(&self, slots: Vec<Arc<[u8]>>) {
        self.0.locked().extend(slots);
    }

    /// An input in memory, in a store.
    fn read(&self, input: &Lazy, store: &MemoryStore) -> Result<Lazy> {
        let Some(array) = array_of(input) else { return Ok(input.clone()) };
        let held = empty_in(store.clone(), input, array)?;
        let item = array.dtype().size();
        each_chunk(array, &held, &|index, part| {
            let shape = lengths(part)?;
            let mut slot = self.take(byte_len(&shape, item)?);
            let shared = || Error::invalid("memory that somebody else has");
            let bytes = Arc::get_mut(&mut slot).ok_or_else(shared)?;
            array.read_into(part, ViewMut::dense(bytes, &shape, item, Order::C)?)?;
            store.put(&held.layout().chunk_key(index), slot)
        })?;
        named(input, &held)
    }
}

/// Asks for what an input would read.
fn look_up(array: &Array) -> Result<()> {
    let held = empty_in(MemoryStore::new(), &Lazy::of(array)?, array)?;
    each_chunk(array, &held, &|_, part| array.ask(part))
}

/// Does `work` for each chunk of an array in memory that is of another one, and the box that it has, on all threads.
fn each_chunk(
    array: &Array,
    held: &Array,
    work: &(dyn Fn(&[u64], &Domain) -> Result<()> + Sync),
) -> Result<()> {
    let (grid, domain) = (&held.layout().grid, array.domain());
    let chunks = grid.project(domain);
    let is_near = array.store().request_cost() <= NEAR;
    let in_flight = if is_near { threads() } else { FAR.max(threads() as u64) as usize };
    let runner = Runner { in_flight, total: chunks.len() as u64, is_near, progress: None };
    runner.run(chunks.len(), &|number| {
        let index = chunks.get(number).index;
        work(&index, &grid.chunk_domain(&index).intersect(domain))?;
        Ok(1)
    })
}
