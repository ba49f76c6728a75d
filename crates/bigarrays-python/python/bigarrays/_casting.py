"""Elements of one type into another, where no value is lost."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_RULES = ("no", "equiv", "safe", "same_kind", "unsafe")
_WIDER = {"b": "biufc", "i": "biufc", "u": "biufc", "f": "fc", "c": "c"}


def cast(value: Any, target: np.dtype[Any], casting: str | None) -> NDArray[Any] | str:
    """`value` as an array of the type `target`, or the reason why it is not stored.

    Without `casting`, values count: whole numbers have to be the same in the new type, others may be rounded but stay
    finite, and no text is cut. With `casting`, one of NumPy's rules decides by the types alone.
    """
    if np.ma.is_masked(value):
        return "masked elements have no value that could be stored; give them one with .filled(...)"
    is_record = target.names is not None and not isinstance(value, np.ndarray)
    array: NDArray[Any] = np.asarray(np.ma.getdata(value) if isinstance(value, np.ma.MaskedArray) else value)
    if is_record:
        array = np.asarray(value, dtype=target)
    source = array.dtype
    if source == target:
        return array
    with np.errstate(all="ignore"):
        if casting is not None:
            return _by_rule(array, target, casting)
        if array.size == 0:
            return np.empty(array.shape, target)
        if _is_raw(target):
            is_bits = source.itemsize == target.itemsize and (source.isbuiltin == 2 or _is_raw(source))
            return array.view(target) if is_bits else _refusal(source, target)
        if not _may_fit(source, target):
            return _refusal(source, target)
        result = array.astype(target)
        return _refusal(source, target) if _is_lossy(array, result) else result


def _by_rule(array: NDArray[Any], target: np.dtype[Any], casting: str) -> NDArray[Any] | str:
    if casting not in _RULES:
        return f"unknown casting {casting!r}; known are {', '.join(map(repr, _RULES))}"
    if not np.can_cast(array.dtype, target, casting):  # type: ignore[arg-type]
        return f"elements of {array.dtype} do not go into {target} by the rule {casting!r}"
    return array.astype(target)


def _refusal(source: np.dtype[Any], target: np.dtype[Any]) -> str:
    if _is_raw(target):
        return (
            f"elements of {source} are not the raw bytes {target}; give them as such with .view({target.str!r}), or make "
            "the array of another type"
        )
    return (
        f'elements of {source} do not go into {target} without loss; convert them with .astype("{target}") if that '
        "is meant"
    )


def _is_raw(dtype: np.dtype[Any]) -> bool:
    return dtype.type is np.void and dtype.names is None


def _kind(dtype: np.dtype[Any]) -> str:
    """NumPy's letter for a kind of types; those of ml_dtypes are floating-point or whole numbers as well."""
    if dtype.isbuiltin != 2:
        return dtype.kind
    return "i" if _limits(dtype) is not None else "f"


def _limits(dtype: np.dtype[Any]) -> tuple[int, int] | None:
    """The least and the greatest number of a type of whole numbers."""
    try:
        if dtype.isbuiltin == 2:
            import ml_dtypes

            custom = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]
            return int(custom.min), int(custom.max)
        info = np.iinfo(dtype)
        return int(info.min), int(info.max)
    except ValueError:
        return (0, 1) if dtype.kind == "b" else None


def _may_fit(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    wider = _WIDER.get(_kind(source))
    if wider is not None and _kind(target) in _WIDER:
        return _kind(target) in wider
    return bool(np.can_cast(source, target, "same_kind"))


def _is_lossy(array: NDArray[Any], result: NDArray[Any]) -> bool:
    source, target = array.dtype, result.dtype
    if _kind(source) in "biu" and _kind(target) in "biu":
        low, high = _limits(target) or (0, 0)
        wide = array.astype(np.int64) if source.isbuiltin == 2 else array
        return bool(int(wide.min()) < low or int(wide.max()) > high)
    if _kind(source) in "biu" and _kind(target) in "fc":
        numbers = result.real if _kind(target) == "c" else result.astype(np.float64)
        # What is above the greatest whole number does not come back as any.
        beyond = 2.0 ** (8 * source.itemsize - (_kind(source) == "i"))
        return bool(np.any(~(numbers < beyond)) or np.any(numbers.astype(source) != array))
    if _kind(source) in "fc":
        return _overflows(array, result)
    if np.can_cast(source, target, "safe") and source.kind != "S":
        return False
    back = result.astype(source)
    differs = back != array
    if source.kind in "mM":
        differs &= ~np.isnat(array)
    return bool(np.any(differs))


def _overflows(array: NDArray[Any], result: NDArray[Any]) -> bool:
    for is_such in (np.isfinite, np.isnan, np.isinf):
        if np.any(is_such(array) & ~is_such(result)):
            return True
    if result.dtype.isbuiltin != 2:
        return False
    # Some types take the greatest number for all that are greater.
    import ml_dtypes

    info = ml_dtypes.finfo(result.dtype)  # type: ignore[no-untyped-call]
    greatest = float(info.max)
    numbers = np.abs(array.astype(np.float64))
    return bool(np.any(np.isfinite(numbers) & (numbers > greatest * (1 + float(info.eps)))))
