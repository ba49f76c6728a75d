from collections.abc import Callable

from ._array import Array
from ._expression import _Journal
from ._sharing_of import _Sharing

def _label_table(
    labels: Array,
    *,
    background: int | None,
    memory: int | None,
    journal: _Journal | None = None,
    sharing: _Sharing | None = None,
    progress: Callable[[int, int], object] | None,
) -> tuple[bytes, bytes, bytes, bytes]: ...
def _contacts(
    labels: Array,
    *,
    background: int | None,
    memory: int | None,
    journal: _Journal | None = None,
    sharing: _Sharing | None = None,
    progress: Callable[[int, int], object] | None,
) -> tuple[bytes, bytes, bytes]: ...
def _table_of_csv(text: bytes, path: str) -> tuple[tuple[bytes, str], tuple[bytes, str]]: ...
def _relabel(
    source: Array,
    target: Array,
    *,
    table: tuple[tuple[bytes, str], tuple[bytes, str]],
    unlisted: int | str,
    memory: int | None,
    dry_run: bool,
    journal: _Journal | None = None,
    sharing: _Sharing | None = None,
    progress: Callable[[int, int], object] | None,
) -> None: ...
def _renumber(
    source: Array,
    target: Array,
    *,
    numbering: str,
    background: int | None,
    memory: int | None,
    dry_run: bool,
    journal: _Journal | None = None,
    sharing: _Sharing | None = None,
    progress: Callable[[int, int], object] | None,
) -> bytes: ...
