"""Statistics of all labels that there are, whatever numbers they are."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import Array, InvalidArgumentError, _Lazy
from ._lazy import Lazy
from ._masks import applied
from ._progress import Progress, reporter
from ._targets import journal_of

#: What there is beside the reductions of expressions.
_OTHERS = ("size", "count", "var", "std")
_REDUCTIONS = tuple(
    "sum prod mean min max any all count_nonzero first last nansum nanprod nanmean nanmin nanmax nanfirst nanlast".split()
)


def label_statistics(
    x: Any,
    labels: Any,
    of: str | Sequence[str] = ("size", "sum", "mean", "min", "max"),
    axis: int | str | Sequence[int | str] | None = None,
    *,
    memory: int | None = None,
    scratch: str | PathLike[str] | None = None,
    resume: bool | str | PathLike[str] = False,
    progress: Progress | None = None,
) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """What the elements of each label become: of segments of a volume, parcels of a map. Computed at once.

    Labels are any whole numbers, such as ids of segments in 64 bits, and nobody has to know which there are: only those that are
    met take memory. Elements and labels are read once, if what is asked for fits into the memory together. Results have the same
    bits for every memory budget and number of threads.

    Args:
        x: The elements: an array, an expression, or what `bigarrays.lazy` takes.
        labels: Whole numbers that lie beside them. Negative ones are no label.
        of: One or several of size, count (of those that are not NaN), sum, prod, mean, var, std, min, max, any, all, count_nonzero,
            first, last, and nansum, nanprod, nanmean, nanmin, nanmax, nanfirst, nanlast. They are those of `Lazy.groupby`.
        axis: The axes of `x` along which the labels lie, by number or name; all axes if None. Others are reduced as well.
        memory: As `Lazy.compute` has it. A part of it is for the cells of labels.
        scratch: As `Lazy.compute` has it.
        resume: As `Lazy.compute` has it: tables of up to 64 parts of the elements are kept, and the same call goes on with them.
        progress: As `Lazy.compute` has it.

    Returns:
        The labels, ascending, and a dictionary of what is asked for, in their order.

    Raises:
        MemoryBudgetError: The smallest blocks do not fit, or there are more labels than the memory has room for.

    Example:
        >>> labels, found = bigarrays.label_statistics([3, 9, 4, 8], [7, 1 << 60, 7, 1 << 60], of=["size", "mean"])
        >>> labels, found["mean"]
        (array([                  7, 1152921504606846976]), array([3.5, 8.5]))
    """
    from ._expressions import lazy

    elements = lazy(x)
    names = [of] if isinstance(of, str) else list(of)
    unknown = [name for name in names if name not in (*_OTHERS, *_REDUCTIONS)]
    if unknown or not names:
        raise InvalidArgumentError(f"unknown of={unknown}; known are {', '.join((*_OTHERS, *_REDUCTIONS))}")
    axes = list(range(elements.ndim)) if axis is None else elements._axes(axis)
    numbers = _beside(labels, elements, axes)
    reductions: list[tuple[Lazy, str]] = []
    for name in names:
        if name == "count":
            reductions.append((applied("logical_not", applied("isnan", elements)), "count_nonzero"))
        elif name in ("var", "std"):
            reductions.append((elements, "squared_distances"))
        elif name != "size":
            reductions.append((elements, name))
    asked = [(one._inner, name) for one, name in reductions] or [(elements._inner, "any")]
    known = [one for one, _ in asked] + [numbers._inner]
    with journal_of(resume, lambda: f"label statistics {names} {axes} {_Lazy.identity(known)}") as journal:
        report = reporter(progress, "computing")
        found = _Lazy.by_label(asked, numbers._inner, axes, memory, scratch, journal, report)
    (dtype, raw), (_, sizes), columns = found
    made = iter(np.frombuffer(column, dtype).copy() for dtype, column in columns)
    size = np.frombuffer(sizes, "uint64").astype("int64")
    results = {name: size if name == "size" else _finished(name, next(made), size, elements) for name in names}
    return np.frombuffer(raw, dtype).copy(), results


def _beside(labels: Any, elements: Lazy, axes: list[int]) -> Lazy:
    """The labels at the coordinates of the elements."""
    from ._expressions import lazy

    found = lazy(labels)
    if found.dtype.kind not in "iu":
        raise InvalidArgumentError(f"labels of {found.dtype} elements, which are no whole numbers")
    shape = tuple(elements.shape[axis] for axis in axes)
    if found.shape != shape:
        raise InvalidArgumentError(f"labels of shape {found.shape} along axes of shape {shape}")
    if isinstance(labels, Lazy | Array) and not elements._is_positional:
        return found
    offset = [elements.domain.origin[axis] - first for axis, first in zip(axes, found.positional.domain.origin, strict=True)]
    return found.positional._then("translate", offset) if any(offset) else found.positional


def _finished(name: str, made: NDArray[Any], size: NDArray[Any], elements: Lazy) -> NDArray[Any]:
    if name not in ("var", "std"):
        return made
    found: NDArray[Any] = np.sqrt(made / size) if name == "std" else made / size
    return found.astype(elements.dtype) if elements.dtype.kind == "f" else found
