"""Medians and quantiles, compared with NumPy's."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_lazy import TYPES, elements, same, stored

import bigarrays as ba

METHODS = ["linear", "lower", "higher", "nearest", "midpoint", "inverted_cdf", "averaged_inverted_cdf"]
METHODS += ["closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased"]
#: Methods whose result is an element.
OF_ONE = ["lower", "higher", "nearest", "inverted_cdf", "closest_observation"]
AXES: list[Any] = [None, 0, 1, 2, (0, 2), (1, 2), (0, 1)]


def a_case(seed: int) -> tuple[NDArray[Any], ba.Array]:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 12, 3).tolist()
    dtype = TYPES[seed % len(TYPES)]
    values = elements(rng, shape, dtype)
    if values.dtype.kind == "f":
        values = np.where(rng.random(shape) < 0.03, np.nan, rng.normal(size=shape)).astype(dtype)
        values[rng.random(shape) < 0.02] = np.inf
    chunk = [int(rng.integers(1, length + 1)) for length in shape]
    return values, stored(values, chunk, rng.integers(-5, 6, 3).tolist())


def of_numpy(name: str, values: NDArray[Any], *arguments: Any, **options: Any) -> NDArray[Any]:
    """NumPy's result of elements in a type of which the mean of two is no other number."""
    # Of integers of 64 bits, NumPy's own differences wrap.
    wide = values.astype("longdouble")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(getattr(np, name)(wide, *arguments, **options))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("seed", range(24))
def test_medians_are_those_of_numpy(seed: int, axis: Any) -> None:
    values, array = a_case(seed)
    x = array.lazy
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype("float64")
    for name in ("median", "nanmedian"):
        for keepdims in (False, True):
            found = getattr(x, name)(axis, keepdims=keepdims)
            plain = name if values.dtype.kind == "f" else "median"
            expected = of_numpy(plain, values, axis=axis, keepdims=keepdims)
            assert (found.dtype, found.shape) == (dtype, expected.shape)
            with np.errstate(over="ignore"):
                expected = expected.astype(dtype)
            # The mean of two integers of 64 bits is rounded once here.
            rtol = 1e-15 if values.dtype.itemsize == 8 else 0
            for memory in (1500 << 10, 1 << 30):
                np.testing.assert_allclose(found.compute(memory=memory), expected, rtol=rtol)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(12))
def test_quantiles_are_those_of_numpy(seed: int, method: str) -> None:
    values, array = a_case(100 + seed)
    values = np.where(np.isinf(values), 0, values).astype(values.dtype) if values.dtype.kind == "f" else values
    x = stored(values, array.chunk_shape, array.domain.origin).lazy
    for axis in AXES:
        for q in (0.3, [0.0, 0.25, 0.5, 0.9, 1.0]):
            for name in ("quantile", "nanquantile"):
                found = getattr(x, name)(q, axis, method=method)
                plain = name if values.dtype.kind == "f" else "quantile"
                expected = of_numpy(plain, values, np.asarray(q), axis=axis, method=method)
                if method in OF_ONE:
                    assert found.dtype == values.dtype
                    np.testing.assert_array_equal(found.compute(), expected.astype(values.dtype))
                    continue
                dtype = values.dtype if values.dtype.kind == "f" else np.dtype("float64")
                assert (found.dtype, found.shape) == (dtype, expected.shape)
                rtol = {"float16": 2e-3, "float32": 3e-7}.get(str(dtype), 1e-13)
                np.testing.assert_allclose(found.compute(), expected.astype(dtype), rtol=rtol, atol=6e-8)


def test_methods_have_the_names_of_numpy() -> None:
    a = np.array([3.0, 9, 4])
    for method in METHODS:
        assert ba.lazy(a).quantile(0.25, method=method).compute() == np.quantile(a, 0.25, method=method)  # type: ignore[call-overload]
    with pytest.raises(ba.InvalidArgumentError, match="known are linear"):
        ba.lazy([1.0]).quantile(0.5, method="median")
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ba.InvalidArgumentError, match="from 0 to 1"):
            ba.lazy([1.0]).quantile(wrong)
    with pytest.raises(ba.InvalidArgumentError, match="no elements"):
        ba.lazy(np.zeros((0, 2))).median(axis=0)


@pytest.mark.parametrize("seed", range(12))
def test_medians_of_groups_are_those_of_each(seed: int) -> None:
    values, array = a_case(200 + seed)
    rng = np.random.default_rng(seed)
    labels: NDArray[np.int64] = rng.integers(-1, 4, (values.shape[1],))
    values = values.astype("float64")
    g = array.lazy.astype("float64").groupby(labels, axis=1, expected=4)
    for name in ("median", "nanmedian"):
        expected = np.full((values.shape[0], 4, values.shape[2]), np.nan)
        for k in set(labels[labels >= 0].tolist()):
            expected[:, k] = of_numpy(name, values[:, labels == k], axis=1)
        np.testing.assert_allclose(getattr(g, name)().compute(memory=2 << 20), expected, rtol=1e-15)
    both = g.quantile([0.1, 0.6], method="lower").compute()
    np.testing.assert_array_equal(both[1], g.quantile(0.6, method="lower").compute())
    counted = array.lazy.astype("float64").groupby(labels, axis=1, expected=4, fill=7).median().compute()
    empty = np.array([k not in labels.tolist() for k in range(4)])
    np.testing.assert_array_equal(counted[:, empty], 7)
    largest = of_numpy("median", values, axis=(0, 1))
    one = array.lazy.astype("float64").groupby(np.zeros(values.shape[1], int), axis=1).median(axis=0)
    np.testing.assert_allclose(one.compute()[0], largest, rtol=1e-15)


def test_a_slice_of_medians_reads_what_it_needs() -> None:
    a = np.random.default_rng(0).normal(size=(30, 8, 9))
    x = stored(a, (7, 4, 9), (2, -3, 0)).lazy
    whole = x.median(axis=0)
    same(whole[-2, 3:7].compute(), np.median(a, axis=0)[1, 3:7])
    assert whole[-3:1].explain(show="dict")["passes"][0]["chunks_read"] == 5
    same((x - whole).compute(memory=2 << 20), a - np.median(a, axis=0))


def test_quantiles_are_the_same_bits_however_they_are_cut(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(120, 40, 30)).astype("float32")
    a[3, 2, 1] = np.nan
    path = tmp_path / "a.zarr"
    array = ba.create(path, shape=a.shape, dtype=a.dtype, chunk_shape=(11, 13, 30), format="zarr3")
    array[...] = a
    code = """
import sys, bigarrays as ba
x = ba.open(sys.argv[1]).lazy
for axis in (0, 2, (0, 1), (1, 2)):
    for found in (x.median(axis), x.nanquantile([0.1, 0.77], axis)):
        for memory in (2 << 20, 3 << 20, 1 << 30):
            print(found.compute(memory=memory).tobytes().hex())
        part = found[..., 3:25]
        assert part.compute(memory=2 << 20).tobytes() == found.compute()[..., 3:25].tobytes(), axis
"""
    lines = []
    for threads in ("1", "2"):
        environment = {**os.environ, "BIGARRAYS_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", code, str(path)], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        lines.append(done.stdout.split())
    assert lines[0] == lines[1]
    for budgets in zip(lines[0][::3], lines[0][1::3], lines[0][2::3], strict=True):
        assert len(set(budgets)) == 1
