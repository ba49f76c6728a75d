"""Batches of flat arrays and named slices, for training."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

_Batch_co = TypeVar("_Batch_co", covariant=True)


class Samples(Protocol[_Batch_co]):
    """What `batches` takes: FlatArray, SliceArray, and any dataset of PyTorch that knows batches."""

    def __len__(self) -> int: ...
    def __getitems__(self, indices: Sequence[int], /) -> _Batch_co: ...


def batches(
    samples: Samples[_Batch_co],
    size: int,
    *,
    shuffle: bool = False,
    run_length: int = 4096,
    seed: int | None = None,
    drop_last: bool = False,
) -> Iterator[_Batch_co]:
    """Iterate over all samples once, in batches of `size`: arrays of rows, or lists of slices.

    With `shuffle`, runs of `chunk` neighbouring samples come in random order, and those of a run in random
    order among each other: the file is read a run at a time. The same `seed` gives the same order. With
    `drop_last`, samples that do not fill a batch are left out.

    >>> import pathlib, tempfile, numpy as np
    >>> a = bigarrays.FlatArray(pathlib.Path(tempfile.mkdtemp()) / "a.npy", "x", shape=(None,), dtype="int8")
    >>> a.append(np.arange(10))
    range(0, 10)
    >>> [batch.tolist() for batch in bigarrays.batches(a, 4)]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    >>> sorted(int(x) for batch in bigarrays.batches(a, 3, shuffle=True, run_length=4, seed=1) for x in batch)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if size < 1 or run_length < 1:
        raise ValueError("size and run_length must be at least 1")
    left: list[int] = []
    for run in _runs(len(samples), run_length if shuffle else max(run_length // size, 1) * size, shuffle, seed):
        left += run
        full = len(left) // size * size
        for start in range(0, full, size):
            yield samples.__getitems__(left[start : start + size])
        del left[:full]
    if left and not drop_last:
        yield samples.__getitems__(left)


def _runs(count: int, length: int, shuffle: bool, seed: int | None) -> Iterator[list[int]]:
    """The indices below `count`, a run at a time."""
    if not shuffle:
        for start in range(0, count, length):
            yield list(range(start, min(start + length, count)))
        return
    rng = np.random.default_rng(seed)
    for number in rng.permutation(-(-count // length)):
        start = int(number) * length
        yield (start + rng.permutation(min(length, count - start))).tolist()
