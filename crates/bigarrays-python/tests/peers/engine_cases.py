"""What engines are to do, in a process of its own: `engine_cases.py ENGINE FOLDER CASE…`, in a network of its own at that, since Ray
and MPI listen to more than this machine. Each case prints a line, its name and what went wrong; `test_engines.py` runs it."""

import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import bigarrays as ba
from bigarrays._engines import Engine, engine

OPTIONS: dict[str, Any] = {"format": "zarr3", "chunk_shape": (12, 64, 96)}


@contextmanager
def ray(folder: Path) -> Iterator[Any]:
    import ray as engine

    # Sockets are below it, whose paths have to be short.
    temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    options: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80 << 20, "include_dashboard": False}
    engine.init(log_to_driver=False, _temp_dir=temporary, _node_ip_address="127.0.0.1", **options)
    try:
        yield engine
    finally:
        engine.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def mpi(folder: Path) -> Iterator[Any]:
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as executor:
        yield executor


@contextmanager
def submitit(folder: Path) -> Iterator[Any]:
    from submitit import AutoExecutor, LocalJob

    # How long the result of a job that was killed is waited for.
    LocalJob._results_timeout_s = 1
    executor = AutoExecutor(folder / "logs", cluster="local")
    executor.update_parameters(timeout_min=10, cpus_per_task=max((os.cpu_count() or 2) // 2, 1))
    yield executor


def cube(folder: Path) -> Any:
    """The input, which `test_engines.py` has made."""
    return ba.open(folder / "cube").lazy


def apart(x: ba.Lazy) -> Any:
    return x - x.mean(axis=0, keepdims=True)


def same_bits(folder: Path, executor: Any) -> None:
    """A map, reductions, groups, windows, medians, other chunks and copies are to the bit what threads compute."""
    x = cube(folder)
    months = np.arange(24) % 12
    groups = x.groupby(months, axis=0)
    known = {
        "map": x * np.linspace(0, 1, 96, dtype="float32") + 1,
        "apart": apart(x),
        "groups": groups - groups.mean(),
        "rolling": x.rolling(7, axis=0, center=True).mean(),
    }
    told: list[tuple[int, int]] = []
    options: dict[str, Any] = {"executor": executor, "memory": 1 << 26}
    saved = ba.save({folder / name: one for name, one in known.items()}, progress=lambda *at: told.append(at), **options, **OPTIONS)
    assert told and told[-1][0] == told[-1][1] and told == sorted(told), told
    rechunked = x.save(folder / "rechunked", format="zarr3", chunk_shape=(24, 16, 32), **options)
    copied = ba.create(folder / "copied", format="n5", shape=x.shape, dtype="float32", chunk_shape=(10, 30, 41))
    ba.copy(ba.open(folder / "cube"), copied, **options)
    numbers = [x.max(), x.sum(axis=2), x.median(axis=0)]
    for one, found in zip(numbers, ba.compute(*numbers, scratch=folder, **options), strict=True):
        np.testing.assert_array_equal(found, one.compute())
    for name, one in known.items():
        np.testing.assert_array_equal(saved[folder / name][...], one.compute(), err_msg=name)
    for array in (rechunked, copied):
        np.testing.assert_array_equal(array[...], x.compute())


def dying(mark: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Kills its process, once before the work, and once after it, before that is known."""
    for moment in ("before", "after"):
        if not os.path.exists(f"{mark}-{moment}"):
            if moment == "after":
                work(*arguments)
            Path(f"{mark}-{moment}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return work(*arguments)


@contextmanager
def lost_workers(executor: Any, mark: Path) -> Iterator[None]:
    """Workers of this engine die, twice in all."""
    kind = type(engine(executor, None, None))
    submit = kind.submit
    kind.submit = lambda self, work, *rest: submit(self, dying, str(mark), work, *rest)  # type: ignore[method-assign]
    try:
        yield
    finally:
        kind.submit = submit  # type: ignore[method-assign]


def killed(folder: Path, executor: Any) -> None:
    """Tasks of workers that are killed are given out again."""
    x = apart(cube(folder))
    with lost_workers(executor, folder / "killed"):
        saved = x.save(folder / "killed-result", executor=executor, memory=1 << 26, **OPTIONS)
    assert sorted(path.name for path in folder.glob("killed-[ab]*")) == ["killed-after", "killed-before"]
    np.testing.assert_array_equal(saved[...], x.compute())


def killed_plan(folder: Path, executor: Any) -> None:
    """The same, of a plan in a file: the engine ends with its worker, and the next run goes on."""
    with lost_workers(executor, folder / "killed"):
        ba.Plan(folder / "plan.json").run(executor=executor)


def failing(folder: Path, executor: Any) -> None:
    """A task that always fails ends the run. The error says which it was, where, and why."""
    x = (cube(folder) * 1000).astype("int8")
    try:
        x.save(folder / "failing", executor=executor, **OPTIONS)
    except ba.InvalidArgumentError as error:
        assert "does not fit" in str(error), error
        (note,) = error.__notes__
        assert re.match(r"in tasks \d+:\d+ of stage 0 of .*, process \d+ on ", note), note
    else:
        raise AssertionError("it has been saved")


def stopped(folder: Path, executor: Any) -> None:
    """Ctrl-C ends the work, and workers are free for other work then."""

    def stop(done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    x = apart(cube(folder))
    try:
        x.save(folder / "stopped", executor=executor, progress=stop, memory=1 << 26, **OPTIONS)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("it has been saved")
    assert ba.open(folder / "stopped", incomplete=True).incomplete
    assert not list(folder.glob("bigarrays-plan-*"))
    (found,) = ba.compute(x.max(), executor=executor, scratch=folder)
    assert found == x.max().compute()


def declared(folder: Path, executor: Any) -> None:
    """Engines that know how much memory there is refuse more."""
    assert engine(executor, None, None).memory
    try:
        cube(folder).save(folder / "declared", executor=executor, memory=1 << 50, **OPTIONS)
    except ba.MemoryBudgetError as error:
        assert "give them more" in str(error), error
    else:
        raise AssertionError("it has been saved")


ENGINES = {"ray": ray, "mpi": mpi, "submitit": submitit}
CASES = {case.__name__: case for case in (same_bits, killed, killed_plan, failing, stopped, declared)}


def main(name: str, folder: Path, cases: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if name == "submitit":
        # Each task is a process of its own: fewer of them.
        OPTIONS["chunk_shape"] = (12, 128, 96)
    with ENGINES[name](folder) as executor:
        assert issubclass(type(engine(executor, None, None)), Engine)
        for case in cases:
            try:
                CASES[case](folder, executor)
                print(f"{case}: passed", flush=True)
            except Exception:
                print(f"{case}: {traceback.format_exc()!r}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
