from types import EllipsisType
from typing import SupportsIndex, TypeAlias

from ._array import Array
from ._domain import Domain

Index: TypeAlias = SupportsIndex | slice | EllipsisType
Key: TypeAlias = Index | tuple[Index, ...] | Domain

class ViewIndexer:
    def __getitem__(self, key: Key) -> Array: ...
