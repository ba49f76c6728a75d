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
    work: tuple[str, str, int] | tuple[str, str, int, int, int, int] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[list[str], list[int]]:
    """What `bigarrays.downsample` calls: makes coarser scales, or does what `work` says of it.

    Args:
        array: As there, and so are all others but the last.
        work: None for all of it; ("plan", folder, bytes) for nothing but how many units there are, ("share", folder, bytes, stage, number,
            shares) for a share of those of a stage, ("list", folder, bytes) to have the format list the scales. `folder` is for what
            stages leave for others, and units are made of so many bytes of the source at most.

    Returns:
        The keys of the scales that are listed, and how many units each stage has.
    """
