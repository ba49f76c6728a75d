"""Expressions of arrays, of elements, and of each other."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._bigarrays import Array, FlatArray, InvalidArgumentError
from ._foreign import Sliced, is_foreign
from ._lazy import Lazy, made_by

#: Elements in memory are copied up to so many bytes.
_COPIED = 1 << 20


def apply(name: str, inputs: Sequence[Any]) -> Lazy:
    """The function of elements that NumPy calls so, of expressions, arrays and numbers."""
    name = {"true_divide": "divide", "bitwise_invert": "invert"}.get(name, name)
    first = next((one for one in inputs if isinstance(one, Lazy | Array)), inputs[0])
    like = lazy(first)
    operands = [operand(one, like) for one in inputs]
    is_positional = all(one._is_positional for one in operands if isinstance(one, Lazy))
    if name == "power" and len(operands) == 2:
        operands[1] = _exponent(*operands)
    try:
        return made_by(is_positional, "apply", name, operands)
    except InvalidArgumentError as error:
        if "does not fit into" in str(error):
            raise OverflowError(str(error)) from None
        if "is not defined" in str(error):
            raise TypeError(str(error)) from None
        raise


def _exponent(base: Any, exponent: Any) -> Any:
    """Of integers, exponents that are refused when they are computed if they are negative."""
    if not (isinstance(exponent, Lazy) and exponent.dtype.kind == "i"):
        return exponent
    # Of uint64 and a type with a sign, results are real.
    of = base.dtype if isinstance(base, Lazy) else np.dtype(np.int8 if isinstance(base, int) else np.float64)
    if np.result_type(of, exponent.dtype).kind == "f":
        return exponent
    return exponent.astype(f"uint{8 * exponent.dtype.itemsize}").astype(exponent.dtype)


def operand(one: Any, like: Lazy) -> Any:
    """What an operand is: plain arrays lie where `like` does, numbers take the type of what they meet."""
    if isinstance(one, Lazy | Array):
        return lazy(one)
    if isinstance(one, bool | int | float) and not isinstance(one, np.generic):
        return one
    held = lazy(one)
    shared = min(held.ndim, like.ndim)
    offset = [0] * held.ndim
    for axis in range(1, shared + 1):
        if held.shape[-axis] == like.shape[-axis]:
            offset[-axis] = like.domain.origin[-axis]
    moved = held._then("translate", offset) if any(offset) else held
    return Lazy(moved._inner, moved._made, like._is_positional)


def lazy(x: Array | Lazy | ArrayLike | Sliced) -> Lazy:
    """An expression of an array, of elements in memory, or of what is like an array.

    Args:
        x: An array or a view, which keeps its coordinates; or one of these, whose expression is `positional`:

            - What `numpy.asarray` takes. Up to 1 MiB is copied at once; what is larger, such as a `numpy.memmap`, is read when
              it is needed, and must not change until then.
            - A `FlatArray`, which is read at the length that it has now.
            - Anything with `shape`, `dtype` and slices, such as a dataset of h5py, an array of Zarr or a variable of netCDF4.
              It is read box by box when elements are needed, and one such object at a time; `chunks`, if it has them, guide
              where boxes are cut. Its elements have to be as its `dtype` says, and none masked. Where it is stored is not
              known: a result must not be saved over it. It can be pickled if the object can.

    Raises:
        InvalidArgumentError: It is a path or a URL, which `bigarrays.open` opens.
        UnsupportedError: The elements are no numbers to compute with.

    Example:
        >>> (bigarrays.lazy([1, 2, 3]) * 2).sum().compute()
        array(12)
    """
    if isinstance(x, Lazy):
        return x
    if isinstance(x, Array):
        return made_by(False, "of", x)
    if isinstance(x, FlatArray):
        return made_by(True, "referenced", x, len(x)) if x.shape else made_by(True, "referenced", x)
    if is_foreign(x):
        return made_by(True, "foreign", x)
    if isinstance(x, str | PathLike):
        raise InvalidArgumentError(f"{fspath(x)!r} is a path, and no array: bigarrays.open opens what is there")
    elements = np.asarray(x)
    if elements.nbytes > _COPIED:
        return made_by(True, "referenced" if elements.dtype.isnative else "foreign", elements)
    if not elements.dtype.isnative:
        elements = elements.astype(elements.dtype.newbyteorder("="))
    shape = list(elements.shape)
    return made_by(True, "held", np.ascontiguousarray(elements).tobytes(), elements.dtype, shape)


def expect_stored(array: Any, name: str) -> None:
    """Refuses what is no array that is stored."""
    if not isinstance(array, Array):
        kind = "a path; bigarrays.open opens it" if isinstance(array, str | PathLike) else f"of {type(array).__name__}"
        raise InvalidArgumentError(f"{name} is an array that bigarrays has opened or created; this is {kind}")


def concatenate(parts: Sequence[Any], axis: int | str = 0) -> Lazy:
    """Several expressions along an axis, one behind the other; coordinates begin as those of the first.

    Example:
        >>> bigarrays.concatenate([bigarrays.lazy([1, 2]), [3]]).compute()
        array([1, 2, 3])
    """
    operands = [lazy(part) for part in parts]
    if not operands:
        raise InvalidArgumentError("nothing to concatenate")
    at = operands[0]._axis(axis)
    return made_by(all(one._is_positional for one in operands), "concatenate", operands, at)


def stack(parts: Sequence[Any], axis: int = 0) -> Lazy:
    """Several expressions over one domain along a new axis, at 0, 1, … of it.

    Example:
        >>> bigarrays.stack([[1, 2], [3, 4]], axis=1).compute()
        array([[1, 3],
               [2, 4]])
    """
    return concatenate([lazy(part).expand_dims(axis) for part in parts], axis)
