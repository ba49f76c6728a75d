"""Counts of elements: histograms, and elements of their own."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import InvalidArgumentError, UnsupportedError
from ._masks import applied
from ._reductions import Axis

if TYPE_CHECKING:
    from ._lazy import Lazy

#: How many bins there are, by how many elements.
_BINS: dict[str, Callable[[int], Any]] = {"sqrt": np.sqrt, "sturges": lambda n: np.log2(n) + 1, "rice": lambda n: 2 * np.cbrt(n)}

#: Rules by what the elements are, and those of NumPy that there are not: they need more than sums, extremes and quantiles.
_BY_ELEMENTS = ("auto", "fd", "scott")
_REFUSED = ("doane", "stone")

#: Elements that are sorted at once.
_SORTED = 1 << 24

#: Whole numbers whose counts have a cell each, whether they are there or not.
_COUNTED = 1 << 22


class Counts:
    """The methods of `Lazy`, as which `self` is used here, that count."""

    def histogram(
        self: Any,
        bins: int | str | Sequence[float] | NDArray[Any] = 10,
        range: tuple[float, float] | None = None,
        axis: Axis = None,
        *,
        weights: Any = None,
    ) -> tuple[Lazy, Any]:
        """How many elements along `axis` lie in each bin, and the edges of the bins.

        A bin has its lower edge, the last one its upper edge as well. NaN lies in none. The axis of bins stands where the first
        of the axes was.

        Args:
            bins: The edges, ascending; or how many bins of equal width; or a rule of NumPy's. "sqrt", "sturges" and "rice" go by the
                number of elements; "scott", "fd" and "auto" by their spread, for which the elements are read at once, since the
                number of bins has to be known: for the latter two as their quantiles are. So are whole numbers by all rules, and
                elements within a `range`. "doane" and "stone" are refused.
            range: Where bins of equal width begin and end; the least and the largest element if None, for which the elements
                are read once more, and the edges are an expression.
            axis: One or several, by number or name; all if None.
            weights: What is summed instead of counting elements: of their shape.

        Example:
            >>> counts, edges = bigarrays.lazy([3, 9, 4, 7]).histogram(bins=[0, 4, 8, 12])
            >>> counts.compute()
            array([1, 2, 1])
        """
        axes = self._reduced(axis)
        if isinstance(bins, str):
            bins, range = _by_rule(self, bins, range, axes, weights)
        options: dict[str, Any] = {"axis": axes} if axes else {}
        edges: Any
        if isinstance(bins, int | np.integer):
            if bins < 1:
                raise InvalidArgumentError(f"{bins} bins")
            edges = self._then("equal_edges", int(bins)) if range is None else _edges(int(bins), range)
        else:
            edges = np.asarray(bins, dtype="float64")
            if edges.ndim != 1 or len(edges) < 2 or (np.diff(edges) < 0).any():
                raise InvalidArgumentError("the edges of bins are an ascending list of two numbers or more")
        options["edges"] = edges if range is None and isinstance(bins, int | np.integer) else edges.tolist()
        if weights is not None:
            options["weights"] = _like(self, weights)
        return self._then("call", "histogram", [], options), edges

    def bincount(self: Any, expected: int, axis: Axis = None, *, drop: bool = False, weights: Any = None) -> Lazy:
        """How many elements along `axis` are 0, 1, … up to `expected`, or the sum of their `weights`.

        Elements that are negative are not counted; larger ones are an error once they are read, unless `drop` is true.

        Example:
            >>> bigarrays.lazy([3, 1, 1]).bincount(4).compute()
            array([0, 2, 0, 1])
        """
        axes = self._reduced(axis)
        options: dict[str, Any] = {"expected": int(expected), "drop": drop}
        if axes:
            options["axis"] = axes
        if weights is not None:
            options["weights"] = _like(self, weights)
        found: Lazy = self._then("call", "bincount", [], options)
        return found

    def topk(self: Any, k: int, axis: int | str, *, least: bool = False) -> Lazy:
        """The `k` largest elements along `axis`, descending, or the least ones, ascending, at 0, 1, … of the axis.

        NaNs are passed over; they stand for elements that there are too few of.

        Example:
            >>> bigarrays.lazy([3, 9, 4, 7]).topk(2, axis=0).compute()
            array([9, 7])
        """
        found: Lazy = self._then("call", "topk", [], {"k": int(k), "axis": self._axis(axis), "least": least})
        return found

    def approx_quantile(self: Any, q: float | Sequence[float], axis: Axis = None, *, skips: bool = False) -> Lazy:
        """Quantiles along `axis` of any number of elements, in little memory: the element of the quantile's rank, but for 1/256 of
        its value.

        Elements are counted in 65,536 bins of fixed relative width, in one pass; that takes 512 KiB for each place along the axes
        that are left. Elements that `float32` does not reach count as infinite or zero. NaN if one is NaN, unless `skips` is true.

        Example:
            >>> x = bigarrays.lazy([3.0, 9.0, 4.0])
            >>> abs(float(x.approx_quantile(0.5)) - 4) <= 4 / 256
            True
        """
        asked, axes = np.asarray(q, dtype="float64"), self._reduced(axis)
        options: dict[str, Any] = {"q": asked.reshape(-1).tolist(), "skips": skips}
        if axes:
            options["axis"] = axes
        found: Lazy = self._then("call", "approx_quantile", [], options)
        return found if asked.ndim else found[0]


def _by_rule(
    x: Any, rule: str, range: tuple[float, float] | None, axes: list[int], weights: Any
) -> tuple[int, tuple[float, float] | None]:
    """How many bins NumPy takes by a rule, and their range if it is known."""
    if rule in _REFUSED:
        reason = "for which more than sums, extremes and quantiles are needed"
        raise UnsupportedError(f"bins={rule!r}, {reason}; known are {', '.join((*_BINS, *_BY_ELEMENTS))}")
    if rule not in _BINS and rule not in _BY_ELEMENTS:
        raise InvalidArgumentError(f"unknown bins={rule!r}; known are {', '.join((*_BINS, *_BY_ELEMENTS))}")
    if weights is not None:
        raise InvalidArgumentError(f"bins={rule!r} goes by the number of elements, which have weights: say how many bins there are")
    count = int(np.prod([x.shape[one] for one in axes or builtins.range(x.ndim)], dtype=object))
    if rule in _BINS and range is None and x.dtype.kind not in "iu":
        return int(np.ceil(_BINS[rule](count))) if count else 1, None
    if axes and len(axes) < x.ndim:
        raise InvalidArgumentError(f"bins={rule!r} goes by all elements, and each place along the other axes has its own")
    return _by_elements(x.positional, rule, range, count)


def _by_elements(
    x: Lazy, rule: str, range: tuple[float, float] | None, count: int
) -> tuple[int, tuple[float, float] | None]:
    from ._computing import compute

    if range is not None:
        first, last = float(range[0]), float(range[1])
        inside = applied("logical_and", x >= first, x <= last)
        x = applied("where", inside, x.astype("float64"), np.nan)
        count = int(inside.sum())
    if not count:
        return 1, range if range is not None else (0.0, 1.0)
    low, high, spread = compute(x.nanmin(), x.nanmax(), x.nanstd()) if range is not None else compute(x.min(), x.max(), x.std())
    ends = (first, last) if range is not None else (float(low), float(high))
    if not np.isfinite(ends).all():
        raise InvalidArgumentError(f"elements from {ends[0]} to {ends[1]}, which bins cannot be made of; say with range= from where to where")
    widths = {name: (float(high) - float(low)) / of(count) for name, of in _BINS.items()}
    widths["scott"] = (24 * np.pi**0.5 / count) ** (1 / 3) * float(spread)
    if rule in ("fd", "auto"):
        quartiles = (x.nanquantile if range is not None else x.quantile)([0.25, 0.75]).compute()
        widths["fd"] = 2 * float(quartiles[1] - quartiles[0]) * count ** (-1 / 3)
        widths["auto"] = min(max(widths["fd"], widths["sqrt"] / 2), widths["sturges"])
    width = widths[rule]
    is_whole = range is None and x.dtype.kind in "iu"
    width = max(width, 1.0) if is_whole and width else width
    first, last = ends if ends[0] < ends[1] else (ends[0] - 0.5, ends[1] + 0.5)
    bins = int(np.ceil((last - first) / width)) if width else 1
    if bins > _COUNTED:
        raise InvalidArgumentError(f"bins={rule!r} makes {bins} bins; say how many there are, or from where to where with range=")
    return bins, (first, last)


def _edges(bins: int, range: tuple[float, float]) -> NDArray[Any]:
    first, last = float(range[0]), float(range[1])
    if not (np.isfinite([first, last]).all() and first <= last):
        raise InvalidArgumentError(f"a range from {first} to {last}")
    if first == last:
        first, last = first - 0.5, last + 0.5
    return np.linspace(first, last, bins + 1)


def _like(x: Lazy, weights: Any) -> Any:
    from ._expressions import operand

    found = operand(weights, x)
    if not hasattr(found, "_inner"):
        raise InvalidArgumentError("weights are an array")
    return found


def unique(x: Any, *, return_counts: bool = False, memory: int | None = None) -> Any:
    """The distinct elements, ascending, and with `return_counts` how often each is there. Computed at once.

    Small whole numbers are counted; others are sorted box by box, so that memory is needed for what is distinct. NaNs are one,
    the last.

    Args:
        x: An array, an expression, or what `bigarrays.lazy` takes.
        return_counts: Whether counts are returned as well.
        memory: The most bytes that counting may use; as `Lazy.compute` has it.

    Example:
        >>> bigarrays.unique([3, 1, 3], return_counts=True)
        (array([1, 3]), array([1, 2]))
    """
    from ._expressions import lazy

    of = lazy(x).positional
    if of.size and of.dtype.kind in "biu":
        low, high = _ends(of, memory)
        if high - low < _COUNTED:
            numbers = (of - low).astype("int64") if of.dtype == np.uint64 else of.astype("int64") - low
            counts = numbers.bincount(high - low + 1).compute(memory=memory)
            places = np.flatnonzero(counts)
            names = np.asarray([int(place) + low for place in places], of.dtype)
            return (names, counts[places]) if return_counts else names
    names, counts = _sorted(of, memory)
    return (names, counts) if return_counts else names


def _ends(of: Lazy, memory: int | None) -> tuple[int, int]:
    from ._computing import compute

    if of.dtype == bool:
        return 0, 1
    if of.dtype.itemsize < 4:
        info = np.iinfo(of.dtype)
        return int(info.min), int(info.max)
    low, high = compute(of.min(), of.max(), memory=memory)
    return int(low), int(high)


def _sorted(of: Lazy, memory: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """By sorting boxes along the first axes, each of not too many elements."""
    names, counts = np.zeros(0, of.dtype), np.zeros(0, np.int64)
    for box in _boxes(of.shape):
        own, own_counts = np.unique(of[box].compute(memory=memory), return_counts=True)
        both = np.concatenate([names, own])
        names, places = np.unique(both, return_inverse=True)
        counts = np.bincount(places.reshape(-1), np.concatenate([counts, own_counts])).astype(np.int64)
    return names, counts


def _boxes(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    for axis in range(len(shape)):
        behind = int(np.prod(shape[axis + 1 :], dtype=object))
        if behind * 2 <= _SORTED or axis + 1 == len(shape):
            step = max(_SORTED // max(behind, 1), 1)
            outer = list(np.ndindex(*shape[:axis]))
            inner = [slice(first, min(first + step, shape[axis])) for first in range(0, shape[axis], step)]
            return [(*(slice(k, k + 1) for k in index), part) for index in outer for part in inner]
    return [()]

