"""The array API of expressions: what is lazy, what is computed at once, and what is refused. Values are peers' matter."""

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import bigarrays as ba
from bigarrays import array_api as xp

#: 80 GB that nobody has.
LARGE = xp.zeros((100_000, 100_000))


def test_the_namespace_of_an_expression_is_this_one() -> None:
    x = ba.lazy([1, 2])
    assert x.__array_namespace__() is xp and x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match="known are"):
        x.__array_namespace__(api_version="2019.12")


def test_the_namespace_is_there_when_it_is_asked_for() -> None:
    code = "import bigarrays, sys; assert 'bigarrays.array_api' not in sys.modules; bigarrays.lazy([1]).__array_namespace__()"
    subprocess.run([sys.executable, "-c", code], check=True)


LAZY: list[Callable[[Any], Any]] = [
    lambda x: xp.reshape(x, (1, *x.shape, 1)),
    lambda x: xp.squeeze(xp.reshape(x, (100_000, 1, -1)), 1),
    lambda x: xp.roll(x, 7, axis=1),
    lambda x: xp.flip(x),
    lambda x: xp.tile(x, (2, 3)),
    lambda x: xp.moveaxis(x, 0, 1),
    lambda x: xp.concat([x, x], axis=1),
    lambda x: xp.stack([x, x]),
    lambda x: xp.repeat(x, 2, axis=0),
    lambda x: xp.take(x, xp.asarray([5, -1]), axis=1),
    lambda x: xp.tril(x, k=3),
    lambda x: xp.eye(100_000),
    lambda x: xp.broadcast_arrays(x, x[:, :1])[1],
    lambda x: xp.diff(x, n=2),
    lambda x: xp.var(x, correction=1, axis=0),
    lambda x: xp.where(xp.isnan(x), 0, xp.clip(x, 0, 1)),
    lambda x: xp.ones_like(x) + xp.full_like(x, 3),
    lambda x: xp.meshgrid(x[0], x[:, 0])[0],
]


@pytest.mark.parametrize("call", LAZY, ids=[str(number) for number in range(len(LAZY))])
def test_what_can_be_lazy_is(call: Callable[[Any], Any]) -> None:
    found = call(LARGE)
    assert isinstance(found, ba.Lazy)
    assert np.asarray(found[(-1,) * found.ndim]).shape == ()


AT_ONCE: list[Callable[[Any], Any]] = [
    lambda x: xp.reshape(x, (-1,)),
    lambda x: xp.concat([x, x], axis=None),
    lambda x: xp.roll(x, 1),
    lambda x: xp.repeat(x, 2),
    lambda x: xp.nonzero(x),
    lambda x: xp.sort(x),
    lambda x: xp.argsort(x),
    lambda x: xp.searchsorted(xp.asarray([1.0]), x),
    lambda x: xp.take_along_axis(x, xp.asarray([[0]])),
    lambda x: xp.asarray(np.asarray(x)),
    lambda x: x[xp.asarray([0, 1]), xp.asarray([0, 1])],
    lambda x: np.from_dlpack(x),
]


@pytest.mark.parametrize("call", AT_ONCE, ids=[str(number) for number in range(len(AT_ONCE))])
def test_what_cannot_be_lazy_is_refused_above_a_size(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ba.InvalidArgumentError, match=r"80000000000 bytes, and would be computed unasked; call compute\(\)"):
        call(LARGE)


def test_what_would_be_held_in_memory_is_refused_above_a_size() -> None:
    with pytest.raises(ba.InvalidArgumentError, match="8000000000 bytes"):
        xp.arange(10**9)
    with pytest.raises(ba.InvalidArgumentError, match="8000000000 bytes"):
        xp.linspace(0, 1, 10**9)


def test_absolute_coordinates_are_refused() -> None:
    a = ba.create("memory://array-api/absolute", shape=(8,), dtype="int16", format="zarr3").translate((-3,))
    for x in (a.lazy, a):
        with pytest.raises(TypeError, match="positional|no array"):
            xp.sum(x)  # type: ignore[arg-type]
    assert int(xp.sum(a.lazy.positional)) == 0


ERRORS: list[tuple[type[Exception], Callable[[ModuleType], Any]]] = [
    (TypeError, lambda m: m.add(1, 2)),
    (TypeError, lambda m: m.where(m.asarray(True), 1, 2)),
    (TypeError, lambda m: m.sin([1.0])),
    (TypeError, lambda m: m.asarray(1j)),
    (TypeError, lambda m: m.asarray("a")),
    (OverflowError, lambda m: m.asarray(2**63)),
    (OverflowError, lambda m: m.asarray([2**70])),
    (OverflowError, lambda m: m.asarray(300, dtype=m.uint8)),
    (ValueError, lambda m: m.asarray([1], copy=False)),
    (ValueError, lambda m: m.zeros(2, device="cuda")),
    (ValueError, lambda m: m.zeros((-1,))),
    (ValueError, lambda m: m.reshape(m.zeros((2, 3)), (4, -1))),
    (ValueError, lambda m: m.reshape(m.zeros((2, 3)), (-1, -1))),
    (ValueError, lambda m: m.reshape(m.zeros((2, 3)), (3, 2), copy=False)),
    (ValueError, lambda m: m.permute_dims(m.zeros((2, 3)), ())),
    (ValueError, lambda m: m.permute_dims(m.zeros((2, 3)), (0, 0))),
    (IndexError, lambda m: m.expand_dims(m.zeros(3), 2)),
    (IndexError, lambda m: m.sum(m.zeros(3), axis=1)),
    (ValueError, lambda m: m.squeeze(m.zeros((2, 1)), 0)),
    (ValueError, lambda m: m.sum(m.zeros((2, 2)), axis=(0, 0))),
    (ValueError, lambda m: m.max(m.zeros(0))),
    (IndexError, lambda m: m.take(m.zeros(3), m.asarray([3]))),
    (TypeError, lambda m: m.take(m.zeros((3, 3)), m.asarray([0]))),
    (ValueError, lambda m: m.broadcast_to(m.zeros(3), (2,))),
    (ValueError, lambda m: m.broadcast_shapes((2,), (3,))),
    (ValueError, lambda m: m.isdtype(m.int8, "number")),
    (ValueError, lambda m: m.result_type(1, 2.0)),
    (ValueError, lambda m: m.concat([])),
    (ValueError, lambda m: m.meshgrid(m.zeros((2, 2)))),
    (ValueError, lambda m: m.diff(m.zeros(3), n=-1)),
    (ValueError, lambda m: m.nonzero(m.asarray(1))),
    (TypeError, lambda m: m.conj(m.asarray(True))),
]


@pytest.mark.parametrize(("error", "call"), ERRORS, ids=[str(number) for number in range(len(ERRORS))])
def test_mistakes_are_errors_at_once(error: type[Exception], call: Callable[[ModuleType], Any]) -> None:
    with pytest.raises(error):
        call(xp)


def test_sums_wrap_in_the_type_that_is_asked_for() -> None:
    x = xp.asarray([-1, 100, 100], dtype=xp.int8)
    assert xp.sum(x, dtype=xp.uint8).compute() == 199 and xp.sum(x, dtype=xp.uint64).compute() == 199
    assert xp.sum(-x, dtype=xp.int8).compute() == 57 and xp.sum(x[:1], axis=(), dtype=xp.uint16).compute() == 65535
    assert xp.prod(x, dtype=xp.uint8).compute() == -10000 % 256
    assert xp.sum(x, dtype=xp.float32).dtype == xp.float32


def test_diagonals_may_be_anywhere() -> None:
    for k in (-(2**70), 2**63, -3, 4):
        assert not xp.any(xp.eye(2, 3, k=k))
    assert xp.all(xp.tril(xp.ones((2, 2)), k=2**63))


def test_positions_are_those_of_numpy() -> None:
    a = np.arange(120).reshape(3, 4, 2, 5)
    x = ba.lazy(a)
    keys: list[Any] = [
        (0, slice(None), [1, 0]),
        (slice(None), [2, 1], 0),
        ([1, -1], slice(1), ..., -2),
        (0, None, [1, 2]),
        ([0, 1], [2, 3]),
        np.array([[0, -1], [2, 1]]),
        ([[0], [1]], 2, [0, 1], np.array([3])),
    ]
    for key in keys:
        np.testing.assert_array_equal(x[key].compute(), a[key])
    assert x[ba.lazy([2, 0]), ba.lazy(1)].shape == (2, 2, 5)
    with pytest.raises(ba.InvalidArgumentError, match="one list of positions at a time"):
        x[[0, 1], :, [0, 1]]


def test_names_are_given_again_by_operators_in_place() -> None:
    first = x = ba.lazy([1, 2])
    x += 1
    x *= 2
    np.testing.assert_array_equal(x, [4, 6])
    np.testing.assert_array_equal(first, [1, 2])


def test_elements_go_to_others_by_dlpack() -> None:
    x = ba.lazy(np.arange(3.0)) + 1
    np.testing.assert_array_equal(np.from_dlpack(x), [1, 2, 3])
    np.testing.assert_array_equal(xp.from_dlpack(np.arange(3)), [0, 1, 2])
    with pytest.raises(BufferError):
        x.__dlpack__(copy=False)


def test_floor_division_of_infinities_is_that_of_the_standard() -> None:
    inf = float("inf")
    found = xp.floor_divide(xp.asarray([inf, -inf, 5.0, -5.0]), xp.asarray([2.0, 2.0, -inf, inf])).compute()
    np.testing.assert_array_equal(found, [inf, -inf, 0, 0])
    assert np.signbit(found).tolist() == [False, True, True, True]
    np.testing.assert_array_equal(xp.floor_divide(xp.asarray([7, -7]), 2), [3, -4])


def test_the_namespace_says_what_it_has() -> None:
    info = xp.__array_namespace_info__()
    assert info.default_dtypes() == {"real floating": xp.float64, "integral": xp.int64, "indexing": xp.int64}
    assert list(info.dtypes(kind=("bool", "unsigned integer"))) == ["bool", "uint8", "uint16", "uint32", "uint64"]
    assert info.dtypes(kind="complex floating") == {} and len(info.dtypes()) == 11
    assert info.devices() == ("cpu",) == (info.default_device(),)
    assert info.capabilities()["boolean indexing"] is False
