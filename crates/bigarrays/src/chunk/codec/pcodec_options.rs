//! How `pcodec` looks at numbers.

/// How numbers are split into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PcodecMode {
    Auto,
    Classic,
}

impl PcodecMode {
    /// Zarr's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Classic => "classic",
        }
    }
}

/// How differences of numbers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PcodecDelta {
    Auto,
    None,
    /// Of neighbours, so many times.
    Consecutive(usize),
    Lookback,
}

impl PcodecDelta {
    /// Zarr's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Consecutive(_) => "try_consecutive",
            Self::Lookback => "try_lookback",
        }
    }

    /// How many times differences of neighbours are taken, if they are.
    pub fn order(self) -> Option<usize> {
        match self {
            Self::Consecutive(order) => Some(order),
            _ => None,
        }
    }
}
