"""The order in which an epoch takes its samples: a function of numbers alone, so that it is the same in every process."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property, lru_cache
from operator import index
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._bigarrays import FlatArray, InvalidArgumentError, SliceArray

_Batch_co = TypeVar("_Batch_co", covariant=True)

Indices = NDArray[np.int64]

# What decides about batches and is not to change when an epoch is taken up again.
_FIXED = ("size", "shuffle", "run_length", "drop_last", "bucket_by_length", "is_weighted")


class Samples(Protocol[_Batch_co]):
    """What `batches` takes: FlatArray, SliceArray, and any dataset of PyTorch that knows batches."""

    def __len__(self) -> int: ...
    def __getitems__(self, indices: list[int], /) -> _Batch_co: ...


class Order:
    """The batches of one epoch over `count` samples. Any of them can be computed without those before it.

    Batches are numbered over all ranks: in step `s`, rank `r` has batch `s × world + r`. What does not fill the batches
    of a step is shared evenly among the ranks in a last step, unless it is dropped.
    """

    def __init__(
        self,
        count: int,
        size: int,
        *,
        shuffle: bool,
        run_length: int,
        seed: int | None,
        epoch: int,
        drop_last: bool,
        weights: ArrayLike | None = None,
        bucket_by_length: int = 0,
        lengths: Callable[[list[int]], Indices] | None = None,
    ) -> None:
        for name, value in [("size", size), ("run_length", run_length)]:
            if value < 1:
                raise InvalidArgumentError(f"{name} is {value}; it must be at least 1")
        for name, value in [("epoch", epoch), ("bucket_by_length", bucket_by_length), ("seed", seed or 0)]:
            if value < 0:
                raise InvalidArgumentError(f"{name} is {value}; it must not be negative")
        self.count, self.size, self.run_length, self.epoch = map(index, (count, size, run_length, epoch))
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.bucket_by_length, self._lengths = index(bucket_by_length), lengths
        self._cumulated = None if weights is None else _cumulated(weights, count)
        # One that was not given is drawn once, so that the epoch can be taken up again.
        drawn = np.random.SeedSequence().generate_state(1)[0] if self.is_random and seed is None else seed
        self.seed = int(drawn or 0)
        self._cached()

    @property
    def is_weighted(self) -> bool:
        """Whether samples are drawn by weight."""
        return self._cumulated is not None

    @property
    def is_random(self) -> bool:
        """Whether the order depends on the seed."""
        return self.shuffle or self.is_weighted

    def state(self) -> dict[str, Any]:
        """What the order depends on, as JSON has it."""
        return {name: getattr(self, name) for name in (*_FIXED, "count", "epoch", "seed")}

    def at(self, state: Mapping[str, Any]) -> "Order":
        """The order of the epoch in which `state` was taken."""
        if missing := {*_FIXED, "count", "epoch", "seed", "start", "world"} - state.keys():
            raise InvalidArgumentError(f"this is no state of batches: it has no {', '.join(sorted(missing))}")
        for name in _FIXED:
            if state[name] != getattr(self, name):
                raise InvalidArgumentError(
                    f"{name} is {getattr(self, name)} here, and was {state[name]} when the state was taken: "
                    "the batches would be others"
                )
        count = int(state["count"])
        if count > self.count or (self.is_weighted and count != self.count):
            raise InvalidArgumentError(f"there are {self.count} samples here, and were {count} when the state was taken")
        return self._changed(count=count, epoch=int(state["epoch"]), seed=int(state["seed"]))

    def of_epoch(self, epoch: int) -> "Order":
        """The order of another epoch."""
        return self if epoch == self.epoch else self._changed(epoch=epoch)

    def _changed(self, **numbers: int) -> "Order":
        order = copy(self)
        order.__dict__.update(numbers)
        order.__dict__.pop("_runs", None)
        order._cached()
        return order

    def _cached(self) -> None:
        self._run = lru_cache(2)(self._shuffled_run)
        self._bucket = lru_cache(2)(self._sorted_window)

    def steps(self, rank: int, world: int) -> int:
        """How many batches a rank has in all."""
        full = self.count // self.size // world
        left = self.count - full * world * self.size
        return full + (not self.drop_last and left * (rank + 1) // world > left * rank // world)

    def batch(self, step: int, rank: int, world: int) -> Indices:
        """The samples of one step of a rank."""
        first = step * world
        if (first + world) * self.size <= self.count:
            return self._batch(first + rank)
        rest = np.concatenate([self._batch(number) for number in range(first, -(-self.count // self.size))])
        return rest[len(rest) * rank // world : len(rest) * (rank + 1) // world]

    def _batch(self, number: int) -> Indices:
        if self.bucket_by_length:
            window, place = divmod(number, self.bucket_by_length)
            return self._bucket(window)[place * self.size : (place + 1) * self.size]
        return self._samples(number * self.size, (number + 1) * self.size)

    def _sorted_window(self, number: int) -> Indices:
        """The samples of `window` batches, those of similar length beside each other."""
        span = self.bucket_by_length * self.size
        samples = self._samples(number * span, (number + 1) * span)
        # What does not fill a batch is taken before sorting: else it would always be the longest samples.
        full = len(samples) // self.size * self.size
        lengths = self._lengths(samples[:full].tolist()) if self._lengths is not None else samples[:full]
        batches = samples[:full][np.argsort(lengths, kind="stable")].reshape(-1, self.size)
        if self.is_random:
            batches = self._rng(2, number).permutation(batches)
        return np.concatenate([batches.ravel(), samples[full:]])

    def _samples(self, start: int, stop: int) -> Indices:
        """The samples from the place `start` to `stop` of the epoch."""
        stop = min(stop, self.count)
        if not self.is_random:
            return np.arange(start, stop)
        if self._cumulated is not None:
            blocks = range(start // self.run_length, -(-stop // self.run_length))
            first = blocks.start * self.run_length
            return np.concatenate([self._run(block) for block in blocks])[start - first : stop - first]
        runs, starts = self._runs
        slots = range(int(np.searchsorted(starts, start, "right")) - 1, int(np.searchsorted(starts, stop, "left")))
        first = int(starts[slots.start])
        return np.concatenate([self._run(int(runs[slot])) for slot in slots])[start - first : stop - first]

    @cached_property
    def _runs(self) -> tuple[Indices, Indices]:
        """The runs in their order, and the places at which they start; the last run of the file may be a short one."""
        number = -(-self.count // self.run_length)
        runs = self._rng(0).permutation(number)
        lengths = np.minimum(self.run_length, self.count - runs * self.run_length)
        return runs, np.concatenate([[0], np.cumsum(lengths)])

    def _shuffled_run(self, number: int) -> Indices:
        """The samples of a run in their order; with weights, as many drawn from all."""
        start = number * self.run_length
        length = min(self.run_length, self.count - start)
        if self._cumulated is None:
            return start + self._rng(1, number).permutation(length)
        draws = self._rng(1, number).random(length)
        return np.searchsorted(self._cumulated, draws, "right").astype(np.int64)

    def _rng(self, *what: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, *what])


def _cumulated(weights: ArrayLike, count: int) -> NDArray[np.float64]:
    """For each sample, the probability that it or one before it is drawn."""
    given = np.asarray(weights, np.float64)
    if given.shape != (count,):
        raise InvalidArgumentError(f"weights of shape {given.shape} for {count} samples; each sample needs one")
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise InvalidArgumentError("weights must be finite, none below zero, and one above")
    sums: NDArray[np.float64] = np.cumsum(given) / given.sum()
    # No draw is behind the last sample that has a weight, however the sums are rounded.
    sums[np.flatnonzero(given)[-1] :] = 1
    return sums


def order_of(
    samples: Samples[Any], size: int, *, count: int | None = None, bucket_by_length: int = 0, **options: Any
) -> Order:
    """The order of batches of `samples`, or of the first `count` of them, with the options of `batches`."""
    if bucket_by_length and isinstance(samples, FlatArray):
        raise InvalidArgumentError("bucket_by_length is for slices: the rows of a flat array have no lengths of their own")
    lengths = _lengths(samples) if bucket_by_length else None
    count = len(samples) if count is None else count
    return Order(count, size, bucket_by_length=bucket_by_length, lengths=lengths, **options)


def _lengths(samples: Samples[Any]) -> Callable[[list[int]], Indices]:
    """A function that says how long the samples at some positions are."""
    if hasattr(samples, "lengths"):
        lengths = np.asarray(samples.lengths())
        return lambda indices: lengths[indices]
    if not isinstance(samples, SliceArray):
        raise InvalidArgumentError("bucket_by_length needs samples with a method `lengths`, the length of each")
    # Views of the mapped file: no row is read.
    return lambda indices: np.fromiter(map(len, samples.__getitems__(indices)), np.int64, len(indices))
