"""Columns of tables, with the names that the command line gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def columns_of_boxes(boxes: NDArray[np.int64], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The ends of boxes along each axis."""
    ends = (("start", 0), ("stop", 1))
    return {f"{name}_{end}": boxes[:, axis, at] for axis, name in enumerate(names) for end, at in ends}
