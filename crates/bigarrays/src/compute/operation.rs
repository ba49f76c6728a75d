//! The general operation: a loop whose every step reads windows of its inputs and writes windows of its results.

use std::ops::Range;
use std::sync::Arc;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::boundary::Boundary;
use crate::compute::dense::Kernel;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::number::Number;
use crate::compute::windowed::{Bound, Elements, Reduced, Window, Windowed, Work};
use crate::compute::windows::Windows;

/// A loop over one or more axes. Each step reads a window of each input, and writes an element of each result; loop axes
/// that a result has not are reduced, step after step, the last axis fastest.
///
/// ```
/// use bigarrays::compute::{ComputeOptions, Lazy, Number, Operation, Windows};
/// use bigarrays::{DataType, Domain};
///
/// // Sums of five numbers, and then of two of these.
/// let numbers: Vec<u8> = (1..=20).collect();
/// let numbers = Lazy::of_elements(&Domain::from_shape(&[20])?, DataType::U8, &numbers)?;
/// let sums = |of: &Lazy, width: u64, steps: i64| {
///     let moving = Windows::Moving { first: 0, step: width as i64, width, clamp: false };
///     Operation::over(&[0..steps])
///         .input(of, &[(0, moving)])
///         .output(DataType::I64, &[(0, Windows::Each)])
///         .element("sum", |windows, out| {
///             out[0] = Number::Whole(windows[0].numbers().map(|number| number.as_f64() as i128).sum());
///             Ok(())
///         })
/// };
/// let fives = sums(&numbers, 5, 4)?.remove(0);
/// let found = sums(&fives, 2, 2)?.remove(0).compute::<i64>(&ComputeOptions::default())?;
/// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [55, 155]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Operation {
    loops: Vec<Range<i64>>,
    inputs: Vec<(Lazy, Vec<Bound>)>,
    outputs: Vec<Output>,
    is_kept: bool,
}

/// A result of an operation.
#[derive(Clone, Debug)]
struct Output {
    dtype: DataType,
    axes: Vec<Bound>,
    init: Number,
}

impl Operation {
    /// A loop over the steps that these coordinates number, along each axis.
    pub fn over(loops: &[Range<i64>]) -> Self {
        Self { loops: loops.to_vec(), inputs: Vec::new(), outputs: Vec::new(), is_kept: false }
    }

    /// Has the loop read `lazy`, of which each axis belongs to an axis of the loop.
    #[must_use]
    pub fn input(mut self, lazy: &Lazy, axes: &[(usize, Windows)]) -> Self {
        self.inputs.push((lazy.clone(), axes.to_vec()));
        self
    }

    /// Has the loop make a result, whose elements begin as zero. Its axes are [`Windows::Each`] or [`Windows::Repeated`];
    /// axes of the loop that it has not are reduced.
    #[must_use]
    pub fn output(self, dtype: DataType, axes: &[(usize, Windows)]) -> Self {
        self.output_from(dtype, Number::Whole(0), axes)
    }

    /// As [`Operation::output`], with elements that begin as `init`.
    #[must_use]
    pub fn output_from(mut self, dtype: DataType, init: Number, axes: &[(usize, Windows)]) -> Self {
        self.outputs.push(Output { dtype, axes: axes.to_vec(), init });
        self
    }

    /// The results of a function that is called once a step. It changes an element of each result, which is as earlier steps
    /// that write the same one left it.
    ///
    /// # Errors
    /// `InvalidArgument` if windows do not fit to their axes; `Unsupported` for windows of results that cannot be written.
    pub fn element(
        self,
        name: &'static str,
        step: impl Fn(&[Window<'_>], &mut [Number]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Vec<Lazy>> {
        self.built(name, Work::Element(Arc::new(step)))
    }

    /// The results of a function that is called once a block: with the box of the loop, and with what the windows of all its
    /// steps have of each input. It gives the elements of a block of each result.
    ///
    /// # Errors
    /// As [`Operation::element`]; `Unsupported` if a result is reduced.
    pub fn block(
        self,
        name: &'static str,
        work: impl Fn(&Domain, &[Window<'_>]) -> Result<Vec<Elements>> + Send + Sync + 'static,
    ) -> Result<Vec<Lazy>> {
        let is_whole = |output: &Output| output.axes.iter().filter(|axis| axis.1 == Windows::Each).count();
        if self.outputs.iter().any(|output| is_whole(output) < self.loops.len()) {
            let reason =
                "a function of blocks whose result is reduced; make it one of elements, or reduce its result";
            return Err(Error::unsupported(reason).during(name));
        }
        self.built(name, Work::Block(Arc::new(work)))
    }

    /// Has all of the results be made in a pass of their own before what takes them.
    #[must_use]
    pub(crate) fn kept(mut self) -> Self {
        self.is_kept = true;
        self
    }

    /// The result of a function of blocks that is part of this library.
    ///
    /// # Errors
    /// As [`Operation::element`].
    pub(crate) fn kernel(self, name: &'static str, kernel: Arc<dyn Kernel>) -> Result<Lazy> {
        let mut made = self.built(name, Work::Kernel(kernel))?;
        Ok(made.swap_remove(0))
    }

    fn built(self, name: &'static str, work: Work) -> Result<Vec<Lazy>> {
        let during = |error: Error| error.during(name);
        let loops = Domain::from_ranges(&self.loops).map_err(during)?;
        for (lazy, axes) in &self.inputs {
            expect_bound(lazy, axes, &loops).map_err(during)?;
            lazy.expect_shallow().map_err(during)?;
        }
        let outputs = self.outputs.iter().map(|output| output.reduced(&loops)).collect::<Result<Vec<_>>>();
        let (inputs, axes): (Dims<Lazy>, Vec<Vec<Bound>>) = self.inputs.into_iter().unzip();
        let (dtypes, is_kept) = (inputs.iter().map(Lazy::dtype).collect(), self.is_kept);
        let of = Arc::new(Windowed {
            name,
            loops,
            inputs: axes,
            dtypes,
            outputs: outputs.map_err(during)?,
            work,
            is_kept,
        });
        let one = |(number, output): (usize, &Reduced)| {
            let names = output.axes.iter().map(|axis| name_of(&of, *axis, &inputs)).collect();
            let kind = Kind::Operation(Arc::clone(&of), number, inputs.clone());
            Lazy::new(kind, output.dtype, output.domain.clone(), names)
        };
        Ok(of.outputs.iter().enumerate().map(one).collect())
    }
}

/// An error unless each axis of an input has windows that fit.
fn expect_bound(lazy: &Lazy, axes: &[Bound], loops: &Domain) -> Result<()> {
    let (domain, dtype) = (lazy.domain(), lazy.dtype());
    if axes.len() != domain.ndim() {
        return Err(Error::invalid(format!("windows of {} axes for an operand over {domain}", axes.len())));
    }
    for (range, (axis, windows)) in domain.ranges().zip(axes) {
        let Some(&steps) = loops.shape().get(*axis) else {
            return Err(Error::invalid(format!("axis {axis} of a loop of {} axes", loops.ndim())));
        };
        if *windows == Windows::Repeated {
            return Err(Error::invalid("windows of an operand that repeat; results have such"));
        }
        windows.check(steps, &range)?;
        if let Some(Boundary::Constant(number)) = windows.boundary() {
            number.write(dtype, &mut [0; 8][..dtype.size()])?;
        }
    }
    Ok(())
}

impl Output {
    fn reduced(&self, loops: &Domain) -> Result<Reduced> {
        if !self.dtype.is_number() {
            return Err(Error::unsupported(format!("a result of {} elements", self.dtype)));
        }
        let (mut ranges, mut axes): (Dims<Range<i64>>, Dims<Option<usize>>) = (Dims::new(), Dims::new());
        for (axis, windows) in &self.axes {
            if *axis >= loops.ndim() || axes.contains(&Some(*axis)) {
                let reason =
                    format!("axis {axis}, in a loop of {} axes, each of which stands once", loops.ndim());
                return Err(Error::invalid(reason));
            }
            let range = loops.range(*axis);
            match windows {
                Windows::Each => {
                    ranges.push(range);
                    axes.push(Some(*axis));
                }
                Windows::Repeated => {
                    ranges.push(range.start..range.start.saturating_add(1));
                    axes.push(None);
                }
                other => {
                    return Err(Error::unsupported(format!(
                        "results cannot be written in windows {other:?}: several steps would each write a part of \
                         overlapping ones; let each step write one element"
                    )));
                }
            }
        }
        let domain = Domain::from_ranges(&ranges)?;
        Ok(Reduced { dtype: self.dtype, axes, domain, init: self.init })
    }
}

/// What the axis of a result is called: as that of an input along which the loop goes in the same steps.
fn name_of(of: &Windowed, axis: Option<usize>, inputs: &[Lazy]) -> Option<String> {
    let named = |(bound, lazy): (&Vec<Bound>, &Lazy)| {
        let at = bound.iter().position(|(own, windows)| Some(*own) == axis && *windows != Windows::Whole)?;
        lazy.names()[at].clone()
    };
    of.inputs.iter().zip(inputs).find_map(named)
}
