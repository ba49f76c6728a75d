//! Which levels are made, how, and what was made.

use std::path::Path;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::{Journal, Number};
use crate::format::StorageSpec;
use crate::run::budget;
use crate::run::runner::Progress;

/// How elements become one of a coarser level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downsampling {
    /// Their mean, in arithmetic that nothing overflows, whole numbers rounded half to even.
    Mean,
    /// The most frequent, of several the least.
    Mode,
    /// The one in the middle, of two the lesser.
    Median,
    /// The least.
    Min,
    /// The largest.
    Max,
    /// The one whose coordinate is a multiple of the factor.
    Stride,
}

impl Downsampling {
    /// All there are.
    pub const ALL: [Self; 6] = [Self::Mean, Self::Mode, Self::Median, Self::Min, Self::Max, Self::Stride];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Mode => "mode",
            Self::Median => "median",
            Self::Min => "min",
            Self::Max => "max",
            Self::Stride => "stride",
        }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let none = || Error::invalid(format!("no method is called {name:?}; there are {}", known()));
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(none)
    }
}

/// How the scale of a level is stored, from the number of the level, 1 for the first, and how its source is.
pub type StorageOf<'a> = dyn Fn(usize, StorageSpec) -> StorageSpec + Sync + 'a;

/// Which levels are made, how, and what that may use.
#[derive(Clone, Default)]
pub struct PyramidOptions<'a> {
    /// How many levels; without, until one has one or two chunks.
    pub levels: Option<usize>,
    /// How elements become one; without, the mode for labels and the mean for all else.
    pub method: Option<Downsampling>,
    /// For each level, how many elements along each axis become one, or along each axis of space; the last one is repeated.
    /// Without, each axis is doubled whose elements are about as long as the shortest.
    pub factors: Option<Vec<Vec<u64>>>,
    /// A value that counts only where there is no other.
    pub ignore: Option<Number>,
    /// Makes this box anew, in scales that are there, widened to whole cells of the coarsest.
    pub part: Option<Domain>,
    /// How scales are stored, if not as the source is.
    pub storage: Option<&'a StorageOf<'a>>,
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use, of which the limits of control
    /// groups and of Slurm count.
    pub memory: u64,
    /// Where what is done is noted, and looked up what an earlier run has noted.
    pub journal: Option<&'a Journal>,
    /// All of the work, or a share of it.
    pub work: Work<'a>,
    /// Is told after every chunk of the finest level that is made, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// What of the work a call does. Several processes share it: one plans, all of them make shares, stage after stage, and one lists.
#[derive(Clone, Copy, Debug, Default)]
pub enum Work<'a> {
    /// All of it.
    #[default]
    All,
    /// Only says how many units each stage has.
    Plan(Units<'a>),
    /// Makes a share of the units of a stage.
    Share {
        /// How the work is cut.
        units: Units<'a>,
        /// The number of the stage, from 0 on.
        stage: usize,
        /// The number of the share, from 0 on, and how many there are.
        share: (u64, u64),
    },
    /// Has the format list the scales, of which all shares are made.
    List(Units<'a>),
}

/// How work is cut that several processes share; the same for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Units<'a> {
    /// A folder that all processes see, for what stages leave for later ones.
    pub folder: &'a Path,
    /// The most bytes of the source that a unit is made of, unless a chunk or shard is made of more.
    pub bytes: u64,
}

impl Work<'_> {
    /// How the work is cut, if several processes share it.
    pub(super) fn units(&self) -> Option<Units<'_>> {
        match *self {
            Self::All => None,
            Self::Plan(units) | Self::Share { units, .. } | Self::List(units) => Some(units),
        }
    }
}

/// The most bytes of the source that a unit is made of: a killed run loses those that are under way.
const UNIT: u64 = 256 << 20;

/// A unit is made of so small a part of the budget.
const UNITS_OF_BUDGET: u64 = 4;

/// What the step of a journal begins with that says how much units are made of.
pub(super) const UNIT_STEP: &str = "unit ";

impl PyramidOptions<'_> {
    /// Whether the work is cut into units, for a later run or for several processes.
    pub(super) fn is_cut(&self) -> bool {
        self.journal.is_some() || self.work.units().is_some()
    }

    /// The most bytes of the source that a unit is made of: as others have it, or an earlier run had it.
    pub(super) fn unit_bytes(&self) -> u64 {
        let noted =
            |journal: &Journal| journal.steps().find_map(|step| step.strip_prefix(UNIT_STEP)?.parse().ok());
        let known = self.work.units().map(|units| units.bytes).or_else(|| self.journal.and_then(noted));
        known.unwrap_or_else(|| UNIT.min(budget::of_job(self.memory) / UNITS_OF_BUDGET))
    }
}

/// A level that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeLevel {
    /// The key of its scale.
    pub key: String,
    /// How many elements of the source along each axis one is made of.
    pub factor: Dims<u64>,
    /// The box it covers.
    pub domain: Domain,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pyramid {
    /// The levels, the finest first.
    pub levels: Vec<MadeLevel>,
    /// How elements become one.
    pub method: Downsampling,
    /// How often the source was read: more than once if chunks of levels do not lie within each other, as those of layers that begin at
    /// coordinates that the factors do not divide, and levels are made by strides, the source is sharded or far, or the budget too small.
    pub passes: usize,
    /// How many units each stage has. Those of a stage can be made by different processes.
    pub units: Vec<u64>,
    /// Bytes held at once, at most.
    pub peak_memory: u64,
    /// Whether nothing was done, as an earlier run of the same call with a journal has made it. Whether elements were changed since is
    /// not looked up.
    pub was_there: bool,
}
