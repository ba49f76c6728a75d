//! Labels that are read block by block, for what there is of each of them.

use crate::array::Array;
use crate::base::error::Result;
use crate::chunk::config::{Config, Parameter};
use crate::compute::{Cuts, Entries, identity_of};
use crate::jobs::blockwise::Blockwise;
use crate::jobs::labels::options::LabelOptions;
use crate::jobs::labels::word::{Label, element};
use crate::jobs::sharing::entries;
use crate::run::budget;

/// Bytes of a run.
pub(super) const RUN: u64 = 4;

/// The blocks of an array of labels, and what is known of them.
pub(super) struct Reading<'a, T> {
    pub(super) blocks: Blockwise<'a>,
    /// The value of elements that have no label.
    pub(super) ground: T,
    pub(super) entries: Option<Entries<'a>>,
    /// Bytes for what is found.
    pub(super) room: u64,
}

impl<'a, T: Label> Reading<'a, T> {
    /// Plans the blocks. `None` if nothing but the plan was asked for.
    ///
    /// # Errors
    /// `MemoryBudget`; a storage error.
    pub(super) fn new(
        name: &'static str,
        labels: &'a Array,
        options: &LabelOptions<'a>,
    ) -> Result<Option<Self>> {
        let ground = element::<T>(options.ground())?;
        let memory = budget::of_job(options.memory);
        let is_empty = T::of_bytes(labels.layout().fill.as_bytes()) == ground;
        // The rest is for what is found.
        let held = (memory - memory / 4, size_of::<T>() as u64 + RUN);
        let blocks = Blockwise::reading(labels, held, is_empty, options.sharing)?;
        if options.dry_run {
            return Ok(None);
        }
        let entries = entries((options.journal, options.sharing), &config(name, &blocks, options).key());
        let room = blocks.room(memory);
        Ok(Some(Self { blocks, ground, entries, room }))
    }
}

/// All that what is found depends on but elements.
pub(super) fn config(name: &'static str, blocks: &Blockwise<'_>, options: &LabelOptions<'_>) -> Config {
    Config::new(name)
        .with("source", identity_of(&blocks.source))
        .with("background", format!("{:?}", options.ground()))
        .with("cuts", blocks.plan.blocks.cuts.iter().map(Cuts::config).collect::<Parameter>())
}
