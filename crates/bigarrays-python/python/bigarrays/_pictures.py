"""Pictures of planes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ._bigarrays import Array, InvalidArgumentError, Picture, _picture
from ._expressions import lazy

#: A coordinate, or several.
Planes = int | slice | range | str


def picture(
    array: Any,
    *,
    at: dict[str | int, Planes] | None = None,
    box: Any = None,
    axes: str | Sequence[str | int] | None = None,
    projection: Literal["max", "mean"] | None = None,
    pixels: int | tuple[int, int] | None = None,
    contrast: str | tuple[float, float] | None = None,
    labels: bool | None = None,
    overlay: Array | None = None,
    opacity: float = 0.5,
    color_map: Literal["grey", "viridis", "magma", "inferno"] = "grey",
    colors: Sequence[str] | None = None,
    missing_color: str | None = None,
    scale_bar: bool = False,
    captions: bool = False,
    read_limit: int = 1 << 30,
    **planes: Planes,
) -> Picture:
    """Draws a plane of an array, a view or an expression, several side by side, or a projection of them.

    An element is drawn by the pixels in whose middle it lies: only these elements are read. Where the array is a scale of a layer, a
    coarser one is read if it has an element for each pixel. Labels have colours of their own, the same on every machine; 0 has none.

    Args:
        array: What is drawn, of two axes or more: an array, or whatever `lazy` takes, of which the elements of the planes are computed.
        at: As `planes`, by names or numbers of axes.
        box: The box that is drawn, which may reach outside of the domain; all of the array if None.
        axes: The axis that goes down and the one that goes to the right, by names or numbers; if None, the first two of x, y and z that
            are not fixed, the first to the right, or where axes have other names the two along which elements lie nearest to each other.
        projection: Draws the largest element ("max") or the mean along the axis of several planes, NaNs left out, rather than the
            planes side by side.
        pixels: Pixels of the longer side of a plane, whose elements keep their proportions in space, or (height, width). If None, an
            element has one pixel along the axis where it is shortest, up to 2048 pixels along each side of the whole.
        contrast: What is black and what is white: (low, high), percentiles such as "1%,99%" of the elements that are drawn, or
            "type" for all that the type has. If None, "type" for three channels of uint8, and "1%,99%" for all else.
        labels: Whether elements are labels; what the array says if None.
        overlay: Labels that are drawn over the array, where they are in space if resolutions differ.
        opacity: How much labels hide of what is below, from 0 to 1.
        color_map: Colours from the least to the largest element.
        colors: Colours of channels, by names such as "red" or as "#rrggbb", which are added. If None, red, green and blue for three
            channels, green and magenta for two; of more, the first is drawn.
        missing_color: The colour of NaN, of fill values that stand for missing values, and of what is outside of the domain.
        scale_bar: Whether a bar shows how long a length is.
        captions: Whether the coordinate of each plane is written on it.
        read_limit: The most bytes of elements that are decoded, about, for the array and for the overlay. What takes more is drawn
            from a coarser scale, or from fewer elements; the picture's `notes` say so. An expression whose planes take more is refused.
        planes: The coordinates of planes by the names of axes, such as `z=100` or `z=slice(0, 100, 10)`. Along other axes, the first
            coordinate is drawn; several channels are drawn together.

    Raises:
        InvalidArgumentError: Axes, the box, the contrast or the size make no sense.
        OutOfBoundsError: A plane lies outside of the domain.
        UnsupportedError: Elements are no numbers.
        MemoryBudgetError: Not even one element may be read.

    Example:
        >>> import numpy as np
        >>> a = bigarrays.create("memory://picture", shape=(4, 3, 2), dtype="uint8")
        >>> a[...] = np.arange(24, dtype="uint8").reshape(4, 3, 2)
        >>> drawn = bigarrays.picture(a, z=1, contrast=(0, 255))
        >>> drawn.pixels[..., 0]  # x goes to the right
        array([[ 1,  7, 13, 19],
               [ 3,  9, 15, 21],
               [ 5, 11, 17, 23]], dtype=uint8)
    """
    if at is not None and planes.keys() & at.keys():
        raise InvalidArgumentError(f"at= and {', '.join(planes.keys() & at.keys())}= name an axis twice")
    named: dict[str | int, Planes] = dict(at or {})
    for name, one in planes.items():
        named[name] = one
    return _picture(
        array if isinstance(array, Array) else lazy(array)._inner,
        named,
        box,
        axes,
        projection,
        pixels,
        contrast,
        labels,
        overlay,
        opacity,
        color_map,
        None if colors is None else list(colors),
        missing_color,
        scale_bar,
        captions,
        read_limit,
    )
