"""Plans in files, whose parts any process runs."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from os.path import abspath, exists
from operator import index
from typing import Any, NamedTuple

from ._bigarrays import AlreadyExistsError, Array, InvalidArgumentError, _PlanFile, create, remove
from ._lazy import Lazy
from ._progress import Progress, reporter
from ._targets import expect_apart, expect_room, target, warn_of_redone


class PlannedStage(NamedTuple):
    """Tasks of a plan that may run at the same time, once those of earlier stages are done."""

    tasks: int
    """How many there are; they are called 0, 1, …"""

    work: str
    """What a task does: it makes a block of results, folds some of the elements that become one, gathers what many others have folded, or
    merges that."""

    text: str
    """What is computed."""

    bytes: int
    """Bytes of the elements that all tasks together read or compute."""

    in_one_process: bool
    """Whether one process is to run all tasks, since some write to the same chunk or shard of a result: to shards that are no boxes, or
    to a copy of the result in other chunks. What several processes have written is right as well, but is written again in the end."""


class Plan:
    """A plan in a file: what is computed, of which arrays, into which, and how it is cut into tasks.

    Tasks write whole chunks, and nothing but the plan decides what: any process that sees the same files or buckets runs them, with
    the same bits, again if need be, and at the same time. What they leave for each other is in a folder beside the file, of the
    same name with `.parts` behind it. A plan can be pickled: as the path of its file.

    Example:
        >>> x = bigarrays.create("/tmp/bigarrays-plan/x", shape=(100,), dtype="int16")  # doctest: +SKIP
        >>> plan = bigarrays.plan({"/tmp/bigarrays-plan/y": x.lazy + 1}, "/tmp/bigarrays-plan/plan.json")  # doctest: +SKIP
        >>> for number, stage in enumerate(plan.stages):  # in any number of processes  # doctest: +SKIP
        ...     plan.run(number, (0, stage.tasks))
        >>> plan.run()  # looks up what is done, and ends the job  # doctest: +SKIP
    """

    def __init__(self, file: str | PathLike[str], *, storage_options: dict[str, str] | None = None) -> None:
        """Opens a plan, and the arrays that it is of.

        Args:
            file: The file that `bigarrays.plan` or `bigarrays compute --plan-only` has written.
            storage_options: As `open` has it, of all stores: secrets are in no plan.

        Raises:
            InvalidArgumentError: It is no plan, or one of another version, or an array is not as it was when it was written.
            NotFoundError: The file or an array is not there.
        """
        self._file = abspath(fspath(file))
        self._storage_options = dict(storage_options or {})
        self._inner = _PlanFile.open(self._file, self._storage_options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self._file, self._storage_options)

    def __repr__(self) -> str:
        stages = ", ".join(f"{stage.tasks} × {stage.work}" for stage in self.stages)
        return f"<bigarrays.Plan {self._file!r}: {stages}>"

    @property
    def file(self) -> str:
        """The path of the file."""
        return self._file

    @property
    def stages(self) -> list[PlannedStage]:
        """What is done, in its order."""
        known = self._inner.stages
        return [PlannedStage(tasks, work, text, size, in_one) for text, work, tasks, size, in_one in known]

    @property
    def done(self) -> bool:
        """Whether all results are complete."""
        return self._inner.is_done

    def run(
        self,
        stage: int | None = None,
        tasks: tuple[int, int] | None = None,
        *,
        memory: int | None = None,
        executor: Any = None,
        processes: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Runs tasks of a stage; or, without one, looks up what is done, does what is left or has changed since, and marks the
        results as complete.

        Args:
            stage: The number of the stage, of which earlier ones are done.
            tasks: The first task, and the one behind the last; all if None. Numbers that there are not are left out.
            memory: The most bytes that the work may use; a quarter of what the process may use if None.
            executor: As `bigarrays.save` has it; without a stage. What was done before the caller or its workers ended is kept, and
                the same call goes on with it.
            processes: As `bigarrays.save` has it; without a stage.
            progress: As `Lazy.compute` has it.

        Raises:
            InvalidArgumentError: There is no such stage, or tasks of an earlier one have not been run.
            MemoryBudgetError: A task does not fit into the memory.

        Warns:
            UserWarning: Finished blocks were done again, as they, or what they were made of, had changed.
        """
        if stage is None and tasks is not None:
            raise InvalidArgumentError("tasks are those of a stage: say which")
        expect_tasks(stage, tasks)
        if executor is not None or processes is not None:
            self._run_by(executor, processes, stage, memory, progress)
            return
        warn_of_redone(self._inner._run(stage, tasks, memory, reporter(progress, "computing")))

    def _run_part(self, stage: int, tasks: tuple[int, int], memory: int | None, stop: Callable[[], object]) -> None:
        """As `run`; what `stop` raises, which is called about ten times a second, ends the work, within a task as well."""
        self._inner._run(stage, tasks, memory, None, stop)

    def _end(self, memory: int | None, called_off: int) -> None:
        """Looks up what is done, and ends the job. Tasks that were called off may have written a part of what others had noted: it is made
        again, and nobody is warned."""
        warn_of_redone(max(self._inner._run(None, None, memory, None) - called_off, 0))

    def finish(self) -> None:
        """Ends the job, of which all tasks have been run: marks the results as complete, without looking up versions of what was written
        or read. To look these up in many processes, run all tasks once more before.

        Raises:
            InvalidArgumentError: Tasks have not been run.
        """
        self._inner.finish()

    def _run_by(
        self, executor: Any, processes: int | None, stage: int | None, memory: int | None, progress: Progress | None
    ) -> None:
        from ._executors import expect_one, run_plan, workers

        if stage is not None:
            raise InvalidArgumentError("executor= and processes= run all stages")
        expect_one(executor, processes)
        if not self.done:
            with workers(executor, processes, memory) as by:
                run_plan(self, by, progress)


def expect_tasks(stage: Any, tasks: Any) -> None:
    """Refuses what is no number of a stage, or no range of numbers of tasks."""
    try:
        first, end = (0, 0) if tasks is None else map(index, tasks)
        if not 0 <= index(stage or 0) < 2**63 or not 0 <= first <= end < 2**63:
            raise ValueError
    except (TypeError, ValueError):
        reason = "a stage is a number, and its tasks are the first and the one behind the last"
        raise InvalidArgumentError(f"stage {stage!r}, tasks {tasks!r}: {reason}") from None


def _opened(file: str, storage_options: dict[str, str]) -> Plan:
    return Plan(file, storage_options=storage_options)


def plan(
    results: dict[Any, Lazy],
    file: str | PathLike[str],
    *,
    memory: int | None = None,
    workers: int | None = None,
    threads: int | None = None,
    scratch: str | PathLike[str] | None = None,
    **options: Any,
) -> Plan:
    """Plans expressions, each into a new array, for any processes to compute. The arrays are made, marked as incomplete; nothing is
    computed.

    Operands in memory go with the plan: in its file up to 1 MiB, else in files beside it (`plan.json.operand-0.npy`). So do functions
    of `map_blocks`: by module and name if other processes can import them, else pickled by cloudpickle, with digests of the files of
    the user's own modules that they are of or call. What else they read, such as environment variables, nobody knows. Whoever
    opens a plan runs what is pickled there: open plans that you trust.

    Args:
        results: The expressions, by where their arrays are made.
        file: Where the plan is written; there must be no file.
        memory: The most bytes that each process may use; a quarter of what this one may use if None.
        workers: How many processors will work on the plan, on whatever machines: it has as many tasks as keep them busy. Those of this
            machine if None.
        threads: How many threads each of these processes will have: together they have to do with `memory`. Those of this process if
            None.
        scratch: A folder that all processes see, for results that later stages take; the one beside the file if None.
        options: As `bigarrays.save` has them.

    Raises:
        AlreadyExistsError: There is a file or an array.
        InvalidArgumentError: Other processes cannot read what the expressions are of: arrays of `memory://`, what another library
            reads, functions that cannot be pickled, URLs with secrets.
        MemoryBudgetError: A task does not fit into the memory; nothing was made.
    """
    if exists(file):
        raise AlreadyExistsError(f"{fspath(file)}: there is a file already")
    expect_apart(results)
    expect_room(results, options, memory, scratch)
    storage_options = options.get("storage_options") or {}
    made: dict[Any, Array] = {}
    try:
        for url, result in results.items():
            made[url] = target(create, result, url, options)
        pairs = [(result._inner, made[url]) for url, result in results.items()]
        _PlanFile.write(abspath(fspath(file)), pairs, memory, (workers, threads), scratch, storage_options)
    except BaseException:
        for url in made:
            remove(url, storage_options=storage_options)
        raise
    return Plan(file, storage_options=storage_options)
