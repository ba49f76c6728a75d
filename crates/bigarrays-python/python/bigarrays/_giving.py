"""Giving out parts of the work to workers: bounded in number, again if a worker was lost, and twice if one takes long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import CancelledError as Withdrawn
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Generic, NamedTuple, TypeVar

from ._bigarrays import Error
from ._engines import PATIENCE, Engine

#: How often a part is given out again whose worker was lost.
_TRIES = 3

#: A part that takes so many times as long as others of its size is given to an idle worker as well, after so many seconds at the least.
_SLOW, _LONG = 1.5, 2.0

#: Parts whose durations are known: of those that were done last.
_KNOWN = 1000

_T = TypeVar("_T")


class Answer(NamedTuple):
    """What a worker gives back."""

    value: Any


@dataclass(slots=True)
class _Given(Generic[_T]):
    """A part that a worker has."""

    part: _T
    tries: int
    # What another worker makes of it, if one has it as well.
    twin: Future[Any] | None = None


def size_of(part: Any) -> int:
    """How many tasks a part has."""
    return part[1] - part[0] if isinstance(part, tuple) and isinstance(part[0], int) else 1


class Pace:
    """How long parts take. Workers are assumed to begin parts in the order in which they are given out, as many as there are workers."""

    def __init__(self, by: Engine) -> None:
        self._by = by
        self._waiting: deque[Future[Any]] = deque()
        self._begun: dict[Future[Any], float] = {}
        self._rates: deque[float] = deque(maxlen=_KNOWN)
        self._looked = float("-inf")

    def given(self, future: Future[Any]) -> None:
        """A part was given out."""
        self._waiting.append(future)
        self._begin()

    def ended(self, future: Future[Any], size: int | None) -> None:
        """A part has ended; without a size if it was not done."""
        begun = self._begun.pop(future, None)
        if begun is not None and size:
            self._rates.append((self._by.now() - begun) / size)
        self._begin()

    def slow(self, under_way: dict[Future[Any], _Given[Any]], most: int) -> list[Future[Any]]:
        """The parts that should have ended, those first that are the latest."""
        now = self._by.now()
        if most <= 0 or not self._rates or now - self._looked < PATIENCE:
            return []
        self._looked = now
        usual, late = median(self._rates), []
        for future, begun in self._begun.items():
            given = under_way.get(future)
            if given is None or given.twin is not None:
                continue
            if not self._by.has_begun(future):
                self._begun[future] = now
                continue
            expected = usual * size_of(given.part)
            if now - begun > max(_SLOW * expected, _LONG):
                late.append((now - begun - expected, future))
        late.sort(key=lambda one: one[0], reverse=True)
        return [future for _, future in late[:most]]

    def _begin(self) -> None:
        now = self._by.now()
        while self._waiting and len(self._begun) < self._by.count:
            future = self._waiting.popleft()
            if not future.done():
                self._begun[future] = now


class _Giving(Generic[_T]):
    """What was given out, and what is left."""

    def __init__(
        self, by: Engine, parts: Iterable[_T], submit: Callable[[_T], Future[Any]], mark: str | None, what: str, twice: bool
    ) -> None:
        self._by, self._submit, self._mark, self._what = by, submit, mark, what
        self._fresh: Iterator[_T] = iter(parts)
        self._again: deque[tuple[_T, int]] = deque()
        self._under_way: dict[Future[Any], _Given[_T]] = {}
        # Parts that others have done, and that somebody still has.
        self._late: set[Future[Any]] = set()
        self._pace = Pace(by) if twice and mark is not None else None
        # Losses of all workers since any part was done.
        self._losses = 0

    def give(self) -> bool:
        """Gives out as much as there is room for. Whether anything is under way."""
        while len(self._under_way) < self._by.ahead * self._by.count:
            given = self._again.popleft() if self._again else next(((part, 0) for part in self._fresh), None)
            if given is None:
                self._give_twice()
                break
            self._note(self._submit(given[0]), _Given(*given))
        return bool(self._under_way)

    def take(self, future: Future[Any], answers: dict[_T, Any] | None) -> tuple[list[_T], bool]:
        """What is done now that a future has ended, and whether its worker was lost with all others."""
        self._late.discard(future)
        if (given := self._under_way.pop(future, None)) is None:
            # Of a worker that was replaced, or of a part that another one has done.
            return [], False
        error = _returned(future)
        is_done = not isinstance(error, BaseException)
        if self._pace is not None:
            self._pace.ended(future, size_of(given.part) if is_done else None)
        twin = given.twin
        if not isinstance(error, BaseException):
            if error is not None and answers is not None:
                answers[given.part] = error.value
            self._losses = 0
            if twin is not None:
                self._withdraw(twin)
            return [given.part], False
        if isinstance(error, Error) or given.tries == _TRIES or not isinstance(error, Exception):
            if not isinstance(error, Error) and given.tries == _TRIES:
                error.add_note(f"in {given.part} of {self._what}, which was given out {_TRIES + 1} times")
            raise error
        if twin is not None:
            # The other one goes on alone.
            self._under_way[twin].twin = None
            self._under_way[twin].tries = given.tries + 1
        else:
            self._again.appendleft((given.part, given.tries + 1))
        return [], isinstance(error, BrokenExecutor)

    def replace(self) -> None:
        """Goes on with other workers: all that was under way is lost."""
        lost = {id(given): given for given in self._under_way.values()}
        seen: set[Future[Any]] = set()
        for future, given in self._under_way.items():
            seen.add(future)
            if given.twin in seen:
                del lost[id(given)]
        self._again.extendleft((given.part, given.tries) for given in lost.values())
        self._under_way.clear()
        self._late.clear()
        if self._pace is not None:
            self._pace = Pace(self._by)
        self._losses += 1
        if self._losses > _TRIES or not self._by.replace():
            parts = ", ".join(f"{given.part}" for given in lost.values())
            raise BrokenExecutor(f"the executor lost its workers at {self._what}, {parts}")

    def settle(self) -> None:
        """Waits for those that have been called off: they may be about to write."""
        if self._late and self._mark is not None:
            while any(not future.done() for future in self._late):
                self._by.ended()
            Path(self._mark).unlink(missing_ok=True)

    def stop(self) -> None:
        """Has all workers stop, and waits for them: they write where the plan's folder is, which may be removed then."""
        left = [*self._under_way, *self._late]
        if self._mark is None:
            self._by.stop(left)
            return
        Path(self._mark).write_text("")
        # Who does not wait, by another Ctrl-C, leaves it for tasks that have not begun.
        self._by.stop(left)
        Path(self._mark).unlink(missing_ok=True)

    def _note(self, future: Future[Any], given: _Given[_T]) -> None:
        self._under_way[future] = given
        if self._pace is not None:
            self._pace.given(future)

    def _give_twice(self) -> None:
        """Gives parts that take long to idle workers as well."""
        if self._pace is None:
            return
        for future in self._pace.slow(self._under_way, self._by.count - len(self._under_way)):
            given = self._under_way[future]
            given.twin = self._submit(given.part)
            self._note(given.twin, _Given(given.part, given.tries, future))

    def _withdraw(self, future: Future[Any]) -> None:
        """Has whoever has a part as well that is done leave it."""
        given = self._under_way.pop(future)
        self._by.called_off += size_of(given.part)
        if self._pace is not None:
            self._pace.ended(future, None)
        if self._mark is not None and not (self._by.withdraws and future.cancel()):
            with open(self._mark, "a") as file:
                file.write(f"{given.part}\n")
            self._late.add(future)


def run_parts(
    by: Engine,
    work: Callable[..., Any],
    parts: Iterable[_T],
    arguments: tuple[Any, ...],
    mark: str | None,
    what: str,
    answers: dict[_T, Any] | None = None,
    *,
    twice: bool = False,
) -> Generator[_T]:
    """Has workers do `work(*arguments, part)` for each part. Gives parts that are done. What work returns is an error, None, or an
    answer.

    Args:
        by: The workers.
        work: A function that workers can import.
        parts: Any number of them. Some are under way at the same time: a few for each worker.
        arguments: What all parts have in common.
        mark: A file that is made so that workers stop, if they look for one (`is_called_off`).
        what: What it is, in errors.
        answers: Where answers go, by parts.
        twice: Whether two workers may do a part at the same time. Once all parts are given out, those that take long are given to idle
            workers as well; who is first counts, and the other one is called off, and waited for in the end.
    """
    giving = _Giving(by, parts, lambda part: by.submit(work, *arguments, part), mark, what, twice)
    try:
        while giving.give():
            is_lost = False
            for future in by.ended():
                done, was_lost = giving.take(future, answers)
                is_lost |= was_lost
                yield from done
            if is_lost:
                giving.replace()
        giving.settle()
    except BaseException:
        giving.stop()
        raise


def is_called_off(mark: str, part: Any = None) -> bool:
    """Whether the caller has all workers stop, or those that do this part."""
    try:
        text = Path(mark).read_text()
    except OSError:
        return False
    return not text or f"{part}" in text.splitlines()


def _returned(future: Future[Any]) -> BaseException | Answer | None:
    """What a worker has returned, or what became of it."""
    try:
        returned: BaseException | Answer | None = future.exception() or future.result()
    except Withdrawn as error:
        return error
    return returned
