from typing import Any, Literal, final

from numpy.typing import ArrayLike, NDArray

@final
class PointIndexer:
    """What `Array.vindex` is: `a.vindex[xs, ys, zs]` reads the elements at points, and assigning to it writes them."""

    def __call__(self, *, outside: Literal["error", "fill"] = "error") -> PointIndexer:
        """The same with options: `a.vindex(outside="fill")[xs, ys, zs]`.

        Args:
            outside: "error", or "fill": points outside the domain read as the fill value, unless the array is strict.

        Example:
            >>> a = bigarrays.create("memory://outside-points", shape=(4,), dtype="int8", format="zarr3", fill_value=-1)
            >>> a[...] = 3
            >>> a.vindex(outside="fill")[[-1, 2, 9]]
            array([-1,  3, -1], dtype=int8)
        """

    def __getitem__(self, key: ArrayLike | tuple[ArrayLike, ...]) -> NDArray[Any]: ...
    def __setitem__(self, key: ArrayLike | tuple[ArrayLike, ...], value: ArrayLike) -> None: ...
