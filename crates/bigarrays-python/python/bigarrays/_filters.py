"""Filters of expressions, with the meanings of scipy.ndimage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._windows import called

if TYPE_CHECKING:
    from ._lazy import Lazy

_Axes = int | str | Sequence[int | str] | None
_Each = int | Sequence[int]


class Filters:
    """The methods of `Lazy`, as which `self` is used here, that filter.

    All take these arguments:

    - `axes`: the axes that a filter goes along, by numbers or names. If None, all that are axes of space: none that is called `t`, `time`,
      `c`, `channel`, `channels` or `band`.
    - `boundary`: what lies beyond the ends, as scipy.ndimage has its modes: "reflect", "nearest", "mirror", "wrap", or "constant" for
      `fill_value`.
    - `size`, `sigma` and the like are one for all axes, or one for each.
    - `origin`: by how much the filter is moved to smaller coordinates.

    Filters with weights give floating-point numbers: float64 of whole numbers, where scipy would cut off fractions.
    """

    def uniform_filter(
        self: Any,
        size: _Each,
        *,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The mean of the elements around each.

        Example:
            >>> bigarrays.lazy([3, 9, 3, 9]).uniform_filter(3).compute()
            array([5., 5., 7., 7.])
        """
        return _filtered(self, "uniform_filter", axes, boundary, fill_value, origin, size=size)

    def gaussian_filter(
        self: Any,
        sigma: float | Sequence[float],
        *,
        order: _Each = 0,
        truncate: float = 4.0,
        radius: _Each | None = None,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
    ) -> Lazy:
        """The elements smoothed by a Gaussian of standard deviation `sigma`, or its derivative of an `order`.

        Example:
            >>> bigarrays.lazy([0.0, 0, 1, 0, 0]).gaussian_filter(1, radius=1).compute()
            array([0.        , 0.27406862, 0.45186276, 0.27406862, 0.        ])
        """
        options = {"sigma": sigma, "order": order, "truncate": truncate, "radius": radius}
        return _filtered(self, "gaussian_filter", axes, boundary, fill_value, 0, **options)

    def gaussian_gradient_magnitude(
        self: Any,
        sigma: float | Sequence[float],
        *,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
    ) -> Lazy:
        """The length of the gradient of the elements smoothed by a Gaussian."""
        return _filtered(self, "gaussian_gradient_magnitude", axes, boundary, fill_value, 0, sigma=sigma)

    def minimum_filter(
        self: Any,
        size: _Each | None = None,
        *,
        footprint: ArrayLike | None = None,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The least of the elements around each, in a box of a size or where `footprint` is true; NaN if one is.

        Example:
            >>> bigarrays.lazy([3, 9, 4, 7]).minimum_filter(3).compute()
            array([3, 3, 4, 4])
        """
        around = _around(size, footprint)
        return _filtered(self, "minimum_filter", axes, boundary, fill_value, origin, **around)

    def maximum_filter(
        self: Any,
        size: _Each | None = None,
        *,
        footprint: ArrayLike | None = None,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The largest of the elements around each; see `minimum_filter`."""
        around = _around(size, footprint)
        return _filtered(self, "maximum_filter", axes, boundary, fill_value, origin, **around)

    def median_filter(
        self: Any,
        size: _Each | None = None,
        *,
        footprint: ArrayLike | None = None,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The median of the elements around each; of an even number, the larger of the two in the middle. NaNs are the largest.

        Example:
            >>> bigarrays.lazy([3, 9, 4, 7]).median_filter(3).compute()
            array([3, 4, 7, 7])
        """
        around = _around(size, footprint)
        return _filtered(self, "median_filter", axes, boundary, fill_value, origin, **around)

    def percentile_filter(
        self: Any,
        percentile: float,
        size: _Each | None = None,
        *,
        footprint: ArrayLike | None = None,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The element around each that this percentage of them is below; see `median_filter`."""
        around = _around(size, footprint)
        options = {"percentile": percentile, **around}
        return _filtered(self, "percentile_filter", axes, boundary, fill_value, origin, **options)

    def rank_filter(
        self: Any,
        rank: int,
        size: _Each | None = None,
        *,
        footprint: ArrayLike | None = None,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The element of this rank around each, from 0, or from the largest on if negative; see `median_filter`."""
        around = _around(size, footprint)
        return _filtered(self, "rank_filter", axes, boundary, fill_value, origin, rank=rank, **around)

    def correlate(
        self: Any,
        weights: ArrayLike,
        *,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The sum of the elements around each times `weights`, an array of as many axes as the filter goes along.

        Elements of weight 0 do not count, whatever they are.

        Example:
            >>> bigarrays.lazy([3, 9, 4, 7]).correlate([-1, 0, 1]).compute()
            array([ 6.,  1., -2.,  3.])
        """
        given = np.asarray(weights, dtype="float64").tolist()
        return _filtered(self, "correlate", axes, boundary, fill_value, origin, weights=given)

    def convolve(
        self: Any,
        weights: ArrayLike,
        *,
        axes: _Axes = None,
        boundary: str = "reflect",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """The same with the weights in opposite order; see `correlate`."""
        given = np.asarray(weights, dtype="float64").tolist()
        return _filtered(self, "convolve", axes, boundary, fill_value, origin, weights=given)

    def sobel(
        self: Any, axis: int | str, *, axes: _Axes = None, boundary: str = "reflect", fill_value: float = 0
    ) -> Lazy:
        """Differences along `axis`, smoothed along all others by weights of 1, 2 and 1."""
        return _filtered(self, "sobel", axes, boundary, fill_value, 0, axis=axis)

    def prewitt(
        self: Any, axis: int | str, *, axes: _Axes = None, boundary: str = "reflect", fill_value: float = 0
    ) -> Lazy:
        """Differences along `axis`, smoothed along all others by weights of 1, 1 and 1."""
        return _filtered(self, "prewitt", axes, boundary, fill_value, 0, axis=axis)

    def laplace(self: Any, *, axes: _Axes = None, boundary: str = "reflect", fill_value: float = 0) -> Lazy:
        """The sum of second differences along all axes."""
        return _filtered(self, "laplace", axes, boundary, fill_value, 0)

    def erosion(
        self: Any,
        size: _Each | None = None,
        *,
        footprint: ArrayLike | None = None,
        iterations: int = 1,
        axes: _Axes = None,
        boundary: str = "constant",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """Masks or labels without their rims.

        Booleans are true where all elements around are; labels stay where all around have the same, and become 0 elsewhere. What is
        around is a cross of 3 elements along each axis, or as `minimum_filter` has it.

        Example:
            >>> bigarrays.lazy([0, 5, 5, 5, 6, 6, 6]).erosion().compute()
            array([0, 0, 5, 0, 0, 6, 0])
        """
        around = _around(size, footprint)
        options = {"iterations": iterations, **around}
        return _filtered(self, "erosion", axes, boundary, fill_value, origin, **options)

    def dilation(
        self: Any,
        size: _Each | None = None,
        *,
        footprint: ArrayLike | None = None,
        iterations: int = 1,
        axes: _Axes = None,
        boundary: str = "constant",
        fill_value: float = 0,
        origin: _Each = 0,
    ) -> Lazy:
        """Masks or labels with rims around them.

        Booleans are true where an element around is; where a label is 0 it becomes the largest around, others stay. See `erosion`.

        Example:
            >>> bigarrays.lazy([0, 0, 5, 0, 6, 6, 0]).dilation().compute()
            array([0, 5, 5, 6, 6, 6, 6])
        """
        around = _around(size, footprint)
        options = {"iterations": iterations, **around}
        return _filtered(self, "dilation", axes, boundary, fill_value, origin, **options)


def _around(size: _Each | None, footprint: ArrayLike | None) -> dict[str, Any]:
    """A size or a footprint."""
    given = None if footprint is None else np.asarray(footprint, dtype=bool).tolist()
    return {"size": size, "footprint": given}


def _filtered(
    of: Lazy, name: str, axes: _Axes, boundary: str, fill_value: float, origin: _Each, **options: Any
) -> Lazy:
    constant = boundary.removeprefix("grid-") == "constant"
    moved = origin if np.any(origin) else None
    value = fill_value if constant else None
    return called(of, name, axes=axes, boundary=boundary, fill_value=value, origin=moved, **options)
