"""What goes into an array of which type: the same for all ways to write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays

LOST = bigarrays.InvalidArgumentError


def stored(tmp_path: Path, dtype: Any, value: Any, casting: Any = None) -> Any:
    """What is stored if `value` is written in every way, which has to be the same."""
    kept = []
    flat = bigarrays.FlatArray(tmp_path / "flat.npy", "w", shape=(None,), dtype=dtype)
    flat.append(value, casting=casting)
    kept.append(np.asarray(flat))
    flat.write(0, value, casting=casting)
    kept.append(np.asarray(flat))
    slices = bigarrays.SliceArray(tmp_path / "slices.npy", "w", shape=(None,), dtype=dtype)
    slices.write({"a": value}, casting=casting)
    kept.append(slices["a"])
    if casting is None:
        slices["b"] = value
        flat[:] = value
        kept += [slices["b"], np.asarray(flat)]
    assert all(found.dtype == flat.dtype and found.tobytes() == kept[0].tobytes() for found in kept)
    return kept[0]


FITTING = [
    ("float32", np.array([2**24]), [2**24]),
    ("float32", [0.1, np.inf, np.nan], np.array([0.1, np.inf, np.nan], "float32")),
    ("float16", np.arange(5, dtype="u1"), [0, 1, 2, 3, 4]),
    ("float64", np.array([2**53, -(2**63)]), [2.0**53, -(2.0**63)]),
    ("uint8", [0, 255], [0, 255]),
    ("bool", [0, 1], [False, True]),
    ("complex64", [1, 2], [1, 2]),
    ("U3", ["abc", "d"], ["abc", "d"]),
    ("S3", [b"abc"], [b"abc"]),
    ("M8[s]", np.array(["2020-01-01", "NaT"], "M8[ms]"), np.array(["2020-01-01", "NaT"], "M8[s]")),
    ("int32", np.ma.masked_array([1, 2], [False, False]), [1, 2]),
    ("int32", [], []),
    ("V2", np.array([b"ab"], "V2"), np.array([b"ab"], "V2")),
]

LOSSY = [
    ("float32", np.array([2**24 + 1])),
    ("float32", np.array([1e300])),
    ("float32", np.array([2**24 + 1], "u4")),
    ("float64", np.array([2**53 + 1])),
    ("float64", np.array([2**63 - 1])),
    ("float64", np.array([2**64 - 1], "u8")),
    ("float16", [70_000]),
    ("complex64", np.array([1e300j])),
    ("int32", [1.5]),
    ("uint64", [-1]),
    ("bool", [2]),
    ("U3", ["abcdef"]),
    ("S3", np.array([b"abcdef"])),
    ("M8[s]", np.array(["2020-01-01T00:00:00.5"], "M8[ms]")),
    ("int32", np.ma.masked_array([1, 2], [False, True])),
    ("int32", np.ma.masked_array(np.array([1, 2], "i4"), [False, True])),
    ("V2", np.array([1], "int16")),
    ("V2", np.array([1], "float16")),
    ("V2", [1]),
]


@pytest.mark.parametrize(("dtype", "value", "expected"), FITTING)
def test_what_fits_is_stored(tmp_path: Path, dtype: str, value: Any, expected: Any) -> None:
    np.testing.assert_array_equal(stored(tmp_path, dtype, value), np.array(expected, dtype))


@pytest.mark.parametrize(("dtype", "value"), LOSSY)
def test_what_would_be_lost_is_refused(tmp_path: Path, dtype: str, value: Any) -> None:
    flat = bigarrays.FlatArray(tmp_path / "a.npy", "x", shape=(1,), dtype=dtype)
    before = np.asarray(flat).tobytes()
    slices = bigarrays.SliceArray(tmp_path / "s.npy", "x", shape=(None,), dtype=dtype)

    def assign() -> None:
        flat[:] = value[:1]

    ways: list[Callable[[], Any]] = [
        lambda: flat.append(value),
        lambda: flat.write(0, value),
        lambda: slices.write({"a": value}),
    ]
    for way in ways if isinstance(value, np.ma.MaskedArray) else [*ways, assign]:
        with pytest.raises(LOST):
            way()
    assert np.asarray(flat).tobytes() == before and len(slices) == 0


def test_chunked_arrays_refuse_the_same() -> None:
    a = bigarrays.create("memory://casting", shape=(4,), dtype="float32", chunk_shape=(4,), format="zarr")
    for value in (np.array([2**24 + 1]), np.array([1e300]), np.ma.masked_array([1.0], [True])):
        with pytest.raises(LOST):
            a[0:1] = value
    a[0:4] = [0.1, 1, 2, 3]
    assert a[0:4].tolist() == np.array([0.1, 1, 2, 3], "float32").tolist()


def test_a_rule_of_numpy_decides_by_types(tmp_path: Path) -> None:
    assert stored(tmp_path, "float32", np.array([2**24 + 1]), "same_kind").tolist() == [2.0**24]
    assert stored(tmp_path, "int8", np.array([300.7]), "unsafe").tolist() == np.array([300.7]).astype("int8").tolist()
    for casting, value in [("safe", np.array([1])), ("no", np.array([1.0])), ("nonsense", [1])]:
        with pytest.raises(LOST, match=casting):
            stored(tmp_path, "float32", value, casting)


def test_records(tmp_path: Path) -> None:
    a = bigarrays.FlatArray(tmp_path / "r.npy", "x", shape=(None,), dtype=[("x", "f4"), ("y", "i2")])
    a.append([(1, 2), (3.5, 4)])
    a[0] = (9, 8)
    a["y"] = [5, 6]
    assert a[:].tolist() == [(9.0, 5), (3.5, 6)]
    with pytest.raises(LOST):
        a["y"] = [70_000, 1]
    with pytest.raises(LOST):
        a.append(np.array([(2.5, 70_000)], [("x", "f4"), ("y", "i4")]))


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4"])
def test_numbers_that_numpy_has_no_name_for(tmp_path: Path, name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes, which has these types, is not installed")
    dtype, path = np.dtype(getattr(ml_dtypes, name)), tmp_path / "a.npy"
    a = bigarrays.FlatArray(path, "x", shape=(None, 2), dtype=dtype)
    a.append(np.ones((1, 2), dtype))
    a.append(np.ones((1, 2), "int16"))
    a.append([[True, False]])
    a[0] = 1
    if name != "int4":
        a.append(np.full((1, 2), 1.5, "f4"))
        a.append(np.full((1, 2), 1.5, "f2"))
    opened = bigarrays.FlatArray(path)
    assert opened.dtype == dtype == opened[:].dtype and opened[2].tolist() == [1, 0]
    assert opened[:].astype(float).tolist() == [[1, 1], [1, 1], [1, 0], [1.5, 1.5], [1.5, 1.5]][: len(opened)]
    np.testing.assert_array_equal(np.load(path).view(dtype), opened[:])
    for lost in ([[1e300, 0.0]], [[2**40 + 1, 0]], [["a", "b"]]):
        with pytest.raises(LOST):
            a.append(lost)
    wide = bigarrays.FlatArray(tmp_path / "w.npy", "x", shape=(None, 2), dtype="float32")
    wide.append(opened[:])
    assert wide[:].tolist() == opened[:].astype(float).tolist()
    again = bigarrays.FlatArray(path, "a", shape=(None, 2), dtype=dtype)
    assert again.dtype == dtype
    raw = bigarrays.FlatArray(tmp_path / "v.npy", "x", shape=(None, 2), dtype=f"V{dtype.itemsize}")
    raw.append(opened[:])
    np.testing.assert_array_equal(raw[:].view(dtype), opened[:])
