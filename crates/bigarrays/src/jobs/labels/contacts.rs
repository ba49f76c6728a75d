//! Which labels touch which, and how large their contacts are.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::compute::{Cuts, Digest, is_of_space};
use crate::jobs::blockwise::Blockwise;
use crate::jobs::front::{Front, Taken};
use crate::jobs::geometry::{Geometry, each, in_order};
use crate::jobs::labels::options::LabelOptions;
use crate::jobs::labels::reading::Reading;
use crate::jobs::labels::tally::{MANY, Tally, Total};
use crate::jobs::labels::word::{Label, for_label, label_of};
use crate::jobs::runs::Runs;

/// Pairs of labels that share faces of voxels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contacts {
    /// The two labels of each pair, the lesser first; ascending.
    pub pairs: Vec<(i128, i128)>,
    /// How many faces they share across each axis.
    pub faces: Vec<Dims<u64>>,
    /// The area of these faces, by the sizes of elements along the axes of space; in elements where no size is known.
    pub areas: Vec<f64>,
}

/// The pairs of labels that share faces of voxels, and how many across each axis of space. Background touches nothing. Only pairs that are
/// met take memory, and the ends of blocks until those beside them are done; where nothing is stored, nothing is done.
///
/// ```
/// use bigarrays::jobs::{LabelOptions, contacts};
/// use bigarrays::ndarray::array;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let options = OpenOptions::new().format("zarr3");
/// let labels = options.create("memory://contacts", &CreateSpec::new(DataType::U64, "0:2,0:4".parse()?))?;
/// labels.write(&[0, 0], array![[7u64, 7, 0, 3], [0, 5, 7, 7]].view())?;
/// let found = contacts(&labels, &LabelOptions::default())?;
/// assert_eq!(found.pairs, [(3, 7), (5, 7)]);
/// assert_eq!((found.faces[0].to_vec(), found.faces[1].to_vec()), (vec![1, 0], vec![1, 1]));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if elements are no whole numbers; `MemoryBudget` before anything is read, or once there are more pairs than the
/// budget has room for; `Cancelled`; those of reading.
pub fn contacts(labels: &Array, options: &LabelOptions<'_>) -> Result<Contacts> {
    for_label!(labels.dtype(), T => {
        let Some(reading) = Reading::<T>::new("contacts", labels, options)? else {
            return Ok(Contacts::default());
        };
        let Reading { blocks, ground, entries, room } = &reading;
        let joins: Dims<bool> = labels.axis_names().iter().map(|name| is_of_space(name)).collect();
        let joins = in_order(labels.order(), joins.into_iter());
        let total = Total::new(joins.len(), join, room / 3, "pairs of labels that touch");
        let ends = Ends::new(*room, blocks, &joins);
        blocks.each(Some(0), &|progress| options.tell((0, 1), progress), &|number, block| {
            if !blocks.does_share() {
                ends.front.wait(blocks.plan.position(number))?;
            }
            let make = |put: &mut dyn FnMut(Vec<u64>) -> Result<()>| -> Result<Option<Digest>> {
                let (elements, from) = blocks.read::<T>(block)?;
                let geometry = blocks.geometry(number, block);
                let scan = Scan { elements: &elements, geometry: &geometry, joins: &joins, ground: *ground };
                scan.collect(put)?;
                put(scan.faces())?;
                Ok(from)
            };
            let take = |words: &[u64]| match words.split_first() {
                // What lies at the ends comes last.
                Some((&FACES, faces)) => ends.add(blocks, number, faces, &joins, &total),
                Some((_, pairs)) => total.add(pairs),
                None => Ok(()),
            };
            blocks.left(number, block, entries.as_ref(), &make, &take)
        })?;
        if blocks.does_share() {
            return Ok(Contacts::default());
        }
        labels.expect_as_opened()?;
        Ok(found(&total.into_tally(), labels))
    })
}

/// What the words of a block begin with: those of pairs, and those of its ends.
const PAIRS: u64 = 0;
const FACES: u64 = 1;

fn join(own: &mut [u64], other: &[u64]) {
    own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
}

/// A label, if it is no background.
type Word = Option<u64>;

/// Calls `work` with the labels of places that lie on each other, and how many such places there are, of two lists of runs: how many
/// places each has.
fn meet(
    one: impl Iterator<Item = (u64, Word)>,
    mut other: impl Iterator<Item = (u64, Word)>,
    mut work: impl FnMut(u64, u64, u64),
) {
    let mut second = (0, None);
    for (mut count, label) in one {
        while count > 0 {
            if second.0 == 0 {
                match other.next() {
                    Some(next) => second = next,
                    None => return,
                }
                continue;
            }
            let both = count.min(second.0);
            if let (Some(one), Some(two)) = (label, second.1)
                && one != two
            {
                work(one, two, both);
            }
            count -= both;
            second.0 -= both;
        }
    }
}

/// A block that is looked through.
struct Scan<'s, T> {
    elements: &'s [T],
    geometry: &'s Geometry,
    joins: &'s [bool],
    ground: T,
}

/// Contacts within a block.
struct Within {
    tally: Tally<(u64, u64)>,
    ndim: usize,
    /// The last pair, of which there are often more.
    last: (u64, u64, usize, u64),
}

impl Within {
    fn add(&mut self, axis: usize, one: u64, other: u64, faces: u64) {
        let pair = (one.min(other), one.max(other));
        if (self.last.0, self.last.1, self.last.2) == (pair.0, pair.1, axis) {
            self.last.3 += faces;
            return;
        }
        self.end();
        self.last = (pair.0, pair.1, axis, faces);
    }

    fn end(&mut self) {
        let (one, other, axis, faces) = self.last;
        if faces > 0 {
            let mut words: Dims<u64> = Dims::from_elem(0, self.ndim);
            words[axis] = faces;
            self.tally.add((one, other), &words);
        }
        self.last.3 = 0;
    }

    fn words(&mut self) -> Vec<u64> {
        self.end();
        let mut words = vec![PAIRS];
        words.extend(self.tally.take());
        words
    }
}

impl<T: Label> Scan<'_, T> {
    fn word(&self, element: T) -> Word {
        (element != self.ground).then(|| element.word())
    }

    /// The runs of a row: how many elements each has, and their label.
    fn row<'r>(&'r self, runs: &'r Runs, row: usize) -> impl Iterator<Item = (u64, Word)> + 'r {
        let of_row = runs.of_row(row);
        of_row.clone().map(move |run| {
            let start = runs.start(run);
            let count = runs.end(run, of_row.end) - start;
            (count as u64, self.word(self.elements[row * runs.length + start]))
        })
    }

    fn runs(&self) -> Runs {
        Runs::of(self.elements, self.geometry.inner(), |one, other| one == other)
    }

    /// Passes on the contacts within the block.
    fn collect(&self, put: &mut dyn FnMut(Vec<u64>) -> Result<()>) -> Result<()> {
        let (ndim, outer, runs) = (self.joins.len(), self.geometry.outer(), self.runs());
        let tally = Tally::new(ndim, join);
        let mut within = Within { tally, ndim, last: (0, 0, 0, 0) };
        let (mut row, mut outcome) = (0, Ok(()));
        // How many rows further a neighbour along each axis is.
        let mut strides: Dims<usize> = Dims::from_elem(1, outer.len());
        for axis in (1..outer.len()).rev() {
            strides[axis - 1] = strides[axis] * outer[axis];
        }
        each(outer, |at| {
            if outcome.is_err() {
                return;
            }
            if self.joins.last() == Some(&true) {
                let pairs = self.row(&runs, row).zip(self.row(&runs, row).skip(1));
                let pairs = pairs.filter_map(|((_, one), (_, other))| one.zip(other));
                pairs.for_each(|(one, other)| within.add(ndim - 1, one, other, 1));
            }
            for axis in (0..outer.len()).filter(|&axis| self.joins[axis] && at[axis] > 0) {
                let before = self.row(&runs, row - strides[axis]);
                meet(self.row(&runs, row), before, |one, other, faces| within.add(axis, one, other, faces));
            }
            row += 1;
            if within.tally.len() > MANY {
                outcome = put(within.words());
            }
        });
        outcome?;
        put(within.words())
    }

    /// What lies at the ends beyond which there are other blocks: for each axis, below and above, how many runs there are, and of each
    /// how many places it has, its label, and whether it is one.
    fn faces(&self) -> Vec<u64> {
        let mut words = vec![FACES];
        for axis in 0..self.joins.len() {
            for (is_above, is_there) in
                [(false, self.geometry.beside[axis][0]), (true, self.geometry.beside[axis][1])]
            {
                let face = if is_there && self.joins[axis] { self.face(axis, is_above) } else { Vec::new() };
                words.push(face.len() as u64);
                words.extend(
                    face.into_iter().flat_map(|(count, word)| {
                        [count << 1 | u64::from(word.is_some()), word.unwrap_or(0)]
                    }),
                );
            }
        }
        words
    }

    fn face(&self, axis: usize, is_above: bool) -> Vec<(u64, Word)> {
        let (outer, length) = (self.geometry.outer(), self.geometry.inner().max(1));
        let mut face: Vec<(u64, Word)> = Vec::new();
        let mut put = |element: T| {
            let word = self.word(element);
            match face.last_mut() {
                Some(last) if last.1 == word => last.0 += 1,
                _ => face.push((1, word)),
            }
        };
        let mut row = 0;
        each(outer, |at| {
            let elements = &self.elements[row * length..][..length];
            row += 1;
            if axis == outer.len() {
                put(if is_above { elements[length - 1] } else { elements[0] });
            } else if at[axis] == if is_above { outer[axis] - 1 } else { 0 } {
                elements.iter().for_each(|&element| put(element));
            }
        });
        face
    }
}

/// A place between two blocks: the lower of them, and the axis.
type Between = (u64, usize);

/// The ends of blocks whose neighbours are not done.
struct Ends {
    waiting: Mutex<HashMap<Between, Vec<u64>>>,
    front: Front,
    /// The most bytes that they may take, if blocks are done in their order.
    most: u64,
}

/// Bytes of the ends of a block beside one that have so many words.
fn bytes_of(words: u64) -> u64 {
    words.saturating_mul(8).saturating_add(96)
}

impl Ends {
    /// Within a third of so many bytes, and a quarter of what they have for those of blocks that are done before others.
    fn new(room: u64, blocks: &Blockwise<'_>, joins: &[bool]) -> Self {
        let lengths: Dims<u64> = blocks.plan.blocks.cuts.iter().map(Cuts::longest).collect();
        let lengths = in_order(blocks.source.order(), lengths.into_iter());
        // Two words for each element.
        let face = |axis: usize| {
            let others = (0..lengths.len()).filter(|&other| other != axis).map(|other| lengths[other]);
            bytes_of(others.fold(2, u64::saturating_mul))
        };
        let faces = (0..joins.len()).filter(|&axis| joins[axis]).map(face);
        let part = faces.fold(0, u64::saturating_add).saturating_mul(2);
        let (front, most) = Front::within(room / 9 * 4, blocks.plan.in_flight as u64, part);
        Self { waiting: Mutex::default(), front, most }
    }

    /// Adds the ends of a block, and the contacts across those whose other side is known.
    fn add(
        &self,
        blocks: &Blockwise<'_>,
        number: u64,
        words: &[u64],
        joins: &[bool],
        total: &Total<(u64, u64)>,
    ) -> Result<()> {
        let damaged = || Error::corrupt("what a block has left for others is damaged");
        let (mut rest, mut faces) = (words, Vec::new());
        for axis in 0..joins.len() {
            for is_above in [false, true] {
                let (&count, behind) = rest.split_first().ok_or_else(damaged)?;
                let (face, behind) = behind.split_at_checked(count as usize * 2).ok_or_else(damaged)?;
                rest = behind;
                let Some(beside) = blocks.beside(number, axis, is_above).filter(|_| !face.is_empty()) else {
                    continue;
                };
                faces.push(((if is_above { number } else { beside }, axis), beside, face));
            }
        }
        // Those of blocks before it are there, if blocks are done in their order.
        let later = faces.iter().filter(|(_, beside, _)| *beside > number);
        let waiting = later.map(|(_, beside, face)| (bytes_of(face.len() as u64), vec![*beside])).collect();
        let taken = Taken { number, waiting, forever: 0, is_met_first: true };
        let bytes = self.front.add(blocks.plan.position(number), taken);
        if bytes > self.most {
            let most = self.most;
            let reason = format!("ends of blocks take {bytes} bytes, and the budget leaves {most}; raise it");
            return Err(Error::new(ErrorKind::MemoryBudget, reason));
        }
        for (between, _, face) in faces {
            if let Some(other) = self.meet(between, face) {
                total.add(&across(face, &other, between.1, joins.len()))?;
            }
        }
        Ok(())
    }

    /// The other side of a face, if it is known; it waits for it if not.
    fn meet(&self, between: Between, face: &[u64]) -> Option<Vec<u64>> {
        let mut waiting = self.waiting.locked();
        let other = waiting.remove(&between);
        if other.is_none() {
            waiting.insert(between, face.to_vec());
        }
        other
    }
}

/// The contacts between two faces, as the words of pairs.
fn across(one: &[u64], other: &[u64], axis: usize, ndim: usize) -> Vec<u64> {
    let runs = |words: &[u64]| {
        let run = |run: &[u64]| (run[0] >> 1, (run[0] & 1 > 0).then_some(run[1]));
        words.chunks_exact(2).map(run).collect::<Vec<_>>()
    };
    let mut within = Within { tally: Tally::new(ndim, join), ndim, last: (0, 0, 0, 0) };
    meet(runs(one).into_iter(), runs(other).into_iter(), |a, b, faces| within.add(axis, a, b, faces));
    within.end();
    within.tally.take()
}

/// The pairs, ascending, of what was counted in the order of memory.
fn found(tally: &Tally<(u64, u64)>, array: &Array) -> Contacts {
    let dtype = array.dtype();
    let sizes = array.resolution().map_or_else(|| Dims::from_elem(1.0, array.ndim()), |known| known.size);
    let space: Dims<bool> = array.axis_names().iter().map(|name| is_of_space(name)).collect();
    let face = |axis: usize| -> f64 {
        let others = (0..sizes.len()).filter(|&other| other != axis && space[other]);
        others.map(|other| sizes[other]).product()
    };
    let mut all: Vec<((i128, i128), Dims<u64>)> = tally
        .iter()
        .map(|((one, other), faces)| {
            let (one, other) = (label_of(one, dtype), label_of(other, dtype));
            ((one.min(other), one.max(other)), in_order(array.order(), faces.iter().copied()))
        })
        .collect();
    all.sort_unstable_by_key(|one| one.0);
    let area = |faces: &Dims<u64>| (0..faces.len()).map(|axis| faces[axis] as f64 * face(axis)).sum();
    Contacts {
        areas: all.iter().map(|one| area(&one.1)).collect(),
        pairs: all.iter().map(|one| one.0).collect(),
        faces: all.into_iter().map(|one| one.1).collect(),
    }
}
