"""Engines that run tasks in other processes: how many workers each has, what they may use, and how they are asked."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any, NamedTuple

from ._bigarrays import InvalidArgumentError, MemoryBudgetError

#: Seconds after which the caller is asked again whether to stop.
PATIENCE = 0.5

#: Bytes of a worker beside the budget of its task: the interpreter, and modules.
OVERHEAD = 256 << 20

#: How many times slower a worker may be without being waited for at the end.
_SLOWEST = 4

#: Jobs of a batch system at the same time, unless its executor says how many.
_JOBS = 16


class Told(NamedTuple):
    """What a worker has to know beside its work."""

    # The process that asks, which may be the worker itself.
    asks: tuple[str, int]
    threads: int | None

    @staticmethod
    def here() -> tuple[str, int]:
        """This process."""
        return socket.gethostname(), os.getpid()


class Engine:
    """Anything like `concurrent.futures.Executor`, such as `mpi4py.futures.MPIPoolExecutor`.

    Attributes:
        count: How many tasks run at the same time.
        ahead: How many are under way for each of these, so that no worker waits for the next one.
        pieces: How many parts a worker would have of a stage, if all were as large as the first is, and as the last.
        threads: How many threads a task may use; None if its process finds that out.
        memory: The most bytes that a task may use; None for a quarter of what its process may use.
        called_off: Tasks that another worker has done meanwhile.
        leaving: What workers have that were called off, and may still be at it.
        marks: The files by which they have been called off.
        withdraws: Whether cancelling a future keeps a task that has not begun from beginning, and leaves one that has alone.
        advice: What may be the matter if no worker ever does anything.
    """

    ahead = 2
    pieces = (8, 64)
    withdraws = True
    advice = ""

    def __init__(self, executor: Any, memory: int | None) -> None:
        names = ("num_workers", "_max_workers", "workers")
        counts = [count for name in names if isinstance(count := getattr(executor, name, None), int) and count > 0]
        self.count: int = counts[0] if counts else os.cpu_count() or 1
        self.threads: int | None = None
        self.memory = memory
        self.executor = executor
        self.called_off = 0
        self.leaving: set[Future[Any]] = set()
        self.marks: set[str] = set()
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def limits(self) -> dict[str, Any]:
        """What plans for these workers are made for, as `bigarrays.plan` takes it."""
        return {"memory": self.memory, "workers": self.count * (self.threads or 1), "threads": self.threads}

    def own_memory(self) -> int | None:
        """The most bytes that this process may use for a plan: as many for each of its threads as a task has for each of its own."""
        if self.memory is None:
            return None
        own = int(os.environ.get("BIGARRAYS_THREADS") or os.cpu_count() or 1)
        return self.memory * max(-(-own // (self.threads or own)), 1)

    def told(self) -> Told:
        """What its workers have to know."""
        return Told(Told.here(), self.threads)

    def parts(self, tasks: int) -> Iterator[tuple[int, int]]:
        """Ranges of so many tasks, each for a worker: large ones first, and smaller ones towards the end, since whoever is slow has the
        last one for long."""
        coarsest, finest = (max(-(-tasks // (of * self.count)), 1) for of in self.pieces)
        first = 0
        while first < tasks:
            size = min(max((tasks - first) // (_SLOWEST * self.count), finest), coarsest)
            yield first, min(first + size, tasks)
            first += size

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Has a worker do this. `ended` gives what is returned."""
        future: Future[Any] = self.executor.submit(work, *arguments)
        future.add_done_callback(self._ended.put)
        return future

    def ended(self) -> list[Future[Any]]:
        """Futures that are done since the last call; none if none ends soon. A future of a worker that was replaced may be
        among them."""
        try:
            return [self._ended.get(timeout=PATIENCE)]
        except Empty:
            return []

    def now(self) -> float:
        """Seconds of the clock that durations are taken by."""
        return monotonic()

    def has_begun(self, future: Future[Any]) -> bool:
        """Whether a part runs, as far as that is known: a task may wait for a worker for long."""
        return True

    def withdraw(self, future: Future[Any]) -> bool:
        """Keeps a part from beginning. Whether nobody is at it."""
        return self.withdraws and future.cancel()

    def replace(self) -> bool:
        """Whether there are other workers in place of those that are lost."""
        return False

    def stop(self, under_way: Iterable[Future[Any]]) -> None:
        """Waits until no worker is at any of these. Tasks see on their own that they are to stop."""
        for future in [future for future in under_way if not self.withdraw(future)]:
            while not future.done():
                self.ended()

    def close(self) -> None:
        """Gives back what was made here."""


class Processes(Engine):
    """Processes of this machine, which share its cores, and a budget if there is one."""

    advice = "processes import the script that is run: what it does has to stand under `if __name__ == \"__main__\":`"

    def __init__(self, processes: int, memory: int | None) -> None:
        self._threads = max((os.cpu_count() or 1) // processes, 1)
        super().__init__(self._made(processes), memory if memory is None else max(memory // processes, 1))
        self.count, self.threads, self._is_stopped = processes, self._threads, False

    def _made(self, processes: int) -> Executor:
        # Not forked: threads of this process would be missing there.
        return ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(self._threads,)
        )

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            return super().submit(work, *arguments)
        except BrokenExecutor:
            self.replace()
            return super().submit(work, *arguments)

    def replace(self) -> bool:
        self.stop(())
        self.executor, self._is_stopped = self._made(self.count), False
        return True

    def stop(self, under_way: Iterable[Future[Any]]) -> None:
        self._is_stopped = True
        # They are at nothing else.
        for process in list((getattr(self.executor, "_processes", None) or {}).values()):
            process.kill()
        self.executor.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        # Of processes that were killed, the pool may wait for ever.
        self.executor.shutdown(wait=not self._is_stopped)


def _begin(threads: int) -> None:
    """What a process of a pool does first."""
    os.environ.setdefault("BIGARRAYS_THREADS", str(threads))
    # Ctrl-C stops the caller, which stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Dask(Engine):
    """A `distributed.Client`, or an executor of one. A worker runs one task at a time, with all of its threads."""

    withdraws = False

    def __init__(self, client: Any, memory: int | None) -> None:
        try:
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
        except TypeError:
            # It has not yet learnt to leave workers out.
            workers = client.scheduler_info()["workers"].values()
        limits = [worker["memory_limit"] for worker in workers if worker.get("memory_limit")]
        granted = within(memory, min(limits, default=None), "workers of Dask")
        # Where workers declare memory as a resource, tasks take their part of it.
        declared = [worker.get("resources", {}).get("MEMORY", 0) for worker in workers]
        resources = {"MEMORY": granted} if granted and declared and min(declared) >= granted else None
        super().__init__(client.get_executor(pure=False, resources=resources), granted)
        self.count = max(len(workers), 1)
        self.threads = min((worker["nthreads"] for worker in workers), default=None)


class Ray(Engine):
    """The module `ray`, once `ray.init` was called. A task takes one processor."""

    withdraws = False

    def __init__(self, ray: Any, memory: int | None) -> None:
        if not ray.is_initialized():
            raise InvalidArgumentError("executor=ray: call ray.init first")
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not nodes:
            raise InvalidArgumentError("executor=ray: no node has a processor")
        each = min(int(node.get("memory", 0) / node["CPU"]) for node in nodes) or None
        # Only a task that declares its memory may have more than a processor's share.
        largest = int(max(node.get("memory", 0) for node in nodes)) - OVERHEAD
        granted = within(memory, largest if memory is not None else each, "nodes of Ray")
        self._options: dict[str, Any] = {"num_cpus": 1, "max_retries": 0}
        if memory is not None:
            self._options["memory"] = memory + OVERHEAD
        super().__init__(None, granted)
        takes = self._options.get("memory", 0)
        fits = [min(node["CPU"], node.get("memory", 0) // takes if takes else node["CPU"]) for node in nodes]
        self.count, self.threads = max(int(sum(fits)), 1), 1
        self._ray = ray

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if self.executor is None:
            self.executor = self._ray.remote(work).options(**self._options)
        future: Future[Any] = self.executor.remote(*arguments).future()
        future.add_done_callback(self._ended.put)
        return future


class Submitit(Engine):
    """An executor of submitit: each task is a job of Slurm, or a process of this machine."""

    ahead = 1
    # Each waits in a queue.
    pieces = (4, 4)
    withdraws = False

    def __init__(self, executor: Any, memory: int | None) -> None:
        parameters = executor.parameters
        known = in_bytes(parameters.get("mem") or parameters.get("mem_gb"))
        super().__init__(executor, within(memory, known, "jobs"))
        self._before = dict(parameters)
        self._is_slurm = "slurm" in f"{getattr(executor, 'cluster', '')} {type(executor).__name__}".lower()
        if memory is not None and known is None and "mem_per_cpu" not in parameters:
            self._declare(memory + OVERHEAD)
        self.threads = int(parameters.get("cpus_per_task") or 1)
        local = max((os.cpu_count() or 1) // self.threads, 1)
        self.count = int(parameters.get("array_parallelism", _JOBS)) if self._is_slurm else local
        self._jobs: dict[Future[Any], Any] = {}

    def _declare(self, memory: int) -> None:
        if hasattr(self.executor, "cluster"):
            self.executor.update_parameters(mem_gb=round(memory / (1 << 30), 2))
        elif "slurm" in type(self.executor).__name__.lower():
            self.executor.update_parameters(mem=f"{-(-memory >> 20)}MB")

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs[future] = self.executor.submit(work, *arguments)
        return future

    def ended(self) -> list[Future[Any]]:
        done = [future for future, job in self._jobs.items() if job.done()]
        for future in done:
            job = self._jobs.pop(future)
            try:
                future.set_result(job.result())
            except Exception as error:
                future.set_exception(error)
        if not done:
            sleep(PATIENCE)
        return done

    def has_begun(self, future: Future[Any]) -> bool:
        return not self._is_slurm or self._jobs[future].state == "RUNNING"

    def withdraw(self, future: Future[Any]) -> bool:
        if self._is_slurm and (job := self._jobs.get(future)) is not None:
            # It may not begin for hours. Processes of this machine have begun, and end on their own.
            job.cancel(check=False)
        return False

    def stop(self, under_way: Iterable[Future[Any]]) -> None:
        for future in list(self._jobs):
            self.withdraw(future)
        super().stop(under_way)

    def close(self) -> None:
        self.executor.parameters.clear()
        self.executor.parameters.update(self._before)


def within(memory: int | None, known: int | None, whose: str) -> int | None:
    """The memory of a task: this, or half of what workers have. Workers need some for themselves.

    Raises:
        MemoryBudgetError: Workers do not have as much.
    """
    if memory is None:
        return known if known is None else known // 2
    if known is not None and memory > known:
        raise MemoryBudgetError(f"memory={memory}, and {whose} have {known} bytes; give them more, or ask for less")
    return memory


def in_bytes(text: Any) -> int | None:
    """Bytes of what Slurm or submitit call so much memory: 4, 1.5, "4GB", "512M"."""
    match = re.fullmatch(r"([\d.]+)\s*([KMGT]?)B?", str(text).strip().upper())
    if text is None or match is None:
        return None
    # A number is of submitit, in GB; Slurm's text without a unit is in MB.
    unit = match[2] or ("G" if isinstance(text, int | float) else "M")
    return int(float(match[1]) * (1 << 10 * (1 + "KMGT".index(unit))))


def engine(executor: Any, processes: int | None, memory: int | None) -> Engine:
    """What runs tasks."""
    if processes is not None:
        return Processes(processes, memory)
    if getattr(executor, "__name__", None) == "ray":
        return Ray(executor, memory)
    client = executor if hasattr(executor, "get_executor") else getattr(executor, "_client", None)
    if hasattr(client, "get_executor") and hasattr(client, "scheduler_info"):
        return Dask(client, memory)
    if hasattr(executor, "update_parameters") and hasattr(executor, "map_array"):
        return Submitit(executor, memory)
    if not hasattr(executor, "submit"):
        raise InvalidArgumentError(f"executor={executor!r} is nothing that tasks can be submitted to")
    return Engine(executor, memory)
