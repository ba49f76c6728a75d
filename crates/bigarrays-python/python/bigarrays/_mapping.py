"""Functions of users, of blocks of expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._bigarrays import Domain, InvalidArgumentError, _Lazy
from ._expressions import lazy
from ._lazy import Lazy
from ._threads import note_function, one_thread_of_openmp

Depth = int | tuple[int, int]


def map_overlap(
    function: Callable[..., Any],
    *arrays: Any,
    depth: Depth | Mapping[Any, Depth] = 0,
    boundary: str | None | Mapping[Any, str | None] = None,
    fill_value: float = 0,
    trim: bool = True,
    dtype: DTypeLike | Sequence[DTypeLike] | None = None,
    pass_domain: bool = False,
    releases_gil: bool = False,
) -> Any:
    """The results of a function of blocks, and of what lies beside them.

    The function is called with a NumPy array for each of `arrays`: a block, which `compute` chooses, and `depth` elements beside
    it. They cannot be written to. It gives an array of the same shape, or a tuple of them. A result that depends on which blocks
    there are depends on the memory budget as well.

    Args:
        function: The function; of NumPy, numba, or anything that takes arrays.
        arrays: Arrays, expressions or array-likes, which agree in their coordinates or are repeated, as operands are.
        depth: Elements beside a block before and behind it; or (before, behind); or either for each axis that has some.
        boundary: What lies beyond the ends of the arrays: "nearest", "reflect", "mirror" or "wrap" as scipy.ndimage has them,
            "constant" for `fill_value`; or one for each axis. Nothing if None: blocks at an end have fewer elements beside them.
        fill_value: What lies beyond the ends if the boundary is "constant".
        trim: Whether the function gives elements for what lies beside the block as well, which are cut off. If not, it gives
            those of the block alone.
        dtype: Type of the result, or a list of those of several. If None, the function is called once, at once, for a block of
            one element.
        pass_domain: Whether the function is called with `domain=`, the box of the block. What lies beside it is not in it.
        releases_gil: Whether several threads may call it at once; if not, one call at a time is under way.

    Returns:
        An expression, or a tuple of them.

    Raises:
        InvalidArgumentError: Arrays do not agree; when elements are computed, the function has raised, or has given
            another shape. The error names the block.

    Example:
        >>> import numpy as np
        >>> x = bigarrays.lazy([3, 9, 4, 7])
        >>> def means(block):
        ...     return np.convolve(block, [1 / 3] * 3, mode="same")
        >>> bigarrays.map_overlap(means, x, depth=1, boundary="nearest").compute()
        array([5.        , 5.33333333, 6.66666667, 6.        ])
    """
    inputs = [lazy(array) for array in arrays]
    if not inputs:
        raise InvalidArgumentError("no arrays to map a function over")
    widest = max(inputs, key=lambda one: one.ndim)
    depths = [_pair(one) for one in _per_axis(widest, depth, 0)]
    beyond = [None if one is None else (one, float(fill_value)) for one in _per_axis(widest, boundary, None)]
    dtypes, is_several = _dtypes(function, inputs, depths, trim, dtype, pass_domain)
    note_function()
    arguments = (function, inputs, depths, beyond, trim, dtypes, pass_domain, releases_gil)
    made = _Lazy.map_blocks(function, [one._inner for one in inputs], *arguments[2:])
    is_positional = all(one._is_positional for one in inputs)
    results = tuple(Lazy(inner, ("mapped", *arguments, k), is_positional) for k, inner in enumerate(made))
    return results if is_several else results[0]


def map_blocks(
    function: Callable[..., Any],
    *arrays: Any,
    dtype: DTypeLike | Sequence[DTypeLike] | None = None,
    pass_domain: bool = False,
    releases_gil: bool = False,
) -> Any:
    """The results of a function of blocks; see `map_overlap`.

    Example:
        >>> x = bigarrays.lazy([3, 9, 4, 7])
        >>> bigarrays.map_blocks(lambda block: block[...] * 2, x).compute()
        array([ 6, 18,  8, 14])
    """
    return map_overlap(
        function, *arrays, trim=False, dtype=dtype, pass_domain=pass_domain, releases_gil=releases_gil
    )


def _per_axis(of: Lazy, given: Any, default: Any) -> list[Any]:
    if not isinstance(given, Mapping):
        return [given] * of.ndim
    found = [default] * of.ndim
    for axis, one in given.items():
        found[of._axis(axis)] = one
    return found


def _pair(depth: Depth) -> tuple[int, int]:
    before, behind = depth if isinstance(depth, tuple) else (depth, depth)
    if before < 0 or behind < 0:
        raise InvalidArgumentError("depths are not negative")
    return int(before), int(behind)


def _dtypes(
    function: Callable[..., Any],
    inputs: list[Lazy],
    depths: list[tuple[int, int]],
    trim: bool,
    dtype: Any,
    pass_domain: bool,
) -> tuple[list[np.dtype[Any]], bool]:
    """The types of the results, and whether there are several."""
    if isinstance(dtype, list | tuple):
        return [np.dtype(one) for one in dtype], True
    if dtype is not None:
        return [np.dtype(dtype)], False
    shape = [1 + before + behind for before, behind in depths]
    blocks = [np.ones(shape, one.dtype) for one in inputs]
    domain = {"domain": Domain.from_shape([1] * len(shape))} if pass_domain else {}
    try:
        made = function(*blocks, **domain)
    except Exception as error:
        error.add_note("it was called for one element, to find the type of its result; give dtype=")
        raise
    found = [np.asarray(one).dtype for one in made] if isinstance(made, tuple) else [np.asarray(made).dtype]
    return found, isinstance(made, tuple)


def call(
    function: Callable[..., Any],
    blocks: list[tuple[bytes, np.dtype[Any], tuple[int, ...]]],
    domain: Domain | None,
    dtypes: list[np.dtype[Any]],
) -> list[NDArray[Any]]:
    """The results of a function of some blocks, each of its type."""
    arrays = [np.frombuffer(elements, dtype).reshape(shape) for elements, dtype, shape in blocks]
    note_function()
    with one_thread_of_openmp():
        made = function(*arrays) if domain is None else function(*arrays, domain=domain)
    results = made if isinstance(made, tuple) else (made,)
    if len(results) != len(dtypes):
        raise ValueError(f"{len(results)} results, where {len(dtypes)} are due")
    return [_converted(one, dtype) for one, dtype in zip(results, dtypes, strict=True)]


def _converted(result: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    if np.ma.is_masked(result):
        raise ValueError("a result with masked elements, which have no value; give them one with .filled(...)")
    made = np.asarray(result)
    if not np.can_cast(made.dtype, dtype, "same_kind"):
        raise TypeError(f"a result of {made.dtype}, where one of {dtype} is due")
    # Not `ascontiguousarray`, which gives what has no axes one.
    return made.astype(dtype, order="C", copy=False)
