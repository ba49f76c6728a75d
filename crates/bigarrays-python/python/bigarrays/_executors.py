"""Executors: whatever runs the tasks of a plan in other processes, on this machine or others."""

from __future__ import annotations

import os
import pickle
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, SupportsIndex
from uuid import uuid4

from ._bigarrays import Array, CancelledError, Error, InvalidArgumentError
from ._engines import PATIENCE, Engine, Told, engine
from ._giving import is_called_off, run_parts
from ._plan import Plan, PlannedStage
from ._progress import Progress, reporter

#: The most tasks of a plan of which the caller looks up at the end whether what they have done is as they left it; of more, workers
#: do so.
_LOOKED_UP = 10_000

_Part = tuple[int, int]

#: A process runs one task at a time, which has the memory and the threads of all of it.
_TURN = threading.Lock()

#: Seconds after which a worker that has nothing to do forgets the plans that it has opened, and what their boxes have left in memory.
_IDLE = 5.0


class _Order(NamedTuple):
    """What a worker is asked to do."""

    file: str
    storage_options: dict[str, str]
    memory: int | None
    told: Told
    # It is there once the work is to stop.
    mark: str


def expect_one(executor: Any, processes: int | None) -> None:
    """Refuses two answers to the question who works."""
    if executor is not None and processes is not None:
        raise InvalidArgumentError("either executor= or processes=")
    if processes is not None and (not isinstance(processes, SupportsIndex) or processes < 1):
        raise InvalidArgumentError(f"processes={processes!r}: expected a number of processes, at least 1")


def expect_shared(*arrays: Array | str | os.PathLike[str]) -> None:
    """Refuses arrays, or places of arrays, that other processes cannot open."""
    urls = (array.url if isinstance(array, Array) else os.fspath(array) for array in arrays)
    if any(url.startswith("memory://") for url in urls):
        raise InvalidArgumentError("an array of memory:// is in this process alone; work without executor= and processes=")


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
    stages = plan.stages
    done, total = 0, sum(stage.bytes for stage in stages)
    for number, stage in enumerate(stages):
        # Whether all of the stage before is done is looked up once, and not by each worker.
        plan.run(number, (0, 0), memory=by.own_memory())
        with closing(_run_stage(plan, number, stage, by)) as parts:
            for ended in parts:
                report(done + stage.bytes * ended // max(stage.tasks, 1), total)
        done += stage.bytes
    if sum(stage.tasks for stage in stages) <= _LOOKED_UP:
        plan._end(by.own_memory(), by.called_off)
        return
    # Run again, tasks look up whether what they have done, and what it was made of, is as it was.
    for number, stage in enumerate(stages):
        with closing(_run_stage(plan, number, stage, by)) as parts:
            deque(parts, 0)
    plan.finish()


def _run_stage(plan: Plan, number: int, stage: PlannedStage, by: Engine) -> Generator[int]:
    """Runs all tasks of a stage. Gives how many are done, now and then."""
    file, storage_options = plan.__reduce__()[1]
    order = _Order(file, storage_options, by.memory, by.told(), f"{file}.stop-{uuid4().hex}")
    parts = iter([(0, stage.tasks)]) if stage.in_one_process else by.parts(stage.tasks)
    done = 0
    what, twice = f"stage {number} of {file}", not stage.in_one_process
    # What is folded and gathered lies in files of its own, of the same bytes whoever writes them.
    waits = stage.work in ("make", "merge")
    with closing(run_parts(by, _work, parts, (order, number), order.mark, what, twice=twice, waits=waits)) as ended:
        for first, end in ended:
            done += end - first
            yield done


class _Idle:
    """Forgets the plans that this process has opened once it has run no part for a while."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def ends(self) -> None:
        """A part begins."""
        if self._timer is not None:
            self._timer.cancel()

    def begins(self) -> None:
        """A part has ended."""
        self.ends()
        self._timer = threading.Timer(_IDLE, _known.cache_clear)
        self._timer.daemon = True
        self._timer.start()


_idle = _Idle()


@lru_cache(maxsize=4)
def _known(file: str, storage_options: tuple[tuple[str, str], ...], changed: int) -> Plan:
    return Plan(file, storage_options=dict(storage_options))


@contextmanager
def turn(told: Told) -> Iterator[None]:
    """A worker's turn to do a part: a process does one after the other, each with its memory and threads."""
    with _TURN:
        if told.threads and told.asks != Told.here():
            os.environ.setdefault("BIGARRAYS_THREADS", str(told.threads))
        yield


def noted(error: BaseException, what: str) -> BaseException:
    """The error with what it was at, and where. It is to be returned, since engines tell little of errors that are raised."""
    if not isinstance(error, Error):
        error = _sendable(error)
        error.add_note(traceback.format_exc())
    elif error.__cause__ is not None:
        # Some engines send it as well, and wait for ever if it cannot be unpickled.
        error.add_note("".join(traceback.format_exception(error.__cause__)))
        error.__cause__ = error.__context__ = None
    if not isinstance(error, CancelledError):
        error.add_note(f"in {what}, process {os.getpid()} on {socket.gethostname()}")
    return error


def _sendable(error: BaseException) -> BaseException:
    """The error, or what it says if it cannot be sent: engines may wait for ever for what cannot be unpickled."""
    try:
        pickle.loads(_dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _dumps(error: BaseException) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:
        # As engines do it of classes of a script.
        return bytes(import_module("cloudpickle").dumps(error))


def _work(order: _Order, stage: int, part: _Part) -> BaseException | None:
    """What a worker does."""
    try:
        with turn(order.told):
            _idle.ends()
            try:
                changed = os.stat(order.file).st_mtime_ns
                plan = _known(order.file, tuple(sorted(order.storage_options.items())), changed)
                plan._run_part(stage, part, order.memory, until(order.mark, order.file, part))
            finally:
                _idle.begins()
    except (Exception, SystemExit) as error:
        first, end = part
        return noted(error, f"tasks {first}:{end} of stage {stage} of {order.file}")
    return None


def until(mark: str, needed: str, part: Any = None) -> Callable[..., None]:
    """Ends the work once its mark is there, for all or for this part, or a file that it needs is not."""
    looked = float("-inf")

    def look(done: int = 0, total: int = 0) -> None:
        nonlocal looked
        if time.monotonic() - looked > PATIENCE:
            looked = time.monotonic()
            if is_called_off(mark, part) or not os.path.exists(needed):
                raise CancelledError("the caller has stopped")

    look()
    return look
