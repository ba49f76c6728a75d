//! What a pass reads: stored elements, views of them, and elements that are computed on the way.

use std::collections::HashMap;
use std::sync::Arc;

use crate::array::{Array, Cutout};
use crate::base::buffer::{Order, View, ViewMut, byte_len, make_boolean};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::block::{Block, Read, lengths};
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::NAME as HELD;
use crate::compute::infer::{axis_of, is_repeated};
use crate::compute::mapping::{Mapping, Pick};
use crate::compute::memory::Memory;
use crate::compute::program::Program;
use crate::compute::source::Foreign;
use crate::compute::stage::{Output, Stage, filled};
use crate::compute::viewed::{self, Shown};
use crate::compute::windowed::{Elements, Windowed};
use crate::for_dtype;

/// Expressions over one domain, in which nothing is reduced, ready to be computed block by block.
pub(crate) struct Compiled {
    pub(crate) program: Arc<Program>,
    pub(crate) domain: Domain,
    pub(crate) inputs: Vec<Input>,
}

/// What is read for a block.
pub(crate) struct Input {
    leaf: Leaf,
    pub(crate) domain: Domain,
    pub(crate) item: u64,
    /// Whether elements differ along each axis.
    varies: Dims<bool>,
}

/// Where elements come from.
enum Leaf {
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
struct Operand {
    leaf: Leaf,
    domain: Domain,
    dtype: DataType,
}

impl Operand {
    /// The elements of a box.
    fn read(&self, part: &Domain) -> Result<Elements> {
        let none = || Err(Error::unsupported(format!("{} elements", self.dtype)));
        for_dtype!(self.dtype, T => {
            let cutout = Cutout::<T>::filled_by(part, Order::C, |out| self.leaf.read(part, out))?;
            Ok(Elements::from(cutout.into_data()))
        }, _other => none())
    }
}

/// The first coordinate and length of chunks along each axis, and the bytes of one.
pub(crate) type Grid = (Dims<(i64, u64)>, u64);

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
        Self::new(&stage.domain, &stage.outputs.iter().map(one).collect::<Result<Vec<_>>>()?)
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

    /// Reads what the elements of `part` are of.
    pub(crate) fn read(&self, part: &Domain, order: Order) -> Result<Block> {
        let mut reads: Vec<Option<Read>> = (0..self.inputs.len()).map(|_| None).collect();
        for first in 0..self.inputs.len() {
            if reads[first].is_some() {
                continue;
            }
            let together = self.together(first);
            let made = self.inputs[first].read(&self.domain, part, order, &together)?;
            for (number, read) in std::iter::once(first).chain(together.iter().map(|one| one.0)).zip(made) {
                reads[number] = Some(read);
            }
        }
        Ok(Block::new(lengths(part)?, order, reads.into_iter().flatten().collect()))
    }

    /// For each result, an element of it where nothing is stored.
    ///
    /// # Errors
    /// `Unsupported` if not all that is read is stored; those of computing it.
    pub(crate) fn of_fills(&self) -> Result<Vec<Vec<u8>>> {
        let mut reads = Vec::new();
        for input in &self.inputs {
            let Some((array, _)) = input.stored(&self.domain) else {
                return Err(Error::unsupported("what is not stored has no fill value"));
            };
            let mut elements = Memory::new(input.item as usize)?;
            elements.bytes_mut().copy_from_slice(array.layout().fill.as_bytes());
            if array.dtype() == DataType::Bool {
                make_boolean(elements.bytes_mut());
            }
            let shape = Dims::from_elem(1, input.domain.ndim());
            reads.push(Read { elements, shape, item: input.item as usize });
        }
        let block = Block::new(Dims::from_elem(1, self.domain.ndim()), Order::C, reads);
        let mut made: Vec<Vec<u64>> = self.program.sizes().map(|_| vec![0]).collect();
        let outs = made.iter_mut().zip(self.program.sizes());
        let outs = outs.map(|(word, size)| (size, &mut bytemuck::cast_slice_mut(word)[..size]));
        block.compute(&self.program, &mut outs.collect::<Vec<_>>())?;
        let element = |(word, size): (&Vec<u64>, usize)| bytemuck::cast_slice(word)[..size].to_vec();
        Ok(made.iter().zip(self.program.sizes()).map(element).collect())
    }

    /// The inputs behind this one that are results of the same operation on the same inputs, and their numbers there.
    fn together(&self, first: usize) -> Vec<(usize, usize)> {
        let all = &self.program.inputs;
        let Kind::Operation(of, number, inputs) = all[first].kind() else { return Vec::new() };
        let same = |other: usize| {
            let Kind::Operation(other_of, other_number, others) = all[other].kind() else { return None };
            let is_same = Arc::ptr_eq(of, other_of)
                && of.outputs[*number].axes == of.outputs[*other_number].axes
                && inputs.iter().map(Lazy::id).eq(others.iter().map(Lazy::id));
            is_same.then_some((other, *other_number))
        };
        (first + 1..all.len()).filter_map(same).collect()
    }

    /// Bytes that are held for a block of these lengths: of all that is read, and of what that is made of.
    pub(crate) fn held(&self, block: &[u64]) -> u64 {
        let one = |input: &Input| input.held(self.domain.shape(), block);
        self.inputs.iter().map(one).fold(0, u64::saturating_add)
    }

    /// The most bytes of a chunk of what is stored.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        let foreign = self.inputs.iter().filter_map(|input| input.grid().ok()?).map(|grid| grid.1);
        self.arrays().into_iter().map(|array| array.layout().chunk_bytes()).chain(foreign).max().unwrap_or(0)
    }

    /// What a request costs, as [`Store::request_cost`](crate::store::Store::request_cost) has it, of the dearest array.
    pub(crate) fn request_cost(&self) -> u64 {
        self.arrays().into_iter().map(|array| array.store().request_cost()).max().unwrap_or(0)
    }

    /// The stored arrays that are read.
    fn arrays(&self) -> Vec<&Array> {
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

    /// Whether blocks all have the same elements along an axis, where what is computed has this many.
    pub(crate) fn repeats(&self, axis: usize, whole: u64) -> bool {
        !self.varies[axis] || is_repeated(self.domain.shape()[axis], whole)
    }

    /// Reads what a block needs of this, and of results of the same operation: their numbers are given.
    fn read(
        &self,
        whole: &Domain,
        part: &Domain,
        order: Order,
        together: &[(usize, usize)],
    ) -> Result<Vec<Read>> {
        let of = |axis: usize| {
            let at = axis_of(axis, self.domain.ndim(), whole.ndim());
            let range = self.domain.range(axis);
            match self.repeats(axis, whole.shape()[at]) {
                true => range.start..range.end.min(range.start.saturating_add(1)),
                false => part.range(at),
            }
        };
        let part = Domain::from_ranges(&(0..self.domain.ndim()).map(of).collect::<Dims<_>>())?;
        let shape = lengths(&part)?;
        let memory = |item: usize| {
            Ok(Read { elements: Memory::new(byte_len(&shape, item)?)?, shape: shape.clone(), item })
        };
        let mut reads = vec![memory(self.item as usize)?];
        let Leaf::Windows(windowed, number, inputs) = &self.leaf else {
            let out = ViewMut::dense(reads[0].elements.bytes_mut(), &shape, self.item as usize, order)?;
            self.leaf.read(&part, out)?;
            return Ok(reads);
        };
        for (_, number) in together {
            reads.push(memory(windowed.outputs[*number].dtype.size())?);
        }
        let numbers = std::iter::once(*number).chain(together.iter().map(|one| one.1));
        let mut outs = Vec::new();
        for (number, read) in numbers.zip(&mut reads) {
            let item = read.item;
            outs.push((number, ViewMut::dense(read.elements.bytes_mut(), &shape, item, order)?));
        }
        let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
        windowed.run(outs, &part, &domains, &|input, part| inputs[input].read(part))?;
        Ok(reads)
    }

    /// Lengths of what is read for a block of these lengths.
    fn lengths(&self, whole: &[u64], block: &[u64]) -> Dims<u64> {
        let one = |axis: usize| {
            let at = axis_of(axis, self.domain.ndim(), whole.len());
            if self.repeats(axis, whole[at]) { 1 } else { block[at].min(self.domain.shape()[axis]) }
        };
        (0..self.domain.ndim()).map(one).collect()
    }

    fn held(&self, whole: &[u64], block: &[u64]) -> u64 {
        let lengths = self.lengths(whole, block);
        bytes(&lengths, self.item).saturating_add(self.leaf.held(&lengths, self.item))
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

    /// The chunks that are read, if any are.
    pub(crate) fn grid(&self) -> Result<Option<Grid>> {
        self.leaf.grid(&self.domain)
    }

    /// The order of elements that is read the fastest; `None` if all are.
    pub(crate) fn order(&self) -> Option<Order> {
        self.leaf.order()
    }
}

/// Bytes of a number of any type, and of the list that has it.
const NUMBER: u64 = 64;

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
            Self::Array(array) if array.format() != HELD => Self::Array(changed(array)),
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

    /// Writes the elements of `part` to `out`, of its shape.
    fn read(&self, part: &Domain, mut out: ViewMut<'_>) -> Result<()> {
        match self {
            Self::Array(array) => Shown::Array(array).read(part, out),
            Self::Foreign(source) => source.read(part, out),
            Self::View(mapping, of) => match &**of {
                Self::Array(array) => viewed::read(mapping, &Shown::Array(array), part, out),
                of => viewed::read(mapping, &Shown::Other(&|part, out| of.read(part, out)), part, out),
            },
            Self::Join(parts) => {
                for (domain, leaf) in parts {
                    let inside = part.intersect(domain);
                    if !inside.is_empty() {
                        leaf.read(&inside, out.reborrow().region(&inside.region_of(part)))?;
                    }
                }
                Ok(())
            }
            Self::Computed(compiled, dtype) => {
                let block = compiled.read(part, Order::C)?;
                let shape = lengths(part)?;
                let mut made = Memory::new(byte_len(&shape, dtype.size())?)?;
                block.compute(&compiled.program, &mut [(dtype.size(), made.bytes_mut())])?;
                out.copy_from(&View::dense(made.bytes(), &shape, dtype.size(), Order::C)?);
                Ok(())
            }
            Self::Windows(of, number, inputs) => {
                let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
                of.run(vec![(*number, out)], part, &domains, &|input, part| inputs[input].read(part))
            }
            Self::Pending => Err(Error::unsupported("a result that is not there yet")),
        }
    }

    /// Bytes that are held while so many elements are read, but for those themselves.
    fn held(&self, lengths: &[u64], item: u64) -> u64 {
        match self {
            Self::Array(_) | Self::Pending => 0,
            Self::Foreign(source) => bytes(lengths, item).saturating_mul(source.copies()),
            Self::View(mapping, of) => {
                let inner = mapping.shown(lengths);
                let repeats = |(axis, &length): (usize, &u64)| length > 1 && !mapping.varies(axis);
                let is_direct = mapping.is_plain() || matches!(**of, Self::Array(_));
                let is_read_once = !lengths.iter().enumerate().any(repeats);
                let own = if is_direct && is_read_once { 0 } else { bytes(&inner, item) };
                own.saturating_add(of.held(&inner, item))
            }
            Self::Join(parts) => {
                let inside = |domain: &Domain| -> Dims<u64> {
                    domain.shape().iter().zip(lengths).map(|(&all, &length)| all.min(length)).collect()
                };
                parts.iter().map(|(domain, leaf)| leaf.held(&inside(domain), item)).max().unwrap_or(0)
            }
            Self::Computed(compiled, _) => bytes(lengths, item).saturating_add(compiled.held(lengths)),
            Self::Windows(of, number, inputs) => {
                let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
                let steps = of.steps(*number, lengths, &domains);
                let one = |(at, input): (usize, &Operand)| {
                    let lengths = of.reach(at, &steps, &input.domain);
                    let item = input.dtype.size() as u64;
                    bytes(&lengths, item).saturating_add(input.leaf.held(&lengths, item))
                };
                // Results are numbers until a block is done.
                let results = bytes(lengths, NUMBER.saturating_mul(of.outputs.len() as u64));
                inputs.iter().enumerate().map(one).fold(results, u64::saturating_add)
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

    fn order(&self) -> Option<Order> {
        match self {
            Self::Array(array) if array.format() != HELD => Some(array.order()),
            Self::Array(_) | Self::Pending => None,
            Self::View(mapping, of) if mapping.picks.iter().map(Pick::axis).is_sorted() => of.order(),
            _ => Some(Order::C),
        }
    }

    fn grid(&self, domain: &Domain) -> Result<Option<Grid>> {
        Ok(match self {
            Self::Array(array) if array.format() != HELD => {
                Some((array.chunk_grid()?, array.layout().chunk_bytes()))
            }
            Self::Array(_) | Self::Pending => None,
            Self::Foreign(source) => source.grid().map(|grid| (grid, source.chunk_bytes())),
            Self::Windows(of, number, inputs) => {
                let grids = inputs.iter().map(|input| input.leaf.grid(&input.domain));
                let grids = grids.collect::<Result<Vec<_>>>()?;
                let largest = grids.into_iter().enumerate().filter_map(|(at, grid)| Some((at, grid?)));
                let largest = largest.max_by_key(|(_, grid)| grid.1);
                largest
                    .map(|(at, grid)| (of.grid(*number, at, (&grid.0, &inputs[at].domain), domain), grid.1))
            }
            Self::View(mapping, of) => {
                of.grid(domain)?.map(|(grid, bytes)| (mapping.visible_grid(&grid), bytes))
            }
            Self::Join(parts) => {
                let grids =
                    parts.iter().map(|(domain, leaf)| leaf.grid(domain)).collect::<Result<Vec<_>>>()?;
                grids.into_iter().flatten().max_by_key(|grid| grid.1)
            }
            Self::Computed(compiled, _) => {
                let grids = compiled.inputs.iter().map(|input| Ok((input, input.grid()?)));
                let grids = grids.collect::<Result<Vec<_>>>()?;
                let largest = grids.into_iter().filter_map(|(input, grid)| Some((input, grid?)));
                let largest = largest.max_by_key(|(_, grid)| grid.1);
                largest.map(|(input, grid)| (widened(&grid.0, input, domain), grid.1))
            }
        })
    }
}

/// The chunks along the axes of `domain`, of which an input has the last ones.
fn widened(grid: &[(i64, u64)], input: &Input, domain: &Domain) -> Dims<(i64, u64)> {
    let whole = |axis: usize| (domain.origin()[axis], domain.shape()[axis].max(1));
    let own = |axis: usize| {
        let own = (axis + grid.len()).checked_sub(domain.ndim())?;
        (!input.repeats(own, domain.shape()[axis])).then(|| grid[own])
    };
    (0..domain.ndim()).map(|axis| own(axis).unwrap_or_else(|| whole(axis))).collect()
}
