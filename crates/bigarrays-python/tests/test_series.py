"""What is done along an axis as along a series, compared with NumPy and xarray."""

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from test_windows import NAMES, REAL, WHOLE, close, computed, elements, stored

import bigarrays as ba


def sizes(rng: np.random.Generator) -> tuple[list[int], int]:
    shape = [int(length) for length in rng.integers(1, 9, size=rng.integers(1, 4))]
    axis = int(rng.integers(0, len(shape)))
    shape[axis] = int(rng.choice([1, 2, 7, 40, 1500, 2600]))
    return shape, axis


@pytest.mark.parametrize("seed", range(24))
def test_cumulative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape, axis = sizes(rng)
    values = elements(rng, shape, rng.choice([*REAL, *WHOLE]), nans=0.01)
    lazy = stored(rng, values).lazy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wide = values.astype("float64") if values.dtype.kind == "f" else values
        close(computed(lazy.cumsum(NAMES[axis])), np.cumsum(wide, axis=axis), 1e-8)
        exact = {"cummin": np.minimum.accumulate(values, axis=axis), "cummax": np.maximum.accumulate(values, axis=axis)}
        for name, expected in exact.items():
            found = computed(getattr(lazy, name)(axis))
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(found, expected)
        if values.dtype.kind != "f":
            for name, expected in {"cumsum": np.cumsum(values, axis=axis), "cumprod": np.cumprod(values, axis=axis)}.items():
                found = computed(getattr(lazy, name)(axis))
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected)


def filled(values: NDArray[Any], axis: int, limit: int | None) -> NDArray[Any]:
    moved = np.moveaxis(values, axis, 0).copy()
    for line in np.ndindex(moved.shape[1:]):
        last, gone = np.nan, 0
        for at in range(len(moved)):
            one = moved[(at, *line)]
            last, gone = (last, gone + 1) if np.isnan(one) else (one, 0)
            moved[(at, *line)] = last if limit is None or gone <= limit else np.nan
    return np.moveaxis(moved, 0, axis)


@pytest.mark.parametrize("seed", range(12))
def test_filling(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape, axis = sizes(rng)
    values = rng.normal(size=shape).astype(rng.choice(REAL))
    values[rng.random(shape) < 0.7] = np.nan
    lazy = stored(rng, values).lazy
    for limit in [None, 0, 1, 5]:
        np.testing.assert_array_equal(computed(lazy.ffill(axis, limit=limit)), filled(values, axis, limit))
        back = computed(lazy.bfill(axis, limit=limit))
        np.testing.assert_array_equal(back, np.flip(filled(np.flip(values, axis), axis, limit), axis))
    assert lazy.bfill(axis).domain == lazy.domain
    whole = ba.lazy([1, 2])
    np.testing.assert_array_equal(whole.ffill(0).compute(), [1, 2])


@pytest.mark.parametrize("seed", range(20))
def test_differences_gradients_and_moves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(2, 14, size=rng.integers(1, 4))]
    axis = int(rng.integers(0, len(shape)))
    values = elements(rng, shape, rng.choice([*REAL, *WHOLE]))
    lazy = stored(rng, values).lazy
    for n in range(3):
        found = lazy.diff(NAMES[axis], n=n)
        np.testing.assert_array_equal(computed(found), np.diff(values, n=n, axis=axis))
        assert found.domain.origin[axis] == min(lazy.domain.origin[axis] + n, lazy.domain.origin[axis] + shape[axis])
    count = int(rng.integers(-2 * shape[axis], 2 * shape[axis]))
    np.testing.assert_array_equal(computed(lazy.roll(count, axis)), np.roll(values, count, axis=axis))
    theirs = xr.DataArray(values, dims=NAMES[: len(shape)])
    close(computed(lazy.shift(count, axis)), theirs.shift({NAMES[axis]: count}).astype("float64"))
    close(computed(lazy.shift(count, axis, fill_value=1)), theirs.shift({NAMES[axis]: count}, fill_value=1))
    padded = lazy.pad(2, 3, axis, boundary="mirror" if shape[axis] > 1 else "reflect")
    width = [(0, 0)] * len(shape)
    width[axis] = (2, 3)
    np.testing.assert_array_equal(computed(padded), np.pad(values, width, mode="reflect"))
    wide = values.astype("float64")
    if values.dtype.kind != "b":
        close(computed(lazy.gradient(axis)), np.gradient(wide, axis=axis))
        places = np.cumsum(rng.random(shape[axis]) + 0.1)
        close(computed(lazy.gradient(axis, spacing=list(places))), np.gradient(wide, places, axis=axis), 1e-7)


def test_weights() -> None:
    values = np.arange(12.0) ** 2
    weights = [0.25, 0.5, 1.0]
    expected = [np.nan] * 2 + [float(values[at - 2 : at + 1] @ weights) for at in range(2, 12)]
    np.testing.assert_allclose(ba.lazy(values).rolling(3, 0, weights=weights).sum().compute(), expected)
    np.testing.assert_allclose(ba.lazy(values).rolling(3, 0, weights=weights).mean().compute(), np.array(expected) / 1.75)
    with pytest.raises(ba.InvalidArgumentError, match="2 weights of windows of 3"):
        ba.lazy(values).rolling(3, 0, weights=[1, 2]).sum()
    with pytest.raises(ba.UnsupportedError, match="weights"):
        ba.lazy(values).rolling(3, 0, weights=weights).max()


def test_positions_begin_at_0() -> None:
    x = ba.lazy(np.arange(6)).positional
    assert [*x.diff(0).domain.origin, *x.pad(1, 1, 0).domain.origin] == [0, 0]
    np.testing.assert_array_equal(x.pad(1, 0, 0)[0].compute(), 0)
