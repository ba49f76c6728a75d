"""Lazy computation, compared with NumPy's."""

import json
import pickle
import re
import signal
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

import bigarrays as ba

TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
ODD = [0.0, -0.0, 1.0, -1.0, 0.5, np.nan, np.inf, -np.inf, 3e38, 1e-40]

counter = iter(range(10**9))


def elements(rng: np.random.Generator, shape: list[int], dtype: DTypeLike) -> NDArray[Any]:
    dtype = np.dtype(dtype)
    if dtype == np.dtype(bool):
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            made = rng.normal(size=shape).astype(dtype)
            odd = rng.choice(ODD, size=shape).astype(dtype)
        return np.where(rng.random(shape) < 0.2, odd, made)
    info = np.iinfo(dtype)
    small = rng.integers(0 if info.min == 0 else -4, 5, size=shape).astype(dtype)
    large = rng.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.3, large, small)


def stored(values: NDArray[Any], chunk: Sequence[int], origin: Sequence[int]) -> ba.Array:
    name = f"memory://lazy/{next(counter)}"
    array = ba.create(name, shape=values.shape, dtype=values.dtype, chunk_shape=chunk, format="zarr3")
    if values.size:
        array[...] = values
    return array.translate(origin)


def same(found: Any, expected: Any) -> None:
    """To the bit, but for which NaN it is."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype and found.shape == expected.shape, (found.dtype, expected.dtype, found.shape)
    if found.dtype.kind == "f":
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(found), nan)
        unsigned = f"u{found.dtype.itemsize}"
        np.testing.assert_array_equal(found.view(unsigned)[~nan], expected.view(unsigned)[~nan])
    else:
        np.testing.assert_array_equal(found, expected)


def operands(
    rng: np.random.Generator, count: int = 2, types: Sequence[str] = TYPES
) -> list[tuple[NDArray[Any], ba.Array]]:
    """Arrays in memory, and the same stored at some place, which broadcast."""
    ndim = int(rng.integers(1, 4))
    shape = rng.integers(1, 10, size=ndim).tolist()
    origin = rng.integers(-9, 10, size=ndim).tolist()
    made = []
    for _ in range(count):
        own = [1 if rng.integers(0, 6) == 0 else length for length in shape][int(rng.integers(0, ndim)) :]
        values = elements(rng, own, rng.choice(types))
        chunk = [int(rng.integers(1, length + 1)) for length in own]
        made.append((values, stored(values, chunk, origin[ndim - len(own) :])))
    return made


BINARY = ["add", "subtract", "multiply", "divide", "floor_divide", "remainder", "maximum", "minimum", "fmax", "fmin"]
BINARY += ["copysign"]
COMPARE = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
BITS = ["logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"]


def numpy_of(function: Callable[..., Any], *values: Any) -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*values)


@pytest.mark.parametrize("name", BINARY + COMPARE + BITS)
@pytest.mark.parametrize("seed", range(12))
def test_binary_functions_are_those_of_numpy(seed: int, name: str) -> None:
    function = getattr(np, name)
    (a, x), (b, y) = operands(np.random.default_rng(seed))
    try:
        expected = numpy_of(function, a, b)
    except TypeError:
        with pytest.raises((TypeError, ba.Error)):
            function(x.lazy, y.lazy)
        return
    found = function(x.lazy, y.lazy)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if name in ("left_shift", "right_shift") and found.dtype.kind in "iu":
        # NumPy leaves shifts by negative numbers to the machine.
        bits = 8 * found.dtype.itemsize
        wanted = (b.astype(object) >= 0) & np.ones(expected.shape, bool)
        np.testing.assert_array_equal(np.asarray(found)[wanted], expected[wanted])
        assert bits
        return
    if found.dtype.kind == "f" and name in ("floor_divide", "remainder", "maximum", "minimum", "fmax", "fmin"):
        # Which zero, and the last bit of a remainder in another precision, is not fixed.
        np.testing.assert_array_equal(np.asarray(found), expected)
        return
    same(found, expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_quotients_and_remainders_are_those_of_numpy_with_their_signs(dtype: str) -> None:
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 3, -3, 2.5, -7.25, 0.1, 0.3, 1e-7, 6e4, 1e30, 1e300, 5e-324]
    with np.errstate(all="ignore"):
        rng = np.random.default_rng(5)
        values = np.concatenate([special, rng.normal(size=30), rng.integers(-50, 50, 30) / 8]).astype(dtype)
        a, b = (of.ravel() for of in np.meshgrid(values, values))
        pairs = [(a // b, ba.lazy(a) // b), (a % b, ba.lazy(a) % ba.lazy(b))]
        pairs += list(zip(np.divmod(a, b), divmod(ba.lazy(a), b), strict=True))
        pairs += list(zip(np.divmod(b, a), np.divmod(b, ba.lazy(a)), strict=True))
        pairs += list(zip(divmod(3, a), divmod(3, ba.lazy(a)), strict=True))
    for expected, found in pairs:
        same(found.compute(), expected)


UNARY = ["negative", "positive", "absolute", "sign", "square", "sqrt", "floor", "ceil", "trunc", "rint", "isnan"]
UNARY += ["isfinite", "isinf", "logical_not", "invert", "signbit"]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", TYPES)
def test_functions_of_one_operand_are_those_of_numpy(dtype: str, name: str) -> None:
    function, [(a, x)] = getattr(np, name), operands(np.random.default_rng(7), 1, [dtype])
    try:
        expected = numpy_of(function, a)
    except TypeError:
        with pytest.raises((TypeError, ba.Error)):
            function(x.lazy)
        return
    same(function(x.lazy), expected)


@pytest.mark.parametrize("name", ["hypot", "arctan2", "logaddexp", "copysign", "divide"])
def test_types_of_real_functions_are_those_of_numpy(name: str) -> None:
    function = getattr(np, name)
    for one in TYPES:
        for other in TYPES:
            expected = numpy_of(function, np.ones(1, one), np.ones(1, other))
            assert function(ba.lazy(np.ones(1, one)), ba.lazy(np.ones(1, other))).dtype == expected.dtype, (one, other)


@pytest.mark.parametrize("name", ["sum", "prod", "any", "all", "count_nonzero"])
@pytest.mark.parametrize("dtype", TYPES)
def test_reductions_of_nothing_are_those_of_numpy(dtype: str, name: str) -> None:
    a = np.zeros((2, 0), dtype)
    for axis in (None, 1):
        same(getattr(ba.lazy(a), name)(axis), getattr(np, name)(a, axis))


@pytest.mark.parametrize("exponent", ["bool", "int8", "uint8", "int32", "uint32", "int64"])
@pytest.mark.parametrize("base", ["bool", "int8", "uint8", "int64"])
def test_powers_of_integers_are_those_of_numpy(base: str, exponent: str) -> None:
    a, b = np.arange(4).astype(base), np.array([0, 1, 2, 5]).astype(exponent)
    same(ba.lazy(a) ** ba.lazy(b), a**b)
    if exponent[0] == "i":
        with pytest.raises(ValueError, match="-1"):
            (ba.lazy(a) ** ba.lazy(-np.ones(4, exponent))).compute()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neighbours_are_those_of_numpy(dtype: str) -> None:
    a = np.array([*ODD, np.finfo(dtype).max], dtype)
    b = a[:, np.newaxis]
    same(np.nextafter(ba.lazy(a), ba.lazy(b)), numpy_of(np.nextafter, a, b))


def test_neighbours_of_a_type_that_is_not_computed_in_are_refused() -> None:
    with pytest.raises(TypeError, match="nextafter of float16"):
        np.nextafter(ba.lazy(np.ones(2, "float16")), 0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sums_of_exponentials_are_those_of_numpy(dtype: str) -> None:
    with np.errstate(over="ignore"):
        a = np.array([*ODD, 700, 710, -745, 11], dtype)
    b = a[:, np.newaxis]
    found, expected = np.asarray(np.logaddexp(ba.lazy(a), ba.lazy(b))), numpy_of(np.logaddexp, a, b)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=4 * float(np.finfo(dtype).eps))


TRANSCENDENTAL = ["exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin", "arccos", "arctan"]
TRANSCENDENTAL += ["sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "cbrt", "exp2"]


@pytest.mark.parametrize("name", TRANSCENDENTAL)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16"])
def test_transcendental_functions_are_within_two_units(name: str, dtype: str) -> None:
    a = np.linspace(-3, 3, 241).astype(dtype)
    expected = numpy_of(getattr(np, name), a)
    found = np.asarray(getattr(np, name)(ba.lazy(a)))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    finite = np.isfinite(expected)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.maximum(np.abs(expected[finite]), np.finfo(expected.dtype).tiny))
    assert (np.abs(found[finite] - expected[finite]) <= 4 * unit).all()


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "min", "max", "any", "all", "count_nonzero"])
@pytest.mark.parametrize("seed", range(30))
def test_reductions_are_those_of_numpy_in_float64(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    [(a, x)] = operands(rng, 1)
    axes = np.flatnonzero(rng.random(a.ndim) < 0.6).tolist()
    axis = tuple(axes) or None
    found = getattr(x.lazy, name)(axis=axis)
    wide = a.astype("float64") if a.dtype.kind == "f" else a
    with np.errstate(all="ignore"):
        expected = numpy_of(lambda: np.asarray(getattr(np, name)(wide, axis=axis)))
        if a.dtype.kind == "f" and name in ("sum", "prod", "mean", "min", "max"):
            expected = expected.astype(a.dtype)
    budget = rng.choice([0, 1 << 20, 1 << 21])
    result = found.compute(memory=int(budget) or None)
    assert result.dtype == expected.dtype == found.dtype and result.shape == expected.shape
    if result.dtype.kind == "f":
        exact = np.isfinite(expected)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        tolerance = {"e": 2e-3, "f": 2e-7, "d": 1e-13}[result.dtype.char]
        size = np.maximum(np.abs(expected[exact]), np.asarray(np.nansum(np.abs(wide[np.isfinite(wide)]))))
        with np.errstate(all="ignore"):
            difference = np.abs(result[exact].astype("float64") - expected[exact].astype("float64"))
            assert (difference <= tolerance * np.maximum(size, 1e-30)).all() or name == "prod"
    else:
        np.testing.assert_array_equal(result, expected)


def test_reductions_are_the_same_bits_for_every_budget() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(37, 70, 5000)).astype("float32")
    x = stored(a, (5, 30, 700), (-3, 7, 100))
    for axis in [None, 0, 1, 2, (0, 2), (1, 2), (0, 1)]:
        expected = np.asarray(a.astype("float64").mean(axis=axis).astype("float32"))
        found = [x.lazy.mean(axis=axis).compute(memory=memory) for memory in (None, 16 << 20, 4 << 20)]
        assert all(one.tobytes() == found[0].tobytes() for one in found), axis
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-7)
    part = x.lazy.mean(axis=0)[10:20, 200:5000].compute()
    assert part.tobytes() == x.lazy.mean(axis=0).compute()[3:13, 100:4900].tobytes()


def test_nested_reductions_and_slices() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(30, 20, 10))
    x = stored(a, (7, 6, 5), (5, -5, 0))
    anomaly = x.lazy - x.lazy.mean(axis=0)
    np.testing.assert_allclose(anomaly.compute(), a - a.mean(axis=0), rtol=1e-12)
    deviation = np.sqrt((anomaly * anomaly).mean(axis=0))
    np.testing.assert_allclose(deviation.compute(), a.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation[-3:1, 2].compute(), a.std(axis=0)[2:6, 2], rtol=1e-12)
    np.testing.assert_allclose(anomaly[6:20:3, -5, ::-1].compute(), (a - a.mean(axis=0))[[1, 4, 7, 10, 13], 0, ::-1])
    assert anomaly[5:35:5].domain == ba.Domain("1:7,-5:15,0:10")


def test_axes_that_are_kept_and_variances() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(loc=1e4, size=(30, 20, 10)).astype("float32")
    x = stored(a, (7, 6, 5), (5, -5, 0)).lazy
    wide = a.astype("float64")
    for axis in (None, 0, 1, 2, (0, 2), (-1, -2)):
        kept = x.mean(axis, keepdims=True)
        assert kept.shape == wide.mean(axis=axis, keepdims=True).shape
        np.testing.assert_allclose(kept.compute(), wide.mean(axis=axis, keepdims=True), rtol=1e-6)
        np.testing.assert_allclose((x - kept).compute(), a - wide.mean(axis=axis, keepdims=True).astype("float32"))
        np.testing.assert_allclose(x.var(axis).compute(), wide.var(axis=axis), rtol=1e-6)
        np.testing.assert_allclose(x.std(axis, ddof=1).compute(), wide.std(axis=axis, ddof=1), rtol=1e-6)
        assert x.var(axis).dtype == "float32" and x.astype("int32").std(axis).dtype == "float64"
    kept = x.mean("time", keepdims=True) if "time" in x.dimension_names else x.mean(0, keepdims=True)
    assert kept.domain == ba.Domain("5:6,-5:15,0:10")
    np.testing.assert_allclose(kept[:, -3:1].compute(), wide.mean(axis=0, keepdims=True)[:, 2:6], rtol=1e-6)
    np.testing.assert_allclose(kept[5, -3].compute(), wide.mean(axis=0)[2], rtol=1e-6)
    both = x.mean((0, 1), keepdims=True)[5]
    np.testing.assert_allclose(both.compute(), wide.mean(axis=(0, 1), keepdims=True)[0], rtol=1e-6)
    assert both.domain == ba.Domain("-5:-4,0:10")


def test_literals_take_the_type_of_what_they_meet() -> None:
    x = stored(np.arange(6, dtype="uint8"), (4,), (0,)).lazy
    assert (x + 1).dtype == "uint8" and (x + 1.5).dtype == "float64" and (x.astype("float32") + 1.5).dtype == "float32"
    assert (1 - x).compute().tolist() == [1, 0, 255, 254, 253, 252]
    with pytest.raises(OverflowError, match="300"):
        x + 300
    assert (x < 300).compute().all() and not (x == -1).compute().any() and (x < 2**70).compute().all()
    with pytest.raises(TypeError):
        (x > 2) - (x > 3)
    with pytest.raises(ba.InvalidArgumentError, match="negative"):
        x.astype("int16") ** -1
    assert (x**2).compute().tolist() == [0, 1, 4, 9, 16, 25]


def test_operands_have_to_agree_in_place() -> None:
    a = stored(np.arange(6), (4,), (0,)).lazy
    b = stored(np.arange(6), (4,), (1,)).lazy
    with pytest.raises(ba.InvalidArgumentError, match="translate"):
        a + b
    assert (a + b.translate([-1])).compute().tolist() == [0, 2, 4, 6, 8, 10]
    assert (b + np.arange(6)).domain == b.domain
    with pytest.raises(ba.InvalidArgumentError, match="lengths"):
        a + np.arange(5)
    with pytest.raises(ba.OutOfBoundsError):
        a[-3:2]


def test_results_are_saved_block_by_block(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.integers(0, 100, size=(50, 40, 30)).astype("uint16") for _ in range(2))
    x = stored(a, (16, 16, 16), (0, 0, 0))
    y = stored(b, (10, 40, 7), (0, 0, 0))
    for format, chunk in [("zarr3", (9, 9, 9)), ("n5", (9, 9, 9)), ("zarr2", (50, 1, 30))]:
        saved = (x.lazy * y.lazy + 2).save(tmp_path / format, format=format, chunk_shape=chunk)
        np.testing.assert_array_equal(saved[...], a * b + 2)
        mean = x.lazy.mean(axis=1).save(tmp_path / f"{format}-mean", format=format, chunk_shape=(9, 9))
        np.testing.assert_allclose(mean[...], a.mean(axis=1))
    layer = ba.create(tmp_path / "layer", domain="-5:45,0:40,3:33", dtype="uint16", chunk_shape=(16, 16, 16))
    layer[...] = a
    saved = (layer.lazy // 3).save(tmp_path / "result", chunk_shape=(9, 9, 9))
    assert saved.domain == layer.domain
    np.testing.assert_array_equal(saved[...], a // 3)
    with pytest.raises(ba.AlreadyExistsError):
        (layer.lazy + 1).save(tmp_path / "result")


@pytest.mark.parametrize("format", ["zarr3", "zarr2", "n5", "precomputed", "ome-zarr", "ome-zarr-0.4"])
def test_what_was_not_saved_to_its_end_is_marked(tmp_path: Path, format: str) -> None:
    a = ba.create(tmp_path / "a", shape=(256, 128, 128), dtype="uint8", format="zarr3", chunk_shape=(8, 128, 128))
    a[...] = 3
    seen = []

    def stop(*_: Any) -> None:
        with pytest.raises(ba.IncompleteError, match="has not finished"):
            ba.open(tmp_path / format)
        seen.append(ba.open(tmp_path / format, incomplete=True))
        raise KeyboardInterrupt

    options: dict[str, Any] = {"format": format, "chunk_shape": (8, 128, 128), "memory": 3 << 20}
    with pytest.raises(KeyboardInterrupt):
        (a.lazy + 1).save(tmp_path / format, progress=stop, **options)
    with pytest.raises(ba.IncompleteError, match="incomplete=True") as caught:
        ba.open(tmp_path / format, mode="r+")
    assert isinstance(caught.value, RuntimeError)
    left = pickle.loads(pickle.dumps(seen[0]))
    assert left.incomplete and left.mode == "r" and left[0, 0, 0] in (0, 4)
    with pytest.raises(ba.ReadOnlyError):
        left.complete()
    assert [problem["kind"] for problem in ba.verify(tmp_path / format).problems] == ["incomplete"]
    with pytest.raises(ba.AlreadyExistsError):
        (a.lazy + 1).save(tmp_path / format, **options)
    ba.remove(tmp_path / format)
    saved = (a.lazy + 1).save(tmp_path / format, **options)
    assert not saved.incomplete and not ba.open(tmp_path / format).incomplete
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(saved))[...], 4)


def test_a_format_without_a_mark_says_so(tmp_path: Path) -> None:
    saved = (ba.lazy(np.arange(6).reshape(2, 3)) + 1).save(tmp_path / "a.npy", format="npy")
    assert any("has no place for a mark" in note for note in saved.notes)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), [[1, 2, 3], [4, 5, 6]])


def test_what_does_not_fit_is_refused_before_anything_is_read() -> None:
    x = stored(np.zeros((64, 64), "float64"), (64, 64), (0, 0))
    with pytest.raises(ba.MemoryBudgetError, match="MiB at least"):
        (x.lazy + 1).compute(memory=1000)
    plan = (x.lazy + 1).mean(axis=0).explain(memory=10 << 20)
    assert "pass 1: mean(" in plan and "budget of 10.0 MiB" in plan
    t = stored(np.ones((1000, 200), "float32"), (100, 50), (0, 0)).lazy
    scores = (t - t.mean(axis=0, keepdims=True)) / t.std(axis=0, keepdims=True)
    for memory in [1000, 1 << 20]:
        with pytest.raises(ba.MemoryBudgetError) as refused:
            scores.save("memory://lazy/scores.zarr", format="zarr3", memory=memory)
        # Of all passes, whichever is planned first.
        least = re.search("takes ([0-9]+) MiB at least", str(refused.value))
        assert least
        assert "budget" in scores.explain("memory://lazy/scores.zarr|zarr3:", memory=int(least[1]) << 20)
    huge = ba.create("memory://lazy/huge", shape=(10**6, 10**6, 100), dtype="float32", chunk_shape=(64, 64, 64))
    with pytest.raises(ba.InvalidArgumentError, match="unasked"):
        np.asarray(huge.lazy + 1)
    assert "MiB" in huge.lazy.mean(axis=2)[:100, :100].explain(memory=1 << 28)
    with pytest.raises(ba.InvalidArgumentError, match="does not fit"):
        (x.lazy + 300).astype("uint8").compute()


def test_numpy_functions_give_expressions() -> None:
    a = np.arange(12.0).reshape(3, 4)
    x = ba.lazy(a)
    assert isinstance(np.sin(x), ba.Lazy) and isinstance(a + x, ba.Lazy) and isinstance(np.mean(x), ba.Lazy)
    np.testing.assert_array_equal(np.where(x > 5, x, -1).compute(), np.where(a > 5, a, -1))
    np.testing.assert_array_equal(np.clip(x, 2, 7).compute(), np.clip(a, 2, 7))
    np.testing.assert_array_equal(np.asarray(a[0] * x), a[0] * a)
    assert float(np.asarray(np.sum(x))) == 66
    stored_array = stored(a, (2, 2), (0, 0))
    np.testing.assert_array_equal((stored_array.lazy > a).compute(), np.zeros(a.shape, bool))
    assert hash(x) == hash(x) and {x: 1}[x] == 1


def viewed(rng: np.random.Generator, a: NDArray[Any], x: ba.Lazy) -> tuple[NDArray[Any], ba.Lazy]:
    """A random view of both, by position."""
    what = rng.integers(0, 8)
    if what == 0 and a.ndim:
        key = tuple(
            int(rng.integers(-n, n)) if n and rng.random() < 0.3 else slice(*sorted(rng.integers(0, n + 1, size=2).tolist()))
            for n in a.shape
        )
        return a[key], x[key]
    if what == 1 and a.ndim:
        steps = tuple(slice(None, None, int(rng.choice([-3, -2, -1, 1, 2, 3]))) for _ in a.shape)
        return a[steps], x[steps]
    if what == 2 and a.ndim:
        order = rng.permutation(a.ndim).tolist()
        return a.transpose(order), x.transpose(*order)
    if what == 3 and a.ndim < 5:
        at = int(rng.integers(0, a.ndim + 1))
        return np.expand_dims(a, at), x.expand_dims(at)
    if what == 4 and a.ndim and a.shape[-1]:
        taken = rng.integers(-a.shape[-1], a.shape[-1], size=int(rng.integers(0, 7))).tolist()
        return a[..., np.array(taken, int)], x.take(taken, -1)
    if what == 5 and a.ndim < 4:
        shape = (int(rng.integers(1, 4)), *(n if n != 1 else int(rng.integers(1, 4)) for n in a.shape))
        return np.broadcast_to(a, shape), x.broadcast_to(shape)
    if what == 6 and a.ndim:
        at = int(rng.integers(0, a.ndim))
        return np.concatenate([a, a + 1, a], at), ba.concatenate([x, x + 1, x], at)
    if what == 7:
        at = int(rng.integers(0, a.ndim + 1))
        return np.stack([a, a * 2], at), ba.stack([x, x * 2], at)
    return a, x


@pytest.mark.parametrize("seed", range(150))
def test_views_of_views_are_those_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (a, x), (b, y) = operands(rng, 2, ["int32", "uint8", "bool", "float32"])
    (c, z) = a, x.lazy.positional
    if a.dtype != bool and b.dtype != bool:
        (c, z) = numpy_of(np.add, a, b), x.lazy.positional + y.lazy.positional
    for _ in range(int(rng.integers(1, 7))):
        if rng.random() < 0.2 and c.ndim and c.dtype != bool and 0 not in c.shape:
            axis = int(rng.integers(0, c.ndim))
            keeps = bool(rng.random() < 0.5)
            c, z = c.max(axis=axis, keepdims=keeps), z.max(axis, keepdims=keeps)
        elif c.size < 5000:
            c, z = numpy_of(viewed, rng, c, z) if c.dtype != bool else (c[...], z[...])
    assert z.shape == c.shape
    same(z.compute(memory=int(rng.choice([1 << 20, 1 << 28]))), c)
    if c.dtype.kind != "f":
        assert z.sum().compute() == c.sum()


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("name", ["argmin", "argmax", "nanargmin", "nanargmax"])
def test_places_are_those_of_numpy(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 9, size=int(rng.integers(1, 4))).tolist()
    a = elements(rng, shape, rng.choice(TYPES))
    origin = rng.integers(-9, 9, size=a.ndim).tolist()
    x = stored(a, [int(rng.integers(1, n + 1)) for n in shape], origin).lazy
    axis = int(rng.integers(0, a.ndim))
    function = getattr(np, name)
    expected = []
    for at in (axis, None):
        try:
            expected.append(function(a, axis=at))
        except ValueError:
            expected.append(None)
    lazy = [getattr(x, name)(axis), getattr(x.positional, name)()]
    for found, wanted in zip(lazy, expected, strict=True):
        if wanted is None:
            with pytest.raises(ba.InvalidArgumentError, match="NaN"):
                found.compute()
            continue
        result = found.compute(memory=int(rng.choice([1 << 20, 1 << 28])))
        assert result.dtype == np.dtype("int64")
        np.testing.assert_array_equal(result, wanted + (origin[axis] if found is lazy[0] else 0))
    if a.ndim > 1:
        with pytest.raises(ba.InvalidArgumentError, match="positional"):
            getattr(x, name)()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ["nansum", "nanprod", "nanmean", "nanmin", "nanmax", "nanvar", "nanstd"])
def test_functions_that_skip_nans_are_those_of_numpy(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 9, size=3).tolist()
    a = rng.normal(size=shape).astype(rng.choice(["float32", "float64", "int16"]))
    if a.dtype.kind == "f":
        a[rng.random(shape) < rng.choice([0.1, 0.9])] = np.nan
    x = stored(a, (2, 3, 4), (0, 5, -5)).lazy
    for axis in (None, 0, 2, (0, 2)):
        wide = a.astype("float64") if a.dtype.kind == "f" else a
        expected = numpy_of(getattr(np, name), wide, axis)
        found = getattr(np, name)(x, axis=axis)
        assert found.dtype == numpy_of(getattr(np, name), a, axis).dtype
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-5, atol=1e-6)
    assert x.count((0, 1)).compute().tolist() == (~np.isnan(a)).sum(axis=(0, 1)).tolist()
    few = x.nanmean(0, min_count=2).compute()
    valid = (~np.isnan(a)).sum(axis=0)
    np.testing.assert_array_equal(np.isnan(few), valid < 2)


def test_several_results_in_one_pass(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=(40, 30, 20)).astype("float32") for _ in range(2))
    x, y = stored(a, (7, 30, 9), (3, 0, 0)).lazy, stored(b, (40, 8, 20), (3, 0, 0)).lazy
    moments = [(x * x).mean(0), (y * y).mean(0), (x * y).mean(0), x.min(0), x.max(0, keepdims=True)]
    plan = ba.explain(*moments, show="dict")
    assert len(plan["passes"]) == 1 and plan["peak_memory"] <= plan["memory"]
    picture = ElementTree.fromstring(ba.explain(*moments, moments[0] > moments[1], show="svg"))
    assert len([one for one in picture if one.tag.endswith("rect")]) == 2
    found = ba.compute(*moments)
    wide, other = a.astype("float64"), b.astype("float64")
    expected = [wide**2, other**2, wide * other]
    for result, values in zip(found, expected, strict=False):
        np.testing.assert_allclose(result, values.mean(axis=0), rtol=1e-6, atol=1e-7)
    assert found[3].tobytes() == a.min(axis=0).tobytes() and found[4].tobytes() == a.max(axis=0, keepdims=True).tobytes()
    alone = [moment.compute() for moment in moments]
    assert all(one.tobytes() == other.tobytes() for one, other in zip(found, alone, strict=True))
    names = [tmp_path / name for name in ("sum", "product", "mean")]
    results = dict(zip(names, [x + y, x * y, (x * y).mean(0)], strict=True))
    saved = ba.save(results, format="zarr3", memory=16 << 20)
    np.testing.assert_array_equal(saved[names[0]][...], a + b)
    np.testing.assert_array_equal(saved[names[1]][...], a * b)
    np.testing.assert_allclose(saved[names[2]][...], (wide * other).mean(axis=0), rtol=1e-6, atol=1e-7)
    one = ba.create(tmp_path / "one", shape=(40, 30, 20), dtype="float32", format="zarr3")
    with pytest.raises(ba.InvalidArgumentError, match="two results"):
        ba._bigarrays._Lazy.save([(x._inner, one), (y._inner, one)])


def test_expressions_can_be_pickled(tmp_path: Path) -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    array = ba.create(tmp_path / "a", shape=a.shape, dtype="float64", format="zarr3")
    array[...] = a
    part = cast(ba.Lazy, np.sqrt(array.lazy) + np.ones(4))[:, 1:, ::-1]
    x = ba.concatenate([part, part.mean(0, keepdims=True)])
    again = pickle.loads(pickle.dumps(x))
    assert repr(again) == repr(x) and again.compute().tobytes() == x.compute().tobytes()
    assert pickle.loads(pickle.dumps(x.positional))[-1].shape == (2, 4)


def test_shared_operands_cost_once() -> None:
    x = ba.lazy(np.arange(10))
    for _ in range(60):
        x = x + x
    part = x[2:5]
    assert part.compute().tolist() == (np.arange(2, 5) * np.int64(2) ** 60).tolist()
    assert len(repr(x)) < 2000


@pytest.mark.parametrize("seed", range(40))
def test_what_is_not_stored_costs_nothing_and_counts(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    fill = int(rng.choice([0, 0, 0, 5]))
    shape, chunk = (40, 30, 25), (4, 3, 5)
    spec: dict[str, Any] = {"chunk_shape": chunk, "format": "zarr3", "fill_value": fill}
    dtype = str(rng.choice(["uint8", "int32", "float32"]))
    array = ba.create(tmp_path / "a", shape=shape, dtype=dtype, **spec)
    a = np.full(shape, fill, dtype)
    for _ in range(int(rng.integers(0, 6))):
        z, y, x = (int(rng.integers(0, n)) for n in shape)
        box = np.s_[z : z + 5, y : y + 4, x : x + 6]
        a[box] = rng.integers(-3 if dtype != "uint8" else 1, 9, size=a[box].shape)
        array[box[0].start : min(z + 5, 40), y : min(y + 4, 30), x : min(x + 6, 25)] = a[box]
    origin = rng.integers(-9, 9, size=3).tolist()
    lazy, turned = array.translate(origin).lazy, bool(rng.random() < 0.5)
    if turned:
        a, lazy = a.transpose(2, 0, 1), lazy.transpose(2, 0, 1)
    memory = int(rng.choice([1 << 20, 4 << 20, 1 << 28]))
    for axis in (None, 0, 2, (0, 1), (1, 2)):
        for name in ("sum", "mean", "max", "min", "any", "all", "count_nonzero", "argmax"):
            if name == "argmax" and not isinstance(axis, int):
                continue
            expected = getattr(np, name)(a.astype("float64") if name in ("sum", "mean") else a, axis=axis)
            found = getattr(lazy.positional, name)(axis).compute(memory=memory)
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=f"{name} {axis}")
    np.testing.assert_array_equal((lazy * 2 + 1).compute(memory=memory), a * 2 + 1)
    wrapped = (np.full(1, fill, dtype) * np.array(3, dtype) - np.array(2, dtype))[0]
    saved = (lazy * 3 - 2).save(tmp_path / "b", chunk_shape=(5, 4, 3), format="zarr3", fill_value=int(wrapped))
    np.testing.assert_array_equal(saved[...], (a * np.array(3, dtype) - np.array(2, dtype)))
    other = (lazy * 3).save(tmp_path / "c", chunk_shape=(5, 4, 3), format="zarr3", fill_value=1)
    np.testing.assert_array_equal(other[...], a * np.array(3, dtype))


def test_a_huge_layer_of_which_little_is_stored(tmp_path: Path) -> None:
    layer = ba.create(tmp_path / "layer", domain="0:200000,0:200000,0:2000", dtype="uint32", chunk_shape=(64, 64, 64))
    layer[70_000:70_100, 9_000:9_010, 5:7] = np.uint32(7)
    assert int(layer.lazy.max().compute()) == 7 and int((layer.lazy > 3).count_nonzero().compute()) == 2000
    saved = (layer.lazy * 2).save(tmp_path / "twice", chunk_shape=(64, 64, 64))
    assert saved[70_050, 9_005, 6] == 14 and saved.lazy.sum().compute() == 28_000


def test_results_never_lie_on_what_they_are_made_of(tmp_path: Path) -> None:
    folder = tmp_path / "group"
    bigarray = ba.create(folder / "a", shape=(4, 4), dtype="uint8", format="zarr3", chunk_shape=(2, 2))
    bigarray[...] = 1
    (tmp_path / "link").symlink_to(folder / "a")
    (tmp_path / "up").symlink_to(folder)
    before = sorted(tmp_path.rglob("*"))
    lazy = bigarray.view[1:3].lazy + 1
    spellings = ["group/a", "link", "up/a", "group/../group/a", "group/a/c", "group/a/new", "up/a/c/0/new", "group", "up"]
    for place in spellings:
        for url in (tmp_path / place, f"file://{tmp_path}/{place}"):
            with pytest.raises(ba.InvalidArgumentError, match="made of"):
                lazy.save(url, format="zarr3")
            with pytest.raises(ba.InvalidArgumentError, match="made of"):
                ba.save({str(tmp_path / "fine"): ba.lazy([1]), str(url): lazy}, format="zarr3")
    assert sorted(tmp_path.rglob("*")) == before and (bigarray[...] == 1).all()
    assert lazy.save(tmp_path / "group/ab", format="zarr3").shape == (2, 4)


def test_progress_is_told_or_shown(capsys: pytest.CaptureFixture[str]) -> None:
    # More than half of the budget holds: a box is told once it is done.
    x = stored(np.ones((64, 64, 80)), (16, 16, 16), (0, 0, 0)).lazy
    told: list[tuple[int, int]] = []
    (x - x.mean()).compute(progress=lambda done, total: told.append((done, total)), memory=4 << 20)
    totals = {total for _, total in told}
    assert len(totals) == 1 and told[-1][0] == totals.pop() and len(told) >= 2
    ba.compute(x.sum(), progress=True)
    line = capsys.readouterr().err
    assert line.startswith("\rcomputing:") and "100% of 2.5 MiB" in line and line.endswith("of memory\n")
    with pytest.raises(ZeroDivisionError):
        x.compute(progress=lambda done, total: 1 / 0)


def test_chunks_are_not_read_again_and_again_where_memory_allows() -> None:
    cube = ba.create("memory://lazy/cube", shape=(744, 360, 720), dtype="float32", chunk_shape=(24, 90, 180), format="zarr3")
    pencils: dict[str, Any] = {"format": "zarr3", "chunk_shape": (744, 24, 24)}
    target = ba.create("memory://lazy/pencils", shape=cube.shape, dtype="float32", **pencils)
    read = {}
    for memory in (64 << 20, 256 << 20, 1 << 30):
        plan = json.loads(ba._bigarrays._Lazy.explain([(cube.lazy._inner, target)], memory, None, None, "dict"))
        assert plan["peak_memory"] <= memory
        read[memory] = plan["passes"][0]["bytes_read"] / cube.lazy.nbytes
    # A few blocks that are read once, rather than many that are read again.
    assert read[1 << 30] == 1 and read[256 << 20] <= 1.5 and read[256 << 20] <= read[64 << 20]
    for lazy in (cube.lazy * 2, cube.lazy * 2 - cube.lazy):
        plan = json.loads(ba._bigarrays._Lazy.explain([(lazy._inner, target)], 4 << 30, None, None, "dict"))
        assert plan["passes"][0]["bytes_read"] < 1.8 * lazy.nbytes
    for lazy in (cube.lazy.mean(0), cube.lazy * 2):
        assert lazy.explain(memory=1 << 30, show="dict")["passes"][0]["bytes_read"] == cube.lazy.nbytes


def test_the_url_may_say_the_format_of_a_result(tmp_path: Path) -> None:
    saved = (ba.lazy(np.arange(5)) + 1).save(f"{tmp_path / 'named'}|zarr3:")
    np.testing.assert_array_equal(saved[...], np.arange(1, 6))


#: Arguments that are numbers of NumPy, and the same of Python.
NUMBERS: list[Callable[[Any, Any], Any]] = [
    lambda x, of: x.mean(axis=of(0)),
    lambda x, of: x.median(axis=[of(-1)]),
    lambda x, of: x.cumsum(axis=of(0)),
    lambda x, of: x.rolling(of(2), axis=0, min_count=of(1)).mean(),
    lambda x, of: x.rolling((of(2), of(3)), axis=(of(0), of(1))).sum(),
    lambda x, of: x.coarsen(of(2), axis=of(1)).var(ddof=of(1)),
    lambda x, of: x.groupby([0, 1, 0], axis=of(0)).mean(axis=of(1)),
    lambda x, of: x.median_filter(of(3), origin=of(0)),
    lambda x, of: x.uniform_filter([of(1), of(3)], origin=[of(0), of(1)]),
    lambda x, of: x.gaussian_filter(np.float32(1) if of is np.int64 else 1.0),
    lambda x, of: x.shift(of(1), axis=of(0), fill_value=of(7)),
    lambda x, of: x.roll(of(1), axis=of(1)),
    lambda x, of: x.pad(of(1), of(2), of(0), fill_value=of(3)),
    lambda x, of: x.diff(axis=of(1), n=of(2)),
    lambda x, of: x.gradient(axis=of(1), spacing=of(2)),
    lambda x, of: x.topk(of(2), axis=of(1)),
    lambda x, of: x.expand_dims(of(-1)).squeeze(of(2)),
    lambda x, of: x.transpose(of(1), of(0)),
    lambda x, of: x.quantile(of(1), axis=of(0)),
    lambda x, of: np.moveaxis(x, of(0), of(1)),
    lambda x, of: np.roll(x, of(1), axis=of(0)),
    lambda x, of: np.flip(x, of(0)),
    lambda x, of: ba.tensordot(x, x.transpose(), axes=of(1)),
    lambda x, of: ba.tensordot(x, x, axes=(of(0), of(0))),
]


@pytest.mark.parametrize("number", range(len(NUMBERS)))
def test_numbers_of_numpy_are_arguments(number: int) -> None:
    x, make = ba.lazy(np.arange(12.0).reshape(3, 4)), NUMBERS[number]
    same(make(x, np.int64).compute(), make(x, int).compute())
    same(make(x, np.uint8 if number not in (1, 16) else np.int8).compute(), make(x, int).compute())


def test_axes_that_are_no_whole_numbers_are_refused() -> None:
    x = ba.lazy(np.zeros((3, 4)))
    for axis in [0.0, np.float32(0)]:
        with pytest.raises(ba.InvalidArgumentError, match="axis= is a whole number, not 0"):
            x.cumsum(axis=axis)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            x.mean(axis=[axis])  # type: ignore[list-item]


#: Calls of NumPy's functions, which give what they give for arrays.
NUMPY_CALLS: list[Callable[[Any], Any]] = [
    np.zeros_like,
    lambda x: np.zeros_like(x, dtype="int32"),
    np.ones_like,
    lambda x: np.full_like(x, 3),
    lambda x: np.sum(x, dtype="float32"),
    lambda x: np.mean(x, axis=0, dtype="float32"),
    lambda x: np.median(x, axis=1),
    lambda x: np.nanmedian(x, axis=0),
    lambda x: np.quantile(x[:2], 0.25, axis=0),
    lambda x: np.nanpercentile(x, 30, axis=1),
    lambda x: np.percentile(x, [10, 50], axis=0, method="lower"),
    lambda x: np.pad(x, 1),
    lambda x: np.pad(x, ((1, 2), (0, 1)), mode="edge"),
    lambda x: np.pad(x, ((2, 1),), mode="reflect"),
    lambda x: np.pad(x, 2, mode="symmetric"),
    lambda x: np.pad(x, 1, mode="constant", constant_values=7),
    lambda x: np.gradient(x, axis=0),
    lambda x: np.gradient(x, 2.0, axis=1),
    lambda x: np.gradient(x)[1],
    lambda x: np.histogram(x, bins=[-9, 0, 3, 9])[0],
    lambda x: np.swapaxes(x, 0, 1),
    lambda x: np.squeeze(x[:1]),
    lambda x: np.expand_dims(x, (0, -1)),
    lambda x: np.take(x, 1, axis=0),
    lambda x: np.take(x, [2, 0], axis=1),
    lambda x: np.clip(x, a_min=-1, a_max=2),
    lambda x: np.clip(x, min=0, max=None),
    lambda x: np.isclose(x, x + 1e-9),
    lambda x: np.isclose(x, x[::-1], equal_nan=True),
    lambda x: np.nan_to_num(x),
    lambda x: np.nan_to_num(x, nan=7, posinf=8, neginf=-8),
    lambda x: np.logical_and(x, 0.5),
    lambda x: np.logical_or(2, x),
    lambda x: np.logical_xor(x, np.nan),
    lambda x: np.where(x > 0, x, -x),
]


@pytest.mark.filterwarnings("ignore:All-NaN", "ignore:invalid value")
@pytest.mark.parametrize("number", range(len(NUMPY_CALLS)))
def test_functions_of_numpy_take_expressions(number: int) -> None:
    call = NUMPY_CALLS[number]
    plain = np.array([[1.5, -2, 0, 4], [2, np.nan, 3, -0.0], [7, 1, np.inf, -np.inf]])
    finite = np.arange(12.0).reshape(3, 4)
    for values in [plain, finite, (finite * 2).astype("float32")]:
        given = call(ba.lazy(values))
        expected = call(values)
        assert given.dtype == expected.dtype and given.shape == expected.shape
        np.testing.assert_allclose(given.compute(), expected, rtol=1e-6)
    whole = np.arange(-4, 8, dtype="int16").reshape(3, 4)
    np.testing.assert_allclose(call(ba.lazy(whole)).compute(), call(whole), rtol=1e-6)


def test_functions_of_numpy_keep_coordinates_and_names() -> None:
    a = stored(np.arange(6.0).reshape(2, 3), (2, 2), (5, -3))
    for made in [np.zeros_like(a.lazy), np.full_like(a.lazy, 2, dtype="uint8"), np.nan_to_num(a.lazy)]:
        domain, names = cast(Any, made).domain, cast(Any, made).dimension_names
        assert domain == a.domain and names == a.lazy.dimension_names
    assert np.shape(a.lazy) == (2, 3) and np.ndim(a.lazy) == 2 and np.size(a.lazy) == 6 and np.size(a.lazy, 1) == 3
    with pytest.raises(TypeError, match="cast the elements before"):
        np.sum(a.lazy, dtype="int64")


def test_sums_of_integers_in_a_small_type_wrap() -> None:
    values = np.array([100, 100, 100], "uint8")
    same(np.sum(ba.lazy(values), dtype="uint8").compute(), np.sum(values, dtype="uint8"))


def test_no_inverse_hyperbolic_cosine_below_one() -> None:
    for dtype in ["float16", "float32", "float64"]:
        values = np.concatenate([-np.logspace(-4, 4.5, 3000), [1, 1.5, 6e4, np.nan, 0.5]]).astype(dtype)
        with np.errstate(all="ignore"):
            found, expected = cast(Any, np.arccosh(ba.lazy(values))).compute(), np.arccosh(values)
        np.testing.assert_allclose(found, expected, rtol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize("signed", ["int8", "int16", "int32", "int64"])
def test_comparisons_of_whole_numbers_of_all_types_are_exact(signed: str) -> None:
    info = np.iinfo(signed)
    one = np.array([info.min, -1, 0, 1, info.max], signed)[:, None]
    other = np.array([0, 1, info.max, 2**63, 2**64 - 1], "uint64")
    for compare in [np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal]:
        for left, right in [(one, other), (other, one)]:
            expected = compare(left.astype(object), right.astype(object)).astype(bool)
            same(cast(Any, compare(ba.lazy(left), ba.lazy(right))).compute(), expected)


@pytest.mark.parametrize("signed", ["int8", "int16", "int32", "int64"])
def test_powers_of_uint64_and_signed_exponents_are_real(signed: str) -> None:
    base, exponent = np.array([1, 2, 3], "uint64"), np.array([2, -1, 2], signed)
    same(cast(Any, np.power(ba.lazy(base), ba.lazy(exponent))).compute(), np.power(base, exponent))


class Chunked:
    """Ones, which are read chunk by chunk; `at` is called with how many times they were read."""

    def __init__(self, at: Callable[[int], None]) -> None:
        self.shape, self.dtype, self.chunks = (100_000_000,), np.dtype("uint8"), (100_000,)
        self.at, self.count = at, 0

    def __getitem__(self, key: Any) -> Any:
        self.count += 1
        self.at(self.count)
        part = key[0] if isinstance(key, tuple) else key
        return np.ones(len(range(*part.indices(self.shape[0]))), self.dtype)


def test_long_reductions_hear_ctrl_c_and_tell_how_far_they_are() -> None:
    def interrupt(count: int) -> None:
        if count == 3:
            signal.raise_signal(signal.SIGINT)

    memory = 1 << 20
    whole = Chunked(lambda _: None)
    told: list[int] = []
    assert int(ba.lazy(whole).sum().compute(memory=memory, progress=lambda done, _: told.append(done))) == 100_000_000
    assert whole.count > 100 and told[0] < 10_000_000 and told[-1] == max(told)
    stopped = Chunked(interrupt)
    with pytest.raises(KeyboardInterrupt):
        ba.lazy(stopped).sum().compute(memory=memory)
    assert stopped.count < 50


LOSSY: dict[str, dict[str, Any]] = {
    "jpeg": {"dtype": "uint8", "encoding": "jpeg"},
    "bitround": {
        "dtype": "float32",
        "format": "zarr3",
        "codecs": [{"name": "bitround", "configuration": {"keepbits": 3}}, {"name": "bytes", "configuration": {"endian": "little"}}],
    },
}


@pytest.mark.parametrize("kind", LOSSY)
def test_a_codec_that_loses_something_is_used_only_if_it_is_named(tmp_path: Path, kind: str) -> None:
    like = ba.create(tmp_path / "like", shape=(40, 40, 8), chunk_shape=(16, 16, 8), **LOSSY[kind])
    like[...] = np.random.default_rng(0).integers(0, 255, like.shape)
    elements = like[...]
    saved = (like.lazy * 3).save(tmp_path / "a", like=like)
    np.testing.assert_array_equal(saved[...], elements * like.dtype.type(3))
    assert saved.chunk_shape == like.chunk_shape and saved.format == like.format
    if kind == "jpeg":
        named = like.lazy.save(tmp_path / "b", like=like, encoding="jpeg", level=30)
        assert (named[...] != elements).any() and named.scales[0].encoding == "jpeg"
        found, _ = ba.renumber(like, tmp_path / "c")
        assert len(np.unique(found[...])) == len(np.unique(elements))
        relabelled = ba.relabel(like, tmp_path / "d", {1: 200, 2: 100})
        expected = np.where(elements == 1, 200, np.where(elements == 2, 100, elements))
        np.testing.assert_array_equal(relabelled[...], expected)
