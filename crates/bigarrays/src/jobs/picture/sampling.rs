//! Which elements become pixels: the nearest, of the coarsest scale that has enough of them.

use crate::array::{Array, AxisMap, Coordinates, OutsidePoints};
use crate::base::buffer::{Order, Region, ViewMut};
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ChunkSpec;
use crate::jobs::picture::shown::Shown;

/// The least that reading a part of a chunk costs, in bytes.
const PAGE: u64 = 4096;

/// The elements along an axis of which pixels are made: `count` of `length`, from `first` on, each for as many pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) first: i64,
    pub(super) length: u64,
    pub(super) pixels: usize,
    /// How many different elements are taken.
    pub(super) count: usize,
}

/// The one of `length` in whose middle the middle of the `k`-th of `count` equal parts lies.
fn nearest(k: usize, count: usize, length: u64) -> u64 {
    let middle = (2 * k as u128 + 1) * u128::from(length) / (2 * count as u128);
    middle as u64
}

impl Side {
    pub(super) fn new(first: i64, length: u64, pixels: usize) -> Self {
        Self { first, length, pixels, count: pixels }
    }

    /// The coordinate of each pixel.
    fn coordinates(&self) -> Vec<i64> {
        let one = |pixel: usize| {
            let taken = nearest(pixel, self.pixels, self.count as u64) as usize;
            self.first.saturating_add_unsigned(nearest(taken, self.count, self.length))
        };
        (0..self.pixels).map(one).collect()
    }
}

/// How coordinates along an axis become those of another scale, or of other labels.
#[derive(Clone, Copy, Debug)]
struct Along {
    /// Where both begin.
    from: i64,
    to: i64,
    /// How many elements one is as long as.
    factor: f64,
}

impl Along {
    /// These, and from there on those of a scale whose elements are so many times as long; both begin at the same place.
    fn then(&self, from: i64, to: i64, step: f64) -> Self {
        let before = (from.saturating_sub(self.to)) as f64 * self.factor;
        Self { from: self.from.saturating_add(before.round() as i64), to, factor: self.factor * step }
    }

    /// The coordinate of the element that has the middle of the element `at`.
    fn of(&self, at: i64) -> i64 {
        if self.factor == 1.0 {
            return at.saturating_sub(self.from).saturating_add(self.to);
        }
        let middle = (at.saturating_sub(self.from)) as f64 + 0.5;
        self.to.saturating_add((middle / self.factor).floor() as i64)
    }
}

/// An array that pixels are read from, and where its elements are for coordinates of what is shown.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) array: Array,
    /// The axis of what is shown that each of its own is.
    axes: Dims<usize>,
    along: Dims<Along>,
}

impl Layer {
    /// The array that is shown itself.
    pub(super) fn of(array: &Array) -> Self {
        let same = Along { from: 0, to: 0, factor: 1.0 };
        Self {
            array: array.clone(),
            axes: (0..array.ndim()).collect(),
            along: Dims::from_elem(same, array.ndim()),
        }
    }

    /// Labels over an array: at the same coordinates, or in the same place in space. They have as many axes, or some of the
    /// array's, by their names.
    pub(super) fn over(array: &Array, labels: &Array) -> Result<Self> {
        let mut layer = Self::of(labels);
        if labels.ndim() != array.ndim() {
            let (own, its) = (array.axis_names(), labels.axis_names());
            let known = its.iter().map(|name| own.iter().position(|known| known == name)).collect();
            let none = || format!("labels with the axes {} over {}", its.join(","), own.join(","));
            let known: Option<Dims<usize>> = known;
            layer.axes = known.ok_or_else(|| Error::invalid(none()).at(labels.url()))?;
        }
        let (Some(own), Some(its)) = (array.resolution(), labels.resolution()) else { return Ok(layer) };
        if own.unit == its.unit {
            let from_zero = array.scales_begin_at_zero().unwrap_or(true);
            for (axis, along) in layer.along.iter_mut().enumerate() {
                let below = layer.axes[axis];
                along.factor = factor(its.size[axis] / own.size[below]);
                if !from_zero && along.factor != 1.0 {
                    (along.from, along.to) = (array.domain().origin()[below], labels.domain().origin()[axis]);
                }
            }
        }
        Ok(layer)
    }

    /// The same at coarser scales, from the next on. None of a view that has other coordinates than what is stored.
    pub(super) fn coarser(&self) -> Result<Vec<Self>> {
        let is_stored = self.array.transform().axes.iter().enumerate().all(
            |(stored, map)| matches!(*map, AxisMap::Along { axis, offset: 0, step: 1 } if axis == stored),
        );
        let (scales, own) = (self.array.scales(), self.array.scale());
        let Some(finest) = scales.get(own).filter(|_| is_stored) else { return Ok(Vec::new()) };
        let from_zero = match scales.len() > own + 1 {
            true => self.array.scales_begin_at_zero()?,
            false => true,
        };
        let one = |(position, scale): (usize, &crate::format::Scale)| {
            let mut along = Dims::new();
            for (axis, before) in self.along.iter().enumerate() {
                let step = factor(scale.resolution.size[axis] / finest.resolution.size[axis]);
                let is_moved = !from_zero && step != 1.0;
                along.push(match is_moved {
                    true => before.then(finest.domain.origin()[axis], scale.domain.origin()[axis], step),
                    false => Along { factor: before.factor * step, ..*before },
                });
            }
            Ok(Self { array: self.array.open_scale(position)?, axes: self.axes.clone(), along })
        };
        scales.iter().enumerate().skip(own + 1).map(one).collect()
    }

    /// Whether it has this axis of what is shown.
    pub(super) fn has(&self, axis: usize) -> bool {
        self.axes.contains(&axis)
    }

    /// How many elements of what is shown one of this is as long as along an axis.
    pub(super) fn factor(&self, axis: usize) -> f64 {
        let own = self.axes.iter().position(|known| *known == axis);
        own.map_or(1.0, |own| self.along[own].factor)
    }

    /// The coordinates of elements along each axis, for one plane or several.
    pub(super) fn coordinates(&self, shown: &Shown, sides: [Side; 2], planes: &[i64]) -> Dims<Vec<i64>> {
        let of_axis = |own: usize| -> Vec<i64> {
            let listed = match self.axes[own] {
                axis if axis == shown.axes[0] => sides[0].coordinates(),
                axis if axis == shown.axes[1] => sides[1].coordinates(),
                axis => match (&shown.channels, &shown.planes) {
                    (Some((channels, all)), _) if *channels == axis => all.clone(),
                    (_, Some((along, _))) if *along == axis => planes.to_vec(),
                    _ => vec![shown.fixed[axis]],
                },
            };
            listed.into_iter().map(|at| self.along[own].of(at)).collect()
        };
        (0..self.array.ndim()).map(of_axis).collect()
    }

    /// About how many bytes of elements are decoded to have the elements at these coordinates: whole chunks, or of those of
    /// which parts can be read a box in each.
    pub(super) fn cost(&self, coordinates: &[Vec<i64>]) -> Result<u64> {
        let (layout, grid) = (self.array.layout(), self.array.chunk_grid()?);
        let chunk = layout.grid.chunk_shape();
        let spec =
            ChunkSpec { dtype: layout.dtype, shape: chunk.iter().map(|&length| length as usize).collect() };
        let one = Region::whole(&Dims::from_elem(1, chunk.len()));
        let is_ranged = layout.codecs.ranges(&spec, &one).is_some();
        let (mut elements, mut chunks) = (1u64, 1u64);
        for (axis, &(start, length)) in grid.iter().enumerate() {
            let domain = self.array.domain().range(axis);
            let mut inside: Vec<i64> =
                coordinates[axis].iter().copied().filter(|at| domain.contains(at)).collect();
            inside.sort_unstable();
            let number = |at: &i64| (i128::from(*at) - i128::from(start)).div_euclid(i128::from(length));
            let of_chunk = |group: &[i64]| match is_ranged {
                true => group[0].abs_diff(group[group.len() - 1]) + 1,
                false => length,
            };
            let groups = || inside.chunk_by(|one, next| number(one) == number(next));
            elements = elements.saturating_mul(groups().map(of_chunk).sum());
            chunks = chunks.saturating_mul(groups().count() as u64);
        }
        // Stored axes that the view does not show.
        let hidden = self.array.transform().axes.iter().enumerate();
        let hidden = hidden.filter(|(_, map)| matches!(map, AxisMap::Fixed(_)) && !is_ranged);
        let elements = hidden.fold(elements, |all, (stored, _)| all.saturating_mul(chunk[stored]));
        let bytes = elements.saturating_mul(layout.dtype.size() as u64);
        Ok(if is_ranged { bytes.max(chunks.saturating_mul(PAGE)) } else { bytes })
    }

    /// Reads the elements at these coordinates; in the result, the axes of what is shown go down and to the right, and the
    /// others before them, channels last of these.
    pub(super) fn read(&self, shown: &Shown, coordinates: &[Vec<i64>]) -> Result<Vec<u8>> {
        let channels = shown.channels.as_ref().map(|(axis, _)| *axis);
        let last = |axis: &usize| {
            let place = [channels, Some(shown.axes[0]), Some(shown.axes[1])];
            place.iter().position(|known| *known == Some(self.axes[*axis])).map_or(0, |place| place + 1)
        };
        let mut axes: Vec<usize> = (0..self.array.ndim()).collect();
        axes.sort_by_key(last);
        let array = self.array.permute(&axes)?;
        let listed: Vec<Coordinates<'_>> =
            axes.iter().map(|&axis| Coordinates::At(&coordinates[axis])).collect();
        let shape: Vec<usize> = axes.iter().map(|&axis| coordinates[axis].len()).collect();
        let item = array.dtype().size();
        let mut bytes = vec![0; shape.iter().product::<usize>() * item];
        let out = ViewMut::dense(&mut bytes, &shape, item, Order::C)?;
        array.read_outer_into(&listed, out, OutsidePoints::Fill)?;
        Ok(bytes)
    }

    /// Whether each pixel lies in the domain, down, and to the right.
    pub(super) fn inside(&self, shown: &Shown, coordinates: &[Vec<i64>]) -> [Vec<bool>; 2] {
        shown.axes.map(|axis| {
            let axis = self.axes.iter().position(|known| *known == axis).unwrap_or(axis);
            let domain = self.array.domain().range(axis);
            coordinates[axis].iter().map(|at| domain.contains(at)).collect()
        })
    }
}

/// A factor of which rounding is taken away.
fn factor(of: f64) -> f64 {
    if (of - of.round()).abs() < 1e-6 * of && of.round() >= 1.0 { of.round() } else { of }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_those_in_the_middle_of_pixels() {
        let side = |length, pixels| Side::new(-3, length, pixels).coordinates();
        assert_eq!(side(4, 4), [-3, -2, -1, 0]);
        assert_eq!(side(4, 2), [-2, 0]);
        assert_eq!(side(5, 2), [-2, 0]);
        assert_eq!(side(2, 5), [-3, -3, -2, -2, -2]);
        let few = Side { count: 2, ..Side::new(0, 8, 4) };
        assert_eq!(few.coordinates(), [2, 2, 6, 6]);
    }

    #[test]
    fn coordinates_of_coarser_scales_round_down() {
        let half = Along { from: 0, to: 0, factor: 2.0 };
        assert_eq!([-3, -2, -1, 0, 1, 2].map(|at| half.of(at)), [-2, -1, -1, 0, 0, 1]);
        let from_first = Along { from: 3, to: 0, factor: 2.0 };
        assert_eq!([3, 4, 5, 6].map(|at| from_first.of(at)), [0, 0, 1, 1]);
    }
}
