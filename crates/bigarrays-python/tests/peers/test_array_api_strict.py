"""bigarrays.array_api beside array-api-strict, which has what the standard says, and nothing else."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from numpy.typing import NDArray

import bigarrays.array_api as xp

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
REALS = ["float32", "float64"]
ODD = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, np.nan, np.inf, -np.inf]

#: What the standard has and the namespace has not.
ABSENT = {"complex64", "complex128", "linalg", "fft"}
#: What array-api-strict has of its own.
FLAGS = {"set_array_api_strict_flags", "get_array_api_strict_flags", "reset_array_api_strict_flags", "ArrayAPIStrictFlags"}
FLAGS |= {"__version__", "Device"}


def elements(dtype: str, shape: tuple[int, ...] = (3, 4)) -> NDArray[Any]:
    rng = np.random.default_rng([*dtype.encode(), *shape])
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in REALS:
        return np.where(rng.random(shape) < 0.4, rng.choice(ODD, shape), rng.normal(size=shape)).astype(dtype)
    return rng.integers(0 if dtype[0] == "u" else -9, 10, shape).astype(dtype)


def same(found: Any, expected: Any, tolerance: float = 0) -> None:
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other, tolerance)
        return
    wanted = np.asarray(expected)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    elements = np.asarray(found)
    np.testing.assert_allclose(elements, wanted, rtol=tolerance, atol=0)
    if not tolerance and wanted.dtype.kind == "f":
        numbers = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(elements[numbers]), np.signbit(wanted[numbers]))


def both(call: Callable[..., Any], *values: NDArray[Any], tolerance: float = 0) -> None:
    """Has both do the same with the same elements."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = call(strict, *(strict.asarray(one) for one in values))
    same(call(xp, *(xp.asarray(one) for one in values)), expected, tolerance)


def test_names_are_those_of_the_standard() -> None:
    assert set(strict.__all__) - FLAGS - ABSENT == set(xp.__all__)


def test_parameters_are_those_of_the_standard() -> None:
    for name in xp.__all__:
        expected, found = getattr(strict, name), getattr(xp, name)
        if inspect.isfunction(expected):
            wanted = inspect.signature(expected).parameters.values()
            own = inspect.signature(found).parameters.values()
            assert [(one.name, one.kind) for one in own] == [(one.name, one.kind) for one in wanted], name


def takes(name: str, dtype: str, count: int) -> bool:
    with np.errstate(all="ignore"):
        try:
            getattr(strict, name)(*[strict.asarray(np.ones(2, dtype))] * count)
        except TypeError:
            return False
    return True


ONE = "abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor isfinite isinf isnan log log10 "
ONE += "log1p log2 logical_not negative positive reciprocal round sign signbit sin sinh sqrt square tan tanh trunc"
TWO = "add atan2 bitwise_and bitwise_or bitwise_xor copysign divide equal floor_divide greater greater_equal hypot less "
TWO += "less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract"
#: Functions that IEEE 754 does not fix.
LOOSE = set("acos acosh asin asinh atan atanh atan2 cos cosh exp expm1 hypot log log10 log1p log2 logaddexp pow sin".split())
LOOSE |= set("sinh tan tanh".split())


@pytest.mark.parametrize("name", ONE.split())
def test_functions_of_one(name: str) -> None:
    for dtype in ["bool", *INTEGERS, *REALS]:
        if takes(name, dtype, 1):
            both(lambda m, x: getattr(m, name)(x), elements(dtype), tolerance=1e-6 if name in LOOSE else 0)


@pytest.mark.parametrize("name", TWO.split())
def test_functions_of_two(name: str) -> None:
    for dtype in ["bool", *INTEGERS, *REALS]:
        if takes(name, dtype, 2):
            x, y = elements(dtype), elements(dtype, (4,))
            if name == "floor_divide":
                # array-api-strict gives what NumPy does where elements are infinite, which is not what the standard says.
                x, y = np.nan_to_num(x, posinf=7, neginf=-7), np.nan_to_num(y, posinf=7, neginf=-7)
            if dtype in INTEGERS and name in ("pow", "floor_divide", "remainder"):
                # Negative powers and divisions by zero are whatever an implementation makes of them.
                y = np.abs(y) + np.ones((), dtype)
            both(lambda m, x, y: getattr(m, name)(x, y), x, y, tolerance=1e-6 if name in LOOSE else 0)


@pytest.mark.parametrize("name", ["bitwise_left_shift", "bitwise_right_shift"])
def test_shifts(name: str) -> None:
    for dtype in INTEGERS:
        both(lambda m, x, y: getattr(m, name)(x, y), elements(dtype), np.arange(2, 6).astype(dtype))


@pytest.mark.parametrize("one", ["bool", *INTEGERS, *REALS])
def test_types_are_promoted_alike(one: str) -> None:
    for other in ["bool", *INTEGERS, *REALS]:
        try:
            expected = strict.result_type(getattr(strict, one), getattr(strict, other))
        except TypeError:
            continue
        assert xp.result_type(getattr(xp, one), getattr(xp, other)) == np.dtype(str(expected).split(".")[-1])
        both(lambda m, x, y: m.where(m.astype(x, m.bool), x, y), elements(one), elements(other))


REDUCTIONS = ["sum", "prod", "mean", "min", "max", "var", "std", "all", "any", "count_nonzero"]


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), ()])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, axis: Any) -> None:
    for dtype in ["bool", *INTEGERS, *REALS]:
        for keepdims in (False, True):
            if takes(name, dtype, 1):
                values = elements(dtype)
                if name in ("sum", "prod", "mean", "var", "std"):
                    values = np.nan_to_num(values, posinf=7, neginf=-7)
                call = lambda m, x: getattr(m, name)(x, axis=axis, keepdims=keepdims)  # noqa: E731
                # Of two zeros, the least may be either.
                both(call, values, tolerance=1e-5 if dtype in REALS else 0)


CALLS: list[Callable[[Any, Any], Any]] = [
    lambda m, x: m.argmin(m.abs(x)),
    lambda m, x: m.argmax(x, axis=1, keepdims=True),
    lambda m, x: m.sum(x, dtype=m.int8 if x.dtype in (m.int8, m.int16) else x.dtype),
    lambda m, x: m.var(m.astype(x, m.float64), correction=1.5),
    lambda m, x: m.std(m.astype(x, m.float64), axis=0, correction=2),
    lambda m, x: m.nonzero(x),
    lambda m, x: m.searchsorted(m.sort(m.reshape(x, (-1,))), x, side="right"),
    lambda m, x: m.argsort(x, descending=True),
    lambda m, x: m.sort(x, axis=0),
    lambda m, x: m.diff(x, axis=0, n=2),
    lambda m, x: m.diff(x, prepend=m.zeros((3, 1), dtype=x.dtype), append=m.ones((3, 2), dtype=x.dtype)),
    lambda m, x: m.clip(x, 1, 3),
    lambda m, x: m.clip(x, None, m.asarray([1, 2, 3, 4], dtype=x.dtype)),
    lambda m, x: m.take(x, m.asarray([2, -1, 0]), axis=0),
    lambda m, x: m.take_along_axis(x, m.asarray([[3, -1], [0, 0], [1, 2]]), axis=1),
    lambda m, x: m.concat([x, x[:1, ...], m.ones((2, 4), dtype=x.dtype)], axis=0),
    lambda m, x: m.concat([x, x[1:, ...]], axis=None),
    lambda m, x: m.stack([x, x], axis=-1),
    lambda m, x: m.unstack(x, axis=1),
    lambda m, x: m.broadcast_arrays(x, m.ones((2, 1, 1))),
    lambda m, x: m.expand_dims(x, axis=(0, -1)),
    lambda m, x: m.squeeze(m.expand_dims(x, axis=(0, 2)), axis=(0, -2)),
    lambda m, x: m.flip(x),
    lambda m, x: m.flip(x, axis=-1),
    lambda m, x: m.moveaxis(m.ones((2, 1, 3)) * m.astype(x[0, 0], m.float64), (0, -1), (1, 0)),
    lambda m, x: m.permute_dims(x, (1, 0)),
    lambda m, x: m.matrix_transpose(x),
    lambda m, x: m.roll(x, 5),
    lambda m, x: m.roll(x, (1, -1), axis=(0, 1)),
    lambda m, x: m.roll(x, 1, axis=(0, 1)),
    lambda m, x: m.tile(x, (2, 1, 3)),
    lambda m, x: m.tile(x, (2,)),
    lambda m, x: m.tile(x, (0, 2)),
    lambda m, x: m.repeat(x, 2),
    lambda m, x: m.repeat(x, m.asarray([1, 0, 2]), axis=0),
    lambda m, x: m.reshape(x, (1, 3, -1, 1)),
    lambda m, x: m.reshape(x, (2, 6)),
    lambda m, x: m.tril(x, k=1),
    lambda m, x: m.triu(x),
    lambda m, x: m.meshgrid(x[0, :], x[:, 1], x[1, :]),
    lambda m, x: m.meshgrid(x[0, :], x[:, 1], indexing="ij"),
    lambda m, x: m.full_like(x, 3),
    lambda m, x: m.zeros_like(x, dtype=m.float32),
    lambda m, x: m.ones_like(x),
    lambda m, x: m.astype(x, m.bool),
    lambda m, x: m.astype(x, m.float32),
    lambda m, x: (x + 1, 2 * x, x / 3 if m.isdtype(x.dtype, "real floating") else x // 3, x**2, -x, abs(x), x == 1, x < 2),
    lambda m, x: (x[1, ::-2], x[..., None, 2], x[0, 0], x[:, 4:], x[m.asarray([2, 0]), m.asarray([1, 1])]),
]


@pytest.mark.parametrize("call", CALLS, ids=[str(number) for number in range(len(CALLS))])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64"])
def test_calls(dtype: str, call: Callable[[Any, Any], Any]) -> None:
    both(call, np.abs(elements("int64")).astype(dtype), tolerance=1e-12)


MADE: list[Callable[[Any], Any]] = [
    lambda m: m.arange(5),
    lambda m: m.arange(1, 7.5, 2),
    lambda m: m.arange(5, 0, -2, dtype=m.int16),
    lambda m: m.linspace(-1, 2, 7),
    lambda m: m.linspace(0, 1, 4, endpoint=False, dtype=m.float32),
    lambda m: m.eye(3),
    lambda m: m.eye(2, 4, k=-1, dtype=m.int8),
    lambda m: (m.zeros(3), m.ones((2, 2), dtype=m.uint8), m.full((2,), True), m.full((), 7), m.full(2, 1.5)),
    lambda m: (m.asarray(3), m.asarray([1.5, 2]), m.asarray([[True], [False]]), m.asarray([1, 2], dtype=m.float32)),
    lambda m: m.broadcast_to(m.asarray([[1], [2]]), (3, 2, 2)),
]


@pytest.mark.parametrize("make", MADE, ids=[str(number) for number in range(len(MADE))])
def test_made_arrays(make: Callable[[Any], Any]) -> None:
    with np.errstate(all="ignore"):
        same(make(xp), make(strict))


def test_limits_of_types() -> None:
    for name in REALS:
        found, expected = xp.finfo(getattr(xp, name)), strict.finfo(getattr(strict, name))
        for field in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(found, field) == getattr(expected, field)
    for name in INTEGERS:
        whole, wanted = xp.iinfo(getattr(xp, name)), strict.iinfo(getattr(strict, name))
        assert (whole.bits, whole.max, whole.min) == (wanted.bits, wanted.max, wanted.min)
