//! Views of expressions: which elements of one another shows, and under which coordinates.

use std::ops::Range;
use std::sync::Arc;

use crate::array::{AxisMap, Index, Transform};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::infer::{Names, axis_of, is_repeated};

/// Where an axis of what is shown gets its coordinate from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// It is fixed at this coordinate.
    Fixed(i64),
    /// It is `offset + step * i` for the coordinate `i` of the visible axis `axis`.
    Along { axis: usize, offset: i64, step: i64 },
    /// It is one of these, in their order along the visible axis `axis`.
    Listed { axis: usize, coordinates: Arc<[i64]> },
}

impl Pick {
    /// The coordinates of the visible axis `axis`.
    pub(crate) fn same(axis: usize) -> Self {
        Self::Along { axis, offset: 0, step: 1 }
    }

    /// The visible axis, if there is one.
    pub(crate) fn axis(&self) -> Option<usize> {
        match *self {
            Self::Fixed(_) => None,
            Self::Along { axis, .. } | Self::Listed { axis, .. } => Some(axis),
        }
    }

    /// The same with another number of its visible axis.
    pub(crate) fn on(&self, other: usize) -> Self {
        let mut moved = self.clone();
        if let Self::Along { axis, .. } | Self::Listed { axis, .. } = &mut moved {
            *axis = other;
        }
        moved
    }
}

/// What a visible axis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// This axis of what is shown.
    Old(usize),
    /// One with these coordinates, along which elements are repeated.
    New(Range<i64>),
}

/// Visible coordinates, and for each axis of what is shown where its coordinates come from. No two axes are shown along the
/// same visible axis. Along visible axes that none is shown along, elements are repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) domain: Domain,
    pub(crate) picks: Dims<Pick>,
}

impl Mapping {
    /// What these picks show of what is over `shown`, under the coordinates of `domain`.
    ///
    /// # Errors
    /// `InvalidArgument` unless there is one for each axis, no two are along the same visible axis, and all coordinates are
    /// those of elements.
    pub(crate) fn checked(domain: Domain, picks: Dims<Pick>, shown: &Domain) -> Result<Self> {
        let other = || Error::invalid(format!("no view of {shown} is {picks:?} over {domain}"));
        let is_inside = |(pick, range): (&Pick, Range<i64>)| {
            let visible = |axis: usize| (axis < domain.ndim()).then(|| domain.range(axis));
            match pick {
                Pick::Fixed(at) => range.contains(at),
                Pick::Along { axis, offset, step } => visible(*axis).is_some_and(|own| {
                    let at = |at: i64| step.checked_mul(at)?.checked_add(*offset);
                    let ends = [at(own.start), own.end.checked_sub(1).and_then(at)];
                    *step != 0
                        && (own.is_empty() || ends.iter().all(|at| at.is_some_and(|at| range.contains(&at))))
                }),
                Pick::Listed { axis, coordinates } => visible(*axis).is_some_and(|own| {
                    own.end.abs_diff(own.start) == coordinates.len() as u64
                        && coordinates.iter().all(|at| range.contains(at))
                }),
            }
        };
        let mut seen: Vec<usize> = picks.iter().filter_map(Pick::axis).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        if picks.len() != shown.ndim()
            || seen.len() != count
            || !picks.iter().zip(shown.ranges()).all(is_inside)
        {
            return Err(other());
        }
        Ok(Self { domain, picks })
    }

    /// Whether all of `shown` is shown as it is, but for visible axes along which it is repeated.
    pub(crate) fn only_repeats(&self, shown: &Domain) -> bool {
        let is_same = |(pick, range): (&Pick, Range<i64>)| match *pick {
            Pick::Along { axis, offset: 0, step: 1 } => self.domain.range(axis) == range,
            _ => false,
        };
        self.picks.iter().zip(shown.ranges()).all(is_same)
    }

    /// What `indices`, one for each axis, select, as views of arrays do.
    ///
    /// # Errors
    /// Those of slicing an array.
    pub(crate) fn slice(domain: &Domain, indices: &[Index]) -> Result<Self> {
        let Transform { domain, axes } = Transform::identity(domain).index(indices)?;
        let pick = |map: &AxisMap| match *map {
            AxisMap::Fixed(at) => Pick::Fixed(at),
            AxisMap::Along { axis, offset, step } => Pick::Along { axis, offset, step },
        };
        Ok(Self { domain, picks: axes.iter().map(pick).collect() })
    }

    /// The same elements at coordinates moved by `offset`.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many offsets as axes, or coordinates leave their range.
    pub(crate) fn translation(domain: &Domain, offset: &[i64]) -> Result<Self> {
        let domain = domain.translate(offset)?;
        let back = |(axis, by): (usize, &i64)| Pick::Along { axis, offset: by.wrapping_neg(), step: 1 };
        Ok(Self { domain, picks: offset.iter().enumerate().map(back).collect() })
    }

    /// Axis `k` is `axes[k]`.
    ///
    /// # Errors
    /// `InvalidArgument` unless each old axis is named once.
    pub(crate) fn arranged(domain: &Domain, axes: &[Placed]) -> Result<Self> {
        let old = |axis: &Placed| if let Placed::Old(axis) = axis { Some(*axis) } else { None };
        let named: Vec<usize> = axes.iter().filter_map(old).collect();
        if named.len() != domain.ndim() || (0..domain.ndim()).any(|axis| !named.contains(&axis)) {
            return Err(Error::invalid(format!("{named:?} is not an order of {} axes", domain.ndim())));
        }
        let range = |axis: &Placed| match axis {
            Placed::Old(old) => domain.range(*old),
            Placed::New(range) => range.clone(),
        };
        let place = |old: usize| axes.iter().position(|axis| *axis == Placed::Old(old)).unwrap_or(old);
        Ok(Self {
            domain: Domain::from_ranges(&axes.iter().map(range).collect::<Dims<_>>())?,
            picks: (0..domain.ndim()).map(|old| Pick::same(place(old))).collect(),
        })
    }

    /// These coordinates of one axis, in their order, and all of the others. They are at 0, 1, … then.
    ///
    /// # Errors
    /// `OutOfBounds` if one is outside the domain.
    pub(crate) fn take(domain: &Domain, axis: usize, coordinates: &[i64]) -> Result<Self> {
        let range = domain.range(axis);
        if let Some(outside) = coordinates.iter().find(|at| !range.contains(at)) {
            let (start, end) = (range.start, range.end);
            let reason = format!("index {outside} on axis {axis} is outside its domain {start}:{end}");
            return Err(Error::new(crate::base::error::ErrorKind::OutOfBounds, reason));
        }
        let mut ranges: Dims<Range<i64>> = domain.ranges().collect();
        ranges[axis] = 0..coordinates.len() as i64;
        let mut picks: Dims<Pick> = (0..domain.ndim()).map(Pick::same).collect();
        picks[axis] = Pick::Listed { axis, coordinates: coordinates.into() };
        Ok(Self { domain: Domain::from_ranges(&ranges)?, picks })
    }

    /// Whether all of `domain` is shown as it is.
    pub(crate) fn is_identity(&self, domain: &Domain) -> bool {
        self.domain == *domain && self.picks.iter().enumerate().all(|(axis, pick)| *pick == Pick::same(axis))
    }

    /// Whether elements follow each other as they do in what is shown, forward or backward.
    pub(crate) fn is_plain(&self) -> bool {
        let is_plain = |pick: &Pick| match pick {
            Pick::Fixed(_) => true,
            Pick::Along { step, .. } => step.unsigned_abs() == 1,
            Pick::Listed { .. } => false,
        };
        self.picks.iter().all(is_plain)
    }

    /// The axes that are shown backward.
    pub(crate) fn backward(&self) -> impl Iterator<Item = usize> + '_ {
        let is_backward = |pick: &Pick| matches!(pick, Pick::Along { step, .. } if *step < 0);
        self.picks.iter().enumerate().filter(move |(_, pick)| is_backward(pick)).map(|(axis, _)| axis)
    }

    /// An axis of which coordinates are listed.
    pub(crate) fn listed(&self) -> Option<usize> {
        self.picks.iter().position(|pick| matches!(pick, Pick::Listed { .. }))
    }

    /// Whether an axis is shown along this visible one.
    pub(crate) fn varies(&self, visible: usize) -> bool {
        self.shown_along(visible).is_some()
    }

    /// The axis that is shown along this visible one.
    pub(crate) fn shown_along(&self, visible: usize) -> Option<usize> {
        self.picks.iter().position(|pick| pick.axis() == Some(visible))
    }

    /// The visible axes along which an axis is shown, ascending.
    pub(crate) fn varying(&self) -> Dims<usize> {
        (0..self.domain.ndim()).filter(|&axis| self.varies(axis)).collect()
    }

    /// The view that `outer` is of this one.
    ///
    /// # Errors
    /// `InvalidArgument` if coordinates leave their range.
    pub(crate) fn then(&self, outer: &Self) -> Result<Self> {
        let pick = |pick: &Pick| self.pick_through(pick, outer);
        let picks = self.picks.iter().map(pick).collect::<Option<_>>();
        let picks = picks.ok_or_else(|| Error::invalid("the view leaves the range of coordinates"))?;
        Ok(Self { domain: outer.domain.clone(), picks })
    }

    fn pick_through(&self, pick: &Pick, outer: &Self) -> Option<Pick> {
        let Some(visible) = pick.axis() else { return Some(pick.clone()) };
        let through = |at: i64| match pick {
            Pick::Fixed(at) => Some(*at),
            Pick::Along { offset, step, .. } => step.checked_mul(at)?.checked_add(*offset),
            Pick::Listed { coordinates, .. } => {
                let place = at.checked_sub(self.domain.origin()[visible])?;
                coordinates.get(usize::try_from(place).ok()?).copied()
            }
        };
        Some(match (&outer.picks[visible], pick) {
            (Pick::Fixed(at), _) => Pick::Fixed(through(*at)?),
            (Pick::Along { axis, offset, step }, Pick::Along { step: by, .. }) => {
                Pick::Along { axis: *axis, offset: through(*offset)?, step: by.checked_mul(*step)? }
            }
            (Pick::Along { axis, offset, step }, _) => {
                let all =
                    outer.domain.range(*axis).map(|at| through(step.checked_mul(at)?.checked_add(*offset)?));
                Pick::Listed { axis: *axis, coordinates: all.collect::<Option<_>>()? }
            }
            (Pick::Listed { axis, coordinates }, _) => {
                let all = coordinates.iter().map(|at| through(*at));
                Pick::Listed { axis: *axis, coordinates: all.collect::<Option<_>>()? }
            }
        })
    }

    /// What this view of a function's result, over `whole`, shows of an argument over `argument`. Leading axes that the
    /// argument has not are left out.
    pub(crate) fn of_argument(&self, argument: &Domain, whole: &Domain) -> Result<Self> {
        let pick = |axis: usize| {
            let at = axis_of(axis, argument.ndim(), whole.ndim());
            match is_repeated(argument.shape()[axis], whole.shape()[at]) {
                true => Pick::Fixed(argument.origin()[axis]),
                false => self.picks[at].clone(),
            }
        };
        let all = Self { domain: self.domain.clone(), picks: (0..argument.ndim()).map(pick).collect() };
        let first = all.varying().first().copied().unwrap_or(all.domain.ndim());
        let ranges: Dims<_> = all.domain.ranges().skip(first).collect();
        let moved = |pick: &Pick| pick.axis().map_or_else(|| pick.clone(), |axis| pick.on(axis - first));
        Ok(Self { domain: Domain::from_ranges(&ranges)?, picks: all.picks.iter().map(moved).collect() })
    }

    /// The chunks of what is shown along visible axes.
    pub(crate) fn visible_grid(&self, grid: &[(i64, u64)]) -> Dims<(i64, u64)> {
        let domain = &self.domain;
        let mut found: Dims<(i64, u64)> =
            domain.ranges().map(|range| (range.start, range.end.abs_diff(range.start).max(1))).collect();
        for (pick, &(origin, length)) in self.picks.iter().zip(grid) {
            if let Pick::Along { axis, offset, step } = *pick {
                let first = origin.saturating_sub(offset).div_euclid(step);
                found[axis] = (first, (length / step.unsigned_abs()).max(1));
            }
        }
        found
    }

    /// How many elements before and behind visible ones are needed, where of what is shown so many are.
    pub(crate) fn visible_halo(&self, halo: &[(u64, u64)]) -> Dims<(u64, u64)> {
        let mut found = Dims::from_elem((0, 0), self.domain.ndim());
        for (pick, &(before, behind)) in self.picks.iter().zip(halo) {
            if let Pick::Along { axis, step, .. } = *pick {
                let visible = |count: u64| count.div_ceil(step.unsigned_abs().max(1));
                let both = (visible(before), visible(behind));
                found[axis] = if step < 0 { (both.1, both.0) } else { both };
            }
        }
        found
    }

    /// The lengths of the box of what is shown that so many visible elements need.
    pub(crate) fn shown(&self, lengths: &[u64]) -> Dims<u64> {
        let one = |pick: &Pick| match pick {
            Pick::Fixed(_) => 1,
            Pick::Along { axis, step, .. } => {
                (lengths[*axis].max(1) - 1).saturating_mul(step.unsigned_abs()).saturating_add(1)
            }
            Pick::Listed { axis, .. } => lengths[*axis],
        };
        self.picks.iter().map(one).collect()
    }

    /// The shortest range that has all coordinates that are shown of an axis.
    pub(crate) fn shown_range(&self, pick: &Pick) -> Range<i64> {
        let hull = |all: &mut dyn Iterator<Item = i64>| {
            let ends = all.fold(None, |ends: Option<(i64, i64)>, at| {
                Some(ends.map_or((at, at), |(low, high)| (low.min(at), high.max(at))))
            });
            ends.map_or(0..0, |(low, high)| low..high.saturating_add(1))
        };
        match pick {
            Pick::Fixed(at) => *at..at.saturating_add(1),
            Pick::Along { axis, offset, step } => {
                let range = self.domain.range(*axis);
                let ends =
                    [range.start, range.end.saturating_sub(1)].into_iter().filter(|_| !range.is_empty());
                hull(&mut ends.map(|at| offset.saturating_add(step.saturating_mul(at))))
            }
            Pick::Listed { coordinates, .. } => hull(&mut coordinates.iter().copied()),
        }
    }

    /// The names of the visible axes.
    pub(crate) fn names(&self, shown: &[Option<String>]) -> Names {
        let of = |visible: usize| shown.get(self.shown_along(visible)?).cloned().flatten();
        (0..self.domain.ndim()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    #[test]
    fn views_of_views_are_views() {
        let whole = domain("-5:5,0:8");
        let turned = Mapping::arranged(&whole, &[Placed::Old(1), Placed::New(3..6), Placed::Old(0)]).unwrap();
        assert_eq!(turned.domain, domain("0:8,3:6,-5:5"));
        let indices = [Index::At(7), Index::ALL, Index::Slice { start: Some(4), stop: Some(-5), step: -3 }];
        let sliced = turned.then(&Mapping::slice(&turned.domain, &indices).unwrap()).unwrap();
        assert_eq!(sliced.domain, domain("3:6,-2:1"));
        assert_eq!(sliced.picks[1], Pick::Fixed(7));
        assert_eq!(sliced.picks[0], Pick::Along { axis: 1, offset: -2, step: -3 });
        assert_eq!(sliced.varying()[..], [1]);
        let taken = sliced.then(&Mapping::take(&sliced.domain, 1, &[0, -2, 0]).unwrap()).unwrap();
        assert_eq!(taken.picks[0], Pick::Listed { axis: 1, coordinates: [-2, 4, -2].into() });
        let back =
            taken.then(&Mapping::slice(&taken.domain, &[Index::At(3), Index::from(1..3)]).unwrap()).unwrap();
        assert_eq!(back.picks[0], Pick::Listed { axis: 0, coordinates: [4, -2].into() });
        assert!(
            Mapping::take(&whole, 0, &[5]).is_err() && Mapping::arranged(&whole, &[Placed::Old(0)]).is_err()
        );
    }

    #[test]
    fn arguments_keep_what_they_have() {
        let whole = domain("0:4,2:6,0:9");
        let view = Mapping::slice(&whole, &[Index::from(1..3), Index::At(3), Index::from(4..9)]).unwrap();
        let of = |argument: &str| view.of_argument(&domain(argument), &whole).unwrap();
        assert_eq!(of("0:9").domain, domain("4:9"));
        assert_eq!(
            of("2:6,7:8"),
            Mapping {
                domain: Domain::from_shape(&[]).unwrap(),
                picks: [Pick::Fixed(3), Pick::Fixed(7)].as_slice().into()
            }
        );
        let column = of("0:4,0:1,0:1");
        assert_eq!((column.domain.clone(), column.varying()[..].to_vec()), (domain("1:3,4:9"), vec![0]));
    }
}
