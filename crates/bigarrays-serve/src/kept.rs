//! Coarser levels that are kept in a folder, and what there is of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use bigarrays::base::sync::RwLockExt;
use bigarrays::base::text::shown;
use bigarrays::{Array, Error};

/// What there is of the kept levels of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pyramid {
    /// Whether there are any is not known yet.
    Looking,
    /// They are being made, so many percent of them by now; meanwhile tiles come from the array itself.
    Making(u8),
    /// They are shown.
    Ready,
    /// They are not kept, and why; tiles come from the array itself.
    Failed(String),
}

impl std::fmt::Display for Pyramid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Looking => write!(f, "looking"),
            Self::Making(percent) => write!(f, "making, {percent} %"),
            Self::Ready => write!(f, "ready"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
        }
    }
}

/// The levels of a layer, once they are there.
#[derive(Debug)]
pub(crate) struct Kept {
    now: RwLock<(Pyramid, Option<Arc<Vec<Array>>>)>,
    /// Is another one whenever what tiles are made of is.
    generation: AtomicU64,
}

impl Kept {
    pub(crate) fn new() -> Self {
        Self { now: RwLock::new((Pyramid::Looking, None)), generation: AtomicU64::new(0) }
    }

    pub(crate) fn state(&self) -> Pyramid {
        self.now.read_locked().0.clone()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// One of the levels.
    pub(crate) fn level(&self, number: usize) -> Option<Array> {
        let now = self.now.read_locked();
        now.1.as_ref().and_then(|levels| levels.get(number).cloned())
    }

    pub(crate) fn set(&self, state: Pyramid, levels: Option<Vec<Array>>) {
        let mut now = self.now.write_locked();
        if now.1.is_some() != levels.is_some() || levels.is_some() {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        *now = (state, levels.map(Arc::new));
    }

    pub(crate) fn fail(&self, error: &Error) {
        self.set(Pyramid::Failed(shown(&error.to_string()).into_owned()), None);
    }
}
