"""What there is in the namespace."""

from __future__ import annotations

from typing import Any

from ._data_types import _KINDS, DType, float64, int64, types_of
from ._operands import on_cpu


class Info:
    """What the namespace has: the answers of `__array_namespace_info__`."""

    def capabilities(self) -> dict[str, Any]:
        """Which parts of the standard there are, by name.

        Shapes are known when an expression is built: there is no indexing with booleans.
        """
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> str:
        """Where arrays are."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """Where arrays can be."""
        return ("cpu",)

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """The types of what is made without one, by kind; none is complex."""
        on_cpu(device)
        return {"real floating": float64, "integral": int64, "indexing": int64}

    def dtypes(self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None) -> dict[str, DType]:
        """The types of a kind, of several, or all, by name; none is complex."""
        on_cpu(device)
        kinds = tuple(_KINDS) if kind is None else (kind,) if isinstance(kind, str) else kind
        return {dtype.name: dtype for one in kinds for dtype in types_of(one)}


def __array_namespace_info__() -> Info:  # noqa: N807
    """What the namespace has.

    Example:
        >>> sorted(bigarrays.array_api.__array_namespace_info__().dtypes(kind="real floating"))
        ['float32', 'float64']
    """
    return Info()
