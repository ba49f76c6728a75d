"""Verifying, by this process or by others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ._bigarrays import InvalidArgumentError, Report
from ._bigarrays import verify as _verified
from ._executors import expect_one, noted, turn, workers
from ._giving import Answer, run_parts

if TYPE_CHECKING:
    from ._domain import Box
    from ._open import Place, ScaleSelector


def verify(
    path_or_url: Place,
    against: Place | None = None,
    *,
    box: Box | None = None,
    scale: ScaleSelector | None = None,
    against_scale: ScaleSelector | None = None,
    missing: bool = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    format: str | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Report:
    """Verifies that what is stored at a path or URL is whole: an array, a layer with all its scales, or a group with all its
    arrays.

    Every chunk that is stored is read and decoded, and the indexes of shards and of names are checked. Nothing is changed,
    and others may write meanwhile. What dead writers left and what does not belong there is in the report, and is no
    problem.

    Args:
        path_or_url: What is verified.
        against: The path or URL of what should hold the same. The report then also compares them, element by element,
            whatever their formats, chunks and types; axes are matched by their names.
        box: Only the chunks that this box touches.
        scale: Only this scale, as for `open`; all if None.
        against_scale: The scale of `against`; the same one if None.
        missing: Chunks that are not stored are problems.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Each worker lists what is stored, and reads and decodes a share of the chunks or shards; to compare, it
            reads a share of the elements.
        processes: As `save` has it.
        progress: A function of (done, total), called now and then with the bytes of elements that are done, of those that
            were found so far; with an executor, with shares of the work. An exception that it raises, or Ctrl-C, ends the work.
        format: The name of the format; found by the metadata if None.
        storage_options: As for `open`.

    Returns:
        A Report. Damage is in the report, not an exception.

    Raises:
        NotFoundError: There is nothing.
        MemoryBudgetError: A chunk does not fit into the memory.
        StorageError: The storage as such fails.

    Example:
        >>> array = bigarrays.create("memory://verified", shape=(4, 6), dtype="int16", format="zarr3")
        >>> array[...] = 3
        >>> other = bigarrays.create("memory://other", shape=(4, 6), dtype="float32", format="n5")
        >>> other[...] = 3
        >>> other[1, 2] = 5
        >>> report = bigarrays.verify("memory://verified", against="memory://other")
        >>> report.problems[0]["message"]
        '1 of 24 elements differ'
        >>> report.arrays[0]["comparison"]["first"]
        [{'at': [1, 2], 'left': 3, 'right': 5.0}]
    """
    options: dict[str, Any] = {
        "box": box, "scale": scale, "against_scale": against_scale, "missing": missing, "format": format,
        "storage_options": storage_options,
    }
    if executor is None and processes is None:
        return _verified(path_or_url, against, memory=memory, progress=progress, **options)
    expect_one(executor, processes)
    if any(str(place).startswith("memory://") for place in (path_or_url, against)):
        raise InvalidArgumentError("what is in memory:// is in this process alone; work without executor= and processes=")
    with workers(executor, processes, memory) as by:
        shares = _SHARES * by.count
        common = (by.memory, by.told(), path_or_url, against, options, shares)
        answers: dict[int, Report] = {}
        what = f"verifying {path_or_url}"
        with closing(run_parts(by, _verify_share, range(shares), common, None, what, answers)) as parts:
            for done, _ in enumerate(parts, 1):
                if progress is not None:
                    progress(done, shares)
        return Report._of_shares([answers[number] for number in range(shares)])


#: How many shares a worker has: each of them lists all.
_SHARES = 4


def _verify_share(
    memory: int | None, told: Any, place: Any, against: Any, options: dict[str, Any], shares: int, number: int
) -> BaseException | Answer:
    """What a worker does."""
    try:
        with turn(told):
            return Answer(_verified(place, against, memory=memory, share=(number, shares), **options))
    except Exception as error:
        return noted(error, f"share {number} of {shares} of verifying {place}")
