//! What windows see beyond the ends of an axis.

use std::ops::Range;

use serde_json::Value;

use crate::base::buffer::{Order, View, ViewMut, byte_len};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::fields::{damaged, expect, real};
use crate::compute::memory::{Memory, lengths};
use crate::compute::number::Number;

/// What windows see beyond the ends of an axis, of which the elements are `a b c d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Boundary {
    /// The last element: `a a a | a b c d | d d d`.
    Nearest,
    /// The elements backward, the last one twice: `c b a | a b c d | d c b`. SciPy's `reflect`, NumPy's `symmetric`.
    Reflect,
    /// The elements backward, the last one once: `d c b | a b c d | c b a`. SciPy's `mirror`, NumPy's `reflect`.
    Mirror,
    /// Those of the other end: `b c d | a b c d | a b c`.
    Wrap,
    /// This number: `n n n | a b c d | n n n`.
    Constant(Number),
}

/// Coordinates after each other beyond an end, and where their elements come from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    wanted: Range<i64>,
    /// None for a constant.
    source: Option<Range<i64>>,
    is_backward: bool,
}

impl Boundary {
    /// The one of this name; `constant` has a number of its own.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str, constant: Number) -> Result<Self> {
        Ok(match name {
            "nearest" => Self::Nearest,
            "reflect" | "grid-mirror" => Self::Reflect,
            "mirror" => Self::Mirror,
            "wrap" | "grid-wrap" => Self::Wrap,
            "constant" | "grid-constant" => Self::Constant(constant),
            other => {
                let known = "known are nearest, reflect, mirror, wrap and constant";
                return Err(Error::invalid(format!("no boundary is called {other:?}; {known}")));
            }
        })
    }

    pub(crate) fn is_constant(self) -> bool {
        matches!(self, Self::Constant(_))
    }

    pub(crate) fn config(self) -> Config {
        match self {
            Self::Nearest => Config::new("nearest"),
            Self::Reflect => Config::new("reflect"),
            Self::Mirror => Config::new("mirror"),
            Self::Wrap => Config::new("wrap"),
            Self::Constant(number) => Config::new("constant").with(
                "value",
                match number {
                    Number::Whole(number) => Parameter::Integer(number),
                    Number::Real(number) => number.into(),
                },
            ),
        }
    }

    /// The one of such data.
    ///
    /// # Errors
    /// `InvalidArgument` for what is none.
    pub(crate) fn read(name: &str, config: &Value) -> Result<Self> {
        if name != "constant" {
            expect(["nearest", "reflect", "mirror", "wrap"].contains(&name))?;
            return Self::named(name, Number::Whole(0));
        }
        let value = config.get("value").ok_or_else(damaged)?;
        let number = match value.as_number().and_then(serde_json::Number::as_i128) {
            Some(whole) => Number::Whole(whole),
            None => Number::Real(real(value).ok_or_else(damaged)?),
        };
        Ok(Self::Constant(number))
    }

    /// Where the elements of the coordinates from `at` on come from, which are beyond the ends of `axis`: as far as they
    /// follow each other there.
    fn run(self, at: i64, axis: &Range<i64>) -> Run {
        let length = i128::from(axis.end) - i128::from(axis.start);
        let place = i128::from(at) - i128::from(axis.start);
        // A period of as many elements, forward and then backward, each without some at its ends.
        let (period, skipped) = match self {
            Self::Reflect => (2 * length, 0),
            Self::Mirror if length > 1 => (2 * length - 2, 1),
            Self::Wrap => (length, 0),
            Self::Nearest | Self::Mirror => {
                let source = if place < 0 { axis.start } else { axis.end - 1 };
                return Run { wanted: at..at + 1, source: Some(source..source + 1), is_backward: false };
            }
            Self::Constant(_) => {
                let end = if place < 0 { axis.start } else { i64::MAX };
                return Run { wanted: at..end, source: None, is_backward: false };
            }
        };
        let within = place.rem_euclid(period);
        let is_backward = within >= length;
        let (first, count) = match is_backward {
            false => (within, length - within),
            true => (period - 1 + skipped - within, period - within),
        };
        let first = axis.start.saturating_add(first as i64);
        let source = match is_backward {
            false => first..first.saturating_add(count as i64),
            true => first.saturating_sub(count as i64 - 1)..first.saturating_add(1),
        };
        Run { wanted: at..at.saturating_add(count as i64), source: Some(source), is_backward }
    }

    /// The parts of `wanted` that are beyond the ends of `axis`.
    fn runs(self, wanted: &Range<i64>, axis: &Range<i64>) -> Vec<Run> {
        let mut runs = Vec::new();
        for side in [wanted.start..wanted.end.min(axis.start), wanted.start.max(axis.end)..wanted.end] {
            let mut at = side.start;
            while at < side.end {
                let mut run = self.run(at, axis);
                let excess = (run.wanted.end.saturating_sub(side.end)).max(0);
                run.wanted.end = run.wanted.end.min(side.end);
                if let Some(source) = run.source.as_mut().filter(|_| excess > 0) {
                    if run.is_backward { source.start += excess } else { source.end -= excess }
                }
                at = run.wanted.end;
                runs.push(run);
            }
        }
        runs
    }
}

/// Writes the elements of a box to memory of its shape.
pub(crate) type ReadBox<'a> = dyn Fn(&Domain, ViewMut<'_>) -> Result<()> + 'a;

/// Elements of an input, and what is beyond its ends.
pub(crate) struct Beyond<'a> {
    pub(crate) domain: &'a Domain,
    pub(crate) dtype: DataType,
    /// Of each axis; no box reaches beyond those that have none.
    pub(crate) boundaries: Dims<Option<Boundary>>,
    /// Writes the elements of a box within the domain.
    pub(crate) read: &'a ReadBox<'a>,
}

impl Beyond<'_> {
    /// Writes the elements of `wanted` to dense memory, in C order. What is read once is not read again beside it.
    pub(crate) fn read(&self, wanted: &Domain, bytes: &mut [u8]) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (shape, item) = (lengths(wanted)?, self.dtype.size());
        let inside = wanted.intersect(self.domain);
        if !inside.is_empty() {
            let out = ViewMut::dense(bytes, &shape, item, Order::C)?;
            (self.read)(&inside, out.region(&inside.region_of(wanted)))?;
        }
        for axis in 0..wanted.ndim() {
            let Some(boundary) = self.boundaries[axis] else { continue };
            for run in boundary.runs(&wanted.range(axis), &self.domain.range(axis)) {
                self.put(&run, axis, boundary, (wanted, &inside), bytes)?;
            }
        }
        Ok(())
    }

    /// Gives `ask` the boxes within the domain that [`Beyond::read`] of a box reads.
    pub(crate) fn look_up(&self, wanted: &Domain, ask: &dyn Fn(&Domain) -> Result<()>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let inside = wanted.intersect(self.domain);
        if !inside.is_empty() {
            ask(&inside)?;
        }
        for axis in 0..wanted.ndim() {
            let Some(boundary) = self.boundaries[axis] else { continue };
            for run in boundary.runs(&wanted.range(axis), &self.domain.range(axis)) {
                if let Some(far) = self.far(&run, axis, (wanted, &inside))? {
                    self.look_up(&far, ask)?;
                }
            }
        }
        Ok(())
    }

    /// What a run along an axis is of, if that is not at hand.
    fn far(&self, run: &Run, axis: usize, (wanted, inside): (&Domain, &Domain)) -> Result<Option<Domain>> {
        let Some(source) = &run.source else { return Ok(None) };
        if !inside.is_empty() && source.start >= inside.origin()[axis] && source.end <= inside.end(axis) {
            return Ok(None);
        }
        let range = |other: usize| match other.cmp(&axis) {
            std::cmp::Ordering::Less => wanted.range(other),
            std::cmp::Ordering::Equal => source.clone(),
            std::cmp::Ordering::Greater => wanted.intersect(self.domain).range(other),
        };
        Domain::from_ranges(&(0..wanted.ndim()).map(range).collect::<Dims<_>>()).map(Some)
    }

    /// Writes the elements of a run along an axis. Those before the axis are there beyond the ends of their axes as well.
    fn put(
        &self,
        run: &Run,
        axis: usize,
        boundary: Boundary,
        (wanted, inside): (&Domain, &Domain),
        bytes: &mut [u8],
    ) -> Result<()> {
        let (shape, item) = (lengths(wanted)?, self.dtype.size());
        let slabs = Slabs::new(&shape, axis, item);
        let first = wanted.origin()[axis];
        let at = |range: &Range<i64>| range.start.abs_diff(first) as usize;
        let count = run.wanted.end.abs_diff(run.wanted.start) as usize;
        let Some(source) = &run.source else {
            let mut element = [0; 8];
            if let Boundary::Constant(number) = boundary {
                number.write(self.dtype, &mut element[..item])?;
            }
            slabs.fill(bytes, at(&run.wanted)..at(&run.wanted) + count, &element[..item]);
            return Ok(());
        };
        let Some(far) = self.far(run, axis, (wanted, inside))? else {
            slabs.copy(bytes, at(source), at(&run.wanted), count, run.is_backward);
            return Ok(());
        };
        if far.is_empty() {
            return Ok(());
        }
        let far_shape = lengths(&far)?;
        let mut elements = Memory::new(byte_len(&far_shape, item)?)?;
        self.read(&far, elements.bytes_mut())?;
        let mut ranges: Dims<Range<i64>> = far.ranges().collect();
        ranges[axis] = run.wanted.clone();
        let place = Domain::from_ranges(&ranges)?;
        let from = View::dense(elements.bytes(), &far_shape, item, Order::C)?;
        let from = if run.is_backward { from.reversed(axis) } else { from };
        let out = ViewMut::dense(bytes, &shape, item, Order::C)?;
        out.region(&place.region_of(wanted)).copy_from(&from);
        Ok(())
    }
}

/// Dense elements as slabs across an axis.
struct Slabs {
    outer: usize,
    length: usize,
    /// Bytes of a slab within one index of the axes before.
    inner: usize,
}

impl Slabs {
    fn new(shape: &[usize], axis: usize, item: usize) -> Self {
        Self {
            outer: shape[..axis].iter().product(),
            length: shape[axis],
            inner: shape[axis + 1..].iter().product::<usize>() * item,
        }
    }

    fn at(&self, outer: usize, slab: usize) -> usize {
        (outer * self.length + slab) * self.inner
    }

    fn fill(&self, bytes: &mut [u8], slabs: Range<usize>, element: &[u8]) {
        for outer in 0..self.outer {
            let range = self.at(outer, slabs.start)..self.at(outer, slabs.end);
            bytes[range].chunks_exact_mut(element.len()).for_each(|one| one.copy_from_slice(element));
        }
    }

    fn copy(&self, bytes: &mut [u8], from: usize, to: usize, count: usize, is_backward: bool) {
        for outer in 0..self.outer {
            if !is_backward {
                let start = self.at(outer, from);
                bytes.copy_within(start..start + count * self.inner, self.at(outer, to));
                continue;
            }
            for slab in 0..count {
                let start = self.at(outer, from + count - 1 - slab);
                bytes.copy_within(start..start + self.inner, self.at(outer, to + slab));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(boundary: Boundary, at: i64, length: i64) -> Option<i64> {
        let (mut at, end) = (at, length - 1);
        loop {
            match (boundary, at < 0, at > end) {
                (_, false, false) => return Some(at),
                (Boundary::Constant(_), ..) => return None,
                (Boundary::Nearest, below, _) => return Some(if below { 0 } else { end }),
                (Boundary::Wrap, below, _) => at += if below { length } else { -length },
                (Boundary::Reflect, below, _) => at = if below { -1 - at } else { 2 * end + 1 - at },
                (Boundary::Mirror, ..) if end == 0 => return Some(0),
                (Boundary::Mirror, below, _) => at = if below { -at } else { 2 * end - at },
            }
        }
    }

    proptest! {
        #[test]
        fn boxes_beyond_the_ends_are_made_of_what_is_inside(
            lengths in proptest::collection::vec((1i64..5, -9i64..9, 0i64..14), 1..4),
            kinds in proptest::collection::vec(0usize..5, 3),
        ) {
            let constant = Boundary::Constant(Number::Whole(99));
            let all = [Boundary::Nearest, Boundary::Reflect, Boundary::Mirror, Boundary::Wrap, constant];
            let shape: Vec<u64> = lengths.iter().map(|at| at.0 as u64).collect();
            let domain = Domain::from_shape(&shape).unwrap();
            let boundaries: Dims<_> = kinds.iter().map(|&kind| Some(all[kind])).collect();
            let wanted: Vec<_> = lengths.iter().map(|at| at.1..at.1 + at.2).collect();
            let wanted = Domain::from_ranges(&wanted).unwrap();
            let value = |at: &[i64]| at.iter().fold(0u8, |all, &one| all * 5 + one as u8);
            let read = |part: &Domain, mut out: ViewMut<'_>| {
                assert!(domain.contains(part));
                let made: Vec<u8> = points(part).iter().map(|at| value(at)).collect();
                out.copy_from(&View::dense(&made, &super::lengths(part)?, 1, Order::C)?);
                Ok(())
            };
            let beyond = Beyond { domain: &domain, dtype: DataType::U8, boundaries, read: &read };
            let mut found = vec![0; wanted.checked_len().unwrap() as usize];
            let asked = std::cell::RefCell::new(Vec::new());
            let read = |part: &Domain, out: ViewMut<'_>| {
                asked.borrow_mut().push(part.clone());
                read(part, out)
            };
            let beyond = Beyond { read: &read, ..beyond };
            beyond.read(&wanted, &mut found).unwrap();
            let looked_up = std::cell::RefCell::new(Vec::new());
            let ask = |part: &Domain| {
                looked_up.borrow_mut().push(part.clone());
                Ok(())
            };
            beyond.look_up(&wanted, &ask).unwrap();
            prop_assert_eq!(asked.into_inner(), looked_up.into_inner());
            for (at, found) in points(&wanted).iter().zip(found) {
                let inside = at.iter().enumerate().map(|(axis, &at)| place(all[kinds[axis]], at, lengths[axis].0));
                let expected = inside.collect::<Option<Vec<_>>>().map_or(99, |at| value(&at));
                prop_assert_eq!(found, expected, "{:?}", at);
            }
        }
    }

    fn points(part: &Domain) -> Vec<Vec<i64>> {
        part.ranges().fold(vec![vec![]], |all, range| {
            let with =
                |at: &Vec<i64>| range.clone().map(|one| [&at[..], &[one]].concat()).collect::<Vec<_>>();
            all.iter().flat_map(with).collect()
        })
    }
}
