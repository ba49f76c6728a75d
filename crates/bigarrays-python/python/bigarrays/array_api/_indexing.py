"""Elements at positions that an array says."""

from __future__ import annotations

import numpy as np

from .._expressions import lazy
from .._lazy import Lazy
from ._operands import expression, in_memory


def take(x: Lazy, indices: Lazy, /, *, axis: int | None = None) -> Lazy:
    """The elements at positions of an axis, which needs no name if there is one. Positions are computed at once.

    Example:
        >>> bigarrays.array_api.take(bigarrays.lazy([5, 6, 7]), bigarrays.lazy([2, 0])).compute()
        array([7, 5])
    """
    x = expression(x)
    if axis is None and x.ndim != 1:
        raise TypeError(f"take of {x.ndim} axes needs an axis")
    return x.take(in_memory(indices), 0 if axis is None else axis)


def take_along_axis(x: Lazy, indices: Lazy, /, *, axis: int = -1) -> Lazy:
    """The elements at positions along an axis that differ along the others. Both arrays are computed at once.

    A large array is refused.
    """
    return lazy(np.take_along_axis(in_memory(x), in_memory(indices), axis))
