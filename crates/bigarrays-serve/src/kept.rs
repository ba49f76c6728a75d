//! Coarser levels that are kept in a folder, and what there is of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use bigarrays::base::sync::RwLockExt;
use bigarrays::base::text::shown;
use bigarrays::jobs::KeptLevels;
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

/// Levels that were found, or made: the arrays, and what tells whether they are there yet.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) levels: Arc<KeptLevels>,
    pub(crate) arrays: Arc<Vec<Array>>,
}

/// The levels of a layer, once they are there.
#[derive(Debug)]
pub(crate) struct Kept {
    now: RwLock<(Pyramid, Option<Found>)>,
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

    /// The levels, if they are there.
    pub(crate) fn found(&self) -> Option<Found> {
        self.now.read_locked().1.clone()
    }

    pub(crate) fn set(&self, state: Pyramid, found: Option<Found>) {
        let mut now = self.now.write_locked();
        if now.1.is_some() != found.is_some() || found.is_some() {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        *now = (state, found);
    }

    pub(crate) fn fail(&self, error: &Error) {
        self.set(Pyramid::Failed(shown(&error.to_string()).into_owned()), None);
    }
}
