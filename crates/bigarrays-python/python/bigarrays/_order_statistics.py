"""Order statistics of expressions: medians and quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._bigarrays import InvalidArgumentError
from ._reductions import Axis

if TYPE_CHECKING:
    from ._lazy import Lazy


class OrderStatistics:
    """The methods of `Lazy`, as which `self` is used here, that order elements."""

    def median(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """The median along `axis`, exact: the mean of the two elements in the middle of an even number. NaN if one is NaN.

        All elements along `axis` are in memory at once, of as many places as fit; or, if not even one fits, the input is read in
        rounds that count the bits of its elements, as `explain` says.

        Example:
            >>> bigarrays.lazy([[3, 9, 4], [1, 1, 7]]).median(axis=1).compute()
            array([4., 1.])
        """
        return _median(self, axis, keepdims, False)

    def nanmedian(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """The median of the elements along `axis` that are not NaN; NaN if all are; see `median`."""
        return _median(self, axis, keepdims, True)

    def quantile(
        self: Any, q: float | Sequence[float], axis: Axis = None, *, method: str = "linear", keepdims: bool = False
    ) -> Lazy:
        """Quantiles along `axis`, exact. NaN if one is NaN.

        Args:
            q: From 0 to 1; of several, the result has a first axis for them.
            axis: One or several, by number or name; all if None.
            method: What a quantile between two elements is; NumPy's names, such as "lower", "higher", "nearest" and "midpoint".
            keepdims: Whether the result has the axes as well, of length 1.

        Example:
            >>> bigarrays.lazy([3, 9, 4]).quantile([0, 0.75], method="higher").compute()
            array([3, 9])
        """
        return _quantile(self, q, axis, method, keepdims, False)

    def nanquantile(
        self: Any, q: float | Sequence[float], axis: Axis = None, *, method: str = "linear", keepdims: bool = False
    ) -> Lazy:
        """Quantiles of the elements along `axis` that are not NaN; NaN if all are; see `quantile`."""
        return _quantile(self, q, axis, method, keepdims, True)


def _kept(x: Any, found: Lazy, axes: list[int], first: int) -> Lazy:
    for axis in sorted(axes):
        found = found.expand_dims(axis + first, x.domain.origin[axis])
    return found.rename([None] * first + list(x.dimension_names))


def _median(x: Any, axis: Axis, keepdims: bool, skips: bool) -> Lazy:
    axes = x._reduced(axis)
    if not axes:
        raise InvalidArgumentError("a median along no axis")
    found: Lazy = x._then("median", axes, skips)
    return _kept(x, found, axes, 0) if keepdims else found


def _quantile(x: Any, q: float | Sequence[float], axis: Axis, method: str, keepdims: bool, skips: bool) -> Lazy:
    axes, asked = x._reduced(axis), np.asarray(q, dtype="float64")
    if asked.ndim > 1 or not axes:
        raise InvalidArgumentError("quantiles are one number or a list of them, along one axis or more")
    found: Lazy = x._then("quantile", asked.reshape(-1).tolist(), axes, method, skips)
    found = _kept(x, found, axes, 1) if keepdims else found
    return found if asked.ndim else found[0]
