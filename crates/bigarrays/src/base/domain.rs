//! Boxes of absolute coordinates.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::base::buffer::Region;
use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};

/// An N-d box of absolute coordinates, half-open: axis `d` spans `origin[d] .. origin[d] + shape[d]`.
///
/// Coordinates may be negative. Every bound fits an `i64`. Parses from and displays as
/// `x0:x1,y0:y1,…`.
///
/// ```
/// let domain: bigarrays::Domain = "-5:5,0:3".parse()?;
/// assert_eq!(domain.shape(), [10, 3]);
/// assert_eq!(domain.to_string(), "-5:5,0:3");
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Domain {
    origin: Dims<i64>,
    shape: Dims<u64>,
}

impl Domain {
    /// A box from its first coordinates and its shape.
    ///
    /// # Errors
    /// `InvalidArgument` if the lengths differ or a bound does not fit an `i64`.
    pub fn new(origin: &[i64], shape: &[u64]) -> Result<Self> {
        if origin.len() != shape.len() {
            return Err(Error::invalid(format!(
                "an origin of {} coordinates and a shape of {} do not go together",
                origin.len(),
                shape.len()
            )));
        }
        for (&start, &length) in origin.iter().zip(shape) {
            if start.checked_add_unsigned(length).is_none() {
                return Err(Error::invalid(format!(
                    "origin {start} plus length {length} exceeds the range of coordinates"
                )));
            }
        }
        Ok(Self { origin: origin.into(), shape: shape.into() })
    }

    /// The box that starts at zero on every axis.
    ///
    /// # Errors
    /// As [`Domain::new`].
    pub fn from_shape(shape: &[u64]) -> Result<Self> {
        Self::new(&Dims::from_elem(0, shape.len()), shape)
    }

    /// The box with the given half-open range on each axis.
    ///
    /// # Errors
    /// `InvalidArgument` if a range ends before it starts.
    pub fn from_ranges(ranges: &[Range<i64>]) -> Result<Self> {
        let mut origin = Dims::new();
        let mut shape = Dims::new();
        for range in ranges {
            let length = range.end.checked_sub(range.start).and_then(|length| u64::try_from(length).ok());
            let Some(length) = length else {
                return Err(Error::invalid(format!("range {}:{} is not valid", range.start, range.end)));
            };
            origin.push(range.start);
            shape.push(length);
        }
        Self::new(&origin, &shape)
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// First coordinate on each axis.
    pub fn origin(&self) -> &[i64] {
        &self.origin
    }

    /// Number of elements along each axis.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The coordinate after the last on axis `axis`.
    pub fn end(&self, axis: usize) -> i64 {
        // No overflow: `new` checked it.
        self.origin[axis].wrapping_add_unsigned(self.shape[axis])
    }

    /// The half-open range of axis `axis`.
    pub fn range(&self, axis: usize) -> Range<i64> {
        self.origin[axis]..self.end(axis)
    }

    /// The half-open ranges of all axes, in order.
    pub fn ranges(&self) -> impl Iterator<Item = Range<i64>> + '_ {
        (0..self.ndim()).map(|axis| self.range(axis))
    }

    /// Number of elements in the box.
    ///
    /// # Errors
    /// `InvalidArgument` if the number does not fit a `u64`.
    pub fn checked_len(&self) -> Result<u64> {
        if self.is_empty() {
            return Ok(0);
        }
        let product = self.shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length));
        product.ok_or_else(|| Error::invalid(format!("box {self} has more than 2^64 elements")))
    }

    /// Whether the box holds no element.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether `point` lies in the box.
    pub fn contains_point(&self, point: &[i64]) -> bool {
        point.len() == self.ndim() && self.ranges().zip(point).all(|(range, at)| range.contains(at))
    }

    /// Whether all of `other` lies in this box; an empty box lies in every box.
    pub fn contains(&self, other: &Self) -> bool {
        other.is_empty()
            || self.ndim() == other.ndim()
                && self
                    .ranges()
                    .zip(other.ranges())
                    .all(|(own, its)| own.start <= its.start && its.end <= own.end)
    }

    /// The common part of two boxes of equally many axes; empty where they do not meet.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        debug_assert_eq!(self.ndim(), other.ndim());
        let mut origin = Dims::new();
        let mut shape = Dims::new();
        for (own, its) in self.ranges().zip(other.ranges()) {
            let start = own.start.max(its.start);
            let end = own.end.min(its.end);
            origin.push(start);
            shape.push(if end > start { end.abs_diff(start) } else { 0 });
        }
        Self { origin, shape }
    }

    /// The box moved by `offset`.
    ///
    /// # Errors
    /// `InvalidArgument` if a bound leaves the range of coordinates.
    pub fn translate(&self, offset: &[i64]) -> Result<Self> {
        let moved: Option<Dims<i64>> =
            self.origin.iter().zip(offset).map(|(&start, &by)| start.checked_add(by)).collect();
        let Some(origin) = moved else {
            return Err(Error::invalid(format!(
                "moving box {self} by {offset:?} leaves the range of coordinates"
            )));
        };
        Self::new(&origin, &self.shape)
    }

    /// Where this box lies in `whole`, which must contain it.
    pub(crate) fn region_of(&self, whole: &Self) -> Region {
        let start = self.origin.iter().zip(&whole.origin).map(|(at, from)| at.abs_diff(*from) as usize);
        let count = self.shape.iter().map(|&length| length as usize);
        Region { start: start.collect(), count: count.collect(), step: Dims::from_elem(1, self.ndim()) }
    }

    /// An error unless the box has `ndim` axes.
    pub(crate) fn expect_ndim(&self, ndim: usize) -> Result<()> {
        if self.ndim() == ndim {
            return Ok(());
        }
        Err(Error::invalid(format!("box {self} has {} axes, the array has {ndim}", self.ndim())))
    }

    /// The out-of-bounds error for a box that should lie in this domain.
    pub(crate) fn outside_error(&self, part: &Self) -> Error {
        Error::new(ErrorKind::OutOfBounds, format!("box {part} reaches outside the domain {self}"))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, range) in self.ranges().enumerate() {
            let comma = if axis == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", range.start, range.end)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

impl FromStr for Domain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let ranges: Option<Vec<Range<i64>>> = text
            .split(',')
            .map(|part| {
                let (start, end) = part.trim().split_once(':')?;
                Some(start.trim().parse().ok()?..end.trim().parse().ok()?)
            })
            .collect();
        let ranges = ranges.ok_or_else(|| {
            Error::invalid(format!("box {text:?} is not of the form x0:x1,y0:y1,… with whole numbers"))
        })?;
        Self::from_ranges(&ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    #[test]
    fn parses_signs_and_refuses_nonsense() {
        assert_eq!(domain("-10:-3, 0:4").origin(), [-10, 0]);
        assert_eq!(domain("-10:-3,0:4").shape(), [7, 4]);
        for bad in ["", "3", "3:1", "a:b", "1:2,", "1:2:3", "0:9999999999999999999"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bounds_are_checked_at_the_edge_of_i64() {
        assert!(Domain::new(&[i64::MAX - 1], &[1]).is_ok());
        assert!(Domain::new(&[i64::MAX - 1], &[2]).is_err());
        let whole = Domain::from_ranges(std::slice::from_ref(&(i64::MIN..-1))).unwrap();
        assert_eq!(whole.shape(), [i64::MAX as u64]);
    }

    #[test]
    fn intersections() {
        assert_eq!(domain("0:5,0:5").intersect(&domain("3:9,-2:1")), domain("3:5,0:1"));
        assert!(domain("0:5").intersect(&domain("7:9")).is_empty());
        assert!(domain("0:5").contains(&domain("2:5")) && !domain("0:5").contains(&domain("2:6")));
    }
}
