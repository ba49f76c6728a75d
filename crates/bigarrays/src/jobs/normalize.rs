//! Contrast of whole volumes: elements between two percentiles are stretched over all that a type has.

use crate::array::Index;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::{
    Cast, Function, Lazy, Literal, Number, Operand, OutOfRange, QuantileMethod, Reduction, Rounding,
};
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
/// numbers. NaN and infinities count in no percentile. NaN stays NaN, and becomes the least whole number; infinities are clipped. Whole
/// numbers of 64 bits are exact, however narrow the contrast is beside them.
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

fn apply(function: Function, all: &[Operand]) -> Result<Lazy> {
    Lazy::apply(function, all)
}

fn stretched(lazy: &Lazy, options: &NormalizeOptions) -> Result<Lazy> {
    let dtype = options.dtype.unwrap_or(lazy.dtype());
    if dtype == DataType::Bool || !dtype.is_number() {
        return Err(Error::unsupported(format!("{dtype} elements have no contrast")));
    }
    let base = base(lazy, options)?;
    let wide = match &base {
        Some(base) => distance(lazy, base)?,
        None => lazy.cast(DataType::F64, Cast::default())?,
    };
    let (low, width) = bounds(lazy, &wide, base.as_ref(), options)?;
    let (least, most) = range_of_type(dtype);
    let share = (&(&wide - low)? / width)?;
    // Of elements that are all the same, 0 / 0 is the least and all above is the largest.
    let is_same = apply(Function::IsNan, &[(&share).into()])?;
    let is_nan = apply(Function::IsNan, &[(&wide).into()])?;
    let clipped = apply(Function::Minimum, &[(&share).into(), 1.0.into()])?;
    let clipped = apply(Function::Maximum, &[(&clipped).into(), 0.0.into()])?;
    let is_even = apply(Function::LogicalAnd, &[(&is_same).into(), (&(!&is_nan)?).into()])?;
    let even: Operand = match lazy.dtype().is_float() {
        // Where no element is finite, infinity is above all others.
        true => {
            let is_most = apply(Function::Equal, &[(&wide).into(), f64::INFINITY.into()])?;
            (&is_most.cast(DataType::F64, Cast::default())?).into()
        }
        false => 0.0.into(),
    };
    let clipped = apply(Function::Where, &[(&is_even).into(), even, (&clipped).into()])?;
    let placed = (&(&clipped * (most - least))? + least)?;
    if dtype.is_float() {
        return placed.cast(dtype, Cast::default());
    }
    let placed = apply(Function::Where, &[(&is_nan).into(), least.into(), (&placed).into()])?;
    placed.cast(dtype, Cast { rounding: Rounding::Nearest, out_of_range: OutOfRange::Clip })
}

/// Of elements that floating-point numbers round, a whole number below the contrast: distances from it are exact where they are small.
fn base(lazy: &Lazy, options: &NormalizeOptions) -> Result<Option<Operand>> {
    if !matches!(lazy.dtype(), DataType::I64 | DataType::U64) || lazy.domain().is_empty() {
        return Ok(None);
    }
    let (least, most) = match lazy.dtype() {
        DataType::I64 => (i64::MIN.into(), i64::MAX.into()),
        _ => (0, u64::MAX.into()),
    };
    match options.contrast {
        Contrast::Type => Ok(None),
        Contrast::Range(low, _) => Ok(Some(Literal::Whole((low.floor() as i128).clamp(least, most)).into())),
        Contrast::Percentiles(..) => {
            let counted = match is_ignored(lazy, options)? {
                Some(is_ignored) => {
                    let most = Literal::Whole(most).into();
                    apply(Function::Where, &[(&is_ignored).into(), most, lazy.into()])?
                }
                None => lazy.clone(),
            };
            let axes = counted_axes(lazy, options)?;
            Ok(Some((&counted.reduce(Reduction::Min, &axes, true)?).into()))
        }
    }
}

/// How far elements are above the base; -1 below it, where nothing is told apart.
fn distance(lazy: &Lazy, base: &Operand) -> Result<Lazy> {
    // What is above the largest number with a sign has its bits.
    let bits = Cast { out_of_range: OutOfRange::Wrap, ..Cast::default() };
    let above = apply(Function::Subtract, &[lazy.into(), base.clone()])?.cast(DataType::U64, bits)?;
    let above = above.cast(DataType::F64, Cast::default())?;
    let is_below = apply(Function::Less, &[lazy.into(), base.clone()])?;
    apply(Function::Where, &[(&is_below).into(), (-1.0).into(), (&above).into()])
}

/// The axes along which elements are counted together.
fn counted_axes(lazy: &Lazy, options: &NormalizeOptions) -> Result<Vec<usize>> {
    let axes: Vec<usize> = (0..lazy.ndim()).filter(|axis| Some(*axis) != options.by).collect();
    if axes.is_empty() {
        return Err(Error::invalid("slices of one element have no percentiles"));
    }
    Ok(axes)
}

/// Which elements count in no percentile because they have a value.
fn is_ignored(lazy: &Lazy, options: &NormalizeOptions) -> Result<Option<Lazy>> {
    let literal = |ignored| match ignored {
        Number::Whole(whole) => Literal::Whole(whole),
        Number::Real(real) => Literal::Real(real),
    };
    let equal = |ignored| apply(Function::Equal, &[lazy.into(), Operand::Literal(literal(ignored))]);
    options.ignore.map(equal).transpose()
}

/// The elements that count in percentiles, and NaN where there is another.
fn counted(lazy: &Lazy, wide: &Lazy, has_base: bool, options: &NormalizeOptions) -> Result<Lazy> {
    let mut counted = if has_base { wide.clone() } else { lazy.clone() };
    if let Some(is_ignored) = is_ignored(lazy, options)? {
        counted = apply(Function::Where, &[(&is_ignored).into(), f64::NAN.into(), wide.into()])?;
    }
    if lazy.dtype().is_float() {
        let is_finite = apply(Function::IsFinite, &[(&counted).into()])?;
        counted = apply(Function::Where, &[(&is_finite).into(), (&counted).into(), f64::NAN.into()])?;
    }
    Ok(counted)
}

/// The element that becomes the least, above the base if there is one, and how far that which becomes the largest is above it.
fn bounds(
    lazy: &Lazy,
    wide: &Lazy,
    base: Option<&Operand>,
    options: &NormalizeOptions,
) -> Result<(Operand, Operand)> {
    let (low, high) = match options.contrast {
        Contrast::Range(low, high) => {
            let above = match base {
                Some(Operand::Literal(Literal::Whole(base))) => low - *base as f64,
                _ => low,
            };
            return Ok((above.into(), (high - low).into()));
        }
        Contrast::Type => {
            let (low, high) = range_of_type(lazy.dtype());
            return Ok((low.into(), (high - low).into()));
        }
        Contrast::Percentiles(low, high) => (low, high),
    };
    let axes = counted_axes(lazy, options)?;
    let counted = counted(lazy, wide, base.is_some(), options)?;
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
