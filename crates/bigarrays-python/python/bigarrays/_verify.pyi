from collections.abc import Callable
from typing import Any, Literal, TypedDict, final

from ._domain import Box
from ._open import Place, ScaleSelector

class Problem(TypedDict):
    """Something that is wrong, as `Report.problems` has it."""

    kind: Literal[
        "metadata", "chunk", "shard", "unreadable", "missing", "names", "unfinished", "incomplete", "different"
    ]
    key: str | None
    domain: str | None
    message: str

class Stray(TypedDict):
    """A file or object that belongs to no array, or that a dead writer left."""

    key: str
    bytes: int

class Strays(TypedDict):
    """How many files or objects there are that are strays, and the first of them."""

    count: int
    first: list[Stray]

class Notes(TypedDict):
    """How many things are read although they are not as the specification has them, and the first of them, in words."""

    count: int
    first: list[str]

class Difference(TypedDict):
    """An element that differs: its coordinates, and both values."""

    at: list[int]
    left: float | None
    right: float | None

class Comparison(TypedDict):
    """How an array compares with another, as `ArrayReport` has it; `elements` and `different` count elements."""

    url: str
    equal: bool
    dtypes: list[str]
    mismatch: str | None
    elements: int
    different: int
    max_abs: float | None
    first: list[Difference]

class ArrayReport(TypedDict):
    """What was found of an array, or of a scale of a layer: counts of chunks, bytes as they are stored."""

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
    notes: Notes
    comparison: Comparison | None

@final
class Report:
    """What `verify` has found: `str` of it is for people, `to_dict` for programs. It is true if nothing is wrong.

    Example:
        >>> array = bigarrays.create("memory://report", shape=(8, 8), dtype="uint8", format="zarr3")
        >>> report = bigarrays.verify("memory://report")
        >>> bool(report), report.problem_count, report.problems
        (True, 0, [])
        >>> report.arrays[0]["missing"]
        1
        >>> print(report)
        memory://report: zarr3, 0 of 1 chunks stored in 0 bytes, 1 missing
        whole
    """

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""

    @property
    def problem_count(self) -> int:
        """How many problems there are in all."""

    @property
    def problems(self) -> list[Problem]:
        """The problems of all arrays, as dicts of `kind`, `key`, `domain` and `message`: the first thousand of each array."""

    @property
    def arrays(self) -> list[ArrayReport]:
        """What was found of each array, or of each scale of a layer, as dicts."""

    def to_dict(self) -> dict[str, Any]:
        """All of it, as `bigarrays verify --json` prints it."""

    @staticmethod
    def _of_shares(shares: list[Report]) -> Report: ...
    @staticmethod
    def _of_text(text: str) -> Report: ...
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
    share: tuple[int, int] | None = None,
) -> Report:
    """What `bigarrays.verify` calls: verifies what is stored at a path or URL, or a share of it.

    Args:
        path_or_url: As there, and so are all others but the last.
        share: The number of a share of the work, from 0 on, and how many there are; None for all of it.

    Returns:
        The report, of this share alone.
    """
