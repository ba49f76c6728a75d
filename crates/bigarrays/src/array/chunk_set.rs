//! Sets of chunks: those of an array or view that are stored.

use std::ops::Range;
use std::sync::Mutex;

use roaring::RoaringTreemap;

use crate::array::{Array, AxisMap};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::chunk::grid::AxisSelection;
use crate::run::interrupt::check_interrupt;
use crate::store::{Finding, Get, Part};

/// In a view of up to so many chunks, the store is asked for each chunk.
const FEW: u64 = 64;

/// To list so many values takes about as long as to ask for one.
const LISTED: u64 = 16;

/// Chunks of an array that are asked for to find out whether most are stored.
const SOME: u64 = 32;

/// Chunks that are asked for at once.
const BATCH: u64 = 1 << 14;

/// The number of findings after which a listing checks for an interrupt.
const ASKED: u64 = 1 << 10;

/// Some of the chunks that a box of an array or view touches. The set is compressed: its memory depends on how the chunks
/// lie, and not on the size of the grid.
#[derive(Clone, Debug)]
pub struct ChunkSet {
    array: Array,
    /// The box of the view that the chunks touch.
    part: Domain,
    /// The range of grid indices that the box touches, along each stored axis.
    window: Dims<Range<u64>>,
    /// How many chunks the box touches.
    shown: u64,
    /// Numbers of grid indices in the window; the first axis varies fastest.
    numbers: RoaringTreemap,
}

/// The outcome of a listing.
#[derive(Debug)]
pub(crate) enum Listed<T> {
    All(T),
    /// The store does not list, or a part of it is damaged.
    Cannot,
    /// The store has so much that it is cheaper to ask for each chunk.
    TooMuch,
}

impl Array {
    /// The stored chunks of this array or view that `part` touches. Asks the store for a list of what there is, or
    /// for each chunk, whichever is cheaper.
    ///
    /// ```
    /// use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array2};
    ///
    /// let mut spec = CreateSpec::new(DataType::U8, "0:1000000000,0:1000000000".parse()?);
    /// spec.storage.chunk_shape = Some(vec![100, 100]);
    /// let array = OpenOptions::new().format("zarr3").create("memory://stored-chunks", &spec)?;
    /// array.write(&[250, 0], Array2::<u8>::ones((100, 10)).view())?;
    /// let stored: Vec<String> = array.stored_chunks(array.domain())?.iter().map(|chunk| chunk.to_string()).collect();
    /// assert_eq!(stored, ["200:300,0:100", "300:400,0:100"]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if the box has another number of axes; `Unsupported` if it touches more than 2^64 chunks; a
    /// storage error.
    pub fn stored_chunks(&self, part: &Domain) -> Result<ChunkSet> {
        let set = ChunkSet::none_of(self, part)?;
        match if set.shown > FEW { set.list()? } else { Listed::TooMuch } {
            Listed::All(set) => Ok(set),
            Listed::Cannot | Listed::TooMuch => ChunkSet::none_of(self, part)?.ask(),
        }
    }

    /// The stored chunks that this shows, by a list of what there is unless they are few.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn listed_chunks(&self) -> Result<Listed<ChunkSet>> {
        match ChunkSet::none_of(self, self.domain()) {
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Listed::Cannot),
            Ok(set) if set.shown <= FEW => match set.ask() {
                Err(error) if error.kind() != ErrorKind::Cancelled => Ok(Listed::Cannot),
                asked => asked.map(Listed::All),
            },
            set => set?.list(),
        }
    }

    /// Whether most chunks seem to be stored, as far as a few of them say, always the same ones: a list of all that a full array has
    /// is long.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn seems_full(&self) -> Result<bool> {
        let set = ChunkSet::none_of(self, self.domain())?;
        if set.shown <= FEW {
            return Ok(false);
        }
        // Multiples of the golden ratio lie evenly, and in no rhythm of the grid's.
        let number = |k: u64| {
            let share = k.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((u128::from(share) * u128::from(set.places())) >> 64) as u64
        };
        let places = (1..=SOME).map(|k| set.place(number(k))).filter(|place| set.seen(place).is_some());
        let request = |place: Dims<u64>| Get::new(self.layout().chunk_key(&place), Part::Presence, u64::MAX);
        let requests: Vec<Get> = places.map(request).collect();
        let stored = Mutex::new(0);
        self.store().get_many(&requests, &|_, blob| {
            *stored.locked() += usize::from(blob.is_some());
            Ok(())
        })?;
        Ok(!requests.is_empty() && stored.into_value() * 4 >= requests.len() * 3)
    }
}

impl ChunkSet {
    /// The empty set of the chunks of `array` that `part` touches.
    pub(crate) fn none_of(array: &Array, part: &Domain) -> Result<Self> {
        part.expect_ndim(array.ndim())?;
        let part = part.intersect(array.domain());
        let grid = &array.layout().grid;
        let selection = array.stored_inside(&part)?;
        let window = window_of(array, &selection);
        let places = window.iter().try_fold(1u64, |all, range| all.checked_mul(range.end - range.start));
        if places.is_none() {
            return Err(
                Error::unsupported("counting the chunks of a grid of more than 2^64 places").at(array.url())
            );
        }
        let shown = grid.project_selection(&selection).len() as u64;
        Ok(Self { array: array.clone(), part, window, shown, numbers: RoaringTreemap::new() })
    }

    /// Which chunks of all that the box touches are in the set, as bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.numbers.serialized_size());
        // Lists of bytes take whatever they are given.
        let _ = self.numbers.serialize_into(&mut bytes);
        bytes
    }

    /// The set of the chunks of `array` that `part` touches of which [`ChunkSet::to_bytes`] gave these bytes.
    ///
    /// # Errors
    /// `CorruptData` if they are none.
    pub(crate) fn of_bytes(array: &Array, part: &Domain, bytes: &[u8]) -> Result<Self> {
        let damaged = |_| Error::corrupt("the bytes of a set of chunks are damaged").at(array.url());
        let numbers = RoaringTreemap::deserialize_from(bytes).map_err(damaged)?;
        Ok(Self { numbers, ..Self::none_of(array, part)? })
    }

    /// The array or view whose chunks they are.
    pub(crate) fn array(&self) -> &Array {
        &self.array
    }

    /// How many chunks the set has.
    pub fn len(&self) -> u64 {
        self.numbers.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// How many chunks the box touches, whether they are in the set or not.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// The boxes of the chunks, in coordinates of the view and clipped to its domain; the first axis varies fastest.
    pub fn iter(&self) -> impl Iterator<Item = Domain> + '_ {
        self.numbers.iter().filter_map(|number| self.seen(&self.place(number)))
    }

    /// The boxes of those chunks that the box touches and that are not in the set, as [`ChunkSet::iter`] has them.
    pub fn missing(&self) -> impl Iterator<Item = Domain> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let (number, domain) = self.next_missing(from)?;
            from = number + 1;
            Some(domain)
        })
    }

    /// The first grid index, from the number `from` on, whose chunk is not in the set: its number and its box.
    pub fn next_missing(&self, from: u64) -> Option<(u64, Domain)> {
        let free = (from..self.places()).filter(|&number| !self.numbers.contains(number));
        free.filter_map(|number| Some((number, self.seen(&self.place(number))?))).next()
    }

    /// The box of the `k`-th chunk of the set.
    pub fn nth(&self, k: u64) -> Option<Domain> {
        self.seen(&self.place(self.numbers.select(k)?))
    }

    /// Whether the set has the chunk of this key; `None` if it is none of those that the box touches.
    pub(crate) fn has_key(&self, key: &str) -> Option<bool> {
        let number = self.number(&self.array.layout().chunk_at(key)?)?;
        Some(self.numbers.contains(number))
    }

    /// Adds all chunks that `part`, a box of the view, touches.
    pub(crate) fn add(&mut self, part: &Domain) -> Result<()> {
        let selection = self.array.stored_inside(&part.intersect(&self.part))?;
        if selection.iter().all(|axis| axis.count > 0) {
            for chunk in self.array.layout().grid.project_selection(&selection).iter() {
                self.numbers.extend(self.number(&chunk.index));
            }
        }
        Ok(())
    }

    /// The boxes of those of its chunks that `part`, a box of the view, touches. Chunks that are far from it cost nothing.
    pub(crate) fn within(&self, part: &Domain) -> Result<Vec<Domain>> {
        let selection = self.array.stored_inside(&part.intersect(&self.part))?;
        let wanted = window_of(&self.array, &selection);
        let mut found = Vec::new();
        let mut numbers = self.numbers.iter();
        let mut at: Dims<u64> = wanted.iter().map(|range| range.start).collect();
        while let Some(next) = next_within(&at, &wanted).and_then(|index| self.number(&index)) {
            numbers.advance_to(next);
            let Some(number) = numbers.next() else { break };
            at = self.place(number);
            if next_within(&at, &wanted).as_ref() == Some(&at) {
                found.extend(self.seen(&at).filter(|chunk| !chunk.intersect(part).is_empty()));
                at[0] += 1;
            }
        }
        Ok(found)
    }

    fn places(&self) -> u64 {
        self.window.iter().map(|range| range.end - range.start).product()
    }

    fn number(&self, index: &[u64]) -> Option<u64> {
        let (mut number, mut stride) = (0, 1);
        for (at, range) in index.iter().zip(&self.window) {
            if !range.contains(at) {
                return None;
            }
            number += (at - range.start) * stride;
            stride *= range.end - range.start;
        }
        Some(number)
    }

    fn place(&self, mut number: u64) -> Dims<u64> {
        let one = |range: &Range<u64>| {
            let length = range.end - range.start;
            let at = range.start + number % length;
            number /= length;
            at
        };
        self.window.iter().map(one).collect()
    }

    /// The box of the view that shows the chunk at `index`; `None` if a step leaves it out.
    fn seen(&self, index: &[u64]) -> Option<Domain> {
        let (view, chunk) = (self.array.transform(), self.array.layout().grid.chunk_domain(index));
        let mut ranges: Dims<Range<i64>> = view.domain.ranges().collect();
        for (stored, map) in view.axes.iter().enumerate() {
            let of_chunk = chunk.range(stored);
            match *map {
                AxisMap::Fixed(at) if of_chunk.contains(&at) => {}
                AxisMap::Fixed(_) => return None,
                AxisMap::Along { axis, offset, step } => {
                    let shown = &mut ranges[axis];
                    let (first, last) = steps_within(of_chunk, offset, step);
                    let clip = |at: i128| at.clamp(shown.start.into(), shown.end.into()) as i64;
                    *shown = clip(first)..clip(last + 1);
                }
            }
        }
        let shown = Domain::from_ranges(&ranges).ok()?;
        (!shown.intersect(&self.part).is_empty()).then_some(shown)
    }

    /// The set of what the store lists.
    fn list(mut self) -> Result<Listed<Self>> {
        let array = self.array.clone();
        let values = self.shown.saturating_mul(LISTED).max(FEW * LISTED);
        // Steps that are longer than a chunk leave some chunks out.
        let is_full = self.shown == self.places();
        let (mut count, mut end) = (0u64, None);
        let listed = array.store().survey(&mut |finding| {
            count += 1;
            if count.is_multiple_of(ASKED) {
                check_interrupt()?;
            }
            let is_folder = matches!(finding, Finding::Folder { .. });
            match finding {
                // A folder in a chunk's place is an error for whoever reads it.
                Finding::Value { key, .. } | Finding::Folder { key } => {
                    let layout = array.layout();
                    // Reading a chunk that is compressed in a way nobody knows is an error as well.
                    let unseen = || ContentEncoding::unseen(key).and_then(|key| layout.chunk_at(key));
                    let index = layout.chunk_at(key).or_else(unseen);
                    // A file in the place of a folder of chunks, which reading finds.
                    if index.is_none() && !is_folder && layout.has_chunks_below(key) {
                        end = Some(Listed::Cannot);
                    }
                    let seen = index.filter(|index| is_full || self.seen(index).is_some());
                    self.numbers.extend(seen.and_then(|index| self.number(&index)));
                }
                // Reading it is an error.
                Finding::Damaged { key, .. } => match array.layout().chunk_at(key) {
                    Some(index) => self.numbers.extend(self.number(&index)),
                    None => end = Some(Listed::Cannot),
                },
                Finding::Leftover { .. } | Finding::Twin { .. } | Finding::Stranger { .. } => {}
            }
            if count > values {
                end = Some(Listed::TooMuch);
            }
            // The error is not for anybody: it ends the listing.
            if end.is_some() { Err(Error::unsupported("listing more")) } else { Ok(()) }
        });
        match (listed, end) {
            (_, Some(end)) => Ok(end),
            (Ok(()), None) => Ok(Listed::All(self)),
            (Err(error), None) if error.kind() == ErrorKind::Cancelled => Err(error),
            // Who may not list, or only some folders, may read nevertheless; what is wrong with a store is met again.
            (Err(_), None) => Ok(Listed::Cannot),
        }
    }

    /// The set of what the store says of each chunk.
    fn ask(mut self) -> Result<Self> {
        let layout = self.array.layout().clone();
        for first in (0..self.places()).step_by(BATCH as usize) {
            check_interrupt()?;
            let numbers: Vec<u64> = (first..self.places().min(first.saturating_add(BATCH)))
                .filter(|&number| self.seen(&self.place(number)).is_some())
                .collect();
            let request =
                |&number: &u64| Get::new(layout.chunk_key(&self.place(number)), Part::Presence, u64::MAX);
            let requests: Vec<Get> = numbers.iter().map(request).collect();
            let stored = Mutex::new(Vec::new());
            self.array.store().get_many(&requests, &|position, blob| {
                if blob.is_some() {
                    stored.locked().push(numbers[position]);
                }
                Ok(())
            })?;
            self.numbers.extend(stored.into_value());
        }
        Ok(self)
    }
}

/// The indices of chunks that a selection touches, along each stored axis.
fn window_of(array: &Array, selection: &[AxisSelection]) -> Dims<Range<u64>> {
    let grid = &array.layout().grid;
    let window = |(axis, wanted): (usize, &AxisSelection)| {
        let (origin, chunk) = (grid.domain().origin()[axis], grid.chunk_shape()[axis]);
        let first = wanted.start.abs_diff(origin);
        match wanted.count {
            0 => 0..0,
            count => first / chunk..(first + (count - 1) * wanted.step) / chunk + 1,
        }
    };
    selection.iter().enumerate().map(window).collect()
}

/// The first index within a window that does not come before `at`; the first axis varies fastest, and may be past its end.
fn next_within(at: &Dims<u64>, window: &Dims<Range<u64>>) -> Option<Dims<u64>> {
    if window.iter().any(Range::is_empty) {
        return None;
    }
    let mut next = at.clone();
    let to_start = |next: &mut Dims<u64>, end: usize| {
        next.iter_mut().zip(window).take(end).for_each(|(at, range)| *at = range.start);
    };
    for axis in (0..next.len()).rev() {
        if next[axis] < window[axis].start {
            to_start(&mut next, axis + 1);
            return Some(next);
        }
        if next[axis] >= window[axis].end {
            let slower = (axis + 1..next.len()).find(|&slower| next[slower] + 1 < window[slower].end)?;
            next[slower] += 1;
            to_start(&mut next, slower);
            return Some(next);
        }
    }
    Some(next)
}

/// The first and the last `i` for which `offset + step * i` lies in `range`; the last is before the first if there
/// is none.
fn steps_within(range: Range<i64>, offset: i64, step: i64) -> (i128, i128) {
    let (offset, step) = (i128::from(offset), i128::from(step));
    let (low, high) = (i128::from(range.start) - offset, i128::from(range.end) - 1 - offset);
    let (low, high) = if step > 0 { (low, high) } else { (-high, -low) };
    let step = step.abs();
    (-(-low).div_euclid(step), high.div_euclid(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::base::dtype::DataType;
    use crate::{CreateSpec, Index, OpenOptions};
    use ndarray::Array3;
    use proptest::prelude::*;

    thread_local! {
        /// An array of 24 × 18 × 10 elements from -3,5,0 on in chunks of 4 × 3 × 5, of which each third is stored.
        static SOME: Array = {
            let mut spec = CreateSpec::new(DataType::U8, "-3:21,5:23,0:10".parse().unwrap());
            spec.storage.chunk_shape = Some(vec![4, 3, 5]);
            let array = OpenOptions::new().create("memory://chunk-set", &spec).unwrap();
            let boxes: Vec<Domain> = array.chunks(array.domain()).unwrap().step_by(3).collect();
            for part in boxes {
                let ones = Array3::<u8>::ones((4, 3, 5));
                array.write(part.origin(), ones.view()).unwrap();
            }
            array
        };
    }

    #[test]
    fn steps_within_ranges() {
        let slow = |range: Range<i64>, offset: i64, step: i64| {
            let within: Vec<i128> =
                (-200..200).filter(|i| range.contains(&(offset + step * i))).map(i128::from).collect();
            within.first().copied().zip(within.last().copied())
        };
        for (start, length, offset) in [(-7, 5, 3), (0, 1, -4), (2, 9, 0)] {
            for step in [-7, -3, -1, 1, 2, 5] {
                let (first, last) = steps_within(start..start + length, offset, step);
                let found = (first <= last).then_some((first, last));
                assert_eq!(
                    found,
                    slow(start..start + length, offset, step),
                    "{start} {length} {offset} {step}"
                );
            }
        }
    }

    /// A view that shows so many chunks that they are listed, and leaves out most of those between.
    #[test]
    fn steps_longer_than_chunks_leave_chunks_out() {
        let mut spec = CreateSpec::new(DataType::U8, "0:3000".parse().unwrap());
        spec.storage.chunk_shape = Some(vec![3]);
        let array = OpenOptions::new().format("zarr3").create("memory://chunk-set/steps", &spec).unwrap();
        array.write(&[0], ndarray::Array1::<u8>::ones(1500).view()).unwrap();
        let step = Index::Slice { start: Some(0), stop: None, step: 10 };
        let view = array.slice(&[step]).unwrap();
        let set = view.stored_chunks(view.domain()).unwrap();
        assert_eq!((set.len(), set.iter().count(), set.missing().count(), set.shown()), (150, 150, 150, 300));
        let asked = ChunkSet::none_of(&view, view.domain()).unwrap().ask().unwrap();
        assert_eq!(asked.numbers, set.numbers);
        assert!((0..150).all(|k| set.nth(k) == set.iter().nth(k as usize) && set.nth(k).is_some()));
    }

    proptest! {
        /// Each element that is one lies in one box, and each box has one.
        #[test]
        fn boxes_of_views_are_where_elements_are(
            slices in prop::collection::vec((0i64..10, 1u64..12, prop::sample::select(vec![-5i64, -2, -1, 1, 2, 7])), 3),
            order in Just(vec![0usize, 1, 2]).prop_shuffle(),
            fixed in prop::option::of(0usize..3),
        ) {
            let array = SOME.with(Array::clone);
            let mut indices = Vec::new();
            for (axis, &(first, count, step)) in slices.iter().enumerate() {
                let range = array.domain().range(axis);
                let at = if step > 0 { range.start + first } else { range.end - 1 - first };
                indices.push(match fixed {
                    Some(fixed) if fixed == axis => Index::At(at),
                    _ => Index::Slice { start: Some(at), stop: Some(at + step * count as i64), step },
                });
            }
            let view = array.slice(&indices).unwrap();
            let axes: Vec<usize> = order.into_iter().filter(|&axis| axis < view.ndim()).collect();
            let view = view.permute(&axes).unwrap();
            let set = view.stored_chunks(view.domain()).unwrap();
            let asked = ChunkSet::none_of(&view, view.domain()).unwrap().ask().unwrap();
            prop_assert_eq!(&asked.numbers, &set.numbers);
            let Listed::All(listed) = view.listed_chunks().unwrap() else { panic!("not listed") };
            let boxes: Vec<Domain> = set.iter().collect();
            prop_assert_eq!(&listed.iter().collect::<Vec<_>>()[..], &boxes[..]);
            prop_assert_eq!(set.shown(), set.iter().count() as u64 + set.missing().count() as u64);
            let elements = view.read::<u8>(view.domain()).unwrap().into_data();
            for (part, is_stored) in boxes.iter().map(|part| (part, 1)).chain(set.missing().collect::<Vec<_>>().iter().map(|part| (part, 0))) {
                let origin: Vec<usize> = part.origin().iter().zip(view.domain().origin()).map(|(at, from)| (at - from) as usize).collect();
                for (index, &element) in elements.indexed_iter() {
                    let index = ndarray::Dimension::slice(&index);
                    let inside = (0..index.len()).all(|axis| {
                        (origin[axis]..origin[axis] + part.shape()[axis] as usize).contains(&index[axis])
                    });
                    // A view may reach outside, where there are no chunks.
                    prop_assert!(!inside || element == is_stored);
                }
            }
            let half = |one: Range<i64>| one.start..(one.start + one.end + 1) / 2;
            let halves = Domain::from_ranges(&view.domain().ranges().map(half).collect::<Vec<_>>()).unwrap();
            let far = view.domain().translate(&vec![5; view.ndim()]).unwrap();
            for part in boxes.iter().chain([&halves, &far, view.domain()]) {
                let mut due = boxes.clone();
                due.retain(|one| !one.intersect(part).is_empty());
                prop_assert_eq!(set.within(part).unwrap(), due);
            }
            let total: u64 = boxes.iter().map(|part| part.checked_len().unwrap()).sum();
            prop_assert_eq!(total, elements.iter().map(|&one| u64::from(one)).sum::<u64>());
        }
    }
}
