//! `a.oindex[…]`: every combination of coordinates along each axis.

use bigarrays::base::dims::Dims;
use bigarrays::{Array, Coordinates, Domain, Index, OutsidePoints};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PySlice, PyTuple};

use crate::array::display;
use crate::array::domain::PyDomain;
use crate::array::index::{coordinate, refuse, to_slice, too_many};
use crate::array::points::{expect_reading, of_mask, to_outside, whole_numbers};
use crate::array::stored::PyArray;
use crate::errors::{OrRaise, invalid};
use crate::interrupt::detached;
use crate::transfer;

/// What `Array.oindex` is: `a.oindex[xs, 3:9, zs]` reads the elements at every combination of coordinates, and assigning
/// to it writes them.
#[pyclass(module = "bigarrays", frozen)]
pub(crate) struct OuterIndexer {
    pub(crate) array: PyArray,
    pub(crate) outside: OutsidePoints,
}

/// What an index selects.
struct Outer<'py> {
    /// The array, cut along the axes that a slice was given for.
    view: Array,
    /// Listed coordinates along each axis, if any.
    listed: Vec<Option<PyReadonlyArray1<'py, i64>>>,
    /// The number of elements along each axis that stays.
    shape: Vec<u64>,
    /// The axis of the result that each one is; none where a single coordinate was given.
    arrangement: Vec<Option<usize>>,
}

/// What an index says of one axis.
enum Axis<'py> {
    Sliced(Index),
    At(i64),
    Listed(Bound<'py, PyAny>),
}

impl<'py> Outer<'py> {
    fn parse(array: &Array, key: &Bound<'py, PyAny>) -> PyResult<Self> {
        let (py, domain) = (key.py(), array.domain());
        let axes: Vec<Axis<'py>> = match key.cast::<PyDomain>() {
            Ok(part) => part.get().0.ranges().map(|range| Axis::Sliced(range.into())).collect(),
            Err(_) => parse_items(key, domain)?,
        };
        let sliced = |axis: &Axis<'_>| if let Axis::Sliced(index) = axis { *index } else { Index::ALL };
        let view = array.slice(&axes.iter().map(sliced).collect::<Dims<_>>()).or_raise(py)?;
        let (mut listed, mut shape, mut arrangement) = (Vec::new(), Vec::new(), Vec::new());
        for (axis, given) in axes.into_iter().enumerate() {
            let list = match given {
                Axis::Sliced(_) => None,
                Axis::At(at) => Some(PyArray1::from_vec(py, vec![at])),
                Axis::Listed(ref list) => Some(list.cast::<PyArray1<i64>>()?.clone()),
            };
            let stays = !matches!(given, Axis::At(_));
            arrangement.push(stays.then_some(shape.len()));
            if stays {
                shape.push(list.as_ref().map_or(view.shape()[axis], |list| list.len() as u64));
            }
            listed.push(list.map(|list| list.readonly()));
        }
        Ok(Self { view, listed, shape, arrangement })
    }

    /// The coordinates along each axis.
    fn axes(&self) -> PyResult<Vec<Coordinates<'_>>> {
        let mut axes = Vec::with_capacity(self.listed.len());
        for listed in &self.listed {
            axes.push(match listed {
                Some(listed) => Coordinates::At(listed.as_slice()?),
                None => Coordinates::All,
            });
        }
        Ok(axes)
    }
}

/// What stands between the brackets, for each axis.
fn parse_items<'py>(key: &Bound<'py, PyAny>, domain: &Domain) -> PyResult<Vec<Axis<'py>>> {
    let py = key.py();
    let items: Vec<Bound<'py, PyAny>> = match key.cast::<PyTuple>() {
        Ok(items) => items.iter().collect(),
        Err(_) => vec![key.clone()],
    };
    let is_ellipsis = |item: &Bound<'py, PyAny>| item.is(PyEllipsis::get(py));
    let ellipses = items.iter().filter(|item| is_ellipsis(item)).count();
    let (given, ndim) = (items.len() - ellipses, domain.ndim());
    if ellipses > 1 {
        return Err(too_many(py, "an index has only one ellipsis".to_owned()));
    }
    if given > ndim {
        return Err(too_many(py, format!("{given} indices for an array of {ndim} axes")));
    }
    let mut axes = Vec::with_capacity(ndim);
    for item in &items {
        if is_ellipsis(item) {
            axes.extend((given..ndim).map(|_| Axis::Sliced(Index::ALL)));
        } else {
            axes.push(parse_item(item, axes.len(), domain)?);
        }
    }
    axes.extend((axes.len()..ndim).map(|_| Axis::Sliced(Index::ALL)));
    Ok(axes)
}

fn parse_item<'py>(item: &Bound<'py, PyAny>, axis: usize, domain: &Domain) -> PyResult<Axis<'py>> {
    let py = item.py();
    if let Ok(slice) = item.cast::<PySlice>() {
        return Ok(Axis::Sliced(to_slice(slice)?));
    }
    if item.is_none() || item.is_instance_of::<PyBool>() {
        return Err(refuse(item));
    }
    if item.hasattr("__index__")? && item.getattr("ndim").map_or(Ok(0), |ndim| ndim.extract::<usize>())? == 0
    {
        return Ok(Axis::At(coordinate(item)?));
    }
    let list: Bound<'py, PyUntypedArray> =
        py.import("numpy")?.call_method1("asarray", (item,))?.cast_into()?;
    if list.ndim() != 1 {
        let message = format!(
            "the index along an axis has one axis, not {}; single elements, also by a mask of the array's shape, are read by vindex",
            list.ndim()
        );
        return Err(invalid(py, message));
    }
    let along = Domain::from_ranges(&[domain.range(axis)]).or_raise(py)?;
    match of_mask(&list, &along)? {
        Some(found) => Ok(Axis::Listed(found.get_item(0)?)),
        None => Ok(Axis::Listed(whole_numbers(&list)?)),
    }
}

#[pymethods]
impl OuterIndexer {
    /// The same with options: `a.oindex(outside="fill")[xs, 3:9]`.
    ///
    /// Args:
    ///     outside: "error", or "fill": listed coordinates outside the domain read as the fill value, unless the array is
    ///         strict. Slices read so in either case, as they do without `oindex`.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://outside-outer", shape=(4, 3), dtype="int8", format="zarr3", fill_value=-1)
    ///     >>> a[...] = 3
    ///     >>> a.oindex(outside="fill")[[-1, 2], 0:2].tolist()
    ///     [[-1, -1], [3, 3]]
    #[pyo3(signature = (*, outside = "error"))]
    fn __call__(&self, py: Python<'_>, outside: &str) -> PyResult<Self> {
        Ok(Self { array: self.array.clone(), outside: to_outside(py, outside)? })
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        transfer::expect_sized(py, &self.array.array, "coordinates along axes")?;
        let outer = Outer::parse(&self.array.array, key)?;
        let (view, axes) = (&outer.view, outer.axes()?);
        let out = transfer::made(py, &outer.shape, view.dtype(), view.order(), |out| {
            let out = out.arranged(&outer.arrangement);
            detached(py, || view.read_outer_into(&axes, out, self.outside))
        })?;
        let out = out.into_any();
        if outer.shape.is_empty() { out.get_item(PyTuple::empty(py)) } else { Ok(out) }
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        transfer::expect_sized(py, &self.array.array, "coordinates along axes")?;
        expect_reading(py, self.outside)?;
        let outer = Outer::parse(&self.array.array, key)?;
        let (view, axes) = (&outer.view, outer.axes()?);
        transfer::write_by(view, &outer.shape, value, |source| {
            view.write_outer_from(&axes, source.arranged(&outer.arrangement))
        })
    }

    fn __repr__(&self) -> String {
        format!("<oindex[…] of {}>", display::line(&self.array))
    }
}
