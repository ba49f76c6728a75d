//! Order statistics of elements that have many values: in rounds over the elements, each of which counts the next bits of those whose
//! upper bits are known.

use std::ops::Range;
use std::sync::Arc;

use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::counting::all_but;
use crate::compute::digits::Digits;
use crate::compute::expr::Lazy;
use crate::compute::function::Function;
use crate::compute::grouped::ByGroup;
use crate::compute::groups::Groups;
use crate::compute::narrowed::{Empty, Narrowed};
use crate::compute::operation::Operation;
use crate::compute::pencils::{Asked, Quantiles};
use crate::compute::round::{Round, beside, first_whole, of_numbers, rows, width};
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

/// How many bits rounds count at once: the more, the fewer rounds, and the more memory for what is counted.
const BITS: [u32; 7] = [16, 11, 8, 6, 4, 2, 1];

/// Groups of elements, each of which has order statistics of its own: the numbers of all, of one element along each axis that is not reduced.
#[derive(Clone, Copy)]
pub(super) struct InGroups<'a> {
    pub(super) numbers: &'a Lazy,
    pub(super) by: ByGroup,
    /// How many there are of each key, each along an axis of its own.
    pub(super) counts: &'a [u64],
}

/// Elements that have the bits of these.
fn with_bits(dtype: DataType) -> DataType {
    if dtype == DataType::Bool { DataType::U8 } else { dtype }
}

/// How many bits rounds over elements of a type may count at once, from the fewest rounds to the most. Without groups, none for types that
/// have but few values.
pub(super) fn bits_of_rounds(dtype: DataType, is_grouped: bool) -> Vec<u32> {
    let width = width(with_bits(dtype));
    let mut found: Vec<u32> = Vec::new();
    for bits in BITS {
        // As few bits as do for so many rounds.
        let bits = width.div_ceil(width.div_ceil(bits).max(1));
        let is_one = bits == width && dtype != DataType::F16;
        let is_of_few = width < 16 || is_one;
        if width > 0 && (is_grouped || !is_of_few) && !found.contains(&bits) {
            found.push(bits);
        }
    }
    found
}

impl Lazy {
    /// What is asked for of the elements along some axes, ascending, along a new first axis, in rounds of so many bits; `None` if they have
    /// no such bits. Groups are along an axis where the first of these axes was.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn in_rounds(
        &self,
        of: &Quantiles,
        axes: &[usize],
        bits: u32,
        groups: Option<InGroups<'_>>,
    ) -> Result<Option<Self>> {
        let (dtype, [at, ..]) = (self.dtype(), axes) else { return Ok(None) };
        if dtype == DataType::Bool {
            let found = self.converted(with_bits(dtype))?.in_rounds(of, axes, bits, groups)?;
            let truth = |found: Self| match of.asked.result(dtype) {
                DataType::Bool => Self::apply(Function::NotEqual, &[(&found).into(), 0.into()]),
                _ => Ok(found),
            };
            return found.map(truth).transpose();
        }
        let rounds = Rounds { asked: &of.asked, axes, groups, fill: of.fill };
        let largest = rounds.counts(Round { dtype, skips: of.skips, above: 1, bits });
        let largest = Groups { counts: largest, drops: false, labels: None };
        // Of more groups, nobody knows before how many would be met.
        if !bits_of_rounds(dtype, groups.is_some()).contains(&bits) || largest.is_sparse() {
            return Ok(None);
        }
        let (width, mut above, mut known) = (width(dtype), 0, None::<Self>);
        loop {
            let round = Round { dtype, skips: of.skips, above, bits: bits.min(width - above) };
            let counts = rounds.counted(self, round, known.as_ref())?;
            above += round.bits;
            let is_last = above == width;
            let found = rounds.narrowed(round, *at, &counts, known.as_ref(), is_last)?;
            if is_last {
                return Ok(Some(found));
            }
            // Or each block of the next round would find it anew.
            known = Some(found.kept_in_a_pass(None)?);
        }
    }
}

/// What is asked for, and of what.
struct Rounds<'a> {
    asked: &'a Asked,
    axes: &'a [usize],
    groups: Option<InGroups<'a>>,
    fill: Option<[u8; 8]>,
}

impl Rounds<'_> {
    /// How many axes of groups there are.
    fn keys(&self) -> usize {
        self.groups.map_or(0, |groups| groups.counts.len())
    }

    /// How many numbers a round counts: of each group, if there are any, those of the round.
    fn counts(&self, round: Round) -> Dims<u64> {
        let groups = self.groups.iter().flat_map(|groups| groups.counts).copied();
        groups.chain([round.groups(self.asked.ranks())]).collect()
    }

    /// How many elements have each of the next bits.
    fn counted(&self, of: &Lazy, round: Round, known: Option<&Lazy>) -> Result<Lazy> {
        let loops: Vec<Range<i64>> = of.domain().ranges().collect();
        let each: Vec<Bound> = (0..of.ndim()).map(|axis| (axis, Windows::Each)).collect();
        let mut operation = Operation::over(&loops).input(of, &each);
        if let Some(known) = known {
            operation = operation.input(known, &beside(self.axes, of.ndim(), self.keys()));
        }
        if let Some(groups) = self.groups {
            operation = operation.input(groups.numbers, &of_numbers(self.axes, of.ndim()));
        }
        let by = self.groups.map(|groups| groups.by);
        let kernel = Digits { round, axes: self.axes.into(), ranks: self.asked.ranks(), by };
        let numbers = operation.output(DataType::I32, &each).kernel("digits", Arc::new(kernel))?;
        numbers.converted(DataType::I64)?.counted(self.axes, &self.counts(round), false, None)
    }

    /// What is known after a round: rows of [`Known`], or what is asked for after the last one. Groups are along the axes from `at` on of
    /// counts, if there are any, and the bits that were counted along the one behind them.
    fn narrowed(
        &self,
        round: Round,
        at: usize,
        counts: &Lazy,
        known: Option<&Lazy>,
        is_last: bool,
    ) -> Result<Lazy> {
        let asked = self.asked;
        let at = at + self.keys();
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
        let empty = self.groups.map(|_| Empty { fill: self.fill, keys: self.keys() });
        let kernel = Narrowed { round, asked: asked.clone(), at, is_last, dtype, empty };
        operation.output(dtype, &each).kernel(name, Arc::new(kernel))
    }
}
