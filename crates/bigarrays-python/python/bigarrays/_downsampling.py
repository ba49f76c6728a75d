"""Coarser scales of layers, made by this process or by others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from ._bigarrays import Array, InvalidArgumentError
from ._bigarrays import downsample as _downsampled
from ._distributed import shared_folder
from ._executors import expect_one, expect_shared, noted, turn, workers
from ._giving import run_parts
from ._targets import expect_resume

if TYPE_CHECKING:
    from ._domain import Box

#: The most bytes of the source that a unit of the work is made of: many for each worker, few enough to be done again.
_UNIT = 256 << 20

#: How the work is cut: the folder of what stages leave for others, and bytes of units.
_Cut = tuple[str, int]


def _is_whole(given: Any) -> bool:
    """Whether these are whole numbers, or lists of such."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return False
    return all(isinstance(one, SupportsIndex) or _is_whole(one) for one in given)


def downsample(
    array: Array,
    *,
    levels: int | None = None,
    method: Literal["mean", "mode", "median", "min", "max", "stride"] | None = None,
    factors: Sequence[int] | Sequence[Sequence[int]] | None = None,
    ignore: float | None = None,
    box: Box | None = None,
    chunk_shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
    encoding: str | Sequence[str] | None = None,
    sharding: bool | None = None,
    resume: bool | str | PathLike[str] = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    scratch: str | PathLike[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[str]:
    """Makes coarser scales of a layer, each exact from `array`, in one pass over it.

    Elements are counted from coordinate 0 in precomputed layers, and from the first element in OME-Zarr and N5. Elements that are
    no numbers do not count; where there are no others, neither does the result. Scales are listed once all of their chunks are
    there. Where nothing is stored, nothing is done.

    Args:
        array: A scale of a layer, opened with mode "r+": the finest, or another one from which to go on. Coarser scales are
            exact from there, and finer ones are not touched.
        levels: How many scales; if None, until one has one or two chunks.
        method: "mean" (of whole numbers rounded half to even), "mode" (of several the least), "median" (of two the lesser),
            "min", "max" or "stride" (the element whose coordinate is a multiple of the factor). If None, "mode" for labels and
            "mean" for all else.
        factors: How many elements along each axis, or each axis of space, become one: for all levels, or for each, of which the
            last is repeated. If None, each axis is doubled whose elements are about as long as the shortest.
        ignore: A value that counts only where there is no other, such as 0 for sparse labels.
        box: Makes this box anew in scales that are there, such as after an edit; widened to whole elements of the coarsest.
        chunk_shape: Shape of a chunk: for all levels, or for each; that of `array` if None.
        encoding: Encoding of chunks: for all levels, or for each; that of `array` if None.
        sharding: Whether chunks of precomputed scales are packed into shards; as those of `array` are if None.
        resume: As `copy` has it. Where an earlier call with the same arguments has made all scales, nothing is done, and their keys are
            returned; whether elements were changed since is not looked up. A file beside
            the journal, whose name ends in `.done`, notes it.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers make boxes of whole chunks or shards of all scales that so many bytes of the source become;
            coarser ones are made afterwards, of sums and counts that are kept.
        processes: As `save` has it.
        scratch: A folder that all workers see, for these sums and counts; if None, one beside the layer.
        progress: As `copy` has it.

    Returns:
        The keys of the scales, the finest first.

    Raises:
        AlreadyExistsError: There are coarser scales.
        InvalidArgumentError: Factors, the method or the box make no sense.
        UnsupportedError: The format has no scales.
        MemoryBudgetError: A chunk of each level does not fit into the memory; nothing was made.

    Example:
        >>> import numpy as np
        >>> image = bigarrays.create("memory://downsample", shape=(4, 4, 4), dtype="uint8", resolution=(8, 8, 8))
        >>> image[...] = np.arange(64, dtype="uint8").reshape(4, 4, 4)
        >>> bigarrays.downsample(image, levels=1)
        ['16_16_16']
        >>> bigarrays.open("memory://downsample", scale="16_16_16")[0, 0]
        array([10, 12], dtype=uint8)
    """
    expect_resume(resume)
    for name, given in (("factors", factors), ("chunk_shape", chunk_shape)):
        if given is not None and not _is_whole(given):
            reason = "expected a whole number for each axis, such as (2, 2, 1), or a list of such, one for each level"
            raise InvalidArgumentError(f"{name}={given!r}: {reason}")
    options: dict[str, Any] = {
        "levels": levels, "method": method, "factors": factors, "ignore": ignore, "box": box,
        "chunk_shape": chunk_shape, "encoding": encoding, "sharding": sharding,
    }
    if executor is None and processes is None:
        keys, _ = _downsampled(array, **options, resume=resume, memory=memory, progress=progress)
        return keys
    expect_one(executor, processes)
    if resume is not False:
        raise InvalidArgumentError("resume= is not with executor= or processes=")
    expect_shared(array)
    what = f"downsampling {array.url}"
    with shared_folder([array.url], executor, scratch) as folder, workers(executor, processes, memory) as by:
        cut = (folder, min(_UNIT, by.memory // 4) if by.memory else _UNIT)
        _, stages = _downsampled(array, **options, memory=by.memory, work=("plan", *cut))
        done = 0
        for stage, units in enumerate(stages):
            shares = min(units, by.pieces[0] * by.count)
            common = (by.memory, by.told(), array, options, cut, (stage, shares))
            with closing(run_parts(by, _make_share, range(shares), common, None, what)) as parts:
                for _ in parts:
                    done += 1
                    if progress is not None:
                        # Later stages go on from few cells.
                        progress(array.nbytes * min(done, shares) // shares if stage == 0 else array.nbytes, array.nbytes)
        keys, _ = _downsampled(array, **options, memory=by.memory, work=("list", *cut))
        return keys


def _make_share(
    memory: int | None, told: Any, array: Array, options: dict[str, Any], cut: _Cut, stage: tuple[int, int], share: int
) -> BaseException | None:
    """What a worker does."""
    number, shares = stage
    try:
        with turn(told):
            _downsampled(array, **options, memory=memory, work=("share", *cut, number, share, shares))
    except Exception as error:
        return noted(error, f"share {share} of {shares} of stage {number} of downsampling")
    return None
