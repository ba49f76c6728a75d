"""Calendars: which elements of an axis of times are of one month, season, year, or the like."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import Array, InvalidArgumentError, UnsupportedError

_GREGORIAN = ("standard", "gregorian", "proleptic_gregorian")
_LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
#: Months of calendars whose years are all alike.
_MONTHS = {
    "noleap": _LENGTHS,
    "365_day": _LENGTHS,
    "all_leap": [29 if length == 28 else length for length in _LENGTHS],
    "366_day": [29 if length == 28 else length for length in _LENGTHS],
    "360_day": [30] * 12,
}
_UNITS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
}
_SHORT = {"us": "microsecond", "ms": "millisecond", "msec": "millisecond", "s": "second", "sec": "second"}
_SHORT |= {"min": "minute", "h": "hour", "hr": "hour", "d": "day"}
_REFERENCE = re.compile(
    r"\s*(?P<unit>[a-z]+)\s+since\s+(?P<year>-?\d+)-(?P<month>\d+)-(?P<day>\d+)"
    r"(?:[T\s]+(?P<hour>\d+)(?::(?P<minute>\d+))?(?::(?P<second>\d+)(?:\.0*)?)?)?\s*(?:Z|UTC|\+?00:?00)?\s*",
    re.IGNORECASE,
)

Numbers = NDArray[np.int64]


class Dates(NamedTuple):
    """The dates of some times, an element each."""

    year: Numbers
    month: Numbers
    day: Numbers
    hour: Numbers
    #: Days from any one on.
    number: Numbers


class Periods(NamedTuple):
    """Periods of a calendar, one behind the other: the positions of the times within each, and the date each begins with."""

    ranges: list[tuple[int, int]]
    labels: list[str]


def periods(times: Any, period: str, units: str | None, calendar: str | None) -> Periods:
    """The periods of ascending times.

    Raises:
        InvalidArgumentError: Times do not ascend, units or the period are none.
        UnsupportedError: The calendar is unknown.
    """
    number_of, label_of = _period(period)
    dates = _dates(times, units, calendar)
    numbers = number_of(dates)
    if not len(numbers):
        return Periods([], [])
    if (np.diff(numbers) < 0).any():
        raise InvalidArgumentError("times have to ascend")
    all_numbers = np.arange(numbers[0], numbers[-1] + 1)
    starts = np.searchsorted(numbers, all_numbers, side="left")
    stops = np.searchsorted(numbers, all_numbers, side="right")
    ranges = [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]
    first_days = _first_days(dates, numbers, all_numbers)
    return Periods(ranges, [label_of(int(one), first_days[k]) for k, one in enumerate(all_numbers)])


def _first_days(dates: Dates, numbers: Numbers, all_numbers: Numbers) -> list[str]:
    """For periods that are not named by their number, the date of the first time within each."""
    places = np.minimum(np.searchsorted(numbers, all_numbers), len(numbers) - 1)
    return [f"{dates.year[at]:04}-{dates.month[at]:02}-{dates.day[at]:02}" for at in places]


def _period(name: str) -> tuple[Any, Any]:
    """The number of a period, of dates, and its label, of its number and the date of its first time."""

    def month_label(months: int) -> str:
        return f"{months // 12:04}-{months % 12 + 1:02}-01"

    def pentad_label(number: int) -> str:
        day, month = number % 73 * 5, 0
        while day >= _LENGTHS[month]:
            day, month = day - _LENGTHS[month], month + 1
        return f"{number // 73:04}-{month + 1:02}-{day + 1:02}"

    known = {
        "year": (lambda dates: dates.year, lambda number, _: f"{number:04}-01-01"),
        # December is of the winter of the next year.
        "season": (lambda dates: (dates.year * 12 + dates.month) // 3, lambda number, _: month_label(number * 3 - 1)),
        "month": (lambda dates: dates.year * 12 + dates.month - 1, lambda number, _: month_label(number)),
        "pentad": (_pentads, lambda number, _: pentad_label(number)),
        "day": (lambda dates: dates.number, lambda _, first: first),
        "hour": (lambda dates: dates.number * 24 + dates.hour, lambda number, first: f"{first}T{number % 24:02}"),
    }
    if name not in known:
        raise InvalidArgumentError(f"no period is called {name!r}; known are {', '.join(known)}")
    return known[name]


def _pentads(dates: Dates) -> Numbers:
    """Pentads of 365 days; the one from 25 February on has six days where there is a 29th."""
    before = np.concatenate([[0], np.cumsum(_LENGTHS)[:-1]])
    day = before[dates.month - 1] + np.minimum(dates.day, np.array(_LENGTHS)[dates.month - 1]) - 1
    return np.asarray(dates.year * 73 + day // 5, dtype="int64")


def _dates(times: Any, units: str | None, calendar: str | None) -> Dates:
    if isinstance(times, Array):
        units = units or times.attrs.get("units")
        calendar = calendar or times.attrs.get("calendar")
    values = np.asarray(times[...] if isinstance(times, Array) else times)
    if values.ndim != 1:
        raise InvalidArgumentError(f"times of shape {values.shape}; they are those of one axis")
    if values.dtype.kind == "M":
        micros = values.astype("datetime64[us]").astype("int64")
        if np.isnat(values).any():
            raise InvalidArgumentError("some times are missing")
        return _civil(micros, "proleptic_gregorian", 0)
    if units is None:
        raise InvalidArgumentError("units= is missing, such as 'days since 2000-01-01', for times that are numbers")
    unit, reference, of_day = _parsed(str(units))
    calendar = (calendar or "standard").lower()
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InvalidArgumentError("some times are missing")
    if values.dtype.kind not in "iuf":
        raise InvalidArgumentError(f"times of {values.dtype}")
    micros = np.rint(values.astype("float64") * unit).astype("int64") if values.dtype.kind == "f" else values.astype("int64") * unit
    return _civil(micros + of_day, calendar, _day_number(reference, calendar))


def _parsed(units: str) -> tuple[int, tuple[int, int, int], int]:
    """Microseconds of a unit, the date that times are since, and microseconds since its beginning."""
    found = _REFERENCE.fullmatch(units)
    name = found["unit"].lower() if found else ""
    name = _SHORT.get(name, name.removesuffix("s"))
    if not found or name not in _UNITS:
        raise InvalidArgumentError(f"units are {units!r}; known are such as 'days since 2000-01-01 00:00', of {', '.join(_UNITS)}")
    of_day = sum(int(found[part] or 0) * _UNITS[part] for part in ("hour", "minute", "second"))
    return _UNITS[name], (int(found["year"]), int(found["month"]), int(found["day"])), of_day


def _day_number(date: tuple[int, int, int], calendar: str) -> int:
    year, month, day = date
    if calendar in _GREGORIAN:
        return int(np.datetime64(f"{year:04}-{month:02}-{day:02}", "D").astype("int64"))
    months = _months(calendar)
    return year * sum(months) + sum(months[: month - 1]) + day - 1


def _months(calendar: str) -> list[int]:
    if calendar not in _MONTHS:
        known = ", ".join([*_GREGORIAN, *_MONTHS])
        raise UnsupportedError(f"the calendar {calendar!r}; known are {known}")
    return _MONTHS[calendar]


def _civil(micros: Numbers, calendar: str, first: int) -> Dates:
    """Dates of microseconds since a day."""
    number = first + micros // _UNITS["day"]
    hour = micros % _UNITS["day"] // _UNITS["hour"]
    if calendar in _GREGORIAN:
        days = number.astype("datetime64[D]")
        if calendar != "proleptic_gregorian" and len(days) and days.min() < np.datetime64("1582-10-15"):
            raise UnsupportedError("dates before 1582-10-15 in the standard calendar; they are Julian ones")
        months = days.astype("datetime64[M]")
        day = (days - months).astype("int64") + 1
        month = months.astype("int64") % 12 + 1
        return Dates(months.astype("int64") // 12 + 1970, month, day, hour, number)
    lengths = _months(calendar)
    ends = np.cumsum(lengths)
    of_year = number % ends[-1]
    month = np.searchsorted(ends, of_year, side="right")
    day = of_year - np.concatenate([[0], ends])[month] + 1
    return Dates(number // ends[-1], month + 1, day, hour, number)
