from collections.abc import Callable
from typing import Any, Literal, TypedDict, final

from ._domain import Box
from ._open import Place, ScaleSelector

class Problem(TypedDict):
    kind: Literal[
        "metadata", "chunk", "shard", "unreadable", "missing", "names", "unfinished", "different"
    ]
    key: str | None
    domain: str | None
    message: str

class Stray(TypedDict):
    key: str
    bytes: int

class Strays(TypedDict):
    count: int
    first: list[Stray]

class Difference(TypedDict):
    at: list[int]
    left: float | None
    right: float | None

class Comparison(TypedDict):
    url: str
    equal: bool
    dtypes: list[str]
    mismatch: str | None
    elements: int
    different: int
    max_abs: float | None
    first: list[Difference]

class ArrayReport(TypedDict):
    url: str
    format: str
    scale: str | None
    domain: str | None
    whole: bool
    chunks: int
    stored: int
    missing: int
    bytes: int
    names: int | None
    listed: bool
    problem_count: int
    problems: list[Problem]
    leftovers: Strays
    strangers: Strays
    comparison: Comparison | None

@final
class Report:
    @property
    def whole(self) -> bool: ...
    @property
    def problem_count(self) -> int: ...
    @property
    def problems(self) -> list[Problem]: ...
    @property
    def arrays(self) -> list[ArrayReport]: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __bool__(self) -> bool: ...

def verify(
    path_or_url: Place,
    against: Place | None = None,
    *,
    box: Box | None = None,
    scale: ScaleSelector | None = None,
    against_scale: ScaleSelector | None = None,
    missing: bool = False,
    memory: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    format: str | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Report: ...
