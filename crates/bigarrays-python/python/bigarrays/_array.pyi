from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar, final, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._attributes import Attributes
from ._domain import Box, Domain
from ._outer import OuterIndexer
from ._points import PointIndexer
from ._positions import Positions
from ._scale import Scale
from ._lazy import Lazy
from ._view import Key, ViewIndexer

_Out = TypeVar("_Out", bound=NDArray[Any])

@final
class Array:
    """A stored N-d array, or a view of one, as `open` and `create` return it.

    `a[...]` reads at once into a numpy array, `a[...] = x` writes scalars and arrays, which broadcast as in numpy, and
    `a.view[...]` gives an array without reading anything.

    An index is an absolute coordinate in the array's domain, which may start anywhere, below zero too. So -1 is a
    coordinate and never the last element: a box means the same elements in a volume, in a view of it and in a larger
    volume around it. (Indices of `FlatArray` are numpy's, because what it returns are numpy's views of a mapped file.)

    Reads may reach outside the domain and over chunks that are not stored; both give the fill value. An array may be used
    from many threads at once, and the same stored array from many processes. Arrays are pickled by their URL, options and
    view.

    Raises:
        OutOfBoundsError: An index without a range, or a write, lies outside the domain.
        ReadOnlyError: The array was opened with mode "r".
        CorruptDataError: A chunk is damaged; the error names it.
        StorageError: A chunk could not be read or written; the error names it.

    Example:
        >>> import numpy as np
        >>> a = bigarrays.create("memory://array", domain="-10:90,0:80,0:60", dtype="uint16")
        >>> a[-10:0, 0:80, 5] = np.arange(80)
        >>> a[-1, 7, 5]
        np.uint16(7)
        >>> a[-5:0, 3:6, 5].shape
        (5, 3)
        >>> plane = a.view[..., 5]
        >>> plane.domain
        Domain("-10:90,0:80")
        >>> int(plane[-1, 9])
        9
        >>> a[90, 0, 0]
        Traceback (most recent call last):
        bigarrays.OutOfBoundsError: ...
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""

    @property
    def origin(self) -> tuple[int, ...]:
        """First coordinate on each axis; it may be below zero."""

    @property
    def domain(self) -> Domain:
        """The box of coordinates that the array covers, half-open."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    @property
    def size(self) -> int:
        """Number of elements.

        Raises:
            InvalidArgumentError: There are more than 2^128.
        """

    @property
    def nbytes(self) -> int:
        """Bytes of all elements in memory, whatever is stored of them.

        Raises:
            InvalidArgumentError: There are more than 2^128.
        """

    @property
    def axis_names(self) -> tuple[str, ...]:
        """What the axes are called, in their order: by their names, or as is usual where metadata say none.

        Example:
            >>> a = bigarrays.create("memory://axes", shape=(4, 3), dtype="uint8", format="zarr3")
            >>> a.axis_names, a.dimension_names
            (('dim_0', 'dim_1'), (None, None))
        """

    @property
    def dimension_names(self) -> tuple[str | None, ...]:
        """Names of the axes, in their order, as far as metadata say them; None for an axis without a name."""

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a whole chunk, in stored elements along each axis."""

    @property
    def shard_shape(self) -> tuple[int, ...] | None:
        """Shape of a shard, in stored elements along each axis; None if there are no shards, or if they are no boxes."""

    @property
    def sharding(self) -> str | None:
        """How chunks are packed into shards, in words; None if they are not."""

    @property
    def resolution(self) -> tuple[float, ...] | None:
        """Size of an element along each axis in `unit`, or None if it is not known. A step of a view multiplies it."""

    @property
    def vindex(self) -> PointIndexer:
        """Indexing this reads single elements anywhere: `a.vindex[xs, ys, zs]`, and assigning to it writes them.

        The index has one list or array of coordinates an axis, which broadcast as in numpy; the result has their shape.
        Or it is a boolean array of the array's shape. Each chunk is read, or changed, at most once; of points that are
        there twice, the last counts. `a.vindex(outside="fill")[...]` reads points outside the domain as the fill value;
        a write leaves them out if the array was opened with outside="crop".

        Raises:
            OutOfBoundsError: A point lies outside the domain; the error names it, and nothing was written.

        Example:
            >>> a = bigarrays.create("memory://vindex", domain="-10:90,0:80,0:60", dtype="uint8")
            >>> a.vindex[[-3, 80, -3], [5, 6, 7], 8] = [1, 2, 3]
            >>> a.vindex[[80, 0], [6, 0], [8, 8]]
            array([2, 0], dtype=uint8)
        """

    @property
    def oindex(self) -> OuterIndexer:
        """Indexing this reads every combination of coordinates: `a.oindex[xs, 3:9, zs]`, and assigning to it writes them.

        The index has for each axis a list or array of coordinates, a boolean array of the axis' length, a slice, or a single
        coordinate, which drops the axis; an ellipsis, and axes at the end that are left out, stand for all of them. Each chunk
        is read, or changed, at most once; of coordinates that are there twice in a write, the last counts.
        `a.oindex(outside="fill")[...]` reads listed coordinates outside the domain as the fill value; a write leaves them
        out if the array was opened with outside="crop".

        Raises:
            OutOfBoundsError: A coordinate lies outside the domain; the error names it, and nothing was written.

        Example:
            >>> a = bigarrays.create("memory://oindex", domain="-10:90,0:80,0:60", dtype="uint8")
            >>> a.oindex[[-3, 80], 5:8, 8] = [[1, 2, 3], [4, 5, 6]]
            >>> a.oindex[[80, -3, 80], 6:8, 8].tolist()
            [[5, 6], [2, 3], [5, 6]]
        """

    @property
    def positions(self) -> tuple[Positions | None, ...]:
        """Where the elements along each axis are: for each a `Positions`, or None along one of which nothing is known."""

    @property
    def fill_is_missing(self) -> bool:
        """Whether the fill value stands for elements without a value: where metadata of Zarr 2 say one, as xarray has it."""

    @property
    def unit(self) -> str | None:
        """Unit of the resolution, such as "nm"; None if the resolution is not known."""

    @property
    def fill_value(self) -> Any:
        """Value of elements that are not stored, as a numpy scalar of the array's type.

        Example:
            >>> a = bigarrays.create("memory://fill", shape=(4,), dtype="int16", format="zarr3", fill_value=-1)
            >>> a.fill_value, a[0]
            (np.int16(-1), np.int16(-1))
        """

    @property
    def attrs(self) -> Attributes:
        """The user's attributes of the stored array: a live mapping of names to values as JSON has them.

        Reading asks the storage, and each change is stored at once, in one atomic step; `update` makes several changes in one.
        `dict(a.attrs)` is a copy. Formats that have no attributes have an empty mapping, which cannot be changed.

        Raises:
            InvalidArgumentError: A value is None, which `del` is for, or is not JSON.
            NotFoundError: Attributes are set in a format that has none.

        Example:
            >>> a = bigarrays.create("memory://attrs", shape=(4,), dtype="uint8", format="zarr3", attributes={"by": "us"})
            >>> a.attrs["units"] = "K"
            >>> dict(a.attrs)
            {'by': 'us', 'units': 'K'}
        """

    @property
    def scales(self) -> list[Scale]:
        """The scales of the layer, finest first; empty in formats without scales."""

    @property
    def scale(self) -> int:
        """Position of this array in `scales`."""

    @property
    def format(self) -> str:
        """Name of the format, a key of `supported()["formats"]`."""

    @property
    def url(self) -> str:
        """The path or URL that the array was opened with."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know of how the array was opened, each a sentence: such as attributes that the store refuses."""

    @property
    def incomplete(self) -> bool:
        """Whether the array is marked as incomplete: it was made with `incomplete`, or by `save`, and is not written to its end."""

    def complete(self) -> None:
        """Takes the mark away that says that the array is incomplete, whatever this view shows of it: all of it is written.

        Raises:
            ReadOnlyError: The array was opened with mode "r".
            StorageError: The metadata could not be changed; the array is marked as before.

        Example:
            >>> a = bigarrays.create("memory://complete", shape=(4, 4, 4), dtype="uint8", incomplete=True)
            >>> bigarrays.open("memory://complete")
            Traceback (most recent call last):
            bigarrays.IncompleteError: ...
            >>> a[...] = 1
            >>> a.complete()
            >>> bigarrays.open("memory://complete").incomplete
            False
        """

    @property
    def encoding(self) -> str:
        """Name of the encoding of chunks, such as "raw" or "jpeg"."""

    @property
    def mode(self) -> Literal["r", "r+"]:
        """"r", or "r+" where writing is allowed."""

    @property
    def lazy(self) -> Lazy:
        """The array as an expression, to compute with: nothing is read until elements are asked for. See `Lazy`.

        Raises:
            UnsupportedError: The elements are no numbers.

        Example:
            >>> a = bigarrays.create("memory://lazy/of", shape=(2, 3), dtype="uint8", format="zarr3")
            >>> a[...] = 7
            >>> (a.lazy * 2 + 0.5).mean(axis=0).compute()
            array([14.5, 14.5, 14.5])
        """

    @property
    def view(self) -> ViewIndexer:
        """Indexing this gives arrays that show a part, without reading: `a.view[10:20, :, 5]`.

        A slice keeps its coordinates; one of step `s` that starts at `c` starts at `floor(c / s)`.

        Example:
            >>> a = bigarrays.create("memory://view", shape=(100, 80, 60), dtype="uint8")
            >>> a.view[10:20, ::4, 5].domain
            Domain("10:20,0:20")
        """

    @property
    def T(self) -> Array:
        """The view with its axes reversed, without reading."""

    def __getitem__(self, key: Key) -> Any: ...
    def __setitem__(self, key: Key, value: ArrayLike | Array) -> None: ...
    @overload
    def read(self, box: Box | None = None, *, order: Literal["C", "F"] | None = None) -> NDArray[Any]:
        """Reads a box into a numpy array.

        Args:
            box: A text "x0:x1,y0:y1,…", a Domain, or one (start, stop) pair or slice per axis; all of the array if None.
                It may reach outside the domain, where elements have the fill value.
            out: A writable numpy array of the box's shape and the array's type, at any strides, which receives the
                elements. After an error, its contents are unspecified. In loops over boxes of one shape it is faster than
                a new array each time, whose memory the system has to clear first.
            order: "C" or "F", the order of a new array in memory; by default the one that chunks have.

        Returns:
            `out`, or a new numpy array of the box's shape.

        Raises:
            InvalidArgumentError: `box` or `out` do not fit.
            CorruptDataError: A chunk is damaged; the error names it.
            StorageError: A chunk could not be read; the error names it.
            OutOfBoundsError: The array was opened with `strict`, and the box reaches outside the domain.

        Example:
            >>> a = bigarrays.create("memory://read", shape=(100, 80, 60), dtype="uint8")
            >>> a.read("-5:10,0:80,3:4", order="C").shape
            (15, 80, 1)
        """

    @overload
    def read(self, box: Box | None = None, *, out: _Out) -> _Out:
        """Reads a box into a numpy array.

        Args:
            box: A text "x0:x1,y0:y1,…", a Domain, or one (start, stop) pair or slice per axis; all of the array if None.
                It may reach outside the domain, where elements have the fill value.
            out: A writable numpy array of the box's shape and the array's type, at any strides, which receives the
                elements. After an error, its contents are unspecified. In loops over boxes of one shape it is faster than
                a new array each time, whose memory the system has to clear first.
            order: "C" or "F", the order of a new array in memory; by default the one that chunks have.

        Returns:
            `out`, or a new numpy array of the box's shape.

        Raises:
            InvalidArgumentError: `box` or `out` do not fit.
            CorruptDataError: A chunk is damaged; the error names it.
            StorageError: A chunk could not be read; the error names it.
            OutOfBoundsError: The array was opened with `strict`, and the box reaches outside the domain.

        Example:
            >>> a = bigarrays.create("memory://read", shape=(100, 80, 60), dtype="uint8")
            >>> a.read("-5:10,0:80,3:4", order="C").shape
            (15, 80, 1)
        """

    def write(self, where: Box | Sequence[int], data: ArrayLike | Array) -> None:
        """Writes elements. Whole chunks are written without reading them; parts of chunks are changed so that no other writer's
        change is lost.

        Args:
            where: A box as for `read`, to which `data` broadcasts, or the coordinate of the first element on each axis;
                then the box has the shape of `data`.
            data: Anything that `numpy.asarray` takes, or another Array.

        Raises:
            OutOfBoundsError: The box reaches outside the domain, and the array was not opened with outside="crop".
            ReadOnlyError: The array was opened with mode "r".
            InvalidArgumentError: Shapes do not fit, or elements do not go into the array's type without loss.
            StorageError: A chunk could not be written; the error names it.

        Example:
            >>> import numpy as np
            >>> a = bigarrays.create("memory://write", shape=(100, 80, 60), dtype="uint8")
            >>> a.write((10, 20, 30), np.ones((5, 5, 5), np.uint8))
            >>> a.write("0:100,0:80,0:1", 3)
            >>> int(a[...].sum()) == 125 + 3 * 100 * 80
            True
        """

    def missing(self, box: Box | None = None) -> ChunkDomains:
        """An iterator over the boxes of chunks that are not stored, each clipped to the array's domain. `len` counts them.

        What is stored is found once, by listing or by asking for each chunk, whatever is cheaper, and kept compressed.

        Args:
            box: Only chunks that this box touches; those of all of the array if None.

        Raises:
            StorageError: The storage could not be asked.

        Example:
            >>> a = bigarrays.create("memory://missing", shape=(100, 60, 60), dtype="uint8", chunk_shape=(64, 64, 64))
            >>> a[0:64, 0:60, 0:60] = 1
            >>> missing = a.missing()
            >>> len(missing), list(missing)
            (1, [Domain("64:100,0:60,0:60")])
        """

    def chunk_domains(self, box: Box | None = None, *, stored: bool = False) -> ChunkDomains:
        """An iterator over the boxes of chunks, each clipped to the array's domain. `len` counts them.

        Args:
            box: Only chunks that this box touches; those of all of the array if None.
            stored: Only chunks that are stored, also of views: found once, by listing or by asking for each chunk,
                whatever is cheaper.

        Raises:
            UnsupportedError: All chunks of a strided, moved or permuted view were asked for.
            StorageError: The storage could not be asked.

        Example:
            >>> a = bigarrays.create("memory://chunks", shape=(100, 60, 60), dtype="uint8", chunk_shape=(64, 64, 64))
            >>> [str(box) for box in a.chunk_domains()]
            ['0:64,0:60,0:60', '64:100,0:60,0:60']
            >>> a[70, 0, 0] = 1
            >>> [str(box) for box in a.view[60:, :, 0].chunk_domains(stored=True)]
            ['64:100,0:60']
        """

    def align_out(self, box: Box) -> Domain:
        """The smallest box of whole chunks that holds `box`, clipped to the domain.

        Raises:
            UnsupportedError: The array is a strided, moved or permuted view.
        """

    def align_in(self, box: Box) -> Domain:
        """The largest box of whole chunks that lies in `box`.

        Raises:
            UnsupportedError: The array is a strided, moved or permuted view.
        """

    def _boxes_apart(self, count: int) -> list[list[tuple[int, int]]]: ...
    @overload
    def transpose(self, axes: Sequence[int | str], /) -> Array:
        """The view whose axis k is the axis `axes[k]` of this one, without reading.

        Args:
            axes: Every axis once, by number or by name; the axes reversed if there are none. Numbers count from 0, and
                negative ones from the end, as in numpy.

        Raises:
            InvalidArgumentError: An axis is not there, is missing or is named twice.

        Example:
            >>> a = bigarrays.create("memory://transpose", shape=(100, 80, 60), dtype="uint8")
            >>> a.transpose("z", "y", "x").shape, a.transpose(2, 0, 1).dimension_names
            ((60, 80, 100), ('z', 'x', 'y'))
        """

    @overload
    def transpose(self, *axes: int | str) -> Array:
        """The view whose axis k is the axis `axes[k]` of this one, without reading.

        Args:
            axes: Every axis once, by number or by name; the axes reversed if there are none. Numbers count from 0, and
                negative ones from the end, as in numpy.

        Raises:
            InvalidArgumentError: An axis is not there, is missing or is named twice.

        Example:
            >>> a = bigarrays.create("memory://transpose", shape=(100, 80, 60), dtype="uint8")
            >>> a.transpose("z", "y", "x").shape, a.transpose(2, 0, 1).dimension_names
            ((60, 80, 100), ('z', 'x', 'y'))
        """

    def translate(self, offset: Sequence[int]) -> Array:
        """The view with its coordinates moved by `offset`, one number per axis, without reading.

        Raises:
            InvalidArgumentError: There are not as many numbers as axes, or coordinates leave the range of 64 bits.

        Example:
            >>> a = bigarrays.create("memory://translate", domain="10:20,0:80,0:60", dtype="uint8")
            >>> a.translate((-10, 0, 5)).domain
            Domain("0:10,0:80,5:65")
        """

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]: ...
    def __len__(self) -> int: ...
    def __copy__(self) -> Array: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Array: ...
    def _repr_html_(self) -> str: ...

@final
class ChunkDomains:
    """The iterator that `Array.chunk_domains` and `Array.missing` return. `len` is how many boxes are left."""

    def __iter__(self) -> Iterator[Domain]: ...
    def __next__(self) -> Domain: ...
    def __len__(self) -> int: ...
