from typing import Any, final

from numpy.typing import ArrayLike, NDArray

@final
class PointIndexer:
    """What `Array.vindex` is: `a.vindex[xs, ys, zs]` reads the elements at points, and assigning to it writes them."""

    def __getitem__(self, key: ArrayLike | tuple[ArrayLike, ...]) -> NDArray[Any]: ...
    def __setitem__(self, key: ArrayLike | tuple[ArrayLike, ...], value: ArrayLike) -> None: ...
