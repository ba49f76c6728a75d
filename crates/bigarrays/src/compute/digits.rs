//! The next bits of the elements whose upper bits are known, as the numbers of groups.

use std::sync::Arc;

use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::dense::{Given, Kernel};
use crate::compute::fields::{damaged, expect, position, positions};
use crate::compute::kernels::{Bits, Ranked};
use crate::compute::pencils::offset;
use crate::compute::round::{Round, beside, expect_known, of_ranked};
use crate::compute::site::Site;

/// The number of each element's group in a round; −1 if it is in none.
pub(super) struct Digits {
    pub(super) round: Round,
    /// The axes that are reduced.
    pub(super) axes: Dims<usize>,
    pub(super) ranks: usize,
}

/// The kernel of numbers of groups, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let round = Round::read(config)?;
    let (axes, ranks) = (positions(config, "axes")?, position(config, "ranks")?);
    let of = site.inputs.first().ok_or_else(damaged)?;
    site.expect_each(0)?;
    expect(of.dtype() == round.dtype && site.dtype == DataType::I64)?;
    expect(axes.iter().all(|&axis| axis < of.ndim()) && axes.is_sorted_by(|one, other| one < other))?;
    match (&site.inputs[1..], round.above) {
        ([], 0) => {}
        ([known], 1..) => {
            site.expect(1, &beside(&axes, of.ndim()))?;
            expect_known(known, ranks)?;
        }
        _ => return Err(damaged()),
    }
    Ok(Arc::new(Digits { round, axes, ranks }))
}

impl Kernel for Digits {
    fn config(&self) -> Config {
        self.round
            .config("digits")
            .with("axes", self.axes.iter().copied().collect::<Parameter>())
            .with("ranks", self.ranks)
    }

    fn run(&self, _steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let out: &mut [i64] = bytemuck::cast_slice_mut(out);
        let given = &inputs[0];
        of_ranked!(self.round.dtype, T => match inputs.get(1) {
            None => self.first::<T>(given.elements(), out),
            Some(known) => self.later::<T>(given, known, out),
        }, other => return Err(Error::unsupported(format!("quantiles of {other}"))));
        Ok(())
    }
}

impl Digits {
    /// Of the upper bits, and of NaN behind them.
    fn first<T: Ranked>(&self, elements: &[T], out: &mut [i64]) {
        let (shift, missing) =
            (self.round.shift(), if self.round.skips { -1 } else { self.round.bins() as i64 });
        for (found, one) in out.iter_mut().zip(elements) {
            let key = one.key();
            *found = if T::MISSING == Some(key) { missing } else { (key.bits() >> shift) as i64 };
        }
    }

    /// Of the bits below those that are known of the ranks of an element's place.
    fn later<T: Ranked>(&self, given: &Given<'_>, known: &Given<'_>, out: &mut [i64]) {
        let (shape, known_shape) = (given.domain.shape(), known.domain.shape());
        let rows: &[i64] = known.elements();
        let places: usize = known_shape[1..].iter().map(|&length| length as usize).product();
        // Where the place of neighbours is, along each axis.
        let (mut step, mut axes) = (1, vec![(0, 0); shape.len()]);
        for (axis, &length) in shape.iter().enumerate().rev() {
            let is_kept = !self.axes.contains(&axis);
            axes[axis] = (length as usize, if is_kept { step } else { 0 });
            step *= if is_kept { length as usize } else { 1 };
        }
        let (length, step) = axes.pop().unwrap_or((1, 0));
        let elements: &[T] = given.elements();
        let lines = out.chunks_mut(length.max(1)).zip(elements.chunks(length.max(1)));
        let mut table = Table::default();
        for (line, (out, elements)) in lines.enumerate() {
            let first = offset(&axes, line);
            if step == 0 {
                table.fill(rows, self.ranks, places, first);
                out.iter_mut().zip(elements).for_each(|(found, one)| *found = self.number(*one, &table));
            } else {
                for (k, (found, one)) in out.iter_mut().zip(elements).enumerate() {
                    table.fill(rows, self.ranks, places, first + k * step);
                    *found = self.number(*one, &table);
                }
            }
        }
    }

    fn number<T: Ranked>(&self, one: T, table: &Table) -> i64 {
        let (key, Round { bits, .. }, shift) = (one.key(), self.round, self.round.shift());
        if T::MISSING == Some(key) {
            return -1;
        }
        let upper = key.bits() >> shift;
        match table.slot(upper >> bits) {
            Some(slot) => (slot << bits | (upper & ((1 << bits) - 1)) as usize) as i64,
            None => -1,
        }
    }
}

/// The slots of bits that are known, ascending.
#[derive(Default)]
struct Table {
    slots: Vec<(u64, usize)>,
    /// What it is of.
    place: Option<usize>,
}

impl Table {
    fn fill(&mut self, rows: &[i64], ranks: usize, places: usize, place: usize) {
        if self.place.replace(place) == Some(place) {
            return;
        }
        self.slots.clear();
        let upper = |rank: usize| rows[(1 + rank) * places + place].cast_unsigned();
        self.slots.extend((0..ranks).map(|rank| (upper(rank), rank)));
        self.slots.sort_unstable();
        // The first rank of those that have the same bits has the slot.
        self.slots.dedup_by_key(|slot| slot.0);
    }

    #[inline]
    fn slot(&self, upper: u64) -> Option<usize> {
        match &self.slots[..] {
            [one] => (one.0 == upper).then_some(one.1),
            slots => slots.binary_search_by_key(&upper, |slot| slot.0).ok().map(|at| slots[at].1),
        }
    }
}
