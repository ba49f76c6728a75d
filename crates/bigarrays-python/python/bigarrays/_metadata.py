"""What is kept beside the names of slices."""

import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ._bigarrays import InvalidArgumentError

if TYPE_CHECKING:
    from ._bigarrays import SliceArray

# Names that are asked for at once.
_AT_ONCE = 1000


class Metadata(MutableMapping[str, Any]):
    """A small value beside each name of a SliceArray: what JSON has, at most 64 KiB of it. This is `SliceArray.meta`.

    A dict of the names that have one, in the order of their positions. What is set is there for all at once, like slices; it
    is that of now, also where the array shows names of an earlier moment, and that of then in a snapshot. It goes with its
    name when that is deleted, renamed or copied, and stays when the name gets other rows.

    >>> import pathlib, tempfile
    >>> w = bigarrays.SliceArray.create(pathlib.Path(tempfile.mkdtemp()) / "s.npy", shape=(None,), dtype="int8")
    >>> w.write({"a/1": [1], "a/2": [2]}, meta={"a/1": {"speaker": 5}})
    >>> w.meta["a/2"] = {"speaker": 6, "clean": True}
    >>> w.meta["a/2"]["clean"], dict(w.meta), list(w.select(meta={"speaker": 5}))
    (True, {'a/1': {'speaker': 5}, 'a/2': {'speaker': 6, 'clean': True}}, ['a/1'])
    """

    __slots__ = ("_slices",)

    def __init__(self, slices: "SliceArray") -> None:
        self._slices = slices

    def __getitem__(self, name: str) -> Any:
        kept = self._slices._metadata(name)
        if kept is None:
            raise KeyError(name)
        return json.loads(kept)

    def __setitem__(self, name: str, value: Any) -> None:
        self._slices._set_metadata({name: text(name, value)})

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._slices._set_metadata({name: None})

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self._slices._metadata(name) is not None
        except KeyError:
            return False

    def _all(self) -> Iterator[tuple[str, str]]:
        position = 0
        while described := self._slices._described(position, _AT_ONCE):
            yield from ((name, kept) for name, kept in described if kept is not None)
            position += len(described)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._all())

    def __len__(self) -> int:
        return sum(1 for _ in self._all())

    def __bool__(self) -> bool:
        return any(True for _ in self._all())

    def items(self) -> Any:
        """Pairs of names and what is kept beside them."""
        return _Items(self)

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Sets many, all at once.

        Args:
            other: A mapping of names and values, or an iterable of pairs.
            values: More of them.
        """
        given = dict(other) | values
        self._slices._set_metadata({name: text(name, value) for name, value in given.items()})

    def clear(self) -> None:
        """Removes all of it; the slices stay."""
        names = iter(list(self))
        while some := list(islice(names, _AT_ONCE)):
            self._slices._set_metadata(dict.fromkeys(some))

    def __repr__(self) -> str:
        return f"<metadata of {len(self)} of {len(self._slices)} slices at {self._slices.path}>"


class _Items(Iterable[tuple[str, Any]]):
    """Pairs, read as they are iterated over."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def __len__(self) -> int:
        return len(self._metadata)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return ((name, json.loads(kept)) for name, kept in self._metadata._all())


def text(name: str, value: Any) -> str:
    """The JSON of what is to be kept beside a name."""
    try:
        _expect_json(value)
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the metadata of {name!r} are not what JSON has: {error}") from error


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy as Python's."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def _expect_json(value: Any) -> None:
    """An error where JSON would make something else of a value: of keys that are no texts."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is no text")
            _expect_json(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _expect_json(item)


def filtered(glob: str | None, meta: Any) -> Callable[[str, str | None], bool]:
    """Whether a name and the JSON beside it are as a selection asks for."""
    fits = re.compile(fnmatch.translate(glob)).match if glob is not None else None
    if not (meta is None or callable(meta) or isinstance(meta, Mapping)):
        raise InvalidArgumentError(f"meta is {meta!r}; it is a function of name and metadata, or a dict of members")

    def is_wanted(name: str, kept: str | None) -> bool:
        if fits is not None and not fits(name):
            return False
        if meta is None:
            return True
        value = None if kept is None else json.loads(kept)
        if callable(meta):
            return bool(meta(name, value))
        return isinstance(value, dict) and all(key in value and value[key] == wanted for key, wanted in meta.items())

    return is_wanted
