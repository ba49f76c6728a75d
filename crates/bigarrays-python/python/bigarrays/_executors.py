"""Executors: whatever runs the tasks of a plan in other processes, on this machine or others."""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import CancelledError as Withdrawn
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from ._bigarrays import CancelledError, Error, InvalidArgumentError
from ._engines import PATIENCE, Engine, engine
from ._plan import Plan
from ._progress import Progress, reporter

#: Parts of a stage for each worker: few, and yet a slow worker is not waited for long.
_PARTS = 4

#: How often a part is given out again whose worker was lost.
_TRIES = 3

_Part = tuple[int, int]

#: A process runs one task at a time, which has the memory and the threads of all of it.
_TURN = threading.Lock()


class _Order(NamedTuple):
    """What a worker is asked to do."""

    file: str
    storage_options: dict[str, str]
    memory: int | None
    threads: int | None
    # The process that asks.
    asks: tuple[str, int]
    # It is there once the work is to stop.
    mark: str


def expect_one(executor: Any, processes: int | None) -> None:
    """Refuses two answers to the question who works."""
    if executor is not None and processes is not None:
        raise InvalidArgumentError("either executor= or processes=")
    if processes is not None and processes < 1:
        raise InvalidArgumentError(f"processes={processes}")


@contextmanager
def workers(executor: Any, processes: int | None, memory: int | None) -> Iterator[Engine]:
    """The workers of an executor, or so many processes, and what each of them may use."""
    given = engine(executor, processes, memory)
    try:
        yield given
    except BaseException:
        given.stop(())
        raise
    finally:
        given.close()


def run_plan(plan: Plan, by: Engine, progress: Progress | None = None) -> None:
    """Has workers run the tasks of a plan, stage after stage, and ends the job.

    Args:
        plan: The plan, whose file all workers see.
        by: The workers.
        progress: As `Lazy.compute` has it.
    """
    report = reporter(progress, "computing") or (lambda done, total: None)
    done, total = 0, sum(stage.bytes for stage in plan.stages)
    for number, stage in enumerate(plan.stages):
        each = max(stage.tasks, 1) if stage.in_one_process else part_of(stage.tasks, by)
        with closing(_run_stage(plan, number, stage.tasks, each, by)) as parts:
            for ended in parts:
                report(done + stage.bytes * ended // max(stage.tasks, 1), total)
        done += stage.bytes
    plan.run(memory=by.memory)


def part_of(tasks: int, by: Engine) -> int:
    """How many of so many tasks a worker is given at once."""
    return -(-tasks // (by.count * _PARTS)) or 1


def _run_stage(plan: Plan, stage: int, tasks: int, each: int, by: Engine) -> Generator[int]:
    """Runs all tasks of a stage, in parts of so many. Gives how many are done, now and then."""
    left = deque((first, min(first + each, tasks)) for first in range(0, tasks, each))
    tries: dict[_Part, int] = {}
    under_way: dict[Future[Any], _Part] = {}
    order = _order(plan, by)
    done = 0
    try:
        while left or under_way:
            while left and len(under_way) < by.ahead * by.count:
                part = left.popleft()
                under_way[by.submit(_work, order, stage, part)] = part
            lost = False
            for future in by.ended():
                if future not in under_way:
                    # Of a worker that was replaced.
                    continue
                part = under_way.pop(future)
                error = _error(future)
                if error is None:
                    done += part[1] - part[0]
                    yield done
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
                if not by.replace():
                    raise BrokenExecutor(f"the executor lost its workers at stage {stage} of {plan.file}")
    except BaseException:
        _stop(order, by, under_way)
        raise


def _error(future: Future[Any]) -> BaseException | None:
    """What a worker has returned, or what became of it."""
    try:
        returned: BaseException | None = future.exception() or future.result()
    except Withdrawn as error:
        return error
    return returned


def _order(plan: Plan, by: Engine) -> _Order:
    file, storage_options = plan.__reduce__()[1]
    mark = f"{file}.stop-{uuid4().hex}"
    return _Order(file, storage_options, by.memory, by.threads, (socket.gethostname(), os.getpid()), mark)


def _stop(order: _Order, by: Engine, under_way: dict[Future[Any], _Part]) -> None:
    """Has all workers stop, and waits for them: they write where the plan's folder is, which may be removed then."""
    mark = Path(order.mark)
    mark.touch()
    try:
        by.stop(under_way)
    finally:
        mark.unlink(missing_ok=True)


@lru_cache(maxsize=4)
def _known(file: str, storage_options: tuple[tuple[str, str], ...], changed: int) -> Plan:
    return Plan(file, storage_options=dict(storage_options))


def _work(order: _Order, stage: int, part: _Part) -> BaseException | None:
    """What a worker does. An error is returned, since engines tell little of errors that are raised."""
    try:
        with _TURN:
            if order.threads and order.asks != (socket.gethostname(), os.getpid()):
                os.environ.setdefault("BIGARRAYS_THREADS", str(order.threads))
            changed = os.stat(order.file).st_mtime_ns
            plan = _known(order.file, tuple(sorted(order.storage_options.items())), changed)
            plan.run(stage, part, memory=order.memory, progress=_until(order))
    except Exception as error:
        if not isinstance(error, Error):
            error.add_note(traceback.format_exc())
        if not isinstance(error, CancelledError):
            first, end = part
            by = f"process {os.getpid()} on {socket.gethostname()}"
            error.add_note(f"in tasks {first}:{end} of stage {stage} of {order.file}, {by}")
        return error
    return None


def _until(order: _Order) -> Callable[[int, int], None]:
    """Ends the work once its mark is there, or its plan is not."""
    looked = float("-inf")

    def look(done: int, total: int) -> None:
        nonlocal looked
        if time.monotonic() - looked > PATIENCE:
            looked = time.monotonic()
            if os.path.exists(order.mark) or not os.path.exists(order.file):
                raise CancelledError("the caller has stopped")

    look(0, 0)
    return look
