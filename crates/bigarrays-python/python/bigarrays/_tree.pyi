from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ._open import Place

def ls(
    path_or_url: Place, *, format: str | None = None, storage_options: dict[str, Any] | None = None
) -> dict[str, Literal["array", "group"]]:
    """The arrays and groups in the group at a path or URL, at any depth.

    Args:
        path_or_url: Where the group is.
        format: The name of the format, where the metadata of several lie at one place.
        storage_options: As for `open`.

    Returns:
        A dict of their paths in the group and what they are, "array" or "group".

    Raises:
        NotFoundError: There is no group.

    Example:
        >>> bigarrays.create_group("memory://ls")
        >>> array = bigarrays.create("memory://ls/a/b", shape=(4,), dtype="uint8", format="zarr3")
        >>> bigarrays.ls("memory://ls")
        {'a': 'group', 'a/b': 'array'}
    """

def create_group(
    path_or_url: Place,
    *,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = "zarr3",
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Creates an empty group at a path or URL, which arrays can be created in.

    Args:
        path_or_url: Where the group will be; nothing may be there.
        attributes: The user's attributes, as JSON has them.
        format: Name of the format: "zarr3", "zarr2" or "n5"; "zarr3" if None.
        storage_options: As for `open`.

    Raises:
        AlreadyExistsError: There is something at the path or URL.
        UnsupportedError: The format has no groups.

    Example:
        >>> bigarrays.create_group("memory://group", attributes={"by": "us"})
        >>> bigarrays.attributes("memory://group")
        {'by': 'us'}
    """

def attributes(
    path_or_url: Place, *, format: str | None = None, storage_options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The user's attributes of the array or group at a path or URL, as a dict. `Array.attrs` are those of an opened array.

    Args:
        path_or_url: Where the array or group is.
        format: The name of the format, where the metadata of several lie at one place.
        storage_options: As for `open`.

    Raises:
        NotFoundError: There is nothing that has attributes.

    Example:
        >>> array = bigarrays.create("memory://attributes", shape=(4,), dtype="uint8", format="zarr3",
        ...     attributes={"by": "us"})
        >>> bigarrays.attributes("memory://attributes")
        {'by': 'us'}
    """

def update_attributes(
    path_or_url: Place,
    attributes: Mapping[str, Any],
    *,
    format: str | None = None,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Adds attributes to those of the array or group at a path or URL, in one atomic step.

    Args:
        path_or_url: Where the array or group is.
        attributes: Those of a name that is there are replaced; those that are None are removed.
        format: The name of the format, where the metadata of several lie at one place.
        storage_options: As for `open`.

    Raises:
        NotFoundError: There is nothing that has attributes.

    Example:
        >>> bigarrays.create_group("memory://update", attributes={"by": "us", "old": 1})
        >>> bigarrays.update_attributes("memory://update", {"by": ["them"], "old": None})
        >>> bigarrays.attributes("memory://update")
        {'by': ['them']}
    """

def resize(
    path_or_url: Place,
    shape: Sequence[int],
    *,
    format: str | None = None,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Gives the array at a path or URL another shape.

    What it gains is fill value; what is outside then is lost for good. Arrays that are open keep the shape that they were
    opened with. Nobody may write meanwhile.

    Args:
        path_or_url: Where the array is.
        shape: The new number of elements along each axis.
        format: The name of the format, where the metadata of several lie at one place.
        storage_options: As for `open`.

    Raises:
        UnsupportedError: Arrays of the format keep their shape.
        NotFoundError: There is no array.

    Example:
        >>> array = bigarrays.create("memory://resize", shape=(4, 6), dtype="uint8", format="zarr3")
        >>> bigarrays.resize("memory://resize", (8, 3))
        >>> bigarrays.open("memory://resize").shape
        (8, 3)
    """

def _is_likely(path_or_url: Place, /) -> bool: ...
def _join_url(url: str, path: str, /) -> str: ...
