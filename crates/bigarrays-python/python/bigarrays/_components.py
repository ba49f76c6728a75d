"""Connected components of volumes larger than memory."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import Array, InvalidArgumentError, _components, _Journal
from ._columns import columns_of_boxes
from ._expressions import expect_stored
from ._once import Once
from ._progress import Progress, reporter
from ._sharing import Work, shared
from ._targets import journal_of, made_like, place


@dataclass(frozen=True)
class Components:
    """Components that were found: they have the numbers 1 to `count`.

    Attributes:
        array: The numbers of the components, and 0 for background.
        count: How many there are.
        voxels: How many voxels each has, shape (count,), if that was asked for.
        boxes: The first coordinate along each axis, and the one behind the last, shape (count, axes, 2), if that was asked for.
    """

    array: Array
    count: int
    voxels: NDArray[np.uint64] | None
    boxes: NDArray[np.int64] | None

    def columns(self) -> dict[str, NDArray[Any]]:
        """All of it as columns with the names that `bigarrays components --statistics` gives them, as `pandas.DataFrame` and
        `pyarrow.table` take them."""
        numbers: dict[str, NDArray[Any]] = {"label": np.arange(1, self.count + 1, dtype="uint64")}
        if self.voxels is None or self.boxes is None:
            return numbers
        return {**numbers, "voxels": self.voxels, **columns_of_boxes(self.boxes, self.array.axis_names)}


def components(
    source: Array,
    target: Array | str | PathLike[str],
    *,
    connectivity: int | None = None,
    background: float | None = None,
    binary: bool = False,
    above: float | None = None,
    statistics: bool = False,
    resume: bool | str | PathLike[str] = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    scratch: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Components:
    """Connected components of labels, of a mask, or of what is above a threshold.

    They have the numbers 1, 2, 3 and so on in the order of the first voxel of each, the last axis fastest, as `scipy.ndimage.label`
    gives them: whatever the chunks, the memory and the threads. The source is read twice, block by block, and the target is written once.
    Memory is for blocks, and for a number for each component and for each part of one that reaches an end of a block. Where nothing is
    stored, nothing is done. Elements that are no numbers are background.

    Args:
        source: The labels or the image. Components are of neighbours of equal value.
        target: An array of unsigned whole numbers of the same shape, opened with mode "r+"; or where one is made, which until all is
            written is marked as incomplete.
        connectivity: How many neighbours a voxel has: 6 (those that share faces, as if None), 18 (and edges) or 26 (and corners) in three
            axes, 4 or 8 in two, 8, 32, 64 or 80 in four. Axes of time and channels do not count: nothing is connected along them.
        background: Elements of this value are part of no component, and 0 in the target; 0 if None.
        binary: Neighbours that differ belong together, unless one is background: `source` is a mask.
        above: Elements above this, as a number of their type, belong together, and all others are background.
        statistics: Whether voxels are counted, and boxes are found.
        resume: As `copy` has it. In the first pass, what blocks leave for each other is in a folder beside the file.
            Where an earlier call with the same arguments has made the target, nothing is done, and what it found is returned;
            whether elements were changed since is not looked up. A file beside
            the journal, whose name ends in `.done`, notes it.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers do shares of each pass; what is found is joined in this process.
        processes: As `save` has it.
        scratch: A folder that all workers see, for what they leave each other; if None, one beside the target.
        progress: As `copy` has it; of both passes together.
        options: Those of `bigarrays.create` for a new array, which is like `source` but of type uint64, or `dtype`, and raw without
            an `encoding` if `source` is not of type uint32 or uint64.

    Raises:
        InvalidArgumentError: Shapes differ, the connectivity is none, or there are more components than the type has numbers.
        MemoryBudgetError: A block does not fit into the memory, and nothing was read; or there are too many components, and nothing was
            written.

    Example:
        >>> mask = bigarrays.create("memory://components/mask", shape=(2, 5), dtype="uint8", format="zarr3")
        >>> mask[...] = [[1, 1, 0, 0, 1], [0, 0, 1, 0, 1]]
        >>> found = bigarrays.components(mask, "memory://components/found", connectivity=8, statistics=True)
        >>> found.array[...]
        array([[1, 1, 0, 0, 2],
               [0, 0, 1, 0, 2]], dtype=uint64)
        >>> found.count, found.voxels
        (2, array([3, 2], dtype=uint64))
    """
    expect_stored(source, "source")
    if isinstance(target, Array) and options:
        raise InvalidArgumentError(f"{', '.join(options)}: options of a new array, and the target is there")
    given: dict[str, Any] = {
        "connectivity": connectivity, "background": background, "binary": binary, "above": above, "statistics": statistics,
    }
    work = Work(executor, processes, memory, scratch, progress)
    is_shared = work.is_shared(source, target, resume=resume)

    def found(array: Array, journal: _Journal | None, dry_run: bool) -> tuple[int, bytes | None, bytes | None]:
        how = given | {"dry_run": dry_run}
        if is_shared and not dry_run:
            joined: tuple[int, bytes | None, bytes | None] = shared(
                _components, (source, array), how, work, "finding components", passes=2
            )
            return joined
        report = None if dry_run else reporter(progress, "finding components")
        return _components(source, array, **how, memory=memory, journal=journal, progress=report)

    once = Once("components", source, target, given, options, resume)
    if (known := once.found()) is not None:
        array, (count, voxels, boxes) = known
        return _components_of(array, count, voxels, boxes)
    where = target.url if isinstance(target, Array) else target
    with journal_of(resume, lambda: f"components {place(source.url)} {place(where)}") as journal:
        if isinstance(target, Array):
            array = target
        else:
            array = made_like(source, target, "uint64", options, journal, lambda planned: found(planned, None, True))
        count, voxels, boxes = found(array, journal, False)
        once.note([count, voxels, boxes])
    return _components_of(array, count, voxels, boxes)


def _components_of(array: Array, count: Any, voxels: Any, boxes: Any) -> Components:
    if voxels is None or boxes is None:
        return Components(array, count, None, None)
    ends = np.frombuffer(boxes, "int64").reshape(count, array.ndim, 2)
    return Components(array, count, np.frombuffer(voxels, "uint64").copy(), ends.copy())
