"""Edits of whole volumes: slices along an axis, and boxes that are blanked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import index
from os import PathLike
from typing import TYPE_CHECKING, Any, SupportsIndex

from ._bigarrays import Array, InvalidArgumentError, _blank
from ._expressions import expect_stored, lazy, operand
from ._sharing import Work, shared

if TYPE_CHECKING:
    from ._domain import Box
    from ._lazy import Lazy

#: A coordinate, or all from one to another.
Slices = SupportsIndex | slice | range | tuple[SupportsIndex, SupportsIndex]


def _pair(one: Slices, first: int, end: int) -> tuple[int, int]:
    if isinstance(one, slice | range):
        if one.step not in (None, 1):
            raise InvalidArgumentError(f"{one}: slices have no step; name them one by one")
        return (first if one.start is None else _coordinate(one.start), end if one.stop is None else _coordinate(one.stop))
    if isinstance(one, tuple | list):
        if len(one) != 2:
            raise InvalidArgumentError(f"{one}: slices are a pair (start, stop), not {len(one)} numbers; they have no step")
        return (_coordinate(one[0]), _coordinate(one[1]))
    at = _coordinate(one)
    return (at, at + 1)


def _coordinate(given: Any) -> int:
    try:
        return index(given)
    except TypeError:
        reason = f"{given!r}: slices are named by whole numbers, pairs (start, stop), slices or ranges"
        raise InvalidArgumentError(reason) from None


def _pairs(slices: Any, name: str, first: int, end: int) -> list[tuple[int, int]]:
    if isinstance(slices, slice | str) or not isinstance(slices, Iterable):
        raise InvalidArgumentError(f"{name}={slices!r}: expected a list of slices, such as {name}=[0, (3, 5)]")
    return [_pair(one, first, end) for one in slices]


def restack(
    array: Any,
    axis: int | str,
    *,
    keep: Sequence[Slices] | None = None,
    delete: Sequence[Slices] = (),
    insert: Sequence[tuple[int, Any]] = (),
) -> Lazy:
    """Other slices along an axis: some left out, others put in between, or in another order. An expression: `save` writes it.

    Slices are named by their coordinates in the array: one, or several as a pair (start, stop), a slice or a range, which have no step. The result
    begins at the same coordinate.

    Args:
        array: An array, or whatever `lazy` takes.
        axis: The axis, by name or number.
        keep: The slices that are kept, in their order; they may be there several times. All if None. Not with `delete` or `insert`.
        delete: Slices that are left out.
        insert: Pairs of a coordinate and of slices, an array or whatever `lazy` takes, that are put before the slice there; the end
            of the axis puts them behind all.

    Raises:
        OutOfBoundsError: There are no such slices.
        InvalidArgumentError: What names slices is none of these; no slice is left; inserted ones have another type or other coordinates
            along the other axes; or `keep` stands beside `delete` or `insert`.

    Example:
        >>> bigarrays.restack([10, 11, 12, 13, 14], 0, keep=[(3, 5), 0, 0]).compute()
        array([13, 14, 10, 10])
        >>> bigarrays.restack([10, 11, 12, 13, 14], 0, delete=[(1, 3)], insert=[(4, [99])]).compute()
        array([10, 13, 99, 14])
    """
    of = lazy(array)
    at = of._axis(axis)
    first, end = of.domain.ranges[at]
    kept = None if keep is None else _pairs(keep, "keep", first, end)
    left_out = _pairs(delete, "delete", first, end)
    inserted = [operand(one, of) for _, one in insert]
    return of._then("restack", at, kept, left_out, [_coordinate(place) for place, _ in insert], inserted)


def blank(
    array: Array,
    *,
    box: Box | None = None,
    mask: Any = None,
    dry_run: bool = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    scratch: str | PathLike[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[int, int]:
    """Makes fill value of the elements of a box, or of those that a mask covers.

    Chunks that have nothing else are removed, whole ones without being read; where nothing is stored, nothing is done. Each chunk changes
    at once, and writers of other elements lose nothing. There is no journal: whoever was stopped or killed has blanked some of the chunks,
    all else is as it was, and the same call finishes it; chunks that are gone already cost nothing then, and are not counted. Coarser
    scales stay as they are: `downsample` with the same `box` makes them anew.

    Args:
        array: The array, opened with mode "r+".
        box: The box that is blanked; all that the mask covers if None.
        mask: Only where this is not 0: an array at the same coordinates, or whatever `lazy` takes, such as `labels.lazy == 7`.
        dry_run: Changes nothing, and says what would be.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers do shares of the chunks, as this process has found them.
        processes: As `save` has it.
        scratch: A folder that all workers see, for what they leave each other; if None, one beside the array.
        progress: As `copy` has it, with numbers of chunks; with workers, with shares of the bytes of all elements.

    Returns:
        How many stored chunks are removed because all of them is blanked, and how many change in part.

    Raises:
        InvalidArgumentError: There is neither a box nor a mask, or they have other axes; or the mask is made of neighbours in the array, as
            by a filter, of which some would be blanked before: save it first.
        ReadOnlyError: The array was opened with mode "r".
        MemoryBudgetError: What changes at once does not fit into the memory; nothing was changed.

    Example:
        >>> a = bigarrays.create("memory://blank", shape=(30, 20), dtype="uint8", chunk_shape=(10, 10), format="zarr3")
        >>> a[...] = 1
        >>> bigarrays.blank(a, box="0:15,0:20")
        (2, 2)
        >>> int(a[14, 3]), int(a[15, 3])
        (0, 1)
    """
    expect_stored(array, "array")
    if isinstance(mask, bool | int | float):
        raise InvalidArgumentError(f"mask={mask!r}: a mask has an element for each of the array, such as labels.lazy == 7")
    covered = None if mask is None else operand(mask, lazy(array))
    given: dict[str, Any] = {"box": box, "mask": covered, "dry_run": dry_run}
    work = Work(executor, processes, memory, scratch, progress)
    if work.is_shared(array):
        counts: tuple[int, int] = shared(blanked, (array,), given, work, "blanking")
        return counts
    return blanked(array, **given, memory=memory, progress=progress)


def blanked(array: Array, *, mask: Lazy | None, **options: Any) -> tuple[int, int]:
    """What each process calls: expressions go from one to the other, and not what they are made of."""
    return _blank(array, mask=None if mask is None else mask._inner, **options)
