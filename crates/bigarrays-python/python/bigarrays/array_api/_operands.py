"""What functions of the array API are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._bigarrays import InvalidArgumentError
from .._expressions import apply, lazy
from .._lazy import UNASKED, Lazy

#: One axis, several, or all if None.
Axes = int | Sequence[int] | None
Number = bool | int | float


def expression(x: object) -> Lazy:
    """An array that a function is given: an expression whose positions begin at 0, or NumPy's."""
    if isinstance(x, Lazy):
        if not x._is_positional:
            raise TypeError(f"the array API counts positions from 0; take the `positional` of {x!r}")
        return x
    if isinstance(x, np.ndarray):
        return lazy(x)
    raise TypeError(f"{type(x).__name__} is no array of this namespace; `asarray` makes one")


def elementwise(name: str, *given: Any) -> Lazy:
    """The function of elements that NumPy calls so, of arrays and numbers, one of which at least is an array."""
    operands = [one if isinstance(one, Number) else expression(one) for one in given]
    if not any(isinstance(one, Lazy) for one in operands):
        raise TypeError("numbers alone; one operand at least is an array")
    return apply(name, operands)


def in_memory(x: object) -> NDArray[Any]:
    """The elements, if they are few: those of a large array are not computed unasked, which is an error."""
    return expression(x).__array__()


def expect_small(nbytes: int, what: str) -> None:
    """An error if what is made in memory unasked is large."""
    if nbytes > UNASKED:
        raise InvalidArgumentError(f"{what} would be held in memory, with {nbytes} bytes; store it, and open that")


def on_cpu(device: str | None) -> None:
    """An error if an array is wanted anywhere but in the memory of the processor."""
    if device not in (None, "cpu"):
        raise ValueError(f"there is no device {device!r}")


def is_empty(axis: Axes) -> bool:
    """Whether no axis is named."""
    return axis is not None and not isinstance(axis, int) and len(axis) == 0
