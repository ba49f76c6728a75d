//! What the counts of a round say of the elements of the ranks that are asked for.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::counting::all_but;
use crate::compute::dense::{Given, Kernel};
use crate::compute::fields::{damaged, expect, fill, flag, inner, position};
use crate::compute::kernels::{Bits, Ranked};
use crate::compute::pencils::{Asked, none};
use crate::compute::ranks::Between;
use crate::compute::round::{Round, expect_known, first_whole, of_ranked, rows};
use crate::compute::site::Site;

/// What is known of the ranks of a place.
struct Known {
    /// How many elements there are, but for NaNs that are passed over; `None` if one is NaN that is not, or if all are.
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
    fn first(asked: &Asked, counts: impl Fn(usize) -> u64, round: Round) -> Self {
        let bins = round.bins();
        let all = (0..bins).map(&counts).fold(0, u64::saturating_add);
        let is_some = counts(bins) == 0 || (round.skips && all > 0);
        let count = is_some.then_some(all);
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
pub(super) struct Narrowed {
    pub(super) round: Round,
    pub(super) asked: Asked,
    /// The axis of groups.
    pub(super) at: usize,
    pub(super) is_last: bool,
    /// The type of results.
    pub(super) dtype: DataType,
    /// What becomes of groups without elements, if there are groups: those are along the axis before.
    pub(super) empty: Option<Empty>,
}

/// What groups without elements have, as bytes of the result.
#[derive(Clone, Copy)]
pub(super) struct Empty {
    pub(super) fill: Option<[u8; 8]>,
    /// How many axes of groups there are, those before the one of what was counted.
    pub(super) keys: usize,
}

/// The kernel of what is known after a round, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
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
    let is_grouped = config.get("fill").is_some();
    let empty = is_grouped.then(|| {
        let keys = position(config, "keys")?;
        expect(keys > 0 && keys <= at)?;
        Ok::<_, Error>(Empty { fill: fill(config, asked.result(round.dtype))?, keys })
    });
    Ok(Arc::new(Narrowed { round, asked, at, is_last, dtype, empty: empty.transpose()? }))
}

impl Kernel for Narrowed {
    fn config(&self) -> Config {
        let config = self
            .round
            .config("narrowed")
            .with("asked", self.asked.config())
            .with("at", self.at)
            .with("last", self.is_last);
        match self.empty {
            Some(Empty { fill, keys }) => {
                config.with("fill", fill.map(u64::from_ne_bytes)).with("keys", keys)
            }
            None => config,
        }
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
                None => Known::first(&self.asked, count, self.round),
                Some(rows) => Known::read(rows.elements(), ranks, places, place),
            };
            known.narrow(self.round, count);
            if self.is_last {
                let group = self.group(&inputs[0], place / behind);
                of_ranked!(self.round.dtype, T => self.put::<T>(&known, group, &range, out, (place, places))?,
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
    /// The number of the group of a place, of those along the axes before the one of what was counted.
    fn group(&self, counts: &Given<'_>, mut place: usize) -> usize {
        let Some(Empty { keys, .. }) = self.empty else { return 0 };
        let (mut group, mut apart) = (0, 1);
        for axis in (self.at - keys..self.at).rev() {
            let length = counts.domain.shape()[axis].max(1) as usize;
            group += (counts.domain.origin()[axis].unsigned_abs() as usize + place % length) * apart;
            place /= length;
            apart *= counts.whole.shape()[axis] as usize;
        }
        group
    }

    /// Writes what is asked for of a place.
    fn put<T: Ranked>(
        &self,
        known: &Known,
        group: usize,
        range: &Range<usize>,
        out: &mut [u8],
        (place, places): (usize, usize),
    ) -> Result<()> {
        let between = self.asked.between(known.count.unwrap_or(0) as usize);
        let each = self.asked.between_ranks();
        let key = |rank: usize| T::of(T::Key::of_bits(known.upper[rank]));
        for k in range.clone() {
            let at = (k - range.start) * places + place;
            let found = between[k].map(|one| (one, key(k * each), key(k * each + each - 1)));
            if self.dtype == self.round.dtype {
                bytemuck::cast_slice_mut(out)[at] = match found {
                    Some((one, low, high)) => one.element(low, high),
                    None => self.none::<T>(known, group)?,
                };
            } else {
                bytemuck::cast_slice_mut(out)[at] = match found {
                    Some((one, low, high)) => Between::of(one, low.as_f64(), high.as_f64()),
                    None => self.none::<f64>(known, group)?,
                };
            }
        }
        Ok(())
    }

    /// What there is where there is no element of a rank.
    fn none<T: Ranked>(&self, known: &Known, group: usize) -> Result<T> {
        match self.empty {
            Some(Empty { fill, .. }) => none(fill, known.count == Some(0), group),
            // Whole numbers are nothing only where versions are looked up, and what was counted is not read.
            None => Ok(T::from_f64(f64::NAN)),
        }
    }
}
