//! What folded cells become.

use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::block::Held;
use crate::compute::kernels::{NOWHERE, convert};
use crate::compute::reduction::{Finish, Method, Reduction};
use crate::compute::stage::Output;

/// How cells become elements.
pub(super) struct Finished<'a> {
    /// How many elements there are along each reduced axis.
    pub(super) lengths: &'a [u64],
    /// The coordinate of the place 0.
    pub(super) first: i64,
    /// How many elements each group has, if there are groups, and how far cells of neighbouring groups are apart.
    pub(super) sizes: &'a [u64],
    pub(super) stride: usize,
    /// The number of the first of these groups.
    pub(super) group: u64,
}

impl Finished<'_> {
    /// The elements that cells are, in words that may be more than they take.
    ///
    /// # Errors
    /// `InvalidArgument` where there are no elements that one could be of.
    pub(super) fn elements(&self, mut held: Held, method: Method, output: &Output) -> Result<Vec<u64>> {
        let mut from = method.cell.dtype();
        let divide = |value: &mut u64, count: f64| *value = (f64::from_bits(*value) / count).to_bits();
        self.expect_elements(output)?;
        match method.finish {
            Finish::Plain => {}
            Finish::Mean if !self.sizes.is_empty() => {
                let cells = held.values.chunks_mut(self.stride.max(1)).zip(self.sizes.iter().cycle());
                cells
                    .for_each(|(cells, &size)| cells.iter_mut().for_each(|value| divide(value, size as f64)));
            }
            Finish::Mean => {
                let count = self.lengths.iter().map(|&length| length as f64).product::<f64>();
                held.values.iter_mut().for_each(|value| divide(value, count));
            }
            Finish::MeanOfNumbers => {
                let both = held.values.iter_mut().zip(&held.beside);
                both.for_each(|(value, &count)| divide(value, count as f64));
            }
            Finish::Place => {
                let is_nowhere = |(at, place): (usize, &u64)| *place == NOWHERE && self.size_at(at) > 0;
                if held.beside.iter().enumerate().any(is_nowhere) {
                    let name = output.reduction.map_or("", Reduction::name);
                    return Err(Error::new(ErrorKind::InvalidArgument, format!("{name} of NaNs alone")));
                }
                // Along one axis, a coordinate.
                let place = |&at: &u64| (at as i64).wrapping_add(self.first) as u64;
                (held.values, from) = (held.beside.iter().map(place).collect(), output.dtype);
            }
        }
        if from == DataType::F64 {
            // Which of two NaNs a sum is of, and its sign, follows from how loops are compiled.
            let nans = held.values.iter_mut().filter(|value| f64::from_bits(**value).is_nan());
            nans.for_each(|value| *value = f64::NAN.to_bits());
        }
        let mut elements = converted(held.values, from, output.dtype)?;
        self.fill(&mut elements, output);
        Ok(elements)
    }

    /// How many elements the group of a cell has.
    fn size_at(&self, cell: usize) -> u64 {
        let groups = self.sizes.len().max(1);
        self.sizes.get(cell / self.stride.max(1) % groups).copied().unwrap_or(1)
    }

    /// An error if a group has no elements, and its result would be none.
    fn expect_elements(&self, output: &Output) -> Result<()> {
        let Some(reduction) = output.reduction.filter(|reduction| reduction.is_of_one()) else {
            return Ok(());
        };
        let Some(empty) = self.sizes.iter().position(|&size| size == 0) else { return Ok(()) };
        let empty = self.group + empty as u64;
        if output.fill.is_some() || output.dtype.is_float() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the {} of group {empty}, which has no elements, is not defined; say with `fill` what it is",
            reduction.name()
        )))
    }

    /// Gives groups without elements what they have.
    fn fill(&self, elements: &mut [u64], output: &Output) {
        let size = output.dtype.size();
        let is_of_one = output.reduction.is_some_and(Reduction::is_of_one);
        let nan = || {
            let mut nan = [0; 8];
            match output.dtype {
                DataType::F16 => nan[..2].copy_from_slice(&half::f16::NAN.to_ne_bytes()),
                DataType::F32 => nan[..4].copy_from_slice(&f32::NAN.to_ne_bytes()),
                DataType::F64 => nan.copy_from_slice(&f64::NAN.to_ne_bytes()),
                _ => return None,
            }
            Some(nan)
        };
        let Some(fill) = output.fill.or_else(|| nan().filter(|_| is_of_one)) else { return };
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(elements);
        let cells = bytes.chunks_mut((self.stride * size).max(1)).zip(self.sizes.iter().cycle());
        for (cells, _) in cells.filter(|(_, size)| **size == 0) {
            cells.chunks_exact_mut(size).for_each(|one| one.copy_from_slice(&fill[..size]));
        }
    }
}

/// Elements of one type as those of another.
fn converted(values: Vec<u64>, from: DataType, to: DataType) -> Result<Vec<u64>> {
    if from == to {
        return Ok(values);
    }
    let kernel = convert(from, to).ok_or_else(|| Error::unsupported(format!("{from} as {to}")))?;
    let count = values.len() * to.size();
    let mut elements = vec![0u64; count.div_ceil(8)];
    kernel(&[bytemuck::cast_slice(&values)], &mut bytemuck::cast_slice_mut(&mut elements)[..count]);
    Ok(elements)
}
