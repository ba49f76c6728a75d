//! Order statistics of elements that have many values: in rounds over the elements, each of which counts the next bits of those whose
//! upper bits are known.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::counting::all_but;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{count, damaged, expect, flag, inner, position, positions, text};
use crate::compute::groups::Groups;
use crate::compute::kernels::{Bits, Ranked};
use crate::compute::operation::Operation;
use crate::compute::pencils::{Asked, Quantiles, offset};
use crate::compute::ranks::Between;
use crate::compute::site::Site;
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

/// The most bits that a round counts; more groups have no cells of their own.
const MOST_BITS: u32 = 20;

/// How many bits rounds count at once: the more, the fewer rounds, and the more memory for what is counted.
const BITS: [u32; 5] = [16, 11, 8, 6, 4];

/// Does what follows for the type of elements that have bits in their order.
macro_rules! of_ranked {
    ($dtype:expr, $T:ident => $of:expr, $other:ident => $none:expr) => {
        match $dtype {
            DataType::U8 => {
                type $T = u8;
                $of
            }
            DataType::U16 => {
                type $T = u16;
                $of
            }
            DataType::U32 => {
                type $T = u32;
                $of
            }
            DataType::U64 => {
                type $T = u64;
                $of
            }
            DataType::I8 => {
                type $T = i8;
                $of
            }
            DataType::I16 => {
                type $T = i16;
                $of
            }
            DataType::I32 => {
                type $T = i32;
                $of
            }
            DataType::I64 => {
                type $T = i64;
                $of
            }
            DataType::F16 => {
                type $T = half::f16;
                $of
            }
            DataType::F32 => {
                type $T = f32;
                $of
            }
            DataType::F64 => {
                type $T = f64;
                $of
            }
            $other => $none,
        }
    };
}

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

/// Bits of an element; none of types without an order.
fn width(dtype: DataType) -> u32 {
    of_ranked!(dtype, T => <<T as Ranked>::Key as Bits>::WIDTH, _other => 0)
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

/// Windows of what is known beside elements: all rows, at the place of each element along the axes that are not reduced.
fn beside(reduced: &[usize], ndim: usize) -> Vec<Bound> {
    let kept = (0..ndim).filter(|axis| !reduced.contains(axis)).map(|axis| (axis, Windows::Each));
    std::iter::once((0, Windows::Whole)).chain(kept).collect()
}

/// Windows that have the first axis whole, and one index a step of all others.
fn first_whole(ndim: usize) -> Vec<Bound> {
    (0..ndim).map(|axis| (axis, if axis == 0 { Windows::Whole } else { Windows::Each })).collect()
}

/// How many rows what is known of so many ranks has.
fn rows(ranks: usize) -> usize {
    1 + 2 * ranks
}

impl Asked {
    /// How many ranks have to be found: one for each that is asked for, or the two that it lies between.
    fn ranks(&self) -> usize {
        self.len() * self.between_ranks()
    }

    fn between_ranks(&self) -> usize {
        match self {
            Self::Quantiles(_, method) if !method.is_of_one() => 2,
            _ => 1,
        }
    }
}

/// A round: which bits of elements it counts.
#[derive(Clone, Copy)]
struct Round {
    dtype: DataType,
    /// Whether NaNs are passed over.
    skips: bool,
    /// How many upper bits are known before.
    above: u32,
    bits: u32,
}

impl Round {
    fn bins(self) -> usize {
        1 << self.bits
    }

    /// How many groups elements are counted in: those of all bits and NaN, or those of all bits for each rank.
    fn groups(self, ranks: usize) -> u64 {
        let bins = self.bins() as u64;
        if self.above == 0 { bins + 1 } else { bins.saturating_mul(ranks as u64) }
    }

    /// How many bits are below those of this round.
    fn shift(self) -> u32 {
        width(self.dtype) - self.above - self.bits
    }

    fn config(self, name: &'static str) -> Config {
        Config::new(name)
            .with("of", self.dtype.name())
            .with("skips", self.skips)
            .with("above", u64::from(self.above))
            .with("bits", u64::from(self.bits))
    }

    /// # Errors
    /// `InvalidArgument` for what is none.
    fn read(config: &Value) -> Result<Self> {
        let dtype: DataType = text(config, "of")?.parse()?;
        let (above, bits) = (count(config, "above")?, count(config, "bits")?);
        let most = u64::from(width(dtype));
        expect(bits > 0 && bits <= u64::from(MOST_BITS) && above < most && above + bits <= most)?;
        Ok(Self { dtype, skips: flag(config, "skips")?, above: above as u32, bits: bits as u32 })
    }
}

/// The number of each element's group in a round; −1 if it is in none.
struct Digits {
    round: Round,
    /// The axes that are reduced.
    axes: Dims<usize>,
    ranks: usize,
}

/// The kernel of numbers of groups, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_digits(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
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

fn expect_known(known: &Lazy, ranks: usize) -> Result<()> {
    let is_so = ranks.checked_mul(2).and_then(|rows| rows.checked_add(1)).map(|rows| rows as u64);
    expect(known.dtype() == DataType::I64 && known.domain().shape().first().copied() == is_so)
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

/// What is known of the ranks of a place.
struct Known {
    /// How many elements there are, but for NaNs that are passed over; `None` if one is NaN that is not.
    count: Option<u64>,
    /// The upper bits of the element of each rank.
    upper: Vec<u64>,
    /// Its rank among those of the same upper bits.
    rank: Vec<u64>,
}

impl Known {
    /// The rows of a place.
    fn read(rows: &[i64], ranks: usize, places: usize, place: usize) -> Self {
        let row = |row: usize| rows[row * places + place];
        Self {
            count: u64::try_from(row(0)).ok(),
            upper: (0..ranks).map(|rank| row(1 + rank).cast_unsigned()).collect(),
            rank: (0..ranks).map(|rank| row(1 + ranks + rank).cast_unsigned()).collect(),
        }
    }

    fn row(&self, row: usize) -> i64 {
        let ranks = self.upper.len();
        match row {
            0 => self.count.map_or(-1, u64::cast_signed),
            row if row <= ranks => self.upper[row - 1].cast_signed(),
            row => self.rank[row - 1 - ranks].cast_signed(),
        }
    }

    /// What is known before the first round, of how many elements there are in each group.
    fn first(asked: &Asked, counts: impl Fn(usize) -> u64, bins: usize) -> Self {
        let all = (0..bins).map(&counts).fold(0, u64::saturating_add);
        let count = (counts(bins) == 0).then_some(all);
        let each = asked.between_ranks();
        let of_each = asked.between(count.unwrap_or(0) as usize).into_iter().flat_map(|between| {
            let ranks = between.map_or([0, 0], |between| [between.low as u64, between.high as u64]);
            ranks.into_iter().take(each)
        });
        Self { count, upper: vec![0; asked.ranks()], rank: of_each.collect() }
    }

    /// The same with the next bits, where `counts` are those of groups.
    fn narrow(&mut self, round: Round, counts: impl Fn(usize) -> u64) {
        let (bins, mut up_to) = (round.bins(), vec![0u64; round.bins()]);
        let before = self.upper.clone();
        for slot in 0..before.len() {
            let has_slot = |rank: &usize| before[*rank] == before[slot];
            if (0..slot).any(|rank| has_slot(&rank)) {
                continue;
            }
            let mut all = 0u64;
            for (bin, up_to) in up_to.iter_mut().enumerate() {
                all = all.saturating_add(counts(slot * bins + bin));
                *up_to = all;
            }
            for rank in (slot..before.len()).filter(has_slot) {
                let bin = up_to.partition_point(|&up_to| up_to <= self.rank[rank]).min(bins - 1);
                let below = if bin == 0 { 0 } else { up_to[bin - 1] };
                self.rank[rank] = self.rank[rank].saturating_sub(below);
                self.upper[rank] = before[rank] << round.bits | bin as u64;
            }
        }
    }
}

/// What is known after a round, or what is asked for after the last one.
struct Narrowed {
    round: Round,
    asked: Asked,
    /// The axis of groups.
    at: usize,
    is_last: bool,
    /// The type of results.
    dtype: DataType,
}

/// The kernel of what is known after a round, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_narrowed(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let round = Round::read(config)?;
    let (asked, at) = (Asked::read(inner(config, "asked")?)?, position(config, "at")?);
    let is_last = flag(config, "last")?;
    let counts = site.inputs.first().ok_or_else(damaged)?;
    site.expect(0, &all_but(at, counts.ndim()))?;
    let groups = round.groups(asked.ranks());
    expect(counts.dtype() == DataType::I64 && counts.domain().shape().get(at) == Some(&groups))?;
    let steps = if is_last { asked.len() } else { rows(asked.ranks()) };
    expect(site.loops.ndim() == counts.ndim() && site.steps(0)? == (0..steps as i64))?;
    expect(is_last == (round.shift() == 0))?;
    match (&site.inputs[1..], round.above) {
        ([], 0) => {}
        ([known], 1..) => {
            site.expect(1, &first_whole(counts.ndim()))?;
            expect_known(known, asked.ranks())?;
        }
        _ => return Err(damaged()),
    }
    let dtype = if is_last { asked.result(round.dtype) } else { DataType::I64 };
    expect(dtype == site.dtype)?;
    Ok(Arc::new(Narrowed { round, asked, at, is_last, dtype }))
}

impl Kernel for Narrowed {
    fn config(&self) -> Config {
        self.round
            .config("narrowed")
            .with("asked", self.asked.config())
            .with("at", self.at)
            .with("last", self.is_last)
    }

    fn scratch(&self, _steps: &[u64]) -> u64 {
        (self.round.bins() as u64).saturating_mul(8)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let (counts, shape) = (inputs[0].elements::<i64>(), inputs[0].domain.shape());
        let length = |axes: &[u64]| axes.iter().map(|&length| length as usize).product::<usize>();
        let (outer, behind) = (length(&shape[..self.at]), length(&shape[self.at + 1..]));
        let (groups, places, ranks) = (shape[self.at] as usize, outer * behind, self.asked.ranks());
        let range = steps.range(0).start as usize..steps.range(0).end as usize;
        for place in 0..places {
            let count = |group: usize| {
                counts[(place / behind * groups + group) * behind + place % behind].max(0).cast_unsigned()
            };
            let mut known = match inputs.get(1) {
                None => Known::first(&self.asked, count, self.round.bins()),
                Some(rows) => Known::read(rows.elements(), ranks, places, place),
            };
            known.narrow(self.round, count);
            if self.is_last {
                of_ranked!(self.round.dtype, T => self.put::<T>(&known, &range, out, (place, places)),
                    other => return Err(Error::unsupported(format!("quantiles of {other}"))));
            } else {
                let out: &mut [i64] = bytemuck::cast_slice_mut(out);
                range.clone().for_each(|row| out[(row - range.start) * places + place] = known.row(row));
            }
        }
        Ok(())
    }
}

impl Narrowed {
    /// Writes what is asked for of a place.
    fn put<T: Ranked>(
        &self,
        known: &Known,
        range: &Range<usize>,
        out: &mut [u8],
        (place, places): (usize, usize),
    ) {
        let between = self.asked.between(known.count.unwrap_or(0) as usize);
        let each = self.asked.between_ranks();
        let key = |rank: usize| T::of(T::Key::of_bits(known.upper[rank]));
        for k in range.clone() {
            let at = (k - range.start) * places + place;
            let found = between[k].map(|one| (one, key(k * each), key(k * each + each - 1)));
            // Whole numbers are nothing only where versions are looked up, and what was counted is not read.
            if self.dtype == self.round.dtype {
                let none = T::from_f64(f64::NAN);
                bytemuck::cast_slice_mut(out)[at] =
                    found.map_or(none, |(one, low, high)| one.element(low, high));
            } else {
                let of = |(one, low, high): (Between, T, T)| one.of(low.as_f64(), high.as_f64());
                bytemuck::cast_slice_mut(out)[at] = found.map_or(f64::NAN, of);
            }
        }
    }
}
