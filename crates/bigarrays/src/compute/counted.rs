//! Elements that are counted as they are made: a kernel says their numbers, and adds to the cells of these chunk by chunk, so that no block of
//! numbers is ever there.

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::blocks::Blocks;
use crate::compute::cuts::Cuts;
use crate::compute::dense::Kernel;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::inputs::{Compiled, Leaf};
use crate::compute::plan::Folding;
use crate::compute::reduction::Reduction;
use crate::compute::stage::Stage;
use crate::compute::windowed::{Work, given};

/// So many bytes are held at once, if chunks are smaller.
const AT_ONCE: u64 = 1 << 20;

impl Stage {
    /// Whether all that it does is to count elements by numbers that a kernel makes.
    pub(crate) fn is_counted(&self) -> bool {
        let (Some(by), [output]) = (&self.by, &self.outputs[..]) else { return false };
        let counts = |kernel: &dyn Kernel| kernel.counts();
        let is_made = match by.numbers.kind() {
            Kind::Convert(of) => match of.kind() {
                Kind::Operation(of, ..) => matches!(&of.work, Work::Kernel(kernel) if counts(&**kernel)),
                _ => false,
            },
            _ => false,
        };
        let is_dense = !by.groups.is_sparse() && !by.groups.drops && output.fill.is_none();
        is_made && is_dense && output.reduction == Some(Reduction::CountNonzero) && is_true(&output.expr)
    }
}

impl Folding {
    /// The same in segments that end where chunks do, of which there are no more, along the axes that have any.
    pub(crate) fn at_chunks(mut self, chunks: impl Fn(usize) -> Option<(i64, u64)>) -> Self {
        for (&axis, segments) in self.axes.iter().zip(&mut self.segments) {
            if let Some((origin, length)) = chunks(axis).filter(|chunk| chunk.1 > 0 && segments.len() > 1) {
                let whole = segments.grid().1.div_ceil(length).saturating_mul(length);
                *segments = Cuts::over(segments.range.clone(), (origin, whole));
            }
        }
        self
    }
}

fn is_true(lazy: &Lazy) -> bool {
    match lazy.kind() {
        Kind::Constant(bytes) => bytes[0] == 1,
        Kind::View(_, of) => is_true(of),
        _ => false,
    }
}

impl Compiled {
    /// Counts the elements of a box by the numbers that the kernel of its only input makes, where these axes are reduced.
    ///
    /// # Errors
    /// Those of reading; `Unsupported` if there is no such kernel.
    pub(super) fn count(&self, part: &Domain, axes: &[usize], cells: &mut [u64]) -> Result<()> {
        let none = || Error::unsupported("numbers that no kernel counts");
        let [input] = &self.inputs[..] else { return Err(none()) };
        let Leaf::Windows(of, _, inputs) = &input.leaf else { return Err(none()) };
        let Work::Kernel(kernel) = &of.work else { return Err(none()) };
        let domains: Vec<&Domain> = inputs.iter().map(|input| &input.domain).collect();
        let pieces = Blocks::new(self.cuts(part, axes)?, Order::C);
        for number in 0..pieces.len() {
            let piece = pieces.get(number)?;
            let elements =
                of.given(&piece, &domains, &|input, part, out| inputs[input].leaf.read(part, out))?;
            let counted = kernel.count(&piece, &given(&elements, &domains), cells);
            counted.map_err(|error| error.during(of.name.clone()))?;
        }
        Ok(())
    }

    /// The lengths of what is read at once of a block of these lengths.
    pub(crate) fn counted_lengths(&self, lengths: &[u64], axes: &[usize]) -> Result<Dims<u64>> {
        let steps = self.steps(lengths, axes)?;
        Ok(lengths.iter().zip(steps).map(|(&length, (_, step))| length.min(step)).collect())
    }

    fn cuts(&self, part: &Domain, axes: &[usize]) -> Result<Dims<Cuts>> {
        let steps = self.steps(part.shape(), axes)?;
        Ok(part.ranges().zip(steps).map(|(range, step)| Cuts::over(range, step)).collect())
    }

    /// Where pieces of a block begin along each axis, and how long they are: chunks of what is stored along the axes that are reduced, or some
    /// of them if they are small.
    fn steps(&self, lengths: &[u64], axes: &[usize]) -> Result<Dims<(i64, u64)>> {
        let whole = self.domain.origin().iter().zip(lengths);
        let mut steps: Dims<(i64, u64)> = whole.map(|(&first, &length)| (first, length.max(1))).collect();
        let Some(grid) = self.counted_grid()? else { return Ok(steps) };
        for &axis in axes.iter().filter(|&&axis| axis < grid.len()) {
            steps[axis] = (grid[axis].0, grid[axis].1.max(1));
        }
        let bytes = |steps: &[(i64, u64)]| {
            let lengths = steps.iter().zip(lengths).map(|(step, &length)| step.1.min(length));
            self.held(&lengths.collect::<Dims<u64>>(), true, 0)
        };
        while bytes(&steps) < AT_ONCE {
            let Some(&axis) = axes.iter().rev().find(|&&axis| steps[axis].1 < lengths[axis]) else { break };
            steps[axis].1 = steps[axis].1.saturating_mul(2);
        }
        Ok(steps)
    }

    /// The chunks of the stored array whose elements are counted; `None` if it is none.
    fn counted_grid(&self) -> Result<Option<Dims<(i64, u64)>>> {
        let Some(Leaf::Windows(_, _, inputs)) = self.inputs.first().map(|input| &input.leaf) else {
            return Ok(None);
        };
        match inputs.first().map(|input| &input.leaf) {
            Some(Leaf::Array(array)) => Ok(Some(array.chunk_grid()?.into_iter().collect())),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_counts_end_where_chunks_do() {
        let domain: Domain = "5:9000,-3:2997,0:700".parse().unwrap();
        let segments = |chunks: [Option<(i64, u64)>; 3]| {
            let folding = Folding::new(&domain, &[0, 1, 2], None).at_chunks(|axis| chunks[axis]);
            folding.segments.iter().map(|cuts| (cuts.grid(), cuts.len())).collect::<Vec<_>>()
        };
        // Of whole rows and of 1,024 of them, and a few of such planes.
        let alone = segments([None; 3]);
        assert_eq!(alone, [((5, 4), 2249), ((-3, 1024), 3), ((0, 700), 1)]);
        assert_eq!(
            segments([Some((0, 24)), Some((-3, 90)), Some((0, 64))]),
            [((0, 24), 375), ((-3, 1080), 3), ((0, 700), 1)]
        );
        assert_eq!(segments([Some((5, 3)), Some((-3, 512)), None])[0], ((5, 6), 1500));
    }
}
