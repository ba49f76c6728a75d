//! Boxes of a result, or of several, one after the other, each of which reads what it needs once and holds it while all passes go over it.
//!
//! What is reduced along whole axes and then taken again where it was, as distances from means are, reads its inputs in one pass after
//! the other. A box that is whole along these axes needs no more of them than its own, which may fit into memory. Results over other domains,
//! as the means themselves, are made of the same boxes: these are cut along axes that all results have. What is reduced along the others as well
//! is folded box by box.

use crate::array::Array;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::box_inputs::{
    Replacing, array_of, bytes_of, empty_in, inputs, is_of_arrays, named, reads,
};
use crate::compute::boxed_results::{BoxedResults, MOST};
use crate::compute::carried::Carried;
use crate::compute::expr::Lazy;
use crate::compute::pass_planner::Limits;
use crate::compute::plan::{Flow, HeldBoxes, Pass, Plan, Terms};
use crate::compute::planner;
use crate::compute::stage::{Stage, stages};
use crate::store::MemoryStore;

/// So small a part of the budget is for inputs of a box; a smaller one if there is no room for its passes then.
const SHARES: [u64; 3] = [2, 4, 8];

/// Reading less is worth it if it is less than so many fifths of what would be read.
const FIFTHS: u64 = 4;

/// The fewest boxes where a run that ends early loses those under way, and boxes for each of several processes, some of which are slow.
const OF_WORKER: u64 = 4;

/// Reductions that are carried from box to box, if there are any, and the plan of boxes, with the passes of these reductions behind those of a box.
pub(super) type Planned = (Vec<Stage>, Plan);

/// The plan of boxes of results, if they read clearly less than the passes of this one do.
///
/// # Errors
/// Those of making expressions.
pub(super) fn plan(
    roots: &[Lazy],
    targets: &[Option<&Array>],
    direct: &Plan,
    limits: Limits,
) -> Result<Option<Planned>> {
    if direct.passes.len() < 2 {
        return Ok(None);
    }
    let read = direct.passes.iter().fold(0u64, |all, pass| all.saturating_add(pass.bytes_read));
    // What reads nothing that is stored is what a box holds already.
    let is_of_stored = roots.iter().all(is_of_arrays) && !inputs(roots).is_empty();
    // What is to be taken up is in files whether there is room for it or not.
    let is_in_files = direct.scratch > 0 && !limits.is_resumable;
    // What is in memory is gone when a process ends.
    let is_lost = is_in_parts(limits) && targets.iter().any(Option::is_none);
    if is_in_files || is_lost || !is_of_stored {
        return Ok(None);
    }
    let Some(results) = BoxedResults::all(roots, targets)? else { return Ok(None) };
    if let Some(found) = fitting(&results, read, limits)? {
        return Ok(Some(found));
    }
    // So is what is carried.
    if is_in_parts(limits) {
        return Ok(None);
    }
    let results = BoxedResults::with_carried(roots, &stages(roots)?, targets)?;
    results.map_or(Ok(None), |results| fitting(&results, read, limits))
}

/// Whether boxes are done one by one: a run that ends early keeps those that are done, or several processes share them.
fn is_in_parts(limits: Limits) -> bool {
    limits.is_resumable || processes(limits) > 1
}

fn processes(limits: Limits) -> u64 {
    limits.workers.div_ceil(limits.threads.max(1))
}

/// The plan of boxes, if they fit and read clearly less than so many bytes.
fn fitting(results: &BoxedResults<'_>, read: u64, limits: Limits) -> Result<Option<Planned>> {
    let beside = results.in_memory(&results.roots).saturating_add(results.carried_bytes());
    let room = limits.memory.saturating_sub(beside);
    for share in SHARES {
        if let Some(found) = within(results, room / share, read, limits)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The same of boxes whose inputs have at most so many bytes.
fn within(results: &BoxedResults<'_>, most: u64, read: u64, limits: Limits) -> Result<Option<Planned>> {
    let processes = processes(limits);
    let wanted = limits.threads.max(processes).saturating_mul(OF_WORKER);
    // What one process does to the end has as few boxes as fit.
    let (wanted, least) = if is_in_parts(limits) { (wanted, OF_WORKER.max(processes)) } else { (1, 1) };
    let Some(lengths) = results.lengths(most, wanted)? else { return Ok(None) };
    let count = results.count(&lengths);
    let reads = reads(&results.elements(&results.first_box(&lengths)?)?, count)?;
    let all = reads.iter().fold(0u64, |all, flow| all.saturating_add(flow.bytes));
    if count > MOST || count < least || all > read / 5 * FIFTHS {
        return Ok(None);
    }
    if is_in_parts(limits) && !results.are_apart(&lengths)? {
        return Ok(None);
    }
    let Ok((stages, mut plan)) = plan_of(results, &lengths, reads, limits) else { return Ok(None) };
    plan.notes.push(note(&plan, (all, read), results.all_targets().len()));
    Ok(Some((stages, plan)))
}

/// Why so many results are made in boxes that read the first of these bytes, and not directly, which would read the second.
fn note(plan: &Plan, (all, read): (u64, u64), results: usize) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let Some(HeldBoxes { boxes, lengths, bytes, carried, .. }) = &plan.boxes else { return String::new() };
    let lengths: Vec<String> = lengths.iter().map(|length| length.1.to_string()).collect();
    let (count, of) = (boxes.len(), if results > 1 { "results" } else { "result" });
    let last = match carried {
        0 => String::new(),
        1 => "; the last of these goes on from box to box".to_owned(),
        more => format!("; the last {more} of these go on from box to box"),
    };
    format!(
        "in {count} boxes of the {of}, each of up to {}: a box reads its inputs once, {} in all, and holds {} of them while its passes, which \
         are those above, go over them{last}; directly, {} would be read",
        lengths.join(" × "),
        mib(all),
        mib(*bytes),
        mib(read),
    )
}

/// The plan of boxes of these lengths.
///
/// # Errors
/// `MemoryBudget` if one does not fit; `InvalidArgument` if there are no such boxes; those of making expressions.
pub(super) fn again(
    roots: &[Lazy],
    targets: &[Option<&Array>],
    lengths: &[(i64, u64)],
    limits: Limits,
) -> Result<Planned> {
    let other = || Error::invalid("the boxes are not those of the results; plan anew").during("planning");
    let results =
        BoxedResults::all(roots, targets)?.filter(|results| results.has(lengths)).ok_or_else(other)?;
    let reads = reads(&results.elements(&results.first_box(lengths)?)?, results.count(lengths))?;
    plan_of(&results, lengths, reads, limits)
}

/// The plan of boxes of these lengths, which read so much.
fn plan_of(
    results: &BoxedResults<'_>,
    lengths: &[(i64, u64)],
    reads: Vec<Flow>,
    limits: Limits,
) -> Result<Planned> {
    let first = results.first_box(lengths)?;
    let (parts, bytes) = (results.cut(&first)?, bytes_of(&results.elements(&first)?));
    let beside = results.in_memory(&results.roots).saturating_sub(results.in_memory(&parts));
    let beside = beside.saturating_add(results.carried_bytes());
    let rest = Limits {
        memory: limits.memory.saturating_sub(bytes).saturating_sub(beside),
        workers: limits.threads,
        has_scratch: limits.has_scratch && !limits.is_resumable,
        is_resumable: false,
        ..limits
    };
    let mut plan = of_box(results, &parts, &first, rest)?;
    let mut peak = plan.peak_memory;
    let (mut carried, mut folding) = (Vec::new(), Vec::new());
    for one in &results.carried {
        let pass = pass_of(one, results, lengths, rest)?;
        peak = peak.max(pass.terms.all());
        folding.push(pass);
        carried.push(one.stage.clone());
    }
    plan.passes.extend(folding);
    plan.memory = limits.memory;
    plan.peak_memory = peak.saturating_add(bytes).saturating_add(beside);
    plan.boxes = Some(HeldBoxes {
        numbers: results.numbers.clone(),
        carried: carried.len(),
        frame: results.frame.clone(),
        boxes: results.boxes(lengths)?,
        lengths: lengths.into(),
        bytes,
        beside,
        reads,
    });
    Ok((carried, plan))
}

/// The plan of the passes of a box, of what it holds.
fn of_box(results: &BoxedResults<'_>, parts: &[Lazy], first: &Domain, limits: Limits) -> Result<Plan> {
    let inputs = inputs(parts);
    let placeholders = inputs.iter().map(|input| match array_of(input) {
        Some(array) => named(input, &empty_in(MemoryStore::new(), input, array)?),
        None => Ok(input.clone()),
    });
    let placeholders = placeholders.collect::<Result<Vec<_>>>()?;
    let targets = results.roots.iter().zip(&results.targets).enumerate().map(|(number, (root, target))| {
        let part = results.frame.part(number, root.domain(), first)?;
        target.map(|target| target.cut(&part)).transpose()
    });
    let targets = targets.collect::<Result<Vec<_>>>()?;
    let replacing = Replacing { inputs: &inputs, held: &placeholders };
    let held = parts.iter().map(|part| replacing.lazy(part)).collect::<Result<Vec<_>>>()?;
    let targets: Vec<Option<&Array>> = targets.iter().map(Option::as_ref).collect();
    let (_, mut plan) = planner::plan(stages(&held)?, &targets, limits)?;
    // Passes are called as those over the inputs are.
    let direct = stages(parts)?;
    if plan.passes.len() == direct.len() {
        plan.passes.iter_mut().zip(&direct).for_each(|(own, direct)| own.text = direct.text());
    }
    Ok(plan)
}

/// How a reduction folds what one box after the other holds.
fn pass_of(
    carried: &Carried,
    results: &BoxedResults<'_>,
    lengths: &[(i64, u64)],
    limits: Limits,
) -> Result<Pass> {
    let none = || Error::new(ErrorKind::MemoryBudget, "what is folded of a box does not fit");
    let units = results.units()?.ok_or_else(none)?;
    let all = Limits { memory: u64::MAX, ..limits };
    let (_, alone) = planner::plan(vec![carried.stage.clone()], results.all_targets(), all)?;
    let mut pass = alone.passes.into_iter().next().ok_or_else(none)?;
    let Terms { decoding, tiles, .. } = pass.terms;
    let (blocks, bytes) =
        carried.blocks(lengths, &units, (limits.threads, limits.memory))?.ok_or_else(none)?;
    pass.terms = Terms { blocks: bytes, decoding, tiles, ..Terms::default() };
    if pass.terms.all() > limits.memory {
        return Err(none());
    }
    pass.blocks = blocks;
    pass.in_flight = limits.threads.max(1) as usize;
    // The box has read it.
    (pass.chunks_read, pass.bytes_read) = (0, 0);
    pass.is_shared = false;
    pass.inputs.clear();
    pass.reads.clear();
    Ok(pass)
}
