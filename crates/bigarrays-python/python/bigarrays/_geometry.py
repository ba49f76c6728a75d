"""Interpolation, regridding and products of expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._bigarrays import InvalidArgumentError
from ._windows import called

if TYPE_CHECKING:
    from ._lazy import Lazy


class Geometry:
    """The methods of `Lazy`, as which `self` is used here, that give elements at other places."""

    def interpolate(
        self: Any,
        places: ArrayLike,
        axis: int | str,
        *,
        of: ArrayLike | None = None,
        method: str = "linear",
        outside: str = "missing",
    ) -> Lazy:
        """The elements at some places along an axis, which are at 0, 1, … of it then.

        Args:
            places: The places, in any order.
            axis: The axis, by number or name.
            of: The places of the elements that there are, which ascend or descend, such as latitudes; their coordinates if None.
            method: "linear", or "nearest", of two the one before.
            outside: What there is beyond the first and the last element: "missing" for NaN, "nearest" for that element.

        Example:
            >>> bigarrays.lazy([3, 9, 4]).interpolate([0.5, 1, 1.2, 5], axis=0).compute()
            array([ 6.,  9.,  8., nan])
        """
        given = None if of is None else _reals(of)
        return called(
            self, "interpolate", axis=self._axis(axis), places=_reals(places), of=given, method=method, outside=outside
        )

    def regrid(self: Any, weights: Any, axes: Sequence[int | str], shape: Sequence[int]) -> Lazy:
        """Sums of the elements along some axes, each times a weight of a sparse matrix, as regridders make them.

        The result has all other axes, and then those of `shape`, from 0 on. Rows without weights are NaN.

        Args:
            weights: A sparse matrix of scipy, of a row for each element of `shape` and a column for each element along `axes`, in C order;
                or its rows, columns and weights.
            axes: The axes that are replaced, by numbers or names.
            shape: Lengths of the axes that replace them.

        Example:
            >>> x = bigarrays.lazy([[3, 9, 4], [1, 1, 2]])
            >>> x.regrid(([0, 0, 1], [0, 1, 2], [0.5, 0.5, 1]), axes=[1], shape=[2]).compute()
            array([[6., 4.],
                   [1., 2.]])
        """
        if hasattr(weights, "tocoo"):
            matrix = weights.tocoo()
            weights = (matrix.row, matrix.col, matrix.data)
        rows, columns, values = (np.asarray(one) for one in weights)
        at = [self._axis(axis) for axis in axes]
        return called(
            self,
            "regrid",
            axes=at,
            shape=[int(length) for length in shape],
            rows=rows.astype("int64").tolist(),
            columns=columns.astype("int64").tolist(),
            weights=_reals(values),
        )


def _reals(given: ArrayLike) -> list[float]:
    found = np.asarray(given, dtype="float64")
    if found.ndim != 1:
        raise InvalidArgumentError(f"numbers of shape {found.shape}; they are those of one axis")
    return [float(one) for one in found]
