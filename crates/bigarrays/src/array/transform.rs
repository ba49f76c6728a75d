//! Which elements of a stored array a view shows, and under which coordinates.

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::config::{Config, Parameter};
use crate::chunk::grid::AxisSelection;

/// How one axis of an array is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// One coordinate; the axis is dropped.
    At(i64),
    /// The coordinates `start`, `start + step`, … before `stop`, all absolute. A bound left out is
    /// the end of the domain in the direction of `step`. Bounds may lie outside the domain, but must
    /// not run against the step.
    Slice {
        /// First coordinate.
        start: Option<i64>,
        /// The coordinate before which the slice ends.
        stop: Option<i64>,
        /// Distance, positive or negative, not zero.
        step: i64,
    },
}

impl Index {
    /// The whole axis.
    pub const ALL: Self = Self::Slice { start: None, stop: None, step: 1 };
}

impl From<i64> for Index {
    fn from(at: i64) -> Self {
        Self::At(at)
    }
}

impl From<std::ops::Range<i64>> for Index {
    fn from(range: std::ops::Range<i64>) -> Self {
        Self::Slice { start: Some(range.start), stop: Some(range.end), step: 1 }
    }
}

impl From<std::ops::RangeFull> for Index {
    fn from(_: std::ops::RangeFull) -> Self {
        Self::ALL
    }
}

/// Where a stored axis gets its coordinate from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisMap {
    /// It is fixed at this coordinate.
    Fixed(i64),
    /// It is `offset + step * i` for the coordinate `i` of the visible axis `axis`.
    Along {
        /// The visible axis.
        axis: usize,
        /// The stored coordinate of the visible coordinate zero.
        offset: i64,
        /// Distance between neighbours in stored coordinates, not zero.
        step: i64,
    },
}

impl AxisMap {
    /// The visible axis, if there is one.
    pub(super) fn axis(&self) -> Option<usize> {
        match *self {
            Self::Fixed(_) => None,
            Self::Along { axis, .. } => Some(axis),
        }
    }

    /// The stored coordinate, where `visible` gives the one along each visible axis; `None` if there is none.
    pub(super) fn stored(&self, visible: impl FnOnce(usize) -> i64) -> Option<i64> {
        match *self {
            Self::Fixed(at) => Some(at),
            Self::Along { axis, offset, step } => visible(axis).checked_mul(step)?.checked_add(offset),
        }
    }
}

/// The coordinates `start + k * step`, `k < count`, of a stored axis. `step` is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredAxis {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) count: u64,
    /// The visible axis it belongs to, if any.
    pub(super) visible: Option<usize>,
}

impl StoredAxis {
    /// The coordinate for the last `k`; of none, the first.
    pub(super) fn last(&self) -> i64 {
        self.start + (self.count.max(1) - 1) as i64 * self.step
    }
}

/// The selection of the coordinates of `axes`, each from the lowest on.
pub(super) fn ascending(axes: &[StoredAxis]) -> Dims<AxisSelection> {
    let one = |axis: &StoredAxis| AxisSelection {
        start: axis.start.min(axis.last()),
        count: axis.count,
        step: axis.step.unsigned_abs(),
    };
    axes.iter().map(one).collect()
}

/// For each stored axis the visible axis it belongs to.
pub(super) fn visible_axes(axes: &[StoredAxis]) -> Dims<Option<usize>> {
    axes.iter().map(|axis| axis.visible).collect()
}

/// The smallest box that holds the stored coordinates of `axes`.
pub(super) fn bounds(axes: &[StoredAxis]) -> Result<Domain> {
    let range =
        |axis: &StoredAxis| axis.start.min(axis.last())..axis.start.max(axis.last()).saturating_add(1);
    Domain::from_ranges(&axes.iter().map(range).collect::<Dims<_>>())
}

/// Visible coordinates and how they map to stored ones.
///
/// A slice with step `s` that starts at coordinate `c` starts at `floor(c / s)` in the view, so that
/// view coordinate `i` shows `s * i` plus a constant smaller than the step: the same rule that
/// relates the coordinates of a coarser scale to a finer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// The visible coordinates.
    pub domain: Domain,
    /// One map for each stored axis.
    pub axes: Dims<AxisMap>,
}

impl Transform {
    /// The view as plain data.
    pub fn config(&self) -> Config {
        let axis = |map: &AxisMap| match *map {
            AxisMap::Fixed(at) => Config::new("fixed").with("at", at),
            AxisMap::Along { axis, offset, step } => {
                Config::new("along").with("axis", axis).with("offset", offset).with("step", step)
            }
        };
        let axes: Parameter = self.axes.iter().map(axis).collect();
        Config::new("transform").with("domain", self.domain.to_string()).with("axes", axes)
    }

    pub(crate) fn identity(domain: &Domain) -> Self {
        let along = |axis| AxisMap::Along { axis, offset: 0, step: 1 };
        Self { domain: domain.clone(), axes: (0..domain.ndim()).map(along).collect() }
    }

    pub(crate) fn is_identity(&self) -> bool {
        self.axes.iter().enumerate().all(|(at, map)| *map == AxisMap::Along { axis: at, offset: 0, step: 1 })
    }

    /// An error unless every visible axis is that of one of the `stored` axes.
    pub(super) fn check(&self, stored: usize) -> Result<()> {
        let mut seen: Dims<usize> = Dims::new();
        for map in &self.axes {
            match *map {
                AxisMap::Along { axis, step, .. } if step != 0 && step != i64::MIN => seen.push(axis),
                AxisMap::Along { .. } => return Err(Error::invalid("a view with a step of zero")),
                AxisMap::Fixed(_) => {}
            }
        }
        seen.sort_unstable();
        if self.axes.len() == stored && seen.iter().copied().eq(0..self.domain.ndim()) {
            return self.stored_axes(&self.domain).map(drop);
        }
        Err(Error::invalid(format!("a view {self:?} of an array of {stored} axes")))
    }

    /// The view of this view that `indices`, one per visible axis, select.
    pub(crate) fn index(&self, indices: &[Index]) -> Result<Self> {
        if indices.len() != self.domain.ndim() {
            let (given, has) = (indices.len(), self.domain.ndim());
            return Err(Error::invalid(format!("{given} indices for an array of {has} axes")));
        }
        let mut ranges = Dims::new();
        let mut new_maps: Dims<AxisMap> = Dims::new();
        for (axis, index) in indices.iter().enumerate() {
            new_maps.push(match *index {
                Index::At(at) => AxisMap::Fixed(self.inside(axis, at)?),
                Index::Slice { start, stop, step } => {
                    let (range, offset) = self.slice(axis, start, stop, step)?;
                    ranges.push(range);
                    AxisMap::Along { axis: ranges.len() - 1, offset, step }
                }
            });
        }
        self.through(Domain::from_ranges(&ranges)?, &new_maps)
    }

    /// The view of this view that has the coordinates of `domain`, which `maps` takes to those of this one.
    pub(crate) fn through(&self, domain: Domain, maps: &[AxisMap]) -> Result<Self> {
        let axes = self.axes.iter().map(|map| compose(*map, maps)).collect::<Option<_>>();
        let axes = axes.ok_or_else(|| Error::invalid("the view leaves the range of coordinates"))?;
        Ok(Self { domain, axes })
    }

    fn inside(&self, axis: usize, at: i64) -> Result<i64> {
        let range = self.domain.range(axis);
        if range.contains(&at) {
            return Ok(at);
        }
        let hint =
            if at < 0 { " (indices are absolute coordinates: -1 is not the last element)" } else { "" };
        Err(Error::new(
            ErrorKind::OutOfBounds,
            format!("index {at} on axis {axis} is outside its domain {}:{}{hint}", range.start, range.end),
        ))
    }

    /// The visible range of a slice, and the offset that leads back to this view's coordinates.
    fn slice(
        &self,
        axis: usize,
        start: Option<i64>,
        stop: Option<i64>,
        step: i64,
    ) -> Result<(std::ops::Range<i64>, i64)> {
        let domain = self.domain.range(axis);
        let error = |why: &str| Err(Error::invalid(format!("slice on axis {axis}: {why}")));
        if step == 0 || step == i64::MIN {
            return error("the step must not be zero");
        }
        // Wide enough for what lies a step beyond the coordinates.
        let (low, high, step) = (i128::from(domain.start), i128::from(domain.end), i128::from(step));
        let (first, end) = if step > 0 { (low, high) } else { (high - 1, low - 1) };
        let (start, stop) = (start.map_or(first, i128::from), stop.map_or(end, i128::from));
        let distance = (stop - start) * step.signum();
        if distance < 0 {
            return error(&format!("{start}:{stop} runs against its step; bounds are absolute coordinates"));
        }
        let count = (distance + step.abs() - 1) / step.abs();
        // floor(start / step), for either sign of the step.
        let quotient = start / step;
        let origin = if start % step != 0 && (start < 0) != (step < 0) { quotient - 1 } else { quotient };
        match (i64::try_from(origin), i64::try_from(origin + count), i64::try_from(start - origin * step)) {
            (Ok(origin), Ok(end), Ok(offset)) => Ok((origin..end, offset)),
            _ => error("it ends beyond the coordinates"),
        }
    }

    /// The view with axis `k` being the old axis `axes[k]`.
    pub(super) fn permute(&self, axes: &[usize]) -> Result<Self> {
        let ndim = self.domain.ndim();
        if axes.len() != ndim || (0..ndim).any(|axis| !axes.contains(&axis)) {
            return Err(Error::invalid(format!("{axes:?} is not an order of {ndim} axes")));
        }
        let ranges: Vec<_> = axes.iter().map(|&axis| self.domain.range(axis)).collect();
        let position = |old: usize| axes.iter().position(|&axis| axis == old).unwrap_or(old);
        let moved = |map: &AxisMap| match *map {
            AxisMap::Along { axis, offset, step } => AxisMap::Along { axis: position(axis), offset, step },
            fixed @ AxisMap::Fixed(_) => fixed,
        };
        Ok(Self { domain: Domain::from_ranges(&ranges)?, axes: self.axes.iter().map(moved).collect() })
    }

    /// The same elements, with the visible coordinates moved by `offset`.
    pub(super) fn translate(&self, offset: &[i64]) -> Result<Self> {
        let domain = self.domain.translate(offset)?;
        let moved = |map: &AxisMap| match *map {
            AxisMap::Along { axis, offset: base, step } => {
                let base = step.checked_mul(offset[axis]).and_then(|by| base.checked_sub(by))?;
                Some(AxisMap::Along { axis, offset: base, step })
            }
            fixed @ AxisMap::Fixed(_) => Some(fixed),
        };
        let axes = self.axes.iter().map(moved).collect::<Option<_>>();
        let axes = axes.ok_or_else(|| Error::invalid("the view leaves the range of coordinates"))?;
        Ok(Self { domain, axes })
    }

    /// The stored coordinates of the box `part` of visible coordinates, per stored axis.
    pub(super) fn stored_axes(&self, part: &Domain) -> Result<Dims<StoredAxis>> {
        let stored = |map: &AxisMap| match *map {
            AxisMap::Fixed(at) => Some(StoredAxis { start: at, step: 1, count: 1, visible: None }),
            AxisMap::Along { axis, offset, step } => {
                let (first, count) = (part.origin()[axis], part.shape()[axis]);
                let start = first.checked_mul(step)?.checked_add(offset)?;
                let reach = i64::try_from(count.max(1) - 1).ok()?.checked_mul(step)?;
                start.checked_add(reach)?;
                Some(StoredAxis { start, step, count, visible: Some(axis) })
            }
        };
        let axes = self.axes.iter().map(stored).collect::<Option<_>>();
        axes.ok_or_else(|| Error::invalid(format!("box {part} leaves the range of coordinates")))
    }
}

/// The map of a stored axis through `outer`, which maps the axes that `map` refers to.
fn compose(map: AxisMap, outer: &[AxisMap]) -> Option<AxisMap> {
    let AxisMap::Along { axis, offset, step } = map else { return Some(map) };
    let through = |at: i64| step.checked_mul(at)?.checked_add(offset);
    Some(match outer[axis] {
        AxisMap::Fixed(at) => AxisMap::Fixed(through(at)?),
        AxisMap::Along { axis, offset: at, step: by } => {
            AxisMap::Along { axis, offset: through(at)?, step: step.checked_mul(by)? }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slice(start: i64, stop: i64, step: i64) -> Index {
        Index::Slice { start: Some(start), stop: Some(stop), step }
    }

    proptest! {
        /// A slice of a slice shows the elements that indexing twice would.
        #[test]
        fn slices_compose(
            start in -50i64..50, length in 0i64..60, step in prop_oneof![-7i64..0, 1i64..8],
            start2 in -3i64..20, length2 in 0i64..20, step2 in prop_oneof![-3i64..0, 1i64..4],
        ) {
            let base = Transform::identity(&"-100:100".parse().unwrap());
            let once = base.index(&[slice(start, start + length * step.signum(), step)]).unwrap();
            let expected: Vec<i64> = (0..).map(|k| start + k * step)
                .take_while(|at| (at - start).abs() < length).collect();
            let stored = once.stored_axes(&once.domain).unwrap()[0];
            let shown: Vec<i64> = (0..stored.count as i64).map(|k| stored.start + k * stored.step).collect();
            prop_assert_eq!(&shown, &expected);

            let first = once.domain.origin()[0] + start2;
            let twice = once.index(&[slice(first, first + length2 * step2.signum(), step2)]).unwrap();
            let stored = twice.stored_axes(&twice.domain).unwrap()[0];
            for k in 0..stored.count as i64 {
                let at = start2 + k * step2;
                prop_assert_eq!(stored.start + k * stored.step, start + at * step);
            }
        }
    }

    #[test]
    fn coordinates_are_kept_or_divided_by_the_step() {
        let base = Transform::identity(&"-10:10,0:5".parse().unwrap());
        assert_eq!(base.index(&[(-4..6).into(), Index::At(2)]).unwrap().domain.to_string(), "-4:6");
        assert_eq!(base.index(&[slice(-3, 6, 2), Index::ALL]).unwrap().domain.to_string(), "-2:3,0:5");
        let backwards = Index::Slice { start: None, stop: None, step: -1 };
        assert_eq!(base.index(&[backwards, Index::At(0)]).unwrap().domain.to_string(), "-9:11");
    }

    #[test]
    fn slices_at_the_ends_of_the_coordinates() {
        let low = Transform::identity(&Domain::new(&[i64::MIN], &[10]).unwrap());
        let backwards = low.index(&[Index::Slice { start: None, stop: None, step: -2 }]).unwrap();
        assert_eq!(backwards.domain.shape(), [5]);
        assert_eq!(low.index(&[slice(i64::MIN, i64::MIN + 10, 3)]).unwrap().domain.shape(), [4]);
        let high = Transform::identity(&Domain::new(&[i64::MAX - 10], &[10]).unwrap());
        assert_eq!(high.index(&[slice(i64::MAX, i64::MAX - 5, -3)]).unwrap().domain.shape(), [2]);
        assert!(high.index(&[slice(i64::MIN, i64::MAX, 1)]).is_err());
    }

    #[test]
    fn scalars_outside_say_what_an_index_means() {
        let base = Transform::identity(&"0:10".parse().unwrap());
        let error = base.index(&[Index::At(-1)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
        assert!(error.to_string().contains("absolute coordinates"));
        assert!(base.index(&[slice(0, 5, 0)]).is_err() && base.index(&[]).is_err());
        for reversed in
            [slice(7, -3, 1), slice(3, 7, -1), Index::Slice { start: None, stop: Some(-3), step: 1 }]
        {
            assert!(base.index(&[reversed]).unwrap_err().to_string().contains("absolute coordinates"));
        }
        assert!(base.index(&[slice(7, 7, 1)]).unwrap().domain.is_empty());
    }

    #[test]
    fn only_views_that_could_have_been_made_are_accepted() {
        let base = Transform::identity(&"0:4,10:15".parse().unwrap());
        let row = base.index(&[Index::At(2), slice(14, 9, -2)]).unwrap();
        assert!(base.check(2).is_ok() && row.check(2).is_ok());
        assert!(base.check(3).is_err());
        let changed = |axis, step| {
            let map = AxisMap::Along { axis, offset: 0, step };
            Transform { axes: [map, base.axes[1]].as_slice().into(), ..base.clone() }
        };
        assert!(changed(1, 1).check(2).is_err() && changed(2, 1).check(2).is_err());
        assert!(changed(0, 0).check(2).is_err() && changed(0, i64::MAX).check(2).is_err());
    }

    #[test]
    fn permuting_and_moving() {
        let base = Transform::identity(&"0:4,10:15".parse().unwrap());
        let moved = base.permute(&[1, 0]).unwrap().translate(&[100, -4]).unwrap();
        assert_eq!(moved.domain.to_string(), "110:115,-4:0");
        let stored = moved.stored_axes(&moved.domain).unwrap();
        assert_eq!((stored[0].start, stored[0].visible), (0, Some(1)));
        assert_eq!((stored[1].start, stored[1].visible), (10, Some(0)));
        assert!(base.permute(&[0, 0]).is_err());
    }
}
