//! Which plan is taken: directly, in another way, or in boxes; or what an earlier run has taken.

use crate::array::Array;
use crate::base::error::{ErrorKind, Result};
use crate::compute::expr::Lazy;
use crate::compute::held_boxes;
use crate::compute::pass_planner::Limits;
use crate::compute::plan::{Plan, Recorded};
use crate::compute::planner;
use crate::compute::stage::{Stage, stages};
use crate::compute::ways;

/// The passes of expressions, and their plan: that of an earlier run, if there is one, and else the one whose modelled cost is the least.
///
/// # Errors
/// `MemoryBudget` if the smallest blocks do not fit; `InvalidArgument` if an earlier plan is not of these expressions.
pub(super) fn plan(
    roots: &[Lazy],
    targets: &[Option<&Array>],
    limits: Limits,
    recorded: Option<&Recorded>,
) -> Result<(Vec<Stage>, Plan)> {
    if let Some(recorded) = recorded {
        return again(roots, targets, limits, recorded);
    }
    let passes = stages(roots)?;
    let chosen = ways::cheapest(roots, passes, targets, limits);
    let alone = match &chosen {
        Ok((_, plan)) => Some(plan.clone()),
        // Without a folder for what passes leave for each other, boxes may still be taken up.
        Err(error) if limits.is_resumable && error.kind() == ErrorKind::InvalidArgument => {
            let limits = Limits { is_resumable: false, ..limits };
            ways::cheapest(roots, stages(roots)?, targets, limits).ok().map(|found| found.1)
        }
        Err(_) => None,
    };
    let held = alone.map(|alone| held_boxes::plan(roots, targets, &alone, limits)).transpose()?.flatten();
    held.map_or(chosen, Ok)
}

fn again(
    roots: &[Lazy],
    targets: &[Option<&Array>],
    limits: Limits,
    recorded: &Recorded,
) -> Result<(Vec<Stage>, Plan)> {
    match &recorded.boxes {
        Some(lengths) => held_boxes::again(roots, targets, lengths, limits),
        None => planner::again(&ways::again(roots, targets, recorded.way)?, targets, limits, recorded),
    }
}
