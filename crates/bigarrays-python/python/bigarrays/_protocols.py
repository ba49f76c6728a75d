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
    **{name: name for name in ("min", "max", "any", "all", "count_nonzero", "var", "std")},
    **{name: name for name in ("nanmin", "nanmax", "nanvar", "nanstd")},
    **{name: name for name in ("argmin", "argmax", "nanargmin", "nanargmax", "broadcast_to")},
    **{name: name for name in ("median", "nanmedian", "quantile", "nanquantile")},
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


def _clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Lazy:
    found, least, most = lazy(x), a_min if min is None else min, a_max if max is None else max
    found = found if least is None else apply("maximum", (found, least))
    return found if most is None else apply("minimum", (found, most))


def _typed(name: str) -> Callable[..., Lazy]:
    """A sum, product or mean, in another type if one is asked for: wrapped as NumPy's integers are."""

    def found(x: Any, axis: Any = None, dtype: Any = None, **options: Any) -> Lazy:
        of = lazy(x)
        made: Lazy = getattr(of, name)(axis, **options)
        if dtype is None:
            return made
        wanted = np.dtype(dtype)
        if wanted.kind not in "iuf" or (wanted.kind != "f" and of.dtype.kind == "f"):
            raise TypeError(f"{name} of {of.dtype} in {wanted}; cast the elements before")
        return made.astype(wanted, out_of_range="wrap" if wanted.kind != "f" else "refuse")

    return found


def _percentile(name: str) -> Callable[..., Lazy]:
    return lambda x, q, axis=None, **options: getattr(lazy(x), name)(np.asarray(q) / 100, axis, **options)


def _filled(value: Any) -> Callable[..., Lazy]:
    return lambda x, dtype=None: _full_like(x, value, dtype)


def _full_like(x: Any, fill_value: Any, dtype: Any = None) -> Lazy:
    of = lazy(x)
    one = lazy(np.asarray(fill_value).astype(of.dtype if dtype is None else dtype)).broadcast_to(of.domain)
    return Lazy(one._inner, one._made, of._is_positional).rename(list(of.dimension_names))


def _squeeze(x: Lazy, axis: Any = None) -> Lazy:
    return x.squeeze([at for at, length in enumerate(x.shape) if length == 1] if axis is None else axis)


def _expand_dims(x: Lazy, axis: Any) -> Lazy:
    axes = [int(one) for one in np.atleast_1d(axis)]
    ndim = x.ndim + len(axes)
    for at in sorted(np.lib.array_utils.normalize_axis_index(one, ndim) for one in axes):
        x = x.expand_dims(at)
    return x


def _swapaxes(x: Lazy, axis1: Any, axis2: Any) -> Lazy:
    order, (one, other) = list(range(x.ndim)), x._axes([axis1, axis2])
    order[one], order[other] = other, one
    return x.transpose(*order)


#: What lies beyond the ends, by NumPy's names.
_BEYOND = {"constant": "constant", "edge": "nearest", "symmetric": "reflect", "reflect": "mirror", "wrap": "wrap"}


def _pad(x: Lazy, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Lazy:
    if mode not in _BEYOND or np.ndim(constant_values):
        raise TypeError(f"padding with mode={mode!r}, constant_values={constant_values!r}")
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    for axis, (before, behind) in enumerate(widths):
        if before or behind:
            x = x.pad(before, behind, axis, boundary=_BEYOND[mode], fill_value=constant_values)
    return x


def _gradient(x: Lazy, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    axes = list(range(x.ndim)) if axis is None else x._axes(axis)
    if edge_order != 1 or len(spacing) not in (0, 1, len(axes)):
        raise TypeError("gradients are of the first order at the edges, with one spacing or one for each axis")
    given = spacing * len(axes) if len(spacing) == 1 else spacing or (1.0,) * len(axes)
    found = tuple(x.gradient(at, spacing=one) for at, one in zip(axes, given, strict=True))
    return found[0] if len(found) == 1 else found


def _histogram(x: Any, bins: Any = 10, range: Any = None, *, weights: Any = None) -> Any:
    return lazy(x).histogram(bins, range, weights=weights)


def _isclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Lazy:
    near = apply("less_equal", (abs(apply("subtract", (a, b))), atol + rtol * apply("absolute", (b,))))
    found = apply("logical_or", (apply("logical_and", (near, apply("isfinite", (b,)))), apply("equal", (a, b))))
    both = apply("logical_and", (apply("isnan", (a,)), apply("isnan", (b,))))
    return apply("logical_or", (found, both)) if equal_nan else found


def _nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Lazy:
    of = lazy(x)
    if of.dtype.kind != "f":
        return of
    limits = np.finfo(of.dtype)
    most, least = limits.max if posinf is None else posinf, limits.min if neginf is None else neginf
    found = apply("where", (apply("isnan", (of,)), float(nan), of))
    found = apply("where", (apply("equal", (found, np.inf)), float(most), found))
    return apply("where", (apply("equal", (found, -np.inf)), float(least), found))


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
    if np.ndim(indices):
        return x.take(indices, axis)
    at = x._axis(axis)
    return x[(slice(None),) * at + (indices,)]


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


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _typed(name) for name in ("sum", "prod", "mean", "nansum", "nanprod", "nanmean")},
    "percentile": _percentile("quantile"),
    "nanpercentile": _percentile("nanquantile"),
    "shape": lambda x: x.shape,
    "ndim": lambda x: x.ndim,
    "size": lambda x, axis=None: x.size if axis is None else x.shape[x._axis(axis)],
    "swapaxes": _swapaxes,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "pad": _pad,
    "gradient": _gradient,
    "histogram": _histogram,
    "isclose": _isclose,
    "nan_to_num": _nan_to_num,
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
    "zeros_like": _filled(0),
    "ones_like": _filled(1),
    "full_like": _full_like,
}
