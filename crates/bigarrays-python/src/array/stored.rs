//! The class `Array`: a stored array or a view of one.

use std::sync::Arc;

use bigarrays::Array;
use pyo3::prelude::*;

use crate::array::options::{Opening, mode_name};

/// A stored N-d array, or a view of one, as `open` and `create` return it.
///
/// `a[...]` reads at once into a numpy array, `a[...] = x` writes scalars and arrays, which broadcast as in numpy, and
/// `a.view[...]` gives an array without reading anything.
///
/// An index is an absolute coordinate in the array's domain, which may start anywhere, below zero too. So -1 is a
/// coordinate and never the last element: a box means the same elements in a volume, in a view of it and in a larger
/// volume around it. (Indices of `FlatArray` are numpy's, because what it returns are numpy's views of a mapped file.)
///
/// Reads may reach outside the domain and over chunks that are not stored; both give the fill value. An array may be used
/// from many threads at once, and the same stored array from many processes. Arrays are pickled by their URL, options and
/// view.
///
/// Raises:
///     OutOfBoundsError: An index without a range, or a write, lies outside the domain.
///     ReadOnlyError: The array was opened with mode "r".
///     CorruptDataError: A chunk is damaged; the error names it.
///     StorageError: A chunk could not be read or written; the error names it.
///
/// Example:
///     >>> import numpy as np
///     >>> a = bigarrays.create("memory://array", domain="-10:90,0:80,0:60", dtype="uint16")
///     >>> a[-10:0, 0:80, 5] = np.arange(80)
///     >>> a[-1, 7, 5]
///     np.uint16(7)
///     >>> a[-5:0, 3:6, 5].shape
///     (5, 3)
///     >>> plane = a.view[..., 5]
///     >>> plane.domain
///     Domain("-10:90,0:80")
///     >>> int(plane[-1, 9])
///     9
///     >>> a[90, 0, 0]
///     Traceback (most recent call last):
///     bigarrays.OutOfBoundsError: ...
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
        mode_name(self.opening.writable)
    }

    /// Bytes of all elements.
    pub(crate) fn byte_count(&self) -> Option<u128> {
        self.count()?.checked_mul(self.array.dtype().size() as u128)
    }

    /// Number of elements.
    pub(crate) fn count(&self) -> Option<u128> {
        self.array.shape().iter().try_fold(1u128, |product, &length| product.checked_mul(u128::from(length)))
    }
}
