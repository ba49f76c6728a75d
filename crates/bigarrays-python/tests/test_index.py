import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bigarrays

ORIGIN = (-7, 3, -20)
SHAPE = (23, 11, 17)


class Model:
    """An array in absolute coordinates, in numpy; zero outside."""

    def __init__(self, data: NDArray[Any], origin: tuple[int, ...]) -> None:
        self.data, self.origin = data, origin

    def coordinates(self, axis: int, index: int | slice) -> list[int]:
        if isinstance(index, int):
            return [index]
        step = 1 if index.step is None else index.step
        low, high = self.origin[axis], self.origin[axis] + self.data.shape[axis]
        first, end = (low, high) if step > 0 else (high - 1, low - 1)
        return list(range(first if index.start is None else index.start, end if index.stop is None else index.stop, step))

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any:
        places = [np.array(self.coordinates(axis, index), int) - self.origin[axis] for axis, index in enumerate(key)]
        inside = [(at >= 0) & (at < length) for at, length in zip(places, self.data.shape, strict=True)]
        clipped = [np.clip(at, 0, length - 1) for at, length in zip(places, self.data.shape, strict=True)]
        shown = inside[0][:, None, None] & inside[1][:, None] & inside[2]
        out = np.where(shown, self.data[np.ix_(*clipped)], 0)
        return out[tuple(0 if isinstance(index, int) else slice(None) for index in key)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[bigarrays.Array, Model]:
    path = tmp_path_factory.mktemp("index") / "layer"
    array = bigarrays.create(path, shape=SHAPE, origin=ORIGIN, dtype="uint16", chunk_shape=(8, 4, 5))
    data = np.random.default_rng(1).integers(1, 2**16, SHAPE, np.uint16)
    array.write(ORIGIN, data)
    return array, Model(data, ORIGIN)


def random_index(rng: random.Random, low: int, high: int) -> int | slice:
    if rng.random() < 0.25:
        return rng.randrange(low, high)
    start, stop = (rng.choice([None, rng.randrange(low - 9, high + 9)]) for _ in range(2))
    step = rng.choice([None, 1, 1, 2, 3, 7, -1, -2, -5])
    first, end = (low, high) if (step or 1) > 0 else (high - 1, low - 1)
    bounds = (first if start is None else start, end if stop is None else stop)
    if (bounds[1] - bounds[0]) * (step or 1) < 0:
        stop, start = bounds
    return slice(start, stop, step)


@pytest.mark.parametrize("key", [slice(5, -3), slice(None, -9), slice(40, None), slice(0, 5, -1)])
def test_slices_that_run_against_their_step_are_refused(stored: tuple[bigarrays.Array, Model], key: slice) -> None:
    with pytest.raises(bigarrays.InvalidArgumentError, match="absolute coordinates"):
        stored[0][key]


@pytest.mark.parametrize("seed", range(200))
def test_indexing_is_that_of_numpy_in_absolute_coordinates(stored: tuple[bigarrays.Array, Model], seed: int) -> None:
    array, model = stored
    rng = random.Random(seed)
    key = tuple(random_index(rng, low, low + length) for low, length in zip(ORIGIN, SHAPE, strict=True))
    expected = model[key]
    got = array[key]
    assert got.dtype == np.uint16 and got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(array.view[key][...], expected)


def test_views_of_views_show_what_slicing_twice_would(stored: tuple[bigarrays.Array, Model]) -> None:
    array, model = stored
    view = array.view[-6:14:3, 5, ::-2]
    assert view.domain == bigarrays.Domain("-2:5,2:11")
    inner = view.view[0:4, 3:9:2]
    np.testing.assert_array_equal(inner[...], model[slice(-6, 14, 3), 5, slice(None, None, -2)][2:6, 1:7:2])
    assert view[0, 4] == view[...][2, 2] == array[0, 5, -8]
    assert inner.resolution == (3.0, 4.0)


def test_fewer_indices_ellipsis_and_domains(stored: tuple[bigarrays.Array, Model]) -> None:
    array, model = stored
    everything = slice(None)
    np.testing.assert_array_equal(array[2], model[2, everything, everything])
    np.testing.assert_array_equal(array[..., -10], model[everything, everything, -10])
    np.testing.assert_array_equal(array[0, ..., -10], model[0, everything, -10])
    np.testing.assert_array_equal(array[bigarrays.Domain("0:3,4:6,-9:0")], model[0:3, 4:6, -9:0])
    for part in array.chunk_domains("0:3,4:6,-9:0"):
        np.testing.assert_array_equal(array[part], array[part.slices])


def test_elements_are_numpy_scalars(stored: tuple[bigarrays.Array, Model]) -> None:
    array, model = stored
    for zero in (0, np.int8(0), np.uint64(0), np.array(0)):
        element = array[zero, 5, -4]
        assert type(element) is np.uint16 and element == model[0, 5, -4]
    at_least_an_array = array[0, 5, -4, ...]
    assert isinstance(at_least_an_array, np.ndarray) and at_least_an_array.shape == ()
    assert array.view[0, 5, -4][()] == element


@pytest.mark.parametrize(
    ("key", "error", "says"),
    [
        (None, bigarrays.UnsupportedError, "new axes"),
        ((0, None), bigarrays.UnsupportedError, "new axes"),
        (True, bigarrays.UnsupportedError, "boolean"),
        (np.bool_(True), bigarrays.UnsupportedError, "boolean"),
        (np.zeros(3, bool), bigarrays.UnsupportedError, "boolean"),
        ([True, False], bigarrays.UnsupportedError, "boolean"),
        ([1, 2], bigarrays.UnsupportedError, "index arrays"),
        ((0, np.array([1, 2])), bigarrays.UnsupportedError, "index arrays"),
        (1.5, TypeError, "float"),
        ("x", TypeError, "str"),
        (slice(0, 1.5), TypeError, "float"),
        ((0, 3, 0, 0), IndexError, "4 indices"),
        ((..., 0, ...), IndexError, "ellipsis"),
        (16, IndexError, "-7:16"),
        (2**70, IndexError, "range of coordinates"),
        (slice(None, 2**70), IndexError, "range of coordinates"),
        (slice(0, 3, 0), ValueError, "zero"),
    ],
)
def test_what_is_no_index_is_refused(
    stored: tuple[bigarrays.Array, Model], key: Any, error: type[Exception], says: str
) -> None:
    array, _ = stored
    read: list[Callable[[], object]] = [lambda: array[key], lambda: array.view[key]]
    for attempt in read:
        with pytest.raises(error, match=says):
            attempt()
