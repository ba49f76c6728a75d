//! Reading what a view shows of elements that are stored, or computed on the way.

use std::ops::Range;

use crate::array::{Array, Coordinates, OutsidePoints};
use crate::base::buffer::{Order, Region, View, ViewMut, byte_len};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::mapping::{Mapping, Pick};
use crate::compute::memory::{Memory, lengths};

/// What a view shows.
pub(super) enum Shown<'a> {
    Array(&'a Array),
    /// What writes the elements of a box to memory of its shape.
    Other(&'a dyn Fn(&Domain, ViewMut<'_>) -> Result<()>),
}

impl Shown<'_> {
    /// Writes the elements of `part` to `out`.
    pub(super) fn read(&self, part: &Domain, mut out: ViewMut<'_>) -> Result<()> {
        match self {
            Self::Other(read) => read(part, out),
            Self::Array(array) => {
                array.read_into(part, out.reborrow())?;
                if array.dtype() == DataType::Bool {
                    out.make_boolean();
                }
                Ok(())
            }
        }
    }
}

/// Reads what a view shows in `part`.
pub(super) fn read(mapping: &Mapping, of: &Shown<'_>, part: &Domain, out: ViewMut<'_>) -> Result<()> {
    if part.is_empty() {
        return Ok(());
    }
    if let Some(axis) = (0..part.ndim()).find(|&axis| part.shape()[axis] > 1 && !mapping.varies(axis)) {
        return repeat(mapping, of, part, axis, out);
    }
    if let Some(axis) = mapping.listed() {
        return match of {
            Shown::Array(array) => read_listed(mapping, array, part, out),
            Shown::Other(_) => read_runs(mapping, of, part, axis, out),
        };
    }
    let needed = needed(mapping, part)?;
    let mut out = arranged(mapping, out);
    if mapping.is_plain() {
        return of.read(&needed, mapping.backward().fold(out, ViewMut::reversed));
    }
    let (shape, item) = (lengths(&needed)?, out.item());
    let mut elements = Memory::new(byte_len(&shape, item)?)?;
    of.read(&needed, ViewMut::dense(elements.bytes_mut(), &shape, item, Order::C)?)?;
    let step =
        |pick: &Pick| if let Pick::Along { step, .. } = pick { step.unsigned_abs() as usize } else { 1 };
    let region = Region {
        start: Dims::from_elem(0, shape.len()),
        count: out.shape().into(),
        step: mapping.picks.iter().map(step).collect(),
    };
    let all = View::dense(elements.bytes(), &shape, item, Order::C)?.region(&region);
    out.copy_from(&mapping.backward().fold(all, View::reversed));
    Ok(())
}

/// The box of what is shown in `part`, where no coordinates are listed.
fn needed(mapping: &Mapping, part: &Domain) -> Result<Domain> {
    let of_pick = |pick: &Pick| match *pick {
        Pick::Along { axis, offset, step } => {
            let range = part.range(axis);
            let (first, last) = (offset + step * range.start, offset + step * (range.end - 1));
            first.min(last)..first.max(last) + 1
        }
        Pick::Fixed(at) => at..at + 1,
        Pick::Listed { .. } => 0..0,
    };
    Domain::from_ranges(&mapping.picks.iter().map(of_pick).collect::<Dims<_>>())
}

/// Gives `ask` the boxes of what a view shows that [`read`] of `part` reads, unless coordinates of an array are listed.
pub(super) fn look_up(
    mapping: &Mapping,
    part: &Domain,
    ask: &mut dyn FnMut(&Domain) -> Result<()>,
) -> Result<()> {
    if part.is_empty() {
        return Ok(());
    }
    // What is repeated is read once.
    let once = |axis: usize| match part.range(axis) {
        range if mapping.varies(axis) => range,
        range => range.start..range.start + 1,
    };
    let part = Domain::from_ranges(&(0..part.ndim()).map(once).collect::<Dims<_>>())?;
    match mapping.listed() {
        Some(axis) => {
            each_run(mapping, &part, axis, &mut |straight, run, _| look_up(straight, run, &mut *ask))
        }
        None => ask(&needed(mapping, &part)?),
    }
}

/// Memory for a view as the memory of what it shows: its axes are those of that.
fn arranged<'a>(mapping: &Mapping, out: ViewMut<'a>) -> ViewMut<'a> {
    let mut axes: Dims<Option<usize>> = mapping.picks.iter().map(Pick::axis).collect();
    let shown = axes.len();
    // Axes along which nothing is shown are of length 1, and stand behind all others until they are dropped.
    axes.extend((0..mapping.domain.ndim()).filter(|&axis| !mapping.varies(axis)).map(Some));
    out.arranged(&axes).leading(shown)
}

/// Reads elements once, and repeats them along a visible axis.
fn repeat(mapping: &Mapping, of: &Shown<'_>, part: &Domain, axis: usize, mut out: ViewMut<'_>) -> Result<()> {
    let mut ranges: Dims<Range<i64>> = part.ranges().collect();
    ranges[axis].end = ranges[axis].start + 1;
    let one = Domain::from_ranges(&ranges)?;
    let (shape, item) = (lengths(&one)?, out.item());
    let mut elements = Memory::new(byte_len(&shape, item)?)?;
    read(mapping, of, &one, ViewMut::dense(elements.bytes_mut(), &shape, item, Order::C)?)?;
    let mut strides = Order::C.strides(&shape, item);
    strides[axis] = 0;
    let all = View::strided(elements.bytes(), 0, out.shape(), &strides, item);
    out.copy_from(&all);
    Ok(())
}

/// Reads listed coordinates of an array: each chunk once.
fn read_listed(mapping: &Mapping, array: &Array, part: &Domain, out: ViewMut<'_>) -> Result<()> {
    let all = |pick: &Pick| -> Vec<i64> {
        match pick {
            Pick::Fixed(at) => vec![*at],
            Pick::Along { axis, offset, step } => part.range(*axis).map(|at| offset + step * at).collect(),
            Pick::Listed { axis, coordinates } => {
                let first = mapping.domain.origin()[*axis];
                part.range(*axis).map(|at| coordinates[(at - first) as usize]).collect()
            }
        }
    };
    let coordinates: Vec<Vec<i64>> = mapping.picks.iter().map(all).collect();
    let axes: Vec<Coordinates<'_>> = coordinates.iter().map(|all| Coordinates::At(all)).collect();
    let mut out = arranged(mapping, out);
    array.read_outer_into(&axes, out.reborrow(), OutsidePoints::Error)?;
    if array.dtype() == DataType::Bool {
        out.make_boolean();
    }
    Ok(())
}

/// Reads runs of listed coordinates that follow each other, one after the other.
fn read_runs(
    mapping: &Mapping,
    of: &Shown<'_>,
    part: &Domain,
    axis: usize,
    mut out: ViewMut<'_>,
) -> Result<()> {
    each_run(mapping, part, axis, &mut |straight, run, region| {
        read(straight, of, run, out.reborrow().region(region))
    })
}

/// Calls `work` with runs of listed coordinates that follow each other: with a view that lists none of these, where the run is, and where in
/// `part` that is.
fn each_run(
    mapping: &Mapping,
    part: &Domain,
    axis: usize,
    work: &mut dyn FnMut(&Mapping, &Domain, &Region) -> Result<()>,
) -> Result<()> {
    let Pick::Listed { axis: visible, coordinates } = &mapping.picks[axis] else { return Ok(()) };
    let (first, range) = (mapping.domain.origin()[*visible], part.range(*visible));
    let at = |visible: i64| coordinates[(visible - first) as usize];
    let mut start = range.start;
    while start < range.end {
        let follows = |end: &i64| at(*end) == at(*end - 1).saturating_add(1);
        let end = (start + 1..range.end).find(|end| !follows(end)).unwrap_or(range.end);
        let mut ranges: Dims<Range<i64>> = part.ranges().collect();
        ranges[*visible] = start..end;
        let run = Domain::from_ranges(&ranges)?;
        let mut straight = mapping.clone();
        straight.picks[axis] = Pick::Along { axis: *visible, offset: at(start) - start, step: 1 };
        work(&straight, &run, &run.region_of(part))?;
        start = end;
    }
    Ok(())
}
