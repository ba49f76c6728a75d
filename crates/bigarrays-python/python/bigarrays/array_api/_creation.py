"""Arrays that are made of nothing, of numbers and of what is in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from .._bigarrays import Array
from .._expressions import apply, lazy
from .._lazy import Lazy
from ._data_types import DType, astype, float64, int64
from ._operands import Number, expect_small, expression, on_cpu

Shape = int | Sequence[int]


def asarray(obj: Any, /, *, dtype: DType | None = None, device: str | None = None, copy: bool | None = None) -> Lazy:
    """An array of numbers, nested lists of them, or what has NumPy's or Python's buffer protocol.

    Elements in memory are copied; `copy=False` is an error for them. An array of this namespace is given back.
    Complex numbers are an error: there are no complex types.

    Example:
        >>> bigarrays.array_api.asarray([1, 2]).compute()
        array([1, 2])
    """
    on_cpu(device)
    if isinstance(obj, Lazy | Array):
        x = expression(obj)
        if copy is False and dtype not in (None, x.dtype):
            raise ValueError("elements of another type are a copy")
        return x if dtype is None else astype(x, dtype)
    if copy is False:
        raise ValueError("elements in memory are always copied")
    elements = np.asarray(obj, dtype=dtype)
    if dtype is None and elements.dtype in (np.uint64, object) and isinstance(obj, int | list | tuple):
        # Python's integers are of the default type, or too large.
        elements = np.asarray(obj, dtype=int64)
    if elements.dtype.kind not in "biuf":
        raise TypeError(f"elements of type {elements.dtype}; there are booleans, integers and floating-point numbers")
    return lazy(elements)


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Lazy:
    """The elements of an array in memory that speaks DLPack, which are copied."""
    if isinstance(x, Lazy | Array):
        return asarray(x, device=device, copy=copy)
    return asarray(np.from_dlpack(x), device=device, copy=copy)


def full(shape: Shape, fill_value: Number, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """The same number everywhere. It takes no memory.

    Example:
        >>> bigarrays.array_api.full((2, 2), 7).compute()
        array([[7, 7],
               [7, 7]])
    """
    on_cpu(device)
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if min(lengths, default=0) < 0:
        raise ValueError(f"the shape {shape} has a negative length")
    return asarray(fill_value, dtype=dtype).broadcast_to(lengths)


def zeros(shape: Shape, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """Zeros, in float64 if no type is given; see `full`."""
    return full(shape, 0, dtype=float64 if dtype is None else dtype, device=device)


def ones(shape: Shape, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """Ones, in float64 if no type is given; see `full`."""
    return full(shape, 1, dtype=float64 if dtype is None else dtype, device=device)


def empty(shape: Shape, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """Zeros: there is no memory that could be left as it is; see `zeros`."""
    return zeros(shape, dtype=dtype, device=device)


def full_like(x: Lazy, /, fill_value: Number, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """The same number everywhere, of the shape of `x` and of its type if none is given."""
    x = expression(x)
    return full(x.shape, fill_value, dtype=x.dtype if dtype is None else dtype, device=device)


def zeros_like(x: Lazy, /, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """Zeros, of the shape of `x` and of its type if none is given."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Lazy, /, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """Ones, of the shape of `x` and of its type if none is given."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Lazy, /, *, dtype: DType | None = None, device: str | None = None) -> Lazy:
    """Zeros, of the shape of `x` and of its type if none is given."""
    return zeros_like(x, dtype=dtype, device=device)


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: str | None = None,
) -> Lazy:
    """Numbers from `start` on, `step` apart, before `stop`; from 0 to `start` if there is no `stop`. They are in memory.

    Example:
        >>> bigarrays.array_api.arange(1, 6, 2).compute()
        array([1, 3, 5])
    """
    on_cpu(device)
    first, last = (0, start) if stop is None else (start, stop)
    expect_small(8 * max(0, math.ceil((last - first) / step)), f"arange({first}, {last}, {step})")
    return lazy(np.arange(first, last, step, dtype=dtype))


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    endpoint: bool = True,
) -> Lazy:
    """So many numbers from `start` to `stop`, equally far apart, the last of which is `stop` if `endpoint`. They are in memory.

    Example:
        >>> bigarrays.array_api.linspace(0, 1, 5).compute()
        array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    on_cpu(device)
    expect_small(8 * num, f"linspace of {num} numbers")
    return lazy(np.linspace(start, stop, num, dtype=float64 if dtype is None else dtype, endpoint=endpoint))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DType | None = None, device: str | None = None
) -> Lazy:
    """Ones on a diagonal of a matrix, and zeros elsewhere; `k` columns to the right of the main one.

    Example:
        >>> bigarrays.array_api.eye(2, 3, k=1).compute()
        array([[0., 1., 0.],
               [0., 0., 1.]])
    """
    on_cpu(device)
    rows, columns = _indices((n_rows, n_rows if n_cols is None else n_cols), k)
    return astype(apply("equal", [rows, columns]), float64 if dtype is None else dtype)


def tril(x: Lazy, /, *, k: int = 0) -> Lazy:
    """The elements on and below a diagonal of the last two axes, zeros elsewhere; see `eye`."""
    return _triangle(x, k, "greater_equal")


def triu(x: Lazy, /, *, k: int = 0) -> Lazy:
    """The elements on and above a diagonal of the last two axes, zeros elsewhere; see `eye`."""
    return _triangle(x, k, "less_equal")


def _triangle(x: Lazy, k: int, comparison: str) -> Lazy:
    x = expression(x)
    if x.ndim < 2:
        raise ValueError("a triangle of fewer than two axes")
    rows, columns = _indices(x.shape[-2:], k)
    # False is the zero of every type.
    return apply("where", [apply(comparison, [rows, columns]), x, False])


def _indices(shape: Sequence[int], k: int) -> tuple[Lazy, Lazy]:
    """Of a matrix, where diagonal `k` is in each row, and the numbers of the columns."""
    rows, columns = shape
    # Beyond the corners there is no other diagonal.
    k = min(max(k, -rows - 1), columns + 1)
    return apply("add", [arange(rows).expand_dims(1), k]), arange(columns)


def meshgrid(*arrays: Lazy, indexing: Literal["xy", "ij"] = "xy") -> tuple[Lazy, ...]:
    """The coordinates of a grid: each array along an axis of its own, repeated along those of the others.

    The array at 0 is along the axis at 1 and the array at 1 along that at 0 if `indexing` is "xy".
    """
    found = [expression(one) for one in arrays]
    if any(one.ndim != 1 for one in found):
        raise ValueError("a grid of arrays that have not one axis")
    if indexing not in ("xy", "ij"):
        raise ValueError(f'indexing={indexing!r}; known are "xy" and "ij"')
    order = list(range(len(found)))
    if indexing == "xy" and len(found) > 1:
        order[:2] = [1, 0]
    shape = [found[at].shape[0] for at in order]
    keys = [tuple(slice(None) if axis == at else None for axis in range(len(found))) for at in order]
    return tuple(one[key].broadcast_to(shape) for one, key in zip(found, keys, strict=True))
