"""Products of expressions that are summed along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._bigarrays import Array, InvalidArgumentError
from ._expressions import lazy
from ._lazy import Lazy, made_by

_Axes = int | Sequence[Any]


def tensordot(a: Any, b: Any, axes: _Axes = 2) -> Lazy:
    """The sums of products of elements along pairs of axes, as NumPy's `tensordot` has it.

    Floating-point products are summed in float64. Axes that are summed over have to agree in their coordinates; what a block needs
    of them is in memory at once.

    Args:
        a: An array or expression.
        b: Another.
        axes: How many of the last axes of `a` and of the first of `b` are summed over; or the axes of `a`, and those of `b`.

    Example:
        >>> bigarrays.tensordot([[1, 2], [3, 4]], [10, 20], axes=1).compute()
        array([ 50, 110])
    """
    one, two = lazy(a), lazy(b)
    if isinstance(axes, int | np.integer):
        own, theirs = list(range(one.ndim - int(axes), one.ndim)), list(range(axes))
    else:
        first, second = axes
        own, theirs = one._axes(first), two._axes(second)
    if len(own) != len(theirs) or any(not 0 <= axis < one.ndim for axis in own) or len(theirs) > two.ndim:
        raise InvalidArgumentError(f"axes={axes} of {one.ndim} and {two.ndim} axes")
    if not isinstance(b, Lazy | Array):
        # Plain arrays lie where what they meet does.
        offset = [0] * two.ndim
        for at, axis in zip(theirs, own, strict=True):
            offset[at] = one.domain.origin[axis]
        moved = two._then("translate", offset)
        two = Lazy(moved._inner, moved._made, one._is_positional)
    if not own:
        # New axes lie where those that they meet do, also where these are of length 1.
        for first in two.domain.origin:
            one = one.expand_dims(one.ndim, first)
        outer: Lazy = one * two
        return outer
    is_positional = one._is_positional and two._is_positional
    return made_by(is_positional, "call", one, "tensordot", [two], {"axes": own, "of": theirs})


def matmul(a: Any, b: Any) -> Lazy:
    """The product of matrices, along their last two axes, as NumPy's `matmul` has it; see `tensordot`.

    Example:
        >>> bigarrays.matmul([[1, 2], [3, 4]], [[1, 0], [0, 2]]).compute()
        array([[1, 4],
               [3, 8]])
    """
    one, two = lazy(a), lazy(b)
    if not one.ndim or not two.ndim:
        raise InvalidArgumentError("a product of matrices with a number; multiply")
    if two.ndim == 1:
        return tensordot(one, b, ([one.ndim - 1], [0]))
    if one.ndim <= 2 and two.ndim == 2:
        return tensordot(one, b, ([one.ndim - 1], [0]))
    # Of several matrices, products of elements.
    left = one[..., None] if one.ndim > 1 else one[:, None]
    right = two[..., None, :, :] if one.ndim > 1 else two
    dtype = (left[..., :0] * right[..., :0]).dtype
    made: Lazy = (left * right).sum(axis=-2)
    return made if made.dtype == dtype else made.astype(dtype, out_of_range="wrap")
