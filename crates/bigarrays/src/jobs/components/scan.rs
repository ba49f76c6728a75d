//! Components within a block: runs of elements along rows, joined with those of rows before.

use std::ops::Range;

use crate::base::dims::Dims;
use crate::jobs::components::rule::Rule;
use crate::jobs::geometry::{Geometry, Neighbours, each};
use crate::jobs::runs::Runs;

/// Set for numbers of components that are final.
const FINAL: u32 = 1 << 31;

/// The runs of the rows of a block, and the components that they are parts of.
#[derive(Debug)]
pub(super) struct Scan {
    runs: Runs,
    /// The component of each, from 1 on; 0 for background.
    labels: Vec<u32>,
    /// How many components there are.
    pub(super) count: u32,
    /// How many of them, the first ones, reach an end of the block beyond which there is another.
    pub(super) touching: u32,
}

/// Sets of numbers, each of which has its least member for a name.
#[derive(Debug, Default)]
struct Forest(Vec<u32>);

impl Forest {
    fn add(&mut self) -> u32 {
        let own = self.0.len() as u32;
        self.0.push(own);
        own
    }

    fn find(&mut self, mut one: u32) -> u32 {
        while self.0[one as usize] != one {
            let above = self.0[self.0[one as usize] as usize];
            self.0[one as usize] = above;
            one = above;
        }
        one
    }

    fn join(&mut self, one: u32, other: u32) -> u32 {
        let (one, other) = (self.find(one), self.find(other));
        let (least, most) = (one.min(other), one.max(other));
        self.0[most as usize] = least;
        least
    }
}

/// A row of the block before the one at hand, some of whose elements are neighbours.
struct Before {
    /// Its runs that may be neighbours of the run at hand or of later ones.
    runs: Range<usize>,
    /// Where its elements begin.
    first: usize,
    /// Whether elements are neighbours whose places differ by one.
    reach: usize,
}

/// Steps to rows before, and whether elements there are neighbours whose places differ by one.
fn steps_before(neighbours: &Neighbours) -> Vec<(Dims<i8>, usize)> {
    let ndim = neighbours.joins.len();
    let mut may: Dims<bool> = Dims::from_elem(true, ndim);
    may[ndim - 1] = false;
    let joins_inner = neighbours.joins[ndim - 1];
    let mut found = Vec::new();
    for step in neighbours.steps(neighbours.order, &may, true) {
        let count = step.iter().filter(|&&one| one != 0).count();
        if count > 0 {
            let back = step[..ndim - 1].iter().map(|&one| -one).collect();
            found.push((back, usize::from(joins_inner && count < neighbours.order)));
        }
    }
    found
}

impl Scan {
    /// The components of a block, whose elements lie in the order of memory.
    pub(super) fn of<T: Copy, R: Rule<T>>(
        elements: &[T],
        geometry: &Geometry,
        neighbours: &Neighbours,
        rule: &R,
    ) -> Self {
        let joins_inner = neighbours.joins.last().copied().unwrap_or(false);
        let is_run = |one: T, other: T| joins_inner && rule.is_run(one, other);
        let runs = Runs::of(elements, geometry.inner(), is_run);
        let (labels, length) = (vec![0; runs.len()], runs.length);
        let mut scan = Self { runs, labels, count: 0, touching: 0 };
        let steps = steps_before(neighbours);
        let (mut forest, mut row, mut before) = (Forest::default(), 0, Vec::new());
        // Background.
        forest.add();
        let outer = geometry.outer();
        each(outer, |at| {
            before.clear();
            for (step, reach) in &steps {
                let place = |((&at, &step), &length): ((&usize, &i8), &usize)| {
                    at.checked_add_signed(step.into())
                        .filter(|&place| place < length)
                        .map(|place| (place, length))
                };
                let mut known = at.iter().zip(step).zip(outer).map(place);
                let known = known.try_fold(0, |all, one| one.map(|(place, length)| all * length + place));
                if let Some(known) = known {
                    before.push(Before {
                        runs: scan.runs.of_row(known),
                        first: known * length,
                        reach: *reach,
                    });
                }
            }
            scan.join_row(row, elements, &mut before, &mut forest, rule);
            row += 1;
        });
        scan.number(geometry, forest);
        scan
    }

    fn join_row<T: Copy, R: Rule<T>>(
        &mut self,
        row: usize,
        elements: &[T],
        before: &mut [Before],
        forest: &mut Forest,
        rule: &R,
    ) {
        let (runs, first) = (self.runs.of_row(row), row * self.runs.length);
        for run in runs.clone() {
            let (start, end) = (self.runs.start(run), self.runs.end(run, runs.end));
            let element = elements[first + start];
            if rule.is_background(element) {
                continue;
            }
            let mut label = 0;
            for one in &mut *before {
                while one.runs.start < one.runs.end
                    && self.runs.end(one.runs.start, one.runs.end) + one.reach <= start
                {
                    one.runs.start += 1;
                }
                for other in one.runs.clone() {
                    let at = self.runs.start(other);
                    if at >= end + one.reach {
                        break;
                    }
                    let known = self.labels[other];
                    if known == 0 || known == label || !rule.are_one(element, elements[one.first + at]) {
                        continue;
                    }
                    label = if label == 0 { known } else { forest.join(label, known) };
                }
            }
            self.labels[run] = if label == 0 { forest.add() } else { label };
        }
    }

    /// Gives components their numbers: those first that reach an end beyond which there is another block.
    fn number(&mut self, geometry: &Geometry, forest: Forest) {
        let mut names = forest.0;
        // The name of a set is its least member, and comes first.
        for label in 0..names.len() {
            names[label] = names[names[label] as usize];
        }
        let mut touches = vec![false; names.len()];
        self.each_touching(geometry, |label| touches[names[label as usize] as usize] = true);
        touches[0] = false;
        let touching = touches.iter().filter(|&&one| one).count() as u32;
        let (mut next, mut next_inner) = (1, touching + 1);
        for label in 1..names.len() {
            if names[label] as usize != label {
                names[label] = names[names[label] as usize];
                continue;
            }
            let number = if touches[label] { &mut next } else { &mut next_inner };
            names[label] = *number | FINAL;
            *number += 1;
        }
        drop(touches);
        self.labels.iter_mut().for_each(|label| *label = names[*label as usize] & !FINAL);
        (self.count, self.touching) = (next_inner - 1, touching);
    }

    fn each_touching(&self, geometry: &Geometry, mut work: impl FnMut(u32)) {
        let [below, above] = geometry.beside.last().copied().unwrap_or_default();
        let mut row = 0;
        each(geometry.outer(), |at| {
            let runs = self.runs.of_row(row);
            if geometry.is_edge(at) {
                self.labels[runs].iter().for_each(|&label| work(label));
            } else {
                let ends = [(below, runs.start), (above, runs.end - 1)];
                ends.iter().filter(|(is_there, _)| *is_there).for_each(|&(_, run)| work(self.labels[run]));
            }
            row += 1;
        });
    }

    /// Calls `work` with each run that is not background: the index of its row, its places there, and its component.
    pub(super) fn each_run(&self, geometry: &Geometry, mut work: impl FnMut(&[usize], Range<usize>, u32)) {
        let mut row = 0;
        each(geometry.outer(), |at| {
            let runs = self.runs.of_row(row);
            for run in runs.clone() {
                if self.labels[run] > 0 {
                    work(at, self.runs.start(run)..self.runs.end(run, runs.end), self.labels[run]);
                }
            }
            row += 1;
        });
    }

    /// The number in coordinate order of the first element of each component.
    pub(super) fn firsts(&self, geometry: &Geometry) -> Vec<u64> {
        let mut firsts = vec![u64::MAX; self.count as usize];
        // Coordinates grow along rows as numbers do.
        self.each_run(geometry, |at, places, label| {
            let first = &mut firsts[label as usize - 1];
            *first = (*first).min(geometry.number(at) + places.start as u64 * geometry.step());
        });
        firsts
    }

    /// What each of the components that reach an end is made of.
    pub(super) fn keys<T: Copy, R: Rule<T>>(&self, elements: &[T], rule: &R) -> Vec<u64> {
        let mut keys = vec![0; self.touching as usize];
        for row in 0..self.runs.rows() {
            for run in self.runs.of_row(row) {
                if let Some(key) = (self.labels[run] as usize).checked_sub(1).and_then(|at| keys.get_mut(at))
                {
                    *key = rule.key(elements[row * self.runs.length + self.runs.start(run)]);
                }
            }
        }
        keys
    }

    /// The elements that a component has become, in the order of memory.
    pub(super) fn fill<N: Copy>(&self, out: &mut [N], number: impl Fn(u32) -> N) {
        for (row, out) in out.chunks_exact_mut(self.runs.length).enumerate() {
            let runs = self.runs.of_row(row);
            for run in runs.clone() {
                out[self.runs.start(run)..self.runs.end(run, runs.end)].fill(number(self.labels[run]));
            }
        }
    }

    /// The components at an end along an axis, in the order of memory: how many places each has one after the other.
    pub(super) fn face(&self, geometry: &Geometry, axis: usize, is_above: bool) -> Vec<(u32, u32)> {
        let mut face: Vec<(u32, u32)> = Vec::new();
        let mut put = |count: usize, label: u32| match face.last_mut() {
            Some(last) if last.1 == label => last.0 += count as u32,
            _ => face.push((count as u32, label)),
        };
        let (mut row, outer) = (0, geometry.outer());
        each(outer, |at| {
            let runs = self.runs.of_row(row);
            row += 1;
            if axis == outer.len() {
                let run = if is_above { runs.end - 1 } else { runs.start };
                return put(1, self.labels[run]);
            }
            let place = if is_above { outer[axis] - 1 } else { 0 };
            if at[axis] == place {
                for run in runs.clone() {
                    put(self.runs.end(run, runs.end) - self.runs.start(run), self.labels[run]);
                }
            }
        });
        face
    }
}
