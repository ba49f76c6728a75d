"""The user's attributes of an array, as a mapping."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Protocol

from ._bigarrays import InvalidArgumentError


class _Node(Protocol):
    """Where attributes are kept."""

    def read(self) -> dict[str, Any]: ...
    def update(self, changes: dict[str, Any]) -> None: ...


class Attributes(MutableMapping[str, Any]):
    """The user's attributes of a stored array: a live mapping of names to values as JSON has them.

    Reading asks the storage, and each change is stored at once, in one atomic step that loses no other writer's
    change. `dict(attributes)` is a copy.

    Raises:
        KeyError: There is no attribute of the name.
        InvalidArgumentError: A value is None, which `del` is for, or is not JSON.
        NotFoundError: Attributes are set in a format that has none.

    Example:
        >>> a = bigarrays.create("memory://attributes/of", shape=(4,), dtype="uint8", format="zarr3")
        >>> a.attrs["units"] = "K"
        >>> a.attrs.update(range=[0, 300], draft=True)
        >>> del a.attrs["draft"]
        >>> a.attrs
        Attributes({'units': 'K', 'range': [0, 300]})
    """

    def __init__(self, node: _Node) -> None:
        self._node = node

    def __getitem__(self, name: str) -> Any:
        return self._node.read()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        if name not in self._node.read():
            raise KeyError(name)
        self._node.update({name: None})

    def __iter__(self) -> Iterator[str]:
        return iter(self._node.read())

    def __len__(self) -> int:
        return len(self._node.read())

    def __repr__(self) -> str:
        return f"Attributes({self._node.read()})"

    def update(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, **named: Any) -> None:  # type: ignore[override]
        """Sets several attributes in one atomic step.

        Raises:
            InvalidArgumentError: A value is None or is not JSON; nothing was changed.
        """
        changes = dict(other, **named)
        for name, value in changes.items():
            if value is None:
                raise InvalidArgumentError(f"None is no value of an attribute; del attrs[{name!r}] removes it")
        if changes:
            self._node.update(changes)

    def clear(self) -> None:
        """Removes all attributes in one atomic step."""
        if names := self._node.read():
            self._node.update(dict.fromkeys(names))
