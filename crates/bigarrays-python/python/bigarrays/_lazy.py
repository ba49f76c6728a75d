"""Lazy computation over arrays."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._bigarrays import Array, Domain, InvalidArgumentError, _Lazy
from ._counts import Counts
from ._filters import Filters
from ._geometry import Geometry
from ._groups import Grouping
from ._indexing import Part, parts, points
from ._masks import applied
from ._operators import Operators
from ._order_statistics import OrderStatistics
from ._progress import Progress
from ._reductions import Reductions
from ._series import Series
from ._windows import Windowed

if TYPE_CHECKING:
    from types import ModuleType

#: What is computed without being asked for has at most so many bytes.
UNASKED = 256 << 20


class Lazy(Operators, Reductions, OrderStatistics, Windowed, Series, Filters, Geometry, Grouping, Counts):
    """An array that is computed when its elements are asked for: `a.lazy` of an array `a`, or `bigarrays.lazy(x)`.

    Operators and NumPy's functions of elements give further expressions. Their types are those that NumPy 2 gives, known at
    once, and mistakes are errors at once. Coordinates are absolute, as those of arrays: operands have to agree in domain on
    the axes that they share, which count from the last. NumPy arrays take the coordinates of what they meet. `positional` is
    the same with NumPy's positions: from 0, and -1 is the last.

    Floating-point sums and means are computed in float64. Results are the same bits for every memory budget and every
    number of threads. Expressions of arrays that have a URL can be pickled.

    Example:
        >>> import numpy as np
        >>> a = bigarrays.create("memory://lazy/class", shape=(2, 3), dtype="uint8", format="zarr3")
        >>> a[...] = np.arange(6).reshape(2, 3)
        >>> a = a.translate((10, -1))
        >>> x = np.sqrt(a.lazy.astype("float64")) * 2
        >>> x
        Lazy: (sqrt(cast(class, float64)) * 2) float64 [10:12,-1:2]
        >>> x[11].compute()
        array([3.46410162, 4.        , 4.47213595])
        >>> a.lazy.max(axis=1).compute()
        array([2, 5], dtype=uint8)
        >>> a.lazy.positional[-1].compute()
        array([3, 4, 5], dtype=uint8)
    """

    def __init__(self, inner: _Lazy, made: tuple[Any, ...], is_positional: bool = False) -> None:
        self._inner = inner
        # What it was made by, and of what: a pickle has that.
        self._made = made
        self._is_positional = is_positional

    def __reduce__(self) -> tuple[Any, ...]:
        return made_by, (self._is_positional, *self._made)

    def _then(self, method: str, *arguments: Any) -> Lazy:
        return made_by(self._is_positional, method, self, *arguments)

    @property
    def positional(self) -> Lazy:
        """The same elements at NumPy's positions: each axis begins at 0, and indices count from the end if negative."""
        if self._is_positional:
            return self
        offset = [-first for first in self.domain.origin]
        moved = self._then("translate", offset) if any(offset) else self
        return Lazy(moved._inner, moved._made, True)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._inner.dtype

    @property
    def domain(self) -> Domain:
        """The box of coordinates, half-open."""
        return self._inner.domain

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""
        return tuple(self.domain.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def dimension_names(self) -> tuple[str | None, ...]:
        """Names of the axes, as far as operands have any."""
        return self._inner.names

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Lengths of boxes that need whole chunks of what this is of, one an axis; None if nothing of it has chunks.

        They are the chunks of the operand whose chunks are the largest, and say where it is cheap to cut. An expression has no
        chunks of its own: `compute` chooses its blocks, and `save(chunk_shape=…)` says how a result is stored.

        Example:
            >>> a = bigarrays.create("memory://lazy/chunks", shape=(6, 8), dtype="uint8", chunk_shape=(2, 4), format="zarr3")
            >>> (a.lazy + 1).sum(axis=0).chunks
            (4,)
        """
        return self._inner.chunks

    @property
    def T(self) -> Lazy:  # noqa: N802
        """The axes in the opposite order."""
        return self.transpose()

    @property
    def mT(self) -> Lazy:  # noqa: N802
        """The last two axes exchanged."""
        if self.ndim < 2:
            raise ValueError("mT of fewer than two axes")
        return self.transpose(*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)

    @property
    def device(self) -> str:
        """Where results are: in the memory of the processor."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: object = None) -> Lazy:
        """This, if the device is "cpu"."""
        if device != "cpu" or stream is not None:
            raise ValueError(f"there is no device {device!r}")
        return self

    def __repr__(self) -> str:
        face = "Lazy, positional" if self._is_positional else "Lazy"
        return f"{face}: {self._inner.text} {self.dtype} [{self.domain}]"

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return bool(self._element("bool"))

    def __int__(self) -> int:
        return int(self._element("int"))

    def __float__(self) -> float:
        return float(self._element("float"))

    def __complex__(self) -> complex:
        return complex(self._element("complex"))

    def __index__(self) -> int:
        return operator.index(self._element("index"))

    def _element(self, what: str) -> Any:
        if self.size != 1:
            raise TypeError(f"{what} of an expression of {self.size} elements")
        return self.compute().reshape(())[()]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an expression without axes")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Lazy:
        """The part that `key` selects. Only what it needs is read.

        Args:
            key: One index for each axis, or fewer; a coordinate drops its axis, a slice keeps its coordinates and a step
                divides them, `...` stands for all axes that are left, None is a new axis, and a list of coordinates takes
                these, at 0, 1, … then. On `positional`, indices are NumPy's; several arrays of them are elements, which are
                computed at once.
        """
        from ._expressions import lazy

        picked = points(key) if self._is_positional else None
        if picked is not None:
            return lazy(self.__array__()[picked])
        result = self
        for part in parts(key, self.domain, self._is_positional):
            result = result._apply_part(part)
        return result

    def _apply_part(self, part: Part) -> Lazy:
        method, arguments = part
        result = self._then(method, *arguments)
        offset = [-first for first in result.domain.origin]
        return result._then("translate", offset) if self._is_positional and any(offset) else result

    def translate(self, offset: Sequence[int]) -> Lazy:
        """The same elements at coordinates moved by `offset`, one number an axis. Those of `positional` stay."""
        if self._is_positional:
            raise InvalidArgumentError("positions always begin at 0")
        return self._then("translate", list(offset))

    def astype(self, dtype: DTypeLike, *, out_of_range: str = "refuse", copy: bool = True) -> Lazy:
        """The elements in another type, truncated toward zero.

        Args:
            dtype: The type.
            out_of_range: What becomes of elements that the type does not reach: "refuse" is an error when they are computed,
                "clip" the nearest that it has, "wrap" the lower bits.
            copy: Ignored; results are always new.
        """
        return self._then("cast", np.dtype(dtype), out_of_range)

    def transpose(self, *axes: int | str) -> Lazy:
        """The axes in another order, the opposite one if none is given.

        Example:
            >>> bigarrays.lazy([[1, 2, 3]]).transpose(1, 0).shape
            (3, 1)
        """
        order = [self._axis(axis) for axis in axes] if axes else list(range(self.ndim))[::-1]
        if sorted(order) != list(range(self.ndim)):
            raise InvalidArgumentError(f"{axes} is not an order of {self.ndim} axes")
        return self._then("permute", order)

    def align_names(self, names: Sequence[str]) -> Lazy:
        """The axes in the order of these names, as many as there are axes."""
        return self.transpose(*names)

    def rename(self, names: Sequence[str | None]) -> Lazy:
        """The same with these names of the axes, None for an axis without a name."""
        return self._then("renamed", list(names))

    def expand_dims(self, axis: int, coordinate: int = 0) -> Lazy:
        """The same with a new axis of length 1 at `axis`, at this coordinate."""
        at = operator.index(axis)
        at += self.ndim + 1 if at < 0 else 0
        if not 0 <= at <= self.ndim:
            raise np.exceptions.AxisError(axis, self.ndim + 1)
        return self._then("new_axis", at, 0 if self._is_positional else operator.index(coordinate))

    def squeeze(self, axis: int | str | Sequence[int | str]) -> Lazy:
        """The same without these axes, each of length 1."""
        axes = self._axes(axis)
        if any(self.shape[axis] != 1 for axis in axes):
            raise ValueError("only axes of length 1 can be dropped")
        return self[tuple(self.domain.origin[axis] if axis in axes else slice(None) for axis in range(self.ndim))]

    def take(self, indices: ArrayLike, axis: int | str) -> Lazy:
        """The elements at these coordinates of an axis, in their order; they are at 0, 1, … of it then.

        Example:
            >>> bigarrays.lazy([10, 11, 12]).take([2, 0, 2], axis=0).compute()
            array([12, 10, 12])
        """
        at = self._axis(axis)
        taken = np.asarray(indices)
        if taken.ndim != 1 or (taken.size and taken.dtype.kind not in "iu"):
            raise InvalidArgumentError("coordinates are a list of whole numbers")
        if self._is_positional:
            taken = np.where(taken < 0, taken + self.shape[at], taken)
        return self._then("take", at, [int(one) for one in taken])

    def broadcast_to(self, shape: Sequence[int] | Domain) -> Lazy:
        """The elements, repeated along axes of length 1, and along new ones before the first.

        Args:
            shape: The shape, or the domain; new axes of a shape begin at 0.
        """
        domain = shape if isinstance(shape, Domain) else self._broadcast_domain(shape)
        return self._then("broadcast_to", domain)

    def _broadcast_domain(self, shape: Sequence[int]) -> Domain:
        skipped = len(shape) - self.ndim
        if skipped < 0:
            raise InvalidArgumentError(f"{self.ndim} axes do not become {len(shape)} by repeating")
        origin = [0] * skipped + [
            first if own == length else 0
            for first, own, length in zip(self.domain.origin, self.shape, shape[skipped:], strict=True)
        ]
        return Domain.from_shape(shape, origin=origin)

    def masked(self, value: float) -> Lazy:
        """The elements as floating-point numbers, NaN where they are `value`, such as a fill value that stands for missing."""
        wide = self if self.dtype.kind == "f" else self.astype("float64")
        return applied("where", self == value, np.nan, wide)

    def _axes(self, axis: int | str | Sequence[int | str]) -> list[int]:
        return [self._axis(one) for one in ([axis] if isinstance(axis, int | np.integer | str) else axis)]

    def _axis(self, axis: int | str) -> int:
        if isinstance(axis, str):
            if axis not in self.dimension_names:
                known = ", ".join(name for name in self.dimension_names if name)
                raise InvalidArgumentError(f"no axis is called {axis!r}; there are {known or 'no names'}")
            return self.dimension_names.index(axis)
        number = operator.index(axis)
        at = number + self.ndim if number < 0 else number
        if not 0 <= at < self.ndim:
            raise np.exceptions.AxisError(number, self.ndim)
        return at

    def compute(
        self,
        *,
        memory: int | None = None,
        scratch: str | PathLike[str] | None = None,
        resume: bool | str | PathLike[str] = False,
        executor: Any = None,
        processes: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """All elements, as a NumPy array.

        Args:
            memory: The most bytes that the work may use, the result among them; a quarter of what the process may use if
                None.
            scratch: A folder for results that the work goes on with, such as a mean that is subtracted, and that do not fit into
                the memory: files there while it goes on. Without, they are refused.
            resume: As `save` has it. What was folded of reductions is kept in a folder beside the file; elements of the result
                that nothing reduces are computed again.
            executor: As `bigarrays.save` has it.
            processes: As `bigarrays.save` has it.
            progress: True for a line that says how far the work is, in a terminal or a notebook; or a function of
                (done, total), called now and then, and at the end, with bytes of elements. An exception that it raises, or
                Ctrl-C, ends the work.

        Raises:
            MemoryBudgetError: The work does not fit into the memory; nothing was read.
            InvalidArgumentError: An element does not fit into a type that it is cast to.
        """
        from ._computing import compute

        found = compute(
            self, memory=memory, scratch=scratch, resume=resume, executor=executor, processes=processes, progress=progress
        )
        return found[0]

    def save(
        self,
        url: str | PathLike[str],
        *,
        memory: int | None = None,
        scratch: str | PathLike[str] | None = None,
        resume: bool | str | PathLike[str] = False,
        executor: Any = None,
        processes: int | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Array:
        """Computes all elements into a new array, which is returned. Until all is written, it is marked as incomplete, and `open`
        refuses it.

        Args:
            url: Where the array is made; it must not be there.
            memory: As `compute` has it; the result is written block by block.
            scratch: As `compute` has it.
            resume: True to note finished blocks in a file below `$XDG_STATE_HOME` (or `~/.local/state`), or the path of such a
                file. The same call then takes up what ended early, after a kill too: blocks that are as they were left, and
                made of what the inputs have still, are not computed again. Another budget, or another number of threads, does
                not matter. What the work goes on with has to be in `scratch`. The file is removed once all is done. Where an
                earlier call has saved the same, of inputs that are as they were, nothing is done, and the array is returned. Of
                inputs behind a network that is not looked up: then the array is in the way.
            executor: As `bigarrays.save` has it.
            processes: As `bigarrays.save` has it.
            progress: As `compute` has it.
            options: Those of `bigarrays.create`, such as `chunk_shape`, `format` and `like`, but for type and domain, which
                are those of the expression; in formats without coordinates the result begins at 0. Codecs of `like` that lose
                something, such as JPEG, are left out: they are used only if they are named.

        Raises:
            AlreadyExistsError: There is an array; with `resume`, another one than this call has saved, or its inputs have changed.
            InvalidArgumentError: The result would overwrite what it is made of, or cannot be resumed: it is of what others
                read (h5py, zarr).

        Example:
            >>> a = bigarrays.create("memory://lazy/save/a", shape=(4, 4), dtype="uint8", format="zarr3")
            >>> (a.lazy + 1).save("memory://lazy/save/b", format="zarr3")[0, 0]
            np.uint8(1)
        """
        from ._computing import save

        saved = save(
            {url: self},
            memory=memory,
            scratch=scratch,
            resume=resume,
            executor=executor,
            processes=processes,
            progress=progress,
            **options,
        )
        return saved[url]

    def explain(
        self,
        url: str | PathLike[str] | None = None,
        *,
        memory: int | None = None,
        scratch: str | PathLike[str] | None = None,
        show: str = "text",
        workers: int | None = None,
        bandwidth: float | None = None,
        latency: float | None = None,
        price: float | tuple[float, float] | None = None,
        **options: Any,
    ) -> Any:
        """The plan of `compute`: passes, blocks, what is read, and what memory is for. Reads nothing.

        With `workers`, it also predicts how long the work takes on a cluster, and how many requests, from rates of codecs and sizes of
        what they encode that were measured once; data that are harder to encode take longer, and more of the network.

        Args:
            url: Where the result would be saved: the plan is that of `save` then. Nothing is made there.
            memory: As `compute` has it.
            scratch: As `compute` has it; nothing is made there.
            show: "text" for words, "dict" for a dictionary with the same, in bytes, and "svg" for a picture.
            workers: How many processors work at the same time, on whatever machines.
            bandwidth: Bytes a second that each of them gets from the stores and to them; no bound if None.
            latency: Seconds that a request waits for its answer; none if None.
            price: What a request costs, in whatever currency; or what one that reads costs, and one that writes.
            options: As `save` has them.

        Example:
            >>> plan = bigarrays.lazy([3, 9, 4]).sum().explain(show="dict")
            >>> plan["passes"][0]["computes"]
            'sum(memory, axis=[0])'
            >>> a = bigarrays.create("memory://estimated", shape=(1000, 1000), chunk_shape=(100, 100), dtype="uint8", format="zarr3")
            >>> plan = (a.lazy + 1).explain("memory://sum", like=a, workers=10, latency=0.02, price=4e-7, show="dict")
            >>> plan["estimate"]["reads"], plan["estimate"]["writes"], plan["passes"][0]["estimate"]["limited_by"]
            (100, 100, 'latency')
        """
        from ._computing import explain

        return explain(
            self if url is None else {url: self},
            memory=memory,
            scratch=scratch,
            show=show,
            workers=workers,
            bandwidth=bandwidth,
            latency=latency,
            price=price,
            **options,
        )

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """The functions of the array API, which are of `positional`."""
        from . import array_api

        if api_version not in (None, *array_api.VERSIONS):
            raise ValueError(f"the array API of version {api_version!r}; known are {', '.join(array_api.VERSIONS)}")
        return array_api

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("what is computed is always a new array")
        if self.nbytes > UNASKED:
            raise InvalidArgumentError(
                f"{self!r} has {self.nbytes} bytes, and would be computed unasked; call compute(), or save() it"
            )
        return self.compute().astype(self.dtype if dtype is None else dtype, copy=False)

    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if copy is False:
            raise BufferError("what is computed is always a new array")
        if stream is not None or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError("what is computed is in the memory of the processor")
        elements = self.__array__()
        # NumPy 2.0 has no versions.
        return elements.__dlpack__() if max_version is None else elements.__dlpack__(max_version=max_version)

    def __dlpack_device__(self) -> tuple[int, int]:
        # The memory of the processor.
        return (1, 0)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        from ._protocols import of_ufunc

        return of_ufunc(ufunc, method, inputs, options)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        from ._protocols import of_function

        return of_function(function, args, options)


def made_by(is_positional: bool, method: str, *arguments: Any) -> Lazy:
    """The expression that a method of the compiled part gives; its arguments may be expressions, or have some."""
    inner = getattr(_Lazy, method)(*[_bare(argument) for argument in arguments])
    return Lazy(inner, (method, *arguments), is_positional)


def _bare(argument: Any) -> Any:
    if isinstance(argument, Lazy):
        return argument._inner
    if isinstance(argument, list):
        return [_bare(one) for one in argument]
    if isinstance(argument, dict):
        return {name: _bare(one) for name, one in argument.items()}
    return argument
