import os
from collections.abc import Callable
from typing import Literal

from ._array import Array

def copy(
    source: Array,
    target: Array,
    *,
    rounding: Literal["nearest", "floor", "ceil", "zero"] | None = None,
    out_of_range: Literal["refuse", "clip", "wrap"] | None = None,
    check: bool = False,
    resume: bool | str | os.PathLike[str] = False,
    memory: int | None = None,
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
            done.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        progress: A function of (done, total), called now and then, and at the end, with bytes of elements. An exception
            that it raises, or Ctrl-C, ends the copy after the blocks under way.

    Raises:
        InvalidArgumentError: Shapes differ, types differ without a cast, or an element is out of range.
        MemoryBudgetError: A block does not fit into the memory; nothing was read.
        StorageError: Another process has the journal, or elements could not be read or written.

    Example:
        >>> source = bigarrays.create("memory://copy/a", shape=(9, 9, 9), dtype="uint8")
        >>> source[...] = 7
        >>> target = bigarrays.create("memory://copy/b", shape=(9, 9, 9), dtype="uint8", chunk_shape=(4, 4, 4))
        >>> bigarrays.copy(source, target)
        >>> target[8, 8, 8]
        np.uint8(7)
        >>> signed = bigarrays.create("memory://copy/c", like=target, dtype="int8")
        >>> bigarrays.copy(target, signed, out_of_range="clip")
        >>> signed[8, 8, 8]
        np.int8(7)
    """
