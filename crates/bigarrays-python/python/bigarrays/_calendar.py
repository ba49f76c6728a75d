"""Times along an axis, and the periods of a calendar that they lie in."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._bigarrays import Array, InvalidArgumentError, _periods


def periods(times: Any, period: str, units: str | None, calendar: str | None) -> tuple[list[tuple[int, int]], list[str]]:
    """The positions of the times within each period, one behind the other, and the date that each begins with.

    Raises:
        InvalidArgumentError: Times do not ascend, units or the period are none.
        UnsupportedError: The calendar is unknown.
    """
    if isinstance(times, Array):
        units = units or times.attrs.get("units")
        calendar = calendar or times.attrs.get("calendar")
    values = np.asarray(times[...] if isinstance(times, Array) else times)
    if values.ndim != 1:
        raise InvalidArgumentError(f"times of shape {values.shape}; they are those of one axis")
    if values.dtype.kind == "M":
        if np.isnat(values).any():
            raise InvalidArgumentError("some times are missing")
        values = values.astype("datetime64[us]").astype("int64")
        units, calendar = "microseconds since 1970-01-01", "proleptic_gregorian"
    if units is None:
        raise InvalidArgumentError("units= is missing, such as 'days since 2000-01-01', for times that are numbers")
    if values.dtype.kind not in "iuf":
        raise InvalidArgumentError(f"times of {values.dtype}")
    if values.dtype.kind != "f" and values.size and int(values.max()) > np.iinfo("int64").max:
        raise InvalidArgumentError("times that are too far away")
    return _periods(values.astype("float64" if values.dtype.kind == "f" else "int64").tolist(), str(units), str(calendar or "standard"), period)
