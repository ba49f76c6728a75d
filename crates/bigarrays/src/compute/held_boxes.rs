//! Boxes of a result, one after the other, each of which reads what it needs once and holds it while all passes go over it.
//!
//! What is reduced along whole axes and then taken again where it was, as distances from means are, reads its inputs in one pass after
//! the other. A box that is whole along these axes needs no more of them than its own, which may fit into memory.

use std::ops::Range;

use crate::array::{Array, Index};
use crate::base::buffer::{Order, View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::chunks::grid_of;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::{is_in_memory, placeholder};
use crate::compute::plan::{HeldBoxes, Plan};
use crate::compute::planner::{self, Limits};
use crate::compute::same::is_same;
use crate::compute::search::least_common_multiple;
use crate::compute::stage::stages;
use crate::run::pool::threads;
use crate::run::runner::{FAR, Runner};
use crate::store::NEAR;

/// So small a part of the budget is for inputs of a box.
const SHARE: u64 = 2;

/// Reading less is worth it if it is less than so many fifths of what would be read.
const FIFTHS: u64 = 4;

/// The most boxes.
const MOST: u64 = 1 << 16;

/// The plan of boxes of a result, if they read clearly less than the passes of this one do.
///
/// # Errors
/// Those of making expressions.
pub(super) fn plan(
    root: &Lazy,
    target: Option<&Array>,
    direct: &Plan,
    limits: Limits,
) -> Result<Option<Plan>> {
    let Some(target) = target.filter(|_| !limits.is_resumable && limits.workers <= limits.threads) else {
        return Ok(None);
    };
    let read = direct.passes.iter().fold(0u64, |all, pass| all.saturating_add(pass.bytes_read));
    // What reads nothing that is stored is what a box holds already.
    let is_of_stored = is_of_arrays(root) && !inputs(root).is_empty();
    if direct.passes.len() < 2 || direct.scratch > 0 || !is_of_stored {
        return Ok(None);
    }
    let Some(lengths) = lengths(root, target, limits.memory / SHARE)? else { return Ok(None) };
    let first = first_box(root, &lengths)?;
    let part = cut(root, &first)?;
    let count = lengths
        .iter()
        .zip(root.domain().shape())
        .fold(1u64, |all, ((_, length), whole)| all.saturating_mul(whole.div_ceil((*length).max(1))));
    let all = rounded(&part)?.saturating_mul(count);
    if count > MOST || all > read / 5 * FIFTHS {
        return Ok(None);
    }
    let inputs = inputs(&part);
    let bytes = bytes_of(&part);
    let placeholders = inputs.iter().map(|input| match array_of(input) {
        Some(array) => named(input, &empty(input, array)?),
        None => Ok(input.clone()),
    });
    let placeholders = placeholders.collect::<Result<Vec<_>>>()?;
    let rest = Limits { memory: limits.memory.saturating_sub(bytes), ..limits };
    let of_box = target.cut(&first)?;
    let held = Replacing { inputs: &inputs, held: &placeholders }.lazy(&part)?;
    let Ok((_, mut plan)) = planner::plan(stages(&[held])?, &[Some(&of_box)], rest) else { return Ok(None) };
    // Passes are called as those over the inputs are.
    if plan.passes.len() == direct.passes.len() {
        plan.passes
            .iter_mut()
            .zip(&direct.passes)
            .for_each(|(own, direct)| own.text.clone_from(&direct.text));
    }
    plan.memory = limits.memory;
    plan.peak_memory = plan.peak_memory.saturating_add(bytes);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    plan.notes.push(format!(
        "in {count} boxes of the result, each of up to {}: a box reads its inputs once, {} in all, and holds {} of them while its passes, which \
         are those above, go over them; directly, {} would be read",
        lengths.iter().map(|length| length.1.to_string()).collect::<Vec<_>>().join(" × "),
        mib(all), mib(bytes), mib(read),
    ));
    plan.boxes = Some(HeldBoxes { boxes: boxes(root.domain(), &lengths)?, bytes });
    Ok(Some(plan))
}

/// Computes boxes, each by `compute` of an expression of what is held, into a part of the target.
///
/// # Errors
/// Those of reading, and of `compute`; `Storage` if an input was removed or replaced meanwhile.
pub(super) fn run(
    root: &Lazy,
    target: &Array,
    boxes: &HeldBoxes,
    mut compute: impl FnMut(&Lazy, &Array) -> Result<()>,
) -> Result<()> {
    for part in &boxes.boxes {
        let own = cut(root, part)?;
        let inputs = inputs(&own);
        let arrays = inputs.iter().map(read).collect::<Result<Vec<_>>>()?;
        let own = Replacing { inputs: &inputs, held: &arrays }.lazy(&own)?;
        compute(&own, &target.cut(part)?)?;
    }
    let arrays = root.nodes().into_iter().filter_map(array_of);
    let mut seen: Vec<&Array> = Vec::new();
    for array in arrays {
        if !seen.iter().any(|known| std::ptr::eq(known.layout(), array.layout())) {
            array.expect_as_opened()?;
            seen.push(array);
        }
    }
    Ok(())
}

/// A stored array that an expression is.
fn array_of(lazy: &Lazy) -> Option<&Array> {
    match lazy.kind() {
        Kind::Source(array) if !is_in_memory(array) => Some(array),
        _ => None,
    }
}

/// Whether all that is read is of stored arrays and of elements in memory.
fn is_of_arrays(root: &Lazy) -> bool {
    root.nodes().into_iter().all(|node| !matches!(node.kind(), Kind::Foreign(_) | Kind::Pending(_)))
}

/// What an expression reads of stored arrays, each once.
fn inputs(lazy: &Lazy) -> Vec<Lazy> {
    let mut found: Vec<Lazy> = Vec::new();
    for node in lazy.nodes().into_iter().filter(|node| array_of(node).is_some()) {
        if !found.iter().any(|known| is_same(known, node)) {
            found.push(node.clone());
        }
    }
    found
}

fn bytes_of(lazy: &Lazy) -> u64 {
    let bytes = |input: &Lazy| {
        let item = input.dtype().size() as u64;
        input.domain().shape().iter().fold(item, |all, &length| all.saturating_mul(length))
    };
    inputs(lazy).iter().map(bytes).fold(0, u64::saturating_add)
}

/// Bytes of the chunks that inputs touch.
fn rounded(lazy: &Lazy) -> Result<u64> {
    let mut all = 0u64;
    for input in inputs(lazy) {
        let Some(array) = array_of(&input) else { continue };
        let along = array.chunk_grid()?.into_iter().zip(array.domain().ranges());
        let bytes = along.fold(input.dtype().size() as u64, |bytes, ((origin, length), range)| {
            let at = |coordinate: i64| coordinate.wrapping_sub(origin).div_euclid(length as i64);
            let chunks = if range.is_empty() { 0 } else { at(range.end - 1).abs_diff(at(range.start)) + 1 };
            bytes.saturating_mul(chunks.saturating_mul(length))
        });
        all = all.saturating_add(bytes);
    }
    Ok(all)
}

fn cut(root: &Lazy, part: &Domain) -> Result<Lazy> {
    let index = |range: Range<i64>| Index::Slice { start: Some(range.start), stop: Some(range.end), step: 1 };
    root.slice(&part.ranges().map(index).collect::<Vec<_>>())
}

/// Where boxes begin along each axis, and how long they are, so that the inputs of one have at most so many bytes; `None` if no cut
/// makes them less.
fn lengths(root: &Lazy, target: &Array, most: u64) -> Result<Option<Dims<(i64, u64)>>> {
    let whole = root.domain().shape().to_vec();
    let units = units(root, target)?;
    let counts = |length: u64, unit: u64| length.div_ceil(unit.max(1));
    let mut found: Dims<(i64, u64)> = units.iter().zip(&whole).map(|(unit, &all)| (unit.0, all)).collect();
    let mut bytes = bytes_of(&cut(root, &first_box(root, &found)?)?);
    let mut fixed: Dims<bool> = whole.iter().map(|_| false).collect();
    while bytes > most {
        let longest = (0..whole.len()).filter(|&axis| !fixed[axis] && found[axis].1 > units[axis].1);
        let Some(axis) = longest.max_by_key(|&axis| counts(found[axis].1, units[axis].1)) else {
            return Ok(None);
        };
        let before = found[axis].1;
        found[axis].1 = counts(before, units[axis].1).div_ceil(2).saturating_mul(units[axis].1);
        let now = bytes_of(&cut(root, &first_box(root, &found)?)?);
        // Elements along an axis that is reduced are needed by all.
        if now > bytes / 8 * 7 {
            (found[axis].1, fixed[axis]) = (before, true);
            continue;
        }
        bytes = now;
    }
    Ok(Some(found))
}

/// Boxes of chunks of what is read that are whole chunks or shards of the target.
fn units(root: &Lazy, target: &Array) -> Result<Dims<(i64, u64)>> {
    let grid = grid_of(root)?;
    let along = target.write_grid()?.into_iter().enumerate().map(|(axis, (origin, length))| {
        let read = grid.as_ref().map_or(1, |grid| grid[axis].1);
        let all = root.domain().shape()[axis];
        (origin, least_common_multiple(length, read).unwrap_or(all).min(all).max(1))
    });
    Ok(along.collect())
}

fn first_box(root: &Lazy, lengths: &[(i64, u64)]) -> Result<Domain> {
    let first = root
        .domain()
        .ranges()
        .zip(lengths)
        .map(|(range, &length)| pieces(range, length).next().unwrap_or(0..0));
    Domain::from_ranges(&first.collect::<Vec<_>>())
}

/// Pieces of a range that are so long, from an origin on.
fn pieces(range: Range<i64>, (origin, length): (i64, u64)) -> impl Iterator<Item = Range<i64>> {
    let length = length.max(1) as i64;
    let first = range.start.saturating_sub(range.start.wrapping_sub(origin).rem_euclid(length));
    (first..range.end)
        .step_by(length as usize)
        .map(move |start| start.max(range.start)..start.saturating_add(length).min(range.end))
}

fn boxes(domain: &Domain, lengths: &[(i64, u64)]) -> Result<Vec<Domain>> {
    let mut all: Vec<Vec<Range<i64>>> = vec![Vec::new()];
    for (range, &length) in domain.ranges().zip(lengths) {
        let with = |known: &Vec<Range<i64>>| {
            let longer = |piece| [&known[..], &[piece]].concat();
            pieces(range.clone(), length).map(longer).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all.iter().map(|ranges| Domain::from_ranges(ranges)).collect()
}

/// An array in memory for the elements of an input, in the same chunks.
fn empty(input: &Lazy, array: &Array) -> Result<Array> {
    let chunk = array
        .chunk_grid()?
        .into_iter()
        .zip(input.domain().shape())
        .map(|(axis, &all)| axis.1.min(all).max(1));
    placeholder(input.domain(), input.dtype(), &chunk.collect::<Dims<_>>())
}

/// An input in memory.
fn read(input: &Lazy) -> Result<Lazy> {
    let Some(array) = array_of(input) else { return Ok(input.clone()) };
    let held = empty(input, array)?;
    let (grid, item) = (&held.layout().grid, input.dtype().size());
    let chunks = grid.project(input.domain());
    let is_near = array.store().request_cost() <= NEAR;
    let in_flight = if is_near { threads() } else { FAR.max(threads() as u64) as usize };
    let runner = Runner { in_flight, total: chunks.len() as u64, is_near, progress: None };
    runner.run(chunks.len(), &|number| {
        let part = grid.chunk_domain(&chunks.get(number).index).intersect(input.domain());
        let shape: Dims<usize> = part.shape().iter().map(|&length| length as usize).collect();
        with_scratch(|buffer| {
            let bytes = try_first_bytes(buffer, byte_len(&shape, item)?)?;
            array.read_into(&part, ViewMut::dense(bytes, &shape, item, Order::C)?)?;
            held.write_from(&part, View::dense(bytes, &shape, item, Order::C)?)
        })?;
        Ok(1)
    })?;
    named(input, &held)
}

/// An array in memory as an expression with the names of an input.
fn named(input: &Lazy, array: &Array) -> Result<Lazy> {
    Lazy::of(array)?.renamed(input.names())
}

/// A walk that puts what is held in the place of inputs.
struct Replacing<'a> {
    inputs: &'a [Lazy],
    held: &'a [Lazy],
}

impl Replacing<'_> {
    fn lazy(&self, lazy: &Lazy) -> Result<Lazy> {
        if array_of(lazy).is_some() {
            let at = self.inputs.iter().position(|input| is_same(input, lazy));
            return Ok(at.map_or_else(|| lazy.clone(), |at| self.held[at].clone()));
        }
        let kind = match lazy.kind() {
            Kind::View(mapping, of) => return self.lazy(of)?.view(mapping),
            kind => kind.with(&mut |of| self.lazy(of))?,
        };
        Ok(Lazy::new(kind, lazy.dtype(), lazy.domain().clone(), lazy.names().into()))
    }
}
