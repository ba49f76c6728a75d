"""Groups of elements by labels along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._bigarrays import InvalidArgumentError
from ._labels import Expected, Key, key_of
from ._masks import applied

if TYPE_CHECKING:
    from ._lazy import Lazy

AxisOf = int | str | Sequence[int | str]


class GroupBy:
    """Elements in groups, as `Lazy.groupby` makes them. Its methods give an expression in which each group is one element along
    an axis of groups, 0, 1, …, which stands where the first grouped axis was; `labels` says which group is which.

    Arithmetic with such a result is of each element and its group's: `g - g.mean()` are distances from means of groups.

    Groups without elements have the sum 0, the product 1 and the count 0. Other results of them are NaN; of whole numbers they
    are an error, unless `fill` was given.
    """

    def __init__(self, of: Lazy, keys: list[Key], drop: bool, fill: float | None) -> None:
        self._of = of
        self._keys = keys
        self._drop = drop
        self._fill = fill

    def __repr__(self) -> str:
        return f"GroupBy: {' × '.join(str(key.count) for key in self._keys)} groups of {self._of!r}"

    @property
    def labels(self) -> Any:
        """The labels of the groups, in their order; a tuple of them if there are several keys."""
        labels = tuple(key.labels for key in self._keys)
        return labels[0] if len(labels) == 1 else labels

    def _made(self, name: str, axis: AxisOf | None, numbers: Sequence[float] = (), method: str = "linear") -> Lazy:
        of, keys = self._of, self._keys
        also = [] if axis is None else of._axes(axis)
        labels = [key.numbers for key in keys]
        axes, counts = [key.axes for key in keys], [key.count for key in keys]
        arguments = (labels, axes, counts, self._drop, self._fill, name, also, [float(one) for one in numbers], method)
        return of._then("grouped", *arguments)

    def size(self, axis: AxisOf | None = None) -> Lazy:
        """How many elements each group has, with NaNs; of length 1 along axes that are not grouped."""
        return self._made("size", axis)

    def sum(self, axis: AxisOf | None = None) -> Lazy:
        """The sum of each group, along `axis` as well.

        Example:
            >>> g = bigarrays.lazy([3, 9, 4, 7]).groupby([0, 1, 0, -1], axis=0)
            >>> g.sum().compute()
            array([7, 9])
        """
        return self._made("sum", axis)

    def prod(self, axis: AxisOf | None = None) -> Lazy:
        """The product of each group; see `sum`."""
        return self._made("prod", axis)

    def mean(self, axis: AxisOf | None = None) -> Lazy:
        """The mean of each group; see `sum`."""
        return self._made("mean", axis)

    def var(self, axis: AxisOf | None = None, *, ddof: float = 0) -> Lazy:
        """The variance of each group, divided by the number of its elements less `ddof`; see `sum`."""
        return self._made("var", axis, [ddof])

    def std(self, axis: AxisOf | None = None, *, ddof: float = 0) -> Lazy:
        """The standard deviation of each group; see `var`."""
        return self._made("std", axis, [ddof])

    def min(self, axis: AxisOf | None = None) -> Lazy:
        """The least of each group, NaN if one is NaN; see `sum`."""
        return self._made("min", axis)

    def max(self, axis: AxisOf | None = None) -> Lazy:
        """The largest of each group, NaN if one is NaN; see `sum`."""
        return self._made("max", axis)

    def argmin(self) -> Lazy:
        """The coordinate of the least of each group along the grouped axis, the first of several; see `Lazy.argmin`."""
        return self._made("argmin", None)

    def argmax(self) -> Lazy:
        """The coordinate of the largest of each group; see `argmin`."""
        return self._made("argmax", None)

    def nanargmin(self) -> Lazy:
        """As `argmin`, of those that are not NaN. Where all of a group are, computing is an error."""
        return self._made("nanargmin", None)

    def nanargmax(self) -> Lazy:
        """As `argmax`, of those that are not NaN. Where all of a group are, computing is an error."""
        return self._made("nanargmax", None)

    def any(self, axis: AxisOf | None = None) -> Lazy:
        """Whether an element of each group is not zero; see `sum`."""
        return self._made("any", axis)

    def all(self, axis: AxisOf | None = None) -> Lazy:
        """Whether no element of each group is zero; see `sum`."""
        return self._made("all", axis)

    def count_nonzero(self, axis: AxisOf | None = None) -> Lazy:
        """How many elements of each group are not zero; see `sum`."""
        return self._made("count_nonzero", axis)

    def count(self, axis: AxisOf | None = None) -> Lazy:
        """How many elements of each group are not NaN; see `sum`."""
        valid = applied("logical_not", applied("isnan", self._of))
        return GroupBy(valid, self._keys, self._drop, None)._made("count_nonzero", axis)

    def first(self, axis: AxisOf | None = None) -> Lazy:
        """The first element of each group; see `sum`."""
        return self._made("first", axis)

    def last(self, axis: AxisOf | None = None) -> Lazy:
        """The last element of each group; see `sum`."""
        return self._made("last", axis)

    def median(self, axis: AxisOf | None = None) -> Lazy:
        """The median of each group, exact; see `Lazy.median`. Of groups that do not fit into memory, bits of the elements are counted in rounds."""
        return self._made("median", axis)

    def quantile(self, q: float | Sequence[float], axis: AxisOf | None = None, *, method: str = "linear") -> Lazy:
        """Quantiles of each group, exact; see `Lazy.quantile`."""
        return self._quantile("quantile", q, axis, method)

    def nanmedian(self, axis: AxisOf | None = None) -> Lazy:
        """The median of the elements of each group that are not NaN; see `median`."""
        return self._made("nanmedian", axis)

    def nanquantile(self, q: float | Sequence[float], axis: AxisOf | None = None, *, method: str = "linear") -> Lazy:
        """Quantiles of the elements of each group that are not NaN; see `quantile`."""
        return self._quantile("nanquantile", q, axis, method)

    def _quantile(self, name: str, q: float | Sequence[float], axis: AxisOf | None, method: str) -> Lazy:
        asked = np.asarray(q, dtype="float64")
        found = self._made(name, axis, asked.reshape(-1).tolist(), method)
        return found if asked.ndim else found[0]

    def nansum(self, axis: AxisOf | None = None) -> Lazy:
        """The sum of the elements of each group that are not NaN; see `sum`."""
        return self._made("nansum", axis)

    def nanprod(self, axis: AxisOf | None = None) -> Lazy:
        """The product of the elements of each group that are not NaN; see `sum`."""
        return self._made("nanprod", axis)

    def nanmean(self, axis: AxisOf | None = None) -> Lazy:
        """The mean of the elements of each group that are not NaN; NaN if all are; see `sum`."""
        return self._made("nanmean", axis)

    def nanmin(self, axis: AxisOf | None = None) -> Lazy:
        """The least of the elements of each group that are not NaN; NaN if all are; see `sum`."""
        return self._made("nanmin", axis)

    def nanmax(self, axis: AxisOf | None = None) -> Lazy:
        """The largest of the elements of each group that are not NaN; NaN if all are; see `sum`."""
        return self._made("nanmax", axis)

    def nanvar(self, axis: AxisOf | None = None, *, ddof: float = 0) -> Lazy:
        """The variance of the elements of each group that are not NaN; see `var`."""
        return self._made("nanvar", axis, [ddof])

    def nanstd(self, axis: AxisOf | None = None, *, ddof: float = 0) -> Lazy:
        """The standard deviation of the elements of each group that are not NaN; see `var`."""
        return self._made("nanstd", axis, [ddof])

    def nanfirst(self, axis: AxisOf | None = None) -> Lazy:
        """The first element of each group that is not NaN; NaN if all are; see `sum`."""
        return self._made("nanfirst", axis)

    def nanlast(self, axis: AxisOf | None = None) -> Lazy:
        """The last element of each group that is not NaN; NaN if all are; see `sum`."""
        return self._made("nanlast", axis)

    def __add__(self, other: Lazy) -> Lazy:
        return applied("add", self._of, other.back())

    def __sub__(self, other: Lazy) -> Lazy:
        return applied("subtract", self._of, other.back())

    def __mul__(self, other: Lazy) -> Lazy:
        return applied("multiply", self._of, other.back())

    def __truediv__(self, other: Lazy) -> Lazy:
        return applied("divide", self._of, other.back())


class Grouping:
    """The methods of `Lazy`, as which `self` is used here, that group."""

    def groupby(
        self: Any,
        labels: Any,
        axis: Any = None,
        *,
        expected: Any = None,
        drop: bool = False,
        fill: float | None = None,
    ) -> GroupBy:
        """The elements in groups of equal labels, contiguous or not: months of a year, zones, segments.

        Elements whose label is negative, NaN or NaT belong to no group.

        Args:
            labels: What lies beside the elements, of one or more axes: an array of numbers, strings or times, or an array of
                numbers that is stored, or an expression of one. A tuple of several is several keys; then there is an axis of
                groups for each, and a group for each combination.
            axis: The axes that the labels lie along, by number or name, one for each axis of the labels; all axes if None. Of
                several keys, a tuple of what is of each, or what is of all.
            expected: The labels of the groups, in their order, or a number n for 0 to n; None for those that there are, in
                order. For labels that are stored it has to be given; they may be any whole numbers, such as ids of segments. See
                `bigarrays.label_statistics` for labels of which nobody knows which there are. A tuple for several keys.
            drop: Whether elements of other labels belong to no group; otherwise they are an error.
            fill: What groups without elements have. If None, NaN, or what a sum or product begins with.

        Example:
            >>> t = bigarrays.lazy([[3, 9, 4, 8], [1, 1, 5, 5]])
            >>> season = t.groupby(["dry", "wet", "dry", "wet"], axis=1)
            >>> season.labels, season.mean().compute()
            (array(['dry', 'wet'], dtype='<U3'), array([[3.5, 8.5],
                   [3. , 3. ]]))
            >>> (season - season.mean()).compute()
            array([[-0.5,  0.5,  0.5, -0.5],
                   [-2. , -2. ,  2. ,  2. ]])
        """
        several = isinstance(labels, tuple)
        all_labels = list(labels) if several else [labels]

        def of_each(given: Any) -> list[Any]:
            if several and isinstance(given, tuple) and len(given) == len(all_labels):
                return list(given)
            return [given] * len(all_labels)

        keys = []
        for one, along, wanted in zip(all_labels, of_each(axis), of_each(expected), strict=True):
            axes = list(range(self.ndim)) if along is None else self._axes(along)
            keys.append(key_of(self, one, axes, wanted, drop))
        if not keys:
            raise InvalidArgumentError("groups by nothing")
        made = GroupBy(self, keys, drop, fill)
        # What does not go together is an error at once.
        made.size()
        return made

    def back(self: Any, *, fill: float | None = None) -> Lazy:
        """Results of groups where the elements of the groups were, so that they go with what was grouped.

        Along axes that were reduced and have no labels, the result has length 1. Elements of no group have `fill`, or NaN; of
        results that are no floating-point numbers they are an error without it.

        Example:
            >>> x = bigarrays.lazy([3, 9, 4])
            >>> x.groupby([1, 0, 1], axis=0).max().back().compute()
            array([4, 9, 4])
        """
        found: Lazy = self._then("back", fill)
        return found

    def coordinate(self: Any, axis: int | str) -> Lazy:
        """The coordinates of an axis, as elements of it.

        Example:
            >>> bigarrays.lazy([[5, 6, 7]]).coordinate(1).compute()
            array([0, 1, 2])
        """
        found: Lazy = self._then("coordinate", self._axis(axis))
        return found
