//! Contrast of whole volumes: elements between two percentiles are stretched over all that a type has.

use crate::array::Index;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::{Cast, Function, Lazy, Literal, Number, Operand, OutOfRange, QuantileMethod, Rounding};
use crate::jobs::picture::{Contrast, range_of_type};

/// How elements are stretched.
#[derive(Clone, Debug)]
pub struct NormalizeOptions {
    /// Which elements become the least that the type has, and which the largest. Percentiles are exact.
    pub contrast: Contrast,
    /// The axis along which each slice has percentiles of its own; without, all elements have the same.
    pub by: Option<usize>,
    /// The type of the result; without, that of the elements. Floating-point numbers go from 0 to 1.
    pub dtype: Option<DataType>,
    /// A value that counts in no percentile, such as 0 around an image. It is stretched like others.
    pub ignore: Option<Number>,
}

impl Default for NormalizeOptions {
    fn default() -> Self {
        Self { contrast: Contrast::Percentiles(1.0, 99.0), by: None, dtype: None, ignore: None }
    }
}

/// Elements stretched between two percentiles, of all or of each slice, and clipped beyond; rounded half to even for whole
/// numbers. NaN counts in no percentile; it stays NaN, and becomes the least whole number.
///
/// ```
/// use bigarrays::compute::{ComputeOptions, Lazy};
/// use bigarrays::jobs::{Contrast, NormalizeOptions, normalize};
/// use bigarrays::{DataType, Domain};
///
/// let x = Lazy::of_elements(&Domain::from_shape(&[5])?, DataType::U8, &[10, 20, 30, 40, 50])?;
/// let stretched = normalize(&x, &NormalizeOptions { contrast: Contrast::Percentiles(25.0, 75.0), ..Default::default() })?;
/// let found = stretched.compute::<u8>(&ComputeOptions::default())?;
/// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [0, 0, 128, 255, 255]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` for an axis or a contrast that makes no sense, or types that are no numbers.
pub fn normalize(lazy: &Lazy, options: &NormalizeOptions) -> Result<Lazy> {
    let during = |error: Error| error.during("normalizing");
    options.contrast.expect().map_err(during)?;
    if let Some(axis) = options.by.filter(|&axis| axis >= lazy.ndim()) {
        return Err(during(Error::invalid(format!("axis {axis} of {} axes", lazy.ndim()))));
    }
    stretched(lazy, options).map_err(during)
}

fn stretched(lazy: &Lazy, options: &NormalizeOptions) -> Result<Lazy> {
    let apply = |function: Function, all: &[Operand]| Lazy::apply(function, all);
    let dtype = options.dtype.unwrap_or(lazy.dtype());
    if dtype == DataType::Bool || !dtype.is_number() {
        return Err(Error::unsupported(format!("{dtype} elements have no contrast")));
    }
    let wide = lazy.cast(DataType::F64, Cast::default())?;
    let (low, width) = bounds(lazy, &wide, options)?;
    let (least, most) = range_of_type(dtype);
    let share = (&(&wide - low)? / width)?;
    // Of elements that are all the same, 0 / 0 is the least and all above is the largest.
    let is_same = apply(Function::IsNan, &[(&share).into()])?;
    let is_nan = apply(Function::IsNan, &[(&wide).into()])?;
    let clipped = apply(Function::Minimum, &[(&share).into(), 1.0.into()])?;
    let clipped = apply(Function::Maximum, &[(&clipped).into(), 0.0.into()])?;
    let is_even = apply(Function::LogicalAnd, &[(&is_same).into(), (&(!&is_nan)?).into()])?;
    let clipped = apply(Function::Where, &[(&is_even).into(), 0.0.into(), (&clipped).into()])?;
    let placed = (&(&clipped * (most - least))? + least)?;
    if dtype.is_float() {
        return placed.cast(dtype, Cast::default());
    }
    let placed = apply(Function::Where, &[(&is_nan).into(), least.into(), (&placed).into()])?;
    placed.cast(dtype, Cast { rounding: Rounding::Nearest, out_of_range: OutOfRange::Clip })
}

/// The element that becomes the least, and how far that which becomes the largest is above it.
fn bounds(lazy: &Lazy, wide: &Lazy, options: &NormalizeOptions) -> Result<(Operand, Operand)> {
    let (low, high) = match options.contrast {
        Contrast::Range(low, high) => return Ok((low.into(), (high - low).into())),
        Contrast::Type => {
            let (low, high) = range_of_type(lazy.dtype());
            return Ok((low.into(), (high - low).into()));
        }
        Contrast::Percentiles(low, high) => (low, high),
    };
    let axes: Vec<usize> = (0..lazy.ndim()).filter(|axis| Some(*axis) != options.by).collect();
    if axes.is_empty() {
        return Err(Error::invalid("slices of one element have no percentiles"));
    }
    let counted = match options.ignore {
        Some(ignored) => {
            let ignored = match ignored {
                Number::Whole(whole) => Literal::Whole(whole),
                Number::Real(real) => Literal::Real(real),
            };
            let is_ignored = Lazy::apply(Function::Equal, &[lazy.into(), Operand::Literal(ignored)])?;
            let all = [(&is_ignored).into(), f64::NAN.into(), wide.into()];
            Lazy::apply(Function::Where, &all)?
        }
        None => lazy.clone(),
    };
    let found = counted.quantile(&[low / 100.0, high / 100.0], &axes, QuantileMethod::Linear, true)?;
    let found = found.cast(DataType::F64, Cast::default())?;
    let one = |which: i64| -> Result<Lazy> {
        let mut indices = vec![Index::ALL; found.ndim()];
        indices[0] = Index::At(which);
        let mut one = found.slice(&indices)?;
        // Every slice has its own along its axes.
        for &axis in axes.iter().filter(|_| options.by.is_some()) {
            one = one.new_axis(axis, lazy.domain().range(axis))?;
        }
        Ok(one)
    };
    let (low, high) = (one(0)?, one(1)?);
    Ok(((&low).into(), (&(&high - &low)?).into()))
}
