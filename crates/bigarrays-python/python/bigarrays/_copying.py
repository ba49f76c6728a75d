"""Copies, by this process or by others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from os import PathLike
from typing import Any, Literal

from ._bigarrays import Array, InvalidArgumentError
from ._bigarrays import copy as _copied
from ._engines import Engine
from ._executors import expect_one, expect_shared, noted, turn, workers
from ._giving import run_parts

_Box = tuple[slice, ...]


def copy(
    source: Array,
    target: Array,
    *,
    rounding: Literal["nearest", "floor", "ceil", "zero"] | None = None,
    out_of_range: Literal["refuse", "clip", "wrap"] | None = None,
    check: bool = False,
    resume: bool | str | PathLike[str] = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Copies all elements of one array or view to another of the same shape.

    Works block by block: each block is read once, and whole chunks are written where that is possible. Where both arrays are
    cut and encoded alike, chunks move as they are stored, so that jpeg is not encoded again. After an error or an
    interruption, what was written until then is whole.

    Args:
        source: The array to copy from.
        target: The array to copy into, of the same shape, opened with mode "r+".
        rounding: Casts elements to the type of `target`; those with a fraction become whole numbers by "nearest" (to
            even), "floor", "ceil" or "zero".
        out_of_range: Casts elements to the type of `target`; those that the type does not reach "refuse" the copy, are
            clipped ("clip") to the nearest that it has, or keep their lower bits ("wrap"). Without `rounding` and
            `out_of_range`, types have to be the same.
        check: Chunks that move as they are stored are decoded, and damaged ones refused.
        resume: True to note finished blocks in a file below `$XDG_STATE_HOME` (or `~/.local/state`), or the path of such a
            file: the same call then goes on with a copy that ended early, after a kill as well. The file is removed once all is
            done. Not with an executor.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers copy boxes of whole chunks or shards of `target`, each of which asks both stores what they have;
            one worker copies all where these are no boxes.
        processes: As `save` has it.
        progress: A function of (done, total), called now and then, and at the end, with bytes of elements. An exception
            that it raises, or Ctrl-C, ends the copy after the blocks under way; with an executor, after the boxes under way.

    Raises:
        InvalidArgumentError: Shapes differ, types differ without a cast, or an element is out of range; or workers cannot open an array,
            as those of `memory://`.
        MemoryBudgetError: A block does not fit into the memory; nothing was read.
        StorageError: Another process has the journal, or elements could not be read or written.

    Example:
        >>> source = bigarrays.create("memory://copying/a", shape=(9, 9, 9), dtype="uint8")
        >>> source[...] = 7
        >>> target = bigarrays.create("memory://copying/b", shape=(9, 9, 9), dtype="uint8", chunk_shape=(4, 4, 4))
        >>> bigarrays.copy(source, target)
        >>> target[8, 8, 8]
        np.uint8(7)
        >>> signed = bigarrays.create("memory://copying/c", like=target, dtype="int8")
        >>> bigarrays.copy(target, signed, out_of_range="clip")
        >>> signed[8, 8, 8]
        np.int8(7)
    """
    options: dict[str, Any] = {"rounding": rounding, "out_of_range": out_of_range, "check": check}
    if executor is None and processes is None:
        _copied(source, target, resume=resume, memory=memory, progress=progress, **options)
        return
    expect_one(executor, processes)
    if resume is not False:
        raise InvalidArgumentError("resume= is not with executor= or processes=")
    if source.shape != target.shape:
        raise InvalidArgumentError(f"shapes differ: {source.shape} and {target.shape}")
    expect_shared(source, target)
    with workers(executor, processes, memory) as by:
        common = (by.memory, by.told(), source, target, options)
        done = 0
        with closing(run_parts(by, _copy_box, _boxes(target, by), common, None, f"copying to {target.url}")) as parts:
            for box in parts:
                done += math.prod(one.stop - one.start for one in box) * target.dtype.itemsize
                if progress is not None:
                    progress(done, target.nbytes)


def _copy_box(
    memory: int | None, told: Any, source: Array, target: Array, options: dict[str, Any], box: _Box
) -> BaseException | None:
    """What a worker does."""
    try:
        with turn(told):
            moved = tuple(
                slice(one.start - to + own, one.stop - to + own)
                for one, to, own in zip(box, target.origin, source.origin, strict=True)
            )
            _copied(source.view[moved], target.view[box], memory=memory, **options)
    except Exception as error:
        return noted(error, f"copying {box}")
    return None


def _boxes(target: Array, by: Engine) -> Iterator[_Box]:
    """Boxes of whole chunks or shards, of every copy that is stored of the target: some for each worker, or one if there are none."""
    for box in target._boxes_apart(by.pieces[0] * by.count):
        yield tuple(slice(first, end) for first, end in box)
