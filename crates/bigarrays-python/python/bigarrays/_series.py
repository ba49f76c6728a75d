"""What is done with expressions along an axis as along a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._windows import called

if TYPE_CHECKING:
    from ._lazy import Lazy


class Series:
    """The methods of `Lazy`, as which `self` is used here, that go along an axis."""

    def cumsum(self: Any, axis: int | str) -> Lazy:
        """The sum of all elements up to each, along an axis; NumPy's types, in float64 of floating-point elements.

        Elements are added in segments, so that results are the same bits for every budget. Axes of more than 256 elements are
        read twice.

        Example:
            >>> bigarrays.lazy([3, 9, 4]).cumsum(axis=0).compute()
            array([ 3, 12, 16])
        """
        return called(self, "cumsum", axis=axis)

    def cumprod(self: Any, axis: int | str) -> Lazy:
        """The product of all elements up to each; see `cumsum`."""
        return called(self, "cumprod", axis=axis)

    def cummin(self: Any, axis: int | str) -> Lazy:
        """The least of all elements up to each; NaN from the first NaN on; see `cumsum`."""
        return called(self, "cummin", axis=axis)

    def cummax(self: Any, axis: int | str) -> Lazy:
        """The largest of all elements up to each; NaN from the first NaN on; see `cumsum`."""
        return called(self, "cummax", axis=axis)

    def ffill(self: Any, axis: int | str, *, limit: int | None = None) -> Lazy:
        """Each element, or if it is NaN the last one before it that is not.

        Args:
            axis: The axis, by number or name.
            limit: How many elements before it that one may be, at most.

        Example:
            >>> import numpy as np
            >>> bigarrays.lazy([3, np.nan, np.nan, 7]).ffill(axis=0, limit=1).compute()
            array([ 3.,  3., nan,  7.])
        """
        return called(self, "ffill", axis=axis, limit=limit)

    def bfill(self: Any, axis: int | str, *, limit: int | None = None) -> Lazy:
        """Each element, or if it is NaN the first one behind it that is not; see `ffill`."""
        return called(self, "bfill", axis=axis, limit=limit)

    def diff(self: Any, axis: int | str, *, n: int = 1) -> Lazy:
        """Each element less the one before it, `n` times; the first `n` coordinates are gone then. Of booleans, whether they differ.

        Example:
            >>> bigarrays.lazy([3, 9, 4]).diff(axis=0).compute()
            array([ 6, -5])
        """
        return called(self, "diff", axis=axis, n=n)

    def gradient(self: Any, axis: int | str, *, spacing: float | Sequence[float] = 1.0) -> Lazy:
        """How much elements grow along an axis, as NumPy's `gradient` has it.

        Args:
            axis: The axis, by number or name.
            spacing: How far apart elements are; or the place of each.

        Example:
            >>> bigarrays.lazy([3, 9, 4]).gradient(axis=0).compute()
            array([ 6. ,  0.5, -5. ])
        """
        if isinstance(spacing, int | float | np.number):
            return called(self, "gradient", axis=axis, spacing=float(spacing))
        return called(self, "gradient", axis=axis, spacing=[float(place) for place in spacing])

    def shift(self: Any, count: int, axis: int | str, *, fill_value: float | None = None) -> Lazy:
        """The elements `count` coordinates further along an axis, within the same domain.

        Args:
            count: How far; to smaller coordinates if negative.
            axis: The axis, by number or name.
            fill_value: What there is where elements have come from. If None, NaN, for which whole numbers become float64.

        Example:
            >>> bigarrays.lazy([3, 9, 4]).shift(1, axis=0, fill_value=0).compute()
            array([0, 3, 9])
        """
        return called(self, "shift", axis=axis, count=count, fill_value=fill_value)

    def roll(self: Any, count: int, axis: int | str) -> Lazy:
        """The elements `count` coordinates further along an axis; those that leave it come in at the other end.

        Example:
            >>> bigarrays.lazy([3, 9, 4]).roll(1, axis=0).compute()
            array([4, 3, 9])
        """
        return called(self, "roll", axis=axis, count=count)

    def pad(
        self: Any, before: int, behind: int, axis: int | str, *, boundary: str = "constant", fill_value: float = 0
    ) -> Lazy:
        """The elements, and more before and behind them along an axis.

        Args:
            before: How many more there are before the first, at smaller coordinates.
            behind: How many more there are behind the last.
            axis: The axis, by number or name.
            boundary: What they are; as `rolling` has it.
            fill_value: What they are if the boundary is "constant".

        Example:
            >>> bigarrays.lazy([3, 9, 4]).pad(2, 1, axis=0, boundary="reflect").compute()
            array([9, 3, 3, 9, 4, 4])
        """
        value = fill_value if boundary == "constant" else None
        return called(self, "pad", axis=axis, before=before, behind=behind, boundary=boundary, fill_value=value)
