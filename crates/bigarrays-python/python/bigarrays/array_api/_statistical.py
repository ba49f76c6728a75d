"""What many elements become. All are lazy, and fold floating-point numbers in float64."""

from __future__ import annotations

from math import nan, prod as _prod

import numpy as np

from .._expressions import apply, concatenate, lazy
from .._lazy import Lazy
from ._data_types import DType, astype, float64, int64, uint64
from ._operands import Axes, expression, is_empty


def max(x: Lazy, /, *, axis: Axes = None, keepdims: bool = False) -> Lazy:
    """The largest along axes, of all if `axis` is None; NaN if one is. The largest of no elements is an error."""
    return expression(x).max(axis, keepdims=keepdims)


def min(x: Lazy, /, *, axis: Axes = None, keepdims: bool = False) -> Lazy:
    """The least along axes, of all if `axis` is None; NaN if one is. The least of no elements is an error."""
    return expression(x).min(axis, keepdims=keepdims)


def mean(x: Lazy, /, *, axis: Axes = None, keepdims: bool = False) -> Lazy:
    """The mean along axes, of all elements if `axis` is None; NaN of none.

    Example:
        >>> bigarrays.array_api.mean(bigarrays.lazy([[1.0, 2.0], [3.0, 5.0]]), axis=0).compute()
        array([2. , 3.5])
    """
    x = expression(x)
    return _real(x) if is_empty(axis) else x.mean(axis, keepdims=keepdims)


def sum(x: Lazy, /, *, axis: Axes = None, dtype: DType | None = None, keepdims: bool = False) -> Lazy:
    """The sum along axes, of all elements if `axis` is None.

    Args:
        x: The elements.
        axis: One axis, several, or None.
        dtype: The type of elements and sum. If None, integers are summed in 64 bits, and other sums are of the type of `x`.
        keepdims: Whether the result has the axes, of length 1.

    Example:
        >>> bigarrays.array_api.sum(bigarrays.lazy([[1, 2], [3, 4]]), axis=1).compute()
        array([3, 7])
    """
    return _folded("sum", x, axis, dtype, keepdims)


def prod(x: Lazy, /, *, axis: Axes = None, dtype: DType | None = None, keepdims: bool = False) -> Lazy:
    """The product along axes, of all elements if `axis` is None; see `sum`."""
    return _folded("prod", x, axis, dtype, keepdims)


def _folded(name: str, x: Lazy, axis: Axes, dtype: DType | None, keepdims: bool) -> Lazy:
    x = expression(x)
    is_whole = x.dtype.kind in "biu" and (dtype is None or np.dtype(dtype).kind in "iu")
    # Integers are folded in 64 bits, of which the lower ones are the result of any type.
    wide = x if is_whole or dtype is None else astype(x, dtype)
    if is_empty(axis):
        found = astype(wide, uint64 if x.dtype.kind == "u" else int64) if is_whole else wide
    else:
        found = wide._reduce(name, axis, keepdims)
    return found if dtype in (None, found.dtype) else found.astype(dtype, out_of_range="wrap")


def cumulative_sum(
    x: Lazy, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Lazy:
    """The sum of all elements up to each along an axis.

    Args:
        x: The elements.
        axis: The axis; of one axis alone it may be None.
        dtype: The type of elements and sums; as `sum` has it if None.
        include_initial: Whether the result begins with 0, and has one element more.

    Example:
        >>> bigarrays.array_api.cumulative_sum(bigarrays.lazy([3, 9, 4]), include_initial=True).compute()
        array([ 0,  3, 12, 16])
    """
    return _running("cumsum", "sum", x, axis, dtype, include_initial)


def cumulative_prod(
    x: Lazy, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Lazy:
    """The product of all elements up to each along an axis, beginning with 1; see `cumulative_sum`."""
    return _running("cumprod", "prod", x, axis, dtype, include_initial)


def _running(name: str, folds: str, x: Lazy, axis: int | None, dtype: DType | None, begins: bool) -> Lazy:
    x = expression(x)
    if axis is None and x.ndim != 1:
        raise ValueError(f"axis= is missing; there are {x.ndim} axes")
    at = x._axis(0 if axis is None else axis)
    is_whole = x.dtype.kind in "biu" and (dtype is None or np.dtype(dtype).kind in "iu")
    wide = x if is_whole or dtype is None else astype(x, dtype)
    wanted = np.dtype(_folded(folds, x, at, dtype, False).dtype)
    found: Lazy = getattr(wide, name)(at)
    found = found if found.dtype == wanted else found.astype(wanted, out_of_range="wrap")
    if not begins:
        return found
    first = np.full([1 if k == at else length for k, length in enumerate(x.shape)], 0 if folds == "sum" else 1, wanted)
    return concatenate([lazy(first), found], at)


def var(x: Lazy, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Lazy:
    """The variance along axes, of all elements if `axis` is None: the squares are divided by their number less `correction`.

    NaN if the divisor is not positive.

    Example:
        >>> bigarrays.array_api.var(bigarrays.lazy([1.0, 3.0]), correction=1).compute()
        array(2.)
    """
    x = expression(x)
    axes = x._reduced(axis)
    if _prod(x.shape[at] for at in axes) - correction <= 0:
        return apply("multiply", [mean(x, axis=axis, keepdims=keepdims), nan])
    return _real(x).var(axis, ddof=correction, keepdims=keepdims)


def std(x: Lazy, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Lazy:
    """The standard deviation: the square root of the variance; see `var`."""
    return apply("sqrt", [var(x, axis=axis, correction=correction, keepdims=keepdims)])


def _real(x: Lazy) -> Lazy:
    return x if x.dtype.kind == "f" else astype(x, float64)
