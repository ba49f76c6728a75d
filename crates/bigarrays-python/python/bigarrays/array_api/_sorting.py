"""The order of elements. They are sorted in memory, at once; a large array is refused."""

from __future__ import annotations

import numpy as np

from .._expressions import lazy
from .._lazy import Lazy
from ._data_types import int64
from ._operands import in_memory


def argsort(x: Lazy, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Lazy:
    """The positions of elements along an axis in their order. Those of equal elements ascend, `stable` or not.

    Example:
        >>> bigarrays.array_api.argsort(bigarrays.lazy([3, 1, 2])).compute()
        array([1, 2, 0])
    """
    elements = in_memory(x)
    if not descending:
        return lazy(np.argsort(elements, axis=axis, kind="stable").astype(int64))
    # Backward twice, so that equal elements keep their order.
    backward = np.argsort(np.flip(elements, axis), axis=axis, kind="stable")
    return lazy(elements.shape[axis] - 1 - np.flip(backward, axis).astype(int64))


def sort(x: Lazy, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Lazy:
    """The elements along an axis in their order, NaN last, or first if descending.

    Example:
        >>> bigarrays.array_api.sort(bigarrays.lazy([3, 1, 2]), descending=True).compute()
        array([3, 2, 1])
    """
    found = np.sort(in_memory(x), axis=axis, kind="stable")
    return lazy(np.flip(found, axis) if descending else found)
