//! Reading what the elements of a block are of.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::base::buffer::{Order, View, ViewMut, byte_len, make_boolean};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::block::{Block, Read};
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::is_in_memory;
use crate::compute::infer::axis_of;
use crate::compute::inputs::{Compiled, Input, Leaf};
use crate::compute::memory::{Memory, lengths};
use crate::compute::program::TILE;
use crate::compute::viewed::{self, Shown};

/// The fewest elements that are better folded where they are than copied with others.
const LEAST: u64 = 8 * TILE as u64;

/// Shorter rows are copied, so that tiles have many of them.
const RUN: usize = TILE / 4;

impl Compiled {
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

    /// A box in pieces along an axis, each of which lies within a chunk of what is in memory, if they are worth it.
    pub(super) fn pieces(&self, part: &Domain, axis: usize) -> Result<Vec<Domain>> {
        let whole = part.range(axis);
        let mut ends: BTreeSet<i64> = [whole.end].into_iter().collect();
        for input in &self.inputs {
            let (Leaf::Array(array), Some(own)) =
                (&input.leaf, (axis + input.domain.ndim()).checked_sub(self.domain.ndim()))
            else {
                continue;
            };
            if !is_in_memory(array) || input.repeats(own, self.domain.shape()[axis]) {
                continue;
            }
            let (origin, length) = array.chunk_grid()?[own];
            let step = i64::try_from(length.max(1)).unwrap_or(i64::MAX);
            let first = whole.start.saturating_sub(whole.start.wrapping_sub(origin).rem_euclid(step));
            ends.extend((1..).map_while(|k| {
                let end = step.checked_mul(k).and_then(|far| first.checked_add(far));
                end.filter(|end| *end < whole.end)
            }));
        }
        if part.checked_len()? / ends.len() as u64 <= LEAST {
            return Ok(vec![part.clone()]);
        }
        let mut start = whole.start;
        let piece = |end: i64| {
            let mut ranges: Dims<Range<i64>> = part.ranges().collect();
            ranges[axis] = std::mem::replace(&mut start, end)..end;
            Domain::from_ranges(&ranges)
        };
        ends.into_iter().map(piece).collect()
    }

    /// Asks stores for all that [`Compiled::read`] of `part` asks them for, and computes nothing: what watches them sees versions.
    ///
    /// # Errors
    /// Those of the stores.
    pub(crate) fn look_up(&self, part: &Domain) -> Result<()> {
        let mut is_read = vec![false; self.inputs.len()];
        for (first, input) in self.inputs.iter().enumerate() {
            if !is_read[first] {
                input.leaf.look_up(&input.needed(&self.domain, part)?)?;
                self.together(first).iter().for_each(|one| is_read[one.0] = true);
            }
        }
        Ok(())
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
            reads.push(Read::dense(elements, shape, input.item as usize));
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
                && of.outputs[*number].is_written_as(&of.outputs[*other_number])
                && inputs.iter().map(Lazy::id).eq(others.iter().map(Lazy::id));
            is_same.then_some((other, *other_number))
        };
        (first + 1..all.len()).filter_map(same).collect()
    }
}

impl Input {
    /// The box that a block needs of this.
    fn needed(&self, whole: &Domain, part: &Domain) -> Result<Domain> {
        let of = |axis: usize| {
            let at = axis_of(axis, self.domain.ndim(), whole.ndim());
            let range = self.domain.range(axis);
            match self.repeats(axis, whole.shape()[at]) {
                true => range.start..range.end.min(range.start.saturating_add(1)),
                false => part.range(at),
            }
        };
        Domain::from_ranges(&(0..self.domain.ndim()).map(of).collect::<Dims<_>>())
    }

    /// Reads what a block needs of this, and of results of the same operation: their numbers are given.
    fn read(
        &self,
        whole: &Domain,
        part: &Domain,
        order: Order,
        together: &[(usize, usize)],
    ) -> Result<Vec<Read>> {
        let part = self.needed(whole, part)?;
        let shape = lengths(&part)?;
        let item = self.item as usize;
        if let Leaf::Array(array) = &self.leaf
            && order == Order::C
            && let Some(lent) = array.lent(&part)?
            && lent.run(&shape) >= RUN.min(shape.iter().product())
        {
            return Ok(vec![Read::lent(lent, shape, item)]);
        }
        let memory = |item: usize| Ok::<_, Error>((Memory::new(byte_len(&shape, item)?)?, item));
        let mut made = vec![memory(item)?];
        let Leaf::Windows(windowed, number, inputs) = &self.leaf else {
            self.leaf.read(&part, ViewMut::dense(made[0].0.bytes_mut(), &shape, item, order)?)?;
            return Ok(reads(made, &shape));
        };
        for (_, number) in together {
            made.push(memory(windowed.outputs[*number].dtype.size())?);
        }
        let numbers = std::iter::once(*number).chain(together.iter().map(|one| one.1));
        let mut outs = Vec::new();
        for (number, (elements, item)) in numbers.zip(&mut made) {
            outs.push((number, ViewMut::dense(elements.bytes_mut(), &shape, *item, order)?));
        }
        let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
        windowed.run(outs, &part, &domains, &|input, part, out| inputs[input].leaf.read(part, out))?;
        Ok(reads(made, &shape))
    }
}

fn reads(made: Vec<(Memory, usize)>, shape: &Dims<usize>) -> Vec<Read> {
    made.into_iter().map(|(elements, item)| Read::dense(elements, shape.clone(), item)).collect()
}

impl Leaf {
    /// Writes the elements of `part` to `out`, of its shape.
    pub(super) fn read(&self, part: &Domain, mut out: ViewMut<'_>) -> Result<()> {
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
                of.run(vec![(*number, out)], part, &domains, &|input, part, out| {
                    inputs[input].leaf.read(part, out)
                })
            }
            Self::Pending => Err(Error::unsupported("a result that is not there yet")),
        }
    }
    /// Asks stores for what reading `part` asks them for.
    fn look_up(&self, part: &Domain) -> Result<()> {
        match self {
            // Nobody watches these.
            Self::Array(array) if is_in_memory(array) => Ok(()),
            Self::Array(array) => array.ask(part),
            // No version of what another library reads is known.
            Self::Foreign(_) => Ok(()),
            Self::Pending => Err(Error::unsupported("a result that is not there yet")),
            Self::View(mapping, of) => match &**of {
                Self::Array(array) if mapping.listed().is_some() => {
                    let (shape, item) = (lengths(part)?, array.dtype().size());
                    let mut memory = Memory::new(byte_len(&shape, item)?)?;
                    self.read(part, ViewMut::dense(memory.bytes_mut(), &shape, item, Order::C)?)
                }
                of => viewed::look_up(mapping, part, &mut |part| of.look_up(part)),
            },
            Self::Join(parts) => parts
                .iter()
                .map(|(domain, leaf)| (part.intersect(domain), leaf))
                .filter(|(inside, _)| !inside.is_empty())
                .try_for_each(|(inside, leaf)| leaf.look_up(&inside)),
            Self::Computed(compiled, _) => compiled.look_up(part),
            Self::Windows(of, number, inputs) => {
                let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
                of.look_up(*number, part, &domains, &|input, part| inputs[input].leaf.look_up(part))
            }
        }
    }
}
