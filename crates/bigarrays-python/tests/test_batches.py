import json
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays
from bigarrays import SliceArray, batches


class Numbers:
    """A dataset of PyTorch whose samples are their positions, and that counts the calls."""

    def __init__(self, count: int) -> None:
        self.count, self.calls = count, 0

    def __len__(self) -> int:
        return self.count

    def __getitems__(self, indices: list[int]) -> list[int]:
        self.calls += 1
        return indices

    def lengths(self) -> list[int]:
        return [number * 7919 % 101 for number in range(self.count)]


ORDERS: list[dict[str, Any]] = [
    {},
    {"shuffle": True, "seed": 5, "run_length": 7},
    {"shuffle": True, "seed": 5},
    {"bucket_by_length": 3},
    {"shuffle": True, "seed": 5, "run_length": 10, "bucket_by_length": 4},
]


@pytest.mark.parametrize("options", ORDERS)
@pytest.mark.parametrize("count", [0, 1, 5, 6, 30, 97, 100])
@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_ranks_share_all_samples(options: dict[str, Any], count: int, world: int) -> None:
    for size in [1, 3, 10]:
        shares = [batches(Numbers(count), size, rank=rank, world=world, **options) for rank in range(world)]
        numbers = [len(share) for share in shares]
        taken = [list(share) for share in shares]
        assert numbers == [len(share) for share in taken] and max(numbers) - min(numbers) <= 1
        assert sorted(x for share in taken for batch in share for x in batch) == list(range(count))
        assert all(0 < len(batch) <= size for share in taken for batch in share)
        even = [list(batches(Numbers(count), size, rank=r, world=world, drop_last=True, **options)) for r in range(world)]
        assert [len(share) for share in even] == [count // (size * world)] * world
        assert all(len(batch) == size for share in even for batch in share)
        assert even == [share[: len(even[0])] for share in taken]


@pytest.mark.parametrize("options", [*ORDERS, {"weights": np.arange(97.0), "seed": 5, "run_length": 11}])
@pytest.mark.parametrize("prefetch", [0, 3])
def test_an_epoch_is_taken_up_anywhere(options: dict[str, Any], prefetch: int) -> None:
    options = options | {"rank": 1, "world": 2, "prefetch": prefetch}
    everything = list(batches(Numbers(97), 4, epoch=2, **options))
    for start in range(len(everything) + 2):
        assert list(batches(Numbers(97), 4, epoch=2, start=start, **options)) == everything[start:]
        taken = batches(Numbers(97), 4, epoch=2, **options)
        assert list(islice(taken, start)) == everything[:start]
        state = json.loads(json.dumps(taken.state_dict()))
        again = batches(Numbers(97), 4, **options)  # of another epoch
        again.load_state_dict(state)
        assert len(again) == max(len(everything) - start, 0) and list(again) == everything[start:]


def test_a_state_holds_for_another_number_of_ranks_and_a_grown_set() -> None:
    options: dict[str, Any] = {"shuffle": True, "run_length": 16}
    taken = [batches(Numbers(100), 3, seed=1, rank=rank, world=2, **options) for rank in range(2)]
    before = [batch for rank in taken for batch in islice(rank, 4)]
    state = taken[0].state_dict()
    assert state == taken[1].state_dict()
    left = []
    for rank in range(4):
        share = batches(Numbers(1000), 3, seed=2, rank=rank, world=4, **options)
        share.load_state_dict(state)
        left += list(share)
    assert sorted(x for batch in before + left for x in batch) == list(range(100))
    with pytest.raises(bigarrays.InvalidArgumentError, match="3 ranks"):
        batches(Numbers(100), 3, seed=1, world=3, **options).load_state_dict(state)


def test_numbers_of_numpy_are_numbers() -> None:
    taken = batches(Numbers(100), np.int64(3), shuffle=True, start=np.int64(2), epoch=np.uint8(1))  # type: ignore[call-overload]
    assert json.loads(json.dumps(taken.state_dict())) == taken.state_dict()
    assert batches(Numbers(100), 3).state_dict() == batches(Numbers(100), 3).state_dict()


def test_a_state_of_other_batches_is_refused() -> None:
    state = batches(Numbers(100), 3, shuffle=True).state_dict()
    for other, word in [
        (batches(Numbers(100), 4, shuffle=True), "size is 4 here, and was 3"),
        (batches(Numbers(100), 3), "shuffle is False here"),
        (batches(Numbers(100), 3, shuffle=True, run_length=7), "run_length"),
        (batches(Numbers(99), 3, shuffle=True), "99 samples here, and were 100"),
        (batches(Numbers(100), 3, shuffle=True, weights=np.ones(100)), "is_weighted"),
    ]:
        before = other.state_dict()
        with pytest.raises(bigarrays.InvalidArgumentError, match=word):
            other.load_state_dict(state)
        assert other.state_dict() == before
    with pytest.raises(bigarrays.InvalidArgumentError, match="no state"):
        batches(Numbers(100), 3).load_state_dict({"epoch": 3})


def test_the_order_is_the_same_in_another_process() -> None:
    script = "import bigarrays, json, sys\nsys.path.insert(0, sys.argv[1])\nfrom test_batches import Numbers\n"
    script += "print(json.dumps(list(bigarrays.batches(Numbers(50), 4, shuffle=True, run_length=8, seed=3, epoch=1))))"
    command = [sys.executable, "-c", script, os.fspath(Path(__file__).parent)]
    there = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    orders = [list(batches(Numbers(50), 4, shuffle=True, run_length=8, seed=3, epoch=epoch)) for epoch in range(3)]
    assert there == orders[1] and orders[0] != orders[1] != orders[2]
    assert list(batches(Numbers(50), 4, shuffle=True)) != list(batches(Numbers(50), 4, shuffle=True))


def test_weights_say_how_often_samples_come() -> None:
    weights = [0.0, 1.0, 2.0, 0.0, 5.0, 0.0] * 1000
    found = Counter(x % 6 for batch in batches(Numbers(6000), 7, weights=weights, seed=1) for x in batch)
    assert set(found) == {1, 2, 4} and sum(found.values()) == 6000
    for kind, share in [(1, 1 / 8), (2, 2 / 8), (4, 5 / 8)]:
        assert found[kind] == pytest.approx(share * 6000, rel=0.1)
    for wrong in [[1.0], [-1.0] * 6000, [0.0] * 6000, [np.nan] * 6000]:
        with pytest.raises(bigarrays.InvalidArgumentError, match="weights"):
            batches(Numbers(6000), 7, weights=wrong)


def test_similar_lengths_come_together() -> None:
    numbers = Numbers(1000)
    lengths = np.array(numbers.lengths())

    def padding(taken: Iterator[list[int]]) -> int:
        return sum(int(lengths[batch].max() * len(batch) - lengths[batch].sum()) for batch in taken)

    plain: dict[str, Any] = {"shuffle": True, "seed": 1}
    assert padding(batches(numbers, 10, bucket_by_length=25, **plain)) * 5 < padding(batches(numbers, 10, **plain))
    first = [lengths[batch].mean() for batch in islice(batches(numbers, 10, bucket_by_length=25, **plain), 25)]
    assert first != sorted(first)


@pytest.fixture
def slices(tmp_path: Path) -> SliceArray:
    with SliceArray(tmp_path / "s.npy", "x", shape=(None, 2), dtype="int16") as w:
        w.write({f"n{k}": np.full((k % 5, 2), k) for k in range(40)})
    return SliceArray(tmp_path / "s.npy")


@pytest.mark.parametrize("prefetch", [0, 2])
def test_padding_and_collating(slices: SliceArray, prefetch: int) -> None:
    for number, (rows, lengths) in enumerate(batches(slices, 8, pad=-1, prefetch=prefetch)):
        assert rows.shape == (8, 4, 2) and rows.dtype == "int16" and lengths.dtype == "int64"
        for k, (padded, length) in enumerate(zip(rows, lengths.tolist(), strict=True), number * 8):
            assert length == k % 5 and (padded[:length] == k).all() and (padded[length:] == -1).all()
    assert next(batches(slices, 1, pad=0)).rows.shape == (1, 0, 2)
    sums = batches(slices, 8, pad=0, collate=lambda batch: int(batch.rows.sum()), prefetch=prefetch)
    assert sum(sums) == sum(2 * k * (k % 5) for k in range(40))
    assert [len(batch) for batch in batches(slices, 15, collate=tuple, prefetch=prefetch)] == [15, 15, 10]
    for bucketed in batches(slices, 8, bucket_by_length=5, pad=0):
        assert np.ptp(bucketed.lengths) <= 1
    with pytest.raises(OverflowError):
        next(batches(slices, 8, pad=1 << 40))
    for options in [{"pad": 0}, {"bucket_by_length": 2}]:
        with pytest.raises(bigarrays.InvalidArgumentError, match="for slices"):
            batches(slices.array, 8, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize("options", [*ORDERS, {"weights": np.ones(100)}, {"prefetch": 2}])
def test_a_batch_is_one_call(options: dict[str, Any]) -> None:
    numbers = Numbers(100)
    assert sum(1 for _ in batches(numbers, 8, **options)) == 13 == numbers.calls


def test_what_is_appended_later_is_not_in_the_epoch(slices: SliceArray) -> None:
    writer = SliceArray(slices.path, "r+")
    taken = []
    for batch in batches(slices, 8, shuffle=True):
        taken += batch
        writer.write({f"more{len(taken)}": np.zeros((1, 2), "int16")})
    assert len(taken) == 40 and len(SliceArray(slices.path)) == 45


def test_what_fails_ahead_fails_where_it_is_taken() -> None:
    class Broken(Numbers):
        def __getitems__(self, indices: list[int]) -> list[int]:
            if 20 in indices:
                raise OSError("the disk is gone")
            return indices

    taken = batches(Broken(50), 4, prefetch=3)
    assert len(list(islice(taken, 5))) == 5
    with pytest.raises(OSError, match="the disk is gone"):
        next(taken)


def count_left(left: Callable[[], int], found: Any) -> None:
    found.put(left())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_goes_on_by_itself() -> None:
    taken = batches(Numbers(50), 4, prefetch=3)
    next(taken)
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    child = context.Process(target=count_left, args=(lambda: sum(len(batch) for batch in taken), found))
    child.start()
    assert found.get(timeout=60) == 46 == sum(len(batch) for batch in taken)
    child.join()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"size": 0}, "size is 0"),
        ({"run_length": 0}, "run_length"),
        ({"epoch": -1}, "epoch"),
        ({"start": -1}, "start"),
        ({"prefetch": -1}, "prefetch"),
        ({"rank": 2, "world": 2}, "rank 2 of 2"),
        ({"world": 0}, "world"),
        ({"shuffle": True, "world": 2}, "seed"),
        ({"weights": [1.0] * 10, "world": 2}, "seed"),
        ({"seed": -1}, "seed"),
    ],
)
def test_mistakes(options: dict[str, Any], word: str) -> None:
    with pytest.raises(bigarrays.InvalidArgumentError, match=word):
        batches(Numbers(10), **({"size": 3} | options))


def test_a_dataset_without_lengths_is_not_bucketed() -> None:
    class Plain:
        def __len__(self) -> int:
            return 10

        def __getitems__(self, indices: list[int]) -> list[int]:
            return indices

    with pytest.raises(bigarrays.InvalidArgumentError, match="lengths"):
        batches(Plain(), 3, bucket_by_length=2)
    assert list(batches(Plain(), 5)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_a_batch_that_failed_is_read_again() -> None:
    class Flaky(Numbers):
        def __getitems__(self, indices: list[int]) -> list[int]:
            self.calls += 1
            if self.calls == 3:
                raise OSError("not now")
            return indices

    for prefetch in [0, 4]:
        taken, found = batches(Flaky(50), 4, prefetch=prefetch), []
        while len(taken):
            try:
                found += next(taken)
            except OSError:
                pass
        assert found == list(range(50))
