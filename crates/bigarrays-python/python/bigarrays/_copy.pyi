from collections.abc import Callable

from ._array import Array

def copy(
    source: Array,
    target: Array,
    *,
    memory: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None: ...
