//! What all views of an opened array share.

use std::sync::{Arc, Mutex};

use crate::base::text::redact;
use crate::chunk::config::Config;
use crate::chunk::layout::Layout;
use crate::format::{Incomplete, Scale};
use crate::store::Store;

/// What a write does with elements outside the domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outside {
    /// It is refused.
    #[default]
    Error,
    /// They are left out.
    Crop,
}

impl Outside {
    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Crop => "crop",
        }
    }
}

/// How reads and writes treat what is out of the ordinary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ArrayOptions {
    /// Refuse every write.
    pub read_only: bool,
    /// Reads outside the domain or over missing chunks are errors instead of fill values.
    pub strict: bool,
    /// What a write does with elements outside the domain.
    pub outside: Outside,
    /// Chunks that hold only the fill value are deleted instead of stored.
    pub drop_fill: bool,
}

impl ArrayOptions {
    /// The options as plain data.
    pub fn config(&self) -> Config {
        Config::new("options")
            .with("read_only", self.read_only)
            .with("strict", self.strict)
            .with("outside", self.outside.name())
            .with("drop_fill", self.drop_fill)
    }
}

/// What all views of an opened array share.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) layout: Layout,
    /// Further copies of the data in other chunk shapes, kept equal by every write.
    pub(super) copies: Vec<Layout>,
    pub(super) store: Arc<dyn Store>,
    pub(super) options: ArrayOptions,
    pub(super) format: &'static str,
    pub(super) url: String,
    pub(super) scales: Vec<Scale>,
    pub(super) scale: usize,
    pub(super) notes: Vec<String>,
    /// The store rooted at what was opened.
    pub(super) root: Arc<dyn Store>,
    /// What is known of its making, as long as it is marked as incomplete.
    pub(super) incomplete: Arc<Mutex<Option<Incomplete>>>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Stored");
        shown.field("url", &redact(&self.url)).field("format", &self.format).field("layout", &self.layout);
        shown.field("store", &self.store).field("options", &self.options).field("scales", &self.scales);
        shown.field("scale", &self.scale).finish_non_exhaustive()
    }
}

impl Stored {
    /// The layout, and those of the copies.
    pub(super) fn layouts(&self) -> impl Iterator<Item = &Layout> {
        std::iter::once(&self.layout).chain(&self.copies)
    }
}
