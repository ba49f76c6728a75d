//! `Array`: a stored array or a view of one.

use std::sync::Arc;

use bigarrays::{Array, Domain};
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::display;
use crate::domain::{PyDomain, to_domain, to_part};
use crate::errors::{OrRaise, invalid};
use crate::index::{Selection, ViewIndexer};
use crate::interrupt::detached;
use crate::mapped;
use crate::open::{self, Opening};
use crate::scale::PyScale;
use crate::transfer;

/// A stored N-d array, or a view of one, as `open` and `create` return it.
///
/// An index is an absolute coordinate in the array's domain, which may start anywhere, below zero too:
/// -1 is a coordinate, never the last element. Reads may reach outside the domain and over chunks that
/// are not stored; both give the fill value. All of it may be used from many threads at once, and on the
/// same stored array from many processes; arrays are pickled by their URL, options and view.
///
/// `a[...]` reads at once into a numpy array; `a.view[...]` gives an array without reading anything;
/// `a[...] = x` writes scalars and arrays, which broadcast as in numpy.
///
/// >>> import numpy as np
/// >>> a = bigarrays.create("memory://array", domain="-10:90,0:80,0:60", dtype="uint16")
/// >>> a[-10:0, 0:80, 5] = np.arange(80)
/// >>> a[-1, 7, 5]
/// np.uint16(7)
/// >>> a[-5:0, 3:6, 5].shape
/// (5, 3)
/// >>> plane = a.view[..., 5]
/// >>> plane.domain
/// Domain("-10:90,0:80")
/// >>> int(plane[-1, 9])
/// 9
/// >>> a[90, 0, 0]
/// Traceback (most recent call last):
/// bigarrays.OutOfBoundsError: ...
#[pyclass(name = "Array", module = "bigarrays", frozen, weakref)]
#[derive(Clone)]
pub(crate) struct PyArray {
    pub(crate) array: Array,
    pub(crate) opening: Arc<Opening>,
}

impl PyArray {
    /// Another view of the same stored array.
    pub(crate) fn with(&self, array: Array) -> Self {
        Self { array, opening: Arc::clone(&self.opening) }
    }

    /// Name of the encoding of chunks.
    pub(crate) fn encoding_name(&self) -> String {
        let scale = self.array.scales().get(self.array.scale());
        let names = || self.array.layout().codecs.names().collect::<Vec<_>>().join(" + ");
        scale.map_or_else(names, |scale| scale.encoding.clone())
    }

    /// The encoding of chunks with its parameters, for people.
    pub(crate) fn described_encoding(&self) -> String {
        let scale = self.array.scales().get(self.array.scale());
        scale.map_or_else(|| self.array.layout().codecs.to_string(), |scale| scale.encoding.clone())
    }

    /// The mode in which the array was opened.
    pub(crate) fn mode_name(&self) -> &'static str {
        open::mode_name(self.opening.writable)
    }

    /// Bytes of all elements.
    pub(crate) fn byte_count(&self) -> Option<u128> {
        self.count()?.checked_mul(self.array.dtype().size() as u128)
    }

    fn count(&self) -> Option<u128> {
        self.array.shape().iter().try_fold(1u128, |product, &length| product.checked_mul(u128::from(length)))
    }
}

#[pymethods]
impl PyArray {
    /// Number of elements along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.shape())
    }

    /// First coordinate on each axis.
    #[getter]
    fn origin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.domain().origin())
    }

    /// The box of coordinates that the array covers.
    #[getter]
    fn domain(&self) -> PyDomain {
        PyDomain(self.array.domain().clone())
    }

    /// Type of the elements.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        transfer::descr(py, self.array.dtype())
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.array.ndim()
    }

    /// Number of elements.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<u128> {
        self.count().ok_or_else(|| invalid(py, "there are more than 2^128 elements"))
    }

    /// Bytes of all elements in memory, whatever is stored of them.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<u128> {
        self.byte_count().ok_or_else(|| invalid(py, "there are more than 2^128 bytes"))
    }

    /// Names of the axes.
    #[getter]
    fn dims<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.axis_names())
    }

    /// Shape of a whole chunk, in stored elements.
    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.chunk_shape())
    }

    /// Shape of a shard, in stored elements; None if there are none, or if they are no boxes.
    #[getter]
    fn shards<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.array.shard_shape().map(|shape| PyTuple::new(py, shape)).transpose()
    }

    /// How chunks are packed into shards, in words, or None.
    #[getter]
    fn sharding(&self) -> Option<&str> {
        self.array.layout().sharding.as_ref().map(|sharding| sharding.description.as_str())
    }

    /// Size of an element along each axis in `unit`, or None; a step of a view multiplies it.
    #[getter]
    fn resolution<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.array.resolution().map(|resolution| PyTuple::new(py, resolution.size)).transpose()
    }

    /// Unit of the resolution such as "nm", or None.
    #[getter]
    fn unit(&self) -> Option<String> {
        self.array.resolution().map(|resolution| resolution.unit)
    }

    /// The scales of the layer, finest first.
    #[getter]
    fn scales(&self) -> Vec<PyScale> {
        self.array.scales().iter().cloned().map(PyScale).collect()
    }

    /// Position of this array in `scales`.
    #[getter]
    fn scale(&self) -> usize {
        self.array.scale()
    }

    /// Name of the format.
    #[getter]
    fn format(&self) -> &'static str {
        self.array.format()
    }

    /// The path or URL that the array was opened with.
    #[getter]
    fn url(&self) -> &str {
        self.array.url()
    }

    /// Name of the encoding of chunks.
    #[getter]
    fn encoding(&self) -> String {
        self.encoding_name()
    }

    /// "r", or "r+" where writing is allowed.
    #[getter]
    fn mode(&self) -> &'static str {
        self.mode_name()
    }

    /// Indexing this gives arrays that show a part, without reading: `a.view[10:20, :, 5]`.
    ///
    /// A slice keeps its coordinates; with a step `s`, one that starts at `c` starts at `floor(c / s)`.
    ///
    /// >>> a = bigarrays.create("memory://view", shape=(100, 80, 60), dtype="uint8")
    /// >>> a.view[10:20, ::4, 5].domain
    /// Domain("10:20,0:20")
    #[getter]
    fn view(&self) -> ViewIndexer {
        ViewIndexer(self.clone())
    }

    /// The view with its axes reversed.
    #[getter(T)]
    fn reversed(&self, py: Python<'_>) -> PyResult<Self> {
        let axes: Vec<usize> = (0..self.array.ndim()).rev().collect();
        Ok(self.with(self.array.permute(&axes).or_raise(py)?))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let selection = Selection::parse(key, self.array.domain())?;
        let view = selection.of(py, &self.array)?;
        if selection.is_element {
            return transfer::read_element(py, &view);
        }
        Ok(transfer::read(py, &view, view.domain(), view.order())?.into_any())
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let view = Selection::parse(key, self.array.domain())?.of(py, &self.array)?;
        transfer::write(&view, view.domain(), value)
    }

    /// Reads a box into a numpy array.
    ///
    /// `box` is a text "x0:x1,y0:y1,…", a Domain, or one (start, stop) pair or slice per axis; all of the
    /// array if None. `out`, a writable array of the box's shape and the array's type, at any strides,
    /// receives the elements and is returned; otherwise `order` ("C" or "F") is that of a new array, by
    /// default the one that chunks have.
    ///
    /// >>> a = bigarrays.create("memory://read", shape=(100, 80, 60), dtype="uint8")
    /// >>> a.read("-5:10,0:80,3:4", order="C").shape
    /// (15, 80, 1)
    ///
    /// Raises InvalidArgumentError if box or out do not fit, CorruptDataError or StorageError naming the
    /// chunk that could not be read. After an error, the contents of out are unspecified.
    #[pyo3(signature = (r#box = None, *, out = None, order = None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        r#box: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
        order: Option<&str>,
    ) -> PyResult<Bound<'py, PyUntypedArray>> {
        let part = to_part(r#box, self.array.domain())?;
        let order_of_new = transfer::to_order(py, order, &self.array)?;
        let Some(out) = out else {
            return transfer::read(py, &self.array, &part, order_of_new);
        };
        if order.is_some() {
            return Err(invalid(py, "give out or order, not both"));
        }
        let out = transfer::expect_array(out)?;
        transfer::check_out(out, &self.array, &part)?;
        transfer::read_into(out, &self.array, &part)?;
        Ok(out.clone())
    }

    /// Writes `data`.
    ///
    /// `where` is a box as for `read`, to which data broadcast, or the coordinate of the first element on
    /// each axis; then the box has the shape of data. Whole chunks are written without reading them; parts of
    /// chunks are changed so that no other writer's change is lost.
    ///
    /// >>> import numpy as np
    /// >>> a = bigarrays.create("memory://write", shape=(100, 80, 60), dtype="uint8")
    /// >>> a.write((10, 20, 30), np.ones((5, 5, 5), np.uint8))
    /// >>> a.write("0:100,0:80,0:1", 3)
    /// >>> int(a[...].sum()) == 125 + 3 * 100 * 80
    /// True
    ///
    /// Raises OutOfBoundsError if the box reaches outside the domain and the array was not opened with
    /// outside="crop", ReadOnlyError, InvalidArgumentError if shapes do not fit or the elements' type would
    /// lose something, or StorageError naming the chunk that could not be written.
    #[pyo3(signature = (r#where, data))]
    fn write(&self, py: Python<'_>, r#where: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if r#where.is_instance_of::<PyString>() {
            return transfer::write(&self.array, &to_domain(r#where, None)?, data);
        }
        let Ok(origin) = r#where.extract::<Vec<i64>>() else {
            return transfer::write(&self.array, &to_domain(r#where, Some(self.array.domain()))?, data);
        };
        let shape = data.py().import("numpy")?.call_method1("shape", (data,))?.extract::<Vec<u64>>()?;
        transfer::write(&self.array, &Domain::new(&origin, &shape).or_raise(py)?, data)
    }

    /// The boxes of the chunks in `box` (all of the array if None) that are not stored.
    ///
    /// Raises UnsupportedError for a strided, moved or permuted view.
    #[pyo3(signature = (r#box = None))]
    fn missing(&self, py: Python<'_>, r#box: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<PyDomain>> {
        let part = to_part(r#box, self.array.domain())?;
        let missing = detached(py, || self.array.missing(&part))?;
        Ok(missing.into_iter().map(PyDomain).collect())
    }

    /// An iterator over the boxes of the chunks that `box` (all of the array if None) touches, each clipped
    /// to the array's domain.
    ///
    /// >>> a = bigarrays.create("memory://chunks", shape=(100, 60, 60), dtype="uint8", chunks=(64, 64, 64))
    /// >>> [str(part) for part in a.chunk_domains()]
    /// ['0:64,0:60,0:60', '64:100,0:60,0:60']
    ///
    /// Raises UnsupportedError for a strided, moved or permuted view.
    #[pyo3(signature = (r#box = None))]
    fn chunk_domains(&self, py: Python<'_>, r#box: Option<&Bound<'_, PyAny>>) -> PyResult<ChunkDomains> {
        let part = to_part(r#box, self.array.domain())?;
        // The core says whether the view has chunks of its own.
        drop(self.array.chunks(&part).or_raise(py)?);
        let part = part.intersect(self.array.layout().domain());
        let projection = self.array.layout().grid.project(&part);
        let end = if projection.is_empty() { 0 } else { projection.len() };
        Ok(ChunkDomains { array: self.array.clone(), part, next: 0, end })
    }

    /// The smallest box of whole chunks that holds `box`, clipped to the domain.
    ///
    /// Raises UnsupportedError for a strided, moved or permuted view.
    fn align_out(&self, r#box: &Bound<'_, PyAny>) -> PyResult<PyDomain> {
        let part = to_domain(r#box, Some(self.array.domain()))?;
        self.array.align_out(&part).or_raise(r#box.py()).map(PyDomain)
    }

    /// The largest box of whole chunks that lies in `box`.
    ///
    /// Raises UnsupportedError for a strided, moved or permuted view.
    fn align_in(&self, r#box: &Bound<'_, PyAny>) -> PyResult<PyDomain> {
        let part = to_domain(r#box, Some(self.array.domain()))?;
        self.array.align_in(&part).or_raise(r#box.py()).map(PyDomain)
    }

    /// The view whose axis k is the axis `axes[k]` of this one, given by number or name; reversed without
    /// any.
    ///
    /// >>> a = bigarrays.create("memory://transpose", shape=(100, 80, 60), dtype="uint8")
    /// >>> a.transpose("z", "y", "x").shape, a.transpose(2, 0, 1).dims
    /// ((60, 80, 100), ('z', 'x', 'y'))
    ///
    /// Raises InvalidArgumentError unless every axis is named once.
    #[pyo3(signature = (*axes))]
    fn transpose(&self, py: Python<'_>, axes: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if axes.is_empty() {
            return self.reversed(py);
        }
        let only = axes.get_item(0)?;
        let given = if axes.len() == 1 && only.cast::<PyString>().is_err() && only.extract::<usize>().is_err()
        {
            only.extract::<Vec<Bound<'_, PyAny>>>()?
        } else {
            axes.iter().collect()
        };
        let names = self.array.axis_names();
        let number = |axis: &Bound<'_, PyAny>| -> PyResult<usize> {
            let Ok(name) = axis.cast::<PyString>() else { return axis.extract() };
            let position = names.iter().position(|known| *name == **known);
            position.ok_or_else(|| invalid(py, format!("no axis {name}; there are {}", names.join(", "))))
        };
        let axes: Vec<usize> = given.iter().map(number).collect::<PyResult<_>>()?;
        Ok(self.with(self.array.permute(&axes).or_raise(py)?))
    }

    /// The view with its coordinates moved by `offset`, one number per axis.
    ///
    /// >>> a = bigarrays.create("memory://translate", domain="10:20,0:80,0:60", dtype="uint8")
    /// >>> a.translate((-10, 0, 5)).domain
    /// Domain("0:10,0:80,5:65")
    fn translate(&self, py: Python<'_>, offset: Vec<i64>) -> PyResult<Self> {
        Ok(self.with(self.array.translate(&offset).or_raise(py)?))
    }

    /// All elements, as `numpy.asarray` asks for them: of a local .npy file the mapped file itself, unless
    /// a copy is asked for.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mapped = if copy == Some(true) { None } else { mapped::elements(py, &self.array)? };
        let all = match mapped {
            Some(mapped) => mapped,
            None if copy == Some(false) => {
                let message = "a stored array cannot become a numpy array without a copy, but for .npy files";
                return Err(PyValueError::new_err(message));
            }
            None => transfer::read(py, &self.array, self.array.domain(), self.array.order())?.into_any(),
        };
        match dtype {
            None => Ok(all),
            Some(dtype) => {
                let arguments = [("copy", false)];
                all.call_method(
                    "astype",
                    (dtype,),
                    Some(&pyo3::types::IntoPyDict::into_py_dict(arguments, py)?),
                )
            }
        }
    }

    fn __len__(&self) -> PyResult<usize> {
        let length = self.array.shape().first();
        let length = length.ok_or_else(|| PyTypeError::new_err("an array of no axes has no length"))?;
        Ok(usize::try_from(*length)?)
    }

    fn __iter__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "arrays are not iterated over; read a box first, or loop over coordinates or a.chunk_domains()",
        ))
    }

    fn __copy__(&self) -> Self {
        self.clone()
    }

    fn __deepcopy__(&self, memo: &Bound<'_, PyAny>) -> Self {
        let _ = memo;
        self.clone()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let reopen = py.import("bigarrays._bigarrays")?.getattr("_reopen")?;
        Ok((reopen, open::pickled(py, self)?))
    }

    fn __repr__(&self) -> String {
        display::line(self)
    }

    fn _repr_html_(&self) -> String {
        display::table(self)
    }
}

/// The iterator that `Array.chunk_domains` returns.
#[pyclass(module = "bigarrays._bigarrays")]
pub(crate) struct ChunkDomains {
    array: Array,
    part: Domain,
    next: usize,
    end: usize,
}

#[pymethods]
impl ChunkDomains {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Option<PyDomain> {
        if self.next >= self.end {
            return None;
        }
        let grid = &self.array.layout().grid;
        let chunk = grid.project(&self.part).get(self.next);
        self.next += 1;
        Some(PyDomain(grid.chunk_domain(&chunk.index)))
    }

    fn __length_hint__(&self) -> usize {
        self.end - self.next
    }
}
