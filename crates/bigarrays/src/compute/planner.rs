//! Planning: the passes of expressions one after the other, so that what each holds for those behind it fits into a budget. Pure.

use crate::array::Array;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::expr::Lazy;
use crate::compute::held::placeholder;
use crate::compute::pass_planner::{Files, Limits, Planner, bytes};
use crate::compute::plan::{Cut, Plan, Recorded};
use crate::compute::refusal::Refusal;
use crate::compute::stage::{Output, Root, Stage};

/// The plan of these passes, where each expression that was asked for goes to its target, or to memory of its caller. Passes
/// that do not fit together are done apart, and results that later passes take are kept in scratch files if they do not fit
/// into memory.
///
/// # Errors
/// `MemoryBudget` if the smallest blocks do not fit.
pub(crate) fn plan(
    stages: Vec<Stage>,
    targets: &[Option<&Array>],
    limits: Limits,
) -> Result<(Vec<Stage>, Plan)> {
    let is_large = |output: &Output| output.is_taken && !output.is_small();
    let is_taken = stages.iter().flat_map(|stage| &stage.outputs).any(is_large);
    let free: Vec<Given> = stages.into_iter().map(|stage| (stage, None)).collect();
    if limits.is_resumable && is_taken && !limits.has_scratch {
        let reason =
            "to be resumed, results that the work goes on with have to be in files; name a scratch folder";
        return Err(Error::invalid(reason).during("planning"));
    }
    if limits.is_resumable || !(limits.has_scratch && is_taken) {
        return plan_held(free, targets, limits);
    }
    match plan_held(free.clone(), targets, Limits { has_scratch: false, ..limits }) {
        Err(error) if error.kind() == ErrorKind::MemoryBudget => plan_held(free, targets, limits),
        held => held,
    }
}

/// The plan that an earlier run has made of these passes: the same blocks, of which as many are under way as fit now.
///
/// # Errors
/// `MemoryBudget` if one does not fit now; `InvalidArgument` if it is no plan of these passes.
pub(crate) fn again(
    stages: &[Stage],
    targets: &[Option<&Array>],
    limits: Limits,
    recorded: &Recorded,
) -> Result<(Vec<Stage>, Plan)> {
    if recorded.has_scratch && !limits.has_scratch {
        return Err(Error::invalid("the earlier run had a scratch folder; name it").during("planning"));
    }
    let one =
        |cut: &Cut| Some((stages.iter().find_map(|stage| stage.only(&cut.numbers))?, Some(cut.clone())));
    let given = recorded.passes.iter().map(one).collect::<Option<Vec<Given>>>();
    let other = || {
        Error::invalid("the journal has a plan of other passes; remove it to begin anew").during("planning")
    };
    let given = given.filter(|given| {
        given.iter().all(|(stage, cut)| cut.as_ref().is_some_and(|cut| cut.cuts.len() == stage.domain.ndim()))
    });
    plan_held(given.ok_or_else(other)?, targets, Limits { has_scratch: recorded.has_scratch, ..limits })
}

/// A pass, and how it is cut if that is given.
type Given = (Stage, Option<Cut>);

/// The plan, where results that later passes take are in scratch files if there may be any, and in memory if not.
fn plan_held(stages: Vec<Given>, targets: &[Option<&Array>], limits: Limits) -> Result<(Vec<Stage>, Plan)> {
    let in_memory = |root: &&Root| targets[root.number].is_none();
    let roots = |output: &Output| output.roots.iter().filter(in_memory).count() as u64;
    // Tables of labels are counted with their cells.
    let all = stages.iter().filter(|(stage, _)| stage.groups() > 0);
    let all = all.flat_map(|(stage, _)| &stage.outputs);
    let mut held =
        all.map(|one| bytes(&one.domain, one.dtype).saturating_mul(roots(one))).fold(0, u64::saturating_add);
    let (mut planned, mut passes, mut scratch) = (Vec::new(), Vec::new(), 0u64);
    let mut may_spill = false;
    let mut files = Files::new();
    let mut refused: Option<Refusal> = None;
    for (stage, cuts) in stages {
        if limits.has_scratch {
            add_files(&stage, &mut files)?;
        }
        let taken = stage.outputs.iter().filter(|output| output.is_taken);
        let mut taken = taken.map(|one| bytes(&one.domain, one.dtype)).fold(0, u64::saturating_add);
        if limits.has_scratch {
            scratch = scratch.saturating_add(std::mem::take(&mut taken));
        }
        held = held.saturating_add(taken);
        // They are copied once they are all there.
        may_spill |= taken > 0;
        let results = (held.saturating_add(taken), may_spill);
        let together = Planner::pass(&stage, (targets, &files), limits, results, cuts.as_ref());
        match together {
            Ok(pass) => {
                passes.push(pass);
                planned.push(stage);
            }
            Err(error)
                if error.kind() == ErrorKind::MemoryBudget && stage.outputs.len() > 1 && cuts.is_none() =>
            {
                for stage in stage.apart() {
                    match Planner::pass(&stage, (targets, &files), limits, results, None) {
                        Ok(pass) => {
                            passes.push(pass);
                            planned.push(stage);
                        }
                        Err(error) => Refusal::add(&mut refused, error)?,
                    }
                }
            }
            Err(error) => Refusal::add(&mut refused, error)?,
        }
    }
    if let Some(refused) = refused {
        return Err(refused.into_error());
    }
    let peak_memory = passes.iter().map(|pass| pass.terms.all()).max().unwrap_or(0);
    Ok((
        planned,
        Plan {
            passes,
            memory: limits.memory,
            peak_memory,
            scratch,
            notes: Vec::new(),
            way: None,
            boxes: None,
        },
    ))
}

/// Adds the scratch files that a pass makes in chunks.
fn add_files(stage: &Stage, files: &mut Files) -> Result<()> {
    for output in stage.outputs.iter().filter(|output| output.is_taken) {
        if let Some(chunk) = &output.chunk_shape {
            let array = placeholder(&output.domain, output.dtype, chunk)?;
            files.insert(output.number, (array.clone(), Lazy::of(&array)?.renamed(&output.names)?));
        }
    }
    Ok(())
}

/// The same where all results that later passes take are in files.
///
/// # Errors
/// As [`plan`].
pub(crate) fn plan_in_files(
    stages: Vec<Stage>,
    targets: &[Option<&Array>],
    limits: Limits,
) -> Result<(Vec<Stage>, Plan)> {
    plan_held(stages.into_iter().map(|stage| (stage, None)).collect(), targets, limits)
}
