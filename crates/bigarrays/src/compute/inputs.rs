//! What a pass reads: stored elements, views of them, and elements that are computed on the way.

use std::collections::HashMap;
use std::sync::Arc;

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::{NAME as HELD, PLACEHOLDER, is_in_memory};
use crate::compute::infer::{axis_of, is_repeated};
use crate::compute::mapping::Mapping;
use crate::compute::program::Program;
use crate::compute::source::Foreign;
use crate::compute::stage::{Output, Stage, filled};
use crate::compute::text::called;
use crate::compute::windowed::{Windowed, Work};

/// Expressions over one domain, in which nothing is reduced, ready to be computed block by block.
pub(crate) struct Compiled {
    pub(crate) program: Arc<Program>,
    pub(crate) domain: Domain,
    pub(crate) inputs: Vec<Input>,
}

/// What is read for a block.
pub(crate) struct Input {
    pub(super) leaf: Leaf,
    pub(crate) domain: Domain,
    pub(crate) item: u64,
    /// Whether elements differ along each axis.
    varies: Dims<bool>,
}

/// Where elements come from.
pub(super) enum Leaf {
    Array(Array),
    Foreign(Foreign),
    View(Mapping, Box<Leaf>),
    /// Along an axis behind each other, each over its domain.
    Join(Vec<(Domain, Leaf)>),
    Computed(Box<Compiled>, DataType),
    /// A result, by number, of an operation on windows of inputs, each of a type.
    Windows(Arc<Windowed>, usize, Vec<Operand>),
    /// The result of an earlier pass, which is in memory when this one runs.
    Pending,
}

/// An input of an operation.
pub(super) struct Operand {
    pub(super) leaf: Leaf,
    pub(super) domain: Domain,
    pub(super) dtype: DataType,
}

impl Compiled {
    /// # Errors
    /// `Unsupported` for what there is no loop for.
    pub(crate) fn new(domain: &Domain, exprs: &[(Lazy, DataType)]) -> Result<Self> {
        let program = Arc::new(Program::new(exprs)?);
        let inputs = program.inputs.iter().map(Input::new).collect::<Result<_>>()?;
        Ok(Self { program, domain: domain.clone(), inputs })
    }

    /// The pass, where `results` has those of earlier ones.
    ///
    /// # Errors
    /// As [`Compiled::new`].
    pub(crate) fn of(stage: &Stage, results: &HashMap<usize, Lazy>) -> Result<Self> {
        let one = |output: &Output| {
            let expr = filled(&output.expr, results)?;
            let Some(method) = output.method() else { return Ok((expr, output.dtype)) };
            let expr = method.first.map_or_else(|| Ok(expr.clone()), |first| expr.converted(first))?;
            Ok((expr, method.cell.dtype()))
        };
        let mut all = stage.outputs.iter().map(one).collect::<Result<Vec<_>>>()?;
        if let Some(by) = &stage.by {
            all.push((filled(&by.numbers, results)?, by.groups.labels.unwrap_or(DataType::I64)));
        }
        Self::new(&stage.domain, &all)
    }

    /// The same of other arrays, which `changed` gives for those that are stored.
    pub(crate) fn through(&self, changed: &mut dyn FnMut(&Array) -> Array) -> Self {
        let one = |input: &Input| Input {
            leaf: input.leaf.through(changed),
            domain: input.domain.clone(),
            item: input.item,
            varies: input.varies.clone(),
        };
        let inputs = self.inputs.iter().map(one).collect();
        Self { program: Arc::clone(&self.program), domain: self.domain.clone(), inputs }
    }

    /// Bytes that are held for a block of these lengths because of what is beside it.
    pub(crate) fn beside(&self, block: &[u64]) -> u64 {
        let one = |input: &Input| input.leaf.beside(&input.lengths(self.domain.shape(), block));
        self.inputs.iter().map(one).fold(0, u64::saturating_add)
    }

    /// Bytes that are held for a block of these lengths, dense in C order or not: of all that is read, and of what that is made of, one
    /// input after the other, or then of so many bytes that are made of all.
    pub(crate) fn held(&self, block: &[u64], is_dense: bool, made: u64) -> u64 {
        let one = |input: &Input| input.held(self.domain.shape(), block, is_dense);
        let (read, while_reading) = all_and_most(self.inputs.iter().map(one));
        read.saturating_add(while_reading.max(made))
    }

    /// Whether all results are elements as they are read, which are put from where they are.
    pub(crate) fn passes_all(&self) -> bool {
        let whole = self.domain.shape();
        let is_read = |at: usize| {
            let input = &self.inputs[at];
            input.domain.ndim() == whole.len()
                && (0..whole.len()).all(|axis| !input.repeats(axis, whole[axis]))
        };
        self.program.passed().all(|at| at.is_some_and(is_read))
    }

    /// Whether all of these are those of stored arrays.
    pub(crate) fn passes_stored(&self) -> bool {
        let is_stored = |input: &Input| matches!(&input.leaf, Leaf::Array(array) if !is_in_memory(array));
        self.passes_all() && self.inputs.iter().all(is_stored)
    }

    /// What a request costs, as [`Store::request_cost`](crate::store::Store::request_cost) has it, of the dearest array.
    pub(crate) fn request_cost(&self) -> u64 {
        self.arrays().into_iter().map(|array| array.store().request_cost()).max().unwrap_or(0)
    }

    /// The stored arrays that are read.
    pub(super) fn arrays(&self) -> Vec<&Array> {
        let mut found = Vec::new();
        self.inputs.iter().for_each(|input| input.leaf.collect_arrays(&mut found));
        found
    }
}

impl Input {
    fn new(lazy: &Lazy) -> Result<Self> {
        let varies = match lazy.kind() {
            Kind::View(mapping, _) => (0..lazy.ndim()).map(|axis| mapping.varies(axis)).collect(),
            _ => Dims::from_elem(true, lazy.ndim()),
        };
        let (domain, item) = (lazy.domain().clone(), lazy.dtype().size() as u64);
        Ok(Self { leaf: Leaf::new(lazy)?, domain, item, varies })
    }

    /// The stored arrays that are read.
    pub(super) fn arrays(&self) -> Vec<&Array> {
        let mut found = Vec::new();
        self.leaf.collect_arrays(&mut found);
        found
    }

    /// Whether blocks all have the same elements along an axis, where what is computed has this many.
    pub(crate) fn repeats(&self, axis: usize, whole: u64) -> bool {
        !self.varies[axis] || is_repeated(self.domain.shape()[axis], whole)
    }

    /// Lengths of what is read for a block of these lengths.
    fn lengths(&self, whole: &[u64], block: &[u64]) -> Dims<u64> {
        let one = |axis: usize| {
            let at = axis_of(axis, self.domain.ndim(), whole.len());
            if self.repeats(axis, whole[at]) { 1 } else { block[at].min(self.domain.shape()[axis]) }
        };
        (0..self.domain.ndim()).map(one).collect()
    }

    /// Bytes of what is read for a block, and those that are held beside while it is.
    fn held(&self, whole: &[u64], block: &[u64], is_dense: bool) -> (u64, u64) {
        let lengths = self.lengths(whole, block);
        (bytes(&lengths, self.item), self.leaf.held(&lengths, self.item, is_dense))
    }

    /// Where the array is that it is of, or the one with the largest chunks, and what that is called; `None` if it is stored by nobody but an earlier
    /// pass.
    pub(crate) fn name(&self) -> Option<(String, String)> {
        let mut arrays = Vec::new();
        self.leaf.collect_arrays(&mut arrays);
        let array = arrays.into_iter().max_by_key(|array| array.layout().chunk_bytes())?;
        (array.format() != PLACEHOLDER).then(|| (array.canonical_location(), called(array)))
    }

    /// The stored array that it is of, and for each axis of what is computed the one of the array, if elements differ
    /// along it.
    pub(crate) fn stored(&self, whole: &Domain) -> Option<(&Array, Dims<Option<usize>>)> {
        let (array, mapping) = match &self.leaf {
            Leaf::Array(array) => (array, None),
            Leaf::View(mapping, of) => match &**of {
                Leaf::Array(array) if mapping.is_plain() => (array, Some(mapping)),
                _ => return None,
            },
            _ => return None,
        };
        let own = |axis: usize| {
            let own = (axis + self.domain.ndim()).checked_sub(whole.ndim())?;
            let shown = || mapping.map_or(Some(own), |mapping| mapping.shown_along(own));
            if self.repeats(own, whole.shape()[axis]) { None } else { shown() }
        };
        // Where strict, what is missing is an error.
        (array.format() != HELD && !array.options().strict)
            .then(|| (array, (0..whole.ndim()).map(own).collect()))
    }
}

/// The sum of the first, and the most of the second.
fn all_and_most(all: impl Iterator<Item = (u64, u64)>) -> (u64, u64) {
    all.fold((0, 0), |(sum, most), (one, beside)| (sum.saturating_add(one), most.max(beside)))
}

/// Bytes of so many elements, of whole words.
fn bytes(lengths: &[u64], item: u64) -> u64 {
    lengths.iter().fold(item, |all, &length| all.saturating_mul(length)).div_ceil(8).saturating_mul(8)
}

impl Leaf {
    fn new(lazy: &Lazy) -> Result<Self> {
        Ok(match lazy.kind() {
            Kind::Source(array) => Self::Array(Array::clone(array)),
            Kind::Foreign(source) => Self::Foreign(source.clone()),
            Kind::Pending(_) => Self::Pending,
            Kind::View(mapping, of) => Self::View(Mapping::clone(mapping), Box::new(Self::new(of)?)),
            Kind::Join(_, parts) => {
                let one = |part: &Lazy| Ok((part.domain().clone(), Self::new(part)?));
                Self::Join(parts.iter().map(one).collect::<Result<_>>()?)
            }
            Kind::Operation(of, number, inputs) => {
                let one = |lazy: &Lazy| {
                    let (leaf, domain) = (Self::new(lazy)?, lazy.domain().clone());
                    Ok(Operand { leaf, domain, dtype: lazy.dtype() })
                };
                let inputs = inputs.iter().map(one).collect::<Result<_>>()?;
                Self::Windows(Arc::clone(of), *number, inputs)
            }
            _ => {
                let compiled = Compiled::new(lazy.domain(), &[(lazy.clone(), lazy.dtype())])?;
                Self::Computed(Box::new(compiled), lazy.dtype())
            }
        })
    }

    fn through(&self, changed: &mut dyn FnMut(&Array) -> Array) -> Self {
        match self {
            Self::Array(array) if !is_in_memory(array) => Self::Array(changed(array)),
            Self::Array(array) => Self::Array(array.clone()),
            Self::Foreign(source) => Self::Foreign(source.clone()),
            Self::View(mapping, of) => Self::View(mapping.clone(), Box::new(of.through(changed))),
            Self::Join(parts) => {
                let one = |(domain, leaf): &(Domain, Self)| (domain.clone(), leaf.through(changed));
                Self::Join(parts.iter().map(one).collect())
            }
            Self::Computed(compiled, dtype) => Self::Computed(Box::new(compiled.through(changed)), *dtype),
            Self::Windows(of, number, inputs) => {
                let one = |input: &Operand| Operand {
                    leaf: input.leaf.through(changed),
                    domain: input.domain.clone(),
                    dtype: input.dtype,
                };
                Self::Windows(Arc::clone(of), *number, inputs.iter().map(one).collect())
            }
            Self::Pending => Self::Pending,
        }
    }

    /// Bytes that are held for a box of these lengths because of what is beside it.
    fn beside(&self, lengths: &[u64]) -> u64 {
        match self {
            Self::Array(_) | Self::Foreign(_) | Self::Pending => 0,
            Self::Computed(compiled, _) => compiled.beside(lengths),
            Self::View(mapping, of) => of.beside(&mapping.shown(lengths)),
            Self::Join(parts) => parts.iter().map(|part| part.1.beside(lengths)).max().unwrap_or(0),
            Self::Windows(of, number, inputs) => {
                let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
                let steps = of.steps(*number, lengths, &domains);
                let one = |(at, input): (usize, &Operand)| {
                    let (reach, item) = (of.reach(at, &steps, &input.domain), input.dtype.size() as u64);
                    let own = bytes(&of.own(at, &steps, &reach), item);
                    bytes(&reach, item).saturating_sub(own).saturating_add(input.leaf.beside(&reach))
                };
                inputs.iter().enumerate().map(one).fold(0, u64::saturating_add)
            }
        }
    }

    /// Bytes that are held while so many elements are read, to memory that is dense in C order or not, but for those themselves.
    fn held(&self, lengths: &[u64], item: u64, is_dense: bool) -> u64 {
        match self {
            Self::Array(_) | Self::Pending => 0,
            Self::Foreign(source) => bytes(lengths, item).saturating_mul(source.copies()),
            Self::View(mapping, of) => {
                let inner = mapping.shown(lengths);
                let repeats = |(axis, &length): (usize, &u64)| length > 1 && !mapping.varies(axis);
                let is_direct = mapping.is_plain() || matches!(**of, Self::Array(_));
                let is_read_once = !lengths.iter().enumerate().any(repeats);
                let own = if is_direct && is_read_once { 0 } else { bytes(&inner, item) };
                own.saturating_add(of.held(&inner, item, !mapping.is_plain()))
            }
            Self::Join(parts) => {
                let inside = |domain: &Domain| -> Dims<u64> {
                    domain.shape().iter().zip(lengths).map(|(&all, &length)| all.min(length)).collect()
                };
                parts.iter().map(|(domain, leaf)| leaf.held(&inside(domain), item, false)).max().unwrap_or(0)
            }
            Self::Computed(compiled, _) => compiled.held(lengths, true, bytes(lengths, item)),
            Self::Windows(of, number, inputs) => {
                let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
                let steps = of.steps(*number, lengths, &domains);
                let one = |(at, input): (usize, &Operand)| {
                    let lengths = of.reach(at, &steps, &input.domain);
                    let item = input.dtype.size() as u64;
                    (bytes(&lengths, item), input.leaf.held(&lengths, item, !of.reaches(at)))
                };
                let (read, while_reading) = all_and_most(inputs.iter().enumerate().map(one));
                let results = of.held(*number, lengths, item, is_dense);
                // Numbers of elements are there before anything is read, and what blocks become is made of all that is.
                let beside = match of.work {
                    Work::Element(_) => while_reading.saturating_add(results),
                    Work::Block(..) | Work::Kernel(_) => while_reading.max(results),
                };
                read.saturating_add(beside)
            }
        }
    }

    fn collect_arrays<'a>(&'a self, found: &mut Vec<&'a Array>) {
        match self {
            Self::Array(array) if array.format() != HELD => found.push(array),
            Self::Array(_) | Self::Foreign(_) | Self::Pending => {}
            Self::View(_, of) => of.collect_arrays(found),
            Self::Join(parts) => parts.iter().for_each(|part| part.1.collect_arrays(found)),
            Self::Computed(compiled, _) => found.extend(compiled.arrays()),
            Self::Windows(_, _, inputs) => inputs.iter().for_each(|input| input.leaf.collect_arrays(found)),
        }
    }
}
