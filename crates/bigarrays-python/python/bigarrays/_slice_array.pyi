import os
from pathlib import Path
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from types import TracebackType
from typing import Any, Literal, Never, final, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._batches import Batches
from ._flat_array import Casting, FlatArray
from ._metadata import Metadata

# Of one array, or of each of several.
_Rows = ArrayLike | Mapping[str, Any]
_Range = tuple[int, int] | range

@final
class SliceArray:
    """Slices of a flat array that have names; also known as a ragged or pointer array.

    A slice is any number of rows along the first axis. The rows are in a `.npy` file, the names in an index (LMDB) in a
    folder beside it, `x.npy.index`; opening takes no time, however many there are. A name has from 1 to 511 bytes.

    `x["name"]` and `x[5]` are numpy's views of the file: by name, or by position in the order of writing, where -1 is the
    last one, as in lists; slices, masks and lists of either give lists, and `x["name", 2:5]` is a part. `x["name"] = rows` and
    `x.write({...})` append rows and then name them. Many processes and threads read while one after the other writes; a slice
    is there with all its rows or not at all, whatever is killed when. `len(x)`, `x[5]` and `x.__getitems__([5, 7])` make it a
    PyTorch dataset.

    Length, names and positions are those of the moment of opening, or of the last `refresh`, whatever others write; pickles
    and forked children show the same. Once others have deleted or renamed slices, positions raise StorageError until then;
    `snapshot` and `select` keep all as it is.

    `SliceArray.create` makes several arrays whose slices have names in common, in a folder; `x.meta` keeps a small value beside
    each name.

    Args:
        path: The file of rows, or the folder of several arrays.
        mode: As for `FlatArray`. With "c" it is a snapshot from the beginning, with changes that stay in this process.
        shape: Of a new array, as for `FlatArray`.
        dtype: Of a new array, as for `FlatArray`.
        arrays: Of several new arrays, as for `create`.
        reserve: Of a new array, as for `FlatArray`.
        durable: As for `FlatArray`.
        replace: Writing a name that is there gives it the new rows, instead of raising AlreadyExistsError.
        lock_timeout: As for `FlatArray`.

    Raises:
        NotFoundError: There is no file, or no index.
        AlreadyExistsError: There is a file, with mode "x" or "w-".
        InvalidMetadataError: The file is no `.npy` file, or the index is damaged.
        KeyError: `x[name]` of a name that is not there.
        IndexError: `x[position]` of a position that is not there.

    Example:
        >>> import pathlib, tempfile, numpy as np
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "samples.npy"
        >>> with bigarrays.SliceArray(path, "x", shape=(None, 2), dtype="float32") as w:
        ...     w["one"] = np.ones((3, 2))
        ...     w.write({"two": np.full((1, 2), 2), "none": np.empty((0, 2))})
        >>> x = bigarrays.SliceArray(path)
        >>> x["two"], x[-1].shape, "three" in x, list(x.names())
        (array([[2., 2.]], dtype=float32), (0, 2), False, ['one', 'two', 'none'])
        >>> [len(rows) for rows in x[["two", "one"]]]
        [1, 3]
    """

    def __new__(
        cls,
        path: str | os.PathLike[str],
        mode: Literal["r", "r+", "c", "w", "w-", "x", "a"] = "r",
        *,
        shape: Sequence[int | None] | None = None,
        dtype: DTypeLike | None = None,
        arrays: dict[str, tuple[Any, ...]] | None = None,
        reserve: int = 0,
        durable: bool = False,
        replace: bool = False,
        lock_timeout: float | None = None,
    ) -> SliceArray: ...
    @staticmethod
    def create(
        path: str | os.PathLike[str],
        *,
        shape: Sequence[int | None] | None = None,
        dtype: DTypeLike | None = None,
        arrays: dict[str, tuple[Any, ...]] | None = None,
        reserve: int = 0,
        durable: bool = False,
        replace: bool = False,
        lock_timeout: float | None = None,
        overwrite: bool = False,
    ) -> SliceArray:
        """staticmethod(function) -> method

        Convert a function to be a static method.

        A static method does not receive an implicit first argument.
        To declare a static method, use this idiom:

             class C:
                 @staticmethod
                 def f(arg1, arg2, argN):
                     ...

        It can be called either on the class (e.g. C.f()) or on an instance
        (e.g. C().f()). Both the class and the instance are ignored, and
        neither is passed implicitly as the first argument to the method.

        Static methods in Python are similar to those found in Java or C++.
        For a more advanced concept, see the classmethod builtin.
        """

    @property
    def array(self) -> FlatArray:
        """All rows, those without a name too, as a FlatArray. Several arrays are `arrays`."""

    @property
    def arrays(self) -> dict[str, FlatArray]:
        """All arrays in a dict, by their names. One that is alone has the name ""."""

    def __getattr__(self, name: str) -> FlatArray: ...
    @property
    def meta(self) -> Metadata:
        """A small value beside each name: a mapping of names and what JSON has, `Metadata`."""

    def _metadata(self, name: str) -> str | None: ...
    def _described(self, start: int, size: int) -> list[tuple[str, str | None]]: ...
    def _set_metadata(self, names: dict[str, str | None]) -> None: ...
    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    @property
    def path(self) -> Path:
        """The absolute path of the file of rows, or of the folder of several arrays."""

    @property
    def mode(self) -> Literal["r", "r+", "c"]:
        """The mode in which the array is open: "r", "r+" or "c"."""

    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    # Rows of the one array, or of several arrays together.
    @overload
    def __getitem__(self, key: str | int | tuple[str | int, Any] | tuple[str | int, str, Any]) -> Any: ...
    @overload
    def __getitem__(self, key: slice | Iterable[str] | Iterable[int]) -> list[Any]: ...
    def __array__(self, *_arguments: Any, **_options: Any) -> Never: ...
    def _joined(self, positions: Sequence[int]) -> tuple[NDArray[Any], list[int]] | None: ...
    def __getitems__(self, keys: Iterable[str] | Iterable[int]) -> list[Any]: ...
    def get(self, name: str, default: Any = None) -> Any:
        """The slice of a name, or `default` if there is none."""

    def pop(self, name: str, *default: Any) -> Any:
        """Takes a slice away, and returns a copy of it.

        Args:
            name: Its name.
            default: What is returned if there is no such name, instead of raising KeyError.

        Raises:
            KeyError: There is no such name, and no default.
            ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.
        """

    def rows(self, names: str | Sequence[str]) -> Any:
        """The rows of `array` that a name means, as a range; of several names, a list of ranges. Of several arrays, a range of
        each, by its name.

        Raises:
            KeyError: There is no such name.
        """

    @property
    def indices(self) -> dict[str, Any]:
        """A dict of all names and their rows, as `rows` says them."""

    def lengths(self, array: str | None = None) -> NDArray[np.int64]:
        """The number of rows of each slice, in the order of positions: an array of int64.

        Args:
            array: The name of one of several arrays, by default the first.

        Raises:
            KeyError: There is no array of that name.
        """

    def batches(self, size: int, **_options: Any) -> Batches[Any]:
        """Iterates over all slices once, in batches: `bigarrays.batches` of these.

        A batch of several arrays has what a batch of one has, by the arrays' names: `batch.features` is a list of slices, or
        with `pad` one array and the lengths.
        """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `array`: all rows, and those behind the first axis."""

    def keys(self) -> KeysView[str]:
        """The names, in the order of their positions, as those of a dict."""

    def values(self) -> ValuesView[Any]:
        """The slices, in the order of their positions, as the values of a dict."""

    def items(self) -> ItemsView[str, Any]:
        """Pairs of names and slices, in the order of positions, as the items of a dict."""

    def snapshot(self) -> SliceArray:
        """The slices as they are shown now, kept against all that others do: writing, deleting, renaming, compacting.

        It is a SliceArray for reading. Forked children share it. A pickle of it opens on this machine for as long as this
        process has the snapshot. The disk keeps the file of rows for as long, also once another is in its place.

        Raises:
            StorageError: Others have deleted or renamed slices since the array was opened or refreshed.

        Example:
            >>> import pathlib, tempfile
            >>> w = bigarrays.SliceArray(pathlib.Path(tempfile.mkdtemp()) / "s.npy", "x", shape=(None,), dtype="int8")
            >>> w.write({"a": [1], "b": [2, 3]})
            >>> kept = w.snapshot()
            >>> w.delete("a")
            >>> len(kept), kept["a"], len(w)
            (2, array([1], dtype=int8), 1)
        """

    def select(
        self,
        which: str | Callable[[str], bool] | Iterable[str] | Iterable[int] | Iterable[bool] | None = None,
        *,
        glob: str | None = None,
        meta: Callable[[str, Any], bool] | Mapping[str, Any] | None = None,
    ) -> SliceArray:
        """Some of the slices, as a snapshot of these alone, with positions from 0 on.

        Args:
            which: The start of names, a function of a name, or an iterable of names or positions, or a mask. All by default.
            glob: A pattern of names, in which `*` is any text, `?` any letter and `[ab]` one of these.
            meta: A function of a name and what is kept beside it, None if that is nothing; or a dict of members that the
                dict beside the name has, with equal values.

        Raises:
            KeyError: A name is not there.
            IndexError: A position is not there.
            InvalidArgumentError: A slice is named twice.

        Example:
            >>> import pathlib, tempfile
            >>> w = bigarrays.SliceArray(pathlib.Path(tempfile.mkdtemp()) / "s.npy", "x", shape=(None,), dtype="int8")
            >>> w.write({"train/a": [1], "test/a": [2], "train/b": [3]})
            >>> list(w.select("train/")), list(w.select(lambda name: name.endswith("a"))), list(w.select([2, 1]))
            (['train/a', 'train/b'], ['train/a', 'test/a'], ['train/b', 'test/a'])
            >>> w.meta["train/b"] = {"speaker": 5}
            >>> list(w.select(glob="*/a")), list(w.select(meta={"speaker": 5})), list(w.select(meta=lambda name, meta: not meta))
            (['train/a', 'test/a'], ['train/b'], ['train/a', 'test/a'])
        """

    def split(self, shares: dict[str, float], *, seed: int = 0) -> dict[str, SliceArray]:
        """Parts of the slices, as snapshots, each of about a share of them. Which part a slice is in depends on its name and the
        seed alone: it stays there when others come and go.

        Args:
            shares: A dict of names of parts and their shares, from 0 to 1, at most 1 together.
            seed: Another one gives other parts.

        Raises:
            InvalidArgumentError: The shares are more than 1 together.

        Example:
            >>> import pathlib, tempfile
            >>> w = bigarrays.SliceArray(pathlib.Path(tempfile.mkdtemp()) / "s.npy", "x", shape=(None,), dtype="int8")
            >>> w.write({f"n{k}": [k] for k in range(100)})
            >>> {name: len(part) for name, part in w.split({"train": 0.8, "test": 0.2}).items()}
            {'train': 81, 'test': 19}
        """

    def names(self) -> Iterator[str]:
        """An iterator over all names, in the order of their positions; it takes them as it goes."""

    def __setitem__(self, name: str, data: _Rows) -> None: ...
    def write(
        self,
        slices: Mapping[str, _Rows] | Iterable[tuple[str, _Rows]] | SliceArray,
        *,
        replace: bool | None = None,
        casting: Casting | None = None,
        meta: Mapping[str, Any] | Callable[[str], Any] | None = None,
    ) -> None:
        """Appends and names slices.

        Args:
            slices: A dict of names and rows, all of which become visible at once, or an iterable of pairs or another
                SliceArray, in large batches. Of several arrays, the rows of a name are a dict of the arrays' names and rows.
            replace: What happens to names that are there; by default what the array was opened with.
            casting: As for `FlatArray.append`.
            meta: What is kept beside the names, and is there with the slices or not at all: a dict of names and values, or a
                function of a name, None for nothing. Another SliceArray brings its own.

        Raises:
            AlreadyExistsError: A name is there, and is not to be replaced; nothing of the batch was named.
            InvalidArgumentError: Shape or type do not fit, or a name is too long.
            ReadOnlyError: The array was opened with mode "r" or "c".
            StorageFullError: There is no room.
        """

    def name_rows(self, names: Mapping[str, _Range | Mapping[str, _Range]], *, replace: bool | None = None) -> None:
        """Names rows that are in the array already. Slices may share rows.

        Args:
            names: A dict of names and ranges, or pairs of the first row and the one after the last; of several arrays, of
                names and dicts of these.
            replace: What happens to names that are there; by default what the array was opened with.

        Raises:
            AlreadyExistsError: A name is there, and is not to be replaced.
            InvalidArgumentError: A range has a step.
            OutOfBoundsError: The array does not have the rows.
        """

    def __delitem__(self, key: str | int | Iterable[str] | Iterable[int]) -> None: ...
    def delete(self, names: str | int | Iterable[str] | Iterable[int]) -> None:
        """Removes names, and what is kept beside them. Their rows stay, without a name, until `compact`; the last slice moves to the position that becomes free.

        Args:
            names: A name or a position, or an iterable of either.

        Raises:
            NotFoundError: There is no such name; none was removed.
            IndexError: There is no such position; none was removed.
            ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.
        """

    def rename(self, old: str, new: str) -> None:
        """Gives a slice another name; its position stays, and so does what is kept beside the name.

        Raises:
            NotFoundError: There is no slice of the old name.
            AlreadyExistsError: There is one of the new name.
            ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.
        """

    def compact(self) -> None:
        """Writes the file anew with only the rows that have names, slice after slice, and the index as small as its names. Readers
        go on. Needs room on the disk for a copy; StorageFullError says how much.

        Raises:
            StorageError: Somebody else has the array open for writing, or a view of it in mode "r+" is in use, which would
                write into the old file; `retryable` is true.
        """

    def punch_holes(self) -> int:
        """Gives the room of rows without a name back to the disk, without needing any: those rows stay where they are and become
        zeros. For a disk that has no room for `compact`, which may have it then.

        Returns:
            How many bytes those rows have.

        Raises:
            StorageError: Somebody else has the array open, also for reading, or a snapshot or views of it are in use; `retryable` is
                true.
            UnsupportedError: The file system has no holes.
        """

    def merge(self, others: Iterable[SliceArray | str | os.PathLike[str]], *, overwrite: bool = False) -> None:
        """Adds the slices of other arrays, in their order, some thousand at a time: memory does not grow with the arrays. What is
        kept beside names comes along; a name that gets other rows keeps its own if the other has nothing beside it.

        Args:
            others: Arrays of the same elements and rows, or paths of such.
            overwrite: A name that is there already, here or in one of the others before, gets the rows of the last, instead of
                raising AlreadyExistsError.

        Raises:
            AlreadyExistsError: A name comes twice, and `overwrite` is not given; nothing was added.
            InvalidArgumentError: Some have other arrays, elements or rows, or are this one; nothing was added.
            ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.

        Example:
            >>> import pathlib, tempfile
            >>> folder = pathlib.Path(tempfile.mkdtemp())
            >>> one = bigarrays.SliceArray(folder / "one.npy", "x", shape=(None,), dtype="int8")
            >>> two = bigarrays.SliceArray(folder / "two.npy", "x", shape=(None,), dtype="int8")
            >>> one["a"], two["b"] = [1], [2, 3]
            >>> one.merge([two])
            >>> list(one), one["b"]
            (['a', 'b'], array([2, 3], dtype=int8))
        """

    def flush(self) -> None:
        """Has all that was written on stable storage: first the rows, then the names.

        Raises:
            StorageError: The storage refused.
        """

    def refresh(self) -> bool:
        """Shows what there is now: the names, positions and rows. What the array itself writes or deletes it shows at once, with
        all that others had written before. A snapshot stays as it is.

        Returns:
            Whether anything has changed.
        """

    def close(self) -> None:
        """Lets go of the files. Views stay valid; those that can write into the file keep it open. What was written is there
        for all already, and `flush` has it survive a power failure.
        """

    def __enter__(self) -> SliceArray: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

def _open_slices(path: str | os.PathLike[str], mode: str, options: dict[str, Any]) -> SliceArray: ...
def _open_snapshot(path: str | os.PathLike[str], mode: str, state: dict[str, Any]) -> SliceArray: ...
def _spread(out: NDArray[Any], joined: NDArray[Any], lengths: list[int]) -> None: ...
