"""Lazy computation over arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._bigarrays import Array, Domain, InvalidArgumentError, _Lazy, create

if TYPE_CHECKING:
    from ._view import Key

#: What is computed without being asked for has at most so many bytes.
_UNASKED = 256 << 20

_REDUCTIONS = {"add": "sum", "multiply": "prod", "minimum": "min", "maximum": "max", "logical_or": "any", "logical_and": "all"}

Axis = int | str | Sequence[int | str] | None
Progress = Callable[[int, int], object]


class Lazy(NDArrayOperatorsMixin):
    """An array that is computed when its elements are asked for: `a.lazy` of an array `a`, or `bigarrays.lazy(x)`.

    Operators and NumPy's functions of elements give further expressions. Their types are those that NumPy 2 gives, known at
    once, and mistakes are errors at once. Coordinates are absolute, as those of arrays: operands have to agree in domain on
    the axes that they share, which count from the last. NumPy arrays take the coordinates of what they meet.

    Floating-point sums and means are computed in float64. Results are the same bits for every memory budget and every
    number of threads.

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
    """

    def __init__(self, inner: _Lazy) -> None:
        self._inner = inner

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

    def __repr__(self) -> str:
        return f"Lazy: {self._inner.text} {self.dtype} [{self.domain}]"

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return bool(self.__array__())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an expression without axes")
        return self.shape[0]

    def __getitem__(self, key: Key) -> Lazy:
        """The part that `key` selects, in coordinates; a step divides them. Only what it needs is read."""
        return Lazy(self._inner[key])

    def translate(self, offset: Sequence[int]) -> Lazy:
        """The same elements at coordinates moved by `offset`, one number an axis."""
        return Lazy(self._inner.translate(list(offset)))

    def astype(self, dtype: DTypeLike, *, out_of_range: str = "refuse") -> Lazy:
        """The elements in another type, truncated toward zero.

        Args:
            dtype: The type.
            out_of_range: What becomes of elements that the type does not reach: "refuse" is an error when they are computed,
                "clip" the nearest that it has, "wrap" the lower bits.
        """
        return Lazy(self._inner.cast(np.dtype(dtype), out_of_range))

    def sum(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """The sum along `axis`, one or several, by number or name; of all elements if None.

        With `keepdims`, the result has the axes as well, of length 1, so that it goes with what it is of.
        """
        return self._reduce("sum", axis, keepdims)

    def prod(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """The product along `axis`; see `sum`."""
        return self._reduce("prod", axis, keepdims)

    def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """The mean along `axis`; see `sum`."""
        return self._reduce("mean", axis, keepdims)

    def min(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """The least along `axis`, NaN if one is; see `sum`."""
        return self._reduce("min", axis, keepdims)

    def max(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """The largest along `axis`, NaN if one is; see `sum`."""
        return self._reduce("max", axis, keepdims)

    def any(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """Whether an element along `axis` is not zero; see `sum`."""
        return self._reduce("any", axis, keepdims)

    def all(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """Whether no element along `axis` is zero; see `sum`."""
        return self._reduce("all", axis, keepdims)

    def count_nonzero(self, axis: Axis = None, *, keepdims: bool = False) -> Lazy:
        """How many elements along `axis` are not zero; see `sum`."""
        return self._reduce("count_nonzero", axis, keepdims)

    def var(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Lazy:
        """The variance along `axis`, divided by the number of elements less `ddof`; computed in float64; see `sum`."""
        axes = self._reduced(axis)
        return Lazy(self._inner.variance(axes, ddof, keepdims)) if axes else self * 0

    def std(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Lazy:
        """The standard deviation along `axis`: the square root of the variance, see `var`."""
        wide = self if self.dtype.kind == "f" else self.astype("float64")
        return _apply("sqrt", [wide.var(axis, ddof=ddof, keepdims=keepdims)])

    def _reduce(self, name: str, axis: Axis, keepdims: bool) -> Lazy:
        axes = self._reduced(axis)
        # Nothing is reduced along no axes.
        return Lazy(self._inner.reduce(name, axes, keepdims)) if axes or not self.ndim else self

    def _reduced(self, axis: Axis) -> list[int]:
        return list(range(self.ndim)) if axis is None else self._axes(axis)

    def _axes(self, axis: int | str | Sequence[int | str]) -> list[int]:
        return [self._axis(one) for one in ([axis] if isinstance(axis, int | str) else axis)]

    def _axis(self, axis: int | str) -> int:
        if isinstance(axis, str):
            if axis not in self.dimension_names:
                known = ", ".join(name for name in self.dimension_names if name)
                raise InvalidArgumentError(f"no axis is called {axis!r}; there are {known or 'no names'}")
            return self.dimension_names.index(axis)
        at = axis + self.ndim if axis < 0 else axis
        if not 0 <= at < self.ndim:
            raise np.exceptions.AxisError(axis, self.ndim)
        return at

    def compute(self, *, memory: int | None = None, progress: Progress | None = None) -> NDArray[Any]:
        """All elements, as a NumPy array.

        Args:
            memory: The most bytes that the work may use, the result among them; a quarter of what the process may use if
                None.
            progress: A function of (done, total), called now and then, and at the end, with bytes of elements. An exception
                that it raises, or Ctrl-C, ends the work.

        Raises:
            MemoryBudgetError: The work does not fit into the memory; nothing was read.
            InvalidArgumentError: An element does not fit into a type that it is cast to.
        """
        return self._inner.compute(memory, progress)

    def save(
        self,
        url: str | PathLike[str],
        *,
        memory: int | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Array:
        """Computes all elements into a new array, which is returned. Until all is written, it is marked as incomplete, and `open`
        refuses it.

        Args:
            url: Where the array is made; it must not be there.
            memory: As `compute` has it; the result is written block by block.
            progress: As `compute` has it.
            options: Those of `bigarrays.create`, such as `chunk_shape`, `format` and `like`, but for type and domain, which
                are those of the expression; in formats without coordinates the result begins at 0.

        Raises:
            AlreadyExistsError: There is an array.
            InvalidArgumentError: The result would overwrite what it is made of.

        Example:
            >>> a = bigarrays.create("memory://lazy/save/a", shape=(4, 4), dtype="uint8", format="zarr3")
            >>> (a.lazy + 1).save("memory://lazy/save/b", format="zarr3")[0, 0]
            np.uint8(1)
        """
        target = self._target(url, options)
        self._inner.save(target, memory, progress)
        return target

    def _target(self, url: str | PathLike[str], options: dict[str, Any]) -> Array:
        known: dict[str, Any] = {"domain": self.domain, "dtype": self.dtype, "incomplete": True}
        if any(self.dimension_names) and "like" not in options and "dimension_names" not in options:
            known["dimension_names"] = self.dimension_names
        while True:
            try:
                return create(url, **known, **options)
            except InvalidArgumentError as error:
                # A format that has no names but its own, or no coordinates but those from zero.
                if "dimension_names:" in str(error) and "dimension_names" in known:
                    del known["dimension_names"]
                elif "domain:" in str(error) and "domain" in known:
                    del known["domain"]
                    known["shape"] = self.shape
                else:
                    raise

    def explain(self, *, memory: int | None = None) -> str:
        """The plan of `compute` in words: passes, blocks, what is read, and what memory is for. Reads nothing."""
        return self._inner.explain(None, memory)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("what is computed is always a new array")
        if self.nbytes > _UNASKED:
            raise InvalidArgumentError(
                f"{self!r} has {self.nbytes} bytes, and would be computed unasked; call compute(), or save() it"
            )
        return self.compute().astype(self.dtype if dtype is None else dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "reduce" and ufunc.__name__ in _REDUCTIONS and set(options) <= {"axis", "keepdims"}:
            return self._reduce(_REDUCTIONS[ufunc.__name__], options.get("axis", 0), options.get("keepdims", False))
        if method != "__call__" or options:
            return NotImplemented
        return _apply(ufunc.__name__, inputs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        name = function.__name__
        if name in ("sum", "prod", "mean", "min", "max", "amin", "amax", "any", "all", "count_nonzero", "var", "std"):
            name = {"amin": "min", "amax": "max"}.get(name, name)
            return getattr(lazy(args[0]), name)(*args[1:], **options)
        if name == "where" and len(args) == 3 and not options:
            return _apply("where", args)
        if name == "clip" and len(args) == 3 and not options:
            return _apply("minimum", (_apply("maximum", args[:2]), args[2]))
        return NotImplemented


def _apply(name: str, inputs: Sequence[Any]) -> Lazy:
    name = {"true_divide": "divide", "bitwise_invert": "invert"}.get(name, name)
    first = next(one for one in inputs if isinstance(one, Lazy | Array))
    like = first if isinstance(first, Lazy) else lazy(first)
    try:
        return Lazy(_Lazy.apply(name, [_operand(one, like) for one in inputs]))
    except InvalidArgumentError as error:
        if "does not fit into" in str(error):
            raise OverflowError(str(error)) from None
        if "is not defined" in str(error):
            raise TypeError(str(error)) from None
        raise


def _operand(one: Any, like: Lazy) -> Any:
    """What an operand is for the compiled part: plain arrays lie where `like` does."""
    if isinstance(one, Lazy):
        return one._inner
    if isinstance(one, Array):
        return lazy(one)._inner
    if isinstance(one, bool | int | float) and not isinstance(one, np.generic):
        return one
    held = lazy(one)._inner
    shape = tuple(held.domain.shape)
    shared = min(len(shape), like.ndim)
    offset = [0] * len(shape)
    for axis in range(1, shared + 1):
        if shape[-axis] == like.shape[-axis]:
            offset[-axis] = like.domain.origin[-axis]
    return held.translate(offset) if any(offset) else held


def lazy(x: Array | Lazy | ArrayLike) -> Lazy:
    """An expression of an array, or of elements in memory, which are copied.

    Args:
        x: An array or a view, which keeps its coordinates; or what `numpy.asarray` takes, which begins at 0.

    Example:
        >>> (bigarrays.lazy([1, 2, 3]) * 2).sum().compute()
        array(12)
    """
    if isinstance(x, Lazy):
        return x
    if isinstance(x, Array):
        return Lazy(_Lazy.of(x))
    elements = np.asarray(x)
    if not elements.dtype.isnative:
        elements = elements.astype(elements.dtype.newbyteorder("="))
    return Lazy(_Lazy.held(np.ascontiguousarray(elements).tobytes(), elements.dtype, list(elements.shape)))
