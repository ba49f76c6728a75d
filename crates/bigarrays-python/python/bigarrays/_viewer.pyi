from typing import Any

from ._array import Array
from ._expression import _Lazy

class _Viewer:
    def __init__(
        self,
        layers: list[tuple[str, Array | _Lazy, bool | None, list[list[float]] | None]],
        at: list[float] | None,
        layout: str | None,
        state: dict[str, Any] | None,
        bind: str,
        port: int,
        allow_origin: list[str],
        neuroglancer: str | None,
        tile_bytes: int | None,
        pyramid: str | None,
    ) -> None: ...
    @property
    def url(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def dropped_reads(self) -> int: ...
    @property
    def pyramids(self) -> list[str | None]: ...
    def close(self) -> None: ...
