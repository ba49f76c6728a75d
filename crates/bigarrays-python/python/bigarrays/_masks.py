"""Reductions of the elements that a mask leaves, and from a value on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._lazy import Lazy
    from ._reductions import Axis

#: What stands for elements that a mask leaves out, of reductions where it changes nothing.
_NEUTRAL = {"sum": 0, "prod": 1, "nansum": 0, "nanprod": 1, "any": False, "all": True, "count_nonzero": 0}

#: What a reduction does with its result and the value to begin with.
_FROM = {"min": "minimum", "max": "maximum", "nanmin": "fmin", "nanmax": "fmax"}


def reduced(x: Lazy, name: str, axis: Axis, keepdims: bool, where: Any, initial: Any = None) -> Lazy:
    """The reduction that NumPy calls so, of the elements where the mask is true."""
    if name in _FROM:
        return _extreme(x, name, axis, keepdims, where, initial)
    mask = mask_of(x, where)
    if mask is None:
        return x._reduce(name, axis, keepdims)
    if name == "nanmean" and x.dtype.kind == "f":
        return _chosen(mask, x, np.nan)._reduce(name, axis, keepdims)
    if name in ("mean", "nanmean"):
        total = _chosen(mask, x.astype("float64"), 0).sum(axis, keepdims=keepdims)
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype("float64")
        mean: Lazy = total / mask.count_nonzero(axis, keepdims=keepdims)
        return mean.astype(dtype)
    return _chosen(mask, x, _NEUTRAL[name])._reduce(name, axis, keepdims)


def variance(x: Lazy, axis: Axis, ddof: float, keepdims: bool, where: Any) -> Lazy:
    """The variance of the elements where the mask is true; NaN where one of them is."""
    mask = mask_of(x, where)
    if mask is None:
        axes = x._reduced(axis)
        return x._then("variance", axes, ddof, keepdims) if axes or not x.ndim else x * 0.0
    wide = x.astype("float64")
    sums = _chosen(mask, wide, np.nan)._reduce("nansquared_distances", axis, keepdims)
    found: Lazy = sums / applied("maximum", mask.count_nonzero(axis, keepdims=keepdims) - ddof, 0)
    if x.dtype.kind != "f":
        return found
    has_nan = applied("logical_and", mask, applied("isnan", x)).any(axis, keepdims=keepdims)
    return _chosen(has_nan, np.nan, found).astype(x.dtype)


def nan_variance(x: Lazy, axis: Axis, ddof: float, keepdims: bool, where: Any) -> Lazy:
    """The variance of the elements where the mask is true and that are not NaN."""
    if x.dtype.kind != "f":
        return variance(x, axis, ddof, keepdims, where)
    mask = mask_of(x, where)
    if mask is not None:
        x = _chosen(mask, x, np.nan)
    axes = x._reduced(axis)
    return x._then("nan_variance", axes, ddof, keepdims) if axes or not x.ndim else x * 0.0


def mask_of(x: Lazy, where: Any) -> Lazy | None:
    """The mask over the domain of `x`; None if it leaves all elements.

    Raises:
        TypeError: It is not of booleans.
    """
    from ._expressions import lazy, operand
    from ._lazy import Lazy

    if where is None or where is True:
        return None
    mask = operand(where, x)
    mask = mask if isinstance(mask, Lazy) else lazy(mask)
    if mask.dtype != np.dtype(bool):
        raise TypeError(f"where is a mask of booleans, not of {mask.dtype}")
    return mask if mask.domain == x.domain else mask.broadcast_to(x.domain)


def _extreme(x: Lazy, name: str, axis: Axis, keepdims: bool, where: Any, initial: Any) -> Lazy:
    mask = mask_of(x, where)
    if mask is not None:
        if initial is None:
            raise ValueError(f"{name} has no identity: where= needs initial=, the value to begin with")
        x = _same_type(_chosen(mask, x, initial), x)
    found = x._reduce(name, axis, keepdims)
    return found if initial is None else _same_type(applied(_FROM[name], found, initial), x)


def _same_type(found: Lazy, x: Lazy) -> Lazy:
    if found.dtype != x.dtype:
        raise TypeError(f"initial is not of the type {x.dtype}")
    return found


def _chosen(mask: Lazy, x: Any, other: Any) -> Lazy:
    return applied("where", mask, x, other)


def applied(name: str, *operands: Any) -> Lazy:
    """The function of elements that NumPy calls so."""
    from ._expressions import apply

    return apply(name, operands)
