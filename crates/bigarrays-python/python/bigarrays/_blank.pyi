from collections.abc import Callable

from ._array import Array
from ._domain import Box
from ._expression import _Lazy
from ._sharing_of import _Sharing

def _blank(
    array: Array,
    *,
    box: Box | None,
    mask: _Lazy | None,
    dry_run: bool,
    memory: int | None,
    sharing: _Sharing | None = None,
    progress: Callable[[int, int], object] | None,
) -> tuple[int, int]: ...
