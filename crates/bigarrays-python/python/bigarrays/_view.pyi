from types import EllipsisType
from typing import SupportsIndex, TypeAlias, final

from ._array import Array
from ._domain import Domain

Index: TypeAlias = SupportsIndex | slice | EllipsisType
Key: TypeAlias = Index | tuple[Index, ...] | Domain

@final
class ViewIndexer:
    """What `Array.view` is: indexing it gives an array that shows a part, without reading."""

    def __getitem__(self, key: Key) -> Array: ...
