"""Expressions that other processes compute: by a plan in a file that they all see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from os.path import abspath, dirname, join
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import Array, InvalidArgumentError, open
from ._executors import expect_one, run_plan, workers
from ._expressions import lazy
from ._lazy import Lazy
from ._plan import plan
from ._progress import Progress

_Url = TypeVar("_Url", bound=str | PathLike[str])


def is_distributed(
    executor: Any, processes: int | None, resume: bool | str | PathLike[str] = False
) -> bool:
    """Whether other processes are to do the work."""
    if executor is None and processes is None:
        return False
    expect_one(executor, processes)
    if resume is not False:
        reason = "resume= is not with executor= or processes=; bigarrays.plan writes a plan, which goes on"
        raise InvalidArgumentError(reason)
    return True


def saved_by(
    results: dict[_Url, Lazy],
    executor: Any,
    processes: int | None,
    memory: int | None,
    scratch: str | PathLike[str] | None,
    progress: Progress | None,
    options: dict[str, Any],
) -> dict[_Url, Array]:
    """Arrays of expressions, which workers compute."""
    with shared_folder(list(results), executor, scratch) as folder, workers(executor, processes, memory) as by:
        planned = plan(results, join(folder, "plan.json"), scratch=folder, **by.limits(), **options)
        run_plan(planned, by, progress)
    known = {name: options[name] for name in ("format", "storage_options") if name in options}
    return {url: open(url, mode="r+", **known) for url in results}


def computed_by(
    results: Sequence[Lazy],
    executor: Any,
    processes: int | None,
    memory: int | None,
    scratch: str | PathLike[str] | None,
    progress: Progress | None,
) -> tuple[NDArray[Any], ...]:
    """The elements of expressions, which workers compute into files that are read then."""
    expressions = [lazy(result) for result in results]
    # An array has an axis.
    shown = [x if x.ndim else lazy(np.expand_dims(x, 0)) for x in expressions]
    with shared_folder([], executor, scratch) as folder, workers(executor, processes, memory) as by:
        urls = {join(folder, f"result-{number}|zarr3:"): x for number, x in enumerate(shown)}
        # In chunks as the inputs have, so that a task makes as little at once as it reads.
        chunks = {x.chunks for x in shown}
        alike: dict[str, Any] = {"chunk_shape": chunks.pop()} if len(chunks) == 1 and None not in chunks else {}
        planned = plan(urls, join(folder, "plan.json"), scratch=folder, **alike, **by.limits())
        run_plan(planned, by, progress)
        arrays = [np.asarray(open(url)[...]) for url in urls]
    return tuple(array.reshape(x.shape) for array, x in zip(arrays, expressions, strict=True))


@contextmanager
def shared_folder(urls: list[Any], executor: Any, scratch: str | PathLike[str] | None) -> Iterator[str]:
    """A folder for plans and what goes with them, which all workers see. It is removed in the end."""
    inside: str | None = fspath(scratch) if scratch is not None else None
    if inside is None and executor is not None:
        places = [fspath(url) for url in urls]
        local = [place for place in places if "://" not in place]
        if places and not local:
            raise InvalidArgumentError("no output is a file: scratch= has to name a folder that all workers see")
        inside = dirname(abspath(local[0])) if local else None
    with TemporaryDirectory(prefix="bigarrays-plan-", dir=inside) as folder:
        yield folder
