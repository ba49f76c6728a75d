//! Quantiles of many elements by counting them in bins of fixed relative width.

use std::sync::Arc;

use serde_json::Value;

use crate::array::Index;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::cast::{Cast, OutOfRange};
use crate::compute::counting::all_but;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{damaged, expect, flag, position, reals};
use crate::compute::kernels::Ranked;
use crate::compute::operation::Operation;
use crate::compute::site::Site;
use crate::compute::windows::Windows;

/// How many bins there are: one for each of the upper 16 bits of a number of 32 bits.
const BINS: u64 = 1 << 16;

/// The bits of a number that all of a bin have in common are these upper ones.
const SHIFT: u32 = 16;

impl Lazy {
    /// Quantiles along `axes`, or of all elements if there are none, one for each of `q` along a new first axis, about: the element
    /// of the rank that the quantile has is this, but for 1/256 of it. Elements are counted in 65,536 bins, the sum of which
    /// takes 512 KiB for each place along the axes that are left, however many elements there are. NaN if one is NaN, unless it
    /// `skips` NaNs. Elements beyond the range of `float32` count as infinite, and those below as 0.
    ///
    /// # Errors
    /// As [`Lazy::quantile`].
    pub fn approximate_quantile(&self, q: &[f64], axes: &[usize], skips: bool) -> Result<Self> {
        let during = |error: Error| error.during("approx_quantile");
        if let Some(wrong) = q.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            return Err(during(Error::invalid(format!("{wrong} is not from 0 to 1"))));
        }
        let mut axes: Dims<usize> = if axes.is_empty() { (0..self.ndim()).collect() } else { axes.into() };
        axes.sort_unstable();
        if axes.iter().any(|&axis| self.domain().shape().get(axis) == Some(&0)) {
            return Err(during(Error::invalid("quantiles of no elements are not defined")));
        }
        if self.ndim() == 0 {
            return self.new_axis(0, 0..1)?.approximate_quantile(q, &[0], skips);
        }
        let beyond = Cast { out_of_range: OutOfRange::Wrap, ..Cast::default() };
        let wide = self.cast(DataType::F32, beyond).map_err(during)?;
        let loops: Vec<_> = wide.domain().ranges().collect();
        let each: Vec<_> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let numbers = Operation::over(&loops)
            .input(&wide, &each)
            .output(DataType::I64, &each)
            .kernel("sketch", Arc::new(Upper { skips }))?;
        let counts = numbers.counted(&axes, &[BINS], false, None).map_err(during)?;
        let at = axes[0];
        let mut loops = vec![0..q.len() as i64];
        loops.extend(counts.domain().ranges().enumerate().filter(|own| own.0 != at).map(|own| own.1));
        let windows = all_but(at, counts.ndim());
        let each: Vec<_> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let dtype = if self.dtype().is_float() { self.dtype() } else { DataType::F64 };
        let found = Operation::over(&loops)
            .input(&counts, &windows)
            .output(DataType::F32, &each)
            .kernel("approx_quantile", Arc::new(Found { q: q.to_vec(), at }))?;
        found.converted(dtype)
    }

    /// Of one quantile no axis of quantiles.
    pub(super) fn without_first(&self) -> Result<Self> {
        let mut indices: Dims<Index> = Dims::from_elem(Index::ALL, self.ndim());
        indices[0] = Index::At(0);
        self.slice(&indices)
    }
}

/// The kernel of the bins of elements, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_sketch(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [of] = site.inputs else { return Err(damaged()) };
    site.expect_each(0)?;
    expect(of.dtype() == DataType::F32 && site.dtype == DataType::I64)?;
    Ok(Arc::new(Upper { skips: flag(config, "skips")? }))
}

/// The kernel of quantiles of bins, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_found(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [of] = site.inputs else { return Err(damaged()) };
    let (q, at) = (reals(config, "q")?, position(config, "at")?);
    site.expect(0, &all_but(at, of.ndim()))?;
    expect(of.dtype() == DataType::I64 && site.dtype == DataType::F32)?;
    expect(of.domain().shape().get(at) == Some(&BINS) && site.loops.ndim() == of.ndim())?;
    expect(site.steps(0)? == (0..q.len() as i64) && q.iter().all(|q| (0.0..=1.0).contains(q)))?;
    Ok(Arc::new(Found { q, at }))
}

/// The bin of each element.
struct Upper {
    skips: bool,
}

impl Kernel for Upper {
    fn config(&self) -> Config {
        Config::new("sketch").with("skips", self.skips)
    }

    fn run(&self, _steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let out: &mut [i64] = bytemuck::cast_slice_mut(out);
        for (found, one) in out.iter_mut().zip(inputs[0].elements::<f32>()) {
            let bin = i64::from(one.key() >> SHIFT) + BINS as i64 / 2;
            *found = if self.skips && one.is_nan() { -1 } else { bin };
        }
        Ok(())
    }
}

/// Quantiles by the numbers of elements in bins.
struct Found {
    q: Vec<f64>,
    /// The axis of bins.
    at: usize,
}

impl Kernel for Found {
    fn config(&self) -> Config {
        Config::new("approx_quantile")
            .with("q", self.q.iter().copied().collect::<Parameter>())
            .with("at", self.at)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let counts = inputs[0].elements::<i64>();
        let out: &mut [f32] = bytemuck::cast_slice_mut(out);
        let shape = inputs[0].domain.shape();
        let inner: usize = shape[self.at + 1..].iter().map(|&length| length as usize).product();
        let outer: usize = shape[..self.at].iter().map(|&length| length as usize).product();
        let range = steps.range(0);
        let wanted = &self.q[range.start as usize..range.end as usize];
        let mut upto = vec![0i64; BINS as usize];
        for place in 0..outer * inner {
            let first = place / inner * BINS as usize * inner + place % inner;
            let mut total = 0;
            for (upto, count) in upto.iter_mut().zip(counts[first..].iter().step_by(inner)) {
                total += count;
                *upto = total;
            }
            for (k, q) in wanted.iter().enumerate() {
                out[k * outer * inner + place] = quantile(*q, &upto);
            }
        }
        Ok(())
    }
}

/// The number in the middle of the bin that has the element of a quantile's rank, of how many elements each bin and those before it have.
fn quantile(q: f64, upto: &[i64]) -> f32 {
    let [.., before, total] = *upto else { return f32::NAN };
    // NaNs are in the last one.
    if total == 0 || total > before {
        return f32::NAN;
    }
    let rank = ((total - 1) as f64 * q).round() as i64;
    middle(upto.partition_point(|&upto| upto <= rank))
}

fn middle(bin: usize) -> f32 {
    let low = ((bin as i64 - BINS as i64 / 2) << SHIFT) as i32;
    let (low, high) = (f32::of(low), f32::of(low | 0xFFFF));
    match () {
        () if low.is_infinite() || high.is_nan() => low,
        // Numbers of the smallest exponent.
        () if high.is_infinite() => high,
        () if low.abs().min(high.abs()) < f32::MIN_POSITIVE => 0.0,
        () => ((f64::from(low) + f64::from(high)) / 2.0) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_of_small_relative_width() {
        let bin = |one: f32| (i64::from(one.key() >> SHIFT) + BINS as i64 / 2) as usize;
        for one in [1.0, -1.0, 2.34159, -1e30, 7.5e-20, 65504.0, 1e38, f32::MAX] {
            assert!((middle(bin(one)) - one).abs() <= one.abs() / 256.0, "{one}");
        }
        for one in [0.0, -0.0, 1e-40, f32::INFINITY, f32::NEG_INFINITY] {
            let expected = if one.is_infinite() { one } else { 0.0 };
            assert_eq!(middle(bin(one)), expected, "{one}");
        }
        assert_eq!(bin(f32::NAN), BINS as usize - 1);
    }
}
