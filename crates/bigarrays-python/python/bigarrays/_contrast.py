"""Contrast of whole volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ._expressions import lazy

if TYPE_CHECKING:
    from ._lazy import Lazy

_USUAL = "1%,99%"


def normalize(
    array: Any,
    *,
    contrast: str | tuple[float, float] = _USUAL,
    by: int | str | None = None,
    dtype: DTypeLike | None = None,
    ignore: float | None = None,
) -> Lazy:
    """Elements stretched between two percentiles over all that a type has, and clipped beyond: an expression.

    Percentiles are exact, of all elements or of each slice: `histogram` and `quantile` of expressions have them by themselves. Whole
    numbers are rounded half to even. NaN and infinities count in no percentile. NaN stays NaN, and becomes the least whole number;
    infinities are clipped. Whole numbers of 64 bits are exact, however narrow the contrast is beside them.

    Args:
        array: An array, or whatever `lazy` takes.
        contrast: What becomes the least and the largest number of the type: percentiles as "1%,99%", numbers as (low, high), or "type"
            for all that the array's type has.
        by: The axis along which each slice has percentiles of its own, by name or number; if None, all elements have the same.
        dtype: The type of the result; that of the array if None. Floating-point numbers go from 0 to 1.
        ignore: A value that counts in no percentile, such as 0 around an image. It is stretched like others.

    Raises:
        InvalidArgumentError: The contrast or the axis make no sense.
        UnsupportedError: The type is boolean, or has no numbers.

    Example:
        >>> bigarrays.normalize([10.0, 20, 30, 40, 50], contrast="25%,75%", dtype="uint8").compute()
        array([  0,   0, 128, 255, 255], dtype=uint8)
    """
    of = lazy(array)
    if not isinstance(contrast, str):
        low, high = contrast
        contrast = f"{_text(low)},{_text(high)}"
    axis = None if by is None else of._axis(by)
    return of._then("normalize", contrast, axis, dtype, ignore)


def _text(number: Any) -> str:
    """A number as it is; those without a point are not rounded."""
    return str(int(number)) if isinstance(number, int | np.integer) else repr(float(number))
