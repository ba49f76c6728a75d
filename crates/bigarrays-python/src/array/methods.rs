//! The methods and properties of `Array`.

use bigarrays::jobs::boxes_apart;
use bigarrays::{Domain, OutsidePoints};
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::array::chunk_domains::ChunkDomains;
use crate::array::display;
use crate::array::domain::{PyDomain, to_domain, to_part};
use crate::array::index::Selection;
use crate::array::node::Node;
use crate::array::outer::OuterIndexer;
use crate::array::pickle::pickled;
use crate::array::points::PointIndexer;
use crate::array::positions::PyPositions;
use crate::array::scale::PyScale;
use crate::array::stored::PyArray;
use crate::array::view::ViewIndexer;
use crate::errors::{OrRaise, invalid};
use crate::flat::elements;
use crate::interrupt::detached;
use crate::transfer;

#[pymethods]
impl PyArray {
    /// Number of elements along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.shape())
    }

    /// First coordinate on each axis; it may be below zero.
    #[getter]
    fn origin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.domain().origin())
    }

    /// The box of coordinates that the array covers, half-open.
    #[getter]
    fn domain(&self) -> PyDomain {
        PyDomain(self.array.domain().clone())
    }

    /// Type of the elements.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        transfer::descr(py, self.array.dtype())
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.array.ndim()
    }

    /// Number of elements.
    ///
    /// Raises:
    ///     InvalidArgumentError: There are more than 2^128.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<u128> {
        self.count().ok_or_else(|| invalid(py, "there are more than 2^128 elements"))
    }

    /// Bytes of all elements in memory, whatever is stored of them.
    ///
    /// Raises:
    ///     InvalidArgumentError: There are more than 2^128.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<u128> {
        self.byte_count().ok_or_else(|| invalid(py, "there are more than 2^128 bytes"))
    }

    /// What the axes are called, in their order: by their names, or as is usual where metadata say none.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://axes", shape=(4, 3), dtype="uint8", format="zarr3")
    ///     >>> a.axis_names, a.dimension_names
    ///     (('dim_0', 'dim_1'), (None, None))
    #[getter]
    fn axis_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.axis_names())
    }

    /// Names of the axes, in their order, as far as metadata say them; None for an axis without a name.
    #[getter]
    fn dimension_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.dimension_names())
    }

    /// Shape of a whole chunk, in stored elements along each axis.
    #[getter]
    fn chunk_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.chunk_shape())
    }

    /// Shape of a shard, in stored elements along each axis; None if there are no shards, or if they are no boxes.
    #[getter]
    fn shard_shape<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.array.shard_shape().map(|shape| PyTuple::new(py, shape)).transpose()
    }

    /// How chunks are packed into shards, in words; None if they are not.
    #[getter]
    fn sharding(&self) -> Option<&str> {
        self.array.layout().sharding.as_ref().map(|sharding| sharding.description.as_str())
    }

    /// Size of an element along each axis in `unit`, or None if it is not known. A step of a view multiplies it.
    #[getter]
    fn resolution<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.array.resolution().map(|resolution| PyTuple::new(py, resolution.size)).transpose()
    }

    /// Unit of the resolution, such as "nm"; None if the resolution is not known.
    #[getter]
    fn unit(&self) -> Option<String> {
        self.array.resolution().map(|resolution| resolution.unit)
    }

    /// Where the elements along each axis are: for each a `Positions`, or None along one of which nothing is known.
    #[getter]
    fn positions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.positions().into_iter().map(|known| known.map(PyPositions)))
    }

    /// Whether the fill value stands for elements without a value: where metadata of Zarr 2 say one, as xarray has it.
    #[getter]
    fn fill_is_missing(&self) -> bool {
        self.array.layout().fill_is_missing
    }

    /// Value of elements that are not stored, as a numpy scalar of the array's type.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://fill", shape=(4,), dtype="int16", format="zarr3", fill_value=-1)
    ///     >>> a.fill_value, a[0]
    ///     (np.int16(-1), np.int16(-1))
    #[getter]
    fn fill_value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let layout = self.array.layout();
        transfer::scalar(py, layout.dtype, layout.fill.as_bytes())
    }

    /// The user's attributes of the stored array: a live mapping of names to values as JSON has them.
    ///
    /// Reading asks the storage, and each change is stored at once, in one atomic step; `update` makes several changes in one.
    /// `dict(a.attrs)` is a copy. Formats that have no attributes have an empty mapping, which cannot be changed.
    ///
    /// Raises:
    ///     InvalidArgumentError: A value is None, which `del` is for, or is not JSON.
    ///     NotFoundError: Attributes are set in a format that has none.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://attrs", shape=(4,), dtype="uint8", format="zarr3", attributes={"by": "us"})
    ///     >>> a.attrs["units"] = "K"
    ///     >>> dict(a.attrs)
    ///     {'by': 'us', 'units': 'K'}
    #[getter]
    fn attrs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let node = Bound::new(py, Node::of(self))?;
        py.import("bigarrays._attributes")?.getattr("Attributes")?.call1((node,))
    }

    /// The scales of the layer, finest first; empty in formats without scales.
    #[getter]
    fn scales(&self) -> Vec<PyScale> {
        self.array.scales().iter().cloned().map(PyScale).collect()
    }

    /// Position of this array in `scales`.
    #[getter]
    fn scale(&self) -> usize {
        self.array.scale()
    }

    /// Name of the format, a key of `supported()["formats"]`.
    #[getter]
    fn format(&self) -> &'static str {
        self.array.format()
    }

    /// The path or URL that the array was opened with.
    #[getter]
    fn url(&self) -> &str {
        self.array.url()
    }

    /// What there is to know of how the array was opened, each a sentence: such as attributes that the store refuses.
    #[getter]
    fn notes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.notes())
    }

    /// Whether the array is marked as incomplete: it was made with `incomplete`, or by `save`, and is not written to its end.
    #[getter]
    fn incomplete(&self) -> bool {
        self.array.incomplete().is_some()
    }

    /// Takes the mark away that says that the array is incomplete, whatever this view shows of it: all of it is written.
    ///
    /// Raises:
    ///     ReadOnlyError: The array was opened with mode "r".
    ///     StorageError: The metadata could not be changed; the array is marked as before.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://complete", shape=(4, 4, 4), dtype="uint8", incomplete=True)
    ///     >>> bigarrays.open("memory://complete")
    ///     Traceback (most recent call last):
    ///     bigarrays.IncompleteError: ...
    ///     >>> a[...] = 1
    ///     >>> a.complete()
    ///     >>> bigarrays.open("memory://complete").incomplete
    ///     False
    fn complete(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.array.complete())
    }

    /// Name of the encoding of chunks, such as "raw" or "jpeg".
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
    /// A slice keeps its coordinates; one of step `s` that starts at `c` starts at `floor(c / s)`.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://view", shape=(100, 80, 60), dtype="uint8")
    ///     >>> a.view[10:20, ::4, 5].domain
    ///     Domain("10:20,0:20")
    #[getter]
    fn view(&self) -> ViewIndexer {
        ViewIndexer(self.clone())
    }

    /// The array as an expression, to compute with: nothing is read until elements are asked for. See `Lazy`.
    ///
    /// Raises:
    ///     UnsupportedError: The elements are no numbers.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://lazy/of", shape=(2, 3), dtype="uint8", format="zarr3")
    ///     >>> a[...] = 7
    ///     >>> (a.lazy * 2 + 0.5).mean(axis=0).compute()
    ///     array([14.5, 14.5, 14.5])
    #[getter]
    fn lazy(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        slf.py().import("bigarrays._expressions")?.getattr("lazy")?.call1((slf,))
    }

    /// Indexing this reads single elements anywhere: `a.vindex[xs, ys, zs]`, and assigning to it writes them.
    ///
    /// The index has one list or array of coordinates an axis, which broadcast as in numpy; the result has their shape.
    /// Or it is a boolean array of the array's shape. Each chunk is read, or changed, at most once; of points that are
    /// there twice, the last counts. `a.vindex(outside="fill")[...]` reads points outside the domain as the fill value;
    /// a write leaves them out if the array was opened with outside="crop".
    ///
    /// Raises:
    ///     OutOfBoundsError: A point lies outside the domain; the error names it, and nothing was written.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://vindex", domain="-10:90,0:80,0:60", dtype="uint8")
    ///     >>> a.vindex[[-3, 80, -3], [5, 6, 7], 8] = [1, 2, 3]
    ///     >>> a.vindex[[80, 0], [6, 0], [8, 8]]
    ///     array([2, 0], dtype=uint8)
    #[getter]
    fn vindex(&self) -> PointIndexer {
        PointIndexer { array: self.clone(), outside: OutsidePoints::Error }
    }

    /// Indexing this reads every combination of coordinates: `a.oindex[xs, 3:9, zs]`, and assigning to it writes them.
    ///
    /// The index has for each axis a list or array of coordinates, a boolean array of the axis' length, a slice, or a single
    /// coordinate, which drops the axis; an ellipsis, and axes at the end that are left out, stand for all of them. Each chunk
    /// is read, or changed, at most once; of coordinates that are there twice in a write, the last counts.
    /// `a.oindex(outside="fill")[...]` reads listed coordinates outside the domain as the fill value; a write leaves them
    /// out if the array was opened with outside="crop".
    ///
    /// Raises:
    ///     OutOfBoundsError: A coordinate lies outside the domain; the error names it, and nothing was written.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://oindex", domain="-10:90,0:80,0:60", dtype="uint8")
    ///     >>> a.oindex[[-3, 80], 5:8, 8] = [[1, 2, 3], [4, 5, 6]]
    ///     >>> a.oindex[[80, -3, 80], 6:8, 8].tolist()
    ///     [[5, 6], [2, 3], [5, 6]]
    #[getter]
    fn oindex(&self) -> OuterIndexer {
        OuterIndexer { array: self.clone(), outside: OutsidePoints::Error }
    }

    /// The view with its axes reversed, without reading.
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
    /// Args:
    ///     box: A text "x0:x1,y0:y1,…", a Domain, or one (start, stop) pair or slice per axis; all of the array if None.
    ///         It may reach outside the domain, where elements have the fill value.
    ///     out: A writable numpy array of the box's shape and the array's type, at any strides, which receives the
    ///         elements. After an error, its contents are unspecified. In loops over boxes of one shape it is faster than
    ///         a new array each time, whose memory the system has to clear first.
    ///     order: "C" or "F", the order of a new array in memory; by default the one that chunks have.
    ///
    /// Returns:
    ///     `out`, or a new numpy array of the box's shape.
    ///
    /// Raises:
    ///     InvalidArgumentError: `box` or `out` do not fit.
    ///     CorruptDataError: A chunk is damaged; the error names it.
    ///     StorageError: A chunk could not be read; the error names it.
    ///     OutOfBoundsError: The array was opened with `strict`, and the box reaches outside the domain.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://read", shape=(100, 80, 60), dtype="uint8")
    ///     >>> a.read("-5:10,0:80,3:4", order="C").shape
    ///     (15, 80, 1)
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

    /// Writes elements. Whole chunks are written without reading them; parts of chunks are changed so that no other writer's
    /// change is lost.
    ///
    /// Args:
    ///     where: A box as for `read`, to which `data` broadcasts, or the coordinate of the first element on each axis;
    ///         then the box has the shape of `data`.
    ///     data: Anything that `numpy.asarray` takes, or another Array.
    ///
    /// Raises:
    ///     OutOfBoundsError: The box reaches outside the domain, and the array was not opened with outside="crop".
    ///     ReadOnlyError: The array was opened with mode "r".
    ///     InvalidArgumentError: Shapes do not fit, or elements do not go into the array's type without loss.
    ///     StorageError: A chunk could not be written; the error names it.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> a = bigarrays.create("memory://write", shape=(100, 80, 60), dtype="uint8")
    ///     >>> a.write((10, 20, 30), np.ones((5, 5, 5), np.uint8))
    ///     >>> a.write("0:100,0:80,0:1", 3)
    ///     >>> int(a[...].sum()) == 125 + 3 * 100 * 80
    ///     True
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

    /// An iterator over the boxes of chunks that are not stored, each clipped to the array's domain. `len` counts them.
    ///
    /// What is stored is found once, by listing or by asking for each chunk, whatever is cheaper, and kept compressed.
    ///
    /// Args:
    ///     box: Only chunks that this box touches; those of all of the array if None.
    ///
    /// Raises:
    ///     StorageError: The storage could not be asked.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://missing", shape=(100, 60, 60), dtype="uint8", chunk_shape=(64, 64, 64))
    ///     >>> a[0:64, 0:60, 0:60] = 1
    ///     >>> missing = a.missing()
    ///     >>> len(missing), list(missing)
    ///     (1, [Domain("64:100,0:60,0:60")])
    #[pyo3(signature = (r#box = None))]
    fn missing(&self, py: Python<'_>, r#box: Option<&Bound<'_, PyAny>>) -> PyResult<ChunkDomains> {
        let part = to_part(r#box, self.array.domain())?;
        detached(py, || ChunkDomains::missing(&self.array, &part))
    }

    /// An iterator over the boxes of chunks, each clipped to the array's domain. `len` counts them.
    ///
    /// Args:
    ///     box: Only chunks that this box touches; those of all of the array if None.
    ///     stored: Only chunks that are stored, also of views: found once, by listing or by asking for each chunk,
    ///         whatever is cheaper.
    ///
    /// Raises:
    ///     UnsupportedError: All chunks of a strided, moved or permuted view were asked for.
    ///     StorageError: The storage could not be asked.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://chunks", shape=(100, 60, 60), dtype="uint8", chunk_shape=(64, 64, 64))
    ///     >>> [str(box) for box in a.chunk_domains()]
    ///     ['0:64,0:60,0:60', '64:100,0:60,0:60']
    ///     >>> a[70, 0, 0] = 1
    ///     >>> [str(box) for box in a.view[60:, :, 0].chunk_domains(stored=True)]
    ///     ['64:100,0:60']
    #[pyo3(signature = (r#box = None, *, stored = false))]
    fn chunk_domains(
        &self,
        py: Python<'_>,
        r#box: Option<&Bound<'_, PyAny>>,
        stored: bool,
    ) -> PyResult<ChunkDomains> {
        let part = to_part(r#box, self.array.domain())?;
        if stored {
            return detached(py, || ChunkDomains::stored(&self.array, &part));
        }
        ChunkDomains::all(&self.array, &part).or_raise(py)
    }

    /// The smallest box of whole chunks that holds `box`, clipped to the domain.
    ///
    /// Raises:
    ///     UnsupportedError: The array is a strided, moved or permuted view.
    fn align_out(&self, r#box: &Bound<'_, PyAny>) -> PyResult<PyDomain> {
        let part = to_domain(r#box, Some(self.array.domain()))?;
        self.array.align_out(&part).or_raise(r#box.py()).map(PyDomain)
    }

    /// The largest box of whole chunks that lies in `box`.
    ///
    /// Raises:
    ///     UnsupportedError: The array is a strided, moved or permuted view.
    fn align_in(&self, r#box: &Bound<'_, PyAny>) -> PyResult<PyDomain> {
        let part = to_domain(r#box, Some(self.array.domain()))?;
        self.array.align_in(&part).or_raise(r#box.py()).map(PyDomain)
    }

    /// About so many boxes, of which no two have a chunk or shard in common: of each, where it begins and ends along each axis.
    fn _boxes_apart(&self, py: Python<'_>, count: u64) -> PyResult<Vec<Vec<(i64, i64)>>> {
        let boxes = boxes_apart(&self.array, count).or_raise(py)?;
        let ends = |part: &Domain| part.ranges().map(|range| (range.start, range.end)).collect();
        Ok(boxes.iter().map(ends).collect())
    }

    /// The view whose axis k is the axis `axes[k]` of this one, without reading.
    ///
    /// Args:
    ///     axes: Every axis once, by number or by name; the axes reversed if there are none. Numbers count from 0, and
    ///         negative ones from the end, as in numpy.
    ///
    /// Raises:
    ///     InvalidArgumentError: An axis is not there, is missing or is named twice.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://transpose", shape=(100, 80, 60), dtype="uint8")
    ///     >>> a.transpose("z", "y", "x").shape, a.transpose(2, 0, 1).dimension_names
    ///     ((60, 80, 100), ('z', 'x', 'y'))
    #[pyo3(signature = (*axes))]
    fn transpose(&self, py: Python<'_>, axes: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if axes.is_empty() {
            return self.reversed(py);
        }
        let only = axes.get_item(0)?;
        let given = if axes.len() == 1 && only.cast::<PyString>().is_err() && only.extract::<isize>().is_err()
        {
            only.extract::<Vec<Bound<'_, PyAny>>>()?
        } else {
            axes.iter().collect()
        };
        let names = self.array.axis_names();
        let number = |axis: &Bound<'_, PyAny>| -> PyResult<usize> {
            let Ok(name) = axis.cast::<PyString>() else {
                let number: isize = axis.extract()?;
                let number = if number < 0 { number + names.len() as isize } else { number };
                return usize::try_from(number).map_err(|_| invalid(py, format!("no axis {axis}")));
            };
            let position = names.iter().position(|known| *name == **known);
            position.ok_or_else(|| invalid(py, format!("no axis {name}; there are {}", names.join(", "))))
        };
        let axes: Vec<usize> = given.iter().map(number).collect::<PyResult<_>>()?;
        Ok(self.with(self.array.permute(&axes).or_raise(py)?))
    }

    /// The view with its coordinates moved by `offset`, one number per axis, without reading.
    ///
    /// Raises:
    ///     InvalidArgumentError: There are not as many numbers as axes, or coordinates leave the range of 64 bits.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://translate", domain="10:20,0:80,0:60", dtype="uint8")
    ///     >>> a.translate((-10, 0, 5)).domain
    ///     Domain("0:10,0:80,5:65")
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
        let mapped = if copy == Some(true) { None } else { elements(py, &self.array)? };
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
        Ok((reopen, pickled(py, self)?))
    }

    fn __repr__(&self) -> String {
        display::line(self)
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let drawn = py.detach(|| display::small_picture(&self.array));
        let encoded = |png: Vec<u8>| -> PyResult<String> {
            let text = py.import("base64")?.call_method1("b64encode", (PyBytes::new(py, &png),))?;
            text.call_method1("decode", ("ascii",))?.extract()
        };
        let picture = match drawn {
            Some(Ok(png)) => Some(Ok(encoded(png)?)),
            Some(Err(error)) => Some(Err(error.to_string())),
            None => None,
        };
        Ok(display::table(self, picture))
    }
}
