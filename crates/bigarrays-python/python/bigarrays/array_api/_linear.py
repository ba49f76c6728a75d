"""Products of matrices and vectors. All are lazy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import _products
from .._lazy import Lazy
from ._data_types import astype
from ._operands import elementwise, expression
from ._statistical import sum as _sum


def matmul(x1: Lazy, x2: Lazy, /) -> Lazy:
    """The product of matrices, along their last two axes; of vectors with one axis.

    Example:
        >>> xp = bigarrays.array_api
        >>> xp.matmul(xp.asarray([[1, 2], [3, 4]]), xp.asarray([1, 10])).compute()
        array([21, 43])
    """
    one, two = _alike(x1, x2)
    if not one.ndim or not two.ndim:
        raise ValueError("a product of matrices with a number; multiply")
    if one.shape[-1] != two.shape[0 if two.ndim == 1 else -2]:
        raise ValueError(f"matrices of {one.shape} and {two.shape}")
    return _products.matmul(one, two)


def tensordot(x1: Lazy, x2: Lazy, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Lazy:
    """The sum of products along axes: so many of the last of `x1` and the first of `x2`, or those that are listed.

    Example:
        >>> xp = bigarrays.array_api
        >>> xp.tensordot(xp.asarray([[1, 2], [3, 4]]), xp.asarray([10, 20]), axes=1).compute()
        array([ 50, 110])
    """
    one, two = _alike(x1, x2)
    made = _products.tensordot(one, two, axes)
    return made if made.dtype == one.dtype else made.astype(one.dtype, out_of_range="wrap")


def vecdot(x1: Lazy, x2: Lazy, /, *, axis: int = -1) -> Lazy:
    """The sum of products along an axis, counted from the last of both; other axes are repeated as for products of elements.

    Example:
        >>> xp = bigarrays.array_api
        >>> xp.vecdot(xp.asarray([[1, 2], [3, 4]]), xp.asarray([1, 10])).compute()
        array([21, 43])
    """
    one, two = _alike(x1, x2)
    if not -min(one.ndim, two.ndim) <= axis < 0:
        raise ValueError(f"axis={axis}: it is counted from the last of both, which is -1")
    if one.shape[axis] != two.shape[axis]:
        raise ValueError(f"vectors of {one.shape[axis]} and {two.shape[axis]} elements")
    return _sum(elementwise("multiply", one, two), axis=axis, dtype=one.dtype)


def _alike(x1: Lazy, x2: Lazy) -> tuple[Lazy, Lazy]:
    """Both in the type of their products."""
    one, two = expression(x1), expression(x2)
    dtype = np.result_type(one.dtype, two.dtype)
    if dtype.kind not in "iuf":
        raise TypeError(f"a product of {one.dtype} and {two.dtype}")
    return astype(one, dtype), astype(two, dtype)
