//! Where a kernel is: the operation around it, which its configuration has to fit to when it is read.

use std::ops::Range;

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::expr::Lazy;
use crate::compute::fields::{damaged, expect};
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

/// An operation without its kernel. Its windows fit to its inputs.
pub(crate) struct Site<'a> {
    pub(crate) loops: &'a Domain,
    pub(crate) inputs: &'a [Lazy],
    pub(crate) windows: &'a [Vec<Bound>],
    /// The type of the result.
    pub(crate) dtype: DataType,
}

impl Site<'_> {
    /// The only input, of these types as its result is.
    pub(crate) fn one(&self, types: &[DataType]) -> Result<&Lazy> {
        let [input] = self.inputs else { return Err(damaged()) };
        expect(input.dtype() == self.dtype && (types.is_empty() || types.contains(&self.dtype)))?;
        Ok(input)
    }

    /// The windows of an input along an axis, which has one index a step along all others.
    pub(crate) fn along(&self, input: usize, axis: usize) -> Result<&Windows> {
        let windows = self.windows.get(input).ok_or_else(damaged)?;
        let is_each = |(own, (bound, windows)): (usize, &Bound)| {
            *bound == own && (own == axis || *windows == Windows::Each)
        };
        expect(windows.len() == self.loops.ndim() && windows.iter().enumerate().all(is_each))?;
        windows.get(axis).map(|bound| &bound.1).ok_or_else(damaged)
    }

    /// An error unless an input has one index a step along each axis.
    pub(crate) fn expect_each(&self, input: usize) -> Result<()> {
        let each: Vec<Bound> = (0..self.loops.ndim()).map(|axis| (axis, Windows::Each)).collect();
        self.expect(input, &each)
    }

    /// An error unless an input has these windows.
    pub(crate) fn expect(&self, input: usize, windows: &[Bound]) -> Result<()> {
        let own = self.windows.get(input).ok_or_else(damaged)?;
        // Numbers beyond the ends of an axis may be NaN.
        let is_same = |(one, other): (&Bound, &Bound)| {
            one.0 == other.0 && (one.1 == other.1 || one.1.config() == other.1.config())
        };
        expect(own.len() == windows.len() && own.iter().zip(windows).all(is_same))
    }

    /// The coordinates of the steps along an axis.
    pub(crate) fn steps(&self, axis: usize) -> Result<Range<i64>> {
        expect(axis < self.loops.ndim())?;
        Ok(self.loops.range(axis))
    }
}
