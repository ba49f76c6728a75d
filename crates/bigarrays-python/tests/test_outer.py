"""Every combination of coordinates along each axis."""

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
ORIGIN = (-20, 5, -3)


def filled(tmp_path: Path, **options: Any) -> tuple[bigarrays.Array, NDArray[Any]]:
    data = np.random.default_rng(1).integers(0, 60000, (50, 40, 30), dtype=np.uint16)
    a = bigarrays.create(tmp_path / "a", shape=data.shape, dtype="uint16", chunk_shape=(16, 16, 16), **options)
    a = a.translate(ORIGIN)
    a[:, :, :17] = data[:, :, :20]
    data[:, :, 20:] = np.asarray(a)[:, :, 20:]
    return a, data


def random_key(rng: np.random.Generator, shape: tuple[int, ...], repeats: bool = True) -> tuple[list[Any], list[Any]]:
    """An index in absolute coordinates, and coordinates from zero along each axis; single ones are numbers."""
    key: list[Any] = []
    chosen: list[Any] = []
    for origin, length in zip(ORIGIN, shape, strict=True):
        kind = rng.integers(0, 5)
        if kind == 0:
            first, last = sorted(rng.integers(0, length + 1, 2))
            key.append(slice(origin + first, origin + last))
            chosen.append(np.arange(first, last))
        elif kind == 1:
            mask = rng.random(length) < 0.3
            key.append(mask.tolist() if rng.random() < 0.5 else mask)
            chosen.append(np.flatnonzero(mask))
        elif kind == 2:
            at = int(rng.integers(0, length))
            key.append(origin + at)
            chosen.append(at)
        elif kind == 3:
            key.append(slice(None, None, 3))
            chosen.append(np.arange(0, length, 3))
        else:
            at_all = rng.choice(length, rng.integers(0, 2 * length)) if repeats else rng.permutation(length)[:7]
            key.append(at_all + origin)
            chosen.append(at_all)
    return key, chosen


def picked(data: NDArray[Any], chosen: list[Any]) -> NDArray[Any]:
    whole: NDArray[Any] = data[np.ix_(*[np.atleast_1d(at) for at in chosen])]
    return whole.reshape([len(at) for at in chosen if not isinstance(at, int)])


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_combinations_are_read_and_written_as_numpy_does(tmp_path: Path, options: dict[str, Any]) -> None:
    a, data = filled(tmp_path, **options)
    rng = np.random.default_rng(2)
    for _ in range(25):
        key, chosen = random_key(rng, data.shape)
        expected = picked(data, chosen)
        found = a.oindex[tuple(key)]
        assert found.shape == expected.shape and np.array_equal(found, expected), key
    for _ in range(15):
        key, chosen = random_key(rng, data.shape, repeats=False)
        values = rng.integers(0, 60000, picked(data, chosen).shape).astype(np.uint16)
        a.oindex[tuple(key)] = values
        where = np.ix_(*[np.atleast_1d(at) for at in chosen])
        data[where] = values.reshape(data[where].shape)
        assert np.array_equal(np.asarray(a), data), key


def test_single_elements_ellipses_and_boxes(tmp_path: Path) -> None:
    a, data = filled(tmp_path)
    assert a.oindex[-20, 5, -3] == data[0, 0, 0] and isinstance(a.oindex[-20, 5, -3], np.uint16)
    assert np.array_equal(a.oindex[...], data)
    assert np.array_equal(a.oindex[[-19, -19]], data[[1, 1]])
    assert np.array_equal(a.oindex[..., [26, -3]], data[..., [29, 0]])
    assert np.array_equal(a.oindex[[0], ..., 2], data[[20], :, 5])
    assert np.array_equal(a.oindex[bigarrays.Domain("-5:3,6:9,0:1")], data[15:23, 1:4, 3:4])
    assert np.array_equal(a.oindex[range(-2, 5), np.int32(7), np.array(0)], data[18:25, 2, 3])
    assert a.oindex[[], 5].shape == (0, 30)
    # As boxes do, slices reach outside.
    assert np.array_equal(a.oindex[[0, 1], 5, -5:0], np.pad(data[20:22, 0, :3], ((0, 0), (2, 0))))


def test_of_coordinates_that_are_there_twice_the_last_counts(tmp_path: Path) -> None:
    a, data = filled(tmp_path)
    # The two are in one chunk along the first axis, and others are in chunks between them along the second.
    a.oindex[[-20, 20, -20], [5, 30, 44, 30, 5], 0] = np.arange(15, dtype=np.uint16).reshape(3, 5)
    data[np.ix_([0, 40], [0, 25, 39], [3])] = np.array([[14, 13, 12], [9, 8, 7]])[..., None]
    assert np.array_equal(np.asarray(a), data)


def test_views(tmp_path: Path) -> None:
    a, data = filled(tmp_path, format="zarr3")
    view = a.view[-20:30:3, :, 4].T
    shown = np.asarray(view)
    (first, second), rows, columns = view.domain.origin, [39, 0, 5], [1, 1, 16]
    key = ([first + at for at in rows], [second + at for at in columns])
    assert np.array_equal(view.oindex[key], shown[np.ix_(rows, columns)])
    view.oindex[key[0], second] = 3
    data[0, rows, 7] = 3
    assert np.array_equal(np.asarray(a), data)
    backwards = a.view[29:-21:-1]
    assert np.array_equal(backwards.oindex[[-29, 20], 5:7], data[::-1][[0, 49], :2])


def test_broadcast_and_types(tmp_path: Path) -> None:
    a, data = filled(tmp_path)
    a.oindex[[0, 3], 6, [1, 2]] = 9
    a.oindex[[1, 2], 5:8, :] = np.arange(3)[:, None]
    data[np.ix_([20, 23], [1], [4, 5])] = 9
    data[[21, 22], :3, :] = np.arange(3)[:, None]
    assert np.array_equal(np.asarray(a), data)
    with pytest.raises(bigarrays.InvalidArgumentError, match="broadcast"):
        a.oindex[[0, 3], 6, [1, 2]] = [1, 2, 3]
    flags = bigarrays.create(tmp_path / "b", shape=(4, 4), dtype="bool", format="zarr3")
    flags.oindex[[1, 3], [0, 2]] = np.array([[2, 0], [1, 255]], np.uint8).view(bool)
    assert np.asarray(flags).view(np.uint8).sum() == 3 and flags.oindex[[3], [2]].tolist() == [[True]]


def test_outside(tmp_path: Path) -> None:
    a, data = filled(tmp_path, format="zarr2", fill_value=7)
    with pytest.raises(bigarrays.OutOfBoundsError, match="coordinate 30 along axis"):
        a.oindex[[0, 30], 5]
    with pytest.raises(bigarrays.OutOfBoundsError, match="coordinate 4 along"):
        a.oindex[[0], 4]
    with pytest.raises(bigarrays.OutOfBoundsError):
        a.oindex[[0, 30], 5] = 1
    with pytest.raises(bigarrays.OutOfBoundsError):
        a.oindex[[0], 0:6] = 1
    assert np.array_equal(np.asarray(a), data)
    found = a.oindex(outside="fill")[[30, 0, -(2**63)], [5, 4, 44], 0]
    assert found.tolist() == [[7] * 3, [data[20, 0, 3], 7, data[20, 39, 3]], [7] * 3]
    assert a.oindex(outside="fill")[99, [5, 6], 0].tolist() == [7, 7]
    with pytest.raises(bigarrays.InvalidArgumentError, match="for reading"):
        a.oindex(outside="fill")[[0], 5] = 1
    with pytest.raises(bigarrays.InvalidArgumentError, match="unknown outside"):
        a.oindex(outside="crop")  # type: ignore[arg-type]
    strict = bigarrays.open(tmp_path / "a", strict=True)
    with pytest.raises(bigarrays.OutOfBoundsError):
        strict.oindex(outside="fill")[[99], 0]
    with pytest.raises(bigarrays.OutOfBoundsError):
        strict.oindex[[0], -1:5]
    crop = bigarrays.open(tmp_path / "a", mode="r+", outside="crop")
    crop.oindex[[-1, 3, 50], 0:99, 2] = 1
    data[3, :, 2] = 1
    assert np.array_equal(np.asarray(crop), data)


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    a, data = filled(tmp_path)
    wrong: list[Any] = [np.ones((50, 40, 30), bool), [[1, 2]], [1.5], np.ones(49, bool)]
    for key in wrong:
        with pytest.raises(bigarrays.InvalidArgumentError):
            a.oindex[key]
    with pytest.raises(bigarrays.InvalidArgumentError, match="vindex"):
        a.oindex[data > 5]
    for key in (None, True):
        with pytest.raises(bigarrays.UnsupportedError):
            a.oindex[key]  # type: ignore[index]
    with pytest.raises(bigarrays.OutOfBoundsError):
        a.oindex[[0], [5], [0], [0]]
    with pytest.raises(bigarrays.OutOfBoundsError):
        a.oindex[..., ...]
    with pytest.raises(bigarrays.ReadOnlyError):
        bigarrays.open(tmp_path / "a").oindex[[0], 0, 0] = 1
