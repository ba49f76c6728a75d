"""What several arrays have of one slice, or of one batch: by the name of each array."""

from operator import itemgetter
from typing import Any

__all__ = ["Together", "together"]


class Together(tuple[Any, ...]):
    """One value of each of several arrays, like a tuple with names: `x.features` and `x["features"]` are the same.

    Its kinds are made as they are needed, one for each list of names, which are in `_fields`.

    >>> from bigarrays import Together
    >>> both = Together.of(features=[1, 2], labels=[3])
    >>> both.labels, both["labels"], both[1], list(both)
    ([3], [3], [3], [[1, 2], [3]])
    >>> both
    Together(features=[1, 2], labels=[3])
    """

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __new__(cls, *values: Any) -> "Together":
        """One of this kind, of as many values as it has names."""
        if len(values) != len(cls._fields):
            raise TypeError(f"{len(values)} values for {', '.join(cls._fields) or 'no names'}")
        return tuple.__new__(cls, values)

    @staticmethod
    def of(**values: Any) -> "Together":
        """These values by these names."""
        return together(tuple(values))(*values.values())

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key not in self._fields:
                raise KeyError(f"{key}; there are {', '.join(self._fields)}")
            key = self._fields.index(key)
        return tuple.__getitem__(self, key)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"there is no {name!r} among {', '.join(self._fields)}")

    def _asdict(self) -> dict[str, Any]:
        """The values in a dict."""
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        return f"Together({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._fields, tuple(self))


_KINDS: dict[tuple[str, ...], type[Together]] = {}


def together(fields: tuple[str, ...]) -> type[Together]:
    """The kind of tuples that have these names, always the same."""
    if fields not in _KINDS:
        members: dict[str, Any] = {name: property(itemgetter(number)) for number, name in enumerate(fields)}
        own = {"_fields": fields, "__slots__": (), "__module__": __name__}
        # Of two threads, both get that of the first.
        _KINDS.setdefault(fields, type("Together", (Together,), members | own))
    return _KINDS[fields]


def _again(fields: tuple[str, ...], values: tuple[Any, ...]) -> Together:
    return together(fields)(*values)
