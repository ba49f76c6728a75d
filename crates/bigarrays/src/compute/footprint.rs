//! Which elements around each a filter takes.

use std::ops::Range;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::windows::Windows;

/// Along which axes a filter goes, and what it sees beyond their ends. Meanings are those of `scipy.ndimage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Around {
    /// The axes, each once.
    pub axes: Vec<usize>,
    /// What lies beyond the ends of the axes.
    pub boundary: Boundary,
    /// By how much the filter is moved along each axis, to smaller coordinates; none if there are no entries.
    pub origin: Vec<i64>,
}

/// Axes of these names are none of space.
const OTHERS: [&str; 6] = ["t", "time", "c", "channel", "channels", "band"];

/// Whether an axis of this name is one of space.
pub(crate) fn is_of_space(name: &str) -> bool {
    !OTHERS.contains(&&*name.to_ascii_lowercase())
}

impl Around {
    /// The axes of space of an expression: those that are not called after time or channels.
    pub fn space(lazy: &Lazy, boundary: Boundary) -> Self {
        let is_space = |axis: &usize| is_of_space(lazy.names()[*axis].as_deref().unwrap_or_default());
        Self { axes: (0..lazy.ndim()).filter(is_space).collect(), boundary, origin: Vec::new() }
    }

    pub(crate) fn origin(&self, number: usize) -> i64 {
        self.origin.get(number).copied().unwrap_or(0)
    }

    /// An error unless all axes are there, once each, with an origin for each if for any.
    pub(crate) fn expect(&self, lazy: &Lazy) -> Result<()> {
        let is_once = |(at, axis): (usize, &usize)| *axis < lazy.ndim() && !self.axes[..at].contains(axis);
        if !self.axes.iter().enumerate().all(is_once) {
            return Err(Error::invalid(format!("the axes {:?} of {} axes", self.axes, lazy.ndim())));
        }
        if !self.origin.is_empty() && self.origin.len() != self.axes.len() {
            return Err(Error::invalid(format!("{} origins of {} axes", self.origin.len(), self.axes.len())));
        }
        Ok(())
    }

    /// The window of `size` elements along the axis of a number.
    ///
    /// # Errors
    /// `InvalidArgument` for no elements, or an origin outside of the window.
    pub(crate) fn window(&self, number: usize, size: u64, range: &Range<i64>) -> Result<Windows> {
        let (half, origin) = ((size / 2) as i64, self.origin(number));
        if size == 0 || i64::try_from(size).is_err() || origin < -half || origin > (size as i64 - 1) / 2 {
            return Err(Error::invalid(format!("a filter of {size} elements, moved by {origin}")));
        }
        if size == 1 {
            return Ok(Windows::Each);
        }
        let first = range.start.saturating_sub(half + origin);
        Ok(Windows::Reaching { first, step: 1, width: size, boundary: self.boundary })
    }

    /// The same for a filter whose elements are taken backward, as those of convolutions and dilations are.
    pub(crate) fn reversed(&self, shape: &[u64]) -> Self {
        let one = |(number, size): (usize, &u64)| -self.origin(number) - i64::from(size % 2 == 0);
        Self { origin: shape.iter().enumerate().map(one).collect(), ..self.clone() }
    }
}

/// Some elements of a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    shape: Vec<u64>,
    is_in: Vec<bool>,
}

impl Footprint {
    /// Elements of a box of this shape, in C order.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many as the box has, or none is in it.
    pub fn new(shape: &[u64], is_in: &[bool]) -> Result<Self> {
        let count = Domain::from_shape(shape)?.checked_len()?;
        if count != is_in.len() as u64 || !is_in.contains(&true) {
            return Err(Error::invalid(format!(
                "{} elements of a footprint of shape {shape:?}",
                is_in.len()
            )));
        }
        Ok(Self { shape: shape.to_vec(), is_in: is_in.to_vec() })
    }

    /// All elements of a box.
    ///
    /// # Errors
    /// As [`Footprint::new`].
    pub fn full(shape: &[u64]) -> Result<Self> {
        let count = Domain::from_shape(shape)?.checked_len()?;
        if count > MOST {
            return Err(Error::invalid(format!("a footprint of {count} elements")));
        }
        Self::new(shape, &vec![true; count as usize])
    }

    /// An element, and those beside it along one axis of so many.
    pub fn cross(ndim: usize) -> Self {
        let count = 3usize.pow(ndim as u32);
        let is_in = |at: usize| {
            let beside = (0..ndim).filter(|&axis| at / 3usize.pow(axis as u32) % 3 != 1).count();
            beside <= 1
        };
        Self { shape: vec![3; ndim], is_in: (0..count).map(is_in).collect() }
    }

    /// Its shape.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    pub(crate) fn is_full(&self) -> bool {
        !self.is_in.contains(&false)
    }

    /// The places of its elements, in C order.
    pub(crate) fn places(&self) -> Vec<Dims<u64>> {
        let of = |at: usize| {
            let mut rest = at as u64;
            let mut place: Dims<u64> = Dims::from_elem(0, self.shape.len());
            for (axis, &length) in self.shape.iter().enumerate().rev() {
                place[axis] = rest % length;
                rest /= length;
            }
            place
        };
        (0..self.is_in.len()).filter(|&at| self.is_in[at]).map(of).collect()
    }

    /// The same backward.
    pub(crate) fn reversed(&self) -> Self {
        Self { shape: self.shape.clone(), is_in: self.is_in.iter().rev().copied().collect() }
    }

    pub(crate) fn config(&self) -> Config {
        let is_in: Parameter = self.is_in.iter().copied().collect();
        Config::new("footprint").with("shape", &self.shape[..]).with("elements", is_in)
    }
}

/// The most elements of a footprint.
const MOST: u64 = 1 << 20;
