"""Giving out parts of the work to workers: bounded in number, again if a worker was lost, and twice if one takes long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import CancelledError as Withdrawn
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from ._bigarrays import Error
from ._engines import PATIENCE, Engine

#: How often a part is given out again whose worker was lost.
_TRIES = 3

#: A part that takes so many times as long as three in four of its size is given to an idle worker as well, after so many seconds at the
#: least; sooner, and to two, if no more than one in so many is left. So few parts of a stage as one for so many workers are given to two of them
#: from the start.
_SLOW, _SOONER, _FEW, _LONG = 1.25, 1.1, 20, 2.0

#: The most workers that have a part at the same time. Who has it second may be slow as well.
_COPIES = 3

#: What the mark says for all parts.
_ALL = "all"

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
    # What all workers make of it that have it, the last one at the end.
    copies: list[Future[Any]] = field(default_factory=list)

    def room(self) -> int:
        """How many workers more may have it."""
        return min(_COPIES, _TRIES + 1 - self.tries) - len(self.copies)


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
        self._done = 0
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
            self._done += 1
        self._begin()

    def slow(self, under_way: dict[Future[Any], _Given[Any]], most: int) -> list[_Given[Any]]:
        """The parts that should have ended, those first that are the latest, once for each worker that is to have one as well."""
        now = self._by.now()
        if not self._done and len(under_way) * _FEW <= self._by.count:
            # Nobody knows yet how long one takes, and a slow worker would have one for all of the stage.
            return [given for given in under_way.values() if len(given.copies) == 1 and given.room() > 0]
        if most <= 0 or not self._rates or now - self._looked < PATIENCE:
            return []
        self._looked = now
        are_few = len(under_way) * _FEW <= self._done
        factor = _SOONER if are_few else _SLOW
        usual, late = sorted(self._rates)[3 * len(self._rates) // 4], []
        for future, begun in self._begun.items():
            given = under_way.get(future)
            if given is None or given.copies[-1] is not future or given.room() <= 0:
                continue
            if not self._by.has_begun(future):
                self._begun[future] = now
                continue
            expected = usual * size_of(given.part)
            if now - begun > max(factor * expected, _LONG):
                late.append((now - begun - expected, given))
        late.sort(key=lambda one: one[0], reverse=True)
        parts = [given for _, given in late]
        twice = [given for given in parts if are_few and given.room() > 1]
        return [*parts, *twice][:most]

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
        # Whether anybody has been called off, and whether any part is done.
        self._has_mark = self._has_done = False

    def give(self) -> bool:
        """Gives out as much as there is room for. Whether anything is under way."""
        while len(self._under_way) < self._by.ahead * self._by.count:
            given = self._again.popleft() if self._again else next(((part, 0) for part in self._fresh), None)
            if given is None:
                self._give_twice()
                break
            try:
                future = self._submit(given[0])
            except Exception as error:
                error.add_note(f"when {given[0]} of {self._what} was given out")
                raise
            self._note(future, _Given(*given))
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
        others = [other for other in given.copies if other is not future]
        if not isinstance(error, BaseException):
            if error is not None and answers is not None:
                answers[given.part] = error.value
            self._has_done = True
            for other in others:
                self._withdraw(other)
            return [given.part], False
        if isinstance(error, Error) or not isinstance(error, Exception):
            raise error
        are_all_lost = isinstance(error, BrokenExecutor)
        # Those that are lost with it are counted once.
        given.tries += not (others and are_all_lost)
        if others:
            # They go on without it.
            given.copies.remove(future)
        else:
            self._give_again(given, error)
        return [], are_all_lost

    def replace(self) -> None:
        """Goes on with other workers: all that was under way is lost, and nobody knows by which part."""
        lost = list({id(given): given for given in self._under_way.values()}.values())
        self._under_way.clear()
        self._late.clear()
        if self._pace is not None:
            self._pace = Pace(self._by)
        parts = ", ".join(f"{given.part}" for given in lost)
        error = BrokenExecutor(f"the executor lost its workers at {self._what}, {parts}")
        if not self._by.replace():
            raise error
        for given in lost:
            given.tries += 1
            self._give_again(given, error)

    def settle(self, waits: bool) -> None:
        """Waits for those that have been called off, as they may be about to write; or leaves that to the next stage that waits."""
        self._by.leaving.update(self._late)
        self._late.clear()
        if self._has_mark and self._mark is not None:
            self._by.marks.add(self._mark)
        if waits:
            settle(self._by)

    def stop(self, error: BaseException) -> None:
        """Has all workers stop, and waits for them: they write where the plan's folder is, which may be removed then."""
        left = [*self._under_way, *self._late, *self._by.leaving]
        if self._mark is None:
            self._by.stop(left)
            return
        self._by.marks.add(self._mark)
        try:
            Path(self._mark).write_text(f"{_ALL}\n")
        except OSError as refused:
            error.add_note(f"workers cannot be told to stop: {refused}")
        # Who does not wait, by another Ctrl-C, leaves it for tasks that have not begun.
        self._by.stop(left)
        remove_marks(self._by)

    def _note(self, future: Future[Any], given: _Given[_T]) -> None:
        given.copies.append(future)
        self._under_way[future] = given
        if self._pace is not None:
            self._pace.given(future)

    def _give_again(self, given: _Given[_T], error: Exception) -> None:
        """Has another worker do what nobody has any more, unless it was given out often enough."""
        if given.tries > _TRIES:
            error.add_note(f"in {given.part} of {self._what}, which was given out {given.tries} times")
            if isinstance(error, BrokenExecutor) and not self._has_done and self._by.advice:
                error.add_note(self._by.advice)
            raise error
        self._again.appendleft((given.part, given.tries))

    def _give_twice(self) -> None:
        """Gives parts that take long to idle workers as well."""
        if self._pace is None:
            return
        for given in self._pace.slow(self._under_way, self._by.count - len(self._under_way)):
            try:
                twin = self._submit(given.part)
            except Exception:
                # Those that have all parts go on, and say what they meet.
                self._pace = None
                return
            self._note(twin, given)

    def _withdraw(self, future: Future[Any]) -> None:
        """Has whoever has a part as well that is done leave it."""
        # It is waited for whatever happens here.
        self._late.add(future)
        given = self._under_way.pop(future)
        if self._pace is not None:
            self._pace.ended(future, None)
        if self._by.withdraw(future):
            self._late.discard(future)
            return
        self._by.called_off += size_of(given.part)
        if self._mark is not None:
            self._has_mark = True
            with open(self._mark, "a") as file:
                file.write(f"{given.part}\n")


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
    waits: bool = True,
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
        twice: Whether several workers may do a part at the same time. Once all parts are given out, those that take long are given to
            idle workers as well; who is first counts, and the others are called off, and waited for in the end.
        waits: Whether those that were called off are waited for here, and not by the next stage that waits (`settle`): what they may be about to
            write is read by nobody who minds that it is written again.
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
        giving.settle(waits)
    except BaseException as error:
        giving.stop(error)
        raise


def settle(by: Engine) -> None:
    """Waits for all that have been called off."""
    while any(not future.done() for future in by.leaving):
        by.ended()
    by.leaving.clear()
    remove_marks(by)


def remove_marks(by: Engine) -> None:
    """Removes the marks by which workers were called off."""
    for mark in by.marks:
        Path(mark).unlink(missing_ok=True)
    by.marks.clear()


def is_called_off(mark: str, part: Any = None) -> bool:
    """Whether the caller has all workers stop, or those that do this part."""
    try:
        text = Path(mark).read_text()
    except OSError:
        return False
    # A line that is being written is none yet.
    lines = text[: text.rfind("\n") + 1].splitlines()
    return _ALL in lines or f"{part}" in lines


def _returned(future: Future[Any]) -> BaseException | Answer | None:
    """What a worker has returned, or what became of it."""
    try:
        returned: BaseException | Answer | None = future.exception() or future.result()
    except Withdrawn as error:
        return error
    return returned
