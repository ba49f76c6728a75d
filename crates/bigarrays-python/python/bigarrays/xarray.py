"""xarray's engine "bigarrays": volumes as labelled arrays, of which nothing is read before it is asked for.

>>> import bigarrays, xarray
>>> em = bigarrays.create(
...     "memory://xarray", domain="-10:90,0:80,0:60", dtype="uint8", resolution=(8, 8, 40), chunk_shape=(64, 64, 32)
... )
>>> em[-10:90, 0:80, 0:60] = 3
>>> ds = xarray.open_dataset("memory://xarray", engine="bigarrays")
>>> ds["data"].dims, ds["x"].values[:3], ds["x"].attrs["units"]
(('x', 'y', 'z'), array([-80., -72., -64.]), 'nm')
>>> int(ds["data"].sel(x=slice(-40, 40), z=400).sum())  # reads 11 × 80 voxels
2640

An array is one variable, `data` unless the option `name` says otherwise; a group of Zarr or N5 is a dataset of the
arrays in it, of which those named like a dimension, and those that another's attribute `coordinates` names, are
coordinates; `xarray.open_datatree` opens the groups below as well. `mask_and_scale`, `decode_times` and xarray's other decoders apply as to any file. What is missing is what
the attribute `_FillValue` says; in Zarr 2, where xarray writes the fill value instead, also that of floats, if it is
not zero, and of packed elements. Elements of images are never missing, and integers stay integers.

An axis has a coordinate where the format says the size, unit or place of its elements. It is that of an element's
centre in OME-Zarr (translation + scale × index, also where that is no whole number of elements), and
resolution × index everywhere else, where `voxel_offset` is the first index: in Neuroglancer's precomputed format that
is the element's lower corner. Channels of OME-Zarr are labelled as `omero` names them.

Each variable's chunks are xarray's `preferred_chunks`: with `chunks={}`, blocks of dask are the stored chunks.
"""

import base64
import itertools
import os
import struct
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree, Variable
from xarray.backends import AbstractDataStore, BackendArray, BackendEntrypoint, StoreBackendEntrypoint
from xarray.core import indexing

from . import _bigarrays
from ._bigarrays import Array, Cache, InvalidArgumentError, NotFoundError, UnsupportedError

__all__ = ["BigarraysBackendEntrypoint"]

# The attribute in which other writers repeat the names of axes.
_NAMES = "_ARRAY_DIMENSIONS"


class BigarraysBackendEntrypoint(BackendEntrypoint):
    """Opens what `bigarrays.open` opens as a dataset; see the module for what is in it.

    Beside xarray's own options there are those of `bigarrays.open`: `scale`, `format`, `incomplete`, `storage_options`, and
    `chunk_cache` and `validate`, which are its `cache` and `validate`: xarray's `cache` is about decoded values.
    """

    description: ClassVar[str] = "Neuroglancer precomputed, Zarr, OME-Zarr, N5 and flat arrays, lazily"
    url: ClassVar[str] = "https://github.com/bigarrays/bigarrays"
    open_dataset_parameters: ClassVar[tuple[str, ...] | None] = (
        "filename_or_obj",
        "drop_variables",
        "mask_and_scale",
        "decode_times",
        "concat_characters",
        "decode_coords",
        "use_cftime",
        "decode_timedelta",
        "scale",
        "format",
        "incomplete",
        "storage_options",
        "chunk_cache",
        "validate",
        "name",
        "group",
    )
    supports_groups: ClassVar[bool] = True

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        decode_times: bool = True,
        concat_characters: bool = True,
        decode_coords: bool = True,
        use_cftime: bool | None = None,
        decode_timedelta: bool | None = None,
        scale: int | str | tuple[float, ...] | None = None,
        format: str | None = None,
        incomplete: bool | None = None,
        storage_options: dict[str, Any] | None = None,
        chunk_cache: bool | str | os.PathLike[str] | dict[str, Any] | Cache | None = None,
        validate: str | None = None,
        name: str = "data",
        group: str | None = None,
    ) -> Dataset:
        """Opens an array, a scale of one, or a group, or the `group` below; reads metadata and index coordinates alone.

        Arrays of a type that is not known, such as records, are left out with a warning.
        """
        if not isinstance(filename_or_obj, str | os.PathLike):
            raise TypeError(f"expected a path or URL, not {type(filename_or_obj).__name__}")
        dropped = {drop_variables} if isinstance(drop_variables, str) else set(drop_variables or ())
        url = os.fspath(filename_or_obj)
        if group and group.strip("/"):
            url = _bigarrays._join_url(url, group.strip("/"))
        given = {"incomplete": incomplete, "cache": chunk_cache, "validate": validate}
        place = _Place(url, format, storage_options, given)
        decoded = StoreBackendEntrypoint().open_dataset(
            place.load(scale, name, dropped),
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            drop_variables=drop_variables,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )
        places = {axis: values for axis, values in place.coordinates.items() if axis not in dropped}
        return decoded.assign_coords(places)

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        group: str | None = None,
        format: str | None = None,
        storage_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Dataset]:
        """Opens a group, or the `group` below, and all groups below that, each as a dataset, by its path."""
        above = (group or "").strip("/")
        url = os.fspath(filename_or_obj)
        url = _bigarrays._join_url(url, above) if above else url
        nodes = _bigarrays.ls(url, format=format, storage_options=storage_options)
        groups = ["", *(path for path, kind in nodes.items() if kind == "group")]
        has_arrays = {path.rpartition("/")[0] for path, kind in nodes.items() if kind == "array"}
        place = _Place(url, format, storage_options, {})

        def dataset(path: str) -> Dataset:
            below = _bigarrays._join_url(url, path) if path else url
            if path not in has_arrays:
                return Dataset(attrs=place.attributes(below))
            return self.open_dataset(below, format=format, storage_options=storage_options, **options)

        # As xarray's own engines call them: relative to the group that is asked for.
        return {(path or ".") if above else f"/{path}": dataset(path) for path in groups}

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> DataTree:
        """Opens a group and all groups below it."""
        return DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **options))

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether there is a folder with metadata, or a URL that looks like an array's."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        return _bigarrays._is_likely(filename_or_obj)


class _Loaded(AbstractDataStore):
    """Variables as they are stored, for xarray to decode."""

    def __init__(self, variables: dict[str, Variable], attributes: dict[str, Any]) -> None:
        self.variables, self.attributes = variables, attributes

    def get_variables(self) -> dict[str, Variable]:
        return self.variables

    def get_attrs(self) -> dict[str, Any]:
        return self.attributes


class _Place:
    """What is at a path or URL, and how it is opened."""

    def __init__(
        self, url: str, format: str | None, storage_options: dict[str, Any] | None, options: dict[str, Any]
    ) -> None:
        self.url, self.format = url, format
        self.storage_options = storage_options
        self.options = {key: value for key, value in options.items() if value is not None}
        # Places of elements, by axis; they are not stored, so there is nothing to decode.
        self.coordinates: dict[str, Variable] = {}

    def load(self, scale: Any, name: str, dropped: set[str]) -> _Loaded:
        try:
            array = self.open(self.url, self.format, scale=0 if scale is None else scale)
        except InvalidArgumentError as error:
            if scale is not None:
                raise
            return self.group(error, dropped)
        # The path of the array in the group that it was opened from.
        key = array.scales[array.scale].key if array.scales else ""
        variable = self.variable(array, array.axis_names)
        group = self.attributes(self.url) if key else {}
        self.coordinates = _coordinates(array)
        return _Loaded({name: variable}, group)

    def open(self, url: str, format: str | None, **options: Any) -> Array:
        return _bigarrays.open(
            url, format=format, storage_options=self.storage_options, **options, **self.options
        )

    def attributes(self, url: str) -> dict[str, Any]:
        try:
            return _bigarrays.attributes(url, format=self.format, storage_options=self.storage_options)
        except NotFoundError:  # a format without attributes
            return {}

    def group(self, error: InvalidArgumentError, dropped: set[str]) -> _Loaded:
        """The arrays in the group itself; `error` says that it is one."""
        nodes = _bigarrays.ls(self.url, format=self.format, storage_options=self.storage_options)
        names = [name for name, kind in nodes.items() if kind == "array" and "/" not in name]
        if not names:
            raise error
        arrays: dict[str, Array] = {}
        for name in (name for name in names if name not in dropped):
            try:
                arrays[name] = self.open(_bigarrays._join_url(self.url, name), self.format)
            except UnsupportedError as unsupported:
                warnings.warn(f"left out: {unsupported}", stacklevel=4)
        dims = _unique_dims(arrays)
        variables = {name: self.variable(array, dims[name]) for name, array in arrays.items()}
        return _Loaded(variables, self.attributes(self.url))

    def variable(self, array: Array, dims: tuple[str, ...]) -> Variable:
        attributes = dict(array.attrs)
        missing = attributes.pop("_FillValue", array.fill_value if array.fill_is_missing else None)
        if attributes.get(_NAMES) == list(array.axis_names):
            del attributes[_NAMES]
        if missing is not None:
            attributes["_FillValue"] = _fill_value(missing, array.dtype)
        chunks = {
            dim: min(chunk, max(length, 1)) for dim, chunk, length in zip(dims, array.chunk_shape, array.shape, strict=True)
        }
        data = indexing.LazilyIndexedArray(_Stored(array))
        return Variable(dims, data, attributes, {"preferred_chunks": chunks})


def _unique_dims(arrays: dict[str, Array]) -> dict[str, tuple[str, ...]]:
    """Names of axes, where those without one of their own do not clash."""
    lengths: dict[str, set[int]] = {}
    for array in arrays.values():
        for dim, length in zip(array.axis_names, array.shape, strict=True):
            lengths.setdefault(dim, set()).add(length)

    def named(name: str, own: str | None, dim: str) -> str:
        return f"{name}_{dim}" if own is None and len(lengths[dim]) > 1 else dim

    return {
        name: tuple(map(named, itertools.repeat(name), array.dimension_names, array.axis_names))
        for name, array in arrays.items()
    }


def _fill_value(value: Any, dtype: np.dtype[Any]) -> Any:
    """A fill value as JSON has it; xarray keeps those of floats in base64."""
    if dtype.kind != "f":
        return dtype.type(value)
    if isinstance(value, str) and value not in ("NaN", "Infinity", "-Infinity"):
        (value,) = struct.unpack("<d", base64.standard_b64decode(value))
    return dtype.type(value)


def _coordinates(array: Array) -> dict[str, Variable]:
    """Where elements are, along the axes of which that is known."""
    coordinates = {}
    for dim, positions, length in zip(array.axis_names, array.positions, array.shape, strict=True):
        if positions is not None:
            values = positions.labels or positions.start + positions.step * np.arange(length)
            coordinates[dim] = Variable((dim,), values, {"units": positions.unit} if positions.unit else None)
    return coordinates


class _Stored(BackendArray):
    """An array whose indices count from 0, as xarray's do."""

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.BASIC if self._is_long else indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    @property
    def _is_long(self) -> bool:
        """Whether elements have lengths of their own: they are read in boxes."""
        return self.dtype == object

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        array = self.array if self._is_long else self.array.oindex
        return np.asarray(array[tuple(self._along(axis, index) for axis, index in enumerate(key))])

    def _along(self, axis: int, index: Any) -> Any:
        """What an index from 0 on is in coordinates."""
        origin, length = self.array.origin[axis], self.shape[axis]
        if isinstance(index, slice):
            start, stop, step = index.indices(length)
            return slice(origin + start, origin + max(start, stop), step)
        if isinstance(index, int | np.integer):
            return origin + range(length)[index]
        return origin + np.arange(length)[index]  # counts negative ones from the end, and checks
