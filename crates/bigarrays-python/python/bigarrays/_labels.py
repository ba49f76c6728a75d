"""Labels of groups, as the numbers of the groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import Array, InvalidArgumentError
from ._whole import exactly

if TYPE_CHECKING:
    from ._lazy import Lazy

#: A number of groups, or the labels of all.
Expected = int | np.integer[Any] | Sequence[Any] | NDArray[Any]


@dataclass(frozen=True)
class Key:
    """The number of the group of each element along some axes, and the labels of the groups."""

    numbers: Lazy
    axes: list[int]
    labels: NDArray[Any]

    @property
    def count(self) -> int:
        return len(self.labels)


def key_of(x: Lazy, labels: Any, axes: list[int], expected: Expected | None, drop: bool) -> Key:
    """The groups of `x` by labels along `axes`."""
    from ._expressions import lazy
    from ._lazy import Lazy

    if isinstance(labels, Lazy | Array):
        return _of_stored(x, lazy(labels), axes, expected)
    given = exactly(labels)
    shape = tuple(x.shape[axis] for axis in axes)
    if given.shape != shape:
        raise InvalidArgumentError(f"labels of shape {given.shape} along axes of shape {shape}")
    numbers, names = _numbered(given, expected, drop)
    held = lazy(numbers)
    origin = [x.domain.origin[axis] for axis in axes]
    moved = held._then("translate", origin) if any(origin) else held
    return Key(moved, axes, names)


def _of_stored(x: Lazy, labels: Lazy, axes: list[int], expected: Expected | None) -> Key:
    if x._is_positional:
        labels = labels.positional
    if expected is None:
        raise InvalidArgumentError(
            "which labels there are is not known before they are read: say with expected= how many, or which; or have "
            "bigarrays.label_statistics find them"
        )
    names = _names(expected)
    if isinstance(expected, int | np.integer) or np.array_equal(names, np.arange(len(names))):
        return Key(labels, axes, names)
    if names.dtype.kind not in "iu" or labels.dtype.kind not in "iu":
        raise InvalidArgumentError("labels that are stored are found by whole numbers: both they and expected= have to be such")
    is_signed = names.dtype.kind == "i"
    expected_bytes = np.ascontiguousarray(names, dtype="int64" if is_signed else "uint64").tobytes()
    return Key(labels._then("numbered", expected_bytes, is_signed), axes, names)


def _names(expected: Expected) -> NDArray[Any]:
    if isinstance(expected, int | np.integer):
        return np.arange(int(expected))
    names = exactly(expected)
    if names.ndim != 1 or len(np.unique(names)) != len(names):
        raise InvalidArgumentError("expected labels are a list in which each stands once")
    return names


def _is_none(labels: NDArray[Any]) -> Any:
    """Where labels are of no group: NaN, NaT or negative."""
    if labels.dtype.kind == "f":
        return np.isnan(labels) | (labels < 0)
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    return labels < 0 if labels.dtype.kind == "i" else np.zeros(labels.shape, bool)


def _numbered(labels: NDArray[Any], expected: Expected | None, drop: bool) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The number of each label's group, −1 if it has none, and the labels of the groups."""
    is_none = _is_none(labels)
    if expected is None:
        names, places = np.unique(labels[~is_none], return_inverse=True)
    else:
        names = _names(expected)
        order = np.argsort(names, kind="stable")
        places = np.searchsorted(names, labels[~is_none], sorter=order)
        places = order[np.minimum(places, max(len(names) - 1, 0))] if len(names) else np.zeros(len(places), np.int64)
        known = names[places] == labels[~is_none] if len(names) else np.zeros(len(places), bool)
        if not (known.all() or drop):
            missing = np.unique(labels[~is_none][~known])[:3].tolist()
            raise InvalidArgumentError(
                f"labels such as {missing} are none of the expected ones; with drop=True, such elements belong to no group"
            )
        places = np.where(known, places, -1)
    numbers = np.full(labels.shape, -1, np.int64)
    numbers[~is_none] = places.reshape(-1)
    return numbers, names
