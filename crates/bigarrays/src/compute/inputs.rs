//! What a pass reads: stored elements, views of them, and elements that are computed on the way.

use std::collections::HashMap;
use std::ops::Range;

use crate::array::{Array, Coordinates, OutsidePoints};
use crate::base::buffer::{Order, Region, View, ViewMut, byte_len};
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
use crate::compute::stage::{Output, Stage, filled};

/// Expressions over one domain, in which nothing is reduced, ready to be computed block by block.
pub(crate) struct Compiled {
    pub(crate) program: Program,
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
    View(Mapping, Box<Leaf>),
    /// Along an axis behind each other, each over its domain.
    Join(Vec<(Domain, Leaf)>),
    Computed(Box<Compiled>, DataType),
    /// The result of an earlier pass, which is in memory when this one runs.
    Pending,
}

/// The first coordinate and length of chunks along each axis, and the bytes of one.
pub(crate) type Grid = (Dims<(i64, u64)>, u64);

impl Compiled {
    /// # Errors
    /// `Unsupported` for what there is no loop for.
    pub(crate) fn new(domain: &Domain, exprs: &[(Lazy, DataType)]) -> Result<Self> {
        let program = Program::new(exprs)?;
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

    /// Reads what the elements of `part` are of.
    pub(crate) fn read(&self, part: &Domain, order: Order) -> Result<Block> {
        let one = |input: &Input| input.read(&self.domain, part, order);
        let inputs = self.inputs.iter().map(one).collect::<Result<_>>()?;
        Ok(Block::new(lengths(part)?, order, inputs))
    }

    /// Bytes that are held for a block of these lengths: of all that is read, and of what that is made of.
    pub(crate) fn held(&self, block: &[u64]) -> u64 {
        let one = |input: &Input| input.held(self.domain.shape(), block);
        self.inputs.iter().map(one).fold(0, u64::saturating_add)
    }

    /// The most bytes of a chunk of what is stored.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.leaf.chunk_bytes()).max().unwrap_or(0)
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

    fn read(&self, whole: &Domain, part: &Domain, order: Order) -> Result<Read> {
        let of = |axis: usize| {
            let at = axis_of(axis, self.domain.ndim(), whole.ndim());
            let range = self.domain.range(axis);
            match self.repeats(axis, whole.shape()[at]) {
                true => range.start..range.end.min(range.start.saturating_add(1)),
                false => part.range(at),
            }
        };
        let part = Domain::from_ranges(&(0..self.domain.ndim()).map(of).collect::<Dims<_>>())?;
        let (shape, item) = (lengths(&part)?, self.item as usize);
        let mut elements = Memory::new(byte_len(&shape, item)?)?;
        self.leaf.read(&part, ViewMut::dense(elements.bytes_mut(), &shape, item, order)?)?;
        Ok(Read { elements, shape, item })
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

    /// The chunks that are read, if any are.
    pub(crate) fn grid(&self) -> Result<Option<Grid>> {
        self.leaf.grid(&self.domain)
    }

    /// The order of elements that is read the fastest; `None` if all are.
    pub(crate) fn order(&self) -> Option<Order> {
        self.leaf.order()
    }
}

/// Bytes of so many elements, of whole words.
fn bytes(lengths: &[u64], item: u64) -> u64 {
    lengths.iter().fold(item, |all, &length| all.saturating_mul(length)).div_ceil(8).saturating_mul(8)
}

impl Leaf {
    fn new(lazy: &Lazy) -> Result<Self> {
        Ok(match lazy.kind() {
            Kind::Source(array) => Self::Array(Array::clone(array)),
            Kind::Pending(_) => Self::Pending,
            Kind::View(mapping, of) => Self::View(Mapping::clone(mapping), Box::new(Self::new(of)?)),
            Kind::Join(_, parts) => {
                let one = |part: &Lazy| Ok((part.domain().clone(), Self::new(part)?));
                Self::Join(parts.iter().map(one).collect::<Result<_>>()?)
            }
            _ => {
                let compiled = Compiled::new(lazy.domain(), &[(lazy.clone(), lazy.dtype())])?;
                Self::Computed(Box::new(compiled), lazy.dtype())
            }
        })
    }

    /// Writes the elements of `part` to `out`, of its shape.
    fn read(&self, part: &Domain, mut out: ViewMut<'_>) -> Result<()> {
        match self {
            Self::Array(array) => {
                array.read_into(part, out.reborrow())?;
                if array.dtype() == DataType::Bool {
                    out.make_boolean();
                }
                Ok(())
            }
            Self::View(mapping, of) => read_view(mapping, of, part, out),
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
            Self::Pending => Err(Error::unsupported("a result that is not there yet")),
        }
    }

    /// Bytes that are held while so many elements are read, but for those themselves.
    fn held(&self, lengths: &[u64], item: u64) -> u64 {
        match self {
            Self::Array(_) | Self::Pending => 0,
            Self::View(mapping, of) => {
                let inner = shown(mapping, lengths);
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
        }
    }

    fn chunk_bytes(&self) -> u64 {
        match self {
            Self::Array(array) if array.format() != HELD => array.layout().chunk_bytes(),
            Self::Array(_) | Self::Pending => 0,
            Self::View(_, of) => of.chunk_bytes(),
            Self::Join(parts) => parts.iter().map(|part| part.1.chunk_bytes()).max().unwrap_or(0),
            Self::Computed(compiled, _) => compiled.chunk_bytes(),
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
            Self::View(mapping, of) => {
                of.grid(domain)?.map(|(grid, bytes)| (visible_grid(mapping, &grid), bytes))
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

/// The chunks of what is shown along visible axes.
fn visible_grid(mapping: &Mapping, grid: &[(i64, u64)]) -> Dims<(i64, u64)> {
    let domain = &mapping.domain;
    let mut found: Dims<(i64, u64)> =
        domain.ranges().map(|range| (range.start, range.end.abs_diff(range.start).max(1))).collect();
    for (pick, &(origin, length)) in mapping.picks.iter().zip(grid) {
        if let Pick::Along { axis, offset, step } = *pick {
            let first = origin.saturating_sub(offset).div_euclid(step);
            found[axis] = (first, (length / step.unsigned_abs()).max(1));
        }
    }
    found
}

/// The lengths of the box of what is shown that so many visible elements need.
fn shown(mapping: &Mapping, lengths: &[u64]) -> Dims<u64> {
    let one = |pick: &Pick| match pick {
        Pick::Fixed(_) => 1,
        Pick::Along { axis, step, .. } => {
            (lengths[*axis].max(1) - 1).saturating_mul(step.unsigned_abs()).saturating_add(1)
        }
        Pick::Listed { axis, .. } => lengths[*axis],
    };
    mapping.picks.iter().map(one).collect()
}

/// Reads what a view shows in `part`.
fn read_view(mapping: &Mapping, of: &Leaf, part: &Domain, out: ViewMut<'_>) -> Result<()> {
    if part.is_empty() {
        return Ok(());
    }
    if let Some(axis) = (0..part.ndim()).find(|&axis| part.shape()[axis] > 1 && !mapping.varies(axis)) {
        return repeat(mapping, of, part, axis, out);
    }
    if let Leaf::Array(array) = of
        && mapping.picks.iter().any(|pick| matches!(pick, Pick::Listed { .. }))
    {
        return read_listed(mapping, array, part, out);
    }
    if let Some(axis) = mapping.listed() {
        return read_runs(mapping, of, part, axis, out);
    }
    let of_pick = |pick: &Pick| match *pick {
        Pick::Along { axis, offset, step } => {
            let range = part.range(axis);
            let (first, last) = (offset + step * range.start, offset + step * (range.end - 1));
            first.min(last)..first.max(last) + 1
        }
        Pick::Fixed(at) => at..at + 1,
        Pick::Listed { .. } => 0..0,
    };
    let needed = Domain::from_ranges(&mapping.picks.iter().map(of_pick).collect::<Dims<_>>())?;
    let mut out = arranged(mapping, out);
    if mapping.is_plain() {
        for (axis, pick) in mapping.picks.iter().enumerate() {
            if matches!(pick, Pick::Along { step, .. } if *step < 0) {
                out = out.reversed(axis);
            }
        }
        return of.read(&needed, out);
    }
    let (shape, item) = (lengths(&needed)?, out.item());
    let mut elements = Memory::new(byte_len(&shape, item)?)?;
    of.read(&needed, ViewMut::dense(elements.bytes_mut(), &shape, item, Order::C)?)?;
    let step =
        |pick: &Pick| if let Pick::Along { step, .. } = pick { step.unsigned_abs() as usize } else { 1 };
    let region = Region {
        start: Dims::from_elem(0, shape.len()),
        count: out.shape().into(),
        step: mapping.picks.iter().map(step).collect(),
    };
    let mut all = View::dense(elements.bytes(), &shape, item, Order::C)?.region(&region);
    for (axis, pick) in mapping.picks.iter().enumerate() {
        if matches!(pick, Pick::Along { step, .. } if *step < 0) {
            all = all.reversed(axis);
        }
    }
    out.copy_from(&all);
    Ok(())
}

/// Memory for a view as the memory of what it shows: its axes are those of that.
fn arranged<'a>(mapping: &Mapping, out: ViewMut<'a>) -> ViewMut<'a> {
    let mut axes: Dims<Option<usize>> = mapping.picks.iter().map(Pick::axis).collect();
    let shown = axes.len();
    // Axes along which nothing is shown are of length 1, and stand behind all others until they are dropped.
    axes.extend((0..mapping.domain.ndim()).filter(|&axis| !mapping.varies(axis)).map(Some));
    out.arranged(&axes).leading(shown)
}

/// Reads elements once, and repeats them along a visible axis.
fn repeat(mapping: &Mapping, of: &Leaf, part: &Domain, axis: usize, mut out: ViewMut<'_>) -> Result<()> {
    let mut ranges: Dims<Range<i64>> = part.ranges().collect();
    ranges[axis].end = ranges[axis].start + 1;
    let one = Domain::from_ranges(&ranges)?;
    let (shape, item) = (lengths(&one)?, out.item());
    let mut elements = Memory::new(byte_len(&shape, item)?)?;
    read_view(mapping, of, &one, ViewMut::dense(elements.bytes_mut(), &shape, item, Order::C)?)?;
    let mut strides = Order::C.strides(&shape, item);
    strides[axis] = 0;
    let all = View::strided(elements.bytes(), 0, out.shape(), &strides, item);
    out.copy_from(&all);
    Ok(())
}

/// Reads listed coordinates of an array: each chunk once.
fn read_listed(mapping: &Mapping, array: &Array, part: &Domain, out: ViewMut<'_>) -> Result<()> {
    let all = |pick: &Pick| -> Vec<i64> {
        match pick {
            Pick::Fixed(at) => vec![*at],
            Pick::Along { axis, offset, step } => part.range(*axis).map(|at| offset + step * at).collect(),
            Pick::Listed { axis, coordinates } => {
                let first = mapping.domain.origin()[*axis];
                part.range(*axis).map(|at| coordinates[(at - first) as usize]).collect()
            }
        }
    };
    let coordinates: Vec<Vec<i64>> = mapping.picks.iter().map(all).collect();
    let axes: Vec<Coordinates<'_>> = coordinates.iter().map(|all| Coordinates::At(all)).collect();
    let mut out = arranged(mapping, out);
    array.read_outer_into(&axes, out.reborrow(), OutsidePoints::Error)?;
    if array.dtype() == DataType::Bool {
        out.make_boolean();
    }
    Ok(())
}

/// Reads runs of listed coordinates that follow each other, one after the other.
fn read_runs(mapping: &Mapping, of: &Leaf, part: &Domain, axis: usize, mut out: ViewMut<'_>) -> Result<()> {
    let Pick::Listed { axis: visible, coordinates } = &mapping.picks[axis] else { return Ok(()) };
    let (first, range) = (mapping.domain.origin()[*visible], part.range(*visible));
    let at = |visible: i64| coordinates[(visible - first) as usize];
    let mut start = range.start;
    while start < range.end {
        let follows = |end: &i64| at(*end) == at(*end - 1).saturating_add(1);
        let end = (start + 1..range.end).find(|end| !follows(end)).unwrap_or(range.end);
        let mut ranges: Dims<Range<i64>> = part.ranges().collect();
        ranges[*visible] = start..end;
        let run = Domain::from_ranges(&ranges)?;
        let mut straight = mapping.clone();
        straight.picks[axis] = Pick::Along { axis: *visible, offset: at(start) - start, step: 1 };
        read_view(&straight, of, &run, out.reborrow().region(&run.region_of(part)))?;
        start = end;
    }
    Ok(())
}
