"""Shapes and orders of elements. All is lazy but `reshape` to a shape that differs by more than axes of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .._expressions import concatenate, lazy, stack as _stack
from .._lazy import Lazy
from .._protocols import _flip, _moveaxis, _roll
from ._data_types import astype, result_type
from ._operands import Axes, expression, in_memory


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays of these shapes are repeated to.

    Example:
        >>> bigarrays.array_api.broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    return np.broadcast_shapes(*shapes)


def broadcast_arrays(*arrays: Lazy) -> tuple[Lazy, ...]:
    """Arrays, each repeated to the shape of all."""
    found = [expression(one) for one in arrays]
    shape = broadcast_shapes(*(one.shape for one in found))
    return tuple(one.broadcast_to(shape) for one in found)


def broadcast_to(x: Lazy, /, shape: Sequence[int]) -> Lazy:
    """The elements, repeated along axes of length 1, and along new ones before the first."""
    return expression(x).broadcast_to(shape)


def concat(arrays: Sequence[Lazy], /, *, axis: int | None = 0) -> Lazy:
    """Arrays along an axis, one behind the other; all their elements if `axis` is None.

    Example:
        >>> bigarrays.array_api.concat([bigarrays.lazy([1, 2]), bigarrays.lazy([3])]).compute()
        array([1, 2, 3])
    """
    parts = _promoted(arrays)
    return concatenate([_flat(part) for part in parts]) if axis is None else concatenate(parts, axis)


def stack(arrays: Sequence[Lazy], /, *, axis: int = 0) -> Lazy:
    """Arrays of one shape along a new axis."""
    return _stack(_promoted(arrays), axis)


def unstack(x: Lazy, /, *, axis: int = 0) -> tuple[Lazy, ...]:
    """What there is at each position of an axis, without this axis."""
    x = expression(x)
    at = x._axis(axis)
    return tuple(x[(*[slice(None)] * at, one)] for one in range(x.shape[at]))


def _promoted(arrays: Sequence[Lazy]) -> list[Lazy]:
    found = [expression(one) for one in arrays]
    if not found:
        raise ValueError("no arrays")
    dtype = result_type(*found)
    return [astype(one, dtype) for one in found]


def expand_dims(x: Lazy, /, axis: int | Sequence[int]) -> Lazy:
    """The elements with new axes of length 1, at these positions of the result."""
    x = expression(x)
    axes = [axis] if isinstance(axis, int) else list(axis)
    ndim = x.ndim + len(axes)
    if any(not -ndim <= at < ndim for at in axes) or len({at % ndim for at in axes}) < len(axes):
        raise np.exceptions.AxisError(f"{axis} for a result of {ndim} axes")
    for at in sorted(at % ndim for at in axes):
        x = x.expand_dims(at)
    return x


def squeeze(x: Lazy, /, axis: int | Sequence[int]) -> Lazy:
    """The elements without these axes, each of length 1."""
    return expression(x).squeeze(axis)


def permute_dims(x: Lazy, /, axes: Sequence[int]) -> Lazy:
    """The axes in another order.

    Example:
        >>> bigarrays.array_api.permute_dims(bigarrays.lazy([[1, 2, 3]]), (1, 0)).shape
        (3, 1)
    """
    x = expression(x)
    if len(axes) != x.ndim:
        raise ValueError(f"{tuple(axes)} is not an order of {x.ndim} axes")
    return x.transpose(*axes)


def matrix_transpose(x: Lazy, /) -> Lazy:
    """The last two axes exchanged."""
    return expression(x).mT


def moveaxis(x: Lazy, source: int | Sequence[int], destination: int | Sequence[int], /) -> Lazy:
    """The elements with some axes at other positions, and the rest in their order."""
    x = expression(x)
    to = [destination] if isinstance(destination, int) else destination
    return _moveaxis(x, source, x._axes(to))


def flip(x: Lazy, /, *, axis: Axes = None) -> Lazy:
    """The elements in the opposite order along axes, all if None."""
    return _flip(expression(x), axis)


def roll(x: Lazy, /, shift: int | Sequence[int], *, axis: Axes = None) -> Lazy:
    """The elements, moved along axes by `shift` positions; those that leave at an end come in at the other.

    Example:
        >>> bigarrays.array_api.roll(bigarrays.lazy([1, 2, 3]), 1).compute()
        array([3, 1, 2])
    """
    x = expression(x)
    if axis is None:
        return reshape(_roll(_flat(x), shift, 0), x.shape)
    axes = [axis] if isinstance(axis, int) else list(axis)
    shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
    return _roll(x, shifts, axes)


def repeat(x: Lazy, repeats: int | Lazy, /, *, axis: int | None = None) -> Lazy:
    """Each element of an axis so many times; of all elements in C order if `axis` is None.

    Repeats that are an array are computed at once, since the shape depends on them.

    Example:
        >>> bigarrays.array_api.repeat(bigarrays.lazy([1, 2]), 2).compute()
        array([1, 1, 2, 2])
    """
    x = _flat(expression(x)) if axis is None else expression(x)
    at = 0 if axis is None else x._axis(axis)
    counts = repeats if isinstance(repeats, int) else in_memory(repeats)
    return x.take(np.repeat(np.arange(x.shape[at]), counts), at)


def tile(x: Lazy, repetitions: Sequence[int], /) -> Lazy:
    """Copies of the elements, beside each other along each axis, so many as its number says.

    Example:
        >>> bigarrays.array_api.tile(bigarrays.lazy([1, 2]), (2, 2)).shape
        (2, 4)
    """
    x = expression(x)
    x = expand_dims(x, tuple(range(len(repetitions) - x.ndim)))
    for at, count in enumerate(repetitions, start=x.ndim - len(repetitions)):
        if count == 0:
            x = x[(*[slice(None)] * at, slice(0))]
        elif count > 1:
            x = concatenate([x] * count, at)
    return x


def reshape(x: Lazy, /, shape: Sequence[int], *, copy: bool | None = None) -> Lazy:
    """The elements in C order in another shape, of which one length may be -1, for what the others leave.

    It is lazy where only axes of length 1 come or go. Otherwise the elements are computed at once, and a large array is refused.

    Example:
        >>> bigarrays.array_api.reshape(bigarrays.lazy([1, 2, 3, 4]), (2, -1)).compute()
        array([[1, 2],
               [3, 4]])
    """
    x = expression(x)
    lengths = _completed(shape, x.size)
    if [n for n in x.shape if n != 1] == [n for n in lengths if n != 1]:
        x = x[tuple(0 if n == 1 else slice(None) for n in x.shape)]
        return expand_dims(x, [at for at, n in enumerate(lengths) if n == 1])
    if copy is False:
        raise ValueError(f"{x.shape} becomes {lengths} in a copy alone")
    return lazy(in_memory(x).reshape(lengths))


def _completed(shape: Sequence[int], size: int) -> tuple[int, ...]:
    known = prod(n for n in shape if n != -1)
    if shape and min(shape) < -1 or list(shape).count(-1) > 1:
        raise ValueError(f"{tuple(shape)} is no shape")
    if -1 in shape and known and size % known == 0:
        return tuple(size // known if n == -1 else n for n in shape)
    if known != size or -1 in shape:
        raise ValueError(f"{size} elements have no shape {tuple(shape)}")
    return tuple(shape)


def _flat(x: Lazy) -> Lazy:
    return reshape(x, (x.size,))
