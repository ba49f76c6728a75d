//! The scales of a layer, and which of them is meant.

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::layout::Resolution;

/// One scale of a layer, as its metadata describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Its name in the layer.
    pub key: String,
    /// The box it covers.
    pub domain: Domain,
    /// Shape of a chunk; several if the data are stored several times.
    pub chunks: Vec<Dims<u64>>,
    /// Size of an element along each axis.
    pub resolution: Resolution,
    /// Name of the encoding.
    pub encoding: String,
    /// Whether chunks are packed into shards.
    pub sharded: bool,
    /// Whether elements are labels rather than intensities.
    pub labels: bool,
}

/// Which scale of a layer is meant.
#[derive(Clone, Debug, PartialEq)]
pub enum ScaleSelector {
    /// By position, from zero.
    Index(usize),
    /// By key.
    Key(String),
    /// By the size of an element along each axis.
    Resolution(Vec<f64>),
}

impl Default for ScaleSelector {
    fn default() -> Self {
        Self::Index(0)
    }
}

impl From<usize> for ScaleSelector {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for ScaleSelector {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<Vec<f64>> for ScaleSelector {
    fn from(resolution: Vec<f64>) -> Self {
        Self::Resolution(resolution)
    }
}

impl ScaleSelector {
    /// The position of the scale meant.
    ///
    /// # Errors
    /// `NotFound`, listing what there is.
    pub fn find(&self, scales: &[Scale]) -> Result<usize> {
        let found = match self {
            Self::Index(index) => (*index < scales.len()).then_some(*index),
            Self::Key(key) => scales.iter().position(|scale| scale.key == *key),
            Self::Resolution(wanted) => {
                let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
                scales.iter().position(|scale| {
                    wanted.len() <= scale.resolution.size.len()
                        && wanted.len() >= 3.min(scale.resolution.size.len())
                        && wanted.iter().zip(&scale.resolution.size).all(close)
                })
            }
        };
        found.ok_or_else(|| {
            let keys: Vec<&str> = scales.iter().map(|scale| scale.key.as_str()).collect();
            let meant = match self {
                Self::Index(index) => format!("number {index}"),
                Self::Key(key) => format!("{key:?}"),
                Self::Resolution(size) => format!("of resolution {size:?}"),
            };
            Error::new(ErrorKind::NotFound, format!("no scale {meant}; there are {}: {keys:?}", keys.len()))
        })
    }
}
