"""Elements as sets. They are looked through in memory, at once; a large array is refused."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._expressions import lazy
from .._lazy import Lazy
from ._data_types import int64
from ._operands import Number, in_memory


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Lazy
    indices: Lazy
    inverse_indices: Lazy
    counts: Lazy


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Lazy
    counts: Lazy


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Lazy
    inverse_indices: Lazy


def unique_all(x: Lazy, /) -> UniqueAll:
    """The elements that there are, ascending: where each is first, which of them each element is, and how often there is each.

    NaNs are different from each other.

    Example:
        >>> bigarrays.array_api.unique_all(bigarrays.lazy([3, 1, 3])).counts.compute()
        array([1, 2])
    """
    values, indices, inverse, counts = np.unique(
        in_memory(x), return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return UniqueAll(lazy(values), *(lazy(one.astype(int64)) for one in (indices, inverse.reshape(x.shape), counts)))


def unique_counts(x: Lazy, /) -> UniqueCounts:
    """The elements that there are, ascending, and how often there is each; see `unique_all`."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Lazy, /) -> UniqueInverse:
    """The elements that there are, ascending, and which of them each element is; see `unique_all`."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Lazy, /) -> Lazy:
    """The elements that there are, ascending; see `unique_all`."""
    return unique_all(x).values


def isin(x1: Lazy | Number, x2: Lazy | Number, /, *, invert: bool = False) -> Lazy:
    """Whether elements of `x1` are among those of `x2`; if `invert`, whether they are not.

    Example:
        >>> bigarrays.array_api.isin(bigarrays.lazy([3, 1, 2]), bigarrays.lazy([2, 3])).compute()
        array([ True, False,  True])
    """
    one, two = (np.asarray(x) if isinstance(x, Number) else in_memory(x) for x in (x1, x2))
    return lazy(np.isin(one, two, invert=invert))
