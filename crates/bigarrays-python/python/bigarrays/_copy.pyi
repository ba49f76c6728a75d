import os
from collections.abc import Callable
from typing import Literal

from ._array import Array

def copy(
    source: Array,
    target: Array,
    *,
    rounding: Literal["nearest", "floor", "ceil", "zero"] | None = None,
    out_of_range: Literal["refuse", "clip", "wrap"] | None = None,
    check: bool = False,
    journal: str | os.PathLike[str] | None = None,
    memory: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None: ...
