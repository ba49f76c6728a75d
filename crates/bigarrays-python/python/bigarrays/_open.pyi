import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from numpy.typing import DTypeLike

from ._array import Array
from ._cache import Cache
from ._domain import Box

Place: TypeAlias = str | os.PathLike[str]
ScaleSelector: TypeAlias = int | str | Sequence[float]
StorageOptions: TypeAlias = dict[str, Any]
CacheLike: TypeAlias = bool | Place | dict[str, Any] | Cache | None
Validate: TypeAlias = Literal["always", "open", "never"]

def open(
    path_or_url: Place,
    *,
    mode: Literal["r", "r+"] = "r",
    scale: ScaleSelector = 0,
    format: str | None = None,
    strict: bool = False,
    outside: Literal["error", "crop"] = "error",
    drop_fill: bool = False,
    durable: bool = False,
    lock: bool = True,
    lock_timeout: float | None = None,
    compression: str | None = None,
    storage_options: StorageOptions | None = None,
    cache: CacheLike = None,
    validate: Validate | None = None,
) -> Array: ...
def create(
    path_or_url: Place,
    *,
    like: Array | None = None,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
    domain: Box | None = None,
    origin: Sequence[int] | None = None,
    chunks: Sequence[int] | None = None,
    encoding: str | None = None,
    level: int | None = None,
    block: Sequence[int] | None = None,
    resolution: Sequence[float] | None = None,
    labels: bool | None = None,
    key: str | None = None,
    sharding: bool | str | Mapping[str, str | int] | Sequence[int] | None = None,
    shard_order: Literal["c", "morton", "hilbert"] | None = None,
    dimension_names: Sequence[str] | None = None,
    fill_value: Any = None,
    codecs: Sequence[str | Mapping[str, Any]] | None = None,
    chunk_keys: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = "precomputed",
    strict: bool = False,
    outside: Literal["error", "crop"] = "error",
    drop_fill: bool = False,
    durable: bool = False,
    lock: bool = True,
    lock_timeout: float | None = None,
    compression: str | None = None,
    storage_options: StorageOptions | None = None,
    cache: CacheLike = None,
    validate: Validate | None = None,
) -> Array: ...
def add_scale(
    path_or_url: Place,
    *,
    like: Array | None = None,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
    domain: Box | None = None,
    origin: Sequence[int] | None = None,
    chunks: Sequence[int] | None = None,
    encoding: str | None = None,
    level: int | None = None,
    block: Sequence[int] | None = None,
    resolution: Sequence[float] | None = None,
    labels: bool | None = None,
    key: str | None = None,
    sharding: bool | str | Mapping[str, str | int] | Sequence[int] | None = None,
    shard_order: Literal["c", "morton", "hilbert"] | None = None,
    dimension_names: Sequence[str] | None = None,
    fill_value: Any = None,
    codecs: Sequence[str | Mapping[str, Any]] | None = None,
    chunk_keys: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = None,
    strict: bool = False,
    outside: Literal["error", "crop"] = "error",
    drop_fill: bool = False,
    durable: bool = False,
    lock: bool = True,
    lock_timeout: float | None = None,
    compression: str | None = None,
    storage_options: StorageOptions | None = None,
    cache: CacheLike = None,
    validate: Validate | None = None,
) -> Array: ...
def remove(
    path_or_url: Place,
    scale: ScaleSelector | None = None,
    *,
    recursive: bool = False,
    storage_options: StorageOptions | None = None,
) -> None: ...
def supported() -> dict[str, dict[str, str]]: ...
