import os
from collections.abc import Callable, Sequence
from typing import Literal

from ._array import Array
from ._domain import Box

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
    resume: bool | str | os.PathLike[str] = False,
    memory: int | None = None,
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
        resume: As `copy` has it.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
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
