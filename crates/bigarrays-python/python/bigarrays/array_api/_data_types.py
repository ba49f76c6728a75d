"""Types of elements."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._expressions import apply
from .._lazy import Lazy
from ._operands import Number, expression, on_cpu

DType = np.dtype[Any]

bool = np.dtype("bool")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
uint8 = np.dtype("uint8")
uint16 = np.dtype("uint16")
uint32 = np.dtype("uint32")
uint64 = np.dtype("uint64")
float32 = np.dtype("float32")
float64 = np.dtype("float64")

#: The types, by the kinds that are made of no others.
_KINDS: dict[str, list[DType]] = {
    "bool": [bool],
    "signed integer": [int8, int16, int32, int64],
    "unsigned integer": [uint8, uint16, uint32, uint64],
    "real floating": [float32, float64],
    "complex floating": [],
}
#: Kinds of several kinds.
_UNIONS = {
    "integral": ["signed integer", "unsigned integer"],
    "numeric": ["signed integer", "unsigned integer", "real floating", "complex floating"],
}


def types_of(kind: str) -> list[DType]:
    """The types of a kind."""
    if kind in _UNIONS:
        return [dtype for one in _UNIONS[kind] for dtype in _KINDS[one]]
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no kind of types; known are {', '.join([*_KINDS, *_UNIONS])}")
    return _KINDS[kind]


@dataclass(frozen=True)
class FloatInfo:
    """The limits of a type of floating-point numbers."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntInfo:
    """The limits of a type of integers."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: DType | Lazy, /) -> FloatInfo:
    """The limits of a type of floating-point numbers, or of that of an array.

    Example:
        >>> bigarrays.array_api.finfo(bigarrays.array_api.float32).eps
        1.1920928955078125e-07
    """
    found = np.finfo(_type_of(type))
    least, most = float(found.min), float(found.max)
    return FloatInfo(found.bits, float(found.eps), most, least, float(found.smallest_normal), np.dtype(found.dtype))


def iinfo(type: DType | Lazy, /) -> IntInfo:
    """The limits of a type of integers, or of that of an array."""
    dtype = np.dtype(_type_of(type))
    found = np.iinfo(dtype)
    return IntInfo(found.bits, int(found.max), int(found.min), dtype)


def _type_of(given: DType | Lazy) -> DType:
    return given.dtype if isinstance(given, Lazy | np.ndarray) else np.dtype(given)


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> builtins.bool:
    """Whether a type is of a kind, such as "real floating", or of one of several.

    Example:
        >>> bigarrays.array_api.isdtype(bigarrays.array_api.uint8, ("bool", "integral"))
        True
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(dtype in types_of(one) if isinstance(one, str) else dtype == one for one in kinds)


def can_cast(from_: DType | Lazy, to: DType, /) -> builtins.bool:
    """Whether promotion may make elements of one type, or of an array, those of another."""
    return np.can_cast(_type_of(from_), to)


def result_type(*arrays_and_dtypes: Lazy | DType | Number) -> DType:
    """The type that arrays, types and numbers are promoted to. Numbers take the type of the others."""
    given = [one if isinstance(one, Number) else _type_of(one) for one in arrays_and_dtypes]
    if all(isinstance(one, Number) for one in given):
        raise ValueError("numbers alone have no type; give an array or a type")
    return np.result_type(*given)


def astype(x: Lazy, dtype: DType, /, *, copy: builtins.bool = True, device: str | None = None) -> Lazy:
    """The elements in another type, truncated toward zero; a boolean is whether an element is not zero.

    Elements that the type does not reach are an error when they are computed. `copy` is ignored: results are always new.
    """
    on_cpu(device)
    x = expression(x)
    if np.dtype(dtype) == x.dtype:
        return x
    return apply("not_equal", [x, False]) if np.dtype(dtype) == bool else x.astype(dtype)
