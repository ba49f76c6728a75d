"""Pyramids, compared with what TensorStore's downsample makes of the finest scale in one step."""

from typing import Any

import numpy as np
import pytest

import bigarrays as ba

ts = pytest.importorskip("tensorstore")

ORIGINS = ((0, 0, 0), (3, 5, 7), (-21, -7, -5))
FACTORS = ((2, 2, 1), (2, 2, 2), (3, 1, 2))
METHODS = ("mean", "mode", "median", "min", "max", "stride")


def elements(dtype: str, method: str, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype == "float32":
        return rng.integers(-50, 50, shape).astype("f4") / 4
    info = np.iinfo(dtype)
    if method in ("mode", "median"):
        return rng.integers(0, 4, shape).astype(dtype) + np.array(info.max - 9, dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("origin", ORIGINS)
def test_every_level_is_what_tensorstore_makes_of_the_finest(origin: tuple[int, ...], method: str) -> None:
    rng = np.random.default_rng(abs(sum(origin)) + len(method))
    for factors in FACTORS:
        for dtype in ("uint8", "uint16", "int16", "uint64", "float32"):
            shape = tuple(int(length) for length in rng.integers(20, 75, 3))
            values = elements(dtype, method, shape, rng)
            domain = ba.Domain([(first, first + length) for first, length in zip(origin, shape, strict=True)])
            url = f"memory://pyramids/{method}/{origin}/{factors}/{dtype}"
            finest = ba.create(url, domain=domain, dtype=dtype, chunk_shape=(16, 16, 8), resolution=(4, 4, 4))
            finest[...] = values
            keys = ba.downsample(finest, levels=3, factors=factors, method=method, sharding=bool(rng.integers(2)))  # type: ignore[arg-type]
            assert len(keys) == 3
            for level, key in enumerate(keys, 1):
                found = ba.open(url, scale=key)
                whole = ts.array(values).translate_to[origin]
                due = ts.downsample(whole, [factor**level for factor in factors], method)
                assert tuple(found.origin) == tuple(due.domain.inclusive_min)
                expected = due.read().result()
                if dtype == "float32" and method == "mean":
                    # TensorStore adds in float32.
                    np.testing.assert_allclose(found[...], expected, rtol=1e-6, atol=1e-6)
                else:
                    np.testing.assert_array_equal(found[...], expected, err_msg=f"{url} {key}")
