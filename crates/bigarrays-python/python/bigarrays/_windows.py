"""Windows along axes of expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._bigarrays import InvalidArgumentError
from ._calendar import periods

if TYPE_CHECKING:
    from ._lazy import Lazy

_Axes = int | str | Sequence[int | str]


class Windows:
    """Windows along axes of an expression, as `Lazy.rolling`, `coarsen`, `ranges` and `resample` give them.

    Each method gives an expression: what the elements of each window become. Sums of floating-point elements are accumulated in
    float64, and never subtract: an infinity or NaN leaves with its window.

    Example:
        >>> windows = bigarrays.lazy([3, 9, 4, 7]).coarsen(2, axis=0)
        >>> windows.max().compute()
        array([9, 7])
    """

    #: The date that each window begins with, if they are periods of a calendar.
    labels: list[str] | None

    def __init__(self, of: Lazy, name: str, options: dict[str, Any], labels: list[str] | None = None) -> None:
        self._of = of
        self._name = name
        self._options = options
        self.labels = labels

    def _become(self, how: str, **options: Any) -> Lazy:
        return called(self._of, self._name, **self._options, **options, how=how)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self._options.items())
        return f"Windows: {self._name}({options}) of {self._of!r}"

    def sum(self) -> Lazy:
        """The sum of each window."""
        return self._become("sum")

    def prod(self) -> Lazy:
        """The product of each window."""
        return self._become("prod")

    def mean(self) -> Lazy:
        """The mean of each window."""
        return self._become("mean")

    def min(self) -> Lazy:
        """The least of each window."""
        return self._become("min")

    def max(self) -> Lazy:
        """The largest of each window."""
        return self._become("max")

    def any(self) -> Lazy:
        """Whether an element of the window is not zero."""
        return self._become("any")

    def all(self) -> Lazy:
        """Whether no element of the window is zero."""
        return self._become("all")

    def count(self) -> Lazy:
        """How many elements of the window are not NaN."""
        return self._become("count")

    def first(self) -> Lazy:
        """The first element of each window."""
        return self._become("first")

    def last(self) -> Lazy:
        """The last element of each window."""
        return self._become("last")

    def var(self, *, ddof: float = 0) -> Lazy:
        """The variance of each window, divided by the number of elements less `ddof`."""
        return self._become("var", correction=ddof)

    def median(self) -> Lazy:
        """The median of each window, exact, along one axis; of whole numbers in float64."""
        return self._become("median")

    def quantile(self, q: float) -> Lazy:
        """A quantile of each window, exact, along one axis: on the line between two elements. See `median`."""
        return self._become("quantile", q=float(q))

    def std(self, *, ddof: float = 0) -> Lazy:
        """The standard deviation of each window; see `var`."""
        return self._become("std", correction=ddof)


def called(of: Lazy, name: str, /, *others: Lazy, **options: Any) -> Lazy:
    """A function of the compiled part, by its name; on `positional`, results begin at 0."""
    made = of._then("call", name, list(others), _given(**options))
    offset = [-first for first in made.domain.origin]
    return made._then("translate", offset) if of._is_positional and any(offset) else made


def _given(**options: Any) -> dict[str, Any]:
    """The options that are not None, as the compiled part takes them."""

    def plain(value: Any) -> Any:
        is_list = isinstance(value, Sequence) and not isinstance(value, str) or isinstance(value, np.ndarray) and value.ndim
        return [plain(one) for one in value] if is_list else value

    return {name: plain(value) for name, value in options.items() if value is not None}


class Windowed:
    """The methods of `Lazy`, as which `self` is used here, that have windows along axes."""

    def rolling(
        self: Any,
        width: int | Sequence[int],
        axis: _Axes,
        *,
        center: bool = False,
        min_count: int | None = None,
        boundary: str | None = None,
        fill_value: float = 0,
        weights: Sequence[float] | None = None,
    ) -> Windows:
        """Windows that move by one element: each element has one.

        Of whole numbers, results are float64 if some windows have too few elements.

        Args:
            width: Elements in a window; one for all axes, or one for each.
            axis: The axis, by number or name, or several.
            center: Whether the window of an element has it in its middle, and not at its end. One of an even width has one more
                before it than behind it.
            min_count: How many elements that are not NaN a window must have, for its result not to be NaN. If None, all of it
                must be there.
            boundary: What windows see beyond the ends: "nearest", "reflect", "mirror" or "wrap" as scipy.ndimage has them,
                "constant" for `fill_value`; nothing if None.
            fill_value: What windows see beyond the ends if the boundary is "constant".
            weights: What the elements of a window are multiplied by, as many; of sums and means along one axis.

        Example:
            >>> x = bigarrays.lazy([3, 9, 4, 7])
            >>> x.rolling(3, axis=0).mean().compute()
            array([       nan,        nan, 5.33333333, 6.66666667])
            >>> x.rolling(3, axis=0, center=True, boundary="wrap").max().compute()
            array([9, 9, 9, 7])
        """
        options = _given(
            width=width,
            axis=axis,
            center=center,
            min_count=min_count,
            boundary=boundary,
            fill_value=fill_value if boundary == "constant" else None,
            weights=weights,
        )
        return Windows(self, "rolling", options)

    def coarsen(
        self: Any,
        width: int | Sequence[int],
        axis: _Axes,
        *,
        ends: str = "exact",
        anchor: str | None = None,
        min_count: int | None = None,
    ) -> Windows:
        """Windows that lie one behind the other.

        Args:
            width: Elements in a window; one for all axes, or one for each.
            axis: The axis, by number or name, or several.
            ends: What becomes of elements at the ends that do not fill a window: "exact" is an error, "trim" leaves them out, "pad"
                takes windows of fewer elements.
            anchor: Where windows begin: "coordinate" at multiples of `width`, so that coordinate c is in the window of coordinate
                floor(c / width); "first" at the first element, in window 0, which is usual on `positional`.
            min_count: How many elements that are not NaN a window must have, for its result not to be NaN. If None, no element may
                be NaN.

        Example:
            >>> x = bigarrays.lazy([[1, 2, 3], [4, 5, 6]])
            >>> x.coarsen(2, axis=(0, 1), ends="pad").mean().compute()
            array([[3. , 4.5]])
        """
        anchor = anchor or ("first" if self._is_positional else "coordinate")
        options = _given(width=width, axis=axis, ends=ends, anchor=anchor, min_count=min_count)
        return Windows(self, "coarsen", options)

    def ranges(
        self: Any, ranges: Sequence[tuple[int, int] | slice], axis: int | str, *, min_count: int | None = None
    ) -> Windows:
        """Windows over any ranges of coordinates, which may overlap, have gaps, and be in any order; they are at 0, 1, … then.

        Args:
            ranges: First coordinate and the one behind the last, for each window.
            axis: The axis, by number or name.
            min_count: As `coarsen` has it.

        Example:
            >>> bigarrays.lazy([3, 9, 4, 7]).ranges([(0, 1), (1, 4)], axis=0).sum().compute()
            array([ 3, 20])
        """
        ends = [(one.start, one.stop) if isinstance(one, slice) else one for one in ranges]
        if any(start is None or stop is None for start, stop in ends):
            raise InvalidArgumentError("ranges have a first coordinate and one behind the last")
        starts, stops = [int(start) for start, _ in ends], [int(stop) for _, stop in ends]
        return Windows(self, "ranges", _given(axis=axis, starts=starts, stops=stops, min_count=min_count))

    def resample(
        self: Any,
        period: str,
        axis: int | str,
        times: Any,
        *,
        units: str | None = None,
        calendar: str | None = None,
        min_count: int | None = None,
    ) -> Windows:
        """Windows of the periods of a calendar, all from the first to the last, at 0, 1, …; `labels` has the date that each begins with.

        Args:
            period: "year", "season" (from December, March, June and September on), "month", "pentad" (73 a year), "day" or "hour".
            axis: The axis, by number or name.
            times: The time of each element, ascending: an array of `bigarrays` with the attributes `units` and `calendar` of the CF
                conventions, numbers, or dates of NumPy.
            units: What numbers are, such as "days since 2000-01-01"; as the attributes say if None.
            calendar: "standard", which is Julian before 1582-10-15, "proleptic_gregorian", "julian", "noleap", "all_leap" or "360_day"; as
                the attributes say if None, and "standard" if they do not.
            min_count: As `coarsen` has it. Without it, periods without elements are NaN, or have a sum of 0.

        Raises:
            InvalidArgumentError: Times do not ascend, or are not as many as elements.
            UnsupportedError: The calendar is unknown.

        Example:
            >>> x = bigarrays.lazy([3, 9, 4, 7])
            >>> months = x.resample("month", axis=0, times=[0, 20, 40, 50], units="days since 2001-01-01")
            >>> months.labels, months.sum().compute()
            (['2001-01-01', '2001-02-01'], array([12, 11]))
        """
        at = self._axis(axis)
        ranges, labels = periods(times, period, units, calendar)
        count = ranges[-1][1] if ranges else 0
        if count != self.shape[at]:
            raise InvalidArgumentError(f"{count} times of {self.shape[at]} elements")
        first = self.domain.origin[at]
        starts, stops = [first + start for start, _ in ranges], [first + stop for _, stop in ranges]
        options = _given(axis=at, starts=starts, stops=stops, min_count=min_count)
        return Windows(self, "ranges", options, labels)
