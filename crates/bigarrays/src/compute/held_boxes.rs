//! Boxes of a result, or of several over one domain, one after the other, each of which reads what it needs once and holds it while all passes
//! go over it.
//!
//! What is reduced along whole axes and then taken again where it was, as distances from means are, reads its inputs in one pass after
//! the other. A box that is whole along these axes needs no more of them than its own, which may fit into memory.

use std::ops::Range;

use crate::array::{Array, Index};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::chunks::grid_of;
use crate::compute::cuts::Cuts;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::flows::is_shared;
use crate::compute::held::{is_in_memory, placeholder_in};
use crate::compute::pass_planner::Limits;
use crate::compute::plan::{Flow, HeldBoxes, Plan};
use crate::compute::planner;
use crate::compute::same::is_same;
use crate::compute::search::least_common_multiple;
use crate::compute::stage::stages;
use crate::store::MemoryStore;

/// So small a part of the budget is for inputs of a box.
const SHARE: u64 = 2;

/// Reading less is worth it if it is less than so many fifths of what would be read.
const FIFTHS: u64 = 4;

/// The most boxes.
const MOST: u64 = 1 << 16;

/// The fewest boxes where a run that ends early loses those under way, and boxes for each of several processes, some of which are slow.
const OF_WORKER: u64 = 4;

/// The plan of boxes of results, if they read clearly less than the passes of this one do.
///
/// # Errors
/// Those of making expressions.
pub(super) fn plan(
    roots: &[Lazy],
    targets: &[&Array],
    direct: &Plan,
    limits: Limits,
) -> Result<Option<Plan>> {
    let Some(domain) = roots.first().map(Lazy::domain) else { return Ok(None) };
    if roots.iter().any(|root| root.domain() != domain) {
        return Ok(None);
    }
    let read = direct.passes.iter().fold(0u64, |all, pass| all.saturating_add(pass.bytes_read));
    // What reads nothing that is stored is what a box holds already.
    let is_of_stored = roots.iter().all(is_of_arrays) && !inputs(roots).is_empty();
    // What is to be taken up is in files whether there is room for it or not.
    let is_in_files = direct.scratch > 0 && !limits.is_resumable;
    if direct.passes.len() < 2 || is_in_files || !is_of_stored {
        return Ok(None);
    }
    let processes = limits.workers.div_ceil(limits.threads.max(1));
    // What one process does to the end has as few boxes as fit.
    let is_in_parts = limits.is_resumable || processes > 1;
    let wanted = limits.threads.max(processes).saturating_mul(OF_WORKER);
    let (wanted, least) = if is_in_parts { (wanted, OF_WORKER.max(processes)) } else { (1, 1) };
    let Some(lengths) = lengths(roots, targets, (limits.memory / SHARE, wanted))? else { return Ok(None) };
    let count = count(domain, &lengths);
    let reads = reads(&cut_all(roots, &first_box(domain, &lengths)?)?, count)?;
    let all = reads.iter().fold(0u64, |all, flow| all.saturating_add(flow.bytes));
    if count > MOST || count < least || all > read / 5 * FIFTHS {
        return Ok(None);
    }
    for target in targets.iter().filter(|_| is_in_parts) {
        if !are_apart(target, &lengths)? {
            return Ok(None);
        }
    }
    let Ok(mut plan) = again(roots, targets, &lengths, limits) else { return Ok(None) };
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let bytes = plan.boxes.as_ref().map_or(0, |boxes| boxes.bytes);
    let result = if roots.len() > 1 { "results" } else { "result" };
    plan.notes.push(format!(
        "in {count} boxes of the {result}, each of up to {}: a box reads its inputs once, {} in all, and holds {} of them while its passes, which \
         are those above, go over them; directly, {} would be read",
        lengths.iter().map(|length| length.1.to_string()).collect::<Vec<_>>().join(" × "),
        mib(all), mib(bytes), mib(read),
    ));
    Ok(Some(plan))
}

/// Whether no two boxes write to the same chunk or shard of a result, or of a further copy of it.
fn are_apart(target: &Array, lengths: &[(i64, u64)]) -> Result<bool> {
    let cuts: Vec<Cuts> =
        target.domain().ranges().zip(lengths).map(|(range, &length)| Cuts::over(range, length)).collect();
    let cuts: Vec<&Cuts> = cuts.iter().collect();
    Ok(target.write_grids()?.iter().all(|grid| !is_shared(&cuts, grid.as_ref())))
}

/// How many boxes there are.
fn count(domain: &Domain, lengths: &[(i64, u64)]) -> u64 {
    let along = |((_, length), whole): (&(i64, u64), &u64)| whole.div_ceil((*length).max(1));
    lengths.iter().zip(domain.shape()).map(along).fold(1, u64::saturating_mul)
}

/// The plan of boxes of these lengths.
///
/// # Errors
/// `MemoryBudget` if one does not fit; `InvalidArgument` if there are no such boxes; those of making expressions.
pub(super) fn again(
    roots: &[Lazy],
    targets: &[&Array],
    lengths: &[(i64, u64)],
    limits: Limits,
) -> Result<Plan> {
    let domain = roots.first().map(Lazy::domain);
    let other = || Error::invalid("the boxes are not those of the result; plan anew").during("planning");
    let domain = domain
        .filter(|domain| lengths.len() == domain.ndim() && count(domain, lengths) <= MOST)
        .filter(|domain| roots.iter().all(|root| root.domain() == *domain))
        .ok_or_else(other)?;
    let first = first_box(domain, lengths)?;
    let parts = cut_all(roots, &first)?;
    let inputs = inputs(&parts);
    let bytes = bytes_of(&parts);
    let placeholders = inputs.iter().map(|input| match array_of(input) {
        Some(array) => named(input, &empty_in(MemoryStore::new(), input, array)?),
        None => Ok(input.clone()),
    });
    let placeholders = placeholders.collect::<Result<Vec<_>>>()?;
    let rest = Limits {
        memory: limits.memory.saturating_sub(bytes),
        workers: limits.threads,
        has_scratch: limits.has_scratch && !limits.is_resumable,
        is_resumable: false,
        ..limits
    };
    let of_box = targets.iter().map(|target| target.cut(&first)).collect::<Result<Vec<_>>>()?;
    let replacing = Replacing { inputs: &inputs, held: &placeholders };
    let held = parts.iter().map(|part| replacing.lazy(part)).collect::<Result<Vec<_>>>()?;
    let of_box: Vec<Option<&Array>> = of_box.iter().map(Some).collect();
    let (_, mut plan) = planner::plan(stages(&held)?, &of_box, rest)?;
    // Passes are called as those over the inputs are.
    let direct = stages(&parts)?;
    if plan.passes.len() == direct.len() {
        plan.passes.iter_mut().zip(&direct).for_each(|(own, direct)| own.text = direct.text());
    }
    plan.memory = limits.memory;
    plan.peak_memory = plan.peak_memory.saturating_add(bytes);
    let (boxes, reads) = (boxes(domain, lengths)?, reads(&parts, count(domain, lengths))?);
    plan.boxes = Some(HeldBoxes { boxes, lengths: lengths.into(), bytes, reads });
    Ok(plan)
}

/// A stored array that an expression is.
pub(super) fn array_of(lazy: &Lazy) -> Option<&Array> {
    match lazy.kind() {
        Kind::Source(array) if !is_in_memory(array) => Some(array),
        _ => None,
    }
}

/// Whether all that is read is of stored arrays and of elements in memory.
fn is_of_arrays(root: &Lazy) -> bool {
    root.nodes().into_iter().all(|node| !matches!(node.kind(), Kind::Foreign(_) | Kind::Pending(_)))
}

/// What expressions read of stored arrays, each once.
pub(super) fn inputs(roots: &[Lazy]) -> Vec<Lazy> {
    let mut found: Vec<Lazy> = Vec::new();
    for node in roots.iter().flat_map(Lazy::nodes).filter(|node| array_of(node).is_some()) {
        if !found.iter().any(|known| is_same(known, node)) {
            found.push(node.clone());
        }
    }
    found
}

fn bytes_of(roots: &[Lazy]) -> u64 {
    let bytes = |input: &Lazy| {
        let item = input.dtype().size() as u64;
        input.domain().shape().iter().fold(item, |all, &length| all.saturating_mul(length))
    };
    inputs(roots).iter().map(bytes).fold(0, u64::saturating_add)
}

/// What so many boxes read, where this is the first: all chunks that their inputs touch.
fn reads(roots: &[Lazy], boxes: u64) -> Result<Vec<Flow>> {
    let mut all = Vec::new();
    for input in inputs(roots) {
        let Some(array) = array_of(&input) else { continue };
        let (mut count, mut bytes) = (boxes, input.dtype().size() as u64);
        for ((origin, length), range) in array.chunk_grid()?.into_iter().zip(array.domain().ranges()) {
            let at = |coordinate: i64| coordinate.wrapping_sub(origin).div_euclid(length as i64);
            let chunks = if range.is_empty() { 0 } else { at(range.end - 1).abs_diff(at(range.start)) + 1 };
            (count, bytes) = (count.saturating_mul(chunks), bytes.saturating_mul(length));
        }
        let codecs = array.layout().codecs.names().collect();
        let is_sharded = array.layout().sharding.is_some();
        all.push(Flow { codecs, is_sharded, count, bytes: bytes.saturating_mul(count) });
    }
    Ok(all)
}

/// A box of each expression.
pub(super) fn cut_all(roots: &[Lazy], part: &Domain) -> Result<Vec<Lazy>> {
    let index = |range: Range<i64>| Index::Slice { start: Some(range.start), stop: Some(range.end), step: 1 };
    let indices: Vec<Index> = part.ranges().map(index).collect();
    roots.iter().map(|root| root.slice(&indices)).collect()
}

/// Where boxes begin along each axis, and how long they are, so that the inputs of one have at most so many bytes, and that there are as
/// many boxes as are wanted, if there can be; `None` if no cut makes them less.
fn lengths(
    roots: &[Lazy],
    targets: &[&Array],
    (most, wanted): (u64, u64),
) -> Result<Option<Dims<(i64, u64)>>> {
    let Some(domain) = roots.first().map(Lazy::domain) else { return Ok(None) };
    let whole = domain.shape().to_vec();
    let Some(units) = units(roots, targets)? else { return Ok(None) };
    let bytes_of_first = |lengths: &[(i64, u64)]| -> Result<u64> {
        Ok(bytes_of(&cut_all(roots, &first_box(domain, lengths)?)?))
    };
    let counts = |length: u64, unit: u64| length.div_ceil(unit.max(1));
    let mut found: Dims<(i64, u64)> = units.iter().zip(&whole).map(|(unit, &all)| (unit.0, all)).collect();
    let mut bytes = bytes_of_first(&found)?;
    let mut fixed: Dims<bool> = whole.iter().map(|_| false).collect();
    while bytes > most || count(domain, &found) < wanted {
        let longest = (0..whole.len()).filter(|&axis| !fixed[axis] && found[axis].1 > units[axis].1);
        let Some(axis) = longest.max_by_key(|&axis| counts(found[axis].1, units[axis].1)) else {
            return Ok((bytes <= most).then_some(found));
        };
        let before = found[axis].1;
        found[axis].1 = counts(before, units[axis].1).div_ceil(2).saturating_mul(units[axis].1);
        let now = bytes_of_first(&found)?;
        // Elements along an axis that is reduced are needed by all.
        if now > bytes / 8 * 7 {
            (found[axis].1, fixed[axis]) = (before, true);
            continue;
        }
        bytes = now;
    }
    Ok(Some(found))
}

/// Boxes of chunks of what is read that are whole chunks or shards of all targets; `None` if chunks of two targets begin at other places.
fn units(roots: &[Lazy], targets: &[&Array]) -> Result<Option<Dims<(i64, u64)>>> {
    let mut units: Option<Dims<(i64, u64)>> = None;
    for (root, target) in roots.iter().zip(targets) {
        let (grid, written) = (grid_of(root)?, target.write_grid()?);
        for (axis, (origin, length)) in written.iter().copied().enumerate() {
            let read = grid.as_ref().map_or(1, |grid| grid[axis].1);
            let all = root.domain().shape()[axis];
            let common =
                |one: u64, other: u64| least_common_multiple(one, other).unwrap_or(all).min(all).max(1);
            let own = common(length, read);
            let known = units.get_or_insert_with(|| written.iter().map(|at| (at.0, 1)).collect());
            let is_apart = origin.abs_diff(known[axis].0) % length.max(1) != 0;
            if is_apart && own < all {
                return Ok(None);
            }
            known[axis].1 = common(known[axis].1, own);
        }
    }
    Ok(units)
}

fn first_box(domain: &Domain, lengths: &[(i64, u64)]) -> Result<Domain> {
    let first =
        domain.ranges().zip(lengths).map(|(range, &length)| pieces(range, length).next().unwrap_or(0..0));
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

/// An array in memory for the elements of an input, in the same chunks, which are put into a store.
pub(super) fn empty_in(store: MemoryStore, input: &Lazy, array: &Array) -> Result<Array> {
    let chunk = array
        .chunk_grid()?
        .into_iter()
        .zip(input.domain().shape())
        .map(|(axis, &all)| axis.1.min(all).max(1));
    placeholder_in(store, input.domain(), input.dtype(), &chunk.collect::<Dims<_>>())
}

/// An array in memory as an expression with the names of an input.
pub(super) fn named(input: &Lazy, array: &Array) -> Result<Lazy> {
    Lazy::of(array)?.renamed(input.names())
}

/// A walk that puts what is held in the place of inputs.
pub(super) struct Replacing<'a> {
    pub(super) inputs: &'a [Lazy],
    pub(super) held: &'a [Lazy],
}

impl Replacing<'_> {
    pub(super) fn lazy(&self, lazy: &Lazy) -> Result<Lazy> {
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
