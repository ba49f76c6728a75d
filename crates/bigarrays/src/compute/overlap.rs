//! Functions of users: of blocks, with some of what lies beside them.

use std::ops::Range;

use ndarray::{Axis, Slice};

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::infer;
use crate::compute::operation::Operation;
use crate::compute::windowed::{Elements, Window};
use crate::compute::windows::Windows;
use crate::for_dtype;

/// What a function of blocks sees beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlap {
    /// How many elements before and behind a block along each axis.
    pub depth: Vec<(u64, u64)>,
    /// What lies beyond the ends of each axis; nothing if `None`: blocks at an end have fewer elements there.
    pub boundary: Vec<Option<Boundary>>,
    /// Whether the function gives the elements beside a block as well, which are cut off.
    pub trim: bool,
}

impl Overlap {
    /// Nothing beside blocks, of so many axes.
    pub fn none(ndim: usize) -> Self {
        Self { depth: vec![(0, 0); ndim], boundary: vec![None; ndim], trim: false }
    }

    fn windows(&self, axis: usize, range: &Range<i64>) -> Windows {
        let (before, behind) = self.depth[axis];
        if (before, behind) == (0, 0) {
            return Windows::Each;
        }
        let first = range.start.saturating_sub_unsigned(before);
        let width = before.saturating_add(behind).saturating_add(1);
        match self.boundary[axis] {
            Some(boundary) => Windows::Reaching { first, step: 1, width, boundary },
            None => Windows::Moving { first, step: 1, width, clamp: true },
        }
    }
}

impl Lazy {
    /// The results of a function of blocks of some expressions, which have the axes of all, as NumPy repeats them. The function
    /// is called once a block, with its box and with a window of each input: the block, and `overlap` beside it. It
    /// gives the elements of each result, of these types. Which blocks there are, the plan says; a result that depends on it
    /// is one that depends on the budget. Blocks are done by several threads at once.
    ///
    /// ```
    /// use bigarrays::compute::{Boundary, ComputeOptions, Lazy, Overlap};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let x = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
    /// let overlap = Overlap { depth: vec![(1, 0)], boundary: vec![Some(Boundary::Nearest)], trim: false };
    /// let steps = Lazy::map_overlap("steps", &[x], &overlap, &[DataType::I64], |_, windows| {
    ///     let block = windows[0].array::<u8>()?;
    ///     let steps = block.as_slice().unwrap_or(&[]).windows(2).map(|two| i64::from(two[1]) - i64::from(two[0]));
    ///     Ok(vec![bigarrays::ndarray::Array::from_iter(steps).into_dyn().into()])
    /// })?;
    /// let found = steps[0].compute::<i64>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [0, 6, -5, 3]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if inputs do not agree, or depths are not as many as axes.
    pub fn map_overlap(
        name: &'static str,
        inputs: &[Self],
        overlap: &Overlap,
        dtypes: &[DataType],
        work: impl Fn(&Domain, &[Window<'_>]) -> Result<Vec<Elements>> + Send + Sync + 'static,
    ) -> Result<Vec<Self>> {
        let during = |error: Error| error.during(name);
        let domains: Vec<&Domain> = inputs.iter().map(Self::domain).collect();
        let domain = infer::broadcast(&domains).map_err(during)?;
        let ndim = domain.ndim();
        if inputs.is_empty() || overlap.depth.len() != ndim || overlap.boundary.len() != ndim {
            let reason = format!("{} depths of {ndim} axes of {} arrays", overlap.depth.len(), inputs.len());
            return Err(during(Error::invalid(reason)));
        }
        let loops: Vec<Range<i64>> = domain.ranges().collect();
        let axes: Vec<_> =
            domain.ranges().enumerate().map(|(axis, range)| (axis, overlap.windows(axis, &range))).collect();
        let mut operation = Operation::over(&loops);
        for input in inputs {
            operation = operation.input(&input.broadcast_to(&domain).map_err(during)?, &axes);
        }
        let all: Vec<_> = (0..ndim).map(|axis| (axis, Windows::Each)).collect();
        for &dtype in dtypes {
            operation = operation.output(dtype, &all);
        }
        let trims = overlap.trim;
        operation.block(name, move |block, windows| {
            let whole = windows.first().map(|window| window.domain().clone());
            let here = |error: Error| error.during(format!("computing the block {block}"));
            let made = work(block, windows).map_err(here)?;
            match whole.filter(|_| trims) {
                Some(whole) => made
                    .into_iter()
                    .map(|one| trimmed(one, block, &whole))
                    .collect::<Result<_>>()
                    .map_err(here),
                None => Ok(made),
            }
        })
    }
}

/// The elements of a block, of those of the box around it.
fn trimmed(elements: Elements, block: &Domain, whole: &Domain) -> Result<Elements> {
    let shape: Dims<u64> = elements.shape.iter().map(|&length| length as u64).collect();
    if shape[..] != *whole.shape() {
        let reason =
            format!("elements of shape {:?}, where those of {whole} are due, to be trimmed", elements.shape);
        return Err(Error::invalid(reason));
    }
    let none = || Err(Error::unsupported(format!("{} elements", elements.dtype)));
    for_dtype!(elements.dtype, T => {
        let mut array = elements.array::<T>()?;
        for axis in 0..block.ndim() {
            let first = block.origin()[axis].abs_diff(whole.origin()[axis]) as isize;
            let end = first + block.shape()[axis] as isize;
            array.slice_axis_inplace(Axis(axis), Slice::from(first..end));
        }
        Ok(Elements::from(array.to_owned()))
    }, _other => none())
}
