from collections.abc import Iterator, Sequence
from typing import TypeAlias, final

Box: TypeAlias = str | Domain | Sequence[tuple[int, int] | slice]

@final
class Domain:
    """A box of absolute coordinates, half-open on every axis.

    A domain is an immutable sequence of `(start, stop)` pairs. Coordinates may be below zero.

    Args:
        box: A text "x0:x1,y0:y1,…", one (start, stop) pair or slice per axis, or another domain.

    Raises:
        InvalidArgumentError: A range ends before it starts, or a text is no box.

    Example:
        >>> domain = bigarrays.Domain("-5:5,0:3")
        >>> domain.origin, domain.shape, domain.size
        ((-5, 0), (10, 3), 30)
        >>> domain == bigarrays.Domain([(-5, 5), (0, 3)])
        True
        >>> [stop for start, stop in domain]
        [5, 3]
        >>> domain & "0:9,-1:2"
        Domain("0:5,0:2")
        >>> (4, 2) in domain, "0:6,0:1" in domain
        (True, False)
    """

    def __new__(cls, box: Box) -> Domain: ...
    @classmethod
    def from_shape(cls, shape: Sequence[int], *, origin: Sequence[int] | None = None) -> Domain:
        """The domain of `shape` elements along each axis that starts at `origin`, by default at zeros.

        Raises:
            InvalidArgumentError: There are not as many lengths as coordinates, or coordinates leave the range of 64 bits.

        Example:
            >>> bigarrays.Domain.from_shape((4, 3), origin=(10, -1))
            Domain("10:14,-1:2")
        """

    @property
    def origin(self) -> tuple[int, ...]:
        """First coordinate on each axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    @property
    def size(self) -> int:
        """Number of elements in the box.

        Raises:
            InvalidArgumentError: There are more than 2^64.
        """

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The `(start, stop)` pair of each axis."""

    @property
    def slices(self) -> tuple[slice, ...]:
        """One slice per axis.

        Example:
            >>> bigarrays.Domain("2:4").slices
            (slice(2, 4, None),)
        """

    def translate(self, offset: Sequence[int]) -> Domain:
        """The domain with its coordinates moved by `offset`, one number per axis.

        Raises:
            InvalidArgumentError: There are not as many numbers as axes, or coordinates leave the range of 64 bits.
        """

    def __and__(self, other: Box) -> Domain: ...
    def __contains__(self, other: Box | Sequence[int]) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[int, int]]: ...
    def __getitem__(self, axis: int) -> tuple[int, int]: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
