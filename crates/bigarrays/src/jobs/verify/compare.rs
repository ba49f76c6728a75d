//! Comparing two arrays element by element, whatever their formats, chunks and types.

use std::ops::Range;
use std::sync::Mutex;

use crate::array::{Array, Index};
use crate::base::buffer::{Order, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::Work;
use crate::compute::{Axis, Number};
use crate::jobs::cut::{are_near, at_once, block_overhead};
use crate::jobs::plan::{CopyPlan, PlanInput};
use crate::jobs::sparse::{Sparse, Stored};
use crate::jobs::verify::comparison::{Comparison, Difference, SHOWN, raised};
use crate::jobs::verify::{Share, VerifyOptions};
use crate::run::budget;
use crate::run::runner::Runner;

/// Bytes that are compared at once before single elements are.
const RUN: usize = 4 << 10;

/// Compares `left` with `right` element by element.
///
/// Axes of the same names are compared whatever their order, and axes of length one that only one of the
/// arrays has are left out; without such names, axes are compared in their order. Arrays of the same shape
/// that start elsewhere are laid upon each other. Elements of different types are compared by their values.
/// With a [part](VerifyOptions::part), only that box of `left` is compared, and of arrays of different shapes
/// the box of the same coordinates.
///
/// ```
/// use bigarrays::jobs::{VerifyOptions, compare};
/// use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array2};
///
/// let mut arrays = Vec::new();
/// for (name, format) in [("a", "zarr3"), ("b", "n5")] {
///     let spec = CreateSpec::new(DataType::I16, "0:6,0:4".parse()?);
///     let array = OpenOptions::new().format(format).create(&format!("memory://compare/{name}"), &spec)?;
///     array.write(&[0, 0], Array2::<i16>::ones((6, 4)).view())?;
///     arrays.push(array);
/// }
/// arrays[1].write(&[5, 2], Array2::<i16>::from_elem((1, 1), -3).view())?;
/// let comparison = compare(&arrays[0], &arrays[1], &VerifyOptions::default())?;
/// assert_eq!((comparison.elements, comparison.different, comparison.max_abs), (24, 1, 4.0));
/// assert_eq!(comparison.first[0].at[..], [5, 2]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if the number of axes differs; `Unsupported` for elements that are no numbers; `MemoryBudget` before anything is read; `Cancelled`; any
/// error of reading.
pub fn compare(left: &Array, right: &Array, options: &VerifyOptions<'_>) -> Result<Comparison> {
    let mut comparison = Comparison {
        url: right.url().to_owned(),
        dtypes: (left.dtype(), right.dtype()),
        mismatch: None,
        elements: 0,
        different: 0,
        first: Vec::new(),
        max_abs: 0.0,
    };
    let context = |error: Error| error.during("comparing").at(left.url());
    if let Some(dtype) = [left.dtype(), right.dtype()].into_iter().find(|dtype| !dtype.is_number()) {
        return Err(context(Error::unsupported(format!("{dtype} elements are no numbers to compare"))));
    }
    let (mut left, mut right) = matched(left, right).map_err(context)?;
    if left.shape() == right.shape() {
        right = right.translate_to(left.domain().origin()).map_err(context)?;
    } else if options.part.is_none() {
        comparison.mismatch = Some(format!("box {} against box {}", left.domain(), right.domain()));
        return Ok(comparison);
    }
    if let Some(part) = options.part {
        left = left.cut(part).map_err(context)?;
    }
    if let Some(share) = options.share {
        left = left.cut(&slab(&left, share)?)?;
    }
    right = right.cut(left.domain())?;
    comparison.elements = left.domain().checked_len()?;
    let found = Mutex::new(Found { order: left.order(), ..Found::default() });
    run(&left, &right, options, &found).map_err(context)?;
    let found = found.into_value();
    (comparison.different, comparison.first, comparison.max_abs) = (found.count, found.first, found.max_abs);
    Ok(comparison)
}

/// The part of an array that is compared in a share: whole chunks along the axis in whose order elements are.
fn slab(array: &Array, share: Share) -> Result<Domain> {
    let mut ranges: Vec<Range<i64>> = array.domain().ranges().collect();
    let axis = if array.order() == Order::C { 0 } else { ranges.len().saturating_sub(1) };
    let (Some(range), Some((origin, chunk))) = (ranges.get_mut(axis), array.chunk_grid()?.get(axis).copied())
    else {
        return Ok(array.domain().clone());
    };
    let length = range.end.abs_diff(range.start);
    // Up to a chunk that begins before a share of the length ends.
    let at = |number: u64| {
        let wanted = (u128::from(length) * u128::from(number) / u128::from(share.of.max(1))) as u64;
        let wanted = range.start.saturating_add_unsigned(wanted);
        let chunks = wanted.wrapping_sub(origin).div_euclid(chunk as i64);
        let begins = origin.saturating_add(chunks.saturating_mul(chunk as i64));
        if number >= share.of { range.end } else { begins.clamp(range.start, range.end) }
    };
    *range = at(share.number)..at(share.number.saturating_add(1));
    Domain::from_ranges(&ranges)
}

/// Both arrays with the same axes in the order of the first.
fn matched(left: &Array, right: &Array) -> Result<(Array, Array)> {
    let left = without_single(left, right)?;
    let right = without_single(right, &left)?;
    if left.ndim() != right.ndim() {
        return Err(Error::invalid(format!("{} axes and {} axes", left.ndim(), right.ndim())));
    }
    let names = names_of(&right);
    let places: Option<Vec<usize>> =
        names_of(&left).iter().map(|name| names.iter().position(|other| other == name)).collect();
    let right = match places {
        Some(places) if (0..names.len()).all(|axis| places.contains(&axis)) => right.permute(&places)?,
        _ => right,
    };
    Ok((left, right))
}

fn names_of(array: &Array) -> Vec<String> {
    let name = |name: &&str| match name.to_lowercase() {
        name if name == "channel" => "c".to_owned(),
        name => name,
    };
    array.axis_names().iter().map(name).collect()
}

/// `array` without axes of length one that `other`, of fewer axes, does not have.
fn without_single(array: &Array, other: &Array) -> Result<Array> {
    let mut extra = array.ndim().saturating_sub(other.ndim());
    let names = names_of(other);
    let indices: Vec<Index> = names_of(array)
        .iter()
        .enumerate()
        .map(|(axis, name)| {
            let is_extra = extra > 0 && array.shape()[axis] == 1 && !names.contains(name);
            extra -= usize::from(is_extra);
            if is_extra { Index::At(array.domain().origin()[axis]) } else { Index::ALL }
        })
        .collect();
    array.slice(&indices)
}

/// Blocks that read chunks of both arrays as few times as the budget allows.
fn plan(left: &Array, right: &Array, memory: u64, stored: Option<&Stored>) -> Result<CopyPlan> {
    let (of_left, of_right) = (left.chunk_grid()?, right.chunk_grid()?);
    let item = (left.dtype().size() + right.dtype().size()) as u64;
    let axes = left.domain().ranges().zip(of_left).zip(of_right);
    let of = |array: &Array| array.layout().codec_bytes(Work::Decoding);
    let input = PlanInput {
        axes: axes.map(|((range, target), source)| Axis::of_copy(range, target, source)).collect(),
        item,
        chunk_bytes: (right.layout().chunk_bytes(), left.layout().chunk_bytes()),
        codec_bytes: of(right).max(of(left)),
        shard_bytes: 0,
        shards_held: 0,
        threads: crate::run::pool::threads() as u64,
        block_overhead: block_overhead(left, right),
        memory,
        at_once: at_once(left, right, stored),
        most: stored
            .and_then(|stored| stored.most(left.layout().chunk_bytes().max(right.layout().chunk_bytes()))),
        given: None,
    };
    input.plan()
}

/// Whether what is missing in both is equal.
fn has_one_fill(left: &Array, right: &Array) -> bool {
    let fill = |array: &Array| Number::read(array.dtype(), array.layout().fill.as_bytes());
    fill(left).equals(fill(right))
}

fn run(left: &Array, right: &Array, options: &VerifyOptions<'_>, found: &Mutex<Found>) -> Result<()> {
    // What is missing in both is equal.
    let stored = Stored::of(right, left, has_one_fill(left, right))?.ok();
    let mut plan = plan(left, right, budget::of_job(options.memory), stored.as_ref())?;
    let sparse = match stored.filter(|_| plan.blocks.len() < u64::MAX) {
        Some(stored) => Some(Sparse::of(stored, &plan)?),
        None => None,
    };
    let (left, right) = match &sparse {
        Some(sparse) => (&sparse.target(left), &sparse.source(right)),
        None => (left, right),
    };
    plan.only = sparse.as_ref().map(|sparse| sparse.blocks.clone());
    let numbers = Mutex::new(plan.numbers());
    let (items, order) = ([left.dtype().size(), right.dtype().size()], left.order());
    let runner = Runner {
        in_flight: plan.in_flight,
        total: plan.bytes_of_blocks(items[0])?,
        is_near: are_near(left, right),
        progress: options.progress,
    };
    runner.run(plan.blocks(), &|_| {
        let Some(number) = numbers.locked().next() else { return Ok(0) };
        let block = plan.blocks.get(number)?;
        let shape: Dims<usize> = block.shape().iter().map(|&length| length as usize).collect();
        let lengths = [byte_len(&shape, items[0])?, byte_len(&shape, items[1])?];
        with_scratch(|one| {
            with_scratch(|two| {
                let one = try_first_bytes(one, lengths[0])?;
                let two = try_first_bytes(two, lengths[1])?;
                left.read_into(&block, ViewMut::dense(one, &shape, items[0], order)?)?;
                right.read_into(&block, ViewMut::dense(two, &shape, items[1], order)?)?;
                let of_block =
                    Block { domain: &block, order, dtypes: (left.dtype(), right.dtype()) }.compare(one, two);
                found.locked().add(of_block);
                Ok(())
            })
        })?;
        Ok(lengths[0] as u64)
    })
}

/// Differences found so far.
#[derive(Debug)]
struct Found {
    order: Order,
    count: u64,
    first: Vec<Difference>,
    max_abs: f64,
}

impl Default for Found {
    fn default() -> Self {
        Self { order: Order::C, count: 0, first: Vec::new(), max_abs: 0.0 }
    }
}

impl Found {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.raise(other.max_abs);
        self.first.extend(other.first);
        self.first.sort_by(|one, other| match self.order {
            Order::C => one.at.cmp(&other.at),
            Order::Fortran => one.at.iter().rev().cmp(other.at.iter().rev()),
        });
        self.first.truncate(SHOWN);
    }

    fn raise(&mut self, difference: f64) {
        self.max_abs = raised(self.max_abs, difference);
    }
}

/// A box of elements of both arrays.
struct Block<'a> {
    domain: &'a Domain,
    order: Order,
    dtypes: (DataType, DataType),
}

impl Block<'_> {
    fn compare(&self, left: &[u8], right: &[u8]) -> Found {
        let mut found = Found::default();
        let (one, two) = (self.dtypes.0.size(), self.dtypes.1.size());
        let is_same = self.dtypes.0 == self.dtypes.1;
        let (runs, others) = (left.chunks(RUN * one), right.chunks(RUN * two));
        for (number, (left, right)) in runs.zip(others).enumerate() {
            if is_same && left == right {
                continue;
            }
            for (k, (left, right)) in left.chunks_exact(one).zip(right.chunks_exact(two)).enumerate() {
                if is_same && left == right {
                    continue;
                }
                let (left, right) = (Number::read(self.dtypes.0, left), Number::read(self.dtypes.1, right));
                if !left.equals(right) {
                    found.count += 1;
                    found.raise(left.distance(right));
                    if found.first.len() < SHOWN {
                        found.first.push(Difference { at: self.place(number * RUN + k), left, right });
                    }
                }
            }
        }
        found
    }

    /// The coordinates of the element at this position.
    fn place(&self, position: usize) -> Dims<i64> {
        let mut rest = position as u64;
        let mut at: Dims<i64> = self.domain.origin().into();
        let ndim = at.len();
        for k in 0..ndim {
            let axis = if self.order == Order::C { ndim - 1 - k } else { k };
            let length = self.domain.shape()[axis];
            at[axis] = at[axis].wrapping_add_unsigned(rest % length);
            rest /= length;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_placed_across_runs() {
        let domain: Domain = "-1:2,5:2000".parse().unwrap();
        let (mut left, right) = (vec![0u8; 3 * 1995 * 2], vec![0u8; 3 * 1995]);
        left[2 * (2 * 1995 + 1990)] = 9;
        let block = Block { domain: &domain, order: Order::C, dtypes: (DataType::U16, DataType::U8) };
        let found = block.compare(&left, &right);
        assert_eq!((found.count, found.first[0].at.to_vec()), (1, vec![1, 1995]));
        let found = Block { order: Order::Fortran, ..block }.compare(&left, &right);
        assert_eq!(found.first[0].at.to_vec(), [((2 * 1995 + 1990) % 3) - 1, (2 * 1995 + 1990) / 3 + 5]);
    }
}
