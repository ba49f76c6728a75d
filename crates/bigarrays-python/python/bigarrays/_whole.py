"""Lists of whole numbers of up to 64 bits, exactly: NumPy makes floating-point numbers of lists in which some have a sign or are small,
and others are at least 2**63."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def exactly(numbers: Any) -> NDArray[Any]:
    """An array of these numbers, which is NumPy's unless that would round them: then of `uint64`, or of objects if no type of 64 bits has
    them all."""
    found = np.asarray(numbers)
    if isinstance(numbers, np.ndarray) or found.dtype.kind not in "fO" or found.size == 0:
        return found
    exact = np.array(numbers, dtype=object)
    if not all(isinstance(one, int | np.integer) for one in exact.flat):
        return found
    exact = np.array([int(one) for one in exact.flat], dtype=object).reshape(exact.shape)
    least, most = min(exact.flat), max(exact.flat)
    for dtype in ("int64", "uint64"):
        if np.iinfo(dtype).min <= least and most <= np.iinfo(dtype).max:
            return exact.astype(dtype)
    return exact
