//! Order statistics of elements that have many values: in rounds over the elements, each of which counts the next bits of those whose
//! upper bits are known.

use std::ops::Range;
use std::sync::Arc;

use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::counting::all_but;
use crate::compute::digits::Digits;
use crate::compute::expr::Lazy;
use crate::compute::groups::Groups;
use crate::compute::narrowed::Narrowed;
use crate::compute::operation::Operation;
use crate::compute::pencils::{Asked, Quantiles};
use crate::compute::round::{Round, beside, first_whole, rows, width};
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

/// How many bits rounds count at once: the more, the fewer rounds, and the more memory for what is counted.
const BITS: [u32; 5] = [16, 11, 8, 6, 4];

/// How many bits rounds over elements of a type may count at once, from the fewest rounds to the most; none for types that have but few
/// values.
pub(super) fn bits_of_rounds(dtype: DataType) -> Vec<u32> {
    let width = width(dtype);
    let mut found: Vec<u32> = Vec::new();
    for bits in BITS {
        // As few bits as do for so many rounds.
        let bits = width.div_ceil(width.div_ceil(bits).max(1));
        let is_one = bits == width && dtype != DataType::F16;
        if width >= 16 && !is_one && !found.contains(&bits) {
            found.push(bits);
        }
    }
    found
}

impl Lazy {
    /// What is asked for of the elements along some axes, ascending, along a new first axis, in rounds of so many bits; `None` if they have
    /// no such bits.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn in_rounds(&self, of: &Quantiles, axes: &[usize], bits: u32) -> Result<Option<Self>> {
        let (dtype, [at, ..]) = (self.dtype(), axes) else { return Ok(None) };
        let largest = Round { dtype, skips: of.skips, above: 1, bits }.groups(of.asked.ranks());
        let groups = Groups { counts: [largest].into_iter().collect(), drops: false, labels: None };
        // Of more groups, nobody knows before how many would be met.
        if !bits_of_rounds(dtype).contains(&bits) || groups.is_sparse() {
            return Ok(None);
        }
        let (width, mut above, mut known) = (width(dtype), 0, None::<Self>);
        loop {
            let round = Round { dtype, skips: of.skips, above, bits: bits.min(width - above) };
            let counts = self.counted_in(round, axes, &of.asked, known.as_ref())?;
            above += round.bits;
            let is_last = above == width;
            let found = narrowed(round, &of.asked, *at, &counts, known.as_ref(), is_last)?;
            if is_last {
                return Ok(Some(found));
            }
            // Or each block of the next round would find it anew.
            known = Some(found.kept_in_a_pass(None)?);
        }
    }

    /// How many elements have each of the next bits.
    fn counted_in(&self, round: Round, axes: &[usize], asked: &Asked, known: Option<&Self>) -> Result<Self> {
        let loops: Vec<Range<i64>> = self.domain().ranges().collect();
        let each: Vec<Bound> = (0..self.ndim()).map(|axis| (axis, Windows::Each)).collect();
        let mut operation = Operation::over(&loops).input(self, &each);
        if let Some(known) = known {
            operation = operation.input(known, &beside(axes, self.ndim()));
        }
        let kernel = Digits { round, axes: axes.into(), ranks: asked.ranks() };
        let numbers = operation.output(DataType::I64, &each).kernel("digits", Arc::new(kernel))?;
        numbers.counted(axes, round.groups(asked.ranks()), false, None)
    }
}

/// What is known after a round: rows of [`Known`], or what is asked for after the last one.
fn narrowed(
    round: Round,
    asked: &Asked,
    at: usize,
    counts: &Lazy,
    known: Option<&Lazy>,
    is_last: bool,
) -> Result<Lazy> {
    let steps = if is_last { asked.len() } else { rows(asked.ranks()) };
    let mut loops = vec![0..steps as i64];
    loops.extend(counts.domain().ranges().enumerate().filter(|own| own.0 != at).map(|own| own.1));
    let each: Vec<Bound> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
    let mut operation = Operation::over(&loops).input(counts, &all_but(at, counts.ndim()));
    if let Some(known) = known {
        operation = operation.input(known, &first_whole(known.ndim()));
    }
    let dtype = if is_last { asked.result(round.dtype) } else { DataType::I64 };
    let name = if is_last { "quantile" } else { "narrowed" };
    let kernel = Narrowed { round, asked: asked.clone(), at, is_last, dtype };
    operation.output(dtype, &each).kernel(name, Arc::new(kernel))
}
