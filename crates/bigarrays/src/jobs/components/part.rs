//! What a block leaves for others: the components at its ends, and where all of its components begin.

use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::jobs::components::rule::Rule;
use crate::jobs::components::scan::Scan;
use crate::jobs::geometry::{Geometry, Neighbours, each};

/// The components of a block, as others have to know them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Along each axis in the order of memory.
    pub(super) shape: Vec<u64>,
    /// The components below and above along each axis, row by row: how many places each has. Nothing where there is no block beside.
    faces: Vec<[Vec<(u32, u32)>; 2]>,
    /// What those that reach an end are made of.
    keys: Vec<u64>,
    /// The number in coordinate order of the first element of each component; those that reach an end come first.
    pub(super) firsts: Vec<u64>,
}

impl Part {
    pub(super) fn of<T: Copy, R: Rule<T>>(
        scan: &Scan,
        elements: &[T],
        geometry: &Geometry,
        rule: &R,
    ) -> Self {
        let face = |axis: usize, is_above: bool| {
            let is_there = scan.touching > 0 && geometry.beside[axis][usize::from(is_above)];
            if is_there { scan.face(geometry, axis, is_above) } else { Vec::new() }
        };
        Self {
            shape: geometry.shape.iter().map(|&length| length as u64).collect(),
            faces: (0..geometry.shape.len()).map(|axis| [face(axis, false), face(axis, true)]).collect(),
            keys: scan.keys(elements, rule),
            firsts: scan.firsts(geometry),
        }
    }

    /// How many components reach an end beyond which there is another block.
    pub(super) fn touching(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn count(&self) -> usize {
        self.firsts.len()
    }

    /// Bytes that it takes until all around it is done.
    pub(super) fn bytes(&self) -> u64 {
        let faces = self.faces.iter().flatten().map(Vec::len).sum::<usize>() as u64;
        8 * (faces + self.keys.len() as u64 + self.shape.len() as u64) + 512
    }

    /// The most bytes that one of so many elements along each axis takes.
    pub(super) fn most(elements: u64, shape: &[u64]) -> u64 {
        let face = |&length: &u64| elements / length.max(1) * 2;
        let faces = shape.iter().map(face).fold(0, u64::saturating_add);
        // A run of a face, and what it is made of.
        faces.saturating_mul(16).saturating_add(8 * shape.len() as u64 + 512)
    }

    fn face(&self, axis: usize, is_above: bool) -> Vec<u32> {
        let runs = &self.faces[axis][usize::from(is_above)];
        let count = runs.iter().map(|run| run.0 as usize).sum();
        let mut labels = Vec::with_capacity(count);
        runs.iter().for_each(|&(count, label)| labels.resize(labels.len() + count as usize, label));
        labels
    }

    /// The pairs of a component of this block and one of `other`, which lies beside it by `step`, that are one. The first step along
    /// an axis is up.
    pub(super) fn pairs(&self, other: &Self, step: &[i8], neighbours: &Neighbours) -> Vec<(u32, u32)> {
        let Some(axis) = step.iter().position(|&one| one != 0) else { return Vec::new() };
        if self.touching() == 0 || other.touching() == 0 {
            return Vec::new();
        }
        let (own, theirs) = (self.face(axis, true), other.face(axis, false));
        let lines = Lines::of(&self.shape, &other.shape, step, axis);
        let may: Dims<bool> = step.iter().map(|&one| one == 0).collect();
        let taken = step.iter().filter(|&&one| one != 0).count();
        let shifts = neighbours.steps(neighbours.order - taken, &may, false);
        let mut found = Vec::new();
        for mut shift in shifts {
            shift.remove(axis);
            lines.each(&shift, |at, from, count| {
                let mut last = (0, 0);
                for (&one, &two) in own[at..at + count].iter().zip(&theirs[from..from + count]) {
                    if (one, two) != last && one > 0 && two > 0 {
                        last = (one, two);
                        if self.keys[one as usize - 1] == other.keys[two as usize - 1] {
                            found.push(last);
                        }
                    }
                }
            });
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// As bytes, for a later run.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut words = vec![self.shape.len() as u64];
        words.extend(&self.shape);
        for face in self.faces.iter().flatten() {
            words.push(face.len() as u64);
            words.extend(face.iter().map(|&(count, label)| u64::from(count) << 32 | u64::from(label)));
        }
        for list in [&self.keys, &self.firsts] {
            words.push(list.len() as u64);
            words.extend(list);
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// What [`Part::to_bytes`] gave.
    ///
    /// # Errors
    /// `CorruptData` if they are none.
    pub(super) fn of_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::corrupt("what a block has left for others is damaged");
        let mut words =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        let mut list = |of: Option<u64>| -> Result<Vec<u64>> {
            let count = of.or_else(|| words.next()).filter(|&count| count <= bytes.len() as u64 / 8);
            let count = count.ok_or_else(damaged)? as usize;
            let found: Vec<u64> = words.by_ref().take(count).collect();
            if found.len() == count { Ok(found) } else { Err(damaged()) }
        };
        let shape = list(None)?;
        let mut face = || Ok(list(None)?.iter().map(|&word| ((word >> 32) as u32, word as u32)).collect());
        let faces = shape.iter().map(|_| Ok([face()?, face()?])).collect::<Result<_>>()?;
        Ok(Self { faces, shape, keys: list(None)?, firsts: list(None)? })
    }
}

/// The places of two faces that lie on each other, or beside each other.
struct Lines {
    /// How many places there are along each axis, the same in both.
    shape: Dims<usize>,
    /// By how much places of the faces grow, and where they begin.
    strides: [Dims<usize>; 2],
    first: [usize; 2],
}

impl Lines {
    /// Of the blocks of these shapes, of which the second lies by `step` beside the first, the faces along `axis`.
    fn of(one: &[u64], other: &[u64], step: &[i8], axis: usize) -> Self {
        let others: Dims<usize> = (0..step.len()).filter(|&at| at != axis).collect();
        let strides_of = |shape: &[u64]| {
            let mut strides: Dims<usize> = Dims::from_elem(1, others.len());
            for at in (1..others.len()).rev() {
                strides[at - 1] = strides[at] * shape[others[at]] as usize;
            }
            strides
        };
        let strides = [strides_of(one), strides_of(other)];
        let end = |shape: &[u64], at: usize, is_last: bool| {
            if is_last { shape[others[at]] as usize - 1 } else { 0 }
        };
        let all = 0..others.len();
        let first = [
            all.clone().map(|at| end(one, at, step[others[at]] > 0) * strides[0][at]).sum(),
            all.clone().map(|at| end(other, at, step[others[at]] < 0) * strides[1][at]).sum(),
        ];
        let shape = all.map(|at| if step[others[at]] == 0 { one[others[at]] as usize } else { 1 }).collect();
        Self { shape, strides, first }
    }

    /// Calls `work` with runs of places: where they begin in the first face, where those that lie beside by `shift` do in the
    /// second, and how many there are.
    fn each(&self, shift: &[i8], mut work: impl FnMut(usize, usize, usize)) {
        let part = |at: usize| {
            let (length, shift) = (self.shape[at], shift[at]);
            let first = usize::from(shift < 0);
            (first, length.saturating_sub(usize::from(shift != 0)))
        };
        let (ndim, [own, theirs]) = (self.shape.len(), &self.strides);
        let lengths: Dims<usize> = (0..ndim).map(|at| part(at).1).collect();
        let Some((&inner, outer)) = lengths.split_last() else {
            return work(self.first[0], self.first[1], 1);
        };
        if inner == 0 {
            return;
        }
        let place = |at: usize, index: usize| {
            let from = part(at).0 + index;
            (from * own[at], (from.saturating_add_signed(shift[at].into())) * theirs[at])
        };
        each(outer, |index| {
            let mut both = (self.first[0], self.first[1]);
            for (at, &index) in index.iter().chain(&[0]).enumerate() {
                let (one, other) = place(at, index);
                both = (both.0 + one, both.1 + other);
            }
            work(both.0, both.1, inner);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_same_after_a_while_in_a_file() {
        let part = Part {
            shape: vec![3, 2],
            faces: vec![[vec![(2, 1)], vec![]], [vec![], vec![(1, 2), (2, 0)]]],
            keys: vec![7, u64::MAX],
            firsts: vec![0, 3, 5],
        };
        let bytes = part.to_bytes();
        assert_eq!(Part::of_bytes(&bytes).unwrap(), part);
        assert!((0..bytes.len()).all(|end| Part::of_bytes(&bytes[..end]).is_err()));
    }
}
