"""Windows along axes and functions of blocks, compared with xarray and NumPy."""

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import DTypeLike, NDArray

import bigarrays as ba

NAMES = ["a", "b", "d", "e"]
BUDGETS = [1_000_000, 1 << 21, 1 << 28]
REAL = ["float32", "float64"]
WHOLE = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]

counter = iter(range(10**9))


def elements(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike, nans: float = 0.2) -> NDArray[Any]:
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        made = rng.normal(size=shape).astype(dtype)
        made[rng.random(shape) < nans * rng.integers(0, 2)] = np.nan
        return made
    info = (0, 2) if dtype.kind == "b" else (max(np.iinfo(dtype).min, -100), 100)
    return rng.integers(*info, size=shape).astype(dtype)


def stored(rng: np.random.Generator, values: NDArray[Any]) -> ba.Array:
    """The same stored in random chunks at a random place, along axes with names."""
    chunk = [int(rng.integers(1, length + 1)) for length in values.shape]
    array = ba.create(
        f"memory://windows/{next(counter)}",
        shape=values.shape,
        dtype=values.dtype,
        chunk_shape=chunk,
        format="zarr3",
        dimension_names=NAMES[: values.ndim],
    )
    array[...] = values
    return array.translate([int(at) for at in rng.integers(-9, 10, size=values.ndim)])


def computed(lazy: ba.Lazy) -> NDArray[Any]:
    """The elements, which are the same bits for every budget and for a part."""
    found = [lazy.compute(memory=memory + lazy.nbytes) for memory in BUDGETS]
    for one in found[1:]:
        np.testing.assert_array_equal(one.view(f"V{one.itemsize}"), found[0].view(f"V{one.itemsize}"))
    if lazy.ndim and lazy.size:
        first, last = lazy.domain.origin[0], lazy.domain.origin[0] + lazy.shape[0]
        middle = (first + last) // 2
        np.testing.assert_array_equal(lazy[middle:].compute(), found[0][middle - first :])
        np.testing.assert_array_equal(lazy[middle].compute(), found[0][middle - first])
    return found[0]


def close(found: NDArray[Any], expected: Any, tolerance: float = 1e-9) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    if found.dtype == np.float32:
        tolerance = 2e-6
    np.testing.assert_allclose(found.astype("float64"), expected.astype("float64"), rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("seed", range(20))
def test_rolling_as_xarray(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(1, 30, size=rng.integers(1, 4))]
    values = elements(rng, shape, rng.choice(REAL))
    lazy = stored(rng, values).lazy
    axis = int(rng.integers(0, len(shape)))
    width = int(rng.integers(1, shape[axis] + 1))
    min_count = None if rng.integers(0, 2) else int(rng.integers(1, width + 1))
    center = bool(rng.integers(0, 2))
    windows = lazy.rolling(width, NAMES[axis], center=center, min_count=min_count)
    wide = xr.DataArray(values.astype("float64"), dims=NAMES[: len(shape)])
    theirs = wide.rolling({NAMES[axis]: width}, center=center, min_periods=min_count)
    for how in ["sum", "mean", "min", "max", "prod", "var", "std", "median"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = getattr(theirs, how)()
        made = getattr(windows, how)()
        assert made.dtype == values.dtype and made.domain == lazy.domain
        close(computed(made), expected, 1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_rolling_whole_numbers_and_boundaries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(1, 12, size=rng.integers(1, 4))]
    values = elements(rng, shape, rng.choice(WHOLE))
    lazy = stored(rng, values).lazy
    axis = int(rng.integers(0, len(shape)))
    width = int(rng.integers(1, 2 * shape[axis] + 3))
    center = bool(rng.integers(0, 2))
    mode = str(rng.choice(["nearest", "reflect", "mirror", "wrap", "constant"]))
    modes = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap", "constant": "constant"}
    before = width // 2 if center else width - 1
    pad = [(0, 0)] * len(shape)
    pad[axis] = (before, width - 1 - before)
    options: dict[str, Any] = {"constant_values": 1} if mode == "constant" else {}
    padded = np.pad(values, pad, mode=modes[mode], **options)  # type: ignore[call-overload]
    view = np.lib.stride_tricks.sliding_window_view(padded, width, axis=axis)
    windows = lazy.rolling(width, axis, center=center, boundary=mode, fill_value=1)
    for how in ["sum", "mean", "min", "max", "prod", "any", "all"]:
        expected = getattr(view, how)(axis=-1)
        found = computed(getattr(windows, how)())
        assert found.dtype == expected.dtype
        if how == "mean":
            close(found, expected)
        else:
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(computed(windows.first()), view[..., 0])
    np.testing.assert_array_equal(computed(windows.last()), view[..., -1])
    np.testing.assert_array_equal(computed(windows.count()), width)


def test_rolling_never_subtracts() -> None:
    x = np.array([1.0, np.inf, 2, 3, 1e30, 4, 5, 6, 7, np.nan, 8, 9, 10])
    found = ba.lazy(x).rolling(2, axis=0).sum().compute()
    np.testing.assert_array_equal(found, [np.nan, np.inf, np.inf, 5, 1e30, 1e30, 9, 11, 13, np.nan, np.nan, 17, 19])
    found = ba.lazy(x).rolling(3, axis=0).sum().compute()
    assert found[-1] == 27 and found[7] == 15


@pytest.mark.parametrize("seed", range(20))
def test_coarsen_as_xarray(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(1, 25, size=rng.integers(1, 4))]
    values = elements(rng, shape, rng.choice(REAL), nans=0)
    lazy = stored(rng, values).lazy
    count = int(rng.integers(1, len(shape) + 1))
    axes = [int(axis) for axis in rng.permutation(len(shape))[:count]]
    widths = [int(rng.integers(1, shape[axis] + 1)) for axis in axes]
    ends = str(rng.choice(["trim", "pad"]))
    windows = lazy.coarsen(widths, axes, ends=ends, anchor="first")
    wide = xr.DataArray(values.astype("float64"), dims=NAMES[: len(shape)])
    theirs = wide.coarsen({NAMES[axis]: width for axis, width in zip(axes, widths, strict=True)}, boundary=ends)  # type: ignore[arg-type]
    for how in ["sum", "mean", "min", "max"]:
        close(computed(getattr(windows, how)()), getattr(theirs, how)())
    if count == 1:
        close(computed(windows.var()), theirs.var(), 1e-7)


def test_windows_begin_at_multiples_or_at_the_first() -> None:
    a = ba.create("memory://windows/anchor", shape=(12,), dtype="uint8", format="zarr3").translate([-3])
    a[...] = np.arange(12, dtype="uint8")
    found = a.lazy.coarsen(4, axis=0, ends="pad").sum()
    assert str(found.domain) == "-1:3"
    np.testing.assert_array_equal(found.compute(), [3, 18, 34, 11])
    assert str(a.lazy.coarsen(4, axis=0, ends="trim").sum().domain) == "0:2"
    assert str(a.lazy.coarsen(4, axis=0, anchor="first").sum().domain) == "0:3"
    np.testing.assert_array_equal(a.lazy.positional.coarsen(4, axis=0).max().compute(), [3, 7, 11])
    with pytest.raises(ba.InvalidArgumentError, match="do not fill windows of 4"):
        a.lazy.coarsen(4, axis=0).sum()
    with pytest.raises(ba.InvalidArgumentError, match="windows of 0"):
        a.lazy.coarsen(0, axis=0).sum()


@pytest.mark.parametrize("seed", range(20))
def test_numbers_of_windows_over_several_axes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = elements(rng, [int(length) for length in rng.integers(2, 15, size=2)], "float64", nans=0.5)
    lazy = stored(rng, values).lazy
    width, least = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    windows = lazy.rolling(width, ["a", "b"], center=True, min_count=least)
    pad = [(width // 2, width - 1 - width // 2)] * 2
    view = np.lib.stride_tricks.sliding_window_view(
        np.pad(values, pad, constant_values=np.nan), (width, width)
    )
    count = (~np.isnan(view)).sum(axis=(-2, -1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for how in ["sum", "mean", "min", "max"]:
            expected = getattr(np, f"nan{how}")(view, axis=(-2, -1))
            close(computed(getattr(windows, how)()), np.where(count >= least, expected, np.nan))
    np.testing.assert_array_equal(computed(windows.count()), count)


@pytest.mark.parametrize("seed", range(20))
def test_constants_beyond_the_ends_of_several_axes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(1, 9, size=rng.integers(1, 4))]
    values = elements(rng, shape, rng.choice([*REAL, *WHOLE]))
    lazy = stored(rng, values).lazy
    axes = [int(axis) for axis in rng.permutation(len(shape))]
    widths = [int(width) for width in rng.integers(1, 5, size=len(shape))]
    center, value = bool(rng.integers(0, 2)), int(rng.integers(0, 2 if values.dtype == bool else 4))
    pad = [(0, 0)] * len(shape)
    for axis, width in zip(axes, widths, strict=True):
        before = width // 2 if center else width - 1
        pad[axis] = (before, width - 1 - before)
    wide = np.pad(values, pad, constant_values=np.asarray(value, values.dtype))
    view = np.lib.stride_tricks.sliding_window_view(wide, tuple(widths), axis=tuple(axes)).reshape(*shape, -1)
    windows = lazy.rolling(widths, axes, center=center, boundary="constant", fill_value=value)
    for how in ["sum", "mean", "min", "max", "prod", "any", "all"]:
        with np.errstate(invalid="ignore"):
            # NumPy's minimum of booleans is one of them.
            expected = getattr(view.astype("float64") if values.dtype.kind == "f" else view, how)(axis=-1)
        found = computed(getattr(windows, how)())
        assert found.dtype == (values.dtype if values.dtype.kind == "f" and how not in ("any", "all") else expected.dtype)
        close(found, expected)
    is_number = ~np.isnan(view) if values.dtype.kind == "f" else np.ones(view.shape, bool)
    np.testing.assert_array_equal(computed(windows.count()), is_number.sum(axis=-1))
    least = int(rng.integers(0, 9))
    some = lazy.rolling(widths, axes, center=center, boundary="constant", fill_value=value, min_count=least)
    expected = np.where(is_number.sum(axis=-1) >= least, np.nansum(view.astype("float64"), axis=-1), np.nan)
    close(computed(some.sum()), expected)


def test_numbers_that_are_counted_are_not_what_lies_beyond_the_ends() -> None:
    x = ba.lazy(np.array([1.0, np.nan, 3, 4]))
    for value, count in [(0, [2, 2, 2, 3]), (7, [2, 2, 2, 3]), (np.nan, [1, 2, 2, 2])]:
        windows = x.rolling(3, axis=0, center=True, boundary="constant", fill_value=value)
        np.testing.assert_array_equal(windows.count().compute(), count)


def test_whole_numbers_stay_exact_where_windows_over_several_axes_have_enough() -> None:
    values = np.array([[2**60 + 1, 5, 7], [3, 4, 2**61 + 1]])
    windows = ba.lazy(values).coarsen(2, (0, 1), ends="pad", min_count=1)
    for how, expected in {"min": [[3, 7]], "max": [[2**60 + 1, 2**61 + 1]], "first": [[2**60 + 1, 7]], "last": [[4, 2**61 + 1]]}.items():
        found = getattr(windows, how)().compute()
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)
    some = ba.lazy(values).coarsen(2, (0, 1), ends="pad", min_count=3).max().compute()
    assert some.dtype == np.float64 and some[0, 0] == 2.0**60 and np.isnan(some[0, 1])
    rolled = ba.lazy(values).rolling(2, (0, 1), center=True, min_count=1).max().compute()
    np.testing.assert_array_equal(rolled, [[2**60 + 1, 2**60 + 1, 7], [2**60 + 1, 2**60 + 1, 2**61 + 1]])


def test_first_and_last_of_several_axes_are_those_in_c_order() -> None:
    windows = ba.lazy(np.array([[np.nan, 3.0, 5], [9, 4, np.nan]])).coarsen((2, 3), (0, 1), min_count=1)
    assert windows.first().compute() == 3 and windows.last().compute() == 4


def test_ranges() -> None:
    rng = np.random.default_rng(0)
    values = elements(rng, (40, 6), "float32", nans=0)
    lazy = stored(rng, values).lazy
    first = lazy.domain.origin[0]
    ranges = [(3, 9), (0, 40), (39, 40), (5, 5), (20, 22)]
    windows = lazy.ranges([slice(first + start, first + stop) for start, stop in ranges], axis="a")
    close(computed(windows.sum()), [values[start:stop].sum(axis=0, dtype="float64") for start, stop in ranges])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(computed(windows.mean()), [values[start:stop].mean(axis=0, dtype="float64") for start, stop in ranges])
    assert np.isnan(computed(windows.max())[3]).all()
    with pytest.raises(ba.InvalidArgumentError, match="outside of the axis"):
        lazy.ranges([(first - 1, first)], axis=0).sum()


@pytest.mark.parametrize("seed", range(30))
def test_map_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(1, 14, size=rng.integers(1, 4))]
    values = elements(rng, shape, rng.choice([*REAL, *WHOLE]), nans=0)
    other = elements(rng, shape[-1:], "int16")
    lazy = stored(rng, values).lazy
    small = stored(rng, other)
    small = small.translate([lazy.domain.origin[-1] - small.domain.origin[0]])
    depth = {axis: (int(rng.integers(0, 9)), int(rng.integers(0, 9))) for axis in range(len(shape))}
    modes = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap", "constant": "constant"}
    mode = str(rng.choice(list(modes)))

    def corners(block: NDArray[Any], row: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        assert block.shape == row.shape and not block.flags.writeable
        first, last = [], []
        for axis, (before, behind) in depth.items():
            length = block.shape[axis] - before - behind
            first.append(slice(0, length))
            last.append(slice(before + behind, before + behind + length))
        return block[tuple(first)], row[tuple(last)].astype("float64")

    one, two = ba.map_overlap(
        corners, lazy, small, depth=depth, boundary=mode, trim=False, dtype=[values.dtype, "float64"]
    )
    pad = [depth[axis] for axis in range(len(shape))]
    padded = np.pad(values, pad, mode=modes[mode])  # type: ignore[call-overload]
    wide = np.pad(np.broadcast_to(other, shape), pad, mode=modes[mode])  # type: ignore[call-overload]
    for memory in BUDGETS:
        found = ba.compute(one, two, memory=memory)
        np.testing.assert_array_equal(found[0], padded[tuple(slice(0, length) for length in shape)])
        ends = tuple(slice(sum(pad[axis]), sum(pad[axis]) + length) for axis, length in enumerate(shape))
        np.testing.assert_array_equal(found[1], wide[ends])


def doubled(block: NDArray[Any], domain: ba.Domain) -> NDArray[Any]:
    return block * 2 + domain.origin[0] * 0


def test_functions_of_blocks() -> None:
    a = ba.create("memory://windows/blocks", shape=(40, 30), dtype="uint8", chunk_shape=(8, 8), format="zarr3")
    a = a.translate([5, 0])
    a[...] = np.arange(1200, dtype="uint8").reshape(40, 30)
    origins = []

    def note(block: NDArray[Any], domain: ba.Domain) -> NDArray[Any]:
        origins.append(tuple(domain.origin))
        assert tuple(domain.shape) == block.shape
        return block + np.uint8(1)

    result = ba.map_blocks(note, a, pass_domain=True)
    assert result.dtype == np.uint8 and result.domain == a.domain
    np.testing.assert_array_equal(result.compute(memory=300_000), a[...] + np.uint8(1))
    assert origins[0] == (0, 0) and (5, 0) in origins
    again = pickle.loads(pickle.dumps(ba.map_blocks(doubled, ba.lazy(np.arange(3)), pass_domain=True)))
    np.testing.assert_array_equal(again.compute(), [0, 2, 4])
    trimmed = ba.map_overlap(lambda block: block.astype("float32"), a, depth=3, releases_gil=True)
    np.testing.assert_array_equal(trimmed.compute(memory=300_000), a[...])


def test_mistakes_of_functions_name_the_block() -> None:
    x = ba.lazy(np.arange(10.0)).positional

    def fails(block: NDArray[Any]) -> NDArray[Any]:
        raise ZeroDivisionError("no such thing")

    with pytest.raises(ba.InvalidArgumentError, match="block 0:10.*no such thing") as caught:
        ba.map_blocks(fails, x, dtype="float64").compute()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(ba.InvalidArgumentError, match="shape"):
        ba.map_blocks(lambda block: block[1:], x, dtype="float64").compute()
    with pytest.raises(ba.InvalidArgumentError, match="trimmed"):
        ba.map_overlap(lambda block: block[1:], x, depth=1, dtype="float64").compute()
    with pytest.raises(ba.InvalidArgumentError, match="complex128"):
        ba.map_blocks(lambda block: block * 1j, x, dtype="float64").compute()
    with pytest.raises(ba.InvalidArgumentError, match="block 0:10.*masked"):
        ba.map_blocks(lambda block: np.ma.masked_less(block, 3), x, dtype="float64").compute()
    with pytest.raises(ZeroDivisionError):
        ba.map_blocks(fails, x)


def test_functions_of_what_has_no_axes() -> None:
    assert ba.map_blocks(lambda block: block * 2, ba.lazy(3.0)).compute() == 6


@pytest.mark.parametrize("seed", range(10))
def test_resample_as_xarray(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.integers(1, [3, 40][seed % 2], size=60))
    times = np.datetime64("1999-11-20T00", "h") + steps * [6, 24][seed % 2]
    values = elements(rng, (60, 3), "float64", nans=0)
    lazy = stored(rng, values).lazy
    theirs = xr.DataArray(values, dims=["time", "b"], coords={"time": times.astype("datetime64[ns]")})
    hours = (times - np.datetime64("1990-01-01T12", "h")).astype("int64")
    kept = ba.create(f"memory://windows/times/{seed}", shape=(60,), dtype="int64", format="zarr3")
    kept[...] = hours
    kept.attrs["units"] = "hours since 1990-01-01 12:00:00"
    for period, rule in {"year": "YS", "season": "QS-DEC", "month": "MS", "day": "D"}.items():
        expected = theirs.resample(time=rule)
        for given in [times, kept]:
            windows = lazy.resample(period, "a", given)
            close(computed(windows.mean()), expected.mean())
            labels = [str(label) for label in expected.mean()["time"].values.astype("datetime64[D]")]
            counts = windows.count().compute()[:, 0]
            some = [k for k, count in enumerate(counts) if count]
            assert windows.labels is not None and [windows.labels[k] for k in some] == [labels[k] for k in some]


def test_calendars() -> None:
    x = ba.lazy(np.ones(800))
    days = np.arange(800)
    for calendar, months in {"noleap": [31, 28, 31], "all_leap": [31, 29, 31], "360_day": [30, 30, 30]}.items():
        windows = x.resample("month", 0, days, units="days since 2000-01-01", calendar=calendar)
        np.testing.assert_array_equal(windows.sum().compute()[:3], months)
        assert windows.labels is not None and windows.labels[:2] == ["2000-01-01", "2000-02-01"]
    pentads = x.resample("pentad", 0, days, units="d since 2000-1-1")
    counts = pentads.count().compute()
    assert counts[11] == 6 and counts[12] == counts[11 + 73] == 5
    assert pentads.labels is not None and pentads.labels[11] == "2000-02-25"
    cases: list[tuple[Any, dict[str, Any]]] = [
        (days[::-1], {"units": "days since 2000-01-01"}),
        (days, {}),
        (days, {"units": "months since 2000-01-01"}),
        (days[:5], {"units": "days since 2000-01-01"}),
    ]
    for wrong, options in cases:
        with pytest.raises(ba.InvalidArgumentError):
            x.resample("month", 0, wrong, **options)
    for none in ["days since 2000-02-30", "days since 2000-13-01", "hours since 2000-01-01 24:00", "days since 0000-01-01"]:
        with pytest.raises(ba.InvalidArgumentError):
            x.resample("month", 0, days, units=none)
    with pytest.raises(ba.InvalidArgumentError, match="2000-02-29"):
        x.resample("month", 0, days, units="days since 2000-02-29", calendar="noleap")
    with pytest.raises(ba.UnsupportedError, match="tai"):
        x.resample("month", 0, days, units="days since 2000-01-01", calendar="tai")
    with pytest.raises(ba.InvalidArgumentError, match="known are year, season"):
        x.resample("week", 0, days, units="days since 2000-01-01")


def test_periods_without_times_have_labels_of_their_own() -> None:
    x = ba.lazy([3.0, 9, 4])
    days = x.resample("day", 0, [0, 1, 4], units="days since 1999-12-30")
    assert days.labels == ["1999-12-30", "1999-12-31", "2000-01-01", "2000-01-02", "2000-01-03"]
    np.testing.assert_array_equal(days.count().compute(), [1, 1, 0, 0, 1])
    hours = x.resample("hour", 0, np.array(["1999-12-31T22", "1999-12-31T22", "2000-01-01T01"], "datetime64[h]"))
    assert hours.labels == ["1999-12-31T22", "1999-12-31T23", "2000-01-01T00", "2000-01-01T01"]


def test_dates_of_the_standard_calendar_are_julian_before_1582() -> None:
    x = ba.lazy([3.0, 9])
    # As cftime has it: 1 January of the year 1 is two days before that of the Gregorian calendar.
    for calendar, first in [("standard", "1999-12-30"), ("proleptic_gregorian", "2000-01-01"), ("julian", "1999-12-17")]:
        days = x.resample("day", 0, [730119, 730120], units="days since 1-1-1 00:00:0.0", calendar=calendar)
        assert days.labels is not None and days.labels[0] == first
    days = x.resample("day", 0, [0, 1], units="days since 1582-10-04")
    assert days.labels == ["1582-10-04", "1582-10-15"]
    hours = x.resample("hour", 0, 730121 + np.array([1, 2]) / 24, units="days since 0001-01-01")
    assert hours.labels == ["2000-01-01T01", "2000-01-01T02"]


THREADS = """
import hashlib
import numpy as np, bigarrays as ba
rng = np.random.default_rng(3)
values = rng.normal(size=(1300, 23, 17)).astype("float32")
a = ba.create("memory://threads", shape=values.shape, dtype="float32", chunk_shape=(100, 9, 8), format="zarr3")
a[...] = values
x = a.lazy
results = [
    x.rolling(61, 0, center=True, boundary="wrap").mean(), x.rolling(5, 2, min_count=2).std(), x.cumsum(0), x.gaussian_filter(1.5),
    x.median_filter(3), x.coarsen((13, 23), (0, 1)).mean(), x.interpolate(rng.random(40) * 1000, 0), ba.tensordot(x, x, ([0, 1], [0, 1])),
]
for memory in [8 << 20, 16 << 20, 1 << 29]:
    print([hashlib.sha256(one.compute(memory=memory).tobytes()).hexdigest()[:12] for one in results])
"""


def test_threads_and_budgets_change_no_bit() -> None:
    lines = set()
    for threads in ["1", "2"]:
        environment = {**os.environ, "BIGARRAYS_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, timeout=300, check=True
        )
        lines.update(done.stdout.splitlines())
    assert len(lines) == 1


def test_what_blocks_see_beside_them_is_planned() -> None:
    a = ba.create("memory://windows/beside", shape=(400, 300), dtype="float32", chunk_shape=(20, 30), format="zarr3")
    a[...] = np.ones((400, 300), dtype="float32")
    plan = a.lazy.rolling(41, 0, center=True, boundary="wrap").mean().explain(memory=2 << 20, show="dict")
    assert plan["passes"][0]["memory"]["halo"] > 0 and plan["passes"][0]["chunks_read"] > 200
    assert "halo" in a.lazy.median_filter(5).explain(memory=2 << 20)
    assert "halo" not in (a.lazy + 1).explain()
    assert len(ba.lazy(np.ones(200)).cumsum(0).explain(show="dict")["passes"]) == 1
    assert len(ba.lazy(np.ones(5000)).cumsum(0).explain(show="dict")["passes"]) == 1
    # What does not fit as a whole is read twice.
    long = ba.lazy(np.ones(1 << 20)).cumsum(0).max(0).explain(show="dict", memory=4 << 20)
    assert len(long["passes"]) == 3


def test_windows_are_resumed(tmp_path: Path) -> None:
    a = ba.create(str(tmp_path / "a.zarr"), shape=(60, 50), dtype="float32", chunk_shape=(10, 50), format="zarr3")
    a[...] = np.random.default_rng(0).normal(size=(60, 50)).astype("float32")
    x = a.lazy.gaussian_filter(1).rolling(3, 0, center=True, min_count=1).max()
    journal = tmp_path / "journal"

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        x.save(str(tmp_path / "b.zarr"), format="zarr3", chunk_shape=(10, 50), resume=journal, memory=1 << 20, progress=stop)
    saved = x.save(str(tmp_path / "b.zarr"), format="zarr3", chunk_shape=(10, 50), resume=journal, memory=1 << 20)
    np.testing.assert_array_equal(saved[...], x.compute())
    other = a.lazy.gaussian_filter(1.5).rolling(3, 0, center=True, min_count=1).max()
    with pytest.raises(ba.Error):
        other.save(str(tmp_path / "b.zarr"), format="zarr3", chunk_shape=(10, 50), resume=journal, memory=1 << 20)


@pytest.mark.parametrize("seed", range(10))
def test_quantiles_of_windows_are_those_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(20, 60)), 3, int(rng.integers(1, 40)))
    values = elements(rng, shape, ["float32", "int16", "float64", "uint64"][seed % 4])
    lazy, axis = stored(rng, values).lazy, int(rng.integers(0, 3))
    width = int(rng.integers(1, shape[axis] + 1))
    pad = [(0, 0)] * 3
    pad[axis] = (width // 2, width - 1 - width // 2)
    padded = np.pad(values, pad, mode="symmetric" if shape[axis] >= width else "edge").astype("float64")
    if shape[axis] < width:
        return
    moving = np.lib.stride_tricks.sliding_window_view(padded, width, axis)
    windows = lazy.rolling(width, axis, center=True, boundary="reflect")
    close(computed(windows.quantile(0.3)), np.quantile(moving, 0.3, axis=-1))
    close(computed(windows.median()), np.median(moving, axis=-1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = lazy.rolling(width, axis, center=True, boundary="reflect", min_count=1).median()
        close(computed(few), np.nanmedian(moving, axis=-1))
    start = lazy.domain.origin[axis]
    ranges = [(start, start + 1), (start + shape[axis] // 2, start + shape[axis]), (start, start + shape[axis])]
    some = computed(lazy.ranges(ranges, axis).median())
    expected = [np.median(values.astype("float64").take(range(a - start, b - start), axis), axis=axis) for a, b in ranges]
    close(some, np.stack(expected, axis=axis))


def test_what_quantiles_of_windows_do_not_have_is_said() -> None:
    windows = ba.lazy(np.zeros((4, 4))).rolling((2, 2), axis=(0, 1))
    with pytest.raises(ba.UnsupportedError, match="median in windows over several axes"):
        windows.median()
    with pytest.raises(ba.InvalidArgumentError, match="is not from 0 to 1"):
        ba.lazy([1.0, 2]).rolling(2, axis=0).quantile(1.5)


@pytest.mark.parametrize("releases_gil", [False, True])
def test_functions_have_one_thread_of_blas(releases_gil: bool) -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    found: list[int] = []

    def limits() -> list[int]:
        return [int(one["num_threads"]) for one in threadpoolctl.threadpool_info()]

    def function(block: NDArray[Any]) -> NDArray[Any]:
        found.extend(limits())
        return block

    before = limits()
    x = ba.create(f"memory://windows/{next(counter)}", shape=(64, 64), dtype="float64", chunk_shape=(8, 8), format="zarr3")
    ba.map_blocks(function, x, dtype="float64", releases_gil=releases_gil).compute(memory=1 << 20)
    assert before and found and set(found) == {1}
    assert limits() == before

    def failing(block: NDArray[Any]) -> NDArray[Any]:
        raise RuntimeError("no")

    with pytest.raises(ba.Error, match="no"):
        ba.map_blocks(failing, x, dtype="float64", releases_gil=releases_gil).compute()
    assert limits() == before
