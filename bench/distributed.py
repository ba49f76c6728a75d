"""Two workers against two threads of one process, and against dask.array on the same two workers; and what giving out a task costs.

bench/distributed.py [--shape T,Y,X] [--codec zstd|blosc|raw] [--rounds N] [--memory BYTES] [--only TEXT] [--dir FOLDER]
bench/distributed.py --tasks 100000

Start-up is apart: workers have imported what they need, and have computed something, before anything is measured. Rounds are
interleaved, so that what else the machine does concerns all; the least time counts. Memory is that of the worker that took the most, above
what it had before, and in brackets all that it had. `--memory` is the budget of two threads; each of two workers has half of it, as they
are on the same machine, or all of it in rows that say `each`, as workers on machines of their own have. What reads its inputs again where memory
is small, such as pencils, reads more with half. `over` are workers with more than the 2 GB that Dask lets each of them have.
"""

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# Before anything makes the pool.
os.environ.setdefault("BIGARRAYS_THREADS", "2")
# Dask's package has the name of this file.
HERE = Path(__file__).resolve().parent
sys.path[:] = [*(place for place in sys.path if Path(place).resolve() != HERE), str(HERE)]

import bigarrays
import compute
import data
import numpy as np
from bigarrays import _executors, _giving
from bigarrays._engines import Engine, engine

WORKERS, LIMIT = 2, 2 << 30
PENCILS = (744, 24, 24)

Made = Callable[[Any, Any], list[Any]]
#: Results of two cubes: expressions of this library, and the same of dask.array. With a shape of chunks, they are saved.
Job = tuple[Made, Callable[[Any, Any, Any], list[Any]], tuple[int, ...] | None]
JOBS: dict[str, Job] = {
    "mean(time)": (
        lambda a, b: [a.mean(axis=0)],
        lambda a, b, da: [a.mean(axis=0, dtype="float64").astype("float32")],
        None,
    ),
    "moments": (
        lambda a, b: [(a * a).mean(axis=0), (b * b).mean(axis=0), (a * b).mean(axis=0)],
        lambda a, b, da: [one.mean(axis=0, dtype="float64").astype("float32") for one in (a * a, b * b, a * b)],
        None,
    ),
    "median(time)": (lambda a, b: [a.median(axis=0)], lambda a, b, da: [da.median(a.rechunk({0: -1, 1: 90, 2: 90}), axis=0)], None),
    "anomaly": (
        lambda a, b: [a - a.mean(axis=0, keepdims=True)],
        lambda a, b, da: [a - a.mean(axis=0, keepdims=True, dtype="float64").astype("float32")],
        compute.CHUNK,
    ),
    "rolling 7": (
        # Without the ends, as NumPy's windows are.
        lambda a, b: [a.rolling(7, axis=0).mean()[6:].translate((-6, 0, 0))],
        lambda a, b, da: [da.overlap.sliding_window_view(a, 7, axis=0).mean(axis=-1)],
        compute.CHUNK,
    ),
    "a*b + 2": (lambda a, b: [a * b + 2.0], lambda a, b, da: [(a * b + 2.0).astype("float32")], compute.CHUNK),
    "rechunk": (lambda a, b: [a], lambda a, b, da: [a], PENCILS),
}


def warm() -> tuple[int, int]:
    """What a worker imports."""
    import dask.array  # noqa: F401
    import zarr  # noqa: F401

    return os.getpid(), 0


def reset() -> tuple[int, int]:
    """This process, and what it has of memory; from now on, the most of it is counted anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return os.getpid(), compute.peak()


def most() -> tuple[int, int]:
    return os.getpid(), compute.peak()


class Measured:
    """What does the work: how it is asked of each of its processes."""

    def __init__(self, each: Callable[[Callable[[], Any]], list[Any]], options: dict[str, Any], client: Any = None) -> None:
        self.each, self.options, self.client = each, options, client


@contextmanager
def contenders(memory: int) -> Iterator[dict[str, Measured]]:
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    os.environ["BIGARRAYS_THREADS"] = "1"
    cluster = LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", memory_limit=LIMIT
    )
    with cluster, Client(cluster) as client, ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        def of_pool(work: Callable[[], Any]) -> list[Any]:
            found: dict[int, Any] = {}
            while len(found) < WORKERS:
                # A process that is asked twice says the same.
                found.update(dict(future.result() for future in [pool.submit(after, work) for _ in range(WORKERS)]))
            return list(found.items())

        of_pool(warm)
        client.run(warm)
        # Workers have been started with one thread each; two are for this process.
        os.environ["BIGARRAYS_THREADS"] = "2"
        half = memory // WORKERS
        yield {
            "threads": Measured(lambda work: [work()], {"memory": memory}),
            "processes": Measured(of_pool, {"executor": pool, "memory": half}),
            "processes, each": Measured(of_pool, {"executor": pool, "memory": memory}),
            "dask workers": Measured(lambda work: list(client.run(work).values()), {"executor": client, "memory": half}),
            "dask.array": Measured(lambda work: list(client.run(work).values()), {}, client),
        }


def one_thread(executor: Any, processes: int | None, memory: int | None) -> Engine:
    """The engine of an executor, whose processes have one thread each, as their environment says."""
    by = engine(executor, processes, memory)
    by.threads = 1
    return by


def after(work: Callable[[], Any]) -> Any:
    """Long enough that each process takes one."""
    time.sleep(0.2)
    return work()


def done(job: Job, by: Measured, places: list[Path], out: Path) -> Any:
    """Runs a job. Returns its result if that is in memory, and else writes it."""
    ours, theirs, chunks = job
    shutil.rmtree(out, ignore_errors=True)
    if by.client is None:
        results = ours(*(bigarrays.open(place).lazy for place in places))
        if chunks is None:
            return bigarrays.compute(*results, scratch=out.parent, **by.options)
        results[0].save(out, format="zarr3", chunk_shape=chunks, codecs=compute.CODECS["zstd"], **by.options)
        return None
    import dask.array as da
    import zarr

    results = theirs(*(da.from_zarr(zarr.open_array(str(place), mode="r")) for place in places), da)
    if chunks is None:
        return by.client.gather(by.client.compute(results))
    bigarrays.create(out, shape=results[0].shape, dtype="float32", format="zarr3", chunk_shape=chunks, codecs=compute.CODECS["zstd"])
    # Chunks have one writer each.
    whole = results[0].rechunk(tuple(min(chunk, length) for chunk, length in zip(chunks, results[0].shape, strict=True)))
    da.store([whole], [zarr.open_array(str(out), mode="r+")], lock=False)
    return None


def check(result: Any, out: Path) -> float:
    result = bigarrays.open(out)[...] if result is None else np.stack(result)
    return float(np.nansum(result, dtype="float64"))


def table(places: list[Path], out: Path, given: argparse.Namespace) -> None:
    print(f"{'':32}{'wall s':>9}{'× threads':>11}{'MiB above start':>17}")
    with contenders(given.memory) as all_contenders:
        small = [compute.made(out.parent, name, given.codec, [48, 90, 180]) for name in ("a", "bb")]
        for by in all_contenders.values():
            done(JOBS["a*b + 2"], by, small, out)
            done(JOBS["mean(time)"], by, small, out)
        for name, job in JOBS.items():
            if given.only not in name:
                continue
            walls: dict[str, float] = {}
            peaks: dict[str, tuple[int, int]] = {}
            checks: dict[str, float] = {}
            for _ in range(given.rounds):
                for tool, by in all_contenders.items():
                    before = dict(by.each(reset))
                    begun = time.perf_counter()
                    result = done(job, by, places, out)
                    walls[tool] = min(walls.get(tool, float("inf")), time.perf_counter() - begun)
                    used = max((peak - before.get(process, peak), peak) for process, peak in by.each(most))
                    peaks[tool] = max(peaks.get(tool, used), used)
                    checks[tool] = check(result, out)
            if not np.allclose(list(checks.values()), checks["threads"], rtol=1e-5):
                raise SystemExit(f"{name}: results differ: {checks}")
            for tool, wall in walls.items():
                above, whole = (number / (1 << 20) for number in peaks[tool])
                said = "  over" if peaks[tool][1] > LIMIT else ""
                print(f"{f'{name}, {tool}':32}{wall:9.2f}{wall / walls['threads']:11.2f}{above:9.0f} ({whole:5.0f}){said}", flush=True)


class Null(Engine):
    """An executor that does nothing, at once."""

    def __init__(self) -> None:
        super().__init__(None, None)
        self.count = 1000
        self._futures: list[Future[Any]] = []

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(None)
        self._futures.append(future)
        return future

    def ended(self) -> list[Future[Any]]:
        return [self._futures.pop()]


def given_out(tasks: int) -> None:
    """Each task is a part of its own."""
    begun = time.perf_counter()
    each = ((task, task + 1) for task in range(tasks))
    parts = sum(1 for _ in _giving.run_parts(Null(), _executors._work, each, (), "/nowhere/mark", "nothing", twice=True))
    seconds = time.perf_counter() - begun
    print(f"{parts:,} tasks through a null executor: {seconds:.2f} s, {seconds / parts * 1e3:.4f} ms a task")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="744,360,720")
    parser.add_argument("--codec", default="zstd", choices=list(compute.CODECS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=512 << 20)
    parser.add_argument("--only", default="")
    parser.add_argument("--tasks", type=int)
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    if given.tasks:
        return given_out(given.tasks)
    _executors.engine = one_thread  # type: ignore[attr-defined]
    folder = given.dir or data.folder("distributed")
    folder.mkdir(parents=True, exist_ok=True)
    shape = [int(length) for length in given.shape.split(",")]
    table([compute.made(folder, name, given.codec, shape) for name in ("a", "bb")], folder / "out.zarr", given)


if __name__ == "__main__":
    main()
