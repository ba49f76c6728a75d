"""Groups by labels, compared with NumPy's of each group, and with xarray's."""

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from numpy.typing import NDArray
from test_lazy import TYPES, elements, same, stored

import bigarrays as ba

NAMES = ["sum", "prod", "mean", "min", "max", "any", "all", "count_nonzero", "var", "std"]
NAN_NAMES = ["nansum", "nanprod", "nanmean", "nanmin", "nanmax", "nanvar", "nanstd"]


def moved(values: NDArray[Any], axes: list[int], also: list[int]) -> NDArray[Any]:
    """The same with the axes of labels last, in the order of the labels, and those that are reduced as well behind them."""
    kept = [axis for axis in range(values.ndim) if axis not in axes and axis not in also]
    return values.transpose(*kept, *axes, *also)


def of_each(
    values: NDArray[Any], labels: NDArray[Any], axes: list[int], also: list[int], count: int, f: Callable[[Any], Any]
) -> NDArray[Any]:
    """What `f` gives of the elements of each group, along their last axis; the axis of groups stands where the first was."""
    whole = moved(values, axes, also)
    kept = values.ndim - len(axes) - len(also)
    flat = whole.reshape(*whole.shape[:kept], labels.size, -1)
    groups = [f(flat[..., labels.reshape(-1) == k, :].reshape(*flat.shape[:kept], -1)) for k in range(count)]
    first = min(axes + also)
    return np.stack(groups, axis=first - sum(axis < first for axis in axes + also))


def expected_of(name: str, values: NDArray[Any], ddof: float = 0) -> Any:
    """What NumPy gives along the last axis, in extended precision where its own rounding would count."""
    if not values.shape[-1] and name in ("min", "max", "nanmin", "nanmax"):
        return np.full(values.shape[:-1], np.nan if values.dtype.kind == "f" else 0, values.dtype)
    is_float = values.dtype.kind == "f"
    wide = values
    if is_float or name in ("mean", "var", "std", "nanmean", "nanvar", "nanstd"):
        wide = values.astype("longdouble" if is_float else "float64").astype("longdouble")
    options = {"ddof": ddof} if "var" in name or "std" in name else {}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = np.asarray(getattr(np, name)(wide, axis=-1, **options))
    if found.dtype == np.longdouble:
        found = found.astype(values.dtype if is_float else "float64")
    return found


def a_case(seed: int) -> tuple[NDArray[Any], Any, NDArray[np.int64], list[int], list[int], int]:
    """An array and the same stored, labels along some of its axes, and further axes."""
    rng = np.random.default_rng(seed)
    ndim = int(rng.integers(1, 5))
    shape = rng.integers(1, [0, 40, 12, 9, 7][ndim], ndim).tolist()
    dtype = TYPES[seed % len(TYPES)]
    values = elements(rng, shape, dtype)
    if values.dtype.kind == "f":
        small = rng.normal(size=shape).astype(dtype)
        values = np.where(rng.random(shape) < 0.05, rng.choice([np.nan, np.inf, -0.0], shape), small).astype(dtype)
    order = rng.permutation(ndim).tolist()
    cut = int(rng.integers(1, ndim + 1))
    axes = order[:cut]
    also = [axis for axis in order[cut:] if rng.random() < 0.3]
    count = int(rng.integers(1, 9))
    labels = rng.integers(-1, count, [shape[axis] for axis in axes])
    if rng.random() < 0.3:
        labels = np.sort(labels.reshape(-1)).reshape(labels.shape)
    chunk = [int(rng.integers(1, length + 1)) for length in shape]
    return values, stored(values, chunk, rng.integers(-9, 9, ndim).tolist()), labels, axes, also, count


@pytest.mark.parametrize("name", NAMES + NAN_NAMES)
@pytest.mark.parametrize("seed", range(12))
def test_groups_are_those_of_numpy(seed: int, name: str) -> None:
    values, array, labels, axes, also, count = a_case(seed)
    is_float = values.dtype.kind == "f"
    with_fill = name in ("min", "max", "nanmin", "nanmax") and not is_float
    fill = (True if values.dtype == bool else 3) if with_fill else None
    ddof = seed % 3
    options = {"ddof": ddof} if "var" in name or "std" in name else {}
    grouped = array.lazy.groupby(labels, axes, expected=count, fill=fill)
    found = getattr(grouped, name)(also or None, **options)

    plain = name if is_float else name.removeprefix("nan")
    expected = of_each(values, labels, axes, also, count, lambda part: expected_of(plain, part, ddof))
    if with_fill:
        empty = of_each(values, labels, axes, also, count, lambda part: np.full(part.shape[:-1], part.shape[-1] == 0))
        expected = np.where(empty, np.asarray(fill, expected.dtype), expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    for memory in (1 << 20, 1 << 30):
        got = found.compute(memory=memory)
        if is_float and name not in ("min", "max", "nanmin", "nanmax", "any", "all", "count_nonzero"):
            rtol = {"float16": 2e-3, "float32": 3e-7}.get(str(expected.dtype), 1e-13)
            atol = 6e-8 if expected.dtype.itemsize == 2 else 1e-15
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)
        elif "var" in name or "std" in name or "mean" in name:
            np.testing.assert_allclose(got, expected, rtol=1e-12)
        else:
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("seed", range(24))
def test_places_first_ones_and_counts_are_those_of_each_group(seed: int) -> None:
    values, array, labels, axes, also, count = a_case(1000 + seed)
    grouped = array.lazy.groupby(labels, axes, expected=count, fill=0)
    # Along one axis in the order of it; along several in C order.
    axes, labels = sorted(axes), labels.transpose(np.argsort(axes))
    also = []

    def of(f: Callable[[Any], Any]) -> NDArray[Any]:
        return of_each(values, labels, axes, also, count, f)

    def nth(at: int) -> Callable[[Any], Any]:
        return lambda part: part[..., at] if part.shape[-1] else np.zeros(part.shape[:-1], values.dtype)

    same(grouped.first().compute(), of(nth(0)))
    same(grouped.last().compute(memory=1 << 20), of(nth(-1)))
    size = of(lambda part: np.full(part.shape[:-1], part.shape[-1]))
    np.testing.assert_array_equal(np.broadcast_to(grouped.size().compute(), size.shape), size)
    np.testing.assert_array_equal(grouped.count().compute(), of(lambda part: (part == part).sum(-1)))
    if len(axes) == 1:
        coordinates = np.arange(values.shape[axes[0]]) + array.domain.origin[axes[0]]
        places = [coordinates[labels == k] for k in range(count)]
        groups = iter(places)

        def at(part: NDArray[Any]) -> Any:
            own = next(groups)
            return own[np.argmax(part, axis=-1)] if part.shape[-1] else np.zeros(part.shape[:-1], int)

        np.testing.assert_array_equal(grouped.argmax().compute(), of(at))


@pytest.mark.parametrize("seed", range(24))
def test_results_go_back_to_where_their_elements_were(seed: int) -> None:
    values, array, labels, axes, also, count = a_case(2000 + seed)
    wide = values.astype("float64")
    x = array.lazy.astype("float64") if values.dtype != np.float64 else array.lazy
    grouped = x.groupby(labels, axes, expected=count)
    largest = of_each(wide, labels, axes, also, count, lambda part: expected_of("max", part))
    kept = [axis for axis in range(values.ndim) if axis not in axes and axis not in also]
    table = np.moveaxis(largest, min(axes + also) - sum(axis < min(axes + also) for axis in axes + also), -1)
    back = np.where(labels >= 0, table[..., labels], np.nan)
    back = back.reshape(*back.shape, *[1] * len(also)).transpose(np.argsort([*kept, *axes, *also]))
    found = grouped.max(also or None).back()
    same(found.compute(), back)
    with np.errstate(invalid="ignore"):
        distance = wide - back
    same((x - found).compute(memory=1 << 20), distance)
    # By labels that are stored, as well.
    origin = [array.domain.origin[axis] for axis in axes]
    zones = stored(labels, [max(1, length // 2) for length in labels.shape], origin)
    by_stored = x.groupby(zones, axes, expected=count)
    same((by_stored - by_stored.max(also or None)).compute(memory=1 << 20), distance)


def test_several_keys_give_an_axis_of_groups_each() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=(48, 5, 6))
    x = stored(a, (7, 5, 4), (10, 0, -2)).lazy
    month, hour, zone = np.arange(48) % 12, np.arange(48) // 12 % 3, rng.integers(-1, 4, (5, 6))
    both = x.groupby((month, hour), axis=0)
    expected = np.stack([[a[(month == m) & (hour == h)].sum(0) for h in range(3)] for m in range(12)])
    np.testing.assert_allclose(both.sum().compute(), expected, rtol=1e-13)
    assert [len(labels) for labels in both.labels] == [12, 3]
    mean = np.stack([[a[(month == m) & (hour == h)].mean(0) for h in range(3)] for m in range(12)])
    np.testing.assert_allclose((both - both.mean()).compute(), a - mean[month, hour], rtol=1e-12, atol=1e-15)
    mixed = x.groupby((month, zone), axis=(0, (1, 2)), expected=(None, 4))
    expected = np.stack([[a[month == m][:, zone == z].max(axis=(0, 1)) for z in range(4)] for m in range(12)])
    np.testing.assert_array_equal(mixed.max().compute(), expected)
    several = ba.compute(mixed.mean(), mixed.std(), mixed.max())
    np.testing.assert_array_equal(several[2], expected)


def test_labels_are_numbers_words_or_times() -> None:
    x = ba.lazy(np.arange(6.0)).positional
    words = x.groupby(["b", "a", "b", "c", "a", "b"], axis=0)
    assert words.labels.tolist() == ["a", "b", "c"]
    assert words.sum().compute().tolist() == [5, 7, 3]
    days = np.array(["2020-01-02", "2020-01-01", "NaT", "2020-01-02", "NaT", "2020-01-01"], "datetime64[D]")
    assert x.groupby(days, axis=0).sum().compute().tolist() == [6, 3]
    gaps = x.groupby([7, np.nan, -1, 7, 3, 3], axis=0)
    assert gaps.labels.tolist() == [3, 7] and gaps.sum().compute().tolist() == [9, 3]
    some = x.groupby([7, 7, 8, 9, 3, 3], axis=0, expected=[9, 3, 5], drop=True)
    assert some.labels.tolist() == [9, 3, 5] and some.sum().compute().tolist() == [3, 9, 0]
    with pytest.raises(ba.InvalidArgumentError, match=r"\[7, 8\].*drop=True"):
        x.groupby([7, 7, 8, 9, 3, 3], axis=0, expected=[9, 3])
    with pytest.raises(ba.InvalidArgumentError, match="each stands once"):
        x.groupby([0, 0, 1, 1, 2, 2], axis=0, expected=[1, 1])
    with pytest.raises(ba.InvalidArgumentError, match="shape"):
        x.groupby([0, 1], axis=0)


def test_stored_labels_are_checked_as_they_are_read() -> None:
    values = np.arange(6, dtype="float32").reshape(2, 3)
    x = stored(values, (1, 2), (4, 5)).lazy
    zones = stored(np.array([0, 2, -1], "int8"), (2,), (5,))
    with pytest.raises(ba.InvalidArgumentError, match="expected="):
        x.groupby(zones, axis=1)
    with pytest.raises(ba.InvalidArgumentError, match="label 2 is none of the 2 groups"):
        x.groupby(zones, axis=1, expected=2).sum().compute()
    assert x.groupby(zones, axis=1, expected=2, drop=True).sum().compute().tolist() == [[0, 0], [3, 0]]
    halves = stored(np.array([0, 1.5, np.nan]), (2,), (5,))
    with pytest.raises(ba.InvalidArgumentError, match="a label is none of"):
        x.groupby(halves, axis=1, expected=9).sum().compute()
    with pytest.raises(ba.InvalidArgumentError, match="translate"):
        x.groupby(stored(np.zeros(3, "int8"), (2,), (6,)), axis=1, expected=1)


def test_groups_without_elements_have_no_least_element() -> None:
    x = ba.lazy(np.array([3, 9], "int32"))
    empty = x.groupby([0, 2], axis=0, expected=3)
    assert empty.sum().compute().tolist() == [3, 0, 9]
    assert empty.any().compute().tolist() == [True, False, True]
    same(empty.mean().compute(), np.array([3, np.nan, 9]))
    with pytest.raises(ba.InvalidArgumentError, match="group 1, which has no elements.*fill"):
        empty.min().compute()
    filled = x.groupby([0, 2], axis=0, expected=3, fill=-7)
    assert filled.min().compute().tolist() == [3, -7, 9]
    assert filled.var().compute().tolist() == [0, -7, 0]
    with pytest.raises(ba.InvalidArgumentError, match="does not fit"):
        ba.lazy(np.array([3, 9], "uint8")).groupby([0, 2], axis=0, fill=-7).min()
    partly = x.groupby([0, -1], axis=0).max()
    assert partly.back(fill=5).compute().tolist() == [3, 5]
    with pytest.raises(ba.InvalidArgumentError, match="fill"):
        partly.back()
    with pytest.raises(ba.InvalidArgumentError, match="no result of groups"):
        (x + 1).back()


def test_what_groups_without_elements_have_is_what_was_asked_for() -> None:
    of_groups = ba.lazy(np.array([1.0, 3, 8])).groupby([0, 0, 2], axis=0, expected=3, fill=-2)
    for name in ["mean", "var", "std", "min", "median", "first", "nanmean", "nanvar", "nanstd", "nanmax", "nanlast"]:
        found = getattr(of_groups, name)().compute()
        assert found[1] == -2 and found[0] != -2, name
    np.testing.assert_array_equal(of_groups.std().compute(), [1, -2, 0])
    np.testing.assert_array_equal(of_groups.std().back().compute(), [1, 1, 0])


def test_a_monthly_anomaly_is_that_of_xarray() -> None:
    rng = np.random.default_rng(5)
    days = np.arange("2001-01-01", "2004-01-01", dtype="datetime64[D]")
    a = rng.normal(size=(len(days), 4, 5)).astype("float32")
    a[rng.random(a.shape) < 0.02] = np.nan
    array = xarray.DataArray(a.astype("float64"), dims=("time", "y", "x"), coords={"time": days})
    month = array["time"].dt.month.to_numpy()
    x = stored(a, (31, 2, 3), (0, 0, 0)).lazy.rename(["time", "y", "x"])
    g = x.groupby(month, axis="time")
    assert g.labels.tolist() == list(range(1, 13))
    by_month = array.groupby("time.month")
    np.testing.assert_allclose(g.nanmean().compute(), by_month.mean().to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(
        (g - g.nanmean()).compute(), (by_month - by_month.mean()).to_numpy(), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(g.nanstd(ddof=1).compute(), by_month.std(ddof=1).to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(g.nanmedian().compute(), by_month.median().to_numpy(), rtol=1e-6)
    zones = rng.integers(0, 3, (4, 5))
    of_zones = array.groupby(xarray.DataArray(zones, dims=("y", "x"), name="zone")).sum()
    found = x.groupby(zones, axis=("y", "x")).nansum().compute()
    np.testing.assert_allclose(found, of_zones.transpose("time", "zone").to_numpy(), rtol=1e-5, atol=1e-5)


def test_slices_and_views_of_groups_are_those_of_all() -> None:
    rng = np.random.default_rng(8)
    a = rng.normal(size=(40, 9, 10))
    x = stored(a, (7, 4, 10), (3, -4, 0)).lazy
    labels = rng.integers(0, 5, 40)
    mean = x.groupby(labels, axis=0).mean()
    whole = mean.compute()
    same(mean[2].compute(), whole[2])
    same(mean[1:4, -2, ::2].compute(), whole[1:4, 2, ::2])
    same(mean[:, ::-1].transpose(2, 0, 1).compute(), whole[:, ::-1].transpose(2, 0, 1))
    same(mean.take([4, 0, 4], axis=0).compute(), whole[[4, 0, 4]])
    part = mean[:, 0:1]
    assert part.explain(show="dict")["passes"][0]["chunks_read"] == 6
    same((x[:, 0:1] - part.back()).compute(), (a - whole[labels])[:, 4:5])
    same(pickle.loads(pickle.dumps(ba.lazy(a).groupby(labels, axis=0).mean())).compute(), whole)


def test_groups_of_the_same_labels_are_one_pass() -> None:
    a = np.random.default_rng(9).normal(size=(20, 6))
    x = stored(a, (3, 6), (0, 0)).lazy
    g = x.groupby(np.arange(20) % 4, axis=0)
    passes = ba.explain(g.mean(), g.std(), g.max(), g.nanmean(), show="dict")["passes"]
    assert sum(one["bytes_read"] > 0 for one in passes) == 1
    assert "4 groups" in g.mean().explain()


def test_results_are_the_same_bits_however_they_are_cut(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    a = (1e3 + rng.normal(size=(80, 30, 20))).astype("float32")
    a[3, 2, 1] = np.nan
    path, zones = tmp_path / "a.zarr", tmp_path / "zones.zarr"
    array = ba.create(path, shape=a.shape, dtype=a.dtype, chunk_shape=(11, 13, 20), format="zarr3")
    array[...] = a
    stored_zones = ba.create(zones, shape=(30, 20), dtype="int16", chunk_shape=(10, 20), format="zarr3")
    stored_zones[...] = rng.integers(-1, 40, (30, 20)).astype("int16")
    code = """
import sys, numpy as np, bigarrays as ba
x = ba.open(sys.argv[1]).lazy
zones = ba.open(sys.argv[2])
by = {"time": x.groupby(np.arange(80) % 7, axis=0), "zone": x.groupby(zones, axis=(1, 2), expected=40)}
by["all"] = x.groupby((np.arange(80) // 10, zones), axis=(0, (1, 2)), expected=(8, 40))
for key, g in by.items():
    for name in ("sum", "nanmean", "var", "nanstd", "max", "nanmedian"):
        if key == "all" and "median" in name:
            continue
        whole = getattr(g, name)()
        for memory in (900 << 10, 1400 << 10, 1 << 30):
            print(whole.compute(memory=memory).tobytes().hex())
        if key == "time":
            assert whole[:, 5:25].compute(memory=900 << 10).tobytes() == whole.compute()[:, 5:25].tobytes(), (key, name)
        if key == "zone":
            assert whole[5:25].compute(memory=900 << 10).tobytes() == whole.compute()[5:25].tobytes(), (key, name)
        if "median" not in name:
            print((g - whole).compute(memory=2 << 20).tobytes().hex())
            print((g - whole).compute(memory=1 << 30).tobytes().hex())
            print((g - whole).compute().tobytes().hex())
"""
    lines = []
    for threads in ("1", "2"):
        environment = {**os.environ, "BIGARRAYS_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), str(zones)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        lines.append(done.stdout.split())
    assert lines[0] == lines[1]
    for budgets in zip(lines[0][::3], lines[0][1::3], lines[0][2::3], strict=True):
        assert len(set(budgets)) == 1
