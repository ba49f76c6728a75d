"""Variances, in one pass over the elements, and reductions of what a mask leaves."""

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_lazy import ODD, TYPES, elements, same, stored

import bigarrays as ba

AXES: list[Any] = [None, 0, 1, 2, (0, 2), (1, 2), (0, 1, 2)]


def expected_of(name: str, values: NDArray[Any], axis: Any, **options: Any) -> NDArray[Any]:
    """What NumPy gives of the elements in extended precision, so that its own rounding does not count."""
    wide = values.astype(np.longdouble) if values.dtype.kind == "f" else values.astype("float64").astype(np.longdouble)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(np, name)(wide, axis=axis, **options)
        return np.asarray(found).astype(values.dtype if values.dtype.kind == "f" else "float64")


@pytest.mark.parametrize("mean", [0.0, 1e8, -1e11])
@pytest.mark.parametrize("axis", AXES)
def test_variances_have_all_digits_however_large_the_mean_is(axis: Any, mean: float) -> None:
    rng = np.random.default_rng(11)
    a = mean + rng.integers(-512, 512, (70, 40, 60)) / 512
    x = stored(a, (9, 16, 60), (5, -5, 0)).lazy
    expected = expected_of("var", a, axis, ddof=1)
    np.testing.assert_allclose(x.var(axis, ddof=1).compute(memory=1 << 20), expected, rtol=3e-15)
    with np.errstate(all="ignore"):
        # No further off than NumPy's two passes are.
        own = np.abs(np.asarray(x.var(axis, ddof=1).compute()) / expected - 1).max()
        assert own <= max(np.abs(np.var(a, axis=axis, ddof=1) / expected - 1).max(), 2e-15)


@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
@pytest.mark.parametrize("seed", range(24))
def test_variances_are_those_of_numpy(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    values = elements(rng, rng.integers(1, 12, 3).tolist(), TYPES[seed % len(TYPES)])
    if values.dtype.kind == "f":
        odd = rng.choice([0, -0.0, np.nan, np.inf, 1e-3], values.shape).astype(values.dtype)
        values = np.where(rng.random(values.shape) < 0.1, odd, np.where(np.abs(values) > 1e3, 1, values)).astype(values.dtype)
    chunk = [int(rng.integers(1, length + 1)) for length in values.shape]
    x = stored(values, chunk, rng.integers(-5, 6, 3).tolist()).lazy
    axis, ddof = AXES[seed % len(AXES)], [0, 1, 1.5, 4][seed % 4]
    for keepdims in (False, True):
        found = getattr(x, name)(axis, ddof=ddof, keepdims=keepdims)
        # Of integers, which have no NaN, NumPy divides as `var` does.
        plain = name if values.dtype.kind == "f" else name.removeprefix("nan")
        expected = expected_of(plain, values, axis, ddof=ddof, keepdims=keepdims)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        rtol = {"float16": 2e-3, "float32": 3e-7}.get(str(expected.dtype), 1e-13)
        np.testing.assert_allclose(found.compute(), expected, rtol=rtol, atol=0 if expected.dtype.itemsize > 2 else 6e-8)


def test_variances_are_one_pass_and_the_same_bits_however_they_are_cut(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a = (1e6 + rng.normal(size=(150, 60, 50))).astype("float32")
    a[3, 2, 1] = np.nan
    path = tmp_path / "a.zarr"
    array = ba.create(path, shape=a.shape, dtype=a.dtype, chunk_shape=(11, 13, 50), format="zarr3")
    array[...] = a
    x = array.lazy
    plan = ba.explain(x.mean(axis=0), x.var(axis=0), x.std(axis=0), x.nanvar(axis=0), show="dict")
    assert sum(one["bytes_read"] > 0 for one in plan["passes"]) == 1
    code = """
import sys, bigarrays as ba
x = ba.open(sys.argv[1]).lazy
for axis in (0, 2, (0, 1), (1, 2), None):
    for name in ("var", "nanvar"):
        for memory in (800 << 10, 3 << 20, 1 << 30):
            print(getattr(x, name)(axis).compute(memory=memory).tobytes().hex())
        whole = getattr(x, name)(axis)
        if whole.ndim:
            part = whole[5:45]
            assert part.compute(memory=1 << 20).tobytes() == whole.compute()[5:45].tobytes(), (axis, name)
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


NAMES = ["sum", "prod", "mean", "any", "all", "min", "max", "var", "std"]
NAMES += ["nansum", "nanprod", "nanmean", "nanmin", "nanmax", "nanvar", "nanstd"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(12))
def test_masks_are_those_of_numpy(seed: int, name: str) -> None:
    rng = np.random.default_rng(100 + seed)
    dtype = TYPES[seed % len(TYPES)]
    values = rng.integers(0, 2 if dtype == "bool" else 5, (5, 6, 7)).astype(dtype)
    if values.dtype.kind == "f":
        values[rng.random(values.shape) < 0.05] = rng.choice(ODD[:8])
    mask = rng.random([(5, 6, 7), (6, 7), (5, 1, 7), (1,)][seed % 4]) < 0.6
    x = stored(values, (2, 3, 7), (3, -1, 0)).lazy
    for axis in AXES:
        options: dict[str, Any] = {"keepdims": bool(seed % 2), "where": mask}
        if name in ("min", "max", "nanmin", "nanmax"):
            options["initial"] = 1
            if dtype == "bool":
                options["initial"] = True
        if "var" in name or "std" in name:
            options["ddof"] = seed % 3
        if name in ("var", "std", "mean", "nanmean", "nanvar", "nanstd", "sum", "prod", "nansum", "nanprod"):
            wide = values if values.dtype.kind != "f" else values.astype("float64")
        else:
            wide = values
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = np.asarray(getattr(np, name)(wide, axis=axis, **options))
        if wide.dtype != values.dtype:
            expected = expected.astype(values.dtype)
        found = getattr(np, name)(x, axis=axis, **options)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), (axis, found.dtype, expected.dtype)
        if name in ("any", "all", "min", "max", "nanmin", "nanmax"):
            np.testing.assert_array_equal(found.compute(), expected)
        elif expected.dtype.kind in "iu":
            same(found.compute(), expected)
        else:
            rtol = {"float16": 2e-3, "float32": 1e-6}.get(str(expected.dtype), 1e-13)
            np.testing.assert_allclose(found.compute(), expected, rtol=rtol)


def test_masks_are_expressions_too_and_have_to_fit() -> None:
    a = np.arange(24, dtype="int32").reshape(4, 6)
    x = stored(a, (2, 3), (5, 5)).lazy
    assert x.sum(where=x > 7).compute() == a.sum(where=a > 7)
    assert x.count(where=x > 7).compute() == 16 and x.count_nonzero(where=x < 3).compute() == 2
    assert x.sum(where=False).compute() == 0 and x.sum(where=np.True_).compute() == a.sum()
    assert np.isnan(x.mean(where=False).compute()) and np.isnan(x.var(where=False).compute())
    np.testing.assert_array_equal(np.add.reduce(x, where=a > 7).compute(), np.add.reduce(a, where=a > 7))
    np.testing.assert_array_equal(x.min(axis=0, initial=3).compute(), a.min(axis=0, initial=3))
    with pytest.raises(TypeError, match="booleans"):
        x.sum(where=a)
    with pytest.raises(ValueError, match="initial"):
        x.min(where=a > 7)
    with pytest.raises(ba.InvalidArgumentError):
        x.sum(where=np.ones((3, 4, 6), bool))
    with pytest.raises(TypeError, match="initial"):
        x.max(initial=0.5)


def test_chunks_are_those_that_are_stored() -> None:
    x = stored(np.zeros((20, 30, 40)), (5, 6, 7), (3, -1, 0)).lazy
    small = stored(np.zeros((30, 40), "uint8"), (3, 4), (-1, 0)).lazy
    assert x.chunks == (5, 6, 7) and small.chunks == (3, 4)
    assert (x + small).chunks == (5, 6, 7) == (small * 2 + x).astype("float32").chunks
    assert x.mean(axis=1).chunks == (5, 7) and (x - x.mean(axis=0)).chunks == (5, 6, 7)
    assert x.std(axis=(0, 2), keepdims=True).chunks == (1, 6, 1)
    assert x[4:20:2, 0].transpose().chunks == (7, 2)
    assert (small + np.zeros((9, 1, 1))).chunks == (9, 3, 4)
    assert ba.lazy(np.zeros(5)).chunks is None and (ba.lazy(3) + 1).chunks is None
    assert ba.concatenate([small, small], 0).chunks == (3, 4)


@pytest.mark.parametrize("seed", range(30))
def test_parts_at_a_coordinate_have_the_bits_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(1, 12, size=rng.integers(2, 5))]
    x = stored(rng.normal(size=shape), [int(rng.integers(1, length + 1)) for length in shape], [0] * len(shape)).lazy
    axes = [int(axis) for axis in rng.permutation(len(shape))[: rng.integers(1, len(shape))]]
    for name in ["sum", "prod", "mean", "var", "nansum", "nanmean", "nanvar"]:
        lazy = getattr(x, name)(axes)
        found = lazy.compute()
        keys = [int(rng.integers(0, length)) if rng.random() < 0.7 else slice(None) for length in lazy.shape]
        part = lazy[tuple(keys)]
        for memory in [1 << 20, 1 << 28]:
            same(np.asarray(part.compute(memory=memory)), np.asarray(found[tuple(keys)]))
        same(pickle.loads(pickle.dumps(part)).compute(), np.asarray(found[tuple(keys)]))
        one = part.expand_dims(0)[0] + 0.0
        same(one.compute(), np.asarray(found[tuple(keys)] + 0.0))
