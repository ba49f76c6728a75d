//! Functions of users: of blocks, with some of what lies beside them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Axis, Slice};

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::infer;
use crate::compute::operation::Operation;
use crate::compute::window::{Elements, Window};
use crate::compute::windowed::{BlockFn, ConfigFn};
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

/// Says in a text what a function is.
type KnownFn = dyn Fn() -> Result<String> + Send + Sync;

/// A function of blocks.
#[derive(Clone)]
pub struct BlockFunction {
    name: &'static str,
    work: Arc<BlockFn>,
    known: Option<Arc<KnownFn>>,
}

impl fmt::Debug for BlockFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl BlockFunction {
    /// A function that is called once a block, with its box and with a window of each input. It gives the elements of each
    /// result. Several threads call it at once.
    pub fn new(
        name: &'static str,
        work: impl Fn(&Domain, &[Window<'_>]) -> Result<Vec<Elements>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, work: Arc::new(work), known: None }
    }

    /// The same, which other processes have as well: journals and plans in files know it by the text that `known` gives, and
    /// whoever opens a plan finds it by that text.
    #[must_use]
    pub fn known_by(mut self, known: impl Fn() -> Result<String> + Send + Sync + 'static) -> Self {
        self.known = Some(Arc::new(known));
        self
    }

    /// What is written of a call.
    fn config(&self, overlap: &Overlap, dtypes: &[DataType]) -> Option<Arc<ConfigFn>> {
        let (known, overlap) = (Arc::clone(self.known.as_ref()?), overlap.clone());
        let dtypes: Parameter =
            dtypes.iter().map(|dtype| Parameter::Text(dtype.name().into_owned())).collect();
        let both = |&(before, behind): &(u64, u64)| [before, behind].into_iter().collect::<Parameter>();
        let config = move || {
            let boundary =
                |boundary: &Option<Boundary>| boundary.map_or(Parameter::None, |one| one.config().into());
            Ok(Config::new("mapped")
                .with("known", known()?)
                .with("depth", overlap.depth.iter().map(both).collect::<Parameter>())
                .with("boundary", overlap.boundary.iter().map(boundary).collect::<Parameter>())
                .with("trim", overlap.trim)
                .with("types", dtypes.clone()))
        };
        Some(Arc::new(config))
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
        Self::map_function(&BlockFunction::new(name, work), inputs, overlap, dtypes)
    }

    /// The same of a function that may be known in other processes.
    ///
    /// # Errors
    /// As [`Lazy::map_overlap`].
    pub fn map_function(
        function: &BlockFunction,
        inputs: &[Self],
        overlap: &Overlap,
        dtypes: &[DataType],
    ) -> Result<Vec<Self>> {
        let name = function.name;
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
        let (trims, work) = (overlap.trim, Arc::clone(&function.work));
        let work = move |block: &Domain, windows: &[Window<'_>]| {
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
        };
        operation.known_block(name, Arc::new(work), function.config(overlap, dtypes))
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
