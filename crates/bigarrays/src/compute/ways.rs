//! Ways to compute the same elements: directly, in two stages with a file between them, by counting, or in rounds. The one whose modelled cost is
//! the least is taken; all of them give the same bits.

use std::collections::HashMap;
use std::sync::Arc;

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::dense::Kernel;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::operation::Operation;
use crate::compute::pass_planner::{Limits, OVERHEAD};
use crate::compute::plan::{InputRead, Pass, Plan};
use crate::compute::planner;
use crate::compute::quantile::Columns;
use crate::compute::refusal;
use crate::compute::stage::{Stage, stages};
use crate::compute::way::Way;
use crate::compute::windowed::{Bound, Work};
use crate::compute::windows::Windows;

/// Reading again so many times is dearer than writing and reading a file, and writing the result.
const AGAIN: u64 = 3;

/// Chunks of a file are to have this many bytes, or there would be more than so many of them.
const CHUNK: u64 = 128 << 10;
const CHUNKS: u64 = 1 << 16;

/// The passes and the plan of the way that costs the least of those that fit into the budget; `direct` are those without any
/// change.
///
/// # Errors
/// `MemoryBudget` if none fits; those of making expressions.
pub(super) fn cheapest(
    roots: &[Lazy],
    direct: Vec<Stage>,
    targets: &[Option<&Array>],
    limits: Limits,
) -> Result<(Vec<Stage>, Plan)> {
    let direct = planner::plan(direct, targets, limits);
    let ways = ways(roots, &direct, targets, limits)?;
    if ways.is_empty() {
        return direct;
    }
    let mut best = direct;
    let mut rounds = None;
    for way in ways {
        // Fewer bits are more rounds: once these cost more, others do as well.
        if matches!(way, Way::Rounds(_)) && rounds == Some(false) {
            continue;
        }
        let Some(changed) = changed(way, roots, targets)? else { continue };
        let made = match way {
            Way::Counting | Way::Rounds(_) | Way::WholeAxis => {
                planner::plan(stages(&changed)?, targets, limits)
            }
            _ => planner::plan_in_files(stages(&changed)?, targets, limits),
        };
        let (passes, mut plan) = match made {
            Ok(made) => made,
            Err(error) => {
                let wants_files =
                    limits.is_resumable && !limits.has_scratch && error.kind() == ErrorKind::InvalidArgument;
                best = best.map_err(|refused| match wants_files {
                    true => refusal::without_files(refused),
                    false => refusal::lesser(refused, error),
                });
                continue;
            }
        };
        let is_better = match &best {
            Ok(found) => cost(&plan, limits.threads) < cost(&found.1, limits.threads),
            Err(error) => error.kind() == ErrorKind::MemoryBudget,
        };
        if matches!(way, Way::Rounds(_)) {
            rounds = Some(is_better);
        }
        if is_better {
            plan.notes.push(note(way, &plan, best.as_ref().ok().map(|found| &found.1)));
            plan.way = Some(way);
            best = Ok((passes, plan));
        }
    }
    best
}

/// The passes of the way that an earlier run has taken.
///
/// # Errors
/// `InvalidArgument` if there is no such way; those of making expressions.
pub(super) fn again(roots: &[Lazy], targets: &[Option<&Array>], way: Option<Way>) -> Result<Vec<Stage>> {
    let Some(way) = way else { return stages(roots) };
    let other = || Error::invalid("the plan is of another way than there is; plan anew").during("planning");
    stages(&changed(way, roots, targets)?.ok_or_else(other)?)
}

/// The same elements in a way; `None` if nothing is to be changed.
fn changed(way: Way, roots: &[Lazy], targets: &[Option<&Array>]) -> Result<Option<Vec<Lazy>>> {
    Changing { way, targets, known: HashMap::new() }.all(roots)
}

/// The ways that may be better than the direct one.
fn ways(
    roots: &[Lazy],
    direct: &Result<(Vec<Stage>, Plan)>,
    targets: &[Option<&Array>],
    limits: Limits,
) -> Result<Vec<Way>> {
    let reads_again = match direct {
        Ok((_, plan)) => plan.passes.iter().any(|pass| {
            let once = pass.inputs.iter().fold(0u64, |all, read| all.saturating_add(read.once));
            pass.bytes_read > once.saturating_mul(AGAIN)
        }),
        Err(error) => error.kind() == ErrorKind::MemoryBudget,
    };
    let share = limits.memory / (4 * limits.threads.max(1));
    let mut found = Vec::new();
    let nodes = || roots.iter().flat_map(Lazy::nodes);
    if nodes().any(|node| of_whole_axis(node, node.dtype()).is_some()) {
        found.push(Way::WholeAxis);
    }
    if !reads_again {
        return Ok(found);
    }
    if nodes().any(|node| !whole_axes(node).is_empty()) {
        found.push(Way::Counting);
        let mut bits: Vec<u32> = nodes().flat_map(bits_of_columns).collect();
        bits.sort_unstable_by(|one, other| other.cmp(one));
        bits.dedup();
        found.extend(bits.into_iter().map(Way::Rounds));
        found.extend(limits.has_scratch.then_some(Way::Pencils(share)));
    }
    if limits.has_scratch && targets.iter().any(Option::is_some) {
        found.push(Way::Rechunk(share));
    }
    Ok(found)
}

/// The axes of its first input that each step of an operation needs as a whole.
fn whole_axes(lazy: &Lazy) -> &[usize] {
    match lazy.kind() {
        Kind::Operation(of, ..) => match &of.work {
            Work::Kernel(kernel) => kernel.whole_axes(),
            _ => &[],
        },
        _ => &[],
    }
}

/// How many bits of elements rounds may count at once, if an operation has order statistics of them.
fn bits_of_columns(lazy: &Lazy) -> Vec<u32> {
    let Kind::Operation(of, _, inputs) = lazy.kind() else { return Vec::new() };
    let Work::Kernel(kernel) = &of.work else { return Vec::new() };
    let columns = kernel.as_any().and_then(|kernel| kernel.downcast_ref::<Columns>());
    columns.map_or(Vec::new(), |columns| columns.bits_of_rounds(inputs[0].dtype()))
}

/// The axis along which an operation computes first what is before a block, and the kernel of all of it, of elements of a type.
fn of_whole_axis(lazy: &Lazy, dtype: DataType) -> Option<(usize, Arc<dyn Kernel>)> {
    match lazy.kind() {
        Kind::Operation(of, _, inputs) if inputs.len() == 2 => match &of.work {
            Work::Kernel(kernel) => kernel.of_whole_axis(dtype),
            _ => None,
        },
        _ => None,
    }
}

/// The modelled cost: bytes that are read and those that are written to scratch files, and what beginning blocks costs. Where there is no room for
/// a block of each thread, counting takes longer.
fn cost(plan: &Plan, threads: u64) -> u64 {
    let one = |all: u64, pass: &Pass| {
        let own = pass.bytes_read.saturating_add(pass.blocks.len().saturating_mul(OVERHEAD));
        let is_long = pass.folding.is_some() && pass.blocks.len() >= threads;
        let idle = if is_long { threads.div_ceil(pass.in_flight.max(1) as u64) } else { 1 };
        all.saturating_add(own.saturating_mul(idle.max(1)))
    };
    plan.passes.iter().fold(plan.scratch, one)
}

/// Why this way is taken.
fn note(way: Way, plan: &Plan, direct: Option<&Plan>) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let read = |plan: &Plan| plan.passes.iter().fold(0u64, |all, pass| all.saturating_add(pass.bytes_read));
    let other = match direct {
        Some(direct) => format!("directly, {} would be read", mib(read(direct))),
        None => "directly, the smallest block would not fit into the budget".to_owned(),
    };
    let scratch = mib(plan.scratch);
    match way {
        Way::Pencils(_) => format!(
            "in two stages: what is needed as a whole is first written to {scratch} of scratch files in chunks that are long \
             along those axes, and {} are read; {other}",
            mib(read(plan))
        ),
        Way::Rechunk(_) => format!(
            "in two stages: the result is first written to {scratch} of scratch files in chunks near to those of the input and \
             of the result, and {} are read; {other}",
            mib(read(plan))
        ),
        Way::WholeAxis => format!(
            "with whole axes in memory, so that {} are read; {other}, since what is before a block is computed first",
            mib(read(plan))
        ),
        Way::Rounds(bits) => {
            let is_stored = |read: &InputRead| read.name.is_some();
            let rounds = plan.passes.iter().filter(|pass| pass.inputs.iter().any(is_stored)).count();
            if rounds == 1 {
                return format!(
                    "by counting how often each group has each value, so that {} are read; {other}",
                    mib(read(plan))
                );
            }
            format!(
                "by counting {bits} bits of the values in each of several rounds, so that {rounds} passes read the input, {} in all; {other}",
                mib(read(plan))
            )
        }
        Way::Counting => {
            format!(
                "by counting how often there is each value, so that {} are read; {other}",
                mib(read(plan))
            )
        }
    }
}

/// A walk that changes expressions to another way.
struct Changing<'a> {
    way: Way,
    targets: &'a [Option<&'a Array>],
    /// What each expression has become.
    known: HashMap<usize, Lazy>,
}

impl Changing<'_> {
    /// The same elements as those of all roots; `None` if nothing is to be changed.
    fn all(mut self, roots: &[Lazy]) -> Result<Option<Vec<Lazy>>> {
        let mut changed = Vec::new();
        for (number, root) in roots.iter().enumerate() {
            changed.push(match (self.way, self.targets[number]) {
                (Way::Rechunk(most), Some(target)) => Self::rechunked(root, target, most)?,
                (Way::Rechunk(_), None) => root.clone(),
                _ => self.changed(root)?,
            });
        }
        let is_same = changed.iter().zip(roots).all(|(one, other)| one.id() == other.id());
        Ok((!is_same).then_some(changed))
    }

    fn changed(&mut self, lazy: &Lazy) -> Result<Lazy> {
        if let Some(known) = self.known.get(&lazy.id()) {
            return Ok(known.clone());
        }
        if self.way == Way::WholeAxis
            && let Some(found) = self.on_whole_axis(lazy)?
        {
            self.known.insert(lazy.id(), found.clone());
            return Ok(found);
        }
        let mut differs = false;
        let mut inner = |of: &Lazy| {
            let changed = self.changed(of)?;
            differs |= changed.id() != of.id();
            Ok(changed)
        };
        let kind = match lazy.kind() {
            Kind::View(mapping, of) => {
                let changed = inner(of)?;
                let found = if differs { changed.view(mapping)? } else { lazy.clone() };
                self.known.insert(lazy.id(), found.clone());
                return Ok(found);
            }
            kind => kind.with(&mut inner)?,
        };
        let mut found = lazy.clone();
        if differs {
            found = Lazy::new(kind, lazy.dtype(), lazy.domain().clone(), lazy.names().into());
        }
        if self.way != Way::WholeAxis && !whole_axes(lazy).is_empty() {
            found = self.operation(&found)?.unwrap_or(found);
        }
        self.known.insert(lazy.id(), found.clone());
        Ok(found)
    }

    /// Running sums and the like of a whole axis; of elements of `float32` without others of `float64` beside them.
    fn on_whole_axis(&mut self, lazy: &Lazy) -> Result<Option<Lazy>> {
        let dtype = lazy.dtype();
        let (scan, of) = match lazy.kind() {
            Kind::Convert(scan) => match scan.kind() {
                Kind::Operation(_, _, inputs) => match inputs[0].kind() {
                    Kind::Convert(of) if of.dtype() == dtype => (scan, of),
                    _ => return Ok(None),
                },
                _ => return Ok(None),
            },
            Kind::Operation(_, _, inputs) => (lazy, &inputs[0]),
            _ => return Ok(None),
        };
        let Some((axis, kernel)) = of_whole_axis(scan, dtype) else { return Ok(None) };
        let Kind::Operation(operation, ..) = scan.kind() else { return Ok(None) };
        let windows = |own: usize| if own == axis { Windows::Whole } else { Windows::Each };
        let axes: Vec<Bound> = (0..of.ndim()).map(|own| (own, windows(own))).collect();
        let each: Vec<Bound> = (0..of.ndim()).map(|own| (own, Windows::Each)).collect();
        let loops: Vec<_> = operation.loops.ranges().collect();
        let made = Operation::over(&loops).input(&self.changed(of)?, &axes).output(dtype, &each);
        made.kernel(operation.name.clone(), kernel)?.renamed(lazy.names()).map(Some)
    }

    /// An operation that needs some axes as a whole, in this way.
    fn operation(&self, lazy: &Lazy) -> Result<Option<Lazy>> {
        let Kind::Operation(of, number, inputs) = lazy.kind() else { return Ok(None) };
        let Work::Kernel(kernel) = &of.work else { return Ok(None) };
        if let Way::Counting | Way::Rounds(_) = self.way {
            let columns = kernel.as_any().and_then(|kernel| kernel.downcast_ref::<Columns>());
            let of = |columns: &Columns| match self.way {
                Way::Rounds(bits) => match columns.in_rounds(inputs, bits)? {
                    None => columns.by_counting(&inputs[0]),
                    found => Ok(found),
                },
                _ => columns.by_counting(&inputs[0]),
            };
            let found = columns.map(of).transpose()?.flatten();
            return found.map(|found| found.renamed(lazy.names())).transpose();
        }
        let input = &inputs[0];
        let needed = |axis: usize| {
            let shape = input.domain().shape();
            if kernel.whole_axes().contains(&axis) { shape[axis] } else { 1 }
        };
        let needed: Dims<u64> = (0..input.ndim()).map(needed).collect();
        let Way::Pencils(most) = self.way else { return Ok(None) };
        let Some(kept) = kept(input, &needed, most)? else { return Ok(None) };
        let mut inputs = inputs.clone();
        inputs[0] = kept;
        let kind = Kind::Operation(Arc::clone(of), *number, inputs);
        Ok(Some(Lazy::new(kind, lazy.dtype(), lazy.domain().clone(), lazy.names().into())))
    }

    fn rechunked(root: &Lazy, target: &Array, most: u64) -> Result<Lazy> {
        let needed: Dims<u64> = target.write_grid()?.iter().map(|chunk| chunk.1).collect();
        Ok(kept(root, &needed, most)?.unwrap_or_else(|| root.clone()))
    }
}

/// Elements in a file in chunks between those that they come in and those that are needed; `None` if there are no chunks.
fn kept(lazy: &Lazy, needed: &[u64], most: u64) -> Result<Option<Lazy>> {
    let Some(given) = lazy.chunk_shape()? else { return Ok(None) };
    let shape =
        Shapes { whole: lazy.domain().shape(), given: &given, needed, item: lazy.dtype().size() as u64 };
    lazy.kept_in_a_pass(Some(shape.between(most))).map(Some)
}

/// What chunks lie between.
struct Shapes<'a> {
    whole: &'a [u64],
    /// Chunks of what is read.
    given: &'a [u64],
    /// What is then needed at once.
    needed: &'a [u64],
    item: u64,
}

impl Shapes<'_> {
    /// Chunks that both blocks of what is read and blocks of what is needed are made of: as short as the shorter of both along each axis,
    /// and longer as long as chunks are small, and both blocks take no more than this.
    fn between(&self, most: u64) -> Dims<u64> {
        let (given, needed): (Dims<u64>, Dims<u64>) = (
            self.given.iter().zip(self.whole).map(|(&one, &all)| one.clamp(1, all.max(1))).collect(),
            self.needed.iter().zip(self.whole).map(|(&one, &all)| one.clamp(1, all.max(1))).collect(),
        );
        let mut chunk: Dims<u64> = given.iter().zip(&needed).map(|(&one, &other)| one.min(other)).collect();
        let bytes = |shape: &[u64]| shape.iter().fold(self.item, |all, &length| all.saturating_mul(length));
        let both = |one: &[u64], other: &[u64]| -> Dims<u64> {
            one.iter().zip(other).map(|(&one, &other)| one.max(other)).collect()
        };
        let enough = CHUNK.max(bytes(self.whole) / CHUNKS);
        while bytes(&chunk) < enough {
            // What is needed at once first, since that is read in longer runs then.
            let longer = (0..chunk.len()).filter_map(|axis| {
                let mut longer = chunk.clone();
                longer[axis] = longer[axis].saturating_mul(2).min(given[axis].max(needed[axis]));
                let fits = bytes(&both(&longer, &given)).max(bytes(&both(&longer, &needed))) <= most;
                (longer[axis] > chunk[axis] && fits).then_some(longer)
            });
            let least = longer.min_by_key(|longer| {
                bytes(&both(longer, &given)).saturating_add(bytes(&both(longer, &needed)))
            });
            let Some(least) = least else { break };
            chunk = least;
        }
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_files_lie_between_those_of_inputs_and_what_is_needed() {
        let between = |given: &[u64], needed: &[u64], most: u64| {
            Shapes { whole: &[744, 360, 720], given, needed, item: 4 }.between(most).to_vec()
        };
        // As short as both, then longer where blocks grow the least.
        let found = between(&[24, 90, 180], &[744, 24, 24], 32 << 20);
        let bytes = found.iter().product::<u64>() * 4;
        assert!(found[0] >= 24 && found[1] >= 24 && found[2] >= 24 && bytes >= CHUNK / 2, "{found:?}");
        assert_eq!(between(&[24, 90, 180], &[744, 24, 24], 1), [24, 24, 24]);
        assert_eq!(between(&[24, 1000, 180], &[744, 1, 1], 1), [24, 1, 1]);
    }
}
