"""Executors: pools of processes, Dask and others compute the same bits."""

import heapq
import os
import pickle
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays as ba
from bigarrays._engines import Engine, in_bytes, within
from bigarrays._engines import engine as make_engine
from bigarrays._executors import _run_stage, until
from bigarrays._giving import is_called_off, run_parts
from bigarrays._plan import PlannedStage

OPTIONS: dict[str, Any] = {"format": "zarr3", "chunk_shape": (4, 32, 32)}


@pytest.fixture
def cube(tmp_path: Path) -> ba.Array:
    array = ba.create(tmp_path / "cube", shape=(24, 128, 96), dtype="float32", **OPTIONS)
    array[...] = np.random.default_rng(7).normal(size=array.shape).astype("float32")
    return array


def expressions(array: ba.Array) -> dict[str, ba.Lazy]:
    x = array.lazy
    weights = np.linspace(0, 1, 96, dtype="float32")
    return {
        "map": x * weights + 1,
        "apart": x - x.mean(axis=0, keepdims=True),
        "sums": x.sum(axis=2),
        "rechunk": x,
        "number": x - x.mean(),
    }


@contextmanager
def pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def dask() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", processes=True
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def kinds_of_work(array: ba.Array) -> dict[str, ba.Lazy]:
    x = array.lazy
    groups = x.groupby(np.arange(24) % 12, axis=0)
    return {
        **expressions(array),
        "rolling": x.rolling(7, axis=0, center=True).mean(),
        "groups": groups.mean(),
        "anomaly": groups - groups.mean(),
        "median": x.median(axis=0, keepdims=True),
        "quantiles": groups.median(),
        "filter": x.median_filter(size=3, axes=(1, 2)),
        "running": x.cumsum(axis=1),
    }


@pytest.mark.parametrize("engine", [lambda: nullcontext(), pool, dask])
def test_engines_give_the_bits_of_threads(cube: ba.Array, tmp_path: Path, engine: Callable[[], Any]) -> None:
    known = kinds_of_work(cube)
    told: list[tuple[int, int]] = []
    with engine() as executor:
        by: dict[str, Any] = {"executor": executor} if executor is not None else {"processes": 2}
        results = {tmp_path / name: x for name, x in known.items() if x.shape == cube.shape}
        saved = ba.save(results, memory=1 << 26, progress=lambda *done: told.append(done), **by, **OPTIONS)
        smaller = {name: x for name, x in known.items() if x.shape != cube.shape}
        numbers = ba.compute(cube.lazy.max(), *smaller.values(), memory=1 << 27, scratch=tmp_path, **by)
    assert told and told[-1][0] == told[-1][1] and told == sorted(told)
    for url, array in saved.items():
        np.testing.assert_array_equal(array[...], known[url.name].compute(), err_msg=url.name)
    for name, found in zip(["max", *smaller], numbers, strict=True):
        one = smaller.get(name, cube.lazy.max())
        assert found.shape == one.shape
        np.testing.assert_array_equal(found, one.compute(), err_msg=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["cube", *(url.name for url in results)])


def test_processes_of_its_own(cube: ba.Array, tmp_path: Path) -> None:
    for name, x in expressions(cube).items():
        chunks = {"chunk_shape": (24, 10)} if x.ndim == 2 else {"chunk_shape": (24, 10, 10)}
        saved = x.save(tmp_path / name, processes=2, memory=1 << 25, format="zarr3", **chunks)
        np.testing.assert_array_equal(saved[...], x.compute())
        assert not saved.incomplete


def test_functions_of_python(cube: ba.Array, tmp_path: Path) -> None:
    x = cube.lazy
    mapped = ba.map_blocks(lambda block: block * 2, x, dtype="float32")
    saved = mapped.save(tmp_path / "mapped", processes=2, **OPTIONS)
    np.testing.assert_array_equal(saved[...], mapped.compute())
    np.testing.assert_array_equal(mapped.sum(axis=0).compute(processes=2), mapped.sum(axis=0).compute())


def dying(mark: str, work: Callable[..., Any], *args: Any) -> Any:
    """Kills its process before the work, once for a file that is not there."""
    if not os.path.exists(mark):
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(*args)


class Dying(ProcessPoolExecutor):
    """Loses a worker."""

    mark = ""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return super().submit(dying, self.mark, fn, *args, **kwargs)


def test_tasks_of_lost_workers_are_given_out_again(
    cube: ba.Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigarrays._engines.ProcessPoolExecutor", Dying)
    monkeypatch.setattr(Dying, "mark", str(tmp_path / "mark"))
    x = expressions(cube)["apart"]
    saved = x.save(tmp_path / "a", processes=2, memory=1 << 25, **OPTIONS)
    assert (tmp_path / "mark").exists()
    np.testing.assert_array_equal(saved[...], x.compute())
    # Whoever has no other workers says so, and so does who loses them again and again.
    monkeypatch.setattr(Dying, "mark", str(tmp_path / "other"))
    with Dying(2, mp_context=get_context("spawn")) as executor, pytest.raises(BrokenExecutor, match="lost its workers"):
        x.save(tmp_path / "b", executor=executor, **OPTIONS)
    monkeypatch.setattr(Dying, "mark", str(tmp_path / "nowhere/mark"))
    with pytest.raises((BrokenExecutor, FileNotFoundError)):
        x.save(tmp_path / "c", processes=2, **OPTIONS)


def test_a_task_that_always_fails_ends_the_run_with_its_place(cube: ba.Array, tmp_path: Path) -> None:
    x = (cube.lazy * 1000).astype("int8")
    with pytest.raises(ba.InvalidArgumentError, match="does not fit") as raised:
        x.save(tmp_path / "a", processes=2, **OPTIONS)
    (note,) = raised.value.__notes__
    assert "of stage 0 of" in note and "process" in note
    with pytest.raises(ba.IncompleteError):
        ba.open(tmp_path / "a")
    with pytest.raises(ba.InvalidArgumentError, match="goes on"):
        x.save(tmp_path / "b", processes=2, resume=True, **OPTIONS)
    with pytest.raises(ba.InvalidArgumentError, match="either"), pool() as executor:
        x.save(tmp_path / "b", processes=2, executor=executor, **OPTIONS)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("engine", [lambda: nullcontext(), dask])
def test_functions_that_fail_oddly_end_the_run_with_their_place(
    cube: ba.Array, tmp_path: Path, engine: Callable[[], Any]
) -> None:
    class Odd(Exception):
        """Cannot be unpickled."""

        def __init__(self, reason: str, more: int) -> None:
            super().__init__(reason)

    def fail(block: Any) -> Any:
        raise Odd("odd", 1)

    def leave(block: Any) -> Any:
        sys.exit("enough")

    with engine() as executor:
        by: dict[str, Any] = {"executor": executor} if executor is not None else {"processes": 2}
        for function, kind, text in [(fail, ba.InvalidArgumentError, "Odd: odd"), (leave, SystemExit, "enough")]:
            x = ba.map_blocks(function, cube.lazy, dtype="float32")
            with pytest.raises(kind, match=text) as raised:
                x.save(tmp_path / function.__name__, **by, **OPTIONS)
            assert any("of stage 0 of" in note for note in raised.value.__notes__)


def test_workers_that_always_die_end_the_run_with_their_place(cube: ba.Array, tmp_path: Path) -> None:
    def die(block: Any) -> Any:
        os._exit(3)

    with pytest.raises(BrokenExecutor) as raised:
        ba.map_blocks(die, cube.lazy, dtype="float32").save(tmp_path / "a", processes=2, **OPTIONS)
    said = " ".join([str(raised.value), *getattr(raised.value, "__notes__", [])])
    # Nobody knows which of those under way has done it.
    assert re.search(r"in \(\d, \d\) of stage 0 of", said), said
    # As a script does that begins anew in each of them.
    assert 'under `if __name__ == "__main__":`' in said


def test_stopping_stops_the_workers(cube: ba.Array, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        expressions(cube)["apart"].save(tmp_path / "a", processes=2, progress=stop, memory=1 << 24, **OPTIONS)
    assert time.monotonic() - begun < 300
    with pytest.raises(ba.IncompleteError):
        ba.open(tmp_path / "a")


class Busy(Executor):
    """Never begins anything."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not self.futures:
            # While results are waited for.
            threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
        self.futures.append(Future())
        return self.futures[-1]


def test_stopping_withdraws_what_has_not_begun(cube: ba.Array, tmp_path: Path) -> None:
    works: list[Callable[[Executor], Any]] = [
        lambda by: (cube.lazy + 1).save(tmp_path / "a", executor=by, **OPTIONS),
        lambda by: ba.compute(cube.lazy.sum(), executor=by),
        lambda by: ba.verify(cube.url, executor=by),
        lambda by: ba.copy(cube, ba.create(tmp_path / "b", like=cube), executor=by),
    ]
    for work in works:
        busy = Busy()
        with pytest.raises(KeyboardInterrupt):
            work(busy)
        assert busy.futures and all(future.cancelled() for future in busy.futures)


def test_a_stage_whose_tasks_share_shards_runs_in_one_process(cube: ba.Array, tmp_path: Path) -> None:
    x = (cube.lazy * 100).astype("int16", out_of_range="clip")
    options: dict[str, Any] = {"encoding": "raw", "chunk_shape": (8, 32, 32), "resolution": (1, 1, 1)}
    sharding: dict[str, Any] = {"minishard_bits": 1, "shard_bits": 1, "preshift_bits": 0, "hash": "identity"}
    plan = ba.plan({f"{tmp_path}/a|neuroglancer-precomputed:": x}, tmp_path / "a.json", memory=1 << 22, sharding=sharding, **options)
    assert [stage.in_one_process for stage in plan.stages] == [True] and plan.stages[0].tasks > 4
    assert "in one process" in x.explain(f"{tmp_path}/b|neuroglancer-precomputed:", memory=1 << 22, sharding=sharding, **options)
    with warnings.catch_warnings():
        # Nothing was done again.
        warnings.simplefilter("error")
        plan.run(processes=2)
    np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], x.compute())
    # Chunks of their own, and shards that are boxes.
    apart = ba.plan({f"{tmp_path}/c|neuroglancer-precomputed:": x}, tmp_path / "c.json", memory=1 << 22, **options)
    assert [stage.in_one_process for stage in apart.stages] == [False]
    boxes: dict[str, Any] = {"format": "zarr3", "chunk_shape": (4, 16, 16), "sharding": True, "shard_shape": (8, 32, 32)}
    apart = ba.plan({tmp_path / "d": x}, tmp_path / "d.json", memory=1 << 22, **boxes)
    assert [stage.in_one_process for stage in apart.stages] == [False]


class Here(Executor):
    """Does the work in this process, at once, and something else before some of it."""

    def __init__(self, before: dict[int, Callable[[], None]]) -> None:
        self.before, self.count = before, 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.before.get(self.count, lambda: None)()
        self.count += 1
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_workers_look_up_what_large_plans_have_done(
    cube: ba.Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigarrays._executors._LOOKED_UP", 0)
    x = expressions(cube)["number"]
    counted = Here({})
    saved = x.save(tmp_path / "a", executor=counted, memory=1 << 21, **OPTIONS)
    np.testing.assert_array_equal(saved[...], x.compute())
    assert counted.count % 2 == 0 and not saved.incomplete

    def change() -> None:
        cube[0, 0, 0] = 1000

    # When all has been done once, an input changes: what was made of it is made again.
    changing = Here({counted.count // 2: change})
    saved = x.save(tmp_path / "b", executor=changing, memory=1 << 21, **OPTIONS)
    assert changing.count == counted.count and cube[0, 0, 0] == 1000
    np.testing.assert_array_equal(saved[...], x.compute())
    plan = ba.plan({tmp_path / "c": x}, tmp_path / "c.json", memory=1 << 21, **OPTIONS)
    with pytest.raises(ba.InvalidArgumentError, match="have not been run"):
        plan.finish()


class Holding(Executor):
    """Two workers, of which one holds the first part until another one has done it."""

    _max_workers = 2

    def __init__(self) -> None:
        self.threads, self.twins = ThreadPoolExecutor(8), 0
        self.known: dict[Any, threading.Event] = {}

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        is_first, is_twin = not self.known, args[1:] in self.known
        done = self.known.setdefault(args[1:], threading.Event())
        self.twins += is_twin

        def work() -> Any:
            if is_first:
                assert done.wait(60)
            try:
                return fn(*args, **kwargs)
            finally:
                done.set()

        return self.threads.submit(work)


def test_what_takes_long_is_given_to_another_worker(
    cube: ba.Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigarrays._giving._LONG", 0)
    x = expressions(cube)["map"]
    holding = Holding()
    with warnings.catch_warnings():
        # Nothing is done a third time.
        warnings.simplefilter("error")
        saved = x.save(tmp_path / "a", executor=holding, memory=1 << 21, **OPTIONS)
    assert len(holding.known) > 4 and holding.twins >= 1 and not saved.incomplete
    np.testing.assert_array_equal(saved[...], x.compute())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "cube"]


class Virtual(Engine):
    """Workers with a clock of their own, of which the first is so many times slower."""

    def __init__(self, workers: int, slower: float) -> None:
        super().__init__(None, None)
        self.count, self.clock, self.slower = workers, 0.0, slower
        self.given: list[Any] = []
        self.events: list[tuple[float, int, Future[Any]]] = []
        self.free = [(0.0, worker) for worker in range(workers)]

    def now(self) -> float:
        return self.clock

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        free, worker = heapq.heappop(self.free)
        first, end = arguments[-1]
        done = max(free, self.clock) + (end - first) * 10 * (1 if worker else self.slower)
        future: Future[Any] = Future()
        heapq.heappush(self.events, (done, len(self.given), future))
        heapq.heappush(self.free, (done, worker))
        self.given.append(arguments[-1])
        return future

    def ended(self) -> list[Future[Any]]:
        if self.events[0][0] > self.clock + 1:
            self.clock += 1
            return []
        self.clock, _, future = heapq.heappop(self.events)
        if future.cancelled():
            return []
        future.set_result(None)
        return [future]


@pytest.mark.parametrize("twice", [False, True])
def test_slow_workers_are_not_waited_for(twice: bool) -> None:
    by = Virtual(4, 20)
    parts = [(task, task + 1) for task in range(12)]
    done = list(run_parts(by, len, parts, (), "/nowhere/mark", "parts", twice=twice))
    assert sorted(done) == parts
    # 200 s of the slow one; those of the others take 30 s and 10 s more.
    assert (len(by.given), by.clock < 60) == ((13, True) if twice else (12, False))


def test_stages_of_one_worker_are_given_out_once() -> None:
    class Planned:
        def __reduce__(self) -> Any:
            return object, ("/nowhere/plan.json", {})

    for in_one_process in (False, True):
        by = Virtual(3, 20)
        by.parts = lambda tasks: iter([(0, 1), (1, 2), (2, 3)])  # type: ignore[method-assign]
        stage = PlannedStage(3, "make", "", 0, in_one_process)
        planned: Any = Planned()
        assert sum(1 for _ in _run_stage(planned, 0, stage, by)) == (1 if in_one_process else 3)
        assert by.given == ([(0, 3)] if in_one_process else [(0, 1), (1, 2), (2, 3), (0, 1)])


def test_who_is_called_off_stops(tmp_path: Path) -> None:
    mark, needed = tmp_path / "mark", tmp_path / "plan.json"
    needed.touch()
    look = until(str(mark), str(needed), (3, 7))
    assert not is_called_off(str(mark), (3, 7))
    mark.write_text("(3, 70)\n(0, 3)\n")
    assert not is_called_off(str(mark), (3, 7)) and is_called_off(str(mark), (0, 3))
    until(str(mark), str(needed), (3, 7))
    with pytest.raises(ba.CancelledError):
        until(str(mark), str(needed), (0, 3))
    # A mark that is being written says nothing yet.
    for half in ("", "all", "(0, 3)\n(3, 7)"):
        mark.write_text(half)
        assert not is_called_off(str(mark), (3, 7))
    mark.write_text("all\n")
    assert is_called_off(str(mark), (3, 7))
    look()
    with pytest.raises(ba.CancelledError):
        until(str(mark), str(needed))


def test_parts_become_smaller_towards_the_end() -> None:
    by = Engine(ProcessPoolExecutor(5), None)
    for tasks in (0, 1, 7, 40, 1000, 123_457):
        parts = list(by.parts(tasks))
        assert [first for first, _ in parts] == [0, *(end for _, end in parts[:-1])][: len(parts)]
        assert sum(end - first for first, end in parts) == tasks
        sizes = [end - first for first, end in parts][:-1]
        assert sizes == sorted(sizes, reverse=True) and len(parts) <= 5 * 20
    assert sizes[0] == -(-tasks // 40) and sizes[-1] == -(-tasks // 320)


@pytest.mark.parametrize("engine", [lambda: None, dask])
def test_copies(cube: ba.Array, tmp_path: Path, engine: Callable[[], Any]) -> None:
    boxes: dict[str, Any] = {"chunk_shape": (4, 16, 16), "shard_shape": (8, 32, 32), "sharding": True}
    morton: dict[str, Any] = {"minishard_bits": 1, "shard_bits": 1, "preshift_bits": 0, "hash": "identity"}
    arrays = {
        "chunks": ba.create(tmp_path / "chunks", like=cube, chunk_shape=(5, 30, 41)),
        "shards": ba.create(tmp_path / "shards", shape=cube.shape, dtype="float32", format="zarr3", **boxes),
        "morton": ba.create(
            tmp_path / "morton", like=cube, format="precomputed", chunk_shape=(8, 32, 32), resolution=(1, 1, 1), sharding=morton
        ),
        "alike": ba.create(tmp_path / "alike", like=cube),
    }
    told: list[tuple[int, int]] = []
    with engine() or nullcontext() as executor:
        by: dict[str, Any] = {"executor": executor} if executor is not None else {"processes": 2}
        for array in arrays.values():
            told.clear()
            ba.copy(cube, array, memory=1 << 24, progress=lambda *done: told.append(done), **by)
            np.testing.assert_array_equal(array[...], cube[...])
            assert told[-1] == (cube.nbytes, cube.nbytes)
        # Views, at other coordinates, and of a part.
        ba.copy(cube.view[3:9, 5:99], arrays["shards"].translate((7, 0, 0)).view[10:16, 20:114], **by)
        np.testing.assert_array_equal(arrays["shards"][3:9, 20:114], cube[3:9, 5:99])
        small = ba.create(tmp_path / "small", like=cube, dtype="int8")
        cube[...] = 1000
        with pytest.raises(ba.InvalidArgumentError) as raised:
            ba.copy(cube, small, out_of_range="refuse", **by)
        assert any("in copying (slice(" in note for note in raised.value.__notes__)
    with pytest.raises(ba.InvalidArgumentError, match="resume="):
        ba.copy(cube, arrays["alike"], processes=2, resume=True)
    with pytest.raises(ba.InvalidArgumentError, match="this process alone"):
        ba.copy(cube, ba.create(f"memory://{tmp_path.name}", like=cube), processes=2)


def test_memory_of_workers() -> None:
    assert within(None, None, "all") is None and within(None, 100, "all") == 50 and within(70, 100, "all") == 70
    with pytest.raises(ba.MemoryBudgetError, match="memory=101, and workers have 100 bytes"):
        within(101, 100, "workers")
    # As Slurm and submitit have it.
    known = {None: None, 4: 4 << 30, 1.5: 3 << 29, "4GB": 4 << 30, "512M": 512 << 20, "100": 100 << 20, "no": None}
    assert {text: in_bytes(text) for text in known} == known


class Client:
    """What is asked of a client of Dask."""

    def __init__(self, *resources: dict[str, float]) -> None:
        known = {"memory_limit": 4 << 30, "nthreads": 3}
        self.workers = {str(at): {**known, "resources": one} for at, one in enumerate(resources)}
        self.asked: dict[str, Any] = {}

    def scheduler_info(self) -> dict[str, Any]:
        return {"workers": self.workers}

    def get_executor(self, **asked: Any) -> Executor:
        self.asked = asked
        return Here({})


def test_what_workers_of_dask_have() -> None:
    for resources, asked in [({}, None), ({"MEMORY": 1e12}, {"MEMORY": 1 << 30})]:
        client = Client({"MEMORY": 1e12}, resources)
        by = make_engine(client, None, 1 << 30)
        assert (by.count, by.threads, by.memory) == (2, 3, 1 << 30)
        assert client.asked == {"pure": False, "resources": asked}
        assert by.limits() == {"memory": 1 << 30, "workers": 6, "threads": 3}
    assert make_engine(Client({}), None, None).memory == 2 << 30
    with pytest.raises(ba.MemoryBudgetError, match="workers of Dask have"):
        make_engine(Client({}), None, 5 << 30)
    with pytest.raises(ba.InvalidArgumentError, match="nothing that tasks"):
        make_engine(object(), None, None)


def told(report: ba.Report) -> dict[str, Any]:
    """A report whose findings are in the order of their keys."""
    found = report.to_dict()
    for array in found["arrays"]:
        array["problems"].sort(key=lambda one: (one["kind"], one["key"] or "", one["message"]))
        for kind in ("leftovers", "strangers"):
            array[kind]["first"].sort(key=lambda one: one["key"])
        array["notes"]["first"].sort()
    return found


@pytest.mark.parametrize("is_own", [True, False])
def test_verifying(tmp_path: Path, is_own: bool) -> None:
    values = np.random.default_rng(1).normal(size=(60, 50, 40)).astype("float32")
    values[3, 4, 5], values[50, 1, 1] = np.nan, np.inf
    for name, options in {
        "plain": {"format": "zarr3"}, "sharded": {"format": "zarr3", "shard_shape": (16, 16, 16)},
        "layer": {"encoding": "raw", "sharding": True}, "other": {"format": "n5"},
    }.items():
        shape: dict[str, Any] = {"shape": values.shape, "dtype": "float32", "chunk_shape": (8, 8, 8)}
        array = ba.create(tmp_path / name, **shape, **options)  # type: ignore[arg-type]
        array[:48] = values[:48]
        array[50, 1, 1] = np.inf
    ba.downsample(ba.open(tmp_path / "layer", mode="r+"), levels=1, factors=(2, 2, 2))
    other = ba.open(tmp_path / "other", mode="r+")
    other[0, 0, :3], other[47, 49, 39], other[50, 1, 1] = 5, -7, -np.inf
    (tmp_path / "plain/c/1/2/3").write_bytes(b"short")
    (tmp_path / "plain/c/0/0/0").write_bytes(b"")
    (tmp_path / "plain/c/stranger").write_bytes(b"12345")
    (tmp_path / "plain/d").mkdir()
    shard = sorted((tmp_path / "sharded/c").rglob("*"))[-1]
    shard.write_bytes(shard.read_bytes()[:-3])

    @contextmanager
    def by() -> Iterator[dict[str, Any]]:
        if is_own:
            yield {"processes": 2}
            return
        with pool() as executor:
            yield {"executor": executor}

    calls: list[tuple[Any, dict[str, Any]]] = [
        ((tmp_path / "plain",), {}),
        ((tmp_path / "plain",), {"missing": True, "box": "0:20,0:50,0:40"}),
        ((tmp_path / "sharded",), {"missing": True}),
        ((tmp_path / "layer",), {}),
        ((tmp_path,), {}),
        ((tmp_path / "layer", tmp_path / "other"), {"scale": 0}),
        ((tmp_path / "layer", tmp_path / "other"), {"box": "0:60,0:8,0:40"}),
    ]
    with by() as given:
        for places, options in calls:
            place, against = places[0], places[1] if len(places) > 1 else None
            alone = ba.verify(place, against, **options)
            shared = ba.verify(place, against, **options, **given)
            assert told(shared) == told(alone), places
            assert str(pickle.loads(pickle.dumps(shared))) == str(shared)
        # What cannot be read cannot be compared; each share says what it met.
        damaged = ba.verify(tmp_path / "plain", tmp_path / "other", **given)
        assert not damaged and "different" in {problem["kind"] for problem in damaged.problems}
        steps: list[tuple[int, int]] = []
        ba.verify(tmp_path / "layer", progress=lambda *step: steps.append(step), **given)
        assert steps[-1][0] == steps[-1][1] > 1
        with pytest.raises(ba.NotFoundError):
            ba.verify(tmp_path / "nothing", **given)
        with pytest.raises(ba.InvalidArgumentError, match="in this process alone"):
            ba.verify("memory://verify", **given)


def test_results_in_memory_take_what_their_inputs_take(cube: ba.Array) -> None:
    median = cube.lazy.median(axis=0)
    np.testing.assert_array_equal(median.compute(processes=2, memory=2 << 20), median.compute())
