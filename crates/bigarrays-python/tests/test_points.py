"""Single elements anywhere."""

from pathlib import Path
from typing import Any

import bigarrays
import numpy as np
import pytest
from numpy.typing import NDArray

KINDS: list[dict[str, Any]] = [
    {"encoding": "raw"},
    {"encoding": "gzip"},
    {"sharding": True},
    {"format": "zarr3", "shard_shape": (32, 32, 32)},
    {"format": "zarr2", "fill_value": 7},
    {"format": "n5"},
]


def filled(tmp_path: Path, **options: Any) -> tuple[bigarrays.Array, NDArray[Any]]:
    data = np.random.default_rng(1).integers(0, 60000, (50, 40, 30), dtype=np.uint16)
    a = bigarrays.create(tmp_path / "a", shape=data.shape, dtype="uint16", chunk_shape=(16, 16, 16), **options)
    a[:, :, :20] = data[:, :, :20]
    data[:, :, 20:] = np.asarray(a)[:, :, 20:]
    return a, data


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_points_are_read_and_written_as_numpy_does(tmp_path: Path, options: dict[str, Any]) -> None:
    a, data = filled(tmp_path, **options)
    rng = np.random.default_rng(2)
    for count in (0, 1, 7, 3000):
        x, y, z = (rng.integers(0, length, count) for length in data.shape)
        assert np.array_equal(a.vindex[x, y, z], data[x, y, z])
        values = rng.integers(0, 60000, count).astype(np.uint16)
        a.vindex[x, y, z] = values
        data[x, y, z] = values
        assert np.array_equal(np.asarray(a), data)
    x = rng.integers(0, 50, (4, 1))
    assert np.array_equal(a.vindex[x, [[1, 2, 3]], 5], data[x, [[1, 2, 3]], 5])


def test_of_points_that_are_there_twice_the_last_counts(tmp_path: Path) -> None:
    a, _ = filled(tmp_path)
    a.vindex[[3, 40, 3, 3], [3, 3, 3, 3], 3] = [1, 2, 3, 4]
    assert a.vindex[[3, 40], 3, 3].tolist() == [4, 2]


def test_views_and_domains_below_zero(tmp_path: Path) -> None:
    a = bigarrays.create(tmp_path / "a", domain="-20:30,-5:25,0:9", dtype="int32", chunk_shape=(8, 8, 8))
    data = np.random.default_rng(3).integers(-99, 99, a.shape, dtype=np.int32)
    a[...] = data
    x, y, z = np.array([-20, 29, 0]), np.array([-5, 24, 3]), np.array([0, 8, 4])
    assert np.array_equal(a.vindex[x, y, z], data[x + 20, y + 5, z])
    view = a.view[-20:30:3, :, 4].T
    at = np.asarray(view)
    i, j = np.array([-5, 3, 24]), np.array([-7, 0, 9])
    assert np.array_equal(view.vindex[i, j], at[i + 5, j + 7])
    view.vindex[i, j] = -5
    assert (view.vindex[i, j] == -5).all()


def test_masks(tmp_path: Path) -> None:
    a, data = filled(tmp_path)
    mask = data > 50000
    assert np.array_equal(a.vindex[mask], data[mask])
    a.vindex[mask] = 0
    assert not (np.asarray(a) > 50000).any()
    flags = bigarrays.create(tmp_path / "b", shape=(9,), dtype="bool", format="zarr3")
    flags.vindex[[2, 3]] = np.array([2, 0], np.uint8).view(bool)
    assert np.asarray(flags).view(np.uint8).tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_points_outside(tmp_path: Path) -> None:
    a, data = filled(tmp_path, format="zarr2", fill_value=7)
    x, y, z = [-1, 3, 50, 3, 2**63 - 1], [0, 4, 0, 40, 0], [0, 5, 0, 0, 0]
    assert a.vindex(outside="fill")[x, y, z].tolist() == [7, data[3, 4, 5], 7, 7, 7]
    with pytest.raises(bigarrays.OutOfBoundsError, match="point 0, -1,0,0"):
        a.vindex(outside="error")[x, y, z]
    with pytest.raises(bigarrays.InvalidArgumentError, match="for reading"):
        a.vindex(outside="fill")[x, y, z] = 1
    with pytest.raises(bigarrays.InvalidArgumentError, match="unknown outside"):
        a.vindex(outside="crop")  # type: ignore[arg-type]
    with pytest.raises(bigarrays.OutOfBoundsError):
        bigarrays.open(tmp_path / "a", strict=True).vindex(outside="fill")[x, y, z]
    crop = bigarrays.open(tmp_path / "a", mode="r+", outside="crop")
    crop.vindex[x, y, z] = [1, 2, 3, 4, 5]
    data[3, 4, 5] = 2
    assert np.array_equal(np.asarray(crop), data)
    with pytest.raises(bigarrays.OutOfBoundsError, match="of the view lies outside the stored domain"):
        a.view[-5:10].vindex[-3, 0, 0]


@pytest.mark.parametrize("options", [{}, *KINDS], ids=str)
def test_of_many_points_that_are_there_twice_the_last_counts(tmp_path: Path, options: dict[str, Any]) -> None:
    a, data = filled(tmp_path, **options)
    rng = np.random.default_rng(5)
    x, y, z = (rng.integers(0, length, 4000) // 3 * 3 for length in data.shape)
    values = np.arange(4000, dtype=np.uint16)
    a.vindex[x, y, z] = values
    for point in zip(x, y, z, values, strict=True):
        data[point[:3]] = point[3]
    assert np.array_equal(np.asarray(a), data)


def test_types_and_orders_of_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    for number, (dtype, format) in enumerate((d, f) for d in ("bool", "uint8", "int16", "float64") for f in ("zarr2", "n5")):
        if (dtype, format) == ("bool", "n5"):
            continue
        a = bigarrays.create(tmp_path / str(number), shape=(300, 70), dtype=dtype, format=format, encoding="raw")
        data = (rng.random(a.shape) * 120 % (2 if dtype == "bool" else 120)).astype(dtype)
        a[...] = data
        for count in (1, 5, 2000):
            x, y = rng.integers(0, 300, count), rng.integers(0, 70, count)
            assert np.array_equal(a.vindex[x, y], data[x, y])


@pytest.mark.parametrize("options", [{}, {"encoding": "jpeg"}, {"encoding": "compressed_segmentation"}, *KINDS], ids=str)
def test_few_points_of_large_chunks(tmp_path: Path, options: dict[str, Any]) -> None:
    options = {"encoding": "raw", **options}
    kind = {"jpeg": "uint8", "compressed_segmentation": "uint64"}.get(options["encoding"], "uint16")
    rng = np.random.default_rng(7)
    data = (rng.integers(0, 250, (130, 70, 64)) // 9).astype(kind)
    options = {key: (64, 64, 64) if key == "shard_shape" else value for key, value in options.items()}
    a = bigarrays.create(tmp_path / "a", shape=data.shape, dtype=kind, chunk_shape=(64, 64, 64), **options)
    a[...] = data
    stored = np.asarray(a)
    for count in (1, 3, 20, 500):
        x, y, z = (rng.integers(0, length, count) // 5 * 5 for length in data.shape)
        assert np.array_equal(a.vindex[x, y, z], stored[x, y, z])


def test_what_is_no_point_is_refused(tmp_path: Path) -> None:
    a, data = filled(tmp_path)
    with pytest.raises(bigarrays.OutOfBoundsError, match="point 1, -1,0,0"):
        a.vindex[[0, -1], 0, 0]
    with pytest.raises(bigarrays.OutOfBoundsError):
        a.vindex[[0, 50], 0, 0] = 1
    assert np.array_equal(np.asarray(a), data)
    wrong: list[Any] = [([1], [2]), ([1.5], [2], [3]), np.ones((2, 2), bool)]
    for key in wrong:
        with pytest.raises(bigarrays.InvalidArgumentError):
            a.vindex[key]
    with pytest.raises(bigarrays.InvalidArgumentError):
        a.vindex[[0], 0, 0] = 1.5
    with pytest.raises(bigarrays.ReadOnlyError):
        bigarrays.open(tmp_path / "a").vindex[[0], 0, 0] = 1
