"""NumPy's functions of expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._expressions import apply, concatenate, lazy, stack
from ._lazy import Lazy
from ._masks import reduced
from ._products import matmul, tensordot

#: Universal functions that reduce, by what they fold with.
_FOLDS = {"add": "sum", "multiply": "prod", "minimum": "min", "maximum": "max", "logical_or": "any", "logical_and": "all"}

#: Functions that are methods of the same name, or of another.
_METHODS = {
    **{name: name for name in ("sum", "prod", "mean", "min", "max", "any", "all", "count_nonzero", "var", "std")},
    **{name: name for name in ("nansum", "nanprod", "nanmean", "nanmin", "nanmax", "nanvar", "nanstd")},
    **{name: name for name in ("argmin", "argmax", "nanargmin", "nanargmax", "broadcast_to", "expand_dims", "squeeze")},
    "amin": "min",
    "amax": "max",
}


def of_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What `Lazy.__array_ufunc__` gives."""
    if method == "reduce" and ufunc.__name__ in _FOLDS and set(options) <= {"axis", "keepdims", "where"}:
        of, axis, keepdims = lazy(inputs[0]), options.get("axis", 0), options.get("keepdims", False)
        return reduced(of, _FOLDS[ufunc.__name__], axis, keepdims, options.get("where", True))
    if method != "__call__" or options:
        return NotImplemented
    if ufunc.__name__ == "divmod":
        return apply("floor_divide", inputs), apply("remainder", inputs)
    if ufunc.__name__ == "matmul":
        return matmul(*inputs)
    return apply(ufunc.__name__, inputs)


def of_function(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What `Lazy.__array_function__` gives."""
    name = function.__name__
    if name in _METHODS:
        return getattr(lazy(args[0]), _METHODS[name])(*args[1:], **options)
    found = _FUNCTIONS.get(name)
    return NotImplemented if found is None else found(*args, **options)


def _where(condition: Any, x: Any, y: Any) -> Lazy:
    return apply("where", (condition, x, y))


def _clip(x: Any, least: Any = None, most: Any = None) -> Lazy:
    found = lazy(x)
    found = found if least is None else apply("maximum", (found, least))
    return found if most is None else apply("minimum", (found, most))


def _transpose(x: Lazy, axes: Any = None) -> Lazy:
    return x.transpose(*(axes or ()))


def _moveaxis(x: Lazy, source: Any, destination: Any) -> Lazy:
    moved, to = x._axes(source), x._axes(destination)
    order = [axis for axis in range(x.ndim) if axis not in moved]
    for target, axis in sorted(zip(to, moved, strict=True)):
        order.insert(target, axis)
    return x.transpose(*order)


def _flip(x: Lazy, axis: Any = None) -> Lazy:
    axes = range(x.ndim) if axis is None else x._axes(axis)
    return x[tuple(slice(None, None, -1) if at in axes else slice(None) for at in range(x.ndim))]


def _take(x: Lazy, indices: Any, axis: Any = None) -> Lazy:
    if axis is None:
        raise TypeError("take needs an axis")
    return x.take(indices, axis)


def _roll(x: Lazy, shift: Any, axis: Any) -> Lazy:
    shifts = [shift] if isinstance(shift, int | np.integer) else list(shift)
    for by, at in zip(shifts, x._axes(axis), strict=True):
        length = x.shape[at]
        if length and by % length:
            first = x.domain.origin[at]
            cut = first + length - by % length
            keys: list[list[Any]] = [[slice(None)] * x.ndim for _ in range(2)]
            keys[0][at], keys[1][at] = slice(cut, first + length), slice(first, cut)
            origin = x.domain.origin
            rolled = concatenate([x[tuple(key)] for key in keys], at)
            offset = [to - now for to, now in zip(origin, rolled.domain.origin, strict=True)]
            x = rolled._then("translate", offset) if any(offset) else rolled
    return x


def _round(x: Lazy, decimals: int = 0) -> Lazy:
    if decimals:
        raise TypeError("rounding to decimals; multiply, round and divide")
    return apply("rint", (x,)) if x.dtype.kind == "f" else x


_FUNCTIONS: dict[str, Callable[..., Lazy]] = {
    "where": _where,
    "clip": _clip,
    "concatenate": concatenate,
    "stack": stack,
    "transpose": _transpose,
    "permute_dims": _transpose,
    "moveaxis": _moveaxis,
    "flip": _flip,
    "take": _take,
    "roll": _roll,
    "round": _round,
    "tensordot": tensordot,
    "cumsum": lambda x, axis: x.cumsum(axis),
    "cumprod": lambda x, axis: x.cumprod(axis),
    "diff": lambda x, n=1, axis=-1: x.diff(axis, n=n),
    "around": _round,
    "zeros_like": lambda x, dtype=None: apply("multiply", (x, 0)) if dtype is None else (x * 0).astype(dtype),
}
