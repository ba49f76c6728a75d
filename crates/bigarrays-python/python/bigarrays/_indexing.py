"""Keys of expressions: what each axis becomes."""

from __future__ import annotations

import operator
from types import EllipsisType
from typing import Any

import numpy as np

from ._bigarrays import Domain, InvalidArgumentError, OutOfBoundsError

#: A method of the compiled expression, and its arguments.
Part = tuple[str, tuple[Any, ...]]


def points(key: Any) -> tuple[Any, ...] | None:
    """The key, if it is of positions that NumPy combines element by element: several arrays, or one of other than one axis."""
    keys = key if isinstance(key, tuple) else (key,)
    arrays = [np.asarray(one) for one in keys if _is_list(one)]
    if len(arrays) < 2 and all(one.ndim == 1 for one in arrays):
        return None
    if any(one.dtype.kind not in "iu" for one in arrays):
        raise InvalidArgumentError("arrays of positions are of integers")
    if any(one is None or isinstance(one, slice | EllipsisType) for one in keys):
        raise InvalidArgumentError("one list of positions at a time beside slices; index once more for another axis")
    return tuple(np.asarray(one) if _is_list(one) else operator.index(one) for one in keys)


def _is_list(one: Any) -> bool:
    """Whether there are several coordinates: a list, or an array of any kind that has axes."""
    return isinstance(one, list) or (hasattr(one, "__array__") and getattr(one, "ndim", 0) > 0)


def parts(key: Any, domain: Domain, is_positional: bool) -> list[Part]:
    """What a key does to an expression over `domain`, step by step."""
    if isinstance(key, Domain):
        return [("__getitem__", (key,))]
    keys = _whole(key if isinstance(key, tuple) else (key,), len(domain.shape))
    found: list[Part] = []
    plain: list[int | slice] = []
    lists, added, axis, kept = [], [], 0, 0
    for one in keys:
        if one is None:
            added.append(kept)
            kept += 1
            continue
        if _is_list(one):
            lists.append((kept, _coordinates(one, domain.shape[axis], is_positional)))
            plain.append(slice(None))
            kept += 1
        elif isinstance(one, slice):
            plain.append(_slice(one, domain.shape[axis]) if is_positional else one)
            kept += 1
        else:
            plain.append(_index(one, axis, domain.shape[axis], is_positional))
        axis += 1
    if any(one != slice(None) for one in plain):
        found.append(("__getitem__", (tuple(plain),)))
    found += [("new_axis", (at, 0)) for at in added]
    if len(lists) > 1:
        raise InvalidArgumentError("one list of coordinates at a time; index once more for another axis")
    found += [("take", taken) for taken in lists]
    if is_positional and lists and _is_apart(keys):
        at = lists[0][0]
        found.append(("permute", ([at, *(axis for axis in range(kept) if axis != at)],)))
    return found


def _is_apart(keys: list[Any]) -> bool:
    """Whether a slice or a new axis is between numbers and a list: then NumPy puts the axis of the list first."""
    single = [number for number, one in enumerate(keys) if not (one is None or isinstance(one, slice))]
    return single[-1] - single[0] >= len(single)


def _whole(keys: tuple[Any, ...], ndim: int) -> list[Any]:
    """The key with an index for each axis."""
    given = sum(1 for one in keys if one is not None and not isinstance(one, EllipsisType))
    dots = sum(1 for one in keys if isinstance(one, EllipsisType))
    if dots > 1 or given > ndim:
        raise InvalidArgumentError(f"{given} indices and {dots} ellipses for {ndim} axes")
    rest = [slice(None)] * (ndim - given)
    if not dots:
        return [*keys, *rest]
    at = next(number for number, one in enumerate(keys) if isinstance(one, EllipsisType))
    return [*keys[:at], *rest, *keys[at + 1 :]]


def _index(one: Any, axis: int, length: int, is_positional: bool) -> int:
    if isinstance(one, bool | np.bool_):
        raise InvalidArgumentError("True and False are no indices")
    at = operator.index(one)
    if not is_positional:
        return at
    if not -length <= at < length:
        raise OutOfBoundsError(f"index {at} is out of bounds for axis {axis} of length {length}")
    return at + length if at < 0 else at


def _slice(one: slice, length: int) -> slice:
    """Of positions, which NumPy cuts at the ends of the axis, the coordinates."""
    start, stop, step = one.indices(length)
    count = len(range(start, stop, step))
    if count == 0:
        return slice(0, 0, 1)
    return slice(start, start + (count - 1) * step + (1 if step > 0 else -1), step)


def _coordinates(one: Any, length: int, is_positional: bool) -> list[int]:
    taken = np.asarray(one)
    if taken.ndim != 1 or (taken.size and taken.dtype.kind not in "iu"):
        raise InvalidArgumentError("a list of coordinates is of whole numbers, along one axis")
    return [int(at) + length if at < 0 and is_positional else int(at) for at in taken]
