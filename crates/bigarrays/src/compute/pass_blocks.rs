//! Which blocks a pass is cut into, and how many of them are under way. Pure.

use crate::base::error::Result;
use crate::compute::expr::Kind;
use crate::compute::pass_planner::{Limits, OVERHEAD, Planner, TASKS};
use crate::compute::plan::Folding;
use crate::compute::room::Room;
use crate::compute::search::{Axis, Found, Search};
use crate::compute::stage::Output;
use crate::run::runner::FAR;
use crate::store::NEAR;

/// The most bytes of a block that is made of several pieces: more do not stay in the cache.
const CACHED: u64 = 4 << 20;

impl Planner<'_> {
    fn axis(&self, axis: usize, (origin, step, is_fine): (i64, u64, bool)) -> Axis {
        Axis {
            range: self.domain().range(axis),
            grid: (origin, step),
            is_fine,
            is_apart: self.reduced(axis).is_none(),
            chunks: self.reads.iter().map(|read| self.chunks(read, axis)).collect(),
            halos: self.reads.iter().map(|(input, _)| input.halo(axis, self.domain().ndim())).collect(),
        }
    }

    /// The blocks that cost the least, for all threads if there is room, and how many are under way.
    pub(super) fn blocks(&self, given: Option<&[(i64, u64)]>) -> Result<(Found, u64)> {
        let held = |lengths: &[u64]| self.held(lengths);
        let segments = self.folding.as_ref().map_or(1, Folding::count).max(1);
        let search = Search {
            axes: self.grid().into_iter().enumerate().map(|(axis, at)| self.axis(axis, at)).collect(),
            chunk_bytes: self.reads.iter().map(|read| read.1.1).collect(),
            overhead: OVERHEAD,
            cached: CACHED,
            tasks: TASKS.saturating_mul(self.limits.workers).div_ceil(segments),
            threads: self.threads(segments),
            held: &held,
        };
        self.room().blocks(&search, given).map_err(|least| self.refusal(least))
    }

    /// The memory for blocks, and how many are to be under way.
    fn room(&self) -> Room {
        let (is_near, threads) = (self.is_near(), self.limits.threads.max(1));
        Room {
            bytes: self.limits.memory.saturating_sub(self.terms.all()),
            // Chunks that wait to be decoded are held by each block that is under way.
            beside: if is_near { 0 } else { self.terms.decoding / threads },
            largest: u64::MAX,
            wanted: if self.is_moved() { 1 } else { threads },
            most: if is_near { threads } else { threads.max(FAR) },
        }
    }

    /// By how many threads blocks are done, where fewer of them may cost less than to read more; `None` if that is not all that takes long,
    /// if several processes share them, or if a run that ends early loses those under way.
    fn threads(&self, segments: u64) -> Option<f64> {
        let is_kernel = |output: &Output| {
            output.expr.nodes().iter().any(|node| matches!(node.kind(), Kind::Operation(..)))
        };
        let Limits { workers, threads, is_resumable, .. } = self.limits;
        if workers > threads || is_resumable || self.stage.outputs.iter().any(is_kernel) {
            return None;
        }
        let threads = threads as f64 / segments as f64;
        Some(if self.is_moved() { 1.0 } else { threads.max(1.0) })
    }

    /// Whether elements go as they are from stored chunks to others, where nothing waits for a network: all threads decode and encode those of one
    /// block.
    fn is_moved(&self) -> bool {
        let is_written = self.targets.len() == self.stage.outputs.len();
        self.folding.is_none() && is_written && self.compiled.passes_stored() && self.is_near()
    }

    pub(super) fn is_near(&self) -> bool {
        let targets = self.targets.iter().map(|(_, target)| target.store().request_cost());
        targets.fold(self.compiled.request_cost(), u64::max) <= NEAR
    }
}
