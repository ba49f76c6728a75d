"""How a batch is read: in one call, and padded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import FlatArray, InvalidArgumentError
from ._order import Samples
from ._together import Together

# Bytes of the smallest page.
_PAGE = 4096


class Padded(NamedTuple):
    """Slices of several lengths in one array."""

    rows: NDArray[Any]
    """Shape (slices, rows of the longest, …): the rows of each slice, then the padding."""
    lengths: NDArray[np.int64]
    """How many rows each slice has."""


# One value for all arrays, or one for each of several.
Pad = float | Mapping[str, float]


def padding_of(value: Pad, name: str) -> Pad:
    """The value with which the array of that name is filled up."""
    if not isinstance(value, Mapping):
        return value
    if name not in value:
        raise InvalidArgumentError(f"pad has no value for the array {name!r}")
    return value[name]


def padded(batch: Sequence[Any], value: Pad) -> Any:
    """The samples of a batch as `Padded`; of samples that have several arrays, each of these."""
    first = batch[0]
    if isinstance(first, Mapping):
        return {name: padded([sample[name] for sample in batch], padding_of(value, name)) for name in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        arrays = zip(first._fields, zip(*batch, strict=True), strict=True)
        return type(first)(*(padded(rows, padding_of(value, name)) for name, rows in arrays))
    if isinstance(value, Mapping):
        raise InvalidArgumentError("pad is one value where samples have one array")
    lengths = np.fromiter(map(len, batch), np.int64, len(batch))
    rows = np.full((len(batch), lengths.max(), *first.shape[1:]), value, first.dtype)
    # One copy each is twice as fast as a mask over all.
    for target, sample in zip(rows, batch, strict=True):
        target[: len(sample)] = sample
    return Padded(rows, lengths)


def by_array(batch: Any) -> Any:
    """Slices of several arrays as lists of those of each array, by its name."""
    if isinstance(batch, list) and batch and isinstance(batch[0], Together):
        return type(batch[0])(*map(list, zip(*batch, strict=True)))
    return batch


def in_memory(batch: Any) -> None:
    """Has the pages of mapped slices read from the disk."""
    if isinstance(batch, Together):
        for rows in batch:
            in_memory(rows)
    for rows in batch if isinstance(batch, list) else ():
        if isinstance(rows, np.ndarray) and rows.base is not None and rows.flags.c_contiguous:
            rows.reshape(-1).view(np.uint8)[::_PAGE].max(initial=0)


def reader(
    samples: Samples[Any], pad: Pad | None, collate: Callable[[Any], Any] | None, *, ahead: bool = False
) -> Callable[[list[int]], Any]:
    """The function that reads the samples at some positions as a batch."""
    if pad is not None and isinstance(samples, FlatArray):
        raise InvalidArgumentError("pad is for slices: the rows of a flat array are of one length")

    def read(indices: list[int]) -> Any:
        batch = samples.__getitems__(indices)
        batch = by_array(batch) if pad is None else padded(batch, pad)
        if pad is None and ahead:
            in_memory(batch)
        return batch if collate is None else collate(batch)

    return read
