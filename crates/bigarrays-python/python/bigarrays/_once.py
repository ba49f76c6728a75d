"""Arrays that are made once: who makes the same call again, with resume=, gets what it has made."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from typing import TYPE_CHECKING, Any

from ._bigarrays import Array, _Done, _Lazy, open
from ._targets import place

if TYPE_CHECKING:
    from ._lazy import Lazy

#: What of the options of `create` says how arrays are opened.
_OPENING = ("format", "storage_options", "durable", "lock")


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
        self._places: tuple[list[str], list[str]] | None = None
        self._opening = {name: options[name] for name in _OPENING if name in options}
        # Into an array that is there, elements are written again.
        if resume is not False and not isinstance(target, Array):
            self._places = ([place(target)], [place(source.url)])
            # Of tables only what tells them from others.
            outcome = hashlib.sha256(repr((how, sorted(options.items(), key=str), source.domain, source.scale)).encode()).hexdigest()
            self._done = _Done(f"{command} {self._places} {outcome}", None if resume is True else resume)

    def found(self) -> tuple[Array, list[bytes | int | None]] | None:
        """The array that an earlier call has made, and what it has noted."""
        if self._places is None:
            return None
        said = self._done.said(*self._places)
        if said is None:
            return None
        return open(self._places[0][0], mode="r+", **self._opening), [
            bytes.fromhex(one) if isinstance(one, str) else one for one in json.loads(said)
        ]

    def note(self, found: list[bytes | int | None]) -> None:
        """Notes that the array is made, and what was found on the way."""
        if self._places is not None:
            said = json.dumps([one.hex() if isinstance(one, bytes) else one for one in found])
            self._done._note(*self._places, said)


class Saved:
    """Results that are saved, if a call is to go on where an earlier one ended. Inputs count with all their elements."""

    def __init__(self, results: dict[Any, Lazy], options: dict[str, Any], resume: bool | str | PathLike[str]) -> None:
        self._is_resumed = resume is not False
        if not self._is_resumed:
            return
        self._urls, self._places = list(results), [place(url) for url in results]
        self._opening = {name: options[name] for name in _OPENING if name in options}
        outcome = hashlib.sha256(repr(sorted(options.items(), key=str)).encode()).hexdigest()
        self._done = _Done(f"save {self._places} {outcome}", None if resume is True else resume)
        # As they are before anything is read.
        self._inputs = _Lazy.inputs([result._inner for result in results.values()])

    def found(self) -> dict[Any, Array] | None:
        """The arrays that an earlier call has made."""
        if not self._is_resumed or self._done.said(self._places, [], self._inputs) is None:
            return None
        return {url: open(url, mode="r+", **self._opening) for url in self._urls}

    def note(self) -> None:
        """Notes that all of them are made."""
        if self._is_resumed:
            self._done._note(self._places, [], "saved", self._inputs)
