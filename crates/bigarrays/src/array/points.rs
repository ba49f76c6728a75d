//! Single elements at any points: each chunk that has some of them is read, or changed, once.

use ndarray::{ArrayView1, ArrayView2};

use crate::array::decode::decode_points;
use crate::array::placed::{Placed, Spot};
use crate::array::read::fetch;
use crate::array::stored::Stored;
use crate::array::write::change_chunk;
use crate::array::{Array, Cutout, Outside};
use crate::base::buffer::{Order, Region, SharedViewMut, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::domain::Domain;
use crate::base::dtype::Element;
use crate::base::error::{Error, Result};
use crate::chunk::codec::Points;
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::{Blob, Destinations, Get, Part, Update};

/// Chunks that are asked for at once.
pub(super) const BATCH: usize = 1 << 12;

/// The result of reading a point outside of the domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutsidePoints {
    /// It is an error.
    #[default]
    Error,
    /// It reads as the fill value, unless the array is strict.
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
        let leaves_out = outside == OutsidePoints::Fill && !self.stored.options.strict;
        let placed = Placed::new(self, points, layout, leaves_out)?;
        // What is outside or missing stays so.
        out.chunks_exact_mut(item).for_each(|element| element.copy_from_slice(layout.fill.as_bytes()));
        let mut out = ViewMut::dense(out, &[points.len() / self.ndim()], item, Order::C)?;
        let out = out.share();
        for batch in placed.groups().chunks(BATCH) {
            read_groups(&self.stored, &placed, batch, &out)?;
        }
        Ok(())
    }

    /// Writes `values` to `points`, one a row with a coordinate an axis. Each chunk is changed once, so that no other
    /// writer's change is lost; of points that are there twice, the last counts.
    ///
    /// # Errors
    /// As [`Array::write`]; `OutOfBounds` naming the first point outside of the domain, and then nothing was written,
    /// unless [`Outside::Crop`] is set; `Unsupported` as [`Array::read_points`].
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
        self.expect_writable()?;
        self.expect_bytes(points, values.len())?;
        let leaves_out = self.stored.options.outside == Outside::Crop;
        for layout in self.stored.layouts() {
            let placed = Placed::new(self, points, layout, leaves_out)?;
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
}

/// Reads the elements at groups of points of a chunk each.
fn read_groups(
    stored: &Stored,
    placed: &Placed<'_>,
    groups: &[&[Spot]],
    out: &SharedViewMut<'_>,
) -> Result<()> {
    let (layout, item) = (&stored.layout, stored.layout.dtype.size());
    let request = |group: &&[Spot]| {
        let index = placed.chunk(group);
        let (spec, indices) = (layout.chunk_spec(&index), placed.indices(group));
        let ranges = layout.codecs.point_ranges(&spec, &Points::new(&indices, &spec.shape)?);
        let part = ranges
            .map_or(Part::Whole, |wanted| Part::Ranges { ranges: wanted.ranges, total: Some(wanted.total) });
        Ok(Get::new(layout.chunk_key(&index), part, layout.max_stored_len(&index)))
    };
    let requests: Vec<Get> = groups.iter().map(request).collect::<Result<_>>()?;
    fetch(stored, &requests, &Destinations::NONE, &|position, blob| {
        let (group, Some(blob)) = (groups[position], blob) else { return Ok(()) };
        let (spec, indices) = (layout.chunk_spec(&placed.chunk(group)), placed.indices(group));
        with_scratch(|scratch| {
            let elements = try_first_bytes(scratch, group.len() * item)?;
            decode_points(layout, &spec, &Points::new(&indices, &spec.shape)?, blob, elements)?;
            // SAFETY: each point lies in one chunk, which is handed over once.
            unsafe { out.scatter(elements, group.iter().map(|spot| spot.position)) };
            Ok(())
        })
    })
}

/// Writes the elements at groups of points of a chunk each.
fn write_groups(
    stored: &Stored,
    layout: &Layout,
    placed: &Placed<'_>,
    groups: &[&[Spot]],
    values: &[u8],
) -> Result<()> {
    let item = layout.dtype.size();
    let whole = |group: &&[Spot]| {
        let index = placed.chunk(group);
        let chunk_shape = layout.grid.stored_shape(&index);
        let [in_chunk, in_output] = [&chunk_shape; 2].map(|shape| Region::whole(shape));
        ChunkProjection { index, chunk_shape, in_chunk, in_output, is_whole: false }
    };
    let parts: Vec<ChunkProjection> = groups.iter().map(whole).collect();
    let request = |part: &ChunkProjection| Update {
        key: layout.chunk_key(&part.index),
        reads: true,
        max_len: layout.max_stored_len(&part.index),
    };
    let requests: Vec<Update> = parts.iter().map(request).collect();
    let update = |position: usize, old: Option<Blob<'_>>, encoded: &mut Vec<u8>| {
        let (part, group) = (&parts[position], groups[position]);
        let strides = layout.order.strides(&part.chunk_shape, item);
        let changed = change_chunk(layout, part, old, stored.options.drop_fill, encoded, |bytes| {
            let indices = placed.indices(group);
            // Of points that are there twice, the last comes last.
            for (spot, point) in group.iter().zip(indices.chunks_exact(part.chunk_shape.len())) {
                let at: usize = point.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
                let value = &values[spot.position * item..(spot.position + 1) * item];
                bytes[at..at + item].copy_from_slice(value);
            }
            Ok(())
        });
        changed
            .map_err(|error| error.during("writing chunk").at(stored.store.location(&requests[position].key)))
    };
    stored.store.update_many(&requests, &update).map_err(|error| error.during("writing"))
}
