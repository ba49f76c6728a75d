from types import EllipsisType
from typing import Any, Literal, TypeAlias, final

from numpy.typing import ArrayLike

from ._domain import Domain

_Along: TypeAlias = ArrayLike | slice | EllipsisType

@final
class OuterIndexer:
    """What `Array.oindex` is: `a.oindex[xs, 3:9, zs]` reads the elements at every combination of coordinates, and assigning
    to it writes them.
    """

    def __call__(self, *, outside: Literal["error", "fill"] = "error") -> OuterIndexer:
        """The same with options: `a.oindex(outside="fill")[xs, 3:9]`.

        Args:
            outside: "error", or "fill": listed coordinates outside the domain read as the fill value, unless the array is
                strict. Slices read so in either case, as they do without `oindex`.

        Example:
            >>> a = bigarrays.create("memory://outside-outer", shape=(4, 3), dtype="int8", format="zarr3", fill_value=-1)
            >>> a[...] = 3
            >>> a.oindex(outside="fill")[[-1, 2], 0:2].tolist()
            [[-1, -1], [3, 3]]
        """

    def __getitem__(self, key: _Along | tuple[_Along, ...] | Domain) -> Any: ...
    def __setitem__(self, key: _Along | tuple[_Along, ...] | Domain, value: ArrayLike) -> None: ...
