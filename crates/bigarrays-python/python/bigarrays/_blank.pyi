from collections.abc import Callable

from ._array import Array
from ._domain import Box
from ._expression import _Lazy

def _blank(
    array: Array,
    box: Box | None,
    mask: _Lazy | None,
    dry_run: bool,
    memory: int | None,
    progress: Callable[[int, int], object] | None,
) -> tuple[int, int]: ...
