"""Reductions of expressions along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import ArrayLike

from ._bigarrays import Array, InvalidArgumentError
from ._masks import applied, nan_variance, reduced, variance

if TYPE_CHECKING:
    from ._lazy import Lazy

Axis = int | str | Sequence[int | str] | None
Mask = Union["Lazy", Array, ArrayLike]


class Reductions:
    """The methods of `Lazy`, as which `self` is used here, that reduce."""

    def sum(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """The sum along `axis`, one or several, by number or name; of all elements if None.

        With `keepdims`, the result has the axes as well, of length 1, so that it goes with what it is of. With `where`, an array
        or expression of booleans that broadcasts to this, only elements where it is true count.

        Example:
            >>> x = bigarrays.lazy([3, 9, 4])
            >>> x.sum(where=x < 5).compute()
            array(7)
        """
        return reduced(self, "sum", axis, keepdims, where)

    def prod(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """The product along `axis`; see `sum`."""
        return reduced(self, "prod", axis, keepdims, where)

    def mean(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """The mean along `axis`; see `sum`."""
        return reduced(self, "mean", axis, keepdims, where)

    def min(
        self: Any, axis: Axis = None, *, keepdims: bool = False, initial: float | None = None, where: Mask = True
    ) -> Lazy:
        """The least along `axis` and `initial`, if that is given; NaN if one is NaN; see `sum`. With `where`, `initial` is needed."""
        return reduced(self, "min", axis, keepdims, where, initial)

    def max(
        self: Any, axis: Axis = None, *, keepdims: bool = False, initial: float | None = None, where: Mask = True
    ) -> Lazy:
        """The largest along `axis` and `initial`, if that is given; see `min`."""
        return reduced(self, "max", axis, keepdims, where, initial)

    def any(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """Whether an element along `axis` is not zero; see `sum`."""
        return reduced(self, "any", axis, keepdims, where)

    def all(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """Whether no element along `axis` is zero; see `sum`."""
        return reduced(self, "all", axis, keepdims, where)

    def count_nonzero(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """How many elements along `axis` are not zero; see `sum`."""
        return reduced(self, "count_nonzero", axis, keepdims, where)

    def nansum(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """The sum of the elements along `axis` that are not NaN; see `sum`."""
        return reduced(self, "nansum", axis, keepdims, where)

    def nanprod(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """The product of the elements along `axis` that are not NaN; see `sum`."""
        return reduced(self, "nanprod", axis, keepdims, where)

    def nanmin(
        self: Any, axis: Axis = None, *, keepdims: bool = False, initial: float | None = None, where: Mask = True
    ) -> Lazy:
        """The least along `axis` that is not NaN, NaN if all are; see `min`."""
        return reduced(self, "nanmin", axis, keepdims, where, initial)

    def nanmax(
        self: Any, axis: Axis = None, *, keepdims: bool = False, initial: float | None = None, where: Mask = True
    ) -> Lazy:
        """The largest along `axis` that is not NaN, NaN if all are; see `min`."""
        return reduced(self, "nanmax", axis, keepdims, where, initial)

    def nanmean(
        self: Any, axis: Axis = None, *, keepdims: bool = False, min_count: int = 1, where: Mask = True
    ) -> Lazy:
        """The mean of the elements along `axis` that are not NaN; NaN if there are fewer than `min_count`; see `sum`."""
        mean = reduced(self, "nanmean", axis, keepdims, where)
        if min_count <= 1:
            return mean
        return applied("where", self.count(axis, keepdims=keepdims, where=where) >= min_count, mean, np.nan)

    def count(self: Any, axis: Axis = None, *, keepdims: bool = False, where: Mask = True) -> Lazy:
        """How many elements along `axis` are not NaN; see `sum`."""
        valid = applied("logical_not", applied("isnan", self))
        return valid.count_nonzero(axis, keepdims=keepdims, where=where)

    def argmin(self: Any, axis: int | str | None = None, *, keepdims: bool = False) -> Lazy:
        """The coordinate of the least along `axis`, the first of several, or of the first NaN; see `sum`.

        On `positional`, a position; there `axis` may be None, for the position in C order among all elements.

        Example:
            >>> bigarrays.lazy([3, 1, 2]).argmin().compute()
            array(1)
        """
        found: Lazy = self._place("argmin", axis, keepdims)
        return found

    def argmax(self: Any, axis: int | str | None = None, *, keepdims: bool = False) -> Lazy:
        """The coordinate of the largest along `axis`; see `argmin`."""
        found: Lazy = self._place("argmax", axis, keepdims)
        return found

    def nanargmin(self: Any, axis: int | str | None = None, *, keepdims: bool = False) -> Lazy:
        """As `argmin`, of those that are not NaN. Where all are, computing is an error."""
        found: Lazy = self._place("nanargmin", axis, keepdims)
        return found

    def nanargmax(self: Any, axis: int | str | None = None, *, keepdims: bool = False) -> Lazy:
        """As `argmax`, of those that are not NaN. Where all are, computing is an error."""
        found: Lazy = self._place("nanargmax", axis, keepdims)
        return found

    def _place(self: Any, name: str, axis: int | str | None, keepdims: bool) -> Lazy:
        if axis is None and self.ndim > 1 and not self._is_positional:
            raise InvalidArgumentError(f"{name} among all elements is a position: take it of `positional`, or name an axis")
        found: Lazy = self._reduce(name, axis, keepdims)
        return found

    def var(
        self: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False, where: Mask = True
    ) -> Lazy:
        """The variance along `axis`, divided by the number of elements less `ddof`; computed in float64; see `sum`."""
        return variance(self, axis, ddof, keepdims, where)

    def std(
        self: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False, where: Mask = True
    ) -> Lazy:
        """The standard deviation along `axis`: the square root of the variance, see `var`."""
        wide = self if self.dtype.kind == "f" else self.astype("float64")
        return applied("sqrt", wide.var(axis, ddof=ddof, keepdims=keepdims, where=where))

    def nanvar(
        self: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False, where: Mask = True
    ) -> Lazy:
        """The variance of the elements along `axis` that are not NaN; see `var`."""
        return nan_variance(self, axis, ddof, keepdims, where)

    def nanstd(
        self: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False, where: Mask = True
    ) -> Lazy:
        """The standard deviation of the elements along `axis` that are not NaN; see `var`."""
        return applied("sqrt", self.nanvar(axis, ddof=ddof, keepdims=keepdims, where=where))

    def _reduce(self: Any, name: str, axis: Axis, keepdims: bool) -> Lazy:
        axes = self._reduced(axis)
        # Nothing is reduced along no axes.
        found: Lazy = self._then("reduce", name, axes, keepdims) if axes or not self.ndim else self
        return found

    def _reduced(self: Any, axis: Axis) -> list[int]:
        return list(range(self.ndim)) if axis is None else self._axes(axis)
