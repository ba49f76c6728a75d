"""Batches of flat arrays and named slices, for training."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from operator import index
from typing import Any, Generic, Protocol, TypedDict, TypeVar, Unpack, overload

from numpy.typing import ArrayLike

from ._bigarrays import InvalidArgumentError
from ._order import Order, Samples, order_of
from ._reading import Pad, reader

_Batch = TypeVar("_Batch")
_Result = TypeVar("_Result")


class Options(TypedDict, total=False):
    """The options of `batches` that do not change what a batch is."""

    shuffle: bool
    run_length: int
    seed: int | None
    epoch: int
    start: int
    rank: int
    world: int
    drop_last: bool
    weights: ArrayLike | None
    bucket_by_length: int
    prefetch: int


class Batches(Iterator[_Batch], Generic[_Batch]):
    """The batches of one epoch, or of one rank's share of it: what `batches` returns.

    An iterator that ends with the epoch. `len` is the number of batches that are left. `state_dict` says where it is,
    and `load_state_dict` goes on from there, in another process as well.
    """

    def __init__(
        self,
        read: Callable[[list[int]], _Batch],
        order: Order,
        *,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        prefetch: int = 0,
    ) -> None:
        if world < 1 or not 0 <= rank < world:
            raise InvalidArgumentError(f"rank {rank} of {world}: ranks are numbered from 0 to world - 1")
        if start < 0 or prefetch < 0:
            raise InvalidArgumentError(f"start is {start} and prefetch {prefetch}; neither must be negative")
        self._read, self._order, self._step = read, order, index(start)
        self._rank, self._world, self._prefetch = rank, world, prefetch
        self._ahead: _Ahead[_Batch] | None = None

    def __iter__(self) -> "Batches[_Batch]":
        return self

    def __len__(self) -> int:
        return max(self._order.steps(self._rank, self._world) - self._step, 0)

    def __next__(self) -> _Batch:
        if not len(self):
            self._ahead = None
            raise StopIteration
        if not self._prefetch:
            batch = self._load(self._step)
        else:
            # A forked child has the object but not the thread.
            if self._ahead is None or self._ahead.pid != os.getpid():
                self._ahead = _Ahead(self._load, range(self._step, self._step + len(self)), self._prefetch)
            batch = self._take(self._ahead)
        self._step += 1
        return batch

    def _take(self, ahead: "_Ahead[_Batch]") -> _Batch:
        try:
            return ahead.take()
        except BaseException:
            self._ahead = None  # a batch that failed is tried again
            raise

    def _load(self, step: int) -> _Batch:
        return self._read(self._order.batch(step, self._rank, self._world).tolist())

    def state_dict(self) -> dict[str, Any]:
        """Says where the iteration is: numbers and booleans in a dict, to be kept in a checkpoint.

        It counts what has been taken, not what was read ahead, and is the same on every rank that has taken as many
        batches. Weights and what `samples` holds are not in it.

        Example:
            >>> import pathlib, tempfile
            >>> a = bigarrays.FlatArray(pathlib.Path(tempfile.mkdtemp()) / "a.npy", "x", shape=(None,), dtype="int8")
            >>> a.append(range(6))
            range(0, 6)
            >>> taken = bigarrays.batches(a, 2, shuffle=True)
            >>> first, state = next(taken), taken.state_dict()
            >>> again = bigarrays.batches(a, 2, shuffle=True)
            >>> again.load_state_dict(state)
            >>> [batch.tolist() for batch in again] == [batch.tolist() for batch in taken]
            True
        """
        return self._order.state() | {"start": self._step, "world": self._world}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to where `state` was taken, be it in another epoch, with another seed, or with fewer samples than there are.

        The number of ranks may be another one, if the batches that all of them had taken are whole steps of the new ones.

        Args:
            state: What `state_dict` returned.

        Raises:
            InvalidArgumentError: The options that decide about batches were others, or there are fewer samples than then.
        """
        order = self._order.at(state)
        if "taken" in state:
            raise InvalidArgumentError("this is the state of a worker of an IterableDataset, which alone takes it up again")
        taken, left = divmod(int(state["start"]) * int(state["world"]), self._world)
        if left:
            raise InvalidArgumentError(
                f"{state['start']} batches on each of {state['world']} ranks are no whole steps of {self._world} ranks; "
                "take the state with the same number of ranks"
            )
        self._order, self._step, self._ahead = order, taken, None


class _Ahead(Generic[_Batch]):
    """Batches that a thread loads before they are taken."""

    def __init__(self, load: Callable[[int], _Batch], steps: range, ahead: int) -> None:
        self.pid = os.getpid()
        self._load, self._left = load, iter(steps)
        self._thread = ThreadPoolExecutor(1, "bigarrays-batches")
        self._loading: deque[Future[_Batch]] = deque()
        for _ in range(ahead):
            self._more()

    def take(self) -> _Batch:
        """The next batch; another one begins to be loaded."""
        self._more()
        return self._loading.popleft().result()

    def _more(self) -> None:
        step = next(self._left, None)
        if step is not None:
            self._loading.append(self._thread.submit(self._load, step))


@overload
def batches(
    samples: Samples[_Batch], size: int, *, pad: None = ..., collate: None = ..., **_options: Unpack[Options]
) -> Batches[_Batch]: ...
@overload
def batches(
    samples: Samples[Any],
    size: int,
    *,
    pad: Pad | None = ...,
    collate: Callable[[Any], _Result],
    **_options: Unpack[Options],
) -> Batches[_Result]: ...
@overload
def batches(
    samples: Samples[Any], size: int, *, pad: Pad, collate: None = ..., **_options: Unpack[Options]
) -> Batches[Any]: ...
def batches(
    samples: Samples[Any],
    size: int,
    *,
    shuffle: bool = False,
    run_length: int = 4096,
    seed: int | None = None,
    epoch: int = 0,
    start: int = 0,
    rank: int = 0,
    world: int = 1,
    drop_last: bool = False,
    weights: ArrayLike | None = None,
    bucket_by_length: int = 0,
    pad: Pad | None = None,
    collate: Callable[[Any], Any] | None = None,
    prefetch: int = 0,
) -> Batches[Any]:
    """Iterate over all samples once, in batches of `size`: arrays of rows, or lists of slices, of several arrays a list each.

    How many samples there are is decided here: what is appended later is not in the epoch. Each batch is read by one call
    into the library. The same `seed` and `epoch` give the same order in every process.

    Args:
        samples: A FlatArray, a SliceArray, or what has `__len__` and `__getitems__`, as datasets of PyTorch have.
        size: How many samples a batch has.
        shuffle: Runs of `run_length` neighbouring samples come in random order, and those of a run in random order among
            each other: the file is read a run at a time.
        run_length: How long runs are.
        seed: What the random order depends on, beside `epoch`; by default another one each time.
        epoch: The number of the epoch; each has an order of its own.
        start: How many batches, of this rank, are skipped. They are not read.
        rank: Which share of the batches is iterated over, from 0 to `world` - 1.
        world: Into how many shares the batches are dealt out, one batch after the other. No sample is in two of them. What
            does not fill a batch on every rank is shared evenly, in batches that are smaller; where there are fewer
            samples left than ranks, some ranks have one batch less.
        drop_last: Samples that do not fill a batch on every rank are left out, so that each rank has as many batches.
        weights: One number a sample: as many samples as there are are drawn with replacement, each as often as its
            weight says. Then no sample is certain to come, and a rank's may come on another as well.
        bucket_by_length: Of so many batches at a time, each is made of slices of similar length, in the first of several
            arrays, which need little padding; the batches then come in random order. 0 leaves the order alone.
        pad: The slices of a batch become one array (slices, longest, …), filled up with this value, and an array of their
            lengths: `Padded`. Of several arrays, each is padded by itself, with this or with the value that a dict has for it.
        collate: A function of a batch, after it was padded; what it returns is iterated over.
        prefetch: How many batches a thread reads ahead, with `collate` and all.

    Raises:
        InvalidArgumentError: A number is out of its range, `world` ranks have no common `seed`, or `weights` do not fit.

    Example:
        >>> import pathlib, tempfile, numpy as np
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> a = bigarrays.FlatArray(folder / "a.npy", "x", shape=(None,), dtype="int8")
        >>> a.append(np.arange(10))
        range(0, 10)
        >>> [batch.tolist() for batch in bigarrays.batches(a, 4)]
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        >>> ranks = [bigarrays.batches(a, 2, shuffle=True, seed=1, rank=rank, world=3) for rank in range(3)]
        >>> [len(rank) for rank in ranks], sorted(int(x) for rank in ranks for batch in rank for x in batch)
        ([2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        >>> w = bigarrays.SliceArray(folder / "s.npy", "x", shape=(None,), dtype="int8")
        >>> w.write({"a": [1, 2], "b": [3, 4, 5], "c": [6]})
        >>> rows, lengths = next(bigarrays.batches(w, 3, pad=0))
        >>> rows.tolist(), lengths.tolist()
        ([[1, 2, 0], [3, 4, 5], [6, 0, 0]], [2, 3, 1])
    """
    if world > 1 and seed is None and (shuffle or weights is not None):
        raise InvalidArgumentError(f"a random order over {world} ranks needs a seed, the same on each")
    order = order_of(
        samples,
        size,
        shuffle=shuffle,
        run_length=run_length,
        seed=seed,
        epoch=epoch,
        drop_last=drop_last,
        weights=weights,
        bucket_by_length=bucket_by_length,
    )
    read = reader(samples, pad, collate, ahead=prefetch > 0)
    return Batches(read, order, start=start, rank=rank, world=world, prefetch=prefetch)
