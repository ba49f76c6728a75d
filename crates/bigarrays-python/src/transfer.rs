//! Between arrays and numpy: allocation, checks, broadcasting and casts. Elements are copied once.

use std::borrow::Cow;
use std::ffi::c_int;
use std::ops::Range;

use bigarrays::base::buffer::{Order, View, ViewMut, byte_len};
use bigarrays::base::dims::Dims;
use bigarrays::flat::is_mapped;
use bigarrays::{Array, DataType, Domain, Error, ErrorKind, for_dtype};
use numpy::npyffi::{
    _PyArray_GET_ITEM_DATA, NPY_ARRAY_WRITEABLE, NpyTypes, PyArrayObject_fields, get_type_object,
};
use numpy::{PY_ARRAY_API, PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySlice, PyString, PyTuple};

use crate::errors::{OrRaise, exception, invalid};
use crate::interrupt::detached;

/// numpy's type for `dtype`.
pub(crate) fn descr(py: Python<'_>, dtype: DataType) -> PyResult<Bound<'_, PyArrayDescr>> {
    for_dtype!(dtype, T => Ok(numpy::dtype::<T>(py)), other => {
        let name = if other.is_long() { Cow::Borrowed("O") } else { other.name() };
        PyArrayDescr::new(py, &*name)
    })
}

/// The type that `given`, anything `numpy.dtype` takes, names.
pub(crate) fn to_dtype(given: &Bound<'_, PyAny>) -> PyResult<DataType> {
    let descr = PyArrayDescr::new(given.py(), given)?;
    descr.getattr("name")?.extract::<String>()?.parse().or_raise(given.py())
}

/// Reads the box `part` into a new numpy array.
pub(crate) fn read<'py>(
    py: Python<'py>,
    array: &Array,
    part: &Domain,
    order: Order,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    if array.dtype().is_long() {
        return read_long(py, array, part, order);
    }
    made(py, part.shape(), array.dtype(), order, |out| detached(py, || array.read_into(part, out)))
}

/// Results of so many bytes are written past the caches: they would not stay there.
const LARGE: u64 = 32 << 20;

/// Bytes of a cache line.
const LINE: usize = 64;

/// A text, which whoever decoded it has found to be one.
fn text<'py>(py: Python<'py>, element: &[u8]) -> Bound<'py, PyAny> {
    PyString::new(py, &String::from_utf8_lossy(element)).into_any()
}

/// Reads the box `part` of elements that have lengths of their own into a new numpy array of objects.
fn read_long<'py>(
    py: Python<'py>,
    array: &Array,
    part: &Domain,
    order: Order,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let read = detached(py, || array.read_long(part))?;
    let object = |element: &[u8]| match array.dtype() {
        DataType::LongText => text(py, element),
        _ => PyBytes::new(py, element).into_any(),
    };
    let objects = PyList::new(py, read.iter().map(object))?;
    let out = py.import("numpy")?.call_method1("empty", (objects.len(), "O"))?;
    out.set_item(PySlice::full(py), objects)?;
    let out = out.call_method1("reshape", (PyTuple::new(py, part.shape())?,))?;
    let name = if order == Order::Fortran { "F" } else { "C" };
    Ok(out.call_method1("copy", (name,))?.cast_into()?)
}

/// # Errors
/// `UnsupportedError` if elements have lengths of their own, and numpy's are objects.
pub(crate) fn expect_sized(py: Python<'_>, array: &Array, what: &str) -> PyResult<()> {
    if !array.dtype().is_long() {
        return Ok(());
    }
    let message = format!("{what} of an array of {} elements; read boxes of it, as in a[3:9]", array.dtype());
    Err(exception(py, &Error::unsupported(message).at(array.url())))
}

/// A new numpy array of this shape, whose elements `fill` writes, all of them, or fails.
pub(crate) fn made<'py>(
    py: Python<'py>,
    shape: &[u64],
    dtype: DataType,
    order: Order,
    fill: impl FnOnce(ViewMut<'_>) -> PyResult<()>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let mut all = made_all(py, &[(shape, dtype, order)], |mut outs| outs.pop().map_or(Ok(()), fill))?;
    all.pop().ok_or_else(|| invalid(py, "no array was made"))
}

/// New numpy arrays of these shapes, whose elements `fill` writes, all of them, or fails.
pub(crate) fn made_all<'py>(
    py: Python<'py>,
    wanted: &[(&[u64], DataType, Order)],
    fill: impl FnOnce(Vec<ViewMut<'_>>) -> PyResult<()>,
) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
    let is_large = |shape: &[u64], dtype: DataType| {
        shape.iter().fold(dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length)) >= LARGE
    };
    let one = |&(shape, dtype, order): &(&[u64], DataType, Order)| match is_large(shape, dtype) {
        true => aligned(py, shape, dtype, order),
        false => empty(py, shape, dtype, order),
    };
    let arrays = wanted.iter().map(one).collect::<PyResult<Vec<_>>>()?;
    let view = |(array, &(shape, dtype, _)): (_, &(&[u64], DataType, Order))| {
        // SAFETY: nobody else has the array, whose elements are each at a place of their own.
        let target = unsafe { target_of(array, dtype) };
        if is_large(shape, dtype) { target.streaming() } else { target }
    };
    fill(arrays.iter().zip(wanted).map(view).collect())?;
    Ok(arrays)
}

/// A new numpy array of `count` elements along one axis, whose bytes `fill` writes.
pub(crate) fn filled<'py>(
    py: Python<'py>,
    count: usize,
    dtype: DataType,
    fill: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let out = py.import("numpy")?.call_method1("zeros", (count, descr(py, dtype)?))?;
    let out: Bound<'py, PyUntypedArray> = out.cast_into()?;
    if count > 0 {
        let bytes = count * dtype.size();
        // SAFETY: the array is new, dense and initialised, and nobody else refers to it.
        fill(unsafe { std::slice::from_raw_parts_mut(fields(&out).data.cast(), bytes) })?;
    }
    Ok(out)
}

/// Reads the only element of an array of no axes.
pub(crate) fn read_element<'py>(py: Python<'py>, array: &Array) -> PyResult<Bound<'py, PyAny>> {
    if !array.dtype().is_number() {
        return read(py, array, array.domain(), Order::C)?.get_item(PyTuple::empty(py));
    }
    let mut element = 0u64;
    let (start, item) = (&raw mut element, array.dtype().size());
    // SAFETY: no number is larger than eight bytes, and nothing else refers to these.
    let out = unsafe { ViewMut::from_raw(start.cast(), &[], &[], item) };
    detached(py, || array.read_into(array.domain(), out))?;
    // A number of eight bytes starts with those of its element, which may be fewer.
    scalar(py, array.dtype(), &element.to_ne_bytes()[..item])
}

/// The element of type `dtype` that has these bytes, in the machine's order.
pub(crate) fn scalar<'py>(py: Python<'py>, dtype: DataType, element: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if dtype == DataType::LongText {
        return Ok(text(py, element));
    }
    let bytes = PyBytes::new(py, element);
    if dtype == DataType::LongBytes {
        return Ok(bytes.into_any());
    }
    if element.len() != dtype.size() {
        return Err(invalid(py, format!("{} bytes are no element of {dtype}", element.len())));
    }
    if !dtype.is_number() {
        return py.import("numpy")?.call_method1("frombuffer", (bytes, descr(py, dtype)?))?.get_item(0);
    }
    let mut bytes = [0u64; 1];
    let start: *mut u8 = bytes.as_mut_ptr().cast();
    let descr = descr(py, dtype)?;
    // SAFETY: a number has at most as many bytes, and these are an element of this type; numpy copies them into the new
    // scalar.
    unsafe {
        start.copy_from_nonoverlapping(element.as_ptr(), element.len());
        let scalar =
            PY_ARRAY_API.PyArray_Scalar(py, start.cast(), descr.as_dtype_ptr(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(py, scalar)
    }
}

/// Checks that `out` can take `shape` elements of the array's type, each at a place of its own.
pub(crate) fn check_out(out: &Bound<'_, PyUntypedArray>, array: &Array, part: &Domain) -> PyResult<()> {
    let py = out.py();
    expect_sized(py, array, "out")?;
    if fields(out).flags & NPY_ARRAY_WRITEABLE == 0 {
        return Err(invalid(py, "out is not writable"));
    }
    if !out.dtype().is_equiv_to(&descr(py, array.dtype())?) {
        return Err(invalid(py, format!("out is of {}, the array of {}", out.dtype(), array.dtype())));
    }
    if !out.shape().iter().map(|&length| length as u64).eq(part.shape().iter().copied()) {
        return Err(invalid(
            py,
            format!("out is of shape {:?}, box {part} of {:?}", out.shape(), part.shape()),
        ));
    }
    if may_overlap(out.shape(), out.strides(), array.dtype().size()) {
        return Err(invalid(py, "elements of out share memory"));
    }
    Ok(())
}

/// Whether two elements at these strides may share a byte.
fn may_overlap(shape: &[usize], strides: &[isize], item: usize) -> bool {
    if shape.contains(&0) {
        return false;
    }
    let mut axes: Dims<(usize, usize)> =
        strides.iter().zip(shape).map(|(stride, &length)| (stride.unsigned_abs(), length)).collect();
    axes.retain(|&mut (_, length)| length > 1);
    axes.sort_unstable();
    let mut extent = item;
    for (stride, length) in axes {
        if stride < extent {
            return true;
        }
        extent += stride * (length - 1);
    }
    false
}

/// Reads the box `part` into `out`, which is new or checked.
pub(crate) fn read_into(out: &Bound<'_, PyUntypedArray>, array: &Array, part: &Domain) -> PyResult<()> {
    // SAFETY: `out` is writable, and no two elements share a place.
    let target = unsafe { target_of(out, array.dtype()) };
    detached(out.py(), || array.read_into(part, target))
}

/// The elements of `out`, for as long as it is borrowed.
///
/// # Safety
/// `out` must be writable, of elements of `dtype` of which no two share a place.
unsafe fn target_of<'a>(out: &'a Bound<'_, PyUntypedArray>, dtype: DataType) -> ViewMut<'a> {
    // SAFETY: a borrowed array keeps its memory; the rest is the caller's promise.
    unsafe { ViewMut::from_raw(fields(out).data.cast(), out.shape(), out.strides(), dtype.size()) }
}

/// Writes `value`, broadcast as numpy does, to the box `part`.
pub(crate) fn write(array: &Array, part: &Domain, value: &Bound<'_, PyAny>) -> PyResult<()> {
    write_by(array, part.shape(), value, |source| array.write_from(part, source))
}

/// Has `write` write `value`, broadcast to `shape` as numpy does, to the array.
pub(crate) fn write_by(
    array: &Array,
    shape: &[u64],
    value: &Bound<'_, PyAny>,
    write: impl FnOnce(View<'_>) -> bigarrays::Result<()> + Send,
) -> PyResult<()> {
    let py = value.py();
    if array.options().read_only {
        let message = "the array was opened with mode=\"r\"; open it with mode=\"r+\" to write";
        return Err(exception(py, &Error::new(ErrorKind::ReadOnly, message).at(array.url())));
    }
    expect_sized(py, array, "writing")?;
    let mut source = to_source(value, array.dtype())?;
    // A view of the file that is written, as numpy's arrays of a `.npy` file are.
    if array.store().local_path().is_some_and(|path| is_mapped(&addresses(&source), path)) {
        source = source.call_method0("copy")?.cast_into()?;
    }
    let Some(strides) = broadcast(source.shape(), source.strides(), shape) else {
        let from = source.shape();
        return Err(invalid(
            py,
            format!("elements of shape {from:?} cannot be broadcast to shape {shape:?}"),
        ));
    };
    let shape = lengths(py, shape)?;
    let item = array.dtype().size();
    // Other threads may change it meanwhile, or processes if it is mapped.
    // SAFETY: `source` keeps its memory for the call; repeated axes have a stride of zero.
    let source = unsafe { View::from_foreign(fields(&source).data.cast(), &shape, &strides, item) };
    detached(py, || write(source))
}

/// Strides that show an array of `shape` as one of shape `to`, if they broadcast together.
fn broadcast(shape: &[usize], strides: &[isize], to: &[u64]) -> Option<Dims<isize>> {
    let extra = shape.len().saturating_sub(to.len());
    if shape[..extra].iter().any(|&length| length != 1) {
        return None;
    }
    let (shape, strides) = (&shape[extra..], &strides[extra..]);
    let missing = to.len() - shape.len();
    let stride = |(axis, &wanted): (usize, &u64)| match axis.checked_sub(missing) {
        Some(axis) if shape[axis] as u64 == wanted => Some(strides[axis]),
        Some(axis) if shape[axis] != 1 => None,
        _ => Some(0),
    };
    to.iter().enumerate().map(stride).collect()
}

/// The array itself or, of booleans, a copy in which every byte is zero or one.
pub(crate) fn with_booleans<'py>(array: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match array.cast::<PyUntypedArray>() {
        Ok(elements) if elements.dtype().kind() == b'b' => array.call_method1("__ne__", (false,)),
        _ => Ok(array),
    }
}

/// `value` as a numpy array of `dtype`, itself where it is one.
fn to_source<'py>(value: &Bound<'py, PyAny>, dtype: DataType) -> PyResult<Bound<'py, PyUntypedArray>> {
    to_source_of(value, &descr(value.py(), dtype)?, None)
}

/// `value` as a numpy array of the type `target`, itself where it is one: by numpy's rule `casting`, or else if no
/// value is lost.
pub(crate) fn to_source_of<'py>(
    value: &Bound<'py, PyAny>,
    target: &Bound<'py, PyArrayDescr>,
    casting: Option<&str>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = value.py();
    if let Ok(array) = value.cast_exact::<PyUntypedArray>()
        && array.dtype().is_equiv_to(target)
    {
        return Ok(array.clone());
    }
    let cast = py.import("bigarrays._casting")?.getattr("cast")?.call1((value, target, casting))?;
    match cast.cast::<PyString>() {
        Ok(reason) => Err(invalid(py, reason.to_str()?.to_owned())),
        Err(_) => Ok(cast.cast_into()?),
    }
}

/// A new array from numpy's allocator, not initialised.
fn empty<'py>(
    py: Python<'py>,
    shape: &[u64],
    dtype: DataType,
    order: Order,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let mut shape: Dims<isize> = lengths(py, shape)?.iter().map(|&length| length as isize).collect();
    let descr = descr(py, dtype)?.into_dtype_ptr();
    let fortran = c_int::from(order == Order::Fortran);
    // SAFETY: the lengths are not negative; numpy takes over the reference to the type.
    unsafe {
        let array = PY_ARRAY_API.PyArray_Empty(py, shape.len() as c_int, shape.as_mut_ptr(), descr, fortran);
        Ok(Bound::from_owned_ptr_or_err(py, array)?.cast_into_unchecked())
    }
}

/// As [`empty`], of elements that begin with a cache line: a view of a somewhat larger array.
fn aligned<'py>(
    py: Python<'py>,
    shape: &[u64],
    dtype: DataType,
    order: Order,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let lengths = lengths(py, shape)?;
    let bytes = byte_len(&lengths, dtype.size()).or_raise(py)?;
    let whole = empty(py, &[bytes.saturating_add(LINE) as u64], DataType::U8, Order::C)?;
    let mut strides = order.strides(&lengths, dtype.size());
    let mut shape: Dims<isize> = lengths.iter().map(|&length| length as isize).collect();
    // SAFETY: from the first line on there are as many bytes as the elements have.
    unsafe {
        let data: *mut u8 = fields(&whole).data.cast();
        view_of(&whole, descr(py, dtype)?, &mut shape, &mut strides, data.add(data.align_offset(LINE)))
    }
}

/// An array whose elements lie in the memory of `whole`.
///
/// # Safety
/// All elements of the type `descr` from `start` on, at `strides`, must lie there.
unsafe fn view_of<'py>(
    whole: &Bound<'py, PyUntypedArray>,
    descr: Bound<'py, PyArrayDescr>,
    shape: &mut [isize],
    strides: &mut [isize],
    start: *mut u8,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = whole.py();
    // SAFETY: the caller's promise; numpy takes over the references to the type and to `whole`, and copies shape and
    // strides.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            get_type_object(py, NpyTypes::PyArray_Type),
            descr.into_dtype_ptr(),
            shape.len() as c_int,
            shape.as_mut_ptr(),
            strides.as_mut_ptr(),
            start.cast(),
            fields(whole).flags & NPY_ARRAY_WRITEABLE,
            std::ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        match PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), whole.clone().into_ptr()) {
            0 => Ok(array.cast_into_unchecked()),
            _ => Err(PyErr::fetch(py)),
        }
    }
}

fn lengths(py: Python<'_>, shape: &[u64]) -> PyResult<Dims<usize>> {
    let fits = |&length: &u64| isize::try_from(length).ok().map(|length| length as usize);
    let lengths: Option<_> = shape.iter().map(fits).collect();
    lengths.ok_or_else(|| invalid(py, format!("shape {shape:?} exceeds the address space")))
}

/// The order that `given` names, or the array's own.
pub(crate) fn to_order(py: Python<'_>, given: Option<&str>, array: &Array) -> PyResult<Order> {
    match given {
        None => Ok(array.order()),
        Some("C") => Ok(Order::C),
        Some("F") => Ok(Order::Fortran),
        Some(other) => Err(invalid(py, format!("unknown order {other:?}; known are \"C\" and \"F\""))),
    }
}

/// `value` as a numpy array.
pub(crate) fn expect_array<'a, 'py>(
    value: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    value.cast().map_err(|_| PyTypeError::new_err("out must be a numpy array"))
}

/// A view of rows of `whole`, which has at least one axis: `whole[rows]`, in a fraction of the time.
pub(crate) fn rows_of<'py>(
    whole: &Bound<'py, PyUntypedArray>,
    rows: &Range<u64>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = whole.py();
    let from = fields(whole);
    let mut shape: Dims<isize> = whole.shape().iter().map(|&length| length as isize).collect();
    let mut strides: Dims<isize> = whole.strides().into();
    if rows.start > rows.end || rows.end > shape[0] as u64 {
        return Err(invalid(py, format!("rows {}:{} of {}", rows.start, rows.end, shape[0])));
    }
    shape[0] = (rows.end - rows.start) as isize;
    // SAFETY: the rows are among those of `whole`.
    unsafe {
        let start = from.data.offset(rows.start as isize * strides[0]).cast();
        Ok(view_of(whole, whole.dtype(), &mut shape, &mut strides, start)?.into_any())
    }
}

/// The bytes of a contiguous array. numpy keeps them for as long as it lives.
pub(crate) fn dense_bytes<'a>(array: &'a Bound<'_, PyUntypedArray>) -> &'a [u8] {
    let length = array.len() * array.dtype().itemsize();
    if length == 0 || !array.is_contiguous() {
        return &[];
    }
    // SAFETY: a contiguous array has all its elements from its first byte on. Nothing is made of the
    // bytes but copies, so that it does not matter if Python code changes them meanwhile.
    unsafe { std::slice::from_raw_parts(fields(array).data.cast(), length) }
}

/// The memory that has all elements.
pub(crate) fn addresses(array: &Bound<'_, PyUntypedArray>) -> Range<usize> {
    let start = fields(array).data as usize;
    if array.is_empty() {
        return start..start;
    }
    let reach = |(&length, &stride): (&usize, &isize)| (length as isize - 1) * stride;
    let (before, behind) = array
        .shape()
        .iter()
        .zip(array.strides())
        .map(reach)
        .fold((0, 0), |(before, behind), reach| (before + reach.min(0), behind + reach.max(0)));
    start.wrapping_add_signed(before)..start.wrapping_add_signed(behind) + array.dtype().itemsize()
}

/// Elements of a numpy array, which is kept, so that they can be copied without the interpreter.
pub(crate) struct Elements {
    array: Py<PyUntypedArray>,
    start: usize,
    shape: Dims<usize>,
    strides: Dims<isize>,
    item: usize,
}

impl Elements {
    pub(crate) fn of(array: &Bound<'_, PyUntypedArray>) -> Self {
        Self {
            start: fields(array).data as usize,
            shape: array.shape().into(),
            strides: array.strides().into(),
            item: array.dtype().itemsize(),
            array: array.clone().unbind(),
        }
    }

    /// All elements, which others may change meanwhile.
    pub(crate) fn view(&self) -> View<'_> {
        let _kept = &self.array;
        // SAFETY: the array keeps its memory, and numpy gives none away of an array that others refer to.
        unsafe { View::from_foreign(self.start as *const u8, &self.shape, &self.strides, self.item) }
    }
}

/// What numpy has of an array.
pub(crate) fn fields<'a>(array: &'a Bound<'_, PyUntypedArray>) -> &'a PyArrayObject_fields {
    // SAFETY: the pointer is that of a live array object.
    unsafe { &*_PyArray_GET_ITEM_DATA(array.as_array_ptr()) }
}
