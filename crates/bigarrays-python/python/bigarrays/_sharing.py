"""Jobs on volumes that workers share: in passes, each of which is a number of shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from os import PathLike
from typing import Any, NamedTuple
from uuid import uuid4

from ._bigarrays import Array, InvalidArgumentError, _Sharing
from ._distributed import shared_folder
from ._engines import Told
from ._executors import expect_one, expect_shared, noted, turn, until, workers
from ._giving import run_parts
from ._progress import Progress, reporter


class Work(NamedTuple):
    """Who does a job, and what that may use."""

    executor: Any
    processes: int | None
    memory: int | None
    scratch: str | PathLike[str] | None
    progress: Progress | None

    def is_shared(self, *places: Array | str | PathLike[str], resume: bool | str | PathLike[str] = False) -> bool:
        """Whether workers do it, on arrays at places that they can open."""
        if self.executor is None and self.processes is None:
            return False
        expect_one(self.executor, self.processes)
        if resume is not False:
            raise InvalidArgumentError("resume= is not with executor= or processes=")
        expect_shared(*places)
        return True


class _Shared(NamedTuple):
    """What all shares of a pass have in common."""

    told: Told
    job: Callable[..., Any]
    arrays: tuple[Array, ...]
    given: Mapping[str, Any]
    what: str
    folder: str
    pass_number: int
    shares: int
    # It is there once the work is to stop.
    mark: str


def shared(
    job: Callable[..., Any],
    arrays: tuple[Array, ...],
    given: Mapping[str, Any],
    work: Work,
    what: str,
    *,
    passes: int = 1,
    of_leader: Mapping[str, Any] | None = None,
) -> Any:
    """What a job returns that workers have done: blocks are as this process plans them, and it goes on with what they find.

    Args:
        job: A function that workers can import.
        arrays: What it takes by position. The last one says where the folder is that workers share.
        given: What it takes by name, beside what says who works.
        work: Who does it.
        what: What it is, in errors and lines of progress.
        passes: How many passes it has.
        of_leader: What only the process that leads has to be given.
    """
    report = reporter(work.progress, what) or (lambda done, total: None)
    total = arrays[0].nbytes
    with (
        shared_folder([arrays[-1].url], work.executor, work.scratch) as folder,
        workers(work.executor, work.processes, work.memory) as by,
    ):

        def share_out(pass_number: int, most: int) -> None:
            shares = min(most, by.pieces[0] * by.count)
            mark = f"{folder}/stop-{uuid4().hex}"
            common = _Shared(by.told(), job, arrays, given, what, folder, pass_number, shares, mark)
            with closing(run_parts(by, _do_share, range(shares), (by.memory, common), mark, what)) as parts:
                for done, _ in enumerate(parts, 1):
                    report(total * (pass_number * shares + done) // (passes * shares), total)

        sharing = _Sharing._leading(folder, by.memory, share_out)
        return job(*arrays, **{**given, **(of_leader or {})}, memory=work.memory, sharing=sharing, progress=None)


def _do_share(memory: int | None, common: _Shared, number: int) -> BaseException | None:
    """What a worker does."""
    try:
        with turn(common.told):
            sharing = _Sharing._share(common.folder, common.pass_number, number, common.shares)
            stops = until(common.mark, common.folder)
            common.job(*common.arrays, **common.given, memory=memory, sharing=sharing, progress=stops)
    except (Exception, SystemExit) as error:
        return noted(error, f"share {number} of {common.shares} of pass {common.pass_number} of {common.what}")
    return None
