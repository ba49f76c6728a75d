//! Arrays: what is stored, and a view of it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::array::stored::Stored;
use crate::array::{ArrayOptions, AxisMap, Index, Transform};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::layout::{Layout, Positions, Resolution};
use crate::format::{Opened, Scale};
use crate::store::{NEAR, Store};

/// A stored N-d array, or a view of one.
///
/// Indices are absolute coordinates in the array's [domain](Array::domain), which may start anywhere,
/// below zero too. Cloning and slicing are cheap and do no I/O. Reads may reach outside the domain
/// and over chunks that are not stored: both give the fill value. All methods take `&self` and may be
/// called from many threads, and on the same stored array from many processes.
#[derive(Clone, Debug)]
pub struct Array {
    pub(super) stored: Arc<Stored>,
    pub(super) view: Transform,
}

impl Array {
    /// The array that a format has opened.
    pub fn from_opened(opened: Opened, url: impl Into<String>, options: ArrayOptions) -> Self {
        let Opened { format, layout, copies, store, root, scales, scale, notes, incomplete } = opened;
        let incomplete = Arc::new(Mutex::new(incomplete));
        let view = Transform::identity(layout.domain());
        let url = url.into();
        let stored =
            Stored { layout, copies, store, options, format, url, scales, scale, notes, root, incomplete };
        Self { stored: Arc::new(stored), view }
    }

    /// What the user should know of how the array was opened, each a sentence.
    pub fn notes(&self) -> &[String] {
        &self.stored.notes
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

    /// Whether reading it takes no requests over a network.
    pub fn is_near(&self) -> bool {
        self.stored.store.request_cost() <= NEAR
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
    pub fn dimension_names(&self) -> Dims<Option<&str>> {
        self.visible().map(|(stored, _, _)| self.stored.layout.dimension_names[stored].as_deref()).collect()
    }

    /// What the axes are called for people, and where axes are named: by their names, or as is usual where the
    /// metadata say none.
    pub fn axis_names(&self) -> Dims<&str> {
        self.visible().map(|(stored, _, _)| self.stored.layout.axis_names[stored].as_str()).collect()
    }

    /// Size of an element along each axis, where known. A step of a view multiplies it.
    pub fn resolution(&self) -> Option<Resolution> {
        let stored = self.stored.layout.resolution.as_ref()?;
        let size =
            self.visible().map(|(axis, _, step)| stored.size[axis] * step.unsigned_abs() as f64).collect();
        Some(Resolution { size, unit: stored.unit.clone() })
    }

    /// Where the elements along each axis are; `None` along those of which nothing is known.
    ///
    /// ```
    /// use bigarrays::{CreateSpec, DataType, Index, OpenOptions};
    ///
    /// let mut spec = CreateSpec::new(DataType::U8, "-10:90,0:80,0:60".parse()?);
    /// spec.array.resolution = Some(vec![8.0, 8.0, 40.0]);
    /// let array = OpenOptions::new().create("memory://positions", &spec)?;
    /// let view = array.slice(&[Index::ALL, Index::At(3), Index::Slice { start: Some(20), stop: None, step: 2 }])?;
    /// let positions = view.positions();
    /// let [x, z] = [0, 1].map(|axis| positions[axis].clone().unwrap());
    /// assert_eq!((x.start, x.step, z.start, z.step), (-80.0, 8.0, 800.0, 80.0));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    pub fn positions(&self) -> Dims<Option<Positions>> {
        let (layout, domain) = (&self.stored.layout, self.domain());
        let one = |(visible, (stored, offset, step)): (usize, (usize, i64, i64))| {
            let first = offset + step * domain.origin()[visible] - layout.domain().origin()[stored];
            Some(layout.positions(stored)?.of_every(first, step, domain.shape()[visible]))
        };
        self.visible().enumerate().map(one).collect()
    }

    /// The stored axis behind each visible one, the stored coordinate of its coordinate zero, and its step.
    pub(super) fn visible(&self) -> impl Iterator<Item = (usize, i64, i64)> + '_ {
        (0..self.ndim()).filter_map(|visible| {
            self.view.axes.iter().enumerate().find_map(|(stored, map)| match *map {
                AxisMap::Along { axis, offset, step } if axis == visible => Some((stored, offset, step)),
                _ => None,
            })
        })
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

    /// Where it is stored; the same for all paths that lead there.
    pub(crate) fn canonical_location(&self) -> String {
        canonical(&self.store().location(""))
    }

    /// The same array, through another store of the same values.
    pub(crate) fn with_store(&self, store: Arc<dyn Store>) -> Self {
        Self { stored: Arc::new(Stored { store, ..Stored::clone(&self.stored) }), view: self.view.clone() }
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

    /// The view with coordinates moved so that they start at `origin`. No I/O.
    pub(crate) fn translate_to(&self, origin: &[i64]) -> Result<Self> {
        let distances = origin.iter().zip(self.domain().origin()).map(|(to, from)| to.checked_sub(*from));
        let offset: Option<Dims<i64>> = distances.collect();
        self.translate(&offset.ok_or_else(|| Error::invalid("the boxes are too far apart"))?)
    }

    pub(super) fn expect_type(&self, dtype: DataType) -> Result<()> {
        if dtype == self.dtype() {
            return Ok(());
        }
        Err(Error::invalid(format!("elements are {}, not {dtype}", self.dtype())).at(self.url()))
    }

    /// An error if elements have lengths of their own, for which there are no buffers.
    pub(super) fn expect_sized(&self) -> Result<()> {
        if !self.dtype().is_long() {
            return Ok(());
        }
        let message =
            format!("{} elements have lengths of their own, and are only read (read_long)", self.dtype());
        Err(Error::unsupported(message).at(self.url()))
    }

    pub(super) fn expect_buffer(&self, part: &Domain, shape: &[usize], item: usize) -> Result<()> {
        part.expect_ndim(self.ndim())?;
        self.expect_sized()?;
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
}

/// The same location for all paths that lead there; it need not be there yet.
pub(crate) fn canonical(location: &str) -> String {
    let (mut known, mut rest) = (Path::new(location), Vec::new());
    if location.contains("://") {
        return location.to_owned();
    }
    loop {
        if let Ok(path) = std::fs::canonicalize(if known == Path::new("") { Path::new(".") } else { known }) {
            return rest.iter().rev().fold(path, |path, part| path.join(part)).display().to_string();
        }
        match (known.parent(), known.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name);
                known = parent;
            }
            // No path of this machine.
            _ => return location.to_owned(),
        }
    }
}
