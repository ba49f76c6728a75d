from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ._open import Place

def list(
    path_or_url: Place, *, format: str | None = None, storage_options: dict[str, Any] | None = None
) -> dict[str, Literal["array", "group"]]: ...
def create_group(
    path_or_url: Place,
    *,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = "zarr3",
    storage_options: dict[str, Any] | None = None,
) -> None: ...
def attributes(
    path_or_url: Place, *, format: str | None = None, storage_options: dict[str, Any] | None = None
) -> dict[str, Any]: ...
def update_attributes(
    path_or_url: Place,
    attributes: Mapping[str, Any],
    *,
    format: str | None = None,
    storage_options: dict[str, Any] | None = None,
) -> None: ...
def resize(
    path_or_url: Place,
    shape: Sequence[int],
    *,
    format: str | None = None,
    storage_options: dict[str, Any] | None = None,
) -> None: ...
def _document(
    path_or_url: Place, key: str, *, storage_options: dict[str, Any] | None = None
) -> dict[str, Any] | None: ...
