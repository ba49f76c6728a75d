//! Products that are summed along axes: of two expressions, and of one with a sparse matrix.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{counts, damaged, expect, position, positions, reals};
use crate::compute::function::Function;
use crate::compute::interpolation::others_first;
use crate::compute::kernels::monoid::Real;
use crate::compute::kernels::products::{Term, products};
use crate::compute::operation::Operation;
use crate::compute::reduction::Reduction;
use crate::compute::site::Site;
use crate::compute::types::{common, is_signed};
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

impl Lazy {
    /// The sums of products of elements along pairs of axes, one of this and one of the other, which agree in their coordinates. The result
    /// has the other axes of this, and then those of the other. Floating-point products are summed in `float64`, in order.
    /// All that a box of the result needs of these axes is in memory at once.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Lazy};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let x = Lazy::of_elements(&Domain::from_shape(&[2, 2])?, DataType::U8, &[1, 2, 3, 4])?;
    /// let square = x.tensordot(&x, &[(1, 0)])?.compute::<u8>(&ComputeOptions::default())?;
    /// assert_eq!(square.into_data().into_raw_vec_and_offset().0, [7, 10, 15, 22]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for axes that there are not or that do not agree.
    pub fn tensordot(&self, other: &Self, axes: &[(usize, usize)]) -> Result<Self> {
        let during = |error: Error| error.during("tensordot");
        let (own, theirs): (Dims<usize>, Dims<usize>) = axes.iter().copied().unzip();
        let is_each_once = |axes: &[usize], ndim: usize| {
            axes.iter().enumerate().all(|(at, axis)| *axis < ndim && !axes[..at].contains(axis))
        };
        if !is_each_once(&own, self.ndim()) || !is_each_once(&theirs, other.ndim()) {
            let reason =
                format!("the axes {own:?} of {} and {theirs:?} of {}", self.domain(), other.domain());
            return Err(during(Error::invalid(reason)));
        }
        for &(one, two) in axes {
            let (one, two) = (self.domain().range(one), other.domain().range(two));
            if one != two {
                let reason =
                    format!("coordinates {one:?} and {two:?} that do not agree; move one with `translate`");
                return Err(during(Error::invalid(reason)));
            }
        }
        let dtype = common(self.dtype(), other.dtype());
        let (one, two) = (
            self.permute(&others_first(self.ndim(), &own))?,
            other.permute(&others_first(other.ndim(), &theirs))?,
        );
        let made = contracted(&one, &two, axes.len(), dtype).map_err(during)?;
        if dtype == DataType::Bool {
            Self::apply(Function::NotEqual, &[(&made).into(), 0.into()])
        } else {
            made.converted(dtype)
        }
    }

    /// Sums of the elements along some axes, each times a weight of a sparse matrix: `entries` are the row, the column and the weight,
    /// where columns are elements along the axes in C order, and rows those of the result, of this shape, in C order. The result has
    /// the other axes, and then these. Rows without entries are NaN.
    ///
    /// # Errors
    /// `InvalidArgument` for axes that there are not, or entries beyond them.
    pub fn regrid(&self, axes: &[usize], shape: &[u64], entries: &[(u64, u64, f64)]) -> Result<Self> {
        let during = |error: Error| error.during("regrid");
        let is_once = |(at, axis): (usize, &usize)| *axis < self.ndim() && !axes[..at].contains(axis);
        if axes.is_empty() || shape.is_empty() || !axes.iter().enumerate().all(is_once) {
            return Err(during(Error::invalid(format!(
                "the axes {axes:?} of {} axes, onto {shape:?}",
                self.ndim()
            ))));
        }
        let columns: u64 = axes.iter().map(|&axis| self.domain().shape()[axis]).product();
        let rows = Domain::from_shape(shape)?.checked_len()?;
        if let Some(beyond) = entries.iter().find(|entry| entry.0 >= rows || entry.1 >= columns) {
            let reason = format!(
                "an entry at {}, {} of a matrix of {rows} rows and {columns} columns",
                beyond.0, beyond.1
            );
            return Err(during(Error::invalid(reason)));
        }
        let dtype = if self.dtype() == DataType::F32 { DataType::F32 } else { DataType::F64 };
        let wide = self.permute(&others_first(self.ndim(), axes))?.converted(dtype)?;
        let kept = self.ndim() - axes.len();
        let mut loops: Vec<Range<i64>> = wide.domain().ranges().take(kept).collect();
        loops.extend(shape.iter().map(|&length| 0..length as i64));
        let input = first_each(&wide, kept, 0, kept);
        let all: Vec<_> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let kernel = Arc::new(Sparse::new(kept, shape, entries, dtype));
        Operation::over(&loops).input(&wide, &input).output(dtype, &all).kernel("regrid", kernel)
    }
}

/// Windows of one index a step along the first axes, so many, from this axis of the loop on, and of all others along its axis `last`.
fn first_each(of: &Lazy, kept: usize, first: usize, last: usize) -> Vec<Bound> {
    let axis = |axis: usize| if axis < kept { (first + axis, Windows::Each) } else { (last, Windows::Whole) };
    (0..of.ndim()).map(axis).collect()
}

/// The kernel of products, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_products(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [one, two] = site.inputs else { return Err(damaged()) };
    let (dtype, rows) = (site.dtype, position(config, "rows")?);
    expect([DataType::F64, DataType::I64, DataType::U64].contains(&dtype))?;
    expect(one.dtype() == dtype && two.dtype() == dtype && rows <= site.loops.ndim())?;
    let columns = site.loops.ndim() - rows;
    site.expect(0, &first_each(one, rows, 0, 0))?;
    site.expect(1, &first_each(two, columns, rows, 0))?;
    expect(rows <= one.ndim() && columns <= two.ndim())?;
    expect(one.domain().shape()[rows..] == two.domain().shape()[columns..])?;
    Ok(Arc::new(Products { rows, dtype }))
}

/// The kernel of a sparse matrix, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_sparse(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let input = site.one(&[DataType::F32, DataType::F64])?;
    let shape = counts(config, "shape")?;
    let (starts, columns) = (positions(config, "starts")?.to_vec(), positions(config, "columns")?.to_vec());
    let weights = reals(config, "weights")?;
    let kept = site.loops.ndim().checked_sub(shape.len()).ok_or_else(damaged)?;
    expect(kept < input.ndim() && !shape.is_empty())?;
    site.expect(0, &first_each(input, kept, 0, kept))?;
    let along = Domain::from_shape(&shape)?;
    expect((kept..site.loops.ndim()).all(|axis| site.loops.range(axis) == along.range(axis - kept)))?;
    let of = input.domain().shape()[kept..].iter().copied().fold(1, u64::saturating_mul);
    expect(starts.len() as u64 == along.checked_len()?.saturating_add(1) && starts.is_sorted())?;
    expect(starts.first() == Some(&0) && starts.last() == Some(&columns.len()))?;
    expect(weights.len() == columns.len() && columns.iter().all(|&column| (column as u64) < of))?;
    Ok(Arc::new(Sparse { kept, shape, dtype: site.dtype, starts, columns, weights }))
}

/// The product of two expressions along their last axes.
fn contracted(one: &Lazy, two: &Lazy, count: usize, dtype: DataType) -> Result<Lazy> {
    let state = match dtype {
        float if float.is_float() => DataType::F64,
        signed if is_signed(signed) || signed == DataType::Bool => DataType::I64,
        _ => DataType::U64,
    };
    let (one, two) = (one.converted(state)?, two.converted(state)?);
    let kept = [one.ndim() - count, two.ndim() - count];
    if kept == [0, 0] {
        let product = Lazy::apply(Function::Multiply, &[(&one).into(), (&two).into()])?;
        let all: Vec<usize> = (0..product.ndim()).collect();
        return if all.is_empty() { Ok(product) } else { product.reduce(Reduction::Sum, &all, false) };
    }
    let mut loops: Vec<Range<i64>> = one.domain().ranges().take(kept[0]).collect();
    loops.extend(two.domain().ranges().take(kept[1]));
    let all: Vec<_> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
    let operation = Operation::over(&loops)
        .input(&one, &first_each(&one, kept[0], 0, 0))
        .input(&two, &first_each(&two, kept[1], kept[0], 0))
        .output(state, &all);
    operation.kernel("tensordot", Arc::new(Products { rows: kept[0], dtype: state }))
}

/// The kernel of products.
struct Products {
    /// How many axes of the loop are those of the first input.
    rows: usize,
    dtype: DataType,
}

impl Products {
    fn run_as<T: Term + Pod>(&self, steps: &Domain, one: &Given<'_>, two: &Given<'_>, out: &mut [u8]) {
        let rows = steps.shape()[..self.rows].iter().product::<u64>() as usize;
        let columns = steps.shape()[self.rows..].iter().product::<u64>() as usize;
        products::<T>(one.elements(), two.elements(), (rows, columns), bytemuck::cast_slice_mut(out));
    }
}

impl Kernel for Products {
    fn config(&self) -> Config {
        Config::new("products").with("rows", self.rows)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        if let [one, two] = inputs {
            match self.dtype {
                DataType::F64 => self.run_as::<f64>(steps, one, two, out),
                _ => self.run_as::<i64>(steps, one, two, out),
            }
        }
        Ok(())
    }
}

/// The kernel of a sparse matrix, by rows.
struct Sparse {
    /// How many axes of the loop come before those of the rows.
    kept: usize,
    shape: Vec<u64>,
    dtype: DataType,
    starts: Vec<usize>,
    columns: Vec<usize>,
    weights: Vec<f64>,
}

impl Sparse {
    fn new(kept: usize, shape: &[u64], entries: &[(u64, u64, f64)], dtype: DataType) -> Self {
        let mut sorted = entries.to_vec();
        sorted.sort_by_key(|entry| (entry.0, entry.1));
        let rows = shape.iter().product::<u64>();
        let starts = (0..=rows).map(|row| sorted.partition_point(|entry| entry.0 < row)).collect();
        let columns = sorted.iter().map(|entry| entry.1 as usize).collect();
        Self {
            kept,
            shape: shape.to_vec(),
            dtype,
            starts,
            columns,
            weights: sorted.iter().map(|entry| entry.2).collect(),
        }
    }

    fn run_as<R: Real>(&self, steps: &Domain, input: &Given<'_>, out: &mut [u8]) {
        let lanes = steps.shape()[..self.kept].iter().product::<u64>() as usize;
        let (elements, out): (&[R], &mut [R]) = (input.elements(), bytemuck::cast_slice_mut(out));
        if lanes == 0 || out.is_empty() {
            return;
        }
        let (plane, count) = (elements.len() / lanes, out.len() / lanes);
        let rows: Vec<usize> = (0..count).map(|number| self.row(number, steps)).collect();
        for (elements, out) in elements.chunks_exact(plane.max(1)).zip(out.chunks_exact_mut(count)) {
            for (out, &row) in out.iter_mut().zip(&rows) {
                let range = self.starts[row]..self.starts[row + 1];
                let terms = self.columns[range.clone()].iter().zip(&self.weights[range.clone()]);
                let sum: f64 = terms.map(|(&column, weight)| elements[column].wide() * weight).sum();
                *out = if range.is_empty() { R::NAN } else { R::narrow(sum) };
            }
        }
    }

    /// The row that is the element of this number of a box.
    fn row(&self, number: usize, steps: &Domain) -> usize {
        let (mut rest, mut row, mut stride) = (number as u64, 0, 1);
        for (axis, length) in self.shape.iter().enumerate().rev() {
            let own = steps.shape()[self.kept + axis];
            row += (steps.origin()[self.kept + axis] as u64 + rest % own) * stride;
            rest /= own;
            stride *= length;
        }
        row as usize
    }
}

impl Kernel for Sparse {
    fn config(&self) -> Config {
        let numbers = |all: &[usize]| all.iter().copied().collect::<Parameter>();
        Config::new("sparse")
            .with("shape", &self.shape[..])
            .with("starts", numbers(&self.starts))
            .with("columns", numbers(&self.columns))
            .with("weights", &self.weights[..])
    }

    fn scratch(&self, steps: &[u64]) -> u64 {
        steps[self.kept..].iter().fold(8, |all: u64, &length| all.saturating_mul(length))
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        if let [input] = inputs {
            match self.dtype {
                DataType::F32 => self.run_as::<f32>(steps, input, out),
                _ => self.run_as::<f64>(steps, input, out),
            }
        }
        Ok(())
    }
}
