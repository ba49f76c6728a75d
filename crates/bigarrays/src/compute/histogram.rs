//! Expressions that count elements: by what they are, or by the bins that they lie in.

use std::sync::Arc;

use bytemuck::Pod;
use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::{Kind, Lazy, Operand};
use crate::compute::fields::{damaged, expect};
use crate::compute::function::Function;
use crate::compute::groups::{Grouped, Grouping, Groups};
use crate::compute::operation::Operation;
use crate::compute::reduction::Reduction;
use crate::compute::site::Site;
use crate::compute::types::is_whole;
use crate::compute::windows::Windows;

impl Lazy {
    /// How many elements along `axes`, or of all if there are none, are 0, 1, … up to `count`; or the sum of their `weights`. The
    /// axis of these numbers stands where the first of the axes was. Negative elements are not counted.
    ///
    /// # Errors
    /// `InvalidArgument` if elements are no whole numbers; once they are read, if one is larger, unless it `drops` those.
    pub fn bincount(&self, axes: &[usize], count: u64, drops: bool, weights: Option<&Self>) -> Result<Self> {
        let during = |error: Error| error.during("bincount");
        if !(is_whole(self.dtype()) || self.dtype() == DataType::Bool) {
            return Err(during(Error::invalid(format!("{} elements are no whole numbers", self.dtype()))));
        }
        let numbers = crate::compute::group::whole_numbers(self).map_err(during)?;
        numbers.counted(axes, &[count], drops, weights).map_err(during)
    }

    /// How many elements along `axes`, or of all if there are none, lie in each bin between neighbouring `edges`, an ascending
    /// expression of one axis; or the sum of their `weights`. Bins have their lower edge, and the last one its upper edge as
    /// well. The axis of bins stands where the first of the axes was. NaN lies in none.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Lazy};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let x = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
    /// let edges = Lazy::of_elements(&Domain::from_shape(&[3])?, DataType::U8, &[0, 4, 9])?;
    /// let found = x.histogram(&edges, &[], None)?.compute::<i64>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [1, 3]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` unless there are edges along one axis; once they are read, unless they ascend.
    pub fn histogram(&self, edges: &Self, axes: &[usize], weights: Option<&Self>) -> Result<Self> {
        let during = |error: Error| error.during("histogram");
        let bins = match edges.domain().shape() {
            [edges] if *edges > 1 => edges - 1,
            shape => {
                return Err(during(Error::invalid(format!(
                    "edges of shape {shape:?}; there are two or more"
                ))));
            }
        };
        let numbers = self.binned(edges).map_err(during)?;
        numbers.counted(axes, &[bins], false, weights).map_err(during)
    }

    /// The edges of so many bins of equal width from the least element to the largest, as NumPy has them.
    ///
    /// # Errors
    /// `InvalidArgument` for no bins, or no elements.
    pub fn equal_edges(&self, bins: u64) -> Result<Self> {
        let wide = self.converted(DataType::F64)?;
        let (low, high) =
            (wide.reduce(Reduction::Min, &[], false)?, wide.reduce(Reduction::Max, &[], false)?);
        let apply = |function: Function, all: &[Operand]| Self::apply(function, all);
        let is_one = apply(Function::Equal, &[(&low).into(), (&high).into()])?;
        let half = apply(Function::Where, &[(&is_one).into(), 0.5.into(), 0.0.into()])?;
        let (low, high) = ((&low - &half)?, (&high + &half)?);
        let many = || Error::invalid(format!("{bins} bins")).during("histogram");
        let last = u32::try_from(bins).ok().filter(|&bins| bins > 0).ok_or_else(many)?;
        let numbers: Vec<u8> = (0..=last).flat_map(|k| f64::from(k).to_ne_bytes()).collect();
        let numbers = Self::of_elements(&Domain::from_shape(&[bins + 1])?, DataType::F64, &numbers)?;
        let step = (&(&high - &low)? / f64::from(last))?;
        let edges = (&(&numbers * &step)? + &low)?;
        let is_last = apply(Function::Equal, &[(&numbers).into(), f64::from(last).into()])?;
        apply(Function::Where, &[(&is_last).into(), (&high).into(), (&edges).into()])
    }

    /// The number of each element's bin; −1 if it lies in none.
    fn binned(&self, edges: &Self) -> Result<Self> {
        if self.ndim() == 0 {
            return self.new_axis(0, 0..1)?.binned(edges);
        }
        let of = if self.dtype() == DataType::F16 { &self.converted(DataType::F32)? } else { self };
        let edges = edges.converted(DataType::F64)?;
        let loops: Vec<_> = of.domain().ranges().collect();
        let each: Vec<_> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        Operation::over(&loops)
            .input(of, &each)
            .input(&edges, &[(0, Windows::Whole)])
            .output(DataType::I64, &each)
            .kernel("bins", Arc::new(Bins { dtype: of.dtype() }))
    }

    /// How many of these numbers there are of each, or the sum of their weights, along axes of so many, in C order.
    pub(super) fn counted(
        &self,
        axes: &[usize],
        counts: &[u64],
        drops: bool,
        weights: Option<&Self>,
    ) -> Result<Self> {
        if self.ndim() == 0 {
            return self.new_axis(0, 0..1)?.counted(&[0], counts, drops, weights);
        }
        let mut axes: Dims<usize> = if axes.is_empty() { (0..self.ndim()).collect() } else { axes.into() };
        axes.sort_unstable();
        let is_twice = axes.windows(2).any(|pair| pair[0] == pair[1]);
        if is_twice || axes.iter().any(|&axis| axis >= self.ndim()) {
            return Err(Error::invalid(format!("axes {axes:?} of {}", self.ndim())));
        }
        let all = counts.iter().try_fold(1u64, |all, &count| all.checked_mul(count));
        if all.is_none_or(|all| i64::try_from(all).is_err()) {
            return Err(Error::invalid("more numbers than can be counted"));
        }
        let (of, reduction) = match weights {
            Some(weights) => (weights.broadcast_to(self.domain())?, Reduction::Sum),
            None => {
                let is_one = Self::constant([1, 0, 0, 0, 0, 0, 0, 0], DataType::Bool)?;
                (is_one.broadcast_to(self.domain())?, Reduction::CountNonzero)
            }
        };
        self.expect_shallow()?;
        of.expect_shallow()?;
        let groups = Groups { counts: counts.into(), drops, labels: None };
        let by = Grouped { groups, labelled: axes.clone(), axes };
        let dtype = reduction.result(of.dtype());
        let found = of.of_groups(Grouping { reduction, by, fill: None }, self, dtype)?;
        // The names of what is counted, along the axes that are left.
        match found.kind() {
            Kind::Group(grouping, _) => {
                let kept = (0..self.ndim()).filter(|axis| !grouping.by.axes.contains(axis));
                let mut names: Vec<Option<String>> = kept.map(|axis| self.names()[axis].clone()).collect();
                counts.iter().for_each(|_| names.insert(grouping.by.axes[0], None));
                found.renamed(&names)
            }
            _ => Ok(found),
        }
    }
}

/// In which of bins elements lie.
struct Bins {
    dtype: DataType,
}

/// The kernel of bins, of its configuration.
///
/// # Errors
/// `InvalidArgument` if it does not fit.
pub(super) fn read(_: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [of, edges] = site.inputs else { return Err(damaged()) };
    site.expect_each(0)?;
    site.expect(1, &[(0, Windows::Whole)])?;
    expect(edges.dtype() == DataType::F64 && edges.domain().shape().iter().all(|&edges| edges > 1))?;
    expect(of.dtype() != DataType::F16 && site.dtype == DataType::I64)?;
    Ok(Arc::new(Bins { dtype: of.dtype() }))
}

impl Kernel for Bins {
    fn config(&self) -> Config {
        Config::new("bins")
    }

    fn run(&self, _steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let edges = inputs[1].elements::<f64>();
        let ascends = edges.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ascends || edges.iter().any(|edge| edge.is_nan()) {
            return Err(Error::invalid("the edges of bins do not ascend, or some are NaN"));
        }
        let out = bytemuck::cast_slice_mut(out);
        let given = &inputs[0];
        match self.dtype {
            DataType::Bool | DataType::U8 => bins::<u8>(given, edges, out, f64::from),
            DataType::U16 => bins::<u16>(given, edges, out, f64::from),
            DataType::U32 => bins::<u32>(given, edges, out, f64::from),
            DataType::U64 => bins::<u64>(given, edges, out, |one| one as f64),
            DataType::I8 => bins::<i8>(given, edges, out, f64::from),
            DataType::I16 => bins::<i16>(given, edges, out, f64::from),
            DataType::I32 => bins::<i32>(given, edges, out, f64::from),
            DataType::I64 => bins::<i64>(given, edges, out, |one| one as f64),
            DataType::F32 => bins::<f32>(given, edges, out, f64::from),
            DataType::F64 => bins::<f64>(given, edges, out, |one| one),
            other => return Err(Error::unsupported(format!("bins of {other}"))),
        }
        Ok(())
    }
}

fn bins<T: Pod>(given: &Given<'_>, edges: &[f64], out: &mut [i64], as_f64: impl Fn(T) -> f64) {
    let (first, last, bins) = (edges[0], edges[edges.len() - 1], edges.len() - 1);
    let scale = bins as f64 / (last - first);
    for (found, &one) in out.iter_mut().zip(given.elements::<T>()) {
        let one = as_f64(one);
        *found = if one >= first && one < last {
            // Where bins are of about equal width, it is this one or a neighbour.
            let guess = (((one - first) * scale) as usize).min(bins - 1);
            let is_in = |bin: usize| edges[bin] <= one && one < edges[bin + 1];
            let found = match guess {
                guess if is_in(guess) => guess,
                guess if guess > 0 && is_in(guess - 1) => guess - 1,
                guess if guess + 1 < bins && is_in(guess + 1) => guess + 1,
                _ => edges.partition_point(|edge| *edge <= one) - 1,
            };
            found as i64
        } else if one == last {
            bins as i64 - 1
        } else {
            -1
        };
    }
}
