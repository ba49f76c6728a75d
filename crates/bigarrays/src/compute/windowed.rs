//! The general operation without its inputs, and how a block of its results is made.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::array::Cutout;

use crate::base::buffer::{Order, View, ViewMut, byte_len};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::boundary::{Beyond, ReadBox};
use crate::compute::cuts::Cuts;
use crate::compute::dense::{Given, Kernel};
use crate::compute::groups::Grouped;
use crate::compute::memory::{Memory, lengths};
use crate::compute::number::Number;
use crate::compute::result_axis::Written;
use crate::compute::window::{Elements, Window};
use crate::compute::windows::Windows;
use crate::for_dtype;

/// An axis of an input or a result: the axis of the loop that it belongs to, and its windows.
pub(crate) type Bound = (usize, Windows);

/// What a step does: it is given a window of each input, and changes an element or a window of each result.
pub(super) type ElementFn = dyn Fn(&[Window<'_>], &mut [Number]) -> Result<()> + Send + Sync;

/// What a block does: it is given the box of the loop and of each input what its windows have, and gives a block of each
/// result.
pub(super) type BlockFn = dyn Fn(&Domain, &[Window<'_>]) -> Result<Vec<Elements>> + Send + Sync;

/// Says what tells a function of blocks from all others, in every process.
pub(super) type ConfigFn = dyn Fn() -> Result<Config> + Send + Sync;

/// What an operation does at each step.
#[derive(Clone)]
pub(crate) enum Work {
    Element(Arc<ElementFn>),
    /// The second is there if the function can be known again.
    Block(Arc<BlockFn>, Option<Arc<ConfigFn>>),
    /// A function of blocks that is part of this library, with one result, whose axes are those of the loop.
    Kernel(Arc<dyn Kernel>),
}

/// An operation without its inputs.
pub(crate) struct Windowed {
    pub(crate) name: Cow<'static, str>,
    /// What groups results are of, if they are; the last input has their numbers.
    pub(crate) grouped: Option<Grouped>,
    pub(crate) loops: Domain,
    /// The axes of each input.
    pub(crate) inputs: Vec<Vec<Bound>>,
    /// The types of the inputs.
    pub(crate) dtypes: Dims<DataType>,
    pub(crate) outputs: Vec<Reduced>,
    pub(crate) work: Work,
    /// Whether all of the result is made before what takes it, and not again for each block of that.
    pub(crate) is_kept: bool,
    /// The chunks of the file that it is kept in.
    pub(crate) kept_chunk: Option<Dims<u64>>,
}

/// A result of an operation: which axis of the loop each of its axes is, if it is one, and what its elements begin with.
pub(crate) struct Reduced {
    pub(crate) dtype: DataType,
    pub(crate) axes: Dims<Option<usize>>,
    /// How steps write along each of its axes.
    pub(crate) written: Dims<Written>,
    pub(crate) domain: Domain,
    pub(crate) init: Number,
}

impl Reduced {
    /// Whether a step writes one element of it.
    fn is_plain(&self) -> bool {
        self.written.iter().all(|written| *written == Written::Element)
    }

    /// Whether steps write the same elements of it as of another result.
    pub(super) fn is_written_as(&self, other: &Self) -> bool {
        (&self.axes, &self.written, &self.domain) == (&other.axes, &other.written, &other.domain)
    }
}

impl fmt::Debug for Windowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windowed")
            .field("name", &self.name)
            .field("loops", &self.loops)
            .finish_non_exhaustive()
    }
}

/// Writes the elements of a box of an input, within its domain, to memory of its shape.
pub(super) type ReadInput<'a> = dyn Fn(usize, &Domain, ViewMut<'_>) -> Result<()> + 'a;

/// Bytes of inputs that are read at once where steps reduce.
const AT_ONCE: u64 = 4 << 20;

impl Windowed {
    /// The axes of the loop that the result has not.
    pub(crate) fn reduced(&self, output: usize) -> Dims<usize> {
        (0..self.loops.ndim()).filter(|axis| !self.outputs[output].axes.contains(&Some(*axis))).collect()
    }

    /// Writes the elements of `part` of some results, which have the same axes, each to its memory. `domains` are those of the
    /// inputs.
    pub(super) fn run(
        &self,
        outs: Vec<(usize, ViewMut<'_>)>,
        part: &Domain,
        domains: &[&Domain],
        read: &ReadInput<'_>,
    ) -> Result<()> {
        let Some(&(output, _)) = outs.first() else { return Ok(()) };
        let loops = self.loops_of(output, part)?;
        match &self.work {
            Work::Kernel(kernel) => {
                let put =
                    |(_, out): (usize, ViewMut<'_>)| self.run_kernel(&**kernel, out, &loops, domains, read);
                outs.into_iter().try_for_each(put)
            }
            Work::Block(work, _) => {
                let read = self.read(&loops, domains, read)?;
                let window = |(whole, elements)| Window { elements, whole, domain: Domain::clone(whole) };
                let windows: Vec<Window<'_>> =
                    read.iter().map(|(whole, elements)| window((whole, elements))).collect();
                let made = work(&loops, &windows).map_err(|error| error.during(self.name.clone()))?;
                outs.into_iter().try_for_each(|(output, out)| {
                    self.put_block(output, part, &self.written(output, &loops, part)?, &made, out)
                })
            }
            Work::Element(step) if !self.outputs.iter().all(Reduced::is_plain) => {
                self.run_windows(&**step, outs, (part, &loops), domains, read)
            }
            Work::Element(step) => {
                let results = &self.outputs[output];
                let count = part.checked_len()? as usize;
                let mut numbers: Vec<_> = (0..count).map(|_| self.beginnings()).collect();
                for piece in self.pieces(&loops, &self.reduced(output), domains)? {
                    let read = self.read(&piece, domains, read)?;
                    let mut at: Dims<i64> = piece.origin().into();
                    for _ in 0..piece.checked_len()? {
                        let windows = self.windows(&at, &read, domains)?;
                        let place = place_of(&results.axes, &at, part);
                        step(&windows, &mut numbers[place])
                            .map_err(|error| error.during(self.name.clone()))?;
                        advance(&mut at, &piece);
                    }
                }
                let put = |(output, out): (usize, _)| {
                    put_numbers(output, self.outputs[output].dtype, &numbers, out)
                };
                outs.into_iter().try_for_each(put)
            }
        }
    }

    /// Gives `ask` the boxes of inputs that [`Windowed::run`] reads for `part` of a result.
    pub(super) fn look_up(
        &self,
        output: usize,
        part: &Domain,
        domains: &[&Domain],
        ask: &dyn Fn(usize, &Domain) -> Result<()>,
    ) -> Result<()> {
        let loops = self.loops_of(output, part)?;
        let pieces = match &self.work {
            Work::Element(_) => self.pieces(&loops, &self.reduced(output), domains)?,
            Work::Block(..) | Work::Kernel(_) => vec![loops],
        };
        for piece in &pieces {
            for (input, whole) in domains.iter().enumerate() {
                let needed = self.needed(input, piece, whole)?;
                self.beyond(input, whole, &|_, _| Ok(())).look_up(&needed, &|part| ask(input, part))?;
            }
        }
        Ok(())
    }

    /// An input with what is beyond its ends.
    fn beyond<'a>(&'a self, input: usize, domain: &'a Domain, read: &'a ReadBox<'a>) -> Beyond<'a> {
        let boundaries = self.inputs[input].iter().map(|(_, windows)| windows.boundary()).collect();
        Beyond { domain, dtype: self.dtypes[input], boundaries, read }
    }

    /// Has a kernel write a block of its result.
    fn run_kernel(
        &self,
        kernel: &dyn Kernel,
        mut out: ViewMut<'_>,
        loops: &Domain,
        domains: &[&Domain],
        read: &ReadInput<'_>,
    ) -> Result<()> {
        let during = |error: Error| error.during(self.name.clone());
        let elements = self.given(loops, domains, read)?;
        let given = given(&elements, domains);
        if let Some(bytes) = out.as_dense_mut(Order::C) {
            return kernel.run(loops, &given, bytes).map_err(during);
        }
        let (shape, item): (Dims<usize>, usize) = (out.shape().into(), out.item());
        let mut made = Memory::new(byte_len(&shape, item)?)?;
        kernel.run(loops, &given, made.bytes_mut()).map_err(during)?;
        out.copy_from(&View::dense(made.bytes(), &shape, item, Order::C)?);
        Ok(())
    }

    /// The elements of each input that steps need.
    pub(super) fn given(
        &self,
        loops: &Domain,
        domains: &[&Domain],
        read: &ReadInput<'_>,
    ) -> Result<Vec<(Domain, Memory)>> {
        let mut elements = Vec::new();
        for (input, whole) in domains.iter().enumerate() {
            let needed = self.needed(input, loops, whole)?;
            let mut memory = Memory::new(byte_len(&lengths(&needed)?, self.dtypes[input].size())?)?;
            self.fill(input, &needed, whole, read, memory.bytes_mut())?;
            elements.push((needed, memory));
        }
        Ok(elements)
    }

    /// Writes the elements of a box of an input, which may reach beyond its ends, to dense memory.
    fn fill(
        &self,
        input: usize,
        needed: &Domain,
        whole: &Domain,
        read: &ReadInput<'_>,
        bytes: &mut [u8],
    ) -> Result<()> {
        let read = |part: &Domain, out: ViewMut<'_>| read(input, part, out);
        let dtype = self.dtypes[input];
        if needed.is_empty() || whole.contains(needed) {
            let out = ViewMut::dense(bytes, &lengths(needed)?, dtype.size(), Order::C)?;
            return if needed.is_empty() { Ok(()) } else { read(needed, out) };
        }
        self.beyond(input, whole, &read).read(needed, bytes)
    }

    /// The same as an array.
    fn elements(
        &self,
        input: usize,
        needed: &Domain,
        whole: &Domain,
        read: &ReadInput<'_>,
    ) -> Result<Elements> {
        let dtype = self.dtypes[input];
        for_dtype!(dtype, T => {
            let cutout = Cutout::<T>::filled_by(needed, Order::C, |mut out| match out.as_dense_mut(Order::C) {
                Some(bytes) => self.fill(input, needed, whole, read, bytes),
                None => Ok(()),
            })?;
            Ok(Elements::from(cutout.into_data()))
        }, _other => Err(Error::unsupported(format!("{dtype} elements"))))
    }

    /// What tells a result from those of other operations, but for the inputs; `None` if nobody knows that of its function.
    ///
    /// # Errors
    /// Those of a function of a user that says what it is.
    pub(crate) fn config(&self, output: usize) -> Result<Option<Config>> {
        let kernel = match &self.work {
            Work::Kernel(kernel) => kernel,
            Work::Block(_, Some(config)) => return Ok(Some(config()?.with("number", output))),
            _ => return Ok(None),
        };
        let axis = |(axis, windows): &Bound| windows.config().with("axis", *axis);
        let input = |axes: &Vec<Bound>| axes.iter().map(axis).collect::<Parameter>();
        // A kernel has one result, which has an element for each step.
        Ok(Some(
            Config::new("operation")
                .with("called", self.name.clone())
                .with("kernel", kernel.config())
                .with("loops", self.loops.to_string())
                .with("windows", self.inputs.iter().map(input).collect::<Parameter>())
                .with("grouped", self.grouped.as_ref().map(|by| by.config("groups")))
                .with("kept", self.is_kept),
        ))
    }

    fn beginnings(&self) -> Vec<Number> {
        self.outputs.iter().map(|output| output.init).collect()
    }

    /// The steps that write `part` of a result.
    fn loops_of(&self, output: usize, part: &Domain) -> Result<Domain> {
        let mut ranges: Dims<Range<i64>> = self.loops.ranges().collect();
        let results = &self.outputs[output];
        for (at, (axis, written)) in results.axes.iter().zip(&results.written).enumerate() {
            if let Some(axis) = axis.or(written.loop_axis()) {
                ranges[axis] = written.steps(&part.range(at), &ranges[axis]);
            }
        }
        Domain::from_ranges(&ranges)
    }

    /// The box of an input that steps need.
    fn needed(&self, input: usize, loops: &Domain, domain: &Domain) -> Result<Domain> {
        let one = |(at, (axis, windows)): (usize, &Bound)| {
            let first = self.loops.origin()[*axis];
            let steps = loops.range(*axis);
            windows.hull(&(steps.start.abs_diff(first)..steps.end.abs_diff(first)), &domain.range(at))
        };
        Domain::from_ranges(&self.inputs[input].iter().enumerate().map(one).collect::<Dims<_>>())
    }

    pub(super) fn read(
        &self,
        loops: &Domain,
        domains: &[&Domain],
        read: &ReadInput<'_>,
    ) -> Result<Vec<(Domain, Elements)>> {
        let one = |(input, domain): (usize, &&Domain)| {
            let needed = self.needed(input, loops, domain)?;
            let elements = self.elements(input, &needed, domain, read)?;
            Ok((needed, elements))
        };
        domains.iter().enumerate().map(one).collect()
    }

    /// The windows of a step.
    pub(super) fn windows<'a>(
        &self,
        at: &[i64],
        read: &'a [(Domain, Elements)],
        domains: &[&Domain],
    ) -> Result<Vec<Window<'a>>> {
        let one = |(input, (whole, elements)): (usize, &'a (Domain, Elements))| {
            let window = |(own, (axis, windows)): (usize, &Bound)| {
                let k = at[*axis].abs_diff(self.loops.origin()[*axis]);
                windows.get(k, &domains[input].range(own))
            };
            let ranges: Dims<Range<i64>> = self.inputs[input].iter().enumerate().map(window).collect();
            Ok(Window { elements, whole, domain: Domain::from_ranges(&ranges)? })
        };
        read.iter().enumerate().map(one).collect()
    }

    /// The steps in pieces along the first axis that is reduced, so that not too much is read at once. Steps are done in the
    /// same order whatever the pieces are.
    pub(super) fn pieces(
        &self,
        loops: &Domain,
        reduced: &[usize],
        domains: &[&Domain],
    ) -> Result<Vec<Domain>> {
        let Some(&first) = reduced.first() else { return Ok(vec![loops.clone()]) };
        let range = loops.range(first);
        let cuts = Cuts::over(range.clone(), (range.start, self.at_once(loops.shape(), first, domains)));
        let piece = |k: u64| {
            let mut ranges: Dims<Range<i64>> = loops.ranges().collect();
            ranges[first] = cuts.get(k);
            Domain::from_ranges(&ranges)
        };
        (0..cuts.len()).map(piece).collect()
    }

    /// How many steps along a loop axis, of so many along each, need inputs that may be read at once.
    pub(super) fn at_once(&self, steps: &[u64], axis: usize, domains: &[&Domain]) -> u64 {
        let mut steps: Dims<u64> = steps.into();
        steps[axis] = steps[axis].max(1);
        let bytes = |steps: &[u64]| {
            let one = |(input, domain): (usize, &&Domain)| {
                self.reach(input, steps, domain)
                    .iter()
                    .fold(8, |all: u64, &length| all.saturating_mul(length))
            };
            domains.iter().enumerate().map(one).fold(0, u64::saturating_add)
        };
        while steps[axis] > 1 && bytes(&steps) > AT_ONCE {
            steps[axis] = steps[axis].div_ceil(2);
        }
        steps[axis]
    }

    /// Writes `part` of the elements of a result that a function has made of a box.
    fn put_block(
        &self,
        output: usize,
        part: &Domain,
        whole: &Domain,
        made: &[Elements],
        mut out: ViewMut<'_>,
    ) -> Result<()> {
        let results = &self.outputs[output];
        let wrong = |reason: String| Error::invalid(reason).during(self.name.clone());
        let Some(elements) = made.get(output) else {
            return Err(wrong(format!("{} results instead of {}", made.len(), self.outputs.len())));
        };
        if elements.dtype != results.dtype || !is_of(&elements.shape, whole) {
            return Err(wrong(format!(
                "a block of {} of shape {:?} where one of {} over {whole} is due",
                elements.dtype, elements.shape, results.dtype
            )));
        }
        let none = || Err(Error::unsupported(format!("{} elements", results.dtype)));
        for_dtype!(results.dtype, T => {
            out.copy_from(&View::of_array(&Window { elements, whole, domain: part.clone() }.array::<T>()?));
            Ok(())
        }, _other => none())
    }
}

/// What a kernel is given of inputs over these domains.
pub(super) fn given<'a>(elements: &'a [(Domain, Memory)], domains: &[&'a Domain]) -> Vec<Given<'a>> {
    let one = |((domain, memory), whole): (&'a (Domain, Memory), &&'a Domain)| Given {
        whole,
        domain,
        bytes: memory.bytes(),
    };
    elements.iter().zip(domains).map(one).collect()
}

/// Whether elements of a shape are those of a box.
fn is_of(shape: &[usize], whole: &Domain) -> bool {
    shape.iter().map(|&length| length as u64).eq(whole.shape().iter().copied())
}

/// The number, in C order, of the element of a result that a step writes.
fn place_of(axes: &[Option<usize>], at: &[i64], part: &Domain) -> usize {
    let along = |(own, axis): (usize, &Option<usize>)| {
        axis.map_or(0, |axis| at[axis].abs_diff(part.origin()[own]) as usize)
    };
    let places = axes.iter().enumerate().map(along).zip(part.shape());
    places.fold(0, |place, (along, &length)| place * length as usize + along)
}

/// Moves on to the next step of a box, the last axis fastest.
pub(super) fn advance(at: &mut [i64], steps: &Domain) {
    for axis in (0..at.len()).rev() {
        at[axis] += 1;
        if at[axis] < steps.end(axis) {
            return;
        }
        at[axis] = steps.origin()[axis];
    }
}

fn put_numbers(output: usize, dtype: DataType, numbers: &[Vec<Number>], mut out: ViewMut<'_>) -> Result<()> {
    let size = dtype.size();
    let mut bytes = vec![0u8; numbers.len() * size];
    for (element, numbers) in bytes.chunks_exact_mut(size).zip(numbers) {
        numbers[output].write(dtype, element)?;
    }
    let shape: Dims<usize> = out.shape().into();
    out.copy_from(&View::dense(&bytes, &shape, size, Order::C)?);
    Ok(())
}
