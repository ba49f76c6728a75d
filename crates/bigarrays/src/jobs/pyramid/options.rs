//! Which levels are made, how, and what was made.

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::{Journal, Number};
use crate::format::StorageSpec;
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
    /// Is told after every chunk of the finest level that is made, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
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
    /// How often the source was read: more than once if its box begins at coordinates that the factors do not divide, or if
    /// chunks of levels do not lie within each other.
    pub passes: usize,
    /// Bytes held at once, at most.
    pub peak_memory: u64,
}
