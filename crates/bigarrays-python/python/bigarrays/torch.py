"""Flat arrays and named slices as datasets of PyTorch.

`Dataset` gives single samples, by position: for PyTorch's samplers and its `DistributedSampler`. `IterableDataset` gives
batches, as `bigarrays.batches` makes them: shuffled, dealt out to ranks and to the workers of a `DataLoader`, and taken up
again. Both have the samples that were there when they were made, whatever is appended or deleted while they are trained on;
both go to workers, by "fork", "spawn" or "forkserver", without rows: each worker maps the file by itself. A pickle of a
dataset of slices opens on the same machine, for as long as the dataset exists.

>>> import pathlib, tempfile, numpy as np, torch, bigarrays.torch
>>> path = pathlib.Path(tempfile.mkdtemp()) / "samples.npy"
>>> with bigarrays.SliceArray(path, "x", shape=(None, 2), dtype="float32") as w:
...     w.write({f"n{k}": np.full((k + 1, 2), k) for k in range(4)})
>>> dataset = bigarrays.torch.IterableDataset(bigarrays.SliceArray(path), 2, shuffle=True, pad=0)
>>> for epoch in range(2):
...     dataset.set_epoch(epoch)
...     for rows, lengths in torch.utils.data.DataLoader(dataset, batch_size=None):
...         assert rows.shape == (2, int(lengths.max()), 2)

This module alone imports PyTorch.
"""

import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found]
from numpy.typing import ArrayLike, NDArray
from torch.utils import data  # type: ignore[import-not-found]

from ._batches import _Ahead
from ._bigarrays import InvalidArgumentError, SliceArray, _spread
from ._order import Order, Samples, order_of
from ._reading import Pad, Padded, padded, padding_of, reader

__all__ = ["Dataset", "IterableDataset", "pad", "tensors"]

# Types of elements that NumPy has from ml_dtypes, and PyTorch by itself.
_OWN_TYPES = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")


def tensors(batch: Any) -> Any:
    """Makes tensors of the arrays in a sample or batch: in lists, tuples with names, dicts and `Padded`.

    Slices are copied, as PyTorch takes no memory that must not be written; what was read into memory of its own is not.
    Arrays of text and of records stay what they are.

    Example:
        >>> import numpy as np, bigarrays.torch
        >>> bigarrays.torch.tensors({"x": np.arange(3, dtype=">i2"), "name": "a"})
        {'x': tensor([0, 1, 2], dtype=torch.int16), 'name': 'a'}
    """
    if isinstance(batch, np.ndarray | np.generic):
        return _tensor(np.asarray(batch))
    if isinstance(batch, Mapping):
        return {name: tensors(value) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(tensors, batch))
    if isinstance(batch, list | tuple):
        return [tensors(value) for value in batch]
    return batch


@lru_cache(256)
def _types_of(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Any] | None:
    """The type of NumPy's arrays whose memory PyTorch takes, and its own type of it if that is another one; None of what it
    has no type for."""
    if dtype.name in _OWN_TYPES:
        return np.dtype(f"u{dtype.itemsize}"), getattr(torch, dtype.name)
    if dtype.kind not in "biufc" or dtype.name in ("float128", "longdouble", "complex256"):
        return None
    return dtype.newbyteorder("="), None


def _tensor(array: NDArray[Any]) -> Any:
    types = _types_of(array.dtype)
    if types is None:
        return array
    native, own = types
    if own is not None:
        return _tensor(array.view(native)).view(own)
    writable = array.flags.writeable and all(stride >= 0 for stride in array.strides)
    return torch.from_numpy(array.astype(native, copy=not writable))


_VERSION, _REQUIRES_GRAD = operator.attrgetter("_version"), operator.attrgetter("requires_grad")


class _Joined(list[Any]):
    """The samples of a batch, which are parts of one tensor: `pad` makes the tensor that it returns of that one."""

    __slots__ = ("_parts", "_rows", "lengths")

    def __init__(self, rows: NDArray[Any], lengths: list[int]) -> None:
        self._rows, self.lengths = _tensor(rows), lengths
        # Not views of it to autograd: each may be changed and differentiated by itself.
        self._parts = torch.unsafe_split_with_sizes(self._rows, lengths)
        super().__init__(self._parts)

    def whole(self) -> Any:
        """The tensor, if the list has its parts, and PyTorch has changed none of them."""
        if len(self) != len(self._parts) or not all(map(operator.is_, self, self._parts)):
            return None
        return None if any(map(_VERSION, self)) or any(map(_REQUIRES_GRAD, self)) else self._rows

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


def _padded(rows: Any, lengths: list[int], value: Pad) -> Padded:
    """The parts of `rows` that have these lengths, padded."""
    count, longest = len(lengths), max(lengths)
    out = torch.full((count, longest, *rows.shape[1:]), value, dtype=rows.dtype)
    if out.numel():
        bytes_of_rows = rows.view(len(rows), -1).view(torch.uint8)
        _spread(out.view(count, longest, -1).view(torch.uint8).numpy(), bytes_of_rows.numpy(), lengths)
    return Padded(out, torch.tensor(lengths))


def pad(batch: Sequence[Any], value: Pad = 0) -> Any:
    """Makes one tensor of slices of several lengths, and one of the lengths: a `collate_fn` for `Dataset`.

    Args:
        batch: Tensors or arrays of shape (rows, …) that differ in their number of rows alone, or dicts or tuples with
            names of such.
        value: What the tensor is filled up with; of samples of several arrays, for each the same or one of its own, in a dict.

    Returns:
        `Padded`: `rows` of shape (slices, rows of the longest, …), and `lengths`. Of samples that have several arrays, one
        for each of these.

    Example:
        >>> import torch, bigarrays.torch
        >>> rows, lengths = bigarrays.torch.pad([torch.ones(2), torch.ones(1)])
        >>> rows.tolist(), lengths.tolist()
        ([[1.0, 1.0], [1.0, 0.0]], [2, 1])
    """
    first = batch[0]
    if isinstance(first, Mapping):
        return {name: pad([sample[name] for sample in batch], padding_of(value, name)) for name in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        arrays = zip(first._fields, zip(*batch, strict=True), strict=True)
        return type(first)(*(pad(rows, padding_of(value, name)) for name, rows in arrays))
    if not isinstance(first, torch.Tensor):
        return tensors(padded(batch, value))
    if isinstance(batch, _Joined) and (whole := batch.whole()) is not None:
        return _padded(whole, batch.lengths, value)
    lengths = torch.tensor([len(sample) for sample in batch])
    return Padded(torch.nn.utils.rnn.pad_sequence(list(batch), batch_first=True, padding_value=value), lengths)


def _kept(samples: Samples[Any]) -> Samples[Any]:
    """The samples as they are now, where they can be kept so."""
    snapshot = getattr(samples, "snapshot", None)
    return samples if snapshot is None else snapshot()


class Dataset(data.Dataset[Any]):  # type: ignore[misc]
    """Samples by position, as tensors.

    `dataset[5]` is a sample, as is `dataset["name"]` of named slices; `dataset[[5, 7]]` and `dataset.__getitems__([5, 7])`
    are read by one call into the library. The latter is a list of samples; where they are slices and there is no `transform`, they
    share the memory of their batch. The former is a whole batch, which needs no collating: with
    `sampler=BatchSampler(…)` and `batch_size=None`, a `DataLoader` takes it as it is.

    Args:
        samples: A FlatArray, a SliceArray or a selection of one, of which those are taken that are there now.
        transform: A function of each sample, a tensor, as the workers of a `DataLoader` call it.

    Raises:
        IndexError: `dataset[position]` of a position that is not there.

    Example:
        >>> import pathlib, tempfile, torch, bigarrays.torch
        >>> from torch.utils.data import BatchSampler, DataLoader, RandomSampler
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.npy"
        >>> a = bigarrays.FlatArray(path, "x", shape=(None, 2), dtype="float32")
        >>> a.append([[0, 1], [2, 3], [4, 5]])
        range(0, 3)
        >>> dataset = bigarrays.torch.Dataset(a)
        >>> dataset[1], len(dataset)
        (tensor([2., 3.]), 3)
        >>> sampler = BatchSampler(RandomSampler(dataset), 2, drop_last=False)
        >>> [batch.shape for batch in DataLoader(dataset, batch_size=None, sampler=sampler)]
        [torch.Size([2, 2]), torch.Size([1, 2])]
    """

    def __init__(self, samples: Samples[Any], *, transform: Callable[[Any], Any] | None = None) -> None:
        self.samples, self.transform = _kept(samples), transform
        self._count = len(self.samples)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._made(self.samples[key])  # type: ignore[index]
        if isinstance(key, list | tuple):
            batch = self.samples.__getitems__(self._positions(key))
            return tensors(batch) if self.transform is None else [self._made(sample) for sample in batch]
        return self.__getitems__([key])[0]

    def __getitems__(self, indices: Sequence[Any]) -> list[Any]:
        positions = self._positions(indices)
        if self.transform is None and isinstance(self.samples, SliceArray):
            joined = self.samples._joined(positions)
            if joined is not None and _types_of(joined[0].dtype) is not None:
                return _Joined(*joined)
        return [self._made(sample) for sample in self.samples.__getitems__(positions)]

    def _positions(self, indices: Sequence[Any]) -> list[int]:
        positions = list(map(operator.index, indices))
        if not positions or (min(positions) >= 0 and max(positions) < self._count):
            return positions
        for position in positions:
            if not -self._count <= position < self._count:
                raise IndexError(f"there is no sample {position} among {self._count}")
        return [position % self._count for position in positions]

    def _made(self, sample: Any) -> Any:
        made = tensors(sample)
        return made if self.transform is None else self.transform(made)


class IterableDataset(data.IterableDataset[Any]):  # type: ignore[misc]
    """Batches, as `bigarrays.batches` makes them, as tensors: for a `DataLoader` with `batch_size=None`.

    Each rank has its own batches, of which each worker loads its share; they come in the same order, whatever the number of
    workers. All options of `bigarrays.batches` mean here what they mean there, but for these:

    Args:
        samples: A FlatArray, a SliceArray or a selection of one, of which those are taken that are there now.
        size: How many samples a batch has.
        seed: What the random order depends on; it must be the same on every rank.
        epoch: The epoch to begin with; `set_epoch` says which one is next.
        start: How many batches of this rank are skipped in that epoch: those that were taken before training stopped.
        rank: Which share of the batches is iterated over; by default what `torch.distributed` says, or the environment
            variables RANK and WORLD_SIZE of `torchrun`.
        world: Into how many shares the batches are dealt out; given together with `rank`.
        collate: A function of a batch of tensors, as the workers call it.

    Raises:
        InvalidArgumentError: A number is out of its range, or `weights` do not fit.

    Example:
        >>> import pathlib, tempfile, torch, bigarrays.torch
        >>> a = bigarrays.FlatArray(pathlib.Path(tempfile.mkdtemp()) / "a.npy", "x", shape=(None,), dtype="int8")
        >>> a.append(range(6))
        range(0, 6)
        >>> dataset = bigarrays.torch.IterableDataset(a, 4)
        >>> list(torch.utils.data.DataLoader(dataset, batch_size=None))
        [tensor([0, 1, 2, 3], dtype=torch.int8), tensor([4, 5], dtype=torch.int8)]
        >>> dataset = bigarrays.torch.IterableDataset(a, 4, start=1)  # the first batch was trained on before
        >>> list(dataset)
        [tensor([4, 5], dtype=torch.int8)]
    """

    def __init__(
        self,
        samples: Samples[Any],
        size: int,
        *,
        shuffle: bool = False,
        run_length: int = 4096,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        rank: int | None = None,
        world: int | None = None,
        drop_last: bool = False,
        weights: ArrayLike | None = None,
        bucket_by_length: int = 0,
        pad: Pad | None = None,
        collate: Callable[[Any], Any] | None = None,
        prefetch: int = 0,
    ) -> None:
        if (rank is None) != (world is None):
            raise InvalidArgumentError("rank and world are given together, or neither")
        if start < 0 or prefetch < 0 or (rank is not None and world is not None and not 0 <= rank < world):
            raise InvalidArgumentError(f"start={start}, prefetch={prefetch}, rank={rank}, world={world} make no sense")
        self.samples, self.size, self._rank, self._world = _kept(samples), size, rank, world
        self._options: dict[str, Any] = {
            "count": len(self.samples),
            "shuffle": shuffle,
            "run_length": run_length,
            "seed": seed,
            "drop_last": drop_last,
            "weights": weights,
            "bucket_by_length": bucket_by_length,
        }
        self._pad, self._collate, self._prefetch = pad, collate, prefetch
        # Workers that live longer than an epoch see what is written here.
        self._next = torch.tensor([epoch, start]).share_memory_()
        self._taken = self._skipped = 0
        reader(self.samples, pad, None)
        self._base: Order | None = None
        self._order()

    @property
    def epoch(self) -> int:
        """The epoch that is iterated over next."""
        return int(self._next[0])

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch is next, to the workers as well. What `start` skips is skipped in its own epoch alone.

        Args:
            epoch: The number of the epoch.

        Raises:
            InvalidArgumentError: It is below zero.
        """
        if epoch < 0:
            raise InvalidArgumentError(f"epoch is {epoch}; it must not be negative")
        if epoch != self.epoch:
            self._next.copy_(torch.tensor([epoch, 0]))
            self._skipped = 0

    def __len__(self) -> int:
        """How many batches this rank has in the next epoch, after `start`."""
        return max(self._order().steps(*self._ranks()) - int(self._next[1]), 0)

    def __iter__(self) -> Iterator[Any]:
        worker = data.get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        rank, world = self._ranks()
        order = self._order()
        read = reader(self.samples, self._pad, None, ahead=self._prefetch > 0)

        def load(step: int) -> Any:
            batch = tensors(read(order.batch(step, rank, world).tolist()))
            return batch if self._collate is None else self._collate(batch)

        self._taken, self._skipped = self._skipped, 0
        first = int(self._next[1]) + number + self._taken * workers
        return self._batches(load, range(first, order.steps(rank, world), workers))

    def _batches(self, load: Callable[[int], Any], steps: range) -> Iterator[Any]:
        ahead = _Ahead(load, steps, self._prefetch) if self._prefetch else None
        for step in steps:
            batch = load(step) if ahead is None else ahead.take()
            self._taken += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Says where the iteration in this process is, for torchdata's `StatefulDataLoader`, which asks every worker.

        With PyTorch's own `DataLoader`, batches are loaded in other processes and ahead of training: keep the number of
        the epoch and that of the batches that were trained on, and give them as `epoch` and `start`.
        """
        rank, world = self._ranks()
        state = self._order().state() | {"rank": rank, "world": world}
        return state | {"start": int(self._next[1]), "taken": self._taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Has the next iteration in this process go on where `state` was taken.

        Args:
            state: What `state_dict` returned in a process of as many ranks and workers; or, on each rank, what that of
                `bigarrays.batches` returned.

        Raises:
            InvalidArgumentError: The options that decide about batches were others.
        """
        rank, world = self._ranks()
        order = self._order().at(state)
        theirs = state.get("rank", rank), state["world"]
        if theirs != (rank, world):
            raise InvalidArgumentError(f"the state is of rank {theirs[0]} of {theirs[1]}, not {rank} of {world}")
        self._options |= {"count": order.count, "seed": order.seed}
        self._base = order
        self._next.copy_(torch.tensor([order.epoch, int(state["start"])]))
        self._skipped = int(state.get("taken", 0))

    def _order(self) -> Order:
        if self._base is None:
            self._base = order_of(self.samples, self.size, epoch=self.epoch, **self._options)
        return self._base.of_epoch(self.epoch)

    def _ranks(self) -> tuple[int, int]:
        if self._rank is None or self._world is None:
            distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
            if distributed:
                return torch.distributed.get_rank(), torch.distributed.get_world_size()
            return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        return self._rank, self._world

    def __getstate__(self) -> dict[str, Any]:
        rank, world = self._ranks()  # a worker that is spawned has no `torch.distributed`
        return self.__dict__ | {"_rank": rank, "_world": world, "_base": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._next.share_memory_()
