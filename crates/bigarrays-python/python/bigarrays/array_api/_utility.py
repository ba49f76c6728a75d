"""Whether elements are true, and how they change along an axis."""

from __future__ import annotations

from .._expressions import apply
from .._lazy import Lazy
from ._data_types import astype, bool as _bool
from ._manipulation import concat
from ._operands import Axes, expression, is_empty


def all(x: Lazy, /, *, axis: Axes = None, keepdims: bool = False) -> Lazy:
    """Whether no element along axes is zero; none of all if `axis` is None."""
    x = expression(x)
    return astype(x, _bool) if is_empty(axis) else x.all(axis, keepdims=keepdims)


def any(x: Lazy, /, *, axis: Axes = None, keepdims: bool = False) -> Lazy:
    """Whether an element along axes is not zero; one of all if `axis` is None."""
    x = expression(x)
    return astype(x, _bool) if is_empty(axis) else x.any(axis, keepdims=keepdims)


def diff(x: Lazy, /, *, axis: int = -1, n: int = 1, prepend: Lazy | None = None, append: Lazy | None = None) -> Lazy:
    """The differences of elements that follow each other along an axis, `n` times.

    Args:
        x: The elements.
        axis: The axis.
        n: How many times differences are taken.
        prepend: Elements that are put before the first, over the other axes of `x`.
        append: Elements that are put behind the last.

    Example:
        >>> bigarrays.array_api.diff(bigarrays.lazy([1, 4, 9])).compute()
        array([3, 5])
    """
    if n < 0:
        raise ValueError(f"differences taken {n} times")
    x = expression(x)
    at = x._axis(axis)
    x = concat([part for part in (prepend, x, append) if part is not None], axis=at)
    for _ in range(n):
        before = (slice(None),) * at
        x = apply("subtract", [x[(*before, slice(1, None))], x[(*before, slice(None, -1))]])
    return x
