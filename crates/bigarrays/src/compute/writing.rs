//! Results of general operations that are written in windows.

use crate::base::buffer::{Order, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::number::Number;
use crate::compute::result_axis::Written;
use crate::compute::windowed::{ElementFn, ReadInput, Windowed, advance};

impl Windowed {
    /// The box of a result that steps write which write in `part`, and `part`.
    pub(super) fn written(&self, output: usize, loops: &Domain, part: &Domain) -> Result<Domain> {
        let result = &self.outputs[output];
        let along = |(at, written): (usize, &Written)| {
            let (range, own) = (part.range(at), result.domain.range(at));
            let Written::Window(axis, windows) = written else { return range };
            let first = self.loops.origin()[*axis];
            let steps = loops.range(*axis);
            let all = windows.hull(&(steps.start.abs_diff(first)..steps.end.abs_diff(first)), &own);
            if all.is_empty() { range } else { all.start.min(range.start)..all.end.max(range.end) }
        };
        Domain::from_ranges(&result.written.iter().enumerate().map(along).collect::<Dims<_>>())
    }

    /// The most elements along each axis that are at hand for a block of a result of these lengths.
    pub(super) fn at_hand(&self, output: usize, lengths: &[u64]) -> Dims<u64> {
        let result = &self.outputs[output];
        let all = result.written.iter().zip(lengths).zip(result.domain.shape());
        all.map(|((written, &length), &all)| written.most_written(length, all)).collect()
    }

    /// What a step writes of a result.
    fn target(&self, output: usize, at: &[i64]) -> Result<Domain> {
        let result = &self.outputs[output];
        let along = |(own, written): (usize, &Written)| {
            written.window(at, &self.loops, &result.domain.range(own), result.axes[own])
        };
        Domain::from_ranges(&result.written.iter().enumerate().map(along).collect::<Dims<_>>())
    }

    /// Writes `part` of some results, which are written alike, where some result is written in windows.
    pub(super) fn run_windows(
        &self,
        step: &ElementFn,
        outs: Vec<(usize, ViewMut<'_>)>,
        (part, loops): (&Domain, &Domain),
        domains: &[&Domain],
        read: &ReadInput<'_>,
    ) -> Result<()> {
        let Some(&(output, _)) = outs.first() else { return Ok(()) };
        let at_hand = self.written(output, loops, part)?;
        let alike = |other: usize| self.outputs[output].is_written_as(&self.outputs[other]);
        let mut cells: Vec<Vec<Number>> = Vec::new();
        for (number, result) in self.outputs.iter().enumerate() {
            let count = if alike(number) { at_hand.checked_len()? } else { 0 };
            cells.push(vec![result.init; count as usize]);
        }
        let (mut numbers, mut places) = (Vec::new(), Vec::new());
        for piece in self.pieces(loops, &self.reduced(output), domains)? {
            if piece.is_empty() {
                continue;
            }
            let read = self.read(&piece, domains, read)?;
            let mut at: Dims<i64> = piece.origin().into();
            for _ in 0..piece.checked_len()? {
                let windows = self.windows(&at, &read, domains)?;
                numbers.clear();
                places.clear();
                for (number, cells) in cells.iter().enumerate() {
                    let target = self.target(number, &at)?;
                    each(&target, |element| {
                        let place = alike(number).then(|| place_in(&at_hand, element));
                        numbers.push(place.map_or(self.outputs[number].init, |place| cells[place]));
                        places.push(place.map(|place| (number, place)));
                    });
                }
                step(&windows, &mut numbers).map_err(|error| error.during(self.name.clone()))?;
                for (place, changed) in places.iter().zip(&numbers) {
                    if let Some((number, place)) = *place {
                        cells[number][place] = *changed;
                    }
                }
                advance(&mut at, &piece);
            }
        }
        let put = |(number, out): (usize, _)| {
            put_part(&cells[number], &at_hand, part, self.outputs[number].dtype, out)
        };
        outs.into_iter().try_for_each(put)
    }
}

/// Calls `found` with all coordinates of a box, in C order.
fn each(all: &Domain, mut found: impl FnMut(&[i64])) {
    let mut at: Dims<i64> = all.origin().into();
    for _ in 0..all.checked_len().unwrap_or(0) {
        found(&at);
        advance(&mut at, all);
    }
}

/// The number, in C order, of an element of a box.
fn place_in(all: &Domain, at: &[i64]) -> usize {
    let along = at.iter().zip(all.origin()).zip(all.shape());
    along.fold(0, |place, ((at, first), &length)| place * length as usize + at.abs_diff(*first) as usize)
}

/// Writes the numbers of `part`, which are among those of `all`.
fn put_part(
    numbers: &[Number],
    all: &Domain,
    part: &Domain,
    dtype: DataType,
    mut out: ViewMut<'_>,
) -> Result<()> {
    let size = dtype.size();
    let mut bytes = vec![0u8; part.checked_len()? as usize * size];
    let (mut at, mut done): (Dims<i64>, _) = (part.origin().into(), Ok(()));
    for element in bytes.chunks_exact_mut(size) {
        done = done.and_then(|()| numbers[place_in(all, &at)].write(dtype, element));
        advance(&mut at, part);
    }
    done?;
    let shape: Dims<usize> = out.shape().into();
    out.copy_from(&View::dense(&bytes, &shape, size, Order::C)?);
    Ok(())
}
