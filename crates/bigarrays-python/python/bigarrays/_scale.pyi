from typing import final

from ._domain import Domain

@final
class Scale:
    """One scale of a layer, as its metadata describe it: `bigarrays.open(url, scale=scale.key)` opens it.

    Example:
        >>> a = bigarrays.create("memory://scale", shape=(100, 80, 60), dtype="uint8", resolution=(8, 8, 40))
        >>> a.scales[0].key, a.scales[0].resolution
        ('8_8_40', (8.0, 8.0, 40.0))
    """

    @property
    def key(self) -> str:
        """Its name in the layer."""

    @property
    def domain(self) -> Domain:
        """The box of coordinates that it covers, half-open."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a whole chunk, in elements along each axis."""

    @property
    def resolution(self) -> tuple[float, ...]:
        """Size of an element along each axis, in `unit`; 1 along channels."""

    @property
    def unit(self) -> str:
        """Unit of the resolution, such as "nm"."""

    @property
    def encoding(self) -> str:
        """Name of the encoding of chunks, such as "raw" or "jpeg"."""

    @property
    def sharded(self) -> bool:
        """Whether chunks are packed into shards."""
