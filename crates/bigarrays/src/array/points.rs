//! Single elements at any points: each chunk that has some of them is read, or changed, once.

use std::ops::Range;
use std::sync::Mutex;

use ndarray::{ArrayView1, ArrayView2};

use crate::array::decode::decode;
use crate::array::read::{Take, fetch};
use crate::array::stored::Stored;
use crate::array::write::change_chunk;
use crate::array::{Array, AxisMap, Cutout};
use crate::base::buffer::{Order, Region, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::{Blob, Update};

/// Chunks that are asked for at once.
const BATCH: usize = 1 << 12;

/// A box around the points in a chunk is decoded rather than all of it where it is so much smaller.
const SMALLER: usize = 4;

/// The result of reading a point outside of the domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutsidePoints {
    /// It is an error.
    #[default]
    Error,
    /// It reads as the fill value.
    Fill,
}

impl Array {
    /// Reads the elements at `points`, one a row with a coordinate an axis, in their order. Each chunk is read and
    /// decoded at most once, by all threads; memory is that of the points and of a chunk a thread.
    ///
    /// ```
    /// use bigarrays::{CreateSpec, DataType, OpenOptions, OutsidePoints, ndarray::{Array2, array}};
    ///
    /// let spec = CreateSpec::new(DataType::U16, "0:100,0:80".parse()?);
    /// let array = OpenOptions::new().format("zarr3").create("memory://points", &spec)?;
    /// array.write(&[10, 20], Array2::<u16>::from_elem((5, 5), 7).view())?;
    /// let values: Vec<u16> = array.read_points(array![[12, 22], [0, 0], [14, 20]].view(), OutsidePoints::Error)?;
    /// assert_eq!(values, [7, 0, 7]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not the array's type or points have another number of axes; `OutOfBounds` naming the
    /// first point outside of the domain, unless that reads as fill; `CorruptData` or a storage error naming the chunk;
    /// `Unsupported` for an array without axes, or in whose grid there are more than 2^128 chunks.
    pub fn read_points<T: Element>(
        &self,
        points: ArrayView2<'_, i64>,
        outside: OutsidePoints,
    ) -> Result<Vec<T>> {
        self.expect_type(T::DTYPE)?;
        let points = points.as_standard_layout();
        let coordinates = points.as_slice().unwrap_or_default();
        self.expect_axes(points.ncols())?;
        let all = Domain::from_shape(&[points.nrows() as u64])?;
        let read = Cutout::filled_by(&all, Order::C, |mut out| match out.as_dense_mut(Order::C) {
            Some(bytes) => self.read_points_into(coordinates, bytes, outside),
            None => Err(Error::invalid("a new array is not dense")),
        })?;
        Ok(read.into_data().into_iter().collect())
    }

    /// As [`Array::read_points`], of coordinates one point after the other, into the bytes of the elements.
    ///
    /// # Errors
    /// As [`Array::read_points`]; `InvalidArgument` if there is another number of coordinates or bytes.
    pub fn read_points_into(&self, points: &[i64], out: &mut [u8], outside: OutsidePoints) -> Result<()> {
        let layout = &self.stored.layout;
        let item = layout.dtype.size();
        self.expect_bytes(points, out.len())?;
        let placed = self.placed(points, layout, outside)?;
        let mut sorted = Vec::new();
        let sorted = try_first_bytes(&mut sorted, placed.order.len() * item)?;
        let groups = placed.groups();
        let mut rest = &mut sorted[..];
        let mut slots = Vec::with_capacity(groups.len());
        for group in &groups {
            let (own, others) = rest.split_at_mut(group.len() * item);
            slots.push(Mutex::new(own));
            rest = others;
        }
        for first in (0..groups.len()).step_by(BATCH) {
            let batch = &groups[first..groups.len().min(first + BATCH)];
            let parts: Vec<ChunkProjection> =
                batch.iter().map(|group| placed.part(layout, group.clone())).collect();
            let decode = |part: &ChunkProjection, blob: Blob<'_>, out: &mut ViewMut<'_>| {
                decode(layout, part, blob, out)
            };
            fetch(&self.stored, &parts, &decode, &|position, take| {
                let out = &mut **slots[first + position].locked();
                placed.read_chunk(layout, batch[position].clone(), &parts[position], take, out)
            })?;
        }
        drop(slots);
        out.chunks_exact_mut(item).for_each(|element| element.copy_from_slice(layout.fill.as_bytes()));
        for (&position, element) in placed.order.iter().zip(sorted.chunks_exact(item)) {
            out[position * item..(position + 1) * item].copy_from_slice(element);
        }
        Ok(())
    }

    /// Writes `values` to `points`, one a row with a coordinate an axis. Each chunk is changed once, so that no other
    /// writer's change is lost; of points that are there twice, the last counts.
    ///
    /// # Errors
    /// As [`Array::write`]; `OutOfBounds` naming the first point outside of the domain, and then nothing was written;
    /// `Unsupported` as [`Array::read_points`].
    pub fn write_points<T: Element>(&self, points: ArrayView2<'_, i64>, values: &[T]) -> Result<()> {
        self.expect_type(T::DTYPE)?;
        let points = points.as_standard_layout();
        self.expect_axes(points.ncols())?;
        let values = View::of_array(&ArrayView1::from(values));
        self.write_points_from(
            points.as_slice().unwrap_or_default(),
            values.as_dense(Order::C).unwrap_or_default(),
        )
    }

    /// As [`Array::write_points`], of coordinates one point after the other, from the bytes of the elements.
    ///
    /// # Errors
    /// As [`Array::write_points`]; `InvalidArgument` if there is another number of coordinates or bytes.
    pub fn write_points_from(&self, points: &[i64], values: &[u8]) -> Result<()> {
        if self.stored.options.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "the array was opened read-only").at(self.url()));
        }
        self.expect_bytes(points, values.len())?;
        for layout in self.stored.layouts() {
            let placed = self.placed(points, layout, OutsidePoints::Error)?;
            for batch in placed.groups().chunks(BATCH) {
                write_groups(&self.stored, layout, &placed, batch, values)?;
            }
        }
        Ok(())
    }

    fn expect_axes(&self, axes: usize) -> Result<()> {
        if axes == self.ndim() {
            return Ok(());
        }
        Err(Error::invalid(format!("points of {axes} coordinates in an array of {} axes", self.ndim())))
    }

    /// An error unless there are `bytes` for the elements at `points`.
    fn expect_bytes(&self, points: &[i64], bytes: usize) -> Result<()> {
        self.expect_sized()?;
        let (ndim, item) = (self.ndim(), self.dtype().size());
        if ndim == 0 {
            return Err(Error::unsupported("points of an array without axes"));
        }
        if points.len().is_multiple_of(ndim) && (points.len() / ndim).checked_mul(item) == Some(bytes) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "{} coordinates along {ndim} axes, and {bytes} bytes of elements of {item}",
            points.len()
        )))
    }

    /// The points in stored coordinates, by the chunks of `layout` that they lie in.
    fn placed(&self, points: &[i64], layout: &Layout, outside: OutsidePoints) -> Result<Placed> {
        let (ndim, grid) = (self.ndim(), layout.grid.shape());
        let places = grid.iter().try_fold(1u128, |all, &length| all.checked_mul(u128::from(length)));
        places
            .ok_or_else(|| Error::unsupported("points in a grid of more than 2^128 chunks").at(self.url()))?;
        let axes = layout.domain().ndim();
        let mut placed = Placed { axes, stored: Vec::new(), keys: Vec::new(), order: Vec::new() };
        for (position, point) in points.chunks_exact(ndim).enumerate() {
            let Some(at) = self.stored_point(point, layout) else {
                if outside == OutsidePoints::Error {
                    let (text, domain) =
                        (point.iter().map(i64::to_string).collect::<Vec<_>>().join(","), self.domain());
                    let message = format!("point {position}, {text}, lies outside the domain {domain}");
                    return Err(Error::new(ErrorKind::OutOfBounds, message).at(self.url()));
                }
                continue;
            };
            let mut key = 0;
            for (axis, &length) in grid.iter().enumerate().rev() {
                key = key * u128::from(length) + u128::from(at[axis] / layout.grid.chunk_shape()[axis]);
            }
            placed.keys.push(key);
            placed.order.push(position);
            placed.stored.extend(at);
        }
        placed.sort();
        Ok(placed)
    }

    /// Where a point of this view is in what is stored, from the first element on; `None` if it is outside.
    fn stored_point(&self, point: &[i64], layout: &Layout) -> Option<Dims<u64>> {
        let is_inside = point.iter().zip(self.domain().ranges()).all(|(at, range)| range.contains(at));
        let one = |(axis, map): (usize, &AxisMap)| {
            let at = match *map {
                AxisMap::Fixed(at) => at,
                AxisMap::Along { axis, offset, step } => {
                    point[axis].checked_mul(step)?.checked_add(offset)?
                }
            };
            let range = layout.domain().range(axis);
            range.contains(&at).then(|| at.abs_diff(range.start))
        };
        if is_inside { self.view.axes.iter().enumerate().map(one).collect() } else { None }
    }
}

/// Points by the chunks that they lie in.
struct Placed {
    /// The number of stored axes.
    axes: usize,
    /// The place of each point from the first stored element on, in the order of `order`.
    stored: Vec<u64>,
    /// The number of each point's chunk.
    keys: Vec<u128>,
    /// The position of each among those that were given.
    order: Vec<usize>,
}

impl Placed {
    /// Decodes `part` of a chunk, and copies the elements of a group of points in it to `out`.
    fn read_chunk(
        &self,
        layout: &Layout,
        group: Range<usize>,
        part: &ChunkProjection,
        take: &Take<'_>,
        out: &mut [u8],
    ) -> Result<()> {
        let (shape, item) = (&part.in_chunk.count, layout.dtype.size());
        with_scratch(|scratch| {
            let length = shape.iter().product::<usize>().saturating_mul(item);
            let bytes = try_first_bytes(scratch, length)?;
            if !take(&mut ViewMut::dense(bytes, shape, item, layout.order)?)? {
                let fill = layout.fill.as_bytes();
                out.chunks_exact_mut(item).for_each(|element| element.copy_from_slice(fill));
                return Ok(());
            }
            let strides = strides(shape, layout.order);
            for (k, element) in group.zip(out.chunks_exact_mut(item)) {
                let at = self.offset(layout, k, part, &strides) * item;
                element.copy_from_slice(&bytes[at..at + item]);
            }
            Ok(())
        })
    }

    /// Brings points of one chunk together; those of one chunk stay in the order in which they were given.
    fn sort(&mut self) {
        let mut by: Vec<usize> = (0..self.keys.len()).collect();
        by.sort_by_key(|&k| self.keys[k]);
        self.stored =
            by.iter().flat_map(|&k| &self.stored[k * self.axes..(k + 1) * self.axes]).copied().collect();
        self.keys = by.iter().map(|&k| self.keys[k]).collect();
        self.order = by.iter().map(|&k| self.order[k]).collect();
    }

    /// The points of each chunk.
    fn groups(&self) -> Vec<Range<usize>> {
        let mut first = 0;
        let groups = self.keys.chunk_by(|one, next| one == next);
        groups
            .map(|group| {
                first += group.len();
                first - group.len()..first
            })
            .collect()
    }

    fn point(&self, k: usize) -> &[u64] {
        &self.stored[k * self.axes..(k + 1) * self.axes]
    }

    /// The part of a chunk that has all points of a group: a box around them, or all of the chunk.
    fn part(&self, layout: &Layout, group: Range<usize>) -> ChunkProjection {
        let chunk = layout.grid.chunk_shape();
        let index: Dims<u64> =
            self.point(group.start).iter().zip(chunk).map(|(at, chunk)| at / chunk).collect();
        let chunk_shape = layout.grid.stored_shape(&index);
        let mut bounds: Dims<Range<usize>> = Dims::new();
        for (axis, length) in chunk.iter().enumerate() {
            let within = || group.clone().map(|k| (self.point(k)[axis] % length) as usize);
            bounds.push(within().min().unwrap_or(0)..within().max().unwrap_or(0) + 1);
        }
        let around: usize = bounds.iter().map(Range::len).product();
        let in_chunk = match around.saturating_mul(SMALLER) < chunk_shape.iter().product() {
            true => Region {
                start: bounds.iter().map(|range| range.start).collect(),
                count: bounds.iter().map(Range::len).collect(),
                step: Dims::from_elem(1, self.axes),
            },
            false => Region::whole(&chunk_shape),
        };
        let in_output = Region::whole(&in_chunk.count);
        ChunkProjection { index, chunk_shape, in_chunk, in_output, is_whole: false }
    }

    /// Where point `k` is in a buffer of these strides that has the part.
    fn offset(&self, layout: &Layout, k: usize, part: &ChunkProjection, strides: &[usize]) -> usize {
        let at = self.point(k).iter().zip(layout.grid.chunk_shape()).map(|(at, chunk)| (at % chunk) as usize);
        at.zip(&part.in_chunk.start).zip(strides).map(|((at, start), stride)| (at - start) * stride).sum()
    }
}

/// Elements from each index to the next, along each axis.
fn strides(shape: &[usize], order: Order) -> Dims<usize> {
    let mut strides = Dims::from_elem(1, shape.len());
    let mut stride = 1;
    for k in 0..shape.len() {
        let axis = if order == Order::C { shape.len() - 1 - k } else { k };
        strides[axis] = stride;
        stride *= shape[axis];
    }
    strides
}

fn write_groups(
    stored: &Stored,
    layout: &Layout,
    placed: &Placed,
    groups: &[Range<usize>],
    values: &[u8],
) -> Result<()> {
    let item = layout.dtype.size();
    let whole = |group: &Range<usize>| {
        let part = placed.part(layout, group.clone());
        ChunkProjection { in_chunk: Region::whole(&part.chunk_shape), ..part }
    };
    let parts: Vec<ChunkProjection> = groups.iter().map(whole).collect();
    let request = |part: &ChunkProjection| Update {
        key: layout.chunk_key(&part.index),
        reads: true,
        max_len: layout.max_stored_len(&part.index),
    };
    let requests: Vec<Update> = parts.iter().map(request).collect();
    let update = |position: usize, old: Option<Blob<'_>>, encoded: &mut Vec<u8>| {
        let part = &parts[position];
        let strides = strides(&part.chunk_shape, layout.order);
        let changed = change_chunk(layout, part, old, stored.options.drop_fill, encoded, |bytes| {
            for k in groups[position].clone() {
                let (at, from) = (placed.offset(layout, k, part, &strides) * item, placed.order[k] * item);
                bytes[at..at + item].copy_from_slice(&values[from..from + item]);
            }
            Ok(())
        });
        changed
            .map_err(|error| error.during("writing chunk").at(stored.store.location(&requests[position].key)))
    };
    stored.store.update_many(&requests, &update).map_err(|error| error.during("writing"))
}
