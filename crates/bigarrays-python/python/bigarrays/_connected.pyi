from collections.abc import Callable

from ._array import Array
from ._expression import _Journal
from ._sharing_of import _Sharing

def _components(
    source: Array,
    target: Array,
    *,
    connectivity: int | None,
    background: float | None,
    binary: bool,
    above: float | None,
    statistics: bool,
    memory: int | None,
    dry_run: bool,
    journal: _Journal | None = None,
    sharing: _Sharing | None = None,
    progress: Callable[[int, int], object] | None,
) -> tuple[int, bytes | None, bytes | None]: ...
