"""Objects of others that are like arrays: with a shape, a type, and slices."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Sliced(Protocol):
    """An array of others, of which boxes can be asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...

    def __getitem__(self, key: Any, /) -> Any: ...


def is_foreign(x: Any) -> bool:
    """Whether it is read box by box, when its elements are needed, and is not in memory like NumPy's arrays."""
    if isinstance(x, np.ndarray | np.generic | type) or hasattr(x, "iloc"):
        return False
    try:
        np.dtype(x.dtype)
        return all(length >= 0 for length in x.shape) and hasattr(x, "__getitem__")
    except (AttributeError, TypeError):
        return False


def chunk_shape(x: Any) -> list[int] | None:
    """The lengths of chunks as h5py, Zarr, dask and netCDF4 name them; of several along an axis, the longest."""
    chunks = x.chunking() if callable(getattr(x, "chunking", None)) else getattr(x, "chunks", None)
    if not isinstance(chunks, tuple | list) or len(chunks) != len(x.shape):
        return None
    lengths = [max(one, default=1) if isinstance(one, tuple) else one for one in chunks]
    return lengths if all(isinstance(one, int) and one > 0 for one in lengths) else None


def kept_bytes(x: Any) -> int:
    """How many bytes of decoded chunks h5py or netCDF4 keep of it at most."""
    if chunk_shape(x) is None:
        return 0
    if hasattr(x, "get_var_chunk_cache"):
        size = x.get_var_chunk_cache()[0]
    elif hasattr(x, "id") and hasattr(x.id, "get_access_plist"):
        size = x.id.get_access_plist().get_chunk_cache()[1]
    else:
        return 0
    chunks = math.prod(-(-length // chunk) * chunk for length, chunk in zip(x.shape, chunk_shape(x) or (), strict=True))
    return int(min(int(size), chunks * np.dtype(x.dtype).itemsize))


def read(x: Any, key: tuple[slice, ...], dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The elements of a box.

    Raises:
        ValueError: The object gives another shape, or masks some.
        TypeError: The object gives another type.
    """
    found = x[key[0] if len(key) == 1 else key]
    if isinstance(found, np.ma.MaskedArray):
        if np.ma.is_masked(found):
            raise ValueError("some elements are masked; have fill values read instead, as by set_auto_mask(False) of netCDF4")
        found = np.ma.getdata(found)
    found = np.asarray(found)
    if found.shape != shape:
        raise ValueError(f"elements of shape {found.shape}, where {shape} was asked for")
    if found.dtype.newbyteorder("=") != dtype:
        raise TypeError(
            f"{found.dtype} elements, where the object's dtype is {dtype}; "
            "have them read as they are stored, as by set_auto_scale(False) of netCDF4"
        )
    return found.astype(dtype, copy=False)
