"""Where elements are."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .._expressions import lazy
from .._lazy import Lazy
from ._data_types import astype, bool as _bool, int64, result_type
from ._operands import Axes, Number, elementwise, expression, in_memory, is_empty


def argmax(x: Lazy, /, *, axis: int | None = None, keepdims: bool = False) -> Lazy:
    """The position of the largest along an axis, the first of several; in C order among all if `axis` is None."""
    return expression(x).argmax(axis, keepdims=keepdims)


def argmin(x: Lazy, /, *, axis: int | None = None, keepdims: bool = False) -> Lazy:
    """The position of the least along an axis, the first of several; in C order among all if `axis` is None.

    Example:
        >>> bigarrays.array_api.argmin(bigarrays.lazy([3, 1, 2])).compute()
        array(1)
    """
    return expression(x).argmin(axis, keepdims=keepdims)


def count_nonzero(x: Lazy, /, *, axis: Axes = None, keepdims: bool = False) -> Lazy:
    """How many elements along axes are not zero; of all if `axis` is None."""
    x = expression(x)
    return astype(astype(x, _bool), int64) if is_empty(axis) else x.count_nonzero(axis, keepdims=keepdims)


def nonzero(x: Lazy, /) -> tuple[Lazy, ...]:
    """The positions of elements that are not zero, in C order, those along each axis in an array of their own.

    The elements are computed at once, since the shape depends on them; a large array is refused.
    """
    x = expression(x)
    if x.ndim == 0:
        raise ValueError("nonzero of an array without axes")
    return tuple(lazy(found) for found in in_memory(x).nonzero())


def searchsorted(
    x1: Lazy, x2: Lazy | Number, /, *, side: Literal["left", "right"] = "left", sorter: Lazy | None = None
) -> Lazy:
    """Where elements of `x2` belong among those of `x1`, which ascend, or do in the order that `sorter` says.

    Elements are computed at once; a large array is refused.

    Example:
        >>> bigarrays.array_api.searchsorted(bigarrays.lazy([1, 3, 5]), bigarrays.lazy([3, 4])).compute()
        array([1, 2])
    """
    known = in_memory(x1)
    wanted = np.asarray(x2, dtype=result_type(known.dtype, x2)) if isinstance(x2, Number) else in_memory(x2)
    order = None if sorter is None else in_memory(sorter)
    return lazy(np.asarray(np.searchsorted(known, wanted, side=side, sorter=order), dtype=int64))


def where(condition: Lazy, x1: Lazy | Number, x2: Lazy | Number, /) -> Lazy:
    """The elements of `x1` where the condition is true, and those of `x2` elsewhere.

    Example:
        >>> x = bigarrays.lazy([1, 5, 9])
        >>> bigarrays.array_api.where(x > 4, x, 0).compute()
        array([0, 5, 9])
    """
    if isinstance(x1, Number) and isinstance(x2, Number):
        raise TypeError("numbers alone; one of x1 and x2 is an array")
    return elementwise("where", expression(condition), x1, x2)
