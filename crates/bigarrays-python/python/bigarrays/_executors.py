"""Executors: whatever runs the tasks of a plan in other processes, on this machine or others."""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

from ._bigarrays import CancelledError, Error
from ._plan import Plan
from ._progress import Progress, reporter

#: Parts of a stage for each worker: few, and yet a slow worker is not waited for long.
_PARTS = 4

#: How often a part is given out again whose worker was lost.
_TRIES = 3

#: Seconds after which the caller is asked again whether to stop.
_PATIENCE = 0.5

_Part = tuple[int, int]


def run_plan(
    plan: Plan,
    *,
    executor: Any = None,
    processes: int | None = None,
    memory: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Has workers run the tasks of a plan, stage after stage, and ends the job.

    Args:
        plan: The plan, whose file all workers see.
        executor: Anything like `concurrent.futures.Executor`, or a `distributed.Client`.
        processes: In place of an executor: so many processes of this machine.
        memory: The most bytes that each worker may use.
        progress: As `Lazy.compute` has it.
    """
    with _workers(executor, processes) as workers:
        report = reporter(progress, "computing") or (lambda done, total: None)
        done, total = 0, sum(stage.bytes for stage in plan.stages)
        for number, stage in enumerate(plan.stages):
            for first, end in _run_stage(plan, number, stage.tasks, workers, memory):
                report(done + stage.bytes * end // max(stage.tasks, 1), total)
            done += stage.bytes
    plan.run(memory=memory)


class _Workers:
    """Those who run parts, and how many they are."""

    def __init__(self, executor: Executor, count: int, again: Callable[[], Executor] | None) -> None:
        self.executor = executor
        self.count = count
        # Makes another in place of one that is broken.
        self._again = again

    @property
    def is_own(self) -> bool:
        """Whether they are processes of a pool that is made here."""
        return self._again is not None

    def stop(self) -> None:
        """Ends the processes of a pool of its own, whatever they are at."""
        if self._again is not None:
            for process in list((getattr(self.executor, "_processes", None) or {}).values()):
                process.kill()

    def replace(self) -> bool:
        """Whether there are other workers in place of those that are lost."""
        if self._again is None:
            return False
        self.stop()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self._again()
        return True


@contextmanager
def _workers(executor: Any, processes: int | None) -> Iterator[_Workers]:
    if processes is None:
        given = executor.get_executor(pure=False) if hasattr(executor, "get_executor") else executor
        yield _Workers(given, _count(given), None)
        return
    threads = max((os.cpu_count() or 1) // processes, 1)

    def made() -> Executor:
        # Not forked: threads of this process would be missing there.
        return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(threads,))

    workers = _Workers(made(), processes, made)
    try:
        yield workers
    except BaseException:
        workers.stop()
        workers.executor.shutdown(wait=False, cancel_futures=True)
        raise
    workers.executor.shutdown()


def _count(executor: Any) -> int:
    client = getattr(executor, "_client", None)
    if client is not None and hasattr(client, "nthreads"):
        return max(len(client.nthreads()), 1)
    count = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    return max(int(count), 1)


def _begin(threads: int) -> None:
    """What a process of a pool does first."""
    os.environ.setdefault("BIGARRAYS_THREADS", str(threads))
    # Ctrl-C stops the caller, which stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_stage(plan: Plan, stage: int, tasks: int, workers: _Workers, memory: int | None) -> Iterator[_Part]:
    """Runs all tasks of a stage. Gives ranges of tasks that add up to what is done."""
    step = -(-tasks // (workers.count * _PARTS)) or 1
    left = deque((first, min(first + step, tasks)) for first in range(0, tasks, step))
    tries: dict[_Part, int] = {}
    under_way: dict[Future[None], _Part] = {}
    done = 0
    try:
        while left or under_way:
            while left and len(under_way) < 2 * workers.count:
                part = left.popleft()
                under_way[_submit(plan, stage, part, workers, memory)] = part
            ended, _ = wait(under_way, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
            lost = False
            for future in ended:
                part = under_way.pop(future)
                error = future.exception()
                if error is None:
                    done += part[1] - part[0]
                    yield 0, done
                    continue
                tries[part] = tries.get(part, 0) + 1
                if isinstance(error, Error) or tries[part] > _TRIES or not isinstance(error, Exception):
                    raise error
                lost |= isinstance(error, BrokenExecutor)
                left.appendleft(part)
            if lost:
                # All that was under way is lost with it.
                left.extendleft(under_way.values())
                under_way.clear()
                if not workers.replace():
                    raise BrokenExecutor(f"the executor lost its workers at stage {stage} of {plan.file}")
    finally:
        for future in under_way:
            future.cancel()
        if not workers.is_own:
            # What runs already writes where the plan's folder is, which is removed then.
            wait(under_way)


def _submit(plan: Plan, stage: int, part: _Part, workers: _Workers, memory: int | None) -> Future[None]:
    work = (_work, *plan.__reduce__()[1], stage, part, memory)
    try:
        return workers.executor.submit(*work)
    except BrokenExecutor:
        if not workers.replace():
            raise
        return workers.executor.submit(*work)


@lru_cache(maxsize=4)
def _known(file: str, storage_options: tuple[tuple[str, str], ...], changed: int) -> Plan:
    return Plan(file, storage_options=dict(storage_options))


def _work(file: str, storage_options: dict[str, str], stage: int, part: _Part, memory: int | None) -> None:
    """What a worker does."""
    try:
        changed = os.stat(file).st_mtime_ns
        plan = _known(file, tuple(sorted(storage_options.items())), changed)
        plan.run(stage, part, memory=memory)
    except CancelledError:
        raise
    except Exception as error:
        first, end = part
        error.add_note(f"in tasks {first}:{end} of stage {stage} of {file}, process {os.getpid()} on {socket.gethostname()}")
        raise
