"""A line that says how far a job is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

#: Whether there is a line, or what is called in its place with what is done, and all.
Progress = bool | Callable[[int, int], object]

#: Seconds between two lines.
_PAUSE = 0.2


def reporter(progress: Progress | None, what: str) -> Callable[[int, int], object] | None:
    """What a job tells how far it is: a function of the caller, or a line on the standard error stream if True."""
    if progress is True:
        return _Line(what)
    return progress or None


class _Line:
    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = self._last = time.monotonic()
        self._width = 0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < _PAUSE and done < total:
            return
        self._last = now
        line = said(self._what, done, total, now - self._begun)
        # A terminal and a notebook write over the line from its beginning; what is left of a longer one is blank.
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{line:<{self._width}}{end}")
        sys.stderr.flush()
        self._width = len(line)


def said(what: str, done: int, total: int, seconds: float) -> str:
    """The line: the share that is done, of how much, how fast, how long it will take, and the memory of the process."""
    share = 1.0 if total == 0 else min(done / total, 1.0)
    rate = done / seconds if seconds > 0 else 0.0
    left = (total - done) / rate if rate > 0 else 0.0
    time_left = f", {duration(left)} left" if 0 < done < total else ""
    memory = _memory()
    held = f", {in_bytes(memory)} of memory" if memory else ""
    return f"{what}: {share:4.0%} of {in_bytes(total)}, {in_bytes(int(rate))}/s{time_left}{held}"


def in_bytes(count: int) -> str:
    """So many bytes, in a unit that people read."""
    size, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"


def duration(seconds: float) -> str:
    """So many seconds, in units that people read."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _memory() -> int:
    """Bytes of the process that are in memory, where the system says so."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
