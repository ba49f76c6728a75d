"""Executors: whatever runs the tasks of a plan in other processes, on this machine or others."""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import CancelledError as Withdrawn
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex, TypeVar
from uuid import uuid4

from ._bigarrays import Array, CancelledError, Error, InvalidArgumentError
from ._engines import PATIENCE, Engine, Told, engine
from ._plan import Plan, PlannedStage
from ._progress import Progress, reporter

#: How often a part is given out again whose worker was lost.
_TRIES = 3

#: The most tasks of a plan of which the caller looks up at the end whether what they have done is as they left it; of more, workers
#: do so.
_LOOKED_UP = 10_000

_Part = tuple[int, int]

_T = TypeVar("_T")

#: A process runs one task at a time, which has the memory and the threads of all of it.
_TURN = threading.Lock()


class _Order(NamedTuple):
    """What a worker is asked to do."""

    file: str
    storage_options: dict[str, str]
    memory: int | None
    told: Told
    # It is there once the work is to stop.
    mark: str


class Answer(NamedTuple):
    """What a worker gives back."""

    value: Any


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
        plan.run(number, (0, 0), memory=by.memory)
        with closing(_run_stage(plan, number, stage, by)) as parts:
            for ended in parts:
                report(done + stage.bytes * ended // max(stage.tasks, 1), total)
        done += stage.bytes
    if sum(stage.tasks for stage in stages) <= _LOOKED_UP:
        plan.run(memory=by.memory)
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
    with closing(run_parts(by, _work, parts, (order, number), order.mark, f"stage {number} of {file}")) as ended:
        for first, end in ended:
            done += end - first
            yield done


def run_parts(
    by: Engine,
    work: Callable[..., Any],
    parts: Iterable[_T],
    arguments: tuple[Any, ...],
    mark: str | None,
    what: str,
    answers: dict[_T, Any] | None = None,
) -> Generator[_T]:
    """Has workers do `work(*arguments, part)` for each part. Gives parts that are done. What work returns is an error, None, or an
    answer.

    Args:
        by: The workers.
        work: A function that workers can import.
        parts: Any number of them. Some are under way at the same time: a few for each worker.
        arguments: What all parts have in common.
        mark: A file that is made so that workers stop, if they look for one.
        what: What it is, in errors.
        answers: Where answers go, by parts.
    """
    fresh = iter(parts)
    again: deque[tuple[_T, int]] = deque()
    under_way: dict[Future[Any], tuple[_T, int]] = {}
    # Losses of all workers since any part was done.
    losses = 0
    try:
        while True:
            while len(under_way) < by.ahead * by.count:
                given = again.popleft() if again else next(((part, 0) for part in fresh), None)
                if given is None:
                    break
                under_way[by.submit(work, *arguments, given[0])] = given
            if not under_way:
                return
            lost = False
            for future in by.ended():
                if future not in under_way:
                    # Of a worker that was replaced.
                    continue
                part, tries = under_way.pop(future)
                error = _returned(future)
                if isinstance(error, Answer) and answers is not None:
                    answers[part] = error.value
                if error is None or isinstance(error, Answer):
                    losses = 0
                    yield part
                    continue
                if isinstance(error, Error) or tries == _TRIES or not isinstance(error, Exception):
                    raise error
                lost |= isinstance(error, BrokenExecutor)
                again.appendleft((part, tries + 1))
            if lost:
                # All that was under way is lost with it.
                again.extendleft(under_way.values())
                under_way.clear()
                losses += 1
                if losses > _TRIES or not by.replace():
                    raise BrokenExecutor(f"the executor lost its workers at {what}")
    except BaseException:
        _stop(mark, by, under_way)
        raise


def _returned(future: Future[Any]) -> BaseException | Answer | None:
    """What a worker has returned, or what became of it."""
    try:
        returned: BaseException | Answer | None = future.exception() or future.result()
    except Withdrawn as error:
        return error
    return returned


def _stop(mark: str | None, by: Engine, under_way: dict[Future[Any], Any]) -> None:
    """Has all workers stop, and waits for them: they write where the plan's folder is, which may be removed then."""
    if mark is None:
        by.stop(under_way)
        return
    Path(mark).touch()
    # Who does not wait, by another Ctrl-C, leaves it for tasks that have not begun.
    by.stop(under_way)
    Path(mark).unlink(missing_ok=True)


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


def noted(error: Exception, what: str) -> Exception:
    """The error with what it was at, and where. It is to be returned, since engines tell little of errors that are raised."""
    if not isinstance(error, Error):
        error.add_note(traceback.format_exc())
    if not isinstance(error, CancelledError):
        error.add_note(f"in {what}, process {os.getpid()} on {socket.gethostname()}")
    return error


def _work(order: _Order, stage: int, part: _Part) -> BaseException | None:
    """What a worker does."""
    try:
        with turn(order.told):
            changed = os.stat(order.file).st_mtime_ns
            plan = _known(order.file, tuple(sorted(order.storage_options.items())), changed)
            plan.run(stage, part, memory=order.memory, progress=until(order.mark, order.file))
    except Exception as error:
        first, end = part
        return noted(error, f"tasks {first}:{end} of stage {stage} of {order.file}")
    return None


def until(mark: str, needed: str) -> Callable[[int, int], None]:
    """Ends the work once its mark is there, or a file that it needs is not."""
    looked = float("-inf")

    def look(done: int, total: int) -> None:
        nonlocal looked
        if time.monotonic() - looked > PATIENCE:
            looked = time.monotonic()
            if os.path.exists(mark) or not os.path.exists(needed):
                raise CancelledError("the caller has stopped")

    look(0, 0)
    return look
