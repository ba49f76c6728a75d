"""Several expressions at once: their elements, arrays of them, and the plan."""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, TypeVar

from numpy.typing import NDArray

from ._bigarrays import Array, InvalidArgumentError, _Lazy, _rehearse
from ._distributed import computed_by, is_distributed, saved_by
from ._estimates import Price, estimated, words
from ._expressions import lazy
from ._lazy import Lazy
from ._once import Saved
from ._progress import Progress, reporter
from ._targets import expect_apart, expect_resume, expect_room, journal_of, place, taken_up, target
from ._threads import one_thread_of_blas

_Url = TypeVar("_Url", bound=str | PathLike[str])


def compute(
    *results: Lazy,
    memory: int | None = None,
    scratch: str | PathLike[str] | None = None,
    resume: bool | str | PathLike[str] = False,
    executor: Any = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[Any], ...]:
    """All elements of several expressions, as NumPy arrays. What they have in common is read and computed once.

    Args:
        results: The expressions.
        memory: The most bytes that the work may use, the results among them; a quarter of what the process may use if None.
        scratch: As `Lazy.compute` has it.
        resume: As `Lazy.compute` has it.
        executor: As `save` has it. Results lie in files until all are there.
        processes: As `save` has it.
        progress: As `Lazy.compute` has it.

    Raises:
        MemoryBudgetError: The work does not fit into the memory; nothing was read.

    Example:
        >>> x = bigarrays.lazy([3, 9, 4])
        >>> bigarrays.compute(x.min(), x.max())
        (array(3), array(9))
    """
    if is_distributed(executor, processes, resume):
        return computed_by(results, executor, processes, memory, scratch, progress)
    inner = [lazy(result)._inner for result in results]
    with journal_of(resume, lambda: f"compute {_Lazy.identity(inner)}") as journal:
        with one_thread_of_blas():
            return tuple(_Lazy.compute(inner, memory, scratch, journal, reporter(progress, "computing")))


def save(
    results: dict[_Url, Lazy],
    *,
    memory: int | None = None,
    scratch: str | PathLike[str] | None = None,
    resume: bool | str | PathLike[str] = False,
    executor: Any = None,
    processes: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[_Url, Array]:
    """Computes several expressions, each into a new array. What they have in common is read and computed once.

    Args:
        results: The expressions, by where their arrays are made.
        memory: As `compute` has it.
        scratch: As `compute` has it.
        resume: As `Lazy.save` has it. Not with an executor: a plan in a file (`bigarrays.plan`) is what goes on there.
        executor: Runs the work in place of this process: a `distributed.Client` of Dask, the module `ray`, an executor of submitit, or
            anything like `concurrent.futures.Executor`, such as `mpi4py.futures.MPIPoolExecutor`. `memory` is then that of each worker,
            and declared to engines that know of memory. Workers have to see the inputs, the outputs, and `scratch` or, without it,
            the folder of the first output.
        processes: In place of an executor: so many processes of this machine, which share its cores.
        progress: As `compute` has it.
        options: Those of `Lazy.save`, for all arrays.

    Raises:
        AlreadyExistsError: There is an array.
        InvalidArgumentError: A result would be where an input is, in it or around it; nothing was made.

    Example:
        >>> x = bigarrays.lazy([3, 9, 4])
        >>> saved = bigarrays.save({"memory://save/one": x + 1, "memory://save/two": x * 2}, format="zarr3")
        >>> saved["memory://save/two"][...]
        array([ 6, 18,  8])
    """
    if is_distributed(executor, processes, resume):
        return saved_by(results, executor, processes, memory, scratch, progress, options)
    expect_apart(results)
    if resume is not False:
        expect_resume(resume)
    saved = Saved(results, options, resume)
    if (known := saved.found()) is not None:
        return known
    with journal_of(resume, lambda: " ".join(["save", *map(place, results)])) as journal:
        expect_room(results, options, memory, scratch, journal)
        targets = {url: taken_up(result, url, options, journal) for url, result in results.items()}
        pairs = [(result._inner, targets[url]) for url, result in results.items()]
        with one_thread_of_blas():
            _Lazy.save(pairs, memory, scratch, journal, reporter(progress, "saving"))
        saved.note()
    return targets


#: How a plan can be shown.
_SHOWN = ("text", "dict", "svg")


def explain(
    *results: Lazy | dict[Any, Lazy],
    memory: int | None = None,
    scratch: str | PathLike[str] | None = None,
    show: str = "text",
    workers: int | None = None,
    bandwidth: float | None = None,
    latency: float | None = None,
    price: Price | None = None,
    **options: Any,
) -> Any:
    """The plan of `compute` of several expressions, or of `save` of a dict of them; see `Lazy.explain`.

    Example:
        >>> x = bigarrays.lazy([3, 9, 4])
        >>> plan = bigarrays.explain({"memory://explained|zarr3:": x + 1}, x.sum(), workers=2, show="dict")
        >>> plan["estimate"]["writes"]
        1
    """
    if options.get("format") in _SHOWN:
        asked = options["format"]
        raise InvalidArgumentError(f"format={asked!r}: format= is that of the array; show={asked!r} is how the plan is shown")
    pairs: list[tuple[_Lazy, Array | None]] = []
    for result in results:
        if isinstance(result, dict):
            pairs += [(one._inner, target(_rehearse, one, url, options)) for url, one in result.items()]
        else:
            pairs.append((lazy(result)._inner, None))
    if workers is None:
        if any(given is not None for given in (bandwidth, latency, price)):
            raise InvalidArgumentError("bandwidth=, latency= and price= are those of workers: say how many there are")
        plan = _Lazy.explain(pairs, memory, scratch, None, show)
        return json.loads(plan) if show == "dict" else plan
    if show == "svg":
        raise InvalidArgumentError("estimates are no part of the picture; show is text or dict")
    # Workers have what passes leave for each other in files.
    scratch = scratch if scratch is not None else "."
    known = estimated(json.loads(_Lazy.explain(pairs, memory, scratch, None, "dict", workers)), workers, bandwidth, latency, price)
    if show == "dict":
        return known
    return f"{_Lazy.explain(pairs, memory, scratch, None, show, workers)}\n{words(known)}"
