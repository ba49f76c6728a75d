//! The general operation: a loop whose every step reads windows of its inputs and writes windows of its results.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::boundary::Boundary;
use crate::compute::dense::Kernel;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::groups::Grouped;
use crate::compute::number::Number;
use crate::compute::reduction::Reduction;
use crate::compute::result_axis::{Place, Written};
use crate::compute::window::{Elements, Window};
use crate::compute::windowed::{BlockFn, Bound, ConfigFn, Reduced, Windowed, Work};
use crate::compute::windows::Windows;

/// The most pieces of a reduction that are joined, and the fewest steps of one.
const PIECES: u64 = 64;
const LEAST: u64 = 4096;

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
    combine: Option<Combine>,
    is_kept: bool,
    kept_chunk: Option<Dims<u64>>,
    grouped: Option<Grouped>,
}

/// Has what later steps made be part of what earlier ones did.
type CombineFn = dyn Fn(&mut [Number], &[Number]) -> Result<()> + Send + Sync;

#[derive(Clone)]
struct Combine(Arc<CombineFn>);

impl fmt::Debug for Combine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Combine")
    }
}

/// A result of an operation.
#[derive(Clone, Debug)]
struct Output {
    dtype: DataType,
    axes: Vec<Bound>,
    init: Number,
    /// Before these axes one of pieces of an axis of the loop, each of so many steps.
    shared: Option<(usize, u64)>,
}

impl Operation {
    /// A loop over the steps that these coordinates number, along each axis.
    pub fn over(loops: &[Range<i64>]) -> Self {
        Self {
            loops: loops.to_vec(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            combine: None,
            is_kept: false,
            kept_chunk: None,
            grouped: None,
        }
    }

    /// Has the loop read `lazy`, of which each axis belongs to an axis of the loop.
    #[must_use]
    pub fn input(mut self, lazy: &Lazy, axes: &[(usize, Windows)]) -> Self {
        self.inputs.push((lazy.clone(), axes.to_vec()));
        self
    }

    /// Says that results are of groups, whose numbers the last input has.
    #[must_use]
    pub(super) fn grouped(mut self, by: Grouped) -> Self {
        self.grouped = Some(by);
        self
    }

    /// Has the loop make a result, whose elements begin as zero. Axes of the loop that it has not are reduced. Its own axes are
    /// written in windows of
    /// - [`Windows::Each`]: an element a step;
    /// - [`Windows::Repeated`]: one element, by all steps;
    /// - [`Windows::Moving`], without `clamp`: so many elements a step, which may overlap or have gaps between them; the axis
    ///   begins and ends with the windows. All steps write the same window if it does not move, such as a histogram;
    /// - [`Windows::Ranges`]: a range of elements a step.
    #[must_use]
    pub fn output(self, dtype: DataType, axes: &[(usize, Windows)]) -> Self {
        self.output_from(dtype, Number::Whole(0), axes)
    }

    /// As [`Operation::output`], with elements that begin as `init`.
    #[must_use]
    pub fn output_from(mut self, dtype: DataType, init: Number, axes: &[(usize, Windows)]) -> Self {
        self.outputs.push(Output { dtype, axes: axes.to_vec(), init, shared: None });
        self
    }

    /// Has a reduction along the loop be done in pieces, apart from each other, which this function joins: it is given the elements
    /// of all results as earlier pieces left them and changes them by those that a later piece made, which began anew. Where the
    /// pieces end follows from the loop alone, so that results are the same bits for every budget and number of threads.
    /// All results have to have the same axes.
    #[must_use]
    pub fn combine(
        mut self,
        join: impl Fn(&mut [Number], &[Number]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.combine = Some(Combine(Arc::new(join)));
        self
    }

    /// The results of a function that is called once a step. It changes an element of each result, which is as earlier steps
    /// that write the same one left it; where results are written in windows, all elements of the window of the first result,
    /// in C order, then those of the second, and so on.
    ///
    /// # Errors
    /// `InvalidArgument` if windows do not fit to their axes.
    pub fn element(
        self,
        name: &'static str,
        step: impl Fn(&[Window<'_>], &mut [Number]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Vec<Lazy>> {
        let work = Work::Element(Arc::new(step));
        match self.combine.clone().zip(self.piece()) {
            Some((combine, piece)) => self.in_pieces(name, work, &combine, piece),
            None => self.built(name, work),
        }
    }

    /// The axis of the loop along which results are reduced, and how many steps along it are a piece; `None` if there is but one.
    fn piece(&self) -> Option<(usize, u64)> {
        let lengths: Vec<u64> = self
            .loops
            .iter()
            .map(|steps| u64::try_from(steps.end.saturating_sub(steps.start)).unwrap_or(0))
            .collect();
        let moves = |axis: usize| {
            let bounds = self.outputs.iter().flat_map(|output| &output.axes);
            bounds.into_iter().any(|(own, windows)| {
                let stays = matches!(windows, Windows::Repeated | Windows::Moving { step: 0, .. });
                *own == axis && !stays
            })
        };
        let reduced: Vec<usize> = (0..lengths.len()).filter(|&axis| !moves(axis)).collect();
        let (&first, others) = reduced.split_first()?;
        let plane = others.iter().fold(1u64, |all, &axis| all.saturating_mul(lengths[axis])).max(1);
        let steps = lengths[first].div_ceil(PIECES).max(LEAST.div_ceil(plane));
        (steps < lengths[first]).then_some((first, steps))
    }

    /// Results whose pieces are made in one pass and joined in the next.
    fn in_pieces(
        self,
        name: &'static str,
        work: Work,
        Combine(combine): &Combine,
        (axis, steps): (usize, u64),
    ) -> Result<Vec<Lazy>> {
        let outputs = self.outputs.clone();
        if outputs.iter().any(|output| output.axes != outputs[0].axes) {
            let reason = "results of pieces are joined element by element, and have different axes";
            return Err(Error::invalid(reason).during(name));
        }
        // Along an axis of one step, which is reduced so that there is a pass.
        let (mut pieces, single) = (self, 0..1);
        pieces.combine = None;
        pieces.loops.push(single);
        let last = pieces.loops.len() - 1;
        for output in &mut pieces.outputs {
            output.shared = Some((axis, steps));
            output.axes.push((last, Windows::Each));
        }
        let made = pieces.built(name, work)?;
        let one = |lazy: &Lazy| lazy.reduce(Reduction::Max, &[lazy.ndim() - 1], false);
        let made = made.iter().map(one).collect::<Result<Vec<Lazy>>>()?;
        let Some(first) = made.first() else { return Ok(made) };
        let mut joined = Self::over(&first.domain().ranges().collect::<Vec<_>>());
        let all: Vec<Bound> = (0..first.ndim()).map(|axis| (axis, Windows::Each)).collect();
        for (lazy, output) in made.iter().zip(&outputs) {
            joined = joined.input(lazy, &all).output_from(output.dtype, output.init, &all[1..]);
        }
        let combine = Arc::clone(combine);
        let join = move |windows: &[Window<'_>], out: &mut [Number]| {
            let piece: Vec<Number> = windows.iter().filter_map(|window| window.numbers().next()).collect();
            combine(out, &piece)
        };
        joined.built(name, Work::Element(Arc::new(join)))
    }

    /// The results of a function that is called once a block: with the box of the loop, and with what the windows of all its
    /// steps have of each input. It gives the elements of the box of each result that these steps write.
    ///
    /// # Errors
    /// As [`Operation::element`]; `Unsupported` if a result is reduced, or steps write no windows one behind the other.
    pub fn block(
        self,
        name: &'static str,
        work: impl Fn(&Domain, &[Window<'_>]) -> Result<Vec<Elements>> + Send + Sync + 'static,
    ) -> Result<Vec<Lazy>> {
        self.known_block(name, Arc::new(work), None)
    }

    /// The same of a function that may be known again.
    pub(super) fn known_block(
        self,
        name: &'static str,
        work: Arc<BlockFn>,
        config: Option<Arc<ConfigFn>>,
    ) -> Result<Vec<Lazy>> {
        let is_each = |(_, windows): &&Bound| match windows {
            Windows::Moving { step, width, clamp: false, .. } => step.unsigned_abs() == *width && *step != 0,
            windows => *windows == Windows::Each,
        };
        let is_whole = |output: &Output| output.axes.iter().filter(is_each).count();
        if self.outputs.iter().any(|output| is_whole(output) < self.loops.len()) {
            let reason = "a function of blocks whose result is reduced, or written in windows that overlap or have gaps; make it one of elements";
            return Err(Error::unsupported(reason).during(name));
        }
        self.built(name, Work::Block(work, config))
    }

    /// Has all of the results be made in a pass of their own before what takes them.
    #[must_use]
    pub(crate) fn kept(mut self) -> Self {
        self.is_kept = true;
        self
    }

    /// The same, in a file of such chunks.
    #[must_use]
    pub(crate) fn kept_in_chunks(mut self, chunk: Dims<u64>) -> Self {
        self.is_kept = true;
        self.kept_chunk = Some(chunk);
        self
    }

    /// The result of a function of blocks that is part of this library.
    ///
    /// # Errors
    /// As [`Operation::element`].
    pub(crate) fn kernel(self, name: impl Into<Cow<'static, str>>, kernel: Arc<dyn Kernel>) -> Result<Lazy> {
        let mut made = self.built(name, Work::Kernel(kernel))?;
        Ok(made.swap_remove(0))
    }

    /// An error if windows of its inputs do not fit to their axes.
    pub(super) fn check(&self) -> Result<Domain> {
        let loops = Domain::from_ranges(&self.loops)?;
        for (lazy, axes) in &self.inputs {
            expect_bound(lazy, axes, &loops)?;
            lazy.expect_shallow()?;
        }
        Ok(loops)
    }

    fn built(self, name: impl Into<Cow<'static, str>>, work: Work) -> Result<Vec<Lazy>> {
        let name = name.into();
        let during = |error: Error| error.during(name.clone());
        let loops = self.check().map_err(during)?;
        let outputs = self.outputs.iter().map(|output| output.reduced(&loops)).collect::<Result<Vec<_>>>();
        let (inputs, axes): (Dims<Lazy>, Vec<Vec<Bound>>) = self.inputs.into_iter().unzip();
        let (is_kept, kept_chunk, grouped) = (self.is_kept, self.kept_chunk, self.grouped);
        let dtypes = inputs.iter().map(Lazy::dtype).collect();
        let outputs = outputs.map_err(during)?;
        let of = Windowed { name, loops, inputs: axes, dtypes, outputs, work, is_kept, kept_chunk, grouped };
        let of = Arc::new(of);
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
        let mut places: Vec<Place> =
            self.shared.map(|(axis, steps)| Written::shared(axis, steps, loops)).into_iter().collect();
        for (number, bound) in self.axes.iter().enumerate() {
            if bound.0 >= loops.ndim() || self.axes[..number].iter().any(|other| other.0 == bound.0) {
                let reason = format!(
                    "axis {}, in a loop of {} axes, each of which stands once",
                    bound.0,
                    loops.ndim()
                );
                return Err(Error::invalid(reason));
            }
            places.push(Written::along(bound, loops)?);
        }
        let ranges: Dims<Range<i64>> = places.iter().map(|place| place.0.clone()).collect();
        let (axes, written) = places.into_iter().map(|(_, axis, written)| (axis, written)).unzip();
        Ok(Reduced {
            dtype: self.dtype,
            axes,
            written,
            domain: Domain::from_ranges(&ranges)?,
            init: self.init,
        })
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
