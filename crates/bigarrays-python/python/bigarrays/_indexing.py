"""Keys of expressions: what each axis becomes."""

from __future__ import annotations

import operator
from types import EllipsisType
from typing import Any

import numpy as np

from ._bigarrays import Domain, InvalidArgumentError, OutOfBoundsError

#: A method of the compiled expression, and its arguments.
Part = tuple[str, tuple[Any, ...]]


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
        if isinstance(one, list | np.ndarray) and not (isinstance(one, np.ndarray) and one.ndim == 0):
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
    return found + [("take", taken) for taken in lists]


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
