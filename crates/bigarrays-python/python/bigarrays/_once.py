"""Arrays that are made once: who makes the same call again, with resume=, gets what it has made."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from typing import TYPE_CHECKING, Any

from ._bigarrays import Array, _Done, _Lazy, open
from ._targets import opening, place

if TYPE_CHECKING:
    from ._lazy import Lazy


def _done(job: str, resume: bool | str | PathLike[str], options: dict[str, Any]) -> _Done:
    """What notes that a job is done, beside its journal if that has a place of its own."""
    return _Done(job, None if isinstance(resume, bool) else resume, options.get("storage_options"))


class Once:
    """A call that makes an array of another one, if it is to go on where an earlier one ended."""

    def __init__(
        self,
        command: str,
        source: Array,
        target: Array | str | PathLike[str],
        how: Any,
        options: dict[str, Any],
        resume: bool | str | PathLike[str],
    ) -> None:
        self._opening = opening(options)
        self._made: list[str] = []
        self._source: str | None = None
        # Into an array that is there, elements are written again.
        if resume is not False and not isinstance(target, Array):
            self._made, self._source = [place(target)], _Done.source(source)
            # Of tables only what tells them from others.
            made_of = (how, sorted(options.items(), key=str), place(source.url), source.domain, source.scale)
            outcome = hashlib.sha256(repr(made_of).encode()).hexdigest()
            self._done = _done(f"{command} {self._made} {outcome}", resume, options)

    def found(self) -> tuple[Array, list[bytes | int | None]] | None:
        """The array that an earlier call has made, and what it has noted."""
        said = None if self._source is None else self._done._said(self._made, self._source)
        if said is None:
            return None
        return open(self._made[0], mode="r+", **self._opening), [
            bytes.fromhex(one) if isinstance(one, str) else one for one in json.loads(said)
        ]

    def note(self, found: list[bytes | int | None]) -> None:
        """Notes that the array is made, and what was found on the way."""
        if self._source is not None:
            said = json.dumps([one.hex() if isinstance(one, bytes) else one for one in found])
            self._done._note(self._made, self._source, said)


class Saved:
    """Results that are saved, if a call is to go on where an earlier one ended. Inputs count with all their elements: of those behind a
    network nothing is known again."""

    def __init__(self, results: dict[Any, Lazy], options: dict[str, Any], resume: bool | str | PathLike[str]) -> None:
        # As they are before anything is read.
        self._inputs = None if resume is False else _Lazy.inputs([result._inner for result in results.values()])
        if self._inputs is None:
            return
        self._urls, self._places = list(results), [place(url) for url in results]
        self._opening = opening(options)
        outcome = hashlib.sha256(repr(sorted(options.items(), key=str)).encode()).hexdigest()
        self._done = _done(f"save {self._places} {outcome}", resume, options)

    def found(self) -> dict[Any, Array] | None:
        """The arrays that an earlier call has made."""
        if self._inputs is None or self._done._said(self._places, self._inputs) is None:
            return None
        return {url: open(url, mode="r+", **self._opening) for url in self._urls}

    def note(self) -> None:
        """Notes that all of them are made."""
        if self._inputs is not None:
            self._done._note(self._places, self._inputs, "saved")
