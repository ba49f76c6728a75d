"""Interpolation, regridding and products, compared with NumPy and scipy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse  # type: ignore[import-untyped]
from test_windows import NAMES, REAL, WHOLE, close, computed, elements, stored

import bigarrays as ba


@pytest.mark.parametrize("seed", range(20))
def test_interpolation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(length) for length in rng.integers(1, 14, size=rng.integers(1, 4))]
    axis = int(rng.integers(0, len(shape)))
    values = elements(rng, shape, rng.choice([*REAL, "int16"]), nans=0)
    lazy = stored(rng, values).lazy
    of = np.cumsum(rng.random(shape[axis]) + 0.1)
    places = np.concatenate([rng.random(int(rng.integers(0, 30))) * (of[-1] + 1), of[:2]])
    wide = np.moveaxis(values.astype("float64"), axis, -1)
    inside = (places >= of[0]) & (places <= of[-1])
    flat = np.stack([np.interp(places, of, line) for line in wide.reshape(-1, shape[axis])]).reshape(*wide.shape[:-1], -1)
    linear = np.moveaxis(flat, -1, axis)
    mask = np.moveaxis(np.broadcast_to(inside, flat.shape), -1, axis)
    for direction in [1, -1]:
        given = lazy if direction == 1 else lazy[tuple(slice(None, None, -1) if at == axis else slice(None) for at in range(len(shape)))]
        found = given.interpolate(places, NAMES[axis], of=of[::direction])
        close(computed(found), np.where(mask, linear, np.nan))
        assert list(found.domain.shape)[axis] == len(places)
    close(computed(lazy.interpolate(places, axis, of=of, outside="nearest")), linear)
    distance = np.abs(places[:, None] - of)
    nearest = np.take(values, distance.argmin(axis=1), axis=axis)
    kept = computed(lazy.interpolate(places, axis, of=of, method="nearest", outside="nearest"))
    assert kept.dtype == values.dtype
    np.testing.assert_array_equal(kept, nearest)
    close(computed(lazy.interpolate(places, axis, of=of, method="nearest")), np.where(mask, nearest.astype("float64"), np.nan))
    first = lazy.domain.origin[axis]
    np.testing.assert_array_equal(computed(lazy.interpolate([first], axis)), np.take(values, [0], axis=axis))


@pytest.mark.parametrize("seed", range(12))
def test_regridding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = elements(rng, [int(length) for length in rng.integers(1, 9, size=4)], rng.choice([*REAL, "int16"]), nans=0)
    lazy = stored(rng, values).lazy
    axes = [int(axis) for axis in rng.permutation(4)[: int(rng.integers(1, 4))]]
    shape = [int(length) for length in rng.integers(1, 6, size=rng.integers(1, 3))]
    columns = int(np.prod([values.shape[axis] for axis in axes]))
    matrix = sparse.random(int(np.prod(shape)), columns, density=0.4, random_state=seed, format="csr")
    others = [axis for axis in range(4) if axis not in axes]
    flat = values.astype("float64").transpose(*others, *axes).reshape(-1, columns)
    expected = (matrix @ flat.T).T.reshape(*[values.shape[axis] for axis in others], *shape)
    empty = (np.diff(matrix.indptr) == 0).reshape(shape)
    found = lazy.regrid(matrix, [NAMES[axis] for axis in axes], shape)
    close(computed(found), np.where(empty, np.nan, expected))
    with pytest.raises(ba.InvalidArgumentError, match="beyond|an entry"):
        lazy.regrid(([0], [columns], [1.0]), axes, shape)


@pytest.mark.parametrize("seed", range(20))
def test_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [*REAL, *WHOLE]
    lengths = [int(length) for length in rng.integers(1, 9, size=6)]
    deep = int(rng.choice([1, 5, 300]))
    one = elements(rng, [lengths[0], deep, lengths[1], lengths[2]], rng.choice(kinds), nans=0)
    two = elements(rng, [lengths[2], lengths[3], deep], rng.choice(kinds), nans=0)
    both = [stored(rng, values) for values in (one, two)]
    a = both[0].lazy.translate([-at for at in both[0].lazy.domain.origin]).rename([None] * 4)
    b = both[1].lazy.translate([-at for at in both[1].lazy.domain.origin]).rename([None] * 3)
    wide = [values.astype("float64") if values.dtype.kind == "f" else values for values in (one, two)]
    choices: list[Any] = [([1], [2]), ([3, 1], [0, 2]), *([0] if one.size * two.size < 100_000 else [])]
    for axes in choices:
        expected: Any = np.tensordot(one, two, axes)
        found = computed(ba.tensordot(a, b, axes))
        assert found.dtype == expected.dtype
        if expected.dtype.kind == "f":
            close(found, np.tensordot(wide[0], wide[1], axes))
        else:
            np.testing.assert_array_equal(found, expected)
    matrix, vector = rng.normal(size=(30, 7)), rng.normal(size=7)
    left = stored(rng, matrix).lazy.positional
    close(computed(ba.matmul(left, matrix.T)), matrix @ matrix.T)
    close(computed(np.matmul(left, vector)), matrix @ vector)
    close(computed(left @ vector), matrix @ vector)
    close(computed(ba.matmul(vector, left.T)), vector @ matrix.T)
    close(computed(ba.tensordot(left, left)), np.tensordot(matrix, matrix))
    stack = rng.integers(0, 100, size=(3, 1, 4, 5)).astype("uint8")
    other = rng.integers(0, 100, size=(2, 5, 6)).astype("uint8")
    np.testing.assert_array_equal(ba.matmul(stack, other).compute(), stack @ other)


def test_outer_products_lie_where_both_do() -> None:
    a = ba.create("memory://geometry/outer", shape=(1, 3), dtype="int16", format="zarr3")
    b = ba.create("memory://geometry/outer/b", shape=(1,), dtype="int16", format="zarr3")
    a[...], b[...] = np.array([[3, 9, 4]], "int16"), np.int16(2)
    made = ba.tensordot(a.translate((3, -2)), b.translate((-7,)), axes=0)
    assert str(made.domain) == "3:4,-2:1,-7:-6"
    np.testing.assert_array_equal(made.compute(), [[[6], [18], [8]]])


def test_mistakes() -> None:
    x = ba.lazy(np.ones((4, 5)))
    mistakes: list[tuple[Callable[[], Any], str]] = [
        (lambda: ba.tensordot(x, x, 1), "do not agree"),
        (lambda: ba.tensordot(x, x, 3), "axes=3"),
        (lambda: ba.tensordot(ba.lazy(np.ones((2, 4, 5))), np.ones((4, 5)), 3), "axes=3"),
        (lambda: ba.matmul(x, 2), "multiply"),
        (lambda: x.interpolate([1.0], 0, of=[1, 2, 2, 3]), "ascend"),
        (lambda: x.interpolate([1.0], 0, of=[1, 2]), "2 places"),
        (lambda: x.interpolate([1.0], 0, method="cubic"), "known are nearest and linear"),
    ]
    for wrong, match in mistakes:
        with pytest.raises(ba.InvalidArgumentError, match=match):
            wrong()
