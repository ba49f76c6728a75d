"""Jobs on volumes that workers share find and write the same as one process does."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays as ba

#: Small enough for many blocks.
MEMORY = 1 << 20

TARGETS: dict[str, dict[str, Any]] = {
    "chunks": {"format": "zarr3", "chunk_shape": (16, 16, 16)},
    "shards": {"format": "zarr3", "chunk_shape": (8, 8, 8), "shard_shape": (16, 32, 16)},
    "n5": {"format": "n5", "chunk_shape": (17, 9, 11)},
    "layer": {"format": "precomputed", "encoding": "compressed_segmentation", "resolution": (4, 4, 40), "chunk_shape": (16, 8, 32)},
    "morton": {
        "format": "precomputed", "encoding": "raw", "resolution": (1, 1, 1), "chunk_shape": (16, 16, 16),
        "sharding": {"minishard_bits": 1, "shard_bits": 1, "preshift_bits": 0, "hash": "identity"},
    },
}


def cells(seed: int, shape: tuple[int, ...]) -> Any:
    few = np.random.default_rng(seed).integers(0, 12, [-(-length // 6) for length in shape])
    values = np.kron(few, np.ones((6,) * len(shape), int))[tuple(slice(length) for length in shape)]
    return (values * 1_000_003).astype("uint64")


@pytest.fixture
def labels(tmp_path: Path) -> ba.Array:
    values = cells(1, (83, 70, 61))
    array = ba.create(
        tmp_path / "labels", domain="-21:200,-7:63,-5:56", dtype="uint64", chunk_shape=(16, 16, 16), resolution=(4, 8, 40), encoding="raw"
    )
    # Nothing is stored of the rest.
    array[-21:62] = values
    return array


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


def assert_same(one: ba.Array, other: ba.Array) -> None:
    assert (one.dtype, one.domain, one.incomplete) == (other.dtype, other.domain, False)
    np.testing.assert_array_equal(one[...], other[...])
    stored = [ba.verify(array.url).arrays[0]["stored"] for array in (one, other)]
    assert stored[0] == stored[1]


def same_fields(one: Any, other: Any, *names: str) -> None:
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_tables(labels: ba.Array, pool: Executor) -> None:
    told: list[tuple[int, int]] = []
    by: dict[str, Any] = {"executor": pool, "memory": MEMORY}
    one, other = ba.label_table(labels), ba.label_table(labels, progress=lambda *step: told.append(step), **by)
    same_fields(one, other, "labels", "voxels", "boxes", "centroids")
    assert len(told) == 16 and told[-1] == (labels.nbytes, labels.nbytes) and told == sorted(told)
    same_fields(ba.contacts(labels), ba.contacts(labels, **by), "pairs", "faces", "areas")
    ground = int(one.labels[3])
    one_ground, other_ground = ba.contacts(labels, background=ground), ba.contacts(labels, background=ground, processes=2)
    same_fields(one_ground, other_ground, "pairs", "faces")


@pytest.mark.parametrize("target", TARGETS)
def test_jobs_that_write(labels: ba.Array, tmp_path: Path, pool: Executor, target: str) -> None:
    options = TARGETS[target]
    if options["format"] != "precomputed":
        labels = ba.create(tmp_path / "zero", dtype="uint64", shape=(150, 70, 61), format="zarr3", chunk_shape=(16, 16, 16))
        labels[5:80] = cells(2, (75, 70, 61))
    by: dict[str, Any] = {"executor": pool, "memory": MEMORY}
    one = ba.components(labels, tmp_path / "a", statistics=True, connectivity=26, **options)
    other = ba.components(labels, tmp_path / "b", statistics=True, connectivity=26, **by, **options)
    assert_same(one.array, other.array)
    assert one.count == other.count > 100
    same_fields(one, other, "voxels", "boxes")
    table = {int(name): number for number, name in enumerate(ba.label_table(labels).labels, 7)}
    written, names = ba.renumber(labels, tmp_path / "c", **options)
    again, others = ba.renumber(labels, tmp_path / "d", **by, **options)
    assert_same(written, again)
    np.testing.assert_array_equal(names, others)
    first, second = (ba.relabel(labels, tmp_path / name, table, unlisted=0, **options, **how) for name, how in (("e", {}), ("f", by)))
    assert_same(first, second)
    assert {path.name for path in tmp_path.iterdir()} <= {"labels", "zero", *"abcdef"}


def dying(mark: str, at: int, work: Callable[..., Any], *args: Any) -> Any:
    """Kills its process before the work, once, when so many others have begun."""
    begun = Path(mark)
    begun.mkdir(exist_ok=True)
    count = len(list(begun.iterdir()))
    (begun / f"{count}-{os.getpid()}").touch()
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(*args)


class Dying(ProcessPoolExecutor):
    """Loses a worker."""

    mark = ""
    at = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return super().submit(dying, self.mark, self.at, fn, *args, **kwargs)


@pytest.mark.parametrize("at", [1, 7, 19])
def test_shares_of_lost_workers_are_given_out_again(
    labels: ba.Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr("bigarrays._engines.ProcessPoolExecutor", Dying)
    monkeypatch.setattr(Dying, "mark", str(tmp_path / "mark"))
    monkeypatch.setattr(Dying, "at", at)
    one = ba.components(labels, tmp_path / "a", statistics=True)
    other = ba.components(labels, tmp_path / "b", statistics=True, processes=2, memory=2 * MEMORY)
    assert len(list((tmp_path / "mark").iterdir())) > at
    assert_same(one.array, other.array)
    same_fields(one, other, "count", "voxels", "boxes")
    with Dying(2, mp_context=get_context("spawn")) as executor, pytest.raises(BrokenExecutor, match="lost its workers at reading labels"):
        monkeypatch.setattr(Dying, "mark", str(tmp_path / "other"))
        monkeypatch.setattr(Dying, "at", 0)
        ba.label_table(labels, executor=executor)


def test_a_share_that_always_fails_ends_the_job_with_its_place(labels: ba.Array, tmp_path: Path, pool: Executor) -> None:
    damaged = next(path for path in sorted((tmp_path / "labels").rglob("*_*_*")) if path.is_file())
    damaged.write_bytes(b"short")
    calls: list[Callable[..., Any]] = [
        lambda **by: ba.label_table(labels, **by),
        lambda **by: ba.contacts(labels, **by),
        lambda **by: ba.components(labels, tmp_path / "a", **by),
        lambda **by: ba.renumber(labels, tmp_path / "b", **by),
    ]
    for call in calls:
        with pytest.raises(ba.CorruptDataError, match=r"\(in block -?\d+:-?\d+,") as raised:
            call(executor=pool, memory=MEMORY)
        assert damaged.name in str(raised.value)
        (note,) = raised.value.__notes__
        assert "in share" in note and "of pass 0 of" in note and "process" in note
    with pytest.raises(ba.IncompleteError):
        ba.open(tmp_path / "a")
    assert not list(tmp_path.glob("bigarrays-plan-*"))


def test_what_cannot_be_shared_is_refused_before_anything_is_made(labels: ba.Array, tmp_path: Path) -> None:
    inside = ba.create("memory://shared-jobs", like=labels)
    with pytest.raises(ba.InvalidArgumentError, match="this process alone"):
        ba.components(inside, tmp_path / "a", processes=2)
    with pytest.raises(ba.InvalidArgumentError, match="this process alone"):
        ba.renumber(labels, "memory://shared-jobs/a", processes=2)
    with pytest.raises(ba.InvalidArgumentError, match="resume="):
        ba.components(labels, tmp_path / "a", processes=2, resume=True)
    with pytest.raises(ba.MemoryBudgetError):
        ba.components(labels, tmp_path / "a", processes=2, memory=1000)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("target", ["chunks", "shards", "layer", "morton"])
def test_blanking(tmp_path: Path, pool: Executor, target: str) -> None:
    values = cells(5, (70, 50, 40)) + 1
    options = TARGETS[target] | ({"encoding": "raw"} if target == "layer" else {})
    arrays = [ba.create(tmp_path / name, shape=values.shape, dtype="uint64", **options) for name in ("a", "b")]
    labels = ba.create(tmp_path / "mask", shape=values.shape, dtype="uint64", format="zarr3", chunk_shape=(20, 20, 20))
    labels[...] = values
    for array in arrays:
        array[...] = values
    covered = labels.lazy > int(np.median(values))
    by: dict[str, Any] = {"executor": pool, "memory": 1 << 20}
    for what in ({"box": "0:33,0:50,7:40"}, {"mask": covered}):
        due = ba.blank(arrays[0], dry_run=True, memory=1 << 20, **what)
        assert ba.blank(arrays[1], dry_run=True, **what, **by) == due
        assert ba.blank(arrays[0], memory=1 << 20, **what) == ba.blank(arrays[1], **what, **by) == due
        assert_same(*arrays)
    assert not (arrays[1][...] * (values > np.median(values))).any()


def test_blanking_counts_the_same_when_a_worker_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigarrays._engines.ProcessPoolExecutor", Dying)
    monkeypatch.setattr(Dying, "mark", str(tmp_path / "mark"))
    monkeypatch.setattr(Dying, "at", 1)
    array = ba.create(tmp_path / "a", shape=(64, 64, 64), dtype="uint8", chunk_shape=(2, 4, 8), format="zarr3")
    array[...] = 1
    assert ba.blank(array, box="0:63,0:64,0:64", processes=2) == (31 * 128, 128)
    assert int(array[...].sum()) == 64 * 64


@pytest.mark.parametrize("job", ["normalize", "restack", "remap"])
def test_expressions_are_saved_by_workers(labels: ba.Array, tmp_path: Path, pool: Executor, job: str) -> None:
    lazy = {
        "normalize": lambda: ba.normalize(labels.lazy % 251, by="z", dtype="uint8"),
        "restack": lambda: ba.restack(labels, "z", keep=[(10, 40), 3, 3, (-5, 0)]),
        "remap": lambda: ba.remap(labels, {1_000_003: 5, 2_000_006: 1}, unlisted=0),
    }[job]()
    options: dict[str, Any] = {"resolution": (1, 1, 1), "chunk_shape": (32, 32, 8), "encoding": "raw"}
    saved = lazy.save(tmp_path / "b", executor=pool, memory=16 << 20, **options)
    np.testing.assert_array_equal(saved[...], lazy.compute())
    assert saved.domain == lazy.domain
