"""Giving out parts: to workers that are slow, that are lost, that fail, that refuse, and that answer late."""

import heapq
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bigarrays as ba
from bigarrays import _executors
from bigarrays._engines import Engine, Submitit
from bigarrays._giving import is_called_off, run_parts

PARTS = [(task, task + 1) for task in range(8)]


class Scripted(Engine):
    """Workers with a clock of their own. What is given out takes 10 s, or as long as is said of it, by the order in which it is given out,
    and comes to nothing, or to what is said. What has begun goes on when it is withdrawn."""

    withdraws = False

    def __init__(self, seconds: dict[int, float], outcomes: dict[int, Exception] | None = None, mark: Any = "") -> None:
        super().__init__(None, None)
        self.count, self.clock = 4, 0.0
        self.seconds, self.outcomes, self.mark = seconds, outcomes or {}, str(mark)
        self.given: list[Any] = []
        self.futures: list[Future[Any]] = []
        self.events: list[tuple[float, int, Future[Any]]] = []
        self.free = [0.0] * self.count
        self.stopped: list[Future[Any]] = []
        self.replaced = 0
        self.late = 0

    def now(self) -> float:
        return self.clock

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        number, future = len(self.given), Future[Any]()
        start = max(heapq.heappop(self.free), self.clock)
        done = start + self.seconds.get(number, 10)
        heapq.heappush(self.free, done)
        heapq.heappush(self.events, (done, number, future))
        self.given.append(arguments[-1])
        self.futures.append(future)
        return future

    def ended(self) -> list[Future[Any]]:
        if self.events[0][0] > self.clock + 0.5:
            self.clock += 0.5
            return []
        self.clock, number, future = heapq.heappop(self.events)
        self.late += is_called_off(self.mark, self.given[number])
        error = self.outcomes.get(number)
        future.set_exception(error) if error else future.set_result(None)
        return [future]

    def stop(self, under_way: Any) -> None:
        self.stopped = list(under_way)

    def replace(self) -> bool:
        self.replaced += 1
        return True


def done(by: Engine, mark: Any = "/nowhere/mark", parts: Any = PARTS) -> list[Any]:
    return list(run_parts(by, len, parts, (), str(mark), "parts", twice=True))


def test_a_third_worker_has_what_two_slow_ones_have(tmp_path: Path) -> None:
    # The first part takes long, and so does who has it second.
    by = Scripted({0: 1000, 8: 1000}, mark=tmp_path / "mark")
    assert sorted(done(by, by.mark)) == PARTS
    assert by.given.count((0, 1)) == 3 and len(by.given) == 10
    # Both are waited for, as they may be about to write.
    assert by.late == 2 and by.clock > 1000 and not (tmp_path / "mark").exists()


def test_no_more_than_three_have_a_part() -> None:
    by = Scripted({0: 1000, **dict.fromkeys(range(8, 100), 1000.0)})
    ended = run_parts(by, len, PARTS, (), "/nowhere/mark", "parts", twice=True)
    assert [next(ended) for _ in range(7)] == PARTS[1:]
    with pytest.raises(FileNotFoundError, match="/nowhere/mark"):
        # The mark of those that are called off.
        next(ended)
    assert by.given[7:] == [(7, 8), (0, 1), (0, 1)]
    # None of them is forgotten.
    assert {by.futures[0], by.futures[8], by.futures[9]} & set(by.stopped)


@pytest.mark.parametrize("outcome", [RuntimeError("lost"), OSError("lost")])
def test_one_of_two_that_have_a_part_is_lost(tmp_path: Path, outcome: Exception) -> None:
    # The second one is; the third is in time.
    by = Scripted({0: 1000, 8: 5}, {8: outcome}, tmp_path / "mark")
    assert sorted(done(by, by.mark)) == PARTS
    assert by.given.count((0, 1)) == 3
    # The first one is, while the second goes on.
    by = Scripted({0: 25}, {0: outcome}, tmp_path / "mark")
    assert sorted(done(by, by.mark)) == PARTS and by.given.count((0, 1)) == 2 and 25 < by.clock < 35
    # Whoever has it last, after others were lost as often as is borne.
    by = Scripted({0: 1, 1: 1, 2: 1, 3: 200, 4: 5}, dict.fromkeys([0, 1, 2, 4], outcome), tmp_path / "mark")
    by.count, by.free = 1, [0.0]
    assert done(by, by.mark, PARTS[:1]) == PARTS[:1]


def test_few_that_are_left_are_given_to_two_at_once(tmp_path: Path) -> None:
    by, parts = Scripted({0: 1000, 100: 1000}, mark=tmp_path / "mark"), [(task, task + 1) for task in range(100)]
    ended = run_parts(by, len, parts, (), by.mark, "parts", twice=True)
    assert sorted(next(ended) for _ in parts) == parts
    # 99 parts by three workers; who has it second is slow, and who has it third began with them.
    assert by.given[100:] == [(0, 1)] * 2 and by.clock <= 352
    assert list(ended) == []


def test_few_parts_for_many_workers_are_given_to_two_from_the_start(tmp_path: Path) -> None:
    # Whoever has the first one is slow, and so is who has the second one as well.
    by = Scripted({0: 1000, 3: 1000}, mark=tmp_path / "mark")
    by.count, by.free = 40, [0.0] * 40
    ended = run_parts(by, len, PARTS[:2], (), by.mark, "parts", twice=True)
    assert sorted(next(ended) for _ in range(2)) == PARTS[:2]
    assert by.given == [(0, 1), (1, 2)] * 2 and by.clock == 10
    by.stop = lambda under_way: None  # type: ignore[method-assign]
    ended.close()
    # Not of more than one in twenty, nor where a part is given out once.
    for count, twice in ((39, True), (40, False)):
        by = Scripted({})
        by.count, by.free = count, [0.0] * count
        assert sorted(run_parts(by, len, PARTS[:2], (), str(tmp_path / "mark"), "parts", twice=twice)) == PARTS[:2]
        assert by.given == PARTS[:2]


def test_a_stage_may_leave_waiting_to_the_next_one(tmp_path: Path) -> None:
    by = Scripted({0: 1000}, mark=tmp_path / "mark")
    assert sorted(run_parts(by, len, PARTS, (), by.mark, "parts", twice=True, waits=False)) == PARTS
    assert by.clock < 100 and by.leaving and is_called_off(by.mark, (0, 1))
    assert sorted(done(by, tmp_path / "other")) == PARTS
    assert by.clock == 1000 and by.late and not by.leaving
    assert list(tmp_path.iterdir()) == []
    # Who ends with an error waits for them as well.
    by = Scripted({0: 1000}, mark=tmp_path / "mark")
    first = list(run_parts(by, len, PARTS, (), by.mark, "parts", twice=True, waits=False))
    assert sorted(first) == PARTS
    by.outcomes = {len(by.given): ba.InvalidArgumentError("does not fit")}
    with pytest.raises(ba.InvalidArgumentError, match="does not fit"):
        done(by, tmp_path / "other")
    assert by.futures[0] in by.stopped and list(tmp_path.iterdir()) == []


def test_a_part_whose_workers_are_lost_is_given_out_four_times(tmp_path: Path) -> None:
    for seconds in (10.0, 40.0):
        by = Scripted(dict.fromkeys([0, *range(8, 100)], seconds), dict.fromkeys([0, *range(8, 100)], RuntimeError("lost")))
        with pytest.raises(RuntimeError, match="lost") as raised:
            done(by, tmp_path / "mark")
        assert raised.value.__notes__[0] == "in (0, 1) of parts, which was given out 4 times"
        assert by.given.count((0, 1)) == 4


def test_an_error_of_the_work_ends_the_run_whoever_has_the_part_as_well() -> None:
    by = Scripted({0: 1000, 8: 5}, {8: ba.InvalidArgumentError("does not fit")})
    with pytest.raises(ba.InvalidArgumentError, match="does not fit"):
        done(by)
    assert by.futures[0] in by.stopped and not by.futures[0].done()


def test_ctrl_c_while_two_have_a_part_stops_both(tmp_path: Path) -> None:
    class Stopped(Scripted):
        def ended(self) -> list[Future[Any]]:
            if self.given.count((0, 1)) == 2:
                raise KeyboardInterrupt
            return super().ended()

        def stop(self, under_way: Any) -> None:
            super().stop(under_way)
            assert is_called_off(self.mark) and is_called_off(self.mark, (0, 1))

    by = Stopped({0: 1000}, mark=tmp_path / "mark")
    with pytest.raises(KeyboardInterrupt):
        done(by, by.mark)
    assert {by.futures[0], by.futures[8]} <= set(by.stopped) and not (tmp_path / "mark").exists()


def test_ctrl_c_while_those_are_waited_for_that_were_called_off(tmp_path: Path) -> None:
    class Settling(Scripted):
        def ended(self) -> list[Future[Any]]:
            if is_called_off(self.mark, (0, 1)) and self.clock > 500:
                raise KeyboardInterrupt
            return super().ended()

    by = Settling({0: 1000}, mark=tmp_path / "mark")
    with pytest.raises(KeyboardInterrupt):
        done(by, by.mark)
    assert by.stopped == [by.futures[0]] and not (tmp_path / "mark").exists()


class Broken(Scripted):
    """Loses all workers whenever one is at a part, of which another one is the first to be known as lost."""

    poison = (3, 4)

    def ended(self) -> list[Future[Any]]:
        if not any(self.given[number] == self.poison for _, number, _ in self.events):
            return super().ended()
        ended = super().ended()
        lost = sorted(self.events, key=lambda event: self.given[event[1]] == self.poison)
        self.events.clear()
        for _, _, future in lost:
            future.set_exception(BrokenExecutor("lost"))
        return [*ended, *(future for _, _, future in lost)]


def test_a_part_that_ends_all_workers_ends_the_run_soon(tmp_path: Path) -> None:
    by = Broken({})
    parts = [(task, task + 1) for task in range(1000)]
    with pytest.raises(BrokenExecutor) as raised:
        done(by, "/nowhere/mark", parts)
    assert by.replaced <= 4 and len(by.given) < 50
    assert any("of parts, which was given out 4 times" in note for note in raised.value.__notes__)


def test_what_was_called_off_leaves_no_mark_when_all_workers_are_lost(tmp_path: Path) -> None:
    class Once(Scripted):
        def ended(self) -> list[Future[Any]]:
            if not is_called_off(self.mark, (0, 1)) or self.replaced:
                return super().ended()
            futures = [future for _, _, future in self.events]
            self.events.clear()
            for future in futures:
                future.set_exception(BrokenExecutor("lost"))
            return futures

    # The first part and the second take long; while one is called off, all are lost.
    by = Once({0: 1000, 1: 60}, mark=tmp_path / "mark")
    assert sorted(done(by, by.mark)) == PARTS
    assert by.replaced == 1 and not (tmp_path / "mark").exists()


def test_executors_that_refuse(tmp_path: Path) -> None:
    class Refusing(Scripted):
        most = 0

        def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
            if len(self.given) == self.most:
                raise RuntimeError("cannot schedule new futures after shutdown")
            return super().submit(work, *arguments)

    by = Refusing({0: 100})
    by.most = 5
    with pytest.raises(RuntimeError, match="after shutdown") as raised:
        done(by)
    assert raised.value.__notes__[0] == "when (5, 6) of parts was given out" and len(by.stopped) > 0
    # Nobody else takes what takes long: whoever has it goes on.
    by.__init__({0: 100})  # type: ignore[misc]
    by.most = 8
    assert sorted(done(by)) == PARTS and by.clock == 100
    with ThreadPoolExecutor(1) as executor:
        pass
    array = ba.create(tmp_path / "a", shape=(4,), dtype="int16", format="zarr3")
    with pytest.raises(RuntimeError, match="after shutdown") as raised:
        (array.lazy + 1).save(tmp_path / "b", executor=executor, format="zarr3")
    assert "(0, 1) of stage 0 of" in raised.value.__notes__[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_jobs_of_slurm_that_others_have_done_leave_the_queue() -> None:
    class Job:
        state = "PENDING"

        def cancel(self, check: bool) -> None:
            self.state = "CANCELLED"

        def done(self) -> bool:
            return self.state == "CANCELLED"

        def result(self) -> None:
            raise RuntimeError(self.state)

    executor = SimpleNamespace(parameters={}, cluster="slurm", submit=lambda *_: Job())
    by = Submitit(executor, None)
    future = by.submit(len, ())
    assert by.ended() == [] and not by.withdraw(future)
    assert by.ended() == [future] and isinstance(future.exception(), RuntimeError)


def test_workers_forget_plans_that_they_do_not_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_executors, "_IDLE", 0.2)
    array = ba.create(tmp_path / "a", shape=(40, 40), dtype="float32", format="zarr3", chunk_shape=(10, 10))
    array[...] = 1
    with ThreadPoolExecutor(1) as executor:
        saved = (array.lazy + 1).save(tmp_path / "b", executor=executor, format="zarr3", chunk_shape=(10, 10))
    assert _executors._known.cache_info().currsize == 1
    timer = _executors._idle._timer
    assert timer is not None
    timer.join(30)
    assert _executors._known.cache_info().currsize == 0 and saved[0, 0] == 2
