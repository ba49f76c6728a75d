import os
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._array import Array
from ._expression import _Lazy

@final
class Picture:
    """A picture that `picture` has drawn. Jupyter shows it, `numpy.asarray` takes its pixels.

    Example:
        >>> import numpy as np
        >>> a = bigarrays.create("memory://pictured", shape=(4, 3, 2), dtype="uint8")
        >>> drawn = bigarrays.picture(a, z=1)
        >>> np.asarray(drawn).shape, drawn.png[:4]
        ((3, 4, 3), b'\\x89PNG')
    """

    @property
    def width(self) -> int:
        """Number of columns."""

    @property
    def height(self) -> int:
        """Number of rows."""

    @property
    def png(self) -> bytes:
        """The bytes of the PNG file."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """A new NumPy array of uint8 of shape (height, width, 3): red, green and blue; or (height, width, 4) of labels alone, whose
        fourth value is 0 where there are none, and 255 elsewhere.
        """

    @property
    def contrast(self) -> list[tuple[float, float]]:
        """The elements that are black and white, for each channel that is shown; empty for labels."""

    @property
    def notes(self) -> list[str]:
        """What there is to know of how it was drawn, such as the scale that was read, each a sentence."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the PNG file.

        Args:
            path: The file, which is replaced if it is there.
        """

    def _repr_png_(self) -> bytes: ...
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]: ...

def _picture(
    of: Array | _Lazy,
    at: dict[Any, Any],
    box: Any,
    axes: Any,
    projection: str | None,
    pixels: Any,
    contrast: Any,
    labels: bool | None,
    overlay: Array | None,
    opacity: float,
    color_map: str,
    colors: list[str] | None,
    missing_color: str | None,
    scale_bar: bool,
    captions: bool,
    read_limit: int,
) -> Picture: ...
