//! Interpolation along an axis.

use std::ops::Range;
use std::sync::Arc;

use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::compute::expr::Lazy;
use crate::compute::weighing::{Weighing, Weights};
use crate::compute::windows::Windows;

/// What there is between elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest element; of two, the one before.
    Nearest,
    /// What lies on the line between the two beside it.
    Linear,
}

impl Interpolation {
    /// The one of this name.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "nearest" => Ok(Self::Nearest),
            "linear" => Ok(Self::Linear),
            other => Err(Error::invalid(format!("no method={other:?}; known are nearest and linear"))),
        }
    }
}

/// What an element is made of: the positions of those before and behind it, and how far it is between the two.
type Between = Option<(usize, usize, f64)>;

impl Lazy {
    /// The elements at some places along an axis, where `of` has the places of the elements that there are, which go up or down;
    /// they are at 0, 1, … of it then. Beyond the ends they are NaN or, where `is_flat`, as the last element. Results are
    /// floating-point numbers, but for the nearest elements where all are inside or it is flat.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Interpolation, Lazy};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let x = Lazy::of_elements(&Domain::from_shape(&[3])?, DataType::U8, &[3, 9, 4])?;
    /// let places = x.interpolate(0, &[0.5, 1.0, 1.2], &[0.0, 1.0, 2.0], Interpolation::Linear, false)?;
    /// let found = places.compute::<f64>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [6.0, 9.0, 8.0]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many places as elements, or they do not ascend or descend.
    pub fn interpolate(
        &self,
        axis: usize,
        places: &[f64],
        of: &[f64],
        method: Interpolation,
        is_flat: bool,
    ) -> Result<Self> {
        let during = |error: Error| error.during("interpolate");
        if axis >= self.ndim() || self.domain().shape()[axis] != of.len() as u64 || of.is_empty() {
            let reason = format!("{} places along axis {axis} of {}", of.len(), self.domain());
            return Err(during(Error::invalid(reason)));
        }
        let ascends = of.windows(2).all(|two| two[0] < two[1]);
        if !ascends && !of.windows(2).all(|two| two[0] > two[1]) {
            return Err(during(Error::invalid("places of elements have to ascend, or to descend")));
        }
        let between: Vec<Between> =
            places.iter().map(|&place| between(place, of, ascends, is_flat)).collect();
        match method {
            Interpolation::Nearest => self.nearest(axis, &between).map_err(during),
            Interpolation::Linear => self.linear(axis, &between),
        }
    }

    fn nearest(&self, axis: usize, between: &[Between]) -> Result<Self> {
        let nearest =
            |&(before, behind, part): &(usize, usize, f64)| if part > 0.5 { behind } else { before };
        let first = self.domain().origin()[axis];
        let found: Option<Vec<i64>> =
            between.iter().map(|one| one.as_ref().map(|one| first + nearest(one) as i64)).collect();
        if let Some(coordinates) = found {
            return self.take(axis, &coordinates);
        }
        let only = |one: &Between| one.as_ref().map(|one| (nearest(one), nearest(one), 0.0));
        self.linear(axis, &between.iter().map(only).collect::<Vec<_>>())
    }

    fn linear(&self, axis: usize, between: &[Between]) -> Result<Self> {
        let first = self.domain().origin()[axis];
        let (mut ranges, mut all): (Vec<Range<i64>>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut places = vec![0];
        for one in between {
            match *one {
                None => ranges.push(first..first),
                Some((before, _, 0.0)) => {
                    ranges.push(first + before as i64..first + before as i64 + 1);
                    all.push(1.0);
                }
                Some((before, behind, part)) => {
                    ranges.push(first + before as i64..first + behind as i64 + 1);
                    all.extend([1.0 - part, part]);
                }
            }
            places.push(all.len());
        }
        let steps = 0..between.len() as i64;
        let weights = Weights::Listed { places: places.into(), all: all.into() };
        let windows = Windows::Ranges(Arc::from(ranges));
        Weighing { name: "interpolate", axis, steps, windows, weights }.of(self)
    }

    /// The elements at the coordinates of an axis, as places for [`Lazy::interpolate`].
    pub(crate) fn places(&self, axis: usize) -> Vec<f64> {
        self.domain().range(axis).map(|at| at as f64).collect()
    }
}

fn between(place: f64, of: &[f64], ascends: bool, is_flat: bool) -> Between {
    let last = of.len() - 1;
    let is_before = |one: &f64| if ascends { *one <= place } else { *one >= place };
    let count = of.partition_point(is_before);
    if place.is_nan() {
        return None;
    }
    if count == 0 || (count > last && of[last] != place) {
        let end = if count == 0 { 0 } else { last };
        return is_flat.then_some((end, end, 0.0));
    }
    let before = count - 1;
    if before == last || of[before] == place {
        return Some((before, before, 0.0));
    }
    Some((before, before + 1, (place - of[before]) / (of[before + 1] - of[before])))
}

/// Axes as the last ones, those behind each other that are named, and all others before them.
pub(crate) fn others_first(ndim: usize, axes: &[usize]) -> Dims<usize> {
    (0..ndim).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect()
}
