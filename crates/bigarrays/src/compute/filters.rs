//! Filters, with the meanings of `scipy.ndimage`.

use std::sync::Arc;

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::aggregate::{Aggregate, Enough, Windowing};
use crate::compute::expr::{Lazy, Operand};
use crate::compute::footprint::{Around, Footprint};
use crate::compute::function::Function;
use crate::compute::stencil::{Filter, filtered};
use crate::compute::weighing::{Weighing, Weights};
use crate::compute::windows::Windows;

/// A Gaussian along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    /// Its standard deviation, in elements.
    pub sigma: f64,
    /// Which derivative of it; 0 is itself.
    pub order: u32,
    /// At how many elements from its middle it ends; at four standard deviations if `None`.
    pub radius: Option<u64>,
}

/// At how many elements from its middle a Gaussian ends at most: its weights are in memory.
const MOST_RADIUS: u64 = 1 << 22;

impl Gaussian {
    /// At how many elements from its middle it ends.
    fn radius(self) -> u64 {
        self.radius.unwrap_or((4.0 * self.sigma + 0.5) as u64)
    }

    /// # Errors
    /// `InvalidArgument` for a deviation that is none, or ends too far away.
    fn expect_valid(self) -> Result<()> {
        if !self.sigma.is_finite() || self.sigma < 0.0 {
            return Err(Error::invalid(format!("sigma is {}", self.sigma)));
        }
        match self.radius() {
            0..=MOST_RADIUS => Ok(()),
            radius => Err(Error::invalid(format!(
                "a Gaussian of sigma {} that ends {radius} elements from its middle; at most it is {MOST_RADIUS}",
                self.sigma
            ))),
        }
    }

    /// Its weights, which add up to 1, or those of its derivative, in the order of a correlation.
    fn weights(self) -> Vec<f64> {
        let radius = self.radius() as i64;
        let square = self.sigma * self.sigma;
        let values = || (-radius..=radius).map(|at| at as f64);
        let plain: Vec<f64> = values().map(|at| (-0.5 / square * at * at).exp()).collect();
        let sum: f64 = plain.iter().sum();
        // A derivative is a polynomial times the Gaussian: the derivative of both, again and again.
        let mut factors = vec![1.0];
        for _ in 0..self.order {
            let mut next = vec![0.0; factors.len() + 1];
            for (power, factor) in factors.iter().enumerate() {
                if power > 0 {
                    next[power - 1] += power as f64 * factor;
                }
                next[power + 1] -= factor / square;
            }
            factors = next;
        }
        let polynomial = |at: f64| factors.iter().rev().fold(0.0, |sum, factor| sum * at + factor);
        let mut weights: Vec<f64> =
            values().zip(&plain).map(|(at, plain)| polynomial(at) * plain / sum).collect();
        // Of a convolution, as which derivatives are meant.
        weights.reverse();
        weights
    }
}

impl Lazy {
    /// The mean of the elements around each, `sizes` of them along each axis.
    ///
    /// # Errors
    /// `InvalidArgument` for other numbers of sizes than axes, or no elements.
    pub fn uniform_filter(&self, sizes: &[u64], around: &Around) -> Result<Self> {
        self.merged_around("uniform_filter", sizes, around, Aggregate::Mean)
    }

    /// The least of the elements around each, `sizes` of them along each axis; NaN if one is.
    ///
    /// # Errors
    /// As [`Lazy::uniform_filter`].
    pub fn minimum_filter(&self, sizes: &[u64], around: &Around) -> Result<Self> {
        self.merged_around("minimum_filter", sizes, around, Aggregate::Min)
    }

    /// The largest of the elements around each, `sizes` of them along each axis; NaN if one is.
    ///
    /// # Errors
    /// As [`Lazy::uniform_filter`].
    pub fn maximum_filter(&self, sizes: &[u64], around: &Around) -> Result<Self> {
        self.merged_around("maximum_filter", sizes, around, Aggregate::Max)
    }

    /// The least element in the footprint around each, or the largest.
    ///
    /// # Errors
    /// `InvalidArgument` for a footprint of another number of axes.
    pub fn extreme_in(&self, footprint: &Footprint, around: &Around, is_most: bool) -> Result<Self> {
        match is_most {
            true => filtered("maximum_filter", self, footprint, around, Filter::Most),
            false => filtered("minimum_filter", self, footprint, around, Filter::Least),
        }
    }

    fn merged_around(
        &self,
        name: &'static str,
        sizes: &[u64],
        around: &Around,
        aggregate: Aggregate,
    ) -> Result<Self> {
        let during = |error: Error| error.during(name);
        around.expect(self).map_err(during)?;
        expect_each(sizes.len(), around, "sizes").map_err(during)?;
        // Along one axis after the other.
        let mut made = if aggregate == Aggregate::Mean && !self.dtype().is_float() {
            self.converted(DataType::F64)?
        } else {
            self.clone()
        };
        for (number, (&axis, &size)) in around.axes.iter().zip(sizes).enumerate() {
            let steps = self.domain().range(axis);
            let windows = around.window(number, size, &steps).map_err(during)?;
            if windows != Windows::Each {
                made = Windowing { name, axis, steps, windows: &windows, enough: Enough::All }
                    .of(&made, aggregate)?;
            }
        }
        Ok(made)
    }

    /// The elements smoothed by a Gaussian along each axis, or a derivative of that.
    ///
    /// # Errors
    /// `InvalidArgument` for other numbers of Gaussians than axes, and Gaussians that end more than 4,194,304 elements from their middle.
    pub fn gaussian_filter(&self, gaussians: &[Gaussian], around: &Around) -> Result<Self> {
        let name = "gaussian_filter";
        let during = |error: Error| error.during(name);
        around.expect(self).map_err(during)?;
        expect_each(gaussians.len(), around, "sigmas").map_err(during)?;
        let mut made = self.with_fractions()?;
        for (number, (&axis, gaussian)) in around.axes.iter().zip(gaussians).enumerate() {
            gaussian.expect_valid().map_err(during)?;
            if gaussian.sigma > 1e-15 {
                made = made.correlated(name, axis, &gaussian.weights(), &around.along(number))?;
            }
        }
        Ok(made)
    }

    /// The sum of the elements around each along an axis, times weights.
    ///
    /// # Errors
    /// `InvalidArgument` for no weights.
    pub fn correlate_along(&self, weights: &[f64], around: &Around) -> Result<Self> {
        let during = |error: Error| error.during("correlate");
        around.expect(self).map_err(during)?;
        let &[axis] = &around.axes[..] else {
            return Err(during(Error::invalid(format!("weights along {} axes", around.axes.len()))));
        };
        self.correlated("correlate", axis, weights, around)
    }

    fn correlated(&self, name: &'static str, axis: usize, weights: &[f64], around: &Around) -> Result<Self> {
        let steps = self.domain().range(axis);
        let windows = around.window(0, weights.len() as u64, &steps).map_err(|error| error.during(name))?;
        let weights = Weights::Same(Arc::from(weights));
        Weighing { name, axis, steps, windows, weights }.of(self)
    }

    /// The sum of the elements in a box around each, times weights, in C order.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many weights as the box has elements.
    pub fn correlate(&self, shape: &[u64], weights: &[f64], around: &Around) -> Result<Self> {
        let count = shape.iter().product::<u64>();
        if count != weights.len() as u64 {
            let reason = format!("{} weights of a box of shape {shape:?}", weights.len());
            return Err(Error::invalid(reason).during("correlate"));
        }
        // Elements without weight do not count.
        let is_in: Vec<bool> = weights.iter().map(|&weight| weight != 0.0).collect();
        let (is_in, kept): (Vec<bool>, Vec<f64>) = match is_in.contains(&true) {
            true => (is_in, weights.iter().copied().filter(|&weight| weight != 0.0).collect()),
            false => (vec![true; weights.len()], weights.to_vec()),
        };
        let footprint = Footprint::new(shape, &is_in)?;
        filtered("correlate", self, &footprint, around, Filter::Weighed(kept.into()))
    }

    /// The same with the weights in opposite order.
    ///
    /// # Errors
    /// As [`Lazy::correlate`].
    pub fn convolve(&self, shape: &[u64], weights: &[f64], around: &Around) -> Result<Self> {
        let weights: Vec<f64> = weights.iter().rev().copied().collect();
        self.correlate(shape, &weights, &around.reversed(shape))
    }

    /// The element of a rank, from 0, in the footprint around each; NaNs are the largest, and zeros have no sign.
    ///
    /// # Errors
    /// `InvalidArgument` for a rank that there is not.
    pub fn rank_filter(&self, footprint: &Footprint, rank: usize, around: &Around) -> Result<Self> {
        let count = footprint.places().len();
        if rank >= count {
            return Err(Error::invalid(format!("rank {rank} of {count} elements")).during("rank_filter"));
        }
        filtered("rank_filter", self, footprint, around, Filter::Rank(rank))
    }

    /// The median of the elements in the footprint around each; of an even number, the larger of the two in the middle.
    ///
    /// # Errors
    /// `InvalidArgument` for a footprint of another number of axes.
    pub fn median_filter(&self, footprint: &Footprint, around: &Around) -> Result<Self> {
        filtered("median_filter", self, footprint, around, Filter::Rank(footprint.places().len() / 2))
    }

    /// Differences along an axis, smoothed along all others: the Sobel filter with weights 1, 2, 1, or with the weights of Prewitt's,
    /// 1, 1, 1.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis along which the filter does not go.
    pub fn sobel(&self, axis: usize, smoothing: [f64; 3], around: &Around) -> Result<Self> {
        let name = if smoothing[1] == 2.0 { "sobel" } else { "prewitt" };
        let during = |error: Error| error.during(name);
        around.expect(self).map_err(during)?;
        if !around.axes.contains(&axis) {
            return Err(during(Error::invalid(format!("axis {axis}, where axes are {:?}", around.axes))));
        }
        let plain = Around { origin: Vec::new(), ..around.clone() };
        let mut made = self.with_fractions()?.correlated(name, axis, &[-1.0, 0.0, 1.0], &plain)?;
        for &other in around.axes.iter().filter(|&&other| other != axis) {
            made = made.correlated(name, other, &smoothing, &plain)?;
        }
        Ok(made)
    }

    /// The sum of second differences along all axes.
    ///
    /// # Errors
    /// `InvalidArgument` for no axes.
    pub fn laplace(&self, around: &Around) -> Result<Self> {
        let during = |error: Error| error.during("laplace");
        around.expect(self).map_err(during)?;
        let ndim = around.axes.len();
        let center = 3usize.pow(ndim as u32) / 2;
        let mut weights = vec![0.0; 2 * center + 1];
        weights[center] = -2.0 * ndim as f64;
        for axis in 0..ndim {
            let step = 3usize.pow(axis as u32);
            weights[center - step] = 1.0;
            weights[center + step] = 1.0;
        }
        self.correlate(&vec![3; ndim], &weights, &Around { origin: Vec::new(), ..around.clone() })
    }

    /// Booleans that are true where all in the footprint around are; labels, as whole numbers, where all have the same. Others become
    /// false, or 0.
    ///
    /// # Errors
    /// `InvalidArgument` for a footprint of another number of axes; `Unsupported` for elements that are no labels.
    pub fn erosion(&self, footprint: &Footprint, around: &Around) -> Result<Self> {
        self.expect_labels("erosion")?;
        let filter = if self.dtype() == DataType::Bool { Filter::Least } else { Filter::Erode };
        filtered("erosion", self, footprint, around, filter)
    }

    /// Booleans that are true where one in the footprint around is; where a label is 0, the largest label around, the others as
    /// they are.
    ///
    /// # Errors
    /// As [`Lazy::erosion`].
    pub fn dilation(&self, footprint: &Footprint, around: &Around) -> Result<Self> {
        self.expect_labels("dilation")?;
        let filter = if self.dtype() == DataType::Bool { Filter::Most } else { Filter::Dilate };
        let around = around.reversed(footprint.shape());
        filtered("dilation", self, &footprint.reversed(), &around, filter)
    }

    fn expect_labels(&self, name: &'static str) -> Result<()> {
        match self.dtype().is_float() {
            true => Err(Error::unsupported(format!(
                "labels of {}; for floating-point elements, take minimum_filter or maximum_filter",
                self.dtype()
            ))
            .during(name)),
            false => Ok(()),
        }
    }

    /// The square root of the sum of the squares of all of some expressions.
    ///
    /// # Errors
    /// Those of functions of elements.
    pub(crate) fn magnitude(parts: &[Self]) -> Result<Self> {
        let square = |part: &Self| Self::apply(Function::Square, &[part.into()]);
        let mut sum: Option<Self> = None;
        for part in parts {
            let square = square(part)?;
            sum = Some(match sum {
                Some(sum) => Self::apply(Function::Add, &[(&sum).into(), (&square).into()])?,
                None => square,
            });
        }
        let sum = sum.ok_or_else(|| Error::invalid("a magnitude of nothing"))?;
        Self::apply(Function::Sqrt, &[Operand::from(&sum)])
    }

    fn with_fractions(&self) -> Result<Self> {
        if self.dtype().is_float() { Ok(self.clone()) } else { self.converted(DataType::F64) }
    }
}

impl Around {
    /// The same along the axis of a number alone.
    fn along(&self, number: usize) -> Self {
        Self { axes: vec![self.axes[number]], boundary: self.boundary, origin: vec![self.origin(number)] }
    }
}

fn expect_each(count: usize, around: &Around, what: &str) -> Result<()> {
    if count == around.axes.len() {
        return Ok(());
    }
    Err(Error::invalid(format!("{count} {what} of {} axes", around.axes.len())))
}
