//! Arrays: a layout, a store and a view of the domain.

mod cutout;
mod options;
mod read;
mod view;
mod write;

use std::sync::Arc;

use ndarray::{ArrayView, Dimension};

pub use cutout::Cutout;
pub use options::{ArrayOptions, OpenOptions, Outside};
pub(crate) use read::decode_all;
use view::StoredAxis;
pub use view::{AxisMap, Index, Transform};
pub(crate) use write::{Encoded, EncodedChunks};

use crate::base::buffer::{Order, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, Element};
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::grid::AxisSelection;
use crate::chunk::layout::{Layout, Resolution};
use crate::format::{Opened, Scale};
use crate::store::{Get, Part, Store};

/// A stored N-d array, or a view of one.
///
/// Indices are absolute coordinates in the array's [domain](Array::domain), which may start anywhere,
/// below zero too. Cloning and slicing are cheap and do no I/O. Reads may reach outside the domain
/// and over chunks that are not stored: both give the fill value. All methods take `&self` and may be
/// called from many threads, and on the same stored array from many processes.
#[derive(Clone, Debug)]
pub struct Array {
    stored: Arc<Stored>,
    view: Transform,
}

/// What all views of an opened array share.
#[derive(Clone, Debug)]
struct Stored {
    layout: Layout,
    /// Further copies of the data in other chunk shapes, kept equal by every write.
    copies: Vec<Layout>,
    store: Arc<dyn Store>,
    options: ArrayOptions,
    format: &'static str,
    url: String,
    scales: Vec<Scale>,
    scale: usize,
}

impl Stored {
    /// The layout, and those of the copies.
    fn layouts(&self) -> impl Iterator<Item = &Layout> {
        std::iter::once(&self.layout).chain(&self.copies)
    }
}

impl Array {
    /// Opens the array at `url`, a path or URL, with the default [`OpenOptions`].
    ///
    /// # Errors
    /// `NotFound` if there is no array, `InvalidMetadata` if its metadata are not valid,
    /// `Unsupported` if they ask for what this version cannot do.
    pub fn open(url: &str) -> Result<Self> {
        OpenOptions::new().open(url)
    }

    /// The array that a format has opened.
    pub fn from_opened(opened: Opened, url: impl Into<String>, options: ArrayOptions) -> Self {
        let Opened { format, layout, copies, store, scales, scale } = opened;
        let view = Transform::identity(layout.domain());
        let stored = Stored { layout, copies, store, options, format, url: url.into(), scales, scale };
        Self { stored: Arc::new(stored), view }
    }

    /// The box of coordinates that the array or view covers.
    pub fn domain(&self) -> &Domain {
        &self.view.domain
    }

    /// Number of elements along each axis.
    pub fn shape(&self) -> &[u64] {
        self.view.domain.shape()
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.view.domain.ndim()
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DataType {
        self.stored.layout.dtype
    }

    /// How the array is stored, whatever the view.
    pub fn layout(&self) -> &Layout {
        &self.stored.layout
    }

    /// The store rooted at the array.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.stored.store
    }

    /// The URL or path the array was opened with.
    pub fn url(&self) -> &str {
        &self.stored.url
    }

    /// The name of the array's format.
    pub fn format(&self) -> &'static str {
        self.stored.format
    }

    /// The layout of the array, and those of further copies of its data in the same store.
    pub(crate) fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.stored.layouts()
    }

    /// The scales of the layer that the array is one of, finest first.
    pub fn scales(&self) -> &[Scale] {
        &self.stored.scales
    }

    /// Position of the array in [`Array::scales`].
    pub fn scale(&self) -> usize {
        self.stored.scale
    }

    /// How reads and writes treat what is out of the ordinary.
    pub fn options(&self) -> &ArrayOptions {
        &self.stored.options
    }

    /// Names of the axes.
    pub fn dimension_names(&self) -> Dims<&str> {
        self.visible().map(|(stored, _)| self.stored.layout.dimension_names[stored].as_str()).collect()
    }

    /// Size of an element along each axis, where known. A step of a view multiplies it.
    pub fn resolution(&self) -> Option<Resolution> {
        let stored = self.stored.layout.resolution.as_ref()?;
        let size =
            self.visible().map(|(axis, step)| stored.size[axis] * step.unsigned_abs() as f64).collect();
        Some(Resolution { size, unit: stored.unit.clone() })
    }

    /// Shape of a whole chunk along each axis, in stored elements.
    pub fn chunk_shape(&self) -> Dims<u64> {
        self.visible().map(|(stored, _)| self.stored.layout.grid.chunk_shape()[stored]).collect()
    }

    /// Shape of a whole shard along each axis, in stored elements; `None` if chunks are not packed into
    /// shards, or if these are no boxes.
    pub fn shard_shape(&self) -> Option<Dims<u64>> {
        let shape = self.stored.layout.sharding.as_ref()?.shape.as_ref()?;
        let chunk = self.stored.layout.grid.chunk_shape();
        Some(self.visible().map(|(stored, _)| chunk[stored].saturating_mul(shape[stored])).collect())
    }

    /// The stored axis behind each visible one, and its step.
    fn visible(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        (0..self.ndim()).filter_map(|visible| {
            self.view.axes.iter().enumerate().find_map(|(stored, map)| match *map {
                AxisMap::Along { axis, step, .. } if axis == visible => Some((stored, step)),
                _ => None,
            })
        })
    }

    /// First coordinate and length of the chunks along each axis, in this view's coordinates, rounded
    /// to whole ones under a step.
    pub(crate) fn chunk_grid(&self) -> Result<Dims<(i64, u64)>> {
        self.grid_of(&Dims::from_elem(1, self.stored.layout.domain().ndim()))
    }

    /// As [`Array::chunk_grid`], of what is cheapest written at once.
    pub(crate) fn write_grid(&self) -> Result<Dims<(i64, u64)>> {
        self.grid_of(&self.stored.layout.write_shape())
    }

    /// First coordinate and length of boxes of so many chunks.
    fn grid_of(&self, chunks: &[u64]) -> Result<Dims<(i64, u64)>> {
        let grid = &self.stored.layout.grid;
        let axes = self.view.stored_axes(&self.view.domain)?;
        let place = |visible: usize| {
            let stored = axes.iter().position(|axis| axis.visible == Some(visible))?;
            let (start, step) = (axes[stored].start, axes[stored].step);
            let before = start.checked_sub(grid.domain().origin()[stored])?.checked_div(step)?;
            let length = grid.chunk_shape()[stored].saturating_mul(chunks[stored]);
            let chunk = (length / step.unsigned_abs()).max(1);
            Some((self.view.domain.origin()[visible].checked_sub(before)?, chunk))
        };
        let places: Option<_> = (0..self.ndim()).map(place).collect();
        places.ok_or_else(|| Error::invalid("the view leaves the range of coordinates"))
    }

    /// Which elements of the stored array this view shows.
    pub fn transform(&self) -> &Transform {
        &self.view
    }

    /// The view of the stored array, whatever this view shows of it, that `transform` describes: what
    /// [`Array::transform`] said of another array opened from the same place. No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` if it does not describe a view of an array of as many axes.
    pub fn with_transform(&self, transform: Transform) -> Result<Self> {
        transform.check(self.stored.layout.domain().ndim())?;
        Ok(self.with_view(transform))
    }

    /// The same array, through another store of the same values.
    pub(crate) fn with_store(&self, store: Arc<dyn Store>) -> Self {
        Self { stored: Arc::new(Stored { store, ..Stored::clone(&self.stored) }), view: self.view.clone() }
    }

    /// The stored elements that `part` shows, all of which there are.
    pub(crate) fn stored_selection(&self, part: &Domain) -> Result<Dims<AxisSelection>> {
        Ok(view::ascending(&self.view.stored_axes(part)?))
    }

    /// Of the stored elements that `part` shows, those that there are.
    pub(crate) fn stored_inside(&self, part: &Domain) -> Result<Dims<AxisSelection>> {
        let axes = self.view.stored_axes(part)?;
        let inside = |(axis, wanted): (usize, &StoredAxis)| {
            read::clip(*wanted, &self.stored.layout.domain().range(axis)).0
        };
        Ok(axes.iter().enumerate().map(inside).collect())
    }

    /// The smallest box of the stored array that holds what this view shows.
    pub(crate) fn stored_bounds(&self) -> Result<Domain> {
        view::bounds(&self.view.stored_axes(&self.view.domain)?)
    }

    fn with_view(&self, view: Transform) -> Self {
        Self { stored: Arc::clone(&self.stored), view }
    }

    /// The view that `indices`, one per axis, select; it keeps its coordinates. No I/O.
    ///
    /// A slice with a step `s` that starts at `c` starts at coordinate `floor(c / s)`.
    ///
    /// # Errors
    /// `OutOfBounds` for a single index outside the domain, `InvalidArgument` for a wrong number of
    /// indices or a step of zero.
    pub fn slice(&self, indices: &[Index]) -> Result<Self> {
        Ok(self.with_view(self.view.index(indices)?))
    }

    /// The view of the box `part`, which may reach outside the domain. No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` if the box has another number of axes.
    pub fn cut(&self, part: &Domain) -> Result<Self> {
        part.expect_ndim(self.ndim())?;
        Ok(self.with_view(Transform { domain: part.clone(), axes: self.view.axes.clone() }))
    }

    /// The view whose axis `k` is the axis `axes[k]` of this one. No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` if `axes` does not name every axis once.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        Ok(self.with_view(self.view.permute(axes)?))
    }

    /// The view with coordinates moved by `offset`. No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` if coordinates overflow.
    pub fn translate(&self, offset: &[i64]) -> Result<Self> {
        if offset.len() != self.ndim() {
            return Err(Error::invalid(format!("{} offsets for {} axes", offset.len(), self.ndim())));
        }
        Ok(self.with_view(self.view.translate(offset)?))
    }

    /// Reads the box `part` into a new array in the layout's own order.
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not the array's type or the box has another number of axes;
    /// `CorruptData` or a storage error naming the chunk that could not be read.
    pub fn read<T: Element>(&self, part: &Domain) -> Result<Cutout<T>> {
        self.expect_type(T::DTYPE)?;
        Cutout::filled_by(part, self.order(), |out| self.read_into(part, out))
    }

    /// Reads the single element at `point`.
    ///
    /// # Errors
    /// As [`Array::read`]; `OutOfBounds` if the point lies outside the domain.
    pub fn get<T: Element>(&self, point: &[i64]) -> Result<T> {
        self.expect_type(T::DTYPE)?;
        let view = self.slice(&point.iter().map(|&at| Index::At(at)).collect::<Dims<_>>())?;
        let cutout: Cutout<T> = view.read(view.domain())?;
        cutout.data().iter().next().copied().ok_or_else(|| Error::invalid("no element"))
    }

    /// Reads the box `part` into `out`, of the same shape and item size, at any strides.
    ///
    /// # Errors
    /// As [`Array::read`]. After an error, the contents of `out` are unspecified.
    pub fn read_into(&self, part: &Domain, out: ViewMut<'_>) -> Result<()> {
        self.expect_buffer(part, out.shape(), out.item())?;
        let axes = self.view.stored_axes(part)?;
        read::read(&self.stored, &axes, out.arranged(&visible_axes(&axes)))
    }

    /// Writes `data` to the box of its shape that starts at `origin`.
    ///
    /// # Errors
    /// `OutOfBounds` if the box reaches outside the domain and [`Outside::Crop`] is not set;
    /// `ReadOnly`; `InvalidArgument` if type or axes differ; a storage error naming the chunk.
    pub fn write<T: Element, D: Dimension>(&self, origin: &[i64], data: ArrayView<'_, T, D>) -> Result<()> {
        self.expect_type(T::DTYPE)?;
        let shape: Dims<u64> = data.shape().iter().map(|&length| length as u64).collect();
        self.write_from(&Domain::new(origin, &shape)?, View::of_array(&data))
    }

    /// Writes `source`, of the same shape and item size, at any strides, to the box `part`.
    ///
    /// # Errors
    /// As [`Array::write`].
    pub fn write_from(&self, part: &Domain, source: View<'_>) -> Result<()> {
        self.write_partly_encoded(part, source, &|_| None)
    }

    /// As [`Array::write_from`], but whole chunks that are `encoded` already are stored so.
    pub(crate) fn write_partly_encoded(
        &self,
        part: &Domain,
        source: View<'_>,
        encoded: &EncodedChunks<'_>,
    ) -> Result<()> {
        self.expect_buffer(part, source.shape(), source.item())?;
        if self.stored.options.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "the array was opened read-only").at(self.url()));
        }
        let target = self.writable_part(part)?;
        if target.is_empty() {
            return Ok(());
        }
        let source = source.region(&target.region_of(part));
        let axes = self.view.stored_axes(&target)?;
        write::write(&self.stored, &axes, source.arranged(&visible_axes(&axes)), encoded)
    }

    /// The part of `part` that may be written.
    fn writable_part(&self, part: &Domain) -> Result<Domain> {
        // A view may reach outside the stored domain; what is outside cannot be written.
        let stored_axes = self.view.stored_axes(part)?;
        let stored = &self.stored.layout;
        let in_storage = stored_axes.iter().enumerate().all(|(axis, selection)| {
            let range = stored.domain().range(axis);
            range.contains(&selection.start) && range.contains(&selection.last())
        });
        if part.is_empty() || (in_storage && self.domain().contains(part)) {
            return Ok(part.clone());
        }
        match self.stored.options.outside {
            Outside::Error => {
                // Of a view of what is outside, only stored coordinates tell what is wrong.
                let error = match in_storage {
                    true => self.domain().outside_error(part),
                    false => stored.domain().outside_error(&view::bounds(&stored_axes)?),
                };
                Err(error.during("writing").at(self.url()))
            }
            Outside::Crop if self.view.is_identity() => {
                Ok(part.intersect(self.domain()).intersect(stored.domain()))
            }
            Outside::Crop => Err(Error::unsupported("cropping a write through a strided or permuted view")),
        }
    }

    /// The order in which results are cheapest: the stored one, or its opposite where the view reverses
    /// the axes.
    pub fn order(&self) -> Order {
        let axes = || self.view.axes.iter().filter_map(AxisMap::axis);
        let is_reversed = self.ndim() > 1 && axes().zip(axes().skip(1)).all(|(axis, next)| axis > next);
        match (self.stored.layout.order, is_reversed) {
            (Order::C, false) | (Order::Fortran, true) => Order::C,
            (Order::Fortran, false) | (Order::C, true) => Order::Fortran,
        }
    }

    /// Overwrites with fill value what chunks that hold elements within `shape` hold outside of it, lest it come
    /// back with the next growth. This is the whole array, as it was before it got that shape.
    fn forget_outside(&self, shape: &[u64]) -> Result<()> {
        let (layout, domain) = (&self.stored.layout, self.domain());
        let whole = layout.write_shape();
        // Along each axis: up to where chunks go that hold any of what is left.
        let kept = |axis: usize| {
            let range = domain.range(axis);
            let unit = layout.grid.chunk_shape()[axis].saturating_mul(whole[axis]);
            let length = shape[axis].div_ceil(unit).saturating_mul(unit).min(domain.shape()[axis]);
            range.start..range.start.saturating_add_unsigned(length)
        };
        let kept: Dims<_> = (0..self.ndim()).map(kept).collect();
        for axis in 0..self.ndim() {
            let mut lost = kept.clone();
            lost[axis].start = lost[axis].start.saturating_add_unsigned(shape[axis]).min(lost[axis].end);
            let lost = Domain::from_ranges(&lost)?;
            if lost.is_empty() {
                continue;
            }
            let lengths: Dims<usize> = lost.shape().iter().map(|&length| length as usize).collect();
            let strides = Dims::from_elem(0, lengths.len());
            let fill = View::strided(layout.fill.as_bytes(), 0, &lengths, &strides, layout.dtype.size());
            self.write_from(&lost, fill)?;
        }
        Ok(())
    }

    /// The view with coordinates moved so that they start at `origin`. No I/O.
    pub(crate) fn translate_to(&self, origin: &[i64]) -> Result<Self> {
        let distances = origin.iter().zip(self.domain().origin()).map(|(to, from)| to.checked_sub(*from));
        let offset: Option<Dims<i64>> = distances.collect();
        self.translate(&offset.ok_or_else(|| Error::invalid("the boxes are too far apart"))?)
    }

    fn expect_type(&self, dtype: DataType) -> Result<()> {
        if dtype == self.dtype() {
            return Ok(());
        }
        Err(Error::invalid(format!("elements are {}, not {dtype}", self.dtype())).at(self.url()))
    }

    fn expect_buffer(&self, part: &Domain, shape: &[usize], item: usize) -> Result<()> {
        part.expect_ndim(self.ndim())?;
        let fill = self.stored.layout.fill.as_bytes();
        if fill.len() != self.dtype().size() {
            let message = format!("a fill value of {} bytes for elements of {}", fill.len(), self.dtype());
            return Err(Error::new(ErrorKind::InvalidMetadata, message).at(self.url()));
        }
        let same = shape.iter().map(|&length| length as u64).eq(part.shape().iter().copied());
        if same && item == self.dtype().size() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "a buffer of shape {shape:?} and {item}-byte items does not fit box {part} of {}",
            self.dtype()
        )))
    }

    /// The boxes of the chunks that `part` touches, each clipped to the domain.
    ///
    /// # Errors
    /// `Unsupported` for a strided, moved or permuted view.
    pub fn chunks(&self, part: &Domain) -> Result<impl Iterator<Item = Domain> + '_> {
        let grid = &self.stored.layout.grid;
        let projection = grid.project(&self.stored_part(part)?);
        let count = if projection.is_empty() { 0 } else { projection.len() };
        Ok((0..count).map(move |k| grid.chunk_domain(&projection.get(k).index)))
    }

    /// The boxes of the chunks in `part` that are not stored.
    ///
    /// # Errors
    /// As [`Array::chunks`]; a storage error.
    pub fn missing(&self, part: &Domain) -> Result<Vec<Domain>> {
        let layout = &self.stored.layout;
        let projection = layout.grid.project(&self.stored_part(part)?);
        let total = projection.len();
        let mut boxes = Vec::new();
        for first in (0..total).step_by(read::BATCH) {
            let indices: Vec<Dims<u64>> =
                (first..total.min(first + read::BATCH)).map(|k| projection.get(k).index).collect();
            let missing = self.missing_of(&indices)?;
            boxes.extend(missing.into_iter().map(|position| layout.grid.chunk_domain(&indices[position])));
        }
        Ok(boxes)
    }

    /// The positions in `indices` of chunks that are not stored, ascending.
    fn missing_of(&self, indices: &[Dims<u64>]) -> Result<Vec<usize>> {
        let layout = &self.stored.layout;
        let request = |index: &Dims<u64>| Get::new(layout.chunk_key(index), Part::Presence, u64::MAX);
        let requests: Vec<Get> = indices.iter().map(request).collect();
        let missing = std::sync::Mutex::new(Vec::new());
        self.stored.store.get_many(&requests, &|position, blob| {
            if blob.is_none() {
                missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(position);
            }
            Ok(())
        })?;
        let mut missing = missing.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        missing.sort_unstable();
        Ok(missing)
    }

    /// The smallest box of whole chunks that holds `part`, clipped to the domain.
    ///
    /// # Errors
    /// As [`Array::chunks`].
    pub fn align_out(&self, part: &Domain) -> Result<Domain> {
        Ok(self.stored.layout.grid.align_out(&self.stored_part(part)?))
    }

    /// The largest box of whole chunks that lies in `part`.
    ///
    /// # Errors
    /// As [`Array::chunks`].
    pub fn align_in(&self, part: &Domain) -> Result<Domain> {
        Ok(self.stored.layout.grid.align_in(&self.stored_part(part)?))
    }

    /// `part` within the stored domain, for questions about chunks.
    fn stored_part(&self, part: &Domain) -> Result<Domain> {
        part.expect_ndim(self.ndim())?;
        if !self.view.is_identity() {
            return Err(Error::unsupported(
                "chunks of a strided, moved or permuted view; ask the array itself",
            ));
        }
        Ok(part.intersect(self.stored.layout.domain()))
    }
}

/// For each stored axis the visible axis it belongs to.
fn visible_axes(axes: &[StoredAxis]) -> Dims<Option<usize>> {
    axes.iter().map(|axis| axis.visible).collect()
}
